//! Encodes rows as pages, one column at a time, as common writers do: dictionary entries in order of
//! first occurrence, the id width of the dictionary at the end of the page, hybrid RLE.

use super::cube::{Cube, Row, SYSTEMS};
use super::file::Page;
use super::names::token_owner;
use crate::Result;

/// The columns of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExportColumn {
    Name,
    Value,
    StartDate,
    EndDate,
    YearWeek,
    HasSubtrackers,
    Token,
    InsertedAt,
    Country,
    OsName,
}

impl ExportColumn {
    /// In the order of the file.
    pub(super) const ALL: [ExportColumn; 10] = [
        ExportColumn::Name,
        ExportColumn::Value,
        ExportColumn::StartDate,
        ExportColumn::EndDate,
        ExportColumn::YearWeek,
        ExportColumn::HasSubtrackers,
        ExportColumn::Token,
        ExportColumn::InsertedAt,
        ExportColumn::Country,
        ExportColumn::OsName,
    ];

    /// The code of the value of a row, a small number.
    #[allow(clippy::indexing_slicing)] // rows come from the same cube
    pub(super) fn code(self, cube: &Cube, row: &Row) -> u32 {
        match self {
            ExportColumn::Name => u32::from(row.channel),
            // Two channels share one token: the dictionary has it once.
            ExportColumn::Token => u32::from(token_owner(row.channel)),
            ExportColumn::Value => row.value,
            ExportColumn::StartDate | ExportColumn::EndDate => u32::from(row.day),
            ExportColumn::YearWeek => u32::from(row.day) / 7,
            ExportColumn::HasSubtrackers => u32::from(cube.channels()[usize::from(row.channel)].subtrackers),
            ExportColumn::InsertedAt => u32::from(row.day) * 3 + u32::from(row.system),
            ExportColumn::Country => u32::from(row.country),
            ExportColumn::OsName => u32::from(row.system),
        }
    }

    /// The value of a code in PLAIN encoding, without the length.
    #[allow(clippy::indexing_slicing)] // codes come from the same cube
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)] // counts stay below 2^24
    pub(super) fn bytes(self, cube: &Cube, code: u32) -> Vec<u8> {
        let at = code as usize;
        match self {
            ExportColumn::Name => cube.channels()[at].name.clone().into_bytes(),
            ExportColumn::Token => cube.channels()[at].token.clone().into_bytes(),
            ExportColumn::Value => (code as f32).to_le_bytes().to_vec(),
            ExportColumn::StartDate | ExportColumn::EndDate => cube.date(code as u16).to_le_bytes().to_vec(),
            ExportColumn::YearWeek => cube.week_label(code).into_bytes(),
            ExportColumn::HasSubtrackers => vec![u8::from(code != 0)],
            ExportColumn::InsertedAt => inserted_at(cube, code),
            ExportColumn::Country => cube.countries()[at].code.as_bytes().to_vec(),
            ExportColumn::OsName => SYSTEMS[at].as_bytes().to_vec(),
        }
    }

    fn is_string(self) -> bool {
        matches!(
            self,
            ExportColumn::Name
                | ExportColumn::Token
                | ExportColumn::YearWeek
                | ExportColumn::Country
                | ExportColumn::OsName
        )
    }
}

/// INT96: nanoseconds of the day, then the Julian day. Exports run at three in the morning of the next
/// day and take a few seconds for each system.
#[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation)] // days after 2020
fn inserted_at(cube: &Cube, code: u32) -> Vec<u8> {
    const JULIAN_DAY_OF_EPOCH: i32 = 2_440_588;
    let seconds = 3 * 3_600 + u64::from(code % 3) * 17;
    let micros = super::cube::mix(u64::from(code)) % 9_000_000;
    let mut bytes = ((seconds * 1_000_000 + micros) * 1_000).to_le_bytes().to_vec();
    let day = cube.date((code / 3) as u16) + 1 + JULIAN_DAY_OF_EPOCH;
    bytes.extend(day.to_le_bytes());
    bytes
}

/// A column chunk under construction, with its encoded pages.
pub(super) struct ColumnWriter {
    pub(super) column: ExportColumn,
    page_rows: usize,
    /// By code: dictionary id + 1, or 0 where the code has no id yet.
    ids: Vec<u32>,
    /// Codes by id.
    entries: Vec<u32>,
    page: Vec<u32>,
    pages: Vec<Page>,
}

impl ColumnWriter {
    pub(super) fn new(column: ExportColumn, page_rows: usize) -> Self {
        // Page sizes assume four bytes an id; a PLAIN boolean takes an eighth of a byte.
        let page_rows = if column == ExportColumn::HasSubtrackers && page_rows > 20_000 {
            page_rows * 32
        } else {
            page_rows
        };
        ColumnWriter { column, page_rows, ids: vec![], entries: vec![], page: vec![], pages: vec![] }
    }

    /// Appends rows.
    pub(super) fn push(&mut self, cube: &Cube, rows: &[Row]) -> Result<()> {
        for row in rows {
            let code = self.column.code(cube, row);
            let id = self.id(code);
            self.page.push(id);
            if self.page.len() == self.page_rows {
                self.end_page()?;
            }
        }
        Ok(())
    }

    #[allow(clippy::indexing_slicing, clippy::cast_possible_truncation)] // codes are below 2^24
    fn id(&mut self, code: u32) -> u32 {
        if self.column == ExportColumn::HasSubtrackers {
            return code;
        }
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
        if self.page.is_empty() {
            return Ok(());
        }
        let mut body = all_present(self.page.len());
        if self.column == ExportColumn::HasSubtrackers {
            pack(&self.page, 1, &mut body);
        } else {
            let width = width(self.entries.len());
            body.push(width);
            hybrid_rle(&self.page, width, &mut body);
        }
        self.pages.push(Page::data(self.column, &body, self.page.len())?);
        self.page.clear();
        Ok(())
    }

    /// Ends the chunk; returns its dictionary page, if it has one, and its data pages.
    pub(super) fn take_chunk(&mut self, cube: &Cube) -> Result<Vec<Page>> {
        self.end_page()?;
        let mut pages = std::mem::take(&mut self.pages);
        if self.column != ExportColumn::HasSubtrackers {
            let mut body = vec![];
            for code in &self.entries {
                let bytes = self.column.bytes(cube, *code);
                if self.column.is_string() {
                    body.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
                }
                body.extend(bytes);
            }
            pages.insert(0, Page::dictionary(&body, self.entries.len())?);
        }
        self.ids.clear();
        self.entries.clear();
        Ok(pages)
    }
}

/// Definition levels of a v1 page without nulls: length, one run of ones.
fn all_present(rows: usize) -> Vec<u8> {
    let mut run = vec![];
    varint((rows as u64) << 1, &mut run);
    run.push(1);
    let mut body = u32::try_from(run.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
    body.extend(run);
    body
}

/// Bits an id takes; one even where there is a single entry, as Arrow writes it.
#[allow(clippy::cast_possible_truncation)] // at most 64
fn width(entries: usize) -> u8 {
    (usize::BITS - entries.saturating_sub(1).leading_zeros()).max(1) as u8
}

#[allow(clippy::cast_possible_truncation)] // masked
fn varint(mut n: u64, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Eight or more equal ids become an RLE run; the rest is bit-packed in groups of eight, at most 63
/// groups under one header, so that the header takes one byte.
#[allow(clippy::indexing_slicing)] // indices stay below the length
pub(super) fn hybrid_rle(ids: &[u32], width: u8, out: &mut Vec<u8>) {
    let mut packed_from = 0;
    let mut at = 0;
    while at < ids.len() {
        let run = ids[at..].iter().take_while(|id| **id == ids[at]).count();
        // The length of a bit-packed run is a multiple of eight: ids of the RLE run may have to fill it.
        let fill = (8 - (at - packed_from) % 8) % 8;
        if run >= fill + 8 {
            bit_packed(&ids[packed_from..at + fill], width, out);
            varint(((run - fill) as u64) << 1, out);
            out.extend(&ids[at].to_le_bytes()[..usize::from(width.div_ceil(8))]);
            packed_from = at + run;
        }
        at += run;
    }
    bit_packed(&ids[packed_from..], width, out);
}

fn bit_packed(ids: &[u32], width: u8, out: &mut Vec<u8>) {
    for chunk in ids.chunks(63 * 8) {
        varint((chunk.len().div_ceil(8) as u64) << 1 | 1, out);
        let padded = out.len() + chunk.len().div_ceil(8) * usize::from(width);
        pack(chunk, width, out);
        out.resize(padded, 0);
    }
}

/// Packs from the least significant bit.
#[allow(clippy::cast_possible_truncation)] // byte by byte
fn pack(ids: &[u32], width: u8, out: &mut Vec<u8>) {
    let (mut bits, mut count) = (0u64, 0);
    for id in ids {
        bits |= u64::from(*id) << count;
        count += width;
        while count >= 8 {
            out.push(bits as u8);
            bits >>= 8;
            count -= 8;
        }
    }
    if count > 0 {
        out.push(bits as u8);
    }
}
