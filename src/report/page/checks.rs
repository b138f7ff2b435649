//! Every check, in one collapsible table per stage.

use maud::{Markup, html};

use super::verdict::badge;
use crate::checks::finding::in_words;
use crate::checks::model::Limit;
use crate::checks::{CheckId, CheckResult, Severity, Stage, Status};
use crate::report::RunReport;
use crate::report::next::not_run;
use crate::report::words;

/// The section.
pub fn section(report: &RunReport) -> Markup {
    let of = |stage| report.outcomes.iter().filter(move |o| o.check.stage() == stage).collect::<Vec<_>>();
    html! {
        @if !report.outcomes.is_empty() {
            section aria-labelledby="checks" {
                h2 id="checks" { "All checks" }
                @for (stage, name) in [
                    (Stage::Raw, "On the rows"),
                    (Stage::Staging, "On the table"),
                    (Stage::History, "Compared with the history"),
                ] {
                    @let outcomes = of(stage);
                    @if !outcomes.is_empty() {
                        details.print {
                            summary { (name) ": " (tally(&outcomes)) }
                            @let reasons = if report.has_cube_checks() { Vec::new() } else { not_run(outcomes.iter().copied()) };
                            @for (why, checks) in &reasons {
                                p.note {
                                    (words::count(checks.len() as u64, "check")) " did not run: " (why) ": "
                                    @for (n, outcome) in checks.iter().enumerate() {
                                        @if n > 0 { ", " }
                                        code { (outcome.check.name()) }
                                    }
                                    "."
                                }
                            }
                            @let rows = others(&outcomes, &reasons);
                            @if !rows.is_empty() { (super::scrolling(name, &table(&rows))) }
                        }
                    }
                }
            }
        }
    }
}

/// The checks that are not among those of `reasons`.
fn others<'r>(outcomes: &[&'r CheckResult], reasons: &[(&str, Vec<&CheckResult>)]) -> Vec<&'r CheckResult> {
    let is_named = |outcome: &CheckResult| {
        reasons.iter().any(|(_, checks)| checks.iter().any(|check| check.check == outcome.check))
    };
    outcomes.iter().copied().filter(|outcome| !is_named(outcome)).collect()
}

fn tally(outcomes: &[&CheckResult]) -> String {
    let count = |test: &dyn Fn(&CheckResult) -> bool| outcomes.iter().filter(|o| test(o)).count();
    let parts = [
        (count(&|o| o.status == Status::Fail), "failed"),
        (count(&|o| o.could_not_run), "could not run"),
        (count(&|o| o.status == Status::Warn), "warned"),
        (count(&|o| o.status == Status::Pass), "passed"),
        (count(&|o| o.status == Status::NotRun && !o.could_not_run), "not run"),
    ];
    let counts: Vec<String> =
        parts.into_iter().filter(|p| p.0 > 0).map(|(n, word)| format!("{n} {word}")).collect();
    counts.join(", ")
}

fn table(outcomes: &[&CheckResult]) -> Markup {
    html! {
        table.checks {
            thead { tr {
                th scope="col" { "Check" } th.left scope="col" { "Result" } th scope="col" { "Found" } th scope="col" { "Of" }
                th.left scope="col" { "Warns above" } th.left scope="col" { "Blocks above" } th.left scope="col" { "Bounds from" }
            } }
            tbody {
                @for outcome in outcomes {
                    tr {
                        th scope="row" {
                            code { (outcome.check.name()) }
                            span.what { (outcome.title) @if !outcome.note.is_empty() { "; " (outcome.note) } }
                        }
                        td.left { (badge(outcome)) }
                        td { (outcome.observed.map_or_else(|| "–".into(), |v| in_words(outcome.check, v))) }
                        td { @if outcome.observed.is_some() { (words::number(outcome.n)) } @else { "–" } }
                        td.left { (limit(outcome.check, outcome.bounds.warn)) }
                        td.left { @if outcome.severity == Severity::Block { (limit(outcome.check, outcome.bounds.block)) } @else { "–" } }
                        td.left { (outcome.bounds.origin) }
                    }
                }
            }
        }
    }
}

fn limit(check: CheckId, limit: Option<Limit>) -> String {
    let Some(limit) = limit else { return "–".into() };
    let count = limit.count.map(|count| in_words(check, count));
    let fraction = limit.fraction.map(|f| format!("{} %", words::amount(f * 100.0)));
    let parts: Vec<String> = count.into_iter().chain(fraction).collect();
    parts.join(" or ")
}
