//! `rollshare compare`: explains the differences of an old job's output.

use std::io::{self, Write};
use std::time::Instant;

use serde_json::json;

use super::args::Compare;
use super::progress::Bar;
use super::run::guarded;
use super::summary::milliseconds;
use super::{print, show};
use crate::Result;
use crate::compare::{compare as differences, text};
use crate::scan::Options;

/// Compares an old job's output with the calendar-correct table and prints the differences.
pub fn compare(args: &Compare) -> Result<()> {
    let started = Instant::now();
    let job = args.job()?;
    let bar = Bar::new(!args.json && !args.quiet);
    let comparison =
        guarded(|| differences(&job, &args.sources.all(), &args.against, &Options::default(), &bar))?;
    drop(bar);
    if args.json {
        return show(&json!({ "version": env!("CARGO_PKG_VERSION"), "comparison": comparison }), false);
    }
    print(&text(&comparison))?;
    if !args.quiet {
        let line = format!("time     {}\n", milliseconds(started.elapsed()));
        let _ = io::stderr().write_all(line.as_bytes());
    }
    Ok(())
}
