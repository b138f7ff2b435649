//! Targets in S3.
//!
//! A file is staged under a separate key beside the target, read back, and then written to the target
//! by one conditional PUT: S3 replaces the object atomically, and only if the target still has the
//! version that it had when the run locked it. So a kill or a lost connection leaves the old object or
//! the new one, and of two runs that overlap one wins and the other fails.
//!
//! A folder cannot be replaced atomically. Over an output of this program its one part is written as
//! above. Over parts of another program `_SUCCESS` is removed first and created last, so that readers
//! that check for it never see a mix.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::folder::{PART, SUCCESS};
use super::{Target, Writer, folder};
use crate::storage::s3::client::{Client, client};
use crate::storage::s3::put::{self, Outcome};
use crate::storage::s3::{Uri, fault, list};
use crate::storage::{ObjectVersion, Precondition};
use crate::{Error, Result};

/// A later run removes staged objects of killed runs after this time: whether their writer is alive
/// cannot be determined remotely.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// The version that a run is going to replace: of the object, or of the part of this program in a
/// folder. `None` where it does not exist.
///
/// # Errors
/// As of [`fault::service_error`] and [`Contents::read`].
pub(super) fn current_version(target: &Target, uri: &Uri) -> Result<Option<ObjectVersion>> {
    match target {
        Target::Folder { .. } => Ok(Contents::read(uri)?.part),
        _ => list::head(&*client()?, uri),
    }
}

/// Replaces the version `expected` of the object at `uri` by the output of `write`; returns its length.
///
/// # Errors
/// `Io` where S3 fails, `Data` where another run published meanwhile; the old object is then unchanged.
pub(super) fn replace(uri: &Uri, expected: Option<ObjectVersion>, write: Writer<'_>) -> Result<u64> {
    let client = client()?;
    let mut bytes = Vec::new();
    write(&mut bytes).map_err(|e| Error::io("cannot write", e).in_file(&uri.to_string().into()))?;
    stage_and_put(&client, uri, &bytes, expected)
}

/// Stages `bytes`, and writes them to `uri` where that still has the version `expected`.
fn stage_and_put(client: &Client, uri: &Uri, bytes: &[u8], expected: Option<ObjectVersion>) -> Result<u64> {
    sweep(client, uri)?;
    let staged = Staged { client, uri: staging_uri(uri) };
    put::put(client, &staged.uri, bytes, &Precondition::None)?;
    if put::read(client, &staged.uri)?.is_none_or(|staged| staged != bytes) {
        return Err(Error::data("the staged object differs from what was written")
            .expected("the bytes that were written")
            .advice("Nothing was published: run again, and check what else writes to this bucket")
            .in_file(&staged.uri.to_string().into()));
    }
    let precondition = expected.map_or(Precondition::IfAbsent, |version| {
        version.tag.map_or(Precondition::None, |tag| Precondition::IfMatch(tag.to_string()))
    });
    match put::put(client, uri, bytes, &precondition)? {
        Outcome::Written => Ok(bytes.len() as u64),
        Outcome::PreconditionFailed => {
            Err(Error::data("another run published here while this one was under way")
                .expected("one run at a time for a target")
                .advice("The table of the other run is in place. Run again to replace it")
                .in_file(&uri.to_string().into()))
        }
    }
}

/// A staged object, removed on drop.
struct Staged<'c> {
    client: &'c Client,
    uri: Uri,
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        // An object that cannot be removed is hidden from every reader, and removed by a later run.
        put::clean_up(self.client, &self.uri);
    }
}

/// The key prefix of the staged objects of `uri`: `.NAME.rollshare-`.
fn staging_prefix(uri: &Uri) -> Uri {
    let (folder, name) = uri.key.rsplit_once('/').map_or(("", &*uri.key), |(folder, name)| (folder, name));
    let slash = if folder.is_empty() { "" } else { "/" };
    uri.with_key(format!("{folder}{slash}.{name}.rollshare-"))
}

fn staging_uri(uri: &Uri) -> Uri {
    // Process ids of two machines may be equal; the keys of the hasher are random in each process.
    let mut tag = RandomState::new().build_hasher();
    tag.write_u32(std::process::id());
    uri.with_key(format!("{}{}-{:016x}", staging_prefix(uri).key, std::process::id(), tag.finish()))
}

/// Removes objects that killed runs staged for `uri` at least a day ago.
fn sweep(client: &Client, uri: &Uri) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // A caller without the list permission can publish all the same.
    for staged in list::list(client, &staging_prefix(uri)).unwrap_or_default() {
        let modified = staged.version.modified.and_then(|nanos| u64::try_from(nanos).ok());
        if modified.is_some_and(|at| Duration::from_nanos(at) + STALE < now) {
            put::remove(client, &uri.with_key(staged.key))?;
        }
    }
    Ok(())
}

/// The objects of a target folder.
pub(super) struct Contents {
    /// Names of an earlier output.
    output: Vec<String>,
    /// The version of the part of this program.
    part: Option<ObjectVersion>,
}

impl Contents {
    /// Lists the objects below `uri`.
    ///
    /// # Errors
    /// `Argument` when there are objects that are neither an earlier output nor kept by name.
    pub(super) fn read(uri: &Uri) -> Result<Self> {
        let uri = uri.as_folder();
        let mut contents = Contents { output: Vec::new(), part: None };
        for listed in list::list(&*client()?, &uri)? {
            let name = listed.key.strip_prefix(&uri.key).unwrap_or_default();
            let (top, nested) = name.split_once('/').map_or((name, false), |(top, _)| (top, true));
            match folder::classify(top, nested) {
                _ if name.is_empty() => {}
                Some(folder::Kind::Kept) => {}
                Some(folder::Kind::Output) => {
                    if name == PART {
                        contents.part = Some(listed.version);
                    }
                    contents.output.push(name.to_owned());
                }
                None => return Err(folder::foreign_file(name, &uri.to_string())),
            }
        }
        Ok(contents)
    }
}

/// Replaces the output below `uri`, whose part has the version `expected`, by a part with the output of
/// `write`; returns the length of the part.
///
/// # Errors
/// As of [`replace`] and [`Contents::read`].
pub(super) fn replace_folder(uri: &Uri, expected: Option<ObjectVersion>, write: Writer<'_>) -> Result<u64> {
    let client = client()?;
    let contents = Contents::read(uri)?;
    let at = |name: &str| uri.join(name);
    let foreign: Vec<&String> =
        contents.output.iter().filter(|name| *name != PART && *name != SUCCESS).collect();
    let mut bytes = Vec::new();
    write(&mut bytes).map_err(|e| Error::io("cannot write", e).in_file(&uri.to_string().into()))?;
    if !foreign.is_empty() {
        put::remove(&client, &at(SUCCESS))?;
    }
    let len = stage_and_put(&client, &at(PART), &bytes, expected)?;
    for name in foreign {
        put::remove(&client, &at(name))?;
    }
    match put::put(&client, &at(SUCCESS), &[], &Precondition::None)? {
        Outcome::Written => Ok(len),
        Outcome::PreconditionFailed => Err(fault::object_replaced(&at(SUCCESS))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn staged_objects_are_hidden_and_lie_beside_the_target() {
        let uri = Uri::parse("s3://b/out/share.csv").unwrap();
        let staged = staging_uri(&uri);
        assert!(staged.key.starts_with("out/.share.csv.rollshare-"), "{staged}");
        assert_ne!(staged, staging_uri(&uri));
        assert_eq!(staging_prefix(&Uri::parse("s3://b/share.csv").unwrap()).key, ".share.csv.rollshare-");
    }
}
