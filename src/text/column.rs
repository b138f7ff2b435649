//! Encodes the fields of a column as a parquet column chunk: ids into a dictionary, or the values themselves where
//! nearly every one is distinct.

use super::block::Block;
use super::dictionary::{Dictionary, Key, Missing};
use crate::parquet::Physical;
use crate::parquet::encode::{definition_levels, hybrid_rle, id_width, no_nulls};
use crate::parquet::write::{Values, data_page, dictionary_page};

/// Rows of a page.
const PAGE_ROWS: usize = 1 << 15;
/// Bytes of a page of values.
const PAGE_BYTES: usize = 1 << 20;
/// Values and bytes of a dictionary. Beyond, values are stored as they are from the next page on. So a dictionary has
/// at most 2^16 values, up to which the scan has fast paths.
const DICTIONARY_VALUES: usize = 1 << 15;
const DICTIONARY_BYTES: usize = 4 << 20;
/// Doubles hold all whole numbers up to here.
const EXACT: i64 = 1 << 53;
/// Stands for null among ids.
const NULL: u32 = u32::MAX;

/// What the fields of a column are read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Text in UTF-8.
    Text,
    /// Bytes as they are, of columns that are only compared.
    Bytes,
    /// Whole numbers of 64 bits.
    Integer,
    /// Numbers, as doubles.
    Number,
}

impl Kind {
    /// How the values are stored.
    pub fn physical(self) -> Physical {
        match self {
            Kind::Text | Kind::Bytes => Physical::ByteArray,
            Kind::Integer => Physical::Int64,
            Kind::Number => Physical::Double,
        }
    }
}

/// Why a field cannot be read as its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    /// It is not UTF-8.
    Encoding,
    /// It has a zero byte.
    Zero,
    /// It is no whole number.
    NotWhole,
    /// It is no number.
    NotNumber,
    /// It is a whole number that doubles do not hold exactly.
    TooLarge,
}

/// A column chunk under construction.
pub struct ChunkWriter {
    kind: Kind,
    dictionary: Dictionary,
    /// The dictionary's values as stored; of text, the dictionary has them.
    numbers: Vec<u8>,
    /// The last value that was found, and its id.
    last: (Key, u32),
    /// Whether values are stored as they are from here on.
    is_plain: bool,
    /// Of the open page: ids, or 0 for a value that is stored as it is; nulls; such values.
    ids: Vec<u32>,
    nulls: usize,
    values: Vec<u8>,
    /// The data pages so far.
    pages: Vec<u8>,
    has_ids: bool,
}

impl ChunkWriter {
    /// Without rows. `is_plain`: not even the first values are worth a dictionary.
    pub fn new(kind: Kind, is_plain: bool) -> Self {
        ChunkWriter {
            kind,
            dictionary: Dictionary::default(),
            numbers: Vec::new(),
            // No key has this id.
            last: (Key::of(&[0; 17]), NULL),
            is_plain,
            ids: Vec::with_capacity(PAGE_ROWS),
            nulls: 0,
            values: Vec::new(),
            pages: Vec::new(),
            has_ids: false,
        }
    }

    /// Whether values are stored as they are.
    pub fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Appends a row. An empty field is null.
    ///
    /// # Errors
    /// See [`Bad`].
    #[inline]
    pub fn push(&mut self, field: &[u8]) -> Result<(), Bad> {
        if field.is_empty() {
            self.ids.push(NULL);
            self.nulls += 1;
        } else if self.is_plain {
            self.push_plain(field)?;
        } else {
            let key = Key::of(field);
            if key == self.last.0 && key.is_whole() {
                self.ids.push(self.last.1);
            } else {
                let id = match self.dictionary.find(key, field) {
                    Ok(id) => id,
                    Err(missing) => self.add(missing, key, field)?,
                };
                self.last = (key, id);
                self.ids.push(id);
            }
        }
        if self.ids.len() >= PAGE_ROWS || self.values.len() >= PAGE_BYTES {
            self.end_page();
        }
        Ok(())
    }

    /// Appends a field of the first `most` records of a block, which has at most [`PAGE_ROWS`].
    ///
    /// # Errors
    /// The first one, with the number of its record in the block; see [`Bad`].
    pub fn push_block(&mut self, block: &Block<'_>, field: usize, most: usize) -> Result<(), (usize, Bad)> {
        let text = block.text();
        let fields = block.column(field).take(most).enumerate();
        if self.is_plain {
            for (record, (start, end)) in fields {
                self.push(text.get(start..end).unwrap_or_default()).map_err(|bad| (record, bad))?;
            }
            return Ok(());
        }
        // A page, and with it the dictionary, has no more rows than its bound.
        if self.ids.len() + block.records() > PAGE_ROWS {
            self.end_page();
            if self.is_plain {
                return self.push_block(block, field, most);
            }
        }
        let mut last = self.last;
        for (record, (start, end)) in fields {
            if start == end {
                self.ids.push(NULL);
                self.nulls += 1;
                continue;
            }
            let key = Key::at(text, start, end);
            if key != last.0 || !key.is_whole() {
                let value = text.get(start..end).unwrap_or_default();
                let id = match self.dictionary.find(key, value) {
                    Ok(id) => id,
                    Err(missing) => self.add(missing, key, value).map_err(|bad| (record, bad))?,
                };
                last = (key, id);
            }
            self.ids.push(last.1);
        }
        self.last = last;
        if self.ids.len() >= PAGE_ROWS {
            self.end_page();
        }
        Ok(())
    }

    #[cold]
    fn add(&mut self, missing: Missing, key: Key, field: &[u8]) -> Result<u32, Bad> {
        store(self.kind, field, None, &mut self.numbers)?;
        Ok(self.dictionary.add(missing, key, field))
    }

    fn push_plain(&mut self, field: &[u8]) -> Result<(), Bad> {
        let len = u32::try_from(field.len()).unwrap_or(u32::MAX);
        store(self.kind, field, Some(len), &mut self.values)?;
        self.ids.push(0);
        Ok(())
    }

    fn end_page(&mut self) {
        let rows = self.ids.len();
        if rows == 0 {
            return;
        }
        let mut body = if self.nulls == 0 {
            no_nulls(rows)
        } else {
            let levels: Vec<u32> = self.ids.iter().map(|id| u32::from(*id != NULL)).collect();
            definition_levels(&levels, self.nulls)
        };
        let encoding = if self.is_plain {
            body.append(&mut self.values);
            Values::Plain
        } else {
            if self.nulls > 0 {
                self.ids.retain(|id| *id != NULL);
            }
            let width = id_width(self.dictionary.count());
            body.push(width);
            hybrid_rle(&self.ids, width, &mut body);
            self.has_ids = true;
            Values::Ids
        };
        self.pages.extend_from_slice(&data_page(rows, body.len(), encoding));
        self.pages.extend_from_slice(&body);
        self.ids.clear();
        self.nulls = 0;
        self.is_plain |=
            self.dictionary.count() > DICTIONARY_VALUES || self.dictionary.bytes() > DICTIONARY_BYTES;
    }

    /// Ends the chunk: appends its pages to `out`, the dictionary first; returns the length of the dictionary's page.
    pub fn finish(mut self, out: &mut Vec<u8>) -> u64 {
        self.end_page();
        let start = out.len();
        if self.has_ids {
            if self.kind.physical() == Physical::ByteArray {
                for value in self.dictionary.values() {
                    let len = u32::try_from(value.len()).unwrap_or(u32::MAX);
                    self.numbers.extend_from_slice(&len.to_le_bytes());
                    self.numbers.extend_from_slice(value);
                }
            }
            out.extend_from_slice(&dictionary_page(self.dictionary.count(), self.numbers.len()));
            out.append(&mut self.numbers);
        }
        let dictionary_bytes = out.len() - start;
        out.append(&mut self.pages);
        dictionary_bytes as u64
    }
}

/// Appends a value as stored. Text is stored with its length, or, without one, checked only.
fn store(kind: Kind, field: &[u8], len: Option<u32>, out: &mut Vec<u8>) -> Result<(), Bad> {
    match kind {
        Kind::Text | Kind::Bytes => {
            if kind == Kind::Text && std::str::from_utf8(field).is_err() {
                return Err(Bad::Encoding);
            }
            if kind == Kind::Text && memchr::memchr(0, field).is_some() {
                return Err(Bad::Zero);
            }
            if let Some(len) = len {
                out.extend_from_slice(&len.to_le_bytes());
                out.extend_from_slice(field);
            }
        }
        Kind::Integer => {
            let number = trimmed(field).and_then(|text| text.parse::<i64>().ok()).ok_or(Bad::NotWhole)?;
            out.extend_from_slice(&number.to_le_bytes());
        }
        Kind::Number => {
            let text = trimmed(field).ok_or(Bad::NotNumber)?;
            let number = text.parse::<f64>().map_err(|_| Bad::NotNumber)?;
            // Fewer digits are smaller.
            if text.len() > 15 && is_whole(text) {
                let whole = text.parse::<i64>().map_err(|_| Bad::TooLarge)?;
                if !(-EXACT..=EXACT).contains(&whole) {
                    return Err(Bad::TooLarge);
                }
            }
            out.extend_from_slice(&number.to_le_bytes());
        }
    }
    Ok(())
}

/// Whether a number has digits alone, and a sign.
fn is_whole(text: &str) -> bool {
    text.trim_start_matches(['+', '-']).bytes().all(|byte| byte.is_ascii_digit())
}

/// A number without the blanks around it.
fn trimmed(field: &[u8]) -> Option<&str> {
    std::str::from_utf8(field.trim_ascii()).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn stored(kind: Kind, field: &str) -> Result<Vec<u8>, Bad> {
        let mut out = Vec::new();
        store(kind, field.as_bytes(), Some(0), &mut out).map(|()| out)
    }

    #[test]
    fn numbers_as_text() {
        let number = |field| stored(Kind::Number, field).map(|b| f64::from_le_bytes(b.try_into().unwrap()));
        for (field, want) in
            [("64", 64.0), (" 64 ", 64.0), ("-1", -1.0), ("1.5e3", 1500.0), ("+7", 7.0), (".5", 0.5)]
        {
            assert_eq!(number(field), Ok(want), "{field}");
        }
        assert!(number("NaN").unwrap().is_nan());
        assert_eq!(number("-9007199254740992"), Ok(-9_007_199_254_740_992.0));
        assert_eq!(number("9007199254740993"), Err(Bad::TooLarge));
        for field in ["1,234", "1 234", "12%", "0x10", "n/a", "NULL", "-", "1.234,5"] {
            assert_eq!(number(field), Err(Bad::NotNumber), "{field}");
        }
        assert_eq!(stored(Kind::Integer, "1700000000000").unwrap(), 1_700_000_000_000i64.to_le_bytes());
        assert_eq!(stored(Kind::Integer, "1.5"), Err(Bad::NotWhole));
    }

    #[test]
    fn text_is_utf_8_without_zero_bytes() {
        let check = |field: &[u8]| store(Kind::Text, field, None, &mut Vec::new());
        assert_eq!(check("café".as_bytes()), Ok(()));
        assert_eq!(check(b"caf\xe9"), Err(Bad::Encoding));
        assert_eq!(check(b"a\0b"), Err(Bad::Zero));
    }
}
