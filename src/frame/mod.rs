//! Sums data frames in memory: record batches of an Arrow C stream, without a copy
//! and without a parquet file.
//!
//! - [`ffi`]: import through the C data interface.
//! - [`slice`](mod@slice): typed slices of imported memory. These two files hold the unsafe code.
//! - [`field`]: Arrow types of columns, and their use in the job.
//! - [`mod@array`], [`text`]: a column as typed slices.
//! - [`keys`]: the key columns, each dictionary entry or distinct string resolved once.
//! - [`block`]: the loop over a range of rows, column by column.
//! - [`zipped`]: the fast path of that loop, for columns of ids or strings: all columns in one pass.
//! - [`general`]: the loop for every other job than that of a cube, and for rows that count only without total rows.
//! - [`members`]: the values of columns, for errors that list them.
//! - [`groups`]: groups of rows that another engine has counted and summed.
//!
//! An idle thread takes the next range of a batch, or the next batch from the
//! stream if no range is left, and sums it into its grid. Memory is bounded by one
//! batch and a range a thread, whatever the stream's length. The sums are exact, so
//! they do not depend on where batches end.

pub mod array;
pub mod block;
pub mod ffi;
pub mod field;
pub mod general;
pub mod groups;
pub mod keys;
pub mod members;
pub mod slice;
pub mod text;
pub mod zipped;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use array::{Array, Data, Nulls};
use block::{Columns, Worker};
use field::{Field, find};
use general::{General, Kinds, Slot, Slots, Sums};
use keys::ValueForm;

pub use ffi::Stream;

use crate::calendar::intervals::Intervals;
use crate::calendar::zone::Zone;
use crate::grid::Partial;
use crate::ids::values::ValueType;
use crate::phrase::Phrase;
use crate::profile::Question;
use crate::profile::question::{Totals, other_totals};
use crate::scan::Progress;
use crate::scan::classes::TimeCoding;
use crate::{Error, Grain, Job, Result, Semantics};

/// Rows of a batch, where the source can choose.
pub const BATCH_ROWS: usize = 1 << 20;
/// Rows of a range.
const RANGE_ROWS: usize = 1 << 16;
/// Below this many rows, starting threads costs more than it saves.
pub const SEQUENTIAL_ROWS: u64 = 1 << 17;

/// Where the columns of a job are in a frame, and how they are stored.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The job as conditions, keys, time, class and measure. Its zone is that of the frame where the profile has none.
    question: Question,
    /// The number type of the measure.
    pub value_type: ValueType,
    /// The indices of the needed columns in the frame. Columns of a batch have this order.
    indices: Vec<usize>,
    slots: Slots,
    /// The columns of a cube, where the fast paths can sum them.
    cube: Option<Cube>,
    time_coding: TimeCoding,
    date_coding: TimeCoding,
}

/// The columns of a cube, as numbers of the columns of a batch.
#[derive(Debug, Clone, Copy)]
struct Cube {
    system: usize,
    country: usize,
    time: usize,
    channel: usize,
    value: usize,
    date: Option<usize>,
}

/// Columns by name, each of which is read once.
struct Finder<'f> {
    fields: &'f [Field],
    indices: Vec<usize>,
}

impl<'f> Finder<'f> {
    /// The number of a column among those that are read, and its type.
    fn column(&mut self, name: &str) -> Result<(usize, &'f Field)> {
        let index = find(self.fields, name)?;
        let field = self.fields.get(index).ok_or_else(|| Error::internal("no such column"))?;
        let at = self.indices.iter().position(|known| *known == index).unwrap_or_else(|| {
            self.indices.push(index);
            self.indices.len() - 1
        });
        Ok((at, field))
    }

    /// A column whose values are compared as text; `None` where the frame lacks it and it is optional.
    fn slot(&mut self, name: &str, optional: bool) -> Result<Option<Slot>> {
        if optional && find(self.fields, name).is_err() {
            return Ok(None);
        }
        let (at, field) = self.column(name)?;
        Ok(Some(Slot { at, form: field.value_form()? }))
    }

    /// A column of strings.
    fn strings(&mut self, name: &str) -> Result<Slot> {
        let (at, field) = self.column(name)?;
        field.check_string()?;
        Ok(Slot { at, form: ValueForm::Whole })
    }
}

impl Plan {
    /// Finds the columns that the job needs.
    ///
    /// # Errors
    /// `Data` where a column is missing or of a wrong type, `Argument` for a job that is not valid.
    pub fn new(job: &Job, fields: &[Field]) -> Result<Self> {
        let job = job.clone().validated()?;
        let question = Question::new(&job)?;
        Self::of(question.clone(), fields).map_err(|error| explain(&question, fields, error))
    }

    fn of(mut question: Question, fields: &[Field]) -> Result<Self> {
        let job = question.job.clone();
        let mut finder = Finder { fields, indices: Vec::new() };
        let mut value_type = ValueType::Int { bits: 64, signed: true };
        let mut measure = None;
        if let Some(name) = job.profile.users.column.as_deref() {
            let (at, field) = finder.column(name)?;
            value_type = field.value_type()?;
            if value_type == ValueType::Null && job.semantics == Semantics::Iso {
                return Err(Error::data("the values have the null type")
                    .expected("a number: integer, float, double or decimal")
                    .in_column(name));
            }
            measure = Some(at);
        }
        let (label, date) = question.time_columns();
        // Frames may lack labels where they have dates.
        let label =
            label.filter(|name| date.is_none() || question.needs_dates() || find(fields, name).is_ok());
        let unit = job.profile.time.unit;
        let mut zone = None;
        let (time, time_coding) = match (label, date) {
            (Some(label), _) => (finder.strings(label)?.at, TimeCoding::Label(job.profile.time.label_form)),
            (None, Some(date)) => {
                let (at, field) = finder.column(date)?;
                zone = field.zone().map(Zone::named).transpose().map_err(|e| e.in_column(date))?;
                (at, field.date_coding(unit)?)
            }
            (None, None) => return Err(Error::internal("a job without a column of time")),
        };
        let dates = match date {
            Some(date) if question.needs_dates() => {
                let (at, field) = finder.column(date)?;
                Some((at, field.date_coding(unit)?))
            }
            _ => None,
        };
        // For messages only, so it may be missing or of any type.
        let mut hint = dates;
        if let (Some(_), Some(date), None) = (label, date, dates)
            && let Some(field) = find(fields, date).ok().and_then(|at| fields.get(at))
            && let Ok(coding) = field.date_coding(unit)
        {
            hint = Some((finder.column(date)?.0, coding));
        }
        if question.zone.is_none() {
            question.zone = zone.filter(|zone| *zone.intervals() != Intervals::fixed(0));
        }
        let conditions = question.conditions.iter().map(|c| finder.slot(&c.column, c.optional));
        let conditions = conditions.collect::<Result<Vec<_>>>()?;
        let keys = question.keys.iter().map(|key| {
            finder.slot(&key.column, false)?.ok_or_else(|| Error::internal("a key without a column"))
        });
        let keys = keys.collect::<Result<Vec<_>>>()?;
        // A dimension that is neither a key nor has totals must be there all the same, unless it is optional.
        for (name, dimension) in job.profile.dimensions.iter().filter(|(_, of)| !of.optional) {
            find(fields, dimension.column_of(name))?;
        }
        let channel = job.profile.channel.column.as_deref().filter(|_| question.class.is_some());
        let class = channel.map(|name| finder.strings(name)).transpose()?;
        let slots = Slots { conditions, keys, time, time_coding, class, measure, date: dates, hint };
        let cube = cube_of(&question, fields, &slots);
        let date_coding = dates.map_or(TimeCoding::Text, |(_, coding)| coding);
        Ok(Plan { question, value_type, indices: finder.indices, slots, cube, time_coding, date_coding })
    }

    /// The indices of the needed columns in the frame.
    pub fn column_indices(&self) -> Vec<usize> {
        self.indices.clone()
    }

    /// A batch of `rows` rows; `column` returns the column of an index.
    ///
    /// # Errors
    /// Those of `column`, and `Format` for a dictionary of numbers with ids past its end.
    pub fn gather(&self, rows: usize, column: &mut dyn FnMut(usize) -> Result<Array>) -> Result<Batch> {
        let mut columns = self.indices.iter().map(|index| column(*index)).collect::<Result<Vec<_>>>()?;
        if let Some(measure) = self.slots.measure.and_then(|at| columns.get_mut(at)) {
            let coded = std::mem::replace(measure, Array { len: 0, nulls: Nulls::None, data: Data::Null });
            *measure = coded.flattened()?;
        }
        let column = |at: usize| columns.get(at).cloned().ok_or_else(|| Error::internal("no such column"));
        let cube = self.cube.map(|cube| -> Result<Columns> {
            Ok(Columns {
                rows,
                system: column(cube.system)?,
                country: column(cube.country)?,
                time: column(cube.time)?,
                channel: column(cube.channel)?,
                value: column(cube.value)?,
                date: cube.date.map(column).transpose()?,
            })
        });
        Ok(Batch { rows, cube: cube.transpose()?, columns })
    }

    /// The job, validated.
    pub fn job(&self) -> &Job {
        &self.question.job
    }

    /// The rows that are total rows of all dimensions outside the key.
    fn all_totals(&self) -> Totals {
        Totals::all(other_totals(self.job()).count())
    }
}

/// The error of a column that cannot be used. Where columns are missing, all of them are named.
fn explain(question: &Question, fields: &[Field], error: Error) -> Error {
    let names: Vec<&str> = fields.iter().map(Field::name).collect();
    let is_missing = |column: &str| {
        // Not one that is ambiguous.
        !names.iter().any(|name| name.to_lowercase() == column.to_lowercase())
    };
    if let Some(missing) = question.missing_column_error(&names, is_missing) {
        return missing;
    }
    let column = error.report().and_then(|report| report.location.column.clone());
    error.or_advice(|| {
        column.map_or_else(Phrase::default, |name| question.job.profile.advise_other_column(&name))
    })
}

/// The columns of a cube; `None` where the fast paths cannot sum the frame: another job, no column of systems or of
/// labels, columns that are not strings, and instants on another calendar than that of UTC.
fn cube_of(question: &Question, fields: &[Field], slots: &Slots) -> Option<Cube> {
    let job = &question.job;
    if !job.is_cube() || question.zone.is_some() {
        return None;
    }
    let is_label = matches!(slots.time_coding, TimeCoding::Label(_));
    let columns = job.columns();
    let is_string = |name: &str| {
        let field = find(fields, name).ok().and_then(|at| fields.get(at));
        field.is_some_and(|field| field.check_string().is_ok())
    };
    if is_label != (job.grain == Grain::Week) || !is_string(columns.os_name) || !is_string(columns.country) {
        return None;
    }
    let ([Some(system)], [country]) = (slots.conditions.as_slice(), slots.keys.as_slice()) else {
        return None;
    };
    let (channel, value) = (slots.class?.at, slots.measure?);
    let date = slots.date.map(|(at, _)| at);
    Some(Cube { system: system.at, country: country.at, time: slots.time, channel, value, date })
}

/// The needed columns of a record batch.
pub struct Batch {
    /// Rows.
    rows: usize,
    /// The columns of a cube, for the fast paths.
    cube: Option<Columns>,
    /// All columns, in the order of the plan.
    columns: Vec<Array>,
}

/// A source of batches.
pub trait Source: Send {
    /// The next batch; `None` after the last.
    fn next(&mut self, plan: &Plan) -> Result<Option<Batch>>;

    /// Reads on until a batch has rows; returns false where none has. The source cannot be summed afterwards:
    /// the batches are consumed.
    fn drain_to_rows(&mut self) -> Result<bool>;
}

impl Source for Stream {
    fn next(&mut self, plan: &Plan) -> Result<Option<Batch>> {
        let Some(batch) = self.next_batch()? else { return Ok(None) };
        plan.gather(batch.rows(), &mut |at| batch.column(at)).map(Some)
    }

    fn drain_to_rows(&mut self) -> Result<bool> {
        while let Some(batch) = self.next_batch()? {
            if batch.rows() > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Returns the plan, or `None` where columns are missing or of wrong types but the frame has no rows: the
/// types of an empty frame are ignored, as those of an empty file are.
///
/// # Errors
/// The error of the plan, where the frame has rows.
pub fn plan_or_empty(plan: Result<Plan>, source: &mut impl Source) -> Result<Option<Plan>> {
    match plan {
        Ok(plan) => Ok(Some(plan)),
        Err(Error::Data(_)) if !source.drain_to_rows()? => Ok(None),
        Err(error) => Err(error),
    }
}

/// A frame and the plan to sum it by.
pub struct Sum<S> {
    plan: Plan,
    queue: Queue<S>,
}

/// The ranges that wait for a thread, and the source of more.
struct Queue<S> {
    source: S,
    ranges: VecDeque<BatchRange>,
    /// Rows of all batches read so far.
    rows: u64,
    /// The source has no more batches.
    done: bool,
    /// The error with the smallest row so far, and that row. No range is handed out after an error.
    failed: Option<(u64, Error)>,
}

/// A range of a batch, and the number of rows before the batch.
struct BatchRange {
    before: u64,
    batch: Arc<Batch>,
    rows: Range<usize>,
}

impl<S: Source> Queue<S> {
    /// Reads the next batch and queues its ranges; sets `done` after the last.
    fn fetch(&mut self, plan: &Plan) -> Result<()> {
        let Some(batch) = self.source.next(plan)? else {
            self.done = true;
            return Ok(());
        };
        let (before, batch) = (self.rows, Arc::new(batch));
        self.rows += batch.rows as u64;
        self.ranges.extend((0..batch.rows).step_by(RANGE_ROWS).map(|at| BatchRange {
            before,
            batch: batch.clone(),
            rows: at..batch.rows.min(at + RANGE_ROWS),
        }));
        Ok(())
    }

    /// The next range; `None` at the end and after an error.
    fn pop(&mut self, plan: &Plan) -> Option<BatchRange> {
        while self.failed.is_none() {
            if let Some(range) = self.ranges.pop_front() {
                return Some(range);
            }
            if self.done {
                return None;
            }
            if let Err(error) = self.fetch(plan) {
                self.fail(self.rows, error);
            }
        }
        None
    }

    /// Records an error at `row`. Ranges are handed out in order, so all rows before a failed range are already
    /// summed or in work: the smallest row of all errors is the first error of the frame.
    fn fail(&mut self, row: u64, error: Error) {
        if self.failed.as_ref().is_none_or(|(first, _)| row < *first) {
            self.failed = Some((row, error));
        }
    }
}

impl<S: Source> Sum<S> {
    /// Reads nothing yet.
    pub fn new(plan: Plan, source: S) -> Self {
        let queue = Queue { source, ranges: VecDeque::new(), rows: 0, done: false, failed: None };
        Sum { plan, queue }
    }

    /// Reads batches until the frame ends or has [`SEQUENTIAL_ROWS`] rows. Returns whether it ended: then it
    /// is small enough for one thread, and completely buffered.
    ///
    /// # Errors
    /// As [`Source::next`].
    pub fn buffer_small(&mut self) -> Result<bool> {
        while !self.queue.done && self.queue.rows < SEQUENTIAL_ROWS {
            self.queue.fetch(&self.plan)?;
        }
        Ok(self.queue.done && self.queue.rows < SEQUENTIAL_ROWS)
    }

    /// Sums the frame. `threads` as in [`crate::scan::Options`].
    ///
    /// # Errors
    /// The first error in the order of the rows, whichever thread found it.
    pub fn run(mut self, threads: Option<usize>, progress: &dyn Progress) -> Result<Partial> {
        let sequential = self.buffer_small()? || threads == Some(1);
        let (plan, queue) = (&self.plan, Mutex::new(self.queue));
        // Legacy semantics know total rows only.
        let met = AtomicBool::new(plan.job().semantics == Semantics::Legacy);
        let workers = if sequential {
            vec![work(plan, &queue, &met, progress)]
        } else {
            crate::scan::pool(threads.unwrap_or(0))?.broadcast(|_| work(plan, &queue, &met, progress))
        };
        let queue = queue.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((_, error)) = queue.failed {
            return Err(error);
        }
        combine(plan, workers, queue.rows)
    }
}

/// The sums of all threads as one partial aggregate of `rows` rows. It has those of rows that are not total rows of all
/// dimensions outside the key only if there are no such rows.
fn combine(plan: &Plan, workers: Vec<FrameWorker>, rows: u64) -> Result<Partial> {
    // The types of a frame without rows are ignored.
    let value_type = (rows > 0).then_some(plan.value_type);
    let empty = || Partial { value_type, ..Partial::default() };
    let main = plan.all_totals().number();
    let mut whole = empty();
    let mut by_kind: BTreeMap<u32, Vec<Sums>> = BTreeMap::new();
    for FrameWorker { cube, general } in workers {
        whole = whole.merge(cube.into_partial()?)?;
        let sums = general.map(|general| general.into_sums()).unwrap_or_default();
        for (kind, sums) in (0..).zip(sums) {
            if kind == main && plan.cube.is_none() {
                whole = whole.merge(sums.grid.into_partial()?)?;
            } else if kind != main {
                by_kind.entry(kind).or_default().push(sums);
            }
        }
    }
    let settle = |partial: &mut Partial, is_counted: bool| {
        // Sums of one kind of rows have not counted the others.
        if !is_counted {
            partial.account.not_total_row = rows.saturating_sub(partial.account.rows);
        }
        // The account is checked against the rows of the batches, not the rows that were summed.
        partial.account.rows = rows;
        partial.account.check()
    };
    settle(&mut whole, plan.cube.is_some())?;
    let is_legacy = plan.job().semantics == Semantics::Legacy;
    if whole.is_met() || rows == 0 || is_legacy {
        return Ok(whole);
    }
    for totals in Totals::others(other_totals(plan.job()).count()) {
        let mut sums = by_kind.remove(&totals.number()).unwrap_or_default();
        let failed = sums.iter_mut().filter_map(|sums| sums.failed.take());
        match failed.min_by_key(|(row, _)| *row) {
            // An error only if these rows answer, as on files.
            Some((_, Error::Data(report))) if report.location.row.is_some() => {
                let failed = Partial { failed: Some(report), ..Partial::default() };
                whole.others.push((totals.number(), failed));
                continue;
            }
            Some((_, error)) => return Err(error),
            None => {}
        }
        let mut partial = empty();
        for sums in sums {
            partial = partial.merge(sums.grid.into_partial()?)?;
        }
        settle(&mut partial, false)?;
        whole.others.push((totals.number(), partial));
    }
    Ok(whole)
}

/// What a thread has summed.
#[derive(Default)]
struct FrameWorker {
    /// Total rows of a cube, by the fast paths.
    cube: Worker,
    /// Everything else; `None` until there is some.
    general: Option<Box<General>>,
}

impl FrameWorker {
    fn run(
        &mut self,
        plan: &Plan,
        range: &BatchRange,
        met: &AtomicBool,
        progress: &dyn Progress,
    ) -> Result<()> {
        let BatchRange { before, batch, rows } = range;
        let FrameWorker { cube, general } = self;
        let mut sum = |kinds| {
            let general = general.get_or_insert_default();
            general.run(plan, batch, rows.clone(), *before, kinds, met, progress)
        };
        let Some(columns) = &batch.cube else { return sum(Kinds::All) };
        cube.run(plan, columns, rows.clone(), progress).map_err(|error| explained(error, plan, batch))?;
        if !met.load(Ordering::Relaxed) && cube.is_met() {
            met.store(true, Ordering::Relaxed);
        }
        if met.load(Ordering::Relaxed) {
            *general = None;
            return Ok(());
        }
        sum(Kinds::Others)
    }
}

/// The error of a batch of a cube, with the label of the row's date where the label is wrong.
#[cold]
fn explained(error: Error, plan: &Plan, batch: &Batch) -> Error {
    let location = error.report().map(|report| &report.location);
    let row = location.filter(|at| at.column.as_deref() == Some(plan.job().columns().year_week));
    match (&error, row.and_then(|at| usize::try_from(at.row?).ok())) {
        (Error::Data(_), Some(row)) => error.advice(general::advice(plan, batch, row)),
        _ => error,
    }
}

/// The loop of one thread: sums ranges until the queue is empty or a range fails.
fn work<S: Source>(
    plan: &Plan,
    queue: &Mutex<Queue<S>>,
    met: &AtomicBool,
    progress: &dyn Progress,
) -> FrameWorker {
    let lock = || queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut worker = FrameWorker::default();
    loop {
        let next = lock().pop(plan);
        let Some(range) = next else { return worker };
        let first = range.before + range.rows.start as u64;
        if let Err(error) = worker.run(plan, &range, met, progress) {
            lock().fail(first, error.offset_row(range.before));
        }
    }
}
