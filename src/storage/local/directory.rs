//! A folder whose entries are accessed by name.
//!
//! Each system call resolves a path anew: between two calls, a folder on the path can be exchanged with a symbolic
//! link. An open folder ([`Directory::open`], [`Directory::open_below`]) has a handle instead: names are resolved
//! relative to it, and the last segment is never followed, so every access is in the folder that was opened, wherever
//! its path leads meanwhile. Where the system has no such handles, every access is by path.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
#[cfg(unix)]
use std::{os::fd::OwnedFd, sync::Arc};

use super::entries::Kind;

/// A folder, open or by its path.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    path: PathBuf,
    /// `None`: each access resolves the path.
    #[cfg(unix)]
    handle: Option<Arc<OwnedFd>>,
}

/// The metadata of an entry; of a symbolic link those of the link.
#[derive(Debug)]
pub(crate) struct Metadata {
    pub(crate) kind: Kind,
    pub(crate) bytes: u64,
    pub(crate) modified: Option<SystemTime>,
    /// Device and inode.
    #[cfg(unix)]
    id: (u64, u64),
}

impl Directory {
    /// The folder that is at `path` at each access. Links on the path are followed.
    pub(crate) fn by_path(path: impl Into<PathBuf>) -> Self {
        Directory {
            path: path.into(),
            #[cfg(unix)]
            handle: None,
        }
    }

    /// The path under which it was opened, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of an entry, for messages.
    pub(crate) fn join(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.path.join(name.as_ref())
    }
}

#[cfg(unix)]
mod unix {
    use std::borrow::Cow;
    use std::os::fd::{AsFd, BorrowedFd};
    use std::os::unix::ffi::OsStringExt;
    use std::time::{Duration, UNIX_EPOCH};

    use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
    use rustix::fs::{fstat, fsync, mkdirat, openat, renameat, stat, statat, unlinkat};

    use super::*;
    use crate::storage::ObjectVersion;

    /// A handle for names to be resolved: needs no right to list the folder, where the system can tell the two apart.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const LOOK_UP: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const LOOK_UP: OFlags = LIST;
    const LIST: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
    /// Opening a pipe does not wait for a writer.
    const READ: OFlags =
        OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
    const CREATE: OFlags = OFlags::RDWR.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::CLOEXEC);

    impl Directory {
        /// Opens the folder at `path`, which may be a link.
        pub(crate) fn open(path: &Path) -> io::Result<Self> {
            Ok(Self::opened(path.to_owned(), openat(CWD, path, LOOK_UP, Mode::empty())?))
        }

        /// Opens the folder `name` in this one. Fails if it is a link.
        pub(crate) fn open_below(&self, name: impl AsRef<OsStr>) -> io::Result<Self> {
            let path = self.join(&name);
            let (above, name) = self.at(name.as_ref());
            Ok(Self::opened(path, openat(above, name, LOOK_UP | OFlags::NOFOLLOW, Mode::empty())?))
        }

        fn opened(path: PathBuf, handle: OwnedFd) -> Self {
            Directory { path, handle: Some(Arc::new(handle)) }
        }

        /// Where a name is resolved.
        fn at<'a>(&'a self, name: &'a OsStr) -> (BorrowedFd<'a>, Cow<'a, OsStr>) {
            match &self.handle {
                Some(handle) => (handle.as_fd(), Cow::Borrowed(name)),
                None => (CWD, Cow::Owned(self.path.join(name).into_os_string())),
            }
        }

        /// Whether `path` leads to this open folder.
        pub(crate) fn is_at(&self, path: &Path) -> bool {
            let id = |meta: rustix::io::Result<Stat>| meta.ok().map(|meta| Metadata::from(&meta).id);
            self.handle
                .as_ref()
                .and_then(|handle| id(fstat(handle)))
                .is_some_and(|own| id(stat(path)) == Some(own))
        }

        /// Opens an entry for reading. Fails if it is a link.
        pub(crate) fn open_entry(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
            let (above, name) = self.at(name.as_ref());
            Ok(openat(above, name, READ, Mode::empty())?.into())
        }

        /// Creates a file, which must not exist.
        pub(crate) fn create_file(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
            let (above, name) = self.at(name.as_ref());
            Ok(openat(above, name, CREATE, Mode::from_raw_mode(0o666))?.into())
        }

        /// Creates a folder, which must not exist.
        pub(crate) fn create_folder(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
            let (above, name) = self.at(name.as_ref());
            Ok(mkdirat(above, name, Mode::from_raw_mode(0o777))?)
        }

        /// Renames an entry within the folder; replaces a file of the new name.
        pub(crate) fn rename(&self, from: impl AsRef<OsStr>, to: impl AsRef<OsStr>) -> io::Result<()> {
            let (above, from) = self.at(from.as_ref());
            Ok(renameat(above, from, above, self.at(to.as_ref()).1)?)
        }

        /// Removes a file or a link.
        pub(crate) fn remove_file(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
            let (above, name) = self.at(name.as_ref());
            Ok(unlinkat(above, name, AtFlags::empty())?)
        }

        /// Removes an empty folder.
        pub(crate) fn remove_folder(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
            let (above, name) = self.at(name.as_ref());
            Ok(unlinkat(above, name, AtFlags::REMOVEDIR)?)
        }

        /// The metadata of an entry.
        pub(crate) fn metadata(&self, name: impl AsRef<OsStr>) -> io::Result<Metadata> {
            let (above, name) = self.at(name.as_ref());
            Ok(Metadata::from(&statat(above, name, AtFlags::SYMLINK_NOFOLLOW)?))
        }

        /// Names and kinds of the entries.
        pub(crate) fn entries(&self) -> io::Result<Vec<(OsString, Kind)>> {
            let mut listed = Dir::new(self.open_to_list()?)?;
            let mut entries = Vec::new();
            while let Some(entry) = listed.read() {
                let entry = entry?;
                let name = OsString::from_vec(entry.file_name().to_bytes().to_vec());
                if name == "." || name == ".." {
                    continue;
                }
                let kind = match entry.file_type() {
                    FileType::Unknown => self.metadata(&name).map_or(Kind::Other, |meta| meta.kind),
                    kind => kind_of(kind),
                };
                entries.push((name, kind));
            }
            Ok(entries)
        }

        /// Syncs the folder, so that renames in it survive a power failure.
        pub(crate) fn sync(&self) -> io::Result<()> {
            Ok(fsync(self.open_to_list()?)?)
        }

        fn open_to_list(&self) -> io::Result<OwnedFd> {
            Ok(match &self.handle {
                Some(handle) => openat(handle, ".", LIST, Mode::empty())?,
                None => openat(CWD, &self.path, LIST, Mode::empty())?,
            })
        }

        /// Whether the entry `name` is the open file or folder `file`.
        pub(crate) fn is_same(&self, name: impl AsRef<OsStr>, file: &File) -> bool {
            let found = self.metadata(name).ok().zip(Metadata::of(file).ok());
            found.is_some_and(|(entry, file)| entry.id == file.id)
        }
    }

    impl Metadata {
        /// The metadata of an open file.
        pub(crate) fn of(file: &File) -> io::Result<Self> {
            Ok(Metadata::from(&fstat(file)?))
        }
    }

    impl From<&Stat> for Metadata {
        // The types differ from system to system; no value exceeds 63 bits.
        #[allow(clippy::unnecessary_cast, clippy::cast_sign_loss)]
        fn from(meta: &Stat) -> Self {
            let version = ObjectVersion::from(meta);
            let modified = version.modified.and_then(|nanos| u64::try_from(nanos).ok());
            Metadata {
                kind: kind_of(FileType::from_raw_mode(meta.st_mode)),
                bytes: version.bytes,
                modified: modified.map(|nanos| UNIX_EPOCH + Duration::from_nanos(nanos)),
                id: (meta.st_dev as u64, meta.st_ino as u64),
            }
        }
    }

    fn kind_of(kind: FileType) -> Kind {
        match kind {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Folder,
            FileType::Symlink => Kind::Link,
            _ => Kind::Other,
        }
    }
}

/// Every access by path: a folder that is exchanged between two of them is not noticed.
#[cfg(not(unix))]
mod portable {
    use std::fs;

    use super::*;

    impl Directory {
        pub(crate) fn open(path: &Path) -> io::Result<Self> {
            match fs::metadata(path)?.is_dir() {
                true => Ok(Self::by_path(path)),
                false => Err(io::ErrorKind::NotADirectory.into()),
            }
        }

        pub(crate) fn open_below(&self, name: impl AsRef<OsStr>) -> io::Result<Self> {
            match self.metadata(&name)?.kind {
                Kind::Folder => Ok(Self::by_path(self.join(name))),
                _ => Err(io::ErrorKind::NotADirectory.into()),
            }
        }

        pub(crate) fn is_at(&self, _: &Path) -> bool {
            false
        }

        pub(crate) fn open_entry(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
            File::open(self.join(name))
        }

        pub(crate) fn create_file(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
            File::create_new(self.join(name))
        }

        pub(crate) fn create_folder(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
            fs::create_dir(self.join(name))
        }

        pub(crate) fn rename(&self, from: impl AsRef<OsStr>, to: impl AsRef<OsStr>) -> io::Result<()> {
            fs::rename(self.join(from), self.join(to))
        }

        pub(crate) fn remove_file(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
            fs::remove_file(self.join(name))
        }

        pub(crate) fn remove_folder(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
            fs::remove_dir(self.join(name))
        }

        pub(crate) fn metadata(&self, name: impl AsRef<OsStr>) -> io::Result<Metadata> {
            fs::symlink_metadata(self.join(name)).map(Metadata::from)
        }

        pub(crate) fn entries(&self) -> io::Result<Vec<(OsString, Kind)>> {
            let entry = |entry: fs::DirEntry| Ok((entry.file_name(), Kind::of(entry.file_type()?)));
            fs::read_dir(&self.path)?.map(|listed| listed.and_then(entry)).collect()
        }

        pub(crate) fn sync(&self) -> io::Result<()> {
            File::open(&self.path).and_then(|folder| folder.sync_all())
        }

        pub(crate) fn is_same(&self, name: impl AsRef<OsStr>, _: &File) -> bool {
            self.join(name).exists()
        }
    }

    impl Metadata {
        pub(crate) fn of(file: &File) -> io::Result<Self> {
            file.metadata().map(Metadata::from)
        }
    }

    impl From<fs::Metadata> for Metadata {
        fn from(meta: fs::Metadata) -> Self {
            Metadata { kind: Kind::of(meta.file_type()), bytes: meta.len(), modified: meta.modified().ok() }
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::storage::local::{atomic, temporary};

    #[test]
    fn an_open_folder_stays_the_same_when_a_link_takes_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for folder in ["ours/deep", "mine/deep"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        fs::write(at("mine/x"), "mine").unwrap();
        fs::write(at("mine/.y.rollshare-1"), "mine").unwrap();
        fs::write(at("ours/.y.rollshare-1"), "").unwrap();
        let above = Directory::open(dir.path()).unwrap();
        let open = above.open_below("ours").unwrap();
        assert!(open.is_at(&at("ours")));

        fs::rename(at("ours"), at("aside")).unwrap();
        symlink(at("mine"), at("ours")).unwrap();
        assert!(!open.is_at(&at("ours")) && open.is_at(&at("aside")));
        assert!(above.open_below("ours").is_err() && above.open_entry("ours").is_err());
        assert_eq!(above.metadata("ours").unwrap().kind, Kind::Link);
        let exchange_again = |out: &mut dyn io::Write| {
            fs::remove_file(at("ours"))?;
            symlink(at("mine/deep"), at("ours"))?;
            out.write_all(b"ours")
        };
        assert_eq!(atomic::replace_in(&open, "x", exchange_again).unwrap(), 4);
        atomic::replace_unsynced_in(&open, "y", b"ours").unwrap();
        temporary::sweep_below(&open);
        open.open_below("deep").unwrap_err();
        open.rename("x", "z").unwrap();
        open.remove_file("y").unwrap();
        open.create_folder("new").unwrap();
        let mut names: Vec<_> = open.entries().unwrap();
        names.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(names, [("new".into(), Kind::Folder), ("z".into(), Kind::File)]);
        assert_eq!(fs::read(at("aside/z")).unwrap(), b"ours");
        assert!(at("aside/new").is_dir() && fs::read_dir(at("mine/deep")).unwrap().next().is_none());
        for file in ["mine/x", "mine/.y.rollshare-1"] {
            assert_eq!(fs::read(at(file)).unwrap(), b"mine");
        }
        assert_eq!(fs::read_dir(at("mine")).unwrap().count(), 3);
    }
}
