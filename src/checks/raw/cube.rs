//! The rows as a cube: day x country x channel x system.
//!
//! ```text
//! seen[day, country, channel, system]     one bit: was the key there before?
//! systems[day, country, channel]          total minus parts, 0 where they agree
//! countries[day, system, channel]         likewise
//! users[day, country, organic or not]     sums of the total over systems
//! ```
//!
//! Each day is by itself, so days are cut into chunks that fit the memory, and a
//! chunk reads only the pieces that have its days. Differences are kept modulo
//! 2^64: that is exact for integers unless a total is off by a multiple of it.
//! Fractional values are taken in steps of 2^-20, and compared to the nearest
//! thousandth.

use std::collections::HashMap;

use rayon::prelude::*;

use super::counts::{Counts, Names as Keys, number};
use super::rules::Flaw;
use super::file::{RawFile, Role};
use super::{Piece, at_row, place};
use crate::checks::model::{OFFENDERS, Offender};
use crate::ids::cursor::Cursor;
use crate::ids::runs::Segment;
use crate::ids::values::Number;
use crate::table::cell::iso_date;
use crate::{Error, Job, Result};

/// Bytes that the arrays of one chunk take at the most, if it has more than a day.
const CHUNK_BYTES: usize = 64 << 20;
/// Bytes that a day may take at the most.
const DAY_BYTES: usize = 256 << 20;
/// Rows that are decoded at once.
const BLOCK: usize = 2048;
/// No id: null, or a day of another chunk.
const NONE: u32 = u32::MAX;
/// A date that is null or no day.
const NO_DAY: u32 = u32::MAX - 1;
/// Steps of one, where values are fractional.
const STEPS: f64 = (1 << 20) as f64;
/// How far sums of fractional values may be apart: a thousandth.
const TOLERANCE: u64 = 1 << 10;

/// How often a rule is broken.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// So often.
    pub count: u64,
    /// Out of so many.
    pub n: u64,
    /// The first, in order.
    pub offenders: Vec<Offender>,
}

/// Totals that differ from the sum of their parts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Totals {
    /// How many.
    pub tally: Tally,
    /// Of those, totals that are larger than their parts.
    pub larger: u64,
}

impl Totals {
    fn add(&mut self, other: Totals) {
        self.tally.add(other.tally);
        self.larger += other.larger;
    }
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.count += other.count;
        self.n += other.n;
        let room = OFFENDERS.saturating_sub(self.offenders.len());
        self.offenders.extend(other.offenders.into_iter().take(room));
    }
}

/// What the cube has told.
#[derive(Debug, Clone, Default)]
pub struct Cube {
    /// Days with rows, in order.
    pub days: Vec<i32>,
    /// Countries, the total among them, in order of their bytes.
    pub countries: Vec<String>,
    /// Channels, in order of their bytes.
    pub channels: Vec<String>,
    /// Rows, `day * countries + country`.
    pub rows: Vec<u64>,
    /// Paid and organic users of the total over systems, likewise; in [`Cube::steps`].
    pub users: Vec<[i128; 2]>,
    /// The same of rows without a day, by country.
    pub undated: Vec<[i128; 2]>,
    /// Users of the total over systems in countries, `day * channels + channel`.
    pub channel_users: Vec<i128>,
    /// What one user is in the sums.
    pub steps: i128,
    /// Whether sums are rounded.
    pub rounded: bool,
    /// Keys that were there before.
    pub duplicates: Tally,
    /// Totals over systems; `None` where there is no total or nothing but it.
    pub systems: Option<Totals>,
    /// Totals over countries; `None` where there is no total or nothing but it.
    pub country_totals: Option<Totals>,
}

/// What the ids stand for.
struct Axes<'a> {
    job: &'a Job,
    days: Vec<i32>,
    day_ids: HashMap<i32, u32>,
    countries: Names,
    systems: Names,
    channels: Names,
    organic: Vec<bool>,
    rounded: bool,
}

/// Names with ids in order of their bytes.
struct Names {
    names: Vec<Box<[u8]>>,
    ids: HashMap<Box<[u8]>, u32>,
    total: u32,
}

impl Names {
    fn new(keys: &Keys, total: &[u8]) -> Self {
        let names: Vec<Box<[u8]>> = keys.iter().flatten().cloned().collect();
        let ids: HashMap<Box<[u8]>, u32> = names.iter().cloned().zip(0..).collect();
        let total = ids.get(total).copied().unwrap_or(NONE);
        Names { names, ids, total }
    }

    fn len(&self) -> usize {
        self.names.len()
    }

    fn id(&self, raw: Option<&[u8]>) -> u32 {
        raw.and_then(|raw| self.ids.get(raw)).copied().unwrap_or(NONE)
    }

    fn show(&self, id: usize) -> String {
        self.names.get(id).map(|name| String::from_utf8_lossy(name).into_owned()).unwrap_or_default()
    }

    /// Whether there is a total, and something that it could be the total of.
    fn has_parts(&self) -> bool {
        self.total != NONE && self.len() > 1
    }
}

impl Cube {
    /// Reads the keys and values of all rows.
    ///
    /// # Errors
    /// `TooLarge` where a single day has too many keys.
    pub fn fill(
        job: &Job,
        files: &[RawFile<'_>],
        pieces: &[Piece],
        counts: &Counts,
        stop: &(dyn Fn() -> Result<()> + Sync),
    ) -> Result<Cube> {
        let days = counts.days();
        let channels = Names::new(&counts.channels, b"");
        let axes = Axes {
            job,
            day_ids: days.iter().copied().zip(0..).collect(),
            countries: Names::new(&counts.countries, job.country_total.as_bytes()),
            systems: Names::new(&counts.systems, job.os_total.as_bytes()),
            organic: channels
                .names
                .iter()
                .map(|n| job.organic.iter().any(|o| o.as_bytes() == &**n))
                .collect(),
            channels,
            // Fractions of decimals are whole numbers of their last digit.
            rounded: counts.objections.values.of(Flaw::Fractional) > 0 && files.iter().any(|f| super::counts::unit(f) == 1),
            days,
        };
        let per_day = axes.bytes_per_day();
        if per_day > DAY_BYTES {
            return Err(Error::too_large(format!(
                "{} countries x {} systems x {} channels a day",
                axes.countries.len(),
                axes.systems.len(),
                axes.channels.len()
            ))
            .expected(format!("at most {DAY_BYTES} bytes of sums a day")));
        }
        let share = axes.days.len().div_ceil(rayon::current_num_threads().max(1));
        let length = share.min(CHUNK_BYTES / per_day.max(1)).max(1);
        // Without days there is still one chunk, for the rows that have none.
        let starts: Vec<usize> = (0..axes.days.len().max(1)).step_by(length).collect();
        let chunks: Vec<Chunk> = starts
            .into_par_iter()
            .with_max_len(1)
            .map(|start| Chunk::fill(&axes, files, pieces, start..axes.days.len().min(start + length), stop))
            .collect::<Result<_>>()?;
        Ok(axes.gather(chunks, files))
    }
}

impl Axes<'_> {
    fn bytes_per_day(&self) -> usize {
        let keys = self.countries.len().saturating_mul(self.channels.len());
        let totals = self.systems.len().saturating_mul(self.channels.len()).saturating_mul(16);
        keys.saturating_mul(8 + self.systems.len().div_ceil(8)).saturating_add(totals)
    }

    fn gather(self, chunks: Vec<Chunk>, files: &[RawFile<'_>]) -> Cube {
        let show = |names: &Names| (0..names.len()).map(|id| names.show(id)).collect();
        let mut cube = Cube {
            countries: show(&self.countries),
            channels: show(&self.channels),
            undated: vec![[0; 2]; self.countries.len()],
            steps: if self.rounded { 1 << 20 } else { files.first().map_or(1, super::counts::unit) },
            rounded: self.rounded,
            systems: self.systems.has_parts().then(Totals::default),
            country_totals: self.countries.has_parts().then(Totals::default),
            days: self.days,
            ..Cube::default()
        };
        let mut duplicates = Vec::new();
        for chunk in chunks {
            cube.rows.extend(chunk.rows);
            cube.users.extend(chunk.users);
            cube.channel_users.extend(chunk.channel_users);
            for (to, from) in cube.undated.iter_mut().zip(chunk.undated) {
                to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
            }
            cube.duplicates.add(chunk.duplicates);
            duplicates.extend(chunk.first_duplicates);
            for (to, from) in
                [(&mut cube.systems, chunk.systems), (&mut cube.country_totals, chunk.country_totals)]
            {
                if let Some(to) = to {
                    to.add(from);
                }
            }
        }
        // Each chunk has its first ones in order of the rows; so these are the first of all.
        duplicates.sort_by_key(|(order, _)| *order);
        cube.duplicates.offenders = duplicates.into_iter().take(OFFENDERS).map(|(_, o)| o).collect();
        cube
    }

    fn step(&self, number: Number) -> i128 {
        match number {
            Number::Small(v) if self.rounded => i128::from(v) << 20,
            Number::Small(v) => v.into(),
            Number::Big(v) if self.rounded => v.saturating_mul(1 << 20),
            Number::Big(v) => v,
            // Saturates, which no sum of users comes near.
            #[allow(clippy::cast_possible_truncation)]
            Number::Real(v) => (v * STEPS).round() as i128,
            Number::Nan | Number::Infinite(_) | Number::Null => 0,
        }
    }
}

/// What the slots of a piece mean in a chunk.
#[derive(Default)]
struct Slots {
    days: Vec<u32>,
    countries: Vec<u32>,
    systems: Vec<u32>,
    channels: Vec<u32>,
    values: Vec<i128>,
}

/// The arrays of some days.
struct Chunk {
    days: std::ops::Range<usize>,
    seen: Vec<u64>,
    by_system: Vec<i64>,
    by_country: Vec<Total>,
    rows: Vec<u64>,
    users: Vec<[i128; 2]>,
    undated: Vec<[i128; 2]>,
    channel_users: Vec<i128>,
    duplicates: Tally,
    first_duplicates: Vec<((usize, u64), Offender)>,
    systems: Totals,
    country_totals: Totals,
}

#[derive(Clone, Copy, Default)]
struct Total {
    difference: i64,
    rows: u64,
}

#[allow(clippy::indexing_slicing)] // ids come from the axes, by which the arrays are laid out
impl Chunk {
    fn fill(
        axes: &Axes<'_>,
        files: &[RawFile<'_>],
        pieces: &[Piece],
        days: std::ops::Range<usize>,
        stop: &(dyn Fn() -> Result<()> + Sync),
    ) -> Result<Chunk> {
        let (c, s, n) = (axes.countries.len(), axes.systems.len(), axes.channels.len());
        let keys = days.len() * c * n;
        let mut chunk = Chunk {
            seen: vec![0; (keys * s).div_ceil(64)],
            by_system: vec![0; keys],
            by_country: vec![Total::default(); days.len() * s * n],
            rows: vec![0; days.len() * c],
            users: vec![[0; 2]; days.len() * c],
            undated: vec![[0; 2]; c],
            channel_users: vec![0; days.len() * n],
            duplicates: Tally::default(),
            first_duplicates: Vec::new(),
            systems: Totals::default(),
            country_totals: Totals::default(),
            days,
        };
        let span = axes.days.get(chunk.days.start).zip(axes.days.get(chunk.days.end.wrapping_sub(1)));
        for piece in pieces {
            stop()?;
            let overlaps = match (span, piece.days) {
                (Some((first, last)), Some(days)) => days.0 <= *last && *first <= days.1,
                _ => false,
            };
            // Rows without a day go to the first chunk.
            if overlaps || chunk.days.start == 0 {
                chunk.piece(axes, files, piece).map_err(|e| place(e, files, piece))?;
            }
        }
        chunk.judge(axes);
        chunk.seen = Vec::new();
        chunk.by_system = Vec::new();
        chunk.by_country = Vec::new();
        Ok(chunk)
    }

    fn piece(&mut self, axes: &Axes<'_>, files: &[RawFile<'_>], piece: &Piece) -> Result<()> {
        let Some(file) = files.get(piece.file) else { return Ok(()) };
        let column = |role| {
            file.column(role, piece.row_group)?.ok_or_else(|| Error::internal("a column has gone missing"))
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
            cursors.push(Cursor::new(column, piece.rows.start, false, Vec::new(), None)?);
        }
        let mut slots = Slots::default();
        let mut blocks = vec![[0u32; BLOCK]; columns.len()];
        let mut at = piece.rows.start;
        while at < piece.rows.end {
            let left = u32::try_from(piece.rows.end - at).unwrap_or(u32::MAX);
            self.learn(axes, file, &cursors, &mut slots)?;
            if let Segment::Run { value, len } = cursors[0].segment()? {
                self.learn(axes, file, &cursors, &mut slots)?;
                if slots.days.get(value as usize) == Some(&NONE) {
                    let len = len.min(left);
                    cursors.iter_mut().try_for_each(|cursor| cursor.skip(len))?;
                    at += u64::from(len);
                    continue;
                }
            }
            #[allow(clippy::cast_possible_truncation)] // a block is short
            let take = left.min(BLOCK as u32);
            for (cursor, block) in cursors.iter_mut().zip(&mut blocks) {
                cursor.read_wide(&mut block[..take as usize])?;
            }
            self.learn(axes, file, &cursors, &mut slots)?;
            self.rows(axes, &slots, &blocks, take as usize, |row, value| {
                let row = at + row;
                ((piece.file, piece.before + row), at_row(files, piece, row, value))
            });
            at += u64::from(take);
        }
        Ok(())
    }

    /// Takes in the slots that were added.
    fn learn(
        &self,
        axes: &Axes<'_>,
        file: &RawFile<'_>,
        cursors: &[Cursor<'_>],
        slots: &mut Slots,
    ) -> Result<()> {
        let [days, countries, systems, channels, values] = cursors else {
            return Err(Error::internal("five columns were expected"));
        };
        fn grow(to: &mut Vec<u32>, cursor: &Cursor<'_>, id: impl Fn(Option<&[u8]>) -> u32) {
            while let Some(slot) = u32::try_from(to.len()).ok().filter(|slot| *slot < cursor.entries.slots())
            {
                to.push(id(cursor.entries.get(slot)));
            }
        }
        grow(&mut slots.days, days, |raw| {
            let id = raw.and_then(|raw| file.date_coding.day(raw)).and_then(|day| axes.day_ids.get(&day));
            match id.map(|id| *id as usize) {
                Some(id) if self.days.contains(&id) => u32::try_from(id - self.days.start).unwrap_or(NONE),
                Some(_) => NONE,
                None if self.days.start == 0 => NO_DAY,
                None => NONE,
            }
        });
        grow(&mut slots.countries, countries, |raw| axes.countries.id(raw));
        grow(&mut slots.systems, systems, |raw| axes.systems.id(raw));
        grow(&mut slots.channels, channels, |raw| axes.channels.id(raw));
        while let Some(slot) = u32::try_from(slots.values.len()).ok().filter(|s| *s < values.entries.slots())
        {
            slots.values.push(axes.step(number(file, values, slot)?));
        }
        Ok(())
    }

    /// Adds a block of rows.
    fn rows(
        &mut self,
        axes: &Axes<'_>,
        slots: &Slots,
        blocks: &[[u32; BLOCK]],
        rows: usize,
        at: impl Fn(u64, String) -> ((usize, u64), Offender),
    ) {
        let [days, countries, systems, channels, values] = blocks else { return };
        let (c, s, n) = (axes.countries.len(), axes.systems.len(), axes.channels.len());
        for row in 0..rows {
            let day = slots.days[days[row] as usize];
            if day == NONE {
                continue;
            }
            let country = slots.countries[countries[row] as usize];
            let system = slots.systems[systems[row] as usize];
            let channel = slots.channels[channels[row] as usize];
            if country == NONE || system == NONE || channel == NONE {
                if day != NO_DAY && country != NONE {
                    self.rows[day as usize * c + country as usize] += 1;
                }
                continue;
            }
            let value = slots.values[values[row] as usize];
            let (country, channel) = (country as usize, channel as usize);
            let organic = usize::from(axes.organic[channel]);
            if day == NO_DAY {
                if system == axes.systems.total {
                    self.undated[country][organic] += value;
                }
                continue;
            }
            let day = day as usize;
            let key = (day * c + country) * n + channel;
            let bit = key * s + system as usize;
            let (word, mask) = (&mut self.seen[bit / 64], 1u64 << (bit % 64));
            if *word & mask != 0 {
                self.duplicates.count += 1;
                if self.first_duplicates.len() < OFFENDERS {
                    let text = axes.key(self.days.start + day, Some(country), Some(system as usize), channel);
                    self.first_duplicates.push(at(row as u64, text));
                }
            }
            *word |= mask;
            // Modulo 2^64, as said above.
            #[allow(clippy::cast_possible_truncation)]
            let value64 = value as i64;
            let is_total = system == axes.systems.total;
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

    /// Counts keys, and totals that do not add up.
    fn judge(&mut self, axes: &Axes<'_>) {
        let (c, s, n) = (axes.countries.len(), axes.systems.len(), axes.channels.len());
        let distinct: u64 = self.seen.iter().map(|word| u64::from(word.count_ones())).sum();
        self.duplicates.n = distinct + self.duplicates.count;
        let tolerance = if axes.rounded { TOLERANCE } else { 0 };
        if axes.systems.has_parts() {
            for (key, difference) in self.by_system.iter().enumerate() {
                let there = (key * s..(key + 1) * s).any(|bit| self.seen[bit / 64] >> (bit % 64) & 1 == 1);
                if !there {
                    continue;
                }
                let name =
                    || axes.key(self.days.start + key / n / c.max(1), Some(key / n % c), None, key % n);
                self.systems.hold(*difference, tolerance, axes, name);
            }
        }
        if axes.countries.has_parts() {
            for (key, total) in self.by_country.iter().enumerate().filter(|(_, total)| total.rows > 0) {
                let name =
                    || axes.key(self.days.start + key / n / s.max(1), None, Some(key / n % s), key % n);
                self.country_totals.hold(total.difference, tolerance, axes, name);
            }
        }
    }
}

impl Totals {
    fn hold(&mut self, difference: i64, tolerance: u64, axes: &Axes<'_>, name: impl Fn() -> String) {
        self.tally.n += 1;
        if difference.unsigned_abs() <= tolerance {
            return;
        }
        self.tally.count += 1;
        self.larger += u64::from(difference > 0);
        if self.tally.offenders.len() < OFFENDERS {
            #[allow(clippy::cast_precision_loss)] // shown to a person
            let by = difference as f64 / if axes.rounded { STEPS } else { 1.0 };
            let text = format!("{}: total minus parts is {by}", name());
            self.tally.offenders.push(Offender::key(text));
        }
    }
}

impl Axes<'_> {
    fn key(&self, day: usize, country: Option<usize>, system: Option<usize>, channel: usize) -> String {
        let day = self.days.get(day).map_or_else(String::new, |day| iso_date(*day));
        let country = country.map_or_else(|| self.job.country_total.clone(), |id| self.countries.show(id));
        let system = system.map_or_else(|| self.job.os_total.clone(), |id| self.systems.show(id));
        format!("{day} {country} {system} '{}'", self.channels.show(channel).escape_debug())
    }
}
