//! Encodings and page headers of real writers, or that other readers accept.

use super::cases::Cases;
use super::writer::encodings::{Cell, Deltas, Encoding};
use super::writer::file::{File, INT32, INT64, leaf, string_leaf};
use super::writer::pages::{Layout, V2};
use super::writer::table::{STRINGS, integers, rows, texts};

/// Sums of deltas wrap (Encodings.md, "Delta Encoding"): with the smallest delta as an unsigned
/// integer, the sums of a descending sequence exceed the width of the type.
#[test]
fn deltas_of_strings_that_wrap() {
    type Make = fn(Deltas) -> Encoding;
    let encodings: [(&str, Make); 2] = [
        ("DELTA_LENGTH_BYTE_ARRAY", Encoding::DeltaLengthByteArray),
        ("DELTA_BYTE_ARRAY", Encoding::DeltaByteArray),
    ];
    let mut cases = Cases::default();
    for (name, encoding) in encodings {
        for deltas in [Deltas::Signed, Deltas::Unsigned] {
            cases.add(&format!("{name}, {deltas:?}"), |file, layout| {
                let layout = Layout { encoding: encoding(deltas), ..*layout };
                for name in STRINGS {
                    file.replace(name, string_leaf(name), &texts(&rows(), name), &layout);
                }
            });
        }
    }
    cases.finish();
}

#[test]
fn deltas_of_integers_that_wrap() {
    let mut cases = Cases::default();
    for deltas in [Deltas::Signed, Deltas::Unsigned] {
        cases.add(&format!("DELTA_BINARY_PACKED, INT64, {deltas:?}"), |file, layout| {
            let layout = Layout { encoding: Encoding::DeltaBinaryPacked(deltas), ..*layout };
            file.replace("value", leaf("value", INT64), &integers(&rows()), &layout);
        });
        cases.add(&format!("DELTA_BINARY_PACKED, INT32, {deltas:?}"), |file, layout| {
            let layout = Layout { encoding: Encoding::DeltaBinaryPacked(deltas), ..*layout };
            let narrow = |cell: Cell| match cell {
                Cell::Int64(n) => Cell::Int32(n as i32),
                other => other,
            };
            let cells: Vec<_> = integers(&rows()).into_iter().map(|cell| cell.map(narrow)).collect();
            file.replace("value", leaf("value", INT32), &cells, &layout);
        });
    }
    cases.finish();
}

/// Levels define which values are null. pyarrow 10 and 11 write too large null counts, parquet-java
/// before 1.18 writes -1 where it writes no statistics.
#[test]
fn null_counts_of_v2_pages() {
    let mut cases = Cases::default();
    for count in [0, 1, 40, 70_000, i32::MAX, -1, i32::MIN] {
        cases.add(&format!("num_nulls of {count}"), |file, _| {
            for page in file.chunks().flat_map(|chunk| &mut chunk.pages) {
                if page.header.get(V2).is_some() {
                    page.data_header().set(2, count);
                }
            }
        });
    }
    cases.add("no num_nulls", |file, _| {
        for page in file.chunks().flat_map(|chunk| &mut chunk.pages) {
            if page.header.get(V2).is_some() {
                page.data_header().remove(2);
            }
        }
    });
    cases.finish();
}

/// A run that is longer than its page is an error. If it were cut off, a flipped bit in the length of any
/// run would replace the values after the run.
#[test]
fn runs_that_are_longer_than_their_page() {
    let mut cases = Cases::default();
    for excess in [0, 1, 7, 1000, i32::MAX as u32 - 40] {
        for (name, excess_ids) in [("levels", 0), ("levels and ids", excess)] {
            let edit = |file: &mut File, layout: &Layout| {
                let layout = Layout { excess_levels: excess, excess_ids, ..*layout };
                for name in STRINGS {
                    file.replace(name, string_leaf(name), &texts(&rows(), name), &layout);
                }
                file.replace("value", leaf("value", INT64), &integers(&rows()), &layout);
            };
            match excess {
                0 => cases.add(name, edit),
                _ => cases.add_error(&format!("{name} longer by {excess}"), "run of", edit),
            }
        }
    }
    cases.finish();
}
