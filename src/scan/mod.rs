//! One pass over the inputs: from bytes to a partial aggregate.
//!
//! - [`prefetch`]: what is going to be read, said in time to a store that is far away.
//! - [`plan`]: from a file's footer to the columns of its row groups.
//! - [`skip`]: rows that the path, a dictionary or long runs rule out.
//! - [`small`]: small files, each opened and summed at one go.
//! - [`tables`]: what the value ids of these columns mean.
//! - [`task`]: a range of rows, summed by one of three paths: [`by_runs`],
//!   [`by_bitmap`] and, always right, [`by_row`].
//! - [`split`]: the inputs cut into parts of about equal cost, for other processes.
//!
//! Files are opened in parallel; row groups go to the threads largest first,
//! and one of many rows is cut into ranges of pages. Each thread sums into a
//! grid of its own; the grids are merged once, at the end.

mod by_bitmap;
pub(crate) mod by_row;
mod by_runs;
pub mod classes;
pub mod plan;
pub mod prefetch;
pub mod skip;
mod small;
pub mod split;
pub mod tables;
pub mod task;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use plan::FilePlan;
use rayon::prelude::*;
use skip::Outlook;
use task::{RowsByPath, Worker};

use crate::grid::Partial;
use crate::ids::column::{Column, Cost};
use crate::ids::values::ValueType;
use crate::kernel::ScanPath;
use crate::parquet::RowGroupMeta;
use crate::storage::{Input, Traffic};
use crate::{Error, Job, Result};

/// Told how far the scan has come; asked whether to go on.
///
/// Its parts follow one another: each begins once, before anything of it is done.
pub trait Progress: Sync {
    /// A part of the work begins, of so many compressed bytes.
    fn begin(&self, work: Phase, bytes: u64) {
        let _ = (work, bytes);
    }
    /// So many more compressed bytes are done.
    fn advance(&self, bytes: u64) {
        let _ = bytes;
    }
    /// Whether the caller wants the work to stop.
    fn interrupted(&self) -> bool {
        false
    }
}

/// A part of what a person waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The rows are checked.
    Check,
    /// The rows are summed.
    Sum,
    /// A sample is written.
    Write,
}

/// Nobody is told.
pub struct NoProgress;

impl Progress for NoProgress {}

/// How to do it; the answer does not depend on any of this.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Threads; `None` for one a core.
    pub threads: Option<usize>,
    /// Kernel path; `None` to let the pages decide.
    pub path: Option<crate::kernel::ScanPath>,
}

/// What the scan cost, for `--explain`.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Profile {
    /// Files scanned.
    pub files: usize,
    /// Bytes of all files.
    pub file_bytes: u64,
    /// What a store far away was asked for; `None` where all files are local.
    pub traffic: Option<Traffic>,
    /// Bytes read: footers, page headers and the pages that were needed.
    pub bytes_read: u64,
    /// Bytes that came out of the codecs.
    pub bytes_decompressed: u64,
    /// Data and dictionary pages opened.
    pub pages_read: u64,
    /// Pages of needed columns that nobody opened; those of row groups that
    /// are ruled out whole are not counted.
    pub pages_skipped: u64,
    /// Row groups by the kernel path taken.
    pub row_groups: Vec<RowGroupProfile>,
    /// Wall time by phase, in order.
    pub phases: Vec<(&'static str, Duration)>,
    /// What each task cost, in no order: what a plan for more threads is judged by.
    #[serde(skip)]
    pub tasks: Vec<TaskCost>,
}

/// A range of pages that one thread has summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskCost {
    /// Its rows.
    pub rows: u64,
    /// Wall time of its thread.
    pub time: Duration,
}

impl Profile {
    /// Adds what another scan has cost, but for its phases.
    fn merge(&mut self, mut other: Profile) {
        self.files += other.files;
        self.file_bytes += other.file_bytes;
        self.bytes_read += other.bytes_read;
        self.bytes_decompressed += other.bytes_decompressed;
        self.pages_read += other.pages_read;
        self.pages_skipped += other.pages_skipped;
        self.row_groups.append(&mut other.row_groups);
        self.tasks.append(&mut other.tasks);
        if let Some(traffic) = other.traffic {
            self.traffic.get_or_insert_default().merge(traffic);
        }
    }
}

/// The path that a row group took.
#[derive(Debug, Clone, serde::Serialize)]
pub struct RowGroupProfile {
    /// File.
    pub file: std::sync::Arc<str>,
    /// Row group, from 0.
    pub row_group: usize,
    /// Its rows.
    pub rows: u64,
    /// What did the work, the path with most rows first; `skipped` where
    /// all rows were ruled out.
    pub path: String,
    /// Rows by path: runs, bitmap, scalar.
    pub rows_by_path: RowsByPath,
}

/// Rows that a task has at the most, give or take a page.
const TASK_ROWS: u64 = 1 << 18;
/// Below this many rows, starting threads costs more than it saves.
const SEQUENTIAL_ROWS: u64 = 1 << 17;

/// Reads `inputs` once and sums what the job asks for.
///
/// # Errors
/// The first error in order of file, row group and row, whatever the thread
/// that met it. Nothing is returned unless every row is accounted for.
pub fn scan(
    job: &Job,
    inputs: &[Input],
    options: &Options,
    progress: &dyn Progress,
) -> Result<(Partial, Profile)> {
    let job = job.clone().validated()?;
    let start = Instant::now();
    let spare = Mutex::default();
    let threads = options.threads.unwrap_or(0);
    inputs.iter().for_each(|input| input.object.prefetch_footer());
    // One file of a few rows is done before a pool would have started.
    if let [_] = inputs {
        let plans = open_all(&job, inputs, FilePlan::open)?;
        progress.begin(Phase::Sum, plans.iter().map(needed_bytes).sum());
        let scan = Scan::new(&job, &plans, options, progress, start, &spare);
        let rows: u64 = plans.iter().map(|p| p.meta.rows).sum();
        if threads == 1 || rows <= SEQUENTIAL_ROWS {
            return scan.finish(false);
        }
        return pool(threads)?.install(|| scan.finish(true));
    }
    if threads == 1 {
        return small::scan_many(&job, inputs, options, progress, start, &spare, false);
    }
    pool(threads)?.install(|| small::scan_many(&job, inputs, options, progress, start, &spare, true))
}

/// A file that was summed by an earlier scan, for [`scan_each`].
pub struct CachedFile<'k> {
    /// Its place among all files.
    pub at: usize,
    /// Its name.
    pub name: &'k std::sync::Arc<str>,
    /// The type of its values.
    pub value_type: Option<ValueType>,
    /// Its rows.
    pub rows: u64,
}

/// As [`scan`], with the sums of each file by itself. `inputs` come with their place
/// among all files; `known` are the others, so that value types are held against one
/// another as [`scan`] of all would.
///
/// # Errors
/// As of [`scan`].
pub fn scan_each(
    job: &Job,
    inputs: &[(usize, &Input)],
    known: &[CachedFile<'_>],
    options: &Options,
    progress: &dyn Progress,
) -> Result<(Vec<Partial>, Profile)> {
    let job = job.clone().validated()?;
    let start = Instant::now();
    inputs.iter().for_each(|(_, input)| input.object.prefetch_footer());
    let run = || -> Result<(Vec<Partial>, Profile)> {
        let plans: Vec<Result<FilePlan<'_>>> =
            inputs.par_iter().map(|(_, input)| FilePlan::open(&job, input)).collect();
        let plans: Vec<FilePlan<'_>> = plans.into_iter().collect::<Result<_>>()?;
        let mut typed: Vec<(usize, Typed<'_>)> =
            plans.iter().zip(inputs).map(|(plan, (at, _))| (*at, Typed::of(plan))).collect();
        typed.extend(known.iter().filter_map(|known| {
            let value_type = known.value_type?;
            Some((known.at, Typed { name: known.name, value_type, rows: known.rows }))
        }));
        typed.sort_by_key(|(at, _)| *at);
        same_types(typed.iter().map(|(_, typed)| typed))?;
        progress.begin(Phase::Sum, plans.iter().map(needed_bytes).sum());
        let opened = start.elapsed();
        let progress = AdvanceOnly(progress);
        let spare = Mutex::default();
        let one = |plan: &FilePlan<'_>, parallel| {
            let plans = std::slice::from_ref(plan);
            Scan::new(&job, plans, options, &progress, Instant::now(), &spare).finish(parallel)
        };
        // Small files side by side, then each large one on all threads.
        let large = |plan: &FilePlan<'_>| plan.meta.rows > SEQUENTIAL_ROWS;
        let small: Vec<Option<Result<(Partial, Profile)>>> =
            plans.par_iter().map(|plan| (!large(plan)).then(|| one(plan, false))).collect();
        let mut profile = Profile::default();
        let mut parts = Vec::with_capacity(plans.len());
        for (plan, done) in plans.iter().zip(small) {
            let (part, cost) = done.unwrap_or_else(|| one(plan, true))?;
            parts.push(part);
            profile.merge(cost);
        }
        profile.phases = vec![("open", opened), ("scan", start.elapsed() - opened)];
        Ok((parts, profile))
    };
    match inputs {
        [] => Ok((Vec::new(), Profile::default())),
        // As `scan` does, one file of a few rows goes without a pool.
        [_] if options.threads == Some(1) => run(),
        _ => pool(options.threads.unwrap_or(0))?.install(run),
    }
}

/// Passes everything on but the total, which was told for all files together.
struct AdvanceOnly<'p>(&'p dyn Progress);

impl Progress for AdvanceOnly<'_> {
    fn advance(&self, bytes: u64) {
        self.0.advance(bytes);
    }

    fn interrupted(&self) -> bool {
        self.0.interrupted()
    }
}

pub(crate) fn pool(threads: usize) -> Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|i| format!("rollshare-{i}"))
        .build()
        .map_err(|e| Error::io("cannot start threads", std::io::Error::other(e)))
}

/// Opens all files; the first that fails by order of the list is the error.
fn open_all<'a>(
    job: &Job,
    inputs: &'a [Input],
    open: fn(&Job, &'a Input) -> Result<FilePlan<'a>>,
) -> Result<Vec<FilePlan<'a>>> {
    let open = |input| open(job, input);
    let plans: Vec<Result<FilePlan<'_>>> = if inputs.len() == 1 {
        inputs.iter().map(open).collect()
    } else {
        inputs.par_iter().map(open).collect()
    };
    let plans: Vec<FilePlan<'_>> = plans.into_iter().collect::<Result<_>>()?;
    let typed: Vec<Typed<'_>> = plans.iter().map(Typed::of).collect();
    same_types(typed.iter())?;
    Ok(plans)
}

/// A file and the type of its values.
#[derive(Clone, Copy)]
struct Typed<'t> {
    name: &'t std::sync::Arc<str>,
    value_type: ValueType,
    rows: u64,
}

impl<'t> Typed<'t> {
    fn of(plan: &FilePlan<'t>) -> Self {
        Typed { name: plan.input.object.name(), value_type: plan.value_type, rows: plan.meta.rows }
    }
}

/// Fails unless all files that have rows have values of one type.
fn same_types<'t>(files: impl Iterator<Item = &'t Typed<'t>>) -> Result<()> {
    // The types of a file without rows mean nothing: an empty pandas frame has DOUBLE for strings.
    let mut files = files.filter(|file| file.rows > 0);
    let Some(first) = files.next() else { return Ok(()) };
    match files.find(|other| first.value_type != other.value_type) {
        None => Ok(()),
        Some(other) => Err(Error::data(format!("values of type {}", other.value_type))
            .expected(format!("{}, as in {}", first.value_type, first.name))
            .advice("Export all files with one type, or read them in separate runs")
            .in_file(other.name)),
    }
}

/// Stored bytes of the column chunks that the job needs.
fn needed_bytes(plan: &FilePlan<'_>) -> u64 {
    plan.meta.row_groups.iter().map(|row_group| plan.needed_bytes(row_group)).sum()
}

/// The row groups of the file at place `at`.
fn row_ranges<'p>(at: usize, plan: &'p FilePlan<'p>) -> impl Iterator<Item = RowRange<'p>> {
    let groups = plan.meta.row_groups.iter().enumerate();
    groups
        // Some writers give a row group without rows column chunks of nothing.
        .filter(|(_, meta)| meta.rows > 0)
        .map(move |(row_group, meta)| RowRange {
            order: (at as u64) << 32 | row_group as u64,
            plan,
            row_group,
            rows: meta.rows,
            from: 0,
            to: meta.rows,
        })
}

/// A row group to scan.
#[derive(Clone, Copy)]
struct RowRange<'s> {
    /// Its place in the order of files and row groups.
    order: u64,
    plan: &'s FilePlan<'s>,
    row_group: usize,
    rows: u64,
    /// The rows of the row group that are asked for: each task is the part's
    /// in which it begins. All of them, but for a split.
    from: u64,
    to: u64,
}

struct Scan<'s> {
    job: &'s Job,
    plans: &'s [FilePlan<'s>],
    /// Their places among all files; empty where these are all files.
    places: &'s [usize],
    /// Small files that are done.
    small: Mutex<Vec<small::Done<'s>>>,
    path: Option<ScanPath>,
    progress: &'s dyn Progress,
    workers: Mutex<Vec<Worker>>,
    /// Workers of scans that have ended, for their memory.
    spare: &'s Mutex<Vec<Worker>>,
    /// The first failure so far, by order.
    failed: Mutex<Option<(u64, u64, Error)>>,
    /// The order of that failure, to leave later pieces alone.
    failed_at: AtomicU64,
    row_groups: Mutex<Vec<(u64, RowGroupProfile)>>,
    tasks: Mutex<Vec<TaskCost>>,
    /// Pages that the needed columns have.
    pages: AtomicU64,
    start: Instant,
    opened: Instant,
}

impl<'s> Scan<'s> {
    fn new(
        job: &'s Job,
        plans: &'s [FilePlan<'s>],
        options: &Options,
        progress: &'s dyn Progress,
        start: Instant,
        spare: &'s Mutex<Vec<Worker>>,
    ) -> Self {
        Scan {
            job,
            plans,
            places: &[],
            small: Mutex::default(),
            path: options.path,
            progress,
            workers: Mutex::default(),
            spare,
            failed: Mutex::default(),
            failed_at: AtomicU64::new(u64::MAX),
            row_groups: Mutex::default(),
            tasks: Mutex::default(),
            pages: AtomicU64::new(0),
            start,
            opened: Instant::now(),
        }
    }

    fn finish(self, parallel: bool) -> Result<(Partial, Profile)> {
        let mut row_ranges: Vec<RowRange<'_>> = self
            .plans
            .iter()
            .enumerate()
            .flat_map(|(at, plan)| row_ranges(self.places.get(at).copied().unwrap_or(at), plan))
            .collect();
        if parallel && self.plans.iter().any(|plan| plan.object.is_remote()) {
            // In order: that is how they arrive.
            row_ranges.into_iter().par_bridge().for_each(|row_range| self.scan_and_evict(row_range, true));
        } else if parallel {
            // Largest first: no thread is left with a long piece at the end.
            row_ranges.sort_by_key(|row_range| (std::cmp::Reverse(row_range.rows), row_range.order));
            row_ranges
                .into_par_iter()
                .with_max_len(1)
                .for_each(|row_range| self.scan_and_evict(row_range, true));
        } else {
            for row_range in row_ranges {
                self.scan_and_evict(row_range, false);
            }
        }
        let large: u64 = self.plans.iter().map(|p| p.meta.rows).sum();
        let small: u64 = lock(&self.small).iter().map(|done| done.typed.rows).sum();
        self.collect(Some(large + small))
    }

    /// Scans a row group, in parallel ranges where it is large.
    fn scan_and_evict(&self, row_range: RowRange<'_>, parallel: bool) {
        self.scan_row_group(row_range, parallel);
        prefetch::evict_row_group(self.job, row_range.plan, row_range.row_group);
    }

    fn scan_row_group(&self, row_range: RowRange<'_>, parallel: bool) {
        if self.is_late(row_range.order) {
            return;
        }
        let Some(meta) = row_range.plan.meta.row_groups.get(row_range.row_group) else { return };
        let bytes = row_range.plan.needed_bytes(meta);
        let mut cost = Cost::default();
        if let Err(error) = prefetch::check_magic(row_range.plan) {
            return self.fail(row_range, 0, error);
        }
        if skip::row_group(self.job, row_range.plan, meta, &mut cost) {
            self.drop_rows(row_range.to - row_range.from, cost);
            self.progress.advance(bytes);
            return self.took(row_range, RowsByPath::default());
        }
        let unlikely = skip::outlook(self.job, row_range.plan, meta) == Outlook::Unlikely;
        if unlikely {
            prefetch::prefetch_rest(self.job, row_range.plan, row_range.row_group);
        }
        self.scan_rows(row_range, meta, bytes, cost, parallel);
        if unlikely {
            prefetch::evict_rest(self.job, row_range.plan, row_range.row_group);
        }
    }

    /// Scans the rows of a row group that is not ruled out.
    fn scan_rows(
        &self,
        row_range: RowRange<'_>,
        meta: &RowGroupMeta,
        bytes: u64,
        mut cost: Cost,
        parallel: bool,
    ) {
        let columns = match row_range.plan.columns(meta) {
            Ok(columns) => columns,
            Err(error) => return self.fail(row_range, 0, error),
        };
        self.pages.fetch_add(columns.pages(), Ordering::Relaxed);
        let ruled_out = skip::runs(self.job, &columns, row_range.rows, &mut cost);
        let mut ranges = ranges(&columns.value, row_range.rows, &ruled_out);
        let ours = |range: &std::ops::Range<u64>| (row_range.from..row_range.to).contains(&range.start);
        ranges.retain(ours);
        self.drop_rows(ruled_out.iter().filter(|r| ours(r)).map(|range| range.end - range.start).sum(), cost);
        let share = bytes / (ranges.len() as u64).max(1);
        let scan_range = |range: &std::ops::Range<u64>| -> RowsByPath {
            if self.is_late(row_range.order) {
                return RowsByPath::default();
            }
            let begun = Instant::now();
            let mut worker = self.worker();
            let outcome = task::run(
                self.job,
                row_range.plan,
                &columns,
                row_range.order,
                range.clone(),
                self.path,
                &mut worker,
                self.progress,
            );
            lock(&self.workers).push(worker);
            lock(&self.tasks).push(TaskCost { rows: range.end - range.start, time: begun.elapsed() });
            self.progress.advance(share);
            outcome.unwrap_or_else(|error| {
                self.fail(row_range, range.start, error);
                RowsByPath::default()
            })
        };
        let add = |a: RowsByPath, b: RowsByPath| [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
        let taken = if parallel && ranges.len() > 1 {
            ranges.par_iter().with_max_len(1).map(scan_range).reduce(RowsByPath::default, add)
        } else {
            ranges.iter().map(scan_range).fold(RowsByPath::default(), add)
        };
        self.took(row_range, taken);
    }

    /// A worker that is free.
    fn worker(&self) -> Worker {
        let own = lock(&self.workers).pop();
        own.or_else(|| lock(self.spare).pop()).unwrap_or_default()
    }

    /// Counts rows that were ruled out, and what finding out cost.
    fn drop_rows(&self, rows: u64, cost: Cost) {
        if rows > 0 || cost != Cost::default() {
            let mut worker = self.worker();
            worker.dense.account.other_system += rows;
            worker.cost.merge(cost);
            lock(&self.workers).push(worker);
        }
    }

    /// Notes what did the work.
    fn took(&self, row_range: RowRange<'_>, taken: RowsByPath) {
        let profile = RowGroupProfile {
            file: row_range.plan.input.object.name().clone(),
            row_group: row_range.row_group,
            rows: row_range.rows,
            path: describe(taken),
            rows_by_path: taken,
        };
        lock(&self.row_groups).push((row_range.order, profile));
    }

    /// Keeps the error if it is the first by order.
    #[cold]
    fn fail(&self, row_range: RowRange<'_>, row: u64, error: Error) {
        // Rows are counted in the row group; people count them in the file.
        let before: u64 =
            row_range.plan.meta.row_groups.iter().take(row_range.row_group).map(|rg| rg.rows).sum();
        let error = error.in_row_group(row_range.row_group).offset_row(before);
        self.fail_at(row_range.order, row, error.in_file(row_range.plan.input.object.name()));
    }

    /// Whether there is a failure before what has this order.
    fn is_late(&self, order: u64) -> bool {
        order > self.failed_at.load(Ordering::Relaxed)
    }

    /// Keeps the error if it is the first by order and row.
    fn fail_at(&self, order: u64, row: u64, error: Error) {
        let mut failed = lock(&self.failed);
        if failed.as_ref().is_none_or(|(first, at, _)| (order, row) < (*first, *at)) {
            *failed = Some((order, row, error));
            self.failed_at.fetch_min(order, Ordering::Relaxed);
        }
    }

    /// Merges the workers. `rows` is how many the account has to hold; of a split that is
    /// known only once all of them are merged.
    fn collect(self, rows: Option<u64>) -> Result<(Partial, Profile)> {
        let lost = || Error::internal("a worker has failed");
        if let Some((_, _, error)) = self.failed.into_inner().map_err(|_| lost())? {
            return Err(error);
        }
        let scanned = Instant::now();
        let mut row_groups = self.row_groups.into_inner().map_err(|_| lost())?;
        row_groups.sort_by_key(|(order, _)| *order);
        let mut files = self.small.into_inner().map_err(|_| lost())?;
        files.extend(
            self.plans
                .iter()
                .enumerate()
                .map(|(at, plan)| small::Done::of(self.places.get(at).copied().unwrap_or(at), plan)),
        );
        let mut profile = Profile {
            files: files.len(),
            traffic: traffic(self.plans),
            file_bytes: files.iter().map(|file| file.bytes).sum(),
            bytes_read: files.iter().map(|file| file.footer_bytes).sum(),
            row_groups: row_groups.into_iter().map(|(_, profile)| profile).collect(),
            tasks: self.tasks.into_inner().map_err(|_| lost())?,
            ..Profile::default()
        };
        let with_rows = files.iter().filter(|file| file.typed.rows > 0);
        let value_type = with_rows.min_by_key(|file| file.at).map(|file| file.typed.value_type);
        let mut parts = vec![Partial { value_type, ..Partial::default() }];
        let mut workers = self.workers.into_inner().map_err(|_| lost())?;
        join(&mut workers)?;
        for mut worker in workers {
            profile.bytes_read += worker.cost.bytes_read;
            profile.bytes_decompressed += worker.cost.bytes_decompressed;
            profile.pages_read += worker.cost.pages_read;
            if !worker.dense.is_empty() {
                parts.push(worker.dense.take_partial()?);
            }
            worker.rest();
            lock(self.spare).push(worker);
        }
        let mut partial = Partial::merge_all(parts)?;
        // A page across the border of two tasks is opened by both.
        profile.pages_skipped = self.pages.into_inner().saturating_sub(profile.pages_read);
        // The account is held against the footers, not against what tasks met.
        partial.account.rows = rows.unwrap_or(partial.account.kept() + partial.account.dropped());
        partial.account.check()?;
        profile.phases = vec![
            ("open", self.opened - self.start),
            ("scan", scanned - self.opened),
            ("merge", scanned.elapsed()),
        ];
        Ok((partial, profile))
    }
}

/// Brings the sums of all workers to the first one, as far as they are in cells alone; by
/// all threads and two by two, so that it takes as long as the logarithm of how many there are.
fn join(workers: &mut [Worker]) -> Result<()> {
    if workers.len() < 2 {
        return Ok(());
    }
    let (one, other) = workers.split_at_mut(workers.len() / 2);
    if one.len() + other.len() > 2 {
        let (one, other) = rayon::join(|| join(one), || join(other));
        one.and(other)?;
    }
    match (one, other) {
        ([one, ..], [other, ..]) => one.dense.merge_from(&mut other.dense),
        _ => Ok(()),
    }
}

fn traffic(plans: &[FilePlan<'_>]) -> Option<Traffic> {
    let mut all: Option<Traffic> = None;
    for traffic in plans.iter().filter_map(|plan| plan.object.traffic()) {
        all.get_or_insert_default().merge(traffic);
    }
    all
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Cuts the rows of a row group that are not `ruled_out` into ranges of about
/// [`TASK_ROWS`] that begin where a page of values begins: values are most of
/// the work, and no page of theirs should be decompressed twice.
fn ranges(value: &Column<'_>, rows: u64, ruled_out: &[std::ops::Range<u64>]) -> Vec<std::ops::Range<u64>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    let ends = ruled_out.iter().map(|r| (r.start, r.end)).chain([(rows, rows)]);
    for (end, next) in ends {
        for page in value.chunk().map(|c| c.data()).unwrap_or_default() {
            let cut = page.first_row;
            if cut < end && cut >= start + TASK_ROWS && end - cut >= TASK_ROWS / 2 {
                ranges.push(start..cut);
                start = cut;
            }
        }
        if start < end {
            ranges.push(start..end);
        }
        start = next;
    }
    ranges
}

/// The names of the paths taken, the one with most rows first.
fn describe(taken: RowsByPath) -> String {
    let mut paths: Vec<(u64, &str)> =
        taken.into_iter().zip(["runs", "bitmap", "scalar"]).filter(|(rows, _)| *rows > 0).collect();
    paths.sort_by_key(|(rows, _)| std::cmp::Reverse(*rows));
    if paths.is_empty() {
        return "skipped".into();
    }
    paths.into_iter().map(|(_, name)| name).collect::<Vec<_>>().join(" + ")
}
