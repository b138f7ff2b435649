//! Files of arrow2 and parquet2, for `tests/writers/run.py`; see `tests/writers/write.py` for the protocol.
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, Write};

use arrow2::array::{
    Array, DictionaryKey, MutableArray, MutableDictionaryArray, MutableUtf8Array, PrimitiveArray, TryExtend,
    Utf8Array,
};
use arrow2::chunk::Chunk;
use arrow2::datatypes::{DataType, Field, Schema};
use arrow2::io::parquet::write::{
    CompressionOptions, Encoding, FileWriter, RowGroupIterator, Version, WriteOptions, transverse,
};
use arrow2::types::NativeType;
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error>>;

#[derive(serde::Deserialize)]
struct Request {
    rows: String,
    target: String,
    seed: String,
}

#[derive(serde::Deserialize)]
struct Rows {
    kind: String,
    columns: BTreeMap<String, Vec<Value>>,
}

/// xorshift64*, seeded with a text.
struct Random(u64);

impl Random {
    fn new(seed: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        seed.hash(&mut hasher);
        Self(hasher.finish() | 1)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).unwrap_or_default() % limit.max(1)
    }

    fn choice<T: Clone>(&mut self, of: &[T]) -> Outcome<T> {
        let at = self.below(of.len());
        of.get(at).cloned().ok_or_else(|| "a choice of nothing".into())
    }
}

fn main() -> Outcome<()> {
    println!("{}", json!({"version": "0.18.0"}));
    for line in std::io::stdin().lock().lines() {
        let answer =
            match serde_json::from_str(&line?).map_err(Into::into).and_then(|request| write(&request)) {
                Ok(options) => json!({"options": options}),
                Err(error) => json!({"error": error.to_string()}),
            };
        println!("{answer}");
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn write(request: &Request) -> Outcome<Value> {
    let rows: Rows = serde_json::from_reader(std::io::BufReader::new(File::open(&request.rows)?))?;
    let mut random = Random::new(&request.seed);
    let options = WriteOptions {
        write_statistics: random.choice(&[true, false])?,
        version: random.choice(&[Version::V1, Version::V2])?,
        compression: random.choice(&[CompressionOptions::Uncompressed, CompressionOptions::Snappy])?,
        data_pagesize_limit: random.choice(&[None, Some(32), Some(500), Some(10_000)])?,
    };
    let mut order: Vec<(&String, &Vec<Value>)> = rows.columns.iter().collect();
    for at in (1..order.len()).rev() {
        order.swap(at, random.below(at + 1));
    }
    let length = rows.columns.values().next().map_or(0, Vec::len);
    let group = random.choice(&[length, 1 + length / 3, 1000, 5000])?.max(1);
    let mut fields = vec![];
    let mut encodings = vec![];
    for (name, values) in &order {
        let (data_type, encoding) = if *name == "value" {
            let data_type = value_type(&rows.kind)?;
            let encoding = match data_type {
                DataType::Float32 | DataType::Float64 | DataType::Decimal(19.., _) => Encoding::Plain,
                _ => random.choice(&[Encoding::Plain, Encoding::DeltaBinaryPacked])?,
            };
            (data_type, encoding)
        } else {
            random.choice(&[
                (DataType::Utf8, Encoding::Plain),
                (DataType::LargeUtf8, Encoding::Plain),
                (DataType::Utf8, Encoding::DeltaLengthByteArray),
                (DataType::LargeUtf8, Encoding::DeltaLengthByteArray),
                (dictionary::<u32>(), Encoding::RleDictionary),
                (dictionary::<i16>(), Encoding::RleDictionary),
            ])?
        };
        let nullable = values.iter().any(Value::is_null) || random.below(5) > 0;
        fields.push(Field::new(*name, data_type, nullable));
        encodings.push(encoding);
    }
    let schema = Schema::from(fields);
    let chunks = (0..length).step_by(group).map(|start| {
        let arrays = order.iter().zip(&schema.fields).map(|((_, values), field)| {
            let end = values.len().min(start + group);
            array(values.get(start..end).unwrap_or_default(), &field.data_type)
        });
        let arrays = arrays.collect::<Outcome<Vec<_>>>();
        Ok(Chunk::new(arrays.map_err(|error| arrow2::error::Error::InvalidArgumentError(error.to_string()))?))
    });
    let all = schema.fields.iter().zip(&encodings);
    let all = all.map(|(field, encoding)| transverse(&field.data_type, |_| *encoding)).collect();
    let groups = RowGroupIterator::try_new(chunks, &schema, options, all)?;
    let mut writer = FileWriter::try_new(File::create(&request.target)?, schema.clone(), options)?;
    for group in groups {
        writer.write(group?)?;
    }
    writer.end(None)?;
    let columns: Vec<_> = schema.fields.iter().zip(&encodings).map(|column| format!("{column:?}")).collect();
    let options = format!("{options:?}, row groups of {group}");
    Ok(json!({"kind": rows.kind, "rows": length, "options": options, "columns": columns}))
}

fn value_type(kind: &str) -> Outcome<DataType> {
    Ok(match kind {
        "int8" => DataType::Int8,
        "int16" => DataType::Int16,
        "int32" => DataType::Int32,
        "int64" => DataType::Int64,
        "uint8" => DataType::UInt8,
        "uint16" => DataType::UInt16,
        "uint32" => DataType::UInt32,
        "uint64" => DataType::UInt64,
        "float" => DataType::Float32,
        "double" => DataType::Float64,
        "decimal(9,2)" => DataType::Decimal(9, 2),
        "decimal(18,4)" => DataType::Decimal(18, 4),
        "decimal(38,10)" => DataType::Decimal(38, 10),
        _ => return Err(format!("unknown type {kind}").into()),
    })
}

fn dictionary<K: DictionaryKey>() -> DataType {
    DataType::Dictionary(K::KEY_TYPE, Box::new(DataType::Utf8), false)
}

fn array(values: &[Value], data_type: &DataType) -> Outcome<Box<dyn Array>> {
    let texts = || values.iter().map(Value::as_str);
    Ok(match data_type {
        DataType::Utf8 => Utf8Array::<i32>::from_iter(texts()).boxed(),
        DataType::LargeUtf8 => Utf8Array::<i64>::from_iter(texts()).boxed(),
        DataType::Dictionary(key, _, _) => match key {
            arrow2::datatypes::IntegerType::Int16 => encode::<i16>(values)?,
            _ => encode::<u32>(values)?,
        },
        DataType::Int8 => numbers::<i8>(values, data_type, |v| v.as_i64()?.try_into().ok()),
        DataType::Int16 => numbers::<i16>(values, data_type, |v| v.as_i64()?.try_into().ok()),
        DataType::Int32 => numbers::<i32>(values, data_type, |v| v.as_i64()?.try_into().ok()),
        DataType::Int64 => numbers::<i64>(values, data_type, Value::as_i64),
        DataType::UInt8 => numbers::<u8>(values, data_type, |v| v.as_i64()?.try_into().ok()),
        DataType::UInt16 => numbers::<u16>(values, data_type, |v| v.as_i64()?.try_into().ok()),
        DataType::UInt32 => numbers::<u32>(values, data_type, |v| v.as_i64()?.try_into().ok()),
        DataType::UInt64 => numbers::<u64>(values, data_type, Value::as_u64),
        #[allow(clippy::cast_possible_truncation)] // each is a float already
        DataType::Float32 => numbers::<f32>(values, data_type, |v| Some(double(v)? as f32)),
        DataType::Float64 => numbers::<f64>(values, data_type, double),
        _ => numbers::<i128>(values, data_type, |v| v.as_str()?.replace('.', "").parse().ok()),
    })
}

/// NaN and infinite values are text.
fn double(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

fn numbers<T: NativeType>(
    values: &[Value],
    data_type: &DataType,
    read: impl Fn(&Value) -> Option<T>,
) -> Box<dyn Array> {
    PrimitiveArray::<T>::from_trusted_len_iter(values.iter().map(read)).to(data_type.clone()).boxed()
}

fn encode<K: DictionaryKey>(values: &[Value]) -> Outcome<Box<dyn Array>> {
    let mut array = MutableDictionaryArray::<K, MutableUtf8Array<i32>>::new();
    array.try_extend(values.iter().map(Value::as_str))?;
    Ok(array.as_box())
}
