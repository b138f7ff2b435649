//! Storage: where bytes come from, and how files are replaced.
//!
//! - [`object`]: one object (a file) with ranged reads.
//! - [`mod@discover`]: resolves the user's paths to a list of objects with their hive partition
//!   values. [`source`] parses paths, globs and URIs; [`hive`] knows the naming rules of data
//!   folders.
//! - [`cancel`]: cancels calls that wait for a remote store; [`waiting`] says what they wait for.
//! - [`lake`]: tables of lake formats, whose folders are not read.
//! - [`spool`]: bytes in memory, and in a temporary file beyond a bound.
//! - [`mod@folder`]: the interface of a folder of small files beside a target.
//! - [`local`]: the local file system: files, listing, atomic replacement, folders.
//! - `s3`: objects, listings and folders in S3 (feature `s3`).
//!
//! Storage knows nothing of parquet.

pub mod cancel;
pub mod discover;
pub mod folder;
pub mod hive;
pub mod lake;
pub mod local;
pub mod object;
#[cfg(feature = "s3")]
pub mod s3;
pub mod source;
pub mod spool;
pub mod waiting;

use std::sync::Arc;

pub use cancel::Cancel;
pub use discover::{Discovery, Input, SourcePaths, check_listed, discover, unless_changed};
pub use folder::{Entry, Folder, Precondition};
pub use local::{LocalFile, LocalFolder};
pub use object::{
    BorrowedObject, MemoryObject, Object, ObjectVersion, Pinned, PinnedObject, PlainObject, Tag, Traffic,
};
#[cfg(feature = "s3")]
pub use s3::S3Object;
pub use spool::{Segment, Spool};
pub use waiting::Waiting;

use crate::{Error, Result};

/// Opens the folder at `text`, a path or a URI. Creates nothing before the first write.
///
/// # Errors
/// `Unsupported` for a scheme that this build does not support.
pub fn folder(text: &str) -> Result<Arc<dyn Folder>> {
    #[cfg(feature = "s3")]
    if s3::Uri::is_s3(text) {
        return Ok(Arc::new(s3::folder::S3Folder::new(&s3::Uri::parse(text)?)));
    }
    Ok(Arc::new(LocalFolder::new(source::local_path(text)?)))
}

/// As [`folder()`], for files of this program beside a target: `name` below the folder `parent`. In a local folder, only
/// what this program has made is read, replaced or deleted there.
///
/// # Errors
/// As of [`folder()`]; `Argument` if there is something that this program has not made.
pub fn folder_of_program(parent: &str, name: &str) -> Result<Arc<dyn Folder>> {
    #[cfg(feature = "s3")]
    if s3::Uri::is_s3(parent) {
        return Ok(Arc::new(s3::folder::S3Folder::new(&s3::Uri::parse(parent)?.join(name))));
    }
    Ok(Arc::new(LocalFolder::of_program(source::local_path(parent)?, std::path::Path::new(name))?))
}

/// Reads a text file at a path or a URI.
///
/// # Errors
/// `NotFound` and `Io` if it cannot be read, `Unsupported` for a scheme that this build does not support. `what` names
/// the text.
pub fn read_text(what: &str, text: &str) -> Result<String> {
    let failed = |e: std::io::Error| Error::io(format!("cannot read {what}"), e).in_file(&text.into());
    #[cfg(feature = "s3")]
    if s3::Uri::is_s3(text) {
        let uri = s3::Uri::parse(text)?;
        let bytes = s3::put::read(&*s3::client::client()?, &uri)?
            .ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))?;
        return String::from_utf8(bytes)
            .map_err(|e| failed(std::io::Error::new(std::io::ErrorKind::InvalidData, e)));
    }
    std::fs::read_to_string(source::local_path(text)?).map_err(failed)
}
