//! Data frames in memory, straight into the grid: record batch by record batch
//! over the Arrow C stream, without a copy and without parquet between.
//!
//! - [`ffi`]: the C data interface (the only unsafe code here).
//! - [`field`]: columns by their Arrow types, and what these mean to the job.
//! - [`mod@array`], [`text`]: a column as typed slices.
//! - [`keys`]: what the rows of the key columns mean, asked once a dictionary
//!   entry or once a distinct string.
//! - [`block`]: the loop over a stretch of rows.
//! - [`zipped`]: the same for columns of ids or strings, all in one pass.
//! - [`groups`]: rows that another engine has counted and summed.
//!
//! A thread that has nothing to do takes the next range of a batch, or the next
//! batch from the stream if there is none, and sums it into a grid of its own.
//! So memory is bounded by one batch and a range a thread whatever the stream's
//! length, and the sums, which are exact, do not depend on where batches end.

pub mod array;
pub mod block;
pub mod ffi;
pub mod field;
pub mod groups;
pub mod keys;
pub mod text;
pub mod zipped;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use array::Array;
use block::{Columns, Worker};
use field::{Field, find};

pub use ffi::Stream;

use crate::grid::Partial;
use crate::ids::values::ValueType;
use crate::scan::Progress;
use crate::scan::classes::TimeCoding;
use crate::{Error, Grain, Job, Result, Semantics};

/// Rows of a batch, where a source is free to choose.
pub const BATCH_ROWS: usize = 1 << 20;
/// Rows of a range.
const RANGE_ROWS: usize = 1 << 16;
/// Below this many rows, starting threads costs more than it saves.
pub const SEQUENTIAL_ROWS: u64 = 1 << 17;

/// Where the job's columns are in a frame, and how they are stored.
#[derive(Debug, Clone)]
pub struct Plan {
    job: Job,
    system: usize,
    country: usize,
    time: usize,
    channel: usize,
    value: usize,
    date: Option<usize>,
    /// The number type of the value column.
    pub value_type: ValueType,
    time_coding: TimeCoding,
    date_coding: TimeCoding,
}

impl Plan {
    /// Finds the columns that the job needs.
    ///
    /// # Errors
    /// `Data` where one is missing or of a wrong type.
    pub fn new(job: &Job, fields: &[Field]) -> Result<Self> {
        let job = job.clone().validated()?;
        let columns = &job.columns;
        let found = |column: &str| -> Result<(usize, &Field)> {
            let at = find(fields, column)?;
            fields.get(at).map(|field| (at, field)).ok_or_else(|| Error::internal("no such column"))
        };
        let strings = |column: &str| -> Result<usize> {
            let (at, field) = found(column)?;
            field.check_string()?;
            Ok(at)
        };
        let (value, value_field) = found(&columns.value)?;
        let value_type = value_field.value_type()?;
        if value_type == ValueType::Null && job.semantics == Semantics::Iso {
            return Err(Error::data("the values have the null type")
                .expected("a number: integer, float, double or decimal")
                .in_column(&columns.value));
        }
        let dates = |column: &str| -> Result<(usize, TimeCoding)> {
            let (at, field) = found(column)?;
            Ok((at, field.date_coding()?))
        };
        let (time, time_coding) = match job.grain {
            Grain::Week => (strings(&columns.year_week)?, TimeCoding::Label),
            Grain::Day => dates(&columns.start_date)?,
        };
        let (date, date_coding) = match job.semantics {
            Semantics::Iso => (None, TimeCoding::Text),
            Semantics::Legacy => {
                let (at, coding) = dates(&columns.start_date)?;
                (Some(at), coding)
            }
        };
        Ok(Plan {
            system: strings(&columns.os_name)?,
            country: strings(&columns.country)?,
            channel: strings(&columns.name)?,
            time,
            value,
            date,
            value_type,
            time_coding,
            date_coding,
            job,
        })
    }

    /// The needed columns, by their places in the frame.
    pub fn places(&self) -> Vec<usize> {
        let mut places = vec![self.system, self.country, self.time, self.channel, self.value];
        places.extend(self.date);
        places
    }

    /// The columns of a batch of `rows` rows; `column` gives them by place.
    ///
    /// # Errors
    /// Those of `column`, and `Format` for a dictionary of numbers with ids past its end.
    pub fn gather(&self, rows: usize, column: &mut dyn FnMut(usize) -> Result<Array>) -> Result<Columns> {
        Ok(Columns {
            rows,
            system: column(self.system)?,
            country: column(self.country)?,
            time: column(self.time)?,
            channel: column(self.channel)?,
            value: column(self.value)?.flattened()?,
            date: self.date.map(column).transpose()?,
        })
    }

    /// The job, validated.
    pub fn job(&self) -> &Job {
        &self.job
    }
}

/// Where batches come from.
pub trait Source: Send {
    /// The columns of the next batch and its rows; `None` after the last.
    fn next(&mut self, plan: &Plan) -> Result<Option<Columns>>;

    /// Whether a row is left. Batches without rows are consumed by this, and the first with rows.
    fn has_rows(&mut self) -> Result<bool>;
}

impl Source for Stream {
    fn next(&mut self, plan: &Plan) -> Result<Option<Columns>> {
        let Some(batch) = self.next_batch()? else { return Ok(None) };
        plan.gather(batch.rows(), &mut |at| batch.column(at)).map(Some)
    }

    fn has_rows(&mut self) -> Result<bool> {
        while let Some(batch) = self.next_batch()? {
            if batch.rows() > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The plan of a frame, or `None` where it has no rows and columns that are missing or of other types:
/// those of a frame without rows mean nothing, as in an empty file.
///
/// # Errors
/// That of the plan, where there are rows.
pub fn plan_or_empty(plan: Result<Plan>, source: &mut impl Source) -> Result<Option<Plan>> {
    match plan {
        Ok(plan) => Ok(Some(plan)),
        Err(Error::Data(_)) if !source.has_rows()? => Ok(None),
        Err(error) => Err(error),
    }
}

/// A frame that is about to be summed.
pub struct Sum<S> {
    plan: Plan,
    queue: Queue<S>,
}

/// Ranges that nobody has taken, and where more come from.
struct Queue<S> {
    source: S,
    ranges: VecDeque<BatchRange>,
    /// Rows of the batches that were taken from the source.
    rows: u64,
    done: bool,
    /// The error that comes first by its row, among those met; nothing is taken after one.
    failed: Option<(u64, Error)>,
}

/// A range of a batch, and the rows before the batch.
struct BatchRange {
    before: u64,
    batch: Arc<Columns>,
    rows: Range<usize>,
}

impl<S: Source> Queue<S> {
    /// Takes the next batch, if there is any.
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

    /// Ranges are taken in order: what comes before one that failed was taken before.
    fn fail(&mut self, row: u64, error: Error) {
        if self.failed.as_ref().is_none_or(|(first, _)| row < *first) {
            self.failed = Some((row, error));
        }
    }
}

impl<S: Source> Sum<S> {
    /// Nothing is taken yet.
    pub fn new(plan: Plan, source: S) -> Self {
        let queue = Queue { source, ranges: VecDeque::new(), rows: 0, done: false, failed: None };
        Sum { plan, queue }
    }

    /// Whether the whole frame is so small that one thread does it at once.
    ///
    /// # Errors
    /// As [`Source::next`].
    pub fn is_small(&mut self) -> Result<bool> {
        while !self.queue.done && self.queue.rows < SEQUENTIAL_ROWS {
            self.queue.fetch(&self.plan)?;
        }
        Ok(self.queue.done && self.queue.rows < SEQUENTIAL_ROWS)
    }

    /// Sums the frame. `threads` as in [`crate::scan::Options`].
    ///
    /// # Errors
    /// The first error in order of the rows, whatever the thread that met it.
    pub fn run(mut self, threads: Option<usize>, progress: &dyn Progress) -> Result<Partial> {
        let alone = self.is_small()? || threads == Some(1);
        let (plan, queue) = (&self.plan, Mutex::new(self.queue));
        let workers = if alone {
            vec![work(plan, &queue, progress)]
        } else {
            crate::scan::pool(threads.unwrap_or(0))?.broadcast(|_| work(plan, &queue, progress))
        };
        let queue = queue.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((_, error)) = queue.failed {
            return Err(error);
        }
        // The types of a frame without rows mean nothing.
        let value_type = (queue.rows > 0).then_some(self.plan.value_type);
        let mut partial = Partial { value_type, ..Partial::default() };
        for worker in workers {
            partial = partial.merge(worker.into_partial()?)?;
        }
        // The account is held against the batches, not against what was summed.
        partial.account.rows = queue.rows;
        partial.account.check()?;
        Ok(partial)
    }
}

/// One thread's share: range after range, until there is none or one fails.
fn work<S: Source>(plan: &Plan, queue: &Mutex<Queue<S>>, progress: &dyn Progress) -> Worker {
    let lock = || queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut worker = Worker::default();
    loop {
        let next = lock().pop(plan);
        let Some(BatchRange { before, batch, rows }) = next else { return worker };
        let first = before + rows.start as u64;
        if let Err(error) = worker.run(plan, &batch, rows, progress) {
            lock().fail(first, error.offset_row(before));
        }
    }
}
