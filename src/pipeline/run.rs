//! The steps of a run, in their order.

use std::borrow::Cow;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime};

use super::cluster::{self, Cluster, count_reads, no_text};
use super::keep::RunFiles;
use super::options::RunOptions;
use super::store::RunStore;
use super::timer::Timer;
use crate::checks::drift::{self, HistoryState, MayChange};
use crate::checks::raw::cube::Cube;
use crate::checks::raw::exchange::ClusterRows;
use crate::checks::raw::{Raw, RemoteRows};
use crate::checks::results::check_files;
use crate::checks::settings::Checks;
use crate::checks::staging::check_table;
use crate::checks::totals::{not_compared, question_of, sum_cube, sum_partial};
use crate::checks::{Config, Results, Shape, Stage};
use crate::dataset::Dataset;
use crate::grid::Partial;
use crate::history::store::LoadedHistory;
use crate::history::{History, Totals};
use crate::publish::{Format, Target, TargetLock, csv, publish};
use crate::report::model::{ClusterPart, FORMAT, Phase, RunReport, State, day_of_run, rfc3339, run_name};
use crate::report::series::Charts;
use crate::report::why;
use crate::report::words::step_noun;
use crate::scan::totals::check_required;
use crate::scan::{Options, Progress, ScanStats, members, nothing, organic, scan_dataset};
use crate::storage::discover::Discovery;
use crate::storage::{self, Precondition, check_listed, discover, unless_changed};
use crate::table::{Table, View, finish, span};
use crate::text::Texts;
use crate::{Error, Job, Result, Semantics, state};

/// A run that has ended: its report, its table, and the costs of its scan.
pub struct Run {
    /// The report.
    pub report: RunReport,
    /// The table; `None` if a check blocks and the rows could not be summed.
    pub table: Option<Table>,
    /// The sums of the table.
    pub sums: Option<Partial>,
    /// The costs of the scan, with the phases of the whole run.
    pub stats: ScanStats,
}

/// Checks the rows, computes the table, checks it, and publishes it.
///
/// A run whose checks block returns `Ok`: [`RunReport::state`] and [`RunReport::exit_code`] say so,
/// and the target is left as it was.
///
/// # Errors
/// Fails if the rows cannot be read, the table cannot be computed, the target cannot be replaced,
/// or another run holds the lock of the target. The target is then left as it was.
pub fn run(options: &RunOptions, progress: &dyn Progress) -> Result<Run> {
    let mut texts = Texts::default();
    run_with(options, None, progress, &mut texts).map_err(|error| texts.locate(error))
}

/// As [`run`], with rows that the executors of a cluster read. This process reads footers.
///
/// # Errors
/// As of [`run`]; `Unsupported` for text files.
pub fn run_on(options: &RunOptions, cluster: &dyn Cluster, progress: &dyn Progress) -> Result<Run> {
    run_with(options, Some(cluster), progress, &mut Texts::default())
}

/// As [`run`]; `texts` receives the text files of the sources, which know the lines of rows.
fn run_with(
    options: &RunOptions,
    cluster: Option<&dyn Cluster>,
    progress: &dyn Progress,
    texts: &mut Texts,
) -> Result<Run> {
    let (started, clock) = (SystemTime::now(), Instant::now());
    let with_checks = options.checks != Checks::Off;
    let mut timer = Timer::default();

    let mut setup = timer.phase("discover", || set_up(options, cluster))?;
    let inputs = &mut setup.discovery.inputs;
    let driver_bytes = cluster.map(|_| count_reads(inputs));
    match cluster {
        // The bytes of a frame are a footer.
        Some(cluster) if cluster.pieces().is_some() => {}
        Some(_) => no_text(inputs)?,
        None => *texts = Texts::find(&setup.job, with_checks, inputs)?,
    }
    // Of text with a state, only files that it does not have are converted, when they are read.
    if !texts.is_empty() && (with_checks || options.state.is_none()) {
        timer.phase("convert", || texts.convert(progress))?;
    }
    let job = &setup.job;
    let mut report = new_report(options, &setup, started);
    let (loaded, version) = if with_checks {
        timer.phase("read history", || read_history(setup.store.as_ref()))?
    } else {
        (LoadedHistory::Nothing, Precondition::None)
    };

    // The checks and the scan share the opened files. Without checks, the scan opens each file itself.
    let inputs = &setup.discovery.inputs;
    let (dataset, shape) = if with_checks {
        timer.phase("open files", || {
            let dataset = Dataset::open(job, inputs)?;
            let shape = Shape::of(job, &dataset)?;
            Ok((dataset, shape))
        })?
    } else {
        (Dataset::unopened(inputs), Shape::of_job(job))
    };
    report.shape = Some(shape);
    let question = question_of(job, shape);
    let config = with_published(&options.config, &loaded, &question);
    let mut sums = None;
    let mut planned = None;
    let remote = match cluster {
        Some(cluster) => {
            let of_checks = with_checks.then_some(shape);
            let gather = || cluster::gather(job, of_checks, &dataset, cluster);
            let (gathered, part) = timer.phase("executors", gather)?;
            let (summed, evidence) = gathered.into_parts();
            let rows = part.rows;
            (sums, planned) = (Some(summed), Some(part));
            evidence.map(|evidence| ClusterRows::new(job, evidence, rows, cluster)).transpose()?
        }
        None => None,
    };
    let (mut results, raw) = if with_checks {
        let remote = remote.as_ref().map(|rows| rows as &dyn RemoteRows);
        let check = || check_files(job, shape, &config, dataset.files(), remote, progress);
        let (results, raw) = timer.phase("check rows", check)?;
        (results, Some(raw))
    } else {
        (Results::default(), None)
    };
    let summed = match sums {
        Some(sums) => sums.map(|partial| (partial, ScanStats::default())),
        None => scan_rows(options, job, &dataset, progress, &mut timer, &mut report),
    };
    let explain = |sums: &Partial| cluster.map_or(Ok(()), |cluster| cluster.explain(job, sums));
    let summed = summed.and_then(|summed| finish_rows(options, job, &dataset, summed, &explain, &mut timer));
    let summed = match summed {
        Ok(summed) => Some(summed),
        // The check that blocks has already reported what keeps the rows from being summed.
        Err(e)
            if !matches!(e, Error::Interrupted)
                && results.blocks(Stage::Raw)
                && options.checks == Checks::Block =>
        {
            None
        }
        Err(e) => return Err(e),
    };
    let totals = match (&raw, &summed) {
        (Some(raw), Some(summed)) => {
            let (checked, totals) = timer.phase("check table", || {
                rayon::join(
                    || check_table(job, &config, &summed.partial, &summed.table, raw),
                    || sum_totals(job, raw, Some(&summed.partial)),
                )
            });
            results.append(checked);
            totals
        }
        (Some(raw), None) => sum_totals(job, raw, None),
        (None, _) => None,
    };
    // The charts are for the report's page: without checks and without a place to keep it, nothing shows them.
    let is_drawn = with_checks || setup.store.is_some();
    let same_question = match &loaded {
        LoadedHistory::History(history) if history.totals.question == question => Some(history),
        LoadedHistory::History(_) | LoadedHistory::Nothing | LoadedHistory::Damaged(_) => None,
    };
    if let Some(Summed { partial, table, .. }) = &summed {
        let compare = || {
            let state = match not_compared(job, shape, partial) {
                None => history_state(setup.store.as_ref().and(setup.target.as_ref()), &loaded, &question),
                Some(why) => HistoryState::None(why),
            };
            let may_change = MayChange {
                allowed: &options.allow_restatement,
                settle_days: job.profile.time.settles_in(),
                week_start: job.profile.time.week_start,
            };
            drift::check(&config, &state, totals.as_ref(), &may_change)
        };
        let cube = raw.as_ref().and_then(|raw| raw.cube.as_ref());
        let draw = || Charts::of(job, &config, partial, table, totals.as_ref(), same_question, cube);
        let both = || rayon::join(|| with_checks.then(compare), || is_drawn.then(draw));
        let (drift, charts) = timer.phase("history and charts", both);
        if let Some(drift) = drift {
            results.append(if shape.is_cube() { drift.results } else { drift.results.for_any_key() });
            report.restated = drift.restated;
        }
        report.charts = charts.unwrap_or_default();
    }
    texts.locate_findings(&mut results);
    record_results(&mut report, with_checks, results, summed.as_ref());

    // The last byte of the sources has been read: by this process, or by executors, each of which has compared only what
    // it has read, when it had read it.
    match cluster {
        Some(_) => timer.phase("compare sources", || check_listed(inputs))?,
        None => unless_changed(inputs, Ok(()))?,
    }
    // The last moment: a target that is being replaced is replaced.
    if progress.interrupted() {
        return Err(Error::Interrupted);
    }
    timer.phase("publish", || publish_or_block(&setup, &mut report, summed.as_ref()))?;
    let history = match loaded {
        LoadedHistory::History(history) if history.totals.question == question => Some(history),
        LoadedHistory::History(_) | LoadedHistory::Nothing | LoadedHistory::Damaged(_) => None,
    };
    // A second scan sums the channels of each key, if the rows are here and all were read.
    let is_here =
        cluster.is_none() && options.state.is_none() && !options.sources.iter().any(|s| s.contains("://"));
    if setup.store.is_some() && is_here {
        report.charts.why = timer.phase("why", || why::of_run(&report, inputs, options.threads, progress))?;
    }
    report.driver_bytes = driver_bytes.map(|bytes| bytes.load(Ordering::Relaxed));
    if let (Some(cluster), Some(ClusterPart { splits, rows, bytes, .. })) = (cluster, planned) {
        report.cluster = Some(ClusterPart { splits, rows, bytes, ..cluster.used()? });
    }
    report.phases = report_phases(&timer);
    report.finished = rfc3339(SystemTime::now());
    report.seconds = clock.elapsed().as_secs_f64();

    let (sums, table, stats) = match summed {
        Some(summed) => (Some(summed.partial), Some(summed.table), Some(summed.stats)),
        None => (None, None, None),
    };
    if let Some(store) = &setup.store {
        let files = RunFiles { store, keep: config.keep, totals: totals.as_ref() };
        timer.phase("keep", || {
            if report.state == State::Blocked {
                // A part has no store, so the view keeps every row.
                let written = table.as_ref().and_then(|table| setup.written(table).ok());
                files.quarantine(&mut report, setup.target.as_ref(), written.as_deref());
            } else {
                files.record(&mut report, history, &version);
            }
        });
        // The stored report cannot contain the duration of storing it; the returned one does.
        report.phases = report_phases(&timer);
    }
    let stats = ScanStats { phases: timer.phases().to_vec(), ..stats.unwrap_or_default() };
    Ok(Run { report, table, sums, stats })
}

/// The inputs and the target of a run.
struct Setup {
    job: Job,
    discovery: Discovery,
    target: Option<Target>,
    /// Held until the run ends, so that the history that was read is the one that is replaced.
    lock: TargetLock,
    store: Option<RunStore>,
    /// The last run that left a file beside the target.
    last_run: Option<String>,
    /// As in [`RunOptions`].
    csv_safe: bool,
    /// As in [`RunOptions`].
    view: View,
}

impl Setup {
    /// The table as it is written to the target or into quarantine.
    fn written<'t>(&self, table: &'t Table) -> Result<Cow<'t, Table>> {
        let is_csv = self.target.as_ref().is_some_and(|target| target.format() == Format::Csv);
        let rows = self.view.of(table)?;
        Ok(if is_csv && self.csv_safe { Cow::Owned(csv::with_safe_names(&rows)) } else { rows })
    }
}

/// Lists the inputs, locks the target, and removes what killed runs left behind.
fn set_up(options: &RunOptions, cluster: Option<&dyn Cluster>) -> Result<Setup> {
    let job = options.job.clone().validated()?;
    let target = options.target.as_deref().map(Target::parse).transpose()?;
    let discovery = match cluster.and_then(Cluster::pieces) {
        Some(pieces) => pieces.discovery(),
        None => discover(&options.sources, job.semantics)?,
    };
    if let Some(target) = &target {
        target.check_disjoint(&discovery.source_paths)?;
    }
    if let Some(state) = &options.state {
        state::check_disjoint(state, &discovery.source_paths)?;
    }
    let lock = target.as_ref().map(TargetLock::acquire).transpose()?.unwrap_or_default();
    let store = target.as_ref().map(RunStore::beside).transpose()?.flatten();
    let store = if options.view.is_whole() { store } else { no_store(options, &job, store)? };
    if let Some(store) = &store {
        store.sweep();
    }
    let last_run = store.as_ref().map(RunStore::last_run).transpose()?.flatten();
    Ok(Setup {
        job,
        discovery,
        target,
        lock,
        store,
        last_run,
        csv_safe: options.csv_safe,
        view: options.view.clone(),
    })
}

/// The store of a run that writes a part of the table: none.
///
/// # Errors
/// `Argument` if the view does not fit the job, or if tables were published at the target: a part would replace the
/// whole, and the next run would be compared with a history that is not of what is there.
fn no_store(options: &RunOptions, job: &Job, store: Option<RunStore>) -> Result<Option<RunStore>> {
    let channel = job.share_of_channel.then_some("channel");
    options.view.check(&job.by.iter().map(String::as_str).chain(channel).collect::<Vec<_>>())?;
    let has_runs = store.map(|store| {
        Ok::<_, Error>(store.last_run()?.is_some() || !matches!(store.history()?.0, LoadedHistory::Nothing))
    });
    if has_runs.transpose()? == Some(true) {
        let target = options.target.as_deref().unwrap_or_default();
        return Err(Error::argument(format!("target '{target}' has a history of whole tables"))
            .expected("another target for a part of the table")
            .advice("Write the part elsewhere, or publish the whole table there"));
    }
    Ok(None)
}

/// The report of a run that has just begun.
fn new_report(options: &RunOptions, setup: &Setup, started: SystemTime) -> RunReport {
    let step = step_noun(setup.job.grain);
    let of_view = (!setup.view.is_whole())
        .then(|| format!("a part of the table is shown: {}", setup.view.describe(step)));
    RunReport {
        format: FORMAT,
        run: run_name(started, setup.last_run.as_deref()),
        version: env!("CARGO_PKG_VERSION").into(),
        started: rfc3339(started),
        sources: options.sources.clone(),
        files: setup.discovery.inputs.len(),
        target: setup.target.as_ref().map(ToString::to_string),
        checks: options.checks,
        notes: setup.discovery.notes.clone().into_iter().chain(of_view).collect(),
        job: setup.job.clone(),
        ..RunReport::default()
    }
}

fn read_history(store: Option<&RunStore>) -> Result<(LoadedHistory, Precondition)> {
    match store {
        Some(store) => store.history(),
        None => Ok((LoadedHistory::Nothing, Precondition::None)),
    }
}

/// The configuration with what was published before: if it lists no channels, those of the history are the known ones.
fn with_published(config: &Config, loaded: &LoadedHistory, question: &str) -> Config {
    let mut config = config.clone();
    if let LoadedHistory::History(history) = loaded
        && &*history.totals.question == question
    {
        config.is_followed = is_followed(history);
        if config.allow.channels.is_empty() {
            let channels = &history.totals.channels;
            config.allow.channels = channels.names().iter().map(ToString::to_string).collect();
        }
    }
    config
}

/// A table that was further behind than this many days when it was last published is of the past.
const OF_THE_PAST: i32 = 90;

/// Whether new days are expected at a target: its last published day was recent when it was published.
fn is_followed(history: &History) -> bool {
    let last = history.totals.days.entries().max_by_key(|(_, day, _)| *day);
    last.is_some_and(|(_, day, point)| {
        day_of_run(history.run_of(point)).is_some_and(|published| published - day <= OF_THE_PAST)
    })
}

/// The sums of the rows, and the table that they give.
struct Summed {
    partial: Partial,
    table: Table,
    stats: ScanStats,
}

/// Scans the rows, reusing the sums of unchanged files if there is a state.
fn scan_rows(
    options: &RunOptions,
    job: &Job,
    dataset: &Dataset<'_>,
    progress: &dyn Progress,
    timer: &mut Timer,
    report: &mut RunReport,
) -> Result<(Partial, ScanStats)> {
    let scan_options = Options { threads: options.threads, ..Options::default() };
    let (partial, mut stats) = match &options.state {
        None => scan_dataset(job, dataset, &scan_options, progress)?,
        Some(folder) => {
            let folder = storage::folder(folder)?;
            let sources = &options.sources;
            let (partial, stats, mut reuse) =
                state::scan_dataset(job, sources, dataset, &scan_options, progress, folder.as_ref())?;
            report.notes.append(&mut reuse.notes);
            report.reuse = Some(reuse);
            (partial, stats)
        }
    };
    timer.extend(std::mem::take(&mut stats.phases));
    Ok((partial, stats))
}

/// Finishes the table. `explain` fails with the values of columns, if they are read elsewhere, where the sums are those
/// of a mistake.
fn finish_rows(
    options: &RunOptions,
    job: &Job,
    dataset: &Dataset<'_>,
    (partial, stats): (Partial, ScanStats),
    explain: &dyn Fn(&Partial) -> Result<()>,
    timer: &mut Timer,
) -> Result<Summed> {
    check_required(job, &partial)?;
    // Of total rows and others, only those that answer are accounted for from here on.
    let partial = partial.into_chosen();
    partial.account.check()?;
    let table = timer.phase("finish", || finish(job, &partial))?;
    if table.rows() == 0
        && job.semantics == Semantics::Iso
        && !(options.allow_empty && partial.account.rows == 0)
    {
        explain(&partial)?;
        return Err(nothing::error(job, &partial, &nothing::members_of_files(dataset.inputs())));
    }
    // With checks, one of them finds it.
    if options.checks == Checks::Off && organic::is_in_doubt(job, &partial) {
        explain(&partial)?;
        let column = job.profile.channel.column.as_deref().unwrap_or_default();
        organic::check(job, Some(&members::of_files(dataset.inputs(), column, u64::MAX)?))?;
    }
    Ok(Summed { partial, table, stats })
}

/// The totals of the rows for the history; `None` if they could not be summed, or are not compared with one.
fn sum_totals(job: &Job, raw: &Raw, partial: Option<&Partial>) -> Option<Totals> {
    if raw.shape.is_cube() {
        // The rows of an absurd date may count for the checks alone, or for a table that there is not.
        let is_within = |cube: &&Cube| {
            cube.days.first().zip(cube.days.last()).is_none_or(|(first, last)| span::is_within(*first, *last))
        };
        return raw.cube.as_ref().filter(is_within).map(|cube| sum_cube(job, cube));
    }
    sum_partial(job, partial?, raw.general.as_ref())
}

/// The history for the drift checks, or the reason why it is missing.
fn history_state<'a>(target: Option<&Target>, loaded: &'a LoadedHistory, question: &str) -> HistoryState<'a> {
    match (target, loaded) {
        (_, LoadedHistory::History(history))
            if !history.is_empty() && &*history.totals.question != question =>
        {
            let show = |question: &str| match question {
                "" => "country of the default profile".to_owned(),
                question => question.to_owned(),
            };
            HistoryState::None(format!(
                "the history beside the target has other sums (by {}, not by {}); this run begins a new one",
                show(&history.totals.question),
                show(question)
            ))
        }
        (_, LoadedHistory::History(history)) if !history.is_empty() => HistoryState::History(history),
        (_, LoadedHistory::Damaged(why)) => HistoryState::Damaged(why.clone()),
        (None | Some(Target::Stdout), _) => {
            HistoryState::None("there is no target that keeps a history".into())
        }
        _ => HistoryState::None("no history yet: no checked run was published at this target".into()),
    }
}

/// Puts the results of the checks and the account of the rows into the report.
fn record_results(report: &mut RunReport, with_checks: bool, results: Results, summed: Option<&Summed>) {
    if with_checks {
        report.verdict = Some(results.verdict());
        report.why = results.why();
    }
    report.outcomes = results.outcomes;
    report.account = summed.map(|summed| summed.partial.account);
    report.table_rows = summed.map_or(0, |summed| summed.table.rows());
}

/// Replaces the target, unless a check blocks or there is no target.
fn publish_or_block(setup: &Setup, report: &mut RunReport, summed: Option<&Summed>) -> Result<()> {
    if report.exit_code() != 0 {
        report.state = State::Blocked;
    } else if let (Some(target), Some(summed)) = (&setup.target, summed) {
        let published = publish(target, &setup.lock, &*setup.written(&summed.table)?)?;
        report.notes.extend_from_slice(&published.notes);
        report.published = Some(published);
        report.state = State::Published;
    }
    Ok(())
}

fn report_phases(timer: &Timer) -> Vec<Phase> {
    let phase = |(name, time): &(&str, std::time::Duration)| Phase {
        name: (*name).into(),
        seconds: time.as_secs_f64(),
    };
    timer.phases().iter().map(phase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Panel, Point};

    #[test]
    fn new_days_are_expected_where_recent_ones_were_published() {
        let mut history = History::default();
        assert!(!is_followed(&history));
        let published = day_of_run("20261125T134505.042Z-1a2b3c4d").unwrap_or_default();
        for (age, followed) in [(0, true), (90, true), (91, false), (2_000, false)] {
            let mut days = Panel::new(published - age, 1, vec!["".into()]);
            days.put(0, published - age, Point { rows: 1.0, ..Point::default() });
            history = History::default();
            history.record(&Totals { days, ..Totals::default() }, "20261125T134505.042Z-1a2b3c4d", 1_000);
            assert_eq!(is_followed(&history), followed, "{age} days");
        }
    }
}
