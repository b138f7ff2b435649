//! Compares the points of a country with its own weeks: share, users, rows.

use super::spread::{Noise, Spread, deviation, median};
use super::weeks::{self, year_before};
use super::{Words, WorstDeviation};
use crate::checks::catalog::CheckId;
use crate::checks::config::Config;
use crate::checks::finding::{self, percent, whole};
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
    /// The least spread.
    fn floor(self) -> f64 {
        if self == Measure::Share { SHARE_FLOOR } else { VOLUME_FLOOR }
    }

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
    /// The week itself as it was published, if it had not settled.
    published: Option<&'a Point>,
    /// The same ISO week a year before, and the baseline of that week.
    year: Option<(&'a Point, Vec<&'a Point>)>,
    /// The weeks beside that one.
    beside: [Option<&'a Point>; 2],
}

impl<'a> Baseline<'a> {
    /// The same ISO week a year before, or the one beside it whose value is nearest to `value`.
    fn nearest_year(&self, of: impl Fn(&Point) -> Option<f64>, value: f64) -> Option<(&'a Point, f64)> {
        let (same, _) = self.year.as_ref()?;
        let points = [Some(*same), self.beside[0], self.beside[1]].into_iter().flatten();
        let values = points.filter_map(|point| Some((point, of(point)?)));
        values.min_by(|a, b| (a.1 - value).abs().total_cmp(&(b.1 - value).abs()))
    }
}

/// The point of a week of a country, if the week was published as complete, is not part of an incident, and is not
/// before a change of level that the week under test is after.
fn usable<'a>(config: &Config, past: &'a Panel, country: usize, week: i32, tested: i32) -> Option<&'a Point> {
    let point = past.get(country, week).filter(|point| point.complete)?;
    let name = past.names().get(country).map(|name| &**name);
    (!config.is_excluded(name, None, week, tested)).then_some(point)
}

/// The weeks of the baseline of a week, the last one first.
pub fn weeks_before<'a>(config: &Config, past: &'a Panel, country: usize, week: i32) -> Vec<&'a Point> {
    weeks::baseline(config, week, |other| usable(config, past, country, other, week))
}

/// The published weeks of a country that a week is compared with.
pub fn baseline<'a>(config: &Config, past: &'a Panel, country: usize, week: i32) -> Baseline<'a> {
    let at = |other: i32| usable(config, past, country, other, week);
    let same = year_before(week);
    Baseline {
        weeks: weeks_before(config, past, country, week),
        before: at(week - 1),
        published: at(week),
        year: same.and_then(|then| Some((at(then)?, weeks_before(config, past, country, then)))),
        beside: [-1, 1].map(|by| same.and_then(|then| at(then + by))),
    }
}

/// The deviation of a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// The distance from the range of the references, in spreads.
    pub z: f64,
    /// The same with the movement of all countries as one more reference.
    pub alone: f64,
    /// The median of the baseline, in the unit of the measure.
    pub usual: f64,
}

/// Compares a point with its baseline. `shared` is the movement of all countries.
fn judge(
    config: &Config,
    measure: Measure,
    spread: &Spread,
    (baseline, point): &(Baseline<'_>, Point),
    shared: Option<f64>,
) -> Option<Judged> {
    let value = measure.of(point)?;
    let [before, published] = [baseline.before, baseline.published].map(|point| measure.of(point?));
    // The deviation of the same week a year before from its own baseline, applied to this baseline.
    let year = baseline.year.as_ref().and_then(|(same, weeks)| {
        let values: Vec<f64> = weeks.iter().filter_map(|point| measure.of(point)).collect();
        let then = (values.len() >= config.drift.min_weeks).then(|| Spread::of(&values, 0.0)).flatten()?;
        Some(spread.median + measure.of(same)? - then.median)
    });
    let shared = shared.map(|shared| spread.median + shared);
    let [z, alone] = [None, shared].map(|shared| {
        let z = spread.away(value, &[before, published, year, shared]) / spread.sigma;
        if config.drift.direction.counts(z) { z } else { 0.0 }
    });
    Some(Judged { z, alone, usual: spread.median })
}

/// The values of a baseline and the variance of chance; `None` if it has too few weeks or too few users.
fn values(config: &Config, measure: Measure, weeks: &[&Point], users: f64) -> Option<(Vec<f64>, Noise)> {
    let values: Vec<f64> = weeks.iter().filter_map(|point| measure.of(point)).collect();
    let mut volumes: Vec<f64> = weeks.iter().map(|point| point.users).collect();
    let size = median(&mut volumes).filter(|size| *size >= config.drift.min_users)?;
    if values.len() < config.drift.min_weeks || measure == Measure::Share && users < config.drift.min_users {
        return None;
    }
    let counting = match measure {
        Measure::Share => {
            let share = median(&mut values.clone())?;
            (share * (1.0 - share) / users).max(0.0)
        }
        Measure::Users => 1.0 / size.max(1.0),
        Measure::Rows => 0.0,
    };
    let noise = Noise { n: values.len(), size, variance: deviation(&values).powi(2), counting };
    Some((values, noise))
}

/// Median and spread of a baseline; `None` if it has too few weeks or too few users.
pub fn usual(config: &Config, measure: Measure, weeks: &[&Point], users: f64) -> Option<Spread> {
    let (values, noise) = values(config, measure, weeks, users)?;
    let spread = Spread::of(&values, measure.floor())?;
    // The standard error of a share of this many users.
    let chance = if measure == Measure::Share { noise.counting.sqrt() } else { 0.0 };
    Some(Spread { sigma: spread.sigma.max(chance), ..spread })
}

/// Median and spread of the baseline of each country. A spread is not below what similar countries make likely.
fn spreads(config: &Config, measure: Measure, points: &[(Baseline<'_>, Point)]) -> Vec<Option<Spread>> {
    let all: Vec<Option<(Vec<f64>, Noise)>> = points
        .iter()
        .map(|(baseline, point)| values(config, measure, &baseline.weeks, point.users))
        .collect();
    let noise: Vec<Noise> = all.iter().flatten().map(|(_, noise)| *noise).collect();
    let spread = |(values, own): &(Vec<f64>, Noise)| {
        Spread::of(values, own.pooled(&noise).sqrt().max(measure.floor()))
    };
    all.iter().map(|of| of.as_ref().and_then(spread)).collect()
}

/// A movement of all countries is no deviation of one of them up to this: 45 % fewer, or 82 % more. A larger one, such
/// as a half of all users that is missing, is a deviation of each.
const SHARED: f64 = 0.6;
/// The least number of countries that have a movement in common.
const SHARED_MIN: usize = 4;

/// The median movement of all countries in a week, away from their usual values; `None` if it is not to be expected of a
/// season, or there are too few countries.
pub(super) fn shared(movements: &mut [f64]) -> Option<f64> {
    let middle = median(movements)?;
    (movements.len() >= SHARED_MIN && middle.abs() <= SHARED).then_some(middle)
}

/// The movement of the logarithm of users, or of rows, that all countries have in common in a week.
fn shared_movement(
    measure: Measure,
    spreads: &[Option<Spread>],
    points: &[(Baseline<'_>, Point)],
) -> Option<f64> {
    let all = spreads.iter().zip(points);
    let movement = all.filter_map(|(spread, (_, point))| Some(measure.of(point)? - spread.as_ref()?.median));
    shared(&mut movement.collect::<Vec<f64>>())
}

/// A deviation that is one of all countries together counts at most as the bound that blocks: it warns.
fn unless_shared(all: f64, alone: f64, block: Option<f64>) -> f64 {
    block.map_or(all, |block| alone.max(all.min(block)))
}

/// Runs the checks on share, users and rows.
pub fn check(
    config: &Config,
    history: &History,
    now: &Totals,
    tested: &[i32],
) -> Vec<(CheckId, Result<Measurement, NotRun>)> {
    let past = &history.totals.weeks;
    let mut deviations: [WorstDeviation; 7] = Default::default();
    let [volume, volume_change, volume_year, rows, share, share_change, share_year] = &mut deviations;
    let drift = &config.drift;
    let blocks = |id| config.bounds(id).block.and_then(|limit| limit.count);
    let indices: Vec<Option<usize>> = past.names().iter().map(|name| now.weeks.find(name)).collect();
    for week in tested {
        let points: Vec<(Baseline<'_>, Point)> = indices
            .iter()
            .enumerate()
            .map(|(country, index)| {
                let point = index.and_then(|at| now.weeks.get(at, *week)).copied().unwrap_or_default();
                (baseline(config, past, country, *week), point)
            })
            .collect();
        let [of_users, of_rows, of_share] =
            [Measure::Users, Measure::Rows, Measure::Share].map(|measure| spreads(config, measure, &points));
        let shared_users = shared_movement(Measure::Users, &of_users, &points);
        let shared_rows = shared_movement(Measure::Rows, &of_rows, &points);
        for (index, (name, of_key)) in past.names().iter().zip(&points).enumerate() {
            let (baseline, point) = of_key;
            let judge = |measure: Measure, spreads: &[Option<Spread>], shared: Option<f64>| {
                judge(config, measure, spreads.get(index)?.as_ref()?, of_key, shared)
            };
            if config.is_incident(Some(name), None, *week) {
                continue;
            }
            if let Some(judged) = judge(Measure::Users, &of_users, shared_users) {
                let usual = judged.usual.exp();
                let fold = fold(point.users, usual);
                let counts = relative(point.users, usual) >= drift.ignore_volume;
                let z = unless_shared(judged.z.abs(), judged.alone.abs(), blocks(CheckId::VolumeDrift));
                let text = || {
                    let (users, usual, week) = (whole(point.users), whole(usual), finding::week(*week));
                    format!("{name}: {users} users in {week}, usually {usual}")
                };
                volume.add(if counts { z } else { 0.0 }, usual, || {
                    format!("{}, {}", text(), finding::spreads(judged.z))
                });
                let far = |z: f64| if z.abs() > CHANGE_Z { fold } else { 0.0 };
                let far = unless_shared(far(judged.z), far(judged.alone), blocks(CheckId::VolumeChange));
                volume_change.add(far, usual, text);
            }
            if let Some(judged) = judge(Measure::Rows, &of_rows, shared_rows) {
                let usual = judged.usual.exp();
                let counts = relative(point.rows, usual) >= drift.ignore_volume;
                let z = unless_shared(judged.z.abs(), judged.alone.abs(), blocks(CheckId::RowDrift));
                let z = if counts { z } else { 0.0 };
                rows.add(z, usual, || {
                    let (now, usual, week) = (whole(point.rows), whole(usual), finding::week(*week));
                    format!("{name}: {now} rows in {week}, usually {usual}, {}", finding::spreads(judged.z))
                });
            }
            if let (Some(judged), Some(now)) = (judge(Measure::Share, &of_share, None), point.share()) {
                let change = now - judged.usual;
                let z = if change.abs() < drift.ignore_share { 0.0 } else { judged.z.abs() };
                let text = || {
                    let (now, usual, week) = (percent(now), percent(judged.usual), finding::week(*week));
                    format!("{name}: organic share {now} in {week}, usually {usual}")
                };
                share.add(z, point.users, || format!("{}, {}", text(), finding::spreads(judged.z)));
                let far = if z > CHANGE_Z { change.abs() / judged.usual.max(SHARE_FLOOR) } else { 0.0 };
                share_change.add(far, point.users, text);
            }
            let with_users = |then: &Point| then.users >= drift.min_users;
            if !baseline.year.as_ref().is_some_and(|(then, _)| with_users(then)) {
                continue;
            }
            // A value that was published for this week already is no deviation.
            let fold_of = |value: f64| {
                let (then, users) = baseline.nearest_year(|point| Some(point.users), value)?;
                let counts = drift.direction.counts(value - users);
                Some((if counts { fold(value, users) } else { 0.0 }, then.users))
            };
            if let Some((far, then)) = fold_of(point.users) {
                let published = baseline.published.and_then(|p| fold_of(p.users)).map_or(0.0, |(far, _)| far);
                let far = if far <= published { 0.0 } else { far };
                volume_year.add(far, then, || {
                    let (users, then) = (whole(point.users), whole(then));
                    format!("{name}: {users} users in {}, {then} a year before", finding::week(*week))
                });
            }
            let share_of = |value: f64| {
                let (_, share) =
                    baseline.nearest_year(|then| then.share().filter(|_| with_users(then)), value)?;
                let counts = drift.direction.counts(value - share);
                Some((if counts { (value - share).abs() } else { 0.0 }, share))
            };
            if let Some(now) = point.share().filter(|_| point.users >= drift.min_users)
                && let Some((far, then)) = share_of(now)
            {
                let published = baseline.published.and_then(Point::share).and_then(share_of);
                let far = if published.is_some_and(|(published, _)| far <= published) { 0.0 } else { far };
                share_year.add(far, point.users, || {
                    let (now, then) = (percent(now), percent(then));
                    format!("{name}: organic share {now} in {}, {then} a year before", finding::week(*week))
                });
            }
        }
    }
    let has_rows = now.question.is_empty() || now.weeks.points().any(|point| point.rows > 0.0);
    let key = weeks::key_word(now);
    let none = weeks::why_none(tested, || {
        format!(
            "no {key} has {} published weeks of {} users before {}",
            drift.min_weeks,
            drift.min_users,
            tested.first().map(|week| finding::week(*week)).unwrap_or_default()
        )
    });
    let year = format!("the history has no {key} with the same ISO week a year before a new week");
    let note = format!("each {key} compared with its last {} published weeks", drift.baseline_weeks);
    let points = format!("{key}-weeks");
    let ids = [
        (CheckId::VolumeDrift, none.as_str(), note.as_str()),
        (CheckId::VolumeChange, &none, &note),
        (
            CheckId::VolumeYear,
            if tested.is_empty() { &none } else { &year },
            "compared with the same ISO week a year before",
        ),
        (CheckId::RowDrift, &none, &note),
        (CheckId::ShareDrift, &none, &note),
        (CheckId::ShareChange, &none, &note),
        (
            CheckId::ShareYear,
            if tested.is_empty() { &none } else { &year },
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
