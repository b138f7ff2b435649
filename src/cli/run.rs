//! `rollshare run`.

use std::io::{self, IsTerminal};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::Instant;

use super::args::Run;
use super::lines::Lines;
use super::progress::Bar;
use super::summary::{Summary, not_kept, quiet_line};
use super::wrap::stderr_width;
use super::{print, print_err, show};
use crate::pipeline::{self, State};
use crate::scan::start_threads;
use crate::table::render::{Look, render};
use crate::{Error, Result};

/// Runs the pipeline, prints the table or the summary, and returns the exit code.
pub fn run(args: &Run) -> Result<u8> {
    let started = Instant::now();
    let bar = Bar::new(!args.json && !args.quiet);
    let options = args.options()?;
    // Listing and opening use the global thread pool.
    start_threads(options.threads)?;
    let run = guarded(|| pipeline::run(&options, &bar))?;
    drop(bar);
    let report = &run.report;
    // Without a target the table is for reading, also where a check would keep it from being published.
    let is_shown = report.state == State::Computed || report.state == State::Blocked && args.target.is_none();
    if let (true, Some(table), false) = (is_shown, &run.table, args.json) {
        print(&Lines::written(render(&*options.view.of(table)?, terminal_style())))?;
    }
    let summary = Summary {
        report,
        stats: &run.stats,
        table: run.table.as_ref(),
        elapsed: started.elapsed(),
        threads: options.threads.unwrap_or_else(rayon::current_num_threads),
        width: stderr_width(),
    };
    if args.json {
        show(&summary.json(), args.target.as_deref() == Some("-"))?;
    } else if !args.quiet {
        print_err(&summary.text(args.explain));
    } else if let Some(line) = quiet_line(report) {
        print_err(&Lines::of(&line));
    }
    if !args.json {
        print_err(&not_kept(report));
    }
    Ok(report.exit_code())
}

/// Turns a panic, which is a bug, into an error that contains its location.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    static PANIC: Mutex<Option<String>> = Mutex::new(None);
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|panic| {
        if let Ok(mut slot) = PANIC.lock() {
            slot.get_or_insert_with(|| panic.to_string());
        }
    }));
    let result = catch_unwind(AssertUnwindSafe(work));
    std::panic::set_hook(hook);
    result.unwrap_or_else(|_| {
        let message = PANIC.lock().ok().and_then(|mut slot| slot.take()).unwrap_or_default();
        Err(Error::internal(message.replace('\n', " "))
            .advice("Nothing was published. This is a bug: please report it with the file"))
    })
}

/// Width and colour of the terminal on stdout.
pub(super) fn terminal_style() -> Look {
    let terminal = io::stdout().is_terminal();
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    // Without a terminal, COLUMNS or else a default gives the width.
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let width = match terminal_size::terminal_size() {
        Some((terminal_size::Width(width), _)) if terminal => width,
        _ => columns.unwrap_or(120),
    };
    Look { width: width.max(40), colour: terminal && !no_colour }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_location() {
        let Err(error) = guarded::<()>(|| panic!("a bug")) else { panic!("no error") };
        assert_eq!(error.exit_code(), 70);
        let text = error.to_string();
        assert!(text.contains("a bug") && text.contains("run.rs"), "{text}");
    }
}
