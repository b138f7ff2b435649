//! The share table: plain columns, ready to be written.
//!
//! - [`cell`]: one value of a table.
//! - [`column`]: the column types that a table is made of.

pub mod cell;
pub mod column;

pub use cell::Cell;
pub use column::{Column, ColumnData, Table};

use crate::{Job, Result, grid::Partial};

/// Turns a partial aggregate into the share table.
pub fn finish(job: &Job, partial: &Partial) -> Result<Table> {
    let _ = (job, partial);
    todo!()
}
