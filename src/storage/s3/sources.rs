//! A source as objects, by the rules of local folders and globs.
//!
//! There are no folders in a bucket: a prefix that ends in `/` stands for one, and
//! an object whose key ends in `/`, or in `_$folder$` as Hadoop writes it, for an
//! empty one.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;

use super::client::{Client, client};
use super::list::{self, Listed};
use super::{Uri, fault, uri};
use crate::storage::hive::{self, is_hidden};
use crate::storage::local::walk::{Walk, WalkEntry};
use crate::storage::source::Glob;
use crate::{Error, Result};

/// What a source led to.
pub enum Matched {
    /// An object.
    File {
        /// It.
        found: WalkEntry,
        /// The source names this very object.
        given: bool,
    },
    /// A prefix and what lies below it.
    Folder {
        /// The prefix, as a path without a slash at its end.
        path: PathBuf,
        /// The objects.
        walk: Walk,
    },
}

/// What there is at `text`: an object, a prefix, or what a glob matches. The glob
/// comes along.
///
/// # Errors
/// `NotFound` where there is nothing, else what S3 said.
pub fn find(text: &str) -> Result<(Vec<Matched>, Option<Glob>)> {
    let uri = Uri::parse(text)?;
    let client = client()?;
    let glob = Glob::parse(&PathBuf::from(uri.to_string()));
    if let Some(glob) = glob {
        if let Some(object) = exact(&client, &uri)? {
            return Ok((vec![file(&uri, object, true)?], None));
        }
        let matched = matches(&client, &uri, &glob)?;
        return Ok((matched, Some(glob)));
    }
    let is_folder = uri.key.is_empty() || uri.key.ends_with('/');
    let object = if is_folder { None } else { exact(&client, &uri)? };
    // An empty object may be the marker of a folder.
    if let Some(object) = object.clone().filter(|object| object.stamp.bytes > 0) {
        return Ok((vec![file(&uri, object, true)?], None));
    }
    let folder = uri.as_folder();
    let listed = list::list(&client, &folder)?;
    if let (Some(object), true) = (object, listed.is_empty()) {
        return Ok((vec![file(&uri, object, true)?], None));
    }
    if listed.is_empty() {
        return Err(Error::not_found("no such object, and none below it")
            .advice("Look at the bucket and the key; keys are case-sensitive")
            .in_file(&uri.to_string().into()));
    }
    let path = path(&folder, "");
    Ok((vec![Matched::Folder { walk: walk(&folder, listed)?, path }], None))
}

/// The object whose key is exactly that of `uri`.
fn exact(client: &Client, uri: &Uri) -> Result<Option<Listed>> {
    // A listing says more than HEAD when it fails, and begins with the shortest key.
    match list::first(client, uri) {
        Ok(first) => Ok(first.filter(|listed| listed.key == uri.key)),
        // Whoever may not list may still read what is named.
        Err(refused) if fault::is_denied(&refused) => match list::head(client, uri) {
            Ok(Some(stamp)) => Ok(Some(Listed { key: uri.key.clone(), stamp })),
            _ => Err(refused),
        },
        Err(failed) => Err(failed),
    }
}

fn path(uri: &Uri, below: &str) -> PathBuf {
    let text = format!("{uri}{below}");
    text.strip_suffix('/').unwrap_or(&text).into()
}

fn file(uri: &Uri, listed: Listed, given: bool) -> Result<Matched> {
    Ok(Matched::File { found: found(&uri.with_key(""), listed)?, given })
}

fn found(bucket: &Uri, listed: Listed) -> Result<WalkEntry> {
    let uri = bucket.with_key(listed.key);
    if let Some(segment) = uri::odd_segment(&uri.key) {
        return Err(Error::unsupported(format!("a segment '{segment}' in the key"))
            .expected("keys without empty segments, '.' and '..'")
            .advice("Copy the object to another key, or take it away")
            .in_file(&uri.to_string().into()));
    }
    let path = PathBuf::from(uri.to_string());
    Ok(WalkEntry { canonical: path.clone(), path, stamp: Some(listed.stamp), is_stored: true })
}

/// Whether an object stands for an empty folder.
fn is_marker(listed: &Listed) -> bool {
    listed.stamp.bytes == 0 && (listed.key.ends_with('/') || listed.key.ends_with("_$folder$"))
}

/// The objects below `folder`, as a walk through a local folder would find them.
fn walk(folder: &Uri, listed: Vec<Listed>) -> Result<Walk> {
    let mut walk = Walk::default();
    for object in listed.into_iter().filter(|object| !is_marker(object)) {
        let Some(below) = object.key.strip_prefix(&folder.key) else { continue };
        let mut segments = below.split('/').rev();
        segments.next();
        let folders: Vec<&str> = segments.rev().collect();
        if let Some(hidden) = folders.iter().find(|name| is_hidden(OsStr::new(name))) {
            let note =
                format!("{}/{hidden}: not read, its name begins with '_' or '.'", path(folder, "").display());
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
        files.push(found(folder, object)?);
    }
    Ok(walk)
}

/// What `glob` matches: objects, and prefixes that stand for folders.
fn matches(client: &Client, uri: &Uri, glob: &Glob) -> Result<Vec<Matched>> {
    let literal = uri.key.find(['*', '?', '[']).and_then(|at| uri.key.get(..at)).unwrap_or_default();
    let bucket = uri.with_key("");
    let matcher = glob.matcher()?;
    let mut files = Vec::new();
    let mut folders: BTreeMap<String, Vec<Listed>> = BTreeMap::new();
    for object in list::list(client, &uri.with_key(literal))? {
        if is_marker(&object) {
            continue;
        }
        for (slash, _) in object.key.match_indices('/') {
            let folder = object.key.get(..slash).unwrap_or_default();
            if slash >= literal.len() && matcher.matches(&path(&bucket, folder)) {
                folders.entry(folder.to_owned()).or_default().push(object.clone());
            }
        }
        if matcher.matches(&path(&bucket, &object.key)) {
            files.push(object);
        }
    }
    let mut matched = Vec::with_capacity(files.len() + folders.len());
    for object in files {
        matched.push(file(uri, object, false)?);
    }
    for (folder, listed) in folders {
        let folder = uri.with_key(folder).as_folder();
        matched.push(Matched::Folder { path: path(&folder, ""), walk: walk(&folder, listed)? });
    }
    Ok(matched)
}
