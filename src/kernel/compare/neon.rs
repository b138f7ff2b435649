//! NEON. There is no instruction that moves the comparison of a vector to the bits of a number: the comparisons of a
//! word of 64 rows are narrowed to a byte a row, each byte keeps one bit, and neighbours are added three times. One
//! such step for 64 rows costs less than one for each vector.

use std::arch::aarch64::*;
use std::convert::identity;

use super::{Lane, line, portable_equal};

/// The comparison of a [`Lane`].
pub trait Equal: Copy {
    /// The mask of those of the first 64 `values` that equal `wanted`. Bits of rows that are not
    /// `marked` are undefined.
    ///
    /// # Safety
    /// - The CPU has NEON.
    unsafe fn neon_equal(values: &[Self], wanted: Self, marked: u64) -> u64;
}

by_word!("neon", neon_equal);

/// The mask of the rows of 64 bytes that are 0xff; the others are 0.
#[inline]
#[target_feature(enable = "neon")]
pub fn mask_of(rows: [uint8x16_t; 4]) -> u64 {
    // A byte has the bits of one row, of two, of four, of eight.
    let [a, b, c, d] = rows.map(|rows| bit_of_row(rows));
    let four = vpaddq_u8(vpaddq_u8(a, b), vpaddq_u8(c, d));
    vgetq_lane_u64::<0>(vreinterpretq_u64_u8(vpaddq_u8(four, four)))
}

/// [`mask_of`] for 32 bytes.
#[inline]
#[target_feature(enable = "neon")]
pub fn mask_of_half(rows: [uint8x16_t; 2]) -> u32 {
    let [a, b] = rows.map(|rows| bit_of_row(rows));
    let two = vpaddq_u8(a, b);
    let four = vpaddq_u8(two, two);
    vgetq_lane_u32::<0>(vreinterpretq_u32_u8(vpaddq_u8(four, four)))
}

/// Of each byte, 0 or 0xff, the bit of its place among eight.
#[inline]
#[target_feature(enable = "neon")]
fn bit_of_row(rows: uint8x16_t) -> uint8x16_t {
    vandq_u8(rows, vreinterpretq_u8_u64(vdupq_n_u64(0x8040_2010_0804_0201)))
}

/// The mask of those of eight rows that are 0xffff; the others are 0.
#[inline]
#[target_feature(enable = "neon")]
pub fn mask_of_eight(rows: uint16x8_t) -> u64 {
    static BIT_OF_ROW: [u16; 8] = [1, 2, 4, 8, 16, 32, 64, 128];
    // SAFETY: eight numbers of 16 bits.
    let bit_of_row = unsafe { vld1q_u16(BIT_OF_ROW.as_ptr()) };
    u64::from(vaddvq_u16(vandq_u16(rows, bit_of_row)))
}

/// Of two vectors the lower halves of each pair of bytes; a pair is 0 or 0xffff.
#[inline]
#[target_feature(enable = "neon")]
fn halve_2(a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
    vuzp1q_u8(a, b)
}

/// [`halve_2`] for four bytes.
#[inline]
#[target_feature(enable = "neon")]
fn halve_4(a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
    vreinterpretq_u8_u16(vuzp1q_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b)))
}

/// [`halve_2`] for eight bytes.
#[inline]
#[target_feature(enable = "neon")]
fn halve_8(a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
    vreinterpretq_u8_u32(vuzp1q_u32(vreinterpretq_u32_u8(a), vreinterpretq_u32_u8(b)))
}

/// A byte for each of the sixteen rows from `at` on: 0xff if its value is equal, by the comparison of a vector.
#[inline]
#[target_feature(enable = "neon")]
fn sixteen<T>(
    values: &[T; 64],
    at: usize,
    marked: u64,
    equal: impl Fn(uint8x16_t) -> uint8x16_t,
) -> uint8x16_t {
    let rows_of_line = 64 / size_of::<T>();
    let compare = |vector: usize| {
        let byte = at * size_of::<T>() + vector * 16;
        let from = line(values, byte / 64 * rows_of_line, marked, rows_of_line as u32);
        // SAFETY: 16 of the 64 bytes of a line of the values, or of the dummy line.
        equal(unsafe { vld1q_u8(from.add(byte % 64)) })
    };
    match size_of::<T>() {
        1 => compare(0),
        2 => halve_2(compare(0), compare(1)),
        4 => halve_2(halve_4(compare(0), compare(1)), halve_4(compare(2), compare(3))),
        _ => {
            let four = |at: usize| {
                halve_4(halve_8(compare(at), compare(at + 1)), halve_8(compare(at + 2), compare(at + 3)))
            };
            halve_2(four(0), four(4))
        }
    }
}

macro_rules! lanes {
    ($($type:ty, $set:ident, $load:ident, $equal:ident, $as_bytes:ident;)*) => {$(
        impl Equal for $type {
            #[inline]
            #[target_feature(enable = "neon")]
            unsafe fn neon_equal(values: &[Self], wanted: Self, marked: u64) -> u64 {
                let Some(values) = values.first_chunk::<64>() else {
                    return portable_equal(values, wanted);
                };
                let wanted = $set(wanted);
                let equal = |found: uint8x16_t| $as_bytes($equal($load(found), wanted));
                let rows = |at| sixteen(values, at, marked, equal);
                mask_of([rows(0), rows(16), rows(32), rows(48)])
            }
        }
    )*};
}
lanes! {
    i8, vdupq_n_s8, vreinterpretq_s8_u8, vceqq_s8, identity;
    u8, vdupq_n_u8, identity, vceqq_u8, identity;
    i16, vdupq_n_s16, vreinterpretq_s16_u8, vceqq_s16, vreinterpretq_u8_u16;
    u16, vdupq_n_u16, vreinterpretq_u16_u8, vceqq_u16, vreinterpretq_u8_u16;
    i32, vdupq_n_s32, vreinterpretq_s32_u8, vceqq_s32, vreinterpretq_u8_u32;
    u32, vdupq_n_u32, vreinterpretq_u32_u8, vceqq_u32, vreinterpretq_u8_u32;
    i64, vdupq_n_s64, vreinterpretq_s64_u8, vceqq_s64, vreinterpretq_u8_u64;
    u64, vdupq_n_u64, vreinterpretq_u64_u8, vceqq_u64, vreinterpretq_u8_u64;
    f32, vdupq_n_f32, vreinterpretq_f32_u8, vceqq_f32, vreinterpretq_u8_u32;
    f64, vdupq_n_f64, vreinterpretq_f64_u8, vceqq_f64, vreinterpretq_u8_u64;
}

/// A row is a vector; the comparisons of eight rows become one. In a frame in export order few rows of a word are
/// marked, and these are adjacent: groups of eight rows without a marked one are skipped.
impl Equal for [u8; 16] {
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn neon_equal(values: &[Self], wanted: Self, marked: u64) -> u64 {
        let Some(values) = values.first_chunk::<64>() else {
            return portable_equal(values, wanted);
        };
        // SAFETY: sixteen bytes.
        let wanted = unsafe { vld1q_u8(wanted.as_ptr()) };
        let (mut bits, mut left) = (0, marked);
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
#[target_feature(enable = "neon")]
fn eight_of_sixteen(rows: &[[u8; 16]; 8], wanted: uint8x16_t) -> u64 {
    let wanted = vreinterpretq_u32_u8(wanted);
    let [a, b, c, d, e, f, g, h] = rows.each_ref().map(|row| {
        // SAFETY: sixteen bytes.
        let row = unsafe { vld1q_u8(row.as_ptr()) };
        vceqq_u32(vreinterpretq_u32_u8(row), wanted)
    });
    // The least of a row's four comparisons: of two of them, then of all.
    let [ab, cd, ef, gh] = [vpminq_u32(a, b), vpminq_u32(c, d), vpminq_u32(e, f), vpminq_u32(g, h)];
    let (low, high) = (vpminq_u32(ab, cd), vpminq_u32(ef, gh));
    mask_of_eight(vuzp1q_u16(vreinterpretq_u16_u32(low), vreinterpretq_u16_u32(high)))
}
