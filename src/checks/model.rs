//! Measurements, bounds, and the results of checks.

use std::sync::Arc;

use super::catalog::{CheckId, Severity};
use crate::escape;
use crate::phrase::{Phrase, Surface};

/// The status of a check after the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Within all bounds.
    Pass,
    /// Above the bound that warns.
    Warn,
    /// Above the bound that blocks.
    Fail,
    /// The check did not run. This never counts as a pass.
    NotRun,
}

/// The largest value that is accepted. A value above either limit exceeds the bound.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Limit of the observed value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<f64>,
    /// Limit of the observed value as a fraction of `n`, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f64>,
}

impl Limit {
    /// A limit of `count`, without a fraction.
    pub const fn count(count: f64) -> Self {
        Limit { count: Some(count), fraction: None }
    }

    fn is_exceeded(&self, observed: f64, fraction: f64) -> bool {
        // A value or a limit that is NaN cannot be compared, and counts as exceeding.
        let exceeds = |value: f64, limit: f64| value.is_nan() || limit.is_nan() || value > limit;
        self.count.is_some_and(|limit| exceeds(observed, limit))
            || self.fraction.is_some_and(|limit| exceeds(fraction, limit))
    }
}

/// The bounds of a check, and where they come from.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Bounds {
    /// Above this, the check warns.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub warn: Option<Limit>,
    /// Above this, the check fails.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub block: Option<Limit>,
    /// `default`, or the file that sets the bounds.
    pub origin: String,
    /// Whether the file sets a bound, not only the severity.
    #[serde(skip)]
    pub is_own: bool,
}

/// A value that violates a check.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Violation {
    /// The file, if the violation is in a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<Arc<str>>,
    /// The row in the file, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    /// The line of a text file, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The value, or a description of it.
    pub value: String,
}

impl Violation {
    /// A violation of a key, not of a single row.
    pub fn key(value: impl Into<String>) -> Self {
        Violation { file: None, row: None, line: None, value: value.into() }
    }
}

/// The number of violations that a result lists. Its count includes all of them.
pub const VIOLATIONS: usize = 10;

/// The measurement of a check, before it is compared with bounds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Measurement {
    /// The observed count or deviation.
    pub observed: f64,
    /// The number of values that were checked.
    pub n: u64,
    /// The first violations.
    pub offenders: Vec<Violation>,
    /// Further information for people, with flags of the program.
    pub note: String,
    /// The same with keywords of Python, where it differs.
    pub note_in_python: Option<String>,
    /// Whether it only warns, unless the configuration has bounds of its own.
    pub only_warns: bool,
    /// What was found, as a sentence; if it is empty, [`super::finding::sentence`] builds one.
    pub finding: String,
}

impl Measurement {
    /// `count` violations among `n` values.
    #[allow(clippy::cast_precision_loss)] // shown, and compared with small bounds
    pub fn count(count: u64, n: u64, offenders: Vec<Violation>) -> Self {
        Measurement { observed: count as f64, n, offenders, ..Measurement::default() }
    }

    /// Sets the sentence.
    pub fn finding(mut self, finding: impl Into<String>) -> Self {
        self.finding = finding.into();
        self
    }

    /// Sets the note.
    pub fn note(self, note: impl Into<Phrase>) -> Self {
        let note = note.into();
        let (shown, in_python) = (note.show(Surface::Program), note.show(Surface::Python));
        let note_in_python = (in_python != shown).then_some(in_python);
        Measurement { note: shown, note_in_python, ..self }
    }
}

/// Why a check did not run.
#[derive(Debug, Clone, PartialEq)]
pub enum NotRun {
    /// The check does not apply. This is not a fault.
    NotApplicable(String),
    /// The check applies and could not run.
    Failed(String),
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CheckResult {
    /// The check.
    pub check: CheckId,
    /// The condition that the check requires, in words.
    pub title: String,
    /// The severity of the check in this run.
    pub severity: Severity,
    /// The status.
    pub status: Status,
    /// What was found, as one sentence for people; empty if the check passed or does not apply.
    #[serde(default)]
    pub finding: String,
    /// The value that was compared with the bounds; `None` if the check did not run.
    pub observed: Option<f64>,
    /// The unit of `observed`.
    pub unit: String,
    /// The number of values that were checked.
    pub n: u64,
    /// Bounds and their origin.
    pub bounds: Bounds,
    /// The first violations.
    pub offenders: Vec<Violation>,
    /// Further information; for a check that did not run, the reason.
    pub note: String,
    /// The note in the words of Python, where they differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note_in_python: Option<String>,
    /// Whether the check applies and could not run.
    pub could_not_run: bool,
}

impl CheckResult {
    /// Compares a measurement with the bounds. The sentences are escaped, names in them cut.
    #[allow(clippy::cast_precision_loss)] // a fraction needs no more
    pub fn of(
        check: CheckId,
        severity: Severity,
        bounds: Bounds,
        finding: Result<Measurement, NotRun>,
    ) -> Self {
        let (finding, status, could_not_run) = match finding {
            Ok(finding) => {
                let fraction = if finding.n == 0 { 0.0 } else { finding.observed / finding.n as f64 };
                let exceeds = |limit: &Option<Limit>| {
                    limit.as_ref().is_some_and(|l| l.is_exceeded(finding.observed, fraction))
                };
                let may_block = severity == Severity::Block && (bounds.is_own || !finding.only_warns);
                let status = if may_block && exceeds(&bounds.block) {
                    Status::Fail
                } else if exceeds(&bounds.warn) {
                    Status::Warn
                } else {
                    Status::Pass
                };
                (finding, status, false)
            }
            Err(reason) => {
                let (note, failed) = match reason {
                    NotRun::NotApplicable(note) => (note, false),
                    NotRun::Failed(note) => (note, true),
                };
                (Measurement { note, ..Measurement::default() }, Status::NotRun, failed)
            }
        };
        let ran = status != Status::NotRun;
        let sentence = match status {
            Status::Warn | Status::Fail => super::finding::sentence(check, &finding),
            Status::NotRun if could_not_run => finding.note.clone(),
            Status::Pass | Status::NotRun => String::new(),
        };
        let escaped =
            |violation: Violation| Violation { value: escape::line(&violation.value).into(), ..violation };
        CheckResult {
            check,
            title: check.title().into(),
            severity,
            status,
            finding: escape::line(&sentence).into(),
            observed: ran.then_some(finding.observed),
            unit: check.unit().into(),
            n: finding.n,
            bounds,
            offenders: match status {
                Status::Pass => Vec::new(),
                _ => finding.offenders.into_iter().map(escaped).collect(),
            },
            note: escape::line(&finding.note).into(),
            note_in_python: finding.note_in_python.map(|note| escape::line(&note).into()),
            could_not_run,
        }
    }
}

/// The verdict of all checks together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every check that ran has passed.
    Pass,
    /// A check warns; none blocks.
    Warn,
    /// A check that blocks could not run.
    Incomplete,
    /// A check that blocks has failed.
    Fail,
}

/// Returns the verdict of some results.
pub fn verdict(outcomes: &[CheckResult]) -> Verdict {
    let any = |test: &dyn Fn(&CheckResult) -> bool| outcomes.iter().any(test);
    if any(&|o| o.status == Status::Fail) {
        Verdict::Fail
    } else if any(&|o| o.could_not_run && o.severity == Severity::Block) {
        Verdict::Incomplete
    } else if any(&|o| o.status == Status::Warn || o.could_not_run) {
        Verdict::Warn
    } else {
        Verdict::Pass
    }
}

impl Verdict {
    /// Exit code: 0, 4 if a blocking check failed, 5 if one could not run.
    pub fn exit_code(self) -> u8 {
        match self {
            Verdict::Pass | Verdict::Warn => 0,
            Verdict::Fail => 4,
            Verdict::Incomplete => 5,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn of(severity: Severity, warn: Option<Limit>, block: Option<Limit>, observed: f64, n: u64) -> Status {
        let finding = Measurement { observed, n, ..Measurement::default() };
        let bounds = Bounds { warn, block, ..Bounds::default() };
        CheckResult::of(CheckId::KeyNulls, severity, bounds, Ok(finding)).status
    }

    #[test]
    fn counts_and_fractions_are_compared_with_both_bounds() {
        let fraction = |f| Some(Limit { count: None, fraction: Some(f) });
        let count = |c| Some(Limit::count(c));
        assert_eq!(of(Severity::Block, None, count(0.0), 0.0, 5), Status::Pass);
        assert_eq!(of(Severity::Block, None, count(0.0), 1.0, 5), Status::Fail);
        assert_eq!(of(Severity::Block, count(0.0), count(2.0), 2.0, 5), Status::Warn);
        assert_eq!(of(Severity::Warn, count(0.0), count(2.0), 3.0, 5), Status::Warn);
        assert_eq!(of(Severity::Block, None, fraction(0.1), 1.0, 10), Status::Pass);
        assert_eq!(of(Severity::Block, None, fraction(0.1), 2.0, 10), Status::Fail);
        assert_eq!(of(Severity::Block, None, count(3.0), f64::NAN, 10), Status::Fail);
    }

    #[test]
    fn a_check_that_did_not_run_does_not_pass() {
        let run = |severity, reason| {
            let outcome = CheckResult::of(CheckId::KeyNulls, severity, Bounds::default(), Err(reason));
            assert_eq!((outcome.status, outcome.observed), (Status::NotRun, None));
            verdict(&[outcome])
        };
        let failed = || NotRun::Failed("no column".into());
        assert_eq!(run(Severity::Block, failed()).exit_code(), 5);
        assert_eq!(run(Severity::Warn, failed()), Verdict::Warn);
        assert_eq!(run(Severity::Block, NotRun::NotApplicable("no history".into())), Verdict::Pass);
    }
}
