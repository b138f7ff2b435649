//! Numbers the distinct values of a column.
//!
//! A value of up to 16 bytes is two words and a length: it is compared without looking at the text. Longer values are
//! found by a hash and compared with their bytes. The hash has a random seed, so that no file can be made of values
//! that collide.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A value of up to 16 bytes, filled up with zeros; or the first and the last eight bytes of a longer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Key {
    first: u64,
    last: u64,
    len: usize,
}

/// The longest value that its key is all of.
const WHOLE: usize = 16;

/// By length: the bits of a value in the two words of its key.
static MASKS: [[u64; 2]; WHOLE + 1] = {
    let mut masks = [[0; 2]; WHOLE + 1];
    let mut len = 0;
    #[allow(clippy::indexing_slicing)] // of the same length
    while len <= WHOLE {
        let low = if len < 8 { len } else { 8 };
        masks[len] = [ones(low), ones(len - low)];
        len += 1;
    }
    masks
};

/// The bits of the first `bytes` bytes of a word.
const fn ones(bytes: usize) -> u64 {
    if bytes == 0 { 0 } else { u64::MAX >> (64 - 8 * bytes) }
}

impl Key {
    /// The key of a value. The words of a short one overlap before they are joined.
    #[inline]
    pub fn of(value: &[u8]) -> Self {
        let len = value.len();
        let (first, last) = if let (Some(head), Some(tail)) = (value.first_chunk(), value.last_chunk()) {
            let tail = u64::from_le_bytes(*tail);
            // Bytes that the first word has too.
            let overlap = u32::try_from(WHOLE.saturating_sub(len)).unwrap_or_default();
            (u64::from_le_bytes(*head), tail.checked_shr(8 * overlap).unwrap_or_default())
        } else if let (Some(head), Some(tail)) = (value.first_chunk(), value.last_chunk()) {
            let [head, tail] = [head, tail].map(|word| u64::from(u32::from_le_bytes(*word)));
            (head | tail << (8 * (len - 4)), 0)
        } else {
            let byte = |at: usize| value.get(at).copied().map_or(0, u64::from);
            (byte(0) | byte(1) << 8 | byte(2) << 16, 0)
        };
        Key { first, last, len }
    }

    /// The key of the value at `start..end` of a text. Its bytes are read with those that follow, which are cut off:
    /// the length of a value decides no branch.
    #[inline]
    pub fn at(text: &[u8], start: usize, end: usize) -> Self {
        let len = end.saturating_sub(start);
        match text.get(start..).and_then(|text| text.first_chunk::<WHOLE>()) {
            Some(bytes) if len <= WHOLE => Key::of_start(bytes, len),
            _ => Key::of(text.get(start..end).unwrap_or_default()),
        }
    }

    /// The key of the first `len` bytes.
    #[inline]
    fn of_start(bytes: &[u8; WHOLE], len: usize) -> Self {
        let words = u128::from_le_bytes(*bytes);
        #[allow(clippy::cast_possible_truncation)] // its halves
        let [first, last] = [words as u64, (words >> 64) as u64];
        let [of_first, of_last] = MASKS.get(len).copied().unwrap_or_default();
        Key { first: first & of_first, last: last & of_last, len }
    }

    /// Whether the key is all of the value.
    #[inline]
    pub fn is_whole(&self) -> bool {
        self.len <= WHOLE
    }
}

#[derive(Clone, Copy, Default)]
struct Slot {
    key: Key,
    /// Id + 1; 0 where the slot is free.
    id: u32,
}

/// The distinct values, in order of their first occurrence.
pub struct Dictionary {
    slots: Vec<Slot>,
    /// The bytes of all values, and where each ends.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    seed: u64,
}

impl Default for Dictionary {
    fn default() -> Self {
        let seed = RandomState::new().build_hasher().finish();
        Dictionary { slots: vec![Slot::default(); 256], bytes: Vec::new(), ends: Vec::new(), seed }
    }
}

impl Dictionary {
    /// The number of values.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all values.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The values.
    pub fn values(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.count()).map(|at| self.value(at))
    }

    fn value(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(at).copied().unwrap_or(start);
        self.bytes.get(start..end).unwrap_or_default()
    }

    #[inline]
    fn hash(&self, key: Key, value: &[u8]) -> u64 {
        let mut hash = fold(key.first ^ self.seed, key.last ^ key.len as u64 ^ MIX);
        if !key.is_whole() {
            for eight in value.as_chunks::<8>().0 {
                hash = fold(hash ^ u64::from_le_bytes(*eight), self.seed | 1);
            }
        }
        hash
    }

    /// The id of a value, if it was added before.
    #[inline]
    pub fn find(&self, key: Key, value: &[u8]) -> Result<u32, Missing> {
        let mask = self.slots.len() - 1;
        #[allow(clippy::cast_possible_truncation)] // masked
        let mut at = self.hash(key, value) as usize & mask;
        loop {
            let Some(slot) = self.slots.get(at) else { return Err(Missing(0)) };
            match slot.id {
                0 => return Err(Missing(at)),
                id if slot.key == key && (key.is_whole() || self.value(id as usize - 1) == value) => {
                    return Ok(id - 1);
                }
                _ => at = (at + 1) & mask,
            }
        }
    }

    /// Adds a value that [`Self::find`] has not found; returns its id.
    pub fn add(&mut self, missing: Missing, key: Key, value: &[u8]) -> u32 {
        self.bytes.extend_from_slice(value);
        self.ends.push(self.bytes.len());
        let id = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
        if let Some(slot) = self.slots.get_mut(missing.0) {
            *slot = Slot { key, id };
        }
        if self.count() * 2 > self.slots.len() {
            self.grow();
        }
        id - 1
    }

    fn grow(&mut self) {
        self.slots = vec![Slot::default(); self.slots.len() * 4];
        for at in 0..self.count() {
            let key = Key::of(self.value(at));
            let Err(Missing(free)) = self.find(key, self.value(at)) else { continue };
            if let Some(slot) = self.slots.get_mut(free) {
                *slot = Slot { key, id: u32::try_from(at + 1).unwrap_or(u32::MAX) };
            }
        }
    }
}

/// The free slot of a value that was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing(usize);

/// 2^64 divided by the golden ratio.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// The halves of the product of two words, folded into one.
#[inline]
#[allow(clippy::cast_possible_truncation)] // both halves
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_depend_on_the_value_alone() {
        let text: Vec<u8> = (1..=40).collect();
        for start in 0..text.len() {
            for end in start..=text.len() {
                let value = &text[start..end];
                assert_eq!(Key::at(&text, start, end), Key::of(value), "{start}..{end}");
                let mut other = [b"before", value, b"after"].concat();
                assert_eq!(Key::at(&other, 6, 6 + value.len()), Key::of(value));
                // A zero is not the end of a value.
                other.truncate(6 + value.len());
                other.push(0);
                assert_ne!(Key::at(&other, 6, other.len()), Key::of(value));
            }
        }
    }

    proptest! {
        #[test]
        fn ids_are_those_of_a_hash_map(values in prop::collection::vec(prop::collection::vec(0u8..3, 0..40), 0..600)) {
            let (mut dictionary, mut ids) = (Dictionary::default(), HashMap::new());
            for value in &values {
                let (key, next) = (Key::of(value), ids.len());
                let want = *ids.entry(value.clone()).or_insert(next);
                let id = dictionary.find(key, value).unwrap_or_else(|free| dictionary.add(free, key, value));
                prop_assert_eq!(id as usize, want);
            }
            prop_assert_eq!(dictionary.count(), ids.len());
            for (at, value) in dictionary.values().enumerate() {
                prop_assert_eq!(ids.get(value), Some(&at));
            }
        }
    }
}
