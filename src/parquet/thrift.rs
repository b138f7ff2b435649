//! Thrift's compact protocol: a reader of what parquet uses.
//!
//! Nothing is allocated here. Binary values are slices of the input. The element
//! count of a list is compared with the bytes left before it is returned: every
//! element takes at least one byte.

use crate::Error;

/// Type ids of the compact protocol (thrift-compact-protocol.md, "Struct encoding").
pub mod kind {
    /// A boolean field that is true.
    pub const TRUE: u8 = 1;
    /// A boolean field that is false.
    pub const FALSE: u8 = 2;
    /// One byte.
    pub const BYTE: u8 = 3;
    /// 16-bit zigzag varint.
    pub const I16: u8 = 4;
    /// 32-bit zigzag varint.
    pub const I32: u8 = 5;
    /// 64-bit zigzag varint.
    pub const I64: u8 = 6;
    /// Eight bytes.
    pub const DOUBLE: u8 = 7;
    /// Length and bytes.
    pub const BINARY: u8 = 8;
    /// List.
    pub const LIST: u8 = 9;
    /// Set, laid out as a list.
    pub const SET: u8 = 10;
    /// Map.
    pub const MAP: u8 = 11;
    /// Struct.
    pub const STRUCT: u8 = 12;
}

/// How deeply skipped values may be nested.
const MAX_DEPTH: u32 = 64;

/// Why reading stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The bytes end inside a value: more bytes may help.
    Ended,
    /// No more bytes will help.
    Bad(&'static str),
}

impl Fault {
    /// The error for `what`, of which there are no more bytes.
    pub fn into_error(self, what: &str) -> Error {
        let reason = match self {
            Fault::Ended => "ends early",
            Fault::Bad(reason) => reason,
        };
        Error::format(format!("damaged {what}: {reason}")).advice("The file is damaged; export it again")
    }
}

/// The result of reading one value.
pub type Read<T> = std::result::Result<T, Fault>;

/// A field's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its id in the struct.
    pub id: i16,
    /// Its type, one of [`kind`].
    pub kind: u8,
}

/// A position in compact-protocol bytes.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0 }
    }

    /// Bytes consumed so far.
    pub fn position(&self) -> usize {
        self.at
    }

    fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    fn take(&mut self, len: usize) -> Read<&'a [u8]> {
        let end = self.at.checked_add(len).ok_or(Fault::Ended)?;
        let slice = self.bytes.get(self.at..end).ok_or(Fault::Ended)?;
        self.at = end;
        Ok(slice)
    }

    /// One byte.
    pub fn byte(&mut self) -> Read<u8> {
        let byte = *self.bytes.get(self.at).ok_or(Fault::Ended)?;
        self.at += 1;
        Ok(byte)
    }

    /// An unsigned varint.
    pub fn varint(&mut self) -> Read<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Fault::Bad("a varint is longer than 64 bits"))
    }

    /// A 64-bit integer.
    pub fn i64(&mut self) -> Read<i64> {
        self.varint().map(zigzag)
    }

    /// A 32-bit integer.
    pub fn i32(&mut self) -> Read<i32> {
        i32::try_from(self.i64()?).map_err(|_| Fault::Bad("an integer is longer than 32 bits"))
    }

    /// Binary or string bytes.
    pub fn binary(&mut self) -> Read<&'a [u8]> {
        let len = self.varint()?;
        self.take(usize::try_from(len).map_err(|_| Fault::Bad("a length is longer than the memory"))?)
    }

    /// A string.
    pub fn string(&mut self) -> Read<&'a str> {
        std::str::from_utf8(self.binary()?).map_err(|_| Fault::Bad("a string is not UTF-8"))
    }

    /// The header of the next field; `None` at the end of the struct. `last` is the
    /// id of the previous field, 0 for the first.
    pub fn field(&mut self, last: &mut i16) -> Read<Option<Field>> {
        let header = self.byte()?;
        if header == 0 {
            return Ok(None);
        }
        let (delta, kind) = (header >> 4, header & 0x0f);
        let id = if delta == 0 {
            i16::try_from(self.i64()?).map_err(|_| Fault::Bad("a field id is longer than 16 bits"))?
        } else {
            last.checked_add(i16::from(delta)).ok_or(Fault::Bad("a field id is longer than 16 bits"))?
        };
        *last = id;
        Ok(Some(Field { id, kind }))
    }

    /// A list's element count and element type.
    pub fn list(&mut self) -> Read<(usize, u8)> {
        let header = self.byte()?;
        let (short, kind) = (header >> 4, header & 0x0f);
        let count = if short == 15 { self.varint()? } else { u64::from(short) };
        let count = usize::try_from(count).map_err(|_| Fault::Bad("a list is longer than the memory"))?;
        if count > self.left() {
            return Err(Fault::Ended);
        }
        Ok((count, kind))
    }

    /// The count of a list of `expected` elements.
    pub fn list_of(&mut self, expected: u8) -> Read<usize> {
        match self.list()? {
            (count, kind) if count == 0 || kind == expected => Ok(count),
            _ => Err(Fault::Bad("a list's elements have another type")),
        }
    }

    /// Skips a value of type `kind`.
    pub fn skip(&mut self, kind: u8) -> Read<()> {
        self.skip_nested(kind, MAX_DEPTH)
    }

    fn skip_nested(&mut self, kind: u8, depth: u32) -> Read<()> {
        let depth = depth.checked_sub(1).ok_or(Fault::Bad("values are nested too deeply"))?;
        match kind {
            kind::TRUE | kind::FALSE => {}
            kind::BYTE => drop(self.byte()?),
            kind::I16 | kind::I32 | kind::I64 => drop(self.varint()?),
            kind::DOUBLE => drop(self.take(8)?),
            kind::BINARY => drop(self.binary()?),
            kind::LIST | kind::SET => {
                let (count, kind) = self.list()?;
                for _ in 0..count {
                    self.skip_element(kind, depth)?;
                }
            }
            kind::MAP => {
                let count = self.varint()?;
                if count > 0 {
                    let kinds = self.byte()?;
                    for _ in 0..count {
                        self.skip_element(kinds >> 4, depth)?;
                        self.skip_element(kinds & 0x0f, depth)?;
                    }
                }
            }
            kind::STRUCT => {
                let mut last = 0;
                while let Some(field) = self.field(&mut last)? {
                    self.skip_nested(field.kind, depth)?;
                }
            }
            _ => return Err(Fault::Bad("a value has an unknown type")),
        }
        Ok(())
    }

    /// Skips an element. A boolean element takes a byte, unlike a boolean field; so every
    /// element consumes bytes, and a hostile count cannot keep the loop busy.
    fn skip_element(&mut self, kind: u8, depth: u32) -> Read<()> {
        match kind {
            kind::TRUE | kind::FALSE => self.byte().map(drop),
            _ => self.skip_nested(kind, depth),
        }
    }
}

/// Decodes zigzag: 0, 1, 2, 3 stand for 0, -1, 1, -2.
pub fn zigzag(value: u64) -> i64 {
    // Lossless: after the shift the top bit is free.
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn varints() {
        assert_eq!(Reader::new(&[0x96, 0x01]).varint(), Ok(150));
        let max = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(Reader::new(&max).varint(), Ok(u64::MAX));
        assert_eq!(Reader::new(&max).i64(), Ok(i64::MIN));
        assert!(matches!(Reader::new(&[0xff; 10]).varint(), Err(Fault::Bad(_))));
        assert!(matches!(Reader::new(&[0x80; 11]).varint(), Err(Fault::Bad(_))));
        assert_eq!(Reader::new(&[0x80]).varint(), Err(Fault::Ended));
        assert_eq!(Reader::new(&[3]).i32(), Ok(-2));
        assert!(matches!(Reader::new(&max).i32(), Err(Fault::Bad(_))));
    }

    #[test]
    fn counts_beyond_the_bytes_are_refused() {
        // A list of 2^31 structs in six bytes.
        let bytes = [0xfc, 0x80, 0x80, 0x80, 0x80, 0x08];
        assert_eq!(Reader::new(&bytes).list(), Err(Fault::Ended));
        // A map of 2^62 booleans ends when the bytes do.
        let map = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f, 0x11, 1, 1];
        assert_eq!(Reader::new(&map).skip(kind::MAP), Err(Fault::Ended));
    }

    #[test]
    fn nesting_is_limited() {
        let mut bytes = vec![0x1c; 100_000];
        assert!(matches!(Reader::new(&bytes).skip(kind::STRUCT), Err(Fault::Bad(_))));
        bytes = vec![0x1c; 20];
        bytes.extend([0; 21]);
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.skip(kind::STRUCT), Ok(()));
        assert_eq!(reader.position(), bytes.len());
    }

    proptest! {
        #[test]
        fn any_bytes_are_skipped_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0u8..16) {
            let mut reader = Reader::new(&bytes);
            let _ = reader.skip(kind);
            prop_assert!(reader.position() <= bytes.len());
        }

        #[test]
        fn zigzag_is_undone(value: i64) {
            let coded = ((value << 1) ^ (value >> 63)).cast_unsigned();
            prop_assert_eq!(zigzag(coded), value);
        }
    }
}
