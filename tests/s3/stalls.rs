//! A server that stops answering, and signals while the program waits for it.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::proxy::{Fault, Proxy, Rule};
use crate::world::{World, at, text};

/// The stall limit of these tests in seconds, and the time that a run may need besides.
const LIMIT: u64 = 4;
const SLACK: Duration = Duration::from_secs(4);
/// A signal ends the program within this time; a loaded machine needs some of it to start a process.
const SIGNALLED: Duration = Duration::from_millis(1000);
/// A timeout of single requests that is never reached.
const NO_TIMEOUT: &str = "60";

fn command(port: u16, arguments: &[&str]) -> Command {
    let mut command = at(port);
    command.env("ROLLSHARE_S3_TIMEOUT", NO_TIMEOUT).env("ROLLSHARE_S3_STALL_LIMIT", LIMIT.to_string());
    command.args(["run", "--no-checks"]).args(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn rule(method: &'static str, target: &'static str, skip: usize, fault: Fault) -> Rule {
    Rule { method, target, skip, times: usize::MAX, fault }
}

fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Waits until the proxy has a request of this kind that gets no response.
fn wait_for_stall(proxy: &Proxy, method: &str) {
    let started = Instant::now();
    while !proxy.seen().iter().any(|seen| seen.method == method && seen.status == 0) {
        assert!(started.elapsed() < Duration::from_secs(60), "no stalled {method}: {:?}", proxy.seen());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a signal and waits for the end.
fn end_by(child: Child, name: &str) -> (Output, Duration) {
    signal(name, child.id());
    let sent = Instant::now();
    let out = child.wait_with_output().unwrap();
    (out, sent.elapsed())
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn a_stall_in_any_phase_ends_the_run_with_one_error() {
    let world = World::new();
    world.put("x.parquet", &world.sample(150_000));
    for (method, target, skip, doing, place) in [
        ("GET", "list-type=2", 0, "listing", "s3://bucket/x.parquet"),
        ("GET", "/bucket/x.parquet", 0, "reading footers", "s3://bucket/x.parquet"),
        ("GET", "/bucket/x.parquet", 1, "reading columns", "s3://bucket/x.parquet"),
        ("PUT", "/bucket/", 0, "publishing", "s3://bucket/.out.csv.rollshare-"),
    ] {
        let proxy = world.proxy(vec![rule(method, target, skip, Fault::Stall(None))]);
        let arguments = ["--target", "s3://bucket/out.csv", "--source", "s3://bucket/x.parquet"];
        let started = Instant::now();
        let out = command(proxy.port, &arguments).output().unwrap();
        let elapsed = started.elapsed();
        let stderr = text(&out.stderr);
        assert_eq!(out.status.code(), Some(6), "{doing}: {stderr}");
        assert!(elapsed < Duration::from_secs(LIMIT) + SLACK, "{doing}: {elapsed:?}");
        assert_eq!(stderr.matches("error:").count(), 1, "{stderr}");
        let address = format!("http://127.0.0.1:{}", proxy.port);
        for part in [
            &*format!("sent nothing for {LIMIT} s: {doing}, waiting for {place}"),
            &address,
            "ROLLSHARE_S3_STALL_LIMIT",
            // Progress, since stderr is no terminal.
            &format!("waiting for {place}"),
            &format!("3 s ({doing})"),
        ] {
            assert!(stderr.contains(part), "{doing}: no '{part}' in {stderr}");
        }
        assert_eq!(world.get("out.csv"), None);
    }
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn a_stopped_server_takes_the_same_time_for_any_number_of_objects() {
    for (objects, target, skip) in
        [(20, "list-type=2", 3), (200, "list-type=2", 20), (20, "/many/", 5), (200, "/many/", 100)]
    {
        let world = World::new();
        let sample = world.sample(1000);
        for number in 0..objects {
            world.put(&format!("many/{number:04}.parquet"), &sample);
        }
        let stopped: Arc<std::sync::OnceLock<Instant>> = Arc::default();
        let (pid, at) = (world.server_pid(), stopped.clone());
        let stop = move || {
            at.get_or_init(|| {
                signal("STOP", pid);
                Instant::now()
            });
        };
        let proxy = world.proxy(vec![rule("GET", target, skip, Fault::Before(Arc::new(stop)))]);
        let arguments = ["--quiet", "--target", "-", "--source", "s3://bucket/many/"];
        let out = command(proxy.port, &arguments).output().unwrap();
        let elapsed = stopped.get().expect("the server was stopped").elapsed();
        let stderr = text(&out.stderr);
        assert_eq!((out.status.code(), out.stdout.len()), (Some(6), 0), "{stderr}");
        assert!(elapsed < Duration::from_secs(LIMIT) + SLACK, "{objects} {target}: {elapsed:?}");
        // Nothing but the error with --quiet.
        assert!(stderr.starts_with("error:") && stderr.matches("error:").count() == 1, "{stderr}");
        assert!(stderr.contains("s3://bucket/many/") && stderr.contains("STALL_LIMIT"), "{stderr}");
    }
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn slow_objects_do_not_reach_the_limit_together() {
    // Each of many requests is answered late, and one object stays without a byte for longer than the others: as long
    // as bytes arrive, only the timeout of single requests counts.
    let world = World::new();
    let sample = world.sample(1000);
    for number in 0..8 {
        world.put(&format!("many/{number}.parquet"), &sample);
    }
    let pause = || std::thread::sleep(Duration::from_millis(700));
    let proxy = world.proxy(vec![rule("GET", "/bucket", 0, Fault::Before(Arc::new(pause)))]);
    let mut command = command(proxy.port, &["--quiet", "--target", "-", "--source", "s3://bucket/many/"]);
    let started = Instant::now();
    let out = command.env("ROLLSHARE_S3_STALL_LIMIT", "2").output().unwrap();
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert!(started.elapsed() > Duration::from_secs(2), "{:?}: shorter than the limit", started.elapsed());
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn a_signal_ends_a_run_that_waits_for_s3() {
    let world = World::new();
    let sample = world.sample(150_000);
    world.put("one/x.parquet", &sample);
    for number in 0..60 {
        world.put(&format!("many/{number:02}.parquet"), &sample);
    }
    world.put("out.csv", b"the old table");
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        for (method, target, skip, source) in [
            ("GET", "list-type=2", 0, "one/"),
            ("GET", "/bucket/many/", 0, "many/"),
            ("GET", "/bucket/many/", 60, "many/"),
            ("PUT", "/bucket/", 0, "one/"),
        ] {
            let proxy = world.proxy(vec![rule(method, target, skip, Fault::Stall(None))]);
            let source = format!("s3://bucket/{source}");
            let arguments = ["--threads", "3", "--target", "s3://bucket/out.csv", "--source", &source];
            let child = command(proxy.port, &arguments).spawn().unwrap();
            wait_for_stall(&proxy, method);
            let (out, elapsed) = end_by(child, name);
            let stderr = text(&out.stderr);
            let case = format!("{name} at {method} {target} {skip}: {elapsed:?} {stderr}");
            assert_eq!((out.status.code(), out.status.signal()), (Some(code), None), "{case}");
            assert!(elapsed < SIGNALLED, "{case}");
            assert!(stderr.contains("error: interrupted"), "{case}");
            assert_eq!(world.get("out.csv").as_deref(), Some(&b"the old table"[..]), "{case}");
        }
    }
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn a_signal_removes_the_staged_object() {
    let world = World::new();
    world.put("x.parquet", &world.sample(3000));
    // The staged object has arrived, and reading it back stalls.
    let proxy = world.proxy(vec![rule("GET", "/bucket/.out.csv.rollshare-", 0, Fault::Stall(None))]);
    let arguments = ["--target", "s3://bucket/out.csv", "--source", "s3://bucket/x.parquet"];
    let child = command(proxy.port, &arguments).spawn().unwrap();
    wait_for_stall(&proxy, "GET");
    assert_eq!(world.keys(".out").len(), 1);
    let (out, elapsed) = end_by(child, "INT");
    assert_eq!(out.status.code(), Some(130), "{}", text(&out.stderr));
    assert!(elapsed < SIGNALLED, "{elapsed:?}");
    assert_eq!(world.keys(""), ["x.parquet"]);
}

#[test]
#[ignore = "needs moto, an S3 API server: make test-s3"]
fn a_signal_ends_every_command_that_waits_for_s3() {
    let world = World::new();
    world.put("x.parquet", &world.sample(3000));
    for arguments in [
        &["check", "--source", "s3://bucket/x.parquet"][..],
        &["profile", "s3://bucket/x.parquet"],
        &["run", "--json", "--source", "s3://bucket/x.parquet"],
    ] {
        let proxy = world.proxy(vec![rule("GET", "list-type=2", 0, Fault::Stall(None))]);
        let mut command = at(proxy.port);
        command.env("ROLLSHARE_S3_TIMEOUT", NO_TIMEOUT).args(arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_for_stall(&proxy, "GET");
        let (out, elapsed) = end_by(child, "TERM");
        assert_eq!(out.status.code(), Some(143), "{arguments:?} {}", text(&out.stderr));
        assert!(elapsed < SIGNALLED, "{arguments:?} {elapsed:?}");
        if arguments.contains(&"--json") {
            let json: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
            assert_eq!(json["error"]["exit_code"], 143, "{json}");
        }
    }
}
