//! Import and export of Arrow capsules (the Arrow PyCapsule interface), and
//! access to numpy memory by address. All unsafe calls of the Python layer are
//! here; they rely on the guarantees of these protocols.
#![allow(unsafe_code)]

use std::any::Any;
use std::ffi::CStr;
use std::sync::Arc;

use arrow2::array::Array;
use arrow2::datatypes::Field;
use arrow2::ffi::{ArrowArrayStream, ArrowSchema, export_field_to_c, export_iterator};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};

use super::errors::raise;
use crate::frame::Stream;
use crate::frame::slice::{Plain, Slice};

const STREAM: &CStr = c"arrow_array_stream";
const SCHEMA: &CStr = c"arrow_schema";
const ARRAY: &CStr = c"arrow_array";

/// Imports the return value of `__arrow_c_stream__` or `__arrow_c_array__` as a stream.
pub fn import(capsules: &Bound<'_, PyAny>) -> PyResult<Stream> {
    let py = capsules.py();
    let stream = if let Ok(pair) = capsules.cast::<PyTuple>() {
        let (schema, array): (Bound<'_, PyCapsule>, Bound<'_, PyCapsule>) = pair.extract()?;
        let (schema, array) = (schema.pointer_checked(Some(SCHEMA))?, array.pointer_checked(Some(ARRAY))?);
        // SAFETY: capsules of these names hold these structures, and the GIL excludes other threads.
        unsafe { Stream::import_batch(schema, array) }
    } else {
        let pointer = capsules.cast::<PyCapsule>()?.pointer_checked(Some(STREAM))?;
        // SAFETY: as above.
        unsafe { Stream::import(pointer) }
    };
    stream.map_err(|e| raise(py, e))
}

/// A structure in a capsule.
struct Sent<T>(#[allow(dead_code)] T);

// SAFETY: the C data interface lets structures move between threads.
unsafe impl<T> Send for Sent<T> {}

/// Exports arrays as a stream.
pub fn export_stream(
    py: Python<'_>,
    arrays: Vec<Box<dyn Array>>,
    field: Field,
) -> PyResult<Bound<'_, PyCapsule>> {
    let stream: ArrowArrayStream = export_iterator(Box::new(arrays.into_iter().map(Ok)), field);
    // The structure is at the start of the capsule's memory. Dropping the capsule releases it, unless
    // the consumer has moved it out.
    PyCapsule::new_with_value(py, Sent(stream), STREAM)
}

/// Exports a schema.
pub fn export_schema<'py>(py: Python<'py>, field: &Field) -> PyResult<Bound<'py, PyCapsule>> {
    let schema: ArrowSchema = export_field_to_c(field);
    PyCapsule::new_with_value(py, Sent(schema), SCHEMA)
}

/// The contiguous memory of an object with `__array_interface__`. The slice keeps the object alive.
pub fn memory<T: Plain>(array: &Bound<'_, PyAny>, len: usize) -> PyResult<Slice<T>> {
    let interface = array.getattr("__array_interface__")?;
    let (address, _): (usize, bool) = interface.get_item("data")?.extract()?;
    let shape: Vec<usize> = interface.get_item("shape")?.extract()?;
    let itemsize: usize = array.getattr("itemsize")?.extract()?;
    if !interface.get_item("strides")?.is_none() || shape != [len] || itemsize != size_of::<T>() {
        return Err(pyo3::exceptions::PyValueError::new_err("an array that is not contiguous"));
    }
    let owner: Arc<dyn Any + Send + Sync> = Arc::new(array.clone().unbind());
    // SAFETY: numpy promises `len` contiguous elements at `address` while the array lives.
    Ok(unsafe { Slice::new(address as *const u8, len, owner) })
}

/// The object at an address of a numpy array of objects; `None` for null, which numpy stores for elements
/// that were never set.
pub fn object(py: Python<'_>, address: u64) -> Option<Borrowed<'_, '_, PyAny>> {
    #[allow(clippy::cast_possible_truncation)] // addresses are of this width
    let pointer = address as usize as *mut pyo3::ffi::PyObject;
    // SAFETY: an element of an array of objects is null or an object that the array, which the
    // caller holds, keeps alive.
    (!pointer.is_null()).then(|| unsafe { Borrowed::from_ptr(py, pointer) })
}
