//! Runs work without the GIL.
//!
//! Small work runs on the calling thread. Other work runs on a new thread, while the
//! calling thread polls Python for signals: a handler, such as that of Ctrl-C, runs
//! there and may raise. Thread pools live as long as a call, because a process may
//! fork between calls.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use pyo3::prelude::*;

use super::errors::raise;
use crate::scan::{NoProgress, Progress};
use crate::storage::Cancel;
use crate::{Error, Result};

/// The interval between two polls for signals: a fifth of what a person notices.
const POLL: Duration = Duration::from_millis(20);
/// The most threads that can be requested.
const THREADS_MAX: usize = 1024;

/// The flag of a call, as progress: computing threads look at it, and those that wait for S3.
struct Call(Cancel);

impl Progress for Call {
    fn interrupted(&self) -> bool {
        self.0.is_cancelled()
    }
}

/// The number of threads: `requested`, or else the value of `ROLLSHARE_THREADS`, or `None`.
///
/// # Errors
/// `Argument` where the number is not from 1 to [`THREADS_MAX`].
pub fn threads(requested: Option<usize>) -> Result<Option<usize>> {
    let bad = |what: String| {
        Err(Error::argument(what).expected(format!("a number of threads from 1 to {THREADS_MAX}")))
    };
    match requested {
        Some(n) if (1..=THREADS_MAX).contains(&n) => Ok(Some(n)),
        Some(n) => bad(format!("threads={n}")),
        None => match std::env::var("ROLLSHARE_THREADS") {
            Err(_) => Ok(None),
            Ok(text) => match text.parse() {
                Ok(n) if (1..=THREADS_MAX).contains(&n) => Ok(Some(n)),
                _ => bad(format!("ROLLSHARE_THREADS is '{text}'")),
            },
        },
    }
}

/// Runs `work` on the calling thread.
pub fn small<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    py.detach(|| guarded(work)).map_err(|e| raise(py, e))
}

/// Runs `work` on another thread, and cancels it when a signal handler raises.
pub fn large<T: Send>(
    py: Python<'_>,
    requested: Option<usize>,
    work: impl FnOnce(Option<usize>, &dyn Progress) -> Result<T> + Send,
) -> PyResult<T> {
    let threads = threads(requested).map_err(|e| raise(py, e))?;
    let call = Call(Cancel::default());
    let mut raised = None;
    let outcome = py.detach(|| {
        std::thread::scope(|scope| {
            let (done, wait) = channel();
            let call = &call;
            let started =
                std::thread::Builder::new().name("rollshare".into()).spawn_scoped(scope, move || {
                    call.0.enter();
                    // The receiver lives until this thread ends, so sending cannot fail.
                    let _ = done.send(guarded(|| work(threads, call)));
                });
            if let Err(e) = started {
                return Err(Error::io("cannot start a thread", std::io::Error::other(e)));
            }
            loop {
                match wait.recv_timeout(POLL) {
                    Ok(outcome) => return outcome,
                    Err(RecvTimeoutError::Disconnected) => {
                        return Err(Error::internal("the worker thread ended without a result"));
                    }
                    Err(RecvTimeoutError::Timeout) if raised.is_none() => {
                        if let Err(error) = Python::attach(|py| py.check_signals()) {
                            raised = Some(error);
                            call.0.cancel();
                        }
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                }
            }
        })
    });
    match raised {
        Some(error) => Err(error),
        None => outcome.map_err(|e| raise(py, e)),
    }
}

/// Progress for work too short to interrupt.
pub const UNINTERRUPTED: &dyn Progress = &NoProgress;

/// Converts a panic, which is a bug in this crate, into an error.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or_default();
        Err(Error::internal(message.replace('\n', " "))
            .advice("This is a bug: please report it with the data"))
    })
}
