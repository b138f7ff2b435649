//! Throughput of reading from S3: announced objects against plain GETs of the same
//! ranges by the same client.
//!
//! The store is a server in this process that answers ranges from memory, on the
//! loopback, so what is measured is the client. With a number of milliseconds as an
//! argument each answer waits so long, as one from S3 does (some 20 to 30).
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

use rollshare::storage::s3::client::client;
use rollshare::storage::s3::get::{self, Counter};
use rollshare::storage::s3::{S3Object, Uri, ranges};
use rollshare::storage::{Object, ObjectVersion};

/// The object: 512 MiB, of which every second MiB is wanted.
const LEN: u64 = 512 << 20;
const CHUNK: u64 = 1 << 20;
const ROUNDS: usize = 7;
const ETAG: &str = "\"v1\"";

fn main() {
    let latency = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(0);
    if std::env::var_os("AWS_ENDPOINT_URL").is_none() {
        let port = start_server(Duration::from_millis(latency));
        // The client takes its settings from the environment of its process.
        let again = Command::new(std::env::current_exe().unwrap())
            .arg(latency.to_string())
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
            .env("AWS_ACCESS_KEY_ID", "bench")
            .env("AWS_SECRET_ACCESS_KEY", "bench")
            .env("AWS_REGION", "us-east-1")
            .status();
        assert!(again.unwrap().success());
        return;
    }
    let uri = Uri::parse("s3://bucket/object").unwrap();
    let wanted: Vec<_> = (0..LEN / CHUNK).step_by(2).map(|n| n * CHUNK..(n + 1) * CHUNK).collect();
    let bytes = wanted.len() as u64 * CHUNK;
    let (mut plain, mut announced) = (Vec::new(), Vec::new());
    // In turn: what the machine does beside this falls on both.
    for _ in 0..ROUNDS {
        let started = Instant::now();
        assert_eq!(plain_gets(&uri, &wanted), bytes);
        plain.push(started.elapsed());
        let started = Instant::now();
        assert_eq!(announced_reads(&uri, &wanted), bytes);
        announced.push(started.elapsed());
    }
    let rate = |times: &mut Vec<Duration>| {
        times.sort();
        bytes as f64 / 1e6 / times[times.len() / 2].as_secs_f64()
    };
    let (plain, announced) = (rate(&mut plain), rate(&mut announced));
    println!("{} MiB in ranges of 1 MiB, answers after {latency} ms, medians of {ROUNDS}", bytes >> 20);
    println!("plain GETs        {plain:7.0} MB/s");
    println!("announced objects {announced:7.0} MB/s, {:.0} %", 100.0 * announced / plain);
}

/// The same requests, all handed over at once, their bodies thrown away.
fn plain_gets(uri: &Uri, wanted: &[std::ops::Range<u64>]) -> u64 {
    let client = client().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    for range in ranges::requests(wanted) {
        let (client, uri, sender) = (client.clone(), uri.clone(), sender.clone());
        let on = client.clone();
        on.spawn(async move {
            let body = get::read_range(&client, &uri, Some(ETAG), range, &Counter::default()).await.unwrap();
            sender.send(body.len() as u64).unwrap();
        });
    }
    drop(sender);
    receiver.iter().sum()
}

/// Announced, and read in their order by two threads in turn.
fn announced_reads(uri: &Uri, wanted: &[std::ops::Range<u64>]) -> u64 {
    let stamp = ObjectVersion { bytes: LEN, modified: None, tag: Some(ETAG.to_owned()), changed: None };
    let object = S3Object::new(uri, stamp).unwrap();
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

/// Answers ranges of an object of [`LEN`] bytes.
fn start_server(latency: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let body: Arc<Vec<u8>> = Arc::new((0..ranges::REQUEST as usize).map(|n| n as u8).collect());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let body = body.clone();
            std::thread::spawn(move || while answer(&stream, &body, latency).is_some() {});
        }
    });
    port
}

fn answer(mut stream: &TcpStream, body: &[u8], latency: Duration) -> Option<()> {
    let mut head = Vec::new();
    let mut piece = [0; 4096];
    while !head.ends_with(b"\r\n\r\n") {
        let n = stream.read(&mut piece).ok().filter(|n| *n > 0)?;
        head.extend_from_slice(&piece[..n]);
    }
    let head = String::from_utf8(head).ok()?.to_ascii_lowercase();
    let (start, end) = head.split_once("range: bytes=")?.1.split_once("\r\n")?.0.split_once('-')?;
    let len = end.parse::<usize>().ok()? + 1 - start.parse::<usize>().ok()?;
    std::thread::sleep(latency);
    let answer = format!(
        "HTTP/1.1 206 Partial Content\r\nETag: {ETAG}\r\nContent-Length: {len}\r\nContent-Range: bytes {start}-{end}/{LEN}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).ok()?;
    stream.write_all(body.get(..len)?).ok()
}
