//! The cache key of a job, and the comparison of file versions.

use std::hash::{DefaultHasher, Hasher};

use super::ledger::Entry;
use crate::storage::{Input, Object, ObjectVersion};
use crate::{Error, Job, Result};

/// Two changes of a file within one tick of the file system's clock have the same change time. So the
/// next run reads a file again that changed just before it was listed. Kernels tick at least every
/// 10 ms.
const TICK: i64 = 50_000_000;
/// For file systems that store whole seconds; FAT stores multiples of two.
const TICK_COARSE: i64 = 2_100_000_000;
const SECOND: i64 = 1_000_000_000;

/// Length of the digested tail. The last eight bytes are the length of the footer and the magic number;
/// the bytes before them differ with every page.
const TAIL: u64 = 64 * 1024;

/// A digest of `bytes`. Another algorithm would only invalidate old states.
pub(super) fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// The cache key of `job` on `sources`: all that affects the sums. Windows, details and dates are
/// computed from the sums and are left out.
pub(super) fn cache_key(job: &Job, sources: &[String]) -> Result<String> {
    let sums = Job { windows: Job::default().windows, details: false, dates: false, ..job.clone() };
    serde_json::to_string(&(sums, sources)).map_err(|e| Error::internal(format!("cannot serialise: {e}")))
}

/// The name of the head file for a cache key.
pub(super) fn file_name(cache_key: &str) -> String {
    format!("sums-{:016x}.state", digest(cache_key.as_bytes()))
}

/// Whether the file is still the version of the entry.
pub(super) fn is_unchanged(entry: &Entry, input: &Input) -> bool {
    entry.partitions == input.partitions
        && input.object.version().is_some_and(|version| {
            version == entry.version
                // Without a tag that changes with every change, the tail must be the same too.
                && (version.tag.is_some() || footer_digest(input.object.as_ref()) == entry.footer)
        })
}

/// Whether every later change to a file with this version, listed at `listed`, is detectable.
pub(super) fn is_stable(version: &ObjectVersion, listed: i64) -> bool {
    match version.changed.or(version.modified.filter(|_| version.tag.is_none())) {
        // An ETag depends on the content: it needs no clock.
        None => version.tag.is_some(),
        Some(ticked) => {
            let tick = if ticked % SECOND == 0 { TICK_COARSE } else { TICK };
            listed.saturating_sub(ticked) > tick
        }
    }
}

/// A digest of the tail of the file, with its footer.
pub(super) fn footer_digest(object: &dyn Object) -> Option<u64> {
    let len = object.len();
    object.read(len.saturating_sub(TAIL)..len).ok().map(|tail| digest(&tail))
}
