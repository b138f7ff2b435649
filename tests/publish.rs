//! Publishing under `kill -9`: the target is the complete old output or the complete new one.
#![cfg(all(unix, feature = "cli"))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rollshare::Semantics;
use rollshare::internals::storage::discover;

const ROUNDS: u32 = 200;
const PART: &str = "part-00000-rollshare.snappy.parquet";

struct World {
    dir: tempfile::TempDir,
    source: PathBuf,
}

impl World {
    fn new() -> Self {
        World::of(50_000)
    }

    fn of(rows: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("sample.parquet");
        let rows = rows.to_string();
        let out = rollshare().args(["sample", "--quiet", "--rows", &rows, "--out"]).arg(&source).status();
        assert!(out.unwrap().success());
        fs::create_dir(dir.path().join("out")).unwrap();
        World { dir, source }
    }

    fn out(&self, name: &str) -> PathBuf {
        self.dir.path().join("out").join(name)
    }

    /// The window differs, so that the old and the new output differ.
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

    /// Checks that the files beside the target are complete: they may lag, but are never partial.
    fn check_kept_files(&self, kept: &Path, round: u32) {
        use rollshare::internals::history::store;
        let path = kept.join(store::FILE);
        if path.exists() {
            let history = store::decode("history", fs::read(&path).unwrap());
            assert!(history.is_ok(), "round {round}: {:?}", history.err());
        }
        let quarantine = fs::read_dir(kept.join("quarantine")).into_iter().flatten().flatten();
        let folders = quarantine.map(|run| run.path()).chain([kept.join("runs")]);
        for report in folders.flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten()) {
            let name = report.file_name().into_string().unwrap();
            if name == "sums.parquet" {
                let sums = store::decode("sums", fs::read(report.path()).unwrap());
                assert!(sums.is_ok(), "round {round}: {:?}", sums.err());
            }
            if name == "table.parquet" {
                rows(&report.path());
            }
            if name.ends_with(".html") && !name.starts_with('.') {
                let page = fs::read_to_string(report.path()).unwrap();
                assert!(page.ends_with("</html>"), "round {round}: {name}");
            } else if name.ends_with(".json") && !name.starts_with('.') {
                let report = serde_json::from_slice::<rollshare::internals::pipeline::RunReport>(
                    &fs::read(report.path()).unwrap(),
                );
                assert!(report.is_ok(), "round {round}: {name}: {:?}", report.err());
            }
        }
    }

    /// Kills `command` at a random moment of its `duration`; returns whether it was still running.
    fn kill(mut command: Command, duration: Duration, random: &mut u32) -> bool {
        *random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let moment = duration.mul_f64(f64::from(*random >> 8) / f64::from(1 << 24) * 1.1);
        let mut child = command.spawn().unwrap();
        std::thread::sleep(moment);
        child.kill().unwrap();
        child.wait().unwrap().code().is_none()
    }

    /// Publishes the `outputs` alternately, killing each run at a random moment, and checks the target
    /// read by `state`; returns how many runs were killed.
    fn publish_and_kill(
        &self,
        target: &str,
        kept: &Path,
        outputs: &[(&str, Vec<u8>)],
        state: impl Fn() -> Vec<u8>,
    ) -> u32 {
        let started = Instant::now();
        self.publish("7", target);
        let duration = started.elapsed();
        let (mut killed, mut random) = (0, 0x9e37_79b9_u32);
        for round in 0..ROUNDS {
            let (window, _) = outputs.get(round as usize % outputs.len()).unwrap();
            killed += u32::from(Self::kill(self.command(window, target), duration, &mut random));

            let current = state();
            self.check_kept_files(kept, round);
            assert!(outputs.iter().any(|(_, bytes)| *bytes == current), "round {round}: neither old nor new");
            let read = discover(&[self.out("").to_str().unwrap().to_owned()], Semantics::Iso).unwrap();
            assert_eq!(read.inputs.len(), 1, "round {round}: a later run would read temporaries");
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
    let outputs = ["7", "28"].map(|window| {
        world.publish(window, "share.parquet");
        assert!(rows(&target) > 100);
        (window, fs::read(&target).unwrap())
    });
    assert_ne!(outputs[0].1, outputs[1].1);
    let kept = world.out("_rollshare/share.parquet");
    let killed = world.publish_and_kill("share.parquet", &kept, &outputs, || fs::read(&target).unwrap());
    assert!(killed > ROUNDS / 4, "only {killed} runs were killed");
    world.publish("28", "share.parquet");
    assert_eq!(fs::read(&target).unwrap(), outputs[1].1);
    assert_eq!(names(&world.out("")), ["_rollshare", "share.parquet"], "the next run cleans up");
    assert!(kept.join(rollshare::internals::history::store::FILE).exists());
}

#[test]
fn a_folder_survives_kills() {
    let world = World::new();
    let folder = world.out("share");
    world.publish("7", "share/");
    fs::write(folder.join("_rollshare/notes.json"), "{}").unwrap();
    let outputs = ["7", "28"].map(|window| {
        world.publish(window, "share/");
        assert!(rows(&folder.join(PART)) > 100);
        (window, fs::read(folder.join(PART)).unwrap())
    });
    assert_ne!(outputs[0].1, outputs[1].1);
    let kept = folder.join("_rollshare");
    let killed = world.publish_and_kill("share/", &kept, &outputs, || {
        assert_eq!(names(&folder), ["_SUCCESS", "_rollshare", PART]);
        assert_eq!(fs::read_to_string(folder.join("_rollshare/notes.json")).unwrap(), "{}");
        fs::read(folder.join(PART)).unwrap()
    });
    assert!(killed > ROUNDS / 4, "only {killed} runs were killed");
    world.publish("7", "share/");
    assert_eq!(fs::read(folder.join(PART)).unwrap(), outputs[0].1);
    assert_eq!(names(&world.out("")), ["share"], "the next run cleans up");
}

#[test]
fn blocked_runs_and_promotions_survive_kills() {
    let world = World::of(9_000);
    let (target, kept) = (world.out("share.parquet"), world.out("_rollshare/share.parquet"));
    let quarantine = kept.join("quarantine");
    let blocked = |window| {
        let mut command = world.command(window, "share.parquet");
        command.args(["--organic", "No such channel"]);
        command
    };
    let promote = |run: &str| {
        let mut command = rollshare();
        command.args(["promote", "--quiet", run, "--target"]).arg(&target);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    // Runs that can be promoted: those whose quarantine is complete.
    let promotable = || -> Vec<String> {
        let runs = if quarantine.exists() { names(&quarantine) } else { vec![] };
        runs.into_iter().filter(|run| quarantine.join(run).join("report.json").exists()).collect()
    };
    world.publish("7", "share.parquet");
    let mut outputs = vec![fs::read(&target).unwrap()];
    let started = Instant::now();
    for window in ["7", "28"] {
        assert_eq!(blocked(window).status().unwrap().code(), Some(4));
        outputs.push(fs::read(quarantine.join(promotable().last().unwrap()).join("table.parquet")).unwrap());
    }
    let blocking = started.elapsed() / 2;
    let started = Instant::now();
    assert!(promote(promotable().last().unwrap()).status().unwrap().success());
    let promoting = started.elapsed();

    let (mut killed, mut promoted, mut random) = ([0, 0], 0, 0x1234_5678_u32);
    for round in 0..ROUNDS {
        let before = fs::read(&target).unwrap();
        let window = ["7", "28"][round as usize % 2];
        killed[0] += u32::from(World::kill(blocked(window), blocking, &mut random));
        assert_eq!(fs::read(&target).unwrap(), before, "round {round}: a blocked run has published");
        world.check_kept_files(&kept, round);
        let Some(run) = promotable().pop() else { continue };
        let table = fs::read(quarantine.join(&run).join("table.parquet")).unwrap();
        killed[1] += u32::from(World::kill(promote(&run), promoting, &mut random));
        let current = fs::read(&target).unwrap();
        assert!(current == before || current == table, "round {round}: neither old nor promoted");
        assert!(outputs.contains(&current), "round {round}");
        promoted += u32::from(current != before);
        world.check_kept_files(&kept, round);
    }
    assert!(killed.iter().all(|killed| *killed > ROUNDS / 8), "only {killed:?} were killed");
    assert!(promoted > 0);
    // Killed runs block no other run, and the next run cleans up.
    assert_eq!(blocked("28").status().unwrap().code(), Some(4));
    assert!(promote(promotable().last().unwrap()).status().unwrap().success());
    assert_eq!(fs::read(&target).unwrap(), outputs[2]);
    assert_eq!(names(&world.out("")), ["_rollshare", "share.parquet"]);
    let runs = promotable().into_iter().map(|run| quarantine.join(run));
    for folder in runs.chain([kept.clone(), kept.join("runs"), kept.join("history")]) {
        assert!(names(&folder).iter().all(|name| !name.contains(".rollshare-")), "{folder:?}");
    }
}

#[test]
fn of_concurrent_runs_one_wins_and_the_others_fail() {
    let world = World::new();
    world.publish("7", "share/");
    let children: Vec<_> = (0..8)
        .map(|i| world.command(["7", "28"][i % 2], "share/").stderr(Stdio::piped()).spawn().unwrap())
        .collect();
    let outputs: Vec<_> = children.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    let won = outputs.iter().filter(|output| output.status.success()).count();
    for output in outputs.iter().filter(|output| !output.status.success()) {
        assert_eq!(output.status.code(), Some(6));
        let stderr = String::from_utf8(output.stderr.clone()).unwrap();
        assert!(stderr.contains("another run is publishing to this target"), "{stderr}");
    }
    assert!(won >= 1);
    assert!(rows(&world.out("share").join(PART)) > 100);
    assert_eq!(names(&world.out("")), ["share"]);

    // A locked target is rejected as long as the lock is held.
    let target = rollshare::internals::publish::Target::parse(world.out("share/").to_str().unwrap()).unwrap();
    let before = fs::metadata(world.out("share").join(PART)).unwrap().modified().unwrap();
    let lock = rollshare::internals::publish::TargetLock::acquire(&target).unwrap();
    assert_eq!(world.command("28", "share/").status().unwrap().code(), Some(6));
    assert_eq!(fs::metadata(world.out("share").join(PART)).unwrap().modified().unwrap(), before);
    drop(lock);
    world.publish("28", "share/");
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
    assert_eq!(names(&world.out("")), ["_rollshare", "share.csv"]);
}

#[test]
fn a_full_disk_is_an_io_error() {
    // /dev/full, a device that is always full, stands for a full disk.
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
