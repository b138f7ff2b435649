//! A folder of small files on disk.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::atomic;
use super::io_error;
use super::temporary::sweep_below;
use crate::storage::folder::{Entry, Folder};
use crate::{Error, Result};

/// The most bytes of a file. A history of 20 years by 250 countries has 20 MB.
const BYTES_MAX: u64 = 1 << 30;
/// The file that marks a folder as one of this program. Its name is a name of no run and of no table.
const MARKER: &str = "made-by-rollshare";
/// What the marker says.
const MARKER_TEXT: &[u8] =
    b"This folder belongs to rollshare: history, reports and quarantine of the target beside it.\n";

/// A folder on disk.
///
/// Below its anchor it follows no symbolic link, and reads and replaces regular files only: nothing that
/// another program has put there makes this one read, write or delete elsewhere.
pub struct LocalFolder {
    root: PathBuf,
    /// The folder from which on links are not followed: `root`, or a folder above it.
    anchor: PathBuf,
    /// Whether the folder has to be one that this program has made.
    is_marked: bool,
}

impl LocalFolder {
    /// The folder at `root`, which need not exist yet, and may be a link.
    pub fn new(root: PathBuf) -> Self {
        LocalFolder { anchor: root.clone(), root, is_marked: false }
    }

    /// The folder `name` below the folder `anchor`, for files of this program alone. It need not exist yet.
    ///
    /// # Errors
    /// `Argument` if there is something else than a folder that this program has made.
    pub fn of_program(anchor: PathBuf, name: &Path) -> Result<Self> {
        let folder = LocalFolder { root: anchor.join(name), anchor, is_marked: true };
        folder.check_ours()?;
        Ok(folder)
    }

    fn check_ours(&self) -> Result<()> {
        self.check_way(&self.root)?;
        let entries = match fs::read_dir(&self.root) {
            Err(e) if is_absent(&e) => return Ok(()),
            listed => listed.map_err(|e| io_error("cannot list the folder", &self.root, e))?,
        };
        let mut foreign = None;
        for entry in entries {
            let entry = entry.map_err(|e| io_error("cannot list the folder", &self.root, e))?;
            let (name, is_folder) = (entry.file_name(), entry.file_type().is_ok_and(|kind| kind.is_dir()));
            // Earlier versions wrote no marker; these are the names of their folders.
            if name == MARKER || is_folder && matches!(name.to_str(), Some("history" | "runs" | "quarantine"))
            {
                return Ok(());
            }
            foreign.get_or_insert(name);
        }
        match foreign {
            None => Ok(()),
            Some(name) => {
                Err(foreign_folder(&self.root, &format!("it contains '{}'", name.to_string_lossy())))
            }
        }
    }

    /// Fails if something on the way from the anchor to `path`, both included, is no folder.
    fn check_way(&self, path: &Path) -> Result<()> {
        let below = path.strip_prefix(&self.anchor).unwrap_or(Path::new(""));
        let mut at = self.anchor.clone();
        for segment in below {
            at.push(segment);
            match at.symlink_metadata() {
                Err(e) if is_absent(&e) => return Ok(()),
                Err(e) => return Err(io_error("cannot read the metadata", &at, e)),
                Ok(meta) if meta.is_dir() => {}
                Ok(meta) if meta.is_symlink() => return Err(foreign_folder(&at, "it is a symbolic link")),
                Ok(_) => return Err(foreign_folder(&at, "it is no folder")),
            }
        }
        Ok(())
    }

    /// The path of a file, which does not exist or is a regular file.
    fn path(&self, name: &str) -> Result<PathBuf> {
        let is_valid = !name.is_empty() && name.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
        if !is_valid {
            return Err(Error::internal(format!("'{name}' as a name below {}", self.root.display())));
        }
        let path = self.root.join(name);
        self.check_way(path.parent().unwrap_or(&self.root))?;
        match path.symlink_metadata() {
            Err(e) if !is_absent(&e) => Err(io_error("cannot read the metadata", &path, e)),
            Ok(meta) if !meta.is_file() => {
                let found = if meta.is_symlink() { "a symbolic link" } else { "no regular file" };
                Err(Error::argument(found)
                    .expected("a file that this program has written")
                    .advice("It is left as it is: remove it")
                    .in_file(&path.to_string_lossy().into()))
            }
            _ => Ok(path),
        }
    }

    /// Writes the marker if the folder has to have one and has none.
    fn mark(&self) -> Result<()> {
        if !self.is_marked {
            return Ok(());
        }
        let path = self.path(MARKER)?;
        if path.exists() {
            Ok(())
        } else {
            atomic::replace(&path, |out| out.write_all(MARKER_TEXT)).map(drop)
        }
    }
}

fn foreign_folder(path: &Path, found: &str) -> Error {
    Error::argument(format!("the folder for history and reports is not one of this program: {found}"))
        .expected("nothing, or a folder that rollshare has made")
        .advice("It is left as it is: move it away, or choose another target")
        .in_file(&path.to_string_lossy().into())
}

/// Reads a regular file of at most [`BYTES_MAX`]; opening a pipe does not wait for a writer.
fn read_regular(path: &Path) -> io::Result<Vec<u8>> {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        options.custom_flags(i32::try_from(flags.bits()).unwrap_or(0));
    }
    let file = options.open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "not a regular file"));
    }
    if meta.len() > BYTES_MAX {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("more than {BYTES_MAX} bytes")));
    }
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Folder for LocalFolder {
    fn display_path(&self, name: &str) -> String {
        self.root.join(name).to_string_lossy().into_owned()
    }

    fn list(&self, prefix: &str) -> Result<Vec<Entry>> {
        self.check_way(&self.root)?;
        let mut entries = Vec::new();
        collect_files(&self.root, "", &mut entries)?;
        entries.retain(|entry| entry.name.starts_with(prefix) && entry.name != MARKER);
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.path(name)?;
        match read_regular(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if is_absent(&e) => Ok(None),
            Err(e) => Err(io_error("cannot read", &path, e)),
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.mark()?;
        atomic::replace(&self.path(name)?, |out| out.write_all(bytes)).map(|_| ())
    }

    fn write_cache(&self, name: &str, bytes: &[u8]) -> Result<()> {
        atomic::replace_unsynced(&self.path(name)?, bytes)
    }

    fn sweep(&self) {
        if self.check_way(&self.root).is_ok() {
            sweep_below(&self.root);
        }
    }

    fn remove(&self, name: &str) -> Result<()> {
        let path = self.path(name)?;
        match fs::remove_file(&path) {
            Err(e) if !is_absent(&e) => return Err(io_error("cannot remove", &path, e)),
            _ => {}
        }
        // A folder is removed with its last file; removing one that is not empty fails.
        let remove_empty = |mut parent: Option<&Path>| {
            while let Some(folder) = parent.filter(|folder| folder.starts_with(&self.root))
                && fs::remove_dir(folder).is_ok()
            {
                parent = folder.parent();
            }
        };
        remove_empty(path.parent());
        // The marker alone marks nothing.
        let names = fs::read_dir(&self.root).map(|entries| entries.flatten().map(|entry| entry.file_name()));
        if self.is_marked && names.is_ok_and(|names| names.eq([MARKER])) {
            let _ = fs::remove_file(self.root.join(MARKER));
            remove_empty(Some(&self.root));
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
