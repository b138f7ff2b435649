//! The files of a state.
//!
//! ```text
//! sums-QUESTION.state           magic | head: length, digest, bytes | total: length, digest, bytes
//! sums-QUESTION-CONTENT.parts   the sums of some files, one after the other
//! ```
//!
//! The head says of which question this is, and lists the files with their stamps and where
//! the sums of each lie among the parts, each with a digest of its own. Usually nobody reads
//! the parts: they are for the day on which a file has changed or gone. So a day more is a
//! small file of parts more, and the head anew; when there are many, or half of what they
//! hold is of no file any more, they become one.
//!
//! Parts are written before the head that names them, and go after the last one that did.
//! Who reads an old head meanwhile finds them gone, as it would find them damaged.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::key::{digest, footer, settled};
use crate::grid::Partial;
use crate::ids::values::ValueType;
use crate::storage::{Folder, Input, ObjectVersion};
use crate::{Error, Result};

/// The number counts versions of the format and of what sums mean.
const MAGIC: &[u8] = b"rollshare state 2\n";
/// Files of parts from which on they become one.
pub(super) const MOST: usize = 32;

/// What the state knows of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    name: Arc<str>,
    pub(super) stamp: ObjectVersion,
    /// Whether a change to the file after it was read is sure to show in its stamp.
    pub(super) settled: bool,
    /// Digest of the file's end.
    pub(super) footer: Option<u64>,
    pub(super) partitions: Vec<(String, Option<String>)>,
    pub(super) value_type: Option<ValueType>,
    pub(super) rows: u64,
    /// Where its sums lie: in which file of parts, and where in it.
    file: usize,
    at: u64,
    len: u64,
    digest: u64,
    /// Its sums, until they are written.
    #[serde(skip)]
    sums: Option<Vec<u8>>,
}

impl Entry {
    /// A file that was read in a run which began at `listed`; `None` where nothing
    /// tells its versions apart.
    pub(super) fn new(input: &Input, part: &Partial, listed: i64) -> Result<Option<Entry>> {
        let Some(stamp) = input.object.stamp() else { return Ok(None) };
        let sums = encode(part)?;
        Ok(Some(Entry {
            name: input.object.name().clone(),
            settled: settled(&stamp, listed),
            // Only where it will be asked for: it takes a read.
            footer: if stamp.version.is_none() { footer(input.object.as_ref()) } else { None },
            stamp,
            partitions: input.partitions.clone(),
            value_type: part.value_type,
            rows: part.account.rows,
            file: 0,
            at: 0,
            len: 0,
            digest: digest(&sums),
            sums: Some(sums),
        }))
    }
}

/// A file of parts, read when somebody looks at one of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Parts {
    name: String,
    len: u64,
    #[serde(skip)]
    bytes: OnceLock<Vec<u8>>,
}

/// The head of a state, parsed.
#[derive(Default)]
pub(super) struct Ledger {
    parts: Vec<Parts>,
    entries: Vec<Entry>,
    by_name: HashMap<Arc<str>, usize>,
    bytes: Vec<u8>,
    total: std::ops::Range<usize>,
}

impl Ledger {
    /// Reads the bytes of a head; the error says what is wrong with them.
    pub(super) fn parse(bytes: Vec<u8>, cache_key: &str) -> std::result::Result<Self, &'static str> {
        if !bytes.starts_with(MAGIC) {
            return Err("not a state of this version");
        }
        let head = block(&bytes, MAGIC.len()).ok_or("the state is cut short")?;
        let body = checked(&bytes, &head).ok_or("the state is damaged")?;
        let (of, parts, entries): (String, Vec<Parts>, Vec<Entry>) =
            postcard::from_bytes(body).map_err(|_| "the state is damaged")?;
        if of != cache_key {
            return Err("the state of another question");
        }
        let total = block(&bytes, head.end).ok_or("the state is cut short")?;
        let by_name = entries.iter().zip(0..).map(|(entry, at)| (entry.name.clone(), at)).collect();
        Ok(Ledger { parts, entries, by_name, total, bytes })
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What is known of the file called `name`.
    pub(super) fn entry(&self, name: &Arc<str>) -> Option<&Entry> {
        self.by_name.get(name).and_then(|at| self.entries.get(*at))
    }

    /// The sums of all entries together; `None` where they are damaged, or not of all.
    pub(super) fn total(&self) -> Option<Partial> {
        decode(checked(&self.bytes, &self.total)?)
    }

    /// The sums of one entry; `None` where they are damaged or gone.
    pub(super) fn part(&self, state: &dyn Folder, entry: &Entry) -> Option<Partial> {
        let sums = self.stored(state, entry)?;
        let part = (digest(sums) == entry.digest).then(|| decode(sums)).flatten()?;
        (part.account.rows == entry.rows && part.value_type == entry.value_type).then_some(part)
    }

    fn stored(&self, state: &dyn Folder, entry: &Entry) -> Option<&[u8]> {
        let parts = self.parts.get(entry.file)?;
        let bytes = parts.bytes.get_or_init(|| state.read(&parts.name).ok().flatten().unwrap_or_default());
        let start = usize::try_from(entry.at).ok()?;
        bytes.get(start..start.checked_add(usize::try_from(entry.len).ok()?)?)
    }

    /// Writes the state that comes after, of the files of `known` in their order: those
    /// that are known are carried over, the others are `fresh`. Its head is called `name`.
    ///
    /// # Errors
    /// Of the store; what was there is then untouched, or its files are read again.
    pub(super) fn write_next(
        &self,
        state: &dyn Folder,
        (name, cache_key): (&str, &str),
        known: &[Option<&Entry>],
        fresh: Vec<Option<Entry>>,
        total: &Partial,
    ) -> Result<()> {
        let carried: u64 = known.iter().flatten().map(|entry| entry.len).sum();
        let held: u64 = self.parts.iter().map(|parts| parts.len).sum();
        let anew = self.parts.len() >= MOST || carried < held / 2;
        let mut parts: Vec<Parts> = if anew { Vec::new() } else { self.parts.clone() };
        let mut fresh = fresh.into_iter();
        let mut entries = Vec::with_capacity(known.len());
        let mut sums = Vec::new();
        for entry in known {
            let mut entry = match entry {
                Some(entry) => (*entry).clone(),
                None => match fresh.next().flatten() {
                    Some(entry) => entry,
                    // Nothing tells its versions apart: it is never known.
                    None => continue,
                },
            };
            let of_entry = match entry.sums.take() {
                Some(sums) => Some(sums),
                // A damaged part is carried over as nothing, which no digest fits.
                None if anew => Some(self.stored(state, &entry).unwrap_or_default().to_owned()),
                None => None,
            };
            if let Some(of_entry) = of_entry {
                (entry.file, entry.at, entry.len) = (parts.len(), sums.len() as u64, of_entry.len() as u64);
                sums.extend_from_slice(&of_entry);
            }
            entries.push(entry);
        }
        let stem = name.strip_suffix(".state").unwrap_or(name);
        if !sums.is_empty() {
            let name = format!("{stem}-{:016x}.parts", digest(&sums));
            state.write_cache(&name, &sums)?;
            parts.push(Parts { name, len: sums.len() as u64, bytes: OnceLock::new() });
        }
        let head = postcard::to_allocvec(&(cache_key, &parts, &entries)).map_err(unserialised)?;
        let total = if entries.len() == known.len() { encode(total)? } else { Vec::new() };
        let mut bytes = MAGIC.to_vec();
        for block in [&head, &total] {
            bytes.extend_from_slice(&(block.len() as u64).to_le_bytes());
            bytes.extend_from_slice(&digest(block).to_le_bytes());
            bytes.extend_from_slice(block);
        }
        state.write_cache(name, &bytes)?;
        if anew {
            // Those of runs that were killed too.
            for old in state.list(&format!("{stem}-"))? {
                if parts.iter().all(|parts| parts.name != old.name) {
                    state.remove(&old.name)?;
                }
            }
        }
        Ok(())
    }
}

/// A block at `at` with its length and digest.
fn block(bytes: &[u8], at: usize) -> Option<std::ops::Range<usize>> {
    let (len, _) = bytes.get(at..)?.split_first_chunk::<8>()?;
    let end = at.checked_add(16)?.checked_add(usize::try_from(u64::from_le_bytes(*len)).ok()?)?;
    (end <= bytes.len()).then_some(at..end)
}

/// The content of a block, if its digest fits.
fn checked<'b>(bytes: &'b [u8], block: &std::ops::Range<usize>) -> Option<&'b [u8]> {
    let (said, content) = bytes.get(block.clone())?.get(8..)?.split_first_chunk::<8>()?;
    (digest(content) == u64::from_le_bytes(*said)).then_some(content)
}

fn encode(part: &Partial) -> Result<Vec<u8>> {
    postcard::to_allocvec(part).map_err(unserialised)
}

fn decode(bytes: &[u8]) -> Option<Partial> {
    let part: Partial = postcard::from_bytes(bytes).ok()?;
    part.check().is_ok().then_some(part)
}

fn unserialised(error: postcard::Error) -> Error {
    Error::internal(format!("cannot serialise the state: {error}"))
}
