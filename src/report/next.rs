//! How to go on after a run.

use super::model::{RunReport, State};
use crate::checks::{CheckResult, Severity, Status};

/// Something that a person can do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What for, in words.
    pub purpose: String,
    /// The command line, for a POSIX shell; may be empty.
    pub command: String,
}

/// The checks that keep the table from being published, in the order of the catalogue.
pub fn blocking(report: &RunReport) -> impl Iterator<Item = &CheckResult> {
    report.outcomes.iter().filter(|outcome| {
        outcome.status == Status::Fail || outcome.could_not_run && outcome.severity == Severity::Block
    })
}

/// What a person can do now; nothing where all is well.
pub fn steps(report: &RunReport) -> Vec<Step> {
    let mut steps = Vec::new();
    if report.state != State::Blocked {
        return steps;
    }
    let again = again(report);
    let step = |purpose: &str, command: String| Step { purpose: purpose.into(), command };
    steps.push(step("Mend the export, then run again:", again.clone()));
    let restated: Vec<&str> =
        report.restated.iter().filter(|r| !r.allowed).map(|r| r.week.as_str()).collect();
    if let (Some(first), Some(last)) = (restated.iter().min(), restated.iter().max()) {
        steps.push(step(
            "If the weeks were meant to change, allow it:",
            format!("{again} --allow-restatement {first}..{last}"),
        ));
    }
    if let (Some(table), Some(target)) = (&report.places.quarantined, &report.target) {
        steps.push(step("Look at the table that was held back:", table.clone()));
        steps.push(step(
            "If it is right after all, publish it:",
            format!("rollshare promote {} --target {}", report.run, quoted(target)),
        ));
    }
    steps
}

/// The run's command line, as far as the report knows it.
fn again(report: &RunReport) -> String {
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

/// A word for a POSIX shell.
fn quoted(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:@%+=,".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_a_shell() {
        assert_eq!(quoted("s3://bucket/a_b.parquet"), "s3://bucket/a_b.parquet");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's; rm *"), "'it'\\''s; rm *'");
        assert_eq!(quoted(""), "''");
    }
}
