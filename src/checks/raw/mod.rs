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
//! - [`evidence`]: what the rows show, gathered from any part of them and merged. [`exchange`]: rows that are compared
//!   with one another on a cluster. [`split`]: the rows of a split.
//! - [`passes`]: progress of the passes over the rows, and cancellation.
//! - [`rules`]: which values violate a rule. [`tally`]: the rows that do.
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
pub mod evidence;
pub mod exchange;
pub mod future;
pub mod general;
pub mod judge;
pub mod locate;
pub mod mismatch;
pub mod passes;
pub mod renamed;
pub mod rules;
pub mod split;
pub mod tally;
pub mod times;

use std::ops::Range;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use self::counts::Counts;
use self::cube::axes::Axes;
use self::cube::{CellSum, Cube};
use self::dictionary_pass::ChunkFacts;
use self::evidence::Evidence;
use self::general::rows::RowReader;
use self::passes::Passes;
use self::rules::Rules;
use self::tally::Place;
use super::CheckId;
use super::config::Config;
use super::model::{Measurement, NotRun};
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

/// Row groups whose facts are kept at a time.
const FACTS_AT_A_TIME: usize = 1024;

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
    /// Whether some of its rows may have no day.
    pub is_undated: bool,
}

impl RowRange {
    fn len(&self) -> u64 {
        self.rows.end - self.rows.start
    }

    /// A row of the row group, and what it has.
    fn place(&self, row: u64, value: String) -> Place {
        (self.file, self.before + row, value)
    }
}

/// All rows of some files: a range for each row group.
pub fn whole(files: &[OpenFile<'_>]) -> Vec<RowRange> {
    let mut ranges = Vec::new();
    for (file, opened) in files.iter().enumerate() {
        let mut before = 0;
        for (row_group, rows) in opened.footer.row_groups.rows().enumerate() {
            ranges.push(RowRange { file, row_group, rows: 0..rows, before, days: None, is_undated: true });
            before += rows;
        }
    }
    ranges
}

/// Reads the rows of the checks elsewhere: on the executors of a cluster.
pub trait RemoteRows {
    /// The evidence of all rows.
    ///
    /// # Errors
    /// Those of reading rows.
    fn evidence(&self) -> Result<Evidence>;

    /// The results of all days of a cube, in their order.
    ///
    /// # Errors
    /// Those of reading rows.
    fn days(&self, axes: &Axes) -> Result<Vec<CellSum>>;

    /// Reads the rows that are compared with one another.
    fn reader(&self) -> &dyn RowReader;
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

/// Runs the checks on the rows of opened files, which are a cube; `remote` reads them if they are not read in this
/// process.
///
/// # Errors
/// As of [`run`].
pub fn run_opened(
    job: &Job,
    config: &Config,
    files: &[OpenFile<'_>],
    remote: Option<&dyn RemoteRows>,
    progress: &dyn Progress,
) -> Result<Raw> {
    match remote {
        Some(remote) => run_remote(job, config, files, remote, progress),
        None => run_files(job, config, files, progress, Thoroughness::default()),
    }
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
    let (_, counts) = count(Rules { job, config }, files, &whole(files), Thoroughness::default(), &passes)?;
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
    let (evidence, row_ranges) = Evidence::of_cube(rules, files, &whole(files), thoroughness, &passes)?;
    let (seen, marked) = evidence.into_cube()?;
    let counted = Instant::now();
    let cube = cube_or_reason(Cube::fill(job, files, &row_ranges, &seen.counts, thoroughness, &passes))?;
    let cubed = Instant::now();
    let findings = judge::findings(rules, files, &seen, &marked, cube.as_ref(), None, &passes)?;
    passes.finish();
    let phases = vec![("counts", counted - started), ("cube", cubed - counted)];
    Ok(Raw::of_cube(findings, seen.counts, cube, phases))
}

/// As [`run_files`], of rows that are read elsewhere.
fn run_remote(
    job: &Job,
    config: &Config,
    files: &[OpenFile<'_>],
    remote: &dyn RemoteRows,
    progress: &dyn Progress,
) -> Result<Raw> {
    let started = Instant::now();
    let rules = Rules { job, config };
    let (seen, marked) = remote.evidence()?.into_cube()?;
    let counted = Instant::now();
    let cube = cube_or_reason(Cube::of_remote(job, files, &seen.counts, remote))?;
    let cubed = Instant::now();
    let passes = Passes::begin(progress, &[], &[]);
    let reader = Some(remote.reader());
    let findings = judge::findings(rules, files, &seen, &marked, cube.as_ref(), reader, &passes)?;
    let phases = vec![("counts", counted - started), ("cube", cubed - counted)];
    Ok(Raw::of_cube(findings, seen.counts, cube, phases))
}

/// A cube, or why its checks do not run where there are too many keys.
fn cube_or_reason(cube: Result<Cube>) -> Result<Result<Cube, NotRun>> {
    match cube {
        Err(Error::TooLarge(report)) => Ok(Err(NotRun::Failed(report.to_string()))),
        other => Ok(Ok(other?)),
    }
}

impl Raw {
    fn of_cube(
        findings: Measurements,
        counts: Counts,
        cube: Result<Cube, NotRun>,
        phases: Vec<(&'static str, Duration)>,
    ) -> Self {
        Raw { shape: Shape::Cube, findings, counts: Some(counts), cube: cube.ok(), general: None, phases }
    }
}

/// Runs the dictionary pass over some rows, in ranges of them.
fn count(
    rules: Rules<'_>,
    files: &[OpenFile<'_>],
    rows: &[RowRange],
    thoroughness: Thoroughness,
    passes: &Passes<'_>,
) -> Result<(Vec<RowRange>, Counts)> {
    let groups = rows.iter().map(|range| (range.file, range.row_group));
    let retention = Retention::announce(files, groups, &Role::ALL);
    let inspect_group = |selected: &RowRange| -> Result<Vec<(RowRange, ChunkFacts)>> {
        let (row_group, before) = (selected.row_group, selected.before);
        let file = files.get(selected.file).ok_or_else(|| Error::internal("no such file"))?;
        let in_place = |e: Error| e.in_row_group(row_group).in_file(file.input.object.name());
        let columns = file.columns(row_group).map_err(in_place)?;
        let all = file.footer.row_groups.rows_of(row_group);
        let others = [0..selected.rows.start, selected.rows.end..all];
        let row_ranges = row_ranges(columns.get(Role::Value), all, &others, TASK_ROWS);
        let inspect = |rows: Range<u64>| {
            let row_range =
                RowRange { file: selected.file, row_group, rows, before, days: None, is_undated: true };
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
            let row_range = RowRange {
                days: days.first().copied().zip(days.last().copied()),
                is_undated: facts.counts.objections.may_lack_days(),
                ..row_range
            };
            facts.counts.rows = 0;
            passes.done(file, &row_range, &Role::ALL);
            Ok((row_range, facts))
        };
        let inspected = row_ranges.into_par_iter().with_max_len(1).map(inspect).collect::<Result<_>>();
        retention.evict(file, row_group, &Role::ALL);
        inspected.map_err(in_place)
    };
    let (mut counts, mut row_ranges) = (Counts::default(), Vec::with_capacity(rows.len()));
    // Facts are larger than the row ranges that they are of: those of a few row groups are kept at a time.
    for rows in rows.chunks(FACTS_AT_A_TIME) {
        let found: Vec<Vec<(RowRange, ChunkFacts)>> =
            rows.par_iter().with_max_len(1).map(inspect_group).collect::<Result<_>>()?;
        let first = row_ranges.len();
        let mut unconfirmed = Vec::with_capacity(rows.len());
        for (row_range, facts) in found.into_iter().flatten() {
            counts.merge(facts.counts).map_err(|e| in_row_range(e, files, &row_range))?;
            row_ranges.push(row_range);
            unconfirmed.push(facts.unconfirmed);
        }
        let found = row_ranges.get(first..).unwrap_or_default();
        dictionary_pass::confirm(files, found, &unconfirmed, &mut counts, passes)?;
    }
    counts.rows = rows.iter().map(RowRange::len).sum();
    Ok((row_ranges, counts))
}

fn in_row_range(error: Error, files: &[OpenFile<'_>], row_range: &RowRange) -> Error {
    let error = error.in_row_group(row_range.row_group);
    match files.get(row_range.file) {
        Some(file) => error.in_file(file.input.object.name()),
        None => error,
    }
}

#[cfg(test)]
pub(crate) mod tests;
