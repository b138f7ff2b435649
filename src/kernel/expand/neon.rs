//! NEON; eight rows a vector.

use std::arch::aarch64::*;

use super::ROWS;

/// See [`super::expand`].
///
/// # Safety
/// - The CPU has NEON.
#[target_feature(enable = "neon")]
pub unsafe fn expand(levels: &[u16], max: u16, null: u16, values: &[u16; ROWS], out: &mut [u16]) {
    let (max_levels, nulls, none) = (vdupq_n_u16(max), vdupq_n_u16(null), vdupq_n_u16(0));
    // The two bytes of value `n` are `2 * n` and `2 * n + 1`: `n * 0x0202 + 0x0100`. Counts begin at 1.
    let (twice, first) = (vdupq_n_u16(0x0202), vdupq_n_u16(0x0100_u16.wrapping_sub(0x0202)));
    let (mut next, mut done) = (0, 0);
    for (levels, out) in levels.as_chunks::<8>().0.iter().zip(out.as_chunks_mut::<8>().0.iter_mut()) {
        // A vector of values is left: no more values than rows are used, and there are eight more rows.
        let Some(packed) = values.get(next..).and_then(|values| values.first_chunk::<8>()) else { break };
        // SAFETY: eight levels and eight values.
        let (levels, packed) = unsafe { (vld1q_u16(levels.as_ptr()), vld1q_u16(packed.as_ptr())) };
        let is_present = vceqq_u16(levels, max_levels);
        // How many of the rows up to each one are present: of two, of four, of eight.
        let one = vshrq_n_u16::<15>(is_present);
        let two = vaddq_u16(one, vextq_u16::<7>(none, one));
        let four = vaddq_u16(two, vextq_u16::<6>(none, two));
        let eight = vaddq_u16(four, vextq_u16::<4>(none, four));
        let places = vreinterpretq_u8_u16(vmlaq_u16(first, eight, twice));
        let expanded = vreinterpretq_u16_u8(vqtbl1q_u8(vreinterpretq_u8_u16(packed), places));
        // SAFETY: eight rows.
        unsafe { vst1q_u16(out.as_mut_ptr(), vbslq_u16(is_present, expanded, nulls)) };
        next += usize::from(vgetq_lane_u16::<7>(eight));
        done += 8;
    }
    let rest = levels.get(done..).unwrap_or_default();
    for (level, out) in rest.iter().zip(out.get_mut(done..).unwrap_or_default()) {
        let is_present = *level == max;
        *out = values.get(next).copied().filter(|_| is_present).unwrap_or(null);
        next += usize::from(is_present);
    }
}
