//! Temporary files and folders beside a target, which replace the target by a rename.
//!
//! A temporary is called `.NAME.rollshare-PID`: this program's discovery and the globs of Spark, Hive
//! and DuckDB skip it. Its owner holds a lock on it until the process ends, for any reason. So the next
//! run at the same target may remove every temporary that it can lock. A process id alone is not
//! enough: ids are reused, and containers that share a volume may share ids.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::io_error;
use crate::{Error, Result};

/// Attempts before "not found" means that the parent folder does not exist.
const RETRIES: u32 = 3;

/// A file or folder that is removed on drop unless it is [persisted](Temporary::persist).
pub struct Temporary {
    path: PathBuf,
    lock: File,
    persisted: bool,
}

impl Temporary {
    /// Creates a file beside `target`, open for writing.
    pub fn file(target: &Path) -> Result<Self> {
        Self::new(target, |path| File::create_new(path))
    }

    /// Creates a folder beside `target`.
    pub fn folder(target: &Path) -> Result<Self> {
        Self::new(target, |path| fs::create_dir(path).and_then(|()| File::open(path)))
    }

    fn new(target: &Path, create: impl Fn(&Path) -> io::Result<File>) -> Result<Self> {
        let stem = stem(target)?;
        let pid = std::process::id();
        for attempt in 0..1000 {
            let suffix = if attempt == 0 { String::new() } else { format!("-{attempt}") };
            let path = target.with_file_name(format!("{stem}{pid}{suffix}"));
            let lock = match create(&path) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
                // Another run removed the new folder as abandoned before it was opened.
                Err(e) if e.kind() == io::ErrorKind::NotFound && attempt < RETRIES => continue,
                created => created.map_err(|e| io_error("cannot create a temporary beside", target, e))?,
            };
            // On a file system without locks no run can lock it, so no run removes it.
            let _ = lock.try_lock();
            // Another run may have removed it as abandoned before it was locked.
            if is_same_file(&lock, &path) {
                return Ok(Temporary { path, lock, persisted: false });
            }
        }
        Err(io_error(
            "every name for a temporary is taken beside",
            target,
            io::ErrorKind::AlreadyExists.into(),
        ))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file or folder.
    pub fn handle(&self) -> &File {
        &self.lock
    }

    /// Keeps the file or folder: it has replaced the target.
    pub fn persist(mut self) {
        self.persisted = true;
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.persisted {
            let _ = remove(&self.path);
        }
    }
}

/// Removes the temporaries of killed runs at any target in `folder` and below, and the folders that
/// are empty then. Errors are ignored: readers never use temporaries.
pub(crate) fn sweep_below(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if is_temporary(&entry.file_name().to_string_lossy(), "") {
            remove_if_abandoned(&path);
        } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            sweep_below(&path);
            let _ = fs::remove_dir(&path);
        }
    }
}

/// Whether `name` is the name of a temporary: of the target of `stem`, or of any target where it is empty.
fn is_temporary(name: &str, stem: &str) -> bool {
    let owner = match stem {
        "" => name.strip_prefix('.').and_then(|name| name.rsplit_once(".rollshare-")).map(|(_, owner)| owner),
        stem => name.strip_prefix(stem),
    };
    owner.is_some_and(|owner| !owner.is_empty() && owner.bytes().all(|b| b.is_ascii_digit() || b == b'-'))
}

/// A lock on the temporary at `path` if its owner has ended; `None` if it is in use or no file or folder.
fn lock_abandoned(path: &Path) -> Option<File> {
    let regular = path.symlink_metadata().is_ok_and(|meta| meta.is_file() || meta.is_dir());
    let handle = regular.then(|| File::open(path).ok()).flatten()?;
    (handle.try_lock().is_ok() && is_same_file(&handle, path)).then_some(handle)
}

/// Removes a temporary whose owner has ended.
fn remove_if_abandoned(path: &Path) {
    if lock_abandoned(path).is_some() {
        let _ = remove(path);
    }
}

/// Removes the temporaries of killed runs at the same target. Errors are ignored: readers never use
/// temporaries.
pub fn sweep(target: &Path) {
    abandoned(target, |path| drop(remove(path)));
}

/// Calls `with` with each temporary of killed runs at the same target, which stays locked meanwhile.
pub(crate) fn abandoned(target: &Path, mut with: impl FnMut(&Path)) {
    let (Ok(stem), Some(parent)) = (stem(target), target.parent()) else { return };
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if is_temporary(&entry.file_name().to_string_lossy(), &stem)
            && let Some(_lock) = lock_abandoned(&entry.path())
        {
            with(&entry.path());
        }
    }
}

fn stem(target: &Path) -> Result<String> {
    let name = target.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
        Error::argument(format!("invalid target '{}'", target.display())).expected("a name in UTF-8")
    })?;
    Ok(format!(".{name}.rollshare-"))
}

fn remove(path: &Path) -> io::Result<()> {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

/// Whether `path` still names `file`.
#[cfg(unix)]
pub(crate) fn is_same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let same = |a: fs::Metadata, b: fs::Metadata| a.dev() == b.dev() && a.ino() == b.ino();
    file.metadata().ok().zip(path.symlink_metadata().ok()).is_some_and(|(a, b)| same(a, b))
}

#[cfg(not(unix))]
pub(crate) fn is_same_file(_: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn sweep_below_removes_all_abandoned_temporaries() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("quarantine/RUN");
        fs::create_dir_all(&run).unwrap();
        fs::create_dir_all(dir.path().join("runs")).unwrap();
        for abandoned in ["quarantine/RUN/.table.parquet.rollshare-12", "runs/.A.json.rollshare-7-1"] {
            fs::write(dir.path().join(abandoned), "half").unwrap();
        }
        fs::write(dir.path().join("runs/A.json"), "{}").unwrap();
        fs::write(dir.path().join("runs/.rollshare-x"), "").unwrap();
        let in_use = Temporary::file(&dir.path().join("runs/B.json")).unwrap();
        sweep_below(dir.path());
        assert!(in_use.path().is_file());
        drop(in_use);
        assert_eq!(names(dir.path()), ["runs"]);
        assert_eq!(names(&dir.path().join("runs")), [".rollshare-x", "A.json"]);
    }

    #[test]
    fn sweep_keeps_temporaries_in_use() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out.csv");
        for other in [".out.csv.rollshare-", ".out.csv.rollshare-x", ".other.csv.rollshare-1", "out.csv"] {
            fs::write(dir.path().join(other), "").unwrap();
        }
        let others = names(dir.path());
        fs::write(dir.path().join(".out.csv.rollshare-1"), "abandoned").unwrap();
        fs::create_dir_all(dir.path().join(".out.csv.rollshare-2-1/deep")).unwrap();
        let file = Temporary::file(&target).unwrap();
        let folder = Temporary::folder(&target).unwrap();
        sweep(&target);
        assert!(file.path().is_file() && folder.path().is_dir());
        assert_eq!(names(dir.path()).len(), others.len() + 2);
        drop((file, folder));
        assert_eq!(names(dir.path()), others);
    }
}
