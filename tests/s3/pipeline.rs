//! What runs keep beside a target in a bucket, and the state of `--state`: as on disk.

use serde_json::Value;

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
        assert_eq!(world.all_keys("state/").len(), 1);
        assert_eq!(summary["reuse"]["files"], nth - 1, "{summary:#}");
    }
    let old = world.get("out/share.csv").unwrap();

    // Far less than what was published: the checks against the history block it.
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
