//! What the values of a column are.

use super::sample::SampleColumn;
use crate::calendar::label::LabelForm;
use crate::calendar::stamp::{Stamp, parse_stamp};
use crate::calendar::{self, date_of};
use crate::checks::countries;
use crate::dataset::text::TextForm;
use crate::ids::values::{Number, ValueType};
use crate::parquet::{Leaf, Logical};
use crate::profile::TimeUnit;
use crate::scan::classes::TimeCoding;

const DAY_MICROS: i64 = 86_400_000_000;
/// Longer values are cut: no role has them.
const MOST_BYTES: usize = 256;

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Strings.
    Text,
    /// True and false.
    Flag,
    /// Whole numbers.
    Integer,
    /// Floats and decimals with a fraction.
    Number,
    /// Days.
    Date,
    /// Times; whether they are instants.
    Time(bool),
    /// A type that no role has.
    Other,
}

impl Form {
    /// The form of a column; `None` where it is null throughout.
    pub fn of(leaf: &Leaf) -> Option<Self> {
        if leaf.logical == Logical::Null {
            return None;
        }
        Some(match TextForm::of(leaf) {
            Ok(TextForm::Text) => Form::Text,
            Ok(TextForm::Boolean) => Form::Flag,
            Ok(TextForm::Integer | TextForm::Unsigned) => Form::Integer,
            Ok(TextForm::Date) => Form::Date,
            Err(_) => match TimeCoding::of_date(leaf, None) {
                Ok(TimeCoding::Ticks { is_instant, .. }) => Form::Time(is_instant),
                Ok(TimeCoding::Int96) => Form::Time(true),
                _ if ValueType::of(leaf).is_ok() => Form::Number,
                _ => Form::Other,
            },
        })
    }

    /// The form of a column that has both in two files.
    pub fn joined(one: Option<Form>, other: Option<Form>) -> Option<Form> {
        match (one, other) {
            (Some(a), Some(b)) if a == b => Some(a),
            (Some(Form::Integer | Form::Number), Some(Form::Integer | Form::Number)) => Some(Form::Number),
            (Some(a), None) => Some(a),
            (None, b) => b,
            (Some(_), Some(_)) => Some(Form::Text),
        }
    }

    /// The form in words.
    pub fn name(self) -> &'static str {
        match self {
            Form::Text => "text",
            Form::Flag => "true or false",
            Form::Integer => "whole numbers",
            Form::Number => "numbers",
            Form::Date => "dates",
            Form::Time(true) => "instants",
            Form::Time(false) => "times by the wall clock",
            Form::Other => "another type",
        }
    }
}

/// A distinct value.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// As text.
    pub text: String,
    /// As a number, if it is one.
    pub number: Option<f64>,
    /// As a time: microseconds since 1970, and whether it is an instant.
    pub moment: Option<(i64, bool)>,
}

impl Cell {
    /// A string.
    pub fn text(raw: &[u8]) -> Self {
        let raw = raw.get(..MOST_BYTES).unwrap_or(raw);
        let text = String::from_utf8_lossy(raw).into_owned();
        let is_number = text.starts_with(|c: char| c.is_ascii_digit() || c == '-') && text.len() <= 24;
        let moment = parse_stamp(raw).map(|stamp| match stamp {
            Stamp::Wall(micros) => (micros, false),
            Stamp::Instant(micros) => (micros, true),
        });
        Cell { number: is_number.then(|| text.parse().ok()).flatten(), moment, text }
    }

    /// A stored value.
    pub fn of(leaf: &Leaf, raw: &[u8]) -> Self {
        match Form::of(leaf) {
            Some(Form::Text) | None => Cell::text(raw),
            Some(Form::Flag | Form::Integer) => {
                let text = TextForm::of(leaf).unwrap_or_default().text(raw).into_owned();
                let text = String::from_utf8_lossy(&text).into_owned();
                Cell { number: text.parse().ok(), moment: None, text }
            }
            Some(Form::Number | Form::Other) => {
                let number = ValueType::of(leaf).and_then(|kind| {
                    let unit = match kind {
                        ValueType::Decimal { scale, .. } => 10f64.powi(i32::from(scale)),
                        _ => 1.0,
                    };
                    Ok(number(kind.number(leaf.physical, raw)?).map(|n| n / unit))
                });
                let number = number.ok().flatten();
                Cell {
                    text: number.map_or_else(|| format!("{raw:02x?}"), |n| n.to_string()),
                    number,
                    moment: None,
                }
            }
            Some(Form::Date | Form::Time(_)) => {
                let coding = TimeCoding::of_date(leaf, None).unwrap_or(TimeCoding::Text);
                let is_instant = Form::of(leaf) == Some(Form::Time(true));
                let moment = coding.micros(raw).map(|micros| (micros, is_instant));
                let text = match (moment, Form::of(leaf)) {
                    (Some((micros, _)), Some(Form::Date)) => show_day(micros),
                    (Some((micros, _)), _) => {
                        format!("{} +{} us", show_day(micros), micros.rem_euclid(DAY_MICROS))
                    }
                    (None, _) => format!("{raw:02x?}"),
                };
                Cell { text, number: None, moment }
            }
        }
    }
}

#[allow(clippy::cast_precision_loss)] // compared within a tolerance
fn number(number: Number) -> Option<f64> {
    match number {
        Number::Small(n) => Some(n as f64),
        Number::Big(n) => Some(n as f64),
        Number::Real(n) => Some(n),
        Number::Nan | Number::Infinite(_) | Number::Null => None,
    }
}

/// The day of a time, `yyyy-mm-dd`.
pub fn show_day(micros: i64) -> String {
    let Ok(day) = i32::try_from(micros.div_euclid(DAY_MICROS)) else { return "no day".into() };
    if !(calendar::FIRST_DAY..=calendar::LAST_DAY).contains(&day) {
        return "no day".into();
    }
    let date = date_of(day);
    format!("{:04}-{:02}-{:02}", date.year, date.month, date.day)
}

/// A value for a comment, on one line.
pub fn shown(text: &str) -> String {
    let mut text: String = text.to_owned();
    if text.contains(char::is_control) {
        text = text.escape_debug().to_string();
    }
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// The times of a column, as the job would read them.
#[derive(Debug, Clone, PartialEq)]
pub struct Times {
    /// The unit of integers.
    pub unit: Option<TimeUnit>,
    /// What they are, in words.
    pub what: String,
    /// Whether they are instants.
    pub is_instant: bool,
    /// Whether some have a time of day.
    pub has_clock: bool,
    /// The first and the last, in microseconds.
    pub range: (i64, i64),
    /// All at this hour in UTC, which is not 0.
    pub one_hour: Option<i64>,
    /// The number of different times.
    pub distinct: usize,
}

/// The times of a column, if nearly all of its values are times of the years 2000 to 2099.
pub fn times(column: &SampleColumn) -> Option<Times> {
    let form = column.form?;
    let unit = if form == Form::Integer { Some(unit_of(column)?) } else { None };
    #[allow(clippy::cast_possible_truncation)] // below 2^63 by its unit
    let moment = |cell: &Cell| -> Option<(i64, bool)> {
        let Some(unit) = unit else { return cell.moment };
        let per_day = unit.per_day() as f64;
        Some(((cell.number? / per_day * DAY_MICROS as f64).round() as i64, unit != TimeUnit::Day))
    };
    let is_plausible = |micros: i64| (10_957..47_482).contains(&micros.div_euclid(DAY_MICROS));
    let moments: Vec<(i64, bool)> =
        column.cells.iter().filter_map(moment).filter(|(micros, _)| is_plausible(*micros)).collect();
    let part = column.part(|cell| moment(cell).is_some_and(|(micros, _)| is_plausible(micros)));
    if moments.is_empty() || part < 0.98 {
        return None;
    }
    let of_day = |micros: &i64| micros.rem_euclid(DAY_MICROS);
    let has_clock = moments.iter().any(|(micros, _)| of_day(micros) != 0);
    let first = moments.first().map_or(0, |(micros, _)| of_day(micros));
    let is_one = moments.iter().all(|(micros, _)| of_day(micros) == first);
    let is_instant = moments.iter().any(|(_, is_instant)| *is_instant);
    let micros = || moments.iter().map(|(micros, _)| *micros);
    let what = match (form, unit) {
        (Form::Text, _) => format!("text, {}", text_form(column)),
        (_, Some(unit)) => {
            let name = TimeUnit::ALL.iter().find(|(_, known)| *known == unit).map_or("", |(name, _)| name);
            format!("integers in {name}")
        }
        (form, _) => form.name().to_owned(),
    };
    Some(Times {
        unit,
        what,
        is_instant,
        has_clock,
        range: (micros().min()?, micros().max()?),
        one_hour: (is_instant && is_one && first != 0 && moments.len() > 2).then_some(first / 3_600_000_000),
        distinct: moments.len(),
    })
}

/// The unit in which all integers of a column are times of the years 2000 to 2099.
fn unit_of(column: &SampleColumn) -> Option<TimeUnit> {
    TimeUnit::ALL.iter().map(|(_, unit)| *unit).find(|unit| {
        #[allow(clippy::cast_precision_loss)] // years
        let day = unit.per_day() as f64;
        let is_year = |cell: &Cell| cell.number.is_some_and(|n| (10_957.0..47_482.0).contains(&(n / day)));
        column.part(is_year) >= 0.98
    })
}

/// The form of text times: that of the first.
fn text_form(column: &SampleColumn) -> String {
    let Some(cell) = column.cells.iter().find(|cell| cell.moment.is_some()) else { return "times".into() };
    let mut form = String::new();
    for (at, letter) in cell.text.chars().enumerate() {
        form.push(match (letter, at) {
            ('0'..='9', 0..=3) => 'y',
            ('0'..='9', 4 | 5) if cell.text.len() == 8 => 'm',
            ('0'..='9', 6 | 7) if cell.text.len() == 8 => 'd',
            ('0'..='9', 5 | 6) => 'm',
            ('0'..='9', 8 | 9) => 'd',
            ('0'..='9', 11 | 12) => 'h',
            ('0'..='9', 14 | 15) => 'm',
            ('0'..='9', 17 | 18) => 's',
            ('0'..='9', _) => '0',
            (letter, _) => letter,
        });
    }
    form
}

/// The form of ISO week labels in which nearly all values of a column are.
pub fn label_form(column: &SampleColumn) -> Option<LabelForm> {
    if column.form != Some(Form::Text) || column.cells.is_empty() {
        return None;
    }
    LabelForm::ALL
        .into_iter()
        .find(|form| column.part(|cell| form.parse(cell.text.as_bytes()).is_some()) >= 0.98)
}

/// The first day of the ranges `yyyy-mm-dd - yyyy-mm-dd` of a column, by number from Monday, if all are whole weeks
/// from one day on.
pub fn range_start(column: &SampleColumn) -> Option<i32> {
    let start = |cell: &Cell| {
        let (first, last) = cell.text.split_once(" - ")?;
        let day = |text: &str| match parse_stamp(text.as_bytes())? {
            Stamp::Wall(micros) => i32::try_from(micros.div_euclid(DAY_MICROS)).ok(),
            Stamp::Instant(_) => None,
        };
        let (first, last) = (day(first)?, day(last)?);
        (last - first == 6).then(|| calendar::weekday(first))
    };
    let first = start(column.cells.first()?)?;
    column.cells.iter().all(|cell| start(cell) == Some(first)).then_some(first)
}

/// Country codes of two letters, in any case, that are no ISO codes but in use; `UK` is GB.
const OTHER_CODES: [&str; 3] = ["UK", "XK", "EU"];
/// Members that stand for no country.
pub const NO_COUNTRY: [&str; 12] =
    ["", "n/a", "unknown", "(not set)", "not set", "null", "none", "zz", "xx", "--", "??", "other"];
/// Members that may stand for the sum of all others.
pub const TOTALS: [&str; 9] =
    ["all", "total", "(all)", "world", "ww", "worldwide", "global", "any", "grand total"];
/// Operating systems and platforms.
const SYSTEMS: [&str; 30] = [
    "android",
    "ios",
    "ipados",
    "iphone os",
    "iphoneos",
    "tvos",
    "watchos",
    "visionos",
    "macos",
    "mac",
    "osx",
    "windows",
    "windows-phone",
    "windows phone",
    "linux",
    "web",
    "webos",
    "tizen",
    "server",
    "symbian",
    "bada",
    "blackberry",
    "unknown",
    "other",
    "fireos",
    "amazon",
    "kaios",
    "harmonyos",
    "google_play",
    "apple_store",
];

/// Whether a value is a country code of two letters, in any case.
pub fn is_country_code(text: &str) -> bool {
    let upper = text.to_ascii_uppercase();
    countries::is_assigned(upper.as_bytes()) || OTHER_CODES.contains(&&*upper)
}

/// Whether a value may stand for the sum of all others.
pub fn is_total_name(text: &str) -> bool {
    TOTALS.contains(&&*text.to_lowercase())
}

/// Whether a value stands for no country.
pub fn is_no_country(text: &str) -> bool {
    NO_COUNTRY.contains(&&*text.to_lowercase())
}

/// Whether a value is an operating system.
pub fn is_system(text: &str) -> bool {
    SYSTEMS.contains(&&*text.to_lowercase())
}

/// What the name of a channel says about its class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// Organic, by the word.
    Organic,
    /// A search in an app store, or a direct visit: organic too.
    Unpaid,
    /// Neither organic nor paid: hidden for privacy, untrusted, or the sum of all channels.
    Excluded,
    /// It may be either: a person has to decide.
    Unclear,
    /// Nothing: a paid channel.
    Nothing,
}

/// What the name of a channel says about its class.
pub fn channel_says(name: &str) -> Said {
    let lower = name.trim().to_lowercase();
    let is_negated =
        ["non-organic", "non organic", "nonorganic", "non_organic", "inorganic", "not organic", "paid"]
            .iter()
            .any(|word| lower.contains(word));
    match &*lower {
        _ if is_negated => Said::Nothing,
        _ if lower.split(|c: char| !c.is_alphanumeric()).any(|word| word == "organic") => Said::Organic,
        "app store search"
        | "app store browse"
        | "google play search"
        | "google play explore"
        | "play store search"
        | "(none)"
        | "direct"
        | "(direct)"
        | "(direct) / (none)" => Said::Unpaid,
        "restricted" | "untrusted devices" | "untrusted" | "unavailable" => Said::Excluded,
        _ if is_total_name(&lower) => Said::Excluded,
        "" | "unattributed" | "unknown" | "(not set)" | "not set" | "n/a" | "none" | "null" | "other"
        | "referral" | "(data deleted)" | "app referrer" | "web referrer" => Said::Unclear,
        _ => Said::Nothing,
    }
}

/// Values of event columns that are new users.
pub fn is_install_event(text: &str) -> bool {
    ["install", "installs", "first_open", "first_visit", "app_install", "first open", "new_install"]
        .contains(&&*text.to_lowercase())
}

/// Values of kinds of downloads that are new users.
pub fn is_first_download(text: &str) -> bool {
    matches!(&*text.to_lowercase(), "first-time download" | "first-time downloads" | "first time download")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_say_their_class() {
        for (name, want) in [
            ("Organic", Said::Organic),
            ("Google Organic Search", Said::Organic),
            ("google/organic", Said::Organic),
            ("Non-organic", Said::Nothing),
            ("Paid Search", Said::Nothing),
            ("App Store search", Said::Unpaid),
            ("(none)", Said::Unpaid),
            ("restricted", Said::Excluded),
            ("ALL", Said::Excluded),
            ("Unattributed", Said::Unclear),
            ("Organics Inc", Said::Nothing),
        ] {
            assert_eq!(channel_says(name), want, "{name}");
        }
    }

    #[test]
    fn countries_systems_and_totals_are_known_in_any_case() {
        assert!(is_country_code("gb") && is_country_code("UK") && is_country_code("NA"));
        assert!(!is_country_code("EN") && !is_country_code("GBR") && !is_no_country("NA"));
        assert!(is_system("iOS") && is_system("Windows-Phone") && !is_system("iPad"));
        assert!(is_total_name("ALL") && !is_total_name("Allegheny"));
    }

    #[test]
    fn values_are_read_as_text_numbers_and_times() {
        let cell = Cell::text(b"2021-05-03 12:00:00");
        assert_eq!((cell.number, cell.moment.map(|(_, instant)| instant)), (None, Some(false)));
        assert_eq!(Cell::text(b"12").number, Some(12.0));
        assert_eq!(show_day(1_620_043_200_000_000), "2021-05-03");
        assert_eq!(shown("a\nb"), "a\\nb");
    }
}
