//! The steps of a run, in their order.

use std::time::{Instant, SystemTime};

use super::charts::Charts;
use super::options::{Checks, RunOptions};
use super::report::{FORMAT, Phase, Places, RunReport, State, rfc3339, run_name};
use crate::checks::raw::Raw;
use crate::checks::results::check_rows;
use crate::checks::staging::check_table;
use crate::checks::{Results, Stage};
use crate::grid::Partial;
use crate::publish::{Target, publish};
use crate::scan::{Options, Profile, Progress, scan};
use crate::storage::{self, Input, discover};
use crate::table::{Table, finish};
use crate::{Job, Result, state};

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
/// target from being replaced; the target is then as it was.
pub fn run(options: &RunOptions, progress: &dyn Progress) -> Result<Run> {
    let (started, clock) = (SystemTime::now(), Instant::now());
    let job = options.job.clone().validated()?;
    let target = options.target.as_deref().map(Target::parse).transpose()?;
    let discovery = discover(&options.sources, job.semantics)?;
    if let Some(target) = &target {
        target.refuse_overlap(&discovery.territory)?;
    }
    if let Some(state) = &options.state {
        state::refuse_overlap(state, &discovery.territory)?;
    }
    let discovered = clock.elapsed();
    let mut run = Run {
        report: RunReport {
            format: FORMAT,
            run: run_name(started),
            version: env!("CARGO_PKG_VERSION").into(),
            started: rfc3339(started),
            finished: String::new(),
            seconds: 0.0,
            sources: options.sources.clone(),
            files: discovery.inputs.len(),
            target: target.as_ref().map(ToString::to_string),
            checks: options.checks,
            verdict: None,
            state: State::Computed,
            why: String::new(),
            published: None,
            outcomes: vec![],
            account: None,
            charts: Charts::default(),
            restated: vec![],
            places: Places::default(),
            reuse: None,
            notes: discovery.notes.clone(),
            phases: vec![],
            job: job.clone(),
        },
        table: None,
        profile: Profile::default(),
    };
    let (results, partial) = compute(options, &job, &discovery.inputs, progress, &mut run)?;
    if options.checks != Checks::Off {
        run.report.verdict = Some(results.verdict());
        run.report.why = results.why();
    }
    run.report.outcomes = results.outcomes;
    run.report.account = partial.as_ref().map(|partial| partial.account);
    let blocked = run.report.exit_code() != 0;
    let publishing = Instant::now();
    if blocked {
        run.report.state = State::Blocked;
    } else if let (Some(target), Some(table)) = (&target, &run.table) {
        run.report.published = Some(publish(target, table)?);
        run.report.state = State::Published;
    }
    run.profile.phases.insert(0, ("discover", discovered));
    run.profile.phases.push(("publish", publishing.elapsed()));
    run.report.phases = (run.profile.phases.iter())
        .map(|(name, time)| Phase { name: (*name).into(), seconds: time.as_secs_f64() })
        .collect();
    run.report.finished = rfc3339(SystemTime::now());
    run.report.seconds = clock.elapsed().as_secs_f64();
    Ok(run)
}

/// Rows to checked table.
fn compute(
    options: &RunOptions,
    job: &Job,
    inputs: &[Input],
    progress: &dyn Progress,
    run: &mut Run,
) -> Result<(Results, Option<Partial>)> {
    let checking = Instant::now();
    let mut results = Results::default();
    let mut raw: Option<Raw> = None;
    if options.checks != Checks::Off {
        let (rows, seen) = check_rows(job, &options.config, inputs, progress)?;
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
        Err(_) if results.blocks(Stage::Raw) => return Ok((results, None)),
        summed => summed?,
    };
    run.profile = profile;
    run.profile.phases.push(("finish", finished));
    if let Some(raw) = &raw {
        run.profile.phases.insert(0, ("check rows", checked));
        let checking = Instant::now();
        results.append(check_table(job, &options.config, &partial, &table, raw));
        run.profile.phases.push(("check table", checking.elapsed()));
    }
    run.table = Some(table);
    Ok((results, Some(partial)))
}
