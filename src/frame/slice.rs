//! Typed slices of memory that another library owns, and keeps alive by a shared owner.
//!
//! The columns of a frame ([`super::array`], [`super::text`]) are made of these. A slice is created from an
//! address in two places: [`super::ffi`] (Arrow buffers) and `python::capsule` (numpy arrays).
#![allow(unsafe_code)]

use std::any::Any;
use std::ops::{Deref, Range};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use crate::Error;

/// An id or a string offset that points outside of its column's memory.
#[cold]
pub(super) fn corrupt() -> Error {
    Error::format("a string or an id that lies outside of its column's memory")
        .advice("Please report this to the library that made the frame")
}

/// Types for which any bytes are a value.
///
/// # Safety
/// - No padding, no invalid bit pattern.
pub unsafe trait Plain: Copy + Send + Sync + 'static {}

macro_rules! plain {
    ($($type:ty)*) => {$(
        // SAFETY: any bytes are a value.
        unsafe impl Plain for $type {}
    )*};
}
plain!(u8 u16 u32 u64 i8 i16 i32 i64 f32 f64 [u8; 16] [u8; 32]);

/// Elements in memory of another owner, which the slice keeps alive.
#[derive(Clone)]
pub struct Slice<T> {
    start: NonNull<T>,
    len: usize,
    _owner: Option<Arc<dyn Any + Send + Sync>>,
}

// SAFETY: memory that is only read, and an owner that is both.
unsafe impl<T: Plain> Send for Slice<T> {}
// SAFETY: as above.
unsafe impl<T: Plain> Sync for Slice<T> {}

impl<T: Plain> Slice<T> {
    /// No elements.
    pub fn empty() -> Self {
        Slice { start: NonNull::dangling(), len: 0, _owner: None }
    }

    /// `len` elements from `start` on; copied where they are not aligned.
    ///
    /// # Safety
    /// - `start` points to `len` elements, which are not written to while `owner` lives.
    pub unsafe fn new(start: *const u8, len: usize, owner: Arc<dyn Any + Send + Sync>) -> Self {
        let Some(aligned) = NonNull::new(start.cast_mut().cast::<T>()).filter(|p| p.is_aligned()) else {
            // SAFETY: as the caller promises; bytes need no alignment.
            let read = |at: usize| unsafe { ptr::read_unaligned(start.add(at * size_of::<T>()).cast::<T>()) };
            return Slice::from(if start.is_null() { Vec::new() } else { (0..len).map(read).collect() });
        };
        Slice { start: aligned, len, _owner: Some(owner) }
    }

    /// Elements `start..start + len`; fewer where the slice ends before that.
    pub fn slice(&self, start: usize, len: usize) -> Self {
        let start = start.min(self.len);
        let len = len.min(self.len - start);
        // SAFETY: within the slice, or one past its end.
        Slice { start: unsafe { self.start.add(start) }, len, _owner: self._owner.clone() }
    }

    /// The address of the first element, by which slices are compared.
    pub fn address(&self) -> usize {
        self.start.as_ptr() as usize
    }

    /// The elements of `rows`.
    ///
    /// # Panics
    /// Where the slice has fewer. That is a bug of ours: every column has the rows of its batch, which
    /// `RecordBatch::column` and the Python layer check when they make it.
    #[inline]
    #[allow(clippy::indexing_slicing)] // an empty slice instead would drop the rows without an error
    pub fn rows(&self, rows: Range<usize>) -> &[T] {
        &self[rows]
    }

    /// The elements from `start` on.
    ///
    /// # Panics
    /// As [`Self::rows`].
    #[inline]
    #[allow(clippy::indexing_slicing)] // as above
    pub fn rows_from(&self, start: usize) -> &[T] {
        &self[start..]
    }
}

impl<T: Plain> From<Vec<T>> for Slice<T> {
    fn from(values: Vec<T>) -> Self {
        let values = Arc::new(values);
        let start = NonNull::from(values.as_slice()).cast();
        Slice { start, len: values.len(), _owner: Some(values) }
    }
}

impl<T: Plain> Deref for Slice<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: aligned, `len` elements, only read while the owner lives.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}
