//! One pass over the inputs: from bytes to a partial aggregate.
//!
//! - [`columns`]: the columns that the job sums, located in a file and opened in a row group.
//! - [`skip`]: rows that the path, a dictionary or long runs rule out, and the byte ranges that are left to read.
//! - [`executor`]: row groups on threads; the first error; the merge.
//! - [`small`]: many files: each small one is read, opened and summed at once.
//! - [`lanes`]: several columns of conditions or keys as one. [`tables`], [`classes`]: what value ids mean.
//! - [`nothing`]: why no row counts. [`organic`]: why no row is organic. [`members`]: the values that both list.
//! - [`totals`]: total rows are assumed, or summed apart.
//! - [`task`]: a range of rows, summed by one of three paths: [`by_runs`], [`by_bitmap`] and the general [`by_row`].
//! - [`split`]: the inputs cut into parts of about equal cost, for other processes.
//! - [`stats`]: options, and what a scan cost.
//!
//! Files are opened in parallel. Row groups go to the threads largest first, and a large one is cut into ranges of
//! pages. Each thread sums into its own grid; the grids are merged once, at the end.

mod by_bitmap;
pub(crate) mod by_row;
mod by_runs;
pub mod classes;
pub mod columns;
mod executor;
pub mod lanes;
pub mod members;
pub mod nothing;
pub mod organic;
pub mod skip;
mod small;
pub mod split;
mod stats;
pub mod tables;
pub mod task;
pub mod totals;

use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use executor::Scan;
use rayon::prelude::*;
pub use stats::{Options, RowGroupStats, ScanStats, TaskCost};

use crate::dataset::{Dataset, OpenFile, TypeAgreement, TypedFile, prefetch};
use crate::grid::Partial;
use crate::ids::values::ValueType;
use crate::profile::Question;
use crate::progress::AdvanceOnly;
pub use crate::progress::{NoProgress, Phase, Progress};
use crate::storage::{Cancel, Input, unless_changed};
use crate::{Error, Job, Result};

/// Largest number of rows of a task, give or take a page.
const TASK_ROWS: u64 = 1 << 18;
/// Below this many rows, starting threads costs more than it saves.
const SEQUENTIAL_ROWS: u64 = 1 << 17;

/// Reads `inputs` once and sums what the job asks for.
///
/// # Errors
/// The first error in order of file, row group and row, independent of the threads. Nothing is returned unless
/// every row is accounted for.
pub fn scan(
    job: &Job,
    inputs: &[Input],
    options: &Options,
    progress: &dyn Progress,
) -> Result<(Partial, ScanStats)> {
    scan_dataset(job, &Dataset::unopened(inputs), options, progress)
}

/// As [`scan`], for inputs that may be open already.
///
/// # Errors
/// As of [`scan`].
pub fn scan_dataset(
    job: &Job,
    dataset: &Dataset<'_>,
    options: &Options,
    progress: &dyn Progress,
) -> Result<(Partial, ScanStats)> {
    let job = job.clone().validated()?;
    if !dataset.is_open() {
        prefetch::footers(dataset.inputs());
    }
    let question = Question::new(&job)?;
    let scanned = totals::settled(&question, |question| scan_once(question, dataset, options, progress));
    unless_changed(dataset.inputs(), scanned)
}

/// One pass over the inputs.
fn scan_once(
    question: &Question,
    dataset: &Dataset<'_>,
    options: &Options,
    progress: &dyn Progress,
) -> Result<(Partial, ScanStats)> {
    let start = Instant::now();
    let spare = Mutex::default();
    let threads = options.threads.unwrap_or(0);
    // A single small file is done before a thread pool would have started.
    if let [_] = dataset.inputs() {
        let files = [open(question, dataset, 0)?];
        let [file] = &files;
        progress.begin(Phase::Sum, columns::file_bytes(question, file));
        let rows = file.footer.rows;
        let scan = Scan::new(question, &files, options, progress, start, &spare);
        if threads == 1 || rows <= SEQUENTIAL_ROWS {
            return scan.finish(false);
        }
        return pool(threads)?.install(|| scan.finish(true));
    }
    if threads == 1 {
        return small::scan_many(question, dataset, options, progress, start, &spare, false);
    }
    pool(threads)?.install(|| small::scan_many(question, dataset, options, progress, start, &spare, true))
}

/// A file that was summed by an earlier scan, for [`scan_each`].
pub struct CachedFile<'k> {
    /// Its index among all files.
    pub at: usize,
    /// Its name.
    pub name: &'k Arc<str>,
    /// The type of its values; `None` where it has no rows.
    pub value_type: Option<ValueType>,
    /// Its rows.
    pub rows: u64,
}

/// Files that [`scan_each`] opens at a time.
const FILES_AT_A_TIME: usize = 1024;

/// As [`scan`], with the sums of each file separately: `each` receives the index of a file and its sums, in order.
/// `which` are the indices of the files to read, in order; `cached` are the other files, so that the value types of all
/// files are compared as in [`scan`].
///
/// # Errors
/// As of [`scan`], and those of `each`. Of many files, an error in the first ones is reported before a later file is
/// opened.
pub fn scan_each(
    job: &Job,
    dataset: &Dataset<'_>,
    which: &[usize],
    cached: &[CachedFile<'_>],
    options: &Options,
    progress: &dyn Progress,
    each: &mut (dyn FnMut(usize, Partial) -> Result<()> + Send),
) -> Result<ScanStats> {
    let job = job.clone().validated()?;
    let question = Question::new(&job)?;
    let mut run = || -> Result<ScanStats> {
        let mut agreement = TypeAgreement::default();
        let typed = cached.iter().filter(|cached| cached.value_type.is_some()).map(|cached| {
            let CachedFile { at, name, value_type, rows } = *cached;
            (at, TypedFile { name, value_type, rows })
        });
        let mut cached = typed.peekable();
        let mut stats = ScanStats {
            phases: vec![("open", Duration::ZERO), ("scan", Duration::ZERO)],
            ..ScanStats::default()
        };
        let object = |at: &usize| dataset.inputs().get(*at).map(|input| &input.object);
        let is_one = which.len() <= FILES_AT_A_TIME;
        if !is_one {
            progress
                .begin(Phase::Sum, which.iter().filter_map(object).map(|object| object.stored_len()).sum());
        }
        for which in which.chunks(FILES_AT_A_TIME) {
            if !dataset.is_open() {
                prefetch::footers(which.iter().filter_map(|at| dataset.inputs().get(*at)));
            }
            let start = Instant::now();
            let files: Vec<Result<ScanFile<'_>>> =
                which.par_iter().map(|at| open(&question, dataset, *at)).collect();
            let files: Vec<ScanFile<'_>> = files.into_iter().collect::<Result<_>>()?;
            for (at, file) in which.iter().zip(&files) {
                while let Some((_, typed)) = cached.next_if(|(of_cached, _)| of_cached < at) {
                    agreement.check_next(typed)?;
                }
                agreement.check_next(TypedFile::of(file))?;
            }
            let bytes = |file: &ScanFile<'_>| columns::file_bytes(&question, file);
            if is_one {
                progress.begin(Phase::Sum, files.iter().map(bytes).sum());
            }
            let opened = Instant::now();
            let advance = AdvanceOnly(progress);
            let one = |file: &ScanFile<'_>, parallel| {
                let files = std::slice::from_ref(file);
                // Each file's sums are kept for later runs: its own rows alone decide what is summed apart.
                let summed = totals::settled(&question, |question| {
                    let spare = Mutex::default();
                    Scan::new(question, files, options, &advance, Instant::now(), &spare).finish(parallel)
                });
                if !is_one {
                    advance.advance(file.object.stored_len().saturating_sub(bytes(file)));
                }
                summed
            };
            // Small files in parallel, then each large one on all threads.
            let is_large = |file: &ScanFile<'_>| file.footer.rows > SEQUENTIAL_ROWS;
            let small: Vec<Option<Result<(Partial, ScanStats)>>> =
                files.par_iter().map(|file| (!is_large(file)).then(|| one(file, false))).collect();
            for ((at, file), done) in which.iter().zip(&files).zip(small) {
                let (part, cost) = done.unwrap_or_else(|| one(file, true))?;
                each(*at, part)?;
                stats.merge(cost);
            }
            for ((_, time), spent) in stats.phases.iter_mut().zip([opened - start, opened.elapsed()]) {
                *time += spent;
            }
        }
        cached.try_for_each(|(_, typed)| agreement.check_next(typed))?;
        Ok(stats)
    };
    let scanned = match which {
        [] => return Ok(ScanStats::default()),
        // As in `scan`, a single small file needs no thread pool.
        [_] if options.threads == Some(1) => run(),
        _ => pool(options.threads.unwrap_or(0))?.install(run),
    };
    unless_changed(which.iter().filter_map(|at| dataset.inputs().get(*at)), scanned)
}

/// A file of a scan.
#[allow(clippy::large_enum_variant)] // one a file
enum ScanFile<'s> {
    /// Opened by the scan itself.
    Own(OpenFile<'s>),
    /// Opened for several passes.
    Shared(&'s OpenFile<'s>),
}

impl<'s> Deref for ScanFile<'s> {
    type Target = OpenFile<'s>;

    fn deref(&self) -> &OpenFile<'s> {
        match self {
            ScanFile::Own(file) => file,
            ScanFile::Shared(file) => file,
        }
    }
}

/// Opens file `at`, where it is not open yet, and announces that all of its row groups are read.
fn open<'s>(question: &Question, dataset: &'s Dataset<'_>, at: usize) -> Result<ScanFile<'s>> {
    let file = match (dataset.files().get(at), dataset.inputs().get(at)) {
        (Some(file), _) => {
            file.check_question(question)?;
            ScanFile::Shared(file)
        }
        (None, Some(input)) => ScanFile::Own(columns::open(question, input)?),
        (None, None) => return Err(Error::internal("no such file")),
    };
    announce(question, &file, 0..file.footer.row_groups.len());
    Ok(file)
}

/// Announces which row groups of a file are read; each is evicted as often as it is named here.
fn announce(question: &Question, file: &OpenFile<'_>, row_groups: impl Iterator<Item = usize>) {
    if file.object.is_remote() {
        prefetch::announce(file, row_groups.flat_map(|at| skip::likely_ranges(question, file, at)).collect());
    }
}

/// Starts the global thread pool, which can be configured only once a process; `None` for as many threads as the machine
/// runs at once. One thread is the calling one.
///
/// # Errors
/// `Io` if the threads cannot be started.
#[cfg(feature = "cli")]
pub(crate) fn start_threads(threads: Option<usize>) -> Result<()> {
    let threads = match threads {
        None | Some(0) => std::thread::available_parallelism().map_or(1, usize::from),
        Some(threads) => threads,
    };
    let builder = rayon::ThreadPoolBuilder::new().num_threads(threads);
    let builder = if threads == 1 { builder.use_current_thread() } else { builder };
    match builder.build_global() {
        // Only a limit of the system fails here; that the pool runs already is an error without a source.
        Err(e) if std::error::Error::source(&e).is_some() => {
            let what = format!("cannot start {threads} threads");
            Err(Error::io(&what, std::io::Error::other(e)).advice("Fewer threads: --threads 1"))
        }
        _ => Ok(()),
    }
}

pub(crate) fn pool(threads: usize) -> Result<rayon::ThreadPool> {
    // Its threads wait for a remote store as long as the call of this thread does.
    let call = Cancel::current();
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .start_handler(move |_| call.enter())
        .thread_name(|i| format!("rollshare-{i}"))
        .build()
        .map_err(|e| Error::io("cannot start threads", std::io::Error::other(e)))
}
