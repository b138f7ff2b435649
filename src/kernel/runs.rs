//! Run intersection: one stretch of rows over which country and week repeat.
//!
//! ```text
//! for each row of the stretch:
//!     sums[channel[row]] += value[row]
//! ```
//!
//! 1. The key is fixed, so both sums stay in registers.
//! 2. Most counts are zero, and a zero needs no channel.

/// Sums of paid and organic values over a stretch. Slots index the tables;
/// channel classes are 0 (paid) and 1 (organic).
#[inline]
pub fn stretch(values: &[u16], channels: &[u16], ints: &[i64], classes: &[u8]) -> [i64; 2] {
    let mut sums = [0i64; 2];
    for (value, channel) in values.iter().zip(channels) {
        let value = ints.get(usize::from(*value)).copied().unwrap_or_default();
        if value != 0 {
            let class = classes.get(usize::from(*channel)).copied().unwrap_or_default();
            if let Some(sum) = sums.get_mut(usize::from(class)) {
                *sum += value;
            }
        }
    }
    sums
}
