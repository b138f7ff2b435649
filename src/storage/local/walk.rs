//! What a folder holds, nested folders included.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::entries::{Entries, Entry, Kind, OpenFolder};
use crate::storage::hive::{self, is_hidden};
use crate::storage::object::ObjectVersion;
use crate::{Error, Result};

/// A file that was come across.
#[derive(Debug, Clone)]
pub struct WalkEntry {
    /// As the user would name it.
    pub path: PathBuf,
    /// Its one true path, symbolic links resolved.
    pub canonical: PathBuf,
    /// What its listing says of it; a file without is looked at when it is opened.
    pub stamp: Option<ObjectVersion>,
    /// Whether it lies in a store, not in a file system.
    pub is_stored: bool,
}

/// Files of a folder.
#[derive(Debug, Default)]
pub struct Walk {
    /// Files directly in the folder.
    pub direct: Vec<WalkEntry>,
    /// Files in nested folders.
    pub nested: Vec<WalkEntry>,
    /// Whether a nested folder is a hive partition.
    pub partitioned: bool,
    /// What a person should know of.
    pub notes: Vec<String>,
    seen: HashSet<PathBuf>,
}

impl Walk {
    /// Lists `folder`, whose canonical path is `canonical`.
    pub fn of(folder: &Path, canonical: &Path) -> Result<Self> {
        let mut walk = Walk::default();
        walk.enter(folder, canonical, OpenFolder::of(folder).and_then(|place| place.entries()), true)?;
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
        let lists = lists_of(folder, &entries)?;
        for (Entry { name, mut kind, stamp }, list) in entries.into_iter().zip(lists) {
            let path = folder.join(&name);
            if is_hidden(&name) {
                if hive::is_partition(name.as_encoded_bytes()) {
                    self.notes.push(format!("{}: not read, its name begins with '_' or '.'", path.display()));
                }
                continue;
            }
            let mut canonical = canonical.join(&name);
            if kind == Kind::Link {
                (canonical, kind) = resolve(&path)?;
            }
            match kind {
                Kind::Folder => {
                    self.partitioned |= hive::is_partition(name.as_encoded_bytes());
                    let list =
                        list.unwrap_or_else(|| OpenFolder::of(&path).and_then(|place| place.entries()));
                    self.enter(&path, &canonical, list, false)?;
                }
                Kind::File => {
                    let files = if top { &mut self.direct } else { &mut self.nested };
                    files.push(WalkEntry { path, canonical, stamp, is_stored: false });
                }
                Kind::Link | Kind::Other => return Err(irregular(&path)),
            }
        }
        Ok(())
    }
}

/// What the folders among `entries` hold, in their order.
fn lists_of(folder: &Path, entries: &Entries) -> Result<Vec<Option<Result<Entries>>>> {
    let is_read = |entry: &Entry| entry.kind == Kind::Folder && !is_hidden(&entry.name);
    if !entries.iter().any(is_read) {
        return Ok(entries.iter().map(|_| None).collect());
    }
    let here = OpenFolder::of(folder)?;
    let listed = |entry: &Entry| is_read(entry).then(|| here.below(&entry.name)?.entries());
    Ok(entries.par_iter().with_min_len(16).map(listed).collect())
}

/// Canonical path and kind of what `path` leads to.
pub fn resolve(path: &Path) -> Result<(PathBuf, Kind)> {
    let fail = |e| Error::io("cannot open", e).in_file(&path.to_string_lossy().into());
    let canonical = path.canonicalize().map_err(fail)?;
    let kind = fs::metadata(&canonical).map_err(fail)?.file_type();
    Ok((canonical, Kind::of(kind)))
}

/// Neither file nor folder: opening a pipe would wait for ever.
pub fn irregular(path: &Path) -> Error {
    Error::unsupported("neither a file nor a folder")
        .expected("a regular file: parquet is read from its end")
        .advice("Write the data to a file first")
        .in_file(&path.to_string_lossy().into())
}
