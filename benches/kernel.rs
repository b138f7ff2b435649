//! Parts of a scan, each timed alone: decompression (the floor), hybrid RLE, the predicate, windows.
//!
//! Data: the generated sample (seed 1), in export and in random order, 2 million
//! rows unless `ROLLSHARE_BENCH_ROWS` says otherwise; two threads for the floor.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rollshare::Job;
use rollshare::internals::ids::column::{Column, Cost};
use rollshare::internals::ids::cursor::Cursor;
use rollshare::internals::ids::runs::HybridRleDecoder;
use rollshare::internals::kernel::bitmap::{self, Predicate, SingleIds};
use rollshare::internals::profile::Question;
use rollshare::internals::sample::Layout;
use rollshare::internals::scan::columns::{self, Columns};
use rollshare::internals::window::{Prefix, Sum};

mod floor;
mod samples;

const LAYOUTS: [Layout; 2] = [Layout::Export, Layout::Shuffled];

fn decompress(c: &mut Criterion) {
    let mut group = c.benchmark_group("floor");
    for layout in LAYOUTS {
        let inputs = samples::inputs(layout);
        let pages = floor::pages(&floor::columns(&Job::default()), &inputs).unwrap();
        let bytes = floor::decompress(&pages).unwrap();
        group.throughput(Throughput::Bytes(bytes));
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            group.bench_function(BenchmarkId::new(layout.to_string(), threads), |b| {
                b.iter(|| {
                    let out = pool.install(|| floor::decompress(&pages)).unwrap();
                    assert_eq!(out, bytes);
                });
            });
        }
    }
}

/// A decompressed data page: width, then runs; and how many ids and entries there are.
struct IdPage {
    bytes: Vec<u8>,
    values: u32,
    entries: u32,
}

impl IdPage {
    fn decode(&self, out: &mut Vec<u16>) {
        out.resize(self.values as usize, 0);
        let mut runs = HybridRleDecoder::new(1, self.bytes[0], self.entries, self.values).unwrap();
        runs.read_u16(&self.bytes, out).unwrap();
    }
}

/// The id pages of one column of a file's first row group.
fn id_pages(column: &Column<'_>) -> Vec<IdPage> {
    let chunk = column.chunk().unwrap();
    let (mut buffer, mut cost) = (vec![], Cost::default());
    let entries = Cursor::new(column, 0, false, vec![], None).unwrap().entries.dictionary_len();
    let page = |page: &rollshare::internals::parquet::PageMeta| {
        let body = chunk.body(page).unwrap();
        let open = chunk.open(&body, page, &mut buffer, false, &mut cost).unwrap().view(&body, &buffer);
        IdPage { bytes: open.values.to_vec(), values: page.values, entries }
    };
    chunk.data().iter().map(page).collect()
}

/// The definition of the encoding, an id at a time (parquet-format, Encodings.md).
fn naive_sum(page: &IdPage) -> u64 {
    let (width, bytes) = (usize::from(page.bytes[0]), &page.bytes);
    let (mut at, mut left, mut sum) = (1, page.values as usize, 0u64);
    while left > 0 {
        let (mut header, mut shift) = (0usize, 0);
        loop {
            header |= usize::from(bytes[at] & 0x7f) << shift;
            shift += 7;
            at += 1;
            if bytes[at - 1] & 0x80 == 0 {
                break;
            }
        }
        if header & 1 == 0 {
            let size = width.div_ceil(8);
            let value = bytes[at..at + size].iter().rev().fold(0, |v, b| v << 8 | u64::from(*b));
            sum += value * (header >> 1) as u64;
            left -= header >> 1;
            at += size;
        } else {
            let values = ((header >> 1) * 8).min(left);
            let bit = |n: usize| u64::from(bytes[at + n / 8] >> (n % 8) & 1);
            sum += (0..values * width).map(|n| bit(n) << (n % width.max(1))).sum::<u64>();
            left -= values;
            at += (header >> 1) * width;
        }
    }
    sum
}

/// A page of runs of 64 to 300 ids, as of the keys of a large export: their headers have two bytes.
fn page_of_long_runs() -> IdPage {
    let (mut bytes, mut values) = (vec![5], 0);
    for run in 0..4_000u32 {
        let (length, id) = (64 + run * 97 % 237, u8::try_from(run * 7 % 32).unwrap());
        let [low, high, ..] = (length << 1).to_le_bytes();
        bytes.extend([low | 0x80, high << 1 | low >> 7]);
        bytes.push(id);
        values += length;
    }
    IdPage { bytes, values, entries: 32 }
}

fn rle(c: &mut Criterion) {
    let mut group = c.benchmark_group("rle");
    let page = page_of_long_runs();
    let (want, mut ids) = (naive_sum(&page), vec![]);
    group.throughput(Throughput::Elements(u64::from(page.values)));
    group.bench_function("long runs", |b| {
        b.iter(|| {
            page.decode(&mut ids);
            assert_eq!(ids.iter().map(|id| u64::from(*id)).sum::<u64>(), want);
        });
    });
    for layout in LAYOUTS {
        let inputs = samples::inputs(layout);
        let question = Question::new(&Job::default()).unwrap();
        let opened = columns::open(&question, &inputs[0]).unwrap();
        let columns = Columns::open(&question, &opened, &opened.footer.row_groups.get(0).unwrap()).unwrap();
        for (name, column) in [("country", &columns.keys[0]), ("value", &columns.measure)] {
            let pages = id_pages(column);
            let want: u64 = pages.iter().map(naive_sum).sum();
            group.throughput(Throughput::Elements(pages.iter().map(|p| u64::from(p.values)).sum()));
            let mut ids = vec![];
            // Summing is part of the time: it keeps the ids from being optimised away, and checks them.
            group.bench_function(BenchmarkId::new(name, layout), |b| {
                b.iter(|| {
                    let mut sum = 0;
                    for page in &pages {
                        page.decode(&mut ids);
                        sum += ids.iter().map(|id| u64::from(*id)).sum::<u64>();
                    }
                    assert_eq!(sum, want);
                });
            });
        }
    }
}

fn predicate(c: &mut Criterion) {
    let inputs = samples::inputs(Layout::Shuffled);
    let question = Question::new(&Job::default()).unwrap();
    let opened = columns::open(&question, &inputs[0]).unwrap();
    let rows = usize::try_from(opened.footer.row_groups.rows_of(0)).unwrap();
    let columns = Columns::open(&question, &opened, &opened.footer.row_groups.get(0).unwrap()).unwrap();
    let read = |column, total: &[u8]| {
        let mut cursor = Cursor::new(column, 0, false, vec![], None).unwrap();
        let mut value_ids = vec![0; rows];
        cursor.read_ids16(&mut value_ids).unwrap();
        let entries = cursor.entries;
        let is_total: Vec<bool> = (0..entries.id_count()).map(|s| entries.get(s) == Some(total)).collect();
        (value_ids, is_total, entries.null() as usize)
    };
    let (systems, total, _) = read(&columns.conditions[0], b"all");
    let condition_met: Vec<u8> = total.into_iter().map(u8::from).collect();
    let (countries, total, null) = read(&columns.keys[0], b"ALL");
    let mut key_class: Vec<u8> = total.into_iter().map(u8::from).collect();
    key_class[null] = 2;
    let kept = |(s, c): (&u16, &u16)| condition_met[usize::from(*s)] == 1 && key_class[usize::from(*c)] == 0;
    let want = systems.iter().zip(&countries).filter(|row| kept(*row)).count();
    let value_ids = SingleIds::find(&condition_met, &key_class);
    assert!(value_ids.is_some());
    let mut keep = vec![0; rows.div_ceil(64)];
    let mut group = c.benchmark_group("predicate");
    group.throughput(Throughput::Elements(rows as u64));
    for (name, value_ids) in [("value ids", value_ids), ("table", None)] {
        let predicate = Predicate { condition_met: &condition_met, key_class: &key_class, value_ids };
        group.bench_function(name, |b| {
            b.iter(|| {
                let kept = bitmap::select(&predicate, &systems, &countries, &mut keep);
                assert_eq!(kept.rows as usize, want);
            });
        });
    }
}

fn windows(c: &mut Criterion) {
    // 240 countries over four years, three window lengths, as whole numbers.
    let series: Vec<Vec<Sum>> = (0..240i128)
        .map(|country| (0..208).map(|week| Sum { int: country * week % 1009, wide: None }).collect())
        .collect();
    let lengths = [1, 4, 12];
    let naive: i128 = series
        .iter()
        .flat_map(|cells| {
            lengths.map(|n| cells.windows(n as usize).last().unwrap().iter().map(|s| s.int).sum::<i128>())
        })
        .sum();
    let mut group = c.benchmark_group("windows");
    group.throughput(Throughput::Elements(240 * 208 * 3));
    group.bench_function("240 countries, 208 weeks, 3 lengths", |b| {
        b.iter(|| {
            let mut last = 0;
            for cells in &series {
                let prefix = Prefix::new(cells.iter().cloned()).unwrap();
                for length in lengths {
                    for end in 0..cells.len() - 1 {
                        black_box(prefix.window(end, length).unwrap());
                    }
                    last += prefix.window(cells.len() - 1, length).unwrap().int;
                }
            }
            assert_eq!(last, naive);
        });
    });
}

criterion_group!(benches, decompress, rle, predicate, windows);
criterion_main!(benches);
