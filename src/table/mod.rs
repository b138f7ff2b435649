//! The share table: plain columns, ready to be written.
//!
//! - [`cell`]: one value of a table.
//! - [`render`]: the table for a person at a terminal.
//! - [`mod@column`]: the column types that a table is made of.
//! - [`share`]: the share per window, its bounds and its change.
//! - [`legacy`]: what the original job would have published.

pub mod cell;
pub mod column;
pub mod legacy;
pub mod legacy_labels;
#[cfg(feature = "cli")]
pub mod render;
pub mod share;

pub use cell::Cell;
pub use column::{Column, ColumnData, Table};

use crate::{Job, Result, Semantics, grid::Partial};

/// Turns a partial aggregate into the share table.
///
/// Order: country (code points), then time.
///
/// # Errors
/// `TooLarge` when a sum or the table grows past what can be held, `Data` when
/// legacy semantics meet a label that the original job failed on.
pub fn finish(job: &Job, partial: &Partial) -> Result<Table> {
    let job = job.clone().validated()?;
    match job.semantics {
        Semantics::Iso => share::iso(&job, partial),
        Semantics::Legacy => legacy::legacy(&job, partial),
    }
}
