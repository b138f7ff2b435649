//! Import of Arrow record batches through the C data interface.
//!
//! This file and `slice.rs` hold the unsafe code of the frames. They trust what
//! the interface promises: pointers are valid for the lengths that the array's
//! type, length and offset imply, and the memory is not written to before the
//! release. They check everything else: counts of buffers and children, signs of
//! lengths, null pointers, alignment (a misaligned buffer is copied).
//!
//! Structures: "The Arrow C data interface" and "The Arrow C stream interface".
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use super::array::{Array, Bits, Codes, Data, Nulls, Numbers};
use super::field::{Field, Layout};
use super::slice::{Plain, Slice};
use super::text::Text;
use crate::{Error, Result};

/// `struct ArrowSchema`.
#[repr(C)]
pub struct CSchema {
    format: *const c_char,
    name: *const c_char,
    metadata: *const c_char,
    flags: i64,
    n_children: i64,
    children: *mut *mut CSchema,
    dictionary: *mut CSchema,
    release: Option<unsafe extern "C" fn(*mut CSchema)>,
    private_data: *mut c_void,
}

/// `struct ArrowArray`.
#[repr(C)]
pub struct CArray {
    length: i64,
    null_count: i64,
    offset: i64,
    n_buffers: i64,
    n_children: i64,
    buffers: *mut *const c_void,
    children: *mut *mut CArray,
    dictionary: *mut CArray,
    release: Option<unsafe extern "C" fn(*mut CArray)>,
    private_data: *mut c_void,
}

/// `struct ArrowArrayStream`.
#[repr(C)]
pub struct CStream {
    get_schema: Option<unsafe extern "C" fn(*mut CStream, *mut CSchema) -> c_int>,
    get_next: Option<unsafe extern "C" fn(*mut CStream, *mut CArray) -> c_int>,
    get_last_error: Option<unsafe extern "C" fn(*mut CStream) -> *const c_char>,
    release: Option<unsafe extern "C" fn(*mut CStream)>,
    private_data: *mut c_void,
}

macro_rules! owned {
    ($($name:ident)*) => {$(
        impl Drop for $name {
            fn drop(&mut self) {
                if let Some(release) = self.release {
                    // SAFETY: the producer's callback, called once: it marks the
                    // structure as released.
                    unsafe { release(self) }
                }
            }
        }

        // SAFETY: the interface allows a structure to be used and released on any
        // thread, as long as only one thread does so at a time.
        unsafe impl Send for $name {}
    )*};
}
owned!(CSchema CArray CStream);

// SAFETY: after the import an array is only read, until the last owner drops it.
unsafe impl Sync for CArray {}

/// Moves a structure out of the memory that holds it.
///
/// # Safety
/// - `from` points to a valid structure of this type, released or not, that no
///   other code uses during the call.
/// - All-zero bytes are a released structure, which holds for the three types here.
unsafe fn take<T>(from: NonNull<T>) -> T {
    // SAFETY: valid by contract; the zeros written afterwards mark it as moved.
    unsafe {
        let value = ptr::read(from.as_ptr());
        ptr::write_bytes(from.as_ptr(), 0, 1);
        value
    }
}

fn broken(what: &str) -> Error {
    Error::format(format!("the frame breaks the Arrow C data interface: {what}"))
        .advice("Please report this to the library that made the frame")
}

/// The record batches of an Arrow C stream, or a single imported batch.
pub struct Stream {
    raw: Option<CStream>,
    single: Option<CArray>,
    is_column: bool,
    fields: Arc<[Field]>,
}

impl Stream {
    /// Moves the C stream at `stream` into a [`Stream`] and reads its schema.
    ///
    /// # Errors
    /// `Argument` where the stream is already released, `Io` where the producer fails,
    /// `Format` where the schema breaks the interface.
    ///
    /// # Safety
    /// - `stream` points to a `struct ArrowArrayStream` as the C stream interface
    ///   describes it, which no other code uses during the call.
    pub unsafe fn import(stream: NonNull<c_void>) -> Result<Self> {
        // SAFETY: as the caller promises.
        let mut raw: CStream = unsafe { take(stream.cast()) };
        if raw.release.is_none() {
            return Err(Error::argument("the frame's stream is already consumed")
                .advice("Pass the frame itself, or a new stream of it"));
        }
        let get_schema = raw.get_schema.ok_or_else(|| broken("a stream without get_schema"))?;
        // SAFETY: all-zero bytes are a released schema.
        let mut schema: CSchema = unsafe { std::mem::zeroed() };
        // SAFETY: a live stream and room for a schema.
        let code = unsafe { get_schema(&mut raw, &mut schema) };
        if code != 0 {
            return Err(raw.failed(code));
        }
        let (fields, is_column) = (fields(&schema)?, text(schema.format)? != "+s");
        Ok(Stream { raw: Some(raw), single: None, is_column, fields })
    }

    /// Moves one record batch into a stream of one batch.
    ///
    /// # Errors
    /// `Argument` where it is already released, `Format` where the schema breaks the interface.
    ///
    /// # Safety
    /// - The pointers are to a `struct ArrowSchema` and a `struct ArrowArray` that
    ///   belong together, which no other code uses during the call.
    pub unsafe fn import_batch(schema: NonNull<c_void>, array: NonNull<c_void>) -> Result<Self> {
        // SAFETY: as the caller promises.
        let (schema, array): (CSchema, CArray) = unsafe { (take(schema.cast()), take(array.cast())) };
        if schema.release.is_none() || array.release.is_none() {
            return Err(Error::argument("the frame's record batch is already consumed"));
        }
        let (fields, is_column) = (fields(&schema)?, text(schema.format)? != "+s");
        Ok(Stream { raw: None, single: Some(array), is_column, fields })
    }

    /// The columns.
    pub fn fields(&self) -> &Arc<[Field]> {
        &self.fields
    }

    /// The next record batch; `None` after the last.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let array = match &mut self.raw {
            None => self.single.take(),
            Some(raw) => {
                let get_next = raw.get_next.ok_or_else(|| broken("a stream without get_next"))?;
                // SAFETY: all-zero bytes are a released array.
                let mut array: CArray = unsafe { std::mem::zeroed() };
                // SAFETY: a live stream and room for an array.
                let code = unsafe { get_next(raw, &mut array) };
                if code != 0 {
                    return Err(raw.failed(code));
                }
                array.release.is_some().then_some(array)
            }
        };
        array.map(|array| RecordBatch::new(array, self.fields.clone(), self.is_column)).transpose()
    }
}

impl CStream {
    fn failed(&mut self, code: c_int) -> Error {
        let message = self.get_last_error.and_then(|get| {
            // SAFETY: called right after a failed call, as the interface requires; the
            // text is copied before the stream is used again.
            unsafe {
                let text = get(self);
                (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
            }
        });
        let error = std::io::Error::from_raw_os_error(code);
        Error::io(
            "the frame's stream failed",
            match message {
                Some(message) => std::io::Error::other(message),
                None => error,
            },
        )
    }
}

/// The columns of a struct schema; any other schema is one column.
fn fields(schema: &CSchema) -> Result<Arc<[Field]>> {
    if text(schema.format)? != "+s" {
        return Ok(Arc::new([field(schema)?]));
    }
    let n = usize::try_from(schema.n_children).map_err(|_| broken("a negative number of columns"))?;
    (0..n)
        .map(|at| {
            // SAFETY: `children` has `n_children` pointers to live schemas.
            let child = unsafe { child(schema.children, at).and_then(|c| c.as_ref()) };
            field(child.ok_or_else(|| broken("a column without a schema"))?)
        })
        .collect()
}

fn field(schema: &CSchema) -> Result<Field> {
    // SAFETY: null, or a live schema.
    let dictionary = unsafe { schema.dictionary.as_ref() };
    let values = dictionary.map(|d| text(d.format)).transpose()?;
    Ok(Field::new(if schema.name.is_null() { "" } else { text(schema.name)? }, text(schema.format)?, values))
}

fn text<'a>(from: *const c_char) -> Result<&'a str> {
    if from.is_null() {
        return Err(broken("a type without a format"));
    }
    // SAFETY: a string that ends with zero, valid as long as its schema. The schema
    // outlives every use in this file: callers copy the string.
    unsafe { CStr::from_ptr(from) }.to_str().map_err(|_| broken("a name that is not UTF-8"))
}

/// Returns pointer `at` of a list of pointers; `None` where the list is null.
///
/// # Safety
/// - `list` is null or has more than `at` pointers.
unsafe fn child<T>(list: *mut *mut T, at: usize) -> Option<*mut T> {
    if list.is_null() {
        return None;
    }
    // SAFETY: within the list, by contract.
    Some(unsafe { *list.add(at) })
}

/// A record batch, or a chunk of one column. The arrays of its columns keep it alive.
pub struct RecordBatch {
    root: Arc<CArray>,
    /// The root is a column rather than a struct of columns.
    is_column: bool,
    fields: Arc<[Field]>,
    rows: usize,
    offset: usize,
}

impl RecordBatch {
    fn new(root: CArray, fields: Arc<[Field]>, is_column: bool) -> Result<Self> {
        let (rows, offset) = extent(&root)?;
        if is_column {
            return Ok(RecordBatch { root: Arc::new(root), is_column, fields, rows, offset });
        }
        if usize::try_from(root.n_children).ok() != Some(fields.len()) {
            return Err(broken("a batch with more or fewer columns than its schema"));
        }
        let batch = RecordBatch { root: Arc::new(root), is_column, fields, rows, offset };
        if let Some(validity) = batch.validity(&batch.root, rows, offset)?
            && (0..rows).any(|row| !validity.get(row))
        {
            return Err(Error::unsupported(
                "a record batch with null rows (a validity of the struct itself)",
            ));
        }
        Ok(batch)
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Column `at`, with as many rows as the batch.
    ///
    /// # Errors
    /// `Format` where the column breaks the interface or has fewer rows than the batch.
    pub fn column(&self, at: usize) -> Result<Array> {
        let field = self.fields.get(at).ok_or_else(|| Error::internal("no such column"))?;
        if self.is_column {
            let values = field.values().map(Field::layout_of);
            return self.array(&self.root, field.layout(), values, self.rows, self.offset);
        }
        // SAFETY: `children` has `n_children` pointers to live arrays, and `at` is below that.
        let child = unsafe { child(self.root.children, at).and_then(|c| c.as_ref()) };
        let child = child.ok_or_else(|| broken("a column without an array"))?;
        let (len, offset) = extent(child)?;
        if len < self.rows.saturating_add(self.offset) {
            return Err(broken("a column shorter than its batch"));
        }
        self.array(
            child,
            field.layout(),
            field.values().map(Field::layout_of),
            self.rows,
            offset + self.offset,
        )
        .map_err(|e| e.in_column(field.name()))
    }

    fn array(
        &self,
        raw: &CArray,
        layout: Layout,
        values: Option<Layout>,
        len: usize,
        offset: usize,
    ) -> Result<Array> {
        if let Some(values) = values {
            // SAFETY: null, or a live array.
            let dictionary = unsafe { raw.dictionary.as_ref() };
            let dictionary = dictionary.ok_or_else(|| broken("a dictionary column without dictionary"))?;
            let (n, start) = extent(dictionary)?;
            let dictionary = self.array(dictionary, values, None, n, start)?;
            let codes = match layout {
                Layout::Numbers { signed: true, width: 1, .. } => Codes::I8(self.slice(raw, 1, offset, len)?),
                Layout::Numbers { signed: true, width: 2, .. } => {
                    Codes::I16(self.slice(raw, 1, offset, len)?)
                }
                Layout::Numbers { signed: true, width: 4, .. } => {
                    Codes::I32(self.slice(raw, 1, offset, len)?)
                }
                Layout::Numbers { signed: true, width: 8, .. } => {
                    Codes::I64(self.slice(raw, 1, offset, len)?)
                }
                Layout::Numbers { width: 1, .. } => Codes::U8(self.slice(raw, 1, offset, len)?),
                Layout::Numbers { width: 2, .. } => Codes::U16(self.slice(raw, 1, offset, len)?),
                Layout::Numbers { width: 4, .. } => Codes::U32(self.slice(raw, 1, offset, len)?),
                Layout::Numbers { width: 8, .. } => Codes::U64(self.slice(raw, 1, offset, len)?),
                _ => return Err(broken("a dictionary whose ids are not integers")),
            };
            let nulls = self.nulls(raw, len, offset)?;
            return Ok(Array { len, nulls, data: Data::Coded(codes, Arc::new(dictionary)) });
        }
        let data = match layout {
            Layout::Null => return Ok(Array { len, nulls: Nulls::None, data: Data::Null }),
            Layout::Unknown => return Ok(Array { len, nulls: Nulls::None, data: Data::Unknown }),
            Layout::Bits => {
                let bytes = self.slice(raw, 1, offset / 8, (offset % 8 + len).div_ceil(8))?;
                Data::Bits(Bits::new(bytes, offset % 8))
            }
            Layout::Numbers { width, signed, float } => Data::Numbers(match (float, signed, width) {
                (true, _, 2) => Numbers::F16(self.slice(raw, 1, offset, len)?),
                (true, _, 4) => Numbers::F32(self.slice(raw, 1, offset, len)?),
                (true, ..) => Numbers::F64(self.slice(raw, 1, offset, len)?),
                (_, true, 1) => Numbers::I8(self.slice(raw, 1, offset, len)?),
                (_, true, 2) => Numbers::I16(self.slice(raw, 1, offset, len)?),
                (_, true, 4) => Numbers::I32(self.slice(raw, 1, offset, len)?),
                (_, true, 8) => Numbers::I64(self.slice(raw, 1, offset, len)?),
                (_, true, 16) => Numbers::I128(self.slice(raw, 1, offset, len)?),
                (_, true, _) => Numbers::I256(self.slice(raw, 1, offset, len)?),
                (_, false, 1) => Numbers::U8(self.slice(raw, 1, offset, len)?),
                (_, false, 2) => Numbers::U16(self.slice(raw, 1, offset, len)?),
                (_, false, 4) => Numbers::U32(self.slice(raw, 1, offset, len)?),
                (_, false, _) => Numbers::U64(self.slice(raw, 1, offset, len)?),
            }),
            Layout::Text { wide: false } => {
                let offsets: Slice<i32> = self.offsets(raw, offset, len)?;
                let end = offsets.last().copied().unwrap_or_default();
                Data::Text(Text::Short(offsets, self.bytes(raw, 2, i64::from(end))?))
            }
            Layout::Text { wide: true } => {
                let offsets: Slice<i64> = self.offsets(raw, offset, len)?;
                let end = offsets.last().copied().unwrap_or_default();
                Data::Text(Text::Long(offsets, self.bytes(raw, 2, end)?))
            }
            Layout::Views => {
                let n = usize::try_from(raw.n_buffers).unwrap_or_default();
                let views: Slice<[u8; 16]> = self.slice(raw, 1, offset, len)?;
                let extra =
                    n.checked_sub(3).ok_or_else(|| broken("views without their buffer of lengths"))?;
                let lengths: Slice<i64> = self.slice(raw, n - 1, 0, extra)?;
                let buffers = lengths.iter().zip(2..).map(|(len, at)| self.bytes(raw, at, *len));
                Data::Text(Text::Views(views, buffers.collect::<Result<_>>()?))
            }
        };
        Ok(Array { len, nulls: self.nulls(raw, len, offset)?, data })
    }

    fn nulls(&self, raw: &CArray, len: usize, offset: usize) -> Result<Nulls> {
        Ok(self.validity(raw, len, offset)?.map_or(Nulls::None, Nulls::Unset))
    }

    /// The validity bits; `None` where no row is null.
    fn validity(&self, raw: &CArray, len: usize, offset: usize) -> Result<Option<Bits>> {
        if raw.null_count == 0 || raw.n_buffers < 1 || len == 0 || buffer(raw, 0)?.is_none() {
            return Ok(None);
        }
        let first = offset / 8;
        let bytes = self.slice(raw, 0, first, (offset % 8 + len).div_ceil(8))?;
        Ok(Some(Bits::new(bytes, offset % 8)))
    }

    fn offsets<T: Plain>(&self, raw: &CArray, offset: usize, len: usize) -> Result<Slice<T>> {
        // An empty array may lack its single offset.
        self.slice(raw, 1, offset, if len == 0 { 0 } else { len + 1 })
    }

    fn bytes(&self, raw: &CArray, at: usize, len: i64) -> Result<Slice<u8>> {
        self.slice(raw, at, 0, usize::try_from(len).map_err(|_| broken("a negative length"))?)
    }

    /// Elements `offset..offset + len` of buffer `at`.
    fn slice<T: Plain>(&self, raw: &CArray, at: usize, offset: usize, len: usize) -> Result<Slice<T>> {
        if len == 0 {
            return Ok(Slice::empty());
        }
        let start = buffer(raw, at)?.ok_or_else(|| broken("a buffer that is missing"))?;
        let size = size_of::<T>();
        if offset
            .checked_add(len)
            .and_then(|n| n.checked_mul(size))
            .is_none_or(|n| isize::try_from(n).is_err())
        {
            return Err(broken("a length past all memory"));
        }
        // SAFETY: the buffer has `offset + len` elements by contract, and the array lives
        // as long as the slice, which owns it.
        Ok(unsafe { Slice::new(start.as_ptr().wrapping_add(offset * size), len, self.root.clone()) })
    }
}

/// The array's length and offset.
fn extent(raw: &CArray) -> Result<(usize, usize)> {
    match (usize::try_from(raw.length), usize::try_from(raw.offset)) {
        (Ok(len), Ok(offset)) if len.checked_add(offset).is_some() => Ok((len, offset)),
        _ => Err(broken("a negative length or offset")),
    }
}

/// The start of buffer `at`; `None` where the pointer is null.
fn buffer(raw: &CArray, at: usize) -> Result<Option<NonNull<u8>>> {
    if raw.buffers.is_null() || usize::try_from(raw.n_buffers).unwrap_or_default() <= at {
        return Err(broken("too few buffers"));
    }
    // SAFETY: `buffers` has `n_buffers` pointers.
    Ok(NonNull::new(unsafe { *raw.buffers.add(at) }.cast_mut().cast()))
}
