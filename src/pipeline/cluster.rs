//! A run on a cluster: executors read the rows, the driver reads footers, judges and publishes.
//!
//! ```text
//! driver     lists the files, reads their footers, plans splits
//! executors  sums and evidence of each split, merged in a tree: Gathered
//! executors  rows that are compared with one another (checks/raw/exchange.rs)
//! driver     judges the evidence, checks the table, compares it with the history, publishes
//! ```

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::pieces::Pieces;
use crate::checks::Shape;
use crate::checks::raw::evidence::Evidence;
use crate::checks::raw::exchange::Executors;
use crate::checks::raw::split::Checking;
use crate::dataset::Dataset;
use crate::error::Report;
use crate::grid::Partial;
use crate::progress::Progress;
use crate::report::model::ClusterPart;
use crate::scan::split::{Opened, Split, Splits, plan, plan_files};
use crate::storage::object::{ObjectVersion, Traffic};
use crate::storage::{Input, Object, Pinned};
use crate::text::format::is_text;
use crate::{Error, Job, Result};

/// The first bytes of what a split gives; the number is the version.
const MAGIC: &[u8] = b"rollshare gathered 1\n";

/// How the files are cut into splits.
#[derive(Debug, Clone, Copy)]
pub struct SplitSizes {
    /// The most splits, unless they are too large.
    pub most: usize,
    /// The least compressed bytes of needed columns in a split.
    pub least_bytes: u64,
    /// The most of them.
    pub most_bytes: u64,
}

/// The executors of a cluster.
pub trait Cluster: Executors + Sync {
    /// How the files are cut into splits.
    fn sizes(&self) -> SplitSizes;

    /// The rows, if they are those of a data frame; `None` for those of files.
    fn pieces(&self) -> Option<&Pieces> {
        None
    }

    /// The name and the text of the configuration of the checks; `None` for the defaults.
    fn config(&self) -> Option<(String, String)>;

    /// Sums and evidence of all splits. Questions are about the rows of these splits from then on.
    ///
    /// # Errors
    /// Those of [`Gathered::of`] and [`Gathered::merge`].
    fn gather(&self, splits: &Splits, checking: Option<&Checking>) -> Result<Gathered>;

    /// What the jobs of the cluster have used so far; its splits, rows and bytes are those of [`gather`].
    ///
    /// # Errors
    /// `Interrupted` where the cluster cannot tell.
    fn used(&self) -> Result<ClusterPart> {
        Ok(ClusterPart::default())
    }

    /// Fails with the values of columns where sums are those of a mistake: an executor reads them.
    ///
    /// # Errors
    /// `Data` for sums without any row that counts, or without organic users.
    fn explain(&self, job: &Job, sums: &Partial) -> Result<()>;
}

/// The sums and the evidence of some rows.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Gathered {
    sums: Sums,
    evidence: Option<Evidence>,
}

/// The sums of some rows, or the first row that keeps them from being summed: a check may report it.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
enum Sums {
    Summed(Box<Partial>),
    Data(Box<Report>),
    TooLarge(Box<Report>),
}

impl Sums {
    fn of(sums: Result<Partial>) -> Result<Self> {
        match sums {
            Ok(sums) => Ok(Sums::Summed(Box::new(sums))),
            Err(Error::Data(report)) => Ok(Sums::Data(report)),
            Err(Error::TooLarge(report)) => Ok(Sums::TooLarge(report)),
            Err(error) => Err(error),
        }
    }

    fn report(&self) -> Option<&Report> {
        match self {
            Sums::Summed(_) => None,
            Sums::Data(report) | Sums::TooLarge(report) => Some(report),
        }
    }
}

impl Gathered {
    /// Reads the rows of a split, whose files are opened, on the calling thread.
    ///
    /// # Errors
    /// What keeps the rows from being read. With checks, a row that cannot be summed is none.
    pub fn of(
        split: &Split,
        opened: &[Opened],
        checking: Option<&Checking>,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let sums = split.scan_opened(opened, progress);
        let Some(checking) = checking else {
            return Ok(Gathered { sums: Sums::Summed(Box::new(sums?)), evidence: None });
        };
        Ok(Gathered { sums: Sums::of(sums)?, evidence: Some(checking.gather(split, opened, progress)?) })
    }

    /// Adds the sums and the evidence of other rows.
    ///
    /// # Errors
    /// As of [`Evidence::merge`]; without evidence, as of [`Partial::merge`].
    pub fn merge(self, other: Gathered) -> Result<Self> {
        let evidence = match (self.evidence, other.evidence) {
            (Some(one), Some(other)) => Some(one.merge(other)?),
            _ => None,
        };
        let place = |report: &Report| (report.location.file.clone(), report.location.row);
        let sums = match (self.sums, other.sums) {
            (Sums::Summed(one), Sums::Summed(other)) => match one.merge(*other) {
                sums if evidence.is_some() => Sums::of(sums)?,
                sums => Sums::Summed(Box::new(sums?)),
            },
            (one, other) => match (one.report().map(place), other.report().map(place)) {
                (Some(a), Some(b)) if b < a => other,
                (Some(_), _) => one,
                (None, _) => other,
            },
        };
        Ok(Gathered { sums, evidence })
    }

    /// The sums, or why there are none; and the evidence, if there are checks.
    pub fn into_parts(self) -> (Result<Partial>, Option<Evidence>) {
        let sums = match self.sums {
            Sums::Summed(sums) => Ok(*sums),
            Sums::Data(report) => Err(Error::Data(report)),
            Sums::TooLarge(report) => Err(Error::TooLarge(report)),
        };
        (sums, self.evidence)
    }

    /// As bytes, for another process of the same version.
    ///
    /// # Errors
    /// None in practice.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        postcard::to_extend(self, MAGIC.to_vec())
            .map_err(|e| Error::internal(format!("cannot serialise sums and evidence: {e}")))
    }

    /// Reads the bytes of [`Self::to_bytes`].
    ///
    /// # Errors
    /// `Format` where the bytes are something else, or of another version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let body = bytes.strip_prefix(MAGIC).ok_or_else(|| {
            Error::format("sums and evidence of another version, or something else")
                .expected("'rollshare gathered 1'")
                .advice("Use the same version of rollshare everywhere")
        })?;
        let mut gathered: Gathered = postcard::from_bytes(body)
            .map_err(|e| Error::format(format!("damaged sums and evidence: {e}")))?;
        if let Sums::Summed(sums) = &gathered.sums {
            sums.check()?;
        }
        if let Some(evidence) = &mut gathered.evidence {
            evidence.restore()?;
        }
        Ok(gathered)
    }
}

/// Plans splits and gathers their sums and evidence; with checks, of files of this shape that are opened.
///
/// # Errors
/// Those of planning and of [`Cluster::gather`]; `Internal` if the sums are not those of all rows.
pub fn gather(
    job: &Job,
    shape: Option<Shape>,
    dataset: &Dataset<'_>,
    cluster: &dyn Cluster,
) -> Result<(Gathered, ClusterPart)> {
    let sizes = cluster.sizes();
    let planned = |most: usize| match (cluster.pieces(), dataset.is_open()) {
        (Some(pieces), _) => pieces.splits(job),
        (None, true) => plan_files(job, dataset.files(), most, sizes.least_bytes),
        (None, false) => plan(job, dataset.inputs(), most, sizes.least_bytes),
    };
    let mut splits: Splits = planned(sizes.most)?;
    if splits.bytes > sizes.most_bytes.saturating_mul(splits.splits.len() as u64) {
        let most = splits.bytes.div_ceil(sizes.most_bytes.max(1));
        splits = planned(usize::try_from(most).unwrap_or(usize::MAX))?;
    }
    let checking = shape.map(|shape| Checking { shape, config: cluster.config() });
    let gathered = cluster.gather(&splits, checking.as_ref())?;
    if let Sums::Summed(sums) = &gathered.sums
        && sums.account.rows != splits.rows
    {
        return Err(Error::internal(format!(
            "{} rows in the footers, but {} were summed",
            splits.rows, sums.account.rows
        ))
        .advice("Nothing was published. This is a bug: please report it"));
    }
    let (count, rows, bytes) = (splits.splits.len() as u64, splits.rows, splits.bytes);
    Ok((gathered, ClusterPart { splits: count, rows, bytes, ..ClusterPart::default() }))
}

/// Fails for text: executors read row groups.
///
/// # Errors
/// `Unsupported` for a text file; those of reading the first bytes of files.
pub fn no_text(inputs: &[Input]) -> Result<()> {
    for input in inputs {
        if is_text(input.object.as_ref())? {
            return Err(Error::unsupported("the file is text")
                .expected("parquet files: Spark's file mode reads nothing else")
                .advice("Give a DataFrame: spark.read.csv(PATH, header=True)")
                .in_file(input.object.name()));
        }
    }
    Ok(())
}

/// A file whose bytes are counted as they are read.
struct CountedObject {
    object: Arc<dyn Object>,
    bytes: Arc<AtomicU64>,
}

/// Counts the bytes that are read of the inputs from now on.
pub fn count_reads(inputs: &mut [Input]) -> Arc<AtomicU64> {
    let bytes = Arc::new(AtomicU64::new(0));
    for input in inputs {
        let object = CountedObject { object: input.object.clone(), bytes: bytes.clone() };
        input.object = Arc::new(object);
    }
    bytes
}

impl Object for CountedObject {
    fn name(&self) -> &Arc<str> {
        self.object.name()
    }

    fn len(&self) -> u64 {
        self.object.len()
    }

    fn stored_len(&self) -> u64 {
        self.object.stored_len()
    }

    fn head(&self, most: u64) -> Result<Vec<u8>> {
        self.bytes.fetch_add(most.min(self.len()), Ordering::Relaxed);
        self.object.head(most)
    }

    fn line(&self, row: u64) -> Option<u64> {
        self.object.line(row)
    }

    fn read(&self, range: Range<u64>) -> Result<Cow<'_, [u8]>> {
        self.bytes.fetch_add(range.end.saturating_sub(range.start), Ordering::Relaxed);
        self.object.read(range)
    }

    fn read_whole(&self, buffer: &mut Vec<u8>) -> Result<()> {
        self.bytes.fetch_add(self.len(), Ordering::Relaxed);
        self.object.read_whole(buffer)
    }

    /// Not pinned: bytes that are read through a map would not be counted.
    fn pin(&self) -> Result<Option<Arc<Pinned>>> {
        Ok(None)
    }

    fn check_unchanged(&self) -> Result<()> {
        self.object.check_unchanged()
    }

    fn check_listed(&self) -> Result<()> {
        self.object.check_listed()
    }

    fn version(&self) -> Option<ObjectVersion> {
        self.object.version()
    }

    fn is_remote(&self) -> bool {
        self.object.is_remote()
    }

    fn tail(&self) -> u64 {
        self.object.tail()
    }

    fn prefetch_footer(&self) {
        self.object.prefetch_footer();
    }

    fn prefetch(&self, wanted: &[Range<u64>]) {
        self.object.prefetch(wanted);
    }

    fn evict(&self, done: &[Range<u64>]) {
        self.object.evict(done);
    }

    fn traffic(&self) -> Option<Traffic> {
        self.object.traffic()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use super::*;
    use crate::checks::CheckId;
    use crate::checks::raw::exchange::Request;
    use crate::pipeline::{Checks, RunOptions, RunReport, run, run_on};
    use crate::progress::NoProgress;
    use crate::sample::{self, Layout};

    /// Executors in this process: what they get and give goes through bytes.
    #[derive(Default)]
    struct Here {
        splits: Mutex<Vec<Vec<u8>>>,
        checking: Mutex<Vec<u8>>,
        asked: Mutex<usize>,
    }

    impl Executors for Here {
        fn ask(&self, request: &Request) -> Result<Vec<Vec<u8>>> {
            *self.asked.lock().unwrap() += 1;
            let checking = Checking::from_bytes(&self.checking.lock().unwrap())?;
            let mut by_range: BTreeMap<u32, Vec<Vec<u8>>> = BTreeMap::new();
            for split in &*self.splits.lock().unwrap() {
                let split = Split::from_bytes(split)?;
                let rows = split.ranges().iter().map(|range| range.to - range.from).sum();
                for pass in 0..request.passes(rows)? {
                    for (range, record) in
                        checking.answer(&split, &split.open()?, request, pass, &NoProgress)?
                    {
                        by_range.entry(range).or_default().push(record);
                    }
                }
            }
            by_range.into_iter().rev().map(|(range, records)| request.reduce(range, &records)).collect()
        }
    }

    impl Cluster for Here {
        fn sizes(&self) -> SplitSizes {
            SplitSizes { most: 5, least_bytes: 1, most_bytes: u64::MAX }
        }

        fn config(&self) -> Option<(String, String)> {
            None
        }

        fn gather(&self, splits: &Splits, checking: Option<&Checking>) -> Result<Gathered> {
            let splits = &splits.splits;
            *self.splits.lock().unwrap() = splits.iter().map(Split::to_bytes).collect::<Result<_>>()?;
            if let Some(checking) = checking {
                *self.checking.lock().unwrap() = checking.to_bytes()?;
            }
            let of = |split: &Split| Gathered::of(split, &split.open()?, checking, &NoProgress)?.to_bytes();
            let parts: Vec<Vec<u8>> = splits.iter().rev().map(of).collect::<Result<_>>()?;
            let mut parts = parts.iter().map(|bytes| Gathered::from_bytes(bytes));
            let first = parts.next().unwrap()?;
            parts.try_fold(first, |all, part| all.merge(part?))
        }

        fn explain(&self, _: &Job, _: &Partial) -> Result<()> {
            Ok(())
        }
    }

    /// Executors that have read the files before one of them is changed.
    struct Before<'c> {
        here: Here,
        change: &'c (dyn Fn() + Sync),
    }

    impl Executors for Before<'_> {
        fn ask(&self, request: &Request) -> Result<Vec<Vec<u8>>> {
            self.here.ask(request)
        }
    }

    impl Cluster for Before<'_> {
        fn sizes(&self) -> SplitSizes {
            self.here.sizes()
        }

        fn config(&self) -> Option<(String, String)> {
            None
        }

        fn gather(&self, splits: &Splits, checking: Option<&Checking>) -> Result<Gathered> {
            let gathered = self.here.gather(splits, checking)?;
            // Times of two changes within one tick are the same.
            std::thread::sleep(std::time::Duration::from_millis(20));
            (self.change)();
            Ok(gathered)
        }

        fn explain(&self, _: &Job, _: &Partial) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_file_that_changes_after_the_executors_have_read_it_is_not_published() {
        let folder = tempfile::tempdir().unwrap();
        let (source, other) = (folder.path().join("rows.parquet"), folder.path().join("other.parquet"));
        let options = sample::Options { rows: 20_000, layout: Layout::Export, seed: 1 };
        sample::write(&options, &other, &NoProgress).unwrap();
        let bytes = std::fs::read(&other).unwrap();
        type Change<'a> = (&'static str, &'a (dyn Fn() + Sync));
        let changes: [Change<'_>; 5] = [
            ("", &|| {}),
            ("its times or its inode differ", &|| std::fs::write(&source, &bytes).unwrap()),
            ("its times or its inode differ", &|| {
                let time = std::fs::metadata(&source).unwrap().modified().unwrap();
                std::fs::copy(&other, folder.path().join("new")).unwrap();
                let new = std::fs::File::options().write(true).open(folder.path().join("new")).unwrap();
                new.set_modified(time).unwrap();
                std::fs::rename(folder.path().join("new"), &source).unwrap();
            }),
            ("and has 5", &|| std::fs::write(&source, "short").unwrap()),
            ("was removed", &|| std::fs::remove_file(&source).unwrap()),
        ];
        for (what, change) in changes {
            std::fs::copy(&other, &source).unwrap();
            let target = folder.path().join("out/t.parquet");
            let options = RunOptions {
                sources: vec![source.to_string_lossy().into_owned()],
                target: Some(target.to_string_lossy().into_owned()),
                checks: Checks::Off,
                ..RunOptions::default()
            };
            std::fs::create_dir_all(folder.path().join("out")).unwrap();
            let ran = run_on(&options, &Before { here: Here::default(), change }, &NoProgress);
            if what.is_empty() {
                ran.unwrap();
                std::fs::remove_dir_all(folder.path().join("out")).unwrap();
                continue;
            }
            let error = ran.err().unwrap();
            assert!(matches!(error, Error::Data(_)) && error.to_string().contains(what), "{error}");
            assert!(!target.exists(), "{what}");
        }
    }

    fn outcomes(report: &RunReport) -> Vec<String> {
        report.outcomes.iter().map(|outcome| serde_json::to_string(outcome).unwrap()).collect()
    }

    #[test]
    fn executors_give_what_one_machine_gives_and_the_driver_reads_footers() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("rows");
        std::fs::create_dir(&source).unwrap();
        let options = sample::Options { rows: 300_000, layout: Layout::Export, seed: 1 };
        sample::write(&options, &source.join("a.parquet"), &NoProgress).unwrap();
        let once = source.join("a.parquet").to_string_lossy().into_owned();
        let twice = source.to_string_lossy().into_owned();
        let bytes = std::fs::copy(source.join("a.parquet"), source.join("b.parquet")).unwrap();
        let facts = "[time]\ndate = 'start_date'\n[users]\ncolumn = 'value'\n[channel]\ncolumn = 'name'\n\
                     organic = ['Organic']\n[dimensions.country]\n[dimensions.os]\ncolumn = 'os_name'\ntotal = 'all'";
        let profile = crate::Profile::parse(facts, "test").unwrap();
        let by_os = Job { profile, by: vec!["os".into()], ..Job::default() };
        // The rows are there once, and twice: then they are compared with one another.
        for (name, job, sources) in [
            ("once", Job::default(), once),
            ("twice", Job::default(), twice.clone()),
            ("by os", by_os, twice),
        ] {
            let options = |target: &str| RunOptions {
                job: job.clone(),
                sources: vec![sources.clone()],
                target: Some(format!("{}/{name} {target}/", folder.path().display())),
                checks: Checks::WarnOnly,
                ..RunOptions::default()
            };
            let mut expected = run(&options("here"), &NoProgress).unwrap();
            // The driver has no rows to explain changes by.
            expected.report.charts.why.clear();
            let here = Here::default();
            let found = run_on(&options("there"), &here, &NoProgress).unwrap();
            assert_eq!(outcomes(&found.report), outcomes(&expected.report), "{name}");
            assert_eq!(found.table.unwrap(), expected.table.unwrap(), "{name}");
            assert_eq!(found.report.account, expected.report.account);
            assert_eq!(found.report.charts, expected.report.charts);
            let duplicates =
                found.report.outcomes.iter().find(|o| o.check == CheckId::DuplicateRows).unwrap();
            assert_eq!(duplicates.observed.unwrap() > 0.0, name != "once", "{name}");
            assert!(*here.asked.lock().unwrap() > 0, "{name}");
            // The tail of each file, where the footer is.
            let read = found.report.driver_bytes.unwrap();
            assert!(0 < read && read <= 2 * ((64 << 10) + 8) && read < bytes, "{name}: {read} of {bytes}");
            assert_eq!(expected.report.driver_bytes, None);
        }
    }
}
