//! `Job`: the options that define the share table, as a value.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use super::errors::raise;
use crate::job::{Columns, Grain, Job, Semantics};
use crate::{Error, Result};

/// The options that define the share table, as of `rollshare run`.
#[pyclass(name = "Job", module = "rollshare", frozen, eq, hash)]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PyJob(pub Job);

/// Extracts one value or an iterable of values; a string counts as one value.
fn several<'py, T: for<'a> FromPyObject<'a, 'py>>(what: &str, given: &Bound<'py, PyAny>) -> PyResult<Vec<T>>
where
    for<'a> <T as FromPyObject<'a, 'py>>::Error: Into<PyErr>,
{
    let bad = |e: PyErr| PyTypeError::new_err(format!("{what}: {e}"));
    if let Ok(one) = given.extract::<T>() {
        return Ok(vec![one]);
    }
    if given.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err(format!("{what}: a string was not expected")));
    }
    let mut all = Vec::new();
    for item in given.try_iter().map_err(bad)? {
        all.push(item?.extract::<T>().map_err(|e| bad(e.into()))?);
    }
    Ok(all)
}

fn choose<T: Copy>(option: &str, given: &str, choices: &[(&str, T)]) -> Result<T> {
    choices.iter().find(|(name, _)| *name == given).map(|(_, choice)| *choice).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        Error::argument(format!("{option} '{given}'")).expected(format!("one of {}", names.join(", ")))
    })
}

const SEMANTICS: [(&str, Semantics); 2] = [("iso", Semantics::Iso), ("legacy", Semantics::Legacy)];
const GRAINS: [(&str, Grain); 2] = [("week", Grain::Week), ("day", Grain::Day)];

fn name_of<T: PartialEq>(choice: &T, choices: &[(&'static str, T)]) -> &'static str {
    choices.iter().find(|(_, c)| c == choice).map_or("", |(name, _)| name)
}

const ROLES: [&str; 6] = ["name", "value", "year_week", "country", "os_name", "start_date"];

fn column<'c>(columns: &'c Columns, role: &str) -> &'c str {
    match role {
        "name" => &columns.name,
        "value" => &columns.value,
        "year_week" => &columns.year_week,
        "country" => &columns.country,
        "os_name" => &columns.os_name,
        _ => &columns.start_date,
    }
}

#[pymethods]
impl PyJob {
    #[new]
    #[pyo3(signature = (*, semantics = "iso", windows = None, details = false, grain = "week",
                        organic = None, country_total = "ALL", os_total = "all", columns = None))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        semantics: &str,
        windows: Option<&Bound<'_, PyAny>>,
        details: bool,
        grain: &str,
        organic: Option<&Bound<'_, PyAny>>,
        country_total: &str,
        os_total: &str,
        columns: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let mut job =
            Job { details, country_total: country_total.into(), os_total: os_total.into(), ..Job::default() };
        if let Some(windows) = windows {
            job.windows = several("windows", windows)?;
        }
        if let Some(organic) = organic {
            job.organic = several("organic", organic)?;
        }
        let renamed: Vec<(String, String)> = match columns {
            Some(columns) => columns
                .iter()
                .map(|(role, name)| Ok((role.extract::<String>()?, name.extract::<String>()?)))
                .collect::<PyResult<_>>()?,
            None => Vec::new(),
        };
        let finish = || -> Result<Job> {
            job.semantics = choose("semantics", semantics, &SEMANTICS)?;
            job.grain = choose("grain", grain, &GRAINS)?;
            for (role, name) in &renamed {
                job.columns().set(role, name)?;
            }
            job.validated()
        };
        finish().map(PyJob).map_err(|e| raise(py, e))
    }

    /// Which table to compute: ``"iso"`` or ``"legacy"``.
    #[getter]
    fn semantics(&self) -> &'static str {
        name_of(&self.0.semantics, &SEMANTICS)
    }

    /// Window lengths, ascending.
    #[getter]
    fn windows<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.0.windows)
    }

    /// Whether counts, bounds and change are added to each share.
    #[getter]
    fn details(&self) -> bool {
        self.0.details
    }

    /// Step of the time axis: ``"week"`` or ``"day"``.
    #[getter]
    fn grain(&self) -> &'static str {
        name_of(&self.0.grain, &GRAINS)
    }

    /// Channels that count as organic.
    #[getter]
    fn organic<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.0.organic)
    }

    /// The country that is the total over countries.
    #[getter]
    fn country_total(&self) -> &str {
        &self.0.country_total
    }

    /// The system that is the total over systems.
    #[getter]
    fn os_total(&self) -> &str {
        &self.0.os_total
    }

    /// The input column of each role.
    #[getter]
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let columns = PyDict::new(py);
        for role in ROLES {
            columns.set_item(role, column(&self.0.columns, role))?;
        }
        Ok(columns)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (_, given) = self.__getnewargs_ex__(py)?;
        let mut options = Vec::new();
        for (name, value) in given {
            options.push(format!("{name}={}", value.repr()?));
        }
        Ok(format!("Job({})", options.join(", ")))
    }

    /// `windows`, and the other options that differ from the defaults.
    fn __getnewargs_ex__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyDict>)> {
        let (job, default) = (&self.0, Job::default());
        let options = PyDict::new(py);
        if job.semantics != default.semantics {
            options.set_item("semantics", self.semantics())?;
        }
        options.set_item("windows", &job.windows)?;
        if job.details {
            options.set_item("details", true)?;
        }
        if job.grain != default.grain {
            options.set_item("grain", self.grain())?;
        }
        if job.organic() != default.organic {
            options.set_item("organic", &job.organic())?;
        }
        if job.country_total() != default.country_total {
            options.set_item("country_total", job.country_total())?;
        }
        if job.os_total() != default.os_total {
            options.set_item("os_total", job.os_total())?;
        }
        let renamed = PyDict::new(py);
        for role in ROLES {
            let (name, usual) = (column(job.columns(), role), column(&default.columns, role));
            if name != usual {
                renamed.set_item(role, name)?;
            }
        }
        if !renamed.is_empty() {
            options.set_item("columns", renamed)?;
        }
        Ok((PyTuple::empty(py), options))
    }
}
