//! What is written beside a target before it takes the target's place.
//!
//! A temporary is called `.NAME.rollshare-PID`: hidden from this program's
//! discovery and from Spark, Hive and DuckDB globs. Its owner holds a lock on it
//! for as long as it lives, whatever way it ends; so the next run to the same
//! target may remove every temporary that it can lock. A process id alone would
//! not do: ids are used again, and containers that share a volume share ids.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::io_error;
use crate::{Error, Result};

/// Attempts until "not found" is taken to mean that the parent is not there.
const RETRIES: u32 = 3;

/// A file or folder that vanishes unless it is [kept](Temporary::keep).
pub struct Temporary {
    path: PathBuf,
    lock: File,
    kept: bool,
}

impl Temporary {
    /// A new file beside `target`, open for writing.
    pub fn file(target: &Path) -> Result<Self> {
        Self::new(target, |path| File::create_new(path))
    }

    /// A new folder beside `target`.
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
                // Another run took the new folder for debris before it could be opened.
                Err(e) if e.kind() == io::ErrorKind::NotFound && attempt < RETRIES => continue,
                created => created.map_err(|e| io_error("cannot write beside", target, e))?,
            };
            // Where the file system has no locks nobody can lock it, so nobody removes it.
            let _ = lock.try_lock();
            // Another run may have taken it for debris before the lock was there.
            if is_at(&lock, &path) {
                return Ok(Temporary { path, lock, kept: false });
            }
        }
        Err(io_error("cannot create a temporary", target, io::ErrorKind::AlreadyExists.into()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its open file; of a folder, the folder itself.
    pub fn handle(&self) -> &File {
        &self.lock
    }

    /// It has taken the target's place: nothing is left to remove.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            let _ = remove(&self.path);
        }
    }
}

/// Removes what killed runs left of any target in `folder` and below; folders that are
/// empty then go too. What cannot be removed stays: nobody reads it.
pub(crate) fn sweep_below(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if is_temporary(&entry.file_name().to_string_lossy(), "") {
            remove_debris(&path);
        } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            sweep_below(&path);
            let _ = fs::remove_dir(&path);
        }
    }
}

/// Whether a name is that of a temporary: one that begins with `stem`, or of any target.
fn is_temporary(name: &str, stem: &str) -> bool {
    let owner = match stem {
        "" => name.strip_prefix('.').and_then(|name| name.rsplit_once(".rollshare-")).map(|(_, owner)| owner),
        stem => name.strip_prefix(stem),
    };
    owner.is_some_and(|owner| !owner.is_empty() && owner.bytes().all(|b| b.is_ascii_digit() || b == b'-'))
}

/// Removes a temporary whose owner is gone.
fn remove_debris(path: &Path) {
    let regular = path.symlink_metadata().is_ok_and(|meta| meta.is_file() || meta.is_dir());
    if regular
        && let Ok(handle) = File::open(path)
        && handle.try_lock().is_ok()
        && is_at(&handle, path)
    {
        let _ = remove(path);
    }
}

/// Removes what runs to the same target left behind when they were killed. What
/// cannot be removed stays: nobody reads it.
pub fn sweep(target: &Path) {
    let (Ok(stem), Some(parent)) = (stem(target), target.parent()) else { return };
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if is_temporary(&entry.file_name().to_string_lossy(), &stem) {
            remove_debris(&entry.path());
        }
    }
}

fn stem(target: &Path) -> Result<String> {
    let name = target.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
        Error::argument(format!("'{}' as a target", target.display())).expected("a name in UTF-8")
    })?;
    Ok(format!(".{name}.rollshare-"))
}

fn remove(path: &Path) -> io::Result<()> {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

/// Whether `path` still leads to `file`.
#[cfg(unix)]
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let same = |a: fs::Metadata, b: fs::Metadata| a.dev() == b.dev() && a.ino() == b.ino();
    file.metadata().ok().zip(path.symlink_metadata().ok()).is_some_and(|(a, b)| same(a, b))
}

#[cfg(not(unix))]
pub(crate) fn is_at(_: &File, path: &Path) -> bool {
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
    fn a_sweep_of_a_folder_takes_all_debris_below() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("quarantine/RUN");
        fs::create_dir_all(&run).unwrap();
        fs::create_dir_all(dir.path().join("runs")).unwrap();
        for debris in ["quarantine/RUN/.table.parquet.rollshare-12", "runs/.A.json.rollshare-7-1"] {
            fs::write(dir.path().join(debris), "half").unwrap();
        }
        fs::write(dir.path().join("runs/A.json"), "{}").unwrap();
        fs::write(dir.path().join("runs/.rollshare-x"), "").unwrap();
        let living = Temporary::file(&dir.path().join("runs/B.json")).unwrap();
        sweep_below(dir.path());
        assert!(living.path().is_file());
        drop(living);
        assert_eq!(names(dir.path()), ["runs"]);
        assert_eq!(names(&dir.path().join("runs")), [".rollshare-x", "A.json"]);
    }

    #[test]
    fn a_sweep_takes_debris_and_leaves_the_living() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out.csv");
        for stranger in [".out.csv.rollshare-", ".out.csv.rollshare-x", ".other.csv.rollshare-1", "out.csv"] {
            fs::write(dir.path().join(stranger), "").unwrap();
        }
        let strangers = names(dir.path());
        fs::write(dir.path().join(".out.csv.rollshare-1"), "debris").unwrap();
        fs::create_dir_all(dir.path().join(".out.csv.rollshare-2-1/deep")).unwrap();
        let file = Temporary::file(&target).unwrap();
        let folder = Temporary::folder(&target).unwrap();
        sweep(&target);
        assert!(file.path().is_file() && folder.path().is_dir());
        assert_eq!(names(dir.path()).len(), strangers.len() + 2);
        drop((file, folder));
        assert_eq!(names(dir.path()), strangers);
    }
}
