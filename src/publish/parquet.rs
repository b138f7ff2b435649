//! Writes the table as snappy parquet, with the encoders of arrow2.

use std::io::{self, Write};
use std::ops::Range;

use arrow::{CompressionOptions, Compressor, DynIter, DynStreamingIterator, Encoding, Version, WriteOptions};
use arrow2::array::{Array, DictionaryArray, PrimitiveArray, Utf8Array};
use arrow2::datatypes::{DataType, Field, IntegerType, Schema};
use arrow2::io::parquet::write as arrow;
use parquet2::metadata::KeyValue;
use parquet2::page::Page;
use parquet2::write::FileWriter;

use crate::table::{ColumnData, Table};

/// Rows of a row group: enough groups for Spark and DuckDB to use a few cores.
const ROW_GROUP: usize = 1 << 20;

/// Writes `table`: every column is optional, as in the output of the original job; strings are
/// dictionary-encoded; statistics are written. The bytes depend only on the table.
pub fn write(table: &Table, out: &mut dyn Write) -> io::Result<()> {
    write_with_metadata(table, out, None)
}

/// As [`write()`], with a key and a value in the footer.
pub fn write_with_metadata(
    table: &Table,
    out: &mut dyn Write,
    metadata: Option<(&str, &str)>,
) -> io::Result<()> {
    let mut out = Failing { out, failed: None };
    let written = write_with(table, &mut out, ROW_GROUP, metadata);
    // The encoders turn the error of a full disk into one of a damaged file.
    match out.failed {
        Some(failed) => Err(failed),
        None => written.map_err(io::Error::other),
    }
}

/// A writer that remembers its first error.
struct Failing<'w> {
    out: &'w mut dyn Write,
    failed: Option<io::Error>,
}

impl Failing<'_> {
    fn remember<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|e| {
            let kind = e.kind();
            // A retry is no failure.
            if kind != io::ErrorKind::Interrupted {
                self.failed.get_or_insert(e);
            }
            kind.into()
        })
    }
}

impl Write for Failing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes);
        self.remember(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.out.flush();
        self.remember(flushed)
    }
}

fn write_with(
    table: &Table,
    out: &mut dyn Write,
    row_group: usize,
    metadata: Option<(&str, &str)>,
) -> arrow2::error::Result<()> {
    let fields = table.columns.iter().map(|column| Field::new(&column.name, data_type(&column.data), true));
    let schema = arrow::to_parquet_schema(&Schema::from(fields.collect::<Vec<_>>()))?;
    let types = schema.fields().to_vec();
    // Not the `FileWriter` of arrow2: it adds an Arrow schema, which makes readers take `country` for a
    // categorical column.
    let mut writer = FileWriter::new(
        Shared(out),
        schema,
        // The option of the file is the column index, which parquet2 rejects where a column has no
        // statistics. Statistics of pages and chunks are `options` below.
        parquet2::write::WriteOptions { write_statistics: false, version: Version::V1 },
        Some(concat!("rollshare version ", env!("CARGO_PKG_VERSION")).to_owned()),
    );
    let rows = table.rows();
    for start in (0..rows).step_by(row_group) {
        let range = start..rows.min(start + row_group);
        let mut chunks = Vec::with_capacity(types.len());
        for (column, type_) in table.columns.iter().zip(&types) {
            let (array, encoding) = array(&column.data, range.clone())?;
            let options = WriteOptions {
                write_statistics: !has_nan(&column.data),
                version: Version::V1,
                compression: CompressionOptions::Snappy,
                data_pagesize_limit: None,
            };
            for pages in arrow::array_to_columns(array, type_.clone(), options, &[encoding])? {
                let pages = pages.map(|page| {
                    page.map(padded).map_err(|e| parquet2::error::Error::OutOfSpec(e.to_string()))
                });
                let compressed = Compressor::new(DynIter::new(pages), options.compression, vec![]);
                chunks.push(Ok::<_, parquet2::error::Error>(DynStreamingIterator::new(compressed)));
            }
        }
        writer.write(DynIter::new(chunks.into_iter()))?;
    }
    let pair = |(key, value): (&str, &str)| KeyValue { key: key.to_owned(), value: Some(value.to_owned()) };
    writer.end(metadata.map(|of| vec![pair(of)]))?;
    Ok(())
}

/// The page; the last run of one of dictionary ids is padded to groups of eight values, as parquet-format requires
/// (Encodings.md, "Run Length Encoding / Bit-Packing Hybrid"). parquet2 cuts it after the last value, and Spark 4.3
/// refuses the page. The column has no nulls.
fn padded(mut page: Page) -> Page {
    /// Values that parquet2 packs at once.
    const BLOCK: usize = 32;
    if let Page::Data(data) = &mut page
        && data.encoding() == Encoding::RleDictionary
        && let Some(levels) = data.buffer().first_chunk()
        && let Some(bits) = data.buffer().get(size_of::<u32>() + u32::from_le_bytes(*levels) as usize)
    {
        let (rest, bits) = (data.num_values() % BLOCK, usize::from(*bits));
        let missing = rest.div_ceil(8) * bits - (rest * bits).div_ceil(8);
        data.buffer_mut().extend(std::iter::repeat_n(0, missing));
    }
    page
}

/// Whether a column has a NaN: its minimum and maximum would mislead readers that prune by them
/// (parquet-format, `ColumnOrder`: such statistics should not be written).
fn has_nan(data: &ColumnData) -> bool {
    matches!(data, ColumnData::Float64(values) if values.iter().flatten().any(|v| v.is_nan()))
}

fn data_type(data: &ColumnData) -> DataType {
    match data {
        ColumnData::Int32(_) => DataType::Int32,
        ColumnData::Date32(_) => DataType::Date32,
        ColumnData::Float64(_) => DataType::Float64,
        ColumnData::Utf8 { .. } => dictionary_type(),
    }
}

fn dictionary_type() -> DataType {
    DataType::Dictionary(IntegerType::UInt32, Box::new(DataType::Utf8), false)
}

fn array(data: &ColumnData, rows: Range<usize>) -> arrow2::error::Result<(Box<dyn Array>, Encoding)> {
    Ok(match data {
        ColumnData::Int32(values) => (PrimitiveArray::from(rows_of(values, rows)?).boxed(), Encoding::Plain),
        ColumnData::Date32(values) => {
            (PrimitiveArray::from(rows_of(values, rows)?).to(DataType::Date32).boxed(), Encoding::Plain)
        }
        ColumnData::Float64(values) => {
            (PrimitiveArray::from(rows_of(values, rows)?).boxed(), Encoding::Plain)
        }
        ColumnData::Utf8 { indices, dictionary } => {
            let keys = PrimitiveArray::from_slice(rows_of(indices, rows)?);
            let values = Utf8Array::<i32>::from_iter_values(dictionary.iter());
            let array = DictionaryArray::try_new(dictionary_type(), keys, values.boxed())?;
            (array.boxed(), Encoding::RleDictionary)
        }
    })
}

fn rows_of<T>(values: &[T], rows: Range<usize>) -> arrow2::error::Result<&[T]> {
    values.get(rows).ok_or_else(|| arrow2::error::Error::OutOfSpec("columns of different lengths".into()))
}

/// parquet2 needs a sized writer.
struct Shared<'a>(&'a mut dyn Write);

impl Write for Shared<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use ::parquet::file::reader::{FileReader, SerializedFileReader};
    use ::parquet::record::Field as Value;

    use super::*;
    use crate::table::Column;

    fn read(bytes: Vec<u8>) -> SerializedFileReader<bytes::Bytes> {
        SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap()
    }

    #[test]
    fn an_independent_reader_reads_it_back() {
        let mut bytes = Vec::new();
        write(&crate::publish::tests::table(), &mut bytes).unwrap();
        let reader = read(bytes);
        let rows: Vec<Vec<Value>> = reader
            .get_row_iter(None)
            .unwrap()
            .map(|row| row.unwrap().get_column_iter().map(|(_, value)| value.clone()).collect())
            .collect();
        let text = |s: &str| Value::Str(s.into());
        assert_eq!(
            rows,
            [
                vec![Value::Int(2020), Value::Date(18_628), text("FR"), Value::Null],
                vec![Value::Int(2021), Value::Null, text(""), Value::Double(1.0)],
                vec![Value::Null, Value::Date(-1), text("a,\"b\"\nÉ"), Value::Double(0.1 + 0.2)],
            ]
        );
        let file = reader.metadata().file_metadata();
        assert!(file.created_by().unwrap().starts_with("rollshare version "));
        assert!(file.key_value_metadata().is_none_or(Vec::is_empty));
    }

    #[test]
    fn row_groups_bytes_and_statistics() {
        let values: Vec<Option<f64>> = (0..10).map(|i| Some(f64::from(i))).collect();
        let dictionary: Vec<Arc<str>> = vec!["FR".into(), "GB".into()];
        let mut table = Table {
            columns: vec![
                Column { name: "x".into(), data: ColumnData::Float64(values) },
                Column { name: "c".into(), data: ColumnData::Utf8 { indices: vec![1; 10], dictionary } },
            ],
        };
        let bytes = |table: &Table| {
            let mut bytes = Vec::new();
            write_with(table, &mut bytes, 4, None).unwrap();
            bytes
        };
        assert_eq!(bytes(&table), bytes(&table));
        let reader = read(bytes(&table));
        let rows: Vec<i64> = reader.metadata().row_groups().iter().map(|g| g.num_rows()).collect();
        assert_eq!(rows, [4, 4, 2]);
        let statistics = |reader: &SerializedFileReader<bytes::Bytes>| {
            reader
                .metadata()
                .row_group(1)
                .column(0)
                .statistics()
                .map(|s| s.max_bytes_opt().map(<[u8]>::to_vec))
        };
        assert_eq!(statistics(&reader), Some(Some(7f64.to_le_bytes().to_vec())));
        for column in &mut table.columns {
            match &mut column.data {
                ColumnData::Float64(values) => values.push(Some(f64::NAN)),
                ColumnData::Utf8 { indices, .. } => indices.push(1),
                _ => {}
            }
        }
        assert_eq!(statistics(&read(bytes(&table))).flatten(), None, "a NaN spoils them");
    }

    #[test]
    fn ids_are_padded_to_groups_of_eight() {
        for (rows, members) in [(1, 2), (7, 5), (8, 5), (25, 9), (32, 200), (301, 7), (1_000, 300), (9, 1)] {
            let dictionary: Vec<Arc<str>> = (0..members).map(|n| format!("c{n:03}").into()).collect();
            let indices: Vec<u32> = (0..rows).map(|row| row % members).collect();
            let seen = *indices.iter().max().unwrap();
            let table = Table {
                columns: vec![Column { name: "c".into(), data: ColumnData::Utf8 { indices, dictionary } }],
            };
            let mut bytes = Vec::new();
            write(&table, &mut bytes).unwrap();
            let file = read(bytes);
            let group = file.get_row_group(0).unwrap();
            let page = group.get_column_page_reader(0).unwrap().map(Result::unwrap).last().unwrap();
            let body = page.buffer();
            let levels = 4 + u32::from_le_bytes(body[..4].try_into().unwrap()) as usize;
            let bits = u32::BITS - seen.leading_zeros();
            assert_eq!(u32::from(body[levels]), bits);
            let groups = rows.div_ceil(8) as usize;
            let header = if groups < 64 { 1 } else { 2 };
            assert_eq!(
                body.len() - levels,
                1 + header + groups * bits as usize,
                "{rows} rows, {members} members"
            );
        }
    }

    #[test]
    fn a_full_disk_is_named_as_such() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let error = write(&crate::publish::tests::table(), &mut Full).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{error}");
    }

    #[test]
    fn no_rows() {
        let mut bytes = Vec::new();
        let mut table = crate::publish::tests::table();
        for column in &mut table.columns {
            column.data = match &column.data {
                ColumnData::Int32(_) => ColumnData::Int32(vec![]),
                ColumnData::Date32(_) => ColumnData::Date32(vec![]),
                ColumnData::Float64(_) => ColumnData::Float64(vec![]),
                ColumnData::Utf8 { .. } => ColumnData::Utf8 { indices: vec![], dictionary: vec![] },
            };
        }
        write(&table, &mut bytes).unwrap();
        let reader = read(bytes);
        assert_eq!(reader.metadata().file_metadata().num_rows(), 0);
        assert_eq!(reader.metadata().file_metadata().schema_descr().num_columns(), 4);
    }
}
