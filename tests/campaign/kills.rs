//! `kill -9` at random moments: the target is the old or the new whole table, files of others are as they were, and the
//! next run succeeds and cleans up.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::mutate::Random;
use crate::world::{Outputs, files, names, program};
use crate::{number, seed};

/// Kills of `cargo test`.
const SLICE: u64 = 30;
const PART: &str = "part-00000-rollshare.snappy.parquet";
const WINDOWS: [&str; 2] = ["7", "28"];

/// Kills that many commands.
type Campaign = fn(u64, &mut Random) -> Stats;

#[derive(Default)]
struct Stats {
    attempts: u64,
    killed: u64,
    old: u64,
    new: u64,
    temporaries: u64,
    next_runs: u64,
}

#[test]
fn a_killed_run_leaves_a_whole_table() {
    let kills = number("ROLLSHARE_CAMPAIGN_KILLS", SLICE);
    let seed = seed();
    let started = Instant::now();
    let kinds: [(&str, Campaign); 4] = [
        ("run to a file", |kills, random| publishing("share.parquet", &[], kills, random)),
        ("run to a folder", |kills, random| publishing("share/", &[], kills, random)),
        ("run to a folder, with a state", |kills, random| publishing("share/", &["--state"], kills, random)),
        ("promote", promoting),
    ];
    let mut rows = Vec::new();
    for (at, (name, campaign)) in kinds.iter().enumerate() {
        let mut random = Random(seed.wrapping_add(at as u64) << 32);
        let share = kills / 4 + u64::from(kills % 4 > at as u64);
        rows.push((name, campaign(share, &mut random)));
    }
    println!("kills: seed {seed}, {} s", started.elapsed().as_secs());
    println!("| killed | kills | ended before | old table | new table | left temporaries | next runs |");
    println!("|---|---|---|---|---|---|---|");
    for (name, of) in rows {
        let Stats { attempts, killed, old, new, temporaries, next_runs } = of;
        println!(
            "| {name} | {killed} | {} | {old} | {new} | {temporaries} | {next_runs} |",
            attempts - killed
        );
    }
}

/// Kills a command at a random moment of its usual duration; returns whether it was still running.
fn kill(mut command: Command, duration: Duration, random: &mut Random) -> bool {
    let moment = duration.mul_f64((random.next() >> 11) as f64 / (1u64 << 53) as f64 * 1.1);
    let mut child = command.spawn().unwrap();
    std::thread::sleep(moment);
    child.kill().unwrap();
    child.wait().unwrap().code().is_none()
}

/// Files of others beside the target and in `_rollshare`; each is found again with its content, and only there.
struct Others {
    planted: Vec<(std::path::PathBuf, String)>,
}

impl Others {
    fn new(outputs: &Outputs) -> Self {
        let mut others = Others { planted: Vec::new() };
        for name in ["out/mine.parquet", "out/.mine.tmp", "out/mine/a.csv", "out/_rollshare.mine"] {
            others.plant(&outputs.at(name));
        }
        others
    }

    fn plant(&mut self, path: &Path) {
        let content = format!("mine, {}", self.planted.len());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &content).unwrap();
        self.planted.push((path.to_owned(), content));
    }

    fn check(&self) {
        for (path, content) in &self.planted {
            let found = fs::read_to_string(path);
            assert!(found.as_ref().is_ok_and(|found| found == content), "{}: {found:?}", path.display());
        }
    }
}

/// Temporaries of killed runs below a folder.
fn temporaries(folder: &Path) -> u64 {
    let found = files(folder);
    found.iter().filter(|file| file.to_string_lossy().contains(".rollshare-")).count() as u64
}

/// Until this many runs were killed.
fn publishing(target: &str, arguments: &[&str], kills: u64, random: &mut Random) -> Stats {
    let outputs = Outputs::new(20_000);
    let run = |window: &str| {
        let mut command = outputs.run(window, target);
        for argument in arguments {
            command.arg(argument).arg(outputs.at("state"));
        }
        command
    };
    let path = outputs.at("out").join(target);
    let table = if target.ends_with('/') { path.join(PART) } else { path.clone() };
    let mut tables = Vec::new();
    let mut duration = Duration::ZERO;
    for window in WINDOWS {
        let started = Instant::now();
        assert!(run(window).status().unwrap().success());
        duration = started.elapsed();
        tables.push(fs::read(&table).unwrap());
    }
    assert_ne!(tables[0], tables[1]);
    let mut others = Others::new(&outputs);
    if target.ends_with('/') {
        others.plant(&path.join("_rollshare/mine.txt"));
    }
    let mut stats = Stats::default();
    while stats.killed < kills {
        assert!(
            stats.attempts < 20 * kills + 100,
            "only {} of {} runs were killed",
            stats.killed,
            stats.attempts
        );
        stats.attempts += 1;
        let before = fs::read(&table).unwrap();
        // The run's table is the one that is not there.
        let at = usize::from(before == tables[0]);
        stats.killed += u64::from(kill(run(WINDOWS[at]), duration, random));
        let now = fs::read(&table).unwrap();
        assert!(now == before || now == tables[at], "attempt {}: neither old nor new", stats.attempts);
        *(if now == tables[at] { &mut stats.new } else { &mut stats.old }) += 1;
        others.check();
        stats.temporaries += u64::from(temporaries(&outputs.at("out")) > 0);
        // The next run, again with the table that is not there.
        let next = usize::from(now == tables[0]);
        let ended = run(WINDOWS[next]).stderr(std::process::Stdio::piped()).output().unwrap();
        assert!(ended.status.success(), "attempt {}: {ended:?}", stats.attempts);
        assert!(fs::read(&table).unwrap() == tables[next], "attempt {}: the next run", stats.attempts);
        assert_eq!(temporaries(&outputs.at("out")), 0, "attempt {}", stats.attempts);
        others.check();
        stats.next_runs += 1;
    }
    stats
}

fn promoting(kills: u64, random: &mut Random) -> Stats {
    let outputs = Outputs::new(9_000);
    let (target, quarantine) =
        (outputs.at("out/share.parquet"), outputs.at("out/_rollshare/share.parquet/quarantine"));
    let blocked = |window: &str| {
        let mut command = outputs.run(window, "share.parquet");
        command.args(["--organic", "No such channel"]);
        command
    };
    let promote = || {
        let mut command = program();
        command.args(["promote", "--quiet", "latest", "--target"]).arg(&target);
        command
    };
    assert!(outputs.run("7", "share.parquet").status().unwrap().success());
    let others = Others::new(&outputs);
    let mut stats = Stats::default();
    let mut duration = Duration::from_millis(20);
    while stats.killed < kills {
        assert!(stats.attempts < 20 * kills + 100, "only {} of {} were killed", stats.killed, stats.attempts);
        let window = WINDOWS[(stats.attempts % 2) as usize];
        stats.attempts += 1;
        let before = fs::read(&target).unwrap();
        assert_eq!(blocked(window).status().unwrap().code(), Some(4));
        assert!(fs::read(&target).unwrap() == before, "a blocked run has published");
        let run = names(&quarantine).pop().unwrap();
        let table = fs::read(quarantine.join(&run).join("table.parquet")).unwrap();
        stats.killed += u64::from(kill(promote(), duration, random));
        let now = fs::read(&target).unwrap();
        assert!(now == before || now == table, "attempt {}: neither old nor new", stats.attempts);
        *(if now == table { &mut stats.new } else { &mut stats.old }) += 1;
        others.check();
        stats.temporaries += u64::from(temporaries(&outputs.at("out")) > 0);
        // Again: it publishes the table, or says that it has.
        let started = Instant::now();
        let code = promote().status().unwrap().code();
        duration = started.elapsed().max(Duration::from_millis(2));
        assert!(code == Some(0) || (now == table && code == Some(2)), "attempt {}: {code:?}", stats.attempts);
        assert!(fs::read(&target).unwrap() == table, "attempt {}: the next promotion", stats.attempts);
        others.check();
        stats.next_runs += 1;
    }
    // A run after all of them cleans up.
    assert_eq!(blocked("7").status().unwrap().code(), Some(4));
    assert_eq!(temporaries(&outputs.at("out")), 0);
    stats
}
