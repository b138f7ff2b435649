//! Throughput of reading from S3: objects with prefetched ranges against plain GETs of the same ranges
//! by the same client.
//!
//! The store is a server in this process that returns ranges from memory over the loopback, so the
//! benchmark measures the client. An argument in milliseconds delays each response, as S3 does (some
//! 20 to 30 ms).
//!
//! ```text
//! cargo bench --bench s3            # and: cargo bench --bench s3 -- 25
//! ```
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::cast_possible_truncation)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rollshare::internals::storage::s3::client::client;
use rollshare::internals::storage::s3::get::{self, Counter};
use rollshare::internals::storage::s3::waits::Action;
use rollshare::internals::storage::s3::{S3Object, Uri, ranges};
use rollshare::internals::storage::{Object, ObjectVersion};

/// Length of the object: 512 MiB, of which every second MiB is read.
const LEN: u64 = 512 << 20;
const CHUNK: u64 = 1 << 20;
const ROUNDS: usize = 7;
const ETAG: &str = "\"v1\"";

fn main() {
    let latency = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(0);
    if std::env::var_os("AWS_ENDPOINT_URL").is_none() {
        let port = start_server(Duration::from_millis(latency));
        // The client takes its settings from the environment of its process.
        let child = Command::new(std::env::current_exe().unwrap())
            .arg(latency.to_string())
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
            .env("AWS_ACCESS_KEY_ID", "bench")
            .env("AWS_SECRET_ACCESS_KEY", "bench")
            .env("AWS_REGION", "us-east-1")
            .status();
        assert!(child.unwrap().success());
        return;
    }
    let uri = Uri::parse("s3://bucket/object").unwrap();
    let wanted: Vec<_> = (0..LEN / CHUNK).step_by(2).map(|n| n * CHUNK..(n + 1) * CHUNK).collect();
    let bytes = wanted.len() as u64 * CHUNK;
    let (mut plain, mut prefetched) = (Vec::new(), Vec::new());
    // Interleaved, so that other load on the machine affects both alike.
    for _ in 0..ROUNDS {
        let started = Instant::now();
        assert_eq!(plain_gets(&uri, &wanted), bytes);
        plain.push(started.elapsed());
        let started = Instant::now();
        assert_eq!(prefetched_reads(&uri, &wanted), bytes);
        prefetched.push(started.elapsed());
    }
    let rate = |times: &mut Vec<Duration>| {
        times.sort();
        bytes as f64 / 1e6 / times[times.len() / 2].as_secs_f64()
    };
    let (plain, prefetched) = (rate(&mut plain), rate(&mut prefetched));
    println!("{} MiB in ranges of 1 MiB, responses after {latency} ms, medians of {ROUNDS}", bytes >> 20);
    println!("plain GETs        {plain:7.0} MB/s");
    println!("prefetched ranges {prefetched:7.0} MB/s, {:.0} %", 100.0 * prefetched / plain);
}

/// Submits the same requests at once and drops their bodies.
fn plain_gets(uri: &Uri, wanted: &[std::ops::Range<u64>]) -> u64 {
    let client = client().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    for range in ranges::requests(wanted) {
        let (client, uri, sender) = (client.clone(), uri.clone(), sender.clone());
        let runtime = client.clone();
        runtime.spawn(async move {
            let counter = Counter::default();
            let action = Action::ReadColumns;
            let body = get::read_range(&client, action, &uri, Some(ETAG), range, &counter).await.unwrap();
            sender.send(body.len() as u64).unwrap();
        });
    }
    drop(sender);
    receiver.iter().sum()
}

/// Prefetches the ranges and reads them in order by two interleaved threads.
fn prefetched_reads(uri: &Uri, wanted: &[std::ops::Range<u64>]) -> u64 {
    let version = ObjectVersion { bytes: LEN, modified: None, tag: Some(ETAG.into()), changed: None };
    let object = S3Object::new(uri, version).unwrap();
    object.prefetch(wanted);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|reader| {
                let object = &object;
                scope.spawn(move || {
                    let mut read = 0;
                    for range in wanted.iter().skip(reader).step_by(2) {
                        read += object.read(range.clone()).unwrap().len() as u64;
                        object.evict(std::slice::from_ref(range));
                    }
                    read
                })
            })
            .collect();
        readers.into_iter().map(|reader| reader.join().unwrap()).sum()
    })
}

/// Starts a server of ranges of an object of [`LEN`] bytes; returns its port.
fn start_server(latency: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let body: Arc<Vec<u8>> = Arc::new((0..ranges::REQUEST as usize).map(|n| n as u8).collect());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let body = body.clone();
            std::thread::spawn(move || while respond(&stream, &body, latency).is_some() {});
        }
    });
    port
}

fn respond(mut stream: &TcpStream, body: &[u8], latency: Duration) -> Option<()> {
    let mut head = Vec::new();
    let mut chunk = [0; 4096];
    while !head.ends_with(b"\r\n\r\n") {
        let n = stream.read(&mut chunk).ok().filter(|n| *n > 0)?;
        head.extend_from_slice(&chunk[..n]);
    }
    let head = String::from_utf8(head).ok()?.to_ascii_lowercase();
    let (start, end) = head.split_once("range: bytes=")?.1.split_once("\r\n")?.0.split_once('-')?;
    let len = end.parse::<usize>().ok()? + 1 - start.parse::<usize>().ok()?;
    std::thread::sleep(latency);
    let response = format!(
        "HTTP/1.1 206 Partial Content\r\nETag: {ETAG}\r\nContent-Length: {len}\r\nContent-Range: bytes {start}-{end}/{LEN}\r\n\r\n"
    );
    stream.write_all(response.as_bytes()).ok()?;
    stream.write_all(body.get(..len)?).ok()
}
