//! What is kept beside a target.
//!
//! ```text
//! _rollshare/history/published.parquet     what was published, which the next run is held against
//! _rollshare/runs/RUN.json, RUN.html       reports of published runs
//! _rollshare/quarantine/RUN/report.json    (and report.html) a run that was blocked, its table, and what it would
//! _rollshare/quarantine/RUN/table.parquet  teach if a person publishes it
//! _rollshare/quarantine/RUN/sums.parquet
//! ```
//!
//! For a file X.parquet all this lies in `_rollshare/X.parquet/`, so that files in one
//! folder do not share it. Each file is replaced whole.

use std::sync::Arc;

use crate::history::store::{self, LoadedHistory};
use crate::history::{History, Totals};
use crate::publish::{Format, Target};
use crate::report::{RunReport, page};
use crate::storage::{Folder, Precondition, folder};
use crate::{Error, Result};

const RUNS: &str = "runs/";
const QUARANTINE: &str = "quarantine/";

/// The folder of what is kept beside a target.
pub struct RunStore {
    folder: Arc<dyn Folder>,
}

impl RunStore {
    /// Of a target; `None` for one that keeps nothing. Nothing is created before the first write.
    ///
    /// # Errors
    /// `Unsupported` for a place that is not in this build.
    pub fn beside(target: &Target) -> Result<Option<RunStore>> {
        target.kept().map(|place| Ok(RunStore { folder: folder(&place)? })).transpose()
    }

    /// The folder, for people.
    pub fn display_path(&self) -> String {
        self.folder.display_path("")
    }

    /// The file of the history, for people.
    pub fn history_path(&self) -> String {
        self.folder.display_path(store::FILE)
    }

    /// Removes what runs at this target left behind when they were killed; for the one
    /// that has claimed it.
    pub fn sweep(&self) {
        self.folder.sweep();
    }

    /// Reads the history; with it goes what [`RunStore::record`] takes to replace this version.
    ///
    /// # Errors
    /// `Io` where it cannot be read; one that is damaged is no error.
    pub fn history(&self) -> Result<(LoadedHistory, Precondition)> {
        store::read(self.folder.as_ref(), store::FILE)
    }

    /// Takes `totals` into the history, as what `run` has published.
    ///
    /// # Errors
    /// `Io` where it cannot be written, `Data` where another run has written it since it
    /// was read; it is then as it was.
    pub fn record(
        &self,
        history: &mut History,
        version: &Precondition,
        totals: &Totals,
        run: &str,
        weeks: usize,
    ) -> Result<()> {
        history.record(totals, run, weeks);
        store::write(self.folder.as_ref(), store::FILE, history, version)
    }

    /// Where the report of a published run lies, for people.
    pub fn report_path(&self, run: &str) -> String {
        self.folder.display_path(&format!("{RUNS}{run}.json"))
    }

    /// Where the page of a published run lies, for people.
    pub fn page_path(&self, run: &str) -> String {
        self.folder.display_path(&format!("{RUNS}{run}.html"))
    }

    /// Writes the report of a published run and its page; the oldest beyond `keep` go.
    ///
    /// # Errors
    /// `Io` where it cannot be written.
    pub fn write_report(&self, report: &RunReport, keep: usize) -> Result<()> {
        let (json, page) = rayon::join(|| json(report), || page(report));
        self.folder.write(&format!("{RUNS}{}.json", report.run), &json?)?;
        self.folder.write(&format!("{RUNS}{}.html", report.run), page?.as_bytes())?;
        let runs = self.runs()?;
        for old in runs.iter().take(runs.len().saturating_sub(keep)) {
            // A page without its report would never be found again.
            self.folder.remove(&format!("{RUNS}{old}.html"))?;
            self.folder.remove(&format!("{RUNS}{old}.json"))?;
        }
        Ok(())
    }

    /// The report of a run, published or blocked.
    ///
    /// # Errors
    /// `Argument` where there is no such run, which says which ones there are.
    pub fn report(&self, run: &str) -> Result<RunReport> {
        check_name(run)?;
        for name in [format!("{RUNS}{run}.json"), format!("{QUARANTINE}{run}/report.json")] {
            if let Some(bytes) = self.folder.read(&name)? {
                return serde_json::from_slice(&bytes).map_err(|e| {
                    Error::format(format!("the report cannot be read: {e}"))
                        .in_file(&self.folder.display_path(&name).into())
                });
            }
        }
        Err(self.unknown(run, &[self.runs()?, self.quarantined()?].concat()))
    }

    /// Runs that were published and whose reports are kept, oldest first.
    ///
    /// # Errors
    /// `Io` where the folder cannot be listed.
    pub fn runs(&self) -> Result<Vec<String>> {
        let entries = self.folder.list(RUNS)?;
        let name = |name: &str| name.strip_prefix(RUNS)?.strip_suffix(".json").map(str::to_owned);
        Ok(entries.iter().filter_map(|entry| name(&entry.name)).collect())
    }

    /// Runs in quarantine, oldest first.
    ///
    /// # Errors
    /// `Io` where the folder cannot be listed.
    pub fn quarantined(&self) -> Result<Vec<String>> {
        let entries = self.folder.list(QUARANTINE)?;
        let mut runs: Vec<String> = (entries.iter())
            .filter_map(|entry| {
                entry.name.strip_prefix(QUARANTINE)?.split_once('/').map(|(run, _)| run.to_owned())
            })
            .collect();
        runs.dedup();
        Ok(runs)
    }

    /// Where the things of a blocked run lie, for people.
    pub fn quarantine_path(&self, run: &str) -> String {
        self.folder.display_path(&format!("{QUARANTINE}{run}"))
    }

    /// Keeps a run that was blocked: its table and what it would teach, then its report;
    /// the oldest beyond `keep` go.
    ///
    /// # Errors
    /// `Io` where they cannot be written.
    pub fn quarantine(
        &self,
        report: &RunReport,
        table: Option<(Format, Vec<u8>)>,
        totals: Option<&Totals>,
        keep: usize,
    ) -> Result<()> {
        let run = &report.run;
        let place = |file: &str| format!("{QUARANTINE}{run}/{file}");
        if keep == 0 {
            return Ok(());
        }
        if let Some((format, bytes)) = table {
            self.folder.write(&place(table_name(format)), &bytes)?;
        }
        if let Some(totals) = totals {
            let mut alone = History::default();
            alone.record(totals, run, usize::MAX / 7);
            store::write(self.folder.as_ref(), &place("sums.parquet"), &alone, &Precondition::None)?;
        }
        self.folder.write(&place("report.html"), page(report)?.as_bytes())?;
        self.folder.write(&place("report.json"), &json(report)?)?;
        let runs = self.quarantined()?;
        for old in runs.iter().take(runs.len().saturating_sub(keep)) {
            self.release(old)?;
        }
        Ok(())
    }

    /// The table of a run in quarantine, as it was written, and what it would teach.
    ///
    /// # Errors
    /// `Argument` where there is no such run or no table of it, `Format` where its sums are damaged.
    pub fn from_quarantine(&self, run: &str, format: Format) -> Result<(RunReport, Vec<u8>, Option<Totals>)> {
        check_name(run)?;
        let quarantined = self.quarantined()?;
        if !quarantined.iter().any(|known| known == run) {
            return Err(self.unknown(run, &quarantined));
        }
        let report = self.report(run)?;
        let place = |file: &str| format!("{QUARANTINE}{run}/{file}");
        let Some(table) = self.folder.read(&place(table_name(format)))? else {
            return Err(Error::argument(format!("run {run} has no table"))
                .expected("a run whose rows could be summed")
                .advice(format!("It was blocked for: {}", report.why)));
        };
        let totals = match store::read(self.folder.as_ref(), &place("sums.parquet"))?.0 {
            LoadedHistory::Nothing => None,
            LoadedHistory::History(history) => Some(history.totals),
            LoadedHistory::Damaged(why) => {
                return Err(Error::format(format!("the sums of run {run} are damaged: {why}")));
            }
        };
        Ok((report, table, totals))
    }

    /// Removes a run from quarantine.
    ///
    /// # Errors
    /// `Io` where its files cannot be removed.
    pub fn release(&self, run: &str) -> Result<()> {
        for entry in self.folder.list(&format!("{QUARANTINE}{run}/"))? {
            self.folder.remove(&entry.name)?;
        }
        Ok(())
    }

    fn unknown(&self, run: &str, runs: &[String]) -> Error {
        let last: Vec<&str> = runs.iter().rev().take(5).map(String::as_str).collect();
        let expected = if last.is_empty() {
            format!("a run that is kept in {}; there is none", self.display_path())
        } else {
            format!("one of the runs kept in {}, such as {}", self.display_path(), last.join(", "))
        };
        Error::argument(format!("no run '{run}'")).expected(expected)
    }
}

fn check_name(run: &str) -> Result<()> {
    let sound = !run.is_empty() && run.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    if sound && run.bytes().any(|b| b != b'.') {
        return Ok(());
    }
    Err(Error::argument(format!("'{run}' as a run")).expected("a name such as 20261125T134505.042Z-1a2b3c4d"))
}

fn table_name(format: Format) -> &'static str {
    match format {
        Format::Parquet => "table.parquet",
        Format::Csv => "table.csv",
        Format::Json => "table.json",
    }
}

fn json(report: &RunReport) -> Result<Vec<u8>> {
    serde_json::to_vec(report).map_err(|e| Error::internal(format!("the report cannot be written: {e}")))
}
