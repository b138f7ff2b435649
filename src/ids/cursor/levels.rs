//! Definition levels: which rows of a page are null.

use crate::ids::column::Column;
use crate::parquet::PageLayout;
use crate::parquet::encoding::{HybridRleDecoder, RunOrPacked};
use crate::{Error, Result};

/// The definition levels of a page; empty where it has none.
pub(super) fn level_bytes<'b>(layout: &PageLayout, body: &'b [u8], buffer: &'b [u8]) -> &'b [u8] {
    layout.definition.as_ref().map(|span| span.of(body, buffer)).unwrap_or_default()
}

/// The level of a row that is not null.
pub(super) fn max_level(column: &Column<'_>) -> u32 {
    match column {
        Column::Chunk(chunk) => chunk.leaf.max_definition.into(),
        Column::Constant { .. } => 0,
    }
}

/// How many rows are not null.
#[inline]
#[allow(clippy::cast_possible_truncation)] // a block is short
pub(super) fn count_present(levels: &[u16], max: u32) -> u32 {
    levels.iter().filter(|l| u32::from(**l) == max).count() as u32
}

/// Counts the rows that are not null; also returns a decoder of the levels.
///
/// # Errors
/// If the levels are damaged.
#[allow(clippy::indexing_slicing)] // `take` is at most 256
pub(super) fn read_levels(bytes: &[u8], max: u16, rows: u32) -> Result<(u32, HybridRleDecoder)> {
    #[allow(clippy::cast_possible_truncation)] // at most 16
    let width = (u16::BITS - max.leading_zeros()) as u8;
    let runs = HybridRleDecoder::new(0, width, u32::from(max) + 1, rows)?;
    let (mut reader, mut present, mut left) = (runs.clone(), 0, rows);
    let mut block = [0u16; 256];
    while left > 0 {
        match reader.segment(bytes).map_err(levels_damaged)? {
            RunOrPacked::Rle { value, len } => {
                present += if value == u32::from(max) { len } else { 0 };
                reader.skip(bytes, len)?;
                left -= len;
            }
            RunOrPacked::BitPacked { len } => {
                let take = len.min(256);
                let out = &mut block[..take as usize];
                reader.read_u16(bytes, out).map_err(levels_damaged)?;
                present += count_present(out, max.into());
                left -= take;
            }
        }
    }
    Ok((present, runs))
}

fn levels_damaged(error: Error) -> Error {
    let found = error.report().map_or_else(String::new, |r| r.found.clone());
    Error::format(format!("definition levels: {found}")).advice("The file is damaged; export it again")
}
