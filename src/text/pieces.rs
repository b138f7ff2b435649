//! Converts the rows of a text, piece by piece; each piece becomes a row group.
//!
//! ```text
//! stored text  : cut after the first line end from every eighth MiB on; the pieces are converted in parallel
//!                piece 0 begins with a record; if piece k ends where piece k + 1 begins, so does piece k + 1
//!                else (a line end within quotes) piece k + 1 is converted again, from where piece k ended
//! decoded text : one piece is converted while the next is decoded
//! ```
//!
//! So a cut is a guess that costs nothing where it is right, and the rows, their order and their errors are those of
//! one pass. Errors are counted from the first: a piece that was guessed wrong may have any.

use std::io::Read;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use memchr::{memchr, memchr_iter};
use rayon::prelude::*;

use super::block::{Block, Room};
use super::column::{Bad, ChunkWriter};
use super::format::cannot_decode;
use super::header::{Header, Wanted, not_utf8};
use super::lines::Lines;
use super::records::{Fault, RECORD_MAX, Records, Span, Step};
use crate::progress::Progress;
use crate::storage::{Object, PinnedObject, Segment, Spool};
use crate::{Error, Result};

/// Bytes of a piece of text.
pub const PIECE: usize = 8 << 20;
/// Rows between two questions whether to go on.
const CHECK_EVERY: u64 = 1 << 16;

/// The pages of a column in a row group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// The position of its first page in the row group.
    pub start: u64,
    /// Length of its pages.
    pub bytes: u64,
    /// Length of its dictionary page.
    pub dictionary_bytes: u64,
}

/// A row group.
pub struct RowGroup {
    /// Its rows.
    pub rows: u64,
    /// One a column that is read.
    pub chunks: Vec<Chunk>,
    /// Its pages.
    pub segment: Segment,
    /// The lines of its rows.
    pub lines: Lines,
}

/// What the conversion of a file needs.
pub struct Context<'c> {
    /// The columns.
    pub wanted: &'c Wanted,
    /// Where pages are kept.
    pub spool: &'c Spool,
    /// Bytes of a piece.
    pub piece: usize,
    /// At least this many rows are read, if there are; then the rest may be left.
    pub rows: Option<u64>,
    /// Progress.
    pub progress: &'c dyn Progress,
}

/// A converted text.
pub struct Converted {
    /// Its header.
    pub header: Header,
    /// Its rows.
    pub row_groups: Vec<RowGroup>,
}

/// A converted piece.
struct Piece {
    row_group: RowGroup,
    /// Where it ends.
    end: usize,
    /// Its lines.
    lines: u64,
}

/// An error in a piece; its line is counted from the first of the piece, from 0.
struct Failure {
    line: u64,
    error: Error,
}

impl Failure {
    fn at(self, lines: u64) -> Error {
        self.error.at_line(lines + self.line + 1)
    }
}

/// Converts text that is stored as it is, from byte `from` of its object on.
///
/// # Errors
/// The first one in the text.
pub fn convert_stored(context: &Context<'_>, object: &dyn Object, from: usize) -> Result<Converted> {
    let pinned = PinnedObject::new(object)?;
    let bytes = pinned.read(0..object.len())?;
    let text = bytes.get(from..).unwrap_or_default();
    let head = text.get(..PIECE.min(text.len())).unwrap_or(text);
    let header = Header::read(head, head.len() == text.len(), context.wanted)?;
    let rows = Rows::new(&header);
    let mut cuts = cuts(text, header.end, context.piece);
    if context.rows.is_some() {
        cuts.truncate(1);
    }
    let failed = AtomicUsize::new(usize::MAX);
    let convert = |(at, piece): (usize, &Range<usize>)| {
        if failed.load(Ordering::Relaxed) < at {
            return None;
        }
        let converted = convert_piece(context, &rows, text, piece.clone());
        if converted.is_err() {
            failed.fetch_min(at, Ordering::Relaxed);
        }
        let [start, end] = [from + piece.start, from + piece.end].map(|at| at as u64);
        object.evict(std::slice::from_ref(&(start..end)));
        context.progress.advance(end - start);
        Some(converted)
    };
    let pieces: Vec<Option<Result<Piece, Failure>>> = match cuts.as_slice() {
        [one] => vec![convert((0, one))],
        many => many.par_iter().enumerate().map(convert).collect(),
    };
    let (mut at, mut row_groups) = (header.end, Vec::with_capacity(pieces.len()));
    let mut lines = header.lines;
    for (piece, guessed) in cuts.iter().zip(pieces) {
        let converted = match guessed {
            Some(guessed) if at == piece.start => guessed,
            _ if at >= piece.end => continue,
            _ => convert_piece(context, &rows, text, at..piece.end),
        };
        let Piece { mut row_group, end, lines: of_piece } = converted.map_err(|failure| failure.at(lines))?;
        row_group.lines.place(lines, &rows.steps);
        (at, lines) = (end, lines + of_piece);
        row_groups.push(row_group);
    }
    Ok(Converted { header, row_groups })
}

/// Where a text is cut from `from` on: after line ends.
fn cuts(text: &[u8], from: usize, piece: usize) -> Vec<Range<usize>> {
    let (mut cuts, mut at) = (Vec::new(), from);
    while at < text.len() {
        let next = at.saturating_add(piece).min(text.len());
        let end =
            memchr(b'\n', text.get(next..).unwrap_or_default()).map_or(text.len(), |end| next + end + 1);
        cuts.push(at..end);
        at = end;
    }
    cuts
}

/// Converts text as it is decoded.
///
/// # Errors
/// The first one in the text.
pub fn convert_decoded(context: &Context<'_>, mut text: Box<dyn Read + Send + '_>) -> Result<Converted> {
    let piece = context.piece as u64;
    // An error comes with the lines before it in its block.
    let mut read = |least: u64| -> Result<Vec<u8>, (Error, u64)> {
        let mut bytes = Vec::new();
        match (&mut text).take(least).read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(error) => Err((cannot_decode(error), line_ends(&bytes))),
        }
    };
    // The header has to be in the first block.
    let least = piece.max(1 << 10);
    let mut bytes = read(least).map_err(|(error, lines)| error.at_line(lines + 1))?;
    let mut is_all = (bytes.len() as u64) < least;
    let header = Header::read(&bytes, is_all, context.wanted)?;
    let rows = Rows::new(&header);
    let (mut at, mut lines, mut row_groups) = (header.end, header.lines, Vec::new());
    loop {
        let of_text = bytes.get(at..).unwrap_or_default();
        let is_last = is_all || context.rows.is_some();
        let (converted, next) = rayon::join(
            || convert_block(context, &rows, of_text, is_all),
            || if is_last { Ok(Vec::new()) } else { read(piece) },
        );
        let Piece { mut row_group, end, lines: of_piece } = converted.map_err(|failure| failure.at(lines))?;
        row_group.lines.place(lines, &rows.steps);
        lines += of_piece;
        row_groups.push(row_group);
        if is_last {
            break;
        }
        bytes.drain(..at + end);
        let mut next = next.map_err(|(error, after)| error.at_line(lines + line_ends(&bytes) + after + 1))?;
        is_all = (next.len() as u64) < piece;
        bytes.append(&mut next);
        at = 0;
    }
    Ok(Converted { header, row_groups })
}

fn line_ends(bytes: &[u8]) -> u64 {
    memchr_iter(b'\n', bytes).count() as u64
}

/// What is the same for all pieces of a text.
struct Rows<'h> {
    header: &'h Header,
    /// By column: whether nearly every value was distinct in some piece.
    is_plain: Vec<AtomicBool>,
    /// Steps of lines that are kept.
    steps: AtomicUsize,
}

impl<'h> Rows<'h> {
    fn new(header: &'h Header) -> Self {
        let is_plain = header.columns.iter().map(|_| AtomicBool::new(false)).collect();
        Rows { header, is_plain, steps: AtomicUsize::new(0) }
    }
}

/// Converts the records that begin in `piece`.
fn convert_piece(
    context: &Context<'_>,
    rows: &Rows<'_>,
    text: &[u8],
    piece: Range<usize>,
) -> Result<Piece, Failure> {
    // The last record may be longer than the piece.
    let end = piece.end.saturating_add(2 * RECORD_MAX).min(text.len());
    let of_piece = text.get(piece.start..end).unwrap_or_default();
    let records = Records::new(of_piece, rows.header.delimiter, end == text.len());
    let mut piece_rows = convert(context, rows, records, piece.end - piece.start)?;
    piece_rows.end += piece.start;
    Ok(piece_rows)
}

/// Converts the records that are whole in a block.
fn convert_block(
    context: &Context<'_>,
    rows: &Rows<'_>,
    text: &[u8],
    is_all: bool,
) -> Result<Piece, Failure> {
    convert(context, rows, Records::new(text, rows.header.delimiter, is_all), text.len())
}

/// Converts the records that begin before `stop`.
fn convert(
    context: &Context<'_>,
    rows: &Rows<'_>,
    mut records: Records<'_>,
    stop: usize,
) -> Result<Piece, Failure> {
    let header = rows.header;
    let kinds = header.columns.iter().zip(&rows.is_plain);
    let mut columns: Vec<ChunkWriter> = kinds
        .map(|((_, kind), is_plain)| ChunkWriter::new(*kind, is_plain.load(Ordering::Relaxed)))
        .collect();
    let mut spans = vec![Span::default(); columns.len()];
    let (mut count, mut lines, mut scratch) = (0u64, Lines::default(), Vec::new());
    let (mut room, mut blocks) = (Room::default(), Blocks::default());
    while records.at() < stop {
        if context.rows.is_none() && blocks.is_due() {
            let block = records.read_block(header.names.len(), stop, &mut room);
            blocks.note(block.records());
            if block.records() > 0 {
                let line = records.record_line();
                push_block(&mut columns, header, &block)
                    .map_err(|(record, error)| Failure { line: line + record as u64, error })?;
                lines.push(count, line);
                let before = count;
                count += block.records() as u64;
                if before / CHECK_EVERY != count / CHECK_EVERY && context.progress.interrupted() {
                    return Err(Failure { line, error: Error::Interrupted });
                }
                continue;
            }
        }
        let fields = match records.read(&header.slots, &mut spans) {
            Ok(Step::Record(fields)) => fields,
            Ok(Step::End | Step::Incomplete) => break,
            Err(fault) => {
                let line = match fault {
                    Fault::OpenQuote(line) => line,
                    Fault::AfterQuote(_) | Fault::TooLong => records.record_line(),
                };
                return Err(Failure { line, error: fault_error(fault) });
            }
        };
        let line = records.record_line();
        if fields != header.names.len() {
            return Err(Failure { line, error: ragged(fields, header) });
        }
        lines.push(count, line);
        for (slot, (column, span)) in columns.iter_mut().zip(&spans).enumerate() {
            let field = records.field(*span, &mut scratch);
            if let Err(bad) = column.push(field) {
                let error = bad_field(bad, field).in_column(header.name(slot));
                return Err(Failure { line, error });
            }
        }
        count += 1;
        if count.is_multiple_of(CHECK_EVERY) && context.progress.interrupted() {
            return Err(Failure { line, error: Error::Interrupted });
        }
        if context.rows == Some(count) {
            break;
        }
    }
    let (mut bytes, mut chunks) = (Vec::new(), Vec::with_capacity(columns.len()));
    for (column, is_plain) in columns.into_iter().zip(&rows.is_plain) {
        if column.is_plain() {
            is_plain.store(true, Ordering::Relaxed);
        }
        let start = bytes.len() as u64;
        let dictionary_bytes = column.finish(&mut bytes);
        chunks.push(Chunk { start, bytes: bytes.len() as u64 - start, dictionary_bytes });
    }
    let line = records.line();
    let segment = context.spool.store(bytes).map_err(|error| Failure { line, error })?;
    let row_group = RowGroup { rows: count, chunks, segment, lines };
    Ok(Piece { row_group, end: records.at(), lines: line })
}

/// Whether the next records may be plain: where blocks are empty, more and more records are read alone before the next
/// try.
#[derive(Default)]
struct Blocks {
    /// Records to read alone, and those that are left of them.
    alone: u32,
    left: u32,
}

impl Blocks {
    /// The most records that are read alone after an empty block.
    const ALONE_MAX: u32 = 256;

    fn is_due(&mut self) -> bool {
        let is_due = self.left == 0;
        self.left = self.left.saturating_sub(1);
        is_due
    }

    fn note(&mut self, records: usize) {
        self.alone = if records > 0 { 0 } else { (2 * self.alone).clamp(1, Self::ALONE_MAX) };
        // The record that is not plain is read alone in any case.
        self.left = self.alone.saturating_sub(1);
    }
}

/// Appends the records of a block, column by column. The error is that of the first record that has one, with its
/// number in the block, and of the first column in it.
fn push_block(columns: &mut [ChunkWriter], header: &Header, block: &Block<'_>) -> Result<(), (usize, Error)> {
    let (mut most, mut first) = (block.records(), None);
    for (slot, (column, (field, _))) in columns.iter_mut().zip(&header.columns).enumerate() {
        if let Err((record, bad)) = column.push_block(block, *field, most) {
            (most, first) = (record, Some((slot, *field, bad)));
        }
    }
    let Some((slot, field, bad)) = first else { return Ok(()) };
    let text = block.column(field).nth(most).and_then(|(start, end)| block.text().get(start..end));
    Err((most, bad_field(bad, text.unwrap_or_default()).in_column(header.name(slot))))
}

/// The error for a record that cannot be read.
pub fn fault_error(fault: Fault) -> Error {
    match fault {
        Fault::AfterQuote(next) => {
            Error::format(format!("a quoted field is followed by '{}'", char::from(next).escape_debug()))
                .expected("a delimiter or the end of the line")
                .advice("Quotes within a quoted field are doubled: \"\"")
        }
        Fault::OpenQuote(_) => Error::format("a quote that opens here is never closed")
            .expected("a closing quote within 16 MiB")
            .advice("Quotes within a quoted field are doubled: \"\""),
        Fault::TooLong => {
            Error::format("a record is longer than 16 MiB").expected("rows that end with a line feed")
        }
    }
}

fn ragged(fields: usize, header: &Header) -> Error {
    let count = |n: usize| format!("{n} field{}", if n == 1 { "" } else { "s" });
    Error::format(format!("the row has {}", count(fields)))
        .expected(format!("{}, as in the header", header.names.len()))
        .advice("A field with a delimiter in it has to be quoted; the file may also be cut short")
}

fn bad_field(bad: Bad, field: &[u8]) -> Error {
    let text: String = String::from_utf8_lossy(field).chars().take(80).collect();
    let shown = format!("'{}'", text.escape_debug());
    match bad {
        Bad::Encoding => not_utf8(&format!("{shown} is not UTF-8")),
        Bad::Zero => not_utf8(&format!("{shown} has a zero byte")),
        Bad::NotWhole => {
            Error::data(format!("{shown} is no whole number")).expected("a whole number, or nothing for null")
        }
        Bad::TooLarge => Error::data(format!("{shown} is larger than 2^53"))
            .expected("a number that a double holds exactly"),
        Bad::NotNumber => {
            let error = Error::data(format!("{shown} is no number"))
                .expected("a number such as 64 or 1.5, or nothing for null");
            let is_grouped = field.iter().all(|byte| byte.is_ascii_digit() || b",. '+-".contains(byte));
            if is_grouped && field.iter().any(u8::is_ascii_digit) {
                error.advice("Export numbers without separators of thousands, with a point before decimals")
            } else {
                error
            }
        }
    }
}
