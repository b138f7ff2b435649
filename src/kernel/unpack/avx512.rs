//! AVX-512 F, BW, VBMI.

use std::arch::x86_64::*;

use super::hybrid::{self, Steps};

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
    // A `for` loop is not allowed in a constant.
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
    // SAFETY: bytes past the end are masked off and not accessed.
    unsafe { _mm512_maskz_loadu_epi8(there, bytes.as_ptr().wrapping_add(at).cast()) }
}

/// See [`super::unpack_u16`].
///
/// # Safety
/// - The CPU has AVX-512 F, BW and VBMI ([`crate::kernel::cpu::avx512`]).
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
pub unsafe fn unpack_u16(bytes: &[u8], start: usize, width: u8, out: &mut [u16]) -> u16 {
    let (width, first) = (usize::from(width), start % 8);
    if width <= 9 { narrow(bytes, start, width, first, out) } else { wide(bytes, start, width, first, out) }
}

/// How 32 lanes of 16 bits are extracted from the first 64 bytes of the values of a bit-packed
/// run: the bytes of each group of four lanes, the bit in them where each
/// byte of a lane begins, and the bits of a lane that belong to the value.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Cut {
    bytes: [u8; 64],
    bits: [u8; 64],
    mask: u16,
}

/// By width, 0 to 16. Four values are `4 * width` bits, which
/// begin at bit 0 or 4 of a byte and so lie within eight bytes.
static PACKED: [Cut; 17] = {
    let mut cuts = [Cut { bytes: [0; 64], bits: [0; 64], mask: 0 }; 17];
    let mut at = 0;
    // A `for` loop is not allowed in a constant.
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

/// How many bytes ahead of those that are extracted are prefetched.
const AHEAD: usize = 1536;

/// The [`Cut`] of one width, in registers.
#[derive(Clone, Copy)]
struct InRegisters {
    bytes: __m512i,
    bits: __m512i,
    mask: __m512i,
}

impl Steps for InRegisters {
    const REACH: usize = 64;

    #[inline(always)]
    unsafe fn repeat(value: u16, to: *mut u16) {
        // SAFETY: by contract.
        unsafe { _mm512_storeu_si512(to.cast(), _mm512_set1_epi16(value as i16)) };
    }

    #[inline(always)]
    unsafe fn cut(self, from: *const u8, to: *mut u16) {
        // SAFETY: by contract.
        unsafe {
            // Pages that are not compressed are read from the memory map: 29.5 -> 28.4 ms for shuffled rows.
            _mm_prefetch::<_MM_HINT_T0>(from.wrapping_add(AHEAD).cast());
            let groups = _mm512_permutexvar_epi8(self.bytes, _mm512_loadu_si512(from.cast()));
            let lanes = _mm512_and_si512(_mm512_multishift_epi64_epi8(self.bits, groups), self.mask);
            _mm512_storeu_si512(to.cast(), lanes);
        }
    }
}

/// See [`super::hybrid_u16`].
///
/// # Safety
/// - The CPU has AVX-512 F, BW, VL and VBMI.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
pub unsafe fn hybrid_u16(bytes: &[u8], width: u8, at: &mut super::Between, out: &mut [u16]) -> (usize, u16) {
    let width = usize::from(width);
    let cut = &PACKED[width];
    // SAFETY: both arrays are 64 bytes long and aligned; the instruction sets are there.
    let done = unsafe {
        let lanes = InRegisters {
            bytes: _mm512_load_si512(cut.bytes.as_ptr().cast()),
            bits: _mm512_load_si512(cut.bits.as_ptr().cast()),
            mask: _mm512_set1_epi16(cut.mask as i16),
        };
        hybrid::runs(lanes, bytes, width, at, out)
    };
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
