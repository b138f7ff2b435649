//! DELTA_BINARY_PACKED (Encodings.md, "Delta Encoding"): integers as packed
//! differences, and the lengths of the two delta encodings of byte arrays.
//!
//! ```text
//! header: values per block, miniblocks per block, number of values, first value
//! block:  smallest difference, a bit width per miniblock, the miniblocks
//! ```
//!
//! Sums wrap, as the specification requires; those of 32-bit values are the low
//! halves of the 64-bit sums.

use crate::parquet::thrift::{Fault, Reader};
use crate::{Error, Result};

/// Values of one stream.
#[derive(Debug, Clone)]
pub struct Delta<'a> {
    bytes: &'a [u8],
    miniblock_len: u32,
    /// The previous value; at first, the first value.
    last: u64,
    /// Values that are not read yet, the first one included.
    remaining: u32,
    first: bool,
    min_delta: u64,
    /// Bit widths of the miniblocks of this block that are not begun yet.
    widths: &'a [u8],
    miniblocks: usize,
    /// The current miniblock.
    packed: &'a [u8],
    width: u32,
    bit: u64,
    miniblock_left: u32,
}

impl<'a> Delta<'a> {
    /// The stream at the start of `bytes`.
    ///
    /// # Errors
    /// `Format` unless it has `count` values.
    #[allow(clippy::indexing_slicing)] // the reader's position is within the bytes
    pub fn new(bytes: &'a [u8], count: u32) -> Result<Self> {
        let mut r = Reader::new(bytes);
        let mut header = || Ok((r.varint()?, r.varint()?, r.varint()?, r.i64()?));
        let (block, miniblocks, total, first) = header().map_err(damaged)?;
        // "A multiple of 128", and of 32 per miniblock; some writers use smaller ones.
        let miniblock_len = block.checked_div(miniblocks).unwrap_or(0);
        if miniblock_len == 0 || miniblock_len % 8 != 0 || miniblock_len * miniblocks != block {
            return Err(Error::format(format!("{block} values in {miniblocks} miniblocks a block"))
                .expected("a multiple of 8 a miniblock"));
        }
        if total != u64::from(count) {
            return Err(Error::format(format!("{total} delta-encoded values"))
                .expected(format!("{count}, as the page has"))
                .advice("The page is damaged; export the file again"));
        }
        let too_large = |_| Error::format(format!("{block} values a block"));
        Ok(Delta {
            bytes: &bytes[r.position()..],
            miniblock_len: u32::try_from(miniblock_len).map_err(too_large)?,
            last: first.cast_unsigned(),
            remaining: count,
            first: true,
            min_delta: 0,
            widths: &[],
            miniblocks: usize::try_from(miniblocks).unwrap_or(usize::MAX),
            packed: &[],
            width: 0,
            bit: 0,
            miniblock_left: 0,
        })
    }

    /// Values that are not read yet.
    pub fn remaining(&self) -> u32 {
        self.remaining
    }

    /// Reads the next `out.len()` values.
    ///
    /// # Errors
    /// `Format` when the stream is damaged, `Internal` when fewer values are left.
    pub fn fill(&mut self, mut out: &mut [u64]) -> Result<()> {
        if out.len() as u64 > u64::from(self.remaining) {
            return Err(Error::internal("a read of more values than the page has left"));
        }
        if self.first && !out.is_empty() {
            let (first, rest) = out.split_at_mut(1);
            first.fill(self.last);
            self.first = false;
            self.remaining -= 1;
            out = rest;
        }
        while !out.is_empty() {
            if self.miniblock_left == 0 {
                self.next_miniblock()?;
            }
            let len = out.len().min(self.miniblock_left as usize);
            let (now, later) = out.split_at_mut(len);
            self.unpack(now);
            // Lossless: `len` is at most `miniblock_left`.
            #[allow(clippy::cast_possible_truncation)]
            let len = len as u32;
            self.miniblock_left -= len;
            self.remaining -= len;
            out = later;
        }
        Ok(())
    }

    /// The bytes after the stream. Reads headers only.
    pub fn rest(mut self) -> Result<&'a [u8]> {
        if self.first && self.remaining > 0 {
            self.first = false;
            self.remaining -= 1;
        }
        self.remaining -= self.miniblock_left;
        while self.remaining > 0 {
            self.next_miniblock()?;
            self.remaining -= self.miniblock_left;
        }
        Ok(self.bytes)
    }

    /// Begins the next miniblock. Those of the last block without a value
    /// have a width, but no bytes.
    #[allow(clippy::indexing_slicing)] // the reader's position is within the bytes
    fn next_miniblock(&mut self) -> Result<()> {
        if self.widths.is_empty() {
            let mut r = Reader::new(self.bytes);
            self.min_delta = r.i64().map_err(damaged)?.cast_unsigned();
            let bytes = &self.bytes[r.position()..];
            (self.widths, self.bytes) =
                bytes.split_at_checked(self.miniblocks).ok_or_else(|| damaged(Fault::Ended))?;
        }
        let (&width, widths) = self.widths.split_first().ok_or_else(|| damaged(Fault::Ended))?;
        if width > 64 {
            return Err(damaged(Fault::Bad("a bit width past 64")));
        }
        let len = u64::from(self.miniblock_len) / 8 * u64::from(width);
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        (self.packed, self.bytes) = self.bytes.split_at_checked(len).ok_or_else(|| damaged(Fault::Ended))?;
        self.widths = widths;
        self.width = u32::from(width);
        self.bit = 0;
        self.miniblock_left = self.miniblock_len.min(self.remaining);
        Ok(())
    }

    fn unpack(&mut self, out: &mut [u64]) {
        let mask = u64::MAX.checked_shr(64 - self.width).unwrap_or(0);
        for value in out {
            let delta = bits(self.packed, self.bit) & mask;
            self.bit += u64::from(self.width);
            self.last = self.last.wrapping_add(self.min_delta).wrapping_add(delta);
            *value = self.last;
        }
    }
}

/// 64 bits from bit `at` on; those past the end are 0.
#[inline]
fn bits(bytes: &[u8], at: u64) -> u64 {
    let from = usize::try_from(at / 8).unwrap_or(usize::MAX);
    // Past the end there are no bytes, and all bits are 0.
    let bytes = bytes.get(from..).unwrap_or_default();
    let mut word = [0; 16];
    match bytes.first_chunk::<9>() {
        Some(nine) => word[..9].copy_from_slice(nine),
        None => word.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from),
    }
    // Lossless: the 64 bits from `at` on.
    #[allow(clippy::cast_possible_truncation)]
    let value = (u128::from_le_bytes(word) >> (at % 8)) as u64;
    value
}

fn damaged(fault: Fault) -> Error {
    fault.into_error("delta-encoded page")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]
    use super::*;
    use proptest::prelude::*;

    fn all(bytes: &[u8], count: u32) -> Result<Vec<u64>> {
        let mut out = vec![0; count as usize];
        Delta::new(bytes, count)?.fill(&mut out)?;
        Ok(out)
    }

    #[test]
    fn the_examples_of_the_specification() {
        // 1 to 5: no bits at all. Three of four miniblocks are left out.
        let bytes = [0x80, 1, 4, 5, 2, 2, 0, 0, 0, 0];
        assert_eq!(all(&bytes, 5).unwrap(), [1, 2, 3, 4, 5]);
        assert!(all(&bytes, 4).is_err());
        assert!(all(&bytes[..9], 5).is_err());
        // 7, 5, 3, 1, 2, 3, 4, 5: differences from -2 on in 2 bits.
        let bytes = [0x80, 1, 4, 8, 14, 3, 2, 0, 0, 0, 0xc0, 0x3f, 0, 0, 0, 0, 0, 0, 77];
        assert_eq!(all(&bytes, 8).unwrap(), [7, 5, 3, 1, 2, 3, 4, 5]);
        assert_eq!(Delta::new(&bytes, 8).unwrap().rest().unwrap(), [77]);
        let mut delta = Delta::new(&bytes, 8).unwrap();
        delta.fill(&mut [0; 5]).unwrap();
        let mut out = [0; 3];
        delta.clone().fill(&mut out).unwrap();
        assert_eq!(out, [3, 4, 5]);
        assert_eq!(delta.rest().unwrap(), [77]);
    }

    #[test]
    fn odd_headers() {
        assert!(all(&[], 1).is_err());
        assert!(all(&[0x80, 1, 0, 1, 0], 1).is_err());
        assert!(all(&[0x80, 1, 3, 1, 0], 1).is_err());
        assert!(all(&[4, 1, 1, 0], 1).is_err());
        // Widths past 64.
        assert!(all(&[0x80, 1, 4, 2, 0, 0, 65, 0, 0, 0, 1, 1], 2).is_err());
        assert_eq!(all(&[0x80, 1, 4, 0, 0], 0).unwrap(), [0u64; 0]);
        assert_eq!(all(&[0x80, 1, 4, 1, 3], 1).unwrap(), [u64::MAX - 1]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(
            tail in prop::collection::vec(any::<u8>(), 0..300), count in 0u8..120, plausible: bool,
        ) {
            let mut bytes = if plausible { vec![0x80, 1, 4, count] } else { vec![] };
            bytes.extend(tail);
            let whole = all(&bytes, u32::from(count));
            // Small steps read the same values.
            if let Ok(mut delta) = Delta::new(&bytes, u32::from(count)) {
                let rest = delta.clone().rest();
                prop_assert_eq!(whole.is_ok(), rest.is_ok());
                let mut steps = vec![];
                while delta.remaining() > 0 {
                    let mut out = vec![0; (delta.remaining() as usize).min(7)];
                    if delta.fill(&mut out).is_err() {
                        break;
                    }
                    steps.extend(out);
                }
                if let Ok(whole) = whole {
                    prop_assert_eq!(steps, whole);
                }
            }
        }
    }
}
