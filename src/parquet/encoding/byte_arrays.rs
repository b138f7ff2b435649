//! BYTE_ARRAY, FIXED_LEN_BYTE_ARRAY and INT96 in their encodings without a
//! dictionary, and the values of a dictionary page.

use super::delta::Delta;
use crate::parquet::{Encoding, Physical};
use crate::{Error, Result};

/// Bytes of an INT96.
const INT96_LEN: usize = 12;

/// The byte arrays of one page.
#[derive(Debug, Clone)]
pub struct ByteArrays<'a> {
    stream: Stream<'a>,
    remaining: u32,
}

// There is one per page, and it is never moved in a loop.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone)]
enum Stream<'a> {
    /// A length of 4 bytes before each value.
    Plain(&'a [u8]),
    /// Values of one length.
    Fixed(&'a [u8], usize),
    /// All lengths, then all bytes; Encodings.md, "Delta-length byte array".
    DeltaLength(Lengths<'a>, &'a [u8]),
    /// Lengths of the prefixes that are shared with the previous value, lengths of the suffixes,
    /// then all suffixes; Encodings.md, "Delta Strings".
    Delta {
        prefixes: Lengths<'a>,
        suffixes: Lengths<'a>,
        bytes: &'a [u8],
        value: Vec<u8>,
        fixed: Option<usize>,
    },
    /// The first bytes of all values, then the second bytes, and so on.
    Split { bytes: &'a [u8], count: usize, next: usize, value: Vec<u8> },
}

impl<'a> ByteArrays<'a> {
    /// The `count` values of `physical` type that `bytes` hold; `type_length` is that of
    /// the schema, for fixed lengths.
    ///
    /// # Errors
    /// `Unsupported` for other types and encodings, `Format` when the bytes
    /// cannot be that many values.
    pub fn open(
        encoding: Encoding,
        bytes: &'a [u8],
        physical: Physical,
        type_length: i32,
        count: u32,
    ) -> Result<Self> {
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
        let stream = match (encoding, fixed) {
            (Encoding::Plain, None) => Stream::Plain(bytes),
            (Encoding::Plain, Some(len)) => {
                let wanted = len.checked_mul(count as usize);
                let bytes = wanted.and_then(|wanted| bytes.get(..wanted));
                Stream::Fixed(bytes.ok_or_else(|| super::short(len, count))?, len)
            }
            (Encoding::DeltaLengthByteArray, None) => {
                let (lengths, bytes) = Lengths::open(bytes, count)?;
                Stream::DeltaLength(lengths, bytes)
            }
            (Encoding::DeltaByteArray, fixed) if physical != Physical::Int96 => {
                let (prefixes, bytes) = Lengths::open(bytes, count)?;
                let (suffixes, bytes) = Lengths::open(bytes, count)?;
                Stream::Delta { prefixes, suffixes, bytes, value: Vec::new(), fixed }
            }
            (Encoding::ByteStreamSplit, Some(len)) if physical != Physical::Int96 => {
                let count = count as usize;
                if len.checked_mul(count) != Some(bytes.len()) {
                    return Err(Error::format(format!("{} bytes", bytes.len()))
                        .expected(format!("{count} values of {len} bytes")));
                }
                Stream::Split { bytes, count, next: 0, value: Vec::new() }
            }
            _ => return Err(super::unsupported(encoding, physical)),
        };
        Ok(ByteArrays { stream, remaining: count })
    }

    /// Values that are not read yet.
    pub fn remaining(&self) -> u32 {
        self.remaining
    }

    /// Calls `each` with the next `n` values.
    ///
    /// # Errors
    /// `Format` when the stream is damaged, `Internal` when fewer values are left, and the errors
    /// of `each`.
    pub fn visit(&mut self, n: usize, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.remaining = super::take(self.remaining, n)?;
        match &mut self.stream {
            Stream::Plain(bytes) => {
                for _ in 0..n {
                    let (len, rest) = bytes.split_first_chunk::<4>().ok_or_else(ends_early)?;
                    each(cut(bytes, rest, u32::from_le_bytes(*len) as usize)?)?;
                }
            }
            Stream::Fixed(bytes, len) => {
                for _ in 0..n {
                    each(cut(bytes, bytes, *len)?)?;
                }
            }
            Stream::DeltaLength(lengths, bytes) => {
                for _ in 0..n {
                    each(cut(bytes, bytes, lengths.next()?)?)?;
                }
            }
            Stream::Delta { prefixes, suffixes, bytes, value, fixed } => {
                for _ in 0..n {
                    let prefix = prefixes.next()?;
                    if prefix > value.len() {
                        return Err(damaged(format!(
                            "a prefix of {prefix} bytes of a value of {}",
                            value.len()
                        )));
                    }
                    value.truncate(prefix);
                    value.extend_from_slice(cut(bytes, bytes, suffixes.next()?)?);
                    if let Some(len) = *fixed
                        && value.len() != len
                    {
                        return Err(damaged(format!("a value of {} bytes", value.len()))
                            .expected(format!("{len}, the column's fixed length")));
                    }
                    each(value)?;
                }
            }
            Stream::Split { bytes, count, next, value } => {
                for _ in 0..n {
                    value.clear();
                    value.extend(bytes.iter().skip(*next).step_by(*count));
                    *next += 1;
                    each(value)?;
                }
            }
        }
        Ok(())
    }

    /// Skips `n` values.
    ///
    /// # Errors
    /// As [`ByteArrays::visit`].
    pub fn skip(&mut self, n: usize) -> Result<()> {
        match &mut self.stream {
            Stream::Fixed(bytes, len) => {
                self.remaining = super::take(self.remaining, n)?;
                *bytes = len.checked_mul(n).and_then(|len| bytes.get(len..)).ok_or_else(ends_early)?;
                Ok(())
            }
            Stream::Split { next, .. } => {
                self.remaining = super::take(self.remaining, n)?;
                *next += n;
                Ok(())
            }
            _ => self.visit(n, |_| Ok(())),
        }
    }
}

/// Returns a value of `len` bytes from the start of `from` and leaves the rest in `bytes`.
#[inline]
fn cut<'a>(bytes: &mut &'a [u8], from: &'a [u8], len: usize) -> Result<&'a [u8]> {
    let (value, rest) = from.split_at_checked(len).ok_or_else(ends_early)?;
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

    fn seen(arrays: &mut ByteArrays, n: usize) -> Result<Vec<Vec<u8>>> {
        let mut out = vec![];
        arrays.visit(n, |value| {
            out.push(value.to_vec());
            Ok(())
        })?;
        Ok(out)
    }

    fn all(
        encoding: Encoding,
        bytes: &[u8],
        physical: Physical,
        len: i32,
        count: u32,
    ) -> Result<Vec<Vec<u8>>> {
        seen(&mut ByteArrays::open(encoding, bytes, physical, len, count)?, count as usize)
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
            skip in 0usize..40, plausible: bool,
        ) {
            let mut bytes = if plausible { vec![0x80, 1, 4, count, 2, 0, 0, 0, 0, 0] } else { vec![] };
            bytes.extend(tail);
            for (encoding, physical) in CASES {
                let Ok(whole) = all(encoding, &bytes, physical, len, count.into()) else { continue };
                let skip = skip.min(whole.len());
                let mut arrays = ByteArrays::open(encoding, &bytes, physical, len, count.into()).unwrap();
                arrays.skip(skip).unwrap();
                prop_assert_eq!(&seen(&mut arrays, whole.len() - skip).unwrap(), &whole[skip..]);
                prop_assert!(arrays.skip(1).is_err());
            }
        }
    }
}
