//! A progress bar on stderr for long scans.

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::scan::{Phase, Progress};

/// The bar appears after this time, so that it does not flash up for short scans.
const DELAY: Duration = Duration::from_millis(300);

/// A progress bar that appears after a delay.
pub struct Bar {
    started: Instant,
    bar: ProgressBar,
    shown: OnceLock<()>,
    wanted: bool,
}

impl Bar {
    /// A bar that is shown if `wanted` and if stderr is a terminal.
    pub fn new(wanted: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template(
            "{msg:8} {bar:40} {binary_bytes} of {binary_total_bytes}, {eta} left",
        );
        if let Ok(style) = style {
            bar.set_style(style);
        }
        let wanted = wanted && std::io::stderr().is_terminal();
        Bar { started: Instant::now(), bar, shown: OnceLock::new(), wanted }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Bar {
    fn begin(&self, phase: Phase, bytes: u64) {
        self.bar.set_message(match phase {
            Phase::Convert => "reading",
            Phase::Check => "checking",
            Phase::Sum => "summing",
            Phase::Write => "writing",
        });
        self.bar.set_length(bytes);
        self.bar.reset();
    }

    fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
        if self.wanted && self.started.elapsed() > DELAY {
            self.shown.get_or_init(|| self.bar.set_draw_target(ProgressDrawTarget::stderr()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_begins_at_zero() {
        let bar = Bar::new(false);
        let state = || (bar.bar.message(), bar.bar.position(), bar.bar.length());
        bar.begin(Phase::Check, 10);
        bar.advance(4);
        assert_eq!(state(), ("checking".to_owned(), 4, Some(10)));
        bar.advance(6);
        bar.begin(Phase::Sum, 7);
        assert_eq!(state(), ("summing".to_owned(), 0, Some(7)));
        bar.advance(7);
        assert_eq!(state(), ("summing".to_owned(), 7, Some(7)));
    }
}
