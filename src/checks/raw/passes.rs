//! Progress of the passes over the rows, and cancellation.

use std::sync::atomic::{AtomicU64, Ordering};

use super::RowRange;
use crate::dataset::{OpenFile, Role};
use crate::progress::{Phase, Progress};
use crate::{Error, Result};

/// The passes of one run of the checks.
pub struct Passes<'p> {
    progress: &'p dyn Progress,
    /// Bytes that were announced and not yet reported as done.
    left: AtomicU64,
}

impl<'p> Passes<'p> {
    /// Announces passes over `files`, each with the columns that it reads.
    pub fn begin(progress: &'p dyn Progress, files: &[OpenFile<'_>], passes: &[&[Role]]) -> Self {
        let of_pass = |roles: &[Role]| -> u64 {
            let groups =
                files.iter().flat_map(|file| (0..file.footer.row_groups.len()).map(move |at| (file, at)));
            groups.map(|(file, row_group)| bytes(file, row_group, roles)).fold(0, u64::saturating_add)
        };
        let all = passes.iter().map(|roles| of_pass(roles)).fold(0, u64::saturating_add);
        progress.begin(Phase::Check, all);
        Passes { progress, left: AtomicU64::new(all) }
    }

    /// The callback of the caller.
    pub fn progress(&self) -> &'p dyn Progress {
        self.progress
    }

    /// Checks for cancellation; called every few milliseconds of work.
    ///
    /// # Errors
    /// `Interrupted` where the caller requests cancellation.
    pub fn check_interrupted(&self) -> Result<()> {
        if self.progress.interrupted() { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// Reports that a pass has finished a row range. Bytes that are read again, after a fast path has declined, are not
    /// reported.
    pub fn done(&self, file: &OpenFile<'_>, row_range: &RowRange, roles: &[Role]) {
        let rows = file.footer.row_groups.rows_of(row_range.row_group).max(1);
        let part = u128::from(bytes(file, row_range.row_group, roles))
            * u128::from(row_range.rows.end - row_range.rows.start)
            / u128::from(rows);
        self.advance(u64::try_from(part).unwrap_or(u64::MAX));
    }

    /// Reports that all passes have finished, including the bytes that they skipped.
    pub fn finish(&self) {
        self.advance(u64::MAX);
    }

    fn advance(&self, most: u64) {
        let take = |left: u64| Some(left.saturating_sub(most));
        if let Ok(left) = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            self.progress.advance(left.min(most));
        }
    }
}

/// Stored bytes of some columns of a row group.
fn bytes(file: &OpenFile<'_>, row_group: usize, roles: &[Role]) -> u64 {
    let Some(meta) = file.footer.row_groups.get(row_group) else { return 0 };
    let stored = |role: &Role| file.chunk_in(*role, &meta).map(|chunk| chunk.compressed_len);
    roles.iter().filter_map(stored).fold(0, u64::saturating_add)
}
