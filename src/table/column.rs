//! Column types of a finished table.

use std::sync::Arc;

/// The data of a column. All columns are nullable, as those of the original job are.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnData {
    /// 32-bit integers.
    Int32(Vec<Option<i32>>),
    /// Days since 1970-01-01.
    Date32(Vec<Option<i32>>),
    /// Strings, as indices into a dictionary.
    Utf8 {
        /// One index a row.
        indices: Vec<u32>,
        /// The strings.
        dictionary: Vec<Arc<str>>,
    },
    /// Doubles.
    Float64(Vec<Option<f64>>),
}

impl ColumnData {
    /// Rows.
    pub fn len(&self) -> usize {
        match self {
            ColumnData::Int32(v) | ColumnData::Date32(v) => v.len(),
            ColumnData::Utf8 { indices, .. } => indices.len(),
            ColumnData::Float64(v) => v.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A named column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// The name in the output.
    pub name: String,
    /// The data.
    pub data: ColumnData,
}

/// A finished table: columns of the same length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// The columns in output order.
    pub columns: Vec<Column>,
}

impl Table {
    /// Rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |c| c.data.len())
    }

    /// The columns of the key: text before the shares.
    pub fn key_columns(&self) -> Vec<&Column> {
        let before = self.columns.iter().take_while(|column| !matches!(column.data, ColumnData::Float64(_)));
        before.filter(|column| matches!(column.data, ColumnData::Utf8 { .. })).collect()
    }

    /// The column called `name`.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }
}
