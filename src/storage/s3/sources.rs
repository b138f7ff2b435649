//! Resolves a source in S3 to objects, by the rules of local folders and globs.
//!
//! A bucket has no folders: a prefix that ends in `/` stands for a folder. An object whose key ends in
//! `/`, or in `_$folder$` as Hadoop writes it, marks an empty folder.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;

use super::client::{Client, client};
use super::list::{self, Listed};
use super::{Uri, fault, lakes, uri};
use crate::storage::hive::{self, is_hidden};
use crate::storage::lake::{Table, Tables, has_partition};
use crate::storage::local::walk::{Walk, WalkEntry};
use crate::storage::source::Glob;
use crate::{Error, Result};

/// A match of a source.
pub enum Matched {
    /// An object.
    File {
        /// Its path and version.
        entry: WalkEntry,
        /// The source names this object, not a folder or glob.
        explicit: bool,
    },
    /// A prefix and the objects below it.
    Folder {
        /// The prefix, as a path without a trailing slash.
        path: PathBuf,
        /// The objects.
        walk: Walk,
    },
}

/// Resolves `text`, an object, a prefix or a glob, to its matches; also returns the glob.
///
/// # Errors
/// `NotFound` where nothing matches, `Unsupported` for a folder or glob in the folder of a lake table or around it;
/// else as of [`fault::service_error`].
pub fn find(text: &str, tables: &mut Tables) -> Result<(Vec<Matched>, Option<Glob>)> {
    let uri = Uri::parse(text)?;
    let client = client()?;
    let is_folder = uri.key.is_empty() || uri.key.ends_with('/');
    let glob = Glob::parse(&uri_path(&uri, ""));
    // What exists as it is written is no glob. Nearly always no key begins with the glob, which takes one request.
    let first = if is_folder && glob.is_none() { None } else { find_first(&client, &uri)? };
    if let Some(glob) = glob
        && !is_literal(&client, &uri, first.as_ref())?
    {
        let matched = match_glob(&client, &uri, &glob, tables)?;
        return Ok((matched, Some(glob)));
    }
    let object = first.filter(|listed| !is_folder && listed.key == uri.key);
    // An empty object may mark a folder.
    if let Some(object) = object.clone().filter(|object| object.version.bytes > 0) {
        return Ok((vec![named_file(&client, &uri, object, tables)?], None));
    }
    let folder = uri.as_folder();
    let listed = list::list(&client, &folder)?;
    if let (Some(object), true) = (object, listed.is_empty()) {
        return Ok((vec![named_file(&client, &uri, object, tables)?], None));
    }
    if listed.is_empty() {
        return Err(Error::not_found("no object has this key or lies below it")
            .advice("Check the bucket and the key; keys are case-sensitive")
            .in_file(&uri.to_string().into()));
    }
    let path = uri_path(&folder, "");
    lakes::inspect(&client, &folder, tables)?;
    if let Some(table) = tables.around(&path) {
        return Err(table.error(&path));
    }
    Ok((vec![Matched::Folder { walk: walk_objects(&folder, listed)?, path }], None))
}

/// The first object whose key begins with that of `uri`: the one that has it exactly, if there is one.
fn find_first(client: &Client, uri: &Uri) -> Result<Option<Listed>> {
    // A failed listing reports more than a failed HEAD; the shortest key is listed first.
    match list::first_key(client, uri) {
        // A caller without the list permission may still read a named object.
        Err(denied) if fault::is_denied(&denied) => match list::head(client, uri) {
            Ok(Some(version)) => Ok(Some(Listed { key: uri.key.clone(), version })),
            _ => Err(denied),
        },
        first => first,
    }
}

/// Whether an object has exactly the key of `uri`, or lies below it as a folder. `first` is that of [`find_first`].
fn is_literal(client: &Client, uri: &Uri, first: Option<&Listed>) -> Result<bool> {
    let Some(first) = first else { return Ok(false) };
    let folder = uri.as_folder();
    Ok(first.key == uri.key
        || first.key.starts_with(&folder.key)
        || list::first_key(client, &folder)?.is_some())
}

/// A key below a URI as a path, without a slash at its end.
pub fn uri_path(uri: &Uri, below: &str) -> PathBuf {
    let text = format!("{uri}{below}");
    text.strip_suffix('/').unwrap_or(&text).into()
}

/// An object that the source names. If it may have partitions, the folders above it are inspected: those of a Delta
/// table are read from the path.
fn named_file(client: &Arc<Client>, uri: &Uri, listed: Listed, tables: &mut Tables) -> Result<Matched> {
    if has_partition(&uri_path(uri, ""))
        && let Some((folder, _)) = uri.key.rsplit_once('/')
    {
        lakes::inspect(client, &uri.with_key(folder), tables)?;
    }
    matched_file(uri, listed, true)
}

fn matched_file(uri: &Uri, listed: Listed, explicit: bool) -> Result<Matched> {
    Ok(Matched::File { entry: walk_entry(&uri.with_key(""), listed)?, explicit })
}

fn walk_entry(bucket: &Uri, listed: Listed) -> Result<WalkEntry> {
    let uri = bucket.with_key(listed.key);
    if let Some(segment) = uri::odd_segment(&uri.key) {
        return Err(Error::unsupported(format!("a segment '{segment}' in the key"))
            .expected("keys without empty segments, '.' and '..'")
            .advice("Copy the object to another key, or remove it")
            .in_file(&uri.to_string().into()));
    }
    let path = PathBuf::from(uri.to_string());
    Ok(WalkEntry { canonical: path.clone(), path, version: Some(listed.version), is_remote: true })
}

/// Whether an object marks an empty folder.
fn is_marker(listed: &Listed) -> bool {
    listed.version.bytes == 0 && (listed.key.ends_with('/') || listed.key.ends_with("_$folder$"))
}

/// The objects below `folder`, as [`Walk::list`] returns the files of a local folder.
fn walk_objects(folder: &Uri, listed: Vec<Listed>) -> Result<Walk> {
    let mut walk = Walk::default();
    let path = |object: &Listed| uri_path(&folder.with_key(&*object.key), "");
    if let Some(table) = listed.iter().find_map(|object| Table::of_path(&path(object))) {
        return Err(table.error(&table.folder));
    }
    for object in listed.into_iter().filter(|object| !is_marker(object)) {
        let Some(below) = object.key.strip_prefix(&folder.key) else { continue };
        let mut segments = below.split('/').rev();
        segments.next();
        let folders: Vec<&str> = segments.rev().collect();
        if let Some(hidden) = folders.iter().find(|name| is_hidden(OsStr::new(name))) {
            let note = format!(
                "{}/{hidden}: not read, its name begins with '_' or '.'",
                uri_path(folder, "").display()
            );
            if hive::is_partition(hidden.as_bytes()) && !walk.notes.contains(&note) {
                walk.notes.push(note);
            }
            continue;
        }
        walk.partitioned |= folders.iter().any(|name| hive::is_partition(name.as_bytes()));
        let nested = !folders.is_empty();
        if is_hidden(OsStr::new(below.rsplit('/').next().unwrap_or_default())) {
            continue;
        }
        let files = if nested { &mut walk.nested } else { &mut walk.direct };
        files.push(walk_entry(folder, object)?);
    }
    Ok(walk)
}

/// The objects and folder prefixes that `glob` matches; only folders if it ends in `/`.
fn match_glob(client: &Arc<Client>, uri: &Uri, glob: &Glob, tables: &mut Tables) -> Result<Vec<Matched>> {
    let literal = uri.key.split(['*', '?', '[']).next().unwrap_or_default();
    let bucket = uri.with_key("");
    let matcher = glob.matcher()?;
    let only_folders = uri.key.ends_with('/');
    let mut files = Vec::new();
    let mut folders: BTreeMap<String, Vec<Listed>> = BTreeMap::new();
    if let Some((folder, _)) = literal.rsplit_once('/') {
        lakes::inspect(client, &uri.with_key(folder), tables)?;
    } else {
        lakes::inspect(client, &bucket, tables)?;
    }
    for object in list::list(client, &uri.with_key(literal))? {
        if is_marker(&object) {
            continue;
        }
        if let Some(table) = Table::of_path(&uri_path(&bucket, &object.key)) {
            tables.record(table.folder, Some(table.format));
        }
        for (slash, _) in object.key.match_indices('/') {
            let (folder, _) = object.key.split_at(slash);
            if slash >= literal.len() && matcher.matches(&uri_path(&bucket, folder)) {
                folders.entry(folder.to_owned()).or_default().push(object.clone());
            }
        }
        if !only_folders && matcher.matches(&uri_path(&bucket, &object.key)) {
            files.push(object);
        }
    }
    // Every folder above a match is inspected, or its log would be among the listed objects.
    let check_outside = |key: &str| {
        let path = uri_path(&bucket, key);
        let table = path.ancestors().find_map(|folder| tables.recorded(folder));
        table.map_or(Ok(()), |table| Err(table.error(&path)))
    };
    for key in files.iter().map(|object| &object.key).chain(folders.keys()) {
        check_outside(key)?;
    }
    let mut matched = Vec::with_capacity(files.len() + folders.len());
    for object in files {
        matched.push(matched_file(uri, object, false)?);
    }
    for (folder, listed) in folders {
        let folder = uri.with_key(folder).as_folder();
        matched.push(Matched::Folder { path: uri_path(&folder, ""), walk: walk_objects(&folder, listed)? });
    }
    Ok(matched)
}
