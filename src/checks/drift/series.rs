//! Points of a country against its own weeks: share, users, rows.

use super::spread::Spread;
use super::{WorstDeviation, new_weeks, warns_past};
use crate::calendar::{self, week_label};
use crate::checks::catalog::CheckId;
use crate::checks::config::Config;
use crate::checks::model::{Measurement, NotRun};
use crate::history::{History, Panel, Point, Totals};

/// The least spread of a share: one percentage point.
const SHARE_FLOOR: f64 = 0.01;
/// The least spread of the logarithm of a volume: five per cent.
const VOLUME_FLOOR: f64 = 0.05;
/// Changes that are so many spreads away count for `share_change` and `volume_change`.
const CHANGE_Z: f64 = 5.0;

/// What is looked at.
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
            // Half a user for none, so that a country that is gone is far away and not infinitely far.
            Measure::Users => Some(point.users.max(0.5).ln()),
            Measure::Rows => Some(point.rows.max(0.5).ln()),
        }
    }
}

/// The weeks that a point is held against.
pub struct Baseline<'a> {
    /// Completed, published, not of an incident; the last one first.
    pub weeks: Vec<&'a Point>,
    /// The week before, if it is among them.
    before: Option<&'a Point>,
    /// The same ISO week a year before, and the weeks before that.
    year: Option<(&'a Point, Vec<&'a Point>)>,
}

/// A completed week of a country that was published, and is of no incident.
fn taught<'a>(config: &Config, past: &'a Panel, country: usize, week: i32) -> Option<&'a Point> {
    let point = past.get(country, week).filter(|point| point.complete)?;
    let name = past.names().get(country).map(|name| &**name);
    (!config.incidents.iter().any(|incident| incident.covers(name, week))).then_some(point)
}

/// The weeks before a week that make its baseline, the last one first.
pub fn weeks_before<'a>(config: &Config, past: &'a Panel, country: usize, week: i32) -> Vec<&'a Point> {
    // Gaps are bridged, but not for ever.
    let reach = i32::try_from(config.drift.baseline_weeks * 2).unwrap_or(i32::MAX);
    (1..=reach)
        .filter_map(|back| taught(config, past, country, week - back))
        .take(config.drift.baseline_weeks)
        .collect()
}

/// What was published of a country before a week.
pub fn baseline<'a>(config: &Config, past: &'a Panel, country: usize, week: i32) -> Baseline<'a> {
    let (year, number) = calendar::iso_of(week);
    let same = calendar::week_from_iso(year - 1, number).or_else(|| calendar::week_from_iso(year - 1, 52));
    Baseline {
        weeks: weeks_before(config, past, country, week),
        before: taught(config, past, country, week - 1),
        year: same.and_then(|week| {
            Some((taught(config, past, country, week)?, weeks_before(config, past, country, week)))
        }),
    }
}

/// A point that was judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// Spreads that it lies away from what was expected.
    pub z: f64,
    /// The median of its baseline, in the measure's own unit.
    pub usual: f64,
    /// Where `z` would be `-limit` and `limit` without the other references.
    pub spread: Spread,
}

/// Holds a point against its baseline.
pub fn judge(config: &Config, measure: Measure, baseline: &Baseline<'_>, point: &Point) -> Option<Judged> {
    let value = measure.of(point)?;
    let spread = usual(config, measure, &baseline.weeks, point.users)?;
    let before = baseline.before.and_then(|before| measure.of(before));
    // The same week a year before, as far as it was off its own weeks.
    let year = baseline.year.as_ref().and_then(|(same, weeks)| {
        let values: Vec<f64> = weeks.iter().filter_map(|point| measure.of(point)).collect();
        let then = (values.len() >= config.drift.min_weeks).then(|| Spread::of(&values, 0.0)).flatten()?;
        Some(spread.median + measure.of(same)? - then.median)
    });
    let away = spread.away(value, &[before, year]);
    let z = away / spread.sigma;
    Some(Judged { z: if config.drift.direction.counts(z) { z } else { 0.0 }, usual: spread.median, spread })
}

/// Where the points of a baseline lie; `None` where there are too few, or too few users.
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
    // What chance alone does to a share of so many users.
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
    let mut found: [WorstDeviation; 7] = Default::default();
    let [volume, volume_change, volume_year, rows, share, share_change, share_year] = &mut found;
    let weeks = new_weeks(history, now);
    let drift = &config.drift;
    let places: Vec<Option<usize>> = past.names().iter().map(|name| now.weeks.find(name)).collect();
    for week in &weeks {
        for (country, (name, place)) in past.names().iter().zip(&places).enumerate() {
            let baseline = baseline(config, past, country, *week);
            let absent = Point::default();
            let point = place.and_then(|at| now.weeks.get(at, *week)).unwrap_or(&absent);
            let at = || format!("{name} {}", week_label(*week));
            if let Some(judged) = judge(config, Measure::Users, &baseline, point) {
                let usual = judged.usual.exp();
                let fold = fold(point.users, usual);
                let z = if relative(point.users, usual) < drift.ignore_volume { 0.0 } else { judged.z.abs() };
                let text = || {
                    let (users, usual) = (point.users.round(), usual.round());
                    format!("{}: {users} users, usually {usual} ({:.1} spreads)", at(), judged.z)
                };
                volume.add(z, text);
                volume_change.add(if judged.z.abs() > CHANGE_Z { fold } else { 0.0 }, text);
            }
            if let Some(judged) = judge(config, Measure::Rows, &baseline, point) {
                let usual = judged.usual.exp();
                let z = if relative(point.rows, usual) < drift.ignore_volume { 0.0 } else { judged.z.abs() };
                rows.add(z, || {
                    format!(
                        "{}: {} rows, usually {} ({:.1} spreads)",
                        at(),
                        point.rows,
                        usual.round(),
                        judged.z
                    )
                });
            }
            if let (Some(judged), Some(now)) =
                (judge(config, Measure::Share, &baseline, point), point.share())
            {
                let change = now - judged.usual;
                let z = if change.abs() < drift.ignore_share { 0.0 } else { judged.z.abs() };
                let text = || {
                    format!("{}: share {now:.3}, usually {:.3} ({:.1} spreads)", at(), judged.usual, judged.z)
                };
                share.add(z, text);
                share_change
                    .add(if z > CHANGE_Z { change.abs() / judged.usual.max(SHARE_FLOOR) } else { 0.0 }, text);
            }
            let Some((then, _)) = baseline.year.filter(|(then, _)| then.users >= drift.min_users) else {
                continue;
            };
            let change = point.users - then.users;
            let far = if drift.direction.counts(change) { fold(point.users, then.users) } else { 0.0 };
            volume_year.add(far, || {
                format!("{}: {} users, {} a year before", at(), point.users.round(), then.users.round())
            });
            if let (Some(now), Some(was), true) =
                (point.share(), then.share(), point.users >= drift.min_users)
            {
                let far = if drift.direction.counts(now - was) { (now - was).abs() } else { 0.0 };
                share_year.add(far, || format!("{}: share {now:.3}, {was:.3} a year before", at()));
            }
        }
    }
    let none = if weeks.is_empty() {
        "no completed week is new: all were published before".to_owned()
    } else {
        format!(
            "too little history: no country has {} published weeks of {} users before {}",
            drift.min_weeks,
            drift.min_users,
            weeks.first().map(|week| week_label(*week)).unwrap_or_default()
        )
    };
    let year = "no new week of a country has the same ISO week a year before in the history";
    let note = format!("each country against its last {} published weeks", drift.baseline_weeks);
    let ids = [
        (CheckId::VolumeDrift, none.as_str(), note.as_str()),
        (CheckId::VolumeChange, &none, &note),
        (
            CheckId::VolumeYear,
            if weeks.is_empty() { &none } else { year },
            "against the same ISO week a year before",
        ),
        (CheckId::RowDrift, &none, &note),
        (CheckId::ShareDrift, &none, &note),
        (CheckId::ShareChange, &none, &note),
        (
            CheckId::ShareYear,
            if weeks.is_empty() { &none } else { year },
            "against the same ISO week a year before",
        ),
    ];
    (ids.into_iter().zip(found))
        .map(|((id, none, note), found)| (id, found.finding(warns_past(config, id), none, note)))
        .collect()
}

/// By how much of the smaller the two differ: 1 is half or double.
fn fold(a: f64, b: f64) -> f64 {
    let (a, b) = (a.max(0.5), b.max(0.5));
    (a / b).max(b / a) - 1.0
}

fn relative(now: f64, usual: f64) -> f64 {
    (now - usual).abs() / usual.max(0.5)
}
