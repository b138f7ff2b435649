//! One pass over the inputs: from bytes to a partial aggregate.

use std::time::Duration;

use crate::grid::Partial;
use crate::storage::Input;
use crate::{Job, Result};

/// Told how far the scan has come; asked whether to go on.
pub trait Progress: Sync {
    /// The whole of the work, in compressed bytes; called once, before any work.
    fn total(&self, bytes: u64) {
        let _ = bytes;
    }
    /// So many more compressed bytes are done.
    fn advance(&self, bytes: u64) {
        let _ = bytes;
    }
    /// Whether the caller wants the work to stop.
    fn interrupted(&self) -> bool {
        false
    }
}

/// Nobody is told.
pub struct Silent;

impl Progress for Silent {}

/// How to do it; the answer does not depend on any of this.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Threads; `None` for one a core.
    pub threads: Option<usize>,
    /// Kernel path; `None` to let the pages decide.
    pub path: Option<crate::kernel::Path>,
}

/// What the scan cost, for `--explain`.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Profile {
    /// Files scanned.
    pub files: usize,
    /// Bytes of all files.
    pub file_bytes: u64,
    /// Bytes read: footers, page headers and the pages that were needed.
    pub bytes_read: u64,
    /// Bytes that came out of the codecs.
    pub bytes_decompressed: u64,
    /// Data and dictionary pages opened.
    pub pages_read: u64,
    /// Data pages of needed columns that were passed over.
    pub pages_skipped: u64,
    /// Row groups by the kernel path taken.
    pub row_groups: Vec<RowGroupProfile>,
    /// Wall time by phase, in order.
    pub phases: Vec<(&'static str, Duration)>,
}

/// The path that a row group took.
#[derive(Debug, Clone, serde::Serialize)]
pub struct RowGroupProfile {
    /// File.
    pub file: std::sync::Arc<str>,
    /// Row group, from 0.
    pub row_group: usize,
    /// Its rows.
    pub rows: u64,
    /// What did the work.
    pub path: String,
}

/// Reads `inputs` once and sums what the job asks for.
///
/// # Errors
/// The first error in order of file, row group and row, whatever the thread
/// that met it. Nothing is returned unless every row is accounted for.
pub fn scan(
    job: &Job,
    inputs: &[Input],
    options: &Options,
    progress: &dyn Progress,
) -> Result<(Partial, Profile)> {
    let _ = (job, inputs, options, progress);
    todo!()
}
