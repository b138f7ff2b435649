//! The lock of a run on its target: one run at a time.
//!
//! On disk it is a file lock on `.NAME.rollshare-lock` beside the target (inside the target where that
//! is a mount point or its parent folder is not writable). The operating system releases the lock when
//! its owner ends, for any reason, so a file left by a killed run blocks no other run. The owner
//! removes the file before it releases the lock.
//!
//! A bucket has no lock that is released with its owner. There the lock is the version of the target
//! at the start of the run, and publishing replaces that version only: of two runs that overlap, the
//! first to publish wins and the other fails.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::Target;
use super::folder::is_mount_point;
use crate::storage::local::temporary::is_same_file;
use crate::storage::local::{atomic, io_error};
use crate::{Error, Result};

/// How often the lock file may be removed between opening and locking it.
const RETRIES: u32 = 100;

/// How often the folder may be removed; after that "not found" means that it cannot be created.
const FOLDER_RETRIES: u32 = 3;

/// The exclusive right to publish to a target; released on drop.
#[derive(Default)]
pub struct TargetLock {
    _file: Option<LockFile>,
    /// The version of a target in a bucket when it was locked; `None` where it did not exist.
    #[cfg(feature = "s3")]
    pub(super) expected: Option<crate::storage::ObjectVersion>,
}

impl TargetLock {
    /// Locks `target` for this run. Stdout needs no lock.
    ///
    /// # Errors
    /// `Io` when another run holds the lock, the lock file cannot be written, or S3 fails; `Argument`
    /// for a folder in a bucket with other files than an output.
    pub fn acquire(target: &Target) -> Result<TargetLock> {
        #[cfg(feature = "s3")]
        if let Some(uri) = target.s3_uri()? {
            let expected = super::bucket::current_version(target, &uri)?;
            return Ok(TargetLock { expected, ..TargetLock::default() });
        }
        let path = match target {
            Target::Stdout => return Ok(TargetLock::default()),
            Target::File { path, .. } | Target::Folder { path, .. } => path,
        };
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let beside = path.with_file_name(format!(".{name}.rollshare-lock"));
        let inside = path.join(".rollshare-lock");
        let file = if path.is_dir() && is_mount_point(path) {
            LockFile::acquire(&inside, path)
        } else {
            match LockFile::acquire(&beside, path) {
                Err(Error::Io { source, .. })
                    if path.is_dir()
                        && matches!(
                            source.kind(),
                            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
                        ) =>
                {
                    LockFile::acquire(&inside, path)
                }
                other => other,
            }
        };
        file.map(|file| TargetLock {
            _file: Some(file),
            #[cfg(feature = "s3")]
            expected: None,
        })
    }
}

/// A locked file and the folders that were created for it.
struct LockFile {
    file: PathBuf,
    _lock: File,
    created: Vec<PathBuf>,
}

impl LockFile {
    fn acquire(file: &Path, target: &Path) -> Result<LockFile> {
        let created = create_parents(file)?;
        let fail = |e| io_error("cannot lock the target", target, e);
        for attempt in 0..RETRIES {
            let lock = match File::options().create(true).append(true).open(file) {
                // The previous run has removed the folder that it had created.
                Err(e) if e.kind() == ErrorKind::NotFound && attempt < FOLDER_RETRIES => {
                    create_parents(file)?;
                    continue;
                }
                opened => opened.map_err(fail)?,
            };
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(already_locked(target)),
                // On a file system without locks runs are not excluded; each result is still complete.
                Err(TryLockError::Error(_)) => {}
            }
            // The previous run may have removed the file after it was opened here.
            if is_same_file(&lock, file) {
                return Ok(LockFile { file: file.to_owned(), _lock: lock, created });
            }
        }
        Err(already_locked(target))
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
        // Removes the folders created for a target that was not published; others are not empty.
        for folder in self.created.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

fn already_locked(target: &Path) -> Error {
    io_error("another run is publishing to this target", target, io::Error::from(ErrorKind::WouldBlock))
        .expected("one run at a time")
        .advice("This run published nothing; run again once the other one has ended")
}

/// Creates the parent folders of `file`; returns those that were missing.
fn create_parents(file: &Path) -> Result<Vec<PathBuf>> {
    let mut missing: Vec<PathBuf> = file
        .ancestors()
        .skip(1)
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        .map(Path::to_owned)
        .collect();
    missing.reverse();
    atomic::create_parents(file)?;
    Ok(missing)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_target_is_locked_once_and_no_file_is_left() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["new/deep/x.csv", "new/folder/", "y.parquet"] {
            let text = format!("{}/{name}", dir.path().display());
            let target = Target::parse(&text).unwrap();
            let lock = TargetLock::acquire(&target).unwrap();
            let error = TargetLock::acquire(&target).err().unwrap();
            assert_eq!(error.exit_code(), 6);
            assert!(error.to_string().contains("another run"), "{error}");
            let other =
                TargetLock::acquire(&Target::parse(&format!("{}/other.csv", dir.path().display())).unwrap());
            drop((lock, other.unwrap()));
            drop(TargetLock::acquire(&target).unwrap());
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "{name}");
        }
    }

    #[test]
    fn a_lock_file_of_a_killed_run_blocks_no_run() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(".x.csv.rollshare-lock"), "").unwrap();
        let target = Target::parse(&format!("{}/x.csv", dir.path().display())).unwrap();
        drop(TargetLock::acquire(&target).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
