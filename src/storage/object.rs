//! One object with ranged reads.

use std::borrow::Cow;
use std::fs::{File, Metadata};
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::UNIX_EPOCH;

use crate::{Error, Result};

/// What tells one version of an object from the next without reading it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ObjectVersion {
    /// Length.
    pub bytes: u64,
    /// When it was last written, in nanoseconds since 1970.
    pub modified: Option<i64>,
    /// What changes with every change, whatever its writer does to the time above:
    /// an ETag, or the inode and its own time of change. `None` where the store has
    /// no such thing.
    pub version: Option<String>,
    /// When it was last changed in any way by the clock of a file system, in
    /// nanoseconds since 1970. Two changes within one tick look alike.
    pub ticked: Option<i64>,
}

/// What a store was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Traffic {
    /// Requests.
    pub requests: u64,
    /// Bytes that came.
    pub bytes: u64,
    /// Times that requests had to wait for what others brought; of several objects
    /// the most.
    pub rounds: u64,
    /// Requests that were made again, since an answer broke off.
    pub retries: u64,
}

impl Traffic {
    /// Adds what another object cost.
    pub fn merge(&mut self, other: Traffic) {
        self.requests += other.requests;
        self.bytes += other.bytes;
        self.rounds = self.rounds.max(other.rounds);
        self.retries += other.retries;
    }
}

/// Something with a length whose bytes can be read by range, from any thread.
pub trait Object: Send + Sync {
    /// The name that errors use.
    fn name(&self) -> &Arc<str>;

    /// Length in bytes.
    fn len(&self) -> u64;

    /// Whether there is nothing in it.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of `range`; borrowed where no copy is needed.
    ///
    /// # Errors
    /// `Format` when the range reaches past the end, `Io` when reading fails.
    fn read(&self, range: Range<u64>) -> Result<Cow<'_, [u8]>>;

    /// All bytes, in `buffer`, whose memory is used again: for small objects that
    /// are read once.
    ///
    /// # Errors
    /// As of [`Object::read`].
    fn read_whole(&self, buffer: &mut Vec<u8>) -> Result<()> {
        let bytes = self.read(0..self.len())?;
        buffer.clear();
        buffer.extend_from_slice(&bytes);
        Ok(())
    }

    /// What tells this version of the object from the next; `None` where nothing does.
    fn stamp(&self) -> Option<ObjectVersion> {
        None
    }

    /// Whether its bytes are far away: worth announcing, and not worth a read of a
    /// few bytes alone.
    fn is_remote(&self) -> bool {
        false
    }

    /// How much of the end is worth reading at first, before anything is known.
    fn tail(&self) -> u64 {
        64 << 10
    }

    /// Says that the object is going to be read, beginning with its tail.
    fn prefetch_footer(&self) {}

    /// Says which ranges are going to be read, so that they are fetched together
    /// and ahead. Said once a pass, when what the object holds is known.
    fn prefetch(&self, wanted: &[Range<u64>]) {
        let _ = wanted;
    }

    /// Says that these announced ranges have been read.
    fn evict(&self, done: &[Range<u64>]) {
        let _ = done;
    }

    /// What reading has cost so far; `None` where bytes are at hand.
    fn traffic(&self) -> Option<Traffic> {
        None
    }
}

/// A local file, mapped into memory when it is first read.
pub struct LocalFile {
    name: Arc<str>,
    path: PathBuf,
    stamp: ObjectVersion,
    map: OnceLock<memmap2::Mmap>,
}

impl LocalFile {
    /// Looks at the file at `path`.
    ///
    /// # Errors
    /// `Io` where it cannot be looked at.
    pub fn open(path: &Path) -> Result<Self> {
        let meta = path
            .metadata()
            .map_err(|e| Error::io("cannot open", e).in_file(&path.to_string_lossy().into()))?;
        Ok(LocalFile::listed(path.to_owned(), stamp(&meta)))
    }

    /// The file at `path`, which a listing has looked at.
    pub fn listed(path: PathBuf, stamp: ObjectVersion) -> Self {
        LocalFile { name: path.to_string_lossy().into(), path, stamp, map: OnceLock::new() }
    }

    fn cannot_open(&self, e: std::io::Error) -> Error {
        Error::io("cannot open", e).in_file(&self.name)
    }

    /// The file, if it is still the one that was listed.
    fn reopen(&self) -> Result<File> {
        let file = File::open(&self.path).map_err(|e| self.cannot_open(e))?;
        let now = stamp(&file.metadata().map_err(|e| self.cannot_open(e))?);
        if (now.bytes, now.modified) != (self.stamp.bytes, self.stamp.modified) {
            return Err(Error::data("the file was changed after the run had listed it")
                .expected("files that stay as they are while they are read")
                .advice("Run again, and replace exports by rename before the run or after it")
                .in_file(&self.name));
        }
        Ok(file)
    }

    #[allow(unsafe_code)]
    fn bytes(&self) -> Result<&[u8]> {
        // An empty file cannot be mapped.
        if self.stamp.bytes == 0 {
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

fn stamp(meta: &Metadata) -> ObjectVersion {
    let modified = meta.modified().ok().and_then(|at| {
        let nanos = |d: std::time::Duration| i64::try_from(d.as_nanos()).ok();
        match at.duration_since(UNIX_EPOCH) {
            Ok(after) => nanos(after),
            Err(before) => nanos(before.duration()).map(|n| -n),
        }
    });
    let (version, ticked) = version(meta);
    ObjectVersion { bytes: meta.len(), modified, version, ticked }
}

#[cfg(unix)]
fn version(meta: &Metadata) -> (Option<String>, Option<i64>) {
    use std::os::unix::fs::MetadataExt;
    changed(meta.ino(), meta.ctime(), meta.ctime_nsec())
}

/// The version of a file by its inode and the time of its change, and that time.
#[cfg(unix)]
fn changed(inode: u64, seconds: i64, nanos: i64) -> (Option<String>, Option<i64>) {
    (Some(format!("{inode}-{seconds}.{nanos:09}")), nanoseconds(seconds, nanos))
}

#[cfg(unix)]
fn nanoseconds(seconds: i64, nanos: i64) -> Option<i64> {
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

#[cfg(unix)]
impl From<&rustix::fs::Stat> for ObjectVersion {
    // What these numbers are is different from system to system; none is past 63 bits.
    #[allow(clippy::unnecessary_cast, clippy::cast_possible_wrap, clippy::cast_sign_loss)]
    fn from(meta: &rustix::fs::Stat) -> ObjectVersion {
        let (version, ticked) = changed(meta.st_ino as u64, meta.st_ctime as i64, meta.st_ctime_nsec as i64);
        let modified = nanoseconds(meta.st_mtime as i64, meta.st_mtime_nsec as i64);
        ObjectVersion { bytes: meta.st_size as u64, modified, version, ticked }
    }
}

#[cfg(not(unix))]
fn version(_: &Metadata) -> (Option<String>, Option<i64>) {
    (None, None)
}

impl Object for LocalFile {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn len(&self) -> u64 {
        self.stamp.bytes
    }

    fn read(&self, range: Range<u64>) -> Result<Cow<'_, [u8]>> {
        slice(&self.name, self.bytes()?, range).map(Cow::Borrowed)
    }

    fn read_whole(&self, buffer: &mut Vec<u8>) -> Result<()> {
        let len =
            usize::try_from(self.stamp.bytes).map_err(|_| Error::too_large("a file past the memory"))?;
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
                // SAFETY: the map is of a file and read-only: what is read of these pages again
                // comes from the file again. Larger pages than these make it fail, which is as good.
                let _ = unsafe {
                    map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, end - start)
                };
            }
        }
    }

    fn stamp(&self) -> Option<ObjectVersion> {
        Some(self.stamp.clone())
    }
}

/// Bytes that are in memory already.
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

/// Bytes that somebody else holds.
pub struct BorrowedObject<'b> {
    name: &'b Arc<str>,
    bytes: &'b [u8],
}

impl<'b> BorrowedObject<'b> {
    /// The bytes of the object called `name`.
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
    found.ok_or_else(|| outside(name, &range, bytes.len() as u64))
}

/// The error for a range that reaches past the end.
pub(super) fn outside(name: &Arc<str>, range: &Range<u64>, len: u64) -> Error {
    Error::format(format!("bytes {}..{} are wanted", range.start, range.end))
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
    fn a_listing_says_what_a_look_at_the_file_says() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        fs::write(&path, "one").unwrap();
        for seconds in [0u64, 1, 1_700_000_000] {
            let time = UNIX_EPOCH + std::time::Duration::new(seconds, 7);
            File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
            let listed = ObjectVersion::from(&rustix::fs::stat(&path).unwrap());
            assert_eq!(Some(listed), LocalFile::open(&path).unwrap().stamp());
        }
    }

    #[test]
    fn a_stamp_tells_replaced_files_apart_even_with_their_time_set_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        fs::write(&path, "one").unwrap();
        let stamp = |path| LocalFile::open(path).unwrap().stamp().unwrap();
        let first = stamp(&path);
        assert_eq!(first, stamp(&path));
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        let other = dir.path().join("y");
        fs::write(&other, "two").unwrap();
        File::options().write(true).open(&other).unwrap().set_modified(time).unwrap();
        fs::rename(&other, &path).unwrap();
        let second = stamp(&path);
        assert_eq!((first.bytes, first.modified), (second.bytes, second.modified));
        assert_ne!(first, second);
    }
}
