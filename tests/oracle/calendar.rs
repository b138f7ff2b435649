//! Periods: days, months, and weeks from any weekday, by jiff's calendar.

use jiff::civil::{Date, ISOWeekDate, Weekday, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, ZonedDateTime};

use super::{Ask, When};

const EPOCH: Date = date(1970, 1, 1);

impl Ask {
    /// The number of the period of a time.
    pub fn period(&self, when: When, zone: &TimeZone) -> i64 {
        let on = match when {
            When::Instant(at) => {
                ZonedDateTime::new(Timestamp::from_microsecond(at).unwrap(), zone.clone()).date()
            }
            When::Wall(at) => EPOCH + at.div_euclid(86_400_000_000).days(),
            When::Week(year, week) => ISOWeekDate::new(year, week, Weekday::Monday).unwrap().date(),
        };
        let day = i64::from(EPOCH.until(on).unwrap().get_days());
        match self.grain {
            'd' => day,
            'm' => i64::from(on.year()) * 12 + i64::from(on.month()) - 1,
            // 1970-01-05 is a Monday. The week has the number of the Monday in it.
            _ => (day - (day - 4 - self.week_start).rem_euclid(7) + (7 - self.week_start) % 7 - 4) / 7,
        }
    }

    /// The columns of time of a period.
    pub fn names(&self, period: i64) -> Vec<String> {
        let week = || (EPOCH + (period * 7 + 4).days()).iso_week_date();
        match self.grain {
            'd' => vec![(EPOCH + period.days()).to_string()],
            'm' => vec![period.div_euclid(12).to_string(), (period.rem_euclid(12) + 1).to_string()],
            _ => vec![week().year().to_string(), week().week().to_string()],
        }
    }
}
