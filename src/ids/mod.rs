//! A column as value ids and runs, and its distinct values.
//!
//! - [`mod@column`]: a column chunk that any number of tasks can scan.
//! - [`cursor`]: a position in a column; reads rows as value ids, skips pages that are not read.
//! - [`entries`]: the distinct values of a chunk, each with a value id.
//! - [`plain`], [`short`]: value ids for strings without a dictionary.
//! - [`stamps`]: value ids for times, one for each day.
//! - [`values`]: numbers: their type, and each value id as an exact number.
//!
//! What a value id means to the job is decided elsewhere: [`crate::scan::classes`].

pub mod column;
pub mod cursor;
pub mod entries;
pub mod plain;
pub mod short;
pub mod stamps;
pub mod values;

pub use crate::parquet::encoding::hybrid_rle as runs;
