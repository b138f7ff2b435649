//! A progress bar on stderr, for scans that a person waits for.

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::scan::Progress;

/// A bar that flashes by for a moment only distracts.
const PATIENCE: Duration = Duration::from_millis(300);

/// A bar that appears once the work has taken a while.
pub struct Bar {
    started: Instant,
    bar: ProgressBar,
    shown: OnceLock<()>,
    wanted: bool,
}

impl Bar {
    /// `wanted`: unless stderr is no terminal.
    pub fn new(wanted: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let style =
            ProgressStyle::with_template("{bar:40} {binary_bytes} of {binary_total_bytes}, {eta} left");
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
    fn total(&self, bytes: u64) {
        self.bar.set_length(bytes);
    }

    fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
        if self.wanted && self.started.elapsed() > PATIENCE {
            self.shown.get_or_init(|| self.bar.set_draw_target(ProgressDrawTarget::stderr()));
        }
    }
}
