//! The header of a text: its delimiter, and the names of its columns.

use super::column::Kind;
use super::records::{Records, Span, Step};
use crate::dataset::column::is_alike;
use crate::{Error, Result};

/// The delimiters that are tried, in this order where nothing else decides.
const DELIMITERS: [(u8, &str); 4] = [(b',', "comma"), (b'\t', "tab"), (b';', "semicolon"), (b'|', "pipe")];
/// Marks a field that is not read.
const UNREAD: usize = usize::MAX;

/// Which columns are read.
pub enum Wanted {
    /// All, as text.
    All,
    /// Some, by name.
    Named {
        /// Those of these names, without regard to case.
        columns: Vec<(String, Kind)>,
        /// Also all others: the checks look for rows that repeat, and for rows that are marked as deleted.
        with_others: bool,
    },
}

impl Wanted {
    fn kind(&self, name: &str) -> Option<Kind> {
        match self {
            Wanted::All => Some(Kind::Text),
            Wanted::Named { columns, with_others } => {
                let named = columns.iter().find(|(column, _)| is_alike(column, name)).map(|(_, kind)| *kind);
                named.or(with_others.then_some(Kind::Bytes))
            }
        }
    }

    /// Whether a column is one that the job reads.
    fn is_named(&self, name: &str) -> bool {
        match self {
            Wanted::All => false,
            Wanted::Named { columns, .. } => columns.iter().any(|(column, _)| is_alike(column, name)),
        }
    }
}

/// The header of a text.
#[derive(Debug, PartialEq, Eq)]
pub struct Header {
    /// The delimiter of all fields.
    pub delimiter: u8,
    /// The names of all columns.
    pub names: Vec<String>,
    /// The columns that are read: field and kind.
    pub columns: Vec<(usize, Kind)>,
    /// By field: its place in `columns`, or a number past them.
    pub slots: Vec<usize>,
    /// Where the first row begins.
    pub end: usize,
    /// Lines before it.
    pub lines: u64,
}

/// The first record of a text.
struct First {
    fields: Vec<Vec<u8>>,
    end: usize,
    lines: u64,
    /// Whether the next record has as many fields, or there is none.
    is_steady: bool,
}

impl Header {
    /// Reads the header of a text that begins with `head`; `is_all` where nothing follows.
    ///
    /// The delimiter is the one that gives most of the wanted names; among equals the one that gives most fields if the
    /// next line has as many.
    ///
    /// # Errors
    /// `Format` for a text without a header, or whose names are no text.
    pub fn read(head: &[u8], is_all: bool, wanted: &Wanted) -> Result<Self> {
        let mut best: Option<((usize, usize), u8, First)> = None;
        let mut fault = None;
        for (delimiter, _) in DELIMITERS {
            let first = match first_record(head, is_all, delimiter) {
                Ok(Some(first)) => first,
                Ok(None) => return Err(no_header("the file has no line with text")),
                Err(error) => {
                    fault.get_or_insert(error);
                    continue;
                }
            };
            let text = |field: &Vec<u8>| String::from_utf8_lossy(field).into_owned();
            let known = first.fields.iter().filter(|field| wanted.is_named(&text(field))).count();
            let fields = if first.is_steady { first.fields.len() } else { 1 };
            if best.as_ref().is_none_or(|(score, ..)| (known, fields) > *score) {
                best = Some(((known, fields), delimiter, first));
            }
        }
        let Some(((known, _), delimiter, first)) = best else {
            return Err(fault.unwrap_or_else(|| no_header("the file has no header")));
        };
        let line = first.lines;
        let at_line = |error: Error| error.at_line(line);
        if known == 0 && first.fields.len() == 1 {
            let shown: String = String::from_utf8_lossy(first.fields.first().map_or(&[][..], |f| f))
                .chars()
                .take(60)
                .collect();
            let tried: Vec<&str> = DELIMITERS.iter().map(|(_, name)| *name).collect();
            return Err(at_line(no_header(&format!("the first line '{shown}' is one field")).expected(
                format!("the names of the columns with a delimiter between them; tried {}", tried.join(", ")),
            )));
        }
        let mut names = Vec::with_capacity(first.fields.len());
        for field in first.fields {
            let bad = match String::from_utf8(field) {
                Ok(name) if !name.contains('\0') => {
                    names.push(name);
                    continue;
                }
                Ok(_) => "a column name has a zero byte",
                Err(_) => "a column name is not UTF-8",
            };
            return Err(at_line(not_utf8(bad)));
        }
        if names.iter().any(|name| name.contains('\r') && !name.contains('\n')) {
            return Err(
                no_header("lines end with a carriage return alone").expected("a line feed at their end")
            );
        }
        let columns: Vec<(usize, Kind)> =
            names.iter().enumerate().filter_map(|(at, name)| Some((at, wanted.kind(name)?))).collect();
        let mut slots = vec![UNREAD; names.len()];
        for (slot, (field, _)) in columns.iter().enumerate() {
            if let Some(to) = slots.get_mut(*field) {
                *to = slot;
            }
        }
        Ok(Header { delimiter, names, columns, slots, end: first.end, lines: first.lines })
    }

    /// The name of a column that is read.
    pub fn name(&self, slot: usize) -> &str {
        let field = self.columns.get(slot).map_or(usize::MAX, |(field, _)| *field);
        self.names.get(field).map_or("", |name| name)
    }
}

fn no_header(found: &str) -> Error {
    Error::format(found).expected("a header: the names of the columns in the first line")
}

/// The error for text that is in another encoding.
pub fn not_utf8(found: &str) -> Error {
    Error::format(found)
        .expected("text in UTF-8, or in UTF-16 with a byte order mark")
        .advice("Export it as UTF-8, or convert it: iconv -f ENCODING -t UTF-8")
}

/// The first record; `None` where there is none.
fn first_record(head: &[u8], is_all: bool, delimiter: u8) -> Result<Option<First>> {
    // A first pass counts the fields.
    let mut records = Records::new(head, delimiter, is_all);
    let fault =
        |fault, records: &Records<'_>| super::pieces::fault_error(fault).at_line(records.record_line() + 1);
    let fields = match records.read(&[], &mut []).map_err(|f| fault(f, &records))? {
        Step::Record(fields) => fields,
        Step::End => return Ok(None),
        Step::Incomplete => return Err(no_header("the first line is longer than 8 MiB")),
    };
    let slots: Vec<usize> = (0..fields).collect();
    let mut spans = vec![Span::default(); fields];
    let mut records = Records::new(head, delimiter, is_all);
    records.read(&slots, &mut spans).map_err(|f| fault(f, &records))?;
    let mut scratch = Vec::new();
    let fields: Vec<Vec<u8>> = spans.iter().map(|span| records.field(*span, &mut scratch).to_vec()).collect();
    let (end, lines) = (records.at(), records.line());
    let is_steady = match records.read(&[], &mut []) {
        Ok(Step::Record(next)) => next == fields.len(),
        Ok(_) => true,
        Err(_) => false,
    };
    Ok(Some(First { fields, end, lines, is_steady }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str, wanted: &[&str]) -> Result<Header> {
        let columns = wanted.iter().map(|name| ((*name).to_owned(), Kind::Text)).collect();
        Header::read(text.as_bytes(), true, &Wanted::Named { columns, with_others: false })
    }

    #[test]
    fn the_delimiter_is_the_one_that_gives_the_wanted_names() {
        for (text, delimiter) in [
            ("day,country\n1,2\n", b','),
            ("day;country;a,b,c,d\n1;2;3\n", b';'),
            ("day\tcountry\n", b'\t'),
            ("\n\nDAY|Country\n", b'|'),
            ("\"day\";\"country\"\n", b';'),
        ] {
            let header = read(text, &["day", "country"]).unwrap();
            assert_eq!((header.delimiter, header.columns.len()), (delimiter, 2), "{text:?}");
        }
        // Without any wanted name, by the number of fields.
        assert_eq!(read("a;b;c\n1,5;2;3\n", &["x"]).unwrap().delimiter, b';');
    }

    #[test]
    fn a_text_without_a_header_is_an_error() {
        for (text, word) in [
            ("", "no line"),
            ("\r\n\n", "no line"),
            ("only\n1\n", "tried comma, tab, semicolon, pipe"),
            ("a,b\rc,d\r", "carriage return"),
        ] {
            let error = read(text, &["x"]).unwrap_err().to_string();
            assert!(error.contains(word), "{text:?}: {error}");
        }
        let error = Header::read(b"d\xe9,b\n", true, &Wanted::All).unwrap_err().to_string();
        assert!(error.contains("UTF-8") && error.contains("iconv"), "{error}");
    }
}
