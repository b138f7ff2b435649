//! Columns of any names and types as parquet files.

use std::sync::Arc;

use parquet::basic::{ConvertedType, Encoding, LogicalType, Repetition, Type};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type, Int96, Int96Type,
};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{ColumnPath, Type as SchemaType};

use super::{STRING_ENCODINGS, Shape, properties_of};

/// The values of a column.
#[derive(Debug, Clone)]
pub enum Data {
    Text(Vec<Option<String>>),
    Bool(Vec<Option<bool>>),
    Double(Vec<Option<f64>>),
    Int32(Vec<Option<i32>>, Option<LogicalType>),
    Int64(Vec<Option<i64>>, Option<LogicalType>),
    /// Nanoseconds since 1970.
    Int96(Vec<Option<i64>>),
}

/// A column.
#[derive(Debug, Clone)]
pub struct Column {
    pub name: &'static str,
    pub data: Data,
}

impl Data {
    fn physical(&self) -> (Type, &'static [Encoding]) {
        const NUMBERS: &[Encoding] =
            &[Encoding::PLAIN, Encoding::DELTA_BINARY_PACKED, Encoding::BYTE_STREAM_SPLIT];
        match self {
            Data::Text(_) => (Type::BYTE_ARRAY, STRING_ENCODINGS),
            Data::Bool(_) => (Type::BOOLEAN, &[Encoding::PLAIN]),
            Data::Double(_) => (Type::DOUBLE, &[Encoding::PLAIN, Encoding::BYTE_STREAM_SPLIT]),
            Data::Int32(..) => (Type::INT32, NUMBERS),
            Data::Int64(..) => (Type::INT64, NUMBERS),
            Data::Int96(_) => (Type::INT96, &[Encoding::PLAIN]),
        }
    }

    fn has_nulls(&self) -> bool {
        match self {
            Data::Text(cells) => cells.contains(&None),
            Data::Bool(cells) => cells.contains(&None),
            Data::Double(cells) => cells.contains(&None),
            Data::Int32(cells, _) => cells.contains(&None),
            Data::Int64(cells, _) | Data::Int96(cells) => cells.contains(&None),
        }
    }
}

/// The file's bytes. All columns have as many rows.
pub fn write(columns: &[Column], rows: usize, shape: &Shape) -> Vec<u8> {
    let repetition = |data: &Data| {
        if shape.required && !data.has_nulls() { Repetition::REQUIRED } else { Repetition::OPTIONAL }
    };
    let field = |column: &Column| {
        let (physical, _) = column.data.physical();
        let builder = SchemaType::primitive_type_builder(column.name, physical);
        let builder = builder.with_repetition(repetition(&column.data));
        let builder = match &column.data {
            Data::Text(_) => builder.with_converted_type(ConvertedType::UTF8),
            Data::Int32(_, logical) | Data::Int64(_, logical) => builder.with_logical_type(logical.clone()),
            _ => builder,
        };
        Arc::new(builder.build().unwrap())
    };
    let fields = columns.iter().map(field).collect();
    let schema = SchemaType::group_type_builder("schema").with_fields(fields).build().unwrap();
    let mut properties = properties_of(shape);
    for column in columns {
        let (_, encodings) = column.data.physical();
        let encoding = encodings[shape.encoding % encodings.len()];
        properties = properties.set_column_encoding(ColumnPath::from(column.name), encoding);
    }
    let mut writer =
        SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties.build())).unwrap();
    let mut from = 0;
    while from < rows {
        let group = from..(from + shape.group_rows).min(rows);
        let mut chunks = writer.next_row_group().unwrap();
        for column in columns {
            let mut chunk = chunks.next_column().unwrap().unwrap();
            let is_optional = repetition(&column.data) == Repetition::OPTIONAL;
            let range = group.clone();
            match &column.data {
                Data::Text(cells) => {
                    put::<ByteArrayType, _>(&mut chunk, &cells[range], is_optional, |text| {
                        ByteArray::from(text.as_bytes().to_vec())
                    });
                }
                Data::Bool(cells) => put::<BoolType, _>(&mut chunk, &cells[range], is_optional, |flag| *flag),
                Data::Double(cells) => put::<DoubleType, _>(&mut chunk, &cells[range], is_optional, |n| *n),
                Data::Int32(cells, _) => put::<Int32Type, _>(&mut chunk, &cells[range], is_optional, |n| *n),
                Data::Int64(cells, _) => put::<Int64Type, _>(&mut chunk, &cells[range], is_optional, |n| *n),
                Data::Int96(cells) => put::<Int96Type, _>(&mut chunk, &cells[range], is_optional, int96),
            }
            chunk.close().unwrap();
        }
        chunks.close().unwrap();
        from = group.end;
    }
    writer.into_inner().unwrap()
}

/// Nanoseconds of the day, and the Julian day.
fn int96(nanos: &i64) -> Int96 {
    const DAY: i64 = 86_400_000_000_000;
    let (day, rest) = (nanos.div_euclid(DAY) + 2_440_588, nanos.rem_euclid(DAY) as u64);
    let mut int96 = Int96::new();
    int96.set_data(rest as u32, (rest >> 32) as u32, day as u32);
    int96
}

fn put<T: DataType, C>(
    chunk: &mut SerializedColumnWriter<'_>,
    cells: &[Option<C>],
    is_optional: bool,
    value: impl Fn(&C) -> T::T,
) {
    let levels: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
    let values: Vec<T::T> = cells.iter().flatten().map(value).collect();
    chunk.typed::<T>().write_batch(&values, is_optional.then_some(&levels[..]), None).unwrap();
}
