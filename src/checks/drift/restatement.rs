//! Published weeks that have changed.

use super::words::{week_name, words};
use crate::calendar::period::{Weekday, week_start};
use crate::calendar::{parse_label, week_label};
use crate::checks::model::{Measurement, NotRun, VIOLATIONS, Violation};
use crate::history::{History, Point, Totals};

/// Which published weeks may change.
#[derive(Debug, Clone, Copy, Default)]
pub struct MayChange<'a> {
    /// Weeks, first and last, of which the user says so.
    pub allowed: &'a [(i32, i32)],
    /// The days that an export takes to settle: later ones still add to a day.
    pub settle_days: u32,
    /// The first day of a week.
    pub week_start: Weekday,
}

impl MayChange<'_> {
    fn is_allowed(&self, week: i32) -> bool {
        self.allowed.iter().any(|(first, last)| (*first..=*last).contains(&week))
    }

    /// Whether a week had settled when it was published: its last day lies at least `settle_days` before the last day
    /// of data that was published.
    pub(super) fn settled(&self, history: &History) -> impl Fn(i32) -> bool + use<> {
        let (weeks, start) = (&history.totals.weeks, self.week_start);
        // Without days, the last week that has users is known to have begun, or to be complete.
        let of_weeks = weeks.steps().rev().find(|week| weeks.has(*week)).map(|week| {
            let days = if weeks.is_complete(week) { 6 } else { 0 };
            week_start(week, start) + days
        });
        let of_days = history.totals.days.entries().map(|(_, day, _)| day).max();
        let last = of_days.max(of_weeks).unwrap_or(i32::MIN);
        let days = i32::try_from(self.settle_days).unwrap_or(i32::MAX);
        move |week| week_start(week, start).saturating_add(6).saturating_add(days) <= last
    }
}

/// A completed week of a country whose sums differ from the published ones.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Restated {
    /// Country.
    pub country: String,
    /// ISO week, `yyyy_ww`.
    pub week: String,
    /// The run that published it last.
    pub run: String,
    /// Users as published.
    pub users_before: f64,
    /// Users now.
    pub users_now: f64,
    /// Organic users as published.
    pub organic_before: f64,
    /// Organic users now.
    pub organic_now: f64,
    /// The larger of the relative changes of users and organic users.
    pub change: f64,
    /// Whether `--allow-restatement` covers the week.
    pub allowed: bool,
    /// Whether the week had not settled when it was published, so that it may change.
    #[serde(default)]
    pub unsettled: bool,
}

/// Fewer users than this count as this many, so that two more users on three are not a large change.
const LEAST_USERS: f64 = 50.0;
/// The number of restated points that a report lists.
const LISTED: usize = 200;

/// Compares completed weeks with their published sums, country by country.
pub fn check(
    history: &History,
    now: &Totals,
    may_change: &MayChange<'_>,
) -> (Result<Measurement, NotRun>, Vec<Restated>) {
    let past = &history.totals.weeks;
    let mut names: Vec<&std::sync::Arc<str>> = past.names().iter().chain(now.weeks.names()).collect();
    names.sort_unstable();
    names.dedup();
    // The index of each name in both panels, looked up once instead of once per week.
    let names: Vec<(&std::sync::Arc<str>, Option<usize>, Option<usize>)> =
        names.into_iter().map(|name| (name, past.find(name), now.weeks.find(name))).collect();
    let mut restated = Vec::new();
    let (mut n, mut weeks) = (0u64, 0u64);
    let absent = Point::default();
    let settled = may_change.settled(history);
    let both = now.weeks.steps().filter(|week| now.weeks.is_complete(*week) && past.is_complete(*week));
    for week in both {
        weeks += 1;
        let (allowed, unsettled) = (may_change.is_allowed(week), !settled(week));
        let mut run = None;
        for (name, before, today) in &names {
            let before = before.and_then(|at| past.get(at, week));
            let today = today.and_then(|at| now.weeks.get(at, week));
            if before.is_none() && today.is_none() {
                continue;
            }
            n += 1;
            if let Some(before) = before {
                run = Some(before.run);
            }
            let (before, today) = (before.unwrap_or(&absent), today.unwrap_or(&absent));
            let change = |before: f64, now: f64| (now - before).abs() / before.max(LEAST_USERS);
            let change = change(before.users, today.users).max(change(before.organic, today.organic));
            if change > 0.0 {
                let run = run.unwrap_or(before.run);
                restated.push(Restated {
                    country: name.to_string(),
                    week: week_label(week),
                    run: history.run_of(&Point { run, ..*before }).to_owned(),
                    users_before: before.users,
                    users_now: today.users,
                    organic_before: before.organic,
                    organic_now: today.organic,
                    change: (change * 1e6).round() / 1e6,
                    allowed,
                    unsettled,
                });
            }
        }
    }
    if n == 0 {
        return (
            Err(NotRun::NotApplicable("no completed week of the data was published before".into())),
            restated,
        );
    }
    restated.sort_by(|a, b| {
        b.change.total_cmp(&a.change).then_with(|| (&a.country, &a.week).cmp(&(&b.country, &b.week)))
    });
    let blamed = || restated.iter().filter(|r| !r.allowed && !r.unsettled);
    let text = |r: &Restated| {
        let [now, organic, before, organic_before] =
            [r.users_now, r.organic_now, r.users_before, r.organic_before].map(words);
        let week = parse_label(r.week.as_bytes()).map_or_else(|| r.week.clone(), week_name);
        format!(
            "{}: {now} users, {organic} of them organic, in {week}; {} published {before} and {organic_before}",
            r.country, r.run
        )
    };
    let observed = blamed().map(|r| r.change).next().unwrap_or(0.0);
    // Those of most users first, of all that have changed by more than a hundredth.
    let mut most: Vec<&Restated> = blamed().filter(|r| r.change > 0.01_f64.min(observed / 2.0)).collect();
    most.sort_by(|a, b| b.users_before.total_cmp(&a.users_before));
    let offenders = most.into_iter().take(VIOLATIONS).map(|r| Violation::key(text(r))).collect();
    let mut note = format!("{} of {n} points of {weeks} published weeks changed", blamed().count());
    let permitted = restated.iter().filter(|r| r.allowed).count();
    if permitted > 0 {
        note = format!("{note}; {permitted} more were allowed");
    }
    let young = restated.iter().filter(|r| !r.allowed && r.unsettled).count();
    if young > 0 {
        note = format!("{note}; {young} more were younger than {} days", may_change.settle_days);
    }
    restated.truncate(LISTED);
    (Ok(Measurement { observed, n, offenders, note, ..Measurement::default() }), restated)
}
