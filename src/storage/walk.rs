//! What a folder holds, nested folders included.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::hive;
use super::object::Stamp;
use crate::{Error, Result};

/// A file that was come across.
#[derive(Debug, Clone)]
pub struct Found {
    /// As the user would name it.
    pub path: PathBuf,
    /// Its one true path, symbolic links resolved.
    pub canonical: PathBuf,
    /// What its listing says of it; `None` for a local file, which is looked at
    /// when it is opened.
    pub stamp: Option<Stamp>,
}

/// Files of a folder.
#[derive(Debug, Default)]
pub struct Walk {
    /// Files directly in the folder.
    pub direct: Vec<Found>,
    /// Files in nested folders.
    pub nested: Vec<Found>,
    /// Whether a nested folder is a hive partition.
    pub partitioned: bool,
    /// What a person should know of.
    pub notes: Vec<String>,
    seen: HashSet<PathBuf>,
}

/// Whether readers of data folders pass over this name: `_SUCCESS`, `.part.crc`.
pub fn is_hidden(name: &OsStr) -> bool {
    matches!(name.as_encoded_bytes().first(), Some(b'_' | b'.'))
}

impl Walk {
    /// Lists `folder`, whose canonical path is `canonical`.
    pub fn of(folder: &Path, canonical: &Path) -> Result<Self> {
        let mut walk = Walk::default();
        walk.enter(folder, canonical, list(folder), true)?;
        Ok(walk)
    }

    fn enter(&mut self, folder: &Path, canonical: &Path, entries: Result<Entries>, top: bool) -> Result<()> {
        // A folder reached twice, by a link, would count twice; a loop of links would never end.
        if !self.seen.insert(canonical.to_owned()) {
            self.notes.push(format!("{}: read already under another name", folder.display()));
            return Ok(());
        }
        let entries = entries?;
        // Thousands of daily folders: what they hold is listed side by side.
        let listed = |(name, kind): &(OsString, fs::FileType)| {
            (kind.is_dir() && !is_hidden(name)).then(|| list(&folder.join(name)))
        };
        let lists: Vec<Option<Result<Entries>>> = entries.par_iter().with_min_len(16).map(listed).collect();
        for ((name, mut kind), list_of) in entries.into_iter().zip(lists) {
            let path = folder.join(&name);
            if is_hidden(&name) {
                if hive::is_partition(name.as_encoded_bytes()) {
                    self.notes.push(format!("{}: not read, its name begins with '_' or '.'", path.display()));
                }
                continue;
            }
            let mut canonical = canonical.join(&name);
            if kind.is_symlink() {
                (canonical, kind) = resolve(&path)?;
            }
            if kind.is_dir() {
                self.partitioned |= hive::is_partition(name.as_encoded_bytes());
                self.enter(&path, &canonical, list_of.unwrap_or_else(|| list(&path)), false)?;
            } else if kind.is_file() {
                let files = if top { &mut self.direct } else { &mut self.nested };
                files.push(Found { path, canonical, stamp: None });
            } else {
                return Err(irregular(&path));
            }
        }
        Ok(())
    }
}

/// Names and kinds of what a folder holds.
type Entries = Vec<(OsString, fs::FileType)>;

/// What `folder` holds, in order: a folder reached by two names is read under the
/// first of them, on every machine.
fn list(folder: &Path) -> Result<Entries> {
    let fail = |e| Error::io("cannot list the folder", e).in_file(&folder.to_string_lossy().into());
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        entries.push((entry.file_name(), entry.file_type().map_err(fail)?));
    }
    entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    Ok(entries)
}

/// Canonical path and kind of what `path` leads to.
pub fn resolve(path: &Path) -> Result<(PathBuf, fs::FileType)> {
    let fail = |e| Error::io("cannot open", e).in_file(&path.to_string_lossy().into());
    let canonical = path.canonicalize().map_err(fail)?;
    let kind = fs::metadata(&canonical).map_err(fail)?.file_type();
    Ok((canonical, kind))
}

/// Neither file nor folder: opening a pipe would wait for ever.
pub fn irregular(path: &Path) -> Error {
    Error::unsupported("neither a file nor a folder")
        .expected("a regular file: parquet is read from its end")
        .advice("Write the data to a file first")
        .in_file(&path.to_string_lossy().into())
}
