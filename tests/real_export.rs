//! The real export, which is not part of this repository.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};

use rollshare::scan::{self, Silent};
use rollshare::{Job, Semantics, storage, table};

mod expected;

const VARIABLE: &str = "ROLLSHARE_REAL_EXPORT";
const EXPECTED: [(Semantics, &str); 2] =
    [(Semantics::Iso, "expected_iso.csv"), (Semantics::Legacy, "expected_legacy.csv")];

/// The parquet file and the folder that it lies in.
fn find() -> Option<(PathBuf, PathBuf)> {
    let named = std::env::var_os(VARIABLE).map(PathBuf::from);
    let folder =
        named.clone().unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"));
    let file = std::fs::read_dir(&folder).ok().and_then(|entries| {
        let mut paths = entries.filter_map(|e| Some(e.ok()?.path()));
        paths.find(|p| p.extension().is_some_and(|e| e == "parquet"))
    });
    // Whoever names a folder wants the test to run.
    assert!(named.is_none() || file.is_some(), "{VARIABLE}: no parquet file in {}", folder.display());
    Some((file?, folder))
}

#[test]
fn the_real_export_gives_the_expected_tables() {
    let Some((file, folder)) = find() else {
        // Straight to the stream: the harness would swallow eprintln.
        use std::io::Write;
        let _ = writeln!(
            std::io::stderr(),
            "NOT RUN: the real export is not here. It is no part of this repository; set {VARIABLE} to a \
             folder that holds its parquet file, expected_iso.csv and expected_legacy.csv."
        );
        return;
    };
    for (semantics, answer) in EXPECTED {
        let job = Job { semantics, ..Job::default() }.validated().unwrap();
        let found = storage::discover(&[file.to_string_lossy().into_owned()], semantics).unwrap();
        let (partial, _) = scan::scan(&job, &found.inputs, &scan::Options::default(), &Silent).unwrap();
        let mut got = expected::rows(&table::finish(&job, &partial).unwrap());
        let want = expected::read(&folder.join(answer));
        if semantics == Semantics::Legacy {
            got.sort_by_key(expected::Row::key);
        }
        assert_eq!(got.len(), want.len(), "{answer}");
        for (got, want) in got.iter().zip(&want) {
            // The same doubles, not just close ones.
            assert_eq!(got, want, "{answer}");
        }
    }
}
