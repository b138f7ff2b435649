//! The files of a run beside its target.
//!
//! The target has been replaced or left as it was before this. A failure to write one of them never turns a published
//! run into a failed one: it is part of the report ([`RunReport::not_kept`]) and of the exit code.

use super::store::RunStore;
use crate::checks::settings::Keep;
use crate::history::{History, Totals};
use crate::publish::{Format, Target};
use crate::report::RunReport;
use crate::report::model::Kept;
use crate::storage::Precondition;
use crate::table::Table;
use crate::{Error, Result};

/// Where the files of a run go.
pub struct RunFiles<'a> {
    /// The store beside the target.
    pub store: &'a RunStore,
    /// How many runs are kept.
    pub keep: Keep,
    /// The sums of the run; `None` if it has none that are compared.
    pub totals: Option<&'a Totals>,
}

impl RunFiles<'_> {
    /// Puts a blocked run into quarantine: its report, its table and its totals.
    pub fn quarantine(&self, report: &mut RunReport, target: Option<&Target>, table: Option<&Table>) {
        let (store, name) = (self.store, report.run.clone());
        report.places.kept = Some(store.display_path());
        if self.keep.quarantine == 0 {
            return;
        }
        report.places.quarantined = Some(store.quarantine_path(&name));
        report.places.report = Some(format!("{}/report.json", store.quarantine_path(&name)));
        report.places.page = Some(format!("{}/report.html", store.quarantine_path(&name)));
        let written = target.zip(table).map(|(target, table)| write_table(target.format(), table));
        let quarantined = written
            .transpose()
            .and_then(|table| store.quarantine(report, table, self.totals, self.keep.quarantine));
        if quarantined.is_err() {
            (report.places.quarantined, report.places.report, report.places.page) = (None, None, None);
        }
        report.note_failure(Kept::Quarantine, quarantined);
    }

    /// Adds a published run to the history, which has this version, and stores its report.
    pub fn record(&self, report: &mut RunReport, history: Option<History>, version: &Precondition) {
        let (store, keep, name) = (self.store, self.keep, report.run.clone());
        report.places.kept = Some(store.display_path());
        report.places.quarantined = None;
        report.places.history = self.totals.map(|_| store.history_path());
        let (report_path, page_path) = (store.report_path(&name), store.page_path(&name));
        (report.places.report, report.places.page) =
            if keep.runs > 0 { (Some(report_path), Some(page_path)) } else { (None, None) };
        let (recorded, mut reported) = rayon::join(
            || {
                let mut history = history.unwrap_or_default();
                self.totals
                    .map_or(Ok(()), |totals| store.record(&mut history, version, totals, &name, keep.weeks))
            },
            || if keep.runs > 0 { store.write_report(report, keep.runs) } else { Ok(()) },
        );
        if recorded.is_err() {
            report.places.history = None;
            report.note_failure(Kept::History, recorded);
            // The stored report has to say so, too.
            if keep.runs > 0 && reported.is_ok() {
                reported = store.write_report(report, keep.runs);
            }
        }
        if reported.is_err() {
            (report.places.report, report.places.page) = (None, None);
        }
        report.note_failure(Kept::Report, reported);
    }
}

/// The table in the format of the target.
fn write_table(format: Format, table: &Table) -> Result<(Format, Vec<u8>)> {
    let mut bytes = Vec::new();
    format.write(table, &mut bytes).map_err(|e| Error::io("cannot write", e))?;
    Ok((format, bytes))
}
