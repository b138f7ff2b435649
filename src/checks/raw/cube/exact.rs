//! The general pass, day by day, which finds the rows that repeat a key: each chunk of days reads all row ranges that
//! may have rows of these days.

use super::super::counts::number;
use super::super::passes::Passes;
use super::super::{RowRange, at_row, in_row_range};
use super::{Axes, CellSum, KEYS, NO_DAY, NO_ID, TOLERANCE};
use crate::checks::model::{VIOLATIONS, Violation};
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

/// The arrays of some days.
pub(super) struct Chunk {
    days: std::ops::Range<usize>,
    seen: Vec<u64>,
    by_system: Vec<i64>,
    by_country: Vec<Total>,
    part: CellSum,
}

#[derive(Clone, Copy, Default)]
struct Total {
    difference: i64,
    rows: u64,
}

#[allow(clippy::indexing_slicing)] // ids come from the axes, by which the arrays are laid out
impl Chunk {
    pub(super) fn fill(
        axes: &Axes<'_>,
        files: &[OpenFile<'_>],
        row_ranges: &[RowRange],
        days: std::ops::Range<usize>,
        passes: &Passes<'_>,
    ) -> Result<CellSum> {
        let (c, s, n) = (axes.countries.len(), axes.systems.len(), axes.channels.len());
        let keys = days.len() * c * n;
        let mut chunk = Chunk {
            seen: vec![0; (keys * s).div_ceil(64)],
            by_system: vec![0; keys],
            by_country: vec![Total::default(); days.len() * s * n],
            part: CellSum::new(axes, days.len()),
            days,
        };
        let span = axes.days.get(chunk.days.start).zip(axes.days.get(chunk.days.end.wrapping_sub(1)));
        for row_range in row_ranges {
            let overlaps = match (span, row_range.days) {
                (Some((first, last)), Some(days)) => days.0 <= *last && *first <= days.1,
                _ => false,
            };
            // Rows without a day go to the first chunk.
            if overlaps || chunk.days.start == 0 {
                chunk
                    .row_range(axes, files, row_range, passes)
                    .map_err(|e| in_row_range(e, files, row_range))?;
            }
        }
        chunk.judge(axes);
        Ok(chunk.part)
    }

    fn row_range(
        &mut self,
        axes: &Axes<'_>,
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
            self.rows(axes, &value_ids, &blocks, take as usize, |row, value| {
                let row = at + row;
                ((row_range.file, row_range.before + row), at_row(files, row_range, row, value))
            });
            at += u64::from(take);
        }
        passes.done(file, row_range, &KEYS);
        Ok(())
    }

    /// Adds the new value ids.
    fn extend_from(
        &self,
        axes: &Axes<'_>,
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
    fn rows(
        &mut self,
        axes: &Axes<'_>,
        value_ids: &CellIds,
        blocks: &[[u32; BLOCK]],
        rows: usize,
        at: impl Fn(u64, String) -> ((usize, u64), Violation),
    ) {
        let [days, countries, systems, channels, values] = blocks else { return };
        let (c, s, n) = (axes.countries.len(), axes.systems.len(), axes.channels.len());
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
                    self.part.rows[day as usize * c + country as usize] += 1;
                }
                continue;
            }
            let value = value_ids.values[values[row] as usize];
            let (country, channel) = (country as usize, channel as usize);
            let organic = usize::from(axes.organic[channel]);
            if day == NO_DAY {
                if axes.answers(system) {
                    self.part.undated[country][organic] += value;
                }
                continue;
            }
            let day = day as usize;
            let key = (day * c + country) * n + channel;
            let bit = key * s + system as usize;
            let (word, mask) = (&mut self.seen[bit / 64], 1u64 << (bit % 64));
            if *word & mask != 0 {
                self.part.duplicates.count += 1;
                if self.part.first_duplicates.len() < VIOLATIONS {
                    let text = axes.key(self.days.start + day, Some(country), Some(system as usize), channel);
                    self.part.first_duplicates.push(at(row as u64, text));
                }
            }
            *word |= mask;
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
            self.part.rows[day * c + country] += 1;
            if is_total {
                self.part.users[day * c + country][organic] += value;
                if !is_country_total {
                    self.part.channel_users[day * n + channel] += value;
                }
            }
        }
    }

    /// Counts keys that repeat, and totals that do not add up.
    fn judge(&mut self, axes: &Axes<'_>) {
        let (c, s, n) = (axes.countries.len(), axes.systems.len(), axes.channels.len());
        let distinct: u64 = self.seen.iter().map(|word| u64::from(word.count_ones())).sum();
        self.part.duplicates.n = distinct + self.part.duplicates.count;
        let tolerance = if axes.rounded { TOLERANCE } else { 0 };
        if axes.systems.has_parts() {
            for (key, difference) in self.by_system.iter().enumerate() {
                let there = (key * s..(key + 1) * s).any(|bit| self.seen[bit / 64] >> (bit % 64) & 1 == 1);
                if !there {
                    continue;
                }
                let name =
                    || axes.key(self.days.start + key / n / c.max(1), Some(key / n % c), None, key % n);
                self.part.systems.matches(*difference, tolerance, axes, name);
            }
        }
        if axes.countries.has_parts() {
            for (key, total) in self.by_country.iter().enumerate().filter(|(_, total)| total.rows > 0) {
                let name =
                    || axes.key(self.days.start + key / n / s.max(1), None, Some(key / n % s), key % n);
                self.part.country_totals.matches(total.difference, tolerance, axes, name);
            }
        }
    }
}
