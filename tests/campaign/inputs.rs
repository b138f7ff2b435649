//! Damaged inputs in child processes: what a child does not survive, its parent counts, and goes on after it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::doors::{Outcome, doors};
use crate::mutate::Random;
use crate::{allocations, number, seed, world};

/// Inputs of `cargo test`.
const SLICE: u64 = 20_000;
/// Processor time: undamaged inputs take some milliseconds, the longest table some seconds.
const SLOW: Duration = Duration::from_secs(30);
/// A child that spends longer with one input hangs. The machine may be busy.
const HANG: Duration = Duration::from_secs(300);
/// A child starts again where its last results were written.
const FLUSH: u64 = 500;

#[derive(Clone, Default, serde::Serialize, serde::Deserialize)]
struct Stats {
    door: String,
    inputs: u64,
    errors: u64,
    right: u64,
    other: u64,
    panics: u64,
    wrong: u64,
    slowest: Duration,
    peak: usize,
}

/// What a child is to do, and what it has done.
#[derive(Clone, Default, serde::Serialize, serde::Deserialize)]
struct Share {
    seed: u64,
    next: u64,
    step: u64,
    end: u64,
    skipped: BTreeSet<u64>,
    stats: Vec<Stats>,
    failures: Vec<String>,
}

#[test]
fn damaged_inputs_give_an_error_or_a_right_answer() {
    let inputs = number("ROLLSHARE_CAMPAIGN_INPUTS", SLICE);
    let seed = seed();
    let only = std::env::var("ROLLSHARE_CAMPAIGN_ONLY").ok().map(|_| number("ROLLSHARE_CAMPAIGN_ONLY", 0));
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get() as u64).min(8);
    let shares: Vec<Share> = match only {
        Some(next) => vec![Share { seed, next, step: 1, end: next + 1, ..Share::default() }],
        None => (0..workers.min(inputs))
            .map(|next| Share { seed, next, step: workers, end: inputs, ..Share::default() })
            .collect(),
    };
    let started = Instant::now();
    let ended: Vec<(Share, u64, u64)> = std::thread::scope(|scope| {
        let running: Vec<_> = shares.into_iter().map(|share| scope.spawn(|| supervise(share))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });

    let mut stats: Vec<Stats> = Vec::new();
    for share in ended.iter().flat_map(|(share, ..)| &share.stats) {
        match stats.iter_mut().find(|sum| sum.door == share.door) {
            Some(sum) => add(sum, share),
            None => stats.push(share.clone()),
        }
    }
    let sum = stats.iter().fold(Stats { door: "all".to_owned(), ..Stats::default() }, |mut sum, of| {
        add(&mut sum, of);
        sum
    });
    let (aborts, hangs) = ended.iter().fold((0, 0), |sum, of| (sum.0 + of.1, sum.1 + of.2));
    println!(
        "damaged inputs: seed {seed}, {} s, {aborts} aborts, {hangs} hangs",
        started.elapsed().as_secs()
    );
    println!("| read by | inputs | errors | right | other | panics | wrong | slowest, ms | peak, MiB |");
    println!("|---|---|---|---|---|---|---|---|---|");
    for of in stats.iter().chain([&sum]) {
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {:.1} |",
            of.door,
            of.inputs,
            of.errors,
            of.right,
            of.other,
            of.panics,
            of.wrong,
            of.slowest.as_millis(),
            of.peak as f64 / f64::from(1 << 20),
        );
    }
    let failures: Vec<&String> = ended.iter().flat_map(|(share, ..)| &share.failures).collect();
    for failure in failures.iter().take(40) {
        println!("{failure}");
    }
    assert_eq!((failures.len(), sum.panics, sum.wrong, aborts, hangs), (0, 0, 0, 0, 0));
    assert_eq!(sum.inputs, if only.is_some() { 1 } else { inputs });
    // The campaign proves something only where damage has effects, and not every input is refused.
    assert!(
        inputs < 1_000 || only.is_some() || (sum.errors > inputs / 3 && sum.right + sum.other > inputs / 20)
    );
}

fn add(sum: &mut Stats, of: &Stats) {
    sum.inputs += of.inputs;
    sum.errors += of.errors;
    sum.right += of.right;
    sum.other += of.other;
    sum.panics += of.panics;
    sum.wrong += of.wrong;
    sum.slowest = sum.slowest.max(of.slowest);
    sum.peak = sum.peak.max(of.peak);
}

/// Has children work until a share is done; returns it with the aborts and hangs.
fn supervise(mut share: Share) -> (Share, u64, u64) {
    let folder = world::folder();
    let (mut aborts, mut hangs) = (0, 0);
    loop {
        write(&share, &folder.path().join("share.json"));
        fs::write(folder.path().join("input"), share.next.to_le_bytes()).unwrap();
        let work = folder.path().join("work");
        let _ = fs::remove_dir_all(&work);
        fs::create_dir(&work).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "inputs::_child", "--ignored", "--nocapture", "--quiet"])
            .env("ROLLSHARE_CAMPAIGN_CHILD", folder.path())
            .env("RAYON_NUM_THREADS", "1")
            .env("TMPDIR", &work)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let (mut at, mut since, mut is_hang) = (share.next, Instant::now(), false);
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            std::thread::sleep(Duration::from_millis(50));
            let now = current(folder.path());
            if now != at {
                (at, since) = (now, Instant::now());
            } else if since.elapsed() > HANG && !is_hang {
                child.kill().unwrap();
                is_hang = true;
            }
        };
        share = serde_json::from_slice(&fs::read(folder.path().join("share.json")).unwrap()).unwrap();
        if status.success() {
            assert!(share.next >= share.end, "a child ended early");
            return (share, aborts, hangs);
        }
        let input = current(folder.path());
        if is_hang {
            hangs += 1;
            share.failures.push(format!("input {input}: a hang"));
        } else {
            aborts += 1;
            share.failures.push(format!(
                "input {input}: exit code {:?}, signal {:?}",
                status.code(),
                status.signal()
            ));
        }
        assert!(
            share.skipped.insert(input) && share.skipped.len() < 100,
            "children end at once: {:?}",
            share.failures
        );
    }
}

fn current(folder: &Path) -> u64 {
    let bytes = fs::read(folder.join("input")).unwrap();
    u64::from_le_bytes(bytes.try_into().unwrap())
}

fn write(share: &Share, path: &Path) {
    let new = path.with_extension("new");
    fs::write(&new, serde_json::to_vec(share).unwrap()).unwrap();
    fs::rename(new, path).unwrap();
}

/// The processor time of this process, in steps of 10 ms.
fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    // After the name in parentheses: user and system time are the fields 14 and 15.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    Duration::from_millis(fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap() * 10).sum())
}

/// The message of the last panic.
static PANIC: Mutex<String> = Mutex::new(String::new());

#[test]
#[ignore = "a child process of damaged_inputs_give_an_error_or_a_right_answer"]
fn _child() {
    let Some(folder) = std::env::var_os("ROLLSHARE_CAMPAIGN_CHILD").map(PathBuf::from) else { return };
    let path = folder.join("share.json");
    let mut share: Share = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let input = File::options().write(true).open(folder.join("input")).unwrap();
    let doors = doors(&folder.join("work"));
    let weights: usize = doors.iter().map(|door| door.weight).sum();
    if share.stats.is_empty() {
        share.stats =
            doors.iter().map(|door| Stats { door: door.name.to_owned(), ..Stats::default() }).collect();
    }
    std::panic::set_hook(Box::new(|panic| {
        PANIC.lock().unwrap_or_else(|e| e.into_inner()).clone_from(&panic.to_string());
    }));
    let mut since = 0;
    while share.next < share.end {
        let n = share.next;
        share.next += share.step;
        if share.skipped.contains(&n) {
            continue;
        }
        input.write_all_at(&n.to_le_bytes(), 0).unwrap();
        let mut random = Random(share.seed.wrapping_mul(0x9e37_79b9).wrapping_add(n << 20));
        let mut chosen = random.below(weights);
        let at = doors.iter().position(|door| match chosen.checked_sub(door.weight) {
            Some(rest) => {
                chosen = rest;
                false
            }
            None => true,
        });
        let (door, stats) = (&doors[at.unwrap()], &mut share.stats[at.unwrap()]);
        let before = allocations::start();
        let start = processor_time();
        let outcome = catch_unwind(AssertUnwindSafe(|| (door.attempt)(&mut random)));
        let (took, peak) =
            (processor_time().saturating_sub(start), allocations::peak().saturating_sub(before));
        stats.inputs += 1;
        stats.slowest = stats.slowest.max(took);
        stats.peak = stats.peak.max(peak);
        let mut fail = |what: String| share.failures.push(format!("input {n} ({}): {what}", door.name));
        match outcome {
            Ok(Ok(Outcome::Error)) => stats.errors += 1,
            Ok(Ok(Outcome::Right)) => stats.right += 1,
            Ok(Ok(Outcome::Other)) => stats.other += 1,
            Ok(Err(wrong)) => {
                stats.wrong += 1;
                fail(wrong);
            }
            Err(_) => {
                stats.panics += 1;
                fail(PANIC.lock().unwrap_or_else(|e| e.into_inner()).clone());
            }
        }
        if took > SLOW {
            fail(format!("{took:?} of processor time"));
        }
        if peak > door.memory {
            fail(format!("{} MiB allocated", peak >> 20));
        }
        since += 1;
        if since == FLUSH {
            since = 0;
            write(&share, &path);
        }
    }
    write(&share, &path);
}
