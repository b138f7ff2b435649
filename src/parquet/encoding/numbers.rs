//! INT32, INT64, FLOAT and DOUBLE in their encodings without a dictionary.
//!
//! Values are read as bit patterns: 64 bits, or 32 in the low half.

use super::delta::Delta;
use crate::Result;
use crate::parquet::{Encoding, Physical};

/// The numbers of one page.
#[derive(Debug, Clone)]
pub struct Numbers<'a> {
    stream: Stream<'a>,
    remaining: u32,
}

#[derive(Debug, Clone)]
enum Stream<'a> {
    Plain4(&'a [[u8; 4]]),
    Plain8(&'a [[u8; 8]]),
    /// The first byte of every value, then the second one, and so on; Encodings.md,
    /// "Byte Stream Split".
    Split4([&'a [u8]; 4]),
    Split8([&'a [u8]; 8]),
    Delta4(Delta<'a>),
    Delta8(Delta<'a>),
}

impl<'a> Numbers<'a> {
    /// The `count` values of `physical` type that `bytes` hold.
    ///
    /// # Errors
    /// `Unsupported` for other types and encodings, `Format` when the bytes
    /// cannot be that many values.
    pub fn open(encoding: Encoding, bytes: &'a [u8], physical: Physical, count: u32) -> Result<Self> {
        let wide = match physical {
            Physical::Int32 | Physical::Float => false,
            Physical::Int64 | Physical::Double => true,
            _ => return Err(super::unsupported(encoding, physical)),
        };
        let integer = matches!(physical, Physical::Int32 | Physical::Int64);
        let stream = match (encoding, wide) {
            (Encoding::Plain, false) => Stream::Plain4(plain(bytes, count)?),
            (Encoding::Plain, true) => Stream::Plain8(plain(bytes, count)?),
            (Encoding::ByteStreamSplit, false) => Stream::Split4(split(bytes, count)?),
            (Encoding::ByteStreamSplit, true) => Stream::Split8(split(bytes, count)?),
            (Encoding::DeltaBinaryPacked, false) if integer => Stream::Delta4(super::delta(bytes, count)?),
            (Encoding::DeltaBinaryPacked, true) if integer => Stream::Delta8(super::delta(bytes, count)?),
            _ => return Err(super::unsupported(encoding, physical)),
        };
        Ok(Numbers { stream, remaining: count })
    }

    /// Reads the next `out.len()` values.
    ///
    /// # Errors
    /// `Format` when the stream is damaged, `Internal` when fewer values are left.
    pub fn fill(&mut self, out: &mut [u64]) -> Result<()> {
        // The streams have as many values as are left: they can be split without a check.
        self.remaining = super::take(self.remaining, out.len())?;
        match &mut self.stream {
            Stream::Plain4(values) => {
                let (now, later) = values.split_at(out.len());
                out.iter_mut().zip(now).for_each(|(to, from)| *to = u64::from(u32::from_le_bytes(*from)));
                *values = later;
            }
            Stream::Plain8(values) => {
                let (now, later) = values.split_at(out.len());
                out.iter_mut().zip(now).for_each(|(to, from)| *to = u64::from_le_bytes(*from));
                *values = later;
            }
            Stream::Split4(streams) => gather(streams, out),
            Stream::Split8(streams) => gather(streams, out),
            Stream::Delta4(delta) => {
                delta.fill(out)?;
                out.iter_mut().for_each(|value| *value &= u64::from(u32::MAX));
            }
            Stream::Delta8(delta) => delta.fill(out)?,
        }
        Ok(())
    }
}

fn plain<const N: usize>(bytes: &[u8], count: u32) -> Result<&[[u8; N]]> {
    let (values, _) = bytes.as_chunks::<N>();
    values.get(..count as usize).ok_or_else(|| super::short(bytes.len(), count))
}

fn split<const N: usize>(bytes: &[u8], count: u32) -> Result<[&[u8]; N]> {
    let count_len = count as usize;
    let mut streams = [&[] as &[u8]; N];
    let mut rest = bytes;
    for stream in &mut streams {
        (*stream, rest) = rest.split_at_checked(count_len).ok_or_else(|| super::short(bytes.len(), count))?;
    }
    // The positions of the streams follow from the length, so it has to be exact.
    if rest.is_empty() { Ok(streams) } else { Err(super::short(bytes.len(), count)) }
}

#[allow(clippy::indexing_slicing)] // callers have checked that as many values are left
fn gather<const N: usize>(streams: &mut [&[u8]; N], out: &mut [u64]) {
    out.fill(0);
    for (stream, shift) in streams.iter_mut().zip((0u32..).step_by(8)) {
        out.iter_mut().zip(*stream).for_each(|(to, &byte)| *to |= u64::from(byte) << shift);
        *stream = &stream[out.len()..];
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]
    use super::*;
    use proptest::prelude::*;

    const TYPES: [Physical; 4] = [Physical::Int32, Physical::Int64, Physical::Float, Physical::Double];
    const ENCODINGS: [Encoding; 3] =
        [Encoding::Plain, Encoding::ByteStreamSplit, Encoding::DeltaBinaryPacked];

    fn all(encoding: Encoding, bytes: &[u8], physical: Physical, count: u32) -> Result<Vec<u64>> {
        let mut numbers = Numbers::open(encoding, bytes, physical, count)?;
        let mut out = vec![1; count as usize];
        numbers.fill(&mut out)?;
        Ok(out)
    }

    #[test]
    fn plain_and_split() {
        let plain = [1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(all(Encoding::Plain, &plain, Physical::Float, 2).unwrap(), [0x0403_0201, 0x0807_0605]);
        assert_eq!(all(Encoding::Plain, &plain, Physical::Int64, 1).unwrap(), [0x0807_0605_0403_0201]);
        let split = Encoding::ByteStreamSplit;
        assert_eq!(all(split, &plain, Physical::Int32, 2).unwrap(), [0x0705_0301, 0x0806_0402]);
        assert!(all(split, &plain, Physical::Int32, 1).is_err());
        assert!(all(Encoding::Plain, &plain, Physical::Int32, 3).is_err());
        assert!(all(Encoding::Plain, &plain, Physical::Int64, u32::MAX).is_err());
        assert!(all(Encoding::DeltaBinaryPacked, &plain, Physical::Float, 1).is_err());
    }

    #[test]
    fn more_than_there_is() {
        let mut numbers = Numbers::open(Encoding::Plain, &[0; 8], Physical::Int32, 2).unwrap();
        assert!(numbers.fill(&mut [0; 3]).is_err());
        numbers.fill(&mut [0; 2]).unwrap();
        assert!(numbers.fill(&mut [0; 1]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..200), count in 0u32..60, first in 0usize..60,
        ) {
            for physical in TYPES {
                for encoding in ENCODINGS {
                    let Ok(whole) = all(encoding, &bytes, physical, count) else { continue };
                    // In two parts.
                    let mut numbers = Numbers::open(encoding, &bytes, physical, count).unwrap();
                    let mut out = vec![1; whole.len()];
                    let (first, second) = out.split_at_mut(first.min(whole.len()));
                    numbers.fill(first).unwrap();
                    numbers.fill(second).unwrap();
                    prop_assert_eq!(&out, &whole);
                }
            }
        }
    }
}
