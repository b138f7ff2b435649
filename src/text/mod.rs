//! Text sources: CSV, TSV and other delimited text, plain or compressed.
//!
//! A text file is converted to a parquet file in memory, with the columns that the job needs, and takes its place among
//! the inputs: same name, same version. So checks, all paths of the scan, the account and the state serve text without
//! knowing it. Only errors and findings do: they name lines instead of rows.
//!
//! - [`mod@format`]: is a file text? Decompression, byte order marks, UTF-16.
//! - [`header`]: delimiter and columns. [`records`]: records and fields; [`block`]: many plain records at once.
//! - [`pieces`]: text is converted piece by piece, in parallel. [`column`], [`dictionary`]: fields become pages.
//! - [`image`]: the bytes of the parquet file, in memory or in a temporary file.
//! - [`lines`]: rows and lines.
//! - [`object`]: the file as an input.
//!
//! Memory is bounded: by [`Spool`], and by a piece of text and its pages for each thread.

pub mod block;
pub mod column;
pub mod dictionary;
pub mod format;
pub mod header;
pub mod image;
pub mod lines;
pub mod object;
pub mod pieces;
pub mod records;

use std::sync::Arc;

use rayon::prelude::*;

use self::column::Kind;
use self::header::Wanted;
pub use self::object::{Options, TextObject};
use crate::checks::finding::place;
use crate::checks::results::Results;
use crate::dataset::Role;
use crate::profile::Question;
use crate::progress::{AdvanceOnly, Phase, Progress};
use crate::storage::{Input, Object, Spool};
use crate::{Error, Job, Result};

/// Bytes of all converted files of a run that stay in memory.
const MEMORY: u64 = 256 << 20;

/// The text files among the inputs of a run.
#[derive(Default)]
pub struct Texts {
    objects: Vec<Arc<TextObject>>,
}

impl Texts {
    /// Makes the text files among `inputs` readable as parquet, with the columns that the job needs; `with_checks`, with
    /// those that the checks need too. Nothing is converted yet.
    ///
    /// # Errors
    /// `Data` where some inputs are text and others are not; those of reading the first bytes of the files.
    pub fn find(job: &Job, with_checks: bool, inputs: &mut [Input]) -> Result<Self> {
        Texts::open(wanted(job, with_checks)?, Options::default(), inputs)
    }

    /// As [`Self::find`], with these columns.
    ///
    /// # Errors
    /// As of [`Self::find`].
    pub fn open(wanted: Wanted, options: Options, inputs: &mut [Input]) -> Result<Self> {
        let is_text: Vec<Result<bool>> =
            inputs.par_iter().with_min_len(16).map(|input| format::is_text(input.object.as_ref())).collect();
        let is_text: Vec<bool> = is_text.into_iter().collect::<Result<_>>()?;
        let of = |kind: bool| is_text.iter().position(|is| *is == kind).and_then(|at| inputs.get(at));
        match (of(true), of(false)) {
            (None, _) => return Ok(Texts::default()),
            (Some(text), Some(other)) => {
                let [text, other] = [text, other].map(|input| input.object.name());
                return Err(Error::data(format!("{text} is text, and {other} is not"))
                    .expected("sources that are all text, or all parquet")
                    .advice("Name one kind with a glob, such as 'DIR/*.csv'"));
            }
            (Some(_), None) => {}
        }
        let (wanted, spool) = (
            Arc::new(wanted),
            Arc::new(Spool::new(MEMORY, "Text is converted there if it does not fit in memory")),
        );
        let mut texts = Texts::default();
        for input in inputs {
            let object =
                Arc::new(TextObject::new(input.object.clone(), wanted.clone(), spool.clone(), options));
            input.object = object.clone();
            texts.objects.push(object);
        }
        Ok(texts)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Converts all files, on the current thread pool. Without this call each is converted when it is first read.
    ///
    /// # Errors
    /// The first one in the order of the files; `Interrupted` where the caller requests cancellation.
    pub fn convert(&self, progress: &dyn Progress) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        progress.begin(Phase::Convert, self.objects.iter().map(|object| object.stored_len()).sum());
        let progress = AdvanceOnly(progress);
        let converted: Vec<Result<()>> =
            self.objects.par_iter().with_max_len(1).map(|object| object.convert(&progress)).collect();
        converted.into_iter().collect()
    }

    /// An error of the run, with the line of the text where it has a row.
    pub fn locate(&self, error: Error) -> Error {
        let location = error.report().map(|report| &report.location);
        let found = location.and_then(|location| self.line(location.file.as_ref()?, location.row?));
        match found {
            Some(line) => error.at_line(line),
            None => error,
        }
    }

    /// Adds lines to the findings of the checks.
    pub fn locate_findings(&self, results: &mut Results) {
        for outcome in &mut results.outcomes {
            for violation in &mut outcome.offenders {
                let (Some(file), Some(row)) = (&violation.file, violation.row) else { continue };
                let line = self.line(file, row);
                let by_row = place(violation).unwrap_or_default();
                violation.line = line;
                // The sentence has the place of the first violation.
                outcome.finding = outcome.finding.replacen(&by_row, &place(violation).unwrap_or_default(), 1);
            }
        }
    }

    fn line(&self, file: &str, row: u64) -> Option<u64> {
        self.objects.iter().find(|object| **object.name() == *file)?.line(row)
    }
}

/// The columns that a job reads, with what their fields are read as.
fn wanted(job: &Job, with_checks: bool) -> Result<Wanted> {
    let job = job.clone().validated()?;
    let question = Question::new(&job)?;
    let profile = &job.profile;
    let (label, _) = question.time_columns();
    let conditions = question.conditions.iter().map(|of| &*of.column);
    let keys = question.keys.iter().map(|of| &*of.column);
    // The checks read dimensions that are neither keys nor have totals.
    let dimensions = profile.dimensions.iter().map(|(name, of)| of.column_of(name)).filter(|_| with_checks);
    let time = &profile.time;
    let text_date = time.date.as_deref().filter(|_| time.unit.is_none());
    let roles = Role::ALL.iter().filter(|role| job.is_cube() && (with_checks || !role.is_optional()));
    let texts: Vec<&str> = conditions
        .chain(keys)
        .chain(dimensions)
        .chain(profile.channel.column.as_deref())
        .chain(label.or(time.label.as_deref()))
        .chain(text_date)
        .chain(
            roles
                .map(|role| role.column(&job))
                .filter(|column| Some(*column) != profile.users.column.as_deref()),
        )
        .collect();
    let mut columns: Vec<(String, Kind)> = Vec::new();
    if let Some(users) = profile.users.column.as_deref() {
        // Numbers that are compared as text, in a condition or as a member, have to be whole.
        let kind = if texts.contains(&users) { Kind::Integer } else { Kind::Number };
        columns.push((users.to_owned(), kind));
    }
    if let (Some(date), Some(_)) = (time.date.as_deref(), time.unit) {
        columns.push((date.to_owned(), Kind::Integer));
    }
    columns.extend(texts.into_iter().map(|name| (name.to_owned(), Kind::Text)));
    Ok(Wanted::Named { columns, with_others: with_checks })
}
