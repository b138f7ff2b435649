//! AVX2; 32 rows a step. There is no compression by vectors here: few rows survive, and
//! they are taken one by one from a mask that two comparisons gave.

use std::arch::x86_64::*;

use super::{Kept, Rows, Slots, Survivors, portable_equal};

/// Which of the 32 rows hold `slot`.
///
/// # Safety
/// - The CPU has AVX2.
/// - 32 rows follow `rows`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn equal(rows: *const u16, slot: __m256i) -> u32 {
    // SAFETY: by contract.
    let (low, high) = unsafe { (_mm256_loadu_si256(rows.cast()), _mm256_loadu_si256(rows.add(16).cast())) };
    let packed = _mm256_packs_epi16(_mm256_cmpeq_epi16(low, slot), _mm256_cmpeq_epi16(high, slot));
    // Packing goes by halves: 0-7, 16-23, 8-15, 24-31.
    _mm256_movemask_epi8(_mm256_permute4x64_epi64::<0b11_01_10_00>(packed)) as u32
}

/// Which of the at most 64 rows hold `slot`.
///
/// # Safety
/// - The CPU has AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn equal_word(rows: &[u16], slot: u16) -> u64 {
    if let Some(rows) = rows.first_chunk::<64>() {
        let slot = _mm256_set1_epi16(slot as i16);
        // SAFETY: 64 rows are there.
        let (low, high) = unsafe { (equal(rows.as_ptr(), slot), equal(rows.as_ptr().add(32), slot)) };
        return u64::from(low) | u64::from(high) << 32;
    }
    portable_equal(rows, slot)
}

/// See [`super::select`].
///
/// # Safety
/// - The CPU has AVX2.
#[target_feature(enable = "avx2,popcnt")]
pub unsafe fn select(slots: Slots, systems: &[u16], countries: &[u16], keep: &mut [u64]) -> Kept {
    let mut kept = Kept::default();
    for ((systems, countries), keep) in systems.chunks(64).zip(countries.chunks(64)).zip(keep) {
        // SAFETY: the instruction set is there.
        unsafe {
            let pass = equal_word(systems, slots.system);
            let is_null = equal_word(countries, slots.null) & pass;
            let is_total = equal_word(countries, slots.total) & pass & !is_null;
            *keep = pass & !is_null & !is_total;
            kept.system += pass.count_ones();
            kept.null_country += is_null.count_ones();
            kept.country_total += is_total.count_ones();
            kept.rows += keep.count_ones();
        }
    }
    kept
}

/// See [`super::compress`].
///
/// # Safety
/// - The CPU has AVX2 and BMI.
/// - `N` is at least the number of rows.
#[target_feature(enable = "avx2,bmi1")]
pub unsafe fn compress<const N: usize>(
    keep: &[u64],
    rows: Rows<'_>,
    zero: Option<u16>,
    out: &mut Survivors<N>,
) -> usize {
    let mut n = 0;
    for ((word, keep), values) in keep.iter().enumerate().zip(rows.values.chunks(64)) {
        // SAFETY: the instruction set is there.
        let zeros = zero.map_or(0, |zero| unsafe { equal_word(values, zero) });
        n = super::take(word, keep & !zeros, rows, out, n);
    }
    n
}
