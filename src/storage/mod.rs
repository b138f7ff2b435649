//! Where bytes come from.
//!
//! - [`object`]: one object (a file) with ranged reads; local files are mapped.
//! - [`mod@discover`]: from the user's paths to the list of objects, with hive
//!   partition values. [`source`] reads what the user wrote, [`walk`] lists
//!   folders, [`hive`] reads partitions off paths.
//! - [`mod@folder`]: small files that are kept beside a target.
//! - `s3`: all of it in S3 (feature `s3`).
//!
//! Storage knows nothing of parquet.

pub mod discover;
pub mod entries;
pub mod folder;
pub mod hive;
pub mod object;
#[cfg(feature = "s3")]
pub mod s3;
pub mod source;
pub mod walk;

pub use discover::{Discovery, Input, SourcePaths, discover};
pub use folder::{Entry, Folder, LocalFolder, Precondition, folder};
pub use object::{BorrowedObject, LocalFile, MemoryObject, Object, ObjectVersion, Traffic};
#[cfg(feature = "s3")]
pub use s3::S3Object;
