//! The S3 client of the process.
//!
//! The first `s3://` URI creates it: a run on local files starts no runtime and reads no AWS
//! configuration. Connections are kept alive between requests, so all S3 requests of the process go
//! through this client.

use std::future::Future;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::StalledStreamProtectionConfig;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector};
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, mpsc};

use super::Uri;
use super::object::Fetch;
use crate::error::{Location, Report};
use crate::{Error, Result};

/// Concurrent requests. S3 serves some 90 MB/s on one connection; this many saturate any network
/// card.
const MAX_REQUESTS: usize = 48;
/// Prefetched bytes of all objects together, in units of [`PERMIT_BYTES`]: 128 MiB.
const PREFETCH_PERMITS: u32 = 128 << 10;
/// Threads that serve the connections.
const IO_THREADS: usize = 2;
/// A request that receives no byte for this long is retried.
const TIMEOUT: Duration = Duration::from_secs(15);
/// The environment variable that overrides [`TIMEOUT`], in seconds.
const TIMEOUT_VARIABLE: &str = "ROLLSHARE_S3_TIMEOUT";
/// The region where none is configured, as for the AWS command line.
const DEFAULT_REGION: &str = "us-east-1";
/// Bytes of one permit of [`Client::prefetch_permits`].
const PERMIT_BYTES: u64 = 1 << 10;

/// The client and the limits that its users share.
pub struct Client {
    /// The SDK's client.
    pub s3: aws_sdk_s3::Client,
    /// One permit for each concurrent request.
    pub requests: Semaphore,
    /// Permits of [`PERMIT_BYTES`] bytes for prefetched blocks.
    pub prefetch_permits: Arc<Semaphore>,
    /// Attempts at a request, the first included.
    pub attempts: u32,
    /// How long a request may go without a byte.
    pub timeout: Duration,
    /// The prefetch queue.
    pub queue: mpsc::UnboundedSender<Fetch>,
    /// The last failure after all attempts to reach S3.
    unreachable: Mutex<Option<Unreachable>>,
    runtime: Runtime,
}

/// Why S3 could not be reached, and since when this is known.
struct Unreachable {
    since: Instant,
    kind: ErrorKind,
    /// The report of the error, without its place.
    report: Report,
}

/// Returns the client; creates it on the first call in this process.
///
/// # Errors
/// `Io` when threads cannot be started, `Argument` for a timeout that is not a number.
pub fn client() -> Result<Arc<Client>> {
    // A forked child has the memory of its parent and none of its threads.
    static CLIENT: Mutex<Option<(u32, Arc<Client>)>> = Mutex::new(None);
    let pid = std::process::id();
    let lock = || CLIENT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some((owner, client)) = &*lock()
        && *owner == pid
    {
        return Ok(client.clone());
    }
    // Created outside the lock: a fork must not copy a lock that is held.
    let created = Client::new()?;
    let mut current = lock();
    if let Some((owner, client)) = &*current
        && *owner == pid
    {
        return Ok(client.clone());
    }
    if let Some(inherited) = current.replace((pid, created.clone())) {
        // Its threads are in the parent process: dropping it would wait for them for ever.
        std::mem::forget(inherited);
    }
    Ok(created)
}

impl Client {
    fn new() -> Result<Arc<Self>> {
        let timeout = timeout()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(IO_THREADS)
            .thread_name("rollshare-s3")
            .enable_all()
            .build()
            .map_err(|e| Error::io("cannot start threads", e))?;
        let shared = runtime.block_on(load_config(timeout));
        let attempts = shared.retry_config().map_or(1, aws_config::retry::RetryConfig::max_attempts).max(1);
        let mut config = aws_sdk_s3::config::Builder::from(&shared);
        if shared.region().is_none() {
            config = config.region(Region::new(DEFAULT_REGION));
        }
        if is_custom_endpoint(&shared) {
            config = config.force_path_style(true);
        }
        let (queue, fetches) = mpsc::unbounded_channel();
        let client = Arc::new(Client {
            s3: aws_sdk_s3::Client::from_conf(config.build()),
            requests: Semaphore::new(MAX_REQUESTS),
            prefetch_permits: Arc::new(Semaphore::new(PREFETCH_PERMITS as usize)),
            attempts,
            timeout,
            queue,
            unreachable: Mutex::new(None),
            runtime,
        });
        client.runtime.spawn(super::object::run_prefetch_queue(Arc::downgrade(&client), fetches));
        Ok(client)
    }

    /// Runs `work` to its end. The calling thread must not be one of the client's.
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Starts `work` and returns immediately.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }

    /// Notes that a request failed for good if that says that S3 cannot be reached. Other requests fail at once then, for
    /// as long as a request may go without a byte: each of thousands would go through all its attempts otherwise.
    pub fn note_failure(&self, error: &Error) {
        let Error::Io { report, source } = error else { return };
        if matches!(source.kind(), ErrorKind::TimedOut | ErrorKind::NotConnected) {
            let report = Report { location: Location::default(), ..(**report).clone() };
            let noted = Unreachable { since: Instant::now(), kind: source.kind(), report };
            *self.unreachable.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(noted);
        }
    }

    /// The error of a request for `uri` while S3 cannot be reached.
    ///
    /// # Errors
    /// As the request that found out.
    pub fn check_reachable(&self, uri: &Uri) -> Result<()> {
        let noted = self.unreachable.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match &*noted {
            Some(noted) if noted.since.elapsed() < self.timeout => {
                let report = Box::new(noted.report.clone());
                Err(Error::Io { report, source: noted.kind.into() }.in_file(&uri.to_string().into()))
            }
            _ => Ok(()),
        }
    }

    /// Permits that a prefetch of `bytes` bytes needs, at most all of them.
    pub fn permits(bytes: u64) -> u32 {
        u32::try_from(bytes.div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX).min(PREFETCH_PERMITS)
    }

    /// The time limit of one attempt at `bytes` bytes: a response that trickles in counts as stalled.
    pub fn deadline(&self, bytes: u64) -> Duration {
        self.timeout * 2 + Duration::from_secs(bytes / MIN_RATE)
    }
}

/// The lowest acceptable rate, in bytes a second.
const MIN_RATE: u64 = 128 << 10;

async fn load_config(timeout: Duration) -> SdkConfig {
    // The SDK's default client reads the proxy variables only with a TLS stack that needs CMake;
    // this one is the same with ring.
    let http = Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.tls_provider(Provider::Rustls(CryptoMode::Ring)).build()
    });
    let timeouts =
        TimeoutConfig::builder().connect_timeout(timeout.min(CONNECT_TIMEOUT)).read_timeout(timeout);
    let stalls = StalledStreamProtectionConfig::enabled()
        .upload_enabled(true)
        .download_enabled(true)
        .grace_period(timeout);
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http)
        .timeout_config(timeouts.build())
        .stalled_stream_protection(stalls.build())
        .load()
        .await
}

/// The default of the SDK.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(3100);

/// Whether the endpoint is not AWS: other stores address buckets by path, not by host name.
fn is_custom_endpoint(config: &SdkConfig) -> bool {
    let service_endpoint = std::env::var("AWS_ENDPOINT_URL_S3").ok().filter(|url| !url.is_empty());
    let endpoint = service_endpoint.as_deref().or(config.endpoint_url());
    endpoint.is_some_and(|url| {
        let host = url.split_once("://").map_or(url, |(_, rest)| rest);
        let host = host.split(['/', '?']).next().unwrap_or_default();
        let host = host.rsplit_once(':').map_or(host, |(name, _)| name);
        !host.ends_with(".amazonaws.com") && !host.ends_with(".amazonaws.com.cn")
    })
}

fn timeout() -> Result<Duration> {
    let Ok(text) = std::env::var(TIMEOUT_VARIABLE) else { return Ok(TIMEOUT) };
    match text.parse() {
        Ok(seconds @ 1..=3600) => Ok(Duration::from_secs(seconds)),
        _ => Err(Error::argument(format!("{TIMEOUT_VARIABLE} is '{text}'"))
            .expected("whole seconds from 1 to 3600")),
    }
}
