//! Formats numbers, dates and points in time for people.

use crate::table::cell::iso_date;
use crate::{Grain, calendar};

/// A number with commas between thousands.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number and its noun.
pub fn count(value: u64, noun: &str) -> String {
    format!("{} {noun}{}", number(value), if value == 1 { "" } else { "s" })
}

/// A number of keys of these dimensions: `3 countries`, or `3 keys (country x os)`.
pub fn keys(value: u64, dimensions: &[&str]) -> String {
    format!("{} {}", number(value), key_noun(value, dimensions))
}

/// What keys of these dimensions are called.
pub fn key_noun(value: u64, dimensions: &[&str]) -> String {
    match dimensions {
        ["country"] => if value == 1 { "country" } else { "countries" }.to_owned(),
        _ => {
            let noun = if value == 1 { "key" } else { "keys" };
            if dimensions.is_empty() {
                noun.to_owned()
            } else {
                format!("{noun} ({})", dimensions.join(" x "))
            }
        }
    }
}

/// A count that may be fractional, such as users.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // below 2^53, and not negative
pub fn amount(value: f64) -> String {
    if value.fract() == 0.0 && (0.0..9e15).contains(&value) {
        number(value as u64)
    } else if value.abs() < 1e15 {
        // Up to three decimal places.
        let text = format!("{value:.3}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        format!("{value:e}")
    }
}

/// A count in few characters: `940`, `12.3k`, `1.2M`.
pub fn short(value: f64) -> String {
    for (unit, letter) in [(1e9, "B"), (1e6, "M"), (1e3, "k")] {
        if value.abs() >= unit {
            let number = value / unit;
            return if number < 100.0 {
                format!("{number:.1}{letter}")
            } else {
                format!("{number:.0}{letter}")
            };
        }
    }
    format!("{value:.0}")
}

/// A share in per cent; a dash for `None`.
pub fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

/// The change of a share in percentage points: `+1.2 points`.
pub fn points(change: f64) -> String {
    // A change that rounds to zero has no sign.
    let tenths = (change * 1000.0).round();
    if tenths == 0.0 { "±0.0 points".to_owned() } else { format!("{:+.1} points", tenths / 10.0) }
}

/// What a step of the time axis is called.
pub fn step_noun(grain: Grain) -> &'static str {
    match grain {
        Grain::Week => "week",
        Grain::Day => "day",
        Grain::Month => "month",
    }
}

/// A point in time: `2021-W05`, `2021-02-01` or `2021-02`.
pub fn step(grain: Grain, step: i32) -> String {
    match grain {
        Grain::Week => {
            let (year, week) = calendar::iso_of(step);
            format!("{year:04}-W{week:02}")
        }
        Grain::Day => iso_date(step),
        Grain::Month => calendar::month_label(step),
    }
}

/// The text, shortened to at most `length` characters.
pub fn shortened(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(length.saturating_sub(1)).collect();
    short.push('…');
    short
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Month and year of a day, `Jan 2021`.
pub fn month(day: i32) -> String {
    let date = calendar::date_of(day);
    let name = MONTHS.get(usize::from(date.month).wrapping_sub(1)).copied().unwrap_or_default();
    format!("{name} {}", date.year)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_nouns_agree() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!((count(1, "row"), count(2_000, "row")), ("1 row".into(), "2,000 rows".into()));
        assert_eq!(
            [0.0, 940.0, 12_340.0, 250_400.0, 1.2e6].map(short),
            ["0", "940", "12.3k", "250k", "1.2M"]
        );
        assert_eq!(
            [0.012, -0.198, 0.0004, -0.0].map(points),
            ["+1.2 points", "-19.8 points", "±0.0 points", "±0.0 points"]
        );
        assert_eq!([12.0, 1234.5, 0.125, 1e20].map(amount), ["12", "1234.5", "0.125", "1e20"]);
    }

    #[test]
    fn keys_have_the_names_of_their_dimensions() {
        assert_eq!(
            (keys(1, &["country"]), keys(2_000, &["country"])),
            ("1 country".into(), "2,000 countries".into())
        );
        assert_eq!(
            (keys(1, &["os"]), keys(3, &["country", "os"])),
            ("1 key (os)".into(), "3 keys (country x os)".into())
        );
    }

    #[test]
    fn what_is_too_long_ends_in_an_ellipsis() {
        assert_eq!(shortened("Organic", 7), "Organic");
        assert_eq!(shortened("Ünïcødé channel", 4), "Ünï…");
    }

    #[test]
    fn points_in_time() {
        assert_eq!(step(Grain::Week, calendar::week_of(18_628)), "2020-W53");
        assert_eq!((step(Grain::Day, 18_628), month(18_628)), ("2021-01-01".into(), "Jan 2021".into()));
    }
}
