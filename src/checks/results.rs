//! All check results of a run.

use super::catalog::{CheckId, Severity, Stage};
use super::config::Config;
use super::model::{CheckResult, Measurement, NotRun, Status, Verdict, verdict};
use super::raw::{self, Raw};
use super::shape::Shape;
use crate::dataset::Dataset;
use crate::progress::Progress;
use crate::storage::Input;
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
        self.outcomes.iter().any(|o| {
            o.check.stage() == stage
                && (o.status == Status::Fail || o.could_not_run && o.severity == Severity::Block)
        })
    }

    /// Why nothing is published, in one line; empty if no check blocks.
    pub fn why(&self) -> String {
        let blocking =
            |o: &&CheckResult| o.status == Status::Fail || o.could_not_run && o.severity == Severity::Block;
        let lines: Vec<String> = self.outcomes.iter().filter(blocking).map(CheckResult::line).collect();
        lines.join("; ")
    }
}

impl CheckResult {
    /// The result in one line, with the first violation.
    pub fn line(&self) -> String {
        let Some(observed) = self.observed else {
            return format!("{} did not run: {}", self.check, self.note);
        };
        let mut text = format!("{}: {observed} {}", self.check, self.unit);
        // A single measurement is not a fraction of anything.
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
    if !shape.is_cube() {
        return raw::general::run(job, config, dataset, progress);
    }
    let mut raw = raw::run_opened(job, config, dataset, progress)?;
    let mut results = Results::judge(config, std::mem::take(&mut raw.findings));
    raw::renamed::mention(&mut results.outcomes);
    Ok((results, raw))
}
