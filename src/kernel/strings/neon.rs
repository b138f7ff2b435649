//! NEON; a vector of 32 bytes is two of 16.

use std::arch::aarch64::*;

use super::{Offset, SHAPES, Shape, VECTOR, Wanted, portable_equal, starts_of_set_bits};
use crate::kernel::column_masks::WORD;
use crate::kernel::compare::neon::{mask_of_eight, mask_of_half};

/// The comparison of the lengths between [`Offset`]s.
pub trait Lengths: Sized {
    /// The mask of the rows that are `len` bytes long; differences wrap. Bits of rows that are not
    /// `marked` are undefined.
    ///
    /// # Safety
    /// - The CPU has NEON.
    unsafe fn lengths(offsets: &[Self; WORD + 1], len: Self, marked: u64) -> u64;
}

impl Lengths for i32 {
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn lengths(offsets: &[i32; WORD + 1], len: i32, marked: u64) -> u64 {
        let wanted = vdupq_n_s32(len);
        let four = |at: usize| {
            debug_assert!(at + 4 <= WORD);
            let from = offsets.as_ptr().wrapping_add(at);
            // SAFETY: `at` is at most 60, and five offsets follow.
            let (start, end) = unsafe { (vld1q_s32(from), vld1q_s32(from.add(1))) };
            vreinterpretq_u16_u32(vceqq_s32(vsubq_s32(end, start), wanted))
        };
        by_eights!(marked, |at: usize| mask_of_eight(vuzp1q_u16(four(at), four(at + 4))))
    }
}

impl Lengths for i64 {
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn lengths(offsets: &[i64; WORD + 1], len: i64, marked: u64) -> u64 {
        let wanted = vdupq_n_s64(len);
        let two = |at: usize| {
            debug_assert!(at + 2 <= WORD);
            let from = offsets.as_ptr().wrapping_add(at);
            // SAFETY: `at` is at most 62, and three offsets follow.
            let (start, end) = unsafe { (vld1q_s64(from), vld1q_s64(from.add(1))) };
            vreinterpretq_u32_u64(vceqq_s64(vsubq_s64(end, start), wanted))
        };
        let four = |at: usize| vreinterpretq_u16_u32(vuzp1q_u32(two(at), two(at + 2)));
        by_eights!(marked, |at: usize| mask_of_eight(vuzp1q_u16(four(at), four(at + 4))))
    }
}

/// Two vectors.
type Halves = [uint8x16_t; 2];

#[inline]
#[target_feature(enable = "neon")]
fn load(bytes: &[u8; VECTOR]) -> Halves {
    // SAFETY: 32 bytes.
    unsafe { [vld1q_u8(bytes.as_ptr()), vld1q_u8(bytes.as_ptr().add(16))] }
}

/// See [`super::Equal`].
///
/// # Safety
/// - The CPU has NEON.
#[target_feature(enable = "neon")]
pub unsafe fn equal<T: Offset>(offsets: &[T], bytes: &[u8], wanted: &Wanted<'_>, marked: u64) -> u64 {
    let len = wanted.string.len();
    let (Some(word), Ok(length), Some(shape)) =
        (offsets.first_chunk(), T::try_from(len), SHAPES.get(len).filter(|_| len > 0))
    else {
        return portable_equal(offsets, bytes, wanted, marked);
    };
    // SAFETY: the CPU has NEON, by contract.
    let mut left = unsafe { T::lengths(word, length, marked) } & marked;
    if left == 0 {
        return 0;
    }
    let (head, places) = (load(&wanted.head), load(&shape.places));
    // A place is at most 15 where the string fits half a vector.
    let repeated = if len <= VECTOR / 2 { places.map(|places| vqtbl1q_u8(head[0], places)) } else { head };
    let mut equal = 0;
    while left != 0 {
        let first = left.trailing_zeros();
        let n = (!(left >> first)).trailing_zeros();
        let sequence = (u64::MAX >> (64 - n)) << first;
        left &= !sequence;
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
#[target_feature(enable = "neon")]
fn repeats(bytes: &[u8], n: u32, len: usize, shape: &Shape, repeated: Halves) -> u64 {
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
        let [low, high] = load(vector);
        let same = mask_of_half([vceqq_u8(low, repeated[0]), vceqq_u8(high, repeated[1])]);
        if same & shape.whole == shape.whole {
            bits |= (u64::MAX >> (64 - shape.rows)) << row;
        } else if same & shape.firsts != 0 {
            bits |= rows_of_starts(starts_of_set_bits(same, len) & shape.firsts, len) << row;
        }
        row += shape.rows;
        // After the last strings the rest is shorter than a vector of them; it is not read again.
        rest = rest.get(shape.rows as usize * len..).unwrap_or_default();
    }
    bits & (u64::MAX >> (64 - n))
}

/// The bits of rows, from those of their first bytes: NEON does not gather bits.
#[inline]
fn rows_of_starts(mut starts: u32, len: usize) -> u64 {
    if len == 1 {
        return u64::from(starts);
    }
    let (mut bits, mut row) = (0, 0);
    while starts != 0 {
        bits |= u64::from(starts & 1) << row;
        row += 1;
        // A string of a whole vector is the only one.
        starts = starts.checked_shr(len as u32).unwrap_or(0);
    }
    bits
}
