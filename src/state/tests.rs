#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::borrow::Cow;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::sample::{self, Layout};
use crate::scan::NoProgress;
use crate::storage::{LocalFolder, Object, ObjectVersion, discover};
use crate::{Error, Semantics};

/// Waits until every change to the existing files is detectable.
fn wait_until_stable() {
    std::thread::sleep(Duration::from_millis(60));
}

fn export(path: &Path, rows: u64, seed: u64) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let options = sample::Options { rows, layout: Layout::Export, seed };
    sample::write(&options, path, &NoProgress).unwrap();
}

struct Fixture {
    dir: tempfile::TempDir,
    job: Job,
}

impl Fixture {
    fn new() -> Self {
        Fixture { dir: tempfile::tempdir().unwrap(), job: Job::default() }
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join("exports").join(name)
    }

    fn state(&self) -> LocalFolder {
        LocalFolder::new(self.dir.path().join("state"))
    }

    fn sources(&self) -> Vec<String> {
        vec![self.file("").to_str().unwrap().to_owned()]
    }

    /// A run with state, compared with a run without.
    fn run(&self) -> (ScanStats, CacheStats) {
        let inputs = discover(&self.sources(), self.job.semantics).unwrap().inputs;
        let options = Options { threads: Some(2), ..Options::default() };
        let (with, scanned, stats) =
            scan(&self.job, &self.sources(), &inputs, &options, &NoProgress, &self.state()).unwrap();
        let inputs = discover(&self.sources(), self.job.semantics).unwrap().inputs;
        let (without, _) = scan::scan(&self.job, &inputs, &options, &NoProgress).unwrap();
        assert_eq!(with, without);
        (scanned, stats)
    }

    /// The files of the state whose names end in `end`.
    fn state_files(&self, end: &str) -> Vec<std::path::PathBuf> {
        let files = fs::read_dir(self.dir.path().join("state")).unwrap();
        let paths = files.map(|file| file.unwrap().path());
        paths.filter(|path| path.to_str().unwrap().ends_with(end)).collect()
    }
}

fn counts(stats: &CacheStats) -> [usize; 5] {
    [stats.cached_files, stats.new, stats.changed, stats.recently_written, stats.removed]
}

#[test]
fn only_what_is_new_or_changed_is_read() {
    for semantics in [Semantics::Iso, Semantics::Legacy] {
        let mut fixture = Fixture::new();
        fixture.job.semantics = semantics;
        for (n, name) in ["a.parquet", "b.parquet", "c.parquet"].into_iter().enumerate() {
            export(&fixture.file(name), 3000, n as u64 + 1);
        }
        wait_until_stable();
        assert_eq!(counts(&fixture.run().1), [0, 3, 0, 0, 0]);
        let (scanned, stats) = fixture.run();
        assert_eq!((counts(&stats), stats.cached_rows), ([3, 0, 0, 0, 0], 9000));
        assert_eq!((scanned.files, scanned.bytes_read), (0, 0));

        export(&fixture.file("d.parquet"), 200_000, 9);
        wait_until_stable();
        let (scanned, stats) = fixture.run();
        assert_eq!((counts(&stats), scanned.files), ([3, 1, 0, 0, 0], 1));
        assert_eq!(stats.notes, Vec::<String>::new());

        // Changed in place, removed, and new under an old name.
        export(&fixture.file("b.parquet"), 3000, 77);
        fs::remove_file(fixture.file("c.parquet")).unwrap();
        wait_until_stable();
        assert_eq!(counts(&fixture.run().1), [2, 0, 1, 0, 1]);
        fs::rename(fixture.file("a.parquet"), fixture.file("c.parquet")).unwrap();
        wait_until_stable();
        assert_eq!(counts(&fixture.run().1), [2, 1, 0, 0, 1]);
        assert_eq!(counts(&fixture.run().1), [3, 0, 0, 0, 0]);
    }
}

#[test]
fn a_file_replaced_within_its_time_and_length_is_noticed() {
    let fixture = Fixture::new();
    export(&fixture.file("a.parquet"), 3000, 1);
    wait_until_stable();
    fixture.run();
    let time = fs::metadata(fixture.file("a.parquet")).unwrap().modified().unwrap();
    let mut bytes = fs::read(fixture.file("a.parquet")).unwrap();
    // The dictionary of the countries lies in the file as it is: another country, no other change.
    let at = bytes.windows(2).position(|w| w == b"FR").unwrap();
    bytes[at..at + 2].copy_from_slice(b"ES");
    fs::write(fixture.file("a.parquet"), &bytes).unwrap();
    fs::File::options().write(true).open(fixture.file("a.parquet")).unwrap().set_modified(time).unwrap();
    wait_until_stable();
    assert_eq!(counts(&fixture.run().1), [0, 0, 1, 0, 0]);
}

#[test]
fn a_file_that_was_just_written_is_read_again() {
    let fixture = Fixture::new();
    export(&fixture.file("a.parquet"), 100, 1);
    // Written after the run had begun, as far as the clock can tell.
    let inputs = discover(&fixture.sources(), Semantics::Iso).unwrap().inputs;
    let part = scan::scan(&fixture.job, &inputs, &Options::default(), &NoProgress).unwrap().0;
    let version = inputs[0].object.version().unwrap();
    let listed = |after| version.changed.unwrap() + after;
    assert!(!Entry::new(&inputs[0], &part, listed(0)).unwrap().unwrap().0.is_stable);
    assert!(!Entry::new(&inputs[0], &part, listed(9_000_000)).unwrap().unwrap().0.is_stable);
    assert!(Entry::new(&inputs[0], &part, listed(2_200_000_000)).unwrap().unwrap().0.is_stable);
    let coarse = ObjectVersion { changed: Some(5_000_000_000), ..version };
    assert!(!key::is_stable(&coarse, 6_000_000_000));
    assert!(key::is_stable(&coarse, 7_200_000_000));
}

#[test]
fn the_settings_that_change_sums_have_a_state_each() {
    let mut fixture = Fixture::new();
    export(&fixture.file("a.parquet"), 3000, 1);
    wait_until_stable();
    fixture.run();
    fixture.job.windows = vec![4, 13];
    fixture.job.details = true;
    assert_eq!(counts(&fixture.run().1), [1, 0, 0, 0, 0]);
    fixture.job.profile.channel.organic = vec!["Email".into()];
    assert_eq!(counts(&fixture.run().1), [0, 1, 0, 0, 0]);
    fixture.job.profile = Job::default().profile;
    assert_eq!(counts(&fixture.run().1), [1, 0, 0, 0, 0]);
    // The state of one job under the file name of another.
    let of = |job: &Job| {
        fixture
            .dir
            .path()
            .join("state")
            .join(key::file_name(&key::cache_key(job, &fixture.sources()).unwrap()))
    };
    let mut other = fixture.job.clone();
    if let Some(system) = other.profile.dimensions.get_mut("os_name") {
        system.total = Some("ios".into());
    }
    fs::copy(of(&fixture.job), of(&other)).unwrap();
    fixture.job = other;
    let (_, stats) = fixture.run();
    assert_eq!(counts(&stats), [0, 1, 0, 0, 0]);
    assert!(stats.notes[0].contains("another job"), "{:?}", stats.notes);
}

#[test]
fn a_damaged_state_is_never_trusted() {
    let fixture = Fixture::new();
    export(&fixture.file("a.parquet"), 600, 1);
    export(&fixture.file("b.parquet"), 600, 2);
    wait_until_stable();
    fixture.run();
    let [head] = &fixture.state_files(".state")[..] else { panic!("one head") };
    let [parts] = &fixture.state_files(".parts")[..] else { panic!("one file of parts") };
    let undamaged = [(head, fs::read(head).unwrap()), (parts, fs::read(parts).unwrap())];
    for (path, sound) in &undamaged {
        damage(&fixture, path, sound, &undamaged);
    }
    fs::remove_file(parts).unwrap();
    fs::remove_file(fixture.file("b.parquet")).unwrap();
    let (_, stats) = fixture.run();
    assert_eq!(stats.cached_files, 0);
    assert!(stats.notes[0].contains("1 damaged entries"), "{:?}", stats.notes);
    fs::write(head, b"PAR1").unwrap();
    let (_, stats) = fixture.run();
    assert_eq!(stats.cached_files, 0);
    assert!(stats.notes[0].contains("not a state of this version"), "{:?}", stats.notes);
}

fn damage(fixture: &Fixture, path: &Path, sound: &[u8], undamaged: &[(&std::path::PathBuf, Vec<u8>)]) {
    let write = |bytes: &[u8]| {
        for (path, sound) in undamaged {
            fs::write(path, sound).unwrap();
        }
        fs::write(path, bytes).unwrap();
    };
    let step = (sound.len() / 150).max(1);
    for at in (0..sound.len()).step_by(step) {
        let mut bytes = sound.to_vec();
        bytes[at] ^= 1 << (at % 8);
        write(&bytes);
        fixture.run();
        // A damaged part is only read once a file is removed.
        write(&bytes);
        let moved = fixture.dir.path().join("gone.parquet");
        fs::rename(fixture.file("b.parquet"), &moved).unwrap();
        fixture.run();
        fs::rename(&moved, fixture.file("b.parquet")).unwrap();
    }
    for len in (0..sound.len()).step_by(step) {
        write(&sound[..len]);
        fixture.run();
    }
    write(sound);
}

#[test]
fn a_day_more_is_a_small_file_more_until_they_become_one() {
    let fixture = Fixture::new();
    let mut most = 0;
    for day in 0..2 * ledger::MAX_PART_FILES {
        export(&fixture.file(&format!("{day:02}.parquet")), 30, day as u64);
        // Parts that a killed run has left.
        fs::create_dir_all(fixture.dir.path().join("state")).unwrap();
        let stem = key::file_name(&key::cache_key(&fixture.job, &fixture.sources()).unwrap());
        let left = format!("{}-left{day}.parts", stem.strip_suffix(".state").unwrap());
        fs::write(fixture.dir.path().join("state").join(left), "left").unwrap();
        wait_until_stable();
        assert_eq!(counts(&fixture.run().1), [day, 1, 0, 0, 0]);
        most = most.max(
            fixture.state_files(".parts").iter().filter(|p| !p.to_str().unwrap().contains("left")).count(),
        );
    }
    // Days with the same sums share a file.
    assert!((ledger::MAX_PART_FILES / 2..=ledger::MAX_PART_FILES).contains(&most), "{most}");
    assert!(
        fixture.state_files(".parts").len() < 2 * ledger::MAX_PART_FILES,
        "old parts go, and those of killed runs"
    );
    assert_eq!(counts(&fixture.run().1), [2 * ledger::MAX_PART_FILES, 0, 0, 0, 0]);
    // The parts add up, whichever file they are in.
    fs::remove_file(fixture.file("07.parquet")).unwrap();
    assert_eq!(counts(&fixture.run().1), [2 * ledger::MAX_PART_FILES - 1, 0, 0, 0, 1]);
    // Most stored bytes belong to files that were removed.
    let before: u64 =
        fixture.state_files(".parts").iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    for day in 8..2 * ledger::MAX_PART_FILES {
        fs::remove_file(fixture.file(&format!("{day:02}.parquet"))).unwrap();
    }
    assert_eq!(counts(&fixture.run().1)[0], 7);
    let parts = fixture.state_files(".parts");
    assert_eq!(parts.len(), 1, "{parts:?}");
    assert!(fs::metadata(&parts[0]).unwrap().len() < before / 4);
    assert_eq!(counts(&fixture.run().1), [7, 0, 0, 0, 0]);
}

#[test]
fn a_state_that_cannot_be_written_is_a_note() {
    let fixture = Fixture::new();
    export(&fixture.file("a.parquet"), 600, 1);
    fs::write(fixture.dir.path().join("state"), "a file, no folder").unwrap();
    let (_, stats) = fixture.run();
    assert!(stats.notes.iter().any(|note| note.contains("cannot be written")), "{:?}", stats.notes);
}

#[test]
fn types_that_differ_are_the_same_error_with_state() {
    let fixture = Fixture::new();
    let case = |name: &str| {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name).join("input.parquet")
    };
    fs::create_dir_all(fixture.file("")).unwrap();
    fs::copy(case("value_int32"), fixture.file("a.parquet")).unwrap();
    wait_until_stable();
    fixture.run();
    fs::copy(case("value_float64"), fixture.file("b.parquet")).unwrap();
    let inputs = discover(&fixture.sources(), Semantics::Iso).unwrap().inputs;
    let options = Options::default();
    let with =
        scan(&fixture.job, &fixture.sources(), &inputs, &options, &NoProgress, &fixture.state()).unwrap_err();
    let without = scan::scan(&fixture.job, &inputs, &options, &NoProgress).unwrap_err();
    assert!(matches!(with, Error::Data(_)));
    assert_eq!(with.to_string(), without.to_string());
}

/// An object whose store has only a modification time.
struct Coarse(Arc<dyn Object>);

impl crate::storage::PlainObject for Coarse {
    fn name(&self) -> &Arc<str> {
        self.0.name()
    }

    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read(&self, range: Range<u64>) -> Result<Cow<'_, [u8]>> {
        self.0.read(range)
    }

    fn version(&self) -> Option<ObjectVersion> {
        Some(ObjectVersion { bytes: self.0.len(), modified: Some(1), tag: None, changed: None })
    }
}

#[test]
fn without_a_version_the_footer_tells() {
    let fixture = Fixture::new();
    let run = |seed| {
        export(&fixture.file("a.parquet"), 600, seed);
        let mut inputs = discover(&fixture.sources(), Semantics::Iso).unwrap().inputs;
        for input in &mut inputs {
            input.object = Arc::new(Coarse(input.object.clone()));
        }
        scan(&fixture.job, &fixture.sources(), &inputs, &Options::default(), &NoProgress, &fixture.state())
            .unwrap()
            .2
    };
    assert_eq!(counts(&run(1)), [0, 1, 0, 0, 0]);
    assert_eq!(counts(&run(1)), [1, 0, 0, 0, 0]);
    assert_eq!(counts(&run(2)), [0, 0, 1, 0, 0]);
}
