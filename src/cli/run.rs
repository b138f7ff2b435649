//! `rollshare run`.

use std::io::{self, IsTerminal, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::args::Run;
use super::progress::Bar;
use super::summary::Summary;
use super::{print, show};
use crate::grid::Partial;
use crate::publish::{Target, publish};
use crate::scan::{Options, Profile, scan};
use crate::storage::{Input, discover};
use crate::table::render::{Look, render};
use crate::table::{Table, finish};
use crate::{Error, Job, Result};

/// Reads, sums, publishes, tells.
pub fn run(args: &Run) -> Result<()> {
    let started = Instant::now();
    let job = args.question.job()?;
    let target = args.target.as_deref().map(Target::parse).transpose()?;
    if let Some(threads) = args.question.threads {
        // Listing and opening use the global pool; it can be set once, which is here.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads.into()).build_global();
    }
    let discovery = discover(&args.question.source, job.semantics)?;
    if let Some(target) = &target {
        target.refuse_overlap(&discovery.territory)?;
    }
    let discovered = started.elapsed();

    let options = Options { threads: args.question.threads.map(Into::into), ..Options::default() };
    let bar = Bar::new(!args.json && !args.quiet);
    let (partial, mut profile, table, finished) =
        guarded(|| compute(&job, &discovery.inputs, &options, &bar))?;
    drop(bar);

    let publishing = Instant::now();
    let published = match &target {
        Some(target) => Some(publish(target, &table)?),
        None => {
            if !args.json {
                print(&render(&table, look()))?;
            }
            None
        }
    };
    profile.phases.insert(0, ("discover", discovered));
    profile.phases.push(("finish", finished));
    profile.phases.push(("publish", publishing.elapsed()));

    let summary = Summary {
        job: &job,
        account: &partial.account,
        profile: &profile,
        table: &table,
        published: published.as_ref(),
        notes: &discovery.notes,
        elapsed: started.elapsed(),
        threads: args.question.threads.map_or_else(rayon::current_num_threads, Into::into),
    };
    if args.json {
        return show(&summary.json(), target == Some(Target::Stdout));
    }
    if !args.quiet {
        // A closed stderr is no reason to fail: the table is published.
        let _ = io::stderr().write_all(summary.text(args.explain).as_bytes());
    }
    Ok(())
}

type Computed = (Partial, Profile, Table, Duration);

fn compute(job: &Job, inputs: &[Input], options: &Options, bar: &Bar) -> Result<Computed> {
    let (partial, profile) = scan(job, inputs, options, bar)?;
    partial.account.check()?;
    let finishing = Instant::now();
    let table = finish(job, &partial)?;
    Ok((partial, profile, table, finishing.elapsed()))
}

/// Turns a panic, which is a bug of ours, into an error that says where it is.
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
        let said = PANIC.lock().ok().and_then(|mut slot| slot.take()).unwrap_or_default();
        Err(Error::internal(said.replace('\n', " "))
            .advice("Nothing was published. This is a bug: please report it with the file"))
    })
}

pub(super) fn look() -> Look {
    let terminal = io::stdout().is_terminal();
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    // Through a pipe, as wide as COLUMNS says or the table wants to be.
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
    fn a_panic_becomes_an_error_that_says_where() {
        let Err(error) = guarded::<()>(|| panic!("a bug")) else { panic!("no error") };
        assert_eq!(error.exit_code(), 70);
        let text = error.to_string();
        assert!(text.contains("a bug") && text.contains("run.rs"), "{text}");
    }
}
