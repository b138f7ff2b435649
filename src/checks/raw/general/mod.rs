//! The checks on the rows for any profile, key and grain.
//!
//! ```text
//! columns   where is each column that the profile names, and does its type fit?
//! pass      one pass over all rows, block by block: each distinct value is asked once what it means, and rows are
//!           counted by member, channel and day, and summed by key and day
//! compare   only where the profile has total rows, or a row is a fact: rows are compared with one another by the
//!           hashes of their keys, as many at a time as fit in memory
//! judge     from counts to results
//! ```
//!
//! Only rows that meet the conditions of the profile count. The pass keeps the first rows that violate a rule, so none
//! is read again to locate them. Where a dimension outside the key has total rows, times and sums are those of the rows
//! that answer the job: rows are counted apart by the dimensions of which they are total rows.
//!
//! - [`columns`], [`lanes`]: the columns of a file, and of a range of rows.
//! - [`counts`]: what is counted, and how parts are merged. [`pass`]: the pass.
//! - [`compare`]: total rows that are not the sum of their parts. [`duplicates`]: rows that occur twice.
//! - [`connector`]: columns that a connector adds.
//! - [`judge`]: the results.

pub mod columns;
pub mod compare;
pub mod connector;
pub mod counts;
pub mod duplicates;
pub mod judge;
pub mod lanes;
pub mod pass;

use std::time::Instant;

use self::columns::FileColumns;
use super::{Raw, deleted};
use crate::checks::CheckId;
use crate::checks::config::Config;
use crate::checks::results::Results;
use crate::dataset::Dataset;
use crate::profile::{Dimension, Question};
use crate::progress::{Phase, Progress};
use crate::{Error, Job, Result};

/// What the checks need of a job.
pub struct Subject<'s> {
    /// The job.
    pub job: &'s Job,
    /// The configuration of the checks.
    pub config: &'s Config,
    /// The job, with the rules of its columns.
    pub question: &'s Question,
    /// The dimensions, in the order of their names.
    pub dimensions: Vec<(&'s str, &'s Dimension)>,
    /// The numbers of the dimensions of the key, in its order.
    pub key: Vec<usize>,
    /// The numbers of the dimensions with totals that are no key.
    pub others: Vec<usize>,
}

impl<'s> Subject<'s> {
    fn new(job: &'s Job, config: &'s Config, question: &'s Question) -> Self {
        let dimensions: Vec<(&str, &Dimension)> =
            job.profile.dimensions.iter().map(|(name, of)| (name.as_str(), of)).collect();
        let number = |by: &String| dimensions.iter().position(|(name, _)| name == by);
        let key: Vec<usize> = job.by.iter().filter_map(number).collect();
        let is_other =
            |at: &usize| dimensions.get(*at).is_some_and(|(_, of)| of.has_total()) && !key.contains(at);
        let others = (0..dimensions.len()).filter(is_other).collect();
        Subject { job, config, question, dimensions, key, others }
    }
}

/// Runs the checks on the rows of an opened dataset.
///
/// # Errors
/// What keeps the rows from being read at all: I/O errors, damaged files, columns of a type that cannot be compared.
pub fn run(
    job: &Job,
    config: &Config,
    dataset: &Dataset<'_>,
    progress: &dyn Progress,
) -> Result<(Results, Raw)> {
    let question = Question::new(job)?;
    let subject = Subject::new(job, config, &question);
    let files = dataset.files();
    let columns: Vec<FileColumns> =
        files.iter().map(|file| FileColumns::locate(&subject, file)).collect::<Result<_>>()?;
    progress.begin(Phase::Check, columns::bytes(files, &columns));
    let started = Instant::now();
    let counted = match pass::count(&subject, files, &columns, progress) {
        Ok(counts) => counts,
        Err(Error::TooLarge(report)) => {
            return Ok((judge::too_large(&subject, &report.to_string()), Raw::default()));
        }
        Err(error) => return Err(error),
    };
    let passed = Instant::now();
    let compared = compare::compare(&subject, files, &columns, &counted, progress)?;
    let deleted = match config.switched_off(CheckId::DeletedRows) {
        Some(off) => Err(off),
        None => {
            let conditions = |file: usize| columns.get(file).map_or(&[][..], |columns| &columns.conditions);
            deleted::find_deleted(job, files, conditions, progress)?
        }
    };
    let phases = vec![("counts", passed - started), ("compare", passed.elapsed())];
    let results = judge::results(&subject, files, &counted, &compared, &deleted);
    Ok((results, Raw { general: Some(counted), phases, ..Raw::default() }))
}

#[cfg(test)]
mod tests;
