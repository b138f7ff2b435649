//! Run intersection: sums over runs of rows whose key does not change.
//!
//! ```text
//! for each key run:
//!     for each row of it:
//!         cells[key run][class[row]] += measure[row]
//! ```
//!
//! 1. The key is fixed, so the sums stay in registers. One call adds a block of key runs: a
//!    call for each would cost as much as the sums.
//! 2. The sum of class 0 is the sum of all rows less that of class 1, which is the same sum,
//!    masked.
//! 3. Measures whose magnitude leaves room (`max * rows < 2^31`) are summed as 32-bit
//!    integers. With AVX-512 the few that are not zero are compressed to the front and looked up, four at a time;
//!    where no measure is zero, as in a fact table, all are gathered. Without it all are added one by one.
//!
//! Tried and left out: adding the few measures of a key run that are not zero one
//! by one, without a gather. 85 % of counts are zero, yet the branches that
//! follow from that made a key run 1.6 times as slow. Adding the few rows of class 1 one by
//! one, too: the masked sum has no branch. A gather of AVX2: 12 ms of one core (EPYC of
//! Zen 3) for the key runs of 20 M rows, one by one 8. Both forms of
//! AVX-512 in one function, chosen by the step: see docs/dev/performance.md, "Tried and left out".
//!
//! There is no path for NEON, which has no gather: the loop of the portable one has eight instructions for a row.

#[cfg(target_arch = "x86_64")]
use super::cpu;

/// What the value ids of a key run's rows mean.
#[derive(Clone, Copy)]
pub struct Meaning<'a> {
    /// By class value id: the class, 0 or 1; any other number counts as 0.
    pub class_of: &'a [u8],
    /// The only value id of class 1, if there is exactly one.
    pub class_one: Option<u16>,
    /// A measure value id of zero, if there is one.
    pub zero: Option<u16>,
    /// By measure value id: the amount.
    pub ints: &'a [i64],
    /// `ints` in 32 bits, where all of them are below [`NARROW`]; else empty.
    pub narrow: &'a [i32],
}

/// Magnitude below which [`BLOCK_ROWS`] amounts sum to less than 2^31.
pub const NARROW: u64 = 1 << 20;
/// The most rows of a key run.
pub const BLOCK_ROWS: usize = 2048;

/// Rows with one key, and the cells of their sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyRun {
    /// The first row.
    pub start: u32,
    /// The first row past it; at most [`BLOCK_ROWS`] on.
    pub end: u32,
    /// The cell of class 0; that of class 1 follows.
    pub cell: usize,
}

impl KeyRun {
    /// The rows of the key run in a column of the block.
    #[inline]
    #[allow(clippy::indexing_slicing)] // a key run lies within the block; a panic shows a bug, fewer rows would hide it
    fn of<T>(self, column: &[T]) -> &[T] {
        &column[self.start as usize..self.end as usize]
    }

    /// Adds the sums of class 0 and class 1.
    #[inline]
    #[allow(clippy::indexing_slicing)] // cells come in pairs, and `cell` is the first of a pair
    fn add(self, sums: [i64; 2], cells: &mut [i64]) {
        let cells = &mut cells[self.cell..self.cell + 2];
        cells[0] += sums[0];
        cells[1] += sums[1];
    }
}

/// Adds the measures of each key run to the cells of their classes.
pub fn add(measures: &[u16], classes: &[u16], meaning: Meaning<'_>, key_runs: &[KeyRun], cells: &mut [i64]) {
    if let Some(class_one) = meaning.class_one
        && !meaning.narrow.is_empty()
    {
        #[cfg(target_arch = "x86_64")]
        if cpu::avx512() {
            // SAFETY: the CPU has the instruction sets that the functions name.
            #[allow(unsafe_code)]
            unsafe {
                match meaning.zero {
                    Some(_) => avx512::add(measures, classes, class_one, meaning, key_runs, cells),
                    None => avx512::add_all(measures, classes, class_one, meaning.narrow, key_runs, cells),
                }
            }
            return;
        }
        return narrow(measures, classes, class_one, meaning, key_runs, cells);
    }
    general(measures, classes, meaning, key_runs, cells);
}

/// [`add`] for one value id of class 1 and small amounts, without vector instructions.
fn narrow(
    measures: &[u16],
    classes: &[u16],
    class_one: u16,
    meaning: Meaning<'_>,
    key_runs: &[KeyRun],
    cells: &mut [i64],
) {
    for key_run in key_runs {
        key_run.add(narrow_sums(key_run.of(measures), key_run.of(classes), class_one, meaning.narrow), cells);
    }
}

/// The sums of class 0 and class 1. It is not inlined: a separate function has all registers for its loop.
#[inline(never)]
#[allow(clippy::indexing_slicing)] // value ids index their table
fn narrow_sums(measures: &[u16], classes: &[u16], class_one: u16, ints: &[i32]) -> [i64; 2] {
    debug_assert!(measures.len() <= BLOCK_ROWS);
    let (mut all, mut ones) = (0i32, 0i32);
    for (measure, class) in measures.iter().zip(classes) {
        let int = ints[usize::from(*measure)];
        all = all.wrapping_add(int);
        ones = ones.wrapping_add(int & -i32::from(*class == class_one));
    }
    [i64::from(all) - i64::from(ones), i64::from(ones)]
}

/// [`add`] for any value ids and amounts.
#[allow(clippy::indexing_slicing)] // value ids index their table
fn general(measures: &[u16], classes: &[u16], meaning: Meaning<'_>, key_runs: &[KeyRun], cells: &mut [i64]) {
    for key_run in key_runs {
        let ints = key_run.of(measures).iter().map(|measure| meaning.ints[usize::from(*measure)]);
        key_run.add(sums(ints, key_run.of(classes), meaning.class_of), cells);
    }
}

/// [`add`] where the measures are the integers `ints` themselves.
pub fn add_ints(ints: &[i64], classes: &[u16], class_of: &[u8], key_runs: &[KeyRun], cells: &mut [i64]) {
    for key_run in key_runs {
        key_run.add(sums(key_run.of(ints).iter().copied(), key_run.of(classes), class_of), cells);
    }
}

/// The sums of class 0 and class 1.
#[inline]
#[allow(clippy::indexing_slicing)] // value ids index their table
fn sums(ints: impl Iterator<Item = i64>, classes: &[u16], class_of: &[u8]) -> [i64; 2] {
    let (mut all, mut ones) = (0, 0);
    for (int, class) in ints.zip(classes) {
        all += int;
        ones += if class_of[usize::from(*class)] == 1 { int } else { 0 };
    }
    [all - ones, ones]
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
            // Few measures that are not zero, or many.
            rows in prop_oneof![
                proptest::collection::vec((0u16..7, 0u16..4), 0..BLOCK_ROWS),
                proptest::collection::vec((prop_oneof![5 => Just(0), 1 => 1u16..7], 0u16..4), 0..BLOCK_ROWS),
            ],
            lengths in proptest::collection::vec((0u32..90, 0usize..5), 0..50),
            zero in proptest::option::of(Just(0u16)),
        ) {
            let narrow_ints = [0, 1, -5, (1 << 20) - 1, 1 - (1 << 20), 7, 8];
            let ints = narrow_ints.map(i64::from);
            let (measures, classes): (Vec<u16>, Vec<u16>) = rows.iter().copied().unzip();
            let meaning =
                Meaning { class_of: &[0, 0, 1, 0], class_one: Some(2), zero, ints: &ints, narrow: &narrow_ints };
            // Key runs with gaps between them, some of which share a cell; the last one may be long.
            let (mut key_runs, mut start, count) = (vec![], 0, rows.len() as u32);
            for (length, cell) in lengths {
                let end = (start + length).min(count);
                key_runs.push(KeyRun { start, end, cell: cell * 2 });
                start = (end + length % 7).min(count);
            }
            key_runs.push(KeyRun { start, end: count, cell: 10 });
            let mut want = [0i64; 12];
            for key_run in &key_runs {
                for (measure, class) in &rows[key_run.start as usize..key_run.end as usize] {
                    want[key_run.cell + usize::from(*class == 2)] += ints[usize::from(*measure)];
                }
            }
            let check = |name: &str, add: &dyn Fn(&mut [i64])| {
                let mut cells = [0; 12];
                add(&mut cells);
                prop_assert_eq!(cells, want, "{}", name);
                Ok(())
            };
            check("in use", &|cells| add(&measures, &classes, meaning, &key_runs, cells))?;
            check("any", &|cells| general(&measures, &classes, meaning, &key_runs, cells))?;
            check("narrow", &|cells| narrow(&measures, &classes, 2, meaning, &key_runs, cells))?;
            let raw: Vec<i64> = measures.iter().map(|v| ints[usize::from(*v)]).collect();
            check("integers", &|cells| add_ints(&raw, &classes, meaning.class_of, &key_runs, cells))?;
            #[cfg(target_arch = "x86_64")]
            if cpu::best() == cpu::Level::Avx512 {
                // SAFETY: the CPU has the instruction sets that the function names.
                #[allow(unsafe_code)]
                check("avx512", &|cells| unsafe { avx512::add(&measures, &classes, 2, meaning, &key_runs, cells) })?;
                // SAFETY: as above.
                #[allow(unsafe_code)]
                check("avx512, all", &|cells| unsafe {
                    avx512::add_all(&measures, &classes, 2, &narrow_ints, &key_runs, cells);
                })?;
            }
        }
    }
}
