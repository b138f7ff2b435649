//! The cost of the checks on the rows, relative to the job without them.
//!
//! ```text
//! cargo run --release --example checks_time -- SOURCE [REPEATS]
//! ```
//!
//! Runs in turn, each on newly opened files: the job alone; the checks on rows and
//! columns, then the job; all checks on the rows, then the job. Prints medians in
//! milliseconds of wall time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cast_precision_loss)]

use std::time::Instant;

use rollshare::internals::checks::results::check_rows;
use rollshare::internals::checks::{Config, raw};
use rollshare::internals::scan::{self, NoProgress, Options};
use rollshare::internals::storage::{self, Input};
use rollshare::internals::table;
use rollshare::{Job, Semantics};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let source = arguments.next().expect("checks_time SOURCE [REPEATS]");
    let repeats: usize = arguments.next().map_or(15, |text| text.parse().expect("a number of repeats"));
    let (job, config) = (Job::default(), Config::default());
    let run = |before: &dyn Fn(&[Input])| {
        let start = Instant::now();
        let found =
            storage::discover(std::slice::from_ref(&source), Semantics::Iso).expect("the source is there");
        before(&found.inputs);
        let (partial, _) =
            scan::scan(&job, &found.inputs, &Options::default(), &NoProgress).expect("the job runs");
        let answer = table::finish(&job, &partial).expect("the table is made");
        (start.elapsed().as_secs_f64() * 1e3, answer)
    };
    type Way<'w> = (&'w str, &'w dyn Fn(&[Input]));
    let ways: [Way<'_>; 3] = [
        ("job", &|_| {}),
        ("checks on rows and columns, job", &|inputs| {
            raw::count_rows(&job, &config, inputs, &NoProgress).expect("the rows are counted");
        }),
        ("all checks on the rows, job", &|inputs| {
            let (results, _) = check_rows(&job, &config, inputs, &NoProgress).expect("the rows are checked");
            assert_eq!(results.verdict().exit_code(), 0, "{}", results.why());
        }),
    ];
    let (_, answer) = run(&|_| {});
    let mut times = vec![Vec::new(); ways.len()];
    for _ in 0..repeats {
        for ((_, before), times) in ways.iter().zip(&mut times) {
            let (time, again) = run(before);
            assert!(again == answer, "the answer changes from run to run");
            times.push(time);
        }
    }
    let mut bare = None;
    for ((name, _), mut times) in ways.iter().zip(times) {
        times.sort_by(f64::total_cmp);
        let median = times.get(times.len() / 2).copied().unwrap_or(f64::NAN);
        let bare = *bare.get_or_insert(median);
        println!("{median:8.1} ms  {:5.2}x  {name}", median / bare);
    }
}
