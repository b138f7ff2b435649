//! What a call waits for, for the user.

use std::sync::{Mutex, PoisonError};

/// A remote store has sent nothing for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The URI of the oldest request.
    pub place: String,
    /// What the request is for: "listing".
    pub doing: &'static str,
    /// Requests in flight.
    pub requests: usize,
    /// Seconds since the last byte.
    pub seconds: u64,
}

/// Receives what is waited for, about once a second, and `None` when bytes arrive again.
pub type Reporter = Box<dyn Fn(Option<&Waiting>) + Send>;

static REPORTER: Mutex<Option<Reporter>> = Mutex::new(None);

/// Sets the reporter of the process, or removes it.
pub fn set_reporter(reporter: Option<Reporter>) {
    *REPORTER.lock().unwrap_or_else(PoisonError::into_inner) = reporter;
}

/// Calls the reporter, if there is one.
#[cfg(feature = "s3")]
pub fn report(waiting: Option<&Waiting>) {
    if let Some(reporter) = &*REPORTER.lock().unwrap_or_else(PoisonError::into_inner) {
        reporter(waiting);
    }
}
