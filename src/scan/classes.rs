//! What the value ids of keys and times mean: the parts of a group's name, and the points in time. Each value id is
//! asked once, not once a row.

use std::sync::LazyLock;

use crate::calendar;
use crate::calendar::intervals::Intervals;
use crate::calendar::label::LabelForm;
use crate::calendar::period::Periods;
use crate::calendar::stamp::{Stamp, parse_stamp};
use crate::calendar::zone::Zone;
use crate::dataset::text::TextForm;
use crate::grid::TimePoint;
use crate::ids::stamps::DayOf;
use crate::kernel::bitmap::KeyClass;
use crate::parquet::schema::{Leaf, Logical, Physical, Unit};
use crate::phrase::{Phrase, Setting};
use crate::profile::meaning::{Member, NO_CHANNEL};
use crate::profile::question::{KeyRule, NULL, ScanColumn, TOTAL};
use crate::profile::{Question, TimeUnit};
use crate::scan::lanes::KeyPart;
use crate::table::legacy_labels;
use crate::{Error, Result, Semantics};

/// What to do about dates that are integers.
pub(crate) fn unit_advice() -> Phrase {
    Phrase::from("Name it (s, ms, us, ns or day): ").entry(Setting::DateUnit("ms".into()))
}

/// What a value of a key column means.
///
/// # Errors
/// `Data` for a value that is not UTF-8 or has a character that separates members.
pub fn key_part(key: &ScanColumn<KeyRule>, form: TextForm, value: Option<&[u8]>) -> Result<KeyPart> {
    let text = value.map(|raw| form.text(raw));
    let bad = |expected: &str| {
        let shown = text.as_deref().unwrap_or_default();
        let shown =
            std::str::from_utf8(shown).map_or_else(|_| format!("{shown:02x?}"), |s| format!("'{}'", s));
        Error::data(format!("{} is {shown}", key.name)).expected(expected).in_column(&key.column)
    };
    let kept = |name: &str| {
        if name.contains(['\u{1d}', '\u{1e}', '\u{1f}']) {
            return Err(bad("no control characters U+001D to U+001F in a member"));
        }
        Ok(KeyPart { class: KeyClass::Keep, name: name.into() })
    };
    let dropped = |class, name: &str, is_kept: bool| KeyPart {
        class: if is_kept { KeyClass::Keep } else { class },
        name: name.into(),
    };
    match &key.rule {
        KeyRule::Member { rule, with_total } => {
            match rule.member(text.as_deref()).ok_or_else(|| bad("UTF-8"))? {
                Member::Named(name) => kept(&name),
                Member::Total => Ok(dropped(KeyClass::Total, TOTAL, *with_total)),
                Member::Null => Ok(dropped(KeyClass::Null, NULL, *with_total)),
            }
        }
        KeyRule::Channel(_) => match text.as_deref() {
            None => Ok(KeyPart { class: KeyClass::Keep, name: NO_CHANNEL.into() }),
            Some(name) => kept(std::str::from_utf8(name).map_err(|_| bad("UTF-8"))?),
        },
    }
}

/// The offsets of times by the wall clock.
static NO_OFFSETS: LazyLock<Intervals> = LazyLock::new(|| Intervals::fixed(0));

/// How times become points of the axis.
#[derive(Debug, Clone)]
pub struct TimeRule<'q> {
    /// How they are stored.
    pub coding: TimeCoding,
    legacy: bool,
    periods: Periods,
    zone: Option<&'q Zone>,
    /// The offsets of instants from UTC; none of times by the wall clock.
    offsets: &'q Intervals,
}

impl DayOf for TimeRule<'_> {
    fn day(&self, raw: &[u8]) -> Option<i32> {
        self.coding.day_in(raw, self.zone)
    }

    fn ticks(&self) -> Option<(i64, &Intervals)> {
        match self.coding {
            TimeCoding::Ticks { per_day, .. } => Some((per_day, self.offsets)),
            _ => None,
        }
    }
}

impl<'q> TimeRule<'q> {
    /// The rule of a question for a column of this coding.
    pub fn new(question: &'q Question, coding: TimeCoding) -> Self {
        TimeRule {
            coding,
            legacy: question.job.semantics == Semantics::Legacy,
            periods: question.job.periods(),
            zone: question.zone.as_ref(),
            offsets: match (coding, &question.zone) {
                (TimeCoding::Ticks { is_instant: true, .. }, Some(zone)) => zone.intervals(),
                _ => &NO_OFFSETS,
            },
        }
    }

    /// Whether times are read by day: most rows of an export of events have their own.
    pub fn is_by_day(&self) -> bool {
        !matches!(self.coding, TimeCoding::Label(_) | TimeCoding::Day32)
    }

    /// The point of a stored time; `None` if it is none.
    pub fn point(&self, raw: &[u8]) -> Option<TimePoint> {
        match self.coding {
            TimeCoding::Label(_) if self.legacy => {
                let label =
                    std::str::from_utf8(raw).ok().filter(|label| legacy_labels::period(label).is_some());
                label.map(|label| TimePoint::Label(label.into()))
            }
            TimeCoding::Label(form) => form.parse(raw).map(TimePoint::Step),
            coding => coding.day_in(raw, self.zone).map(|day| TimePoint::Step(self.step(day))),
        }
    }

    /// The step of the axis that has a day.
    pub fn step(&self, day: i32) -> i32 {
        self.periods.of_day(day)
    }

    /// What is expected of a time, for messages.
    pub fn expected(&self) -> String {
        match self.coding {
            TimeCoding::Label(_) if self.legacy => {
                "digits, with which the original job could count, such as 2021_05".into()
            }
            TimeCoding::Label(form) => {
                format!(
                    "{form}, an ISO week that exists, such as {}",
                    form.format(calendar::first_week(2021) + 4)
                )
            }
            TimeCoding::Text => {
                "a date or time of the years 1 to 9999, such as 2021-02-03 or 2021-02-03 04:05:06".into()
            }
            _ => "a date of the years 1 to 9999".into(),
        }
    }
}

/// How the time column stores its points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeCoding {
    /// ISO week labels.
    Label(LabelForm),
    /// Days since 1970-01-01, 32 bits.
    Day32,
    /// Units since 1970-01-01T00:00, 64 bits.
    Ticks {
        /// Units of a day.
        per_day: i64,
        /// Whether they count from midnight in UTC, and are put on the calendar of a zone.
        is_instant: bool,
    },
    /// Units since 1970-01-01T00:00Z, 32 bits; this many per day.
    Ticks32(i64),
    /// INT96: nanoseconds of the day, Julian day.
    Int96,
    /// Text: a date, or a date and a time, with or without an offset.
    Text,
}

/// Julian day of 1970-01-01 (INT96 timestamps; parquet-format, "deprecated INT96").
const JULIAN_EPOCH: i64 = 2_440_588;

impl TimeCoding {
    /// The coding of a date column. `unit` is that of integers.
    ///
    /// # Errors
    /// `Data` if its type is not one of dates.
    pub fn of_date(leaf: &Leaf, unit: Option<TimeUnit>) -> Result<Self> {
        let day = 86_400;
        match (leaf.physical, leaf.logical) {
            // Null in every row.
            (_, Logical::Null) => Ok(TimeCoding::Text),
            (Physical::Int32, Logical::Date) => Ok(TimeCoding::Day32),
            (Physical::Int64, Logical::Timestamp { unit, utc }) => {
                let per_day = match unit {
                    Unit::Millis => day * 1_000,
                    Unit::Micros => day * 1_000_000,
                    Unit::Nanos => day * 1_000_000_000,
                };
                Ok(TimeCoding::Ticks { per_day, is_instant: utc })
            }
            (Physical::Int32 | Physical::Int64, Logical::None | Logical::Integer { .. }) => {
                let Some(unit) = unit else {
                    return Err(Error::data("the dates are integers")
                        .expected("the unit that they count")
                        .advice(unit_advice()));
                };
                Ok(match leaf.physical {
                    Physical::Int32 => TimeCoding::Ticks32(unit.per_day()),
                    _ => TimeCoding::Ticks { per_day: unit.per_day(), is_instant: unit != TimeUnit::Day },
                })
            }
            (Physical::Int96, _) => Ok(TimeCoding::Int96),
            (Physical::ByteArray, _) => Ok(TimeCoding::Text),
            (physical, logical) => Err(Error::data(format!("the dates are {physical:?} ({logical:?})"))
                .expected(
                    "DATE, TIMESTAMP, INT96, integers, or strings such as 2021-02-03 or 2021-02-03 04:05:06",
                )),
        }
    }

    /// The time of a stored date, in microseconds since 1970-01-01T00:00, and whether it is an instant; `None` if the
    /// bytes are not a date.
    pub fn moment(self, raw: &[u8]) -> Option<(i64, bool)> {
        const DAY: i64 = 86_400_000_000;
        let i64_at = |at: usize| raw.get(at..)?.first_chunk().map(|b| i64::from_le_bytes(*b));
        let i32_at = |at: usize| raw.get(at..)?.first_chunk().map(|b| i64::from(i32::from_le_bytes(*b)));
        let micros = |ticks: i64, per_day: i64| {
            if per_day >= DAY {
                Some(ticks.div_euclid(per_day / DAY))
            } else {
                ticks.checked_mul(DAY / per_day)
            }
        };
        Some(match self {
            TimeCoding::Label(_) => return None,
            TimeCoding::Day32 => (i32_at(0)?.checked_mul(DAY)?, false),
            TimeCoding::Ticks { per_day, is_instant } => (micros(i64_at(0)?, per_day)?, is_instant),
            TimeCoding::Ticks32(per_day) => (micros(i32_at(0)?, per_day)?, per_day > 1),
            TimeCoding::Int96 => {
                let days = i32_at(8)?.checked_sub(JULIAN_EPOCH)?;
                (days.checked_mul(DAY)?.checked_add(i64_at(0)?.div_euclid(1_000))?, true)
            }
            TimeCoding::Text => match parse_stamp(raw)? {
                Stamp::Wall(micros) => (micros, false),
                Stamp::Instant(micros) => (micros, true),
            },
        })
    }

    /// The time of a stored date, in microseconds since 1970-01-01T00:00; `None` if the bytes are not
    /// a date.
    pub fn micros(self, raw: &[u8]) -> Option<i64> {
        self.moment(raw).map(|(micros, _)| micros)
    }

    /// The day of a stored date; `None` if it is none within the years 1 to 9999.
    pub fn day(self, raw: &[u8]) -> Option<i32> {
        self.day_in(raw, None)
    }

    /// As [`Self::day`], with instants on the calendar of `zone`; of UTC without one.
    pub fn day_in(self, raw: &[u8], zone: Option<&Zone>) -> Option<i32> {
        let first = calendar::day_of(calendar::Date { year: 1, month: 1, day: 1 });
        let last = calendar::day_of(calendar::Date { year: 9999, month: 12, day: 31 });
        let (micros, is_instant) = self.moment(raw)?;
        let offset = match zone {
            Some(zone) if is_instant => i64::from(zone.offset_at(micros.div_euclid(1_000_000))) * 1_000_000,
            _ => 0,
        };
        let day = i32::try_from(micros.checked_add(offset)?.div_euclid(86_400_000_000)).ok()?;
        (first..=last).contains(&day).then_some(day)
    }

    /// A stored time for an error message.
    pub fn show(self, raw: Option<&[u8]>) -> String {
        match (self, raw) {
            (_, None) => "null".into(),
            (TimeCoding::Label(_) | TimeCoding::Text, Some(raw)) => {
                format!("'{}'", String::from_utf8_lossy(raw))
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
        assert_eq!(
            TimeCoding::Ticks { per_day: 86_400_000, is_instant: true }.day(&late.to_le_bytes()),
            Some(day)
        );
        assert_eq!(
            TimeCoding::Ticks { per_day: 86_400_000_000_000, is_instant: false }
                .day(&(late * 1_000_000).to_le_bytes()),
            Some(day)
        );
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
