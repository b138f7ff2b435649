//! What tells one question from another, and one version of a file from the next.

use std::hash::{DefaultHasher, Hasher};

use super::ledger::Entry;
use crate::storage::{Input, Object, ObjectVersion};
use crate::{Error, Job, Result};

/// Two changes of a file within one tick of its file system's clock look alike; so a
/// file that had changed just before it was listed is read again by the next run.
/// Kernels tick every 10 ms at the slowest.
const TICK: i64 = 50_000_000;
/// File systems that keep whole seconds; FAT keeps two.
const TICK_COARSE: i64 = 2_100_000_000;
const SECOND: i64 = 1_000_000_000;

/// Footer and magic take eight bytes; what lies before them differs with every page.
const TAIL: u64 = 64 * 1024;

/// A digest of `bytes`. A change of its algorithm makes old states foreign, no more.
pub(super) fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// What `job` sums of `sources`, spelled out. Windows and details are worked out of the
/// sums and change none.
pub(super) fn cache_key(job: &Job, sources: &[String]) -> Result<String> {
    let sums = Job { windows: Job::default().windows, details: false, ..job.clone() };
    serde_json::to_string(&(sums, sources)).map_err(|e| Error::internal(format!("cannot serialise: {e}")))
}

/// The name of the file that holds the answer's sums.
pub(super) fn file_name(cache_key: &str) -> String {
    format!("sums-{:016x}.state", digest(cache_key.as_bytes()))
}

/// Whether the file is still what the entry is of.
pub(super) fn unchanged(entry: &Entry, input: &Input) -> bool {
    entry.partitions == input.partitions
        && input.object.stamp().is_some_and(|stamp| {
            stamp == entry.stamp
                // Where nothing changes with every change, the footer has to be the same too.
                && (stamp.version.is_some() || footer(input.object.as_ref()) == entry.footer)
        })
}

/// Whether a later change to a file with this stamp, listed at `listed`, is sure to show.
pub(super) fn settled(stamp: &ObjectVersion, listed: i64) -> bool {
    match stamp.ticked.or(stamp.modified.filter(|_| stamp.version.is_none())) {
        // An ETag is of the content: it needs no clock.
        None => stamp.version.is_some(),
        Some(ticked) => {
            let tick = if ticked % SECOND == 0 { TICK_COARSE } else { TICK };
            listed.saturating_sub(ticked) > tick
        }
    }
}

/// A digest of the file's end, where its footer is.
pub(super) fn footer(object: &dyn Object) -> Option<u64> {
    let len = object.len();
    object.read(len.saturating_sub(TAIL)..len).ok().map(|tail| digest(&tail))
}
