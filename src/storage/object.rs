//! Objects with ranged reads.

use std::borrow::Cow;
use std::fmt;
use std::fs::Metadata;
use std::ops::Range;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use crate::{Error, Result};

/// Identifies a version of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ObjectVersion {
    /// Length.
    pub bytes: u64,
    /// When it was last written, in nanoseconds since 1970.
    pub modified: Option<i64>,
    /// Changes with every change of the object, even where the writer sets the time above: an ETag,
    /// or the inode and its change time. `None` where the store has neither.
    #[serde(rename = "version")]
    pub tag: Option<Tag>,
    /// The change time (`ctime`) by the clock of the file system, in nanoseconds since 1970. Two
    /// changes within one tick are indistinguishable.
    #[serde(rename = "ticked")]
    pub changed: Option<i64>,
}

/// Changes with every change of an object. That of a local file has no allocation: there may be many files.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Tag {
    /// An ETag.
    Etag(Box<str>),
    /// The inode of a file and its change time.
    Inode {
        /// The inode.
        inode: u64,
        /// Seconds of the change time.
        seconds: i64,
        /// Nanoseconds of its second.
        nanos: u32,
    },
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Tag::Etag(tag) => f.write_str(tag),
            Tag::Inode { inode, seconds, nanos } => write!(f, "{inode}-{seconds}.{nanos:09}"),
        }
    }
}

impl From<&str> for Tag {
    fn from(text: &str) -> Self {
        let inode = || {
            let (inode, changed) = text.split_once('-')?;
            let (seconds, nanos) = changed.rsplit_once('.')?;
            Some(Tag::Inode {
                inode: inode.parse().ok()?,
                seconds: seconds.parse().ok()?,
                nanos: nanos.parse().ok()?,
            })
        };
        inode().filter(|tag| tag.to_string() == text).unwrap_or_else(|| Tag::Etag(text.into()))
    }
}

impl From<String> for Tag {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.to_string()
    }
}

/// The requests to a store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Traffic {
    /// Requests.
    pub requests: u64,
    /// Bytes received.
    pub bytes: u64,
    /// Rounds of requests, each of which needs the result of the one before; the maximum over all
    /// objects.
    pub rounds: u64,
    /// Requests that were retried after an incomplete response.
    pub retries: u64,
}

impl Traffic {
    /// Adds the traffic of another object.
    pub fn merge(&mut self, other: Traffic) {
        self.requests += other.requests;
        self.bytes += other.bytes;
        self.rounds = self.rounds.max(other.rounds);
        self.retries += other.retries;
    }
}

/// Something with a length whose bytes can be read by range, from any thread.
///
/// No method has a default but [`Object::is_empty`], which follows from the length: an object that forwards to another
/// one and forgets a method would lose what the other one does. Objects that are bytes and nothing else are
/// [`PlainObject`]s.
pub trait Object: Send + Sync {
    /// The name for errors.
    fn name(&self) -> &Arc<str>;

    /// Length in bytes.
    fn len(&self) -> u64;

    /// Whether it has no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Length in bytes as stored, where reading converts it; known without a conversion.
    fn stored_len(&self) -> u64;

    /// At most the first `most` bytes.
    ///
    /// # Errors
    /// As of [`Object::read`].
    fn head(&self, most: u64) -> Result<Vec<u8>>;

    /// The line of a text file on which row `row` begins, from 1; `None` for files that are not text.
    fn line(&self, row: u64) -> Option<u64>;

    /// The bytes of `range`; borrowed where no copy is needed.
    ///
    /// # Errors
    /// `Format` when the range reaches past the end, `Io` when reading fails.
    fn read(&self, range: Range<u64>) -> Result<Cow<'_, [u8]>>;

    /// Reads all bytes into `buffer`, whose memory is reused: for small objects that are read once.
    ///
    /// # Errors
    /// As of [`Object::read`].
    fn read_whole(&self, buffer: &mut Vec<u8>) -> Result<()>;

    /// Makes the bytes ready to be read without a copy, for as long as the result lives. `None` where
    /// [`Object::read`] is as good.
    ///
    /// Bytes of a mapped file may change while they are read: [`Object::check_unchanged`] has to be called
    /// afterwards.
    ///
    /// # Errors
    /// As of [`Object::read`].
    fn pin(&self) -> Result<Option<Arc<Pinned>>>;

    /// Compares the version that was listed with the present one, if what was read may be a mixture of both.
    ///
    /// # Errors
    /// `Data` where they differ, `Io` where bytes could not be read.
    fn check_unchanged(&self) -> Result<()>;

    /// Compares the version that was listed with the present one, whether or not this process has read the object. It
    /// takes a system call, or a request to the store.
    ///
    /// # Errors
    /// `Data` where they differ, or the object was removed; `Io` where the version cannot be read.
    fn check_listed(&self) -> Result<()>;

    /// The version of the object; `None` where it cannot be determined.
    fn version(&self) -> Option<ObjectVersion>;

    /// Whether the object is remote: prefetching pays, reads of a few bytes do not.
    fn is_remote(&self) -> bool;

    /// Length of the tail to read first, before the footer is known.
    fn tail(&self) -> u64;

    /// Prefetches the tail of the object.
    fn prefetch_footer(&self);

    /// Prefetches ranges that are going to be read. Called once a pass, after the footer is read.
    fn prefetch(&self, wanted: &[Range<u64>]);

    /// Reports that these prefetched ranges have been read, so that they can be evicted.
    fn evict(&self, done: &[Range<u64>]);

    /// The traffic so far; `None` for objects that are not remote.
    fn traffic(&self) -> Option<Traffic>;
}

/// [`Object::head`] of an object without a better way.
pub(crate) fn read_head(object: &dyn Object, most: u64) -> Result<Vec<u8>> {
    object.read(0..object.len().min(most)).map(Cow::into_owned)
}

/// [`Object::read_whole`] of an object without a better way.
pub(crate) fn read_all(object: &dyn Object, buffer: &mut Vec<u8>) -> Result<()> {
    let bytes = object.read(0..object.len())?;
    buffer.clear();
    buffer.extend_from_slice(&bytes);
    Ok(())
}

/// Length of the tail of a local file that is read first.
pub const TAIL: u64 = 64 << 10;

/// An object that is bytes and nothing else: it does not change, and nothing is prefetched.
#[allow(clippy::len_without_is_empty)] // `Object` has it
pub trait PlainObject: Send + Sync {
    /// As of [`Object::name`].
    fn name(&self) -> &Arc<str>;

    /// As of [`Object::len`].
    fn len(&self) -> u64;

    /// As of [`Object::read`].
    ///
    /// # Errors
    /// As of [`Object::read`].
    fn read(&self, range: Range<u64>) -> Result<Cow<'_, [u8]>>;

    /// As of [`Object::version`].
    fn version(&self) -> Option<ObjectVersion> {
        None
    }

    /// As of [`Object::is_remote`].
    fn is_remote(&self) -> bool {
        false
    }
}

impl<T: PlainObject> Object for T {
    fn name(&self) -> &Arc<str> {
        PlainObject::name(self)
    }

    fn len(&self) -> u64 {
        PlainObject::len(self)
    }

    fn stored_len(&self) -> u64 {
        PlainObject::len(self)
    }

    fn head(&self, most: u64) -> Result<Vec<u8>> {
        read_head(self, most)
    }

    fn line(&self, _row: u64) -> Option<u64> {
        None
    }

    fn read(&self, range: Range<u64>) -> Result<Cow<'_, [u8]>> {
        PlainObject::read(self, range)
    }

    fn read_whole(&self, buffer: &mut Vec<u8>) -> Result<()> {
        read_all(self, buffer)
    }

    fn pin(&self) -> Result<Option<Arc<Pinned>>> {
        Ok(None)
    }

    fn check_unchanged(&self) -> Result<()> {
        Ok(())
    }

    fn check_listed(&self) -> Result<()> {
        Ok(())
    }

    fn version(&self) -> Option<ObjectVersion> {
        PlainObject::version(self)
    }

    fn is_remote(&self) -> bool {
        PlainObject::is_remote(self)
    }

    fn tail(&self) -> u64 {
        TAIL
    }

    fn prefetch_footer(&self) {}

    fn prefetch(&self, _wanted: &[Range<u64>]) {}

    fn evict(&self, _done: &[Range<u64>]) {}

    fn traffic(&self) -> Option<Traffic> {
        None
    }
}

impl From<&Metadata> for ObjectVersion {
    fn from(meta: &Metadata) -> ObjectVersion {
        let modified = meta.modified().ok().and_then(|at| {
            let nanos = |d: std::time::Duration| i64::try_from(d.as_nanos()).ok();
            match at.duration_since(UNIX_EPOCH) {
                Ok(after) => nanos(after),
                Err(before) => nanos(before.duration()).map(|n| -n),
            }
        });
        let (tag, changed) = change_tag(meta);
        ObjectVersion { bytes: meta.len(), modified, tag, changed }
    }
}

#[cfg(unix)]
fn change_tag(meta: &Metadata) -> (Option<Tag>, Option<i64>) {
    use std::os::unix::fs::MetadataExt;
    inode_tag(meta.ino(), meta.ctime(), meta.ctime_nsec())
}

/// The tag of a file by its inode and change time, and that time.
#[cfg(unix)]
fn inode_tag(inode: u64, seconds: i64, nanos: i64) -> (Option<Tag>, Option<i64>) {
    let tag = u32::try_from(nanos).ok().map(|nanos| Tag::Inode { inode, seconds, nanos });
    (tag, nanoseconds(seconds, nanos))
}

#[cfg(unix)]
fn nanoseconds(seconds: i64, nanos: i64) -> Option<i64> {
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

#[cfg(unix)]
impl From<&rustix::fs::Stat> for ObjectVersion {
    // The types differ from system to system; no value exceeds 63 bits.
    #[allow(clippy::unnecessary_cast, clippy::cast_possible_wrap, clippy::cast_sign_loss)]
    fn from(meta: &rustix::fs::Stat) -> ObjectVersion {
        let (tag, changed) = inode_tag(meta.st_ino as u64, meta.st_ctime as i64, meta.st_ctime_nsec as i64);
        let modified = nanoseconds(meta.st_mtime as i64, meta.st_mtime_nsec as i64);
        ObjectVersion { bytes: meta.st_size as u64, modified, tag, changed }
    }
}

#[cfg(not(unix))]
fn change_tag(_: &Metadata) -> (Option<Tag>, Option<i64>) {
    (None, None)
}

/// The bytes of an object, ready to be read for as long as this value lives.
pub enum Pinned {
    /// Read into memory.
    Bytes(Vec<u8>),
    /// A mapped file.
    #[cfg(unix)]
    Map(super::local::map::Mapping),
}

impl Pinned {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Pinned::Bytes(bytes) => bytes,
            #[cfg(unix)]
            Pinned::Map(map) => map.bytes(),
        }
    }

    /// Whether some of the bytes could not be read, and are zeros.
    pub fn is_cut(&self) -> bool {
        match self {
            Pinned::Bytes(_) => false,
            #[cfg(unix)]
            Pinned::Map(map) => map.is_cut(),
        }
    }
}

/// An object that is pinned: see [`Object::pin`].
pub struct PinnedObject<'o> {
    object: &'o dyn Object,
    pinned: Option<Arc<Pinned>>,
}

impl<'o> PinnedObject<'o> {
    /// Pins an object.
    ///
    /// # Errors
    /// As of [`Object::pin`].
    pub fn new(object: &'o dyn Object) -> Result<Self> {
        Ok(PinnedObject { object, pinned: object.pin()? })
    }

    /// An object that is not going to be read.
    pub fn unpinned(object: &'o dyn Object) -> Self {
        PinnedObject { object, pinned: None }
    }
}

impl Object for PinnedObject<'_> {
    fn name(&self) -> &Arc<str> {
        self.object.name()
    }

    fn len(&self) -> u64 {
        self.object.len()
    }

    fn stored_len(&self) -> u64 {
        self.object.stored_len()
    }

    fn head(&self, most: u64) -> Result<Vec<u8>> {
        read_head(self, most)
    }

    fn line(&self, row: u64) -> Option<u64> {
        self.object.line(row)
    }

    fn read(&self, range: Range<u64>) -> Result<Cow<'_, [u8]>> {
        match &self.pinned {
            Some(pinned) => slice(self.object.name(), pinned.bytes(), range).map(Cow::Borrowed),
            None => self.object.read(range),
        }
    }

    fn read_whole(&self, buffer: &mut Vec<u8>) -> Result<()> {
        self.object.read_whole(buffer)
    }

    fn pin(&self) -> Result<Option<Arc<Pinned>>> {
        Ok(self.pinned.clone())
    }

    fn check_unchanged(&self) -> Result<()> {
        self.object.check_unchanged()
    }

    fn check_listed(&self) -> Result<()> {
        self.object.check_listed()
    }

    fn version(&self) -> Option<ObjectVersion> {
        self.object.version()
    }

    fn is_remote(&self) -> bool {
        self.object.is_remote()
    }

    fn tail(&self) -> u64 {
        self.object.tail()
    }

    fn prefetch_footer(&self) {
        self.object.prefetch_footer();
    }

    fn prefetch(&self, wanted: &[Range<u64>]) {
        self.object.prefetch(wanted);
    }

    fn evict(&self, done: &[Range<u64>]) {
        self.object.evict(done);
    }

    fn traffic(&self) -> Option<Traffic> {
        self.object.traffic()
    }
}

/// An object in memory.
pub struct MemoryObject {
    name: Arc<str>,
    bytes: Vec<u8>,
}

impl MemoryObject {
    /// An object called `name` with these bytes.
    pub fn new(name: &str, bytes: Vec<u8>) -> Self {
        MemoryObject { name: name.into(), bytes }
    }
}

impl PlainObject for MemoryObject {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read(&self, range: Range<u64>) -> Result<Cow<'_, [u8]>> {
        slice(&self.name, &self.bytes, range).map(Cow::Borrowed)
    }
}

/// An object that borrows its bytes.
pub struct BorrowedObject<'b> {
    name: &'b Arc<str>,
    bytes: &'b [u8],
}

impl<'b> BorrowedObject<'b> {
    /// An object called `name` with these bytes.
    pub fn new(name: &'b Arc<str>, bytes: &'b [u8]) -> Self {
        BorrowedObject { name, bytes }
    }
}

impl PlainObject for BorrowedObject<'_> {
    fn name(&self) -> &Arc<str> {
        self.name
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read(&self, range: Range<u64>) -> Result<Cow<'_, [u8]>> {
        slice(self.name, self.bytes, range).map(Cow::Borrowed)
    }
}

fn slice<'a>(name: &Arc<str>, bytes: &'a [u8], range: Range<u64>) -> Result<&'a [u8]> {
    let start = usize::try_from(range.start).ok();
    let end = usize::try_from(range.end).ok();
    let found = start.zip(end).and_then(|(start, end)| bytes.get(start..end));
    found.ok_or_else(|| out_of_range(name, &range, bytes.len() as u64))
}

/// The error for a range that reaches past the end.
pub(super) fn out_of_range(name: &Arc<str>, range: &Range<u64>, len: u64) -> Error {
    Error::format(format!("a read of bytes {}..{}", range.start, range.end))
        .expected(format!("a range within the file's {len} bytes"))
        .advice("The file is cut short or its footer is damaged; export it again")
        .in_file(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_tag_is_stored_as_text() {
        for text in
            ["12-1764.000000007", "0--1.999999999", "18446744073709551615--9223372036854775808.000000000"]
        {
            let tag = Tag::from(text);
            assert!(matches!(tag, Tag::Inode { .. }), "{text}");
            assert_eq!(tag.to_string(), text);
        }
        for text in ["", "\"9b2cf5-3\"", "12-1764.7", "+1-2.000000003", "1-2"] {
            assert_eq!(Tag::from(text), Tag::Etag(text.into()));
            assert_eq!(Tag::from(text).to_string(), text);
        }
        let tag = Tag::from("12-1764.000000007");
        let bytes = postcard::to_allocvec(&tag).unwrap();
        assert_eq!(bytes, postcard::to_allocvec("12-1764.000000007").unwrap());
        assert_eq!(postcard::from_bytes::<Tag>(&bytes).unwrap(), tag);
    }
}
