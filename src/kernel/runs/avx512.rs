//! AVX-512 F, BW, VL, VBMI2; 32 rows a step.

use std::arch::x86_64::*;

use super::{KeyRun, Meaning};

/// See [`super::add`].
///
/// # Safety
/// - The CPU has AVX-512 F, BW, VL and VBMI2, and BMI2.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2,avx2,bmi1,bmi2,popcnt,ssse3,sse4.1")]
pub unsafe fn add(
    measures: &[u16],
    classes: &[u16],
    class_one: u16,
    meaning: Meaning<'_>,
    key_runs: &[KeyRun],
    cells: &mut [i64],
) {
    let class_one = _mm512_set1_epi16(class_one as i16);
    for key_run in key_runs {
        let (measures, classes) = (key_run.of(measures), key_run.of(classes));
        debug_assert!(measures.len() <= super::BLOCK_ROWS);
        let (mut all, mut ones) = (0i32, 0i32);
        let rows = measures.len().min(classes.len());
        for at in (0..rows).step_by(32) {
            let there = _bzhi_u32(u32::MAX, (rows - at).min(32) as u32);
            // SAFETY: lanes past the key run are masked off and not accessed.
            let (classes, measures) = unsafe {
                (
                    _mm512_maskz_loadu_epi16(there, classes.as_ptr().add(at).cast()),
                    _mm512_maskz_loadu_epi16(there, measures.as_ptr().add(at).cast()),
                )
            };
            let zero = meaning.zero.map(|zero| _mm512_set1_epi16(zero as i16));
            let live = zero.map_or(there, |zero| _mm512_mask_cmpneq_epi16_mask(there, measures, zero));
            // The live rows to the front, and with them a mask of those of class 1.
            let mut value_ids = _mm512_maskz_compress_epi16(live, measures);
            let mut is_one = _pext_u32(_mm512_cmpeq_epi16_mask(classes, class_one), live);
            let mut left = live.count_ones();
            loop {
                // Four at a time; those past the last one add 0.
                let four = _mm_cvtsi128_si64(_mm512_castsi512_si128(value_ids)) as u64;
                let four = [four as u16, (four >> 16) as u16, (four >> 32) as u16, (four >> 48) as u16];
                for (lane, value_id) in (0..).zip(four) {
                    // Value ids index the table; a default instead of a panic lets this become a gather.
                    let int = meaning.narrow.get(usize::from(value_id)).copied().unwrap_or_default();
                    let int = int & -i32::from(left > lane);
                    all = all.wrapping_add(int);
                    ones = ones.wrapping_add(int & -((is_one >> lane & 1) as i32));
                }
                if left <= 4 {
                    break;
                }
                left -= 4;
                is_one >>= 4;
                value_ids = _mm512_alignr_epi32::<2>(_mm512_setzero_si512(), value_ids);
            }
        }
        key_run.add([i64::from(all) - i64::from(ones), ones.into()], cells);
    }
}
