//! Sources that change while they are read: an error with the name of the file, never a mixture of two versions, never a
//! signal. And many files: their maps are bounded.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rollshare::internals::pipeline::{Checks, State};
use rollshare::internals::sample;
use rollshare::internals::scan::{NoProgress, Phase};
use rollshare::{Error, Progress, RunOptions, run};

/// An export that is too large to be read at once.
fn export() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("export.parquet");
        let options = sample::Options { rows: 150_000, layout: sample::Layout::Shuffled, seed: 1 };
        sample::write(&options, &path, &NoProgress).unwrap();
        let bytes = fs::read(path).unwrap();
        assert!(bytes.len() > 400_000, "{}", bytes.len());
        bytes
    })
}

struct World {
    dir: tempfile::TempDir,
}

impl World {
    /// A folder of sources with an export, another for targets, and one for a state.
    fn new() -> Self {
        let world = World { dir: tempfile::tempdir().unwrap() };
        for folder in ["in", "out", "state"] {
            fs::create_dir(world.at(folder)).unwrap();
        }
        fs::write(world.source(), export()).unwrap();
        // A later change has another time, whatever the clock of the file system.
        std::thread::sleep(Duration::from_millis(30));
        world
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn source(&self) -> PathBuf {
        self.at("in/export.parquet")
    }

    fn options(&self, checks: Checks, with_state: bool) -> RunOptions {
        let text = |name: &str| self.at(name).to_string_lossy().into_owned();
        RunOptions {
            sources: vec![text("in")],
            target: Some(text("out/x.csv")),
            state: with_state.then(|| text("state")),
            checks,
            threads: Some(2),
            ..RunOptions::default()
        }
    }

    fn published(&self) -> bool {
        self.at("out/x.csv").exists()
    }

    fn states(&self) -> usize {
        fs::read_dir(self.at("state")).unwrap().count()
    }
}

/// Calls `change` once, in the middle of a run.
struct During<'c> {
    phase: Phase,
    change: &'c (dyn Fn() + Sync),
    is_done: AtomicBool,
}

impl<'c> During<'c> {
    fn new(phase: Phase, change: &'c (dyn Fn() + Sync)) -> Self {
        During { phase, change, is_done: AtomicBool::new(false) }
    }
}

impl Progress for During<'_> {
    fn begin(&self, phase: Phase, _: u64) {
        // Footers are read, row groups are not.
        if phase == self.phase && !self.is_done.swap(true, Ordering::SeqCst) {
            (self.change)();
        }
    }
}

fn set_len(path: &Path, len: u64) {
    File::options().write(true).open(path).unwrap().set_len(len).unwrap();
}

/// Writes the file again with as many bytes, and sets its modification time back.
fn rewrite(path: &Path) {
    use std::os::unix::fs::FileExt;
    let file = File::options().write(true).open(path).unwrap();
    let before = file.metadata().unwrap();
    file.write_all_at(&export()[1000..], 1000).unwrap();
    file.set_modified(before.modified().unwrap()).unwrap();
    assert_eq!(file.metadata().unwrap().len(), before.len());
}

fn replace(path: &Path) {
    let other = path.with_file_name("_other");
    fs::write(&other, export()).unwrap();
    fs::rename(other, path).unwrap();
}

type Change = (&'static str, fn(&Path), &'static str);

const CHANGES: [Change; 5] = [
    ("rewritten in place", rewrite, "its times or its inode differ"),
    ("replaced by rename", replace, "its times or its inode differ"),
    ("cut to nothing", |path| set_len(path, 0), "and has 0"),
    ("cut in the middle", |path| set_len(path, 200_000), "and has 200000"),
    ("removed", |path| fs::remove_file(path).unwrap(), "was removed"),
];

#[test]
fn a_source_that_changes_in_mid_run_is_an_error_with_its_name() {
    let modes = [
        (Checks::Off, false, Phase::Sum),
        (Checks::Off, true, Phase::Sum),
        (Checks::Block, false, Phase::Check),
    ];
    for (what, change, found) in CHANGES {
        for (checks, with_state, phase) in modes {
            let world = World::new();
            let source = world.source();
            let change = || change(&source);
            let during = During::new(phase, &change);
            let outcome = run(&world.options(checks, with_state), &during);
            let at = format!("{what}, {checks:?}, state: {with_state}");
            assert!(during.is_done.load(Ordering::SeqCst), "{at}");
            let error = outcome.map(|run| run.report.state).unwrap_err();
            assert!(matches!(error, Error::Data(_)) && error.exit_code() == 3, "{at}: {error:?}");
            let text = error.to_string();
            for part in ["in/export.parquet: ", found, "Run again when its writer has finished"] {
                assert!(text.contains(part), "{at}: {text}");
            }
            assert!(!world.published(), "{at}");
            assert_eq!(world.states(), 0, "{at}: sums of a mixture were kept");
        }
    }
}

#[test]
fn a_source_that_changes_after_the_checks_is_an_error() {
    for (what, change, _) in CHANGES {
        let world = World::new();
        let source = world.source();
        let change = || change(&source);
        let error = run(&world.options(Checks::Block, false), &During::new(Phase::Sum, &change))
            .map(|run| run.report.state)
            .unwrap_err();
        assert!(matches!(error, Error::Data(_)), "{what}: {error:?}");
        assert!(!world.published(), "{what}");
    }
}

#[test]
fn a_source_that_stays_is_published() {
    let world = World::new();
    for (checks, with_state) in [(Checks::Off, false), (Checks::Off, true), (Checks::Block, false)] {
        // What is no change of the content: a read, and another file beside it that the run does not list.
        let change = || {
            fs::read(world.source()).unwrap();
            fs::write(world.at("in/_later"), "x").unwrap();
        };
        let ran = run(&world.options(checks, with_state), &During::new(Phase::Sum, &change)).unwrap();
        assert_eq!(ran.report.state, State::Published);
        fs::remove_file(world.at("out/x.csv")).unwrap();
    }
    assert!(world.states() > 0);
}

#[test]
fn text_that_is_cut_while_it_is_converted_is_an_error() {
    /// Cuts the text when its first piece is converted.
    struct Cut<'p>(&'p Path, AtomicBool);
    impl Progress for Cut<'_> {
        fn advance(&self, _: u64) {
            if !self.1.swap(true, Ordering::SeqCst) {
                set_len(self.0, 100);
            }
        }
    }
    let world = World::new();
    fs::remove_file(world.source()).unwrap();
    let path = world.at("in/export.csv");
    let mut text = String::from("name,value,year_week,country,os_name,start_date\n");
    // Several pieces of 8 MiB.
    while text.len() < 40 << 20 {
        text.push_str("Organic,1,2021_05,FR,total,2021-02-01\nEmail,2,2021_05,FR,total,2021-02-01\n");
    }
    fs::write(&path, text).unwrap();
    std::thread::sleep(Duration::from_millis(30));
    let options = RunOptions { threads: Some(1), ..world.options(Checks::Off, false) };
    let error = run(&options, &Cut(&path, AtomicBool::new(false)))
        .map(|run| run.report.state)
        .unwrap_err()
        .to_string();
    assert!(error.contains("in/export.csv: ") && error.contains("and has 100"), "{error}");
    assert!(!world.published());
}

/// The maps of files in a folder, of this process.
fn maps_of(folder: &Path) -> usize {
    let folder = folder.to_string_lossy().into_owned();
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    maps.lines().filter(|line| line.contains(&folder)).count()
}

#[test]
fn many_small_files_need_no_maps() {
    const FILES: usize = 1500;
    let world = World::new();
    fs::remove_file(world.source()).unwrap();
    let options = sample::Options { rows: 300, layout: sample::Layout::Export, seed: 1 };
    sample::write(&options, &world.at("one.parquet"), &NoProgress).unwrap();
    for at in 0..FILES {
        fs::hard_link(world.at("one.parquet"), world.at(&format!("in/{at:05}.parquet"))).unwrap();
    }
    std::thread::sleep(Duration::from_millis(30));
    for (checks, with_state) in [(Checks::WarnOnly, false), (Checks::Off, true)] {
        let most = AtomicUsize::new(usize::MAX);
        // After the checks have read all files, and after the scan of a state has opened them.
        let count = || most.store(maps_of(&world.at("in")), Ordering::SeqCst);
        let ran = run(&world.options(checks, with_state), &During::new(Phase::Sum, &count)).unwrap();
        assert_eq!(ran.report.account.unwrap().rows, 300 * FILES as u64);
        assert_eq!(most.load(Ordering::SeqCst), 0, "{checks:?}, state: {with_state}");
        assert_eq!(maps_of(&world.at("in")), 0);
    }
}

/// The program survives a source that is cut at any moment.
#[cfg(feature = "cli")]
#[test]
fn the_program_never_ends_by_a_signal() {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;
    use std::time::Instant;
    let world = World::new();
    let start = |checks: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rollshare"));
        command
            .args(["run", "--quiet", "--source"])
            .arg(world.at("in"))
            .arg("--target")
            .arg(world.at("out/x.csv"));
        command.args(checks).env_remove("ROLLSHARE_THREADS").stderr(std::process::Stdio::piped());
        command.spawn().unwrap()
    };
    let begun = Instant::now();
    assert_eq!(start(&["--no-checks"]).wait().unwrap().code(), Some(0));
    let took = begun.elapsed();
    let mut codes = vec![];
    for at in 0..20 {
        fs::write(world.source(), export()).unwrap();
        std::thread::sleep(Duration::from_millis(15));
        let child = start(if at % 2 == 0 { &["--no-checks"] } else { &["--warn-only"] });
        std::thread::sleep(took * at / 20);
        set_len(&world.source(), if at % 3 == 0 { 0 } else { 300_000 });
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.signal(), None, "{output:?}");
        let code = output.status.code().unwrap();
        assert!(code == 0 || (code == 3 && text.contains("export.parquet")), "{code}: {text}");
        codes.push(code);
    }
    assert!(codes.contains(&3), "no run was hit: {codes:?}");
}
