//! Objects with ranged reads.

use std::borrow::Cow;
use std::fs::{File, Metadata};
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
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
    pub tag: Option<String>,
    /// The change time (`ctime`) by the clock of the file system, in nanoseconds since 1970. Two
    /// changes within one tick are indistinguishable.
    #[serde(rename = "ticked")]
    pub changed: Option<i64>,
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
    fn stored_len(&self) -> u64 {
        self.len()
    }

    /// At most the first `most` bytes.
    ///
    /// # Errors
    /// As of [`Object::read`].
    fn head(&self, most: u64) -> Result<Vec<u8>> {
        self.read(0..self.len().min(most)).map(Cow::into_owned)
    }

    /// The line of a text file on which row `row` begins, from 1; `None` for files that are not text.
    fn line(&self, row: u64) -> Option<u64> {
        let _ = row;
        None
    }

    /// The bytes of `range`; borrowed where no copy is needed.
    ///
    /// # Errors
    /// `Format` when the range reaches past the end, `Io` when reading fails.
    fn read(&self, range: Range<u64>) -> Result<Cow<'_, [u8]>>;

    /// Reads all bytes into `buffer`, whose memory is reused: for small objects that are read once.
    ///
    /// # Errors
    /// As of [`Object::read`].
    fn read_whole(&self, buffer: &mut Vec<u8>) -> Result<()> {
        let bytes = self.read(0..self.len())?;
        buffer.clear();
        buffer.extend_from_slice(&bytes);
        Ok(())
    }

    /// The version of the object; `None` where it cannot be determined.
    fn version(&self) -> Option<ObjectVersion> {
        None
    }

    /// Whether the object is remote: prefetching pays, reads of a few bytes do not.
    fn is_remote(&self) -> bool {
        false
    }

    /// Length of the tail to read first, before the footer is known.
    fn tail(&self) -> u64 {
        64 << 10
    }

    /// Prefetches the tail of the object.
    fn prefetch_footer(&self) {}

    /// Prefetches ranges that are going to be read. Called once a pass, after the footer is read.
    fn prefetch(&self, wanted: &[Range<u64>]) {
        let _ = wanted;
    }

    /// Reports that these prefetched ranges have been read, so that they can be evicted.
    fn evict(&self, done: &[Range<u64>]) {
        let _ = done;
    }

    /// The traffic so far; `None` for objects that are not remote.
    fn traffic(&self) -> Option<Traffic> {
        None
    }
}

/// A local file, memory-mapped on the first read.
pub struct LocalFile {
    name: Arc<str>,
    path: PathBuf,
    version: ObjectVersion,
    map: OnceLock<memmap2::Mmap>,
}

impl LocalFile {
    /// The file at `path`; reads its metadata.
    ///
    /// # Errors
    /// `Io` where the metadata cannot be read, `NotFound` where the file does not exist.
    pub fn open(path: &Path) -> Result<Self> {
        let meta = path
            .metadata()
            .map_err(|e| Error::io("cannot open", e).in_file(&path.to_string_lossy().into()))?;
        Ok(LocalFile::with_version(path.to_owned(), version_of(&meta)))
    }

    /// The file at `path`, whose version a listing has read.
    pub fn with_version(path: PathBuf, version: ObjectVersion) -> Self {
        LocalFile { name: path.to_string_lossy().into(), path, version, map: OnceLock::new() }
    }

    fn cannot_open(&self, e: std::io::Error) -> Error {
        Error::io("cannot open", e).in_file(&self.name)
    }

    /// Opens the file; fails where it changed since it was listed.
    fn reopen(&self) -> Result<File> {
        let file = File::open(&self.path).map_err(|e| self.cannot_open(e))?;
        let now = version_of(&file.metadata().map_err(|e| self.cannot_open(e))?);
        if (now.bytes, now.modified) != (self.version.bytes, self.version.modified) {
            return Err(Error::data("the file was changed after the run listed it")
                .expected("files that do not change while they are read")
                .advice("Run again, and replace exports by rename before the run or after it")
                .in_file(&self.name));
        }
        Ok(file)
    }

    #[allow(unsafe_code)]
    fn bytes(&self) -> Result<&[u8]> {
        // An empty file cannot be mapped.
        if self.version.bytes == 0 {
            return Ok(&[]);
        }
        if let Some(map) = self.map.get() {
            return Ok(map);
        }
        let file = self.reopen()?;
        // SAFETY: the map is read-only and private to this value. The one hazard
        // that remains is another process truncating the file during the run;
        // exports are written once and replaced by rename, and README.md says
        // that they have to be.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(|e| self.cannot_open(e))?;
        Ok(self.map.get_or_init(|| map))
    }
}

fn version_of(meta: &Metadata) -> ObjectVersion {
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

#[cfg(unix)]
fn change_tag(meta: &Metadata) -> (Option<String>, Option<i64>) {
    use std::os::unix::fs::MetadataExt;
    inode_tag(meta.ino(), meta.ctime(), meta.ctime_nsec())
}

/// The tag of a file by its inode and change time, and that time.
#[cfg(unix)]
fn inode_tag(inode: u64, seconds: i64, nanos: i64) -> (Option<String>, Option<i64>) {
    (Some(format!("{inode}-{seconds}.{nanos:09}")), nanoseconds(seconds, nanos))
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
fn change_tag(_: &Metadata) -> (Option<String>, Option<i64>) {
    (None, None)
}

impl Object for LocalFile {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn len(&self) -> u64 {
        self.version.bytes
    }

    fn read(&self, range: Range<u64>) -> Result<Cow<'_, [u8]>> {
        slice(&self.name, self.bytes()?, range).map(Cow::Borrowed)
    }

    // Does not map the file: small ones are read whole later.
    fn head(&self, most: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self.reopen()?.take(most).read_to_end(&mut bytes);
        read.map_err(|e| Error::io("cannot read", e).in_file(&self.name))?;
        Ok(bytes)
    }

    fn read_whole(&self, buffer: &mut Vec<u8>) -> Result<()> {
        let len = usize::try_from(self.version.bytes)
            .map_err(|_| Error::too_large("a file larger than the address space"))?;
        let mut file = self.reopen()?;
        buffer.resize(len, 0);
        file.read_exact(buffer).map_err(|e| Error::io("cannot read", e).in_file(&self.name))
    }

    #[cfg(unix)]
    #[allow(unsafe_code)]
    fn evict(&self, done: &[Range<u64>]) {
        const PAGE: usize = 4096;
        let Some(map) = self.map.get() else { return };
        for range in done {
            let start = usize::try_from(range.start).map_or(map.len(), |at| at.next_multiple_of(PAGE));
            let end = usize::try_from(range.end).map_or(map.len(), |at| at.min(map.len())) / PAGE * PAGE;
            if start < end {
                // SAFETY: the map is of a file and read-only: a later read of these pages
                // comes from the file again. Larger pages than these make it fail, which is as good.
                let _ = unsafe {
                    map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, end - start)
                };
            }
        }
    }

    fn version(&self) -> Option<ObjectVersion> {
        Some(self.version.clone())
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

impl Object for MemoryObject {
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

impl Object for BorrowedObject<'_> {
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
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_changes_after_it_was_listed_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.parquet");
        fs::write(&path, "before").unwrap();
        let listed = LocalFile::open(&path).unwrap();
        fs::write(&path, "after").unwrap();
        let error = listed.read(0..1).unwrap_err();
        assert!(matches!(error, Error::Data(_)), "{error}");
        assert!(error.to_string().contains("x.parquet"), "{error}");
        assert_eq!(LocalFile::open(&path).unwrap().read(0..5).unwrap(), &b"after"[..]);
    }

    #[cfg(unix)]
    #[test]
    fn a_listing_and_the_metadata_give_the_same_version() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        fs::write(&path, "one").unwrap();
        for seconds in [0u64, 1, 1_700_000_000] {
            let time = UNIX_EPOCH + std::time::Duration::new(seconds, 7);
            File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
            let listed = ObjectVersion::from(&rustix::fs::stat(&path).unwrap());
            assert_eq!(Some(listed), LocalFile::open(&path).unwrap().version());
        }
    }

    #[test]
    fn a_replaced_file_has_another_version_even_with_its_time_reset() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        fs::write(&path, "one").unwrap();
        let version = |path| LocalFile::open(path).unwrap().version().unwrap();
        let first = version(&path);
        assert_eq!(first, version(&path));
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        let other = dir.path().join("y");
        fs::write(&other, "two").unwrap();
        File::options().write(true).open(&other).unwrap().set_modified(time).unwrap();
        fs::rename(&other, &path).unwrap();
        let second = version(&path);
        assert_eq!((first.bytes, first.modified), (second.bytes, second.modified));
        assert_ne!(first, second);
    }
}
