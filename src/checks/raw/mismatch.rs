//! Labels that are not the week of their date: what a writer did who produced all of them.
//!
//! One wrong format string gives many wrong labels, and they look alike. A rule that explains every one of them names
//! the cause; a rule that explains most of them explains nothing.

use std::collections::BTreeMap;

use crate::calendar::label::LabelForm;
use crate::calendar::{self, Date, date_of, day_of, iso_of, week_of, weekday};
use crate::table::cell::iso_date;

/// Most pairs of label and day that are kept.
const PAIRS_MAX: usize = 1 << 12;

/// A label as it is written: year and number of the week, which need not exist.
pub type Written = (i32, i32);

/// Pairs of label and day that differ, with their rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Mismatches {
    rows: BTreeMap<(i32, Written), u64>,
    /// Whether there were more pairs than are kept. Then none is.
    are_too_many: bool,
}

impl Mismatches {
    /// Adds rows of a label and a day.
    pub fn add(&mut self, label: Written, day: i32, rows: u64) {
        if !self.are_too_many {
            *self.rows.entry((day, label)).or_default() += rows;
            self.limit();
        }
    }

    /// Adds the pairs of another part.
    pub fn merge(&mut self, other: Mismatches) {
        self.are_too_many |= other.are_too_many;
        for (pair, rows) in other.rows {
            *self.rows.entry(pair).or_default() += rows;
        }
        self.limit();
    }

    fn limit(&mut self) {
        self.are_too_many |= self.rows.len() > PAIRS_MAX;
        if self.are_too_many {
            self.rows.clear();
        }
    }

    /// What all labels have in common, as a sentence; `None` where no rule explains all of them.
    pub fn diagnose(&self, form: LabelForm) -> Option<String> {
        let (first, _) = self.rows.first_key_value()?;
        let cause =
            CAUSES.iter().find(|cause| self.rows.keys().all(|(day, label)| (cause.fits)(*label, *day)));
        let what = match cause {
            Some(cause) => cause.what.to_owned(),
            None => self.constant_shift()?,
        };
        let days = self.days();
        let rows: u64 = self.rows.values().sum();
        let (day, (year, number)) = *first;
        let written = form.write(year, number);
        let right = form.format(week_of(day));
        Some(format!(
            "{what}: {rows} rows of {days}. {} is in {right}, not {written}{}",
            iso_date(day),
            cause.map_or("", |cause| cause.advice),
        ))
    }

    /// How many days, and where in the year they lie if that is always the same place.
    fn days(&self) -> String {
        let mut days: Vec<i32> = self.rows.keys().map(|(day, _)| *day).collect();
        days.dedup();
        let months: std::collections::BTreeSet<u8> = days.iter().map(|day| date_of(*day).month).collect();
        let place = match Vec::from_iter(months)[..] {
            [1] => ", all in January",
            [12] => ", all in December",
            [1, 12] => ", all in December and January",
            _ if days.iter().all(|day| weekday(*day) == 6) => ", all Sundays",
            _ => "",
        };
        match days.len() {
            1 => "1 day".into(),
            days => format!("{days} days{place}"),
        }
    }

    /// The number of weeks by which all labels are off.
    fn constant_shift(&self) -> Option<String> {
        let shift = |(day, (year, number)): &(i32, Written)| {
            Some(calendar::week_from_iso(*year, *number)? - week_of(*day))
        };
        let mut shifts = self.rows.keys().map(shift);
        let first = shifts.next().flatten().filter(|shift| *shift != 0)?;
        // A single label shows no rule.
        (self.rows.len() > 1 && shifts.all(|shift| shift == Some(first))).then(|| {
            let (weeks, side) = (first.unsigned_abs(), if first > 0 { "after" } else { "before" });
            let weeks = if weeks == 1 { "a week".to_owned() } else { format!("{weeks} weeks") };
            format!("every one of these labels is {weeks} {side} its date's")
        })
    }
}

/// A way to write wrong labels.
struct Cause {
    what: &'static str,
    advice: &'static str,
    fits: fn(Written, i32) -> bool,
}

/// The year of ISO 8601 beside its week, in the format strings of most programs.
const ISO_YEAR: &str = "; write the ISO year beside the ISO week (strftime %G and %V, not %Y)";

/// All known causes; the first that explains every label is reported.
const CAUSES: [Cause; 5] = [
    Cause {
        what: "the calendar year with the ISO week number (as yearweek and %Y_%V write it)",
        advice: ISO_YEAR,
        fits: |(year, number), day| year == date_of(day).year && number == iso_of(week_of(day)).1,
    },
    Cause {
        what: "the last week of the year before with the number of the new year, or the first of the next with that \
               of the old",
        advice: ISO_YEAR,
        fits: |(year, number), day| {
            let date = date_of(day);
            let is_new_year = date.month == 1 && date.day <= 7 && number >= 52;
            let is_old_year = date.month == 12 && date.day >= 25 && (number == 1 || number == 53);
            year == date.year && (is_new_year || is_old_year)
        },
    },
    Cause {
        what: "weeks counted from the first Monday of the year (%W)",
        advice: "; write ISO weeks (strftime %G and %V)",
        fits: |(year, number), day| year == date_of(day).year && number == week_from_first(day, 0),
    },
    Cause {
        what: "weeks from Sunday to Saturday, or dates that are a day early",
        advice: "; ISO weeks begin on Monday",
        fits: |(year, number), day| {
            weekday(day) == 6 && calendar::week_from_iso(year, number) == Some(week_of(day) + 1)
        },
    },
    Cause {
        what: "weeks counted from the first Sunday of the year (%U)",
        advice: "; write ISO weeks (strftime %G and %V)",
        fits: |(year, number), day| year == date_of(day).year && number == week_from_first(day, 6),
    },
];

/// The number of the week in its calendar year, counted from the year's first day with that weekday (Monday is 0); the
/// days before it are in week 0.
fn week_from_first(day: i32, first: i32) -> i32 {
    let new_year = day_of(Date { year: date_of(day).year, month: 1, day: 1 });
    (day - new_year + 7 - (weekday(day) - first).rem_euclid(7)) / 7
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn day(year: i32, month: u8, day: u8) -> i32 {
        day_of(Date { year, month, day })
    }

    fn diagnose(pairs: &[(i32, Written)]) -> Option<String> {
        let mut mismatches = Mismatches::default();
        pairs.iter().for_each(|(day, label)| mismatches.add(*label, *day, 10));
        mismatches.diagnose(LabelForm::default())
    }

    #[test]
    fn a_rule_that_explains_every_label_is_named() {
        let yearweek = diagnose(&[(day(2022, 1, 1), (2022, 52)), (day(2022, 1, 2), (2022, 52))]).unwrap();
        assert_eq!(
            yearweek,
            "the calendar year with the ISO week number (as yearweek and %Y_%V write it): 20 rows of 2 days, all in \
             January. 2022-01-01 is in 2021_52, not 2022_52; write the ISO year beside the ISO week (strftime %G and \
             %V, not %Y)"
        );
        let january: Vec<_> = (1..=5).map(|d| (day(2025, 1, d), (2025, 52))).collect();
        let text = diagnose(&january).unwrap();
        assert!(text.contains("50 rows of 5 days, all in January. 2025-01-01 is in 2025_01"), "{text}");
        let text = diagnose(&[(day(2024, 12, 31), (2024, 53))]).unwrap();
        assert!(text.contains("2024-12-31 is in 2025_01, not 2024_53"), "{text}");
        // One label more that has another reason.
        assert_eq!(diagnose(&[(day(2022, 1, 1), (2022, 52)), (day(2022, 5, 1), (2022, 3))]), None);
        assert_eq!(diagnose(&[(day(2022, 5, 3), (2022, 3))]), None);
        let days = (0..30).map(|d| day(2022, 5, 2) + d);
        let shifted: Vec<_> = days.map(|day| (day, iso_of(week_of(day) - 2))).collect();
        let text = diagnose(&shifted).unwrap();
        assert!(text.starts_with("every one of these labels is 2 weeks before its date's"), "{text}");
        let sundays: Vec<_> = (0..5)
            .map(|week| week_of(day(2022, 5, 1)) + week)
            .map(|week| (calendar::monday(week) + 6, iso_of(week + 1)))
            .collect();
        let text = diagnose(&sundays).unwrap();
        assert!(text.contains("Sunday to Saturday") && text.contains("5 days, all Sundays"), "{text}");
    }

    #[test]
    fn weeks_of_strftime() {
        // 2025-01-01 is a Wednesday: %W counts from 6 January, %U from 5 January.
        let numbers = |d| (week_from_first(day(2025, 1, d), 0), week_from_first(day(2025, 1, d), 6));
        assert_eq!([1, 4, 5, 6, 12, 13].map(numbers), [(0, 0), (0, 0), (0, 1), (1, 1), (1, 2), (2, 2)]);
        assert_eq!(week_from_first(day(2024, 12, 31), 0), 53);
        let all: Vec<_> = (0..200).map(|d| day(2025, 1, 1) + d).collect();
        let labels: Vec<_> = all.iter().map(|day| (*day, (2025, week_from_first(*day, 0)))).collect();
        assert!(diagnose(&labels).unwrap().contains("first Monday of the year (%W)"));
    }

    #[test]
    fn too_many_pairs_have_no_diagnosis_in_any_order() {
        let mut one = Mismatches::default();
        (0..5_000).for_each(|d| one.add((2022, 3), d, 1));
        let mut parts = [Mismatches::default(), Mismatches::default()];
        (0..5_000).for_each(|d| parts[usize::from(d % 2 == 0)].add((2022, 3), d, 1));
        let [mut first, second] = parts;
        first.merge(second);
        assert_eq!((one.diagnose(LabelForm::default()), first), (None, one));
    }
}
