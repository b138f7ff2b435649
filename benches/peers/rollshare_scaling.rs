//! How the job scales: with rows, with threads, and, simulated, with more cores.
//!
//! ```text
//! rollshare_scaling cores SOURCE        up to 64 cores, simulated from the tasks of one thread
//! rollshare_scaling day FOLDER          adding one file to a folder, with a state
//! rollshare_scaling rows SOURCE...      time a row and anonymous memory, source by source
//! ```
//!
//! Prints markdown. Timings are medians of whole jobs in this process with the page
//! cache warm.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;
use std::time::{Duration, Instant};

use rollshare::internals::scan::{self, NoProgress, Options, ScanStats};
use rollshare::internals::state;
use rollshare::internals::storage::{self, LocalFolder};
use rollshare::internals::table;
use rollshare::{Job, Semantics};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["cores", source] => cores(source),
        ["day", folder] => day(folder),
        ["rows", sources @ ..] if !sources.is_empty() => rows(sources),
        _ => panic!("usage: rollshare_scaling cores SOURCE | day FOLDER | rows SOURCE..."),
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Runs the whole job; returns wall time, stats and rows. Asserts that the table has rows.
fn job(source: &str, threads: usize) -> (Duration, ScanStats, u64) {
    let (job, begun) = (Job::default(), Instant::now());
    let found = storage::discover(&[source.to_owned()], Semantics::Iso).unwrap();
    let options = Options { threads: Some(threads), ..Options::default() };
    let (partial, stats) = scan::scan(&job, &found.inputs, &options, &NoProgress).unwrap();
    let table = table::finish(&job, &partial).unwrap();
    assert!(table.rows() > 0);
    (begun.elapsed(), stats, partial.account.rows)
}

/// Simulates more cores with the tasks of a scan on one thread. Each core takes the next task
/// when it is free, as the threads do. The sequential part is added. Grids are merged in pairs,
/// and each round is assumed to cost as much as the merge of the one thread.
fn cores(source: &str) {
    let runs: Vec<(Duration, ScanStats, u64)> = (0..7).map(|_| job(source, 1)).collect();
    let wall = median(runs.iter().map(|run| run.0).collect());
    let (_, stats, rows) = runs.into_iter().min_by_key(|run| run.0).unwrap();
    let tasks: Vec<Duration> = stats.tasks.iter().map(|task| task.time).collect();
    let busy: Duration = tasks.iter().sum();
    let merge = stats.phases.iter().find(|phase| phase.0 == "merge").map_or(Duration::ZERO, |phase| phase.1);
    let alone = wall.saturating_sub(busy + merge);
    let longest = tasks.iter().max().unwrap();
    println!(
        "{rows} rows, {} tasks: {:.1} ms in tasks, the longest {:.2} ms; {:.2} ms to merge a thread's grid, {:.1} ms that one thread does alone.\n",
        tasks.len(),
        ms(busy),
        ms(*longest),
        ms(merge),
        ms(alone),
    );
    println!(
        "| cores | tasks, ms | whole job, ms | cores busy in tasks | ahead of one |\n|---|---|---|---|---|"
    );
    for cores in [1u32, 2, 4, 8, 16, 32, 64] {
        let mut free = vec![Duration::ZERO; cores as usize];
        for task in &tasks {
            let next = free.iter_mut().min().unwrap();
            *next += *task;
        }
        let scan = *free.iter().max().unwrap();
        let whole = alone + scan + merge * (1 + cores.ilog2());
        println!(
            "| {cores} | {:.2} | {:.2} | {:.0} % | {:.1}x |",
            ms(scan),
            ms(whole),
            100.0 * busy.as_secs_f64() / (scan.as_secs_f64() * f64::from(cores)),
            wall.as_secs_f64() / whole.as_secs_f64(),
        );
    }
}

/// Adds the last file of a folder to a state that has all other files.
fn day(folder: &str) {
    let job_options = Job::default();
    let options = Options { threads: Some(2), ..Options::default() };
    let sources = [folder.to_owned()];
    let directory = tempfile::tempdir().unwrap();
    let with_state = |inputs: &[storage::Input], at: &Path| {
        state::scan(&job_options, &sources, inputs, &options, &NoProgress, &LocalFolder::new(at.to_owned()))
            .unwrap()
    };
    let list = || storage::discover(&sources, Semantics::Iso).unwrap().inputs;
    let old = directory.path().join("old");
    let first = {
        let mut inputs = list();
        inputs.pop();
        let begun = Instant::now();
        with_state(&inputs, &old);
        begun.elapsed()
    };
    let (mut full, mut listing, mut adding, mut same, mut finishing) =
        (vec![], vec![], vec![], vec![], vec![]);
    let mut files = 0;
    for round in 0..15 {
        full.push(job(folder, 2).0);
        let new = directory.path().join(format!("new{round}"));
        std::fs::create_dir(&new).unwrap();
        for entry in std::fs::read_dir(&old).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), new.join(entry.file_name())).unwrap();
        }
        let begun = Instant::now();
        let inputs = list();
        listing.push(begun.elapsed());
        files = inputs.len();
        let begun = Instant::now();
        let (with, _, reuse) = with_state(&inputs, &new);
        adding.push(begun.elapsed());
        assert_eq!((reuse.cached_files, reuse.new), (inputs.len() - 1, 1), "{reuse:?}");
        let begun = Instant::now();
        table::finish(&job_options, &with).unwrap();
        finishing.push(begun.elapsed());
        let begun = Instant::now();
        with_state(&inputs, &new);
        same.push(begun.elapsed());
        assert_eq!(with, scan::scan(&job_options, &list(), &options, &NoProgress).unwrap().0);
    }
    let [full, listing, adding, same, finishing] = [full, listing, adding, same, finishing].map(median);
    println!("{files} files, two threads.\n\n| what | ms |\n|---|---|");
    println!("| the whole job without state | {:.2} |", ms(full));
    println!("| the first run with a state: all but one file | {:.2} |", ms(first));
    println!("| listing the files | {:.2} |", ms(listing));
    println!("| adding a day: state read, one file read, state written | {:.2} |", ms(adding));
    println!("| nothing new: state read | {:.2} |", ms(same));
    println!("| windows and table | {:.2} |", ms(finishing));
    println!(
        "\nAdding a day costs 1/{:.0} of the whole job; with listing and table 1/{:.1}.",
        full.as_secs_f64() / adding.as_secs_f64(),
        full.as_secs_f64() / (listing + adding + finishing).as_secs_f64(),
    );
}

/// Current resident memory without mapped file pages, in bytes.
fn anonymous() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("RssAnon:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn rows(sources: &[&str]) {
    println!(
        "| rows | 1 thread, ms | 2 threads, ms | ns a row, 2 threads | two ahead of one | anonymous memory, MiB |\n|---|---|---|---|---|---|"
    );
    for source in sources {
        let repeats = 5;
        let (_, _, rows) = job(source, 2);
        let (most, done) = (std::sync::atomic::AtomicU64::new(0), std::sync::atomic::AtomicBool::new(false));
        let [one, two] = std::thread::scope(|scope| {
            use std::sync::atomic::Ordering::Relaxed;
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    most.fetch_max(anonymous(), Relaxed);
                    std::thread::sleep(Duration::from_micros(500));
                }
            });
            let times = [1, 2].map(|threads| median((0..repeats).map(|_| job(source, threads).0).collect()));
            done.store(true, Relaxed);
            times
        });
        println!(
            "| {rows} | {:.1} | {:.1} | {:.2} | {:.2}x | {:.1} |",
            ms(one),
            ms(two),
            two.as_secs_f64() * 1e9 / rows as f64,
            one.as_secs_f64() / two.as_secs_f64(),
            most.into_inner() as f64 / f64::from(1 << 20),
        );
    }
}
