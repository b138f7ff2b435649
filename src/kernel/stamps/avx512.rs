//! AVX-512 F, BW, VL; sixteen ticks a step, one text a step. Texts are loaded by a mask, so that one at the
//! end of its bytes is not copied first.

use std::arch::x86_64::*;

use super::avx2::fields;
use super::{BOUNDS, Latest, NO_DAY, Offset, Piece, day_of_fields, is_hour, is_usual_length, portable_fill};

/// See [`super::Fill`].
///
/// # Safety
/// - The CPU has AVX-512 F.
#[target_feature(enable = "avx512f,popcnt")]
pub unsafe fn fill(ticks: &[i64], piece: &Piece, days: &mut [i32]) -> usize {
    let (from, to) = (_mm512_set1_epi64(piece.from), _mm512_set1_epi64(piece.to));
    let base = _mm512_set1_epi64(piece.base);
    let shift = _mm_cvtsi32_si128(piece.shift.cast_signed());
    let (bits, less) = (_mm512_set1_epi64(0x4330_0000_0000_0000), _mm512_set1_pd(4_503_599_627_370_495.5));
    let inverse = _mm512_set1_pd(piece.inverse);
    let first_day = _mm512_set1_epi32(piece.first_day);
    // No closures: a function that takes one lacks the instruction sets, and is not inlined.
    macro_rules! quotients {
        ($ticks:expr) => {{
            let since = _mm512_srl_epi64(_mm512_sub_epi64($ticks, base), shift);
            let double = _mm512_sub_pd(_mm512_castsi512_pd(_mm512_or_si512(since, bits)), less);
            _mm512_cvttpd_epi32(_mm512_mul_pd(double, inverse))
        }};
    }
    macro_rules! inside {
        ($ticks:expr) => {
            u32::from(_mm512_cmpge_epi64_mask($ticks, from) & _mm512_cmple_epi64_mask($ticks, to))
        };
    }
    let (tick_chunks, tick_rest) = ticks.as_chunks::<16>();
    let (day_chunks, day_rest) = days.as_chunks_mut::<16>();
    let mut filled = 0;
    for (ticks, days) in tick_chunks.iter().zip(day_chunks) {
        // SAFETY: sixteen ticks.
        let (low, high) = unsafe {
            (_mm512_loadu_si512(ticks.as_ptr().cast()), _mm512_loadu_si512(ticks.as_ptr().add(8).cast()))
        };
        let halves = _mm512_castsi256_si512(quotients!(low));
        let found = _mm512_add_epi32(_mm512_inserti64x4::<1>(halves, quotients!(high)), first_day);
        let inside = inside!(low) | inside!(high) << 8;
        filled += inside.count_ones() as usize;
        // SAFETY: sixteen days.
        unsafe {
            let before = _mm512_loadu_si512(days.as_ptr().cast());
            let after = _mm512_mask_mov_epi32(before, inside as u16, found);
            _mm512_storeu_si512(days.as_mut_ptr().cast(), after);
        }
    }
    filled + portable_fill(tick_rest, piece, day_rest)
}

/// See [`super::portable_day`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2")]
fn day(bytes: &[u8], len: usize, latest: &mut Latest) -> i32 {
    debug_assert!(len <= bytes.len());
    if !is_usual_length(len) {
        return NO_DAY;
    }
    let there = u32::MAX >> (32 - len);
    // SAFETY: bytes past the text are masked off and not accessed; the bounds have 32 bytes each.
    let (text, least, over) = unsafe {
        (
            _mm256_maskz_loadu_epi8(there, bytes.as_ptr().cast()),
            _mm256_loadu_si256(BOUNDS.0.as_ptr().cast()),
            _mm256_loadu_si256(BOUNDS.1.as_ptr().cast()),
        )
    };
    let digits = _mm256_sub_epi8(text, least);
    if _mm256_mask_cmpgt_epu8_mask(there, digits, over) != 0 {
        return NO_DAY;
    }
    let text = _mm256_castsi256_si128(text);
    let second = _mm_extract_epi64::<1>(text) as u64;
    let [_, _, separator, a, b, ..] = second.to_le_bytes();
    if len > 10 && !is_hour([separator, a, b]) {
        return NO_DAY;
    }
    let head = (_mm_cvtsi128_si64(text) as u64, second as u16);
    if head == latest.head {
        return latest.day;
    }
    day_of_fields(head, fields(_mm256_castsi256_si128(digits)), latest)
}

by_text!(
    ///
    /// # Safety
    /// - The CPU has AVX-512 F, BW and VL, and AVX2.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2")]
    unsafe, day
);
