//! Rows that are compared with one another, on a cluster.
//!
//! ```text
//! driver     asks a question: the cells of a cube, the rows of equal hashes, a few rows as text
//! answer     an executor answers it for the rows of a split: records, each for a range of days or of hashes; in several
//!            passes if they do not fit in memory
//! shuffle    the records of a range come together on one executor
//! reduce     it judges the range: a record of bounded size
//! driver     merges the records of all ranges, in any order
//! ```
//!
//! No process holds the cells or hashes of all rows: an executor holds those of a range, the driver what was found. The
//! driver knows the footers and reads no row.

use std::collections::BTreeMap;

use super::cube::CellSum;
use super::cube::axes::Axes;
use super::cube::exact::Chunk;
use super::evidence::Evidence;
use super::general::Subject;
use super::general::by_hash::MEMORY;
use super::general::columns::FileColumns;
use super::general::duplicates::explain::Stamp;
use super::general::duplicates::{Found, Identity, Users};
use super::general::lanes::tasks;
use super::general::rows::{Addend, Hashed, Patterns, RowReader, Rows, number_of, place};
use super::passes::Passes;
use super::{RemoteRows, RowRange};
use crate::checks::Config;
use crate::dataset::OpenFile;
use crate::profile::Question;
use crate::progress::Progress;
use crate::{Error, Job, Result};

/// Largest arrays of the days of a range, in bytes, unless a day has more.
const RANGE_BYTES: usize = 4 << 20;
/// Largest arrays of an executor, in bytes, unless a range has more.
const CHUNK_BYTES: usize = 64 << 20;
/// Rows whose hashes are compared by one executor at a time.
const RANGE_ROWS: u64 = 1 << 20;
/// Rows whose hashes an executor has in memory when it answers.
const PASS_ROWS: u64 = 1 << 21;

/// A question about rows that are compared with one another.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub enum Request {
    /// The cells of a cube, in ranges of days.
    Days {
        /// The axes of the cube.
        axes: Box<Axes>,
        /// Days of a range.
        length: usize,
    },
    /// The rows that are the same row as an earlier one, in ranges of hashes.
    Repeated {
        /// What makes them the same row.
        identity: Identity,
        /// Ranges.
        ranges: u64,
        /// Whether each row is a user.
        is_by_row: bool,
    },
    /// The keys of rows with and without a total, in ranges of hashes.
    Totals {
        /// The number of the dimension that has totals.
        dimension: usize,
        /// Ranges.
        ranges: u64,
        /// Whether all numbers of users are whole.
        is_whole: bool,
    },
    /// Rows as text.
    Describe {
        /// Their numbers.
        rows: Vec<u64>,
        /// The number of the dimension that is left out.
        without: Option<usize>,
    },
    /// Values of columns of a connector.
    Stamps {
        /// The numbers of the rows.
        rows: [u64; 2],
        /// The columns.
        columns: Vec<String>,
    },
}

/// The part of an answer that belongs to a range, or what is found in a range.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
enum Record {
    Cells(Chunk),
    Days(CellSum),
    Hashes(Vec<Hashed<f64>>),
    Addends(Vec<Hashed<Addend>>),
    Found(Found),
    Patterns(Patterns),
    /// Rows as text, by their index in the question.
    Texts(Vec<(usize, String)>),
    /// By the index of the row: its values.
    Stamps(Vec<(usize, Vec<Option<Stamp>>)>),
    /// Rows that cannot be compared, in words.
    Failed(String),
}

/// An answer by range.
pub type Answer = Vec<(u32, Vec<u8>)>;

/// Asks the executors of a cluster.
pub trait Executors {
    /// The reduced records of all ranges.
    ///
    /// # Errors
    /// Those of [`Request::answer`] and [`Request::reduce`].
    fn ask(&self, request: &Request) -> Result<Vec<Vec<u8>>>;
}

/// The rows of a split, in opened files.
pub struct SplitRows<'s> {
    /// The job.
    pub job: &'s Job,
    /// The configuration of the checks, that of the job's profile.
    pub config: &'s Config,
    /// The files of the split.
    pub files: &'s [OpenFile<'s>],
    /// The number of each among all files.
    pub numbers: &'s [usize],
    /// The rows of the split.
    pub ranges: &'s [RowRange],
    /// The callback of the caller.
    pub progress: &'s dyn Progress,
}

impl Request {
    /// What it is about, for the log and the report.
    pub fn name(&self) -> &'static str {
        match self {
            Request::Days { .. } => "cells by day",
            Request::Repeated { .. } => "repeated rows",
            Request::Totals { .. } => "total rows",
            Request::Describe { .. } => "rows as text",
            Request::Stamps { .. } => "times of rows",
        }
    }

    /// As bytes, for another process of the same version.
    ///
    /// # Errors
    /// None in practice.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        to_bytes(self)
    }

    /// Reads the bytes of [`Self::to_bytes`].
    ///
    /// # Errors
    /// `Format` where they are not a question.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        from_bytes(bytes)
    }

    /// The passes in which a split of so many rows answers.
    ///
    /// # Errors
    /// As of [`Axes::bytes_per_day`].
    pub fn passes(&self, rows: u64) -> Result<u64> {
        Ok(match self {
            Request::Days { axes, length } => {
                axes.ranges(*length).div_ceil(ranges_at_once(axes, *length)?) as u64
            }
            // Both are powers of two, so that a range belongs to one pass.
            Request::Repeated { ranges, .. } | Request::Totals { ranges, .. } => {
                rows.div_ceil(PASS_ROWS).next_power_of_two().min(*ranges)
            }
            Request::Describe { .. } | Request::Stamps { .. } => 1,
        })
    }

    /// Answers for the rows of a split, in one of [`Self::passes`].
    ///
    /// # Errors
    /// Those of reading rows; `Interrupted` where the caller requests cancellation.
    pub fn answer(&self, split: &SplitRows<'_>, pass: u64) -> Result<Answer> {
        if let Request::Days { axes, length } = self {
            return days(axes, *length, split, pass);
        }
        let passes = self.passes(split.rows())?;
        let question = Question::new(split.job)?;
        let subject = Subject::new(split.job, split.config, &question);
        let columns = FileColumns::locate_all(&subject, split.files)?;
        let rows = Rows {
            subject: &subject,
            files: split.files,
            columns: &columns,
            tasks: tasks(split.ranges),
            rows: split.rows(),
            memory: MEMORY,
            progress: split.progress,
        };
        match self {
            Request::Days { .. } => Err(Error::internal("cells are no rows")),
            Request::Repeated { identity, ranges, .. } => {
                let hashes = rows.part(
                    true,
                    |task, file, columns, add| {
                        rows.identified(*identity, task, file, columns, Users::OfAll, add)
                    },
                    (pass, passes),
                );
                match hashes {
                    Err(error @ (Error::Interrupted | Error::Io { .. })) => Err(error),
                    // Columns that the job does not read may be of any kind.
                    Err(error) => one_range(true, &Record::Failed(error.to_string())),
                    Ok(hashes) => by_hash(hashes, *ranges, split.numbers, Record::Hashes),
                }
            }
            Request::Totals { dimension, ranges, .. } => {
                let addends = rows.part(
                    false,
                    |task, file, columns, add| rows.keyed(*dimension, task, file, columns, add),
                    (pass, passes),
                )?;
                by_hash(addends, *ranges, split.numbers, Record::Addends)
            }
            Request::Describe { rows: numbers, without } => {
                let mut texts = Vec::new();
                for (number, at) in numbers.iter().zip(0..) {
                    if let Some(local) = split.local(*number)
                        && let Some(text) = rows.describe_row(local, *without)?
                    {
                        texts.push((at, text));
                    }
                }
                one_range(!texts.is_empty(), &Record::Texts(texts))
            }
            Request::Stamps { rows: numbers, columns } => {
                let mut stamps = Vec::new();
                for (number, at) in numbers.iter().zip(0..) {
                    let local = split.local(*number);
                    if let Some(local) = local.filter(|local| {
                        let (file, row) = place(*local);
                        rows.task_of(file, row).is_some()
                    }) {
                        let of_row = rows.stamps([local; 2], columns)?;
                        stamps.push((at, of_row.into_iter().map(|[stamp, _]| stamp).collect()));
                    }
                }
                one_range(!stamps.is_empty(), &Record::Stamps(stamps))
            }
        }
    }

    /// Judges a range of which these are the records of all splits, in any order.
    ///
    /// # Errors
    /// `Format` for records of another question.
    pub fn reduce(&self, range: u32, records: &[impl AsRef<[u8]>]) -> Result<Vec<u8>> {
        let records = records.iter().map(|record| from_bytes::<Record>(record.as_ref()));
        let mut failed: Option<String> = None;
        let (mut hashes, mut addends) = (Vec::new(), Vec::new());
        let (mut texts, mut stamps) = (Vec::new(), Vec::new());
        let mut chunk = match self {
            Request::Days { axes, length } => Some(Chunk::new(axes, axes.range(range, *length))),
            _ => None,
        };
        for record in records {
            match (record?, &mut chunk) {
                (Record::Cells(cells), Some(chunk)) => chunk.merge(&cells)?,
                (Record::Hashes(mut rows), _) => hashes.append(&mut rows),
                (Record::Addends(mut rows), _) => addends.append(&mut rows),
                (Record::Texts(mut rows), _) => texts.append(&mut rows),
                (Record::Stamps(mut rows), _) => stamps.append(&mut rows),
                (Record::Failed(why), _) => failed = Some(failed.map_or(why.clone(), |other| other.min(why))),
                _ => return Err(unexpected()),
            }
        }
        let record = match (self, failed, chunk) {
            (_, Some(why), _) => Record::Failed(why),
            (Request::Days { axes, .. }, None, Some(chunk)) => Record::Days(chunk.judge(axes)),
            (Request::Repeated { is_by_row, .. }, ..) => {
                hashes.sort_unstable_by_key(|(hash, row, _)| (*hash, *row));
                Record::Found(Found::of(&hashes, *is_by_row))
            }
            (Request::Totals { is_whole, .. }, ..) => {
                addends.sort_unstable_by_key(|(hash, row, _)| (*hash, *row));
                Record::Patterns(Patterns::of(&addends, *is_whole))
            }
            (Request::Describe { .. }, ..) => Record::Texts(texts),
            (Request::Stamps { .. }, ..) => Record::Stamps(stamps),
            (Request::Days { .. }, None, None) => return Err(unexpected()),
        };
        // Days are put in order by their range.
        to_bytes(&(range, record))
    }
}

impl SplitRows<'_> {
    /// Rows of the split.
    pub fn rows(&self) -> u64 {
        self.ranges.iter().map(RowRange::len).sum()
    }

    /// The number of a row within the split's files; `None` for a row of another file.
    fn local(&self, number: u64) -> Option<u64> {
        let (file, row) = place(number);
        self.numbers.iter().position(|number| *number == file).map(|file| number_of(file, row))
    }
}

/// The ranges of days whose arrays fit in memory together.
fn ranges_at_once(axes: &Axes, length: usize) -> Result<usize> {
    Ok((CHUNK_BYTES / axes.bytes_per_day()?.saturating_mul(length).max(1)).max(1))
}

/// The cells of a cube, in ranges of days: in each pass as many as fit in memory.
fn days(axes: &Axes, length: usize, split: &SplitRows<'_>, pass: u64) -> Result<Answer> {
    let passes = Passes::begin(split.progress, &[], &[]);
    // The days of the rows are not known: they may be any.
    let of_any_day = |range: &RowRange| RowRange { days: Some((i32::MIN, i32::MAX)), ..range.clone() };
    let ranges: Vec<RowRange> = split.ranges.iter().map(of_any_day).collect();
    let at_once = ranges_at_once(axes, length)?;
    let first = usize::try_from(pass).unwrap_or(usize::MAX).saturating_mul(at_once);
    let numbers = first..axes.ranges(length).min(first.saturating_add(at_once));
    let range = |number: usize| axes.range(u32::try_from(number).unwrap_or(u32::MAX), length);
    let days = range(numbers.start).start..range(numbers.end.saturating_sub(1)).end;
    let chunk = Chunk::fill(axes, split.files, &ranges, days, &passes)?;
    let mut answer = Answer::new();
    for number in numbers {
        if let Some(part) = chunk.slice(axes, range(number)) {
            let number = u32::try_from(number).map_err(|_| Error::internal("too many ranges"))?;
            answer.push((number, to_bytes(&Record::Cells(part))?));
        }
    }
    Ok(answer)
}

/// Rows by the range of their hash, with the numbers that their files have among all.
fn by_hash<T>(
    rows: Vec<Hashed<T>>,
    ranges: u64,
    numbers: &[usize],
    record: impl Fn(Vec<Hashed<T>>) -> Record,
) -> Result<Answer> {
    let mut of_range: BTreeMap<u64, Vec<Hashed<T>>> = BTreeMap::new();
    for (hash, row, value) in rows {
        let (file, row) = place(row);
        let file = numbers.get(file).ok_or_else(|| Error::internal("no such file"))?;
        of_range.entry(hash % ranges.max(1)).or_default().push((hash, number_of(*file, row), value));
    }
    let answer = |(range, rows): (u64, Vec<Hashed<T>>)| {
        let range = u32::try_from(range).map_err(|_| Error::internal("too many ranges"))?;
        Ok((range, to_bytes(&record(rows))?))
    };
    of_range.into_iter().map(answer).collect()
}

fn one_range(is_there: bool, record: &Record) -> Result<Answer> {
    Ok(if is_there { vec![(0, to_bytes(record)?)] } else { vec![] })
}

fn to_bytes<T: serde::Serialize>(value: &T) -> Result<Vec<u8>> {
    postcard::to_allocvec(value).map_err(|e| Error::internal(format!("cannot serialise: {e}")))
}

fn from_bytes<'b, T: serde::Deserialize<'b>>(bytes: &'b [u8]) -> Result<T> {
    postcard::from_bytes(bytes).map_err(|e| {
        Error::format(format!("damaged bytes between processes: {e}"))
            .advice("Use the same version of rollshare everywhere")
    })
}

fn unexpected() -> Error {
    Error::internal("an answer to another question")
}

/// The rows of a cluster.
pub struct ClusterRows<'c> {
    evidence: Evidence,
    executors: &'c dyn Executors,
    is_by_row: bool,
    rows: u64,
}

impl<'c> ClusterRows<'c> {
    /// Rows of which this is the merged evidence.
    ///
    /// # Errors
    /// `Internal` if it is not that of all `rows` rows of the files.
    pub fn new(job: &Job, evidence: Evidence, rows: u64, executors: &'c dyn Executors) -> Result<Self> {
        if let Some(found) = evidence.rows().filter(|found| *found != rows) {
            return Err(Error::internal(format!("{rows} rows in the footers, but {found} were checked"))
                .advice("Nothing was published. This is a bug: please report it"));
        }
        Ok(ClusterRows { evidence, executors, is_by_row: job.profile.users.rows, rows })
    }

    /// Ranges of hashes, each of about [`RANGE_ROWS`] rows.
    fn ranges(&self) -> u64 {
        self.rows.div_ceil(RANGE_ROWS).next_power_of_two()
    }

    /// The records of all ranges.
    fn records(&self, request: &Request) -> Result<Vec<(u32, Record)>> {
        let records = self.executors.ask(request)?;
        let records: Vec<(u32, Record)> =
            records.iter().map(|record| from_bytes(record)).collect::<Result<_>>()?;
        let failed = records.iter().filter_map(|(_, record)| match record {
            Record::Failed(why) => Some(why),
            _ => None,
        });
        match failed.min() {
            Some(why) => Err(Error::unsupported(why.as_str())),
            None => Ok(records),
        }
    }
}

impl RemoteRows for ClusterRows<'_> {
    fn evidence(&self) -> Result<Evidence> {
        Ok(self.evidence.clone())
    }

    fn days(&self, axes: &Axes) -> Result<Vec<CellSum>> {
        let length = (RANGE_BYTES / axes.bytes_per_day()?.max(1)).max(1);
        let request = Request::Days { axes: Box::new(axes.clone()), length };
        let mut found: BTreeMap<u32, CellSum> = BTreeMap::new();
        for (range, record) in self.records(&request)? {
            let Record::Days(days) = record else { return Err(unexpected()) };
            found.insert(range, days);
        }
        // A range without rows has no record.
        let of_range = |range: u32| {
            found.remove(&range).unwrap_or_else(|| Chunk::new(axes, axes.range(range, length)).judge(axes))
        };
        Ok((0..u32::try_from(axes.ranges(length)).unwrap_or(u32::MAX)).map(of_range).collect())
    }

    fn reader(&self) -> &dyn RowReader {
        self
    }
}

impl RowReader for ClusterRows<'_> {
    fn repeated(&self, identity: Identity) -> Result<Found> {
        let request = Request::Repeated { identity, ranges: self.ranges(), is_by_row: self.is_by_row };
        let mut all = Found::default();
        for (_, record) in self.records(&request)? {
            let Record::Found(found) = record else { return Err(unexpected()) };
            all.merge(found);
        }
        Ok(all)
    }

    fn totals(&self, dimension: usize, is_whole: bool) -> Result<Patterns> {
        let request = Request::Totals { dimension, ranges: self.ranges(), is_whole };
        let mut all = Patterns::default();
        for (_, record) in self.records(&request)? {
            let Record::Patterns(patterns) = record else { return Err(unexpected()) };
            all.merge(patterns);
        }
        Ok(all)
    }

    fn describe(&self, rows: &[u64], without: Option<usize>) -> Result<Vec<String>> {
        let mut texts = vec![String::new(); rows.len()];
        for (_, record) in self.records(&Request::Describe { rows: rows.to_vec(), without })? {
            let Record::Texts(found) = record else { return Err(unexpected()) };
            for (at, text) in found {
                if let Some(to) = texts.get_mut(at) {
                    *to = text;
                }
            }
        }
        Ok(texts)
    }

    fn stamps(&self, rows: [u64; 2], columns: &[String]) -> Result<Vec<[Option<Stamp>; 2]>> {
        let mut stamps = vec![[None, None]; columns.len()];
        for (_, record) in self.records(&Request::Stamps { rows, columns: columns.to_vec() })? {
            let Record::Stamps(found) = record else { return Err(unexpected()) };
            for (at, of_row) in found {
                for (to, stamp) in stamps.iter_mut().zip(of_row) {
                    if let Some(to) = to.get_mut(at) {
                        *to = stamp;
                    }
                }
            }
        }
        Ok(stamps)
    }
}
