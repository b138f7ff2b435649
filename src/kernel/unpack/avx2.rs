//! AVX2; 16 rows at a time, as two halves of 16 bytes.
//!
//! 1. Eight values of 16 bits are `width` whole bytes, so both halves of a vector are
//!    extracted from their bytes in the same way, by one `vpshufb`.
//! 2. There is no shift of 16-bit lanes by separate amounts. Up to 9 bits a
//!    multiplication moves each value to the top of its lane, and one shift for all
//!    moves it down again; wider ones are extracted in lanes of 32 bits (`vpsrlvd`).
//! 3. Loads are whole vectors: values closer than that to the end of the input are left to
//!    the portable path.

use std::arch::x86_64::*;

use super::hybrid::{self, Steps};

/// Bytes that a step may read from its first one on.
const REACH: usize = 2 * 16 + 16;

/// How eight values are extracted from the bytes where they begin, in lanes of 16 bits.
#[repr(C, align(16))]
#[derive(Clone, Copy)]
struct Narrow {
    bytes: [u8; 16],
    up: [u16; 8],
}

/// Widths 0 to 9, by the bit that the first value starts at.
static NARROW: [[Narrow; 8]; 10] = {
    let mut cuts = [[Narrow { bytes: [0; 16], up: [0; 8] }; 8]; 10];
    let mut at = 0;
    // A `for` loop is not allowed in a constant.
    while at < 10 * 8 * 8 {
        let (width, first, lane) = (at / 64, at / 8 % 8, at % 8);
        let bit = first + lane * width;
        // At most (7 + 7 * 9) / 8 + 1 = 9: within the half.
        cuts[width][first].bytes[lane * 2] = (bit / 8) as u8;
        cuts[width][first].bytes[lane * 2 + 1] = (bit / 8) as u8 + 1;
        // The value's highest bit becomes bit 15. A width of 0 is shifted out later.
        cuts[width][first].up[lane] = if width == 0 { 0 } else { 1 << (16 - width - bit % 8) };
        at += 1;
    }
    cuts
};

/// How eight values are extracted in lanes of 32 bits: four from the first byte on, four from
/// byte `second` on.
#[repr(C, align(32))]
#[derive(Clone, Copy)]
struct Wide {
    bytes: [u8; 32],
    down: [u32; 8],
    second: usize,
}

/// Widths 0 to 16, by the bit that the first value starts at.
static WIDE: [[Wide; 8]; 17] = {
    let mut cuts = [[Wide { bytes: [0; 32], down: [0; 8], second: 0 }; 8]; 17];
    let mut at = 0;
    while at < 17 * 8 * 8 {
        let (width, first, lane) = (at / 64, at / 8 % 8, at % 8);
        let second = (first + 4 * width) / 8;
        let bit = first + lane * width - if lane < 4 { 0 } else { 8 * second };
        let mut byte = 0;
        while byte < 4 {
            // At most (7 + 3 * 16) / 8 + 3 = 9: within the half.
            cuts[width][first].bytes[lane * 4 + byte] = (bit / 8) as u8 + byte as u8;
            byte += 1;
        }
        cuts[width][first].down[lane] = (bit % 8) as u32;
        cuts[width][first].second = second;
        at += 1;
    }
    cuts
};

/// Sixteen bytes from `low` on and sixteen from `high` on.
///
/// # Safety
/// - `low` and `high` are followed by 16 bytes each.
#[inline(always)]
unsafe fn halves(low: *const u8, high: *const u8) -> __m256i {
    // SAFETY: by contract.
    unsafe { _mm256_loadu2_m128i(high.cast(), low.cast()) }
}

/// Extracts the values of a run, sixteen at a time.
trait Cut: Copy {
    /// For values of `width` bits, the first of which starts at bit `first` of a byte.
    fn packed(width: usize, first: usize) -> Self;

    /// The sixteen values that start at `from`.
    ///
    /// # Safety
    /// - The CPU has AVX2.
    /// - `from` is followed by [`REACH`] bytes.
    unsafe fn sixteen(self, from: *const u8) -> __m256i;
}

#[derive(Clone, Copy)]
struct ByNarrow {
    bytes: __m256i,
    up: __m256i,
    down: __m128i,
    stride: usize,
}

impl Cut for ByNarrow {
    #[inline(always)]
    fn packed(width: usize, first: usize) -> Self {
        let cut = &NARROW[width][first];
        // SAFETY: 16 bytes each; this is inlined into functions that have the instruction sets.
        unsafe {
            ByNarrow {
                bytes: _mm256_broadcastsi128_si256(_mm_load_si128(cut.bytes.as_ptr().cast())),
                up: _mm256_broadcastsi128_si256(_mm_load_si128(cut.up.as_ptr().cast())),
                down: _mm_cvtsi64_si128(16 - width as i64),
                stride: width,
            }
        }
    }

    #[inline(always)]
    unsafe fn sixteen(self, from: *const u8) -> __m256i {
        // SAFETY: by contract; a stride is at most 9 bytes.
        unsafe {
            let raw = halves(from, from.add(self.stride));
            let spread = _mm256_shuffle_epi8(raw, self.bytes);
            _mm256_srl_epi16(_mm256_mullo_epi16(spread, self.up), self.down)
        }
    }
}

#[derive(Clone, Copy)]
struct ByWide {
    bytes: __m256i,
    down: __m256i,
    mask: __m256i,
    second: usize,
    stride: usize,
}

impl Cut for ByWide {
    #[inline(always)]
    fn packed(width: usize, first: usize) -> Self {
        let cut = &WIDE[width][first];
        // SAFETY: 32 bytes each; this is inlined into functions that have the instruction sets.
        unsafe {
            ByWide {
                bytes: _mm256_load_si256(cut.bytes.as_ptr().cast()),
                down: _mm256_load_si256(cut.down.as_ptr().cast()),
                mask: _mm256_set1_epi32((1i32 << width) - 1),
                second: cut.second,
                stride: width,
            }
        }
    }

    #[inline(always)]
    unsafe fn sixteen(self, from: *const u8) -> __m256i {
        // SAFETY: by contract; a stride is at most 16 bytes, `second` at most 8.
        unsafe {
            // Packing works on halves: the order is 0-3, 8-11, 4-7, 12-15.
            let packed = _mm256_packus_epi32(self.eight(from), self.eight(from.add(self.stride)));
            _mm256_permute4x64_epi64::<0b11_01_10_00>(packed)
        }
    }
}

impl ByWide {
    /// # Safety
    /// - As [`Cut::sixteen`], with 24 bytes.
    #[inline(always)]
    unsafe fn eight(self, from: *const u8) -> __m256i {
        // SAFETY: by contract.
        unsafe {
            let spread = _mm256_shuffle_epi8(halves(from, from.add(self.second)), self.bytes);
            _mm256_and_si256(_mm256_srlv_epi32(spread, self.down), self.mask)
        }
    }
}

/// See [`super::unpack_u16`].
///
/// # Safety
/// - The CPU has AVX2 ([`crate::kernel::cpu::avx2`]).
#[target_feature(enable = "avx2")]
pub unsafe fn unpack_u16(bytes: &[u8], start: usize, width: u8, out: &mut [u16]) -> u16 {
    let (width, first) = (usize::from(width), start % 8);
    // SAFETY: the CPU has the instruction set, by contract.
    unsafe {
        if width <= 9 {
            unpack(ByNarrow::packed(width, first), bytes, start, width, out)
        } else {
            unpack(ByWide::packed(width, first), bytes, start, width, out)
        }
    }
}

/// # Safety
/// - The CPU has AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn unpack(cut: impl Cut, bytes: &[u8], start: usize, width: usize, out: &mut [u16]) -> u16 {
    let (mut at, mut done) = (start / 8, 0);
    let mut max = _mm256_setzero_si256();
    while done + 16 <= out.len() && at + REACH <= bytes.len() {
        // SAFETY: `REACH` bytes follow; there is room for sixteen value ids.
        unsafe {
            let values = cut.sixteen(bytes.as_ptr().add(at));
            max = _mm256_max_epu16(max, values);
            _mm256_storeu_si256(out.as_mut_ptr().add(done).cast(), values);
        }
        at += 2 * width;
        done += 16;
    }
    let mut largest = largest_of(max);
    if done < out.len() && at + REACH <= bytes.len() {
        // The last few are copied from a whole vector.
        let mut last = [0u16; 16];
        let left = &mut out[done..];
        // SAFETY: `REACH` bytes follow; there is room for sixteen value ids.
        unsafe { _mm256_storeu_si256(last.as_mut_ptr().cast(), cut.sixteen(bytes.as_ptr().add(at))) };
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
/// - The CPU has AVX2.
#[target_feature(enable = "avx2")]
pub unsafe fn hybrid_u16(bytes: &[u8], width: u8, at: &mut super::Between, out: &mut [u16]) -> (usize, u16) {
    // SAFETY: the CPU has the instruction set, by contract.
    unsafe {
        if width <= 9 {
            whole_runs::<ByNarrow>(bytes, usize::from(width), at, out)
        } else {
            whole_runs::<ByWide>(bytes, usize::from(width), at, out)
        }
    }
}

/// Two steps of sixteen.
#[derive(Clone, Copy)]
struct Twice<C> {
    cut: C,
    /// Bytes of sixteen values.
    stride: usize,
}

impl<C: Cut> Steps for Twice<C> {
    const REACH: usize = 2 * 16 + REACH;

    #[inline(always)]
    unsafe fn repeat(value: u16, to: *mut u16) {
        // SAFETY: by contract.
        unsafe {
            let lanes = _mm256_set1_epi16(value as i16);
            _mm256_storeu_si256(to.cast(), lanes);
            _mm256_storeu_si256(to.add(16).cast(), lanes);
        }
    }

    #[inline(always)]
    unsafe fn cut(self, from: *const u8, to: *mut u16) {
        // SAFETY: by contract; a stride is at most 32 bytes.
        unsafe {
            _mm256_storeu_si256(to.cast(), self.cut.sixteen(from));
            _mm256_storeu_si256(to.add(16).cast(), self.cut.sixteen(from.add(self.stride)));
        }
    }
}

/// # Safety
/// - The CPU has AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn whole_runs<C: Cut>(
    bytes: &[u8],
    width: usize,
    at: &mut super::Between,
    out: &mut [u16],
) -> (usize, u16) {
    let lanes = Twice { cut: C::packed(width, 0), stride: 2 * width };
    // SAFETY: by contract.
    let done = unsafe { hybrid::runs(lanes, bytes, width, at, out) };
    let mut max = _mm256_setzero_si256();
    for lanes in out[..done].chunks_exact(16) {
        // SAFETY: sixteen values.
        max = unsafe { _mm256_max_epu16(max, _mm256_loadu_si256(lanes.as_ptr().cast())) };
    }
    let rest = &out[done / 16 * 16..done];
    (done, rest.iter().fold(largest_of(max), |a, b| a.max(*b)))
}

/// The largest of 16 lanes; of the last eight, `vphminposuw` of the complement.
#[inline]
#[target_feature(enable = "avx2")]
fn largest_of(max: __m256i) -> u16 {
    let lanes = _mm_max_epu16(_mm256_castsi256_si128(max), _mm256_extracti128_si256::<1>(max));
    !(_mm_cvtsi128_si32(_mm_minpos_epu16(_mm_xor_si128(lanes, _mm_set1_epi16(-1)))) as u16)
}
