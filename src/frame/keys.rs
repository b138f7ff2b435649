//! What the rows of the key columns mean.
//!
//! Ids of a dictionary are looked up in a table that is filled when a row that
//! counts first meets an entry: a dictionary may hold far more than the column
//! does. Plain strings of up to eight bytes, which labels and country codes
//! are, are told apart as one 64-bit number in a small cache.

use std::sync::Arc;

use super::array::{Array, Code, Codes, Data, Nulls, Numbers, corrupt, drop_where, with_codes};
use super::text::{Text, short_view};
use crate::grid::{Dense, TimePoint};
use crate::ids::entries::Entries;
use crate::ids::keys::{Country, TimeCoding, country_name};
use crate::kernel::compare;
use crate::{Error, Job, Result, Semantics, calendar};

/// Rows of a block.
pub const BLOCK: usize = 2048;
/// One bit a row of a block.
pub type Mask = [u64; BLOCK / 64];

/// Not asked yet.
const UNSEEN: u32 = u32::MAX;
/// The total over countries.
const TOTAL: u32 = u32::MAX - 1;
/// No point in time, or no country.
const NOTHING: u32 = u32::MAX - 2;

/// Calls `each` with the rows whose bit is set.
#[inline]
pub fn each_bit(mask: &Mask, mut each: impl FnMut(usize) -> Result<()>) -> Result<()> {
    for (word, at) in mask.iter().zip((0..).step_by(64)) {
        let mut word = *word;
        while word != 0 {
            each(at + word.trailing_zeros() as usize)?;
            word &= word - 1;
        }
    }
    Ok(())
}

/// How many bits are set.
pub fn count(mask: &Mask) -> u32 {
    mask.iter().map(|word| word.count_ones()).sum()
}

/// Calls `each` with stretches of marked rows, first row and length; none crosses a word.
#[inline]
fn each_run(mask: &Mask, mut each: impl FnMut(usize, usize) -> Result<()>) -> Result<()> {
    for (word, at) in mask.iter().zip((0..).step_by(64)) {
        let mut word = *word;
        while word != 0 {
            let first = word.trailing_zeros();
            let len = (!(word >> first)).trailing_zeros();
            each(at + first as usize, len as usize)?;
            // Adding carries through the stretch; one that ends the word overflows to nothing.
            word &= word.wrapping_add(1 << first);
        }
    }
    Ok(())
}

/// Takes the null rows of `start..start + rows` out of `mask`.
pub fn and_valid(array: &Array, start: usize, mask: &mut Mask) {
    if matches!(array.data, Data::Null) {
        *mask = [0; BLOCK / 64];
        return;
    }
    match (&array.nulls, &array.data) {
        (Nulls::Unset(validity), _) => {
            for (word, at) in mask.iter_mut().zip((start..).step_by(64)) {
                if *word != 0 {
                    *word &= validity.word(at);
                }
            }
        }
        (Nulls::Within, Data::Coded(codes, _)) => with_codes!(codes, c => {
            if let Some(null) = Code::NULL {
                compare::narrow(c.get(start..).unwrap_or_default(), null, false, mask);
            }
        }),
        // Floats: NaN is told apart where it is added.
        _ => {}
    }
}

/// The dictionary that a table was made for.
#[derive(Default)]
struct Known(Option<Arc<Array>>);

impl Known {
    /// Whether `dictionary` says something else than the one before.
    fn is_other(&mut self, dictionary: &Arc<Array>) -> bool {
        if self.0.as_ref().is_some_and(|known| Arc::ptr_eq(known, dictionary)) {
            return false;
        }
        // From now on it is known by its address: entries are compared once a batch.
        let before = self.0.replace(dictionary.clone());
        !before.is_some_and(|before| before.says_the_same(dictionary))
    }
}

/// Calls `each` with the bytes of a dictionary's entries, `None` for null.
fn entries(dictionary: &Array) -> impl Iterator<Item = Option<&[u8]>> {
    (0..dictionary.len).map(|at| match &dictionary.data {
        Data::Text(text) if dictionary.is_valid(at) => text.get(at).ok(),
        _ => None,
    })
}

/// The operating system: is a row the total over systems?
#[derive(Default)]
pub struct Systems {
    known: Known,
    pass: Vec<bool>,
    /// The only entry that passes.
    only: Option<usize>,
}

impl Systems {
    fn learn(&mut self, dictionary: &Arc<Array>, total: &str) {
        if self.known.is_other(dictionary) {
            self.pass = entries(dictionary).map(|e| e == Some(total.as_bytes())).collect();
            let mut passing = (0..).zip(&self.pass).filter(|(_, pass)| **pass).map(|(at, _)| at);
            self.only = passing.next().filter(|_| passing.next().is_none());
        }
    }

    /// The only entry of a dictionary that passes, if there is exactly one.
    pub fn only(&mut self, array: &Array, total: &str) -> Option<usize> {
        let Data::Coded(_, dictionary) = &array.data else { return None };
        self.learn(dictionary, total);
        self.only
    }

    /// Marks the rows of the total.
    pub fn mark(
        &mut self,
        array: &Array,
        start: usize,
        rows: usize,
        total: &str,
        mask: &mut Mask,
    ) -> Result<()> {
        *mask = all(rows);
        match &array.data {
            Data::Coded(codes, dictionary) => {
                self.learn(dictionary, total);
                match self.only {
                    Some(only) => narrow(codes, start, only, true, mask),
                    None => with_codes!(codes, c => {
                        let codes = c.get(start..start + rows).ok_or_else(corrupt)?;
                        let pass = |code: usize| self.pass.get(code).copied().unwrap_or(false);
                        drop_where(codes, mask, |c| !pass(c.place()));
                    }),
                }
            }
            Data::Text(text) => text.narrow(start, total.as_bytes(), mask)?,
            _ => *mask = [0; BLOCK / 64],
        }
        and_valid(array, start, mask);
        Ok(())
    }
}

/// Takes the rows of `mask` out that do not have the code of `place` (`equal`), or that do.
fn narrow(codes: &Codes, start: usize, place: usize, equal: bool, mask: &mut Mask) {
    with_codes!(codes, c => match Code::of(place) {
        Some(wanted) => compare::narrow(c.get(start..).unwrap_or_default(), wanted, equal, mask),
        // No code of this type reaches so far.
        None if equal => *mask = [0; BLOCK / 64],
        None => {}
    });
}

/// Small cache from short strings or numbers to what they mean.
struct Cache {
    lines: Box<[(u64, u32, u32); LINES]>,
    long: Entries,
    /// By slot of `long`.
    meanings: Vec<u32>,
}

const LINES: usize = 1024;

impl Default for Cache {
    fn default() -> Self {
        let mut long = Entries::new();
        // Nothing was pushed before: there is room for the null slot.
        let sealed = long.seal();
        debug_assert!(sealed.is_ok());
        Cache { lines: Box::new([(0, UNSEEN, UNSEEN); LINES]), long, meanings: Vec::new() }
    }
}

impl Cache {
    fn clear(&mut self) {
        *self = Cache::default();
    }

    /// The meaning of `bytes`, found out by `ask` where it is not known.
    #[inline]
    fn text(&mut self, bytes: &[u8], ask: impl FnOnce(&[u8]) -> Result<u32>) -> Result<u32> {
        let word = |b: Option<&[u8; 4]>| b.map_or(0, |b| u64::from(u32::from_le_bytes(*b)));
        let key = match bytes.len() {
            0..4 => bytes.iter().fold(0, |key, b| key << 8 | u64::from(*b)),
            4..=8 => word(bytes.first_chunk()) | word(bytes.last_chunk()) << 32,
            _ => return self.long_text(bytes, ask),
        };
        // The length is below nine: no key without it stands for two strings.
        #[allow(clippy::cast_possible_truncation)]
        self.key(key, bytes.len() as u32, || ask(bytes))
    }

    #[inline]
    fn key(&mut self, key: u64, len: u32, ask: impl FnOnce() -> Result<u32>) -> Result<u32> {
        #[allow(clippy::cast_possible_truncation)] // ten bits are left
        let line = (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54) as usize;
        let Some(line) = self.lines.get_mut(line) else { return ask() };
        if line.0 == key && line.1 == len {
            return Ok(line.2);
        }
        let meaning = ask()?;
        *line = (key, len, meaning);
        Ok(meaning)
    }

    fn long_text(&mut self, bytes: &[u8], ask: impl FnOnce(&[u8]) -> Result<u32>) -> Result<u32> {
        let slot = self.long.intern(bytes)? as usize;
        if slot >= self.meanings.len() {
            self.meanings.resize(slot + 1, UNSEEN);
        }
        match self.meanings.get_mut(slot) {
            Some(meaning) if *meaning == UNSEEN => {
                *meaning = ask(bytes)?;
                Ok(*meaning)
            }
            Some(meaning) => Ok(*meaning),
            None => Err(Error::internal("a slot without a meaning")),
        }
    }
}

/// Rows of a block by what became of their country.
#[derive(Default, Clone, Copy)]
pub struct Counts {
    /// Country is null.
    pub null: u32,
    /// Country is the total over countries.
    pub total: u32,
}

/// The country: which group does a row belong to?
#[derive(Default)]
pub struct Countries {
    known: Known,
    class: Vec<Country>,
    /// Ids of the worker's grid by dictionary entry.
    groups: Vec<u32>,
    /// Entries that are countries and were not met.
    unseen: usize,
    /// The only entry of the total; `None` where entries have to be looked up.
    total: Option<usize>,
    cache: Cache,
    /// Groups of the block's rows were found out on the way: [`Self::fill`] has nothing to do.
    pub(super) filled: bool,
}

impl Countries {
    /// Narrows `keep`, the rows of the total over systems, to those of a country. Under legacy
    /// semantics the countries of all rows are noted.
    #[allow(clippy::too_many_arguments)]
    pub fn narrow(
        &mut self,
        array: &Array,
        start: usize,
        rows: usize,
        job: &Job,
        dense: &mut Dense,
        keep: &mut Mask,
        groups: &mut [u32; BLOCK],
    ) -> Result<Counts> {
        let legacy = job.semantics == Semantics::Legacy;
        let total = self.total(array, job);
        let before = count(keep);
        if let (Data::Coded(codes, _), Some(total), false) = (&array.data, total, legacy) {
            self.filled = false;
            and_valid(array, start, keep);
            let valid = count(keep);
            narrow(codes, start, total, false, keep);
            if self.unseen > 0 {
                with_codes!(codes, c => {
                    let codes = c.get(start..).unwrap_or_default();
                    compare::distinct(codes, keep, |_, c| self.group(c.place(), job, dense, false).map(drop))
                })?;
            }
            return Ok(Counts { null: before - valid, total: valid - count(keep) });
        }
        self.filled = true;
        let mut counts = Counts::default();
        if let (Data::Text(text), false) = (&array.data, legacy) {
            and_valid(array, start, keep);
            counts.null = before - count(keep);
            let mut totals: Mask = [0; BLOCK / 64];
            each_run(keep, |first, len| {
                let uniform = len > 3 && text.is_uniform(start + first, len);
                let step = if uniform { len } else { 1 };
                for row in (first..first + len).step_by(step) {
                    let name = text.get(start + row)?;
                    let group = self.cache.text(name, |name| meaning_of(Some(name), job, dense, false))?;
                    if group == TOTAL {
                        if let Some(word) = totals.get_mut(row / 64) {
                            *word |= (u64::MAX >> (64 - step)) << (row % 64);
                        }
                    } else if let Some(groups) = groups.get_mut(row..row + step) {
                        groups.fill(group);
                    }
                }
                Ok(())
            })?;
            counts.total = count(&totals);
            keep.iter_mut().zip(totals).for_each(|(keep, totals)| *keep &= !totals);
            return Ok(counts);
        }
        let asked = if legacy { all(rows) } else { *keep };
        let mut drop_row = |row: usize| {
            let bit = 1u64 << (row % 64);
            keep.get_mut(row / 64).is_some_and(|word| {
                let kept = *word & bit != 0;
                *word &= !bit;
                kept
            })
        };
        each_bit(&asked, |row| {
            let meaning = if !array.is_valid(start + row) {
                NOTHING
            } else {
                match &array.data {
                    Data::Coded(codes, _) => {
                        let place = with_codes!(codes, c => c.get(start + row).map(|c| c.place()));
                        self.group(place.unwrap_or(usize::MAX), job, dense, legacy)?
                    }
                    Data::Text(text) => self
                        .cache
                        .text(text.get(start + row)?, |name| meaning_of(Some(name), job, dense, legacy))?,
                    _ => NOTHING,
                }
            };
            match meaning {
                NOTHING => counts.null += u32::from(drop_row(row)),
                TOTAL => counts.total += u32::from(drop_row(row)),
                group => {
                    if legacy {
                        dense.see_raw(group);
                    }
                    if let Some(slot) = groups.get_mut(row) {
                        *slot = group;
                    }
                }
            }
            Ok(())
        })?;
        Ok(counts)
    }

    /// The only entry of a dictionary that is the total, past the dictionary if there is none;
    /// `None` where several are, where an entry is null, and where there is no dictionary.
    pub fn total(&mut self, array: &Array, job: &Job) -> Option<usize> {
        let Data::Coded(_, dictionary) = &array.data else { return None };
        if self.known.is_other(dictionary) {
            self.renew(dictionary, job);
        }
        self.total
    }

    /// Whether any country of the dictionary was not met.
    pub fn any_unseen(&self) -> bool {
        self.unseen > 0
    }

    /// The group of the country of a row, which is kept and not null; its column is ids or strings.
    pub fn meet(&mut self, array: &Array, row: usize, job: &Job, dense: &mut Dense) -> Result<u32> {
        match &array.data {
            Data::Text(text) => {
                self.cache.text(text.get(row)?, |name| meaning_of(Some(name), job, dense, false))
            }
            _ => self.group(array.place(row).ok_or_else(corrupt)?, job, dense, false),
        }
    }

    fn renew(&mut self, dictionary: &Array, job: &Job) {
        let class = |entry: Option<&[u8]>| match entry {
            None => Country::Null,
            Some(name) if name == job.country_total.as_bytes() => Country::Total,
            Some(_) => Country::Keep,
        };
        self.class = entries(dictionary).map(class).collect();
        self.groups = vec![UNSEEN; self.class.len()];
        self.unseen = self.class.iter().filter(|c| **c == Country::Keep).count();
        let nulls = self.class.contains(&Country::Null);
        let mut totals = (0..).zip(&self.class).filter(|(_, c)| **c == Country::Total).map(|(at, _)| at);
        // Past the dictionary: no row has it.
        let first = totals.next().unwrap_or(usize::MAX);
        self.total = (totals.next().is_none() && !nulls).then_some(first);
    }

    /// The group of a dictionary entry.
    #[inline]
    fn group(&mut self, place: usize, job: &Job, dense: &mut Dense, legacy: bool) -> Result<u32> {
        match self.groups.get(place) {
            None => Err(corrupt().in_column(&job.columns.country)),
            Some(&UNSEEN) => {
                let dictionary = self.known.0.as_deref();
                let name = dictionary.and_then(|d| entries(d).nth(place)).flatten();
                let meaning = meaning_of(name, job, dense, legacy)?;
                if let Some(slot) = self.groups.get_mut(place) {
                    *slot = meaning;
                }
                if meaning < NOTHING {
                    self.unseen -= 1;
                }
                Ok(meaning)
            }
            Some(group) => Ok(*group),
        }
    }

    /// Fills in the groups of the rows that are marked.
    pub fn fill(&self, array: &Array, start: usize, live: &[u16], groups: &mut [u32; BLOCK]) -> Result<()> {
        if self.filled {
            return Ok(());
        }
        fill(array, start, live, &self.groups, groups)
    }
}

fn fill(array: &Array, start: usize, live: &[u16], table: &[u32], out: &mut [u32; BLOCK]) -> Result<()> {
    let Data::Coded(codes, _) = &array.data else { return Ok(()) };
    let known = with_codes!(codes, c => {
        let codes = c.get(start..).unwrap_or_default();
        live.iter().fold(true, |known, row| {
            let row = usize::from(*row);
            let meaning = codes.get(row).and_then(|c| table.get(c.place()));
            if let (Some(slot), Some(meaning)) = (out.get_mut(row), meaning) {
                *slot = *meaning;
            }
            known & meaning.is_some()
        })
    });
    if known { Ok(()) } else { Err(corrupt()) }
}

fn meaning_of(name: Option<&[u8]>, job: &Job, dense: &mut Dense, legacy: bool) -> Result<u32> {
    match name {
        None => Ok(NOTHING),
        Some(name) if name == job.country_total.as_bytes() => Ok(TOTAL),
        Some(name) => {
            let group = dense.group(country_name(name, job)?)?;
            // Under legacy semantics rows that are not kept come here, too.
            if !legacy {
                dense.see_group(group);
            }
            Ok(group)
        }
    }
}

fn all(rows: usize) -> Mask {
    let mut mask = [0; BLOCK / 64];
    for (word, at) in mask.iter_mut().zip((0..rows).step_by(64)) {
        let left = rows - at;
        *word = if left >= 64 { u64::MAX } else { (1 << left) - 1 };
    }
    mask
}

/// The point in time of a row.
#[derive(Default)]
pub struct Times {
    known: Known,
    /// Ids of the worker's grid by dictionary entry.
    ids: Vec<u32>,
    unseen: usize,
    cache: Cache,
    coding: Option<TimeCoding>,
    /// As of [`Countries`].
    pub(super) filled: bool,
}

impl Times {
    /// Makes ready for a column.
    pub fn learn(&mut self, array: &Array, coding: TimeCoding) {
        if self.coding != Some(coding) {
            self.coding = Some(coding);
            self.cache.clear();
        }
        if let Data::Coded(_, dictionary) = &array.data
            && self.known.is_other(dictionary)
        {
            self.ids = vec![UNSEEN; dictionary.len];
            self.unseen = dictionary.len;
        }
    }

    /// Whether any point in time of the dictionary was not met.
    pub fn any_unseen(&self) -> bool {
        self.unseen > 0
    }

    /// The point in time of a row, which is kept and not null; its column is ids or strings.
    pub fn meet(
        &mut self,
        array: &Array,
        row: usize,
        job: &Job,
        coding: TimeCoding,
        dense: &mut Dense,
    ) -> Result<u32> {
        let legacy = job.semantics == Semantics::Legacy;
        let mut ask = |raw: Option<&[u8]>| {
            id_of(raw, coding, legacy, dense)?.ok_or_else(|| bad_time(job, coding, raw, row))
        };
        let (dictionary, place) = match (&array.data, array.place(row)) {
            (Data::Text(text), _) => return self.cache.text(text.get(row)?, |raw| ask(Some(raw))),
            (Data::Coded(_, dictionary), Some(place)) => (dictionary, place),
            _ => return Err(corrupt()),
        };
        let slot = self.ids.get_mut(place).ok_or_else(corrupt)?;
        if *slot == UNSEEN {
            let raw = dictionary.is_valid(place).then(|| dictionary.raw(place)).transpose()?;
            *slot = ask(raw.as_deref())?;
            self.unseen -= 1;
        }
        Ok(*slot)
    }

    /// Finds the points of the rows that are kept, as far as any may be new.
    #[allow(clippy::too_many_arguments)]
    pub fn resolve(
        &mut self,
        array: &Array,
        start: usize,
        job: &Job,
        coding: TimeCoding,
        dense: &mut Dense,
        keep: &Mask,
        ids: &mut [u32; BLOCK],
    ) -> Result<()> {
        self.learn(array, coding);
        let mut valid = *keep;
        and_valid(array, start, &mut valid);
        if let Some((word, at)) =
            keep.iter().zip(&valid).zip(0..).find(|((k, v), _)| k != v).map(|((k, v), at)| (k & !v, at))
        {
            let row = at * 64 + word.trailing_zeros() as usize;
            return Err(bad_time(job, coding, None, start + row));
        }
        self.filled = !(matches!(array.data, Data::Coded(..)) && self.unseen == 0);
        if !self.filled {
            return Ok(());
        }
        let legacy = job.semantics == Semantics::Legacy;
        fn put(ids: &mut [u32; BLOCK], row: usize, id: u32) {
            if let Some(slot) = ids.get_mut(row) {
                *slot = id;
            }
        }
        match &array.data {
            Data::Coded(codes, _) => {
                self.filled = false;
                with_codes!(codes, c => {
                    compare::distinct(c.get(start..).unwrap_or_default(), keep, |row, _| {
                        self.meet(array, start + row, job, coding, dense).map(drop)
                    })
                })
            }
            Data::Text(text) => each_run(keep, |first, len| {
                let uniform = len > 3 && text.is_uniform(start + first, len);
                let step = if uniform { len } else { 1 };
                for row in (first..first + len).step_by(step) {
                    let id = self.cache.text(text.get(start + row)?, |raw| {
                        id_of(Some(raw), coding, legacy, dense)?
                            .ok_or_else(|| bad_time(job, coding, Some(raw), start + row))
                    })?;
                    if let Some(ids) = ids.get_mut(row..row + step) {
                        ids.fill(id);
                    }
                }
                Ok(())
            }),
            Data::Numbers(Numbers::I32(values)) => each_bit(keep, |row| {
                let value = values.get(start + row).copied().ok_or_else(corrupt)?;
                let raw = value.to_le_bytes();
                put(
                    ids,
                    row,
                    self.cache.key(u64::from(value.cast_unsigned()), 4, || {
                        id_of(Some(&raw), coding, legacy, dense)?
                            .ok_or_else(|| bad_time(job, coding, Some(&raw), start + row))
                    })?,
                );
                Ok(())
            }),
            Data::Numbers(Numbers::I64(values)) => each_bit(keep, |row| {
                let value = values.get(start + row).copied().ok_or_else(corrupt)?;
                let raw = value.to_le_bytes();
                put(
                    ids,
                    row,
                    self.cache.key(value.cast_unsigned(), 8, || {
                        id_of(Some(&raw), coding, legacy, dense)?
                            .ok_or_else(|| bad_time(job, coding, Some(&raw), start + row))
                    })?,
                );
                Ok(())
            }),
            _ => Err(Error::internal("times of a type that the plan has refused")),
        }
    }

    /// Fills in the ids of the rows that are marked.
    pub fn fill(&self, array: &Array, start: usize, live: &[u16], ids: &mut [u32; BLOCK]) -> Result<()> {
        if self.filled {
            return Ok(());
        }
        fill(array, start, live, &self.ids, ids)
    }
}

/// The worker's id of a point in time, which a kept row has; `None` where it is none.
fn id_of(raw: Option<&[u8]>, coding: TimeCoding, legacy: bool, dense: &mut Dense) -> Result<Option<u32>> {
    let Some(raw) = raw else { return Ok(None) };
    let point = match (coding, legacy) {
        (TimeCoding::Label, false) => calendar::parse_label(raw).map(TimePoint::Step),
        (TimeCoding::Label, true) => {
            std::str::from_utf8(raw).ok().map(|label| TimePoint::Label(label.into()))
        }
        _ => coding.day(raw).map(TimePoint::Step),
    };
    let Some(point) = point else { return Ok(None) };
    let id = dense.time(point)?;
    dense.see_time(id);
    Ok(Some(id))
}

#[cold]
fn bad_time(job: &Job, coding: TimeCoding, raw: Option<&[u8]>, row: usize) -> Error {
    let (column, expected) = match job.grain {
        crate::Grain::Week => (&job.columns.year_week, "yyyy_ww, an ISO week that exists, such as 2021_05"),
        crate::Grain::Day => (&job.columns.start_date, "a date of the years 1 to 9999"),
    };
    Error::data(format!("{column} is {}", coding.show(raw)))
        .expected(expected)
        .advice("Correct the export; rows with another system or the country total may hold anything")
        .in_column(column)
        .at_row(row as u64)
}

/// The channel: organic, paid or unknown?
#[derive(Default)]
pub struct Channels {
    known: Known,
    /// Whether an entry is organic.
    organic: Vec<bool>,
    nulls: Vec<bool>,
}

impl Channels {
    /// Whether an entry of the dictionary is null; `None` where there is none.
    pub fn has_nulls(&mut self, array: &Array, job: &Job) -> Option<bool> {
        let Data::Coded(_, dictionary) = &array.data else { return None };
        if self.known.is_other(dictionary) {
            let is = |e: Option<&[u8]>| e.is_some_and(|e| is_organic(e, job));
            self.organic = entries(dictionary).map(is).collect();
            self.nulls = entries(dictionary).map(|e| e.is_none()).collect();
            if !self.nulls.contains(&true) {
                self.nulls.clear();
            }
        }
        Some(!self.nulls.is_empty())
    }

    /// Takes rows without a channel out of `keep`; returns how many there were.
    pub fn drop_unknown(&mut self, array: &Array, start: usize, job: &Job, keep: &mut Mask) -> Result<u32> {
        let before = count(keep);
        and_valid(array, start, keep);
        if let (Data::Coded(codes, _), Some(true)) = (&array.data, self.has_nulls(array, job)) {
            let mut unknown = [0; BLOCK / 64];
            with_codes!(codes, c => each_bit(keep, |row| {
                let null = c.get(start + row).and_then(|c| self.nulls.get(c.place())).ok_or_else(corrupt)?;
                if let Some(word) = unknown.get_mut(row / 64) {
                    *word |= u64::from(*null) << (row % 64);
                }
                Ok(())
            }))?;
            keep.iter_mut().zip(unknown).for_each(|(keep, unknown)| *keep &= !unknown);
        }
        Ok(before - count(keep))
    }

    /// Fills in 1 for organic rows, 0 for others, of the rows given.
    pub fn fill(
        &self,
        array: &Array,
        start: usize,
        job: &Job,
        live: &[u16],
        out: &mut [u8; BLOCK],
    ) -> Result<()> {
        let rows = live.iter().map(|row| usize::from(*row));
        let mut put = |row: usize, organic: bool| {
            if let Some(slot) = out.get_mut(row) {
                *slot = u8::from(organic);
            }
        };
        match &array.data {
            Data::Coded(codes, _) => with_codes!(codes, c => {
                let codes = c.get(start..).unwrap_or_default();
                for row in rows {
                    put(row, *codes.get(row).and_then(|c| self.organic.get(c.place())).ok_or_else(corrupt)?);
                }
            }),
            Data::Text(text) => {
                let short: Option<Vec<_>> =
                    job.organic.iter().map(|name| short_view(name.as_bytes())).collect();
                if let (Text::Views(views, _), Some(organic)) = (text, short) {
                    let views = views.get(start..).unwrap_or_default();
                    for row in rows {
                        put(row, organic.contains(views.get(row).ok_or_else(corrupt)?));
                    }
                    return Ok(());
                }
                for row in rows {
                    put(row, is_organic(text.get(start + row)?, job));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn is_organic(name: &[u8], job: &Job) -> bool {
    job.organic.iter().any(|organic| organic.as_bytes() == name)
}
