//! What a check is, and what came out of it.

use std::sync::Arc;

use super::catalog::{CheckId, Severity};

/// What came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Within all bounds.
    Pass,
    /// Past the bound that warns.
    Warn,
    /// Past the bound that blocks.
    Fail,
    /// It did not run, which is never a pass.
    NotRun,
}

/// The most that is still in order. Past any of the two is past the bound.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// So many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<f64>,
    /// Such a part of what was looked at, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f64>,
}

impl Limit {
    /// At most `count`.
    pub const fn count(count: f64) -> Self {
        Limit { count: Some(count), fraction: None }
    }

    fn is_passed(&self, observed: f64, fraction: f64) -> bool {
        // A bound that cannot be compared with is a bound that was passed.
        let past = |value: f64, limit: f64| value.is_nan() || limit.is_nan() || value > limit;
        self.count.is_some_and(|limit| past(observed, limit))
            || self.fraction.is_some_and(|limit| past(fraction, limit))
    }
}

/// The bounds of a check, and how they came about.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Bounds {
    /// Past this, a warning.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub warn: Option<Limit>,
    /// Past this, a failure.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub block: Option<Limit>,
    /// `default`, or the file that says so; with the baseline where there is one.
    pub origin: String,
}

/// Something that a check objects to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Violation {
    /// The file, where it is about a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<Arc<str>>,
    /// The row in the file, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    /// What stands there.
    pub value: String,
}

impl Violation {
    /// About a key rather than a row.
    pub fn key(value: impl Into<String>) -> Self {
        Violation { file: None, row: None, value: value.into() }
    }
}

/// Offenders that a result names; the count has them all.
pub const VIOLATIONS: usize = 10;

/// What a check has found, before it is held against bounds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Measurement {
    /// How many, or how far.
    pub observed: f64,
    /// Out of so many.
    pub n: u64,
    /// The first of them.
    pub offenders: Vec<Violation>,
    /// What else a person should know.
    pub note: String,
}

impl Measurement {
    /// `count` objections among `n`.
    #[allow(clippy::cast_precision_loss)] // shown, and compared with small bounds
    pub fn count(count: u64, n: u64, offenders: Vec<Violation>) -> Self {
        Measurement { observed: count as f64, n, offenders, note: String::new() }
    }

    /// Says more.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

/// Why a check has not run.
#[derive(Debug, Clone, PartialEq)]
pub enum NotRun {
    /// There is nothing that it could look at; that is no fault.
    NotApplicable(String),
    /// It should have run and could not.
    Failed(String),
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CheckResult {
    /// Which.
    pub check: CheckId,
    /// What it asks, in words.
    pub title: String,
    /// How much it matters.
    pub severity: Severity,
    /// What came out.
    pub status: Status,
    /// The value that was held against the bounds.
    pub observed: Option<f64>,
    /// What was counted.
    pub unit: String,
    /// Out of so many.
    pub n: u64,
    /// Bounds and their origin.
    pub bounds: Bounds,
    /// The first offenders.
    pub offenders: Vec<Violation>,
    /// What else there is to say; for a check that did not run, why.
    pub note: String,
    /// Whether it should have run and could not.
    pub could_not_run: bool,
}

impl CheckResult {
    /// Holds a finding against the bounds.
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
                let past = |limit: &Option<Limit>| {
                    limit.as_ref().is_some_and(|l| l.is_passed(finding.observed, fraction))
                };
                let status = if severity == Severity::Block && past(&bounds.block) {
                    Status::Fail
                } else if past(&bounds.warn) {
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
        CheckResult {
            check,
            title: check.title().into(),
            severity,
            status,
            observed: ran.then_some(finding.observed),
            unit: check.unit().into(),
            n: finding.n,
            bounds,
            offenders: if status == Status::Pass { Vec::new() } else { finding.offenders },
            note: finding.note,
            could_not_run,
        }
    }
}

/// What all checks together say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing to say.
    Pass,
    /// Worth a look; nothing blocks.
    Warn,
    /// A check that blocks could not run.
    Incomplete,
    /// A check that blocks has failed.
    Fail,
}

/// The verdict over some results.
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
    /// 0, 4 a blocking check failed, 5 one could not run.
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
        let bounds = Bounds { warn, block, origin: String::new() };
        CheckResult::of(CheckId::KeyNulls, severity, bounds, Ok(finding)).status
    }

    #[test]
    fn counts_and_fractions_are_held_against_both_bounds() {
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
    fn what_did_not_run_is_no_pass() {
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
