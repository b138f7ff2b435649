//! The history as one small parquet file, one row a point.
//!
//! One file is replaced atomically, so weeks, channels and days are always of the same run. The reader
//! of this crate reads it, which trusts no length in a file. A number that a disk or a person has changed is never
//! compared with the next run: every row has the CRC-32 of all rows, and the footer that of all bytes of the file. The
//! latter alone finds damage that leaves no row to look at, such as a row group of 0 rows. Earlier versions wrote the
//! former only. The history of another question than that of the default profile has one more row, which names it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::{History, Panel, Point, Totals};
use crate::ids::column::{Chunk, Column as Stored};
use crate::ids::cursor::Cursor;
use crate::parquet::footer;
use crate::publish::parquet;
use crate::storage::{Folder, MemoryObject, Precondition};
use crate::table::{Column, ColumnData, Table};
use crate::{Error, Result};

/// The name of the file in the folder beside a target.
pub const FILE: &str = "history/published.parquet";
/// The most cells (names times steps) of a panel; a larger one is damage.
pub const CELLS_MAX: usize = 1 << 24;
/// The kind of the row that names the question.
const QUESTION: i32 = 3;
/// The key of the file's CRC-32 in the footer.
const CRC_KEY: &str = "rollshare.crc32";
/// The CRC-32 in hexadecimal, before it is known; it is computed with this in its place.
const NO_CRC: &[u8; 8] = b"00000000";

/// The result of [`read`].
#[allow(clippy::large_enum_variant)] // one a run
pub enum LoadedHistory {
    /// Nothing was published yet.
    Nothing,
    /// The history.
    History(History),
    /// The file is damaged; the reason.
    Damaged(String),
}

/// Reads the history; also returns the precondition with which [`write()`] replaces this version.
///
/// # Errors
/// `Io` where the file cannot be read; a damaged file is not an error.
pub fn read(folder: &dyn Folder, file: &str) -> Result<(LoadedHistory, Precondition)> {
    let (bytes, version) = folder.read_version(file)?;
    let Some(bytes) = bytes else { return Ok((LoadedHistory::Nothing, version)) };
    let found = match decode(&folder.display_path(file), bytes) {
        Ok(history) => LoadedHistory::History(history),
        Err(error) => LoadedHistory::Damaged(error.to_string()),
    };
    Ok((found, version))
}

/// Replaces the version of the history that was read, atomically.
///
/// # Errors
/// `Io` where it cannot be written, `Data` where another run has written it meanwhile.
pub fn write(folder: &dyn Folder, file: &str, history: &History, version: &Precondition) -> Result<()> {
    if folder.write_if(file, &encode(history)?, version)? {
        return Ok(());
    }
    Err(Error::data("another run has written the history since this one read it")
        .expected("one run at a time for a target")
        .advice("The next run is compared with what that run published")
        .in_file(&folder.display_path(file).into()))
}

/// Encodes the history as a file.
pub fn encode(history: &History) -> Result<Vec<u8>> {
    let panels = [&history.totals.weeks, &history.totals.channels, &history.totals.days];
    let points = panels.iter().map(|panel| panel.points().count()).sum();
    let ints = || Vec::<i32>::with_capacity(points);
    let numbers = || Vec::<f64>::with_capacity(points);
    let (mut kinds, mut steps, mut complete) = (ints(), ints(), ints());
    let (mut rows, mut users, mut organic) = (numbers(), numbers(), numbers());
    let (mut names, mut runs) = (Vec::with_capacity(points), Vec::with_capacity(points));
    let mut dictionary = Vec::<Arc<str>>::new();
    for (kind, panel) in (0..).zip(panels) {
        let base = u32::try_from(dictionary.len()).unwrap_or(u32::MAX);
        dictionary.extend(panel.names().iter().cloned());
        for (name, step, point) in panel.entries() {
            kinds.push(kind);
            steps.push(step);
            complete.push(i32::from(point.complete));
            names.push(base + u32::try_from(name).unwrap_or(u32::MAX));
            runs.push(point.run);
            rows.push(point.rows);
            users.push(point.users);
            organic.push(point.organic);
        }
    }
    if !history.totals.question.is_empty() && !history.runs.is_empty() {
        let question = u32::try_from(dictionary.len()).unwrap_or(u32::MAX);
        dictionary.push(history.totals.question.clone());
        [&mut kinds, &mut steps, &mut complete]
            .into_iter()
            .zip([QUESTION, 0, 0])
            .for_each(|(to, v)| to.push(v));
        [&mut names, &mut runs].into_iter().zip([question, 0]).for_each(|(to, v)| to.push(v));
        [&mut rows, &mut users, &mut organic].into_iter().for_each(|to| to.push(0.0));
    }
    let all = Rows {
        kinds: &kinds,
        steps: &steps,
        complete: &complete,
        numbers: [&rows, &users, &organic],
        texts: [(&names, &dictionary), (&runs, &history.runs)],
    };
    let digests = vec![Some(all.digest()); kinds.len()];
    let column = |name: &str, data| Column { name: name.into(), data };
    let ints = |values: Vec<i32>| ColumnData::Int32(values.into_iter().map(Some).collect());
    let numbers = |values: Vec<f64>| ColumnData::Float64(values.into_iter().map(Some).collect());
    let table = Table {
        columns: vec![
            column("kind", ints(kinds)),
            column("step", ints(steps)),
            column("name", ColumnData::Utf8 { indices: names, dictionary }),
            column("complete", ints(complete)),
            column("rows", numbers(rows)),
            column("users", numbers(users)),
            column("organic", numbers(organic)),
            column("run", ColumnData::Utf8 { indices: runs, dictionary: history.runs.clone() }),
            column("digest", ColumnData::Int32(digests)),
        ],
    };
    let mut bytes = Vec::new();
    let metadata = (CRC_KEY, str::from_utf8(NO_CRC).unwrap_or_default());
    parquet::write_with_metadata(&table, &mut bytes, Some(metadata))
        .map_err(|e| Error::io("cannot write the history", e))?;
    store_crc(&mut bytes).ok_or_else(|| Error::internal("a history without a checksum"))?;
    Ok(bytes)
}

/// Writes the CRC-32 of a file in its place; returns what was there, and it. `None` where there is no place.
fn store_crc(bytes: &mut [u8]) -> Option<[String; 2]> {
    let place = find_crc(bytes)?;
    let before = String::from_utf8_lossy(bytes.get(place.clone())?).into_owned();
    bytes.get_mut(place.clone())?.copy_from_slice(NO_CRC);
    let crc = format!("{:08x}", crc32fast::hash(bytes));
    bytes.get_mut(place)?.copy_from_slice(crc.as_bytes());
    Some([before, crc])
}

/// Where the file's CRC-32 is.
fn find_crc(bytes: &[u8]) -> Option<Range<usize>> {
    // parquet.thrift, `KeyValue`: the key, then field 2 (a binary of 8 bytes) in the compact protocol.
    let before = [CRC_KEY.as_bytes(), &[0x18, 8]].concat();
    let start = memchr::memmem::rfind(bytes, &before)? + before.len();
    (start + NO_CRC.len() <= bytes.len()).then(|| start..start + NO_CRC.len())
}

/// Compares the bytes of a file with its CRC-32; returns whether it has one.
///
/// # Errors
/// `Format` where they differ.
fn check_crc(bytes: &mut [u8]) -> Result<bool> {
    let Some([of_file, crc]) = store_crc(bytes) else { return Ok(false) };
    if of_file == crc {
        return Ok(true);
    }
    Err(Error::format(format!("the checksum {of_file}"))
        .expected(format!("{crc}, that of the file's bytes"))
        .advice("The file was changed since it was written"))
}

/// Decodes the history from a file.
///
/// # Errors
/// `Format`, `Unsupported` or `Data` where the file is damaged, or not written by this program.
pub fn decode(name: &str, mut bytes: Vec<u8>) -> Result<History> {
    let has_crc = check_crc(&mut bytes)?;
    let file = File::open(name, bytes)?;
    let ((ints, numbers), (texts, digests)) = rayon::join(
        || {
            let ints = || ["kind", "step", "complete"].map(|name| file.read_ints(name));
            rayon::join(ints, || ["rows", "users", "organic"].map(|name| file.read_numbers(name)))
        },
        || rayon::join(|| ["name", "run"].map(|name| file.read_texts(name)), || file.read_ints("digest")),
    );
    let ([kinds, steps, complete], [rows, users, organic]) = (ints, numbers);
    let (kinds, steps, complete) = (kinds?, steps?, complete?);
    let (rows, users, organic) = (rows?, users?, organic?);
    let [name, run] = texts;
    let ((name_ids, names), (run_ids, runs)) = (name?, run?);
    let digests = digests?;
    let len = kinds.len();
    let lengths = [steps.len(), complete.len(), rows.len(), users.len(), organic.len(), digests.len()];
    if lengths.iter().chain([&name_ids.len(), &run_ids.len()]).any(|other| *other != len) {
        return Err(Error::format("columns of different lengths"));
    }
    if len == 0 && !has_crc {
        return Err(
            Error::format("no rows and no checksum").advice("The file was changed since it was written")
        );
    }
    let all = Rows {
        kinds: &kinds,
        steps: &steps,
        complete: &complete,
        numbers: [&rows, &users, &organic],
        texts: [(&name_ids, &names), (&run_ids, &runs)],
    };
    let digest = all.digest();
    if let Some(other) = digests.iter().find(|other| **other != digest) {
        return Err(Error::format(format!("the digest {other:08x}"))
            .expected(format!("{digest:08x}, that of the rows"))
            .advice("The file was changed since it was written"));
    }
    let mut panels = Vec::with_capacity(3);
    for kind in 0..3 {
        let mine = || (0..len).filter(|row| kinds.get(*row) == Some(&kind));
        let step = |row: usize| steps.get(row).copied();
        let (first, last) = (mine().filter_map(step).min().unwrap_or(0), mine().filter_map(step).max());
        let length = last.map_or(0, |last| i64::from(last) - i64::from(first) + 1);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let mut occurs = vec![false; names.len()];
        for id in mine().filter_map(|row| name_ids.get(row)) {
            if let Some(occurs) = occurs.get_mut(*id as usize) {
                *occurs = true;
            }
        }
        let named = names.iter().zip(occurs).filter(|(_, occurs)| *occurs);
        let used: Vec<Arc<str>> = named.map(|(name, _)| name.clone()).collect();
        if used.len().saturating_mul(length) > CELLS_MAX {
            return Err(Error::format(format!("{} names over {length} steps", used.len())));
        }
        let mut panel = Panel::new(first, length, used);
        let indices: Vec<Option<usize>> = names.iter().map(|name| panel.find(name)).collect();
        let name_index = |row: usize| name_ids.get(row).and_then(|id| indices.get(*id as usize)).copied();
        for row in mine() {
            let point = (|| {
                Some(Point {
                    rows: *rows.get(row)?,
                    users: *users.get(row)?,
                    organic: *organic.get(row)?,
                    complete: *complete.get(row)? != 0,
                    run: *run_ids.get(row)?,
                })
            })();
            let (Some(point), Some(step), Some(name)) = (point, step(row), name_index(row)) else {
                return Err(Error::format("an incomplete row"));
            };
            if ![point.rows, point.users, point.organic].iter().all(|v| v.is_finite()) {
                return Err(Error::format("a number that is not finite"));
            }
            if let Some(name) = name {
                panel.put(name, step, point);
            }
        }
        panels.push(panel);
    }
    let mut panels = panels.into_iter();
    let mut next = || panels.next().unwrap_or_default();
    let question = kinds.iter().position(|kind| *kind == QUESTION).and_then(|row| name_ids.get(row));
    let question = question.and_then(|id| names.get(*id as usize)).cloned().unwrap_or_default();
    Ok(History { totals: Totals { question, weeks: next(), channels: next(), days: next() }, runs })
}

/// The columns of the file.
struct Rows<'r> {
    kinds: &'r [i32],
    steps: &'r [i32],
    complete: &'r [i32],
    numbers: [&'r [f64]; 3],
    /// Dictionary indices, and the dictionaries.
    texts: [(&'r [u32], &'r [Arc<str>]); 2],
}

impl Rows<'_> {
    /// The CRC-32 of all values, column by column.
    #[allow(clippy::cast_possible_wrap)] // the bits are stored as they are
    fn digest(&self) -> i32 {
        let mut crc = Crc::default();
        crc.add(&(self.kinds.len() as u64).to_le_bytes());
        for ints in [self.kinds, self.steps, self.complete] {
            ints.iter().for_each(|v| crc.add(&v.to_le_bytes()));
        }
        for numbers in self.numbers {
            numbers.iter().for_each(|v| crc.add(&v.to_bits().to_le_bytes()));
        }
        for (indices, texts) in self.texts {
            // A dictionary may be read in another order, and with one entry where it was written with two equal ones, of
            // a country and a channel: texts are digested and numbered in order of first occurrence.
            let mut order = vec![None; texts.len()];
            let mut numbers: HashMap<&str, u32> = HashMap::new();
            for index in indices {
                let Some(number) = order.get_mut(*index as usize) else { continue };
                let at = *number.get_or_insert_with(|| {
                    let text = texts.get(*index as usize).map_or("", |text| text);
                    let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX).saturating_add(1);
                    *numbers.entry(text).or_insert_with(|| {
                        crc.add(&(text.len() as u64).to_le_bytes());
                        crc.add(text.as_bytes());
                        next
                    })
                });
                crc.add(&at.to_le_bytes());
            }
        }
        crc.finish() as i32
    }
}

/// A CRC-32 of small values, buffered: the hasher is fast only on some thousand bytes.
#[derive(Default)]
struct Crc {
    bytes: Vec<u8>,
    hasher: crc32fast::Hasher,
}

impl Crc {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() >= 1 << 14 {
            self.hasher.update(&self.bytes);
            self.bytes.clear();
        }
    }

    fn finish(mut self) -> u32 {
        self.hasher.update(&self.bytes);
        self.hasher.finalize()
    }
}

struct File {
    object: MemoryObject,
    meta: footer::FileMeta,
}

impl File {
    fn open(name: &str, bytes: Vec<u8>) -> Result<Self> {
        let object = MemoryObject::new(name, bytes);
        let meta = footer::read(&object)?;
        Ok(File { object, meta })
    }

    /// Reads a column in blocks: calls `read` with the cursor and the number of rows to take.
    fn read_blocks(
        &self,
        name: &str,
        raw: bool,
        mut read: impl FnMut(&mut Cursor<'_>, u32) -> Result<()>,
    ) -> Result<()> {
        let position = self.meta.leaves.iter().position(|leaf| leaf.name() == name);
        let Some((at, leaf)) = position.and_then(|at| Some((at, self.meta.leaves.get(at)?))) else {
            return Err(Error::format(format!("no column '{name}'")));
        };
        for group in &self.meta.row_groups {
            let Some(chunk) = group.chunks.get(at) else { return Err(Error::format("no such column chunk")) };
            let column = Stored::Chunk(Chunk::new(&self.object, leaf, chunk, group.rows)?);
            let mut cursor = Cursor::new(&column, 0, raw, Vec::new(), None)?;
            let mut left = group.rows;
            while left > 0 {
                let most = u32::try_from(left).unwrap_or(u32::MAX).min(BLOCK);
                let take = cursor.rows_in_page(most)?;
                read(&mut cursor, take)?;
                left -= u64::from(take);
            }
        }
        Ok(())
    }

    fn read_bits(&self, name: &str) -> Result<Vec<u64>> {
        let mut values = Vec::new();
        let mut block = [None; BLOCK as usize];
        self.read_blocks(name, true, |cursor, take| {
            if cursor.load_page()? != crate::ids::cursor::BlockKind::Numbers {
                return Err(Error::format(format!("column '{name}' is not written as numbers")));
            }
            #[allow(clippy::indexing_slicing)] // `read_blocks` takes at most BLOCK rows
            let block = &mut block[..take as usize];
            cursor.read_bits(block)?;
            for value in block {
                values.push(value.ok_or_else(|| Error::format(format!("a null in column '{name}'")))?);
            }
            Ok(())
        })?;
        Ok(values)
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)] // the low 32 bits are the number
    fn read_ints(&self, name: &str) -> Result<Vec<i32>> {
        Ok(self.read_bits(name)?.into_iter().map(|bits| bits as u32 as i32).collect())
    }

    fn read_numbers(&self, name: &str) -> Result<Vec<f64>> {
        Ok(self.read_bits(name)?.into_iter().map(f64::from_bits).collect())
    }

    /// Dictionary indices, and the dictionary.
    fn read_texts(&self, name: &str) -> Result<(Vec<u32>, Vec<Arc<str>>)> {
        let mut ids = Vec::new();
        let mut texts: Vec<Arc<str>> = Vec::new();
        let mut index_of: std::collections::HashMap<Arc<str>, u32> = std::collections::HashMap::new();
        let mut block = [0u32; BLOCK as usize];
        self.read_blocks(name, false, |cursor, take| {
            #[allow(clippy::indexing_slicing)] // `read_blocks` takes at most BLOCK rows
            let block = &mut block[..take as usize];
            cursor.read_ids32(block)?;
            // Value ids are per row group: they are mapped to indices of one dictionary of the file.
            let mut last: Option<(u32, u32)> = None;
            for value_id in block {
                let id = match last {
                    Some((before, id)) if before == *value_id => id,
                    _ => {
                        let raw = cursor.entries.get(*value_id);
                        let text = raw.and_then(|raw| std::str::from_utf8(raw).ok());
                        let text =
                            text.ok_or_else(|| Error::format(format!("no text in column '{name}'")))?;
                        match index_of.get(text) {
                            Some(id) => *id,
                            None => {
                                let id = u32::try_from(texts.len()).unwrap_or(u32::MAX);
                                let text: Arc<str> = text.into();
                                texts.push(text.clone());
                                index_of.insert(text, id);
                                id
                            }
                        }
                    }
                };
                last = Some((*value_id, id));
                ids.push(id);
            }
            Ok(())
        })?;
        Ok((ids, texts))
    }
}

/// Rows of a block.
const BLOCK: u32 = 1024;

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap
)]
mod tests;
