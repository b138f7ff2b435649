//! AVX-512 F, BW, VL, VBMI2; 32 rows a step.

use std::arch::x86_64::*;

use super::{KeyRun, Meaning};

/// See [`super::add`].
///
/// # Safety
/// - The CPU has AVX-512 F, BW, VL and VBMI2, and BMI2.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2,avx2,bmi1,bmi2,popcnt,ssse3,sse4.1")]
pub unsafe fn add(
    values: &[u16],
    channels: &[u16],
    organic: u16,
    meaning: Meaning<'_>,
    key_runs: &[KeyRun],
    cells: &mut [i64],
) {
    let organic = _mm512_set1_epi16(organic as i16);
    for key_run in key_runs {
        let (values, channels) = (key_run.of(values), key_run.of(channels));
        debug_assert!(values.len() <= super::BLOCK_ROWS);
        let (mut all, mut own) = (0i32, 0i32);
        let rows = values.len().min(channels.len());
        for at in (0..rows).step_by(32) {
            let there = _bzhi_u32(u32::MAX, (rows - at).min(32) as u32);
            // SAFETY: lanes past the stretch are masked off and not touched.
            let (channels, values) = unsafe {
                (
                    _mm512_maskz_loadu_epi16(there, channels.as_ptr().add(at).cast()),
                    _mm512_maskz_loadu_epi16(there, values.as_ptr().add(at).cast()),
                )
            };
            let zero = meaning.zero.map(|zero| _mm512_set1_epi16(zero as i16));
            let live = zero.map_or(there, |zero| _mm512_mask_cmpneq_epi16_mask(there, values, zero));
            // The live rows to the front, and with them which are organic.
            let mut value_ids = _mm512_maskz_compress_epi16(live, values);
            let mut is_organic = _pext_u32(_mm512_cmpeq_epi16_mask(channels, organic), live);
            let mut left = live.count_ones();
            loop {
                // Four at a time, those past the last one as nothing.
                let four = _mm_cvtsi128_si64(_mm512_castsi512_si128(value_ids)) as u64;
                let four = [four as u16, (four >> 16) as u16, (four >> 32) as u16, (four >> 48) as u16];
                for (lane, value_id) in (0..).zip(four) {
                    let value = meaning.narrow.get(usize::from(value_id)).copied().unwrap_or_default();
                    let value = value & -i32::from(left > lane);
                    all = all.wrapping_add(value);
                    own = own.wrapping_add(value & -((is_organic >> lane & 1) as i32));
                }
                if left <= 4 {
                    break;
                }
                left -= 4;
                is_organic >>= 4;
                value_ids = _mm512_alignr_epi32::<2>(_mm512_setzero_si512(), value_ids);
            }
        }
        key_run.add([i64::from(all) - i64::from(own), own.into()], cells);
    }
}
