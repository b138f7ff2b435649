//! Splits: the inputs cut into parts of about equal cost, for other processes.
//!
//! The planner reads the footers only. A split names row groups, or row ranges of one. The scan of a split walks the
//! page headers, cuts the row group into tasks as any scan does, and takes the tasks that begin in its range. So each
//! task belongs to exactly one split, no page of values is opened by two splits, and the planner need not know where
//! pages begin. Sums are exact: merging the splits in any order gives the bytes of one scan.
//!
//! A process keeps the footers that it has read: the splits of one file read its footer once.
//!
//! The rows of a data frame are in no file. They are cut into pieces, parquet files in the memory of the tasks, and a
//! piece is a split: see [`Piece`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use rayon::prelude::*;

use super::executor::{RowGroupPart, Scan, lock};
use super::skip::{self, Outlook};
use super::{Options, Progress, ScanFile, TASK_ROWS, announce, columns, totals};
use crate::dataset::{OpenFile, TypeAgreement, TypedFile, prefetch};
use crate::grid::Partial;
use crate::parquet::{FileMeta, footer};
use crate::profile::Question;
use crate::storage::object::{ObjectVersion, Tag};
use crate::storage::{Input, MemoryObject, discover, unless_changed};
use crate::{Error, Job, Result, Semantics};

/// The cost of opening a file, in compressed bytes of columns that could be read in the same time.
const FILE_COST: u64 = 64 * 1024;
/// Largest number of footers that a process keeps.
const FOOTERS_MAX: usize = 1024;

/// A file of a split.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct File {
    name: String,
    /// Its index among all files.
    number: usize,
    partitions: Vec<(String, Option<String>)>,
    /// The version that the planner has read.
    stamp: Option<ObjectVersion>,
    /// Rows that come before those of a piece; 0 for files.
    #[serde(default)]
    before: u64,
}

/// Rows of a row group.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SplitRange {
    /// The index of its file in the split.
    pub file: usize,
    /// Its number.
    pub row_group: usize,
    /// The first row of the range.
    pub from: u64,
    /// The row after the last one.
    pub to: u64,
}

/// A file of a split, which this process keeps open: its input and its footer.
pub type Opened = (Arc<Input>, Arc<FileMeta>);

/// Some rows of a data frame, as the bytes of a parquet file.
///
/// To the planner and to errors all pieces together are one file, in their order: a row has the number that it has in
/// the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Its rows.
    pub rows: u64,
    /// Length of its bytes.
    pub bytes: u64,
    /// CRC-32 of its bytes.
    pub crc32: u32,
}

impl Piece {
    fn version(&self) -> ObjectVersion {
        let tag = Some(Tag::Etag(format!("{:08x}", self.crc32).into()));
        ObjectVersion { bytes: self.bytes, modified: None, tag, changed: None }
    }
}

/// A part of the work, which any process can scan.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Split {
    job: Job,
    files: Vec<File>,
    parts: Vec<SplitRange>,
}

/// All of the work.
#[derive(Debug, Default)]
pub struct Splits {
    /// The parts. None is empty, except the only one of inputs without rows.
    pub splits: Vec<Split>,
    /// Rows of all files; the merged partial aggregates must have as many.
    pub rows: u64,
    /// Compressed bytes of the needed columns.
    pub bytes: u64,
}

/// Cuts `inputs` into at most `most` splits, none much smaller than `least` compressed bytes of needed columns unless
/// it is the only one.
///
/// # Errors
/// Those of opening: a damaged footer, a missing column, files of different types.
pub fn plan(job: &Job, inputs: &[Input], most: usize, least: u64) -> Result<Splits> {
    let job = job.clone().validated()?;
    // The columns are read by the scan of a split, on another machine: only footers are prefetched.
    prefetch::footers(inputs);
    let question = Question::new(&job)?;
    let files = open_all(&question, inputs)?;
    plan_files(&job, &files, most, least)
}

/// As [`plan`], for opened files whose columns are located.
///
/// # Errors
/// `Argument` for a job that is not valid.
pub fn plan_files(job: &Job, files: &[OpenFile<'_>], most: usize, least: u64) -> Result<Splits> {
    let question = Question::new(job)?;
    let cost = |file: &OpenFile<'_>, at: usize| {
        file.footer.row_groups.get(at).map_or(0, |rg| match skip::outlook(&question, file, &rg) {
            Outlook::RuledOut => 0,
            Outlook::Unlikely => {
                skip::condition_chunk(&question, file, &rg).map_or(0, |(_, chunk)| chunk.compressed_len)
            }
            Outlook::Unknown | Outlook::Likely => columns::row_group_bytes(&question, file, &rg),
        })
    };
    let groups = |file: &OpenFile<'_>| 0..file.footer.row_groups.len();
    let bytes: u64 = files.iter().flat_map(|file| groups(file).map(|at| cost(file, at))).sum();
    let total = bytes + FILE_COST * files.len() as u64;
    let aim = (total / (most as u64).max(1) + 1).max(least).max(1);

    let mut splits =
        Splits { bytes, rows: files.iter().map(|file| file.footer.rows).sum(), ..Splits::default() };
    let mut open = Open { job, split: empty(job), cost: 0, aim };
    for (number, opened) in files.iter().enumerate() {
        let mut first = true;
        for at in groups(opened) {
            let rows = opened.footer.row_groups.rows_of(at);
            let whole = cost(opened, at);
            // Enough ranges that each is about one split, but none smaller than a task.
            let ranges = (whole / aim + 1).min(rows.div_ceil(TASK_ROWS));
            for range in 0..ranges {
                let border = |n: u64| u64::try_from(u128::from(rows) * u128::from(n) / u128::from(ranges));
                let (from, to) = (border(range).unwrap_or(0), border(range + 1).unwrap_or(rows));
                let opening = if std::mem::take(&mut first) { FILE_COST } else { 0 };
                let range = SplitRange { file: number, row_group: at, from, to };
                open.add(opened.input, range, whole / ranges + opening, &mut splits.splits);
            }
        }
    }
    open.close(&mut splits.splits);
    if splits.splits.is_empty() {
        // Files without rows: one split, so that there is a result.
        let mut split = empty(job);
        split.files.extend(files.first().map(|opened| file(opened.input, 0)));
        splits.splits.push(split);
    }
    Ok(splits)
}

/// A split for each piece of a data frame, in the order of the pieces. Errors call the frame `name`.
///
/// # Errors
/// `Argument` for a job that is not valid.
pub fn plan_pieces(job: &Job, name: &str, pieces: &[Piece]) -> Result<Splits> {
    let job = job.clone().validated()?;
    let mut splits = Splits::default();
    for piece in pieces {
        let before = splits.rows;
        let (name, stamp) = (name.to_owned(), Some(piece.version()));
        let file = File { name, number: 0, partitions: Vec::new(), stamp, before };
        // The rows of earlier pieces are a row group: see `Split::open_piece`.
        let range = SplitRange { file: 0, row_group: usize::from(before > 0), from: 0, to: piece.rows };
        let parts = if piece.rows > 0 { vec![range] } else { Vec::new() };
        splits.splits.push(Split { job: job.clone(), files: vec![file], parts });
        splits.rows += piece.rows;
        splits.bytes += piece.bytes;
    }
    Ok(splits)
}

/// Reads the footers of all files; the first error by the order of the files wins.
fn open_all<'a>(question: &Question, inputs: &'a [Input]) -> Result<Vec<OpenFile<'a>>> {
    let open = |input: &'a Input| {
        let mut file = OpenFile::read_footer(input, input.object.as_ref())?;
        file.locate_question(question)?;
        Ok(file)
    };
    let files: Vec<Result<OpenFile<'_>>> = match inputs {
        [input] => vec![open(input)],
        _ => inputs.par_iter().map(open).collect(),
    };
    let files: Vec<OpenFile<'_>> = files.into_iter().collect::<Result<_>>()?;
    TypeAgreement::check(files.iter().map(TypedFile::of))?;
    Ok(files)
}

fn empty(job: &Job) -> Split {
    Split { job: job.clone(), files: Vec::new(), parts: Vec::new() }
}

fn file(input: &Input, number: usize) -> File {
    File {
        name: input.object.name().to_string(),
        number,
        partitions: input.partitions.clone(),
        stamp: input.object.version(),
        before: 0,
    }
}

/// The split that is being filled.
struct Open<'j> {
    job: &'j Job,
    split: Split,
    cost: u64,
    aim: u64,
}

impl Open<'_> {
    /// Adds a range of a file, whose number is that among all files.
    fn add(&mut self, input: &Input, range: SplitRange, cost: u64, done: &mut Vec<Split>) {
        // The current split is closer to the aim without this part.
        if self.cost > 0 && (self.cost + cost).saturating_sub(self.aim) > self.aim.saturating_sub(self.cost) {
            self.close(done);
        }
        if self.split.files.last().is_none_or(|f| f.number != range.file) {
            self.split.files.push(file(input, range.file));
        }
        self.split.parts.push(SplitRange { file: self.split.files.len() - 1, ..range });
        self.cost += cost;
    }

    fn close(&mut self, done: &mut Vec<Split>) {
        if !self.split.parts.is_empty() {
            done.push(std::mem::replace(&mut self.split, empty(self.job)));
        }
        self.cost = 0;
    }
}

impl Split {
    /// As bytes, for another process of the same version.
    ///
    /// # Errors
    /// None in practice.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|e| Error::internal(format!("cannot serialise: {e}")))
    }

    /// Reads the bytes of [`Self::to_bytes`].
    ///
    /// # Errors
    /// `Format` where the bytes are not a split.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|e| {
            Error::format(format!("a damaged split: {e}")).advice("Plan and scan with the same version")
        })
    }

    /// The job.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// Opens its files.
    ///
    /// # Errors
    /// Those of reading footers; `Data` where a file has changed since it was planned.
    pub fn open(&self) -> Result<Vec<Opened>> {
        self.files.iter().map(open).collect()
    }

    /// Opens a piece, of which these are the bytes.
    ///
    /// # Errors
    /// `Data` where they are not those that were planned; those of reading the footer.
    pub fn open_piece(&self, bytes: Vec<u8>) -> Result<Vec<Opened>> {
        let [file] = self.files.as_slice() else {
            return Err(Error::internal("a piece is one file"));
        };
        let found = Piece { rows: 0, bytes: bytes.len() as u64, crc32: crc32fast::hash(&bytes) };
        if file.stamp != Some(found.version()) {
            return Err(Error::data("the data frame had other rows when it was computed again")
                .expected("the same rows in the same order")
                .advice("Write the frame to files, or checkpoint it, and use that")
                .in_file(&file.name.as_str().into()));
        }
        let object = Arc::new(MemoryObject::new(&file.name, bytes));
        let mut meta = footer::read(object.as_ref())?;
        // A row group in the place of all earlier pieces, which no range contains, so that rows have their numbers.
        if file.before > 0 && !meta.row_groups.is_empty() {
            meta.row_groups = meta.row_groups.after_rows(file.before);
            meta.rows += file.before;
        }
        Ok(vec![(Arc::new(Input { object, partitions: Vec::new() }), Arc::new(meta))])
    }

    /// The number of each file among all files.
    pub fn numbers(&self) -> Vec<usize> {
        self.files.iter().map(|file| file.number).collect()
    }

    /// Its rows.
    pub fn ranges(&self) -> &[SplitRange] {
        &self.parts
    }

    /// Scans the split on the calling thread. The account's rows are those of the split.
    ///
    /// # Errors
    /// As of [`super::scan`]; `Data` where a file has changed since it was planned.
    pub fn scan(&self, progress: &dyn Progress) -> Result<Partial> {
        self.scan_opened(&self.open()?, progress)
    }

    /// As [`Self::scan`], of its files or its piece, which are opened.
    ///
    /// # Errors
    /// As of [`super::scan`].
    pub fn scan_opened(&self, opened: &[Opened], progress: &dyn Progress) -> Result<Partial> {
        let question = Question::new(&self.job)?;
        let scanned = totals::settled(&question, |question| self.scan_once(opened, question, progress));
        unless_changed(opened.iter().map(|(input, _)| &**input), scanned).map(|(partial, ())| partial)
    }

    fn scan_once(
        &self,
        opened: &[Opened],
        question: &Question,
        progress: &dyn Progress,
    ) -> Result<(Partial, ())> {
        let start = Instant::now();
        let files: Vec<ScanFile<'_>> = opened
            .iter()
            .map(|(input, meta)| {
                let mut file = OpenFile::with_footer(input, input.object.as_ref(), meta.clone());
                file.locate_question(question)?;
                Ok(ScanFile::Own(file))
            })
            .collect::<Result<_>>()?;
        // Ranges are in the order of their files.
        for parts in self.parts.chunk_by(|a, b| a.file == b.file) {
            if let Some(file) = parts.first().and_then(|part| files.get(part.file)) {
                announce(question, file, parts.iter().map(|part| part.row_group));
            }
        }
        let options = Options { threads: Some(1), ..Options::default() };
        let spare = Mutex::default();
        let scan = Scan::new(question, &files, &options, progress, start, &spare);
        for (part, order) in self.parts.iter().zip(0..) {
            let group = files.get(part.file).and_then(|file| {
                let rows = file.footer.row_groups.rows().nth(part.row_group)?;
                (part.from <= part.to && part.to <= rows).then_some((file, rows))
            });
            let Some((file, rows)) = group else {
                return Err(Error::format("a split that does not fit its files"));
            };
            let (row_group, from, to) = (part.row_group, part.from, part.to);
            scan.scan_and_evict(RowGroupPart { order, file, row_group, rows, from, to }, false);
        }
        scan.collect(None).map(|(partial, _)| (partial, ()))
    }
}

/// Opens a file, or returns the one that this process has opened before.
fn open(file: &File) -> Result<Opened> {
    type OpenFiles = HashMap<String, Opened>;
    static OPEN_FILES: OnceLock<Mutex<OpenFiles>> = OnceLock::new();
    let open_files = OPEN_FILES.get_or_init(Mutex::default);
    let same = |input: &Input| {
        let stamp = input.object.version();
        // An ETag is the same from every machine; an inode is not.
        let version = |s: &ObjectVersion| s.tag.clone().filter(|_| input.object.is_remote());
        let seen = |stamp: &Option<ObjectVersion>| stamp.as_ref().map(|s| (s.bytes, s.modified, version(s)));
        seen(&stamp) == seen(&file.stamp) && input.partitions == file.partitions
    };
    if let Some((input, meta)) = lock(open_files).get(&file.name)
        && same(input)
    {
        return Ok((input.clone(), meta.clone()));
    }
    let found = discover(std::slice::from_ref(&file.name), Semantics::Iso)?;
    let Some(mut input) = found.inputs.into_iter().next() else {
        return Err(Error::not_found("no such file").in_file(&file.name.as_str().into()));
    };
    input.partitions.clone_from(&file.partitions);
    if !same(&input) {
        return Err(Error::data("the file is not the one that was planned: its length or its time differs")
            .expected("files that stay as they are while they are read")
            .advice("Run again, and replace exports by rename before the run or after it")
            .in_file(input.object.name()));
    }
    let meta = unless_changed([&input], footer::read(input.object.as_ref()))?;
    let opened = (Arc::new(input), Arc::new(meta));
    let mut open_files = lock(open_files);
    if open_files.len() >= FOOTERS_MAX {
        open_files.clear();
    }
    open_files.insert(file.name.clone(), opened.clone());
    Ok(opened)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::{NoProgress, scan};
    use super::*;
    use crate::sample;

    fn inputs(rows: u64, layout: sample::Layout) -> (tempfile::TempDir, Vec<Input>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sample.parquet");
        sample::write(&sample::Options { rows, layout, seed: 1 }, &path, &NoProgress).unwrap();
        let found = discover(&[path.to_string_lossy().into_owned()], Semantics::Iso).unwrap();
        (folder, found.inputs)
    }

    /// Scans all splits and merges them, as Spark does.
    fn scan_all(splits: &Splits) -> Partial {
        let parts = splits.splits.iter().map(|split| split.scan(&NoProgress).unwrap());
        let merged = parts.reduce(|sum, part| sum.merge(part).unwrap()).unwrap();
        assert_eq!(merged.account.rows, splits.rows);
        merged
    }

    #[test]
    fn any_number_of_splits_sums_to_the_same() {
        for layout in [sample::Layout::Export, sample::Layout::Daily, sample::Layout::Spark] {
            let (_folder, inputs) = inputs(700_000, layout);
            for semantics in [Semantics::Iso, Semantics::Legacy] {
                let job = Job { semantics, ..Job::default() };
                let (whole, _) = scan(&job, &inputs, &Options::default(), &NoProgress).unwrap();
                for most in [1, 2, 3, 7, 1000] {
                    let splits = plan(&job, &inputs, most, 1).unwrap();
                    assert!(splits.splits.len() <= most + 1, "{} of {most}", splits.splits.len());
                    assert_eq!(splits.rows, 700_000);
                    assert_eq!(scan_all(&splits), whole, "{layout:?} {most}");
                }
            }
        }
    }

    #[test]
    fn one_row_group_is_cut_into_parts_of_about_equal_rows() {
        let (_folder, inputs) = inputs(2_000_000, sample::Layout::Spark);
        let splits = plan(&Job::default(), &inputs, 4, 1).unwrap().splits;
        assert_eq!(splits.len(), 4);
        for split in &splits {
            let rows: u64 = split.parts.iter().map(|part| part.to - part.from).sum();
            assert!(rows.abs_diff(500_000) < 1000, "{rows}");
            let scanned = split.scan(&NoProgress).unwrap().account.rows;
            assert!(scanned.abs_diff(500_000) < 300_000, "{scanned}");
        }
        // A small file is one split, however many are allowed.
        assert_eq!(plan(&Job::default(), &inputs, 4, 1 << 30).unwrap().splits.len(), 1);
    }

    #[test]
    fn pieces_sum_to_the_frame_and_their_rows_have_its_numbers() {
        let write = |rows, seed| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("sample.parquet");
            sample::write(
                &sample::Options { rows, layout: sample::Layout::Export, seed },
                &path,
                &NoProgress,
            )
            .unwrap();
            std::fs::read(&path).unwrap()
        };
        let bytes = [write(10_000, 1), write(700_000, 2)];
        let input = |bytes: &Vec<u8>| {
            let object = Arc::new(MemoryObject::new("frame", bytes.clone()));
            Input { object, partitions: vec![] }
        };
        let job = Job::default();
        let inputs: Vec<Input> = bytes.iter().map(input).collect();
        let (whole, _) = scan(&job, &inputs, &Options::default(), &NoProgress).unwrap();
        let piece = |(bytes, rows): (&Vec<u8>, u64)| Piece {
            rows,
            bytes: bytes.len() as u64,
            crc32: crc32fast::hash(bytes),
        };
        let pieces: Vec<Piece> = bytes.iter().zip([10_000, 700_000]).map(piece).collect();
        let splits = plan_pieces(&job, "frame", &pieces).unwrap();
        assert_eq!((splits.splits.len(), splits.rows), (2, 710_000));
        let opened: Vec<Vec<Opened>> =
            splits.splits.iter().zip(&bytes).map(|(split, b)| split.open_piece(b.clone()).unwrap()).collect();
        let parts =
            splits.splits.iter().zip(&opened).map(|(split, o)| split.scan_opened(o, &NoProgress).unwrap());
        assert_eq!(parts.reduce(|sum, part| sum.merge(part).unwrap()).unwrap(), whole);
        assert_eq!(opened[1][0].1.rows, 710_000);
        // The bytes of another piece.
        let error = splits.splits[0].open_piece(bytes[1].clone()).err().unwrap().to_string();
        assert!(error.contains("frame") && error.contains("other rows"), "{error}");
    }

    #[test]
    fn a_split_survives_its_bytes_and_refuses_another_file() {
        let (folder, inputs) = inputs(10_000, sample::Layout::Export);
        let split = plan(&Job::default(), &inputs, 1, 1).unwrap().splits.remove(0);
        let copy = Split::from_bytes(&split.to_bytes().unwrap()).unwrap();
        assert_eq!(copy, split);
        assert!(Split::from_bytes(b"{}").is_err());
        let path = folder.path().join("sample.parquet");
        sample::write(
            &sample::Options { rows: 20_000, layout: sample::Layout::Export, seed: 2 },
            &path,
            &NoProgress,
        )
        .unwrap();
        let error = copy.scan(&NoProgress).unwrap_err().to_string();
        assert!(error.contains("sample.parquet") && error.contains("planned"), "{error}");
    }
}
