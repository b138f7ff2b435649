//! The verdict in one sentence, the findings, and the next steps.

use maud::{Markup, html};

use crate::checks::{CheckResult, Status};
use crate::escape;
use crate::report::next::{self, blocking, not_run, steps};
use crate::report::{RunReport, State};
use crate::report::{figures, words};

/// The number of violations that are visible at first; the rest is collapsed.
const SHOWN: usize = 3;

/// The state of the run in one sentence.
pub fn sentence(report: &RunReport) -> String {
    let count = |status| report.outcomes.iter().filter(|o| o.status == status).count() as u64;
    let warned = count(Status::Warn);
    let could_not = report.outcomes.iter().filter(|o| o.could_not_run).count() as u64;
    let failed = blocking(report).count() as u64;
    match report.state {
        State::Blocked if count(Status::Fail) > 0 => {
            format!("Not published: {} failed", words::count(count(Status::Fail), "check"))
        }
        State::Blocked => format!("Not published: {} could not run", words::count(failed, "check")),
        State::Published | State::Computed | State::Promoted => {
            let did = match report.state {
                State::Published => "Published",
                State::Promoted => "Published after review",
                _ => "Computed, not published",
            };
            if report.outcomes.is_empty() || none_ran(report).is_some() {
                format!("{did} without checks")
            } else if failed > 0 {
                // The run had --warn-only, or a person promoted it.
                format!("{did} although {} failed", words::count(failed, "check"))
            } else if warned + could_not > 0 {
                format!("{did}, with {}", words::count(warned + could_not, "warning"))
            } else {
                format!("{did}: all applicable checks passed")
            }
        }
    }
}

/// Why no check ran; `None` if a check ran, could not run, or there are no results.
fn none_ran(report: &RunReport) -> Option<String> {
    let is_off = |o: &CheckResult| o.status == Status::NotRun && !o.could_not_run;
    if report.outcomes.is_empty() || !report.outcomes.iter().all(is_off) {
        return None;
    }
    let mut reasons = not_run(&report.outcomes);
    // The reason of most checks; the table of all checks has the others.
    reasons.sort_by_key(|(_, checks)| std::cmp::Reverse(checks.len()));
    Some(reasons.first().map(|(why, _)| (*why).to_owned()).unwrap_or_default())
}

/// The grade of the run: the class of the style sheet, and a sign.
fn grade(report: &RunReport) -> (&'static str, &'static str) {
    let blocked = blocking(report).next().is_some() || report.state == State::Blocked;
    let warned = report.outcomes.is_empty()
        || none_ran(report).is_some()
        || report.outcomes.iter().any(|o| o.status == Status::Warn || o.could_not_run);
    if blocked {
        ("fail", "✕")
    } else if warned {
        ("warn", "!")
    } else {
        ("pass", "✓")
    }
}

/// The top of the page.
pub fn header(report: &RunReport, sentence: &str) -> Markup {
    let (class, sign) = grade(report);
    let started = report.started.replace('T', " ").replace('Z', " UTC");
    let others = next::findings(report).1.len();
    html! {
        header {
            p.kind { "Rollshare · organic share" }
            div class=(format!("verdict {class}")) {
                span.sign aria-hidden="true" { (sign) }
                div {
                    h1 { (sentence) }
                    @if let Some(first) = blocking(report).next() {
                        p {
                            (why(first))
                            @if report.state == State::Blocked { " The previously published table is unchanged." }
                        }
                    } @else if others > 0 {
                        p { a href="#findings" { "What the checks found" } }
                    }
                }
            }
            p.facts-line {
                code { (report.run) } ", " time datetime=(report.started) { (started) }
                @if let Some(target) = &report.target { ", " code { (target) } }
            }
            @for note in &report.notes { p.note { (note) } }
        }
    }
}

/// The facts of the run.
pub fn facts(report: &RunReport, shares: Option<&figures::Shares>) -> Markup {
    let started = report.started.replace('T', " ").replace('Z', " UTC");
    let none = figures::Shares::default();
    let shares = shares.unwrap_or(&none);
    html! {
        section aria-labelledby="run" {
            h2 id="run" { "This run" }
            dl.facts {
                div { dt { "Run" } dd { code { (report.run) } } }
                div { dt { "Started" } dd { time datetime=(report.started) { (started) } } }
                div { dt { "Target" } dd { @match &report.target { Some(target) => code { (target) }, None => "none" } } }
                div { dt { "Source" } dd {
                    @for source in report.sources.iter().take(3) { code { (source) } " " }
                    @if report.sources.len() > 3 { "and " (words::number(report.sources.len() as u64 - 3)) " more" }
                } }
                @if let Some(account) = &report.account {
                    div { dt { "Rows" } dd { (words::number(account.rows)) } }
                }
                @if !report.job.is_cube() && !shares.keys.is_empty() {
                    div { dt { "Key" } dd { @if shares.dimensions.is_empty() { "none: all users" } @else { (shares.dimensions.join(" x ")) } } }
                }
                @if let Some(last) = shares.steps.last() {
                    div { dt { "Latest" } dd { (words::step(shares.grain, *last)) @if shares.ends_in_partial_step() { ", not complete" } } }
                }
            }
        }
    }
}

/// The finding of a check as a sentence that ends in a full stop.
pub fn why(outcome: &CheckResult) -> String {
    let mut text: String = escape::line(&outcome.sentence()).into();
    if !text.ends_with(['.', '?', '!']) {
        text.push('.');
    }
    text
}

/// The checks that did not pass, the most severe first.
pub fn findings(report: &RunReport) -> Markup {
    let (blocking, warning) = next::findings(report);
    html! {
        section aria-labelledby="findings" {
            h2 id="findings" { "Findings" }
            @if report.outcomes.is_empty() {
                p { "No check was run, so the quality of the data is unknown." }
            } @else if let Some(why) = none_ran(report) {
                p {
                    "No check was run, so the quality of the data is unknown. "
                    @if !why.is_empty() { "The checks did not run: " (why) "." }
                }
            } @else if blocking.is_empty() && warning.is_empty() {
                p { "None: all " (words::count(report.outcomes.iter().filter(|o| o.status == Status::Pass).count() as u64, "applicable check")) " passed." }
            } @else {
                @if !blocking.is_empty() {
                    ul.findings { @for outcome in &blocking { li { (finding(outcome)) } } }
                }
                @if !warning.is_empty() {
                    details.warnings {
                        summary { (words::count(warning.len() as u64, "warning")) }
                        ul.findings { @for outcome in &warning { li { (finding(outcome)) } } }
                    }
                }
            }
        }
    }
}

fn finding(outcome: &CheckResult) -> Markup {
    html! {
        (badge(outcome))
        div {
            h3 { (why(outcome)) }
            p.what {
                code { (outcome.check.name()) } ": " (outcome.title)
                @if !outcome.note.is_empty() && outcome.observed.is_some() { "; " (outcome.note) }
            }
            @if !outcome.offenders.is_empty() {
                (offenders(outcome.offenders.get(..SHOWN).unwrap_or(&outcome.offenders)))
                @if let Some(rest) = outcome.offenders.get(SHOWN..).filter(|rest| !rest.is_empty()) {
                    details {
                        summary { (words::number(rest.len() as u64)) " more" }
                        (offenders(rest))
                    }
                }
            }
        }
    }
}

fn offenders(offenders: &[crate::checks::Violation]) -> Markup {
    html! {
        ul.offenders {
            @for offender in offenders {
                li {
                    @if offender.file.is_some() || offender.row.is_some() {
                        span.where {
                            @if let Some(file) = &offender.file { (file) }
                            @if let Some(line) = offender.line {
                                " line " (words::number(line))
                            } @else if let Some(row) = offender.row {
                                " row " (words::number(row))
                            }
                        }
                        " "
                    }
                    code { (offender.value) }
                }
            }
        }
    }
}

/// The status of a check: a word, a sign and a colour.
pub fn badge(outcome: &CheckResult) -> Markup {
    let (class, sign, word) = match outcome.status {
        Status::Pass => ("pass", "✓", "passed"),
        Status::Warn => ("warn", "!", "warning"),
        Status::Fail => ("fail", "✕", "failed"),
        Status::NotRun if outcome.could_not_run => ("fail", "?", "could not run"),
        Status::NotRun => ("none", "–", "not run"),
    };
    html! { span class=(format!("badge {class}")) { span aria-hidden="true" { (sign) " " } (word) } }
}

/// The next steps.
pub fn next(report: &RunReport) -> Markup {
    html! {
        @let steps = steps(report);
        @if report.state == State::Blocked && !steps.is_empty() {
            section aria-labelledby="next" {
                h2 id="next" { "Next steps" }
                ol.next {
                    @for step in &steps {
                        li { p { (step.heading()) } pre tabindex="0" { code { (step.command) } } }
                    }
                }
            }
        }
    }
}
