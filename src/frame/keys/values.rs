//! Any column: a number for what each distinct value means.
//!
//! The caller says what a value means, once for each entry of a dictionary that a row has, and once for each other
//! value as long as the cache has it. Numbers become text only then.

use super::cache::Cache;
use super::mask::{BLOCK, Mask, and_valid, each_bit};
use super::{DictionaryMemo, NOT_RESOLVED};
use crate::frame::array::{Array, Bits, Code, Data, Numbers, with_codes};
use crate::frame::slice::corrupt;
use crate::{Error, Result, calendar};

/// The value has no meaning: it is an error if its row counts.
pub const BAD: u32 = u32::MAX - 1;

/// The bytes that stand for a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ValueForm {
    /// Text: a whole number.
    #[default]
    Whole,
    /// Text: the date of a day.
    Day,
    /// Text: the date of a day that counts milliseconds.
    Millis,
    /// Four bytes, little-endian.
    Stored32,
    /// Eight bytes, little-endian.
    Stored64,
}

impl ValueForm {
    /// The bytes of a number; `None` for one that the form cannot hold.
    fn bytes(self, number: i128) -> Option<Vec<u8>> {
        let date = |day: i128| {
            let calendar::Date { year, month, day } = calendar::date_of(i32::try_from(day).ok()?);
            Some(format!("{year:04}-{month:02}-{day:02}").into_bytes())
        };
        match self {
            ValueForm::Whole => Some(number.to_string().into_bytes()),
            ValueForm::Day => date(number),
            ValueForm::Millis => date(number.div_euclid(86_400_000)),
            ValueForm::Stored32 => i32::try_from(number).ok().map(|n| n.to_le_bytes().to_vec()),
            ValueForm::Stored64 => i64::try_from(number).ok().map(|n| n.to_le_bytes().to_vec()),
        }
    }
}

/// The number in `row` of a column of integers or decimals; `None` for floats and decimals of 256 bits.
fn integer(numbers: &Numbers, row: usize) -> Result<Option<i128>> {
    macro_rules! widened {
        ($($variant:ident)*) => {
            match numbers {
                $(Numbers::$variant(values) => values.get(row).map(|value| i128::from(*value)),)*
                Numbers::I128(values) => values.get(row).map(|value| i128::from_le_bytes(*value)),
                _ => return Ok(None),
            }
        };
    }
    widened!(I8 I16 I32 I64 U8 U16 U32 U64).map(Some).ok_or_else(corrupt)
}

/// The bytes of the value in `row`; `None` where it is null.
///
/// # Errors
/// `Format` where an id or a string lies outside of the column's memory.
pub fn bytes_of(array: &Array, form: ValueForm, row: usize) -> Result<Option<Vec<u8>>> {
    if !array.is_valid(row) {
        return Ok(None);
    }
    Ok(match &array.data {
        Data::Null | Data::Unknown => None,
        Data::Text(text) => Some(text.get(row)?.to_vec()),
        Data::Bits(bits) => Some(boolean(bits, row).to_vec()),
        Data::Numbers(numbers) => integer(numbers, row)?.and_then(|number| form.bytes(number)),
        Data::Coded(_, dictionary) => {
            let place = array.place(row).filter(|place| *place < dictionary.len).ok_or_else(corrupt)?;
            return bytes_of(dictionary, form, place);
        }
    })
}

fn boolean(bits: &Bits, row: usize) -> &'static [u8] {
    if bits.get(row) { b"true" } else { b"false" }
}

/// What the values of a column mean, as far as they were met.
#[derive(Default)]
pub struct Values {
    memo: DictionaryMemo,
    /// By dictionary entry.
    entries: Vec<u32>,
    cache: Cache,
    null: Option<u32>,
}

impl Values {
    /// Stores in `out` what the values of the rows `wanted` of a block mean; `meaning` is called with a value's
    /// bytes, `None` for null. A number without such bytes is [`BAD`].
    ///
    /// # Errors
    /// Those of `meaning`, and `Format` where an id or a string lies outside of the column's memory.
    #[allow(clippy::indexing_slicing)] // rows of a mask are below BLOCK
    pub fn resolve(
        &mut self,
        array: &Array,
        form: ValueForm,
        start: usize,
        wanted: &Mask,
        out: &mut [u32; BLOCK],
        mut meaning: impl FnMut(Option<&[u8]>) -> Result<u32>,
    ) -> Result<()> {
        let mut valid = *wanted;
        and_valid(array, start, &mut valid);
        if valid != *wanted {
            let null = match self.null {
                Some(null) => null,
                None => *self.null.insert(meaning(None)?),
            };
            let mut nulls = *wanted;
            nulls.iter_mut().zip(&valid).for_each(|(nulls, valid)| *nulls &= !valid);
            each_bit(&nulls, |row| {
                out[row] = null;
                Ok(())
            })?;
        }
        let Values { memo, entries, cache, .. } = self;
        match &array.data {
            Data::Coded(codes, dictionary) => {
                if memo.record(dictionary) {
                    *entries = vec![NOT_RESOLVED; dictionary.len];
                }
                with_codes!(codes, codes => {
                    let codes = codes.rows_from(start);
                    each_bit(&valid, |row| {
                        let place = codes.get(row).map(|code| code.place()).ok_or_else(corrupt)?;
                        let entry = entries.get_mut(place).ok_or_else(corrupt)?;
                        if *entry == NOT_RESOLVED {
                            let bytes = bytes_of(dictionary, form, place)?;
                            *entry = match (&bytes, dictionary.is_valid(place)) {
                                (None, true) => BAD,
                                _ => meaning(bytes.as_deref())?,
                            };
                        }
                        out[row] = *entry;
                        Ok(())
                    })
                })
            }
            Data::Text(text) => each_bit(&valid, |row| {
                out[row] = cache.text(text.get(start + row)?, |bytes| meaning(Some(bytes)))?;
                Ok(())
            }),
            Data::Bits(bits) => each_bit(&valid, |row| {
                let key = u64::from(bits.get(start + row));
                out[row] = cache.key(key, 1, || meaning(Some(boolean(bits, start + row))))?;
                Ok(())
            }),
            Data::Numbers(numbers) => each_bit(&valid, |row| {
                let number = integer(numbers, start + row)?;
                let mut resolve = || match number.and_then(|number| form.bytes(number)) {
                    Some(bytes) => meaning(Some(&bytes)),
                    None => Ok(BAD),
                };
                // Numbers past 64 bits are rare: they are not cached.
                out[row] = match number.and_then(|number| i64::try_from(number).ok()) {
                    Some(small) => cache.key(small.cast_unsigned(), 8, resolve)?,
                    None => resolve()?,
                };
                Ok(())
            }),
            // Null in every row, so no row is valid.
            Data::Null => Ok(()),
            Data::Unknown => Err(Error::internal("a column of a type that the plan has refused")),
        }
    }
}
