//! Writes the metadata of a parquet file in thrift's compact protocol: page headers and the footer.
//!
//! Only what [`crate::text`] needs: flat optional columns, uncompressed v1 pages. The numbers of fields and types are
//! those of `parquet.thrift`.

use super::Physical;
use super::encode::varint;

/// `parquet.thrift`, `Encoding`.
const PLAIN: i32 = 0;
const RLE: i32 = 3;
const RLE_DICTIONARY: i32 = 8;

/// The magic at both ends of a file.
pub const MAGIC: &[u8; 4] = b"PAR1";

/// A type of the compact protocol.
#[derive(Clone, Copy)]
enum Kind {
    I32 = 5,
    I64 = 6,
    Binary = 8,
    List = 9,
    Struct = 12,
}

/// A writer of structs of the compact protocol.
#[derive(Default)]
struct Writer {
    out: Vec<u8>,
    /// The last field of the open structs, innermost last.
    last: Vec<u8>,
}

impl Writer {
    fn zigzag(&mut self, n: i64) {
        #[allow(clippy::cast_sign_loss)] // the bits of a zigzag number
        varint(((n << 1) ^ (n >> 63)) as u64, &mut self.out);
    }

    /// Ids ascend within a struct, by at most 15.
    fn field(&mut self, id: u8, kind: Kind) {
        let last = self.last.last_mut().map(|last| std::mem::replace(last, id)).unwrap_or_default();
        self.out.push((id - last) << 4 | kind as u8);
    }

    fn i32(&mut self, id: u8, n: i32) {
        self.field(id, Kind::I32);
        self.zigzag(n.into());
    }

    fn i64(&mut self, id: u8, n: u64) {
        self.field(id, Kind::I64);
        self.zigzag(i64::try_from(n).unwrap_or(i64::MAX));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        varint(bytes.len() as u64, &mut self.out);
        self.out.extend_from_slice(bytes);
    }

    fn text(&mut self, id: u8, text: &str) {
        self.field(id, Kind::Binary);
        self.bytes(text.as_bytes());
    }

    fn list(&mut self, id: u8, kind: Kind, len: usize) {
        self.field(id, Kind::List);
        match u8::try_from(len) {
            Ok(len @ 0..15) => self.out.push(len << 4 | kind as u8),
            _ => {
                self.out.push(0xf0 | kind as u8);
                varint(len as u64, &mut self.out);
            }
        }
    }

    /// A struct that is an element of a list, or the whole message.
    fn element(&mut self, fields: impl FnOnce(&mut Self)) {
        self.last.push(0);
        fields(self);
        self.last.pop();
        self.out.push(0);
    }

    fn child(&mut self, id: u8, fields: impl FnOnce(&mut Self)) {
        self.field(id, Kind::Struct);
        self.element(fields);
    }
}

/// How the values of a data page are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// Ids into the dictionary.
    Ids,
    /// The values themselves.
    Plain,
}

/// The header of an uncompressed page.
fn page_header(kind: i32, bytes: usize, fields: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
    let mut writer = Writer::default();
    writer.element(|page| {
        page.i32(1, kind);
        page.i32(2, bytes);
        page.i32(3, bytes);
        fields(page);
    });
    writer.out
}

/// The header of a v1 data page of `rows` rows and `bytes` bytes.
pub fn data_page(rows: usize, bytes: usize, values: Values) -> Vec<u8> {
    let rows = i32::try_from(rows).unwrap_or(i32::MAX);
    page_header(0, bytes, |page| {
        page.child(5, |data| {
            data.i32(1, rows);
            data.i32(2, if values == Values::Ids { RLE_DICTIONARY } else { PLAIN });
            data.i32(3, RLE);
            data.i32(4, RLE);
        });
    })
}

/// The header of a dictionary page of `entries` PLAIN values.
pub fn dictionary_page(entries: usize, bytes: usize) -> Vec<u8> {
    let entries = i32::try_from(entries).unwrap_or(i32::MAX);
    page_header(2, bytes, |page| {
        page.child(7, |dictionary| {
            dictionary.i32(1, entries);
            dictionary.i32(2, PLAIN);
        });
    })
}

/// A leaf column of the schema; all are optional.
pub struct LeafColumn<'n> {
    /// Its name.
    pub name: &'n str,
    /// BYTE_ARRAY is a string.
    pub physical: Physical,
}

/// The pages of a column in a row group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenChunk {
    /// The position of its first page.
    pub start: u64,
    /// Length of its pages with their headers.
    pub bytes: u64,
    /// Length of its dictionary page with its header; 0 without one.
    pub dictionary_bytes: u64,
}

/// A row group.
pub struct WrittenGroup {
    /// Its rows.
    pub rows: u64,
    /// One a column; `None` where the column was not written: it cannot be read.
    pub chunks: Vec<Option<WrittenChunk>>,
}

/// `parquet.thrift`, `Type`.
fn type_id(physical: Physical) -> i32 {
    match physical {
        Physical::Int64 => 2,
        Physical::Double => 5,
        _ => 6,
    }
}

/// The footer, with its length and the magic.
pub fn footer(columns: &[LeafColumn<'_>], row_groups: &[WrittenGroup]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.element(|file| {
        file.i32(1, 1);
        file.list(2, Kind::Struct, columns.len() + 1);
        file.element(|root| {
            root.text(4, "schema");
            root.i32(5, i32::try_from(columns.len()).unwrap_or(i32::MAX));
        });
        for LeafColumn { name, physical } in columns {
            file.element(|leaf| {
                leaf.i32(1, type_id(*physical));
                leaf.i32(3, 1);
                leaf.text(4, name);
                if *physical == Physical::ByteArray {
                    leaf.i32(6, 0);
                }
            });
        }
        file.i64(3, row_groups.iter().map(|group| group.rows).sum());
        file.list(4, Kind::Struct, row_groups.len());
        for group in row_groups {
            file.element(|to| {
                to.list(1, Kind::Struct, columns.len());
                for (column, chunk) in columns.iter().zip(&group.chunks) {
                    to.element(|to| write_chunk(to, column, *chunk, group.rows));
                }
                to.i64(2, group.chunks.iter().flatten().map(|chunk| chunk.bytes).sum());
                to.i64(3, group.rows);
            });
        }
        file.text(6, concat!("rollshare ", env!("CARGO_PKG_VERSION")));
    });
    let mut out = writer.out;
    let len = u32::try_from(out.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(MAGIC);
    out
}

fn write_chunk(to: &mut Writer, column: &LeafColumn<'_>, chunk: Option<WrittenChunk>, rows: u64) {
    if chunk.is_none() {
        // A chunk in another file is an error for its reader.
        to.text(1, "not read");
    }
    let chunk = chunk.unwrap_or(WrittenChunk { start: 0, bytes: 0, dictionary_bytes: 0 });
    to.i64(2, chunk.start);
    to.child(3, |meta| {
        meta.i32(1, type_id(column.physical));
        let encodings = [PLAIN, RLE, RLE_DICTIONARY];
        meta.list(2, Kind::I32, encodings.len());
        encodings.iter().for_each(|encoding| meta.zigzag((*encoding).into()));
        meta.list(3, Kind::Binary, 1);
        meta.bytes(column.name.as_bytes());
        meta.i32(4, 0);
        meta.i64(5, rows);
        meta.i64(6, chunk.bytes);
        meta.i64(7, chunk.bytes);
        meta.i64(9, chunk.start + chunk.dictionary_bytes);
        if chunk.dictionary_bytes > 0 {
            meta.i64(11, chunk.start);
        }
    });
}
