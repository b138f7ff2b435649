//! The footer: `parquet.thrift`, `FileMetaData`, as far as a scan needs it.
//!
//! One read of the file's tail usually has all of it. An unknown type, codec or encoding is
//! kept as its id; it is an error only for readers of that column.

use std::ops::Range;
use std::sync::Arc;

use super::row_groups::RowGroups;
use super::schema::{self, Leaf, Physical};
use super::thrift::{Fault, Read, Reader, kind};
use crate::storage::{Object, PinnedObject};
use crate::{Error, Result};

/// README of parquet-format, "File format".
const MAGIC: &[u8; 4] = b"PAR1";
/// Encryption.md, "Encrypted footer mode".
const MAGIC_ENCRYPTED: &[u8; 4] = b"PARE";
/// The start of a chunk whose offset is negative.
const NO_OFFSET: u64 = u64::MAX;
/// Footer length and magic.
const TAIL: u64 = 8;
/// The position of the magic at the start of a file; the other one is at its end.
pub const HEAD: Range<u64> = 0..4;

/// The metadata of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMeta {
    /// Rows of all row groups.
    pub rows: u64,
    /// The program that wrote the file.
    pub created_by: Option<Arc<str>>,
    /// Leaf columns, in order. Files of the same columns may share them.
    pub leaves: Arc<[Leaf]>,
    /// Row groups, in order.
    pub row_groups: RowGroups,
    /// Length of the footer.
    pub footer_bytes: u64,
}

/// A row group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowGroupMeta {
    /// Its rows.
    pub rows: u64,
    /// One a leaf, in the same order.
    pub chunks: Vec<ChunkMeta>,
}

/// A column chunk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChunkMeta {
    /// `parquet.thrift`, `CompressionCodec`; see [`super::Codec`].
    pub codec: i32,
    /// Values, nulls included; some writers count those that are not null.
    pub values: u64,
    /// The position of its first page; not checked until the chunk is read.
    pub start: u64,
    /// Length of its pages with their headers, as the footer states it, at most to the end of the data.
    pub compressed_len: u64,
    /// Where the data of the file ends and its footer begins.
    pub data_end: u64,
    /// Smallest and largest value, where the footer states both; only of byte arrays.
    pub bounds: Option<Bounds>,
    /// Encrypted: cannot be read.
    pub encrypted: bool,
    /// In another file: cannot be read.
    pub external: bool,
}

impl ChunkMeta {
    /// The bytes of its pages, as the footer states them.
    pub fn bytes(&self) -> Range<u64> {
        self.start..self.start.saturating_add(self.compressed_len)
    }
}

/// The bounds that a footer states for a chunk, as PLAIN bytes without a length. Writers got them
/// wrong (pyarrow up to 10.0.1 states those of a chunk's first dictionary), so they may order work
/// but never decide which rows are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// One allocation.
    both: Box<[u8]>,
    min: usize,
}

impl Bounds {
    /// Bounds of these bytes.
    pub fn new(min: &[u8], max: &[u8]) -> Self {
        Bounds { both: [min, max].concat().into(), min: min.len() }
    }

    /// Stated to be no larger than any value.
    pub fn min(&self) -> &[u8] {
        self.both.get(..self.min).unwrap_or_default()
    }

    /// Stated to be no smaller than any value.
    pub fn max(&self) -> &[u8] {
        self.both.get(self.min..).unwrap_or_default()
    }
}

/// Reads the footer of `object`.
///
/// # Errors
/// `Format` if the file is not parquet or is damaged, `Unsupported` if its footer is
/// encrypted.
pub fn read(object: &dyn Object) -> Result<FileMeta> {
    let read = PinnedObject::new(object).and_then(|object| read_file(&object));
    read.map_err(|e| e.in_file(object.name()))
}

fn read_file(object: &dyn Object) -> Result<FileMeta> {
    let len = object.len();
    if len == 0 {
        return Err(not_parquet("the file is empty (0 bytes)"));
    }
    let min_len = MAGIC.len() as u64 + TAIL;
    if len < min_len {
        return Err(not_parquet(format!("the file has {len} bytes only")));
    }
    let guess = object.read(len.saturating_sub(object.tail().max(TAIL))..len)?;
    let (before, tail) = guess.split_last_chunk::<8>().ok_or_else(|| not_parquet("the file has no tail"))?;
    let [a, b, c, d, magic @ ..] = *tail;
    check_magic(&magic, "ends")?;
    // The first four bytes of a remote file are fetched with its first column chunk.
    if !object.is_remote() || object.tail() >= len {
        check_head(object)?;
    }

    let footer_bytes = u64::from(u32::from_le_bytes([a, b, c, d]));
    let footer_start = len.checked_sub(footer_bytes + TAIL).filter(|&start| start >= MAGIC.len() as u64);
    let Some(footer_start) = footer_start else {
        return Err(Error::format(format!("a footer of {footer_bytes} bytes in a file of {len} bytes"))
            .advice("The file is cut short or damaged; export it again"));
    };
    let in_guess = usize::try_from(footer_bytes)
        .ok()
        .and_then(|n| before.len().checked_sub(n))
        .and_then(|n| before.get(n..));
    match in_guess {
        Some(footer) => parse(footer, footer_start),
        None => parse(&object.read(footer_start..len - TAIL)?, footer_start),
    }
}

/// Checks the magic at the start of the file, which [`read()`] does not check if the object is
/// remote.
///
/// # Errors
/// `Format` if it is not that of parquet.
pub fn check_head(object: &dyn Object) -> Result<()> {
    check_magic(&object.read(HEAD)?, "begins")
}

fn check_magic(magic: &[u8], verb: &str) -> Result<()> {
    if magic == MAGIC {
        return Ok(());
    }
    if magic == MAGIC_ENCRYPTED {
        return Err(Error::unsupported("the file is encrypted (its footer is, magic PARE)")
            .expected("a parquet file that is not encrypted")
            .advice("Export it without encryption, or decrypt it first"));
    }
    Err(not_parquet(format!("the file {verb} with {:?}", String::from_utf8_lossy(magic))))
}

fn not_parquet(found: impl Into<String>) -> Error {
    Error::format(found)
        .expected("a parquet file, which begins and ends with PAR1")
        .advice("It is no parquet file, or it was cut short; remove it or export it again")
}

/// Parses footer bytes; the data of the file ends at `data_end`.
pub(super) fn parse(bytes: &[u8], data_end: u64) -> Result<FileMeta> {
    let footer = raw(bytes).map_err(|fault| fault.into_error("footer"))?;
    let leaves: Arc<[Leaf]> = schema::leaves(&footer.elements)?.into();
    let mut rows = 0u64;
    let mut row_groups = footer.row_groups;
    for (at, group) in row_groups.iter_mut().enumerate() {
        check_group(group, &leaves, data_end).map_err(|e| e.in_row_group(at))?;
        rows = rows.saturating_add(group.rows);
    }
    let row_groups = RowGroups::pack(row_groups, data_end);
    Ok(FileMeta { rows, created_by: footer.created_by, leaves, row_groups, footer_bytes: bytes.len() as u64 })
}

fn check_group(group: &mut RowGroupMeta, leaves: &[Leaf], data_end: u64) -> Result<()> {
    if group.chunks.len() != leaves.len() {
        return Err(Error::format(format!("{} column chunks", group.chunks.len()))
            .expected(format!("{}, one a column", leaves.len()))
            .advice("The footer is damaged; export the file again"));
    }
    for (chunk, leaf) in group.chunks.iter_mut().zip(leaves) {
        // Nothing is ordered by the others.
        if leaf.physical != Physical::ByteArray {
            chunk.bounds = None;
        }
        chunk.data_end = data_end;
        // Some writers state lengths that reach past the data. The page headers say where the pages end.
        chunk.compressed_len = chunk.compressed_len.min(data_end.saturating_sub(chunk.start));
    }
    Ok(())
}

struct RawFooter {
    elements: Vec<schema::Element>,
    row_groups: Vec<RowGroupMeta>,
    created_by: Option<Arc<str>>,
}

/// Reads the fields of a footer. Vectors grow as elements are read: a hostile count reserves nothing.
/// The row count of the file is not read: its row groups have the rows, and writers that append to
/// files leave it at 0.
fn raw(bytes: &[u8]) -> Read<RawFooter> {
    let r = &mut Reader::new(bytes);
    let (mut elements, mut row_groups, mut created_by) = (None, None, None);
    let mut last = 0;
    while let Some(field) = r.field(&mut last)? {
        match (field.id, field.kind) {
            (2, kind::LIST) => elements = Some(list(r, schema::element)?),
            (4, kind::LIST) => row_groups = Some(list(r, row_group)?),
            (6, kind::BINARY) => created_by = Some(String::from_utf8_lossy(r.binary()?).into()),
            _ => r.skip(field.kind)?,
        }
    }
    Ok(RawFooter {
        elements: elements.ok_or(Fault::Bad("it has no schema"))?,
        row_groups: row_groups.ok_or(Fault::Bad("it has no list of row groups"))?,
        created_by,
    })
}

fn list<'a, T>(r: &mut Reader<'a>, element: impl Fn(&mut Reader<'a>) -> Read<T>) -> Read<Vec<T>> {
    let count = r.list_of(kind::STRUCT)?;
    let mut elements = Vec::new();
    for _ in 0..count {
        elements.push(element(r)?);
    }
    Ok(elements)
}

fn unsigned(value: i64) -> Read<u64> {
    u64::try_from(value).map_err(|_| Fault::Bad("a row count is negative"))
}

/// `RowGroup`.
fn row_group(r: &mut Reader) -> Read<RowGroupMeta> {
    let (mut chunks, mut rows, mut last) = (None, None, 0);
    while let Some(field) = r.field(&mut last)? {
        match (field.id, field.kind) {
            (1, kind::LIST) => chunks = Some(list(r, column_chunk)?),
            (3, kind::I64) => rows = Some(unsigned(r.i64()?)?),
            _ => r.skip(field.kind)?,
        }
    }
    Ok(RowGroupMeta {
        rows: rows.ok_or(Fault::Bad("a row group has no row count"))?,
        chunks: chunks.ok_or(Fault::Bad("a row group has no columns"))?,
    })
}

/// `ColumnChunk`.
fn column_chunk(r: &mut Reader) -> Read<ChunkMeta> {
    let mut chunk = ChunkMeta::default();
    let (mut meta, mut last) = (false, 0);
    while let Some(field) = r.field(&mut last)? {
        match (field.id, field.kind) {
            (1, kind::BINARY) => chunk.external = !r.binary()?.is_empty(),
            (3, kind::STRUCT) => {
                meta = true;
                column_meta(r, &mut chunk)?;
            }
            // The union has only its variants as fields: any content means encryption.
            (8, kind::STRUCT) => {
                chunk.encrypted = true;
                r.skip(field.kind)?;
            }
            (9, kind::BINARY) => {
                chunk.encrypted = true;
                r.binary()?;
            }
            _ => r.skip(field.kind)?,
        }
    }
    if !meta && !chunk.encrypted {
        return Err(Fault::Bad("a column chunk has no metadata"));
    }
    Ok(chunk)
}

/// `ColumnMetaData`. A negative count or length becomes 0 and a negative offset [`NO_OFFSET`]: an error
/// only for readers of the chunk.
fn column_meta(r: &mut Reader, chunk: &mut ChunkMeta) -> Read<()> {
    let (mut codec, mut values, mut len, mut data, mut dictionary, mut last) =
        (None, None, None, None, None, 0);
    while let Some(field) = r.field(&mut last)? {
        match (field.id, field.kind) {
            // Not kept: the pages say theirs. A list of another type is damage.
            (2, kind::LIST) => {
                for _ in 0..r.list_of(kind::I32)? {
                    r.i32()?;
                }
            }
            (4, kind::I32) => codec = Some(r.i32()?),
            (5, kind::I64) => values = Some(r.i64()?),
            (7, kind::I64) => len = Some(r.i64()?),
            (9, kind::I64) => data = Some(r.i64()?),
            // Some writers state 0 where there is no dictionary.
            (11, kind::I64) => dictionary = u64::try_from(r.i64()?).ok().filter(|&at| at > 0),
            (12, kind::STRUCT) => chunk.bounds = statistics(r)?,
            _ => r.skip(field.kind)?,
        }
    }
    chunk.codec = codec.ok_or(Fault::Bad("a column chunk has no codec"))?;
    let values = values.ok_or(Fault::Bad("a column chunk has no value count"))?;
    let len = len.ok_or(Fault::Bad("a column chunk has no length"))?;
    let data = data.ok_or(Fault::Bad("a column chunk has no offset"))?;
    chunk.values = u64::try_from(values).unwrap_or(0);
    chunk.compressed_len = u64::try_from(len).unwrap_or(0);
    let data = u64::try_from(data).unwrap_or(NO_OFFSET);
    chunk.start = dictionary.map_or(data, |at| at.min(data));
    Ok(())
}

/// The bounds of `Statistics`; `None` unless it has both. The deprecated `min` and `max` are ignored:
/// writers did not agree on their order.
fn statistics(r: &mut Reader) -> Read<Option<Bounds>> {
    let (mut min, mut max, mut last) = (None, None, 0);
    while let Some(field) = r.field(&mut last)? {
        match (field.id, field.kind) {
            (5, kind::BINARY) => max = Some(r.binary()?),
            (6, kind::BINARY) => min = Some(r.binary()?),
            _ => r.skip(field.kind)?,
        }
    }
    Ok(min.zip(max).map(|(min, max)| Bounds::new(min, max)))
}
