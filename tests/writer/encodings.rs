//! The encodings of pages (parquet-format, Encodings.md).

use super::thrift::{varint, zigzag};

/// One value that is not null.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Int32(i32),
    Int64(i64),
    Double(f64),
    Text(String),
}

impl Cell {
    /// The bytes of a bound in statistics: PLAIN without a length.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Cell::Int32(n) => n.to_le_bytes().to_vec(),
            Cell::Int64(n) => n.to_le_bytes().to_vec(),
            Cell::Double(x) => x.to_le_bytes().to_vec(),
            Cell::Text(text) => text.clone().into_bytes(),
        }
    }

    fn integer(&self) -> i64 {
        match self {
            Cell::Int32(n) => i64::from(*n),
            Cell::Int64(n) => *n,
            other => panic!("{other:?} is not an integer"),
        }
    }
}

/// How the deltas of a delta encoding are stored. Sums wrap, so both are valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deltas {
    /// The frame of reference is the smallest delta as a signed integer.
    Signed,
    /// The frame of reference is the smallest delta as an unsigned integer, so that the
    /// sums of a falling sequence wrap. pyarrow 12 and 13 do so.
    Unsigned,
}

/// The encoding of the data pages of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Plain,
    Dictionary,
    DeltaBinaryPacked(Deltas),
    DeltaLengthByteArray(Deltas),
    DeltaByteArray(Deltas),
}

impl Encoding {
    /// `parquet.thrift`, `Encoding`.
    pub fn id(self) -> i32 {
        match self {
            Encoding::Plain => 0,
            Encoding::Dictionary => 8,
            Encoding::DeltaBinaryPacked(_) => 5,
            Encoding::DeltaLengthByteArray(_) => 6,
            Encoding::DeltaByteArray(_) => 7,
        }
    }

    /// The values, which are not dictionary ids.
    pub fn encode(self, cells: &[&Cell]) -> Vec<u8> {
        match self {
            Encoding::Plain => plain(cells),
            Encoding::Dictionary => panic!("ids need a dictionary"),
            Encoding::DeltaBinaryPacked(deltas) => {
                let bits = if matches!(cells.first(), Some(Cell::Int32(_))) { 32 } else { 64 };
                delta(&cells.iter().map(|cell| cell.integer()).collect::<Vec<_>>(), bits, deltas)
            }
            Encoding::DeltaLengthByteArray(deltas) => {
                let texts: Vec<Vec<u8>> = cells.iter().map(|cell| cell.bytes()).collect();
                delta_length(&texts.iter().map(Vec::as_slice).collect::<Vec<_>>(), deltas)
            }
            Encoding::DeltaByteArray(deltas) => {
                let texts: Vec<Vec<u8>> = cells.iter().map(|cell| cell.bytes()).collect();
                let (mut prefixes, mut suffixes) = (Vec::new(), Vec::new());
                let mut last: &[u8] = &[];
                for text in &texts {
                    let prefix = last.iter().zip(text).take_while(|(a, b)| a == b).count();
                    prefixes.push(prefix as i64);
                    suffixes.push(&text[prefix..]);
                    last = text;
                }
                let mut out = delta(&prefixes, 32, deltas);
                out.extend(delta_length(&suffixes, deltas));
                out
            }
        }
    }
}

/// PLAIN: strings have a length of four bytes each.
pub fn plain(cells: &[&Cell]) -> Vec<u8> {
    let mut out = Vec::new();
    for cell in cells {
        let bytes = cell.bytes();
        if matches!(cell, Cell::Text(_)) {
            out.extend((bytes.len() as u32).to_le_bytes());
        }
        out.extend(bytes);
    }
    out
}

/// RLE / bit-packing hybrid, as RLE runs only. The last run is longer than its values
/// by `excess`.
pub fn runs(values: &[u32], width: u32, excess: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < values.len() {
        let len = values[at..].iter().take_while(|value| **value == values[at]).count();
        let is_last = at + len == values.len();
        let count = len as u64 + u64::from(if is_last { excess } else { 0 });
        varint(&mut out, count << 1);
        out.extend(&values[at].to_le_bytes()[..width.div_ceil(8) as usize]);
        at += len;
    }
    out
}

/// The bits that the largest of `entries` dictionary ids needs.
pub fn id_width(entries: usize) -> u32 {
    usize::BITS - entries.saturating_sub(1).leading_zeros()
}

fn delta_length(texts: &[&[u8]], deltas: Deltas) -> Vec<u8> {
    let mut out = delta(&texts.iter().map(|text| text.len() as i64).collect::<Vec<_>>(), 32, deltas);
    texts.iter().for_each(|text| out.extend(*text));
    out
}

/// DELTA_BINARY_PACKED of integers of `bits` bits: blocks of 128 values, 4 miniblocks each.
fn delta(values: &[i64], bits: u32, deltas: Deltas) -> Vec<u8> {
    let mask = u64::MAX >> (64 - bits);
    let mut out = Vec::new();
    varint(&mut out, 128);
    varint(&mut out, 4);
    varint(&mut out, values.len() as u64);
    varint(&mut out, zigzag(values.first().copied().unwrap_or(0)));
    let all: Vec<u64> = values.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]) as u64 & mask).collect();
    let signed = |delta: u64| (delta << (64 - bits)) as i64 >> (64 - bits);
    for block in all.chunks(128) {
        let smallest = match deltas {
            Deltas::Signed => block.iter().copied().min_by_key(|delta| signed(*delta)),
            Deltas::Unsigned => block.iter().copied().min(),
        };
        let smallest = smallest.unwrap_or(0);
        varint(&mut out, zigzag(signed(smallest)));
        let rest: Vec<u64> = block.iter().map(|delta| delta.wrapping_sub(smallest) & mask).collect();
        let width = |rest: &[u64]| 64 - rest.iter().fold(0, |a, b| a | b).leading_zeros();
        let mut miniblocks = rest.chunks(32);
        let miniblocks: [&[u64]; 4] = std::array::from_fn(|_| miniblocks.next().unwrap_or_default());
        out.extend(miniblocks.map(|miniblock| width(miniblock) as u8));
        for miniblock in miniblocks.iter().filter(|miniblock| !miniblock.is_empty()) {
            pack(&mut out, miniblock, width(miniblock));
        }
    }
    out
}

/// 32 values of `width` bits, least significant bit first; zeros where there are fewer.
fn pack(out: &mut Vec<u8>, values: &[u64], width: u32) {
    let mut bytes = vec![0u8; 4 * width as usize];
    for (at, value) in values.iter().enumerate() {
        for bit in (0..width as usize).filter(|bit| value >> bit & 1 == 1) {
            let to = at * width as usize + bit;
            bytes[to / 8] |= 1 << (to % 8);
        }
    }
    out.extend(bytes);
}
