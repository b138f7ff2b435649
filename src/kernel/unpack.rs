//! Bit-packed integers of 0 to 32 bits, least significant bit first, to `u16`
//! or `u32` (parquet-format, Encodings.md, "Run Length Encoding / Bit-Packing
//! Hybrid").
//!
//! ```text
//! for i in 0..out.len():
//!     out[i] = bits[start + i * width ..][..width]
//! ```
//!
//! 1. A value of at most 25 bits lies within the four bytes that begin at the
//!    byte of its first bit; one of at most 9 bits within two. So a vector takes
//!    three steps: gather the bytes of each lane (`vpermb`), shift each lane by a separate
//!    amount, mask.
//! 2. 32 lanes of `width` bits are `4 * width` whole bytes: the byte numbers and shifts
//!    of the lanes are the same for every following vector. They depend
//!    on the width and on the bit within a byte where the first value starts;
//!    the tables are computed at compile time.
//! 3. Loads and stores are masked at the ends of input and output: runs are
//!    often shorter than a vector.
//! 4. The largest value costs one instruction per vector. Callers compare it
//!    with the size of the dictionary: that is the range check of the ids.
//! 5. Whole runs of a stream (`hybrid`) fill the lanes in one way for
//!    all widths: four values of 16 bits are extracted from eight bytes at any bit
//!    (`vpmultishiftqb`).
//!
//! Tried and left out: computing the tables per call cost more than the
//! unpacking, since runs of counts are some 20 values long. Decoding both kinds of run without a
//! branch between them, which an earlier figure had favoured: see `hybrid`.

/// Bit-packed values, not unpacked yet.
#[derive(Debug, Clone, Copy)]
pub struct Packed<'b> {
    /// The bytes that contain them.
    pub bytes: &'b [u8],
    /// The bit where the first value begins.
    pub start: usize,
    /// Bits of a value.
    pub width: u8,
}

/// Unpacks `out.len()` values of `width` bits, the first of which starts at bit
/// `start` of `bytes`; returns the largest. Bits past the end of `bytes` read as
/// zero; callers check the length of a run before they unpack it.
///
/// `width` is at most 16; higher bits of a wider value are cut off.
#[inline]
pub fn unpack_u16(bytes: &[u8], start: usize, width: u8, out: &mut [u16]) -> u16 {
    #[cfg(target_arch = "x86_64")]
    if width <= 16 && super::cpu::avx512() {
        // SAFETY: the CPU has the instruction sets that the function names.
        #[allow(unsafe_code)]
        return unsafe { avx512::unpack_u16(bytes, start, width, out) };
    }
    #[cfg(target_arch = "x86_64")]
    if width <= 16 && super::cpu::avx2() {
        // SAFETY: as above.
        #[allow(unsafe_code)]
        return unsafe { avx2::unpack_u16(bytes, start, width, out) };
    }
    #[cfg(target_arch = "aarch64")]
    if width <= 16 && super::cpu::neon() {
        // SAFETY: every aarch64 CPU has NEON.
        #[allow(unsafe_code)]
        return unsafe { neon::unpack_u16(bytes, start, width, out) };
    }
    portable_u16(bytes, start, width, out)
}

/// [`unpack_u16`] without vector instructions.
pub fn portable_u16(bytes: &[u8], start: usize, width: u8, out: &mut [u16]) -> u16 {
    #[allow(clippy::cast_possible_truncation)] // masked to `width` bits
    portable(bytes, start, width, out, |v| v as u16);
    out.iter().copied().max().unwrap_or(0)
}

/// Unpacks values of up to 32 bits; returns the largest.
pub fn unpack_u32(bytes: &[u8], start: usize, width: u8, out: &mut [u32]) -> u32 {
    #[allow(clippy::cast_possible_truncation)] // masked to `width` bits
    portable(bytes, start, width, out, |v| v as u32);
    out.iter().copied().max().unwrap_or(0)
}

#[inline]
fn portable<T>(bytes: &[u8], start: usize, width: u8, out: &mut [T], narrow: impl Fn(u64) -> T) {
    let mask = (1u64 << width.min(32)) - 1;
    let mut bit = start;
    for value_id in out {
        *value_id = narrow(word(bytes, bit >> 3) >> (bit & 7) & mask);
        bit += usize::from(width);
    }
}

/// The value of `width` bits that starts at bit `bit`.
#[inline]
pub fn value_at(bytes: &[u8], bit: usize, width: u8) -> u32 {
    #[allow(clippy::cast_possible_truncation)] // masked to at most 32 bits
    return (word(bytes, bit >> 3) >> (bit & 7) & ((1u64 << width.min(32)) - 1)) as u32;
}

/// The eight bytes from `at` on, zeros past the end.
#[inline]
fn word(bytes: &[u8], at: usize) -> u64 {
    if let Some(eight) = bytes.get(at..).and_then(|b| b.first_chunk::<8>()) {
        return u64::from_le_bytes(*eight);
    }
    let mut eight = [0; 8];
    // Past the end there are no bytes, and the zeros stay.
    for (to, from) in eight.iter_mut().zip(bytes.get(at..).unwrap_or_default()) {
        *to = *from;
    }
    u64::from_le_bytes(eight)
}

/// A position in a hybrid stream, between two runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Between {
    /// Byte of the next run's header.
    pub next: usize,
    /// Values in the runs that are not read yet.
    pub unread: u32,
}

/// Decodes whole runs of a hybrid stream of `width`-bit values for as long as
/// they are plain: headers of one or two bytes, away from the ends of `bytes`, of the
/// stream and of `out`. Returns how many values were decoded and the largest of
/// them; declines (0 values) where the general decoder is needed.
///
/// Counts come in runs of some ten values, so the cost per run dominates. Whole vectors are
/// written; the next run overwrites the lanes past the end of a run.
#[inline]
pub fn hybrid_u16(bytes: &[u8], width: u8, at: &mut Between, out: &mut [u16]) -> (usize, u16) {
    #[cfg(target_arch = "x86_64")]
    if (1..=16).contains(&width) && out.len() >= 64 {
        if super::cpu::avx512() {
            // SAFETY: the CPU has the instruction sets that the function names.
            #[allow(unsafe_code)]
            return unsafe { avx512::hybrid_u16(bytes, width, at, out) };
        }
        if super::cpu::avx2() {
            // SAFETY: as above.
            #[allow(unsafe_code)]
            return unsafe { avx2::hybrid_u16(bytes, width, at, out) };
        }
    }
    #[cfg(target_arch = "aarch64")]
    if (1..=16).contains(&width) && out.len() >= 64 && super::cpu::neon() {
        // SAFETY: every aarch64 CPU has NEON; the width is one that it takes.
        #[allow(unsafe_code)]
        return unsafe { neon::hybrid_u16(bytes, width, at, out) };
    }
    let _ = (bytes, width, at, out);
    (0, 0)
}

// Bits stay bits.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, clippy::indexing_slicing)]
#[allow(clippy::cast_possible_wrap, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
mod avx2;
// Bits stay bits.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, clippy::indexing_slicing)]
#[allow(clippy::cast_possible_wrap, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
mod avx512;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[allow(unsafe_code)]
mod hybrid;
// Bits stay bits.
#[cfg(target_arch = "aarch64")]
#[allow(unsafe_code, clippy::indexing_slicing)]
#[allow(clippy::cast_possible_wrap, clippy::cast_possible_truncation)]
mod neon;

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::kernel::cpu;
    use proptest::prelude::*;

    type Unpack = unsafe fn(&[u8], usize, u8, &mut [u16]) -> u16;
    type Hybrid = unsafe fn(&[u8], u8, &mut Between, &mut [u16]) -> (usize, u16);

    fn paths() -> Vec<(&'static str, Unpack)> {
        #[cfg(target_arch = "x86_64")]
        return cpu::paths(avx2::unpack_u16, avx512::unpack_u16);
        #[cfg(target_arch = "aarch64")]
        return cpu::paths(neon::unpack_u16);
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        Vec::new()
    }

    fn hybrid_paths() -> Vec<(&'static str, Hybrid)> {
        #[cfg(target_arch = "x86_64")]
        return cpu::paths(avx2::hybrid_u16, avx512::hybrid_u16);
        #[cfg(target_arch = "aarch64")]
        return cpu::paths(neon::hybrid_u16);
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        Vec::new()
    }

    /// The definition, bit by bit.
    fn naive(bytes: &[u8], start: usize, width: u8, n: usize) -> Vec<u32> {
        let bit = |at: usize| bytes.get(at >> 3).map_or(0, |b| u32::from(b >> (at & 7) & 1));
        (0..n)
            .map(|i| (0..usize::from(width)).map(|b| bit(start + i * usize::from(width) + b) << b).sum())
            .collect()
    }

    proptest! {
        #[test]
        fn every_path_unpacks_what_the_definition_says(
            bytes in proptest::collection::vec(any::<u8>(), 0..400),
            start in 0usize..64,
            width in 0u8..=32,
            n in 0usize..300,
        ) {
            let want = naive(&bytes, start, width, n);
            let mut wide = vec![0; n];
            prop_assert_eq!(unpack_u32(&bytes, start, width, &mut wide), want.iter().copied().max().unwrap_or(0));
            prop_assert_eq!(&wide, &want);
            for (i, v) in want.iter().enumerate() {
                prop_assert_eq!(value_at(&bytes, start + i * usize::from(width), width), *v);
            }
            if width <= 16 {
                let want: Vec<u16> = want.iter().map(|v| *v as u16).collect();
                let mut got = vec![0; n];
                let max = want.iter().copied().max().unwrap_or(0);
                prop_assert_eq!(portable_u16(&bytes, start, width, &mut got), max);
                prop_assert_eq!(&got, &want);
                got.fill(7);
                prop_assert_eq!(unpack_u16(&bytes, start, width, &mut got), max);
                prop_assert_eq!(&got, &want);
                for (name, unpack) in paths() {
                    got.fill(7);
                    // SAFETY: the paths are those that this machine has.
                    #[allow(unsafe_code)]
                    let got_max = unsafe { unpack(&bytes, start, width, &mut got) };
                    prop_assert_eq!(got_max, max, "{}", name);
                    prop_assert_eq!(&got, &want, "{}", name);
                }
            }
        }

        #[test]
        fn every_path_decodes_whole_runs(
            runs in proptest::collection::vec(
                prop_oneof![
                    3 => (any::<bool>(), 1u32..64, any::<u64>()),
                    2 => (Just(false), 64u32..8_192, any::<u64>()),
                    1 => (Just(true), 64u32..200, any::<u64>()),
                    1 => (Just(false), 8_192u32..20_000, any::<u64>()),
                ],
                0..40,
            ),
            width in 1u8..=16,
            room in prop_oneof![0usize..3000, 0usize..60_000],
            less in 0u32..20,
        ) {
            let (mut bytes, mut want) = (Vec::new(), Vec::new());
            let low = |v: u64| (v & ((1 << width) - 1)) as u16;
            // Where the first runs end, as long as their headers have one or two bytes.
            let (mut ends, mut plain) = (vec![0], true);
            for (packed, count, seed) in runs {
                let header = count << 1 | u32::from(packed);
                plain &= header < 1 << 14;
                let mut rest = header;
                while rest > 0x7f {
                    bytes.push((rest & 0x7f) as u8 | 0x80);
                    rest >>= 7;
                }
                bytes.push(rest as u8);
                if packed {
                    let raw: Vec<u8> = (0..count as usize * usize::from(width))
                        .map(|at| (seed.rotate_left(at as u32 * 7) >> (at % 5)) as u8)
                        .collect();
                    let values = count as usize * 8;
                    want.extend(naive(&raw, 0, width, values).into_iter().map(|v| v as u16));
                    bytes.extend(raw);
                } else {
                    bytes.extend(&low(seed).to_le_bytes()[..usize::from(width.div_ceil(8))]);
                    want.extend(std::iter::repeat_n(low(seed), count as usize));
                }
                if plain {
                    ends.push(want.len());
                }
            }
            bytes.extend([0xaa; 200]);
            let unread = (want.len() as u32).saturating_sub(less);
            for (name, hybrid) in hybrid_paths() {
                let (mut at, mut got) = (Between { next: 0, unread }, vec![7; room]);
                // SAFETY: the paths are those that this machine has.
                #[allow(unsafe_code)]
                let (done, max) = unsafe { hybrid(&bytes, width, &mut at, &mut got) };
                prop_assert!(done <= want.len() && at.unread == unread - done as u32, "{}", name);
                prop_assert_eq!(&got[..done], &want[..done], "{}", name);
                prop_assert_eq!(max, want[..done].iter().copied().max().unwrap_or(0), "{}", name);
                // It decodes as many runs as it may: a step writes up to 31 values past a run.
                let most = if room < 64 { done } else { (room - 31).min(unread as usize) };
                let longest = ends.iter().copied().filter(|end| *end <= most).max();
                prop_assert!(room < 64 || Some(done) == longest, "{}: {} of {:?}", name, done, longest);
            }
        }
    }
}
