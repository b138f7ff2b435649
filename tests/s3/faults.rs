//! Transient faults are retried, persistent faults are reported, and no output is ever wrong.

use std::time::{Duration, Instant};

use crate::proxy::{Fault, Rule};
use crate::world::{World, at, run, text};

const NO_HEADER: (&str, &str) = ("x-nothing", "0");

struct Source {
    world: World,
    expected: Vec<u8>,
}

impl Source {
    fn new() -> Self {
        let world = World::new();
        world.put("x.parquet", &world.sample(150_000));
        let out = run(world.port, &["--quiet", "--target", "-", "--source", "s3://bucket/x.parquet"]);
        assert!(out.status.success(), "{}", text(&out.stderr));
        Source { world, expected: out.stdout }
    }

    /// Runs with a fault at one kind of request; returns the exit code, stdout and stderr.
    fn with(
        &self,
        target: &'static str,
        skip: usize,
        times: usize,
        fault: Fault,
    ) -> (Option<i32>, Vec<u8>, String) {
        let proxy = self.world.proxy(vec![Rule { method: "GET", target, skip, times, fault }]);
        let started = Instant::now();
        let out = run(proxy.port, &["--quiet", "--target", "-", "--source", "s3://bucket/x.parquet"]);
        assert!(started.elapsed() < Duration::from_secs(45), "{:?}", started.elapsed());
        (out.status.code(), out.stdout, text(&out.stderr))
    }
}

const LISTING: &str = "list-type=2";
const OBJECT: &str = "/bucket/x.parquet";

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn transient_faults_are_retried() {
    let source = Source::new();
    let slow = Fault::Status(503, "SlowDown", "Please reduce your request rate.", NO_HEADER);
    let broken = Fault::Status(500, "InternalError", "We encountered an internal error.", NO_HEADER);
    let mut faults =
        vec![("listing, 503", LISTING, 0, slow.clone()), ("listing, reset", LISTING, 0, Fault::Reset)];
    // The first request of the object is for its tail, the second for its columns.
    for skip in [0, 1] {
        faults.extend([
            ("503", OBJECT, skip, slow.clone()),
            ("500", OBJECT, skip, broken.clone()),
            ("reset", OBJECT, skip, Fault::Reset),
            ("reset in the body", OBJECT, skip, Fault::ResetAfter(1000)),
            ("short body", OBJECT, skip, Fault::Short(1000)),
            ("no answer", OBJECT, skip, Fault::Stall(None)),
            ("a stall in the body", OBJECT, skip, Fault::Stall(Some(1000))),
        ]);
    }
    let failed: Vec<String> = std::thread::scope(|scope| {
        let source = &source;
        let runs: Vec<_> = faults
            .into_iter()
            .map(|(name, target, skip, fault)| {
                (name, skip, scope.spawn(move || source.with(target, skip, 1, fault)))
            })
            .collect();
        let outcomes = runs.into_iter().map(|(name, skip, run)| (name, skip, run.join().unwrap()));
        let wrong = outcomes.filter(|(_, _, (code, out, _))| (*code, out) != (Some(0), &source.expected));
        wrong.map(|(name, skip, (code, _, stderr))| format!("{name} at {skip}: {code:?} {stderr}")).collect()
    });
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn persistent_faults_are_reported() {
    let source = Source::new();
    let responds = |status, code, message, header| Fault::Status(status, code, message, header);
    let region =
        "The authorization header is malformed; the region 'eu-west-1' is wrong; expecting 'us-west-2'";
    let faults: Vec<(&'static str, Fault, i32, &[&str])> = vec![
        (
            OBJECT,
            responds(403, "AccessDenied", "Access Denied", NO_HEADER),
            6,
            &["x.parquet", "403 AccessDenied", "s3:GetObject"],
        ),
        (LISTING, responds(403, "AccessDenied", "Access Denied", NO_HEADER), 0, &[]),
        (
            OBJECT,
            responds(404, "NoSuchKey", "The key does not exist.", NO_HEADER),
            3,
            &["x.parquet", "404 NoSuchKey"],
        ),
        (
            LISTING,
            responds(404, "NoSuchBucket", "The bucket does not exist", NO_HEADER),
            3,
            &["404 NoSuchBucket"],
        ),
        (
            LISTING,
            responds(400, "ExpiredToken", "The provided token has expired.", NO_HEADER),
            6,
            &["ExpiredToken", "have expired"],
        ),
        (
            OBJECT,
            responds(400, "ExpiredToken", "The provided token has expired.", NO_HEADER),
            6,
            &["x.parquet", "have expired"],
        ),
        (
            LISTING,
            responds(403, "InvalidAccessKeyId", "No such key id.", NO_HEADER),
            6,
            &["AWS_ACCESS_KEY_ID"],
        ),
        (
            LISTING,
            responds(403, "SignatureDoesNotMatch", "It does not match.", NO_HEADER),
            6,
            &["AWS_SECRET_ACCESS_KEY"],
        ),
        (
            LISTING,
            responds(301, "PermanentRedirect", "Use the endpoint.", ("x-amz-bucket-region", "us-west-2")),
            6,
            &["AWS_REGION=us-west-2"],
        ),
        (
            LISTING,
            responds(400, "AuthorizationHeaderMalformed", region, NO_HEADER),
            6,
            &["AWS_REGION=us-west-2"],
        ),
        (
            LISTING,
            responds(
                403,
                "RequestTimeTooSkewed",
                "The difference is too large.",
                ("Date", "Wed, 25 Nov 2026 12:00:00 GMT"),
            ),
            6,
            &["clock", "25 Nov 2026"],
        ),
        (
            OBJECT,
            responds(503, "SlowDown", "Please reduce your request rate.", NO_HEADER),
            6,
            &["503 SlowDown", "run again later"],
        ),
        (OBJECT, Fault::Reset, 6, &["x.parquet", "network"]),
        (OBJECT, Fault::ResetAfter(1000), 6, &["x.parquet", "broke off after 1000 of", "attempts"]),
        (OBJECT, Fault::Short(1000), 6, &["x.parquet", "received 1000 of"]),
        (OBJECT, Fault::Stall(Some(1000)), 6, &["x.parquet", "stalled for 1 s after 1000 of"]),
        (OBJECT, Fault::Stall(None), 6, &["x.parquet", "ROLLSHARE_S3_TIMEOUT"]),
    ];
    let failed: Vec<String> = std::thread::scope(|scope| {
        let source = &source;
        let runs: Vec<_> = faults
            .into_iter()
            .map(|(target, fault, code, names)| {
                (code, names, scope.spawn(move || source.with(target, 0, usize::MAX, fault)))
            })
            .collect();
        let mut wrong = Vec::new();
        for (code, names, run) in runs {
            let (exit_code, out, stderr) = run.join().unwrap();
            let empty = code == 0 || out.is_empty();
            if exit_code != Some(code) || !empty || !names.iter().all(|name| stderr.contains(name)) {
                wrong.push(format!("{code} {names:?}: {exit_code:?} {stderr}"));
            }
        }
        wrong
    });
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn a_server_that_stops_answering_ends_the_run() {
    const OBJECTS: usize = 150;
    let world = World::new();
    let sample = world.sample(1000);
    for number in 0..OBJECTS {
        world.put(&format!("many/{number:03}.parquet"), &sample);
    }
    let fault = Fault::Stall(None);
    let rule = Rule { method: "GET", target: "/bucket/many/", skip: 0, times: usize::MAX, fault };
    let proxy = world.proxy(vec![rule]);
    let out = run(proxy.port, &["--quiet", "--target", "-", "--source", "s3://bucket/many/"]);
    assert_eq!((out.status.code(), out.stdout.len()), (Some(6), 0), "{}", text(&out.stderr));
    assert!(text(&out.stderr).contains("ROLLSHARE_S3_TIMEOUT"), "{}", text(&out.stderr));
    // One wave of concurrent requests with their attempts, not all objects.
    let reads = proxy.seen().iter().filter(|seen| seen.target.contains("/many/")).count();
    assert!((1..2 * OBJECTS).contains(&reads), "{reads} requests for {OBJECTS} objects");
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn missing_credentials_are_reported() {
    let world = World::new();
    let mut command = at(world.port);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    let out = command.args(["run", "--source", "s3://bucket/x.parquet"]).output().unwrap();
    let stderr = text(&out.stderr);
    assert_eq!(out.status.code(), Some(6), "{stderr}");
    assert!(stderr.contains("s3://bucket/x.parquet") && stderr.contains("AWS_PROFILE"), "{stderr}");
}

#[test]
fn a_limit_of_threads_is_reported() {
    use std::os::unix::fs::PermissionsExt;
    // The system does not limit root: another user runs a copy of the program.
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("rollshare");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_rollshare"), &program).unwrap();
    let user = std::process::Command::new("id").arg("-u").output().unwrap();
    let is_root = text(&user.stdout).trim() == "0";
    for threads in 1..=6 {
        let mut command = std::process::Command::new("timeout");
        command.args(["60", if is_root { "setpriv" } else { "env" }]);
        command.args(if is_root { &["--reuid", "65534", "--clear-groups"][..] } else { &[] });
        command.args(["bash", "-c", &format!("ulimit -u {threads}; exec \"$@\"",), "bash"]).arg(&program);
        command.args(["run", "--threads", "1", "--source", "s3://bucket/x"]).env("AWS_MAX_ATTEMPTS", "1");
        for (name, value) in at(1).get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        let out = command.output().unwrap();
        let stderr = text(&out.stderr);
        assert_eq!(out.status.code(), Some(6), "{threads}: {stderr}");
        assert!(!stderr.contains("panicked"), "{threads}: {stderr}");
        let is_refused = stderr.contains("cannot start the threads of the S3 client");
        assert!(is_refused || threads > 1, "{threads}: {stderr}");
    }
}

#[test]
fn settings_with_a_line_feed_are_an_error() {
    for variable in ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
        let mut command = at(1);
        let out = command.env(variable, "key\n").args(["run", "--source", "s3://bucket/x"]).output().unwrap();
        let stderr = text(&out.stderr);
        assert_eq!(out.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(variable), "{stderr}");
    }
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn an_unreachable_server_is_reported() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let out = run(port, &["--source", "s3://bucket/x.parquet"]);
    let stderr = text(&out.stderr);
    assert_eq!(out.status.code(), Some(6), "{stderr}");
    assert!(stderr.contains("s3://bucket/x.parquet") && stderr.contains("AWS_ENDPOINT_URL"), "{stderr}");
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn profiles_name_credentials_and_regions() {
    let world = World::new();
    world.put("x.parquet", &world.sample(1000));
    let path = |name: &str| world.dir.path().join(name);
    let config =
        format!("[profile team]\nregion = eu-north-1\nendpoint_url = http://127.0.0.1:{}\n", world.port);
    std::fs::write(path("config"), config).unwrap();
    std::fs::write(path("credentials"), "[team]\naws_access_key_id = a\naws_secret_access_key = b\n")
        .unwrap();
    let mut command = at(1);
    for name in ["AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"] {
        command.env_remove(name);
    }
    command.env("AWS_CONFIG_FILE", path("config")).env("AWS_SHARED_CREDENTIALS_FILE", path("credentials"));
    let out = command
        .env("AWS_PROFILE", "team")
        .args(["run", "--source", "s3://bucket/x.parquet"])
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", text(&out.stderr));
}
