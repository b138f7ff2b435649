//! `Profile`: what the columns of an export mean, as a value.

use std::hash::{Hash, Hasher};
use std::path::PathBuf;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use super::errors::raise;
use super::work;
use crate::infer::infer;
use crate::profile::Profile;
use crate::profile::read::BUNDLED;
use crate::storage::discover;
use crate::{Error, Result, Semantics};

/// What the columns of an export mean.
#[pyclass(name = "Profile", module = "rollshare", frozen, eq, hash)]
#[derive(Debug, Clone)]
pub struct PyProfile {
    profile: Profile,
    /// Its text with the evidence of each entry, where it was inferred. No part of the value.
    evidence: Option<String>,
}

impl From<Profile> for PyProfile {
    fn from(profile: Profile) -> Self {
        PyProfile { profile, evidence: None }
    }
}

impl PartialEq for PyProfile {
    fn eq(&self, other: &Self) -> bool {
        self.profile == other.profile
    }
}

impl Eq for PyProfile {}

impl Hash for PyProfile {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.profile.hash(state);
    }
}

/// Infer the profile of an export.
#[pyfunction]
#[pyo3(signature = (sources, called = None))]
pub fn infer_profile(py: Python<'_>, sources: Vec<String>, called: Option<&str>) -> PyResult<PyProfile> {
    let called = called.map_or_else(|| sources.join(" "), str::to_owned);
    work::large(py, None, |_, _| {
        let discovery = discover(&sources, Semantics::Iso)?;
        let inferred = infer(discovery.inputs, &called)?;
        Ok(PyProfile { profile: inferred.profile, evidence: Some(inferred.text) })
    })
}

/// A profile from a `Profile`, a dict, the text of TOML or of a JSON object, a bundled name, or a path.
pub fn profile(given: &Bound<'_, PyAny>) -> PyResult<Profile> {
    let py = given.py();
    if let Ok(profile) = given.cast::<PyProfile>() {
        return Ok(profile.get().profile.clone());
    }
    let parsed = |text: &str| Profile::parse(text, "profile").map_err(|e| raise(py, e));
    if let Ok(dict) = given.cast::<PyDict>() {
        return parsed(&toml(dict)?);
    }
    if let Ok(text) = given.cast::<PyString>() {
        let text: String = text.extract()?;
        if text.trim_start().starts_with('{') {
            let dict = py.import("json")?.call_method1("loads", (&text,)).map_err(|e| {
                raise(py, Error::argument(format!("the profile is not JSON: {}", e.value(py))))
            })?;
            return parsed(&toml(dict.cast()?)?);
        }
        // A profile in TOML has three tables, and so more than one line.
        return match text.contains('\n') {
            true => parsed(&text),
            // A profile in S3 may be waited for.
            false => work::large(py, None, |_, _| Profile::load(&text)),
        };
    }
    let path: PathBuf = given.extract().map_err(|_| {
        PyTypeError::new_err(format!(
            "profile: {}; expected a path, a bundled name, TOML, a dict or a Profile",
            given.get_type()
        ))
    })?;
    Profile::load(&path.to_string_lossy()).map_err(|e| raise(py, e))
}

/// The TOML of a dict. Entries that are `None` are left out.
fn toml(dict: &Bound<'_, PyDict>) -> PyResult<String> {
    let written = toml::to_string(&table(dict)?);
    written.map_err(|e| raise(dict.py(), Error::argument(format!("the profile is not TOML: {e}"))))
}

fn table(dict: &Bound<'_, PyDict>) -> PyResult<toml::Table> {
    let mut table = toml::Table::new();
    for (key, value) in dict.iter().filter(|(_, value)| !value.is_none()) {
        let key: String =
            key.extract().map_err(|_| PyTypeError::new_err("profile: a key that is no string"))?;
        table.insert(key, to_toml(&value)?);
    }
    Ok(table)
}

fn to_toml(value: &Bound<'_, PyAny>) -> PyResult<toml::Value> {
    // In Python a bool is an integer.
    Ok(if let Ok(dict) = value.cast::<PyDict>() {
        toml::Value::Table(table(dict)?)
    } else if let Ok(text) = value.extract::<String>() {
        toml::Value::String(text)
    } else if value.is_instance_of::<PyBool>() {
        toml::Value::Boolean(value.extract()?)
    } else if value.is_instance_of::<PyInt>() {
        toml::Value::Integer(value.extract()?)
    } else if value.is_instance_of::<PyFloat>() {
        toml::Value::Float(value.extract()?)
    } else if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        let items = value.try_iter()?.map(|item| to_toml(&item?));
        toml::Value::Array(items.collect::<PyResult<_>>()?)
    } else {
        let kind = value.get_type();
        return Err(PyTypeError::new_err(format!(
            "profile: a value of {kind}; expected a string, bool, list or dict"
        )));
    })
}

fn of_toml<'py>(py: Python<'py>, value: &toml::Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        toml::Value::String(text) => PyString::new(py, text).into_any(),
        toml::Value::Boolean(value) => PyBool::new(py, *value).to_owned().into_any(),
        toml::Value::Integer(value) => value.into_pyobject(py)?.into_any(),
        toml::Value::Float(value) => value.into_pyobject(py)?.into_any(),
        toml::Value::Datetime(value) => PyString::new(py, &value.to_string()).into_any(),
        toml::Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| of_toml(py, item)).collect::<PyResult<_>>()?;
            PyList::new(py, items)?.into_any()
        }
        toml::Value::Table(table) => {
            let dict = PyDict::new(py);
            for (key, value) in table {
                dict.set_item(key, of_toml(py, value)?)?;
            }
            dict.into_any()
        }
    })
}

/// A profile as plain values.
pub fn to_dict<'py>(py: Python<'py>, profile: &Profile) -> PyResult<Bound<'py, PyAny>> {
    let value = toml::Value::try_from(profile);
    let value = value.map_err(|e| raise(py, Error::internal(format!("cannot write the profile: {e}"))))?;
    of_toml(py, &value)
}

fn is_bundled(profile: &Profile) -> Result<Option<&'static str>> {
    for (name, _) in BUNDLED {
        if Profile::load(name)? == *profile {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

#[pymethods]
impl PyProfile {
    #[new]
    #[pyo3(signature = (profile = None))]
    fn new(profile: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        profile.map_or_else(|| Ok(Profile::cube()), self::profile).map(PyProfile::from)
    }

    /// The profile as plain values, without entries that have their default.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_dict(py, &self.profile)
    }

    /// The profile as TOML, as `rollshare run --profile` reads it.
    fn to_toml(&self, py: Python<'_>) -> PyResult<String> {
        self.profile.to_toml().map_err(|e| raise(py, e))
    }

    /// The profile as TOML, with what was found in the sample as comments if it was inferred.
    #[getter]
    fn evidence(&self, py: Python<'_>) -> PyResult<String> {
        self.evidence.clone().map_or_else(|| self.to_toml(py), Ok)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let shown = match is_bundled(&self.profile).map_err(|e| raise(py, e))? {
            Some(name) => PyString::new(py, name).into_any(),
            None => to_dict(py, &self.profile)?,
        };
        Ok(format!("Profile({})", shown.repr()?))
    }

    fn __getnewargs__(&self, py: Python<'_>) -> PyResult<(String,)> {
        Ok((self.to_toml(py)?,))
    }
}
