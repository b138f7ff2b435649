//! Selection masks: mark the rows of a block that count, then sum those.
//!
//! ```text
//! for each row:           keep[row] = condition[row] is met and key[row] is of class Keep
//! for each selected row:  cell(key, period, class) += measure
//! ```
//!
//! 1. Both predicates are evaluated once a dictionary entry. Nearly always one
//!    value id meets the condition and at most two keys fail (the total over all keys, null):
//!    then a row takes three comparisons, 32 rows at a time, and their masks are the
//!    selection mask. For any other dictionary a row looks up one byte of each table.
//! 2. Most measures are zero. A row that adds zero only has to mark its key and period as
//!    present. The survivors are the selected rows whose measure is not the value id of zero;
//!    they are compressed to the front of each column (`vpcompressw`), so that the loop that
//!    adds them has no branch.
//! 3. Once every key and period of the dictionaries is marked as present, rows are no longer
//!    checked for that; while a few are missing, rows are compared with those few alone.

use super::compare::portable_equal;
use super::cpu;

/// The class of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum KeyClass {
    /// A key with sums: its rows are selected.
    Keep = 0,
    /// The total over all keys.
    Total = 1,
    /// Null.
    Null = 2,
}

/// Counts the rows of a block by the result of the predicates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SelectionCounts {
    /// Rows that meet the condition.
    pub condition: u32,
    /// Of these, rows whose key is null.
    pub null_keys: u32,
    /// Of these, rows whose key is the total over all keys.
    pub total_keys: u32,
    /// Of these, all other rows: the selected ones.
    pub rows: u32,
}

/// The two predicates: as tables and, where single value ids decide them, as those.
#[derive(Debug, Clone, Copy)]
pub struct Predicate<'a> {
    /// By condition value id: 1 where it meets the condition, else 0.
    pub condition_met: &'a [u8],
    /// By key value id: its [`KeyClass`] as a number.
    pub key_class: &'a [u8],
    /// The same as single value ids; `None` where more of them are needed.
    pub value_ids: Option<SingleIds>,
}

/// Predicates that single value ids decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SingleIds {
    /// The only value id that meets the condition.
    pub condition: u16,
    /// The only value id of the total over all keys; equal to `null` where no key is the total.
    pub total: u16,
    /// The value id of a null key; one that no row has where no key is null.
    pub null: u16,
}

impl SingleIds {
    /// Finds the value ids; `None` where the tables need more than these three.
    pub fn find(condition_met: &[u8], key_class: &[u8]) -> Option<Self> {
        let only = |table: &[u8], class: u8| {
            let mut value_ids =
                table.iter().zip(0..).filter(|(c, _)| **c == class).map(|(_, value_id): (_, u16)| value_id);
            (value_ids.next(), value_ids.next())
        };
        if condition_met.len().max(key_class.len()) > 1 << 16 {
            return None;
        }
        // Most tables grow by keys alone that are kept.
        let all_kept = key_class.iter().fold(0, |any, class| any | class) == KeyClass::Keep as u8;
        let of_keys = |class: KeyClass| if all_kept { (None, None) } else { only(key_class, class as u8) };
        let ((Some(condition), None), (total, None), (null, None)) =
            (only(condition_met, 1), of_keys(KeyClass::Total), of_keys(KeyClass::Null))
        else {
            return None;
        };
        // Where no key is null, a value id that no row has serves.
        let null = null.or_else(|| u16::try_from(key_class.len()).ok())?;
        Some(SingleIds { condition, total: total.unwrap_or(null), null })
    }
}

/// Marks the selected rows in `keep`, 64 a word, and counts them.
pub fn select(
    predicate: &Predicate<'_>,
    conditions: &[u16],
    keys: &[u16],
    keep: &mut [u64],
) -> SelectionCounts {
    #[cfg(target_arch = "x86_64")]
    if let Some(value_ids) = predicate.value_ids {
        if cpu::avx512() {
            // SAFETY: the CPU has the instruction sets that the function names.
            #[allow(unsafe_code)]
            return unsafe { avx512::select(value_ids, conditions, keys, keep) };
        }
        if cpu::avx2() {
            // SAFETY: as above.
            #[allow(unsafe_code)]
            return unsafe { avx2::select(value_ids, conditions, keys, keep) };
        }
    }
    #[cfg(target_arch = "aarch64")]
    if let Some(value_ids) = predicate.value_ids
        && cpu::neon()
    {
        // SAFETY: every aarch64 CPU has NEON.
        #[allow(unsafe_code)]
        return unsafe { neon::select(value_ids, conditions, keys, keep) };
    }
    portable_select(predicate, conditions, keys, keep)
}

/// [`select`] without vector instructions.
#[allow(clippy::indexing_slicing)] // value ids index the tables
pub fn portable_select(
    predicate: &Predicate<'_>,
    conditions: &[u16],
    keys: &[u16],
    keep: &mut [u64],
) -> SelectionCounts {
    let mut kept = SelectionCounts::default();
    for ((conditions, keys), keep) in conditions.chunks(64).zip(keys.chunks(64)).zip(keep) {
        *keep = 0;
        for (row, (condition, key)) in conditions.iter().zip(keys).enumerate() {
            let condition = predicate.condition_met[usize::from(*condition)];
            let key = predicate.key_class[usize::from(*key)];
            kept.condition += u32::from(condition);
            kept.total_keys += u32::from(condition & u8::from(key == KeyClass::Total as u8));
            kept.null_keys += u32::from(condition & u8::from(key == KeyClass::Null as u8));
            *keep |= u64::from(condition & u8::from(key == KeyClass::Keep as u8)) << row;
        }
        kept.rows += keep.count_ones();
    }
    kept
}

/// The survivors of a block at the front of four columns of value ids.
pub struct Survivors<const N: usize> {
    /// Value ids of the keys.
    pub keys: [u16; N],
    /// Value ids of the periods.
    pub periods: [u16; N],
    /// Value ids of the classes.
    pub classes: [u16; N],
    /// Value ids of the measures.
    pub measures: [u16; N],
}

/// The value ids of a block's rows.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// Of the keys.
    pub keys: &'a [u16],
    /// Of the periods.
    pub periods: &'a [u16],
    /// Of the classes.
    pub classes: &'a [u16],
    /// Of the measures.
    pub measures: &'a [u16],
}

/// Compresses the selected rows whose measure is not `zero` to the front of `out`; returns how
/// many there are. `N` is at least the number of rows plus 31.
pub fn compress<const N: usize>(
    keep: &[u64],
    rows: Rows<'_>,
    zero: Option<u16>,
    out: &mut Survivors<N>,
) -> usize {
    #[cfg(target_arch = "x86_64")]
    if cpu::avx512() && rows.measures.len() + 31 <= N {
        // SAFETY: the CPU has the instruction sets that the function names, and `out` has room.
        #[allow(unsafe_code)]
        return unsafe { avx512::compress(keep, rows, zero, out) };
    }
    #[cfg(target_arch = "x86_64")]
    if cpu::avx2() && rows.measures.len() <= N {
        // SAFETY: as above.
        #[allow(unsafe_code)]
        return unsafe { avx2::compress(keep, rows, zero, out) };
    }
    #[cfg(target_arch = "aarch64")]
    if cpu::neon() {
        // SAFETY: every aarch64 CPU has NEON.
        #[allow(unsafe_code)]
        return unsafe { neon::compress(keep, rows, zero, out) };
    }
    portable_compress(keep, rows, zero, out)
}

/// [`compress`] without vector instructions.
pub fn portable_compress<const N: usize>(
    keep: &[u64],
    rows: Rows<'_>,
    zero: Option<u16>,
    out: &mut Survivors<N>,
) -> usize {
    let mut n = 0;
    for ((word, keep), measures) in keep.iter().enumerate().zip(rows.measures.chunks(64)) {
        let zeros = zero.map_or(0, |zero| portable_equal(measures, zero));
        n = append(word, keep & !zeros, rows, out, n);
    }
    n
}

/// Appends the rows of a word that are `live` to the first `n` survivors; returns the new count.
#[inline(always)]
#[allow(clippy::indexing_slicing)] // bits of `live` are rows of the block; survivors are at most as many
fn append<const N: usize>(
    word: usize,
    mut live: u64,
    rows: Rows<'_>,
    out: &mut Survivors<N>,
    mut n: usize,
) -> usize {
    while live != 0 {
        let row = word * 64 + live.trailing_zeros() as usize;
        live &= live - 1;
        out.keys[n] = rows.keys[row];
        out.periods[n] = rows.periods[row];
        out.classes[n] = rows.classes[row];
        out.measures[n] = rows.measures[row];
        n += 1;
    }
    n
}

/// Maps value ids to cells and amounts.
#[derive(Clone, Copy)]
pub struct CellOffsets<'a> {
    /// By key value id: its first cell.
    pub bases: &'a [u32],
    /// By period value id: what it adds to that index.
    pub offsets: &'a [u32],
    /// By class value id: what it adds to that index, 0 or 1.
    pub classes: &'a [u8],
    /// By measure value id: the amount that it adds to the cell.
    pub ints: &'a [i64],
}

/// Adds the first `n` survivors to `cells`.
#[allow(clippy::indexing_slicing)] // value ids index the tables, and the tables index the cells
pub fn add<const N: usize>(
    survivors: &Survivors<N>,
    n: usize,
    cell_offsets: CellOffsets<'_>,
    cells: &mut [i64],
) {
    let rows = survivors.keys[..n]
        .iter()
        .zip(&survivors.periods[..n])
        .zip(&survivors.classes[..n])
        .zip(&survivors.measures[..n]);
    for (((key, period), class), value) in rows {
        let cell = cell_offsets.bases[usize::from(*key)]
            + cell_offsets.offsets[usize::from(*period)]
            + u32::from(cell_offsets.classes[usize::from(*class)]);
        cells[cell as usize] += cell_offsets.ints[usize::from(*value)];
    }
}

/// Adds the selected rows of a block whose measures are the integers `ints` themselves.
#[allow(clippy::indexing_slicing)] // bits of `keep` are rows of the block
pub fn add_ints(
    keep: &[u64],
    rows: Rows<'_>,
    ints: &[i64],
    cell_offsets: CellOffsets<'_>,
    cells: &mut [i64],
) {
    for (word, keep) in keep.iter().enumerate() {
        let mut keep = *keep;
        while keep != 0 {
            let row = word * 64 + keep.trailing_zeros() as usize;
            keep &= keep - 1;
            let value = ints[row];
            if value != 0 {
                let cell = cell_offsets.bases[usize::from(rows.keys[row])]
                    + cell_offsets.offsets[usize::from(rows.periods[row])]
                    + u32::from(cell_offsets.classes[usize::from(rows.classes[row])]);
                cells[cell as usize] += value;
            }
        }
    }
}

/// The mask of those of at most 64 rows that have `value_id`.
#[inline]
fn equal(value_ids: &[u16], value_id: u16) -> u64 {
    // The compiler turns the comparison of a whole word into vector instructions: few for x86-64, some 220 for NEON,
    // where 37 do.
    #[cfg(target_arch = "aarch64")]
    if cpu::neon() {
        // SAFETY: every aarch64 CPU has NEON.
        #[allow(unsafe_code)]
        return unsafe { neon::equal(value_ids, value_id) };
    }
    portable_equal(value_ids, value_id)
}

/// Unmarks the selected rows that have `value_id`; returns how many they were.
pub fn remove(keep: &mut [u64], value_ids: &[u16], value_id: u16) -> u32 {
    keep.iter_mut().zip(value_ids.chunks(64)).fold(0, |removed, (keep, value_ids)| {
        let hits = equal(value_ids, value_id) & *keep;
        *keep &= !hits;
        removed + hits.count_ones()
    })
}

/// Unmarks the selected rows whose value id is `unwanted`; returns how many they were.
pub fn remove_where(keep: &mut [u64], value_ids: &[u16], unwanted: impl Fn(u16) -> bool) -> u32 {
    keep.iter_mut().zip(value_ids.chunks(64)).fold(0, |removed, (keep, value_ids)| {
        let hits =
            value_ids.iter().enumerate().fold(0, |hits, (row, id)| hits | u64::from(unwanted(*id)) << row);
        let hits: u64 = hits & *keep;
        *keep &= !hits;
        removed + hits.count_ones()
    })
}

/// The number of selected rows that have `value_id`.
pub fn count(keep: &[u64], value_ids: &[u16], value_id: u16) -> u32 {
    let words = keep.iter().zip(value_ids.chunks(64));
    words.map(|(keep, value_ids)| (equal(value_ids, value_id) & keep).count_ones()).sum()
}

/// Whether a selected row has `value_id`.
pub fn contains(keep: &[u64], value_ids: &[u16], value_id: u16) -> bool {
    keep.iter().zip(value_ids.chunks(64)).any(|(keep, value_ids)| {
        #[cfg(target_arch = "aarch64")]
        let hits = equal(value_ids, value_id);
        // The compiler turns the comparison of a whole word into vector instructions.
        #[cfg(not(target_arch = "aarch64"))]
        let hits =
            value_ids.iter().enumerate().fold(0, |hits, (row, s)| hits | u64::from(*s == value_id) << row);
        hits & keep != 0
    })
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx2;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, clippy::cast_possible_wrap)]
mod avx512;
#[cfg(target_arch = "aarch64")]
#[allow(unsafe_code)]
mod neon;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const N: usize = 300 + 31;

    type Select = unsafe fn(SingleIds, &[u16], &[u16], &mut [u64]) -> SelectionCounts;
    type Compress = unsafe fn(&[u64], Rows<'_>, Option<u16>, &mut Survivors<N>) -> usize;

    fn paths() -> Vec<(&'static str, (Select, Compress))> {
        #[cfg(target_arch = "x86_64")]
        return cpu::paths((avx2::select, avx2::compress), (avx512::select, avx512::compress));
        #[cfg(target_arch = "aarch64")]
        return cpu::paths((neon::select, neon::compress));
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        Vec::new()
    }

    fn survivors() -> Survivors<N> {
        Survivors { keys: [0; N], periods: [0; N], classes: [0; N], measures: [0; N] }
    }

    proptest! {
        #[test]
        fn every_path_selects_and_compresses_alike(
            rows in proptest::collection::vec((0u16..4, 0u16..6, 0u16..9, 0u16..5), 0..300),
            zero in proptest::option::of(0u16..5),
        ) {
            let column = |f: fn(&(u16, u16, u16, u16)) -> u16| rows.iter().map(f).collect::<Vec<_>>();
            let (conditions, keys, periods, measures) =
                (column(|r| r.0), column(|r| r.1), column(|r| r.2), column(|r| r.3));
            // Condition 2 is met; key 1 is the total, 5 is null.
            let (condition_met, key_class) = ([0, 0, 1, 0], [0, 1, 0, 0, 0, 2]);
            let value_ids = SingleIds::find(&condition_met, &key_class);
            prop_assert_eq!(value_ids, Some(SingleIds { condition: 2, total: 1, null: 5 }));
            let predicate = Predicate { condition_met: &condition_met, key_class: &key_class, value_ids };
            let mut a = [0u64; 5];
            let kept = portable_select(&predicate, &conditions, &keys, &mut a);
            let mut b = [7u64; 5];
            prop_assert_eq!(kept, select(&predicate, &conditions, &keys, &mut b));
            prop_assert_eq!(&a[..rows.len().div_ceil(64)], &b[..rows.len().div_ceil(64)]);
            for (name, (select, _)) in paths() {
                let mut b = [7u64; 5];
                // SAFETY: the paths are those that this machine has.
                #[allow(unsafe_code)]
                let got = unsafe { select(value_ids.unwrap(), &conditions, &keys, &mut b) };
                prop_assert_eq!(kept, got, "{}", name);
                prop_assert_eq!(&a[..rows.len().div_ceil(64)], &b[..rows.len().div_ceil(64)], "{}", name);
            }
            let want: Vec<usize> = (0..rows.len()).filter(|r| conditions[*r] == 2 && ![1, 5].contains(&keys[*r])).collect();
            prop_assert_eq!(kept.rows as usize, want.len());
            for row in 0..rows.len() {
                prop_assert_eq!(a[row / 64] >> (row % 64) & 1 == 1, want.contains(&row));
            }
            for value_id in 0..6 {
                prop_assert_eq!(contains(&a, &keys, value_id), want.iter().any(|r| keys[*r] == value_id));
            }
            let block = Rows { keys: &keys, periods: &periods, classes: &conditions, measures: &measures };
            let mut x = survivors();
            let n = portable_compress(&a, block, zero, &mut x);
            let mut y = survivors();
            prop_assert_eq!(n, compress(&a, block, zero, &mut y));
            let mut all = vec![("portable", x), ("chosen", y)];
            for (name, (_, compress)) in paths() {
                let mut out = survivors();
                // SAFETY: the paths are those that this machine has.
                #[allow(unsafe_code)]
                let got = unsafe { compress(&a, block, zero, &mut out) };
                prop_assert_eq!(n, got, "{}", name);
                all.push((name, out));
            }
            let live: Vec<usize> = want.into_iter().filter(|r| Some(measures[*r]) != zero).collect();
            prop_assert_eq!(n, live.len());
            for (at, row) in live.into_iter().enumerate() {
                let value_ids = (keys[row], periods[row], conditions[row], measures[row]);
                for (name, x) in &all {
                    let got = (x.keys[at], x.periods[at], x.classes[at], x.measures[at]);
                    prop_assert_eq!(got, value_ids, "{}", name);
                }
            }
        }
    }

    #[test]
    fn other_dictionaries_have_no_single_ids() {
        assert_eq!(SingleIds::find(&[1, 1], &[0, 2]), None, "two value ids meet the condition");
        assert_eq!(SingleIds::find(&[0, 0], &[0, 2]), None, "no value id meets the condition");
        assert_eq!(SingleIds::find(&[0, 1], &[1, 1, 2]), None, "two totals");
        assert_eq!(SingleIds::find(&[0, 1], &[0, 2]), Some(SingleIds { condition: 1, total: 1, null: 1 }));
    }
}
