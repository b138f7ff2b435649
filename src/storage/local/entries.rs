//! Lists one folder.
//!
//! Thousands of daily folders hold one file each, so listing is most of the work of a run without new
//! data. Folders are opened and files inspected relative to their open parent folder (`openat`,
//! `fstatat`): names are short, and the kernel does not resolve long paths again.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::PathBuf;

use crate::storage::hive::is_hidden;
use crate::storage::object::ObjectVersion;
use crate::{Error, Result};

/// The kind of a folder entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A pipe, a socket, a device.
    Other,
}

impl Kind {
    /// Converts the type of the standard library.
    pub fn of(kind: fs::FileType) -> Kind {
        if kind.is_file() {
            Kind::File
        } else if kind.is_dir() {
            Kind::Folder
        } else if kind.is_symlink() {
            Kind::Link
        } else {
            Kind::Other
        }
    }
}

/// One name in a folder.
#[derive(Debug)]
pub struct Entry {
    /// Its name.
    pub name: OsString,
    /// Its kind.
    pub kind: Kind,
    /// The version of a regular file that is not hidden, on systems where the listing reads it.
    pub version: Option<ObjectVersion>,
}

/// The entries of a folder, sorted by name: a folder that is reached by two names is read under the
/// first one, on every machine.
pub type Entries = Vec<Entry>;

fn cannot_list(path: &std::path::Path, error: impl Into<std::io::Error>) -> Error {
    Error::io("cannot list the folder", error.into()).in_file(&path.to_string_lossy().into())
}

/// An open folder.
#[cfg(unix)]
pub struct OpenFolder {
    path: PathBuf,
    folder: std::os::fd::OwnedFd,
}

#[cfg(unix)]
impl OpenFolder {
    /// Opens the folder at `path`.
    ///
    /// # Errors
    /// `Io` where it cannot be opened.
    pub fn open(path: &std::path::Path) -> Result<OpenFolder> {
        OpenFolder::open_at(rustix::fs::CWD, path.as_os_str(), path.to_owned())
    }

    /// Opens the folder `name` in this one.
    ///
    /// # Errors
    /// As of [`OpenFolder::open`].
    pub fn open_below(&self, name: &OsStr) -> Result<OpenFolder> {
        OpenFolder::open_at(&self.folder, name, self.path.join(name))
    }

    fn open_at(above: impl std::os::fd::AsFd, name: &OsStr, path: PathBuf) -> Result<OpenFolder> {
        use rustix::fs::{Mode, OFlags, openat};
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match openat(above, name, flags, Mode::empty()) {
            Ok(folder) => Ok(OpenFolder { path, folder }),
            Err(error) => Err(cannot_list(&path, error)),
        }
    }

    /// Lists the folder.
    ///
    /// # Errors
    /// `Io` where the folder cannot be listed, or the metadata of a file cannot be read.
    pub fn list(self) -> Result<Entries> {
        use rustix::fs::{AtFlags, Dir, FileType, statat};
        use std::os::unix::ffi::OsStringExt;
        let OpenFolder { path, folder } = self;
        let mut listed = Dir::new(folder).map_err(|error| cannot_list(&path, error))?;
        let mut entries = Entries::new();
        while let Some(entry) = listed.read() {
            let entry = entry.map_err(|error| cannot_list(&path, error))?;
            let name = OsString::from_vec(entry.file_name().to_bytes().to_vec());
            if name == "." || name == ".." {
                continue;
            }
            let mut kind = entry.file_type();
            let mut version = None;
            // Hidden files belong to other runs: they may vanish at any time and are not read.
            if matches!(kind, FileType::RegularFile | FileType::Unknown) && !is_hidden(&name) {
                let listed = listed.fd().map_err(|error| cannot_list(&path, error))?;
                let meta = statat(listed, name.as_os_str(), AtFlags::SYMLINK_NOFOLLOW).map_err(|error| {
                    Error::io("cannot open", error.into()).in_file(&path.join(&name).to_string_lossy().into())
                })?;
                kind = FileType::from_raw_mode(meta.st_mode);
                version = (kind == FileType::RegularFile).then(|| ObjectVersion::from(&meta));
            }
            let kind = match kind {
                FileType::RegularFile => Kind::File,
                FileType::Directory => Kind::Folder,
                FileType::Symlink => Kind::Link,
                _ => Kind::Other,
            };
            entries.push(Entry { name, kind, version });
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }
}

/// A folder.
#[cfg(not(unix))]
pub struct OpenFolder(PathBuf);

#[cfg(not(unix))]
impl OpenFolder {
    /// Opens the folder at `path`.
    pub fn open(path: &std::path::Path) -> Result<OpenFolder> {
        Ok(OpenFolder(path.to_owned()))
    }

    /// Opens the folder `name` in this one.
    pub fn open_below(&self, name: &OsStr) -> Result<OpenFolder> {
        Ok(OpenFolder(self.0.join(name)))
    }

    /// Lists the folder.
    ///
    /// # Errors
    /// `Io` where it cannot be listed.
    pub fn list(self) -> Result<Entries> {
        let mut entries = Entries::new();
        for entry in fs::read_dir(&self.0).map_err(|error| cannot_list(&self.0, error))? {
            let entry = entry.map_err(|error| cannot_list(&self.0, error))?;
            let kind = Kind::of(entry.file_type().map_err(|error| cannot_list(&self.0, error))?);
            entries.push(Entry { name: entry.file_name(), kind, version: None });
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }
}
