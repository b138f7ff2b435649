//! Foreign text on every surface of the program: names in the data, paths, arguments, stored reports, the environment.
//! A name can neither reach a terminal as an escape sequence, nor forge a line, nor fill the output.
#![cfg(all(feature = "cli", unix))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

/// A name that clears the screen (CSI of seven and of eight bits), forges a line, and turns the rest of it round.
const HOSTILE: &str = "x\u{1b}[31m\u{9b}2J\nerror: forged\r\u{202e}\u{2066}\u{85}y";
/// As people see it.
const SHOWN: &str = "x\\u{1b}[31m\\u{9b}2J\\nerror: forged\\r\\u{202e}\\u{2066}\\u{85}y";
/// What is in neither output, whatever the name was.
const UNSAFE: [char; 7] = ['\u{1b}', '\u{9b}', '\r', '\u{202e}', '\u{2066}', '\u{85}', '\u{2028}'];

struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        World { dir: tempfile::tempdir().unwrap() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn path(&self, name: &str) -> String {
        self.at(name).to_str().unwrap().to_owned()
    }

    /// Writes a table of installs by day, country and channel: ten weeks from 2021-01-04 on. `factor` multiplies the
    /// numbers; `country` and `channel` are members beside harmless ones.
    fn facts(&self, name: &str, country: &str, channel: &str, factor: u32) -> String {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let mut text = String::from("day,country,network,installs\n");
        for day in 0..70u32 {
            let (month, of_month) = match day {
                0..28 => (1, 4 + day),
                28..56 => (2, day - 27),
                _ => (3, day - 55),
            };
            for country in ["FR", country] {
                for (channel, installs) in [("Organic", 400), ("Ads", 300), (channel, 200)] {
                    let (country, channel) = (quoted(country), quoted(channel));
                    let installs = installs * factor + day % 7;
                    writeln!(text, "2021-{month:02}-{of_month:02},{country},{channel},{installs}").unwrap();
                }
            }
        }
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self.path(name)
    }

    fn run(&self, source: &str, arguments: &[&str]) -> Output {
        run(&[&["run", "--source", source][..], &FACTS, arguments].concat())
    }
}

/// The columns of [`World::facts`].
const FACTS: [&str; 9] = [
    "--date=day",
    "--users=installs",
    "--channel=network",
    "--dimension",
    "country=country",
    "--by",
    "country",
    "--organic",
    "Organic",
];

fn rollshare() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollshare"));
    command.env_remove("ROLLSHARE_THREADS").stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    rollshare().args(arguments).output().unwrap()
}

/// Both streams as text.
fn shown(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    text(&output.stderr) + &text(&output.stdout)
}

/// Fails where an output has a character that is escaped, or a line that a name forged.
#[track_caller]
fn assert_safe(output: &Output) -> String {
    let text = shown(output);
    assert!(!text.contains(UNSAFE), "{text:?}");
    assert!(!text.lines().any(|line| line.starts_with("error: forged")), "{text}");
    text
}

/// As [`assert_safe`]; the name is there.
#[track_caller]
fn assert_escaped(output: &Output) -> String {
    let text = assert_safe(output);
    assert!(text.contains(SHOWN), "{text}");
    text
}

/// Fails where a page has a character that is escaped. A line feed is a blank there.
#[track_caller]
fn assert_page(output: &Output) {
    let text = shown(output);
    assert!(!text.contains(UNSAFE), "{text:?}");
    assert!(text.contains("x\\u{1b}[31m\\u{9b}2J"), "{text}");
}

#[test]
fn members_of_the_table() {
    let world = World::new();
    let source = world.facts("facts.csv", HOSTILE, "Ads2", 1);
    let output = world.run(&source, &["--no-checks"]);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    assert_escaped(&output);
    // Each row, and one line a key.
    for arguments in
        [&["--no-checks", "--grain=day"][..], &["--no-checks", "--share-of=channel", "--explain"]]
    {
        assert_escaped(&world.run(&source, arguments));
    }
}

#[test]
fn findings_in_the_summary_and_with_quiet() {
    let world = World::new();
    let target = world.path("x.csv");
    let source = world.facts("facts.csv", HOSTILE, HOSTILE, 1);
    let first = world.run(&source, &["--target", &target, "--warn-only"]);
    assert_eq!(first.status.code(), Some(0), "{}", shown(&first));
    assert_safe(&first);
    // Other numbers for weeks that were published.
    let source = world.facts("facts.csv", HOSTILE, HOSTILE, 3);
    for quiet in [&[][..], &["--quiet"]] {
        let output = world.run(&source, &[&["--target", &target][..], quiet].concat());
        assert_eq!(output.status.code(), Some(4), "{}", shown(&output));
        let text = assert_safe(&output);
        assert!(text.contains("restatement"), "{text}");
    }
    let checked = run(&[&["check", "--source", &source][..], &FACTS].concat());
    assert_safe(&checked);
    for arguments in [&["report", "latest"][..], &["report"]] {
        assert_safe(&run(&[arguments, &["--target", &target][..]].concat()));
    }
    // The page and the reports: the names are there, and can be read back.
    let json = run(&["report", "latest", "--json", "--target", &target]);
    let report: Value = serde_json::from_str(&assert_safe(&json)).unwrap();
    let countries: Vec<&str> = report["charts"]["shares"]["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|k| k["name"].as_str().unwrap())
        .collect();
    assert!(countries.contains(&HOSTILE), "{countries:?}");
    assert!(report["why"].as_str().unwrap().contains(SHOWN), "{}", report["why"]);
    assert_page(&run(&["report", "latest", "--html", "-", "--target", &target]));
    let promoted = run(&["promote", "latest", "--target", &target]);
    assert_eq!(promoted.status.code(), Some(0), "{}", shown(&promoted));
    assert_safe(&promoted);
}

#[test]
fn json_loses_nothing() {
    let world = World::new();
    let source = world.facts(&format!("{HOSTILE}.csv"), "DE", "Ads2", 1);
    let output = world.run(&source, &["--no-checks", "--json"]);
    let summary: Value = serde_json::from_str(&assert_safe(&output)).unwrap();
    assert_eq!(summary["exit_code"], 0);
    let facts = [&FACTS[..1], &FACTS[2..]].concat();
    let arguments = ["run", "--source", &source, "--no-checks", "--json", "--users", HOSTILE];
    let output = run(&[&arguments[..], &facts].concat());
    let error: Value = serde_json::from_str(&assert_safe(&output)).unwrap();
    assert!(error["error"]["message"].as_str().unwrap().contains(SHOWN), "{error:#}");
    assert_eq!(error["error"]["report"]["location"]["file"].as_str().unwrap(), source, "{error:#}");
}

#[test]
fn files_folders_and_partitions() {
    let world = World::new();
    for name in [
        format!("{HOSTILE}.parquet"),
        format!("{HOSTILE}/a.parquet"),
        format!("p/country={HOSTILE}/a.parquet"),
    ] {
        let path = world.at(&name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "not parquet").unwrap();
        let source = if name.starts_with("p/") { world.path("p") } else { world.path(&name) };
        for command in ["run", "check", "profile", "compare"] {
            let against = ["--against", &source];
            let arguments = if command == "compare" { &against[..] } else { &[] };
            let output = run(&[&[command, "--source", &source][..], arguments].concat());
            assert_eq!(output.status.code(), Some(3), "{}", shown(&output));
            let text = assert_escaped(&output);
            assert_eq!(text.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{text}");
        }
    }
    let missing = world.path(&format!("{HOSTILE}/*.parquet"));
    assert_escaped(&run(&["run", "--source", &missing]));
    // A partition is a member of the table.
    world.facts(&format!("ok/region={}/a.csv", HOSTILE.replace('/', "")), "DE", "Ads2", 1);
    let output =
        world.run(&world.path("ok"), &["--no-checks", "--dimension", "region=region", "--by", "region"]);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    assert_escaped(&output);
}

#[test]
fn arguments() {
    let world = World::new();
    let source = world.facts("facts.csv", "DE", "Ads2", 1);
    let target = world.path(&format!("{HOSTILE}.xlsx"));
    let folder = world.path(&format!("{HOSTILE}/"));
    for arguments in [
        &["--users", HOSTILE][..],
        &["--channel", HOSTILE],
        &["--date", HOSTILE],
        &["--zone", HOSTILE],
        &["--profile", HOSTILE],
        &["--checks", HOSTILE],
        &["--column", HOSTILE],
        &["--column", &format!("{HOSTILE}=x")],
        &["--where", HOSTILE],
        &["--where", &format!("{HOSTILE}=x")],
        &["--by", HOSTILE],
        &[&format!("--with-total={HOSTILE}")],
        &["--total-rows", &format!("country={HOSTILE}")],
        &["--grain", HOSTILE],
        &["--window", HOSTILE],
        &["--allow-restatement", HOSTILE],
        &["--target", &target],
        &["--state", HOSTILE, "--target", &target],
        &[&format!("--{HOSTILE}")],
    ] {
        // The arguments of the facts come first, so that these replace or join them.
        let mut command = rollshare();
        command.args(["run", "--source", &source, "--dimension", "country=country"]).args(arguments);
        let output = command.output().unwrap();
        assert!(matches!(output.status.code(), Some(2 | 3)), "{arguments:?}: {}", shown(&output));
        let text = assert_safe(&output);
        assert!(text.contains("error: forged"), "{arguments:?} is not named: {text}");
    }
    // Where a command is suggested, a shell reads the same name from it.
    let blocked = world.facts("blocked.csv", "Atlantis", "Ads2", 1);
    let output = world.run(&blocked, &["--target", &folder]);
    let text = assert_safe(&output);
    assert_eq!(output.status.code(), Some(4), "{text}");
    assert!(text.contains("/x\\033[31m\\302\\2332J\\012error: forged\\015\\342\\200\\256"), "{text}");
    let output =
        run(&[&["run", "--no-checks", "--source", &source][..], &FACTS[..7], &["--organic", HOSTILE]]
            .concat());
    assert_eq!(output.status.code(), Some(3), "{}", shown(&output));
    assert_escaped(&output);
    assert_safe(&run(&[HOSTILE]));
    assert_safe(&run(&["report", HOSTILE, "--target", &folder]));
    assert_safe(&run(&["promote", HOSTILE, "--target", &folder]));
    let output = rollshare().args(["run", &source]).env("ROLLSHARE_THREADS", HOSTILE).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_safe(&output);
    let out = world.path(&format!("{HOSTILE}.parquet"));
    assert_escaped(&run(&["sample", "--rows", "100", "--out", &out]));
}

#[test]
fn a_stored_report() {
    let world = World::new();
    let outcome = |status: &str| {
        json!({
            "check": "duplicate_rows", "title": HOSTILE, "severity": "block", "status": status, "finding": HOSTILE,
            "observed": 1.0, "unit": HOSTILE, "n": 2, "bounds": { "origin": HOSTILE }, "could_not_run": status == "not_run",
            "offenders": [{ "file": HOSTILE, "row": 1, "value": HOSTILE }], "note": HOSTILE,
        })
    };
    let outcomes = ["fail", "warn", "pass", "not_run"].map(outcome);
    let report = json!({
        "format": 2, "run": HOSTILE, "version": HOSTILE, "started": HOSTILE, "finished": HOSTILE, "sources": [HOSTILE],
        "target": HOSTILE, "verdict": "fail", "state": "blocked", "why": HOSTILE, "notes": [HOSTILE],
        "outcomes": outcomes,
        "places": { "page": HOSTILE, "quarantined": HOSTILE, "kept": HOSTILE, "report": HOSTILE },
        "not_kept": [{ "what": "history", "why": HOSTILE }],
    });
    fs::write(world.at("r.json"), report.to_string()).unwrap();
    let file = world.path("r.json");
    assert_escaped(&run(&["report", &file]));
    assert_page(&run(&["report", &file, "--html", "-"]));
    assert_escaped(&run(&["report", &file, "--text"]));
    let json: Value = serde_json::from_str(&assert_safe(&run(&["report", &file, "--json"]))).unwrap();
    assert_eq!(json["sources"][0], HOSTILE);
    fs::write(world.at("bad.json"), format!("{{\"format\": 2, \"state\": \"{}\"}}", "\u{9b}\u{202e}"))
        .unwrap();
    let output = run(&["report", &world.path("bad.json")]);
    assert_eq!(output.status.code(), Some(3));
    assert_safe(&output);
}

#[test]
fn profiles_and_checks_are_toml_that_can_be_read_back() {
    let world = World::new();
    let source = world.facts("facts.csv", HOSTILE, HOSTILE, 1);
    let written = run(&[&["check", "--source", &source, "--init"][..], &FACTS].concat());
    assert_eq!(written.status.code(), Some(0), "{}", shown(&written));
    let text = assert_safe(&written);
    let table: toml::Table = text.parse().unwrap();
    let channels = table["allow"]["channels"].as_array().unwrap();
    assert!(channels.iter().any(|channel| channel.as_str() == Some(HOSTILE)), "{channels:?}");
    fs::write(world.at("checks.toml"), &text).unwrap();
    let checks = world.path("checks.toml");
    assert_safe(&run(&[&["check", "--source", &source, "--checks", &checks][..], &FACTS].concat()));

    // A column, members and the path of a source.
    let source = world.path(&format!("{HOSTILE}.csv"));
    fs::write(
        &source,
        fs::read_to_string(world.at("facts.csv"))
            .unwrap()
            .replace("network", &format!("\"network {HOSTILE}\"")),
    )
    .unwrap();
    let output = run(&["profile", &source]);
    let text = assert_safe(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let table: toml::Table = printed.parse().unwrap();
    assert_eq!(table["channel"]["column"].as_str().unwrap(), format!("network {HOSTILE}"), "{printed}");
    // A file that is not TOML, or has an unknown key.
    for (text, line) in [
        (format!("\n[time]\n\"{}\" = 1\n", "\\u001b[31m\\u202e"), None),
        ("\n\nx = \u{1b}\n".into(), Some("line 3")),
    ] {
        fs::write(world.at("bad.toml"), text).unwrap();
        for flag in ["--profile", "--checks"] {
            let output = run(&["run", "--source", &source, flag, &world.path("bad.toml")]);
            let text = assert_safe(&output);
            assert_eq!(output.status.code(), Some(2), "{text}");
            assert_eq!(text.lines().filter(|line| !line.starts_with("  ")).count(), 1, "{text}");
            assert!(line.is_none_or(|line| text.contains(line)), "{text}");
        }
    }
}

#[test]
fn long_names_are_cut() {
    let world = World::new();
    let long = "A".repeat(300_000);
    let cut = format!("{}…[300,000 characters]…{}", "A".repeat(100), "A".repeat(60));
    let target = world.path("x.csv");
    let source = world.facts("facts.csv", &long, "Ads2", 1);
    // One key of 70 days: a line a key; seven days: a line a row.
    for arguments in [&["--grain=day"][..], &[]] {
        let output = world.run(&source, &[arguments, &["--no-checks"][..]].concat());
        let text = shown(&output);
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert!(text.len() < 60_000, "{} bytes", text.len());
    }
    let wide = rollshare()
        .args(["run", "--no-checks", "--source", &source])
        .args(FACTS)
        .env("COLUMNS", "500")
        .output();
    assert!(shown(&wide.unwrap()).contains(&cut));
    assert_eq!(world.run(&source, &["--target", &target, "--warn-only"]).status.code(), Some(0));
    // The target has the whole name.
    assert!(fs::read_to_string(&target).unwrap().contains(&long));
    let source = world.facts("facts.csv", &long, "Ads2", 3);
    let output = world.run(&source, &["--target", &target, "--json"]);
    let text = shown(&output);
    assert_eq!(output.status.code(), Some(4), "{} bytes", text.len());
    assert!(text.contains("…[300,000 characters]…") && text.len() < 300_000, "{} bytes", text.len());
    for arguments in
        [&["report", "latest"][..], &["report", "latest", "--json"], &["report", "latest", "--html", "-"]]
    {
        let text = shown(&run(&[arguments, &["--target", &target][..]].concat()));
        assert!(
            text.contains("…[300,000 characters]…") && !text.contains(&"A".repeat(101)),
            "{} bytes",
            text.len()
        );
    }
    let facts = [&FACTS[..1], &FACTS[2..]].concat();
    let long = "A".repeat(100_000);
    let cut = cut.replace("300,000", "100,000");
    let output = run(&[&["run", "--source", &source, "--users", &long][..], &facts].concat());
    let text = shown(&output);
    assert!(
        output.status.code() == Some(3) && text.contains(&cut) && text.len() < 10_000,
        "{} bytes",
        text.len()
    );
}

#[test]
fn names_in_csv_are_as_they_are_unless_they_are_for_spreadsheets() {
    let world = World::new();
    let source = world.facts("facts.csv", "=1+1", "@Ads", 1);
    let target = world.path("x.csv");
    let lines = |output: &Output| {
        assert_eq!(output.status.code(), Some(0), "{}", shown(output));
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        if text.is_empty() { fs::read_to_string(&target).unwrap() } else { text }
    };
    for destination in ["-", &target] {
        let plain = lines(&world.run(&source, &["--no-checks", "--quiet", "--target", destination]));
        assert!(plain.contains(",=1+1,0.") && !plain.contains('\''), "{plain}");
        let safe =
            lines(&world.run(&source, &["--no-checks", "--quiet", "--csv-safe", "--target", destination]));
        assert_eq!(safe, plain.replace(",=1+1,", ",'=1+1,"));
    }
    // A blocked run is published as it would have been.
    assert_eq!(
        world.run(&source, &["--target", &target, "--warn-only", "--csv-safe"]).status.code(),
        Some(0)
    );
    let source = world.facts("facts.csv", "=1+1", "@Ads", 3);
    assert_eq!(world.run(&source, &["--target", &target, "--csv-safe"]).status.code(), Some(4));
    assert_eq!(run(&["promote", "latest", "--target", &target]).status.code(), Some(0));
    let promoted = fs::read_to_string(&target).unwrap();
    assert!(promoted.contains(",'=1+1,") && !promoted.contains(",=1+1,"), "{promoted}");
    // Other formats have the names.
    let target = world.path("x.json");
    assert_eq!(
        world.run(&source, &["--no-checks", "--csv-safe", "--target", &target]).status.code(),
        Some(0)
    );
    assert!(fs::read_to_string(&target).unwrap().contains("\"=1+1\""));
}

#[test]
fn a_target_that_is_a_dangling_link() {
    let world = World::new();
    let source = world.facts("facts.csv", "DE", "Ads2", 1);
    symlink(world.at("gone"), world.at("link")).unwrap();
    for target in ["link/", "link", "link/x.csv"] {
        let output = world
            .run(&source, &["--no-checks", "--target", &format!("{}/{target}", world.dir.path().display())]);
        let text = shown(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains("link' points to '") && text.contains("gone', which does not exist"), "{text}");
        assert!(!Path::new(&world.at("gone")).exists());
    }
}

#[test]
fn stdout_that_is_closed_full_or_not_read_to_its_end() {
    let world = World::new();
    let source = world.facts("facts.csv", "DE", "Ads2", 1);
    let program = env!("CARGO_BIN_EXE_rollshare");
    let shell = |redirection: &str, arguments: &str| {
        let line = format!(
            "set -o pipefail; '{program}' run --no-checks --source '{source}' {} {arguments} {redirection}",
            FACTS.join(" ")
        );
        Command::new("bash").args(["-c", &line]).output().unwrap()
    };
    #[cfg(target_os = "linux")]
    for arguments in ["--target -", "--quiet --target -", "", "--json"] {
        for (redirection, why) in [(">&-", "it is closed"), ("> /dev/full", "No space left on device")] {
            let output = shell(redirection, arguments);
            let text = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(6), "{arguments} {redirection}: {text}");
            // JSON of an error goes to stdout, which cannot be written.
            let is_said = text.contains("cannot write to stdout") && text.contains(why);
            assert!(is_said || arguments == "--json", "{arguments} {redirection}: {text}");
        }
    }
    // A reader that has enough is no failure.
    for arguments in ["--target -", "--quiet --target -", "--details --target - --grain day"] {
        let output = shell("| true", arguments);
        assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
        assert!(!shown(&output).contains("error"), "{}", shown(&output));
    }
}

#[cfg(feature = "s3")]
#[test]
fn variables_of_aws_with_control_characters() {
    let world = World::new();
    let source = world.facts("facts.csv", "DE", "Ads2", 1);
    for (name, value) in
        [("AWS_REGION", "eu\nwest"), ("AWS_SECRET_ACCESS_KEY", "hidden\u{1b}"), ("AWS_PROFILE", "a\tb")]
    {
        for arguments in [["--source", "s3://bucket/x.parquet"], ["--target", "s3://bucket/x.csv"]] {
            let mut command = rollshare();
            command.args(["run", "--source", &source]).args(arguments).env(name, value);
            let output = command.output().unwrap();
            let text = assert_safe(&output);
            assert_eq!(output.status.code(), Some(2), "{text}");
            assert!(text.contains(name) && !text.contains("hidden"), "{text}");
        }
        // Local runs do not read them.
        let mut command = rollshare();
        let output = command
            .args(["run", "--no-checks", "--source", &source])
            .args(FACTS)
            .env(name, value)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    }
}
