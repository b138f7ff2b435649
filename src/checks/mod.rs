//! The checks that decide whether a table may be published: on the rows, on the table, and on drift.
//!
//! - [`catalog`]: the list of checks. [`model`]: measurements, bounds and results.
//! - [`config`]: bounds and severities, from a TOML file or by default. [`settings`]: the rest of the file.
//! - [`shape`]: which checks a run takes. [`raw`]: the checks on the rows. [`countries`]: ISO 3166-1.
//! - [`finding`]: what a check has found, as a sentence.
//! - [`staging`]: the checks on the table.
//! - [`drift`]: the comparison with the history. [`totals`]: the sums that it compares.
//! - [`results`]: all results of a run, with a verdict.
//!
//! `docs/quality.md` documents every check with its formula and its default.

pub mod catalog;
pub mod config;
pub mod countries;
pub mod drift;
pub mod finding;
pub mod model;
pub mod raw;
pub mod results;
pub mod settings;
pub mod shape;
pub mod staging;
pub mod totals;

pub use catalog::{CheckId, Severity, Stage};
pub use config::Config;
pub use model::{CheckResult, Measurement, NotRun, Status, Verdict, Violation};
pub use results::Results;
pub use shape::Shape;
