//! The command-line program.
//!
//! - [`args`]: the command line.
//! - [`run`]: `rollshare run`. [`check`]: `rollshare check`. `rollshare promote` is here.
//!   [`mod@compare`]: `rollshare compare`.
//! - [`report`]: `rollshare report`. [`why`]: `rollshare why`.
//! - [`profile`]: `rollshare profile`.
//! - [`open`]: `rollshare open`.
//! - [`lines`]: what is printed, escaped. [`progress`]: the progress bar on stderr. [`signals`]: Ctrl-C.
//! - [`summary`]: the summary of a run and errors, as text and as JSON.
//! - [`version`]: the facts of this build. [`wrap`]: lines wrapped at blanks.

pub use crate::publish::stdout::note_closed as note_closed_stdout;

pub mod args;
pub mod check;
pub mod compare;
pub mod lines;
pub mod open;
pub mod profile;
pub mod progress;
pub mod report;
pub mod run;
pub mod signals;
pub mod summary;
pub mod version;
pub mod why;
pub mod wrap;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, FromArgMatches};

use self::args::{Cli, Command, Promote, Sample};
use self::lines::Lines;
use self::summary::{bytes, count, error_json, error_text, milliseconds, not_kept};
use self::wrap::stderr_width;
use crate::checks::Config;
use crate::nearest::nearest;
use crate::publish::stdout;
use crate::report::next;
use crate::{Error, Result, escape, pipeline, sample};

/// The entry point of the program.
pub fn main() -> ExitCode {
    let command = Cli::command().long_version(version::long());
    let words = with_subcommand(std::env::args_os().collect());
    let matches = command.try_get_matches_from(&words);
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(usage) => {
            // Help and version arrive here too, with exit code 0.
            let words: Vec<String> = words.iter().skip(1).map(|word| word.to_string_lossy().into()).collect();
            let usage = escaped(with_tip(usage), &words);
            let _ = usage.print();
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2));
        }
    };
    signals::handle();
    let (result, json) = match &cli.command {
        Command::Run(args) => {
            let stdout_taken = args.target.as_deref() == Some("-");
            (run::run(args), args.json.then_some(stdout_taken))
        }
        Command::Promote(args) => (promote(args), args.json.then_some(false)),
        Command::Check(args) => (check::check(args), args.json.then_some(false)),
        Command::Compare(args) => (compare::compare(args).map(|()| 0), args.json.then_some(false)),
        Command::Open(args) => (open::open(args).map(|()| 0), None),
        Command::Report(args) => (report::report(args).map(|()| 0), None),
        Command::Why(args) => {
            (why::why(args).map(|()| 0), (args.format == args::WhyFormat::Json).then_some(false))
        }
        Command::Profile(args) => (profile::profile(args).map(|()| 0), None),
        Command::Sample(args) => (write_sample(args).map(|()| 0), None),
        Command::Completions { shell } => (completions(*shell).map(|()| 0), None),
    };
    let error = match result {
        Ok(code) => return ExitCode::from(code),
        Err(error) => error,
    };
    let code = match &error {
        Error::Interrupted => signals::exit_code().unwrap_or(error.exit_code()),
        _ => error.exit_code(),
    };
    match json {
        Some(stdout_taken) => {
            let mut value = error_json(&error);
            if let Some(shown) = value.pointer_mut("/error/exit_code") {
                *shown = code.into();
            }
            let _ = show(&value, stdout_taken);
        }
        None => print_err(&error_text(&error, stderr_width())),
    }
    ExitCode::from(code)
}

/// The words of the command line, with `run` where the first one is a source: `rollshare exports/`.
fn with_subcommand(mut words: Vec<OsString>) -> Vec<OsString> {
    let is_source = |word: &OsString| {
        let text = word.to_string_lossy();
        let is_path = Path::new(word).exists() || text.contains("://") || text.contains(['*', '/']);
        // The definition of all options takes a tenth of a small run: it is made only for what may be a source.
        let is_subcommand =
            || Cli::command().get_subcommands().any(|of| *of.get_name() == *text) || text == "help";
        !text.starts_with('-') && is_path && !is_subcommand()
    };
    if words.get(1).is_some_and(is_source) {
        words.insert(1, "run".into());
    }
    words
}

/// A usage error with the subcommand that an unknown one is spelled like, or the option that does what an unknown one
/// was meant to do.
fn with_tip(mut usage: clap::Error) -> clap::Error {
    if let Some(ContextValue::String(given)) = usage.get(ContextKind::InvalidArg)
        && matches!(&**given, "--country" | "--countries")
    {
        // The nearest by its letters is --country-total, which is something else.
        let tip = StyledStr::from("'--only country=GB,FR' shows or writes these countries alone");
        usage.remove(ContextKind::SuggestedArg);
        usage.remove(ContextKind::Usage);
        usage.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
        return usage;
    }
    let Some(ContextValue::String(given)) = usage.get(ContextKind::InvalidSubcommand).cloned() else {
        return usage;
    };
    let command = Cli::command();
    let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
    if let Some(near) = nearest(&given, &names) {
        usage.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(vec![near.into()]));
    }
    usage
}

/// A usage error whose words from the command line are escaped. What the parsers of values say is already. `words` are
/// those of the command line.
fn escaped(mut usage: clap::Error, words: &[String]) -> clap::Error {
    // A tip is styled text that repeats them.
    if words.iter().any(|word| *escape::line(word) != **word) {
        usage.remove(ContextKind::Suggested);
    }
    let shown: Vec<(ContextKind, ContextValue)> = (usage.context())
        .filter_map(|(kind, value)| {
            let value = match value {
                ContextValue::String(word) => ContextValue::String(escape::line(word).into()),
                ContextValue::Strings(words) => {
                    ContextValue::Strings(words.iter().map(|word| escape::line(word).into()).collect())
                }
                _ => return None,
            };
            Some((kind, value))
        })
        .collect();
    for (kind, value) in shown {
        usage.insert(kind, value);
    }
    usage
}

/// Publishes a blocked run, and returns the exit code.
fn promote(args: &Promote) -> Result<u8> {
    let bar = progress::Bar::new(!args.json && !args.quiet);
    let config = args.checks.as_deref().map(Config::read).transpose()?.unwrap_or_default();
    let report = pipeline::promote(&args.run, &args.target, config.keep)?;
    drop(bar);
    if args.json {
        let value = serde_json::to_value(&report)
            .map_err(|e| Error::internal(format!("the report cannot be written: {e}")))?;
        return show(&value, false).map(|()| report.exit_code());
    }
    if let (Some(published), false) = (&report.published, args.quiet) {
        let width = stderr_width();
        let wrote = format!("{}, {}", published.target, bytes(published.bytes));
        let mut lines = Lines::default();
        lines.add_labelled("wrote", &wrote, width);
        for outcome in next::findings(&report).0 {
            lines.add_labelled("overrode", &outcome.line(), width);
        }
        print_err(&lines);
    }
    print_err(&not_kept(&report));
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
        print_err(&Lines::of(&format!("wrote    {}: {rows}, {files}, {size}, {time}", args.out.display())));
    }
    Ok(())
}

fn completions(shell: clap_complete::Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "rollshare", &mut script);
    print(&Lines::written(String::from_utf8_lossy(&script).into()))
}

/// Prints to stdout. A closed pipe is not an error.
fn print(lines: &Lines) -> Result<()> {
    stdout::write(&|out| out.write_all(lines.as_str().as_bytes())).map(drop)
}

/// Prints to stderr. A closed stderr is not an error: what was done stays done.
fn print_err(lines: &Lines) {
    let _ = io::stderr().write_all(lines.as_str().as_bytes());
}

/// Prints JSON to stdout, or to stderr where stdout is the target.
fn show(value: &serde_json::Value, stdout_taken: bool) -> Result<()> {
    let lines = Lines::written(format!("{}\n", escape::json(&format!("{value:#}"))));
    if stdout_taken {
        print_err(&lines);
        return Ok(());
    }
    print(&lines)
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
            let usage = escaped(with_tip(usage.unwrap_err()), &words);
            assert_eq!(usage.exit_code(), 2);
            usage.to_string()
        };
        let forged = "a/\nerror:\u{1b}[31m\u{9b}\u{202e}";
        for line in [
            forged,
            &format!("run x --{forged}"),
            &format!("run x --grain {forged}"),
            &format!("run x --window {forged}"),
        ] {
            let shown = tip(line);
            assert!(shown.contains("error:"), "{shown}");
            assert!(
                !shown.contains(['\u{9b}', '\u{202e}', '\u{1b}']) && !shown.contains("\nerror:"),
                "{shown}"
            );
        }
        assert!(tip("rnu --source x").contains("'run'"), "{}", tip("rnu --source x"));
        assert!(!tip("zzzzzzzz").contains("tip:"));
        // Other errors stay as they are.
        assert!(tip("run --sorce x").contains("--source"));
    }

    #[test]
    fn a_source_alone_is_run() {
        let words = |line: &str| {
            let words = with_subcommand(line.split(' ').map(OsString::from).collect());
            words.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(words("rollshare exports/ --details"), "rollshare run exports/ --details");
        assert_eq!(words("rollshare s3://b/x"), "rollshare run s3://b/x");
        assert_eq!(words("rollshare *.parquet"), "rollshare run *.parquet");
        // A folder that is there, without a slash.
        assert_eq!(words("rollshare src"), "rollshare run src");
        for line in
            ["rollshare run exports/", "rollshare rnu", "rollshare --version", "rollshare", "rollshare help"]
        {
            assert_eq!(words(line), line);
        }
    }
}
