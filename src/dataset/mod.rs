//! The inputs of a run, opened: footers, the locations of columns, row ranges, prefetching.
//!
//! A run opens its inputs once. The checks and the scan share the opened files, so that every footer is read and
//! parsed once. A scan without checks opens each file itself and drops it as soon as it is summed.
//!
//! - [`role`]: what a column is to the job.
//! - [`column`]: the location of a column in a file: a leaf column or a hive partition.
//! - [`mod@file`]: a file's footer, the locations of its columns and their types.
//! - [`types`]: agreement of value types between files.
//! - [`ranges`]: a row group, cut into ranges of rows.
//! - [`prefetch`]: prefetch hints, and what stays in memory between passes.

pub mod column;
pub mod file;
pub mod prefetch;
pub mod ranges;
pub mod role;
pub mod types;

use rayon::prelude::*;

pub use column::ColumnLocation;
pub use file::OpenFile;
pub use ranges::row_ranges;
pub use role::Role;
pub use types::{TypeAgreement, TypedFile};

use crate::storage::Input;
use crate::{Job, Result};

/// The inputs of a run, and their opened files where several passes read them.
pub struct Dataset<'a> {
    inputs: &'a [Input],
    files: Vec<OpenFile<'a>>,
}

impl<'a> Dataset<'a> {
    /// Inputs that their only reader opens.
    pub fn unopened(inputs: &'a [Input]) -> Self {
        Dataset { inputs, files: Vec::new() }
    }

    /// Opens all inputs and locates the columns of all roles, on the current thread pool.
    ///
    /// # Errors
    /// As of [`OpenFile::open_all`], for the first file that fails. A missing column is no error here.
    pub fn open(job: &Job, inputs: &'a [Input]) -> Result<Self> {
        prefetch::footers(inputs);
        let files: Vec<Result<OpenFile<'_>>> =
            inputs.par_iter().map(|input| OpenFile::open_all(job, input)).collect();
        Ok(Dataset { inputs, files: files.into_iter().collect::<Result<_>>()? })
    }

    /// All inputs, in order.
    pub fn inputs(&self) -> &'a [Input] {
        self.inputs
    }

    /// The opened files, in the order of the inputs; empty where they are not opened.
    pub fn files(&self) -> &[OpenFile<'a>] {
        &self.files
    }

    /// Whether the files are opened.
    pub fn is_open(&self) -> bool {
        self.files.len() == self.inputs.len()
    }
}
