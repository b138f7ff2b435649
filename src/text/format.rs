//! Tells text from parquet, by name and content, and decodes it: compression, byte order mark, UTF-16.
//!
//! ```text
//! name ends in .parquet, .parq, .pq    parquet, unread
//! remote                               text if its name ends like one, else parquet: nothing is fetched to find out
//! begins with PAR1                     parquet
//! name ends like one of text           text
//! begins like gzip or zstd, or is text text
//! else                                 parquet: the reader says what is wrong
//! ```

use std::borrow::Cow;
use std::io::{self, Read};

use crate::storage::Object;
use crate::{Error, Result};

/// Bytes that decide what a file is.
pub const HEAD: u64 = 4096;
/// Bytes that are read from a file at once.
const BLOCK: u64 = 1 << 20;
const REMOTE_BLOCK: u64 = 8 << 20;

const PARQUET_NAMES: [&str; 3] = ["parquet", "parq", "pq"];
const TEXT_NAMES: [&str; 5] = ["csv", "tsv", "tab", "psv", "txt"];
const PACKED_NAMES: [&str; 4] = ["gz", "gzip", "zst", "zstd"];

/// Whether a file is text.
///
/// # Errors
/// Those of reading its first bytes.
pub fn is_text(object: &dyn Object) -> Result<bool> {
    let name = object.name().to_ascii_lowercase();
    let (stem, last) = name.rsplit('/').next().and_then(|name| name.rsplit_once('.')).unwrap_or_default();
    let before = stem.rsplit_once('.').map_or("", |(_, before)| before);
    if PARQUET_NAMES.contains(&last) {
        return Ok(false);
    }
    let is_named = TEXT_NAMES.contains(&last)
        || PACKED_NAMES.contains(&last) && (TEXT_NAMES.contains(&before) || !object.is_remote());
    if object.is_remote() {
        return Ok(is_named);
    }
    let head = object.head(HEAD)?;
    if head.starts_with(b"PAR1") || head.starts_with(b"PARE") {
        return Ok(false);
    }
    Ok(is_named || Packing::of(&head).is_some() || looks_like_text(&head))
}

/// Whether the first bytes of a file are lines of text.
fn looks_like_text(head: &[u8]) -> bool {
    if Encoding::of(head).0 != Encoding::Utf8 {
        return true;
    }
    let valid = match std::str::from_utf8(head) {
        Ok(_) => head.len(),
        // The last character may be cut.
        Err(error) => error.valid_up_to(),
    };
    head.contains(&b'\n') && !head.contains(&0) && valid + 4 > head.len()
}

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Gzip,
    Zstd,
}

impl Packing {
    fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Packing::Gzip),
            // RFC 8878: a frame, or one that is skipped.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Packing::Zstd),
            _ => None,
        }
    }
}

/// How text is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Utf16Le,
    Utf16Be,
}

impl Encoding {
    /// The encoding, and the length of the byte order mark.
    fn of(head: &[u8]) -> (Self, usize) {
        match head {
            [0xef, 0xbb, 0xbf, ..] => (Encoding::Utf8, 3),
            [0xff, 0xfe, ..] => (Encoding::Utf16Le, 2),
            [0xfe, 0xff, ..] => (Encoding::Utf16Be, 2),
            _ => (Encoding::Utf8, 0),
        }
    }
}

/// The text of a file, in UTF-8 without a byte order mark.
pub enum Text<'o> {
    /// All of it, as it is stored: from this byte of the file on.
    Stored(usize),
    /// As it is decoded, from the first byte to the last.
    Decoded(Box<dyn Read + Send + 'o>),
}

/// Opens a file that is text.
///
/// # Errors
/// Those of reading its first bytes; `Unsupported` for archives and other compressions.
pub fn open(object: &dyn Object) -> Result<Text<'_>> {
    let head = object.head(HEAD)?;
    let other = match &*head {
        [b'P', b'K', 3, 4, ..] => Some("a zip archive (or a workbook of Excel)"),
        [b'B', b'Z', b'h', ..] => Some("compressed with bzip2"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => Some("compressed with xz"),
        _ => None,
    };
    if let Some(other) = other {
        return Err(Error::unsupported(format!("the file is {other}"))
            .expected("text, plain or compressed with gzip or zstd")
            .advice("Unpack it first"));
    }
    let Some(packing) = Packing::of(&head) else {
        let (encoding, mark) = Encoding::of(&head);
        if encoding == Encoding::Utf8 && !object.is_remote() {
            return Ok(Text::Stored(mark));
        }
        return decoded(Box::new(Stored::new(object)));
    };
    let stored = Stored::new(object);
    match packing {
        Packing::Gzip => decoded(Box::new(flate2::read::MultiGzDecoder::new(stored))),
        Packing::Zstd => {
            let decoder = zstd::stream::read::Decoder::new(stored);
            decoded(Box::new(decoder.map_err(|e| Error::io("cannot start to decompress", e))?))
        }
    }
}

/// Text from decompressed bytes.
fn decoded(mut bytes: Box<dyn Read + Send + '_>) -> Result<Text<'_>> {
    let mut head = Vec::new();
    (&mut bytes).take(4).read_to_end(&mut head).map_err(cannot_decode)?;
    if head.starts_with(b"PAR1") {
        return Err(Error::unsupported("a compressed parquet file")
            .expected("text in a compressed file, or parquet as it is")
            .advice("Unpack it first: parquet compresses its pages itself"));
    }
    let (encoding, mark) = Encoding::of(&head);
    let rest = io::Cursor::new(head.split_off(mark)).chain(bytes);
    Ok(Text::Decoded(match encoding {
        Encoding::Utf8 => Box::new(rest),
        Encoding::Utf16Le => {
            Box::new(Utf16 { bytes: rest, units: u16::from_le_bytes, pending: Pending::default() })
        }
        Encoding::Utf16Be => {
            Box::new(Utf16 { bytes: rest, units: u16::from_be_bytes, pending: Pending::default() })
        }
    }))
}

/// The error of a decoder.
pub fn cannot_decode(error: io::Error) -> Error {
    let error = match error.downcast::<Error>() {
        Ok(error) => return error,
        Err(error) => error,
    };
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::format("the compressed file is cut short")
            .expected("all of it")
            .advice("Copy or export it again"),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::Other => {
            Error::format(format!("the text cannot be decoded: {error}"))
                .expected("text in UTF-8 or UTF-16, plain or compressed with gzip or zstd")
                .advice("The file is damaged; export it again")
        }
        _ => Error::io("cannot read", error),
    }
}

/// Reads the bytes of an object in order, block by block.
struct Stored<'o> {
    object: &'o dyn Object,
    block_bytes: u64,
    block: Cow<'o, [u8]>,
    /// Bytes of the block that were read.
    read: usize,
    /// Where the block ends in the object.
    end: u64,
}

impl<'o> Stored<'o> {
    fn new(object: &'o dyn Object) -> Self {
        let block_bytes = if object.is_remote() { REMOTE_BLOCK } else { BLOCK };
        if object.is_remote() {
            let starts = (0..object.len()).step_by(usize::try_from(block_bytes).unwrap_or(usize::MAX));
            let blocks: Vec<_> = starts.map(|start| start..(start + block_bytes).min(object.len())).collect();
            object.prefetch(&blocks);
        }
        Stored { object, block_bytes, block: Cow::Borrowed(&[]), read: 0, end: 0 }
    }
}

impl Read for Stored<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read >= self.block.len() && self.end < self.object.len() {
            let start = self.end;
            self.end = self.object.len().min(start + self.block_bytes);
            self.object.evict(std::slice::from_ref(&(start - self.block.len() as u64..start)));
            self.block = self.object.read(start..self.end).map_err(io::Error::other)?;
            self.read = 0;
        }
        let rest = self.block.get(self.read..).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..len), rest.get(..len)) {
            to.copy_from_slice(from);
        }
        self.read += len;
        Ok(len)
    }
}

/// Decodes UTF-16 to UTF-8.
struct Utf16<R> {
    bytes: R,
    units: fn([u8; 2]) -> u16,
    pending: Pending,
}

#[derive(Default)]
struct Pending {
    /// Bytes that were read: half a unit, or the first half of a surrogate pair.
    bytes: Vec<u8>,
    /// Decoded text, from this position on.
    text: String,
    at: usize,
}

impl<R: Read> Utf16<R> {
    /// Decodes the next bytes; leaves `text` empty at the end.
    fn fill(&mut self) -> io::Result<()> {
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        self.pending.text.clear();
        self.pending.at = 0;
        while self.pending.text.is_empty() {
            let read = (&mut self.bytes).take(64 << 10).read_to_end(&mut self.pending.bytes)?;
            let (pairs, _) = self.pending.bytes.as_chunks::<2>();
            let mut units = pairs.iter().map(|pair| (self.units)(*pair)).collect::<Vec<u16>>();
            // A pair of surrogates may be cut.
            if read > 0 && units.last().is_some_and(|unit| (0xd800..0xdc00).contains(unit)) {
                units.pop();
            }
            let text = String::from_utf16(&units).map_err(|_| invalid("invalid UTF-16"))?;
            self.pending.text = text;
            self.pending.bytes.drain(..units.len() * 2);
            if read == 0 {
                return match self.pending.bytes.is_empty() {
                    true => Ok(()),
                    false => Err(invalid("UTF-16 that ends within a character")),
                };
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.pending.at >= self.pending.text.len() {
            self.fill()?;
        }
        let rest = self.pending.text.as_bytes().get(self.pending.at..).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..len), rest.get(..len)) {
            to.copy_from_slice(from);
        }
        self.pending.at += len;
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::storage::MemoryObject;

    fn text_of(bytes: Vec<u8>) -> Result<String> {
        let object = MemoryObject::new("x.csv", bytes);
        let mut text = String::new();
        match open(&object)? {
            Text::Stored(from) => {
                text.push_str(&String::from_utf8_lossy(object.read(0..object.len())?.get(from..).unwrap()))
            }
            Text::Decoded(mut reader) => {
                reader.read_to_string(&mut text).map_err(cannot_decode)?;
            }
        }
        Ok(text)
    }

    #[test]
    fn utf_16_of_both_orders_is_decoded() {
        // Long enough for pairs of surrogates to be cut between two reads.
        let text = "Straße,café,日本\u{1f600}\r\n".repeat(9_000);
        for (mark, bytes) in
            [([0xff, 0xfe], u16::to_le_bytes as fn(u16) -> [u8; 2]), ([0xfe, 0xff], u16::to_be_bytes)]
        {
            let mut encoded = mark.to_vec();
            encoded.extend(text.encode_utf16().flat_map(bytes));
            assert_eq!(text_of(encoded.clone()).unwrap(), text);
            encoded.pop();
            assert!(text_of(encoded).is_err());
        }
        assert!(text_of(vec![0xff, 0xfe, 0x00, 0xd8, b'a', 0]).is_err());
    }

    #[test]
    fn marks_and_compression() {
        use std::io::Write;
        assert_eq!(text_of(b"\xef\xbb\xbfa,b\n".to_vec()).unwrap(), "a,b\n");
        let gzip = |text: &str| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        };
        let members = [gzip("\u{feff}a,b\n"), gzip("1,2\n")].concat();
        assert_eq!(text_of(members.clone()).unwrap(), "a,b\n1,2\n");
        let cut = text_of(members.get(..members.len() - 3).unwrap().to_vec()).unwrap_err();
        assert!(cut.to_string().contains("cut short"), "{cut}");
        let frames = ["a,b\n", "1,2\n"].map(|text| zstd::encode_all(text.as_bytes(), 1).unwrap()).concat();
        assert_eq!(text_of(frames).unwrap(), "a,b\n1,2\n");
        assert!(text_of(b"PK\x03\x04rest".to_vec()).unwrap_err().to_string().contains("zip"));
        assert!(text_of(gzip("PAR1 and more")).unwrap_err().to_string().contains("parquet"));
    }

    #[test]
    fn names_and_contents() {
        let is = |name: &str, bytes: &[u8]| is_text(&MemoryObject::new(name, bytes.to_vec())).unwrap();
        assert!(is("x.csv", b"a") && is("x.CSV.GZ", b"a") && is("d/part-0", b"a,b\n1,2\n"));
        assert!(is("part-0", &[0x1f, 0x8b, 8, 0]) && is("x", &[0xff, 0xfe, b'a', 0]));
        assert!(
            !is("x.parquet", b"a,b\n") && !is("x.csv", b"PAR1") && !is("x", b"data") && !is("x", b"\0\n")
        );
    }
}
