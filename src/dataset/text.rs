//! Stored values as text, as conditions and members are compared.

use std::borrow::Cow;

use crate::calendar;
use crate::parquet::{Leaf, Logical, Physical};
use crate::{Error, Result};

/// How a stored value becomes text: true and false, whole numbers, dates `yyyy-mm-dd`, strings as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TextForm {
    /// Its bytes are the text.
    #[default]
    Text,
    /// One byte: false or true.
    Boolean,
    /// A signed integer.
    Integer,
    /// An integer without a sign.
    Unsigned,
    /// A day.
    Date,
}

impl TextForm {
    /// The form of a column.
    ///
    /// # Errors
    /// `Data` for a type that is not compared as text.
    pub fn of(leaf: &Leaf) -> Result<Self> {
        match (leaf.physical, leaf.logical) {
            // Columns of nulls only have any physical type.
            (_, Logical::Null) => Ok(TextForm::Text),
            (Physical::ByteArray, Logical::None | Logical::String | Logical::Enum | Logical::Json) => {
                Ok(TextForm::Text)
            }
            (Physical::Boolean, _) => Ok(TextForm::Boolean),
            (Physical::Int32, Logical::Date) => Ok(TextForm::Date),
            (Physical::Int32 | Physical::Int64, Logical::Integer { signed: false, .. }) => {
                Ok(TextForm::Unsigned)
            }
            (Physical::Int32 | Physical::Int64, Logical::None | Logical::Integer { .. }) => {
                Ok(TextForm::Integer)
            }
            (Physical::Int32 | Physical::Int64, Logical::Decimal { scale: 0, .. }) => Ok(TextForm::Integer),
            (physical, logical) => Err(Error::data(format!("the values are {physical:?} ({logical:?})"))
                .expected("strings, whole numbers, dates, or true and false")),
        }
    }

    /// A stored value as text.
    pub fn text(self, raw: &[u8]) -> Cow<'_, [u8]> {
        let number = || match *raw {
            [a, b, c, d] => Some(i64::from(i32::from_le_bytes([a, b, c, d]))),
            _ => raw.first_chunk().map(|bytes| i64::from_le_bytes(*bytes)),
        };
        let unsigned = || match *raw {
            [a, b, c, d] => Some(u64::from(u32::from_le_bytes([a, b, c, d]))),
            _ => raw.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)),
        };
        let text = match self {
            TextForm::Text => return Cow::Borrowed(raw),
            TextForm::Boolean => return Cow::Borrowed(if raw == [1] { b"true" } else { b"false" }),
            TextForm::Integer => number().map(|n| n.to_string()),
            TextForm::Unsigned => unsigned().map(|n| n.to_string()),
            TextForm::Date => number().and_then(|day| i32::try_from(day).ok()).map(|day| {
                let calendar::Date { year, month, day } = calendar::date_of(day);
                format!("{year:04}-{month:02}-{day:02}")
            }),
        };
        Cow::Owned(text.unwrap_or_default().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_as_text() {
        assert_eq!(&*TextForm::Integer.text(&(-7i32).to_le_bytes()), b"-7");
        assert_eq!(&*TextForm::Integer.text(&(1i64 << 40).to_le_bytes()), b"1099511627776");
        assert_eq!(&*TextForm::Unsigned.text(&u32::MAX.to_le_bytes()), b"4294967295");
        assert_eq!(&*TextForm::Boolean.text(&[1]), b"true");
        assert_eq!(&*TextForm::Date.text(&18_628i32.to_le_bytes()), b"2021-01-01");
        assert_eq!(&*TextForm::Text.text(b"x"), b"x");
    }
}
