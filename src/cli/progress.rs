//! A progress bar on stderr for long scans, and what the program waits for when S3 sends nothing.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::scan::{Phase, Progress};
use crate::storage::Cancel;
use crate::storage::waiting::{Reporter, Waiting, set_reporter};

/// The bar appears after this time, so that it does not flash up for short scans.
const DELAY: Duration = Duration::from_millis(300);
/// The bar as it is drawn during a phase, and while S3 sends nothing.
const BYTES: &str = "{prefix:8} {bar:40} {binary_bytes} of {binary_total_bytes}, {eta} left";
const ROWS: &str = "{prefix:8} {bar:40} {human_pos} of {human_len} rows, {eta} left";
/// The name of the phase that counts rows.
const WRITING: &str = "writing";
const WAITING: &str = "{wide_msg}";
/// Without a terminal, the first line on a wait comes after this many seconds; each further one after twice as many.
const FIRST_LINE: u64 = 3;

/// A progress bar that appears after a delay.
pub struct Bar {
    started: Instant,
    bar: ProgressBar,
    shown: OnceLock<()>,
    wanted: bool,
}

impl Bar {
    /// A bar that is shown if `wanted` and if stderr is a terminal. If it is none, only waits are reported, as lines.
    pub fn new(wanted: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        set_style(&bar, BYTES);
        let terminal = std::io::stderr().is_terminal();
        if wanted {
            set_reporter(Some(if terminal { on_terminal(bar.clone()) } else { as_lines() }));
        }
        Bar { started: Instant::now(), bar, shown: OnceLock::new(), wanted: wanted && terminal }
    }
}

/// How the bar of a phase is drawn: what is written is counted in rows.
fn template(prefix: &str) -> &'static str {
    if prefix == WRITING { ROWS } else { BYTES }
}

fn set_style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

/// Shows what is waited for in place of the bar.
fn on_terminal(bar: ProgressBar) -> Reporter {
    Box::new(move |waiting| match waiting {
        Some(waiting) => {
            set_style(&bar, WAITING);
            bar.set_message(words(waiting));
            if bar.is_hidden() {
                bar.set_draw_target(ProgressDrawTarget::stderr());
            }
        }
        None => set_style(&bar, template(&bar.prefix())),
    })
}

/// Prints what is waited for, ever more seldom.
fn as_lines() -> Reporter {
    let next = Mutex::new(FIRST_LINE);
    Box::new(move |waiting| {
        let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting {
            Some(waiting) if waiting.seconds >= *next => {
                // A closed stderr is not an error.
                let _ = std::io::stderr().write_all(format!("{}\n", words(waiting)).as_bytes());
                *next = 2 * waiting.seconds.max(FIRST_LINE);
            }
            Some(_) => {}
            None => *next = FIRST_LINE,
        }
    })
}

/// A wait in words.
fn words(waiting: &Waiting) -> String {
    let Waiting { place, doing, requests, seconds } = waiting;
    let requests = if *requests > 1 { format!(", {requests} requests") } else { String::new() };
    format!("waiting for {}, {seconds} s ({doing}{requests})", place.escape_debug())
}

impl Drop for Bar {
    fn drop(&mut self) {
        set_reporter(None);
        self.bar.finish_and_clear();
    }
}

impl Progress for Bar {
    fn begin(&self, phase: Phase, bytes: u64) {
        self.bar.set_prefix(match phase {
            Phase::Convert => "reading",
            Phase::Check => "checking",
            Phase::Sum => "summing",
            Phase::Write => WRITING,
        });
        set_style(&self.bar, template(&self.bar.prefix()));
        self.bar.set_length(bytes);
        self.bar.reset();
    }

    fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
        if self.wanted && self.started.elapsed() > DELAY {
            self.shown.get_or_init(|| self.bar.set_draw_target(ProgressDrawTarget::stderr()));
        }
    }

    fn interrupted(&self) -> bool {
        Cancel::process().is_cancelled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_begins_at_zero() {
        let bar = Bar::new(false);
        let state = || (bar.bar.prefix(), bar.bar.position(), bar.bar.length());
        bar.begin(Phase::Check, 10);
        bar.advance(4);
        assert_eq!(state(), ("checking".to_owned(), 4, Some(10)));
        bar.advance(6);
        bar.begin(Phase::Sum, 7);
        assert_eq!(state(), ("summing".to_owned(), 0, Some(7)));
        bar.advance(7);
        assert_eq!(state(), ("summing".to_owned(), 7, Some(7)));
    }

    #[test]
    fn what_is_written_is_counted_in_rows() {
        /// A terminal that keeps what is drawn.
        #[derive(Debug, Clone, Default)]
        struct Terminal(std::sync::Arc<Mutex<String>>);

        impl indicatif::TermLike for Terminal {
            fn width(&self) -> u16 {
                120
            }
            fn move_cursor_up(&self, _: usize) -> std::io::Result<()> {
                Ok(())
            }
            fn move_cursor_down(&self, _: usize) -> std::io::Result<()> {
                Ok(())
            }
            fn move_cursor_right(&self, _: usize) -> std::io::Result<()> {
                Ok(())
            }
            fn move_cursor_left(&self, _: usize) -> std::io::Result<()> {
                Ok(())
            }
            fn write_line(&self, line: &str) -> std::io::Result<()> {
                self.write_str(line)
            }
            fn write_str(&self, text: &str) -> std::io::Result<()> {
                self.0.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
                Ok(())
            }
            fn clear_line(&self) -> std::io::Result<()> {
                Ok(())
            }
            fn flush(&self) -> std::io::Result<()> {
                Ok(())
            }
        }

        let drawn = |phase| {
            let terminal = Terminal::default();
            let bar = Bar::new(false);
            bar.bar.set_draw_target(ProgressDrawTarget::term_like(Box::new(terminal.clone())));
            bar.begin(phase, 8_388_608);
            bar.advance(2_000_000);
            bar.bar.tick();
            let drawn = terminal.0.lock().unwrap_or_else(PoisonError::into_inner);
            drawn.clone()
        };
        let rows = drawn(Phase::Write);
        assert!(rows.contains("writing") && rows.contains("2,000,000 of 8,388,608 rows"), "{rows}");
        assert!(drawn(Phase::Sum).contains("MiB of 8.00 MiB"), "{}", drawn(Phase::Sum));
    }

    #[test]
    fn a_wait_names_the_object_without_control_characters() {
        let wait = |requests| Waiting {
            place: "s3://b/x\u{1b}[31m".into(),
            doing: "listing",
            requests,
            seconds: 12,
        };
        assert_eq!(words(&wait(1)), "waiting for s3://b/x\\u{1b}[31m, 12 s (listing)");
        assert_eq!(words(&wait(48)), "waiting for s3://b/x\\u{1b}[31m, 12 s (listing, 48 requests)");
    }
}
