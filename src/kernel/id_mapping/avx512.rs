//! AVX-512 F, BW; 32 rows a vector. Packed value ids: VBMI, 64 rows a vector.

use std::arch::x86_64::*;

use super::{BLOCK, FEW, NO_PARTNER_BYTE, Packed};

/// See [`super::IdMapping::matches`].
///
/// # Safety
/// - The CPU has AVX-512 F and BW.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub unsafe fn matches(table: &[u16], left: &[u16], right: &[u16]) -> bool {
    let rows = left.len().min(right.len());
    // The last entry is for the second half of a gather.
    let Some(value_ids) = table.len().checked_sub(1).filter(|value_ids| *value_ids >= FEW) else {
        return rows == 0;
    };
    // SAFETY: the table has at least `FEW` entries.
    let few = unsafe {
        [_mm512_loadu_si512(table.as_ptr().cast()), _mm512_loadu_si512(table.as_ptr().add(32).cast())]
    };
    let in_registers = value_ids == FEW;
    let last = _mm512_set1_epi16(u16::try_from(value_ids - 1).unwrap_or(u16::MAX) as i16);
    let low = _mm512_set1_epi32(0xffff);
    let mut differ = 0u32;
    for at in (0..rows).step_by(32) {
        let there = if rows - at >= 32 { u32::MAX } else { (1 << (rows - at)) - 1 };
        debug_assert!(at + there.count_ones() as usize <= rows);
        // SAFETY: lanes past the last row are masked off and not accessed.
        let (left, right) = unsafe {
            (
                _mm512_maskz_loadu_epi16(there, left.as_ptr().add(at).cast()),
                _mm512_maskz_loadu_epi16(there, right.as_ptr().add(at).cast()),
            )
        };
        // Value ids past the table have no partner.
        differ |= _mm512_mask_cmpgt_epu16_mask(there, left, last);
        let partners = if in_registers {
            _mm512_permutex2var_epi16(few[0], left, few[1])
        } else {
            let left = _mm512_min_epu16(left, last);
            let half = |value_ids: __m256i| {
                // SAFETY: value ids are at most `last`, and an entry follows the last.
                let raw = unsafe {
                    _mm512_i32gather_epi32::<2>(_mm512_cvtepu16_epi32(value_ids), table.as_ptr().cast())
                };
                _mm512_cvtepi32_epi16(_mm512_and_si512(raw, low))
            };
            let halves = [_mm512_castsi512_si256(left), _mm512_extracti64x4_epi64::<1>(left)];
            _mm512_inserti64x4::<1>(_mm512_castsi256_si512(half(halves[0])), half(halves[1]))
        };
        differ |= _mm512_mask_cmpneq_epi16_mask(there, partners, right);
    }
    differ == 0
}

/// How values are extracted from 64 bytes: the bytes of each group of eight, and the bit in
/// them where each byte of the values begins.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Cut {
    bytes: [u8; 64],
    bits: [u8; 64],
}

/// By width, 0 to 12: 64 values of up to 8 bits as one byte each, or 32 wider ones as two bytes, the
/// index in a block and the number of the block. A first bit that is not 0 is added to all bits, which
/// still lie within eight bytes: 7 + 7 * 7 + 8 and 7 + 4 + 3 * 12 + 7 + 8 are at most 64.
static CUTS: [Cut; 13] = {
    let mut cuts = [Cut { bytes: [0; 64], bits: [0; 64] }; 13];
    let mut at = 0;
    // A `for` loop is not allowed in a constant.
    while at < 13 * 64 {
        let (width, byte) = (at / 64, at % 64);
        let (group, within) = (byte / 8, byte % 8);
        let (first, bit) = if width <= 8 {
            (group * 8 * width, within * width)
        } else {
            (group * 4 * width, within / 2 * width + within % 2 * 7)
        };
        cuts[width].bytes[byte] = (first / 8 + within) as u8;
        cuts[width].bits[byte] = (first % 8 + bit) as u8;
        at += 1;
    }
    cuts
};

/// Extracts packed values from their bytes.
struct Cutter<'b> {
    bytes: &'b [u8],
    /// The byte where the next values begin.
    at: usize,
    index: __m512i,
    shifts: __m512i,
    mask: __m512i,
}

impl<'b> Cutter<'b> {
    /// Declines (`None`) widths above 12, and values of 8 bits that do not begin at a byte.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    fn new(packed: Packed<'b>) -> Option<Self> {
        let (width, first) = (usize::from(packed.width), packed.start % 8);
        let cut = CUTS.get(width).filter(|_| width > 0 && (width != 8 || first == 0))?;
        // SAFETY: both arrays are 64 bytes long and aligned.
        let (index, shifts) = unsafe {
            (_mm512_load_si512(cut.bytes.as_ptr().cast()), _mm512_load_si512(cut.bits.as_ptr().cast()))
        };
        let shifts = _mm512_add_epi8(shifts, _mm512_set1_epi8(first as i8));
        let mask = if width <= 8 {
            _mm512_set1_epi8(((1u16 << width) - 1) as i8)
        } else {
            _mm512_set1_epi16((((1u16 << (width - 7)) - 1) << 8 | 0x7f) as i16)
        };
        Some(Cutter { bytes: packed.bytes, at: packed.start / 8, index, shifts, mask })
    }

    /// Extracts the next values, which take `stored` bytes.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    fn next(&mut self, stored: usize) -> __m512i {
        let raw = match self.bytes.get(self.at..).and_then(|bytes| bytes.first_chunk::<64>()) {
            // SAFETY: 64 bytes.
            Some(whole) => unsafe { _mm512_loadu_si512(whole.as_ptr().cast()) },
            None => {
                let left = self.bytes.len().saturating_sub(self.at);
                debug_assert!(left < 64);
                // SAFETY: bytes past the end are masked off and not accessed.
                unsafe {
                    let from = self.bytes.as_ptr().wrapping_add(self.at);
                    _mm512_maskz_loadu_epi8((1 << left) - 1, from.cast())
                }
            }
        };
        self.at += stored;
        let groups = _mm512_permutexvar_epi8(self.index, raw);
        _mm512_and_si512(_mm512_multishift_epi64_epi8(self.shifts, groups), self.mask)
    }
}

/// See [`super::IdMapping::matches_packed`]; `table` is pairs of blocks of partners.
///
/// # Safety
/// - The CPU has AVX-512 F, BW, VL and VBMI.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
pub unsafe fn matches_packed(table: &[u8], left: Packed<'_>, right: Packed<'_>, rows: usize) -> Option<bool> {
    let (lefts, rights) = (Cutter::new(left)?, Cutter::new(right)?);
    match (left.width, right.width) {
        (0..=8, 0..=8) if table.len() == 2 * BLOCK => {
            let steps = (8 * usize::from(left.width), 8 * usize::from(right.width));
            Some(matches_few_packed(table, (lefts, rights), steps, rows))
        }
        (9.., 0..=8) if table.len() <= BLOCKS * BLOCK => {
            let steps = (4 * usize::from(left.width), 8 * usize::from(right.width));
            Some(matches_many_packed(table, (lefts, rights), steps, rows))
        }
        _ => None,
    }
}

/// The mask of those of the 64 rows from `at` on that exist.
#[inline]
fn there(rows: usize, at: usize) -> u64 {
    let left = rows.saturating_sub(at);
    if left >= 64 { u64::MAX } else { (1 << left) - 1 }
}

/// Whether the largest of the partners is [`NO_PARTNER_BYTE`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn is_no_partner(largest: __m512i) -> bool {
    _mm512_cmpeq_epi8_mask(largest, _mm512_set1_epi8(NO_PARTNER_BYTE as i8)) != 0
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
fn matches_few_packed(
    table: &[u8],
    (mut lefts, mut rights): (Cutter<'_>, Cutter<'_>),
    steps: (usize, usize),
    rows: usize,
) -> bool {
    let mut differ = 0u64;
    let mut largest = _mm512_setzero_si512();
    for at in (0..rows).step_by(64) {
        let there = there(rows, at);
        let partners = of_few(table, lefts.next(steps.0), steps.0);
        largest = _mm512_mask_max_epu8(largest, there, largest, partners);
        differ |= _mm512_mask_cmpneq_epi8_mask(there, partners, rights.next(steps.1));
    }
    differ == 0 && !is_no_partner(largest)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
fn matches_many_packed(
    table: &[u8],
    (mut lefts, mut rights): (Cutter<'_>, Cutter<'_>),
    steps: (usize, usize),
    rows: usize,
) -> bool {
    let mut differ = 0u64;
    let (mut largest, mut last) = (_mm512_setzero_si512(), _mm512_setzero_si512());
    let (evens, odds) = (evens(), _mm512_add_epi8(evens(), _mm512_set1_epi8(1)));
    // Two vectors per step: each block of partners is loaded once for both.
    for at in (0..rows).step_by(128) {
        let there = [there(rows, at), there(rows, at + 64)];
        let [a, b, c, d] = [(); 4].map(|()| lefts.next(steps.0));
        let blocks = [_mm512_permutex2var_epi8(a, odds, b), _mm512_permutex2var_epi8(c, odds, d)];
        // Indices in a block; each is replaced by the partner when its block is loaded.
        let mut value_ids = [_mm512_permutex2var_epi8(a, evens, b), _mm512_permutex2var_epi8(c, evens, d)];
        for block in 0..table.len() / BLOCK {
            let halves = [half(table, block * 2), half(table, block * 2 + 1)];
            let this = _mm512_set1_epi8(block as i8);
            for (value_ids, blocks) in value_ids.iter_mut().zip(blocks) {
                let in_block = _mm512_cmpeq_epi8_mask(blocks, this);
                *value_ids = _mm512_mask2_permutex2var_epi8(halves[0], *value_ids, in_block, halves[1]);
            }
        }
        for ((partners, blocks), there) in value_ids.into_iter().zip(blocks).zip(there) {
            largest = _mm512_mask_max_epu8(largest, there, largest, partners);
            last = _mm512_mask_max_epu8(last, there, last, blocks);
            differ |= _mm512_mask_cmpneq_epi8_mask(there, partners, rights.next(steps.1));
        }
    }
    // Value ids past the table have no partner.
    let past = _mm512_cmpge_epu8_mask(last, _mm512_set1_epi8((table.len() / BLOCK) as i8));
    differ == 0 && past == 0 && !is_no_partner(largest)
}

/// The most blocks of partners for value ids of more than 8 bits.
const BLOCKS: usize = 16;

/// The even bytes of two vectors.
#[inline]
#[target_feature(enable = "avx512f")]
fn evens() -> __m512i {
    static EVENS: [u8; 64] = {
        let mut evens = [0; 64];
        let mut at = 0;
        while at < 64 {
            evens[at] = at as u8 * 2;
            at += 1;
        }
        evens
    };
    // SAFETY: 64 bytes.
    unsafe { _mm512_loadu_si512(EVENS.as_ptr().cast()) }
}

/// Half `at` of the table: 64 of the 128 partners of a block.
#[inline]
#[target_feature(enable = "avx512f")]
fn half(table: &[u8], at: usize) -> __m512i {
    debug_assert!((at + 1) * 64 <= table.len());
    // SAFETY: a table is whole pairs of blocks, and callers pass halves within it.
    unsafe { _mm512_loadu_si512(table.as_ptr().add(at * 64).cast()) }
}

/// The partners of value ids below 256, the smallest size of a table.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn of_few(table: &[u8], value_ids: __m512i, step: usize) -> __m512i {
    match step / 8 {
        0..=6 => _mm512_permutexvar_epi8(value_ids, half(table, 0)),
        7 => _mm512_permutex2var_epi8(half(table, 0), value_ids, half(table, 1)),
        _ => {
            let low = _mm512_permutex2var_epi8(half(table, 0), value_ids, half(table, 1));
            let high = _mm512_movepi8_mask(value_ids);
            _mm512_mask_blend_epi8(
                high,
                low,
                _mm512_permutex2var_epi8(half(table, 2), value_ids, half(table, 3)),
            )
        }
    }
}
