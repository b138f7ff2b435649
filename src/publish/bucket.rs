//! A target in S3.
//!
//! A file is staged under a key of its own beside the target, read back, and then
//! put at the target by one conditional PUT: S3 shows it when it is there whole,
//! and only if the target is still what it was when the run claimed it. So a kill
//! or a lost connection leaves the old object or the new one, and of two runs that
//! overlap one wins and the other says so.
//!
//! A folder has no such act. Over an output of this program its one part is put as
//! above. Over parts of another program `_SUCCESS` goes first and comes back last,
//! so that a reader that asks for it is never misled.

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

/// What a killed run left behind is removed by a later run after so long: nobody
/// can tell from afar whether its writer is alive.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// The version of what a run is going to replace: of the object, or of the part
/// that this program wrote in a folder. `None` where there is none.
///
/// # Errors
/// What S3 said; as of [`Contents::of`].
pub(super) fn version(target: &Target, uri: &Uri) -> Result<Option<ObjectVersion>> {
    match target {
        Target::Folder { .. } => Ok(Contents::of(uri)?.part),
        _ => list::head(&*client()?, uri),
    }
}

/// Replaces the version `before` of the object at `uri` by what `write` writes;
/// returns its length.
///
/// # Errors
/// `Io` where S3 says no, `Data` where another run published meanwhile; the old
/// object is then untouched.
pub(super) fn replace(uri: &Uri, before: Option<ObjectVersion>, write: Writer<'_>) -> Result<u64> {
    let client = client()?;
    let mut bytes = Vec::new();
    write(&mut bytes).map_err(|e| Error::io("cannot write", e).in_file(&uri.to_string().into()))?;
    promote(&client, uri, &bytes, before)
}

/// Stages `bytes`, and puts them at `uri` unless it changed since `before`.
fn promote(client: &Client, uri: &Uri, bytes: &[u8], before: Option<ObjectVersion>) -> Result<u64> {
    sweep(client, uri)?;
    let staged = Staged { client, uri: staging(uri) };
    put::put(client, &staged.uri, bytes, &Precondition::None)?;
    if put::contents(client, &staged.uri)?.is_none_or(|there| there != bytes) {
        return Err(Error::data("what was staged reads back as something else")
            .expected("the bytes that were written")
            .advice("Nothing was published: run again, and look at what writes to this bucket")
            .in_file(&staged.uri.to_string().into()));
    }
    let when = before.map_or(Precondition::IfAbsent, |stamp| {
        stamp.version.map_or(Precondition::None, Precondition::IfMatch)
    });
    match put::put(client, uri, bytes, &when)? {
        Outcome::Done => Ok(bytes.len() as u64),
        Outcome::Overtaken => Err(Error::data("another run published here while this one was under way")
            .expected("one run at a time for a target")
            .advice("The other run's table is in place. Run again if it should be this one's")
            .in_file(&uri.to_string().into())),
    }
}

/// A staged object, which goes when it has served.
struct Staged<'c> {
    client: &'c Client,
    uri: Uri,
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        // What cannot be removed is hidden from every reader, and swept later.
        let _ = put::remove(self.client, &self.uri);
    }
}

/// What staged objects of `uri` begin with: `.NAME.rollshare-`.
fn stem(uri: &Uri) -> Uri {
    let (folder, name) = uri.key.rsplit_once('/').map_or(("", &*uri.key), |(folder, name)| (folder, name));
    let slash = if folder.is_empty() { "" } else { "/" };
    uri.with_key(format!("{folder}{slash}.{name}.rollshare-"))
}

fn staging(uri: &Uri) -> Uri {
    // Two machines share process ids; the hasher's keys are random in each process.
    let mut tag = RandomState::new().build_hasher();
    tag.write_u32(std::process::id());
    uri.with_key(format!("{}{}-{:016x}", stem(uri).key, std::process::id(), tag.finish()))
}

/// Removes what killed runs staged for `uri` a day ago or earlier.
fn sweep(client: &Client, uri: &Uri) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Whoever may not list can publish all the same.
    for left in list::list(client, &stem(uri)).unwrap_or_default() {
        let modified = left.stamp.modified.and_then(|nanos| u64::try_from(nanos).ok());
        if modified.is_some_and(|at| Duration::from_nanos(at) + STALE < now) {
            put::remove(client, &uri.with_key(left.key))?;
        }
    }
    Ok(())
}

/// What a target folder holds.
pub(super) struct Contents {
    /// An earlier output.
    output: Vec<String>,
    /// The version of its part that this program wrote.
    part: Option<ObjectVersion>,
}

impl Contents {
    /// Looks at what is below `uri`.
    ///
    /// # Errors
    /// `Argument` when there is anything that is neither an earlier output nor
    /// ours to keep.
    pub(super) fn of(uri: &Uri) -> Result<Self> {
        let uri = uri.as_folder();
        let mut contents = Contents { output: Vec::new(), part: None };
        for listed in list::list(&*client()?, &uri)? {
            let name = listed.key.strip_prefix(&uri.key).unwrap_or_default();
            let (top, nested) = name.split_once('/').map_or((name, false), |(top, _)| (top, true));
            match folder::kind_of(top, nested) {
                _ if name.is_empty() => {}
                Some(folder::Kind::Kept) => {}
                Some(folder::Kind::Output) => {
                    if name == PART {
                        contents.part = Some(listed.stamp);
                    }
                    contents.output.push(name.to_owned());
                }
                None => return Err(folder::stranger(name, &uri.to_string())),
            }
        }
        Ok(contents)
    }
}

/// Replaces what lies below `uri`, its part being the version `before`, by a part that
/// `write` writes; returns the part's length.
///
/// # Errors
/// As of [`replace`] and [`Contents::of`].
pub(super) fn replace_folder(uri: &Uri, before: Option<ObjectVersion>, write: Writer<'_>) -> Result<u64> {
    let client = client()?;
    let contents = Contents::of(uri)?;
    let at = |name: &str| uri.join(name);
    let strangers: Vec<&String> =
        contents.output.iter().filter(|name| *name != PART && *name != SUCCESS).collect();
    let mut bytes = Vec::new();
    write(&mut bytes).map_err(|e| Error::io("cannot write", e).in_file(&uri.to_string().into()))?;
    if !strangers.is_empty() {
        put::remove(&client, &at(SUCCESS))?;
    }
    let len = promote(&client, &at(PART), &bytes, before)?;
    for name in strangers {
        put::remove(&client, &at(name))?;
    }
    match put::put(&client, &at(SUCCESS), &[], &Precondition::None)? {
        Outcome::Done => Ok(len),
        Outcome::Overtaken => Err(fault::replaced(&at(SUCCESS))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn staged_objects_are_hidden_and_lie_beside_the_target() {
        let uri = Uri::parse("s3://b/out/share.csv").unwrap();
        let staged = staging(&uri);
        assert!(staged.key.starts_with("out/.share.csv.rollshare-"), "{staged}");
        assert_ne!(staged, staging(&uri));
        assert_eq!(stem(&Uri::parse("s3://b/share.csv").unwrap()).key, ".share.csv.rollshare-");
    }
}
