//! AVX2.

use std::arch::x86_64::*;

use super::{Lane, line, portable_equal};

/// What a [`Lane`] has to be able to do here.
pub trait Equal: Copy {
    /// The rows of `values`, of which the first 64 are looked at, that equal `wanted`; any bits
    /// for rows that are not `marked`.
    ///
    /// # Safety
    /// - The CPU has AVX2.
    unsafe fn avx2_equal(values: &[Self], wanted: Self, marked: u64) -> u64;
}

by_word!("avx2,bmi1", avx2_equal);

/// The rows of a line, 64 bytes as two vectors, that hold a value.
type Mask = u64;

#[inline]
#[target_feature(enable = "avx2")]
fn bytes(a: __m256i, b: __m256i, wanted: __m256i) -> Mask {
    let mask = |v| u64::from(_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, wanted)) as u32);
    mask(a) | mask(b) << 32
}

#[inline]
#[target_feature(enable = "avx2")]
fn words(a: __m256i, b: __m256i, wanted: __m256i) -> Mask {
    let packed = _mm256_packs_epi16(_mm256_cmpeq_epi16(a, wanted), _mm256_cmpeq_epi16(b, wanted));
    // Packing goes by halves: 0-7, 16-23, 8-15, 24-31.
    u64::from(_mm256_movemask_epi8(_mm256_permute4x64_epi64::<0b11_01_10_00>(packed)) as u32)
}

#[inline]
#[target_feature(enable = "avx2")]
fn fours(a: __m256i, b: __m256i, wanted: __m256i) -> Mask {
    let mask = |v| _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(v, wanted))) as u64;
    mask(a) | mask(b) << 8
}

#[inline]
#[target_feature(enable = "avx2")]
fn eights(a: __m256i, b: __m256i, wanted: __m256i) -> Mask {
    let mask = |v| _mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpeq_epi64(v, wanted))) as u64;
    mask(a) | mask(b) << 4
}

#[inline]
#[target_feature(enable = "avx2")]
fn floats(a: __m256i, b: __m256i, wanted: __m256i) -> Mask {
    let wanted = _mm256_castsi256_ps(wanted);
    let mask = |v| _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_EQ_OQ>(_mm256_castsi256_ps(v), wanted)) as u64;
    mask(a) | mask(b) << 8
}

#[inline]
#[target_feature(enable = "avx2")]
fn doubles(a: __m256i, b: __m256i, wanted: __m256i) -> Mask {
    let wanted = _mm256_castsi256_pd(wanted);
    let mask = |v| _mm256_movemask_pd(_mm256_cmp_pd::<_CMP_EQ_OQ>(_mm256_castsi256_pd(v), wanted)) as u64;
    mask(a) | mask(b) << 4
}

/// Values of sixteen bytes: two a vector, of which both halves have to be equal.
#[inline]
#[target_feature(enable = "avx2")]
fn sixteens(a: __m256i, b: __m256i, wanted: __m256i) -> Mask {
    let halves = eights(a, b, wanted);
    let both = halves & halves >> 1;
    // A row is two halves: 0, 2, 4, 6 become 0, 1, 2, 3.
    both & 1 | both >> 1 & 2 | both >> 2 & 4 | both >> 3 & 8
}

macro_rules! lanes {
    ($($type:ty, $lanes:literal, $of:expr, $equal:ident;)*) => {$(
        impl Equal for $type {
            #[inline]
            #[target_feature(enable = "avx2")]
            unsafe fn avx2_equal(values: &[Self], wanted: Self, marked: u64) -> u64 {
                let Some(values) = values.first_chunk::<64>() else {
                    return portable_equal(values, wanted);
                };
                let wanted = $of(wanted);
                let mut bits = 0;
                for at in (0..64).step_by($lanes) {
                    let from = line(values, at, marked, $lanes);
                    // SAFETY: 64 bytes of the values, or of the line that stands in for them.
                    let (a, b) = unsafe {
                        (_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(32).cast()))
                    };
                    bits |= $equal(a, b, wanted) << at;
                }
                bits
            }
        }
    )*};
}
lanes! {
    i8, 64, _mm256_set1_epi8, bytes;
    u8, 64, |v: u8| _mm256_set1_epi8(v as i8), bytes;
    i16, 32, _mm256_set1_epi16, words;
    u16, 32, |v: u16| _mm256_set1_epi16(v as i16), words;
    i32, 16, _mm256_set1_epi32, fours;
    u32, 16, |v: u32| _mm256_set1_epi32(v as i32), fours;
    i64, 8, _mm256_set1_epi64x, eights;
    u64, 8, |v: u64| _mm256_set1_epi64x(v as i64), eights;
    f32, 16, |v: f32| _mm256_castps_si256(_mm256_set1_ps(v)), floats;
    f64, 8, |v: f64| _mm256_castpd_si256(_mm256_set1_pd(v)), doubles;
    [u8; 16], 4, |v: [u8; 16]| {
        let v = u128::from_le_bytes(v);
        #[allow(clippy::cast_possible_truncation)] // the lower half
        let (low, high) = (v as i64, (v >> 64) as i64);
        _mm256_set_epi64x(high, low, high, low)
    }, sixteens;
}
