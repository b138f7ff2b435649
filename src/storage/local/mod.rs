//! The local file system.
//!
//! - [`walk`]: lists a source folder with its nested folders; [`entries`] lists one folder.
//! - [`mod@file`]: a file as an object; [`map`]: its map, and what happens where a mapped file is truncated.
//! - [`atomic`]: replaces a file atomically, by a [`temporary`] beside it and a rename.
//! - [`directory`]: a folder whose entries are accessed relative to its handle.
//! - [`path`]: resolves paths of files that may not exist yet.
//! - [`mod@folder`]: a folder of small files.

pub mod atomic;
pub(crate) mod directory;
pub mod entries;
pub mod file;
pub mod folder;
mod listed;
#[cfg(unix)]
pub mod map;
pub mod path;
pub mod temporary;
pub mod walk;

use std::io;
use std::path::Path;

pub use file::LocalFile;
pub use folder::LocalFolder;

use crate::Error;
use crate::error::Report;

/// Returns an `Io` error even where the system reports "not found": [`Error::io`] makes that
/// `NotFound`, which means a missing input.
pub(crate) fn io_error(what: &str, path: &Path, source: io::Error) -> Error {
    let report = Report { found: what.to_owned(), ..Report::default() };
    Error::Io { report: Box::new(report), source }.in_file(&path.to_string_lossy().into())
}
