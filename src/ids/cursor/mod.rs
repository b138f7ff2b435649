//! A position in a column: rows as value ids (see [`super::entries`]).
//!
//! Pages of dictionary ids stay ids and runs until rows are read. Pages without a dictionary
//! are interned when they are opened; numbers that are summed stay raw bits. Rows that are not
//! read cost nothing: a page whose rows are all skipped is never opened.
//!
//! - this file: the cursor and what it holds.
//! - `position`: skips rows, marks a position and returns to it.
//! - `page_reader`: opens pages, two at a time where they are read in order, and decodes their values.
//! - `walk`: the next rows as runs and bit-packed values, as they are stored.
//! - `read`: the next rows as value ids and numbers.
//! - `levels`: definition levels: which rows are null.

mod levels;
mod page_reader;
mod position;
mod read;
mod walk;

use std::borrow::Cow;

use super::column::{Column, Cost};
use super::entries::ChunkDictionary;
use super::plain::Sequences;
use super::stamps::{self, DayOf};
use crate::parquet::PageLayout;
use crate::parquet::encoding::HybridRleDecoder;
use crate::{Error, Result};

pub use position::Mark;
pub use walk::Ids;

/// The values of the current page's rows that are not null.
#[derive(Default)]
enum Values {
    /// Dictionary ids.
    Ids(HybridRleDecoder),
    /// Value ids of values that were interned; `at` is the next one.
    Ids32 { value_ids: Vec<u32>, at: usize },
    /// Raw bits of numbers; `at` is the next one.
    Bits { bits: Vec<u64>, at: usize },
    /// No page is open.
    #[default]
    Closed,
}

/// The form of the next rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockKind {
    /// Value ids that fit 16 bits.
    Ids16,
    /// Value ids.
    Ids32,
    /// Raw bits of numbers.
    Numbers,
}

/// Reads one column of a row group from some row on.
pub struct Cursor<'a> {
    column: &'a Column<'a>,
    /// The distinct values so far: the dictionary, and the values of the pages without one that
    /// were opened.
    pub entries: ChunkDictionary,
    /// Whether numbers without a dictionary stay raw bits.
    raw: bool,
    /// How times become days; `None` where values are no times, or are kept as they are.
    days_of: Option<&'a dyn DayOf>,
    /// The page after the current one; the next one to open where `left` is 0.
    next_page: usize,
    /// Rows of the current page that are not read yet.
    left: u32,
    /// Rows of the next page to skip when it is opened.
    pending: u32,
    /// The stored bytes of the current page.
    body: Cow<'a, [u8]>,
    /// Its decompressed bytes.
    buffer: Vec<u8>,
    /// Pages that begin before this row may be decompressed ahead, two at a time.
    ahead_to: u64,
    /// The bytes of a page that was decompressed ahead, and which one it is.
    ahead: Vec<u8>,
    ahead_page: Option<usize>,
    /// The last page that was opened.
    opened: Option<usize>,
    /// Where levels and values of the current page are in `body` or `buffer`.
    layout: PageLayout,
    /// The definition levels of the current page; `None` where none of its rows is null.
    levels: Option<HybridRleDecoder>,
    values: Values,
    /// Scratch space for pages of strings without a dictionary.
    sequences: Sequences,
    /// What was read.
    pub cost: Cost,
}

impl<'a> Cursor<'a> {
    /// A cursor at row `row` of the column's row group. With `raw`, numbers without a dictionary
    /// stay raw bits. `buffer` is scratch space to reuse, and `entries` are the distinct values
    /// that an earlier cursor on the same column has collected.
    ///
    /// # Errors
    /// If the dictionary cannot be read.
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

    /// A cursor as from [`Self::new`], which reuses the `entries` of a cursor on another row group;
    /// also returns whether they are this column's too, because the dictionaries are equal.
    ///
    /// # Errors
    /// If the dictionary cannot be read.
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

    /// A cursor at row `row`: the page with that row is the next one, and no page is open.
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
            days_of: None,
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

    /// Gives the times of a day one value id. `entries` of an earlier cursor have to be by the same days.
    ///
    /// # Errors
    /// `TooLarge` if the values exceed 4 GiB.
    pub fn by_day(mut self, days_of: &'a dyn DayOf) -> Result<Self> {
        self.days_of = Some(days_of);
        stamps::shorten(&mut self.entries, days_of)?;
        Ok(self)
    }

    /// Allows pages that begin before row `to` to be decompressed two at a time, once two
    /// were opened in order; `buffer` is scratch space to reuse.
    pub fn look_ahead(&mut self, to: u64, buffer: Vec<u8>) {
        self.ahead_to = to;
        self.ahead = buffer;
    }

    /// Returns the scratch space of [`Self::look_ahead`], for the next cursor.
    pub fn take_ahead(&mut self) -> Vec<u8> {
        self.ahead_page = None;
        std::mem::take(&mut self.ahead)
    }

    /// Returns the scratch space and the distinct values, for the next cursor.
    pub fn into_parts(self) -> (Vec<u8>, ChunkDictionary) {
        (self.buffer, self.entries)
    }

    /// Adds the column and the current page to the location of `error`.
    fn locate(&self, error: Error) -> Error {
        match self.column {
            Column::Chunk(chunk) => {
                error.in_column(&chunk.leaf.name()).in_page(self.next_page.saturating_sub(1))
            }
            Column::Constant { .. } => error,
        }
    }
}
