//! Exact sums of users by number and time: of keys by day, and of channels by week.
//!
//! Rows in no order have another key and day each. A map of all sums is larger than the caches, and every row would wait
//! for it, so the sums are arrays by time, one a number. Nearly all users are whole, and 64 bits are enough for them.

use std::collections::BTreeMap;

use super::counts::NumberMap;
use super::sums::ExactSums;

/// The most sums in arrays, with those of times without rows; more go to a map.
const CELLS_MAX: usize = 1 << 21;
/// Whole users of a row from this number on are summed in 128 bits; of fewer, 64 bits hold the sum of 2^39 rows.
pub(super) const WHOLE_MAX: i64 = 1 << 24;

/// Rows, and exact sums of their users.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Sums<const N: usize = 2> {
    /// Rows.
    pub rows: u64,
    /// Users; of two sums, paid and organic ones.
    pub users: ExactSums<N>,
}

/// The same, of whole users.
#[derive(Debug, Clone, Copy)]
struct Whole<const N: usize> {
    rows: u64,
    users: [i64; N],
}

/// Values from one time to another.
#[derive(Debug, Clone)]
struct Span<T> {
    first: i32,
    values: Vec<T>,
}

/// Values by number and time.
#[derive(Debug, Clone)]
struct Grid<T>(Vec<Span<T>>);

/// Exact sums of users by number and time.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(from = "Stored<N>", into = "Stored<N>")]
pub struct TimedSums<const N: usize> {
    whole: Grid<Whole<N>>,
    exact: Grid<Sums<N>>,
    rest: NumberMap<(u32, i32), Sums<N>>,
    /// Values in the arrays.
    cells: usize,
    /// Whether the arrays grow no more.
    is_full: bool,
    /// Numbers and times that have rows.
    live: usize,
}

/// The sums with their numbers and times: whole ones, and others.
type Stored<const N: usize> = (Vec<(u32, i32, u64, Vec<i64>)>, Vec<(u32, i32, Sums<N>)>);

/// All rows of a number and time.
#[derive(Debug, Clone, Default)]
pub struct Total<const N: usize> {
    sums: Sums<N>,
    whole: Whole<N>,
}

/// Whether there are rows.
trait Live {
    fn is_live(&self) -> bool;
}

impl<const N: usize> Live for Whole<N> {
    fn is_live(&self) -> bool {
        self.rows > 0
    }
}

impl<const N: usize> Live for Sums<N> {
    fn is_live(&self) -> bool {
        self.rows > 0
    }
}

impl<const N: usize> Sums<N> {
    /// Adds other sums.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.users.merge(&other.users);
    }
}

impl<const N: usize> Default for Whole<N> {
    fn default() -> Self {
        Whole { rows: 0, users: [0; N] }
    }
}

impl<const N: usize> Whole<N> {
    #[inline]
    fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.users.iter_mut().zip(other.users).for_each(|(to, from)| *to += from);
    }

    fn exact(&self) -> Sums<N> {
        Sums { rows: self.rows, users: ExactSums::of_whole(self.users) }
    }
}

impl<const N: usize> Total<N> {
    /// Rows.
    pub fn rows(&self) -> u64 {
        self.whole.rows + self.sums.rows
    }

    /// The nearest doubles of the users.
    #[allow(clippy::cast_precision_loss)] // rounded here
    pub fn users(&self) -> [f64; N] {
        if self.sums.rows == 0 {
            self.whole.users.map(|users| users as f64)
        } else {
            self.exact().users.read()
        }
    }

    /// The sums.
    pub fn exact(&self) -> Sums<N> {
        let mut exact = self.whole.exact();
        exact.merge(&self.sums);
        exact
    }

    /// Adds other rows.
    pub fn merge(&mut self, other: &Self) {
        self.whole.merge(&other.whole);
        if other.sums.rows > 0 {
            self.sums.merge(&other.sums);
        }
    }

    /// The sum of all users.
    pub fn total(&self) -> Total<1> {
        let whole = Whole { rows: self.whole.rows, users: [self.whole.users.iter().sum()] };
        let sums = match self.sums.rows {
            0 => Sums::default(),
            rows => Sums { rows, users: self.sums.users.total() },
        };
        Total { sums, whole }
    }
}

impl<T> Span<T> {
    /// The place of a time, if it is not before the first one.
    #[inline]
    fn place(&self, time: i32) -> Option<usize> {
        usize::try_from(i64::from(time) - i64::from(self.first)).ok()
    }
}

impl<T: Clone + Default + Live> Grid<T> {
    /// The value of a number and time that has one.
    #[inline]
    fn known(&mut self, number: u32, time: i32) -> Option<&mut T> {
        let span = self.0.get_mut(number as usize)?;
        let at = span.place(time)?;
        span.values.get_mut(at)
    }

    fn is_live(&self, number: u32, time: i32) -> bool {
        let value = self.0.get(number as usize).and_then(|span| span.values.get(span.place(time)?));
        value.is_some_and(Live::is_live)
    }

    /// The value of a number and time, for which room is made unless it `is_full`; `cells` are those of all grids.
    fn reach(&mut self, number: u32, time: i32, cells: &mut usize, is_full: &mut bool) -> Option<&mut T> {
        if self.known(number, time).is_none() && !*is_full {
            let more = self.grow(number, time, CELLS_MAX.saturating_sub(*cells));
            *is_full = more.is_none();
            *cells += more.unwrap_or(0);
        }
        self.known(number, time)
    }

    /// Makes room for a number and time. Returns how many values that took; `None` if it would take more than `room`.
    fn grow(&mut self, number: u32, time: i32, room: usize) -> Option<usize> {
        let number = number as usize;
        if number >= self.0.len() {
            if number >= CELLS_MAX {
                return None;
            }
            self.0.resize(number + 1, Span { first: 0, values: Vec::new() });
        }
        let span = self.0.get_mut(number)?;
        if span.values.is_empty() {
            span.first = time;
        }
        let more = if time < span.first {
            // Times in descending order do not move the values for each.
            let missing = usize::try_from(i64::from(span.first) - i64::from(time)).ok()?;
            let more = missing.max(span.values.len() / 2);
            let first = i64::from(span.first) - i64::try_from(more).ok()?;
            let (first, more) = i32::try_from(first).map_or((time, missing), |first| (first, more));
            if more > room {
                return None;
            }
            span.values.splice(..0, std::iter::repeat_n(T::default(), more));
            span.first = first;
            more
        } else {
            let more = span.place(time)?.checked_add(1)?.saturating_sub(span.values.len());
            if more > room {
                return None;
            }
            span.values.resize(span.values.len() + more, T::default());
            more
        };
        Some(more)
    }

    /// The values of a number that have rows.
    fn of(&self, number: u32) -> impl Iterator<Item = (i32, &T)> {
        let span = self.0.get(number as usize);
        span.into_iter()
            .flat_map(|span| (span.first..).zip(&span.values))
            .filter(|(_, value)| value.is_live())
    }

    fn each(&self) -> impl Iterator<Item = (u32, i32, &T)> {
        (0..)
            .zip(&self.0)
            .flat_map(|(number, _)| self.of(number).map(move |(time, value)| (number, time, value)))
    }
}

impl<const N: usize> Default for TimedSums<N> {
    fn default() -> Self {
        TimedSums {
            whole: Grid(Vec::new()),
            exact: Grid(Vec::new()),
            rest: NumberMap::default(),
            cells: 0,
            is_full: false,
            live: 0,
        }
    }
}

impl<const N: usize> TimedSums<N> {
    /// How many numbers and times have rows.
    pub fn times(&self) -> usize {
        self.live
    }

    /// Adds a row; its users go to the sum `at`, or to none if there is none.
    pub fn add(&mut self, number: u32, time: i32, at: usize, users: f64) {
        #[allow(clippy::cast_possible_truncation)] // compared
        let whole = users as i64;
        #[allow(clippy::cast_precision_loss)] // below 2^24 where it counts
        if whole as f64 == users && (0..WHOLE_MAX).contains(&whole) {
            return self.add_row(number, time, at, whole);
        }
        let mut sums = Sums { rows: 1, ..Sums::default() };
        sums.users.add(at, users);
        self.add_exact(number, time, &sums);
    }

    /// Adds a row of less than [`WHOLE_MAX`] whole users.
    #[inline]
    pub fn add_row(&mut self, number: u32, time: i32, at: usize, users: i64) {
        if let Some(sums) = self.whole.known(number, time)
            && sums.rows > 0
        {
            sums.rows += 1;
            if let Some(sum) = sums.users.get_mut(at) {
                *sum += users;
            }
        } else {
            let mut sums = Whole { rows: 1, ..Whole::default() };
            sums.users.iter_mut().skip(at).take(1).for_each(|sum| *sum = users);
            self.add_new(number, time, &sums);
        }
    }

    /// Adds such rows.
    #[inline]
    pub fn add_whole(&mut self, number: u32, time: i32, rows: u64, users: [i64; N]) {
        let added = Whole { rows, users };
        match self.whole.known(number, time) {
            Some(sums) if sums.rows > 0 => sums.merge(&added),
            _ => self.add_new(number, time, &added),
        }
    }

    /// Adds the rows of a number and time.
    pub fn add_total(&mut self, number: u32, time: i32, total: &Total<N>) {
        if total.whole.rows > 0 {
            self.add_new(number, time, &total.whole);
        }
        if total.sums.rows > 0 {
            self.add_exact(number, time, &total.sums);
        }
    }

    fn has(&self, number: u32, time: i32) -> bool {
        self.whole.is_live(number, time)
            || !self.exact.0.is_empty() && self.exact.is_live(number, time)
            || !self.rest.is_empty() && self.rest.contains_key(&(number, time))
    }

    #[cold]
    fn add_new(&mut self, number: u32, time: i32, sums: &Whole<N>) {
        self.live += usize::from(!self.has(number, time));
        match self.whole.reach(number, time, &mut self.cells, &mut self.is_full) {
            Some(to) => to.merge(sums),
            None => self.rest.entry((number, time)).or_default().merge(&sums.exact()),
        }
    }

    fn add_exact(&mut self, number: u32, time: i32, sums: &Sums<N>) {
        self.live += usize::from(!self.has(number, time));
        match self.exact.reach(number, time, &mut self.cells, &mut self.is_full) {
            Some(to) => to.merge(sums),
            None => self.rest.entry((number, time)).or_default().merge(sums),
        }
    }

    /// Adds other sums, whose numbers are `here` those.
    pub fn merge(&mut self, other: Self, here: impl Fn(u32) -> u32) {
        for (number, time, sums) in other.whole.each() {
            self.add_new(here(number), time, sums);
        }
        for (number, time, sums) in other.exact.each() {
            self.add_exact(here(number), time, sums);
        }
        for ((number, time), sums) in &other.rest {
            self.add_exact(here(*number), *time, sums);
        }
    }

    /// The sums, by number.
    pub fn view(&self) -> View<'_, N> {
        let rest = self.rest.iter().map(|(place, sums)| (*place, sums)).collect();
        View { sums: self, rest }
    }
}

impl<const N: usize> From<TimedSums<N>> for Stored<N> {
    fn from(sums: TimedSums<N>) -> Self {
        let whole =
            sums.whole.each().map(|(number, time, sums)| (number, time, sums.rows, sums.users.to_vec()));
        let exact = sums.exact.each().map(|(number, time, sums)| (number, time, sums.clone()));
        let rest = sums.rest.iter().map(|((number, time), sums)| (*number, *time, sums.clone()));
        (whole.collect(), exact.chain(rest).collect())
    }
}

impl<const N: usize> From<Stored<N>> for TimedSums<N> {
    fn from((whole, exact): Stored<N>) -> Self {
        let mut sums = TimedSums::default();
        for (number, time, rows, users) in whole {
            let mut whole = Whole { rows, ..Whole::default() };
            whole.users.iter_mut().zip(users).for_each(|(to, from)| *to = from);
            sums.add_new(number, time, &whole);
        }
        for (number, time, of_rows) in exact {
            sums.add_exact(number, time, &of_rows);
        }
        sums
    }
}

/// Sums by number.
pub struct View<'s, const N: usize> {
    sums: &'s TimedSums<N>,
    rest: BTreeMap<(u32, i32), &'s Sums<N>>,
}

impl<const N: usize> View<'_, N> {
    /// The numbers, of which some may have no rows.
    pub fn numbers(&self) -> std::ops::Range<u32> {
        let arrays = self.sums.whole.0.len().max(self.sums.exact.0.len());
        let rest = self.rest.last_key_value().map_or(0, |((number, _), _)| number.saturating_add(1));
        0..u32::try_from(arrays).unwrap_or(u32::MAX).max(rest)
    }

    /// The rows of a number, by time.
    pub fn each(&self, number: u32, mut each: impl FnMut(i32, &Total<N>)) {
        let total = |whole: &Whole<N>| Total { whole: *whole, ..Total::default() };
        let whole = self.sums.whole.of(number).map(|(time, whole)| (time, total(whole)));
        if self.sums.exact.0.is_empty() && self.rest.is_empty() {
            return whole.for_each(|(time, total)| each(time, &total));
        }
        let mut all: BTreeMap<i32, Total<N>> = whole.collect();
        let rest = self.rest.range((number, i32::MIN)..=(number, i32::MAX));
        for (time, sums) in self.sums.exact.of(number).chain(rest.map(|((_, time), sums)| (*time, *sums))) {
            all.entry(time).or_default().sums.merge(sums);
        }
        all.iter().for_each(|(time, total)| each(*time, total));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Rows = Vec<(u32, i32, usize, f64)>;

    fn sums(rows: &[(u32, i32, usize, f64)]) -> TimedSums<2> {
        let mut sums = TimedSums::default();
        rows.iter().for_each(|(number, time, at, users)| sums.add(*number, *time, *at, *users));
        sums
    }

    /// Number, time, rows and the bits of the users.
    fn read(sums: &TimedSums<2>) -> Vec<(u32, i32, u64, [u64; 2])> {
        let view = sums.view();
        let mut all = Vec::new();
        for number in view.numbers() {
            view.each(number, |time, total| {
                all.push((number, time, total.rows(), total.users().map(f64::to_bits)));
            });
        }
        assert_eq!(all.len(), sums.times());
        all
    }

    fn rows() -> impl Strategy<Value = Rows> {
        let users = prop_oneof![4 => (0u32..1000).prop_map(f64::from), 1 => -5.0..5.0, 1 => Just(1e12), 1 => Just(1e300)];
        let time = prop_oneof![8 => 0i32..400, 1 => any::<i32>()];
        proptest::collection::vec((0u32..6, time, 0usize..3, users), 0..60)
    }

    proptest! {
        #[test]
        fn sums_are_those_of_a_map(rows in rows()) {
            let mut map: BTreeMap<(u32, i32), Sums> = BTreeMap::new();
            for (number, time, at, users) in &rows {
                let mut one = Sums { rows: 1, ..Sums::default() };
                one.users.add(*at, *users);
                map.entry((*number, *time)).or_default().merge(&one);
            }
            let expected: Vec<_> = map
                .into_iter()
                .map(|((number, time), sums)| (number, time, sums.rows, sums.users.read().map(f64::to_bits)))
                .collect();
            prop_assert_eq!(read(&sums(&rows)), expected);
        }

        #[test]
        fn any_split_and_order_and_serialised_parts_are_the_same(rows in rows(), cut in 0usize..60) {
            let whole = sums(&rows);
            let (left, right) = rows.split_at(cut.min(rows.len()));
            let right: Rows = right.iter().rev().copied().collect();
            let bytes = postcard::to_allocvec(&sums(left)).unwrap();
            let mut merged = sums(&right);
            merged.merge(postcard::from_bytes(&bytes).unwrap(), |number| number);
            prop_assert_eq!(merged.times(), whole.times());
            prop_assert_eq!(read(&merged), read(&whole));
        }
    }

    #[test]
    fn many_times_go_to_a_map() {
        let far: Rows =
            (0..8).map(|number| (number, if number % 2 == 0 { 0 } else { 2_500_000 }, 0, 1.0)).collect();
        let mut all = far.clone();
        all.extend(far.iter().map(|(number, time, ..)| (*number, time + 2_000_000, 1, 2.0)));
        let found = sums(&all);
        assert!(found.is_full && !found.rest.is_empty());
        assert_eq!(read(&found).len(), 16);
    }
}
