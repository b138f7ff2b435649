//! Many files: small ones are read, opened and summed at once.
//!
//! Daily exports are some kilobytes each. Mapping such a file, and keeping its footer until all others are read, costs
//! more than its rows do. So a thread reads it into a buffer that it reuses, sums it, and drops it. Remote files and
//! files that are not small are opened first and scanned afterwards, in row ranges. A small file that the checks have
//! opened is summed from there.

use std::sync::Mutex;
use std::time::Instant;

use rayon::prelude::*;

use super::columns;
use super::executor::{Scan, file_order, lock, row_groups};
use super::task::Worker;
use super::{Options, Phase, Progress, ScanFile, ScanStats, open};
use crate::Result;
use crate::dataset::{Dataset, OpenFile, TypeAgreement, TypedFile};
use crate::grid::Partial;
use crate::profile::Question;
use crate::storage::{BorrowedObject, Input, Object};

/// Largest size of a small file: a thread's buffer, and how long other threads may wait for one file at the end.
const SMALL_BYTES: u64 = 256 * 1024;

/// A file that was summed, for the account and the stats.
pub(super) struct SummedFile<'d> {
    /// Its index among all files.
    pub(super) at: usize,
    /// Its rows, and the type of its values.
    pub(super) typed: TypedFile<'d>,
    /// Its length.
    pub(super) bytes: u64,
    /// The length of its footer.
    pub(super) footer_bytes: u64,
}

impl<'d> SummedFile<'d> {
    pub(super) fn of(at: usize, file: &OpenFile<'d>) -> Self {
        let (bytes, footer_bytes) = (file.input.object.stored_len(), file.footer.footer_bytes);
        SummedFile { at, typed: TypedFile::of(file), bytes, footer_bytes }
    }
}

/// Whether to read all of the file. Of a remote one only the needed bytes are fetched. Text is not converted to find out.
fn is_small(object: &dyn Object) -> bool {
    object.stored_len() <= SMALL_BYTES && !object.is_remote()
}

/// Scans any number of files.
pub(super) fn scan_many(
    question: &Question,
    dataset: &Dataset<'_>,
    options: &Options,
    progress: &dyn Progress,
    start: Instant,
    spare: &Mutex<Vec<Worker>>,
    parallel: bool,
) -> Result<(Partial, ScanStats)> {
    let inputs = dataset.inputs();
    let (small, large): (Vec<usize>, Vec<usize>) = (0..inputs.len())
        .partition(|at| inputs.get(*at).is_some_and(|input| is_small(input.object.as_ref())));
    let open = |at: &usize| open(question, dataset, *at);
    let opened: Vec<Result<ScanFile<'_>>> = if !parallel {
        large.iter().map(open).collect()
    } else if inputs.iter().any(|input| input.object.is_remote()) {
        // In order, as the prefetched footers arrive.
        let opened = large.iter().enumerate().par_bridge().map(|(order, at)| (order, open(at)));
        let mut opened: Vec<_> = opened.collect();
        opened.sort_by_key(|(order, _)| *order);
        opened.into_iter().map(|(_, file)| file).collect()
    } else {
        large.par_iter().map(open).collect()
    };
    let mut files = Vec::with_capacity(opened.len());
    let mut failed = None;
    for (at, file) in large.iter().zip(opened) {
        match file {
            Ok(file) => files.push(file),
            Err(error) if failed.is_none() => failed = Some((*at, error)),
            Err(_) => {}
        }
    }
    let lengths = small.iter().filter_map(|at| inputs.get(*at)).map(|input| input.object.len());
    let bytes =
        files.iter().map(|file| columns::file_bytes(question, file)).sum::<u64>() + lengths.sum::<u64>();
    progress.begin(Phase::Sum, bytes);
    let mut scan = Scan::new(question, &files, options, progress, start, spare);
    scan.indices = &large;
    // Where a larger file cannot be opened, only a small file before it can have the first error.
    if let Some((at, error)) = failed {
        scan.fail_at(file_order(at), 0, error);
    }
    let one = |buffer: &mut Vec<u8>, at: &usize| match (dataset.files().get(*at), inputs.get(*at)) {
        (Some(file), _) => scan.small_file(*at, |scan| scan.sum_opened(*at, file)),
        (None, Some(input)) => scan.small_file(*at, |scan| scan.sum_small(*at, input, buffer)),
        (None, None) => {}
    };
    if parallel {
        small.par_iter().for_each_init(Vec::new, one);
    } else {
        let mut buffer = Vec::new();
        small.iter().for_each(|at| one(&mut buffer, at));
    }
    scan.check_types()?;
    scan.finish(parallel)
}

impl<'s> Scan<'s> {
    /// Sums a small file, unless a file before it has failed.
    fn small_file(&self, at: usize, sum: impl FnOnce(&Self) -> Result<()>) {
        let order = file_order(at);
        if self.is_after_failure(order) {
            return;
        }
        if let Err(error) = sum(self) {
            self.fail_at(order, 0, error);
        }
    }

    /// Reads, opens and sums a small file.
    fn sum_small(&self, at: usize, input: &'s Input, buffer: &mut Vec<u8>) -> Result<()> {
        input.object.read_whole(buffer)?;
        let object = BorrowedObject::new(input.object.name(), buffer);
        let file = columns::open_in(self.question, input, &object)?;
        self.sum_row_groups(at, &file);
        let name = input.object.name();
        let typed = TypedFile { name, value_type: Some(file.value_type), rows: file.footer.rows };
        let (bytes, footer_bytes) = (input.object.stored_len(), file.footer.footer_bytes);
        lock(&self.small).push(SummedFile { at, typed, bytes, footer_bytes });
        Ok(())
    }

    /// Sums a small file that is open.
    fn sum_opened(&self, at: usize, file: &OpenFile<'s>) -> Result<()> {
        file.check_question(self.question)?;
        self.sum_row_groups(at, file);
        lock(&self.small).push(SummedFile::of(at, file));
        Ok(())
    }

    fn sum_row_groups(&self, at: usize, file: &OpenFile<'_>) {
        for part in row_groups(at, file) {
            // Nothing is evicted: a buffer or the pages of a small file are not worth it.
            self.scan_row_group(part, false);
        }
        let rest = file.input.object.len().saturating_sub(columns::file_bytes(self.question, file));
        self.progress.advance(rest);
    }

    /// Compares the value types of all files up to the first failure, which takes precedence.
    fn check_types(&self) -> Result<()> {
        let mut typed: Vec<(usize, TypedFile<'_>)> =
            self.indexed_files().map(|(at, file)| (at, TypedFile::of(file))).collect();
        typed.extend(lock(&self.small).iter().map(|file| (file.at, file.typed)));
        typed.sort_by_key(|(at, _)| *at);
        let before = typed.iter().take_while(|(at, _)| !self.is_after_failure(file_order(*at)));
        TypeAgreement::check(before.map(|(_, typed)| *typed))
    }
}
