//! The state: a cache of the sums of unchanged files from run to run.
//!
//! ```text
//! for each file of the run, in order:
//!     its version is the one in the state -> its sums are cached
//!     else                                -> it is scanned separately
//! all cached, none removed -> start from the total in the state
//! else                     -> add up the parts of the cached files
//! add the sums of the scanned files; write their parts, and rewrite the head of the state
//! ```
//!
//! Sums merge exactly in any order, so the output is byte for byte that of a run without state. The
//! state can be deleted at any time. A state that is damaged, of another job or of another version is
//! ignored and rewritten.
//!
//! - [`ledger`]: the files of a state, head and parts: verification, reading and writing.
//! - [`mod@key`]: the cache key, and the comparison of file versions.

mod key;
mod ledger;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ledger::{Entry, Ledger};

use crate::dataset::Dataset;
use crate::grid::Partial;
use crate::scan::{self, CachedFile, Options, Progress, ScanStats};
use crate::storage::hive::is_hidden;
use crate::storage::local::path::resolve;
#[cfg(feature = "s3")]
use crate::storage::s3::Uri;
use crate::storage::source::local_path;
use crate::storage::{Folder, Input, SourcePaths};
use crate::{Error, Job, Result};

/// Cache hits and misses of a run with state.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CacheStats {
    /// Cache hits: files whose sums were reused.
    #[serde(rename = "files")]
    pub cached_files: usize,
    /// Rows of these files.
    #[serde(rename = "rows")]
    pub cached_rows: u64,
    /// Files that the state does not list.
    pub new: usize,
    /// Files whose version differs from the one in the state.
    pub changed: usize,
    /// Files that changed just before the previous run read them: they are read again, since another
    /// change within the same clock tick cannot be detected.
    #[serde(rename = "unsettled")]
    pub recently_written: usize,
    /// Files in the state that no longer exist.
    #[serde(rename = "vanished")]
    pub removed: usize,
    /// Notes for the user.
    pub notes: Vec<String>,
}

/// Sums `inputs` as [`scan::scan`] does; reads only the files that `state` does not have, and adds
/// them to it. `sources` are the inputs as the user named them: each job on each list of sources has a
/// separate file in the state.
///
/// # Errors
/// As of [`scan::scan`]. A state that cannot be read or written is a note, not an error.
pub fn scan(
    job: &Job,
    sources: &[String],
    inputs: &[Input],
    options: &Options,
    progress: &dyn Progress,
    state: &dyn Folder,
) -> Result<(Partial, ScanStats, CacheStats)> {
    scan_dataset(job, sources, &Dataset::unopened(inputs), options, progress, state)
}

/// As `scan`, for inputs that may be open already.
///
/// # Errors
/// As of `scan`.
pub fn scan_dataset(
    job: &Job,
    sources: &[String],
    dataset: &Dataset<'_>,
    options: &Options,
    progress: &dyn Progress,
    state: &dyn Folder,
) -> Result<(Partial, ScanStats, CacheStats)> {
    let inputs = dataset.inputs();
    let job = job.clone().validated()?;
    let started = Instant::now();
    let listed = now();
    let mut stats = CacheStats::default();
    let cache_key = key::cache_key(&job, sources)?;
    let name = key::file_name(&cache_key);
    let ledger = match state.read(&name) {
        Ok(Some(bytes)) => Ledger::parse(bytes, &cache_key).unwrap_or_else(|why| {
            stats.notes.push(format!("{}: {why}; all files are read", state.display_path(&name)));
            Ledger::default()
        }),
        Ok(None) => Ledger::default(),
        Err(error) => {
            stats.notes.push(format!("the state cannot be read, all files are read: {error}"));
            Ledger::default()
        }
    };

    let mut cached: Vec<Option<&Entry>> = Vec::with_capacity(inputs.len());
    let mut listed_before = 0;
    for input in inputs {
        let entry = ledger.entry(input.object.name());
        listed_before += usize::from(entry.is_some());
        let same = entry.filter(|entry| key::is_unchanged(entry, input));
        stats.changed += usize::from(entry.is_some() && same.is_none());
        stats.recently_written += usize::from(same.is_some_and(|entry| !entry.is_stable));
        cached.push(same.filter(|entry| entry.is_stable));
    }
    stats.new = inputs.len() - listed_before;
    stats.removed = ledger.entries().len() - listed_before;
    let sums = sum_cached(&ledger, state, &mut cached, &mut stats);
    let loaded = started.elapsed();

    let uncached = |(at, input)| cached.get(at).is_some_and(Option::is_none).then_some((at, input));
    let read: Vec<(usize, &Input)> = inputs.iter().enumerate().filter_map(uncached).collect();
    let which: Vec<usize> = read.iter().map(|(at, _)| *at).collect();
    let hits: Vec<CachedFile<'_>> = (inputs.iter().enumerate().zip(&cached))
        .filter_map(|((at, input), entry)| {
            let entry = (*entry)?;
            let name = input.object.name();
            Some(CachedFile { at, name, value_type: entry.value_type, rows: entry.rows })
        })
        .collect();
    let (parts, mut cost) = scan::scan_each(&job, dataset, &which, &hits, options, progress)?;

    let merging = Instant::now();
    stats.cached_files = hits.len();
    stats.cached_rows = hits.iter().map(|cached| cached.rows).sum();
    // Files without rows have no type; all others have the same type.
    let value_type = (cached.iter().flatten().find_map(|entry| entry.value_type))
        .or_else(|| parts.iter().find_map(|part| part.value_type));
    let first = Partial { value_type, ..Partial::default() };
    let mut scanned = Vec::with_capacity(parts.len());
    for ((_, input), part) in read.iter().zip(&parts) {
        scanned.push(Entry::new(input, part, listed)?);
    }
    let untyped = |part: Partial| Partial { value_type: None, ..part };
    let total =
        Partial::merge_all([first, sums].into_iter().chain(parts.into_iter().map(untyped)).collect())?;
    total.account.check()?;
    if !read.is_empty() || stats.removed > 0 {
        let written = ledger.write_next(state, (&name, &cache_key), &cached, scanned, &total);
        if let Err(error) = written {
            stats.notes.push(format!("the state cannot be written, the next run reads more: {error}"));
        }
    }
    cost.phases.insert(0, ("state", loaded));
    cost.phases.push(("merge", merging.elapsed()));
    Ok((total, cost, stats))
}

/// Rejects a state folder that a run would read as data.
///
/// # Errors
/// `Argument` where a file in `folder` is one of the sources.
pub fn check_disjoint(folder: &str, sources: &SourcePaths) -> Result<()> {
    let path = absolute_path(folder)?;
    let hidden = |source: &Path| {
        let below = path.strip_prefix(source).unwrap_or(&path);
        below.components().any(|segment| is_hidden(segment.as_os_str()))
    };
    match sources.covering(&path.join("sums.state")) {
        Some(source) if !hidden(source) => {
            Err(Error::argument(format!("the state '{folder}' lies in the source '{}'", source.display()))
                .expected("a folder outside of every source, or one whose name begins with '_'")
                .advice("The next run would read the state as an export"))
        }
        _ => Ok(()),
    }
}

/// The absolute path of a folder, comparable with [`SourcePaths`].
fn absolute_path(folder: &str) -> Result<PathBuf> {
    #[cfg(feature = "s3")]
    if Uri::is_s3(folder) {
        return Ok(Uri::parse(folder)?.to_string().trim_end_matches('/').into());
    }
    resolve("state", &local_path(folder)?)
}

/// Adds up the sums of the cached files. Where that reads their parts, a file with a damaged part is
/// removed from `cached`.
fn sum_cached(
    ledger: &Ledger,
    state: &dyn Folder,
    cached: &mut [Option<&Entry>],
    stats: &mut CacheStats,
) -> Partial {
    let untyped = |part: Partial| Partial { value_type: None, ..part };
    if cached.iter().flatten().count() == ledger.entries().len() {
        match ledger.total() {
            Some(total) => return untyped(total),
            None if ledger.entries().is_empty() => return Partial::default(),
            None => {}
        }
    }
    let mut parts = Vec::with_capacity(cached.len());
    let mut damaged = 0usize;
    for hit in cached.iter_mut() {
        let Some(entry) = *hit else { continue };
        match ledger.part(state, entry) {
            Some(part) => parts.push(untyped(part)),
            None => {
                damaged += 1;
                *hit = None;
            }
        }
    }
    let sums = Partial::merge_all(parts).unwrap_or_else(|_| {
        // The sums cannot be merged: none of them is used.
        damaged += cached.iter().flatten().count();
        cached.fill(None);
        Partial::default()
    });
    if damaged > 0 {
        stats.notes.push(format!("{damaged} damaged entries in the state; their files are read again"));
    }
    sums
}

/// Nanoseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
