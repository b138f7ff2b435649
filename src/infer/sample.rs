//! The sample: rows of some files, as numbers of distinct values.
//!
//! Bounds: [`MOST_FILES`] files, spread evenly over all; [`MOST_ROWS`] rows and [`MOST_CELLS`] cells in all, the same
//! share of each file. A file with more rows gives [`STRETCHES`] stretches of rows, spread evenly; a remote one the first
//! rows only.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use super::values::{Cell, Form};
use crate::dataset::prefetch;
use crate::ids::column::{Column, ColumnSource};
use crate::ids::cursor::Cursor;
use crate::parquet::{FileMeta, Leaf, footer};
use crate::storage::{Input, unless_changed};
use crate::{Error, Result};

/// The most files whose rows are read.
pub const MOST_FILES: usize = 16;
/// The most rows.
pub const MOST_ROWS: u64 = 100_000;
/// The most cells: rows times columns.
pub const MOST_CELLS: u64 = 6_000_000;
/// Stretches of rows of a large file.
const STRETCHES: u64 = 4;
/// Stands for a row without a value.
pub const NULL: u32 = u32::MAX;

/// A column of the sample.
#[derive(Debug)]
pub struct SampleColumn {
    /// Its name, as the first file writes it; for a field of a struct its path with dots.
    pub name: String,
    /// Whether it is a partition of the path.
    pub is_partition: bool,
    /// What its values are; `None` where it has none in any file.
    pub form: Option<Form>,
    /// Its distinct values, in the order in which they were met.
    pub cells: Vec<Cell>,
    /// For each row the index of its value in `cells`, or [`NULL`].
    pub ids: Vec<u32>,
    /// For each of `cells` the number of its rows.
    pub counts: Vec<u64>,
    /// Rows without a value, in files that have the column.
    pub nulls: u64,
    /// The files that have the column, by index among the files read.
    pub files: BTreeSet<usize>,
    /// By text, the index in `cells`.
    known: HashMap<String, u32>,
}

/// The sample.
#[derive(Debug, Default)]
pub struct Sample {
    /// The files that were read.
    pub files: Vec<String>,
    /// The number of all files.
    pub all_files: usize,
    /// Rows read.
    pub rows: usize,
    /// Rows of the files that were read.
    pub all_rows: u64,
    /// The columns, in the order of the first file that has them.
    pub columns: Vec<SampleColumn>,
    /// Columns within lists, by path: they are not read.
    pub lists: BTreeSet<String>,
    /// Whether text files may have more rows than were read.
    pub is_cut: bool,
    /// Columns that could not be read, and why.
    pub unread: BTreeMap<String, String>,
}

impl SampleColumn {
    fn new(name: &str, rows: usize) -> Self {
        SampleColumn {
            name: name.to_owned(),
            is_partition: false,
            form: None,
            cells: Vec::new(),
            ids: vec![NULL; rows],
            counts: Vec::new(),
            nulls: 0,
            files: BTreeSet::new(),
            known: HashMap::new(),
        }
    }

    /// Rows with a value.
    pub fn valued(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The values and their rows, the most frequent first, then by text.
    pub fn by_rows(&self) -> Vec<(&Cell, u64)> {
        let mut all: Vec<(&Cell, u64)> = self.cells.iter().zip(self.counts.iter().copied()).collect();
        all.sort_by(|(a, n), (b, m)| m.cmp(n).then_with(|| a.text.cmp(&b.text)));
        all
    }

    /// The part of the rows with a value for which `holds`; 0 where there is none.
    pub fn part(&self, holds: impl Fn(&Cell) -> bool) -> f64 {
        let hits: u64 =
            self.cells.iter().zip(&self.counts).filter(|(cell, _)| holds(cell)).map(|(_, n)| n).sum();
        ratio(hits, self.valued())
    }

    /// The value of a row.
    pub fn cell(&self, row: usize) -> Option<&Cell> {
        self.cells.get(*self.ids.get(row)? as usize)
    }

    /// Gives a column of delimited text, in which all values are text, the form that its values have.
    fn type_text(&mut self) {
        let all = |holds: fn(&Cell) -> bool| !self.cells.is_empty() && self.cells.iter().all(holds);
        if self.form == Some(Form::Text)
            && all(|cell| cell.number.is_some())
            && !all(|cell| cell.moment.is_some())
        {
            let is_whole = all(|cell| cell.number.is_some_and(|n| n.fract() == 0.0));
            self.form = Some(if is_whole { Form::Integer } else { Form::Number });
        }
    }

    fn intern(&mut self, cell: Cell) -> u32 {
        if let Some(id) = self.known.get(&cell.text) {
            return *id;
        }
        let id = u32::try_from(self.cells.len()).unwrap_or(NULL - 1);
        self.known.insert(cell.text.clone(), id);
        self.cells.push(cell);
        self.counts.push(0);
        id
    }

    fn push(&mut self, id: u32) {
        self.ids.push(id);
        match self.counts.get_mut(id as usize) {
            Some(count) => *count += 1,
            None => self.nulls += 1,
        }
    }
}

/// `part` of `whole`; 0 of nothing.
#[allow(clippy::cast_precision_loss)] // shown with one digit
pub fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl Sample {
    /// The column of a name, without regard to case.
    pub fn find(&self, name: &str) -> Option<&SampleColumn> {
        self.columns.iter().find(|c| c.name == name).or_else(|| {
            let lower = name.to_lowercase();
            self.columns.iter().find(|c| c.name.to_lowercase() == lower)
        })
    }

    /// Whether all files that were read have a column.
    pub fn is_everywhere(&self, column: &SampleColumn) -> bool {
        column.files.len() == self.files.len()
    }

    fn column(&mut self, name: &str) -> Option<&mut SampleColumn> {
        let lower = name.to_lowercase();
        let at = self.columns.iter().position(|c| c.name.to_lowercase() == lower);
        let at = at.unwrap_or_else(|| {
            self.columns.push(SampleColumn::new(name, self.rows));
            self.columns.len() - 1
        });
        self.columns.get_mut(at)
    }
}

/// Reads the sample of an export. `text_rows`: the files are delimited text, of which at most so many rows were
/// converted.
///
/// # Errors
/// `Data` if no file has rows; those of reading footers; `Io` where a file cannot be read.
pub fn read(inputs: &[Input], text_rows: Option<u64>) -> Result<Sample> {
    unless_changed(inputs, read_sample(inputs, text_rows))
}

fn read_sample(inputs: &[Input], text_rows: Option<u64>) -> Result<Sample> {
    let picked = pick(inputs.len());
    let mut sample = Sample { all_files: inputs.len(), ..Sample::default() };
    let mut opened: Vec<(&Input, FileMeta)> = Vec::new();
    prefetch::footers(picked.iter().filter_map(|at| inputs.get(*at)));
    for input in picked.iter().filter_map(|at| inputs.get(*at)) {
        let meta = footer::read(input.object.as_ref()).map_err(|e| e.in_file(input.object.name()))?;
        if meta.rows > 0 {
            opened.push((input, meta));
        }
    }
    let widest = opened.iter().map(|(_, meta)| meta.leaves.len()).max().unwrap_or_default().max(1);
    let most = MOST_ROWS.min(MOST_CELLS / widest as u64).max(1);
    let each = (most / opened.len().max(1) as u64).max(1);
    for (input, meta) in &opened {
        sample.read_file(input, meta, each).map_err(|e| e.in_file(input.object.name()))?;
    }
    if sample.rows == 0 {
        return Err(
            Error::data("the source has no rows").expected("rows whose values show what columns mean")
        );
    }
    if let Some(most) = text_rows {
        sample.is_cut = opened.iter().any(|(_, meta)| meta.rows >= most);
        sample.columns.iter_mut().for_each(SampleColumn::type_text);
    }
    Ok(sample)
}

/// The numbers of the files to read: the first, the last, and others spread evenly between.
fn pick(files: usize) -> Vec<usize> {
    if files <= MOST_FILES {
        return (0..files).collect();
    }
    (0..MOST_FILES).map(|at| at * (files - 1) / (MOST_FILES - 1)).collect()
}

/// The rows of a file to read, by row group; at most `most` in all.
fn stretches(groups: &[u64], most: u64, is_remote: bool) -> Vec<(usize, Range<u64>)> {
    let all: u64 = groups.iter().sum();
    let number = if all <= most || is_remote { 1 } else { STRETCHES.min(most) };
    let wanted = (0..number).map(|at| {
        let start = at * (all / number);
        start..start + (most / number).min(all - start)
    });
    let mut stretches = Vec::new();
    for wanted in wanted {
        let mut before = 0;
        for (group, rows) in groups.iter().enumerate() {
            let (start, end) = (wanted.start.max(before), wanted.end.min(before + rows));
            if start < end {
                stretches.push((group, start - before..end - before));
            }
            before += rows;
        }
    }
    stretches
}

impl Sample {
    fn read_file(&mut self, input: &Input, meta: &FileMeta, most: u64) -> Result<()> {
        // Each column is opened by itself.
        let _pinned = input.object.pin()?;
        let file = self.files.len();
        self.files.push(input.object.name().to_string());
        self.all_rows += meta.rows;
        let groups: Vec<u64> = meta.row_groups.rows().collect();
        let stretches = stretches(&groups, most, input.object.is_remote());
        let before = self.rows;
        let rows: u64 = stretches.iter().map(|(_, rows)| rows.end - rows.start).sum();
        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
        for (name, value) in &input.partitions {
            let Some(column) = self.column(name) else { continue };
            if !column.files.insert(file) {
                continue;
            }
            (column.is_partition, column.form) = (true, column.form.or(Some(Form::Text)));
            let id = value.as_ref().map_or(NULL, |value| column.intern(Cell::text(value.as_bytes())));
            (0..rows).for_each(|_| column.push(id));
        }
        for (at, leaf) in meta.leaves.iter().enumerate() {
            let name = leaf.name();
            if leaf.max_repetition > 0 {
                self.lists.insert(name);
                continue;
            }
            let form = Form::of(leaf);
            if form == Some(Form::Other) || self.unread.contains_key(&name) {
                continue;
            }
            let Some(column) = self.column(&name) else { continue };
            // A partition of the path comes before a column in the file.
            if !column.files.insert(file) {
                continue;
            }
            column.form = Form::joined(column.form, form);
            let read = stretches.iter().try_for_each(|(group, rows)| {
                let Some(meta) = meta.row_groups.get(*group) else { return Ok(()) };
                let Some(chunk) = meta.chunks.get(at).filter(|_| form.is_some()) else {
                    (rows.start..rows.end).for_each(|_| column.push(NULL));
                    return Ok(());
                };
                let source = ColumnSource::Chunk(leaf, chunk);
                read_stretch(input, source, leaf, meta.rows, rows, column).map_err(|e| e.in_row_group(*group))
            });
            match read {
                Ok(()) => {}
                // The column may not be needed.
                Err(Error::Format(report) | Error::Unsupported(report)) => {
                    let lower = name.to_lowercase();
                    self.columns.retain(|column| column.name.to_lowercase() != lower);
                    self.unread.insert(name, report.found);
                }
                Err(other) => return Err(other),
            }
        }
        self.rows = before + rows;
        for column in &mut self.columns {
            column.ids.resize(self.rows, NULL);
        }
        Ok(())
    }
}

/// Reads a stretch of rows of a column.
fn read_stretch(
    input: &Input,
    source: ColumnSource<'_, '_>,
    leaf: &Leaf,
    group_rows: u64,
    rows: &Range<u64>,
    column: &mut SampleColumn,
) -> Result<()> {
    let opened = Column::open_all(input.object.as_ref(), &[source], group_rows)?;
    let Some(opened) = opened.first() else { return Ok(()) };
    let mut cursor = Cursor::new(opened, rows.start, false, Vec::new(), None)?;
    let mut ids = vec![0; usize::try_from(rows.end - rows.start).unwrap_or_default()];
    cursor.read_ids32(&mut ids)?;
    let mut known: Vec<Option<u32>> = vec![None; cursor.entries.id_count() as usize];
    for id in ids {
        let Some(slot) = known.get_mut(id as usize) else { continue };
        let interned = *slot.get_or_insert_with(|| match cursor.entries.get(id) {
            None => NULL,
            Some(raw) => column.intern(Cell::of(leaf, raw)),
        });
        column.push(interned);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_rows_are_bounded_and_spread() {
        assert_eq!(pick(3), [0, 1, 2]);
        let picked = pick(1000);
        assert_eq!((picked.len(), picked.first(), picked.last()), (MOST_FILES, Some(&0), Some(&999)));
        assert_eq!(stretches(&[10, 0, 5], 15, false), [(0, 0..10), (2, 0..5)]);
        let some = stretches(&[1000, 1000], 40, false);
        assert_eq!(some, [(0, 0..10), (0, 500..510), (1, 0..10), (1, 500..510)]);
        assert_eq!(stretches(&[1000, 1000], 40, true), [(0, 0..40)]);
        // A stretch that crosses row groups is cut; no row is read twice.
        assert_eq!(stretches(&[4; 10], 8, false).iter().map(|(_, r)| r.end - r.start).sum::<u64>(), 8);
    }
}
