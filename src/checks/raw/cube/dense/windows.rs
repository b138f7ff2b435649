//! The days of each row range, and which of them other ranges have.

use std::ops::Range;

use super::super::super::RowRange;

/// The days of row ranges that have few in common.
pub(super) struct Windows {
    /// The days of each range, from the first to the last.
    pub(super) of_ranges: Vec<Range<usize>>,
    /// How many ranges have a day.
    ranges: Vec<u32>,
}

impl Windows {
    /// The days of each range, as places in `days`; `None` where most ranges have most days.
    pub(super) fn of(days: &[i32], row_ranges: &[RowRange]) -> Option<Windows> {
        let at = |day: i32| days.partition_point(|other| *other < day);
        let window = |range: &RowRange| range.days.map_or(0..0, |(first, last)| at(first)..at(last + 1));
        let of_ranges: Vec<Range<usize>> = row_ranges.iter().map(window).collect();
        let all: usize = of_ranges.iter().map(|window| window.len()).sum();
        if all > 2 * days.len() + row_ranges.len() {
            return None;
        }
        let mut ranges = vec![0u32; days.len()];
        for window in &of_ranges {
            ranges.get_mut(window.clone()).unwrap_or_default().iter_mut().for_each(|ranges| *ranges += 1);
        }
        Some(Windows { of_ranges, ranges })
    }

    /// How many ranges have a day.
    pub(super) fn ranges(&self, day: usize) -> u32 {
        self.ranges.get(day).copied().unwrap_or(0)
    }

    /// The largest number of days of a range.
    pub(super) fn longest(&self) -> usize {
        self.of_ranges.iter().map(|window| window.len()).max().unwrap_or(0)
    }

    /// Runs of days of a window that no other one has.
    pub(super) fn alone(&self, window: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let mut at = window.start;
        let runs = self.ranges.get(window).unwrap_or_default().chunk_by(|a, b| (*a > 1) == (*b > 1));
        runs.filter_map(move |run| {
            let days = at..at + run.len();
            at = days.end;
            run.first().is_some_and(|ranges| *ranges <= 1).then_some(days)
        })
    }

    /// The days of a window that others have, too.
    pub(super) fn shared(&self, window: Range<usize>) -> impl Iterator<Item = usize> {
        window.filter(|day| self.ranges(*day) > 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(days: i32, of: &[Option<(i32, i32)>]) -> Option<Windows> {
        let range = |days: &Option<(i32, i32)>| RowRange {
            file: 0,
            row_group: 0,
            rows: 0..1,
            before: 0,
            days: *days,
            is_undated: false,
        };
        // Every other day has rows.
        let days: Vec<i32> = (0..days).map(|day| 2 * day).collect();
        Windows::of(&days, &of.iter().map(range).collect::<Vec<_>>())
    }

    #[test]
    fn days_of_one_range_and_of_several() {
        let windows = windows(8, &[Some((0, 6)), None, Some((6, 10)), Some((12, 14))])
            .unwrap_or_else(|| panic!("the ranges have one day in common"));
        assert_eq!(windows.of_ranges, [0..4, 0..0, 3..6, 6..8]);
        assert_eq!(windows.longest(), 4);
        let alone = |at: usize| {
            let days = windows.alone(windows.of_ranges[at].clone());
            days.map(|days| (days.start, days.end)).collect::<Vec<_>>()
        };
        let shared = |at: usize| windows.shared(windows.of_ranges[at].clone()).collect::<Vec<_>>();
        assert_eq!((alone(0), shared(0)), (vec![(0, 3)], vec![3]));
        assert_eq!((alone(1), shared(1)), (vec![], vec![]));
        assert_eq!((alone(2), shared(2)), (vec![(4, 6)], vec![3]));
        assert_eq!((alone(3), shared(3)), (vec![(6, 8)], vec![]));
    }

    #[test]
    fn ranges_of_all_days_have_no_windows() {
        assert!(windows(100, &[Some((0, 198)); 4]).is_none());
        assert!(windows(100, &[Some((0, 198)); 2]).is_some());
    }
}
