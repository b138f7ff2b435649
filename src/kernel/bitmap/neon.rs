//! NEON; 64 rows per step. Survivors are appended one by one from the mask of two comparisons, as with AVX2.

use super::{Rows, SelectionCounts, SingleIds, Survivors};
use crate::kernel::compare::neon::Equal;

/// The mask of those of at most 64 rows that have `value_id`.
///
/// # Safety
/// - The CPU has NEON.
#[inline]
#[target_feature(enable = "neon")]
pub unsafe fn equal(rows: &[u16], value_id: u16) -> u64 {
    // SAFETY: the CPU has NEON, by contract.
    unsafe { u16::neon_equal(rows, value_id, u64::MAX) }
}

/// See [`super::select`].
///
/// # Safety
/// - The CPU has NEON.
#[target_feature(enable = "neon")]
pub unsafe fn select(
    value_ids: SingleIds,
    conditions: &[u16],
    keys: &[u16],
    keep: &mut [u64],
) -> SelectionCounts {
    let mut kept = SelectionCounts::default();
    for ((conditions, keys), keep) in conditions.chunks(64).zip(keys.chunks(64)).zip(keep) {
        // SAFETY: the CPU has NEON, by contract.
        unsafe {
            let pass = equal(conditions, value_ids.condition);
            let is_null = equal(keys, value_ids.null) & pass;
            let is_total = equal(keys, value_ids.total) & pass & !is_null;
            *keep = pass & !is_null & !is_total;
            kept.condition += pass.count_ones();
            kept.null_keys += is_null.count_ones();
            kept.total_keys += is_total.count_ones();
            kept.rows += keep.count_ones();
        }
    }
    kept
}

/// See [`super::compress`].
///
/// # Safety
/// - The CPU has NEON.
#[target_feature(enable = "neon")]
pub unsafe fn compress<const N: usize>(
    keep: &[u64],
    rows: Rows<'_>,
    zero: Option<u16>,
    out: &mut Survivors<N>,
) -> usize {
    let mut n = 0;
    for ((word, keep), measures) in keep.iter().enumerate().zip(rows.measures.chunks(64)) {
        // SAFETY: the CPU has NEON, by contract.
        let zeros = zero.map_or(0, |zero| unsafe { equal(measures, zero) });
        n = super::append(word, keep & !zeros, rows, out, n);
    }
    n
}
