//! The distinct values of a column chunk: dictionary entries, then whatever
//! pages without dictionary add.
//!
//! Every value has a slot. Dictionary entries come first, in the order of their
//! ids; the slot after them stands for null; values interned from other pages
//! follow. So the ids of a dictionary page are slots as they are.

use std::collections::HashMap;

use crate::{Error, Result};

/// A cache in front of the hash map, indexed by a cheap mix of the bytes.
const CACHE: usize = 256;

/// The distinct values of one column chunk.
pub struct Entries {
    /// All values, one after the other.
    arena: Vec<u8>,
    /// Where each slot's value ends in the arena; the null slot is empty.
    ends: Vec<u32>,
    /// Number of dictionary entries, which is the null slot.
    dictionary: u32,
    lookup: HashMap<Box<[u8]>, u32>,
    cache: Box<[u32; CACHE]>,
}

/// No slot cached.
const NOTHING: u32 = u32::MAX;

impl Entries {
    /// The entries of a dictionary, given in the order of their ids.
    pub fn new() -> Self {
        Entries {
            arena: Vec::new(),
            ends: Vec::new(),
            dictionary: 0,
            lookup: HashMap::new(),
            cache: Box::new([NOTHING; CACHE]),
        }
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
        let mix = mix(value);
        if let Some(slot) = self.cache.get(mix).copied()
            && slot != NOTHING
            && self.get(slot) == Some(value)
        {
            return Ok(slot);
        }
        let slot = self.intern_slowly(value)?;
        if let Some(cached) = self.cache.get_mut(mix) {
            *cached = slot;
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

impl Default for Entries {
    fn default() -> Self {
        Self::new()
    }
}

/// Spreads short strings over the cache: their ends and their length differ.
#[inline]
fn mix(value: &[u8]) -> usize {
    let word = |bytes: Option<&[u8; 4]>| bytes.map_or(0, |b| u32::from_le_bytes(*b));
    let (head, tail) = if value.len() >= 4 {
        (word(value.first_chunk()), word(value.last_chunk()))
    } else {
        (value.iter().fold(0, |v, b| v << 8 | u32::from(*b)), 0)
    };
    #[allow(clippy::cast_possible_truncation)] // a length modulo 2^32 does as well
    let hash = (head ^ tail.rotate_left(15) ^ (value.len() as u32) << 27).wrapping_mul(0x9E37_79B1);
    (hash >> 24) as usize % CACHE
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
                assert_eq!(e.intern(i.to_string().as_bytes()).unwrap(), i + 1, "round {round}");
            }
        }
    }
}
