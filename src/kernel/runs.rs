//! Run intersection: one stretch of rows over which country and week repeat.
//!
//! ```text
//! for each row of the stretch:
//!     sums[channel[row]] += value[row]
//! ```
//!
//! 1. The key is fixed, so the sums stay in registers.
//! 2. Paid is what all rows sum to less organic: the second sum is the first one,
//!    masked.
//! 3. Values whose magnitude leaves room (`max * rows < 2^31`) are gathered 16
//!    at a time as 32-bit integers.
//!
//! Tried and left out: adding the few values of a stretch that are not zero one
//! by one, without a gather. 85 % of counts are zero, yet the branches that
//! follow from that made a stretch 1.6 times as slow. The few organic rows one by
//! one, too: the masked sum has no branch.

use super::cpu;

/// What the slots of a stretch mean.
#[derive(Clone, Copy)]
pub struct Meaning<'a> {
    /// 0 paid, 1 organic, by channel slot.
    pub classes: &'a [u8],
    /// The only organic channel slot, if there is exactly one.
    pub organic: Option<u16>,
    /// By value slot.
    pub ints: &'a [i64],
    /// The same in 32 bits, where all fit [`NARROW`]; else empty.
    pub narrow: &'a [i32],
}

/// Magnitude below which [`STRETCH`] values sum to less than 2^31.
pub const NARROW: u64 = 1 << 20;
/// The most rows of a stretch.
pub const STRETCH: usize = 2048;

/// Sums of paid and organic values over a stretch of at most [`STRETCH`] rows.
#[inline]
pub fn stretch(values: &[u16], channels: &[u16], meaning: Meaning<'_>) -> [i64; 2] {
    #[cfg(target_arch = "x86_64")]
    if let Some(organic) = meaning.organic
        && !meaning.narrow.is_empty()
        && cpu::avx512()
    {
        // SAFETY: the instruction sets that the function names were found.
        #[allow(unsafe_code)]
        return unsafe { avx512::stretch(values, channels, organic, meaning.narrow) };
    }
    portable_stretch(values, channels, meaning)
}

/// The same without vectors.
pub fn portable_stretch(values: &[u16], channels: &[u16], meaning: Meaning<'_>) -> [i64; 2] {
    let (mut all, mut organic) = (0, 0);
    for (value, channel) in values.iter().zip(channels) {
        let value = meaning.ints.get(usize::from(*value)).copied().unwrap_or_default();
        let class = meaning.classes.get(usize::from(*channel)).copied().unwrap_or_default();
        all += value;
        organic += if class == 1 { value } else { 0 };
    }
    [all - organic, organic]
}

/// The same over integers as they are.
pub fn stretch_ints(ints: &[i64], channels: &[u16], classes: &[u8]) -> [i64; 2] {
    let (mut all, mut organic) = (0, 0);
    for (value, channel) in ints.iter().zip(channels) {
        let class = classes.get(usize::from(*channel)).copied().unwrap_or_default();
        all += value;
        organic += if class == 1 { *value } else { 0 };
    }
    [all - organic, organic]
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, clippy::cast_possible_wrap)]
mod avx512 {
    //! AVX-512 F, BW, VL; 16 rows a vector.

    use std::arch::x86_64::*;

    /// See [`super::stretch`].
    ///
    /// # Safety
    /// - The CPU has AVX-512 F, BW and VL.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,ssse3,sse4.1")]
    pub unsafe fn stretch(values: &[u16], channels: &[u16], organic: u16, ints: &[i32]) -> [i64; 2] {
        debug_assert!(values.len() <= super::STRETCH);
        let slots_end = _mm512_set1_epi32(i32::try_from(ints.len()).unwrap_or(i32::MAX));
        let rows = values.len().min(channels.len());
        let organic_slot = _mm256_set1_epi16(organic as i16);
        let (mut all, mut own) = (_mm512_setzero_si512(), _mm512_setzero_si512());
        for at in (0..rows).step_by(16) {
            let left = rows - at;
            let there: __mmask16 = if left >= 16 { u16::MAX } else { (1 << left) - 1 };
            // SAFETY: lanes past the stretch are masked off and not touched.
            let (channels, slots) = unsafe {
                (
                    _mm256_maskz_loadu_epi16(there, channels.as_ptr().add(at).cast()),
                    _mm256_maskz_loadu_epi16(there, values.as_ptr().add(at).cast()),
                )
            };
            let slots = _mm512_cvtepu16_epi32(slots);
            let known = _mm512_mask_cmplt_epi32_mask(there, slots, slots_end);
            let zero = _mm512_setzero_si512();
            // SAFETY: the lanes gathered are those below the length of `ints`.
            let sixteen = unsafe { _mm512_mask_i32gather_epi32::<4>(zero, known, slots, ints.as_ptr()) };
            all = _mm512_add_epi32(all, sixteen);
            let organic = _mm256_cmpeq_epi16_mask(channels, organic_slot);
            own = _mm512_mask_add_epi32(own, organic, own, sixteen);
        }
        // Both are folded together: stretches are short, and this is a good part of one.
        let fold =
            |v: __m512i| _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64::<1>(v));
        // Per half of 128 bits: two lanes of `all`, two of `own`, and again.
        let both = _mm256_hadd_epi32(fold(all), fold(own));
        let four = _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256::<1>(both));
        let two = _mm_hadd_epi32(four, four);
        let (all, own) = (_mm_extract_epi32::<0>(two), _mm_extract_epi32::<1>(two));
        [i64::from(all) - i64::from(own), i64::from(own)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_path_sums_alike(rows in proptest::collection::vec((0u16..7, 0u16..4), 0..STRETCH)) {
            let narrow = [0, 1, -5, (1 << 20) - 1, 1 - (1 << 20), 7, 8];
            let ints = narrow.map(i64::from);
            let (values, channels): (Vec<u16>, Vec<u16>) = rows.iter().copied().unzip();
            let meaning = Meaning { classes: &[0, 0, 1, 0], organic: Some(2), ints: &ints, narrow: &narrow };
            let mut want = [0i64; 2];
            for (value, channel) in &rows {
                want[usize::from(*channel == 2)] += ints[usize::from(*value)];
            }
            prop_assert_eq!(portable_stretch(&values, &channels, meaning), want);
            prop_assert_eq!(stretch(&values, &channels, meaning), want);
            let plain: Vec<i64> = values.iter().map(|v| ints[usize::from(*v)]).collect();
            prop_assert_eq!(stretch_ints(&plain, &channels, meaning.classes), want);
        }
    }
}
