//! How many rows each distinct value has.
//!
//! A task counts slots of dictionaries, by runs where the pages have them; what a
//! slot is becomes a question once the task is done. So nothing here is done a
//! row but adding one to a counter.

use std::collections::BTreeMap;

use super::Piece;
use super::file::{RawFile, Role};
use crate::ids::cursor::{Cursor, Shape};
use crate::ids::runs::Segment;
use crate::ids::values::Number;
use crate::scan::by_row::number_of;
use crate::{Error, Result};

/// A value as its column stores it; `None` is null.
pub type Key = Option<Box<[u8]>>;
/// Rows by value.
pub type ByKey = BTreeMap<Key, u64>;
/// Rows by pair of values.
pub type ByPair = BTreeMap<(Key, Key), u64>;

/// Distinct values, or pairs, that are told apart; more than any column of names has.
const DISTINCT_MAX: usize = 1 << 20;
/// Pairs of slots that are counted in a dense table.
const DENSE_PAIRS: usize = 1 << 20;
/// Rows that are decoded at once.
const BLOCK: usize = BLOCK_ROWS as usize;
const BLOCK_ROWS: u32 = 2048;

/// Rows by what their value is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ValueCounts {
    /// Null.
    pub null: u64,
    /// NaN or infinite.
    pub not_finite: u64,
    /// Below zero, negative infinity not among them.
    pub negative: u64,
    /// Not whole.
    pub fractional: u64,
}

/// What is held against one of the four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Null.
    Null,
    /// NaN or infinite.
    NotFinite,
    /// Below zero.
    Negative,
    /// Not whole.
    Fractional,
}

/// Whether a number has a flaw; `unit` is 10^scale of a decimal.
pub fn has(flaw: Flaw, number: Number, unit: i128) -> bool {
    match (flaw, number) {
        (Flaw::Null, Number::Null) => true,
        (Flaw::NotFinite, Number::Nan | Number::Infinite(_)) => true,
        (Flaw::Negative, Number::Small(v)) => v < 0,
        (Flaw::Negative, Number::Big(v)) => v < 0,
        (Flaw::Negative, Number::Real(v)) => v < 0.0,
        (Flaw::Fractional, Number::Small(v)) => i128::from(v) % unit != 0,
        (Flaw::Fractional, Number::Big(v)) => v % unit != 0,
        (Flaw::Fractional, Number::Real(v)) => v.fract() != 0.0,
        _ => false,
    }
}

impl ValueCounts {
    fn add(&mut self, number: Number, rows: u64, unit: i128) {
        for (flaw, count) in [
            (Flaw::Null, &mut self.null),
            (Flaw::NotFinite, &mut self.not_finite),
            (Flaw::Negative, &mut self.negative),
            (Flaw::Fractional, &mut self.fractional),
        ] {
            if has(flaw, number, unit) {
                *count += rows;
            }
        }
    }

    /// Rows with a flaw.
    pub fn of(&self, flaw: Flaw) -> u64 {
        match flaw {
            Flaw::Null => self.null,
            Flaw::NotFinite => self.not_finite,
            Flaw::Negative => self.negative,
            Flaw::Fractional => self.fractional,
        }
    }
}

/// What was counted. Parts are merged; the order does not matter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts {
    /// Rows of all files.
    pub rows: u64,
    /// Rows by country.
    pub countries: ByKey,
    /// Rows by operating system.
    pub systems: ByKey,
    /// Rows by channel.
    pub channels: ByKey,
    /// Rows by label and day; days are four bytes, little endian. What is no
    /// day is told in words.
    pub weeks: ByPair,
    /// Rows by channel and token, in files that have tokens.
    pub tokens: ByPair,
    /// Rows by channel and whether it has subtrackers, in files that say so.
    pub subtrackers: ByPair,
    /// Rows by what their value is.
    pub values: ValueCounts,
}

impl Counts {
    /// Adds what another part has counted.
    ///
    /// # Errors
    /// `TooLarge` where there are more distinct values than can be told apart.
    pub fn merge(&mut self, other: Counts) -> Result<()> {
        self.rows += other.rows;
        for (to, from) in [
            (&mut self.countries, other.countries),
            (&mut self.systems, other.systems),
            (&mut self.channels, other.channels),
        ] {
            fold(to, from)?;
        }
        for (to, from) in [
            (&mut self.weeks, other.weeks),
            (&mut self.tokens, other.tokens),
            (&mut self.subtrackers, other.subtrackers),
        ] {
            fold(to, from)?;
        }
        self.values.null += other.values.null;
        self.values.not_finite += other.values.not_finite;
        self.values.negative += other.values.negative;
        self.values.fractional += other.values.fractional;
        Ok(())
    }

    /// Days that occur, in order.
    pub fn days(&self) -> Vec<i32> {
        let mut days: Vec<i32> = self.weeks.keys().filter_map(|(_, date)| day_of(date)).collect();
        days.sort_unstable();
        days.dedup();
        days
    }
}

fn fold<K: Ord>(to: &mut BTreeMap<K, u64>, from: BTreeMap<K, u64>) -> Result<()> {
    for (key, rows) in from {
        *to.entry(key).or_default() += rows;
    }
    if to.len() > DISTINCT_MAX {
        return Err(Error::too_large("distinct keys in a key column")
            .expected(format!("at most {DISTINCT_MAX}"))
            .advice("Check which columns the job reads, or turn the checks off with --no-checks"));
    }
    Ok(())
}

/// The day that a key of [`Counts::weeks`] stands for.
pub fn day_of(key: &Key) -> Option<i32> {
    key.as_deref()?.try_into().ok().map(i32::from_le_bytes)
}

/// The key of a stored date.
fn day_key(file: &RawFile<'_>, raw: Option<&[u8]>) -> Key {
    let raw = raw?;
    Some(match file.date_coding.day(raw) {
        Some(day) => day.to_le_bytes().into(),
        // Longer than the four bytes of a day.
        None => format!("no day: {}", file.date_coding.show(Some(raw))).into_bytes().into(),
    })
}

/// A cursor on a column of a piece.
pub(super) fn with_cursor<T>(
    file: &RawFile<'_>,
    piece: &Piece,
    role: Role,
    raw: bool,
    work: impl FnOnce(&mut Cursor<'_>) -> Result<T>,
) -> Result<Option<T>> {
    let Some(column) = file.column(role, piece.row_group)? else { return Ok(None) };
    let mut cursor = Cursor::new(&column, piece.rows.start, raw, Vec::new(), None)?;
    work(&mut cursor).map(Some)
}

/// Counts the rows of a piece.
pub fn count(files: &[RawFile<'_>], piece: &Piece) -> Result<Counts> {
    let Some(file) = files.get(piece.file) else { return Ok(Counts::default()) };
    let rows = piece.rows.end - piece.rows.start;
    let mut counts = Counts { rows, ..Counts::default() };
    for (role, to) in [
        (Role::Country, &mut counts.countries),
        (Role::System, &mut counts.systems),
        (Role::Channel, &mut counts.channels),
    ] {
        with_cursor(file, piece, role, false, |cursor| {
            let slots = histogram(cursor, rows)?;
            for (slot, rows) in (0..).zip(slots).filter(|(_, rows)| *rows > 0) {
                *to.entry(cursor.entries.get(slot).map(Into::into)).or_default() += rows;
            }
            Ok(())
        })?;
    }
    counts.values = values(file, piece, rows)?;
    let text = |raw: Option<&[u8]>| raw.map(Into::into);
    counts.weeks = pairs(file, piece, Role::Label, Role::Date, rows, |raw| day_key(file, raw))?;
    counts.tokens = pairs(file, piece, Role::Channel, Role::Token, rows, text)?;
    counts.subtrackers = pairs(file, piece, Role::Channel, Role::Subtrackers, rows, text)?;
    Ok(counts)
}

/// Rows by slot.
fn histogram(cursor: &mut Cursor<'_>, rows: u64) -> Result<Vec<u64>> {
    let mut slots = vec![0u64; cursor.entries.slots() as usize];
    let mut block = [0u32; BLOCK];
    let mut left = rows;
    while left > 0 {
        let segment = cursor.segment()?;
        // Interned values of the page at hand have slots by now.
        slots.resize(cursor.entries.slots() as usize, 0);
        let most = u32::try_from(left).unwrap_or(u32::MAX);
        match segment {
            Segment::Run { value, len } => {
                let len = len.min(most);
                if let Some(count) = slots.get_mut(value as usize) {
                    *count += u64::from(len);
                }
                cursor.skip(len)?;
                left -= u64::from(len);
            }
            Segment::Packed { len } => {
                let take = len.min(most).min(BLOCK_ROWS);
                let out = block.get_mut(..take as usize).unwrap_or_default();
                cursor.read_wide(out)?;
                for slot in out {
                    if let Some(count) = slots.get_mut(*slot as usize) {
                        *count += 1;
                    }
                }
                left -= u64::from(take);
            }
        }
    }
    Ok(slots)
}

fn values(file: &RawFile<'_>, piece: &Piece, rows: u64) -> Result<ValueCounts> {
    let unit = unit(file);
    let counted = with_cursor(file, piece, Role::Value, true, |cursor| {
        let mut counts = ValueCounts::default();
        let mut left = rows;
        let mut bits = [None; BLOCK];
        let mut slots: Vec<u64> = Vec::new();
        while left > 0 {
            let most = u32::try_from(left).unwrap_or(u32::MAX);
            if cursor.shape()? == Shape::Bits {
                let take = cursor.rows_at_hand(most.min(BLOCK_ROWS))?;
                let out = bits.get_mut(..take as usize).unwrap_or_default();
                cursor.read_bits(out)?;
                for bits in out {
                    let number =
                        bits.map_or(Number::Null, |b| number_of(file.value_type, file.value_physical, b));
                    counts.add(number, 1, unit);
                }
                left -= u64::from(take);
            } else {
                let at_hand = cursor.rows_at_hand(most)?;
                let page = histogram(cursor, at_hand.into())?;
                slots.resize(page.len(), 0);
                slots.iter_mut().zip(page).for_each(|(to, rows)| *to += rows);
                left -= u64::from(at_hand);
            }
        }
        for (slot, rows) in (0..).zip(slots).filter(|(_, rows)| *rows > 0) {
            counts.add(number(file, cursor, slot)?, rows, unit);
        }
        Ok(counts)
    })?;
    Ok(counted.unwrap_or_default())
}

/// 10^scale of a decimal, else 1.
pub(super) fn unit(file: &RawFile<'_>) -> i128 {
    match file.value_type {
        crate::ids::values::ValueType::Decimal { scale, .. } => {
            u32::try_from(scale).ok().and_then(|scale| 10i128.checked_pow(scale)).unwrap_or(i128::MAX)
        }
        _ => 1,
    }
}

/// What a slot of the value column is.
pub(super) fn number(file: &RawFile<'_>, cursor: &Cursor<'_>, slot: u32) -> Result<Number> {
    match cursor.entries.get(slot) {
        None => Ok(Number::Null),
        Some(raw) => file.value_type.number(file.value_physical, raw),
    }
}

/// Rows by pair of slots.
struct Pairs {
    stride: usize,
    dense: Vec<u32>,
    sparse: std::collections::HashMap<(u32, u32), u64>,
}

impl Pairs {
    /// Makes room for so many slots on each side.
    fn reserve(&mut self, a: u32, b: u32) {
        let (a, b) = (a as usize, b as usize);
        if b <= self.stride && a * self.stride <= self.dense.len() {
            return;
        }
        self.spill();
        self.stride = b.next_power_of_two();
        let cells = a.next_power_of_two().saturating_mul(self.stride);
        self.dense = if cells <= DENSE_PAIRS { vec![0; cells] } else { Vec::new() };
    }

    fn spill(&mut self) {
        for (at, rows) in self.dense.iter().enumerate().filter(|(_, rows)| **rows > 0) {
            #[allow(clippy::cast_possible_truncation)] // slots are 32-bit numbers
            let key = ((at / self.stride) as u32, (at % self.stride) as u32);
            *self.sparse.entry(key).or_default() += u64::from(*rows);
        }
        self.dense.clear();
    }

    #[inline]
    fn add(&mut self, a: u32, b: u32, rows: u32) {
        // A piece has fewer rows than 2^32, so no counter overflows.
        match self.dense.get_mut(a as usize * self.stride + b as usize) {
            Some(count) => *count += rows,
            None => *self.sparse.entry((a, b)).or_default() += u64::from(rows),
        }
    }
}

fn pairs(
    file: &RawFile<'_>,
    piece: &Piece,
    a: Role,
    b: Role,
    rows: u64,
    second: impl Fn(Option<&[u8]>) -> Key,
) -> Result<ByPair> {
    let counted = with_cursor(file, piece, a, false, |left| {
        with_cursor(file, piece, b, false, |right| {
            let mut pairs = Pairs { stride: 1, dense: vec![], sparse: Default::default() };
            each_pair(left, right, rows, |left, right, a, b, rows| {
                if rows > 0 {
                    pairs.add(a, b, rows);
                } else {
                    pairs.reserve(left.entries.slots(), right.entries.slots());
                }
                Ok(true)
            })?;
            pairs.spill();
            let mut named = ByPair::new();
            for ((a, b), rows) in pairs.sparse {
                let key = (left.entries.get(a).map(Into::into), second(right.entries.get(b)));
                *named.entry(key).or_default() += rows;
                if named.len() > DISTINCT_MAX {
                    return fold(&mut named, ByPair::new()).map(|()| ByPair::new());
                }
            }
            Ok(named)
        })
    })?;
    Ok(counted.flatten().unwrap_or_default())
}

/// Walks two columns side by side: calls `each` with no rows whenever slots may
/// have been added, then with pairs of slots and how many rows they repeat over,
/// in order of the rows, until it says that it has enough.
#[inline]
pub(super) fn each_pair(
    left: &mut Cursor<'_>,
    right: &mut Cursor<'_>,
    rows: u64,
    mut each: impl FnMut(&Cursor<'_>, &Cursor<'_>, u32, u32, u32) -> Result<bool>,
) -> Result<()> {
    let (mut a, mut b) = ([0u32; BLOCK], [0u32; BLOCK]);
    let mut at = rows;
    while at > 0 {
        let most = u32::try_from(at).unwrap_or(u32::MAX);
        let (x, y) = (left.segment()?, right.segment()?);
        each(left, right, 0, 0, 0)?;
        let mut len = x.len().min(y.len()).min(most);
        if let (Segment::Run { value: x, .. }, Segment::Run { value: y, .. }) = (x, y) {
            if !each(left, right, x, y, len)? {
                return Ok(());
            }
            left.skip(len)?;
            right.skip(len)?;
        } else {
            // Runs of both interleave: a block takes as many as there are on its pages.
            len = left.rows_at_hand(most.min(BLOCK_ROWS))?;
            len = right.rows_at_hand(len)?;
            let a = a.get_mut(..len as usize).unwrap_or_default();
            let b = b.get_mut(..len as usize).unwrap_or_default();
            left.read_wide(a)?;
            right.read_wide(b)?;
            for (a, b) in a.iter().zip(b) {
                if !each(left, right, *a, *b, 1)? {
                    return Ok(());
                }
            }
        }
        at -= u64::from(len);
    }
    Ok(())
}
