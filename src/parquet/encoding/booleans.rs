//! BOOLEAN: bit-packed (PLAIN) or hybrid RLE.

use super::hybrid_rle::HybridRleDecoder;
use crate::kernel::unpack;
use crate::parquet::{Encoding, Physical};
use crate::{Error, Result};

/// The booleans of one page.
#[derive(Debug, Clone)]
pub struct Booleans<'a> {
    bytes: &'a [u8],
    source: Source,
    remaining: u32,
}

#[derive(Debug, Clone)]
enum Source {
    /// Packed from the least significant bit up; `bit` is the next one.
    Plain { bit: usize },
    /// Hybrid RLE.
    Rle(HybridRleDecoder),
}

impl<'a> Booleans<'a> {
    /// The `count` booleans that `bytes` hold.
    ///
    /// # Errors
    /// `Unsupported` for other encodings, `Format` when the bytes cannot be
    /// that many values.
    pub fn open(encoding: Encoding, bytes: &'a [u8], count: u32) -> Result<Self> {
        let (bytes, source) = match encoding {
            Encoding::Plain => {
                if bytes.len() < count.div_ceil(8) as usize {
                    return Err(super::short(bytes.len(), count));
                }
                (bytes, Source::Plain { bit: 0 })
            }
            Encoding::Rle => {
                // The length precedes the runs in V2 pages too: Encodings.md, "RLE".
                let cut = bytes
                    .split_first_chunk::<4>()
                    .and_then(|(len, rest)| rest.get(..u32::from_le_bytes(*len) as usize));
                let bytes = match cut {
                    Some(bytes) => bytes,
                    None if count == 0 => &[],
                    None => return Err(super::short(bytes.len(), count)),
                };
                (bytes, Source::Rle(HybridRleDecoder::new(0, 1, 2, count)?))
            }
            _ => return Err(super::unsupported(encoding, Physical::Boolean)),
        };
        Ok(Booleans { bytes, source, remaining: count })
    }

    /// Values that are not read yet.
    pub fn remaining(&self) -> u32 {
        self.remaining
    }

    /// Reads the next `out.len()` values.
    ///
    /// # Errors
    /// `Format` when the stream is damaged, `Internal` when fewer values are left.
    #[allow(clippy::indexing_slicing)] // chunks are at most as long as the block
    pub fn fill(&mut self, out: &mut [bool]) -> Result<()> {
        self.remaining = super::take(self.remaining, out.len())?;
        let mut block = [0u16; 256];
        for out in out.chunks_mut(block.len()) {
            let values = &mut block[..out.len()];
            match &mut self.source {
                Source::Plain { bit } => {
                    unpack::unpack_u16(self.bytes, *bit, 1, values);
                    *bit += values.len();
                }
                Source::Rle(runs) => runs.read_u16(self.bytes, values)?,
            }
            for (to, from) in out.iter_mut().zip(values) {
                *to = *from == 1;
            }
        }
        Ok(())
    }

    /// Skips `n` values.
    ///
    /// # Errors
    /// As [`Booleans::fill`].
    pub fn skip(&mut self, n: usize) -> Result<()> {
        self.remaining = super::take(self.remaining, n)?;
        match &mut self.source {
            Source::Plain { bit } => *bit += n,
            Source::Rle(runs) => {
                let n = u32::try_from(n).map_err(|_| Error::internal("a skip of 2^32 values"))?;
                runs.skip(self.bytes, n)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use proptest::prelude::*;

    fn all(encoding: Encoding, bytes: &[u8], count: u32) -> Result<Vec<bool>> {
        let mut out = vec![true; count as usize];
        Booleans::open(encoding, bytes, count)?.fill(&mut out)?;
        Ok(out)
    }

    #[test]
    fn both_encodings() {
        let expected = [true, false, true, true, false, false, false, false, true];
        assert_eq!(all(Encoding::Plain, &[0b1101, 1], 9).unwrap(), expected);
        assert!(all(Encoding::Plain, &[0b1101], 9).is_err());
        // Eight packed ones, then one in a run.
        assert_eq!(all(Encoding::Rle, &[4, 0, 0, 0, 3, 0b1101, 2, 1], 9).unwrap(), expected);
        assert!(all(Encoding::Rle, &[5, 0, 0, 0, 3, 0b1101, 2, 1], 9).is_err());
        assert!(all(Encoding::Rle, &[2, 0, 0, 0, 3, 0b1101, 2, 1], 9).is_err());
        assert!(all(Encoding::DeltaBinaryPacked, &[], 0).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(
            tail in prop::collection::vec(any::<u8>(), 0..60), count in 0u32..200, skip in 0usize..200,
        ) {
            let mut bytes = u32::try_from(tail.len()).unwrap().to_le_bytes().to_vec();
            bytes.extend(tail);
            for encoding in [Encoding::Plain, Encoding::Rle] {
                let Ok(whole) = all(encoding, &bytes, count) else { continue };
                let skip = skip.min(whole.len());
                let mut booleans = Booleans::open(encoding, &bytes, count).unwrap();
                booleans.skip(skip).unwrap();
                let mut out = vec![true; whole.len() - skip];
                booleans.fill(&mut out).unwrap();
                prop_assert_eq!(&out, &whole[skip..]);
            }
        }
    }
}
