//! Bitmaps: filter a block to the rows that count, then sum those.
//!
//! ```text
//! for each row:       keep[row] = system[row] is the total and country[row] is a country
//! for each kept row:  cell(country, week, channel) += value
//! ```
//!
//! 1. Both predicates were evaluated once a dictionary entry. Nearly always one
//!    value id passes (the total over systems) and at most two fail (the total over
//!    countries, null): then a row is three comparisons, 32 rows at a time, and
//!    the masks are the bitmap. Any other dictionary looks up a byte a row.
//! 2. Most counts are zero. A row that adds zero has only to be seen: its
//!    country and week are on the axis. Survivors are the kept rows whose value
//!    is not the value id of zero; they are compressed to the front of each column
//!    (`vpcompressw`), so that the loop that adds has no branch.
//! 3. Once all countries and weeks of the dictionaries were seen, nobody looks
//!    again; while a few are missing, a row is compared with these alone.

use super::compare::portable_equal;
use super::cpu;
use crate::ids::keys::Country;

/// How many rows of a block went where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SelectionCounts {
    /// Rows of the total over systems.
    pub system: u32,
    /// Of these, rows whose country is null.
    pub null_country: u32,
    /// Of these, rows whose country is the total over countries.
    pub country_total: u32,
    /// The rest: rows that count.
    pub rows: u32,
}

/// The two predicates, as tables and, where that says the same, as value ids.
#[derive(Debug, Clone, Copy)]
pub struct Predicate<'a> {
    /// 1 where the system value id is the total.
    pub system_pass: &'a [u8],
    /// [`Country`] by value id.
    pub country_class: &'a [u8],
    /// The same as single value ids.
    pub value_ids: Option<SingleIds>,
}

/// Predicates that single value ids decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SingleIds {
    /// The only system value id that passes.
    pub system: u16,
    /// The only value id of the total over countries; the null value id where there is none.
    pub total: u16,
    /// The null value id of the country.
    pub null: u16,
}

impl SingleIds {
    /// Finds the value ids, if the tables are of that kind.
    pub fn find(system_pass: &[u8], country_class: &[u8]) -> Option<Self> {
        let only = |table: &[u8], class: u8| {
            let mut value_ids =
                table.iter().zip(0..).filter(|(c, _)| **c == class).map(|(_, value_id): (_, u16)| value_id);
            (value_ids.next(), value_ids.next())
        };
        if system_pass.len().max(country_class.len()) > 1 << 16 {
            return None;
        }
        let ((Some(system), None), (total, None), (Some(null), None)) = (
            only(system_pass, 1),
            only(country_class, Country::Total as u8),
            only(country_class, Country::Null as u8),
        ) else {
            return None;
        };
        Some(SingleIds { system, total: total.unwrap_or(null), null })
    }
}

/// Marks the rows that count, 64 a word.
pub fn select(
    predicate: &Predicate<'_>,
    systems: &[u16],
    countries: &[u16],
    keep: &mut [u64],
) -> SelectionCounts {
    #[cfg(target_arch = "x86_64")]
    if let Some(value_ids) = predicate.value_ids {
        if cpu::avx512() {
            // SAFETY: the instruction sets that the function names were found.
            #[allow(unsafe_code)]
            return unsafe { avx512::select(value_ids, systems, countries, keep) };
        }
        if cpu::avx2() {
            // SAFETY: as above.
            #[allow(unsafe_code)]
            return unsafe { avx2::select(value_ids, systems, countries, keep) };
        }
    }
    portable_select(predicate, systems, countries, keep)
}

/// The same without vectors.
pub fn portable_select(
    predicate: &Predicate<'_>,
    systems: &[u16],
    countries: &[u16],
    keep: &mut [u64],
) -> SelectionCounts {
    let mut kept = SelectionCounts::default();
    let class = |table: &[u8], value_id: &u16| table.get(usize::from(*value_id)).copied().unwrap_or_default();
    for ((systems, countries), keep) in systems.chunks(64).zip(countries.chunks(64)).zip(keep) {
        *keep = 0;
        for (row, (system, country)) in systems.iter().zip(countries).enumerate() {
            let system = class(predicate.system_pass, system);
            let country = class(predicate.country_class, country);
            kept.system += u32::from(system);
            kept.country_total += u32::from(system & u8::from(country == Country::Total as u8));
            kept.null_country += u32::from(system & u8::from(country == Country::Null as u8));
            *keep |= u64::from(system & u8::from(country == Country::Keep as u8)) << row;
        }
        kept.rows += keep.count_ones();
    }
    kept
}

/// The survivors of a block, front to back in four columns of value ids.
pub struct Survivors<const N: usize> {
    /// Country value ids.
    pub countries: [u16; N],
    /// Time value ids.
    pub times: [u16; N],
    /// Channel value ids.
    pub channels: [u16; N],
    /// Value value ids.
    pub values: [u16; N],
}

/// The value ids of a block's rows.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// Countries.
    pub countries: &'a [u16],
    /// Points in time.
    pub times: &'a [u16],
    /// Channels.
    pub channels: &'a [u16],
    /// Values.
    pub values: &'a [u16],
}

/// Compresses the kept rows whose value is not `zero`; returns how many. `N`
/// is at least the number of rows plus 31.
pub fn compress<const N: usize>(
    keep: &[u64],
    rows: Rows<'_>,
    zero: Option<u16>,
    out: &mut Survivors<N>,
) -> usize {
    #[cfg(target_arch = "x86_64")]
    if cpu::avx512() && rows.values.len() + 31 <= N {
        // SAFETY: the instruction sets that the function names were found, and `out` has room.
        #[allow(unsafe_code)]
        return unsafe { avx512::compress(keep, rows, zero, out) };
    }
    #[cfg(target_arch = "x86_64")]
    if cpu::avx2() && rows.values.len() <= N {
        // SAFETY: as above.
        #[allow(unsafe_code)]
        return unsafe { avx2::compress(keep, rows, zero, out) };
    }
    portable_compress(keep, rows, zero, out)
}

/// The same without vectors.
pub fn portable_compress<const N: usize>(
    keep: &[u64],
    rows: Rows<'_>,
    zero: Option<u16>,
    out: &mut Survivors<N>,
) -> usize {
    let mut n = 0;
    for ((word, keep), values) in keep.iter().enumerate().zip(rows.values.chunks(64)) {
        let zeros = zero.map_or(0, |zero| portable_equal(values, zero));
        n = take(word, keep & !zeros, rows, out, n);
    }
    n
}

/// Puts the rows of a word that are `live` behind the first `n` survivors; returns how many there are then.
#[inline(always)]
#[allow(clippy::indexing_slicing)] // bits of `live` are rows of the block; survivors are at most as many
fn take<const N: usize>(
    word: usize,
    mut live: u64,
    rows: Rows<'_>,
    out: &mut Survivors<N>,
    mut n: usize,
) -> usize {
    while live != 0 {
        let row = word * 64 + live.trailing_zeros() as usize;
        live &= live - 1;
        out.countries[n] = rows.countries[row];
        out.times[n] = rows.times[row];
        out.channels[n] = rows.channels[row];
        out.values[n] = rows.values[row];
        n += 1;
    }
    n
}

/// Where the survivors' sums are.
#[derive(Clone, Copy)]
pub struct CellOffsets<'a> {
    /// First cell of each country value id.
    pub bases: &'a [u32],
    /// What each time value id adds to that.
    pub offsets: &'a [u32],
    /// What each channel value id adds to that: 0 paid, 1 organic.
    pub channels: &'a [u8],
    /// What each value value id adds to the cell.
    pub ints: &'a [i64],
}

/// Adds the first `n` survivors to `cells`.
#[allow(clippy::indexing_slicing)] // value ids are those of the tables, places those of the cells
pub fn add<const N: usize>(
    survivors: &Survivors<N>,
    n: usize,
    cell_offsets: CellOffsets<'_>,
    cells: &mut [i64],
) {
    let rows = survivors.countries[..n]
        .iter()
        .zip(&survivors.times[..n])
        .zip(&survivors.channels[..n])
        .zip(&survivors.values[..n]);
    for (((country, time), channel), value) in rows {
        let cell = cell_offsets.bases[usize::from(*country)]
            + cell_offsets.offsets[usize::from(*time)]
            + u32::from(cell_offsets.channels[usize::from(*channel)]);
        cells[cell as usize] += cell_offsets.ints[usize::from(*value)];
    }
}

/// Adds the kept rows of a block whose values are integers as they are.
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
                let cell = cell_offsets.bases[usize::from(rows.countries[row])]
                    + cell_offsets.offsets[usize::from(rows.times[row])]
                    + u32::from(cell_offsets.channels[usize::from(rows.channels[row])]);
                cells[cell as usize] += value;
            }
        }
    }
}

/// Whether `value_id` is among the kept rows.
pub fn contains(keep: &[u64], value_ids: &[u16], value_id: u16) -> bool {
    keep.iter().zip(value_ids.chunks(64)).any(|(keep, value_ids)| {
        // The comparison of a whole word is vectors again.
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
        #[cfg(not(target_arch = "x86_64"))]
        Vec::new()
    }

    fn survivors() -> Survivors<N> {
        Survivors { countries: [0; N], times: [0; N], channels: [0; N], values: [0; N] }
    }

    proptest! {
        #[test]
        fn every_path_selects_and_compresses_alike(
            rows in proptest::collection::vec((0u16..4, 0u16..6, 0u16..9, 0u16..5), 0..300),
            zero in proptest::option::of(0u16..5),
        ) {
            let column = |f: fn(&(u16, u16, u16, u16)) -> u16| rows.iter().map(f).collect::<Vec<_>>();
            let (systems, countries, times, values) =
                (column(|r| r.0), column(|r| r.1), column(|r| r.2), column(|r| r.3));
            // System 2 is the total; country 1 is the total, 5 is null.
            let (system_pass, country_class) = ([0, 0, 1, 0], [0, 1, 0, 0, 0, 2]);
            let value_ids = SingleIds::find(&system_pass, &country_class);
            prop_assert_eq!(value_ids, Some(SingleIds { system: 2, total: 1, null: 5 }));
            let predicate = Predicate { system_pass: &system_pass, country_class: &country_class, value_ids };
            let mut a = [0u64; 5];
            let kept = portable_select(&predicate, &systems, &countries, &mut a);
            let mut b = [7u64; 5];
            prop_assert_eq!(kept, select(&predicate, &systems, &countries, &mut b));
            prop_assert_eq!(&a[..rows.len().div_ceil(64)], &b[..rows.len().div_ceil(64)]);
            for (name, (select, _)) in paths() {
                let mut b = [7u64; 5];
                // SAFETY: the paths are those that this machine has.
                #[allow(unsafe_code)]
                let got = unsafe { select(value_ids.unwrap(), &systems, &countries, &mut b) };
                prop_assert_eq!(kept, got, "{}", name);
                prop_assert_eq!(&a[..rows.len().div_ceil(64)], &b[..rows.len().div_ceil(64)], "{}", name);
            }
            let want: Vec<usize> = (0..rows.len()).filter(|r| systems[*r] == 2 && ![1, 5].contains(&countries[*r])).collect();
            prop_assert_eq!(kept.rows as usize, want.len());
            for row in 0..rows.len() {
                prop_assert_eq!(a[row / 64] >> (row % 64) & 1 == 1, want.contains(&row));
            }
            for value_id in 0..6 {
                prop_assert_eq!(contains(&a, &countries, value_id), want.iter().any(|r| countries[*r] == value_id));
            }
            let block = Rows { countries: &countries, times: &times, channels: &systems, values: &values };
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
            let live: Vec<usize> = want.into_iter().filter(|r| Some(values[*r]) != zero).collect();
            prop_assert_eq!(n, live.len());
            for (at, row) in live.into_iter().enumerate() {
                let value_ids = (countries[row], times[row], systems[row], values[row]);
                for (name, x) in &all {
                    let got = (x.countries[at], x.times[at], x.channels[at], x.values[at]);
                    prop_assert_eq!(got, value_ids, "{}", name);
                }
            }
        }
    }

    #[test]
    fn other_dictionaries_have_no_single_ids() {
        assert_eq!(SingleIds::find(&[1, 1], &[0, 2]), None, "two systems pass");
        assert_eq!(SingleIds::find(&[0, 0], &[0, 2]), None, "no system passes");
        assert_eq!(SingleIds::find(&[0, 1], &[1, 1, 2]), None, "two totals");
        assert_eq!(SingleIds::find(&[0, 1], &[0, 2]), Some(SingleIds { system: 1, total: 1, null: 1 }));
    }
}
