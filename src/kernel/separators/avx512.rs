//! AVX-512 F, BW and VBMI2.

use std::arch::x86_64::*;

use super::{Found, WORD};

/// The position after each byte of a word.
static AFTER: [u8; WORD] = {
    let mut after = [0; WORD];
    let mut byte = 0;
    #[allow(clippy::indexing_slicing, clippy::cast_possible_truncation)] // at most 64
    while byte < WORD {
        after[byte] = byte as u8 + 1;
        byte += 1;
    }
    after
};

/// See [`super::find`].
///
/// # Safety
/// - The CPU has AVX-512 F, BW and VBMI2, and POPCNT.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,popcnt")]
pub unsafe fn find(text: &[u8], delimiter: u8, next: &mut [u32]) -> Found {
    let delimiters = _mm512_set1_epi8(delimiter as i8);
    let line_feeds = _mm512_set1_epi8(b'\n' as i8);
    let quotes = _mm512_set1_epi8(b'"' as i8);
    let word_bytes = _mm512_set1_epi32(WORD as i32);
    // SAFETY: 64 bytes.
    let after = unsafe { _mm512_loadu_si512(AFTER.as_ptr().cast()) };
    let (mut found, mut base) = (Found::default(), _mm512_setzero_si512());
    for word in text.chunks(WORD) {
        let Some(to) = next.get_mut(found.separators..).and_then(|next| next.first_chunk_mut::<WORD>())
        else {
            break;
        };
        let valid = u64::MAX >> (WORD - word.len());
        // SAFETY: only the bytes of `word` are loaded.
        let bytes = unsafe { _mm512_maskz_loadu_epi8(valid, word.as_ptr().cast()) };
        let quoted = _mm512_mask_cmpeq_epi8_mask(valid, bytes, quotes);
        // The bits up to the lowest one that is set; all of them where none is.
        let before = quoted ^ quoted.wrapping_sub(1);
        let line_ends = _mm512_mask_cmpeq_epi8_mask(valid & before, bytes, line_feeds);
        let separators = _mm512_mask_cmpeq_epi8_mask(valid & before, bytes, delimiters) | line_ends;
        let places = _mm512_maskz_compress_epi8(separators, after);
        let count = separators.count_ones() as usize;
        // SAFETY (all): a quarter of `to`, which has 64 places.
        unsafe {
            store(to, 0, _mm512_castsi512_si128(places), base);
            if count > WORD / 4 {
                store(to, 1, _mm512_extracti32x4_epi32::<1>(places), base);
                store(to, 2, _mm512_extracti32x4_epi32::<2>(places), base);
                store(to, 3, _mm512_extracti32x4_epi32::<3>(places), base);
            }
        }
        found.separators += count;
        found.line_ends += line_ends.count_ones() as usize;
        base = _mm512_add_epi32(base, word_bytes);
        if quoted != 0 {
            break;
        }
    }
    found
}

/// Writes sixteen positions, relative to `base`, to a quarter of `to`.
///
/// # Safety
/// - `quarter` is below 4.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn store(to: &mut [u32; WORD], quarter: usize, places: __m128i, base: __m512i) {
    debug_assert!(quarter < 4);
    let positions = _mm512_add_epi32(_mm512_cvtepu8_epi32(places), base);
    // SAFETY: sixteen places from `quarter * 16` on, by contract.
    unsafe { _mm512_storeu_si512(to.as_mut_ptr().add(quarter * WORD / 4).cast(), positions) }
}
