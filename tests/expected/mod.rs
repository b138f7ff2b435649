//! Expected results: reads them and compares them with a table.
#![allow(dead_code)] // each test program uses its part

use std::path::Path;

use rollshare::internals::table::{ColumnData, Table};

/// One row of a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub year: Option<i32>,
    pub week: Option<i32>,
    pub country: Option<String>,
    pub share: Option<f64>,
}

impl Row {
    /// The sort key of the result. Rows with the same key differ only in the share.
    pub fn key(&self) -> (Option<String>, Option<i32>, Option<i32>) {
        (self.country.clone(), self.year, self.week)
    }
}

/// Reads a CSV file in which an empty cell is null and `""` an empty string.
pub fn read(path: &Path) -> Vec<Row> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut records = records(&text).into_iter();
    let header = records.next().expect("a header").into_iter().flatten().collect::<Vec<_>>();
    assert_eq!(header.join(","), "year,week,country,share_organic_p4w");
    let number = |cell: Option<String>| cell.map(|c| c.parse().expect("a number"));
    records
        .map(|record| {
            let [year, week, country, share] = record.try_into().expect("four cells");
            Row { year: number(year), week: number(week), country, share: share.map(|c| c.parse().unwrap()) }
        })
        .collect()
}

/// Quoted cells may hold commas and line breaks.
fn records(text: &str) -> Vec<Vec<Option<String>>> {
    let mut records = vec![];
    let mut record = vec![];
    let (mut cell, mut quoted, mut inside, mut previous) = (String::new(), false, false, '\n');
    for c in text.chars() {
        match c {
            '"' => {
                // A quote in a quoted cell is doubled.
                if quoted && !inside && previous == '"' {
                    cell.push('"');
                }
                (quoted, inside) = (true, !inside);
            }
            ',' | '\n' if !inside => {
                record.push((quoted || !cell.is_empty()).then(|| std::mem::take(&mut cell)));
                quoted = false;
                if c == '\n' {
                    records.push(std::mem::take(&mut record));
                }
            }
            c => cell.push(c),
        }
        previous = c;
    }
    records
}

/// The rows of a table of the job's default columns.
pub fn rows(table: &Table) -> Vec<Row> {
    let names: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["year", "week", "country", "share_organic_p4w"]);
    let [
        ColumnData::Int32(years),
        ColumnData::Int32(weeks),
        ColumnData::Utf8 { indices, dictionary },
        ColumnData::Float64(shares),
    ] = [0, 1, 2, 3].map(|c| &table.columns[c].data)
    else {
        panic!("other column types: {:?}", table.columns);
    };
    assert!(table.columns.iter().all(|c| c.data.len() == table.rows()));
    (0..table.rows())
        .map(|r| Row {
            year: years[r],
            week: weeks[r],
            country: Some(dictionary[indices[r] as usize].to_string()),
            share: shares[r],
        })
        .collect()
}

/// Equal within 1e-12 relative; null equals null, NaN equals NaN.
pub fn same(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-12 * b.abs(),
        (a, b) => a.is_none() && b.is_none(),
    }
}

/// The first difference; `None` where both are equal.
pub fn difference(got: &[Row], want: &[Row]) -> Option<String> {
    for (at, (got, want)) in got.iter().zip(want).enumerate() {
        if got.key() != want.key() || !same(got.share, want.share) {
            return Some(format!("row {at} is {got:?} instead of {want:?}"));
        }
    }
    (got.len() != want.len()).then(|| format!("{} rows instead of {}", got.len(), want.len()))
}
