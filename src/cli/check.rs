//! `rollshare check`: runs the checks and publishes nothing.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::time::Instant;

use serde_json::{Value, json};

use super::args::Check;
use super::lines::Lines;
use super::progress::Bar;
use super::run::guarded;
use super::summary::milliseconds;
use super::wrap::stdout_width;
use super::{print, print_err, show};
use crate::checks::config::{ObservedValues, template};
use crate::checks::countries;
use crate::checks::drift::{self, HistoryState, MayChange};
use crate::checks::raw::Raw;
use crate::checks::results::check_dataset;
use crate::checks::staging::check_table;
use crate::checks::{CheckResult, Config, Results, Severity, Shape, Stage, Status, Verdict};
use crate::dataset::Dataset;
use crate::scan::start_threads;
use crate::scan::totals::check_required;
use crate::scan::{Options, nothing, scan_dataset};
use crate::storage::discover;
use crate::table::finish;
use crate::text::Texts;
use crate::{Job, Result, Semantics};

/// Checks the rows and the table, prints the results, and returns the exit code.
pub fn check(args: &Check) -> Result<u8> {
    let started = Instant::now();
    let bar = Bar::new(!args.json && !args.quiet);
    let question = &args.question;
    let job = question.job()?;
    let config = args.checks.as_deref().map(Config::read).transpose()?.unwrap_or_default();
    start_threads(question.threads.map(Into::into))?;
    let mut discovery = discover(&question.sources.all(), job.semantics)?;
    let texts = Texts::find(&job, true, &mut discovery.inputs)?;
    let locate = |error| texts.locate(error);
    let dataset = guarded(|| {
        texts.convert(&bar)?;
        Dataset::open(&job, &discovery.inputs)
    })?;
    let shape = guarded(|| Shape::of(&job, &dataset))?;
    let (mut results, raw) =
        guarded(|| check_dataset(&job, shape, &config, &dataset, &bar)).map_err(locate)?;
    if args.init {
        print(&Lines::written(template(&observed_values(&job, &raw))))?;
        return Ok(0);
    }
    // If the rows block, no table is computed.
    if !results.blocks(Stage::Raw) {
        let options = Options { threads: question.threads.map(Into::into), ..Options::default() };
        let (partial, table) = guarded(|| {
            let (partial, _) = scan_dataset(&job, &dataset, &options, &bar)?;
            check_required(&job, &partial)?;
            let partial = partial.into_chosen();
            let table = finish(&job, &partial)?;
            if table.rows() == 0 && partial.account.rows > 0 && job.semantics == Semantics::Iso {
                return Err(nothing::error(&job, &partial, &nothing::members_of_files(&discovery.inputs)));
            }
            Ok((partial, table))
        })
        .map_err(locate)?;
        results.append(check_table(&job, &config, &partial, &table, &raw));
        let history = HistoryState::None("only `rollshare run` reads the history of a target".into());
        let drift = drift::check(&config, &history, None, &MayChange::default()).results;
        results.append(if shape.is_cube() { drift } else { drift.for_any_key() });
    }
    drop(bar);
    texts.locate_findings(&mut results);
    let verdict = results.verdict();
    if args.json {
        show(&results_json(&results, &raw, started.elapsed().as_secs_f64()), false)?;
    } else {
        let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        print(&text(&results, colour, if args.quiet { Shown::Findings } else { Shown::All }))?;
        if !args.quiet {
            print_err(&Lines::of(&format!("time     {}", milliseconds(started.elapsed()))));
        }
    }
    Ok(verdict.exit_code())
}

/// The results as JSON.
pub fn results_json(results: &Results, raw: &Raw, seconds: f64) -> Value {
    let phases: Vec<Value> = (raw.phases.iter())
        .map(|(name, time)| json!({ "name": name, "seconds": time.as_secs_f64() }))
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "verdict": results.verdict(),
        "exit_code": results.verdict().exit_code(),
        "rows": raw.counts.as_ref().map(|counts| counts.rows).or(raw.general.as_ref().map(|counts| counts.rows)),
        "checks": results.outcomes,
        "phases": phases,
        "seconds": seconds,
    })
}

/// Which results the text lists; all are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// All.
    All,
    /// Those that did not pass.
    Findings,
}

/// The results as text for stdout, the worst first: a line a check, with its violations below.
pub fn text(results: &Results, colour: bool, shown: Shown) -> Lines {
    let (mut lines, width) = (Lines::default(), stdout_width());
    let mut ordered: Vec<&CheckResult> = results.outcomes.iter().collect();
    ordered.sort_by_key(|outcome| rank(outcome));
    // A reason why checks do not apply is reported once, with all of them.
    let does_not_apply = |outcome: &CheckResult| outcome.status == Status::NotRun && !outcome.could_not_run;
    let mut reported: BTreeSet<&str> = BTreeSet::new();
    for outcome in ordered {
        let passed = outcome.status == Status::Pass || does_not_apply(outcome);
        if shown == Shown::Findings && passed {
            continue;
        }
        let same = |other: &&CheckResult| does_not_apply(other) && other.note == outcome.note;
        if does_not_apply(outcome) && !reported.insert(&outcome.note) {
            continue;
        }
        let (word, code) = match outcome.status {
            Status::Pass => ("pass", "32"),
            Status::Warn => ("warn", "33"),
            Status::Fail => ("FAIL", "31;1"),
            Status::NotRun => ("not run", if outcome.could_not_run { "31" } else { "2" }),
        };
        let padded = format!("{word:<8}");
        let mut names: Vec<&str> = match does_not_apply(outcome) {
            true => results.outcomes.iter().filter(same).map(|other| other.check.name()).collect(),
            false => vec![outcome.check.name()],
        };
        names.dedup();
        let words = match names.as_slice() {
            [name] => format!(" {name:<18} {}", describe(outcome)),
            names => format!(" {}: {}", names.join(", "), describe(outcome)),
        };
        lines.add_status(&padded, colour.then_some(code), &words, 9, width);
        if !passed {
            for offender in &outcome.offenders {
                lines.add_wrapped(&format!("           {offender}"), 13, width);
            }
        }
    }
    let of = |status| results.with(status).count() as u64;
    let counts = format!(
        "{} passed, {} warned, {} failed, {} not run",
        of(Status::Pass),
        of(Status::Warn),
        of(Status::Fail),
        of(Status::NotRun)
    );
    let verdict = match results.verdict() {
        Verdict::Pass => "pass",
        Verdict::Warn => "pass, with warnings",
        Verdict::Incomplete => "incomplete: a blocking check could not run",
        Verdict::Fail => "blocked",
    };
    lines.add(&format!("{verdict}: {counts}"));
    lines
}

/// The order of a result: the worst first.
fn rank(outcome: &CheckResult) -> u8 {
    match outcome.status {
        Status::Fail => 0,
        Status::NotRun if outcome.is_blocking() => 1,
        Status::Warn => 2,
        Status::NotRun if outcome.could_not_run => 3,
        Status::Pass => 4,
        Status::NotRun => 5,
    }
}

/// The result of one check in one line.
fn describe(outcome: &CheckResult) -> String {
    let mut text = outcome.sentence();
    // A sentence may be the note.
    if outcome.status != Status::NotRun && !outcome.note.is_empty() && !text.contains(&outcome.note) {
        let _ = write!(text, " ({})", outcome.note);
    }
    if outcome.status == Status::Warn && outcome.severity == Severity::Block {
        text.push_str(" [below the bound that blocks]");
    }
    text
}

/// The values of the rows for the template of a configuration file.
fn observed_values(job: &Job, raw: &Raw) -> ObservedValues {
    if let Some(counts) = &raw.general {
        let met = counts.channels.met();
        let days = counts.chosen().filter(|_| counts.has_days).map(|bucket| &bucket.days);
        return ObservedValues {
            channels: met.keys().map(ToString::to_string).collect(),
            days: days.and_then(|days| days.keys().next().copied().zip(days.keys().last().copied())),
            rows: counts.rows,
            ..ObservedValues::default()
        };
    }
    let Some(counts) = &raw.counts else { return ObservedValues::default() };
    let names = |keys: &crate::checks::raw::counts::Names, keep: &dyn Fn(&[u8]) -> bool| -> Vec<String> {
        let names: BTreeSet<String> = keys
            .iter()
            .flatten()
            .filter(|name| keep(name))
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect();
        names.into_iter().collect()
    };
    let days = counts.days();
    ObservedValues {
        channels: names(&counts.channels, &|_| true),
        countries: names(&counts.countries, &|code| {
            code != job.country_total().as_bytes() && !countries::is_assigned(code)
        }),
        systems: names(&counts.systems, &|system| system != job.os_total().as_bytes()),
        days: days.first().copied().zip(days.last().copied()),
        rows: counts.rows,
    }
}
