//! The change of a share by channel: the native part of `rollshare.why`.

use pyo3::prelude::*;

use super::errors::raise;
use super::job::PyJob;
use super::partial::PyPartial;
use super::work;
use crate::why::{Change, explain, job_of};
use crate::{Error, Result};

/// The job whose sums `explain_change` needs.
#[pyfunction]
pub fn job_of_change(py: Python<'_>, job: &PyJob) -> PyResult<PyJob> {
    job_of(&job.0).map(PyJob).map_err(|e| raise(py, e))
}

/// Explain the change of a share. Returns JSON, and the text that the program prints.
#[pyfunction]
#[pyo3(signature = (partial, key, period, against))]
pub fn explain_change(
    py: Python<'_>,
    partial: &PyPartial,
    key: String,
    period: Option<String>,
    against: &str,
) -> PyResult<(String, String)> {
    let parsed: Result<_> = against.parse();
    let change = Change { key, period, against: parsed.map_err(|e| raise(py, e))? };
    let (job, sums) = (&partial.job, &partial.sums);
    let found = work::small(py, || explain(job, sums, &change))?;
    let json = serde_json::to_string(&found).map_err(|e| raise(py, Error::internal(e.to_string())))?;
    Ok((json, found.text()))
}
