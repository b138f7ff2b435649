//! All outcomes of a run.

use super::catalog::{CheckId, Stage};
use super::config::Config;
use super::model::{CheckResult, Measurement, NotRun, Severity, Status, Verdict, verdict};
use super::raw::{self, Raw};
use crate::dataset::Dataset;
use crate::progress::Progress;
use crate::storage::Input;
use crate::{Job, Result};

/// The outcomes, in the order of the catalogue.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Results {
    /// One a check.
    pub outcomes: Vec<CheckResult>,
}

impl Results {
    /// Holds findings against the bounds of `config`.
    pub fn judge(config: &Config, findings: Vec<(CheckId, Result<Measurement, NotRun>)>) -> Self {
        let outcome = |(id, finding): (CheckId, Result<Measurement, NotRun>)| {
            let severity = config.severity(id);
            let finding = if severity == Severity::Off {
                Err(NotRun::NotApplicable("switched off".into()))
            } else {
                finding
            };
            CheckResult::of(id, severity, config.bounds(id), finding)
        };
        Results { outcomes: findings.into_iter().map(outcome).collect() }
    }

    /// Adds the outcomes of later checks.
    pub fn append(&mut self, mut later: Results) {
        self.outcomes.append(&mut later.outcomes);
    }

    /// What they say together.
    pub fn verdict(&self) -> Verdict {
        verdict(&self.outcomes)
    }

    /// The outcome of a check.
    pub fn get(&self, id: CheckId) -> Option<&CheckResult> {
        self.outcomes.iter().find(|o| o.check == id)
    }

    /// Outcomes with a status.
    pub fn with(&self, status: Status) -> impl Iterator<Item = &CheckResult> {
        self.outcomes.iter().filter(move |o| o.status == status)
    }

    /// Whether the checks of a stage let the next one begin.
    pub fn blocks(&self, stage: Stage) -> bool {
        self.outcomes.iter().any(|o| {
            o.check.stage() == stage
                && (o.status == Status::Fail || o.could_not_run && o.severity == Severity::Block)
        })
    }

    /// Why nothing is published, in one line; empty where nothing blocks.
    pub fn why(&self) -> String {
        let blocking =
            |o: &&CheckResult| o.status == Status::Fail || o.could_not_run && o.severity == Severity::Block;
        let told: Vec<String> = self.outcomes.iter().filter(blocking).map(CheckResult::line).collect();
        told.join("; ")
    }
}

impl CheckResult {
    /// Itself in one line, with the first offender.
    pub fn line(&self) -> String {
        let Some(observed) = self.observed else {
            return format!("{} did not run: {}", self.check, self.note);
        };
        let mut text = format!("{}: {observed} {}", self.check, self.unit);
        // What is measured once is not a part of anything.
        if self.n > 1 {
            text = format!("{text} of {}", self.n);
        }
        if let Some(first) = self.offenders.first() {
            text = format!("{text}, first {first}");
        }
        text
    }
}

impl std::fmt::Display for super::Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file} ")?;
        }
        if let Some(row) = self.row {
            write!(f, "row {row}: ")?;
        }
        f.write_str(&self.value)
    }
}

/// Opens the inputs, runs the checks on the rows and compares them with the bounds.
///
/// # Errors
/// What keeps the rows from being read at all.
pub fn check_rows(
    job: &Job,
    config: &Config,
    inputs: &[Input],
    progress: &dyn Progress,
) -> Result<(Results, Raw)> {
    check_dataset(job, config, &Dataset::open(job, inputs)?, progress)
}

/// As [`check_rows`], for an opened dataset.
///
/// # Errors
/// As of [`check_rows`].
pub fn check_dataset(
    job: &Job,
    config: &Config,
    dataset: &Dataset<'_>,
    progress: &dyn Progress,
) -> Result<(Results, Raw)> {
    let mut raw = raw::run_opened(job, config, dataset, progress)?;
    let results = Results::judge(config, std::mem::take(&mut raw.findings));
    Ok((results, raw))
}
