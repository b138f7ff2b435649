//! A day at a time: what unchanged files sum to is kept from run to run.
//!
//! ```text
//! for each file of the run, in order:
//!     its stamp is the one that the state has -> its sums are known
//!     else                                   -> it is scanned, by itself
//! all known, nothing gone  -> start from the total that the state has
//! else                     -> add up the parts of the files that are known
//! add what was scanned; write the parts of that, and the head of the state anew
//! ```
//!
//! Sums merge exactly in any order, so the answer's bytes are those of a run without
//! state. What is kept is a cache: it can be deleted at any time, and whatever about it
//! is damaged, foreign or of another version is left aside and made again.
//!
//! - [`ledger`]: the files of a state: head and parts, their checks, reading and writing.
//! - [`mod@key`]: what tells one question from another, and one version of a file from
//!   the next.

mod key;
mod ledger;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ledger::{Entry, Ledger};

use crate::grid::Partial;
use crate::scan::{self, CachedFile, Options, Profile, Progress};
use crate::storage::hive::is_hidden;
use crate::storage::local::path::resolve;
#[cfg(feature = "s3")]
use crate::storage::s3::Uri;
use crate::storage::source::local_path;
use crate::storage::{Folder, Input, SourcePaths};
use crate::{Error, Job, Result};

/// What the state has saved, and what was wrong with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Reuse {
    /// Files whose sums were known.
    pub files: usize,
    /// Rows of these files.
    pub rows: u64,
    /// Files that are new since the last run with this state.
    pub new: usize,
    /// Files that have changed since then.
    pub changed: usize,
    /// Files that had changed a moment before they were read: they are read again, since
    /// another change in that moment would not show.
    pub unsettled: usize,
    /// Files that are gone since then.
    pub vanished: usize,
    /// What a person should know of the state.
    pub notes: Vec<String>,
}

/// Sums `inputs` as [`scan::scan`] does, reading only those that `state` does not
/// know; then `state` knows them all. `sources` are the inputs as the user named them:
/// each question to each list of sources has a file of its own in the state.
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
) -> Result<(Partial, Profile, Reuse)> {
    let job = job.clone().validated()?;
    let started = Instant::now();
    let listed = now();
    let mut reuse = Reuse::default();
    let cache_key = key::cache_key(&job, sources)?;
    let name = key::file_name(&cache_key);
    let ledger = match state.read(&name) {
        Ok(Some(bytes)) => Ledger::parse(bytes, &cache_key).unwrap_or_else(|why| {
            reuse.notes.push(format!("{}: {why}; all files are read", state.display_path(&name)));
            Ledger::default()
        }),
        Ok(None) => Ledger::default(),
        Err(error) => {
            reuse.notes.push(format!("the state cannot be read, all files are read: {error}"));
            Ledger::default()
        }
    };

    let mut known: Vec<Option<&Entry>> = Vec::with_capacity(inputs.len());
    let mut met = 0;
    for input in inputs {
        let entry = ledger.entry(input.object.name());
        met += usize::from(entry.is_some());
        let same = entry.filter(|entry| key::unchanged(entry, input));
        reuse.changed += usize::from(entry.is_some() && same.is_none());
        reuse.unsettled += usize::from(same.is_some_and(|entry| !entry.settled));
        known.push(same.filter(|entry| entry.settled));
    }
    reuse.new = inputs.len() - met;
    reuse.vanished = ledger.entries().len() - met;
    let sums = known_sums(&ledger, state, &mut known, &mut reuse);
    let loaded = started.elapsed();

    let unknown = |(at, input)| known.get(at).is_some_and(Option::is_none).then_some((at, input));
    let read: Vec<(usize, &Input)> = inputs.iter().enumerate().filter_map(unknown).collect();
    let others: Vec<CachedFile<'_>> = (inputs.iter().enumerate().zip(&known))
        .filter_map(|((at, input), entry)| {
            let entry = (*entry)?;
            let name = input.object.name();
            Some(CachedFile { at, name, value_type: entry.value_type, rows: entry.rows })
        })
        .collect();
    let (parts, mut profile) = scan::scan_each(&job, &read, &others, options, progress)?;

    let merging = Instant::now();
    reuse.files = others.len();
    reuse.rows = others.iter().map(|known| known.rows).sum();
    // Files of no rows have no type; all others have the same.
    let value_type = (known.iter().flatten().find_map(|entry| entry.value_type))
        .or_else(|| parts.iter().find_map(|part| part.value_type));
    let first = Partial { value_type, ..Partial::default() };
    let mut fresh = Vec::with_capacity(parts.len());
    for ((_, input), part) in read.iter().zip(&parts) {
        fresh.push(Entry::new(input, part, listed)?);
    }
    let untyped = |part: Partial| Partial { value_type: None, ..part };
    let total =
        Partial::merge_all([first, sums].into_iter().chain(parts.into_iter().map(untyped)).collect())?;
    total.account.check()?;
    if !read.is_empty() || reuse.vanished > 0 {
        let written = ledger.write_next(state, (&name, &cache_key), &known, fresh, &total);
        if let Err(error) = written {
            reuse.notes.push(format!("the state cannot be written, the next run reads more: {error}"));
        }
    }
    profile.phases.insert(0, ("state", loaded));
    profile.phases.push(("merge", merging.elapsed()));
    Ok((total, profile, reuse))
}

/// Refuses a folder for the state in which a run would take the state for data.
///
/// # Errors
/// `Argument` where a file in `folder` is one of the sources.
pub fn check_disjoint(folder: &str, sources: &SourcePaths) -> Result<()> {
    let path = display_path(folder)?;
    let hidden = |source: &Path| {
        let below = path.strip_prefix(source).unwrap_or(&path);
        below.components().any(|segment| is_hidden(segment.as_os_str()))
    };
    match sources.covering(&path.join("sums.state")) {
        Some(source) if !hidden(source) => {
            Err(Error::argument(format!("the state '{folder}' lies in the source '{}'", source.display()))
                .expected("a folder outside of every source, or one whose name begins with '_'")
                .advice("The next run would take the state for an export"))
        }
        _ => Ok(()),
    }
}

/// Where a folder is, as a [`SourcePaths`] has it.
fn display_path(folder: &str) -> Result<PathBuf> {
    #[cfg(feature = "s3")]
    if Uri::is(folder) {
        return Ok(Uri::parse(folder)?.to_string().trim_end_matches('/').into());
    }
    resolve("state", &local_path(folder)?)
}

/// The sums of the files that are known. Where that takes their parts, a file whose part
/// is damaged is known no longer.
fn known_sums(
    ledger: &Ledger,
    state: &dyn Folder,
    known: &mut [Option<&Entry>],
    reuse: &mut Reuse,
) -> Partial {
    let untyped = |part: Partial| Partial { value_type: None, ..part };
    if known.iter().flatten().count() == ledger.entries().len() {
        match ledger.total() {
            Some(total) => return untyped(total),
            None if ledger.entries().is_empty() => return Partial::default(),
            None => {}
        }
    }
    let mut parts = Vec::with_capacity(known.len());
    let mut damaged = 0usize;
    for slot in known.iter_mut() {
        let Some(entry) = *slot else { continue };
        match ledger.part(state, entry) {
            Some(part) => parts.push(untyped(part)),
            None => {
                damaged += 1;
                *slot = None;
            }
        }
    }
    let sums = Partial::merge_all(parts).unwrap_or_else(|_| {
        // What the state has cannot be added up: none of it is used.
        damaged += known.iter().flatten().count();
        known.fill(None);
        Partial::default()
    });
    if damaged > 0 {
        reuse.notes.push(format!("{damaged} damaged entries in the state; their files are read again"));
    }
    sums
}

/// Nanoseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
