//! Publishing a run that was blocked, after a person has looked.

use super::kept::RunStore;
use super::report::{RunReport, State};
use crate::checks::settings::Keep;
use crate::history::History;
use crate::history::store::LoadedHistory;
use crate::publish::{Target, TargetLock, publish_written};
use crate::{Error, Result};

/// Publishes the table of `run`, which was blocked at `target`, as it was computed
/// then; from now on it teaches.
///
/// # Errors
/// `Argument` where there is no such run in quarantine, or one that began later was
/// published since; `Io` when another run is at the target, or writing fails.
pub fn promote(run: &str, target: &str, keep: Keep) -> Result<RunReport> {
    let target = Target::parse(target)?;
    let Some(kept) = RunStore::beside(&target)? else {
        return Err(
            Error::argument(format!("target '{target}'")).expected("the target at which the run was blocked")
        );
    };
    // Before anything is claimed, so that nothing is created for a run that is not there.
    let _ = kept.from_quarantine(run, target.format())?;
    let claim = TargetLock::acquire(&target)?;
    kept.sweep();
    let (mut report, table, totals) = kept.from_quarantine(run, target.format())?;
    if let Some(later) = kept.runs()?.into_iter().rfind(|published| published.as_str() > run) {
        return Err(Error::argument(format!("run {run} is older than {later}, which was published since"))
            .expected("a run that began after the last one that was published")
            .advice("Run again; with --warn-only the table is published whatever the checks say"));
    }
    let rows = report.table_rows;
    report.published = Some(publish_written(&target, &claim, rows, &table)?);
    report.state = State::Promoted;
    report.places.quarantined = None;
    report.places.report = Some(kept.report_path(run));
    report.places.page = Some(kept.page_path(run));
    let (found, version) = kept.history()?;
    let mut history = match found {
        LoadedHistory::History(history) => history,
        LoadedHistory::Nothing | LoadedHistory::Damaged(_) => History::default(),
    };
    if let Some(totals) = &totals {
        kept.record(&mut history, &version, totals, run, keep.weeks)?;
    }
    kept.write_report(&report, keep.runs)?;
    kept.release(run)?;
    Ok(report)
}
