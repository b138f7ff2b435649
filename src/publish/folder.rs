//! A folder as a target, with the files of a Spark output: one part and `_SUCCESS`.
//!
//! The new folder is built beside the old one, synced to the disk, and exchanged with it atomically
//! (`RENAME_EXCHANGE`); then the old folder, now under the name of the temporary, is removed. A kill at
//! any moment leaves the complete old folder or the complete new one at the target.
//!
//! Where the folders cannot be exchanged (the target is a mount point, the parent folder is not
//! writable, the file system does not support it), the part is replaced inside the folder: see
//! [`replace_inside`].

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::Writer;
use crate::storage::local::atomic::{self, create_parents, sync_folder, sync_parent, write_synced};
use crate::storage::local::io_error;
use crate::storage::local::temporary::{Temporary, abandoned, sweep};
use crate::{Error, Result};

/// The name of the part. It never changes, so that a run replaces the part of the previous run even
/// where folders cannot be exchanged.
pub const PART: &str = "part-00000-rollshare.snappy.parquet";
/// The marker of a complete output.
pub const SUCCESS: &str = "_SUCCESS";

/// Replaces the folder `path` by one whose part is the output of `write`; returns the length of the part. A file that
/// another program has put into the folder meanwhile is put back, or kept aside: see [`Replaced::notes`].
pub fn replace(path: &Path, write: Writer<'_>) -> Result<Replaced> {
    create_parents(path)?;
    let mut notes = Vec::new();
    sweep_folders(path, &mut notes)?;
    sweep(path);
    let old = Contents::read(path)?;
    if old.exists && is_mount_point(path) {
        return Ok(Replaced { bytes: replace_inside(path, &old, write)?, notes });
    }
    let temporary = match Temporary::folder(path) {
        Err(Error::Io { source, .. }) if old.exists && source.kind() == io::ErrorKind::PermissionDenied => {
            return Ok(Replaced { bytes: replace_inside(path, &old, write)?, notes });
        }
        created => created?,
    };
    let bytes = write_new_folder(temporary.path(), write)?;
    for kept in &old.kept {
        link_or_copy(&path.join(kept), &temporary.path().join(kept))?;
    }
    sync_folder(temporary.path())?;
    match exchange_or_rename(temporary.path(), path) {
        Ok(Swapped::Exchanged) => {
            sync_parent(path)?;
            // The old folder has the name of the temporary now. What came into it since it was listed is not ours.
            let is_in = |names: &[PathBuf], name: &str| names.iter().any(|listed| listed.as_os_str() == name);
            let kind = |name: &str| {
                let output = is_in(&old.output, name).then_some(Kind::Output);
                output.or_else(|| is_in(&old.kept, name).then_some(Kind::Kept))
            };
            match return_others(temporary.path(), path, &kind, true) {
                Ok(stay) if stay.is_empty() => drop(temporary),
                // The target is replaced: nothing from here on is an error of the run.
                _ => {
                    let folder = temporary.path().to_owned();
                    temporary.persist();
                    notes.push(keep_aside(&folder, path, &kind).unwrap_or_else(|_| {
                        format!(
                            "files that came into the target folder while it was replaced are in {}",
                            folder.display()
                        )
                    }));
                }
            }
        }
        Ok(Swapped::Renamed) => {
            temporary.persist();
            sync_parent(path)?;
        }
        Err(_) if old.exists => {
            drop(temporary);
            return Ok(Replaced { bytes: replace_inside(path, &old, write)?, notes });
        }
        Err(e) => return Err(io_error("cannot replace", path, e)),
    }
    Ok(Replaced { bytes, notes })
}

/// Moves what is no output from the folder `from`, which had been the target, into the target `to`, if it is not there;
/// returns the paths of what stays. `kind` says what an entry is; what was kept has been linked into `to`. A file that
/// was replaced after that is moved too if `replaced`.
fn return_others(
    from: &Path,
    to: &Path,
    kind: &dyn Fn(&str) -> Option<Kind>,
    replaced: bool,
) -> io::Result<Vec<PathBuf>> {
    let mut stay = Vec::new();
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let is_kept = match kind(&entry.file_name().to_string_lossy()) {
            Some(Kind::Output) => continue,
            kind => kind == Some(Kind::Kept),
        };
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let (old, new) = (source.symlink_metadata()?, target.symlink_metadata());
        match new {
            Err(e) if e.kind() == io::ErrorKind::NotFound => fs::rename(&source, &target)?,
            Err(e) => return Err(e),
            Ok(new) if is_kept && old.is_dir() && new.is_dir() => {
                stay.extend(return_others(&source, &target, &|_| Some(Kind::Kept), replaced)?);
            }
            Ok(new) if is_kept && old.is_file() && new.is_file() => {
                let is_newer = || old.modified().ok().zip(new.modified().ok()).is_some_and(|(a, b)| a > b);
                if replaced && is_newer() {
                    fs::rename(&source, &target)?;
                }
            }
            Ok(_) => stay.push(source),
        }
    }
    Ok(stay)
}

/// Keeps what is no output of the folder `temporary` beside the target; returns a note that says where.
fn keep_aside(temporary: &Path, path: &Path, kind: &dyn Fn(&str) -> Option<Kind>) -> io::Result<String> {
    for entry in fs::read_dir(temporary)? {
        let entry = entry?;
        if kind(&entry.file_name().to_string_lossy()) == Some(Kind::Output) {
            fs::remove_file(entry.path())?;
        }
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let free = (1..1000).map(|n| path.with_file_name(format!("{name}.kept-{n}"))).find(|free| !free.exists());
    let free = free.ok_or(io::ErrorKind::AlreadyExists)?;
    fs::rename(temporary, &free)?;
    Ok(format!(
        "files that came into the target folder while it was replaced, and could not be put back, are in {}",
        free.display()
    ))
}

/// Removes the temporary folders of killed runs, but puts back what is not ours: a run may have been killed after it
/// exchanged the folders.
fn sweep_folders(path: &Path, notes: &mut Vec<String>) -> Result<()> {
    let mut failed = None;
    abandoned(path, |temporary| {
        if !temporary.is_dir() {
            return;
        }
        let kind = |name: &str| classify(name, temporary.join(name).is_dir());
        let returned = return_others(temporary, path, &kind, false);
        let result = returned.and_then(|stay| {
            if stay.is_empty() {
                fs::remove_dir_all(temporary)
            } else {
                keep_aside(temporary, path, &kind).map(|note| notes.push(note))
            }
        });
        // It stays as it is, and `sweep` must not remove it.
        if let Err(e) = result {
            failed = Some(io_error("cannot put back the files of others from", temporary, e));
        }
    });
    failed.map_or(Ok(()), Err)
}

/// Replaces the part inside the folder.
///
/// Over an output of this program that is one rename, so a kill leaves the old part or the new one.
/// Over parts of another program it is not atomic: `_SUCCESS` is removed first and created last, so
/// that readers that check for it never see a mix.
pub(super) fn replace_inside(path: &Path, old: &Contents, write: Writer<'_>) -> Result<u64> {
    let part = path.join(PART);
    let success = path.join(SUCCESS);
    let foreign: Vec<&PathBuf> =
        old.output.iter().filter(|name| name.as_os_str() != PART && name.as_os_str() != SUCCESS).collect();
    if !foreign.is_empty() {
        remove_if_exists(&success)?;
        sync_folder(path)?;
    }
    let bytes = atomic::replace(&part, write)?;
    for name in foreign {
        remove_if_exists(&path.join(name))?;
    }
    if !success.exists() {
        File::create(&success).map_err(|e| io_error("cannot create", &success, e))?;
    }
    sync_folder(path)?;
    Ok(bytes)
}

fn remove_if_exists(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_error("cannot remove", path, e)),
        _ => Ok(()),
    }
}

/// A replaced folder.
#[derive(Debug, Default)]
pub struct Replaced {
    /// Length of the part.
    pub bytes: u64,
    /// What became of files that are not ours.
    pub notes: Vec<String>,
}

/// The files of a target folder.
#[derive(Debug, Default)]
pub struct Contents {
    exists: bool,
    /// Files of an earlier output, which are removed.
    output: Vec<PathBuf>,
    /// History and hidden files, which are kept.
    kept: Vec<PathBuf>,
}

impl Contents {
    /// Lists `folder`; empty where it does not exist.
    ///
    /// # Errors
    /// `Argument` when it has files that are neither an earlier output nor kept by name: replacing the
    /// folder would delete files of the user.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut contents = Contents::default();
        let entries = match fs::read_dir(folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(contents),
            Err(e) => return Err(io_error("cannot list the folder", folder, e)),
            Ok(entries) => entries,
        };
        contents.exists = true;
        for entry in entries {
            let entry = entry.map_err(|e| io_error("cannot list the folder", folder, e))?;
            let kind =
                entry.file_type().map_err(|e| io_error("cannot read the metadata", &entry.path(), e))?;
            let name = entry.file_name();
            let text = name.to_string_lossy();
            match classify(&text, !kind.is_file()) {
                Some(Kind::Output) => contents.output.push(name.into()),
                Some(Kind::Kept) => contents.kept.push(name.into()),
                None => return Err(foreign_file(&text, &folder.to_string_lossy())),
            }
        }
        Ok(contents)
    }
}

/// What a run that replaces the folder does with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Part of an earlier output: it is removed.
    Output,
    /// History or a hidden file: it is kept.
    Kept,
}

/// Classifies an entry by its name; `None` for files of the user.
pub(super) fn classify(name: &str, is_folder: bool) -> Option<Kind> {
    let marker = matches!(name, "_SUCCESS" | "_metadata" | "_common_metadata")
        || name.starts_with("_started_")
        || name.starts_with("_committed_");
    let crc = name.starts_with('.') && name.ends_with(".crc");
    if !is_folder && (name.starts_with("part-") || marker || crc) {
        Some(Kind::Output)
    } else {
        (name.starts_with("_rollshare") || (name.starts_with('.') && !is_folder)).then_some(Kind::Kept)
    }
}

pub(super) fn foreign_file(name: &str, folder: &str) -> Error {
    Error::argument(format!("the target folder contains '{name}', which is not part of an earlier output"))
        .expected("a folder that is new, empty, or contains only parts of an earlier run and _SUCCESS")
        .advice("The whole folder would be replaced: name another folder, or move the file away")
        .in_file(&folder.into())
}

fn write_new_folder(folder: &Path, write: Writer<'_>) -> Result<u64> {
    let part = folder.join(PART);
    let bytes = File::create_new(&part)
        .and_then(|file| write_synced(&file, write))
        .map_err(|e| io_error("cannot write", &part, e))?;
    let success = folder.join(SUCCESS);
    File::create_new(&success)
        .and_then(|file| file.sync_all())
        .map_err(|e| io_error("cannot write", &success, e))?;
    Ok(bytes)
}

/// Copies a file or folder, by hard links where the file system supports them.
fn link_or_copy(from: &Path, to: &Path) -> Result<()> {
    let copy_one = || -> io::Result<()> {
        let kind = from.symlink_metadata()?.file_type();
        if kind.is_dir() {
            fs::create_dir(to)?;
        } else if fs::hard_link(from, to).is_err() {
            fs::copy(from, to)?;
            File::open(to)?.sync_all()?;
        }
        Ok(())
    };
    copy_one().map_err(|e| io_error("cannot copy", from, e))?;
    if to.symlink_metadata().is_ok_and(|m| m.is_dir()) {
        for entry in fs::read_dir(from).map_err(|e| io_error("cannot list the folder", from, e))? {
            let name = entry.map_err(|e| io_error("cannot list the folder", from, e))?.file_name();
            link_or_copy(&from.join(&name), &to.join(&name))?;
        }
        sync_folder(to)?;
    }
    Ok(())
}

enum Swapped {
    Exchanged,
    Renamed,
}

fn exchange_or_rename(new: &Path, target: &Path) -> io::Result<Swapped> {
    // A second attempt, for the case that another run creates or removes the target in between.
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

    /// An output of Spark, with files beside it that must be kept.
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
                replace_inside(&path, &Contents::read(&path).unwrap(), &write).unwrap();
            } else {
                replace(&path, &write).unwrap();
            }
            assert_eq!(names(&path), [".gitkeep", SUCCESS, "_rollshare", PART], "inside: {inside}");
            assert_eq!(fs::read_to_string(path.join("_rollshare/2021/run.json")).unwrap(), "history");
            assert_eq!(names(dir.path()), ["out"]);
        }
    }

    #[test]
    fn files_of_the_user_are_not_replaced() {
        for foreign in ["thesis.docx", "country=FR/x", ".git/config", "part-of-me/x"] {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("out").join(foreign);
            old(&dir.path().join("out"));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "mine").unwrap();
            let error = replace(&dir.path().join("out"), &write).unwrap_err();
            assert!(matches!(error, Error::Argument(_)), "{foreign}: {error}");
            assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
            assert_eq!(
                fs::read_to_string(dir.path().join("out/part-00000-x.snappy.parquet")).unwrap(),
                "old"
            );
            assert_eq!(names(dir.path()), ["out"]);
        }
    }

    #[test]
    fn a_file_that_arrives_meanwhile_is_put_back_or_kept_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        old(&path);
        let arrive = |out: &mut dyn io::Write| {
            fs::write(path.join("mine"), "mine")?;
            fs::create_dir_all(path.join("deep"))?;
            fs::write(path.join("deep/too"), "mine")?;
            fs::write(path.join("_rollshare/2021/late.json"), "mine")?;
            write(out)
        };
        let replaced = replace(&path, &arrive).unwrap();
        assert!(replaced.notes.is_empty(), "{:?}", replaced.notes);
        assert_eq!(names(&path), [".gitkeep", SUCCESS, "_rollshare", "deep", "mine", PART]);
        for file in ["mine", "deep/too", "_rollshare/2021/late.json"] {
            assert_eq!(fs::read_to_string(path.join(file)).unwrap(), "mine", "{file}");
        }
        assert_eq!(names(dir.path()), ["out"]);

        // A part of another program, under the name that the new part has.
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        old(&path);
        let clash = |out: &mut dyn io::Write| {
            fs::write(path.join(PART), "mine")?;
            write(out)
        };
        let replaced = replace(&path, &clash).unwrap();
        assert!(matches!(&*replaced.notes, [note] if note.contains("out.kept-1")), "{:?}", replaced.notes);
        assert_eq!(fs::read_to_string(dir.path().join("out.kept-1").join(PART)).unwrap(), "mine");
        assert_ne!(fs::read_to_string(path.join(PART)).ok(), Some("mine".into()));
        assert_eq!(names(dir.path()), ["out", "out.kept-1"]);
    }

    #[test]
    fn the_next_run_puts_back_what_a_killed_run_left_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        replace(&path, &write).unwrap();
        // As if the run had been killed right after the exchange.
        let abandoned = dir.path().join(".out.rollshare-1");
        old(&abandoned);
        fs::write(abandoned.join("mine"), "mine").unwrap();
        let error = replace(&path, &write).unwrap_err();
        assert!(matches!(error, Error::Argument(_)), "a file of the user in the target: {error}");
        assert_eq!(fs::read_to_string(path.join("mine")).unwrap(), "mine");
        assert_eq!(names(dir.path()), ["out"]);
        fs::remove_file(path.join("mine")).unwrap();
        replace(&path, &write).unwrap();
    }
}
