//! Prefetch hints and eviction for files: which byte ranges a pass reads, and which it no longer needs.
//!
//! A remote file fetches the announced ranges ahead of their reader. A local file is mapped and needs no hints;
//! eviction returns its pages to the system as threads go, instead of in one thread at the end.
//!
//! Several passes may read the same chunks: those of the checks, then the scan. [`Retention`] decides whether
//! the chunks stay in memory between the passes.

use std::ops::Range;

use super::file::OpenFile;
use super::role::Role;
use crate::parquet::{ChunkMeta, footer};
use crate::storage::Input;

/// Bytes of remote chunks, of all files together, that are kept in memory from pass to pass.
const KEEP_BYTES: u64 = 96 << 20;

/// Announces that the files are read, beginning with their footers.
pub fn footers<'i>(inputs: impl IntoIterator<Item = &'i Input>) {
    inputs.into_iter().for_each(|input| input.object.prefetch_footer());
}

/// Announces ranges of a remote file, and the magic at its start. Each range is evicted after as many calls of
/// [`Object::evict`](crate::storage::Object::evict) as there were announcements.
pub fn announce(file: &OpenFile<'_>, mut ranges: Vec<Range<u64>>) {
    if file.object.is_remote() {
        if !ranges.is_empty() {
            ranges.push(footer::HEAD);
        }
        file.object.prefetch(&ranges);
    }
}

/// Whether chunks that several passes read stay in memory between the passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// They are fetched once; later passes find them in memory.
    Keep,
    /// They are evicted after the pass that announced them; every later pass fetches them again.
    Evict,
}

impl Retention {
    /// Announces the chunks of `roles` in row groups of remote files, each by the index of its file and its number. They
    /// are kept where they fit into [`KEEP_BYTES`].
    pub fn announce(
        files: &[OpenFile<'_>],
        row_groups: impl Iterator<Item = (usize, usize)>,
        roles: &[Role],
    ) -> Self {
        if !files.iter().any(|file| file.object.is_remote()) {
            return Retention::Keep;
        }
        let mut remote: Vec<(&OpenFile<'_>, Vec<Range<u64>>)> =
            files.iter().map(|file| (file, vec![])).collect();
        for (file, row_group) in row_groups {
            if let Some((file, ranges)) = remote.get_mut(file) {
                ranges.extend(chunk_ranges(file, row_group, roles));
            }
        }
        remote.retain(|(file, _)| file.object.is_remote());
        let ranges = remote.iter().flat_map(|(_, ranges)| ranges);
        let bytes = ranges.map(|range| range.end.saturating_sub(range.start)).fold(0, u64::saturating_add);
        let retention = if bytes <= KEEP_BYTES { Retention::Keep } else { Retention::Evict };
        for (file, mut ranges) in remote {
            if retention == Retention::Keep && !ranges.is_empty() {
                // The scan reads the magic; it comes with the first chunk.
                ranges.push(footer::HEAD);
            }
            file.object.prefetch(&ranges);
        }
        retention
    }

    /// The pass that announced the chunks of `roles` has read those of a row group.
    pub fn evict(self, file: &OpenFile<'_>, row_group: usize, roles: &[Role]) {
        if self == Retention::Evict && file.object.is_remote() {
            file.object.evict(&chunk_ranges(file, row_group, roles));
        }
    }
}

/// The bytes of the columns of a row group.
fn chunk_ranges(file: &OpenFile<'_>, row_group: usize, roles: &[Role]) -> Vec<Range<u64>> {
    let Some(meta) = file.footer.row_groups.get(row_group) else { return Vec::new() };
    let chunks = roles.iter().filter_map(|role| file.chunk_in(*role, &meta));
    chunks.map(ChunkMeta::bytes).filter(|range| !range.is_empty()).collect()
}
