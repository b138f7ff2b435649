//! The rows of a random job as record batches of an Arrow C stream, made by arrow2.
#![allow(unsafe_code)] // a stream is imported by its address

use std::ptr::NonNull;

use arrow2::array::{
    Array, BooleanArray, Float64Array, Int32Array, Int64Array, MutableArray, MutableDictionaryArray,
    MutableUtf8Array, StructArray, TryExtend, Utf8Array,
};
use arrow2::datatypes::{DataType, Field, TimeUnit};
use arrow2::ffi::export_iterator;
use parquet::basic::{LogicalType, TimeUnit as ParquetUnit};
use proptest::sample::Index;
use rollshare::internals::frame::{Plan, Stream, Sum};
use rollshare::internals::grid::Partial;
use rollshare::internals::scan::NoProgress;

use super::super::writer::columns::{Column, Data};
use super::profiles::World;

/// How strings are stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Strings {
    Short,
    Long,
    Dictionary,
}

/// A column as an array of the type that readers of parquet files give it.
fn array(data: &Data, strings: Strings) -> Box<dyn Array> {
    match (data, strings) {
        (Data::Text(cells), Strings::Short) => Utf8Array::<i32>::from(cells).boxed(),
        (Data::Text(cells), Strings::Long) => Utf8Array::<i64>::from(cells).boxed(),
        (Data::Text(cells), Strings::Dictionary) => {
            let mut array = MutableDictionaryArray::<u32, MutableUtf8Array<i32>>::new();
            array.try_extend(cells.iter().map(Option::as_deref)).unwrap();
            array.as_box()
        }
        (Data::Double(cells), _) => Float64Array::from(cells).boxed(),
        (Data::Bool(cells), _) => BooleanArray::from(cells).boxed(),
        (Data::Int32(cells, logical), _) => {
            let array = Int32Array::from(cells);
            if logical.is_some() { array.to(DataType::Date32).boxed() } else { array.boxed() }
        }
        (Data::Int64(cells, logical), _) => {
            let array = Int64Array::from(cells);
            let Some(LogicalType::Timestamp(stamps)) = logical else { return array.boxed() };
            let unit = match stamps.unit {
                ParquetUnit::MILLIS => TimeUnit::Millisecond,
                ParquetUnit::MICROS => TimeUnit::Microsecond,
                ParquetUnit::NANOS => TimeUnit::Nanosecond,
            };
            let zone = stamps.is_adjusted_to_u_t_c.then(|| "UTC".to_owned());
            array.to(DataType::Timestamp(unit, zone)).boxed()
        }
        (Data::Int96(cells), _) => {
            let instants = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
            Int64Array::from(cells).to(instants).boxed()
        }
    }
}

/// Columns as a record batch.
fn batch(columns: &[Column], strings: Strings) -> StructArray {
    let arrays: Vec<Box<dyn Array>> = columns.iter().map(|column| array(&column.data, strings)).collect();
    let fields = columns.iter().zip(&arrays);
    let fields = fields.map(|(column, array)| Field::new(column.name, array.data_type().clone(), true));
    StructArray::new(DataType::Struct(fields.collect()), arrays, None)
}

/// The sums of the rows, read from a stream whose batches are cut at fractions of the rows.
pub fn sum(world: &World, cuts: &[Index], strings: Strings, threads: usize) -> Partial {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(world.rows.len() + 1)).collect();
    at.extend([0, world.rows.len()]);
    at.sort_unstable();
    let batches = at.windows(2).map(|pair| batch(&world.columns(pair[0]..pair[1], false), strings));
    let batches: Vec<StructArray> = batches.collect();
    let field = Field::new("", batches[0].data_type().clone(), false);
    let batches = batches.into_iter().map(|batch| Ok(batch.boxed()));
    let mut exported = Box::new(export_iterator(Box::new(batches), field));
    // SAFETY: the stream is arrow2's, which is laid out as the interface says; the import takes it, and leaves a
    // released one behind.
    let stream = unsafe { Stream::import(NonNull::from(&mut *exported).cast()) }.unwrap();
    let plan = Plan::new(&world.job, stream.fields()).unwrap();
    Sum::new(plan, stream).run(Some(threads), &NoProgress).unwrap()
}
