//! The steps of a run, in their order.

use std::time::{Duration, Instant, SystemTime};

use super::charts::Charts;
use super::kept::RunStore;
use super::options::{Checks, RunOptions};
use super::report::{FORMAT, Phase, RunReport, State, rfc3339, run_name};
use crate::checks::drift::{self, HistoryState};
use crate::checks::raw::Raw;
use crate::checks::results::check_rows;
use crate::checks::staging::check_table;
use crate::checks::{Config, Results, Stage};
use crate::grid::Partial;
use crate::history::store::LoadedHistory;
use crate::history::{History, Totals};
use crate::publish::{Target, TargetLock, publish};
use crate::scan::{Options, Profile, Progress, scan};
use crate::storage::{self, Input, Precondition, discover};
use crate::table::{Table, finish};
use crate::{Error, Job, Result, state};

/// A run that has ended: its report, and what is in memory anyway.
pub struct Run {
    /// All that there is to tell.
    pub report: RunReport,
    /// The table; `None` where the rows could not be summed because of what a check has found.
    pub table: Option<Table>,
    /// What the scan cost.
    pub profile: Profile,
}

/// Checks, computes, checks, publishes: all of it, or nothing.
///
/// A run whose checks block is no error: its report says so
/// ([`RunReport::state`], [`RunReport::exit_code`]), and the target is as it was.
///
/// # Errors
/// What keeps the rows from being read, the table from being computed, or the
/// target from being replaced; another run at the same target. The target is then
/// as it was.
pub fn run(options: &RunOptions, progress: &dyn Progress) -> Result<Run> {
    let (started, clock) = (SystemTime::now(), Instant::now());
    let job = options.job.clone().validated()?;
    let target = options.target.as_deref().map(Target::parse).transpose()?;
    let discovery = discover(&options.sources, job.semantics)?;
    if let Some(target) = &target {
        target.check_disjoint(&discovery.source_paths)?;
    }
    if let Some(state) = &options.state {
        state::check_disjoint(state, &discovery.source_paths)?;
    }
    // Held until the end: what is read of the history is what the table is published over.
    let claim = target.as_ref().map(TargetLock::acquire).transpose()?.unwrap_or_default();
    let kept = target.as_ref().map(RunStore::beside).transpose()?.flatten();
    if let Some(kept) = &kept {
        kept.sweep();
    }
    let discovered = clock.elapsed();
    let mut run = Run {
        report: RunReport {
            format: FORMAT,
            run: run_name(started),
            version: env!("CARGO_PKG_VERSION").into(),
            started: rfc3339(started),
            sources: options.sources.clone(),
            files: discovery.inputs.len(),
            target: target.as_ref().map(ToString::to_string),
            checks: options.checks,
            notes: discovery.notes.clone(),
            job: job.clone(),
            ..RunReport::default()
        },
        table: None,
        profile: Profile::default(),
    };
    let reading = Instant::now();
    let (found, version) = match &kept {
        Some(kept) if options.checks != Checks::Off => kept.history()?,
        _ => (LoadedHistory::Nothing, Precondition::None),
    };
    let read = reading.elapsed();
    let mut config = options.config.clone();
    if let LoadedHistory::History(history) = &found
        && config.allow.channels.is_empty()
    {
        config.allow.channels = published_channels(history);
    }
    let computed = compute(options, &job, &config, &discovery.inputs, progress, &mut run)?;
    let Computed { mut results, partial, raw, totals } = computed;
    if options.checks != Checks::Off && partial.is_some() {
        let holding = Instant::now();
        let past = past(target.as_ref(), &found);
        let against = drift::check(&config, &past, totals.as_ref(), &options.allow_restatement);
        results.append(against.results);
        run.report.restated = against.restated;
        run.profile.phases.push(("history", holding.elapsed()));
    }
    if options.checks != Checks::Off {
        run.report.verdict = Some(results.verdict());
        run.report.why = results.why();
    }
    run.report.outcomes = results.outcomes;
    run.report.account = partial.as_ref().map(|partial| partial.account);
    run.report.table_rows = run.table.as_ref().map_or(0, Table::rows);
    let history = match found {
        LoadedHistory::History(history) => Some(history),
        LoadedHistory::Nothing | LoadedHistory::Damaged(_) => None,
    };

    let blocked = run.report.exit_code() != 0;
    let publishing = Instant::now();
    if blocked {
        run.report.state = State::Blocked;
    } else if let (Some(target), Some(table)) = (&target, &run.table) {
        run.report.published = Some(publish(target, &claim, table)?);
        run.report.state = State::Published;
    }
    let mut before = vec![("discover", discovered)];
    if options.checks != Checks::Off {
        before.push(("read history", read));
    }
    run.profile.phases.splice(0..0, before);
    run.profile.phases.push(("publish", publishing.elapsed()));
    if let (Some(partial), Some(table)) = (&partial, &run.table) {
        let charting = Instant::now();
        let cube = raw.as_ref().and_then(|raw| raw.cube.as_ref());
        run.report.charts =
            Charts::of(&job, &config, partial, table, totals.as_ref(), history.as_ref(), cube);
        run.profile.phases.push(("charts", charting.elapsed()));
    }
    let phase = |(name, time): &(&str, Duration)| Phase { name: (*name).into(), seconds: time.as_secs_f64() };
    run.report.phases = run.profile.phases.iter().map(phase).collect();
    run.report.finished = rfc3339(SystemTime::now());
    run.report.seconds = clock.elapsed().as_secs_f64();
    if let Some(kept) = &kept {
        // What this takes cannot be in the report that it writes; it is in the one that is returned.
        let keeping = Instant::now();
        keep(kept, target.as_ref(), &config, &mut run, totals.as_ref(), (history, version));
        let kept = ("keep", keeping.elapsed());
        run.report.phases.push(phase(&kept));
        run.profile.phases.push(kept);
    }
    Ok(run)
}

/// Keeps what the next run and a person need. The table is where it belongs by now, or is
/// not going there: what cannot be kept is told, and is no failure.
fn keep(
    kept: &RunStore,
    target: Option<&Target>,
    config: &Config,
    run: &mut Run,
    totals: Option<&Totals>,
    (history, version): (Option<History>, Precondition),
) {
    let report = &mut run.report;
    let name = report.run.clone();
    report.places.kept = Some(kept.display_path());
    let mut troubles: Vec<(&str, Error)> = Vec::new();
    if report.state == State::Blocked {
        if config.keep.quarantine > 0 {
            report.places.quarantined = Some(kept.quarantine_path(&name));
            report.places.report = Some(format!("{}/report.json", kept.quarantine_path(&name)));
            report.places.page = Some(format!("{}/report.html", kept.quarantine_path(&name)));
        }
        let written = target.zip(run.table.as_ref()).map(|(target, table)| {
            let mut bytes = Vec::new();
            let format = target.format();
            format
                .write(table, &mut bytes)
                .map(|()| (format, bytes))
                .map_err(|e| Error::io("cannot write", e))
        });
        let quarantined = written
            .transpose()
            .and_then(|table| kept.quarantine(report, table, totals, config.keep.quarantine));
        troubles.extend(quarantined.err().map(|e| ("the run is not in quarantine", e)));
    } else {
        if totals.is_some() {
            report.places.history = Some(kept.history_path());
        }
        if config.keep.runs > 0 {
            report.places.report = Some(kept.report_path(&name));
            report.places.page = Some(kept.page_path(&name));
        }
        let report = &*report;
        let (learned, reported) = rayon::join(
            || {
                let mut history = history.unwrap_or_default();
                totals.map(|totals| kept.record(&mut history, &version, totals, &name, config.keep.weeks))
            },
            || (config.keep.runs > 0).then(|| kept.write_report(report, config.keep.runs)),
        );
        let learned = learned.and_then(Result::err);
        troubles.extend(learned.map(|e| ("the history has not learned from this run", e)));
        troubles.extend(reported.and_then(Result::err).map(|e| ("the report was not kept", e)));
    }
    report.notes.extend(troubles.into_iter().map(|(what, e)| format!("{what}: {e}")));
}

/// What is known of earlier runs, or why nothing is.
fn past<'a>(target: Option<&Target>, found: &'a LoadedHistory) -> HistoryState<'a> {
    match (target, found) {
        (_, LoadedHistory::History(history)) if !history.is_empty() => HistoryState::History(history),
        (_, LoadedHistory::Damaged(why)) => HistoryState::Damaged(why.clone()),
        (None | Some(Target::Stdout), _) => {
            HistoryState::None("there is no target that keeps a history".into())
        }
        _ => HistoryState::None("no history yet: nothing was published with checks at this target".into()),
    }
}

/// Channels that were published before; those are known unless somebody lists others.
fn published_channels(history: &History) -> Vec<String> {
    let channels = &history.totals.channels;
    channels.names().iter().map(ToString::to_string).collect()
}

/// What the rows have given.
struct Computed {
    results: Results,
    partial: Option<Partial>,
    raw: Option<Raw>,
    /// What the rows sum to, as a history keeps it; `None` where it is not known.
    totals: Option<Totals>,
}

/// Rows to checked table.
fn compute(
    options: &RunOptions,
    job: &Job,
    config: &Config,
    inputs: &[Input],
    progress: &dyn Progress,
    run: &mut Run,
) -> Result<Computed> {
    let checking = Instant::now();
    let mut results = Results::default();
    let mut raw: Option<Raw> = None;
    if options.checks != Checks::Off {
        let (rows, seen) = check_rows(job, config, inputs, progress)?;
        results = rows;
        raw = Some(seen);
    }
    let checked = checking.elapsed();
    let scan_options = Options { threads: options.threads, ..Options::default() };
    let scanned = match &options.state {
        None => scan(job, inputs, &scan_options, progress),
        Some(folder) => {
            let folder = storage::folder(folder)?;
            state::scan(job, &options.sources, inputs, &scan_options, progress, folder.as_ref()).map(
                |(partial, profile, mut reuse)| {
                    run.report.notes.append(&mut reuse.notes);
                    run.report.reuse = Some(reuse);
                    (partial, profile)
                },
            )
        }
    };
    let summed = scanned.and_then(|(partial, profile)| {
        partial.account.check()?;
        let finishing = Instant::now();
        let table = finish(job, &partial)?;
        Ok((partial, profile, table, finishing.elapsed()))
    });
    let (partial, profile, table, finished) = match summed {
        // What a check has found keeps the rows from being summed: that is told already.
        Err(e)
            if !matches!(e, Error::Interrupted)
                && results.blocks(Stage::Raw)
                && options.checks == Checks::Block =>
        {
            let totals = raw.as_ref().and_then(|raw| totals(job, raw));
            return Ok(Computed { results, partial: None, raw, totals });
        }
        summed => summed?,
    };
    run.profile = profile;
    run.profile.phases.push(("finish", finished));
    let mut summed = None;
    if let Some(raw) = &raw {
        run.profile.phases.insert(0, ("check rows", checked));
        let checking = Instant::now();
        let (checked, sums) =
            rayon::join(|| check_table(job, config, &partial, &table, raw), || totals(job, raw));
        results.append(checked);
        summed = sums;
        run.profile.phases.push(("check table", checking.elapsed()));
    }
    run.table = Some(table);
    Ok(Computed { results, partial: Some(partial), raw, totals: summed })
}

fn totals(job: &Job, raw: &Raw) -> Option<Totals> {
    raw.cube.as_ref().map(|cube| Totals::of(job, cube))
}
