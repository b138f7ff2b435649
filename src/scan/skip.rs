//! Rows that are ruled out before any page of the other columns is opened.
//!
//! A row that does not meet the first condition adds nothing and puts no point on the axis, independent of its other
//! columns. Three sources rule rows out, and each is exact:
//!
//! 1. the path: a hive partition gives every row of the file its value;
//! 2. the dictionary of a chunk whose data pages are all dictionary ids: every value is in it;
//! 3. the runs of ids in the pages of the condition's column, where these are long.
//!
//! Bounds and null counts of a footer do not rule rows out: pyarrow up to 10.0.1 states the bounds of a chunk's first
//! dictionary. Bounds only decide for which row groups the dictionary is read, and which chunks of a remote file are
//! fetched first.

use std::ops::Range;

use super::columns::{self, Columns};
use super::task::LONG_RUN;
use crate::dataset::located::LocatedColumn;
use crate::dataset::text::TextForm;
use crate::dataset::{ColumnLocation, OpenFile};
use crate::ids::column::{Chunk, Column, Cost};
use crate::ids::cursor::Cursor;
use crate::ids::entries::ChunkDictionary;
use crate::parquet::encoding::RunOrPacked;
use crate::parquet::{ChunkMeta, Encoding, Leaf, RowGroupMeta};
use crate::profile::Question;
use crate::profile::question::{ConditionRule, ScanColumn};
use crate::{Result, Semantics};

/// From this many rows a stored byte of the condition's column, its runs are read ahead of the scan.
const ROWS_A_BYTE: u64 = 64;

/// What the path and the stated bounds say about a row group, before any byte of it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// The path rules all rows out. This alone is certain.
    RuledOut,
    /// The bounds exclude what is wanted: the condition's column is read before anything else.
    Unlikely,
    /// There are no bounds, or they do not tell.
    Unknown,
    /// What is wanted lies within the bounds, or there is no condition.
    Likely,
}

/// The condition that rules rows out before the others are read: the first one.
fn condition(question: &Question) -> Option<&ScanColumn<ConditionRule>> {
    question.conditions.first()
}

/// Where the column of the condition is.
fn location<'f>(question: &Question, file: &'f OpenFile<'_>) -> Option<&'f LocatedColumn> {
    file.scan.as_ref()?.column(&condition(question)?.column)
}

/// The outlook of a row group.
pub fn outlook(question: &Question, file: &OpenFile<'_>, meta: &RowGroupMeta) -> Outlook {
    // The original job's axis and countries come from all rows.
    if question.job.semantics == Semantics::Legacy {
        return Outlook::Likely;
    }
    let (Some(condition), Some(column)) = (condition(question), location(question, file)) else {
        return Outlook::Likely;
    };
    match &column.location {
        // A file without the column of a dimension has total rows alone.
        None => Outlook::Likely,
        Some(ColumnLocation::Partition(value)) => {
            let holds = condition.rule.holds(value.as_deref().map(str::as_bytes));
            if holds { Outlook::Likely } else { Outlook::RuledOut }
        }
        Some(ColumnLocation::Leaf(at)) => {
            let bounds = meta.chunks.get(*at).and_then(|chunk| chunk.bounds.as_ref());
            match (bounds, condition.rule.only_value().filter(|_| column.form == TextForm::Text)) {
                (Some(bounds), Some(wanted)) => {
                    let is_within = *bounds.min() <= *wanted && *wanted <= *bounds.max();
                    if is_within { Outlook::Likely } else { Outlook::Unlikely }
                }
                _ => Outlook::Unknown,
            }
        }
    }
}

/// Whether a row group is known to have no row that meets the first condition. Returns false where its pages would have
/// to be read, and where it is damaged, which the scan reports.
pub fn row_group(question: &Question, file: &OpenFile<'_>, meta: &RowGroupMeta, cost: &mut Cost) -> bool {
    let outlook = outlook(question, file, meta);
    match outlook {
        Outlook::RuledOut => true,
        Outlook::Likely => false,
        Outlook::Unlikely | Outlook::Unknown => {
            condition_chunk(question, file, meta).is_some_and(|(leaf, chunk)| {
                Chunk::new(file.object, leaf, chunk, meta.rows)
                    .and_then(|chunk| is_ruled_out(question, file, chunk, meta.rows, outlook, cost))
                    .unwrap_or(false)
            })
        }
    }
}

/// The byte ranges of row group `at` that a scan is sure to read: all needed columns, or the column of the first
/// condition alone where it is likely to rule the row group out.
pub fn likely_ranges(question: &Question, file: &OpenFile<'_>, at: usize) -> Vec<Range<u64>> {
    let Some(meta) = file.footer.row_groups.get(at).filter(|meta| meta.rows > 0) else { return Vec::new() };
    let meta = &meta;
    let mut ranges: Vec<Range<u64>> = match outlook(question, file, meta) {
        Outlook::RuledOut => Vec::new(),
        Outlook::Unlikely => {
            condition_chunk(question, file, meta).into_iter().map(|(_, chunk)| chunk.bytes()).collect()
        }
        Outlook::Unknown | Outlook::Likely => {
            columns::chunks(question, file, meta).into_iter().map(ChunkMeta::bytes).collect()
        }
    };
    ranges.retain(|range| !range.is_empty());
    ranges
}

/// The byte ranges of the needed columns of row group `at` that are not in [`likely_ranges`].
pub fn other_ranges(question: &Question, file: &OpenFile<'_>, at: usize) -> Vec<Range<u64>> {
    let Some(meta) = file.footer.row_groups.get(at) else { return Vec::new() };
    let likely = likely_ranges(question, file, at);
    let all = columns::chunks(question, file, &meta).into_iter().map(ChunkMeta::bytes);
    all.filter(|range| !range.is_empty() && !likely.contains(range)).collect()
}

/// The column chunk of the first condition, where there is one.
pub fn condition_chunk<'m>(
    question: &Question,
    file: &'m OpenFile<'_>,
    meta: &'m RowGroupMeta,
) -> Option<(&'m Leaf, &'m ChunkMeta)> {
    let Some(ColumnLocation::Leaf(at)) = location(question, file)?.location else { return None };
    file.footer.leaves.get(at).zip(meta.chunks.get(at))
}

/// Whether no row of a chunk meets the first condition, by its dictionary, or else by its runs where these are long and
/// the bounds suggest it: writers may store one dictionary, with the values of all row groups, in each.
fn is_ruled_out(
    question: &Question,
    file: &OpenFile<'_>,
    chunk: Chunk<'_>,
    rows: u64,
    outlook: Outlook,
    cost: &mut Cost,
) -> Result<bool> {
    let Some(holds) = rule(question, file) else { return Ok(false) };
    let is_dictionary = chunk.data().iter().all(|page| page.encoding == Encoding::Dictionary);
    let column = Column::Chunk(chunk);
    if is_dictionary && !holds(None) {
        let (mut entries, mut buffer) = (ChunkDictionary::new(), Vec::new());
        column.entries(&mut entries, &mut buffer, cost)?;
        if (0..entries.dictionary_len()).all(|id| !holds(entries.get(id))) {
            return Ok(true);
        }
    }
    if outlook != Outlook::Unlikely || !has_long_runs(&column, rows) {
        return Ok(false);
    }
    Ok(matches!(walk_runs(&holds, &column, rows, cost)?.as_slice(), [all] if *all == (0..rows)))
}

/// Whether a stored value meets the first condition.
fn rule<'q>(question: &'q Question, file: &OpenFile<'_>) -> Option<impl Fn(Option<&[u8]>) -> bool + use<'q>> {
    let (condition, form) = (condition(question)?, location(question, file)?.form);
    Some(move |value: Option<&[u8]>| condition.rule.holds(value.map(|raw| form.text(raw)).as_deref()))
}

/// Whether a column has few stored bytes for its rows.
fn has_long_runs(column: &Column<'_>, rows: u64) -> bool {
    column.chunk().is_some_and(|chunk| {
        let bytes: u64 = chunk.data().iter().map(|page| u64::from(page.uncompressed_len)).sum();
        bytes.saturating_mul(ROWS_A_BYTE) <= rows
    })
}

/// The long ranges of rows of a row group without a row that meets the first condition, in order. Empty where runs are
/// short, and where a page is damaged, which the scan reports.
pub fn runs(
    question: &Question,
    file: &OpenFile<'_>,
    columns: &Columns<'_>,
    rows: u64,
    cost: &mut Cost,
) -> Vec<Range<u64>> {
    let (Some(column), Some(holds)) = (columns.conditions.first(), rule(question, file)) else {
        return Vec::new();
    };
    if question.job.semantics == Semantics::Legacy || !has_long_runs(column, rows) {
        return Vec::new();
    }
    walk_runs(&holds, column, rows, cost).unwrap_or_default()
}

fn walk_runs(
    holds: &impl Fn(Option<&[u8]>) -> bool,
    column: &Column<'_>,
    rows: u64,
    cost: &mut Cost,
) -> Result<Vec<Range<u64>>> {
    let mut cursor = Cursor::new(column, 0, false, Vec::new(), None)?;
    let mut ranges: Vec<Range<u64>> = Vec::new();
    let dictionary = 0..cursor.entries.dictionary_len();
    // If every entry meets the condition, only nulls could be ruled out.
    if dictionary.is_empty() || !dictionary.into_iter().all(|id| holds(cursor.entries.get(id))) {
        let mut at = 0;
        while at < rows {
            let segment = cursor.segment()?;
            let len = u32::try_from(rows - at).map_or(segment.len(), |left| segment.len().min(left));
            let run = at..at + u64::from(len);
            if let RunOrPacked::Rle { value, .. } = segment
                && !holds(cursor.entries.get(value))
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
