//! `Partial`: the sums of some rows.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use super::columns::ColumnFrame;
use super::errors::raise;
use super::job::PyJob;
use super::shares::PyShares;
use super::{capsule, work};
use crate::frame::members::of_frame;
use crate::frame::{Plan, Source, Sum, plan_or_empty};
use crate::grid::{Account, Partial};
use crate::pipeline::pieces::FRAME;
use crate::scan::members::{self, Members};
use crate::scan::{self, Options, organic, scan};
use crate::storage::{Input, MemoryObject, SourcePaths, discover};
use crate::text::Texts;
use crate::{Error, Job, Result, Semantics, table};

/// The exact sums of some rows. Partials can be merged in any order and pickled.
#[pyclass(name = "Partial", module = "rollshare", frozen)]
pub struct PyPartial {
    pub(super) job: Job,
    pub(super) sums: Arc<Partial>,
    pub(super) source_paths: Arc<SourcePaths>,
    /// The channels of rows of which none is organic; `None` where they are not known.
    channels: Option<Members>,
}

/// The first bytes of a serialised partial aggregate; the number is the version.
const MAGIC: &[u8] = b"rollshare partial 3\n";

impl PyPartial {
    pub(super) fn new(job: Job, sums: Partial) -> Self {
        PyPartial { job, sums: Arc::new(sums), source_paths: Arc::default(), channels: None }
    }

    pub(super) fn bytes(job: &Job, sums: &Partial, channels: Option<&Members>) -> Result<Vec<u8>> {
        let mut bytes = MAGIC.to_vec();
        serde_json::to_writer(&mut bytes, &(job, sums, channels))
            .map_err(|e| Error::internal(format!("cannot serialise: {e}")))?;
        Ok(bytes)
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let body = bytes.strip_prefix(MAGIC).ok_or_else(|| {
            let begin = String::from_utf8_lossy(bytes.get(..MAGIC.len()).unwrap_or(bytes)).into_owned();
            Error::format(format!("a partial aggregate that begins with '{}'", begin.escape_debug()))
                .expected("'rollshare partial 3'")
                .advice("It is from another version, or is not a partial aggregate")
        })?;
        let (job, sums, channels): (Job, Partial, Option<Members>) = serde_json::from_slice(body)
            .map_err(|e| Error::format(format!("a damaged partial aggregate: {e}")))?;
        sums.check()?;
        Ok(PyPartial { channels, ..PyPartial::new(job.validated()?, sums) })
    }
}

/// Whether there are rows, but none of them counts.
fn is_left_out(job: &Job, sums: &Partial) -> bool {
    let account = &sums.chosen().account;
    job.semantics == Semantics::Iso && account.rows > 0 && account.kept() == 0
}

/// The error of rows of which none counts, or none is organic although the job names organic channels.
fn explain(job: &Job, sums: &Partial, members: &dyn Fn(&str) -> Option<Members>) -> Result<()> {
    let sums = sums.chosen();
    if is_left_out(job, sums) {
        return Err(scan::nothing::error(job, sums, members));
    }
    if organic::is_in_doubt(job, sums)
        && let Some(channels) = members(job.profile.channel.column.as_deref().unwrap_or_default())
    {
        organic::check(job, Some(&channels))?;
    }
    Ok(())
}

/// As [`explain`], of files.
fn explain_inputs(job: &Job, sums: &Partial, inputs: &[Input], is_sample: bool) -> Result<()> {
    let is_in_doubt = organic::is_in_doubt(job, sums);
    let first = scan::nothing::members_of_files(inputs);
    explain(job, sums, &|column| {
        let found = match is_in_doubt {
            true => members::of_files(inputs, column, u64::MAX).ok(),
            false => first(column),
        };
        found.map(|mut found| {
            found.is_sample |= is_sample;
            found
        })
    })
}

/// The account as a dict, in the order of its reasons.
pub fn account<'py>(py: Python<'py>, account: &Account) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("rows", account.rows)?;
    dict.set_item("kept", account.kept())?;
    dict.set_item("dropped", account.dropped())?;
    for (name, _, count, _) in account.reasons() {
        dict.set_item(name, count)?;
    }
    Ok(dict)
}

#[pymethods]
impl PyPartial {
    /// The job of these sums.
    #[getter]
    fn job(&self) -> PyJob {
        PyJob(self.job.clone())
    }

    /// Rows by outcome.
    #[getter]
    fn account<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        account(py, &self.sums.chosen().account)
    }

    /// The share table of these rows, as a `rollshare.Shares`; an error where there are rows, but none counts.
    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let table = work::small(py, || {
            let table = table::finish(&self.job, &self.sums)?;
            if table.rows() == 0 {
                explain(&self.job, &self.sums, &|_| None)?;
            } else if organic::is_in_doubt(&self.job, &self.sums)
                && let Some(channels) = &self.channels
            {
                organic::check(&self.job, Some(channels).filter(|channels| !channels.is_empty()))?;
            }
            Ok(table)
        })?;
        PyShares::new(self.job.clone(), self.sums.clone(), table, self.source_paths.clone()).into_public(py)
    }

    /// The sums as bytes, for [`from_bytes`] of the same version.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = work::small(py, || Self::bytes(&self.job, &self.sums, self.channels.as_ref()))?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Read the sums that `to_bytes` wrote.
    #[staticmethod]
    fn from_bytes(py: Python<'_>, data: &[u8]) -> PyResult<Self> {
        Self::parse(data).map_err(|e| raise(py, e))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        let py = slf.py();
        Ok((slf.get_type().getattr("from_bytes")?, (slf.get().to_bytes(py)?,)))
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.job == other.job && self.sums == other.sums
    }

    /// Whether only the values of columns tell that these sums are those of a mistake: no row counts, or no user is
    /// organic although the job names organic channels.
    fn is_in_doubt(&self) -> bool {
        is_left_out(&self.job, &self.sums) || organic::is_in_doubt(&self.job, &self.sums)
    }

    /// The same sums, of rows of these channels, of which none is organic. `finish` reports it, unless it merges
    /// with sums of other rows.
    fn without_organic(&self, channels: Vec<(Option<String>, u64)>) -> Self {
        PyPartial {
            job: self.job.clone(),
            sums: self.sums.clone(),
            source_paths: self.source_paths.clone(),
            channels: Some(members_of(channels)),
        }
    }

    fn __repr__(&self) -> String {
        let sums = &self.sums;
        let sums = sums.chosen();
        format!(
            "<Partial of {} rows: {} keys, {} points in time>",
            sums.account.rows,
            sums.kept.iter().filter(|k| **k).count(),
            sums.times.len()
        )
    }
}

/// Channels and their rows.
fn members_of(channels: Vec<(Option<String>, u64)>) -> Members {
    let mut members = Members::default();
    channels.iter().for_each(|(name, rows)| members.add(name.as_deref().map(str::as_bytes), *rows));
    members
}

/// Fail where the sums of a frame are those of a mistake; the frame is passed as to `partial_frame`.
#[pyfunction]
pub fn explain_frame(py: Python<'_>, capsules: &Bound<'_, PyAny>, partial: &PyPartial) -> PyResult<()> {
    let mut stream = capsule::import(capsules)?;
    let (job, sums) = (&partial.job, &partial.sums);
    work::small(py, || {
        let plan = Plan::new(job, stream.fields())?;
        let members = of_frame(&plan, &mut stream)?;
        explain(job, sums, &|column| members.get(column).cloned())
    })
}

/// As `explain_frame`; the frame is passed as to `partial_columns`.
#[pyfunction]
pub fn explain_columns(
    py: Python<'_>,
    columns: Vec<(String, Bound<'_, PyAny>)>,
    rows: usize,
    partial: &PyPartial,
) -> PyResult<()> {
    let mut frame = ColumnFrame::new(&columns, rows)?;
    let (job, sums) = (&partial.job, &partial.sums);
    work::small(py, || {
        let plan = Plan::new(job, frame.fields())?;
        let members = of_frame(&plan, &mut frame)?;
        explain(job, sums, &|column| members.get(column).cloned())
    })
}

/// As `explain_frame`, for the files of which all rows were summed.
#[pyfunction]
pub fn explain_files(py: Python<'_>, sources: Vec<String>, partial: &PyPartial) -> PyResult<()> {
    let (job, sums) = (&partial.job, &partial.sums);
    work::large(py, Some(1), |_, _| {
        scan::pool(1)?.install(|| {
            let discovery = discover(&sources, job.semantics)?;
            explain_inputs(job, sums, &discovery.inputs, false)
        })
    })
}

/// As `explain_files`, for pieces of a frame: all of them, or a sample.
#[pyfunction]
pub fn explain_pieces(
    py: Python<'_>,
    pieces: Vec<Vec<u8>>,
    is_sample: bool,
    partial: &PyPartial,
) -> PyResult<()> {
    let (job, sums) = (&partial.job, &partial.sums);
    let input = |bytes| Input { object: Arc::new(MemoryObject::new(FRAME, bytes)), partitions: vec![] };
    let inputs: Vec<Input> = pieces.into_iter().map(input).collect();
    work::large(py, Some(1), |_, _| scan::pool(1)?.install(|| explain_inputs(job, sums, &inputs, is_sample)))
}

/// Merge partial aggregates of one job.
#[pyfunction]
pub fn merge(py: Python<'_>, parts: Vec<PyRef<'_, PyPartial>>) -> PyResult<PyPartial> {
    // Channels are those of all rows only where those of all parts are known.
    let known: Option<Vec<&Members>> = parts.iter().map(|part| part.channels.as_ref()).collect();
    let channels = known.map(|known| {
        let mut all = Members::default();
        known.into_iter().for_each(|channels| all.merge(channels));
        all
    });
    let parts: Vec<(Job, Arc<Partial>)> = parts.iter().map(|p| (p.job.clone(), p.sums.clone())).collect();
    work::small(py, || {
        let mut parts = parts.into_iter();
        let (job, first) = parts
            .next()
            .ok_or_else(|| Error::argument("no partial aggregate to merge").expected("at least one"))?;
        let mut sums = Arc::unwrap_or_clone(first);
        for (other, part) in parts {
            if other != job {
                return Err(Error::argument("partial aggregates of different jobs")
                    .expected("one job")
                    .advice("Make all of them with the same options"));
            }
            sums = sums.merge(Arc::unwrap_or_clone(part))?;
        }
        Ok(PyPartial { channels, ..PyPartial::new(job, sums) })
    })
}

/// Sum parquet files. With `whole`, files with rows of which none counts are an error that lists members.
#[pyfunction]
#[pyo3(signature = (sources, job, threads = None, whole = false))]
pub fn read_parquet(
    py: Python<'_>,
    sources: Vec<String>,
    job: &PyJob,
    threads: Option<usize>,
    whole: bool,
) -> PyResult<PyPartial> {
    let job = job.0.clone();
    let (sums, source_paths) = work::large(py, threads, |threads, progress| {
        // Listing runs in the pool of this call; a process-wide pool would not survive a fork.
        let mut discovery = match sources.as_slice() {
            [one] if std::path::Path::new(one).is_file() => discover(&sources, job.semantics)?,
            _ => scan::pool(threads.unwrap_or(0))?.install(|| discover(&sources, job.semantics))?,
        };
        let options = Options { threads, ..Options::default() };
        let texts = Texts::find(&job, false, &mut discovery.inputs)?;
        if !texts.is_empty() {
            scan::pool(threads.unwrap_or(0))?.install(|| texts.convert(progress))?;
        }
        let summed = match threads {
            Some(1) => scan::pool(1)?.install(|| scan(&job, &discovery.inputs, &options, progress)),
            _ => scan(&job, &discovery.inputs, &options, progress),
        };
        let (sums, _) = summed.map_err(|error| texts.locate(error))?;
        if whole {
            explain_inputs(&job, &sums, &discovery.inputs, false)?;
        }
        Ok((sums, discovery.source_paths))
    })?;
    Ok(PyPartial { source_paths: Arc::new(source_paths), ..PyPartial::new(job, sums) })
}

fn sum<S: Source>(
    py: Python<'_>,
    job: &Job,
    plan: Result<Plan>,
    mut source: S,
    threads: Option<usize>,
) -> PyResult<PyPartial> {
    let threads = work::threads(threads).map_err(|e| raise(py, e))?;
    let opened = work::small(py, || {
        let Some(plan) = plan_or_empty(plan, &mut source)? else { return Ok(None) };
        let job = plan.job().clone();
        let mut sum = Sum::new(plan, source);
        let small = sum.buffer_small()?;
        Ok(Some((sum, job, small)))
    })?;
    let Some((sum, job, small)) = opened else {
        let job = job.clone().validated().map_err(|e| raise(py, e))?;
        return Ok(PyPartial::new(job, Partial::default()));
    };
    let sums = if small {
        work::small(py, || sum.run(Some(1), work::UNINTERRUPTED))?
    } else {
        work::large(py, threads, |threads, progress| sum.run(threads, progress))?
    };
    Ok(PyPartial::new(job, sums))
}

/// Fail unless an Arrow stream has the columns of a job.
#[pyfunction]
#[pyo3(signature = (capsules, job))]
pub fn check_frame(py: Python<'_>, capsules: &Bound<'_, PyAny>, job: &PyJob) -> PyResult<()> {
    let stream = capsule::import(capsules)?;
    Plan::new(&job.0, stream.fields()).map(|_| ()).map_err(|e| raise(py, e))
}

/// Sum a frame that is passed as an Arrow stream, or as a pair of schema and array.
#[pyfunction]
#[pyo3(signature = (capsules, job, threads = None))]
pub fn partial_frame(
    py: Python<'_>,
    capsules: &Bound<'_, PyAny>,
    job: &PyJob,
    threads: Option<usize>,
) -> PyResult<PyPartial> {
    let stream = capsule::import(capsules)?;
    let plan = Plan::new(&job.0, stream.fields());
    sum(py, &job.0, plan, stream, threads)
}

/// Sum a frame that is passed column by column; `columns.rs` describes a column.
#[pyfunction]
#[pyo3(signature = (columns, rows, job, threads = None))]
pub fn partial_columns(
    py: Python<'_>,
    columns: Vec<(String, Bound<'_, PyAny>)>,
    rows: usize,
    job: &PyJob,
    threads: Option<usize>,
) -> PyResult<PyPartial> {
    let frame = ColumnFrame::new(&columns, rows)?;
    let plan = Plan::new(&job.0, frame.fields());
    sum(py, &job.0, plan, frame, threads)
}
