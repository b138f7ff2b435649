//! AVX-512 F, BW, VBMI2; 32 rows a vector.

use std::arch::x86_64::*;

use super::ROWS;

/// See [`super::expand`].
///
/// # Safety
/// - The CPU has AVX-512 F, BW and VBMI2.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,popcnt")]
#[allow(clippy::cast_possible_wrap)] // bits are reinterpreted
pub unsafe fn expand(levels: &[u16], max: u16, null: u16, values: &[u16; ROWS], out: &mut [u16]) {
    let (max, null) = (_mm512_set1_epi16(max as i16), _mm512_set1_epi16(null as i16));
    let mut next = 0;
    for (levels, out) in levels.chunks(32).zip(out.chunks_mut(32)) {
        let rows = levels.len().min(out.len());
        let there: u32 = if rows >= 32 { u32::MAX } else { (1 << rows) - 1 };
        // SAFETY: lanes past the rows are masked off and not accessed. The expansion reads as many values from `next` on
        // as rows are present, and no more than are left: lanes beyond them are masked off too.
        unsafe {
            let levels = _mm512_maskz_loadu_epi16(there, levels.as_ptr().cast());
            let present = _mm512_mask_cmpeq_epi16_mask(there, levels, max);
            let left = ROWS.saturating_sub(next);
            let readable: u32 = if left >= 32 { u32::MAX } else { (1 << left) - 1 };
            let packed = _mm512_maskz_loadu_epi16(readable, values.as_ptr().wrapping_add(next).cast());
            let expanded = _mm512_mask_expand_epi16(null, present, packed);
            _mm512_mask_storeu_epi16(out.as_mut_ptr().cast(), there, expanded);
            next += present.count_ones() as usize;
        }
    }
}
