//! Errors as exceptions: one class a kind, in `rollshare._errors`.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use crate::Error;

/// The exception for `error`, with what it says of the place as attributes.
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
    let exception = module.getattr(class)?.call1((error.to_string(),))?;
    if let Some(report) = error.report() {
        let place = PyDict::new(py);
        place.set_item("file", report.place.file.as_deref())?;
        place.set_item("column", report.place.column.as_deref())?;
        place.set_item("row_group", report.place.row_group)?;
        place.set_item("page", report.place.page)?;
        place.set_item("row", report.place.row)?;
        place.set_item("found", &report.found)?;
        place.set_item("expected", &report.expected)?;
        place.set_item("advice", &report.advice)?;
        exception.getattr("__dict__")?.call_method1("update", (place,))?;
    }
    Ok(PyErr::from_value(exception))
}
