//! The series of a report, as plain columns: every list of a chart is as long as its axis.

use std::borrow::Cow;

use rayon::prelude::*;

use crate::calendar::period::week_of_with_start;
use crate::calendar::week_label;
use crate::checks::drift::mix;
use crate::checks::drift::series::{self, Measure};
use crate::checks::raw::cube::Cube;
use crate::checks::{CheckId, Config};
use crate::grid::{Partial, TimePoint};
use crate::history::{History, Panel, Totals};
use crate::profile::Class;
use crate::profile::meaning::ClassRule;
use crate::profile::question::{NULL, SEPARATOR, TOTAL};
use crate::report::words;
use crate::table::cell::iso_date;
use crate::table::{Cell, Column, Table, finish, share};
use crate::why::Explanation;
use crate::window::{Prefix, Sum};
use crate::{Job, Semantics, calendar, escape};

/// Series for charts.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Charts {
    /// The published share, per key.
    pub shares: Shares,
    /// Users per period, where there are no users per channel in [`Self::mix`].
    pub users: Users,
    /// Single weeks, which the drift checks judge, per key.
    pub weeks: Weeks,
    /// Rows per country and day.
    pub coverage: Coverage,
    /// Users per channel and week, all countries together.
    pub mix: Mix,
    /// What each channel contributed to the changes of all keys together and of the keys that moved most.
    pub why: Vec<Explanation>,
}

/// The published share over time.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Shares {
    /// The column: `share_organic_p4w`, `share_p4w`.
    pub column: String,
    /// Consecutive weeks `yyyy_ww`, days `yyyy-mm-dd` or months `yyyy-mm`.
    pub steps: Vec<String>,
    /// Whether the data covers each step completely; the last one may be partial.
    pub complete: Vec<bool>,
    /// All keys together; null for shares of channels, and for a key without dimensions.
    pub world: Option<KeyShares>,
    /// Keys, most users first.
    #[serde(alias = "countries")]
    pub keys: Vec<KeyShares>,
    /// The number of keys that were left out, the smallest ones.
    pub left_out: usize,
}

/// The share of a key, one value per step.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct KeyShares {
    /// Its members as one text: `FR`, or `FR, ios`.
    #[serde(alias = "country")]
    pub name: String,
    /// Its members, one per dimension, and the channel of a share of channels.
    pub members: Vec<String>,
    /// Organic users in the window, or users of the channel.
    pub organic: Vec<f64>,
    /// All users in the window.
    pub total: Vec<f64>,
    /// The share; null if there were no users.
    pub share: Vec<Option<f64>>,
    /// The lower Wilson 95 % bound.
    pub low: Vec<Option<f64>>,
    /// The upper Wilson 95 % bound.
    pub high: Vec<Option<f64>>,
}

/// New users per period, over all keys.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Users {
    /// Consecutive periods, as in [`Shares`].
    pub steps: Vec<String>,
    /// Organic users.
    pub organic: Vec<f64>,
    /// Paid users.
    pub paid: Vec<f64>,
}

/// Single ISO weeks with the bands of the drift checks.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Weeks {
    /// Consecutive weeks `yyyy_ww`.
    pub steps: Vec<String>,
    /// Whether the data covers each week completely.
    pub complete: Vec<bool>,
    /// The keys of [`Shares`] that the checks know, in the same order.
    pub countries: Vec<CountryWeeks>,
}

/// The weeks of a key, one value per step.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct CountryWeeks {
    /// The name of the key.
    pub country: String,
    /// Users of the week.
    pub users: Vec<f64>,
    /// Organic users of the week.
    pub organic: Vec<f64>,
    /// Below this, `share_drift` warns; null if there is too little history.
    pub share_low: Vec<Option<f64>>,
    /// Above this, `share_drift` warns.
    pub share_high: Vec<Option<f64>>,
    /// Below this, `volume_drift` warns.
    pub users_low: Vec<Option<f64>>,
    /// Above this, `volume_drift` warns.
    pub users_high: Vec<Option<f64>>,
}

/// Rows per country and day.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Coverage {
    /// The first day, `yyyy-mm-dd`; empty if there are no days.
    pub first_day: String,
    /// The number of days from the first to the last.
    pub days: usize,
    /// Countries, without the total; those of [`Shares`] first, in the same order.
    pub countries: Vec<String>,
    /// Rows, at index `country * days + day`; 0 is a gap.
    pub rows: Vec<u64>,
}

/// Users per channel and week.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Mix {
    /// Consecutive weeks `yyyy_ww`.
    pub steps: Vec<String>,
    /// Channels, most users first.
    pub channels: Vec<String>,
    /// Users, at index `channel * steps + step`.
    pub users: Vec<f64>,
    /// The population stability index of each week; null if there is too little history.
    pub psi: Vec<Option<f64>>,
}

/// The number of countries in the series, and of keys of one dimension, those with most users.
const COUNTRIES: usize = 60;
/// The number of keys of several dimensions, those with most users.
const KEYS: usize = 120;
/// The number of steps in the series, the last ones.
const STEPS: usize = 160;
/// The number of weeks with drift bands, the last ones: one year.
const BANDS: i32 = 53;
/// The number of channels in the series.
const CHANNELS: usize = 40;

impl Charts {
    /// Computes the series of a run. `now` are its totals, if the rows were checked; `past` is the history.
    pub fn of(
        job: &Job,
        config: &Config,
        partial: &Partial,
        table: &Table,
        now: Option<&Totals>,
        past: Option<&History>,
        cube: Option<&Cube>,
    ) -> Charts {
        let (shares, mix) = rayon::join(
            || shares(job, partial, table, now),
            || now.map(|now| mix(config, now, past)).unwrap_or_default(),
        );
        let order: Vec<String> = shares.keys.iter().map(|key| key.name.clone()).collect();
        // Where the checks know no channels, the sums of the rows give the users.
        let users = if mix.channels.is_empty() { users(job, partial) } else { Users::default() };
        let (weeks, coverage) = rayon::join(
            || now.map(|now| weeks(config, now, past, &order)).unwrap_or_default(),
            || cube.map(|cube| coverage(job, cube, &order)).unwrap_or_default(),
        );
        let mut charts = Charts { shares, users, weeks, coverage, mix, why: Vec::new() };
        charts.cut_names();
        charts
    }

    /// Cuts long names, which are in the report for people. The same name is the same everywhere.
    fn cut_names(&mut self) {
        let keys = self.shares.keys.iter_mut();
        let keys = keys.flat_map(|key| [&mut key.name].into_iter().chain(&mut key.members));
        let weeks = self.weeks.countries.iter_mut().map(|weeks| &mut weeks.country);
        let names = keys.chain(weeks).chain(&mut self.coverage.countries).chain(&mut self.mix.channels);
        for name in names {
            let short = match escape::cut(name) {
                Cow::Owned(short) => short,
                Cow::Borrowed(_) => continue,
            };
            *name = short;
        }
    }
}

fn number(cell: Cell<'_>) -> Option<f64> {
    match cell {
        // JSON cannot represent NaN and infinities.
        Cell::Float(value) => value.is_finite().then_some(value),
        _ => None,
    }
}

fn shares(job: &Job, partial: &Partial, table: &Table, now: Option<&Totals>) -> Shares {
    let Some(window) = job.windows.first().copied() else { return Shares::default() };
    let suffix = format!("_p{window}{}", job.grain.letter());
    let (share, part, rest) = match job.share_of_channel {
        false => ("share_organic", "organic", "nonorganic"),
        true => ("share", "users", "other_users"),
    };
    let share = format!("{share}{suffix}");
    let column = share.clone();
    // Legacy tables have neither counts nor every week of the axis.
    let detailed = || match (job.semantics, job.details) {
        (Semantics::Legacy, _) => None,
        (_, true) => Some(table.clone()),
        (_, false) => finish(&Job { details: true, windows: vec![window], ..job.clone() }, partial).ok(),
    };
    let has_world = !job.share_of_channel && !job.by.is_empty();
    let (detailed, world) = rayon::join(detailed, || if has_world { world(partial, window) } else { None });
    let Some(table) = detailed else { return Shares { column, ..Shares::default() } };
    let cells = |name: &str| {
        let column = table.column(name);
        move |row: usize| column.map_or(Cell::Null, |column| column.data.cell(row))
    };
    let (date, year, week, month) = (cells("date"), cells("year"), cells("week"), cells("month"));
    let (organic, paid) = (cells(&format!("{part}{suffix}")), cells(&format!("{rest}{suffix}")));
    let organic = |row: usize| number(organic(row)).unwrap_or(0.0);
    let total = |row: usize| organic(row) + number(paid(row)).unwrap_or(0.0);
    let keys = table.key_columns();
    let begins = |row: usize| row == 0 || keys.iter().any(|key| key.data.cell(row) != key.data.cell(row - 1));
    let starts: Vec<usize> = (0..table.rows()).filter(|row| begins(*row)).collect();
    let length = starts.get(1).copied().unwrap_or(table.rows());
    let skip = length.saturating_sub(STEPS);
    // All channels of a key have the same total.
    let weight = |row: usize| if job.share_of_channel { organic(row) } else { total(row) };
    let mut order: Vec<(f64, usize)> = (starts.into_iter())
        .map(|start| ((start + skip..start + length).map(weight).sum::<f64>(), start))
        .collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let rows = skip..length;
    let most = if keys.len() > 1 { KEYS } else { COUNTRIES };
    let mut shares =
        Shares { column, world, left_out: order.len().saturating_sub(most), ..Shares::default() };
    for row in rows.clone() {
        let (label, week) = match (date(row), year(row), week(row), month(row)) {
            (Cell::Date(day), ..) => {
                (iso_date(day), Some(week_of_with_start(day, job.profile.time.week_start)))
            }
            (_, Cell::Int(year), Cell::Int(week), _) => {
                (format!("{year:04}_{week:02}"), calendar::week_from_iso(year, week))
            }
            // Whether a month is complete is unknown: the totals of the checks are of weeks.
            (_, Cell::Int(year), _, Cell::Int(month)) => (format!("{year:04}-{month:02}"), None),
            _ => continue,
        };
        shares.steps.push(label);
        shares.complete.push(now.zip(week).is_none_or(|(now, week)| now.weeks.is_complete(week)));
    }
    let (share, low, high) = (cells(&share), cells(&format!("{share}_low")), cells(&format!("{share}_high")));
    for (_, start) in order.into_iter().take(most) {
        let rows = start + rows.start..start + rows.end;
        let member = |column: &&Column| match column.data.cell(start) {
            Cell::Text(name) => name.to_owned(),
            _ => String::new(),
        };
        let members: Vec<String> = keys.iter().map(member).collect();
        shares.keys.push(KeyShares {
            name: members.join(", "),
            members,
            organic: rows.clone().map(organic).collect(),
            total: rows.clone().map(total).collect(),
            share: rows.clone().map(|row| number(share(row))).collect(),
            low: rows.clone().map(|row| number(low(row))).collect(),
            high: rows.map(|row| number(high(row))).collect(),
        });
    }
    shares
}

/// The share of all keys together, in the last [`STEPS`] steps of the axis; `None` if a sum is too large.
fn world(partial: &Partial, window: u32) -> Option<KeyShares> {
    let steps = steps_of(partial)?;
    let unit = partial.unit();
    let mut sums = [vec![Sum::default(); steps.len()], vec![Sum::default(); steps.len()]];
    for group in keys_of(partial) {
        for (time, at) in partial.times.iter().enumerate() {
            let TimePoint::Step(step) = at else { return None };
            let at = usize::try_from(step - steps.start).ok()?;
            for (class, sums) in sums.iter_mut().enumerate() {
                let sum = sums.get_mut(at)?;
                *sum = sum.plus(&share::cell(partial, group, time, class)).ok()?;
            }
        }
    }
    let [paid, organic] = [Prefix::new(&sums[0]).ok()?, Prefix::new(&sums[1]).ok()?];
    let mut world = KeyShares::default();
    for end in steps.len().saturating_sub(STEPS)..steps.len() {
        let (organic, paid) = (organic.window(end, window).ok()?, paid.window(end, window).ok()?);
        let share = share::share(&organic, &paid).ok()?.filter(|share| share.is_finite());
        let users = organic.plus(&paid).ok()?.to_f64() / unit;
        let bounds = share.and_then(|value| share::wilson(value, users));
        world.organic.push(organic.to_f64() / unit);
        world.total.push(users);
        world.share.push(share);
        world.low.push(bounds.map(|(low, _)| low));
        world.high.push(bounds.map(|(_, high)| high));
    }
    Some(world)
}

/// The groups of keys, without total rows, which stand beside the rows that they sum.
fn keys_of(partial: &Partial) -> impl Iterator<Item = usize> {
    let is_key = |name: &str| !name.split(SEPARATOR).any(|part| part == TOTAL || part == NULL);
    let groups = partial.groups.iter().zip(&partial.kept).enumerate();
    groups.filter(move |(_, (name, kept))| **kept && is_key(name)).map(|(group, _)| group)
}

/// The axis of the sums; `None` without rows, and for labels, which are no steps.
fn steps_of(partial: &Partial) -> Option<std::ops::Range<i32>> {
    match (partial.times.first()?, partial.times.last()?) {
        (TimePoint::Step(first), TimePoint::Step(last)) => Some(*first..*last + 1),
        _ => None,
    }
}

/// The users of each period, from the sums of the rows.
fn users(job: &Job, partial: &Partial) -> Users {
    let steps: Vec<i32> = (partial.times.iter())
        .filter_map(|time| if let TimePoint::Step(step) = time { Some(*step) } else { None })
        .collect();
    let (Some(first), Some(last)) = (steps.first().copied(), steps.last().copied()) else {
        return Users::default();
    };
    // Labels are no steps: those of legacy semantics have no axis.
    if steps.len() != partial.times.len() {
        return Users::default();
    }
    let first = first.max(last.saturating_sub(i32::try_from(STEPS).unwrap_or(i32::MAX) - 1));
    let length = usize::try_from(last - first).unwrap_or_default() + 1;
    let mut users = [vec![0.0; length], vec![0.0; length]];
    let unit = partial.unit();
    let classes = ClassRule::new(&job.profile.channel);
    for group in keys_of(partial) {
        let Some(name) = partial.groups.get(group) else { continue };
        // In shares of channels the channel is the last member, and has no class of its own.
        let channel = job.share_of_channel.then(|| name.rsplit(SEPARATOR).next().unwrap_or_default());
        let class = channel.map(|channel| classes.class_of_member(channel));
        for (time, step) in steps.iter().enumerate() {
            let Ok(at) = usize::try_from(step - first) else { continue };
            for (number, own) in [Class::Paid, Class::Organic].into_iter().enumerate() {
                let sum = share::cell(partial, group, time, number).to_f64() / unit;
                let of = users.get_mut(usize::from(class.unwrap_or(own) == Class::Organic));
                if let Some(to) = of.and_then(|series| series.get_mut(at)).filter(|_| sum.is_finite()) {
                    *to += sum;
                }
            }
        }
    }
    let [paid, organic] = users;
    let label = |step: i32| match job.grain {
        crate::Grain::Week => week_label(step),
        grain => words::step(grain, step),
    };
    Users { steps: (first..=last).map(label).collect(), organic, paid }
}

/// The last [`STEPS`] of a panel.
fn last_steps(panel: &Panel) -> std::ops::Range<i32> {
    let steps = panel.steps();
    steps.start.max(steps.end - i32::try_from(STEPS).unwrap_or(i32::MAX))..steps.end
}

fn weeks(config: &Config, now: &Totals, past: Option<&History>, order: &[String]) -> Weeks {
    let steps = last_steps(&now.weeks);
    let empty = Panel::default();
    let past = past.map_or(&empty, |past| &past.totals.weeks);
    let limit = |id| config.bounds(id).warn.and_then(|limit| limit.count).unwrap_or(0.0);
    let (share_limit, volume_limit) = (limit(CheckId::ShareDrift), limit(CheckId::VolumeDrift));
    let of_country = |country: &String| {
        let mut series = CountryWeeks { country: country.clone(), ..CountryWeeks::default() };
        let (current, published) = (now.weeks.find(country)?, past.find(country));
        for week in steps.clone() {
            let point = now.weeks.get(current, week).copied().unwrap_or_default();
            series.users.push(point.users);
            series.organic.push(point.organic);
            let baseline = published
                .filter(|_| week >= steps.end - BANDS)
                .map(|country| series::weeks_before(config, past, country, week))
                .unwrap_or_default();
            let band = |measure, limit: f64| {
                let spread = series::usual(config, measure, &baseline, point.users)?;
                Some((spread.median - limit * spread.sigma, spread.median + limit * spread.sigma))
            };
            let share = band(Measure::Share, share_limit);
            series.share_low.push(share.map(|(low, _)| low.max(0.0)));
            series.share_high.push(share.map(|(_, high)| high.min(1.0)));
            let users = band(Measure::Users, volume_limit);
            series.users_low.push(users.map(|(low, _)| low.exp()));
            series.users_high.push(users.map(|(_, high)| high.exp()));
        }
        Some(series)
    };
    Weeks {
        steps: steps.clone().map(week_label).collect(),
        complete: steps.clone().map(|week| now.weeks.is_complete(week)).collect(),
        countries: order.par_iter().filter_map(of_country).collect(),
    }
}

fn mix(config: &Config, now: &Totals, past: Option<&History>) -> Mix {
    let steps = last_steps(&now.channels);
    let users = |at: usize, week: i32| now.channels.get(at, week).map_or(0.0, |point| point.users);
    let mut order: Vec<(f64, usize)> = (0..now.channels.names().len())
        .map(|at| (steps.clone().map(|week| users(at, week)).sum::<f64>(), at))
        .filter(|(sum, _)| *sum > 0.0)
        .collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    order.truncate(CHANNELS);
    let psi = |week: i32| {
        let past = &past?.totals;
        let since = mix::level_since(config, &past.weeks, week);
        let judged = mix::judge(config, &past.channels, &now.channels, week, since)?;
        Some(judged.index)
    };
    Mix {
        steps: steps.clone().map(week_label).collect(),
        channels: order
            .iter()
            .filter_map(|(_, at)| now.channels.names().get(*at))
            .map(|n| n.to_string())
            .collect(),
        users: order.iter().flat_map(|(_, at)| steps.clone().map(|week| users(*at, week))).collect(),
        psi: steps
            .clone()
            .into_par_iter()
            .map(|week| if now.channels.is_complete(week) { psi(week) } else { None })
            .collect(),
    }
}

fn coverage(job: &Job, cube: &Cube, order: &[String]) -> Coverage {
    let (Some(first), Some(last)) = (cube.days.first().copied(), cube.days.last().copied()) else {
        return Coverage::default();
    };
    let days = usize::try_from(last - first).unwrap_or_default() + 1;
    let rest = cube.countries.iter().filter(|c| **c != job.country_total() && !order.contains(c));
    let countries: Vec<String> =
        order.iter().filter(|c| cube.countries.contains(c)).chain(rest).take(COUNTRIES).cloned().collect();
    let mut rows = vec![0; countries.len() * days];
    let width = cube.countries.len();
    for (country, name) in countries.iter().enumerate() {
        let Some(index) = cube.countries.iter().position(|c| c == name) else { continue };
        for (at, day) in cube.days.iter().enumerate() {
            let to = country * days + usize::try_from(day - first).unwrap_or_default();
            if let (Some(to), Some(from)) = (rows.get_mut(to), cube.rows.get(at * width + index)) {
                *to = *from;
            }
        }
    }
    Coverage { first_day: iso_date(first), days, countries, rows }
}
