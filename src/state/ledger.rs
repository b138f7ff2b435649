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
//! many parts files, the small ones are compacted; one of which less than half of the bytes is live always is.
//!
//! A parts file is read or written at a time, and has [`PART_BYTES`] or little more: memory does not grow with the sums.
//!
//! Parts are written before the head that refers to them, and removed after the last head that did. A
//! reader of an old head finds the parts missing, which it treats as damage.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::key::{digest, footer_digest, is_stable};
use crate::grid::Partial;
use crate::ids::values::ValueType;
use crate::storage::{Folder, Input, ObjectVersion};
use crate::{Error, Result};

/// The number is the version of the format and of the meaning of the sums.
const MAGIC: &[u8] = b"rollshare state 4\n";
/// From this number of parts files on, the small ones are compacted.
pub(super) const MAX_PART_FILES: usize = 32;
/// From this many bytes on, a parts file is not small.
const PART_BYTES: usize = 16 << 20;

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
}

impl Entry {
    /// The entry of a file that was read in a run that began at `listed`, and the bytes of its sums; `None` where the
    /// file has no version.
    pub(super) fn new(input: &Input, part: &Partial, listed: i64) -> Result<Option<(Entry, Vec<u8>)>> {
        let Some(version) = input.object.version() else { return Ok(None) };
        let sums = encode(part)?;
        let entry = Entry {
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
        };
        Ok(Some((entry, sums)))
    }
}

/// A parts file.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Parts {
    name: String,
    len: u64,
}

/// The parsed head of a state.
#[derive(Default)]
pub(super) struct Ledger {
    parts: Vec<Parts>,
    entries: Vec<Entry>,
    by_name: HashMap<Arc<str>, usize>,
    /// The block of the total.
    total: Vec<u8>,
}

impl Ledger {
    /// Parses a head; the error describes the damage.
    pub(super) fn parse(bytes: &[u8], cache_key: &str) -> std::result::Result<Self, &'static str> {
        if !bytes.starts_with(MAGIC) {
            return Err("not a state of this version");
        }
        let head = block_range(bytes, MAGIC.len()).ok_or("the state is cut short")?;
        let body = verified_block(bytes, &head).ok_or("the state is damaged")?;
        let (of, parts, entries): (String, Vec<Parts>, Vec<Entry>) =
            postcard::from_bytes(body).map_err(|_| "the state is damaged")?;
        if of != cache_key {
            return Err("the state belongs to another job or other sources");
        }
        let total = block_range(bytes, head.end).ok_or("the state is cut short")?;
        let total = bytes.get(total).unwrap_or_default().to_vec();
        let by_name = entries.iter().zip(0..).map(|(entry, at)| (entry.name.clone(), at)).collect();
        Ok(Ledger { parts, entries, by_name, total })
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
        decode(verified_block(&self.total, &(0..self.total.len()))?)
    }

    /// Calls `each` with the index of each cached entry and its sums, one parts file after the other; `None` where they
    /// are damaged or missing.
    pub(super) fn each_part(
        &self,
        state: &dyn Folder,
        cached: &[Option<&Entry>],
        mut each: impl FnMut(usize, Option<Partial>),
    ) {
        for (file, of_file) in self.by_parts_file(cached) {
            let bytes = self.read_parts(state, file);
            for (at, entry) in of_file {
                let sums = entry.sums_in(&bytes).filter(|sums| digest(sums) == entry.digest);
                let is_of_entry =
                    |part: &Partial| part.account.rows == entry.rows && part.value_type == entry.value_type;
                each(at, sums.and_then(decode).filter(is_of_entry));
            }
        }
    }

    /// The cached entries with their indices, by their parts file.
    fn by_parts_file<'e>(&self, cached: &[Option<&'e Entry>]) -> BTreeMap<usize, Vec<(usize, &'e Entry)>> {
        let mut by_file: BTreeMap<usize, Vec<(usize, &Entry)>> = BTreeMap::new();
        for (at, entry) in cached.iter().enumerate() {
            if let Some(entry) = entry {
                by_file.entry(entry.file).or_default().push((at, entry));
            }
        }
        by_file
    }

    /// The bytes of a parts file. One that cannot be read counts as damaged: no range of it exists.
    fn read_parts(&self, state: &dyn Folder, file: usize) -> Vec<u8> {
        let parts = self.parts.get(file);
        parts.and_then(|parts| state.read(&parts.name).ok().flatten()).unwrap_or_default()
    }

    /// The next state, of `cached.len()` files: their entries are carried over, `None` stands for a file that is read.
    pub(super) fn next<'s>(
        &'s self,
        state: &'s dyn Folder,
        name: &'s str,
        cached: &[Option<&'s Entry>],
    ) -> NextState<'s> {
        let stem = name.strip_suffix(".state").unwrap_or(name);
        let mut next = NextState {
            state,
            name,
            stem,
            parts: Vec::new(),
            sums: Vec::new(),
            entries: vec![None; cached.len()],
            rewrites: false,
            failed: None,
        };
        let by_file = self.by_parts_file(cached);
        let mut rewritten = Vec::new();
        for (file, parts) in self.parts.iter().enumerate() {
            let entries = by_file.get(&file).map(Vec::as_slice).unwrap_or_default();
            let live: u64 = entries.iter().map(|(_, entry)| entry.len).sum();
            let is_small = parts.len < PART_BYTES as u64 && self.parts.len() >= MAX_PART_FILES;
            if is_small || live < parts.len / 2 {
                rewritten.push((file, entries));
                continue;
            }
            for (at, entry) in entries {
                next.put(*at, Entry { file: next.parts.len(), ..(*entry).clone() });
            }
            next.parts.push(parts.clone());
        }
        next.rewrites = !rewritten.is_empty();
        for (file, entries) in rewritten {
            let bytes = if entries.is_empty() { Vec::new() } else { self.read_parts(state, file) };
            for (at, entry) in entries {
                // A damaged part is written as no bytes, which fail the digest.
                next.add(*at, (*entry).clone(), entry.sums_in(&bytes).unwrap_or_default());
            }
        }
        next
    }
}

impl Entry {
    /// The bytes of its sums in those of its parts file.
    fn sums_in<'b>(&self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let start = usize::try_from(self.at).ok()?;
        bytes.get(start..start.checked_add(usize::try_from(self.len).ok()?)?)
    }
}

/// A state that is being written: parts first, then the head that refers to them.
pub(super) struct NextState<'s> {
    state: &'s dyn Folder,
    name: &'s str,
    stem: &'s str,
    /// Those that are written or carried over.
    parts: Vec<Parts>,
    /// The sums of the parts file that is being filled.
    sums: Vec<u8>,
    /// By file; `None` for files that are not cached.
    entries: Vec<Option<Entry>>,
    /// Whether parts files are left behind.
    rewrites: bool,
    /// The first failure: nothing is written after it.
    failed: Option<Error>,
}

impl NextState<'_> {
    fn put(&mut self, at: usize, entry: Entry) {
        if let Some(to) = self.entries.get_mut(at) {
            *to = Some(entry);
        }
    }

    /// Adds the entry of file `at` and its sums.
    pub(super) fn add(&mut self, at: usize, entry: Entry, sums: &[u8]) {
        let (file, offset) = (self.parts.len(), self.sums.len() as u64);
        self.put(at, Entry { file, at: offset, len: sums.len() as u64, ..entry });
        self.sums.extend_from_slice(sums);
        if self.sums.len() >= PART_BYTES {
            self.write_parts();
        }
    }

    /// Writes the sums so far as a parts file.
    fn write_parts(&mut self) {
        let sums = std::mem::take(&mut self.sums);
        if sums.is_empty() || self.failed.is_some() {
            return;
        }
        let name = format!("{}-{:016x}.parts", self.stem, digest(&sums));
        match self.state.write_cache(&name, &sums) {
            Ok(()) => self.parts.push(Parts { name, len: sums.len() as u64 }),
            Err(error) => self.failed = Some(error),
        }
    }

    /// Writes the head, with the total of all files.
    ///
    /// # Errors
    /// As of [`Folder::write`]; the old state is then unchanged, or its files are read again.
    pub(super) fn finish(mut self, cache_key: &str, total: &Partial) -> Result<()> {
        self.write_parts();
        let NextState { state, name, stem, parts, entries, rewrites, failed, .. } = self;
        if let Some(error) = failed {
            return Err(error);
        }
        let files = entries.len();
        // A file without a version is never cached.
        let entries: Vec<Entry> = entries.into_iter().flatten().collect();
        let head = postcard::to_allocvec(&(cache_key, &parts, &entries)).map_err(cannot_serialise)?;
        let total = if entries.len() == files { encode(total)? } else { Vec::new() };
        let mut bytes = MAGIC.to_vec();
        for block in [&head, &total] {
            bytes.extend_from_slice(&(block.len() as u64).to_le_bytes());
            bytes.extend_from_slice(&digest(block).to_le_bytes());
            bytes.extend_from_slice(block);
        }
        state.write_cache(name, &bytes)?;
        if rewrites {
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
