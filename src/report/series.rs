//! The series of a report, as plain columns: every list of a chart is as long as its axis.

use rayon::prelude::*;

use crate::calendar::week_label;
use crate::checks::drift::mix;
use crate::checks::drift::series::{self, Measure};
use crate::checks::raw::cube::Cube;
use crate::checks::{CheckId, Config};
use crate::grid::Partial;
use crate::history::{History, Panel, Totals};
use crate::table::cell::iso_date;
use crate::table::{Cell, Table, finish};
use crate::{Job, Semantics, calendar};

/// Series for charts.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Charts {
    /// The published organic share, per country.
    pub shares: Shares,
    /// Single weeks, which the drift checks judge, per country.
    pub weeks: Weeks,
    /// Rows per country and day.
    pub coverage: Coverage,
    /// Users per channel and week, all countries together.
    pub mix: Mix,
}

/// The published organic share over time.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Shares {
    /// The column: `share_organic_p4w`.
    pub column: String,
    /// Consecutive weeks `yyyy_ww` or days `yyyy-mm-dd`.
    pub steps: Vec<String>,
    /// Whether the data covers each step completely; the last one may be partial.
    pub complete: Vec<bool>,
    /// Countries, most users first.
    pub countries: Vec<CountryShares>,
    /// The number of countries that were left out, the smallest ones.
    pub left_out: usize,
}

/// The organic share of a country, one value per step.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct CountryShares {
    /// Country.
    pub country: String,
    /// Organic users in the window.
    pub organic: Vec<f64>,
    /// All users in the window.
    pub total: Vec<f64>,
    /// The organic share; null if there were no users.
    pub share: Vec<Option<f64>>,
    /// The lower Wilson 95 % bound.
    pub low: Vec<Option<f64>>,
    /// The upper Wilson 95 % bound.
    pub high: Vec<Option<f64>>,
}

/// Single ISO weeks with the bands of the drift checks.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Weeks {
    /// Consecutive weeks `yyyy_ww`.
    pub steps: Vec<String>,
    /// Whether the data covers each week completely.
    pub complete: Vec<bool>,
    /// The same countries as in [`Shares`], in the same order.
    pub countries: Vec<CountryWeeks>,
}

/// The weeks of a country, one value per step.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct CountryWeeks {
    /// Country.
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

/// The number of countries in the series, those with most users.
const COUNTRIES: usize = 60;
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
        let order: Vec<String> = shares.countries.iter().map(|c| c.country.clone()).collect();
        let (weeks, coverage) = rayon::join(
            || now.map(|now| weeks(config, now, past, &order)).unwrap_or_default(),
            || cube.map(|cube| coverage(job, cube, &order)).unwrap_or_default(),
        );
        Charts { shares, weeks, coverage, mix }
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
    let column = format!("share_organic{suffix}");
    // Legacy tables have neither counts nor every week of the axis.
    let detailed = if job.semantics == Semantics::Legacy {
        None
    } else if job.details {
        Some(table.clone())
    } else {
        finish(&Job { details: true, windows: vec![window], ..job.clone() }, partial).ok()
    };
    let Some(table) = detailed else { return Shares { column, ..Shares::default() } };
    let cells = |name: &str| {
        let column = table.column(name);
        move |row: usize| column.map_or(Cell::Null, |column| column.data.cell(row))
    };
    let (country, date, year, week) = (cells("country"), cells("date"), cells("year"), cells("week"));
    let (organic, paid) = (cells(&format!("organic{suffix}")), cells(&format!("nonorganic{suffix}")));
    let organic = |row: usize| number(organic(row)).unwrap_or(0.0);
    let total = |row: usize| organic(row) + number(paid(row)).unwrap_or(0.0);
    let starts: Vec<usize> =
        (0..table.rows()).filter(|row| *row == 0 || country(*row) != country(row - 1)).collect();
    let length = starts.get(1).copied().unwrap_or(table.rows());
    let skip = length.saturating_sub(STEPS);
    let mut order: Vec<(f64, usize)> = (starts.into_iter())
        .map(|start| ((start + skip..start + length).map(total).sum::<f64>(), start))
        .collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let rows = skip..length;
    let mut shares = Shares { column, left_out: order.len().saturating_sub(COUNTRIES), ..Shares::default() };
    for row in rows.clone() {
        let (label, week) = match (year(row), week(row), date(row)) {
            (_, _, Cell::Date(day)) => (iso_date(day), calendar::week_of(day)),
            (Cell::Int(year), Cell::Int(week), _) => {
                (format!("{year:04}_{week:02}"), calendar::week_from_iso(year, week).unwrap_or_default())
            }
            _ => continue,
        };
        shares.steps.push(label);
        shares.complete.push(now.is_none_or(|now| now.weeks.is_complete(week)));
    }
    let (share, low, high) = (
        cells(&format!("share_organic{suffix}")),
        cells(&format!("share_organic{suffix}_low")),
        cells(&format!("share_organic{suffix}_high")),
    );
    for (_, start) in order.into_iter().take(COUNTRIES) {
        let rows = start + rows.start..start + rows.end;
        shares.countries.push(CountryShares {
            country: if let Cell::Text(name) = country(start) { name.to_owned() } else { String::new() },
            organic: rows.clone().map(organic).collect(),
            total: rows.clone().map(total).collect(),
            share: rows.clone().map(|row| number(share(row))).collect(),
            low: rows.clone().map(|row| number(low(row))).collect(),
            high: rows.map(|row| number(high(row))).collect(),
        });
    }
    shares
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
        let (current, published) = (now.weeks.find(country), past.find(country));
        for week in steps.clone() {
            let point = current.and_then(|at| now.weeks.get(at, week)).copied().unwrap_or_default();
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
        series
    };
    Weeks {
        steps: steps.clone().map(week_label).collect(),
        complete: steps.clone().map(|week| now.weeks.is_complete(week)).collect(),
        countries: order.par_iter().map(of_country).collect(),
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
        let judged = mix::judge(config, &past?.totals.channels, &now.channels, week)?;
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
