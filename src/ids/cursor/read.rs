//! The next rows of a cursor as value ids and numbers.

use super::levels::{count_present, level_bytes, max_level};
use super::{Cursor, Values};
use crate::ids::column::Column;
use crate::ids::values::ValueType;
use crate::kernel::expand::{ROWS, expand, portable_expand};
use crate::parquet::encoding::{HybridRleDecoder, RunOrPacked};
use crate::{Error, Result};

impl Cursor<'_> {
    /// Reads the next rows as 16-bit value ids; [`Self::load_page`] must have returned
    /// [`BlockKind::Ids16`](super::BlockKind).
    #[inline]
    pub fn read_ids16(&mut self, out: &mut [u16]) -> Result<()> {
        #[allow(clippy::cast_possible_truncation)] // the block kind says that value ids fit
        let narrow = |value_id| value_id as u16;
        self.read(out, narrow, |runs, bytes, out| runs.read_u16(bytes, out), expand)
    }

    /// Reads the next rows as value ids; [`Self::load_page`] must not have returned
    /// [`BlockKind::Numbers`](super::BlockKind).
    pub fn read_ids32(&mut self, out: &mut [u32]) -> Result<()> {
        self.read(out, |v| v, |runs, bytes, out| runs.read_u32(bytes, out), portable_expand)
    }

    /// Reads the next rows, of any number of pages. `narrow` converts a value id, `ids` reads dictionary
    /// ids.
    #[inline]
    fn read<T: Copy + Default>(
        &mut self,
        mut out: &mut [T],
        narrow: impl Fn(u32) -> T + Copy,
        ids: impl Fn(&mut HybridRleDecoder, &[u8], &mut [T]) -> Result<()>,
        to_rows: impl Fn(&[u16], u16, T, &[T; ROWS], &mut [T]) + Copy,
    ) -> Result<()> {
        if let Column::Constant { .. } = self.column {
            if let RunOrPacked::Rle { value, .. } = self.segment()? {
                out.fill(narrow(value));
            }
            return Ok(());
        }
        while !out.is_empty() {
            self.open_page()?;
            let take = out.len().min(self.left as usize);
            let (head, tail) = out.split_at_mut(take);
            self.read_in_page(head, narrow, &ids, to_rows).map_err(|e| self.locate(e))?;
            #[allow(clippy::cast_possible_truncation)] // at most `left`, a u32
            let take = take as u32;
            self.left -= take;
            out = tail;
        }
        Ok(())
    }

    /// Reads the next rows, all of the current page.
    #[inline]
    #[allow(clippy::indexing_slicing)] // blocks are as long as `out`, and the levels count the values
    fn read_in_page<T: Copy + Default>(
        &mut self,
        out: &mut [T],
        narrow: impl Fn(u32) -> T,
        ids: &impl Fn(&mut HybridRleDecoder, &[u8], &mut [T]) -> Result<()>,
        to_rows: impl Fn(&[u16], u16, T, &[T; ROWS], &mut [T]),
    ) -> Result<()> {
        let value_bytes = self.layout.values.of(&self.body, &self.buffer);
        let values = &mut self.values;
        let mut take_values = |out: &mut [T]| match values {
            Values::Ids(runs) => ids(runs, value_bytes, out),
            Values::Ids32 { value_ids, at } => {
                let from = value_ids
                    .get(*at..*at + out.len())
                    .ok_or_else(|| Error::internal("value ids were read past their page"))?;
                for (to, value_id) in out.iter_mut().zip(from) {
                    *to = narrow(*value_id);
                }
                *at += out.len();
                Ok(())
            }
            _ => Err(Error::internal("value ids were read from a page of numbers")),
        };
        let Some(levels) = &mut self.levels else { return take_values(out) };
        let level_bytes = level_bytes(&self.layout, &self.body, &self.buffer);
        let (max, null) = (max_level(self.column), narrow(self.entries.null()));
        #[allow(clippy::cast_possible_truncation)] // levels are few
        let max_u16 = max as u16;
        let (mut block, mut present_values) = ([0u16; ROWS], [T::default(); ROWS]);
        for out in out.chunks_mut(block.len()) {
            let row_levels = &mut block[..out.len()];
            levels.read_u16(level_bytes, row_levels)?;
            let present = count_present(row_levels, max) as usize;
            take_values(&mut present_values[..present])?;
            to_rows(row_levels, max_u16, null, &present_values, out);
        }
        Ok(())
    }

    /// Reads the next rows, all of the current page, as small integers. Returns false and reads
    /// nothing where one is null or no small integer, or where [`Self::load_page`] has not
    /// returned [`BlockKind::Numbers`](super::BlockKind).
    pub fn read_ints(&mut self, kind: ValueType, out: &mut [i64]) -> Result<bool> {
        self.open_page()?;
        let (Column::Chunk(chunk), Values::Bits { bits, at }, None) =
            (self.column, &mut self.values, &self.levels)
        else {
            return Ok(false);
        };
        let (Some(from), Some(left)) = (
            bits.get(*at..*at + out.len()),
            u32::try_from(out.len()).ok().and_then(|n| self.left.checked_sub(n)),
        ) else {
            return Err(Error::internal("numbers were read past their page"));
        };
        let all_small = kind.small_integers(chunk.leaf.physical, from, out);
        if all_small {
            *at += out.len();
            self.left = left;
        }
        Ok(all_small)
    }

    /// Reads the next rows, all of the current page, as raw bits, `None` for null.
    /// [`Self::load_page`] must have returned [`BlockKind::Numbers`](super::BlockKind).
    #[allow(clippy::indexing_slicing)] // the levels of a block are as many as its rows
    pub fn read_bits(&mut self, out: &mut [Option<u64>]) -> Result<()> {
        let max = max_level(self.column);
        let mut block = [0u16; 256];
        for out in out.chunks_mut(block.len()) {
            self.open_page()?;
            let row_levels = &mut block[..out.len()];
            if let Some(levels) = &mut self.levels {
                levels
                    .read_u16(level_bytes(&self.layout, &self.body, &self.buffer), row_levels)
                    .map_err(|e| self.locate(e))?;
            } else {
                #[allow(clippy::cast_possible_truncation)] // levels are few
                row_levels.fill(max as u16);
            }
            let Values::Bits { bits, at } = &mut self.values else {
                return Err(Error::internal("numbers were read from a page of value ids"));
            };
            for (to, level) in out.iter_mut().zip(row_levels.iter()) {
                *to = None;
                if u32::from(*level) == max {
                    *to = bits.get(*at).copied();
                    *at += 1;
                }
            }
            #[allow(clippy::cast_possible_truncation)] // at most 256
            let n = out.len() as u32;
            self.left = self
                .left
                .checked_sub(n)
                .ok_or_else(|| Error::internal("numbers were read past their page"))?;
        }
        Ok(())
    }
}
