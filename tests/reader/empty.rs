//! Columns of the null type, and files without rows.

use rollshare::internals::publish;
use rollshare::internals::table as shares;
use rollshare::{Grain, Job, Semantics};

use super::cases::{Cases, scan};
use super::oracle::Row;
use super::types::logical;
use super::writer::file::{BYTE_ARRAY, DOUBLE, File, INT32, leaf};
use super::writer::pages::Layout;
use super::writer::table::{self, LAYOUTS, rows};
use super::writer::thrift::Struct;

/// A column of a data frame with only nulls: `UNKNOWN` (`parquet.thrift`, `NullType`).
fn null_type(file: &mut File, name: &str, physical: i32, layout: &Layout) {
    let rows = file.groups.iter().map(|group| group.rows).sum();
    file.replace(name, leaf(name, physical).with(10, logical("UNKNOWN")), &vec![None; rows], layout);
}

/// The rows with null in a column.
fn without(name: &str) -> Vec<Row> {
    let mut rows = rows();
    for row in &mut rows {
        match name {
            "name" => row.name = None,
            "country" => row.country = None,
            "os_name" => row.os_name = None,
            other => panic!("{other}"),
        }
    }
    rows
}

#[test]
fn string_columns_of_the_null_type() {
    let mut cases = Cases::default();
    for name in ["name", "country", "os_name"] {
        let rows = without(name);
        cases.add_rows(&format!("{name} null throughout"), &rows, |_, _| ());
        for (physical, id) in [("INT32", INT32), ("BYTE_ARRAY", BYTE_ARRAY)] {
            cases.add_rows(&format!("{name} of the null type, {physical}"), &rows, |file, layout| {
                null_type(file, name, id, layout);
            });
        }
    }
    cases.finish();
}

#[test]
fn one_file_of_several_with_a_column_of_the_null_type() {
    let mut cases = Cases::default();
    for (at, layout) in LAYOUTS.iter().enumerate() {
        for column in ["name", "country", "os_name"] {
            let whole = table::file(&rows(), layout).bytes();
            let mut file = table::file(&without(column), layout);
            null_type(&mut file, column, INT32, layout);
            let part = file.bytes();
            let all = [rows(), without(column), rows()].concat();
            let name = format!("{column} of the null type in a file, layout {at}");
            cases.add_files(&format!("{name}, second"), &[whole.clone(), part.clone(), whole.clone()], &all);
            cases.add_files(&format!("{name}, first"), &[part, whole.clone(), whole], &all);
        }
    }
    cases.finish();
}

/// Weeks of the null type are treated as null weeks: an error where a row counts, and ignored
/// where none does.
#[test]
fn weeks_of_the_null_type() {
    let mut cases = Cases::default();
    let null_weeks = |mut rows: Vec<Row>| {
        rows.iter_mut().for_each(|row| row.year_week = None);
        rows
    };
    let totals = |mut rows: Vec<Row>| {
        for row in &mut rows {
            (row.os_name, row.country) = (Some("all".into()), Some("ALL".into()));
        }
        rows
    };
    cases.add_rows("null weeks of rows that do not count", &null_weeks(totals(rows())), |file, layout| {
        null_type(file, "year_week", INT32, layout);
    });
    cases.finish();
    for layout in &LAYOUTS {
        let error = |null_type: &dyn Fn(&mut File)| {
            let mut file = table::file(&null_weeks(rows()), layout);
            null_type(&mut file);
            scan(&Job::default(), &[file.bytes()]).map(|_| ()).unwrap_err().to_string()
        };
        let strings = error(&|_| ());
        assert!(strings.contains("'year_week'") && strings.contains("null"), "{strings}");
        assert_eq!(error(&|file| null_type(file, "year_week", INT32, layout)), strings);
    }
}

/// Files without rows whose columns have other types or are missing.
fn without_rows() -> Vec<(&'static str, Vec<u8>)> {
    let layout = &LAYOUTS[0];
    let of_type = |groups: &[usize], leaf: &dyn Fn(&str) -> Struct| {
        let mut file = File::new(groups);
        ["name", "value", "year_week", "country", "os_name", "start_date"]
            .iter()
            .for_each(|name| file.add(leaf(name), &[], layout));
        file.bytes()
    };
    let null = |name: &str| leaf(name, INT32).with(10, logical("UNKNOWN"));
    let boolean = |name: &str| leaf(name, 0);
    let repeated = |name: &str| leaf(name, INT32).with(3, 2);
    let mut mixed = table::file(&[], layout);
    mixed.replace("value", leaf("value", BYTE_ARRAY).with(6, 0), &[], layout);
    mixed.replace("name", leaf("name", DOUBLE), &[], layout);
    let mut int32 = table::file(&[], layout);
    int32.replace("value", leaf("value", INT32), &[], layout);
    vec![
        ("sound", table::file(&[], layout).bytes()),
        ("DOUBLE", of_type(&[], &|name| leaf(name, DOUBLE))),
        ("DOUBLE, a row group", of_type(&[0], &|name| leaf(name, DOUBLE))),
        ("null type", of_type(&[], &null)),
        ("null type, a row group", of_type(&[0], &null)),
        ("BOOLEAN", of_type(&[], &boolean)),
        ("lists", of_type(&[0], &repeated)),
        ("strings", of_type(&[0], &|name| leaf(name, BYTE_ARRAY).with(6, 0))),
        ("name DOUBLE, value string", mixed.bytes()),
        ("value INT32", int32.bytes()),
        ("another column only", {
            let mut file = File::new(&[0]);
            file.add(leaf("other", INT32), &[], layout);
            file.bytes()
        }),
        ("no columns", File::new(&[]).bytes()),
    ]
}

#[test]
fn files_without_rows_beside_others() {
    let mut cases = Cases::default();
    let whole = table::file(&rows(), &LAYOUTS[2]).bytes();
    for (name, empty) in without_rows() {
        let (twice, both) = ([rows(), rows()].concat(), |a: &Vec<u8>, b: &Vec<u8>| [a.clone(), b.clone()]);
        cases.add_files(&format!("{name}, first"), &both(&empty, &whole), &rows());
        cases.add_files(&format!("{name}, last"), &both(&whole, &empty), &rows());
        let three = [whole.clone(), empty, whole.clone()];
        cases.add_files(&format!("{name}, in the middle"), &three, &twice);
    }
    cases.finish();
}

#[test]
fn files_without_rows_alone() {
    let mut cases = Cases::default();
    for (name, empty) in without_rows() {
        cases.add_files(&format!("{name}, alone"), &[empty], &[]);
    }
    cases.finish();
}

#[test]
fn files_without_rows_beside_others_in_jobs_that_read_dates() {
    let whole = table::file(&rows(), &LAYOUTS[2]).bytes();
    let day = Job { grain: Grain::Day, ..Job::default() };
    for job in [day, Job { semantics: Semantics::Legacy, ..Job::default() }] {
        let answer = |files: &[Vec<u8>]| {
            let partial = scan(&job, files).map_err(|e| e.to_string())?;
            let mut out = Vec::new();
            publish::csv::write(&shares::finish(&job, &partial).unwrap(), &mut out).unwrap();
            Ok::<_, String>((String::from_utf8(out).unwrap(), partial.account))
        };
        let alone = answer(std::slice::from_ref(&whole));
        assert!(alone.is_ok(), "{alone:?}");
        let wrong: Vec<_> = (without_rows().into_iter())
            .flat_map(|(name, empty)| {
                let (first, last) = ([empty.clone(), whole.clone()], [whole.clone(), empty]);
                [(name, "first", first), (name, "last", last)]
            })
            .filter_map(|(name, place, files)| {
                let found = answer(&files);
                (found != alone).then(|| format!("{name}, {place}: {:?}", found.err()))
            })
            .collect();
        assert!(wrong.is_empty(), "{:?}, {:?}:\n{}", job.grain, job.semantics, wrong.join("\n"));
    }
}
