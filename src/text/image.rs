//! A converted text as the bytes of a parquet file.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::pieces::{Converted, RowGroup};
use crate::parquet::Physical;
use crate::parquet::write::{LeafColumn, MAGIC, WrittenChunk, WrittenGroup, footer};
use crate::storage::Spool;
use crate::{Error, Result};

/// The bytes of a parquet file: the magic, the row groups, the footer.
pub struct Image {
    spool: Arc<Spool>,
    row_groups: Vec<Placed>,
    footer: Vec<u8>,
    len: u64,
}

/// A row group in its file.
struct Placed {
    row_group: RowGroup,
    /// Its first byte.
    start: u64,
    /// Rows before it.
    rows_before: u64,
}

impl Image {
    /// The file of a converted text. It has all columns of the text; those that are not read are an error for a reader.
    pub fn new(converted: Converted, spool: Arc<Spool>) -> Self {
        let Converted { header, row_groups } = converted;
        let leaf = |(field, name)| {
            let kind = header.columns.iter().find(|(column, _)| *column == field).map(|(_, kind)| *kind);
            LeafColumn { name, physical: kind.map_or(Physical::ByteArray, |kind| kind.physical()) }
        };
        let columns: Vec<LeafColumn<'_>> =
            header.names.iter().map(String::as_str).enumerate().map(leaf).collect();
        let (mut at, mut rows) = (MAGIC.len() as u64, 0);
        let (mut placed, mut written) = (Vec::new(), Vec::new());
        for row_group in row_groups.into_iter().filter(|row_group| row_group.rows > 0) {
            let chunk = |slot: &usize| {
                row_group.chunks.get(*slot).map(|chunk| WrittenChunk {
                    start: at + chunk.start,
                    bytes: chunk.bytes,
                    dictionary_bytes: chunk.dictionary_bytes,
                })
            };
            written.push(WrittenGroup {
                rows: row_group.rows,
                chunks: header.slots.iter().map(chunk).collect(),
            });
            let (len, of_group) = (row_group.segment.size(), row_group.rows);
            placed.push(Placed { row_group, start: at, rows_before: rows });
            at += len;
            rows += of_group;
        }
        let footer = footer(&columns, &written);
        let len = at + footer.len() as u64;
        Image { spool, row_groups: placed, footer, len }
    }

    /// Length in bytes.
    pub fn size(&self) -> u64 {
        self.len
    }

    /// The line of the text on which a row begins, from 1; `None` where it is not known.
    pub fn line(&self, row: u64) -> Option<u64> {
        let at = self.row_groups.partition_point(|placed| placed.rows_before <= row).checked_sub(1)?;
        let placed = self.row_groups.get(at)?;
        placed.row_group.lines.of(row - placed.rows_before)
    }

    /// The bytes of a range.
    ///
    /// # Errors
    /// `Internal` past the end; `Io` where the temporary file cannot be read.
    pub fn read(&self, range: Range<u64>) -> Result<Cow<'_, [u8]>> {
        if range.start > range.end || range.end > self.len {
            return Err(Error::internal("a read outside of converted text"));
        }
        let mut bytes = self.part(range.clone())?;
        while (bytes.len() as u64) < range.end - range.start {
            let next = self.part(range.start + bytes.len() as u64..range.end)?;
            if next.is_empty() {
                return Err(Error::internal("a gap in converted text"));
            }
            bytes.to_mut().extend_from_slice(&next);
        }
        Ok(bytes)
    }

    /// The first bytes of a range, as far as one part of the file has them.
    fn part(&self, range: Range<u64>) -> Result<Cow<'_, [u8]>> {
        let within = |bytes: &'_ [u8], base: u64| -> Option<Range<usize>> {
            let start = usize::try_from(range.start - base).ok()?;
            let end = usize::try_from(range.end - base).ok()?.min(bytes.len());
            Some(start..end)
        };
        let of =
            |bytes: &'static [u8]| within(bytes, 0).and_then(|range| bytes.get(range)).map(Cow::Borrowed);
        if range.start < MAGIC.len() as u64 {
            return of(MAGIC).ok_or_else(|| Error::internal("the magic of converted text"));
        }
        let footer_start = self.len - self.footer.len() as u64;
        if range.start >= footer_start {
            let part = within(&self.footer, footer_start).and_then(|range| self.footer.get(range));
            return part.map(Cow::Borrowed).ok_or_else(|| Error::internal("the footer of converted text"));
        }
        let at = self.row_groups.partition_point(|placed| placed.start <= range.start);
        let placed = at.checked_sub(1).and_then(|at| self.row_groups.get(at));
        let placed = placed.ok_or_else(|| Error::internal("a row group of converted text"))?;
        let segment = &placed.row_group.segment;
        let [start, end] = [range.start - placed.start, (range.end - placed.start).min(segment.size())];
        self.spool.read(segment, start..end)
    }
}
