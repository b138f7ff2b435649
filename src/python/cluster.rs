//! Runs on a cluster: the driver's side, whose executors Python starts, and the tasks of the executors.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::errors::raise;
use super::job::PyJob;
use super::partial::PyPartial;
use super::pipeline::{PyReport, PyView, options, view};
use super::work;
use crate::checks::raw::exchange::{Executors, Request};
use crate::checks::raw::split::Checking;
use crate::grid::Partial;
use crate::pipeline::RunOptions;
use crate::pipeline::cluster::{Cluster, Gathered, SplitSizes};
use crate::pipeline::pieces::Pieces;
use crate::report::model::{ClusterPart, ClusterStage};
use crate::scan::split::{Opened, Piece, Split, Splits};
use crate::{Error, Job, Result, pipeline, scan, storage};

/// The executors that a Python object starts. Its methods `gather(splits, checking, rows, bytes)` and `ask(request, name)`
/// take and return bytes; `explain(partial)` returns a message or `None`; `used()` says what the jobs used.
struct PyCluster {
    executors: Py<PyAny>,
    sizes: SplitSizes,
    pieces: Option<Pieces>,
    config: Option<(String, String)>,
    /// The exception of a method, which the driver raises.
    raised: Mutex<Option<PyErr>>,
}

impl PyCluster {
    fn call<T>(&self, call: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T>) -> Result<T> {
        Python::attach(|py| call(self.executors.bind(py))).map_err(|error| {
            *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            // No step of the pipeline goes on after it.
            Error::Interrupted
        })
    }
}

impl Executors for PyCluster {
    fn ask(&self, request: &Request) -> Result<Vec<Vec<u8>>> {
        let (bytes, name) = (request.to_bytes()?, request.name());
        self.call(|executors| {
            executors.call_method1("ask", (PyBytes::new(executors.py(), &bytes), name))?.extract()
        })
    }
}

impl Cluster for PyCluster {
    fn sizes(&self) -> SplitSizes {
        self.sizes
    }

    fn pieces(&self) -> Option<&Pieces> {
        self.pieces.as_ref()
    }

    fn config(&self) -> Option<(String, String)> {
        self.config.clone()
    }

    fn used(&self) -> Result<ClusterPart> {
        type Used = (Option<u64>, Vec<(String, u64, f64)>);
        let (executors, stages): Used = self.call(|executors| executors.call_method0("used")?.extract())?;
        let stage = |(name, tasks, seconds)| ClusterStage { name, tasks, seconds };
        let stages: Vec<ClusterStage> = stages.into_iter().map(stage).collect();
        let tasks = stages.iter().map(|stage| stage.tasks).sum();
        Ok(ClusterPart { executors, tasks, stages, ..ClusterPart::default() })
    }

    fn gather(&self, splits: &Splits, checking: Option<&Checking>) -> Result<Gathered> {
        let (rows, compressed) = (splits.rows, splits.bytes);
        let splits: Vec<Vec<u8>> = splits.splits.iter().map(Split::to_bytes).collect::<Result<_>>()?;
        let checking = checking.map(Checking::to_bytes).transpose()?;
        let gathered: Vec<u8> = self.call(|executors| {
            let py = executors.py();
            let splits: Vec<Bound<'_, PyBytes>> =
                splits.iter().map(|split| PyBytes::new(py, split)).collect();
            let checking = checking.as_ref().map(|bytes| PyBytes::new(py, bytes));
            executors.call_method1("gather", (splits, checking, rows, compressed))?.extract()
        })?;
        Gathered::from_bytes(&gathered)
    }

    fn explain(&self, job: &Job, sums: &Partial) -> Result<()> {
        let partial = PyPartial::bytes(job, sums, None)?;
        let why: Option<String> = self.call(|executors| {
            executors.call_method1("explain", (PyBytes::new(executors.py(), &partial),))?.extract()
        })?;
        why.map_or(Ok(()), |why| Err(Error::data(why)))
    }
}

/// The footer of all pieces of a frame; of each piece its rows, its length and its CRC-32.
type PyPieces = (Vec<u8>, Vec<(u64, u64, u32)>);

/// As `run`; `executors` read the rows, in at most `most` splits unless they are too large, or those of a frame.
#[pyfunction]
#[pyo3(signature = (executors, sizes, sources, job, target = None, checks = "block", config_file = None,
                    allow_restatement = None, allow_empty = false, csv_safe = false, threads = None,
                    pieces = None, part = None))]
#[allow(clippy::too_many_arguments)]
pub fn run_cluster(
    py: Python<'_>,
    executors: Py<PyAny>,
    sizes: (usize, u64, u64),
    sources: Vec<String>,
    job: &PyJob,
    target: Option<String>,
    checks: &str,
    config_file: Option<String>,
    allow_restatement: Option<Vec<(String, String)>>,
    allow_empty: bool,
    csv_safe: bool,
    threads: Option<usize>,
    pieces: Option<PyPieces>,
    part: Option<PyView>,
) -> PyResult<PyReport> {
    let prepare = || {
        let text = |name: String| Ok::<_, Error>((storage::read_text("the checks", &name)?, name));
        let config = config_file.clone().map(text).transpose()?.map(|(text, name)| (name, text));
        let file = config_file.map(Into::into);
        let options = options(sources, job, target, checks, file, allow_restatement, allow_empty, csv_safe)?;
        Ok((RunOptions { view: view(part), ..options }, config))
    };
    let (options, config) = prepare().map_err(|e| raise(py, e))?;
    let (most, least_bytes, most_bytes) = sizes;
    let sizes = SplitSizes { most, least_bytes, most_bytes };
    let piece = |(rows, bytes, crc32)| Piece { rows, bytes, crc32 };
    let pieces =
        pieces.map(|(footer, pieces)| Pieces { footer, pieces: pieces.into_iter().map(piece).collect() });
    let cluster = PyCluster { executors, sizes, pieces, config, raised: Mutex::default() };
    let ran = work::large(py, threads, |threads, progress| {
        scan::pool(threads.unwrap_or(0))?
            .install(|| pipeline::run_on(&options, &cluster, progress).map(PyReport::of))
    });
    match cluster.raised.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => ran,
    }
}

/// Sum a split and gather the evidence of its rows, on one thread. `piece` are the bytes of a piece of a frame.
#[pyfunction]
#[pyo3(signature = (split, checking = None, piece = None))]
pub fn gather_split<'py>(
    py: Python<'py>,
    split: &[u8],
    checking: Option<&[u8]>,
    piece: Option<Vec<u8>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let bytes = on_one_thread(py, |progress| {
        let checking = checking.map(Checking::from_bytes).transpose()?;
        let split = Split::from_bytes(split)?;
        Gathered::of(&split, &opened(&split, piece)?, checking.as_ref(), progress)?.to_bytes()
    })?;
    Ok(PyBytes::new(py, &bytes))
}

fn opened(split: &Split, piece: Option<Vec<u8>>) -> Result<Vec<Opened>> {
    piece.map_or_else(|| split.open(), |bytes| split.open_piece(bytes))
}

/// Merge what was gathered of some splits.
#[pyfunction]
pub fn merge_gathered<'py>(py: Python<'py>, one: &[u8], other: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let bytes =
        work::small(py, || Gathered::from_bytes(one)?.merge(Gathered::from_bytes(other)?)?.to_bytes())?;
    Ok(PyBytes::new(py, &bytes))
}

/// The passes in which a split answers a question.
#[pyfunction]
pub fn answer_passes(py: Python<'_>, split: &[u8], request: &[u8]) -> PyResult<u64> {
    work::small(py, || {
        let rows = Split::from_bytes(split)?.ranges().iter().map(|range| range.to - range.from).sum();
        Request::from_bytes(request)?.passes(rows)
    })
}

/// Answer a question for the rows of a split, in one of the passes: records, each with the number of its range.
#[pyfunction]
#[pyo3(signature = (split, checking, request, number, piece = None))]
pub fn answer_split<'py>(
    py: Python<'py>,
    split: &[u8],
    checking: &[u8],
    request: &[u8],
    number: u64,
    piece: Option<Vec<u8>>,
) -> PyResult<Vec<(u32, Bound<'py, PyBytes>)>> {
    let answer = on_one_thread(py, |progress| {
        let (split, request) = (Split::from_bytes(split)?, Request::from_bytes(request)?);
        let opened = opened(&split, piece)?;
        Checking::from_bytes(checking)?.answer(&split, &opened, &request, number, progress)
    })?;
    Ok(answer.into_iter().map(|(range, record)| (range, PyBytes::new(py, &record))).collect())
}

/// Judge a range of which these are the records of all splits.
#[pyfunction]
pub fn reduce_range<'py>(
    py: Python<'py>,
    request: &[u8],
    range: u32,
    records: Vec<Bound<'py, PyBytes>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let records: Vec<&[u8]> = records.iter().map(|record| record.as_bytes()).collect();
    let record = work::small(py, || Request::from_bytes(request)?.reduce(range, &records))?;
    Ok(PyBytes::new(py, &record))
}

/// Runs the work of a task. The process-wide pool is not used: after a fork it has no threads.
fn on_one_thread<T: Send>(
    py: Python<'_>,
    task: impl FnOnce(&dyn scan::Progress) -> Result<T> + Send,
) -> PyResult<T> {
    work::large(py, Some(1), |_, progress| scan::pool(1)?.install(|| task(progress)))
}
