//! The longest axis of time: one absurd date must not make a table of thousands of years.
//!
//! A table has a row for every step from the first to the last date. A row dated 9999-12-31, a placeholder of many
//! systems, would add some 400,000 weeks of zeros to every key, unnoticed.

use std::fmt::Display;

use crate::grid::TimePoint;
use crate::phrase::{Phrase, Setting};
use crate::table::cell::iso_date;
use crate::{Error, Grain, Job, Result, calendar};

/// The most years from the first to the last date of a table.
pub const YEARS_MAX: i32 = 100;

/// Days of that many years.
const DAYS_MAX: i32 = YEARS_MAX * 1461 / 4;

/// Steps of that many years.
const fn steps_max(grain: Grain) -> i32 {
    match grain {
        Grain::Week => DAYS_MAX / 7 + 1,
        Grain::Day => DAYS_MAX,
        Grain::Month => YEARS_MAX * 12,
    }
}

/// Fails if the steps of a table, in order, span more than [`YEARS_MAX`] years.
///
/// # Errors
/// `Data`, with the first and the last step.
pub fn check_steps(job: &Job, times: &[TimePoint]) -> Result<()> {
    let steps: Vec<i32> = times
        .iter()
        .filter_map(|time| match time {
            TimePoint::Step(step) => Some(*step),
            TimePoint::Label(_) => None,
        })
        .collect();
    let (Some(first), Some(last)) = (steps.first().copied(), steps.last().copied()) else { return Ok(()) };
    if last.saturating_sub(first) <= steps_max(job.grain) {
        return Ok(());
    }
    let time = &job.profile.time;
    let (kind, show): (_, &dyn Fn(i32) -> String) = match job.grain {
        Grain::Week => ("weeks", &|week| time.label_form.format(week)),
        Grain::Day => ("days", &iso_date),
        Grain::Month => ("months", &calendar::month_label),
    };
    let label = time.label.as_ref().filter(|_| job.grain == Grain::Week);
    // What a condition can exclude as it is written: a label, or a date. A week or a month has many dates.
    let exact = label.or(time.date.as_ref().filter(|_| job.grain == Grain::Day));
    let column = label.or(time.date.as_ref()).cloned().unwrap_or_default();
    let odd = odd_steps(&steps);
    let values = exact.filter(|_| odd.len() <= 3).map(|_| odd.iter().map(|step| show(*step)).collect());
    Err(too_long(kind, &show(first), &show(last), &column, values.unwrap_or_default()))
}

/// Fails if two days are more than [`YEARS_MAX`] years apart: those between which legacy semantics fill in Sundays.
///
/// # Errors
/// `Data`, with both days.
pub fn check_days(job: &Job, first: i32, last: i32) -> Result<()> {
    if last.saturating_sub(first) <= DAYS_MAX {
        return Ok(());
    }
    Err(too_long("dates", &iso_date(first), &iso_date(last), job.columns().start_date, Vec::new()))
}

/// Whether two days are no further apart than those of a table may be.
pub fn is_within(first: i32, last: i32) -> bool {
    last.saturating_sub(first) <= DAYS_MAX + 7
}

/// The steps on the side of the largest gap that has fewer of them.
fn odd_steps(steps: &[i32]) -> &[i32] {
    let gaps = steps.windows(2).enumerate().filter_map(|(at, pair)| match pair {
        [before, after] => Some((after.saturating_sub(*before), at + 1)),
        _ => None,
    });
    let at = gaps.max_by_key(|(gap, at)| (*gap, *at)).map_or(0, |(_, at)| at);
    let (before, after) = steps.split_at_checked(at).unwrap_or_default();
    if before.len() < after.len() { before } else { after }
}

fn too_long(kind: &str, first: &dyn Display, last: &dyn Display, column: &str, values: Vec<String>) -> Error {
    let mut advice = Phrase::default();
    if values.is_empty() {
        advice = advice
            .text("Correct the date that is far from the others, or leave its rows out by a condition: ");
        advice = advice.entry(Setting::WhereNot(column.to_owned(), "VALUE".into()));
    } else {
        advice = advice.text("Correct these rows, or leave them out: ");
        for (at, value) in values.into_iter().enumerate() {
            advice = advice.separator(at).option(Setting::WhereNot(column.to_owned(), value));
        }
    }
    Error::data(format!("the {kind} reach from {first} to {last}"))
        .expected(format!(
            "at most {YEARS_MAX} years from the first to the last: the table has a row for each of them"
        ))
        .advice(advice.text(". The check future_days finds days that are still to come"))
        .in_column(column)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn steps(of: &[i32]) -> Vec<TimePoint> {
        of.iter().map(|step| TimePoint::Step(*step)).collect()
    }

    #[test]
    fn a_century_is_the_longest_axis() {
        for grain in [Grain::Week, Grain::Day, Grain::Month] {
            let job = Job { grain, ..Job::default() };
            let most = steps_max(grain);
            let check = |last: i32| check_steps(&job, &steps(&[-3, 0, last - 3]));
            assert!(check(most).is_ok(), "{grain:?}");
            assert!(matches!(check(most + 1), Err(Error::Data(_))), "{grain:?}");
        }
        let job = Job::default();
        let century = [(1925, 1, 1), (2025, 1, 1)]
            .map(|(year, month, day)| calendar::day_of(calendar::Date { year, month, day }));
        assert!(check_days(&job, century[0], century[1]).is_ok());
        assert!(check_days(&job, century[0], century[1] + 1).is_err());
        assert!(check_steps(&job, &[]).is_ok() && check_steps(&job, &steps(&[i32::MIN])).is_ok());
    }

    #[test]
    fn the_error_names_both_ends_and_leaves_out_the_odd_one() {
        let week = |label: &str| {
            let (year, week) = label.split_once('_').unwrap();
            calendar::week_from_iso(year.parse().unwrap(), week.parse().unwrap()).unwrap()
        };
        let error = |weeks: &[i32]| check_steps(&Job::default(), &steps(weeks)).unwrap_err().to_string();
        let [early, first, second, late] = ["0001_01", "2021_01", "2021_02", "9999_52"].map(week);
        let found = error(&[first, second, late]);
        for part in ["reach from 2021_01 to 9999_52", "at most 100 years", "--where 'year_week!=9999_52'"] {
            assert!(found.contains(part), "{found}");
        }
        assert!(error(&[early, first, second]).contains("--where 'year_week!=0001_01'"));
        let found = error(&[early, first, second, late]);
        assert!(found.contains("reach from 0001_01 to 9999_52"), "{found}");
    }
}
