//! A file as a target.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::io_error;
use super::temporary::{Temporary, sweep};
use crate::Result;

/// Replaces `path` by what `write` writes, in one act; returns its length.
///
/// A kill at any moment leaves the old file or the new one. After it returns, a
/// power cut too leaves the new one.
pub fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<u64> {
    make_parents(path)?;
    sweep(path);
    let temporary = Temporary::file(path)?;
    let bytes = fill(temporary.handle(), write).map_err(|e| io_error("cannot write", path, e))?;
    fs::rename(temporary.path(), path).map_err(|e| io_error("cannot replace", path, e))?;
    temporary.keep();
    sync_parent(path)?;
    Ok(bytes)
}

/// Replaces `path` by `bytes` in one act that a kill cannot halve, but a power cut can:
/// for what is held against a digest when it is read, and can be made again.
pub fn replace_unsynced(path: &Path, bytes: &[u8]) -> Result<()> {
    make_parents(path)?;
    sweep(path);
    let temporary = Temporary::file(path)?;
    temporary.handle().write_all(bytes).map_err(|e| io_error("cannot write", path, e))?;
    fs::rename(temporary.path(), path).map_err(|e| io_error("cannot replace", path, e))?;
    temporary.keep();
    Ok(())
}

/// Writes a file through to the disk.
pub(crate) fn fill(mut file: &File, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<u64> {
    let mut out = Counted { inner: BufWriter::with_capacity(1 << 16, &mut file), bytes: 0 };
    write(&mut out)?;
    out.flush()?;
    let bytes = out.bytes;
    drop(out);
    file.sync_all()?;
    Ok(bytes)
}

/// Creates the folders that lead to `path`, as Spark does.
pub(crate) fn make_parents(path: &Path) -> Result<()> {
    let Some(parent) = path.parent().filter(|parent| !parent.exists()) else { return Ok(()) };
    fs::create_dir_all(parent).map_err(|e| io_error("cannot create the folder", parent, e))
}

/// Makes a rename in the folder of `path` outlive a power cut.
pub(crate) fn sync_parent(path: &Path) -> Result<()> {
    path.parent().map_or(Ok(()), sync_folder)
}

pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    match synced {
        // Some network file systems cannot sync a folder; the rename stands all the same.
        Err(e) if matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        other => other.map_err(|e| io_error("cannot sync", folder, e)),
    }
}

/// Counts what goes through.
pub(crate) struct Counted<W> {
    pub(crate) inner: W,
    pub(crate) bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/deep/x.csv");
        assert_eq!(replace(&path, |out| out.write_all(b"old")).unwrap(), 3);
        let error = replace(&path, |out| {
            out.write_all(&[b'n'; 1 << 20])?;
            Err(io::ErrorKind::StorageFull.into())
        })
        .unwrap_err();
        assert_eq!(error.exit_code(), 6);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        replace(&path, |out| out.write_all(b"new")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
