//! What the writer needs to know of a table: its rows by index, its columns, and their values.

/// A table whose rows are a pure function of seed and index.
pub(super) trait Table: Sync {
    type Row: Send + Sync;

    fn rows(&self) -> u64;

    /// The row at `index < rows`.
    fn row(&self, index: u64) -> Self::Row;
}

/// A column of a table.
pub(super) trait Column: Copy + Send + Sync {
    type Table: Table;

    fn field(self) -> Field;

    /// The code of the value of a row, or `None` for null. Equal codes are equal values. Codes of a
    /// dictionary column are small numbers, and distinct codes are distinct values.
    fn code(self, table: &Self::Table, row: &<Self::Table as Table>::Row) -> Option<u64>;

    /// Appends the value of a code in PLAIN encoding.
    fn put(self, table: &Self::Table, code: u64, out: &mut Vec<u8>);
}

/// Name, type and encoding of a column. All columns are optional.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) encoding: Encoding,
}

impl Field {
    pub(super) fn dictionary(name: &'static str, kind: Kind) -> Self {
        Field { name, kind, encoding: Encoding::Dictionary }
    }

    pub(super) fn plain(name: &'static str, kind: Kind) -> Self {
        Field { name, kind, encoding: Encoding::Plain }
    }
}

/// Physical and logical type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    Date,
    Float,
    Int64,
    Int96,
    Text,
    /// Microseconds since 1970-01-01 in UTC, INT64.
    Instant,
}

/// Encoding of all data pages of a column chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Dictionary,
    Plain,
}

/// Appends a BYTE_ARRAY in PLAIN encoding: length, bytes.
pub(super) fn put_text(text: &str, out: &mut Vec<u8>) {
    out.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend(text.as_bytes());
}
