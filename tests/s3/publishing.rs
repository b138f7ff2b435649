//! Publishing to a bucket: the complete old object or the complete new one.

use std::time::{Duration, Instant};

use crate::proxy::{Fault, Rule};
use crate::world::{World, at, run, text};

const PART: &str = "out/part-00000-rollshare.snappy.parquet";

fn publish(port: u16, target: &str, window: &str) -> (Option<i32>, String) {
    let target = format!("s3://bucket/{target}");
    let arguments = ["--quiet", "--window", window, "--source", "s3://bucket/x.parquet", "--target", &target];
    let out = run(port, &arguments);
    (out.status.code(), text(&out.stderr))
}

fn world() -> World {
    let world = World::new();
    world.put("x.parquet", &world.sample(3000));
    world
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn files_and_folders_hold_what_they_hold_on_disk() {
    let world = world();
    let local = world.dir.path().join("x.parquet");
    std::fs::write(&local, world.get("x.parquet").unwrap()).unwrap();
    for target in ["share.parquet", "share.csv", "deep/er/share.json", "out/"] {
        let path = world.dir.path().join("local").join(target);
        let path = format!("{}{}", path.display(), if target.ends_with('/') { "/" } else { "" });
        let out = run(1, &["--quiet", "--source", local.to_str().unwrap(), "--target", &path]);
        assert!(out.status.success(), "{}", text(&out.stderr));
        // First where no target exists, then over an earlier output.
        for _ in 0..2 {
            assert_eq!(publish(world.port, target, "4"), (Some(0), String::new()), "{target}");
        }
    }
    for key in ["share.parquet", "share.csv", "deep/er/share.json", PART, "out/_SUCCESS"] {
        let expected = std::fs::read(world.dir.path().join("local").join(key)).unwrap();
        assert_eq!(world.get(key).as_deref(), Some(&*expected), "{key}");
    }
    // Nothing else is left, staged or otherwise.
    assert_eq!(world.keys("").len(), 6, "{:?}", world.keys(""));
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn a_folder_of_spark_is_replaced_and_one_with_other_files_is_rejected() {
    let world = world();
    for key in ["out/part-00000-1a2b.snappy.parquet", "out/part-00001-1a2b.snappy.parquet", "out/_SUCCESS"] {
        world.put(key, b"of Spark");
    }
    world.put("out/_rollshare/history/old", b"history");
    assert_eq!(publish(world.port, "out", "4"), (Some(0), String::new()));
    assert_eq!(world.keys("out/"), ["out/_SUCCESS", PART]);
    assert_eq!(world.get("out/_rollshare/history/old").as_deref(), Some(&b"history"[..]));
    world.put("out/notes.txt", b"of the user");
    let (code, stderr) = publish(world.port, "out/", "8");
    assert!(
        code == Some(2) && stderr.contains("contains 'notes.txt', which is not part of an earlier output"),
        "{stderr}"
    );
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn a_target_inside_its_sources_is_rejected() {
    let world = world();
    let sample = world.get("x.parquet").unwrap();
    world.put("in/y.parquet", &sample);
    for (source, target) in [
        ("in", "in/out.csv"),
        ("in/", "in/"),
        ("in/y.parquet", "in/y.parquet"),
        ("in/y.parquet", "in/"),
        ("in/*.parquet", "in/new.parquet"),
        ("in/*", "in/new/"),
        ("", "out.csv"),
    ] {
        let (source, to) = (format!("s3://bucket/{source}"), format!("s3a://bucket/{target}"));
        let out = run(world.port, &["--source", &source, "--target", &to]);
        let stderr = text(&out.stderr);
        assert!(
            out.status.code() == Some(2) && stderr.contains("the source 's3://bucket"),
            "{source} {to}: {stderr}"
        );
    }
    assert_eq!(world.get("in/y.parquet"), Some(sample));
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn a_lost_connection_leaves_the_old_object_or_the_new_one() {
    let world = world();
    let targets = ["share.csv", "out/"];
    let keys = ["share.csv", PART];
    let of = |window: &str, target: &str, key: &str| {
        assert_eq!(publish(world.port, target, window), (Some(0), String::new()));
        world.get(key).unwrap()
    };
    for (target, key) in targets.into_iter().zip(keys) {
        let new = of("8", target, key);
        let old = of("4", target, key);
        assert_ne!(old, new);
        // Every write fails from this one on: staging, promotion, the marker.
        for skip in 0..5 {
            of("4", target, key);
            let rule =
                Rule { method: "PUT", target: "/bucket/", skip, times: usize::MAX, fault: Fault::Reset };
            let (code, stderr) = publish(world.proxy(vec![rule]).port, target, "8");
            let current = world.get(key).unwrap();
            match code {
                Some(0) => assert_eq!(current, new, "{target} {skip}"),
                Some(6) => {
                    assert!(current == old || (skip > 1 && current == new), "{target} {skip}");
                    assert!(stderr.contains("cannot write"), "{stderr}");
                }
                _ => panic!("{target} {skip}: {stderr}"),
            }
        }
        // A write whose response was lost is not taken for the write of another run.
        of("4", target, key);
        for skip in [0, 1] {
            let rule = Rule { method: "PUT", target: "/bucket/", skip, times: 1, fault: Fault::Lost };
            let outcome = publish(world.proxy(vec![rule]).port, target, "8");
            assert_eq!(outcome, (Some(0), String::new()), "{target} {skip}");
            assert_eq!(world.get(key).unwrap(), new);
        }
    }
    assert!(!world.keys("").iter().any(|key| key.contains(".rollshare-")), "{:?}", world.keys(""));
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn of_two_writers_one_wins_and_the_other_fails() {
    let world = world();
    for (target, key, first) in
        [("share.csv", "share.csv", true), ("share.csv", "share.csv", false), ("out/", PART, true)]
    {
        if !first {
            assert_eq!(publish(world.port, target, "4"), (Some(0), String::new()));
        }
        let (port, path) = (world.port, format!("/bucket/{key}"));
        let other = move || {
            assert_eq!(crate::http::call(port, "PUT", &path, b"of the other").status(), 200);
        };
        // The first PUT stages, the second promotes.
        let fault = Fault::Before(std::sync::Arc::new(other));
        let rule = Rule { method: "PUT", target: "/bucket/", skip: 1, times: 1, fault };
        let (code, stderr) = publish(world.proxy(vec![rule]).port, target, "8");
        assert_eq!(code, Some(3), "{stderr}");
        assert!(stderr.contains("another run published here"), "{stderr}");
        assert_eq!(world.get(key).as_deref(), Some(&b"of the other"[..]));
        crate::http::call(world.port, "DELETE", &format!("/bucket/{key}"), b"");
    }
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn a_kill_leaves_the_old_object() {
    let world = world();
    assert_eq!(publish(world.port, "share.csv", "4").0, Some(0));
    let old = world.get("share.csv").unwrap();
    for skip in 0..2 {
        let rule =
            Rule { method: "PUT", target: "/bucket/", skip, times: usize::MAX, fault: Fault::Stall(None) };
        let proxy = world.proxy(vec![rule]);
        let mut child = at(proxy.port)
            .env("ROLLSHARE_S3_TIMEOUT", "30")
            .args(["run", "--quiet", "--no-checks", "--window", "8", "--source", "s3://bucket/x.parquet"])
            .args(["--target", "s3://bucket/share.csv"])
            .spawn()
            .unwrap();
        let started = Instant::now();
        // The upload has arrived and gets no response.
        let stalled = || proxy.seen().iter().any(|seen| seen.method == "PUT" && seen.status == 0);
        while !stalled() && started.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(stalled());
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(world.get("share.csv").unwrap(), old);
    }
    // The staged object of the killed run is hidden and blocks no run.
    assert_eq!(publish(world.port, "share.csv", "8"), (Some(0), String::new()));
    assert_ne!(world.get("share.csv").unwrap(), old);
}
