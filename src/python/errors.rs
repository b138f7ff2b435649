//! Converts errors to exceptions: one class for each kind, in `rollshare._errors`.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use crate::phrase::Surface;
use crate::{Error, escape};

/// The exception for `error`. Its attributes have the location, with names as they are, and what was found, expected and
/// advised as escaped words.
pub fn raise(py: Python<'_>, error: Error) -> PyErr {
    build(py, &error).unwrap_or_else(|e| e)
}

fn build(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let module = MODULE.get_or_try_init(py, || py.import("rollshare._errors").map(Bound::unbind))?.bind(py);
    let class = match error {
        Error::Format(_) => "FormatError",
        Error::Unsupported(_) => "UnsupportedError",
        Error::Argument(_) => "ArgumentError",
        Error::NotFound(_) => "NotFoundError",
        Error::Data(_) => "DataError",
        Error::TooLarge(_) => "TooLargeError",
        Error::Io { .. } => "StorageError",
        Error::Interrupted => return Ok(pyo3::exceptions::PyKeyboardInterrupt::new_err(())),
        Error::Internal(_) => "InternalError",
    };
    let exception = module.getattr(class)?.call1((error.show(Surface::Python),))?;
    if let Some(report) = error.report() {
        let location = PyDict::new(py);
        location.set_item("file", report.location.file.as_deref())?;
        location.set_item("column", report.location.column.as_deref())?;
        location.set_item("row_group", report.location.row_group)?;
        location.set_item("page", report.location.page)?;
        location.set_item("row", report.location.row)?;
        location.set_item("line", report.location.line)?;
        location.set_item("found", escape::line(&report.found))?;
        location.set_item("expected", escape::line(&report.expected.show(Surface::Python)))?;
        location.set_item("advice", escape::line(&report.advice.show(Surface::Python)))?;
        exception.getattr("__dict__")?.call_method1("update", (location,))?;
    }
    Ok(PyErr::from_value(exception))
}
