//! A folder of small files: state, history, quarantine, reports.
//!
//! What is kept beside a target is read and replaced whole, so this asks less of a
//! store than a file system gives: names below a root, bytes in one piece.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::source::local_path;
use crate::publish::temporary::sweep_below;
use crate::publish::{failed, file};
use crate::{Error, Result};

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

/// The folder at `text`, a path or a URI. Nothing is created before the first write.
///
/// # Errors
/// `Unsupported` for a scheme that is not in this build.
pub fn folder(text: &str) -> Result<Arc<dyn Folder>> {
    #[cfg(feature = "s3")]
    if super::s3::Uri::is(text) {
        return Ok(Arc::new(super::s3::folder::S3Folder::new(&super::s3::Uri::parse(text)?)));
    }
    Ok(Arc::new(LocalFolder::new(local_path(text)?)))
}

/// A folder on disk.
pub struct LocalFolder {
    root: PathBuf,
}

impl LocalFolder {
    /// The folder at `root`, which need not be there yet.
    pub fn new(root: PathBuf) -> Self {
        LocalFolder { root }
    }

    fn path(&self, name: &str) -> Result<PathBuf> {
        let sound = !name.is_empty() && name.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
        if !sound {
            return Err(Error::internal(format!("'{name}' as a name below {}", self.root.display())));
        }
        Ok(self.root.join(name))
    }
}

impl Folder for LocalFolder {
    fn display_path(&self, name: &str) -> String {
        self.root.join(name).to_string_lossy().into_owned()
    }

    fn list(&self, prefix: &str) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        walk(&self.root, "", &mut entries)?;
        entries.retain(|entry| entry.name.starts_with(prefix));
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.path(name)?;
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if absent(&e) => Ok(None),
            Err(e) => Err(failed("cannot read", &path, e)),
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        file::replace(&self.path(name)?, |out| out.write_all(bytes)).map(|_| ())
    }

    fn write_cache(&self, name: &str, bytes: &[u8]) -> Result<()> {
        file::replace_unsynced(&self.path(name)?, bytes)
    }

    fn sweep(&self) {
        sweep_below(&self.root);
    }

    fn remove(&self, name: &str) -> Result<()> {
        let path = self.path(name)?;
        match fs::remove_file(&path) {
            Err(e) if !absent(&e) => return Err(failed("cannot remove", &path, e)),
            _ => {}
        }
        // Folders go with their last file; one that is not empty stays.
        let mut parent = path.parent();
        while let Some(folder) = parent.filter(|folder| folder.starts_with(&self.root))
            && fs::remove_dir(folder).is_ok()
        {
            parent = folder.parent();
        }
        Ok(())
    }
}

fn absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn walk(folder: &Path, below: &str, entries: &mut Vec<Entry>) -> Result<()> {
    let listed = match fs::read_dir(folder) {
        Err(e) if absent(&e) => return Ok(()),
        listed => listed.map_err(|e| failed("cannot list the folder", folder, e))?,
    };
    for entry in listed {
        let entry = entry.map_err(|e| failed("cannot list the folder", folder, e))?;
        // What is not UTF-8 was not written here; nor was a temporary that is half there.
        let Some(name) = entry.file_name().to_str().map(|name| format!("{below}{name}")) else { continue };
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let meta = match entry.metadata() {
            Err(e) if absent(&e) => continue,
            meta => meta.map_err(|e| failed("cannot look at", &entry.path(), e))?,
        };
        if meta.is_dir() {
            walk(&entry.path(), &format!("{name}/"), entries)?;
        } else if meta.is_file() {
            entries.push(Entry { name, bytes: meta.len(), modified: meta.modified().ok() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn files_come_and_go_with_their_folders() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("deep/_rollshare");
        let folder = folder(root.to_str().unwrap()).unwrap();
        assert_eq!(folder.list("").unwrap(), []);
        assert_eq!(folder.read("history/a").unwrap(), None);
        folder.remove("history/a").unwrap();
        folder.write("history/b", b"two").unwrap();
        folder.write("history/a", b"one").unwrap();
        folder.write("history/a", b"three").unwrap();
        folder.write("lock", b"").unwrap();
        fs::write(root.join("history/.half"), "debris").unwrap();
        let names = |prefix: &str| -> Vec<(String, u64)> {
            folder.list(prefix).unwrap().into_iter().map(|e| (e.name, e.bytes)).collect()
        };
        assert_eq!(names(""), [("history/a".into(), 5), ("history/b".into(), 3), ("lock".into(), 0)]);
        assert_eq!(names("history/"), [("history/a".into(), 5), ("history/b".into(), 3)]);
        assert_eq!(folder.read("history/a").unwrap().as_deref(), Some(&b"three"[..]));
        fs::remove_file(root.join("history/.half")).unwrap();
        folder.remove("history/a").unwrap();
        folder.remove("history/b").unwrap();
        assert!(!root.join("history").exists() && root.exists());
        assert!(folder.display_path("lock").ends_with("/_rollshare/lock"));
    }

    #[test]
    fn no_name_leads_out() {
        let dir = tempfile::tempdir().unwrap();
        let folder = LocalFolder::new(dir.path().join("root"));
        for name in ["", "/etc/x", "../x", "a/../../x", "a//b"] {
            assert!(folder.write(name, b"").is_err() && folder.read(name).is_err(), "{name}");
        }
    }
}
