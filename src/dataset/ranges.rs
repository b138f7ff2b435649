//! Row ranges: a row group, cut into tasks.

use std::ops::Range;

use crate::ids::column::Column;

/// Cuts the rows of a row group that are not in `excluded` into ranges of about `target` rows.
///
/// Each range begins where a page of `column` begins, so that no page of that column is decompressed twice.
/// `excluded` is in order, and its ranges do not overlap.
pub fn row_ranges(
    column: Option<&Column<'_>>,
    rows: u64,
    excluded: &[Range<u64>],
    target: u64,
) -> Vec<Range<u64>> {
    let pages = column.and_then(Column::chunk).map_or(&[][..], |chunk| chunk.data());
    let mut ranges = Vec::new();
    let mut start = 0;
    let ends = excluded.iter().map(|range| (range.start, range.end)).chain([(rows, rows)]);
    for (end, next) in ends {
        for page in pages {
            let cut = page.first_row;
            if cut < end && cut >= start + target && end - cut >= target / 2 {
                ranges.push(start..cut);
                start = cut;
            }
        }
        if start < end {
            ranges.push(start..end);
        }
        start = next;
    }
    ranges
}
