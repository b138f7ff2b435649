//! How the history is used: lengths, minima, incidents.

use crate::{Error, Result, calendar};

/// Whether the checks of a run run, and whether they block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checks {
    /// They run, and what blocks keeps the table from being published.
    #[default]
    Block,
    /// They run and tell; the table is published whatever they say.
    WarnOnly,
    /// They do not run, and the history stays as it is.
    Off,
}

/// Which way a change counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Either way.
    #[default]
    Both,
    /// Only upwards.
    Up,
    /// Only downwards.
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

/// `[drift]`: how points are held against their history.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Drift {
    /// Published weeks that make the baseline, the last ones before the week under test.
    pub baseline_weeks: usize,
    /// Fewer of them are too few.
    pub min_weeks: usize,
    /// Users a week, usual and, for shares, now; below it nothing is judged.
    pub min_users: f64,
    /// Which way a change counts.
    pub direction: Direction,
    /// Changes of a share below this (0.03: three percentage points) count as none.
    pub ignore_share: f64,
    /// Relative changes of volume below this count as none.
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

/// Weeks that do not teach, because something went wrong in them.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct IncidentText {
    first: String,
    last: Option<String>,
    #[serde(default)]
    countries: Vec<String>,
    #[serde(default)]
    note: String,
}

/// Weeks that do not teach.
#[derive(Debug, Clone, PartialEq, Default, serde::Deserialize)]
#[serde(try_from = "IncidentText")]
pub struct Incident {
    /// First week.
    pub first: i32,
    /// Last week.
    pub last: i32,
    /// Countries; empty: all.
    pub countries: Vec<String>,
    /// What happened.
    pub note: String,
}

impl Incident {
    /// Whether the week of a country, or of all of them together, is part of it.
    pub fn covers(&self, country: Option<&str>, week: i32) -> bool {
        (self.first..=self.last).contains(&week)
            && (self.countries.is_empty() || country.is_some_and(|c| self.countries.iter().any(|i| i == c)))
    }
}

impl TryFrom<IncidentText> for Incident {
    type Error = Error;

    fn try_from(text: IncidentText) -> Result<Self> {
        let week = |label: &str| {
            calendar::parse_label(label.as_bytes()).ok_or_else(|| {
                Error::argument(format!("'{label}' in an incident")).expected("an ISO week, yyyy_ww")
            })
        };
        let first = week(&text.first)?;
        let last = text.last.as_deref().map_or(Ok(first), week)?;
        if last < first {
            return Err(Error::argument("an incident whose last week comes before its first"));
        }
        Ok(Incident { first, last, countries: text.countries, note: text.note })
    }
}

/// Whether the numbers make sense.
///
/// # Errors
/// `Argument` where they do not.
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
