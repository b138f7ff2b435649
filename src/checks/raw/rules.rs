//! The rules for single rows, value by value.

use crate::checks::config::Config;
use crate::checks::countries;
use crate::ids::values::Number;
use crate::{Job, calendar};

/// The job and the configuration that the rules depend on.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// The job: totals, organic channels.
    pub job: &'a Job,
    /// The names that are allowed.
    pub config: &'a Config,
}

impl Rules<'_> {
    /// Whether a country is a code of ISO 3166-1, the total, or allowed.
    pub fn is_known_country(&self, code: &[u8]) -> bool {
        code == self.job.country_total().as_bytes()
            || countries::is_assigned(code)
            || self.config.allow.countries.iter().any(|c| c.as_bytes() == code)
    }

    /// Whether an operating system is the total or allowed.
    pub fn is_known_system(&self, name: &[u8]) -> bool {
        let allowed = &self.config.allow.systems;
        name == self.job.os_total().as_bytes()
            || allowed.iter().any(|s| s.as_bytes() == name)
            || allowed.is_empty() && matches!(name, b"android" | b"ios")
    }
}

/// A week label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// Null.
    Null,
    /// Not written `yyyy_ww`.
    Malformed,
    /// Written `yyyy_ww`, but not an ISO week.
    NoWeek,
    /// A week.
    Week(i32),
}

/// Parses a week label.
pub fn label(raw: Option<&[u8]>) -> Label {
    match raw {
        None => Label::Null,
        Some([a, b, c, d, b'_', e, f]) if [a, b, c, d, e, f].iter().all(|b| b.is_ascii_digit()) => {
            raw.and_then(calendar::parse_label).map_or(Label::NoWeek, Label::Week)
        }
        Some(_) => Label::Malformed,
    }
}

/// A stored date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Date {
    /// Null.
    Null,
    /// Not a valid day.
    NoDay,
    /// A day.
    Day(i32),
}

/// Whether a label is a week other than that of its date. An invalid date counts too; nulls are counted by the check of
/// the keys.
pub fn is_wrong_week(label: Label, date: Date) -> bool {
    match (label, date) {
        (Label::Week(week), Date::Day(day)) => calendar::week_of(day) != week,
        (Label::Week(_) | Label::Null, Date::NoDay) => true,
        _ => false,
    }
}

/// A reason why a number is not a valid count of users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Null.
    Null,
    /// NaN or infinite.
    NotFinite,
    /// Below zero.
    Negative,
    /// Not whole.
    Fractional,
}

impl Flaw {
    /// All flaws.
    pub const ALL: [Flaw; 4] = [Flaw::Null, Flaw::NotFinite, Flaw::Negative, Flaw::Fractional];
}

/// Whether a number has a flaw; `unit` is 10^scale of a decimal.
pub fn has(flaw: Flaw, number: Number, unit: i128) -> bool {
    match (flaw, number) {
        (Flaw::Null, Number::Null) => true,
        (Flaw::NotFinite, Number::Nan | Number::Infinite(_)) => true,
        (Flaw::Negative, Number::Small(v)) => v < 0,
        (Flaw::Negative, Number::Big(v)) => v < 0,
        (Flaw::Negative, Number::Real(v)) => v < 0.0,
        (Flaw::Fractional, Number::Small(v)) => i128::from(v) % unit != 0,
        (Flaw::Fractional, Number::Big(v)) => v % unit != 0,
        (Flaw::Fractional, Number::Real(v)) => v.fract() != 0.0,
        _ => false,
    }
}
