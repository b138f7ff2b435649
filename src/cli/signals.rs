//! Signals end the program: SIGINT (Ctrl-C) with exit code 130, SIGTERM with 143.
//!
//! The first signal cancels the work: threads that wait for S3 return, temporary files and staged objects are removed,
//! and the program ends by its error. If that takes longer than `GRACE`, or at a second signal, it ends as if killed:
//! a target is complete at every moment, and the next run removes what is left.

#[cfg(unix)]
pub use unix::{exit_code, handle};

#[cfg(unix)]
mod unix {
    use std::io::Write;
    use std::sync::atomic::{AtomicI32, Ordering};
    use std::time::{Duration, Instant};

    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level::exit;

    use crate::storage::Cancel;

    /// How long the program may take to end by itself.
    const GRACE: Duration = Duration::from_millis(750);
    /// The interval at which a second signal is noticed.
    const POLL: Duration = Duration::from_millis(20);
    /// Shells add this to the number of a signal.
    const SIGNALLED: i32 = 128;

    static RECEIVED: AtomicI32 = AtomicI32::new(0);

    /// Handles signals from now on. Without a thread for it, signals end the process as they do by default.
    pub fn handle() {
        let _ = std::thread::Builder::new().name("rollshare-signals".into()).spawn(wait);
    }

    /// The exit code of the signal that was received, if there was one.
    pub fn exit_code() -> Option<u8> {
        let signal = RECEIVED.load(Ordering::Relaxed);
        u8::try_from(SIGNALLED + signal).ok().filter(|_| signal != 0)
    }

    fn wait() {
        let Ok(mut signals) = Signals::new([SIGINT, SIGTERM]) else { return };
        let Some(signal) = signals.forever().next() else { return };
        RECEIVED.store(signal, Ordering::Relaxed);
        Cancel::process().cancel();
        let received = Instant::now();
        while received.elapsed() < GRACE && signals.pending().next().is_none() {
            std::thread::sleep(POLL);
        }
        let _ = std::io::stderr().write_all(b"error: interrupted\n");
        exit(SIGNALLED + signal);
    }
}

/// Elsewhere the system ends the process.
#[cfg(not(unix))]
pub fn handle() {}

/// No signal is handled.
#[cfg(not(unix))]
pub fn exit_code() -> Option<u8> {
    None
}
