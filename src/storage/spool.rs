//! Bytes that stay in memory up to a bound, and go to a temporary file beyond it.

use std::borrow::Cow;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

use crate::{Error, Result};

/// Bytes in memory and in a temporary file.
pub struct Spool {
    /// The most bytes in memory.
    memory: u64,
    /// What an error says of the bytes that go to the file.
    why: &'static str,
    /// Where the file is created.
    folder: PathBuf,
    /// Bytes that were stored in memory.
    stored: AtomicU64,
    /// A temporary file without a name: the system removes it when the run ends, however it ends.
    file: OnceLock<File>,
    /// The length of the file; held while it is created and, without positioned writes, while it is used.
    len: Mutex<u64>,
}

/// Stored bytes.
pub enum Segment {
    /// In memory.
    Memory(Vec<u8>),
    /// In the temporary file.
    File(Range<u64>),
}

impl Segment {
    /// The number of bytes.
    pub fn size(&self) -> u64 {
        match self {
            Segment::Memory(bytes) => bytes.len() as u64,
            Segment::File(range) => range.end - range.start,
        }
    }
}

impl Spool {
    /// A spool that keeps `memory` bytes in memory. `why` says, in an error, why others go to a temporary file.
    pub fn new(memory: u64, why: &'static str) -> Self {
        Spool::in_folder(std::env::temp_dir(), memory, why)
    }

    fn in_folder(folder: PathBuf, memory: u64, why: &'static str) -> Self {
        Spool { memory, why, folder, stored: AtomicU64::new(0), file: OnceLock::new(), len: Mutex::new(0) }
    }

    /// Stores bytes.
    ///
    /// # Errors
    /// `Io` where the temporary file cannot be created or written.
    pub fn store(&self, mut bytes: Vec<u8>) -> Result<Segment> {
        let len = bytes.len() as u64;
        if self.stored.fetch_add(len, Ordering::Relaxed).saturating_add(len) <= self.memory {
            bytes.shrink_to_fit();
            return Ok(Segment::Memory(bytes));
        }
        self.stored.fetch_sub(len, Ordering::Relaxed);
        let fail = |e: std::io::Error| {
            // A folder that is not there is no source that is not there.
            let e = if e.kind() == ErrorKind::NotFound { std::io::Error::other(e) } else { e };
            Error::io(format!("cannot write a temporary file in {}", self.folder.display()), e)
                .advice(format!("{}; set TMPDIR to a folder with room", self.why))
        };
        let mut end =
            self.len.lock().map_err(|_| Error::internal("a writer of a temporary file has failed"))?;
        if self.file.get().is_none() {
            let _ = self.file.set(tempfile::tempfile_in(&self.folder).map_err(fail)?);
        }
        if let Some(mut file) = self.file.get() {
            file.write_all(&bytes).map_err(fail)?;
        }
        let start = *end;
        *end += len;
        Ok(Segment::File(start..*end))
    }

    /// Reads a range of a segment.
    ///
    /// # Errors
    /// `Io` where the temporary file cannot be read.
    pub fn read<'s>(&self, segment: &'s Segment, range: Range<u64>) -> Result<Cow<'s, [u8]>> {
        let outside = || Error::internal("a read outside of stored bytes");
        let [start, end] = [range.start, range.end].map(|at| usize::try_from(at).unwrap_or(usize::MAX));
        let at = match segment {
            Segment::Memory(bytes) => return bytes.get(start..end).map(Cow::Borrowed).ok_or_else(outside),
            Segment::File(of) if range.end <= of.end - of.start && range.start <= range.end => {
                of.start + range.start
            }
            Segment::File(_) => return Err(outside()),
        };
        let mut bytes = vec![0; end - start];
        self.read_at(&mut bytes, at).map_err(|e| Error::io("cannot read a temporary file", e))?;
        Ok(Cow::Owned(bytes))
    }

    #[cfg(unix)]
    fn read_at(&self, bytes: &mut [u8], at: u64) -> std::io::Result<()> {
        use std::os::unix::fs::FileExt;
        self.file.get().ok_or(ErrorKind::NotFound)?.read_exact_at(bytes, at)
    }

    #[cfg(not(unix))]
    fn read_at(&self, bytes: &mut [u8], at: u64) -> std::io::Result<()> {
        use std::io::{Read, Seek, SeekFrom};
        let _one = self.len.lock().map_err(|_| ErrorKind::Other)?;
        let mut file = self.file.get().ok_or(ErrorKind::NotFound)?;
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(bytes)?;
        file.seek(SeekFrom::End(0)).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        let spool = Spool::in_folder(gone.clone(), 4, "Rows go there");
        assert!(matches!(spool.store(vec![1; 4]), Ok(Segment::Memory(_))));
        let Err(error) = spool.store(vec![1]) else { panic!("stored") };
        let text = error.to_string();
        for part in [&*gone.to_string_lossy(), "Rows go there; set TMPDIR to a folder with room"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(matches!(error, Error::Io { .. }));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_file_has_no_name() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::in_folder(folder.path().to_owned(), 0, "");
        spool.store(vec![1; 10]).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_does_not_fit_in_memory_is_read_from_a_file() {
        let spool = Spool::new(10, "for a test");
        let segments: Vec<Segment> =
            (0u8..8).map(|byte| spool.store(vec![byte; usize::from(byte) + 1]).unwrap()).collect();
        assert!(segments.iter().any(|segment| matches!(segment, Segment::Memory(_))));
        assert!(segments.iter().any(|segment| matches!(segment, Segment::File(_))));
        for (byte, segment) in (0u8..8).zip(&segments) {
            assert_eq!(segment.size(), u64::from(byte) + 1);
            assert_eq!(&*spool.read(segment, 0..segment.size()).unwrap(), vec![byte; usize::from(byte) + 1]);
            assert!(spool.read(segment, 0..segment.size() + 1).is_err());
        }
    }
}
