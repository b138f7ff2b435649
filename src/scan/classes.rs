//! What the value ids of the key columns mean to the job: the classes of channels and countries,
//! the points in time. Each value id is classified once, not once a row.

use crate::calendar;
use crate::parquet::schema::{Leaf, Logical, Physical, Unit};
use crate::{Error, Job, Result};

/// The class of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Channel {
    /// Any but organic.
    Paid = 0,
    /// Organic.
    Organic = 1,
    /// Null: in neither sum.
    Unknown = 2,
}

/// The class of a country: countries are the keys of the kernel.
pub use crate::kernel::bitmap::KeyClass as Country;

/// The name of a country, from its bytes.
///
/// # Errors
/// `Data` if they are not UTF-8.
pub fn country_name<'a>(name: &'a [u8], job: &Job) -> Result<&'a str> {
    std::str::from_utf8(name).map_err(|_| {
        Error::data(format!("the country name {name:02x?}")).expected("UTF-8").in_column(&job.columns.country)
    })
}

/// How the time column stores its points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeCoding {
    /// `yyyy_ww` labels.
    Label,
    /// Days since 1970-01-01, 32 bits.
    Day32,
    /// Units since 1970-01-01T00:00, 64 bits; this many per day.
    Ticks(i64),
    /// INT96: nanoseconds of the day, Julian day.
    Int96,
    /// `yyyy-mm-dd`, as in hive partitions.
    Text,
}

/// Julian day of 1970-01-01 (INT96 timestamps; parquet-format, "deprecated INT96").
const JULIAN_EPOCH: i64 = 2_440_588;

impl TimeCoding {
    /// The coding of a date column.
    ///
    /// # Errors
    /// `Data` if its type is not one of dates.
    pub fn of_date(leaf: &Leaf) -> Result<Self> {
        let day = 86_400;
        match (leaf.physical, leaf.logical) {
            // Null in every row.
            (_, Logical::Null) => Ok(TimeCoding::Text),
            (Physical::Int32, Logical::Date) => Ok(TimeCoding::Day32),
            (Physical::Int64, Logical::Timestamp { unit, .. }) => Ok(TimeCoding::Ticks(match unit {
                Unit::Millis => day * 1_000,
                Unit::Micros => day * 1_000_000,
                Unit::Nanos => day * 1_000_000_000,
            })),
            (Physical::Int96, _) => Ok(TimeCoding::Int96),
            (Physical::ByteArray, _) => Ok(TimeCoding::Text),
            (physical, logical) => Err(Error::data(format!("the dates are {physical:?} ({logical:?})"))
                .expected("DATE, TIMESTAMP, INT96 or yyyy-mm-dd strings")),
        }
    }

    /// The time of a stored date, in microseconds since 1970-01-01T00:00; `None` if the bytes are not
    /// a date.
    pub fn micros(self, raw: &[u8]) -> Option<i64> {
        const DAY: i64 = 86_400_000_000;
        let i64_at = |at: usize| raw.get(at..)?.first_chunk().map(|b| i64::from_le_bytes(*b));
        let i32_at = |at: usize| raw.get(at..)?.first_chunk().map(|b| i64::from(i32::from_le_bytes(*b)));
        match self {
            TimeCoding::Label => None,
            TimeCoding::Day32 => i32_at(0)?.checked_mul(DAY),
            TimeCoding::Ticks(per_day) => {
                let ticks = i64_at(0)?;
                if per_day >= DAY {
                    Some(ticks.div_euclid(per_day / DAY))
                } else {
                    ticks.checked_mul(DAY / per_day)
                }
            }
            TimeCoding::Int96 => {
                let days = i32_at(8)?.checked_sub(JULIAN_EPOCH)?;
                days.checked_mul(DAY)?.checked_add(i64_at(0)?.div_euclid(1_000))
            }
            TimeCoding::Text => {
                let text = std::str::from_utf8(raw).ok()?;
                let mut parts = text.splitn(3, '-').map(|p| p.parse::<u32>().ok());
                let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
                let date = calendar::Date {
                    year: i32::try_from(year).ok().filter(|y| (1..=9999).contains(y))?,
                    month: u8::try_from(month).ok().filter(|m| (1..=12).contains(m))?,
                    day: u8::try_from(day).ok().filter(|d| (1..=31).contains(d))?,
                };
                let number = calendar::day_of(date);
                // A day that does not exist (30 February) is converted to another one.
                (calendar::date_of(number) == date).then_some(i64::from(number) * DAY)
            }
        }
    }

    /// The day of a stored date; `None` if it is none within the years 1 to 9999.
    pub fn day(self, raw: &[u8]) -> Option<i32> {
        let first = calendar::day_of(calendar::Date { year: 1, month: 1, day: 1 });
        let last = calendar::day_of(calendar::Date { year: 9999, month: 12, day: 31 });
        let day = i32::try_from(self.micros(raw)?.div_euclid(86_400_000_000)).ok()?;
        (first..=last).contains(&day).then_some(day)
    }

    /// A stored time for an error message.
    pub fn show(self, raw: Option<&[u8]>) -> String {
        match (self, raw) {
            (_, None) => "null".into(),
            (TimeCoding::Label | TimeCoding::Text, Some(raw)) => {
                format!("'{}'", String::from_utf8_lossy(raw).escape_debug())
            }
            (_, Some(raw)) => match self.micros(raw) {
                Some(micros) => format!("{} days after 1970-01-01", micros.div_euclid(86_400_000_000)),
                None => format!("the bytes {raw:02x?}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_in_every_coding() {
        let day = calendar::day_of(calendar::Date { year: 2021, month: 5, day: 3 });
        assert_eq!(TimeCoding::Day32.day(&day.to_le_bytes()), Some(day));
        let late = i64::from(day) * 86_400_000 + 84_600_000;
        assert_eq!(TimeCoding::Ticks(86_400_000).day(&late.to_le_bytes()), Some(day));
        assert_eq!(TimeCoding::Ticks(86_400_000_000_000).day(&(late * 1_000_000).to_le_bytes()), Some(day));
        assert_eq!(TimeCoding::Text.day(b"2021-05-03"), Some(day));
        assert_eq!(TimeCoding::Text.day(b"2021-02-30"), None);
        assert_eq!(TimeCoding::Text.day(b"2021-05"), None);
        let mut int96 = [0; 12];
        int96[8..].copy_from_slice(&(day + 2_440_588).to_le_bytes());
        assert_eq!(TimeCoding::Int96.day(&int96), Some(day));
        assert_eq!(TimeCoding::Day32.day(&i32::MAX.to_le_bytes()), None);
        assert_eq!(TimeCoding::Day32.day(&[1]), None);
    }
}
