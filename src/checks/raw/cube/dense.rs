//! Arrays of all days a worker; pieces go to the workers as they come.
//!
//! ```text
//! for each row:
//!     seen[day, country, system] |= bit of channel
//!     where the value is not zero, add it to the sums
//! ```
//!
//! 1. A row costs one bit. Rows that repeat a key are found at the end: more rows
//!    than bits. Which rows they are is for [`super::exact`] to say.
//! 2. How many rows a country has on a day, and which totals there are, are bits
//!    counted.
//! 3. Most values are zero, and touch no sum.
//! 4. In export order day, country and system repeat: their bits are gathered in a
//!    register until one of them changes.
//! 5. Arrays are asked for as zeros: days that no row of a worker has take no memory.
//!
//! Declines where columns have more than 65,536 distinct values, where a key
//! repeats, and where the arrays do not fit [`BYTES`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::super::counts::number;
use super::super::file::{RawFile, Role};
use super::super::{Piece, place};
use super::{Axes, NONE, Part, TOLERANCE};
use crate::ids::cursor::{Cursor, Shape};
use crate::{Error, Result};

/// Bytes that the arrays of all workers take at the most.
const BYTES: usize = 512 << 20;
/// Rows that are decoded at once.
const BLOCK: usize = 2048;
/// Days that are judged at once.
const DAYS: usize = 16;
/// An offset past all arrays: null, or no day.
const NOWHERE: u64 = 1 << 40;

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

    /// Bytes of a worker.
    fn bytes(self) -> usize {
        let by_system = self.countries.saturating_mul(self.channels).saturating_mul(8);
        let by_country = self.systems.saturating_mul(self.channels).saturating_mul(8);
        let users = self.countries.saturating_mul(32) + self.channels.saturating_mul(16);
        let day = self.seen().saturating_mul(4).saturating_add(by_system).saturating_add(by_country);
        day.saturating_add(users).saturating_mul(self.days)
    }
}

/// The parts of all days; `None` where this way is not open.
pub(super) fn fill(
    axes: &Axes<'_>,
    files: &[RawFile<'_>],
    pieces: &[Piece],
    stop: &(dyn Fn() -> Result<()> + Sync),
) -> Result<Option<Vec<Part>>> {
    let layout = Layout::of(axes);
    if [layout.days, layout.countries, layout.systems, layout.channels].contains(&0) {
        return Ok(None);
    }
    let workers = (BYTES / layout.bytes().max(1)).min(rayon::current_num_threads()).min(pieces.len());
    if workers == 0 {
        return Ok(None);
    }
    let next = AtomicUsize::new(0);
    let work = |_| -> Result<Option<Worker>> {
        let mut worker = Worker::new(layout);
        while let Some(piece) = pieces.get(next.fetch_add(1, Ordering::Relaxed)) {
            stop()?;
            if !worker.piece(axes, files, piece).map_err(|e| place(e, files, piece))? {
                // The others need not go on.
                next.store(pieces.len(), Ordering::Relaxed);
                return Ok(None);
            }
        }
        Ok(Some(worker))
    };
    let done: Vec<Option<Worker>> =
        (0..workers).into_par_iter().with_max_len(1).map(work).collect::<Result<_>>()?;
    let Some(workers) = done.into_iter().collect::<Option<Vec<Worker>>>() else { return Ok(None) };
    let starts: Vec<usize> = (0..layout.days).step_by(DAYS).collect();
    let mut parts: Vec<Part> = starts
        .into_par_iter()
        .map(|start| judge(axes, layout, &workers, start..layout.days.min(start + DAYS)))
        .collect();
    let rows: u64 = workers.iter().map(|worker| worker.rows).sum();
    if rows != parts.iter().map(|part| part.duplicates.n).sum::<u64>() {
        return Ok(None);
    }
    if let Some(part) = parts.first_mut() {
        for worker in workers {
            for (to, from) in part.undated.iter_mut().zip(worker.undated) {
                to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
            }
        }
    }
    Ok(Some(parts))
}

/// An id, and how far it moves along the bits.
#[derive(Clone, Copy)]
struct Step {
    offset: u64,
    id: u32,
}

impl Step {
    /// Null, or no day.
    const NONE: Step = Step { offset: NOWHERE, id: NONE };

    fn of(id: u32, stride: usize) -> Self {
        if id == NONE { Step::NONE } else { Step { offset: u64::from(id) * stride as u64, id } }
    }
}

/// What the slots of a piece mean.
#[derive(Default)]
struct Slots {
    days: Vec<Step>,
    countries: Vec<Step>,
    systems: Vec<Step>,
    /// Id, word and bit; no bit for null.
    channels: Vec<(u32, u32, u32)>,
    values: Vec<i128>,
}

/// Arrays of all days.
struct Worker {
    layout: Layout,
    /// Bits of channels by day, country, system.
    seen: Vec<u32>,
    /// Total less parts by day, country, channel.
    by_system: Vec<i64>,
    /// The same by day, system, channel.
    by_country: Vec<i64>,
    users: Vec<[i128; 2]>,
    undated: Vec<[i128; 2]>,
    channel_users: Vec<i128>,
    /// Rows with a whole key.
    rows: u64,
    /// Rows by day and country whose system or channel is null.
    others: BTreeMap<(usize, usize), u64>,
    /// Days that some row may have.
    touched: Vec<bool>,
}

#[allow(clippy::indexing_slicing)] // ids come from the axes, by which the arrays are laid out
impl Worker {
    fn new(layout: Layout) -> Self {
        let Layout { days, countries, systems, channels, .. } = layout;
        Worker {
            layout,
            seen: vec![0; days * layout.seen()],
            by_system: vec![0; days * countries * channels],
            by_country: vec![0; days * systems * channels],
            users: vec![[0; 2]; days * countries],
            undated: vec![[0; 2]; countries],
            channel_users: vec![0; days * channels],
            rows: 0,
            others: BTreeMap::new(),
            touched: vec![false; days],
        }
    }

    /// Takes in the rows of a piece; false where a column has too many values.
    fn piece(&mut self, axes: &Axes<'_>, files: &[RawFile<'_>], piece: &Piece) -> Result<bool> {
        let Some(file) = files.get(piece.file) else { return Ok(true) };
        const KEYS: [Role; 5] = [Role::Date, Role::Country, Role::System, Role::Channel, Role::Value];
        let columns = file.columns_of(piece.row_group, &KEYS)?;
        let mut cursors = Vec::with_capacity(KEYS.len());
        for role in KEYS {
            let column = columns.get(role).ok_or_else(|| Error::internal("a column has gone missing"))?;
            cursors.push(Cursor::new(column, piece.rows.start, false, Vec::new(), None)?);
        }
        let mut slots = Slots::default();
        let mut blocks = vec![[0u16; BLOCK]; KEYS.len()];
        let mut left = piece.rows.end - piece.rows.start;
        while left > 0 {
            #[allow(clippy::cast_possible_truncation)] // BLOCK is small
            let mut take = left.min(BLOCK as u64) as u32;
            for cursor in &mut cursors {
                take = cursor.rows_at_hand(take)?;
            }
            for (cursor, block) in cursors.iter_mut().zip(&mut blocks) {
                if cursor.shape()? != Shape::Narrow {
                    return Ok(false);
                }
                cursor.read_narrow(&mut block[..take as usize])?;
            }
            self.learn(axes, file, &cursors, &mut slots)?;
            self.block(axes, &slots, &blocks, take as usize);
            left -= u64::from(take);
        }
        Ok(true)
    }

    /// Takes in the slots that were added.
    fn learn(
        &mut self,
        axes: &Axes<'_>,
        file: &RawFile<'_>,
        cursors: &[Cursor<'_>],
        slots: &mut Slots,
    ) -> Result<()> {
        let [days, countries, systems, channels, values] = cursors else {
            return Err(Error::internal("five columns were expected"));
        };
        fn grow<T>(to: &mut Vec<T>, cursor: &Cursor<'_>, mut what: impl FnMut(Option<&[u8]>) -> T) {
            while let Some(slot) = u32::try_from(to.len()).ok().filter(|slot| *slot < cursor.entries.slots())
            {
                to.push(what(cursor.entries.get(slot)));
            }
        }
        let Layout { countries: c, systems: s, words, .. } = self.layout;
        let touched = &mut self.touched;
        grow(&mut slots.days, days, |raw| {
            let id = raw.and_then(|raw| file.date_coding.day(raw)).and_then(|day| axes.day_ids.get(&day));
            if let Some(id) = id {
                touched[*id as usize] = true;
            }
            Step::of(id.copied().unwrap_or(NONE), c * s * words)
        });
        grow(&mut slots.countries, countries, |raw| Step::of(axes.countries.id(raw), s * words));
        grow(&mut slots.systems, systems, |raw| Step::of(axes.systems.id(raw), words));
        grow(&mut slots.channels, channels, |raw| match axes.channels.id(raw) {
            NONE => (NONE, 0, 0),
            id => (id, id / 32, 1 << (id % 32)),
        });
        while let Some(slot) = u32::try_from(slots.values.len()).ok().filter(|s| *s < values.entries.slots())
        {
            slots.values.push(axes.step(number(file, values, slot)?));
        }
        Ok(())
    }

    /// Adds a block of rows.
    #[allow(clippy::cast_possible_truncation)] // offsets below `NOWHERE` are places of arrays
    fn block(&mut self, axes: &Axes<'_>, slots: &Slots, blocks: &[[u16; BLOCK]], rows: usize) {
        let [days, countries, systems, channels, values] = blocks else { return };
        let (mut last, mut bits) = (0usize, 0u32);
        let mut whole = 0u64;
        for row in 0..rows {
            let (day, country, system) = (
                slots.days[usize::from(days[row])],
                slots.countries[usize::from(countries[row])],
                slots.systems[usize::from(systems[row])],
            );
            let (channel, word, bit) = slots.channels[usize::from(channels[row])];
            let place = day.offset + country.offset + system.offset;
            let value = slots.values[usize::from(values[row])];
            if place >= NOWHERE || bit == 0 {
                self.odd(axes, [day.id, country.id, system.id, channel], value);
                continue;
            }
            whole += 1;
            let at = place as usize + word as usize;
            if at != last {
                self.seen[last] |= bits;
                (last, bits) = (at, 0);
            }
            bits |= bit;
            if value != 0 {
                self.add(axes, [day.id, country.id, system.id, channel], value);
            }
        }
        if let Some(seen) = self.seen.get_mut(last) {
            *seen |= bits;
        }
        self.rows += whole;
    }

    /// Adds a value that is not zero.
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // modulo 2^64, see the folder
    fn add(&mut self, axes: &Axes<'_>, key: [u32; 4], value: i128) {
        let Layout { countries: c, systems: s, channels: n, .. } = self.layout;
        let [day, country, system, channel] = key.map(|id| id as usize);
        let value64 = value as i64;
        let is_total = system == axes.systems.total as usize;
        let sum = &mut self.by_system[(day * c + country) * n + channel];
        *sum = if is_total { sum.wrapping_add(value64) } else { sum.wrapping_sub(value64) };
        let is_country_total = country == axes.countries.total as usize;
        let sum = &mut self.by_country[(day * s + system) * n + channel];
        *sum = if is_country_total { sum.wrapping_add(value64) } else { sum.wrapping_sub(value64) };
        if is_total {
            self.users[day * c + country][usize::from(axes.organic[channel])] += value;
            if !is_country_total {
                self.channel_users[day * n + channel] += value;
            }
        }
    }

    /// Adds a row without a whole key.
    #[cold]
    fn odd(&mut self, axes: &Axes<'_>, [day, country, system, channel]: [u32; 4], value: i128) {
        if country == NONE {
            return;
        }
        if day != NONE {
            *self.others.entry((day as usize, country as usize)).or_default() += 1;
        } else if channel != NONE && system != NONE && system == axes.systems.total {
            let organic = usize::from(axes.organic[channel as usize]);
            self.undated[country as usize][organic] += value;
        }
    }
}

/// Adds up what the workers have of some days, and holds totals against their parts.
#[allow(clippy::indexing_slicing)] // the arrays are laid out alike
fn judge(axes: &Axes<'_>, layout: Layout, workers: &[Worker], days: std::ops::Range<usize>) -> Part {
    let Layout { countries: c, systems: s, channels: n, words, .. } = layout;
    let mut part = Part::new(axes, days.len());
    let tolerance = if axes.rounded { TOLERANCE } else { 0 };
    let mut seen = vec![0u32; layout.seen()];
    let (mut by_system, mut by_country) = (vec![0i64; c * n], vec![0i64; s * n]);
    for (at, day) in days.enumerate() {
        seen.fill(0);
        by_system.fill(0);
        by_country.fill(0);
        for worker in workers.iter().filter(|worker| worker.touched[day]) {
            let of = |len: usize| day * len..(day + 1) * len;
            let words = seen.iter_mut().zip(&worker.seen[of(layout.seen())]);
            words.for_each(|(to, from)| *to |= from);
            for (to, from) in [
                (&mut by_system, &worker.by_system[of(c * n)]),
                (&mut by_country, &worker.by_country[of(s * n)]),
            ] {
                to.iter_mut().zip(from).for_each(|(to, from)| *to = to.wrapping_add(*from));
            }
            for (to, from) in part.users[at * c..].iter_mut().zip(&worker.users[of(c)]) {
                to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
            }
            let users = part.channel_users[at * n..].iter_mut().zip(&worker.channel_users[of(n)]);
            users.for_each(|(to, from)| *to += from);
            for ((_, country), rows) in worker.others.range((day, 0)..(day + 1, 0)) {
                part.rows[at * c + country] += rows;
            }
        }
        // Channels of a country in any system, and of a system in any country.
        let (mut any_system, mut any_country) = (vec![0u32; words], vec![0u32; s * words]);
        for (country, seen) in seen.chunks(s * words).enumerate() {
            let rows: u64 = seen.iter().map(|word| u64::from(word.count_ones())).sum();
            part.rows[at * c + country] += rows;
            part.duplicates.n += rows;
            any_system.fill(0);
            for (word, bits) in seen.iter().enumerate() {
                any_system[word % words] |= bits;
                any_country[word] |= bits;
            }
            if axes.systems.has_parts() {
                let differences = &by_system[country * n..(country + 1) * n];
                part.systems.hold_all(differences, &any_system, tolerance, axes, |channel| {
                    axes.key(day, Some(country), None, channel)
                });
            }
        }
        if axes.countries.has_parts() {
            for (system, there) in any_country.chunks(words).enumerate() {
                let differences = &by_country[system * n..(system + 1) * n];
                part.country_totals.hold_all(differences, there, tolerance, axes, |channel| {
                    axes.key(day, None, Some(system), channel)
                });
            }
        }
    }
    part
}

impl super::Totals {
    /// Holds the totals of all channels that are there.
    fn hold_all(
        &mut self,
        differences: &[i64],
        there: &[u32],
        tolerance: u64,
        axes: &Axes<'_>,
        name: impl Fn(usize) -> String,
    ) {
        let bits =
            |channel: usize| there.get(channel / 32).is_some_and(|word| word >> (channel % 32) & 1 == 1);
        if differences.iter().all(|difference| *difference == 0) {
            self.tally.n += there.iter().map(|word| u64::from(word.count_ones())).sum::<u64>();
            return;
        }
        for (channel, difference) in differences.iter().enumerate().filter(|(channel, _)| bits(*channel)) {
            self.hold(*difference, tolerance, axes, || name(channel));
        }
    }
}
