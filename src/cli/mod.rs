//! The command-line program.
//!
//! - [`args`]: the command line.
//! - [`run`]: `rollshare run`. [`check`]: `rollshare check`. `rollshare promote` is here.
//!   [`mod@compare`]: `rollshare compare`.
//! - [`report`]: `rollshare report`.
//! - [`profile`]: `rollshare profile`.
//! - [`progress`]: the progress bar on stderr.
//! - [`summary`]: the summary of a run and errors, as text and as JSON.
//! - [`version`]: the facts of this build. [`wrap`]: lines wrapped at blanks.

pub mod args;
pub mod check;
pub mod compare;
pub mod profile;
pub mod progress;
pub mod report;
pub mod run;
pub mod summary;
pub mod version;
pub mod wrap;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches};

use self::args::{Cli, Command, Promote, Sample};
use self::summary::{bytes, count, error_json, error_text, milliseconds, not_kept};
use self::wrap::{labelled, stderr_width};
use crate::checks::Config;
use crate::nearest::nearest;
use crate::phrase::quoted;
use crate::report::next;
use crate::{Error, Result, pipeline, sample};

/// The entry point of the program.
pub fn main() -> ExitCode {
    let command = Cli::command().long_version(version::long());
    let cli = match command.try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(usage) => {
            // Help and version arrive here too, with exit code 0.
            let words: Vec<String> =
                std::env::args_os().skip(1).map(|word| word.to_string_lossy().into()).collect();
            let usage = with_tip(usage, &words);
            let _ = usage.print();
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2));
        }
    };
    let (result, json) = match &cli.command {
        Command::Run(args) => {
            let stdout_taken = args.target.as_deref() == Some("-");
            (run::run(args), args.json.then_some(stdout_taken))
        }
        Command::Promote(args) => (promote(args), args.json.then_some(false)),
        Command::Check(args) => (check::check(args), args.json.then_some(false)),
        Command::Compare(args) => (compare::compare(args).map(|()| 0), args.json.then_some(false)),
        Command::Report(args) => (report::report(args).map(|()| 0), None),
        Command::Profile(args) => (profile::profile(args).map(|()| 0), None),
        Command::Sample(args) => (write_sample(args).map(|()| 0), None),
        Command::Completions { shell } => (completions(*shell).map(|()| 0), None),
    };
    let error = match result {
        Ok(code) => return ExitCode::from(code),
        Err(error) => error,
    };
    match json {
        Some(stdout_taken) => {
            let _ = show(&error_json(&error), stdout_taken);
        }
        None => {
            let _ = io::stderr().write_all(error_text(&error).as_bytes());
        }
    }
    ExitCode::from(error.exit_code())
}

/// A usage error with what was meant by an unknown subcommand: one that is spelled alike, or a run of a source.
/// `words` are those of the command line.
fn with_tip(mut usage: clap::Error, words: &[String]) -> clap::Error {
    let Some(ContextValue::String(given)) = usage.get(ContextKind::InvalidSubcommand).cloned() else {
        return usage;
    };
    let command = Cli::command();
    let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
    let is_source = Path::new(&given).exists() || given.contains("://") || given.contains(['*', '/']);
    if is_source {
        let line: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        return Cli::command().error(
            ErrorKind::InvalidSubcommand,
            format!("'{given}' is no subcommand\n\n  tip: to read it: rollshare run {}", line.join(" ")),
        );
    }
    if let Some(near) = nearest(&given, &names) {
        usage.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(vec![near.into()]));
    }
    usage
}

/// Publishes a blocked run, and returns the exit code.
fn promote(args: &Promote) -> Result<u8> {
    let config = args.checks.as_deref().map(Config::read).transpose()?.unwrap_or_default();
    let report = pipeline::promote(&args.run, &args.target, config.keep)?;
    if args.json {
        let value = serde_json::to_value(&report)
            .map_err(|e| Error::internal(format!("the report cannot be written: {e}")))?;
        return show(&value, false).map(|()| report.exit_code());
    }
    if let (Some(published), false) = (&report.published, args.quiet) {
        let width = stderr_width();
        let wrote = format!("{}, {}", published.target, bytes(published.bytes));
        let mut text = labelled("wrote", &wrote, width);
        for outcome in next::findings(&report).0 {
            text.push_str(&labelled("overrode", &outcome.line(), width));
        }
        let _ = io::stderr().write_all(text.as_bytes());
    }
    let _ = io::stderr().write_all(not_kept(&report).as_bytes());
    Ok(report.exit_code())
}

fn write_sample(args: &Sample) -> Result<()> {
    let started = Instant::now();
    let options = sample::Options { rows: args.rows, layout: args.layout.into(), seed: args.seed };
    let bar = progress::Bar::new(!args.quiet);
    let written = sample::write(&options, &args.out, &bar)?;
    drop(bar);
    if !args.quiet {
        let (rows, files) = (count(written.rows, "row"), count(written.files as u64, "file"));
        let (size, time) = (bytes(written.bytes), milliseconds(started.elapsed()));
        let line = format!("wrote    {}: {rows}, {files}, {size}, {time}\n", args.out.display());
        let _ = io::stderr().write_all(line.as_bytes());
    }
    Ok(())
}

fn completions(shell: clap_complete::Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "rollshare", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// Prints to stdout. A closed pipe is not an error.
fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Error::io("cannot write to stdout", e)),
        _ => Ok(()),
    }
}

/// Prints JSON to stdout, or to stderr where stdout is the target.
fn show(value: &serde_json::Value, stdout_taken: bool) -> Result<()> {
    let text = format!("{value:#}\n");
    if stdout_taken {
        let _ = io::stderr().write_all(text.as_bytes());
        return Ok(());
    }
    print(&text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_subcommand_gets_a_tip() {
        let tip = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let usage = Cli::command().try_get_matches_from(["rollshare"].into_iter().chain(line.split(' ')));
            let usage = with_tip(usage.unwrap_err(), &words);
            assert_eq!(usage.exit_code(), 2);
            usage.to_string()
        };
        assert!(tip("rnu --source x").contains("'run'"), "{}", tip("rnu --source x"));
        assert!(
            tip("exports/ --target x.csv").contains("tip: to read it: rollshare run exports/ --target x.csv")
        );
        assert!(tip("s3://b/x").contains("rollshare run s3://b/x"));
        assert!(!tip("zzzzzzzz").contains("tip:"));
        // Other errors stay as they are.
        assert!(tip("run --sorce x").contains("--source"));
    }
}
