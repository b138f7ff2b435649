//! Dense arrays in each worker; workers take row ranges in any order.
//!
//! ```text
//! for each row:
//!     seen[day, country, system]               |= bit of channel
//!     by_system[day, country, channel]         += value of the total, -= of the others
//!     by_country[day, total or not, system, channel] += value
//! ```
//!
//! 1. A row sets one bit. Repeated keys show at the end: more rows than bits. Then [`super::exact`] counts them.
//! 2. The rows of a country on a day, and the totals that exist, are found by counting bits.
//! 3. In export order day, country and system repeat. Over such a run the bits are gathered in a register, and only
//!    values that are not zero, one in seven, are added.
//! 4. Where keys differ row by row, their cells are scattered, and each row would wait for memory. So the cells of some
//!    rows are found first, and their memory is prefetched.
//! 5. A key that occurs once adds to each sum once: cells of 32 bits hold the sums of values below 2^31 / systems. For
//!    larger values the pass starts again with 64 bits.
//! 6. Where row ranges have few days in common, the arrays are those of the days of one range: they stay in the cache, and
//!    need no new memory. A day of several ranges has arrays of its own until the last of these ranges is read. Else the
//!    arrays are those of all days.
//!
//! 20 M rows of 1,521 days, 241 countries, 26 channels, two threads, EPYC (Zen 4, AVX-512): 62 ms of wall time in export
//! order (125 with arrays of all days and every value added), 145 shuffled (280 where cells were collected in bins of
//! days).
//!
//! - [`cell`]: sums of 32 or 64 bits.
//! - [`key_runs`]: 3. [`scattered`]: 4. [`windows`], [`shared`]: 6.
//! - [`judge`]: from the arrays to the results.
//!
//! Declines if a column has more than 65,536 distinct values, if a value exceeds 2^46 steps, if a key repeats, and if
//! the arrays do not fit in [`BYTES`].

mod cell;
mod judge;
mod key_runs;
mod scattered;
mod shared;
mod windows;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::super::counts::number;
use super::super::passes::Passes;
use super::super::{RowRange, in_row_range};
use super::axes::Axes;
use super::{CellSum, KEYS, NO_DAY, NO_ID};
use crate::dataset::OpenFile;
use crate::ids::cursor::{BlockKind, Cursor};
use crate::kernel::column_masks::WORD;
use crate::kernel::large_pages;
use crate::{Error, Result};

use self::cell::Cell;
use self::judge::judge;
use self::key_runs::{rows_not, starts};
use self::shared::SharedDays;
use self::windows::Windows;

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
    fn of(axes: &Axes) -> Self {
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

    /// Cells of countries and channels a day.
    fn cells(self) -> usize {
        self.countries * self.channels
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
    axes: &Axes,
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

impl<T> RangeResult<T> {
    fn map<U>(self, with: impl FnOnce(T) -> U) -> RangeResult<U> {
        match self {
            RangeResult::Done(done) => RangeResult::Done(with(done)),
            RangeResult::Wide => RangeResult::Wide,
            RangeResult::Declined => RangeResult::Declined,
        }
    }
}

fn fill_with<C: Cell>(
    axes: &Axes,
    files: &[OpenFile<'_>],
    row_ranges: &[RowRange],
    passes: &Passes<'_>,
) -> Result<RangeResult<Vec<CellSum>>> {
    let layout = Layout::of(axes);
    if [layout.days, layout.countries, layout.systems, layout.channels].contains(&0) {
        return Ok(RangeResult::Declined);
    }
    let rows = Rows { axes, files, row_ranges, passes, next: AtomicUsize::new(0) };
    let filled = match Windows::of(&axes.days, row_ranges) {
        Some(windows) => rows.by_window::<C>(layout, &windows)?,
        None => rows.by_worker::<C>(layout)?,
    };
    let Filled { rows, undated, mut parts } = match filled {
        RangeResult::Done(filled) => filled,
        RangeResult::Wide => return Ok(RangeResult::Wide),
        RangeResult::Declined => return Ok(RangeResult::Declined),
    };
    if rows != parts.iter().map(|part| part.duplicates.n).sum::<u64>() {
        return Ok(RangeResult::Declined);
    }
    if let Some(part) = parts.first_mut() {
        part.undated = undated;
    }
    Ok(RangeResult::Done(parts))
}

/// The row ranges, which threads take one by one.
struct Rows<'r> {
    axes: &'r Axes,
    files: &'r [OpenFile<'r>],
    row_ranges: &'r [RowRange],
    passes: &'r Passes<'r>,
    next: AtomicUsize,
}

/// What the rows have.
struct Filled {
    /// Rows with a complete key.
    rows: u64,
    /// Paid and organic users without a day, by country.
    undated: Vec<[i128; 2]>,
    /// The results of all days, in order.
    parts: Vec<CellSum>,
}

impl Rows<'_> {
    /// Calls `add` with row ranges until there are none, or one is not done.
    fn take(
        &self,
        mut add: impl FnMut(usize, &RowRange) -> Result<RangeResult<()>>,
    ) -> Result<RangeResult<()>> {
        loop {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(row_range) = self.row_ranges.get(at) else { return Ok(RangeResult::Done(())) };
            match add(at, row_range).map_err(|e| in_row_range(e, self.files, row_range))? {
                RangeResult::Done(()) => {}
                // The other threads stop.
                other => {
                    self.next.store(self.row_ranges.len(), Ordering::Relaxed);
                    return Ok(other);
                }
            }
        }
    }

    /// Runs `work` on as many threads as have memory for `bytes` each.
    fn on_threads<T: Send>(
        &self,
        bytes: usize,
        work: impl Fn() -> Result<RangeResult<T>> + Sync,
    ) -> Result<RangeResult<Vec<T>>> {
        let threads = (BYTES / bytes.max(1)).min(rayon::current_num_threads()).min(self.row_ranges.len());
        if threads == 0 {
            return Ok(RangeResult::Declined);
        }
        let done: Vec<RangeResult<T>> =
            (0..threads).into_par_iter().with_max_len(1).map(|_| work()).collect::<Result<_>>()?;
        let mut all = Vec::with_capacity(done.len());
        // A value that does not fit a cell makes all threads start again, whichever found it.
        let mut wide = false;
        for outcome in done {
            match outcome {
                RangeResult::Done(one) => all.push(one),
                RangeResult::Wide => wide = true,
                RangeResult::Declined => return Ok(RangeResult::Declined),
            }
        }
        Ok(if wide { RangeResult::Wide } else { RangeResult::Done(all) })
    }

    /// Every thread has arrays of all days.
    fn by_worker<C: Cell>(&self, layout: Layout) -> Result<RangeResult<Filled>> {
        let work = || {
            let mut worker = Worker::<C>::new(layout);
            let mut blocks = Box::default();
            let add = |_, row_range: &RowRange| worker.row_range(self, row_range, &mut blocks);
            Ok(self.take(add)?.map(|()| worker))
        };
        let workers = self.on_threads(layout.bytes(size_of::<C>()), work)?;
        Ok(workers.map(|workers| {
            let starts: Vec<usize> = (0..layout.days).step_by(DAYS).collect();
            let days = |start: usize| start..layout.days.min(start + DAYS);
            let parts =
                starts.into_par_iter().map(|at| judge(self.axes, layout, &workers, days(at))).collect();
            let mut filled = Filled { rows: 0, undated: vec![[0; 2]; layout.countries], parts };
            workers.iter().for_each(|worker| filled.add(worker.rows, &worker.undated));
            filled
        }))
    }

    /// Every thread has arrays of the days of one row range, and evaluates those that no other range has.
    fn by_window<C: Cell>(&self, layout: Layout, windows: &Windows) -> Result<RangeResult<Filled>> {
        let most = Layout { days: windows.longest(), ..layout };
        let shared = SharedDays::new(windows);
        let work = || {
            let mut worker = Worker::<C>::new(Layout { days: 0, ..layout });
            let (mut blocks, mut parts) = (Box::default(), Vec::new());
            let add = |at: usize, row_range: &RowRange| {
                let window = windows.of_ranges.get(at).cloned().unwrap_or_default();
                worker.begin(window.clone());
                let result = worker.row_range(self, row_range, &mut blocks)?;
                for days in windows.alone(window.clone()) {
                    let part = judge(self.axes, layout, std::slice::from_ref(&worker), days.clone());
                    parts.push((days.start, part));
                }
                for day in windows.shared(window) {
                    let Some(complete) = shared.add(&worker, day) else { continue };
                    parts.push((day, judge(self.axes, layout, &[complete], day..day + 1)));
                }
                let fits = shared.most_bytes() <= BYTES;
                Ok(if fits { result } else { RangeResult::Declined })
            };
            Ok(self.take(add)?.map(|()| (worker.rows, worker.undated, parts)))
        };
        let done = self.on_threads(most.bytes(size_of::<C>()), work)?;
        Ok(done.map(|done| {
            let mut filled = Filled { rows: 0, undated: vec![[0; 2]; layout.countries], parts: Vec::new() };
            let mut parts = Vec::new();
            for (rows, undated, of_thread) in done {
                filled.add(rows, &undated);
                parts.extend(of_thread);
            }
            parts.sort_by_key(|(day, _)| *day);
            filled.parts.extend(parts.into_iter().map(|(_, part)| part));
            filled
        }))
    }
}

impl Filled {
    fn add(&mut self, rows: u64, undated: &[[i128; 2]]) {
        self.rows += rows;
        for (to, from) in self.undated.iter_mut().flatten().zip(undated.iter().flatten()) {
            *to += from;
        }
    }
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

/// A channel, and its bit in the word `id / 32` of a key's words.
#[derive(Clone, Copy)]
struct ChannelBit {
    id: u32,
    bit: u32,
}

impl ChannelBit {
    fn of(id: u32) -> Self {
        ChannelBit { id, bit: if id == NO_ID { 0 } else { 1 << (id % 32) } }
    }
}

/// The meaning of a row range's value ids.
struct CellIds<C> {
    days: Vec<Step>,
    countries: Vec<Step>,
    systems: Vec<Step>,
    channels: Vec<ChannelBit>,
    values: Vec<C>,
    /// The first value id of zero.
    zero: Option<u16>,
}

/// Scratch space for one block.
struct Blocks {
    /// Value ids of day, country, system, channel, value.
    value_ids: [[u16; BLOCK]; KEYS.len()],
    /// The first rows of runs.
    starts: [u16; BLOCK + WORD],
    /// The rows whose value is not zero, in order.
    live: [u16; BLOCK + WORD],
    live_len: usize,
}

impl Default for Blocks {
    fn default() -> Self {
        Blocks {
            value_ids: [[0; BLOCK]; KEYS.len()],
            starts: [0; BLOCK + WORD],
            live: [0; BLOCK + WORD],
            live_len: 0,
        }
    }
}

/// Arrays of some days.
struct Worker<C> {
    layout: Layout,
    /// The first of its days.
    first_day: usize,
    /// Bits of channels by day, country, system; then an unused word, for rows without a complete key.
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
    /// Whether a row has a day that is not one of these.
    has_others: bool,
    buffers: Vec<Vec<u8>>,
}

#[allow(clippy::indexing_slicing)] // ids come from the axes, by which the arrays are laid out
#[allow(clippy::cast_possible_truncation)] // cell offsets, rows of a block
impl<C: Cell> Worker<C> {
    /// Arrays of all days of a layout.
    fn new(layout: Layout) -> Self {
        let Layout { days, countries, channels, .. } = layout;
        Worker {
            layout,
            first_day: 0,
            seen: large_pages::prefer(vec![0; days * layout.seen() + 1]),
            by_system: large_pages::prefer(vec![C::default(); days * countries * channels]),
            by_country: large_pages::prefer(vec![0; days * layout.by_country()]),
            users: large_pages::prefer(vec![0; days * countries * 2 + 1]),
            undated: vec![[0; 2]; countries],
            rows: 0,
            others: BTreeMap::new(),
            touched: vec![false; days],
            has_others: false,
            buffers: Vec::new(),
        }
    }

    /// Begins with other days, without rows.
    fn begin(&mut self, days: Range<usize>) {
        fn zeros<T: Clone + Default>(vec: &mut Vec<T>, len: usize) {
            vec.clear();
            vec.resize(len, T::default());
        }
        self.layout.days = days.len();
        self.first_day = days.start;
        let Layout { countries, channels, .. } = self.layout;
        zeros(&mut self.seen, days.len() * self.layout.seen() + 1);
        zeros(&mut self.by_system, days.len() * countries * channels);
        zeros(&mut self.by_country, days.len() * self.layout.by_country());
        zeros(&mut self.users, days.len() * countries * 2 + 1);
        zeros(&mut self.touched, days.len());
        self.others.clear();
    }

    /// The place of a day in the arrays.
    fn place(&self, day: usize) -> Option<usize> {
        day.checked_sub(self.first_day).filter(|day| *day < self.layout.days)
    }

    /// A copy of the arrays of a day.
    fn day(&self, day: usize) -> Self {
        let mut copy = Worker::new(Layout { days: 1, ..self.layout });
        copy.first_day = day;
        copy.add_day(self, day);
        copy
    }

    /// Adds the arrays of a day to this worker, which has that day alone. Sums wrap where a key repeats; then the pass
    /// declines.
    fn add_day(&mut self, other: &Self, day: usize) {
        fn part<T>(of: &[T], at: usize, len: usize) -> &[T] {
            &of[at * len..(at + 1) * len]
        }
        let Some(at) = other.place(day) else { return };
        let layout = self.layout;
        let words = self.seen.iter_mut().zip(part(&other.seen, at, layout.seen()));
        words.for_each(|(to, from)| *to |= from);
        let cells = self.by_system.iter_mut();
        cells.zip(part(&other.by_system, at, layout.cells())).for_each(|(to, from)| to.add(*from));
        let wrapping = [
            (&mut self.by_country, part(&other.by_country, at, layout.by_country())),
            (&mut self.users, part(&other.users, at, 2 * layout.countries)),
        ];
        for (to, from) in wrapping.into_iter().flat_map(|(to, from)| to.iter_mut().zip(from)) {
            *to = to.wrapping_add(*from);
        }
        self.touched[0] |= other.touched[at];
        for ((_, country), rows) in other.others.range((at, 0)..(at + 1, 0)) {
            *self.others.entry((0, *country)).or_default() += rows;
        }
    }

    /// Adds the rows of a range.
    fn row_range(
        &mut self,
        Rows { axes, files, passes, .. }: &Rows<'_>,
        row_range: &RowRange,
        blocks: &mut Blocks,
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
            countries: vec![],
            systems: vec![],
            channels: vec![],
            values: vec![],
            zero: None,
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
        Ok(if self.has_others { RangeResult::Declined } else { RangeResult::Done(()) })
    }

    /// Adds the new value ids. Returns false where a value does not fit the cells.
    fn extend_from(
        &mut self,
        axes: &Axes,
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
        grow(&mut value_ids.days, days, |raw| {
            let id = raw.and_then(|raw| file.date_coding.day(raw)).and_then(|day| axes.day_ids.get(&day));
            let Some(id) = id else { return Step::NO_ID };
            let Some(at) = self.place(*id as usize) else { return Step { id: NO_DAY, ..Step::NO_ID } };
            self.touched[at] = true;
            Step::of(at as u32, c * s * words)
        });
        grow(&mut value_ids.countries, countries, |raw| Step::of(axes.countries.id(raw), s * words));
        grow(&mut value_ids.systems, systems, |raw| Step::of(axes.systems.id(raw), words));
        grow(&mut value_ids.channels, channels, |raw| ChannelBit::of(axes.channels.id(raw)));
        while let Some(value_id) =
            u32::try_from(value_ids.values.len()).ok().filter(|s| *s < values.entries.id_count())
        {
            let Some(value) = C::of(axes.step(number(file, values, value_id)?), s) else { return Ok(false) };
            if value == C::default() && value_ids.zero.is_none() {
                value_ids.zero = u16::try_from(value_id).ok();
            }
            value_ids.values.push(value);
        }
        Ok(true)
    }

    /// Adds a block of rows.
    fn block(&mut self, axes: &Axes, value_ids: &CellIds<C>, blocks: &mut Blocks, rows: usize) {
        let [days, countries, systems, _, values] = &blocks.value_ids;
        blocks.live_len = rows_not(&values[..rows], value_ids.zero, &mut blocks.live);
        let keys = [&days[..rows], &countries[..rows], &systems[..rows]];
        // A few rows show whether it is worth looking for runs in all.
        let few = rows.min(WORD);
        let starts = if starts(keys.map(|key| &key[..few]), &mut blocks.starts) * ROWS_A_RUN > few {
            rows
        } else {
            starts(keys, &mut blocks.starts)
        };
        if starts * ROWS_A_RUN > rows {
            self.row_by_row(axes, value_ids, blocks, rows);
            return;
        }
        let mut live = &blocks.live[..blocks.live_len];
        for at in 0..starts {
            let start = usize::from(blocks.starts[at]);
            let end = if at + 1 < starts { usize::from(blocks.starts[at + 1]) } else { rows };
            let here = live.iter().take_while(|row| usize::from(**row) < end).count();
            let (of_run, rest) = live.split_at(here);
            self.add_run(axes, value_ids, &blocks.value_ids, start..end, of_run);
            live = rest;
        }
    }

    /// Adds a row without a complete key.
    #[cold]
    fn odd(&mut self, axes: &Axes, [day, country, system, channel]: [u32; 4], value: C) {
        if day == NO_DAY {
            self.has_others = true;
            return;
        }
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
