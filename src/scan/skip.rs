//! Rows that are ruled out before any page of the other columns is opened.
//!
//! A row whose operating system is not the total over systems adds nothing and puts no point on the axis, independent
//! of its other columns. Three sources rule rows out, and each is exact:
//!
//! 1. the path: a hive partition gives every row of the file its operating system;
//! 2. the dictionary of a chunk whose data pages are all dictionary ids: every value is in it;
//! 3. the runs of ids in the pages of the operating system, where these are long.
//!
//! Bounds and null counts of a footer do not rule rows out: pyarrow up to 10.0.1 states the bounds of a chunk's first
//! dictionary. Bounds only decide for which row groups the dictionary is read, and which chunks of a remote file are
//! fetched first.

use std::ops::Range;

use super::columns::{self, Columns};
use super::task::LONG_RUN;
use crate::dataset::{ColumnLocation, OpenFile, Role};
use crate::ids::column::{Chunk, Column, Cost};
use crate::ids::cursor::Cursor;
use crate::ids::entries::ChunkDictionary;
use crate::parquet::encoding::RunOrPacked;
use crate::parquet::{Bounds, ChunkMeta, Encoding, Leaf, RowGroupMeta};
use crate::{Job, Result, Semantics};

/// From this many rows a stored byte of the operating system, its runs are read ahead of the scan.
const ROWS_A_BYTE: u64 = 64;

/// What the path and the stated bounds say about a row group, before any byte of it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// The path rules all rows out. This alone is certain.
    RuledOut,
    /// The bounds exclude the total: the operating system is read before anything else.
    Unlikely,
    /// There are no bounds.
    Unknown,
    /// The total lies within the bounds.
    Likely,
}

/// The outlook of a row group.
pub fn outlook(job: &Job, file: &OpenFile<'_>, meta: &RowGroupMeta) -> Outlook {
    // The original job's axis and countries come from all rows.
    if job.semantics == Semantics::Legacy {
        return Outlook::Likely;
    }
    let total = job.os_total.as_bytes();
    match file.location(Role::System) {
        // Columns are located in every file that has rows.
        None => Outlook::RuledOut,
        Some(ColumnLocation::Partition(value)) if value.as_deref() != Some(&job.os_total) => {
            Outlook::RuledOut
        }
        Some(ColumnLocation::Partition(_)) => Outlook::Likely,
        Some(ColumnLocation::Leaf(at)) => {
            match meta.chunks.get(*at).and_then(|chunk| chunk.bounds.as_deref()) {
                None => Outlook::Unknown,
                Some(Bounds { min, max }) if **min <= *total && *total <= **max => Outlook::Likely,
                Some(_) => Outlook::Unlikely,
            }
        }
    }
}

/// Whether a row group is known to have no row of the total over systems. Returns false where its pages would have to
/// be read, and where it is damaged, which the scan reports.
pub fn row_group(job: &Job, file: &OpenFile<'_>, meta: &RowGroupMeta, cost: &mut Cost) -> bool {
    let outlook = outlook(job, file, meta);
    match outlook {
        Outlook::RuledOut => true,
        Outlook::Likely => false,
        Outlook::Unlikely | Outlook::Unknown => system_chunk(file, meta).is_some_and(|(leaf, chunk)| {
            Chunk::new(file.object, leaf, chunk, meta.rows)
                .and_then(|chunk| lacks_total(job, chunk, meta.rows, outlook, cost))
                .unwrap_or(false)
        }),
    }
}

/// The byte ranges of row group `at` that a scan is sure to read: all needed columns, or the column of the operating
/// system alone where it is likely to rule the row group out.
pub fn likely_ranges(job: &Job, file: &OpenFile<'_>, at: usize) -> Vec<Range<u64>> {
    let Some(meta) = file.footer.row_groups.get(at).filter(|meta| meta.rows > 0) else { return Vec::new() };
    let mut ranges: Vec<Range<u64>> = match outlook(job, file, meta) {
        Outlook::RuledOut => Vec::new(),
        Outlook::Unlikely => system_chunk(file, meta).into_iter().map(|(_, chunk)| chunk.bytes()).collect(),
        Outlook::Unknown | Outlook::Likely => {
            columns::chunks(job, file, meta).map(ChunkMeta::bytes).collect()
        }
    };
    ranges.retain(|range| !range.is_empty());
    ranges
}

/// The byte ranges of the needed columns of row group `at` that are not in [`likely_ranges`].
pub fn other_ranges(job: &Job, file: &OpenFile<'_>, at: usize) -> Vec<Range<u64>> {
    let Some(meta) = file.footer.row_groups.get(at) else { return Vec::new() };
    let likely = likely_ranges(job, file, at);
    let all = columns::chunks(job, file, meta).map(ChunkMeta::bytes);
    all.filter(|range| !range.is_empty() && !likely.contains(range)).collect()
}

/// The column chunk of the operating system, where there is one.
pub fn system_chunk<'m>(file: &'m OpenFile<'_>, meta: &'m RowGroupMeta) -> Option<(&'m Leaf, &'m ChunkMeta)> {
    let Some(ColumnLocation::Leaf(at)) = file.location(Role::System) else { return None };
    file.footer.leaves.get(*at).zip(meta.chunks.get(*at))
}

/// Whether a chunk of the operating system has no row of the total, by its dictionary, or else by its runs where these
/// are long and the bounds suggest it: writers may store one dictionary, with the values of all row groups, in each.
fn lacks_total(job: &Job, chunk: Chunk<'_>, rows: u64, outlook: Outlook, cost: &mut Cost) -> Result<bool> {
    let is_dictionary = chunk.data().iter().all(|page| page.encoding == Encoding::Dictionary);
    let column = Column::Chunk(chunk);
    if is_dictionary {
        let (mut entries, mut buffer) = (ChunkDictionary::new(), Vec::new());
        column.entries(&mut entries, &mut buffer, cost)?;
        if (0..entries.dictionary_len()).all(|id| !is_total(job, &entries, id)) {
            return Ok(true);
        }
    }
    if outlook != Outlook::Unlikely || !has_long_runs(&column, rows) {
        return Ok(false);
    }
    Ok(matches!(walk_runs(job, &column, rows, cost)?.as_slice(), [all] if *all == (0..rows)))
}

/// Whether a column has few stored bytes for its rows.
fn has_long_runs(column: &Column<'_>, rows: u64) -> bool {
    column.chunk().is_some_and(|chunk| {
        let bytes: u64 = chunk.data().iter().map(|page| u64::from(page.uncompressed_len)).sum();
        bytes.saturating_mul(ROWS_A_BYTE) <= rows
    })
}

fn is_total(job: &Job, entries: &ChunkDictionary, id: u32) -> bool {
    entries.get(id) == Some(job.os_total.as_bytes())
}

/// The long ranges of rows of a row group without a row of the total over systems, in order. Empty where runs are
/// short, and where a page is damaged, which the scan reports.
pub fn runs(job: &Job, columns: &Columns<'_>, rows: u64, cost: &mut Cost) -> Vec<Range<u64>> {
    if job.semantics == Semantics::Legacy || !has_long_runs(&columns.system, rows) {
        return Vec::new();
    }
    walk_runs(job, &columns.system, rows, cost).unwrap_or_default()
}

fn walk_runs(job: &Job, system: &Column<'_>, rows: u64, cost: &mut Cost) -> Result<Vec<Range<u64>>> {
    let mut cursor = Cursor::new(system, 0, false, Vec::new(), None)?;
    let mut ranges: Vec<Range<u64>> = Vec::new();
    let dictionary = 0..cursor.entries.dictionary_len();
    // If every entry is the total, only nulls could be ruled out.
    if dictionary.is_empty() || !dictionary.into_iter().all(|id| is_total(job, &cursor.entries, id)) {
        let mut at = 0;
        while at < rows {
            let segment = cursor.segment()?;
            let len = u32::try_from(rows - at).map_or(segment.len(), |left| segment.len().min(left));
            let run = at..at + u64::from(len);
            if let RunOrPacked::Rle { value, .. } = segment
                && !is_total(job, &cursor.entries, value)
            {
                match ranges.last_mut() {
                    Some(last) if last.end == run.start => last.end = run.end,
                    _ => ranges.push(run),
                }
            }
            cursor.skip(len)?;
            at += u64::from(len);
        }
    }
    cost.merge(cursor.cost);
    ranges.retain(|range| range.end - range.start >= u64::from(LONG_RUN));
    Ok(ranges)
}
