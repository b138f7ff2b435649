//! Publishing: the table as a file or folder that is never half there.
//!
//! - [`target`]: what the user asked for, and what is refused.
//! - [`csv`], [`json`], [`parquet`]: the formats.
//! - `bucket`: targets in S3 (feature `s3`).
//! - [`mod@folder`]: folders as targets; [`crate::storage::local::atomic`] replaces files.
//! - [`lock`]: one run at a time for a target.

#[cfg(feature = "s3")]
pub mod bucket;
pub mod csv;
pub mod folder;
pub mod json;
pub mod lock;
pub mod parquet;
pub mod target;

use std::io::{self, Write};

pub use lock::TargetLock;
pub use target::{Format, Target};

use crate::storage::local::atomic::{self, Counted};
use crate::table::Table;
use crate::{Error, Result};

/// What was published.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Published {
    /// The target, as the user named it.
    pub target: String,
    /// How it is written.
    pub format: Format,
    /// Rows.
    pub rows: usize,
    /// Bytes of data.
    pub bytes: u64,
}

/// Writes `table` to `target`, which `claim` is of: all of it, or nothing.
///
/// # Errors
/// `Argument` when the target is a folder that holds more than an earlier output,
/// `Io` when writing fails, `Data` when another run published to the same key of a
/// bucket since it was claimed. The old target is then untouched.
pub fn publish(target: &Target, claim: &TargetLock, table: &Table) -> Result<Published> {
    if *target == Target::Stdout {
        return Ok(published(target, table.rows(), to_stdout(table)?));
    }
    let format = target.format();
    let bytes = replace(target, claim, &|out| format.write(table, out))?;
    Ok(published(target, table.rows(), bytes))
}

/// Puts a table of `rows` rows, written earlier in the target's format, at `target`:
/// all of it, or nothing.
///
/// # Errors
/// As [`publish`].
pub fn publish_written(
    target: &Target,
    claim: &TargetLock,
    rows: usize,
    written: &[u8],
) -> Result<Published> {
    let bytes = replace(target, claim, &|out| out.write_all(written))?;
    Ok(published(target, rows, bytes))
}

fn published(target: &Target, rows: usize, bytes: u64) -> Published {
    Published { target: target.to_string(), format: target.format(), rows, bytes }
}

/// What a target is replaced with is written by this.
pub(crate) type Writer<'a> = &'a dyn Fn(&mut dyn Write) -> io::Result<()>;

#[cfg_attr(not(feature = "s3"), allow(unused_variables))] // on disk, holding the claim is enough
fn replace(target: &Target, claim: &TargetLock, write: Writer<'_>) -> Result<u64> {
    #[cfg(feature = "s3")]
    if let Some(uri) = target.stored()? {
        let before = claim.before.clone();
        return match target {
            Target::Folder { .. } => bucket::replace_folder(&uri, before, write),
            _ => bucket::replace(&uri, before, write),
        };
    }
    match target {
        Target::Stdout => Err(Error::internal("the standard output cannot be replaced")),
        Target::File { path, .. } => atomic::replace(path, write),
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

fn to_stdout(table: &Table) -> Result<u64> {
    let mut out = Counted { inner: io::BufWriter::new(io::stdout().lock()), bytes: 0 };
    match csv::write(table, &mut out).and_then(|()| out.flush()) {
        // Whoever reads has seen enough: `| head` is no failure.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(out.bytes),
        Err(e) => Err(Error::io("cannot write to stdout", e)),
        Ok(()) => Ok(out.bytes),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::table::{Column, ColumnData, Table};

    /// A small table with every column type, a null and a name that wants quoting.
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
