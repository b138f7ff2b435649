//! The program, run as a process: arguments, exit codes, streams.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn rollshare() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollshare"));
    command.env_remove("ROLLSHARE_THREADS").stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    rollshare().args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn sample(dir: &Path) -> String {
    let path = dir.join("sample.parquet").to_str().unwrap().to_owned();
    let output = run(&["sample", "--rows", "9000", "--out", &path]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("9,000 rows, 1 file"), "{}", text(&output.stderr));
    path
}

#[test]
fn help_and_version() {
    for arguments in [&["--help"][..], &["run", "--help"], &["help", "sample"]] {
        let output = run(arguments);
        assert!(output.status.success());
        assert!(text(&output.stdout).contains("Usage: rollshare"));
    }
    assert!(text(&run(&["run", "--help"]).stdout).contains("Examples:"));
    let version = text(&run(&["--version"]).stdout);
    for fact in [env!("CARGO_PKG_VERSION"), "target: ", "rustc: ", "cpu: ", "commit: "] {
        assert!(version.contains(fact), "{version}");
    }
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = run(&["completions", shell]);
        assert!(output.status.success() && text(&output.stdout).contains("semantics"), "{shell}");
    }
    assert_eq!(run(&["completions", "cobol"]).status.code(), Some(2));
}

#[test]
fn wrong_usage_exits_2() {
    let dir = tempfile::tempdir().unwrap();
    let source = sample(dir.path());
    for arguments in [
        &[][..],
        &["publish"],
        &["run"],
        &["run", "--source", &source, "--window", "0"],
        &["run", "--source", &source, "--threads", "none"],
        &["run", "--source", &source, "--column", "brand=x"],
        &["run", "--source", &source, "--semantics", "legacy", "--grain", "day"],
        &["run", "--source", &source, "--target", "x.xlsx"],
        &["run", "--source", &source, "--target", &source],
        &["run", "--source", &source, "--nonsense"],
        &["sample", "--rows", "0", "--out", "x"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        assert!(!output.stderr.is_empty() && output.stdout.is_empty());
    }
    let output = rollshare().args(["run", "--source", &source]).env("ROLLSHARE_THREADS", "0").output();
    assert_eq!(output.unwrap().status.code(), Some(2));
}

#[test]
fn bad_input_exits_3_and_names_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    fs::create_dir(at("empty")).unwrap();
    fs::write(at("zero.parquet"), "").unwrap();
    fs::write(at("text.parquet"), "a,b\n1,2\n").unwrap();
    for name in ["missing.parquet", "empty", "zero.parquet", "text.parquet", "no-*.parquet"] {
        let output = run(&["run", "--source", &at(name), "--target", &at("out.csv")]);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{name}: {error}");
        assert!(error.starts_with("error: ") && error.contains(name), "{name}: {error}");
        assert!(!Path::new(&at("out.csv")).exists());
        let output = run(&["run", "--json", "--source", &at(name)]);
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["error"]["exit_code"], 3, "{json}");
        assert!(json["error"]["message"].as_str().unwrap().contains(name), "{json}");
        assert!(output.stderr.is_empty());
    }
    #[cfg(not(feature = "s3"))]
    for arguments in [["--source", "s3://bucket/key"], ["--source=x", "--target=s3://bucket/x.csv"]] {
        let output = run(&[&["run"][..], &arguments].concat());
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{error}");
        assert!(
            error.contains("s3:// is not supported by this build") && error.contains("--features s3"),
            "{error}"
        );
    }
}

#[test]
fn a_target_that_cannot_be_written_exits_6() {
    let dir = tempfile::tempdir().unwrap();
    let source = sample(dir.path());
    let output = run(&["run", "--source", &source, "--target", "/proc/out.csv"]);
    assert_eq!(output.status.code(), Some(6), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("/proc/"));
}

#[test]
fn a_target_in_a_source_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let source = sample(dir.path());
    let folder = dir.path().to_str().unwrap();
    let before = fs::read(&source).unwrap();
    for target in [&source, &format!("{folder}/out/"), &format!("{folder}/out.csv"), &format!("{folder}/")] {
        let output = run(&["run", "--source", folder, "--target", target]);
        assert_eq!(output.status.code(), Some(2), "{target}");
        assert!(text(&output.stderr).contains("source"), "{}", text(&output.stderr));
    }
    assert_eq!(fs::read(&source).unwrap(), before);
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
}

#[test]
fn every_target_holds_the_same_rows() {
    let dir = tempfile::tempdir().unwrap();
    let source = sample(dir.path());
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let stdout = text(&run(&["run", "--source", &source, "--target", "-"]).stdout);
    assert!(stdout.starts_with("year,week,country,share_organic_p4w\n"), "{stdout}");
    let rows = stdout.lines().count() - 1;
    assert!(rows > 50, "{stdout}");
    for name in ["x.csv", "x.json", "x.parquet", "folder/"] {
        let output = run(&["run", "--source", &source, "--target", &at(name)]);
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty());
        assert!(text(&output.stderr).contains("wrote"), "{name}");
    }
    assert_eq!(fs::read_to_string(at("x.csv")).unwrap(), stdout);
    assert_eq!(fs::read_to_string(at("x.json")).unwrap().lines().count(), rows);
    let part = at("folder/part-00000-rollshare.snappy.parquet");
    assert_eq!(fs::read(at("x.parquet")).unwrap(), fs::read(part).unwrap());
    assert_eq!(fs::read(at("folder/_SUCCESS")).unwrap(), b"");
}

#[test]
fn the_summary_adds_up() {
    let dir = tempfile::tempdir().unwrap();
    let source = sample(dir.path());
    let target = dir.path().join("x.parquet").to_str().unwrap().to_owned();
    let output = run(&["run", "--source", &source, "--target", &target, "--json"]);
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let account = &json["account"];
    assert_eq!(account["rows"], 9_000);
    let number = |name: &str| account[name].as_u64().unwrap();
    assert_eq!(number("kept") + number("dropped"), 9_000);
    assert_eq!(json["target"]["target"], Value::String(target.clone()));
    assert_eq!(json["target"]["bytes"], fs::metadata(&target).unwrap().len());
    assert!(json["table"]["countries"].as_u64().unwrap() > 1);
    assert!(json["stats"]["bytes_read"].as_u64().unwrap() > 0);

    let explained = run(&["run", "--source", &source, "--target", &target, "--explain", "--threads", "1"]);
    let summary = text(&explained.stderr);
    for label in ["read ", "kept ", "dropped ", "table ", "bytes ", "pages ", "paths ", "phases ", "1 thread"]
    {
        assert!(summary.contains(label), "{label}: {summary}");
    }
    let quiet = run(&["run", "--source", &source, "--target", &target, "--quiet"]);
    assert!(quiet.stdout.is_empty() && quiet.stderr.is_empty());
    // The table is written to stdout, so the summary goes to stderr.
    let both = run(&["run", "--source", &source, "--target", "-", "--json"]);
    assert!(both.stdout.starts_with(b"year,week"));
    assert_eq!(serde_json::from_slice::<Value>(&both.stderr).unwrap()["target"]["target"], "-");
}

#[test]
fn a_first_run_on_a_sample_warns_of_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let document =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/profiles.md")).unwrap();
    for (layout, profile) in [
        ("export", None),
        ("shuffled", None),
        ("daily", None),
        ("spark", None),
        ("facts", Some("facts.toml")),
        ("events", Some("events.toml")),
        ("events-text", Some("events.toml")),
    ] {
        for rows in ["9000", "60000"] {
            let source = at(&format!("{layout}-{rows}"));
            let out = if layout == "daily" { source.clone() } else { format!("{source}.parquet") };
            assert!(
                run(&["sample", "--rows", rows, "--layout", layout, "--out", &out, "-q"]).status.success()
            );
            let mut arguments = vec!["run".to_owned(), "--json".into(), "--source".into(), out];
            if let Some(name) = profile {
                let (_, rest) = document.split_once(&format!("<!-- {name} -->\n```toml\n")).unwrap();
                fs::write(at(name), rest.split("```").next().unwrap()).unwrap();
                arguments.extend(["--profile".to_owned(), at(name)]);
            }
            let output = rollshare().args(&arguments).output().unwrap();
            let json: Value = serde_json::from_slice(&output.stdout).unwrap();
            let checks = json["checks"].as_array().unwrap();
            let warned: Vec<&Value> = checks.iter().map(|c| &c["finding"]).filter(|f| *f != "").collect();
            assert_eq!((&json["verdict"], warned), (&"pass".into(), vec![]), "{layout}, {rows} rows");
        }
    }
}

#[test]
fn findings_are_sentences_and_lines_wrap_at_blanks() {
    let dir = tempfile::tempdir().unwrap();
    let source = sample(dir.path());
    let checks = dir.path().join("checks.toml");
    fs::write(&checks, "[allow]\nsystems = ['ios']\nchannels = ['Organic']\n").unwrap();
    let checks = checks.to_str().unwrap();
    let output =
        rollshare().args(["run", "--source", &source, "--checks", checks]).env("COLUMNS", "60").output();
    let output = output.unwrap();
    let summary = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{summary}");
    assert!(text(&output.stdout).contains("country"), "the table is shown");
    let unwrapped = summary.replace("\n         ", " ");
    let blocked = unwrapped.lines().find(|line| line.starts_with("would be blocked: ")).unwrap();
    let words = "of 9,000 rows have os_name 'android', not one of ios, first in ";
    assert!(blocked.contains(words) && blocked.ends_with("[system_known]"), "{blocked}");
    assert!(blocked.contains("Allow it: [allow] systems = [\"android\"]"), "{blocked}");
    let warned = unwrapped.lines().find(|line| line.starts_with("warned   ")).unwrap();
    assert!(warned.contains(" new channels: ") && warned.ends_with("[channel_new]"), "{warned}");
    for line in summary.lines().filter(|line| line.chars().count() > 60) {
        assert!(!line.trim_start().contains(' '), "only a word is longer than a line: {line}");
    }
    let order = ["would be blocked", "warned", "checks", "next     rollshare check --source"];
    let places: Vec<usize> =
        order.iter().map(|label| unwrapped.find(&format!("\n{label}")).unwrap()).collect();
    assert!(places.is_sorted(), "{summary}");

    // Quiet: one line.
    fs::write(checks, "[allow]\nchannels = ['Organic']\n").unwrap();
    let quiet = run(&["run", "--source", &source, "--checks", checks, "-q"]);
    let line = text(&quiet.stderr);
    assert!(quiet.status.success() && line.lines().count() == 1 && line.starts_with("warned: "), "{line}");
}

#[test]
fn without_a_target_a_readable_table_is_printed() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(&["run", "--source", &sample(dir.path())]);
    let table = text(&output.stdout);
    assert!(table.contains("country") && table.contains(" %") && table.contains("--target"), "{table}");
    assert!(!table.contains('\u{1b}'), "no colour through a pipe");
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    let source = sample(dir.path());
    let arguments =
        ["run", "--source", &source, "--target", "-", "--grain", "day", "--window", "28", "--details"];
    let mut child =
        rollshare().args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0u8; 5];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut first).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!(&first, b"date,");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(!text(&output.stderr).contains("panicked"));
}

#[test]
fn a_state_reuses_sums_and_changes_no_byte() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let sampled = run(&["sample", "--rows", "40000", "--layout", "daily", "--out", &at("exports"), "-q"]);
    assert!(sampled.status.success());
    // The last day is added later.
    let last = fs::read_dir(at("exports")).unwrap().map(|e| e.unwrap().path()).max().unwrap();
    fs::rename(&last, at("later")).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(60));
    let with = |target: &str| {
        let output = run(&[
            "run",
            "--source",
            &at("exports"),
            "--target",
            &at(target),
            "--state",
            &at("state"),
            "--no-checks",
            "--json",
        ]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["reuse"].clone()
    };
    let files = with("first.csv")["new"].as_u64().unwrap();
    assert!(files > 30);
    assert_eq!(with("again.csv")["files"], files);
    fs::rename(at("later"), &last).unwrap();
    let reuse = with("with.csv");
    assert_eq!((reuse["files"].as_u64(), reuse["new"].as_u64()), (Some(files), Some(1)));
    let output = run(&["run", "--source", &at("exports"), "--target", &at("without.csv"), "--no-checks"]);
    assert!(output.status.success());
    assert_eq!(fs::read(at("first.csv")).unwrap(), fs::read(at("again.csv")).unwrap());
    assert_eq!(fs::read(at("with.csv")).unwrap(), fs::read(at("without.csv")).unwrap());
    assert_ne!(fs::read(at("with.csv")).unwrap(), fs::read(at("first.csv")).unwrap());

    let output = run(&["run", "--source", &at("exports"), "--state", &at("exports/state"), "--no-checks"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("lies in the source"), "{}", text(&output.stderr));
    let output = run(&["run", "--source", &at("exports"), "--state", &at("exports/_state"), "--no-checks"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("not summed again; "), "{}", text(&output.stderr));
}
