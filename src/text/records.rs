//! Cuts text into records and fields.
//!
//! ```text
//! many lines without quotes           : a block ([`super::block`]); its fields are read column by column
//! no quote before the next end of line: the line is a record; fields lie between delimiters
//! else                                : field by field; a field that begins with a quote ends with the next single
//!                                       one, anywhere else a quote stands for itself
//! ```
//!
//! Delimiters and line ends of the second kind are found together by `memchr`. The third kind follows RFC 4180, with
//! any delimiter and any line end; two quotes within a quoted field are one. Blank lines are skipped. What is
//! ambiguous is a [`Fault`]: text between a closing quote and the next delimiter, and a quote that is never closed.
//! The `csv` crate reads both, so it cannot report them; the tests compare with it on all other texts.

use memchr::{memchr, memchr_iter, memchr2, memchr2_iter};

use super::block::{Block, Room};

/// The longest record in bytes: a quote that is not closed within it is taken for one that is never closed.
pub const RECORD_MAX: usize = 16 << 20;

/// Bytes that are searched for a quote at once.
const QUOTE_WINDOW: usize = 64 << 10;

/// Where a field is in the text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    start: usize,
    end: usize,
    /// Whether it has doubled quotes.
    escaped: bool,
}

/// What is wrong with a record. Lines are counted from 0, from the beginning of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A closing quote is followed by this byte.
    AfterQuote(u8),
    /// A quote that opens on this line is not closed.
    OpenQuote(u64),
    /// The record is longer than [`RECORD_MAX`].
    TooLong,
}

/// The next step through a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A record with this number of fields.
    Record(usize),
    /// The text ends within a record, and more text follows.
    Incomplete,
    /// The text ends.
    End,
}

/// The records of a text.
pub struct Records<'t> {
    text: &'t [u8],
    delimiter: u8,
    /// Whether no text follows.
    is_all: bool,
    at: usize,
    /// No quote lies between `at` and here.
    next_quote: usize,
    /// Line of `at`.
    line: u64,
    /// Line on which the last record begins.
    record_line: u64,
    hits: memchr::Memchr2<'t>,
    /// Where `hits` began.
    hits_from: usize,
}

impl<'t> Records<'t> {
    /// The records of `text`, which begins with one.
    pub fn new(text: &'t [u8], delimiter: u8, is_all: bool) -> Self {
        Records {
            text,
            delimiter,
            is_all,
            at: 0,
            next_quote: find_quote(text, 0),
            line: 0,
            record_line: 0,
            hits: memchr2_iter(delimiter, b'\n', text),
            hits_from: 0,
        }
    }

    /// Where the next record begins.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The lines before it.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The line on which the last record, or the one with a fault, begins.
    pub fn record_line(&self) -> u64 {
        self.record_line
    }

    /// The bytes of a field; `scratch` takes those that have doubled quotes.
    pub fn field<'a>(&'a self, span: Span, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        let raw = self.text.get(span.start..span.end).unwrap_or_default();
        if !span.escaped {
            return raw;
        }
        scratch.clear();
        let mut rest = raw;
        while let Some(quote) = memchr(b'"', rest) {
            let (before, after) = rest.split_at(quote + 1);
            scratch.extend_from_slice(before);
            rest = after.get(1..).unwrap_or_default();
        }
        scratch.extend_from_slice(rest);
        scratch
    }

    /// Reads the next records, as far as each has `fields` fields and no quotes, and ends before `stop`. None, if the
    /// next one is not like that: then [`Self::read`] reads it.
    pub fn read_block<'b>(&mut self, fields: usize, stop: usize, room: &'b mut Room) -> Block<'b>
    where
        't: 'b,
    {
        let text = self.text.get(self.at..).unwrap_or_default();
        let block = Block::find(text, stop.saturating_sub(self.at), self.delimiter, fields, room);
        self.record_line = self.line;
        if block.records() > 0 {
            self.at += block.size();
            self.line += block.records() as u64;
            self.restart();
        }
        block
    }

    /// Reads the next record. Field `n` is put to `spans[slots[n]]`, if there is such a span.
    ///
    /// # Errors
    /// See [`Fault`].
    #[inline]
    #[allow(clippy::while_let_on_iterator)] // the loop uses all of `self`
    pub fn read(&mut self, slots: &[usize], spans: &mut [Span]) -> Result<Step, Fault> {
        loop {
            self.record_line = self.line;
            // Blank lines.
            match self.text.get(self.at..) {
                None | Some([]) => return Ok(Step::End),
                Some([b'\n', ..]) => self.skip_blank(1),
                Some([b'\r', b'\n', ..]) => self.skip_blank(2),
                Some([b'\r']) if self.is_all => self.skip_blank(1),
                Some([b'"', ..]) => return self.read_quoted(slots, spans),
                Some(_) => break,
            }
        }
        let (mut fields, mut from) = (0, self.at);
        while let Some(hit) = self.hits.next() {
            let hit = self.hits_from + hit;
            if hit > self.next_quote && self.has_quote_before(hit) {
                return self.read_quoted(slots, spans);
            }
            let is_end = self.text.get(hit) == Some(&b'\n');
            if let Some(span) = slots.get(fields).and_then(|slot| spans.get_mut(*slot)) {
                *span = Span { start: from, end: hit, escaped: false };
                if is_end {
                    span.trim_return(self.text);
                }
            }
            fields += 1;
            from = hit + 1;
            if is_end {
                self.at = from;
                self.line += 1;
                return Ok(Step::Record(fields));
            }
        }
        // The text ends within this record.
        self.read_quoted(slots, spans)
    }

    fn skip_blank(&mut self, bytes: usize) {
        self.at += bytes;
        self.line += 1;
        self.restart();
    }

    /// Moves the search for delimiters and quotes to the next record.
    fn restart(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        (self.hits, self.hits_from) = (memchr2_iter(self.delimiter, b'\n', rest), self.at);
        if self.next_quote < self.at {
            self.next_quote = find_quote(self.text, self.at);
        }
    }

    #[cold]
    fn has_quote_before(&mut self, end: usize) -> bool {
        while self.next_quote < end {
            if self.text.get(self.next_quote) == Some(&b'"') {
                return true;
            }
            self.next_quote = find_quote(self.text, self.next_quote);
        }
        false
    }

    /// Reads a record field by field.
    fn read_quoted(&mut self, slots: &[usize], spans: &mut [Span]) -> Result<Step, Fault> {
        let (text, start) = (self.text, self.at);
        let (mut fields, mut from) = (0, start);
        let (span, ending) = loop {
            let (span, ending) = match text.get(from) {
                Some(b'"') => self.quoted_field(from)?,
                _ => self.plain_field(from),
            };
            // Within a record that may go on after the text, nothing is known of its last field.
            if ending == Ending::Text && !self.is_all {
                if text.len() - start > RECORD_MAX {
                    return Err(Fault::TooLong);
                }
                return Ok(Step::Incomplete);
            }
            let slot = slots.get(fields).and_then(|slot| spans.get_mut(*slot));
            if let Some(to) = slot {
                *to = span;
            }
            fields += 1;
            match ending {
                Ending::Delimiter(next) => from = next,
                Ending::Line(_) | Ending::Text => break (span, ending),
            }
        };
        let end = if let Ending::Line(next) = ending { next } else { text.len() };
        let record = text.get(start..end).unwrap_or_default();
        debug_assert!(span.end <= end);
        self.line += memchr_iter(b'\n', record).count() as u64 + u64::from(ending == Ending::Text);
        self.at = end;
        self.restart();
        Ok(Step::Record(fields))
    }

    /// A field that is not quoted.
    fn plain_field(&self, from: usize) -> (Span, Ending) {
        let rest = self.text.get(from..).unwrap_or_default();
        let found = memchr2(self.delimiter, b'\n', rest).map(|at| from + at);
        let end = found.unwrap_or(self.text.len());
        let mut span = Span { start: from, end, escaped: false };
        let ending = match found.and_then(|at| self.text.get(at)) {
            None => Ending::Text,
            Some(b'\n') => Ending::Line(end + 1),
            Some(_) => Ending::Delimiter(end + 1),
        };
        if !matches!(ending, Ending::Delimiter(_)) {
            span.trim_return(self.text);
        }
        (span, ending)
    }

    /// A field whose opening quote is at `from`.
    fn quoted_field(&self, from: usize) -> Result<(Span, Ending), Fault> {
        let text = self.text;
        let mut span = Span { start: from + 1, end: from + 1, escaped: false };
        loop {
            let rest = text.get(span.end..).unwrap_or_default();
            let Some(quote) = memchr(b'"', rest).map(|at| span.end + at) else {
                if self.is_all || text.len() - from > RECORD_MAX {
                    let before = text.get(self.at..from).unwrap_or_default();
                    return Err(Fault::OpenQuote(self.line + memchr_iter(b'\n', before).count() as u64));
                }
                return Ok((span, Ending::Text));
            };
            span.end = quote;
            let ending = match text.get(quote + 1..).unwrap_or_default() {
                [b'"', ..] => {
                    span.end = quote + 2;
                    span.escaped = true;
                    continue;
                }
                [] | [b'\r'] => Ending::Text,
                [b'\n', ..] => Ending::Line(quote + 2),
                [b'\r', b'\n', ..] => Ending::Line(quote + 3),
                [next, ..] if *next == self.delimiter => Ending::Delimiter(quote + 2),
                [next, ..] => return Err(Fault::AfterQuote(*next)),
            };
            return Ok((span, ending));
        }
    }
}

/// The first quote from `from` on, or a position before it: a text without quotes is not searched to its end, while its
/// bytes are not needed yet.
fn find_quote(text: &[u8], from: usize) -> usize {
    let end = from.saturating_add(QUOTE_WINDOW).min(text.len());
    let found = memchr(b'"', text.get(from..end).unwrap_or_default()).map(|quote| from + quote);
    found.unwrap_or(if end == text.len() { usize::MAX } else { end })
}

/// What ends a field, and where the next one begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Delimiter(usize),
    Line(usize),
    Text,
}

impl Span {
    /// Takes the `\r` of a line end off the last field of a line.
    fn trim_return(&mut self, text: &[u8]) {
        if self.end > self.start && text.get(self.end - 1) == Some(&b'\r') {
            self.end -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use proptest::prelude::*;

    use super::*;

    /// The line on which a record begins, and its fields.
    type Record = (u64, Vec<Vec<u8>>);

    /// All records.
    fn read(text: &[u8], delimiter: u8) -> Result<Vec<Record>, Fault> {
        let slots: Vec<usize> = (0..16).collect();
        let mut records = Records::new(text, delimiter, true);
        let (mut read, mut scratch) = (Vec::new(), Vec::new());
        loop {
            let mut spans = vec![Span::default(); slots.len()];
            match records.read(&slots, &mut spans)? {
                Step::Record(fields) => {
                    let of = |span: &Span| records.field(*span, &mut scratch.clone()).to_vec();
                    read.push((records.record_line(), spans[..fields].iter().map(of).collect()));
                    scratch.clear();
                }
                Step::End => return Ok(read),
                Step::Incomplete => unreachable!("all of the text is there"),
            }
        }
    }

    fn strings(text: &str) -> Vec<Vec<String>> {
        let records = read(text.as_bytes(), b',').unwrap();
        let text = |field: Vec<u8>| String::from_utf8(field).unwrap();
        records.into_iter().map(|(_, fields)| fields.into_iter().map(text).collect()).collect()
    }

    #[test]
    fn quotes_line_ends_and_blank_lines() {
        assert_eq!(strings("a,b\n1,2"), [["a", "b"], ["1", "2"]]);
        assert_eq!(strings("a,b\r\n\r\n\n\"1\",2\r\n"), [["a", "b"], ["1", "2"]]);
        assert_eq!(strings("\"x, \"\"y\"\"\nz\",\"\"\n"), [["x, \"y\"\nz", ""]]);
        assert_eq!(strings("5\" disc,a\"b\"\n"), [["5\" disc", "a\"b\""]]);
        assert_eq!(strings(",\n"), [["", ""]]);
        assert_eq!(strings("a,\"b\"\r"), [["a", "b"]]);
    }

    #[test]
    fn faults_name_their_line() {
        assert_eq!(read(b"a,b\n1,\"2\n\n3,4\n", b','), Err(Fault::OpenQuote(1)));
        assert_eq!(read(b"\"x\ny\",\"2\n", b','), Err(Fault::OpenQuote(1)));
        assert_eq!(read(b"\"x\" ,2\n", b','), Err(Fault::AfterQuote(b' ')));
        assert_eq!(read(br#""x\"y",2"#, b','), Err(Fault::AfterQuote(b'y')));
    }

    #[test]
    fn records_know_their_lines() {
        let lines = |text: &str| -> Vec<u64> {
            read(text.as_bytes(), b',').unwrap().into_iter().map(|(line, _)| line).collect()
        };
        assert_eq!(lines("a\n\nb\n\"c\n\nd\"\n\n\ne"), [0, 2, 3, 8]);
    }

    #[test]
    fn quotes_far_apart_are_found() {
        let plain = "a,b\n".repeat(QUOTE_WINDOW);
        let text = format!("{plain}\"x\ny\",2\n{plain}1,\"2\"\n");
        let records = read(text.as_bytes(), b',').unwrap();
        assert_eq!(records.len(), 2 * QUOTE_WINDOW + 2);
        assert_eq!(records[QUOTE_WINDOW].1, [b"x\ny".to_vec(), b"2".to_vec()]);
        assert_eq!(records.last().unwrap().1, [b"1".to_vec(), b"2".to_vec()]);
    }

    #[test]
    fn a_text_that_goes_on_is_incomplete() {
        for (text, at) in [("a,b\n1,", 4), ("a,b\n1,\"x\ny", 4), ("a,\"b\"", 0), ("a,\"b\"\r", 0)] {
            let mut records = Records::new(text.as_bytes(), b',', false);
            while let Step::Record(_) = records.read(&[], &mut []).unwrap() {}
            assert_eq!(records.at(), at, "{text:?}");
        }
    }

    proptest! {
        #[test]
        // A lone carriage return ends a line for the csv crate.
        fn the_csv_crate_reads_the_same(text in "([ab,;\"\n]|\r\n){0,60}") {
            if let Ok(records) = read(text.as_bytes(), b',') {
                let mut reader = csv::ReaderBuilder::new();
                let reader = reader.has_headers(false).flexible(true).from_reader(text.as_bytes());
                let want: Vec<Vec<Vec<u8>>> = reader
                    .into_byte_records()
                    .map(|record| record.unwrap().iter().map(<[u8]>::to_vec).collect())
                    .collect();
                let got: Vec<Vec<Vec<u8>>> = records.into_iter().map(|(_, fields)| fields).collect();
                prop_assert_eq!(got, want);
            }
        }

        #[test]
        fn a_prefix_gives_the_same_records(text in "[ab,\"\n]{0,60}", cut in 0usize..60) {
            let Ok(all) = read(text.as_bytes(), b',') else { return Ok(()) };
            let prefix = &text.as_bytes()[..cut.min(text.len())];
            let mut records = Records::new(prefix, b',', false);
            let mut count = 0;
            while let Step::Record(_) = records.read(&[], &mut []).unwrap() {
                count += 1;
            }
            prop_assert!(count <= all.len());
            let rest = read(&text.as_bytes()[records.at()..], b',').unwrap();
            prop_assert_eq!(rest.len() + count, all.len());
        }
    }
}
