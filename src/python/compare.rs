//! The comparison with the output of an old job: the native part of `rollshare.compare`.

use pyo3::prelude::*;

use super::errors::raise;
use super::job::PyJob;
use super::work;
use crate::scan::{self, Options};
use crate::{Error, compare as comparison};

/// Compare with the output of an old job. Returns JSON, and the text that the program prints.
#[pyfunction]
#[pyo3(signature = (sources, against, job, threads = None))]
pub fn compare(
    py: Python<'_>,
    sources: Vec<String>,
    against: String,
    job: &PyJob,
    threads: Option<usize>,
) -> PyResult<(String, String)> {
    let job = job.0.clone();
    let found = work::large(py, threads, |threads, progress| {
        scan::pool(threads.unwrap_or(0))?.install(|| {
            let options = Options { threads, ..Options::default() };
            comparison::compare(&job, &sources, &against, &options, progress)
        })
    })?;
    let json = serde_json::to_string(&found).map_err(|e| raise(py, Error::internal(e.to_string())))?;
    Ok((json, comparison::text(&found)))
}
