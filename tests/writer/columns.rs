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

/// A column; with a dot in its name, as in `geo.country`, a field of an optional struct.
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

    /// Whether each row is null.
    fn nulls(&self) -> Vec<bool> {
        fn of<C>(cells: &[Option<C>]) -> Vec<bool> {
            cells.iter().map(Option::is_none).collect()
        }
        match self {
            Data::Text(cells) => of(cells),
            Data::Bool(cells) => of(cells),
            Data::Double(cells) => of(cells),
            Data::Int32(cells, _) => of(cells),
            Data::Int64(cells, _) | Data::Int96(cells) => of(cells),
        }
    }
}

impl Column {
    /// The struct that the column lies in.
    fn group(&self) -> Option<&'static str> {
        self.name.split_once('.').map(|(group, _)| group)
    }
}

/// Definition levels, by row: a struct is null where all of its fields are.
fn levels_of(column: &Column, columns: &[&Column]) -> Vec<i16> {
    let nulls = column.data.nulls();
    let Some(group) = column.group() else {
        return nulls.into_iter().map(|is_null| i16::from(!is_null)).collect();
    };
    let fields = columns.iter().filter(|column| column.group() == Some(group));
    let fields: Vec<Vec<bool>> = fields.map(|column| column.data.nulls()).collect();
    let has_struct = |row: usize| fields.iter().any(|nulls| !nulls[row]);
    let level = |(row, is_null): (usize, bool)| i16::from(has_struct(row)) + i16::from(!is_null);
    nulls.into_iter().enumerate().map(level).collect()
}

/// The file's bytes. All columns have as many rows.
pub fn write(columns: &[Column], rows: usize, shape: &Shape) -> Vec<u8> {
    // The fields of a struct follow one another.
    let first_of = |group: &str| columns.iter().position(|column| column.group() == Some(group));
    let mut ordered: Vec<(usize, &Column)> = columns.iter().enumerate().collect();
    ordered.sort_by_key(|(at, column)| column.group().and_then(first_of).unwrap_or(*at));
    let columns: Vec<&Column> = ordered.into_iter().map(|(_, column)| column).collect();
    let repetition = |column: &Column| {
        let is_required = shape.required && column.group().is_none() && !column.data.nulls().contains(&true);
        if is_required { Repetition::REQUIRED } else { Repetition::OPTIONAL }
    };
    let field = |column: &Column| {
        let (physical, _) = column.data.physical();
        let name = column.name.split_once('.').map_or(column.name, |(_, name)| name);
        let builder = SchemaType::primitive_type_builder(name, physical);
        let builder = builder.with_repetition(repetition(column));
        let builder = match &column.data {
            Data::Text(_) => builder.with_converted_type(ConvertedType::UTF8),
            Data::Int32(_, logical) | Data::Int64(_, logical) => builder.with_logical_type(logical.clone()),
            _ => builder,
        };
        Arc::new(builder.build().unwrap())
    };
    let of_group = |columns: &[&Column]| {
        let fields: Vec<_> = columns.iter().map(|column| field(column)).collect();
        match columns[0].group() {
            None => fields,
            Some(group) => {
                let group = SchemaType::group_type_builder(group).with_repetition(Repetition::OPTIONAL);
                vec![Arc::new(group.with_fields(fields).build().unwrap())]
            }
        }
    };
    let groups = columns.chunk_by(|a, b| a.group().is_some() && a.group() == b.group());
    let fields = groups.flat_map(of_group).collect();
    let schema = SchemaType::group_type_builder("schema").with_fields(fields).build().unwrap();
    let mut properties = properties_of(shape);
    for column in &columns {
        let (_, encodings) = column.data.physical();
        let encoding = encodings[shape.encoding % encodings.len()];
        let path = ColumnPath::new(column.name.split('.').map(str::to_owned).collect());
        properties = properties.set_column_encoding(path, encoding);
    }
    let mut writer =
        SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties.build())).unwrap();
    let levels: Vec<Vec<i16>> = columns.iter().map(|column| levels_of(column, &columns)).collect();
    let mut from = 0;
    while from < rows {
        let group = from..(from + shape.group_rows).min(rows);
        let mut chunks = writer.next_row_group().unwrap();
        for (column, levels) in columns.iter().zip(&levels) {
            let mut chunk = chunks.next_column().unwrap().unwrap();
            let is_optional = repetition(column) == Repetition::OPTIONAL;
            let range = group.clone();
            let levels = is_optional.then_some(&levels[range.clone()]);
            match &column.data {
                Data::Text(cells) => {
                    put::<ByteArrayType, _>(&mut chunk, &cells[range], levels, |text| {
                        ByteArray::from(text.as_bytes().to_vec())
                    });
                }
                Data::Bool(cells) => put::<BoolType, _>(&mut chunk, &cells[range], levels, |flag| *flag),
                Data::Double(cells) => put::<DoubleType, _>(&mut chunk, &cells[range], levels, |n| *n),
                Data::Int32(cells, _) => put::<Int32Type, _>(&mut chunk, &cells[range], levels, |n| *n),
                Data::Int64(cells, _) => put::<Int64Type, _>(&mut chunk, &cells[range], levels, |n| *n),
                Data::Int96(cells) => put::<Int96Type, _>(&mut chunk, &cells[range], levels, int96),
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
    levels: Option<&[i16]>,
    value: impl Fn(&C) -> T::T,
) {
    let values: Vec<T::T> = cells.iter().flatten().map(value).collect();
    chunk.typed::<T>().write_batch(&values, levels, None).unwrap();
}
