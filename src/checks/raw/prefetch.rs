//! Files that are far away: what the checks are going to read, said in time.
//!
//! The passes over the rows, and the scan behind them, ask for the same chunks. Where
//! all of these fit into [`KEEP`] they are fetched once and kept for every pass; where
//! they do not, each pass fetches its own.

use std::ops::Range;

use super::file::{RawFile, Role};
use crate::parquet::footer;
use crate::storage::Input;

/// Bytes that are kept from pass to pass, of all files together.
const KEEP: u64 = 96 << 20;

/// Says that the files are going to be read, beginning with their footers.
pub fn footers(inputs: &[Input]) {
    inputs.iter().for_each(|input| input.object.prefetch_footer());
}

/// Says what is going to be read of files whose footers are known.
pub fn chunks(files: &[RawFile<'_>]) -> Announced {
    let remote = || files.iter().filter(|file| file.input.object.is_remote());
    let all = |file: &RawFile<'_>| -> Vec<Range<u64>> {
        let chunks = (0..file.meta.row_groups.len()).flat_map(|at| chunk_ranges(file, at));
        let len = file.input.object.len();
        // Whoever comes after this opens the file once more.
        let ends = [footer::HEAD, len.saturating_sub(file.input.object.tail())..len];
        chunks.chain(ends).collect()
    };
    let bytes = remote().flat_map(all).map(|range| range.end.saturating_sub(range.start));
    let keep = bytes.fold(0u64, u64::saturating_add) <= KEEP;
    for file in remote() {
        let ranges = if keep {
            all(file)
        } else {
            (0..file.meta.row_groups.len()).flat_map(|at| chunk_ranges(file, at)).collect()
        };
        file.input.object.prefetch(&ranges);
    }
    Announced { keep }
}

/// What was announced, and for how long it is held.
pub struct Announced {
    keep: bool,
}

impl Announced {
    /// Says that the first pass is done with a row group.
    pub fn evict(&self, file: &RawFile<'_>, row_group: usize) {
        if !self.keep && file.input.object.is_remote() {
            file.input.object.evict(&chunk_ranges(file, row_group));
        }
    }
}

/// The bytes of the columns of a row group that the checks look at.
fn chunk_ranges(file: &RawFile<'_>, row_group: usize) -> Vec<Range<u64>> {
    let chunk = |role| file.chunk(role, row_group);
    let ranges = Role::ALL.into_iter().filter_map(chunk).map(crate::parquet::ChunkMeta::bytes);
    ranges.filter(|range| !range.is_empty()).collect()
}
