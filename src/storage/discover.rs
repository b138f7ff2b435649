//! Resolves the user's paths to inputs.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use super::cancel::Cancel;
use super::hive::{self, Partition};
use super::lake::Tables;
use super::local::LocalFile;
use super::local::entries::Kind;
use super::local::walk::{Walk, WalkEntry, canonical_kind, not_regular};
use super::object::Object;
use super::source::{Glob, local_path};
use crate::{Error, Result, Semantics};

/// One file to read.
pub struct Input {
    /// Its bytes.
    pub object: Arc<dyn Object>,
    /// Hive partition values from the path, outermost first; `None` for
    /// `__HIVE_DEFAULT_PARTITION__`.
    pub partitions: Vec<(String, Option<String>)>,
}

/// The outcome of reading `inputs`. If one of them has changed since it was listed, that is the error: what was read may
/// be a mixture of two versions, and an error in it says nothing about either.
///
/// # Errors
/// As of [`Object::check_unchanged`] for the first input that has changed; otherwise those of `outcome`.
pub fn unless_changed<'i, T>(inputs: impl IntoIterator<Item = &'i Input>, outcome: Result<T>) -> Result<T> {
    if !matches!(outcome, Err(Error::Interrupted)) {
        inputs.into_iter().try_for_each(|input| input.object.check_unchanged())?;
    }
    outcome
}

/// Requests at once to a remote store.
const REQUESTS: usize = 32;

/// Compares the listed version of every input with the present one, whether or not this process has read it: a system
/// call for each local file, a request for each object of a store.
///
/// # Errors
/// As of [`Object::check_listed`], for the first input that has changed.
pub fn check_listed(inputs: &[Input]) -> Result<()> {
    if !inputs.iter().any(|input| input.object.is_remote()) {
        let checked: Vec<Result<()>> = inputs.par_iter().map(|input| input.object.check_listed()).collect();
        return checked.into_iter().collect();
    }
    // These threads wait for the store, as long as the call of this thread does.
    let (call, next, failed) = (Cancel::current(), AtomicUsize::new(0), Mutex::new(None::<(usize, Error)>));
    std::thread::scope(|scope| {
        for _ in 0..REQUESTS.min(inputs.len()) {
            let started = std::thread::Builder::new().spawn_scoped(scope, || {
                call.enter();
                check_rest(inputs, &next, &failed);
            });
            if started.is_err() {
                break;
            }
        }
        // The calling thread takes part: without any other thread, it checks all.
        check_rest(inputs, &next, &failed);
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.map_or(Ok(()), |(_, error)| Err(error))
}

/// Checks one input after the other, until none is left or one has failed.
fn check_rest(inputs: &[Input], next: &AtomicUsize, failed: &Mutex<Option<(usize, Error)>>) {
    loop {
        let at = next.fetch_add(1, Ordering::Relaxed);
        let Some(input) = inputs.get(at) else { return };
        if let Err(error) = input.object.check_listed() {
            let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
            if failed.as_ref().is_none_or(|(first, _)| at < *first) {
                *failed = Some((at, error));
            }
            // All inputs before it have been taken.
            next.store(inputs.len(), Ordering::Relaxed);
            return;
        }
    }
}

/// The result of [`discover`].
pub struct Discovery {
    /// The inputs, in order of their names.
    pub inputs: Vec<Input>,
    /// Notes for the user, for instance about files that were skipped.
    pub notes: Vec<String>,
    /// The paths of the sources, so that no target overwrites them.
    pub source_paths: SourcePaths,
}

/// The folders, files and globs of the sources.
#[derive(Default)]
pub struct SourcePaths {
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
    globs: Vec<Glob>,
}

impl SourcePaths {
    /// Returns a source that contains `path` or would read it. `path` is canonical as far as it
    /// exists.
    pub fn covering(&self, path: &Path) -> Option<&Path> {
        let folder = self.folders.iter().find(|folder| path.starts_with(folder));
        let file = self.files.iter().find(|file| path == file.as_path());
        let glob = self.globs.iter().find(|glob| glob.matches(path)).map(|glob| &glob.root);
        folder.or(file).or(glob).map(PathBuf::as_path)
    }

    /// Returns a source or input inside `folder`.
    pub fn within(&self, folder: &Path) -> Option<&Path> {
        self.folders.iter().chain(&self.files).find(|path| path.starts_with(folder)).map(PathBuf::as_path)
    }
}

/// A file that may become an input.
struct Candidate {
    entry: WalkEntry,
    partitions: Vec<Partition>,
    /// Index of its source.
    source: usize,
    /// Whether the source names this file, not a folder or glob.
    explicit: bool,
}

/// Lists the files of `sources` (files, folders, globs; local or `s3://`).
///
/// Nested folders are read; names that begin with `_` or `.` are skipped. Every other file is data,
/// whatever its extension. A path or prefix that exists is not read as a glob. `legacy` semantics keep two
/// habits of Spark: zero-byte files in a folder are skipped, and nested folders that are not
/// partitions are not read where files lie beside them.
///
/// A file that is named by itself has no partitions, unless it is one of a Delta table: there they are read from the
/// path below the table's folder.
///
/// # Errors
/// `NotFound` for a path or folder without data, `Data` for a zero-byte file, `Unsupported` for the folder of a lake
/// table, a folder or glob inside one, and for a scheme that this build does not support, `Io` when opening fails.
pub fn discover(sources: &[String], semantics: Semantics) -> Result<Discovery> {
    if sources.is_empty() {
        return Err(Error::argument("no source").expected("at least one file, folder or glob"));
    }
    let mut listing = Listing { legacy: semantics == Semantics::Legacy, ..Listing::default() };
    for (index, source) in sources.iter().enumerate() {
        listing.add(index, source)?;
    }
    let legacy = listing.legacy;
    let (candidates, mut notes, source_paths) = listing.deduplicated();

    // Reading the metadata of a file is a system call: with thousands of files it pays to do so in
    // parallel. Files with a listed version need none, and objects are prefetched in this order.
    let open_one = |Candidate { entry, partitions, explicit, .. }| (open(entry), partitions, explicit);
    let opened: Vec<(Result<Arc<dyn Object>>, _, _)> =
        if candidates.iter().any(|candidate| candidate.entry.version.is_some()) {
            candidates.into_iter().map(open_one).collect()
        } else {
            candidates.into_par_iter().map(open_one).collect()
        };
    let mut inputs = Vec::with_capacity(opened.len());
    let mut empty = 0u64;
    for (object, partitions, explicit) in opened {
        let object = object?;
        if object.is_empty() {
            if legacy && !explicit {
                empty += 1;
                notes.push(format!("{}: skipped, zero bytes (legacy)", object.name()));
                continue;
            }
            return Err(Error::data("a zero-byte file")
                .expected("a parquet file")
                .advice("The export of this file was interrupted: export it again, or remove the file")
                .in_file(object.name()));
        }
        inputs.push(Input { object, partitions });
    }
    if inputs.is_empty() {
        return Err(no_data(sources, empty));
    }
    Ok(Discovery { inputs, notes, source_paths })
}

fn open(entry: WalkEntry) -> Result<Arc<dyn Object>> {
    match entry.version {
        #[cfg(feature = "s3")]
        Some(version) if entry.is_remote => {
            let uri = super::s3::Uri::parse(&entry.path.to_string_lossy())?;
            Ok(Arc::new(super::s3::S3Object::new(&uri, version)?))
        }
        Some(version) => Ok(Arc::new(LocalFile::with_version(&entry.path, version))),
        None => Ok(Arc::new(LocalFile::open(&entry.path)?)),
    }
}

fn no_data(sources: &[String], empty: u64) -> Error {
    let mut message = format!("no data files in {}", sources.join(", "));
    if empty > 0 {
        message = format!("{message}: {empty} of zero bytes");
    }
    Error::not_found(message)
        .expected("at least one parquet file")
        .advice("Names that begin with '_' or '.' are not read")
}

#[derive(Default)]
struct Listing {
    legacy: bool,
    candidates: Vec<Candidate>,
    /// Files that Spark does not read, unless another source names them.
    unread: Vec<(PathBuf, Vec<WalkEntry>)>,
    notes: Vec<String>,
    source_paths: SourcePaths,
    /// Lake tables.
    tables: Tables,
}

impl Listing {
    fn add(&mut self, source: usize, text: &str) -> Result<()> {
        #[cfg(feature = "s3")]
        if super::s3::Uri::is_s3(text) {
            return self.add_s3(source, text);
        }
        let path = local_path(text)?;
        let before = self.candidates.len();
        if path.symlink_metadata().is_ok() {
            let root = if path.is_dir() { path.clone() } else { PathBuf::new() };
            self.add_path(source, &path, &root, !path.is_dir())?;
        } else if let Some(glob) = Glob::parse(&path) {
            for matched in glob.expand()? {
                self.add_path(source, &matched, &glob.root, false)?;
            }
            if self.candidates.len() == before {
                return Err(no_match(text));
            }
            self.source_paths.globs.extend(glob.absolute());
        } else {
            let error = Error::not_found("no such file or folder").in_file(&text.into());
            return Err(if text.contains('{') {
                error.advice("Braces are not expanded in a source: give several sources")
            } else {
                error
            });
        }
        if self.candidates.len() == before {
            return Err(no_data(&[text.to_owned()], 0));
        }
        Ok(())
    }

    /// Adds the objects of the source `text` in S3.
    #[cfg(feature = "s3")]
    fn add_s3(&mut self, source: usize, text: &str) -> Result<()> {
        use super::s3::sources::{Matched, find};
        let before = self.candidates.len();
        let (matched, glob) = find(text, &mut self.tables)?;
        for matched in matched {
            let root = |path: &Path| glob.as_ref().map_or(path.to_owned(), |glob| glob.root.clone());
            match matched {
                Matched::File { entry, explicit } => {
                    let root = root(Path::new(""));
                    self.add_file(source, entry, &root, explicit)?;
                }
                Matched::Folder { path, walk } => {
                    self.add_walk(source, &path, path.clone(), walk, &root(&path))?
                }
            }
        }
        if self.candidates.len() == before {
            return Err(if glob.is_some() { no_match(text) } else { no_data(&[text.to_owned()], 0) });
        }
        self.source_paths.globs.extend(glob);
        Ok(())
    }

    /// Adds a file, or the files of a folder; partitions are read from the path below `root`.
    fn add_path(&mut self, source: usize, path: &Path, root: &Path, explicit: bool) -> Result<()> {
        let (canonical, kind) = canonical_kind(path)?;
        if !explicit {
            self.tables.check_outside(path, &canonical, kind == Kind::Folder)?;
        }
        match kind {
            Kind::File => {
                let entry = WalkEntry { path: path.to_owned(), canonical, version: None, is_remote: false };
                return self.add_file(source, entry, root, explicit);
            }
            Kind::Folder => {}
            Kind::Link | Kind::Other => return Err(not_regular(path)),
        }
        let walk = Walk::list(path, &canonical)?;
        self.add_walk(source, path, canonical, walk, root)
    }

    fn add_file(&mut self, source: usize, entry: WalkEntry, root: &Path, explicit: bool) -> Result<()> {
        self.source_paths.files.push(entry.canonical.clone());
        let partitions = if !explicit {
            partitions_below(root, &entry.path)?
        } else if entry.is_remote {
            self.tables.partitions(&entry.path)?
        } else {
            self.tables.partitions(&std::path::absolute(&entry.path).unwrap_or_default())?
        };
        self.candidates.push(Candidate { entry, partitions, source, explicit });
        Ok(())
    }

    fn add_walk(
        &mut self,
        source: usize,
        path: &Path,
        canonical: PathBuf,
        mut walk: Walk,
        root: &Path,
    ) -> Result<()> {
        self.source_paths.folders.push(canonical);
        self.notes.append(&mut walk.notes);
        let mut files = walk.direct;
        if self.legacy && !files.is_empty() && !walk.partitioned && !walk.nested.is_empty() {
            self.unread.push((path.to_owned(), walk.nested));
        } else {
            files.append(&mut walk.nested);
        }
        self.candidates.reserve(files.len());
        for entry in files {
            let partitions = partitions_below(root, &entry.path)?;
            // A link may lead outside the folder.
            if !self.source_paths.folders.iter().any(|folder| entry.canonical.starts_with(folder)) {
                self.source_paths.files.push(entry.canonical.clone());
            }
            self.candidates.push(Candidate { entry, partitions, source, explicit: false });
        }
        Ok(())
    }

    /// The candidates in order of their paths, each file once; notes; source paths.
    fn deduplicated(self) -> (Vec<Candidate>, Vec<String>, SourcePaths) {
        let Listing { mut candidates, unread, mut notes, source_paths, .. } = self;
        fn bytes(path: &Path) -> &[u8] {
            path.as_os_str().as_encoded_bytes()
        }
        // The sort is stable: of the same file, the first source comes first. A folder is listed in order, and sorting
        // takes memory.
        fn sort(candidates: &mut [Candidate], by: impl Fn(&Candidate) -> &[u8]) {
            if !candidates.is_sorted_by(|a, b| by(a) <= by(b)) {
                candidates.sort_by(|a, b| by(a).cmp(by(b)));
            }
        }
        sort(&mut candidates, |candidate| bytes(&candidate.entry.canonical));
        let mut repeated = 0u64;
        candidates.dedup_by(|later, first| {
            if later.entry.canonical != first.entry.canonical {
                return false;
            }
            // One glob may match a folder and the files in it, which is not worth a note.
            let is_noted = first.source != later.source || first.entry.path != later.entry.path;
            repeated += u64::from(is_noted);
            first.explicit |= later.explicit;
            // `data` and `data/country=FR`: only the path below the first names the country.
            if later.partitions.len() > first.partitions.len() {
                std::mem::swap(&mut first.entry, &mut later.entry);
                std::mem::swap(&mut first.partitions, &mut later.partitions);
            }
            true
        });
        if repeated > 0 {
            notes.push(format!("{repeated} files are matched twice; each is read once"));
        }
        for (folder, files) in unread {
            let position =
                |path: &Path| candidates.binary_search_by(|c| bytes(&c.entry.canonical).cmp(bytes(path)));
            let left = files.iter().filter(|file| position(&file.canonical).is_err()).count();
            if left > 0 {
                notes.push(format!(
                    "{}: {left} files in nested folders not read, since files lie beside them (legacy)",
                    folder.display()
                ));
            }
        }
        sort(&mut candidates, |candidate| bytes(&candidate.entry.path));
        (candidates, notes, source_paths)
    }
}

fn no_match(text: &str) -> Error {
    Error::not_found(format!("no data files match '{text}'")).advice(
        "Names that begin with '_' or '.' are not read. A path that exists is taken as it is written; in a glob, [*], \
         [?] and [[] stand for these characters themselves",
    )
}

fn partitions_below(root: &Path, path: &Path) -> Result<Vec<Partition>> {
    hive::partitions(path.strip_prefix(root).unwrap_or(path))
}

#[cfg(test)]
mod tests;
