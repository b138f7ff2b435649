//! AVX-512 F and BW.

use std::arch::x86_64::*;

use super::{Lane, line};

/// The comparison of a [`Lane`].
pub trait Equal: Copy {
    /// The mask of those of the first 64 `values` that equal `wanted`. Bits of rows that are not
    /// `marked` are undefined.
    ///
    /// # Safety
    /// - The CPU has AVX-512 F and BW.
    unsafe fn avx512_equal(values: &[Self], wanted: Self, marked: u64) -> u64;
}

by_word!("avx512f,avx512bw", avx512_equal);

macro_rules! lanes {
    ($($type:ty, $cast:ty, $lanes:literal, $mask:ty, $load:ident, $set:ident, $equal:expr;)*) => {$(
        impl Equal for $type {
            #[inline]
            #[target_feature(enable = "avx512f,avx512bw")]
            unsafe fn avx512_equal(values: &[Self], wanted: Self, marked: u64) -> u64 {
                let wanted = $set(wanted as $cast);
                let mut bits = 0;
                if let Some(values) = values.first_chunk::<64>() {
                    for at in (0..64).step_by($lanes) {
                        let from = line(values, at, marked, $lanes);
                        // SAFETY: a whole vector of the 64 values, or the dummy line.
                        let found = unsafe { $load(<$mask>::MAX, from.cast()) };
                        let equal: $mask = $equal(<$mask>::MAX, found, wanted);
                        bits |= u64::from(equal) << at;
                    }
                    return bits;
                }
                let rows = values.len();
                for at in (0..rows).step_by($lanes) {
                    let left = rows - at;
                    let there: $mask = if left >= $lanes { <$mask>::MAX } else { (1 << left) - 1 };
                    // SAFETY: lanes past the slice's end are masked off and not accessed.
                    let found = unsafe { $load(there, values.as_ptr().add(at).cast()) };
                    let equal: $mask = $equal(there, found, wanted);
                    bits |= u64::from(equal) << at;
                }
                bits
            }
        }
    )*};
}
lanes! {
    i8, i8, 64, u64, _mm512_maskz_loadu_epi8, _mm512_set1_epi8, _mm512_mask_cmpeq_epi8_mask;
    u8, i8, 64, u64, _mm512_maskz_loadu_epi8, _mm512_set1_epi8, _mm512_mask_cmpeq_epi8_mask;
    i16, i16, 32, u32, _mm512_maskz_loadu_epi16, _mm512_set1_epi16, _mm512_mask_cmpeq_epi16_mask;
    u16, i16, 32, u32, _mm512_maskz_loadu_epi16, _mm512_set1_epi16, _mm512_mask_cmpeq_epi16_mask;
    i32, i32, 16, u16, _mm512_maskz_loadu_epi32, _mm512_set1_epi32, _mm512_mask_cmpeq_epi32_mask;
    u32, i32, 16, u16, _mm512_maskz_loadu_epi32, _mm512_set1_epi32, _mm512_mask_cmpeq_epi32_mask;
    i64, i64, 8, u8, _mm512_maskz_loadu_epi64, _mm512_set1_epi64, _mm512_mask_cmpeq_epi64_mask;
    u64, i64, 8, u8, _mm512_maskz_loadu_epi64, _mm512_set1_epi64, _mm512_mask_cmpeq_epi64_mask;
    f32, f32, 16, u16, _mm512_maskz_loadu_ps, _mm512_set1_ps, _mm512_mask_cmp_ps_mask::<_CMP_EQ_OQ>;
    f64, f64, 8, u8, _mm512_maskz_loadu_pd, _mm512_set1_pd, _mm512_mask_cmp_pd_mask::<_CMP_EQ_OQ>;
}

impl Equal for [u8; 16] {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn avx512_equal(values: &[Self], wanted: Self, marked: u64) -> u64 {
        // SAFETY: sixteen bytes.
        let wanted = _mm512_broadcast_i32x4(unsafe { _mm_loadu_si128(wanted.as_ptr().cast()) });
        let [wanted_low, wanted_high] = [
            _mm512_permutexvar_epi64(_mm512_setzero_si512(), wanted),
            _mm512_permutexvar_epi64(_mm512_set1_epi64(1), wanted),
        ];
        let mut bits = 0;
        if let Some(values) = values.first_chunk::<64>() {
            let first = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
            let second = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
            for at in (0..64).step_by(8) {
                let (a, b) = (line(values, at, marked, 4), line(values, at + 4, marked, 4));
                // SAFETY: whole vectors of the 64 values, or the dummy line.
                let (a, b) = unsafe { (_mm512_loadu_epi64(a.cast()), _mm512_loadu_epi64(b.cast())) };
                let low = _mm512_cmpeq_epi64_mask(_mm512_permutex2var_epi64(a, first, b), wanted_low);
                let high = _mm512_cmpeq_epi64_mask(_mm512_permutex2var_epi64(a, second, b), wanted_high);
                bits |= u64::from(low & high) << at;
            }
            return bits;
        }
        let rows = values.len();
        for at in (0..rows).step_by(4) {
            let left = rows - at;
            let there: u8 = if left >= 4 { u8::MAX } else { (1 << (2 * left)) - 1 };
            // SAFETY: lanes past the slice's end are masked off and not accessed.
            let found = unsafe { _mm512_maskz_loadu_epi64(there, values.as_ptr().add(at).cast()) };
            let halves = u64::from(_mm512_mask_cmpeq_epi64_mask(there, found, wanted));
            // A row is two halves: 0, 2, 4, 6 become 0, 1, 2, 3.
            let both = halves & halves >> 1;
            bits |= (both & 1 | both >> 1 & 2 | both >> 2 & 4 | both >> 3 & 8) << at;
        }
        bits
    }
}
