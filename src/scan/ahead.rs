//! Files that are far away: which bytes are going to be read, said in time.
//!
//! A local file is mapped and needs none of this, but for what was read: pages that are given
//! back by the threads as they go need not be given back by one thread at the end.

use std::ops::Range;
use std::sync::atomic::Ordering;

use super::plan::FilePlan;
use super::skip;
use crate::parquet::footer;
use crate::{Job, Result};

/// The bytes of row group `at` that a scan reads; none where it reads none.
fn needed(job: &Job, plan: &FilePlan<'_>, at: usize) -> Vec<Range<u64>> {
    let Some(meta) = plan.meta.row_groups.get(at).filter(|meta| meta.rows > 0) else { return Vec::new() };
    if skip::row_group(job, plan, meta) {
        return Vec::new();
    }
    let mut ranges: Vec<Range<u64>> = plan
        .chunks(meta)
        .map(|chunk| chunk.start..chunk.start.saturating_add(chunk.compressed_len))
        .collect();
    ranges.extend(skip::index(job, plan, meta));
    ranges
}

/// Says which row groups are going to be read of a file whose footer is known; each is
/// left as often as it is named here.
pub fn announce(job: &Job, plan: &FilePlan<'_>, row_groups: impl Iterator<Item = usize>) {
    let object = plan.object;
    if object.is_remote() {
        let mut ranges: Vec<Range<u64>> = row_groups.flat_map(|at| needed(job, plan, at)).collect();
        if !ranges.is_empty() {
            ranges.push(footer::HEAD);
        }
        object.announce(&ranges);
    }
}

/// Looks at what was left unread when the file was opened; called before a row
/// group is read.
pub fn arrive(plan: &FilePlan<'_>) -> Result<()> {
    let object = plan.object;
    if object.is_remote() && !plan.head_read.swap(true, Ordering::Relaxed) {
        footer::check_head(object)?;
        object.release(&[footer::HEAD]);
    }
    Ok(())
}

/// Says that row group `at` has been read.
pub fn leave(job: &Job, plan: &FilePlan<'_>, at: usize) {
    plan.object.release(&needed(job, plan, at));
}
