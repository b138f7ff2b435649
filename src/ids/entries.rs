//! The distinct values of a column chunk: dictionary entries, then whatever
//! pages without dictionary add.
//!
//! Every value has a slot. Dictionary entries come first, in the order of their
//! ids; the slot after them stands for null; values interned from other pages
//! follow. So the ids of a dictionary page are slots as they are.

use std::collections::HashMap;

use crate::{Error, Result};

/// Places of the cache in front of the hash map.
const CACHE: usize = 256;

/// A short value as two words that, with its length, say all of it: strings of
/// a page are compared without a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Short {
    words: [u64; 2],
    len: u32,
}

impl Short {
    /// Nothing: no value is as long.
    const NONE: Short = Short { words: [0; 2], len: u32::MAX };

    /// `None` for values of more than 16 bytes.
    #[inline]
    fn of(value: &[u8]) -> Option<Self> {
        let len = value.len();
        let words = if let (Some(head), Some(tail)) = (value.first_chunk(), value.last_chunk()) {
            [u64::from_le_bytes(*head), u64::from_le_bytes(*tail)]
        } else if let (Some(head), Some(tail)) = (value.first_chunk(), value.last_chunk()) {
            [u32::from_le_bytes(*head).into(), u32::from_le_bytes(*tail).into()]
        } else {
            [value.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)), 0]
        };
        #[allow(clippy::cast_possible_truncation)] // at most 16
        return (len <= 16).then_some(Short { words, len: len as u32 });
    }

    /// Its place in the cache.
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // the top eight bits
    fn place(self) -> usize {
        let mix = self.words[0] ^ self.words[1].rotate_left(29) ^ u64::from(self.len) << 59;
        (mix.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as usize
    }
}

/// The distinct values of one column chunk.
pub struct Entries {
    /// All values, one after the other.
    arena: Vec<u8>,
    /// Where each slot's value ends in the arena; the null slot is empty.
    ends: Vec<u32>,
    /// Number of dictionary entries, which is the null slot.
    dictionary: u32,
    lookup: HashMap<Box<[u8]>, u32>,
    cache: Box<[(Short, u32); CACHE]>,
}

impl Entries {
    /// The entries of a dictionary, given in the order of their ids.
    pub fn new() -> Self {
        Entries {
            arena: Vec::new(),
            ends: Vec::new(),
            dictionary: 0,
            lookup: HashMap::new(),
            cache: Box::new([(Short::NONE, 0); CACHE]),
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
        let Some(short) = Short::of(value) else { return self.intern_slowly(value) };
        if let Some((cached, slot)) = self.cache.get(short.place())
            && *cached == short
        {
            return Ok(*slot);
        }
        let slot = self.intern_slowly(value)?;
        if let Some(cached) = self.cache.get_mut(short.place()) {
            *cached = (short, slot);
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
                // 1 to 22 bytes, alike at the head or at the tail.
                let value = format!("{i}{}", "x".repeat(i as usize % 19));
                assert_eq!(e.intern(value.as_bytes()).unwrap(), i + 1, "round {round}");
            }
        }
    }
}
