//! The real export, which is not part of this repository.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::PathBuf;

use rollshare::internals::scan::{self, NoProgress};
use rollshare::internals::storage;
use rollshare::internals::table;
use rollshare::{Job, Semantics};

mod expected;

const VARIABLE: &str = "ROLLSHARE_REAL_EXPORT";
const EXPECTED: [(Semantics, &str); 2] =
    [(Semantics::Iso, "expected_iso.csv"), (Semantics::Legacy, "expected_legacy.csv")];

/// The path of the parquet file, and its folder.
fn find() -> (PathBuf, PathBuf) {
    let folder = std::env::var_os(VARIABLE).map(PathBuf::from).expect(VARIABLE);
    let entries = std::fs::read_dir(&folder).expect(VARIABLE).map(|e| e.unwrap().path());
    let file = entries.into_iter().find(|p| p.extension().is_some_and(|e| e == "parquet"));
    (file.expect("a parquet file in the folder"), folder)
}

#[test]
#[ignore = "the real export is not part of this repository; set ROLLSHARE_REAL_EXPORT to a folder with its parquet \
            file, expected_iso.csv and expected_legacy.csv, and run with --ignored"]
fn the_real_export_gives_the_expected_tables() {
    let (file, folder) = find();
    for (semantics, answer) in EXPECTED {
        let job = Job { semantics, ..Job::default() }.validated().unwrap();
        let found = storage::discover(&[file.to_string_lossy().into_owned()], semantics).unwrap();
        let (partial, _) = scan::scan(&job, &found.inputs, &scan::Options::default(), &NoProgress).unwrap();
        let mut got = expected::rows(&table::finish(&job, &partial).unwrap());
        let want = expected::read(&folder.join(answer));
        if semantics == Semantics::Legacy {
            got.sort_by_key(expected::Row::key);
        }
        assert_eq!(got.len(), want.len(), "{answer}");
        for (got, want) in got.iter().zip(&want) {
            // The doubles must be identical, not only close.
            assert_eq!(got, want, "{answer}");
        }
    }
}
