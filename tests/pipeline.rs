//! The pipeline: published or blocked runs, and the files that each keeps.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rollshare::internals::checks::{CheckId, Status, Verdict};
use rollshare::internals::pipeline::{self, RunOptions, RunReport, State};
use rollshare::internals::sample;
use rollshare::internals::scan::NoProgress;
use serde_json::Value;

mod runs;

use runs::{World, names};

const PART: &str = "part-00000-rollshare.snappy.parquet";

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
}

fn status(json: &Value, id: &str) -> String {
    let checks = json["checks"].as_array().unwrap();
    checks.iter().find(|c| c["check"] == id).unwrap()["status"].as_str().unwrap().to_owned()
}

fn stamp(path: &Path) -> (Vec<u8>, std::time::SystemTime) {
    (fs::read(path).unwrap(), fs::metadata(path).unwrap().modified().unwrap())
}

#[test]
fn the_second_run_is_compared_with_the_first() {
    let world = World::new();
    for (target, kept) in [("share/", "out/share/_rollshare"), ("x.csv", "out/_rollshare/x.csv")] {
        let first = json(&world.run(target, &["--json"]));
        assert_eq!((&first["state"], &first["exit_code"]), (&"published".into(), &0.into()), "{first}");
        assert_eq!(status(&first, "restatement"), "not_run");
        assert_eq!(status(&first, "reconciliation"), "pass");
        assert_eq!(first["checks"].as_array().unwrap().len(), CheckId::ALL.len());
        let second = json(&world.run(target, &["--json"]));
        assert_eq!(status(&second, "restatement"), "pass");
        assert_eq!(status(&second, "channel_new"), "pass");
        assert_eq!(status(&second, "volume_drift"), "pass");
        assert_eq!(names(&world.at(kept)), ["history", "made-by-rollshare", "runs"]);
        let runs = names(&world.at(kept).join("runs"));
        let of = |run: &Value| ["html", "json"].map(|end| format!("{}.{end}", run["run"].as_str().unwrap()));
        assert_eq!(runs, [of(&first), of(&second)].concat());
        let report = fs::read(world.at(kept).join("runs").join(&runs[3])).unwrap();
        let report: RunReport = serde_json::from_slice(&report).unwrap();
        assert_eq!((report.state, report.verdict), (State::Published, Some(Verdict::Pass)));
        let shares = &report.charts.shares;
        assert!(
            shares.keys.iter().all(|c| c.share.len() == shares.steps.len() && c.low.len() == c.total.len())
        );
        assert!(shares.steps.len() > 15 && shares.keys.len() >= 3);
        let coverage = &report.charts.coverage;
        assert_eq!(coverage.rows.len(), coverage.days * coverage.countries.len());
        assert_eq!(
            report.charts.mix.users.len(),
            report.charts.mix.steps.len() * report.charts.mix.channels.len()
        );
        assert_eq!(report.charts.weeks.countries.len(), shares.keys.len());
    }
    // Each file of a folder has its own history.
    assert_eq!(names(&world.at("out/_rollshare")), ["x.csv"]);
    assert_eq!(status(&json(&world.run("y.csv", &["--json"])), "restatement"), "not_run");
}

#[test]
fn a_blocked_run_leaves_the_target_and_can_be_promoted() {
    for (target, data, kept) in [
        ("share/", format!("out/share/{PART}"), "out/share/_rollshare"),
        ("x.parquet", "out/x.parquet".to_owned(), "out/_rollshare/x.parquet"),
    ] {
        let world = World::new();
        assert!(world.run(target, &[]).status.success());
        let before = stamp(&world.at(&data));
        let history = fs::read(world.at(kept).join("history/published.parquet")).unwrap();

        world.export(2);
        let blocked = world.run(target, &[]);
        let summary = String::from_utf8(blocked.stderr).unwrap();
        assert_eq!(blocked.status.code(), Some(4), "{summary}");
        let line = summary.lines().find(|line| line.ends_with("[restatement]")).unwrap();
        assert!(
            line.starts_with("blocked  ") && line.contains("published country-weeks would change"),
            "{line}"
        );
        assert!(summary.contains("next     rollshare promote "), "{summary}");
        assert_eq!(stamp(&world.at(&data)), before);
        assert_eq!(fs::read(world.at(kept).join("history/published.parquet")).unwrap(), history);
        let quiet = world.run(target, &["--quiet"]);
        assert_eq!(String::from_utf8(quiet.stderr).unwrap().lines().count(), 1);

        let runs = names(&world.at(kept).join("quarantine"));
        assert_eq!(runs.len(), 2);
        let folder = world.at(kept).join("quarantine").join(&runs[0]);
        assert_eq!(names(&folder), ["report.html", "report.json", "sums.parquet", "table.parquet"]);
        let table = fs::read(folder.join("table.parquet")).unwrap();
        assert_ne!(table, before.0);
        let report: RunReport =
            serde_json::from_slice(&fs::read(folder.join("report.json")).unwrap()).unwrap();
        assert_eq!((report.state, report.exit_code()), (State::Blocked, 4));
        assert!(!report.restated.is_empty() && report.why.contains("restatement"));

        let unknown = world.promote("20200101T000000.000Z-00000000", target);
        assert_eq!(unknown.status.code(), Some(2));
        assert!(String::from_utf8(unknown.stderr).unwrap().contains(&runs[1]));
        assert_eq!(world.promote("../../etc", target).status.code(), Some(2));

        let promoted = world.promote(&runs[0], target);
        assert!(promoted.status.success(), "{promoted:?}");
        assert_eq!(fs::read(world.at(&data)).unwrap(), table);
        assert_eq!(names(&world.at(kept).join("quarantine")), [runs[1].clone()]);
        let again = world.promote(&runs[0], target);
        let error = String::from_utf8_lossy(&again.stderr);
        assert_eq!(again.status.code(), Some(2), "{error}");
        assert!(error.contains("was published; it is not blocked") && error.contains(&runs[1]), "{error}");
        assert!(error.contains("`rollshare report --target "), "{error}");
        // The promoted run is in the history: the same rows are no longer a restatement.
        let next = json(&world.run(target, &["--json"]));
        assert_eq!(status(&next, "restatement"), "pass", "{next}");
        // The other blocked run is older than the promoted one.
        let older = world.promote(&runs[1], target);
        assert_eq!(older.status.code(), Some(2));
        assert!(String::from_utf8(older.stderr).unwrap().contains("published since"));
    }
}

#[test]
fn a_run_with_blocking_rows_goes_to_quarantine_with_its_table() {
    let world = World::new();
    let blocked = world.run("x.parquet", &["--organic", "Unknown", "--json"]);
    let summary = json(&blocked);
    assert_eq!((blocked.status.code(), &summary["state"]), (Some(4), &"blocked".into()));
    assert!(!world.at("out/x.parquet").exists());
    let folder = PathBuf::from(summary["places"]["quarantined"].as_str().unwrap());
    assert!(folder.join("table.parquet").exists() && folder.join("report.json").exists());

    // Without a target nothing is stored. The table is shown, and what would block.
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollshare"));
    let shown = command
        .args(["run", "--organic", "Unknown", "--source"])
        .arg(world.at("export.parquet"))
        .output()
        .unwrap();
    let summary = String::from_utf8(shown.stderr).unwrap();
    assert_eq!(shown.status.code(), Some(4), "{summary}");
    assert!(String::from_utf8(shown.stdout).unwrap().contains("country"), "{summary}");
    assert!(summary.contains("would be blocked: no row of Unknown"), "{summary}");
    assert!(summary.contains("--warn-only"), "{summary}");

    // A missing column is no finding: it is an error.
    let incomplete = world.run("x.parquet", &["--column", "start_date=missing"]);
    assert_eq!(incomplete.status.code(), Some(3), "{incomplete:?}");
    assert!(!world.at("out/x.parquet").exists());
}

#[test]
fn checks_can_be_set_to_warn_or_be_skipped() {
    let world = World::new();
    let warned = json(&world.run("x.parquet", &["--organic", "Unknown", "--warn-only", "--json"]));
    assert_eq!((&warned["state"], &warned["verdict"]), (&"published".into(), &"fail".into()));
    assert_eq!(status(&warned, "organic_present"), "fail");
    assert_eq!(world.run("y.parquet", &["--organic", "Unknown", "--no-checks"]).status.code(), Some(3));
    let unchecked = json(&world.run("y.parquet", &["--no-checks", "--json"]));
    assert_eq!((&unchecked["state"], &unchecked["verdict"]), (&"published".into(), &Value::Null));
    assert!(!world.at("out/_rollshare/y.parquet/history").exists());
    assert_eq!(world.run("x.parquet", &["--no-checks", "--warn-only"]).status.code(), Some(2));
    assert_eq!(world.run("x.parquet", &["--allow-restatement", "2021_60"]).status.code(), Some(2));

    let checks = world.at("checks.toml");
    fs::write(&checks, "[checks.organic_present]\nseverity = 'warn'\n[keep]\nquarantine = 1\nruns = 2")
        .unwrap();
    let file = ["--checks", checks.to_str().unwrap(), "--organic", "Unknown"];
    for _ in 0..3 {
        assert!(world.run("z.parquet", &file).status.success());
    }
    assert_eq!(names(&world.at("out/_rollshare/z.parquet/runs")).len(), 2 * 2);
    world.export(3);
    for _ in 0..3 {
        assert_eq!(world.run("z.parquet", &file).status.code(), Some(4));
    }
    assert_eq!(names(&world.at("out/_rollshare/z.parquet/quarantine")).len(), 1);
    let allowed = world.run("z.parquet", &[&file[..], &["--allow-restatement", "2020_01..2030_01"]].concat());
    let summary = String::from_utf8(allowed.stderr).unwrap();
    assert!(!summary.contains("[restatement]"), "{summary}");
}

#[test]
fn a_damaged_history_is_reported_and_replaced() {
    let world = World::new();
    assert!(world.run("x.parquet", &[]).status.success());
    let path = world.at("out/_rollshare/x.parquet/history/published.parquet");
    let good = fs::read(&path).unwrap();
    for bytes in [b"not parquet".to_vec(), good[..good.len() - 40].to_vec(), vec![]] {
        fs::write(&path, bytes).unwrap();
        let summary = json(&world.run("x.parquet", &["--json"]));
        assert_eq!(
            (status(&summary, "history"), status(&summary, "restatement")),
            ("warn".into(), "not_run".into())
        );
        assert_eq!(summary["state"], "published");
        let next = json(&world.run("x.parquet", &["--json"]));
        assert_eq!((status(&next, "history"), status(&next, "restatement")), ("pass".into(), "pass".into()));
    }
}

/// The days of a sample, whose numbers vary strongly, arrive one by one.
#[test]
fn daily_runs_of_a_growing_sample_publish() {
    let dir = tempfile::tempdir().unwrap();
    for seed in [1, 2] {
        let all = dir.path().join(format!("all{seed}"));
        let options = sample::Options { rows: 60_000, layout: sample::Layout::Daily, seed };
        sample::write(&options, &all, &NoProgress).unwrap();
        let source = dir.path().join(format!("in{seed}"));
        fs::create_dir(&source).unwrap();
        let days = names(&all);
        let deliver = |day: &String| fs::rename(all.join(day), source.join(day)).unwrap();
        let begin = days.len() - 60;
        days[..begin].iter().for_each(deliver);
        let run = RunOptions {
            sources: vec![source.to_str().unwrap().to_owned()],
            target: Some(format!("{}/out{seed}/", dir.path().display())),
            ..RunOptions::default()
        };
        let mut judged = 0;
        for day in &days[begin..] {
            let report = pipeline::run(&run, &NoProgress).unwrap().report;
            assert_eq!(report.state, State::Published, "seed {seed}, before {day}: {}", report.why);
            judged += (report.outcomes.iter())
                .filter(|o| o.check == CheckId::VolumeDrift && o.status != Status::NotRun)
                .count();
            deliver(day);
        }
        assert!(judged > 3, "weeks were judged on {judged} days only");
    }
}
