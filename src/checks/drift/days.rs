//! Days: published days that are missing, and the volume of new days.

use super::spread::Spread;
use super::{Words, WorstDeviation};
use crate::calendar;
use crate::checks::catalog::CheckId;
use crate::checks::config::Config;
use crate::checks::finding::{spreads, whole};
use crate::checks::model::{Measurement, NotRun, VIOLATIONS, Violation};
use crate::history::{History, Point, Totals};
use crate::table::cell::iso_date;

/// The number of weeks whose same weekday makes the baseline of a day.
const WEEKS: i32 = 8;
/// A day is judged only if its baseline has at least this many days.
const DAYS_MIN: usize = 4;
/// The least spread of the logarithm of a day's volume: ten per cent.
const FLOOR: f64 = 0.1;
/// Relative changes below this are ignored.
const IGNORE: f64 = 0.3;

/// Counts published days without a row, from the first day of the data on.
pub fn kept(history: &History, now: &Totals) -> Result<Measurement, NotRun> {
    let Some(first) = now.days.entries().map(|(_, day, _)| day).min() else {
        return Err(NotRun::NotApplicable("the rows have no days".into()));
    };
    let (mut n, mut count, mut older, mut offenders) = (0, 0, 0u64, Vec::new());
    for (_, day, _) in history.totals.days.entries() {
        if day < first {
            older += 1;
            continue;
        }
        n += 1;
        if now.days.get(0, day).is_none() {
            count += 1;
            if offenders.len() < VIOLATIONS {
                offenders.push(Violation::key(format!("{} was published and has no row now", iso_date(day))));
            }
        }
    }
    let finding = Measurement::count(count, n, offenders);
    Ok(if older > 0 {
        finding
            .note(format!("{older} published days lie before the first day of the data, {}", iso_date(first)))
    } else {
        finding
    })
}

/// Compares users and rows of new days, today excluded, with the same weekday of the weeks before.
pub fn volume(config: &Config, history: &History, now: &Totals) -> Result<Measurement, NotRun> {
    let past = &history.totals.days;
    let point = |day: i32| {
        let incident = config.incidents.iter().any(|i| i.covers(None, calendar::week_of(day)));
        past.get(0, day).filter(|_| !incident)
    };
    let mut deviations = WorstDeviation::default();
    let today = config.today();
    for (_, day, new) in now.days.entries().filter(|(_, day, _)| past.get(0, *day).is_none() && *day < today)
    {
        let weekdays =
            |day: i32| -> Vec<&Point> { (1..=WEEKS).filter_map(|back| point(day - 7 * back)).collect() };
        let (baseline, day_before) = (weekdays(day), weekdays(day - 1));
        let mut worst = 0.0f64;
        let mut judged = false;
        let mut text = String::new();
        for (unit, of) in [("users", (|p: &Point| p.users) as fn(&Point) -> f64), ("rows", |p| p.rows)] {
            let ln = |p: &Point| of(p).max(0.5).ln();
            let values: Vec<f64> = baseline.iter().map(|p| ln(p)).collect();
            let Some(spread) = (values.len() >= DAYS_MIN).then(|| Spread::of(&values, FLOOR)).flatten()
            else {
                continue;
            };
            if unit == "users" && spread.median.exp() < config.drift.min_users / 7.0 {
                continue;
            }
            judged = true;
            // A level that the day before already had is no deviation.
            let level = point(day - 1).and_then(|yesterday| {
                let values: Vec<f64> = day_before.iter().map(|p| ln(p)).collect();
                let usual = (values.len() >= DAYS_MIN).then(|| Spread::of(&values, FLOOR)).flatten()?;
                Some(spread.median + ln(yesterday) - usual.median)
            });
            let away = spread.away(ln(new), &[baseline.first().map(|p| ln(p)), level]);
            let usual = spread.median.exp();
            let z = away / spread.sigma;
            let small = (of(new) - usual).abs() < IGNORE * usual || !config.drift.direction.counts(z);
            if !small && z.abs() > worst {
                worst = z.abs();
                let (value, usual) = (whole(of(new)), whole(usual));
                text = format!("{}: {value} {unit}, usually {usual}, {}", iso_date(day), spreads(z));
            }
        }
        if judged {
            deviations.add(new.users, worst, || text);
        }
    }
    let none = "no new day has enough earlier days of the same weekday in the history";
    let note = format!("compared with the same weekday of the last {WEEKS} weeks");
    deviations.measurement(config, CheckId::DayVolume, &Words { points: "days", none, note: &note })
}
