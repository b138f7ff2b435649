//! The report of a run, which is stored as JSON and rendered as a page.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::series::Charts;
use super::words::{count, number};
use crate::checks::drift::Restated;
use crate::checks::settings::Checks;
use crate::checks::{CheckResult, Shape, Verdict};
use crate::grid::Account;
use crate::publish::Published;
use crate::state::CacheStats;
use crate::{Job, Result, calendar};

/// The schema version of the report; it increases on breaking changes.
pub const FORMAT: u32 = 2;

/// The exit code of a run whose table was published, but not recorded in the history.
pub const NOT_RECORDED: u8 = 7;

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

/// A file beside the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// The history, with which later runs are compared.
    History,
    /// The report of the run.
    Report,
    /// The table of a blocked run.
    Quarantine,
    /// A run in quarantine that was published, and could not be removed from there.
    Release,
}

impl std::fmt::Display for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Kept::History => "the history was not updated",
            Kept::Report => "the report was not stored",
            Kept::Quarantine => "the run is not in quarantine",
            Kept::Release => "the run is still in quarantine",
        })
    }
}

/// A file that could not be written beside the target, after the target was replaced or left as it was.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NotKept {
    /// The file.
    pub what: Kept,
    /// The error.
    pub why: String,
}

impl std::fmt::Display for NotKept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

/// What identifies the bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Digest {
    /// Length in bytes.
    pub bytes: u64,
    /// CRC-32 of the bytes.
    pub crc32: u32,
}

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Digest { bytes: bytes.len() as u64, crc32: crc32fast::hash(bytes) }
    }
}

/// The duration of a phase of the run.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Phase {
    /// The name of the phase.
    pub name: String,
    /// Wall time.
    pub seconds: f64,
}

/// A job of a cluster in a run.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct ClusterStage {
    /// What it was for.
    pub name: String,
    /// Its tasks.
    pub tasks: u64,
    /// Wall time.
    pub seconds: f64,
}

/// What a cluster did in a run.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct ClusterPart {
    /// Executors; `None` where they cannot be counted.
    pub executors: Option<u64>,
    /// The parts into which the rows were cut.
    pub splits: u64,
    /// Rows of the source.
    pub rows: u64,
    /// Compressed bytes of the needed columns. A job reads each of them once.
    pub bytes: u64,
    /// Tasks of all jobs.
    pub tasks: u64,
    /// The jobs in their order.
    pub stages: Vec<ClusterStage>,
}

impl ClusterPart {
    /// The page's line on the cluster.
    pub fn sentence(&self) -> String {
        let executors = self.executors.map_or("executors".to_owned(), |n| count(n, "executor"));
        let read = format!("{}, {} bytes of needed columns", count(self.rows, "row"), number(self.bytes));
        let stage = |stage: &ClusterStage| {
            format!("{} {:.1} s ({})", stage.name, stage.seconds, count(stage.tasks, "task"))
        };
        let stages: Vec<String> = self.stages.iter().map(stage).collect();
        let splits = count(self.splits, "split");
        format!("A cluster has read the rows: {executors}, {read}, {splits}. {}.", stages.join(", "))
    }
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
    /// Which checks the run took; `None` in reports of earlier versions.
    pub shape: Option<Shape>,
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
    /// Bytes of the sources that the driver of a cluster has read: footers. `None` for a run in one process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver_bytes: Option<u64>,
    /// What the cluster did. `None` for a run in one process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterPart>,
    /// Further information for people.
    pub notes: Vec<String>,
    /// What could not be written beside the target. The table is published or blocked all the same.
    pub not_kept: Vec<NotKept>,
    /// The table in quarantine; `None` if there is none.
    pub table_digest: Option<Digest>,
    /// The sums in quarantine; `None` if there are none.
    pub sums_digest: Option<Digest>,
    /// The duration of each phase.
    pub phases: Vec<Phase>,
}

impl RunReport {
    /// Whether the checks are those of a cube.
    pub fn has_cube_checks(&self) -> bool {
        self.shape.unwrap_or_else(|| Shape::of_job(&self.job)).is_cube()
    }

    /// The exit code of the program: 0, 4 if a check blocks, 5 if a blocking check could not run, 7 if the table was
    /// published but the history could not be updated.
    pub fn exit_code(&self) -> u8 {
        let blocks = match (self.state, self.checks, self.verdict) {
            (State::Promoted, ..) => 0,
            (_, Checks::Block, Some(verdict)) => verdict.exit_code(),
            _ => 0,
        };
        let is_published = matches!(self.state, State::Published | State::Promoted);
        let history_failed = self.not_kept.iter().any(|failed| failed.what == Kept::History);
        if blocks == 0 && is_published && history_failed { NOT_RECORDED } else { blocks }
    }

    /// Notes what could not be written beside the target.
    pub fn note_failure(&mut self, what: Kept, result: Result<()>) {
        if let Err(e) = result {
            self.not_kept.push(NotKept { what, why: e.to_string() });
        }
    }
}

/// Formats a time as RFC 3339 in UTC, to the second.
pub fn rfc3339(moment: SystemTime) -> String {
    let (date, time) = civil(moment);
    format!("{date}T{:02}:{:02}:{:02}Z", time[0], time[1], time[2])
}

/// Returns a unique name for a run that began at `moment`, which sorts after the name `last`.
///
/// Runs are ordered by their names. If the clock is behind the last run, the time in the name is that of the last run
/// plus one millisecond: it only counts then.
pub fn run_name(moment: SystemTime, last: Option<&str>) -> String {
    let after = last.and_then(time_of_name).map(|last| last + Duration::from_millis(1));
    let moment = after.map_or(moment, |after| moment.max(after));
    use std::hash::{BuildHasher, Hasher, RandomState};
    let (date, time) = civil(moment);
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    let tail = hasher.finish() & 0xffff_ffff;
    let millis = since(moment).subsec_millis();
    format!("{}T{:02}{:02}{:02}.{millis:03}Z-{tail:08x}", date.replace('-', ""), time[0], time[1], time[2])
}

/// The time in the name of a run; `None` if it is no such name.
fn time_of_name(name: &str) -> Option<SystemTime> {
    let (stamp, _) = name.split_once("Z-")?;
    let (date, time) = stamp.split_once('T')?;
    let part = |text: &str, range: std::ops::Range<usize>| text.get(range)?.parse::<u32>().ok();
    let (year, month, day) = (part(date, 0..4)?, part(date, 4..6)?, part(date, 6..8)?);
    let date = calendar::Date {
        year: i32::try_from(year).ok()?,
        month: u8::try_from(month).ok()?,
        day: u8::try_from(day).ok()?,
    };
    let days = u64::try_from(calendar::day_of(date)).ok()?;
    let (hour, minute, second) = (part(time, 0..2)?, part(time, 2..4)?, part(time, 4..6)?);
    let seconds = days * 86_400 + u64::from(hour) * 3600 + u64::from(minute) * 60 + u64::from(second);
    let millis = u64::from(part(time, 7..10)?);
    Some(UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(millis))
}

/// The day in the name of a run, in days since 1970-01-01; `None` if it is no such name.
pub fn day_of_run(name: &str) -> Option<i32> {
    let since = time_of_name(name)?.duration_since(UNIX_EPOCH).ok()?;
    i32::try_from(since.as_secs() / 86_400).ok()
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
        let name = run_name(moment, None);
        assert!(name.starts_with("20261125T134505.042Z-") && name.len() == 29, "{name}");
        assert_ne!(name, run_name(moment, None));
        assert_eq!(day_of_run(&name).map(crate::table::cell::iso_date).as_deref(), Some("2026-11-25"));
        for bad in ["", "latest", "2026T", "20261125T1345Z-", "\u{e9}20261125T1"] {
            assert_eq!(day_of_run(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_change_the_order_of_names() {
        let moment = UNIX_EPOCH + Duration::from_millis(1_795_614_305_042);
        let ahead = run_name(moment + Duration::from_secs(86_400), None);
        let next = run_name(moment, Some(&ahead));
        assert!(next > ahead && next.starts_with("20261126T134505.043Z-"), "{next}");
        let third = run_name(moment, Some(&next));
        assert!(third > next, "{third}");
        assert!(run_name(moment, Some("a stray name")).starts_with("20261125T134505.042Z-"));
        assert!(run_name(moment, Some("20200101T000000.000Z-0")).starts_with("20261125T134505.042Z-"));
    }
}
