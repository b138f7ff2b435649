//! Options of a scan, and what it cost.

use std::sync::Arc;
use std::time::Duration;

use super::task::RowsByPath;
use crate::kernel::ScanPath;
use crate::storage::Traffic;

/// How to scan; the result does not depend on any of it.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Threads; `None` for one a core.
    pub threads: Option<usize>,
    /// Kernel path; `None` to choose by the pages.
    pub path: Option<ScanPath>,
}

/// The cost of a scan, for `--explain`.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct ScanStats {
    /// Files scanned.
    pub files: usize,
    /// Bytes of all files.
    pub file_bytes: u64,
    /// Requests to remote stores; `None` where all files are local.
    pub traffic: Option<Traffic>,
    /// Bytes read: footers, page headers and the pages that were needed.
    pub bytes_read: u64,
    /// Decompressed bytes.
    pub bytes_decompressed: u64,
    /// Data and dictionary pages opened.
    pub pages_read: u64,
    /// Pages of needed columns that were not opened, without those of row groups that were ruled out as a whole.
    pub pages_skipped: u64,
    /// Row groups, with the kernel path taken.
    pub row_groups: Vec<RowGroupStats>,
    /// Wall time by phase, in order.
    pub phases: Vec<(&'static str, Duration)>,
    /// The cost of each task, in no order; predicts the time on more threads.
    #[serde(skip)]
    pub tasks: Vec<TaskCost>,
}

/// A range of rows that one thread has summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskCost {
    /// Its rows.
    pub rows: u64,
    /// Wall time of its thread.
    pub time: Duration,
}

/// The kernel path of a row group. There is one of each row group of many files.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(into = "NamedPath")]
pub struct RowGroupStats {
    /// File.
    pub file: Arc<str>,
    /// Row group, from 0.
    pub row_group: usize,
    /// Its rows.
    pub rows: u64,
    /// Rows by path: runs, bitmap, scalar.
    pub rows_by_path: RowsByPath,
}

/// As [`RowGroupStats`], with the paths in words.
#[derive(serde::Serialize)]
struct NamedPath {
    file: Arc<str>,
    row_group: usize,
    rows: u64,
    path: String,
    rows_by_path: RowsByPath,
}

impl From<RowGroupStats> for NamedPath {
    fn from(stats: RowGroupStats) -> Self {
        let path = stats.path();
        let RowGroupStats { file, row_group, rows, rows_by_path } = stats;
        NamedPath { file, row_group, rows, path, rows_by_path }
    }
}

impl RowGroupStats {
    /// The paths taken, the one with most rows first; `skipped` where all rows were ruled out.
    pub fn path(&self) -> String {
        path_names(self.rows_by_path)
    }
}

impl ScanStats {
    /// Adds the cost of another scan, without its phases.
    pub(super) fn merge(&mut self, mut other: ScanStats) {
        self.files += other.files;
        self.file_bytes += other.file_bytes;
        self.bytes_read += other.bytes_read;
        self.bytes_decompressed += other.bytes_decompressed;
        self.pages_read += other.pages_read;
        self.pages_skipped += other.pages_skipped;
        self.row_groups.append(&mut other.row_groups);
        self.tasks.append(&mut other.tasks);
        if let Some(traffic) = other.traffic {
            self.traffic.get_or_insert_default().merge(traffic);
        }
    }
}

/// The names of the paths taken, the one with most rows first.
fn path_names(rows_by_path: RowsByPath) -> String {
    let mut paths: Vec<(u64, &str)> =
        rows_by_path.into_iter().zip(["runs", "bitmap", "scalar"]).filter(|(rows, _)| *rows > 0).collect();
    paths.sort_by_key(|(rows, _)| std::cmp::Reverse(*rows));
    if paths.is_empty() {
        return "skipped".into();
    }
    paths.into_iter().map(|(_, name)| name).collect::<Vec<_>>().join(" + ")
}
