//! The report of a run, which is stored as JSON and rendered as a page.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::series::Charts;
use crate::Job;
use crate::calendar;
use crate::checks::drift::Restated;
use crate::checks::settings::Checks;
use crate::checks::{CheckResult, Verdict};
use crate::grid::Account;
use crate::publish::Published;
use crate::state::CacheStats;

/// The schema version of the report; it increases on breaking changes.
pub const FORMAT: u32 = 2;

/// The state of the table at the end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The table is at the target.
    Published,
    /// A check blocks. The table is in quarantine, if the target has one; the target is as it was.
    Blocked,
    /// There is no target; nothing was stored.
    #[default]
    Computed,
    /// A check blocked, and a person has published the table.
    Promoted,
}

/// The paths of the files of a run, for display.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct OutputPaths {
    /// The folder of the files beside the target.
    pub kept: Option<String>,
    /// The history, if the target has one.
    pub history: Option<String>,
    /// The folder of a blocked run.
    pub quarantined: Option<String>,
    /// This report.
    pub report: Option<String>,
    /// The page of this report.
    pub page: Option<String>,
}

/// The duration of a phase of the run.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Phase {
    /// The name of the phase.
    pub name: String,
    /// Wall time.
    pub seconds: f64,
}

/// The report of a run.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct RunReport {
    /// [`FORMAT`].
    pub format: u32,
    /// The name of the run. Names are unique and sort by time: `20261125T134505.042Z-1a2b3c4d`.
    pub run: String,
    /// The version of this program.
    pub version: String,
    /// The start, as RFC 3339 in UTC.
    pub started: String,
    /// The end, as RFC 3339 in UTC.
    pub finished: String,
    /// Wall time.
    pub seconds: f64,
    /// The job.
    pub job: Job,
    /// The sources, as they were given.
    pub sources: Vec<String>,
    /// The number of files.
    pub files: usize,
    /// The target, as it was given; `None` for the terminal.
    pub target: Option<String>,
    /// Whether the checks ran and could block.
    pub checks: Checks,
    /// The verdict of the checks; `None` if they were off.
    pub verdict: Option<Verdict>,
    /// The state of the table.
    pub state: State,
    /// The results that block, or that a person overruled, in one line; empty if none blocks.
    pub why: String,
    /// What was published.
    pub published: Option<Published>,
    /// Rows of the table, published or not.
    pub table_rows: usize,
    /// The result of every check, in the order of the catalog.
    pub outcomes: Vec<CheckResult>,
    /// The account of the rows; `None` if they could not be summed.
    pub account: Option<Account>,
    /// Series for charts.
    pub charts: Charts,
    /// Published weeks that have changed, largest change first.
    pub restated: Vec<Restated>,
    /// The paths of the files of this run.
    pub places: OutputPaths,
    /// The sums that were reused from the state; `None` without a state.
    pub reuse: Option<CacheStats>,
    /// Further information for people.
    pub notes: Vec<String>,
    /// The duration of each phase.
    pub phases: Vec<Phase>,
}

impl RunReport {
    /// The exit code of the program: 0, 4 if a check blocks, 5 if a blocking check could not run.
    pub fn exit_code(&self) -> u8 {
        match (self.checks, self.verdict) {
            (Checks::Block, Some(verdict)) => verdict.exit_code(),
            _ => 0,
        }
    }
}

/// Formats a time as RFC 3339 in UTC, to the second.
pub fn rfc3339(moment: SystemTime) -> String {
    let (date, time) = civil(moment);
    format!("{date}T{:02}:{:02}:{:02}Z", time[0], time[1], time[2])
}

/// Returns a unique name for a run that began at `moment`. Names sort by time.
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
    fn times_and_names() {
        let moment = UNIX_EPOCH + Duration::from_millis(1_795_614_305_042);
        assert_eq!(rfc3339(moment), "2026-11-25T13:45:05Z");
        let name = run_name(moment);
        assert!(name.starts_with("20261125T134505.042Z-") && name.len() == 29, "{name}");
        assert_ne!(name, run_name(moment));
    }
}
