//! The distinct values of a column chunk: dictionary entries, then the values that
//! pages without dictionary add.
//!
//! Every value has a value id. Dictionary entries come first, in the order of their
//! ids; the value id after them stands for null; values interned from other pages
//! follow. So the ids of a dictionary page are value ids without conversion.

use std::collections::HashMap;

use super::short::{CACHE, Cached, Short};
use crate::parquet::{Logical, Physical};
use crate::{Error, Result};

/// No value id.
const NO_ID: u32 = u32::MAX;

/// The source of the values before the null value id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The same value, or null, in every row.
    Constant(bool),
    /// A dictionary page: type, and number of values in PLAIN encoding.
    Dictionary(Physical, Logical, i32, u32),
}

/// The distinct values of one column chunk.
#[derive(Default)]
pub struct ChunkDictionary {
    /// The source of the values before the null value id and its bytes, to recognise an equal one.
    origin: Option<Origin>,
    read_from: Vec<u8>,
    /// The bytes of all values, one after the other.
    arena: Vec<u8>,
    /// By value id: the end of its value in the arena; null is empty.
    ends: Vec<u32>,
    /// Number of dictionary entries, which is the null value id.
    dictionary: u32,
    /// Bytes of each of them, if all have the same length; else 0.
    width: usize,
    lookup: HashMap<Box<[u8]>, u32>,
    /// The value ids of days, where values are times: from `first_day` on; [`NO_ID`] where a day was not met.
    days: Vec<u32>,
    first_day: i32,
    /// By dictionary id as it is stored: its value id; where times of a large dictionary are days.
    day_ids: Option<Vec<u32>>,
    /// A cache for `lookup`; empty until a value is interned.
    cache: Vec<Cached>,
}

impl ChunkDictionary {
    /// No entries yet.
    pub fn new() -> Self {
        ChunkDictionary::default()
    }

    /// Removes all entries, for another column chunk.
    pub fn clear(&mut self) {
        self.origin = None;
        self.arena.clear();
        self.ends.clear();
        self.dictionary = 0;
        self.width = 0;
        self.lookup.clear();
        self.cache.clear();
        self.days.clear();
        self.day_ids = None;
    }

    /// Whether the value ids are exactly those that reading `bytes` would give.
    pub fn is_same_as(&self, origin: Origin, bytes: &[u8]) -> bool {
        self.origin == Some(origin) && self.id_count() == self.dictionary + 1 && self.read_from == bytes
    }

    /// Records the source of the dictionary and its bytes.
    pub fn set_origin(&mut self, origin: Origin, bytes: &[u8]) {
        self.origin = Some(origin);
        self.read_from.clear();
        self.read_from.extend_from_slice(bytes);
    }

    /// Appends a dictionary entry; allowed only before [`Self::finish_dictionary`].
    ///
    /// # Errors
    /// `TooLarge` if the values exceed 4 GiB.
    pub fn push(&mut self, value: &[u8]) -> Result<()> {
        self.arena.extend_from_slice(value);
        let end = u32::try_from(self.arena.len()).map_err(|_| too_long())?;
        self.ends.push(end);
        Ok(())
    }

    /// Sets the dictionary entries, all of `width` bytes each, which is not 0.
    ///
    /// # Errors
    /// As of [`Self::push`].
    pub fn push_fixed_width(&mut self, values: &[u8], width: usize) -> Result<()> {
        debug_assert!(self.ends.is_empty() && values.len().is_multiple_of(width));
        let end = u32::try_from(values.len()).map_err(|_| too_long())?;
        self.arena.extend_from_slice(values);
        // Each ends where the next one begins.
        self.ends.extend((0..=end).step_by(width).skip(1));
        self.width = width;
        Ok(())
    }

    /// Writes the dictionary entries to `bits` and returns true, if each is a number of four or eight
    /// bytes; otherwise leaves `bits` empty and returns false.
    #[allow(clippy::indexing_slicing)] // entries of one width are at the start of the arena
    pub fn bits(&self, bits: &mut Vec<u64>) -> bool {
        bits.clear();
        let numbers = &self.arena[..self.dictionary as usize * self.width];
        match self.width {
            4 => bits.extend(numbers.as_chunks().0.iter().map(|four| u64::from(u32::from_le_bytes(*four)))),
            8 => bits.extend(numbers.as_chunks().0.iter().map(|eight| u64::from_le_bytes(*eight))),
            _ => return false,
        }
        true
    }

    /// Ends the dictionary and adds the null value id.
    pub fn finish_dictionary(&mut self) -> Result<()> {
        self.dictionary = self.id_count();
        self.push(&[])
    }

    /// The number of value ids, the null value id included.
    #[allow(clippy::cast_possible_truncation)] // distinct values end at distinct 32-bit offsets
    pub fn id_count(&self) -> u32 {
        self.ends.len() as u32
    }

    /// The number of dictionary entries.
    pub fn dictionary_len(&self) -> u32 {
        self.dictionary
    }

    /// The value id of null.
    pub fn null(&self) -> u32 {
        self.dictionary
    }

    /// The value of a value id; `None` for the null value id and for unknown ones.
    pub fn get(&self, value_id: u32) -> Option<&[u8]> {
        if value_id == self.null() {
            return None;
        }
        let value_id = value_id as usize;
        let start = value_id.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.arena.get(start as usize..*self.ends.get(value_id)? as usize)
    }

    /// The value id of `value`; a new one if the value is new.
    #[inline]
    pub fn intern(&mut self, value: &[u8]) -> Result<u32> {
        self.intern_in(value, 0, value.len())
    }

    /// The value id of the `len` bytes from `start` on.
    ///
    /// # Errors
    /// `Internal` if there are fewer bytes, `TooLarge` if the values exceed 4 GiB.
    #[inline]
    pub fn intern_in(&mut self, bytes: &[u8], start: usize, len: usize) -> Result<u32> {
        let short = Short::within(bytes, start, len);
        if let Some(short) = &short
            && let Some(value_id) = self.cache.get(short.bucket()).and_then(|cached| cached.id_of(short))
        {
            return Ok(value_id);
        }
        let value = bytes.get(start..start + len).ok_or_else(|| Error::internal("a value past its page"))?;
        let value_id = self.intern_slowly(value)?;
        if let Some(short) = short {
            self.cache.resize(CACHE, Cached::NONE);
            if let Some(cached) = self.cache.get_mut(short.bucket()) {
                *cached = Cached::new(short, value_id);
            }
        }
        Ok(value_id)
    }

    /// The value id of a day, where it was met.
    #[inline]
    pub fn id_of_day(&self, day: i32) -> Option<u32> {
        let at = usize::try_from(i64::from(day) - i64::from(self.first_day)).ok()?;
        self.days.get(at).copied().filter(|id| *id != NO_ID)
    }

    /// The value id of a day; a new one, with the value `raw`, if the day is new.
    ///
    /// # Errors
    /// `TooLarge` if the values exceed 4 GiB.
    pub fn intern_day(&mut self, day: i32, raw: &[u8]) -> Result<u32> {
        if let Some(id) = self.id_of_day(day) {
            return Ok(id);
        }
        let id = self.id_count();
        self.push(raw)?;
        if self.days.is_empty() {
            self.first_day = day;
        }
        // At most the days of ten thousand years.
        let before = usize::try_from(i64::from(self.first_day) - i64::from(day)).unwrap_or(0);
        if before > 0 {
            self.days.splice(0..0, std::iter::repeat_n(NO_ID, before));
            self.first_day = day;
        }
        let at = usize::try_from(i64::from(day) - i64::from(self.first_day)).unwrap_or(0);
        if at >= self.days.len() {
            self.days.resize(at + 1, NO_ID);
        }
        if let Some(to) = self.days.get_mut(at) {
            *to = id;
        }
        Ok(id)
    }

    /// The value ids by dictionary id as it is stored, where they differ.
    pub fn day_ids(&self) -> Option<&[u32]> {
        self.day_ids.as_deref()
    }

    /// Records that the dictionary came from where that of `other` did.
    pub fn take_origin(&mut self, other: &ChunkDictionary) {
        self.origin = other.origin;
        self.read_from.clone_from(&other.read_from);
    }

    /// Ends a dictionary of days: `day_ids` are the value ids of the stored ids.
    ///
    /// # Errors
    /// As of [`Self::finish_dictionary`].
    pub fn finish_days(&mut self, day_ids: Vec<u32>) -> Result<()> {
        self.day_ids = Some(day_ids);
        self.finish_dictionary()
    }

    fn intern_slowly(&mut self, value: &[u8]) -> Result<u32> {
        if self.lookup.is_empty() {
            for value_id in 0..self.dictionary {
                if let Some(value) = self.get(value_id) {
                    let value = value.into();
                    // Of two equal dictionary entries the first is kept; either would be correct.
                    self.lookup.entry(value).or_insert(value_id);
                }
            }
        }
        if let Some(value_id) = self.lookup.get(value) {
            return Ok(*value_id);
        }
        let value_id = self.id_count();
        self.push(value)?;
        self.lookup.insert(value.into(), value_id);
        Ok(value_id)
    }
}

#[cold]
fn too_long() -> Error {
    Error::too_large("more than 4 GiB of distinct values in a column chunk")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_one_width_equal_entries_pushed_one_by_one() {
        for width in [1, 4, 8] {
            for n in [0usize, 1, 5] {
                let values: Vec<u8> = (0..width * n).map(|i| i as u8).collect();
                let (mut all, mut single) = (ChunkDictionary::new(), ChunkDictionary::new());
                all.push_fixed_width(&values, width).unwrap();
                values.chunks(width).for_each(|value| single.push(value).unwrap());
                all.finish_dictionary().unwrap();
                single.finish_dictionary().unwrap();
                let value_ids = |e: &ChunkDictionary| -> Vec<Option<Vec<u8>>> {
                    (0..e.id_count() + 1).map(|value_id| e.get(value_id).map(<[u8]>::to_vec)).collect()
                };
                assert_eq!(value_ids(&all), value_ids(&single));
                assert_eq!(all.intern(b"another").unwrap(), single.intern(b"another").unwrap());
                let mut bits = vec![7];
                assert_eq!(all.bits(&mut bits), width > 1);
                let stored = bits.iter().flat_map(|bits| bits.to_le_bytes()[..width].to_vec());
                assert!(width == 1 || stored.eq(values.iter().copied()));
                assert!(!single.bits(&mut bits) && bits.is_empty());
                all.clear();
                assert!(!all.bits(&mut bits));
            }
        }
    }

    #[test]
    fn dictionary_null_and_interned_values_have_their_own_ids() {
        let mut e = ChunkDictionary::new();
        e.push(b"FR").unwrap();
        e.push(b"").unwrap();
        e.finish_dictionary().unwrap();
        assert_eq!((e.null(), e.id_count()), (2, 3));
        assert_eq!(e.intern(b"FR").unwrap(), 0);
        assert_eq!(e.intern(b"").unwrap(), 1);
        assert_eq!(e.intern(b"GB").unwrap(), 3);
        assert_eq!(e.intern(b"GB").unwrap(), 3);
        assert_eq!(
            (e.get(0), e.get(1), e.get(2), e.get(3), e.get(4)),
            (Some(&b"FR"[..]), Some(&b""[..]), None, Some(&b"GB"[..]), None)
        );
    }

    #[test]
    fn many_values_have_distinct_ids() {
        let mut e = ChunkDictionary::new();
        e.finish_dictionary().unwrap();
        for round in 0..2 {
            for i in 0..5000u32 {
                // 1 to 43 bytes, alike at the head or at the tail.
                let value = format!("{i}{}", "x".repeat(i as usize % 40));
                assert_eq!(e.intern(value.as_bytes()).unwrap(), i + 1, "round {round}");
            }
        }
    }
}
