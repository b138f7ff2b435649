//! Days: published days that are missing, and the volume of new days.

use super::spread::{Spread, median};
use super::{Words, WorstDeviation};
use crate::calendar;
use crate::calendar::period::{month_of, month_start};
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

/// A day of the month deviates as usual if it did so in the median of the last three months, of which this many were published.
const SAME_DAYS: usize = 2;

/// The same day of each of the last three months, counted from their first day, and from their last.
fn same_days(day: i32) -> [Vec<i32>; 2] {
    let month = month_of(day);
    let from_first = day - month_start(month);
    let to_last = month_start(month + 1) - day;
    let in_months = |at: &dyn Fn(i32) -> i32| -> Vec<i32> {
        let days = (1..=3).map(|back| (month - back, at(month - back)));
        days.filter(|(month, day)| month_of(*day) == *month).map(|(_, day)| day).collect()
    };
    [
        in_months(&|month| month_start(month) + from_first),
        in_months(&|month| month_start(month + 1) - to_last),
    ]
}

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
    let point =
        |day: i32| past.get(0, day).filter(|_| !config.is_incident(None, None, calendar::week_of(day)));
    let mut deviations = WorstDeviation::default();
    let today = config.today();
    for (_, day, new) in now.days.entries().filter(|(_, day, _)| past.get(0, *day).is_none() && *day < today)
    {
        if config.is_incident(None, None, calendar::week_of(day)) {
            continue;
        }
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
            // Neither a payday, that is, a movement that this day of the month had before,
            let payday = same_days(day).map(|days| {
                let mut movements: Vec<f64> = days
                    .into_iter()
                    .filter_map(|then| {
                        let mut values: Vec<f64> = weekdays(then).into_iter().map(ln).collect();
                        let usual = (values.len() >= DAYS_MIN).then(|| median(&mut values)).flatten()?;
                        Some(ln(point(then)?) - usual)
                    })
                    .collect();
                let movement = median(&mut movements).filter(|_| movements.len() >= SAME_DAYS)?;
                Some(spread.median + movement)
            });
            // nor a level that the day before already had is a deviation.
            let level = point(day - 1).and_then(|yesterday| {
                let values: Vec<f64> = day_before.iter().map(|p| ln(p)).collect();
                let usual = (values.len() >= DAYS_MIN).then(|| Spread::of(&values, FLOOR)).flatten()?;
                Some(spread.median + ln(yesterday) - usual.median)
            });
            let away = spread.away(ln(new), &[baseline.first().map(|p| ln(p)), level, payday[0], payday[1]]);
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
            deviations.add(worst, new.users, || text);
        }
    }
    let none = "no new day has enough earlier days of the same weekday in the history";
    let note = format!("compared with the same weekday of the last {WEEKS} weeks");
    deviations.measurement(config, CheckId::DayVolume, &Words { points: "days", none, note: &note })
}
