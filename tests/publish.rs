//! Publishing against `kill -9`: the target is the old result or the new one, whole.
#![cfg(all(unix, feature = "cli"))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rollshare::Semantics;
use rollshare::storage::discover;

const ROUNDS: u32 = 200;
const PART: &str = "part-00000-rollshare.snappy.parquet";

struct World {
    dir: tempfile::TempDir,
    source: PathBuf,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("sample.parquet");
        let out = rollshare().args(["sample", "--quiet", "--rows", "50000", "--out"]).arg(&source).status();
        assert!(out.unwrap().success());
        fs::create_dir(dir.path().join("out")).unwrap();
        World { dir, source }
    }

    fn out(&self, name: &str) -> PathBuf {
        self.dir.path().join("out").join(name)
    }

    /// The question differs by window, so that old and new can be told apart.
    fn command(&self, window: &str, target: &str) -> Command {
        let mut command = rollshare();
        command.args(["run", "--quiet", "--grain", "day", "--details", "--window", window, "--source"]);
        command.arg(&self.source).arg("--target").arg(self.out("").to_str().unwrap().to_owned() + target);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn publish(&self, window: &str, target: &str) {
        assert!(self.command(window, target).status().unwrap().success());
    }

    /// Publishes in turn what `answers` are, killed at some moment each time, and
    /// looks with `state` at what is there; returns how many runs were killed.
    fn killed(&self, target: &str, answers: &[(&str, Vec<u8>)], state: impl Fn() -> Vec<u8>) -> u32 {
        let started = Instant::now();
        self.publish("7", target);
        let duration = started.elapsed();
        let (mut killed, mut random) = (0, 0x9e37_79b9_u32);
        for round in 0..ROUNDS {
            let (window, _) = answers.get(round as usize % answers.len()).unwrap();
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let moment = duration.mul_f64(f64::from(random >> 8) / f64::from(1 << 24) * 1.1);
            let mut child = self.command(window, target).spawn().unwrap();
            std::thread::sleep(moment);
            child.kill().unwrap();
            killed += u32::from(!child.wait().unwrap().success());

            let there = state();
            assert!(answers.iter().any(|(_, bytes)| *bytes == there), "round {round}: neither old nor new");
            let read = discover(&[self.out("").to_str().unwrap().to_owned()], Semantics::Iso).unwrap();
            assert_eq!(read.inputs.len(), 1, "round {round}: a later run would read debris");
        }
        killed
    }
}

fn rollshare() -> Command {
    Command::new(env!("CARGO_BIN_EXE_rollshare"))
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn rows(file: &Path) -> i64 {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let reader = SerializedFileReader::new(fs::File::open(file).unwrap()).unwrap();
    let rows = reader.get_row_iter(None).unwrap().inspect(|row| assert!(row.is_ok())).count();
    assert_eq!(i64::try_from(rows).unwrap(), reader.metadata().file_metadata().num_rows());
    reader.metadata().file_metadata().num_rows()
}

#[test]
fn a_file_survives_kills() {
    let world = World::new();
    let target = world.out("share.parquet");
    let answers = ["7", "28"].map(|window| {
        world.publish(window, "share.parquet");
        assert!(rows(&target) > 100);
        (window, fs::read(&target).unwrap())
    });
    assert_ne!(answers[0].1, answers[1].1);
    let killed = world.killed("share.parquet", &answers, || fs::read(&target).unwrap());
    assert!(killed > ROUNDS / 4, "only {killed} runs were killed");
    world.publish("28", "share.parquet");
    assert_eq!(fs::read(&target).unwrap(), answers[1].1);
    assert_eq!(names(&world.out("")), ["share.parquet"], "the next run cleans up");
}

#[test]
fn a_folder_survives_kills() {
    let world = World::new();
    let folder = world.out("share");
    fs::create_dir_all(folder.join("_rollshare")).unwrap();
    fs::write(folder.join("_rollshare/history.json"), "{}").unwrap();
    let answers = ["7", "28"].map(|window| {
        world.publish(window, "share/");
        assert!(rows(&folder.join(PART)) > 100);
        (window, fs::read(folder.join(PART)).unwrap())
    });
    assert_ne!(answers[0].1, answers[1].1);
    let killed = world.killed("share/", &answers, || {
        assert_eq!(names(&folder), ["_SUCCESS", "_rollshare", PART]);
        assert_eq!(fs::read_to_string(folder.join("_rollshare/history.json")).unwrap(), "{}");
        fs::read(folder.join(PART)).unwrap()
    });
    assert!(killed > ROUNDS / 4, "only {killed} runs were killed");
    world.publish("7", "share/");
    assert_eq!(fs::read(folder.join(PART)).unwrap(), answers[0].1);
    assert_eq!(names(&world.out("")), ["share"], "the next run cleans up");
}

#[test]
fn runs_at_the_same_time_leave_one_whole_result() {
    let world = World::new();
    world.publish("7", "share/");
    let children: Vec<_> =
        (0..8).map(|i| world.command(["7", "28"][i % 2], "share/").spawn().unwrap()).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(rows(&world.out("share").join(PART)) > 100);
    assert_eq!(names(&world.out("")), ["share"]);
}

#[test]
fn a_failed_run_leaves_the_old_result() {
    let world = World::new();
    world.publish("7", "share.csv");
    let old = fs::read(world.out("share.csv")).unwrap();
    fs::write(&world.source, "not parquet any more").unwrap();
    assert_eq!(world.command("7", "share.csv").status().unwrap().code(), Some(3));
    assert_eq!(world.command("7", "new/share.csv").status().unwrap().code(), Some(3));
    assert_eq!(fs::read(world.out("share.csv")).unwrap(), old);
    assert_eq!(names(&world.out("")), ["share.csv"]);
}

#[test]
fn a_full_disk_is_an_io_error() {
    // The device that is always full stands for it where there is one.
    if !Path::new("/dev/full").exists() {
        panic!("/dev/full is missing: this test needs Linux");
    }
    let world = World::new();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = rollshare();
    command.args(["run", "--source"]).arg(&world.source).args(["--target", "-"]).stdout(full);
    let output = command.stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(6));
    assert!(String::from_utf8(output.stderr).unwrap().contains("cannot write to stdout"));
}
