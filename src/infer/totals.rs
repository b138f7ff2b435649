//! Total rows: whether the rows of one member are the sums of the others.

use std::collections::BTreeMap;

use super::sample::{NULL, Sample, SampleColumn};

/// How many keys have a total that is the sum of their other rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Keys whose total is the sum of the others.
    pub equal: u64,
    /// Keys whose total differs.
    pub different: u64,
    /// Keys with a total alone, or without one.
    pub alone: u64,
}

impl Sums {
    /// Whether the member is the total, as far as sums tell.
    pub fn is_total(self) -> bool {
        self.equal >= 3 && self.equal >= 4 * self.different
    }

    /// The keys that have both.
    pub fn compared(self) -> u64 {
        self.equal + self.different
    }
}

/// Compares the rows of `total`, the number of a value or [`NULL`], with the sums of the others, for each key of `keys`:
/// the columns of times, channels and other dimensions. Finer columns are summed over, on both sides.
pub fn compare(
    sample: &Sample,
    dimension: &SampleColumn,
    total: u32,
    users: &SampleColumn,
    keys: &[&SampleColumn],
) -> Sums {
    let keys = || keys.iter().filter(|column| ![&dimension.name, &users.name].contains(&&column.name));
    // Users of the total rows, the largest of them, and users of the others.
    let mut groups: BTreeMap<Vec<u32>, ([f64; 3], [u64; 2])> = BTreeMap::new();
    for row in 0..sample.rows {
        let key = keys().map(|column| column.ids.get(row).copied().unwrap_or(NULL)).collect();
        let value = users.cell(row).and_then(|cell| cell.number).unwrap_or_default();
        let ([totals, largest, others], [total_rows, other_rows]) = groups.entry(key).or_default();
        if dimension.ids.get(row) == Some(&total) {
            (*totals, *largest, *total_rows) = (*totals + value, largest.max(value), *total_rows + 1);
        } else {
            (*others, *other_rows) = (*others + value, *other_rows + 1);
        }
    }
    let mut sums = Sums::default();
    for ([totals, largest, others], [total_rows, other_rows]) in groups.into_values() {
        if total_rows == 0 || other_rows == 0 {
            sums.alone += 1;
            continue;
        }
        if totals == 0.0 && others == 0.0 {
            continue;
        }
        let is_sum = |total: f64, parts: f64| (total - parts).abs() <= 1e-6 * total.abs().max(1.0);
        // Beside the total a key may have rows without a member, which are part of the sum.
        if is_sum(totals, others) || total == NULL && is_sum(largest, others + totals - largest) {
            sums.equal += 1;
        } else {
            sums.different += 1;
        }
    }
    sums
}
