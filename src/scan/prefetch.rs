//! Files that are far away: which bytes are going to be read, said in time.
//!
//! A local file is mapped and needs none of this, but for what was read: pages that are given
//! back by the threads as they go need not be given back by one thread at the end.

use std::ops::Range;
use std::sync::atomic::Ordering;

use super::plan::FilePlan;
use super::skip::{self, Outlook};
use crate::parquet::{ChunkMeta, footer};
use crate::{Job, Result};

/// The bytes of row group `at` that a scan is sure to read: all needed columns, or that of the
/// operating system alone where it is likely to rule the row group out.
fn needed(job: &Job, plan: &FilePlan<'_>, at: usize) -> Vec<Range<u64>> {
    let Some(meta) = plan.meta.row_groups.get(at).filter(|meta| meta.rows > 0) else { return Vec::new() };
    let mut ranges: Vec<Range<u64>> = match skip::outlook(job, plan, meta) {
        Outlook::RuledOut => Vec::new(),
        Outlook::Unlikely => {
            skip::system_chunk(plan, meta).into_iter().map(|(_, chunk)| chunk.bytes()).collect()
        }
        Outlook::Unknown | Outlook::Likely => plan.chunks(meta).map(ChunkMeta::bytes).collect(),
    };
    ranges.retain(|range| !range.is_empty());
    ranges
}

/// The other bytes of row group `at`, of a row group that was unlikely to be needed and is.
fn rest(job: &Job, plan: &FilePlan<'_>, at: usize) -> Vec<Range<u64>> {
    let Some(meta) = plan.meta.row_groups.get(at) else { return Vec::new() };
    let known = needed(job, plan, at);
    let all = plan.chunks(meta).map(ChunkMeta::bytes);
    all.filter(|range| !range.is_empty() && !known.contains(range)).collect()
}

/// Says that row group `at`, which was unlikely to be needed, is going to be read; its other
/// columns are left by [`evict_rest`].
pub fn prefetch_rest(job: &Job, plan: &FilePlan<'_>, at: usize) {
    if plan.object.is_remote() {
        plan.object.prefetch(&rest(job, plan, at));
    }
}

/// Says that what [`prefetch_rest`] has named has been read.
pub fn evict_rest(job: &Job, plan: &FilePlan<'_>, at: usize) {
    plan.object.evict(&rest(job, plan, at));
}

/// Says which row groups are going to be read of a file whose footer is known; each is
/// left as often as it is named here.
pub fn row_groups(job: &Job, plan: &FilePlan<'_>, row_groups: impl Iterator<Item = usize>) {
    let object = plan.object;
    if object.is_remote() {
        let mut ranges: Vec<Range<u64>> = row_groups.flat_map(|at| needed(job, plan, at)).collect();
        if !ranges.is_empty() {
            ranges.push(footer::HEAD);
        }
        object.prefetch(&ranges);
    }
}

/// Looks at what was left unread when the file was opened; called before a row
/// group is read.
pub fn check_magic(plan: &FilePlan<'_>) -> Result<()> {
    let object = plan.object;
    if object.is_remote() && !plan.head_read.swap(true, Ordering::Relaxed) {
        footer::check_head(object)?;
        object.evict(&[footer::HEAD]);
    }
    Ok(())
}

/// Says that row group `at` has been read.
pub fn evict_row_group(job: &Job, plan: &FilePlan<'_>, at: usize) {
    plan.object.evict(&needed(job, plan, at));
}
