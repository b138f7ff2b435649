//! Requests in flight, and how long S3 has sent nothing.
//!
//! A server that stops answering would cost each object all of its attempts. So one clock runs for all requests
//! together: while requests are in flight and nothing arrives, [`Waits::quiet`] grows. The client reports it to the
//! user after [`SHOWN_AFTER`], and ends all requests when it reaches the stall limit.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::Uri;
use super::client::STALL_VARIABLE;
use crate::error::{Location, Report};
use crate::storage::waiting::{self, Waiting};
use crate::{Error, Result};

/// Waits are shown to the user after this time.
pub const SHOWN_AFTER: Duration = Duration::from_secs(3);
/// The interval at which the clock is read.
const TICK: Duration = Duration::from_millis(200);
/// For this long at least, requests fail at once after one that found that S3 cannot be reached.
const UNREACHABLE: Duration = Duration::from_secs(10);
/// A request that begins this soon after one that failed belongs to the same wait.
const SAME_WAIT: Duration = Duration::from_secs(1);

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A listing of keys.
    List,
    /// The tail of an object, with its footer.
    ReadFooter,
    /// Ranges of an object.
    ReadColumns,
    /// A whole object or its metadata.
    ReadObject,
    /// An upload.
    Write,
    /// A removal.
    Remove,
}

impl Action {
    /// The action as a participle, for messages.
    pub fn doing(self) -> &'static str {
        match self {
            Action::List => "listing",
            Action::ReadFooter => "reading footers",
            Action::ReadColumns => "reading columns",
            Action::ReadObject => "reading",
            Action::Write => "publishing",
            Action::Remove => "removing",
        }
    }
}

/// The requests in flight, and whether S3 can be reached.
#[derive(Debug)]
pub struct Waits {
    inner: Mutex<Inner>,
    stall_limit: Duration,
    /// How long requests fail at once.
    unreachable_for: Duration,
    /// The endpoint, for messages, if it is not AWS.
    endpoint: Option<String>,
    /// Signalled when the first request begins.
    begun: Notify,
    /// Signalled when all requests have to end.
    pub gave_up: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    in_flight: BTreeMap<u64, (Action, Uri)>,
    /// Since when nothing has arrived.
    quiet_since: Option<Instant>,
    /// When the last request ended without a response.
    failed: Option<Instant>,
    /// The last failure after all attempts to reach S3.
    unreachable: Option<Unreachable>,
}

/// Why S3 could not be reached, and since when this is known.
#[derive(Debug)]
struct Unreachable {
    since: Instant,
    kind: ErrorKind,
    /// The report of the error, without its place.
    report: Report,
}

/// A request in flight; it ends when this is dropped.
pub struct InFlight<'w> {
    waits: &'w Waits,
    id: u64,
    answered: bool,
}

impl Waits {
    /// No request is in flight. `timeout` is that of one attempt at a request.
    pub fn new(stall_limit: Duration, timeout: Duration, endpoint: Option<String>) -> Self {
        Waits {
            inner: Mutex::default(),
            stall_limit,
            unreachable_for: timeout.max(UNREACHABLE),
            endpoint,
            begun: Notify::new(),
            gave_up: Notify::new(),
        }
    }

    /// The longest time without a byte.
    pub fn stall_limit(&self) -> Duration {
        self.stall_limit
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a request for `uri`.
    pub fn begin(&self, action: Action, uri: &Uri) -> InFlight<'_> {
        let mut inner = self.lock();
        let now = Instant::now();
        if inner.in_flight.is_empty() {
            let follows_failure = inner.failed.is_some_and(|at| now - at < SAME_WAIT);
            if !follows_failure || inner.quiet_since.is_none() {
                inner.quiet_since = Some(now);
            }
            self.begun.notify_one();
        }
        let id = inner.next;
        inner.next += 1;
        inner.in_flight.insert(id, (action, uri.clone()));
        InFlight { waits: self, id, answered: false }
    }

    /// Notes that bytes have arrived.
    pub fn received(&self) {
        self.lock().quiet_since = Some(Instant::now());
    }

    /// The requests in flight, and how long nothing has arrived; `None` without a request.
    pub fn quiet(&self) -> Option<(Duration, Waiting)> {
        let inner = self.lock();
        let (action, uri) = inner.in_flight.values().next()?;
        let quiet = inner.quiet_since?.elapsed();
        let waiting = Waiting {
            place: uri.to_string(),
            doing: action.doing(),
            requests: inner.in_flight.len(),
            seconds: quiet.as_secs(),
        };
        Some((quiet, waiting))
    }

    /// Notes that a request failed for good, if that says that S3 cannot be reached; returns whether it does.
    pub fn note_failure(&self, error: &Error) -> bool {
        let Error::Io { report, source } = error else { return false };
        if !matches!(source.kind(), ErrorKind::TimedOut | ErrorKind::NotConnected) {
            return false;
        }
        let report = Report { location: Location::default(), ..(**report).clone() };
        self.lock().unreachable = Some(Unreachable { since: Instant::now(), kind: source.kind(), report });
        true
    }

    /// The error of a request for `uri` while S3 cannot be reached.
    ///
    /// # Errors
    /// As the request that found out.
    pub fn check_reachable(&self, uri: &Uri) -> Result<()> {
        match &self.lock().unreachable {
            Some(noted) if noted.since.elapsed() < self.unreachable_for => {
                let report = Box::new(noted.report.clone());
                Err(Error::Io { report, source: noted.kind.into() }.in_file(&uri.to_string().into()))
            }
            _ => Ok(()),
        }
    }

    /// Whether no request has found that S3 cannot be reached.
    pub fn is_reachable(&self) -> bool {
        self.lock().unreachable.as_ref().is_none_or(|noted| noted.since.elapsed() >= self.unreachable_for)
    }

    /// Reports waits to the user, and ends all requests at the stall limit. Runs as long as the client.
    pub async fn watch(self: Arc<Self>) {
        loop {
            self.begun.notified().await;
            let mut is_shown = false;
            while let Some((quiet, waiting)) = self.quiet() {
                if quiet >= self.stall_limit {
                    self.give_up(&waiting);
                } else if quiet >= SHOWN_AFTER {
                    waiting::report(Some(&waiting));
                    is_shown = true;
                } else if std::mem::take(&mut is_shown) {
                    waiting::report(None);
                }
                tokio::time::sleep(TICK).await;
            }
            if is_shown {
                waiting::report(None);
            }
        }
    }

    /// Ends all requests with one error.
    fn give_up(&self, waiting: &Waiting) {
        let limit = self.stall_limit.as_secs();
        let Waiting { place, doing, requests, .. } = waiting;
        let others = if *requests > 1 { format!(" and {} more", requests - 1) } else { String::new() };
        let endpoint = self.endpoint.as_ref().map(|url| format!(" at {url}")).unwrap_or_default();
        let found = format!("S3{endpoint} sent nothing for {limit} s: {doing}, waiting for {place}{others}");
        let advice =
            format!("Check the network and the server, or wait longer with {STALL_VARIABLE} (seconds)");
        let report = Report { found, advice: advice.into(), ..Report::default() };
        let now = Instant::now();
        let mut inner = self.lock();
        inner.unreachable = Some(Unreachable { since: now, kind: ErrorKind::TimedOut, report });
        inner.quiet_since = Some(now);
        drop(inner);
        self.gave_up.notify_waiters();
    }
}

impl InFlight<'_> {
    /// The request has ended with a response, whatever it says.
    pub fn answered(&mut self) {
        self.answered = true;
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let mut inner = self.waits.lock();
        inner.in_flight.remove(&self.id);
        inner.failed = if self.answered { None } else { Some(Instant::now()) };
        if self.answered {
            inner.quiet_since = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_clock_runs_over_all_requests_and_stops_with_them() {
        let waits = Waits::new(Duration::from_secs(60), Duration::from_secs(15), None);
        let uri = |key: &str| Uri::parse(&format!("s3://b/{key}")).unwrap();
        let pause = || std::thread::sleep(Duration::from_millis(20));
        let quiet = || waits.quiet().map(|(quiet, _)| quiet);
        assert!(quiet().is_none());

        let first = waits.begin(Action::List, &uri("first"));
        pause();
        let second = waits.begin(Action::ReadFooter, &uri("second"));
        // The second request does not restart the clock, and the oldest one is named.
        let (time, waiting) = waits.quiet().unwrap();
        assert!(time >= Duration::from_millis(20), "{time:?}");
        assert_eq!((&*waiting.place, waiting.doing, waiting.requests), ("s3://b/first", "listing", 2));
        // Nor does one that fails, or the next one after it.
        drop(first);
        assert!(quiet().unwrap() >= Duration::from_millis(20));
        drop(second);
        assert!(quiet().is_none());
        let mut third = waits.begin(Action::Write, &uri("third"));
        assert!(quiet().unwrap() >= Duration::from_millis(20));
        waits.received();
        assert!(quiet().unwrap() < Duration::from_millis(20));
        // After a response the clock starts with the next request.
        third.answered();
        drop(third);
        pause();
        let _fourth = waits.begin(Action::Write, &uri("fourth"));
        assert!(quiet().unwrap() < Duration::from_millis(20));
    }
}
