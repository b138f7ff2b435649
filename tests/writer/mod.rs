//! Writes tables as parquet files of any shape, with the `parquet` crate: a writer that is independent of
//! this crate.
//!
//! The `parquet` crate writes only valid files. For the mistakes of other writers there is a small
//! hand-written writer, each part of which a test can change:
//! - [`thrift`]: structs as maps of fields. [`encodings`]: values as bytes.
//! - [`pages`]: a column chunk as a list of pages. [`file`]: page index, footer, offsets.
//! - [`table`]: a table of the job's rows as such a file.
//!
//! [`columns`] writes any columns, with the `parquet` crate.
#![allow(dead_code)] // each test program uses its part

pub mod columns;
pub mod encodings;
pub mod file;
pub mod pages;
pub mod table;
pub mod thrift;

use std::sync::Arc;

use parquet::basic::{
    BrotliLevel, Compression, ConvertedType, Encoding, GzipLevel, LogicalType, Repetition, Type, ZstdLevel,
};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, FixedLenByteArray};
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, Type as SchemaType};

use super::oracle::{Row, Value};

/// The type of the value column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Int(u8),
    UInt(u8),
    /// Units of 2^-k.
    Float(u8),
    Double(u8),
    /// Units of 10^-scale.
    Decimal32(u8),
    Decimal64(u8),
    DecimalFixed(u8),
    DecimalBytes(u8),
}

impl Kind {
    /// The units that the type can hold without overflow in the writer.
    pub fn range(self) -> (i128, i128) {
        let signed = |bits: u8| (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1);
        match self {
            Kind::Int(bits) => signed(bits),
            Kind::UInt(bits) => (0, (1i128 << bits) - 1),
            Kind::Float(_) => (-(1 << 24), 1 << 24),
            Kind::Double(_) => (-(1 << 53), 1 << 53),
            Kind::Decimal32(_) => (-999_999_999, 999_999_999),
            Kind::Decimal64(_) => (-999_999_999_999_999_999, 999_999_999_999_999_999),
            Kind::DecimalFixed(_) | Kind::DecimalBytes(_) => (-(10i128.pow(30)), 10i128.pow(30)),
        }
    }

    pub fn is_float(self) -> bool {
        matches!(self, Kind::Float(_) | Kind::Double(_))
    }

    fn physical(self) -> Type {
        match self {
            Kind::Int(64) | Kind::UInt(64) | Kind::Decimal64(_) => Type::INT64,
            Kind::Int(_) | Kind::UInt(_) | Kind::Decimal32(_) => Type::INT32,
            Kind::Float(_) => Type::FLOAT,
            Kind::Double(_) => Type::DOUBLE,
            Kind::DecimalFixed(_) => Type::FIXED_LEN_BYTE_ARRAY,
            Kind::DecimalBytes(_) => Type::BYTE_ARRAY,
        }
    }

    fn field(self, repetition: Repetition) -> SchemaType {
        let builder =
            SchemaType::primitive_type_builder("value", self.physical()).with_repetition(repetition);
        let builder = match self {
            Kind::Int(bits) => builder.with_logical_type(Some(LogicalType::integer(bits as i8, true))),
            Kind::UInt(bits) => builder.with_logical_type(Some(LogicalType::integer(bits as i8, false))),
            Kind::Float(_) | Kind::Double(_) => builder,
            Kind::Decimal32(s) | Kind::Decimal64(s) | Kind::DecimalFixed(s) | Kind::DecimalBytes(s) => {
                let precision = match self {
                    Kind::Decimal32(_) => 9,
                    Kind::Decimal64(_) => 18,
                    _ => 38,
                };
                let logical = LogicalType::decimal(i32::from(s), precision);
                let builder =
                    if matches!(self, Kind::DecimalFixed(_)) { builder.with_length(16) } else { builder };
                builder.with_logical_type(Some(logical)).with_precision(precision).with_scale(i32::from(s))
            }
        };
        builder.build().unwrap()
    }

    fn encodings(self) -> &'static [Encoding] {
        match self.physical() {
            Type::INT32 | Type::INT64 => {
                &[Encoding::PLAIN, Encoding::DELTA_BINARY_PACKED, Encoding::BYTE_STREAM_SPLIT]
            }
            Type::BYTE_ARRAY => STRING_ENCODINGS,
            Type::FIXED_LEN_BYTE_ARRAY => {
                &[Encoding::PLAIN, Encoding::DELTA_BYTE_ARRAY, Encoding::BYTE_STREAM_SPLIT]
            }
            _ => &[Encoding::PLAIN, Encoding::BYTE_STREAM_SPLIT],
        }
    }
}

pub const STRING_ENCODINGS: &[Encoding] =
    &[Encoding::PLAIN, Encoding::DELTA_LENGTH_BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY];

pub fn codecs() -> [Compression; 7] {
    [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
    ]
}

/// How a table is laid out in a file; the answer must not depend on it.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Index into the encodings that a column's type has, where there is no dictionary.
    pub encoding: usize,
    pub dictionary: bool,
    /// Bytes after which a dictionary is given up in the middle of the chunk.
    pub dictionary_limit: usize,
    /// Index into [`codecs`].
    pub codec: usize,
    pub v2: bool,
    pub page_rows: usize,
    pub group_rows: usize,
    pub statistics: bool,
    /// Columns without nulls are required.
    pub required: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Shape {
            encoding: 0,
            dictionary: true,
            dictionary_limit: 1 << 20,
            codec: 1,
            v2: false,
            page_rows: 20_000,
            group_rows: 1 << 20,
            statistics: true,
            required: false,
        }
    }
}

const STRINGS: [&str; 4] = ["name", "year_week", "country", "os_name"];

fn strings(row: &Row) -> [&Option<String>; 4] {
    [&row.name, &row.year_week, &row.country, &row.os_name]
}

/// The writer's properties, but for the encodings of its columns.
fn properties_of(shape: &Shape) -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_compression(codecs()[shape.codec])
        .set_dictionary_enabled(shape.dictionary)
        .set_dictionary_page_size_limit(shape.dictionary_limit)
        .set_data_page_row_count_limit(shape.page_rows)
        .set_write_batch_size(shape.page_rows.min(1024))
        .set_writer_version(if shape.v2 { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 })
        .set_statistics_enabled(if shape.statistics {
            EnabledStatistics::Page
        } else {
            EnabledStatistics::None
        })
}

/// The file's bytes.
pub fn write(rows: &[Row], kind: Kind, shape: &Shape) -> Vec<u8> {
    let repetition = |nulls: bool| {
        if shape.required && !nulls { Repetition::REQUIRED } else { Repetition::OPTIONAL }
    };
    let string = |at: usize| {
        let nulls = rows.iter().any(|r| strings(r)[at].is_none());
        SchemaType::primitive_type_builder(STRINGS[at], Type::BYTE_ARRAY)
            .with_repetition(repetition(nulls))
            .with_converted_type(ConvertedType::UTF8)
            .build()
            .unwrap()
    };
    let value_nulls = rows.iter().any(|r| r.value == Value::Null);
    // As in an export, there are unused columns between the used ones.
    let flag = SchemaType::primitive_type_builder("has_subtrackers", Type::BOOLEAN).build().unwrap();
    let fields = [string(0), kind.field(repetition(value_nulls)), string(1), flag, string(2), string(3)];
    let schema =
        SchemaType::group_type_builder("schema").with_fields(fields.map(Arc::new).to_vec()).build().unwrap();
    let mut properties =
        properties_of(shape).set_column_dictionary_enabled(ColumnPath::from("has_subtrackers"), false);
    let pick = |encodings: &[Encoding]| encodings[shape.encoding % encodings.len()];
    properties = properties.set_column_encoding(ColumnPath::from("value"), pick(kind.encodings()));
    for name in STRINGS {
        properties = properties.set_column_encoding(ColumnPath::from(name), pick(STRING_ENCODINGS));
    }
    let mut writer =
        SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties.build())).unwrap();
    for group in rows.chunks(shape.group_rows) {
        let mut columns = writer.next_row_group().unwrap();
        let mut at = 0;
        while let Some(mut column) = columns.next_column().unwrap() {
            match at {
                1 => values(column.untyped(), group, kind, repetition(value_nulls)),
                3 => {
                    let flags: Vec<bool> = group.iter().map(|r| r.name.is_some()).collect();
                    column
                        .typed::<BoolType>()
                        .write_batch(&flags, Some(&vec![1; flags.len()]), None)
                        .unwrap();
                }
                _ => {
                    let which = [0, 9, 1, 9, 2, 3][at];
                    let cells: Vec<_> = group.iter().map(|r| strings(r)[which].as_ref()).collect();
                    let levels: Vec<i16> = cells.iter().map(|c| i16::from(c.is_some())).collect();
                    let data: Vec<ByteArray> =
                        cells.iter().flatten().map(|c| ByteArray::from(c.as_bytes().to_vec())).collect();
                    let nulls = rows.iter().any(|r| strings(r)[which].is_none());
                    let levels = (repetition(nulls) == Repetition::OPTIONAL).then_some(&levels[..]);
                    column.typed::<ByteArrayType>().write_batch(&data, levels, None).unwrap();
                }
            }
            column.close().unwrap();
            at += 1;
        }
        columns.close().unwrap();
    }
    writer.into_inner().unwrap()
}

fn values(column: &mut ColumnWriter<'_>, rows: &[Row], kind: Kind, repetition: Repetition) {
    let levels: Vec<i16> = rows.iter().map(|r| i16::from(r.value != Value::Null)).collect();
    let levels = (repetition == Repetition::OPTIONAL).then_some(&levels[..]);
    let present: Vec<Value> = rows.iter().map(|r| r.value).filter(|v| *v != Value::Null).collect();
    let units =
        || present.iter().map(|v| if let Value::Units(n) = v { *n } else { panic!("{v:?} as {kind:?}") });
    let doubles = |k: u8| {
        present.iter().map(move |v| match v {
            Value::Units(n) => *n as f64 / f64::from(1u32 << k),
            Value::Nan => f64::NAN,
            _ => f64::INFINITY,
        })
    };
    macro_rules! put {
        ($variant:ident, $data:expr) => {{
            let ColumnWriter::$variant(writer) = column else { panic!("{kind:?} goes elsewhere") };
            writer.write_batch(&$data, levels, None).unwrap();
        }};
    }
    match (kind, kind.physical()) {
        (Kind::Float(k), _) => put!(FloatColumnWriter, doubles(k).map(|v| v as f32).collect::<Vec<_>>()),
        (Kind::Double(k), _) => put!(DoubleColumnWriter, doubles(k).collect::<Vec<_>>()),
        (_, Type::INT32) => put!(Int32ColumnWriter, units().map(|n| n as i32).collect::<Vec<_>>()),
        (_, Type::INT64) => put!(Int64ColumnWriter, units().map(|n| n as i64).collect::<Vec<_>>()),
        (_, Type::FIXED_LEN_BYTE_ARRAY) => {
            let data: Vec<FixedLenByteArray> =
                units().map(|n| FixedLenByteArray::from(n.to_be_bytes().to_vec())).collect();
            put!(FixedLenByteArrayColumnWriter, data);
        }
        _ => {
            // The shortest two's complement, as the specification requires.
            let data: Vec<ByteArray> = units()
                .map(|n| {
                    let bytes = n.to_be_bytes();
                    let sign = if n < 0 { 0xff } else { 0 };
                    let skip =
                        (0..15).take_while(|i| bytes[*i] == sign && bytes[i + 1] >> 7 == sign >> 7).count();
                    ByteArray::from(bytes[skip..].to_vec())
                })
                .collect();
            put!(ByteArrayColumnWriter, data);
        }
    }
}
