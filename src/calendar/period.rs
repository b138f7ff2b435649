//! The period of a day: the steps of the time axis as consecutive integers.
//!
//! A month is `year * 12 + month - 1`. A week that begins on any weekday has the number, and so the
//! name, of the ISO week of the Monday in it.

use std::fmt;
use std::str::FromStr;

use super::{Date, date_of, day_of, monday, week_of};
use crate::job::Grain;
use crate::{Error, Result};

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weekday {
    /// Monday, the first day of an ISO week.
    #[default]
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

impl Weekday {
    /// All of them, from Monday on.
    pub const ALL: [Weekday; 7] = [
        Weekday::Monday,
        Weekday::Tuesday,
        Weekday::Wednesday,
        Weekday::Thursday,
        Weekday::Friday,
        Weekday::Saturday,
        Weekday::Sunday,
    ];

    /// Its English name, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Weekday::Monday => "monday",
            Weekday::Tuesday => "tuesday",
            Weekday::Wednesday => "wednesday",
            Weekday::Thursday => "thursday",
            Weekday::Friday => "friday",
            Weekday::Saturday => "saturday",
            Weekday::Sunday => "sunday",
        }
    }

    /// Days from the first day of a week that begins on this weekday to the Monday in it.
    fn days_to_monday(self) -> i32 {
        (7 - self as i32) % 7
    }
}

impl fmt::Display for Weekday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Weekday {
    type Err = Error;

    /// Parses a full English name, in any case.
    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|day| day.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| {
            Error::argument(format!("unknown weekday '{}'", name))
                .expected(format!("one of {}", Self::ALL.map(Weekday::name).join(", ")))
        })
    }
}

/// The number of the week that contains a day, of weeks that begin on `start`.
pub fn week_of_with_start(day: i32, start: Weekday) -> i32 {
    week_of(day + start.days_to_monday())
}

/// The first day of a week, of weeks that begin on `start`.
pub fn week_start(week: i32, start: Weekday) -> i32 {
    monday(week) - start.days_to_monday()
}

/// The month that contains a day: `year * 12 + month - 1`.
pub fn month_of(day: i32) -> i32 {
    let date = date_of(day);
    date.year * 12 + i32::from(date.month) - 1
}

/// The first day of a month.
pub fn month_start(month: i32) -> i32 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 1 to 12
    let number = (month.rem_euclid(12) + 1) as u8;
    day_of(Date { year: month.div_euclid(12), month: number, day: 1 })
}

/// The division of the calendar into periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Periods {
    /// The step.
    pub grain: Grain,
    /// The first day of a week.
    pub week_start: Weekday,
}

impl Periods {
    /// The period that contains a day.
    #[inline]
    pub fn of_day(self, day: i32) -> i32 {
        match self.grain {
            Grain::Week => week_of_with_start(day, self.week_start),
            Grain::Day => day,
            Grain::Month => month_of(day),
        }
    }

    /// The first day of a period.
    pub fn first_day(self, period: i32) -> i32 {
        match self.grain {
            Grain::Week => week_start(period, self.week_start),
            Grain::Day => period,
            Grain::Month => month_start(period),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::{LAST_DAY, iso_of, weekday};
    use jiff::civil;

    /// Days across all years, every one of some, and the library's date of each.
    fn days() -> impl Iterator<Item = (i32, civil::Date)> {
        let every =
            day_of(Date { year: 1999, month: 1, day: 1 })..day_of(Date { year: 2033, month: 2, day: 1 });
        let first = crate::calendar::FIRST_DAY;
        (first..LAST_DAY).step_by(331).chain(every).chain(first..first + 800).map(|day| {
            let since = jiff::Span::new().days(day);
            (day, civil::date(1970, 1, 1).checked_add(since).unwrap())
        })
    }

    #[test]
    fn weeks_and_months_are_those_of_the_library() {
        for (day, date) in days() {
            let week = date.iso_week_date();
            // ISO week-years reach one day across both ends of the years 1 to 9999.
            assert_eq!(iso_of(week_of(day)), (week.year().into(), week.week().into()), "{date}");
            assert_eq!(weekday(day), i32::from(date.weekday().to_monday_zero_offset()), "{date}");
            let month = month_of(day);
            assert_eq!(month, i32::from(date.year()) * 12 + i32::from(date.month()) - 1, "{date}");
            assert_eq!(month_start(month), day - i32::from(date.day()) + 1, "{date}");
        }
    }

    #[test]
    fn a_week_is_named_after_the_monday_in_it() {
        for (day, date) in days() {
            for start in Weekday::ALL {
                let week = week_of_with_start(day, start);
                let first = week_start(week, start);
                assert!((first..first + 7).contains(&day), "{date}, {start}");
                assert_eq!(weekday(first), start as i32, "{date}, {start}");
                let monday = (first..first + 7).find(|day| weekday(*day) == 0).unwrap();
                assert_eq!(week, week_of(monday), "{date}, {start}");
                let periods = Periods { grain: Grain::Week, week_start: start };
                assert_eq!((periods.of_day(day), periods.first_day(week)), (week, first));
            }
        }
        let week =
            |year, month, day, start| iso_of(week_of_with_start(day_of(Date { year, month, day }), start));
        // Sunday, 3 January 2021: the last day of 2020-W53, or the first one of a week from Sunday on.
        assert_eq!(week(2021, 1, 3, Weekday::Monday), (2020, 53));
        assert_eq!(week(2021, 1, 3, Weekday::Sunday), (2021, 1));
        assert_eq!(week(2021, 1, 2, Weekday::Sunday), (2020, 53));
        assert_eq!(week(2021, 1, 4, Weekday::Tuesday), (2021, 1));
        assert_eq!(week(2021, 1, 5, Weekday::Tuesday), (2021, 2));
    }

    #[test]
    fn names_of_weekdays() {
        for day in Weekday::ALL {
            assert_eq!(day.to_string().parse::<Weekday>().unwrap(), day);
            assert_eq!(day.name().to_uppercase().parse::<Weekday>().unwrap(), day);
            let json = serde_json::to_string(&day).unwrap();
            assert_eq!(json, format!("\"{day}\""));
            assert_eq!(serde_json::from_str::<Weekday>(&json).unwrap(), day);
        }
        let error = "sun".parse::<Weekday>().unwrap_err().to_string();
        assert_eq!(
            error,
            "unknown weekday 'sun'; expected one of monday, tuesday, wednesday, thursday, friday, \
             saturday, sunday"
        );
    }
}
