//! One worker's sums: dense arrays over group x time x channel.
//!
//! The hot loops add small integers into 64-bit cells. Before a block could
//! overflow one, all cells are spilled into 128-bit ones; what is no small
//! integer goes there directly.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::exact::Wide;
use super::partial::{Extra, Partial, TimePoint};
use super::{Account, CELLS_MAX};
use crate::ids::values::Number;
use crate::{Error, Result};

/// Organic or not: two cells a point.
pub const CHANNELS: usize = 2;

/// Groups that are compared with before the hash map is asked.
const LIKELY: usize = 3;

/// Points of time, two 64-bit cells each, that a line of cache holds.
const LINE: usize = 4;

/// One worker's sums.
#[derive(Default)]
pub struct Dense {
    groups: Vec<Arc<str>>,
    /// Where the group that is asked for next is looked for first.
    likely: usize,
    group_ids: HashMap<Arc<str>, u32>,
    times: Vec<TimePoint>,
    time_ids: HashMap<TimePoint, u32>,
    /// Times that a group's row of cells has room for: a power of two and a line
    /// of cache, so that the same time of all groups is not the same place of it.
    stride: usize,
    /// Cells, `(group * stride + time) * CHANNELS + channel`.
    pub cells: Vec<i64>,
    /// What was spilled, in the same places.
    spilled: Vec<i128>,
    extras: HashMap<usize, Extra>,
    /// How much may have been added to any cell since the last spill.
    added: u64,
    /// Groups with a row that was kept.
    group_seen: Vec<bool>,
    /// Times with a row that was kept.
    time_seen: Vec<bool>,
    /// Groups with any row, kept or not; only legacy semantics ask.
    group_raw: Vec<bool>,
    /// Points with a row that was kept; only legacy semantics ask.
    present: Vec<bool>,
    /// First and last moment of the dates, in microseconds; only legacy semantics ask.
    dates: Option<(i64, i64)>,
    /// Where the rows went.
    pub account: Account,
}

#[allow(clippy::indexing_slicing)] // ids come from this value alone, cells are laid out for them
impl Dense {
    /// The id of a group that is there already and likely to be next: the
    /// dictionaries of many files name the same countries in nearly the same order.
    #[inline]
    pub fn next_group(&mut self, name: &[u8]) -> Option<u32> {
        let ahead = self.groups.get(self.likely..)?.iter().take(LIKELY);
        let skipped = ahead.map(|group| group.as_bytes()).position(|group| group == name)?;
        self.likely += skipped + 1;
        u32::try_from(self.likely - 1).ok()
    }

    /// The id of a group.
    pub fn group(&mut self, name: &str) -> Result<u32> {
        if let Some(id) = self.group_ids.get(name) {
            self.likely = *id as usize + 1;
            return Ok(*id);
        }
        let id = self.next_id(self.groups.len())?;
        let name: Arc<str> = name.into();
        self.groups.push(name.clone());
        self.group_ids.insert(name, id);
        self.group_seen.push(false);
        self.group_raw.push(false);
        self.lay_out(self.stride)?;
        Ok(id)
    }

    /// The id of a point in time.
    pub fn time(&mut self, point: TimePoint) -> Result<u32> {
        if let Some(id) = self.time_ids.get(&point) {
            return Ok(*id);
        }
        let id = self.next_id(self.times.len())?;
        self.times.push(point.clone());
        self.time_ids.insert(point, id);
        self.time_seen.push(false);
        let stride = self.times.len().next_power_of_two().max(64) + LINE;
        self.lay_out(stride)?;
        Ok(id)
    }

    fn next_id(&self, len: usize) -> Result<u32> {
        u32::try_from(len).ok().filter(|id| (*id as usize) < CELLS_MAX).ok_or_else(|| self.too_large())
    }

    #[cold]
    fn too_large(&self) -> Error {
        Error::too_large(format!("{} countries over {} points in time", self.groups.len(), self.times.len()))
            .expected(format!("at most {CELLS_MAX} pairs of the two"))
            .advice("Check the country and week columns, or read fewer files at once")
    }

    /// Makes room for all groups and `stride` times each.
    fn lay_out(&mut self, stride: usize) -> Result<()> {
        let groups = self.groups.len().next_power_of_two();
        let points = groups * stride;
        if self.groups.len() * self.times.len() > CELLS_MAX || points > 4 * CELLS_MAX {
            return Err(self.too_large());
        }
        if stride == self.stride {
            self.cells.resize(points * CHANNELS, 0);
            self.present.resize(points, false);
            if !self.spilled.is_empty() {
                self.spilled.resize(points * CHANNELS, 0);
            }
            return Ok(());
        }
        let old = std::mem::replace(&mut self.stride, stride);
        let place = |at: usize, per: usize| at / (old * per) * stride * per + at % (old * per);
        fn moved<T: Copy + Default>(from: &[T], len: usize, place: impl Fn(usize) -> usize) -> Vec<T> {
            let mut to = vec![T::default(); len];
            for (at, value) in from.iter().enumerate() {
                to[place(at)] = *value;
            }
            to
        }
        self.cells = moved(&self.cells, points * CHANNELS, |at| place(at, CHANNELS));
        self.present = moved(&self.present, points, |at| place(at, 1));
        if !self.spilled.is_empty() {
            self.spilled = moved(&self.spilled, points * CHANNELS, |at| place(at, CHANNELS));
        }
        self.extras = self.extras.drain().map(|(at, extra)| (place(at, CHANNELS), extra)).collect();
        Ok(())
    }

    /// The first cell of a group's row of cells.
    pub fn base(&self, group: u32) -> usize {
        group as usize * self.stride * CHANNELS
    }

    /// Notes that rows of a group and of a time were kept.
    #[inline]
    pub fn see(&mut self, group: u32, time: u32) {
        self.group_seen[group as usize] = true;
        self.time_seen[time as usize] = true;
    }

    /// The first cell of a point, of which rows were kept.
    #[inline]
    pub fn cell(&mut self, group: u32, time: u32) -> usize {
        self.see(group, time);
        self.base(group) + time as usize * CHANNELS
    }

    /// Notes that a group has rows that were kept.
    pub fn see_group(&mut self, group: u32) {
        self.group_seen[group as usize] = true;
    }

    /// Notes that a time has rows that were kept.
    pub fn see_time(&mut self, time: u32) {
        self.time_seen[time as usize] = true;
    }

    /// Notes that a row of this very point was kept.
    pub fn see_point(&mut self, group: u32, time: u32) {
        self.see(group, time);
        let at = group as usize * self.stride + time as usize;
        self.present[at] = true;
    }

    /// Notes that a group occurs in any row.
    pub fn see_raw(&mut self, group: u32) {
        self.group_raw[group as usize] = true;
    }

    /// Notes a moment among the dates of all rows.
    pub fn see_date(&mut self, micros: i64) {
        let (first, last) = self.dates.unwrap_or((micros, micros));
        self.dates = Some((first.min(micros), last.max(micros)));
    }

    /// Makes sure that `rows` values of at most `max` fit; call before adding
    /// them to [`Self::cells`].
    pub fn reserve(&mut self, rows: u64, max: u64) {
        let need = rows.saturating_mul(max);
        if self.added.saturating_add(need) > i64::MAX.unsigned_abs() {
            self.spill();
        }
        self.added = self.added.saturating_add(need);
    }

    fn spill(&mut self) {
        self.spilled.resize(self.cells.len(), 0);
        for (to, from) in self.spilled.iter_mut().zip(&mut self.cells) {
            // 2^63 times the number of spills stays far below 2^127.
            *to += i128::from(std::mem::take(from));
        }
        self.added = 0;
    }

    /// Adds a number that may be of any size. `Null` adds nothing.
    pub fn add(&mut self, cell: usize, number: Number) -> Result<()> {
        match number {
            Number::Small(v) => {
                self.reserve(1, v.unsigned_abs());
                self.cells[cell] += v;
            }
            Number::Big(v) => {
                self.spilled.resize(self.cells.len(), 0);
                self.spilled[cell] = self.spilled[cell].checked_add(v).ok_or_else(overflow)?;
            }
            Number::Real(v) => self.extras.entry(cell).or_default().wide.get_or_insert_default().add(v),
            Number::Nan => self.extras.entry(cell).or_default().nan = true,
            Number::Infinite(false) => self.extras.entry(cell).or_default().positive_infinity = true,
            Number::Infinite(true) => self.extras.entry(cell).or_default().negative_infinity = true,
            Number::Null => {}
        }
        Ok(())
    }

    /// Adds a sum of doubles.
    pub fn add_wide(&mut self, cell: usize, sum: &Wide) {
        self.extras.entry(cell).or_default().wide.get_or_insert_default().merge(sum);
    }

    /// The sums as a partial aggregate of their own.
    pub fn into_partial(mut self) -> Result<Partial> {
        self.drain()
    }

    /// Takes the sums out. Groups and times keep their ids, so that what was worked out
    /// for them holds for the rows that come next.
    pub fn drain(&mut self) -> Result<Partial> {
        let seen: BTreeMap<&TimePoint, usize> =
            (self.times.iter().zip(0..)).filter(|(_, id)| self.time_seen[*id]).collect();
        let groups: BTreeMap<&Arc<str>, usize> = (self.groups.iter().zip(0..))
            .filter(|(_, id)| self.group_seen[*id] || self.group_raw[*id])
            .collect();
        let mut partial = Partial {
            account: std::mem::take(&mut self.account),
            groups: groups.keys().map(|g| (*g).clone()).collect(),
            kept: groups.values().map(|id| self.group_seen[*id]).collect(),
            times: seen.keys().map(|t| (*t).clone()).collect(),
            cells: Vec::with_capacity(groups.len() * seen.len() * CHANNELS),
            present: Vec::with_capacity(groups.len() * seen.len()),
            dates: self.dates.take(),
            ..Partial::default()
        };
        // Whatever was added to was seen: with these cells taken, all are zero.
        let only_cells = self.extras.is_empty() && self.spilled.is_empty();
        let times: Vec<usize> = seen.into_values().collect();
        for group in groups.values() {
            let points = group * self.stride..(group + 1) * self.stride;
            let present = &mut self.present[points.clone()];
            partial.present.extend(times.iter().map(|time| std::mem::take(&mut present[*time])));
            if only_cells {
                // Most grids.
                let (row, _) = self.cells[points.start * CHANNELS..points.end * CHANNELS].as_chunks_mut();
                for time in &times {
                    let cells: [i64; CHANNELS] = std::mem::take(&mut row[*time]);
                    partial.cells.extend(cells.map(i128::from));
                }
                continue;
            }
            for time in &times {
                for channel in 0..CHANNELS {
                    let cell = (points.start + time) * CHANNELS + channel;
                    if let Some(extra) = self.extras.remove(&cell) {
                        partial.extras.insert(partial.cells.len(), extra);
                    }
                    let spilled = self.spilled.get_mut(cell).map_or(0, std::mem::take);
                    let own = i128::from(std::mem::take(&mut self.cells[cell]));
                    partial.cells.push(spilled.checked_add(own).ok_or_else(overflow)?);
                }
            }
        }
        self.added = 0;
        self.time_seen.fill(false);
        self.group_seen.fill(false);
        self.group_raw.fill(false);
        Ok(partial)
    }
}

#[cold]
pub(super) fn overflow() -> Error {
    Error::too_large("a sum that does not fit 128 bits")
        .expected("sums of at most 38 digits")
        .advice("Check the value column: its numbers are implausibly large")
}
