//! `rollshare profile`: infers the profile of an export, lists and prints the bundled ones.

use std::fmt::Write as _;

use super::args::Infer;
use super::lines::Lines;
use super::progress::Bar;
use super::run::guarded;
use super::{print, print_err};
use crate::infer::infer;
use crate::nearest::nearest;
use crate::profile::read::BUNDLED;
use crate::storage::discover;
use crate::{Error, Result, Semantics, escape};

/// Prints a profile, or the list of the bundled ones.
pub fn profile(args: &Infer) -> Result<()> {
    if args.list {
        return print(&Lines::written(list()));
    }
    if let Some(name) = &args.show {
        return print(&Lines::written(bundled(name)?.to_owned()));
    }
    let sources: Vec<String> = args.path.iter().chain(&args.source).cloned().collect();
    let bar = Bar::new(!args.quiet);
    let discovery = discover(&sources, Semantics::Iso)?;
    let shown = sources.join(" ");
    let inferred = guarded(|| infer(discovery.inputs, &shown))?;
    drop(bar);
    print(&Lines::written(inferred.text))?;
    if !args.quiet {
        let mut lines = Lines::default();
        for note in discovery.notes.iter().chain(&inferred.notes) {
            lines.add_labelled("note", note, None);
        }
        let words: Vec<String> = sources.iter().map(|source| escape::shell(source)).collect();
        let command = format!("rollshare run --source {} --profile FILE", words.join(" "));
        lines.add_labelled("next", &command, None);
        print_err(&lines);
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
