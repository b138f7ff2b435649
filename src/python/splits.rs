//! Functions for Spark: splits of files for its executors, and sums of groups that
//! Spark has summed itself.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::errors::raise;
use super::job::PyJob;
use super::partial::PyPartial;
use super::{capsule, work};
use crate::frame::field::Field;
use crate::frame::groups;
use crate::pipeline::cluster::no_text;
use crate::scan;
use crate::scan::split::{Split, plan};
use crate::storage::discover;

/// Splits, rows of all files, compressed bytes of the needed columns, notes of the listing.
type Planned<'py> = (Vec<Bound<'py, PyBytes>>, u64, u64, Vec<String>);

/// Cut parquet files into at most `most` splits of about equal cost.
#[pyfunction]
#[pyo3(signature = (sources, job, most, least, threads = None))]
pub fn plan_splits<'py>(
    py: Python<'py>,
    sources: Vec<String>,
    job: &PyJob,
    most: usize,
    least: u64,
    threads: Option<usize>,
) -> PyResult<Planned<'py>> {
    let job = job.0.clone();
    let (splits, rows, bytes, notes) = work::large(py, threads, |threads, _| {
        scan::pool(threads.unwrap_or(0))?.install(|| {
            let discovery = discover(&sources, job.semantics)?;
            no_text(&discovery.inputs)?;
            let splits = plan(&job, &discovery.inputs, most, least)?;
            let parts: Vec<Vec<u8>> =
                splits.splits.iter().map(Split::to_bytes).collect::<crate::Result<_>>()?;
            Ok((parts, splits.rows, splits.bytes, discovery.notes))
        })
    })?;
    Ok((splits.iter().map(|split| PyBytes::new(py, split)).collect(), rows, bytes, notes))
}

/// Sum one split, on one thread.
#[pyfunction]
pub fn scan_split(py: Python<'_>, split: &[u8]) -> PyResult<PyPartial> {
    let split = Split::from_bytes(split).map_err(|e| raise(py, e))?;
    // The process-wide pool is not used: after a fork it has no threads.
    let sums = work::large(py, Some(1), |_, progress| scan::pool(1)?.install(|| split.scan(progress)))?;
    Ok(PyPartial::new(split.job().clone(), sums))
}

/// Sum groups, which are Arrow streams, of values of Arrow type `format`; see `frame/groups.rs`. `totals` are groups of
/// total rows over systems, `others` those of the `others_rows` other rows, which count only where there are no totals.
#[pyfunction]
pub fn partial_groups(
    py: Python<'_>,
    totals: &Bound<'_, PyAny>,
    others: &Bound<'_, PyAny>,
    others_rows: u64,
    job: &PyJob,
    format: &str,
) -> PyResult<PyPartial> {
    let (totals, others) = (capsule::import(totals)?, capsule::import(others)?);
    let job = job.0.clone();
    let value = Field::new(job.columns().value, format, None);
    let sums = work::small(py, || {
        let value_type = value.value_type()?;
        let mut sums = groups::sum(&job, value_type, totals)?;
        sums.account.not_total_row += others_rows;
        sums.account.rows += others_rows;
        if !sums.is_met() && others_rows > 0 {
            sums.others.push((0, groups::sum(&job, value_type, others)?));
        }
        Ok(sums)
    })?;
    Ok(PyPartial::new(job, sums))
}
