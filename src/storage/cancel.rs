//! Cancellation of calls that wait for a remote store.
//!
//! A thread that waits for a server checks no progress callback. So the flag of a call is found by the thread: the
//! caller enters a [`Cancel`] on the thread that makes the call, and thread pools that are started there pass it on to
//! their threads. Objects keep the flag of the thread that opened them. A thread without a flag has that of the
//! process, which the program sets when it receives a signal.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::{Error, Result};

/// The interval at which a waiting thread looks at its flag.
pub const POLL: Duration = Duration::from_millis(50);

/// The flag of one call, or of the process.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

thread_local! {
    static CURRENT: RefCell<Option<Cancel>> = const { RefCell::new(None) };
}

impl Cancel {
    /// The flag of the process.
    pub fn process() -> Self {
        static PROCESS: OnceLock<Cancel> = OnceLock::new();
        PROCESS.get_or_init(Cancel::default).clone()
    }

    /// The flag of this thread.
    pub fn current() -> Self {
        CURRENT.with_borrow(Clone::clone).unwrap_or_else(Self::process)
    }

    /// Makes this the flag of the thread, until another is entered.
    pub fn enter(&self) {
        CURRENT.set(Some(self.clone()));
    }

    /// Cancels the call.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the call is cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Fails if the call is cancelled.
    ///
    /// # Errors
    /// `Interrupted`.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::Interrupted) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_have_the_flag_that_they_entered() {
        let call = Cancel::default();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                call.enter();
                assert!(Cancel::current().check().is_ok());
                call.cancel();
                assert!(matches!(Cancel::current().check(), Err(Error::Interrupted)));
            });
        });
        // Another call, and the process, go on.
        assert!(Cancel::current().check().is_ok());
    }
}
