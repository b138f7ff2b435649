//! The sums of a thread in arrays: by key and day, and by channel and week.
//!
//! Rows in no order have another key and day each; a map of all of them is larger than the caches, and every row would
//! wait for it. Arrays are smaller and need no hash. They become maps when the thread has no more rows.

use std::collections::hash_map::Entry;

use super::counts::{Bucket, Counts, NumberMap, Sums};
use super::sums::ExactSums;
use crate::Result;

/// The most sums in arrays; more go to the maps.
const CELLS_MAX: usize = 1 << 20;

/// The sums of rows that are total rows of the same dimensions outside the key.
#[derive(Default)]
pub(super) struct Dense {
    /// These dimensions, as bits; those of the first row.
    pattern: Option<u32>,
    /// By number of the key, then by day.
    keys: Vec<Span<Sums>>,
    /// Rows and users by number of the channel, then by week.
    channels: Vec<Span<(u64, ExactSums<1>)>>,
    /// Sums in the arrays.
    cells: usize,
    /// Numbers of keys of two members.
    of_two: NumberMap<u64, u32>,
    /// The members of the last key, and its number: in most files, rows of one follow one another.
    last: Option<(Box<[u32]>, u32)>,
}

/// Values from one day or week to another.
#[derive(Clone, Default)]
struct Span<T> {
    first: i32,
    values: Vec<T>,
}

impl<T: Clone + Default> Span<T> {
    /// The value of a day or week; `None` if it would need more than `room` further values.
    fn at(&mut self, time: i32, room: &mut usize) -> Option<&mut T> {
        if self.values.is_empty() {
            self.first = time;
        }
        if time < self.first {
            // Days in descending order do not move the values for each.
            let missing = usize::try_from(i64::from(self.first) - i64::from(time)).ok()?;
            let more = missing.max(self.values.len() / 2);
            let first = i64::from(self.first) - i64::try_from(more).ok()?;
            let (first, more) = i32::try_from(first).map_or((time, missing), |first| (first, more));
            *room = room.checked_sub(more)?;
            self.values.splice(..0, std::iter::repeat_n(T::default(), more));
            self.first = first;
        }
        let at = usize::try_from(i64::from(time) - i64::from(self.first)).ok()?;
        if at >= self.values.len() {
            let more = at.checked_add(1)? - self.values.len();
            *room = room.checked_sub(more)?;
            self.values.resize(at + 1, T::default());
        }
        self.values.get_mut(at)
    }

    fn each(self) -> impl Iterator<Item = (i32, T)> {
        (self.first..).zip(self.values)
    }
}

/// The value of a number on a day or in a week; `None` if there are too many `cells`.
fn cell<'s, T: Clone + Default>(
    spans: &'s mut Vec<Span<T>>,
    number: u32,
    time: i32,
    cells: &mut usize,
) -> Option<&'s mut T> {
    let number = number as usize;
    if number >= spans.len() && number < CELLS_MAX {
        spans.resize(number + 1, Span::default());
    }
    let room = CELLS_MAX.saturating_sub(*cells);
    let mut left = room;
    let value = spans.get_mut(number)?.at(time, &mut left);
    *cells += room - left;
    value
}

impl Dense {
    /// The number of a key.
    ///
    /// # Errors
    /// `TooLarge` for too many keys.
    pub(super) fn key(&mut self, members: &[u32], counts: &mut Counts) -> Result<u32> {
        if let Some((last, number)) = &self.last
            && **last == *members
        {
            return Ok(*number);
        }
        let number = match members {
            [one, other] => match self.of_two.entry(pair(*one, *other)) {
                Entry::Occupied(entry) => *entry.get(),
                Entry::Vacant(entry) => *entry.insert(counts.key(members)?),
            },
            _ => counts.key(members)?,
        };
        match &mut self.last {
            Some((last, of_last)) if last.len() == members.len() => {
                last.copy_from_slice(members);
                *of_last = number;
            }
            last => *last = Some((members.into(), number)),
        }
        Ok(number)
    }

    /// The sums of a key on a day; `None` where the maps have them.
    pub(super) fn of_key(&mut self, pattern: u32, key: u32, day: i32) -> Option<&mut Sums> {
        let is_open = *self.pattern.get_or_insert(pattern) == pattern;
        if is_open { cell(&mut self.keys, key, day, &mut self.cells) } else { None }
    }

    /// The rows and users of a channel in a week; `None` where the maps have them.
    pub(super) fn of_channel(
        &mut self,
        pattern: u32,
        channel: u32,
        week: i32,
    ) -> Option<&mut (u64, ExactSums<1>)> {
        let is_open = *self.pattern.get_or_insert(pattern) == pattern;
        if is_open { cell(&mut self.channels, channel, week, &mut self.cells) } else { None }
    }

    /// Adds the sums to those of the maps.
    pub(super) fn flush(self, counts: &mut Counts, width: usize) {
        let Some(pattern) = self.pattern else { return };
        let bucket = counts.bucket(pattern, width);
        for (key, days) in (0..).zip(self.keys) {
            for (day, sums) in days.each().filter(|(_, sums)| sums.rows > 0) {
                add(bucket, key, day, &sums);
            }
        }
        if let Some(cells) = &mut bucket.channels {
            for (channel, weeks) in (0..).zip(self.channels) {
                for (week, (_, users)) in weeks.each().filter(|(_, (rows, _))| *rows > 0) {
                    cells.entry((channel, week)).or_default().merge(&users);
                }
            }
        }
        bucket.limit();
    }
}

/// Adds the sums of a key and day to the maps.
pub(super) fn add(bucket: &mut Bucket, key: u32, day: i32, sums: &Sums) {
    *bucket.days.entry(day).or_default() += sums.rows;
    bucket.keys.entry(key).or_default().merge(sums);
    if let Some(cells) = &mut bucket.cells {
        cells.entry((key, day)).or_default().merge(sums);
    }
}

fn pair(one: u32, other: u32) -> u64 {
    u64::from(one) << 32 | u64::from(other)
}
