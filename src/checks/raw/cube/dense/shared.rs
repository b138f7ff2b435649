//! The arrays of days that several row ranges have.
//!
//! A day has one worker, to which the arrays of each of its ranges are added. So memory does not grow with the number of
//! ranges: at most the arrays of all days are kept, and of ranges in the order of their days those of a few.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::cell::Cell;
use super::windows::Windows;
use super::{Layout, Worker};

/// The days of which some ranges have been read, and others not.
pub(super) struct SharedDays<'w, C> {
    windows: &'w Windows,
    begun: Mutex<BTreeMap<usize, Begun<C>>>,
    /// The largest size of the arrays that were kept, in bytes.
    most: AtomicUsize,
}

struct Begun<C> {
    worker: Worker<C>,
    /// Ranges that were added.
    ranges: u32,
}

impl<'w, C: Cell> SharedDays<'w, C> {
    pub(super) fn new(windows: &'w Windows) -> Self {
        SharedDays { windows, begun: Mutex::default(), most: AtomicUsize::new(0) }
    }

    /// The largest size of the arrays that were kept so far, in bytes.
    pub(super) fn most_bytes(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    /// Adds the arrays of a day of one range. Returns those of all its ranges, if this was the last one.
    pub(super) fn add(&self, worker: &Worker<C>, day: usize) -> Option<Worker<C>> {
        let lock = || self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        // Arrays are added without the lock: another thread may begin the same day meanwhile.
        let taken = lock().remove(&day);
        let mut this = match taken {
            Some(mut begun) => {
                begun.worker.add_day(worker, day);
                Begun { ranges: begun.ranges + 1, ..begun }
            }
            None => Begun { worker: worker.day(day), ranges: 1 },
        };
        loop {
            if this.ranges >= self.windows.ranges(day) {
                return Some(this.worker);
            }
            let mut begun = lock();
            let Some(other) = begun.remove(&day) else {
                let of_day = Layout { days: 1, ..this.worker.layout }.bytes(size_of::<C>());
                begun.insert(day, this);
                self.most.fetch_max(begun.len().saturating_mul(of_day), Ordering::Relaxed);
                return None;
            };
            drop(begun);
            this.worker.add_day(&other.worker, day);
            this.ranges += other.ranges;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::checks::raw::RowRange;

    const LAYOUT: Layout = Layout { days: 1, countries: 3, systems: 2, channels: 5, words: 1 };

    /// Ranges of these days.
    fn windows(days: &[i32], of: &[i32]) -> Windows {
        let range = |day: &i32| RowRange {
            file: 0,
            row_group: 0,
            rows: 0..1,
            before: 0,
            days: Some((*day, *day)),
            is_undated: false,
        };
        Windows::of(days, &of.iter().map(range).collect::<Vec<_>>()).unwrap()
    }

    /// The arrays of a range with one row: bit and cell `at`.
    fn range(day: usize, at: usize) -> Worker<i32> {
        let mut worker = Worker::new(LAYOUT);
        worker.first_day = day;
        (worker.seen[at], worker.by_system[at], worker.users[at], worker.touched[0]) = (1 << at, 7, 9, true);
        worker.by_country[at] = i64::MAX;
        worker.others.insert((0, at), 1);
        worker
    }

    #[test]
    fn a_day_has_one_set_of_arrays_whatever_its_ranges() {
        let of_ranges: Vec<i32> = (0..300).map(|at| i32::from(at >= 150)).collect();
        let windows = windows(&[0, 1], &of_ranges);
        let shared = SharedDays::new(&windows);
        for (at, day) in of_ranges.iter().enumerate() {
            let day = usize::try_from(*day).unwrap();
            let complete = shared.add(&range(day, at % 5), day);
            assert_eq!(complete.is_some(), at % 150 == 149);
            // Of days in order, those of one day.
            assert!(shared.most_bytes() <= LAYOUT.bytes(4), "{at}");
            let Some(complete) = complete else { continue };
            assert_eq!(complete.first_day, day);
            assert_eq!(complete.seen[..5], [1, 2, 4, 8, 16]);
            assert_eq!(complete.by_system[..6], [210, 210, 210, 210, 210, 0]);
            assert_eq!(complete.users[..6], [270, 270, 270, 270, 270, 0]);
            assert_eq!(complete.by_country[..5], [i64::MAX.wrapping_mul(30); 5]);
            assert!(complete.touched[0] && complete.others.values().eq(&[30; 5]));
        }
        assert!(shared.begun.into_inner().unwrap().is_empty());
    }

    #[test]
    fn threads_that_add_the_same_day_lose_no_range() {
        let windows = windows(&[0], &[0; 400]);
        let shared = SharedDays::new(&windows);
        let complete: Vec<Worker<i32>> = std::thread::scope(|scope| {
            let add =
                |_| scope.spawn(|| (0..100).filter_map(|_| shared.add(&range(0, 2), 0)).collect::<Vec<_>>());
            let threads: Vec<_> = (0..4).map(add).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(complete.len(), 1);
        assert_eq!((complete[0].by_system[2], complete[0].users[2]), (2_800, 3_600));
    }
}
