//! Times whole jobs in this process, and the floor, for `run.py`.
//!
//! ```text
//! rollshare_time SOURCE THREADS REPEATS [ANSWER.csv [--profile P] [--by KEYS] [--share-of channel] [--zone Z]]
//! rollshare_time SOURCE THREADS REPEATS --floor COLUMN...
//! ```
//!
//! Prints one line of JSON: seconds of wall and CPU of each run (find and open files,
//! scan, windows, table) and of the floor, and the peak of anonymous memory. With
//! `--floor`, only the floor of one to five columns is timed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rollshare::internals::publish::Format;
use rollshare::internals::scan::{self, NoProgress, Options, ScanStats};
use rollshare::internals::storage::{self, Input};
use rollshare::internals::table;
use rollshare::internals::text::Texts;
use rollshare::{Job, Profile, Result, Semantics};
use rustix::time::{ClockId, clock_gettime};

#[path = "../floor/mod.rs"]
mod floor;

/// Runs `work`; returns its wall and CPU seconds and its result.
fn timed<T>(work: impl FnOnce() -> T) -> ([f64; 2], T) {
    let cpu = || {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
    };
    let (wall, used) = (Instant::now(), cpu());
    let out = work();
    ([wall.elapsed().as_secs_f64(), cpu() - used], out)
}

fn whole_job(job: &Job, source: &str, threads: usize) -> Result<(table::Table, ScanStats)> {
    let mut found = storage::discover(&[source.to_owned()], Semantics::Iso)?;
    let options = Options { threads: Some(threads), ..Options::default() };
    let texts = Texts::find(job, false, &mut found.inputs)?;
    if !texts.is_empty() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| texts.convert(&NoProgress))?;
    }
    let (partial, stats) = scan::scan(job, &found.inputs, &options, &NoProgress)?;
    Ok((table::finish(job, &partial)?, stats))
}

/// The pages of these columns; text, of which no columns are asked for, has none.
fn find_pages<'i>(columns: &[&str], inputs: &'i [Input]) -> Result<Vec<floor::Page<'i>>> {
    if columns.is_empty() { Ok(vec![]) } else { floor::pages(columns, inputs) }
}

/// The job of options as `rollshare run` takes them.
fn job_of(options: &[String]) -> Job {
    let mut job = Job::default();
    for option in options.chunks(2) {
        let [name, value] = option else { panic!("{option:?} has no value") };
        match name.as_str() {
            "--profile" => job.profile = Profile::load(value).expect("a profile"),
            "--by" => job.by = value.split(',').map(str::to_owned).collect(),
            "--share-of" => job.share_of_channel = value == "channel",
            "--zone" => job.profile.time.zone = Some(value.clone()),
            _ => panic!("unknown option {name}"),
        }
    }
    job.validated().expect("a job")
}

/// Anonymous memory of this process in bytes: resident memory without mapped files.
fn anonymous() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("RssAnon:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// The peak of anonymous memory while `work` runs, sampled every 100 microseconds, and what it returns. `work` must not
/// panic: the sampling would not end.
fn peak<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let (most, done) = (AtomicU64::new(anonymous()), AtomicBool::new(false));
    let out = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                most.fetch_max(anonymous(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_micros(100));
            }
        });
        let out = work();
        done.store(true, Ordering::Relaxed);
        out
    });
    (most.into_inner(), out)
}

/// Times the floor alone and prints it.
fn time_floor(columns: &[&str], source: &str, pool: &rayon::ThreadPool, repeats: usize) {
    let found = storage::discover(&[source.to_owned()], Semantics::Iso).expect("the source is there");
    let pages = pool.install(|| floor::pages(columns, &found.inputs)).expect("page headers");
    let mut bytes = pool.install(|| floor::decompress(&pages)).expect("pages decompress");
    let mut floors = vec![];
    for _ in 0..repeats {
        let (time, out) = timed(|| pool.install(|| floor::decompress(&pages)));
        bytes = bytes.max(out.expect("pages decompress"));
        floors.push(time);
    }
    println!("{}", serde_json::json!({ "floor": floors, "floor_bytes": bytes }));
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, threads, repeats, answer @ ..] = arguments.as_slice() else {
        eprintln!("rollshare_time SOURCE THREADS REPEATS [ANSWER.csv [OPTION VALUE]... | --floor COLUMN...]");
        std::process::exit(2);
    };
    let threads: usize = threads.parse().expect("a number of threads");
    let repeats: usize = repeats.parse().expect("a number of repeats");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    if let [flag, columns @ ..] = answer
        && flag == "--floor"
    {
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        return time_floor(&columns, source, &pool, repeats);
    }
    let (answer, options) = answer.split_at(answer.len().min(1));
    let job = job_of(options);
    // Measured first, before the allocator is warm; this also warms the page cache.
    let (memory, outcome) = peak(|| whole_job(&job, source, threads));
    let (answer_table, stats) = outcome.expect("the job runs");
    if let [path] = answer {
        let mut out = std::io::BufWriter::new(std::fs::File::create(path).expect("the answer's file"));
        Format::Csv.write(&answer_table, &mut out).expect("the answer is written");
    }
    let found = storage::discover(&[source.to_owned()], Semantics::Iso).expect("the source is there");
    // Of the default job only: `--floor` names the columns of others.
    let columns: &[&str] = if options.is_empty() { &floor::columns(&job) } else { &[] };
    let pages = pool.install(|| find_pages(columns, &found.inputs)).expect("page headers");
    let (mut jobs, mut floors, mut opened_floors, mut bytes) = (vec![], vec![], vec![], 0);
    for _ in 0..repeats {
        // Job and floor run in turn, so that a slow moment of the machine affects both.
        let (time, outcome) = timed(|| whole_job(&job, source, threads));
        assert!(outcome.expect("the job runs").0 == answer_table, "the answer changes from run to run");
        jobs.push(time);
        let (time, out) = timed(|| pool.install(|| floor::decompress(&pages)));
        bytes = out.expect("pages decompress");
        floors.push(time);
        opened_floors.push(
            timed(|| {
                let found = storage::discover(&[source.to_owned()], Semantics::Iso)?;
                pool.install(|| floor::decompress(&find_pages(columns, &found.inputs)?))
            })
            .0,
        );
    }
    let paths: std::collections::BTreeSet<_> = stats.row_groups.iter().map(|g| g.path()).collect();
    let report = serde_json::json!({
        "job": jobs,
        "floor": floors,
        "floor_opened": opened_floors,
        "peak_anonymous_bytes": memory,
        "floor_bytes": bytes,
        "file_bytes": stats.file_bytes,
        "bytes_decompressed": stats.bytes_decompressed,
        "files": stats.files,
        "paths": paths.iter().take(4).collect::<Vec<_>>(),
    });
    println!("{report}");
}
