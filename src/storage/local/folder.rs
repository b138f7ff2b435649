//! A folder of small files on disk.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::atomic;
use super::io_error;
use super::temporary::sweep_below;
use crate::storage::folder::{Entry, Folder};
use crate::{Error, Result};

/// A folder on disk.
pub struct LocalFolder {
    root: PathBuf,
}

impl LocalFolder {
    /// The folder at `root`, which need not exist yet.
    pub fn new(root: PathBuf) -> Self {
        LocalFolder { root }
    }

    fn path(&self, name: &str) -> Result<PathBuf> {
        let is_valid = !name.is_empty() && name.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
        if !is_valid {
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
        collect_files(&self.root, "", &mut entries)?;
        entries.retain(|entry| entry.name.starts_with(prefix));
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.path(name)?;
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if is_absent(&e) => Ok(None),
            Err(e) => Err(io_error("cannot read", &path, e)),
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        atomic::replace(&self.path(name)?, |out| out.write_all(bytes)).map(|_| ())
    }

    fn write_cache(&self, name: &str, bytes: &[u8]) -> Result<()> {
        atomic::replace_unsynced(&self.path(name)?, bytes)
    }

    fn sweep(&self) {
        sweep_below(&self.root);
    }

    fn remove(&self, name: &str) -> Result<()> {
        let path = self.path(name)?;
        match fs::remove_file(&path) {
            Err(e) if !is_absent(&e) => return Err(io_error("cannot remove", &path, e)),
            _ => {}
        }
        // A folder is removed with its last file; removing one that is not empty fails.
        let mut parent = path.parent();
        while let Some(folder) = parent.filter(|folder| folder.starts_with(&self.root))
            && fs::remove_dir(folder).is_ok()
        {
            parent = folder.parent();
        }
        Ok(())
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn collect_files(folder: &Path, below: &str, entries: &mut Vec<Entry>) -> Result<()> {
    let listed = match fs::read_dir(folder) {
        Err(e) if is_absent(&e) => return Ok(()),
        listed => listed.map_err(|e| io_error("cannot list the folder", folder, e))?,
    };
    for entry in listed {
        let entry = entry.map_err(|e| io_error("cannot list the folder", folder, e))?;
        // This program writes neither names that are not UTF-8 nor, finally, hidden files: those are
        // temporaries.
        let Some(name) = entry.file_name().to_str().map(|name| format!("{below}{name}")) else { continue };
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let meta = match entry.metadata() {
            Err(e) if is_absent(&e) => continue,
            meta => meta.map_err(|e| io_error("cannot read the metadata", &entry.path(), e))?,
        };
        if meta.is_dir() {
            collect_files(&entry.path(), &format!("{name}/"), entries)?;
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
    use crate::storage::folder;

    #[test]
    fn folders_are_created_and_removed_with_their_files() {
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
        fs::write(root.join("history/.half"), "temporary").unwrap();
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
    fn names_cannot_leave_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let folder = LocalFolder::new(dir.path().join("root"));
        for name in ["", "/etc/x", "../x", "a/../../x", "a//b"] {
            assert!(folder.write(name, b"").is_err() && folder.read(name).is_err(), "{name}");
        }
    }
}
