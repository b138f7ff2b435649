//! Settings of the checks apart from bounds and severities: drift, retention, incidents.

use crate::calendar::label::LabelForm;
use crate::{Error, Result};

/// Whether the checks of a run run, and whether they block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checks {
    /// The checks run. The table is not published if one blocks.
    #[default]
    Block,
    /// The checks run and are reported. The table is always published.
    WarnOnly,
    /// The checks do not run, and the history is not updated.
    Off,
}

/// The direction in which a change counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Increases and decreases.
    #[default]
    Both,
    /// Only increases.
    Up,
    /// Only decreases.
    Down,
}

impl Direction {
    /// Whether a change of this sign counts.
    pub fn counts(self, change: f64) -> bool {
        match self {
            Direction::Both => true,
            Direction::Up => change > 0.0,
            Direction::Down => change < 0.0,
        }
    }
}

/// `[drift]`: how points are compared with their history.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Drift {
    /// The length of the baseline: the last published weeks before the week under test.
    pub baseline_weeks: usize,
    /// A point is judged only if its baseline has at least this many weeks.
    pub min_weeks: usize,
    /// A point is judged only if its usual users per week reach this; for a share, also its current users.
    pub min_users: f64,
    /// The direction in which a change counts.
    pub direction: Direction,
    /// Changes of a share below this (0.03: three percentage points) are ignored.
    pub ignore_share: f64,
    /// Relative changes of volume below this are ignored.
    pub ignore_volume: f64,
}

impl Default for Drift {
    fn default() -> Self {
        Drift {
            baseline_weeks: 13,
            min_weeks: 8,
            min_users: 200.0,
            direction: Direction::Both,
            ignore_share: 0.03,
            ignore_volume: 0.2,
        }
    }
}

/// `[keep]`: how much is kept beside the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keep {
    /// Weeks of history.
    pub weeks: usize,
    /// Reports of runs that were published.
    pub runs: usize,
    /// Runs in quarantine.
    pub quarantine: usize,
}

impl Default for Keep {
    fn default() -> Self {
        Keep { weeks: 160, runs: 30, quarantine: 10 }
    }
}

/// An incident as the file states it.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct IncidentText {
    first: String,
    last: Option<String>,
    #[serde(default)]
    countries: Vec<String>,
    #[serde(default)]
    classes: Vec<UserClass>,
    #[serde(default)]
    new_level: bool,
    #[serde(default)]
    note: String,
}

/// A class of users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserClass {
    /// Came without marketing.
    Organic,
    /// Came by marketing.
    Paid,
}

impl UserClass {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            UserClass::Organic => "organic",
            UserClass::Paid => "paid",
        }
    }
}

/// Weeks that are not judged and are excluded from baselines: something went wrong in them, or began to last.
#[derive(Debug, Clone, PartialEq, Default, serde::Deserialize)]
#[serde(try_from = "IncidentText")]
pub struct Incident {
    /// First week.
    pub first: i32,
    /// Last week.
    pub last: i32,
    /// The countries, or other keys; all if empty.
    pub countries: Vec<String>,
    /// The classes whose users are meant; both if empty.
    pub classes: Vec<UserClass>,
    /// Whether the change lasts: weeks from the first one on are not compared with weeks before it.
    pub new_level: bool,
    /// What happened.
    pub note: String,
}

impl Incident {
    /// Whether users of the class are meant; `None` for users of both classes together.
    pub fn is_of_class(&self, class: Option<UserClass>) -> bool {
        class.is_none_or(|class| self.classes.is_empty() || self.classes.contains(&class))
    }

    /// Whether a week has no part in the baseline of the week under test.
    pub fn excludes(&self, key: Option<&str>, week: i32, tested: i32) -> bool {
        let lies_before_level = self.new_level && week < self.first && self.first <= tested;
        self.covers(key, week) || lies_before_level && self.covers(key, self.first)
    }

    /// Whether the incident covers the week of a key; with `None`, of all keys together. A key of several members is
    /// covered by its name (`GB, ios`) and by each of its members.
    pub fn covers(&self, key: Option<&str>, week: i32) -> bool {
        let is_key =
            |listed: &String, key: &str| listed == key || key.split(", ").any(|member| member == listed);
        (self.first..=self.last).contains(&week)
            && (self.countries.is_empty()
                || key.is_some_and(|key| self.countries.iter().any(|i| is_key(i, key))))
    }
}

impl TryFrom<IncidentText> for Incident {
    type Error = Error;

    fn try_from(text: IncidentText) -> Result<Self> {
        let week = |label: &str| {
            LabelForm::parse_any(label).ok_or_else(|| {
                Error::argument(format!("week '{label}' of an incident"))
                    .expected("an ISO week such as 2026-W10 or 2026_10")
            })
        };
        let first = week(&text.first)?;
        let last = text.last.as_deref().map_or(Ok(first), week)?;
        if last < first {
            return Err(Error::argument("the last week of an incident comes before its first"));
        }
        let IncidentText { countries, classes, new_level, note, .. } = text;
        Ok(Incident { first, last, countries, classes, new_level, note })
    }
}

/// Validates the numbers of `[drift]` and `[keep]`.
///
/// # Errors
/// `Argument` if a number is out of range.
pub fn check(drift: &Drift, keep: &Keep) -> Result<()> {
    let share = |value: f64| (0.0..=1.0).contains(&value);
    if drift.min_weeks < 3 || drift.baseline_weeks < drift.min_weeks || drift.baseline_weeks > 520 {
        return Err(
            Error::argument("the weeks of [drift]").expected("3 <= min_weeks <= baseline_weeks <= 520")
        );
    }
    if !(share(drift.ignore_share) && share(drift.ignore_volume) && drift.min_users >= 0.0) {
        return Err(Error::argument("a number of [drift]")
            .expected("ignore_share and ignore_volume from 0 to 1, min_users not below 0"));
    }
    if keep.weeks < drift.baseline_weeks
        || keep.weeks > 1040
        || keep.runs > 10_000
        || keep.quarantine > 10_000
    {
        return Err(Error::argument("a number of [keep]")
            .expected("weeks from baseline_weeks to 1040, runs and quarantine at most 10000"));
    }
    Ok(())
}
