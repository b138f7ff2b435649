//! Row groups on threads: which thread scans what, the first error, the merge.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rayon::prelude::*;

use super::columns::{self, Columns};
use super::skip::{self, Outlook};
use super::small::SummedFile;
use super::stats::{Options, RowGroupStats, ScanStats, TaskCost};
use super::task::{self, RowsByPath, TaskRows, Worker};
use super::{ScanFile, TASK_ROWS};
use crate::dataset::{OpenFile, row_ranges};
use crate::grid::Partial;
use crate::ids::column::Cost;
use crate::kernel::ScanPath;
use crate::parquet::RowGroupMeta;
use crate::profile::Question;
use crate::progress::Progress;
use crate::storage::Traffic;
use crate::{Error, Result};

/// The row groups of the file with index `at`.
pub(super) fn row_groups<'p>(at: usize, file: &'p OpenFile<'p>) -> impl Iterator<Item = RowGroupPart<'p>> {
    let groups = file.footer.row_groups.rows().enumerate();
    groups
        // Some writers give a row group without rows empty column chunks.
        .filter(|(_, rows)| *rows > 0)
        .map(move |(row_group, rows)| RowGroupPart {
            order: file_order(at) | row_group as u64,
            file,
            row_group,
            rows,
            from: 0,
            to: rows,
        })
}

/// The order of the file with index `at`; its row groups are counted in the lower half.
pub(super) fn file_order(at: usize) -> u64 {
    (at as u64) << 32
}

/// A row group to scan, or a part of one.
#[derive(Clone, Copy)]
pub(super) struct RowGroupPart<'s> {
    /// Its position in the order of files and row groups.
    pub(super) order: u64,
    pub(super) file: &'s OpenFile<'s>,
    pub(super) row_group: usize,
    /// Rows of the row group.
    pub(super) rows: u64,
    /// The rows to scan: a task belongs to the part in which it begins. All rows, except in a split.
    pub(super) from: u64,
    pub(super) to: u64,
}

/// A scan that is running.
pub(super) struct Scan<'s> {
    pub(super) question: &'s Question,
    /// The files, without those that [`super::small`] sums.
    pub(super) files: &'s [ScanFile<'s>],
    /// Their indices among all files; empty where these are all files.
    pub(super) indices: &'s [usize],
    /// Small files that are summed.
    pub(super) small: Mutex<Vec<SummedFile<'s>>>,
    path: Option<ScanPath>,
    pub(super) progress: &'s dyn Progress,
    workers: Mutex<Vec<Worker>>,
    /// Workers of scans that have ended; their memory is used again.
    spare: &'s Mutex<Vec<Worker>>,
    /// The first failure so far, by order and row.
    failed: Mutex<Option<(u64, u64, Error)>>,
    /// The order of that failure; later row groups are not scanned.
    failed_at: AtomicU64,
    row_groups: Mutex<Vec<(u64, RowGroupStats)>>,
    tasks: Mutex<Vec<TaskCost>>,
    /// Pages of the needed columns.
    pages: AtomicU64,
    start: Instant,
    opened: Instant,
}

impl<'s> Scan<'s> {
    pub(super) fn new(
        question: &'s Question,
        files: &'s [ScanFile<'s>],
        options: &Options,
        progress: &'s dyn Progress,
        start: Instant,
        spare: &'s Mutex<Vec<Worker>>,
    ) -> Self {
        Scan {
            question,
            files,
            indices: &[],
            small: Mutex::default(),
            path: options.path,
            progress,
            workers: Mutex::default(),
            spare,
            failed: Mutex::default(),
            failed_at: AtomicU64::new(u64::MAX),
            row_groups: Mutex::default(),
            tasks: Mutex::default(),
            pages: AtomicU64::new(0),
            start,
            opened: Instant::now(),
        }
    }

    /// Scans all row groups and merges their sums.
    pub(super) fn finish(self, parallel: bool) -> Result<(Partial, ScanStats)> {
        let mut parts: Vec<RowGroupPart<'_>> =
            self.indexed_files().flat_map(|(at, file)| row_groups(at, file)).collect();
        if parallel && self.files.iter().any(|file| file.object.is_remote()) {
            // In order, as the prefetched ranges arrive.
            parts.into_iter().par_bridge().for_each(|part| self.scan_and_evict(part, true));
        } else if parallel {
            // Largest first, so that no thread starts a long row group at the end.
            parts.sort_by_key(|part| (std::cmp::Reverse(part.rows), part.order));
            parts.into_par_iter().with_max_len(1).for_each(|part| self.scan_and_evict(part, true));
        } else {
            for part in parts {
                self.scan_and_evict(part, false);
            }
        }
        let large: u64 = self.files.iter().map(|file| file.footer.rows).sum();
        let small: u64 = lock(&self.small).iter().map(|file| file.typed.rows).sum();
        self.collect(Some(large + small))
    }

    /// The files with their indices among all files.
    pub(super) fn indexed_files(&self) -> impl Iterator<Item = (usize, &'s OpenFile<'s>)> {
        let (indices, files) = (self.indices, self.files);
        files.iter().enumerate().map(|(at, file)| (indices.get(at).copied().unwrap_or(at), &**file))
    }

    /// Scans a row group, in parallel ranges where it is large, and evicts its bytes.
    pub(super) fn scan_and_evict(&self, part: RowGroupPart<'_>, parallel: bool) {
        self.scan_row_group(part, parallel);
        part.file.object.evict(&skip::likely_ranges(self.question, part.file, part.row_group));
    }

    /// Scans a row group, in parallel ranges where it is large.
    pub(super) fn scan_row_group(&self, part: RowGroupPart<'_>, parallel: bool) {
        if self.is_after_failure(part.order) {
            return;
        }
        let Some(meta) = part.file.footer.row_groups.get(part.row_group) else { return };
        let meta = &meta;
        // The columns are opened more than once.
        let _pinned = match part.file.object.pin() {
            Ok(pinned) => pinned,
            Err(error) => return self.fail(part, 0, error),
        };
        let bytes = columns::row_group_bytes(self.question, part.file, meta);
        let mut cost = Cost::default();
        if let Err(error) = part.file.check_magic() {
            return self.fail(part, 0, error);
        }
        let zone = self.question.zone.as_ref();
        if let Err(error) = part.file.check_shadowed(part.row_group, part.from..part.to, zone, &mut cost) {
            return self.fail(part, 0, error);
        }
        if skip::row_group(self.question, part.file, meta, &mut cost) {
            self.drop_rows(part.to - part.from, cost);
            self.progress.advance(bytes);
            return self.record_path(part, RowsByPath::default());
        }
        if skip::outlook(self.question, part.file, meta) != Outlook::Unlikely {
            return self.scan_rows(part, meta, bytes, cost, parallel);
        }
        let rest = skip::other_ranges(self.question, part.file, part.row_group);
        if part.file.object.is_remote() {
            part.file.object.prefetch(&rest);
        }
        self.scan_rows(part, meta, bytes, cost, parallel);
        part.file.object.evict(&rest);
    }

    /// Scans the rows of a row group that is not ruled out.
    fn scan_rows(
        &self,
        part: RowGroupPart<'_>,
        meta: &RowGroupMeta,
        bytes: u64,
        mut cost: Cost,
        parallel: bool,
    ) {
        let columns = match Columns::open(self.question, part.file, meta) {
            Ok(columns) => columns,
            Err(error) => return self.fail(part, 0, error),
        };
        self.pages.fetch_add(columns.pages(), Ordering::Relaxed);
        let ruled_out = skip::runs(self.question, part.file, &columns, part.rows, &mut cost);
        // Measures are most of the work: ranges begin where their pages begin.
        let mut ranges = row_ranges(columns.to_cut(), part.rows, &ruled_out, TASK_ROWS);
        let is_in_part = |range: &Range<u64>| (part.from..part.to).contains(&range.start);
        ranges.retain(is_in_part);
        let dropped = ruled_out.iter().filter(|range| is_in_part(range));
        self.drop_rows(dropped.map(|range| range.end - range.start).sum(), cost);
        let share = bytes / (ranges.len() as u64).max(1);
        let scan_range = |range: &Range<u64>| -> RowsByPath {
            if self.is_after_failure(part.order) {
                return RowsByPath::default();
            }
            let begun = Instant::now();
            let mut worker = self.take_worker();
            let outcome = task::run(
                &TaskRows {
                    question: self.question,
                    file: part.file,
                    columns: &columns,
                    row_group_id: part.order,
                    row_group: part.row_group,
                    rows: range.clone(),
                    path: self.path,
                },
                &mut worker,
                self.progress,
            );
            lock(&self.workers).push(worker);
            lock(&self.tasks).push(TaskCost { rows: range.end - range.start, time: begun.elapsed() });
            self.progress.advance(share);
            outcome.unwrap_or_else(|error| {
                self.fail(part, range.start, error);
                RowsByPath::default()
            })
        };
        let add = |a: RowsByPath, b: RowsByPath| [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
        let rows_by_path = if parallel && ranges.len() > 1 {
            ranges.par_iter().with_max_len(1).map(scan_range).reduce(RowsByPath::default, add)
        } else {
            ranges.iter().map(scan_range).fold(RowsByPath::default(), add)
        };
        self.record_path(part, rows_by_path);
    }

    /// Takes a free worker, or makes one.
    fn take_worker(&self) -> Worker {
        let own = lock(&self.workers).pop();
        own.or_else(|| lock(self.spare).pop()).unwrap_or_default()
    }

    /// Counts rows that were ruled out, and the cost of ruling them out.
    fn drop_rows(&self, rows: u64, cost: Cost) {
        if rows > 0 || cost != Cost::default() {
            let mut worker = self.take_worker();
            *task::dropped_by(&mut worker.dense.account, self.question, 0) += rows;
            worker.cost.merge(cost);
            lock(&self.workers).push(worker);
        }
    }

    /// Records the kernel paths of a row group.
    fn record_path(&self, part: RowGroupPart<'_>, rows_by_path: RowsByPath) {
        let stats = RowGroupStats {
            file: part.file.input.object.name().clone(),
            row_group: part.row_group,
            rows: part.rows,
            rows_by_path,
        };
        lock(&self.row_groups).push((part.order, stats));
    }

    /// Records the error if it is the first by order.
    #[cold]
    fn fail(&self, part: RowGroupPart<'_>, row: u64, error: Error) {
        // Errors of decoding count rows in the row group; users count them in the file.
        let before: u64 = part.file.footer.row_groups.rows().take(part.row_group).sum();
        let error = error.in_row_group(part.row_group).offset_row(before);
        self.fail_at(part.order, row, error.in_file(part.file.input.object.name()));
    }

    /// Whether something before `order` has failed.
    pub(super) fn is_after_failure(&self, order: u64) -> bool {
        order > self.failed_at.load(Ordering::Relaxed)
    }

    /// Records the error if it is the first by order and row.
    pub(super) fn fail_at(&self, order: u64, row: u64, error: Error) {
        let mut failed = lock(&self.failed);
        if failed.as_ref().is_none_or(|(first, at, _)| (order, row) < (*first, *at)) {
            *failed = Some((order, row, error));
            self.failed_at.fetch_min(order, Ordering::Relaxed);
        }
    }

    /// Merges the workers. The account must add up to `rows`; `None` for a split, whose rows are known only once
    /// all splits are merged.
    pub(super) fn collect(self, rows: Option<u64>) -> Result<(Partial, ScanStats)> {
        let lost = || Error::internal("a worker has failed");
        if let Some((_, _, error)) = self.failed.into_inner().map_err(|_| lost())? {
            return Err(error);
        }
        let scanned = Instant::now();
        let mut row_groups = self.row_groups.into_inner().map_err(|_| lost())?;
        row_groups.sort_by_key(|(order, _)| *order);
        let mut files = self.small.into_inner().map_err(|_| lost())?;
        let (indices, large) = (self.indices, self.files);
        let indexed =
            large.iter().enumerate().map(|(at, file)| (indices.get(at).copied().unwrap_or(at), file));
        files.extend(indexed.map(|(at, file)| SummedFile::of(at, file)));
        let mut stats = ScanStats {
            files: files.len(),
            traffic: traffic(self.files),
            file_bytes: files.iter().map(|file| file.bytes).sum(),
            bytes_read: files.iter().map(|file| file.footer_bytes).sum(),
            row_groups: row_groups.into_iter().map(|(_, stats)| stats).collect(),
            tasks: self.tasks.into_inner().map_err(|_| lost())?,
            ..ScanStats::default()
        };
        let with_rows = files.iter().filter(|file| file.typed.rows > 0);
        let value_type = with_rows.min_by_key(|file| file.at).and_then(|file| file.typed.value_type);
        let mut parts = vec![Partial { value_type, ..Partial::default() }];
        let mut workers = self.workers.into_inner().map_err(|_| lost())?;
        merge_workers(&mut workers)?;
        for mut worker in workers {
            stats.bytes_read += worker.cost.bytes_read;
            stats.bytes_decompressed += worker.cost.bytes_decompressed;
            stats.pages_read += worker.cost.pages_read;
            if !worker.dense.is_empty() {
                parts.push(worker.dense.take_partial()?);
            }
            worker.reset();
            lock(self.spare).push(worker);
        }
        let mut partial = Partial::merge_all(parts)?;
        // A page across the border of two tasks is opened by both.
        stats.pages_skipped = self.pages.into_inner().saturating_sub(stats.pages_read);
        // The account is compared with the footers, not with the rows that tasks have read.
        partial.account.rows = rows.unwrap_or(partial.account.kept() + partial.account.dropped());
        partial.account.check()?;
        stats.phases = vec![
            ("open", self.opened - self.start),
            ("scan", scanned - self.opened),
            ("merge", scanned.elapsed()),
        ];
        Ok((partial, stats))
    }
}

/// Merges the sums of all workers that are plain cells into the first one: in parallel and pairwise, so that the time
/// grows with the logarithm of the number of workers.
fn merge_workers(workers: &mut [Worker]) -> Result<()> {
    if workers.len() < 2 {
        return Ok(());
    }
    let (one, other) = workers.split_at_mut(workers.len() / 2);
    if one.len() + other.len() > 2 {
        let (one, other) = rayon::join(|| merge_workers(one), || merge_workers(other));
        one.and(other)?;
    }
    match (one, other) {
        ([one, ..], [other, ..]) => one.dense.merge_from(&mut other.dense),
        _ => Ok(()),
    }
}

/// Requests to remote stores; `None` where all files are local.
fn traffic(files: &[ScanFile<'_>]) -> Option<Traffic> {
    let mut all: Option<Traffic> = None;
    for traffic in files.iter().filter_map(|file| file.object.traffic()) {
        all.get_or_insert_default().merge(traffic);
    }
    all
}

/// Locks a mutex. A thread that panics while it holds the lock leaves nothing half written.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
