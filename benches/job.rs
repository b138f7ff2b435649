//! Whole jobs: open files, scan, compute windows and the table. Every kernel path by
//! its name, and the path that the scan chooses for each page, on one and two threads.
//!
//! Data: the generated sample (seed 1), in export and in random order, 2 million
//! rows unless `ROLLSHARE_BENCH_ROWS` is set. The table of each run is compared with
//! that of the row-by-row path.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rollshare::Job;
use rollshare::internals::kernel::ScanPath;
use rollshare::internals::sample::Layout;
use rollshare::internals::scan::{self, NoProgress, Options};
use rollshare::internals::storage::Input;
use rollshare::internals::table::{self, Table};

mod samples;

fn run(inputs: &[Input], threads: usize, path: Option<ScanPath>) -> Table {
    let job = Job::default();
    let options = Options { threads: Some(threads), path };
    let (partial, _) = scan::scan(&job, inputs, &options, &NoProgress).unwrap();
    assert_eq!(partial.account.rows, samples::rows());
    table::finish(&job, &partial).unwrap()
}

fn jobs(c: &mut Criterion) {
    for layout in [Layout::Export, Layout::Shuffled] {
        let inputs = samples::inputs(layout);
        let want = run(&inputs, 1, Some(ScanPath::Scalar));
        let mut group = c.benchmark_group(format!("job/{layout}"));
        group.throughput(Throughput::Elements(samples::rows())).sample_size(20);
        let ways = [
            ("runs", Some(ScanPath::Runs), 1),
            ("bitmap", Some(ScanPath::Bitmap), 1),
            ("scalar", Some(ScanPath::Scalar), 1),
            ("chosen", None, 1),
            ("chosen", None, 2),
        ];
        for (name, path, threads) in ways {
            group.bench_function(BenchmarkId::new(name, threads), |b| {
                b.iter(|| assert!(run(&inputs, threads, path) == want));
            });
        }
    }
}

criterion_group!(benches, jobs);
criterion_main!(benches);
