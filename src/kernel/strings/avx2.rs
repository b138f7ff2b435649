//! AVX2, and BMI2 where one value ends and the next begins.

use std::arch::x86_64::*;

use super::{Offset, SHAPES, Shape, VECTOR, Wanted, portable_equal, starts_of_set_bits};
use crate::kernel::column_masks::WORD;

/// The comparison of the lengths between [`Offset`]s.
pub trait Lengths: Sized {
    /// The mask of the rows that are `len` bytes long; differences wrap. Bits of rows that are not
    /// `marked` are undefined.
    ///
    /// # Safety
    /// - The CPU has AVX2 and BMI1.
    unsafe fn lengths(offsets: &[Self; WORD + 1], len: Self, marked: u64) -> u64;
}

impl Lengths for i32 {
    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    unsafe fn lengths(offsets: &[i32; WORD + 1], len: i32, marked: u64) -> u64 {
        let wanted = _mm256_set1_epi32(len);
        by_eights!(marked, |at: usize| {
            debug_assert!(at + 8 <= WORD);
            let from = offsets.as_ptr().wrapping_add(at);
            // SAFETY: `at` is at most 56, and nine offsets follow.
            let (start, end) =
                unsafe { (_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(1).cast())) };
            let equal = _mm256_cmpeq_epi32(_mm256_sub_epi32(end, start), wanted);
            u64::from(_mm256_movemask_ps(_mm256_castsi256_ps(equal)) as u32)
        })
    }
}

impl Lengths for i64 {
    #[inline]
    #[target_feature(enable = "avx2,bmi1")]
    unsafe fn lengths(offsets: &[i64; WORD + 1], len: i64, marked: u64) -> u64 {
        let wanted = _mm256_set1_epi64x(len);
        let four = |at: usize| {
            debug_assert!(at + 4 <= WORD);
            let from = offsets.as_ptr().wrapping_add(at);
            // SAFETY: `at` is at most 60, and five offsets follow.
            let (start, end) =
                unsafe { (_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(1).cast())) };
            let equal = _mm256_cmpeq_epi64(_mm256_sub_epi64(end, start), wanted);
            u64::from(_mm256_movemask_pd(_mm256_castsi256_pd(equal)) as u32)
        };
        by_eights!(marked, |at: usize| four(at) | four(at + 4) << 4)
    }
}

/// See [`super::Equal`].
///
/// # Safety
/// - The CPU has AVX2, BMI1 and BMI2.
#[target_feature(enable = "avx2,bmi1,bmi2")]
pub unsafe fn equal<T: Offset>(offsets: &[T], bytes: &[u8], wanted: &Wanted<'_>, marked: u64) -> u64 {
    let len = wanted.string.len();
    let (Some(word), Ok(length), Some(shape)) =
        (offsets.first_chunk(), T::try_from(len), SHAPES.get(len).filter(|_| len > 0))
    else {
        return portable_equal(offsets, bytes, wanted, marked);
    };
    // SAFETY: the CPU has the instruction sets, by contract.
    let mut left = unsafe { T::lengths(word, length, marked) } & marked;
    if left == 0 {
        return 0;
    }
    // SAFETY: 32 bytes each.
    let (head, places) = unsafe {
        (_mm256_loadu_si256(wanted.head.as_ptr().cast()), _mm256_loadu_si256(shape.places.as_ptr().cast()))
    };
    let half = _mm256_broadcastsi128_si256(_mm256_castsi256_si128(head));
    let repeated = if len <= VECTOR / 2 { _mm256_shuffle_epi8(half, places) } else { head };
    let mut equal = 0;
    while left != 0 {
        let first = left.trailing_zeros();
        let n = (!(left >> first)).trailing_zeros();
        let sequence = (u64::MAX >> (64 - n)) << first;
        left &= !sequence;
        // No closures: a function that takes one lacks the instruction sets, and is not inlined.
        if let Some(start) = word.get(first as usize)
            && let Ok(start) = TryInto::<usize>::try_into(*start)
            && let Some(bytes) = bytes.get(start..)
            && bytes.len() >= n as usize * len
        {
            equal |= repeats(bytes, n, len, shape, repeated) << first;
        } else {
            equal |= portable_equal(offsets, bytes, wanted, sequence);
        }
    }
    equal
}

/// The mask of those of the `n` strings of `len` bytes at the start of `bytes` that equal the string
/// that `repeated` holds.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn repeats(bytes: &[u8], n: u32, len: usize, shape: &Shape, repeated: __m256i) -> u64 {
    debug_assert!(bytes.len() >= n as usize * len);
    let (mut bits, mut rest, mut row) = (0, bytes, 0);
    while row < n {
        let mut padded = [0; VECTOR];
        let vector = match rest.first_chunk() {
            Some(vector) => vector,
            None => {
                padded.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                &padded
            }
        };
        // SAFETY: 32 bytes.
        let vector = unsafe { _mm256_loadu_si256(vector.as_ptr().cast()) };
        let same = _mm256_movemask_epi8(_mm256_cmpeq_epi8(vector, repeated)) as u32;
        if same & shape.whole == shape.whole {
            bits |= (u64::MAX >> (64 - shape.rows)) << row;
        } else if same & shape.firsts != 0 {
            bits |= u64::from(_pext_u32(starts_of_set_bits(same, len), shape.firsts)) << row;
        }
        row += shape.rows;
        // After the last strings the rest is shorter than a vector of them; it is not read again.
        rest = rest.get(shape.rows as usize * len..).unwrap_or_default();
    }
    bits & (u64::MAX >> (64 - n))
}
