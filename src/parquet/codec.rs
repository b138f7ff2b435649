//! Page compression (Compression.md).
//!
//! The decompressed length comes from the page header and may be any number.
//! Memory is allocated only as far as the compressed bytes justify that length:
//! by the largest ratio of the codec, or as bytes are decompressed.

use std::io::Read;

use crate::kernel::snappy;
use crate::{Error, Result};

/// `parquet.thrift`, `CompressionCodec`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Not compressed.
    Uncompressed,
    /// Snappy's raw format.
    Snappy,
    /// RFC 1952.
    Gzip,
    /// Not supported: no current writer offers it.
    Lzo,
    /// RFC 7932.
    Brotli,
    /// LZ4 in Hadoop's framing; some writers use an LZ4 frame or a bare block instead.
    Lz4,
    /// RFC 8878.
    Zstd,
    /// LZ4 blocks without framing.
    Lz4Raw,
    /// A codec that this code does not know.
    Unknown(i32),
}

/// Snappy's longest copy per byte of input is 64 bytes from 3.
const SNAPPY_RATIO: usize = 22;
/// LZ4 prolongs a match by up to 255 bytes a byte.
const LZ4_RATIO: usize = 255;
/// Up to this ratio a length is trusted before the first byte is decompressed.
const USUAL_RATIO: usize = 32;
/// A length that is always trusted.
const USUAL_LEN: usize = 64 * 1024;
/// Brotli's input buffer.
const BROTLI_BUFFER: usize = 4096;

impl Codec {
    /// The codec with this id.
    pub fn from_id(id: i32) -> Self {
        match id {
            0 => Codec::Uncompressed,
            1 => Codec::Snappy,
            2 => Codec::Gzip,
            3 => Codec::Lzo,
            4 => Codec::Brotli,
            5 => Codec::Lz4,
            6 => Codec::Zstd,
            7 => Codec::Lz4Raw,
            id => Codec::Unknown(id),
        }
    }
}

/// Decompresses `src` to `uncompressed_len` bytes and returns them. `buffer` is reused from
/// page to page: it only grows, and may be longer than the page.
///
/// # Errors
/// `Format` when `src` is damaged or has another length, `Unsupported` for
/// codecs that are not supported.
pub fn decompress<'a>(
    codec: Codec,
    src: &'a [u8],
    uncompressed_len: usize,
    buffer: &'a mut Vec<u8>,
) -> Result<&'a [u8]> {
    // Some writers compress an empty page to no bytes.
    if src.is_empty() && uncompressed_len == 0 {
        return Ok(src);
    }
    let written = match codec {
        Codec::Uncompressed => return check_len(src.len(), uncompressed_len).map(|()| src),
        Codec::Snappy => snappy(src, uncompressed_len, buffer)?,
        Codec::Gzip => drain(flate2::bufread::MultiGzDecoder::new(src), src.len(), uncompressed_len, buffer)?,
        Codec::Brotli => {
            let reader = brotli_decompressor::Decompressor::new(src, BROTLI_BUFFER);
            drain(reader, src.len(), uncompressed_len, buffer)?
        }
        Codec::Zstd => zstd(src, uncompressed_len, buffer)?,
        Codec::Lz4Raw => lz4_block(src, uncompressed_len, buffer)?,
        Codec::Lz4 => lz4_framed(src, uncompressed_len, buffer)?,
        Codec::Lzo => return Err(unsupported("LZO")),
        Codec::Unknown(id) => return Err(unsupported(&format!("number {id}"))),
    };
    check_len(written, uncompressed_len)?;
    buffer.get(..written).ok_or_else(|| Error::internal("a codec wrote past its buffer"))
}

fn unsupported(name: &str) -> Error {
    Error::unsupported(format!("compression codec {name}"))
        .expected("none, snappy, gzip, brotli, lz4 or zstd")
        .advice("Export the file with one of these")
}

fn check_len(found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::format(format!("a page of {found} bytes"))
        .expected(format!("{expected}, as its header says"))
        .advice("The page is damaged; export the file again"))
}

fn damaged(codec: &str, reason: impl std::fmt::Display) -> Error {
    Error::format(format!("damaged {codec} data: {reason}"))
        .advice("The page is damaged; export the file again")
}

/// The first `len` bytes of `buffer`, which is filled with zeros only where it grows.
#[allow(clippy::indexing_slicing)] // the buffer has at least `len` bytes
fn room(buffer: &mut Vec<u8>, len: usize) -> &mut [u8] {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
    &mut buffer[..len]
}

/// Fails if `compressed` bytes cannot decompress to `len`.
fn check_ratio(codec: &str, compressed: usize, len: usize, ratio: usize) -> Result<()> {
    if len <= compressed.saturating_mul(ratio).saturating_add(64) {
        return Ok(());
    }
    Err(damaged(codec, format!("{compressed} bytes cannot stand for {len}")))
}

fn snappy(src: &[u8], len: usize, buffer: &mut Vec<u8>) -> Result<usize> {
    let stated = snap::raw::decompress_len(src).map_err(|e| damaged("snappy", e))?;
    check_len(stated, len)?;
    check_ratio("snappy", src.len(), len, SNAPPY_RATIO)?;
    if snappy::decompress(src, len, room(buffer, len.saturating_add(snappy::SLACK))).is_some() {
        return Ok(len);
    }
    // The CPU has no vector path, or the page is damaged: the library decodes it, or says what is wrong.
    snap::raw::Decoder::new().decompress(src, room(buffer, len)).map_err(|e| damaged("snappy", e))
}

/// Decompresses two snappy pages interleaved, each given as stored bytes, length and buffer. Returns
/// false where they have to be decompressed one by one, which reports any damage.
pub fn snappy_two(pages: [(&[u8], usize, &mut Vec<u8>); 2]) -> bool {
    let blocks = pages.map(|(src, len, buffer)| {
        check_ratio("snappy", src.len(), len, SNAPPY_RATIO).ok()?;
        // A block of one literal is not copied.
        let copied = snappy::as_single_literal(src, len).is_none();
        copied.then(|| snappy::Block { src, len, out: room(buffer, len.saturating_add(snappy::SLACK)) })
    });
    let [Some(one), Some(other)] = blocks else { return false };
    snappy::decompress_two(one, other).is_some()
}

fn lz4_block(src: &[u8], len: usize, buffer: &mut Vec<u8>) -> Result<usize> {
    check_ratio("lz4", src.len(), len, LZ4_RATIO)?;
    lz4_flex::block::decompress_into(src, room(buffer, len)).map_err(|e| damaged("lz4", e))
}

/// The framing of the deprecated LZ4 codec was never specified (Compression.md,
/// "LZ4"): it is Hadoop's framing, an LZ4 frame, or a bare block. Each is tried; only
/// the right one gives the right length.
fn lz4_framed(src: &[u8], len: usize, buffer: &mut Vec<u8>) -> Result<usize> {
    check_ratio("lz4", src.len(), len, LZ4_RATIO)?;
    if hadoop(src, room(buffer, len)).is_some() {
        return Ok(len);
    }
    if src.starts_with(&[0x04, 0x22, 0x4d, 0x18])
        && let Ok(written) = drain(lz4_flex::frame::FrameDecoder::new(src), src.len(), len, buffer)
    {
        return Ok(written);
    }
    lz4_block(src, len, buffer)
}

/// Decompresses Hadoop's framing: frames of a big-endian decompressed length, then blocks, each
/// after its big-endian compressed length, until the frame has that many bytes.
/// `None` unless `out` is filled exactly.
fn hadoop(mut src: &[u8], mut out: &mut [u8]) -> Option<()> {
    while !src.is_empty() {
        let (frame, rest) = src.split_first_chunk::<4>()?;
        src = rest;
        let mut left = usize::try_from(u32::from_be_bytes(*frame)).ok()?;
        // parquet-rs puts a block even into an empty frame.
        if left == 0
            && let Some((len, block)) = src.split_first_chunk::<4>()
            && usize::try_from(u32::from_be_bytes(*len)) == Ok(block.len())
        {
            break;
        }
        while left > 0 {
            let (block, rest) = src.split_first_chunk::<4>()?;
            let (block, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*block)).ok()?)?;
            src = rest;
            let written = lz4_flex::block::decompress_into(block, out.get_mut(..left)?).ok()?;
            // An empty block would make this loop endless.
            left = left.checked_sub(written).filter(|_| written > 0)?;
            out = out.get_mut(written..)?;
        }
    }
    out.is_empty().then_some(())
}

fn zstd(src: &[u8], len: usize, buffer: &mut Vec<u8>) -> Result<usize> {
    use zstd::zstd_safe::{DCtx, get_error_name, is_error_kind, zstd_sys::ZSTD_ErrorCode};
    thread_local! {
        // Pages are small, and a context is 150 KiB: creating one costs more than most pages.
        static CONTEXT: std::cell::RefCell<DCtx<'static>> = std::cell::RefCell::new(DCtx::create());
    }
    let mut limit = trusted_len(src.len(), len);
    loop {
        let outcome = CONTEXT.with_borrow_mut(|context| context.decompress(room(buffer, limit), src));
        match outcome {
            Ok(written) => return Ok(written),
            // That many bytes were decompressed: a larger length can be trusted.
            Err(code) if limit < len && is_error_kind(code, ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall) => {
                limit = limit.saturating_mul(4).min(len);
            }
            Err(code) => return Err(damaged("zstd", get_error_name(code))),
        }
    }
}

/// How much of `len` to allocate before the first byte is decompressed.
fn trusted_len(compressed: usize, len: usize) -> usize {
    len.min(compressed.saturating_mul(USUAL_RATIO).saturating_add(USUAL_LEN))
}

/// Reads `len` bytes or fewer; fails if there are more.
#[allow(clippy::indexing_slicing)] // `written` is below `limit`
fn drain(mut reader: impl Read, compressed: usize, len: usize, buffer: &mut Vec<u8>) -> Result<usize> {
    let mut limit = trusted_len(compressed, len);
    let mut written = 0;
    loop {
        while written < limit {
            let out = &mut room(buffer, limit)[written..];
            match reader.read(out) {
                Ok(0) => return Ok(written),
                Ok(read) => written += read,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(damaged("page", e)),
            }
        }
        if limit == len {
            break;
        }
        limit = limit.saturating_mul(4).min(len);
    }
    // Reading to the end also verifies the checksums of gzip.
    match reader.read(&mut [0]) {
        Ok(0) => Ok(written),
        Ok(_) => Err(damaged("page", format!("more than {len} bytes"))),
        Err(e) => Err(damaged("page", e)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    const ALL: [Codec; 7] = [
        Codec::Uncompressed,
        Codec::Snappy,
        Codec::Gzip,
        Codec::Brotli,
        Codec::Lz4,
        Codec::Zstd,
        Codec::Lz4Raw,
    ];

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    fn frame(bytes: &[u8]) -> Vec<u8> {
        let mut writer = lz4_flex::frame::FrameEncoder::new(vec![]);
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    /// Hadoop's framing with frames of up to 1000 bytes.
    fn hadoop_frames(bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![];
        for part in bytes.chunks(1000) {
            out.extend((part.len() as u32).to_be_bytes());
            // Two blocks a frame, as Hadoop makes when its buffer is small.
            for part in [&part[..part.len() / 2], &part[part.len() / 2..]] {
                if !part.is_empty() {
                    let block = lz4_flex::block::compress(part);
                    out.extend((block.len() as u32).to_be_bytes());
                    out.extend(block);
                }
            }
        }
        out
    }

    fn compressed(bytes: &[u8]) -> Vec<(Codec, Vec<u8>)> {
        vec![
            (Codec::Uncompressed, bytes.to_vec()),
            (Codec::Snappy, snap::raw::Encoder::new().compress_vec(bytes).unwrap()),
            (Codec::Gzip, gzip(bytes)),
            // Two members, one after the other.
            (Codec::Gzip, [gzip(&bytes[..bytes.len() / 2]), gzip(&bytes[bytes.len() / 2..])].concat()),
            (Codec::Zstd, zstd::bulk::compress(bytes, 1).unwrap()),
            (Codec::Zstd, zstd::stream::encode_all(bytes, 1).unwrap()),
            (Codec::Lz4Raw, lz4_flex::block::compress(bytes)),
            (Codec::Lz4, lz4_flex::block::compress(bytes)),
            (Codec::Lz4, frame(bytes)),
            (Codec::Lz4, hadoop_frames(bytes)),
        ]
    }

    #[test]
    fn every_framing_comes_back_at_its_exact_length_only() {
        let mut buffer = vec![];
        for len in [0, 1, 7, 1000, 5000, 300_000] {
            let bytes: Vec<u8> = (0..len).map(|i: u32| (i / 7 % 251) as u8).collect();
            for (codec, src) in compressed(&bytes) {
                let out = decompress(codec, &src, bytes.len(), &mut buffer).unwrap();
                assert!(out == bytes, "{codec:?} {len}");
                assert!(decompress(codec, &src, bytes.len() + 1, &mut buffer).is_err(), "{codec:?} {len}");
                if len > 0 {
                    assert!(
                        decompress(codec, &src, bytes.len() - 1, &mut buffer).is_err(),
                        "{codec:?} {len}"
                    );
                    let cut = &src[..src.len() / 2];
                    assert!(decompress(codec, cut, bytes.len(), &mut buffer).is_err(), "{codec:?} {len}");
                }
            }
        }
    }

    #[test]
    fn high_ratios_are_read_as_they_come() {
        let bytes = vec![0; 20_000_000];
        for (codec, src) in compressed(&bytes) {
            assert!(decompress(codec, &src, bytes.len(), &mut vec![]).unwrap() == bytes, "{codec:?}");
        }
    }

    #[test]
    fn a_hostile_length_takes_no_memory() {
        for (codec, src) in compressed(&[7; 1000]) {
            let mut buffer = vec![];
            assert!(decompress(codec, &src, i32::MAX as usize, &mut buffer).is_err());
            assert!(buffer.len() < 2_000_000, "{codec:?} {}", buffer.len());
        }
    }

    #[test]
    fn an_empty_frame_may_hold_a_block() {
        let frame = [0, 0, 0, 0, 0, 0, 0, 1, 0];
        assert_eq!(decompress(Codec::Lz4, &frame, 0, &mut vec![]).unwrap(), b"");
        assert!(decompress(Codec::Lz4, &frame, 1, &mut vec![]).is_err());
    }

    #[test]
    fn unsupported_codecs_are_named() {
        for codec in [Codec::Lzo, Codec::from_id(99)] {
            assert!(matches!(decompress(codec, &[1], 1, &mut vec![]), Err(Error::Unsupported(_))));
        }
        assert_eq!(decompress(Codec::Snappy, &[], 0, &mut vec![]).unwrap(), &[0u8; 0]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_decompressed_or_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..300), len in 0usize..5000,
        ) {
            for codec in ALL {
                if let Ok(out) = decompress(codec, &bytes, len, &mut vec![]) {
                    prop_assert_eq!(out.len(), len);
                }
            }
        }

        #[test]
        fn flipped_bits_are_decompressed_or_refused(at: prop::sample::Index, flip in 1u8..) {
            let bytes: Vec<u8> = (0..3000u32).map(|i| (i * i / 50) as u8).collect();
            for (codec, mut src) in compressed(&bytes) {
                let at = at.index(src.len());
                src[at] ^= flip;
                if let Ok(out) = decompress(codec, &src, bytes.len(), &mut vec![]) {
                    prop_assert_eq!(out.len(), bytes.len());
                }
            }
        }
    }
}
