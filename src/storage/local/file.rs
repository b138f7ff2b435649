//! A local file as an object.
//!
//! Small files are read, others are mapped: a map costs more than the copy of a small file, and a copy of a large one
//! costs more than its map (docs/dev/performance.md). Only so many maps live beyond their last reader,
//! so the number of files is not limited by the number of maps.
//!
//! What is read belongs to the version that was listed, or it is an error. A read into memory compares the versions
//! when it has the bytes. A map is compared by [`Object::check_unchanged`], after its last byte was used.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::listed::ListedVersion;
#[cfg(unix)]
use super::map::{MAPS_MAX, Mapping};
use crate::storage::object::{Object, ObjectVersion, Pinned, TAIL, Traffic, out_of_range};
use crate::{Error, Result};

/// The largest file that is read at once.
#[cfg(unix)]
const READ_BYTES: u64 = 256 << 10;
/// Maps that live as long as their file is an input, which spares mapping it again.
#[cfg(unix)]
const MAPS_KEPT: usize = MAPS_MAX / 2;

/// A local file in the version that was listed.
pub struct LocalFile {
    name: Arc<str>,
    /// Its path, where the name is another text: one that is not UTF-8.
    path: Option<Box<PathBuf>>,
    version: ListedVersion,
    pin: Mutex<Pin>,
}

/// The bytes that readers share.
#[derive(Default)]
struct Pin {
    shared: Weak<Pinned>,
    /// Keeps a map between two readers.
    kept: Option<Arc<Pinned>>,
    /// Of a file that was mapped, so that its version has to be compared: whether bytes of a map could not be read.
    was_cut: Option<Arc<AtomicBool>>,
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
        Ok(LocalFile::with_version(path, ObjectVersion::from(&meta)))
    }

    /// The file at `path`, whose version a listing has read.
    pub fn with_version(path: &Path, version: ObjectVersion) -> Self {
        LocalFile {
            name: path.to_string_lossy().into(),
            path: path.to_str().is_none().then(|| Box::new(path.into())),
            version: version.into(),
            pin: Mutex::default(),
        }
    }

    fn path(&self) -> &Path {
        self.path.as_deref().map_or_else(|| Path::new(&*self.name), PathBuf::as_path)
    }

    fn cannot_open(&self, error: io::Error) -> Error {
        Error::io("cannot open", error).in_file(&self.name)
    }

    fn cannot_read(&self, error: io::Error) -> Error {
        Error::io("cannot read", error).in_file(&self.name)
    }

    fn changed(&self, found: impl Into<String>) -> Error {
        Error::data(found)
            .expected("files that do not change while they are read")
            .advice(
                "Run again when its writer has finished; replace exports by rename, before the run or after it",
            )
            .in_file(&self.name)
    }

    /// Fails where `now` is not the version that was listed.
    fn compare(&self, now: &ObjectVersion) -> Result<()> {
        if *now == self.version.get() {
            return Ok(());
        }
        Err(if now.bytes == self.version.bytes() {
            self.changed("the file was changed after the run listed it: its times or its inode differ")
        } else {
            let (before, now) = (self.version.bytes(), now.bytes);
            self.changed(format!(
                "the file was changed after the run listed it: it had {before} bytes and has {now}"
            ))
        })
    }

    /// Opens the file, reads it by `read`, and compares its version afterwards: what was read before is all of the
    /// version that was listed.
    fn read_with<T>(&self, read: impl FnOnce(&mut File) -> io::Result<T>) -> Result<T> {
        let mut file = File::open(self.path()).map_err(|e| self.cannot_open(e))?;
        let outcome = read(&mut file);
        // First: a file that was cut is why a read ends early.
        self.compare(&ObjectVersion::from(&file.metadata().map_err(|e| self.cannot_open(e))?))?;
        outcome.map_err(|e| self.cannot_read(e))
    }

    fn pin_lock(&self) -> MutexGuard<'_, Pin> {
        self.pin.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes, if they are pinned.
    fn pinned(&self) -> Option<Arc<Pinned>> {
        self.pin_lock().shared.upgrade()
    }

    fn read_all(&self) -> Result<Pinned> {
        let mut bytes = Vec::new();
        self.read_whole(&mut bytes)?;
        Ok(Pinned::Bytes(bytes))
    }

    /// Maps the file; `None` where too many files are mapped.
    #[cfg(unix)]
    fn map(&self, was_cut: &Arc<AtomicBool>) -> Result<Option<Pinned>> {
        let len = usize::try_from(self.len())
            .map_err(|_| Error::too_large("a file larger than the address space").in_file(&self.name))?;
        Ok(self.read_with(|file| Mapping::new(file, len, was_cut))?.map(Pinned::Map))
    }
}

impl Object for LocalFile {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn len(&self) -> u64 {
        self.version.bytes()
    }

    fn stored_len(&self) -> u64 {
        self.version.bytes()
    }

    fn line(&self, _row: u64) -> Option<u64> {
        None
    }

    fn read(&self, range: Range<u64>) -> Result<Cow<'_, [u8]>> {
        let len = range.end.checked_sub(range.start).and_then(|len| usize::try_from(len).ok());
        let Some(len) = len.filter(|_| range.end <= self.version.bytes()) else {
            return Err(out_of_range(&self.name, &range, self.version.bytes()));
        };
        let mut bytes = vec![0; len];
        self.read_with(|file| read_at(file, &mut bytes, range.start))?;
        Ok(Cow::Owned(bytes))
    }

    fn head(&self, most: u64) -> Result<Vec<u8>> {
        self.read_with(|file| {
            let mut bytes = Vec::new();
            file.take(most).read_to_end(&mut bytes)?;
            Ok(bytes)
        })
    }

    fn read_whole(&self, buffer: &mut Vec<u8>) -> Result<()> {
        let len = usize::try_from(self.version.bytes())
            .map_err(|_| Error::too_large("a file larger than the address space"))?;
        buffer.resize(len, 0);
        self.read_with(|file| file.read_exact(buffer))
    }

    #[cfg(unix)]
    fn pin(&self) -> Result<Option<Arc<Pinned>>> {
        let mut pin = self.pin_lock();
        if let Some(pinned) = pin.shared.upgrade() {
            return Ok(Some(pinned));
        }
        let is_small = self.len() <= READ_BYTES;
        let pinned =
            if is_small { Some(self.read_all()?) } else { self.map(pin.was_cut.get_or_insert_default())? };
        let Some(pinned) = pinned.map(Arc::new) else { return Ok(None) };
        pin.shared = Arc::downgrade(&pinned);
        pin.kept = (!is_small && Mapping::count() <= MAPS_KEPT).then(|| pinned.clone());
        Ok(Some(pinned))
    }

    #[cfg(not(unix))]
    fn pin(&self) -> Result<Option<Arc<Pinned>>> {
        let mut pin = self.pin_lock();
        if let Some(pinned) = pin.shared.upgrade() {
            return Ok(Some(pinned));
        }
        let pinned = Arc::new(self.read_all()?);
        pin.shared = Arc::downgrade(&pinned);
        Ok(Some(pinned))
    }

    fn check_unchanged(&self) -> Result<()> {
        let Some(was_cut) = self.pin_lock().was_cut.clone() else { return Ok(()) };
        self.check_listed()?;
        // The same version, and yet a page could not be read.
        if was_cut.load(Ordering::Relaxed) || self.pinned().is_some_and(|pinned| pinned.is_cut()) {
            return Err(self.cannot_read(io::Error::other("the device returned no data")));
        }
        Ok(())
    }

    fn check_listed(&self) -> Result<()> {
        match self.path().metadata() {
            Ok(meta) => self.compare(&ObjectVersion::from(&meta)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(self.changed("the file was removed while it was read"))
            }
            Err(error) => Err(self.cannot_open(error)),
        }
    }

    #[cfg(unix)]
    fn evict(&self, done: &[Range<u64>]) {
        let pinned = self.pinned();
        let Some(Pinned::Map(map)) = pinned.as_deref() else { return };
        let at = |byte: u64| usize::try_from(byte).unwrap_or(usize::MAX);
        for range in done {
            map.evict(at(range.start), at(range.end));
        }
    }

    #[cfg(not(unix))]
    fn evict(&self, _done: &[Range<u64>]) {}

    fn version(&self) -> Option<ObjectVersion> {
        Some(self.version.get())
    }

    fn is_remote(&self) -> bool {
        false
    }

    fn tail(&self) -> u64 {
        TAIL
    }

    fn prefetch_footer(&self) {}

    fn prefetch(&self, _wanted: &[Range<u64>]) {}

    fn traffic(&self) -> Option<Traffic> {
        None
    }
}

#[cfg(unix)]
fn read_at(file: &mut File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

#[cfg(not(unix))]
fn read_at(file: &mut File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    io::Seek::seek(file, io::SeekFrom::Start(at))?;
    file.read_exact(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;
    use std::io::Write;
    use std::time::UNIX_EPOCH;

    use super::*;
    #[cfg(unix)]
    use crate::storage::local::map::tests::free_slots;

    #[test]
    fn a_file_that_changes_after_it_was_listed_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.parquet");
        fs::write(&path, "before").unwrap();
        let listed = LocalFile::open(&path).unwrap();
        fs::write(&path, "after").unwrap();
        let mut buffer = Vec::new();
        let outcomes = [
            listed.read(0..1).map(drop),
            listed.head(1).map(drop),
            listed.read_whole(&mut buffer),
            listed.pin().map(drop),
        ];
        for outcome in outcomes {
            let error = outcome.unwrap_err();
            assert!(matches!(error, Error::Data(_)), "{error}");
            assert!(error.to_string().contains("x.parquet"), "{error}");
            assert!(error.to_string().contains("it had 6 bytes and has 5"), "{error}");
        }
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

    #[cfg(all(unix, target_pointer_width = "64"))]
    #[test]
    fn a_file_takes_few_bytes_beside_its_name() {
        assert!(size_of::<LocalFile>() <= 96, "{}", size_of::<LocalFile>());
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

    #[cfg(unix)]
    #[test]
    fn a_mapped_file_that_changes_is_an_error_afterwards() {
        let _free = free_slots();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.parquet");
        let len = 2 * READ_BYTES;
        let write = |at: u64, bytes: &[u8]| {
            let mut file = File::options().write(true).open(&path).unwrap();
            io::Seek::seek(&mut file, io::SeekFrom::Start(at)).unwrap();
            file.write_all(bytes).unwrap();
        };
        type Change<'a> = (&'static str, &'a dyn Fn());
        let changes: [Change<'_>; 4] = [
            ("its times or its inode differ", &|| write(READ_BYTES, b"new")),
            ("has 0", &|| File::options().write(true).open(&path).unwrap().set_len(0).unwrap()),
            ("its times or its inode differ", &|| {
                let other = dir.path().join("y");
                fs::copy(&path, &other).unwrap();
                fs::rename(&other, &path).unwrap();
            }),
            ("was removed", &|| fs::remove_file(&path).unwrap()),
        ];
        for (what, change) in changes {
            fs::write(&path, vec![7; usize::try_from(len).unwrap()]).unwrap();
            let file = LocalFile::open(&path).unwrap();
            let pinned = file.pin().unwrap().unwrap();
            assert!(matches!(*pinned, Pinned::Map(_)));
            // Times of two changes within one tick are the same.
            std::thread::sleep(std::time::Duration::from_millis(20));
            file.check_unchanged().unwrap();
            change();
            // A page that is not there reads as zeros instead of ending the process.
            assert!(pinned.bytes().iter().all(|byte| matches!(byte, 0 | 7 | b'n' | b'e' | b'w')));
            let error = file.check_unchanged().unwrap_err().to_string();
            assert!(error.contains("x.parquet") && error.contains(what), "{error}");
            let _ = fs::remove_file(&path);
        }
    }

    #[cfg(unix)]
    #[test]
    fn maps_are_bounded_whatever_the_number_of_files() {
        let _free = free_slots();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0");
        fs::write(&path, vec![7; usize::try_from(READ_BYTES + 1).unwrap()]).unwrap();
        let files: Vec<LocalFile> = (0..2 * MAPS_MAX)
            .map(|at| {
                let link = dir.path().join(format!("link {at}"));
                fs::hard_link(&path, &link).unwrap();
                link
            })
            .collect::<Vec<_>>()
            .iter()
            .map(|link| LocalFile::open(link).unwrap())
            .collect();
        for file in &files {
            let pinned = file.pin().unwrap().unwrap();
            assert_eq!(pinned.bytes().last(), Some(&7));
        }
        let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
        let folder = dir.path().to_string_lossy().into_owned();
        let mapped = maps.lines().filter(|line| line.contains(&folder)).count();
        assert!(mapped <= MAPS_KEPT, "{mapped}");
        assert!(files.iter().all(|file| file.check_unchanged().is_ok()));
    }
}
