//! A permutation of `0..n` that needs no memory: a Feistel network over the next
//! even power of two, walked until it lands inside (Black and Rogaway, "Ciphers
//! with Arbitrary Finite Domains", 2002, section 3 and 4).

use super::cube::mix;

const ROUNDS: u64 = 4;

pub(super) struct Permutation {
    len: u64,
    half_bits: u32,
    seed: u64,
}

impl Permutation {
    pub(super) fn new(len: u64, seed: u64) -> Self {
        let bits = u64::BITS - len.saturating_sub(1).leading_zeros();
        Permutation { len, half_bits: bits.div_ceil(2).max(1), seed: mix(seed ^ 0x5f) }
    }

    /// Where position `i < len` goes; below `len`, each once.
    pub(super) fn at(&self, i: u64) -> u64 {
        let mut x = self.network(i);
        // The domain is less than four times as large: four steps are usual, and
        // the cycle that starts inside comes back inside.
        while x >= self.len {
            x = self.network(x);
        }
        x
    }

    fn network(&self, x: u64) -> u64 {
        let mask = (1u64 << self.half_bits) - 1;
        let (mut left, mut right) = (x >> self.half_bits, x & mask);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ (mix(self.seed ^ (right << 3) ^ round) & mask));
        }
        (left << self.half_bits) | right
    }
}
