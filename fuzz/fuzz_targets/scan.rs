//! Scans any bytes as one file: the result is an answer or an error, never a panic.
//!
//! `cargo +nightly fuzz run scan`; the files of `tests/damage` and `tests/cases`
//! are good seeds: copy them to `fuzz/corpus/scan`, with one more byte at the end.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use rollshare::internals::kernel::ScanPath;
use rollshare::internals::scan::{self, NoProgress};
use rollshare::internals::storage::{Input, MemoryObject};
use rollshare::{Error, Job, Semantics};

fuzz_target!(|bytes: &[u8]| {
    // A file ends with its magic; the byte after it is no part of the file and selects the options.
    let Some((how, bytes)) = bytes.split_last() else { return };
    let path = [None, Some(ScanPath::Runs), Some(ScanPath::Bitmap), Some(ScanPath::Scalar)][usize::from(how % 4)];
    let semantics = if how & 4 == 0 { Semantics::Iso } else { Semantics::Legacy };
    let job = Job { semantics, ..Job::default() };
    let inputs =
        [Input { object: Arc::new(MemoryObject::new("fuzz.parquet", bytes.to_vec())), partitions: vec![] }];
    let options = scan::Options { threads: Some(1), path };
    match scan::scan(&job, &inputs, &options, &NoProgress) {
        Ok((partial, _)) => partial.account.check().expect("every row is accounted for"),
        Err(Error::Internal(report)) => panic!("a bug: {report}"),
        Err(_) => {}
    }
});
