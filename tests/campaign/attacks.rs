//! Other doors: limits of the system, several runs at once, links and files that change during a run, a full disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rollshare::internals::sample::Layout;

use crate::mutate::Random;
use crate::world::{Outputs, files, names, program, write_sample};
use crate::{number, seed};

/// Attacks of each kind of `cargo test`.
const SLICE: u64 = 3;

/// How often a command has ended with which exit code, or by which signal.
type Ends = BTreeMap<String, u64>;

fn attacks() -> u64 {
    number("ROLLSHARE_CAMPAIGN_ATTACKS", SLICE)
}

/// Counts the end of a command. A panic (70) and any signal are failures; being out of memory aborts, as in every Rust
/// program, if `may_abort`.
fn count(ends: &mut Ends, output: &Output, may_abort: bool) {
    let end = match (output.status.code(), output.status.signal()) {
        (Some(code), _) => code.to_string(),
        (None, signal) => format!("signal {}", signal.unwrap_or_default()),
    };
    let is_out_of_memory = String::from_utf8_lossy(&output.stderr).contains("memory allocation of");
    let is_known = (0..=7).any(|code| output.status.code() == Some(code)) || (may_abort && is_out_of_memory);
    assert!(is_known, "{end}: {output:?}");
    *ends.entry(if is_out_of_memory { format!("{end}, out of memory") } else { end }).or_default() += 1;
}

fn print(what: &str, ends: &Ends) {
    let ends: Vec<String> = ends.iter().map(|(end, times)| format!("{end}: {times}")).collect();
    println!("| {what} | {} |", ends.join(", "));
}

fn run_output(command: &mut Command) -> Output {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap()
}

/// The command under a limit of the shell.
fn limited(command: &Command, limit: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("trap '' XFSZ; ulimit {limit} && exec \"$@\"")).arg("sh");
    shell.arg(command.get_program()).args(command.get_args()).env_remove("ROLLSHARE_THREADS");
    shell.stdin(Stdio::null());
    shell
}

/// Two tables at one target.
struct Target {
    outputs: Outputs,
    tables: [Vec<u8>; 2],
}

impl Target {
    fn new() -> Self {
        let outputs = Outputs::new(20_000);
        let tables = ["28", "7"].map(|window| {
            assert!(outputs.run(window, "t.parquet").status().unwrap().success());
            fs::read(outputs.at("out/t.parquet")).unwrap()
        });
        Target { outputs, tables }
    }

    /// The target is the table of the run if it has succeeded, and the old one if it has failed.
    fn check(&self, output: &Output, what: &str) {
        let now = fs::read(self.outputs.at("out/t.parquet")).unwrap();
        let is_right = match output.status.code() {
            Some(0 | 7) => now == self.tables[0],
            Some(_) => now == self.tables[1],
            None => self.tables.contains(&now),
        };
        assert!(is_right, "{what}: {output:?}");
        if now == self.tables[0] {
            assert!(self.outputs.run("7", "t.parquet").status().unwrap().success(), "{what}");
        }
    }
}

#[test]
fn limits_of_the_system() {
    let mut random = Random(seed());
    let target = Target::new();
    println!("| limit, seed {} | exit codes |", seed());
    type Limit = fn(&mut Random) -> String;
    let limits: [(&str, Limit); 3] = [
        // In units of 512 bytes.
        ("length of a file, 0 to 64 KiB", |random| format!("-f {}", random.below(128))),
        ("open files, 3 to 40", |random| format!("-n {}", 3 + random.below(38))),
        ("address space, 10 to 400 MiB", |random| format!("-v {}", (10 + random.below(390)) << 10)),
    ];
    for (name, limit) in limits {
        let mut ends = Ends::new();
        for _ in 0..attacks() {
            let limit = limit(&mut random);
            let output = run_output(&mut limited(&target.outputs.run("28", "t.parquet"), &limit));
            // Where the loader has too little, the program has not begun.
            let is_loader = String::from_utf8_lossy(&output.stderr).contains("shared librar");
            let is_kernel =
                output.status.code().is_none() && output.stderr.is_empty() && limit.starts_with("-v");
            if is_loader || is_kernel {
                *ends.entry("not started".to_owned()).or_default() += 1;
            } else {
                count(&mut ends, &output, limit.starts_with("-v"));
            }
            target.check(&output, &limit);
        }
        print(name, &ends);
    }
}

#[test]
fn several_runs_at_once() {
    let outputs = Outputs::new(20_000);
    let windows = ["7", "28"];
    let tables = windows.map(|window| {
        assert!(outputs.run(window, "t.parquet").status().unwrap().success());
        fs::read(outputs.at("out/t.parquet")).unwrap()
    });
    let mut ends = Ends::new();
    for _ in 0..attacks() {
        let children: Vec<_> = (0..6)
            .map(|at| {
                let mut command = outputs.run(windows[at % 2], "t.parquet");
                command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        let outputs_of: Vec<Output> = children.into_iter().map(|c| c.wait_with_output().unwrap()).collect();
        let won: Vec<usize> = (0..6).filter(|at| outputs_of[*at].status.success()).collect();
        outputs_of.iter().for_each(|output| count(&mut ends, output, false));
        let now = fs::read(outputs.at("out/t.parquet")).unwrap();
        assert!(won.iter().any(|at| now == tables[at % 2]), "the target is of none of {won:?}");
        assert_eq!(names(&outputs.at("out")), ["_rollshare", "t.parquet"]);
    }
    print("six runs at once", &ends);
}

/// Does `change` again and again while a command runs.
fn during(command: &mut Command, change: &(dyn Fn(u64) + Sync)) -> Output {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 0;
            while !done.load(Ordering::Relaxed) {
                change(n);
                n += 1;
                std::thread::sleep(Duration::from_micros(300));
            }
        });
        let output = run_output(command);
        done.store(true, Ordering::Relaxed);
        output
    })
}

#[test]
fn links_that_change_during_a_run() {
    let (mut ends, mut random, mut exchanges) = (Ends::new(), Random(seed()), 0);
    for _ in 0..attacks() {
        let target = Target::new();
        let outputs = &target.outputs;
        let (kept, aside, mine) = (outputs.at("out/_rollshare"), outputs.at("out/aside"), outputs.at("mine"));
        let theses = ["mine/t.parquet/history/thesis", "mine/t.parquet/runs/thesis"];
        for file in theses.map(|file| outputs.at(file)) {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "mine").unwrap();
        }
        // A run looks at the folder of the program when it begins, and refuses a link. So the exchanges begin at a random
        // moment of its usual duration: between that look and the writes at its end.
        let usual = {
            let begun = Instant::now();
            assert!(outputs.run("7", "t.parquet").status().unwrap().success());
            begun.elapsed().as_micros() as usize
        };
        let pause = |micros: usize| std::thread::sleep(Duration::from_micros(micros as u64));
        let is_done = AtomicBool::new(false);
        let (first, mut random_pauses) = (random.below(usual), Random(random.next()));
        let output = std::thread::scope(|scope| {
            let attack = scope.spawn(|| {
                pause(first);
                let mut exchanged = 0u64;
                while !is_done.load(Ordering::Relaxed) {
                    if fs::rename(&kept, &aside).is_ok() {
                        let _ = symlink(&mine, &kept);
                        exchanged += 1;
                    }
                    pause(random_pauses.below(1_000));
                    if fs::symlink_metadata(&kept).is_ok_and(|kind| kind.is_symlink()) {
                        let _ = fs::remove_file(&kept);
                        let _ = fs::rename(&aside, &kept);
                    }
                    pause(random_pauses.below(1_000));
                }
                exchanged
            });
            let output = run_output(&mut outputs.run("28", "t.parquet"));
            is_done.store(true, Ordering::Relaxed);
            exchanges += attack.join().unwrap();
            output
        });
        count(&mut ends, &output, false);
        let now = fs::read(outputs.at("out/t.parquet")).unwrap();
        assert!(target.tables.contains(&now), "{output:?}");
        // Nothing behind the link is changed, deleted or added: it is not followed once.
        let found = files(&mine);
        assert_eq!(found, theses.map(|file| outputs.at(file)), "{output:?}");
        assert!(found.iter().all(|file| fs::read(file).unwrap() == b"mine"), "{output:?}");
    }
    print(&format!("`_rollshare` exchanged with a link during a run, {exchanges} times"), &ends);
}

#[test]
fn files_that_arrive_in_the_target_folder() {
    let outputs = Outputs::new(20_000);
    assert!(outputs.run("7", "share/").status().unwrap().success());
    let (mut ends, mut planted) = (Ends::new(), 0);
    let mut random = Random(seed());
    for round in 0..attacks() {
        let arrived = Mutex::new(BTreeSet::new());
        // A file that is there when the folder is listed is refused: some of these come later.
        let first = random.next() % 25;
        let arrive = |n: u64| {
            let name = format!("mine-{round}-{n}");
            let is_time = (first..first + 3).contains(&n);
            if is_time && fs::write(outputs.at("out/share").join(&name), &name).is_ok() {
                arrived.lock().unwrap().insert(name);
            }
        };
        let output = during(&mut outputs.run(["7", "28"][round as usize % 2], "share/"), &arrive);
        count(&mut ends, &output, false);
        // Each is in the folder, or kept aside beside it.
        let found = files(&outputs.at("out")).into_iter().filter_map(|file| {
            let is_mine = file.to_string_lossy().contains(&format!("/mine-{round}-"));
            let content = is_mine.then(|| fs::read_to_string(&file).unwrap())?;
            fs::remove_file(file).unwrap();
            Some(content)
        });
        let arrived = arrived.into_inner().unwrap();
        assert_eq!(found.collect::<BTreeSet<_>>(), arrived, "{output:?}");
        planted += arrived.len();
    }
    print(&format!("{planted} files of others that arrive in the target folder"), &ends);
}

#[test]
fn sources_that_are_replaced_during_a_run() {
    let mut ends = Ends::new();
    let outputs = Outputs::new(20_000);
    let [a, b] = ["a.parquet", "b.parquet"].map(|name| outputs.at(name));
    write_sample(&a, 20_000, Layout::Export, 1);
    write_sample(&b, 30_000, Layout::Export, 1);
    let tables = [&a, &b].map(|source| {
        fs::copy(source, outputs.source()).unwrap();
        assert!(outputs.run("7", "t.parquet").arg("--no-checks").status().unwrap().success());
        fs::read(outputs.at("out/t.parquet")).unwrap()
    });
    assert_ne!(tables[0], tables[1]);
    let new = outputs.at("new.parquet");
    let replace = |n: u64| {
        fs::copy(if n.is_multiple_of(2) { &a } else { &b }, &new).unwrap();
        fs::rename(&new, outputs.source()).unwrap();
    };
    for round in 0..attacks() {
        let mut command = outputs.run("7", "t.parquet");
        command.arg(if round % 2 == 0 { "--no-checks" } else { "--warn-only" });
        let output = during(&mut command, &replace);
        count(&mut ends, &output, false);
        let now = fs::read(outputs.at("out/t.parquet")).unwrap();
        assert!(tables.contains(&now), "neither the table of one export nor of the other: {output:?}");
    }
    print("an export that is replaced by rename during a run", &ends);
}

/// A file system that is too small, mounted by root, or by a user in a namespace where the kernel lets him.
#[test]
fn a_full_disk() {
    let outputs = Outputs::new(20_000);
    let mount = outputs.at("small");
    fs::create_dir(&mount).unwrap();
    let in_namespace = |options: &[&str], script: &str| {
        Command::new("unshare").args(options).args(["sh", "-c", script]).stdin(Stdio::null()).output()
    };
    let trial = format!("mount -t tmpfs -o size=64k none {}", mount.display());
    let ways: [&[&str]; 2] = [&["--mount"], &["--mount", "--map-root-user"]];
    let can = |options: &&[&str]| in_namespace(options, &trial).is_ok_and(|output| output.status.success());
    let Some(options) = ways.into_iter().find(can) else {
        // Not by a macro, whose output of a passed test is hidden.
        let missing = "NOT RUN: a full disk; needs unshare (util-linux), and root or user namespaces";
        writeln!(std::io::stderr(), "{missing}").unwrap();
        return;
    };
    let mut random = Random(seed());
    let mut ends = Ends::new();
    for round in 0..attacks() {
        let size = 4 * (4 + random.below(60));
        let mut plain = program();
        plain.args(["run", "--quiet", "--grain", "day", "--details", "--source"]).arg(outputs.source());
        let line = |window: &str, target: &str| {
            let arguments: Vec<String> =
                plain.get_args().map(|argument| format!("'{}'", argument.to_str().unwrap())).collect();
            let program = plain.get_program().to_str().unwrap();
            format!(
                "'{program}' {} --window {window} --target {}/{target}",
                arguments.join(" "),
                mount.display()
            )
        };
        let target = ["t.csv", "t.parquet"][round as usize % 2];
        // The old table fits; then the disk is made smaller by a file, and the new one may not fit.
        let script = format!(
            "mount -t tmpfs -o size=4m none {0} && {1} && cp {0}/{3} {4}/old && \
             mount -o remount,size=$(($(df -k --output=used {0} | tail -1) + {size}))k {0}; {2}; code=$?; \
             cp {0}/{3} {4}/now; exit $code",
            mount.display(),
            line("7", target),
            line("28", target),
            target,
            outputs.dir.path().display(),
        );
        let output = in_namespace(options, &script).unwrap();
        count(&mut ends, &output, false);
        let (old, now) = (fs::read(outputs.at("old")).unwrap(), fs::read(outputs.at("now")).unwrap());
        let is_published = matches!(output.status.code(), Some(0 | 7));
        assert_eq!(now != old, is_published, "{size} KiB: {output:?}");
    }
    print("a disk with 16 to 252 KiB left", &ends);
}

/// Names of files, targets and settings as hostile as a file system allows.
#[test]
fn hostile_names() {
    let outputs = Outputs::new(9_000);
    let mut ends = Ends::new();
    let names_of_files: [&[u8]; 8] =
        [b"-rf", b"a\nb", b"\x1b[31m", b"\xff\xfe", b"  ", b"'\"`$(id)", b"%s%n", b"a=b.parquet"];
    for name in names_of_files {
        use std::os::unix::ffi::OsStrExt;
        let folder = outputs.at("hostile").join(std::ffi::OsStr::from_bytes(name));
        fs::create_dir_all(&folder).unwrap();
        let source = folder.join(std::ffi::OsStr::from_bytes(name));
        fs::copy(outputs.source(), &source).unwrap();
        for source in [Path::new(&source), &folder] {
            let mut command = program();
            command.arg("run").arg("--quiet").arg("--source").arg(source);
            command.arg("--target").arg(folder.join("t.csv"));
            let output = run_output(&mut command);
            count(&mut ends, &output, false);
        }
    }
    print("names of files and folders", &ends);
}
