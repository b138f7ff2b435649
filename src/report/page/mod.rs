//! One HTML page that needs nothing else: no script, no font, no request.
//!
//! - [`verdict`]: the sentence on top, what failed and where, how to go on.
//! - [`shares`]: a chart and a table a country.
//! - [`rows`]: coverage, channel mix, the account.
//! - [`checks`]: every check in a table that folds.
//!
//! `maud` escapes whatever comes from outside. The page's policy forbids scripts
//! and requests, should something slip through all the same.

mod checks;
mod rows;
mod shares;
pub mod verdict;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::words;
use crate::Result;
use crate::report::RunReport;

const STYLE: &str = include_str!("style.css");

/// What the page may do: carry its own style.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// The page of a report.
///
/// # Errors
/// `Internal` where a chart cannot be drawn.
pub fn page(report: &RunReport) -> Result<String> {
    let sentence = verdict::sentence(report);
    let (shares, rest) =
        rayon::join(|| shares::section(report), || (rows::coverage(report), rows::mix(report)));
    let (shares, coverage, mix) = (shares?, rest.0?, rest.1?);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                link rel="icon" href="data:,";
                title { (sentence) " · " (report.run) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "Skip to the report" }
                (verdict::header(report, &sentence))
                main id="main" {
                    (verdict::objections(report))
                    (verdict::next(report))
                    (shares)
                    (coverage)
                    (mix)
                    (rows::account(report))
                    (checks::section(report))
                }
                footer {
                    p {
                        "Made by Rollshare " (report.version) ". The page is complete in itself: it can be sent, kept and printed. "
                        "The same report for machines: " code { "rollshare report " (report.run) " --json" }
                    }
                }
            }
        }
    };
    Ok(page.into_string())
}

/// A table that scrolls by itself where the page is narrow.
fn scrolling(label: &str, inner: &Markup) -> Markup {
    html! { div.scroll role="region" aria-label=(label) tabindex="0" { (inner) } }
}

/// The id of the `n`th thing called `name`.
fn id(name: &str, n: usize) -> String {
    format!("{name}-{}", words::number(n as u64).replace(',', ""))
}
