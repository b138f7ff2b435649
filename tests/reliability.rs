//! What must not happen beside other people's files: damage that is published, success that reads as failure, files of
//! others that are deleted or followed.
#![cfg(all(feature = "cli", unix))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

mod runs;

use runs::{World, names};

impl World {
    /// With a published run of one export, and a blocked one of another at the same target.
    fn blocked() -> (Self, String) {
        let world = World::new();
        assert_eq!(world.run("x.csv", &["--quiet"]).status.code(), Some(0));
        world.export(2);
        assert_eq!(world.run("x.csv", &["--quiet"]).status.code(), Some(4));
        let run = names(&world.at("out/_rollshare/x.csv/quarantine"))[0].clone();
        (world, run)
    }

    fn report(&self, run: &str, target: &str) -> Value {
        let output = self.command("report", target).args([run, "--json"]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
    }
}

/// What is changed, and how.
type Case<'a, T> = (&'static str, &'a dyn Fn(&T));

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_quarantined_table_that_was_changed_is_not_published() {
    let damage: [Case<'_, Path>; 6] = [
        ("cut", &|at| {
            fs::write(at.join("table.csv"), &fs::read(at.join("table.csv")).unwrap()[..300]).unwrap()
        }),
        ("empty", &|at| fs::write(at.join("table.csv"), "").unwrap()),
        ("a flipped bit", &|at| {
            let mut bytes = fs::read(at.join("table.csv")).unwrap();
            bytes[1000] ^= 1;
            fs::write(at.join("table.csv"), bytes).unwrap();
        }),
        ("other sums", &|at| {
            fs::copy(at.join("../../history/published.parquet"), at.join("sums.parquet")).unwrap();
        }),
        ("no sums", &|at| fs::remove_file(at.join("sums.parquet")).unwrap()),
        ("the report of another run", &|at| {
            let text = fs::read_to_string(at.join("report.json")).unwrap();
            let run = at.file_name().unwrap().to_str().unwrap();
            fs::write(at.join("report.json"), text.replace(run, "20200101T000000.000Z-00000000")).unwrap();
        }),
    ];
    for (what, damage) in damage {
        let (world, run) = World::blocked();
        let before = fs::read(world.at("out/x.csv")).unwrap();
        damage(&world.at("out/_rollshare/x.csv/quarantine").join(&run));
        let promoted = world.promote(&run, "x.csv");
        assert_eq!(promoted.status.code(), Some(3), "{what}: {promoted:?}");
        assert!(stderr(&promoted).contains("quarantine"), "{what}: {promoted:?}");
        assert_eq!(fs::read(world.at("out/x.csv")).unwrap(), before, "{what}");
        assert_eq!(names(&world.at("out/_rollshare/x.csv/quarantine")), [&*run], "{what}");
    }
    let (world, run) = World::blocked();
    assert_eq!(world.promote(&run, "x.csv").status.code(), Some(0));
}

#[test]
fn a_history_that_cannot_be_written_does_not_make_a_published_run_fail() {
    // A folder in the place of the file: it cannot be replaced, not even by root.
    let spoil = |world: &World| {
        let file = world.at("out/_rollshare/x.csv/history/published.parquet");
        let _ = fs::remove_file(&file);
        fs::create_dir_all(&file).unwrap();
        fs::write(file.join("in the way"), "").unwrap();
    };
    let (world, run) = World::blocked();
    let before = fs::read(world.at("out/x.csv")).unwrap();
    spoil(&world);
    // What cannot be read is an error before anything is replaced.
    let refused = world.promote(&run, "x.csv");
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert_eq!(fs::read(world.at("out/x.csv")).unwrap(), before);
    assert_ne!(world.run("x.csv", &["--quiet"]).status.code(), Some(0));
    assert_eq!(fs::read(world.at("out/x.csv")).unwrap(), before);

    // Files of more than 4 KiB cannot be written: the table is smaller, history and report are not.
    let limited = |world: &World, arguments: &str| {
        let target = world.at("out/x.csv");
        let program = env!("CARGO_BIN_EXE_rollshare");
        let script =
            format!("trap '' XFSZ; ulimit -f 8; exec {program} {arguments} --target {}", target.display());
        Command::new("sh").args(["-c", &script]).env_remove("ROLLSHARE_THREADS").output().unwrap()
    };
    let (world, run) = World::blocked();
    let kept = world.at("out/_rollshare/x.csv");
    let table = fs::read(kept.join("quarantine").join(&run).join("table.csv")).unwrap();
    assert!(table.len() < 4096 && fs::metadata(kept.join("history/published.parquet")).unwrap().len() > 4096);
    let promoted = limited(&world, &format!("promote {run}"));
    assert_eq!(promoted.status.code(), Some(7), "{promoted:?}");
    let text = stderr(&promoted);
    assert!(text.contains("published, but the history was not updated"), "{text}");
    assert_eq!(fs::read(world.at("out/x.csv")).unwrap(), table);
    // The quarantine is the only place that knows of the run: it stays, and the run can be promoted again.
    assert_eq!(names(&kept.join("quarantine")), [&*run]);
    assert_eq!(world.promote(&run, "x.csv").status.code(), Some(0));
    assert!(names(&kept.join("quarantine")).is_empty());

    let source = world.at("export.parquet");
    let quiet = limited(&world, &format!("run --quiet --source {}", source.display()));
    assert_eq!(quiet.status.code(), Some(7), "{quiet:?}");
    assert!(stderr(&quiet).contains("published, but the history was not updated"), "{quiet:?}");
    let json = limited(&world, &format!("run --json --source {}", source.display()));
    assert_eq!(json.status.code(), Some(7));
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&json["exit_code"], &json["state"]), (&7.into(), &"published".into()));
    assert_eq!(json["not_kept"][0]["what"], "history");
    let places = ["history", "report", "page"].map(|place| &json["places"][place]);
    assert_eq!(places, [&Value::Null; 3], "paths of files that are not there");
}

#[test]
fn what_the_program_did_not_make_is_left_alone() {
    let mine = |world: &World| {
        for folder in ["mine/runs", "mine/history", "mine/empty"] {
            fs::create_dir_all(world.at(folder)).unwrap();
        }
        for file in ["mine/runs/20200101T000000.000Z-00000000.json", "mine/.x.rollshare-1", "mine/thesis"] {
            fs::write(world.at(file), "mine").unwrap();
        }
    };
    let plant: [Case<'_, World>; 5] = [
        ("a file", &|world| fs::write(world.at("out/_rollshare"), "").unwrap()),
        ("a link", &|world| symlink(world.at("mine"), world.at("out/_rollshare")).unwrap()),
        ("a link inside", &|world| {
            fs::create_dir(world.at("out/_rollshare")).unwrap();
            symlink(world.at("mine"), world.at("out/_rollshare/x.csv")).unwrap();
        }),
        ("a folder of others", &|world| {
            fs::create_dir_all(world.at("out/_rollshare/x.csv")).unwrap();
            fs::write(world.at("out/_rollshare/x.csv/thesis"), "mine").unwrap();
        }),
        ("a link in a folder of ours", &|world| {
            assert_eq!(world.run("x.csv", &["--quiet"]).status.code(), Some(0));
            fs::remove_dir_all(world.at("out/_rollshare/x.csv/history")).unwrap();
            symlink(world.at("mine/history"), world.at("out/_rollshare/x.csv/history")).unwrap();
        }),
    ];
    for (what, plant) in plant {
        let world = World::new();
        mine(&world);
        plant(&world);
        let listing = |world: &World| {
            let folders = ["mine", "mine/runs", "mine/history", "mine/empty"];
            folders.map(|folder| names(&world.at(folder)))
        };
        let before = (listing(&world), fs::read(world.at("out/x.csv")).ok());
        let refused = world.run("x.csv", &["--quiet"]);
        assert_eq!(refused.status.code(), Some(2), "{what}: {refused:?}");
        assert!(stderr(&refused).contains("_rollshare"), "{what}: {refused:?}");
        assert_eq!((listing(&world), fs::read(world.at("out/x.csv")).ok()), before, "{what}");
    }
}

#[test]
fn a_history_that_is_no_regular_file_does_not_hang() {
    let world = World::new();
    assert_eq!(world.run("x.csv", &["--quiet"]).status.code(), Some(0));
    let history = world.at("out/_rollshare/x.csv/history/published.parquet");
    fs::remove_file(&history).unwrap();
    symlink("/dev/zero", &history).unwrap();
    assert_eq!(world.run("x.csv", &["--quiet"]).status.code(), Some(2));
    fs::remove_file(&history).unwrap();
    assert!(Command::new("mkfifo").arg(&history).status().unwrap().success());
    assert_eq!(world.run("x.csv", &["--quiet"]).status.code(), Some(2));
}

#[test]
fn runs_keep_their_order_when_the_clock_jumps() {
    let (world, run) = World::blocked();
    let kept = world.at("out/_rollshare/x.csv");
    // The published run, as if the clock had been years ahead.
    let first = names(&kept.join("runs")).into_iter().find(|name| name.ends_with(".json")).unwrap();
    let first = first.trim_end_matches(".json");
    let ahead = "20990101T000000.000Z-00000000";
    let text = fs::read_to_string(kept.join("runs").join(format!("{first}.json"))).unwrap();
    for end in ["json", "html"] {
        fs::remove_file(kept.join("runs").join(format!("{first}.{end}"))).unwrap();
    }
    fs::write(kept.join("runs").join(format!("{ahead}.json")), text.replace(first, ahead)).unwrap();
    assert_eq!(world.promote(&run, "x.csv").status.code(), Some(2), "that run was published since");

    world.export(1);
    assert_eq!(world.run("x.csv", &["--quiet"]).status.code(), Some(0));
    let latest = world.report("latest", "x.csv")["run"].as_str().unwrap().to_owned();
    assert!(latest.as_str() > ahead, "{latest}");
    world.export(2);
    assert_eq!(world.run("x.csv", &["--quiet"]).status.code(), Some(4));
    let blocked = names(&kept.join("quarantine")).pop().unwrap();
    assert!(blocked > latest, "{blocked}");
    let promoted = world.promote(&blocked, "x.csv");
    assert_eq!(promoted.status.code(), Some(0), "{promoted:?}");
}

#[test]
fn threads_that_cannot_be_started_are_an_error() {
    let world = World::new();
    let script = format!(
        "ulimit -v 400000; exec {} run --source {} --threads 256 --quiet --no-checks --target {}",
        env!("CARGO_BIN_EXE_rollshare"),
        world.at("export.parquet").display(),
        world.at("out/x.csv").display()
    );
    let output = Command::new("sh").args(["-c", &script]).env_remove("ROLLSHARE_THREADS").output().unwrap();
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    assert!(stderr(&output).contains("cannot start 256 threads"), "{output:?}");
    assert!(!world.at("out/x.csv").exists());
    let script = script.replace("--threads 256", "--threads 1");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn one_absurd_date_is_an_error_that_names_it() {
    let world = World::new();
    let day = |date: &str, label: &str| {
        let row = |name: &str, users: u32| format!("{date},{label},GB,all,{name},{users}\n");
        row("Organic", 40) + &row("Google", 60)
    };
    let usual: String = [("2021-05-03", "2021_18"), ("2021-05-10", "2021_19"), ("2021-05-11", "2021_19")]
        .map(|(date, label)| day(date, label))
        .concat();
    let run = |odd: &str, arguments: &[&str]| {
        fs::write(
            world.at("x.csv"),
            format!("start_date,year_week,country,os_name,name,value\n{usual}{odd}"),
        )
        .unwrap();
        world.command("run", "t.csv").arg("--source").arg(world.at("x.csv")).args(arguments).output().unwrap()
    };
    for (date, label) in [("0001-01-01", "0001_01"), ("9999-12-31", "9999_52")] {
        let odd = day(date, label);
        for (grain, named, condition) in [
            ("week", label, format!("year_week!={label}")),
            ("day", date, format!("start_date!={date}")),
            ("month", &date[..7], format!("start_date!={date}")),
        ] {
            // The check of days in the future blocks first.
            let blocks = grain == "week" && date > "2021";
            for (checks, code) in [("--no-checks", 3), ("--warn-only", 3), ("-q", if blocks { 4 } else { 3 })]
            {
                let output = run(&odd, &["--grain", grain, checks]);
                if checks != "-q" || blocks || grain == "week" {
                    assert_eq!(output.status.code(), Some(code), "{grain} {checks}: {}", stderr(&output));
                }
                if output.status.code() == Some(3) {
                    let text = stderr(&output);
                    for part in ["reach from", named, "2021", "at most 100 years", "--where"] {
                        assert!(text.contains(part), "{grain} {checks}: no '{part}' in {text}");
                    }
                }
                assert!(!world.at("out/t.csv").exists());
            }
            let output = run(&odd, &["--grain", grain, "--no-checks", "--where", &condition]);
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
            fs::remove_file(world.at("out/t.csv")).unwrap();
        }
        let output = run(&odd, &["--semantics", "legacy", "--no-checks"]);
        let text = stderr(&output);
        assert!(
            output.status.code() == Some(3) && text.contains("reach from") && text.contains(date),
            "{text}"
        );
    }
    assert_eq!(run("", &["--no-checks"]).status.code(), Some(0));
}
