//! What a run is asked for.

use crate::Job;
use crate::checks::Config;
use crate::checks::settings::Checks;

/// What a run is asked for.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// The question.
    pub job: Job,
    /// Files, folders, globs.
    pub sources: Vec<String>,
    /// Where to publish: as [`crate::publish::Target::parse`] reads it; `None` keeps nothing.
    pub target: Option<String>,
    /// The folder that knows what unchanged files sum to (see [`crate::state`]).
    pub state: Option<String>,
    /// Threads; `None` for one a core.
    pub threads: Option<usize>,
    /// What the checks may do.
    pub checks: Checks,
    /// Bounds and severities.
    pub config: Config,
    /// Weeks, first and last (see [`crate::calendar`]), that may be restated.
    pub allow_restatement: Vec<(i32, i32)>,
}
