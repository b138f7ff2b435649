//! Encodes levels and dictionary ids as common writers do: hybrid RLE, bit-packed from the least significant bit.

/// Definition levels of a v1 page: length, then hybrid RLE; without nulls one run of ones.
pub fn definition_levels(levels: &[u32], nulls: usize) -> Vec<u8> {
    let mut encoded = vec![];
    if nulls == 0 {
        varint((levels.len() as u64) << 1, &mut encoded);
        encoded.push(1);
    } else {
        hybrid_rle(levels, 1, &mut encoded);
    }
    let mut body = u32::try_from(encoded.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
    body.extend(encoded);
    body
}

/// Bits an id takes; one even where there is a single entry, as Arrow writes it.
#[allow(clippy::cast_possible_truncation)] // at most 64
pub fn id_width(entries: usize) -> u8 {
    (usize::BITS - entries.saturating_sub(1).leading_zeros()).max(1) as u8
}

/// Appends an unsigned LEB128 number.
#[allow(clippy::cast_possible_truncation)] // masked
pub fn varint(mut n: u64, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Eight or more equal ids become an RLE run; the rest is bit-packed in groups of eight, at most 63
/// groups under one header, so that the header takes one byte.
#[allow(clippy::indexing_slicing)] // indices stay below the length
pub fn hybrid_rle(ids: &[u32], width: u8, out: &mut Vec<u8>) {
    let mut packed_from = 0;
    let mut at = 0;
    while at < ids.len() {
        let run = ids[at..].iter().take_while(|id| **id == ids[at]).count();
        // The length of a bit-packed run is a multiple of eight: ids of the RLE run may have to fill it.
        let fill = (8 - (at - packed_from) % 8) % 8;
        if run >= fill + 8 {
            bit_packed(&ids[packed_from..at + fill], width, out);
            varint(((run - fill) as u64) << 1, out);
            out.extend(&ids[at].to_le_bytes()[..usize::from(width.div_ceil(8))]);
            packed_from = at + run;
        }
        at += run;
    }
    bit_packed(&ids[packed_from..], width, out);
}

fn bit_packed(ids: &[u32], width: u8, out: &mut Vec<u8>) {
    for chunk in ids.chunks(63 * 8) {
        varint((chunk.len().div_ceil(8) as u64) << 1 | 1, out);
        let padded = out.len() + chunk.len().div_ceil(8) * usize::from(width);
        pack(chunk, width, out);
        out.resize(padded, 0);
    }
}

/// Packs from the least significant bit.
#[allow(clippy::cast_possible_truncation)] // byte by byte
pub fn pack(ids: &[u32], width: u8, out: &mut Vec<u8>) {
    let (mut bits, mut count) = (0u64, 0);
    for id in ids {
        bits |= u64::from(*id) << count;
        count += width;
        while count >= 8 {
            out.push(bits as u8);
            bits >>= 8;
            count -= 8;
        }
    }
    if count > 0 {
        out.push(bits as u8);
    }
}
