//! AVX-512 F, BW, VL; 16 rows a vector.

use std::arch::x86_64::*;

/// See [`super::stretch`].
///
/// # Safety
/// - The CPU has AVX-512 F, BW and VL.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,ssse3,sse4.1")]
pub unsafe fn stretch(values: &[u16], channels: &[u16], organic: u16, ints: &[i32]) -> [i64; 2] {
    debug_assert!(values.len() <= super::STRETCH);
    let slots_end = _mm512_set1_epi32(i32::try_from(ints.len()).unwrap_or(i32::MAX));
    let rows = values.len().min(channels.len());
    let organic_slot = _mm256_set1_epi16(organic as i16);
    let (mut all, mut own) = (_mm512_setzero_si512(), _mm512_setzero_si512());
    for at in (0..rows).step_by(16) {
        let left = rows - at;
        let there: __mmask16 = if left >= 16 { u16::MAX } else { (1 << left) - 1 };
        // SAFETY: lanes past the stretch are masked off and not touched.
        let (channels, slots) = unsafe {
            (
                _mm256_maskz_loadu_epi16(there, channels.as_ptr().add(at).cast()),
                _mm256_maskz_loadu_epi16(there, values.as_ptr().add(at).cast()),
            )
        };
        let slots = _mm512_cvtepu16_epi32(slots);
        let known = _mm512_mask_cmplt_epi32_mask(there, slots, slots_end);
        let zero = _mm512_setzero_si512();
        // SAFETY: the lanes gathered are those below the length of `ints`.
        let sixteen = unsafe { _mm512_mask_i32gather_epi32::<4>(zero, known, slots, ints.as_ptr()) };
        all = _mm512_add_epi32(all, sixteen);
        let organic = _mm256_cmpeq_epi16_mask(channels, organic_slot);
        own = _mm512_mask_add_epi32(own, organic, own, sixteen);
    }
    // Both are folded together: stretches are short, and this is a good part of one.
    let fold = |v: __m512i| _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64::<1>(v));
    // Per half of 128 bits: two lanes of `all`, two of `own`, and again.
    let both = _mm256_hadd_epi32(fold(all), fold(own));
    let four = _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256::<1>(both));
    let two = _mm_hadd_epi32(four, four);
    let (all, own) = (_mm_extract_epi32::<0>(two), _mm_extract_epi32::<1>(two));
    [i64::from(all) - i64::from(own), i64::from(own)]
}
