//! The organic share over time: a chart and a table per country.

use maud::{Markup, html};
use rayon::prelude::*;

use super::id;
use crate::Result;
use crate::report::RunReport;
use crate::report::chart::lines;
use crate::report::figures::{self, Country, Shares};
use crate::report::words;

/// The number of countries whose charts are visible at first.
const OPEN: usize = 12;
/// The number of further countries, whose charts are collapsed.
const FOLDED: usize = 36;
/// The number of points in time that a table lists, the latest ones.
const LATEST: usize = 26;

/// The section.
pub fn section(report: &RunReport) -> Result<Markup> {
    let found = figures::shares(report).filter(|shares| !shares.countries.is_empty());
    let Some(shares) = &found else {
        return Ok(html! {
            section aria-labelledby="shares" {
                h2 id="shares" { "Organic share" }
                p { "There is no table: nothing was computed." }
            }
        });
    };
    let order = order(report, shares);
    let (shown, _) = order.split_at(order.len().min(OPEN + FOLDED));
    let charts: Vec<Markup> = (shown.par_iter().enumerate())
        .map(|(n, country)| chart(shares, country, n))
        .collect::<Result<_>>()?;
    let (open, folded) = charts.split_at(charts.len().min(OPEN));
    let rest = order.len() - charts.len();
    let unit = if shares.grain == crate::Grain::Week { "week" } else { "day" };
    Ok(html! {
        section aria-labelledby="shares" {
            h2 id="shares" { "Organic share, rolling window of " (words::count(shares.window.into(), unit)) }
            p {
                "Each chart has its own scale. The shaded band is the 95 % interval of the share (Wilson)."
                @if shares.countries.iter().flat_map(|c| &c.weeks).any(|w| w.expected.is_some()) {
                    " Dots are single weeks. Thin lines mark the range expected from the history of the country; a cross is a week outside of that range."
                }
                @if shares.partial_from.is_some() { " A hollow dot marks an incomplete last week." }
                @if shares.steps_left_out > 0 {
                    " The charts show the latest " (words::count(shares.steps.len() as u64, unit)) "; " (words::number(shares.steps_left_out as u64)) " earlier ones are only in the published table."
                }
            }
            div.multiples { @for chart in open { (chart) } }
            @if !folded.is_empty() {
                details {
                    summary { (words::number(folded.len() as u64)) " more countries" }
                    div.multiples { @for chart in folded { (chart) } }
                }
            }
            @if rest > 0 {
                p { "Another " (words::number(rest as u64)) " countries have no chart here; they are in the table below." }
            }
            @if shares.countries_left_out > 0 {
                p { "The " (words::number(shares.countries_left_out as u64)) " smallest countries are not on this page; they are in the computed table." }
            }
            details {
                summary { "All " (words::number(order.len() as u64)) " countries, latest share" }
                (super::scrolling("Latest share by country", &latest(shares, &order)))
            }
        }
    })
}

/// The countries in their order, those with a finding of a drift or table check first.
fn order<'a>(report: &RunReport, shares: &'a Shares) -> Vec<&'a Country> {
    let mut countries: Vec<&Country> = shares.countries.iter().collect();
    countries.sort_by_key(|country| !(is_outside(country) || is_named(report, &country.name)));
    countries
}

/// Whether a check on the table names the country.
fn is_named(report: &RunReport, name: &str) -> bool {
    let staging = report.outcomes.iter().filter(|o| o.check.stage() != crate::checks::Stage::Raw);
    let mut offenders = staging.flat_map(|o| &o.offenders);
    offenders.any(|o| o.value.split([' ', ':', ',']).next() == Some(name))
}

/// Whether the latest complete week is outside of the expected range.
fn is_outside(country: &Country) -> bool {
    country.weeks.last().is_some_and(figures::Week::is_outside)
}

fn chart(shares: &Shares, country: &Country, n: usize) -> Result<Markup> {
    let last = (0..shares.steps.len()).rev().find(|at| country.share.get(*at).copied().flatten().is_some());
    let value = |series: &[Option<f64>]| last.and_then(|at| series.get(at).copied().flatten());
    let window = usize::try_from(shares.window).unwrap_or(usize::MAX);
    let before =
        last.and_then(|at| at.checked_sub(window)).and_then(|at| country.share.get(at).copied().flatten());
    let change = value(&country.share).zip(before).map(|(now, before)| (now - before) * 100.0);
    Ok(html! {
        figure.share {
            figcaption {
                h3 { (name(&country.name)) }
                strong { (words::percent(value(&country.share))) }
                @if let Some(change) = change {
                    span.change { (format!("{change:+.1} pp")) }
                }
            }
            (lines::draw(shares, country, &id("share", n))?)
            details.numbers {
                summary { "Numbers" span.hidden { " of " (name(&country.name)) } }
                (super::scrolling(&format!("Organic share in {}", country.name), &numbers(shares, country)))
            }
        }
    })
}

/// The name of a country, with a placeholder for the empty name.
fn name(name: &str) -> &str {
    if name.is_empty() { "(no name)" } else { name }
}

fn numbers(shares: &Shares, country: &Country) -> Markup {
    let at = |series: &[Option<f64>], n: usize| series.get(n).copied().flatten();
    let skipped = shares.steps.len().saturating_sub(LATEST);
    html! {
        table {
            caption { "Latest first" @if skipped > 0 { ", " (words::number(skipped as u64)) " earlier ones left out" } }
            thead { tr { th scope="col" { "When" } th scope="col" { "Share" } th scope="col" { "95 % from" } th scope="col" { "to" } th scope="col" { "Users" } } }
            tbody {
                @for (n, step) in shares.steps.iter().enumerate().skip(skipped).rev() {
                    tr {
                        th scope="row" { (words::step(shares.grain, *step)) }
                        td { (words::percent(at(&country.share, n))) }
                        td { (words::percent(at(&country.low, n))) }
                        td { (words::percent(at(&country.high, n))) }
                        td { (country.users.get(n).map_or_else(|| "–".into(), |users| words::amount(*users))) }
                    }
                }
            }
        }
    }
}

fn latest(shares: &Shares, order: &[&Country]) -> Markup {
    let window = usize::try_from(shares.window).unwrap_or(usize::MAX);
    html! {
        table {
            thead { tr { th scope="col" { "Country" } th scope="col" { "When" } th scope="col" { "Share" } th scope="col" { "Change" } th scope="col" { "Users" } th scope="col" { "Latest complete week" } th scope="col" { "Expected" } } }
            tbody {
                @for country in order {
                    @let last = (0..shares.steps.len()).rev().find(|at| country.share.get(*at).copied().flatten().is_some());
                    @let get = |series: &[Option<f64>], at: Option<usize>| at.and_then(|at| series.get(at).copied().flatten());
                    @let before = get(&country.share, last.and_then(|at| at.checked_sub(window)));
                    tr {
                        th scope="row" { (name(&country.name)) }
                        td { (last.and_then(|at| shares.steps.get(at)).map_or_else(|| "–".into(), |s| words::step(shares.grain, *s))) }
                        td { (words::percent(get(&country.share, last))) }
                        td { (get(&country.share, last).zip(before).map_or_else(|| "–".into(), |(now, before)| format!("{:+.1} pp", (now - before) * 100.0))) }
                        td { (last.and_then(|at| country.users.get(at)).map_or_else(|| "–".into(), |users| words::amount(*users))) }
                        td { (words::percent(country.weeks.last().and_then(|week| week.share))) @if is_outside(country) { ", outside" } }
                        td { (expected(country)) }
                    }
                }
            }
        }
    }
}

/// The expected range of the latest complete week.
fn expected(country: &Country) -> String {
    country.weeks.last().and_then(|week| week.expected).map_or_else(
        || "–".into(),
        |(low, high)| format!("{} to {}", words::percent(Some(low)), words::percent(Some(high))),
    )
}
