//! Progress reports and cancellation.

/// Progress callback: receives byte counts and may request cancellation.
///
/// The phases of a run follow one another: [`Self::begin`] is called once for each, before its first
/// [`Self::advance`].
pub trait Progress: Sync {
    /// A phase begins that has `bytes` compressed bytes to read or write.
    fn begin(&self, phase: Phase, bytes: u64) {
        let _ = (phase, bytes);
    }
    /// The phase has finished another `bytes` compressed bytes.
    fn advance(&self, bytes: u64) {
        let _ = bytes;
    }
    /// Whether the caller requests cancellation.
    fn interrupted(&self) -> bool {
        false
    }
}

/// A phase of a run that takes time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Text is converted.
    Convert,
    /// The rows are checked.
    Check,
    /// The rows are summed.
    Sum,
    /// A sample is written.
    Write,
}

/// Ignores all progress.
pub struct NoProgress;

impl Progress for NoProgress {}

/// Forwards everything but [`Progress::begin`]: the total was already reported for all files.
pub(crate) struct AdvanceOnly<'p>(pub(crate) &'p dyn Progress);

impl Progress for AdvanceOnly<'_> {
    fn advance(&self, bytes: u64) {
        self.0.advance(bytes);
    }

    fn interrupted(&self) -> bool {
        self.0.interrupted()
    }
}
