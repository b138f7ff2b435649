//! No result depends on statistics: not on bounds, null counts, or the page index, whichever
//! program wrote them.

use super::cases::Cases;
use super::writer::file::File;
use super::writer::pages::{self, Chunk};
use super::writer::table::{STRINGS, rows, texts};
use super::writer::thrift::{Struct, Value, list};

/// Values of `created_by`: writers of correct and of wrong statistics, and unknown writers.
const WRITERS: [Option<&str>; 9] = [
    Some("parquet-cpp-arrow version 4.0.1"),
    Some("parquet-cpp-arrow version 10.0.1"),
    Some("parquet-cpp-arrow version 26.0.1"),
    Some("parquet-mr version 1.18.0 (build 0a1b2c3d4e5f)"),
    Some("parquet-mr compatible Photon version 0.2"),
    Some("parquet-rs version 60.1.0"),
    Some("DuckDB version v2.0.1 (build 0a1b2c3d4e)"),
    Some("Polars"),
    None,
];

/// Makes the same edit in files of every writer.
fn of_every_writer(name: &str, edit: impl Fn(&mut File)) {
    let mut cases = Cases::default();
    for by in WRITERS {
        cases.add(&format!("{name}, by {by:?}"), |file, _| {
            file.created_by = by.map(str::to_owned);
            edit(file);
        });
    }
    cases.finish();
}

fn each_string_chunk(file: &mut File, edit: impl Fn(&mut Chunk)) {
    for name in STRINGS {
        file.chunks_of(name).for_each(&edit);
    }
}

/// Bounds of strings that leave out the total over systems, "all".
const WRONG_BOUNDS: [(&str, [&[u8]; 2]); 5] = [
    ("wrong", [b"ios", b"web"]),
    ("with a length prefix", [b"\x03\0\0\0all", b"\x03\0\0\0web"]),
    ("empty", [b"", b""]),
    ("cut off", [b"al", b"al"]),
    ("in reverse", [b"web", b"ios"]),
];

fn bounds((min, max): (&[u8], &[u8])) -> Struct {
    Struct::new().with(5, max.to_vec()).with(6, min.to_vec())
}

#[test]
fn sound_files() {
    of_every_writer("sound statistics", |_| ());
    of_every_writer("no statistics", |file| {
        file.chunks().for_each(|chunk| (chunk.statistics, chunk.column_index) = (None, None));
    });
}

/// pyarrow up to 10.0.1 writes these for a dictionary column of several chunks.
#[test]
fn bounds_of_the_first_page_only() {
    let first_page = |name| texts(&rows(), name)[..40].to_vec();
    of_every_writer("bounds of the first page", |file| {
        for name in STRINGS {
            let (min, max) = pages::bounds(&first_page(name)).unwrap();
            for chunk in file.chunks_of(name) {
                let nulls = chunk.statistics().int(3);
                chunk.statistics = Some(bounds((&min, &max)).with(3, nulls));
            }
        }
    });
}

#[test]
fn wrong_bounds_of_chunks() {
    for (name, [min, max]) in WRONG_BOUNDS {
        of_every_writer(&format!("bounds of chunks, {name}"), |file| {
            each_string_chunk(file, |chunk| {
                chunk.statistics = Some(bounds((min, max)).with(7, true).with(8, true));
            });
            let zeros = bounds((&[0; 8], &[0; 8]));
            file.chunks_of("value").for_each(|chunk| chunk.statistics = Some(zeros.clone()));
        });
    }
}

/// The order of strings in the deprecated fields is not defined.
#[test]
fn wrong_bounds_in_the_deprecated_fields() {
    of_every_writer("deprecated bounds", |file| {
        each_string_chunk(file, |chunk| {
            chunk.statistics = Some(Struct::new().with(1, "web").with(2, "ios"));
        });
    });
}

#[test]
fn wrong_bounds_in_page_headers() {
    for (name, [min, max]) in WRONG_BOUNDS {
        of_every_writer(&format!("bounds in page headers, {name}"), |file| {
            each_string_chunk(file, |chunk| {
                (chunk.statistics, chunk.column_index) = (None, None);
                chunk.pages.iter_mut().for_each(|page| page.set_statistics(bounds((min, max)).with(3, 0i64)));
            });
        });
    }
}

fn each_index(file: &mut File, edit: impl Fn(&mut Struct, usize)) {
    each_string_chunk(file, |chunk| {
        let pages = chunk.pages.len();
        edit(chunk.column_index.as_mut().unwrap(), pages);
    });
}

fn set_page_bounds(index: &mut Struct, pages: usize, [min, max]: [&[u8]; 2]) {
    index.set(1, list(vec![false; pages]));
    index.set(2, list(vec![min.to_vec(); pages]));
    index.set(3, list(vec![max.to_vec(); pages]));
}

#[test]
fn wrong_bounds_of_pages() {
    for (name, bounds) in WRONG_BOUNDS {
        of_every_writer(&format!("bounds of pages, {name}"), |file| {
            each_index(file, |index, pages| set_page_bounds(index, pages, bounds));
        });
    }
}

/// Bounds have no meaning without a column order (`parquet.thrift`, `ColumnOrder`).
#[test]
fn wrong_bounds_without_column_orders() {
    for (name, [min, max]) in WRONG_BOUNDS {
        of_every_writer(&format!("bounds without column orders, {name}"), |file| {
            file.column_orders = false;
            each_index(file, |index, pages| set_page_bounds(index, pages, [min, max]));
            each_string_chunk(file, |chunk| chunk.statistics = Some(bounds((min, max))));
        });
    }
}

#[test]
fn pages_that_the_index_calls_null() {
    let set_null = |index: &mut Struct, pages: usize| {
        set_page_bounds(index, pages, [b"", b""]);
        index.set(1, list(vec![true; pages]));
    };
    of_every_writer("null pages, the right null counts", |file| each_index(file, set_null));
    of_every_writer("null pages, no null counts", |file| {
        each_index(file, |index, pages| {
            set_null(index, pages);
            index.remove(5);
        });
    });
    for count in [0i64, 40, -1] {
        of_every_writer(&format!("null pages, null counts of {count}"), |file| {
            each_index(file, |index, pages| {
                set_null(index, pages);
                index.set(5, list(vec![count; pages]));
            });
        });
    }
}

#[test]
fn an_index_that_does_not_fit_its_pages() {
    of_every_writer("an index of one page", |file| {
        each_index(file, |index, _| set_page_bounds(index, 1, [b"ios", b"web"]));
    });
    of_every_writer("a page index beyond the file", |file| {
        file.edit_footer(|footer| {
            for chunk in footer.structs(4).flat_map(|group| group.structs(1)) {
                chunk.set(4, 1i64 << 40);
                chunk.set(6, 1i64 << 40);
            }
        });
    });
}

/// pyarrow before 6.0 writes a null count of 0 for dictionary columns with nulls. The checks
/// count nulls too.
#[test]
fn wrong_null_counts() {
    for count in [0, 1, 90, 1 << 40, -1] {
        of_every_writer(&format!("null counts of {count}"), |file| {
            file.chunks().for_each(|chunk| chunk.statistics().set(3, count));
            each_index(file, |index, pages| index.set(5, list(vec![Value::I64(count); pages])));
            file.chunks().flat_map(|chunk| &mut chunk.pages).for_each(|page| {
                page.set_statistics(Struct::new().with(3, count));
            });
        });
    }
}

#[test]
fn wrong_counts_of_distinct_values() {
    of_every_writer("one distinct value", |file| {
        file.chunks().for_each(|chunk| chunk.statistics().set(4, 1i64));
    });
}
