//! The files of a state.
//!
//! ```text
//! sums-KEY.state           magic | head: length, digest, bytes | total: length, digest, bytes
//! sums-KEY-CONTENT.parts   the sums of some files, one after the other
//! ```
//!
//! The head stores the cache key, and lists the files with their versions and the locations of their
//! sums in the parts files, each with its digest. The parts are rarely read: only when a file has
//! changed or was removed. So a new day adds one small parts file and rewrites the head. When there are
//! many parts files, or less than half of their bytes are live, they are compacted into one.
//!
//! Parts are written before the head that refers to them, and removed after the last head that did. A
//! reader of an old head finds the parts missing, which it treats as damage.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::key::{digest, footer_digest, is_stable};
use crate::grid::Partial;
use crate::ids::values::ValueType;
use crate::storage::{Folder, Input, ObjectVersion};
use crate::{Error, Result};

/// The number is the version of the format and of the meaning of the sums.
const MAGIC: &[u8] = b"rollshare state 4\n";
/// From this number of parts files on, they are compacted into one.
pub(super) const MAX_PART_FILES: usize = 32;

/// The state of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    name: Arc<str>,
    pub(super) version: ObjectVersion,
    /// Whether every change to the file after it was read changes its version.
    pub(super) is_stable: bool,
    /// Digest of the tail of the file.
    pub(super) footer: Option<u64>,
    pub(super) partitions: Vec<(String, Option<String>)>,
    pub(super) value_type: Option<ValueType>,
    pub(super) rows: u64,
    /// The location of its sums: index of the parts file and offset in it.
    file: usize,
    at: u64,
    len: u64,
    digest: u64,
    /// Its sums, until they are written.
    #[serde(skip)]
    sums: Option<Vec<u8>>,
}

impl Entry {
    /// The entry of a file that was read in a run that began at `listed`; `None` where the file has no
    /// version.
    pub(super) fn new(input: &Input, part: &Partial, listed: i64) -> Result<Option<Entry>> {
        let Some(version) = input.object.version() else { return Ok(None) };
        let sums = encode(part)?;
        Ok(Some(Entry {
            name: input.object.name().clone(),
            is_stable: is_stable(&version, listed),
            // Only where it is compared later: it costs a read.
            footer: if version.tag.is_none() { footer_digest(input.object.as_ref()) } else { None },
            version,
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

/// A parts file, read on first use.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Parts {
    name: String,
    len: u64,
    #[serde(skip)]
    bytes: OnceLock<Vec<u8>>,
}

/// The parsed head of a state.
#[derive(Default)]
pub(super) struct Ledger {
    parts: Vec<Parts>,
    entries: Vec<Entry>,
    by_name: HashMap<Arc<str>, usize>,
    bytes: Vec<u8>,
    total: std::ops::Range<usize>,
}

impl Ledger {
    /// Parses a head; the error describes the damage.
    pub(super) fn parse(bytes: Vec<u8>, cache_key: &str) -> std::result::Result<Self, &'static str> {
        if !bytes.starts_with(MAGIC) {
            return Err("not a state of this version");
        }
        let head = block_range(&bytes, MAGIC.len()).ok_or("the state is cut short")?;
        let body = verified_block(&bytes, &head).ok_or("the state is damaged")?;
        let (of, parts, entries): (String, Vec<Parts>, Vec<Entry>) =
            postcard::from_bytes(body).map_err(|_| "the state is damaged")?;
        if of != cache_key {
            return Err("the state belongs to another job or other sources");
        }
        let total = block_range(&bytes, head.end).ok_or("the state is cut short")?;
        let by_name = entries.iter().zip(0..).map(|(entry, at)| (entry.name.clone(), at)).collect();
        Ok(Ledger { parts, entries, by_name, total, bytes })
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry of the file called `name`.
    pub(super) fn entry(&self, name: &Arc<str>) -> Option<&Entry> {
        self.by_name.get(name).and_then(|at| self.entries.get(*at))
    }

    /// The total of all entries; `None` where it is damaged or does not cover all of them.
    pub(super) fn total(&self) -> Option<Partial> {
        decode(verified_block(&self.bytes, &self.total)?)
    }

    /// The sums of one entry; `None` where they are damaged or missing.
    pub(super) fn part(&self, state: &dyn Folder, entry: &Entry) -> Option<Partial> {
        let sums = self.part_bytes(state, entry)?;
        let part = (digest(sums) == entry.digest).then(|| decode(sums)).flatten()?;
        (part.account.rows == entry.rows && part.value_type == entry.value_type).then_some(part)
    }

    fn part_bytes(&self, state: &dyn Folder, entry: &Entry) -> Option<&[u8]> {
        let parts = self.parts.get(entry.file)?;
        // An unreadable file counts as damaged: no range of it exists.
        let bytes = parts.bytes.get_or_init(|| state.read(&parts.name).ok().flatten().unwrap_or_default());
        let start = usize::try_from(entry.at).ok()?;
        bytes.get(start..start.checked_add(usize::try_from(entry.len).ok()?)?)
    }

    /// Writes the next state. `cached` has an element for each file, in order: entries are carried over,
    /// `None` stands for the next entry of `scanned`. The head is called `name`.
    ///
    /// # Errors
    /// As of [`Folder::write`]; the old state is then unchanged, or its files are read again.
    pub(super) fn write_next(
        &self,
        state: &dyn Folder,
        (name, cache_key): (&str, &str),
        cached: &[Option<&Entry>],
        scanned: Vec<Option<Entry>>,
        total: &Partial,
    ) -> Result<()> {
        let live: u64 = cached.iter().flatten().map(|entry| entry.len).sum();
        let stored: u64 = self.parts.iter().map(|parts| parts.len).sum();
        let rewrite = self.parts.len() >= MAX_PART_FILES || live < stored / 2;
        let mut parts: Vec<Parts> = if rewrite { Vec::new() } else { self.parts.clone() };
        let mut scanned = scanned.into_iter();
        let mut entries = Vec::with_capacity(cached.len());
        let mut sums = Vec::new();
        for entry in cached {
            let mut entry = match entry {
                Some(entry) => (*entry).clone(),
                None => match scanned.next().flatten() {
                    Some(entry) => entry,
                    // A file without a version is never cached.
                    None => continue,
                },
            };
            let of_entry = match entry.sums.take() {
                Some(sums) => Some(sums),
                // A damaged part is written as no bytes, which fail the digest.
                None if rewrite => Some(self.part_bytes(state, &entry).unwrap_or_default().to_owned()),
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
        let head = postcard::to_allocvec(&(cache_key, &parts, &entries)).map_err(cannot_serialise)?;
        let total = if entries.len() == cached.len() { encode(total)? } else { Vec::new() };
        let mut bytes = MAGIC.to_vec();
        for block in [&head, &total] {
            bytes.extend_from_slice(&(block.len() as u64).to_le_bytes());
            bytes.extend_from_slice(&digest(block).to_le_bytes());
            bytes.extend_from_slice(block);
        }
        state.write_cache(name, &bytes)?;
        if rewrite {
            // This removes the parts of killed runs too.
            for old in state.list(&format!("{stem}-"))? {
                if parts.iter().all(|parts| parts.name != old.name) {
                    state.remove(&old.name)?;
                }
            }
        }
        Ok(())
    }
}

/// The range of a block at `at`, with its length and digest; `None` where it is cut short.
fn block_range(bytes: &[u8], at: usize) -> Option<std::ops::Range<usize>> {
    let (len, _) = bytes.get(at..)?.split_first_chunk::<8>()?;
    let end = at.checked_add(16)?.checked_add(usize::try_from(u64::from_le_bytes(*len)).ok()?)?;
    (end <= bytes.len()).then_some(at..end)
}

/// The content of a block; `None` where its digest differs.
fn verified_block<'b>(bytes: &'b [u8], block: &std::ops::Range<usize>) -> Option<&'b [u8]> {
    let (expected, content) = bytes.get(block.clone())?.get(8..)?.split_first_chunk::<8>()?;
    (digest(content) == u64::from_le_bytes(*expected)).then_some(content)
}

fn encode(part: &Partial) -> Result<Vec<u8>> {
    postcard::to_allocvec(part).map_err(cannot_serialise)
}

fn decode(bytes: &[u8]) -> Option<Partial> {
    let part: Partial = postcard::from_bytes(bytes).ok()?;
    part.check().is_ok().then_some(part)
}

fn cannot_serialise(error: postcard::Error) -> Error {
    Error::internal(format!("cannot serialise the state: {error}"))
}
