//! What short strings and numbers mean, remembered.

use super::NOT_RESOLVED;
use crate::ids::entries::ChunkDictionary;
use crate::{Error, Result};

/// Small cache from short strings or numbers to what they mean.
pub(super) struct Cache {
    lines: Box<[(u64, u32, u32); LINES]>,
    long: ChunkDictionary,
    /// By value id of `long`.
    meanings: Vec<u32>,
}

pub(super) const LINES: usize = 1024;

impl Default for Cache {
    fn default() -> Self {
        let mut long = ChunkDictionary::new();
        // Nothing was pushed before: there is room for the null value id.
        let sealed = long.finish_dictionary();
        debug_assert!(sealed.is_ok());
        Cache { lines: Box::new([(0, NOT_RESOLVED, NOT_RESOLVED); LINES]), long, meanings: Vec::new() }
    }
}

impl Cache {
    pub(super) fn clear(&mut self) {
        *self = Cache::default();
    }

    /// The meaning of `bytes`, found out by `prefetch` where it is not known.
    #[inline]
    pub(super) fn text(&mut self, bytes: &[u8], prefetch: impl FnOnce(&[u8]) -> Result<u32>) -> Result<u32> {
        let word = |b: Option<&[u8; 4]>| b.map_or(0, |b| u64::from(u32::from_le_bytes(*b)));
        let key = match bytes.len() {
            0..4 => bytes.iter().fold(0, |key, b| key << 8 | u64::from(*b)),
            4..=8 => word(bytes.first_chunk()) | word(bytes.last_chunk()) << 32,
            _ => return self.long_text(bytes, prefetch),
        };
        // The length is below nine: no key without it stands for two strings.
        #[allow(clippy::cast_possible_truncation)]
        self.key(key, bytes.len() as u32, || prefetch(bytes))
    }

    #[inline]
    pub(super) fn key(&mut self, key: u64, len: u32, prefetch: impl FnOnce() -> Result<u32>) -> Result<u32> {
        #[allow(clippy::cast_possible_truncation)] // ten bits are left
        let line = (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54) as usize;
        let Some(line) = self.lines.get_mut(line) else { return prefetch() };
        if line.0 == key && line.1 == len {
            return Ok(line.2);
        }
        let meaning = prefetch()?;
        *line = (key, len, meaning);
        Ok(meaning)
    }

    fn long_text(&mut self, bytes: &[u8], prefetch: impl FnOnce(&[u8]) -> Result<u32>) -> Result<u32> {
        let value_id = self.long.intern(bytes)? as usize;
        if value_id >= self.meanings.len() {
            self.meanings.resize(value_id + 1, NOT_RESOLVED);
        }
        match self.meanings.get_mut(value_id) {
            Some(meaning) if *meaning == NOT_RESOLVED => {
                *meaning = prefetch(bytes)?;
                Ok(*meaning)
            }
            Some(meaning) => Ok(*meaning),
            None => Err(Error::internal("a slot without a meaning")),
        }
    }
}
