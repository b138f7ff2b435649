//! The next steps after a run.

use super::model::{RunReport, State};
use super::words::step_noun;
use crate::Job;
use crate::checks::drift::classes::permission_in;
use crate::checks::{CheckResult, Status};
use crate::escape::shell;

/// A step that a person can take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The purpose, in words.
    pub purpose: String,
    /// The command line for a POSIX shell, or a path.
    pub command: String,
    /// Whether the summary on the terminal shows it, which already shows the paths.
    pub is_short: bool,
}

impl Step {
    /// The purpose as a heading: `Look at the blocked table:`.
    pub fn heading(&self) -> String {
        let mut letters = self.purpose.chars();
        let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
        format!("{first}{}:", letters.as_str())
    }
}

/// The checks that block, in the order of the catalog.
pub fn blocking(report: &RunReport) -> impl Iterator<Item = &CheckResult> {
    report.outcomes.iter().filter(|outcome| outcome.is_blocking())
}

/// What the checks found: those that block, failed ones first; then those that warn.
pub fn findings(report: &RunReport) -> (Vec<&CheckResult>, Vec<&CheckResult>) {
    let mut blocking: Vec<&CheckResult> = blocking(report).collect();
    blocking.sort_by_key(|outcome| outcome.could_not_run);
    let warns = |o: &&CheckResult| !o.is_blocking() && (o.status == Status::Warn || o.could_not_run);
    let mut warning: Vec<&CheckResult> = report.outcomes.iter().filter(warns).collect();
    warning.sort_by_key(|outcome| outcome.could_not_run);
    (blocking, warning)
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

/// The next steps after a run that is blocked, would be blocked, or warns; empty for any other run.
pub fn steps(report: &RunReport) -> Vec<Step> {
    let (blocking, warning) = findings(report);
    let mut steps = Vec::new();
    let mut step = |purpose: &str, command: String, is_short| {
        steps.push(Step { purpose: purpose.into(), command, is_short });
    };
    match (report.state, &report.target) {
        (State::Blocked, Some(target)) => {
            step("fix the export, then run again", command_line(report, "run"), false);
            let restated: Vec<&str> = report
                .restated
                .iter()
                .filter(|r| !r.allowed && !r.unsettled)
                .map(|r| r.week.as_str())
                .collect();
            if let (Some(first), Some(last)) = (restated.iter().min(), restated.iter().max()) {
                step(
                    "if these published weeks are meant to change",
                    format!("{} --allow-restatement {first}..{last}", command_line(report, "run")),
                    true,
                );
            }
            for outcome in &report.outcomes {
                if let (Status::Fail, Some(line)) = (outcome.status, permission_in(&outcome.note)) {
                    step(
                        "if users are meant to stop or to fall, begin the file of --checks with",
                        line.into(),
                        true,
                    );
                }
            }
            if let Some(place) = &report.places.quarantined {
                step("look at the blocked table", place.clone(), false);
                step(
                    "if the table is right, publish it",
                    format!("rollshare promote {} --target {}", shell(&report.run), shell(target)),
                    true,
                );
            }
        }
        (State::Blocked, None) => {
            step("every finding, with files and rows", command_line(report, "check"), true);
            step("compute it all the same", format!("{} --warn-only", command_line(report, "run")), true);
        }
        (_, Some(target)) if !warning.is_empty() && report.places.report.is_some() => {
            step(
                "every finding, with files and rows",
                format!("rollshare report {} --target {}", shell(&report.run), shell(target)),
                true,
            );
        }
        _ if !warning.is_empty() || !blocking.is_empty() => {
            step("every finding, with files and rows", command_line(report, "check"), true);
        }
        _ => {}
    }
    steps
}

/// The command line that prints the report as JSON.
pub fn json_command(report: &RunReport) -> String {
    let target = report.target.as_ref().map(|target| format!(" --target {}", shell(target)));
    format!("rollshare report {}{} --json", shell(&report.run), target.unwrap_or_default())
}

/// The command line that explains the change of a share.
pub fn why_command(report: &RunReport, key: &str, period: &str, against: &str) -> String {
    let mut line = command_line(report, &format!("why {} {period}", shell(key)));
    line.push_str(&format!(" --against {against}"));
    line
}

/// The file to which the profile of a run is written.
const PROFILE: &str = "profile.toml";

/// The command line of `rollshare run`, `rollshare check` or `rollshare why` for the sources, the target and the job of
/// the report. The report has the profile, but not the file that it came from: the profile is written to a file first.
fn command_line(report: &RunReport, command: &str) -> String {
    let mut line = format!("rollshare {command}");
    for source in &report.sources {
        line.push_str(" --source ");
        line.push_str(&shell(source));
    }
    let (job, default) = (&report.job, Job::default());
    let organic = &job.profile.channel.organic;
    let mut other = job.profile.clone();
    other.channel.organic.clone_from(&default.profile.channel.organic);
    if other != default.profile {
        match &report.target {
            Some(target) => {
                let (run, target) = (shell(&report.run), shell(target));
                line.insert_str(
                    0,
                    &format!("rollshare report {run} --target {target} --profile > {PROFILE} && "),
                );
                line.push_str(&format!(" --profile {PROFILE}"));
            }
            // Without a target the report is not kept.
            None => line.push_str(" --profile PROFILE"),
        }
    } else if job.profile != default.profile {
        organic.iter().for_each(|name| line.push_str(&format!(" --organic {}", shell(name))));
    }
    if job.by != default.by {
        let by = if job.by.is_empty() { "none".to_owned() } else { job.by.join(",") };
        line.push_str(&format!(" --by {}", shell(&by)));
    }
    if job.grain != default.grain {
        line.push_str(&format!(" --grain {}", step_noun(job.grain)));
    }
    let is_why = command.starts_with("why ");
    // A change is that of one window: the one that the page shows.
    let windows: Vec<String> =
        job.windows.iter().take(if is_why { 1 } else { usize::MAX }).map(u32::to_string).collect();
    if windows.join(",") != "4" {
        line.push_str(&format!(" --window {}", windows.join(",")));
    }
    if !is_why {
        if !job.with_total.is_empty() {
            line.push_str(&format!(" --with-total={}", shell(&job.with_total.join(","))));
        }
        if job.share_of_channel {
            line.push_str(" --share-of channel");
        }
        if job.details {
            line.push_str(" --details");
        }
    }
    if let (Some(target), "run") = (&report.target, command) {
        line.push_str(" --target ");
        line.push_str(&shell(target));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_has_what_the_report_has() {
        let mut report = RunReport { sources: vec!["a b/".into()], ..RunReport::default() };
        assert_eq!(command_line(&report, "check"), "rollshare check --source 'a b/'");
        report.target = Some("x.csv".into());
        report.job.profile.channel.organic = vec!["No Ads".into()];
        report.job.by = vec![];
        report.job.grain = crate::Grain::Month;
        let run = "rollshare run --source 'a b/' --organic 'No Ads' --by none --grain month --target x.csv";
        assert_eq!(command_line(&report, "run"), run);
        report.job.windows = vec![4, 13];
        report.run = "R".into();
        assert!(command_line(&report, "check").ends_with(" --by none --grain month --window 4,13"));
        let why = "rollshare why 'a b' 2021-02 --source 'a b/' --organic 'No Ads' --by none --grain month --against 2021-01";
        assert_eq!(why_command(&report, "a b", "2021-02", "2021-01"), why);
        report.job.profile.users.column = Some("installs".into());
        let check = command_line(&report, "check");
        assert!(
            check.starts_with(
                "rollshare report R --target x.csv --profile > profile.toml && rollshare check "
            ),
            "{check}"
        );
        assert!(check.contains(" --profile profile.toml --by none"), "{check}");
        report.target = None;
        assert!(command_line(&report, "check").contains(" --profile PROFILE --by none"));
    }
}
