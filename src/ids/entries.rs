//! The distinct values of a column chunk: dictionary entries, then whatever
//! pages without dictionary add.
//!
//! Every value has a slot. Dictionary entries come first, in the order of their
//! ids; the slot after them stands for null; values interned from other pages
//! follow. So the ids of a dictionary page are slots as they are.

use std::collections::HashMap;

use super::short::{CACHE, Cached, Short};
use crate::parquet::{Logical, Physical};
use crate::{Error, Result};

/// Where the values before the null slot are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The same value, or null, in every row.
    Constant(bool),
    /// So many values in PLAIN encoding.
    Dictionary(Physical, Logical, i32, u32),
}

/// The distinct values of one column chunk.
#[derive(Default)]
pub struct Entries {
    /// What the slots before the null slot were read from, to know it again.
    origin: Option<Origin>,
    read_from: Vec<u8>,
    /// All values, one after the other.
    arena: Vec<u8>,
    /// Where each slot's value ends in the arena; the null slot is empty.
    ends: Vec<u32>,
    /// Number of dictionary entries, which is the null slot.
    dictionary: u32,
    lookup: HashMap<Box<[u8]>, u32>,
    /// In front of `lookup`; empty until a value is interned.
    cache: Vec<Cached>,
}

impl Entries {
    /// No entries yet.
    pub fn new() -> Self {
        Entries::default()
    }

    /// Forgets all entries, for another column chunk.
    pub fn clear(&mut self) {
        self.origin = None;
        self.arena.clear();
        self.ends.clear();
        self.dictionary = 0;
        self.lookup.clear();
        self.cache.clear();
    }

    /// Whether the slots are those that `bytes` would give, and no others.
    pub fn are_from(&self, origin: Origin, bytes: &[u8]) -> bool {
        self.origin == Some(origin) && self.slots() == self.dictionary + 1 && self.read_from == bytes
    }

    /// Notes what the dictionary was read from.
    pub fn note_origin(&mut self, origin: Origin, bytes: &[u8]) {
        self.origin = Some(origin);
        self.read_from.clear();
        self.read_from.extend_from_slice(bytes);
    }

    /// Appends a dictionary entry; only before [`Self::seal`].
    pub fn push(&mut self, value: &[u8]) -> Result<()> {
        self.arena.extend_from_slice(value);
        let end = u32::try_from(self.arena.len())
            .map_err(|_| Error::too_large("more than 4 GiB of distinct values in a column chunk"))?;
        self.ends.push(end);
        Ok(())
    }

    /// Ends the dictionary and adds the null slot.
    pub fn seal(&mut self) -> Result<()> {
        self.dictionary = self.slots();
        self.push(&[])
    }

    /// Slots, the null slot included.
    #[allow(clippy::cast_possible_truncation)] // each slot but null has a byte offset of its own below 2^32
    pub fn slots(&self) -> u32 {
        self.ends.len() as u32
    }

    /// Dictionary entries.
    pub fn dictionary_len(&self) -> u32 {
        self.dictionary
    }

    /// The slot of null.
    pub fn null(&self) -> u32 {
        self.dictionary
    }

    /// The value of a slot; `None` for the null slot and slots there are not.
    pub fn get(&self, slot: u32) -> Option<&[u8]> {
        if slot == self.null() {
            return None;
        }
        let slot = slot as usize;
        let start = slot.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.arena.get(start as usize..*self.ends.get(slot)? as usize)
    }

    /// The slot of `value`, a new one if it was not there.
    #[inline]
    pub fn intern(&mut self, value: &[u8]) -> Result<u32> {
        self.intern_in(value, 0, value.len())
    }

    /// The slot of the `len` bytes from `start` on, which must be there.
    #[inline]
    pub fn intern_in(&mut self, bytes: &[u8], start: usize, len: usize) -> Result<u32> {
        let short = Short::within(bytes, start, len);
        if let Some(short) = &short
            && let Some(slot) = self.cache.get(short.place()).and_then(|cached| cached.slot_of(short))
        {
            return Ok(slot);
        }
        let value = bytes.get(start..start + len).ok_or_else(|| Error::internal("a value past its page"))?;
        let slot = self.intern_slowly(value)?;
        if let Some(short) = short {
            self.cache.resize(CACHE, Cached::NONE);
            if let Some(cached) = self.cache.get_mut(short.place()) {
                *cached = Cached::new(short, slot);
            }
        }
        Ok(slot)
    }

    fn intern_slowly(&mut self, value: &[u8]) -> Result<u32> {
        if self.lookup.is_empty() {
            for slot in 0..self.dictionary {
                if let Some(value) = self.get(slot) {
                    let value = value.into();
                    // The first of two equal dictionary entries; either would do.
                    self.lookup.entry(value).or_insert(slot);
                }
            }
        }
        if let Some(slot) = self.lookup.get(value) {
            return Ok(*slot);
        }
        let slot = self.slots();
        self.push(value)?;
        self.lookup.insert(value.into(), slot);
        Ok(slot)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn dictionary_null_and_interned_values_have_slots_of_their_own() {
        let mut e = Entries::new();
        e.push(b"FR").unwrap();
        e.push(b"").unwrap();
        e.seal().unwrap();
        assert_eq!((e.null(), e.slots()), (2, 3));
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
    fn many_values_keep_apart() {
        let mut e = Entries::new();
        e.seal().unwrap();
        for round in 0..2 {
            for i in 0..5000u32 {
                // 1 to 43 bytes, alike at the head or at the tail.
                let value = format!("{i}{}", "x".repeat(i as usize % 40));
                assert_eq!(e.intern(value.as_bytes()).unwrap(), i + 1, "round {round}");
            }
        }
    }
}
