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
//!    byte of its first bit; one of at most 9 bits within two. So a vector of
//!    lanes is: gather each lane's bytes (`vpermb`), shift each lane by its own
//!    amount, mask.
//! 2. 32 lanes of `width` bits are `4 * width` whole bytes: the lane's byte
//!    numbers and shifts are the same for every following vector. They depend
//!    on the width and on the bit within a byte that the first value starts at;
//!    all of these tables are made at compile time.
//! 3. Loads and stores are masked at the ends of input and output: runs are
//!    often shorter than a vector.
//! 4. The largest value comes for one instruction a vector. Callers hold it
//!    against the size of the dictionary: ids are range-checked for next to
//!    nothing.
//!
//! 5. Whole runs of a stream take another way to the same lanes, one for all
//!    widths: four values of 16 bits are cut out of eight bytes at any bit
//!    (`vpmultishiftqb`). A repeated value is the same cut with other constants.
//!
//! Tried and left out: computing the tables per call cost more than the
//! unpacking, since runs of counts are some 20 values long. Telling packed from
//! repeated runs by a branch took 7.7 ms of one core for the counts of 20 M rows, by
//! constants 6.8: no more, since what bounds a run is the way from its header to
//! the next one, some twelve cycles. The choice read from a small array on the stack
//! took 7.3.

/// Unpacks `out.len()` values of `width` bits, the first of which starts at bit
/// `start` of `bytes`; returns the largest. Bits past the end of `bytes` read as
/// zero; callers check the length of a run before they unpack it.
///
/// `width` is at most 16; higher bits of a wider value are cut off.
#[inline]
pub fn unpack_u16(bytes: &[u8], start: usize, width: u8, out: &mut [u16]) -> u16 {
    #[cfg(target_arch = "x86_64")]
    if width <= 16 && super::cpu::avx512() {
        // SAFETY: the instruction sets that the function names were found.
        #[allow(unsafe_code)]
        return unsafe { avx512::unpack_u16(bytes, start, width, out) };
    }
    portable_u16(bytes, start, width, out)
}

/// The same without vectors.
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
    for slot in out {
        *slot = narrow(word(bytes, bit >> 3) >> (bit & 7) & mask);
        bit += usize::from(width);
    }
}

/// One value, at any bit.
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
    for (to, from) in eight.iter_mut().zip(bytes.get(at..).unwrap_or_default()) {
        *to = *from;
    }
    u64::from_le_bytes(eight)
}

/// Where a hybrid stream stands between two runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Between {
    /// Byte of the next run's header.
    pub next: usize,
    /// Values in the runs to come.
    pub unread: u32,
}

/// Decodes whole runs of a hybrid stream of `width`-bit values for as long as
/// they are plain: headers of one byte, away from the ends of `bytes`, of the
/// stream and of `out`. Returns how many values were decoded and the largest of
/// them; declines (0 values) where the general reader has to do it.
///
/// Counts come in runs of some ten values: what one run costs is most of what
/// decoding them costs. Both kinds of run take the same instructions with other
/// constants, and whole vectors are written, of which the next run overwrites the
/// tail.
#[inline]
pub fn hybrid_u16(bytes: &[u8], width: u8, at: &mut Between, out: &mut [u16]) -> (usize, u16) {
    #[cfg(target_arch = "x86_64")]
    if (1..=16).contains(&width) && out.len() >= 64 && super::cpu::avx512() {
        // SAFETY: the instruction sets that the function names were found.
        #[allow(unsafe_code)]
        return unsafe { avx512::hybrid_u16(bytes, width, at, out) };
    }
    (0, 0)
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, clippy::indexing_slicing)]
#[allow(clippy::cast_possible_wrap, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // bits stay bits
mod avx512 {
    //! AVX-512 F, BW, VBMI.

    use std::arch::x86_64::*;

    /// Bytes and shifts of each lane, for one width and one first bit.
    #[repr(C, align(64))]
    #[derive(Clone, Copy)]
    struct Lanes<S: Copy, const N: usize> {
        bytes: [u8; 64],
        shifts: [S; N],
    }

    type Narrow = Lanes<u16, 32>;
    type Wide = Lanes<u32, 16>;

    /// Widths 0 to 9: 32 lanes of 16 bits.
    static NARROW: [[Narrow; 8]; 10] = {
        let mut tables = [[Lanes { bytes: [0; 64], shifts: [0; 32] }; 8]; 10];
        let mut at = 0;
        // `for` is not to be had in constants.
        while at < 10 * 8 * 32 {
            let (width, first, lane) = (at / 256, at / 32 % 8, at % 32);
            let bit = first + lane * width;
            // At most (7 + 31 * 9) / 8 + 1 = 36: within the 64 bytes loaded.
            tables[width][first].bytes[lane * 2] = (bit / 8) as u8;
            tables[width][first].bytes[lane * 2 + 1] = (bit / 8) as u8 + 1;
            tables[width][first].shifts[lane] = (bit % 8) as u16;
            at += 1;
        }
        tables
    };

    /// Widths 0 to 16: 16 lanes of 32 bits.
    static WIDE: [[Wide; 8]; 17] = {
        let mut tables = [[Lanes { bytes: [0; 64], shifts: [0; 16] }; 8]; 17];
        let mut at = 0;
        while at < 17 * 8 * 16 {
            let (width, first, lane) = (at / 128, at / 16 % 8, at % 16);
            let bit = first + lane * width;
            let mut byte = 0;
            while byte < 4 {
                // At most (7 + 15 * 16) / 8 + 3 = 33: within the 64 bytes loaded.
                tables[width][first].bytes[lane * 4 + byte] = (bit / 8) as u8 + byte as u8;
                byte += 1;
            }
            tables[width][first].shifts[lane] = (bit % 8) as u32;
            at += 1;
        }
        tables
    };

    /// The 64 bytes from `at` on, zeros past the end.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn load(bytes: &[u8], at: usize) -> __m512i {
        let left = bytes.len().saturating_sub(at);
        let there = if left >= 64 { u64::MAX } else { (1 << left) - 1 };
        // SAFETY: bytes past the end are masked off and not touched.
        unsafe { _mm512_maskz_loadu_epi8(there, bytes.as_ptr().wrapping_add(at).cast()) }
    }

    /// See [`super::unpack_u16`].
    ///
    /// # Safety
    /// - The CPU has AVX-512 F, BW and VBMI ([`crate::kernel::cpu::avx512`]).
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
    pub unsafe fn unpack_u16(bytes: &[u8], start: usize, width: u8, out: &mut [u16]) -> u16 {
        let (width, first) = (usize::from(width), start % 8);
        if width <= 9 {
            narrow(bytes, start, width, first, out)
        } else {
            wide(bytes, start, width, first, out)
        }
    }

    /// How 32 lanes of 16 bits come out of the 64 bytes that a run's values begin
    /// with: which bytes each group of four lanes is cut from, at which bit each
    /// byte of them begins, and which bits of a lane are the value's.
    #[repr(C, align(64))]
    #[derive(Clone, Copy)]
    struct Cut {
        bytes: [u8; 64],
        bits: [u8; 64],
        mask: u16,
    }

    /// By width, 0 to 16: a bit-packed run. Four values are `4 * width` bits, which
    /// begin at bit 0 or 4 of a byte and so lie within eight bytes.
    static PACKED: [Cut; 17] = {
        let mut cuts = [Cut { bytes: [0; 64], bits: [0; 64], mask: 0 }; 17];
        let mut at = 0;
        // `for` is not to be had in constants.
        while at < 17 * 64 {
            let (width, byte) = (at / 64, at % 64);
            let first = byte / 8 * 4 * width;
            // At most 28 * 16 / 8 + 7 = 63.
            cuts[width].bytes[byte] = (first / 8 + byte % 8) as u8;
            cuts[width].bits[byte] = ((first % 8 + byte % 8 / 2 * width + byte % 2 * 8) % 64) as u8;
            cuts[width].mask = ((1u32 << width) - 1) as u16;
            at += 1;
        }
        cuts
    };

    /// By the bytes of the value, 0 to 2: a run that repeats it.
    static REPEATED: [Cut; 3] = {
        let mut cuts = [Cut { bytes: [0; 64], bits: [0; 64], mask: 0 }; 3];
        let mut at = 0;
        while at < 3 * 64 {
            let (size, byte) = (at / 64, at % 64);
            cuts[size].bytes[byte] = (byte % 2) as u8;
            cuts[size].bits[byte] = (byte % 8 * 8) as u8;
            cuts[size].mask = ((1u32 << (size * 8)) - 1) as u16;
            at += 1;
        }
        cuts
    };

    /// See [`super::hybrid_u16`].
    ///
    /// # Safety
    /// - The CPU has AVX-512 F, BW, VL and VBMI.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
    pub unsafe fn hybrid_u16(
        bytes: &[u8],
        width: u8,
        at: &mut super::Between,
        out: &mut [u16],
    ) -> (usize, u16) {
        let width = usize::from(width);
        let size = width.div_ceil(8);
        // By the lowest bit of the header.
        let cuts = [&REPEATED[size], &PACKED[width]];
        let (mut next, mut unread, mut done) = (at.next, at.unread as usize, 0);
        // The longest run here is 63 groups: 504 values, 1,008 bytes; every load
        // of 64 bytes has to end before the bytes do.
        while next + 2 + 64 <= bytes.len() {
            let header = usize::from(bytes[next]);
            let (count, start, packed) = (header >> 1, next + 1, header & 1);
            let values = count << (3 * packed);
            let mask = packed.wrapping_neg();
            let stored = ((count * width) & mask) | (size & !mask);
            let declined = (header & 0x80 != 0)
                | (count == 0)
                | (values > unread)
                | (start + stored + 64 > bytes.len())
                // Whole vectors are written: up to 31 values past the run.
                | (done + values + 31 > out.len());
            if declined {
                break;
            }
            let cut = cuts[packed];
            let stride = 4 * width * packed;
            // SAFETY: both arrays are 64 bytes long and aligned.
            let (index, bits) = unsafe {
                (_mm512_load_si512(cut.bytes.as_ptr().cast()), _mm512_load_si512(cut.bits.as_ptr().cast()))
            };
            let mask = _mm512_set1_epi16(cut.mask as i16);
            let (mut from, mut to) = (start, done);
            loop {
                debug_assert!(from + 64 <= bytes.len() && to + 32 <= out.len());
                // SAFETY: the run's bytes and 64 more are there; `values + 31` more fit `out`.
                unsafe {
                    let raw = _mm512_loadu_si512(bytes.as_ptr().add(from).cast());
                    let groups = _mm512_permutexvar_epi8(index, raw);
                    let lanes = _mm512_and_si512(_mm512_multishift_epi64_epi8(bits, groups), mask);
                    _mm512_storeu_si512(out.as_mut_ptr().add(to).cast(), lanes);
                }
                from += stride;
                to += 32;
                if to >= done + values {
                    break;
                }
            }
            done += values;
            unread -= values;
            next = start + stored;
        }
        (at.next, at.unread) = (next, unread as u32);
        (done, out[..done].iter().copied().max().unwrap_or(0))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
    fn narrow(bytes: &[u8], start: usize, width: usize, first: usize, out: &mut [u16]) -> u16 {
        let lanes = &NARROW[width][first];
        // SAFETY: both arrays are 64 bytes long and aligned.
        let (index, shift) = unsafe {
            (_mm512_load_si512(lanes.bytes.as_ptr().cast()), _mm512_load_si512(lanes.shifts.as_ptr().cast()))
        };
        let mask = _mm512_set1_epi16(((1u32 << width) - 1) as i16);
        let mut max = _mm512_setzero_si512();
        let mut at = start / 8;
        for out in out.chunks_mut(32) {
            let there = if out.len() >= 32 { u32::MAX } else { (1 << out.len()) - 1 };
            let spread = _mm512_permutexvar_epi8(index, load(bytes, at));
            let values = _mm512_and_si512(_mm512_srlv_epi16(spread, shift), mask);
            max = _mm512_mask_max_epu16(max, there, max, values);
            // SAFETY: lanes past the end of `out` are masked off.
            unsafe { _mm512_mask_storeu_epi16(out.as_mut_ptr().cast(), there, values) };
            at += 4 * width;
        }
        largest_of(max)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
    fn wide(bytes: &[u8], start: usize, width: usize, first: usize, out: &mut [u16]) -> u16 {
        let lanes = &WIDE[width][first];
        // SAFETY: both arrays are 64 bytes long and aligned.
        let (index, shift) = unsafe {
            (_mm512_load_si512(lanes.bytes.as_ptr().cast()), _mm512_load_si512(lanes.shifts.as_ptr().cast()))
        };
        let mask = _mm512_set1_epi32((1i32 << width) - 1);
        let mut max = _mm512_setzero_si512();
        let mut at = start / 8;
        for out in out.chunks_mut(16) {
            let there = if out.len() >= 16 { u16::MAX } else { (1 << out.len()) - 1 };
            let spread = _mm512_permutexvar_epi8(index, load(bytes, at));
            let values = _mm512_and_si512(_mm512_srlv_epi32(spread, shift), mask);
            max = _mm512_mask_max_epu32(max, there, max, values);
            let values = _mm512_cvtepi32_epi16(values);
            // SAFETY: lanes past the end of `out` are masked off.
            unsafe { _mm256_mask_storeu_epi16(out.as_mut_ptr().cast(), there, values) };
            at += 2 * width;
        }
        _mm512_reduce_max_epu32(max) as u16
    }

    /// The largest of 32 lanes; of the last eight, `vphminposuw` of the complement.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn largest_of(max: __m512i) -> u16 {
        let half = _mm256_max_epu16(_mm512_castsi512_si256(max), _mm512_extracti64x4_epi64::<1>(max));
        let lanes = _mm_max_epu16(_mm256_castsi256_si128(half), _mm256_extracti128_si256::<1>(half));
        !(_mm_cvtsi128_si32(_mm_minpos_epu16(_mm_xor_si128(lanes, _mm_set1_epi16(-1)))) as u16)
    }
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
            }
        }
    }
}
