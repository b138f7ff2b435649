//! Publishes the table: targets are replaced atomically.
//!
//! - [`target`]: parses targets, and rejects those that would harm data.
//! - [`csv`], [`json`], [`parquet`]: the formats.
//! - `bucket`: targets in S3 (feature `s3`).
//! - [`mod@folder`]: folders as targets; [`crate::storage::local::atomic`] replaces files.
//! - [`stdout`]: stdout as a target.
//! - [`lock`]: one run at a time for a target.

#[cfg(feature = "s3")]
pub mod bucket;
pub mod csv;
pub mod folder;
pub mod json;
pub mod lock;
pub mod parquet;
pub mod stdout;
pub mod target;

use std::io::{self, Write};

use folder::Replaced;
pub use lock::TargetLock;
pub use target::{Format, Target};

use crate::storage::local::atomic;
use crate::table::Table;
use crate::{Error, Result};

/// The published output.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Published {
    /// The target, as the user named it.
    pub target: String,
    /// Its format.
    pub format: Format,
    /// Rows.
    pub rows: usize,
    /// Bytes of data.
    pub bytes: u64,
    /// What became of files of others in a target folder; mostly empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Replaces `target`, which `lock` locks, by `table`.
///
/// # Errors
/// `Argument` when the target is a folder with other files than an earlier output, `Io` when writing
/// fails, `Data` when another run published to the same key of a bucket since this run began. The
/// old target is then unchanged.
pub fn publish(target: &Target, lock: &TargetLock, table: &Table) -> Result<Published> {
    if *target == Target::Stdout {
        let written =
            Replaced { bytes: stdout::write(&|out| csv::write(table, out))?, ..Replaced::default() };
        return Ok(published(target, table.rows(), written));
    }
    let format = target.format();
    let replaced = replace(target, lock, &|out| format.write(table, out))?;
    Ok(published(target, table.rows(), replaced))
}

/// Replaces `target` by a table of `rows` rows that was written earlier in the target's format.
///
/// # Errors
/// As [`publish`].
pub fn publish_written(target: &Target, lock: &TargetLock, rows: usize, written: &[u8]) -> Result<Published> {
    let replaced = replace(target, lock, &|out| out.write_all(written))?;
    Ok(published(target, rows, replaced))
}

fn published(target: &Target, rows: usize, Replaced { bytes, notes }: Replaced) -> Published {
    Published { target: target.to_string(), format: target.format(), rows, bytes, notes }
}

/// Writes the new content of a target.
pub(crate) type Writer<'a> = &'a dyn Fn(&mut dyn Write) -> io::Result<()>;

#[cfg_attr(not(feature = "s3"), allow(unused_variables))] // on disk, holding the lock is enough
fn replace(target: &Target, lock: &TargetLock, write: Writer<'_>) -> Result<Replaced> {
    let without_notes = |bytes| Replaced { bytes, notes: Vec::new() };
    #[cfg(feature = "s3")]
    if let Some(uri) = target.s3_uri()? {
        let expected = lock.expected.clone();
        return match target {
            Target::Folder { .. } => bucket::replace_folder(&uri, expected, write),
            _ => bucket::replace(&uri, expected, write),
        }
        .map(without_notes);
    }
    match target {
        Target::Stdout => Err(Error::internal("stdout cannot be replaced")),
        Target::File { path, .. } => atomic::replace(path, write).map(without_notes),
        Target::Folder { path, .. } => folder::replace(path, write),
    }
}

impl Format {
    /// Writes `table` in this format.
    pub fn write(self, table: &Table, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Format::Csv => csv::write(table, out),
            Format::Json => json::write(table, out),
            Format::Parquet => parquet::write(table, out),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::table::{Column, ColumnData, Table};

    /// A small table with every column type, a null and a name that needs quoting.
    pub(crate) fn table() -> Table {
        let column = |name: &str, data| Column { name: name.into(), data };
        Table {
            columns: vec![
                column("year", ColumnData::Int32(vec![Some(2020), Some(2021), None])),
                column("date", ColumnData::Date32(vec![Some(18_628), None, Some(-1)])),
                column(
                    "country",
                    ColumnData::Utf8 {
                        indices: vec![1, 0, 2],
                        dictionary: vec!["".into(), "FR".into(), "a,\"b\"\nÉ".into()],
                    },
                ),
                column("share_organic_p4w", ColumnData::Float64(vec![None, Some(1.0), Some(0.1 + 0.2)])),
            ],
        }
    }
}
