//! One range of one version of an object, tried again where that helps.

use std::future::Future;
use std::io::ErrorKind;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::primitives::ByteStream;

use super::client::Client;
use super::{Uri, fault};
use crate::{Error, Result};

/// What was asked of S3 for one object.
#[derive(Debug, Default)]
pub struct Counter {
    /// Requests, those that were tried again by this program included.
    pub requests: AtomicU64,
    /// Bytes of bodies.
    pub bytes: AtomicU64,
    /// Requests that were tried again since their body broke off.
    pub retries: AtomicU64,
}

/// Before the second attempt at a body; doubled for each one after it.
const PAUSE: Duration = Duration::from_millis(200);

/// Reads `range` of the version `etag` of an object: all of it, or an error.
///
/// # Errors
/// `Data` where the object is another version by now, else what S3 said.
pub async fn range(
    client: &Client,
    uri: &Uri,
    etag: Option<&str>,
    range: Range<u64>,
    counter: &Counter,
) -> Result<Vec<u8>> {
    let what = format!("cannot read bytes {}..{}", range.start, range.end);
    let wanted = range.end - range.start;
    with_retries(client, uri, &what, wanted, counter, || part(client, uri, etag, &range, counter)).await
}

/// Reads an object whole, and its ETag; `None` where there is none.
///
/// # Errors
/// What S3 said.
pub async fn whole(client: &Client, uri: &Uri) -> Result<Option<(Vec<u8>, Option<String>)>> {
    let counter = Counter::default();
    with_retries(client, uri, "cannot read", WHOLE, &counter, || async {
        let mut answer = match client.s3.get_object().bucket(&uri.bucket).key(&uri.key).send().await {
            Ok(answer) => answer,
            Err(e) if fault::is_absent(&e) => return Ok(Ok(None)),
            Err(e) => return Err(fault::service_error("cannot read", uri, &e)),
        };
        let wanted = answer.content_length().and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
        let etag = answer.e_tag.take();
        let bytes = body(client, &mut answer.body, wanted, &Counter::default()).await;
        Ok(bytes.map(|bytes| Some((bytes, etag))))
    })
    .await
}

/// What files that are read whole are taken to have at the most, for the deadline.
const WHOLE: u64 = 16 << 20;

/// An answer that is worth another attempt.
struct Broken {
    why: String,
    kind: ErrorKind,
}

/// Makes attempts until one succeeds, fails for good, or enough have been made.
///
/// The SDK tries a request again until its answer begins. An answer that breaks
/// off, stalls or is too short is tried again here.
async fn with_retries<T, F>(
    client: &Client,
    uri: &Uri,
    what: &str,
    bytes: u64,
    counter: &Counter,
    attempt: impl Fn() -> F,
) -> Result<T>
where
    F: Future<Output = Result<std::result::Result<T, Broken>>>,
{
    let deadline = client.deadline(bytes) * client.attempts;
    let mut pause = PAUSE;
    for made in 1.. {
        // Held for one attempt: who waits to try again lets others go first.
        let permit = client.requests.acquire().await;
        let outcome = tokio::time::timeout(deadline, attempt()).await;
        drop(permit);
        let broken = match outcome {
            Ok(Ok(Ok(whole))) => return Ok(whole),
            Ok(Err(error)) => return Err(error),
            Ok(Ok(Err(broken))) => broken,
            Err(_) => {
                Broken { why: format!("not done after {} s", deadline.as_secs()), kind: ErrorKind::TimedOut }
            }
        };
        if made >= client.attempts {
            let what = format!("{what}: {}, at the last of {made} attempts", broken.why);
            return Err(fault::failed(&what, uri, broken.kind, "Look at the network and run again"));
        }
        counter.retries.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    Err(Error::internal("attempts ran out").in_file(&uri.to_string().into()))
}

async fn part(
    client: &Client,
    uri: &Uri,
    etag: Option<&str>,
    range: &Range<u64>,
    counter: &Counter,
) -> Result<std::result::Result<Vec<u8>, Broken>> {
    counter.requests.fetch_add(1, Ordering::Relaxed);
    let request = client.s3.get_object().bucket(&uri.bucket).key(&uri.key);
    let request = request.range(format!("bytes={}-{}", range.start, range.end - 1));
    let sent = request.set_if_match(etag.map(str::to_owned)).send().await;
    let mut answer = match sent {
        Ok(answer) => answer,
        // 416: the object is shorter than it was when it was listed.
        Err(e) if matches!(fault::status(&e), Some(412 | 416)) => return Err(fault::replaced(uri)),
        Err(e) => return Err(fault::service_error("cannot read", uri, &e)),
    };
    if etag.is_some_and(|etag| answer.e_tag().is_some_and(|found| found != etag)) {
        return Err(fault::replaced(uri));
    }
    let place = format!("bytes {}-{}/", range.start, range.end - 1);
    if !answer.content_range().is_some_and(|found| found.starts_with(&place)) {
        let found = answer.content_range().unwrap_or("the whole object").to_owned();
        return Err(Error::unsupported(format!("the store answered with {found}"))
            .expected(format!("{place}..."))
            .advice("It does not serve ranges: look at AWS_ENDPOINT_URL")
            .in_file(&uri.to_string().into()));
    }
    Ok(body(client, &mut answer.body, range.end - range.start, counter).await)
}

/// The `wanted` bytes of a body.
async fn body(
    client: &Client,
    stream: &mut ByteStream,
    wanted: u64,
    counter: &Counter,
) -> std::result::Result<Vec<u8>, Broken> {
    let mut bytes = Vec::with_capacity(usize::try_from(wanted).unwrap_or_default());
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|e| {
            let stalled = DisplayErrorContext(&e).to_string().contains("throughput");
            let (why, kind) = if stalled {
                (format!("it stalled for {} s", client.patience.as_secs()), ErrorKind::TimedOut)
            } else {
                ("the connection broke off".to_owned(), ErrorKind::ConnectionReset)
            };
            Broken { why: format!("{why} after {} of {wanted} bytes", bytes.len()), kind }
        })?;
        counter.bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
        bytes.extend_from_slice(&piece);
        if bytes.len() as u64 > wanted {
            break;
        }
    }
    if bytes.len() as u64 == wanted {
        return Ok(bytes);
    }
    let why = format!("{} bytes came where {wanted} were asked for", bytes.len());
    Err(Broken { why, kind: ErrorKind::UnexpectedEof })
}
