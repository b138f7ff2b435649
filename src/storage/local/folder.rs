//! A folder of small files on disk.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::atomic;
use super::directory::{Directory, Metadata};
use super::entries::Kind;
use super::io_error;
use super::temporary::sweep_below;
use crate::storage::folder::{Entry, Folder};
use crate::{Error, Result};

/// The most bytes of a file. A history of 20 years by 250 countries has 20 MB.
const BYTES_MAX: u64 = 1 << 30;
/// The file that marks a folder as one of this program. Its name is a name of no run and of no table.
const MARKER: &str = "made-by-rollshare";
/// What the marker says.
const MARKER_TEXT: &[u8] =
    b"This folder belongs to rollshare: history, reports and quarantine of the target beside it.\n";

/// A folder on disk.
///
/// Below its anchor it follows no symbolic link, and reads and replaces regular files only: nothing that
/// another program has put there makes this one read, write or delete elsewhere. The folder is opened once, each
/// segment relative to the one before, and every access is relative to that handle. Before each access the path is
/// looked up: where it leads to another folder meanwhile (publishing a folder target replaces the folder), that one is
/// opened and checked in the same way.
pub struct LocalFolder {
    root: PathBuf,
    /// The folder from which on links are not followed: `root`, or a folder above it.
    anchor: PathBuf,
    /// The names of the folders from the anchor to the root.
    way: Vec<OsString>,
    /// Whether the folder has to be one that this program has made.
    is_marked: bool,
    opened: Mutex<Option<Root>>,
}

/// The open root.
#[derive(Clone)]
struct Root {
    folder: Directory,
    /// The folder that contains it; `None` if it is the anchor.
    above: Option<Directory>,
}

impl LocalFolder {
    /// The folder at `root`, which need not exist yet, and may be a link.
    pub fn new(root: PathBuf) -> Self {
        LocalFolder {
            anchor: root.clone(),
            root,
            way: Vec::new(),
            is_marked: false,
            opened: Mutex::new(None),
        }
    }

    /// The folder `name` below the folder `anchor`, for files of this program alone. It need not exist yet.
    ///
    /// # Errors
    /// `Argument` if there is something else than a folder that this program has made.
    pub fn of_program(anchor: PathBuf, name: &Path) -> Result<Self> {
        let way = name.iter().map(OsStr::to_owned).collect();
        let opened = Mutex::new(None);
        let folder = LocalFolder { root: anchor.join(name), anchor, way, is_marked: true, opened };
        folder.root(false)?;
        Ok(folder)
    }

    /// The root. Where it does not exist it is created, or `None` is returned.
    fn root(&self, create: bool) -> Result<Option<Root>> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if opened.as_ref().is_none_or(|root| !root.folder.is_at(&self.root)) {
            *opened = self.open(create)?;
        }
        Ok(opened.clone())
    }

    fn open(&self, create: bool) -> Result<Option<Root>> {
        let failed = |e| io_error("cannot open the folder", &self.anchor, e);
        let mut folder = match Directory::open(&self.anchor) {
            Err(e) if is_absent(&e) && !create => return Ok(None),
            Err(e) if is_absent(&e) => {
                fs::create_dir_all(&self.anchor)
                    .map_err(|e| io_error("cannot create the folder", &self.anchor, e))?;
                Directory::open(&self.anchor).map_err(failed)?
            }
            opened => opened.map_err(failed)?,
        };
        let mut above = None;
        for name in &self.way {
            let Some(below) = open_below(&folder, name, create)? else { return Ok(None) };
            above = Some(std::mem::replace(&mut folder, below));
        }
        if self.is_marked {
            check_ours(&folder)?;
        }
        Ok(Some(Root { folder, above }))
    }

    /// The folder that contains the file `name`, and the file's name in it. Where the folder does not exist it is
    /// created, or `None` is returned.
    fn locate<'a>(&self, name: &'a str, create: bool) -> Result<Option<(Directory, &'a str)>> {
        let (folders, file) = self.split(name)?;
        let Some(Root { mut folder, .. }) = self.root(create)? else { return Ok(None) };
        for name in folders {
            let Some(below) = open_below(&folder, name, create)? else { return Ok(None) };
            folder = below;
        }
        Ok(Some((folder, file)))
    }

    /// As [`LocalFolder::locate`], for a file that is written: it does not exist or is a regular file.
    fn locate_to_write<'a>(&self, name: &'a str) -> Result<(Directory, &'a str)> {
        let located = self.locate(name, true)?;
        let (folder, file) = located.ok_or_else(|| Error::internal(format!("no folder for '{name}'")))?;
        is_regular(&folder, file)?;
        Ok((folder, file))
    }

    /// The names of the folders on the way to the file `name`, and the file's own.
    fn split<'a>(&self, name: &'a str) -> Result<(Vec<&'a str>, &'a str)> {
        let mut segments: Vec<&str> = name.split('/').collect();
        match segments.iter().all(|segment| !matches!(*segment, "" | "." | "..")).then(|| segments.pop()) {
            Some(Some(file)) => Ok((segments, file)),
            _ => Err(Error::internal(format!("'{name}' as a name below {}", self.root.display()))),
        }
    }

    /// Writes the marker if the folder has to have one and has none.
    fn mark(&self) -> Result<()> {
        match self.root(true)? {
            Some(Root { folder, .. }) if self.is_marked && !is_regular(&folder, MARKER)? => {
                atomic::replace_in(&folder, MARKER, |out| out.write_all(MARKER_TEXT)).map(drop)
            }
            _ => Ok(()),
        }
    }
}

/// Opens a folder in a folder. Where it does not exist it is created, or `None` is returned.
fn open_below(folder: &Directory, name: impl AsRef<OsStr>, create: bool) -> Result<Option<Directory>> {
    let name = name.as_ref();
    let mut opened = folder.open_below(name);
    if opened.as_ref().is_err_and(|e| e.kind() == ErrorKind::NotFound) {
        if !create {
            return Ok(None);
        }
        match folder.create_folder(name) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => {
                return Err(io_error("cannot create the folder", &folder.join(name), e));
            }
            _ => opened = folder.open_below(name),
        }
    }
    opened.map(Some).map_err(|e| match folder.metadata(name).map(|meta| meta.kind) {
        Ok(Kind::Link) => foreign_folder(&folder.join(name), "it is a symbolic link"),
        Ok(Kind::File | Kind::Other) => foreign_folder(&folder.join(name), "it is no folder"),
        Ok(Kind::Folder) | Err(_) => io_error("cannot open the folder", &folder.join(name), e),
    })
}

/// Fails if `folder` has entries, and none is one that this program makes.
fn check_ours(folder: &Directory) -> Result<()> {
    let entries = list(folder)?;
    // Earlier versions wrote no marker; these are the names of their folders.
    let is_ours = |(name, kind): &(OsString, Kind)| {
        name == MARKER
            || *kind == Kind::Folder && matches!(name.to_str(), Some("history" | "runs" | "quarantine"))
    };
    match entries.first() {
        Some((foreign, _)) if !entries.iter().any(is_ours) => {
            let found = format!("it contains '{}'", foreign.to_string_lossy());
            Err(foreign_folder(folder.path(), &found))
        }
        _ => Ok(()),
    }
}

fn list(folder: &Directory) -> Result<Vec<(OsString, Kind)>> {
    folder.entries().map_err(|e| io_error("cannot list the folder", folder.path(), e))
}

/// Whether there is a regular file. Fails if there is anything else.
fn is_regular(folder: &Directory, name: &str) -> Result<bool> {
    match folder.metadata(name) {
        Err(e) if is_absent(&e) => Ok(false),
        Err(e) => Err(io_error("cannot read the metadata", &folder.join(name), e)),
        Ok(meta) if meta.kind == Kind::File => Ok(true),
        Ok(meta) => Err(not_regular(&folder.join(name), meta.kind)),
    }
}

fn not_regular(path: &Path, kind: Kind) -> Error {
    let found = if kind == Kind::Link { "a symbolic link" } else { "no regular file" };
    Error::argument(found)
        .expected("a file that this program has written")
        .advice("It is left as it is: remove it")
        .in_file(&path.to_string_lossy().into())
}

fn foreign_folder(path: &Path, found: &str) -> Error {
    Error::argument(format!("the folder for history and reports is not one of this program: {found}"))
        .expected("nothing, or a folder that rollshare has made")
        .advice("It is left as it is: move it away, or choose another target")
        .in_file(&path.to_string_lossy().into())
}

/// Reads a regular file of at most [`BYTES_MAX`]; `None` if it does not exist.
fn read_regular(folder: &Directory, name: &str) -> Result<Option<Vec<u8>>> {
    let failed = |e| io_error("cannot read", &folder.join(name), e);
    let file = match folder.open_entry(name) {
        Err(e) if is_absent(&e) => return Ok(None),
        // A link, or a socket.
        Err(e) => return is_regular(folder, name).and(Err(failed(e))),
        Ok(file) => file,
    };
    let meta = Metadata::of(&file).map_err(failed)?;
    if meta.kind != Kind::File {
        return Err(not_regular(&folder.join(name), meta.kind));
    }
    if meta.bytes > BYTES_MAX {
        let too_large = io::Error::new(ErrorKind::FileTooLarge, format!("more than {BYTES_MAX} bytes"));
        return Err(failed(too_large));
    }
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

impl Folder for LocalFolder {
    fn display_path(&self, name: &str) -> String {
        self.root.join(name).to_string_lossy().into_owned()
    }

    fn list(&self, prefix: &str) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        if let Some(root) = self.root(false)? {
            collect_files(&root.folder, "", &mut entries)?;
        }
        entries.retain(|entry| entry.name.starts_with(prefix) && entry.name != MARKER);
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let located = self.locate(name, false)?;
        located.map_or(Ok(None), |(folder, file)| read_regular(&folder, file))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.mark()?;
        let (folder, file) = self.locate_to_write(name)?;
        atomic::replace_in(&folder, file, |out| out.write_all(bytes)).map(drop)
    }

    fn write_cache(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let (folder, file) = self.locate_to_write(name)?;
        atomic::replace_unsynced_in(&folder, file, bytes)
    }

    fn sweep(&self) {
        if let Ok(Some(root)) = self.root(false) {
            sweep_below(&root.folder);
        }
    }

    fn remove(&self, name: &str) -> Result<()> {
        let (folders, file) = self.split(name)?;
        let Some(root) = self.root(false)? else { return Ok(()) };
        let mut parents = Vec::new();
        let mut folder = root.folder.clone();
        for name in folders {
            let Some(below) = open_below(&folder, name, false)? else { return Ok(()) };
            parents.push((std::mem::replace(&mut folder, below), name));
        }
        is_regular(&folder, file)?;
        match folder.remove_file(file) {
            Err(e) if !is_absent(&e) => return Err(io_error("cannot remove", &folder.join(file), e)),
            _ => {}
        }
        // A folder is removed with its last file; removing one that is not empty fails.
        if parents.iter().rev().any(|(parent, name)| parent.remove_folder(name).is_err()) {
            return Ok(());
        }
        // The marker alone marks nothing.
        let is_marker = |(name, kind): &(OsString, Kind)| name == MARKER && *kind == Kind::File;
        let is_empty = match root.folder.entries().unwrap_or_default().as_slice() {
            [only] if self.is_marked && is_marker(only) => root.folder.remove_file(MARKER).is_ok(),
            entries => entries.is_empty(),
        };
        if is_empty {
            let _ = match (&root.above, self.way.last()) {
                (Some(above), Some(name)) => above.remove_folder(name),
                _ => fs::remove_dir(&self.root),
            };
        }
        Ok(())
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Collects the files in `folder` and below, under names that begin with `below`.
fn collect_files(folder: &Directory, below: &str, entries: &mut Vec<Entry>) -> Result<()> {
    for (name, kind) in list(folder)? {
        // This program writes neither names that are not UTF-8 nor, finally, hidden files: those are
        // temporaries.
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
        let path = format!("{below}{name}");
        match kind {
            Kind::Folder => match folder.open_below(name) {
                Err(e) if is_absent(&e) => {}
                opened => {
                    let opened =
                        opened.map_err(|e| io_error("cannot list the folder", &folder.join(name), e))?;
                    collect_files(&opened, &format!("{path}/"), entries)?;
                }
            },
            Kind::File => match folder.metadata(name) {
                Err(e) if is_absent(&e) => {}
                meta => {
                    let meta =
                        meta.map_err(|e| io_error("cannot read the metadata", &folder.join(name), e))?;
                    if meta.kind == Kind::File {
                        entries.push(Entry { name: path, bytes: meta.bytes, modified: meta.modified });
                    }
                }
            },
            Kind::Link | Kind::Other => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::storage::folder;

    #[test]
    fn folders_are_created_and_removed_with_their_files() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("deep/_rollshare");
        let folder = folder(root.to_str().unwrap()).unwrap();
        assert_eq!(folder.list("").unwrap(), []);
        assert_eq!(folder.read("history/a").unwrap(), None);
        folder.remove("history/a").unwrap();
        folder.write("history/b", b"two").unwrap();
        folder.write("history/a", b"one").unwrap();
        folder.write("history/a", b"three").unwrap();
        folder.write("lock", b"").unwrap();
        fs::write(root.join("history/.half"), "temporary").unwrap();
        let names = |prefix: &str| -> Vec<(String, u64)> {
            folder.list(prefix).unwrap().into_iter().map(|e| (e.name, e.bytes)).collect()
        };
        assert_eq!(names(""), [("history/a".into(), 5), ("history/b".into(), 3), ("lock".into(), 0)]);
        assert_eq!(names("history/"), [("history/a".into(), 5), ("history/b".into(), 3)]);
        assert_eq!(folder.read("history/a").unwrap().as_deref(), Some(&b"three"[..]));
        fs::remove_file(root.join("history/.half")).unwrap();
        folder.remove("history/a").unwrap();
        folder.remove("history/b").unwrap();
        assert!(!root.join("history").exists() && root.exists());
        assert!(folder.display_path("lock").ends_with("/_rollshare/lock"));
    }

    #[test]
    fn names_cannot_leave_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let folder = LocalFolder::new(dir.path().join("root"));
        for name in ["", "/etc/x", "../x", "a/../../x", "a//b"] {
            assert!(folder.write(name, b"").is_err() && folder.read(name).is_err(), "{name}");
        }
    }

    /// A thread exchanges the folder with a link to files of others as fast as it can: whatever is done meanwhile,
    /// nothing behind the link is read, changed, added or deleted.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_link_that_takes_the_place_of_the_folder_is_never_followed() {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use std::sync::atomic::{AtomicBool, Ordering};
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let mine =
            ["x.csv/history/.sums.rollshare-1", "x.csv/history/sums", "x.csv/history/new", "x.csv/old"];
        fs::create_dir_all(at("mine/x.csv/history")).unwrap();
        fs::create_dir_all(at("mine/x.csv/empty")).unwrap();
        mine.iter().for_each(|file| fs::write(at("mine").join(file), "mine").unwrap());
        std::os::unix::fs::symlink(at("mine"), at("link")).unwrap();
        let open = || LocalFolder::of_program(dir.path().to_owned(), Path::new("_rollshare/x.csv"));
        let first = open().unwrap();
        first.write("history/sums", b"ours").unwrap();
        let done = AtomicBool::new(false);
        let (mut written, mut refused) = (0, 0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    renameat_with(CWD, at("_rollshare"), CWD, at("link"), RenameFlags::EXCHANGE).unwrap();
                    std::thread::sleep(std::time::Duration::from_micros(20));
                }
            });
            let start = std::time::Instant::now();
            while (written < 200 || refused < 200) && start.elapsed().as_secs() < 60 {
                let Ok(folder) = open() else {
                    refused += 1;
                    continue;
                };
                match folder.write_cache("history/sums", b"ours") {
                    Ok(()) => written += 1,
                    Err(_) => refused += 1,
                }
                if let Ok(Some(bytes)) = folder.read("history/sums") {
                    assert_eq!(bytes, b"ours");
                }
                let _ = folder.remove("history/new");
                folder.sweep();
                if let Ok(entries) = folder.list("") {
                    assert!(entries.iter().all(|entry| entry.name == "history/sums"), "{entries:?}");
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        assert!(written >= 200 && refused >= 200, "{written} {refused}");
        assert!(at("mine/x.csv/empty").is_dir());
        let mut found: Vec<_> =
            fs::read_dir(at("mine/x.csv/history")).unwrap().map(|e| e.unwrap().file_name()).collect();
        found.sort();
        assert_eq!(found, [".sums.rollshare-1", "new", "sums"]);
        assert!(mine.iter().all(|file| fs::read(at("mine").join(file)).unwrap() == b"mine"));
    }
}
