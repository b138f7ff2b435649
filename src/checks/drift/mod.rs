//! The drift checks: the sums of a run compared with what was published before.
//!
//! ```text
//! for each completed week that no earlier run has published complete and settled, and each country:
//!     baseline   the last published, completed weeks before it, without incidents
//!     away       how far the point lies outside of the range spanned by these references:
//!                the median of the baseline, the week before, the same ISO week a year before,
//!                the movement that all countries have in common
//!     z          away / spread;  spread = Qn, but not below a floor
//! ```
//!
//! - [`spread`]: median, Qn, z. [`mod@weeks`]: the weeks of a baseline. [`series`]: points of a country compared with its
//!   weeks.
//! - [`classes`]: organic or paid users of a country that stop.
//! - [`mix`]: the population stability index of the channels.
//! - [`days`]: published days that are missing; the volume of new days.
//! - [`restatement`]: published weeks that have changed.

pub mod classes;
pub mod days;
pub mod mix;
pub mod restatement;
pub mod series;
pub mod spread;
mod weeks;

pub use restatement::{MayChange, Restated};

use super::catalog::{CheckId, Stage};
use super::config::Config;
use super::finding;
use super::model::{Limit, Measurement, NotRun, VIOLATIONS, Violation};
use super::results::Results;
use crate::history::{History, Totals};
use crate::report::words::number;

/// What was published by earlier runs.
pub enum HistoryState<'a> {
    /// There is no history, and the reason: there is no target, or nothing was published yet.
    None(String),
    /// The history cannot be read, and the reason.
    Damaged(String),
    /// The history.
    History(&'a History),
}

/// The results of the drift checks.
#[derive(Default)]
pub struct DriftResults {
    /// The result of each check.
    pub results: Results,
    /// Published weeks that have changed, largest change first.
    pub restated: Vec<Restated>,
}

/// Compares the sums of a run with what was published before.
///
/// `now` is `None` if the rows could not be summed.
pub fn check(
    config: &Config,
    past: &HistoryState<'_>,
    now: Option<&Totals>,
    may_change: &MayChange<'_>,
) -> DriftResults {
    let all = |reason: &NotRun| {
        let ids = CheckId::ALL.iter().copied().filter(|id| id.stage() == Stage::History);
        ids.map(|id| (id, Err(reason.clone()))).collect::<Vec<_>>()
    };
    let readable = |count, n, offenders| (CheckId::History, Ok(Measurement::count(count, n, offenders)));
    let history = match past {
        HistoryState::None(why) => {
            let findings = all(&NotRun::NotApplicable(why.clone()));
            return DriftResults { results: Results::judge(config, findings), restated: vec![] };
        }
        HistoryState::Damaged(why) => {
            let mut findings = all(&NotRun::NotApplicable("the history is damaged".into()));
            findings.retain(|(id, _)| *id != CheckId::History);
            findings.insert(0, readable(1, 1, vec![Violation::key(why.clone())]));
            return DriftResults { results: Results::judge(config, findings), restated: vec![] };
        }
        HistoryState::History(history) => *history,
    };
    let Some(now) = now else {
        let mut findings = all(&NotRun::Failed("the rows could not be summed".into()));
        findings.retain(|(id, _)| *id != CheckId::History);
        findings.insert(0, readable(0, 1, vec![]));
        return DriftResults { results: Results::judge(config, findings), restated: vec![] };
    };
    let mut findings = vec![readable(0, 1, vec![])];
    findings.push((CheckId::DaysKept, days::kept(history, now)));
    findings.push((CheckId::DayVolume, days::volume(config, history, now)));
    let weeks = new_weeks(history, now, may_change);
    let (of_classes, (of_series, (mix, (restatement, restated)))) = rayon::join(
        || classes::check(config, history, now, &weeks),
        || {
            rayon::join(
                || series::check(config, history, now, &weeks),
                || {
                    rayon::join(
                        || mix::check(config, history, now, &weeks),
                        || restatement::check(config, history, now, may_change),
                    )
                },
            )
        },
    );
    findings.extend(of_classes);
    findings.extend(of_series);
    findings.push((CheckId::ChannelMix, mix));
    findings.push((CheckId::Restatement, restatement));
    DriftResults { results: Results::judge(config, findings), restated }
}

/// Completed weeks that no earlier run has published complete, and those that had not settled then.
fn new_weeks(history: &History, now: &Totals, may_change: &MayChange<'_>) -> Vec<i32> {
    let (panel, past) = (&now.weeks, &history.totals.weeks);
    let settled = may_change.settled(history);
    panel
        .steps()
        .filter(|week| panel.is_complete(*week) && !(past.is_complete(*week) && settled(*week)))
        .collect()
}

/// Collects the deviations of points and finds the largest.
#[derive(Default)]
pub(super) struct WorstDeviation {
    n: u64,
    points: Vec<Deviation>,
}

/// A point that deviates.
struct Deviation {
    deviation: f64,
    /// The users of its key, by which points are ordered.
    users: f64,
    sentence: String,
}

/// The words of a check on points.
pub(super) struct Words<'a> {
    /// What points are called: `country-weeks`.
    pub points: &'a str,
    /// Why no point was compared.
    pub none: &'a str,
    /// With what they are compared.
    pub note: &'a str,
}

impl WorstDeviation {
    /// Adds the deviation of a point of a key that has so many users. `sentence` describes the point; it is called
    /// if the deviation is above 0.
    pub(super) fn add(&mut self, deviation: f64, users: f64, sentence: impl FnOnce() -> String) {
        self.n += 1;
        if deviation > 0.0 {
            self.points.push(Deviation { deviation, users, sentence: sentence() });
        }
    }

    /// The largest deviation, with the points above the bound that warns: those above the bound that blocks first,
    /// then the keys with most users. `NotApplicable` if no point was added.
    pub(super) fn measurement(
        mut self,
        config: &Config,
        check: CheckId,
        words: &Words<'_>,
    ) -> Result<Measurement, NotRun> {
        if self.n == 0 {
            return Err(NotRun::NotApplicable(words.none.to_owned()));
        }
        let bounds = config.bounds(check);
        let count = |limit: Option<Limit>| limit.and_then(|limit| limit.count);
        let (warn, block) = (count(bounds.warn).unwrap_or(0.0), count(bounds.block));
        let observed = self.points.iter().map(|point| point.deviation).fold(0.0, f64::max);
        self.points.retain(|point| point.deviation > warn);
        let blocks = |point: &Deviation| block.is_some_and(|block| point.deviation > block);
        self.points.sort_by(|a, b| {
            (blocks(b).cmp(&blocks(a)))
                .then_with(|| b.users.total_cmp(&a.users))
                .then_with(|| b.deviation.total_cmp(&a.deviation))
                .then_with(|| a.sentence.cmp(&b.sentence))
        });
        let finding = self.points.first().map_or(String::new(), |first| {
            let limit = finding::in_words(check, block.filter(|_| blocks(first)).unwrap_or(warn));
            let past = match self.points.len() as u64 {
                1 => String::new(),
                past => {
                    format!("; {} of {} {} are past the warning", number(past), number(self.n), words.points)
                }
            };
            format!("{} (limit {limit}{past})", first.sentence)
        });
        let first = self.points.into_iter().take(VIOLATIONS);
        Ok(Measurement {
            observed: (observed * 1e4).round() / 1e4,
            n: self.n,
            offenders: first.map(|point| Violation::key(point.sentence)).collect(),
            note: words.note.to_owned(),
            finding,
            ..Measurement::default()
        })
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
