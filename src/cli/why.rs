//! `rollshare why`: what each channel contributed to the change of a share.

use serde_json::json;

use super::args::{Why, WhyFormat};
use super::lines::Lines;
use super::progress::Bar;
use super::run::guarded;
use super::{print, show};
use crate::scan::{Options, start_threads};
use crate::why::{Change, job_of, why as explain};
use crate::{Error, Result, escape};

/// Explains the change of a share and prints it.
pub fn why(args: &Why) -> Result<()> {
    let bar = Bar::new(args.format == WhyFormat::Text && !args.quiet);
    let job = job_of(&args.question.job()?)?;
    let threads = args.question.threads.map(Into::into);
    start_threads(threads)?;
    let change = Change { key: args.key.clone(), period: args.period.clone(), against: args.against.clone() };
    let options = Options { threads, ..Options::default() };
    let found = guarded(|| explain(&job, &args.question.sources.all(), &change, &options, &bar))?;
    drop(bar);
    match args.format {
        WhyFormat::Text => print(&Lines::written(found.text())),
        WhyFormat::Csv => print(&Lines::written(escape::document(&found.csv()).into())),
        WhyFormat::Json => {
            let value = serde_json::to_value(&found).map_err(|e| Error::internal(e.to_string()))?;
            show(&json!({ "version": env!("CARGO_PKG_VERSION"), "why": value }), false)
        }
    }
}
