//! BOOLEAN: bit-packed (PLAIN) or hybrid RLE.

use super::hybrid_rle::{HybridRle, Run};
use crate::parquet::{Encoding, Physical};
use crate::{Error, Result};

/// The booleans of one page.
#[derive(Debug, Clone)]
pub struct Booleans<'a> {
    runs: HybridRle<'a>,
    run: Run<'a>,
    /// Values of `run` that have been seen.
    seen: u32,
    remaining: u32,
}

impl<'a> Booleans<'a> {
    /// The `count` booleans that `bytes` hold.
    ///
    /// # Errors
    /// `Unsupported` for other encodings, `Format` when the bytes cannot be
    /// that many values.
    pub fn open(encoding: Encoding, bytes: &'a [u8], count: u32) -> Result<Self> {
        // Packed from the least significant bit up: the same as one packed run.
        let (runs, run) = match encoding {
            Encoding::Plain => {
                if bytes.len() < count.div_ceil(8) as usize {
                    return Err(super::short(bytes.len(), count));
                }
                (HybridRle::new(&[], 1, 0)?, Run::Packed { bytes, len: count })
            }
            Encoding::Rle => {
                // The length in front is there in V2 pages too: Encodings.md, "RLE".
                let cut = bytes
                    .split_first_chunk::<4>()
                    .and_then(|(len, rest)| rest.get(..u32::from_le_bytes(*len) as usize));
                let bytes = match cut {
                    Some(bytes) => bytes,
                    None if count == 0 => &[],
                    None => return Err(super::short(bytes.len(), count)),
                };
                (HybridRle::new(bytes, 1, count)?, Run::Packed { bytes: &[], len: 0 })
            }
            _ => return Err(super::unsupported(encoding, Physical::Boolean)),
        };
        Ok(Booleans { runs, run, seen: 0, remaining: count })
    }

    /// Values that are still to come.
    pub fn remaining(&self) -> u32 {
        self.remaining
    }

    /// The next values, as many as `out` has room for.
    ///
    /// # Errors
    /// `Format` when the stream is damaged. The caller never asks for more
    /// than there are.
    pub fn fill(&mut self, mut out: &mut [bool]) -> Result<()> {
        self.remaining = super::take(self.remaining, out.len())?;
        while !out.is_empty() {
            let (from, len) = self.advance(out.len())?;
            let (now, later) = out.split_at_mut(len);
            match self.run {
                Run::Rle { value, .. } => now.fill(value == 1),
                Run::Packed { bytes, .. } => {
                    for (value, at) in now.iter_mut().zip(from as usize..) {
                        *value = bytes.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1);
                    }
                }
            }
            out = later;
        }
        Ok(())
    }

    /// Passes over `n` values.
    ///
    /// # Errors
    /// As [`Booleans::fill`].
    pub fn skip(&mut self, mut n: usize) -> Result<()> {
        self.remaining = super::take(self.remaining, n)?;
        while n > 0 {
            n -= self.advance(n)?.1;
        }
        Ok(())
    }

    /// Takes up to `wanted` values of one run: where in it they begin, and how
    /// many they are.
    fn advance(&mut self, wanted: usize) -> Result<(u32, usize)> {
        loop {
            let (Run::Rle { len, .. } | Run::Packed { len, .. }) = self.run;
            let left = len - self.seen;
            if left > 0 {
                let taken = u32::try_from(wanted).map_or(left, |wanted| wanted.min(left));
                self.seen += taken;
                return Ok((self.seen - taken, taken as usize));
            }
            self.run =
                self.runs.next_run()?.ok_or_else(|| Error::internal("the runs end before the page"))?;
            self.seen = 0;
        }
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
