//! AVX-512 F, BW, VL, VBMI2; 32 rows a step.

use std::arch::x86_64::*;

use super::{KeyRun, Meaning};

/// See [`super::add`], where some measures are zero.
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

/// See [`super::add`], where no measure is zero.
///
/// # Safety
/// - The CPU has AVX-512 F, BW and VL, and BMI2.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,bmi2")]
pub unsafe fn add_all(
    measures: &[u16],
    classes: &[u16],
    class_one: u16,
    ints: &[i32],
    key_runs: &[KeyRun],
    cells: &mut [i64],
) {
    let class_one = _mm512_set1_epi16(class_one as i16);
    for key_run in key_runs {
        let (measures, classes) = (key_run.of(measures), key_run.of(classes));
        debug_assert!(measures.len() <= super::BLOCK_ROWS);
        let mut sums = [_mm512_setzero_si512(); 2];
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
            let is_one = _mm512_cmpeq_epi16_mask(classes, class_one);
            // SAFETY: of this function.
            sums = unsafe { gather(sums, measures, there, is_one, ints) };
        }
        let [all, ones] = reduce(sums);
        key_run.add([i64::from(all) - i64::from(ones), ones.into()], cells);
    }
}

/// Adds the amounts of the rows in `there` to the sums of all rows and of those of class 1, lane by lane.
///
/// # Safety
/// - The CPU has AVX-512 F.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn gather(
    [mut all, mut ones]: [__m512i; 2],
    value_ids: __m512i,
    there: u32,
    is_one: u32,
    ints: &[i32],
) -> [__m512i; 2] {
    let len = _mm512_set1_epi32(ints.len() as i32);
    let halves = [_mm512_castsi512_si256(value_ids), _mm512_extracti64x4_epi64::<1>(value_ids)];
    for (half, shift) in halves.into_iter().zip([0, 16]) {
        let value_ids = _mm512_cvtepu16_epi32(half);
        let known = _mm512_mask_cmplt_epu32_mask((there >> shift) as u16, value_ids, len);
        // SAFETY: only lanes whose value id is below the table's length are accessed.
        let amounts = unsafe {
            _mm512_mask_i32gather_epi32::<4>(_mm512_setzero_si512(), known, value_ids, ints.as_ptr())
        };
        all = _mm512_add_epi32(all, amounts);
        ones = _mm512_mask_add_epi32(ones, (is_one >> shift) as u16, ones, amounts);
    }
    [all, ones]
}

/// The sum of the lanes of each vector.
#[inline]
#[target_feature(enable = "avx512f")]
fn reduce([all, ones]: [__m512i; 2]) -> [i32; 2] {
    let half = |v: __m512i| _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64::<1>(v));
    // Neighbours: four sums of each vector, in both halves.
    let pairs = _mm256_hadd_epi32(half(all), half(ones));
    let four = _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256::<1>(pairs));
    let two = _mm_hadd_epi32(four, four);
    [_mm_cvtsi128_si32(two), _mm_extract_epi32::<1>(two)]
}
