//! ISO 8601 weeks and days as plain integers.
//!
//! A day is the number of days since 1970-01-01 (proleptic Gregorian calendar),
//! as in parquet's `DATE`. A week is the number of weeks since the ISO week that
//! contains 1970-01-01, so consecutive weeks differ by one across every new year.
//! Conversions follow Howard Hinnant, "chrono-Compatible Low-Level Date
//! Algorithms" (days_from_civil, civil_from_days).
//!
//! - [`zone`], [`intervals`]: the offset of a time zone from UTC at any instant.
//! - [`stamp`]: times written as text.
//! - [`label`]: labels of ISO weeks.
//! - [`period`]: the period of a day; months, and weeks that begin on any weekday.

pub mod intervals;
pub mod label;
pub mod period;
pub mod stamp;
pub mod zone;

/// 0001-01-01, the first day that is accepted.
pub const FIRST_DAY: i32 = -719_162;
/// 9999-12-31, the last day that is accepted.
pub const LAST_DAY: i32 = 2_932_896;
/// Seconds of a day.
pub const DAY_SECONDS: i64 = 86_400;

/// A date of the proleptic Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    /// Year.
    pub year: i32,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day of the month, 1 to 31.
    pub day: u8,
}

/// The day of a date, which must exist.
pub fn day_of(date: Date) -> i32 {
    let (m, d) = (i32::from(date.month), i32::from(date.day));
    let y = date.year - i32::from(m <= 2);
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * (m + if m > 2 { -3 } else { 9 }) + 2) / 5 + d - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The day of a date of the years 1 to 9999; `None` where it does not exist, as 30 February.
///
/// It has no branches but the last one: the dates of a column may come in any order.
#[inline]
#[allow(clippy::indexing_slicing)] // below 16
pub fn existing_day(Date { year, month, day }: Date) -> Option<i32> {
    /// Days of each month of a common year; 0 where there is no month.
    const LENGTHS: [u8; 16] = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 0, 0, 0];
    /// Days of a common year before each month.
    const BEFORE: [i32; 16] = [0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 0, 0, 0];
    let at = usize::from(month & 15);
    let leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0));
    let last = LENGTHS[at] + u8::from(leap & (month == 2));
    let exists = (1..=9999).contains(&year) & (month < 16) & (day > 0) & (day <= last);
    let years = year.clamp(1, 9999) - 1;
    let before_year = FIRST_DAY + years * 365 + years / 4 - years / 100 + years / 400;
    let in_year = BEFORE[at] + i32::from(leap & (month > 2)) + i32::from(day) - 1;
    exists.then_some(before_year + in_year)
}

/// The date of a day, for days whose year fits 32 bits.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // month <= 12, day <= 31
pub fn date_of(day: i32) -> Date {
    let z = i64::from(day) + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    Date {
        year: (yoe + era * 400 + i64::from(month <= 2)) as i32,
        month: month as u8,
        day: (doy - (153 * mp + 2) / 5 + 1) as u8,
    }
}

/// Day of the week, Monday = 0 to Sunday = 6.
pub fn weekday(day: i32) -> i32 {
    (day.rem_euclid(7) + 3).rem_euclid(7)
}

/// The first day (Monday) of a week.
pub fn monday(week: i32) -> i32 {
    week * 7 - 3
}

/// The week that contains a day.
pub fn week_of(day: i32) -> i32 {
    (day + 3).div_euclid(7)
}

/// ISO year and week number (1 to 53) of a week.
pub fn iso_of(week: i32) -> (i32, i32) {
    // The Thursday decides the year (ISO 8601, 3.2.2).
    let year = date_of(monday(week) + 3).year;
    (year, week - first_week(year) + 1)
}

/// The first week of an ISO year: the week that contains 4 January.
pub fn first_week(year: i32) -> i32 {
    week_of(day_of(Date { year, month: 1, day: 4 }))
}

/// Number of weeks in an ISO year, 52 or 53.
pub fn weeks_in(year: i32) -> i32 {
    first_week(year + 1) - first_week(year)
}

/// The week of ISO year `year` (1 to 9999) with number `number`; `None` where it does not exist.
pub fn week_from_iso(year: i32, number: i32) -> Option<i32> {
    ((1..=9999).contains(&year) && (1..=weeks_in(year)).contains(&number))
        .then(|| first_week(year) + number - 1)
}

/// Parses a label `yyyy_ww` of ASCII digits; `None` where it is not the label of an existing ISO week.
pub fn parse_label(label: &[u8]) -> Option<i32> {
    label::LabelForm::YearUnderscoreWeek.parse(label)
}

/// The label `yyyy-mm` of a month, which is counted from January of the year 0.
pub fn month_label(month: i32) -> String {
    format!("{:04}-{:02}", month.div_euclid(12), month.rem_euclid(12) + 1)
}

/// The label `yyyy_ww` of a week.
pub fn week_label(week: i32) -> String {
    label::LabelForm::YearUnderscoreWeek.format(week)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_round_trip_over_five_centuries() {
        for day in -100_000..100_000 {
            assert_eq!(day_of(date_of(day)), day);
        }
        assert_eq!(day_of(Date { year: 1970, month: 1, day: 1 }), 0);
        assert_eq!(date_of(18_628), Date { year: 2021, month: 1, day: 1 });
    }

    #[test]
    fn existing_days_are_those_that_round_trip() {
        let mut found = 0;
        for (year, month, day) in (-1..=2101)
            .chain(9_990..=10_001)
            .flat_map(|y| (0..=13).flat_map(move |m| (0..=32).map(move |d| (y, m, d))))
        {
            let date = Date { year, month, day };
            let want = ((1..=9999).contains(&year) && (1..=12).contains(&month) && day > 0)
                .then(|| day_of(date))
                .filter(|day| date_of(*day) == date);
            assert_eq!(existing_day(date), want, "{date:?}");
            found += i32::from(want.is_some());
        }
        let start = |year| day_of(Date { year, month: 1, day: 1 });
        assert_eq!(found, start(2102) - FIRST_DAY + start(10_000) - start(9_990));
        assert_eq!(date_of(FIRST_DAY), Date { year: 1, month: 1, day: 1 });
        assert_eq!(date_of(LAST_DAY), Date { year: 9999, month: 12, day: 31 });
    }

    #[test]
    fn weeks_follow_one_another_over_every_new_year() {
        let mut previous = iso_of(week_of(day_of(Date { year: 1, month: 1, day: 4 })));
        for week in first_week(1) + 1..first_week(3000) {
            let (year, number) = iso_of(week);
            assert!(
                (year, number) == (previous.0, previous.1 + 1)
                    || (year, number) == (previous.0 + 1, 1) && matches!(previous.1, 52 | 53)
            );
            assert_eq!(week_from_iso(year, number), Some(week));
            assert_eq!(weekday(monday(week)), 0);
            previous = (year, number);
        }
    }

    #[test]
    fn known_weeks() {
        let week = |year, month, day| iso_of(week_of(day_of(Date { year, month, day })));
        assert_eq!(week(2021, 1, 3), (2020, 53));
        assert_eq!(week(2021, 1, 4), (2021, 1));
        assert_eq!(week(2024, 12, 30), (2025, 1));
        assert_eq!(week(2020, 10, 4), (2020, 40));
        assert_eq!(weeks_in(2020), 53);
        assert_eq!(weeks_in(2021), 52);
    }

    #[test]
    fn labels() {
        assert_eq!(parse_label(b"2020_53").map(iso_of), Some((2020, 53)));
        for bad in [
            "2021_53", "2021_00", "2021_54", "0000_10", "2021_5", "2021-19", "2021_19 ", "+021_19", "",
            "_19", "21_19", "2021__9", "2021_1e", "202119",
        ] {
            assert_eq!(parse_label(bad.as_bytes()), None, "{bad}");
        }
    }
}
