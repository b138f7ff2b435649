//! The hybrid of run-length encoding and bit packing (Encodings.md, "Run
//! Length Encoding / Bit-Packing Hybrid"): dictionary indices and definition
//! levels.
//!
//! Runs come out as they lie in the page; unpacking is left to the caller. The
//! runs add up to `count` exactly, or there is an error: a stream that ends
//! early never turns into zeros.

use crate::{Error, Result};

/// One run. `len` is never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run<'a> {
    /// The same value `len` times.
    Rle {
        /// The value; it fits the bit width.
        value: u32,
        /// How often.
        len: u32,
    },
    /// `len` values, packed from the least significant bit up.
    Packed {
        /// At least `len` times the bit width, rounded up to bytes; bits past
        /// the last value mean nothing.
        bytes: &'a [u8],
        /// How many.
        len: u32,
    },
}

/// The runs of one stream.
#[derive(Debug, Clone)]
pub struct HybridRle<'a> {
    bytes: &'a [u8],
    remaining: u32,
    bit_width: u8,
}

impl<'a> HybridRle<'a> {
    /// `count` values of `bit_width` bits.
    ///
    /// # Errors
    /// A bit width past 32.
    #[inline]
    pub fn new(bytes: &'a [u8], bit_width: u8, count: u32) -> Result<Self> {
        if bit_width > 32 {
            return Err(Error::format(format!("a bit width of {bit_width}")).expected("0 to 32"));
        }
        Ok(HybridRle { bytes, remaining: count, bit_width })
    }

    /// The `count` dictionary indices of a data page, whose first byte is the
    /// bit width (Encodings.md, "Dictionary Encoding").
    #[inline]
    pub fn indices(bytes: &'a [u8], count: u32) -> Result<Self> {
        match bytes.split_first() {
            Some((&bit_width, rest)) => Self::new(rest, bit_width, count),
            // A page of nulls only may have no body at all.
            None if count == 0 => Self::new(bytes, 0, 0),
            None => Err(ends_early(count)),
        }
    }

    /// Bits per value.
    #[inline]
    pub fn bit_width(&self) -> u8 {
        self.bit_width
    }

    /// Values that are still to come.
    #[inline]
    pub fn remaining(&self) -> u32 {
        self.remaining
    }

    /// The next run, `None` when all `count` values have come.
    #[inline]
    pub fn next_run(&mut self) -> Result<Option<Run<'a>>> {
        while self.remaining > 0 {
            let header = self.header()?;
            let len = header >> 1;
            if header & 1 == 1 {
                // `len` groups of 8 values.
                if len == 0 {
                    continue;
                }
                return self.packed(len).map(Some);
            }
            let value = self.value()?;
            // Empty runs still take bytes, so this ends with the stream.
            if len == 0 {
                continue;
            }
            if len > self.remaining {
                return Err(overhangs(len, self.remaining));
            }
            self.remaining -= len;
            return Ok(Some(Run::Rle { value, len }));
        }
        Ok(None)
    }

    #[inline]
    fn packed(&mut self, groups: u32) -> Result<Run<'a>> {
        let packed = u64::from(groups) * 8;
        let full = u64::from(groups) * u64::from(self.bit_width);
        let (len, needed) = if packed <= u64::from(self.remaining) {
            (groups * 8, full)
        } else {
            // The last run is filled up: to a group by most writers, to four by
            // DuckDB. Some leave out the bytes that nobody needs.
            let bits = u64::from(self.remaining) * u64::from(self.bit_width);
            (self.remaining, bits.div_ceil(8))
        };
        let available = self.bytes.len();
        let full = usize::try_from(full).unwrap_or(usize::MAX).min(available);
        let (bytes, rest) = self.bytes.split_at_checked(full).unwrap_or((self.bytes, &[]));
        if (bytes.len() as u64) < needed {
            return Err(ends_early(self.remaining));
        }
        self.bytes = rest;
        self.remaining -= len;
        Ok(Run::Packed { bytes, len })
    }

    /// A varint of up to 32 bits.
    #[inline]
    fn header(&mut self) -> Result<u32> {
        let mut value = 0u32;
        let mut shift = 0;
        while let Some((&byte, rest)) = self.bytes.split_first() {
            self.bytes = rest;
            if shift == 28 && byte > 0x0f {
                return Err(Error::format("a run header longer than 32 bits"));
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
            shift += 7;
        }
        Err(ends_early(self.remaining))
    }

    /// The repeated value of a run, in whole bytes.
    #[inline]
    fn value(&mut self) -> Result<u32> {
        let len = usize::from(self.bit_width.div_ceil(8));
        let Some((bytes, rest)) = self.bytes.split_at_checked(len) else {
            return Err(ends_early(self.remaining));
        };
        self.bytes = rest;
        let value = bytes.iter().rev().fold(0u32, |value, &byte| value << 8 | u32::from(byte));
        if u64::from(value) >> self.bit_width != 0 {
            return Err(Error::format(format!("a run of {value}"))
                .expected(format!("a value of {} bits", self.bit_width)));
        }
        Ok(value)
    }
}

#[cold]
fn ends_early(missing: u32) -> Error {
    Error::format(format!("the runs end {missing} values early"))
        .advice("The page is damaged; export the file again")
}

#[cold]
fn overhangs(len: u32, remaining: u32) -> Error {
    Error::format(format!("a run of {len} values where the page has {remaining} left"))
        .advice("The page is damaged; export the file again")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]
    use super::*;
    use proptest::prelude::*;

    fn decode(mut runs: HybridRle) -> Result<Vec<u32>> {
        let width = usize::from(runs.bit_width());
        let mut out = vec![];
        while let Some(run) = runs.next_run()? {
            match run {
                Run::Rle { value, len } => out.extend(std::iter::repeat_n(value, len as usize)),
                Run::Packed { bytes, len } => out.extend((0..len as usize).map(|i| {
                    (0..width)
                        .map(|b| i * width + b)
                        .enumerate()
                        .map(|(b, at)| u32::from(bytes[at / 8] >> (at % 8) & 1) << b)
                        .sum::<u32>()
                })),
            }
        }
        Ok(out)
    }

    #[test]
    fn the_example_of_the_specification() {
        // 0 to 7 in 3 bits.
        let bytes = [0b11, 0b1000_1000, 0b1100_0110, 0b1111_1010];
        assert_eq!(decode(HybridRle::new(&bytes, 3, 8).unwrap()).unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
        // The last group is cut.
        assert_eq!(decode(HybridRle::new(&bytes, 3, 5).unwrap()).unwrap(), [0, 1, 2, 3, 4]);
        // Bytes that only the cut part needs may be missing, others not.
        assert_eq!(decode(HybridRle::new(&bytes[..3], 3, 5).unwrap()).unwrap(), [0, 1, 2, 3, 4]);
        assert!(decode(HybridRle::new(&bytes[..3], 3, 6).unwrap()).is_err());
        assert!(decode(HybridRle::new(&bytes[..3], 3, 8).unwrap()).is_err());
    }

    #[test]
    fn a_last_run_may_be_filled_up_by_several_groups() {
        // 32 values of 1 bit where 10 are wanted.
        let bytes = [4 << 1 | 1, 0xff, 0x01, 0, 0];
        let expected = [1, 1, 1, 1, 1, 1, 1, 1, 1, 0];
        assert_eq!(decode(HybridRle::new(&bytes, 1, 10).unwrap()).unwrap(), expected);
    }

    #[test]
    fn runs_add_up_or_fail() {
        let five = [5 << 1, 7];
        assert_eq!(decode(HybridRle::new(&five, 3, 5).unwrap()).unwrap(), [7; 5]);
        assert!(decode(HybridRle::new(&five, 3, 6).unwrap()).is_err());
        assert!(decode(HybridRle::new(&five, 3, 4).unwrap()).is_err());
        assert!(decode(HybridRle::new(&five, 2, 5).unwrap()).is_err());
        assert!(decode(HybridRle::new(&five[..1], 3, 5).unwrap()).is_err());
        assert!(decode(HybridRle::new(&[], 3, 1).unwrap()).is_err());
        assert!(decode(HybridRle::new(&[0xff, 0xff, 0xff, 0xff, 0x1f], 1, 9).unwrap()).is_err());
        assert!(HybridRle::new(&[], 33, 0).is_err());
    }

    #[test]
    fn width_zero_has_runs() {
        let mut runs = HybridRle::new(&[6], 0, 3).unwrap();
        assert_eq!(runs.next_run().unwrap(), Some(Run::Rle { value: 0, len: 3 }));
        assert_eq!(runs.next_run().unwrap(), None);
        let mut runs = HybridRle::new(&[3], 0, 3).unwrap();
        assert_eq!(runs.next_run().unwrap(), Some(Run::Packed { bytes: &[], len: 3 }));
    }

    #[test]
    fn empty_runs_end_with_the_stream() {
        assert!(decode(HybridRle::new(&[0; 1000], 0, 1).unwrap()).is_err());
        assert!(decode(HybridRle::new(&[1; 1000], 0, 1).unwrap()).is_err());
        assert_eq!(decode(HybridRle::new(&[0, 9, 1, 2, 9], 4, 1).unwrap()).unwrap(), [9]);
    }

    #[test]
    fn indices_begin_with_their_width() {
        assert_eq!(decode(HybridRle::indices(&[32, 2, 1, 0, 0, 128], 1).unwrap()).unwrap(), [0x8000_0001]);
        assert_eq!(decode(HybridRle::indices(&[], 0).unwrap()).unwrap(), [0u32; 0]);
        assert!(HybridRle::indices(&[], 1).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_add_up_or_fail(
            bytes in prop::collection::vec(any::<u8>(), 0..100), width in 0u8..=32, count in 0u32..2000,
        ) {
            if let Ok(values) = decode(HybridRle::new(&bytes, width, count).unwrap()) {
                prop_assert_eq!(values.len(), count as usize);
                prop_assert!(values.iter().all(|&v| u64::from(v) >> width == 0));
            }
        }
    }
}
