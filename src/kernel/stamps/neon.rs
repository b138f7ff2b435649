//! NEON; four ticks a step, one text a step. The compiler does not turn the portable division into vector instructions:
//! it takes 13 instructions for a tick, this eight.

use std::arch::aarch64::*;

use super::{BOUNDS, Latest, NO_DAY, Offset, Piece, day_of_fields, is_hour, is_usual_length, portable_fill};

/// See [`super::Fill`].
///
/// # Safety
/// - The CPU has NEON.
#[target_feature(enable = "neon")]
pub unsafe fn fill(ticks: &[i64], piece: &Piece, days: &mut [i32]) -> usize {
    let from = vdupq_n_u64(piece.from.cast_unsigned());
    // The piece is at most 2^63 ticks long.
    let reach = vdupq_n_u64(piece.to.wrapping_sub(piece.from).cast_unsigned());
    let base = vdupq_n_u64(piece.base.cast_unsigned());
    let down = vdupq_n_s64(-i64::from(piece.shift));
    let (inverse, half) = (vdupq_n_f64(piece.inverse), vdupq_n_f64(0.5 * piece.inverse));
    let first_day = vdupq_n_u32(piece.first_day.cast_unsigned());
    // The days since the first one, in the lower halves, and whether the ticks are of the piece.
    let two = |ticks: uint64x2_t| {
        let since = vcvtq_f64_u64(vshlq_u64(vsubq_u64(ticks, base), down));
        let days = vcvtq_u64_f64(vfmaq_f64(half, since, inverse));
        let inside = vcleq_u64(vsubq_u64(ticks, from), reach);
        (vreinterpretq_u32_u64(days), vreinterpretq_u32_u64(inside))
    };
    let (tick_chunks, tick_rest) = ticks.as_chunks::<4>();
    let (day_chunks, day_rest) = days.as_chunks_mut::<4>();
    let mut filled = 0;
    for (ticks, days) in tick_chunks.iter().zip(day_chunks.iter_mut()) {
        let ticks = ticks.as_ptr().cast::<u64>();
        // SAFETY: four ticks.
        let (low, high) = unsafe { (two(vld1q_u64(ticks)), two(vld1q_u64(ticks.add(2)))) };
        let found = vaddq_u32(vuzp1q_u32(low.0, high.0), first_day);
        let inside = vuzp1q_u32(low.1, high.1);
        // SAFETY: four days.
        unsafe {
            let days = days.as_mut_ptr().cast::<u32>();
            vst1q_u32(days, vbslq_u32(inside, found, vld1q_u32(days)));
        }
        // Of each lane that is inside, one bit is added.
        filled += vaddvq_u32(vshrq_n_u32::<31>(inside)) as usize;
    }
    filled + portable_fill(tick_rest, piece, day_rest)
}

/// See [`super::portable_day`].
#[inline]
#[target_feature(enable = "neon")]
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
    // SAFETY (all): 32 bytes.
    let load = |from: &[u8; 32]| unsafe { (vld1q_u8(from.as_ptr()), vld1q_u8(from.as_ptr().add(16))) };
    let (text, least, over, place) = (load(chunk), load(&BOUNDS.0), load(&BOUNDS.1), load(&PLACES));
    let digits = (vsubq_u8(text.0, least.0), vsubq_u8(text.1, least.1));
    // A byte is within its bounds, or after the text.
    let end = vdupq_n_u8(len as u8);
    let low = vorrq_u8(vcleq_u8(digits.0, over.0), vcgeq_u8(place.0, end));
    let high = vorrq_u8(vcleq_u8(digits.1, over.1), vcgeq_u8(place.1, end));
    if vminvq_u8(vandq_u8(low, high)) == 0 {
        return NO_DAY;
    }
    let halves = vreinterpretq_u64_u8(text.0);
    let (first, second) = (vgetq_lane_u64::<0>(halves), vgetq_lane_u64::<1>(halves));
    let [_, _, separator, a, b, ..] = second.to_le_bytes();
    if len > 10 && !is_hour([separator, a, b]) {
        return NO_DAY;
    }
    let head = (first, second as u16);
    if head == latest.head {
        return latest.day;
    }
    day_of_fields(head, fields(digits.0), latest)
}

/// The place of each byte of a text.
static PLACES: [u8; 32] = {
    let (mut places, mut at) = ([0; 32], 0);
    #[allow(clippy::indexing_slicing)] // a constant
    while at < 32 {
        places[at] = at as u8;
        at += 1;
    }
    places
};

/// Two halves of the year, month and day as 16-bit numbers, from the digits of `yyyy-mm-dd`.
#[inline]
#[target_feature(enable = "neon")]
fn fields(digits: uint8x16_t) -> u64 {
    static TENS_AND_ONES: [[u8; 8]; 2] = [[0, 2, 5, 8, 255, 255, 255, 255], [1, 3, 6, 9, 255, 255, 255, 255]];
    // SAFETY: eight bytes each.
    let [tens, ones] = TENS_AND_ONES.each_ref().map(|places| unsafe { vld1_u8(places.as_ptr()) });
    let numbers = vmla_u8(vqtbl1_u8(digits, ones), vqtbl1_u8(digits, tens), vdup_n_u8(10));
    vgetq_lane_u64::<0>(vreinterpretq_u64_u16(vmovl_u8(numbers)))
}

by_text!(
    ///
    /// # Safety
    /// - The CPU has NEON.
    #[target_feature(enable = "neon")]
    unsafe, day
);
