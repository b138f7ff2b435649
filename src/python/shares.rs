//! `Shares`: the finished table.

use std::ops::Range;
use std::sync::Arc;

use arrow2::array::{Array, PrimitiveArray, StructArray, Utf8Array};
use arrow2::datatypes::{DataType, Field};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyCapsule, PyDict, PyList};

use super::errors::raise;
use super::job::PyJob;
use super::partial::{PyPartial, account};
use super::{capsule, work};
use crate::grid::Partial;
use crate::publish::{Format, Target, TargetLock, csv, publish};
use crate::storage::SourcePaths;
use crate::table::cell::iso_date;
use crate::table::{Cell, Column, ColumnData, Only, Table, View, keys};
use crate::{Error, Job, Result};

/// The finished table, with its job, sums and sources.
#[pyclass(name = "Shares", module = "rollshare._rollshare", frozen)]
pub struct PyShares {
    job: Job,
    sums: Arc<Partial>,
    table: Table,
    source_paths: Arc<SourcePaths>,
}

impl PyShares {
    pub(super) fn new(job: Job, sums: Arc<Partial>, table: Table, source_paths: Arc<SourcePaths>) -> Self {
        PyShares { job, sums, table, source_paths }
    }

    /// The `rollshare.Shares` of this table.
    pub(super) fn into_public(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        static SHARES: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let class = SHARES
            .get_or_try_init(py, || py.import("rollshare._shares")?.getattr("Shares").map(Bound::unbind))?;
        class.bind(py).call1((self,))
    }

    fn fields(&self) -> Vec<Field> {
        let of = |data: &ColumnData| match data {
            ColumnData::Int32(_) => DataType::Int32,
            ColumnData::Date32(_) => DataType::Date32,
            ColumnData::Float64(_) => DataType::Float64,
            ColumnData::Utf8 { .. } => DataType::Utf8,
        };
        self.table.columns.iter().map(|c| Field::new(&c.name, of(&c.data), true)).collect()
    }

    /// Rows of a record batch, so few that no column's strings reach 2 GiB.
    fn batch_rows(&self) -> usize {
        let longest = |column: &Column| match &column.data {
            ColumnData::Utf8 { dictionary, .. } => dictionary.iter().map(|name| name.len()).max(),
            _ => None,
        };
        let longest = self.table.columns.iter().filter_map(longest).max().unwrap_or_default();
        ((1 << 30) / (longest + 1)).clamp(1, 1 << 20)
    }

    /// Rows `rows` of the table as a record batch.
    fn batch(&self, rows: Range<usize>) -> Box<dyn Array> {
        #[allow(clippy::indexing_slicing)] // all columns of a table have its rows
        fn part<T>(values: &[T], rows: Range<usize>) -> &[T] {
            &values[rows]
        }
        let columns = self.table.columns.iter().map(|column| {
            let rows = rows.clone();
            match &column.data {
                ColumnData::Int32(values) => PrimitiveArray::from(part(values, rows)).boxed(),
                ColumnData::Date32(values) => {
                    PrimitiveArray::from(part(values, rows)).to(DataType::Date32).boxed()
                }
                ColumnData::Float64(values) => PrimitiveArray::from(part(values, rows)).boxed(),
                ColumnData::Utf8 { indices, dictionary } => {
                    let name = |at: &u32| dictionary.get(*at as usize).map_or("", |name| name);
                    Utf8Array::<i32>::from_iter_values(part(indices, rows).iter().map(name)).boxed()
                }
            }
        });
        StructArray::new(DataType::Struct(self.fields()), columns.collect(), None).boxed()
    }

    fn write(&self, path: &str, format: &str, csv_safe: bool) -> Result<usize> {
        let target = Target::parse(path)?;
        let wanted = match format {
            "parquet" => Format::Parquet,
            "csv" => Format::Csv,
            _ => Format::Json,
        };
        if target == Target::Stdout || target.format() != wanted {
            let expected = match wanted {
                Format::Parquet => "X.parquet, or a folder with '/' at its end",
                Format::Csv => "X.csv",
                Format::Json => "X.json",
            };
            return Err(Error::argument(format!("target '{path}'")).expected(expected));
        }
        target.check_disjoint(&self.source_paths)?;
        let safe = (csv_safe && wanted == Format::Csv).then(|| csv::with_safe_names(&self.table));
        let table = safe.as_ref().unwrap_or(&self.table);
        publish(&target, &TargetLock::acquire(&target)?, table).map(|published| published.rows)
    }
}

/// Type string, values, nulls, dictionary; see [`PyShares::memory`].
type Memory<'py> = (&'static str, Bound<'py, PyBytes>, Option<Bound<'py, PyBytes>>, Option<Vec<String>>);

fn value<'py>(py: Python<'py>, cell: Cell<'_>, dates: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    Ok(match cell {
        Cell::Null => py.None().into_bound(py),
        Cell::Int(v) => v.into_pyobject(py)?.into_any(),
        Cell::Date(v) => dates.call_method1("fromisoformat", (iso_date(v),))?,
        Cell::Text(v) => v.into_pyobject(py)?.into_any(),
        Cell::Float(v) => v.into_pyobject(py)?.into_any(),
    })
}

#[pymethods]
impl PyShares {
    /// The job of the table.
    #[getter]
    fn job(&self) -> PyJob {
        PyJob(self.job.clone())
    }

    /// Rows of the input by outcome.
    #[getter]
    fn account<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        account(py, &self.sums.chosen().account)
    }

    /// Column names.
    #[getter]
    fn columns(&self) -> Vec<&str> {
        self.table.columns.iter().map(|c| c.name.as_str()).collect()
    }

    fn __len__(&self) -> usize {
        self.table.rows()
    }

    /// Whether table and account equal those of `other`.
    fn same(&self, other: &Self) -> bool {
        // Compared by bits, so that NaN equals itself.
        let equal = |a: &ColumnData, b: &ColumnData| match (a, b) {
            (ColumnData::Float64(a), ColumnData::Float64(b)) => {
                a.iter().map(|v| v.map(f64::to_bits)).eq(b.iter().map(|v| v.map(f64::to_bits)))
            }
            _ => a == b,
        };
        let columns = self.table.columns.iter().zip(&other.table.columns);
        self.sums.chosen().account == other.sums.chosen().account
            && self.table.columns.len() == other.table.columns.len()
            && columns.clone().all(|(a, b)| a.name == b.name && equal(&a.data, &b.data))
    }

    /// The rows of some members of columns of the key, and of the last periods.
    #[pyo3(signature = (only, last = None))]
    fn filter(
        &self,
        py: Python<'_>,
        only: Vec<(String, Vec<String>)>,
        last: Option<usize>,
    ) -> PyResult<Self> {
        let only = only.into_iter().map(|(column, members)| Only { column, members, may_be_lists: false });
        let view = View { only: only.collect(), last };
        let table = view.of(&self.table).map_err(|e| raise(py, e))?.into_owned();
        Ok(PyShares::new(self.job.clone(), self.sums.clone(), table, self.source_paths.clone()))
    }

    /// The keys of the whole table with their users, organic and paid, of all periods.
    fn users(&self, py: Python<'_>) -> PyResult<Vec<(Vec<String>, f64)>> {
        work::small(py, || keys::users(&self.job, &self.sums))
    }

    /// The values of a column.
    fn values<'py>(&self, py: Python<'py>, column: &str) -> PyResult<Bound<'py, PyList>> {
        let dates = py.import("datetime")?.getattr("date")?;
        let found = self.table.column(column);
        let data = &found.ok_or_else(|| pyo3::exceptions::PyKeyError::new_err(column.to_owned()))?.data;
        let values: Vec<Bound<'py, PyAny>> =
            (0..data.len()).map(|row| value(py, data.cell(row), &dates)).collect::<PyResult<_>>()?;
        PyList::new(py, values)
    }

    /// Rows ``start`` to ``stop`` as dicts.
    #[pyo3(signature = (start = 0, stop = None))]
    fn dicts<'py>(&self, py: Python<'py>, start: usize, stop: Option<usize>) -> PyResult<Bound<'py, PyList>> {
        let dates = py.import("datetime")?.getattr("date")?;
        let rows = PyList::empty(py);
        for row in start..stop.unwrap_or(usize::MAX).min(self.table.rows()) {
            let dict = PyDict::new(py);
            for (column, cell) in self.table.columns.iter().zip(self.table.row(row)) {
                dict.set_item(&column.name, value(py, cell, &dates)?)?;
            }
            rows.append(dict)?;
        }
        Ok(rows)
    }

    /// A column as memory for numpy: a type string, the values, a null mask of one byte a row (or none), and
    /// for strings the dictionary that the values are indices of.
    fn memory<'py>(&self, py: Python<'py>, column: &str) -> PyResult<Memory<'py>> {
        let found = self.table.column(column);
        let data = &found.ok_or_else(|| pyo3::exceptions::PyKeyError::new_err(column.to_owned()))?.data;
        fn bytes<T: Copy, const N: usize>(
            values: &[Option<T>],
            null: T,
            raw: impl Fn(T) -> [u8; N],
        ) -> Vec<u8> {
            values.iter().flat_map(|v| raw(v.unwrap_or(null))).collect()
        }
        fn nulls<T>(values: &[Option<T>]) -> Option<Vec<u8>> {
            let any = values.iter().any(Option::is_none);
            any.then(|| values.iter().map(|v| u8::from(v.is_none())).collect())
        }
        let (kind, values, nulls, names) = match data {
            ColumnData::Int32(v) => ("<i4", bytes(v, 0, i32::to_le_bytes), nulls(v), None),
            ColumnData::Date32(v) => ("<M4[D]", bytes(v, 0, i32::to_le_bytes), nulls(v), None),
            ColumnData::Float64(v) => ("<f8", bytes(v, f64::NAN, f64::to_le_bytes), nulls(v), None),
            ColumnData::Utf8 { indices, dictionary } => (
                "<u4",
                indices.iter().flat_map(|v| v.to_le_bytes()).collect(),
                None,
                Some(dictionary.iter().map(|name| name.to_string()).collect()),
            ),
        };
        Ok((kind, PyBytes::new(py, &values), nulls.map(|n| PyBytes::new(py, &n)), names))
    }

    /// Publish to ``path`` in ``format``; returns the number of rows.
    #[pyo3(name = "write", signature = (path, format, csv_safe = false))]
    fn write_to(&self, py: Python<'_>, path: &str, format: &str, csv_safe: bool) -> PyResult<usize> {
        // A target in S3 may be waited for.
        work::large(py, None, |_, _| self.write(path, format, csv_safe))
    }

    /// The table as an Arrow stream.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // The interface allows a producer to ignore a requested schema that it does not support.
        let _ = requested_schema;
        let batch_rows = self.batch_rows();
        let batches: Vec<Box<dyn Array>> = py.detach(|| {
            let rows = self.table.rows();
            let ranges = (0..rows).step_by(batch_rows).map(|at| at..rows.min(at + batch_rows));
            ranges.map(|rows| self.batch(rows)).collect()
        });
        capsule::export_stream(py, batches, Field::new("", DataType::Struct(self.fields()), false))
    }

    /// The table's Arrow schema.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        capsule::export_schema(py, &Field::new("", DataType::Struct(self.fields()), false))
    }

    /// The sums of the table as bytes, for `Partial.from_bytes`.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = PyPartial::bytes(&self.job, &self.sums, None).map_err(|e| raise(py, e))?;
        Ok(PyBytes::new(py, &bytes))
    }
}
