//! The general pass: each chunk of days reads all row ranges that may have rows of these days, and chunks of other rows
//! of the same days are merged.

use std::ops::Range;

use super::super::counts::number;
use super::super::passes::Passes;
use super::super::{RowRange, in_row_range};
use super::axes::Axes;
use super::{CellSum, KEYS, NO_DAY, NO_ID, TOLERANCE};
use crate::dataset::{OpenFile, Role};
use crate::ids::cursor::Cursor;
use crate::parquet::encoding::RunOrPacked;
use crate::{Error, Result};

/// Rows decoded at once.
const BLOCK: usize = 2048;
/// Blocks, or runs of rows without a day, between two checks for cancellation.
const CANCEL_CHECK: u32 = 64;

/// The meaning of a row range's value ids in a chunk.
#[derive(Default)]
struct CellIds {
    days: Vec<u32>,
    countries: Vec<u32>,
    systems: Vec<u32>,
    channels: Vec<u32>,
    values: Vec<i128>,
}

/// The arrays of some days, of some rows. Those of other rows are added by [`Chunk::merge`].
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Chunk {
    days: Range<usize>,
    /// A bit a system, by day, country and channel; a day begins with a word.
    seen: Vec<u64>,
    /// Total minus parts, by day, country and channel.
    by_system: Vec<i64>,
    /// By day, system and channel.
    by_country: Vec<Total>,
    /// Rows with a complete key, by day.
    complete: Vec<u64>,
    /// Rows, by day and country.
    rows: Vec<u64>,
    /// Paid and organic users of the total over systems, likewise.
    users: Vec<[i128; 2]>,
    /// The same of rows without a day, by country.
    undated: Vec<[i128; 2]>,
    /// Users of the total over systems in countries, by day and channel.
    channel_users: Vec<i128>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
struct Total {
    difference: i64,
    rows: u64,
}

/// Words of the bits of a day.
fn words_of(axes: &Axes) -> usize {
    (axes.countries.len() * axes.channels.len() * axes.systems.len()).div_ceil(64)
}

#[allow(clippy::indexing_slicing)] // ids come from the axes, by which the arrays are laid out
impl Chunk {
    /// No rows of some days.
    pub fn new(axes: &Axes, days: Range<usize>) -> Self {
        let (c, s, n) = (axes.countries.len(), axes.systems.len(), axes.channels.len());
        let len = days.len();
        Chunk {
            seen: vec![0; len * words_of(axes)],
            by_system: vec![0; len * c * n],
            by_country: vec![Total::default(); len * s * n],
            complete: vec![0; len],
            rows: vec![0; len * c],
            users: vec![[0; 2]; len * c],
            undated: vec![[0; 2]; c],
            channel_users: vec![0; len * n],
            days,
        }
    }

    /// Adds up the rows of some days.
    ///
    /// # Errors
    /// Those of reading rows; `Interrupted` where the caller requests cancellation.
    pub fn fill(
        axes: &Axes,
        files: &[OpenFile<'_>],
        row_ranges: &[RowRange],
        days: Range<usize>,
        passes: &Passes<'_>,
    ) -> Result<Chunk> {
        let mut chunk = Chunk::new(axes, days);
        let span = axes.days.get(chunk.days.start).zip(axes.days.get(chunk.days.end.wrapping_sub(1)));
        for row_range in row_ranges {
            let overlaps = match (span, row_range.days) {
                (Some((first, last)), Some(days)) => days.0 <= *last && *first <= days.1,
                _ => false,
            };
            // Rows without a day go to the first chunk.
            if overlaps || row_range.is_undated && chunk.days.start == 0 {
                chunk
                    .row_range(axes, files, row_range, passes)
                    .map_err(|e| in_row_range(e, files, row_range))?;
            }
        }
        Ok(chunk)
    }

    /// Adds other rows of the same days.
    ///
    /// # Errors
    /// `Format` where the arrays are those of other days or axes.
    pub fn merge(&mut self, other: &Chunk) -> Result<()> {
        let lengths = |chunk: &Chunk| {
            let cells = [chunk.by_system.len(), chunk.by_country.len(), chunk.channel_users.len()];
            let rest = [chunk.complete.len(), chunk.rows.len(), chunk.users.len(), chunk.undated.len()];
            (chunk.days.clone(), chunk.seen.len(), cells, rest)
        };
        if lengths(self) != lengths(other) {
            return Err(Error::format("cells of other days, countries, systems or channels"));
        }
        self.seen.iter_mut().zip(&other.seen).for_each(|(to, from)| *to |= from);
        for (to, from) in self.by_system.iter_mut().zip(&other.by_system) {
            *to = to.wrapping_add(*from);
        }
        for (to, from) in self.by_country.iter_mut().zip(&other.by_country) {
            to.difference = to.difference.wrapping_add(from.difference);
            to.rows += from.rows;
        }
        self.complete.iter_mut().zip(&other.complete).for_each(|(to, from)| *to += from);
        self.rows.iter_mut().zip(&other.rows).for_each(|(to, from)| *to += from);
        for (to, from) in [(&mut self.users, &other.users), (&mut self.undated, &other.undated)] {
            let cells = to.iter_mut().flatten().zip(from.iter().flatten());
            cells.for_each(|(to, from)| *to += from);
        }
        self.channel_users.iter_mut().zip(&other.channel_users).for_each(|(to, from)| *to += from);
        Ok(())
    }

    /// The arrays of some of its days; `None` where they have no rows. Rows without a day go with the first one.
    pub fn slice(&self, axes: &Axes, days: Range<usize>) -> Option<Chunk> {
        fn part<T: Clone>(of: &[T], width: usize, days: &Range<usize>) -> Vec<T> {
            of.get(days.start * width..days.end * width).unwrap_or_default().to_vec()
        }
        let (c, s, n) = (axes.countries.len(), axes.systems.len(), axes.channels.len());
        let local = days.start - self.days.start..days.end - self.days.start;
        let with_undated = days.start == self.days.start;
        let chunk = Chunk {
            seen: part(&self.seen, words_of(axes), &local),
            by_system: part(&self.by_system, c * n, &local),
            by_country: part(&self.by_country, s * n, &local),
            complete: part(&self.complete, 1, &local),
            rows: part(&self.rows, c, &local),
            users: part(&self.users, c, &local),
            undated: if with_undated { self.undated.clone() } else { vec![[0; 2]; c] },
            channel_users: part(&self.channel_users, n, &local),
            days,
        };
        let is_empty = chunk.rows.iter().all(|rows| *rows == 0)
            && chunk.undated.iter().flatten().all(|users| *users == 0);
        (!is_empty).then_some(chunk)
    }

    fn row_range(
        &mut self,
        axes: &Axes,
        files: &[OpenFile<'_>],
        row_range: &RowRange,
        passes: &Passes<'_>,
    ) -> Result<()> {
        let Some(file) = files.get(row_range.file) else { return Ok(()) };
        let column = |role| {
            file.column(role, row_range.row_group)?
                .ok_or_else(|| Error::internal("a column has gone missing"))
        };
        let columns = [
            column(Role::Date)?,
            column(Role::Country)?,
            column(Role::System)?,
            column(Role::Channel)?,
            column(Role::Value)?,
        ];
        let mut cursors = Vec::with_capacity(columns.len());
        for column in &columns {
            cursors.push(Cursor::new(column, row_range.rows.start, false, Vec::new(), None)?);
        }
        let mut value_ids = CellIds::default();
        let mut blocks = vec![[0u32; BLOCK]; columns.len()];
        let mut at = row_range.rows.start;
        for block in 0u32.. {
            if at >= row_range.rows.end {
                break;
            }
            if block.is_multiple_of(CANCEL_CHECK) {
                passes.check_interrupted()?;
            }
            let left = u32::try_from(row_range.rows.end - at).unwrap_or(u32::MAX);
            self.extend_from(axes, file, &cursors, &mut value_ids)?;
            if let RunOrPacked::Rle { value, len } = cursors[0].segment()? {
                self.extend_from(axes, file, &cursors, &mut value_ids)?;
                if value_ids.days.get(value as usize) == Some(&NO_ID) {
                    let len = len.min(left);
                    cursors.iter_mut().try_for_each(|cursor| cursor.skip(len))?;
                    at += u64::from(len);
                    continue;
                }
            }
            #[allow(clippy::cast_possible_truncation)] // a block is short
            let take = left.min(BLOCK as u32);
            for (cursor, block) in cursors.iter_mut().zip(&mut blocks) {
                cursor.read_ids32(&mut block[..take as usize])?;
            }
            self.extend_from(axes, file, &cursors, &mut value_ids)?;
            self.rows(axes, &value_ids, &blocks, take as usize);
            at += u64::from(take);
        }
        passes.done(file, row_range, &KEYS);
        Ok(())
    }

    /// Adds the new value ids.
    fn extend_from(
        &self,
        axes: &Axes,
        file: &OpenFile<'_>,
        cursors: &[Cursor<'_>],
        value_ids: &mut CellIds,
    ) -> Result<()> {
        let [days, countries, systems, channels, values] = cursors else {
            return Err(Error::internal("five columns were expected"));
        };
        fn grow(to: &mut Vec<u32>, cursor: &Cursor<'_>, id: impl Fn(Option<&[u8]>) -> u32) {
            while let Some(value_id) =
                u32::try_from(to.len()).ok().filter(|value_id| *value_id < cursor.entries.id_count())
            {
                to.push(id(cursor.entries.get(value_id)));
            }
        }
        grow(&mut value_ids.days, days, |raw| {
            let id = raw.and_then(|raw| file.date_coding.day(raw)).and_then(|day| axes.day_ids.get(&day));
            match id.map(|id| *id as usize) {
                Some(id) if self.days.contains(&id) => u32::try_from(id - self.days.start).unwrap_or(NO_ID),
                Some(_) => NO_ID,
                None if self.days.start == 0 => NO_DAY,
                None => NO_ID,
            }
        });
        grow(&mut value_ids.countries, countries, |raw| axes.countries.id(raw));
        grow(&mut value_ids.systems, systems, |raw| axes.systems.id(raw));
        grow(&mut value_ids.channels, channels, |raw| axes.channels.id(raw));
        while let Some(value_id) =
            u32::try_from(value_ids.values.len()).ok().filter(|s| *s < values.entries.id_count())
        {
            value_ids.values.push(axes.step(number(file, values, value_id)?));
        }
        Ok(())
    }

    /// Adds a block of rows.
    fn rows(&mut self, axes: &Axes, value_ids: &CellIds, blocks: &[[u32; BLOCK]], rows: usize) {
        let [days, countries, systems, channels, values] = blocks else { return };
        let (c, s, n) = (axes.countries.len(), axes.systems.len(), axes.channels.len());
        let words = words_of(axes);
        for row in 0..rows {
            let day = value_ids.days[days[row] as usize];
            if day == NO_ID {
                continue;
            }
            let country = value_ids.countries[countries[row] as usize];
            let system = value_ids.systems[systems[row] as usize];
            let channel = value_ids.channels[channels[row] as usize];
            if country == NO_ID || system == NO_ID || channel == NO_ID {
                if day != NO_DAY && country != NO_ID {
                    self.rows[day as usize * c + country as usize] += 1;
                }
                continue;
            }
            let value = value_ids.values[values[row] as usize];
            let (country, channel) = (country as usize, channel as usize);
            let organic = usize::from(axes.organic[channel]);
            if day == NO_DAY {
                if axes.answers(system) {
                    self.undated[country][organic] += value;
                }
                continue;
            }
            let day = day as usize;
            let key = (day * c + country) * n + channel;
            let bit = (country * n + channel) * s + system as usize;
            self.seen[day * words + bit / 64] |= 1u64 << (bit % 64);
            self.complete[day] += 1;
            // Modulo 2^64, see the module's description.
            #[allow(clippy::cast_possible_truncation)]
            let value64 = value as i64;
            let is_total = axes.answers(system);
            let sum = &mut self.by_system[key];
            *sum = if is_total { sum.wrapping_add(value64) } else { sum.wrapping_sub(value64) };
            let total = &mut self.by_country[(day * s + system as usize) * n + channel];
            let is_country_total = country == axes.countries.total as usize;
            total.difference = if is_country_total {
                total.difference.wrapping_add(value64)
            } else {
                total.difference.wrapping_sub(value64)
            };
            total.rows += 1;
            self.rows[day * c + country] += 1;
            if is_total {
                self.users[day * c + country][organic] += value;
                if !is_country_total {
                    self.channel_users[day * n + channel] += value;
                }
            }
        }
    }

    /// Counts keys that repeat, and totals that do not add up.
    pub fn judge(self, axes: &Axes) -> CellSum {
        let (c, s, n) = (axes.countries.len(), axes.systems.len(), axes.channels.len());
        let words = words_of(axes);
        let mut part = CellSum::new(axes, 0);
        let distinct: u64 = self.seen.iter().map(|word| u64::from(word.count_ones())).sum();
        part.duplicates.n = self.complete.iter().sum();
        part.duplicates.count = part.duplicates.n - distinct;
        let tolerance = if axes.rounded { TOLERANCE } else { 0 };
        if axes.systems.has_parts() {
            for (key, difference) in self.by_system.iter().enumerate() {
                let (day, of_day) = (key / n / c.max(1), key % (c * n));
                let is_set = |bit: usize| self.seen[day * words + bit / 64] >> (bit % 64) & 1 == 1;
                if (of_day * s..(of_day + 1) * s).any(is_set) {
                    let name = || axes.key(self.days.start + day, Some(key / n % c), None, key % n);
                    part.systems.matches(*difference, tolerance, axes, name);
                }
            }
        }
        if axes.countries.has_parts() {
            for (key, total) in self.by_country.iter().enumerate().filter(|(_, total)| total.rows > 0) {
                let name =
                    || axes.key(self.days.start + key / n / s.max(1), None, Some(key / n % s), key % n);
                part.country_totals.matches(total.difference, tolerance, axes, name);
            }
        }
        let Chunk { rows, users, undated, channel_users, .. } = self;
        CellSum { rows, users, undated, channel_users, ..part }
    }
}
