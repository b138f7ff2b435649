//! The options of a run.

use crate::Job;
use crate::checks::Config;
use crate::checks::settings::Checks;
use crate::table::View;

/// The options of a run.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// The job.
    pub job: Job,
    /// Files, folders, globs.
    pub sources: Vec<String>,
    /// Where to publish, see [`crate::publish::Target::parse`]; `None` publishes and stores nothing.
    pub target: Option<String>,
    /// The folder that caches the sums of unchanged files (see [`crate::state`]).
    pub state: Option<String>,
    /// The number of threads; `None` for one per core.
    pub threads: Option<usize>,
    /// Whether the checks run and block.
    pub checks: Checks,
    /// The configuration of the checks.
    pub config: Config,
    /// Weeks, first and last (see [`crate::calendar`]), that may be restated.
    pub allow_restatement: Vec<(i32, i32)>,
    /// Whether a source without rows gives an empty table; an error otherwise.
    pub allow_empty: bool,
    /// Whether names in CSV that a spreadsheet would take for formulas get an apostrophe.
    pub csv_safe: bool,
    /// The rows of the table that are written. A part is compared with no history, and leaves no report.
    pub view: View,
}
