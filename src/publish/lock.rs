//! One run at a time: the claim that a run has on its target.
//!
//! A claim is a lock on `.NAME.rollshare-lock` beside the target (inside of it where
//! it is a mount point, or nothing can be written beside it). The system lets go of
//! the lock when its owner ends, whatever way; so a file that a killed run left
//! behind stands in nobody's way. Who holds it removes the file before letting go.
//!
//! A bucket has no lock that goes with its owner. There a claim is the version of the
//! target that the run began with, and publishing replaces that version or nothing: of
//! two runs that overlap, the one that publishes first wins, and the other says so.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::Target;
use super::folder::is_mount_point;
use crate::storage::local::temporary::is_at;
use crate::storage::local::{atomic, io_error};
use crate::{Error, Result};

/// How often a lock file may go between being opened and locked.
const RETRIES: u32 = 100;

/// How often the folder may go; after that "not found" means that nothing can be written there.
const FOLDER_RETRIES: u32 = 3;

/// A target that no other run publishes to; let go of when it is dropped.
#[derive(Default)]
pub struct TargetLock {
    _held: Option<LockFile>,
    /// Of a target in a bucket, its version when it was claimed; `None` where there was none.
    #[cfg(feature = "s3")]
    pub(super) before: Option<crate::storage::ObjectVersion>,
}

impl TargetLock {
    /// Claims `target` for this run. The standard output needs no claim.
    ///
    /// # Errors
    /// `Io` when another run has claimed it, nothing can be written there, or a store
    /// says no; `Argument` for a folder of a bucket that holds more than an output.
    pub fn of(target: &Target) -> Result<TargetLock> {
        #[cfg(feature = "s3")]
        if let Some(uri) = target.stored()? {
            let before = super::bucket::version(target, &uri)?;
            return Ok(TargetLock { before, ..TargetLock::default() });
        }
        let path = match target {
            Target::Stdout => return Ok(TargetLock::default()),
            Target::File { path, .. } | Target::Folder { path, .. } => path,
        };
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let beside = path.with_file_name(format!(".{name}.rollshare-lock"));
        let inside = path.join(".rollshare-lock");
        let held = if path.is_dir() && is_mount_point(path) {
            LockFile::on(&inside, path)
        } else {
            match LockFile::on(&beside, path) {
                Err(Error::Io { source, .. })
                    if path.is_dir()
                        && matches!(
                            source.kind(),
                            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
                        ) =>
                {
                    LockFile::on(&inside, path)
                }
                held => held,
            }
        };
        held.map(|held| TargetLock {
            _held: Some(held),
            #[cfg(feature = "s3")]
            before: None,
        })
    }
}

/// A locked file, and the folders that were made for it.
struct LockFile {
    file: PathBuf,
    _lock: File,
    made: Vec<PathBuf>,
}

impl LockFile {
    fn on(file: &Path, target: &Path) -> Result<LockFile> {
        let made = make_parents(file)?;
        let fail = |e| io_error("cannot claim the target", target, e);
        for attempt in 0..RETRIES {
            let lock = match File::options().create(true).append(true).open(file) {
                // The run before has taken away the folder that it had made.
                Err(e) if e.kind() == ErrorKind::NotFound && attempt < FOLDER_RETRIES => {
                    make_parents(file)?;
                    continue;
                }
                opened => opened.map_err(fail)?,
            };
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(taken(target)),
                // Where the file system has no locks, runs are not kept apart; each result is still whole.
                Err(TryLockError::Error(_)) => {}
            }
            // The run before may have removed the file after it was opened here.
            if is_at(&lock, file) {
                return Ok(LockFile { file: file.to_owned(), _lock: lock, made });
            }
        }
        Err(taken(target))
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
        // Folders that were made for a target that was not published go; others are not empty.
        for folder in self.made.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

fn taken(target: &Path) -> Error {
    io_error("another run is publishing to this target", target, io::Error::from(ErrorKind::WouldBlock))
        .expected("one run at a time")
        .advice("Nothing was published by this run; start it again once the other one has ended")
}

/// Creates the folders that lead to `file`, and says which.
fn make_parents(file: &Path) -> Result<Vec<PathBuf>> {
    let mut missing: Vec<PathBuf> = file
        .ancestors()
        .skip(1)
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        .map(Path::to_owned)
        .collect();
    missing.reverse();
    atomic::make_parents(file)?;
    Ok(missing)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_target_is_claimed_once_and_no_trace_is_left() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["new/deep/x.csv", "new/folder/", "y.parquet"] {
            let text = format!("{}/{name}", dir.path().display());
            let target = Target::parse(&text).unwrap();
            let claim = TargetLock::of(&target).unwrap();
            let error = TargetLock::of(&target).err().unwrap();
            assert_eq!(error.exit_code(), 6);
            assert!(error.to_string().contains("another run"), "{error}");
            let other =
                TargetLock::of(&Target::parse(&format!("{}/other.csv", dir.path().display())).unwrap());
            drop((claim, other.unwrap()));
            drop(TargetLock::of(&target).unwrap());
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "{name}");
        }
    }

    #[test]
    fn what_a_killed_run_left_stands_in_nobodys_way() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(".x.csv.rollshare-lock"), "").unwrap();
        let target = Target::parse(&format!("{}/x.csv", dir.path().display())).unwrap();
        drop(TargetLock::of(&target).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
