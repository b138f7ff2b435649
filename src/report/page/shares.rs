//! The share over time: a chart and a table per key. Where a key has several dimensions, a chart per member of the
//! first one, with a line per key.

use std::fmt::Write as _;

use maud::{Markup, html};
use rayon::prelude::*;

use super::answer::points;
use super::id;
use crate::report::RunReport;
use crate::report::chart::lines::{self, Line};
use crate::report::countries;
use crate::report::figures::{self, Key, Shares};
use crate::report::headline::four_weeks;
use crate::report::words;
use crate::{Grain, Result};

/// The number of charts that are visible at first.
const OPEN: usize = 12;
/// The number of further charts, which are collapsed.
const FOLDED: usize = 36;
/// The number of points in time that a table lists, the latest ones.
const LATEST: usize = 26;
/// The number of lines that have a colour of their own; `style.css` has one more for the others.
const COLOURS: usize = 6;
/// The number of dimensions that can be filtered, the first ones.
const FILTERS: usize = 4;

/// The section, and the style that its filters need.
pub fn section(report: &RunReport, found: Option<&Shares>) -> Result<(Markup, String)> {
    let Some(shares) = found.filter(|shares| !shares.keys.is_empty()) else {
        let markup = html! {
            section aria-labelledby="shares" {
                h2 id="shares" { "Organic share" }
                p { "There is no table: nothing was computed." }
            }
        };
        return Ok((markup, String::new()));
    };
    let order = order(report, shares);
    let filters = Filters::of(shares);
    let panels = panels(shares, &order);
    let scale =
        lines::common_scale(panels.iter().take(OPEN + FOLDED).flat_map(|panel| &panel.keys).map(|key| key.0));
    let (shown, left_out) = panels.split_at(panels.len().min(OPEN + FOLDED));
    let charts: Vec<Markup> = (shown.par_iter().enumerate())
        .map(|(n, panel)| match panel.keys.as_slice() {
            [(key, _)] => chart(shares, key, scale, &filters, n),
            _ => chart_of_several(shares, panel, scale, &filters, n),
        })
        .collect::<Result<_>>()?;
    let (open, folded) = charts.split_at(charts.len().min(OPEN));
    let rest: usize = left_out.iter().map(|panel| panel.keys.len()).sum();
    let has_lines = shown.iter().any(|panel| panel.keys.len() > 1);
    let unit = words::step_noun(shares.grain);
    let by = shares.by();
    let noun = if by == ["country"] { "country" } else { "key" };
    // Charts are of keys, or of members of the first dimension.
    let of_chart = by.get(..1).filter(|_| by.len() > 1).unwrap_or(&by);
    let what = if shares.of_channel { "Share of each channel" } else { "Organic share" };
    let markup = html! {
        section.shares aria-labelledby="shares" {
            h2 id="shares" { (what) ", rolling window of " (words::count(shares.window.into(), unit)) }
            p {
                "The figures are those of the last complete " (unit) ", with the change since " @if shares.grain == Grain::Month { "a month" } @else { "four weeks" } " before in points. All charts have one scale. The grey area is the number of users in the window, on a scale of its own."
                @if has_lines {
                    " Each line is a key; its 95 % interval (Wilson) is in the numbers below the chart."
                } @else {
                    " The shaded band is the 95 % interval of the share (Wilson)."
                }
                @if shares.keys.iter().flat_map(|key| &key.weeks).any(|w| w.expected.is_some()) {
                    " Dots are single weeks. Thin lines mark the range expected from the history of the " (noun) ", where it is narrower than 50 points; a cross is a week outside of its range."
                }
                @if shares.ends_in_partial_step() { " A hollow dot marks an incomplete last week." }
                @if shares.steps_left_out > 0 {
                    " The charts show the latest " (words::count(shares.steps.len() as u64, unit)) "; " (words::number(shares.steps_left_out as u64)) " earlier ones are only in the published table."
                }
            }
            label.switch { input type="checkbox" id="own-scale" autocomplete="off"; " A scale of its own for each chart" }
            (filters.markup())
            div.multiples { @for chart in open { (chart) } }
            @if !folded.is_empty() {
                details.folded {
                    summary { (words::number(folded.len() as u64)) " more " (words::key_noun(folded.len() as u64, of_chart)) }
                    div.multiples { @for chart in folded { (chart) } }
                }
            }
            @if rest > 0 {
                p { "Another " (words::keys(rest as u64, &by)) " have no chart here; they are in the table below." }
            }
            @if shares.keys_left_out > 0 {
                p { "The " (words::number(shares.keys_left_out as u64)) " smallest " (words::key_noun(2, &by)) " are not on this page; they are in the computed table." }
            }
            details {
                summary { "All " (words::keys(order.len() as u64, &by)) ", latest share" }
                (super::scrolling("Latest share", &latest(shares, &order, &filters)))
            }
        }
    };
    Ok((markup, filters.style()))
}

/// The filters of keys of several dimensions: a list of members per dimension. They need no script: rules of the style
/// hide what has another member than the selected one.
struct Filters<'a> {
    /// Dimensions with their members, in the order of the members.
    dimensions: Vec<(&'a str, Vec<&'a str>)>,
}

impl<'a> Filters<'a> {
    fn of(shares: &'a Shares) -> Self {
        let is_filtered = shares.dimensions.len() > 1;
        let members = |at: usize| {
            let mut members: Vec<&str> =
                shares.keys.iter().filter_map(|key| key.members.get(at)).map(String::as_str).collect();
            members.sort_unstable();
            members.dedup();
            members
        };
        let dimensions = shares.dimensions.iter().take(if is_filtered { FILTERS } else { 0 });
        Filters {
            dimensions: dimensions.enumerate().map(|(at, name)| (name.as_str(), members(at))).collect(),
        }
    }

    /// The numbers of the members of a key, one per filter.
    fn values(&self, key: &Key) -> Vec<Option<usize>> {
        let number =
            |(members, member): (&(&str, Vec<&str>), &String)| members.1.binary_search(&member.as_str()).ok();
        self.dimensions.iter().zip(&key.members).map(number).collect()
    }

    /// The number of a key's member in dimension `at`.
    fn value(&self, key: &Key, at: usize) -> Option<usize> {
        self.values(key).get(at).copied().flatten()
    }

    fn markup(&self) -> Markup {
        html! {
            @if !self.dimensions.is_empty() {
                div.filters {
                    @for (at, (name, members)) in self.dimensions.iter().enumerate() {
                        label {
                            (name) " "
                            select id=(id("filter", at)) autocomplete="off" {
                                option value="" selected { "all" }
                                @for (n, member) in members.iter().enumerate() {
                                    option value=(n) { (shown(member)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    fn style(&self) -> String {
        let mut rules = String::new();
        if !self.dimensions.is_empty() {
            // What is selected may be among the collapsed charts.
            rules.push_str(r#".shares:has(select option:not([value=""]):checked) .folded::details-content{content-visibility:visible;block-size:auto}"#);
        }
        for (at, (_, members)) in self.dimensions.iter().enumerate() {
            let filter = id("filter", at);
            for n in 0..members.len() {
                let chosen = format!(r#".shares:has(#{filter} option[value="{n}"]:checked)"#);
                let (any, this) = (format!("[data-d{at}]"), format!(r#"[data-d{at}="{n}"]"#));
                let _ = write!(rules, "{chosen} {any}:not({this})");
                if at > 0 {
                    // A chart none of whose lines is left.
                    let _ = write!(rules, ",{chosen} .share:has(.lines):not(:has({this}))");
                }
                rules.push_str("{display:none}");
            }
        }
        rules
    }
}

/// A chart: a key, or the keys of a member of the first dimension.
struct Panel<'a> {
    /// The member, or the key.
    name: &'a str,
    /// The keys, each with the number of its colour.
    keys: Vec<(&'a Key, usize)>,
}

/// The charts, in the order of their first keys.
fn panels<'a>(shares: &Shares, order: &[&'a Key]) -> Vec<Panel<'a>> {
    if shares.dimensions.len() < 2 {
        return order.iter().map(|key| Panel { name: &key.name, keys: vec![(*key, 0)] }).collect();
    }
    // The other members have the same colour in every chart.
    let mut colours: Vec<&[String]> = Vec::new();
    let mut panels: Vec<Panel<'a>> = Vec::new();
    for key in order {
        let Some((first, others)) = key.members.split_first() else { continue };
        let colour = colours.iter().position(|known| *known == others).unwrap_or_else(|| {
            colours.push(others);
            colours.len() - 1
        });
        let line = (*key, colour.min(COLOURS));
        match panels.iter_mut().find(|panel| panel.name == first) {
            Some(panel) => panel.keys.push(line),
            None => panels.push(Panel { name: first, keys: vec![line] }),
        }
    }
    for panel in &mut panels {
        panel.keys.sort_by_key(|(_, colour)| *colour);
    }
    panels
}

/// The keys by users in their order, those with a finding of a drift or table check first.
fn order<'a>(report: &RunReport, shares: &'a Shares) -> Vec<&'a Key> {
    let mut keys: Vec<&Key> = shares.keys.iter().collect();
    keys.sort_by_key(|key| !(is_outside(key) || is_named(report, &key.name)));
    keys
}

/// Whether a check on the table names the key, whose name is escaped as sentences are.
fn is_named(report: &RunReport, name: &str) -> bool {
    let staging = report.outcomes.iter().filter(|o| o.check.stage() != crate::checks::Stage::Raw);
    let mut offenders = staging.flat_map(|o| &o.offenders);
    // A violation of a key begins with its name: `GB, ios: 46 users in 2023-W45`.
    offenders.any(|o| o.value.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', ':'])))
}

/// Whether the latest complete week is outside of the expected range.
fn is_outside(key: &Key) -> bool {
    key.weeks.last().is_some_and(figures::Week::is_outside)
}

/// A scale, from its lowest to its highest share.
type Scale = (f64, f64);

/// The share of a key in the last complete period: its index, its value, and its change since four weeks before, with
/// the index of that period.
fn latest_share(shares: &Shares, key: &Key) -> (Option<usize>, Option<f64>, Option<(f64, usize)>) {
    let with_share = |at: &usize| key.share_at(*at).is_some();
    let steps = || (0..shares.steps.len()).rev().filter(with_share);
    let last = steps().find(|at| shares.is_complete(*at)).or_else(|| steps().next());
    let value = last.and_then(|at| key.share_at(at));
    let before = last.and_then(|last| last.checked_sub(four_weeks(shares.grain)));
    let change = before.and_then(|before| Some((value? - key.share_at(before)?, before)));
    (last, value, change)
}

/// A change, and since when.
fn change_since(shares: &Shares, change: Option<(f64, usize)>) -> Markup {
    html! {
        @if let Some((change, before)) = change {
            span.change {
                (points(Some(change)))
                span.hidden { " points since " (shares.steps.get(before).map(|step| words::step(shares.grain, *step)).unwrap_or_default()) }
            }
        } @else {
            span.change {}
        }
    }
}

/// The name of a key, and that of its country.
fn heading(shares: &Shares, first: Option<&String>, name: &str) -> Markup {
    let country = first.and_then(|member| countries::name_in(shares, member));
    html! { (name) @if let Some(country) = country { " " span.country { (country) } } }
}

/// The chart of one key.
fn chart(shares: &Shares, key: &Key, scale: Scale, filters: &Filters<'_>, n: usize) -> Result<Markup> {
    let (_, value, change) = latest_share(shares, key);
    let values = filters.values(key);
    let value_of = |at: usize| values.get(at).copied().flatten();
    Ok(html! {
        figure.share data-d0=[value_of(0)] data-d1=[value_of(1)] data-d2=[value_of(2)] data-d3=[value_of(3)] {
            figcaption {
                h3 { (heading(shares, key.members.first(), shown(&key.name))) }
                strong { (words::percent(value)) }
                (change_since(shares, change))
            }
            div.common { (lines::draw(shares, key, Some(scale), &id("share", n))?) }
            div.own { (lines::draw(shares, key, None, &id("own", n))?) }
            details.numbers {
                summary { "Numbers" span.hidden { " of " (shown(&key.name)) } }
                (super::scrolling(&shares.title(&key.name), &numbers(shares, key)))
            }
        }
    })
}

/// The chart of the keys of a member of the first dimension.
fn chart_of_several(
    shares: &Shares,
    panel: &Panel<'_>,
    scale: Scale,
    filters: &Filters<'_>,
    n: usize,
) -> Result<Markup> {
    let others = shares.dimensions.get(1..).unwrap_or_default().join(" x ");
    let title = format!("{} by {others}", shares.title(shown(panel.name)));
    let lines: Vec<Line<'_>> = (panel.keys.iter())
        .map(|(key, colour)| Line { key, colour: *colour, filters: filters.values(key) })
        .collect();
    let (with_colour, without): (Vec<_>, Vec<_>) =
        panel.keys.iter().partition(|(_, colour)| *colour < COLOURS);
    let name_of = |key: &Key| {
        key.members.get(1..).unwrap_or_default().iter().map(|m| shown(m)).collect::<Vec<_>>().join(", ")
    };
    let entry = |(key, colour): &(&Key, usize)| {
        let (_, value, change) = latest_share(shares, key);
        let value_of = |at: usize| filters.value(key, at);
        html! {
            li data-d1=[value_of(1)] data-d2=[value_of(2)] data-d3=[value_of(3)] {
                span class=(format!("swatch c{colour}")) aria-hidden="true" {}
                span.name { (name_of(key)) }
                strong { (words::percent(value)) }
                (change_since(shares, change))
            }
        }
    };
    let first = panel.keys.first().and_then(|(key, _)| filters.value(key, 0));
    Ok(html! {
        figure.share data-d0=[first] {
            figcaption { h3 { (heading(shares, Some(&panel.name.to_owned()), shown(panel.name))) } }
            div.common { (lines::draw_several(shares, &lines, &title, Some(scale), &id("share", n))?) }
            div.own { (lines::draw_several(shares, &lines, &title, None, &id("own", n))?) }
            ul.lines { @for line in &with_colour { (entry(line)) } }
            @if !without.is_empty() {
                details {
                    summary { (words::number(without.len() as u64)) " more, as grey lines" }
                    ul.lines { @for line in &without { (entry(line)) } }
                }
            }
            details.numbers {
                summary { "Numbers" span.hidden { " of " (shown(panel.name)) } }
                @for (key, _) in &panel.keys {
                    @let value_of = |at: usize| filters.value(key, at);
                    div data-d1=[value_of(1)] data-d2=[value_of(2)] data-d3=[value_of(3)] {
                        h4 { (name_of(key)) }
                        (super::scrolling(&shares.title(&key.name), &numbers(shares, key)))
                    }
                }
            }
        }
    })
}

/// The name of a member or key, with a placeholder for the empty name.
fn shown(name: &str) -> &str {
    if name.is_empty() { "(no name)" } else { name }
}

fn numbers(shares: &Shares, key: &Key) -> Markup {
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
                        td { (words::percent(at(&key.share, n))) }
                        td { (words::percent(at(&key.low, n))) }
                        td { (words::percent(at(&key.high, n))) }
                        td { (key.users.get(n).map_or_else(|| "–".into(), |users| words::amount(*users))) }
                    }
                }
            }
        }
    }
}

fn latest(shares: &Shares, order: &[&Key], filters: &Filters<'_>) -> Markup {
    let heads: Vec<&str> = match shares.by().as_slice() {
        [] => vec!["Key"],
        ["country"] => vec!["Country"],
        by => by.to_vec(),
    };
    let since = match shares.grain {
        Grain::Month => "a month before",
        _ => "four weeks before",
    };
    // Only the checks know single weeks.
    let has_weeks = !shares.of_channel && order.iter().any(|key| !key.weeks.is_empty());
    html! {
        table {
            thead { tr {
                @for head in &heads { th.left scope="col" { (head) } }
                th scope="col" { "When" } th scope="col" { "Share" } th scope="col" { "Points since " (since) } th scope="col" { "Users" }
                @if has_weeks { th scope="col" { "Latest complete week" } th scope="col" { "Expected" } }
            } }
            tbody {
                @for key in order {
                    @let (last, share, change) = latest_share(shares, key);
                    @let value_of = |at: usize| filters.value(key, at);
                    tr data-d0=[value_of(0)] data-d1=[value_of(1)] data-d2=[value_of(2)] data-d3=[value_of(3)] {
                        @if heads.len() == key.members.len() {
                            @for (at, member) in key.members.iter().enumerate() {
                                @if at == 0 { th scope="row" { (heading(shares, Some(member), shown(member))) } } @else { td.left { (shown(member)) } }
                            }
                        } @else {
                            th scope="row" { (shown(&key.name)) }
                            @for _ in heads.iter().skip(1) { td.left {} }
                        }
                        td { (last.and_then(|at| shares.steps.get(at)).map_or_else(|| "–".into(), |s| words::step(shares.grain, *s))) }
                        td { (words::percent(share)) }
                        td { (points(change.map(|change| change.0))) }
                        td { (last.and_then(|at| key.users.get(at)).map_or_else(|| "–".into(), |users| words::amount(*users))) }
                        @if has_weeks {
                            td { (words::percent(key.weeks.last().and_then(|week| week.share))) @if is_outside(key) { ", outside" } }
                            td { (expected(key)) }
                        }
                    }
                }
            }
        }
    }
}

/// The expected range of the latest complete week.
fn expected(key: &Key) -> String {
    key.weeks.last().and_then(|week| week.expected).map_or_else(
        || "–".into(),
        |(low, high)| format!("{} to {}", words::percent(Some(low)), words::percent(Some(high))),
    )
}
