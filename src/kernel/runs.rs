//! Run intersection: stretches of rows over which country and week repeat.
//!
//! ```text
//! for each stretch:
//!     for each row of it:
//!         cells[stretch][channel[row]] += value[row]
//! ```
//!
//! 1. The key is fixed, so the sums stay in registers. Stretches come by the block: called
//!    for one of them, the call costs as much as the sums.
//! 2. Paid is what all rows sum to less organic: the second sum is the first one,
//!    masked.
//! 3. Values whose magnitude leaves room (`max * rows < 2^31`) are summed as 32-bit
//!    integers. With AVX-512 the few that are not zero are compressed to the front
//!    and gathered, eight at a time; without it all are added one by one.
//!
//! Tried and left out: adding the few values of a stretch that are not zero one
//! by one, without a gather. 85 % of counts are zero, yet the branches that
//! follow from that made a stretch 1.6 times as slow. The few organic rows one by
//! one, too: the masked sum has no branch. A gather of AVX2: 12 ms of one core (EPYC of
//! Zen 3) for the stretches of 20 M rows, one by one 8.

use super::cpu;

/// What the value ids of a stretch mean.
#[derive(Clone, Copy)]
pub struct Meaning<'a> {
    /// 0 paid, 1 organic, by channel value id.
    pub classes: &'a [u8],
    /// The only organic channel value id, if there is exactly one.
    pub organic: Option<u16>,
    /// A value value id of zero, if there is one.
    pub zero: Option<u16>,
    /// By value value id.
    pub ints: &'a [i64],
    /// The same in 32 bits, where all fit [`NARROW`]; else empty.
    pub narrow: &'a [i32],
}

/// Magnitude below which [`BLOCK_ROWS`] values sum to less than 2^31.
pub const NARROW: u64 = 1 << 20;
/// The most rows of a stretch.
pub const BLOCK_ROWS: usize = 2048;

/// Rows with one key, and where their sums go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyRun {
    /// The first row.
    pub start: u32,
    /// The first row past it; at most [`BLOCK_ROWS`] on.
    pub end: u32,
    /// The cell of paid, before that of organic.
    pub cell: usize,
}

impl KeyRun {
    /// What a column has of it.
    #[inline]
    fn of<T>(self, column: &[T]) -> &[T] {
        column.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    #[inline]
    fn add(self, [paid, organic]: [i64; 2], cells: &mut [i64]) {
        if let Some([paid_cell, organic_cell]) = cells.get_mut(self.cell..).and_then(|c| c.first_chunk_mut())
        {
            *paid_cell += paid;
            *organic_cell += organic;
        }
    }
}

/// Adds the paid and organic values of each stretch to its cells.
pub fn add(values: &[u16], channels: &[u16], meaning: Meaning<'_>, key_runs: &[KeyRun], cells: &mut [i64]) {
    if let Some(organic) = meaning.organic
        && !meaning.narrow.is_empty()
    {
        #[cfg(target_arch = "x86_64")]
        if cpu::avx512() {
            // SAFETY: the instruction sets that the function names were found.
            #[allow(unsafe_code)]
            return unsafe { avx512::add(values, channels, organic, meaning, key_runs, cells) };
        }
        return narrow(values, channels, organic, meaning, key_runs, cells);
    }
    general(values, channels, meaning, key_runs, cells);
}

/// One organic value id and small values, without vectors.
fn narrow(
    values: &[u16],
    channels: &[u16],
    organic: u16,
    meaning: Meaning<'_>,
    key_runs: &[KeyRun],
    cells: &mut [i64],
) {
    for key_run in key_runs {
        key_run.add(narrow_sums(key_run.of(values), key_run.of(channels), organic, meaning.narrow), cells);
    }
}

/// A call of its own has its registers to itself.
#[inline(never)]
fn narrow_sums(values: &[u16], channels: &[u16], organic: u16, ints: &[i32]) -> [i64; 2] {
    debug_assert!(values.len() <= BLOCK_ROWS);
    let (mut all, mut own) = (0i32, 0i32);
    for (value, channel) in values.iter().zip(channels) {
        let value = ints.get(usize::from(*value)).copied().unwrap_or_default();
        all = all.wrapping_add(value);
        own = own.wrapping_add(value & -i32::from(*channel == organic));
    }
    [i64::from(all) - i64::from(own), i64::from(own)]
}

/// Any value ids and values.
fn general(values: &[u16], channels: &[u16], meaning: Meaning<'_>, key_runs: &[KeyRun], cells: &mut [i64]) {
    for key_run in key_runs {
        let ints = |value: &u16| meaning.ints.get(usize::from(*value)).copied().unwrap_or_default();
        key_run.add(sums(key_run.of(values).iter().map(ints), key_run.of(channels), meaning.classes), cells);
    }
}

/// [`add`] of integers as they are.
pub fn add_ints(ints: &[i64], channels: &[u16], classes: &[u8], key_runs: &[KeyRun], cells: &mut [i64]) {
    for key_run in key_runs {
        key_run.add(sums(key_run.of(ints).iter().copied(), key_run.of(channels), classes), cells);
    }
}

#[inline]
fn sums(ints: impl Iterator<Item = i64>, channels: &[u16], classes: &[u8]) -> [i64; 2] {
    let (mut all, mut organic) = (0, 0);
    for (value, channel) in ints.zip(channels) {
        let class = classes.get(usize::from(*channel)).copied().unwrap_or_default();
        all += value;
        organic += if class == 1 { value } else { 0 };
    }
    [all - organic, organic]
}

// Bits stay bits.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, clippy::cast_possible_wrap, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
mod avx512;

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::cast_possible_truncation)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_path_sums_alike(
            rows in proptest::collection::vec((0u16..7, 0u16..4), 0..BLOCK_ROWS),
            lengths in proptest::collection::vec((0u32..90, 0usize..5), 0..50),
            zero in proptest::option::of(Just(0u16)),
        ) {
            let narrow_ints = [0, 1, -5, (1 << 20) - 1, 1 - (1 << 20), 7, 8];
            let ints = narrow_ints.map(i64::from);
            let (values, channels): (Vec<u16>, Vec<u16>) = rows.iter().copied().unzip();
            let meaning =
                Meaning { classes: &[0, 0, 1, 0], organic: Some(2), zero, ints: &ints, narrow: &narrow_ints };
            // Stretches with gaps between them, some of which share a cell; the last one may be long.
            let (mut key_runs, mut start, count) = (vec![], 0, rows.len() as u32);
            for (length, cell) in lengths {
                let end = (start + length).min(count);
                key_runs.push(KeyRun { start, end, cell: cell * 2 });
                start = (end + length % 7).min(count);
            }
            key_runs.push(KeyRun { start, end: count, cell: 10 });
            let mut want = [0i64; 12];
            for key_run in &key_runs {
                for (value, channel) in &rows[key_run.start as usize..key_run.end as usize] {
                    want[key_run.cell + usize::from(*channel == 2)] += ints[usize::from(*value)];
                }
            }
            let check = |name: &str, add: &dyn Fn(&mut [i64])| {
                let mut cells = [0; 12];
                add(&mut cells);
                prop_assert_eq!(cells, want, "{}", name);
                Ok(())
            };
            check("in use", &|cells| add(&values, &channels, meaning, &key_runs, cells))?;
            check("any", &|cells| general(&values, &channels, meaning, &key_runs, cells))?;
            check("narrow", &|cells| narrow(&values, &channels, 2, meaning, &key_runs, cells))?;
            let raw: Vec<i64> = values.iter().map(|v| ints[usize::from(*v)]).collect();
            check("as they are", &|cells| add_ints(&raw, &channels, meaning.classes, &key_runs, cells))?;
            #[cfg(target_arch = "x86_64")]
            if cpu::best() == cpu::Level::Avx512 {
                // SAFETY: the instruction sets that the function names were found.
                #[allow(unsafe_code)]
                check("avx512", &|cells| unsafe { avx512::add(&values, &channels, 2, meaning, &key_runs, cells) })?;
            }
        }
    }
}
