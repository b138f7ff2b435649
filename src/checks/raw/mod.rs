//! The checks on the rows, before anything is computed.
//!
//! ```text
//! files    where is each column, and is its type one that fits?
//! counts   every column by itself, and three pairs of columns: how many rows has
//!          each dictionary entry? One pass, a task a range of pages; what an
//!          entry is (a label, a country, a number) is asked once an entry
//! cube     with the ids of days, countries, systems and channels known: is each
//!          key there once, do the totals add up? Days are cut into chunks whose
//!          dense arrays fit the memory; a chunk reads the row groups that have
//!          its days
//! locate   only where something was found: the first rows that have it
//! judge    counts to findings
//! ```
//!
//! - [`mod@file`]: a file's columns.
//! - [`counts`]: what one task, and all together, have counted.
//! - [`cube`]: uniqueness, totals and sums over the whole key.
//! - [`locate`]: file and row of the first offenders.
//! - [`judge`]: from counts to findings.

pub mod counts;
pub mod cube;
pub mod file;
pub mod judge;
pub mod locate;

use std::time::{Duration, Instant};

use rayon::prelude::*;

use self::counts::Counts;
use self::cube::Cube;
use self::file::RawFile;
use super::CheckId;
use super::config::Config;
use super::model::{Finding, Offender, Reason};
use crate::scan::Progress;
use crate::storage::Input;
use crate::{Error, Job, Result};

/// What a check on the rows has found.
pub type Findings = Vec<(CheckId, Result<Finding, Reason>)>;

/// What the passes have seen; later checks and the report ask for it.
pub struct Raw {
    /// What every check has found, in the order of the catalogue.
    pub findings: Findings,
    /// Counts by distinct value; `None` where columns were missing.
    pub counts: Option<Counts>,
    /// Sums by day and country; `None` where the keys were not all there.
    pub cube: Option<Cube>,
    /// Wall time of the two passes: counts, cube.
    pub phases: Vec<(&'static str, Duration)>,
}

/// Rows that a task has at the most, give or take a page.
const TASK_ROWS: u64 = 1 << 20;

/// A range of rows of one row group.
#[derive(Debug, Clone)]
pub struct Piece {
    /// Index of the file.
    pub file: usize,
    /// Row group.
    pub row_group: usize,
    /// Rows of the row group.
    pub rows: std::ops::Range<u64>,
    /// Rows of the file that come before the row group.
    pub before: u64,
    /// First and last day among its rows, once they were counted.
    pub days: Option<(i32, i32)>,
}

/// Runs the checks on the rows.
///
/// # Errors
/// What keeps the rows from being read at all: I/O, damaged files. A missing
/// column is a finding, not an error.
pub fn run(job: &Job, config: &Config, inputs: &[Input], progress: &dyn Progress) -> Result<Raw> {
    let started = Instant::now();
    let files: Vec<RawFile<'_>> =
        inputs.par_iter().map(|input| RawFile::open(job, input)).collect::<Result<_>>()?;
    let problems = file::problems(job, &files);
    if !problems.is_empty() {
        return Ok(Raw {
            findings: judge::without_columns(&problems, files.len()),
            counts: None,
            cube: None,
            phases: vec![],
        });
    }
    let mut pieces = pieces(&files)?;
    let stop = || if progress.interrupted() { Err(Error::Interrupted) } else { Ok(()) };
    let each: Vec<Counts> = pieces
        .par_iter()
        .with_max_len(1)
        .map(|piece| stop().and_then(|()| counts::count(&files, piece)).map_err(|e| place(e, &files, piece)))
        .collect::<Result<_>>()?;
    let mut counts = Counts::default();
    // In order of the rows, so that names are told apart in that order.
    for (part, piece) in each.into_iter().zip(&mut pieces) {
        let days = part.days();
        piece.days = days.first().copied().zip(days.last().copied());
        counts.merge(part).map_err(|e| place(e, &files, piece))?;
    }
    counts.rows = files.iter().map(|f| f.meta.rows).sum();
    let counted = Instant::now();
    let cube = match Cube::fill(job, &files, &pieces, &counts, &stop) {
        Err(Error::TooLarge(report)) => Err(Reason::Failed(report.to_string())),
        other => Ok(other?),
    };
    let cubed = Instant::now();
    let findings = judge::findings(job, config, &files, &pieces, &counts, cube.as_ref())?;
    Ok(Raw {
        findings,
        counts: Some(counts),
        cube: cube.ok(),
        phases: vec![("counts", counted - started), ("cube", cubed - counted)],
    })
}

/// Row groups, cut into ranges that begin where a page of values begins.
fn pieces(files: &[RawFile<'_>]) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    for (at, file) in files.iter().enumerate() {
        let mut before = 0;
        for (row_group, meta) in file.meta.row_groups.iter().enumerate() {
            let mut cuts = vec![0];
            if meta.rows > TASK_ROWS * 3 / 2
                && let Some(column) = file.column(file::Role::Value, row_group)?
            {
                let mut last = 0;
                for page in column.chunk().map(|c| c.data()).unwrap_or_default() {
                    if page.first_row >= last + TASK_ROWS && meta.rows - page.first_row >= TASK_ROWS / 2 {
                        last = page.first_row;
                        cuts.push(last);
                    }
                }
            }
            cuts.push(meta.rows);
            for cut in cuts.windows(2) {
                if let [start, end] = cut
                    && start < end
                {
                    pieces.push(Piece { file: at, row_group, rows: *start..*end, before, days: None });
                }
            }
            before += meta.rows;
        }
    }
    Ok(pieces)
}

fn place(error: Error, files: &[RawFile<'_>], piece: &Piece) -> Error {
    let error = error.in_row_group(piece.row_group);
    match files.get(piece.file) {
        Some(file) => error.in_file(file.input.object.name()),
        None => error,
    }
}

/// An offender at a row of a piece.
fn at_row(files: &[RawFile<'_>], piece: &Piece, row: u64, value: String) -> Offender {
    let file = files.get(piece.file).map(|f| f.input.object.name().clone());
    Offender { file, row: Some(piece.before + row), value }
}

#[cfg(test)]
mod tests;
