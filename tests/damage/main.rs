//! Damaged files give an error or the right output, never a panic, a hang, or an allocation out of
//! proportion to the file. A wrong output is allowed only where no checksum can detect the damage.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

mod allocations;
mod many_files;
mod mutate;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rollshare::internals::kernel::ScanPath;
use rollshare::internals::parquet::footer;
use rollshare::internals::parquet::page::ChunkPages;
use rollshare::internals::scan::{self, NoProgress};
use rollshare::internals::storage::{Input, MemoryObject};
use rollshare::internals::table;
use rollshare::{Error, Job, Result, Semantics};

use mutate::{Random, damage};

/// Mutations of all inputs together.
const MUTATIONS: u64 = 20_000;
/// The bytes that a scan may allocate: a fixed part for its look-up tables, and a part for each byte of
/// the file, since page sizes are trusted up to the compression ratio of their codec.
const BYTES_FIXED: usize = 24 << 20;
const BYTES_EACH: usize = 256;
/// The undamaged files take less than a millisecond; the machine may be busy.
const TIME_LIMIT: Duration = Duration::from_secs(3);

/// A scan that runs longer than this hangs. It cannot be stopped from outside, so the test program
/// aborts.
const HANG: Duration = Duration::from_secs(20);

/// The running scan and its start.
static RUNNING: Mutex<Option<(Instant, String)>> = Mutex::new(None);

fn watch() {
    std::thread::spawn(|| {
        loop {
            std::thread::sleep(Duration::from_millis(500));
            let running = RUNNING.lock().unwrap();
            if let Some((_, what)) = running.as_ref().filter(|(since, _)| since.elapsed() > HANG) {
                use std::io::Write;
                let _ = writeln!(std::io::stderr(), "hangs: {what}");
                std::process::abort();
            }
        }
    });
}

/// All tests measure allocations of the whole process.
static ALONE: Mutex<()> = Mutex::new(());

struct Sample {
    name: &'static str,
    bytes: &'static [u8],
    checksums: bool,
}

macro_rules! samples {
    ($($name:literal $checksums:literal),*) => {
        [$(Sample {
            name: $name,
            bytes: include_bytes!(concat!($name, ".parquet")),
            checksums: $checksums,
        }),*]
    };
}

static SAMPLES: [Sample; 8] = samples![
    "snappy_crc" true, "snappy" false, "none" false, "zstd_v2" false, "zstd_v2_crc" true, "delta" false,
    "delta_crc" true, "plain" false
];

const PATHS: [Option<ScanPath>; 4] =
    [None, Some(ScanPath::Runs), Some(ScanPath::Bitmap), Some(ScanPath::Scalar)];

fn job(semantics: Semantics) -> Job {
    Job { semantics, ..Job::default() }
}

/// The output as text, and the peak of the bytes allocated by the scan.
fn scan_output(bytes: Vec<u8>, semantics: Semantics, path: Option<ScanPath>) -> (Result<String>, usize) {
    let job = job(semantics);
    let inputs =
        [Input { object: Arc::new(MemoryObject::new("damaged.parquet", bytes)), partitions: vec![] }];
    let options = scan::Options { threads: Some(1), path };
    let before = allocations::start();
    let scanned = scan::scan(&job, &inputs, &options, &NoProgress);
    let peak = allocations::peak().saturating_sub(before);
    // The table is as long as the span of the labels in the file: its memory is not measured.
    let table = scanned.and_then(|(partial, _)| {
        partial.account.check()?;
        table::finish(&job, &partial)
    });
    let text = table.map(|t| {
        let mut out = vec![];
        rollshare::internals::publish::csv::write(&t, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    });
    (text, peak)
}

/// Scans a damaged file; returns the failures and the output.
fn check(
    bytes: &[u8],
    what: &str,
    semantics: Semantics,
    path: Option<ScanPath>,
) -> (Vec<String>, Option<Result<String>>) {
    let start = Instant::now();
    *RUNNING.lock().unwrap() = Some((start, format!("{what}, {semantics:?}, {path:?}")));
    let caught = catch_unwind(AssertUnwindSafe(|| scan_output(bytes.to_vec(), semantics, path)));
    let took = start.elapsed();
    *RUNNING.lock().unwrap() = None;
    let Ok((result, peak)) = caught else { return (vec!["a panic".to_owned()], None) };
    let mut wrong = vec![];
    if let Err(e @ Error::Internal(_)) = &result {
        wrong.push(format!("an internal error: {e}"));
    }
    if took > TIME_LIMIT {
        wrong.push(format!("{took:?}"));
    }
    if peak > BYTES_FIXED + BYTES_EACH * bytes.len() {
        wrong.push(format!("{peak} bytes allocated for a file of {}", bytes.len()));
    }
    (wrong, Some(result))
}

#[test]
fn damaged_files_give_an_error_or_an_scan_output() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    watch();
    let mut failures = vec![];
    let (mut errors, mut right, mut other) = (0, 0, 0);
    for sample in &SAMPLES {
        let mut random = Random(sample.bytes.len() as u64);
        let rights = [Semantics::Iso, Semantics::Legacy]
            .map(|s| PATHS.map(|path| scan_output(sample.bytes.to_vec(), s, path).0.expect(sample.name)));
        assert!(rights.iter().all(|r| r.iter().all(|text| text == &r[0] && text.lines().count() > 30)));
        for n in 0..MUTATIONS / SAMPLES.len() as u64 {
            let (bytes, what) = damage(sample.bytes, &mut random);
            let legacy = n % 4 == 3;
            let semantics = if legacy { Semantics::Legacy } else { Semantics::Iso };
            let what = format!("{} {n} ({what})", sample.name);
            let (wrong, result) = check(&bytes, &what, semantics, PATHS[random.below(PATHS.len())]);
            failures.extend(wrong.into_iter().map(|w| format!("{what}: {w}")));
            match result {
                Some(Ok(text)) if text == rights[usize::from(legacy)][0] => right += 1,
                Some(Ok(_)) => other += 1,
                _ => errors += 1,
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures[..failures.len().min(40)].join("\n")
    );
    assert_eq!(errors + right + other, MUTATIONS);
    // The test proves something only where most damage has an effect.
    assert!(errors > MUTATIONS / 2, "{errors} errors, {right} right, {other} other outputs");
}

/// Every byte of every page of the needed columns, flipped alone.
#[test]
fn a_flipped_byte_in_a_checksummed_page_is_an_error() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    watch();
    let needed = ["name", "value", "year_week", "country", "os_name"];
    for sample in SAMPLES.iter().filter(|s| s.checksums) {
        let right = scan_output(sample.bytes.to_vec(), Semantics::Iso, None).0.unwrap();
        let object = MemoryObject::new(sample.name, sample.bytes.to_vec());
        let meta = footer::read(&object).unwrap();
        let mut random = Random(7);
        let (mut flipped, mut unread) = (0, 0);
        for group in &meta.row_groups {
            for (leaf, chunk) in meta.leaves.iter().zip(&group.chunks) {
                if !needed.contains(&leaf.name().as_str()) {
                    continue;
                }
                let pages = ChunkPages::walk(&object, chunk, leaf, group.rows).unwrap();
                for page in pages.dictionary.iter().chain(&pages.data) {
                    assert!(page.crc.is_some(), "{}: a page without checksum", sample.name);
                    for at in page.body.clone() {
                        let mut bytes = sample.bytes.to_vec();
                        bytes[at as usize] ^= 1 + (random.next() % 255) as u8;
                        let what = format!("{} byte {at}", sample.name);
                        let path = PATHS[random.below(PATHS.len())];
                        let (wrong, result) = check(&bytes, &what, Semantics::Iso, path);
                        assert!(wrong.is_empty(), "{what}: {wrong:?}");
                        flipped += 1;
                        if let Some(Ok(text)) = result {
                            // A skipped page cannot make the output wrong.
                            assert_eq!(text, right, "{}: byte {at} of '{}'", sample.name, leaf.name());
                            unread += 1;
                        }
                    }
                }
            }
        }
        assert!(flipped > 800, "{}: {flipped} bytes", sample.name);
        assert!(
            unread * 20 < flipped,
            "{}: {unread} of {flipped} flipped bytes were not detected",
            sample.name
        );
    }
}
