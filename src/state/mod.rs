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
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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
        Ok(Some(bytes)) => Ledger::parse(&bytes, &cache_key).unwrap_or_else(|why| {
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

    let uncached = |(at, hit): (usize, &Option<&Entry>)| hit.is_none().then_some(at);
    let which: Vec<usize> = cached.iter().enumerate().filter_map(uncached).collect();
    let hits: Vec<CachedFile<'_>> = (inputs.iter().enumerate().zip(&cached))
        .filter_map(|((at, input), entry)| {
            let entry = (*entry)?;
            let name = input.object.name();
            Some(CachedFile { at, name, value_type: entry.value_type, rows: entry.rows })
        })
        .collect();
    stats.cached_files = hits.len();
    stats.cached_rows = hits.iter().map(|cached| cached.rows).sum();
    // Files without rows have no type; all others have the same type.
    let mut value_type = cached.iter().flatten().find_map(|entry| entry.value_type);
    let mut merging = Duration::ZERO;
    let is_written = !which.is_empty() || stats.removed > 0;
    let mut next = is_written.then(|| ledger.next(state, &name, &cached));
    let mut sums = RunningTotal::of(sums);
    let mut cost = scan::scan_each(&job, dataset, &which, &hits, options, progress, &mut |at, part| {
        let begun = Instant::now();
        value_type = value_type.or(part.value_type);
        if let (Some(input), Some(next)) = (inputs.get(at), &mut next)
            && let Some((entry, bytes)) = Entry::new(input, &part, listed)?
        {
            next.add(at, entry, &bytes);
        }
        sums.add(part)?;
        merging += begun.elapsed();
        Ok(())
    })?;

    let begun = Instant::now();
    let total = Partial { value_type, ..sums.finish()? };
    total.account.check()?;
    if let Some(Err(error)) = next.map(|next| next.finish(&cache_key, &total)) {
        stats.notes.push(format!("the state cannot be written, the next run reads more: {error}"));
    }
    merging += begun.elapsed();
    cost.phases.insert(0, ("state", loaded));
    cost.phases.push(("merge", merging));
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
    if cached.iter().flatten().count() == ledger.entries().len() {
        match ledger.total() {
            Some(total) => return Partial { value_type: None, ..total },
            None if ledger.entries().is_empty() => return Partial::default(),
            None => {}
        }
    }
    let (mut sums, mut damaged) = (RunningTotal::default(), Vec::new());
    let mut are_mergeable = true;
    ledger.each_part(state, cached, |at, part| match part {
        Some(part) => are_mergeable = are_mergeable && sums.add(part).is_ok(),
        None => damaged.push(at),
    });
    let mut count = damaged.len();
    for at in damaged {
        if let Some(hit) = cached.get_mut(at) {
            *hit = None;
        }
    }
    let sums = sums.finish().ok().filter(|_| are_mergeable).unwrap_or_else(|| {
        // The sums cannot be merged: none of them is used.
        count += cached.iter().flatten().count();
        cached.fill(None);
        Partial::default()
    });
    if count > 0 {
        stats.notes.push(format!("{count} damaged entries in the state; their files are read again"));
    }
    sums
}

/// Sums of files that are merged a number at a time, so that those of all files are never in memory.
#[derive(Default)]
struct RunningTotal {
    /// The sums so far, and those that are still to be merged.
    parts: Vec<Partial>,
}

impl RunningTotal {
    /// The most parts that are kept.
    const PARTS_MAX: usize = 1024;

    fn of(sums: Partial) -> Self {
        RunningTotal { parts: vec![Partial { value_type: None, ..sums }] }
    }

    /// Adds the sums of a file. Their type is that of all files, which is compared elsewhere.
    fn add(&mut self, part: Partial) -> Result<()> {
        self.parts.push(Partial { value_type: None, ..part });
        if self.parts.len() >= Self::PARTS_MAX {
            self.parts = vec![Partial::merge_all(std::mem::take(&mut self.parts))?];
        }
        Ok(())
    }

    fn finish(self) -> Result<Partial> {
        Partial::merge_all(self.parts)
    }
}

/// Nanoseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
