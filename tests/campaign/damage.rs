//! Damage to any bytes and to text. That of parquet files is in `mutate`.

use crate::mutate::{HOSTILE, Random};

/// What breaks readers of text: delimiters, quotes, line ends, encodings, numbers, dates.
const TEXTS: [&[u8]; 32] = [
    b",",
    b";",
    b"\t",
    b"|",
    b"\"",
    b"\"\"",
    b"\",\"",
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xc3",
    b"\xf0\x9f\x98",
    b"1e308",
    b"-1",
    b"-0",
    b"9223372036854775807",
    b"99999999999999999999999",
    b"0.1",
    b"NaN",
    b"inf",
    b"2024-02-30",
    b"9999-12-31",
    b"0000-00-00",
    b"-4712-01-01",
    b"NULL",
    b"",
    b"'",
    b" ",
];

/// A damaged copy of bytes of any format.
pub fn bytes(good: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = good.to_vec();
    let at = random.below(bytes.len());
    match random.below(8) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..(at + 1 + random.below(40)).min(good.len()))),
        2 => {
            let from = random.below(good.len());
            let copy = good[from..(from + 1 + random.below(60)).min(good.len())].to_vec();
            bytes.splice(at..at, copy);
        }
        3 | 4 => bytes[at] ^= 1 << random.below(8),
        5 => bytes[at] = random.next() as u8,
        6 => {
            let hostile = HOSTILE[random.below(HOSTILE.len())];
            let end = (at + hostile.len()).min(good.len());
            bytes.splice(at..end, hostile.iter().copied());
        }
        _ => {
            for _ in 0..2 + random.below(8) {
                let at = random.below(good.len());
                bytes[at] = random.next() as u8;
            }
        }
    }
    bytes
}

/// A damaged copy of lines of text: damaged bytes, foreign parts, lines that move.
pub fn text(good: &[u8], random: &mut Random) -> Vec<u8> {
    let at = random.below(good.len());
    let line = |from: usize| {
        let start = good[..from].iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
        let end = good[from..].iter().position(|b| *b == b'\n').map_or(good.len(), |end| from + end + 1);
        start..end
    };
    let mut bytes = good.to_vec();
    match random.below(8) {
        0 | 1 => return self::bytes(good, random),
        2 | 3 => {
            let part = TEXTS[random.below(TEXTS.len())];
            bytes.splice(at..at, part.iter().copied());
        }
        4 => {
            let part = TEXTS[random.below(TEXTS.len())];
            let end = (at + 1 + random.below(12)).min(good.len());
            bytes.splice(at..end, part.iter().copied());
        }
        5 => drop(bytes.drain(line(at))),
        6 => {
            let other = random.below(good.len());
            bytes.splice(line(at), good[line(other)].to_vec());
        }
        _ => {
            // The header, or a line of it, more than once.
            let end = line(0).end;
            let copy = good[..end].to_vec();
            bytes.splice(line(at).start..line(at).start, copy);
        }
    }
    bytes
}
