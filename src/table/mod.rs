//! The share table as plain columns.
//!
//! - [`cell`]: one value of a table.
//! - [`render`]: the table as text for a terminal.
//! - [`mod@column`]: the column types of a table.
//! - [`keys`]: which sums each series of the table adds.
//! - [`share`]: the share per window, its bounds and its change.
//! - [`legacy`]: the output of the original job.

pub mod cell;
pub mod column;
pub mod keys;
pub mod legacy;
pub mod legacy_labels;
#[cfg(feature = "cli")]
pub mod render;
pub mod share;

pub use cell::Cell;
pub use column::{Column, ColumnData, Table};

use crate::grid::Partial;
use crate::profile::TotalRows;
use crate::profile::question::{Totals, other_totals};
use crate::{Error, Job, Result, Semantics};

/// Fails where a dimension has no total rows although the profile requires them.
///
/// # Errors
/// `Data` for the first such dimension.
pub fn check_required(job: &Job, partial: &Partial) -> Result<()> {
    let number = partial.chosen_number();
    let lacks = |at: usize| number.is_some_and(|number| !Totals::of_number(number).has(at));
    for (at, (name, dimension)) in other_totals(job).enumerate() {
        if dimension.total_rows == TotalRows::Required && lacks(at) {
            return Err(Error::data(format!("no row is a total row of {name}"))
                .expected(format!("rows with the member '{}'", dimension.total_name()))
                .advice(format!(
                    "Correct the export, or set total_rows = \"auto\" (--total-rows {name}=auto)"
                ))
                .in_column(dimension.column_of(name)));
        }
    }
    Ok(())
}

/// Computes the share table of a partial aggregate, ordered by country (code
/// points) and time.
///
/// # Errors
/// `TooLarge` when a sum or the table exceeds its limit, `Data` when the original
/// job would have failed on the dates (legacy semantics).
pub fn finish(job: &Job, partial: &Partial) -> Result<Table> {
    let job = job.clone().validated()?;
    check_required(&job, partial)?;
    let partial = partial.chosen();
    match job.semantics {
        Semantics::Iso => share::iso(&job, partial),
        Semantics::Legacy => legacy::legacy(&job, partial),
    }
}
