//! The page index (PageIndex.md): where each data page lies, and what bounds
//! its values have.
//!
//! An index only saves work. One that is damaged, or that does not fit its
//! chunk, is no index: `None`, never an error.

use std::ops::Range;

use super::footer::ChunkMeta;
use super::thrift::{Fault, Read, Reader, kind};
use crate::storage::Object;

/// Where a page lies: `parquet.thrift`, `PageLocation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLocation {
    /// Where its header begins.
    pub offset: u64,
    /// Its length, header included.
    pub compressed_len: u32,
    /// The row of its row group that it begins with.
    pub first_row: u64,
}

/// Bounds of one page: `parquet.thrift`, `ColumnIndex`. Bounds of long values
/// may be cut, but still bound; those of floats leave NaN out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageBounds {
    /// Smallest and largest value, as PLAIN bytes without a length; `None` for
    /// a page of nulls only.
    pub bounds: Option<(Vec<u8>, Vec<u8>)>,
    /// Values that are null, where the writer says so.
    pub null_count: Option<u64>,
}

/// The places of the data pages of `chunk`, in a row group of `rows` rows.
pub fn locations(object: &dyn Object, chunk: &ChunkMeta, rows: u64) -> Option<Vec<PageLocation>> {
    let bytes = object.read(within(object, chunk.offset_index.as_ref()?)?).ok()?;
    let pages = offset_index(&mut Reader::new(&bytes)).ok()?;
    let chunk_end = chunk.start.checked_add(chunk.compressed_len)?;
    let (mut end, mut row) = (chunk.start, None);
    for page in &pages {
        let in_order = page.offset >= end && row.is_none_or(|row| page.first_row >= row);
        if !in_order || (row.is_none() && page.first_row != 0) || page.first_row > rows {
            return None;
        }
        end = page.offset.checked_add(u64::from(page.compressed_len)).filter(|&end| end <= chunk_end)?;
        row = Some(page.first_row);
    }
    Some(pages)
}

/// The bounds of the data pages of `chunk`, which has `pages` of them.
pub fn bounds(object: &dyn Object, chunk: &ChunkMeta, pages: usize) -> Option<Vec<PageBounds>> {
    let bytes = object.read(within(object, chunk.column_index.as_ref()?)?).ok()?;
    column_index(&mut Reader::new(&bytes)).ok().flatten().filter(|found| found.len() == pages)
}

fn within(object: &dyn Object, range: &Range<u64>) -> Option<Range<u64>> {
    (range.end <= object.len()).then(|| range.clone())
}

/// `OffsetIndex`.
fn offset_index(r: &mut Reader) -> Read<Vec<PageLocation>> {
    let (mut pages, mut last) = (None, 0);
    while let Some(field) = r.field(&mut last)? {
        match (field.id, field.kind) {
            (1, kind::LIST) => {
                let mut found = Vec::new();
                for _ in 0..r.list_of(kind::STRUCT)? {
                    found.push(page_location(r)?);
                }
                pages = Some(found);
            }
            _ => r.skip(field.kind)?,
        }
    }
    pages.ok_or(Fault::Bad("no page locations"))
}

/// `PageLocation`.
fn page_location(r: &mut Reader) -> Read<PageLocation> {
    const NEGATIVE: Fault = Fault::Bad("a place is negative");
    let (mut offset, mut len, mut row, mut last) = (None, None, None, 0);
    while let Some(field) = r.field(&mut last)? {
        match (field.id, field.kind) {
            (1, kind::I64) => offset = Some(u64::try_from(r.i64()?).map_err(|_| NEGATIVE)?),
            (2, kind::I32) => len = Some(u32::try_from(r.i32()?).map_err(|_| NEGATIVE)?),
            (3, kind::I64) => row = Some(u64::try_from(r.i64()?).map_err(|_| NEGATIVE)?),
            _ => r.skip(field.kind)?,
        }
    }
    match (offset, len, row) {
        (Some(offset), Some(compressed_len), Some(first_row)) => {
            Ok(PageLocation { offset, compressed_len, first_row })
        }
        _ => Err(Fault::Bad("a page location lacks a field")),
    }
}

/// `ColumnIndex`; `None` when its lists differ in length.
fn column_index(r: &mut Reader) -> Read<Option<Vec<PageBounds>>> {
    let (mut nulls_only, mut min, mut max, mut null_counts) = (vec![], vec![], vec![], None);
    let mut last = 0;
    while let Some(field) = r.field(&mut last)? {
        match (field.id, field.kind) {
            // Elements of a list of booleans are bytes, 1 for true.
            (1, kind::LIST) => nulls_only = values(r, |r| Ok(r.byte()? == kind::TRUE))?,
            (2, kind::LIST) => min = values(r, Reader::binary)?,
            (3, kind::LIST) => max = values(r, Reader::binary)?,
            (5, kind::LIST) => null_counts = Some(values(r, Reader::i64)?),
            _ => r.skip(field.kind)?,
        }
    }
    let pages = nulls_only.len();
    if min.len() != pages || max.len() != pages || null_counts.as_ref().is_some_and(|n| n.len() != pages) {
        return Ok(None);
    }
    let mut null_counts = null_counts.map(Vec::into_iter);
    let page = |((nulls_only, min), max): ((bool, &[u8]), &[u8])| PageBounds {
        bounds: (!nulls_only).then(|| (min.to_vec(), max.to_vec())),
        null_count: null_counts.as_mut().and_then(Iterator::next).and_then(|n| u64::try_from(n).ok()),
    };
    Ok(Some(nulls_only.into_iter().zip(min).zip(max).map(page).collect()))
}

fn values<'a, T>(r: &mut Reader<'a>, value: impl Fn(&mut Reader<'a>) -> Read<T>) -> Read<Vec<T>> {
    let (count, _) = r.list()?;
    let mut values = Vec::new();
    for _ in 0..count {
        values.push(value(r)?);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::MemoryObject;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_an_index_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200), past in 0u64..3) {
            let range = Some(0..bytes.len() as u64 + past);
            let chunk = ChunkMeta {
                compressed_len: 1000, offset_index: range.clone(), column_index: range, ..ChunkMeta::default()
            };
            let object = MemoryObject::new("x", bytes);
            for page in locations(&object, &chunk, 10).unwrap_or_default() {
                prop_assert!(past == 0 && page.offset + u64::from(page.compressed_len) <= 1000);
                prop_assert!(page.first_row <= 10);
            }
            for pages in 0..3 {
                if let Some(found) = bounds(&object, &chunk, pages) {
                    prop_assert!(past == 0 && found.len() == pages);
                }
            }
        }
    }
}
