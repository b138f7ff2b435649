//! The field: 48 exports of other shapes than the cube, each with a profile, arguments, and the expected table or error.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

mod expected;

#[derive(serde::Deserialize)]
struct Case {
    id: String,
    input: String,
    profile: String,
    arguments: Vec<String>,
    exit: i32,
    /// The table, where the exit code is 0.
    #[serde(default)]
    expected: String,
    /// What the error has to say, where it is not.
    #[serde(default)]
    must_say: Vec<String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/field")
}

fn cases() -> Vec<Case> {
    let manifest = std::fs::read(folder().join("manifest.json")).expect("tests/field/manifest.json");
    let cases: Vec<Case> = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(cases.len(), 48);
    cases
}

fn run(case: &Case, threads: usize) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollshare"));
    command.args(["run", "--target", "-", "--no-checks", "--threads", &threads.to_string()]);
    command.arg("--source").arg(folder().join(&case.input));
    command.arg("--profile").arg(folder().join(&case.profile));
    command.args(&case.arguments).env_remove("ROLLSHARE_THREADS").stdin(Stdio::null()).output().unwrap()
}

fn records(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

/// Equal text, or numbers that are equal within 1e-12 relative.
fn is_same(got: &str, want: &str) -> bool {
    let number = |cell: &str| cell.parse::<f64>().ok();
    got == want || number(want).is_some_and(|want| expected::same(number(got), Some(want)))
}

/// The first difference between two tables as CSV.
fn difference(got: &str, want: &str) -> Result<(), String> {
    let (got, want) = (records(got), records(want));
    for (at, (got, want)) in got.iter().zip(&want).enumerate() {
        if got.len() != want.len() || !got.iter().zip(want).all(|(got, want)| is_same(got, want)) {
            return Err(format!("line {at} is {got:?} instead of {want:?}"));
        }
    }
    if got.len() == want.len() {
        Ok(())
    } else {
        Err(format!("{} lines instead of {}", got.len(), want.len()))
    }
}

fn check(case: &Case, output: &Output) -> Result<(), String> {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() != Some(case.exit) {
        return Err(format!("{} instead of {}: {stderr}", output.status, case.exit));
    }
    if case.exit == 0 {
        return difference(&stdout, &std::fs::read_to_string(folder().join(&case.expected)).unwrap());
    }
    if let Some(word) = case.must_say.iter().find(|word| !stderr.contains(*word)) {
        return Err(format!("the error does not say '{word}': {stderr}"));
    }
    if stdout.is_empty() { Ok(()) } else { Err(format!("an error with output: {stdout}")) }
}

#[test]
fn every_export_gives_its_table_or_its_error() {
    let mut failures = vec![];
    for case in cases() {
        for threads in [1, 2] {
            let outcome = check(&case, &run(&case, threads));
            failures.extend(outcome.err().map(|why| format!("{}, {threads} threads: {why}", case.id)));
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

/// Without `--allow-empty` a run whose table would be empty fails; with it the header alone is printed.
#[test]
fn an_empty_table_has_to_be_allowed() {
    for mut case in cases().into_iter().filter(|case| case.id == "zero_rows") {
        case.arguments.push("--allow-empty".into());
        let output = run(&case, 1);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(records(&String::from_utf8_lossy(&output.stdout)).len(), 1);
    }
}
