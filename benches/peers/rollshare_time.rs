//! Times whole jobs in this process, and the floor, for `run.py`.
//!
//! ```text
//! rollshare_time SOURCE THREADS REPEATS [ANSWER.csv]
//! rollshare_time SOURCE THREADS REPEATS --floor COLUMN...
//! ```
//!
//! Prints one line of JSON: seconds of wall and CPU of each run (find and open files,
//! scan, windows, table) and of the floor, and the peak of anonymous memory. With
//! `--floor`, only the floor of one to five columns is timed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rollshare::internals::publish::Format;
use rollshare::internals::scan::{self, NoProgress, Options, ScanStats};
use rollshare::internals::storage;
use rollshare::internals::table;
use rollshare::{Job, Result, Semantics};
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
    let found = storage::discover(&[source.to_owned()], Semantics::Iso)?;
    let options = Options { threads: Some(threads), ..Options::default() };
    let (partial, stats) = scan::scan(job, &found.inputs, &options, &NoProgress)?;
    Ok((table::finish(job, &partial)?, stats))
}

/// Anonymous memory of this process in bytes: resident memory without mapped files.
fn anonymous() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("RssAnon:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// The peak of anonymous memory while `work` runs, sampled every 100 microseconds.
fn peak(work: impl FnOnce()) -> u64 {
    let (most, done) = (AtomicU64::new(anonymous()), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                most.fetch_max(anonymous(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_micros(100));
            }
        });
        work();
        done.store(true, Ordering::Relaxed);
    });
    most.into_inner()
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
        eprintln!("rollshare_time SOURCE THREADS REPEATS [ANSWER.csv | --floor COLUMN...]");
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
    let job = Job::default();
    // Measured first, before the allocator is warm; this also warms the page cache.
    let memory = peak(|| drop(whole_job(&job, source, threads).expect("the job runs")));
    let (answer_table, stats) = whole_job(&job, source, threads).expect("the job runs");
    if let [path] = answer {
        let mut out = std::fs::File::create(path).expect("the answer's file");
        Format::Csv.write(&answer_table, &mut out).expect("the answer is written");
    }
    let found = storage::discover(&[source.to_owned()], Semantics::Iso).expect("the source is there");
    let pages = pool.install(|| floor::pages(&floor::columns(&job), &found.inputs)).expect("page headers");
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
                pool.install(|| floor::decompress(&floor::pages(&floor::columns(&job), &found.inputs)?))
            })
            .0,
        );
    }
    let paths: std::collections::BTreeSet<_> = stats.row_groups.iter().map(|g| &g.path).collect();
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
