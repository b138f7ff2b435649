//! Writes pages to a parquet file: the only module of the sample that uses parquet2.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use parquet2::compression::{Compression, CompressionOptions, compress};
use parquet2::encoding::Encoding;
use parquet2::fallible_streaming_iterator::convert;
use parquet2::metadata::{Descriptor, SchemaDescriptor};
use parquet2::page::{
    CompressedDataPage, CompressedDictPage, CompressedPage, DataPageHeader, DataPageHeaderV1,
};
use parquet2::schema::types::{
    ParquetType, PhysicalType, PrimitiveConvertedType, PrimitiveLogicalType, PrimitiveType,
};
use parquet2::statistics::{BinaryStatistics, serialize_statistics};
use parquet2::write::{DynIter, DynStreamingIterator, FileWriter, Version, WriteOptions};

use super::column::{ColumnWriter, ExportColumn};
use super::cube::Cube;
use crate::{Error, Result};

/// Name and type of a column. Both the logical type and the older converted type are written, since
/// some readers support only one of them.
fn primitive(column: ExportColumn) -> PrimitiveType {
    const STRING: Option<(PrimitiveLogicalType, PrimitiveConvertedType)> =
        Some((PrimitiveLogicalType::String, PrimitiveConvertedType::Utf8));
    const DATE: Option<(PrimitiveLogicalType, PrimitiveConvertedType)> =
        Some((PrimitiveLogicalType::Date, PrimitiveConvertedType::Date));
    let (name, physical, meaning) = match column {
        ExportColumn::Name => ("name", PhysicalType::ByteArray, STRING),
        ExportColumn::Value => ("value", PhysicalType::Float, None),
        ExportColumn::StartDate => ("start_date", PhysicalType::Int32, DATE),
        ExportColumn::EndDate => ("end_date", PhysicalType::Int32, DATE),
        ExportColumn::YearWeek => ("year_week", PhysicalType::ByteArray, STRING),
        ExportColumn::HasSubtrackers => ("has_subtrackers", PhysicalType::Boolean, None),
        ExportColumn::Token => ("token", PhysicalType::ByteArray, STRING),
        ExportColumn::InsertedAt => ("dataplatform_inserted_at", PhysicalType::Int96, None),
        ExportColumn::Country => ("country", PhysicalType::ByteArray, STRING),
        ExportColumn::OsName => ("os_name", PhysicalType::ByteArray, STRING),
    };
    PrimitiveType {
        logical_type: meaning.map(|m| m.0),
        converted_type: meaning.map(|m| m.1),
        ..PrimitiveType::from_physical(name.to_owned(), physical)
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
    pub(super) fn data(column: ExportColumn, body: &[u8], rows: usize) -> Result<Self> {
        let plain = column == ExportColumn::HasSubtrackers;
        // No minimum and maximum: parquet2 writes no column orders, without which readers must ignore
        // them. INT96 has no order at all, and parquet2 panics when it merges its statistics.
        let statistics = (column != ExportColumn::InsertedAt).then(|| {
            serialize_statistics(&BinaryStatistics {
                primitive_type: primitive(column),
                null_count: Some(0),
                distinct_count: None,
                max_value: None,
                min_value: None,
            })
        });
        let header = DataPageHeaderV1 {
            num_values: i32::try_from(rows).map_err(|_| Error::internal("a page of 2^31 rows or more"))?,
            encoding: if plain { Encoding::Plain } else { Encoding::RleDictionary }.into(),
            definition_level_encoding: Encoding::Rle.into(),
            repetition_level_encoding: Encoding::Rle.into(),
            statistics,
        };
        Ok(Page(CompressedPage::Data(CompressedDataPage::new(
            DataPageHeader::V1(header),
            snappy(body)?,
            Compression::Snappy,
            body.len(),
            descriptor(column),
            Some(rows),
        ))))
    }

    pub(super) fn dictionary(body: &[u8], entries: usize) -> Result<Self> {
        let page = CompressedDictPage::new(snappy(body)?, Compression::Snappy, body.len(), entries, false);
        Ok(Page(CompressedPage::Dict(page)))
    }
}

fn schema(columns: &[ExportColumn]) -> SchemaDescriptor {
    let fields = columns.iter().map(|w| ParquetType::PrimitiveType(primitive(*w))).collect();
    SchemaDescriptor::new("schema".to_owned(), fields)
}

/// The descriptor of an optional column that is not nested.
fn descriptor(column: ExportColumn) -> Descriptor {
    Descriptor { primitive_type: primitive(column), max_def_level: 1, max_rep_level: 0 }
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
    pub(super) fn create(path: &Path, columns: &[ExportColumn]) -> Result<Self> {
        let name = path.display().to_string();
        let file = File::create(path).map_err(|e| Error::io(format!("cannot create {name}"), e))?;
        // The option is the column index; real exports have none either.
        let options = WriteOptions { write_statistics: false, version: Version::V1 };
        let by = Some(format!("rollshare {}", env!("CARGO_PKG_VERSION")));
        Ok(Output { writer: FileWriter::new(BufWriter::new(file), schema(columns), options, by), path: name })
    }

    fn write_error(&self, e: parquet2::error::Error) -> Error {
        Error::io(format!("cannot write {}", self.path), std::io::Error::other(e.to_string()))
    }

    /// Writes the pages of the columns as one row group.
    pub(super) fn row_group(&mut self, cube: &Cube, columns: &mut [ColumnWriter]) -> Result<()> {
        let chunks = columns
            .iter_mut()
            .map(|c| Ok(c.take_chunk(cube)?.into_iter().map(|p| p.0).collect()))
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
