//! What a run has to tell: the report that is kept as JSON and drawn as a page.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::charts::Charts;
use super::options::Checks;
use crate::Job;
use crate::calendar;
use crate::checks::{CheckResult, Verdict};
use crate::grid::Account;
use crate::publish::Published;
use crate::state::CacheStats;

/// The version of the report's form; it grows when a reader would have to change.
pub const FORMAT: u32 = 1;

/// What became of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is at the target.
    Published,
    /// It is in quarantine, if there is one; the target is as it was.
    Blocked,
    /// There is no target; nothing was kept.
    #[default]
    Computed,
    /// It was blocked, and a person has published it.
    Promoted,
}

/// Where things of a run lie, as a person would name the places.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct OutputPaths {
    /// The folder of what is kept beside the target.
    pub kept: Option<String>,
    /// The history, if the target has one.
    pub history: Option<String>,
    /// The table of a run that was blocked.
    pub quarantined: Option<String>,
    /// This report.
    pub report: Option<String>,
    /// Its page for people.
    pub page: Option<String>,
}

/// A completed week of a country that was published before and is another now.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Restated {
    /// Country.
    pub country: String,
    /// ISO week, `yyyy_ww`.
    pub week: String,
    /// The run that published it last.
    pub run: String,
    /// Users as published.
    pub users_before: f64,
    /// Users now.
    pub users_now: f64,
    /// Organic users as published.
    pub organic_before: f64,
    /// Organic users now.
    pub organic_now: f64,
    /// How far it changed: the larger of the relative changes of users and organic users.
    pub change: f64,
    /// Whether somebody allowed it.
    pub allowed: bool,
}

/// How long a part of the run took.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Phase {
    /// Which part.
    pub name: String,
    /// Wall time.
    pub seconds: f64,
}

/// All that a run has to tell.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct RunReport {
    /// [`FORMAT`].
    pub format: u32,
    /// The run's name, unique and in order of time: `20261125T134500Z-1a2b`.
    pub run: String,
    /// The version of this program.
    pub version: String,
    /// When it began, RFC 3339, UTC.
    pub started: String,
    /// When it ended, likewise.
    pub finished: String,
    /// Wall time.
    pub seconds: f64,
    /// The question.
    pub job: Job,
    /// The sources, as they were named.
    pub sources: Vec<String>,
    /// Files read.
    pub files: usize,
    /// The target, as it was named; `None` for the terminal.
    pub target: Option<String>,
    /// What the checks were allowed to do.
    pub checks: Checks,
    /// What the checks say; `None` where they were off.
    pub verdict: Option<Verdict>,
    /// What became of the table.
    pub state: State,
    /// Why nothing was published, or what a person overruled, in one line; empty where nothing blocks.
    pub why: String,
    /// What was published.
    pub published: Option<Published>,
    /// Rows of the table, published or not.
    pub table_rows: usize,
    /// Every check, in the order of the catalogue.
    pub outcomes: Vec<CheckResult>,
    /// Where each row went; `None` where the rows could not be summed.
    pub account: Option<Account>,
    /// Series for charts.
    pub charts: Charts,
    /// Published weeks that have changed, largest change first.
    pub restated: Vec<Restated>,
    /// Where things lie.
    pub places: OutputPaths,
    /// What the state has saved; `None` without one.
    pub reuse: Option<CacheStats>,
    /// What else a person should know.
    pub notes: Vec<String>,
    /// What took how long.
    pub phases: Vec<Phase>,
}

impl RunReport {
    /// The code that the program exits with: 0, 4 blocked, 5 a check could not run.
    pub fn exit_code(&self) -> u8 {
        match (self.checks, self.verdict) {
            (Checks::Block, Some(verdict)) => verdict.exit_code(),
            _ => 0,
        }
    }
}

/// A moment as RFC 3339 writes it, in UTC, to the second.
pub fn rfc3339(moment: SystemTime) -> String {
    let (date, time) = civil(moment);
    format!("{date}T{:02}:{:02}:{:02}Z", time[0], time[1], time[2])
}

/// A name for a run that began at `moment`: unique, and in order of time.
pub fn run_name(moment: SystemTime) -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let (date, time) = civil(moment);
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    let tail = hasher.finish() & 0xffff_ffff;
    let millis = since(moment).subsec_millis();
    format!("{}T{:02}{:02}{:02}.{millis:03}Z-{tail:08x}", date.replace('-', ""), time[0], time[1], time[2])
}

fn since(moment: SystemTime) -> Duration {
    moment.duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn civil(moment: SystemTime) -> (String, [u64; 3]) {
    let seconds = since(moment).as_secs();
    let date = calendar::date_of(i32::try_from(seconds / 86_400).unwrap_or(i32::MAX));
    let of_day = seconds % 86_400;
    let text = format!("{:04}-{:02}-{:02}", date.year, date.month, date.day);
    (text, [of_day / 3600, of_day / 60 % 60, of_day % 60])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_names() {
        let moment = UNIX_EPOCH + Duration::from_millis(1_795_614_305_042);
        assert_eq!(rfc3339(moment), "2026-11-25T13:45:05Z");
        let name = run_name(moment);
        assert!(name.starts_with("20261125T134505.042Z-") && name.len() == 29, "{name}");
        assert_ne!(name, run_name(moment));
    }
}
