//! Random layouts of files, and ways to read them.
#![allow(dead_code)] // each test program uses its part

pub mod frames;
pub mod profiles;

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::select;
use rollshare::internals::kernel::ScanPath;
use rollshare::internals::scan;
use rollshare::internals::storage::{Input, MemoryObject};

use super::writer::Shape;

pub const PATHS: [Option<ScanPath>; 4] =
    [None, Some(ScanPath::Runs), Some(ScanPath::Bitmap), Some(ScanPath::Scalar)];

pub fn options(threads: usize, path: usize) -> scan::Options {
    scan::Options { threads: Some(threads), path: PATHS[path] }
}

pub fn input(name: &str, bytes: Vec<u8>) -> Input {
    Input { object: Arc::new(MemoryObject::new(name, bytes)), partitions: vec![] }
}

pub fn shapes() -> impl Strategy<Value = Shape> {
    (
        (0usize..3, any::<bool>(), select(vec![1usize, 40, 1 << 20]), 0usize..7),
        (any::<bool>(), select(vec![1usize, 7, 64, 20_000]), select(vec![1usize, 50, 1 << 20])),
        (any::<bool>(), any::<bool>()),
    )
        .prop_map(|((encoding, dictionary, dictionary_limit, codec), (v2, page_rows, group), flags)| {
            Shape {
                encoding,
                dictionary,
                dictionary_limit,
                codec,
                v2,
                page_rows,
                // 13 rows instead of 1: a row group for each row would take too long.
                group_rows: if group == 1 { 13 } else { group },
                statistics: flags.0,
                required: flags.1,
            }
        })
}

/// Consecutive parts of the rows, cut at fractions.
pub fn split<'a, R>(rows: &'a [R], cuts: &[prop::sample::Index]) -> Vec<&'a [R]> {
    let mut at: Vec<usize> = cuts.iter().map(|c| c.index(rows.len() + 1)).collect();
    at.extend([0, rows.len()]);
    at.sort_unstable();
    at.windows(2).map(|w| &rows[w[0]..w[1]]).collect()
}
