//! The cases: 127 small inputs, each with the expected results of both semantics.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rollshare::internals::scan::{self, NoProgress};
use rollshare::internals::storage;
use rollshare::internals::table;
use rollshare::{Error, Job, Semantics};

mod expected;

use expected::Row;

#[derive(serde::Deserialize)]
struct Case {
    id: String,
    input: String,
    iso_status: String,
    legacy_status: String,
}

/// Cases where the original fails on good input, and `legacy` gives the correct result.
const KINDER: [&str; 10] = [
    "all_start_date_null",
    "only_organic",
    "only_nonorganic",
    "only_country_ALL",
    "no_os_all",
    "zero_rows",
    "single_row_monday",
    "two_rows_monday",
    "value_float16",
    "hive_numeric_country",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

fn cases() -> Vec<Case> {
    let manifest = std::fs::read(folder().join("manifest.json")).expect("tests/cases/manifest.json");
    let cases: Vec<Case> = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(cases.len(), 127);
    // An empty folder cannot be checked in.
    std::fs::create_dir_all(folder().join("dir_empty/input")).unwrap();
    cases
}

fn run(input: &str, semantics: Semantics) -> rollshare::Result<Vec<Row>> {
    let job = Job { semantics, ..Job::default() }.validated()?;
    let source = folder().join(input).to_string_lossy().into_owned();
    let found = storage::discover(&[source], semantics)?;
    let (partial, _) = scan::scan(&job, &found.inputs, &scan::Options::default(), &NoProgress)?;
    partial.account.check()?;
    Ok(expected::rows(&table::finish(&job, &partial)?))
}

fn expectation(case: &Case, semantics: Semantics) -> Option<Vec<Row>> {
    let (status, file) = match semantics {
        Semantics::Iso => (&case.iso_status, "expected_iso.csv"),
        Semantics::Legacy => (&case.legacy_status, "expected_legacy.csv"),
    };
    (status == "ok").then(|| expected::read(&folder().join(&case.id).join(file)))
}

fn report(failures: &[String]) {
    assert!(failures.is_empty(), "{} cases differ:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn iso_gives_the_expected_rows_in_order() {
    let mut failures = vec![];
    let mut compared = 0;
    for case in cases() {
        let Some(want) = expectation(&case, Semantics::Iso) else { continue };
        compared += 1;
        match run(&case.input, Semantics::Iso) {
            Err(e) => failures.push(format!("{}: {e}", case.id)),
            Ok(got) => {
                failures.extend(expected::difference(&got, &want).map(|d| format!("{}: {d}", case.id)))
            }
        }
    }
    report(&failures);
    assert_eq!(compared, 93);
}

#[test]
fn legacy_reproduces_the_original() {
    let mut failures = vec![];
    let mut compared = 0;
    for case in cases() {
        let Some(mut want) = expectation(&case, Semantics::Legacy) else { continue };
        compared += 1;
        match run(&case.input, Semantics::Legacy) {
            Err(e) => failures.push(format!("{}: {e}", case.id)),
            Ok(mut got) => {
                got.sort_by_key(Row::key);
                want.sort_by_key(Row::key);
                failures.extend(expected::difference(&got, &want).map(|d| format!("{}: {d}", case.id)));
            }
        }
    }
    report(&failures);
    assert_eq!(compared, 98);
}

/// Checks the kind of an error, and that its text has the required names.
fn check_error(id: &str, error: &Error) -> Result<(), String> {
    let (kind, names): (bool, &[&str]) = match id {
        "null_year_week" => (matches!(error, Error::Data(_)), &["input.parquet", "year_week", "null", "row"]),
        _ if id.starts_with("yw_") => {
            (matches!(error, Error::Data(_)), &["input.parquet", "year_week", "row"])
        }
        "value_string" | "value_bool" | "value_null_type" | "no_value" => {
            (matches!(error, Error::Data(_)), &["input.parquet", "value"])
        }
        "no_country" => (matches!(error, Error::Data(_)), &["input.parquet", "country"]),
        "no_name" => (matches!(error, Error::Data(_)), &["input.parquet", "name"]),
        "no_year_week" => (matches!(error, Error::Data(_)), &["input.parquet", "year_week"]),
        "no_start_date" => (matches!(error, Error::Data(_)), &["input.parquet", "start_date"]),
        "dir_junk_file" => (matches!(error, Error::Format(_)), &["README.txt"]),
        // Empty files are found when files are listed, before parquet is read: an unfinished export.
        "dir_zero_byte_part" => (matches!(error, Error::Data(_)), &["part-1.parquet", "zero-byte"]),
        "empty_file" => (matches!(error, Error::Data(_)), &["input.parquet", "zero-byte"]),
        "truncated" => (matches!(error, Error::Format(_)), &["input.parquet"]),
        "encrypted_magic" => (matches!(error, Error::Unsupported(_)), &["input.parquet", "encrypted"]),
        "dir_empty" | "dir_only_success" | "missing_path" => (matches!(error, Error::NotFound(_)), &[id]),
        other => return Err(format!("no rule for {other}")),
    };
    let text = error.to_string();
    if !kind {
        return Err(format!("wrong kind of error: {error:?}"));
    }
    names.iter().try_for_each(|name| {
        text.contains(name).then_some(()).ok_or_else(|| format!("'{name}' is not named in: {text}"))
    })
}

/// Checks the errors of all cases that must fail; returns their number.
fn check_errors(semantics: Semantics) -> usize {
    let mut failures = vec![];
    let mut seen = 0;
    for case in cases() {
        let kinder = semantics == Semantics::Legacy && KINDER.contains(&case.id.as_str());
        if kinder || expectation(&case, semantics).is_some() {
            continue;
        }
        seen += 1;
        match run(&case.input, semantics) {
            Ok(rows) => failures.push(format!("{}: no error, but {} rows", case.id, rows.len())),
            Err(e) => failures.extend(check_error(&case.id, &e).err().map(|d| format!("{}: {d}", case.id))),
        }
    }
    report(&failures);
    seen
}

#[test]
fn iso_errors_are_of_the_right_kind_and_name_the_file() {
    assert_eq!(check_errors(Semantics::Iso), 34);
}

#[test]
fn legacy_errors_are_of_the_right_kind_and_name_the_file() {
    assert_eq!(check_errors(Semantics::Legacy), 127 - 98 - KINDER.len());
}

/// Runs the program: exit code 3 for bad input, and the target's folder stays empty.
#[cfg(feature = "cli")]
#[test]
fn errors_publish_nothing() {
    let mut failures = vec![];
    for case in cases().iter().filter(|c| c.iso_status != "ok") {
        let target = tempfile::tempdir().unwrap();
        let run = std::process::Command::new(env!("CARGO_BIN_EXE_rollshare"))
            .args(["run", "--no-checks", "--source"])
            .arg(folder().join(&case.input))
            .arg("--target")
            .arg(target.path().join("out.parquet"))
            .output()
            .unwrap();
        if run.status.code() != Some(3) {
            failures.push(format!("{}: {:?}", case.id, run.status));
        }
        if std::fs::read_dir(target.path()).unwrap().next().is_some() {
            failures.push(format!("{}: something was written", case.id));
        }
    }
    report(&failures);
}

/// An error quotes a wrong label unchanged, so that it can be searched for.
#[test]
fn a_wrong_label_is_quoted() {
    for (id, label) in [
        ("yw_dash", "2021-19"),
        ("yw_one_digit", "2021_5"),
        ("yw_trail_space", "2021_19 "),
        ("yw_week54", "2021_54"),
        ("yw_arabic_digits", "٢٠٢١_١٩"),
        ("yw_text", "n/a"),
    ] {
        let error = run(&format!("{id}/input.parquet"), Semantics::Iso).expect_err(id);
        assert!(error.to_string().contains(label), "{id}: {error}");
    }
}

/// The labels of 2021 are the same in both semantics, and none of these inputs crosses a
/// new year: rows of `legacy` that `iso` has too must have the same share.
#[test]
fn legacy_gives_shares_where_the_original_failed_on_good_input() {
    let mut failures = vec![];
    for id in KINDER {
        let case = cases().into_iter().find(|c| c.id == id).expect(id);
        let iso: BTreeMap<_, _> =
            expectation(&case, Semantics::Iso).expect(id).iter().map(|r| (r.key(), r.share)).collect();
        let legacy = match run(&case.input, Semantics::Legacy) {
            Ok(rows) => rows,
            Err(e) => {
                failures.push(format!("{id}: {e}"));
                continue;
            }
        };
        // Without total rows of systems, iso sums all rows; the original job counts total rows alone.
        if id == "no_os_all" {
            if legacy.iter().any(|row| row.share.is_some()) {
                failures.push(format!("{id}: {legacy:?}"));
            }
            continue;
        }
        let has_rows = !iso.is_empty();
        let mut shared = 0;
        for row in &legacy {
            match iso.get(&row.key()) {
                Some(share) if !expected::same(row.share, *share) => {
                    failures.push(format!("{id}: {row:?}, but iso gives {share:?}"));
                }
                Some(_) => shared += 1,
                // A row that iso lacks can only be a filler, which has no users.
                None if !has_rows && row.share.is_some() => {
                    failures.push(format!("{id}: iso has no rows, legacy has {row:?}"));
                }
                None => {}
            }
        }
        if shared != iso.len() {
            failures.push(format!("{id}: {shared} of iso's {} rows", iso.len()));
        }
    }
    report(&failures);
}
