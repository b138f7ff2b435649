//! Opens the pages of a cursor and decodes their values.

use super::levels::read_levels;
use super::{BlockKind, Cursor, Values};
use crate::ids::column::{Chunk, Column, each_value, is_numeric};
use crate::ids::entries::ChunkDictionary;
use crate::ids::plain::{self, Sequences};
use crate::ids::stamps::{self, DayOf};
use crate::parquet::encoding::{HybridRleDecoder, Numbers, booleans};
use crate::parquet::{Encoding, OpenPage, PageMeta, Physical};
use crate::{Error, Result};

/// The most values of a page without dictionary that has more than four values per byte. Such pages
/// are decoded whole, so their memory has to be bounded.
const EAGER_ROWS: usize = 1 << 22;

impl<'a> Cursor<'a> {
    /// Opens the next page if the current one has no row left; returns the form of its rows.
    ///
    /// # Errors
    /// If the page cannot be read, or no row is left.
    pub fn load_page(&mut self) -> Result<BlockKind> {
        self.open_page()?;
        Ok(match self.values {
            Values::Bits { .. } => BlockKind::Numbers,
            _ if self.entries.id_count() <= 1 << 16 => BlockKind::Ids16,
            _ => BlockKind::Ids32,
        })
    }

    /// Opens the next page if the current one has no row left.
    pub(super) fn open_page(&mut self) -> Result<()> {
        let Column::Chunk(chunk) = self.column else { return Ok(()) };
        while self.left == 0 {
            let Some(page) = chunk.data().get(self.next_page) else {
                return Err(Error::internal("a read past the end of a column chunk"));
            };
            self.next_page += 1;
            let pending = std::mem::take(&mut self.pending);
            if page.values > pending {
                self.decode_page(chunk, page).map_err(|e| self.locate(e))?;
                self.left = page.values;
                self.skip_in_page(pending).map_err(|e| self.locate(e))?;
            }
        }
        Ok(())
    }

    /// Opens `page` as the current one: decompresses it, reads its levels and decodes its values.
    fn decode_page(&mut self, chunk: &'a Chunk<'a>, page: &PageMeta) -> Result<()> {
        self.values = Values::Closed;
        self.levels = None;
        self.body = chunk.body(page)?;
        let ready = self.try_decompress_two(chunk, page);
        self.layout = chunk.open(&self.body, page, &mut self.buffer, ready, &mut self.cost)?;
        let open = self.layout.view(&self.body, &self.buffer);
        let mut count = open.rows;
        if let Some(bytes) = open.definition {
            let (present, levels) = read_levels(bytes, chunk.leaf.max_definition, open.rows)?;
            count = present;
            // Where no row is null, the levels are not needed again.
            self.levels = (present < open.rows).then_some(levels);
        }
        let Cursor { entries, sequences, raw, days_of, .. } = self;
        self.values = decode_values(chunk, &open, count, entries, sequences, *raw, *days_of)?;
        Ok(())
    }

    /// Decompresses the page together with the next one, if it is opened in order and the next
    /// one begins before `ahead_to`. Returns whether the buffer holds the page: from this
    /// call, or from the one for the page before it.
    fn try_decompress_two(&mut self, chunk: &Chunk<'a>, page: &PageMeta) -> bool {
        // `next_page` is already the one after it.
        let at = self.next_page - 1;
        let in_order = self.opened.replace(at).is_some_and(|last| last + 1 == at);
        if self.ahead_page.take() == Some(at) {
            std::mem::swap(&mut self.buffer, &mut self.ahead);
            return true;
        }
        let Some(next) = chunk.data().get(self.next_page) else { return false };
        let both = in_order
            && next.first_row < self.ahead_to
            && chunk.decompress_two((&self.body, page, &mut self.buffer), (next, &mut self.ahead));
        self.ahead_page = both.then_some(self.next_page);
        both
    }
}

/// Decodes the `count` values of a page, except dictionary ids, which stay as they are stored.
fn decode_values(
    chunk: &Chunk<'_>,
    open: &OpenPage<'_>,
    count: u32,
    entries: &mut ChunkDictionary,
    sequences: &mut Sequences,
    raw: bool,
    days_of: Option<&dyn DayOf>,
) -> Result<Values> {
    if open.encoding == Encoding::Dictionary {
        let Some((width, _)) = open.values.split_first() else {
            // A page of nulls alone may omit even the bit width.
            return if count == 0 {
                HybridRleDecoder::new(0, 0, entries.dictionary_len(), 0).map(Values::Ids)
            } else {
                Err(Error::format("a page of dictionary ids without their bit width"))
            };
        };
        let Some(day_ids) = entries.day_ids() else {
            return HybridRleDecoder::new(1, *width, entries.dictionary_len(), count).map(Values::Ids);
        };
        let stored =
            u32::try_from(day_ids.len()).map_err(|_| Error::internal("too many dictionary entries"))?;
        let mut value_ids = vec![0; count as usize];
        HybridRleDecoder::new(1, *width, stored, count)?.read_u32(open.values, &mut value_ids)?;
        for id in &mut value_ids {
            *id = day_ids
                .get(*id as usize)
                .copied()
                .ok_or_else(|| Error::internal("an id past its dictionary"))?;
        }
        return Ok(Values::Ids32 { value_ids, at: 0 });
    }
    if chunk.leaf.physical == Physical::Boolean {
        return booleans(open.encoding, open.values, count).map(Values::Ids);
    }
    let capacity = count as usize;
    if capacity > EAGER_ROWS && capacity / 4 > open.values.len() {
        return Err(Error::too_large(format!("a page of {count} values in {} bytes", open.values.len()))
            .expected(format!("at most {EAGER_ROWS} values in such a page"))
            .advice("Write the file with smaller pages"));
    }
    if raw && is_numeric(chunk.leaf.physical) {
        let mut bits = vec![0; capacity];
        Numbers::open(open.encoding, open.values, chunk.leaf.physical, count)?.fill(&mut bits)?;
        return Ok(Values::Bits { bits, at: 0 });
    }
    let mut value_ids = Vec::with_capacity(capacity);
    if let Some(days_of) = days_of {
        if let (Some(ticks), Physical::Int64) = (days_of.ticks(), chunk.leaf.physical) {
            let mut bits = vec![0; capacity];
            Numbers::open(open.encoding, open.values, chunk.leaf.physical, count)?.fill(&mut bits)?;
            stamps::intern_ticks(entries, days_of, ticks, &bits, &mut value_ids)?;
            return Ok(Values::Ids32 { value_ids, at: 0 });
        }
        let is_plain = (open.encoding, chunk.leaf.physical) == (Encoding::Plain, Physical::ByteArray);
        if is_plain && stamps::intern_texts(entries, days_of, open.values, count, &mut value_ids)? {
            return Ok(Values::Ids32 { value_ids, at: 0 });
        }
        each_value(chunk.leaf, open, count, |value| {
            value_ids.push(stamps::intern(entries, days_of, value)?);
            Ok(())
        })?;
        return Ok(Values::Ids32 { value_ids, at: 0 });
    }
    if (open.encoding, chunk.leaf.physical) == (Encoding::Plain, Physical::ByteArray) {
        plain::intern(entries, open.values, count, &mut value_ids, sequences)?;
        return Ok(Values::Ids32 { value_ids, at: 0 });
    }
    each_value(chunk.leaf, open, count, |value| {
        value_ids.push(entries.intern(value)?);
        Ok(())
    })?;
    Ok(Values::Ids32 { value_ids, at: 0 })
}
