//! One task: a range of rows of one row group, summed into a worker's grid.
//!
//! ```text
//! while rows are left:
//!     choose a path by the current pages
//!     runs:   conditions, keys and time repeat -> sum the run, or skip it
//!     bitmap: they differ row by row -> filter to a bitmap, sum the selected rows
//!     scalar: any values, one row at a time
//! ```
//!
//! The first declines nulls and excluded classes, the first two decline measures that are not small integers, times that
//! are none, and value ids past 16 bits. The third sums everything.

use std::ops::Range;

use super::Progress;
use super::classes::TimeRule;
use super::columns::{self, Columns};
use super::lanes::{ConditionLane, JoinedKeys, KeyLane, LaneMark};
use super::tables::{SameDictionaries, Tables};
use crate::dataset::OpenFile;
use crate::grid::{Account, GridAccumulator};
use crate::ids::column::{Column, Cost};
use crate::ids::cursor::{BlockKind, Cursor, Mark};
use crate::ids::entries::ChunkDictionary;
use crate::kernel::{ScanPath, bitmap};
use crate::profile::Question;
use crate::profile::question::ConditionRule;
use crate::{Error, Result, Semantics};

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
    /// By condition and value id: whether it holds.
    met: Vec<Vec<u8>>,
    /// The combinations of keys.
    joined: JoinedKeys,
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
    /// The question.
    pub question: &'t Question,
    /// The file.
    pub file: &'t OpenFile<'t>,
    /// The columns of the row group.
    pub columns: &'t Columns<'t>,
    /// Identifies the row group within the scan.
    pub row_group_id: u64,
    /// Its number in the file.
    pub row_group: usize,
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
    let TaskRows { question, file, columns, row_group_id, row_group, ref rows, path } = *task;
    let time = TimeRule::new(question, columns::time_coding(file));
    let (cursors, same) = Cursors::open(task, &time, worker)?;
    worker.tables.keep(same);
    let mut task = Task {
        question,
        file,
        row_group,
        time: &time,
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
    pub(super) condition: ConditionLane<'a>,
    pub(super) key: KeyLane<'a>,
    pub(super) time: Cursor<'a>,
    pub(super) class: Cursor<'a>,
    pub(super) measure: Cursor<'a>,
    pub(super) date: Option<Cursor<'a>>,
}

impl<'a> Cursors<'a> {
    /// Opens the columns of a row group at the first of `rows`, with the buffers of the worker. Also returns which of
    /// its value ids and tables stay valid: those of the same row group, and those of equal dictionaries, which daily
    /// files often have.
    fn open(
        task: &TaskRows<'a>,
        time_rule: &'a TimeRule<'a>,
        worker: &mut Worker,
    ) -> Result<(Self, SameDictionaries)> {
        let TaskRows { question, columns, row_group_id, ref rows, .. } = *task;
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
        let mut open_all = |columns: &'a [Column<'a>]| -> Result<(Vec<Cursor<'a>>, Vec<bool>)> {
            let opened: Vec<(Cursor<'a>, bool)> =
                columns.iter().map(|column| open(column, false)).collect::<Result<_>>()?;
            Ok(opened.into_iter().unzip())
        };
        let (conditions, same_conditions) = open_all(&columns.conditions)?;
        let (keys, same_keys) = open_all(&columns.keys)?;
        let (mut time, same_time) = open(&columns.time, false)?;
        if time_rule.is_by_day() {
            time = time.by_day(time_rule)?;
        }
        let (class, same_class) = open(&columns.class, false)?;
        let (measure, same_measure) = open(&columns.measure, true)?;
        let date = columns.date.as_ref().map(|column| open(column, false)).transpose()?;
        let date = date.map(|(date, _)| date);
        let mut met = std::mem::take(&mut worker.met);
        met.resize(conditions.len(), Vec::new());
        for (met, same) in met.iter_mut().zip(&same_conditions) {
            if !same {
                met.clear();
            }
        }
        let mut joined = std::mem::take(&mut worker.joined);
        let same = SameDictionaries {
            condition: same_conditions.iter().all(|same| *same),
            key: same_keys.iter().all(|same| *same),
            time: same_time,
            class: same_class,
            measure: same_measure,
        };
        if !same.key {
            joined.clear();
        }
        let condition = ConditionLane::new(conditions, met, has_single_condition(question));
        let key = KeyLane::new(keys, joined);
        Ok((Cursors { condition, key, time, class, measure, date }, same))
    }

    /// Gives the buffers back to the worker and adds the costs. Returns the dictionaries in the order of `open`.
    fn close(self, worker: &mut Worker) -> Vec<ChunkDictionary> {
        let Cursors { condition, key, time, class, measure, date } = self;
        let conditions = match condition {
            ConditionLane::One(cursor) => vec![cursor],
            ConditionLane::Many(many) => {
                worker.met = many.met;
                many.cursors
            }
        };
        let (keys, joined) = key.into_parts();
        worker.joined = joined;
        let all = conditions.into_iter().chain(keys).chain([time, class, measure]).chain(date);
        all.map(|mut cursor| {
            worker.cost.merge(cursor.cost);
            worker.buffers.push(cursor.take_ahead());
            let (buffer, dictionary) = cursor.into_parts();
            worker.buffers.push(buffer);
            dictionary
        })
        .collect()
    }

    /// Opens the current page of each column, whether or not the fast paths can sum them, which is returned: the value
    /// ids of all pages get a meaning before rows are read.
    pub(super) fn load_pages(&mut self) -> Result<bool> {
        let ids = [
            self.condition.load_page()?,
            self.key.load_page()?,
            self.time.load_page()?,
            self.class.load_page()?,
        ];
        Ok(self.measure.load_page()? != BlockKind::Ids32 && ids.iter().all(|kind| *kind == BlockKind::Ids16))
    }

    /// Rows, at most `most`, that the current pages of all columns have: a block must not reach into a page that was
    /// not opened.
    fn page_rows(&mut self, most: u32) -> Result<u32> {
        let most = self.condition.rows_in_page(most)?;
        let most = self.key.rows_in_page(most)?;
        [&mut self.time, &mut self.class, &mut self.measure]
            .into_iter()
            .try_fold(most, |rows, cursor| cursor.rows_in_page(rows))
    }

    /// Where all columns are.
    pub(super) fn marks(&self) -> Marks {
        let Cursors { condition, key, time, class, measure, .. } = self;
        (condition.mark(), key.mark(), [time.mark(), class.mark(), measure.mark()])
    }

    /// Returns to a position within the current pages.
    pub(super) fn reset(&mut self, (condition, key, [time, class, measure]): Marks) {
        self.condition.reset(condition);
        self.key.reset(key);
        self.time.reset(time);
        self.class.reset(class);
        self.measure.reset(measure);
    }

    /// Skips rows in all columns.
    pub(super) fn skip_all(&mut self, rows: u32) -> Result<()> {
        self.condition.skip(rows)?;
        self.key.skip(rows)?;
        self.skip_unselected(rows, true)
    }

    /// Skips rows in the columns that are read after conditions and keys have ruled all of them out; in the measures
    /// only if `skip_measures`.
    pub(super) fn skip_unselected(&mut self, rows: u32, skip_measures: bool) -> Result<()> {
        self.time.skip(rows)?;
        self.class.skip(rows)?;
        if skip_measures {
            self.measure.skip(rows)?;
        }
        Ok(())
    }
}

/// Positions of all columns.
pub(super) type Marks = (LaneMark, LaneMark, [Mark; 3]);

/// The counter of rows that do not meet the condition of this number.
pub(super) fn dropped_by<'a>(account: &'a mut Account, question: &Question, number: usize) -> &'a mut u64 {
    match question.conditions.get(number).map(|condition| &condition.rule) {
        Some(ConditionRule::IsTotal(_) | ConditionRule::IsPart(_)) => &mut account.not_total_row,
        _ => &mut account.where_not_met,
    }
}

/// Whether the only condition is read as it is stored: its value ids say whether it holds. Conditions on lists of
/// values are not, since the fast paths look for one value id.
fn has_single_condition(question: &Question) -> bool {
    matches!(question.conditions.as_slice(), [only] if matches!(only.rule, ConditionRule::IsTotal(_)))
}

/// Chooses runs where keys have long runs, and bitmaps otherwise.
fn prefer(columns: &Columns<'_>) -> ScanPath {
    let has_runs = |column: &Column<'_>| {
        let Column::Chunk(chunk) = column else { return true };
        let (rows, bytes) = chunk.data().iter().fold((0u64, 0u64), |(rows, bytes), page| {
            (rows + u64::from(page.values), bytes + u64::from(page.uncompressed_len))
        });
        // A run takes about three bytes, so below two bits a row runs span a dozen rows.
        bytes * 8 <= rows * 2
    };
    if columns.keys.iter().all(has_runs) { ScanPath::Runs } else { ScanPath::Bitmap }
}

pub(super) struct Task<'t, 'a> {
    pub(super) question: &'t Question,
    pub(super) file: &'t OpenFile<'t>,
    pub(super) row_group: usize,
    pub(super) time: &'t TimeRule<'t>,
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
            let legacy = self.question.job.semantics == Semantics::Legacy;
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
        let Task { cursors, tables, dense, question, file, time, .. } = self;
        tables.conditions(&mut cursors.condition, question, file);
        tables.keys(&mut cursors.key, question, file, dense)?;
        tables.times(&cursors.time, time, dense)?;
        tables.classes(&cursors.class, question);
        tables
            .measures(&cursors.measure, file.value_type, file.value_physical)
            .map_err(|e| e.in_column(question.measure_column()))?;
        tables.derive(dense);
        Ok(())
    }

    /// Adds the combinations of keys that a read has met.
    pub(super) fn sync_keys(&mut self) -> Result<()> {
        let Task { cursors, tables, dense, question, file, .. } = self;
        if matches!(cursors.key, KeyLane::Many(_)) {
            tables.keys(&mut cursors.key, question, file, dense)?;
            tables.derive(dense);
        }
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
        Ok(pages && !self.tables.measures.special && !self.tables.bad_time)
    }

    /// Rows, at most `most`, that are left in the task and in the current pages.
    pub(super) fn page_rows(&mut self, most: u32) -> Result<u32> {
        let rows = self.rows_left(most);
        self.cursors.page_rows(rows)
    }
}
