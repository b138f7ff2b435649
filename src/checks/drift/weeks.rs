//! The weeks that a week under test is compared with, and the words where there are none.

use crate::calendar;
use crate::checks::config::Config;
use crate::history::Totals;

/// How many weeks a baseline reaches back: weeks may be missing, but it spans at most twice its length.
pub(super) fn reach(config: &Config) -> i32 {
    i32::try_from(config.drift.baseline_weeks * 2).unwrap_or(i32::MAX)
}

/// The baseline of a week: what `usable` returns for the weeks before it, the last one first.
pub(super) fn baseline<T>(config: &Config, tested: i32, usable: impl Fn(i32) -> Option<T>) -> Vec<T> {
    let weeks = (1..=reach(config)).filter_map(|back| usable(tested - back));
    weeks.take(config.drift.baseline_weeks).collect()
}

/// The same ISO week a year before; the last week of that year for week 53.
pub(super) fn year_before(week: i32) -> Option<i32> {
    let (year, number) = calendar::iso_of(week);
    calendar::week_from_iso(year - 1, number).or_else(|| calendar::week_from_iso(year - 1, 52))
}

/// What a series is of, in words.
pub(super) fn key_word(now: &Totals) -> &'static str {
    if now.question.is_empty() { "country" } else { "key" }
}

/// Why nothing was compared: there is no week to compare, or else `too_little` history.
pub(super) fn why_none(weeks: &[i32], too_little: impl FnOnce() -> String) -> String {
    if weeks.is_empty() {
        "there is no new completed week: all were published before".into()
    } else {
        format!("too little history: {}", too_little())
    }
}
