//! The offsets from UTC of a time zone, as a sorted table of intervals.
//!
//! The rules of a zone repeat every 400 years once they are periodic: a Gregorian cycle of 146,097
//! days is a whole number of weeks. So the table ends with the cycle of the years 2100 to 2499, and
//! later instants are looked up there.

/// The second at which the periodic part begins: 2100-01-01T00:00 UTC.
pub(super) const CYCLE_START: i64 = 47_482 * super::DAY_SECONDS;
/// Seconds of 400 Gregorian years.
const CYCLE: i64 = 146_097 * super::DAY_SECONDS;
/// The second at which the table of a zone with periodic transitions ends: 2500-01-01T00:00 UTC.
pub(super) const CYCLE_END: i64 = CYCLE_START + CYCLE;

/// Seconds since 1970-01-01T00:00 UTC at which the offset from UTC is constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// The first second.
    pub from: i64,
    /// The second after the last one; `i64::MAX` if there is no end.
    pub to: i64,
    /// Seconds to add to UTC.
    pub offset: i32,
}

impl Interval {
    /// Whether the second is within the interval.
    #[inline]
    pub fn contains(&self, second: i64) -> bool {
        self.from <= second && (second < self.to || self.to == i64::MAX)
    }

    /// The calendar day of an instant within the interval.
    #[inline]
    fn day_of(&self, micros: i64) -> i32 {
        // 2^63 microseconds are 10^8 days.
        #[allow(clippy::cast_possible_truncation)]
        return (micros.div_euclid(1_000_000) + i64::from(self.offset)).div_euclid(super::DAY_SECONDS) as i32;
    }
}

/// The intervals of a time zone, without gaps, from `i64::MIN` to `i64::MAX`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intervals {
    /// The first second of each interval, ascending; the first one is `i64::MIN`.
    starts: Vec<i64>,
    /// The offset of each interval.
    offsets: Vec<i32>,
    /// Whether the intervals from [`CYCLE_START`] to [`CYCLE_END`] repeat.
    periodic: bool,
}

impl Intervals {
    /// One offset at all times.
    pub fn fixed(offset: i32) -> Self {
        Intervals { starts: vec![i64::MIN], offsets: vec![offset], periodic: false }
    }

    /// The intervals that begin with `first`, then change at each of the transitions, which ascend.
    /// Transitions from [`CYCLE_END`] on are ignored; if there are some in the 400 years before it,
    /// these repeat.
    pub(super) fn from_transitions(first: i32, transitions: impl IntoIterator<Item = (i64, i32)>) -> Self {
        let mut table = Intervals::fixed(first);
        for (start, offset) in transitions.into_iter().take_while(|(start, _)| *start < CYCLE_END) {
            if table.offsets.last() != Some(&offset) {
                table.starts.push(start);
                table.offsets.push(offset);
                table.periodic |= start >= CYCLE_START;
            }
        }
        table
    }

    /// The interval that contains a second.
    pub fn at(&self, second: i64) -> Interval {
        if self.periodic && second >= CYCLE_END {
            let shift = (second - CYCLE_START) / CYCLE * CYCLE;
            let found = self.in_table(second - shift);
            return Interval {
                from: found.from.max(CYCLE_START) + shift,
                to: found.to.saturating_add(shift),
                offset: found.offset,
            };
        }
        self.in_table(second)
    }

    fn in_table(&self, second: i64) -> Interval {
        let end = if self.periodic { CYCLE_END } else { i64::MAX };
        let after = self.starts.partition_point(|start| *start <= second);
        let last = after.saturating_sub(1);
        Interval {
            from: self.starts.get(last).copied().unwrap_or(i64::MIN),
            to: self.starts.get(after).copied().unwrap_or(end),
            offset: self.offsets.get(last).copied().unwrap_or_default(),
        }
    }

    /// A cursor, for many instants that are mostly close to each other.
    pub fn cursor(&self) -> Cursor<'_> {
        Cursor { intervals: self, last: self.at(0) }
    }
}

/// Looks instants up and keeps the latest interval.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    intervals: &'a Intervals,
    last: Interval,
}

impl Cursor<'_> {
    /// The seconds to add to UTC at a second since 1970-01-01T00:00 UTC.
    #[inline]
    pub fn offset_at(&mut self, second: i64) -> i32 {
        if !self.last.contains(second) {
            self.last = self.intervals.at(second);
        }
        self.last.offset
    }

    /// The calendar day of an instant, in microseconds since 1970-01-01T00:00 UTC.
    #[inline]
    pub fn day_of(&mut self, micros: i64) -> i32 {
        self.offset_at(micros.div_euclid(1_000_000));
        self.last.day_of(micros)
    }
}
