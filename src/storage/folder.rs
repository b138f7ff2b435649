//! A folder of small files: state, history, quarantine, reports.
//!
//! What is kept beside a target is read and replaced whole, so this asks less of a
//! store than a file system gives: names below a root, bytes in one piece.

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

/// What has to hold of a file for a write to take its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// Anything.
    None,
    /// There is no such file.
    IfAbsent,
    /// It is still this version, by its ETag.
    IfMatch(String),
}

/// A folder of small files, on disk or in a bucket. Names are relative, segments
/// separated by `/`; folders come with their first file and go with their last.
pub trait Folder: Send + Sync {
    /// The place of `name`, for people; of the folder itself for the empty name.
    fn display_path(&self, name: &str) -> String;

    /// Every file below the folder whose name begins with `prefix`, in order of the
    /// names; nothing where the folder is not there.
    ///
    /// # Errors
    /// `Io` when listing fails.
    fn list(&self, prefix: &str) -> Result<Vec<Entry>>;

    /// The bytes of a file; `None` where there is none.
    ///
    /// # Errors
    /// `Io` when reading fails.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>>;

    /// Writes a file, whole or not at all, over what was there.
    ///
    /// # Errors
    /// `Io` when writing fails; what was there is then untouched.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<()>;

    /// As [`Folder::read`], with what [`Folder::write_when`] takes to replace this
    /// version and no other. On disk that is [`Precondition::None`]: there a lock keeps
    /// writers apart.
    ///
    /// # Errors
    /// `Io` when reading fails.
    fn read_version(&self, name: &str) -> Result<(Option<Vec<u8>>, Precondition)> {
        Ok((self.read(name)?, Precondition::None))
    }

    /// As [`Folder::write`], if `when` holds; says whether it did.
    ///
    /// # Errors
    /// `Io` when writing fails; what was there is then untouched.
    fn write_when(&self, name: &str, bytes: &[u8], when: &Precondition) -> Result<bool> {
        debug_assert_eq!(*when, Precondition::None, "a store that knows versions says so itself");
        self.write(name, bytes).map(|()| true)
    }

    /// As [`Folder::write`], for what can be made again: a power cut may leave it damaged.
    ///
    /// # Errors
    /// `Io` when writing fails.
    fn write_cache(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.write(name, bytes)
    }

    /// Removes what writers that were killed have left. Best effort: nobody reads it.
    fn sweep(&self) {}

    /// Removes a file; it is no error where there is none.
    ///
    /// # Errors
    /// `Io` when removing fails.
    fn remove(&self, name: &str) -> Result<()>;
}
