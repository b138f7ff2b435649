//! A column as dictionary ids and runs; what each distinct value means.
//!
//! - [`mod@column`]: a column chunk, ready to be scanned by any number of tasks.
//! - [`cursor`]: a position in a column: rows as value ids, runs and pages that
//!   nobody asks for passed over.
//! - [`entries`]: the distinct values of a chunk, each with a value id.
//! - [`plain`], [`short`]: strings without a dictionary to value ids.
//! - [`values`]: what a value id means: an exact number.

pub mod column;
pub mod cursor;
pub mod entries;
pub mod plain;
pub mod short;
pub mod values;

pub use crate::parquet::encoding::hybrid_rle as runs;
