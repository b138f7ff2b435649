//! Temporary files and folders beside a target, which replace the target by a rename.
//!
//! A temporary is called `.NAME.rollshare-PID`: this program's discovery and the globs of Spark, Hive
//! and DuckDB skip it. Its owner holds a lock on it until the process ends, for any reason. So the next
//! run at the same target may remove every temporary that it can lock. A process id alone is not
//! enough: ids are reused, and containers that share a volume may share ids.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::directory::{Directory, Metadata};
use super::entries::Kind;
use super::io_error;
use crate::{Error, Result};

/// Attempts before "not found" means that the parent folder does not exist.
const RETRIES: u32 = 3;

/// A file or folder that is removed on drop unless it is [persisted](Temporary::persist).
pub struct Temporary {
    folder: Directory,
    name: String,
    path: PathBuf,
    lock: File,
    persisted: bool,
}

impl Temporary {
    /// Creates a folder beside `target`.
    pub fn folder(target: &Path) -> Result<Self> {
        let (folder, name) = split(target)?;
        Self::new(folder, &name, |folder, name| {
            folder.create_folder(name).and_then(|()| folder.open_entry(name))
        })
    }

    /// Creates a file in `folder` for its entry `target`, open for writing.
    pub(crate) fn file(folder: &Directory, target: &str) -> Result<Self> {
        Self::new(folder.clone(), target, |folder, name| folder.create_file(name))
    }

    fn new(
        folder: Directory,
        target: &str,
        create: impl Fn(&Directory, &str) -> io::Result<File>,
    ) -> Result<Self> {
        let pid = std::process::id();
        for attempt in 0..1000 {
            let suffix = if attempt == 0 { String::new() } else { format!("-{attempt}") };
            let name = format!("{}{pid}{suffix}", stem(target));
            let lock = match create(&folder, &name) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
                // Another run removed the new folder as abandoned before it was opened.
                Err(e) if e.kind() == io::ErrorKind::NotFound && attempt < RETRIES => continue,
                created => created
                    .map_err(|e| io_error("cannot create a temporary beside", &folder.join(target), e))?,
            };
            // On a file system without locks no run can lock it, so no run removes it.
            let _ = lock.try_lock();
            // Another run may have removed it as abandoned before it was locked.
            if folder.is_same(&name, &lock) {
                return Ok(Temporary { path: folder.join(&name), folder, name, lock, persisted: false });
            }
        }
        Err(io_error(
            "every name for a temporary is taken beside",
            &folder.join(target),
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

    /// Renames the file to its target `name`, which it replaces.
    pub(crate) fn rename(mut self, name: &str) -> io::Result<()> {
        self.folder.rename(&self.name, name)?;
        self.persisted = true;
        Ok(())
    }

    /// Keeps the file or folder: it has replaced the target.
    pub fn persist(mut self) {
        self.persisted = true;
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.persisted {
            return;
        }
        let is_folder = Metadata::of(&self.lock).is_ok_and(|meta| meta.kind == Kind::Folder);
        let _ = if is_folder { fs::remove_dir_all(&self.path) } else { self.folder.remove_file(&self.name) };
    }
}

/// Removes the temporary files of killed runs at any target in `folder` and below, and the folders that are empty then.
/// Errors are ignored: readers never use temporaries.
pub(crate) fn sweep_below(folder: &Directory) {
    remove_abandoned_files(folder, "");
    for (name, kind) in folder.entries().unwrap_or_default() {
        if kind == Kind::Folder
            && let Ok(below) = folder.open_below(&name)
        {
            sweep_below(&below);
            let _ = folder.remove_folder(&name);
        }
    }
}

/// Removes the temporary files of killed runs for the entry `target` of `folder`. Errors are ignored: readers never use
/// temporaries.
pub(crate) fn sweep_in(folder: &Directory, target: &str) {
    remove_abandoned_files(folder, &stem(target));
}

fn remove_abandoned_files(folder: &Directory, stem: &str) {
    each_abandoned(folder, stem, |name, kind| {
        if kind == Kind::File {
            let _ = folder.remove_file(name);
        }
    });
}

/// Whether `name` is the name of a temporary: of the target of `stem`, or of any target where it is empty.
fn is_temporary(name: &str, stem: &str) -> bool {
    let owner = match stem {
        "" => name.strip_prefix('.').and_then(|name| name.rsplit_once(".rollshare-")).map(|(_, owner)| owner),
        stem => name.strip_prefix(stem),
    };
    owner.is_some_and(|owner| !owner.is_empty() && owner.bytes().all(|b| b.is_ascii_digit() || b == b'-'))
}

/// Calls `with` with each temporary of `stem` in `folder` whose owner has ended. It stays locked meanwhile.
fn each_abandoned(folder: &Directory, stem: &str, mut with: impl FnMut(&OsStr, Kind)) {
    for (name, kind) in folder.entries().unwrap_or_default() {
        if is_temporary(&name.to_string_lossy(), stem)
            && matches!(kind, Kind::File | Kind::Folder)
            && let Ok(lock) = folder.open_entry(&name)
            && lock.try_lock().is_ok()
            && folder.is_same(&name, &lock)
        {
            with(&name, kind);
        }
    }
}

/// Removes the temporaries of killed runs at the same target. Errors are ignored: readers never use
/// temporaries.
pub fn sweep(target: &Path) {
    abandoned(target, |path| {
        let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    });
}

/// Calls `with` with each temporary of killed runs at the same target, which stays locked meanwhile.
pub(crate) fn abandoned(target: &Path, mut with: impl FnMut(&Path)) {
    if let Ok((folder, name)) = split(target) {
        each_abandoned(&folder, &stem(&name), |name, _| with(&folder.join(name)));
    }
}

/// The folder of a target, by its path, and the target's name in it.
pub(crate) fn split(target: &Path) -> Result<(Directory, String)> {
    let parts = target.parent().zip(target.file_name().and_then(OsStr::to_str));
    let (folder, name) = parts.ok_or_else(|| {
        Error::argument(format!("invalid target '{}'", target.display())).expected("a name in UTF-8")
    })?;
    Ok((Directory::by_path(folder), name.to_owned()))
}

fn stem(target: &str) -> String {
    format!(".{target}.rollshare-")
}

/// Whether `path` still names `file`.
pub(crate) fn is_same_file(file: &File, path: &Path) -> bool {
    split(path).is_ok_and(|(folder, name)| folder.is_same(name, file))
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
        let in_use = Temporary::file(&Directory::by_path(dir.path().join("runs")), "B.json").unwrap();
        sweep_below(&Directory::open(dir.path()).unwrap());
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
        let file = Temporary::file(&Directory::by_path(dir.path()), "out.csv").unwrap();
        let folder = Temporary::folder(&target).unwrap();
        sweep(&target);
        assert!(file.path().is_file() && folder.path().is_dir());
        assert_eq!(names(dir.path()).len(), others.len() + 2);
        drop((file, folder));
        assert_eq!(names(dir.path()), others);
    }
}
