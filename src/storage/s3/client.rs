//! The S3 client of the process.
//!
//! The first `s3://` URI creates it: a run on local files starts no runtime and reads no AWS
//! configuration. Connections are kept alive between requests, so all S3 requests of the process go
//! through this client.

use std::ffi::OsString;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents, StalledStreamProtectionConfig};
use aws_sdk_s3::error::BoxError;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::AbortHandle;

use super::Uri;
use super::object::Fetch;
use super::waits::{Action, Waits};
use crate::storage::cancel::{Cancel, POLL};
use crate::{Error, Result};

/// Concurrent requests. S3 serves some 90 MB/s on one connection; this many saturate any network
/// card.
const MAX_REQUESTS: usize = 48;
/// Prefetched bytes of all objects together, in units of [`PERMIT_BYTES`]: 128 MiB.
const PREFETCH_PERMITS: u32 = 128 << 10;
/// How long a thread that looks up names waits for the next one.
const LOOKUP_KEEP_ALIVE: Duration = Duration::from_secs(3600);
/// A request that receives no byte for this long is retried.
const TIMEOUT: Duration = Duration::from_secs(15);
/// The environment variable that overrides [`TIMEOUT`], in seconds.
const TIMEOUT_VARIABLE: &str = "ROLLSHARE_S3_TIMEOUT";
/// The run ends if no request receives a byte for this long, or for this many timeouts where that is more.
const STALL_LIMIT: Duration = Duration::from_secs(60);
const STALL_TIMEOUTS: u32 = 4;
/// The environment variable that overrides [`STALL_LIMIT`], in seconds.
pub const STALL_VARIABLE: &str = "ROLLSHARE_S3_STALL_LIMIT";
/// How long a cancelled call may take to remove a staged object or an upload.
const CLEAN_UP: Duration = Duration::from_millis(250);
/// How long a call may take for that after S3 could not be reached.
const CLEAN_UP_UNREACHABLE: Duration = Duration::from_secs(1);
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
    /// The requests in flight, and whether S3 can be reached.
    pub waits: Arc<Waits>,
    threads: IoThreads,
}

/// Returns the client; creates it on the first call in this process.
///
/// # Errors
/// `Io` when threads cannot be started, `Argument` for a timeout that is not a number, and for a variable of the
/// environment, a region or a key that no client can use, `Interrupted` when the call is cancelled.
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
        let timeout = seconds(TIMEOUT_VARIABLE, TIMEOUT)?;
        let stall_limit = seconds(STALL_VARIABLE, STALL_LIMIT.max(timeout * STALL_TIMEOUTS))?;
        check_variables(std::env::vars_os())?;
        check_credentials()?;
        let threads = IoThreads::start()?;
        let shared = threads.next().block_on(unless_cancelled(async { Ok(load_config(timeout).await) }))?;
        let attempts = shared.retry_config().map_or(1, aws_config::retry::RetryConfig::max_attempts).max(1);
        let mut config = aws_sdk_s3::config::Builder::from(&shared);
        match shared.region().map(Region::as_ref) {
            None => config = config.region(Region::new(DEFAULT_REGION)),
            // The SDK panics where it cannot write the region into a header.
            Some(region) if !region.bytes().all(|b| b.is_ascii_graphic()) => {
                return Err(Error::argument(format!("the AWS region is '{}'", region.escape_debug()))
                    .expected("a name such as eu-west-1")
                    .advice("Check AWS_REGION and the AWS profile"));
            }
            Some(_) => {}
        }
        let endpoint = custom_endpoint(&shared);
        if endpoint.is_some() {
            config = config.force_path_style(true);
        }
        let waits = Arc::new(Waits::new(stall_limit, timeout, endpoint));
        config = config.interceptor(NoteResponse(waits.clone()));
        let (queue, fetches) = mpsc::unbounded_channel();
        let client = Arc::new(Client {
            s3: aws_sdk_s3::Client::from_conf(config.build()),
            requests: Semaphore::new(MAX_REQUESTS),
            prefetch_permits: Arc::new(Semaphore::new(PREFETCH_PERMITS as usize)),
            attempts,
            timeout,
            queue,
            waits: waits.clone(),
            threads,
        });
        client.threads.next().spawn(waits.watch());
        client.threads.next().spawn(super::object::run_prefetch_queue(Arc::downgrade(&client), fetches));
        Ok(client)
    }

    /// Runs `work` to its end, or until the call is cancelled. The calling thread must not be one of the client's.
    ///
    /// # Errors
    /// As `work`; `Interrupted` when the call is cancelled.
    pub fn block_on<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.threads.next().block_on(unless_cancelled(Box::pin(work)))
    }

    /// Runs `work`, which removes what a failed or cancelled call has left in the bucket, even if S3 could not be
    /// reached before. It has little time then, and in a cancelled call.
    pub fn clean_up<T>(&self, work: impl Future<Output = T>) {
        let limit = if self.waits.is_reachable() { self.waits.stall_limit() } else { CLEAN_UP_UNREACHABLE };
        let expired = async {
            if tokio::time::timeout(limit, cancelled(&Cancel::current())).await.is_ok() {
                tokio::time::sleep(CLEAN_UP).await;
            }
        };
        let work = Box::pin(work);
        // A failure is ignored: the caller reports what went wrong before.
        self.threads.next().block_on(first(async { drop(work.await) }, expired));
    }

    /// Starts `work` and returns immediately.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        self.threads.next().spawn(work).abort_handle()
    }

    /// Runs `work`, a request for `uri` with all its attempts. It is boxed: a request of the SDK is some 20 KB, which
    /// every future around it would contain.
    ///
    /// If it fails because S3 cannot be reached, other requests fail at once for a while: each of thousands would go
    /// through all its attempts otherwise. For the same reason all requests end when S3 has sent nothing for the stall
    /// limit.
    ///
    /// # Errors
    /// As `work`; as the request that found that S3 cannot be reached.
    pub async fn request<T>(
        &self,
        action: Action,
        uri: &Uri,
        work: Pin<Box<impl Future<Output = Result<T>>>>,
    ) -> Result<T> {
        self.waits.check_reachable(uri)?;
        let mut in_flight = self.waits.begin(action, uri);
        let gave_up = self.waits.gave_up.notified();
        let ended = async {
            gave_up.await;
            None
        };
        let Some(result) = first(async { Some(work.await) }, ended).await else {
            self.waits.check_reachable(uri)?;
            return Err(Error::internal("the request was ended").in_file(&uri.to_string().into()));
        };
        match &result {
            Err(error) if self.waits.note_failure(error) => {}
            _ => in_flight.answered(),
        }
        result
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

/// Runs `work`, or ends it when the call of this thread is cancelled.
async fn unless_cancelled<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let cancel = Cancel::current();
    cancel.check()?;
    let interrupted = async {
        cancelled(&cancel).await;
        Err(Error::Interrupted)
    };
    first(work, interrupted).await
}

/// Returns when the call is cancelled.
async fn cancelled(cancel: &Cancel) {
    while !cancel.is_cancelled() {
        tokio::time::sleep(POLL).await;
    }
}

/// The output of the future that ends first; of `a` if both have ended.
async fn first<T>(a: impl Future<Output = T>, b: impl Future<Output = T>) -> T {
    let (mut a, mut b) = (pin!(a), pin!(b));
    poll_fn(|context| match a.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(output),
        Poll::Pending => b.as_mut().poll(context),
    })
    .await
}

/// The two threads that serve the connections. They end when this is dropped.
///
/// Each drives a runtime of its own: tokio's runtime of many threads panics or waits for ever where the system refuses
/// one of them.
struct IoThreads {
    runtimes: [(Handle, oneshot::Sender<()>); 2],
    turn: AtomicBool,
}

impl IoThreads {
    fn start() -> Result<Self> {
        let refused = |e: std::io::Error| {
            Error::io("cannot start the threads of the S3 client", e)
                .advice("Raise the limits of threads and memory (ulimit -u, ulimit -v)")
        };
        let start = || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let runtime = builder.enable_all().thread_keep_alive(LOOKUP_KEEP_ALIVE).build()?;
            let handle = runtime.handle().clone();
            let (sender, stop) = oneshot::channel();
            let thread = std::thread::Builder::new().name("rollshare-s3".into());
            thread.spawn(move || drop(runtime.block_on(stop)))?;
            // Names are looked up on further threads. While one exists, tokio queues what the system refuses a thread.
            catch_unwind(AssertUnwindSafe(|| drop(handle.spawn_blocking(|| {}))))
                .map_err(|_| std::io::ErrorKind::WouldBlock)?;
            Ok((handle, sender))
        };
        let runtimes = [start().map_err(refused)?, start().map_err(refused)?];
        Ok(IoThreads { runtimes, turn: AtomicBool::new(false) })
    }

    /// The runtime for the next piece of work, in turn.
    fn next(&self) -> &Handle {
        let [(even, _), (odd, _)] = &self.runtimes;
        if self.turn.fetch_not(Ordering::Relaxed) { odd } else { even }
    }
}

/// Notes every response of S3, also one that is retried.
#[derive(Debug)]
struct NoteResponse(Arc<Waits>);

impl Intercept for NoteResponse {
    fn name(&self) -> &'static str {
        "NoteResponse"
    }

    fn read_after_transmit(
        &self,
        _: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> std::result::Result<(), BoxError> {
        self.0.received();
        Ok(())
    }
}

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

/// The endpoint, if it is not AWS: other stores address buckets by path, not by host name.
fn custom_endpoint(config: &SdkConfig) -> Option<String> {
    let service_endpoint = std::env::var("AWS_ENDPOINT_URL_S3").ok().filter(|url| !url.is_empty());
    let endpoint = service_endpoint.as_deref().or(config.endpoint_url())?;
    let host = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let host = host.split(['/', '?']).next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let is_aws = host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn");
    (!is_aws).then(|| endpoint.to_owned())
}

/// Fails for a variable that configures the SDK and has a control character in it, on which its HTTP client panics. The
/// value may be a secret.
fn check_variables(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<()> {
    let is_control = |(name, value): &(OsString, OsString)| {
        name.to_string_lossy().starts_with("AWS_") && value.to_string_lossy().contains(char::is_control)
    };
    // The order of the environment is arbitrary.
    match variables.filter(is_control).map(|(name, _)| name).min() {
        Some(name) => {
            let found = format!("a control character in the environment variable {}", name.to_string_lossy());
            Err(Error::argument(found).expected("a value of one line, without control characters"))
        }
        None => Ok(()),
    }
}

/// Fails for credentials of the environment that fit in no header, as with the line feed of a file: the SDK panics.
fn check_credentials() -> Result<()> {
    for variable in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
        if std::env::var(variable).is_ok_and(|value| !value.bytes().all(|b| b.is_ascii_graphic())) {
            return Err(Error::argument(format!("{variable} has a character that no key has"))
                .expected("a key without blanks and line feeds"));
        }
    }
    Ok(())
}

/// The seconds that an environment variable gives.
fn seconds(variable: &str, default: Duration) -> Result<Duration> {
    let Ok(text) = std::env::var(variable) else { return Ok(default) };
    match text.parse() {
        Ok(seconds @ 1..=3600) => Ok(Duration::from_secs(seconds)),
        _ => Err(Error::argument(format!("{variable} is '{}'", text.escape_debug()))
            .expected("whole seconds from 1 to 3600")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_with_a_control_character_is_a_usage_error() {
        let check = |name: &str, value: &str| check_variables([(name.into(), value.into())].into_iter());
        for (name, value) in
            [("AWS_REGION", "eu\nx"), ("AWS_ENDPOINT_URL", "http://x\u{1b}"), ("AWS_PROFILE", "\u{9b}")]
        {
            let error = check(name, value).unwrap_err();
            assert!(error.exit_code() == 2 && error.to_string().contains(name), "{error}");
            assert!(!error.to_string().contains(value.trim()), "{error}");
        }
        assert!(check("AWS_REGION", "eu-west-1").is_ok() && check("HOME", "a\nb").is_ok());
    }
}
