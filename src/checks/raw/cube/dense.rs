//! Arrays of all days in each worker; workers take row ranges in any order.
//!
//! ```text
//! for each row:
//!     seen[day, country, system]               |= bit of channel
//!     by_system[day, country, channel]         += value of the total, -= of the others
//!     by_country[day, total or not, system, channel] += value
//! ```
//!
//! 1. A row sets one bit. Repeated keys show at the end: more rows than bits. [`super::exact`] finds which rows they
//!    are.
//! 2. The rows of a country on a day, and the totals that exist, are found by counting bits.
//! 3. In export order day, country and system repeat. Over such a run the bits are gathered in a register, and the sums
//!    are two short rows of numbers that stay in the L1 cache: every value is added to them, zero or not.
//! 4. Where keys differ row by row, their cells are scattered, and each row would wait for memory. So cell offsets are
//!    collected in bins of a few days, without a branch; those of rows whose value is not zero, one in seven, in a
//!    second list. A full bin is added at once, to arrays that stay in the cache meanwhile.
//! 5. A key that occurs once adds to each sum once: cells of 32 bits hold the sums of values below 2^31 / systems. For
//!    larger values the pass starts again with 64 bits.
//! 6. Arrays are allocated as zeroed memory: days without rows in a worker take no memory.
//!
//! 20 M rows of 1,521 days, 240 countries, 26 channels on two threads (EPYC of Zen 3): row by row took 175 ms of wall
//! time in export order and 850 ms shuffled; with 3 alone 105 in export order; shuffled, without a branch but without
//! bins 440, with bins 230. On Zen 4, 24 bins instead of 64 took 213 ms where these take 200.
//!
//! - [`cell`]: sums of 32 or 64 bits.
//! - [`key_runs`]: 3. [`bins`]: 4.
//! - [`judge`]: from the arrays to the results.
//!
//! Declines if a column has more than 65,536 distinct values, if a value exceeds 2^46 steps, if a key repeats, and if
//! the arrays do not fit in [`BYTES`].

mod bins;
mod cell;
mod judge;
mod key_runs;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::super::counts::number;
use super::super::passes::Passes;
use super::super::{RowRange, in_row_range};
use super::{Axes, CellSum, KEYS, NO_ID};
use crate::dataset::OpenFile;
use crate::ids::cursor::{BlockKind, Cursor};
use crate::kernel::column_masks::WORD;
use crate::{Error, Result};

use self::bins::{BIN_BYTES, BINS, Bin};
use self::cell::Cell;
use self::judge::judge;
use self::key_runs::starts;

/// Largest size of the arrays of all workers, in bytes.
const BYTES: usize = 512 << 20;
/// Rows decoded at once.
const BLOCK: usize = 2048;
/// Blocks between two checks for cancellation.
const CANCEL_CHECK: u32 = 64;
/// Days that are evaluated at once.
const DAYS: usize = 16;
/// An offset past all arrays, for null and invalid dates; the sum of three still fits 32 bits.
const NO_CELL: u32 = 1 << 30;
/// Rows a run of a block from which on the block is summed by runs.
const ROWS_A_RUN: usize = 4;
/// How the arrays are laid out.
#[derive(Clone, Copy)]
struct Layout {
    days: usize,
    countries: usize,
    systems: usize,
    channels: usize,
    /// Words of channel bits.
    words: usize,
}

impl Layout {
    fn of(axes: &Axes<'_>) -> Self {
        let channels = axes.channels.len();
        Layout {
            days: axes.days.len(),
            countries: axes.countries.len(),
            systems: axes.systems.len(),
            channels,
            words: channels.div_ceil(32),
        }
    }

    /// Words a day.
    fn seen(self) -> usize {
        self.countries * self.systems * self.words
    }

    /// Cells by country a day: of the countries, then of their total.
    fn by_country(self) -> usize {
        2 * self.systems * self.channels
    }

    /// Bytes of a worker, with cells of that many bytes.
    fn bytes(self, cell: usize) -> usize {
        let by_system = self.countries.saturating_mul(self.channels).saturating_mul(cell);
        let by_country = self.systems.saturating_mul(self.channels).saturating_mul(16);
        let users = self.countries.saturating_mul(16);
        let seen = self.countries.saturating_mul(self.systems).saturating_mul(self.words).saturating_mul(4);
        let day = seen.saturating_add(by_system).saturating_add(by_country);
        day.saturating_add(users).saturating_mul(self.days)
    }
}

/// The sums of all days; `None` where this pass declines.
pub(super) fn fill(
    axes: &Axes<'_>,
    files: &[OpenFile<'_>],
    row_ranges: &[RowRange],
    passes: &Passes<'_>,
) -> Result<Option<Vec<CellSum>>> {
    match fill_with::<i32>(axes, files, row_ranges, passes)? {
        RangeResult::Wide => {}
        RangeResult::Declined => return Ok(None),
        RangeResult::Done(parts) => return Ok(Some(parts)),
    }
    match fill_with::<i64>(axes, files, row_ranges, passes)? {
        RangeResult::Done(parts) => Ok(Some(parts)),
        RangeResult::Wide | RangeResult::Declined => Ok(None),
    }
}

enum RangeResult<T> {
    Done(T),
    /// A value does not fit the cells.
    Wide,
    Declined,
}

fn fill_with<C: Cell>(
    axes: &Axes<'_>,
    files: &[OpenFile<'_>],
    row_ranges: &[RowRange],
    passes: &Passes<'_>,
) -> Result<RangeResult<Vec<CellSum>>> {
    let layout = Layout::of(axes);
    if [layout.days, layout.countries, layout.systems, layout.channels].contains(&0) {
        return Ok(RangeResult::Declined);
    }
    let bytes = layout.bytes(size_of::<C>());
    let workers = (BYTES / bytes.max(1)).min(rayon::current_num_threads()).min(row_ranges.len());
    if workers == 0 {
        return Ok(RangeResult::Declined);
    }
    let next = AtomicUsize::new(0);
    let work = |_| -> Result<RangeResult<Worker<C>>> {
        let mut worker = Worker::new(layout);
        let mut blocks = Box::default();
        while let Some(row_range) = row_ranges.get(next.fetch_add(1, Ordering::Relaxed)) {
            match worker
                .row_range(axes, files, row_range, &mut blocks, passes)
                .map_err(|e| in_row_range(e, files, row_range))?
            {
                RangeResult::Done(()) => {}
                // The other workers stop.
                other => {
                    next.store(row_ranges.len(), Ordering::Relaxed);
                    return Ok(match other {
                        RangeResult::Wide => RangeResult::Wide,
                        _ => RangeResult::Declined,
                    });
                }
            }
        }
        worker.settle();
        Ok(RangeResult::Done(worker))
    };
    let done: Vec<RangeResult<Worker<C>>> =
        (0..workers).into_par_iter().with_max_len(1).map(work).collect::<Result<_>>()?;
    let mut workers = Vec::with_capacity(done.len());
    // A value that does not fit a cell makes all workers start again, whichever worker found it.
    let mut wide = false;
    for outcome in done {
        match outcome {
            RangeResult::Done(worker) => workers.push(worker),
            RangeResult::Wide => wide = true,
            RangeResult::Declined => return Ok(RangeResult::Declined),
        }
    }
    if wide {
        return Ok(RangeResult::Wide);
    }
    let starts: Vec<usize> = (0..layout.days).step_by(DAYS).collect();
    let mut parts: Vec<CellSum> = starts
        .into_par_iter()
        .map(|start| judge(axes, layout, &workers, start..layout.days.min(start + DAYS)))
        .collect();
    let rows: u64 = workers.iter().map(|worker| worker.rows).sum();
    if rows != parts.iter().map(|part| part.duplicates.n).sum::<u64>() {
        return Ok(RangeResult::Declined);
    }
    if let Some(part) = parts.first_mut() {
        for worker in workers {
            for (to, from) in part.undated.iter_mut().zip(worker.undated) {
                to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
            }
        }
    }
    Ok(RangeResult::Done(parts))
}

/// An id, and its offset in words of channel bits; of a channel, in bits.
#[derive(Clone, Copy)]
struct Step {
    offset: u32,
    id: u32,
}

impl Step {
    /// Null, or an invalid date.
    const NO_ID: Step = Step { offset: NO_CELL, id: NO_ID };

    #[allow(clippy::cast_possible_truncation)] // the arrays fit `BYTES`
    fn of(id: u32, stride: usize) -> Self {
        if id == NO_ID { Step::NO_ID } else { Step { offset: (id as usize * stride) as u32, id } }
    }
}

/// The meaning of a row range's value ids.
struct CellIds<C> {
    days: Vec<Step>,
    /// The bin of each day.
    bins: Vec<u8>,
    countries: Vec<Step>,
    systems: Vec<Step>,
    channels: Vec<Step>,
    values: Vec<C>,
}

/// Scratch space for one block.
struct Blocks {
    /// Value ids of day, country, system, channel, value.
    value_ids: [[u16; BLOCK]; KEYS.len()],
    /// The first rows of runs, or the rows that have a sum.
    rows: [u16; BLOCK],
}

impl Default for Blocks {
    fn default() -> Self {
        Blocks { value_ids: [[0; BLOCK]; KEYS.len()], rows: [0; BLOCK] }
    }
}

/// Arrays of all days.
struct Worker<C> {
    layout: Layout,
    /// Bits of channels by day, country, system.
    seen: Vec<u32>,
    /// Total minus parts, by day, country, channel.
    by_system: Vec<C>,
    /// Sums by day, countries or their total, system, channel.
    by_country: Vec<i64>,
    /// Paid and organic users of the total over systems, by day and country; then an unused cell for those of other
    /// systems.
    users: Vec<i64>,
    undated: Vec<[i128; 2]>,
    /// Rows with a complete key.
    rows: u64,
    /// Rows by day and country whose system or channel is null.
    others: BTreeMap<(usize, usize), u64>,
    /// Days that some row may have.
    touched: Vec<bool>,
    /// Rows not yet added, by day; empty before a block needs bins.
    bins: Vec<Bin<C>>,
    days_of_bin: usize,
    buffers: Vec<Vec<u8>>,
}

#[allow(clippy::indexing_slicing)] // ids come from the axes, by which the arrays are laid out
#[allow(clippy::cast_possible_truncation)] // cell offsets, rows of a block
impl<C: Cell> Worker<C> {
    fn new(layout: Layout) -> Self {
        let Layout { days, countries, channels, .. } = layout;
        let bins = (days * layout.seen() * 4).div_ceil(BIN_BYTES).clamp(1, BINS);
        Worker {
            layout,
            seen: vec![0; days * layout.seen()],
            by_system: vec![C::default(); days * countries * channels],
            by_country: vec![0; days * layout.by_country()],
            users: vec![0; days * countries * 2 + 1],
            undated: vec![[0; 2]; countries],
            rows: 0,
            others: BTreeMap::new(),
            touched: vec![false; days],
            bins: Vec::new(),
            days_of_bin: days.div_ceil(bins),
            buffers: Vec::new(),
        }
    }

    /// Adds the rows of a range.
    fn row_range(
        &mut self,
        axes: &Axes<'_>,
        files: &[OpenFile<'_>],
        row_range: &RowRange,
        blocks: &mut Blocks,
        passes: &Passes<'_>,
    ) -> Result<RangeResult<()>> {
        let Some(file) = files.get(row_range.file) else { return Ok(RangeResult::Done(())) };
        let columns = file.columns_of(row_range.row_group, &KEYS)?;
        let mut cursors = Vec::with_capacity(KEYS.len());
        for role in KEYS {
            let column = columns.get(role).ok_or_else(|| Error::internal("a column has gone missing"))?;
            let buffer = self.buffers.pop().unwrap_or_default();
            let mut cursor = Cursor::new(column, row_range.rows.start, false, buffer, None)?;
            cursor.look_ahead(row_range.rows.end, self.buffers.pop().unwrap_or_default());
            cursors.push(cursor);
        }
        let mut value_ids = CellIds {
            days: vec![],
            bins: vec![],
            countries: vec![],
            systems: vec![],
            channels: vec![],
            values: vec![],
        };
        let mut left = row_range.rows.end - row_range.rows.start;
        for block in 0u32.. {
            if left == 0 {
                break;
            }
            if block.is_multiple_of(CANCEL_CHECK) {
                passes.check_interrupted()?;
            }
            let mut take = left.min(BLOCK as u64) as u32;
            for cursor in &mut cursors {
                take = cursor.rows_in_page(take)?;
            }
            for (cursor, block) in cursors.iter_mut().zip(&mut blocks.value_ids) {
                if cursor.load_page()? != BlockKind::Ids16 {
                    return Ok(RangeResult::Declined);
                }
                cursor.read_ids16(&mut block[..take as usize])?;
            }
            if !self.extend_from(axes, file, &cursors, &mut value_ids)? {
                return Ok(RangeResult::Wide);
            }
            self.block(axes, &value_ids, blocks, take as usize);
            left -= u64::from(take);
        }
        for mut cursor in cursors {
            self.buffers.push(cursor.take_ahead());
            self.buffers.push(cursor.into_parts().0);
        }
        passes.done(file, row_range, &KEYS);
        Ok(RangeResult::Done(()))
    }

    /// Adds the new value ids. Returns false where a value does not fit the cells.
    fn extend_from(
        &mut self,
        axes: &Axes<'_>,
        file: &OpenFile<'_>,
        cursors: &[Cursor<'_>],
        value_ids: &mut CellIds<C>,
    ) -> Result<bool> {
        let [days, countries, systems, channels, values] = cursors else {
            return Err(Error::internal("five columns were expected"));
        };
        fn grow<T>(to: &mut Vec<T>, cursor: &Cursor<'_>, mut what: impl FnMut(Option<&[u8]>) -> T) {
            while let Some(value_id) =
                u32::try_from(to.len()).ok().filter(|value_id| *value_id < cursor.entries.id_count())
            {
                to.push(what(cursor.entries.get(value_id)));
            }
        }
        let Layout { countries: c, systems: s, words, .. } = self.layout;
        let (touched, days_of_bin) = (&mut self.touched, self.days_of_bin);
        grow(&mut value_ids.days, days, |raw| {
            let id = raw.and_then(|raw| file.date_coding.day(raw)).and_then(|day| axes.day_ids.get(&day));
            if let Some(id) = id {
                touched[*id as usize] = true;
            }
            Step::of(id.copied().unwrap_or(NO_ID), c * s * words)
        });
        for day in &value_ids.days[value_ids.bins.len()..] {
            // A row without a day is never put into a bin.
            value_ids.bins.push(if day.id == NO_ID { 0 } else { (day.id as usize / days_of_bin) as u8 });
        }
        grow(&mut value_ids.countries, countries, |raw| Step::of(axes.countries.id(raw), s * words));
        grow(&mut value_ids.systems, systems, |raw| Step::of(axes.systems.id(raw), words));
        grow(&mut value_ids.channels, channels, |raw| Step::of(axes.channels.id(raw), 1));
        while let Some(value_id) =
            u32::try_from(value_ids.values.len()).ok().filter(|s| *s < values.entries.id_count())
        {
            let Some(value) = C::of(axes.step(number(file, values, value_id)?), s) else { return Ok(false) };
            value_ids.values.push(value);
        }
        Ok(true)
    }

    /// Adds a block of rows.
    fn block(&mut self, axes: &Axes<'_>, value_ids: &CellIds<C>, blocks: &mut Blocks, rows: usize) {
        let [days, countries, systems, ..] = &blocks.value_ids;
        let keys = [&days[..rows], &countries[..rows], &systems[..rows]];
        // A few rows show whether it is worth looking for runs in all.
        let few = rows.min(WORD);
        let starts = if starts(keys.map(|key| &key[..few]), &mut blocks.rows) * ROWS_A_RUN > few {
            rows
        } else {
            starts(keys, &mut blocks.rows)
        };
        if starts * ROWS_A_RUN > rows {
            self.row_by_row(axes, value_ids, blocks, rows);
            return;
        }
        for at in 0..starts {
            let start = usize::from(blocks.rows[at]);
            let end = if at + 1 < starts { usize::from(blocks.rows[at + 1]) } else { rows };
            self.add_run(axes, value_ids, &blocks.value_ids, start..end);
        }
    }

    /// Adds a row without a complete key.
    #[cold]
    fn odd(&mut self, axes: &Axes<'_>, [day, country, system, channel]: [u32; 4], value: C) {
        if country == NO_ID {
            return;
        }
        if day != NO_ID {
            *self.others.entry((day as usize, country as usize)).or_default() += 1;
        } else if channel != NO_ID && system != NO_ID && axes.answers(system) {
            let organic = usize::from(axes.organic[channel as usize]);
            self.undated[country as usize][organic] += i128::from(value.wide());
        }
    }
}
