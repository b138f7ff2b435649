//! Frames that are passed column by column: pandas, polars.
//!
//! A column is a tuple `(kind, data, ...)`:
//!
//! | kind | data | more |
//! |---|---|---|
//! | `"arrow"` | return value of `__arrow_c_stream__` of the column | |
//! | `"dictionary"` | return value of `__arrow_c_stream__` of the ids | the same of the values |
//! | `"numbers"` | contiguous numpy array, of booleans for the Arrow format `b` | Arrow format; mask of nulls or `None` |
//! | `"floats"` | contiguous numpy array in which NaN is null | Arrow format |
//! | `"codes"` | contiguous numpy array of category codes, -1 for null | list of categories |
//! | `"objects"` | contiguous numpy array of objects | |
//! | `"unknown"` | the type's name | |
//!
//! A batch ends where a chunk of any column ends. Objects are looked up by address,
//! because most strings of a column are the same few objects.

use std::collections::HashMap;
use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use super::capsule::{import, memory, object};
use super::errors::raise;
use crate::frame::array::{Array, Bits, Codes, Data, Nulls, Numbers};
use crate::frame::field::{Field, Layout};
use crate::frame::slice::Slice;
use crate::frame::text::Text;
use crate::frame::{BATCH_ROWS, Batch, Plan, Source};
use crate::ids::entries::ChunkDictionary;
use crate::{Error, Result};

/// A frame of separate columns, cut into batches.
pub struct ColumnFrame {
    fields: Vec<Field>,
    columns: Vec<Column>,
    rows: usize,
    at: usize,
}

enum Column {
    /// Chunks, and the first row of each.
    Chunks(Vec<(usize, Array)>),
    Objects(Box<Objects>),
    /// A type that cannot be read: an error only if the job needs the column.
    Unknown,
}

impl ColumnFrame {
    /// Imports the columns of a frame of `rows` rows.
    ///
    /// # Errors
    /// `ValueError` for a column with another number of rows.
    pub fn new(columns: &[(String, Bound<'_, PyAny>)], rows: usize) -> PyResult<Self> {
        let mut frame = ColumnFrame { fields: Vec::new(), columns: Vec::new(), rows, at: 0 };
        for (name, given) in columns {
            let (field, column, len) = column(name, given.cast()?)?;
            frame.fields.push(field);
            frame.columns.push(column);
            if let Some(len) = len
                && len != rows
            {
                return Err(PyValueError::new_err(format!(
                    "column '{name}' has {len} rows; expected {rows}"
                )));
            }
        }
        Ok(frame)
    }

    /// The columns.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }
}

fn column(name: &str, given: &Bound<'_, PyTuple>) -> PyResult<(Field, Column, Option<usize>)> {
    let py = given.py();
    let (kind, data): (String, Bound<'_, PyAny>) = (given.get_item(0)?.extract()?, given.get_item(1)?);
    let whole = |array: Array| {
        let len = array.len;
        (Column::Chunks(vec![(0, array)]), Some(len))
    };
    match kind.as_str() {
        "arrow" => {
            let (field, arrays) = chunks(&data)?;
            let (column, rows) = chained(arrays);
            Ok((field.renamed(name), column, Some(rows)))
        }
        "dictionary" => {
            let (ids, arrays) = chunks(&data)?;
            let (values, dictionary) = chunks(&given.get_item(2)?)?;
            let dictionary = Arc::new(joined(dictionary).map_err(|e| raise(py, e))?);
            let coded = arrays.into_iter().map(|array| match array.data {
                Data::Numbers(numbers) => {
                    let codes = match numbers {
                        Numbers::U8(ids) => Codes::U8(ids),
                        Numbers::U16(ids) => Codes::U16(ids),
                        Numbers::U32(ids) => Codes::U32(ids),
                        Numbers::U64(ids) => Codes::U64(ids),
                        _ => return Err(PyValueError::new_err("ids that are not unsigned integers")),
                    };
                    Ok(Array { data: Data::Coded(codes, dictionary.clone()), ..array })
                }
                _ => Err(PyValueError::new_err("ids that are not integers")),
            });
            let (column, rows) = chained(coded.collect::<PyResult<_>>()?);
            Ok((Field::new(name, ids.format(), Some(values.format())), column, Some(rows)))
        }
        "numbers" => {
            let format: String = given.get_item(2)?.extract()?;
            let mask = given.get_item(3)?;
            let len = data.len()?;
            let validity = if mask.is_none() { None } else { Some(memory::<u8>(&mask, len)?) };
            let array = Array {
                len,
                nulls: validity
                    .map_or(Nulls::None, |mask| Nulls::Unset(bits(mask.iter().map(|null| *null == 0)))),
                data: match format.as_str() {
                    "b" => Data::Bits(bits(memory::<u8>(&data, len)?.iter().map(|byte| *byte != 0))),
                    _ => Data::Numbers(numbers(&data, &format, len)?),
                },
            };
            let (column, len) = whole(array);
            Ok((Field::new(name, &format, None), column, len))
        }
        "floats" => {
            let format: String = given.get_item(2)?.extract()?;
            let len = data.len()?;
            let data = Data::Numbers(numbers(&data, &format, len)?);
            let (column, len) = whole(Array { len, nulls: Nulls::Within, data });
            Ok((Field::new(name, &format, None), column, len))
        }
        "codes" => {
            let categories: Vec<Option<String>> = given.get_item(2)?.extract()?;
            let len = data.len()?;
            let codes = match data.getattr("itemsize")?.extract()? {
                1 => Codes::I8(memory(&data, len)?),
                2 => Codes::I16(memory(&data, len)?),
                4 => Codes::I32(memory(&data, len)?),
                _ => Codes::I64(memory(&data, len)?),
            };
            let dictionary = strings(categories.iter().map(Option::as_deref)).map_err(|e| raise(py, e))?;
            let (column, len) =
                whole(Array { len, nulls: Nulls::Within, data: Data::Coded(codes, Arc::new(dictionary)) });
            Ok((Field::new(name, "l", Some("U")), column, len))
        }
        "objects" => {
            let len = data.len()?;
            let objects = Objects {
                name: name.into(),
                addresses: memory(&data, len)?,
                ids: HashMap::new(),
                recent: vec![(0, 0); RECENT],
                entries: ChunkDictionary::new(),
                dictionary: None,
            };
            Ok((Field::new(name, "l", Some("U")), Column::Objects(Box::new(objects)), Some(len)))
        }
        _ => Ok((Field::new(name, &data.extract::<String>()?, None), Column::Unknown, None)),
    }
}

fn numbers(data: &Bound<'_, PyAny>, format: &str, len: usize) -> PyResult<Numbers> {
    let Layout::Numbers { width, signed, float } = Field::layout_of(format) else {
        return Err(PyValueError::new_err(format!("numbers of Arrow type '{format}'")));
    };
    Ok(match (float, signed, width) {
        (true, _, 2) => Numbers::F16(memory(data, len)?),
        (true, _, 4) => Numbers::F32(memory(data, len)?),
        (true, ..) => Numbers::F64(memory(data, len)?),
        (_, true, 1) => Numbers::I8(memory(data, len)?),
        (_, true, 2) => Numbers::I16(memory(data, len)?),
        (_, true, 4) => Numbers::I32(memory(data, len)?),
        (_, true, _) => Numbers::I64(memory(data, len)?),
        (_, false, 1) => Numbers::U8(memory(data, len)?),
        (_, false, 2) => Numbers::U16(memory(data, len)?),
        (_, false, 4) => Numbers::U32(memory(data, len)?),
        (_, false, _) => Numbers::U64(memory(data, len)?),
    })
}

fn bits(valid: impl Iterator<Item = bool>) -> Bits {
    let mut bytes = Vec::new();
    for (valid, at) in valid.zip(0usize..) {
        if at % 8 == 0 {
            bytes.push(0u8);
        }
        if let Some(last) = bytes.last_mut() {
            *last |= u8::from(valid) << (at % 8);
        }
    }
    Bits::new(bytes.into(), 0)
}

/// A dictionary of strings.
fn strings<'a>(values: impl Iterator<Item = Option<&'a str>>) -> Result<Array> {
    let (mut offsets, mut bytes, mut valid) = (vec![0i64], Vec::new(), Vec::new());
    for value in values {
        bytes.extend_from_slice(value.unwrap_or_default().as_bytes());
        offsets.push(
            i64::try_from(bytes.len()).map_err(|_| Error::too_large("categories of more than 2^63 bytes"))?,
        );
        valid.push(value.is_some());
    }
    let nulls = unset(valid.contains(&false).then(|| bits(valid.iter().copied())));
    Ok(Array { len: valid.len(), nulls, data: Data::Text(Text::Long(offsets.into(), bytes.into())) })
}

fn unset(bits: Option<Bits>) -> Nulls {
    bits.map_or(Nulls::None, Nulls::Unset)
}

/// The type and the chunks of a column that is passed as an Arrow stream.
fn chunks(capsule: &Bound<'_, PyAny>) -> PyResult<(Field, Vec<Array>)> {
    let failed = |e| raise(capsule.py(), e);
    let mut stream = import(capsule)?;
    let field = stream.fields().first().cloned();
    let field = field.ok_or_else(|| PyValueError::new_err("a column without a type"))?;
    let mut chunks = Vec::new();
    while let Some(batch) = stream.next_batch().map_err(failed)? {
        chunks.push(batch.column(0).map_err(failed)?);
    }
    Ok((field, chunks))
}

/// Chunks as one column, and its number of rows.
fn chained(arrays: Vec<Array>) -> (Column, usize) {
    let mut rows = 0;
    let mut chunks = Vec::with_capacity(arrays.len());
    for array in arrays {
        let len = array.len;
        chunks.push((rows, array));
        rows += len;
    }
    (Column::Chunks(chunks), rows)
}

/// The strings of several chunks as one dictionary.
fn joined(mut arrays: Vec<Array>) -> Result<Array> {
    if arrays.len() == 1
        && let Some(only) = arrays.pop()
    {
        return Ok(only);
    }
    let mut values = Vec::new();
    for array in &arrays {
        for row in 0..array.len {
            let raw = if array.is_valid(row) { Some(array.raw(row)?) } else { None };
            values.push(raw.map(|raw| String::from_utf8_lossy(&raw).into_owned()));
        }
    }
    strings(values.iter().map(Option::as_deref))
}

/// Entries of the cache in front of the map.
const RECENT: usize = 1024;
/// The id of null.
const NULL: u32 = 0;

/// A column of Python objects.
struct Objects {
    name: String,
    addresses: Slice<u64>,
    /// Ids by address.
    ids: HashMap<u64, u32>,
    /// A direct-mapped cache of `ids`.
    recent: Vec<(u64, u32)>,
    /// Strings by id; the null value id is the first.
    entries: ChunkDictionary,
    dictionary: Option<Arc<Array>>,
}

impl Objects {
    fn chunk(&mut self, start: usize, len: usize) -> Result<Array> {
        if self.entries.id_count() == 0 {
            self.entries.finish_dictionary()?;
        }
        let before = self.entries.id_count();
        let codes = Python::attach(|py| self.codes(py, start, len))?;
        let dictionary = match &self.dictionary {
            Some(dictionary) if before == self.entries.id_count() => dictionary.clone(),
            _ => {
                let text =
                    |value_id| self.entries.get(value_id).and_then(|raw| std::str::from_utf8(raw).ok());
                Arc::new(strings((0..self.entries.id_count()).map(text))?)
            }
        };
        self.dictionary = Some(dictionary.clone());
        let nulls = unset(codes.contains(&NULL).then(|| bits(codes.iter().map(|code| *code != NULL))));
        // The mask marks all rows of the null value id as null, so the entry itself need not be null.
        Ok(Array { len, nulls, data: Data::Coded(Codes::U32(codes.into()), dictionary) })
    }

    fn codes(&mut self, py: Python<'_>, start: usize, len: usize) -> Result<Vec<u32>> {
        let addresses = self.addresses.clone();
        let mut codes = Vec::with_capacity(len);
        for (address, row) in addresses.rows(start..start + len).iter().zip(start..) {
            // Objects are aligned to 16 bytes.
            #[allow(clippy::cast_possible_truncation)]
            let line = (address >> 4) as usize % RECENT;
            match self.recent.get(line) {
                Some((cached, id)) if cached == address && *address != 0 => codes.push(*id),
                _ => {
                    let id = match self.ids.get(address) {
                        Some(id) => *id,
                        None => {
                            let id = self.id(py, *address, row)?;
                            self.ids.insert(*address, id);
                            id
                        }
                    };
                    if let Some(line) = self.recent.get_mut(line) {
                        *line = (*address, id);
                    }
                    codes.push(id);
                }
            }
        }
        Ok(codes)
    }

    /// The id of the object at `address`, which is a string, a date, a whole number, a boolean or null.
    #[cold]
    fn id(&mut self, py: Python<'_>, address: u64, row: usize) -> Result<u32> {
        let Some(object) = object(py, address) else { return Ok(NULL) };
        let failed = |e: PyErr| {
            Error::data(format!("a value that cannot be read: {e}"))
                .expected("a string")
                .in_column(&self.name)
                .at_row(row as u64)
        };
        if object.is_none() {
            return Ok(NULL);
        }
        if let Ok(text) = object.cast::<PyString>() {
            let text = text.to_cow().map_err(failed)?;
            return self.entries.intern(text.as_bytes());
        }
        let kind = object.get_type().name().map_err(failed)?.to_string();
        match kind.as_str() {
            // pandas.NA, pandas.NaT, and NaN, which pandas treats as null.
            "NAType" | "NaTType" => Ok(NULL),
            "float" if object.extract::<f64>().is_ok_and(f64::is_nan) => Ok(NULL),
            "date" | "datetime" | "Timestamp" => {
                let text =
                    object.call_method0("isoformat").and_then(|t| t.extract::<String>()).map_err(failed)?;
                // With an offset from UTC the time decides on the day.
                let is_instant = object.getattr("tzinfo").is_ok_and(|zone| !zone.is_none());
                let text = if is_instant { text.as_str() } else { text.get(..10).unwrap_or(&text) };
                self.entries.intern(text.as_bytes())
            }
            // Conditions and members are compared as text.
            "bool" | "bool_" => {
                let text = if object.is_truthy().map_err(failed)? { "true" } else { "false" };
                self.entries.intern(text.as_bytes())
            }
            kind if kind.trim_start_matches('u').starts_with("int") => {
                let text = object.str().and_then(|text| text.extract::<String>()).map_err(failed)?;
                self.entries.intern(text.as_bytes())
            }
            _ => Err(Error::data(format!("a value of Python type {kind}"))
                .expected("a string")
                .in_column(&self.name)
                .at_row(row as u64)),
        }
    }
}

impl Column {
    /// Rows from `at` to the end of the chunk that contains it; `rows` is the end of the column.
    fn rows_in_chunk(&self, at: usize, rows: usize) -> usize {
        match self {
            Column::Chunks(chunks) => {
                let next = chunks.partition_point(|(first, _)| *first <= at);
                chunks.get(next).map_or(rows, |(first, _)| *first) - at
            }
            _ => rows - at,
        }
    }

    fn part(&mut self, at: usize, len: usize) -> Result<Array> {
        match self {
            Column::Chunks(chunks) => {
                let (first, array) = chunks
                    .iter()
                    .rev()
                    .find(|(first, array)| *first <= at && array.len > 0)
                    .ok_or_else(|| Error::internal("a row outside of all chunks"))?;
                Ok(array.slice(at - first, len))
            }
            Column::Objects(objects) => objects.chunk(at, len),
            Column::Unknown => Err(Error::internal("a column of a type that the plan has refused")),
        }
    }
}

impl Source for ColumnFrame {
    fn next(&mut self, plan: &Plan) -> Result<Option<Batch>> {
        let (at, rows) = (self.at, self.rows);
        if at >= rows {
            return Ok(None);
        }
        let needed = plan.column_indices();
        let columns = needed.iter().filter_map(|c| self.columns.get(*c));
        let len = columns.map(|c| c.rows_in_chunk(at, rows)).min();
        let len = len.ok_or_else(|| Error::internal("a frame without columns"))?.min(BATCH_ROWS);
        self.at += len;
        let mut part = |column: usize| {
            let column = self.columns.get_mut(column).ok_or_else(|| Error::internal("no such column"))?;
            column.part(at, len)
        };
        plan.gather(len, &mut part).map(Some)
    }

    fn drain_to_rows(&mut self) -> Result<bool> {
        Ok(self.at < self.rows)
    }
}
