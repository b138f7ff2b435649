//! The sample: a deterministic export with the traits of a real one, at any size.
//!
//! - [`cube`]: what is in it; every row is a pure function of seed and index.
//! - [`names`]: countries and channels.
//! - [`shuffle`]: the same rows in random order, without holding them.
//! - [`mod@column`]: rows to dictionary-encoded pages.
//! - [`mod@file`]: pages to a parquet file; the only place that knows parquet2.
//!
//! Traits: all columns optional without nulls; `value` integral and zero-heavy;
//! `os_name = all` is `ios + android` on every key; `country = ALL` is the sum of
//! its parts or larger; whole weeks and single days of a country are missing; the
//! span crosses the 53-week year 2020; one token has two names. Dimensions grow
//! with the rows: 9,000 rows are three countries over about a year, 20 million
//! are 240 countries over four; past that the channels multiply.

mod column;
mod cube;
mod file;
mod names;
mod shuffle;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rayon::prelude::*;

use self::column::{ColumnWriter, Which};
use self::cube::{Cube, Row};
use self::file::Output;
use self::shuffle::Permutation;
use crate::scan::{Phase, Progress};
use crate::{Error, Result};

/// How the rows are laid out in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Layout {
    /// One file, row groups of a million rows, pages of 20,000, ordered by day,
    /// country, system and channel, as the export writes it.
    #[default]
    Export,
    /// As `Export`, the rows in random order.
    Shuffled,
    /// A folder with one file a day, `start_date=2020-10-26/part-0.parquet`; the
    /// partition column is not in the files, by the convention of hive.
    Daily,
    /// One file with one row group whose pages are cut by size, as Spark writes
    /// one partition.
    Spark,
}

const LAYOUTS: [(&str, Layout); 4] = [
    ("export", Layout::Export),
    ("shuffled", Layout::Shuffled),
    ("daily", Layout::Daily),
    ("spark", Layout::Spark),
];

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(LAYOUTS.iter().find(|(_, l)| l == self).map_or("", |(name, _)| name))
    }
}

impl FromStr for Layout {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        LAYOUTS.iter().find(|(name, _)| *name == s).map(|(_, layout)| *layout).ok_or_else(|| {
            Error::argument(format!("unknown layout '{s}'")).expected("one of export, shuffled, daily, spark")
        })
    }
}

/// What to write; the same options always give the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Rows, exactly.
    pub rows: u64,
    /// Files, row groups, pages and order.
    pub layout: Layout,
    /// Another seed gives another company's numbers.
    pub seed: u64,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// Files.
    pub files: usize,
    /// Bytes of all files.
    pub bytes: u64,
}

/// Channels are 16-bit numbers, and days end with the calendar's plausibility.
const ROWS_MAX: u64 = 20_000_000_000;
/// Rows that are in memory at once.
const BATCH: u64 = 1 << 20;
const EXPORT_GROUP: u64 = 1_000_000;
const EXPORT_PAGE: usize = 20_000;
/// Parquet-mr counts four bytes an id when it cuts pages at 1 MiB.
const SPARK_PAGE: usize = (1 << 20) / 4;

/// Writes the sample to `out`: a file, for [`Layout::Daily`] a new folder.
///
/// Memory is bounded by a million rows and the encoded row group, plus an index
/// entry a page. `progress` is told of rows, not of bytes.
///
/// # Errors
/// `Argument` for too many rows or a folder that is in the way, `Io`,
/// `Interrupted`. A failed write leaves nothing behind and what was there intact.
pub fn write(options: &Options, out: &Path, progress: &dyn Progress) -> Result<Written> {
    if options.rows > ROWS_MAX {
        return Err(
            Error::argument(format!("{} rows", options.rows)).expected(format!("at most {ROWS_MAX} rows"))
        );
    }
    let cube = Cube::new(options.rows, options.seed);
    progress.begin(Phase::Write, options.rows);
    let partial = Partial::beside(out)?;
    let written = match options.layout {
        Layout::Daily => {
            let in_the_way =
                std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) || out.is_file();
            if in_the_way {
                return Err(Error::argument(format!("{} is there already", out.display()))
                    .expected("a new or an empty folder"));
            }
            let written = daily(&cube, &partial.path, progress)?;
            if out.is_dir() {
                std::fs::remove_dir(out).map_err(|e| Error::io("cannot replace the empty folder", e))?;
            }
            written
        }
        Layout::Export => one_file(&cube, &partial.path, &|i| i, EXPORT_GROUP, EXPORT_PAGE, progress)?,
        Layout::Shuffled => {
            let permutation = Permutation::new(options.rows, options.seed);
            one_file(&cube, &partial.path, &|i| permutation.at(i), EXPORT_GROUP, EXPORT_PAGE, progress)?
        }
        Layout::Spark => one_file(&cube, &partial.path, &|i| i, u64::MAX, SPARK_PAGE, progress)?,
    };
    std::fs::rename(&partial.path, out)
        .map_err(|e| Error::io(format!("cannot rename the finished sample to {}", out.display()), e))?;
    Ok(written)
}

/// A file or folder under construction; what is left of it is removed.
struct Partial {
    path: PathBuf,
}

impl Partial {
    fn beside(out: &Path) -> Result<Self> {
        let name = out.file_name().ok_or_else(|| {
            Error::argument(format!("'{}' names no file", out.display())).expected("a path with a name")
        })?;
        // The dot keeps a scan of the folder from taking it for data.
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.partial", std::process::id()));
        Ok(Partial { path: out.with_file_name(hidden) })
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // After the rename there is nothing to remove, and that is fine.
        let _ = std::fs::remove_file(&self.path);
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

fn one_file(
    cube: &Cube,
    path: &Path,
    order: &(dyn Fn(u64) -> u64 + Sync),
    group_rows: u64,
    page_rows: usize,
    progress: &dyn Progress,
) -> Result<Written> {
    let mut output = Output::create(path, &Which::ALL)?;
    let mut columns: Vec<_> = Which::ALL.iter().map(|w| ColumnWriter::new(*w, page_rows)).collect();
    let mut next = 0;
    while next < cube.rows() {
        let group_end = next.saturating_add(group_rows).min(cube.rows());
        while next < group_end {
            if progress.interrupted() {
                return Err(Error::Interrupted);
            }
            let end = (next + BATCH).min(group_end);
            let rows: Vec<Row> = (next..end).into_par_iter().map(|i| cube.row(order(i))).collect();
            columns.par_iter_mut().try_for_each(|c| c.push(cube, &rows))?;
            progress.advance(end - next);
            next = end;
        }
        output.row_group(cube, &mut columns)?;
    }
    Ok(Written { rows: cube.rows(), files: 1, bytes: output.finish()? })
}

fn daily(cube: &Cube, folder: &Path, progress: &dyn Progress) -> Result<Written> {
    let fail = |e| Error::io(format!("cannot write into {}", folder.display()), e);
    std::fs::create_dir(folder).map_err(fail)?;
    let which: Vec<Which> = Which::ALL.into_iter().filter(|w| *w != Which::StartDate).collect();
    let sizes = cube
        .days()
        .into_par_iter()
        .map(|(day, rows)| {
            if progress.interrupted() {
                return Err(Error::Interrupted);
            }
            let count = rows.end - rows.start;
            let folder = folder.join(format!("start_date={}", cube.date_label(day)));
            std::fs::create_dir(&folder).map_err(fail)?;
            let mut output = Output::create(&folder.join("part-0.parquet"), &which)?;
            let rows: Vec<Row> = rows.map(|i| cube.row(i)).collect();
            let mut columns: Vec<_> = which.iter().map(|w| ColumnWriter::new(*w, EXPORT_PAGE)).collect();
            columns.iter_mut().try_for_each(|c| c.push(cube, &rows))?;
            output.row_group(cube, &mut columns)?;
            progress.advance(count);
            output.finish()
        })
        .collect::<Result<Vec<u64>>>()?;
    Ok(Written { rows: cube.rows(), files: sizes.len(), bytes: sizes.iter().sum() })
}

#[cfg(test)]
mod tests;
