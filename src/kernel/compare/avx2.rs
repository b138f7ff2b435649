//! AVX2.

use std::arch::x86_64::*;

use super::{Lane, line, portable_equal};

/// The comparison of a [`Lane`].
pub trait Equal: Copy {
    /// The mask of those of the first 64 `values` that equal `wanted`. Bits of rows that are not
    /// `marked` are undefined.
    ///
    /// # Safety
    /// - The CPU has AVX2.
    unsafe fn avx2_equal(values: &[Self], wanted: Self, marked: u64) -> u64;
}

by_word!("avx2,bmi1", avx2_equal);

/// The mask of the rows of a line, 64 bytes as two vectors, that have a value.
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
    // Packing works on halves: the order is 0-7, 16-23, 8-15, 24-31.
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
                    // SAFETY: 64 bytes of the values, or of the dummy line.
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
}

/// A vector has two rows of sixteen bytes; packed twice, a row is four bytes, and a vector has eight.
/// In a frame in export order few rows of a word are marked, and these are adjacent: groups of eight
/// rows without a marked one are skipped.
impl Equal for [u8; 16] {
    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    unsafe fn avx2_equal(values: &[Self], wanted: Self, marked: u64) -> u64 {
        let Some(values) = values.first_chunk::<64>() else {
            return portable_equal(values, wanted);
        };
        // SAFETY: sixteen bytes.
        let wanted = _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(wanted.as_ptr().cast()) });
        let mut bits = 0;
        if marked == u64::MAX {
            for (eight, at) in values.as_chunks::<8>().0.iter().zip((0..).step_by(8)) {
                bits |= eight_of_sixteen(eight, wanted) << at;
            }
            return bits;
        }
        let mut left = marked;
        while left != 0 {
            let at = left.trailing_zeros() & !7;
            if let Some(eight) = values.as_chunks::<8>().0.get(at as usize / 8) {
                bits |= eight_of_sixteen(eight, wanted) << at;
            }
            left &= !(0xff << at);
        }
        bits
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn eight_of_sixteen(rows: &[[u8; 16]; 8], wanted: __m256i) -> Mask {
    let four = |at: usize| {
        let from = rows.as_ptr().wrapping_add(at).cast::<__m256i>();
        // SAFETY: `at` is 0 or 4, and four rows are two vectors.
        let (a, b) = unsafe { (_mm256_loadu_si256(from), _mm256_loadu_si256(from.add(1))) };
        _mm256_packs_epi32(_mm256_cmpeq_epi32(a, wanted), _mm256_cmpeq_epi32(b, wanted))
    };
    let packed = _mm256_packs_epi16(four(0), four(4));
    let equal = _mm256_cmpeq_epi32(packed, _mm256_set1_epi32(-1));
    // Packing works on halves: the even rows come first.
    let in_order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    let equal = _mm256_castsi256_ps(_mm256_permutevar8x32_epi32(equal, in_order));
    _mm256_movemask_ps(equal) as u64
}
