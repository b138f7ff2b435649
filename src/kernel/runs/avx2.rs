//! AVX2; 8 rows a vector.

use std::arch::x86_64::*;

/// See [`super::stretch`].
///
/// # Safety
/// - The CPU has AVX2.
#[target_feature(enable = "avx2")]
pub unsafe fn stretch(values: &[u16], channels: &[u16], organic: u16, ints: &[i32]) -> [i64; 2] {
    debug_assert!(values.len() <= super::STRETCH);
    let slots_end = _mm256_set1_epi32(i32::try_from(ints.len()).unwrap_or(i32::MAX));
    let organic_slot = _mm256_set1_epi32(i32::from(organic));
    let (mut all, mut own) = (_mm256_setzero_si256(), _mm256_setzero_si256());
    let rows = values.len().min(channels.len());
    let mut at = 0;
    while at < rows {
        // Eight rows; where fewer are left, from a copy, with a slot that no table has.
        let mut last = [[u16::MAX; 8]; 2];
        let (values, channels, there) = if at + 8 <= rows {
            (values[at..].as_ptr(), channels[at..].as_ptr(), _mm256_set1_epi32(-1))
        } else {
            let left = rows - at;
            last[0][..left].copy_from_slice(&values[at..rows]);
            last[1][..left].copy_from_slice(&channels[at..rows]);
            let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            (last[0].as_ptr(), last[1].as_ptr(), _mm256_cmpgt_epi32(_mm256_set1_epi32(left as i32), lanes))
        };
        // SAFETY: eight rows are there.
        let (slots, channels) = unsafe {
            (
                _mm256_cvtepu16_epi32(_mm_loadu_si128(values.cast())),
                _mm256_cvtepu16_epi32(_mm_loadu_si128(channels.cast())),
            )
        };
        let known = _mm256_and_si256(there, _mm256_cmpgt_epi32(slots_end, slots));
        // SAFETY: the lanes gathered are those below the length of `ints`.
        let eight =
            unsafe { _mm256_mask_i32gather_epi32::<4>(_mm256_setzero_si256(), ints.as_ptr(), slots, known) };
        all = _mm256_add_epi32(all, eight);
        own = _mm256_add_epi32(own, _mm256_and_si256(eight, _mm256_cmpeq_epi32(channels, organic_slot)));
        at += 8;
    }
    // Per half of 128 bits: two lanes of `all`, two of `own`.
    let both = _mm256_hadd_epi32(all, own);
    let four = _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256::<1>(both));
    let two = _mm_hadd_epi32(four, four);
    let (all, own) = (_mm_extract_epi32::<0>(two), _mm_extract_epi32::<1>(two));
    [i64::from(all) - i64::from(own), i64::from(own)]
}
