//! Writes each case in every layout and reads it by each kernel path, as a small file (read into
//! memory), as a mapped file, as a remote object, and by the checks.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use rollshare::internals::checks::results::check_rows;
use rollshare::internals::checks::{CheckId, Config};
use rollshare::internals::grid::Partial;
use rollshare::internals::kernel::ScanPath;
use rollshare::internals::scan::{self, NoProgress, Options};
use rollshare::internals::storage::{Input, MemoryObject, Object};
use rollshare::{Error, Job, Result};

use super::answer;
use super::oracle::{Row, Value};
use super::writer::file::File;
use super::writer::pages::Layout;
use super::writer::table::{self, LAYOUTS};

const PATHS: [Option<ScanPath>; 4] =
    [None, Some(ScanPath::Runs), Some(ScanPath::Bitmap), Some(ScanPath::Scalar)];

/// More than the length up to which the scan reads a file into memory.
const LARGE: usize = 300 << 10;

/// An object in memory that reports itself as remote.
struct Remote(MemoryObject);

impl rollshare::internals::storage::PlainObject for Remote {
    fn name(&self) -> &Arc<str> {
        Object::name(&self.0)
    }

    fn len(&self) -> u64 {
        Object::len(&self.0)
    }

    fn read(&self, range: Range<u64>) -> Result<Cow<'_, [u8]>> {
        Object::read(&self.0, range)
    }

    fn is_remote(&self) -> bool {
        true
    }
}

fn inputs(files: &[Vec<u8>], is_remote: bool) -> Vec<Input> {
    let object = |(at, bytes): (usize, &Vec<u8>)| -> Arc<dyn Object> {
        let object = MemoryObject::new(&format!("{at}.parquet"), bytes.clone());
        if is_remote { Arc::new(Remote(object)) } else { Arc::new(object) }
    };
    files.iter().enumerate().map(object).map(|object| Input { object, partitions: vec![] }).collect()
}

/// How a scan reads.
#[derive(Debug, Clone, Copy)]
struct Way {
    path: Option<ScanPath>,
    threads: usize,
    is_remote: bool,
}

const LOCAL: Way = Way { path: None, threads: 1, is_remote: false };
const REMOTE: Way = Way { path: None, threads: 2, is_remote: true };

fn scan_by(way: Way, job: &Job, files: &[Vec<u8>]) -> Result<Partial> {
    let options = Options { threads: Some(way.threads), path: way.path };
    scan::scan(job, &inputs(files, way.is_remote), &options, &NoProgress).map(|(partial, _)| partial)
}

/// Scans some files.
pub fn scan(job: &Job, files: &[Vec<u8>]) -> Result<Partial> {
    scan_by(LOCAL, job, files)
}

/// Nulls in the key columns and in the value column, as the checks count them.
fn check_nulls(files: &[Vec<u8>]) -> std::result::Result<[f64; 2], String> {
    let inputs = inputs(files, false);
    let (results, _) =
        check_rows(&Job::default(), &Config::default(), &inputs, &NoProgress).map_err(|e| e.to_string())?;
    let observed = |id| {
        let outcome = results.get(id).and_then(|outcome| outcome.observed);
        outcome.ok_or_else(|| format!("{id} did not run: {:?}", results.get(CheckId::Columns)))
    };
    Ok([observed(CheckId::KeyNulls)?, observed(CheckId::ValueNulls)?])
}

fn nulls(rows: &[Row]) -> [f64; 2] {
    let keys = |row: &Row| {
        [&row.name, &row.year_week, &row.country, &row.os_name].iter().filter(|key| key.is_none()).count()
    };
    let values = rows.iter().filter(|row| row.value == Value::Null).count();
    [rows.iter().map(keys).sum::<usize>() as f64, values as f64]
}

/// The errors of the scan and the checks on files with `rows`: one entry for each way to read that fails.
fn wrong(files: &[Vec<u8>], rows: &[Row], ways: &[Way]) -> Vec<String> {
    let mut wrong = Vec::new();
    for way in ways {
        let why = match scan_by(*way, &Job::default(), files) {
            Ok(partial) => answer::difference(&partial, rows),
            Err(error) => Some(error.to_string()),
        };
        wrong.extend(why.map(|why| format!("{way:?}: {why}")));
    }
    match check_nulls(files) {
        Ok(found) if found == nulls(rows) => {}
        Ok(found) => wrong.push(format!("checks: {found:?} nulls instead of {:?}", nulls(rows))),
        Err(error) => wrong.push(format!("checks: {error}")),
    }
    wrong
}

/// Counts cases and collects those that fail.
#[derive(Default)]
pub struct Cases {
    count: usize,
    failures: Vec<String>,
}

impl Cases {
    /// A file of the rows of [`table::rows`], changed by `edit`.
    pub fn add(&mut self, name: &str, edit: impl Fn(&mut File, &Layout)) {
        self.add_rows(name, &table::rows(), edit);
    }

    /// A file of `rows`, changed by `edit`.
    pub fn add_rows(&mut self, name: &str, rows: &[Row], edit: impl Fn(&mut File, &Layout)) {
        for (at, layout) in LAYOUTS.iter().enumerate() {
            let mut file = table::file(rows, layout);
            edit(&mut file, layout);
            let small = file.bytes();
            file.padding = LARGE;
            let large = file.bytes();
            keep(&format!("{name}-{at}"), &small);
            let paths = PATHS.map(|path| Way { path, ..LOCAL });
            let mut why = wrong(&[small], rows, &[&paths[..], &[REMOTE]].concat());
            why.extend(wrong(&[large], rows, &[LOCAL, REMOTE]).iter().map(|why| format!("large: {why}")));
            self.record(&format!("{name}, layout {at}"), &why);
        }
    }

    /// Several files that together contain `rows`.
    pub fn add_files(&mut self, name: &str, files: &[Vec<u8>], rows: &[Row]) {
        files.iter().enumerate().for_each(|(at, file)| keep(&format!("{name}-{at}"), file));
        let ways = PATHS.map(|path| [Way { path, ..LOCAL }, Way { path, ..REMOTE }]);
        self.record(name, &wrong(files, rows, ways.as_flattened()));
    }

    /// A file of the rows of [`table::rows`], changed by `edit`, whose error must contain `text`.
    pub fn add_error(&mut self, name: &str, text: &str, edit: impl Fn(&mut File, &Layout)) {
        for layout in &LAYOUTS {
            let mut file = table::file(&table::rows(), layout);
            edit(&mut file, layout);
            let why = match scan(&Job::default(), &[file.bytes()]) {
                Err(Error::Data(report) | Error::Format(report)) if report.to_string().contains(text) => None,
                Err(error) => Some(format!("the error is {error:?}")),
                Ok(_) => Some("no error".to_owned()),
            };
            self.record(name, why.as_slice());
        }
    }

    fn record(&mut self, name: &str, why: &[String]) {
        self.count += 1;
        if let Some((first, others)) = why.split_first() {
            self.failures.push(format!("{name}: {first} (and {} other ways)", others.len()));
        }
    }

    /// Panics if a case has failed.
    pub fn finish(self) {
        assert!(self.count > 0);
        let failed = self.failures.len();
        assert!(failed == 0, "{failed} of {} cases fail:\n{}", self.count, self.failures.join("\n"));
    }
}

/// Writes a file to the folder in `ROLLSHARE_KEEP_CASES`, so that other readers can read it.
fn keep(name: &str, bytes: &[u8]) {
    if let Some(folder) = std::env::var_os("ROLLSHARE_KEEP_CASES") {
        let name: String =
            name.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '_' }).collect();
        std::fs::write(std::path::Path::new(&folder).join(format!("{name}.parquet")), bytes).unwrap();
    }
}
