//! Atomic replacement of a file.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::directory::Directory;
use super::io_error;
use super::temporary::{Temporary, split, sweep, sweep_in};
use crate::Result;

/// Replaces the file at `path` atomically by the output of `write`; returns its length.
///
/// A kill at any moment leaves the old file or the new one. After the call returns, the new file
/// survives a power failure.
pub fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<u64> {
    create_parents(path)?;
    sweep(path);
    let (folder, name) = split(path)?;
    write_and_rename(&folder, &name, write)
}

/// As [`replace`], for the file `name` in an existing folder.
pub(crate) fn replace_in(
    folder: &Directory,
    name: &str,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<u64> {
    sweep_in(folder, name);
    write_and_rename(folder, name, write)
}

fn write_and_rename(
    folder: &Directory,
    name: &str,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<u64> {
    let path = folder.join(name);
    let temporary = Temporary::file(folder, name)?;
    let bytes = write_synced(temporary.handle(), write).map_err(|e| io_error("cannot write", &path, e))?;
    temporary.rename(name).map_err(|e| io_error("cannot replace", &path, e))?;
    sync_directory(folder)?;
    Ok(bytes)
}

/// As [`replace_in`], by `bytes`: atomic under a kill, not under a power failure. For caches whose digest is verified
/// when they are read.
pub(crate) fn replace_unsynced_in(folder: &Directory, name: &str, bytes: &[u8]) -> Result<()> {
    sweep_in(folder, name);
    let path = folder.join(name);
    let temporary = Temporary::file(folder, name)?;
    temporary.handle().write_all(bytes).map_err(|e| io_error("cannot write", &path, e))?;
    temporary.rename(name).map_err(|e| io_error("cannot replace", &path, e))
}

/// Writes a file and syncs it to the disk; returns its length.
pub(crate) fn write_synced(
    mut file: &File,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<u64> {
    let mut out = CountingWriter { inner: BufWriter::with_capacity(1 << 16, &mut file), bytes: 0 };
    write(&mut out)?;
    out.flush()?;
    let bytes = out.bytes;
    drop(out);
    file.sync_all()?;
    Ok(bytes)
}

/// Creates the parent folders of `path`, as Spark does.
pub(crate) fn create_parents(path: &Path) -> Result<()> {
    let Some(parent) = path.parent().filter(|parent| !parent.exists()) else { return Ok(()) };
    fs::create_dir_all(parent).map_err(|e| io_error("cannot create the folder", parent, e))
}

/// Syncs the parent folder of `path`, so that a rename in it survives a power failure.
pub(crate) fn sync_parent(path: &Path) -> Result<()> {
    path.parent().map_or(Ok(()), sync_folder)
}

/// Syncs a folder.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    sync_directory(&Directory::by_path(folder))
}

fn sync_directory(folder: &Directory) -> Result<()> {
    match folder.sync() {
        // Some network file systems cannot sync a folder; the rename is done all the same.
        Err(e) if matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        other => other.map_err(|e| io_error("cannot sync", folder.path(), e)),
    }
}

/// Counts the bytes that are written.
pub(crate) struct CountingWriter<W> {
    pub(crate) inner: W,
    pub(crate) bytes: u64,
}

impl<W: Write> Write for CountingWriter<W> {
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
