//! What is drawn of a report: its series with points in time as numbers, and so
//! few of them that a page stays small.

use super::model::RunReport;
use super::series::CountryWeeks;
use crate::ids::keys::TimeCoding;
use crate::{Grain, calendar};

/// The latest points in time that are drawn: three years of weeks, and some.
pub const STEPS: usize = 160;
/// Channels that are drawn one by one; the rest is one more.
pub const CHANNELS: usize = 6;

/// The share of organic users over time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shares {
    /// Length of the window in steps.
    pub window: u32,
    /// Week or day.
    pub grain: Grain,
    /// The latest points in time, as numbers of [`crate::calendar`].
    pub steps: Vec<i32>,
    /// Earlier points that were left out.
    pub steps_left_out: usize,
    /// The first step that is not complete yet.
    pub partial_from: Option<i32>,
    /// Most users first.
    pub countries: Vec<Country>,
    /// Countries that the report itself leaves out.
    pub countries_left_out: usize,
}

/// The share of one country; every series has a value a step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Country {
    /// Its name.
    pub name: String,
    /// From 0 to 1; `None` where there were no users.
    pub share: Vec<Option<f64>>,
    /// Lower Wilson 95 % bound.
    pub low: Vec<Option<f64>>,
    /// Upper Wilson 95 % bound.
    pub high: Vec<Option<f64>>,
    /// Users in the window.
    pub users: Vec<f64>,
    /// Single weeks, which drift is judged by.
    pub weeks: Vec<Week>,
}

/// The share of a single week.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Week {
    /// Its Monday, in days since 1970-01-01.
    pub monday: i32,
    /// The share of the week alone.
    pub share: Option<f64>,
    /// Where drift lets one expect it, if there is enough history.
    pub expected: Option<(f64, f64)>,
}

impl Week {
    /// Whether the share is out of the range that was expected.
    pub fn is_outside(&self) -> bool {
        matches!((self.share, self.expected), (Some(share), Some((low, high))) if share < low || share > high)
    }
}

/// Which countries have rows on which days.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Coverage {
    /// First day that is drawn, since 1970-01-01.
    pub first: i32,
    /// Days, consecutive.
    pub days: u32,
    /// Earlier days that were left out.
    pub days_left_out: u32,
    /// Those with most days missing first.
    pub countries: Vec<CountryDays>,
}

/// The days of a country that have no row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CountryDays {
    /// Its name.
    pub name: String,
    /// Stretches without a row: first day, counted from [`Coverage::first`], and length.
    pub gaps: Vec<(u32, u32)>,
}

impl CountryDays {
    /// Days without a row.
    pub fn missing(&self) -> u64 {
        self.gaps.iter().map(|gap| u64::from(gap.1)).sum()
    }
}

/// Users by channel and week, all countries together.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mix {
    /// ISO weeks, consecutive.
    pub weeks: Vec<i32>,
    /// The largest channels, by users; the last one may be the sum of others.
    pub channels: Vec<Channel>,
    /// Channels that are added up as one.
    pub others: usize,
}

/// Users of one channel, a number a week.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// Whether it counts as organic.
    pub organic: bool,
    /// New users of the week.
    pub users: Vec<f64>,
}

/// A point in time as the report writes it.
fn step(grain: Grain, text: &str) -> Option<i32> {
    match grain {
        Grain::Week => calendar::parse_label(text.as_bytes()),
        Grain::Day => TimeCoding::Text.day(text.as_bytes()),
    }
}

/// The latest [`STEPS`] of a series.
fn latest<T>(series: &[T]) -> &[T] {
    series.get(series.len().saturating_sub(STEPS)..).unwrap_or_default()
}

/// The shares; `None` where there are none, or points in time that are none.
pub fn shares(report: &RunReport) -> Option<Shares> {
    let charts = &report.charts.shares;
    let grain = report.job.grain;
    let steps: Vec<i32> =
        latest(&charts.steps).iter().map(|text| step(grain, text)).collect::<Option<_>>()?;
    let first = *steps.first()?;
    let from = if grain == Grain::Week { calendar::monday(first) } else { first };
    let complete = latest(&charts.complete);
    let partial_from = complete.iter().zip(&steps).find(|(complete, _)| !**complete).map(|(_, step)| *step);
    let weeks = &report.charts.weeks;
    let mondays: Vec<Option<i32>> =
        weeks.steps.iter().map(|text| step(Grain::Week, text).map(calendar::monday)).collect();
    let countries = charts.countries.iter().map(|country| {
        let of = weeks.countries.iter().find(|w| w.country == country.country);
        Country {
            name: country.country.clone(),
            share: latest(&country.share).to_vec(),
            low: latest(&country.low).to_vec(),
            high: latest(&country.high).to_vec(),
            users: latest(&country.total).to_vec(),
            weeks: of.map(|of| single_weeks(of, &mondays, &weeks.complete, from)).unwrap_or_default(),
        }
    });
    Some(Shares {
        // `share_organic_p4w`
        window: charts
            .column
            .trim_start_matches("share_organic_p")
            .trim_end_matches(['w', 'd'])
            .parse()
            .ok()?,
        grain,
        steps_left_out: charts.steps.len() - steps.len(),
        partial_from,
        countries: countries.collect(),
        countries_left_out: charts.left_out,
        steps,
    })
}

/// The complete weeks of a country from the day `from` on.
fn single_weeks(of: &CountryWeeks, mondays: &[Option<i32>], complete: &[bool], from: i32) -> Vec<Week> {
    let at = |series: &[Option<f64>], n: usize| series.get(n).copied().flatten();
    let weeks = mondays.iter().zip(complete).enumerate().filter(|(_, (_, complete))| **complete);
    weeks
        .filter_map(|(n, (monday, _))| {
            let users = of.users.get(n).copied().unwrap_or_default();
            let organic = of.organic.get(n).copied().unwrap_or_default();
            Some(Week {
                monday: (*monday)?,
                share: (users > 0.0).then(|| organic / users),
                expected: at(&of.share_low, n).zip(at(&of.share_high, n)),
            })
        })
        .filter(|week| week.monday >= from)
        .collect()
}

/// Days that a calendar shows: as many weeks as the shares have.
const DAYS: usize = STEPS * 7;

/// The calendar; `None` where nobody looked at the days.
pub fn coverage(report: &RunReport) -> Option<Coverage> {
    let charts = &report.charts.coverage;
    let start = step(Grain::Day, &charts.first_day)?;
    let skipped = charts.days.saturating_sub(DAYS);
    let mut countries: Vec<CountryDays> = charts
        .countries
        .iter()
        .zip(charts.rows.chunks(charts.days.max(1)))
        .map(|(name, rows)| {
            let mut gaps: Vec<(u32, u32)> = Vec::new();
            for (day, rows) in (0u32..).zip(rows.get(skipped..).unwrap_or_default()) {
                match gaps.last_mut() {
                    _ if *rows > 0 => {}
                    Some((from, length)) if *from + *length == day => *length += 1,
                    _ => gaps.push((day, 1)),
                }
            }
            CountryDays { name: name.clone(), gaps }
        })
        .collect();
    countries.sort_by(|a, b| b.missing().cmp(&a.missing()).then_with(|| a.name.cmp(&b.name)));
    Some(Coverage {
        first: start.checked_add(i32::try_from(skipped).ok()?)?,
        days: u32::try_from(charts.days - skipped).ok()?,
        days_left_out: u32::try_from(skipped).ok()?,
        countries,
    })
}

/// The channel mix; `None` where nobody looked at the channels.
pub fn mix(report: &RunReport) -> Option<Mix> {
    let charts = &report.charts.mix;
    let weeks: Vec<i32> =
        latest(&charts.steps).iter().map(|text| step(Grain::Week, text)).collect::<Option<_>>()?;
    if weeks.is_empty() || charts.channels.is_empty() {
        return None;
    }
    let mut channels: Vec<Channel> = charts
        .channels
        .iter()
        .zip(charts.users.chunks(charts.steps.len()))
        .map(|(name, users)| Channel {
            name: name.clone(),
            organic: report.job.organic.contains(name),
            users: latest(users).to_vec(),
        })
        .collect();
    // One more than the rest would be: a sum of one channel is that channel.
    let rest = if channels.len() > CHANNELS + 1 { channels.split_off(CHANNELS) } else { Vec::new() };
    if !rest.is_empty() {
        let mut users = vec![0.0; weeks.len()];
        for channel in &rest {
            users.iter_mut().zip(&channel.users).for_each(|(to, from)| *to += from);
        }
        channels.push(Channel { name: format!("{} others", rest.len()), organic: false, users });
    }
    Some(Mix { weeks, channels, others: rest.len() })
}
