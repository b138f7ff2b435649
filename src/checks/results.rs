//! All check results of a run.

use super::catalog::{CheckId, Severity, Stage};
use super::config::Config;
use super::model::{CheckResult, Measurement, NotRun, Status, Verdict, verdict};
use super::raw::{self, Raw, RemoteRows};
use super::shape::Shape;
use crate::dataset::{Dataset, OpenFile};
use crate::progress::Progress;
use crate::storage::{Input, unless_changed};
use crate::{Job, Result};

/// The results, in the order of the catalog.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Results {
    /// One result per check.
    pub outcomes: Vec<CheckResult>,
}

impl Results {
    /// Compares measurements with the bounds of `config`.
    pub fn judge(config: &Config, findings: Vec<(CheckId, Result<Measurement, NotRun>)>) -> Self {
        let outcome = |(id, finding): (CheckId, Result<Measurement, NotRun>)| {
            let finding = config.switched_off(id).map_or(finding, Err);
            CheckResult::of(id, config.severity(id), config.bounds(id), finding)
        };
        Results { outcomes: findings.into_iter().map(outcome).collect() }
    }

    /// The results of a job with another key, grain or profile than the default: their titles name no country.
    pub fn for_any_key(mut self) -> Self {
        for outcome in &mut self.outcomes {
            outcome.title = outcome.check.general_title().into();
        }
        self
    }

    /// Appends the results of later checks.
    pub fn append(&mut self, mut later: Results) {
        self.outcomes.append(&mut later.outcomes);
    }

    /// The verdict of all results together.
    pub fn verdict(&self) -> Verdict {
        verdict(&self.outcomes)
    }

    /// The result of a check, if it is among them.
    pub fn get(&self, id: CheckId) -> Option<&CheckResult> {
        self.outcomes.iter().find(|o| o.check == id)
    }

    /// The results with a status.
    pub fn with(&self, status: Status) -> impl Iterator<Item = &CheckResult> {
        self.outcomes.iter().filter(move |o| o.status == status)
    }

    /// Whether a check of the stage blocks.
    pub fn blocks(&self, stage: Stage) -> bool {
        self.outcomes.iter().any(|o| o.check.stage() == stage && o.is_blocking())
    }

    /// Why nothing is published, in one line: the sentences of the checks that block; empty if none does.
    pub fn why(&self) -> String {
        let lines: Vec<String> =
            self.outcomes.iter().filter(|o| o.is_blocking()).map(CheckResult::line).collect();
        lines.join("; ")
    }
}

impl CheckResult {
    /// Whether the result keeps the table from being published.
    pub fn is_blocking(&self) -> bool {
        self.status == Status::Fail || self.could_not_run && self.severity == Severity::Block
    }

    /// The result as one sentence for people: what was found, what is required if nothing was, or why it did not run.
    pub fn sentence(&self) -> String {
        match self.status {
            Status::Pass => self.title.clone(),
            Status::NotRun if self.could_not_run => {
                format!("could not be checked: {} ({})", self.title, self.note)
            }
            Status::NotRun => self.note.clone(),
            Status::Warn | Status::Fail if !self.finding.is_empty() => self.finding.clone(),
            // A report of an earlier version has no sentence.
            Status::Warn | Status::Fail => super::finding::sentence(
                self.check,
                &Measurement {
                    observed: self.observed.unwrap_or_default(),
                    n: self.n,
                    offenders: self.offenders.clone(),
                    note: self.note.clone(),
                    ..Measurement::default()
                },
            ),
        }
    }

    /// The sentence with the name of the check, which the configuration uses.
    pub fn line(&self) -> String {
        format!("{} [{}]", self.sentence(), self.check)
    }
}

impl std::fmt::Display for super::Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file} ")?;
        }
        match (self.line, self.row) {
            (Some(line), _) => write!(f, "line {line}: ")?,
            (None, Some(row)) => write!(f, "row {row}: ")?,
            (None, None) => {}
        }
        f.write_str(&self.value)
    }
}

/// Opens the inputs, runs the checks on the rows and compares their measurements with the bounds.
///
/// # Errors
/// Fails if the rows cannot be read, or columns are missing or of a wrong type.
pub fn check_rows(
    job: &Job,
    config: &Config,
    inputs: &[Input],
    progress: &dyn Progress,
) -> Result<(Results, Raw)> {
    let dataset = Dataset::open(job, inputs)?;
    check_dataset(job, Shape::of(job, &dataset)?, config, &dataset, progress)
}

/// As [`check_rows`], for an opened dataset of this shape.
///
/// # Errors
/// Fails if the rows cannot be read.
pub fn check_dataset(
    job: &Job,
    shape: Shape,
    config: &Config,
    dataset: &Dataset<'_>,
    progress: &dyn Progress,
) -> Result<(Results, Raw)> {
    check_files(job, shape, config, dataset.files(), None, progress)
}

/// As [`check_dataset`], for opened files; `remote` reads their rows if they are not read in this process.
///
/// # Errors
/// Fails if the rows cannot be read.
pub fn check_files(
    job: &Job,
    shape: Shape,
    config: &Config,
    files: &[OpenFile<'_>],
    remote: Option<&dyn RemoteRows>,
    progress: &dyn Progress,
) -> Result<(Results, Raw)> {
    let config = &config.for_profile(&job.profile);
    let inputs = || files.iter().map(|file| file.input);
    if !shape.is_cube() {
        return unless_changed(inputs(), raw::general::run(job, config, files, remote, progress));
    }
    let mut raw = unless_changed(inputs(), raw::run_opened(job, config, files, remote, progress))?;
    let mut results = Results::judge(config, std::mem::take(&mut raw.findings));
    raw::renamed::mention(&mut results.outcomes);
    Ok((results, raw))
}
