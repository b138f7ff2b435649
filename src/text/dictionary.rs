//! Numbers the distinct values of a column.
//!
//! A value of up to 16 bytes is two words and a length: it is compared without looking at the text. Longer values are
//! found by a hash and compared with their bytes. The hash has a random seed, so that no file can be made of values
//! that collide.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A value, or the first and the last eight bytes of a longer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Key {
    first: u64,
    last: u64,
    len: usize,
}

impl Key {
    /// The key of a value. The words of a short one overlap; with the length they are all of it.
    #[inline]
    pub fn of(value: &[u8]) -> Self {
        let len = value.len();
        if let (Some(first), Some(last)) = (value.first_chunk::<8>(), value.last_chunk::<8>()) {
            return Key { first: u64::from_le_bytes(*first), last: u64::from_le_bytes(*last), len };
        }
        if let (Some(first), Some(last)) = (value.first_chunk::<4>(), value.last_chunk::<4>()) {
            let [first, last] = [first, last].map(|word| u64::from(u32::from_le_bytes(*word)));
            return Key { first, last, len };
        }
        let byte = |at: usize| value.get(at).copied().map_or(0, u64::from);
        Key { first: byte(0) | byte(1) << 8 | byte(2) << 16, last: 0, len }
    }

    /// Whether the key is all of the value.
    #[inline]
    pub fn is_whole(&self) -> bool {
        self.len <= 16
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
