//! Data frames in memory, straight into the grid: record batch by record batch
//! over the Arrow C stream, without a copy and without parquet between.
//!
//! - [`ffi`]: the C data interface (the only unsafe code here).
//! - [`field`]: columns by their Arrow types, and what these mean to the job.
//! - [`mod@array`]: a column as typed slices.
//! - [`keys`]: what the rows of the key columns mean, asked once a dictionary
//!   entry or once a distinct string.
//! - [`block`]: the loop over a stretch of rows.
//!
//! Batches are taken from the stream until they have [`GROUP_ROWS`] rows; these
//! are cut into ranges, which threads sum into grids of their own. So memory is
//! bounded by one group whatever the stream's length, and the sums, which are
//! exact, do not depend on where batches end.

pub mod array;
pub mod block;
pub mod ffi;
pub mod field;
pub mod keys;

use std::ops::Range;
use std::sync::Mutex;

use array::Array;
use block::{Columns, Worker};
use field::{Field, find};
use rayon::prelude::*;

pub use ffi::Stream;

use crate::grid::Partial;
use crate::ids::keys::TimeCoding;
use crate::ids::values::ValueType;
use crate::scan::Progress;
use crate::{Error, Grain, Job, Result, Semantics};

/// Rows that are held at once, give or take a batch.
pub const GROUP_ROWS: usize = 1 << 20;
/// Rows of a range.
const RANGE_ROWS: usize = 1 << 16;
/// Below this many rows, starting threads costs more than it saves.
pub const SEQUENTIAL_ROWS: usize = 1 << 17;

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
}

impl Source for Stream {
    fn next(&mut self, plan: &Plan) -> Result<Option<Columns>> {
        let Some(batch) = self.next_batch()? else { return Ok(None) };
        plan.gather(batch.rows(), &mut |at| batch.column(at)).map(Some)
    }
}

/// A frame that is about to be summed.
pub struct Sum<S> {
    plan: Plan,
    source: S,
    /// Batches that were taken, and the rows before each.
    group: Vec<(u64, Columns)>,
    held: usize,
    rows: u64,
    done: bool,
    workers: Mutex<Vec<Worker>>,
}

impl<S: Source> Sum<S> {
    /// Nothing is taken yet.
    pub fn new(plan: Plan, source: S) -> Self {
        Sum { plan, source, group: Vec::new(), held: 0, rows: 0, done: false, workers: Mutex::default() }
    }

    /// Takes batches until there are `rows` rows, or no more.
    fn fill(&mut self, rows: usize) -> Result<()> {
        while !self.done && self.held < rows {
            match self.source.next(&self.plan)? {
                None => self.done = true,
                Some(batch) if batch.rows == 0 => {}
                Some(batch) => {
                    let n = batch.rows;
                    self.group.push((self.rows, batch));
                    self.held += n;
                    self.rows += n as u64;
                }
            }
        }
        Ok(())
    }

    /// Whether the whole frame is so small that one thread does it at once.
    ///
    /// # Errors
    /// As [`Source::next`].
    pub fn is_small(&mut self) -> Result<bool> {
        self.fill(SEQUENTIAL_ROWS)?;
        Ok(self.done && self.held < SEQUENTIAL_ROWS)
    }

    /// Sums the frame. `threads` as in [`crate::scan::Options`].
    ///
    /// # Errors
    /// The first error in order of the rows, whatever the thread that met it.
    pub fn run(mut self, threads: Option<usize>, progress: &dyn Progress) -> Result<Partial> {
        let pool = if self.is_small()? || threads == Some(1) {
            None
        } else {
            Some(crate::scan::pool(threads.unwrap_or(0))?)
        };
        loop {
            self.fill(GROUP_ROWS)?;
            if self.group.is_empty() {
                break;
            }
            let group = std::mem::take(&mut self.group);
            self.held = 0;
            let ranges: Vec<Stretch<'_>> =
                group.iter().flat_map(|(before, batch)| cut(*before, batch)).collect();
            let (plan, workers) = (&self.plan, &self.workers);
            let each = |range: &Stretch<'_>| sum_range(plan, workers, range, progress);
            let failed = match &pool {
                None => ranges.iter().find_map(each),
                Some(pool) => pool.install(|| {
                    ranges.par_iter().with_max_len(1).filter_map(each).min_by_key(|(row, _)| *row)
                }),
            };
            if let Some((_, error)) = failed {
                return Err(error);
            }
        }
        let mut partial = Partial { value_type: Some(self.plan.value_type), ..Partial::default() };
        let workers = self.workers.into_inner().map_err(|_| Error::internal("a worker has failed"))?;
        for worker in workers {
            partial = partial.merge(worker.into_partial()?)?;
        }
        // The account is held against the batches, not against what was summed.
        partial.account.rows = self.rows;
        partial.account.check()?;
        Ok(partial)
    }
}

/// A range of a batch, and the rows before the batch.
type Stretch<'b> = (u64, &'b Columns, Range<usize>);

/// Sums a range; the error and the first row of the range, if it fails.
fn sum_range(
    plan: &Plan,
    workers: &Mutex<Vec<Worker>>,
    (before, batch, rows): &Stretch<'_>,
    progress: &dyn Progress,
) -> Option<(u64, Error)> {
    let mut worker = lock(workers).pop().unwrap_or_default();
    let outcome = worker.run(plan, batch, rows.clone(), progress);
    lock(workers).push(worker);
    outcome.err().map(|error| (before + rows.start as u64, error.offset_row(*before)))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn cut(before: u64, batch: &Columns) -> impl Iterator<Item = Stretch<'_>> {
    (0..batch.rows).step_by(RANGE_ROWS).map(move |at| (before, batch, at..batch.rows.min(at + RANGE_ROWS)))
}
