//! Memory does not grow with the number of files, but for their names, versions and footers.

use std::fs;
use std::path::Path;

use rollshare::internals::pipeline::{Checks, RunOptions, run};
use rollshare::internals::sample::{self, Layout};
use rollshare::internals::scan::NoProgress;

use super::{ALONE, allocations};

/// Rows of a file.
const ROWS: u64 = 20;
/// Rows of a file with all days, countries and channels: beside it, sums of one day take tens of kilobytes.
const ROWS_WIDE: u64 = 20_000;
/// The most bytes that a run may allocate for one file more: its name, version and paths (0.9 KB); with checks also its
/// footer (ten columns) and the hashes of its rows, which all repeat (1 KB); with a state two entries.
const BYTES_A_FILE: usize = 4_500;

/// The peak of the bytes that a run allocates.
fn peak(source: &Path, checks: Checks, state: Option<&Path>) -> usize {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let options = RunOptions {
        sources: vec![text(source)],
        state: state.map(text),
        checks,
        threads: Some(2),
        ..RunOptions::default()
    };
    let before = allocations::start();
    let ran = run(&options, &NoProgress).unwrap();
    let peak = allocations::peak().saturating_sub(before);
    assert_eq!((ran.report.files as u64 - 1) * ROWS + ROWS_WIDE, ran.report.account.unwrap().rows);
    peak
}

#[test]
fn the_memory_of_a_run_hardly_grows_with_its_files() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.parquet");
    let wide = dir.path().join("wide.parquet");
    for (path, rows) in [(&file, ROWS), (&wide, ROWS_WIDE)] {
        sample::write(&sample::Options { rows, layout: Layout::Export, seed: 1 }, path, &NoProgress).unwrap();
    }
    // More than are opened, or whose facts are kept, at a time.
    let counts = [2_100, 4_200];
    let sources = counts.map(|count| {
        let folder = dir.path().join(count.to_string());
        fs::create_dir(&folder).unwrap();
        fs::hard_link(&wide, folder.join("wide.parquet")).unwrap();
        for at in 0..count {
            fs::hard_link(&file, folder.join(format!("{at:04}.parquet"))).unwrap();
        }
        folder
    });
    for (what, checks, with_state) in [
        ("without checks", Checks::Off, false),
        ("with checks", Checks::WarnOnly, false),
        ("with a state", Checks::Off, true),
        ("with both", Checks::WarnOnly, true),
    ] {
        let [few, many] = [0, 1].map(|at| {
            let state = dir.path().join(format!("state {what} {at}"));
            // What is allocated once a process is not of the first run measured.
            if at == 0 {
                peak(&sources[0], checks, None);
            }
            peak(&sources[at], checks, with_state.then_some(&*state))
        });
        let of_one = many.saturating_sub(few) / (counts[1] - counts[0]);
        println!("{what}: {few} bytes, {many} bytes: {of_one} a file");
        assert!(of_one <= BYTES_A_FILE, "{what}: {of_one} bytes a file");
    }
}
