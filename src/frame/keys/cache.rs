//! A cache from strings and numbers to their resolved ids, for columns without a dictionary.
//!
//! A string of up to eight bytes is a 64-bit key with its length; it is looked up in a direct-mapped table of
//! 1,024 lines. Longer strings are interned.

use super::NOT_RESOLVED;
use crate::ids::entries::ChunkDictionary;
use crate::{Error, Result};

/// Cache from strings or numbers to resolved ids.
pub(super) struct Cache {
    /// Key, length and id.
    lines: Box<[(u64, u32, u32); LINES]>,
    long: ChunkDictionary,
    /// Ids by value id of `long`.
    long_ids: Vec<u32>,
}

pub(super) const LINES: usize = 1024;

impl Default for Cache {
    fn default() -> Self {
        let mut long = ChunkDictionary::new();
        // The dictionary is empty, so there is room for the null value id.
        let finished = long.finish_dictionary();
        debug_assert!(finished.is_ok());
        Cache { lines: Box::new([(0, NOT_RESOLVED, NOT_RESOLVED); LINES]), long, long_ids: Vec::new() }
    }
}

impl Cache {
    pub(super) fn clear(&mut self) {
        *self = Cache::default();
    }

    /// The id of the string `bytes`; calls `resolve` where it is not cached.
    #[inline]
    pub(super) fn text(&mut self, bytes: &[u8], resolve: impl FnOnce(&[u8]) -> Result<u32>) -> Result<u32> {
        let word = |b: Option<&[u8; 4]>| b.map_or(0, |b| u64::from(u32::from_le_bytes(*b)));
        let key = match bytes.len() {
            0..4 => bytes.iter().fold(0, |key, b| key << 8 | u64::from(*b)),
            4..=8 => word(bytes.first_chunk()) | word(bytes.last_chunk()) << 32,
            _ => return self.long_text(bytes, resolve),
        };
        // Key and length together are unique to the string; the length is at most eight.
        #[allow(clippy::cast_possible_truncation)]
        self.key(key, bytes.len() as u32, || resolve(bytes))
    }

    /// The id of a key of `len` bytes; calls `resolve` where it is not cached.
    #[inline]
    pub(super) fn key(&mut self, key: u64, len: u32, resolve: impl FnOnce() -> Result<u32>) -> Result<u32> {
        #[allow(clippy::cast_possible_truncation)] // the shift leaves ten bits
        let line = (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54) as usize;
        let Some(line) = self.lines.get_mut(line) else { return resolve() };
        if line.0 == key && line.1 == len {
            return Ok(line.2);
        }
        let id = resolve()?;
        *line = (key, len, id);
        Ok(id)
    }

    fn long_text(&mut self, bytes: &[u8], resolve: impl FnOnce(&[u8]) -> Result<u32>) -> Result<u32> {
        let value_id = self.long.intern(bytes)? as usize;
        if value_id >= self.long_ids.len() {
            self.long_ids.resize(value_id + 1, NOT_RESOLVED);
        }
        match self.long_ids.get_mut(value_id) {
            Some(id) if *id == NOT_RESOLVED => {
                *id = resolve(bytes)?;
                Ok(*id)
            }
            Some(id) => Ok(*id),
            None => Err(Error::internal("a value id outside of the cache")),
        }
    }
}
