//! Rows that bounds in the file rule out before any page is opened.
//!
//! A row whose operating system is not the total over systems adds nothing and
//! puts no point on the axis, whatever its other columns hold. Where the bounds
//! of a page, of a column chunk, or the path itself say that the total is not
//! in there, its rows are counted as dropped and nothing else is read of them.

use std::ops::Range;

use super::plan::{Columns, FilePlan, Found};
use crate::ids::column::Column;
use crate::parquet::{FileMeta, RowGroupMeta, index};
use crate::{Job, Semantics};

/// Writers whose bounds of strings are known to be right. Files written with
/// parquet2 before 0.17.2 have wrong ones, and name many different programs.
const TRUSTED: [&str; 4] = ["parquet-cpp-arrow", "parquet-mr", "parquet-rs", "DuckDB"];

/// Whether a whole row group holds no row of the total over systems.
pub fn row_group(job: &Job, plan: &FilePlan<'_>, meta: &RowGroupMeta) -> bool {
    // The original job's axis and countries come from all rows.
    if job.semantics == Semantics::Legacy {
        return false;
    }
    match plan.system() {
        Found::Partition(value) => value.as_deref() != Some(&job.os_total),
        Found::Leaf(at) => {
            let bounds = meta.chunks.get(*at).and_then(|chunk| chunk.statistics.as_deref());
            trusted(plan)
                && bounds
                    .and_then(|s| s.min.as_deref().zip(s.max.as_deref()))
                    .is_some_and(|(min, max)| outside(job, min, max))
        }
    }
}

/// The ranges of rows of a row group that hold no row of the total over
/// systems, in order.
pub fn pages(job: &Job, plan: &FilePlan<'_>, meta: &RowGroupMeta, columns: &Columns<'_>) -> Vec<Range<u64>> {
    let (Found::Leaf(at), Column::Chunk(chunk)) = (plan.system(), &columns.system) else { return Vec::new() };
    if job.semantics == Semantics::Legacy || !trusted(plan) || chunk.data().len() < 2 {
        return Vec::new();
    }
    let bounds = meta.chunks.get(*at).and_then(|meta| index::bounds(plan.object, meta, chunk.data().len()));
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for (page, bounds) in chunk.data().iter().zip(bounds.unwrap_or_default()) {
        let ruled_out = bounds.bounds.is_none_or(|(min, max)| outside(job, &min, &max));
        if !ruled_out {
            continue;
        }
        let rows = page.first_row..page.first_row + u64::from(page.values);
        match ranges.last_mut() {
            Some(last) if last.end == rows.start => last.end = rows.end,
            _ => ranges.push(rows),
        }
    }
    ranges
}

/// Where the bounds of pages lie that [`pages`] looks at.
pub fn index(job: &Job, plan: &FilePlan<'_>, meta: &RowGroupMeta) -> Option<Range<u64>> {
    let Found::Leaf(at) = plan.system() else { return None };
    let index = meta.chunks.get(*at)?.column_index.clone()?;
    (job.semantics != Semantics::Legacy && trusted(plan)).then_some(index)
}

fn trusted(plan: &FilePlan<'_>) -> bool {
    is_trusted(&plan.meta)
}

/// Whether the statistics of a file may be believed.
pub(crate) fn is_trusted(meta: &FileMeta) -> bool {
    meta.created_by.as_ref().is_some_and(|by| TRUSTED.iter().any(|writer| by.starts_with(writer)))
}

/// Strings are ordered by their bytes (parquet-format, `ColumnOrder`).
fn outside(job: &Job, min: &[u8], max: &[u8]) -> bool {
    let total = job.os_total.as_bytes();
    min <= max && (total < min || total > max)
}
