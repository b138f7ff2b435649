//! `rollshare compare`: explains the differences of an old job's output.

use std::time::Instant;

use serde_json::json;

use super::args::Compare;
use super::lines::Lines;
use super::progress::Bar;
use super::run::guarded;
use super::summary::milliseconds;
use super::{print, print_err, show};
use crate::Result;
use crate::compare::{compare as differences, text};
use crate::scan::Options;

/// Compares an old job's output with the calendar-correct table and prints the differences.
pub fn compare(args: &Compare) -> Result<()> {
    let started = Instant::now();
    let bar = Bar::new(!args.json && !args.quiet);
    let job = args.job()?;
    let comparison =
        guarded(|| differences(&job, &args.sources.all(), &args.against, &Options::default(), &bar))?;
    drop(bar);
    if args.json {
        return show(&json!({ "version": env!("CARGO_PKG_VERSION"), "comparison": comparison }), false);
    }
    print(&Lines::written(text(&comparison)))?;
    if !args.quiet {
        print_err(&Lines::of(&format!("time     {}", milliseconds(started.elapsed()))));
    }
    Ok(())
}
