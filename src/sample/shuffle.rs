//! A permutation of `0..n` without memory: a Feistel network over the next even power of two, applied
//! repeatedly until the result is below `n` (Black and Rogaway, "Ciphers with Arbitrary Finite
//! Domains", 2002, sections 3 and 4).

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

    /// The image of `i < len`: below `len`, and distinct for distinct `i`.
    pub(super) fn at(&self, i: u64) -> u64 {
        let mut x = self.network(i);
        // The domain of the network is at most four times as large, so few steps are needed. The cycle
        // starts below `len`, so it returns there.
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
