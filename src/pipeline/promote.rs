//! Publishes a blocked run after a person has approved it.

use super::keep::RunFiles;
use super::store::RunStore;
use crate::checks::settings::Keep;
use crate::escape::shell;
use crate::history::store::LoadedHistory;
use crate::phrase::{Phrase, Setting};
use crate::publish::{Target, TargetLock, publish_written};
use crate::report::model::Kept;
use crate::report::{RunReport, State};
use crate::{Error, Result};

/// Publishes the stored table of `run`, which was blocked at `target`, and adds its sums to the history. `run` is the
/// name of a run, a unique prefix of it, or `latest`.
///
/// After the target is replaced, a file beside it that cannot be written is no error: see [`RunReport::not_kept`].
///
/// # Errors
/// `Argument` if the run is not in quarantine, or if a run that began later was published since; `Format` if the
/// files in quarantine are not those that the run wrote; `Io` if another run holds the lock of the target, or it
/// cannot be written. The target is then left as it was.
pub fn promote(run: &str, target: &str, keep: Keep) -> Result<RunReport> {
    let target = Target::parse(target)?;
    let Some(store) = RunStore::beside(&target)? else {
        return Err(Error::argument(format!("target '{target}' keeps no runs"))
            .expected("the target of the blocked run"));
    };
    // Read once before locking, so that an unknown run creates no lock.
    let run = &*store.blocked_run(run).map_err(|error| {
        let list = format!("`rollshare report --target {}` lists the runs", shell(&target.to_string()));
        error.or_advice(|| Phrase::default().command(list))
    })?;
    let _ = store.from_quarantine(run, target.format())?;
    let lock = TargetLock::acquire(&target)?;
    store.sweep();
    let (mut report, table, totals) = store.from_quarantine(run, target.format())?;
    if let Some(later) = store.runs()?.into_iter().rfind(|published| published.as_str() > run) {
        return Err(Error::argument(format!("run {run} is older than {later}, which was published since"))
            .expected("a run that began after the last published run")
            .advice(
                Phrase::from("Run again; with ")
                    .option(Setting::WarnOnly)
                    .text(" the table is published even if a check fails"),
            ));
    }
    // Read before the target is replaced: what cannot be read is an error while nothing has changed.
    let (loaded, version) = store.history()?;
    let rows = report.table_rows;
    let published = publish_written(&target, &lock, rows, &table)?;
    report.notes.extend_from_slice(&published.notes);
    report.published = Some(published);
    report.state = State::Promoted;
    let history = match loaded {
        LoadedHistory::History(history) => Some(history),
        LoadedHistory::Nothing | LoadedHistory::Damaged(_) => None,
    };
    RunFiles { store: &store, keep, totals: totals.as_ref() }.record(&mut report, history, &version);
    // Without a report among the published runs, the quarantine is the only place that knows of the run.
    if keep.runs == 0 || report.places.report.is_some() {
        report.note_failure(Kept::Release, store.release(run));
    }
    Ok(report)
}
