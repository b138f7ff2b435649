//! One worker's sums: dense arrays over group x time x channel.
//!
//! The hot loops add small integers into 64-bit cells. Before a block of rows
//! could overflow a cell, all cells are spilled into 128-bit ones. Integers of more
//! than 64 bits are added to these directly, doubles to [`Wide`] sums.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rayon::prelude::*;

use super::exact::Wide;
use super::partial::{Extra, Partial, TimePoint};
use super::{Account, CELLS_MAX, CHANNELS, overflow};
use crate::ids::values::Number;
use crate::kernel::large_pages;
use crate::{Error, Result};

/// Likely next groups that are compared before the hash map is used.
const LIKELY: usize = 4;

/// Points, of two 64-bit cells each, in a cache line.
const LINE: usize = 4;

/// One worker's sums.
#[derive(Default)]
pub struct GridAccumulator {
    groups: Vec<Arc<str>>,
    /// The group that followed each group the last time: a circular linked list.
    next_hint: Vec<u32>,
    /// The last group that was looked up.
    last: u32,
    group_ids: HashMap<Arc<str>, u32>,
    times: Vec<TimePoint>,
    time_ids: HashMap<TimePoint, u32>,
    /// Groups that a time's row of cells has room for: a power of two. For many groups there is one cache line
    /// more, so that the cells of a group at all times do not share one cache set.
    stride: usize,
    /// Cells, `(time * stride + group) * CHANNELS + channel`. Exports list all countries of a day before the
    /// next day, and a new time only appends a row.
    pub cells: Vec<i64>,
    /// Spilled sums, with the indices of `cells`.
    spilled: Vec<i128>,
    extras: HashMap<usize, Extra>,
    /// Upper bound of what was added to any cell since the last spill.
    added: u64,
    /// Groups with a kept row.
    group_seen: Vec<bool>,
    /// Times with a kept row.
    time_seen: Vec<bool>,
    /// Groups with any row, kept or not; legacy semantics only.
    group_raw: Vec<bool>,
    /// Points with a kept row; legacy semantics only.
    present: Vec<bool>,
    /// Whether any point of `present` is marked.
    by_point: bool,
    /// First and last moment of the dates, in microseconds; legacy semantics only.
    dates: Option<(i64, i64)>,
    /// The rows by outcome.
    pub account: Account,
}

#[allow(clippy::indexing_slicing)] // ids come only from this value, and `resize` makes cells for them
impl GridAccumulator {
    /// The id of the group `name`, if it is one of the few groups that are likely to come next; `None` does
    /// not mean that the group is new. The dictionaries of many files have most countries in the same order.
    #[inline]
    pub fn next_group(&mut self, name: &[u8]) -> Option<u32> {
        let mut id = self.last;
        for _ in 0..LIKELY {
            id = *self.next_hint.get(id as usize)?;
            if self.groups.get(id as usize).is_some_and(|group| group.as_bytes() == name) {
                self.last = id;
                return Some(id);
            }
        }
        None
    }

    /// The id of a group, which is created if it is new.
    ///
    /// # Errors
    /// `TooLarge` where the grid would have more than [`CELLS_MAX`] points.
    pub fn group(&mut self, name: &str) -> Result<u32> {
        if let Some(id) = self.group_ids.get(name) {
            if let Some(next_hint) = self.next_hint.get_mut(self.last as usize) {
                *next_hint = *id;
            }
            self.last = *id;
            return Ok(*id);
        }
        let id = self.next_id(self.groups.len())?;
        let name: Arc<str> = name.into();
        self.groups.push(name.clone());
        self.group_ids.insert(name, id);
        // Inserts it between the last group and the group that followed that.
        let next_hint =
            self.next_hint.get_mut(self.last as usize).map(|next_hint| std::mem::replace(next_hint, id));
        self.next_hint.push(next_hint.unwrap_or(id));
        self.last = id;
        self.group_seen.push(false);
        self.group_raw.push(false);
        let groups = self.groups.len();
        self.resize(groups.next_power_of_two() + if groups > LINE * LINE { LINE } else { 0 })?;
        Ok(id)
    }

    /// The id of a point in time, which is created if it is new.
    ///
    /// # Errors
    /// As [`Self::group`].
    pub fn time(&mut self, point: TimePoint) -> Result<u32> {
        if let Some(id) = self.time_ids.get(&point) {
            return Ok(*id);
        }
        let id = self.next_id(self.times.len())?;
        self.times.push(point.clone());
        self.time_ids.insert(point, id);
        self.time_seen.push(false);
        self.resize(self.stride)?;
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

    /// Resizes the cells to all times with `stride` groups each.
    fn resize(&mut self, stride: usize) -> Result<()> {
        let points = self.times.len() * stride;
        if self.groups.len() * self.times.len() > CELLS_MAX || points > 4 * CELLS_MAX {
            return Err(self.too_large());
        }
        if stride == self.stride {
            large_pages::resize(&mut self.cells, points * CHANNELS);
            self.present.resize(points, false);
            if !self.spilled.is_empty() {
                self.spilled.resize(points * CHANNELS, 0);
            }
            return Ok(());
        }
        let old = std::mem::replace(&mut self.stride, stride);
        /// Copies rows of `old` cells into rows of `new` cells, `len` cells in all.
        fn moved<T: Copy + Default>(from: &[T], old: usize, new: usize, len: usize) -> Vec<T> {
            let mut to = large_pages::prefer(vec![T::default(); len]);
            for (to, from) in to.chunks_mut(new).zip(from.chunks(old.max(1))) {
                to[..from.len()].copy_from_slice(from);
            }
            to
        }
        self.cells = moved(&self.cells, old * CHANNELS, stride * CHANNELS, points * CHANNELS);
        self.present = moved(&self.present, old, stride, points);
        if !self.spilled.is_empty() {
            self.spilled = moved(&self.spilled, old * CHANNELS, stride * CHANNELS, points * CHANNELS);
        }
        let place = |at: usize, per: usize| at / (old * per) * stride * per + at % (old * per);
        self.extras = self.extras.drain().map(|(at, extra)| (place(at, CHANNELS), extra)).collect();
        Ok(())
    }

    /// Cells of a time: the distance of a point from that of the same group at the next time.
    pub fn row(&self) -> usize {
        self.stride * CHANNELS
    }

    /// The index of the first cell of a point.
    #[inline]
    pub fn cell_index(&self, group: u32, time: u32) -> usize {
        time as usize * self.row() + group as usize * CHANNELS
    }

    /// Marks a group and a time as having kept rows.
    #[inline]
    pub fn mark_present(&mut self, group: u32, time: u32) {
        self.group_seen[group as usize] = true;
        self.time_seen[time as usize] = true;
    }

    /// Marks a point as [`Self::mark_present`] does and returns the index of its first cell.
    #[inline]
    pub fn cell(&mut self, group: u32, time: u32) -> usize {
        self.mark_present(group, time);
        self.cell_index(group, time)
    }

    /// Marks a group as having kept rows.
    pub fn mark_group_present(&mut self, group: u32) {
        self.group_seen[group as usize] = true;
    }

    /// Marks a time as having kept rows.
    pub fn mark_time_present(&mut self, time: u32) {
        self.time_seen[time as usize] = true;
    }

    /// Marks the point itself, its group and its time as having kept rows; legacy semantics only.
    pub fn mark_point_present(&mut self, group: u32, time: u32) {
        self.mark_present(group, time);
        self.present[time as usize * self.stride + group as usize] = true;
        self.by_point = true;
    }

    /// Marks a group as having any row, kept or not; legacy semantics only.
    pub fn mark_present_raw(&mut self, group: u32) {
        self.group_raw[group as usize] = true;
    }

    /// Extends the range of dates of all rows by a moment; legacy semantics only.
    pub fn mark_date(&mut self, micros: i64) {
        let (first, last) = self.dates.unwrap_or((micros, micros));
        self.dates = Some((first.min(micros), last.max(micros)));
    }

    /// Makes room for `rows` values of at most `max` each, spilling if a cell could overflow. Call this before
    /// adding them to [`Self::cells`].
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
            // 2^63 times the number of spills stays below 2^127.
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

    /// Whether all sums are in the 64-bit cells, and nothing was recorded for legacy semantics.
    fn is_plain(&self) -> bool {
        self.extras.is_empty()
            && self.spilled.is_empty()
            && !self.by_point
            && self.dates.is_none()
            && !self.group_raw.contains(&true)
    }

    /// Whether it has neither rows nor sums.
    pub fn is_empty(&self) -> bool {
        self.account == Account::default() && !self.group_seen.contains(&true) && self.is_plain()
    }

    /// Moves the sums and the account of another grid into this one. Leaves both unchanged where either has
    /// sums outside of its 64-bit cells, or a cell could overflow. `other` keeps its ids in either case.
    ///
    /// # Errors
    /// As [`Self::group`].
    pub fn merge_from(&mut self, other: &mut GridAccumulator) -> Result<()> {
        let added = self.added.checked_add(other.added).filter(|added| i64::try_from(*added).is_ok());
        let (Some(added), true, true) = (added, self.is_plain(), other.is_plain()) else { return Ok(()) };
        let seen =
            |flags: &[bool]| flags.iter().zip(0..).filter(|(seen, _)| **seen).map(|(_, id)| id).collect();
        let (groups, times): (Vec<usize>, Vec<usize>) = (seen(&other.group_seen), seen(&other.time_seen));
        let own_times =
            times.iter().map(|id| self.time(other.times[*id].clone())).collect::<Result<Vec<_>>>()?;
        let own_groups =
            groups.iter().map(|id| self.group(&other.groups[*id])).collect::<Result<Vec<_>>>()?;
        own_groups.iter().for_each(|id| self.mark_group_present(*id));
        own_times.iter().for_each(|id| self.mark_time_present(*id));
        let mut theirs = vec![None; self.times.len()];
        times.iter().zip(&own_times).for_each(|(time, own)| theirs[*own as usize] = Some(*time));
        let row = self.row();
        each_row(&mut self.cells, row, |own, to| {
            let Some(time) = theirs.get(own).copied().flatten() else { return };
            let (to, _) = to.as_chunks_mut::<CHANNELS>();
            for (group, own) in groups.iter().zip(&own_groups) {
                let [paid, organic] = other.at(*group, time);
                let [to_paid, to_organic] = &mut to[*own as usize];
                *to_paid += paid;
                *to_organic += organic;
            }
        });
        other.clear(&times);
        self.account.merge(&std::mem::take(&mut other.account));
        self.added = added;
        other.clear_marks();
        Ok(())
    }

    /// The values of the cells of a point.
    #[inline]
    fn at(&self, group: usize, time: usize) -> [i64; CHANNELS] {
        let cell = (time * self.stride + group) * CHANNELS;
        [self.cells[cell], self.cells[cell + 1]]
    }

    /// Sets the cells of these times to zero. One file of many has few times.
    fn clear(&mut self, times: &[usize]) {
        let row = self.row();
        times.iter().for_each(|time| self.cells[time * row..(time + 1) * row].fill(0));
    }

    /// Resets all marks, once the sums are taken.
    fn clear_marks(&mut self) {
        self.added = 0;
        self.time_seen.fill(false);
        self.group_seen.fill(false);
        self.group_raw.fill(false);
    }

    /// Converts the sums into a partial aggregate.
    ///
    /// # Errors
    /// `TooLarge` where a sum does not fit 128 bits.
    pub fn into_partial(mut self) -> Result<Partial> {
        self.take_partial()
    }

    /// Takes the sums out as a partial aggregate and leaves zeros. Groups and times keep their ids, so callers
    /// may keep what they resolved to them.
    ///
    /// # Errors
    /// As [`Self::into_partial`].
    pub fn take_partial(&mut self) -> Result<Partial> {
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
            dates: self.dates.take(),
            ..Partial::default()
        };
        // Every cell with a sum belongs to a time that is marked: once these are cleared, all cells are zero.
        let only_cells = self.extras.is_empty() && self.spilled.is_empty();
        let times: Vec<usize> = seen.into_values().collect();
        let points = groups.len() * times.len();
        // Untouched zeroed memory: the system provides a page when a row is written.
        partial.cells = large_pages::prefer(vec![0; points * CHANNELS]);
        partial.present = vec![false; points];
        let groups: Vec<usize> = groups.into_values().collect();
        each_row(&mut partial.cells, times.len() * CHANNELS, |at, row| {
            let (row, _) = row.as_chunks_mut();
            for (to, time) in row.iter_mut().zip(&times) {
                *to = self.at(groups[at], *time).map(i128::from);
            }
        });
        self.clear(&times);
        if self.by_point {
            for (group, row) in groups.iter().zip(partial.present.chunks_mut(times.len().max(1))) {
                for (to, time) in row.iter_mut().zip(&times) {
                    *to = std::mem::take(&mut self.present[time * self.stride + group]);
                }
            }
        }
        if !only_cells {
            for (at, to) in partial.cells.iter_mut().enumerate() {
                let (point, channel) = (at / CHANNELS, at % CHANNELS);
                let (group, time) = (groups[point / times.len()], times[point % times.len()]);
                let cell = (time * self.stride + group) * CHANNELS + channel;
                if let Some(extra) = self.extras.remove(&cell) {
                    partial.extras.insert(at, extra);
                }
                let spilled = self.spilled.get_mut(cell).map_or(0, std::mem::take);
                *to = to.checked_add(spilled).ok_or_else(overflow)?;
            }
        }
        self.by_point = false;
        self.spilled.clear();
        self.clear_marks();
        Ok(partial)
    }
}

/// The least number of cells whose rows are distributed over several threads.
const PARALLEL_CELLS: usize = 1 << 14;

/// Calls `each` with the number of every row of `cells` and the row. Uses all threads of the current thread
/// pool, if this is called in one.
fn each_row<T: Send>(cells: &mut [T], row: usize, each: impl Fn(usize, &mut [T]) + Sync) {
    if row == 0 {
        return;
    }
    if cells.len() >= PARALLEL_CELLS && rayon::current_thread_index().is_some() {
        cells
            .par_chunks_mut(row)
            .with_min_len(PARALLEL_CELLS / row + 1)
            .enumerate()
            .for_each(|(at, row)| each(at, row));
    } else {
        cells.chunks_mut(row).enumerate().for_each(|(at, row)| each(at, row));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::cast_possible_truncation)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A row: group, time, channel, value.
    type Row = (u8, i32, usize, i64);

    fn grid(rows: &[Row]) -> GridAccumulator {
        let mut dense = GridAccumulator::default();
        for (group, time, channel, value) in rows {
            let (group, time) =
                (dense.group(&group.to_string()).unwrap(), dense.time(TimePoint::Step(*time)).unwrap());
            let cell = dense.cell(group, time) + channel;
            dense.add(cell, Number::int((*value).into())).unwrap();
            dense.account.rows += 1;
            dense.account.counted += 1;
        }
        dense
    }

    proptest! {
        #[test]
        fn merged_grids_equal_the_grid_of_all_rows(
            rows in proptest::collection::vec((0u8..9, 0i32..200, 0usize..2, -9i64..9), 0..300),
            cut in 0usize..300, large in any::<bool>(),
        ) {
            let (one, other) = rows.split_at(cut.min(rows.len()));
            let (mut one, mut other) = (grid(one), grid(other));
            if large {
                // A sum outside of the 64-bit cells: nothing is merged.
                let (group, time) = (other.group("0").unwrap(), other.time(TimePoint::Step(1)).unwrap());
                let cell = other.cell(group, time);
                other.add(cell, Number::Big(1 << 90)).unwrap();
            }
            one.merge_from(&mut other).unwrap();
            prop_assert_eq!(other.is_empty(), !large);
            let joined = one.take_partial().unwrap();
            let rest = other.take_partial().unwrap();
            let mut all = grid(&rows);
            if large {
                let (group, time) = (all.group("0").unwrap(), all.time(TimePoint::Step(1)).unwrap());
                let cell = all.cell(group, time);
                all.add(cell, Number::Big(1 << 90)).unwrap();
            }
            prop_assert_eq!(joined.merge(rest).unwrap(), all.take_partial().unwrap());
            // Both grids can be used again.
            prop_assert!(one.is_empty() && other.is_empty());
            prop_assert_eq!(one.take_partial().unwrap(), GridAccumulator::default().take_partial().unwrap());
        }
    }

    #[test]
    fn grids_whose_sums_could_overflow_are_not_merged() {
        let mut one = grid(&[(0, 1, 0, 1 << 40)]);
        let mut other = grid(&[(0, 1, 0, 1 << 40)]);
        one.reserve(1, i64::MAX.unsigned_abs() - (1 << 40));
        one.merge_from(&mut other).unwrap();
        assert!(!one.is_empty() && !other.is_empty());
    }

    #[test]
    fn likely_next_groups_are_found_without_the_map() {
        let mut dense = GridAccumulator::default();
        assert_eq!(dense.next_group(b"a"), None);
        // How many groups of a file are found by the hints that earlier files left.
        let mut found = |names: &[&str]| {
            let by_map = |dense: &mut GridAccumulator, name: &str| dense.group(name).unwrap();
            let ids: Vec<(Option<u32>, u32)> = names
                .iter()
                .map(|name| {
                    let likely = dense.next_group(name.as_bytes());
                    (likely, likely.unwrap_or_else(|| by_map(&mut dense, name)))
                })
                .collect();
            for (name, (_, id)) in names.iter().zip(&ids) {
                assert_eq!(dense.group_ids.get(*name), Some(id), "{name}");
            }
            ids.iter().filter(|(likely, _)| likely.is_some()).count()
        };
        assert_eq!(found(&["a", "c", "e", "g"]), 0);
        assert_eq!(found(&["a", "c", "e", "g"]), 4);
        assert_eq!(found(&["a", "b", "c", "d", "e"]), 3);
        assert_eq!(found(&["a", "b", "c", "d", "e", "g"]), 6);
        assert_eq!(found(&["a", "c", "g", "b"]), 4);
        // A group five places further is not found.
        assert_eq!(found(&["c", "d", "a", "g"]), 3);
    }
}
