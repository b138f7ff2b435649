//! Offsets, lengths, counts and names in the footer that disagree with the file.

use super::cases::Cases;
use super::writer::encodings::Cell;
use super::writer::file::{INT32, INT64, leaf, string_leaf};
use super::writer::pages::Page;
use super::writer::table::{STRINGS, integers, rows, texts};

/// The columns of the job.
const JOB: [&str; 5] = ["name", "value", "year_week", "country", "os_name"];

/// Some writers overstate the length of a chunk: it overlaps the next chunk, or extends into
/// the page index, the footer, or past the end of the file.
#[test]
fn chunk_lengths_that_exceed_their_pages() {
    let mut cases = Cases::default();
    for more in [0i64, 1, 40, 5_000, 1 << 40, i64::MAX / 2] {
        cases.add(&format!("total_compressed_size too large by {more}"), |file, _| {
            JOB.iter().for_each(|name| file.edit_metadata(name, move |meta| meta.add(7, more)));
        });
    }
    cases.finish();
}

#[test]
fn bytes_after_the_last_page() {
    let mut cases = Cases::default();
    for (name, tail) in
        [("nothing", vec![]), ("zeros", vec![0; 40]), ("ones", vec![0xff; 40]), ("one byte", vec![0x15])]
    {
        cases.add(&format!("{name} behind the last page"), |file, _| {
            file.chunks().for_each(|chunk| chunk.tail = tail.clone());
        });
    }
    cases.finish();
}

/// parquet-mr before 1.2.9 does not include the header of the dictionary page in the length of the
/// chunk (PARQUET-816).
#[test]
fn chunk_lengths_without_the_header_of_their_dictionary() {
    let mut cases = Cases::default();
    for by in ["parquet-mr version 1.2.8", "parquet-mr version 1.18.0", "parquet-cpp-arrow version 26.0.1"] {
        cases.add(&format!("shorter by the dictionary header, by {by}"), |file, _| {
            file.created_by = Some(by.into());
            for name in JOB {
                let header = |page: &Page| page.header.encode().len() as i64;
                // The headers of all chunks of a column may differ in length.
                let headers: Vec<i64> =
                    file.chunks_of(name).map(|chunk| chunk.dictionary.as_ref().map_or(0, header)).collect();
                let at = file.position(name);
                file.edit_footer(move |footer| {
                    for (group, header) in footer.structs(4).zip(&headers) {
                        group.structs(1).nth(at).unwrap().child(3).add(7, -header);
                    }
                });
            }
        });
    }
    cases.finish();
}

/// Offsets, lengths and counts of a column that the job does not read are ignored.
#[test]
fn offsets_of_a_column_that_is_not_read() {
    let mut cases = Cases::default();
    for offset in [0i64, 1, 1 << 40, i64::MAX, -1, i64::MIN] {
        cases.add(&format!("data_page_offset {offset}"), |file, _| {
            file.edit_metadata("extra", move |meta| meta.set(9, offset));
        });
        cases.add(&format!("dictionary_page_offset {offset}"), |file, _| {
            file.edit_metadata("extra", move |meta| meta.set(11, offset));
        });
    }
    for len in [0i64, 1 << 40, i64::MAX, -1] {
        cases.add(&format!("total_compressed_size {len}"), |file, _| {
            file.edit_metadata("extra", move |meta| meta.set(7, len));
        });
    }
    for values in [0i64, 1 << 40, -1] {
        cases.add(&format!("num_values {values}"), |file, _| {
            file.edit_metadata("extra", move |meta| meta.set(5, values));
        });
    }
    cases.finish();
}

/// The row groups define the number of rows, not the file metadata.
#[test]
fn rows_of_the_file() {
    let mut cases = Cases::default();
    for count in [150i64, 0, 1, 60, 149, 151, 1 << 40] {
        cases.add(&format!("num_rows of {count}"), |file, _| {
            file.edit_footer(move |footer| footer.set(3, count));
        });
    }
    cases.finish();
}

/// The pages define the number of values, not the chunk metadata.
#[test]
fn values_of_a_chunk() {
    let mut cases = Cases::default();
    cases.add("num_values without nulls", |file, _| {
        for name in JOB {
            let present: Vec<i64> =
                file.chunks_of(name).map(|chunk| chunk.values as i64 - chunk.statistics().int(3)).collect();
            let at = file.position(name);
            file.edit_footer(move |footer| {
                for (group, values) in footer.structs(4).zip(&present) {
                    group.structs(1).nth(at).unwrap().child(3).set(5, *values);
                }
            });
        }
    });
    cases.finish();
}

/// Two columns with the same name are an error where the job reads them.
#[test]
fn two_columns_of_one_name() {
    let mut cases = Cases::default();
    for name in STRINGS {
        cases.add_error(&format!("{name} twice"), &format!("'{name}'"), |file, layout| {
            file.add(string_leaf(name), &texts(&rows(), name), layout);
        });
    }
    cases.add_error("value twice", "'value'", |file, layout| {
        file.add(leaf("value", INT64), &integers(&rows()), layout);
    });
    cases.add_error("value twice, of two types", "'value'", |file, layout| {
        file.add(string_leaf("value"), &texts(&rows(), "name"), layout);
    });
    let numbers: Vec<_> = (0..150).map(|n| Some(Cell::Int32(n))).collect();
    cases.add("a column that is not read twice", |file, layout| {
        file.add(leaf("extra", INT32), &numbers, layout);
    });
    cases.finish();
}
