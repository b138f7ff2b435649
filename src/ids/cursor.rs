//! A position in a column: rows as value ids (see [`super::entries`]).
//!
//! Dictionary pages stay ids and runs until somebody asks for rows. Pages
//! without a dictionary are interned when they are opened; numbers that are
//! summed stay raw bits. Rows that nobody asks for cost nothing: a page that is
//! passed over whole is never opened.

use std::borrow::Cow;

use super::column::{Chunk, Column, Cost, each_value, is_numeric};
use super::entries::ChunkDictionary;
use super::plain::{self, Sequences};
use super::values::ValueType;
use crate::kernel::unpack::Packed;
use crate::parquet::encoding::{Booleans, HybridRleDecoder, Numbers, RunOrPacked, Span};
use crate::parquet::{Encoding, OpenPage, PageLayout, PageMeta, Physical};
use crate::{Error, Result};

/// The rows of the page at hand, as far as they are not null.
#[derive(Default)]
enum Values {
    /// Dictionary ids.
    Ids(HybridRleDecoder),
    /// Value ids of values that were interned.
    Ids32 { value_ids: Vec<u32>, at: usize },
    /// Raw bits of numbers.
    Bits { bits: Vec<u64>, at: usize },
    /// No page is open.
    #[default]
    Closed,
}

/// Rows of a page as they are stored.
pub struct Ids<'c> {
    runs: &'c mut HybridRleDecoder,
    bytes: &'c [u8],
    left: &'c mut u32,
}

impl<'c> Ids<'c> {
    /// The next ids, which were not held against the dictionary, and how many they are;
    /// `None` where they repeat, at the end of the page, and where it is damaged.
    #[inline]
    pub fn packed(&mut self) -> Option<(Packed<'c>, u32)> {
        let (packed, len) = self.runs.packed_values(self.bytes)?;
        Some((packed, len.min(*self.left)))
    }

    /// Passes over `n` of these.
    #[inline]
    pub fn pass(&mut self, n: u32) {
        self.runs.advance(n);
        *self.left -= n;
    }
}

/// A position within the page at hand.
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

/// What the next rows look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockKind {
    /// Value ids that fit 16 bits.
    Ids16,
    /// Value ids.
    Ids32,
    /// Raw bits, and value ids for nulls.
    Numbers,
}

/// The most rows that a page without dictionary may have beyond four a byte:
/// such pages are decoded whole.
const EAGER_ROWS: usize = 1 << 22;

/// Reads one column from some row on.
pub struct Cursor<'a> {
    column: &'a Column<'a>,
    /// Distinct values met so far.
    pub entries: ChunkDictionary,
    /// Whether numbers are to stay raw bits.
    raw: bool,
    /// Pages before this one are done.
    next_page: usize,
    /// Rows left of the page at hand.
    left: u32,
    /// Rows of the next page that were passed over before it was opened.
    pending: u32,
    body: Cow<'a, [u8]>,
    buffer: Vec<u8>,
    /// The row before which pages may be decompressed ahead, two at a time.
    ahead_to: u64,
    /// A page that was, and its number.
    ahead: Vec<u8>,
    ahead_page: Option<usize>,
    /// The last page that was opened.
    opened: Option<usize>,
    layout: PageLayout,
    /// `None` where no row of the page is null.
    levels: Option<HybridRleDecoder>,
    values: Values,
    /// Scratch space for pages of strings without a dictionary.
    sequences: Sequences,
    /// What was read.
    pub cost: Cost,
}

impl<'a> Cursor<'a> {
    /// A cursor at row `row` of the column's row group. `raw` keeps numbers
    /// without dictionary as they are; `buffer` is scratch space to reuse, and
    /// `entries` what an earlier cursor on the same column has met.
    pub fn new(
        column: &'a Column<'a>,
        row: u64,
        raw: bool,
        buffer: Vec<u8>,
        entries: Option<ChunkDictionary>,
    ) -> Result<Self> {
        match entries {
            Some(entries) => Ok(Self::at(column, row, raw, buffer, entries, Cost::default())),
            None => Self::after(column, row, raw, buffer, ChunkDictionary::new()).map(|(cursor, _)| cursor),
        }
    }

    /// The same behind a cursor on another row group, which has met `entries`;
    /// also whether these are the column's own, since the dictionaries are equal.
    pub fn after(
        column: &'a Column<'a>,
        row: u64,
        raw: bool,
        mut buffer: Vec<u8>,
        mut entries: ChunkDictionary,
    ) -> Result<(Self, bool)> {
        let mut cost = Cost::default();
        let same = column.entries(&mut entries, &mut buffer, &mut cost)?;
        Ok((Self::at(column, row, raw, buffer, entries, cost), same))
    }

    fn at(
        column: &'a Column<'a>,
        row: u64,
        raw: bool,
        buffer: Vec<u8>,
        entries: ChunkDictionary,
        cost: Cost,
    ) -> Self {
        let mut cursor = Cursor {
            column,
            entries,
            raw,
            next_page: 0,
            left: 0,
            pending: 0,
            body: Cow::Borrowed(&[]),
            buffer,
            ahead_to: 0,
            ahead: Vec::new(),
            ahead_page: None,
            opened: None,
            layout: PageLayout::default(),
            levels: None,
            values: Values::Closed,
            sequences: Sequences::default(),
            cost,
        };
        if let Column::Chunk(chunk) = column {
            cursor.next_page = chunk.data().partition_point(|p| p.first_row + u64::from(p.values) <= row);
            if let Some(page) = chunk.data().get(cursor.next_page) {
                #[allow(clippy::cast_possible_truncation)] // below the page's values, a u32
                let inside = (row - page.first_row) as u32;
                cursor.pending = inside;
            }
        }
        cursor
    }

    /// Lets pages that begin before row `to` be decompressed two at a time, once two
    /// were opened one after the other; `buffer` is scratch space to reuse.
    pub fn look_ahead(&mut self, to: u64, buffer: Vec<u8>) {
        self.ahead_to = to;
        self.ahead = buffer;
    }

    /// The scratch space of [`Self::look_ahead`], for the next cursor.
    pub fn take_ahead(&mut self) -> Vec<u8> {
        self.ahead_page = None;
        std::mem::take(&mut self.ahead)
    }

    /// The scratch space and the entries, for the next cursor.
    pub fn into_parts(self) -> (Vec<u8>, ChunkDictionary) {
        (self.buffer, self.entries)
    }

    fn place(&self, error: Error) -> Error {
        match self.column {
            Column::Chunk(chunk) => {
                error.in_column(&chunk.leaf.name()).in_page(self.next_page.saturating_sub(1))
            }
            Column::Constant { .. } => error,
        }
    }

    /// Opens the next page if none is open.
    fn ensure(&mut self) -> Result<()> {
        let Column::Chunk(chunk) = self.column else { return Ok(()) };
        while self.left == 0 {
            let Some(page) = chunk.data().get(self.next_page) else {
                return Err(Error::internal("a read past the end of a column chunk"));
            };
            self.next_page += 1;
            let pending = std::mem::take(&mut self.pending);
            if page.values > pending {
                self.open(chunk, page).map_err(|e| self.place(e))?;
                self.left = page.values;
                self.pass(pending).map_err(|e| self.place(e))?;
            }
        }
        Ok(())
    }

    fn open(&mut self, chunk: &Chunk<'a>, page: &PageMeta) -> Result<()> {
        self.values = Values::Closed;
        self.levels = None;
        self.body = chunk.body(page)?;
        let ready = self.is_decompressed(chunk, page);
        self.layout = chunk.open(&self.body, page, &mut self.buffer, ready, &mut self.cost)?;
        let open = self.layout.view(&self.body, &self.buffer);
        let mut count = open.rows;
        if let Some(bytes) = open.definition {
            let (present, levels) = present(bytes, chunk.leaf.max_definition, open.rows)?;
            count = present;
            // Where no row is null, nobody needs the levels again.
            self.levels = (present < open.rows).then_some(levels);
        }
        self.values = decode(chunk, &open, count, &mut self.entries, &mut self.sequences, self.raw)?;
        Ok(())
    }

    /// Whether the buffer holds the page that is about to be opened: since it was
    /// decompressed with the one before it, or is now, with the one behind it.
    fn is_decompressed(&mut self, chunk: &Chunk<'a>, page: &PageMeta) -> bool {
        // `next_page` is already the one behind it.
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

    /// The position, to come back to while the same page is at hand.
    pub fn mark(&self) -> Mark {
        let at = match &self.values {
            Values::Ids(runs) => MarkValues::Ids(runs.clone()),
            Values::Ids32 { at, .. } | Values::Bits { at, .. } => MarkValues::At(*at),
            Values::Closed => MarkValues::At(0),
        };
        Mark { page: self.next_page, left: self.left, pending: self.pending, levels: self.levels.clone(), at }
    }

    /// Goes back to a position of the page at hand.
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

    /// What the next rows are. At least one row must be left.
    pub fn load_page(&mut self) -> Result<BlockKind> {
        self.ensure()?;
        Ok(match self.values {
            Values::Bits { .. } => BlockKind::Numbers,
            _ if self.entries.id_count() <= 1 << 16 => BlockKind::Ids16,
            _ => BlockKind::Ids32,
        })
    }

    /// Whether a null may be among the rows of the page at hand.
    pub fn may_be_null(&self) -> bool {
        match self.column {
            Column::Chunk(_) => self.levels.is_some(),
            Column::Constant { value, .. } => value.is_none(),
        }
    }

    /// Rows left of the page at hand, at most `most`.
    pub fn rows_at_hand(&mut self, most: u32) -> Result<u32> {
        if matches!(self.column, Column::Constant { .. }) {
            return Ok(most);
        }
        self.ensure()?;
        Ok(self.left.min(most))
    }

    /// The next rows as one run of a value id, or so many rows that may differ.
    #[inline]
    pub fn segment(&mut self) -> Result<RunOrPacked> {
        if let Column::Constant { value, .. } = self.column {
            let value_id = if value.is_some() { 0 } else { self.entries.null() };
            return Ok(RunOrPacked::Rle { value: value_id, len: u32::MAX });
        }
        self.ensure()?;
        let segment = self.segment_at_hand();
        segment.map_err(|e| self.place(e))
    }

    /// Passes over `n` rows, then looks at the next ones: what walking runs does
    /// for every run.
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

    /// The ids of the page at hand, to be walked as they are stored; `None` where a row of it
    /// may be null, or where it has no ids.
    #[inline]
    pub fn ids(&mut self) -> Result<Option<Ids<'_>>> {
        if matches!(self.column, Column::Constant { .. }) {
            return Ok(None);
        }
        self.ensure()?;
        let (Values::Ids(runs), None) = (&mut self.values, &self.levels) else { return Ok(None) };
        let bytes = self.layout.values.of(&self.body, &self.buffer);
        Ok(Some(Ids { runs, bytes, left: &mut self.left }))
    }

    /// Walks plain runs of the page at hand, over at most `most` rows: see
    /// [`HybridRleDecoder::spans`]. Declines (no row passed) where there are none.
    pub fn spans(&mut self, pass: &[u8], most: u32, spans: &mut [Span]) -> (usize, u32) {
        let (Values::Ids(runs), None) = (&mut self.values, &self.levels) else { return (0, 0) };
        let bytes = self.layout.values.of(&self.body, &self.buffer);
        let (n, passed) = runs.spans(bytes, pass, most.min(self.left), spans);
        self.left -= passed;
        (n, passed)
    }

    #[inline]
    fn segment_at_hand(&mut self) -> Result<RunOrPacked> {
        let mut most = self.left;
        if let Some(levels) = &mut self.levels {
            let level_bytes = levels_of(&self.layout, &self.body, &self.buffer);
            match levels.segment(level_bytes)? {
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

    /// Passes over `n` rows.
    pub fn skip(&mut self, mut n: u32) -> Result<()> {
        let Column::Chunk(chunk) = self.column else { return Ok(()) };
        loop {
            let take = n.min(self.left);
            if take > 0 {
                self.pass(take).map_err(|e| self.place(e))?;
                n -= take;
            }
            if n == 0 {
                return Ok(());
            }
            // No page is open: rows are passed over without opening theirs.
            let Some(page) = chunk.data().get(self.next_page) else {
                return Err(Error::internal("a step past the end of a column chunk"));
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

    /// Passes over rows of the page at hand.
    fn pass(&mut self, n: u32) -> Result<()> {
        let mut values = n;
        if self.levels.is_some() {
            values = 0;
            let mut left = n;
            let mut block = [0u16; 256];
            while left > 0 {
                let take = left.min(256);
                let Some(levels) = &mut self.levels else { break };
                let out = block.get_mut(..take as usize).unwrap_or_default();
                levels.read_u16(levels_of(&self.layout, &self.body, &self.buffer), out)?;
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

    /// The next rows as 16-bit value ids; the shape must be [`BlockKind::Ids16`].
    #[inline]
    pub fn read_ids16(&mut self, out: &mut [u16]) -> Result<()> {
        #[allow(clippy::cast_possible_truncation)] // the shape says that value ids fit
        let narrow = |value_id| value_id as u16;
        self.read(out, narrow, |runs, bytes, out| runs.read_u16(bytes, out))
    }

    /// The next rows as value ids; the shape must not be [`BlockKind::Numbers`].
    pub fn read_ids32(&mut self, out: &mut [u32]) -> Result<()> {
        self.read(out, |v| v, |runs, bytes, out| runs.read_u32(bytes, out))
    }

    #[inline]
    fn read<T: Copy>(
        &mut self,
        mut out: &mut [T],
        narrow: impl Fn(u32) -> T + Copy,
        ids: impl Fn(&mut HybridRleDecoder, &[u8], &mut [T]) -> Result<()>,
    ) -> Result<()> {
        if let Column::Constant { .. } = self.column {
            if let RunOrPacked::Rle { value, .. } = self.segment()? {
                out.fill(narrow(value));
            }
            return Ok(());
        }
        while !out.is_empty() {
            self.ensure()?;
            let take = out.len().min(self.left as usize);
            let (head, tail) = out.split_at_mut(take);
            self.read_at_hand(head, narrow, &ids).map_err(|e| self.place(e))?;
            #[allow(clippy::cast_possible_truncation)] // at most `left`, a u32
            let take = take as u32;
            self.left -= take;
            out = tail;
        }
        Ok(())
    }

    #[inline]
    fn read_at_hand<T: Copy>(
        &mut self,
        out: &mut [T],
        narrow: impl Fn(u32) -> T,
        ids: &impl Fn(&mut HybridRleDecoder, &[u8], &mut [T]) -> Result<()>,
    ) -> Result<()> {
        let value_bytes = self.layout.values.of(&self.body, &self.buffer);
        let values = &mut self.values;
        let mut take_values = |out: &mut [T]| match values {
            Values::Ids(runs) => ids(runs, value_bytes, out),
            Values::Ids32 { value_ids, at } => {
                let from =
                    value_ids.get(*at..*at + out.len()).ok_or_else(|| Error::internal("slots ran out"))?;
                for (to, value_id) in out.iter_mut().zip(from) {
                    *to = narrow(*value_id);
                }
                *at += out.len();
                Ok(())
            }
            _ => Err(Error::internal("slots were asked of a page of numbers")),
        };
        let Some(levels) = &mut self.levels else { return take_values(out) };
        let level_bytes = levels_of(&self.layout, &self.body, &self.buffer);
        let (max, null) = (max_level(self.column), narrow(self.entries.null()));
        let mut block = [0u16; 256];
        for out in out.chunks_mut(block.len()) {
            let flags = block.get_mut(..out.len()).unwrap_or_default();
            levels.read_u16(level_bytes, flags)?;
            let present = count_present(flags, max) as usize;
            // Values first, all together; then apart, from the back.
            take_values(out.get_mut(..present).unwrap_or_default())?;
            let mut from = present;
            for row in (0..out.len()).rev() {
                let there = flags.get(row).is_some_and(|f| u32::from(*f) == max);
                from -= usize::from(there);
                let value = if there { out.get(from).copied() } else { None };
                if let Some(to) = out.get_mut(row) {
                    *to = value.unwrap_or(null);
                }
            }
        }
        Ok(())
    }

    /// The next rows as small integers; false, and nothing is read, where one
    /// is null or no small integer. The shape must be [`BlockKind::Numbers`], and all
    /// rows must be at hand.
    pub fn read_ints(&mut self, kind: ValueType, out: &mut [i64]) -> Result<bool> {
        self.ensure()?;
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

    /// The next rows as raw bits, `None` for null; the shape must be
    /// [`BlockKind::Numbers`], and all rows must be at hand.
    pub fn read_bits(&mut self, out: &mut [Option<u64>]) -> Result<()> {
        let max = max_level(self.column);
        let mut block = [0u16; 256];
        for out in out.chunks_mut(block.len()) {
            self.ensure()?;
            let flags = block.get_mut(..out.len()).unwrap_or_default();
            if let Some(levels) = &mut self.levels {
                levels
                    .read_u16(levels_of(&self.layout, &self.body, &self.buffer), flags)
                    .map_err(|e| self.place(e))?;
            } else {
                #[allow(clippy::cast_possible_truncation)] // levels are few
                flags.fill(max as u16);
            }
            let Values::Bits { bits, at } = &mut self.values else {
                return Err(Error::internal("numbers were asked of a page of slots"));
            };
            for (to, flag) in out.iter_mut().zip(flags.iter()) {
                *to = None;
                if u32::from(*flag) == max {
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

fn levels_of<'b>(layout: &PageLayout, body: &'b [u8], buffer: &'b [u8]) -> &'b [u8] {
    layout.definition.as_ref().map(|span| span.of(body, buffer)).unwrap_or_default()
}

fn max_level(column: &Column<'_>) -> u32 {
    match column {
        Column::Chunk(chunk) => chunk.leaf.max_definition.into(),
        Column::Constant { .. } => 0,
    }
}

#[inline]
#[allow(clippy::cast_possible_truncation)] // a block is short
fn count_present(levels: &[u16], max: u32) -> u32 {
    levels.iter().filter(|l| u32::from(**l) == max).count() as u32
}

/// Counts the values that are there, and gives a reader of the levels.
fn present(bytes: &[u8], max: u16, rows: u32) -> Result<(u32, HybridRleDecoder)> {
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
                let out = block.get_mut(..take as usize).unwrap_or_default();
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

/// Decodes what cannot stay as it is.
fn decode(
    chunk: &Chunk<'_>,
    open: &OpenPage<'_>,
    count: u32,
    entries: &mut ChunkDictionary,
    sequences: &mut Sequences,
    raw: bool,
) -> Result<Values> {
    if open.encoding == Encoding::Dictionary {
        let Some((width, _)) = open.values.split_first() else {
            // A page of nulls may leave out even the bit width.
            return if count == 0 {
                HybridRleDecoder::new(0, 0, entries.dictionary_len(), 0).map(Values::Ids)
            } else {
                Err(Error::format("a page of dictionary ids without their bit width"))
            };
        };
        return HybridRleDecoder::new(1, *width, entries.dictionary_len(), count).map(Values::Ids);
    }
    if chunk.leaf.physical == Physical::Boolean {
        return bits(open, count).map(Values::Ids);
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

/// The booleans of a page as ids: 0 is false, 1 is true.
fn bits(open: &OpenPage<'_>, count: u32) -> Result<HybridRleDecoder> {
    // Verifies encoding and length.
    Booleans::open(open.encoding, open.values, count)?;
    match open.encoding {
        // The length of the runs stands in front of them: Encodings.md, "RLE".
        Encoding::Rle => HybridRleDecoder::new(4, 1, 2, count),
        _ => Ok(HybridRleDecoder::packed(0, 1, 2, count)),
    }
}
