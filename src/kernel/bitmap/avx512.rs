//! AVX-512 F, BW, VBMI2; 32 rows a vector.

use std::arch::x86_64::*;

use super::{Rows, SelectionCounts, SingleIds, Survivors};

/// Rows `at..at + 32` of a column, zeros past its end, and the mask of rows there.
#[target_feature(enable = "avx512f,avx512bw")]
fn load(column: &[u16], at: usize) -> (__m512i, u32) {
    let left = column.len().saturating_sub(at);
    let there = if left >= 32 { u32::MAX } else { (1 << left) - 1 };
    debug_assert!(at <= column.len());
    // SAFETY: lanes past the column's end are masked off and not accessed.
    let rows = unsafe { _mm512_maskz_loadu_epi16(there, column.as_ptr().wrapping_add(at).cast()) };
    (rows, there)
}

/// See [`super::select`].
///
/// # Safety
/// - The CPU has AVX-512 F and BW.
#[target_feature(enable = "avx512f,avx512bw")]
pub unsafe fn select(
    value_ids: SingleIds,
    conditions: &[u16],
    keys: &[u16],
    keep: &mut [u64],
) -> SelectionCounts {
    let condition = _mm512_set1_epi16(value_ids.condition as i16);
    let total = _mm512_set1_epi16(value_ids.total as i16);
    let null = _mm512_set1_epi16(value_ids.null as i16);
    let mut kept = SelectionCounts::default();
    let words = conditions.len().min(keys.len()).div_ceil(64);
    for (word, keep) in keep.iter_mut().enumerate().take(words) {
        *keep = 0;
        for half in [0, 32] {
            let at = word * 64 + half;
            if at >= conditions.len() {
                break;
            }
            let (rows, there) = load(conditions, at);
            let pass = _mm512_mask_cmpeq_epi16_mask(there, rows, condition);
            let (rows, _) = load(keys, at);
            let is_null = _mm512_mask_cmpeq_epi16_mask(pass, rows, null);
            let is_total = _mm512_mask_cmpeq_epi16_mask(pass, rows, total) & !is_null;
            kept.condition += pass.count_ones();
            kept.null_keys += is_null.count_ones();
            kept.total_keys += is_total.count_ones();
            *keep |= u64::from(pass & !is_null & !is_total) << half;
        }
        kept.rows += keep.count_ones();
    }
    kept
}

/// See [`super::compress`].
///
/// # Safety
/// - The CPU has AVX-512 F, BW and VBMI2.
/// - `N` is at least the number of rows plus 31: whole vectors are stored.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2")]
pub unsafe fn compress<const N: usize>(
    keep: &[u64],
    rows: Rows<'_>,
    zero: Option<u16>,
    out: &mut Survivors<N>,
) -> usize {
    debug_assert!(rows.measures.len() + 31 <= N);
    let zero_ids = _mm512_set1_epi16(zero.unwrap_or_default() as i16);
    let mut n = 0;
    for at in (0..rows.measures.len()).step_by(32) {
        let Some(word) = keep.get(at / 64) else { break };
        // The 32 bits of the word that are these rows'.
        #[allow(clippy::cast_possible_truncation)]
        let mut mask = (word >> (at % 64)) as u32;
        let (measures, _) = load(rows.measures, at);
        if zero.is_some() {
            mask = _mm512_mask_cmpneq_epi16_mask(mask, measures, zero_ids);
        }
        if mask == 0 {
            continue;
        }
        let columns =
            [(rows.keys, &mut out.keys), (rows.periods, &mut out.periods), (rows.classes, &mut out.classes)];
        debug_assert!(n + 32 <= N);
        for (from, to) in columns {
            let (value_ids, _) = load(from, at);
            let front = _mm512_maskz_compress_epi16(mask, value_ids);
            // SAFETY: `n` is at most `at`, and `N` leaves room for a whole vector from there on.
            unsafe { _mm512_storeu_si512(to.as_mut_ptr().add(n).cast(), front) };
        }
        let front = _mm512_maskz_compress_epi16(mask, measures);
        // SAFETY: as above.
        unsafe { _mm512_storeu_si512(out.measures.as_mut_ptr().add(n).cast(), front) };
        n += mask.count_ones() as usize;
    }
    n
}
