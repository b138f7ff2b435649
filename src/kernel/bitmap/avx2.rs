//! AVX2; 64 rows a step. There is no compression by vectors here: few rows survive, and
//! they are taken one by one from a mask that two comparisons gave. Tried and left out: a list
//! of their rows, four at a time without a branch, from which they were added: no faster.

use super::{Rows, SelectionCounts, SingleIds, Survivors};
use crate::kernel::compare::avx2::Equal;

/// Which of the at most 64 rows hold `value_id`.
///
/// # Safety
/// - The CPU has AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn equal(rows: &[u16], value_id: u16) -> u64 {
    // SAFETY: the instruction set is there.
    unsafe { u16::avx2_equal(rows, value_id, u64::MAX) }
}

/// See [`super::select`].
///
/// # Safety
/// - The CPU has AVX2.
#[target_feature(enable = "avx2,popcnt")]
pub unsafe fn select(
    value_ids: SingleIds,
    systems: &[u16],
    countries: &[u16],
    keep: &mut [u64],
) -> SelectionCounts {
    let mut kept = SelectionCounts::default();
    for ((systems, countries), keep) in systems.chunks(64).zip(countries.chunks(64)).zip(keep) {
        // SAFETY: the instruction set is there.
        unsafe {
            let pass = equal(systems, value_ids.system);
            let is_null = equal(countries, value_ids.null) & pass;
            let is_total = equal(countries, value_ids.total) & pass & !is_null;
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
        let zeros = zero.map_or(0, |zero| unsafe { equal(values, zero) });
        n = super::take(word, keep & !zeros, rows, out, n);
    }
    n
}
