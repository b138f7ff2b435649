//! Assembles files from chunks: page offsets, the page index, and the footer
//! (`parquet.thrift`, `FileMetaData`), which a test can edit before it is written.

use super::encodings::Cell;
use super::pages::{Chunk, Layout, Page};
use super::thrift::{Struct, Value, list};

type Edit = Box<dyn Fn(&mut Struct)>;

/// A row group.
pub struct Group {
    pub rows: usize,
    pub chunks: Vec<Chunk>,
}

/// A file whose every part can be changed. The leaves and the chunks of each row group
/// are in the same order.
pub struct File {
    pub created_by: Option<String>,
    /// `SchemaElement`s below the root.
    pub leaves: Vec<Struct>,
    pub groups: Vec<Group>,
    /// Whether the footer says that bounds are in the order of the type.
    pub column_orders: bool,
    /// Bytes between the magic number and the first page, which make a file large.
    pub padding: usize,
    edits: Vec<Edit>,
}

/// `parquet.thrift`, `Type`.
pub const INT32: i32 = 1;
pub const INT64: i32 = 2;
pub const DOUBLE: i32 = 5;
pub const BYTE_ARRAY: i32 = 6;

/// An optional leaf without an annotation.
pub fn leaf(name: &str, physical: i32) -> Struct {
    Struct::new().with(1, physical).with(3, 1).with(4, name)
}

/// A leaf of strings, annotated in both ways.
pub fn string_leaf(name: &str) -> Struct {
    leaf(name, BYTE_ARRAY).with(6, 0).with(10, Struct::new().with(1, Struct::new()))
}

impl File {
    /// A file without columns, whose row groups have these numbers of rows.
    pub fn new(groups: &[usize]) -> Self {
        File {
            created_by: Some("parquet-cpp-arrow version 26.0.1".into()),
            leaves: Vec::new(),
            groups: groups.iter().map(|rows| Group { rows: *rows, chunks: Vec::new() }).collect(),
            column_orders: true,
            padding: 0,
            edits: Vec::new(),
        }
    }

    /// Adds a column after the others.
    pub fn add(&mut self, leaf: Struct, cells: &[Option<Cell>], layout: &Layout) {
        self.insert(self.leaves.len(), leaf, cells, layout);
    }

    /// Writes a column in another way, under another name, or with other cells.
    pub fn replace(&mut self, name: &str, leaf: Struct, cells: &[Option<Cell>], layout: &Layout) {
        let at = self.position(name);
        self.remove(name);
        self.insert(at, leaf, cells, layout);
    }

    /// Leaves a column out.
    pub fn remove(&mut self, name: &str) {
        let at = self.position(name);
        self.leaves.remove(at);
        self.groups.iter_mut().for_each(|group| drop(group.chunks.remove(at)));
    }

    fn insert(&mut self, at: usize, leaf: Struct, mut cells: &[Option<Cell>], layout: &Layout) {
        let physical = leaf.int(1) as i32;
        for group in &mut self.groups {
            let (chunk, rest) = cells.split_at(group.rows);
            group.chunks.insert(at, Chunk::new(physical, chunk, layout));
            cells = rest;
        }
        self.leaves.insert(at, leaf);
    }

    /// The position of the first column of this name.
    pub fn position(&self, name: &str) -> usize {
        self.leaves.iter().position(|leaf| leaf.get(4) == Some(&name.into())).expect(name)
    }

    /// The `SchemaElement` of a column.
    pub fn leaf(&mut self, name: &str) -> &mut Struct {
        let at = self.position(name);
        &mut self.leaves[at]
    }

    /// All chunks of a column.
    pub fn chunks_of(&mut self, name: &str) -> impl Iterator<Item = &mut Chunk> {
        let at = self.position(name);
        self.groups.iter_mut().map(move |group| &mut group.chunks[at])
    }

    /// All chunks of all columns.
    pub fn chunks(&mut self) -> impl Iterator<Item = &mut Chunk> {
        self.groups.iter_mut().flat_map(|group| &mut group.chunks)
    }

    /// Edits the footer just before it is written, when all offsets are in it.
    pub fn edit_footer(&mut self, edit: impl Fn(&mut Struct) + 'static) {
        self.edits.push(Box::new(edit));
    }

    /// Edits the `ColumnMetaData` of every chunk of a column.
    pub fn edit_metadata(&mut self, name: &str, edit: impl Fn(&mut Struct) + 'static) {
        let at = self.position(name);
        self.edit_footer(move |footer| {
            for group in footer.structs(4) {
                edit(group.structs(1).nth(at).unwrap().child(3));
            }
        });
    }

    /// The file's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = b"PAR1".to_vec();
        out.resize(4 + self.padding, 0);
        let mut groups = Vec::new();
        for group in &self.groups {
            let columns = self.leaves.iter().zip(&group.chunks);
            let mut chunks: Vec<Struct> =
                columns.map(|(leaf, chunk)| write_chunk(&mut out, leaf, chunk)).collect();
            let bytes: i64 = chunks.iter_mut().map(|chunk| chunk.child(3).int(6)).sum();
            groups.push(Struct::new().with(1, list(chunks)).with(2, bytes).with(3, group.rows as i64));
        }
        for (group, meta) in self.groups.iter().zip(&mut groups) {
            for (chunk, meta) in group.chunks.iter().zip(meta.structs(1)) {
                write_index(&mut out, chunk, meta);
            }
        }
        let root = Struct::new().with(4, "schema").with(5, self.leaves.len() as i32);
        let schema = std::iter::once(root).chain(self.leaves.iter().cloned());
        let rows: usize = self.groups.iter().map(|group| group.rows).sum();
        let mut footer =
            Struct::new().with(1, 2).with(2, list(schema)).with(3, rows as i64).with(4, list(groups));
        if let Some(by) = &self.created_by {
            footer.set(6, by.as_str());
        }
        if self.column_orders {
            let order = Value::Struct(Struct::new().with(1, Struct::new()));
            footer.set(7, Value::List(vec![order; self.leaves.len()]));
        }
        self.edits.iter().for_each(|edit| edit(&mut footer));
        let footer = footer.encode();
        out.extend(&footer);
        out.extend((footer.len() as u32).to_le_bytes());
        out.extend(b"PAR1");
        out
    }
}

/// Writes a page; returns its length before compression, header included.
fn write_page(out: &mut Vec<u8>, page: &Page) -> i64 {
    let header = page.header.encode();
    out.extend(&header);
    out.extend(&page.body);
    header.len() as i64 + page.header.int(2)
}

/// Writes the pages of a chunk; returns its `ColumnChunk`.
fn write_chunk(out: &mut Vec<u8>, leaf: &Struct, chunk: &Chunk) -> Struct {
    let start = out.len();
    let mut uncompressed = chunk.dictionary.as_ref().map_or(0, |page| write_page(out, page));
    let data = out.len() as i64;
    uncompressed += chunk.pages.iter().map(|page| write_page(out, page)).sum::<i64>();
    out.extend(&chunk.tail);
    let mut meta = Struct::new()
        .with(1, chunk.physical)
        .with(2, list(chunk.encodings.iter().copied()))
        .with(3, Value::List(vec![leaf.get(4).unwrap().clone()]))
        .with(4, i32::from(chunk.snappy))
        .with(5, chunk.values as i64)
        .with(6, uncompressed)
        .with(7, (out.len() - start) as i64)
        .with(9, data);
    if chunk.dictionary.is_some() {
        meta.set(11, start as i64);
    }
    if let Some(statistics) = &chunk.statistics {
        meta.set(12, statistics.clone());
    }
    Struct::new().with(2, data).with(3, meta)
}

/// Writes the column index and the offset index of a chunk to the file, and their
/// offsets to its `ColumnChunk`.
fn write_index(out: &mut Vec<u8>, chunk: &Chunk, meta: &mut Struct) {
    let mut offset = meta.child(3).int(9);
    let mut put = |index: &Struct, ids: (i16, i16)| {
        let bytes = index.encode();
        meta.set(ids.0, out.len() as i64);
        meta.set(ids.1, bytes.len() as i32);
        out.extend(bytes);
    };
    let Some(index) = &chunk.column_index else { return };
    put(index, (6, 7));
    let location = |(page, row): (&Page, &i64)| {
        let len = (page.header.encode().len() + page.body.len()) as i64;
        offset += len;
        Struct::new().with(1, offset - len).with(2, len as i32).with(3, *row)
    };
    put(&Struct::new().with(1, list(chunk.pages.iter().zip(&chunk.first_rows).map(location))), (4, 5));
}
