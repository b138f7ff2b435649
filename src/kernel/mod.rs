//! The hot loops, and the only unsafe code.

pub mod bitmap;
pub mod column_masks;
pub mod compare;
pub mod cpu;
pub mod id_mapping;
pub mod runs;
pub mod snappy;
pub mod strings;
pub mod unpack;

/// A kernel path, callable by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScanPath {
    /// Walk the runs of the key columns together.
    Runs,
    /// Filter to a bitmap, compress the survivors.
    Bitmap,
    /// One row at a time.
    Scalar,
}
