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
            error.contains("s3:// is not supported by this build") && error.contains("`make build`"),
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
        let words = line.trim_start();
        let is_command = words.starts_with("next     rollshare ");
        assert!(is_command || !words.contains(' '), "only a word or a command is longer than a line: {line}");
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
fn a_source_alone_is_run_and_a_sample_takes_suffixes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet").to_str().unwrap().to_owned();
    let sampled = run(&["sample", "--rows", "9k", "--out", &path]);
    assert!(text(&sampled.stderr).contains("9,000 rows, 1 file"), "{}", text(&sampled.stderr));
    let alone = run(&[&path]);
    assert!(alone.status.success(), "{}", text(&alone.stderr));
    assert_eq!(alone.stdout, run(&["run", "--source", &path]).stdout);
    let missing = run(&["nowhere/"]);
    assert_eq!(missing.status.code(), Some(3));
    assert!(text(&missing.stderr).starts_with("error: no such file or folder"), "{}", text(&missing.stderr));
}

#[test]
fn a_view_shows_rows_of_the_whole_table() {
    let dir = tempfile::tempdir().unwrap();
    let source = sample(dir.path());
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let csv = |more: &[&str]| {
        let output = run(&[&["run", &source, "--target", "-", "--details"][..], more].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let whole = csv(&[]);
    let (header, rows) = whole.split_once('\n').unwrap();
    let rows: Vec<&str> = rows.lines().collect();
    let countries: Vec<&str> = rows.iter().map(|row| row.split(',').nth(2).unwrap()).collect();
    let (first, last) = (countries[0], countries[countries.len() - 1]);
    let steps = countries.iter().filter(|country| **country == first).count();
    let expected: Vec<&str> = (rows.iter().enumerate())
        .filter(|(at, _)| [first, last].contains(&countries[*at]) && at % steps >= steps - 8)
        .map(|(_, row)| *row)
        .collect();
    assert_eq!(expected.len(), 16);
    let only = format!("country={last},{first}");
    let part = csv(&["--only", &only, "--last", "8"]);
    assert_eq!(part, format!("{header}\n{}\n", expected.join("\n")));

    // On the terminal.
    let shown = run(&["run", &source, "--only", &only, "--last", "2"]);
    assert_eq!(text(&shown.stdout).lines().filter(|line| line.contains(" %")).count(), 4);
    assert!(text(&shown.stderr).contains("a part of the table is shown: country"), "{}", text(&shown.stderr));

    // A part is an extract: nothing is kept beside it.
    let extract = at("part.csv");
    let written = run(&["run", &source, "--details", "--only", &only, "--last", "8", "--target", &extract]);
    assert!(written.status.success(), "{}", text(&written.stderr));
    assert_eq!(fs::read_to_string(&extract).unwrap(), part);
    assert!(!Path::new(&at("_rollshare/part.csv")).exists());
    // It never replaces a table that has a history.
    let published = at("share.csv");
    assert!(run(&["run", &source, "--target", &published]).status.success());
    let before = fs::read(&published).unwrap();
    let refused = run(&["run", &source, "--last", "8", "--target", &published]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("has a history of whole tables"), "{}", text(&refused.stderr));
    assert_eq!(fs::read(&published).unwrap(), before);

    for (more, words) in [
        (["--only", "contry=GB"], "Did you mean country?"),
        (["--only", "country=UK"], "no country 'UK' in the table"),
        (["--only", "os_name=ios"], "'os_name' is not a column of the key"),
    ] {
        let output = run(&[&["run", &source, "--target", "-"][..], &more].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty() && text(&output.stderr).contains(words), "{}", text(&output.stderr));
    }
}

#[test]
fn periods_have_their_first_days() {
    let dir = tempfile::tempdir().unwrap();
    let source = sample(dir.path());
    let csv = |more: &[&str]| {
        let output = run(&[&["run", &source, "--target", "-", "--dates"][..], more].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout).lines().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let week = csv(&[]);
    assert_eq!(week[0], "year,week,week_start,country,share_organic_p4w");
    assert!(week[1].starts_with("2020,44,2020-10-26,"), "{}", week[1]);
    assert!(csv(&["--week-start", "sunday"])[1].starts_with("2020,44,2020-10-25,"));
    let month = csv(&["--grain", "month"]);
    assert!(
        month[0].starts_with("year,month,month_start,country,")
            && month[1].starts_with("2020,10,2020-10-01,")
    );
    assert!(csv(&["--grain", "day"])[0].starts_with("date,country,"), "days are dates already");
    let legacy = run(&["run", &source, "--dates", "--semantics", "legacy", "--target", "-"]);
    assert_eq!(legacy.status.code(), Some(2));
    assert!(text(&legacy.stderr).contains("dates with legacy semantics"), "{}", text(&legacy.stderr));
}

#[test]
fn the_page_of_the_last_run_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let source = sample(dir.path());
    let open = |arguments: &[&str]| {
        rollshare()
            .current_dir(dir.path())
            .arg("open")
            .args(arguments)
            .env_remove("DISPLAY")
            .output()
            .unwrap()
    };
    let none = open(&[]);
    assert_eq!(none.status.code(), Some(2));
    assert!(text(&none.stderr).contains("no run in this folder"), "{}", text(&none.stderr));
    for (target, kept) in [("a.csv", "_rollshare/a.csv/runs/"), ("share/", "share/_rollshare/runs/")] {
        let arguments = ["run", &source, "--target", target];
        assert!(rollshare().current_dir(dir.path()).args(arguments).status().unwrap().success());
        for arguments in [&[][..], &[target], &["--print", "--target", target]] {
            let output = open(arguments);
            let page = text(&output.stdout);
            assert!(page.contains(kept) && page.ends_with(".html\n"), "{page}{}", text(&output.stderr));
            assert!(dir.path().join(page.trim_end()).is_file());
        }
    }
    assert!(text(&open(&["a.csv", "--run", "2"]).stdout).contains("_rollshare/a.csv/runs/"));
    assert_eq!(open(&["a.csv", "--run", "1999"]).status.code(), Some(2));
    assert_eq!(open(&["other.csv"]).status.code(), Some(2));
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

#[test]
fn a_change_is_explained_by_channel_in_three_forms() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("sample.parquet").to_str().unwrap().to_owned();
    assert!(run(&["sample", "--rows", "40000", "--out", &source]).status.success());
    let why = |arguments: &[&str]| run(&[&["why"], arguments, &["--source", &source]].concat());
    let json = |arguments: &[&str]| -> Value {
        let output = why(&[arguments, &["--format", "json"]].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_str::<Value>(&text(&output.stdout)).unwrap()["why"].clone()
    };
    let number = |of: &Value, name: &str| of[name].as_f64().unwrap();
    for arguments in [&["GB"][..], &["GB", "--against", "4"], &["world", "--window", "8"]] {
        let found = json(arguments);
        let channels = found["channels"].as_array().unwrap();
        let sum: f64 = channels.iter().map(|channel| number(channel, "contribution")).sum();
        assert!((sum - number(&found, "change")).abs() < 1e-12 && channels.len() > 2, "{found}");
        assert!((number(&found, "share") - number(&found, "share_before") - sum).abs() < 1e-12);
        assert_eq!(found["members"].as_array().unwrap().is_empty(), arguments[0] == "world");
    }
    // The shares are those of the table.
    let found = json(&["GB", "--against", "4"]);
    let table = text(&run(&["run", "--source", &source, "--target", "-", "--no-checks", "--quiet"]).stdout);
    let (year, week) = found["period"].as_str().unwrap().split_once("-W").unwrap();
    let row = format!("{year},{},GB,{}", week.trim_start_matches('0'), found["share"]);
    assert!(table.lines().any(|line| line == row), "{row}");

    let output =
        why(&["GB", found["period"].as_str().unwrap(), "--against", found["against"].as_str().unwrap()]);
    let printed = text(&output.stdout);
    assert!(
        printed.starts_with("GB: organic share ") && printed.contains("│") && printed.contains("all "),
        "{printed}"
    );
    assert!(!printed.contains('\u{1b}'));
    let csv = text(&why(&["GB", "--format", "csv"]).stdout);
    assert!(csv.starts_with("channel,organic,users_before,users,contribution\n"), "{csv}");

    for (arguments, code, words) in [
        (&["G"][..], 2, "no key 'G' (by country)"),
        (&["GB", "2035_01"], 2, "no data of 2035-W01"),
        (&["GB", "2021_54"], 2, "'2021_54' is no week"),
        (&["GB", "--against", "0"], 2, "0 periods before"),
        (&["GB", "--organic", "Nobody"], 3, "no channel is organic"),
    ] {
        let output = why(arguments);
        let message = text(&output.stderr);
        assert_eq!(
            (output.status.code(), message.contains(words)),
            (Some(code), true),
            "{arguments:?}: {message}"
        );
    }
}

#[test]
fn the_page_of_a_run_explains_what_moved() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (source, target, png) = (path("sample.parquet"), path("share.parquet"), path("share.png"));
    assert!(run(&["sample", "--rows", "60000", "--out", &source]).status.success());
    let output = run(&["run", "--source", &source, "--target", &target]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let of_report =
        |form: &[&str]| text(&run(&[&["report", "latest", "--target", &target], form].concat()).stdout);
    let report: Value = serde_json::from_str(&of_report(&["--json"])).unwrap();
    let why = report["charts"]["why"].as_array().unwrap();
    assert!(!why.is_empty() && why[0]["members"].as_array().unwrap().is_empty(), "{why:?}");
    let world = &report["charts"]["shares"]["world"];
    for found in why {
        let sum: f64 =
            found["channels"].as_array().unwrap().iter().map(|c| c["contribution"].as_f64().unwrap()).sum();
        assert!((sum - found["change"].as_f64().unwrap()).abs() < 1e-12);
    }
    let shares = world["share"].as_array().unwrap();
    assert!(shares.contains(&why[0]["share"]) && shares.contains(&why[0]["share_before"]), "one world");
    let short = of_report(&["--text"]);
    assert!(
        short.contains("The organic share of all countries is ")
            && short.contains("all countries: organic share"),
        "{short}"
    );
    assert!(of_report(&["--profile"]).contains("[dimensions.country]"));
    assert!(run(&["report", "latest", "--target", &target, "--png", &png]).status.success());
    assert!(fs::read(&png).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn the_first_hour_at_a_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_rollshare")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("sh")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journeys/terminal.sh"))
        .current_dir(dir.path())
        .env("PATH", path)
        .env_remove("ROLLSHARE_THREADS")
        .env_remove("DISPLAY")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stdout));
}
