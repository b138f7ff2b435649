//! The population stability index of the channels.
//!
//! `PSI = sum over channels of (p - q) ln(p / q)`, where p is a channel's part of
//! the users now and q its usual part; 0.1 and 0.25 are the customary bounds
//! (N. Siddiqi, "Credit Risk Scorecards", 2006). It is the symmetric form of the
//! divergence of S. Kullback and R. A. Leibler, "On Information and Sufficiency",
//! Annals of Mathematical Statistics 22 (1951), 79-86.
//!
//! A channel that goes while a new one comes with the same part of the users is renamed: the two are counted as one.

use super::weeks;
use super::{Words, WorstDeviation};
use crate::checks::catalog::CheckId;
use crate::checks::config::Config;
use crate::checks::finding;
use crate::checks::model::{Measurement, NotRun};
use crate::checks::settings::Incident;
use crate::history::{History, Panel, Totals};

/// The smallest fraction of a channel, so that the index stays finite for a new or missing channel.
const LEAST: f64 = 1e-4;
/// An index is usual up to this multiple of the largest index among the weeks of the baseline.
const USUAL: f64 = 1.25;

/// A channel that has at least this part of the users can be renamed.
const RENAMED_MIN: f64 = 0.01;
/// A channel with less than this part of its usual users is gone; one with less than this part of its users is new.
const RESIDUE: f64 = 0.02;
/// The part of a renamed channel changes by a quarter at most.
const SAME_PART: f64 = 1.25;
/// Incidents of countries with less than this part of the users do not keep the mix of a week from being judged.
const INCIDENT_MIN: f64 = 0.05;

/// The population stability index of two lists of users by channel.
pub fn psi(now: &[f64], usual: &[f64]) -> f64 {
    let (a, b): (f64, f64) = (now.iter().sum(), usual.iter().sum());
    if a <= 0.0 || b <= 0.0 {
        return 0.0;
    }
    now.iter()
        .zip(usual)
        .map(|(now, usual)| {
            let (p, q) = ((now / a).max(LEAST), (usual / b).max(LEAST));
            (p - q) * (p / q).ln()
        })
        .sum()
}

/// The users of a week by channel. `indices` are those of the channels in `panel`.
fn channels(panel: &Panel, indices: &[Option<usize>], week: i32) -> Vec<f64> {
    let users = |at: &Option<usize>| at.and_then(|at| panel.get(at, week)).map_or(0.0, |p| p.users);
    indices.iter().map(users).collect()
}

/// The index of a week.
pub struct Judged {
    /// The smaller of the indices against the baseline and against the week before.
    pub index: f64,
    /// Whether weeks of the baseline deviate from the others as much.
    pub is_usual: bool,
    /// The index, and the channel whose fraction changes most, in words.
    pub text: String,
    /// The users of the week.
    pub users: f64,
    /// The channels that have another name, in words; the index with both names as one channel.
    pub renamed: Option<(String, f64)>,
}

/// Pairs of channels, old and new: one is gone, and one that was not there before has its part of the users.
fn renamed(now: &[f64], usual: &[f64]) -> Vec<(usize, usize)> {
    let (a, b): (f64, f64) = (now.iter().sum(), usual.iter().sum());
    let parts: Vec<(f64, f64)> = now.iter().zip(usual).map(|(now, usual)| (now / a, usual / b)).collect();
    let indices = |is: &dyn Fn(f64, f64) -> bool| -> Vec<usize> {
        let all = parts.iter().enumerate();
        all.filter(|(_, (now, usual))| is(*now, *usual)).map(|(at, _)| at).collect()
    };
    let gone = indices(&|now, usual| usual >= RENAMED_MIN && now < RESIDUE * usual);
    let mut new = indices(&|now, usual| now >= RENAMED_MIN && usual < RESIDUE * now);
    let mut pairs = Vec::new();
    for old in gone {
        let ratio = |at: &usize| {
            let (now, usual) = (parts.get(*at).map_or(0.0, |p| p.0), parts.get(old).map_or(0.0, |p| p.1));
            (now / usual).max(usual / now)
        };
        let nearest = new.iter().copied().enumerate().min_by(|a, b| ratio(&a.1).total_cmp(&ratio(&b.1)));
        if let Some((at, name)) = nearest.filter(|(_, name)| ratio(name) <= SAME_PART) {
            new.swap_remove(at);
            pairs.push((old, name));
        }
    }
    pairs
}

/// Adds the users of each renamed channel to those of its old name.
fn merged(users: &[f64], pairs: &[(usize, usize)]) -> Vec<f64> {
    let mut users = users.to_vec();
    for (old, new) in pairs {
        let moved = users.get_mut(*new).map(std::mem::take).unwrap_or_default();
        if let Some(old) = users.get_mut(*old) {
            *old += moved;
        }
    }
    users
}

/// The index of a week compared with the weeks before it, from `since` on; `None` if there are too few weeks or users.
pub fn judge(config: &Config, past: &Panel, now: &Panel, week: i32, since: i32) -> Option<Judged> {
    let mut names: Vec<std::sync::Arc<str>> = past.names().iter().chain(now.names()).cloned().collect();
    names.sort_unstable();
    names.dedup();
    let indices = |panel: &Panel| names.iter().map(|name| panel.find(name)).collect::<Vec<_>>();
    let (in_past, in_now) = (indices(past), indices(now));
    let drift = &config.drift;
    let usable = |other: i32| {
        let is_usable =
            other >= since && past.is_complete(other) && !config.is_excluded(None, None, other, week);
        is_usable.then(|| channels(past, &in_past, other))
    };
    let weeks = weeks::baseline(config, week, usable);
    let point = channels(now, &in_now, week);
    if weeks.len() < drift.min_weeks || point.iter().sum::<f64>() < drift.min_users {
        return None;
    }
    let mut sum = vec![0.0; names.len()];
    for users in &weeks {
        sum.iter_mut().zip(users).for_each(|(to, from)| *to += from);
    }
    let usual = weeks
        .iter()
        .map(|users| {
            let rest: Vec<f64> = sum.iter().zip(users).map(|(all, own)| all - own).collect();
            psi(users, &rest)
        })
        .fold(0.0, f64::max);
    // A mix that was already published for the week before, or for the week itself, is no deviation.
    let published: Vec<Vec<f64>> = [week - 1, week].into_iter().filter_map(usable).collect();
    let index_of = |pairs: &[(usize, usize)]| {
        let point = merged(&point, pairs);
        let all = published.iter().chain([&sum]);
        all.map(|usual| psi(&point, &merged(usual, pairs))).fold(f64::INFINITY, f64::min)
    };
    let index = index_of(&[]);
    let pairs = renamed(&point, &sum);
    let (a, b): (f64, f64) = (point.iter().sum(), sum.iter().sum());
    let part = |at: usize| {
        let of = |list: &[f64], all: f64| list.get(at).copied().unwrap_or_default() / all.max(1.0);
        (of(&point, a), of(&sum, b))
    };
    let most = (0..names.len()).max_by(|x, y| {
        let change = |at: &usize| (part(*at).0 - part(*at).1).abs();
        change(x).total_cmp(&change(y))
    })?;
    let (p, q) = part(most);
    let name = names.get(most).map_or("", |name| name);
    let text = format!(
        "'{name}' has {} of the users in {}, usually {} (PSI {index:.2})",
        finding::percent(p),
        finding::week(week),
        finding::percent(q)
    );
    let renamed = (!pairs.is_empty()).then(|| {
        let names = |(old, new): &(usize, usize)| {
            let name = |at: usize| names.get(at).map_or("", |name| name);
            let (now, usual) = (finding::percent(part(*new).0), finding::percent(part(*old).1));
            format!("'{}' is called '{}' ({now} of the users, usually {usual})", name(*old), name(*new))
        };
        let names: Vec<String> = pairs.iter().map(names).collect();
        (format!("{}: {}", finding::week(week), names.join(", ")), index_of(&pairs))
    });
    Some(Judged { index, is_usual: index <= USUAL * usual, text, users: a, renamed })
}

/// Whether an incident is of all countries, or of countries with more than a few of the users.
fn is_large(incident: &Incident, keys: &Panel) -> bool {
    let (mut all, mut covered) = (0.0, 0.0);
    for (name, _, point) in keys.entries() {
        let name = keys.names().get(name).map(|name| &**name);
        all += point.users;
        covered += if incident.covers(name, incident.first) { point.users } else { 0.0 };
    }
    incident.countries.is_empty() || covered > INCIDENT_MIN * all
}

/// The first week that the channels of a week are compared with: that of the last change of level before it.
pub fn level_since(config: &Config, keys: &Panel, week: i32) -> i32 {
    let levels = config.incidents.iter().filter(|incident| incident.new_level && incident.first <= week);
    let large = levels.filter(|incident| is_large(incident, keys));
    large.map(|incident| incident.first).max().unwrap_or(i32::MIN)
}

/// Whether incidents cover a week of all countries, or of countries with more than a few of the users.
fn is_incident(config: &Config, keys: &Panel, week: i32) -> bool {
    let covers = |incident: &&Incident| (incident.first..=incident.last).contains(&week);
    config.incidents.iter().filter(covers).any(|incident| is_large(incident, keys))
}

/// Runs the check.
pub fn check(
    config: &Config,
    history: &History,
    now: &Totals,
    tested: &[i32],
) -> Result<Measurement, NotRun> {
    if !now.question.is_empty() && now.channels.is_empty() {
        return Err(NotRun::NotApplicable("users are not summed by channel".into()));
    }
    let block = config.bounds(CheckId::ChannelMix).block.and_then(|limit| limit.count);
    let mut deviations = WorstDeviation::default();
    let keys = &history.totals.weeks;
    for week in tested.iter().copied().filter(|week| !is_incident(config, keys, *week)) {
        let since = level_since(config, keys, week);
        let judged = judge(config, &history.totals.channels, &now.channels, week, since);
        let Some(judged) = judged else { continue };
        let index = if judged.is_usual { 0.0 } else { judged.index };
        match judged.renamed {
            // A rename alone does not block: it counts at most as the bound that blocks.
            Some((text, rest)) if rest < index => {
                let index = block.map_or(index, |block| rest.max(index.min(block)));
                deviations.add(index, judged.users, || {
                    if block.is_some_and(|block| rest > block) {
                        format!("{text}; {}", judged.text)
                    } else {
                        text
                    }
                });
            }
            _ => deviations.add(index, judged.users, || judged.text),
        }
    }
    let none = weeks::why_none(tested, || {
        let drift = &config.drift;
        format!("fewer than {} published weeks of {} users", drift.min_weeks, drift.min_users)
    });
    let note = format!("compared with the last {} published weeks", config.drift.baseline_weeks);
    deviations.measurement(config, CheckId::ChannelMix, &Words { points: "weeks", none: &none, note: &note })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_by_hand() {
        let expected = (0.6 - 0.5) * (0.6f64 / 0.5).ln() + (0.4 - 0.5) * (0.4f64 / 0.5).ln();
        assert!((psi(&[60.0, 40.0], &[5.0, 5.0]) - expected).abs() < 1e-12);
        assert_eq!(psi(&[1.0, 2.0], &[10.0, 20.0]), 0.0);
        assert_eq!(psi(&[0.0], &[1.0]), 0.0);
        assert!(psi(&[1.0, 0.0], &[0.0, 1.0]) > 18.0);
    }
}
