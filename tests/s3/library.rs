//! Parts of the library that no command reaches with small test data. Each runs in a separate process:
//! the client is one per process, and reads its environment.

use std::process::Command;

use rollshare::internals::storage::s3::client::client;
use rollshare::internals::storage::s3::put::{Outcome, PART, put, remove};
use rollshare::internals::storage::s3::{Uri, list};
use rollshare::internals::storage::{Cancel, Object, Precondition, folder};

use crate::proxy::{Fault, Rule};
use crate::world::{World, at, text};

/// Runs an ignored test of this file with S3 at a port.
fn child(name: &str, port: u16) {
    child_with(name, port, "1");
}

/// As [`child`], with a timeout of requests in seconds.
fn child_with(name: &str, port: u16, timeout: &str) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("library::{name}"), "--ignored", "--nocapture"]);
    for (name, value) in at(port).get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let out = command.env("ROLLSHARE_S3_TIMEOUT", timeout).output().unwrap();
    let output = text(&out.stdout) + &text(&out.stderr);
    assert!(out.status.success() && output.contains("1 passed"), "{output}");
}

/// Bytes that differ at every position.
fn long(len: usize) -> Vec<u8> {
    (0..len as u32 / 4).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn a_folder_in_a_bucket_is_a_folder() {
    let world = World::new();
    world.put("state/.hidden", b"x");
    world.put("state/sub/", b"");
    world.put("state2/x", b"a neighbour");
    child("folder_child", world.port);
    assert_eq!(world.keys("state/"), ["state/.hidden", "state/history/b", "state/sub/"]);
}

#[test]
#[ignore = "run by a_folder_in_a_bucket_is_a_folder"]
fn folder_child() {
    let folder = folder("s3://bucket/state").unwrap();
    let names = |prefix| folder.list(prefix).unwrap().into_iter().map(|e| e.name).collect::<Vec<_>>();
    assert!(names("").is_empty());
    assert_eq!(folder.read("history/a").unwrap(), None);
    folder.remove("history/a").unwrap();
    for name in ["history/a", "history/b", "c", "d", "e"] {
        folder.write(name, b"one").unwrap();
        folder.write(name, b"three").unwrap();
    }
    assert_eq!(folder.read("history/a").unwrap().as_deref(), Some(&b"three"[..]));
    assert_eq!(names(""), ["c", "d", "e", "history/a", "history/b"]);
    assert_eq!(names("history/"), ["history/a", "history/b"]);
    let entry = &folder.list("c").unwrap()[0];
    assert_eq!(entry.bytes, 5);
    assert!(entry.modified.unwrap().elapsed().unwrap().as_secs() < 3600);
    for name in ["c", "d", "e", "history/a"] {
        folder.remove(name).unwrap();
    }
    assert_eq!(folder.display_path("x"), "s3://bucket/state/x");
    for name in ["", "../x", "a//b", "/a", "a/"] {
        assert!(folder.write(name, b"").is_err() && folder.read(name).is_err(), "{name}");
    }
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn long_uploads_use_parts_and_are_aborted_on_failure() {
    let world = World::new();
    let proxy = world.proxy(vec![]);
    // A busy server takes more than a second for three parts.
    child_with("parts_child", proxy.port, "15");
    assert!(world.get("long") == Some(long(2 * PART + 8)));
    // Two uploads of three parts; on a busy machine a part may be retried.
    let seen = proxy.seen();
    let parts = seen.iter().map(|seen| &*seen.target).filter(|target| target.contains("partNumber="));
    assert_eq!(parts.collect::<std::collections::BTreeSet<_>>().len(), 6);
    assert_eq!(world.uploads(), 0);
    // The second part keeps failing: the old object is unchanged, and no part is left.
    let rule =
        Rule { method: "PUT", target: "partNumber=2", skip: 0, times: usize::MAX, fault: Fault::Reset };
    let proxy = world.proxy(vec![rule]);
    child_with("broken_parts_child", proxy.port, "15");
    assert!(world.get("long") == Some(long(2 * PART + 8)));
    assert!(proxy.seen().iter().any(|seen| seen.method == "DELETE" && seen.target.contains("uploadId=")));
    assert_eq!(world.uploads(), 0);
}

#[test]
#[ignore = "run by long_uploads_use_parts_and_are_aborted_on_failure"]
fn parts_child() {
    let (client, uri) = (client().unwrap(), Uri::parse("s3://bucket/long").unwrap());
    assert_eq!(put(&client, &uri, &long(2 * PART + 8), &Precondition::IfAbsent).unwrap(), Outcome::Written);
    let etag = list::head(&client, &uri).unwrap().unwrap().tag.unwrap().to_string();
    assert_eq!(put(&client, &uri, b"else", &Precondition::IfAbsent).unwrap(), Outcome::PreconditionFailed);
    assert_eq!(
        put(&client, &uri, b"else", &Precondition::IfMatch("\"0\"".into())).unwrap(),
        Outcome::PreconditionFailed
    );
    assert_eq!(
        put(&client, &uri, &long(2 * PART + 8), &Precondition::IfMatch(etag)).unwrap(),
        Outcome::Written
    );
    remove(&client, &Uri::parse("s3://bucket/none").unwrap()).unwrap();
}

#[test]
#[ignore = "run by long_uploads_use_parts_and_are_aborted_on_failure"]
fn broken_parts_child() {
    let (client, uri) = (client().unwrap(), Uri::parse("s3://bucket/long").unwrap());
    let error = put(&client, &uri, &long(PART + 4096), &Precondition::None).unwrap_err();
    assert!(error.to_string().contains("s3://bucket/long: cannot write"), "{error}");
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn a_cancelled_upload_is_aborted_within_a_second() {
    let world = World::new();
    let rule =
        Rule { method: "PUT", target: "partNumber=2", skip: 0, times: usize::MAX, fault: Fault::Stall(None) };
    let proxy = world.proxy(vec![rule]);
    child_with("cancelled_parts_child", proxy.port, "60");
    assert_eq!((world.get("long"), world.uploads()), (None, 0));
    assert!(proxy.seen().iter().any(|seen| seen.method == "DELETE" && seen.target.contains("uploadId=")));
}

#[test]
#[ignore = "run by a_cancelled_upload_is_aborted_within_a_second"]
fn cancelled_parts_child() {
    let (client, uri) = (client().unwrap(), Uri::parse("s3://bucket/long").unwrap());
    let (call, other, bytes) = (Cancel::default(), Cancel::default(), long(PART + 4096));
    let cancelled = std::thread::scope(|scope| {
        let put = scope.spawn(|| {
            call.enter();
            let error = put(&client, &uri, &bytes, &Precondition::None).unwrap_err();
            (error, std::time::Instant::now())
        });
        // The first part takes less.
        std::thread::sleep(std::time::Duration::from_secs(4));
        let cancelled = std::time::Instant::now();
        call.cancel();
        let (error, ended) = put.join().unwrap();
        assert!(matches!(error, rollshare::Error::Interrupted), "{error}");
        ended - cancelled
    });
    assert!(cancelled.as_secs_f64() < 0.8, "{cancelled:?}");
    // Other calls of the process go on.
    other.enter();
    remove(&client, &Uri::parse("s3://bucket/none").unwrap()).unwrap();
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn ranges_read_in_any_order_are_right_in_bounded_memory() {
    let world = World::new();
    world.put("long", &long(24 << 20));
    child("ranges_child", world.port);
}

#[test]
#[ignore = "run by ranges_read_in_any_order_are_right_in_bounded_memory"]
fn ranges_child() {
    let uri = Uri::parse("s3://bucket/long").unwrap();
    let version = list::head(&client().unwrap(), &uri).unwrap().unwrap();
    let expected = long(24 << 20);
    let check = |object: &dyn Object, range: std::ops::Range<u64>| {
        let got = object.read(range.clone()).unwrap();
        assert!(*got == expected[range.start as usize..range.end as usize], "{range:?}");
    };
    let mut random = 0x9e37_79b9_u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    for round in 0..6 {
        // Every second round with so little capacity that blocks are evicted and fetched again.
        let capacity = if round % 2 == 0 { 2 << 20 } else { u64::MAX };
        let object =
            rollshare::internals::storage::S3Object::with_capacity(&uri, version.clone(), capacity).unwrap();
        let len = object.len();
        let wanted: Vec<_> = (0..5)
            .map(|_| {
                let start = next(len);
                start..start + next(len - start)
            })
            .collect();
        if round > 1 {
            object.prefetch(&wanted);
        }
        std::thread::scope(|scope| {
            for range in &wanted {
                let (object, range) = (&object, range.clone());
                let check = &check;
                scope.spawn(move || {
                    let mut at = range.start;
                    while at < range.end {
                        let end = range.end.min(at + 700_000);
                        check(object, at..end);
                        at = end;
                    }
                    object.evict(&[range]);
                });
            }
        });
        check(&object, len - 10..len);
        check(&object, 0..4);
        check(&object, 5..5);
        assert!(object.read(len - 1..len + 1).is_err());
    }
}
