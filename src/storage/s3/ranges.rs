//! Joins ranges and cuts them into requests.

use std::ops::Range;

/// Ranges at most this far apart are joined: the bytes between them cost less than another request.
pub const GAP: u64 = 64 << 10;
/// The longest range of one request.
pub const REQUEST: u64 = 8 << 20;

/// The requests that cover `wanted`, in order. A range longer than [`REQUEST`] is cut into equal
/// parts.
pub fn requests(wanted: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut sorted: Vec<Range<u64>> = wanted.iter().filter(|r| r.start < r.end).cloned().collect();
    sorted.sort_unstable_by_key(|r| (r.start, r.end));
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in sorted {
        match joined.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(GAP) => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined.into_iter().flat_map(split_range).collect()
}

fn split_range(range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let len = range.end - range.start;
    let parts = len.div_ceil(REQUEST);
    let at = move |part: u64| {
        // In 128 bits: a damaged footer may claim any length.
        let offset = u128::from(len) * u128::from(part) / u128::from(parts.max(1));
        range.start + u64::try_from(offset).unwrap_or(len)
    };
    (0..parts).map(move |part| at(part)..at(part + 1))
}

/// The parts of `wanted` that no range of `have` covers; `have` is sorted and does not overlap.
pub fn uncovered(wanted: &Range<u64>, have: impl Iterator<Item = Range<u64>>) -> Vec<Range<u64>> {
    let mut left = Vec::new();
    let mut at = wanted.start;
    for range in have {
        if range.start >= wanted.end {
            break;
        }
        if range.start > at {
            left.push(at..range.start);
        }
        at = at.max(range.end);
    }
    if at < wanted.end {
        left.push(at..wanted.end);
    }
    left
}

#[cfg(test)]
mod tests {
    #![allow(clippy::single_range_in_vec_init)] // one range, not its elements
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn near_ranges_are_joined_and_long_ones_cut() {
        assert_eq!(requests(&[10..20, 0..10]), [0..20]);
        assert_eq!(requests(&[0..10, 10 + GAP..20 + GAP]), [0..20 + GAP]);
        assert_eq!(requests(&[0..10, 11 + GAP..20 + GAP]), [0..10, 11 + GAP..20 + GAP]);
        assert_eq!(requests(&[0..REQUEST + 2]), [0..REQUEST / 2 + 1, REQUEST / 2 + 1..REQUEST + 2]);
        assert_eq!(requests(&[5..5]), []);
    }

    proptest! {
        #[test]
        fn every_wanted_byte_is_in_one_request(
            wanted in prop::collection::vec((0u64..1 << 26, 0u64..1 << 25), 0..8)
        ) {
            let wanted: Vec<_> = wanted.into_iter().map(|(start, len)| start..start + len).collect();
            let asked = requests(&wanted);
            for pair in asked.windows(2) {
                prop_assert!(pair[0].end <= pair[1].start);
            }
            for range in &asked {
                prop_assert!(range.start < range.end && range.end - range.start <= REQUEST);
            }
            for range in wanted.iter().filter(|r| !r.is_empty()) {
                prop_assert_eq!(uncovered(range, asked.iter().cloned()), vec![]);
            }
        }

        #[test]
        fn what_is_uncovered_and_what_is_there_fill_the_range(
            cuts in prop::collection::btree_set(0u64..100, 0..12), wanted in (0u64..100, 0u64..100)
        ) {
            let wanted = wanted.0.min(wanted.1)..wanted.0.max(wanted.1);
            let cuts: Vec<u64> = cuts.into_iter().collect();
            let have: Vec<_> = cuts.chunks_exact(2).map(|c| c[0]..c[1]).collect();
            let left = uncovered(&wanted, have.iter().cloned());
            for byte in 0..100 {
                let in_have = have.iter().any(|r| r.contains(&byte));
                let in_left = left.iter().any(|r| r.contains(&byte));
                prop_assert_eq!(in_left, wanted.contains(&byte) && !in_have);
            }
        }
    }
}
