//! Lists a folder with its nested folders.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::entries::{Entries, Entry, Kind, OpenFolder};
use crate::storage::hive::{self, is_hidden};
use crate::storage::lake::{Format, Table};
use crate::storage::object::ObjectVersion;
use crate::{Error, Result};

/// A file that a walk found.
#[derive(Debug, Clone)]
pub struct WalkEntry {
    /// Its path as the user would name it.
    pub path: PathBuf,
    /// Its canonical path, symbolic links resolved.
    pub canonical: PathBuf,
    /// Its version, where the listing has read it; otherwise it is read when the file is opened.
    pub version: Option<ObjectVersion>,
    /// Whether it is an object in S3.
    pub is_remote: bool,
}

/// The files of a folder.
#[derive(Debug, Default)]
pub struct Walk {
    /// Files directly in the folder.
    pub direct: Vec<WalkEntry>,
    /// Files in nested folders.
    pub nested: Vec<WalkEntry>,
    /// Whether a nested folder is a hive partition.
    pub partitioned: bool,
    /// Notes for the user.
    pub notes: Vec<String>,
    seen: HashSet<PathBuf>,
}

impl Walk {
    /// Lists `folder`, whose canonical path is `canonical`.
    pub fn list(folder: &Path, canonical: &Path) -> Result<Self> {
        let mut walk = Walk::default();
        walk.walk_folder(folder, canonical, OpenFolder::open(folder).and_then(|folder| folder.list()), true)?;
        Ok(walk)
    }

    fn walk_folder(
        &mut self,
        folder: &Path,
        canonical: &Path,
        entries: Result<Entries>,
        top: bool,
    ) -> Result<()> {
        // A folder reached twice through a link would count twice; a loop of links would never end.
        if !self.seen.insert(canonical.to_owned()) {
            self.notes.push(format!("{}: already read under another name", folder.display()));
            return Ok(());
        }
        let entries = entries?;
        // Thousands of daily folders are listed in parallel.
        let lists = list_subfolders(folder, &entries)?.into_iter().chain(std::iter::repeat_with(|| None));
        // There may be many files: vectors that double would take twice their memory.
        let files = if top { &mut self.direct } else { &mut self.nested };
        files.reserve(entries.iter().filter(|entry| entry.kind == Kind::File).count());
        for (Entry { name, mut kind, version }, list) in entries.into_iter().zip(lists) {
            let path = folder.join(&name);
            let lake = match kind {
                Kind::Folder | Kind::Link => Format::of_log(name.as_encoded_bytes()).zip(Some(folder)),
                _ if Format::is_iceberg_metadata(&path) => Some(Format::Iceberg).zip(folder.parent()),
                _ => None,
            };
            if let Some((format, table)) = lake {
                return Err(Table { format, folder: table.to_owned() }.error(table));
            }
            if is_hidden(&name) {
                if hive::is_partition(name.as_encoded_bytes()) {
                    self.notes.push(format!("{}: not read, its name begins with '_' or '.'", path.display()));
                }
                continue;
            }
            let mut canonical = canonical.join(&name);
            if kind == Kind::Link {
                (canonical, kind) = canonical_kind(&path)?;
            }
            match kind {
                Kind::Folder => {
                    self.partitioned |= hive::is_partition(name.as_encoded_bytes());
                    let list =
                        list.unwrap_or_else(|| OpenFolder::open(&path).and_then(|folder| folder.list()));
                    self.walk_folder(&path, &canonical, list, false)?;
                }
                Kind::File => {
                    let files = if top { &mut self.direct } else { &mut self.nested };
                    files.push(WalkEntry { path, canonical, version, is_remote: false });
                }
                Kind::Link | Kind::Other => return Err(not_regular(&path)),
            }
        }
        Ok(())
    }
}

/// Lists the folders among `entries` in parallel; `None` for entries that are not read as folders. Empty if no entry is.
fn list_subfolders(folder: &Path, entries: &Entries) -> Result<Vec<Option<Result<Entries>>>> {
    let is_read = |entry: &Entry| entry.kind == Kind::Folder && !is_hidden(&entry.name);
    if !entries.iter().any(is_read) {
        return Ok(Vec::new());
    }
    let parent = OpenFolder::open(folder)?;
    let listed = |entry: &Entry| is_read(entry).then(|| parent.open_below(&entry.name)?.list());
    Ok(entries.par_iter().with_min_len(16).map(listed).collect())
}

/// The canonical path and kind of the file that `path` leads to.
pub fn canonical_kind(path: &Path) -> Result<(PathBuf, Kind)> {
    let fail = |e| Error::io("cannot open", e).in_file(&path.to_string_lossy().into());
    let canonical = path.canonicalize().map_err(fail)?;
    let kind = fs::metadata(&canonical).map_err(fail)?.file_type();
    Ok((canonical, Kind::of(kind)))
}

/// The error for a path that is neither a file nor a folder: opening a pipe would block for ever.
pub fn not_regular(path: &Path) -> Error {
    Error::unsupported("neither a file nor a folder")
        .expected("a regular file: parquet is read from its end")
        .advice("Write the data to a file first")
        .in_file(&path.to_string_lossy().into())
}
