//! Encodes rows as pages, one column at a time, as common writers do: dictionary entries in order of
//! first occurrence, the id width of the dictionary at the end of the page, hybrid RLE; PLAIN values
//! where nearly every value is distinct.

use super::file::Page;
use super::table::{Column, Encoding, Field, Kind, Table};
use crate::Result;
use crate::parquet::encode::{definition_levels, hybrid_rle, id_width, pack};

/// A column chunk under construction, with its encoded pages.
pub(super) struct ColumnWriter<C> {
    column: C,
    field: Field,
    page_rows: usize,
    /// By code: dictionary id + 1, or 0 where the code has no id yet.
    ids: Vec<u32>,
    /// Codes by id.
    entries: Vec<u64>,
    page: OpenPage,
    pages: Vec<Page>,
}

/// The rows since the end of the last page.
#[derive(Default)]
struct OpenPage {
    /// Definition levels: 0 is null.
    levels: Vec<u32>,
    /// Ids, or bits of a boolean column, of the rows that are not null.
    ids: Vec<u32>,
    /// PLAIN values of the rows that are not null.
    values: Vec<u8>,
}

impl<C: Column> ColumnWriter<C> {
    pub(super) fn new(column: C, page_rows: usize) -> Self {
        let field = column.field();
        // Page sizes assume four bytes an id; a PLAIN boolean takes an eighth of a byte.
        let page_rows =
            if field.kind == Kind::Boolean && page_rows > 20_000 { page_rows * 32 } else { page_rows };
        ColumnWriter {
            column,
            field,
            page_rows,
            ids: vec![],
            entries: vec![],
            page: OpenPage::default(),
            pages: vec![],
        }
    }

    /// Appends rows.
    #[allow(clippy::cast_possible_truncation)] // the code of a boolean is 0 or 1
    pub(super) fn push(&mut self, table: &C::Table, rows: &[<C::Table as Table>::Row]) -> Result<()> {
        for row in rows {
            let code = self.column.code(table, row);
            self.page.levels.push(u32::from(code.is_some()));
            match (code, self.field.encoding) {
                (None, _) => {}
                (Some(code), Encoding::Dictionary) => {
                    let id = self.id(code);
                    self.page.ids.push(id);
                }
                (Some(code), Encoding::Plain) if self.field.kind == Kind::Boolean => {
                    self.page.ids.push(code as u32);
                }
                (Some(code), Encoding::Plain) => self.column.put(table, code, &mut self.page.values),
            }
            if self.page.levels.len() == self.page_rows {
                self.end_page()?;
            }
        }
        Ok(())
    }

    #[allow(clippy::indexing_slicing, clippy::cast_possible_truncation)] // codes are below 2^24
    fn id(&mut self, code: u64) -> u32 {
        let at = code as usize;
        if at >= self.ids.len() {
            self.ids.resize(at + 1, 0);
        }
        if self.ids[at] == 0 {
            self.entries.push(code);
            self.ids[at] = self.entries.len() as u32;
        }
        self.ids[at] - 1
    }

    fn end_page(&mut self) -> Result<()> {
        let OpenPage { levels, ids, values } = &mut self.page;
        let rows = levels.len();
        if rows == 0 {
            return Ok(());
        }
        let nulls = levels.iter().filter(|level| **level == 0).count();
        let mut body = definition_levels(levels, nulls);
        match self.field.encoding {
            Encoding::Dictionary => {
                let width = id_width(self.entries.len());
                body.push(width);
                hybrid_rle(ids, width, &mut body);
            }
            Encoding::Plain if self.field.kind == Kind::Boolean => pack(ids, 1, &mut body),
            Encoding::Plain => body.append(values),
        }
        self.pages.push(Page::data(self.field, &body, rows, nulls)?);
        levels.clear();
        ids.clear();
        Ok(())
    }

    /// Ends the chunk; returns its dictionary page, if it has one, and its data pages.
    pub(super) fn take_chunk(&mut self, table: &C::Table) -> Result<Vec<Page>> {
        self.end_page()?;
        let mut pages = std::mem::take(&mut self.pages);
        if self.field.encoding == Encoding::Dictionary {
            let mut body = vec![];
            for code in &self.entries {
                self.column.put(table, *code, &mut body);
            }
            pages.insert(0, Page::dictionary(&body, self.entries.len())?);
        }
        self.ids.clear();
        self.entries.clear();
        Ok(pages)
    }
}
