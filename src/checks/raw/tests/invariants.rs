//! Threads, the order of row groups, the split into files, and progress callbacks do not change the results.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::super::{CheckId, Config, Results};
use super::super::counts::Counts;
use super::super::cube::Tally;
use super::super::{Thoroughness, count_rows, run_with};
use super::faults::kinds;
use super::sample::{COUNTRIES, LAYOUTS, Layout, Random, Row, clean, config, cube, file};
use super::some_nulls;
use crate::scan::{NoProgress, Phase, Progress, pool};
use crate::storage::Input;
use crate::{Error, Job};

/// The results to compare.
#[derive(PartialEq)]
struct Seen {
    results: Results,
    counts: Option<Counts>,
    cube: Option<String>,
}

impl Seen {
    fn of(config: &Config, inputs: &[Input], thoroughness: Thoroughness) -> Self {
        let raw = run_with(&Job::default(), config, inputs, &NoProgress, thoroughness).unwrap();
        let results = Results::judge(config, raw.findings);
        Seen { results, counts: raw.counts, cube: raw.cube.map(|cube| format!("{cube:?}")) }
    }

    /// The same without the positions of rows, which differ in another order.
    fn anywhere(config: &Config, inputs: &[Input], thoroughness: Thoroughness) -> Self {
        let mut raw = run_with(&Job::default(), config, inputs, &NoProgress, thoroughness).unwrap();
        // Columns are counted file by file.
        raw.findings.retain(|(id, _)| *id != CheckId::Columns);
        for (id, finding) in &mut raw.findings {
            if let Ok(finding) = finding {
                finding.offenders.clear();
                // It names the files of rows that repeat.
                if *id == CheckId::DuplicateRows {
                    finding.note.clear();
                }
                finding.finding.clear();
            }
        }
        let results = Results::judge(config, raw.findings);
        let cube = raw.cube.map(|mut cube| {
            let Tally { n, count, .. } = std::mem::take(&mut cube.duplicates);
            format!("{n} {count} {cube:?}")
        });
        Seen { results, counts: raw.counts, cube }
    }
}

/// Rows with and without faults, and one table that is large enough for work to be shared out.
fn tables() -> Vec<(Config, Vec<Row>)> {
    let mut tables = Vec::new();
    for seed in 0..24 {
        let mut random = Random(seed);
        let mut rows = clean(&mut random);
        let config = config(&rows);
        let kinds = kinds();
        if seed % 4 != 0 {
            (kinds[random.below(kinds.len())].plant)(&mut rows, &mut random);
        }
        if seed % 4 == 3 {
            some_nulls(&mut rows, &mut random);
        }
        tables.push((config, rows));
    }
    let rows = cube(150, &COUNTRIES, 6, &mut Random(5));
    tables.push((config(&rows), rows));
    tables
}

const BOTH: [Thoroughness; 2] = [Thoroughness::Dictionaries, Thoroughness::Counting];

#[test]
fn any_number_of_threads_gives_the_same() {
    for (at, (config, rows)) in tables().iter().enumerate() {
        let (one, other) = rows.split_at(rows.len() / 3);
        let layout = LAYOUTS[at % LAYOUTS.len()];
        let inputs = [file("x.parquet", one, layout), file("y.parquet", other, layout)];
        for thoroughness in BOTH {
            let seen = |threads| pool(threads).unwrap().install(|| Seen::of(config, &inputs, thoroughness));
            let alone = seen(1);
            for threads in [2, 3, 8] {
                assert!(seen(threads) == alone, "table {at}, {threads} threads");
            }
        }
    }
}

#[test]
fn any_order_of_row_groups_and_any_split_into_files_give_the_same() {
    for (at, (config, rows)) in tables().iter().enumerate() {
        let mut random = Random(at as u64);
        let layout = Layout { group: 64, ..LAYOUTS[at % LAYOUTS.len()] };
        for thoroughness in BOTH {
            let expected = Seen::anywhere(config, &[file("x.parquet", rows, layout)], thoroughness);
            for files in [1, 2, 5] {
                let mut groups: Vec<&[Row]> = rows.chunks(layout.group).collect();
                for last in (1..groups.len()).rev() {
                    groups.swap(last, random.below(last + 1));
                }
                let each = groups.len().div_ceil(files);
                let inputs: Vec<Input> = (groups.chunks(each).enumerate())
                    .map(|(n, groups)| file(&format!("{n}.parquet"), &groups.concat(), layout))
                    .collect();
                let seen = pool(2).unwrap().install(|| Seen::anywhere(config, &inputs, thoroughness));
                assert!(seen == expected, "table {at}, {files} files");
            }
        }
    }
}

/// Records the reported progress; requests cancellation after some checks.
#[derive(Default)]
struct Recorder {
    begun: Mutex<Vec<(Phase, u64)>>,
    done: AtomicU64,
    checks: AtomicU64,
    cancel_after: Option<u64>,
}

impl Progress for Recorder {
    fn begin(&self, work: Phase, bytes: u64) {
        assert_eq!(self.done.load(Ordering::Relaxed), 0);
        self.begun.lock().unwrap().push((work, bytes));
    }

    fn advance(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    fn interrupted(&self) -> bool {
        let checks = self.checks.fetch_add(1, Ordering::Relaxed);
        self.cancel_after.is_some_and(|cancel_after| checks >= cancel_after)
    }
}

impl Recorder {
    /// Asserts that exactly the announced bytes were reported as done.
    fn assert_all_done(&self) {
        let begun = self.begun.lock().unwrap();
        let [(Phase::Check, bytes)] = begun[..] else { panic!("{begun:?}") };
        assert!(bytes > 0);
        assert_eq!(self.done.load(Ordering::Relaxed), bytes);
    }
}

#[test]
fn all_bytes_of_the_passes_are_reported_once() {
    for (at, (config, rows)) in tables().iter().enumerate() {
        let inputs = [file("x.parquet", rows, LAYOUTS[at % LAYOUTS.len()])];
        for thoroughness in BOTH {
            let recorder = Recorder::default();
            run_with(&Job::default(), config, &inputs, &recorder, thoroughness).unwrap();
            recorder.assert_all_done();
        }
        let recorder = Recorder::default();
        count_rows(&Job::default(), config, &inputs, &recorder).unwrap();
        recorder.assert_all_done();
    }
}

#[test]
fn cancellation_ends_the_checks_at_every_point() {
    let mut rows = cube(400, &COUNTRIES, 6, &mut Random(8));
    let config = config(&rows);
    // A violation to be located at the end.
    rows.last_mut().unwrap().value = Some(-1.0);
    let inputs = [file("x.parquet", &rows, Layout { group: 1 << 20, ..LAYOUTS[0] })];
    // One thread, so that no other thread checks for cancellation meanwhile.
    let pool = pool(1).unwrap();
    for thoroughness in BOTH {
        let run = |recorder: &Recorder| {
            pool.install(|| run_with(&Job::default(), &config, &inputs, recorder, thoroughness))
                .map(|raw| raw.findings)
        };
        let recorder = Recorder::default();
        let findings = run(&recorder).unwrap();
        assert!(findings.iter().any(|(id, found)| {
            *id == CheckId::ValueNegative && found.as_ref().is_ok_and(|found| found.observed == 1.0)
        }));
        // One row range: checked between its columns, in the cube, and before rows are located.
        let checks_in_all = recorder.checks.into_inner();
        assert!(checks_in_all >= 8, "{checks_in_all}");
        for cancel_after in 0..checks_in_all {
            let recorder = Recorder { cancel_after: Some(cancel_after), ..Recorder::default() };
            assert!(matches!(run(&recorder), Err(Error::Interrupted)), "{cancel_after} of {checks_in_all}");
            assert_eq!(recorder.checks.into_inner(), cancel_after + 1);
        }
    }
}
