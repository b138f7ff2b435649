//! The sample: deterministic exports with the traits of real ones, at any size.
//!
//! - [`cube`]: the rows of the export with totals; every row is a pure function of seed and index.
//! - [`mod@export`]: the columns of these rows.
//! - [`facts`]: rows and columns of a fact table without totals.
//! - [`events`]: rows and columns of an export with a row for each install.
//! - [`names`]: countries and channels.
//! - [`shuffle`]: the same rows in random order, without storing them.
//! - [`mod@table`]: what the writer needs to know of a table.
//! - [`mod@column`]: rows to pages.
//! - [`mod@file`]: pages to a parquet file; the only module of the sample that uses parquet2.
//!
//! Traits of the export with totals: all columns are optional without nulls; `value` is integral and mostly zero;
//! totals are the sums of their parts on every key; every country has rows on every day; the span crosses the 53-week
//! year 2020. So a first run passes all checks. Dimensions grow with the rows: 9,000 rows are three countries over
//! some four months, a million 52 over more than two years, 20 million 240 over four years; beyond that the number of
//! channels grows.

mod column;
mod cube;
mod events;
mod export;
mod facts;
mod file;
mod names;
mod shuffle;
mod table;
mod text;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rayon::prelude::*;

use self::column::ColumnWriter;
use self::cube::{Cube, Row};
use self::events::{EventColumn, Events};
use self::export::ExportColumn;
use self::facts::{FactColumn, Facts};
use self::file::Output;
use self::shuffle::Permutation;
use self::table::{Column, Field, Table};
use crate::scan::{Phase, Progress};
use crate::storage::local::atomic;
use crate::{Error, Result};

/// The layout of the rows in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Layout {
    /// One file, row groups of a million rows, pages of 20,000, ordered by day,
    /// country, system and channel, as the export writes it.
    #[default]
    Export,
    /// As `Export`, the rows in random order.
    Shuffled,
    /// A folder with one file a day, `start_date=2020-10-26/part-0.parquet`; the files lack the
    /// partition column, as in Hive.
    Daily,
    /// One file with one row group whose pages are cut by size, as Spark writes
    /// one partition.
    Spark,
    /// A fact table without totals and week labels: `day`, `country`, `os`, `network`, `installs`.
    /// Row groups and pages as in `Export`, ordered by day.
    Facts,
    /// A row for each install: `install_time` (microseconds in UTC), `media_source` (null is organic),
    /// `country_code`, `platform`, `app_id`. Row groups and pages as in `Export`, roughly in order of time.
    Events,
    /// As `Events`, but `install_time` is text, `yyyy-mm-dd hh:mm:ss`.
    EventsText,
}

const LAYOUTS: [(&str, Layout); 7] = [
    ("export", Layout::Export),
    ("shuffled", Layout::Shuffled),
    ("daily", Layout::Daily),
    ("spark", Layout::Spark),
    ("facts", Layout::Facts),
    ("events", Layout::Events),
    ("events-text", Layout::EventsText),
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
            let names = LAYOUTS.map(|(name, _)| name).join(", ");
            Error::argument(format!("unknown layout '{s}'")).expected(format!("one of {names}"))
        })
    }
}

/// Options of the sample; equal options give equal bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Rows, exactly.
    pub rows: u64,
    /// Files, row groups, pages and order.
    pub layout: Layout,
    /// The seed of the pseudo-random numbers.
    pub seed: u64,
}

/// The size of the written sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// Files.
    pub files: usize,
    /// Bytes of all files.
    pub bytes: u64,
}

/// Limit of the rows: channels are 16-bit numbers, and days must stay plausible dates.
const ROWS_MAX: u64 = 20_000_000_000;
/// Rows in memory at a time.
const BATCH: u64 = 1 << 20;
const EXPORT_GROUP: u64 = 1_000_000;
const EXPORT_PAGE: usize = 20_000;
/// Parquet-mr counts four bytes an id when it cuts pages at 1 MiB.
const SPARK_PAGE: usize = (1 << 20) / 4;

/// Writes the sample to `out`: a file, CSV if its name ends in `.csv`; for [`Layout::Daily`] a new folder.
///
/// Memory is bounded by a million rows and the encoded row group, plus an index
/// entry a page. `progress` counts rows, not bytes.
///
/// # Errors
/// `Argument` for too many rows or an existing folder that is not empty, `Io`, `Interrupted`. A failed
/// write leaves no file and does not change existing ones.
pub fn write(options: &Options, out: &Path, progress: &dyn Progress) -> Result<Written> {
    if options.rows > ROWS_MAX {
        return Err(
            Error::argument(format!("{} rows", options.rows)).expected(format!("at most {ROWS_MAX} rows"))
        );
    }
    progress.begin(Phase::Write, options.rows);
    atomic::create_parents(out)?;
    let unfinished = Unfinished::beside(out)?;
    let written = write_layout(options, out, &unfinished.path, progress)?;
    std::fs::rename(&unfinished.path, out)
        .map_err(|e| Error::io(format!("cannot rename the finished sample to {}", out.display()), e))?;
    Ok(written)
}

/// Writes the sample to `path`, which later replaces `out`.
fn write_layout(options: &Options, out: &Path, path: &Path, progress: &dyn Progress) -> Result<Written> {
    let &Options { rows, layout, seed } = options;
    match layout {
        Layout::Export | Layout::Shuffled | Layout::Spark => {
            let cube = Cube::new(rows, seed);
            let columns = &ExportColumn::ALL;
            if text::is_text(out) && layout != Layout::Shuffled {
                return text::write(&cube, columns, path, &|i| i, progress);
            }
            match layout {
                Layout::Spark => write_file(&cube, columns, path, &|i| i, u64::MAX, SPARK_PAGE, progress),
                Layout::Shuffled => {
                    let permutation = Permutation::new(rows, seed);
                    let order = |i| permutation.at(i);
                    if text::is_text(out) {
                        return text::write(&cube, columns, path, &order, progress);
                    }
                    write_file(&cube, columns, path, &order, EXPORT_GROUP, EXPORT_PAGE, progress)
                }
                _ => write_file(&cube, columns, path, &|i| i, EXPORT_GROUP, EXPORT_PAGE, progress),
            }
        }
        Layout::Daily => {
            let is_occupied =
                std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) || out.is_file();
            if is_occupied {
                return Err(Error::argument(format!("{} exists already", out.display()))
                    .expected("a new or an empty folder"));
            }
            let written = write_daily(&Cube::new(rows, seed), path, progress)?;
            if out.is_dir() {
                std::fs::remove_dir(out).map_err(|e| Error::io("cannot replace the empty folder", e))?;
            }
            Ok(written)
        }
        Layout::Facts => {
            let facts = Facts::new(rows, seed);
            if text::is_text(out) {
                return text::write(&facts, &FactColumn::ALL, path, &|i| i, progress);
            }
            write_file(&facts, &FactColumn::ALL, path, &|i| i, EXPORT_GROUP, EXPORT_PAGE, progress)
        }
        Layout::Events | Layout::EventsText => {
            let events = Events::new(rows, seed);
            let time = match layout {
                Layout::EventsText => EventColumn::InstallTimeText,
                _ => EventColumn::InstallTime,
            };
            let columns = EventColumn::of_file(time);
            if text::is_text(out) {
                return text::write(&events, &columns, path, &|i| i, progress);
            }
            write_file(&events, &columns, path, &|i| i, EXPORT_GROUP, EXPORT_PAGE, progress)
        }
    }
}

/// A file or folder under construction, removed on drop.
struct Unfinished {
    path: PathBuf,
}

impl Unfinished {
    fn beside(out: &Path) -> Result<Self> {
        let name = out.file_name().ok_or_else(|| {
            Error::argument(format!("'{}' has no file name", out.display())).expected("a path with a name")
        })?;
        // A scan of the folder skips names that begin with a dot.
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.partial", std::process::id()));
        Ok(Unfinished { path: out.with_file_name(hidden) })
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After the rename the path does not exist: both calls fail, which is ignored.
        let _ = std::fs::remove_file(&self.path);
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

fn write_file<C: Column>(
    table: &C::Table,
    columns: &[C],
    path: &Path,
    order: &(dyn Fn(u64) -> u64 + Sync),
    group_rows: u64,
    page_rows: usize,
    progress: &dyn Progress,
) -> Result<Written> {
    let mut output = Output::create(path, &fields(columns))?;
    let mut columns: Vec<_> = columns.iter().map(|c| ColumnWriter::new(*c, page_rows)).collect();
    let mut next = 0;
    while next < table.rows() {
        let group_end = next.saturating_add(group_rows).min(table.rows());
        while next < group_end {
            if progress.interrupted() {
                return Err(Error::Interrupted);
            }
            let end = (next + BATCH).min(group_end);
            let rows: Vec<_> = (next..end).into_par_iter().map(|i| table.row(order(i))).collect();
            columns.par_iter_mut().try_for_each(|c| c.push(table, &rows))?;
            progress.advance(end - next);
            next = end;
        }
        output.row_group(table, &mut columns)?;
    }
    Ok(Written { rows: table.rows(), files: 1, bytes: output.finish()? })
}

fn fields<C: Column>(columns: &[C]) -> Vec<Field> {
    columns.iter().map(|column| column.field()).collect()
}

fn write_daily(cube: &Cube, folder: &Path, progress: &dyn Progress) -> Result<Written> {
    let fail = |e| Error::io(format!("cannot write into {}", folder.display()), e);
    std::fs::create_dir(folder).map_err(fail)?;
    let export_columns: Vec<ExportColumn> =
        ExportColumn::ALL.into_iter().filter(|w| *w != ExportColumn::StartDate).collect();
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
            let mut output = Output::create(&folder.join("part-0.parquet"), &fields(&export_columns))?;
            let rows: Vec<Row> = rows.map(|i| cube.row(i)).collect();
            let mut columns: Vec<_> =
                export_columns.iter().map(|w| ColumnWriter::new(*w, EXPORT_PAGE)).collect();
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
