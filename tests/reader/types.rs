//! Annotations that are unknown or not allowed for the physical type.

use super::cases::Cases;
use super::oracle::Value;
use super::writer::encodings::Cell;
use super::writer::file::{DOUBLE, INT32, INT64, leaf};
use super::writer::table::{STRINGS, integers, rows};
use super::writer::thrift::Struct;

/// A `LogicalType` (`parquet.thrift`) by its name there.
pub fn logical(name: &str) -> Struct {
    let empty = Struct::new;
    let (id, parameters) = match name {
        "EMPTY" => return empty(), // a union without a field
        "STRING" => (1, empty()),
        "MAP" => (2, empty()),
        "LIST" => (3, empty()),
        "ENUM" => (4, empty()),
        "DECIMAL" => (5, empty().with(1, 2).with(2, 9)),
        "DATE" => (6, empty()),
        "TIME" => (7, empty().with(1, true).with(2, empty().with(2, empty()))),
        "TIMESTAMP" => (8, empty().with(1, true).with(2, empty().with(2, empty()))),
        "INTEGER" => (10, empty().with(1, 32u8).with(2, true)),
        "UNKNOWN" => (11, empty()),
        "JSON" => (12, empty()),
        "BSON" => (13, empty()),
        "UUID" => (14, empty()),
        "FLOAT16" => (15, empty()),
        "LATER" => (99, empty()), // no version of the format has it
        other => panic!("no logical type {other}"),
    };
    empty().with(id, parameters)
}

/// Readers ignore a logical type that is unknown or not allowed for the physical type: the
/// converted type applies, or none. Parquet.Net writes a union without a field.
#[test]
fn logical_types_of_strings() {
    let mut cases = Cases::default();
    cases.add("both annotations", |_, _| ());
    cases.add("UTF8 alone", |file, _| STRINGS.iter().for_each(|column| file.leaf(column).remove(10)));
    cases.add("STRING alone", |file, _| STRINGS.iter().for_each(|column| file.leaf(column).remove(6)));
    cases.add("no annotation", |file, _| {
        for column in STRINGS {
            file.leaf(column).remove(6);
            file.leaf(column).remove(10);
        }
    });
    for name in ["EMPTY", "LATER", "MAP", "LIST", "DATE", "TIME", "TIMESTAMP", "INTEGER", "UUID", "FLOAT16"] {
        cases.add(&format!("{name} beside UTF8"), |file, _| {
            STRINGS.iter().for_each(|column| file.leaf(column).set(10, logical(name)));
        });
        cases.add(&format!("{name} alone"), |file, _| {
            for column in STRINGS {
                file.leaf(column).set(10, logical(name));
                file.leaf(column).remove(6);
            }
        });
    }
    cases.finish();
}

fn as_int32(cells: Vec<Option<Cell>>) -> Vec<Option<Cell>> {
    let narrow = |cell| if let Cell::Int64(n) = cell { Cell::Int32(n as i32) } else { cell };
    cells.into_iter().map(|cell| cell.map(narrow)).collect()
}

fn as_double(cells: Vec<Option<Cell>>) -> Vec<Option<Cell>> {
    let widen = |cell| if let Cell::Int64(n) = cell { Cell::Double(n as f64) } else { cell };
    cells.into_iter().map(|cell| cell.map(widen)).collect()
}

#[test]
fn logical_types_of_values() {
    type Convert = fn(Vec<Option<Cell>>) -> Vec<Option<Cell>>;
    let types: [(&str, i32, Convert, &[&str]); 3] = [
        (
            "INT64",
            INT64,
            |cells| cells,
            &["STRING", "ENUM", "DATE", "INTEGER", "JSON", "BSON", "UUID", "FLOAT16"],
        ),
        ("INT32", INT32, as_int32, &["STRING", "ENUM", "TIMESTAMP", "JSON", "BSON", "UUID", "FLOAT16"]),
        (
            "DOUBLE",
            DOUBLE,
            as_double,
            &["STRING", "DECIMAL", "DATE", "TIME", "TIMESTAMP", "INTEGER", "UUID", "FLOAT16"],
        ),
    ];
    let mut cases = Cases::default();
    for (physical, id, convert, misfits) in types {
        let cells = convert(integers(&rows()));
        cases.add(&format!("{physical} without annotation"), |file, layout| {
            file.replace("value", leaf("value", id), &cells, layout);
        });
        for name in ["EMPTY", "LATER"].iter().chain(misfits) {
            cases.add(&format!("{physical}, {name}"), |file, layout| {
                file.replace("value", leaf("value", id).with(10, logical(name)), &cells, layout);
            });
        }
    }
    cases.finish();
}

/// The converted type applies where the logical type is ignored: the values are unsigned, and
/// half of them have the highest bit.
#[test]
fn converted_types_of_values() {
    const UINT_32: i32 = 13;
    const UINT_64: i32 = 14;
    let above = |highest: i128| {
        let mut rows = rows();
        for row in rows.iter_mut().step_by(2) {
            if let Value::Units(units) = &mut row.value {
                *units += highest;
            }
        }
        rows
    };
    let (rows32, rows64) = (above(1 << 31), above(1 << 63));
    let mut cases = Cases::default();
    for name in ["none", "EMPTY", "LATER", "UUID"] {
        let annotate = |leaf: Struct| if name == "none" { leaf } else { leaf.with(10, logical(name)) };
        cases.add_rows(&format!("UINT_32 beside {name}"), &rows32, |file, layout| {
            let unsigned = annotate(leaf("value", INT32).with(6, UINT_32));
            file.replace("value", unsigned, &as_int32(integers(&rows32)), layout);
        });
        cases.add_rows(&format!("UINT_64 beside {name}"), &rows64, |file, layout| {
            let unsigned = annotate(leaf("value", INT64).with(6, UINT_64));
            file.replace("value", unsigned, &integers(&rows64), layout);
        });
    }
    cases.finish();
}
