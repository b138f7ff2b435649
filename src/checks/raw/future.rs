//! Days in the future, and the age of the last day.

use std::collections::BTreeMap;

use super::judge::show_days;
use crate::calendar::{Date, date_of, day_of, weekday};
use crate::checks::config::Config;
use crate::checks::model::{Measurement, NotRun, VIOLATIONS, Violation};
use crate::table::cell::iso_date;

/// Days that have rows although they are still to come. Rows are counted where they are known.
pub fn measure(days: &BTreeMap<i32, Option<u64>>, config: &Config) -> Measurement {
    let last = config.last_day();
    let future: Vec<i32> = days.range(last.saturating_add(1)..).map(|(day, _)| *day).collect();
    let offenders = runs(&future).into_iter().take(VIOLATIONS).map(|run| Violation::key(show_days(run)));
    let finding = Measurement::count(future.len() as u64, days.len() as u64, offenders.collect());
    let (Some(first), Some(furthest)) = (future.first(), future.last()) else { return finding };
    let rows: Option<u64> = days.range(last.saturating_add(1)..).map(|(_, rows)| *rows).sum();
    let rows = rows.map_or(String::new(), |rows| format!("{rows} rows of "));
    let mut note = format!(
        "{rows}{} after {}, up to {}",
        if future.len() == 1 { "a day".into() } else { format!("{} days", future.len()) },
        iso_date(last),
        iso_date(*furthest)
    );
    if future.iter().all(|day| is_week_year(*day)) {
        note = format!(
            "{note}: all of them in the last days of December, a year ahead. `YYYY` is the year of the week; dates \
             are written with `yyyy`. {} is probably {}",
            iso_date(*first),
            iso_date(a_year_before(*first))
        );
    }
    finding.note(note)
}

/// The age of the last day that is not in the future.
pub fn freshness(days: impl DoubleEndedIterator<Item = i32>, config: &Config) -> Result<Measurement, NotRun> {
    if let Some(why) = config.age_does_not_matter() {
        return Err(why);
    }
    let (today, most) = (config.today(), config.last_day());
    let mut days = days.rev().peekable();
    let Some(last) = days.peek().copied() else {
        return Err(NotRun::NotApplicable("no row has a date".into()));
    };
    let Some(past) = days.find(|day| *day <= most) else {
        return Err(NotRun::Failed(format!("all days are in the future, the last is {}", iso_date(last))));
    };
    let age = (i64::from(today) - i64::from(past)).max(0).unsigned_abs();
    let of = if past == last { "the last day" } else { "the last day that is not in the future" };
    let text = format!("{of} is {}, {age} days before {}", iso_date(past), iso_date(today));
    Ok(Measurement::count(age, 1, vec![Violation::key(iso_date(past))]).note(text))
}

/// Whether a day is one that the year of the week (`YYYY`) puts a year ahead: the same day of the year before is in the
/// first week of this year, which begins on Sunday (as in the United States) or later.
fn is_week_year(day: i32) -> bool {
    let date = date_of(day);
    let new_year = day_of(Date { year: date.year, month: 1, day: 1 });
    let sunday = new_year - (weekday(new_year) + 1) % 7;
    date.month == 12 && (sunday..new_year).contains(&a_year_before(day))
}

/// The same day of the year before; of 29 February, 1 March.
fn a_year_before(day: i32) -> i32 {
    let date = date_of(day);
    day_of(Date { year: date.year - 1, ..date })
}

/// Consecutive days as their first and last.
fn runs(days: &[i32]) -> Vec<(i32, i32)> {
    days.chunk_by(|a, b| b - a == 1).filter_map(|run| Some((*run.first()?, *run.last()?))).collect()
}

/// Why the days of a gap may be missing: where the year is that of the week, they are written with another year.
pub fn explain_gap((first, last): (i32, i32)) -> Option<String> {
    let moved = |day: i32| {
        // As `YYYY` writes it, by weeks from Sunday or by ISO weeks.
        let date = date_of(day);
        let next = day_of(Date { year: date.year + 1, ..date });
        (date.month == 12 && is_week_year(next)).then_some(next)
    };
    let ends = moved(first)?;
    let all = (first..=last).all(|day| moved(day).is_some()) && date_of(last).day == 31;
    all.then(|| format!("written with `YYYY`, the year of the week, it would be {}", iso_date(ends)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn day(year: i32, month: u8, day: u8) -> i32 {
        day_of(Date { year, month, day })
    }

    fn of(days: &[i32], as_of: &str) -> Measurement {
        let config = Config::parse(&format!("as_of = '{as_of}'"), "x").unwrap();
        measure(&days.iter().map(|day| (*day, Some(3))).collect(), &config)
    }

    #[test]
    fn days_after_today_are_counted() {
        let days: Vec<i32> = (day(2024, 12, 1)..=day(2024, 12, 28)).collect();
        assert_eq!(of(&days, "2024-12-28").observed, 0.0);
        let found = of(&days, "2024-12-25");
        assert_eq!((found.observed, found.n), (3.0, 28));
        assert_eq!(found.offenders[0].value, "2024-12-26 to 2024-12-28");
        assert_eq!(found.note, "9 rows of 3 days after 2024-12-25, up to 2024-12-28");
    }

    #[test]
    fn the_year_of_the_week_is_recognised() {
        let mut days: Vec<i32> = (day(2024, 12, 1)..=day(2024, 12, 28)).collect();
        days.extend((29..=31).map(|d| day(2025, 12, d)));
        let found = of(&days, "2025-01-02");
        assert_eq!(found.observed, 3.0);
        assert!(found.note.contains("`yyyy`. 2025-12-29 is probably 2024-12-29"), "{found:?}");
        // A day that `YYYY` does not explain.
        days.push(day(2026, 3, 1));
        assert!(!of(&days, "2025-01-02").note.contains("YYYY"));
        // Years of Java, with weeks from Sunday: those of 2023-12-31, 2022-12-31 stay.
        assert_eq!(
            [(2024, 12, 31), (2023, 12, 31), (2024, 12, 30), (2025, 12, 28)]
                .map(|(y, m, d)| { is_week_year(day(y, m, d)) }),
            [true, false, false, false]
        );
        let gap = |a, b| explain_gap((day(2024, 12, a), day(2024, 12, b)));
        assert!(gap(29, 31).is_some_and(|text| text.ends_with("2025-12-29")) && gap(28, 31).is_none());
        assert!(gap(30, 31).is_some() && gap(29, 30).is_none());
    }

    #[test]
    fn a_last_day_in_the_future_is_not_fresh() {
        let config = Config::parse("as_of = '2025-03-01'", "x").unwrap();
        let days = [day(2024, 12, 28), day(2025, 12, 29)];
        let found = freshness(days.into_iter(), &config).unwrap();
        assert_eq!(found.observed, 63.0);
        assert!(found.note.starts_with("the last day that is not in the future is 2024-12-28"), "{found:?}");
        assert!(matches!(freshness([day(2026, 1, 1)].into_iter(), &config), Err(NotRun::Failed(_))));
    }
}
