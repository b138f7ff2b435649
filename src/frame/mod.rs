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
pub mod groups;
pub mod keys;
pub mod slice;
pub mod text;
pub mod zipped;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use array::Array;
use block::{Columns, Worker};
use field::{Field, find};

pub use ffi::Stream;

use crate::calendar::label::LabelForm;
use crate::grid::Partial;
use crate::ids::values::ValueType;
use crate::scan::Progress;
use crate::scan::classes::TimeCoding;
use crate::{Error, Grain, Job, Result, Semantics};

/// Rows of a batch, where the source can choose.
pub const BATCH_ROWS: usize = 1 << 20;
/// Rows of a range.
const RANGE_ROWS: usize = 1 << 16;
/// Below this many rows, starting threads costs more than it saves.
pub const SEQUENTIAL_ROWS: u64 = 1 << 17;

/// The indices of the job's columns in a frame, and how they are stored.
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
    /// `Data` where a column is missing or of a wrong type, `Argument` for a job that is not valid.
    pub fn new(job: &Job, fields: &[Field]) -> Result<Self> {
        let job = job.clone().validated()?;
        let columns = job.columns();
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
            Grain::Week => (strings(&columns.year_week)?, TimeCoding::Label(LabelForm::default())),
            Grain::Day | Grain::Month => dates(&columns.start_date)?,
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

    /// The indices of the needed columns in the frame.
    pub fn column_indices(&self) -> Vec<usize> {
        let mut indices = vec![self.system, self.country, self.time, self.channel, self.value];
        indices.extend(self.date);
        indices
    }

    /// The columns of a batch of `rows` rows; `column` returns the column of an index.
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

/// A source of batches.
pub trait Source: Send {
    /// The columns of the next batch and its rows; `None` after the last.
    fn next(&mut self, plan: &Plan) -> Result<Option<Columns>>;

    /// Reads on until a batch has rows; returns false where none has. The source cannot be summed afterwards:
    /// the batches are consumed.
    fn drain_to_rows(&mut self) -> Result<bool>;
}

impl Source for Stream {
    fn next(&mut self, plan: &Plan) -> Result<Option<Columns>> {
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
    batch: Arc<Columns>,
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
        let workers = if sequential {
            vec![work(plan, &queue, progress)]
        } else {
            crate::scan::pool(threads.unwrap_or(0))?.broadcast(|_| work(plan, &queue, progress))
        };
        let queue = queue.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((_, error)) = queue.failed {
            return Err(error);
        }
        // The types of a frame without rows are ignored.
        let value_type = (queue.rows > 0).then_some(self.plan.value_type);
        let mut partial = Partial { value_type, ..Partial::default() };
        for worker in workers {
            partial = partial.merge(worker.into_partial()?)?;
        }
        // The account is checked against the rows of the batches, not the rows that were summed.
        partial.account.rows = queue.rows;
        partial.account.check()?;
        Ok(partial)
    }
}

/// The loop of one thread: sums ranges until the queue is empty or a range fails.
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
