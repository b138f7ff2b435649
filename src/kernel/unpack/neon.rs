//! NEON; eight values a vector, sixteen at a time.
//!
//! 1. 16-bit lanes are shifted by separate amounts (`ushl`, by negative ones to the right). So up to 9 bits eight
//!    values take three instructions: a permutation of bytes (`tbl`), a shift, a mask.
//! 2. A wider value may lie in three bytes. Four at a time are extracted in lanes of 32 bits, and the lower halves
//!    of eight are joined (`uzp1`).
//! 3. Loads are whole vectors: values closer than that to the end of the input are left to
//!    the portable path.

use std::arch::aarch64::*;

use super::hybrid::{self, Steps};

/// Bytes that eight values may read from their first one on.
const EIGHT: usize = 8 + 16;
/// Bytes that a step of sixteen values may read from its first one on.
const REACH: usize = 16 + EIGHT;

/// How eight values are extracted from the bytes where they begin, in lanes of 16 bits.
#[repr(C, align(16))]
#[derive(Clone, Copy)]
struct Narrow {
    bytes: [u8; 16],
    shifts: [i16; 8],
}

/// Widths 0 to 9, by the bit that the first value starts at.
static NARROW: [[Narrow; 8]; 10] = {
    let mut cuts = [[Narrow { bytes: [0; 16], shifts: [0; 8] }; 8]; 10];
    let mut at = 0;
    // A `for` loop is not allowed in a constant.
    while at < 10 * 8 * 8 {
        let (width, first, lane) = (at / 64, at / 8 % 8, at % 8);
        let bit = first + lane * width;
        // At most (7 + 7 * 9) / 8 + 1 = 9: within the vector.
        cuts[width][first].bytes[lane * 2] = (bit / 8) as u8;
        cuts[width][first].bytes[lane * 2 + 1] = (bit / 8) as u8 + 1;
        cuts[width][first].shifts[lane] = -((bit % 8) as i16);
        at += 1;
    }
    cuts
};

/// How eight values are extracted in lanes of 32 bits: four from the first byte on, four from
/// byte `second` on.
#[repr(C, align(16))]
#[derive(Clone, Copy)]
struct Wide {
    bytes: [u8; 32],
    shifts: [i32; 8],
    second: usize,
}

/// Widths 0 to 16, by the bit that the first value starts at.
static WIDE: [[Wide; 8]; 17] = {
    let mut cuts = [[Wide { bytes: [0; 32], shifts: [0; 8], second: 0 }; 8]; 17];
    let mut at = 0;
    while at < 17 * 8 * 8 {
        let (width, first, lane) = (at / 64, at / 8 % 8, at % 8);
        // At most (7 + 4 * 16) / 8 = 8.
        let second = (first + 4 * width) / 8;
        let bit = first + lane * width - if lane < 4 { 0 } else { 8 * second };
        let mut byte = 0;
        while byte < 4 {
            // At most (7 + 3 * 16) / 8 + 3 = 9: within the vector.
            cuts[width][first].bytes[lane * 4 + byte] = (bit / 8) as u8 + byte as u8;
            byte += 1;
        }
        cuts[width][first].shifts[lane] = -((bit % 8) as i32);
        cuts[width][first].second = second;
        at += 1;
    }
    cuts
};

/// Extracts the values of a run, eight at a time.
trait Cut: Copy {
    /// For values of `width` bits, the first of which starts at bit `first` of a byte.
    fn packed(width: usize, first: usize) -> Self;

    /// The eight values that start at `from`.
    ///
    /// # Safety
    /// - `from` is followed by [`EIGHT`] bytes.
    unsafe fn eight(self, from: *const u8) -> uint16x8_t;
}

#[derive(Clone, Copy)]
struct ByNarrow {
    bytes: uint8x16_t,
    shifts: int16x8_t,
    mask: uint16x8_t,
}

impl Cut for ByNarrow {
    #[inline(always)]
    fn packed(width: usize, first: usize) -> Self {
        let cut = &NARROW[width][first];
        // SAFETY: 16 bytes each; every aarch64 CPU has NEON.
        unsafe {
            ByNarrow {
                bytes: vld1q_u8(cut.bytes.as_ptr()),
                shifts: vld1q_s16(cut.shifts.as_ptr()),
                mask: vdupq_n_u16((1u16 << width) - 1),
            }
        }
    }

    #[inline(always)]
    unsafe fn eight(self, from: *const u8) -> uint16x8_t {
        // SAFETY: by contract.
        unsafe {
            let spread = vreinterpretq_u16_u8(vqtbl1q_u8(vld1q_u8(from), self.bytes));
            vandq_u16(vshlq_u16(spread, self.shifts), self.mask)
        }
    }
}

#[derive(Clone, Copy)]
struct ByWide {
    bytes: [uint8x16_t; 2],
    shifts: [int32x4_t; 2],
    mask: uint16x8_t,
    second: usize,
}

impl Cut for ByWide {
    #[inline(always)]
    fn packed(width: usize, first: usize) -> Self {
        let cut = &WIDE[width][first];
        // SAFETY: 32 bytes each; every aarch64 CPU has NEON.
        unsafe {
            ByWide {
                bytes: [vld1q_u8(cut.bytes.as_ptr()), vld1q_u8(cut.bytes.as_ptr().add(16))],
                shifts: [vld1q_s32(cut.shifts.as_ptr()), vld1q_s32(cut.shifts.as_ptr().add(4))],
                mask: vdupq_n_u16(((1u32 << width) - 1) as u16),
                second: cut.second,
            }
        }
    }

    #[inline(always)]
    unsafe fn eight(self, from: *const u8) -> uint16x8_t {
        // SAFETY: by contract; `second` is at most 8.
        unsafe {
            let low = vqtbl1q_u8(vld1q_u8(from), self.bytes[0]);
            let high = vqtbl1q_u8(vld1q_u8(from.add(self.second)), self.bytes[1]);
            let low = vshlq_u32(vreinterpretq_u32_u8(low), self.shifts[0]);
            let high = vshlq_u32(vreinterpretq_u32_u8(high), self.shifts[1]);
            // A value is at most 16 bits: the upper halves hold those of its neighbours.
            let joined = vuzp1q_u16(vreinterpretq_u16_u32(low), vreinterpretq_u16_u32(high));
            vandq_u16(joined, self.mask)
        }
    }
}

/// See [`super::unpack_u16`].
///
/// # Safety
/// - The CPU has NEON.
#[target_feature(enable = "neon")]
pub unsafe fn unpack_u16(bytes: &[u8], start: usize, width: u8, out: &mut [u16]) -> u16 {
    let (width, first) = (usize::from(width), start % 8);
    if width <= 9 {
        unpack(ByNarrow::packed(width, first), bytes, start, width, out)
    } else {
        unpack(ByWide::packed(width, first), bytes, start, width, out)
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn unpack(cut: impl Cut, bytes: &[u8], start: usize, width: usize, out: &mut [u16]) -> u16 {
    let (mut at, mut done) = (start / 8, 0);
    let mut max = vdupq_n_u16(0);
    while done + 16 <= out.len() && at + REACH <= bytes.len() {
        // SAFETY: `REACH` bytes follow, of which eight values take at most 16; there is room for sixteen value ids.
        unsafe {
            let from = bytes.as_ptr().add(at);
            let (low, high) = (cut.eight(from), cut.eight(from.add(width)));
            max = vmaxq_u16(max, vmaxq_u16(low, high));
            let to = out.as_mut_ptr().add(done);
            vst1q_u16(to, low);
            vst1q_u16(to.add(8), high);
        }
        at += 2 * width;
        done += 16;
    }
    let mut largest = vmaxvq_u16(max);
    if done < out.len() && at + REACH <= bytes.len() {
        // The last few are copied from whole vectors.
        let mut last = [0u16; 16];
        let left = &mut out[done..];
        // SAFETY: as above; `last` has room for sixteen value ids.
        unsafe {
            let from = bytes.as_ptr().add(at);
            vst1q_u16(last.as_mut_ptr(), cut.eight(from));
            vst1q_u16(last.as_mut_ptr().add(8), cut.eight(from.add(width)));
        }
        left.copy_from_slice(&last[..left.len()]);
        return left.iter().fold(largest, |a, b| a.max(*b));
    }
    if done < out.len() {
        let rest = super::portable_u16(bytes, start + done * width, width as u8, &mut out[done..]);
        largest = largest.max(rest);
    }
    largest
}

/// See [`super::hybrid_u16`].
///
/// # Safety
/// - The CPU has NEON.
/// - `width` is 1 to 16.
#[target_feature(enable = "neon")]
pub unsafe fn hybrid_u16(bytes: &[u8], width: u8, at: &mut super::Between, out: &mut [u16]) -> (usize, u16) {
    debug_assert!((1..=16).contains(&width));
    // SAFETY: by contract.
    unsafe {
        if width <= 9 {
            whole_runs::<ByNarrow>(bytes, usize::from(width), at, out)
        } else {
            whole_runs::<ByWide>(bytes, usize::from(width), at, out)
        }
    }
}

/// Four times eight values.
#[derive(Clone, Copy)]
struct FourTimes<C> {
    cut: C,
    /// Bytes of eight values.
    stride: usize,
}

impl<C: Cut> Steps for FourTimes<C> {
    const REACH: usize = 3 * 16 + EIGHT;

    #[inline(always)]
    unsafe fn repeat(value: u16, to: *mut u16) {
        // SAFETY: by contract.
        unsafe {
            let lanes = vdupq_n_u16(value);
            for at in 0..4 {
                vst1q_u16(to.add(at * 8), lanes);
            }
        }
    }

    #[inline(always)]
    unsafe fn cut(self, from: *const u8, to: *mut u16) {
        // SAFETY: by contract; a stride is at most 16 bytes.
        unsafe {
            for at in 0..4 {
                vst1q_u16(to.add(at * 8), self.cut.eight(from.add(at * self.stride)));
            }
        }
    }
}

/// # Safety
/// - `width` is 1 to 16, and one of the widths of `C`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn whole_runs<C: Cut>(
    bytes: &[u8],
    width: usize,
    at: &mut super::Between,
    out: &mut [u16],
) -> (usize, u16) {
    let lanes = FourTimes { cut: C::packed(width, 0), stride: width };
    // SAFETY: by contract.
    let done = unsafe { hybrid::runs(lanes, bytes, width, at, out) };
    (done, out[..done].iter().copied().max().unwrap_or(0))
}
