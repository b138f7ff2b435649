//! Published weeks that have changed.

use std::collections::BTreeMap;

use crate::calendar::period::{Weekday, week_start};
use crate::calendar::week_label;
use crate::checks::catalog::CheckId;
use crate::checks::config::Config;
use crate::checks::finding::{self, week_of_label};
use crate::checks::model::{Measurement, NotRun, VIOLATIONS, Violation};
use crate::escape;
use crate::history::{History, Point, Totals};
use crate::report::words::{amount, number};

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
    config: &Config,
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
    let not_allowed = || restated.iter().filter(|r| !r.allowed && !r.unsettled);
    let observed = not_allowed().map(|r| r.change).next().unwrap_or(0.0);
    let changed = not_allowed().count() as u64;
    // Points above the bound that blocks come first, then countries with most users.
    let mut users: BTreeMap<&str, f64> = BTreeMap::new();
    for restated in &restated {
        *users.entry(&restated.country).or_default() += restated.users_before.max(restated.users_now);
    }
    let block = config.bounds(CheckId::Restatement).block.and_then(|limit| limit.count);
    let blocks = |r: &Restated| block.is_some_and(|block| r.change > block);
    let users = |r: &Restated| users.get(r.country.as_str()).copied().unwrap_or_default();
    let mut ordered: Vec<&Restated> = not_allowed().collect();
    // The sort is stable: the largest change of a country stays first.
    ordered.sort_by(|a, b| {
        (blocks(b).cmp(&blocks(a)))
            .then_with(|| users(b).total_cmp(&users(a)))
            .then_with(|| a.country.cmp(&b.country))
    });
    let key = if now.question.is_empty() { "country" } else { "key" };
    let sentence = ordered.first().map_or(String::new(), |first| {
        let all_gone = ordered.iter().all(|r| r.users_now == 0.0);
        let (count, noun) =
            (number(changed), format!("published {key}-week{}", if n == 1 { "" } else { "s" }));
        let of = if changed == n {
            format!("all {count} {noun}")
        } else {
            format!("{count} of {} {noun}", number(n))
        };
        let (to, question) = if all_gone { (" to 0 users", ". Was the export cut?") } else { ("", "") };
        let limit = if blocks(first) { block } else { None };
        let limit = limit.map_or(String::new(), |limit| {
            format!("; limit {}", finding::in_words(CheckId::Restatement, limit))
        });
        format!("{of} would change{to} (first {}{limit}){question}", changes(first))
    });
    let text = |r: &Restated| format!("{}; published by {}", changes(r), r.run);
    let offenders = ordered.iter().take(VIOLATIONS).map(|r| Violation::key(text(r))).collect();
    let mut note = format!("{weeks} published weeks compared");
    let permitted = restated.iter().filter(|r| r.allowed).count();
    if permitted > 0 {
        note = format!("{note}; {permitted} more were allowed");
    }
    let young = restated.iter().filter(|r| !r.allowed && r.unsettled).count();
    if young > 0 {
        note = format!("{note}; {young} more were younger than {} days", may_change.settle_days);
    }
    restated.truncate(LISTED);
    restated.iter_mut().for_each(|restated| restated.country = escape::cut(&restated.country).into());
    (Ok(Measurement { observed, n, offenders, note, finding: sentence, ..Measurement::default() }), restated)
}

/// A restated week as a sentence: `AD: 65 users in 2020-W46 become 0`.
fn changes(restated: &Restated) -> String {
    let (key, week) = (&restated.country, week_of_label(&restated.week));
    let change = |before: f64, now: f64| (now - before).abs() / before.max(LEAST_USERS);
    let users = change(restated.users_before, restated.users_now);
    let organic = change(restated.organic_before, restated.organic_now);
    let (what, before, now) = if users >= organic {
        ("users", restated.users_before, restated.users_now)
    } else {
        ("organic users", restated.organic_before, restated.organic_now)
    };
    format!("{}: {} {what} in {week} become {}", escape::name(key), amount(before), amount(now))
}
