//! Days on which a key has users, but none of one class, although it always has.
//!
//! ```text
//! for each key and class:
//!     its days are those on which the key has users
//!     a gap is a run of its days without users of the class, after the first day that has some
//!     beside the gap (28 days before, 28 after) the class must be usual:
//!         organic users on a third of these days, paid users on nine tenths, at least 3
//!         on 39 of 40 of those not less than 20 users and a quarter of their median
//!         users on a third of the same weekdays, where there are 3
//! ```
//!
//! If days without users were due to chance, there would be more days with few: no distribution is assumed. Paid users
//! stop for weeks when campaigns do: longer gaps of theirs are left to the checks against the history.

use std::ops::Range;

use rayon::prelude::*;

use crate::calendar::{week_of, weekday};
use crate::checks::config::Config;
use crate::checks::model::{Measurement, VIOLATIONS, Violation};
use crate::table::cell::iso_date;

/// Days before and after a gap that show what is usual.
const BESIDE: i32 = 28;
/// Days with users that a class needs there.
const DAYS_MIN: usize = 3;
/// Users that it needs on 39 of 40 of them.
const USERS_MIN: f64 = 20.0;
/// Longest gap of paid users that is no pause of campaigns.
const PAID_GAP_MAX: usize = 7;
/// Gaps of organic users in this many last days block, ...
const RECENT: i32 = 28;
/// ... except in the very last ones, which may be delivered late, ...
const LATE: i32 = 3;
/// ... where a key has this many of them.
const BLOCKS_FROM: usize = 3;
/// Runs of days that are shown of each key.
const SHOWN: usize = 3;

/// The classes, by their number in sums.
const CLASSES: [&str; 2] = ["paid", "organic"];
const ORGANIC: usize = 1;

/// The users of a key: by day, paid and organic.
pub struct KeyDays {
    /// The name of the key.
    pub key: String,
    /// Its days, in order.
    pub days: Vec<(i32, [f64; 2])>,
}

/// The gaps of a class in a key.
struct Gaps {
    key: String,
    class: usize,
    /// All users of the key.
    users: f64,
    /// First day, last day and number of days of each run.
    runs: Vec<(i32, i32, usize)>,
    /// Users of the class on a day beside the first gap.
    usual: f64,
    /// The days in it that make it block.
    recent: usize,
}

/// Finds the gaps of all keys; `last` is the last day of all of them. Weeks of incidents are left out.
pub fn measure(keys: impl ParallelIterator<Item = KeyDays>, last: i32, config: &Config) -> Measurement {
    let of_keys: Vec<(u64, Vec<Gaps>)> = keys.map(|key| gaps_of(key, last, config)).collect();
    let n = of_keys.iter().map(|(n, _)| n).sum();
    let mut found: Vec<Gaps> = of_keys.into_iter().flat_map(|(_, gaps)| gaps).collect();
    found.sort_by(|a, b| b.users.total_cmp(&a.users).then_with(|| a.key.cmp(&b.key)));
    let count: usize = found.iter().map(Gaps::days).sum();
    let blocking: Vec<&str> =
        found.iter().filter(|gaps| gaps.recent >= BLOCKS_FROM).map(|gaps| gaps.key.as_str()).collect();
    let offenders = found.iter().take(VIOLATIONS).map(|gaps| Violation::key(gaps.show())).collect();
    let mut measurement = Measurement::count(count as u64, n, offenders);
    measurement.only_warns = blocking.is_empty();
    if !blocking.is_empty() {
        let note = format!(
            "organic users are missing in the last four weeks of {}: load these days again, or name their weeks in \
             [[incidents]]",
            blocking.iter().take(VIOLATIONS).copied().collect::<Vec<_>>().join(", ")
        );
        measurement = measurement.note(note);
    }
    measurement
}

/// The days of a key that are examined, one a class, and its gaps. `last` is the last day of all keys.
fn gaps_of(mut key: KeyDays, last: i32, config: &Config) -> (u64, Vec<Gaps>) {
    key.days.retain(|(_, users)| users.iter().any(|users| *users > 0.0));
    let KeyDays { key, days } = key;
    let users = days.iter().flat_map(|(_, users)| users).sum();
    let is_known =
        |day: i32| config.incidents.iter().any(|incident| incident.covers(Some(&key), week_of(day)));
    let of_class = |class: usize| {
        let (mut runs, usual) = gaps(&days, class, is_known);
        // The last day may not be delivered in full yet.
        runs.retain(|run| run.as_slice() != [last]);
        let is_recent = |day: &&i32| **day > last - RECENT && **day <= last - LATE;
        let recent = if class == ORGANIC { runs.iter().flatten().filter(is_recent).count() } else { 0 };
        let ends = |run: &Vec<i32>| Some((*run.first()?, *run.last()?, run.len()));
        let runs: Vec<_> = runs.iter().filter_map(ends).collect();
        (!runs.is_empty()).then(|| Gaps { key: key.clone(), class, users, usual, runs, recent })
    };
    (2 * days.len() as u64, [ORGANIC, 0].into_iter().filter_map(of_class).collect())
}

impl Gaps {
    fn days(&self) -> usize {
        self.runs.iter().map(|(.., days)| days).sum()
    }

    fn show(&self) -> String {
        let run = |(first, last, _): &(i32, i32, usize)| match first == last {
            true => iso_date(*first),
            false => format!("{} to {}", iso_date(*first), iso_date(*last)),
        };
        let mut runs: Vec<String> = self.runs.iter().take(SHOWN).map(run).collect();
        if self.runs.len() > SHOWN {
            runs.push("other days".into());
        }
        let days = match self.days() {
            1 => String::new(),
            days => format!(" ({days} days)"),
        };
        format!(
            "{}: no {} users on {}{days}, about {:.0} a day beside",
            if self.key.is_empty() { "all rows" } else { &self.key },
            CLASSES.get(self.class).copied().unwrap_or_default(),
            runs.join(", "),
            self.usual
        )
    }
}

/// The gaps of a class as runs of days, and its median users on the days beside the first gap.
fn gaps(days: &[(i32, [f64; 2])], class: usize, is_known: impl Fn(i32) -> bool) -> (Vec<Vec<i32>>, f64) {
    let of = OfClass::new(days, class);
    let begun = of.users.iter().position(|users| *users > 0.0).unwrap_or(days.len());
    let (mut found, mut usual) = (Vec::new(), 0.0);
    let mut at = begun;
    for run in of.users.get(begun..).unwrap_or_default().chunk_by(|a, b| (*a > 0.0) == (*b > 0.0)) {
        let gap = at..at + run.len();
        at = gap.end;
        if run.iter().any(|users| *users > 0.0) || class != ORGANIC && gap.len() > PAID_GAP_MAX {
            continue;
        }
        let Some(beside) = of.beside(gap.clone()) else { continue };
        let Some(median) = beside.usual_users() else { continue };
        let is_expected = |day: &i32| beside.is_weekday_used(weekday(*day)) && !is_known(*day);
        let of_gap = days.get(gap).unwrap_or_default().iter().map(|(day, _)| *day);
        let run: Vec<i32> = of_gap.filter(is_expected).collect();
        if !run.is_empty() {
            usual = if found.is_empty() { median } else { usual };
            found.push(run);
        }
    }
    (found, usual)
}

/// The users of a class by day.
struct OfClass<'a> {
    days: &'a [(i32, [f64; 2])],
    class: usize,
    users: Vec<f64>,
    /// Days before each day that have users, and that have few.
    counts: Vec<[usize; 2]>,
}

impl<'a> OfClass<'a> {
    fn new(days: &'a [(i32, [f64; 2])], class: usize) -> Self {
        let users: Vec<f64> =
            days.iter().map(|(_, users)| users.get(class).copied().unwrap_or(0.0)).collect();
        let mut counts = vec![[0; 2]];
        counts.extend(users.iter().scan([0; 2], |[there, few], users| {
            *there += usize::from(*users > 0.0);
            *few += usize::from(*users > 0.0 && *users < USERS_MIN);
            Some([*there, *few])
        }));
        OfClass { days, class, users, counts }
    }

    /// The days beside a gap; `None` where few users are usual. Most keys are small: this decides of most gaps.
    fn beside(&self, gap: Range<usize>) -> Option<Beside<'_>> {
        let day = |at: usize| self.days.get(at).map(|(day, _)| *day);
        let (first, last) = (day(gap.start)?, day(gap.end.checked_sub(1)?)?);
        let from = self.days.partition_point(|(day, _)| *day < first - BESIDE);
        let to = self.days.partition_point(|(day, _)| *day <= last + BESIDE);
        let (before, until) = (self.counts.get(from)?, self.counts.get(to)?);
        let (there, few) = (until[0] - before[0], until[1] - before[1]);
        let all = to - from - gap.len();
        // Campaigns come and go; who comes without them does not.
        let are_many = if self.class == ORGANIC { there * 3 >= all } else { there * 10 >= all * 9 };
        (there >= DAYS_MIN && are_many && few * 40 <= there).then_some(Beside {
            of: self,
            from,
            to,
            gap,
            there,
        })
    }
}

/// The days beside a gap.
struct Beside<'a> {
    of: &'a OfClass<'a>,
    from: usize,
    to: usize,
    gap: Range<usize>,
    /// Those with users.
    there: usize,
}

impl Beside<'_> {
    /// The median of the users on days that have some; `None` where a day without any is not unusual.
    fn usual_users(&self) -> Option<f64> {
        let users = self.of.users.get(self.from..self.to).unwrap_or_default();
        let mut present: Vec<f64> = users.iter().copied().filter(|users| *users > 0.0).collect();
        present.sort_unstable_by(f64::total_cmp);
        let median = present.get(present.len() / 2).copied()?;
        let few = present.partition_point(|users| *users < USERS_MIN.max(median / 4.0));
        (few * 40 <= self.there).then_some(median)
    }

    /// Whether the class has users on this day of the week, as far as is known.
    fn is_weekday_used(&self, of_week: i32) -> bool {
        let is_such = |at: &usize| self.of.days.get(*at).is_some_and(|(day, _)| weekday(*day) == of_week);
        let of = || (self.from..self.gap.start).chain(self.gap.end..self.to).filter(is_such);
        let there = of().filter(|at| self.of.users.get(*at).is_some_and(|users| *users > 0.0)).count();
        let all = of().count();
        all < 3 || there * 3 >= all
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    /// 2024-01-01, a Monday.
    const FIRST: i32 = 19_723;

    /// A key with 300 paid and 100 to 130 organic users a day, without those of a class on some days.
    fn key(name: &str, days: i32, class: usize, is_gap: impl Fn(i32) -> bool) -> KeyDays {
        let users = |day: i32| {
            let mut users = [300.0, f64::from(100 + day * 7 % 30)];
            users[class] *= f64::from(u8::from(!is_gap(day)));
            users
        };
        KeyDays { key: name.into(), days: (0..days).map(|day| (FIRST + day, users(day))).collect() }
    }

    fn measure_all(keys: Vec<KeyDays>, config: &Config) -> Measurement {
        let last = keys.iter().filter_map(|key| Some(key.days.last()?.0)).max().unwrap_or(0);
        measure(keys.into_par_iter(), last, config)
    }

    fn of(keys: Vec<KeyDays>) -> Measurement {
        measure_all(keys, &Config::default())
    }

    #[test]
    fn organic_users_on_three_days_of_a_week() {
        let is_gap = |day: i32| [21, 23, 24, 26].contains(&day);
        let found = of(vec![key("FR", 56, ORGANIC, |_| false), key("GB", 56, ORGANIC, is_gap)]);
        assert_eq!((found.observed, found.n, found.only_warns), (4.0, 224, true));
        let text = &found.offenders[0].value;
        assert!(
            text.starts_with(
                "GB: no organic users on 2024-01-22, 2024-01-24 to 2024-01-25, 2024-01-27 (4 days)"
            ),
            "{text}"
        );
        // In one of the last four weeks it blocks.
        let recent = of(vec![key("GB", 30, ORGANIC, is_gap)]);
        assert!(!recent.only_warns && recent.note.contains("GB"), "{recent:?}");
        // Even if there is no other week.
        assert_eq!(of(vec![key("GB", 7, ORGANIC, |day| [1, 3, 4, 5].contains(&day))]).observed, 4.0);
        // All days at random.
        let half =
            of(vec![key("GB", 90, ORGANIC, |day| day > 0 && (day * day * 13 + day * 5) % 11 % 2 == 1)]);
        assert!(half.observed > 20.0 && !half.only_warns, "{half:?}");
    }

    #[test]
    fn organic_users_that_stop() {
        let found = of(vec![key("GB", 200, ORGANIC, |day| day >= 123)]);
        assert_eq!((found.observed, found.only_warns), (77.0, false));
        // The last three days may be late.
        let late = of(vec![key("GB", 200, ORGANIC, |day| day >= 197)]);
        assert_eq!((late.observed, late.only_warns), (3.0, true));
    }

    #[test]
    fn pauses_of_campaigns_and_days_by_chance_are_no_gaps() {
        assert_eq!(of(vec![key("GB", 90, 0, |day| (30..34).contains(&day))]).observed, 4.0);
        for is_gap in [|day: i32| (30..50).contains(&day), |day: i32| day % 7 > 4, |day: i32| day < 40] {
            assert_eq!(of(vec![key("GB", 90, 0, is_gap)]).observed, 0.0);
        }
        // Few users.
        let mut few = key("MT", 90, ORGANIC, |day| day % 9 == 4);
        few.days.iter_mut().for_each(|(_, users)| users[ORGANIC] = (users[ORGANIC] / 8.0).floor());
        assert_eq!(of(vec![few]).observed, 0.0);
        // No users at all: the day is missing, not the class.
        let mut none = key("GB", 90, ORGANIC, |day| day == 30);
        none.days[30].1 = [0.0; 2];
        assert_eq!(of(vec![none]).observed, 0.0);
    }

    #[test]
    fn weeks_of_incidents_are_left_out_and_the_largest_key_comes_first() {
        let is_gap = |day: i32| day == 20;
        let mut large = key("US", 56, ORGANIC, is_gap);
        large.days.iter_mut().for_each(|(_, users)| users[0] *= 9.0);
        let keys = || vec![key("AT", 56, ORGANIC, is_gap), key("GB", 56, ORGANIC, is_gap)];
        let found = of(keys().into_iter().chain([large]).collect());
        let first: Vec<&str> = found.offenders.iter().filter_map(|o| o.value.get(..2)).collect();
        assert_eq!(first, ["US", "AT", "GB"]);
        let config = "[[incidents]]\nfirst = '2024_03'\ncountries = ['GB']";
        let found = measure_all(keys(), &Config::parse(config, "x").unwrap());
        assert_eq!((found.observed, found.offenders.len()), (1.0, 1));
    }
}
