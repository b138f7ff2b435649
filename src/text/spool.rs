//! Bytes that stay in memory up to a bound, and go to a temporary file beyond it.

use std::borrow::Cow;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

use crate::{Error, Result};

/// Bytes of all converted files of a run that stay in memory.
const MEMORY: u64 = 256 << 20;

/// The bytes of all converted files of a run.
pub struct Spool {
    memory: u64,
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

impl Default for Spool {
    fn default() -> Self {
        Spool::with_memory(MEMORY)
    }
}

impl Spool {
    /// A spool that keeps `memory` bytes in memory.
    pub fn with_memory(memory: u64) -> Self {
        Spool { memory, stored: AtomicU64::new(0), file: OnceLock::new(), len: Mutex::new(0) }
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
        let fail = |e| {
            let folder = std::env::temp_dir();
            Error::io(format!("cannot write a temporary file in {}", folder.display()), e).advice(
                "Text is converted there if it does not fit in memory; set TMPDIR to a folder with room",
            )
        };
        let mut end = self.len.lock().map_err(|_| Error::internal("a writer of text has failed"))?;
        if self.file.get().is_none() {
            let _ = self.file.set(tempfile::tempfile().map_err(fail)?);
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
        let outside = || Error::internal("a read outside of converted text");
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
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_does_not_fit_in_memory_is_read_from_a_file() {
        let spool = Spool::with_memory(10);
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
