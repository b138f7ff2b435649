//! The hot loops. They know nothing of the job: they speak of conditions, keys, classes, periods and
//! measures, by number.
//!
//! - [`bitmap`]: selection masks; rows that differ in every key.
//! - [`runs`]: sums over runs of one key.
//! - [`expand`]: the values of present rows, moved to their rows.
//! - [`unpack`]: bit-packed integers. [`snappy`]: decompression of pages.
//! - [`compare`], [`column_masks`], [`strings`]: the rows of a column that equal a value.
//! - [`separators`]: the delimiters and line ends of text.
//! - [`stamps`]: days of ticks and of text.
//! - [`id_mapping`]: whether the value ids of one column determine those of another.
//! - [`large_pages`]: the memory of large arrays.
//! - [`cpu`]: the instruction sets in use.
//!
//! Every vector function has a portable twin, or it may decline and the caller has a general path. The
//! tests call every path that the CPU has by name.

pub mod bitmap;
pub mod column_masks;
pub mod compare;
pub mod cpu;
pub mod expand;
pub mod id_mapping;
pub mod large_pages;
pub mod runs;
pub mod separators;
pub mod snappy;
pub mod stamps;
pub mod strings;
pub mod unpack;

/// A path of the scan, callable by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScanPath {
    /// Walks the runs of the key columns together.
    Runs,
    /// Filters a block to a selection mask, then compresses the survivors.
    Bitmap,
    /// One row at a time.
    Scalar,
}
