//! History, reports, quarantine and state in a bucket: as on disk.

use serde_json::Value;

use crate::proxy::{Fault, Rule};
use crate::world::{World, at, text};

const TARGET: &str = "s3://bucket/out/share.csv";
const KEPT: &str = "out/_rollshare/share.csv";

/// `rollshare run` with checks; exit code and summary.
fn checked(world: &World) -> (Option<i32>, Value) {
    let arguments = ["run", "--json", "--source", "s3://bucket/in/", "--target", TARGET];
    let out = at(world.port).args(arguments).args(["--state", "s3://bucket/state/"]).output().unwrap();
    let summary = serde_json::from_slice(&out.stdout);
    (out.status.code(), summary.unwrap_or_else(|_| panic!("{}{}", text(&out.stdout), text(&out.stderr))))
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn history_reports_quarantine_and_state_are_kept_in_the_bucket() {
    let world = World::new();
    world.put("in/x.parquet", &world.sample(100_000));
    for nth in 1..=2 {
        let (code, summary) = checked(&world);
        assert_eq!(code, Some(0), "{summary:#}");
        let kept = world.all_keys(KEPT);
        let runs = kept.iter().filter(|key| key.contains("/runs/") && key.ends_with(".json")).count();
        assert_eq!(runs, nth, "{kept:?}");
        assert!(kept.contains(&format!("{KEPT}/history/published.parquet")), "{kept:?}");
        let state = world.all_keys("state/");
        for end in [".state", ".parts"] {
            assert_eq!(state.iter().filter(|key| key.ends_with(end)).count(), 1, "{state:?}");
        }
        assert_eq!(summary["reuse"]["files"], nth - 1, "{summary:#}");
    }
    let old = world.get("out/share.csv").unwrap();

    // Far fewer rows than were published: the checks against the history block the run.
    world.put("in/x.parquet", &world.sample(10_000));
    let (code, summary) = checked(&world);
    assert_eq!(code, Some(4), "{summary:#}");
    assert_eq!(world.get("out/share.csv").unwrap(), old);
    let kept = world.all_keys(&format!("{KEPT}/quarantine/"));
    assert!(kept.iter().any(|key| key.ends_with("/table.csv")), "{kept:?}");

    let out = at(world.port).args(["report", "latest", "--json", "--target", TARGET]).output().unwrap();
    assert!(out.status.success(), "{}", text(&out.stderr));
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(report["state"], "blocked", "{report:#}");
}

/// `rollshare run` with checks and without state, at a port.
fn recording(port: u16, source: &str) -> (Option<i32>, Value) {
    let out = at(port)
        .args(["run", "--json", "--source", &format!("s3://bucket/{source}"), "--target", TARGET])
        .output()
        .unwrap();
    (out.status.code(), serde_json::from_slice(&out.stdout).unwrap())
}

/// A complete run of another process before a request is forwarded.
fn meanwhile(world: &World, method: &'static str, target: &'static str, source: &'static str) -> Rule {
    let port = world.port;
    let other = move || {
        let (code, summary) = recording(port, source);
        assert_eq!(code, Some(0), "{summary:#}");
    };
    Rule { method, target, skip: 0, times: 1, fault: Fault::Before(std::sync::Arc::new(other)) }
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn a_run_that_another_one_overtook_does_not_publish() {
    let world = World::new();
    world.put("one/x.parquet", &world.sample(100_500));
    world.put("two/x.parquet", &world.sample(100_000));
    world.put("three/x.parquet", &world.sample(100_200));
    // When the rows are read, the target is locked and the history is read. The other runs publish a
    // first table, and then another in its place.
    for (nth, other) in [(1, "two/"), (2, "three/")] {
        let proxy = world.proxy(vec![meanwhile(&world, "GET", "one/x.parquet", other)]);
        let (code, summary) = recording(proxy.port, "one/");
        assert_eq!(code, Some(3), "{summary:#}");
        let message = summary["error"]["message"].as_str().unwrap();
        assert!(message.contains("another run published here") && message.contains("share.csv"), "{message}");
        let kept = world.all_keys(KEPT);
        let runs = kept.iter().filter(|key| key.contains("/runs/") && key.ends_with(".json")).count();
        assert_eq!(runs, nth, "only reports of the other runs are kept: {kept:?}");
    }
    assert_eq!(recording(world.port, "three/").0, Some(0), "table and history are those of the other run");
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn of_two_concurrent_runs_one_does_not_record_its_history() {
    let world = World::new();
    world.put("one/x.parquet", &world.sample(100_500));
    world.put("two/x.parquet", &world.sample(100_000));
    let proxy = world.proxy(vec![meanwhile(&world, "PUT", "history/published.parquet", "two/")]);
    let (code, summary) = recording(proxy.port, "one/");
    assert_eq!((code, &summary["state"]), (Some(7), &"published".into()), "{summary:#}");
    assert_eq!(summary["not_kept"][0]["what"], "history", "{summary:#}");
    let why = summary["not_kept"][0]["why"].to_string();
    assert!(why.contains("another run has written the history"), "{why}");
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn a_state_that_its_sources_cover_is_refused() {
    let world = World::new();
    world.put("in/x.parquet", &world.sample(1000));
    for state in ["s3://bucket/in/", "s3a://bucket/in/deep"] {
        let out = at(world.port)
            .args(["run", "--source", "s3://bucket/in/", "--target", "-", "--state", state])
            .output()
            .unwrap();
        let stderr = text(&out.stderr);
        assert_eq!(out.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("lies in the source 's3://bucket/in'"), "{stderr}");
    }
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn checks_and_scan_fetch_each_byte_once_in_two_rounds() {
    let world = World::new();
    let sample = world.sample(400_000);
    world.put("one/x.parquet", &sample);
    for day in 0..20 {
        world.put(&format!("many/{day}.parquet"), &world.sample(1000 + day));
    }
    for (source, files, size) in [("one/", 1, sample.len()), ("many/", 20, usize::MAX)] {
        let proxy = world.proxy(vec![]);
        let source = format!("s3://bucket/{source}");
        let out = at(proxy.port)
            .args(["run", "--json", "--warn-only", "--source", &source, "--target", "-"])
            .output()
            .unwrap();
        let output = text(&out.stdout) + &text(&out.stderr);
        assert!(out.status.success(), "{output}");
        let reads = proxy.reads();
        let bytes: usize = reads.iter().map(|seen| seen.bytes).sum();
        assert!(bytes <= size, "{bytes} of {size}");
        assert!(reads.len() <= 3 * files, "{} requests: {reads:?}", reads.len());
        let summary: Value = serde_json::from_slice(&out.stderr).unwrap_or_else(|_| panic!("{output}"));
        let traffic = &summary["stats"]["traffic"];
        assert_eq!(traffic["requests"], reads.len(), "{traffic}");
        assert!(traffic["rounds"].as_u64().unwrap() <= 2, "{traffic}");
    }
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn the_configuration_of_the_checks_may_be_in_a_bucket() {
    let world = World::new();
    world.put("in/x.parquet", &world.sample(10_000));
    world.put("checks.toml", b"[checks.freshness]\nseverity = 'off'");
    let check = |checks: &str| {
        let arguments = ["check", "s3://bucket/in/", "--json", "--checks", checks];
        at(world.port).args(arguments).output().unwrap()
    };
    let out = check("s3://bucket/checks.toml");
    assert!(out.status.success(), "{}", text(&out.stderr));
    let results: Value = serde_json::from_slice(&out.stdout).unwrap();
    let mut checks = results["checks"].as_array().unwrap().iter();
    let freshness = checks.find(|check| check["check"] == "freshness").unwrap();
    assert_eq!(freshness["bounds"]["origin"], "s3://bucket/checks.toml", "{freshness:#}");
    let missing = check("s3://bucket/none.toml");
    assert_eq!(missing.status.code(), Some(3));
    assert!(text(&missing.stdout).contains("cannot read the checks"), "{}", text(&missing.stdout));
}
