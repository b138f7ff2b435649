//! The population stability index of the channels.
//!
//! `PSI = sum over channels of (p - q) ln(p / q)`, where p is a channel's part of
//! the users now and q its usual part; 0.1 and 0.25 are the customary bounds
//! (N. Siddiqi, "Credit Risk Scorecards", 2006). It is the symmetric form of the
//! divergence of S. Kullback and R. A. Leibler, "On Information and Sufficiency",
//! Annals of Mathematical Statistics 22 (1951), 79-86.

use super::{Words, WorstDeviation, new_weeks};
use crate::checks::catalog::CheckId;
use crate::checks::config::Config;
use crate::checks::finding;
use crate::checks::model::{Measurement, NotRun};
use crate::history::{History, Panel, Totals};

/// The smallest fraction of a channel, so that the index stays finite for a new or missing channel.
const LEAST: f64 = 1e-4;
/// An index is usual up to this multiple of the largest index among the weeks of the baseline.
const USUAL: f64 = 1.25;

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
}

/// The index of a week compared with the weeks before it; `None` if there are too few weeks or users.
pub fn judge(config: &Config, past: &Panel, now: &Panel, week: i32) -> Option<Judged> {
    let mut names: Vec<std::sync::Arc<str>> = past.names().iter().chain(now.names()).cloned().collect();
    names.sort_unstable();
    names.dedup();
    let indices = |panel: &Panel| names.iter().map(|name| panel.find(name)).collect::<Vec<_>>();
    let (in_past, in_now) = (indices(past), indices(now));
    let drift = &config.drift;
    let reach = i32::try_from(drift.baseline_weeks * 2).unwrap_or(i32::MAX);
    let usable = |week: i32| past.is_complete(week) && !config.incidents.iter().any(|i| i.covers(None, week));
    let weeks: Vec<Vec<f64>> = (1..=reach)
        .map(|back| week - back)
        .filter(|week| usable(*week))
        .take(drift.baseline_weeks)
        .map(|week| channels(past, &in_past, week))
        .collect();
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
    let index = psi(&point, &sum);
    // A mix that was already published for the week before is no deviation.
    let index =
        if usable(week - 1) { index.min(psi(&point, &channels(past, &in_past, week - 1))) } else { index };
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
    let (p, q) = (finding::percent(p), finding::percent(q));
    let text =
        format!("'{name}' has {p} of the users in {}, usually {q} (PSI {index:.2})", finding::week(week));
    Some(Judged { index, is_usual: index <= USUAL * usual, text })
}

/// Runs the check.
pub fn check(config: &Config, history: &History, now: &Totals) -> Result<Measurement, NotRun> {
    if !now.question.is_empty() && now.channels.is_empty() {
        return Err(NotRun::NotApplicable("users are not summed by channel".into()));
    }
    let weeks = new_weeks(history, now);
    let mut deviations = WorstDeviation::default();
    for week in &weeks {
        if let Some(judged) = judge(config, &history.totals.channels, &now.channels, *week) {
            deviations.add(0.0, if judged.is_usual { 0.0 } else { judged.index }, || judged.text);
        }
    }
    let none = if weeks.is_empty() {
        "there is no new completed week: all were published before"
    } else {
        "too little history, or too few users"
    };
    let note = format!("compared with the last {} published weeks", config.drift.baseline_weeks);
    deviations.measurement(config, CheckId::ChannelMix, &Words { points: "weeks", none, note: &note })
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
