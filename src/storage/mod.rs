//! Where bytes come from.
//!
//! - [`object`]: one object (a file) with ranged reads; local files are mapped.
//! - [`discover`]: from the user's paths to the list of objects, with hive
//!   partition values.
//!
//! Storage knows nothing of parquet.

pub mod discover;
pub mod object;

pub use discover::{Discovery, Input, discover};
pub use object::{LocalFile, MemoryObject, Object};
