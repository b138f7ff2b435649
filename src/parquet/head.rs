//! Finds from the first bytes of a data page that none of its rows is null.
//!
//! Definition levels come first. Where no row is null they are one run of some
//! five bytes. V2 pages never compress them. The snappy block of a V1 page
//! begins with a literal, so its first bytes can be read without the rest.
//! For any other page the head shows nothing: the page has to be opened.

use super::codec::Codec;
use super::encoding::{HybridRleDecoder, RunOrPacked};
use super::page::{Encoding, PageKind, PageMeta};

/// Bytes of a page's body that are read.
pub const BYTES: u64 = 64;
/// Bytes of the decompressed head: the length of the levels, the header of a run, its value.
const HEAD: usize = 4 + 5 + 2;

/// Whether the first bytes of a page body show that the page has no null; false where they do
/// not decide it.
pub fn shows_no_nulls(bytes: &[u8], page: &PageMeta, codec: Codec, max_definition: u16) -> bool {
    let mut buffer = [0; HEAD];
    let levels = match page.kind {
        PageKind::Dictionary => return false,
        PageKind::V2 { definition_len, repetition_len, .. } => {
            bytes.get(repetition_len as usize..repetition_len as usize + definition_len as usize)
        }
        PageKind::V1 { definition_encoding: Encoding::Rle } => {
            let head = match codec {
                Codec::Uncompressed => Some(bytes),
                Codec::Snappy => snappy_head(bytes, &mut buffer),
                _ => None,
            };
            head.and_then(|head| head.split_first_chunk::<4>())
                .and_then(|(len, rest)| rest.get(..u32::from_le_bytes(*len) as usize))
        }
        PageKind::V1 { .. } => None,
    };
    levels.is_some_and(|levels| all_present(levels, max_definition, page.values))
}

/// Whether `levels` are one run of the highest level over all rows.
fn all_present(levels: &[u8], max: u16, rows: u32) -> bool {
    #[allow(clippy::cast_possible_truncation)] // at most 16
    let width = (u16::BITS - max.leading_zeros()) as u8;
    HybridRleDecoder::new(0, width, u32::from(max) + 1, rows)
        .and_then(|mut runs| runs.segment(levels))
        .is_ok_and(|segment| segment == RunOrPacked::Rle { value: max.into(), len: rows })
}

/// Decompresses the first bytes of a snappy block (format_description.txt of snappy), up to the
/// end of its first literal. A block begins with a literal, because there is nothing to copy from yet.
fn snappy_head<'o>(src: &[u8], out: &'o mut [u8; HEAD]) -> Option<&'o [u8]> {
    // The decompressed length, a varint.
    let start = src.iter().take(5).position(|byte| byte & 0x80 == 0)? + 1;
    let (tag, rest) = src.get(start..)?.split_first()?;
    if tag & 3 != 0 {
        return None;
    }
    let short = usize::from(tag >> 2);
    // From 60 on, the length less one follows in one to four bytes.
    let (len, rest) = match short {
        0..60 => (short + 1, rest),
        _ => {
            let (len, rest) = rest.split_at_checked(short - 59)?;
            (len.iter().rev().fold(0usize, |len, byte| len << 8 | usize::from(*byte)).saturating_add(1), rest)
        }
    };
    let len = len.min(out.len()).min(rest.len());
    let head = out.get_mut(..len)?;
    head.copy_from_slice(rest.get(..len)?);
    Some(head)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::cast_possible_truncation)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(kind: PageKind, values: u32) -> PageMeta {
        PageMeta {
            body: 0..0,
            uncompressed_len: 0,
            values,
            first_row: 0,
            encoding: Encoding::Dictionary,
            crc: None,
            kind,
        }
    }

    /// Levels as one run, after their length.
    fn levels(value: u8, rows: u32) -> Vec<u8> {
        let mut run = vec![];
        let mut header = rows << 1;
        while header > 0x7f {
            run.push(header as u8 | 0x80);
            header >>= 7;
        }
        run.extend([header as u8, value]);
        [(run.len() as u32).to_le_bytes().to_vec(), run].concat()
    }

    #[test]
    fn one_run_of_present_rows_shows_that_none_is_null() {
        let v1 = PageKind::V1 { definition_encoding: Encoding::Rle };
        for rows in [1, 100, 20_000, 3_000_000] {
            for (value, want) in [(1, true), (0, false)] {
                let bytes = [levels(value, rows), (0..200).collect()].concat();
                let snappy = snap::raw::Encoder::new().compress_vec(&bytes).unwrap();
                for (codec, bytes) in [(Codec::Uncompressed, &bytes), (Codec::Snappy, &snappy)] {
                    let head = &bytes[..bytes.len().min(BYTES as usize)];
                    assert_eq!(shows_no_nulls(head, &page(v1, rows), codec, 1), want, "{codec:?} {rows}");
                    assert!(!shows_no_nulls(head, &page(v1, rows + 1), codec, 1));
                }
                assert!(!shows_no_nulls(&bytes, &page(v1, rows), Codec::Zstd, 1));
                let v2 = PageKind::V2 {
                    definition_len: levels(1, rows).len() as u32 - 4,
                    repetition_len: 0,
                    is_compressed: true,
                };
                assert_eq!(shows_no_nulls(&levels(value, rows)[4..], &page(v2, rows), Codec::Zstd, 1), want);
            }
        }
    }

    proptest! {
        #[test]
        fn a_head_is_the_beginning_of_the_whole(bytes in prop::collection::vec(0u8..4, 0..3000)) {
            let snappy = snap::raw::Encoder::new().compress_vec(&bytes).unwrap();
            let mut out = [0; HEAD];
            if let Some(head) = snappy_head(&snappy, &mut out) {
                prop_assert!(bytes.starts_with(head));
            }
        }

        #[test]
        fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..100), rows in 0u32..100) {
            let v1 = PageKind::V1 { definition_encoding: Encoding::Rle };
            for codec in [Codec::Uncompressed, Codec::Snappy] {
                shows_no_nulls(&bytes, &page(v1, rows), codec, 1);
            }
        }
    }
}
