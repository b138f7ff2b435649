//! Encodes levels and dictionary ids as common writers do: hybrid RLE, bit-packed from the least significant bit.

/// Definition levels of a v1 page: length, then hybrid RLE; without nulls one run of ones.
pub fn definition_levels(levels: &[u32], nulls: usize) -> Vec<u8> {
    if nulls == 0 {
        return no_nulls(levels.len());
    }
    let mut encoded = vec![];
    hybrid_rle(levels, 1, &mut encoded);
    with_length(encoded)
}

/// [`definition_levels`] of so many rows without nulls.
pub fn no_nulls(rows: usize) -> Vec<u8> {
    let mut encoded = vec![];
    varint((rows as u64) << 1, &mut encoded);
    encoded.push(1);
    with_length(encoded)
}

fn with_length(encoded: Vec<u8>) -> Vec<u8> {
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
        // A run that begins among eight ids, of which two neighbours differ, may only be long from there on.
        if let Some(eight) = ids[at..].first_chunk::<8>()
            && let Some(last) = (1..8).rev().find(|next| eight[*next] != eight[next - 1])
        {
            at += last;
            continue;
        }
        let run = run_len(&ids[at..]);
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

/// The number of equal ids at the start.
fn run_len(ids: &[u32]) -> usize {
    let Some(first) = ids.first() else { return 0 };
    // All eight are compared: without a branch for each.
    let same = |eight: &&[u32; 8]| eight.iter().fold(true, |same, id| same & (id == first));
    let eights = 8 * ids.as_chunks::<8>().0.iter().take_while(same).count();
    eights + ids.iter().skip(eights).take_while(|id| *id == first).count()
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
pub fn pack(ids: &[u32], width: u8, out: &mut Vec<u8>) {
    let (eights, rest) = ids.as_chunks::<8>();
    if usize::from(width) > EIGHT_MAX {
        return pack_by_id(ids, width, out);
    }
    let (start, bytes) = (out.len(), usize::from(width));
    // Eight ids take `width` bytes; all sixteen are written, and the next eight ids overwrite those that are not theirs.
    out.resize(start + eights.len() * bytes + EIGHT_MAX, 0);
    let mut at = start;
    for eight in eights {
        let [low, high] = [0, 4].map(|from| {
            let four = eight.iter().skip(from).take(4).rev();
            four.fold(0u64, |bits, id| bits << width | u64::from(*id))
        });
        let bits = u128::from(low) | u128::from(high) << (4 * width);
        if let Some(to) = out.get_mut(at..).and_then(|out| out.first_chunk_mut::<EIGHT_MAX>()) {
            *to = bits.to_le_bytes();
        }
        at += bytes;
    }
    out.truncate(at);
    pack_by_id(rest, width, out);
}

/// The most bytes of eight packed ids that are written at once: ids of at most 16 bits.
const EIGHT_MAX: usize = 16;

#[allow(clippy::cast_possible_truncation)] // byte by byte
fn pack_by_id(ids: &[u32], width: u8, out: &mut Vec<u8>) {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// [`hybrid_rle`], run by run and id by id.
    fn naive(ids: &[u32], width: u8) -> Vec<u8> {
        let packed = |ids: &[u32], out: &mut Vec<u8>| {
            for chunk in ids.chunks(63 * 8) {
                varint((chunk.len().div_ceil(8) as u64) << 1 | 1, out);
                let padded = out.len() + chunk.len().div_ceil(8) * usize::from(width);
                pack_by_id(chunk, width, out);
                out.resize(padded, 0);
            }
        };
        let (mut out, mut from, mut at) = (vec![], 0, 0);
        while at < ids.len() {
            let run = ids[at..].iter().take_while(|id| **id == ids[at]).count();
            let fill = (8 - (at - from) % 8) % 8;
            if run >= fill + 8 {
                packed(&ids[from..at + fill], &mut out);
                varint(((run - fill) as u64) << 1, &mut out);
                out.extend(&ids[at].to_le_bytes()[..usize::from(width.div_ceil(8))]);
                from = at + run;
            }
            at += run;
        }
        packed(&ids[from..], &mut out);
        out
    }

    proptest! {
        #[test]
        fn ids_are_encoded_as_one_by_one(
            runs in prop::collection::vec((any::<u32>(), 1usize..30, 1usize..4), 0..200),
            width in 1u8..=32,
        ) {
            let limit = u32::MAX >> (32 - width);
            let mut ids: Vec<u32> = vec![];
            for (id, len, every) in runs {
                let len = if len % every == 0 { len } else { 1 };
                ids.resize(ids.len() + len, id & limit);
            }
            let mut got = vec![7];
            hybrid_rle(&ids, width, &mut got);
            prop_assert_eq!(&got[1..], naive(&ids, width));
        }
    }
}
