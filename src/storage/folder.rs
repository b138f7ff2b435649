//! The interface of a folder of small files: state, history, quarantine, reports.
//!
//! Files beside a target are read and replaced whole, so a store needs less than a file system: names
//! below a root, and bytes that are read and written at once.

use std::time::SystemTime;

use crate::Result;

/// A file of a [`Folder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name below the folder, segments separated by `/`.
    pub name: String,
    /// Length in bytes.
    pub bytes: u64,
    /// When it was last written, where the store knows.
    pub modified: Option<SystemTime>,
}

/// The precondition of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// Always holds.
    None,
    /// The file does not exist.
    IfAbsent,
    /// The file still has this ETag.
    IfMatch(String),
}

/// A folder of small files, on disk or in a bucket. Names are relative, with segments separated by
/// `/`. Folders are created with their first file and removed with their last.
pub trait Folder: Send + Sync {
    /// The path or URI of `name` for messages; of the folder for the empty name.
    fn display_path(&self, name: &str) -> String;

    /// Lists every file below the folder whose name begins with `prefix`, in order of the names;
    /// empty where the folder does not exist.
    ///
    /// # Errors
    /// `Io` when listing fails.
    fn list(&self, prefix: &str) -> Result<Vec<Entry>>;

    /// Reads a file; returns `None` where it does not exist.
    ///
    /// # Errors
    /// `Io` when reading fails.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>>;

    /// Writes or replaces a file atomically.
    ///
    /// # Errors
    /// `Io` when writing fails; the old file is then unchanged.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<()>;

    /// As [`Folder::read`], with the precondition under which [`Folder::write_if`] replaces this
    /// version only. On disk that is [`Precondition::None`]: there a lock excludes other writers.
    ///
    /// # Errors
    /// `Io` when reading fails.
    fn read_version(&self, name: &str) -> Result<(Option<Vec<u8>>, Precondition)> {
        Ok((self.read(name)?, Precondition::None))
    }

    /// As [`Folder::write`], if `precondition` holds; returns whether it held.
    ///
    /// # Errors
    /// `Io` when writing fails; the old file is then unchanged.
    fn write_if(&self, name: &str, bytes: &[u8], precondition: &Precondition) -> Result<bool> {
        debug_assert_eq!(*precondition, Precondition::None, "a store with versions implements write_if");
        self.write(name, bytes).map(|()| true)
    }

    /// As [`Folder::write`], for files that can be recomputed: a power failure may damage them.
    ///
    /// # Errors
    /// `Io` when writing fails.
    fn write_cache(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.write(name, bytes)
    }

    /// Removes temporary files of killed writers. Errors are ignored: readers never use these files.
    fn sweep(&self) {}

    /// Removes a file; succeeds where it does not exist.
    ///
    /// # Errors
    /// `Io` when removing fails.
    fn remove(&self, name: &str) -> Result<()>;
}
