//! BYTE_ARRAY, FIXED_LEN_BYTE_ARRAY and INT96 in their encodings without a
//! dictionary, and the values of a dictionary page.

use super::delta::Delta;
use crate::parquet::{Encoding, Physical};
use crate::{Error, Result};

/// Bytes of an INT96.
const INT96_LEN: usize = 12;

/// Calls `each` with the `count` values of `physical` type that `bytes` hold; `type_length` is that of the schema, for
/// fixed lengths.
///
/// # Errors
/// `Unsupported` for other types and encodings, `Format` when the bytes are not that many values, and the errors of
/// `each`.
pub fn visit(
    encoding: Encoding,
    bytes: &[u8],
    physical: Physical,
    type_length: i32,
    count: u32,
    mut each: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let fixed = match physical {
        Physical::ByteArray => None,
        Physical::Int96 => Some(INT96_LEN),
        Physical::FixedLenByteArray => Some(
            usize::try_from(type_length)
                .ok()
                .filter(|&len| len > 0)
                .ok_or_else(|| Error::format(format!("a fixed length of {type_length}")))?,
        ),
        _ => return Err(super::unsupported(encoding, physical)),
    };
    match (encoding, fixed) {
        // A length of 4 bytes before each value.
        (Encoding::Plain, None) => {
            let mut bytes = bytes;
            for _ in 0..count {
                let (len, rest) = bytes.split_first_chunk::<4>().ok_or_else(ends_early)?;
                bytes = rest;
                each(cut(&mut bytes, u32::from_le_bytes(*len) as usize)?)?;
            }
            Ok(())
        }
        (Encoding::Plain, Some(len)) => {
            let all = len.checked_mul(count as usize).and_then(|wanted| bytes.get(..wanted));
            all.ok_or_else(|| super::short(bytes.len(), count))?.chunks(len).try_for_each(each)
        }
        // All lengths, then all bytes: Encodings.md, "Delta-length byte array".
        (Encoding::DeltaLengthByteArray, None) => {
            let (mut lengths, mut bytes) = Lengths::open(bytes, count)?;
            for _ in 0..count {
                each(cut(&mut bytes, lengths.next()?)?)?;
            }
            Ok(())
        }
        // Lengths of the prefixes that are shared with the previous value, lengths of the suffixes, then all suffixes:
        // Encodings.md, "Delta Strings".
        (Encoding::DeltaByteArray, fixed) if physical != Physical::Int96 => {
            let (mut prefixes, bytes) = Lengths::open(bytes, count)?;
            let (mut suffixes, mut bytes) = Lengths::open(bytes, count)?;
            let mut value = Vec::new();
            for _ in 0..count {
                let prefix = prefixes.next()?;
                if prefix > value.len() {
                    return Err(damaged(format!("a prefix of {prefix} bytes of a value of {}", value.len())));
                }
                value.truncate(prefix);
                value.extend_from_slice(cut(&mut bytes, suffixes.next()?)?);
                if let Some(len) = fixed
                    && value.len() != len
                {
                    return Err(damaged(format!("a value of {} bytes", value.len()))
                        .expected(format!("{len}, the column's fixed length")));
                }
                each(&value)?;
            }
            Ok(())
        }
        // The first bytes of all values, then the second bytes, and so on.
        (Encoding::ByteStreamSplit, Some(len)) if physical != Physical::Int96 => {
            let count = count as usize;
            if len.checked_mul(count) != Some(bytes.len()) {
                return Err(Error::format(format!("{} bytes", bytes.len()))
                    .expected(format!("{count} values of {len} bytes")));
            }
            let mut value = Vec::new();
            for at in 0..count {
                value.clear();
                value.extend(bytes.iter().skip(at).step_by(count));
                each(&value)?;
            }
            Ok(())
        }
        _ => Err(super::unsupported(encoding, physical)),
    }
}

/// Cuts a value of `len` bytes off the start of `bytes`.
#[inline]
fn cut<'a>(bytes: &mut &'a [u8], len: usize) -> Result<&'a [u8]> {
    let (value, rest) = bytes.split_at_checked(len).ok_or_else(ends_early)?;
    *bytes = rest;
    Ok(value)
}

#[cold]
fn ends_early() -> Error {
    damaged("a byte array that reaches past the end of its page".to_owned())
}

#[cold]
fn damaged(found: String) -> Error {
    Error::format(found).advice("The page is damaged; export the file again")
}

/// Delta-encoded lengths, unpacked a block at a time.
#[derive(Debug, Clone)]
struct Lengths<'a> {
    delta: Delta<'a>,
    ahead: [u64; 64],
    at: usize,
    end: usize,
}

impl<'a> Lengths<'a> {
    /// The lengths, and the bytes after them.
    fn open(bytes: &'a [u8], count: u32) -> Result<(Self, &'a [u8])> {
        // A page without values may omit the stream.
        let delta = super::delta(bytes, count)?;
        let rest = if bytes.is_empty() { bytes } else { delta.clone().rest()? };
        Ok((Lengths { delta, ahead: [0; 64], at: 0, end: 0 }, rest))
    }

    /// The next length.
    #[allow(clippy::indexing_slicing)] // `end` is at most the length of the block
    fn next(&mut self) -> Result<usize> {
        if self.at == self.end {
            self.at = 0;
            self.end = self.ahead.len().min(self.delta.remaining() as usize);
            self.delta.fill(&mut self.ahead[..self.end])?;
        }
        let past_end = || Error::internal("a read past the lengths of a page");
        let len = *self.ahead[..self.end].get(self.at).ok_or_else(past_end)?;
        self.at += 1;
        // Lengths are 32-bit integers whose sums wrap at that width (Encodings.md, "Delta Encoding");
        // pyarrow 12 and 13 write differences that do.
        #[allow(clippy::cast_possible_truncation)] // the low half is the length
        let len = usize::try_from((len as u32).cast_signed()).ok();
        len.ok_or_else(|| damaged("a byte array of a negative length".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use proptest::prelude::*;

    const CASES: [(Encoding, Physical); 8] = [
        (Encoding::Plain, Physical::ByteArray),
        (Encoding::Plain, Physical::FixedLenByteArray),
        (Encoding::Plain, Physical::Int96),
        (Encoding::DeltaLengthByteArray, Physical::ByteArray),
        (Encoding::DeltaByteArray, Physical::ByteArray),
        (Encoding::DeltaByteArray, Physical::FixedLenByteArray),
        (Encoding::ByteStreamSplit, Physical::FixedLenByteArray),
        (Encoding::Plain, Physical::Boolean),
    ];

    fn all(
        encoding: Encoding,
        bytes: &[u8],
        physical: Physical,
        len: i32,
        count: u32,
    ) -> Result<Vec<Vec<u8>>> {
        let mut out = vec![];
        visit(encoding, bytes, physical, len, count, |value| {
            out.push(value.to_vec());
            Ok(())
        })?;
        Ok(out)
    }

    #[test]
    fn plain() {
        let bytes = [1, 0, 0, 0, b'a', 0, 0, 0, 0, 2, 0, 0, 0, b'b', b'c'];
        let read = |bytes, count| all(Encoding::Plain, bytes, Physical::ByteArray, 0, count);
        assert_eq!(read(&bytes, 3).unwrap(), [b"a".as_slice(), b"", b"bc"]);
        assert!(read(&bytes, 4).is_err());
        assert!(read(&bytes[..14], 3).is_err());
        assert!(read(&[255, 255, 255, 255], 1).is_err());
    }

    #[test]
    fn fixed_lengths() {
        let read = |encoding, len, count| all(encoding, b"abcdef", Physical::FixedLenByteArray, len, count);
        assert_eq!(read(Encoding::Plain, 3, 2).unwrap(), [b"abc", b"def"]);
        assert_eq!(read(Encoding::ByteStreamSplit, 3, 2).unwrap(), [b"ace", b"bdf"]);
        assert!(read(Encoding::Plain, 3, 3).is_err());
        assert!(read(Encoding::ByteStreamSplit, 3, 1).is_err());
        assert!(read(Encoding::Plain, i32::MAX, u32::MAX).is_err());
        assert!(read(Encoding::Plain, 0, 1).is_err());
        assert!(read(Encoding::Plain, -1, 1).is_err());
    }

    #[test]
    fn negative_lengths_and_long_prefixes() {
        // One value of length -1.
        let bytes = [0x80, 1, 4, 1, 1, b'a'];
        assert!(all(Encoding::DeltaLengthByteArray, &bytes, Physical::ByteArray, 0, 1).is_err());
        // A first value with a prefix of one byte.
        let bytes = [0x80, 1, 4, 1, 2, 0x80, 1, 4, 1, 2, b'a'];
        assert!(all(Encoding::DeltaByteArray, &bytes, Physical::ByteArray, 0, 1).is_err());
        let bytes = [0x80, 1, 4, 1, 0, 0x80, 1, 4, 1, 2, b'a'];
        assert_eq!(all(Encoding::DeltaByteArray, &bytes, Physical::ByteArray, 0, 1).unwrap(), [b"a"]);
        assert!(all(Encoding::DeltaByteArray, &bytes, Physical::FixedLenByteArray, 2, 1).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(
            tail in prop::collection::vec(any::<u8>(), 0..200), count in 0u8..40, len in -1i32..20,
            plausible: bool,
        ) {
            let mut bytes = if plausible { vec![0x80, 1, 4, count, 2, 0, 0, 0, 0, 0] } else { vec![] };
            bytes.extend(tail);
            for (encoding, physical) in CASES {
                if let Ok(values) = all(encoding, &bytes, physical, len, count.into()) {
                    prop_assert_eq!(values.len(), usize::from(count));
                }
            }
        }
    }
}
