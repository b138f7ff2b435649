//! The checks on the rows for any profile, key and grain.
//!
//! ```text
//! columns   where is each column that the profile names, and does its type fit?
//! pass      one pass over all rows, block by block: each distinct value is asked once what it means, and rows are
//!           counted by member, channel and day, and summed by key and day
//! compare   only where the profile has total rows, or a row is a fact: rows are compared with one another by the
//!           hashes of their keys, in one pass; those that do not fit in memory go to a temporary file
//! judge     from counts to results
//! ```
//!
//! Only rows that meet the conditions of the profile count. The pass keeps the first rows that violate a rule, so none
//! is read again to locate them. Where a dimension outside the key has total rows, times and sums are those of the rows
//! that answer the job: rows are counted apart by the dimensions of which they are total rows.
//!
//! - [`columns`], [`lanes`]: the columns of a file, and of a range of rows.
//! - [`counts`]: what is counted, and how parts are merged. [`sums`], [`timed`]: exact sums of users.
//! - [`pass`]: the pass. [`plain`]: rows that break no rule, by the block. [`keys`]: numbers of keys.
//! - [`compare`]: total rows that are not the sum of their parts. [`duplicates`]: rows that occur twice. [`rows`]: who
//!   reads the rows that are compared. [`by_hash`]: rows in parts by the hash of their key.
//! - [`connector`]: columns that a connector adds.
//! - [`judge`]: the results.

pub mod by_hash;
pub mod columns;
pub mod compare;
pub mod connector;
pub mod counts;
pub mod duplicates;
pub mod judge;
mod keys;
pub mod lanes;
pub mod pass;
mod plain;
pub mod rows;
pub mod sums;
pub mod timed;

use std::time::Instant;

use self::columns::FileColumns;
use self::lanes::tasks;
use self::rows::{RowReader, Rows};
use super::evidence::{Evidence, Seen};
use super::{Raw, RemoteRows, deleted, whole};
use crate::checks::CheckId;
use crate::checks::config::Config;
use crate::checks::results::Results;
use crate::dataset::OpenFile;
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
    /// What the checks need of a job.
    pub fn new(job: &'s Job, config: &'s Config, question: &'s Question) -> Self {
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

/// Runs the checks on the rows of an opened dataset; `remote` reads them if they are not read in this process.
///
/// # Errors
/// What keeps the rows from being read at all: I/O errors, damaged files, columns of a type that cannot be compared.
pub fn run(
    job: &Job,
    config: &Config,
    files: &[OpenFile<'_>],
    remote: Option<&dyn RemoteRows>,
    progress: &dyn Progress,
) -> Result<(Results, Raw)> {
    let question = Question::new(job)?;
    let subject = Subject::new(job, config, &question);
    let columns = FileColumns::locate_all(&subject, files)?;
    let started = Instant::now();
    let evidence = match remote {
        Some(remote) => remote.evidence()?,
        None => {
            progress.begin(Phase::Check, columns::bytes(files, &columns));
            Evidence::of_general(&subject, files, &columns, &whole(files), progress)?
        }
    };
    let passed = Instant::now();
    let Evidence { seen, marked } = evidence;
    let counted = match seen {
        Seen::General(mut counts) => {
            counts.summarise();
            *counts
        }
        Seen::TooMany(why) => return Ok((judge::too_large(&subject, &why), Raw::default())),
        Seen::Cube(_) => return Err(Error::internal("evidence of a cube")),
    };
    let here = Rows {
        subject: &subject,
        files,
        columns: &columns,
        tasks: tasks(&whole(files)),
        rows: counted.met,
        memory: by_hash::MEMORY,
        progress,
    };
    let reader: &dyn RowReader = remote.map_or(&here, |remote| remote.reader());
    let compared = compare::compare(&subject, files, &columns, &counted, reader)?;
    let deleted = match config.switched_off(CheckId::DeletedRows) {
        Some(off) => Err(off),
        None => deleted::measure(job, files, &marked, counted.met),
    };
    let phases = vec![("counts", passed - started), ("compare", passed.elapsed())];
    let results = judge::results(&subject, files, &counted, &compared, &deleted);
    Ok((results, Raw { general: Some(counted), phases, ..Raw::default() }))
}

#[cfg(test)]
mod tests;
