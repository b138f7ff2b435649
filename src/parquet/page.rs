//! Pages: `parquet.thrift`, `PageHeader`; the walk over the page headers of a chunk;
//! opening a page.
//!
//! The walk reads headers only. Once the positions of all pages are known, a task can
//! begin at any of them.

use std::ops::Range;

use super::codec::{self, Codec, decompress};
use super::footer::ChunkMeta;
use super::schema::Leaf;
use super::thrift::{Fault, Read, Reader, kind};
use crate::kernel::compare::prefetch_all;
use crate::kernel::snappy;
use crate::storage::Object;
use crate::{Error, Result};

/// Bytes before the first column chunk of a file: the magic.
const MAGIC_LEN: u64 = 4;

/// Bytes that are read first for a header; a header with long statistics needs more.
const HEADER_GUESS: u64 = 256;

/// Bytes of a header that are prefetched: enough for most, over two cache lines.
const HEADER_LINES: u64 = 65;

/// `parquet.thrift`, `Encoding`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Values one after the other.
    #[default]
    Plain,
    /// Indices into the chunk's dictionary page (`PLAIN_DICTIONARY`, `RLE_DICTIONARY`).
    Dictionary,
    /// Hybrid RLE: levels and booleans.
    Rle,
    /// Deprecated: levels, most significant bit first.
    BitPacked,
    /// Integers as packed differences.
    DeltaBinaryPacked,
    /// All lengths, then all bytes.
    DeltaLengthByteArray,
    /// Common prefixes are left out.
    DeltaByteArray,
    /// All first bytes, then all second bytes, and so on.
    ByteStreamSplit,
    /// An encoding that this code does not know.
    Unknown(i32),
}

impl Encoding {
    /// The encoding with this id.
    pub fn from_id(id: i32) -> Self {
        match id {
            0 => Encoding::Plain,
            2 | 8 => Encoding::Dictionary,
            3 => Encoding::Rle,
            4 => Encoding::BitPacked,
            5 => Encoding::DeltaBinaryPacked,
            6 => Encoding::DeltaLengthByteArray,
            7 => Encoding::DeltaByteArray,
            9 => Encoding::ByteStreamSplit,
            id => Encoding::Unknown(id),
        }
    }
}

/// The kind of a page, and the header fields of that kind alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageKind {
    /// Levels and values, compressed together.
    V1 {
        /// How definition levels are encoded.
        definition_encoding: Encoding,
    },
    /// Levels first, which are never compressed; then values.
    V2 {
        /// Bytes of the definition levels.
        definition_len: u32,
        /// Bytes of the repetition levels, which come first.
        repetition_len: u32,
        /// Whether the values are compressed.
        is_compressed: bool,
    },
    /// A dictionary.
    Dictionary,
}

/// The position of a page, and how to read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageMeta {
    /// Its bytes in the file, without the header.
    pub body: Range<u64>,
    /// Length after decompression, as the header says.
    pub uncompressed_len: u32,
    /// Values, nulls included.
    pub values: u32,
    /// Its first row, counted from the start of the row group.
    pub first_row: u64,
    /// How its values are encoded.
    pub encoding: Encoding,
    /// Checksum of the body (README of parquet-format, "Checksumming").
    pub crc: Option<u32>,
    /// The kind of page.
    pub kind: PageKind,
}

/// The pages of a column chunk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChunkPages {
    /// Its dictionary.
    pub dictionary: Option<PageMeta>,
    /// Its data pages, in order of rows.
    pub data: Vec<PageMeta>,
}

impl ChunkPages {
    /// Walks the page headers of `chunk`, a chunk of `leaf` in a row group of
    /// `rows` rows.
    ///
    /// # Errors
    /// `Unsupported` for chunks that are encrypted, external or repeated;
    /// `Format` when headers are damaged or the pages do not add up to `rows`.
    pub fn walk(object: &dyn Object, chunk: &ChunkMeta, leaf: &Leaf, rows: u64) -> Result<Self> {
        let mut walk = Walk::new(object, chunk, leaf, rows)?;
        while walk.step()? {}
        walk.finish()
    }

    /// Walks several chunks of a row group. Headers are read round robin: the end of one gives
    /// the position of the next of its chunk, which is prefetched while the other chunks are read.
    pub fn walk_all(object: &dyn Object, chunks: &[(&ChunkMeta, &Leaf)], rows: u64) -> Vec<Result<Self>> {
        // A remote object delivers whole chunks; there is nothing to prefetch.
        if object.is_remote() {
            return chunks.iter().map(|(chunk, leaf)| Self::walk(object, chunk, leaf, rows)).collect();
        }
        let mut walks: Vec<Result<Walk<'_>>> =
            chunks.iter().map(|(chunk, leaf)| Walk::new(object, chunk, leaf, rows)).collect();
        let mut going = true;
        while going {
            going = false;
            for walk in &mut walks {
                let Ok(active) = walk else { continue };
                match active.step() {
                    Ok(more) => going |= more,
                    Err(error) => *walk = Err(error),
                }
            }
        }
        walks.into_iter().map(|walk| walk?.finish()).collect()
    }
}

/// A walk over the page headers of a chunk. It ends when its pages have all rows: the length that the
/// footer states reaches into the next chunk, or past the data, in files of some writers. The last
/// page has to begin within that length but may end after it: parquet-mr before 1.2.9 did not count
/// the header of the dictionary page (PARQUET-816).
struct Walk<'w> {
    object: &'w dyn Object,
    /// The position of the next header, and the end of the chunk that the footer states.
    at: u64,
    end: u64,
    /// Where the data of the file ends.
    data_end: u64,
    rows: u64,
    first_row: u64,
    pages: ChunkPages,
}

impl<'w> Walk<'w> {
    fn new(object: &'w dyn Object, chunk: &ChunkMeta, leaf: &Leaf, rows: u64) -> Result<Self> {
        check_readable(chunk, leaf, rows)?;
        let (at, end, data_end) = (chunk.start, chunk.bytes().end, chunk.data_end);
        Ok(Walk { object, at, end, data_end, rows, first_row: 0, pages: ChunkPages::default() })
    }

    /// Reads a header; false where the pages have all rows, or the chunk ends.
    fn step(&mut self) -> Result<bool> {
        if self.first_row >= self.rows || self.at >= self.end {
            return Ok(false);
        }
        let in_page = |e: Error| e.in_page(self.pages.data.len());
        let (header, header_len) =
            read_header(self.object, self.at, self.end, self.data_end).map_err(in_page)?;
        let page = header.page(self.at + header_len, self.data_end, self.first_row).map_err(in_page)?;
        self.at = page.as_ref().map_or(self.at + header_len + header.body_len(), |page| page.body.end);
        match page {
            // An index page: no writer is known to write them.
            None => {}
            Some(page) if page.kind == PageKind::Dictionary => {
                if self.pages.dictionary.is_some() || !self.pages.data.is_empty() {
                    return Err(damaged("a dictionary page that is not the chunk's first page"));
                }
                self.pages.dictionary = Some(page);
            }
            Some(page) => {
                self.first_row += u64::from(page.values);
                self.pages.data.push(page);
            }
        }
        if self.first_row < self.rows && self.at < self.end && !self.object.is_remote() {
            // A failed read is ignored: the next step reads the same bytes and reports it.
            let ahead = self.at..self.end.min(self.at + HEADER_LINES);
            self.object.read(ahead).iter().for_each(|bytes| prefetch_all(bytes));
        }
        Ok(true)
    }

    fn finish(self) -> Result<ChunkPages> {
        if self.first_row != self.rows {
            return Err(damaged(format!("the pages of the column have {} values", self.first_row))
                .expected(format!("{}, the rows of the row group", self.rows)));
        }
        Ok(self.pages)
    }
}

fn damaged(found: impl Into<String>) -> Error {
    Error::format(found).advice("The file is damaged; export it again")
}

fn check_readable(chunk: &ChunkMeta, leaf: &Leaf, rows: u64) -> Result<()> {
    if chunk.encrypted {
        return Err(Error::unsupported("the column is encrypted")
            .advice("Export the file without encryption, or decrypt it first"));
    }
    if chunk.external {
        return Err(Error::unsupported("the column's data lies in another file")
            .advice("Export the file with all of its data inside"));
    }
    if leaf.max_repetition > 0 {
        return Err(Error::unsupported("the column is a list")
            .expected("one value a row")
            .advice("Choose another column, or export it flat"));
    }
    // Some writers do not count nulls, so fewer are allowed. More would be rows that no other column has.
    if chunk.values > rows {
        return Err(damaged(format!("a column chunk of {} values", chunk.values))
            .expected(format!("{rows}, the rows of the row group")));
    }
    if rows > 0 && !(MAGIC_LEN..chunk.data_end).contains(&chunk.start) {
        return Err(damaged(format!("a column chunk at byte {}", chunk.start.cast_signed()))
            .expected(format!("a place within the data, bytes {MAGIC_LEN} to {}", chunk.data_end)));
    }
    Ok(())
}

/// Reads the header at `start` and returns it with its length. The window that is read grows until
/// the header fits: to `end`, where the chunk should end, and only then to `data_end`, since bytes
/// after the chunk of a remote file have to be fetched.
fn read_header(object: &dyn Object, start: u64, end: u64, data_end: u64) -> Result<(PageHeader, u64)> {
    let in_chunk = end.saturating_sub(start);
    let in_data = data_end.saturating_sub(start);
    let mut window = HEADER_GUESS.min(in_chunk);
    loop {
        let bytes = object.read(start..start + window)?;
        let mut reader = Reader::new(&bytes);
        match PageHeader::read(&mut reader) {
            Ok(header) => return Ok((header, reader.position() as u64)),
            Err(Fault::Ended) if window < in_chunk => window = (window * 16).min(in_chunk),
            Err(Fault::Ended) if window < in_data => window = (window * 16).min(in_data),
            Err(fault) => return Err(fault.into_error("page header")),
        }
    }
}

/// A page header as it is stored.
#[derive(Debug, Default)]
struct PageHeader {
    kind: i32,
    uncompressed_len: u32,
    compressed_len: u32,
    crc: Option<u32>,
    data: Option<DataHeader>,
    dictionary: Option<DataHeader>,
    data_v2: Option<DataHeader>,
}

/// The fields of all three kinds of header; each uses its own.
#[derive(Debug, Default)]
struct DataHeader {
    values: u32,
    encoding: i32,
    definition_encoding: i32,
    definition_len: u32,
    repetition_len: u32,
    is_compressed: bool,
}

fn unsigned(value: i32) -> Read<u32> {
    u32::try_from(value).map_err(|_| Fault::Bad("a count or length is negative"))
}

fn required<T>(value: Option<T>) -> Read<T> {
    value.ok_or(Fault::Bad("a required field is missing"))
}

impl PageHeader {
    fn read(r: &mut Reader) -> Read<Self> {
        let mut header = PageHeader::default();
        let (mut kind, mut uncompressed, mut compressed, mut last) = (None, None, None, 0);
        while let Some(field) = r.field(&mut last)? {
            match (field.id, field.kind) {
                (1, kind::I32) => kind = Some(r.i32()?),
                (2, kind::I32) => uncompressed = Some(unsigned(r.i32()?)?),
                (3, kind::I32) => compressed = Some(unsigned(r.i32()?)?),
                (4, kind::I32) => header.crc = Some(r.i32()?.cast_unsigned()),
                (5, kind::STRUCT) => header.data = Some(DataHeader::v1(r)?),
                (7, kind::STRUCT) => header.dictionary = Some(DataHeader::dictionary(r)?),
                (8, kind::STRUCT) => header.data_v2 = Some(DataHeader::v2(r)?),
                _ => r.skip(field.kind)?,
            }
        }
        header.kind = required(kind)?;
        header.uncompressed_len = required(uncompressed)?;
        header.compressed_len = required(compressed)?;
        Ok(header)
    }

    fn body_len(&self) -> u64 {
        u64::from(self.compressed_len)
    }

    /// The page whose body begins at `start`, in a file whose data ends at `data_end`;
    /// `None` for pages that hold no values.
    fn page(&self, start: u64, data_end: u64, first_row: u64) -> Result<Option<PageMeta>> {
        let body = start..start + self.body_len();
        if body.end > data_end {
            return Err(damaged(format!("a page at bytes {}..{}", body.start, body.end))
                .expected(format!("it to end before the footer at {data_end}")));
        }
        let missing = || damaged(format!("a page of type {} without the header of that type", self.kind));
        let (header, kind) = match self.kind {
            0 => {
                let header = self.data.as_ref().ok_or_else(missing)?;
                let definition_encoding = Encoding::from_id(header.definition_encoding);
                (header, PageKind::V1 { definition_encoding })
            }
            1 => return Ok(None),
            2 => (self.dictionary.as_ref().ok_or_else(missing)?, PageKind::Dictionary),
            3 => {
                let header = self.data_v2.as_ref().ok_or_else(missing)?;
                (header, self.check_v2(header)?)
            }
            id => return Err(Error::unsupported(format!("a page of type {id}"))),
        };
        let encoding = match (kind, header.encoding) {
            // In a dictionary page `PLAIN_DICTIONARY` means plain: Encodings.md.
            (PageKind::Dictionary, 0 | 2) => Encoding::Plain,
            (PageKind::Dictionary, id) => {
                return Err(
                    Error::unsupported(format!("a dictionary page of encoding {id}")).expected("plain")
                );
            }
            (_, id) => Encoding::from_id(id),
        };
        Ok(Some(PageMeta {
            body,
            uncompressed_len: self.uncompressed_len,
            values: header.values,
            first_row,
            encoding,
            crc: self.crc,
            kind,
        }))
    }

    fn check_v2(&self, header: &DataHeader) -> Result<PageKind> {
        let levels = u64::from(header.definition_len) + u64::from(header.repetition_len);
        if levels > self.body_len() || levels > u64::from(self.uncompressed_len) {
            return Err(damaged(format!("{levels} bytes of levels in a page of {}", self.compressed_len)));
        }
        Ok(PageKind::V2 {
            definition_len: header.definition_len,
            repetition_len: header.repetition_len,
            is_compressed: header.is_compressed,
        })
    }
}

impl DataHeader {
    /// `DataPageHeader`.
    fn v1(r: &mut Reader) -> Read<Self> {
        let (mut values, mut encoding, mut definition, mut last) = (None, None, None, 0);
        while let Some(field) = r.field(&mut last)? {
            match (field.id, field.kind) {
                (1, kind::I32) => values = Some(unsigned(r.i32()?)?),
                (2, kind::I32) => encoding = Some(r.i32()?),
                (3, kind::I32) => definition = Some(r.i32()?),
                _ => r.skip(field.kind)?,
            }
        }
        Ok(DataHeader {
            values: required(values)?,
            encoding: required(encoding)?,
            definition_encoding: required(definition)?,
            ..DataHeader::default()
        })
    }

    /// `DictionaryPageHeader`.
    fn dictionary(r: &mut Reader) -> Read<Self> {
        let (mut values, mut encoding, mut last) = (None, None, 0);
        while let Some(field) = r.field(&mut last)? {
            match (field.id, field.kind) {
                (1, kind::I32) => values = Some(unsigned(r.i32()?)?),
                (2, kind::I32) => encoding = Some(r.i32()?),
                _ => r.skip(field.kind)?,
            }
        }
        Ok(DataHeader { values: required(values)?, encoding: required(encoding)?, ..DataHeader::default() })
    }

    /// `DataPageHeaderV2`. Its counts of nulls and of rows are not read: a flat column has a row
    /// per value, the levels say which values are null, and writers got both counts wrong
    /// (parquet-java before 1.18 writes -1, pyarrow before 12 the nulls of several pages).
    fn v2(r: &mut Reader) -> Read<Self> {
        let mut header = DataHeader { is_compressed: true, ..DataHeader::default() };
        let mut found = 0u32;
        let mut last = 0;
        while let Some(field) = r.field(&mut last)? {
            match (field.id, field.kind) {
                (1, kind::I32) => header.values = unsigned(r.i32()?)?,
                (4, kind::I32) => header.encoding = r.i32()?,
                (5, kind::I32) => header.definition_len = unsigned(r.i32()?)?,
                (6, kind::I32) => header.repetition_len = unsigned(r.i32()?)?,
                (7, kind::TRUE) => header.is_compressed = true,
                (7, kind::FALSE) => header.is_compressed = false,
                _ => r.skip(field.kind)?,
            }
            if matches!(field.id, 1 | 4..=6) && field.kind == kind::I32 {
                found |= 1 << field.id;
            }
        }
        required((found == 0b111_0010).then_some(header))
    }
}

/// A page, ready to be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenPage<'a> {
    /// Rows (dictionary entries, in a dictionary page).
    pub rows: u32,
    /// Definition levels in hybrid RLE; `None` for a column that the schema requires.
    pub definition: Option<&'a [u8]>,
    /// The values that are not null, in `encoding`.
    pub values: &'a [u8],
    /// How they are encoded.
    pub encoding: Encoding,
}

/// A range of bytes of a page: of its stored body, or of the buffer that it was
/// decompressed into.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Span {
    decompressed: bool,
    range: Range<usize>,
}

impl Span {
    /// The bytes, from the body and the buffer that the page was opened with.
    #[inline]
    #[allow(clippy::indexing_slicing)] // `open` has checked the range
    pub fn of<'b>(&self, body: &'b [u8], buffer: &'b [u8]) -> &'b [u8] {
        let whole = if self.decompressed { buffer } else { body };
        &whole[self.range.clone()]
    }
}

/// Where levels and values of a page are. It holds ranges instead of slices, so that it can be
/// kept beside the buffer with the bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageLayout {
    /// Rows (dictionary entries, in a dictionary page).
    pub rows: u32,
    /// See [`OpenPage::definition`].
    pub definition: Option<Span>,
    /// See [`OpenPage::values`].
    pub values: Span,
    /// How the values are encoded.
    pub encoding: Encoding,
}

impl PageLayout {
    /// The page, from the body and the buffer that it was opened with.
    pub fn view<'b>(&self, body: &'b [u8], buffer: &'b [u8]) -> OpenPage<'b> {
        OpenPage {
            rows: self.rows,
            definition: self.definition.as_ref().map(|span| span.of(body, buffer)),
            values: self.values.of(body, buffer),
            encoding: self.encoding,
        }
    }
}

/// Opens a page of `leaf`: verifies its checksum, decompresses it and separates
/// levels from values. `body` holds the bytes of `page.body`; `buffer` is reused
/// from page to page, and is `ready` if [`decompress_two`] has decompressed the page into it.
///
/// # Errors
/// `Format` when the page is damaged, `Unsupported` for codecs and level
/// encodings that are not supported.
pub fn open(
    body: &[u8],
    page: &PageMeta,
    codec: Codec,
    leaf: &Leaf,
    buffer: &mut Vec<u8>,
    ready: bool,
) -> Result<PageLayout> {
    if let Some(crc) = page.crc {
        let found = crc32fast::hash(body);
        if found != crc {
            return Err(damaged(format!("a page with checksum {found:08x}"))
                .expected(format!("{crc:08x}, as its header says")));
        }
    }
    let len = page.uncompressed_len as usize;
    let short = || damaged("a page that is shorter than its levels");
    let has_levels = leaf.max_definition > 0;
    let (definition, values) = match page.kind {
        PageKind::Dictionary => (None, unpack(codec, body, 0, len, buffer, ready)?),
        PageKind::V1 { definition_encoding } => {
            let whole = unpack(codec, body, 0, len, buffer, ready)?;
            if has_levels { split_v1(whole, body, buffer, definition_encoding)? } else { (None, whole) }
        }
        PageKind::V2 { definition_len, repetition_len, is_compressed, .. } => {
            let definition = repetition_len as usize..(repetition_len as usize + definition_len as usize);
            let len = len.checked_sub(definition.end).ok_or_else(short)?;
            let codec = if is_compressed { codec } else { Codec::Uncompressed };
            let values = unpack(codec, body, definition.end, len, buffer, ready)?;
            (has_levels.then_some(Span { decompressed: false, range: definition }), values)
        }
    };
    Ok(PageLayout { rows: page.values, definition, values, encoding: page.encoding })
}

/// Decompresses two pages interleaved, which takes less time than one after the other. Returns
/// false where that is not possible: the pages have to be opened one by one.
pub fn decompress_two(pages: [(&[u8], &PageMeta, &mut Vec<u8>); 2], codec: Codec) -> bool {
    codec == Codec::Snappy
        && pages.iter().all(|(_, page, _)| matches!(page.kind, PageKind::V1 { .. }))
        && codec::snappy_two(pages.map(|(body, page, buffer)| (body, page.uncompressed_len as usize, buffer)))
}

/// Decompresses `body[start..]` to `len` bytes, and returns where they are.
fn unpack(
    codec: Codec,
    body: &[u8],
    start: usize,
    len: usize,
    buffer: &mut Vec<u8>,
    ready: bool,
) -> Result<Span> {
    if ready {
        return Ok(Span { decompressed: true, range: 0..len });
    }
    let stored = body.get(start..).ok_or_else(|| damaged("a page that is shorter than its levels"))?;
    // A block of one literal is not copied: the body holds the bytes.
    let literal = match codec {
        Codec::Snappy => snappy::as_single_literal(stored, len),
        _ => None,
    };
    if let Some(range) = literal {
        return Ok(Span { decompressed: false, range: start + range.start..start + range.end });
    }
    decompress(codec, stored, len, buffer)?;
    Ok(match codec {
        Codec::Uncompressed => Span { decompressed: false, range: start..start + len },
        _ => Span { decompressed: true, range: 0..len },
    })
}

/// Separates the levels of a V1 page from its values. Levels begin with their length: Encodings.md,
/// "RLE".
fn split_v1(whole: Span, body: &[u8], buffer: &[u8], encoding: Encoding) -> Result<(Option<Span>, Span)> {
    match encoding {
        Encoding::Rle => {}
        Encoding::BitPacked => {
            return Err(Error::unsupported("definition levels in the deprecated BIT_PACKED encoding")
                .expected("RLE")
                .advice("Export the file with a writer of this decade"));
        }
        other => return Err(damaged(format!("definition levels in encoding {other:?}")).expected("RLE")),
    }
    let levels = whole.of(body, buffer).split_first_chunk::<4>().and_then(|(len, rest)| {
        let len = u32::from_le_bytes(*len) as usize;
        (len <= rest.len()).then(|| whole.range.start + 4..whole.range.start + 4 + len)
    });
    let Some(levels) = levels else {
        return Err(damaged("a page that is shorter than its definition levels"));
    };
    let values = Span { range: levels.end..whole.range.end, ..whole };
    Ok((Some(Span { range: levels, ..values.clone() }), values))
}
