//! Bitmaps: filter a block to the rows that count, then sum those.
//!
//! ```text
//! for each row:       keep[row] = system[row] is the total and country[row] is none
//! for each kept row:  cell(country, week, channel) += value
//! ```
//!
//! 1. Both predicates were evaluated once a dictionary entry; a row looks up
//!    one byte for each.
//! 2. A row that adds zero only has to be seen: its country and week are on the
//!    axis. Once a block's rows were seen, zeros are passed over.

use crate::grid::Dense;

/// How many rows of a block went where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Rows of the total over systems.
    pub system: u32,
    /// Of these, rows whose country is null.
    pub null_country: u32,
    /// Of these, rows whose country is the total over countries.
    pub country_total: u32,
    /// The rest: rows that count.
    pub rows: u32,
}

/// Marks the rows that count. `countries` classes are those of
/// [`crate::ids::keys::Country`].
pub fn select(
    systems: &[u16],
    system_pass: &[u8],
    countries: &[u16],
    country_class: &[u8],
    keep: &mut [u64],
) -> Kept {
    let mut kept = Kept::default();
    let words = systems.chunks(64).zip(countries.chunks(64)).zip(keep);
    for ((systems, countries), keep) in words {
        *keep = 0;
        for (row, (system, country)) in systems.iter().zip(countries).enumerate() {
            let system = system_pass.get(usize::from(*system)).copied().unwrap_or_default();
            let country = country_class.get(usize::from(*country)).copied().unwrap_or_default();
            kept.system += u32::from(system);
            kept.country_total += u32::from(system & u8::from(country == 1));
            kept.null_country += u32::from(system & u8::from(country == 2));
            *keep |= u64::from(system & u8::from(country == 0)) << row;
        }
        kept.rows += keep.count_ones();
    }
    kept
}

/// The slots of a block's rows.
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

/// Adds the rows that are marked. The caller has reserved room for them.
#[allow(clippy::indexing_slicing)] // rows are those of the block, slots those of the tables
pub fn add(
    keep: &[u64],
    rows: &Rows<'_>,
    groups: &[u32],
    times: &[u32],
    channels: &[u8],
    ints: &[i64],
    dense: &mut Dense,
) {
    for (word, keep) in keep.iter().enumerate() {
        let mut keep = *keep;
        while keep != 0 {
            let row = word * 64 + keep.trailing_zeros() as usize;
            keep &= keep - 1;
            let group = groups[usize::from(rows.countries[row])];
            let time = times[usize::from(rows.times[row])];
            dense.see(group, time);
            let value = ints[usize::from(rows.values[row])];
            if value != 0 {
                let channel = channels[usize::from(rows.channels[row])];
                let cell = dense.base(group) + time as usize * 2 + usize::from(channel);
                dense.cells[cell] += value;
            }
        }
    }
}
