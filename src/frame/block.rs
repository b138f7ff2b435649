//! The loop over a range of rows: mark, narrow, add.
//!
//! ```text
//! keep  = system is the total and country is a country      (bits, 64 rows a word)
//! points in time of kept rows are checked and put on the axis
//! live  = keep and channel and value are not null and value is not zero
//! for each live row:  cell(country, week, channel) += value
//! ```
//!
//! 1. Most counts are zero and two rows of three belong to another system: the
//!    steps after the marks run over few rows.
//! 2. Once all countries and weeks of a dictionary are resolved, rows that add
//!    nothing are not read again.

use std::ops::Range;

use super::Plan;
use super::array::{Array, Code, Data, Nulls, Stored, with_codes, with_numbers};
use super::keys::{BLOCK, Channels, Countries, Mask, Systems, Times, and_valid, count, each_bit};
use super::slice::corrupt;
use crate::grid::{Account, GridAccumulator, Partial};
use crate::ids::values::{Number, SMALL};
use crate::kernel::column_masks::rows_of;
use crate::scan::Progress;
use crate::scan::classes::TimeCoding;
use crate::{Error, Result, Semantics};

/// The columns of a cube in a record batch.
pub struct Columns {
    /// Rows.
    pub rows: usize,
    /// Operating system.
    pub system: Array,
    /// Country.
    pub country: Array,
    /// Week label or date.
    pub time: Array,
    /// Channel.
    pub channel: Array,
    /// Count of new users.
    pub value: Array,
    /// Date, where legacy semantics need it.
    pub date: Option<Array>,
}

/// One thread's sums, and its look-up tables for dictionaries.
#[derive(Default)]
pub struct Worker {
    pub(super) dense: GridAccumulator,
    pub(super) systems: Systems,
    pub(super) countries: Countries,
    pub(super) times: Times,
    pub(super) channels: Channels,
    pub(super) scratch: Box<Scratch>,
}

/// The resolved keys of the rows of a block; rows that were not resolved have old values.
pub(super) struct Scratch {
    pub(super) groups: [u32; BLOCK],
    pub(super) times: [u32; BLOCK],
    classes: [u8; BLOCK],
    /// Rows that add something, in order. Whole vectors are stored, so there is room past the last row.
    live: [u16; BLOCK + 31],
}

impl Default for Scratch {
    fn default() -> Self {
        Scratch { groups: [0; BLOCK], times: [0; BLOCK], classes: [0; BLOCK], live: [0; BLOCK + 31] }
    }
}

/// Blocks between two checks for an interrupt.
const INTERRUPT_BLOCKS: usize = 16;

impl Worker {
    /// Sums rows `rows` of a batch.
    ///
    /// # Errors
    /// Those of the data, with row numbers within the batch, and `Interrupted`.
    pub fn run(
        &mut self,
        plan: &Plan,
        batch: &Columns,
        rows: Range<usize>,
        progress: &dyn Progress,
    ) -> Result<()> {
        let zipped = self.zip_columns(plan, batch, &rows);
        for (at, block) in rows.clone().step_by(BLOCK).zip(0usize..) {
            if block.is_multiple_of(INTERRUPT_BLOCKS) && progress.interrupted() {
                return Err(Error::Interrupted);
            }
            let block = at..rows.end.min(at + BLOCK);
            if let Some(zipped) = &zipped
                && self.sum_zipped_block(plan, batch, zipped, block.clone())?
            {
                continue;
            }
            self.sum_block(plan, batch, block)?;
        }
        Ok(())
    }

    /// Whether a row was met that is a total row over systems.
    pub fn is_met(&self) -> bool {
        let account = &self.dense.account;
        account.kept() + account.null_member + account.total_row > 0
    }

    /// The sums as a partial aggregate.
    pub fn into_partial(self) -> Result<Partial> {
        self.dense.into_partial()
    }

    /// Sums a block column by column: the path for every kind of column.
    #[allow(clippy::indexing_slicing)] // rows of a block are below BLOCK; `rows_of` stores as many as it returns
    fn sum_block(&mut self, plan: &Plan, batch: &Columns, rows: Range<usize>) -> Result<()> {
        let Worker { dense, systems, countries, times, channels, scratch } = self;
        let job = plan.job();
        let legacy = job.semantics == Semantics::Legacy;
        let (start, n) = (rows.start, rows.len());
        let mut keep: Mask = [0; BLOCK / 64];
        systems
            .mark(&batch.system, start, n, job.os_total(), &mut keep)
            .map_err(|e| e.in_column(job.columns().os_name))?;
        if let Some(date) = &batch.date {
            mark_dates(date, rows.clone(), plan.date_coding, dense)
                .map_err(|e| e.in_column(job.columns().start_date))?;
        }
        let passed = count(&keep);
        dense.account.not_total_row += n as u64 - u64::from(passed);
        if passed == 0 && !legacy {
            return Ok(());
        }
        for column in [&batch.country, &batch.time, &batch.value] {
            column.prefetch(start, &keep);
        }
        for column in [&batch.country, &batch.time] {
            if let Data::Text(text) = &column.data {
                text.prefetch_bytes(start, &keep);
            }
        }
        let counts = countries
            .narrow(&batch.country, start, n, job, dense, &mut keep, &mut scratch.groups)
            .map_err(|e| e.in_column(job.columns().country))?;
        dense.account.null_member += u64::from(counts.null);
        dense.account.total_row += u64::from(counts.total);
        let kept = count(&keep);
        if kept == 0 {
            return Ok(());
        }
        let time_column = match plan.time_coding {
            TimeCoding::Label(_) => job.columns().year_week,
            _ => job.columns().start_date,
        };
        times
            .resolve(&batch.time, start, job, plan.time_coding, dense, &keep, &mut scratch.times)
            .map_err(|e| e.in_column(time_column))?;
        if legacy {
            let live = rows_of(&keep, &mut scratch.live);
            let live = &scratch.live[..live];
            countries.fill(&batch.country, start, live, &mut scratch.groups)?;
            times.fill(&batch.time, start, live, &mut scratch.times)?;
            each_bit(&keep, |row| {
                dense.mark_point_present(scratch.groups[row], scratch.times[row]);
                Ok(())
            })?;
        }
        let unnamed = channels
            .drop_nulls(&batch.channel, start, job, &mut keep)
            .map_err(|e| e.in_column(job.columns().name))?;
        dense.account.null_channel += u64::from(unnamed);
        let named = kept - unnamed;
        and_valid(&batch.value, start, &mut keep);
        let valued = count(&keep);
        dense.account.null_value += u64::from(named - valued);
        dense.account.counted += u64::from(valued);
        if valued == 0 {
            return Ok(());
        }
        if let Data::Numbers(numbers) = &batch.value.data {
            with_numbers!(numbers, rows.clone(), values => Stored::drop_zeros(values, &mut keep));
        }
        self.add_live(plan, batch, rows, keep)
    }

    /// Adds the marked rows, which are kept and have a channel and a value that is not zero.
    #[allow(clippy::indexing_slicing)] // `rows_of` stores as many rows as it returns
    pub(super) fn add_live(
        &mut self,
        plan: &Plan,
        batch: &Columns,
        rows: Range<usize>,
        live: Mask,
    ) -> Result<()> {
        let Worker { dense, countries, times, channels, scratch, .. } = self;
        let Scratch { groups, times: points, classes, live: numbers } = &mut **scratch;
        let (job, start) = (plan.job(), rows.start);
        let n = rows_of(&live, numbers);
        let live = &numbers[..n];
        for column in [&batch.time, &batch.channel] {
            column.prefetch_rows(start, live);
        }
        countries.fill(&batch.country, start, live, groups)?;
        times.fill(&batch.time, start, live, points)?;
        channels.fill(&batch.channel, start, job, live, classes)?;
        let nan_is_null = matches!(batch.value.nulls, Nulls::Within);
        let rules = Rules { legacy: job.semantics == Semantics::Legacy, nan_is_null };
        let Data::Numbers(numbers) = &batch.value.data else {
            return Err(Error::internal("values of a type that the plan has refused"));
        };
        with_numbers!(numbers, rows.clone(), values => {
            add(values, live, [groups, points], classes, dense, rules).map_err(|e| e.offset_row(start as u64))
        })
        .map_err(|e: Error| e.in_column(job.columns().value))
    }
}

/// How values that are not finite are treated.
#[derive(Clone, Copy)]
struct Rules {
    legacy: bool,
    /// The frame writes null as NaN.
    nan_is_null: bool,
}

/// Adds the values of the rows `live`, whose groups and points in time are `keys`.
fn add<T: Stored>(
    values: &[T],
    live: &[u16],
    keys: [&[u32; BLOCK]; 2],
    classes: &[u8; BLOCK],
    dense: &mut GridAccumulator,
    rules: Rules,
) -> Result<()> {
    dense.reserve(live.len() as u64, SMALL.unsigned_abs());
    let row_of_time = dense.row();
    let [groups, times] = keys;
    for row in live.iter().map(|row| usize::from(*row)) {
        let (Some(value), Some(group), Some(time), Some(class)) =
            (values.get(row), groups.get(row), times.get(row), classes.get(row))
        else {
            return Err(corrupt());
        };
        let cell = *time as usize * row_of_time + *group as usize * 2 + usize::from(*class);
        match value.number() {
            Some(Number::Small(small)) => {
                *dense.cells.get_mut(cell).ok_or_else(|| Error::internal("a cell outside of the grid"))? +=
                    small;
            }
            Some(number) => add_special(number, cell, dense, rules)?,
            None => {
                return Err(Error::too_large("a decimal of 32 bytes")
                    .expected("at most 128 bits")
                    .at_row(row as u64));
            }
        }
    }
    Ok(())
}

#[cold]
fn add_special(number: Number, cell: usize, dense: &mut GridAccumulator, rules: Rules) -> Result<()> {
    let Account { counted, nan_value, infinite_value, null_value, .. } = &mut dense.account;
    let reason = match number {
        Number::Nan if rules.nan_is_null => {
            *counted -= 1;
            *null_value += 1;
            return Ok(());
        }
        Number::Nan => nan_value,
        Number::Infinite(_) => infinite_value,
        _ => return dense.add(cell, number),
    };
    *counted -= 1;
    *reason += 1;
    // Under iso semantics a value that is not finite counts as missing.
    if rules.legacy { dense.add(cell, number) } else { Ok(()) }
}

/// Extends the range of dates in the grid by the dates of all rows.
pub(super) fn mark_dates(
    date: &Array,
    rows: Range<usize>,
    coding: TimeCoding,
    dense: &mut GridAccumulator,
) -> Result<()> {
    let mut last = None;
    for row in rows.filter(|row| date.is_valid(*row)) {
        let raw = match &date.data {
            Data::Coded(codes, dictionary) => {
                let place = with_codes!(codes, c => c.get(row).map(|c| c.place()));
                let place = place.filter(|p| *p < dictionary.len).ok_or_else(corrupt)?;
                if !dictionary.is_valid(place) {
                    continue;
                }
                dictionary.raw(place)?
            }
            _ => date.raw(row)?,
        };
        if last.as_ref() == Some(&raw) {
            continue;
        }
        if let Some(micros) = coding.micros(&raw) {
            dense.mark_date(micros);
        }
        last = Some(raw);
    }
    Ok(())
}
