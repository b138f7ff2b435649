//! Comparisons of an old job's output with the correct table.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::Path;

use rollshare::internals::compare::{Cause, Comparison, compare};
use rollshare::internals::publish::{Target, TargetLock, publish};
use rollshare::internals::scan::{self, NoProgress, Options};
use rollshare::internals::storage;
use rollshare::internals::table;
use rollshare::{Job, Semantics};

/// Publishes the output that the old job would have written; returns its folder.
fn old_output(source: &Path, folder: &Path) -> String {
    let job = Job { semantics: Semantics::Legacy, ..Job::default() };
    let found = storage::discover(&[source.to_string_lossy().into_owned()], Semantics::Legacy).unwrap();
    let (partial, _) = scan::scan(&job, &found.inputs, &Options::default(), &NoProgress).unwrap();
    let target = format!("{}/old/", folder.display());
    let to = Target::parse(&target).unwrap();
    publish(&to, &TargetLock::acquire(&to).unwrap(), &table::finish(&job, &partial).unwrap()).unwrap();
    target
}

fn compare_with(source: &Path, against: &str) -> Comparison {
    let sources = [source.to_string_lossy().into_owned()];
    compare(&Job::default(), &sources, against, &Options::default(), &NoProgress).unwrap()
}

fn case(name: &str) -> std::path::PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name);
    ["input.parquet", "input"].map(|input| folder.join(input)).into_iter().find(|p| p.exists()).unwrap()
}

fn causes(name: &str) -> BTreeMap<Cause, usize> {
    let folder = tempfile::tempdir().unwrap();
    let source = case(name);
    let found = compare_with(&source, &old_output(&source, folder.path()));
    let mut causes = BTreeMap::new();
    for row in found.differences {
        assert!(row.sentence.starts_with("your dashboard"), "{}", row.sentence);
        *causes.entry(row.cause).or_default() += 1;
    }
    causes
}

#[test]
fn equal_rows_are_not_differences() {
    let found = causes("base");
    assert!(found.keys().all(|cause| *cause != Cause::OtherSource), "{found:?}");
}

#[test]
fn each_case_has_its_cause() {
    for (name, cause) in [
        ("year_boundary_53", Cause::NewYear),
        ("gap_over_new_year", Cause::LabelOffByOne),
        ("yw_week00", Cause::WrongInput),
        ("yw_week54", Cause::WrongInput),
        ("yw_one_digit", Cause::WrongInput),
        ("nan_values", Cause::WrongInput),
    ] {
        let found = causes(name);
        assert!(found.contains_key(&cause), "{name}: {found:?}");
        assert!(!found.contains_key(&Cause::OtherSource), "{name}: {found:?}");
    }
}

#[test]
fn output_of_another_source_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let against = old_output(&case("base"), folder.path());
    let found = compare_with(&case("only_organic"), &against);
    assert!(found.differences.iter().any(|row| row.cause == Cause::OtherSource));
}

#[test]
fn a_file_that_is_not_an_output_is_an_error() {
    let source = case("base");
    let sources = [source.to_string_lossy().into_owned()];
    let error = compare(&Job::default(), &sources, &sources[0], &Options::default(), &NoProgress)
        .unwrap_err()
        .to_string();
    assert!(error.contains("no column 'year'") && error.contains("--against"), "{error}");
}

#[test]
#[ignore = "the real export is not in this repository; set ROLLSHARE_REAL_EXPORT to a folder with its parquet \
            file and legacy_vs_iso.csv, and run with --ignored"]
fn the_real_export_has_the_known_differences() {
    let folder =
        std::path::PathBuf::from(std::env::var_os("ROLLSHARE_REAL_EXPORT").expect("ROLLSHARE_REAL_EXPORT"));
    let source = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path());
    let source = source.into_iter().find(|p| p.extension().is_some_and(|e| e == "parquet")).unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let found = compare_with(&source, &old_output(&source, temporary.path()));
    let mut expected = Vec::new();
    let mut reader = csv::Reader::from_path(folder.join("legacy_vs_iso.csv")).unwrap();
    for row in reader.records() {
        let row = row.unwrap();
        let cause = match row[5].split(':').next().unwrap() {
            "bogus row" => Cause::BogusWeek,
            "year boundary" => Cause::NewYear,
            other => panic!("{other}"),
        };
        expected.push((
            row[2].to_owned(),
            row[0].parse::<i32>().unwrap(),
            row[1].parse::<i32>().unwrap(),
            row[3].parse::<f64>().ok(),
            row[4].parse::<f64>().ok(),
            cause,
        ));
    }
    expected.sort_by_key(|(country, year, week, ..)| (country.clone(), *year, *week));
    let got: Vec<_> = (found.differences.iter())
        .map(|d| (d.country.to_string(), d.year.unwrap(), d.week.unwrap(), d.published, d.right, d.cause))
        .collect();
    assert_eq!(got, expected);
    let sentences: Vec<&str> = found.differences.iter().map(|d| d.sentence.as_str()).collect();
    let sentence = "your dashboard showed GB 47.9 % in 2021_01; it was 45.5 %";
    assert!(sentences.contains(&sentence), "{sentences:#?}");
}
