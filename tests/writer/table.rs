//! Writes the rows of a table as a file of hand-written pages, whose parts a test can change.

use super::super::oracle::{Row, Value};
use super::encodings::{Cell, Encoding};
use super::file::{File, INT32, INT64, leaf, string_leaf};
use super::pages::Layout;

/// Rows of the two row groups, which have different lengths.
const GROUP_ROWS: usize = 90;

const PLAIN: Layout = Layout {
    encoding: Encoding::Plain,
    v2: false,
    snappy: false,
    page_rows: 40,
    excess_levels: 0,
    excess_ids: 0,
};
const DICTIONARY: Layout = Layout { encoding: Encoding::Dictionary, ..PLAIN };

/// Layouts that cover the cases that the reader distinguishes.
pub const LAYOUTS: [Layout; 4] = [
    PLAIN,
    Layout { v2: true, snappy: true, ..PLAIN },
    Layout { snappy: true, ..DICTIONARY },
    Layout { v2: true, ..DICTIONARY },
];

/// The string columns of the job, in the order of [`texts`].
pub const STRINGS: [&str; 4] = ["name", "year_week", "country", "os_name"];

/// Rows for two row groups of [`GROUP_ROWS`], with nulls in every column but the week. The
/// first page of each row group has no row of the total over systems; all others have some.
pub fn rows() -> Vec<Row> {
    let one_of = |texts: &[&str], n: usize| Some(texts[n % texts.len()].to_owned());
    (0..150)
        .map(|n| {
            let systems: &[&str] =
                if n % GROUP_ROWS < 40 { &["ios", "web"] } else { &["ios", "all", "all", "web", "all"] };
            Row {
                name: one_of(&["Organic", "Meta Ads", "Google"], n).filter(|_| n % 17 != 3),
                value: if n % 19 == 4 { Value::Null } else { Value::Units(n as i128 * 37 % 101) },
                year_week: one_of(&["2023_50", "2023_52", "2024_02", "2024_04"], n / 40),
                country: one_of(&["DE", "FR", "US", "ALL", "GB"], n / 6).filter(|_| n % 23 != 7),
                os_name: one_of(systems, n / 3).filter(|_| n % 16 != 5),
            }
        })
        .collect()
}

/// A string column.
pub fn texts(rows: &[Row], name: &str) -> Vec<Option<Cell>> {
    let of = |row: &Row| match name {
        "name" => row.name.clone(),
        "year_week" => row.year_week.clone(),
        "country" => row.country.clone(),
        "os_name" => row.os_name.clone(),
        other => panic!("{other} is no string column"),
    };
    rows.iter().map(|row| of(row).map(Cell::Text)).collect()
}

/// The units of the value column.
fn units(rows: &[Row]) -> impl Iterator<Item = Option<i128>> {
    rows.iter().map(|row| match row.value {
        Value::Null => None,
        Value::Units(units) => Some(units),
        other => panic!("{other:?} is no integer"),
    })
}

/// The cells of the value column as 64-bit integers.
pub fn integers(rows: &[Row]) -> Vec<Option<Cell>> {
    units(rows).map(|n| n.map(|n| Cell::Int64(n as i64))).collect()
}

/// The columns of the job, and two that it does not read: `start_date`, which the checks read,
/// before them, and `extra` in their middle.
pub fn file(rows: &[Row], layout: &Layout) -> File {
    let groups: Vec<usize> = rows.chunks(GROUP_ROWS).map(<[Row]>::len).collect();
    let mut file = File::new(&groups);
    let numbers = |from: i32| (from..).take(rows.len()).map(|n| Some(Cell::Int32(n))).collect::<Vec<_>>();
    file.add(leaf("start_date", INT32).with(6, 6), &numbers(19_700), layout);
    file.add(string_leaf("name"), &texts(rows, "name"), layout);
    file.add(leaf("value", INT64), &integers(rows), layout);
    file.add(string_leaf("year_week"), &texts(rows, "year_week"), layout);
    file.add(leaf("extra", INT32), &numbers(0), layout);
    file.add(string_leaf("country"), &texts(rows, "country"), layout);
    file.add(string_leaf("os_name"), &texts(rows, "os_name"), layout);
    file
}
