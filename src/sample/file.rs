//! Writes pages to a parquet file: the only module of the sample that uses parquet2.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use parquet2::compression::{Compression, CompressionOptions, compress};
use parquet2::encoding::Encoding as PageEncoding;
use parquet2::fallible_streaming_iterator::convert;
use parquet2::metadata::{Descriptor, SchemaDescriptor};
use parquet2::page::{
    CompressedDataPage, CompressedDictPage, CompressedPage, DataPageHeader, DataPageHeaderV1,
};
use parquet2::schema::types::{
    ParquetType, PhysicalType, PrimitiveConvertedType, PrimitiveLogicalType, PrimitiveType, TimeUnit,
};
use parquet2::statistics::{BinaryStatistics, serialize_statistics};
use parquet2::write::{DynIter, DynStreamingIterator, FileWriter, Version, WriteOptions};

use super::column::ColumnWriter;
use super::table::{Column, Encoding, Field, Kind};
use crate::{Error, Result};

/// Name and type of a column. Both the logical type and the older converted type are written, since
/// some readers support only one of them.
fn primitive(field: Field) -> PrimitiveType {
    const STRING: Option<(PrimitiveLogicalType, PrimitiveConvertedType)> =
        Some((PrimitiveLogicalType::String, PrimitiveConvertedType::Utf8));
    const DATE: Option<(PrimitiveLogicalType, PrimitiveConvertedType)> =
        Some((PrimitiveLogicalType::Date, PrimitiveConvertedType::Date));
    const INSTANT: Option<(PrimitiveLogicalType, PrimitiveConvertedType)> = Some((
        PrimitiveLogicalType::Timestamp { unit: TimeUnit::Microseconds, is_adjusted_to_utc: true },
        PrimitiveConvertedType::TimestampMicros,
    ));
    let (physical, meaning) = match field.kind {
        Kind::Boolean => (PhysicalType::Boolean, None),
        Kind::Date => (PhysicalType::Int32, DATE),
        Kind::Float => (PhysicalType::Float, None),
        Kind::Int64 => (PhysicalType::Int64, None),
        Kind::Int96 => (PhysicalType::Int96, None),
        Kind::Text => (PhysicalType::ByteArray, STRING),
        Kind::Instant => (PhysicalType::Int64, INSTANT),
    };
    PrimitiveType {
        logical_type: meaning.map(|m| m.0),
        converted_type: meaning.map(|m| m.1),
        ..PrimitiveType::from_physical(field.name.to_owned(), physical)
    }
}

/// An encoded, compressed page.
pub(super) struct Page(CompressedPage);

fn snappy(body: &[u8]) -> Result<Vec<u8>> {
    let mut out = vec![];
    compress(CompressionOptions::Snappy, body, &mut out).map_err(encode_error)?;
    Ok(out)
}

impl Page {
    pub(super) fn data(field: Field, body: &[u8], rows: usize, nulls: usize) -> Result<Self> {
        let encoding = match field.encoding {
            Encoding::Dictionary => PageEncoding::RleDictionary,
            Encoding::Plain => PageEncoding::Plain,
        };
        // No minimum and maximum: parquet2 writes no column orders, without which readers must ignore
        // them. INT96 has no order at all, and parquet2 panics when it merges its statistics.
        let statistics = (field.kind != Kind::Int96).then(|| {
            serialize_statistics(&BinaryStatistics {
                primitive_type: primitive(field),
                null_count: i64::try_from(nulls).ok(),
                distinct_count: None,
                max_value: None,
                min_value: None,
            })
        });
        let header = DataPageHeaderV1 {
            num_values: i32::try_from(rows).map_err(|_| Error::internal("a page of 2^31 rows or more"))?,
            encoding: encoding.into(),
            definition_level_encoding: PageEncoding::Rle.into(),
            repetition_level_encoding: PageEncoding::Rle.into(),
            statistics,
        };
        Ok(Page(CompressedPage::Data(CompressedDataPage::new(
            DataPageHeader::V1(header),
            snappy(body)?,
            Compression::Snappy,
            body.len(),
            descriptor(field),
            Some(rows),
        ))))
    }

    pub(super) fn dictionary(body: &[u8], entries: usize) -> Result<Self> {
        let page = CompressedDictPage::new(snappy(body)?, Compression::Snappy, body.len(), entries, false);
        Ok(Page(CompressedPage::Dict(page)))
    }
}

fn schema(fields: &[Field]) -> SchemaDescriptor {
    let fields = fields.iter().map(|field| ParquetType::PrimitiveType(primitive(*field))).collect();
    SchemaDescriptor::new("schema".to_owned(), fields)
}

/// The descriptor of an optional column that is not nested.
fn descriptor(field: Field) -> Descriptor {
    Descriptor { primitive_type: primitive(field), max_def_level: 1, max_rep_level: 0 }
}

fn encode_error(e: parquet2::error::Error) -> Error {
    Error::internal(format!("cannot encode the sample: {e}"))
}

/// A file under construction.
pub(super) struct Output {
    writer: FileWriter<BufWriter<File>>,
    path: String,
}

impl Output {
    pub(super) fn create(path: &Path, fields: &[Field]) -> Result<Self> {
        let name = path.display().to_string();
        let file = File::create(path).map_err(|e| Error::io(format!("cannot create {name}"), e))?;
        // The option is the column index; real exports have none either.
        let options = WriteOptions { write_statistics: false, version: Version::V1 };
        let by = Some(format!("rollshare {}", env!("CARGO_PKG_VERSION")));
        Ok(Output { writer: FileWriter::new(BufWriter::new(file), schema(fields), options, by), path: name })
    }

    fn write_error(&self, e: parquet2::error::Error) -> Error {
        Error::io(format!("cannot write {}", self.path), std::io::Error::other(e.to_string()))
    }

    /// Writes the pages of the columns as one row group.
    pub(super) fn row_group<C: Column>(
        &mut self,
        table: &C::Table,
        columns: &mut [ColumnWriter<C>],
    ) -> Result<()> {
        let chunks = columns
            .iter_mut()
            .map(|c| Ok(c.take_chunk(table)?.into_iter().map(|p| p.0).collect()))
            .collect::<Result<Vec<Vec<CompressedPage>>>>()?;
        let pages = chunks.iter().map(|chunk| {
            Ok(DynStreamingIterator::new(convert(chunk.iter().map(Ok::<_, parquet2::error::Error>))))
        });
        self.writer.write(DynIter::new(pages)).map_err(|e| self.write_error(e))
    }

    /// Writes the footer; returns the size of the file.
    pub(super) fn finish(mut self) -> Result<u64> {
        let bytes = self.writer.end(None).map_err(|e| self.write_error(e))?;
        let fail = |e| Error::io(format!("cannot write {}", self.path), e);
        self.writer.into_inner().flush().map_err(fail)?;
        Ok(bytes)
    }
}
