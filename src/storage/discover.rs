//! From paths to inputs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use super::hive::{self, Partition};
use super::local::entries::Kind;
use super::local::walk::{Walk, WalkEntry, irregular, resolve};
use super::object::{LocalFile, Object};
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

/// What [`discover`] found.
pub struct Discovery {
    /// The inputs, in order of their names.
    pub inputs: Vec<Input>,
    /// What was passed over on purpose and a person should know of.
    pub notes: Vec<String>,
    /// Where the inputs lie, so that nothing is published over them.
    pub source_paths: SourcePaths,
}

/// The places that the sources cover.
#[derive(Default)]
pub struct SourcePaths {
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
    globs: Vec<Glob>,
}

impl SourcePaths {
    /// The source that `path` is, lies in or would be read by, if there is one.
    /// `path` is canonical as far as it exists.
    pub fn covering(&self, path: &Path) -> Option<&Path> {
        let folder = self.folders.iter().find(|folder| path.starts_with(folder));
        let file = self.files.iter().find(|file| path == file.as_path());
        let glob = self.globs.iter().find(|glob| glob.matches(path)).map(|glob| &glob.root);
        folder.or(file).or(glob).map(PathBuf::as_path)
    }

    /// The source or input that lies in `folder`, if there is one.
    pub fn within(&self, folder: &Path) -> Option<&Path> {
        self.folders.iter().chain(&self.files).find(|path| path.starts_with(folder)).map(PathBuf::as_path)
    }
}

/// A file on its way to become an input.
struct Candidate {
    found: WalkEntry,
    partitions: Vec<Partition>,
    /// Which source led to it.
    source: usize,
    /// The source names this very file.
    given: bool,
}

/// Lists what `sources` (files, folders, globs; local or `s3://`) hold.
///
/// Nested folders are read; names that begin with `_` or `.` are not. Every other
/// file is data, whatever its extension. A path that exists wins over its reading
/// as a glob. With `legacy` semantics two habits of Spark are kept: zero-byte
/// files in a folder are passed over, and nested folders that are no partitions
/// are not read where files lie beside them.
///
/// # Errors
/// `NotFound` for a path or folder without data, `Data` for a zero-byte file,
/// `Unsupported` for a scheme that is not in this build, `Io` when opening fails.
pub fn discover(sources: &[String], semantics: Semantics) -> Result<Discovery> {
    if sources.is_empty() {
        return Err(Error::argument("no source").expected("at least one file, folder or glob"));
    }
    let mut listing = Listing { legacy: semantics == Semantics::Legacy, ..Listing::default() };
    for (index, source) in sources.iter().enumerate() {
        listing.add(index, source)?;
    }
    let legacy = listing.legacy;
    let (candidates, mut notes, source_paths) = listing.distinct();

    // Looking at a file is a system call: with thousands of files worth sharing out. What a
    // listing has looked at needs no more, and what lies in a store is fetched in this order.
    let one = |Candidate { found, partitions, given, .. }| (open(found), partitions, given);
    let opened: Vec<(Result<Arc<dyn Object>>, _, _)> =
        if candidates.iter().any(|candidate| candidate.found.stamp.is_some()) {
            candidates.into_iter().map(one).collect()
        } else {
            candidates.into_par_iter().map(one).collect()
        };
    let mut inputs = Vec::with_capacity(opened.len());
    let mut empty = 0u64;
    for (object, partitions, given) in opened {
        let object = object?;
        if object.is_empty() {
            if legacy && !given {
                empty += 1;
                notes.push(format!("{}: passed over, zero bytes (legacy)", object.name()));
                continue;
            }
            return Err(Error::data("a zero-byte file")
                .expected("a parquet file")
                .advice("The export of this file broke off: export it again, or take it away")
                .in_file(object.name()));
        }
        inputs.push(Input { object, partitions });
    }
    if inputs.is_empty() {
        return Err(no_data(sources, empty));
    }
    Ok(Discovery { inputs, notes, source_paths })
}

fn open(found: WalkEntry) -> Result<Arc<dyn Object>> {
    match found.stamp {
        #[cfg(feature = "s3")]
        Some(stamp) if found.is_stored => {
            let uri = super::s3::Uri::parse(&found.path.to_string_lossy())?;
            Ok(Arc::new(super::s3::S3Object::new(&uri, stamp)?))
        }
        Some(stamp) => Ok(Arc::new(LocalFile::listed(found.path, stamp))),
        None => Ok(Arc::new(LocalFile::open(&found.path)?)),
    }
}

fn no_data(sources: &[String], empty: u64) -> Error {
    let mut found = format!("no data files in {}", sources.join(", "));
    if empty > 0 {
        found = format!("{found}: {empty} of zero bytes");
    }
    Error::not_found(found)
        .expected("at least one parquet file")
        .advice("Names that begin with '_' or '.' are not read")
}

#[derive(Default)]
struct Listing {
    legacy: bool,
    candidates: Vec<Candidate>,
    /// Files that Spark would not read, unless another source names them.
    unread: Vec<(PathBuf, Vec<WalkEntry>)>,
    notes: Vec<String>,
    source_paths: SourcePaths,
}

impl Listing {
    fn add(&mut self, source: usize, text: &str) -> Result<()> {
        #[cfg(feature = "s3")]
        if super::s3::Uri::is(text) {
            return self.add_stored(source, text);
        }
        let path = local_path(text)?;
        let before = self.candidates.len();
        if path.symlink_metadata().is_ok() {
            let root = if path.is_dir() { path.clone() } else { PathBuf::new() };
            self.add_path(source, &path, &root, !path.is_dir())?;
        } else if let Some(glob) = Glob::parse(&path) {
            for matched in glob.paths()? {
                self.add_path(source, &matched, &glob.root, false)?;
            }
            if self.candidates.len() == before {
                return Err(no_match(text));
            }
            self.source_paths.globs.extend(glob.absolute());
        } else {
            let error = Error::not_found("no such file or folder").in_file(&text.into());
            return Err(if text.contains('{') {
                error.advice("Braces are not expanded in a source: give several")
            } else {
                error
            });
        }
        if self.candidates.len() == before {
            return Err(no_data(&[text.to_owned()], 0));
        }
        Ok(())
    }

    /// Adds what `text` leads to in a bucket.
    #[cfg(feature = "s3")]
    fn add_stored(&mut self, source: usize, text: &str) -> Result<()> {
        use super::s3::sources::{Matched, find};
        let before = self.candidates.len();
        let (matched, glob) = find(text)?;
        for matched in matched {
            let root = |path: &Path| glob.as_ref().map_or(path.to_owned(), |glob| glob.root.clone());
            match matched {
                Matched::File { found, given } => {
                    let root = root(Path::new(""));
                    self.add_file(source, found, &root, given)?;
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

    /// Adds a file, or what a folder holds; partitions are named by what lies below `root`.
    fn add_path(&mut self, source: usize, path: &Path, root: &Path, given: bool) -> Result<()> {
        let (canonical, kind) = resolve(path)?;
        match kind {
            Kind::File => {
                let found = WalkEntry { path: path.to_owned(), canonical, stamp: None, is_stored: false };
                return self.add_file(source, found, root, given);
            }
            Kind::Folder => {}
            Kind::Link | Kind::Other => return Err(irregular(path)),
        }
        let walk = Walk::of(path, &canonical)?;
        self.add_walk(source, path, canonical, walk, root)
    }

    fn add_file(&mut self, source: usize, found: WalkEntry, root: &Path, given: bool) -> Result<()> {
        self.source_paths.files.push(found.canonical.clone());
        // A source that is a file has nothing below it that could be a partition.
        let partitions = if given { Vec::new() } else { below(root, &found.path)? };
        self.candidates.push(Candidate { found, partitions, source, given });
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
        for found in files {
            let partitions = below(root, &found.path)?;
            // A link may lead out of the folder.
            if !self.source_paths.folders.iter().any(|folder| found.canonical.starts_with(folder)) {
                self.source_paths.files.push(found.canonical.clone());
            }
            self.candidates.push(Candidate { found, partitions, source, given: false });
        }
        Ok(())
    }

    /// Candidates in order of their paths, each file once.
    fn distinct(self) -> (Vec<Candidate>, Vec<String>, SourcePaths) {
        let Listing { mut candidates, unread, mut notes, source_paths, .. } = self;
        fn bytes(path: &Path) -> &[u8] {
            path.as_os_str().as_encoded_bytes()
        }
        // Of the same file, the first that was named comes first.
        candidates.sort_by(|a, b| bytes(&a.found.canonical).cmp(bytes(&b.found.canonical)));
        let mut repeated = 0u64;
        candidates.dedup_by(|later, first| {
            if later.found.canonical != first.found.canonical {
                return false;
            }
            // One glob may match a folder and the files in it: no news to anyone.
            let news = first.source != later.source || first.found.path != later.found.path;
            repeated += u64::from(news);
            first.given |= later.given;
            // `data` and `data/country=FR`: only the first tells the country.
            if later.partitions.len() > first.partitions.len() {
                std::mem::swap(&mut first.found, &mut later.found);
                std::mem::swap(&mut first.partitions, &mut later.partitions);
            }
            true
        });
        if repeated > 0 {
            notes.push(format!("{repeated} files are reached twice; each is read once"));
        }
        for (folder, files) in unread {
            let place =
                |path: &Path| candidates.binary_search_by(|c| bytes(&c.found.canonical).cmp(bytes(path)));
            let left = files.iter().filter(|file| place(&file.canonical).is_err()).count();
            if left > 0 {
                notes.push(format!(
                    "{}: {left} files in nested folders not read, since files lie beside them (legacy)",
                    folder.display()
                ));
            }
        }
        candidates.sort_by(|a, b| bytes(&a.found.path).cmp(bytes(&b.found.path)));
        (candidates, notes, source_paths)
    }
}

fn no_match(text: &str) -> Error {
    Error::not_found(format!("no data files match '{text}'"))
        .advice("Names that begin with '_' or '.' are not read")
}

fn below(root: &Path, path: &Path) -> Result<Vec<Partition>> {
    hive::partitions(path.strip_prefix(root).unwrap_or(path))
}

#[cfg(test)]
mod tests;
