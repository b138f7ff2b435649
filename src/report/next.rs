//! The next steps after a run.

use super::model::{RunReport, State};
use crate::checks::drift::classes::permission_in;
use crate::checks::{CheckResult, Severity, Status};
use crate::phrase::quoted;

/// A step that a person can take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The purpose, in words.
    pub purpose: String,
    /// The command line for a POSIX shell, or a path.
    pub command: String,
}

/// The checks that block, in the order of the catalog.
pub fn blocking(report: &RunReport) -> impl Iterator<Item = &CheckResult> {
    report.outcomes.iter().filter(|outcome| {
        outcome.status == Status::Fail || outcome.could_not_run && outcome.severity == Severity::Block
    })
}

/// The reasons why several checks did not run, each with the checks, in the order of the catalog.
pub fn not_run<'r>(
    outcomes: impl IntoIterator<Item = &'r CheckResult>,
) -> Vec<(&'r str, Vec<&'r CheckResult>)> {
    let mut reasons: Vec<(&str, Vec<&CheckResult>)> = Vec::new();
    for outcome in outcomes.into_iter().filter(|o| o.status == Status::NotRun && !o.could_not_run) {
        match reasons.iter_mut().find(|(why, _)| *why == outcome.note) {
            Some((_, checks)) => checks.push(outcome),
            None => reasons.push((&outcome.note, vec![outcome])),
        }
    }
    reasons.retain(|(_, checks)| checks.len() > 1);
    reasons
}

/// The next steps after a blocked run; empty for any other run.
pub fn steps(report: &RunReport) -> Vec<Step> {
    let mut steps = Vec::new();
    if report.state != State::Blocked {
        return steps;
    }
    let rerun = command_line(report);
    let step = |purpose: &str, command: String| Step { purpose: purpose.into(), command };
    steps.push(step("Fix the export, then run again:", rerun.clone()));
    let restated: Vec<&str> =
        report.restated.iter().filter(|r| !r.allowed && !r.unsettled).map(|r| r.week.as_str()).collect();
    if let (Some(first), Some(last)) = (restated.iter().min(), restated.iter().max()) {
        steps.push(step(
            "If the published weeks are meant to change, allow it:",
            format!("{rerun} --allow-restatement {first}..{last}"),
        ));
    }
    for outcome in &report.outcomes {
        if let (Status::Fail, Some(line)) = (outcome.status, permission_in(&outcome.note)) {
            steps.push(step(
                "If users are meant to stop or to fall, begin the file of --checks with:",
                line.into(),
            ));
        }
    }
    if let (Some(table), Some(target)) = (&report.places.quarantined, &report.target) {
        steps.push(step("Inspect the blocked table:", table.clone()));
        steps.push(step(
            "If the table is correct, publish it:",
            format!("rollshare promote {} --target {}", report.run, quoted(target)),
        ));
    }
    steps
}

/// The command line of the run, with the sources and the target that the report contains.
fn command_line(report: &RunReport) -> String {
    let mut line = "rollshare run".to_owned();
    for source in &report.sources {
        line.push_str(" --source ");
        line.push_str(&quoted(source));
    }
    if let Some(target) = &report.target {
        line.push_str(" --target ");
        line.push_str(&quoted(target));
    }
    line
}
