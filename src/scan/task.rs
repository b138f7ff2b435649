//! One task: a range of rows of one row group, summed into a worker's grid.
//!
//! ```text
//! while rows are left:
//!     ask the pages at hand which path fits
//!     runs:   all three keys repeat -> sum the stretch, or pass over it
//!     bitmap: keys differ row by row -> filter to a bitmap, sum the survivors
//!     scalar: anything at all, one row at a time
//! ```
//!
//! The first two decline what they do not know (nulls in channel or value,
//! values that are no small integers, labels that are no weeks, value ids past 16
//! bits); the third is always right.

use super::Progress;
use super::plan::{Columns, FilePlan};
use super::tables::Tables;
use crate::grid::GridAccumulator;
use crate::ids::column::{Column, Cost};
use crate::ids::cursor::{BlockKind, Cursor};
use crate::ids::entries::ChunkDictionary;
use crate::kernel::{ScanPath, bitmap};
use crate::{Error, Job, Result, Semantics};

/// Rows that a block takes at the most.
pub const BLOCK: usize = 2048;

/// Rows from which a run that is ruled out is skipped at once in all columns.
pub const LONG_RUN: u32 = 4096;

/// What a worker keeps from task to task.
#[derive(Default)]
pub struct Worker {
    /// The sums.
    pub dense: GridAccumulator,
    /// What its pages cost.
    pub cost: Cost,
    tables: Tables,
    buffers: Vec<Vec<u8>>,
    /// None while a task has them, and before the first.
    blocks: Option<Box<Blocks>>,
    /// The row group that the tables are for, and its columns' entries: the
    /// next range of the same row group needs not read its dictionaries again.
    known: Option<(Option<u64>, Vec<ChunkDictionary>)>,
}

impl Worker {
    /// Makes it ready for another scan, whose row groups have the same numbers.
    pub fn rest(&mut self) {
        self.known = None;
        self.cost = Cost::default();
    }
}

/// How many rows each path has taken, by [`ScanPath`].
pub type RowsByPath = [u64; 3];

/// Sums rows `rows` of a row group, which `id` tells from the others of the scan.
#[allow(clippy::too_many_arguments)]
pub fn run(
    job: &Job,
    plan: &FilePlan<'_>,
    columns: &Columns<'_>,
    id: u64,
    rows: std::ops::Range<u64>,
    path: Option<ScanPath>,
    worker: &mut Worker,
    progress: &dyn Progress,
) -> Result<RowsByPath> {
    // Value ids and tables of the last task stay where it had the same row group, or
    // another with the same dictionary: daily files have many in common.
    let (known, entries) = worker.known.take().unwrap_or_default();
    let mut entries = entries.into_iter();
    let buffers = &mut worker.buffers;
    let mut open = |column, raw| {
        let (buffer, ahead) = (buffers.pop().unwrap_or_default(), buffers.pop().unwrap_or_default());
        let opened = match entries.next() {
            Some(entries) if known == Some(id) => {
                Cursor::new(column, rows.start, raw, buffer, Some(entries)).map(|cursor| (cursor, true))
            }
            Some(entries) => Cursor::after(column, rows.start, raw, buffer, entries),
            None => Cursor::new(column, rows.start, raw, buffer, None).map(|cursor| (cursor, false)),
        };
        opened.map(|(mut cursor, same)| {
            cursor.look_ahead(rows.end, ahead);
            (cursor, same)
        })
    };
    let (system, same_system) = open(&columns.system, false)?;
    let (country, same_country) = open(&columns.country, false)?;
    let (time, same_time) = open(&columns.time, false)?;
    let (channel, same_channel) = open(&columns.channel, false)?;
    let (value, same_value) = open(&columns.value, true)?;
    let date = columns.date.as_ref().map(|column| open(column, false)).transpose()?;
    worker.tables.keep([same_system, same_country, same_time, same_channel, same_value]);
    let mut task = Task {
        job,
        plan,
        system,
        country,
        time,
        channel,
        value,
        date: date.map(|(date, _)| date),
        tables: std::mem::take(&mut worker.tables),
        dense: &mut worker.dense,
        at: rows.start,
        end: rows.end,
        taken: RowsByPath::default(),
        prefer: path.unwrap_or_else(|| prefer(columns)),
        blocks: worker.blocks.take().unwrap_or_default(),
    };
    task.dense.account.rows += rows.end - rows.start;
    let outcome = task.run(path, progress);
    let Task { system, country, time, channel, value, date, tables, taken, blocks, .. } = task;
    worker.tables = tables;
    worker.blocks = Some(blocks);
    let mut entries = Vec::with_capacity(6);
    for mut cursor in [system, country, time, channel, value].into_iter().chain(date) {
        worker.cost.merge(cursor.cost);
        worker.buffers.push(cursor.take_ahead());
        let (buffer, met) = cursor.into_parts();
        worker.buffers.push(buffer);
        entries.push(met);
    }
    outcome?;
    worker.known = Some((Some(id), entries));
    Ok(taken)
}

/// Long runs of countries pay for walking runs; without them, bitmaps win.
fn prefer(columns: &Columns<'_>) -> ScanPath {
    let Column::Chunk(chunk) = &columns.country else { return ScanPath::Runs };
    let (rows, bytes) = chunk.data().iter().fold((0u64, 0u64), |(rows, bytes), page| {
        (rows + u64::from(page.values), bytes + u64::from(page.uncompressed_len))
    });
    // A run takes about three bytes; below two bits a row runs span a dozen rows.
    if bytes * 8 <= rows * 2 { ScanPath::Runs } else { ScanPath::Bitmap }
}

pub(super) struct Task<'t, 'a> {
    pub(super) job: &'t Job,
    pub(super) plan: &'t FilePlan<'t>,
    pub(super) system: Cursor<'a>,
    pub(super) country: Cursor<'a>,
    pub(super) time: Cursor<'a>,
    pub(super) channel: Cursor<'a>,
    pub(super) value: Cursor<'a>,
    pub(super) date: Option<Cursor<'a>>,
    pub(super) tables: Tables,
    pub(super) dense: &'t mut GridAccumulator,
    /// The next row.
    pub(super) at: u64,
    pub(super) end: u64,
    pub(super) taken: RowsByPath,
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
            if let Some(taken) = self.taken.get_mut(path as usize) {
                *taken += u64::from(rows);
            }
            self.at += u64::from(rows);
        }
        Ok(())
    }

    /// Brings the tables up to the value ids that the columns have.
    pub(super) fn sync(&mut self) -> Result<()> {
        let Task { tables, dense, job, plan, .. } = self;
        tables.systems(&self.system, job);
        tables.countries(&self.country, job, dense)?;
        tables.times(&self.time, job, plan.time_coding, dense)?;
        tables.channels(&self.channel, job);
        tables
            .numbers(&self.value, plan.value_type, plan.value_physical)
            .map_err(|e| e.in_column(&job.columns.value))?;
        tables.derive(dense);
        Ok(())
    }

    /// Rows left, at most `most`.
    #[allow(clippy::cast_possible_truncation)] // at most `most`
    pub(super) fn rows_left(&self, most: u32) -> u32 {
        (self.end - self.at).min(u64::from(most)) as u32
    }

    /// Whether the fast paths know what is at hand.
    pub(super) fn is_plain(&mut self) -> Result<bool> {
        let narrow = self.system.load_page()? == BlockKind::Ids16
            && self.country.load_page()? == BlockKind::Ids16
            && self.time.load_page()? == BlockKind::Ids16
            && self.channel.load_page()? == BlockKind::Ids16
            && self.value.load_page()? != BlockKind::Ids32;
        self.sync()?;
        Ok(narrow
            && !self.tables.values.special
            && !self.tables.bad_time
            && !self.value.may_be_null()
            && !self.channel.may_be_null()
            && !self.time.may_be_null())
    }

    /// Rows that the pages of the columns with nulls have at hand: a block must
    /// not run into a page that was not looked at.
    pub(super) fn page_rows(&mut self, most: u32) -> Result<u32> {
        let mut rows = self.rows_left(most);
        for cursor in
            [&mut self.system, &mut self.country, &mut self.time, &mut self.channel, &mut self.value]
        {
            rows = cursor.rows_in_page(rows)?;
        }
        Ok(rows)
    }

    /// Passes over rows of the columns that are marked.
    pub(super) fn skip_all(&mut self, rows: u32, which: [bool; 5]) -> Result<()> {
        let cursors =
            [&mut self.system, &mut self.country, &mut self.time, &mut self.channel, &mut self.value];
        for (cursor, _) in cursors.into_iter().zip(which).filter(|(_, marked)| *marked) {
            cursor.skip(rows)?;
        }
        Ok(())
    }
}
