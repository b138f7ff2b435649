//! A folder as a target, as Spark leaves it: one part and `_SUCCESS`.
//!
//! The new folder is built beside the old one, written through to the disk, and
//! exchanged with it in one act (`RENAME_EXCHANGE`); then the old one, now under
//! the temporary's name, is removed. A kill at any moment leaves the old folder
//! or the new one at the target, whole.
//!
//! Where the two cannot be exchanged (the target is a mount point, the folder
//! around it cannot be written, the file system has no exchange), the part is
//! replaced inside the folder: see [`replace_inside`].

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::Writer;
use crate::storage::local::atomic::{self, fill, make_parents, sync_folder, sync_parent};
use crate::storage::local::io_error;
use crate::storage::local::temporary::{Temporary, sweep};
use crate::{Error, Result};

/// The one part. Its name is always the same, so that a run replaces the part of
/// the run before it even where folders cannot be exchanged.
pub const PART: &str = "part-00000-rollshare.snappy.parquet";
/// The mark of a complete output.
pub const SUCCESS: &str = "_SUCCESS";

/// Replaces the folder `path` by one whose part is what `write` writes; returns the part's length.
pub fn replace(path: &Path, write: Writer<'_>) -> Result<u64> {
    make_parents(path)?;
    sweep(path);
    let old = Contents::of(path)?;
    if old.exists && is_mount_point(path) {
        return replace_inside(path, &old, write);
    }
    let temporary = match Temporary::folder(path) {
        Err(Error::Io { source, .. }) if old.exists && source.kind() == io::ErrorKind::PermissionDenied => {
            return replace_inside(path, &old, write);
        }
        created => created?,
    };
    let bytes = build(temporary.path(), write)?;
    for kept in &old.kept {
        carry(&path.join(kept), &temporary.path().join(kept))?;
    }
    sync_folder(temporary.path())?;
    match swap(temporary.path(), path) {
        Ok(Swapped::Exchanged) => {
            sync_parent(path)?;
            // Now the old folder bears the temporary's name and goes with it.
            drop(temporary);
        }
        Ok(Swapped::Renamed) => {
            temporary.keep();
            sync_parent(path)?;
        }
        Err(_) if old.exists => {
            drop(temporary);
            return replace_inside(path, &old, write);
        }
        Err(e) => return Err(io_error("cannot replace", path, e)),
    }
    Ok(bytes)
}

/// Replaces the part inside the folder.
///
/// Over an output of this program that is one rename, so a kill leaves the old or
/// the new. Over parts of another program it cannot be one act: `_SUCCESS` goes
/// first and comes back last, so that a reader that asks for it is never misled.
pub(super) fn replace_inside(path: &Path, old: &Contents, write: Writer<'_>) -> Result<u64> {
    let part = path.join(PART);
    let success = path.join(SUCCESS);
    let strangers: Vec<&PathBuf> =
        old.output.iter().filter(|name| name.as_os_str() != PART && name.as_os_str() != SUCCESS).collect();
    if !strangers.is_empty() {
        remove_if_there(&success)?;
        sync_folder(path)?;
    }
    let bytes = atomic::replace(&part, write)?;
    for name in strangers {
        remove_if_there(&path.join(name))?;
    }
    if !success.exists() {
        File::create(&success).map_err(|e| io_error("cannot create", &success, e))?;
    }
    sync_folder(path)?;
    Ok(bytes)
}

fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_error("cannot remove", path, e)),
        _ => Ok(()),
    }
}

/// What a target folder holds.
#[derive(Debug, Default)]
pub struct Contents {
    exists: bool,
    /// An earlier output, which goes.
    output: Vec<PathBuf>,
    /// History and hidden files, which stay.
    kept: Vec<PathBuf>,
}

impl Contents {
    /// Looks into `folder`.
    ///
    /// # Errors
    /// `Argument` when there is anything that is neither an earlier output nor
    /// ours to keep: replacing the folder would delete somebody's files.
    pub fn of(folder: &Path) -> Result<Self> {
        let mut contents = Contents::default();
        let entries = match fs::read_dir(folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(contents),
            Err(e) => return Err(io_error("cannot list the folder", folder, e)),
            Ok(entries) => entries,
        };
        contents.exists = true;
        for entry in entries {
            let entry = entry.map_err(|e| io_error("cannot list the folder", folder, e))?;
            let kind = entry.file_type().map_err(|e| io_error("cannot look at", &entry.path(), e))?;
            let name = entry.file_name();
            let text = name.to_string_lossy();
            match kind_of(&text, !kind.is_file()) {
                Some(Kind::Output) => contents.output.push(name.into()),
                Some(Kind::Kept) => contents.kept.push(name.into()),
                None => return Err(stranger(&text, &folder.to_string_lossy())),
            }
        }
        Ok(contents)
    }
}

/// What something in a target folder is to a run that replaces the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Part of an earlier output, which goes.
    Output,
    /// History and hidden files, which stay.
    Kept,
}

/// By its name in the folder; `None` for somebody else's.
pub(super) fn kind_of(name: &str, is_folder: bool) -> Option<Kind> {
    let mark = matches!(name, "_SUCCESS" | "_metadata" | "_common_metadata")
        || name.starts_with("_started_")
        || name.starts_with("_committed_");
    let crc = name.starts_with('.') && name.ends_with(".crc");
    if !is_folder && (name.starts_with("part-") || mark || crc) {
        Some(Kind::Output)
    } else {
        (name.starts_with("_rollshare") || (name.starts_with('.') && !is_folder)).then_some(Kind::Kept)
    }
}

pub(super) fn stranger(name: &str, folder: &str) -> Error {
    Error::argument(format!("the target folder holds '{name}', which is no earlier output"))
        .expected("a folder that is new, empty, or holds parts of an earlier run and _SUCCESS")
        .advice("The whole folder would be replaced: name another folder, or move the file away")
        .in_file(&folder.into())
}

fn build(folder: &Path, write: Writer<'_>) -> Result<u64> {
    let part = folder.join(PART);
    let bytes = File::create_new(&part)
        .and_then(|file| fill(&file, write))
        .map_err(|e| io_error("cannot write", &part, e))?;
    let success = folder.join(SUCCESS);
    File::create_new(&success)
        .and_then(|file| file.sync_all())
        .map_err(|e| io_error("cannot write", &success, e))?;
    Ok(bytes)
}

/// Brings a file or folder along, by hard links where the file system has them.
fn carry(from: &Path, to: &Path) -> Result<()> {
    let carried = || -> io::Result<()> {
        let kind = from.symlink_metadata()?.file_type();
        if kind.is_dir() {
            fs::create_dir(to)?;
        } else if fs::hard_link(from, to).is_err() {
            fs::copy(from, to)?;
            File::open(to)?.sync_all()?;
        }
        Ok(())
    };
    carried().map_err(|e| io_error("cannot bring along", from, e))?;
    if to.symlink_metadata().is_ok_and(|m| m.is_dir()) {
        for entry in fs::read_dir(from).map_err(|e| io_error("cannot list the folder", from, e))? {
            let name = entry.map_err(|e| io_error("cannot list the folder", from, e))?.file_name();
            carry(&from.join(&name), &to.join(&name))?;
        }
        sync_folder(to)?;
    }
    Ok(())
}

enum Swapped {
    Exchanged,
    Renamed,
}

fn swap(new: &Path, target: &Path) -> io::Result<Swapped> {
    // A second round, should another run create or remove the target in between.
    for _ in 0..2 {
        if target.exists() {
            match exchange(new, target) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                other => return other.map(|()| Swapped::Exchanged),
            }
        }
        match fs::rename(new, target) {
            Err(e) if matches!(e.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) => {
            }
            other => return other.map(|()| Swapped::Renamed),
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn exchange(a: &Path, b: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE)?)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn exchange(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
pub(super) fn is_mount_point(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| fs::metadata(path).ok().map(|m| m.dev());
    path.parent().is_some_and(|parent| device(parent) != device(path))
}

#[cfg(not(unix))]
pub(super) fn is_mount_point(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::publish::{parquet, tests::table};

    fn write(out: &mut dyn io::Write) -> io::Result<()> {
        parquet::write(&table(), out)
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// An output of Spark's with files beside it that have to stay.
    fn old(folder: &Path) {
        fs::create_dir_all(folder.join("_rollshare/2021")).unwrap();
        for file in
            ["part-00000-x.snappy.parquet", "part-00001-x.snappy.parquet", "_SUCCESS", "._SUCCESS.crc"]
        {
            fs::write(folder.join(file), "old").unwrap();
        }
        fs::write(folder.join("_rollshare/2021/run.json"), "history").unwrap();
        fs::write(folder.join(".gitkeep"), "mine").unwrap();
    }

    #[test]
    fn a_new_folder_and_its_replacement() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/out");
        replace(&path, &write).unwrap();
        assert_eq!(names(&path), [SUCCESS, PART]);
        let first = fs::read(path.join(PART)).unwrap();
        fs::write(path.join(PART), "damaged").unwrap();
        replace(&path, &write).unwrap();
        assert_eq!(fs::read(path.join(PART)).unwrap(), first);
        assert_eq!(names(path.parent().unwrap()), ["out"]);
    }

    #[test]
    fn both_ways_replace_the_output_and_keep_the_rest() {
        for inside in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("out");
            old(&path);
            if inside {
                replace_inside(&path, &Contents::of(&path).unwrap(), &write).unwrap();
            } else {
                replace(&path, &write).unwrap();
            }
            assert_eq!(names(&path), [".gitkeep", SUCCESS, "_rollshare", PART], "inside: {inside}");
            assert_eq!(fs::read_to_string(path.join("_rollshare/2021/run.json")).unwrap(), "history");
            assert_eq!(names(dir.path()), ["out"]);
        }
    }

    #[test]
    fn files_of_a_person_are_not_replaced() {
        for stranger in ["thesis.docx", "country=FR/x", ".git/config", "part-of-me/x"] {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("out").join(stranger);
            old(&dir.path().join("out"));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "mine").unwrap();
            let error = replace(&dir.path().join("out"), &write).unwrap_err();
            assert!(matches!(error, Error::Argument(_)), "{stranger}: {error}");
            assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
            assert_eq!(
                fs::read_to_string(dir.path().join("out/part-00000-x.snappy.parquet")).unwrap(),
                "old"
            );
            assert_eq!(names(dir.path()), ["out"]);
        }
    }
}
