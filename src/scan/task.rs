//! One task: a range of rows of one row group, summed into a worker's grid.
//!
//! ```text
//! while rows are left:
//!     choose a path by the current pages
//!     runs:   all three keys repeat -> sum the run, or skip it
//!     bitmap: keys differ row by row -> filter to a bitmap, sum the selected rows
//!     scalar: any values, one row at a time
//! ```
//!
//! The first two decline nulls in channel or value, values that are not small integers, invalid labels, and value ids
//! past 16 bits. The third sums everything.

use std::ops::Range;

use super::Progress;
use super::columns::{self, Columns};
use super::tables::{SameDictionaries, Tables};
use crate::dataset::OpenFile;
use crate::grid::GridAccumulator;
use crate::ids::column::{Column, Cost};
use crate::ids::cursor::{BlockKind, Cursor};
use crate::ids::entries::ChunkDictionary;
use crate::kernel::{ScanPath, bitmap};
use crate::scan::classes::TimeCoding;
use crate::{Error, Job, Result, Semantics};

/// Largest number of rows of a block.
pub const BLOCK: usize = 2048;

/// From this many rows, a run that is ruled out is skipped at once in all columns.
pub const LONG_RUN: u32 = 4096;

/// What a worker keeps from task to task.
#[derive(Default)]
pub struct Worker {
    /// The sums.
    pub dense: GridAccumulator,
    /// The cost of the pages it has read.
    pub cost: Cost,
    tables: Tables,
    buffers: Vec<Vec<u8>>,
    /// `None` while a task uses them, and before the first task.
    blocks: Option<Box<Blocks>>,
    /// The row group of the tables, and the dictionaries of its columns: the next range of the same row group does not
    /// read them again.
    dictionaries: Option<(u64, Vec<ChunkDictionary>)>,
}

impl Worker {
    /// Prepares it for another scan, whose row group ids may be the same.
    pub fn reset(&mut self) {
        self.dictionaries = None;
        self.cost = Cost::default();
    }
}

/// Rows summed by each path, indexed by [`ScanPath`].
pub type RowsByPath = [u64; 3];

/// The rows of a task.
pub struct TaskRows<'t> {
    /// The job.
    pub job: &'t Job,
    /// The file.
    pub file: &'t OpenFile<'t>,
    /// The columns of the row group.
    pub columns: &'t Columns<'t>,
    /// Identifies the row group within the scan.
    pub row_group_id: u64,
    /// The rows of the row group that are summed.
    pub rows: Range<u64>,
    /// Kernel path; `None` to choose by the pages.
    pub path: Option<ScanPath>,
}

/// Sums the rows of a task into the worker's grid. Returns the rows by path.
///
/// # Errors
/// Those of reading pages and of values that the job refuses; `Interrupted` where the caller requests cancellation.
pub fn run(task: &TaskRows<'_>, worker: &mut Worker, progress: &dyn Progress) -> Result<RowsByPath> {
    let TaskRows { job, file, columns, row_group_id, ref rows, path } = *task;
    let (cursors, same) = Cursors::open(columns, rows, row_group_id, worker)?;
    worker.tables.keep(same);
    let mut task = Task {
        job,
        file,
        time_coding: columns::time_coding(job, file),
        cursors,
        tables: std::mem::take(&mut worker.tables),
        dense: &mut worker.dense,
        at: rows.start,
        end: rows.end,
        rows_by_path: RowsByPath::default(),
        prefer: path.unwrap_or_else(|| prefer(columns)),
        blocks: worker.blocks.take().unwrap_or_default(),
    };
    task.dense.account.rows += rows.end - rows.start;
    let outcome = task.run(path, progress);
    let Task { cursors, tables, rows_by_path, blocks, .. } = task;
    worker.tables = tables;
    worker.blocks = Some(blocks);
    let dictionaries = cursors.close(worker);
    outcome?;
    worker.dictionaries = Some((row_group_id, dictionaries));
    Ok(rows_by_path)
}

/// The cursors of a task, one a column.
pub(super) struct Cursors<'a> {
    pub(super) system: Cursor<'a>,
    pub(super) country: Cursor<'a>,
    pub(super) time: Cursor<'a>,
    pub(super) channel: Cursor<'a>,
    pub(super) value: Cursor<'a>,
    pub(super) date: Option<Cursor<'a>>,
}

impl<'a> Cursors<'a> {
    /// Opens the columns of a row group at the first of `rows`, with the buffers of the worker. Also returns which of
    /// its value ids and tables stay valid: those of the same row group, and those of equal dictionaries, which daily
    /// files often have.
    fn open(
        columns: &'a Columns<'a>,
        rows: &Range<u64>,
        row_group_id: u64,
        worker: &mut Worker,
    ) -> Result<(Self, SameDictionaries)> {
        let (last_id, dictionaries) = worker.dictionaries.take().unzip();
        let mut dictionaries = dictionaries.into_iter().flatten();
        let buffers = &mut worker.buffers;
        let mut open = |column, raw| {
            let (buffer, ahead) = (buffers.pop().unwrap_or_default(), buffers.pop().unwrap_or_default());
            let (mut cursor, same) = match dictionaries.next() {
                Some(dictionary) if last_id == Some(row_group_id) => {
                    (Cursor::new(column, rows.start, raw, buffer, Some(dictionary))?, true)
                }
                other => Cursor::after(column, rows.start, raw, buffer, other.unwrap_or_default())?,
            };
            cursor.look_ahead(rows.end, ahead);
            Ok((cursor, same))
        };
        let (system, same_system) = open(&columns.system, false)?;
        let (country, same_country) = open(&columns.country, false)?;
        let (time, same_time) = open(&columns.time, false)?;
        let (channel, same_channel) = open(&columns.channel, false)?;
        let (value, same_value) = open(&columns.value, true)?;
        let date = columns.date.as_ref().map(|column| open(column, false)).transpose()?;
        let date = date.map(|(date, _)| date);
        let same = SameDictionaries {
            system: same_system,
            country: same_country,
            time: same_time,
            channel: same_channel,
            value: same_value,
        };
        Ok((Cursors { system, country, time, channel, value, date }, same))
    }

    /// Gives the buffers back to the worker and adds the costs. Returns the dictionaries in the order of `open`.
    fn close(self, worker: &mut Worker) -> Vec<ChunkDictionary> {
        let Cursors { system, country, time, channel, value, date } = self;
        let all = [system, country, time, channel, value].into_iter().chain(date);
        all.map(|mut cursor| {
            worker.cost.merge(cursor.cost);
            worker.buffers.push(cursor.take_ahead());
            let (buffer, dictionary) = cursor.into_parts();
            worker.buffers.push(buffer);
            dictionary
        })
        .collect()
    }

    /// Opens the current page of each column. Returns whether the fast paths can sum these pages.
    fn load_pages(&mut self) -> Result<bool> {
        let narrow = self.system.load_page()? == BlockKind::Ids16
            && self.country.load_page()? == BlockKind::Ids16
            && self.time.load_page()? == BlockKind::Ids16
            && self.channel.load_page()? == BlockKind::Ids16
            && self.value.load_page()? != BlockKind::Ids32;
        Ok(narrow && ![&self.value, &self.channel, &self.time].into_iter().any(Cursor::may_be_null))
    }

    /// Rows, at most `most`, that the current pages of all columns have: a block must not reach into a page that was
    /// not opened.
    fn page_rows(&mut self, most: u32) -> Result<u32> {
        [&mut self.system, &mut self.country, &mut self.time, &mut self.channel, &mut self.value]
            .into_iter()
            .try_fold(most, |rows, cursor| cursor.rows_in_page(rows))
    }

    /// Skips rows in all columns.
    pub(super) fn skip_all(&mut self, rows: u32) -> Result<()> {
        self.system.skip(rows)?;
        self.country.skip(rows)?;
        self.skip_unselected(rows, true)
    }

    /// Skips rows in the columns that are read after system and country have ruled all of them out; in the values
    /// only if `skip_values`.
    pub(super) fn skip_unselected(&mut self, rows: u32, skip_values: bool) -> Result<()> {
        self.time.skip(rows)?;
        self.channel.skip(rows)?;
        if skip_values {
            self.value.skip(rows)?;
        }
        Ok(())
    }
}

/// Chooses runs where countries have long runs, and bitmaps otherwise.
fn prefer(columns: &Columns<'_>) -> ScanPath {
    let Column::Chunk(chunk) = &columns.country else { return ScanPath::Runs };
    let (rows, bytes) = chunk.data().iter().fold((0u64, 0u64), |(rows, bytes), page| {
        (rows + u64::from(page.values), bytes + u64::from(page.uncompressed_len))
    });
    // A run takes about three bytes, so below two bits a row runs span a dozen rows.
    if bytes * 8 <= rows * 2 { ScanPath::Runs } else { ScanPath::Bitmap }
}

pub(super) struct Task<'t, 'a> {
    pub(super) job: &'t Job,
    pub(super) file: &'t OpenFile<'t>,
    pub(super) time_coding: TimeCoding,
    pub(super) cursors: Cursors<'a>,
    pub(super) tables: Tables,
    pub(super) dense: &'t mut GridAccumulator,
    /// The next row.
    pub(super) at: u64,
    pub(super) end: u64,
    pub(super) rows_by_path: RowsByPath,
    pub(super) prefer: ScanPath,
    pub(super) blocks: Box<Blocks>,
}

/// Scratch space for one block.
pub struct Blocks {
    pub(super) narrow: [[u16; BLOCK]; 5],
    pub(super) survivors: bitmap::Survivors<{ BLOCK + 31 }>,
    pub(super) ints: [i64; BLOCK],
    pub(super) wide: [[u32; BLOCK]; 5],
    pub(super) bits: [Option<u64>; BLOCK],
}

impl Default for Blocks {
    fn default() -> Self {
        let column = [0; BLOCK + 31];
        Blocks {
            narrow: [[0; BLOCK]; 5],
            survivors: bitmap::Survivors { keys: column, periods: column, classes: column, measures: column },
            ints: [0; BLOCK],
            wide: [[0; BLOCK]; 5],
            bits: [None; BLOCK],
        }
    }
}

impl Task<'_, '_> {
    fn run(&mut self, forced: Option<ScanPath>, progress: &dyn Progress) -> Result<()> {
        self.sync()?;
        let mut steps = 0u32;
        while self.at < self.end {
            steps = steps.wrapping_add(1);
            if steps.is_multiple_of(256) && progress.interrupted() {
                return Err(Error::Interrupted);
            }
            let legacy = self.job.semantics == Semantics::Legacy;
            let path =
                if legacy || forced == Some(ScanPath::Scalar) { ScanPath::Scalar } else { self.prefer };
            let done = match path {
                ScanPath::Runs => self.step_runs()?,
                #[allow(clippy::cast_possible_truncation)] // BLOCK is small
                ScanPath::Bitmap => self.step_bitmap_of(BLOCK as u32)?,
                ScanPath::Scalar => None,
            };
            let (path, rows) = match done {
                Some(done) => done,
                None => (ScanPath::Scalar, self.step_scalar()?),
            };
            if let Some(taken) = self.rows_by_path.get_mut(path as usize) {
                *taken += u64::from(rows);
            }
            self.at += u64::from(rows);
        }
        Ok(())
    }

    /// Adds the new value ids of the columns to the tables.
    pub(super) fn sync(&mut self) -> Result<()> {
        let Task { cursors, tables, dense, job, file, time_coding, .. } = self;
        tables.systems(&cursors.system, job);
        tables.countries(&cursors.country, job, dense)?;
        tables.times(&cursors.time, job, *time_coding, dense)?;
        tables.channels(&cursors.channel, job);
        tables
            .numbers(&cursors.value, file.value_type, file.value_physical)
            .map_err(|e| e.in_column(&job.columns.value))?;
        tables.derive(dense);
        Ok(())
    }

    /// Rows left, at most `most`.
    #[allow(clippy::cast_possible_truncation)] // at most `most`
    pub(super) fn rows_left(&self, most: u32) -> u32 {
        (self.end - self.at).min(u64::from(most)) as u32
    }

    /// Opens the current page of each column and updates the tables. Returns whether the fast paths can sum these
    /// pages.
    pub(super) fn prepare_fast_path(&mut self) -> Result<bool> {
        let pages = self.cursors.load_pages()?;
        self.sync()?;
        Ok(pages && !self.tables.values.special && !self.tables.bad_time)
    }

    /// Rows, at most `most`, that are left in the task and in the current pages.
    pub(super) fn page_rows(&mut self, most: u32) -> Result<u32> {
        let rows = self.rows_left(most);
        self.cursors.page_rows(rows)
    }
}
