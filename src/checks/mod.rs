//! Checks before and after: what the rows and the table have to be like before
//! the table may be published.
//!
//! - [`catalog`]: the list of checks. [`model`]: what a check is and what comes
//!   out. [`config`]: bounds and severities, from a TOML file or by default.
//! - [`raw`]: the checks on the rows. [`countries`]: ISO 3166-1.
//! - [`staging`]: the checks on the table.
//! - [`drift`]: the checks against what was published before. [`settings`]: how.
//! - [`results`]: all outcomes of a run, with a verdict.
//!
//! Every check, its formula and its default is in `docs/quality.md`.

pub mod catalog;
pub mod config;
pub mod countries;
pub mod drift;
pub mod model;
pub mod raw;
pub mod results;
pub mod settings;
pub mod staging;
pub mod totals;

pub use catalog::{CheckId, Severity, Stage};
pub use config::Config;
pub use model::{CheckResult, Measurement, NotRun, Status, Verdict, Violation};
pub use results::Results;
