//! The checks against what was published before.
//!
//! ```text
//! for each completed week that no earlier run has published complete, and each country:
//!     baseline   the last published, completed weeks before it, incidents left out
//!     away       how far the point lies outside of the span of three references:
//!                the baseline's median, the week before, the same ISO week a year before
//!     z          away / spread;  spread = 1.4826 x MAD, but not below a floor
//! ```
//!
//! - [`spread`]: median, MAD, z. [`series`]: points of a country against its weeks.
//! - [`mix`]: the population stability index of the channels.
//! - [`days`]: days that were published and are gone; the volume of new days.
//! - [`restatement`]: published weeks that are other weeks now.

pub mod days;
pub mod mix;
pub mod restatement;
pub mod series;
pub mod spread;

pub use restatement::Restated;

use super::catalog::{CheckId, Stage};
use super::config::Config;
use super::model::{Measurement, NotRun, VIOLATIONS, Violation};
use super::results::Results;
use crate::history::{History, Totals};

/// What is known of earlier runs.
pub enum HistoryState<'a> {
    /// There is no history, and why: there is no target, nothing was published yet.
    None(String),
    /// It cannot be made sense of.
    Damaged(String),
    /// This.
    History(&'a History),
}

/// What the checks against the history have found.
#[derive(Default)]
pub struct DriftResults {
    /// Their outcomes.
    pub results: Results,
    /// Published weeks that have changed, largest change first.
    pub restated: Vec<Restated>,
}

/// Holds a run's sums against what was published before; `allowed` are weeks that may be restated.
pub fn check(
    config: &Config,
    past: &HistoryState<'_>,
    now: Option<&Totals>,
    allowed: &[(i32, i32)],
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
        let mut findings = all(&NotRun::Failed("the sums of the rows are not known".into()));
        findings.retain(|(id, _)| *id != CheckId::History);
        findings.insert(0, readable(0, 1, vec![]));
        return DriftResults { results: Results::judge(config, findings), restated: vec![] };
    };
    let mut findings = vec![readable(0, 1, vec![])];
    findings.push((CheckId::DaysKept, days::kept(history, now)));
    findings.push((CheckId::DayVolume, days::volume(config, history, now)));
    findings.extend(series::check(config, history, now));
    findings.push((CheckId::ChannelMix, mix::check(config, history, now)));
    let (restatement, restated) = restatement::check(config, history, now, allowed);
    findings.push((CheckId::Restatement, restatement));
    DriftResults { results: Results::judge(config, findings), restated }
}

/// Completed weeks that no earlier run has published complete.
pub(super) fn new_weeks(history: &History, now: &Totals) -> Vec<i32> {
    let panel = &now.weeks;
    panel
        .steps()
        .filter(|week| panel.is_complete(*week) && !history.totals.weeks.is_complete(*week))
        .collect()
}

/// How far points are off, and which.
#[derive(Default)]
pub(super) struct WorstDeviation {
    n: u64,
    points: Vec<(f64, String)>,
}

impl WorstDeviation {
    /// A point that was judged; `text` says it where it is off.
    pub(super) fn add(&mut self, off: f64, text: impl FnOnce() -> String) {
        self.n += 1;
        if off > 0.0 {
            self.points.push((off, text()));
        }
    }

    /// The largest, with the ones that are off past `warn`.
    pub(super) fn finding(mut self, warn: f64, none: &str, note: &str) -> Result<Measurement, NotRun> {
        if self.n == 0 {
            return Err(NotRun::NotApplicable(none.to_owned()));
        }
        self.points.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let observed = self.points.first().map_or(0.0, |(off, _)| *off);
        let past = self.points.iter().filter(|(off, _)| *off > warn).count();
        let offenders = (self.points.into_iter().take_while(|(off, _)| *off > warn))
            .take(VIOLATIONS)
            .map(|(_, text)| Violation::key(text))
            .collect();
        let note = if past > 0 {
            format!("{past} of {} points past the bound that warns; {note}", self.n)
        } else {
            note.to_owned()
        };
        Ok(Measurement { observed: (observed * 1e4).round() / 1e4, n: self.n, offenders, note })
    }
}

/// The bound that warns, for naming offenders.
pub(super) fn warns_past(config: &Config, id: CheckId) -> f64 {
    config.bounds(id).warn.and_then(|limit| limit.count).unwrap_or(0.0)
}

#[cfg(test)]
mod tests;
