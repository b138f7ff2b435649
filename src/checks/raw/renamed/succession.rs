//! A member that has no users from some week on, and another one that has none before, with as many users a week.
//!
//! The old name must have users in each of the last weeks before the change, at least [`MIN_USERS`] a week, and the new
//! name in each of the first weeks after it. Between them is at most one week without users of either. In the week of
//! the change both may have users. The medians of up to [`WEEKS`] weeks on both sides are compared: their logarithms
//! differ by less than three standard errors, which come from the spread of the old name's weeks, and not by more than
//! [`MOST`]. Weeks are scaled by their number of days with rows, so that a last week of two days can be compared.
//!
//! Where several names fit, none is reported, unless exactly one begins with the same word. Where names come and go all
//! the time, as campaigns do, none is.

use std::collections::{BTreeMap, BTreeSet};

use super::{Reason, Renamed, Series};

/// Weeks of both sides that are compared.
const WEEKS: i32 = 4;
/// Weeks from which the spread of the old name is estimated.
const SPREAD_WEEKS: usize = 13;
/// The fewest weeks of the old name.
const MIN_WEEKS: usize = 2;
/// The fewest users a week of both names: fewer may be missing by chance.
const MIN_USERS: f64 = 5.0;
/// The logarithm of the ratio of users that is always accepted, ...
const LEAST: f64 = 0.3;
/// ... and the one that never is: half or double.
const MOST: f64 = std::f64::consts::LN_2;
/// The most names that begin in one week, or end before it, that are compared with one another.
const NAMES_A_WEEK: usize = 64;
/// Names come and go if they do so in more weeks than these, ...
const TURNOVER_WEEKS: usize = 3;
/// ... and more than this part of the names ends before the last week.
const TURNOVER: f64 = 0.2;

/// An old name, a new name, the first week of the latter, and users a week before and after.
struct Candidate {
    from: usize,
    to: usize,
    week: i32,
    before: f64,
    after: f64,
}

/// The names that follow another one. `days` are the days with rows of each week.
pub fn find(series: &[&Series], days: &BTreeMap<i32, u32>) -> Vec<Renamed> {
    let (Some(first), Some(last)) = (days.keys().next().copied(), days.keys().last().copied()) else {
        return Vec::new();
    };
    let weeks = Weeks { days, most: days.values().copied().max().unwrap_or(1) };
    // The names that begin after the first week, by that week, and those that end before the last one.
    let (mut begins, mut ends): (BTreeMap<i32, Vec<usize>>, BTreeMap<i32, Vec<usize>>) = Default::default();
    for (at, of) in series.iter().enumerate() {
        if let (Some(begin), Some(end)) = (of.first(), of.last()) {
            if begin > first {
                begins.entry(begin).or_default().push(at);
            }
            if end < last && of.weeks.len() >= MIN_WEEKS {
                ends.entry(end).or_default().push(at);
            }
        }
    }
    let gone: usize = ends.values().map(Vec::len).sum();
    #[allow(clippy::cast_precision_loss)] // names are few
    let is_usual = gone as f64 > series.len() as f64 * TURNOVER;
    if ends.len() > TURNOVER_WEEKS && is_usual {
        return Vec::new();
    }
    let mut candidates = Vec::new();
    for (week, new) in &begins {
        for (_, old) in ends.range(week - 2..=*week) {
            for from in old.iter().take(NAMES_A_WEEK) {
                for to in new.iter().take(NAMES_A_WEEK).filter(|to| *to != from) {
                    if let (Some(a), Some(b)) = (series.get(*from), series.get(*to))
                        && let Some((before, after)) = weeks.agree(a, b, *week)
                    {
                        candidates.push(Candidate { from: *from, to: *to, week: *week, before, after });
                    }
                }
            }
        }
    }
    choose(series, &candidates)
}

/// The candidates whose names fit no other one.
fn choose(series: &[&Series], candidates: &[Candidate]) -> Vec<Renamed> {
    let name = |at: usize| series.get(at).map_or("", |of| &of.name);
    let is_alike = |c: &Candidate| first_word(name(c.from)) == first_word(name(c.to));
    let is_only = |c: &&Candidate| {
        let rivals = || candidates.iter().filter(|d| (d.from == c.from) != (d.to == c.to));
        rivals().next().is_none() || is_alike(c) && !rivals().any(is_alike)
    };
    let mut taken: BTreeSet<usize> = BTreeSet::new();
    let mut found = Vec::new();
    for candidate in candidates.iter().filter(is_only) {
        let Candidate { from, to, week, before, after } = *candidate;
        if taken.contains(&from) || taken.contains(&to) {
            continue;
        }
        taken.extend([from, to]);
        let users = [from, to].iter().filter_map(|at| series.get(*at)).map(|of| of.users()).sum();
        found.push(Renamed {
            from: name(from).to_owned(),
            to: name(to).to_owned(),
            reason: Reason::Follows { before, after },
            since: Some(week),
            users,
        });
    }
    found
}

fn first_word(name: &str) -> String {
    let lower = name.to_lowercase();
    lower
        .split(|letter: char| !letter.is_alphanumeric())
        .find(|word| !word.is_empty())
        .unwrap_or_default()
        .into()
}

struct Weeks<'w> {
    days: &'w BTreeMap<i32, u32>,
    /// The most days of a week.
    most: u32,
}

impl Weeks<'_> {
    /// The users of a name in a week, as if it had as many days as any other.
    fn level(&self, series: &Series, week: i32) -> f64 {
        let days = self.days.get(&week).copied().unwrap_or(self.most).max(1);
        series.weeks.get(&week).copied().unwrap_or_default() * f64::from(self.most) / f64::from(days)
    }

    /// The users a week of the old name before `week`, and those of both from then on, if they agree.
    fn agree(&self, old: &Series, new: &Series, week: i32) -> Option<(f64, f64)> {
        let (old_last, new_last) = (old.last()?, self.days.keys().last().copied()?);
        let end = old_last.min(week - 1);
        let before = end - WEEKS + 1..=end;
        let begin = *self.days.keys().next()?;
        let before: Vec<f64> = before
            .filter(|at| *at >= begin.max(old.first().unwrap_or(begin)))
            .map(|at| self.level(old, at))
            .collect();
        // In the week of the change both names have a part of the users.
        let after: Vec<f64> = (week..=new_last.min(week + WEEKS - 1))
            .map(|at| self.level(new, at) + self.level(old, at))
            .collect();
        let is_steady = |levels: &[f64]| !levels.is_empty() && levels.iter().all(|level| *level > 0.0);
        if before.len() < MIN_WEEKS || !is_steady(&before) || !is_steady(&after) {
            return None;
        }
        let (was, is) = (median(&before), median(&after));
        if was < MIN_USERS || is < MIN_USERS {
            return None;
        }
        let earlier: Vec<f64> = (old.weeks.keys().rev().filter(|at| **at <= end).take(SPREAD_WEEKS))
            .map(|at| self.level(old, *at))
            .filter(|level| *level > 0.0)
            .map(f64::ln)
            .collect();
        let center = median(&earlier);
        let spread = 1.4826 * median(&earlier.iter().map(|level| (level - center).abs()).collect::<Vec<_>>());
        // Users that come independently vary by their square root.
        let by_chance = 1.0 / was.sqrt();
        #[allow(clippy::cast_precision_loss)] // at most four weeks
        let weeks = 1.0 / before.len() as f64 + 1.0 / after.len() as f64;
        let accepted = (3.0 * spread.max(by_chance) * weeks.sqrt()).clamp(LEAST, MOST);
        ((is / was).ln().abs() <= accepted).then_some((was, is))
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = |at: usize| sorted.get(at).copied().unwrap_or_default();
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => at(n / 2),
        n => f64::midpoint(at(n / 2 - 1), at(n / 2)),
    }
}
