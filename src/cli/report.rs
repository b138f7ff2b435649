//! `rollshare report`: shows the stored report of a run.

use std::path::Path;

use serde_json::{Value, json};

use super::args::Report;
use super::check::{Shown, text};
use super::lines::Lines;
use super::run::terminal_style;
use super::summary::bytes;
use super::{print, print_err};
use crate::checks::{Results, Verdict};
use crate::pipeline::{RunStore, store};
use crate::publish::{Target, stdout};
use crate::report::chart::image;
use crate::report::model::FORMAT;
use crate::report::{RunReport, State, brief, figures, next, page, sentence};
use crate::{Error, Result, escape};

/// Shows one report, or lists the reports of a target.
pub fn report(args: &Report) -> Result<()> {
    let file = args.run.as_deref().filter(|run| run.ends_with(".json") && Path::new(run).is_file());
    if let Some(file) = file {
        let content =
            std::fs::read(file).map_err(|e| Error::io("cannot read the report", e).in_file(&file.into()))?;
        return show_one(args, &parse(&content).map_err(|e| e.in_file(&file.into()))?);
    }
    let Some(target) = &args.target else {
        return Err(Error::argument("--target is missing")
            .expected("the target of the runs, or a report file X.json"));
    };
    let store = RunStore::beside(&Target::parse(target)?)?.ok_or_else(|| {
        Error::argument(format!("target '{target}' keeps no reports"))
            .expected("a file, a folder or an s3:// URI")
    })?;
    let runs = runs(&store)?;
    match (args.run.as_deref(), runs.first()) {
        (Some("latest"), Some(latest)) => show_one(args, &store.report(latest)?),
        (Some(run), _) => show_one(args, &store.report(&complete_name(run, &runs)?)?),
        (None, Some(latest)) if args.html.is_some() || args.png.is_some() || args.text || args.profile => {
            show_one(args, &store.report(latest)?)
        }
        (None, _) => {
            let reports = runs.iter().map(|run| store.report(run)).collect::<Result<Vec<_>>>()?;
            list(args, target, &reports)
        }
    }
}

/// The runs with a report, published or blocked, the latest first.
fn runs(store: &RunStore) -> Result<Vec<String>> {
    let mut runs = [store.runs()?, store.quarantined()?].concat();
    runs.sort_unstable_by(|a, b| b.cmp(a));
    runs.dedup();
    Ok(runs)
}

/// Completes a unique prefix to the name of a run. A name that no run has is returned as it is: its look-up fails with
/// an error that lists the runs.
///
/// # Errors
/// `Argument` if several runs have the prefix.
fn complete_name(run: &str, runs: &[String]) -> Result<String> {
    Ok(store::complete_name(run, runs)?.unwrap_or_else(|| run.to_owned()))
}

/// A report from its JSON.
fn parse(json: &[u8]) -> Result<RunReport> {
    let report: RunReport =
        serde_json::from_slice(json).map_err(|e| Error::format(format!("the report cannot be read: {e}")))?;
    if report.format > FORMAT {
        return Err(Error::unsupported(format!("the report has format {}", report.format))
            .expected(format!("format {FORMAT} or earlier"))
            .advice("Read it with the version that wrote it"));
    }
    Ok(report)
}

fn show_one(args: &Report, report: &RunReport) -> Result<()> {
    if let Some(path) = &args.html {
        let page = page(report)?;
        if path.as_os_str() == "-" {
            return print(&Lines::written(page));
        }
        write(args, path, "page", page.as_bytes())?;
    }
    if let Some(path) = &args.png {
        let shares = figures::shares(report).unwrap_or_default();
        let image = image::png(&shares)?.ok_or_else(|| {
            Error::data("the report has no shares").expected("the report of a run whose table has rows")
        })?;
        if path.as_os_str() == "-" {
            return stdout::write(&|out| out.write_all(&image)).map(drop);
        }
        write(args, path, "image", &image)?;
    }
    if args.html.is_some() || args.png.is_some() {
        return Ok(());
    }
    if args.text {
        return print(&Lines::written(brief::text(report)));
    }
    if args.profile {
        return print(&Lines::written(report.job.profile.to_toml()?));
    }
    if args.json {
        let text = serde_json::to_string(report).map_err(|e| Error::internal(e.to_string()))?;
        return print(&Lines::written(format!("{}\n", escape::json(&text))));
    }
    print(&report_text(report, terminal_style().colour))
}

fn write(args: &Report, path: &Path, what: &str, content: &[u8]) -> Result<()> {
    std::fs::write(path, content).map_err(|e| {
        Error::io(format!("cannot write the {what}"), e).in_file(&path.to_string_lossy().into())
    })?;
    if !args.quiet {
        print_err(&Lines::of(&format!("wrote    {}, {}", path.display(), bytes(content.len() as u64))));
    }
    Ok(())
}

fn list(args: &Report, target: &str, reports: &[RunReport]) -> Result<()> {
    if args.json {
        let entry = |r: &RunReport| json!({ "run": r.run, "started": r.started, "state": r.state, "verdict": r.verdict, "why": r.why });
        let reports: Vec<Value> = reports.iter().map(entry).collect();
        let list = format!("{:#}\n", json!({ "target": target, "reports": reports }));
        return print(&Lines::written(escape::json(&list).into()));
    }
    if reports.is_empty() {
        return print(&Lines::of(&format!("No run of {target} has a report.")));
    }
    let mut lines = Lines::default();
    for report in reports {
        let colour = colour_of(report).filter(|_| terminal_style().colour);
        lines.add_coloured(&format!("{}  ", report.run), colour, &sentence(report), "");
    }
    print(&lines)
}

/// The colour of the verdict, as the code of an SGR sequence.
fn colour_of(report: &RunReport) -> Option<&'static str> {
    Some(match (report.state, report.verdict) {
        (State::Blocked, _) | (_, Some(Verdict::Fail | Verdict::Incomplete)) => "31;1",
        (_, Some(Verdict::Warn) | None) => "33",
        (_, Some(Verdict::Pass)) => "32",
    })
}

/// The report as text for a terminal.
fn report_text(report: &RunReport, colour: bool) -> Lines {
    let mut lines = Lines::default();
    lines.add_coloured("", colour_of(report).filter(|_| colour), &sentence(report), "");
    let mut line = |label: &str, words: &str| lines.add_labelled(label, words, None);
    line("run", &report.run);
    line("started", &report.started);
    line("source", &report.sources.join(", "));
    line("target", report.target.as_deref().unwrap_or("none"));
    for note in &report.notes {
        line("note", note);
    }
    if let Some(place) = &report.places.page {
        line("page", place);
    }
    if !report.outcomes.is_empty() {
        let results = Results { outcomes: report.outcomes.clone() };
        lines.add_empty();
        lines.append(&text(&results, colour, Shown::Findings));
    }
    for step in next::steps(report).iter().filter(|_| report.state == State::Blocked) {
        lines.add(&step.heading());
        lines.add(&format!("         {}", step.command));
    }
    lines
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_unique_prefix_names_a_run() {
        let runs = ["2026-12", "2026-11", "2025-01"].map(String::from);
        assert_eq!(complete_name("2025", &runs).unwrap(), "2025-01");
        assert_eq!(complete_name("2026-11", &runs).unwrap(), "2026-11");
        assert_eq!(complete_name("2024", &runs).unwrap(), "2024");
        assert!(matches!(complete_name("2026", &runs), Err(Error::Argument(_))));
    }

    #[test]
    fn a_report_of_a_later_format_is_refused() {
        assert!(matches!(parse(b"{\"format\": 99}"), Err(Error::Unsupported(_))));
        assert!(matches!(parse(b"[]x"), Err(Error::Format(_))));
    }

    #[test]
    fn only_terminals_get_colour() {
        let report = RunReport { run: "r".into(), verdict: Some(Verdict::Pass), ..RunReport::default() };
        assert!(report_text(&report, true).as_str().starts_with("\x1b[32m"));
        let plain = report_text(&report, false);
        let plain = plain.as_str();
        assert!(!plain.contains('\x1b') && plain.contains("run      r\n"), "{plain}");
    }
}
