//! Whole files, made by an independent writer, read back value for value.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]

use std::sync::Arc;

use parquet::basic::{Compression, Encoding as Written};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::{ByteArray, FixedLenByteArray, Int96};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use proptest::prelude::*;

use super::encoding::{HybridRleDecoder, Numbers, booleans, byte_arrays};
use super::*;
use crate::Result;
use crate::storage::{MemoryObject, Object};

const SCHEMA: &str = "message m {
    optional boolean bool; optional int32 i32; optional int64 i64; optional int96 i96;
    optional float f32; optional double f64; optional binary text (STRING);
    optional fixed_len_byte_array(5) fixed; required int32 required;
}";

/// Rows of a row group and of a page: neither divides the other.
const ROWS: usize = 5000;
const GROUPS: usize = 2;
const PAGE_ROWS: usize = 700;

/// The row's value, as bytes, and whether it is null.
fn expected(column: usize, row: usize) -> Option<Vec<u8>> {
    // Runs of nulls and single ones.
    if column != 8 && (row / 900 % 3 == 1 || row % 11 == 3) {
        return None;
    }
    let mixed = (row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (row % 64);
    Some(match column {
        0 => vec![u8::from(row.is_multiple_of(7) || (row / 300).is_multiple_of(2))],
        1 => (mixed as i32).to_le_bytes().to_vec(),
        2 => mixed.to_le_bytes().to_vec(),
        3 => [mixed as u32, row as u32, 7].iter().flat_map(|w| w.to_le_bytes()).collect(),
        4 => (row as f32 / 3.0).to_le_bytes().to_vec(),
        5 => (row as f64 / 3.0).to_le_bytes().to_vec(),
        6 => format!("value {}", row / 3 % 600).into_bytes(),
        7 => format!("{:05}", row % 1000).into_bytes(),
        _ => (row as i32 % 50).to_le_bytes().to_vec(),
    })
}

struct Options {
    codec: Compression,
    version: WriterVersion,
    dictionary: bool,
    encodings: [Option<Written>; 9],
}

fn write(options: &Options) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let mut properties = WriterProperties::builder()
        .set_compression(options.codec)
        .set_writer_version(options.version)
        .set_dictionary_enabled(options.dictionary)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(100)
        .set_dictionary_page_size_limit(8000)
        .set_statistics_enabled(EnabledStatistics::Page);
    for (field, encoding) in schema.get_fields().iter().zip(options.encodings) {
        if let Some(encoding) = encoding {
            properties = properties.set_column_encoding(field.name().into(), encoding);
        }
    }
    let mut writer = SerializedFileWriter::new(vec![], schema, Arc::new(properties.build())).unwrap();
    for group in 0..GROUPS {
        let mut group_writer = writer.next_row_group().unwrap();
        let mut column = 0;
        while let Some(mut column_writer) = group_writer.next_column().unwrap() {
            let rows: Vec<_> = (group * ROWS..(group + 1) * ROWS).map(|row| expected(column, row)).collect();
            let levels: Vec<i16> = rows.iter().map(|v| i16::from(v.is_some())).collect();
            let levels = (column != 8).then_some(&levels[..]);
            let values = || rows.iter().flatten();
            macro_rules! put {
                ($writer:expr, $convert:expr) => {{
                    let values: Vec<_> = values().map($convert).collect();
                    $writer.write_batch(&values, levels, None).unwrap();
                }};
            }
            match column_writer.untyped() {
                ColumnWriter::BoolColumnWriter(w) => put!(w, |v| v[0] == 1),
                ColumnWriter::Int32ColumnWriter(w) => {
                    put!(w, |v| i32::from_le_bytes(v[..].try_into().unwrap()))
                }
                ColumnWriter::Int64ColumnWriter(w) => {
                    put!(w, |v| i64::from_le_bytes(v[..].try_into().unwrap()))
                }
                ColumnWriter::FloatColumnWriter(w) => {
                    put!(w, |v| f32::from_le_bytes(v[..].try_into().unwrap()))
                }
                ColumnWriter::DoubleColumnWriter(w) => {
                    put!(w, |v| f64::from_le_bytes(v[..].try_into().unwrap()))
                }
                ColumnWriter::ByteArrayColumnWriter(w) => put!(w, |v| ByteArray::from(v.clone())),
                ColumnWriter::FixedLenByteArrayColumnWriter(w) => {
                    put!(w, |v| FixedLenByteArray::from(v.clone()));
                }
                ColumnWriter::Int96ColumnWriter(w) => put!(w, |v| {
                    let word = |at| u32::from_le_bytes(v[at..at + 4].try_into().unwrap());
                    Int96::from(vec![word(0), word(4), word(8)])
                }),
            }
            column_writer.close().unwrap();
            column += 1;
        }
        group_writer.close().unwrap();
    }
    writer.into_inner().unwrap()
}

/// `count` values of a hybrid stream that starts at byte `start`.
fn unpacked(bytes: &[u8], start: usize, width: u8, count: u32) -> Result<Vec<u32>> {
    let mut out = vec![0; count as usize];
    HybridRleDecoder::new(start, width, u32::MAX, count)?.read_u32(bytes, &mut out)?;
    Ok(out)
}

/// All values that are not null, as bytes.
fn values(encoding: Encoding, bytes: &[u8], leaf: &Leaf, count: u32) -> Result<Vec<Vec<u8>>> {
    let mut out = vec![];
    match leaf.physical {
        Physical::Boolean => {
            let mut values = vec![0; count as usize];
            booleans(encoding, bytes, count)?.read_u32(bytes, &mut values)?;
            out.extend(values.into_iter().map(|v| vec![u8::from(v == 1)]));
        }
        Physical::Int32 | Physical::Int64 | Physical::Float | Physical::Double => {
            let mut numbers = Numbers::open(encoding, bytes, leaf.physical, count)?;
            let mut values = vec![0; count as usize];
            numbers.fill(&mut values)?;
            let len = if matches!(leaf.physical, Physical::Int32 | Physical::Float) { 4 } else { 8 };
            out.extend(values.iter().map(|v| v.to_le_bytes()[..len].to_vec()));
        }
        _ => {
            byte_arrays::visit(encoding, bytes, leaf.physical, leaf.type_length, count, |value| {
                out.push(value.to_vec());
                Ok(())
            })?;
        }
    }
    Ok(out)
}

/// Every row of every leaf; adds the encodings of the pages to `seen`.
fn read_all(object: &dyn Object, seen: &mut Vec<Encoding>) -> Result<Vec<Vec<Option<Vec<u8>>>>> {
    let meta = footer::read(object)?;
    let mut columns = vec![vec![]; meta.leaves.len()];
    let mut buffer = vec![];
    for group in &meta.row_groups {
        let chunks: Vec<_> = group.chunks.iter().zip(meta.leaves.iter()).collect();
        let together = ChunkPages::walk_all(object, &chunks, group.rows);
        assert_eq!(together.len(), chunks.len());
        for (((chunk, leaf), column), together) in chunks.into_iter().zip(&mut columns).zip(together) {
            let codec = Codec::from_id(chunk.codec);
            let pages = ChunkPages::walk(object, chunk, leaf, group.rows);
            // Interleaved or one after the other: the result is the same for any bytes.
            match (&pages, together) {
                (Ok(pages), Ok(together)) => assert_eq!(*pages, together),
                (Err(error), Err(together)) => assert_eq!(error.to_string(), together.to_string()),
                (pages, together) => panic!("{pages:?} and {together:?}"),
            }
            let pages = pages?;
            let mut dictionary = vec![];
            if let Some(page) = &pages.dictionary {
                let bytes = object.read(page.body.clone())?;
                let open = page::open(&bytes, page, codec, leaf, &mut buffer, false)?.view(&bytes, &buffer);
                dictionary = values(open.encoding, open.values, leaf, open.rows)?;
            }
            for page in &pages.data {
                let bytes = object.read(page.body.clone())?;
                let open = page::open(&bytes, page, codec, leaf, &mut buffer, false)?.view(&bytes, &buffer);
                let levels = match open.definition {
                    Some(bytes) => unpacked(bytes, 0, 1, open.rows)?,
                    None => vec![1; open.rows as usize],
                };
                let present = levels.iter().sum();
                if !seen.contains(&open.encoding) {
                    seen.push(open.encoding);
                }
                let mut found = if open.encoding == Encoding::Dictionary {
                    let ids = unpacked(open.values, 1, open.values.first().copied().unwrap_or(0), present)?;
                    let missing = || crate::Error::format("an index past the dictionary");
                    ids.iter()
                        .map(|&id| dictionary.get(id as usize).cloned().ok_or_else(missing))
                        .collect::<Result<Vec<_>>>()?
                } else {
                    values(open.encoding, open.values, leaf, present)?
                }
                .into_iter();
                column.extend(levels.iter().map(|&level| if level == 1 { found.next() } else { None }));
            }
        }
    }
    Ok(columns)
}

fn check(options: &Options, seen: &mut Vec<Encoding>) {
    let object = MemoryObject::new("x", write(options));
    let columns = read_all(&object, seen).unwrap();
    for (at, column) in columns.iter().enumerate() {
        assert_eq!(column.len(), ROWS * GROUPS);
        for (row, value) in column.iter().enumerate() {
            assert_eq!(*value, expected(at, row), "column {at}, row {row}");
        }
    }
}

#[test]
fn every_encoding_in_both_page_versions() {
    use Written::{
        BYTE_STREAM_SPLIT as SPLIT, DELTA_BINARY_PACKED as DELTA, DELTA_BYTE_ARRAY as PREFIX,
        DELTA_LENGTH_BYTE_ARRAY as LENGTH, PLAIN, RLE,
    };
    let mut seen = vec![];
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        for (dictionary, encodings) in [
            (true, [None; 9]),
            (false, [Some(PLAIN); 9]),
            (false, [RLE, DELTA, DELTA, PLAIN, SPLIT, SPLIT, LENGTH, SPLIT, DELTA].map(Some)),
            (false, [PLAIN, SPLIT, SPLIT, PLAIN, PLAIN, SPLIT, PREFIX, PREFIX, SPLIT].map(Some)),
        ] {
            check(&Options { codec: Compression::SNAPPY, version, dictionary, encodings }, &mut seen);
        }
    }
    for encoding in [
        Encoding::Plain,
        Encoding::Dictionary,
        Encoding::Rle,
        Encoding::DeltaBinaryPacked,
        Encoding::DeltaLengthByteArray,
        Encoding::DeltaByteArray,
        Encoding::ByteStreamSplit,
    ] {
        assert!(seen.contains(&encoding), "{encoding:?} was not written");
    }
}

fn codecs() -> [Compression; 7] {
    [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(parquet::basic::GzipLevel::default()),
        Compression::BROTLI(parquet::basic::BrotliLevel::default()),
        Compression::ZSTD(parquet::basic::ZstdLevel::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
    ]
}

#[test]
fn every_codec_in_both_page_versions() {
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        for codec in codecs() {
            check(&Options { codec, version, dictionary: true, encodings: [None; 9] }, &mut vec![]);
        }
    }
}

fn sample(codec: Compression) -> Vec<u8> {
    write(&Options { codec, version: WriterVersion::PARQUET_2_0, dictionary: true, encodings: [None; 9] })
}

#[test]
fn the_footer_says_what_was_written() {
    let object = MemoryObject::new("x", sample(Compression::SNAPPY));
    let meta = footer::read(&object).unwrap();
    assert_eq!(meta.rows, (ROWS * GROUPS) as u64);
    assert!(meta.created_by.unwrap().starts_with("parquet-rs"));
    let text = &meta.leaves[6];
    assert_eq!((text.name().as_str(), text.logical, text.max_definition), ("text", Logical::String, 1));
    assert_eq!((meta.leaves[7].physical, meta.leaves[7].type_length), (Physical::FixedLenByteArray, 5));
    assert_eq!(meta.leaves[8].max_definition, 0);
    for (at, group) in meta.row_groups.iter().enumerate() {
        for (column, chunk) in group.chunks.iter().enumerate() {
            let rows = || (at * ROWS..(at + 1) * ROWS).map(|row| expected(column, row));
            // The writer gives no bounds of INT96.
            if column == 6 {
                let bounds = chunk.bounds.as_ref().unwrap();
                assert_eq!(Some(bounds.min()), rows().flatten().min().as_deref());
                assert_eq!(Some(bounds.max()), rows().flatten().max().as_deref());
            }
            let pages = ChunkPages::walk(&object, chunk, &meta.leaves[column], group.rows).unwrap().data;
            assert!(pages.len() > ROWS / PAGE_ROWS);
            assert_eq!(pages.last().unwrap().body.end, chunk.bytes().end);
        }
    }
}

#[test]
fn what_is_no_parquet_file_is_said() {
    let file = sample(Compression::SNAPPY);
    let error = |bytes: &[u8]| footer::read(&MemoryObject::new("x", bytes.to_vec())).unwrap_err();
    assert!(error(b"").to_string().contains("empty"));
    assert!(error(b"PAR1PAR1").to_string().contains("8 bytes"));
    assert!(error(&[b"JUNK", &file[4..]].concat()).to_string().contains("begins with"));
    assert!(error(&file[..file.len() - 1]).to_string().contains("ends with"));
    let encrypted = [&file[..file.len() - 4], b"PARE"].concat();
    assert!(matches!(error(&encrypted), crate::Error::Unsupported(_)));
    let long = [&file[..file.len() - 8], &[255; 4], b"PAR1"].concat();
    assert!(error(&long).to_string().contains("a footer of 4294967295 bytes"));
}

#[test]
fn a_damaged_page_fails_its_checksum() {
    let bytes = [1, 2, 3, 4];
    let leaf = footer::read(&MemoryObject::new("x", sample(Compression::SNAPPY))).unwrap().leaves[8].clone();
    let mut page = PageMeta {
        body: 0..4,
        uncompressed_len: 4,
        values: 1,
        first_row: 0,
        encoding: Encoding::Plain,
        crc: Some(crc32fast::hash(&bytes)),
        kind: PageKind::V1 { definition_encoding: Encoding::Rle },
    };
    let open = |page: &PageMeta| {
        page::open(&bytes, page, Codec::Uncompressed, &leaf, &mut vec![], false).map(|p| p.rows)
    };
    assert_eq!(open(&page).unwrap(), 1);
    page.crc = page.crc.map(|crc| crc ^ 1);
    assert!(open(&page).unwrap_err().to_string().contains("checksum"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn damaged_files_are_read_or_refused(
        codec in 0usize..7,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        near_end: bool,
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        static FILES: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
        let files = FILES.get_or_init(|| codecs().map(sample).to_vec());
        let mut bytes = files[codec].clone();
        let from = if near_end { bytes.len() - 9000 } else { 0 };
        for (at, byte) in edits {
            let at = from + at.index(bytes.len() - from);
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            let at = cut.index(bytes.len());
            bytes.drain(at..(at + 50).min(bytes.len()));
        }
        // No panic, and never another number of rows.
        if let Ok(columns) = read_all(&MemoryObject::new("x", bytes), &mut vec![]) {
            prop_assert!(columns.windows(2).all(|pair| pair[0].len() == pair[1].len()));
        }
    }

    #[test]
    fn any_footer_is_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(meta) = footer::parse(&bytes, 1000) {
            prop_assert_eq!(meta.footer_bytes, bytes.len() as u64);
        }
    }
}
