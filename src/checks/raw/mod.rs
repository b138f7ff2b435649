//! The checks on the rows, before anything is computed.
//!
//! ```text
//! dataset     where is each column, and does its type fit?
//! dictionary  a dictionary whose entries are all valid has no invalid row: none of its pages is opened.
//! pass        A date goes with one label, a channel with one token: compared over all rows, 32 at a time
//! counts      only in doubt: how many rows has each dictionary entry? The meaning of an entry (a label, a
//!             country, a number) is looked up once an entry
//! cube        with the ids of days, countries, systems and channels known: is each key unique, do the
//!             totals add up? Days are cut into chunks whose dense arrays fit in memory; a chunk reads the
//!             row groups that have its days
//! locate      only for a violation: the first rows that have it
//! judge       from counts to measurements
//! ```
//!
//! - [`mod@columns`]: columns that only some files have.
//! - [`passes`]: progress of the passes over the rows, and cancellation.
//! - [`rules`]: which values violate a rule.
//! - [`dictionary_pass`]: what is known of a task's rows without counting them.
//! - [`counts`]: the counts of one task, and of all tasks together.
//! - [`mismatch`]: why labels are not the week of their date. [`times`]: times of day that are local midnights.
//! - [`class_gaps`]: days without users of a class. [`future`]: days in the future, and the age of the last day.
//! - [`cube`]: uniqueness, totals and sums over the whole key.
//! - [`locate`]: file and row of the first violations.
//! - [`judge`]: from counts to measurements.
//!
//! - [`mod@deleted`]: rows that are marked as deleted. [`renamed`]: members that go on under another name.
//!
//! All of these but the last two know the columns of the default profile. [`general`] has the checks of any other
//! profile, key or grain.

pub mod class_gaps;
pub mod columns;
pub mod counts;
pub mod cube;
pub mod deleted;
pub mod dictionary_pass;
pub mod future;
pub mod general;
pub mod judge;
pub mod locate;
pub mod mismatch;
pub mod passes;
pub mod renamed;
pub mod rules;
pub mod times;

use std::ops::Range;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use self::counts::Counts;
use self::cube::Cube;
use self::dictionary_pass::ChunkFacts;
use self::passes::Passes;
use self::rules::Rules;
use super::CheckId;
use super::config::Config;
use super::model::{Measurement, NotRun, Violation};
use super::shape::Shape;
use crate::dataset::prefetch::Retention;
use crate::dataset::{Dataset, OpenFile, Role, row_ranges};
use crate::progress::Progress;
use crate::storage::Input;
use crate::{Error, Job, Result};

/// The results of the checks on the rows.
pub type Measurements = Vec<(CheckId, Result<Measurement, NotRun>)>;

/// The results of the passes, which later checks and the report use.
#[derive(Default)]
pub struct Raw {
    /// Which checks the run takes.
    pub shape: Shape,
    /// The results of all checks, in the order of the catalogue.
    pub findings: Measurements,
    /// The values that occur, and the rows that violate rules, of a cube.
    pub counts: Option<Counts>,
    /// Sums by day and country of a cube; `None` where there are too many keys.
    pub cube: Option<Cube>,
    /// What the rows have, of anything but a cube; `None` where there are too many distinct values.
    pub general: Option<general::counts::Counts>,
    /// Wall time of the two passes: counts, cube.
    pub phases: Vec<(&'static str, Duration)>,
}

/// Largest number of rows of a task, give or take a page.
const TASK_ROWS: u64 = 1 << 20;

/// A range of rows of one row group.
#[derive(Debug, Clone)]
pub struct RowRange {
    /// Index of the file.
    pub file: usize,
    /// Row group.
    pub row_group: usize,
    /// Rows of the row group.
    pub rows: Range<u64>,
    /// Rows of the file that come before the row group.
    pub before: u64,
    /// First and last day of its rows, once they are counted.
    pub days: Option<(i32, i32)>,
}

/// Which rows are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Thoroughness {
    /// Those that dictionaries do not prove valid.
    #[default]
    Dictionaries,
    /// All of them; tests compare the results.
    #[cfg_attr(not(test), allow(dead_code))]
    Counting,
}

/// Opens the inputs and runs the checks on the rows of a cube.
///
/// # Errors
/// What keeps the rows from being read at all: I/O errors, damaged files, missing columns.
pub fn run(job: &Job, config: &Config, inputs: &[Input], progress: &dyn Progress) -> Result<Raw> {
    run_with(job, config, inputs, progress, Thoroughness::default())
}

/// Runs the checks on the rows of an opened dataset, which is a cube.
///
/// # Errors
/// As of [`run`].
pub fn run_opened(job: &Job, config: &Config, dataset: &Dataset<'_>, progress: &dyn Progress) -> Result<Raw> {
    run_files(job, config, dataset.files(), progress, Thoroughness::default())
}

/// Counts what single rows and single columns show: neither uniqueness nor totals.
///
/// # Errors
/// As of [`run`]; `Data` where a column is missing.
pub fn count_rows(job: &Job, config: &Config, inputs: &[Input], progress: &dyn Progress) -> Result<Counts> {
    let dataset = Dataset::open(job, inputs)?;
    let files = dataset.files();
    Shape::of(job, &dataset)?;
    let passes = Passes::begin(progress, files, &[&Role::ALL]);
    let (_, counts) = count(Rules { job, config }, files, Thoroughness::default(), &passes)?;
    passes.finish();
    Ok(counts)
}

pub(crate) fn run_with(
    job: &Job,
    config: &Config,
    inputs: &[Input],
    progress: &dyn Progress,
    thoroughness: Thoroughness,
) -> Result<Raw> {
    let dataset = Dataset::open(job, inputs)?;
    Shape::of(job, &dataset)?;
    run_files(job, config, dataset.files(), progress, thoroughness)
}

fn run_files(
    job: &Job,
    config: &Config,
    files: &[OpenFile<'_>],
    progress: &dyn Progress,
    thoroughness: Thoroughness,
) -> Result<Raw> {
    let started = Instant::now();
    let rules = Rules { job, config };
    let passes = Passes::begin(progress, files, &[&Role::ALL, &cube::KEYS]);
    let (row_ranges, counts) = count(rules, files, thoroughness, &passes)?;
    let counted = Instant::now();
    let cube = match Cube::fill(job, files, &row_ranges, &counts, thoroughness, &passes) {
        Err(Error::TooLarge(report)) => Err(NotRun::Failed(report.to_string())),
        other => Ok(other?),
    };
    let cubed = Instant::now();
    let findings = judge::findings(rules, files, &row_ranges, &counts, cube.as_ref(), &passes)?;
    passes.finish();
    Ok(Raw {
        shape: Shape::Cube,
        findings,
        counts: Some(counts),
        cube: cube.ok(),
        general: None,
        phases: vec![("counts", counted - started), ("cube", cubed - counted)],
    })
}

/// Runs the dictionary pass over every row group, in ranges of rows.
fn count(
    rules: Rules<'_>,
    files: &[OpenFile<'_>],
    thoroughness: Thoroughness,
    passes: &Passes<'_>,
) -> Result<(Vec<RowRange>, Counts)> {
    let retention = Retention::announce(files, &Role::ALL);
    let mut groups = Vec::new();
    for (file, opened) in files.iter().enumerate() {
        let mut before = 0;
        for (row_group, meta) in opened.footer.row_groups.iter().enumerate() {
            groups.push((file, opened, row_group, before));
            before += meta.rows;
        }
    }
    let found: Vec<Vec<(RowRange, ChunkFacts)>> = groups
        .into_par_iter()
        .with_max_len(1)
        .map(|(at, file, row_group, before)| {
            let in_place = |e: Error| e.in_row_group(row_group).in_file(file.input.object.name());
            let columns = file.columns(row_group).map_err(in_place)?;
            let rows = file.footer.row_groups.get(row_group).map_or(0, |meta| meta.rows);
            let row_ranges = row_ranges(columns.get(Role::Value), rows, &[], TASK_ROWS);
            let inspect = |rows: Range<u64>| {
                let row_range = RowRange { file: at, row_group, rows, before, days: None };
                let mut facts = match thoroughness {
                    Thoroughness::Dictionaries => {
                        dictionary_pass::inspect(rules, file, &columns, &row_range, passes)?
                    }
                    Thoroughness::Counting => ChunkFacts {
                        counts: counts::count(rules, file, &columns, &row_range, passes)?,
                        ..ChunkFacts::default()
                    },
                };
                let days = &facts.counts.days;
                let row_range =
                    RowRange { days: days.first().copied().zip(days.last().copied()), ..row_range };
                facts.counts.rows = 0;
                passes.done(file, &row_range, &Role::ALL);
                Ok((row_range, facts))
            };
            let inspected = row_ranges.into_par_iter().with_max_len(1).map(inspect).collect::<Result<_>>();
            retention.evict(file, row_group, &Role::ALL);
            inspected.map_err(in_place)
        })
        .collect::<Result<_>>()?;
    let mut counts = Counts { rows: files.iter().map(|f| f.footer.rows).sum(), ..Counts::default() };
    let (mut row_ranges, mut unconfirmed) = (Vec::new(), Vec::new());
    for (row_range, facts) in found.into_iter().flatten() {
        counts.merge(facts.counts).map_err(|e| in_row_range(e, files, &row_range))?;
        row_ranges.push(row_range);
        unconfirmed.push(facts.unconfirmed);
    }
    dictionary_pass::confirm(files, &row_ranges, &unconfirmed, &mut counts, passes)?;
    Ok((row_ranges, counts))
}

fn in_row_range(error: Error, files: &[OpenFile<'_>], row_range: &RowRange) -> Error {
    let error = error.in_row_group(row_range.row_group);
    match files.get(row_range.file) {
        Some(file) => error.in_file(file.input.object.name()),
        None => error,
    }
}

/// A violation at a row of a range.
fn at_row(files: &[OpenFile<'_>], row_range: &RowRange, row: u64, value: String) -> Violation {
    let file = files.get(row_range.file).map(|f| f.input.object.name().clone());
    Violation { file, row: Some(row_range.before + row), line: None, value }
}

#[cfg(test)]
pub(crate) mod tests;
