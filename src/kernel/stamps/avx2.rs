//! AVX2; eight ticks a step, one text a step.

use std::arch::x86_64::*;

use super::{BOUNDS, Latest, NO_DAY, Offset, Piece, day_of_fields, is_hour, is_usual_length, portable_fill};

/// The bits of 2^52 as a double. Or-ed to those of an integer below it they are the double of their sum.
const TWO_52: i64 = 0x4330_0000_0000_0000;

/// See [`super::Fill`].
///
/// # Safety
/// - The CPU has AVX2.
#[target_feature(enable = "avx2,popcnt")]
pub unsafe fn fill(ticks: &[i64], piece: &Piece, days: &mut [i32]) -> usize {
    let (from, to) = (_mm256_set1_epi64x(piece.from), _mm256_set1_epi64x(piece.to));
    let base = _mm256_set1_epi64x(piece.base);
    let shift = _mm_cvtsi32_si128(piece.shift.cast_signed());
    let (bits, less) = (_mm256_set1_epi64x(TWO_52), _mm256_set1_pd(4_503_599_627_370_495.5));
    let inverse = _mm256_set1_pd(piece.inverse);
    let first_day = _mm256_set1_epi32(piece.first_day);
    // No closures: a function that takes one lacks the instruction sets, and is not inlined.
    macro_rules! quotients {
        ($ticks:expr) => {{
            let since = _mm256_srl_epi64(_mm256_sub_epi64($ticks, base), shift);
            let double = _mm256_sub_pd(_mm256_castsi256_pd(_mm256_or_si256(since, bits)), less);
            _mm256_cvttpd_epi32(_mm256_mul_pd(double, inverse))
        }};
    }
    macro_rules! outside {
        ($ticks:expr) => {
            _mm256_castsi256_ps(_mm256_or_si256(
                _mm256_cmpgt_epi64(from, $ticks),
                _mm256_cmpgt_epi64($ticks, to),
            ))
        };
    }
    let (tick_chunks, tick_rest) = ticks.as_chunks::<8>();
    let (day_chunks, day_rest) = days.as_chunks_mut::<8>();
    let mut filled = 0;
    for (ticks, days) in tick_chunks.iter().zip(day_chunks) {
        // SAFETY: eight ticks.
        let (low, high) = unsafe {
            (_mm256_loadu_si256(ticks.as_ptr().cast()), _mm256_loadu_si256(ticks.as_ptr().add(4).cast()))
        };
        let found = _mm256_add_epi32(_mm256_set_m128i(quotients!(high), quotients!(low)), first_day);
        // The masks of 64-bit lanes to 32-bit lanes: of each the lower half, then the quarters in order.
        let halves = _mm256_shuffle_ps::<0b10_00_10_00>(outside!(low), outside!(high));
        let outside = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_castps_si256(halves));
        filled += 8 - (_mm256_movemask_ps(_mm256_castsi256_ps(outside)) as u32).count_ones() as usize;
        // SAFETY: eight days.
        unsafe {
            let before = _mm256_loadu_si256(days.as_ptr().cast());
            let after = _mm256_blendv_epi8(found, before, outside);
            _mm256_storeu_si256(days.as_mut_ptr().cast(), after);
        }
    }
    filled + portable_fill(tick_rest, piece, day_rest)
}

/// See [`super::portable_day`].
#[inline]
#[target_feature(enable = "avx2")]
fn day(bytes: &[u8], len: usize, latest: &mut Latest) -> i32 {
    debug_assert!(len <= bytes.len());
    if !is_usual_length(len) {
        return NO_DAY;
    }
    let mut padded = [0; 32];
    let chunk = match bytes.first_chunk::<32>() {
        Some(chunk) => chunk,
        None => {
            padded.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            &padded
        }
    };
    // SAFETY: 32 bytes each.
    let (text, least, over) = unsafe {
        (
            _mm256_loadu_si256(chunk.as_ptr().cast()),
            _mm256_loadu_si256(BOUNDS.0.as_ptr().cast()),
            _mm256_loadu_si256(BOUNDS.1.as_ptr().cast()),
        )
    };
    let digits = _mm256_sub_epi8(text, least);
    let within = _mm256_cmpeq_epi8(_mm256_min_epu8(digits, over), digits);
    let wanted = u32::MAX >> (32 - len);
    if _mm256_movemask_epi8(within) as u32 & wanted != wanted {
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

/// Two halves of the year, month and day as 16-bit numbers, from the digits of `yyyy-mm-dd`.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn fields(digits: __m128i) -> u64 {
    let places = _mm_setr_epi8(0, 1, 2, 3, 5, 6, 8, 9, -1, -1, -1, -1, -1, -1, -1, -1);
    let weights = _mm_set1_epi16(0x010a);
    _mm_cvtsi128_si64(_mm_maddubs_epi16(_mm_shuffle_epi8(digits, places), weights)) as u64
}

by_text!(
    ///
    /// # Safety
    /// - The CPU has AVX2.
    #[target_feature(enable = "avx2")]
    unsafe, day
);
