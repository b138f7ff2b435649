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
//!    at a time as 32-bit integers, or without AVX-512 one by one.
//!
//! Tried and left out: adding the few values of a stretch that are not zero one
//! by one, without a gather. 85 % of counts are zero, yet the branches that
//! follow from that made a stretch 1.6 times as slow. The few organic rows one by
//! one, too: the masked sum has no branch. A gather of AVX2: 12 ms of one core (EPYC of
//! Zen 3) for the stretches of 20 M rows, one by one 8.

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
    if let Some(organic) = meaning.organic
        && !meaning.narrow.is_empty()
    {
        #[cfg(target_arch = "x86_64")]
        if cpu::avx512() {
            // SAFETY: the instruction sets that the function names were found.
            #[allow(unsafe_code)]
            return unsafe { avx512::stretch(values, channels, organic, meaning.narrow) };
        }
        return narrow_stretch(values, channels, organic, meaning.narrow);
    }
    general_stretch(values, channels, meaning)
}

/// One organic slot and small values, without vectors. A call of its own has its registers to itself.
#[inline(never)]
fn narrow_stretch(values: &[u16], channels: &[u16], organic: u16, ints: &[i32]) -> [i64; 2] {
    debug_assert!(values.len() <= STRETCH);
    let (mut all, mut own) = (0i32, 0i32);
    for (value, channel) in values.iter().zip(channels) {
        let value = ints.get(usize::from(*value)).copied().unwrap_or_default();
        all = all.wrapping_add(value);
        own = own.wrapping_add(value & -i32::from(*channel == organic));
    }
    [i64::from(all) - i64::from(own), i64::from(own)]
}

/// Any slots and values.
fn general_stretch(values: &[u16], channels: &[u16], meaning: Meaning<'_>) -> [i64; 2] {
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
mod avx512;

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
            prop_assert_eq!(general_stretch(&values, &channels, meaning), want);
            prop_assert_eq!(narrow_stretch(&values, &channels, 2, &narrow), want);
            prop_assert_eq!(stretch(&values, &channels, meaning), want);
            #[cfg(target_arch = "x86_64")]
            if cpu::best() == cpu::Level::Avx512 {
                // SAFETY: the instruction sets that the function names were found.
                #[allow(unsafe_code)]
                let got = unsafe { avx512::stretch(&values, &channels, 2, &narrow) };
                prop_assert_eq!(got, want);
            }
            let plain: Vec<i64> = values.iter().map(|v| ints[usize::from(*v)]).collect();
            prop_assert_eq!(stretch_ints(&plain, &channels, meaning.classes), want);
        }
    }
}
