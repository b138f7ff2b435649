//! Where a cursor is: rows are skipped, positions are marked.

use super::levels::{count_present, level_bytes, max_level};
use super::{Cursor, Values};
use crate::ids::column::Column;
use crate::parquet::encoding::HybridRleDecoder;
use crate::{Error, Result};

/// A position within the current page.
pub struct Mark {
    page: usize,
    left: u32,
    pending: u32,
    levels: Option<HybridRleDecoder>,
    at: MarkValues,
}

enum MarkValues {
    Ids(HybridRleDecoder),
    At(usize),
}

impl Cursor<'_> {
    /// Returns the position, for [`Self::reset`].
    pub fn mark(&self) -> Mark {
        let at = match &self.values {
            Values::Ids(runs) => MarkValues::Ids(runs.clone()),
            Values::Ids32 { at, .. } | Values::Bits { at, .. } => MarkValues::At(*at),
            Values::Closed => MarkValues::At(0),
        };
        Mark { page: self.next_page, left: self.left, pending: self.pending, levels: self.levels.clone(), at }
    }

    /// Returns to a position of the current page.
    pub fn reset(&mut self, mark: Mark) {
        debug_assert_eq!(self.next_page, mark.page);
        self.left = mark.left;
        self.pending = mark.pending;
        self.levels = mark.levels;
        match (&mut self.values, mark.at) {
            (Values::Ids(runs), MarkValues::Ids(marked)) => *runs = marked,
            (Values::Ids32 { at, .. } | Values::Bits { at, .. }, MarkValues::At(marked)) => *at = marked,
            _ => {}
        }
    }

    /// Opens the next page if needed; returns how many rows of the page are left, at most `most`.
    pub fn rows_in_page(&mut self, most: u32) -> Result<u32> {
        if matches!(self.column, Column::Constant { .. }) {
            return Ok(most);
        }
        self.open_page()?;
        Ok(self.left.min(most))
    }

    /// Skips `n` rows. Pages that are skipped whole are not opened.
    pub fn skip(&mut self, mut n: u32) -> Result<()> {
        let Column::Chunk(chunk) = self.column else { return Ok(()) };
        loop {
            let take = n.min(self.left);
            if take > 0 {
                self.skip_in_page(take).map_err(|e| self.locate(e))?;
                n -= take;
            }
            if n == 0 {
                return Ok(());
            }
            // No page is open: rows of the next one are skipped when it is opened, if it is.
            let Some(page) = chunk.data().get(self.next_page) else {
                return Err(Error::internal("a skip past the end of a column chunk"));
            };
            let whole = page.values - self.pending;
            if n < whole {
                self.pending += n;
                return Ok(());
            }
            n -= whole;
            self.pending = 0;
            self.next_page += 1;
        }
    }

    /// Skips `n` rows of the current page, which has as many left.
    #[allow(clippy::indexing_slicing)] // `take` is at most 256
    pub(super) fn skip_in_page(&mut self, n: u32) -> Result<()> {
        let mut values = n;
        if self.levels.is_some() {
            values = 0;
            let mut left = n;
            let mut block = [0u16; 256];
            while left > 0 {
                let take = left.min(256);
                let Some(levels) = &mut self.levels else { break };
                let out = &mut block[..take as usize];
                levels.read_u16(level_bytes(&self.layout, &self.body, &self.buffer), out)?;
                values += count_present(out, max_level(self.column));
                left -= take;
            }
        }
        match &mut self.values {
            Values::Ids(runs) => runs.skip(self.layout.values.of(&self.body, &self.buffer), values)?,
            Values::Ids32 { at, .. } | Values::Bits { at, .. } => *at += values as usize,
            Values::Closed => {}
        }
        self.left -= n;
        Ok(())
    }
}
