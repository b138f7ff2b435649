//! The share table as plain columns.
//!
//! - [`cell`]: one value of a table.
//! - [`render`]: the table as text for a terminal.
//! - [`mod@column`]: the column types of a table.
//! - [`keys`]: which sums each series of the table adds.
//! - [`share`]: the share per window, its bounds and its change.
//! - [`span`]: the longest axis of time.
//! - [`legacy`]: the output of the original job.
//! - [`view`]: a part of a table for readers.

pub mod cell;
pub mod column;
pub mod keys;
pub mod legacy;
pub mod legacy_labels;
#[cfg(feature = "cli")]
pub mod render;
pub mod share;
pub mod span;
pub mod view;

pub use cell::Cell;
pub use column::{Column, ColumnData, Table};
pub use view::{Only, View};

use crate::scan::totals::check_required;
use crate::{Error, Job, Result, Semantics, grid::Partial};

/// Computes the share table of a partial aggregate, ordered by country (code
/// points) and time.
///
/// # Errors
/// `TooLarge` when a sum or the table exceeds its limit, `Data` for a row that counts and has no time, for total rows
/// that are required and missing, and when the original job would have failed on the dates (legacy semantics).
pub fn finish(job: &Job, partial: &Partial) -> Result<Table> {
    let job = job.clone().validated()?;
    check_required(&job, partial)?;
    let partial = partial.chosen();
    if let Some(report) = &partial.failed {
        return Err(Error::Data(report.clone()));
    }
    match job.semantics {
        Semantics::Iso => share::iso(&job, partial),
        Semantics::Legacy => legacy::legacy(&job, partial),
    }
}
