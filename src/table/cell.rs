//! One value of a table, for writers that write row by row.

use super::{ColumnData, Table};
use crate::calendar;

/// A value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// Null.
    Null,
    /// A 32-bit integer.
    Int(i32),
    /// Days since 1970-01-01.
    Date(i32),
    /// A string.
    Text(&'a str),
    /// A double.
    Float(f64),
}

impl ColumnData {
    /// The value in `row`; null past the end.
    pub fn cell(&self, row: usize) -> Cell<'_> {
        let cell = match self {
            ColumnData::Int32(values) => values.get(row).copied().flatten().map(Cell::Int),
            ColumnData::Date32(values) => values.get(row).copied().flatten().map(Cell::Date),
            ColumnData::Float64(values) => values.get(row).copied().flatten().map(Cell::Float),
            ColumnData::Utf8 { indices, dictionary } => indices
                .get(row)
                .and_then(|index| dictionary.get(usize::try_from(*index).ok()?))
                .map(|text| Cell::Text(text)),
        };
        cell.unwrap_or(Cell::Null)
    }
}

impl Table {
    /// The values of `row`, in column order.
    pub fn row(&self, row: usize) -> impl Iterator<Item = Cell<'_>> {
        self.columns.iter().map(move |column| column.data.cell(row))
    }
}

/// A day in ISO 8601 form, `yyyy-mm-dd`.
pub fn iso_date(day: i32) -> String {
    let date = calendar::date_of(day);
    format!("{:04}-{:02}-{:02}", date.year, date.month, date.day)
}
