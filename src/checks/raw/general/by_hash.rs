//! Rows by the hash of their key, in parts: one pass over the files, whatever the number of rows.
//!
//! ```text
//! add    rows go to the buffer of the part of their hash; full buffers are stored, in memory or in a temporary file
//! each   the rows of a part are sorted by hash and number, and judged; threads take one part after the other
//! ```
//!
//! Memory is bounded by [`MEMORY`], a buffer for each part, and a part for each thread. Rows of one key are in one part,
//! so they are in memory together.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::rows::Hashed;
use crate::storage::{Segment, Spool};
use crate::{Error, Result};

/// Bytes of rows that stay in memory.
pub const MEMORY: u64 = 32 << 20;
/// Rows of a part, on average.
const PART_ROWS: u64 = 1 << 18;
/// The most parts: a buffer for each is in memory.
const PARTS_MAX: u64 = 1 << 10;
/// Bytes of a buffer.
const BUFFER_BYTES: usize = 64 << 10;
/// Rows that are given to their parts at a time.
const BATCH: usize = 1 << 12;

/// A value beside a hash, stored in a fixed number of bytes.
pub trait Stored: Sized + Copy + Send {
    /// The bytes of a value.
    const BYTES: usize;

    /// Appends the bytes.
    fn store(self, to: &mut Vec<u8>);

    /// Reads the bytes of [`Self::store`].
    fn load(bytes: &[u8]) -> Option<Self>;
}

impl Stored for f64 {
    const BYTES: usize = 8;

    fn store(self, to: &mut Vec<u8>) {
        to.extend(self.to_le_bytes());
    }

    fn load(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk().map(|bytes| f64::from_le_bytes(*bytes))
    }
}

/// Rows by the range of their hash.
pub struct ByHash {
    spool: Spool,
    parts: Vec<Mutex<Part>>,
    buffer_bytes: usize,
}

/// The stored rows of some hashes.
#[derive(Default)]
struct Part {
    buffer: Vec<u8>,
    full: Vec<Segment>,
}

impl ByHash {
    /// No rows; parts for about `rows` of them, of which `memory` bytes stay in memory.
    pub fn new(rows: u64, memory: u64) -> Self {
        let parts = rows.div_ceil(PART_ROWS).clamp(1, PARTS_MAX);
        // A few rows need no parts, and small bounds are for tests.
        let buffer_bytes = BUFFER_BYTES.min(usize::try_from(memory).unwrap_or(BUFFER_BYTES));
        ByHash {
            spool: Spool::new(memory, "Rows are compared there if they do not fit in memory"),
            parts: (0..parts).map(|_| Mutex::default()).collect(),
            buffer_bytes,
        }
    }

    /// Adds rows, and empties the list.
    ///
    /// # Errors
    /// `Io` where the temporary file cannot be written.
    fn add<T: Stored>(&self, rows: &mut Vec<Hashed<T>>) -> Result<()> {
        let parts = self.parts.len() as u64;
        let part_of = |row: &Hashed<T>| row.0 % parts;
        if parts > 1 {
            rows.sort_unstable_by_key(part_of);
        }
        for of_part in rows.chunk_by(|a, b| part_of(a) == part_of(b)) {
            let at = of_part.first().and_then(|row| usize::try_from(part_of(row)).ok());
            let part = at.and_then(|at| self.parts.get(at)).ok_or_else(|| Error::internal("no such part"))?;
            let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
            for (hash, row, value) in of_part {
                part.buffer.extend(hash.to_le_bytes());
                part.buffer.extend(row.to_le_bytes());
                value.store(&mut part.buffer);
            }
            if part.buffer.len() >= self.buffer_bytes {
                let full = std::mem::take(&mut part.buffer);
                part.full.push(self.spool.store(full)?);
            }
        }
        rows.clear();
        Ok(())
    }

    /// What `judge` finds in the rows of all parts, each sorted by hash and number.
    ///
    /// # Errors
    /// `Io` where the temporary file cannot be read.
    pub fn each<T: Stored, F: Default + Send>(
        self,
        judge: impl Fn(&[Hashed<T>]) -> F + Sync,
        merge: impl Fn(&mut F, F) + Sync,
    ) -> Result<F> {
        let ByHash { spool, parts, .. } = self;
        let merged = |mut found: F, other: F| {
            merge(&mut found, other);
            Ok(found)
        };
        parts
            .into_par_iter()
            .with_max_len(1)
            .map(|part| {
                let Part { buffer, full } = part.into_inner().unwrap_or_else(PoisonError::into_inner);
                let bytes = buffer.len() as u64 + full.iter().map(Segment::size).sum::<u64>();
                let count = usize::try_from(bytes).unwrap_or(usize::MAX) / (16 + T::BYTES);
                let mut rows: Vec<Hashed<T>> = Vec::with_capacity(count);
                load(&buffer, &mut rows)?;
                for segment in full {
                    load(&spool.read(&segment, 0..segment.size())?, &mut rows)?;
                }
                rows.sort_unstable_by_key(|(hash, row, _)| (*hash, *row));
                Ok(judge(&rows))
            })
            .try_fold(F::default, |found, other: Result<F>| merged(found, other?))
            .try_reduce(F::default, merged)
    }
}

/// Appends stored rows to `rows`.
fn load<T: Stored>(bytes: &[u8], rows: &mut Vec<Hashed<T>>) -> Result<()> {
    for row in bytes.chunks(16 + T::BYTES) {
        let number = |at: usize| row.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        let stored = (|| Some((number(0)?, number(8)?, T::load(row.get(16..)?)?)))();
        rows.push(stored.ok_or_else(|| Error::internal("a stored row that is cut"))?);
    }
    Ok(())
}

/// Gives rows to their parts, many at a time.
pub struct Batch<'b, T: Stored> {
    to: &'b ByHash,
    rows: Vec<Hashed<T>>,
    failed: Result<()>,
}

impl<'b, T: Stored> Batch<'b, T> {
    /// No rows.
    pub fn new(to: &'b ByHash) -> Self {
        Batch { to, rows: Vec::new(), failed: Ok(()) }
    }

    /// Adds a row. An error is one of [`Self::finish`].
    pub fn push(&mut self, row: Hashed<T>) {
        self.rows.push(row);
        if self.rows.len() >= BATCH {
            let added = self.to.add(&mut self.rows);
            if self.failed.is_ok() {
                self.failed = added;
            }
            self.rows.clear();
        }
    }

    /// Adds the last rows.
    ///
    /// # Errors
    /// `Io` where the temporary file could not be written.
    pub fn finish(mut self) -> Result<()> {
        self.failed?;
        self.to.add(&mut self.rows)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::checks::raw::general::counts::mix;

    /// All rows of all parts.
    fn all(by_hash: ByHash) -> Vec<Hashed<f64>> {
        let mut rows: Vec<Hashed<f64>> = by_hash
            .each(
                |rows| {
                    assert!(rows.is_sorted_by_key(|(hash, row, _)| (*hash, *row)));
                    rows.to_vec()
                },
                |all, mut rows| all.append(&mut rows),
            )
            .unwrap();
        rows.sort_unstable_by_key(|(hash, row, _)| (*hash, *row));
        rows
    }

    #[test]
    fn every_row_is_judged_once_with_those_of_its_hash() {
        let row = |at: u32| (mix(u64::from(at % 7_000)), u64::from(at), f64::from(at) + 0.5);
        let rows: Vec<Hashed<f64>> = (0..20_000).map(row).collect();
        let mut sorted = rows.clone();
        sorted.sort_unstable_by_key(|(hash, row, _)| (*hash, *row));
        // One part and several; in memory and in a file.
        let many = 20 * PART_ROWS;
        for (expected, memory) in [(0, MEMORY), (0, 1 << 10), (many, MEMORY), (many, 1 << 10)] {
            let by_hash = ByHash::new(expected, memory);
            rows.par_chunks(5_003).for_each(|rows| {
                let mut batch = Batch::new(&by_hash);
                rows.iter().for_each(|row| batch.push(*row));
                batch.finish().unwrap();
            });
            let is_in_file = |part: &Mutex<Part>| {
                part.lock().unwrap().full.iter().any(|segment| matches!(segment, Segment::File(_)))
            };
            assert_eq!(by_hash.parts.iter().any(is_in_file), memory < MEMORY);
            assert_eq!(all(by_hash), sorted);
        }
    }
}
