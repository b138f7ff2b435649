//! The change of a share by channel: the native part of `rollshare.why`.

use arrow2::array::{Array, BooleanArray, PrimitiveArray, StructArray, Utf8Array};
use arrow2::datatypes::{DataType, Field};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use super::errors::raise;
use super::job::PyJob;
use super::partial::PyPartial;
use super::{capsule, work};
use crate::why::{Change, Contribution, Explanation, explain, job_of};
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

/// The columns of the channels.
fn fields() -> Field {
    let of = |name: &str, of: DataType| Field::new(name, of, false);
    let columns = vec![
        of("channel", DataType::Utf8),
        of("organic", DataType::Boolean),
        of("users_before", DataType::Float64),
        of("users", DataType::Float64),
        of("contribution", DataType::Float64),
    ];
    Field::new("", DataType::Struct(columns), false)
}

/// The channels of the JSON of `explain_change` as an Arrow stream of one record batch.
#[pyfunction]
pub fn contributions_stream<'py>(py: Python<'py>, json: &str) -> PyResult<Bound<'py, PyCapsule>> {
    let found: Explanation =
        serde_json::from_str(json).map_err(|e| raise(py, Error::internal(e.to_string())))?;
    let rows = &found.channels;
    let numbers = |of: fn(&Contribution) -> f64| -> Box<dyn Array> {
        PrimitiveArray::from_vec(rows.iter().map(of).collect()).boxed()
    };
    let columns = vec![
        Utf8Array::<i32>::from_iter_values(rows.iter().map(|row| &row.channel)).boxed(),
        BooleanArray::from_iter(rows.iter().map(|row| Some(row.organic))).boxed(),
        numbers(|row| row.users_before),
        numbers(|row| row.users),
        numbers(|row| row.contribution),
    ];
    let field = fields();
    let batch = StructArray::new(field.data_type.clone(), columns, None).boxed();
    capsule::export_stream(py, vec![batch], field)
}

/// The Arrow schema of `contributions_stream`.
#[pyfunction]
pub fn contributions_schema(py: Python<'_>) -> PyResult<Bound<'_, PyCapsule>> {
    capsule::export_schema(py, &fields())
}
