//! The files that are kept beside a target.
//!
//! ```text
//! _rollshare/history/published.parquet     the sums of published runs; the next run is compared with them
//! _rollshare/runs/RUN.json, RUN.html       the reports of published runs
//! _rollshare/quarantine/RUN/report.json    the report of a blocked run, also as report.html
//! _rollshare/quarantine/RUN/table.parquet  its table
//! _rollshare/quarantine/RUN/sums.parquet   the sums that are added to the history if it is promoted
//! ```
//!
//! For a target X.parquet these files are in `_rollshare/X.parquet/`, so that targets in one folder do not
//! share them. Each file is replaced atomically.

use std::sync::Arc;

use crate::history::store::{self, LoadedHistory};
use crate::history::{History, Totals};
use crate::publish::{Format, Target};
use crate::report::model::Digest;
use crate::report::{RunReport, page};
use crate::storage::{Folder, Precondition, folder_of_program};
use crate::{Error, Result, escape};

const RUNS: &str = "runs/";
const QUARANTINE: &str = "quarantine/";
const SUMS: &str = "sums.parquet";

/// The history, the reports and the quarantine of a target.
pub struct RunStore {
    folder: Arc<dyn Folder>,
}

impl RunStore {
    /// The store of a target; `None` for a target that keeps nothing. The first write creates the folder.
    ///
    /// # Errors
    /// `Unsupported` if this build cannot access the target's storage; `Argument` if there is something in its place
    /// that this program has not made.
    pub fn beside(target: &Target) -> Result<Option<RunStore>> {
        let open =
            |(parent, name): (String, String)| Ok(RunStore { folder: folder_of_program(&parent, &name)? });
        target.kept().map(open).transpose()
    }

    /// The path of the folder, for display.
    pub fn display_path(&self) -> String {
        self.folder.display_path("")
    }

    /// The path of the history, for display.
    pub fn history_path(&self) -> String {
        self.folder.display_path(store::FILE)
    }

    /// Deletes what killed runs at this target left behind. The caller must hold the lock of the target.
    pub fn sweep(&self) {
        self.folder.sweep();
    }

    /// Reads the history, and the precondition with which [`RunStore::record`] replaces this version.
    ///
    /// # Errors
    /// `Io` if the history cannot be read. A damaged history is not an error, see [`LoadedHistory`].
    pub fn history(&self) -> Result<(LoadedHistory, Precondition)> {
        store::read(self.folder.as_ref(), store::FILE)
    }

    /// Adds `totals` to the history as published by `run`, and writes the history.
    ///
    /// # Errors
    /// `Io` if the history cannot be written; `Data` if another run has written it since it was read. The
    /// stored history is then left as it was.
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

    /// The path of the report of a published run, for display.
    pub fn report_path(&self, run: &str) -> String {
        self.folder.display_path(&format!("{RUNS}{run}.json"))
    }

    /// The path of the page of a published run, for display.
    pub fn page_path(&self, run: &str) -> String {
        self.folder.display_path(&format!("{RUNS}{run}.html"))
    }

    /// Writes the report and the page of a published run, and deletes the oldest reports beyond `keep`.
    ///
    /// # Errors
    /// `Io` if a file cannot be written or deleted.
    pub fn write_report(&self, report: &RunReport, keep: usize) -> Result<()> {
        let (json, page) = rayon::join(|| json(report), || page(report));
        self.folder.write(&format!("{RUNS}{}.json", report.run), &json?)?;
        self.folder.write(&format!("{RUNS}{}.html", report.run), page?.as_bytes())?;
        let runs = self.runs()?;
        for old in runs.iter().take(runs.len().saturating_sub(keep)) {
            // The page goes first: without its report it would never be found again.
            self.folder.remove(&format!("{RUNS}{old}.html"))?;
            self.folder.remove(&format!("{RUNS}{old}.json"))?;
        }
        Ok(())
    }

    /// Reads the report of a run, published or blocked.
    ///
    /// # Errors
    /// `Argument` if there is no such run; the error lists the latest ones.
    pub fn report(&self, run: &str) -> Result<RunReport> {
        check_name(run)?;
        for name in [format!("{RUNS}{run}.json"), format!("{QUARANTINE}{run}/report.json")] {
            if let Some(report) = self.report_at(&name)? {
                return Ok(report);
            }
        }
        Err(self.unknown_run(run, &[self.runs()?, self.quarantined()?].concat()))
    }

    fn report_at(&self, name: &str) -> Result<Option<RunReport>> {
        let parse = |bytes: Vec<u8>| {
            serde_json::from_slice(&bytes).map_err(|e| {
                Error::format(format!("the report cannot be read: {e}"))
                    .in_file(&self.folder.display_path(name).into())
            })
        };
        self.folder.read(name)?.map(parse).transpose()
    }

    /// The name of the last run that left a file here, published or blocked.
    ///
    /// # Errors
    /// `Io` if the folder cannot be listed.
    pub fn last_run(&self) -> Result<Option<String>> {
        let entries = self.folder.list("")?;
        let run = |name| published_run(name).or_else(|| blocked_run(name));
        Ok(entries.iter().filter_map(|entry| run(&entry.name)).max().map(str::to_owned))
    }

    /// The published runs whose reports are kept, oldest first.
    ///
    /// # Errors
    /// `Io` if the folder cannot be listed.
    pub fn runs(&self) -> Result<Vec<String>> {
        let entries = self.folder.list(RUNS)?;
        Ok(entries.iter().filter_map(|entry| published_run(&entry.name)).map(str::to_owned).collect())
    }

    /// The runs in quarantine, oldest first.
    ///
    /// # Errors
    /// `Io` if the folder cannot be listed.
    pub fn quarantined(&self) -> Result<Vec<String>> {
        let entries = self.folder.list(QUARANTINE)?;
        let mut runs: Vec<String> =
            entries.iter().filter_map(|entry| blocked_run(&entry.name)).map(str::to_owned).collect();
        runs.dedup();
        Ok(runs)
    }

    /// The path of the files of a blocked run, for display.
    pub fn quarantine_path(&self, run: &str) -> String {
        self.folder.display_path(&format!("{QUARANTINE}{run}"))
    }

    /// Puts a blocked run into quarantine, the report last, and deletes the oldest runs beyond `keep`.
    ///
    /// # Errors
    /// `Io` if a file cannot be written or deleted.
    pub fn quarantine(
        &self,
        report: &mut RunReport,
        table: Option<(Format, Vec<u8>)>,
        totals: Option<&Totals>,
        keep: usize,
    ) -> Result<()> {
        let run = report.run.clone();
        let path = |file: &str| format!("{QUARANTINE}{run}/{file}");
        if keep == 0 {
            return Ok(());
        }
        if let Some((format, bytes)) = table {
            report.table_digest = Some(Digest::of(&bytes));
            self.folder.write(&path(table_name(format)), &bytes)?;
        }
        if let Some(totals) = totals {
            let mut alone = History::default();
            alone.record(totals, &run, usize::MAX / 7);
            let bytes = store::encode(&alone)?;
            report.sums_digest = Some(Digest::of(&bytes));
            self.folder.write(&path(SUMS), &bytes)?;
        }
        self.folder.write(&path("report.html"), page(report)?.as_bytes())?;
        self.folder.write(&path("report.json"), &json(report)?)?;
        let runs = self.quarantined()?;
        for old in runs.iter().take(runs.len().saturating_sub(keep)) {
            self.release(old)?;
        }
        Ok(())
    }

    /// The name of a run in quarantine, from a unique prefix of it or `latest`.
    ///
    /// # Errors
    /// `Argument` if no run in quarantine has the name, or several have the prefix.
    pub fn blocked_run(&self, run: &str) -> Result<String> {
        let blocked = self.quarantined()?;
        let latest = blocked.last().filter(|_| run == "latest").cloned();
        if let Some(name) = latest.or(complete_name(run, &blocked)?) {
            return Ok(name);
        }
        let published = self.runs()?;
        if blocked.is_empty() && !published.is_empty() {
            let there = match published.len() {
                1 => "the one run there was published".to_owned(),
                many => format!("the {many} runs there were published"),
            };
            return Err(Error::argument(format!("no blocked run in {}: {there}", self.display_path())));
        }
        if let Some(name) = complete_name(run, &published)? {
            return Err(Error::argument(format!("run {name} was published; it is not blocked"))
                .expected(format!("a blocked run, such as {}", latest_of(&blocked))));
        }
        check_name(run)?;
        Err(self.unknown_run(run, &blocked))
    }

    /// Reads a run in quarantine: its report, the bytes of its table, and its totals. The files have to be those that
    /// the run wrote.
    ///
    /// # Errors
    /// `Argument` if there is no such run or it has no table; `Format` if one of its files is damaged or missing.
    pub fn from_quarantine(&self, run: &str, format: Format) -> Result<(RunReport, Vec<u8>, Option<Totals>)> {
        check_name(run)?;
        let quarantined = self.quarantined()?;
        if !quarantined.iter().any(|name| name == run) {
            if self.runs()?.iter().any(|name| name == run) {
                return Err(Error::argument(format!("run {run} was published"))
                    .expected("a run that a check has blocked"));
            }
            return Err(self.unknown_run(run, &quarantined));
        }
        let path = |file: &str| format!("{QUARANTINE}{run}/{file}");
        let report = self.report_at(&path("report.json"))?.ok_or_else(|| {
            self.damaged(&path("report.json"), "there is no report", "the report of the run")
        })?;
        if report.run != run {
            return Err(self.damaged(
                &path("report.json"),
                &format!("the report of run {}", report.run),
                run,
            ));
        }
        let Some(table) = self.folder.read(&path(table_name(format)))? else {
            return Err(Error::argument(format!("run {run} has no table"))
                .expected("a run whose rows could be summed")
                .advice(format!("The run was blocked because of: {}", report.why)));
        };
        self.check_digest(&path(table_name(format)), &table, report.table_digest)?;
        if let Some(account) = &report.account {
            account.check()?;
        }
        let sums = self.folder.read(&path(SUMS))?;
        let totals = match (sums, report.sums_digest) {
            (None, None) => None,
            (None, Some(_)) => {
                return Err(self.damaged(&path(SUMS), "there are no sums", "the sums of the run"));
            }
            (Some(bytes), digest) => {
                self.check_digest(&path(SUMS), &bytes, digest)?;
                Some(store::decode(&path(SUMS), bytes)?.totals)
            }
        };
        Ok((report, table, totals))
    }

    /// Fails if a file of the quarantine is not the one that the run wrote.
    fn check_digest(&self, name: &str, bytes: &[u8], written: Option<Digest>) -> Result<()> {
        let Some(written) = written else {
            return Err(self.damaged(name, "the run kept no digest of it", "a run of this version"));
        };
        let found = Digest::of(bytes);
        if found == written {
            return Ok(());
        }
        let show = |digest: Digest| format!("{} bytes with CRC-32 {:08x}", digest.bytes, digest.crc32);
        Err(self.damaged(name, &show(found), &format!("{}, as the run wrote it", show(written))))
    }

    fn damaged(&self, name: &str, found: &str, expected: &str) -> Error {
        Error::format(found)
            .expected(expected)
            .advice("The file was changed since it was written. The target is as it was: run again")
            .in_file(&self.folder.display_path(name).into())
    }

    /// Deletes a run from quarantine.
    ///
    /// # Errors
    /// `Io` if its files cannot be deleted.
    pub fn release(&self, run: &str) -> Result<()> {
        for entry in self.folder.list(&format!("{QUARANTINE}{run}/"))? {
            self.folder.remove(&entry.name)?;
        }
        Ok(())
    }

    fn unknown_run(&self, run: &str, runs: &[String]) -> Error {
        let expected = if runs.is_empty() {
            format!("the name of a run in {}, which contains no run", self.display_path())
        } else {
            format!("the name of a run in {}, such as {}", self.display_path(), latest_of(runs))
        };
        Error::argument(format!("no run '{run}'")).expected(expected)
    }
}

/// The latest of some runs, for a message.
fn latest_of(runs: &[String]) -> String {
    runs.iter().rev().take(5).map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Completes a unique prefix to the name of a run; `None` if no run has it.
///
/// # Errors
/// `Argument` if several runs have the prefix.
pub fn complete_name(run: &str, runs: &[String]) -> Result<Option<String>> {
    if runs.iter().any(|name| name == run) {
        return Ok(Some(run.to_owned()));
    }
    let mut found = runs.iter().filter(|name| !run.is_empty() && name.starts_with(run));
    match (found.next(), found.count()) {
        (Some(one), 0) => Ok(Some(one.clone())),
        (Some(_), more) => Err(Error::argument(format!("{} runs begin with '{run}'", more + 1))
            .expected("a longer prefix, or the whole name")),
        (None, _) => Ok(None),
    }
}

/// The run of a file with a report of a published run; `None` for other files.
fn published_run(file: &str) -> Option<&str> {
    file.strip_prefix(RUNS)?.strip_suffix(".json")
}

/// The run of a file in quarantine; `None` for other files.
fn blocked_run(file: &str) -> Option<&str> {
    file.strip_prefix(QUARANTINE)?.split_once('/').map(|(run, _)| run)
}

fn check_name(run: &str) -> Result<()> {
    let is_valid =
        !run.is_empty() && run.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    if is_valid && run.bytes().any(|b| b != b'.') {
        return Ok(());
    }
    Err(Error::argument(format!("'{run}' is not the name of a run"))
        .expected("a name such as 20261125T134505.042Z-1a2b3c4d"))
}

fn table_name(format: Format) -> &'static str {
    match format {
        Format::Parquet => "table.parquet",
        Format::Csv => "table.csv",
        Format::Json => "table.json",
    }
}

fn json(report: &RunReport) -> Result<Vec<u8>> {
    let text = serde_json::to_string(report)
        .map_err(|e| Error::internal(format!("the report cannot be written: {e}")))?;
    // People look at the file on a terminal, too.
    Ok(escape::json(&text).into_owned().into_bytes())
}
