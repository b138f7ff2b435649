//! AVX-512 F, BW; 32 rows a vector.

use std::arch::x86_64::*;

use super::HELD;

/// See [`super::Partners::hold`].
///
/// # Safety
/// - The CPU has AVX-512 F and BW.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub unsafe fn hold(table: &[u16], left: &[u16], right: &[u16]) -> bool {
    let rows = left.len().min(right.len());
    // The last place is there for the second half of a gather.
    let Some(slots) = table.len().checked_sub(1).filter(|slots| *slots >= HELD) else { return rows == 0 };
    // SAFETY: the table has at least `HELD` places.
    let held = unsafe {
        [_mm512_loadu_si512(table.as_ptr().cast()), _mm512_loadu_si512(table.as_ptr().add(32).cast())]
    };
    let in_registers = slots == HELD;
    let last = _mm512_set1_epi16(u16::try_from(slots - 1).unwrap_or(u16::MAX) as i16);
    let low = _mm512_set1_epi32(0xffff);
    let mut differ = 0u32;
    for at in (0..rows).step_by(32) {
        let there = if rows - at >= 32 { u32::MAX } else { (1 << (rows - at)) - 1 };
        debug_assert!(at + there.count_ones() as usize <= rows);
        // SAFETY: lanes past the last row are masked off and not touched.
        let (left, right) = unsafe {
            (
                _mm512_maskz_loadu_epi16(there, left.as_ptr().add(at).cast()),
                _mm512_maskz_loadu_epi16(there, right.as_ptr().add(at).cast()),
            )
        };
        // Slots that the table does not have go with nothing.
        differ |= _mm512_mask_cmpgt_epu16_mask(there, left, last);
        let partners = if in_registers {
            _mm512_permutex2var_epi16(held[0], left, held[1])
        } else {
            let left = _mm512_min_epu16(left, last);
            let half = |slots: __m256i| {
                // SAFETY: slots are at most `last`, and a place follows the last.
                let raw = unsafe {
                    _mm512_i32gather_epi32::<2>(_mm512_cvtepu16_epi32(slots), table.as_ptr().cast())
                };
                _mm512_cvtepi32_epi16(_mm512_and_si512(raw, low))
            };
            let halves = [_mm512_castsi512_si256(left), _mm512_extracti64x4_epi64::<1>(left)];
            _mm512_inserti64x4::<1>(_mm512_castsi256_si512(half(halves[0])), half(halves[1]))
        };
        differ |= _mm512_mask_cmpneq_epi16_mask(there, partners, right);
    }
    differ == 0
}
