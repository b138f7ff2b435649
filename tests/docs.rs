//! The documents: every profile of docs/profiles.md is read and answers, every command of the README and of docs/ runs,
//! or says why not, and every configuration of docs/quality.md is read.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rollshare::Profile;
use toml::{Table, Value};

/// Rows of the samples; the documents make larger ones.
const ROWS: &str = "12000";

/// A block of code of a document.
struct Block {
    /// Its language.
    language: String,
    /// The HTML comment before it.
    note: String,
    text: String,
    /// The number of its first line.
    line: usize,
}

fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

fn blocks(document: &str) -> Vec<Block> {
    let (mut blocks, mut open, mut note) = (Vec::<Block>::new(), false, String::new());
    for (at, line) in document.lines().enumerate() {
        if let Some(language) = line.strip_prefix("```") {
            if !open {
                let (language, note) = (language.to_owned(), std::mem::take(&mut note));
                blocks.push(Block { language, note, text: String::new(), line: at + 2 });
            }
            open = !open;
        } else if open {
            let text = &mut blocks.last_mut().unwrap().text;
            text.push_str(line);
            text.push('\n');
        } else if let Some(comment) = line.strip_prefix("<!-- ") {
            comment.trim_end_matches(" -->").clone_into(&mut note);
        } else if !line.is_empty() {
            note.clear();
        }
    }
    assert!(!open);
    blocks
}

fn profiles() -> Vec<Block> {
    blocks(&document("docs/profiles.md")).into_iter().filter(|block| block.language == "toml").collect()
}

/// The profile of a file that the document writes out, or a bundled one.
fn whole(name: &str) -> String {
    match profiles().into_iter().find(|block| block.note == name) {
        Some(block) => block.text,
        None => Profile::load(name.trim_end_matches(".toml")).unwrap().to_toml().unwrap(),
    }
}

/// A profile with the tables of `part` in place of its own.
fn with_part(profile: &str, part: &str) -> String {
    let (mut profile, part): (Table, Table) = (profile.parse().unwrap(), part.parse().unwrap());
    for (name, value) in part {
        match (profile.get_mut(&name), value) {
            (Some(Value::Table(old)), Value::Table(new)) if name == "dimensions" => old.extend(new),
            (_, value) => {
                profile.insert(name, value);
            }
        }
    }
    profile.to_string()
}

/// Runs a line of shell in a folder, with the program on the path.
fn shell(folder: &Path, line: &str) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_rollshare")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    Command::new("sh")
        .args(["-c", line])
        .current_dir(folder)
        .env("PATH", path)
        .env_remove("ROLLSHARE_THREADS")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn succeeds(folder: &Path, line: &str) -> Output {
    let output = shell(folder, line);
    assert!(output.status.success(), "{line}\n{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// A folder with the inputs and profiles that the documents name.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["facts.toml", "events.toml", "cube.toml"] {
        fs::write(folder.path().join(name), whole(name)).unwrap();
    }
    for (layout, out) in
        [("facts", "facts.parquet"), ("events", "events.parquet"), ("export", "exports/2024.parquet")]
    {
        succeeds(
            folder.path(),
            &format!("mkdir -p exports && rollshare sample --rows {ROWS} --layout {layout} --out {out}"),
        );
    }
    folder
}

#[test]
fn profiles_of_the_document_are_read_and_answer() {
    let folder = folder();
    let (mut read, mut ran) = (0, 0);
    for block in profiles() {
        let place = format!("docs/profiles.md:{}", block.line);
        let (base, how) = match block.note.strip_prefix("in ") {
            None => (block.note.as_str(), ""),
            Some(note) => note.split_at(note.find(".toml").expect(&place) + ".toml".len()),
        };
        let text = with_part(&whole(base), &block.text);
        Profile::parse(&text, &place).unwrap();
        read += 1;
        let (arguments, exit) = match how {
            ", not run" => continue,
            ": exit 3" => ("", 3),
            _ => (how.trim_start_matches(": "), 0),
        };
        fs::write(folder.path().join("block.toml"), text).unwrap();
        let input = match base {
            "cube.toml" => "exports".to_owned(),
            _ => base.replace(".toml", ".parquet"),
        };
        let line =
            format!("rollshare run --source {input} --profile block.toml --target - --no-checks {arguments}");
        let output = shell(folder.path(), &line);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(exit), "{place}: {line}\n{error}");
        let rows = output.stdout.iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(rows > 1, exit == 0, "{place}: {rows} lines");
        ran += 1;
    }
    assert!(read > 15 && ran > 12, "{read} read, {ran} run");
}

/// The entries of a table of a profile, as the error about an unknown one lists them.
fn entries(header: &str) -> BTreeSet<String> {
    let error = Profile::parse(&format!("{header}\nno_such_entry = 1"), "x").unwrap_err().to_string();
    let (_, rest) = error.split_once("expected one of ").expect(&error);
    rest.split(". ")
        .next()
        .unwrap()
        .trim_end_matches('.')
        .split(", ")
        .map(|entry| entry.trim().to_owned())
        .collect()
}

#[test]
fn every_entry_has_an_example() {
    let text = document("docs/profiles.md");
    let tables = ["[time]", "[users]", "[channel]", "[dimensions.x]", "[[where]]"];
    for header in tables {
        let shown: BTreeSet<String> = profiles()
            .iter()
            .flat_map(|block| block.text.split("\n\n").map(str::to_owned).collect::<Vec<_>>())
            .filter(|table| table.starts_with(header.trim_end_matches("x]")))
            .flat_map(|table| {
                let names = table.lines().filter_map(|line| line.split_once(" = "));
                names.map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
            })
            .collect();
        let all = entries(header);
        assert!(all.len() > 1);
        assert_eq!(
            all.difference(&shown).collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "no example of {header}"
        );
        for entry in all {
            assert!(text.contains(&format!("| `{entry}` |")), "{header} {entry} is in no table");
        }
    }
}

#[test]
fn what_the_rules_say_holds() {
    let folder = folder();
    succeeds(
        folder.path(),
        &format!("rollshare sample --rows {ROWS} --layout events-text --out text.parquet"),
    );
    let table = |input: &str, profile: &str, arguments: &str| {
        let line = format!(
            "rollshare run --source {input}.parquet --profile {profile}.toml --target - --no-checks {arguments}"
        );
        String::from_utf8(succeeds(folder.path(), &line).stdout).unwrap()
    };
    let facts = |arguments: &str| table("facts", "facts", arguments);
    // A total that no row has changes nothing.
    assert_eq!(facts("--total os=all --total country=ALL"), facts(""));
    // Conditions on one column are joined.
    assert_eq!(facts("--where os=ios --where os=android"), facts(""));
    assert_ne!(facts("--where os=ios"), facts(""));
    // The total of both dimensions is the world.
    let values = |table: &str, of: &str| -> Vec<String> {
        let rows = table.lines().filter(|line| line.contains(of));
        rows.map(|line| line.rsplit(',').next().unwrap().to_owned()).collect()
    };
    let (total, world) = (facts("--by country,os --with-total"), facts("--by none"));
    assert_eq!(values(&total, "total,total"), values(&world, "20"));
    // A zone moves instants, not wall-clock times.
    let zones = ["UTC", "Asia/Tokyo"].map(|zone| format!("--by none --grain day --zone {zone}"));
    let [utc, tokyo] = zones.each_ref().map(|arguments| table("events", "events", arguments));
    assert_ne!(utc, tokyo);
    let [utc, tokyo] = zones.each_ref().map(|arguments| table("text", "events", arguments));
    assert_eq!(utc, tokyo);
    // Sunday 2020-11-01 is in the week of the Monday after it, if weeks begin on Sunday.
    for (day, week) in [("monday", "2020,44,"), ("sunday", "2020,45,")] {
        let table = facts(&format!("--by none --where day=2020-11-01 --week-start {day}"));
        assert!(table.lines().count() == 2 && table.contains(week), "{table}");
    }
    // Channels share all users; the excluded one is not among them.
    let channels = table("events", "events", "--by none --share-of channel --window 1");
    assert!(channels.contains(",(none),") && !channels.contains("restricted"), "{channels}");
    let week = channels.lines().filter(|line| line.starts_with("2020,45,"));
    let sum: f64 = week.map(|line| line.rsplit(',').next().unwrap().parse::<f64>().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-9, "{sum}");
}

/// The README and the documents.
fn documents() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> =
        files.filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}")).collect();
    names.push("README.md".into());
    names.sort();
    names.into_iter().map(|name| (name.clone(), document(&name))).collect()
}

/// The reason why a block is not run.
fn not_run(block: &Block) -> Option<&str> {
    block.note.strip_prefix("not run: ").filter(|reason| reason.len() > 10)
}

#[test]
fn commands_of_the_documents_run() {
    let folder = folder();
    succeeds(folder.path(), "rollshare run --source exports/ --semantics legacy --target old_output/");
    let (mut lines, mut left_out) = (0, Vec::new());
    for (name, text) in documents() {
        for block in blocks(&text) {
            if block.language == "toml" && block.note.ends_with(".toml") {
                fs::write(folder.path().join(&block.note), &block.text).unwrap();
            }
            if block.language != "sh" {
                continue;
            }
            if not_run(&block).is_some() {
                left_out.push(format!("{name}:{}", block.line));
                continue;
            }
            for line in block.text.lines() {
                let few = format!("--rows {ROWS}");
                succeeds(folder.path(), &line.replace("--rows 1000000", &few).replace("--rows 1M", &few));
                lines += 1;
            }
        }
    }
    assert!(lines > 30, "{lines} commands");
    // A new one needs a reason, and a place in this list.
    let places: Vec<&str> = left_out.iter().map(|place| place.split(':').next().unwrap()).collect();
    let expected = [
        "README.md",
        "README.md",
        "docs/aws.md",
        "docs/aws.md",
        "docs/aws.md",
        "docs/aws.md",
        "docs/aws.md",
        "docs/aws.md",
        "docs/aws.md",
        "docs/aws.md",
        "docs/aws.md",
        "docs/aws.md",
        "docs/aws.md",
        "docs/aws.md",
        "docs/profiles.md",
        "docs/python.md",
        "docs/s3.md",
        "docs/spark.md",
    ];
    assert_eq!(places, expected, "{left_out:?}");
}

#[test]
fn configurations_of_the_documents_are_read() {
    let folder = folder();
    let mut read = 0;
    for block in blocks(&document("docs/quality.md")).iter().filter(|block| block.language == "toml") {
        fs::write(folder.path().join("checks.toml"), &block.text).unwrap();
        let output = shell(folder.path(), "rollshare check --source exports/ --checks checks.toml --json");
        let place = format!("docs/quality.md:{}", block.line);
        let error = String::from_utf8_lossy(&output.stdout);
        // Its lists are not of this data: what a check finds is not asked.
        assert!(matches!(output.status.code(), Some(0 | 4)), "{place}: {error}");
        read += 1;
    }
    assert!(read > 1, "{read} configurations");
}

/// No container engine builds the image in the tests: what it is built of is compared with the repository.
#[test]
fn the_image_is_built_of_what_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = document("scripts/Dockerfile");
    let ignored = document("scripts/Dockerfile.dockerignore");
    let kept: BTreeSet<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let mut copied = BTreeSet::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("COPY ")) {
        if line.starts_with("--from=") {
            continue;
        }
        let words: Vec<&str> = line.split(' ').collect();
        copied.extend(words[..words.len() - 1].iter().copied());
    }
    assert_eq!(copied, kept);
    assert!(copied.iter().all(|path| root.join(path).exists()), "{copied:?}");
    // Every target that Cargo.toml names by its path is copied.
    let manifest: Table = document("Cargo.toml").parse().unwrap();
    for kind in ["bin", "bench", "test", "example"] {
        for target in manifest.get(kind).and_then(Value::as_array).into_iter().flatten() {
            let path = target.get("path").and_then(Value::as_str).unwrap_or(match kind {
                "bench" => "benches",
                _ => "tests",
            });
            assert!(copied.contains(path.split('/').next().unwrap()), "{path} is not copied");
        }
    }
    let rust = manifest["package"]["rust-version"].as_str().unwrap();
    assert!(
        text.contains(&format!("FROM rust:{rust}-")) && text.contains("--release --locked --bin rollshare")
    );
    assert!(text.contains("\nUSER 65532:65532\n"), "not root");
}
