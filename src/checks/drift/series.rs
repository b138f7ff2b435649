//! Compares the points of a country with its own weeks: share, users, rows.

use super::spread::Spread;
use super::{Words, WorstDeviation, new_weeks};
use crate::calendar;
use crate::checks::catalog::CheckId;
use crate::checks::config::Config;
use crate::checks::finding::{percent, spreads, week, whole};
use crate::checks::model::{Measurement, NotRun};
use crate::history::{History, Panel, Point, Totals};

/// The least spread of a share: one percentage point.
const SHARE_FLOOR: f64 = 0.01;
/// The least spread of the logarithm of a volume: five per cent.
const VOLUME_FLOOR: f64 = 0.05;
/// A change counts for `share_change` and `volume_change` if it exceeds this many spreads.
const CHANGE_Z: f64 = 5.0;

/// The measure that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// The organic share of the week.
    Share,
    /// The logarithm of users.
    Users,
    /// The logarithm of rows.
    Rows,
}

impl Measure {
    fn of(self, point: &Point) -> Option<f64> {
        match self {
            Measure::Share => point.share(),
            // No users count as half a user: the logarithm of a country that is gone stays finite.
            Measure::Users => Some(point.users.max(0.5).ln()),
            Measure::Rows => Some(point.rows.max(0.5).ln()),
        }
    }
}

/// The weeks that a point is compared with.
pub struct Baseline<'a> {
    /// Completed and published weeks outside of incidents, the last one first.
    pub weeks: Vec<&'a Point>,
    /// The week before, if it is such a week.
    before: Option<&'a Point>,
    /// The same ISO week a year before, and the baseline of that week.
    year: Option<(&'a Point, Vec<&'a Point>)>,
}

/// The point of a week of a country, if the week was published as complete and is not part of an incident.
fn usable<'a>(config: &Config, past: &'a Panel, country: usize, week: i32) -> Option<&'a Point> {
    let point = past.get(country, week).filter(|point| point.complete)?;
    let name = past.names().get(country).map(|name| &**name);
    (!config.incidents.iter().any(|incident| incident.covers(name, week))).then_some(point)
}

/// The weeks of the baseline of a week, the last one first.
pub fn weeks_before<'a>(config: &Config, past: &'a Panel, country: usize, week: i32) -> Vec<&'a Point> {
    // Weeks may be missing, but the baseline reaches back at most twice its length.
    let reach = i32::try_from(config.drift.baseline_weeks * 2).unwrap_or(i32::MAX);
    (1..=reach)
        .filter_map(|back| usable(config, past, country, week - back))
        .take(config.drift.baseline_weeks)
        .collect()
}

/// The published weeks of a country that a week is compared with.
pub fn baseline<'a>(config: &Config, past: &'a Panel, country: usize, week: i32) -> Baseline<'a> {
    let (year, number) = calendar::iso_of(week);
    let same = calendar::week_from_iso(year - 1, number).or_else(|| calendar::week_from_iso(year - 1, 52));
    Baseline {
        weeks: weeks_before(config, past, country, week),
        before: usable(config, past, country, week - 1),
        year: same.and_then(|week| {
            Some((usable(config, past, country, week)?, weeks_before(config, past, country, week)))
        }),
    }
}

/// The deviation of a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// The distance from the range of the references, in spreads.
    pub z: f64,
    /// The median of the baseline, in the unit of the measure.
    pub usual: f64,
    /// Median and spread of the baseline.
    pub spread: Spread,
}

/// Compares a point with its baseline; `None` if the baseline is too short or has too few users.
pub fn judge(config: &Config, measure: Measure, baseline: &Baseline<'_>, point: &Point) -> Option<Judged> {
    let value = measure.of(point)?;
    let spread = usual(config, measure, &baseline.weeks, point.users)?;
    let before = baseline.before.and_then(|before| measure.of(before));
    // The deviation of the same week a year before from its own baseline, applied to this baseline.
    let year = baseline.year.as_ref().and_then(|(same, weeks)| {
        let values: Vec<f64> = weeks.iter().filter_map(|point| measure.of(point)).collect();
        let then = (values.len() >= config.drift.min_weeks).then(|| Spread::of(&values, 0.0)).flatten()?;
        Some(spread.median + measure.of(same)? - then.median)
    });
    let away = spread.away(value, &[before, year]);
    let z = away / spread.sigma;
    Some(Judged { z: if config.drift.direction.counts(z) { z } else { 0.0 }, usual: spread.median, spread })
}

/// Median and spread of a baseline; `None` if it has too few weeks or too few users.
pub fn usual(config: &Config, measure: Measure, weeks: &[&Point], users: f64) -> Option<Spread> {
    let values: Vec<f64> = weeks.iter().filter_map(|point| measure.of(point)).collect();
    if values.len() < config.drift.min_weeks {
        return None;
    }
    let mut volumes: Vec<f64> = weeks.iter().map(|point| point.users).collect();
    if super::spread::median(&mut volumes)? < config.drift.min_users {
        return None;
    }
    if measure != Measure::Share {
        return Spread::of(&values, VOLUME_FLOOR);
    }
    if users < config.drift.min_users {
        return None;
    }
    let spread = Spread::of(&values, SHARE_FLOOR)?;
    // The standard error of a share of this many users.
    let chance = (spread.median * (1.0 - spread.median) / users).max(0.0).sqrt();
    Some(Spread { sigma: spread.sigma.max(chance), ..spread })
}

/// Runs the checks on share, users and rows.
pub fn check(
    config: &Config,
    history: &History,
    now: &Totals,
) -> Vec<(CheckId, Result<Measurement, NotRun>)> {
    let past = &history.totals.weeks;
    let mut deviations: [WorstDeviation; 7] = Default::default();
    let [volume, volume_change, volume_year, rows, share, share_change, share_year] = &mut deviations;
    let weeks = new_weeks(history, now);
    let drift = &config.drift;
    let mut users_of = vec![0.0; past.names().len()];
    for (country, _, point) in past.entries() {
        if let Some(users) = users_of.get_mut(country) {
            *users += point.users;
        }
    }
    let indices: Vec<Option<usize>> = past.names().iter().map(|name| now.weeks.find(name)).collect();
    for step in &weeks {
        let week = week(*step);
        let keys = past.names().iter().zip(&indices).zip(&users_of).enumerate();
        for (country, ((name, index), users)) in keys {
            let baseline = baseline(config, past, country, *step);
            let absent = Point::default();
            let point = index.and_then(|at| now.weeks.get(at, *step)).unwrap_or(&absent);
            if let Some(judged) = judge(config, Measure::Users, &baseline, point) {
                let usual = judged.usual.exp();
                let fold = fold(point.users, usual);
                let z = if relative(point.users, usual) < drift.ignore_volume { 0.0 } else { judged.z.abs() };
                let text =
                    || format!("{name}: {} users in {week}, usually {}", whole(point.users), whole(usual));
                volume.add(*users, z, || format!("{}, {}", text(), spreads(judged.z)));
                volume_change.add(*users, if judged.z.abs() > CHANGE_Z { fold } else { 0.0 }, text);
            }
            if let Some(judged) = judge(config, Measure::Rows, &baseline, point) {
                let usual = judged.usual.exp();
                let z = if relative(point.rows, usual) < drift.ignore_volume { 0.0 } else { judged.z.abs() };
                rows.add(*users, z, || {
                    let (now, usual) = (whole(point.rows), whole(usual));
                    format!("{name}: {now} rows in {week}, usually {usual}, {}", spreads(judged.z))
                });
            }
            if let (Some(judged), Some(now)) =
                (judge(config, Measure::Share, &baseline, point), point.share())
            {
                let change = now - judged.usual;
                let z = if change.abs() < drift.ignore_share { 0.0 } else { judged.z.abs() };
                let text = || {
                    let (now, usual) = (percent(now), percent(judged.usual));
                    format!("{name}: organic share {now} in {week}, usually {usual}")
                };
                share.add(*users, z, || format!("{}, {}", text(), spreads(judged.z)));
                let part = change.abs() / judged.usual.max(SHARE_FLOOR);
                share_change.add(*users, if z > CHANGE_Z { part } else { 0.0 }, text);
            }
            let Some((then, _)) = baseline.year.filter(|(then, _)| then.users >= drift.min_users) else {
                continue;
            };
            let change = point.users - then.users;
            let far = if drift.direction.counts(change) { fold(point.users, then.users) } else { 0.0 };
            volume_year.add(*users, far, || {
                let (now, then) = (whole(point.users), whole(then.users));
                format!("{name}: {now} users in {week}, {then} a year before")
            });
            if let (Some(now), Some(was), true) =
                (point.share(), then.share(), point.users >= drift.min_users)
            {
                let far = if drift.direction.counts(now - was) { (now - was).abs() } else { 0.0 };
                share_year.add(*users, far, || {
                    let (now, was) = (percent(now), percent(was));
                    format!("{name}: organic share {now} in {week}, {was} a year before")
                });
            }
        }
    }
    let has_rows = now.question.is_empty() || now.weeks.points().any(|point| point.rows > 0.0);
    let key = if now.question.is_empty() { "country" } else { "key" };
    let none = if weeks.is_empty() {
        "there is no new completed week: all were published before".to_owned()
    } else {
        format!(
            "too little history: no {key} has {} published weeks of {} users before {}",
            drift.min_weeks,
            drift.min_users,
            weeks.first().map(|first| week(*first)).unwrap_or_default()
        )
    };
    let year = format!("the history has no {key} with the same ISO week a year before a new week");
    let note = format!("each {key} compared with its last {} published weeks", drift.baseline_weeks);
    let points = format!("{key}-weeks");
    let ids = [
        (CheckId::VolumeDrift, none.as_str(), note.as_str()),
        (CheckId::VolumeChange, &none, &note),
        (
            CheckId::VolumeYear,
            if weeks.is_empty() { &none } else { &year },
            "compared with the same ISO week a year before",
        ),
        (CheckId::RowDrift, &none, &note),
        (CheckId::ShareDrift, &none, &note),
        (CheckId::ShareChange, &none, &note),
        (
            CheckId::ShareYear,
            if weeks.is_empty() { &none } else { &year },
            "compared with the same ISO week a year before",
        ),
    ];
    (ids.into_iter().zip(deviations))
        .map(|((id, none, note), worst)| match id {
            CheckId::RowDrift if !has_rows => {
                (id, Err(NotRun::NotApplicable("rows are not counted by key".into())))
            }
            id => (id, worst.measurement(config, id, &Words { points: &points, none, note })),
        })
        .collect()
}

/// The difference as a multiple of the smaller value: 1 means half or double.
fn fold(a: f64, b: f64) -> f64 {
    let (a, b) = (a.max(0.5), b.max(0.5));
    (a / b).max(b / a) - 1.0
}

fn relative(now: f64, usual: f64) -> f64 {
    (now - usual).abs() / usual.max(0.5)
}
