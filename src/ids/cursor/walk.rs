//! The next rows of a cursor as they are stored: runs, and bit-packed values.

use super::levels::{level_bytes, max_level};
use super::{Cursor, Values};
use crate::Result;
use crate::ids::column::Column;
use crate::kernel::unpack::Packed;
use crate::parquet::encoding::{HybridRleDecoder, RunOrPacked, Span};

/// Dictionary ids of the current page as they are stored.
pub struct Ids<'c> {
    runs: &'c mut HybridRleDecoder,
    bytes: &'c [u8],
    left: &'c mut u32,
}

impl<'c> Ids<'c> {
    /// The next bit-packed ids and how many they are. `None` for a run, at the end of the page,
    /// and where it is damaged. Ids are not compared with the size of the dictionary.
    #[inline]
    pub fn packed(&mut self) -> Option<(Packed<'c>, u32)> {
        let (packed, len) = self.runs.packed_values(self.bytes)?;
        Some((packed, len.min(*self.left)))
    }

    /// Skips `n` of these.
    #[inline]
    pub fn skip(&mut self, n: u32) {
        self.runs.advance(n);
        *self.left -= n;
    }
}

impl Cursor<'_> {
    /// Whether rows of the current page may be null.
    pub fn may_be_null(&self) -> bool {
        match self.column {
            Column::Chunk(_) => self.levels.is_some(),
            Column::Constant { value, .. } => value.is_none(),
        }
    }

    /// The next rows: a run of one value id, or a number of rows that may differ.
    #[inline]
    pub fn segment(&mut self) -> Result<RunOrPacked> {
        if let Column::Constant { value, .. } = self.column {
            let value_id = if value.is_some() { 0 } else { self.entries.null() };
            return Ok(RunOrPacked::Rle { value: value_id, len: u32::MAX });
        }
        self.open_page()?;
        let segment = self.segment_in_page();
        segment.map_err(|e| self.locate(e))
    }

    /// Skips `n` rows and returns the segment after them: one call for each run that is
    /// walked.
    #[inline]
    pub fn segment_after(&mut self, n: u32) -> Result<RunOrPacked> {
        if n < self.left
            && self.levels.is_none()
            && let Values::Ids(runs) = &mut self.values
            && let Some(segment) = runs.segment_after(self.layout.values.of(&self.body, &self.buffer), n)
        {
            self.left -= n;
            return Ok(segment.at_most(self.left));
        }
        self.skip(n)?;
        self.segment()
    }

    /// The dictionary ids of the current page as they are stored; `None` where a row of it
    /// may be null, or where it has no ids.
    #[inline]
    pub fn ids(&mut self) -> Result<Option<Ids<'_>>> {
        if matches!(self.column, Column::Constant { .. }) {
            return Ok(None);
        }
        self.open_page()?;
        let (Values::Ids(runs), None) = (&mut self.values, &self.levels) else { return Ok(None) };
        let bytes = self.layout.values.of(&self.body, &self.buffer);
        Ok(Some(Ids { runs, bytes, left: &mut self.left }))
    }

    /// Walks plain runs of the current page, over at most `most` rows: see
    /// [`HybridRleDecoder::spans`]. Declines (0 spans, 0 rows) where it has none.
    pub fn spans(&mut self, pass: &[u8], most: u32, spans: &mut [Span]) -> (usize, u32) {
        let (Values::Ids(runs), None) = (&mut self.values, &self.levels) else { return (0, 0) };
        let bytes = self.layout.values.of(&self.body, &self.buffer);
        let (n, passed) = runs.spans(bytes, pass, most.min(self.left), spans);
        self.left -= passed;
        (n, passed)
    }

    /// The next rows of the current page: a run of one value id or null, or rows that may differ.
    #[inline]
    fn segment_in_page(&mut self) -> Result<RunOrPacked> {
        let mut most = self.left;
        if let Some(levels) = &mut self.levels {
            match levels.segment(level_bytes(&self.layout, &self.body, &self.buffer))? {
                RunOrPacked::BitPacked { len } => return Ok(RunOrPacked::BitPacked { len: len.min(most) }),
                RunOrPacked::Rle { value, len } if value == max_level(self.column) => most = most.min(len),
                RunOrPacked::Rle { len, .. } => {
                    return Ok(RunOrPacked::Rle { value: self.entries.null(), len: len.min(most) });
                }
            }
        }
        Ok(match &mut self.values {
            Values::Ids(runs) => match runs.segment(self.layout.values.of(&self.body, &self.buffer))? {
                RunOrPacked::Rle { value, len } => RunOrPacked::Rle { value, len: len.min(most) },
                RunOrPacked::BitPacked { len } => RunOrPacked::BitPacked { len: len.min(most) },
            },
            _ => RunOrPacked::BitPacked { len: most },
        })
    }
}
