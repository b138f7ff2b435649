//! Publishes a blocked run after a person has approved it.

use super::store::RunStore;
use crate::checks::settings::Keep;
use crate::history::History;
use crate::history::store::LoadedHistory;
use crate::publish::{Target, TargetLock, publish_written};
use crate::report::{RunReport, State};
use crate::{Error, Result};

/// Publishes the stored table of `run`, which was blocked at `target`, and adds its sums to the history.
///
/// # Errors
/// `Argument` if the run is not in quarantine, or if a run that began later was published since; `Io` if
/// another run holds the lock of the target, or a file cannot be written.
pub fn promote(run: &str, target: &str, keep: Keep) -> Result<RunReport> {
    let target = Target::parse(target)?;
    let Some(store) = RunStore::beside(&target)? else {
        return Err(Error::argument(format!("target '{target}' keeps no runs"))
            .expected("the target of the blocked run"));
    };
    // Read once before locking, so that an unknown run creates no lock.
    let _ = store.from_quarantine(run, target.format())?;
    let lock = TargetLock::acquire(&target)?;
    store.sweep();
    let (mut report, table, totals) = store.from_quarantine(run, target.format())?;
    if let Some(later) = store.runs()?.into_iter().rfind(|published| published.as_str() > run) {
        return Err(Error::argument(format!("run {run} is older than {later}, which was published since"))
            .expected("a run that began after the last published run")
            .advice("Run again; with --warn-only the table is published even if a check fails"));
    }
    let rows = report.table_rows;
    report.published = Some(publish_written(&target, &lock, rows, &table)?);
    report.state = State::Promoted;
    report.places.quarantined = None;
    report.places.report = Some(store.report_path(run));
    report.places.page = Some(store.page_path(run));
    let (loaded, version) = store.history()?;
    let mut history = match loaded {
        LoadedHistory::History(history) => history,
        LoadedHistory::Nothing | LoadedHistory::Damaged(_) => History::default(),
    };
    if let Some(totals) = &totals {
        store.record(&mut history, &version, totals, run, keep.weeks)?;
    }
    store.write_report(&report, keep.runs)?;
    store.release(run)?;
    Ok(report)
}
