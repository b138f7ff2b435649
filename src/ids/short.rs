//! A cache of short values in front of a hash map: strings of a page are
//! compared without a function call and without a branch on their lengths.

/// The longest value that the cache takes, in bytes.
const LEN: usize = 32;

/// Buckets of the cache: more than a thousand give a few hundred values distinct buckets.
pub const CACHE: usize = 2048;

/// A value of at most 32 bytes, padded with zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Short {
    words: [u64; LEN / 8],
    len: u32,
}

/// By length: a mask of the bits of the words that belong to the value.
#[allow(clippy::indexing_slicing)] // computed at compile time
static MASKS: [[u64; LEN / 8]; LEN + 1] = {
    let mut masks = [[0; LEN / 8]; LEN + 1];
    let mut at = 0;
    // A `for` loop is not allowed in a constant.
    while at < (LEN + 1) * LEN {
        let (len, byte) = (at / LEN, at % LEN);
        if byte < len {
            masks[len][byte / 8] |= 0xff << (byte % 8 * 8);
        }
        at += 1;
    }
    masks
};

impl Short {
    /// The `len` bytes of `bytes` from `start` on; `None` if they are more than 32.
    #[inline]
    pub fn within(bytes: &[u8], start: usize, len: usize) -> Option<Self> {
        let mask = MASKS.get(len)?;
        let there = bytes.get(start..)?;
        // Bytes after the value are masked off.
        let whole = match there.first_chunk::<LEN>() {
            Some(whole) => *whole,
            None => {
                let mut whole = [0; LEN];
                for (to, from) in whole.iter_mut().zip(there) {
                    *to = *from;
                }
                whole
            }
        };
        let mut words = [0; LEN / 8];
        for ((word, eight), mask) in words.iter_mut().zip(whole.as_chunks::<8>().0).zip(mask) {
            *word = u64::from_le_bytes(*eight) & mask;
        }
        #[allow(clippy::cast_possible_truncation)] // at most LEN
        let len = len as u32;
        Some(Short { words, len })
    }

    /// Its bucket of the cache.
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // the top eleven bits
    pub fn bucket(&self) -> usize {
        let [a, b, c, d] = self.words;
        let mix = a.wrapping_mul(0x9E37_79B9_7F4A_7C15)
            ^ b.wrapping_mul(0xC2B2_AE3D_27D4_EB4F)
            ^ c.wrapping_mul(0x1656_67B1_9E37_79F9)
            ^ d.wrapping_mul(0x27D4_EB2F_1656_67C5);
        (mix.wrapping_add(u64::from(self.len) << 56) >> (u64::BITS - CACHE.trailing_zeros())) as usize
    }
}

/// A value and its value id.
#[derive(Debug, Clone, Copy)]
pub struct Cached {
    value: Short,
    value_id: u32,
}

impl Cached {
    /// An empty bucket: no value is as long.
    pub const NONE: Cached = Cached { value: Short { words: [0; LEN / 8], len: u32::MAX }, value_id: 0 };

    /// A bucket with `value` and its value id.
    pub fn new(value: Short, value_id: u32) -> Self {
        Cached { value, value_id }
    }

    /// The value id, if the bucket has `value`.
    #[inline]
    pub fn id_of(&self, value: &Short) -> Option<u32> {
        let differ = self.value.words.iter().zip(value.words).fold(0, |differ, (a, b)| differ | (a ^ b));
        (differ == 0 && self.value.len == value.len).then_some(self.value_id)
    }
}
