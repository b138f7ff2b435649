//! The one client of the process.
//!
//! It is made when the first `s3://` is met: a run on local files starts no
//! runtime and reads no configuration. Connections are kept between requests, so
//! whatever speaks to S3 in this process speaks through it.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::StalledStreamProtectionConfig;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector};
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, mpsc};

use super::object::Fetch;
use crate::{Error, Result};

/// Requests under way at a time. S3 gives one connection some 90 MB/s; as many
/// as this fill any network card.
const REQUESTS: usize = 48;
/// What is fetched ahead of its readers, in all, in units of [`UNIT`]: 128 MiB.
const AHEAD: u32 = 128 << 10;
/// Threads that serve the connections.
const IO_THREADS: usize = 2;
/// Without a byte for so long, a request is tried again.
const PATIENCE: Duration = Duration::from_secs(15);
/// The variable that says otherwise, in seconds.
const PATIENCE_VARIABLE: &str = "ROLLSHARE_S3_TIMEOUT";
/// Where the AWS command line goes when nobody names a region.
const REGION: &str = "us-east-1";
/// What a permit of [`Client::ahead`] stands for.
const UNIT: u64 = 1 << 10;

/// The client and what it shares out.
pub struct Client {
    /// The SDK's client.
    pub s3: aws_sdk_s3::Client,
    /// One permit a request under way.
    pub requests: Semaphore,
    /// Permits of [`UNIT`] bytes for what is fetched ahead.
    pub ahead: Arc<Semaphore>,
    /// Attempts at a request, the first included.
    pub attempts: u32,
    /// How long a request may go without a byte.
    pub patience: Duration,
    /// What is to be fetched ahead, in order.
    pub queue: mpsc::UnboundedSender<Fetch>,
    runtime: Runtime,
}

/// The client, made by this call if it is the first in this process.
///
/// # Errors
/// `Io` when threads cannot be started, `Argument` for a timeout that is no number.
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
    // Made outside of the lock: a fork must not find it held for long.
    let made = Client::new()?;
    let mut slot = lock();
    if let Some((owner, client)) = &*slot
        && *owner == pid
    {
        return Ok(client.clone());
    }
    if let Some(parents) = slot.replace((pid, made.clone())) {
        // Its threads are in another process: waiting for them would never end.
        std::mem::forget(parents);
    }
    Ok(made)
}

impl Client {
    fn new() -> Result<Arc<Self>> {
        let patience = patience()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(IO_THREADS)
            .thread_name("rollshare-s3")
            .enable_all()
            .build()
            .map_err(|e| Error::io("cannot start threads", e))?;
        let shared = runtime.block_on(configuration(patience));
        let attempts = shared.retry_config().map_or(1, aws_config::retry::RetryConfig::max_attempts).max(1);
        let mut config = aws_sdk_s3::config::Builder::from(&shared);
        if shared.region().is_none() {
            config = config.region(Region::new(REGION));
        }
        if is_foreign(&shared) {
            config = config.force_path_style(true);
        }
        let (queue, fetches) = mpsc::unbounded_channel();
        let client = Arc::new(Client {
            s3: aws_sdk_s3::Client::from_conf(config.build()),
            requests: Semaphore::new(REQUESTS),
            ahead: Arc::new(Semaphore::new(AHEAD as usize)),
            attempts,
            patience,
            queue,
            runtime,
        });
        client.runtime.spawn(super::object::serve(Arc::downgrade(&client), fetches));
        Ok(client)
    }

    /// Waits for `work`, on a thread that is none of the client's.
    pub fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Starts `work` and goes on.
    pub fn start(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }

    /// The permits that `bytes` fetched ahead need: never more than there are.
    pub fn permits(bytes: u64) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(AHEAD)
    }

    /// How long one attempt at `bytes` may take in all: what trickles in is as bad
    /// as what does not come.
    pub fn deadline(&self, bytes: u64) -> Duration {
        self.patience * 2 + Duration::from_secs(bytes / SLOWEST)
    }
}

/// Bytes a second that are worth waiting for.
const SLOWEST: u64 = 128 << 10;

async fn configuration(patience: Duration) -> SdkConfig {
    // The SDK's own default client leaves the proxy variables to a TLS stack that
    // needs CMake; this one is the same with ring.
    let http = Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.tls_provider(Provider::Rustls(CryptoMode::Ring)).build()
    });
    let timeouts = TimeoutConfig::builder().connect_timeout(patience.min(CONNECT)).read_timeout(patience);
    let stalls = StalledStreamProtectionConfig::enabled()
        .upload_enabled(true)
        .download_enabled(true)
        .grace_period(patience);
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http)
        .timeout_config(timeouts.build())
        .stalled_stream_protection(stalls.build())
        .load()
        .await
}

/// The SDK's own.
const CONNECT: Duration = Duration::from_millis(3100);

/// Whether the endpoint is somebody else's: such stores know buckets by the path,
/// not by the host's name.
fn is_foreign(config: &SdkConfig) -> bool {
    let of_service = std::env::var("AWS_ENDPOINT_URL_S3").ok().filter(|url| !url.is_empty());
    let endpoint = of_service.as_deref().or(config.endpoint_url());
    endpoint.is_some_and(|url| {
        let host = url.split_once("://").map_or(url, |(_, rest)| rest);
        let host = host.split(['/', '?']).next().unwrap_or_default();
        let host = host.rsplit_once(':').map_or(host, |(name, _)| name);
        !host.ends_with(".amazonaws.com") && !host.ends_with(".amazonaws.com.cn")
    })
}

fn patience() -> Result<Duration> {
    let Ok(text) = std::env::var(PATIENCE_VARIABLE) else { return Ok(PATIENCE) };
    match text.parse() {
        Ok(seconds @ 1..=3600) => Ok(Duration::from_secs(seconds)),
        _ => Err(Error::argument(format!("{PATIENCE_VARIABLE} is '{text}'"))
            .expected("whole seconds from 1 to 3600")),
    }
}
