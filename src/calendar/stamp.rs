//! Times written as text.
//!
//! ```text
//! yyyymmdd
//! yyyy-mm-dd
//! yyyy-mm-dd hh:mm[:ss[.f]][offset]      a space or T in the middle; f is one to nine digits
//! offset: [space] Z, z, +hh, +hhmm, +hh:mm, with - for +; or " UTC"
//! ```
//!
//! Everything else is refused: other separators, missing digits, dates that do not exist, 24:00,
//! surrounding spaces. Nothing is allocated, and no locale is read.

use super::zone::Zone;
use super::{DAY_SECONDS, Date, FIRST_DAY, LAST_DAY, existing_day};

/// Microseconds of a day.
const DAY: i64 = DAY_SECONDS * 1_000_000;

/// A time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamp {
    /// A wall-clock time, which no time zone changes: microseconds since 1970-01-01T00:00 of its own
    /// calendar.
    Wall(i64),
    /// An instant: microseconds since 1970-01-01T00:00 UTC.
    Instant(i64),
}

impl Stamp {
    /// The day, with instants on the calendar of `zone`; `None` if it is not within the years 1 to 9999.
    pub fn day(self, zone: &Zone) -> Option<i32> {
        let day = match self {
            Stamp::Wall(micros) => i32::try_from(micros.div_euclid(DAY)).ok()?,
            Stamp::Instant(micros) => zone.day_of(micros),
        };
        (FIRST_DAY..=LAST_DAY).contains(&day).then_some(day)
    }
}

/// Parses a time in one of the forms of the module; `None` if it is in none of them.
///
/// Fractions are cut to microseconds. Second 60, a leap second, counts as second 59.
pub fn parse_stamp(text: &[u8]) -> Option<Stamp> {
    if let &[a, b, c, d, m, n, x, y] = text {
        return Some(Stamp::Wall(i64::from(date([a, b, c, d], [m, n], [x, y])?) * DAY));
    }
    let &[a, b, c, d, b'-', m, n, b'-', x, y, ref rest @ ..] = text else { return None };
    let midnight = i64::from(date([a, b, c, d], [m, n], [x, y])?) * DAY;
    if rest.is_empty() {
        return Some(Stamp::Wall(midnight));
    }
    let &[b' ' | b'T', h, i, b':', m, n, ref rest @ ..] = rest else { return None };
    let (hour, minute) = (two(h, i, 23)?, two(m, n, 59)?);
    let (second, micros, rest) = match *rest {
        [b':', s, t, ref rest @ ..] => {
            let second = two(s, t, 60)?.min(59);
            let (micros, rest) = fraction(rest)?;
            (second, micros, rest)
        }
        _ => (0, 0, rest),
    };
    let wall = midnight + i64::from(hour * 3_600 + minute * 60 + second) * 1_000_000 + micros;
    let offset = match rest {
        [] => return Some(Stamp::Wall(wall)),
        b" UTC" => 0,
        [b' ', rest @ ..] => parse_offset(rest)?,
        rest => parse_offset(rest)?,
    };
    Some(Stamp::Instant(wall - i64::from(offset) * 1_000_000))
}

/// The seconds of an offset from UTC: `Z`, `z`, `+hh`, `+hhmm`, `+hh:mm`, or with `-`.
pub(super) fn parse_offset(text: &[u8]) -> Option<i32> {
    let (sign, rest) = match text {
        b"Z" | b"z" => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let minutes = match *rest {
        [a, b] => two(a, b, 23)? * 60,
        [a, b, m, n] | [a, b, b':', m, n] => two(a, b, 23)? * 60 + two(m, n, 59)?,
        _ => return None,
    };
    Some(sign * minutes * 60)
}

/// The microseconds of `.f`, one to nine digits, and the bytes after it; 0 without a point.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let [b'.', rest @ ..] = text else { return Some((0, text)) };
    let count = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    if !(1..=9).contains(&count) {
        return None;
    }
    let (digits, rest) = rest.split_at_checked(count)?;
    let micros = digits.iter().chain(std::iter::repeat(&b'0')).take(6);
    Some((micros.fold(0, |n, b| n * 10 + i64::from(b - b'0')), rest))
}

/// The day of a date that exists.
fn date([a, b, c, d]: [u8; 4], [m, n]: [u8; 2], [x, y]: [u8; 2]) -> Option<i32> {
    let (century, year) = (two(a, b, 99)?, two(c, d, 99)?);
    let (month, day) = (two(m, n, 12)?, two(x, y, 31)?);
    let (month, day) = (u8::try_from(month).ok()?, u8::try_from(day).ok()?);
    existing_day(Date { year: century * 100 + year, month, day })
}

/// The number of two ASCII digits, if it is not above `most`.
fn two(a: u8, b: u8, most: i32) -> Option<i32> {
    let number = i32::from(a.wrapping_sub(b'0')) * 10 + i32::from(b.wrapping_sub(b'0'));
    (a.is_ascii_digit() && b.is_ascii_digit() && number <= most).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::{date_of, day_of};
    use proptest::prelude::*;

    const HOUR: i64 = 3_600_000_000;

    fn wall(text: &str) -> Option<i64> {
        match parse_stamp(text.as_bytes())? {
            Stamp::Wall(micros) => Some(micros),
            Stamp::Instant(_) => None,
        }
    }

    fn instant(text: &str) -> Option<i64> {
        match parse_stamp(text.as_bytes())? {
            Stamp::Instant(micros) => Some(micros),
            Stamp::Wall(_) => None,
        }
    }

    #[test]
    fn every_form() {
        let midnight = i64::from(day_of(Date { year: 2021, month: 5, day: 3 })) * DAY;
        let noon = midnight + 12 * HOUR + 34 * 60_000_000 + 56_000_000;
        for (text, want) in [
            ("20210503", midnight),
            ("2021-05-03", midnight),
            ("2021-05-03 00:00", midnight),
            ("2021-05-03T12:34", noon - 56_000_000),
            ("2021-05-03 12:34:56", noon),
            ("2021-05-03T12:34:56", noon),
            ("2021-05-03 12:34:56.7", noon + 700_000),
            ("2021-05-03 12:34:56.000001", noon + 1),
            ("2021-05-03 12:34:56.123456789", noon + 123_456),
            ("2021-05-03T23:59:60", midnight + DAY - 1_000_000),
        ] {
            assert_eq!(wall(text), Some(want), "{text}");
        }
        for (text, want) in [
            ("2021-05-03T12:34:56Z", noon),
            ("2021-05-03T12:34:56z", noon),
            ("2021-05-03 12:34:56 Z", noon),
            ("2021-05-03 12:34:56 UTC", noon),
            ("2021-05-03 12:34:56.5 UTC", noon + 500_000),
            ("2021-05-03 12:34:56+0200", noon - 2 * HOUR),
            ("2021-05-03 12:34:56 +0200", noon - 2 * HOUR),
            ("2021-05-03T12:34:56.000+02:00", noon - 2 * HOUR),
            ("2021-05-03T12:34:56-03:30", noon + 7 * HOUR / 2),
            ("2021-05-03 12:34:56+02", noon - 2 * HOUR),
            ("2021-05-03 12:34:56-07", noon + 7 * HOUR),
            ("2021-05-03T12:34Z", noon - 56_000_000),
            ("2021-05-03T12:34-00:00", noon - 56_000_000),
        ] {
            assert_eq!(instant(text), Some(want), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "2021",
            "2021-05",
            "2021-5-3",
            "2021-05-3",
            "21-05-03",
            "2021/05/03",
            "2021-0503",
            "202105-03",
            "2021-05-03 ",
            " 2021-05-03",
            "2021-05-03T",
            "2021-05-03Z",
            "2021-05-03 UTC",
            "20210503Z",
            "20210503T12:34:56",
            "2021-02-29",
            "2021-04-31",
            "2021-00-10",
            "2021-13-10",
            "2021-05-00",
            "2021-05-32",
            "0000-05-03",
            "00000503",
            "20210230",
            "-001-05-03",
            "+021-05-03",
            "2021-05-0x",
            "2021-05-03 12",
            "2021-05-03 12:3",
            "2021-05-03 1:34",
            "2021-05-03  12:34",
            "2021-05-03t12:34",
            "2021-05-03_12:34",
            "2021-05-03 24:00:00",
            "2021-05-03 24:00",
            "2021-05-03 12:60",
            "2021-05-03 12:34:61",
            "2021-05-03 12:34:5",
            "2021-05-03 12:34:",
            "2021-05-03 12:34:56.",
            "2021-05-03 12:34:56.1234567890",
            "2021-05-03 12:34:56,5",
            "2021-05-03 12:34.5",
            "2021-05-03 12:34:56 ",
            "2021-05-03 12:34:56  Z",
            "2021-05-03 12:34:56UTC",
            "2021-05-03 12:34:56 utc",
            "2021-05-03 12:34:56ZZ",
            "2021-05-03 12:34:56+2",
            "2021-05-03 12:34:56+020",
            "2021-05-03 12:34:56+02:0",
            "2021-05-03 12:34:56+02:60",
            "2021-05-03 12:34:56+24:00",
            "2021-05-03 12:34:56+02:00:00",
            "2021-05-03 12:34:56+",
            "2021-05-03 12:34:56 ",
            "2021-05-03 12:34:56 CET",
            "2021-05-03 12:34:56[UTC]",
            "2021-05-03\n",
            "２021-05-03",
            "2021-05-03 12:34:56\0",
        ] {
            assert_eq!(parse_stamp(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(parse_stamp(b"\xff\xff\xff\xff\xff\xff\xff\xff"), None);
    }

    #[test]
    fn days_of_stamps() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let day = |text: &str, zone: &Zone| {
            let date = date_of(parse_stamp(text.as_bytes())?.day(zone)?);
            Some((date.year, date.month, date.day))
        };
        assert_eq!(day("2021-05-02T23:30:00", &berlin), Some((2021, 5, 2)));
        assert_eq!(day("2021-05-02T23:30:00Z", &berlin), Some((2021, 5, 3)));
        assert_eq!(day("2021-05-02T21:59:59.999Z", &berlin), Some((2021, 5, 2)));
        assert_eq!(day("2021-12-02T22:30:00Z", &berlin), Some((2021, 12, 2)));
        assert_eq!(day("0001-01-01T00:00:00+01:00", &Zone::utc()), None);
        assert_eq!(day("0001-01-01T00:00:00", &Zone::utc()), Some((1, 1, 1)));
        assert_eq!(day("9999-12-31T23:59:59-01:00", &Zone::utc()), None);
        assert_eq!(day("9999-12-31T23:59:59Z", &berlin), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            day in FIRST_DAY..=LAST_DAY,
            second in 0i64..86_400,
            nanos in 0i64..1_000_000_000,
            digits in 0usize..=9,
            separator in prop_oneof![Just(' '), Just('T')],
            offset in proptest::option::of((0usize..6, -1_439i64..1_440)),
        ) {
            let date = date_of(day);
            let nanos = nanos / 10i64.pow(9 - u32::try_from(digits).unwrap()) * 10i64.pow(9 - u32::try_from(digits).unwrap());
            let fraction = format!("{nanos:09}");
            let fraction = if digits == 0 { String::new() } else { format!(".{}", &fraction[..digits]) };
            let (hour, minute, second_of_minute) = (second / 3_600, second / 60 % 60, second % 60);
            let text = format!(
                "{:04}-{:02}-{:02}{separator}{hour:02}:{minute:02}:{second_of_minute:02}{fraction}",
                date.year, date.month, date.day,
            );
            let want = i64::from(day) * DAY + second * 1_000_000 + nanos / 1_000;
            prop_assert_eq!(wall(&text), Some(want));
            if let Some((form, minutes)) = offset {
                let sign = if minutes < 0 { '-' } else { '+' };
                let (h, m) = (minutes.abs() / 60, minutes.abs() % 60);
                let (suffix, minutes) = match form {
                    0 => ("Z".into(), 0),
                    1 => (" UTC".into(), 0),
                    2 => (format!("{sign}{h:02}"), minutes - minutes % 60),
                    3 => (format!("{sign}{h:02}{m:02}"), minutes),
                    4 => (format!("{sign}{h:02}:{m:02}"), minutes),
                    _ => (format!(" {sign}{h:02}:{m:02}"), minutes),
                };
                prop_assert_eq!(instant(&format!("{text}{suffix}")), Some(want - minutes * 60_000_000));
            }
        }

        #[test]
        fn any_bytes_do_no_harm(text in proptest::collection::vec(any::<u8>(), 0..40), near in "[0-9TZ:. +-]{0,32}") {
            let _ = parse_stamp(&text);
            if let Some(stamp) = parse_stamp(near.as_bytes()) {
                let _ = stamp.day(&Zone::utc());
            }
        }
    }
}
