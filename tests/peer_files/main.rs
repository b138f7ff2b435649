//! Parquet files of other projects: every flat column is read by this crate and by the column
//! reader of arrow-rs, and the values are compared row by row.
//!
//! A column is flat if it is in no list. Columns of optional groups are flat too: a row is null
//! if the column or one of its groups is null. Values are compared as PLAIN bytes.
//!
//! `expected.csv` lists every file and column that the two readers do not read alike, with a part
//! of the error message and the reason. A refusal that is not listed fails the test, and so does
//! a listed refusal that no longer happens. The outcomes are:
//!
//! - `refused`: this crate refuses the file or column, as it should.
//! - `known_gap`: this crate refuses it and should not.
//! - `arrow_fails`: this crate reads it, arrow-rs does not.
//! - `sound`: the name of the file says that it is bad, and this crate correctly reads all of it.
//!
//! The files are not part of the repository. They are the small files of the test suites of
//! apache/parquet-testing 1a2a75127be0, hyparam/hyparquet f6f674a7b721, dask/fastparquet
//! d17427b85555 and duckdb/duckdb 044a04a7cd39, in one folder per project; a file is named after its
//! path there, with `__` for `/`. The test has no harness (`Cargo.toml`): where the
//! files are missing it reports NOT RUN and does not count as passed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bytes::Bytes;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{AsBytes, DataType};
use parquet::file::reader::{FileReader, SerializedFileReader};
use rollshare::internals::ids::column::{Column, ColumnSource};
use rollshare::internals::ids::cursor::Cursor;
use rollshare::internals::ids::entries::ChunkDictionary;
use rollshare::internals::parquet::{FileMeta, footer};
use rollshare::internals::storage::MemoryObject;

const VARIABLE: &str = "ROLLSHARE_PEER_FILES";
/// The default folder, relative to the package.
const DEFAULT: &str = "../shared/peers";
/// Rows per read.
const BATCH: usize = 1000;

/// Names with one of these are expected to have a column that is refused.
const BAD_NAMES: [&str; 9] =
    ["bad_data", "broken", "corrupt", "malformed", "malicious", "invalid", "mismatch", "afl__", "crypt"];

/// Values of columns that arrow-rs cannot read, as pyarrow 26 and DuckDB 2 read them: file,
/// column, rows, and the values that these rows repeat in order.
const VALUES: [(&str, &str, usize, &[&[u8]]); 5] = [
    ("fastparquet/test-data__non-std-kvm.fp-0.8.2.parquet", "a", 1, &[&1i64.to_le_bytes()]),
    ("hyparquet/test__files__strings.parquet", "bytes", 4, STRINGS),
    ("hyparquet/test__files__strings.parquet", "c_utf8", 4, STRINGS),
    ("hyparquet/test__files__strings.parquet", "l_utf8", 4, STRINGS),
    ("parquet-testing/data__dict-page-offset-zero.parquet", "l_partkey", 39, &[&1552i32.to_le_bytes()]),
];
/// Columns that arrow-rs cannot read and that have the values of a column of another file.
const COPIES: [(Name, Name); 2] = [
    (("parquet-testing/data__nation.dict-malformed.parquet", "name"), (NATION, "n_name")),
    (("parquet-testing/data__nation.dict-malformed.parquet", "comment_col"), (NATION, "n_comment")),
];
const NATION: &str = "fastparquet/test-data__gzip-nation.impala.parquet";
const STRINGS: &[&[u8]] = &[b"alpha", b"bravo", b"charlie", b"delta"];

/// A file and its column.
type Name = (&'static str, &'static str);

/// The rows of a column, with values as PLAIN bytes.
type Rows = Vec<Option<Vec<u8>>>;

/// Reads the footer as the scan does.
fn read_footer(object: &MemoryObject) -> Result<FileMeta, String> {
    catch_panic(|| footer::read(object).map_err(|e| e.to_string()))
}

/// Reads a column of all row groups as the scan does: the cursor on a row group reuses the
/// entries of the previous one.
fn read_column(object: &MemoryObject, meta: &FileMeta, at: usize) -> Result<Rows, String> {
    let read = || {
        let (mut rows, mut entries, mut buffer) = (vec![], ChunkDictionary::new(), vec![]);
        for group in &meta.row_groups {
            let place = ColumnSource::Chunk(&meta.leaves[at], &group.chunks[at]);
            let columns = Column::open_all(object, &[place], group.rows)?;
            let (mut cursor, _) = Cursor::after(&columns[0], 0, false, buffer, entries)?;
            cursor.look_ahead(group.rows, vec![]);
            let mut left = group.rows;
            while left > 0 {
                let mut ids = [0; BATCH];
                let ids = &mut ids[..BATCH.min(usize::try_from(left).unwrap_or(BATCH))];
                cursor.read_ids32(ids)?;
                rows.extend(ids.iter().map(|id| cursor.entries.get(*id).map(<[u8]>::to_vec)));
                left -= ids.len() as u64;
            }
            (buffer, entries) = cursor.into_parts();
        }
        Ok(rows)
    };
    catch_panic(|| read().map_err(|e: rollshare::Error| e.to_string()))
}

/// Opens a file with arrow-rs.
fn open_arrow(bytes: &Bytes) -> Result<SerializedFileReader<Bytes>, String> {
    catch_panic(|| SerializedFileReader::new(bytes.clone()).map_err(|e| e.to_string()))
}

/// Reads a column of all row groups with arrow-rs.
fn read_arrow(file: &SerializedFileReader<Bytes>, at: usize) -> Result<Rows, String> {
    use ColumnReader as R;
    let present = file.metadata().file_metadata().schema_descr().column(at).max_def_level();
    let read = || {
        let mut rows = vec![];
        for group in 0..file.num_row_groups() {
            match file.get_row_group(group)?.get_column_reader(at)? {
                R::BoolColumnReader(r) => read_chunk(r, present, &mut rows)?,
                R::Int32ColumnReader(r) => read_chunk(r, present, &mut rows)?,
                R::Int64ColumnReader(r) => read_chunk(r, present, &mut rows)?,
                R::Int96ColumnReader(r) => read_chunk(r, present, &mut rows)?,
                R::FloatColumnReader(r) => read_chunk(r, present, &mut rows)?,
                R::DoubleColumnReader(r) => read_chunk(r, present, &mut rows)?,
                R::ByteArrayColumnReader(r) => read_chunk(r, present, &mut rows)?,
                R::FixedLenByteArrayColumnReader(r) => read_chunk(r, present, &mut rows)?,
            }
        }
        Ok(rows)
    };
    catch_panic(|| read().map_err(|e: parquet::errors::ParquetError| e.to_string()))
}

fn read_chunk<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    present: i16,
    rows: &mut Rows,
) -> parquet::errors::Result<()> {
    loop {
        let (mut levels, mut values) = (vec![], vec![]);
        let (records, ..) = reader.read_records(BATCH, Some(&mut levels), None, &mut values)?;
        if records == 0 {
            return Ok(());
        }
        let mut values = values.iter().map(|value: &T::T| value.as_bytes().to_vec());
        if present == 0 {
            rows.extend(values.map(Some));
        } else {
            rows.extend(levels.iter().map(|level| if *level == present { values.next() } else { None }));
        }
    }
}

/// Returns a panic as an error that begins with "panic".
fn catch_panic<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    panic::catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        Err(format!("panic: {}", text.or(payload.downcast_ref().copied()).unwrap_or("without a message")))
    })
}

/// A row of `expected.csv`. The column is empty for the footer, and `*` for the footer and every column.
#[derive(Debug, serde::Deserialize)]
struct Entry {
    outcome: String,
    file: String,
    column: String,
    error: String,
    #[allow(dead_code)] // for the reader of the table
    reason: String,
    #[serde(skip)]
    applied: bool,
}

struct Comparison {
    folder: PathBuf,
    expected: Vec<Entry>,
    counts: BTreeMap<&'static str, usize>,
    failures: Vec<String>,
    /// Files with a column or footer that this crate refuses.
    refused: BTreeSet<String>,
}

impl Comparison {
    fn new(folder: PathBuf) -> Self {
        let mut table = csv::Reader::from_reader(&include_bytes!("expected.csv")[..]);
        let expected = table.deserialize().map(|entry| entry.expect("expected.csv")).collect();
        Comparison { folder, expected, counts: BTreeMap::new(), failures: vec![], refused: BTreeSet::new() }
    }

    fn count(&mut self, what: &'static str, n: usize) {
        *self.counts.entry(what).or_default() += n;
    }

    fn fail(&mut self, file: &str, column: &str, what: &str) {
        self.failures.push(format!("{file}, column '{column}': {what}"));
    }

    /// Whether `error` is listed; marks the entry as applied.
    fn is_listed(&mut self, outcome: &str, file: &str, column: &str, error: &str) -> bool {
        let matches = |entry: &&mut Entry| {
            entry.outcome == outcome
                && entry.file == file
                && (entry.column == column || entry.column == "*")
                && error.contains(&entry.error)
        };
        self.expected.iter_mut().find(matches).map(|entry| entry.applied = true).is_some()
    }

    /// Counts a refusal of this crate that is listed; one that is not is a failure.
    fn check_refusal(&mut self, file: &str, column: &str, error: &str, arrow: &str) {
        self.refused.insert(file.to_owned());
        let what = match column {
            _ if error.starts_with("panic") => return self.fail(file, column, error),
            _ if self.is_listed("refused", file, column, error) => "refused as expected",
            _ if self.is_listed("known_gap", file, column, error) => "refused, a known gap",
            _ => return self.fail(file, column, &format!("refused: {error}\n    arrow-rs: {arrow}")),
        };
        if column.is_empty() {
            self.count("footers refused", 1);
        } else {
            self.count(what, 1);
        }
    }

    fn check_file(&mut self, file: &str, bytes: Vec<u8>) {
        let shared = Bytes::from(bytes.clone());
        let object = MemoryObject::new(file, bytes);
        let arrow = open_arrow(&shared);
        let arrow_error = arrow.as_ref().err().cloned();
        let meta = match read_footer(&object) {
            Ok(meta) => meta,
            Err(error) => {
                return self.check_refusal(file, "", &error, &arrow_error.unwrap_or("reads it".into()));
            }
        };
        if let Some(error) = arrow_error
            && !self.is_listed("arrow_fails", file, "", &error)
        {
            self.fail(file, "", &format!("read, which arrow-rs refuses: {error}"));
        }
        for (at, leaf) in meta.leaves.iter().enumerate() {
            let column = leaf.name();
            let ours = read_column(&object, &meta, at);
            if leaf.max_repetition > 0 {
                self.check_list(file, &column, &ours, meta.row_groups.is_empty());
                continue;
            }
            self.count("flat columns", 1);
            self.count("flat columns of groups", usize::from(leaf.path.len() > 1));
            let arrow = arrow.as_ref().map_err(String::clone).and_then(|arrow| read_arrow(arrow, at));
            let arrow = arrow.or_else(|error| known_rows(&self.folder, file, &column).ok_or(error));
            self.check_column(file, &column, &ours, &arrow);
        }
        if BAD_NAMES.iter().any(|bad| file.to_lowercase().contains(bad))
            && !self.refused.contains(file)
            && !self.is_listed("sound", file, "", "")
        {
            self.fail(file, "", "read, though its name says that it is bad");
        }
    }

    fn check_list(&mut self, file: &str, column: &str, ours: &Result<Rows, String>, is_empty: bool) {
        self.count("columns in lists", 1);
        match ours {
            Err(error) if error.contains("the column is a list") => _ = self.refused.insert(file.to_owned()),
            Ok(_) if is_empty => {}
            other => self.fail(file, column, &format!("a list; read as {other:?}")),
        }
    }

    fn check_column(
        &mut self,
        file: &str,
        column: &str,
        ours: &Result<Rows, String>,
        arrow: &Result<Rows, String>,
    ) {
        match (ours, arrow) {
            (Err(error), arrow) => {
                let arrow = arrow.as_ref().map_or_else(String::as_str, |_| "reads it");
                self.check_refusal(file, column, error, arrow);
            }
            (Ok(_), Err(error)) if self.is_listed("arrow_fails", file, column, error) => {
                self.count("read, arrow-rs fails", 1);
            }
            (Ok(_), Err(error)) => {
                self.fail(file, column, &format!("read, which arrow-rs refuses: {error}"));
            }
            (Ok(ours), Ok(arrow)) if ours == arrow => {
                self.count("columns equal", 1);
                self.count("rows equal", ours.len());
                self.count("rows equal, null", ours.iter().filter(|row| row.is_none()).count());
            }
            (Ok(ours), Ok(arrow)) => {
                let row = ours.iter().zip(arrow).position(|(ours, arrow)| ours != arrow);
                let values = row.map(|row| (&ours[row], &arrow[row]));
                let (ours, arrow) = (ours.len(), arrow.len());
                self.fail(file, column, &format!("{ours} and {arrow} rows, at {row:?} {values:?}"));
            }
        }
    }
}

/// The rows of a column by [`VALUES`] or [`COPIES`].
fn known_rows(folder: &Path, file: &str, column: &str) -> Option<Rows> {
    if let Some((_, (file, column))) = COPIES.iter().find(|(copy, _)| *copy == (file, column)) {
        let arrow = open_arrow(&std::fs::read(folder.join(file)).unwrap().into()).unwrap();
        let columns = arrow.metadata().file_metadata().schema_descr().columns();
        let at = columns.iter().position(|descr| descr.name() == *column);
        return read_arrow(&arrow, at.expect(column)).ok();
    }
    let (.., rows, values) = VALUES.iter().find(|(name, of, ..)| (*name, *of) == (file, column))?;
    Some(values.iter().cycle().take(*rows).map(|value| Some(value.to_vec())).collect())
}

/// The parquet files in `folder` and below, with their paths in it.
fn files(folder: &Path) -> Vec<(String, PathBuf)> {
    let (mut found, mut folders) = (vec![], vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for path in std::fs::read_dir(next).expect(VARIABLE).map(|entry| entry.unwrap().path()) {
            let extension = path.extension().map(|e| e.to_ascii_lowercase());
            if path.is_dir() {
                folders.push(path);
            } else if extension.is_some_and(|e| e == "parquet" || e == "parq") {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().replace('\\', "/");
                found.push((name, path));
            }
        }
    }
    found.sort();
    found
}

fn main() -> ExitCode {
    // Arguments are those of the usual harness: `cargo test NAME` runs what has NAME in its name.
    let is_selected = |arg: String| arg.starts_with('-') || "peer_files".contains(&arg);
    if std::env::args().any(|arg| arg == "--list") || !std::env::args().skip(1).all(is_selected) {
        return ExitCode::SUCCESS;
    }
    let named = std::env::var_os(VARIABLE).map(PathBuf::from);
    let folder = named.clone().unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(DEFAULT));
    if named.is_none() && !folder.is_dir() {
        println!("NOT RUN: peer_files: no folder {DEFAULT}; set {VARIABLE} to the folder with the files");
        return ExitCode::SUCCESS;
    }
    let files = files(&folder);
    let mut all = Comparison::new(folder);
    // Panics of the readers are reported as errors of their column.
    panic::set_hook(Box::new(|_| {}));
    for (name, path) in &files {
        all.check_file(name, std::fs::read(path).unwrap());
    }
    let stale = all.expected.iter().filter(|entry| !entry.applied);
    all.failures.extend(stale.map(|entry| format!("expected.csv: did not happen: {entry:?}")));
    println!("peer_files: {} files", files.len());
    all.counts.iter().for_each(|(what, n)| println!("  {n:>7} {what}"));
    all.failures.iter().for_each(|failure| println!("FAILED: {failure}"));
    if files.is_empty() || !all.failures.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
