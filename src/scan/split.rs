//! Splits: the inputs cut into parts of about equal cost, for other processes.
//!
//! The planner reads the footers only. A split names row groups, or row ranges of one. The scan of a split walks the
//! page headers, cuts the row group into tasks as any scan does, and takes the tasks that begin in its range. So each
//! task belongs to exactly one split, no page of values is opened by two splits, and the planner need not know where
//! pages begin. Sums are exact: merging the splits in any order gives the bytes of one scan.
//!
//! A process keeps the footers that it has read: the splits of one file read its footer once.

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
use crate::storage::object::ObjectVersion;
use crate::storage::{Input, discover};
use crate::{Error, Job, Result, Semantics};

/// The cost of opening a file, in compressed bytes of columns that could be read in the same time.
const FILE_COST: u64 = 64 * 1024;
/// Largest number of footers that a process keeps.
const FOOTERS_MAX: usize = 1024;

/// A file of a split.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct File {
    name: String,
    partitions: Vec<(String, Option<String>)>,
    /// The version that the planner has read.
    stamp: Option<ObjectVersion>,
}

/// Rows of a row group.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
struct SplitRange {
    /// Its index in [`Split::files`].
    file: usize,
    row_group: usize,
    from: u64,
    to: u64,
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
    let cost = |file: &OpenFile<'_>, at: usize| {
        file.footer.row_groups.get(at).map_or(0, |rg| match skip::outlook(&question, file, rg) {
            Outlook::RuledOut => 0,
            Outlook::Unlikely => {
                skip::condition_chunk(&question, file, rg).map_or(0, |(_, chunk)| chunk.compressed_len)
            }
            Outlook::Unknown | Outlook::Likely => columns::row_group_bytes(&question, file, rg),
        })
    };
    let groups = |file: &OpenFile<'_>| 0..file.footer.row_groups.len();
    let bytes: u64 = files.iter().flat_map(|file| groups(file).map(|at| cost(file, at))).sum();
    let total = bytes + FILE_COST * files.len() as u64;
    let aim = (total / (most as u64).max(1) + 1).max(least).max(1);

    let mut splits =
        Splits { bytes, rows: files.iter().map(|file| file.footer.rows).sum(), ..Splits::default() };
    let mut open = Open { job: &job, split: empty(&job), cost: 0, aim };
    for (input, opened) in inputs.iter().zip(&files) {
        let mut first = true;
        for at in groups(opened) {
            let rows = opened.footer.row_groups.get(at).map_or(0, |rg| rg.rows);
            let whole = cost(opened, at);
            // Enough ranges that each is about one split, but none smaller than a task.
            let ranges = (whole / aim + 1).min(rows.div_ceil(TASK_ROWS));
            for range in 0..ranges {
                let border = |n: u64| u64::try_from(u128::from(rows) * u128::from(n) / u128::from(ranges));
                let (from, to) = (border(range).unwrap_or(0), border(range + 1).unwrap_or(rows));
                let opening = if std::mem::take(&mut first) { FILE_COST } else { 0 };
                open.add(input, at, from, to, whole / ranges + opening, &mut splits.splits);
            }
        }
    }
    open.close(&mut splits.splits);
    if splits.splits.is_empty() {
        // Files without rows: one split, so that there is a result.
        let mut split = empty(&job);
        split.files.extend(inputs.first().map(file));
        splits.splits.push(split);
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

fn file(input: &Input) -> File {
    File {
        name: input.object.name().to_string(),
        partitions: input.partitions.clone(),
        stamp: input.object.version(),
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
    fn add(&mut self, input: &Input, row_group: usize, from: u64, to: u64, cost: u64, done: &mut Vec<Split>) {
        // The current split is closer to the aim without this part.
        if self.cost > 0 && (self.cost + cost).saturating_sub(self.aim) > self.aim.saturating_sub(self.cost) {
            self.close(done);
        }
        if self.split.files.last().is_none_or(|f| f.name != **input.object.name()) {
            self.split.files.push(file(input));
        }
        self.split.parts.push(SplitRange { file: self.split.files.len() - 1, row_group, from, to });
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

    /// Scans the split on the calling thread. The account's rows are those of the split.
    ///
    /// # Errors
    /// As of [`super::scan`]; `Data` where a file has changed since it was planned.
    pub fn scan(&self, progress: &dyn Progress) -> Result<Partial> {
        let opened: Vec<(Arc<Input>, Arc<FileMeta>)> = self.files.iter().map(open).collect::<Result<_>>()?;
        let question = Question::new(&self.job)?;
        totals::settled(&question, |question| self.scan_once(&opened, question, progress))
            .map(|(partial, ())| partial)
    }

    fn scan_once(
        &self,
        opened: &[(Arc<Input>, Arc<FileMeta>)],
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
        for (at, file) in files.iter().enumerate() {
            let parts = self.parts.iter().filter(|part| part.file == at);
            announce(question, file, parts.map(|part| part.row_group));
        }
        let options = Options { threads: Some(1), ..Options::default() };
        let spare = Mutex::default();
        let scan = Scan::new(question, &files, &options, progress, start, &spare);
        for (part, order) in self.parts.iter().zip(0..) {
            let group = files.get(part.file).and_then(|file| {
                let rows = file.footer.row_groups.get(part.row_group)?.rows;
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
fn open(file: &File) -> Result<(Arc<Input>, Arc<FileMeta>)> {
    type OpenFiles = HashMap<String, (Arc<Input>, Arc<FileMeta>)>;
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
    let meta = footer::read(input.object.as_ref()).map_err(|e| e.in_file(input.object.name()))?;
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
