//! What one pass counts, and how the counts of parts are merged.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use crate::checks::raw::general::sums::ExactSums;
use crate::checks::raw::general::timed::{Sums, TimedSums, Total};
use crate::checks::raw::mismatch::Mismatches;
use crate::checks::raw::rules::Flaw;
use crate::checks::raw::tally::Tally;
use crate::checks::raw::times::Times;
use crate::phrase::{Phrase, Setting};
use crate::{Error, Result};

/// The most distinct members of a dimension, channels or keys.
const DISTINCT_MAX: usize = 1 << 20;
/// The most sums by key and day; with more, sums by key alone are kept.
const CELLS_MAX: usize = 1 << 21;

/// A hash of numbers that are already mixed or small.
#[derive(Default)]
pub struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_i32(&mut self, number: i32) {
        self.write_u64(u64::from(number.cast_unsigned()));
    }

    fn write_u64(&mut self, number: u64) {
        // The finalizer of MurmurHash3, which is a bijection.
        self.0 = mix(self.0.rotate_left(29) ^ number);
    }
}

/// Mixes all bits of a number: the finalizer of MurmurHash3 (A. Appleby, 2011).
pub fn mix(mut number: u64) -> u64 {
    number = (number ^ number >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    number = (number ^ number >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    number ^ number >> 33
}

/// A map by numbers.
pub type NumberMap<K, V> = HashMap<K, V, BuildHasherDefault<NumberHasher>>;

/// Names by number, in the order in which they were met, with their rows.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Names {
    #[serde(skip)] // see [`Counts::restore`]
    numbers: HashMap<Arc<str>, u32>,
    /// The names.
    pub names: Vec<Arc<str>>,
    /// Rows by number.
    pub rows: Vec<u64>,
}

impl Names {
    /// The number of a name.
    ///
    /// # Errors
    /// `TooLarge` for too many names.
    pub fn number(&mut self, name: &str) -> Result<u32> {
        if let Some(number) = self.numbers.get(name) {
            return Ok(*number);
        }
        let number = u32::try_from(self.names.len()).ok().filter(|_| self.names.len() < DISTINCT_MAX);
        let number = number.ok_or_else(too_many)?;
        let name: Arc<str> = name.into();
        self.numbers.insert(name.clone(), number);
        self.names.push(name);
        self.rows.push(0);
        Ok(number)
    }

    /// A name.
    pub fn get(&self, number: u32) -> &str {
        self.names.get(number as usize).map_or("", |name| name)
    }

    /// Adds rows of a name.
    #[inline]
    pub fn add(&mut self, number: u32, rows: u64) {
        if let Some(count) = self.rows.get_mut(number as usize) {
            *count += rows;
        }
    }

    /// Adds the names of another part. Returns the number here of each of its names.
    fn merge(&mut self, other: &Names) -> Result<Vec<u32>> {
        let mut numbers = Vec::with_capacity(other.names.len());
        for (name, rows) in other.names.iter().zip(&other.rows) {
            let number = self.number(name)?;
            self.add(number, *rows);
            numbers.push(number);
        }
        Ok(numbers)
    }

    /// Numbers the names of deserialised ones. Returns false where they are not sound.
    fn restore(&mut self) -> bool {
        self.numbers = self.names.iter().cloned().zip(0..).collect();
        self.numbers.len() == self.names.len() && self.names.len() == self.rows.len()
    }

    /// The names that rows have, sorted, with their rows.
    pub fn met(&self) -> BTreeMap<&str, u64> {
        let all = self.names.iter().zip(&self.rows).filter(|(_, rows)| **rows > 0);
        all.map(|(name, rows)| (&**name, *rows)).collect()
    }
}

fn too_many() -> Error {
    Error::too_large("distinct members, channels or keys").expected(format!("at most {DISTINCT_MAX}")).advice(
        Phrase::from("Check which columns the profile names, or turn the checks off: ")
            .option(Setting::NoChecks),
    )
}

/// The members of a dimension.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Members {
    /// Members that rows have.
    pub names: Names,
    /// Total rows.
    pub total: u64,
    /// Rows without a member.
    pub null: u64,
    /// Rows of members that the profile does not expect, and of values that are not UTF-8.
    pub unknown: Tally,
}

/// The rows that are total rows of the same dimensions outside the key, without total rows of the key.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Bucket {
    /// Rows.
    pub rows: u64,
    /// Their users.
    pub users: ExactSums<1>,
    /// Rows without a member, by dimension of the key; the first that applies.
    pub null_members: Vec<Tally>,
    /// Their users.
    pub null_users: Vec<ExactSums<1>>,
    /// Rows without a time.
    pub null_times: Tally,
    /// Rows whose time is none.
    pub bad_times: Tally,
    /// Rows whose label is not written as the profile says.
    pub bad_labels: Tally,
    /// Rows whose label is no week that exists.
    pub bad_weeks: Tally,
    /// Rows whose label is not the week of their date.
    pub wrong_weeks: Tally,
    /// Labels of rows whose label is not the week of their date, and of those whose label is no week.
    pub mismatches: [Mismatches; 2],
    /// Rows by day; those of `cells` are added by [`Self::summarise`].
    pub days: BTreeMap<i32, u64>,
    /// Sums by key; those of `cells` are added by [`Self::summarise`].
    pub keys: NumberMap<u32, Sums>,
    /// Rows by key and day; `None` where there are too many.
    pub cells: Option<TimedSums<2>>,
    /// Users by channel and week; `None` where there are too many.
    pub channels: Option<TimedSums<1>>,
}

/// The counts of a part of the rows.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Rows that were read.
    pub rows: u64,
    /// Rows that meet the conditions.
    pub met: u64,
    /// By dimension.
    pub dimensions: Vec<Members>,
    /// Channels.
    pub channels: Names,
    /// Rows without a channel.
    pub null_channel: u64,
    /// Rows by class of their channel: paid, organic, excluded.
    pub classes: [u64; 3],
    /// Rows by the flaw of their number.
    pub users: [Tally; Flaw::ALL.len()],
    /// Members of keys, by number of the key.
    pub keys: Vec<Box<[u32]>>,
    #[serde(skip)] // see [`Self::restore`]
    key_numbers: HashMap<Box<[u32]>, u32>,
    /// The numbers of the dimensions of the key.
    pub key_dimensions: Vec<usize>,
    /// By number of the dimensions outside the key of which rows are total rows.
    pub buckets: BTreeMap<u32, Bucket>,
    /// The dimensions outside the key of which any row is a total row, by the same bits.
    pub met_totals: u32,
    /// Times of day of the dates.
    pub times: Times,
    /// Whether every file that has rows has dates.
    pub has_days: bool,
}

impl Counts {
    /// No rows, of this many dimensions; `key` are the numbers of those of the key.
    pub fn new(dimensions: usize, key: &[usize]) -> Self {
        Counts {
            dimensions: vec![Members::default(); dimensions],
            key_dimensions: key.to_vec(),
            has_days: true,
            ..Counts::default()
        }
    }

    /// The number of a key.
    ///
    /// # Errors
    /// `TooLarge` for too many keys.
    pub fn key(&mut self, members: &[u32]) -> Result<u32> {
        if let Some(number) = self.key_numbers.get(members) {
            return Ok(*number);
        }
        let number = u32::try_from(self.keys.len()).ok().filter(|_| self.keys.len() < DISTINCT_MAX);
        let number = number.ok_or_else(too_many)?;
        self.keys.push(members.into());
        self.key_numbers.insert(members.into(), number);
        Ok(number)
    }

    /// The bucket of a number.
    pub fn bucket(&mut self, number: u32, keys: usize) -> &mut Bucket {
        self.buckets.entry(number).or_insert_with(|| Bucket {
            null_members: vec![Tally::default(); keys],
            null_users: vec![ExactSums::default(); keys],
            cells: Some(TimedSums::default()),
            channels: Some(TimedSums::default()),
            ..Bucket::default()
        })
    }

    /// Numbers the names and keys of deserialised counts.
    ///
    /// # Errors
    /// `Format` where their fields contradict one another.
    pub fn restore(&mut self) -> Result<()> {
        self.key_numbers = self.keys.iter().cloned().zip(0..).collect();
        let width = self.key_dimensions.len();
        let is_sound = self.key_numbers.len() == self.keys.len()
            && self.keys.iter().all(|key| key.len() == width)
            && self.buckets.values().all(|b| b.null_members.len() == width && b.null_users.len() == width)
            && self.channels.restore()
            && self.dimensions.iter_mut().all(|members| members.names.restore());
        if is_sound { Ok(()) } else { Err(Error::format("counts whose fields contradict one another")) }
    }

    /// Replaces the numbers of files.
    pub fn renumber(&mut self, numbers: &[usize]) {
        let members = self.dimensions.iter_mut().map(|members| &mut members.unknown);
        let buckets = self.buckets.values_mut().flat_map(|bucket| {
            let labels = [&mut bucket.bad_labels, &mut bucket.bad_weeks, &mut bucket.wrong_weeks];
            let times = [&mut bucket.null_times, &mut bucket.bad_times];
            bucket.null_members.iter_mut().chain(labels).chain(times)
        });
        members.chain(&mut self.users).chain(buckets).for_each(|tally| tally.renumber(numbers));
    }

    /// Sums of the rows that answer, by key and by day; once all parts are merged.
    pub fn summarise(&mut self) {
        self.buckets.values_mut().for_each(Bucket::summarise);
    }

    /// The rows that answer: of the dimensions with totals outside the key, total rows where there are any.
    pub fn chosen(&self) -> Option<&Bucket> {
        self.buckets.get(&self.met_totals)
    }

    /// Adds the counts of another part.
    ///
    /// # Errors
    /// `TooLarge` for too many distinct members, channels or keys.
    pub fn merge(mut self, other: Counts) -> Result<Counts> {
        if self.rows == 0 {
            return Ok(Counts { has_days: self.has_days && other.has_days, ..other });
        }
        self.rows += other.rows;
        self.met += other.met;
        self.met_totals |= other.met_totals;
        self.has_days &= other.has_days;
        self.times.merge(other.times);
        let mut members = Vec::with_capacity(other.dimensions.len());
        for (to, from) in self.dimensions.iter_mut().zip(other.dimensions) {
            members.push(to.names.merge(&from.names)?);
            to.total += from.total;
            to.null += from.null;
            to.unknown.merge(from.unknown);
        }
        let channels = self.channels.merge(&other.channels)?;
        self.null_channel += other.null_channel;
        self.classes.iter_mut().zip(other.classes).for_each(|(to, from)| *to += from);
        self.users.iter_mut().zip(other.users).for_each(|(to, from)| to.merge(from));
        let mut keys = Vec::with_capacity(other.keys.len());
        for key in &other.keys {
            let of_dimension = |(at, number): (usize, &u32)| {
                let dimension = other.key_dimensions.get(at)?;
                members.get(*dimension)?.get(*number as usize).copied()
            };
            let key: Vec<u32> = key.iter().enumerate().filter_map(of_dimension).collect();
            keys.push(self.key(&key)?);
        }
        for (number, bucket) in other.buckets {
            let width = bucket.null_members.len();
            self.bucket(number, width).merge(bucket, &keys, &channels);
        }
        Ok(self)
    }
}

impl Bucket {
    /// Adds another part, whose keys and channels have these numbers here.
    fn merge(&mut self, other: Bucket, keys: &[u32], channels: &[u32]) {
        self.rows += other.rows;
        self.users.merge(&other.users);
        self.null_users.iter_mut().zip(&other.null_users).for_each(|(to, from)| to.merge(from));
        self.mismatches.iter_mut().zip(other.mismatches).for_each(|(to, from)| to.merge(from));
        self.null_members.iter_mut().zip(other.null_members).for_each(|(to, from)| to.merge(from));
        for (to, from) in [
            (&mut self.null_times, other.null_times),
            (&mut self.bad_times, other.bad_times),
            (&mut self.bad_labels, other.bad_labels),
            (&mut self.bad_weeks, other.bad_weeks),
            (&mut self.wrong_weeks, other.wrong_weeks),
        ] {
            to.merge(from);
        }
        for (day, rows) in other.days {
            *self.days.entry(day).or_default() += rows;
        }
        let here = |numbers: &[u32], number: u32| numbers.get(number as usize).copied().unwrap_or(number);
        for (key, sums) in &other.keys {
            self.keys.entry(here(keys, *key)).or_default().merge(sums);
        }
        match (&mut self.cells, other.cells) {
            (Some(to), Some(from)) => to.merge(from, |key| here(keys, key)),
            (None, Some(from)) => self.add_sums(&from, |key| here(keys, key)),
            (_, None) => self.drop_cells(),
        }
        match (&mut self.channels, other.channels) {
            (Some(to), Some(from)) => to.merge(from, |channel| here(channels, channel)),
            _ => self.channels = None,
        }
        self.limit();
    }

    /// Adds sums by key and day to those by key, and to the rows by day.
    fn add_sums(&mut self, cells: &TimedSums<2>, here: impl Fn(u32) -> u32) {
        let (view, mut days) = (cells.view(), TimedSums::default());
        for key in view.numbers() {
            let mut sums = Total::default();
            view.each(key, |day, total| {
                days.add_total(0, day, total);
                sums.merge(total);
            });
            if sums.rows() > 0 {
                self.keys.entry(here(key)).or_default().merge(&sums.exact());
            }
        }
        days.view().each(0, |day, total| *self.days.entry(day).or_default() += total.rows());
    }

    fn drop_cells(&mut self) {
        self.summarise();
        self.cells = None;
    }

    /// Adds the rows of `cells` to those by key and by day; once all parts are merged.
    pub fn summarise(&mut self) {
        if let Some(cells) = self.cells.take() {
            self.add_sums(&cells, |key| key);
            self.cells = Some(cells);
        }
    }

    /// Whether no row counts, nor would if its time were one.
    pub fn is_nothing(&self) -> bool {
        let times = [&self.null_times, &self.bad_times, &self.bad_labels, &self.bad_weeks];
        self.keys.is_empty()
            && self.cells.as_ref().is_none_or(|cells| cells.times() == 0)
            && times.iter().all(|tally| tally.count == 0)
    }

    /// Adds a row of a key on a day.
    pub fn add(&mut self, key: u32, day: i32, class: usize, users: f64) {
        if let Some(cells) = &mut self.cells {
            return cells.add(key, day, class, users);
        }
        let mut sums = Sums { rows: 1, ..Sums::default() };
        sums.users.add(class, users);
        self.add_without_cells(key, day, &sums);
    }

    /// Adds a row of a key on a day, of less than [`WHOLE_MAX`](super::timed::WHOLE_MAX) whole users.
    #[inline]
    pub fn add_row(&mut self, key: u32, day: i32, class: usize, users: u32) {
        match &mut self.cells {
            Some(cells) => cells.add_row(key, day, class, users.into()),
            None => self.add(key, day, class, users.into()),
        }
    }

    /// Adds such rows.
    #[inline]
    pub fn add_whole(&mut self, key: u32, day: i32, rows: u64, users: [i64; 2]) {
        if rows == 0 {
            return;
        }
        match &mut self.cells {
            Some(cells) => cells.add_whole(key, day, rows, users),
            None => self.add_without_cells(key, day, &Sums { rows, users: ExactSums::of_whole(users) }),
        }
    }

    fn add_without_cells(&mut self, key: u32, day: i32, sums: &Sums) {
        *self.days.entry(day).or_default() += sums.rows;
        self.keys.entry(key).or_default().merge(sums);
    }

    /// Drops sums of which there are too many.
    pub fn limit(&mut self) {
        if self.cells.as_ref().is_some_and(|cells| cells.times() > CELLS_MAX) {
            self.drop_cells();
        }
        self.channels = self.channels.take().filter(|cells| cells.times() <= CELLS_MAX);
    }
}
