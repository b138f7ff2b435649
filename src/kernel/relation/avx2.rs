//! AVX2; 8 rows a vector, partners gathered.

use std::arch::x86_64::*;

/// See [`super::Partners::hold`].
///
/// # Safety
/// - The CPU has AVX2.
#[target_feature(enable = "avx2")]
pub unsafe fn hold(table: &[u16], left: &[u16], right: &[u16]) -> bool {
    // The last place is there for the second half of a gather.
    let Some(slots) = table.len().checked_sub(1).filter(|slots| *slots > 0) else {
        return left.is_empty() || right.is_empty();
    };
    let last = _mm256_set1_epi32(i32::try_from(slots - 1).unwrap_or(i32::MAX));
    let low = _mm256_set1_epi32(0xffff);
    let mut differ = _mm256_setzero_si256();
    let mut rows = left.chunks_exact(8).zip(right.chunks_exact(8));
    for (left, right) in &mut rows {
        // SAFETY: eight rows each; slots are at most `last`, and a place follows the last.
        unsafe {
            let left = _mm256_cvtepu16_epi32(_mm_loadu_si128(left.as_ptr().cast()));
            let right = _mm256_cvtepu16_epi32(_mm_loadu_si128(right.as_ptr().cast()));
            let known = _mm256_min_epi32(left, last);
            let raw = _mm256_i32gather_epi32::<2>(table.as_ptr().cast(), known);
            let partners = _mm256_and_si256(raw, low);
            // Slots that the table does not have go with nothing.
            differ = _mm256_or_si256(differ, _mm256_xor_si256(left, known));
            differ = _mm256_or_si256(differ, _mm256_xor_si256(partners, right));
        }
    }
    let whole = left.len().min(right.len()) / 8 * 8;
    let rest = left.iter().zip(right).skip(whole);
    let known = table.get(..slots).unwrap_or_default();
    _mm256_testz_si256(differ, differ) == 1
        && rest.fold(true, |hold, (left, right)| hold & (known.get(usize::from(*left)) == Some(right)))
}
