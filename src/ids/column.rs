//! A column chunk that any number of tasks can scan.

use std::borrow::Cow;
use std::sync::Arc;

use super::entries::{ChunkDictionary, Origin};
use crate::parquet::encoding::{Numbers, byte_arrays};
use crate::parquet::{
    ChunkMeta, ChunkPages, Codec, Leaf, OpenPage, PageLayout, PageMeta, Physical, head, page,
};
use crate::storage::{Object, PinnedObject};
use crate::{Error, Result};

/// The longest page that is decompressed together with another.
const TWO_BYTES: u32 = 1 << 19;

/// Pages and bytes that were read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Pages opened.
    pub pages_read: u64,
    /// Bytes of the pages opened, as stored.
    pub bytes_read: u64,
    /// Bytes of the pages opened, decompressed.
    pub bytes_decompressed: u64,
}

impl Cost {
    /// Adds another cost.
    pub fn merge(&mut self, other: Cost) {
        self.pages_read += other.pages_read;
        self.bytes_read += other.bytes_read;
        self.bytes_decompressed += other.bytes_decompressed;
    }
}

/// The values of a column in one row group.
pub enum Column<'a> {
    /// A column chunk.
    Chunk(Chunk<'a>),
    /// The same value in every row: a hive partition, or null throughout.
    Constant {
        /// The value.
        value: Option<Cow<'a, [u8]>>,
    },
}

/// The source of a column in a row group.
#[derive(Clone, Copy)]
pub enum ColumnSource<'a, 'm> {
    /// A column chunk.
    Chunk(&'a Leaf, &'m ChunkMeta),
    /// The path of the file: this value, or null.
    Path(Option<&'a str>),
}

/// A column chunk and the positions of its pages.
pub struct Chunk<'a> {
    object: Arc<PinnedObject<'a>>,
    /// The column.
    pub leaf: &'a Leaf,
    codec: Codec,
    pages: ChunkPages,
}

impl<'a> Chunk<'a> {
    /// Walks the page headers of a chunk in a row group of `rows` rows.
    pub fn new(object: &'a dyn Object, leaf: &'a Leaf, meta: &ChunkMeta, rows: u64) -> Result<Self> {
        let object = Arc::new(PinnedObject::new(object)?);
        let pages = ChunkPages::walk(&*object, meta, leaf, rows);
        Self::with_pages(object, leaf, meta, pages)
    }

    fn with_pages(
        object: Arc<PinnedObject<'a>>,
        leaf: &'a Leaf,
        meta: &ChunkMeta,
        pages: Result<ChunkPages>,
    ) -> Result<Self> {
        let pages = pages.map_err(|e| e.in_column(&leaf.name()))?;
        Ok(Chunk { object, leaf, codec: Codec::from_id(meta.codec), pages })
    }

    /// The number of its pages, its dictionary included.
    pub fn pages(&self) -> u64 {
        self.pages.data.len() as u64 + u64::from(self.pages.dictionary.is_some())
    }

    /// Its data pages.
    pub fn data(&self) -> &[PageMeta] {
        &self.pages.data
    }

    /// Whether equal page bodies of both chunks mean equal levels and ids.
    pub fn is_stored_as(&self, other: &Chunk<'_>) -> bool {
        (self.codec, self.leaf.max_definition) == (other.codec, other.leaf.max_definition)
    }

    /// The stored bytes of a page.
    pub fn body(&self, page: &PageMeta) -> Result<Cow<'_, [u8]>> {
        self.object.read(page.body.clone())
    }

    /// Whether the first bytes of a page show that none of its rows is null; false where
    /// the page would have to be opened.
    pub fn shows_no_nulls(&self, page: &PageMeta) -> Result<bool> {
        if self.leaf.max_definition == 0 {
            return Ok(true);
        }
        let end = page.body.end.min(page.body.start + head::BYTES);
        let bytes = self.object.read(page.body.start..end)?;
        Ok(head::shows_no_nulls(&bytes, page, self.codec, self.leaf.max_definition))
    }

    /// Opens a page from its stored bytes; `buffer` is `ready` if
    /// [`Self::decompress_two`] has decompressed the page into it.
    pub fn open(
        &self,
        body: &[u8],
        page: &PageMeta,
        buffer: &mut Vec<u8>,
        ready: bool,
        cost: &mut Cost,
    ) -> Result<PageLayout> {
        cost.pages_read += 1;
        cost.bytes_read += body.len() as u64;
        cost.bytes_decompressed += u64::from(page.uncompressed_len);
        page::open(body, page, self.codec, self.leaf, buffer, ready)
    }

    /// Decompresses a page and the next one interleaved. Returns false where they have to be opened
    /// one by one; errors are reported when they are opened.
    pub fn decompress_two(
        &self,
        (body, page, buffer): (&[u8], &PageMeta, &mut Vec<u8>),
        (next, next_buffer): (&PageMeta, &mut Vec<u8>),
    ) -> bool {
        // Both have to fit the cache until they are decoded.
        if page.uncompressed_len.max(next.uncompressed_len) > TWO_BYTES {
            return false;
        }
        let Ok(next_body) = self.body(next) else { return false };
        page::decompress_two([(body, page, buffer), (&next_body, next, next_buffer)], self.codec)
    }

    /// Reads the dictionary, if the chunk has one, into `entries`. Returns true if they hold
    /// the same dictionary already.
    fn dictionary(
        &self,
        entries: &mut ChunkDictionary,
        buffer: &mut Vec<u8>,
        cost: &mut Cost,
    ) -> Result<bool> {
        let Some(page) = &self.pages.dictionary else {
            entries.clear();
            return entries.finish_dictionary().map(|()| false);
        };
        let body = self.body(page)?;
        let open = self.open(&body, page, buffer, false, cost)?.view(&body, buffer);
        let Leaf { physical, logical, type_length, .. } = *self.leaf;
        let origin = Origin::Dictionary(physical, logical, type_length, open.rows);
        if entries.is_same_as(origin, open.values) {
            return Ok(true);
        }
        entries.clear();
        let width = number_width(physical).unwrap_or(0);
        match open.values.get(..width * open.rows as usize) {
            Some(numbers) if width > 0 => entries.push_fixed_width(numbers, width)?,
            _ => each_value(self.leaf, &open, open.rows, |value| entries.push(value))?,
        }
        entries.set_origin(origin, open.values);
        entries.finish_dictionary().map(|()| false)
    }
}

impl<'a> Column<'a> {
    /// Opens the columns of a row group of `rows` rows; their page headers are walked together.
    ///
    /// # Errors
    /// The error of the first column that has one.
    pub fn open_all<'m>(
        object: &'a dyn Object,
        sources: &[ColumnSource<'a, 'm>],
        rows: u64,
    ) -> Result<Vec<Self>> {
        let chunk = |source: &ColumnSource<'a, 'm>| match *source {
            ColumnSource::Chunk(leaf, meta) => Some((meta, leaf)),
            ColumnSource::Path(_) => None,
        };
        let chunks: Vec<(&ChunkMeta, &Leaf)> = sources.iter().filter_map(chunk).collect();
        let object =
            if chunks.is_empty() { PinnedObject::unpinned(object) } else { PinnedObject::new(object)? };
        let object = Arc::new(object);
        let mut walked = ChunkPages::walk_all(&*object, &chunks, rows).into_iter();
        let open = |source: &ColumnSource<'a, 'm>| match *source {
            ColumnSource::Path(value) => {
                Ok(Column::Constant { value: value.map(|v| Cow::Borrowed(v.as_bytes())) })
            }
            ColumnSource::Chunk(leaf, meta) => {
                let pages =
                    walked.next().unwrap_or_else(|| Err(Error::internal("a chunk that was not walked")));
                Chunk::with_pages(object.clone(), leaf, meta, pages).map(Column::Chunk)
            }
        };
        sources.iter().map(open).collect()
    }
}

impl Column<'_> {
    /// Reads the distinct values of the column's dictionary into `entries`, which may be those of the
    /// same column in another row group. Returns true if they are the same already.
    pub fn entries(
        &self,
        entries: &mut ChunkDictionary,
        buffer: &mut Vec<u8>,
        cost: &mut Cost,
    ) -> Result<bool> {
        match self {
            // Bits are ids without conversion.
            Column::Chunk(chunk) if chunk.leaf.physical == Physical::Boolean => {
                entries.clear();
                [[0], [1]].iter().try_for_each(|value| entries.push(value))?;
                entries.finish_dictionary().map(|()| false)
            }
            Column::Chunk(chunk) => {
                chunk.dictionary(entries, buffer, cost).map_err(|e| e.in_column(&chunk.leaf.name()))
            }
            Column::Constant { value, .. } => {
                // Null has no bytes; the origin distinguishes it from an empty value.
                let (origin, bytes) =
                    (Origin::Constant(value.is_some()), value.as_deref().unwrap_or_default());
                if entries.is_same_as(origin, bytes) {
                    return Ok(true);
                }
                entries.clear();
                if value.is_some() {
                    entries.push(bytes)?;
                }
                entries.set_origin(origin, bytes);
                entries.finish_dictionary().map(|()| false)
            }
        }
    }

    /// Its column chunk; `None` for a constant.
    pub fn chunk(&self) -> Option<&Chunk<'_>> {
        match self {
            Column::Chunk(chunk) => Some(chunk),
            Column::Constant { .. } => None,
        }
    }
}

/// Whether pages of this type are decoded as raw numbers.
pub fn is_numeric(physical: Physical) -> bool {
    number_width(physical).is_some()
}

/// Bytes of a number of this type.
fn number_width(physical: Physical) -> Option<usize> {
    match physical {
        Physical::Int32 | Physical::Float => Some(4),
        Physical::Int64 | Physical::Double => Some(8),
        _ => None,
    }
}

/// Calls `each` with the `count` values of a page that has no dictionary ids,
/// each in PLAIN encoding.
#[allow(clippy::indexing_slicing)] // a number has 4 or 8 bytes
pub fn each_value(
    leaf: &Leaf,
    page: &OpenPage<'_>,
    count: u32,
    mut each: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    if let Some(size) = number_width(leaf.physical) {
        return each_number(leaf, page, count, |bits| each(&bits.to_le_bytes()[..size]));
    }
    match leaf.physical {
        Physical::ByteArray | Physical::FixedLenByteArray | Physical::Int96 => {
            byte_arrays::visit(page.encoding, page.values, leaf.physical, leaf.type_length, count, each)
        }
        other => Err(Error::unsupported(format!("values of physical type {other:?}"))
            .expected("strings, numbers or dates")),
    }
}

/// Calls `each` with the raw bits of the `count` numbers of a page.
#[allow(clippy::indexing_slicing)] // `take` is at most the length of the block
pub fn each_number(
    leaf: &Leaf,
    page: &OpenPage<'_>,
    count: u32,
    mut each: impl FnMut(u64) -> Result<()>,
) -> Result<()> {
    let mut numbers = Numbers::open(page.encoding, page.values, leaf.physical, count)?;
    let mut block = [0u64; 256];
    let mut left = count as usize;
    while left > 0 {
        let take = left.min(block.len());
        let out = &mut block[..take];
        numbers.fill(out)?;
        for bits in out {
            each(*bits)?;
        }
        left -= take;
    }
    Ok(())
}
