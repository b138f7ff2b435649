//! Pages to a parquet file: the only place of the sample that knows parquet2.

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

use super::column::{ColumnWriter, Which};
use super::cube::Cube;
use crate::{Error, Result};

/// A column of an export: name and type. Both the logical type and the older
/// converted type are written, since some readers know only one of them.
fn primitive(which: Which) -> PrimitiveType {
    const STRING: Option<(PrimitiveLogicalType, PrimitiveConvertedType)> =
        Some((PrimitiveLogicalType::String, PrimitiveConvertedType::Utf8));
    const DATE: Option<(PrimitiveLogicalType, PrimitiveConvertedType)> =
        Some((PrimitiveLogicalType::Date, PrimitiveConvertedType::Date));
    let (name, physical, meaning) = match which {
        Which::Name => ("name", PhysicalType::ByteArray, STRING),
        Which::Value => ("value", PhysicalType::Float, None),
        Which::StartDate => ("start_date", PhysicalType::Int32, DATE),
        Which::EndDate => ("end_date", PhysicalType::Int32, DATE),
        Which::YearWeek => ("year_week", PhysicalType::ByteArray, STRING),
        Which::HasSubtrackers => ("has_subtrackers", PhysicalType::Boolean, None),
        Which::Token => ("token", PhysicalType::ByteArray, STRING),
        Which::InsertedAt => ("dataplatform_inserted_at", PhysicalType::Int96, None),
        Which::Country => ("country", PhysicalType::ByteArray, STRING),
        Which::OsName => ("os_name", PhysicalType::ByteArray, STRING),
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
    compress(CompressionOptions::Snappy, body, &mut out).map_err(wrong)?;
    Ok(out)
}

impl Page {
    pub(super) fn data(which: Which, body: &[u8], rows: usize) -> Result<Self> {
        let plain = which == Which::HasSubtrackers;
        // No smallest and largest value: parquet2 writes no column orders, without
        // which readers have to ignore them.
        // INT96 has no order at all, and parquet2 panics when it merges such.
        let statistics = (which != Which::InsertedAt).then(|| {
            serialize_statistics(&BinaryStatistics {
                primitive_type: primitive(which),
                null_count: Some(0),
                distinct_count: None,
                max_value: None,
                min_value: None,
            })
        });
        let header = DataPageHeaderV1 {
            num_values: i32::try_from(rows).map_err(|_| Error::internal("a page of 2^31 rows"))?,
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
            descriptor(which),
            Some(rows),
        ))))
    }

    pub(super) fn dictionary(body: &[u8], entries: usize) -> Result<Self> {
        let page = CompressedDictPage::new(snappy(body)?, Compression::Snappy, body.len(), entries, false);
        Ok(Page(CompressedPage::Dict(page)))
    }
}

fn schema(which: &[Which]) -> SchemaDescriptor {
    let fields = which.iter().map(|w| ParquetType::PrimitiveType(primitive(*w))).collect();
    SchemaDescriptor::new("schema".to_owned(), fields)
}

/// An optional column that is not nested.
fn descriptor(which: Which) -> Descriptor {
    Descriptor { primitive_type: primitive(which), max_def_level: 1, max_rep_level: 0 }
}

fn wrong(e: parquet2::error::Error) -> Error {
    Error::internal(format!("cannot encode the sample: {e}"))
}

/// A file under construction.
pub(super) struct Output {
    writer: FileWriter<BufWriter<File>>,
    path: String,
}

impl Output {
    pub(super) fn create(path: &Path, which: &[Which]) -> Result<Self> {
        let name = path.display().to_string();
        let file = File::create(path).map_err(|e| Error::io(format!("cannot create {name}"), e))?;
        // This is about the column index; the export has none either.
        let options = WriteOptions { write_statistics: false, version: Version::V1 };
        let by = Some(format!("rollshare {}", env!("CARGO_PKG_VERSION")));
        Ok(Output { writer: FileWriter::new(BufWriter::new(file), schema(which), options, by), path: name })
    }

    fn fail(&self, e: parquet2::error::Error) -> Error {
        Error::io(format!("cannot write {}", self.path), std::io::Error::other(e.to_string()))
    }

    /// Writes what the columns hold as one row group.
    pub(super) fn row_group(&mut self, cube: &Cube, columns: &mut [ColumnWriter]) -> Result<()> {
        let chunks = columns
            .iter_mut()
            .map(|c| Ok(c.take_chunk(cube)?.into_iter().map(|p| p.0).collect()))
            .collect::<Result<Vec<Vec<CompressedPage>>>>()?;
        let pages = chunks.iter().map(|chunk| {
            Ok(DynStreamingIterator::new(convert(chunk.iter().map(Ok::<_, parquet2::error::Error>))))
        });
        self.writer.write(DynIter::new(pages)).map_err(|e| self.fail(e))
    }

    /// Writes the footer and tells the file's size.
    pub(super) fn finish(mut self) -> Result<u64> {
        let bytes = self.writer.end(None).map_err(|e| self.fail(e))?;
        let fail = |e| Error::io(format!("cannot write {}", self.path), e);
        self.writer.into_inner().flush().map_err(fail)?;
        Ok(bytes)
    }
}
