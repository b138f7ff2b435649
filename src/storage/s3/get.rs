//! Reads ranges of one version of an object, with retries.

use std::future::Future;
use std::io::ErrorKind;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::primitives::ByteStream;

use super::client::Client;
use super::waits::Action;
use super::{Uri, fault};
use crate::{Error, Result};

/// Counts the requests for one object.
#[derive(Debug, Default)]
pub struct Counter {
    /// Requests, the retries of this program included.
    pub requests: AtomicU64,
    /// Bytes of bodies.
    pub bytes: AtomicU64,
    /// Retries of requests whose body was incomplete.
    pub retries: AtomicU64,
}

/// Delay before the second attempt at a body; it doubles with each attempt.
const FIRST_DELAY: Duration = Duration::from_millis(200);

/// Reads all bytes of `range` of the version `etag` of an object; `action` is what they are for.
///
/// # Errors
/// `Data` where the object has another version now; else as of [`fault::service_error`].
pub async fn read_range(
    client: &Client,
    action: Action,
    uri: &Uri,
    etag: Option<&str>,
    range: Range<u64>,
    counter: &Counter,
) -> Result<Vec<u8>> {
    let what = format!("cannot read bytes {}..{}", range.start, range.end);
    let wanted = range.end - range.start;
    let attempt = || request_range(client, uri, etag, &range, counter);
    with_retries(client, action, uri, &what, wanted, counter, attempt).await
}

/// Reads a whole object and its ETag; returns `None` where the key does not exist.
///
/// # Errors
/// As of [`fault::service_error`].
pub async fn read_object(client: &Client, uri: &Uri) -> Result<Option<(Vec<u8>, Option<String>)>> {
    let counter = Counter::default();
    with_retries(client, Action::ReadObject, uri, "cannot read", OBJECT_BYTES, &counter, || async {
        let mut response = match client.s3.get_object().bucket(&uri.bucket).key(&uri.key).send().await {
            Ok(response) => response,
            Err(e) if fault::is_not_found(&e) => return Ok(Ok(None)),
            Err(e) => return Err(fault::service_error("cannot read", uri, &e)),
        };
        let wanted = response.content_length().and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
        let etag = response.e_tag.take();
        let bytes = read_body(client, &mut response.body, wanted, &Counter::default()).await;
        Ok(bytes.map(|bytes| Some((bytes, etag))))
    })
    .await
}

/// The assumed length of objects that are read whole, for the deadline.
const OBJECT_BYTES: u64 = 16 << 20;

/// An incomplete response, which is retried.
struct Incomplete {
    why: String,
    kind: ErrorKind,
}

/// Retries `attempt` until it succeeds, fails with an error, or the attempts are used up.
///
/// The SDK retries a request until its response begins. A response that breaks off, stalls or is too
/// short is retried here.
async fn with_retries<T, F>(
    client: &Client,
    action: Action,
    uri: &Uri,
    what: &str,
    bytes: u64,
    counter: &Counter,
    attempt: impl Fn() -> F,
) -> Result<T>
where
    F: Future<Output = Result<std::result::Result<T, Incomplete>>>,
{
    let deadline = client.deadline(bytes) * client.attempts;
    let mut permit = Some(client.requests.acquire().await);
    let attempts = Box::pin(async {
        let mut delay = FIRST_DELAY;
        for attempts in 1.. {
            let outcome = tokio::time::timeout(deadline, attempt()).await;
            // Other requests proceed during the delay.
            permit.take();
            let incomplete = match outcome {
                Ok(Ok(Ok(whole))) => return Ok(whole),
                Ok(Err(error)) => return Err(error),
                Ok(Ok(Err(incomplete))) => incomplete,
                Err(_) => Incomplete {
                    why: format!("not done after {} s", deadline.as_secs()),
                    kind: ErrorKind::TimedOut,
                },
            };
            if attempts >= client.attempts {
                let what = format!("{what}: {}, at the last of {attempts} attempts", incomplete.why);
                return Err(fault::io_error(&what, uri, incomplete.kind, "Check the network and run again"));
            }
            counter.retries.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(delay).await;
            delay *= 2;
            permit = Some(client.requests.acquire().await);
        }
        Err(Error::internal("attempts ran out").in_file(&uri.to_string().into()))
    });
    client.request(action, uri, attempts).await
}

async fn request_range(
    client: &Client,
    uri: &Uri,
    etag: Option<&str>,
    range: &Range<u64>,
    counter: &Counter,
) -> Result<std::result::Result<Vec<u8>, Incomplete>> {
    counter.requests.fetch_add(1, Ordering::Relaxed);
    let request = client.s3.get_object().bucket(&uri.bucket).key(&uri.key);
    let request = request.range(format!("bytes={}-{}", range.start, range.end - 1));
    let sent = request.set_if_match(etag.map(str::to_owned)).send().await;
    let mut response = match sent {
        Ok(response) => response,
        // 416: the object is shorter than it was when it was listed.
        Err(e) if matches!(fault::status(&e), Some(412 | 416)) => return Err(fault::object_replaced(uri)),
        Err(e) => return Err(fault::service_error("cannot read", uri, &e)),
    };
    if etag.is_some_and(|etag| response.e_tag().is_some_and(|found| found != etag)) {
        return Err(fault::object_replaced(uri));
    }
    let expected = format!("bytes {}-{}/", range.start, range.end - 1);
    if !response.content_range().is_some_and(|found| found.starts_with(&expected)) {
        let found = response.content_range().unwrap_or("the whole object").to_owned();
        return Err(Error::unsupported(format!("the store returned {found}"))
            .expected(format!("{expected}..."))
            .advice("The store does not support range requests: check AWS_ENDPOINT_URL")
            .in_file(&uri.to_string().into()));
    }
    Ok(read_body(client, &mut response.body, range.end - range.start, counter).await)
}

/// Reads the `wanted` bytes of a body.
async fn read_body(
    client: &Client,
    stream: &mut ByteStream,
    wanted: u64,
    counter: &Counter,
) -> std::result::Result<Vec<u8>, Incomplete> {
    let mut bytes = Vec::with_capacity(usize::try_from(wanted).unwrap_or_default());
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|e| {
            let stalled = DisplayErrorContext(&e).to_string().contains("throughput");
            let (why, kind) = if stalled {
                (format!("it stalled for {} s", client.timeout.as_secs()), ErrorKind::TimedOut)
            } else {
                ("the connection broke off".to_owned(), ErrorKind::ConnectionReset)
            };
            Incomplete { why: format!("{why} after {} of {wanted} bytes", bytes.len()), kind }
        })?;
        client.waits.received();
        counter.bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > wanted {
            break;
        }
    }
    if bytes.len() as u64 == wanted {
        return Ok(bytes);
    }
    let why = format!("received {} of {wanted} bytes", bytes.len());
    Err(Incomplete { why, kind: ErrorKind::UnexpectedEof })
}
