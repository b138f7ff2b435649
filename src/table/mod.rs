//! The share table: plain columns, ready to be written.
//!
//! - [`column`]: the column types that a table is made of.

pub mod column;

pub use column::{Column, ColumnData, Table};

use crate::{Job, Result, grid::Partial};

/// Turns a partial aggregate into the share table.
pub fn finish(job: &Job, partial: &Partial) -> Result<Table> {
    let _ = (job, partial);
    todo!()
}
