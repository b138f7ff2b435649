//! `rollshare profile`: infers the profile of an export, lists and prints the bundled ones.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use super::args::Infer;
use super::print;
use super::run::guarded;
use crate::infer::infer;
use crate::nearest::nearest;
use crate::profile::read::BUNDLED;
use crate::storage::discover;
use crate::{Error, Result, Semantics};

/// Prints a profile, or the list of the bundled ones.
pub fn profile(args: &Infer) -> Result<()> {
    if args.list {
        return print(&list());
    }
    if let Some(name) = &args.show {
        return print(bundled(name)?);
    }
    let sources: Vec<String> = args.path.iter().chain(&args.source).cloned().collect();
    let discovery = discover(&sources, Semantics::Iso)?;
    let shown = sources.join(" ");
    let inferred = guarded(|| infer(discovery.inputs, &shown))?;
    print(&inferred.text)?;
    if !args.quiet {
        let mut lines = String::new();
        for note in discovery.notes.iter().chain(&inferred.notes) {
            let _ = writeln!(lines, "note     {note}");
        }
        let _ = writeln!(lines, "next     rollshare run --source {shown} --profile FILE");
        // A closed stderr is not an error: the profile is already printed.
        let _ = io::stderr().write_all(lines.as_bytes());
    }
    Ok(())
}

/// The text of a bundled profile.
fn bundled(name: &str) -> Result<&'static str> {
    if let Some((_, text)) = BUNDLED.iter().find(|(bundled, _)| *bundled == name) {
        return Ok(text);
    }
    let names: Vec<&str> = BUNDLED.iter().map(|(name, _)| *name).collect();
    let error = Error::argument(format!("no bundled profile '{name}'"))
        .expected(format!("one of {}", names.join(", ")));
    Err(match nearest(name, &names) {
        Some(near) => error.advice(format!("Did you mean {near}?")),
        None => error,
    })
}

/// The names of the bundled profiles, each with the first sentence of its text.
fn list() -> String {
    let mut lines = String::new();
    for (name, text) in BUNDLED {
        let comment: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("# ")).collect();
        let comment = comment.join(" ");
        let end = comment.find(". ").map_or(comment.len(), |at| at + 1);
        let _ = writeln!(lines, "{name:<20} {}", comment.get(..end).unwrap_or_default());
    }
    lines
}
