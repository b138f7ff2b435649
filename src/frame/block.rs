//! The loop over a stretch of rows: mark, narrow, add.
//!
//! ```text
//! keep  = system is the total and country is a country      (bits, 64 rows a word)
//! points in time of kept rows are checked and put on the axis
//! live  = keep and channel and value are there and value is not zero
//! for each live row:  cell(country, week, channel) += value
//! ```
//!
//! 1. Most counts are zero and two rows of three belong to another system: what
//!    comes after the marks runs over the few rows that are left.
//! 2. Once all countries and weeks of a dictionary were met, rows that add
//!    nothing are not looked at again.

use std::ops::Range;

use super::Plan;
use super::array::{Array, Data, Nulls, Stored, corrupt, with_numbers};
use super::keys::{BLOCK, Channels, Countries, Mask, Systems, Times, and_valid, count, each_bit};
use crate::grid::{Account, GridAccumulator, Partial};
use crate::ids::values::{Number, SMALL};
use crate::kernel::column_masks::rows_of;
use crate::scan::Progress;
use crate::scan::classes::TimeCoding;
use crate::{Error, Result, Semantics};

/// The job's columns of a record batch.
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

/// One thread's sums, and what it knows of dictionaries.
#[derive(Default)]
pub struct Worker {
    pub(super) dense: GridAccumulator,
    pub(super) systems: Systems,
    pub(super) countries: Countries,
    pub(super) times: Times,
    pub(super) channels: Channels,
    pub(super) scratch: Box<Scratch>,
}

/// What is known of the rows of a block, where it was asked.
pub(super) struct Scratch {
    pub(super) groups: [u32; BLOCK],
    pub(super) times: [u32; BLOCK],
    classes: [u8; BLOCK],
    /// Rows that add something, in order; whole vectors are stored.
    live: [u16; BLOCK + 31],
}

impl Default for Scratch {
    fn default() -> Self {
        Scratch { groups: [0; BLOCK], times: [0; BLOCK], classes: [0; BLOCK], live: [0; BLOCK + 31] }
    }
}

/// Blocks between two looks at whether to go on.
const PATIENCE: usize = 16;

impl Worker {
    /// Sums rows `rows` of a batch. Rows in errors are those of the batch.
    pub fn run(
        &mut self,
        plan: &Plan,
        batch: &Columns,
        rows: Range<usize>,
        progress: &dyn Progress,
    ) -> Result<()> {
        let side = self.side(plan, batch, &rows);
        for (at, block) in rows.clone().step_by(BLOCK).zip(0usize..) {
            if block.is_multiple_of(PATIENCE) && progress.interrupted() {
                return Err(Error::Interrupted);
            }
            let block = at..rows.end.min(at + BLOCK);
            if let Some(side) = &side
                && self.side_block(plan, batch, side, block.clone())?
            {
                continue;
            }
            self.block(plan, batch, block)?;
        }
        Ok(())
    }

    /// The sums as a partial aggregate.
    pub fn into_partial(self) -> Result<Partial> {
        self.dense.into_partial()
    }

    fn block(&mut self, plan: &Plan, batch: &Columns, rows: Range<usize>) -> Result<()> {
        let Worker { dense, systems, countries, times, channels, scratch } = self;
        let job = &plan.job;
        let legacy = job.semantics == Semantics::Legacy;
        let (start, n) = (rows.start, rows.len());
        let mut keep: Mask = [0; BLOCK / 64];
        systems
            .mark(&batch.system, start, n, &job.os_total, &mut keep)
            .map_err(|e| e.in_column(&job.columns.os_name))?;
        if let Some(date) = &batch.date {
            see_dates(date, rows.clone(), plan.date_coding, dense)
                .map_err(|e| e.in_column(&job.columns.start_date))?;
        }
        let passed = count(&keep);
        dense.account.other_system += n as u64 - u64::from(passed);
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
            .map_err(|e| e.in_column(&job.columns.country))?;
        dense.account.null_country += u64::from(counts.null);
        dense.account.country_total += u64::from(counts.total);
        let kept = count(&keep);
        if kept == 0 {
            return Ok(());
        }
        let time_column = match plan.time_coding {
            TimeCoding::Label => &job.columns.year_week,
            _ => &job.columns.start_date,
        };
        times
            .resolve(&batch.time, start, job, plan.time_coding, dense, &keep, &mut scratch.times)
            .map_err(|e| e.in_column(time_column))?;
        if legacy {
            let live = rows_of(&keep, &mut scratch.live);
            let live = scratch.live.get(..live).unwrap_or_default();
            countries.fill(&batch.country, start, live, &mut scratch.groups)?;
            times.fill(&batch.time, start, live, &mut scratch.times)?;
            each_bit(&keep, |row| {
                if let (Some(group), Some(time)) = (scratch.groups.get(row), scratch.times.get(row)) {
                    dense.see_point(*group, *time);
                }
                Ok(())
            })?;
        }
        let unknown = channels
            .drop_unknown(&batch.channel, start, job, &mut keep)
            .map_err(|e| e.in_column(&job.columns.name))?;
        dense.account.null_name += u64::from(unknown);
        let named = kept - unknown;
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
    pub(super) fn add_live(
        &mut self,
        plan: &Plan,
        batch: &Columns,
        rows: Range<usize>,
        live: Mask,
    ) -> Result<()> {
        let Worker { dense, countries, times, channels, scratch, .. } = self;
        let Scratch { groups, times: points, classes, live: numbers } = &mut **scratch;
        let (job, start) = (&plan.job, rows.start);
        let n = rows_of(&live, numbers);
        let live = numbers.get(..n).unwrap_or_default();
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
        .map_err(|e: Error| e.in_column(&job.columns.value))
    }
}

/// What becomes of values that are no finite numbers.
#[derive(Clone, Copy)]
struct Rules {
    legacy: bool,
    /// NaN is how the frame writes null.
    nan_is_null: bool,
}

/// Adds the values of the rows given, whose group and point in time are `keys`.
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
    // Under iso semantics what is no number is missing, row by row.
    if rules.legacy { dense.add(cell, number) } else { Ok(()) }
}

/// Notes the dates of all rows.
fn see_dates(
    date: &Array,
    rows: Range<usize>,
    coding: TimeCoding,
    dense: &mut GridAccumulator,
) -> Result<()> {
    let mut last = None;
    for row in rows.filter(|row| date.is_valid(*row)) {
        let raw = match &date.data {
            Data::Coded(codes, dictionary) => {
                let place =
                    super::array::with_codes!(codes, c => c.get(row).map(|c| super::array::Code::place(*c)));
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
            dense.see_date(micros);
        }
        last = Some(raw);
    }
    Ok(())
}
