//! The rows: the days, channels and users that they cover, and how many were kept and dropped.

use maud::{Markup, html};

use crate::Result;
use crate::report::RunReport;
use crate::report::account::reasons;
use crate::report::chart::{bars, days, stack};
use crate::report::{figures, words};
use crate::table::cell::iso_date;

/// The number of countries that the calendar shows.
const COUNTRIES: usize = 40;
/// The number of gaps that the table lists for a country.
const GAPS: usize = 12;
/// The number of weeks that the table lists, the latest ones.
const LATEST: usize = 26;

/// The calendar of country-days.
pub fn coverage(report: &RunReport) -> Result<Markup> {
    let Some(coverage) = figures::coverage(report) else { return Ok(html! {}) };
    let coverage = &coverage;
    let (shown, rest) = coverage.countries.split_at(coverage.countries.len().min(COUNTRIES));
    let all: u64 = coverage.countries.iter().map(|country| country.missing()).sum();
    let cells = u64::from(coverage.days) * coverage.countries.len() as u64;
    let day = |n: u32| iso_date(coverage.first.saturating_add_unsigned(n));
    let rest_missing = rest.iter().any(|country| country.missing() > 0);
    Ok(html! {
        section aria-labelledby="coverage" {
            h2 id="coverage" { "Days with data" }
            p {
                @if all == 0 {
                    "Every country has rows on every day."
                } @else {
                    (words::number(all)) " of " (words::count(cells, "country-day")) " have no row. The calendar shows each gap as an empty box, at least two pixels wide."
                }
                @if coverage.days_left_out > 0 { " The calendar starts on " (day(0)) "." }
            }
            @if !shown.is_empty() {
                (super::scrolling("Calendar of country-days", &days::draw(coverage, shown, "days")?))
            }
            @if !rest.is_empty() {
                p {
                    "Another " (words::number(rest.len() as u64)) " countries "
                    @if rest_missing { "with fewer days missing are left out." } @else { "have rows on every day." }
                }
            }
            @if all > 0 {
                details {
                    summary { "Days without rows, by country" }
                    (super::scrolling("Days without rows", &html! {
                        table {
                            thead { tr { th scope="col" { "Country" } th scope="col" { "Days" } th.left scope="col" { "Without a row" } } }
                            tbody {
                                @for country in shown.iter().filter(|country| country.missing() > 0) {
                                    tr {
                                        th scope="row" { (country.name) }
                                        td { (words::number(country.missing())) }
                                        td.left {
                                            @for (n, (from, length)) in country.gaps.iter().take(GAPS).enumerate() {
                                                @if n > 0 { ", " }
                                                (day(*from)) @if *length > 1 { " to " (day(from + length - 1)) }
                                            }
                                            @if country.gaps.len() > GAPS { ", and " (words::number((country.gaps.len() - GAPS) as u64)) " more" }
                                        }
                                    }
                                }
                            }
                        }
                    }))
                }
            }
        }
    })
}

/// The channel mix.
pub fn mix(report: &RunReport) -> Result<Markup> {
    let Some(mix) = figures::mix(report) else { return Ok(html! {}) };
    let mix = &mix;
    let skipped = mix.weeks.len().saturating_sub(LATEST);
    Ok(html! {
        section aria-labelledby="mix" {
            h2 id="mix" { "Channels" }
            p {
                "The fraction of each week’s new users by channel, over all " @if report.job.by == ["country"] { "countries" } @else { "keys" } ". The figures next to the names are those of the latest week."
                @if mix.others > 0 { " The last layer is the sum of " (words::number(mix.others as u64)) " smaller channels." }
            }
            (super::scrolling("Chart of channels", &stack::draw(mix, "mix")?))
            (stack::names(mix))
            details {
                summary { "Users by channel and week" }
                (super::scrolling("Users by channel and week", &html! {
                    table {
                        caption { "Latest first" @if skipped > 0 { ", " (words::number(skipped as u64)) " earlier ones left out" } }
                        thead { tr {
                            th scope="col" { "Week" }
                            @for channel in &mix.channels { th scope="col" { (channel.name) @if channel.organic { " (organic)" } } }
                        } }
                        tbody {
                            @for (n, week) in mix.weeks.iter().enumerate().skip(skipped).rev() {
                                tr {
                                    th scope="row" { (words::step(crate::Grain::Week, *week)) }
                                    @for channel in &mix.channels { td { (words::amount(channel.users.get(n).copied().unwrap_or(0.0))) } }
                                }
                            }
                        }
                    }
                }))
            }
        }
    })
}

/// The users per period, where no check has counted the channels.
pub fn users(report: &RunReport) -> Result<Markup> {
    let Some(users) = figures::users(report) else { return Ok(html! {}) };
    let noun = words::step_noun(users.grain);
    let skipped = users.steps.len().saturating_sub(LATEST);
    let at = |series: &[f64], n: usize| series.get(n).copied().unwrap_or_default();
    Ok(html! {
        section aria-labelledby="users" {
            h2 id="users" { "New users per " (noun) }
            p {
                "Organic users are the lower, dark part of a bar; paid users are the upper part."
                @if report.job.by == ["country"] { " All countries are added up." }
                @else if !report.job.by.is_empty() { " All keys are added up." }
            }
            (super::scrolling("Chart of users", &bars::draw(&users, "users-chart")?))
            details {
                summary { "Users per " (noun) }
                (super::scrolling("Users per period", &html! {
                    table {
                        caption { "Latest first" @if skipped > 0 { ", " (words::number(skipped as u64)) " earlier ones left out" } }
                        thead { tr { th scope="col" { "When" } th scope="col" { "Users" } th scope="col" { "Organic" } th scope="col" { "Paid" } } }
                        tbody {
                            @for (n, step) in users.steps.iter().enumerate().skip(skipped).rev() {
                                @let (organic, paid) = (at(&users.organic, n), at(&users.paid, n));
                                tr {
                                    th scope="row" { (words::step(users.grain, *step)) }
                                    td { (words::amount(organic + paid)) }
                                    td { (words::amount(organic)) }
                                    td { (words::amount(paid)) }
                                }
                            }
                        }
                    }
                }))
            }
        }
    })
}

/// The account of the rows.
pub fn account(report: &RunReport) -> Markup {
    let Some(account) = &report.account else { return html! {} };
    html! {
        section aria-labelledby="account" {
            h2 id="account" { "Rows kept and dropped" }
            (super::scrolling("Account of the rows", &html! {
                table.narrow {
                    thead { tr { th scope="col" { "Reason" } th scope="col" { "Rows" } } }
                    tbody {
                        @for reason in reasons(&report.job, account) {
                            tr {
                                th scope="row" { @if reason.kept { "kept: " } @else { "dropped: " } (reason.words) }
                                td { (words::number(reason.rows)) }
                            }
                        }
                    }
                    tfoot {
                        tr { th scope="row" { "kept" } td { (words::number(account.kept())) } }
                        tr { th scope="row" { "dropped" } td { (words::number(account.dropped())) } }
                        tr { th scope="row" { "total" } td { (words::number(account.rows)) } }
                    }
                }
            }))
        }
    }
}
