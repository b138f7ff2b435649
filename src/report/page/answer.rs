//! The first screen: the shares of the last complete period, in words and as a table, and why they moved.

use maud::{Markup, html};

use crate::report::headline::{Headline, Standing};
use crate::report::next;
use crate::report::{RunReport, State, words};
use crate::why::{Contribution, Explanation, class_name};

/// The section of the shares.
pub fn section(report: &RunReport, headline: Option<&Headline<'_>>) -> Markup {
    let Some(headline) = headline else { return html! {} };
    html! {
        section.answer aria-labelledby="answer" {
            h2 id="answer" { (headline.what()) " in " (headline.period(headline.at)) }
            @for (at, sentence) in headline.sentences().iter().enumerate() {
                @if at == 0 { p.lead { (sentence) } } @else { p { (sentence) } }
            }
            @if report.state == State::Blocked {
                p { "These are the shares of the blocked table, which is not published." }
            }
            (super::scrolling("Shares of the largest keys", &table(headline)))
            p.note {
                (headline.window()) " The changes are percentage points. "
                @if headline.before.is_some() {
                    "A share has moved if its two 95 % intervals do not overlap; such changes are coloured. "
                }
                @if !headline.is_complete { "No period is complete." }
            }
        }
    }
}

fn table(headline: &Headline<'_>) -> Markup {
    html! {
        table.largest {
            thead { tr {
                th scope="col" { (headline.key_head()) }
                th scope="col" { "Share" }
                @for since in [headline.before, headline.year].into_iter().flatten() {
                    th scope="col" { "since " span.period { (headline.period(since)) } }
                }
                th scope="col" { "Users" }
            } }
            tbody {
                @if let Some(world) = &headline.world { (row(headline, world, true)) }
                @for standing in &headline.largest { (row(headline, standing, false)) }
            }
        }
    }
}

fn row(headline: &Headline<'_>, standing: &Standing<'_>, is_world: bool) -> Markup {
    let (code, country, others) = headline.names(&standing.key.members, &standing.key.name);
    html! {
        tr class=[is_world.then_some("world")] {
            th scope="row" { (code) @if let Some(country) = country { " " span.country { (country) } } (others) }
            td { strong { (words::percent(standing.share)) } }
            @for (since, change) in [(headline.before, standing.change), (headline.year, standing.change_of_year)] {
                @if since.is_some() { td class=[headline.has_moved(standing.key, since).then(|| direction(change))] { (points(change)) } }
            }
            td { (words::amount(standing.users)) }
        }
    }
}

/// A change in points, with a sign; a dash where there is none.
pub fn points(change: Option<f64>) -> String {
    change.map_or_else(
        || "–".to_owned(),
        |change| {
            let points = words::points(change);
            points.trim_end_matches(" points").to_owned()
        },
    )
}

/// The class of the style sheet for a change.
fn direction(change: Option<f64>) -> &'static str {
    if change.is_some_and(|change| change < 0.0) { "down" } else { "up" }
}

/// The section of the contributions of channels.
pub fn why(report: &RunReport, headline: Option<&Headline<'_>>) -> Markup {
    let Some(headline) = headline.filter(|headline| headline.explains()) else { return html! {} };
    let Some(before) = headline.before else { return html! {} };
    let found = &report.charts.why;
    // Without organic users there is nothing to explain.
    let is_organic = |standing: &Standing<'_>| standing.share.is_some_and(|share| share != 0.0);
    if found.is_empty() && !headline.world.iter().chain(&headline.largest).any(is_organic) {
        return html! {};
    }
    html! {
        section aria-labelledby="why" {
            h2 id="why" { "Why it moved" }
            @if found.is_empty() {
                p { "This run did not sum the channels of each key. What each channel contributed to a change:" }
                pre tabindex="0" { code { (next::why_command(report, &headline.key_that_moved_most(), &headline.period(headline.at), &headline.period(before))) } }
            } @else {
                p {
                    "The change of a share is the sum of what the channels contributed to it: more users of an organic channel raise it, "
                    "more users of a paid channel lower it, each by its change of users as a part of all users now, times the part of the "
                    "users before that were of the other class."
                }
                @for (at, why) in found.iter().enumerate() {
                    @if at < OPEN {
                        div.why { (explanation(report, headline, why, at)) }
                    } @else {
                        details.why { summary { (name(headline, why)) ": " (words::points(why.change)) } (explanation(report, headline, why, at)) }
                    }
                }
            }
        }
    }
}

/// The number of explanations that are visible at first.
const OPEN: usize = 2;

fn name(headline: &Headline<'_>, why: &Explanation) -> String {
    if why.members.is_empty() {
        let mut letters = headline.all();
        if let Some(first) = letters.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        return letters;
    }
    let members: Vec<String> = why.members.iter().map(|member| crate::escape::name(member).into()).collect();
    headline.name(&members, &why.name())
}

fn explanation(report: &RunReport, headline: &Headline<'_>, why: &Explanation, at: usize) -> Markup {
    let most = why.channels.iter().map(|channel| channel.contribution.abs()).fold(0.0, f64::max);
    let key = if why.members.is_empty() { crate::why::WORLD.to_owned() } else { why.members.join(",") };
    html! {
        h3 id=(super::id("why", at)) { (name(headline, why)) ": " (why.sentence()) }
        @if let Some(reason) = why.main_reason() { p { (reason) "." } }
        (super::scrolling(&format!("Contributions of channels, {}", name(headline, why)), &html! {
            table.contributions {
                thead { tr {
                    th scope="col" { "Channel" } th.left scope="col" { "Class" }
                    th scope="col" { "Users " span.period { (why.against) } }
                    th scope="col" { "Users " span.period { (why.period) } }
                    th scope="col" { "Points" } th.bars scope="col" { span.hidden { "Bar" } }
                } }
                tbody {
                    @for channel in &why.channels { (contribution(channel, most)) }
                }
                tfoot { tr {
                    th scope="row" { "All" } td.left {}
                    td { (words::amount(why.users_before)) } td { (words::amount(why.users)) }
                    td { (format!("{:+.2}", why.change * 100.0)) } td {}
                } }
            }
        }))
        details.numbers {
            summary { "This on the command line" }
            pre tabindex="0" { code { (next::why_command(report, &key, &why.period, &why.against)) } }
        }
    }
}

fn contribution(channel: &Contribution, most: f64) -> Markup {
    // Half of the bar's cell is one side.
    let width = if most > 0.0 { channel.contribution.abs() / most * 50.0 } else { 0.0 };
    let from = if channel.contribution < 0.0 { 50.0 - width } else { 50.0 };
    let class = format!("bar {}", class_name(channel.organic));
    html! {
        tr {
            th scope="row" { (crate::escape::name(&channel.channel)) }
            td.left { (class_name(channel.organic)) }
            td { (words::amount(channel.users_before)) }
            td { (words::amount(channel.users)) }
            td { (format!("{:+.2}", channel.contribution * 100.0)) }
            td.bars { span.axis { span class=(class) style=(format!("left:{from:.1}%;width:{width:.1}%")) {} } }
        }
    }
}
