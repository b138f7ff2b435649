//! Bit-packed integers of 0 to 32 bits, least significant bit first, to `u16`
//! or `u32` (parquet-format, Encodings.md, "Run Length Encoding / Bit-Packing
//! Hybrid").
//!
//! ```text
//! for i in 0..out.len():
//!     out[i] = bits[start + i * width ..][..width]
//! ```
//!
//! 1. A value of at most 25 bits lies within the four bytes that begin at the
//!    byte of its first bit; one of at most 9 bits within two. So a vector of
//!    lanes is: gather each lane's bytes (`vpermb`), shift each lane by its own
//!    amount, mask.
//! 2. 32 lanes of `width` bits are `4 * width` whole bytes: the lane's byte
//!    numbers and shifts are the same for every following vector, whatever bit
//!    the first one starts at. They are computed once a call.
//! 3. Vectors load 64 bytes; they stop where fewer are left and the portable
//!    loop, which takes 8 bytes at a time and then the last few one by one,
//!    finishes.

/// Unpacks `out.len()` values of `width` bits, the first of which starts at bit
/// `start` of `bytes`. Bits past the end of `bytes` read as zero; callers check
/// the length of a run before they unpack it.
///
/// `width` is at most 16 here; higher bits of a wider value are cut off.
#[inline]
pub fn unpack_u16(bytes: &[u8], start: usize, width: u8, out: &mut [u16]) {
    #[cfg(target_arch = "x86_64")]
    if width <= 16 && super::cpu::avx512() {
        // SAFETY: the instruction sets that the function names were found.
        #[allow(unsafe_code)]
        return unsafe { avx512::unpack_u16(bytes, start, width, out) };
    }
    portable_u16(bytes, start, width, out);
}

/// The same without vectors.
pub fn portable_u16(bytes: &[u8], start: usize, width: u8, out: &mut [u16]) {
    #[allow(clippy::cast_possible_truncation)] // masked to `width` bits
    portable(bytes, start, width, out, |v| v as u16);
}

/// Unpacks values of up to 32 bits.
pub fn unpack_u32(bytes: &[u8], start: usize, width: u8, out: &mut [u32]) {
    #[allow(clippy::cast_possible_truncation)] // masked to `width` bits
    portable(bytes, start, width, out, |v| v as u32);
}

#[inline]
fn portable<T>(bytes: &[u8], start: usize, width: u8, out: &mut [T], narrow: impl Fn(u64) -> T) {
    let mask = (1u64 << width.min(32)) - 1;
    let mut bit = start;
    for slot in out {
        *slot = narrow(word(bytes, bit >> 3) >> (bit & 7) & mask);
        bit += usize::from(width);
    }
}

/// One value, at any bit.
#[inline]
pub fn value_at(bytes: &[u8], bit: usize, width: u8) -> u32 {
    #[allow(clippy::cast_possible_truncation)] // masked to at most 32 bits
    return (word(bytes, bit >> 3) >> (bit & 7) & ((1u64 << width.min(32)) - 1)) as u32;
}

/// The eight bytes from `at` on, zeros past the end.
#[inline]
fn word(bytes: &[u8], at: usize) -> u64 {
    if let Some(eight) = bytes.get(at..).and_then(|b| b.first_chunk::<8>()) {
        return u64::from_le_bytes(*eight);
    }
    let mut eight = [0; 8];
    for (to, from) in eight.iter_mut().zip(bytes.get(at..).unwrap_or_default()) {
        *to = *from;
    }
    u64::from_le_bytes(eight)
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, clippy::cast_possible_wrap, clippy::cast_possible_truncation)]
pub mod avx512 {
    //! AVX-512 F, BW, VBMI.

    use std::arch::x86_64::*;

    /// See [`super::unpack_u16`].
    ///
    /// # Safety
    /// - The CPU has AVX-512 F, BW and VBMI ([`crate::kernel::cpu::avx512`]).
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    pub unsafe fn unpack_u16(bytes: &[u8], start: usize, width: u8, out: &mut [u16]) {
        let (done, bit) =
            if width <= 9 { narrow(bytes, start, width, out) } else { wide(bytes, start, width, out) };
        if let Some(rest) = out.get_mut(done..) {
            super::portable_u16(bytes, bit, width, rest);
        }
    }

    /// Widths up to 9: 32 lanes of 16 bits. Returns values done and the next bit.
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    fn narrow(bytes: &[u8], start: usize, width: u8, out: &mut [u16]) -> (usize, usize) {
        let mut lane_bytes = [0u8; 64];
        let mut lane_shifts = [0u16; 32];
        for lane in 0..32usize {
            let bit = (start & 7) + lane * usize::from(width);
            // At most (7 + 31 * 9) / 8 + 1 = 36: within the 64 bytes loaded.
            lane_bytes[lane * 2] = (bit >> 3) as u8;
            lane_bytes[lane * 2 + 1] = (bit >> 3) as u8 + 1;
            lane_shifts[lane] = (bit & 7) as u16;
        }
        // SAFETY: both arrays are as long as the vectors.
        let (index, shift) = unsafe {
            (_mm512_loadu_si512(lane_bytes.as_ptr().cast()), _mm512_loadu_si512(lane_shifts.as_ptr().cast()))
        };
        let mask = _mm512_set1_epi16(((1u32 << width) - 1) as i16);
        let step = 4 * usize::from(width);
        let mut at = start >> 3;
        let mut done = 0;
        while done + 32 <= out.len() && at + 64 <= bytes.len() {
            debug_assert!(bytes.get(at..at + 64).is_some() && out.get(done..done + 32).is_some());
            // SAFETY: the loop's condition leaves 64 bytes to read and 32 slots to write.
            unsafe {
                let raw = _mm512_loadu_si512(bytes.as_ptr().add(at).cast());
                let lanes = _mm512_srlv_epi16(_mm512_permutexvar_epi8(index, raw), shift);
                _mm512_storeu_si512(out.as_mut_ptr().add(done).cast(), _mm512_and_si512(lanes, mask));
            }
            at += step;
            done += 32;
        }
        (done, start + done * usize::from(width))
    }

    /// Widths up to 16: 16 lanes of 32 bits, narrowed.
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    fn wide(bytes: &[u8], start: usize, width: u8, out: &mut [u16]) -> (usize, usize) {
        let mut lane_bytes = [0u8; 64];
        let mut lane_shifts = [0u32; 16];
        for lane in 0..16usize {
            let bit = (start & 7) + lane * usize::from(width);
            // At most (7 + 15 * 16) / 8 + 3 = 33: within the 64 bytes loaded.
            for byte in 0..4 {
                lane_bytes[lane * 4 + byte] = (bit >> 3) as u8 + byte as u8;
            }
            lane_shifts[lane] = (bit & 7) as u32;
        }
        // SAFETY: both arrays are as long as the vectors.
        let (index, shift) = unsafe {
            (_mm512_loadu_si512(lane_bytes.as_ptr().cast()), _mm512_loadu_si512(lane_shifts.as_ptr().cast()))
        };
        let mask = _mm512_set1_epi32((1i32 << width) - 1);
        let step = 2 * usize::from(width);
        let mut at = start >> 3;
        let mut done = 0;
        while done + 16 <= out.len() && at + 64 <= bytes.len() {
            debug_assert!(bytes.get(at..at + 64).is_some() && out.get(done..done + 16).is_some());
            // SAFETY: the loop's condition leaves 64 bytes to read and 16 slots to write.
            unsafe {
                let raw = _mm512_loadu_si512(bytes.as_ptr().add(at).cast());
                let lanes = _mm512_srlv_epi32(_mm512_permutexvar_epi8(index, raw), shift);
                let low = _mm512_cvtepi32_epi16(_mm512_and_si512(lanes, mask));
                _mm256_storeu_si256(out.as_mut_ptr().add(done).cast(), low);
            }
            at += step;
            done += 16;
        }
        (done, start + done * usize::from(width))
    }
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, bit by bit.
    fn naive(bytes: &[u8], start: usize, width: u8, n: usize) -> Vec<u32> {
        let bit = |at: usize| bytes.get(at >> 3).map_or(0, |b| u32::from(b >> (at & 7) & 1));
        (0..n)
            .map(|i| (0..usize::from(width)).map(|b| bit(start + i * usize::from(width) + b) << b).sum())
            .collect()
    }

    proptest! {
        #[test]
        fn every_path_unpacks_what_the_definition_says(
            bytes in proptest::collection::vec(any::<u8>(), 0..400),
            start in 0usize..64,
            width in 0u8..=32,
            n in 0usize..300,
        ) {
            let want = naive(&bytes, start, width, n);
            let mut wide = vec![0; n];
            unpack_u32(&bytes, start, width, &mut wide);
            prop_assert_eq!(&wide, &want);
            for (i, v) in want.iter().enumerate() {
                prop_assert_eq!(value_at(&bytes, start + i * usize::from(width), width), *v);
            }
            if width <= 16 {
                let want: Vec<u16> = want.iter().map(|v| *v as u16).collect();
                let mut got = vec![0; n];
                portable_u16(&bytes, start, width, &mut got);
                prop_assert_eq!(&got, &want);
                got.fill(7);
                unpack_u16(&bytes, start, width, &mut got);
                prop_assert_eq!(&got, &want);
            }
        }
    }
}
