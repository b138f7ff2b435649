//! Column chunks as lists of pages (`parquet.thrift`, `PageHeader`). Headers and bodies are
//! separate and public, so that a test can change either.

use super::encodings::{Cell, Encoding, id_width, plain, runs};
use super::thrift::{Struct, Value, list};

/// How the chunks of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    pub encoding: Encoding,
    pub v2: bool,
    pub snappy: bool,
    pub page_rows: usize,
    /// Values by which the last run of the definition levels exceeds its page.
    pub excess_levels: u32,
    /// Values by which the last run of the dictionary ids exceeds its page.
    pub excess_ids: u32,
}

/// A page header and its body as stored.
#[derive(Debug, Clone)]
pub struct Page {
    pub header: Struct,
    pub body: Vec<u8>,
}

/// `PageHeader`: the ids of its fields for the three kinds of page.
pub const V1: i16 = 5;
pub const DICTIONARY: i16 = 7;
pub const V2: i16 = 8;

impl Page {
    /// The `DataPageHeader` or `DataPageHeaderV2` of a data page.
    pub fn data_header(&mut self) -> &mut Struct {
        let id = if self.header.get(V2).is_some() { V2 } else { V1 };
        self.header.child(id)
    }

    /// Sets the statistics of a data page.
    pub fn set_statistics(&mut self, statistics: Struct) {
        let id = if self.header.get(V2).is_some() { 8 } else { 5 };
        self.data_header().set(id, statistics);
    }
}

/// A column chunk.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// `parquet.thrift`, `Type`.
    pub physical: i32,
    pub values: usize,
    pub encodings: Vec<i32>,
    pub snappy: bool,
    pub dictionary: Option<Page>,
    pub pages: Vec<Page>,
    /// The row that each page begins with.
    pub first_rows: Vec<i64>,
    /// Bytes after the last page that the length of the chunk includes.
    pub tail: Vec<u8>,
    pub statistics: Option<Struct>,
    pub column_index: Option<Struct>,
}

impl Chunk {
    /// An optional column with correct statistics and a correct page index.
    pub fn new(physical: i32, cells: &[Option<Cell>], layout: &Layout) -> Self {
        let mut entries: Vec<&Cell> = Vec::new();
        for cell in cells.iter().flatten().filter(|_| layout.encoding == Encoding::Dictionary) {
            if !entries.contains(&cell) {
                entries.push(cell);
            }
        }
        let parts: Vec<&[Option<Cell>]> = cells.chunks(layout.page_rows).collect();
        let dictionary = (layout.encoding == Encoding::Dictionary).then(|| {
            let (body, len) = stored(&plain(&entries), layout.snappy);
            let header = Struct::new().with(1, entries.len() as i32).with(2, 0);
            Page { header: page_header(2, len, body.len()).with(DICTIONARY, header), body }
        });
        Chunk {
            physical,
            values: cells.len(),
            encodings: vec![layout.encoding.id(), 0, 3],
            snappy: layout.snappy,
            dictionary,
            pages: parts.iter().map(|cells| data_page(cells, &entries, layout)).collect(),
            first_rows: (0..cells.len() as i64).step_by(layout.page_rows).collect(),
            tail: Vec::new(),
            statistics: Some(statistics(cells)),
            column_index: column_index(&parts),
        }
    }

    /// The statistics, for a test to change.
    pub fn statistics(&mut self) -> &mut Struct {
        self.statistics.get_or_insert_default()
    }
}

fn page_header(kind: i32, uncompressed: usize, compressed: usize) -> Struct {
    Struct::new().with(1, kind).with(2, uncompressed as i32).with(3, compressed as i32)
}

/// The bytes as they are stored, and their length before that.
fn stored(bytes: &[u8], snappy: bool) -> (Vec<u8>, usize) {
    let body = if snappy { snap::raw::Encoder::new().compress_vec(bytes).unwrap() } else { bytes.to_vec() };
    (body, bytes.len())
}

fn data_page(cells: &[Option<Cell>], entries: &[&Cell], layout: &Layout) -> Page {
    let levels: Vec<u32> = cells.iter().map(|cell| u32::from(cell.is_some())).collect();
    let levels = runs(&levels, 1, layout.excess_levels);
    let present: Vec<&Cell> = cells.iter().flatten().collect();
    let values = match layout.encoding {
        Encoding::Dictionary => {
            let width = id_width(entries.len());
            let id = |cell: &Cell| entries.iter().position(|entry| *entry == cell).unwrap() as u32;
            let ids: Vec<u32> = present.iter().map(|cell| id(cell)).collect();
            [vec![width as u8], runs(&ids, width, layout.excess_ids)].concat()
        }
        encoding => encoding.encode(&present),
    };
    let (rows, nulls) = (cells.len() as i32, (cells.len() - present.len()) as i32);
    let encoding = layout.encoding.id();
    if layout.v2 {
        let (values, len) = stored(&values, layout.snappy);
        let header = Struct::new()
            .with(1, rows)
            .with(2, nulls)
            .with(3, rows)
            .with(4, encoding)
            .with(5, levels.len() as i32)
            .with(6, 0)
            .with(7, layout.snappy);
        let body = [&levels[..], &values].concat();
        Page { header: page_header(3, levels.len() + len, body.len()).with(V2, header), body }
    } else {
        let whole = [&(levels.len() as u32).to_le_bytes()[..], &levels, &values].concat();
        let (body, len) = stored(&whole, layout.snappy);
        let header = Struct::new().with(1, rows).with(2, encoding).with(3, 3).with(4, 3);
        Page { header: page_header(0, len, body.len()).with(V1, header), body }
    }
}

/// The bounds of strings; those of other types are left out.
pub fn bounds(cells: &[Option<Cell>]) -> Option<(Vec<u8>, Vec<u8>)> {
    let texts = || cells.iter().flatten().filter(|cell| matches!(cell, Cell::Text(_))).map(Cell::bytes);
    texts().min().zip(texts().max())
}

fn nulls(cells: &[Option<Cell>]) -> i64 {
    cells.iter().filter(|cell| cell.is_none()).count() as i64
}

/// `Statistics` of some cells.
pub fn statistics(cells: &[Option<Cell>]) -> Struct {
    let statistics = Struct::new().with(3, nulls(cells));
    match bounds(cells) {
        Some((min, max)) => statistics.with(5, max).with(6, min),
        None => statistics,
    }
}

/// `ColumnIndex`; `None` for columns without bounds.
fn column_index(pages: &[&[Option<Cell>]]) -> Option<Struct> {
    let of_pages: Vec<_> = pages.iter().map(|cells| bounds(cells)).collect();
    let pair = |bounds: &Option<(Vec<u8>, Vec<u8>)>| bounds.clone().unwrap_or_default();
    of_pages.iter().any(Option::is_some).then(|| {
        Struct::new()
            .with(1, list(of_pages.iter().map(Option::is_none)))
            .with(2, list(of_pages.iter().map(|bounds| pair(bounds).0)))
            .with(3, list(of_pages.iter().map(|bounds| pair(bounds).1)))
            .with(4, 0)
            .with(5, list(pages.iter().map(|cells| Value::I64(nulls(cells)))))
    })
}
