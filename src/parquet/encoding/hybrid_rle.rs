//! The hybrid of run-length encoding and bit packing (Encodings.md, "Run
//! Length Encoding / Bit-Packing Hybrid"): dictionary ids, levels, booleans.
//!
//! A decoder is a position in the stream, separate from its bytes.
//! The bytes of a page are in a reused buffer, so a decoder that borrowed them
//! could not be kept beside that buffer. This one holds offsets only, and
//! every call takes the bytes.
//!
//! The runs add up to the page's count, or decoding fails: a stream that
//! ends early is never read as zeros. Values past the count in the last bit-packed
//! run are ignored, since writers pad it (DuckDB to 32 values).

use crate::kernel::unpack::{self, Between, Packed};
use crate::{Error, Result};

/// The next values of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunOrPacked {
    /// A run: `len` times the same value.
    Rle {
        /// The value.
        value: u32,
        /// How often.
        len: u32,
    },
    /// `len` values that may differ.
    BitPacked {
        /// How many.
        len: u32,
    },
}

impl RunOrPacked {
    /// Values in it.
    pub fn len(self) -> u32 {
        match self {
            RunOrPacked::Rle { len, .. } | RunOrPacked::BitPacked { len } => len,
        }
    }

    /// The first `most` values of it.
    #[inline]
    pub fn at_most(self, most: u32) -> Self {
        match self {
            RunOrPacked::Rle { value, len } => RunOrPacked::Rle { value, len: len.min(most) },
            RunOrPacked::BitPacked { len } => RunOrPacked::BitPacked { len: len.min(most) },
        }
    }

    /// Whether it has no values.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// The first of some values, and the first one past them.
pub type Span = (u32, u32);

/// A position in a hybrid stream.
#[derive(Debug, Clone, Default)]
pub struct HybridRleDecoder {
    /// Byte of the next run's header.
    next: usize,
    /// Bits per value.
    width: u8,
    /// All values must be below this.
    limit: u32,
    /// Values in runs that were not read yet.
    unread: u32,
    /// Whether the current run is bit-packed.
    packed: bool,
    /// The value of the current run, unless it is bit-packed.
    value: u32,
    /// Values left of the current run.
    left: u32,
    /// The bit of the next value of a bit-packed run.
    bit: usize,
}

impl HybridRleDecoder {
    /// A stream of `count` values of `width` bits, each below `limit`, whose
    /// first run header is at byte `start`.
    pub fn new(start: usize, width: u8, limit: u32, count: u32) -> Result<Self> {
        if width > 32 {
            return Err(Error::format(format!("bit width {width} of dictionary ids")).expected("at most 32"));
        }
        Ok(HybridRleDecoder { next: start, width, limit, unread: count, ..HybridRleDecoder::default() })
    }

    /// `count` values of `width` bits, bit-packed without a header, that begin at
    /// byte `start`; callers have checked that the bytes are there.
    pub fn packed(start: usize, width: u8, limit: u32, count: u32) -> Self {
        HybridRleDecoder {
            width,
            limit,
            packed: true,
            left: count,
            bit: start * 8,
            ..HybridRleDecoder::default()
        }
    }

    /// Values left.
    pub fn remaining(&self) -> u32 {
        self.left + self.unread
    }

    /// The next values up to the end of their run; empty at the end of the stream.
    ///
    /// # Errors
    /// `Format` when the stream is damaged.
    #[inline]
    pub fn segment(&mut self, bytes: &[u8]) -> Result<RunOrPacked> {
        if self.left == 0 && self.unread > 0 {
            self.load(bytes)?;
        }
        Ok(if self.packed {
            RunOrPacked::BitPacked { len: self.left }
        } else {
            RunOrPacked::Rle { value: self.value, len: self.left }
        })
    }

    /// The rest of the current bit-packed run, and how many values it has. `None` for an RLE run,
    /// at the end, and where the stream is damaged, which the next read reports. The values are
    /// not compared with the limit.
    #[inline]
    pub fn packed_values<'b>(&mut self, bytes: &'b [u8]) -> Option<(Packed<'b>, u32)> {
        if self.left == 0 && self.unread > 0 {
            self.load(bytes).ok()?;
        }
        let packed = Packed { bytes, start: self.bit, width: self.width };
        (self.packed && self.left > 0).then_some((packed, self.left))
    }

    /// The length and the value of the next run and the byte after it, if it is an RLE run, its header has one
    /// or two bytes and its value `size`, one or two. Declines where the page ends within it and where the value is
    /// out of range.
    #[inline(always)]
    fn short_run(&self, bytes: &[u8], size: usize) -> Option<(u32, u32, usize)> {
        let mut at = self.next + 1;
        let mut header = u32::from(*bytes.get(self.next)?);
        if header >= 0x80 {
            let second = u32::from(*bytes.get(at)?);
            if second >= 0x80 {
                return None;
            }
            header = header & 0x7f | second << 7;
            at += 1;
        }
        let len = header >> 1;
        if header & 1 == 1 || len == 0 {
            return None;
        }
        let low = u32::from(*bytes.get(at)?);
        let value = if size == 2 { low | u32::from(*bytes.get(at + 1)?) << 8 } else { low };
        (value < self.limit).then_some((len, value, at + size))
    }

    /// Skips `n` values and returns the next ones: a fast path for [`Self::skip`] and
    /// [`Self::segment`]. Declines (`None`, nothing is skipped) unless the values end within the
    /// current run, or with it and the next one is a plain RLE run.
    #[inline]
    pub fn segment_after(&mut self, bytes: &[u8], n: u32) -> Option<RunOrPacked> {
        if n < self.left {
            self.advance(n);
        } else {
            if n > self.left {
                return None;
            }
            let size = usize::from(self.width.div_ceil(8));
            let (len, value, end) = self.short_run(bytes, size)?;
            if size == 0 || size > 2 || len > self.unread {
                return None;
            }
            self.packed = false;
            self.value = value;
            self.left = len;
            self.unread -= len;
            self.next = end;
        }
        Some(if self.packed {
            RunOrPacked::BitPacked { len: self.left }
        } else {
            RunOrPacked::Rle { value: self.value, len: self.left }
        })
    }

    /// Walks RLE runs as long as they are plain ones (headers of one or two bytes, values of one), over
    /// at most `most` values. Writes the spans of the runs whose value has a 1 in `pass`; returns
    /// their number and how many values were walked. It does not branch on the values:
    /// which run passes is unpredictable.
    #[inline]
    pub fn spans(&mut self, bytes: &[u8], pass: &[u8], most: u32, spans: &mut [Span]) -> (usize, u32) {
        if self.packed && self.left > 0 || self.width == 0 || self.width > 8 {
            return (0, 0);
        }
        let (mut n, mut at) = (0, 0);
        let mut push = |value: u32, len: u32| -> Option<u32> {
            let passes = *pass.get(value as usize)?;
            *spans.get_mut(n)? = (at, at + len);
            n += usize::from(passes);
            at += len;
            Some(len)
        };
        let first = self.left.min(most);
        if first > 0 && push(self.value, first).is_none() {
            return (0, 0);
        }
        self.left -= first;
        let mut room = most - first;
        while self.left == 0
            && let Some((len, value, end)) = self.short_run(bytes, 1)
        {
            if len > self.unread || len > room || push(value, len).is_none() {
                break;
            }
            self.unread -= len;
            self.next = end;
            room -= len;
        }
        (n, most - room)
    }

    /// Reads the next run's header (parquet-format, Encodings.md, "RLE").
    fn load(&mut self, bytes: &[u8]) -> Result<()> {
        let (header, at) = varint(bytes, self.next).ok_or_else(|| self.short("a run header", bytes.len()))?;
        let count = header >> 1;
        if count == 0 {
            return Err(Error::format("a run of no values").expected("runs of at least one value"));
        }
        if header & 1 == 1 {
            // `count` groups of eight values; the last one may reach past the page's count.
            let values = count.saturating_mul(8).min(u64::from(self.unread));
            let bits = values * u64::from(self.width);
            let available = (bytes.len().saturating_sub(at) as u64).saturating_mul(8);
            if bits > available {
                return Err(self.short("a bit-packed run", bytes.len()));
            }
            self.packed = true;
            #[allow(clippy::cast_possible_truncation)] // at most `unread`, a u32
            let values = values as u32;
            self.left = values;
            self.bit = at * 8;
            let whole = count.saturating_mul(u64::from(self.width));
            self.next = usize::try_from(whole).map_or(usize::MAX, |n| at.saturating_add(n));
        } else {
            // The value is stored in as many whole bytes as its bits need.
            let size = usize::from(self.width.div_ceil(8));
            let raw = bytes.get(at..at + size).ok_or_else(|| self.short("a repeated value", bytes.len()))?;
            let value = raw.iter().rev().fold(0u32, |v, b| v << 8 | u32::from(*b));
            self.packed = false;
            self.value = value;
            if value >= self.limit {
                return Err(self.out_of_range(value));
            }
            #[allow(clippy::cast_possible_truncation)] // at most `unread`, a u32
            let len = count.min(u64::from(self.unread)) as u32;
            if count > u64::from(self.unread) {
                return Err(Error::format(format!("a run of {count} values"))
                    .expected(format!("at most the {} that the page has left", self.unread)));
            }
            self.left = len;
            self.next = at + size;
        }
        self.unread -= self.left;
        Ok(())
    }

    #[cold]
    fn short(&self, what: &str, len: usize) -> Error {
        Error::format(format!("the ids end within {what}, at byte {len}"))
            .expected(format!("{} more values", self.remaining()))
    }

    #[cold]
    fn out_of_range(&self, value: u32) -> Error {
        Error::format(format!("dictionary id {value}"))
            .expected(format!("an id below {}, the size of the dictionary", self.limit))
    }

    /// Skips `n` values; those of bit-packed runs are not compared with the limit.
    pub fn skip(&mut self, bytes: &[u8], mut n: u32) -> Result<()> {
        while n > 0 {
            let take = self.segment(bytes)?.len().min(n);
            if take == 0 {
                return Err(self.short("the page", bytes.len()));
            }
            self.advance(take);
            n -= take;
        }
        Ok(())
    }

    /// Skips `n` values of the current run, which has as many left.
    #[inline]
    pub fn advance(&mut self, n: u32) {
        self.left -= n;
        if self.packed {
            self.bit += n as usize * usize::from(self.width);
        }
    }

    /// Reads `out.len()` values, which fit 16 bits because the limit does.
    #[inline]
    #[allow(clippy::indexing_slicing)] // no more values are decoded than there is room for
    pub fn read_u16(&mut self, bytes: &[u8], out: &mut [u16]) -> Result<()> {
        debug_assert!(self.limit <= 1 << 16);
        if self.width > 16 {
            return self.read_too_wide(bytes, out);
        }
        let mut out = out;
        while !out.is_empty() {
            if self.left == 0 {
                // Whole runs are decoded together as long as they are plain ones.
                let mut at = Between { next: self.next, unread: self.unread };
                let (done, max) = unpack::hybrid_u16(bytes, self.width, &mut at, out);
                if done > 0 {
                    if u32::from(max) >= self.limit {
                        return Err(self.out_of_range(max.into()));
                    }
                    (self.next, self.unread) = (at.next, at.unread);
                    out = &mut out[done..];
                    continue;
                }
            }
            out = self.read_run(
                bytes,
                out,
                |bytes, bit, width, out| unpack::unpack_u16(bytes, bit, width, out).into(),
                #[allow(clippy::cast_possible_truncation)] // below the limit
                |v| v as u16,
            )?;
        }
        Ok(())
    }

    /// [`Self::read_u16`] where the writer has used more bits than its dictionary needs.
    #[cold]
    #[allow(clippy::indexing_slicing)] // chunks are at most as long as the block
    fn read_too_wide(&mut self, bytes: &[u8], out: &mut [u16]) -> Result<()> {
        for out in out.chunks_mut(256) {
            let mut wide = [0; 256];
            let wide = &mut wide[..out.len()];
            self.read_u32(bytes, wide)?;
            for (to, from) in out.iter_mut().zip(wide) {
                #[allow(clippy::cast_possible_truncation)] // below the limit
                let value = *from as u16;
                *to = value;
            }
        }
        Ok(())
    }

    /// Reads `out.len()` values.
    pub fn read_u32(&mut self, bytes: &[u8], out: &mut [u32]) -> Result<()> {
        let mut out = out;
        while !out.is_empty() {
            out = self.read_run(bytes, out, unpack::unpack_u32, |v| v)?;
        }
        Ok(())
    }

    /// Reads values of the current run, and returns the part of `out` that is not filled.
    #[inline]
    fn read_run<'o, T: Copy>(
        &mut self,
        bytes: &[u8],
        out: &'o mut [T],
        unpack: impl Fn(&[u8], usize, u8, &mut [T]) -> u32,
        narrow: impl Fn(u32) -> T,
    ) -> Result<&'o mut [T]> {
        if self.left == 0 {
            if self.unread == 0 {
                return Err(self.short("the page", bytes.len()));
            }
            self.load(bytes)?;
        }
        let take = (self.left as usize).min(out.len());
        let (head, tail) = out.split_at_mut(take);
        if self.packed {
            let max = unpack(bytes, self.bit, self.width, head);
            if max >= self.limit {
                return Err(self.out_of_range(max));
            }
        } else {
            head.fill(narrow(self.value));
        }
        #[allow(clippy::cast_possible_truncation)] // at most `left`, a u32
        self.advance(take as u32);
        Ok(tail)
    }
}

/// A ULEB128 number of at most 32 bits, and the byte after it.
fn varint(bytes: &[u8], start: usize) -> Option<(u64, usize)> {
    let mut value = 0;
    for (i, byte) in bytes.get(start..)?.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return (value <= u64::from(u32::MAX)).then_some((value, start + i + 1));
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::cast_possible_truncation)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A plain encoder: runs of eight or more repeat, the rest is packed.
    fn encode(values: &[u32], width: u8) -> Vec<u8> {
        let mut out = vec![];
        let header = |out: &mut Vec<u8>, mut n: u32| loop {
            let more = n > 0x7f;
            out.push((n & 0x7f) as u8 | if more { 0x80 } else { 0 });
            n >>= 7;
            if !more {
                break;
            }
        };
        let mut at = 0;
        while at < values.len() {
            let run = values[at..].iter().take_while(|v| **v == values[at]).count();
            if run >= 8 || width == 0 {
                header(&mut out, (run as u32) << 1);
                out.extend(&values[at].to_le_bytes()[..usize::from(width.div_ceil(8))]);
                at += run;
            } else {
                header(&mut out, 1 << 1 | 1);
                let bits: Vec<u32> = (0..8)
                    .flat_map(|i| {
                        let value = values.get(at + i).copied().unwrap_or(0);
                        (0..width).map(move |bit| value >> bit & 1)
                    })
                    .collect();
                out.extend(
                    bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |b, bit| b << 1 | *bit as u8)),
                );
                at += 8;
            }
        }
        out
    }

    proptest! {
        #[test]
        fn reads_back_in_any_steps(
            width in 1u8..=16,
            runs in proptest::collection::vec(
                (any::<u16>(), prop_oneof![6 => 1usize..40, 3 => 64usize..300, 1 => 8_000usize..20_000]),
                0..200,
            ),
            steps in proptest::collection::vec((0u8..4, prop_oneof![4 => 1u32..400, 1 => 400u32..20_000]), 1..60),
        ) {
            let values: Vec<u32> =
                runs.iter().flat_map(|(v, n)| std::iter::repeat_n(u32::from(*v) & ((1 << width) - 1), *n)).collect();
            let bytes = encode(&values, width);
            let mut reader = HybridRleDecoder::new(0, width, 1 << width, values.len() as u32).unwrap();
            let mut at = 0usize;
            for (kind, n) in steps.iter().cycle().take(500) {
                let n = (*n).min(reader.remaining());
                match kind {
                    0 => reader.skip(&bytes, n).unwrap(),
                    3 => {
                        let mut slow = reader.clone();
                        slow.skip(&bytes, n).unwrap();
                        let want = slow.segment(&bytes).unwrap();
                        match reader.segment_after(&bytes, n) {
                            Some(segment) => prop_assert_eq!(segment, want),
                            None => reader.skip(&bytes, n).unwrap(),
                        }
                    }
                    1 => {
                        let mut out = vec![0u16; n as usize];
                        reader.read_u16(&bytes, &mut out).unwrap();
                        prop_assert!(out.iter().map(|v| u32::from(*v)).eq(values[at..at + n as usize].iter().copied()));
                    }
                    _ => {
                        let mut out = vec![0u32; n as usize];
                        reader.read_u32(&bytes, &mut out).unwrap();
                        prop_assert_eq!(&out[..], &values[at..at + n as usize]);
                    }
                }
                at += n as usize;
            }
            prop_assert_eq!(reader.remaining() as usize, values.len() - at);
        }

        #[test]
        fn spans_are_the_runs_that_pass(
            runs in proptest::collection::vec(
                (0u8..5, prop_oneof![6 => 1u32..100, 3 => 64u32..600, 1 => 8_000u32..20_000]),
                0..100,
            ),
            skipped in 0u32..200, most in prop_oneof![0u32..3000, 0u32..60_000], room in 0usize..9,
        ) {
            let values: Vec<u32> = runs.iter().flat_map(|(v, n)| std::iter::repeat_n((*v).into(), *n as usize)).collect();
            let bytes = encode(&values, 3);
            let mut reader = HybridRleDecoder::new(0, 3, 5, values.len() as u32).unwrap();
            let skipped = skipped.min(reader.remaining());
            reader.skip(&bytes, skipped).unwrap();
            let (mut slow, pass) = (reader.clone(), [0, 1, 0, 0, 1]);
            let mut spans = vec![(0, 0); room];
            let (n, passed) = reader.spans(&bytes, &pass, most, &mut spans);
            prop_assert!(passed <= most);
            let covered = |row: u32| spans[..n].iter().any(|(start, end)| (*start..*end).contains(&row));
            for row in 0..passed {
                let value = values[(skipped + row) as usize];
                prop_assert_eq!(covered(row), pass[value as usize] == 1);
            }
            slow.skip(&bytes, passed).unwrap();
            prop_assert_eq!(reader.remaining(), slow.remaining());
            if reader.remaining() > 0 {
                prop_assert_eq!(reader.segment(&bytes).unwrap(), slow.segment(&bytes).unwrap());
            }
        }

        #[test]
        fn any_bytes_give_values_in_range_or_an_error(
            bytes in proptest::collection::vec(any::<u8>(), 0..300), width in 0u8..=32, limit in 0u32..300, count in 0u32..5000,
        ) {
            let mut reader = HybridRleDecoder::new(0, width, limit, count).unwrap();
            let mut out = vec![0u32; count as usize];
            let ok = reader.read_u32(&bytes, &mut out).is_ok();
            if ok {
                prop_assert!(out.iter().all(|v| *v < limit));
            }
            let mut reader = HybridRleDecoder::new(0, width, limit, count).unwrap();
            let mut narrow = vec![0u16; count as usize];
            prop_assert_eq!(reader.read_u16(&bytes, &mut narrow).is_ok(), ok);
            prop_assert!(!ok || narrow.iter().zip(&out).all(|(a, b)| u32::from(*a) == *b));
        }
    }

    #[test]
    fn an_early_end_is_an_error() {
        let bytes = encode(&[5; 20], 3);
        let mut out = [0u16; 21];
        let mut reader = HybridRleDecoder::new(0, 3, 8, 21).unwrap();
        assert!(reader.read_u16(&bytes, &mut out).is_err());
        let mut reader = HybridRleDecoder::new(0, 3, 5, 20).unwrap();
        assert!(reader.read_u16(&bytes, &mut out[..20]).is_err(), "id 5 in a dictionary of 5");
    }
}
