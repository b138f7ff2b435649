//! AVX2, BMI1 and POPCNT.

use std::arch::x86_64::*;

use super::{Found, WORD};

/// Positions of a word that are written without asking for their number.
const USUAL: usize = 12;

/// See [`super::find`].
///
/// # Safety
/// - The CPU has AVX2, BMI1 and POPCNT.
#[target_feature(enable = "avx2,bmi1,popcnt")]
pub unsafe fn find(text: &[u8], delimiter: u8, next: &mut [u32]) -> Found {
    let delimiters = _mm256_set1_epi8(delimiter as i8);
    let line_feeds = _mm256_set1_epi8(b'\n' as i8);
    let quotes = _mm256_set1_epi8(b'"' as i8);
    let (mut found, mut base) = (Found::default(), 1u32);
    for word in text.chunks(WORD) {
        let Some(to) = next.get_mut(found.separators..).and_then(|next| next.first_chunk_mut::<WORD>())
        else {
            break;
        };
        let mut padded = [0; WORD];
        let bytes = match word.first_chunk() {
            Some(bytes) => bytes,
            None => {
                padded.iter_mut().zip(word).for_each(|(to, from)| *to = *from);
                &padded
            }
        };
        let quoted = equal(bytes, quotes);
        // The bits up to the lowest one that is set; all of them where none is.
        let before = quoted ^ quoted.wrapping_sub(1);
        let line_ends = equal(bytes, line_feeds) & before;
        let separators = equal(bytes, delimiters) & before | line_ends;
        let count = separators.count_ones() as usize;
        let (usual, rest) = to.split_at_mut(USUAL);
        let mut left = separators;
        for to in usual {
            *to = base.wrapping_add(left.trailing_zeros());
            left &= left.wrapping_sub(1);
        }
        for to in rest.iter_mut().take(count.saturating_sub(USUAL)) {
            *to = base.wrapping_add(left.trailing_zeros());
            left &= left.wrapping_sub(1);
        }
        found.separators += count;
        found.line_ends += line_ends.count_ones() as usize;
        base = base.wrapping_add(WORD as u32);
        if quoted != 0 {
            break;
        }
    }
    found
}

/// The mask of the bytes that equal those of `wanted`.
#[inline]
#[target_feature(enable = "avx2")]
fn equal(bytes: &[u8; WORD], wanted: __m256i) -> u64 {
    let from = bytes.as_ptr();
    // SAFETY: 32 bytes each, of 64.
    let (low, high) =
        unsafe { (_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(WORD / 2).cast())) };
    let low = _mm256_movemask_epi8(_mm256_cmpeq_epi8(low, wanted)) as u32;
    let high = _mm256_movemask_epi8(_mm256_cmpeq_epi8(high, wanted)) as u32;
    u64::from(low) | u64::from(high) << 32
}
