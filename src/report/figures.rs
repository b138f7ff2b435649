//! The series that a page draws, with points in time as numbers. Their length is bounded, and that of names, so that
//! the page stays small.

use super::model::RunReport;
use super::series::{CountryWeeks, KeyShares};
use super::words;
use crate::calendar::period::{self, Periods, Weekday};
use crate::scan::classes::TimeCoding;
use crate::table::keys;
use crate::{Grain, calendar, escape};

/// The number of points in time that are drawn, the latest ones: a little over three years of weeks.
pub const STEPS: usize = 160;
/// The number of channels that are drawn separately; the rest is drawn as one.
pub const CHANNELS: usize = 6;

/// The share over time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shares {
    /// The length of the window in steps.
    pub window: u32,
    /// Day, week or month.
    pub grain: Grain,
    /// The first day of a week.
    pub week_start: Weekday,
    /// The dimensions of a key; the last one is `channel` in shares of channels.
    pub dimensions: Vec<String>,
    /// Whether the shares are those of channels, and not of organic users.
    pub of_channel: bool,
    /// The latest points in time, as numbers of [`crate::calendar`].
    pub steps: Vec<i32>,
    /// The number of earlier points that were left out.
    pub steps_left_out: usize,
    /// Whether the data covers each step completely.
    pub complete: Vec<bool>,
    /// All keys together; `None` for shares of channels, a key without dimensions, and reports of earlier versions.
    pub world: Option<Key>,
    /// Keys, most users first.
    pub keys: Vec<Key>,
    /// The number of keys that the report leaves out.
    pub keys_left_out: usize,
}

/// The share of one key; every series has one value per step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Key {
    /// The name for people.
    pub name: String,
    /// Its members, one per dimension.
    pub members: Vec<String>,
    /// The share, from 0 to 1; `None` if there were no users.
    pub share: Vec<Option<f64>>,
    /// The lower Wilson 95 % bound.
    pub low: Vec<Option<f64>>,
    /// The upper Wilson 95 % bound.
    pub high: Vec<Option<f64>>,
    /// Whether it is a total that the job adds.
    pub is_total: bool,
    /// Users in the window; in shares of channels, those of the channel.
    pub users: Vec<f64>,
    /// Single weeks, which the drift checks judge.
    pub weeks: Vec<Week>,
}

impl Key {
    /// The share at an index of the steps.
    pub fn share_at(&self, at: usize) -> Option<f64> {
        self.share.get(at).copied().flatten()
    }
}

impl Shares {
    /// What the share is: `Organic share`.
    pub fn what(&self) -> &'static str {
        if self.of_channel { "Share" } else { "Organic share" }
    }

    /// Whether the data covers the step at an index completely.
    pub fn is_complete(&self, at: usize) -> bool {
        self.complete.get(at).copied().unwrap_or(true)
    }

    /// Whether the last step is not complete.
    pub fn ends_in_partial_step(&self) -> bool {
        self.complete.last() == Some(&false)
    }

    /// What is drawn, and of which key: `Organic share in FR`.
    pub fn title(&self, name: &str) -> String {
        let what = self.what();
        let of = if self.dimensions.first().is_some_and(|name| name == "country") { "in" } else { "of" };
        format!("{what} {of} {name}")
    }

    /// The first day of a point in time.
    pub fn first_day(&self, step: i32) -> i32 {
        Periods { grain: self.grain, week_start: self.week_start }.first_day(step)
    }

    /// The names of the dimensions.
    pub fn by(&self) -> Vec<&str> {
        self.dimensions.iter().map(String::as_str).collect()
    }
}

/// New users per period.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Users {
    /// Day, week or month.
    pub grain: Grain,
    /// The first day of a week.
    pub week_start: Weekday,
    /// Consecutive points in time.
    pub steps: Vec<i32>,
    /// Organic users.
    pub organic: Vec<f64>,
    /// Paid users.
    pub paid: Vec<f64>,
}

impl Users {
    /// The first day of a point in time.
    pub fn first_day(&self, step: i32) -> i32 {
        Periods { grain: self.grain, week_start: self.week_start }.first_day(step)
    }
}

/// The organic share of a single week.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Week {
    /// Its first day, in days since 1970-01-01.
    pub first_day: i32,
    /// The share of the single week.
    pub share: Option<f64>,
    /// The range in which `share_drift` does not warn, if there is enough history.
    pub expected: Option<(f64, f64)>,
}

/// The widest range that is drawn: a wider one excludes less than half of all shares, and says nothing.
const WIDEST: f64 = 0.5;

impl Week {
    /// The expected range, where it is so narrow that it says something.
    pub fn narrow_range(&self) -> Option<(f64, f64)> {
        self.expected.filter(|(low, high)| high - low <= WIDEST)
    }

    /// Whether the share is outside of the expected range.
    pub fn is_outside(&self) -> bool {
        matches!((self.share, self.expected), (Some(share), Some((low, high))) if share < low || share > high)
    }
}

/// Which countries have rows on which days.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Coverage {
    /// The first day that is drawn, in days since 1970-01-01.
    pub first: i32,
    /// The number of consecutive days.
    pub days: u32,
    /// The number of earlier days that were left out.
    pub days_left_out: u32,
    /// Countries, those with most missing days first.
    pub countries: Vec<CountryDays>,
}

/// The days of a country without a row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CountryDays {
    /// The name of the country.
    pub name: String,
    /// Gaps: the first day, counted from [`Coverage::first`], and the length.
    pub gaps: Vec<(u32, u32)>,
}

impl CountryDays {
    /// The number of days without a row.
    pub fn missing(&self) -> u64 {
        self.gaps.iter().map(|gap| u64::from(gap.1)).sum()
    }
}

/// Users by channel and week, over all countries.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mix {
    /// Consecutive weeks.
    pub weeks: Vec<i32>,
    /// The first day of a week.
    pub week_start: Weekday,
    /// The largest channels, by users; the last one may be the sum of others.
    pub channels: Vec<Channel>,
    /// The number of channels that are summed as one.
    pub others: usize,
}

impl Mix {
    /// The first day of a week.
    pub fn first_day(&self, week: i32) -> i32 {
        period::week_start(week, self.week_start)
    }
}

/// The users of one channel.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Channel {
    /// The name.
    pub name: String,
    /// Whether the channel counts as organic.
    pub organic: bool,
    /// New users, one value per week.
    pub users: Vec<f64>,
}

/// A name for people.
fn shown(name: &str) -> String {
    escape::name(name).into()
}

/// Parses a point in time of a report.
fn step(grain: Grain, text: &str) -> Option<i32> {
    match grain {
        Grain::Week => calendar::parse_label(text.as_bytes()),
        Grain::Day => TimeCoding::Text.day(text.as_bytes()),
        Grain::Month => TimeCoding::Text.day(format!("{text}-01").as_bytes()).map(calendar::period::month_of),
    }
}

/// The latest [`STEPS`] of a series.
fn latest<T>(series: &[T]) -> &[T] {
    #[allow(clippy::indexing_slicing)] // at most the length
    &series[series.len().saturating_sub(STEPS)..]
}

/// The shares; `None` if the report has no shares, or a point in time that cannot be parsed.
pub fn shares(report: &RunReport) -> Option<Shares> {
    let charts = &report.charts.shares;
    let grain = report.job.grain;
    let steps: Vec<i32> =
        latest(&charts.steps).iter().map(|text| step(grain, text)).collect::<Option<_>>()?;
    let first = *steps.first()?;
    let week_start = report.job.profile.time.week_start;
    let from = Periods { grain, week_start }.first_day(first);
    let weeks = &report.charts.weeks;
    let first_day = |text: &String| step(Grain::Week, text).map(|week| period::week_start(week, week_start));
    let first_days: Vec<Option<i32>> = weeks.steps.iter().map(first_day).collect();
    let of_channel = report.job.share_of_channel;
    let key_of = |key: &KeyShares| {
        let single = weeks.countries.iter().find(|w| w.country == key.name);
        let mut named = report.job.by.iter().zip(&key.members);
        // Earlier formats have one member, the country.
        let only = || if key.name.is_empty() { Vec::new() } else { vec![shown(&key.name)] };
        Key {
            name: if key.members.is_empty() && key.name.is_empty() {
                "all users".into()
            } else {
                escape::name(&key.name).into()
            },
            members: if key.members.is_empty() {
                only()
            } else {
                key.members.iter().map(|name| shown(name)).collect()
            },
            is_total: named.any(|(name, member)| keys::is_total(&report.job, name, member)),
            share: latest(&key.share).to_vec(),
            low: latest(&key.low).to_vec(),
            high: latest(&key.high).to_vec(),
            users: latest(if of_channel { &key.organic } else { &key.total }).to_vec(),
            weeks: single
                .map(|single| single_weeks(single, &first_days, &weeks.complete, from))
                .unwrap_or_default(),
        }
    };
    let channel = of_channel.then(|| "channel".to_owned());
    Some(Shares {
        // `share_organic_p4w`, `share_p4w`
        window: charts
            .column
            .rsplit("_p")
            .next()?
            .trim_end_matches(|c: char| c.is_ascii_alphabetic())
            .parse()
            .ok()?,
        grain,
        week_start,
        dimensions: report.job.by.iter().map(|name| shown(name)).chain(channel).collect(),
        of_channel,
        steps_left_out: charts.steps.len() - steps.len(),
        complete: latest(&charts.complete).to_vec(),
        world: charts.world.as_ref().map(|world| Key {
            name: format!(
                "all {}",
                words::key_noun(2, &report.job.by.iter().map(String::as_str).collect::<Vec<_>>())
            ),
            weeks: Vec::new(),
            ..key_of(world)
        }),
        keys: charts.keys.iter().map(key_of).collect(),
        keys_left_out: charts.left_out,
        steps,
    })
}

/// The users per period; `None` if the report has none.
pub fn users(report: &RunReport) -> Option<Users> {
    let charts = &report.charts.users;
    let grain = report.job.grain;
    let steps: Vec<i32> =
        latest(&charts.steps).iter().map(|text| step(grain, text)).collect::<Option<_>>()?;
    (!steps.is_empty()).then(|| Users {
        grain,
        week_start: report.job.profile.time.week_start,
        steps,
        organic: latest(&charts.organic).to_vec(),
        paid: latest(&charts.paid).to_vec(),
    })
}

/// The complete weeks of a country from the day `from` on.
fn single_weeks(
    country: &CountryWeeks,
    first_days: &[Option<i32>],
    complete: &[bool],
    from: i32,
) -> Vec<Week> {
    let at = |series: &[Option<f64>], n: usize| series.get(n).copied().flatten();
    let weeks = first_days.iter().zip(complete).enumerate().filter(|(_, (_, complete))| **complete);
    weeks
        .filter_map(|(n, (first_day, _))| {
            let users = country.users.get(n).copied().unwrap_or_default();
            let organic = country.organic.get(n).copied().unwrap_or_default();
            Some(Week {
                first_day: (*first_day)?,
                share: (users > 0.0).then(|| organic / users),
                expected: at(&country.share_low, n).zip(at(&country.share_high, n)),
            })
        })
        .filter(|week| week.first_day >= from)
        .collect()
}

/// The number of days that the calendar shows: as many weeks as the shares have.
const DAYS: usize = STEPS * 7;

/// The calendar; `None` if the report has no days.
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
            for (day, rows) in (0u32..).zip(rows.iter().skip(skipped)) {
                match gaps.last_mut() {
                    _ if *rows > 0 => {}
                    Some((from, length)) if *from + *length == day => *length += 1,
                    _ => gaps.push((day, 1)),
                }
            }
            CountryDays { name: shown(name), gaps }
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

/// The channel mix; `None` if the report has no channels.
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
            name: shown(name),
            // Names of a report are cut.
            organic: report.job.organic().iter().any(|organic| escape::cut(organic) == *name),
            users: latest(users).to_vec(),
        })
        .collect();
    // If only one more channel remains, it is drawn separately.
    let rest = if channels.len() > CHANNELS + 1 { channels.split_off(CHANNELS) } else { Vec::new() };
    if !rest.is_empty() {
        let mut users = vec![0.0; weeks.len()];
        for channel in &rest {
            users.iter_mut().zip(&channel.users).for_each(|(to, from)| *to += from);
        }
        channels.push(Channel { name: format!("{} others", rest.len()), organic: false, users });
    }
    Some(Mix { weeks, week_start: report.job.profile.time.week_start, channels, others: rest.len() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::calendar::{Date, day_of};

    #[test]
    fn weeks_are_drawn_at_their_first_day() {
        let steps = || vec!["2021_01".to_owned(), "2021_02".to_owned()];
        let mut report = RunReport::default();
        report.charts.shares.column = "share_organic_p4w".into();
        report.charts.shares.steps = steps();
        report.charts.shares.keys =
            vec![super::super::series::KeyShares { name: "FR".into(), ..Default::default() }];
        report.charts.weeks.steps = steps();
        report.charts.weeks.complete = vec![true; 2];
        report.charts.weeks.countries = vec![CountryWeeks { country: "FR".into(), ..Default::default() }];
        report.charts.users.steps = steps();
        report.charts.mix.steps = steps();
        report.charts.mix.channels = vec!["a".into()];
        for (week_start, day) in [(Weekday::Monday, 4), (Weekday::Sunday, 3), (Weekday::Tuesday, 29)] {
            report.job.profile.time.week_start = week_start;
            let (year, month) = if day == 29 { (2020, 12) } else { (2021, 1) };
            let first = day_of(Date { year, month, day });
            let (shares, users, mix) =
                (shares(&report).unwrap(), users(&report).unwrap(), mix(&report).unwrap());
            let days: Vec<i32> = shares.keys[0].weeks.iter().map(|week| week.first_day).collect();
            assert_eq!(days, [first, first + 7], "{week_start}");
            for days in [
                [shares.first_day(shares.steps[0]), shares.first_day(shares.steps[1])],
                [users.first_day(users.steps[0]), users.first_day(users.steps[1])],
                [mix.first_day(mix.weeks[0]), mix.first_day(mix.weeks[1])],
            ] {
                assert_eq!(days, [first, first + 7], "{week_start}");
            }
        }
    }
}
