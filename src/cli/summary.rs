//! The summary of a run and errors, as text and as JSON.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::lines::Lines;
use super::version::cpu_features;
use crate::checks::Status;
use crate::report::account::reasons;
pub use crate::report::words::{count, number};
use crate::report::{RunReport, State, next, words};
use crate::scan::ScanStats;
use crate::table::keys::is_total;
use crate::table::render::{is_share, step};
use crate::table::{Cell, Column, ColumnData, Table};
use crate::{Error, Job, escape};

/// The number of combinations of scan paths that `--explain` lists.
const PATHS: usize = 3;

/// The summary of a run.
pub struct Summary<'a> {
    /// The report of the pipeline.
    pub report: &'a RunReport,
    /// The costs of the scan, with the phases of the whole run.
    pub stats: &'a ScanStats,
    /// The table, if it was computed.
    pub table: Option<&'a Table>,
    /// Wall time.
    pub elapsed: Duration,
    /// The number of threads.
    pub threads: usize,
    /// The width at which lines are wrapped, if they are.
    pub width: Option<usize>,
}

/// The dimensions of the table.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
struct Facts {
    rows: usize,
    columns: Vec<String>,
    /// The columns of the key.
    by: Vec<String>,
    /// The number of distinct keys, without totals.
    keys: usize,
    /// The number of keys that are totals.
    totals: usize,
    /// The number of distinct countries, without the total.
    countries: usize,
    /// The number of distinct days, weeks or months.
    steps: usize,
    first: Option<String>,
    last: Option<String>,
    null_shares: BTreeMap<String, usize>,
}

impl Facts {
    fn of(job: &Job, table: &Table) -> Self {
        let (keys, totals): (Vec<_>, Vec<_>) = distinct_keys(table)
            .into_iter()
            .partition(|key| !key.iter().any(|(column, member)| is_total(job, column, member)));
        let countries = keys.iter().flatten().filter(|(column, _)| *column == "country");
        let countries: HashSet<&str> = countries.map(|(_, member)| *member).collect();
        // Steps are sorted as numbers: the day, or (year, week), or (year, month).
        let numbers = |name| match table.column(name).map(|column| &column.data) {
            Some(ColumnData::Int32(numbers) | ColumnData::Date32(numbers)) => numbers.as_slice(),
            _ => &[],
        };
        let (dates, years) = (numbers("date"), numbers("year"));
        let parts = [numbers("week"), numbers("month")];
        let at = |numbers: &[Option<i32>], row| numbers.get(row).copied().flatten();
        let part = |row| parts.iter().find_map(|numbers| at(numbers, row));
        let mut steps: Vec<_> =
            (0..table.rows()).map(|row| ((at(dates, row), at(years, row), part(row)), row)).collect();
        steps.sort_unstable();
        steps.dedup_by_key(|(step, _)| *step);
        let name = |entry: Option<&(_, usize)>| entry.and_then(|(_, row)| step(table, *row));
        let nulls =
            |column: &Column| (0..table.rows()).filter(|row| column.data.cell(*row) == Cell::Null).count();
        Facts {
            rows: table.rows(),
            columns: table.columns.iter().map(|c| c.name.clone()).collect(),
            by: table.key_columns().iter().map(|c| c.name.clone()).collect(),
            keys: keys.len(),
            totals: totals.len(),
            countries: countries.len(),
            steps: steps.len(),
            first: name(steps.first()),
            last: name(steps.last()),
            null_shares: table
                .columns
                .iter()
                .filter(|c| is_share(&c.name))
                .map(|c| (c.name.clone(), nulls(c)))
                .collect(),
        }
    }
}

fn member(column: &Column, row: usize) -> &str {
    match column.data.cell(row) {
        Cell::Text(member) => member,
        _ => "",
    }
}

/// The distinct keys of a table, as columns and members.
fn distinct_keys(table: &Table) -> Vec<Vec<(&str, &str)>> {
    let columns = table.key_columns();
    let index = |column: &&Column, row: usize| match &column.data {
        ColumnData::Utf8 { indices, .. } => indices.get(row).copied(),
        _ => None,
    };
    let (mut found, mut keys) = (HashSet::new(), Vec::new());
    let mut last = None;
    for row in 0..table.rows() {
        let key: Vec<_> = columns.iter().map(|column| index(column, row)).collect();
        // The rows of a key mostly follow one another.
        if last.as_ref() == Some(&key) {
            continue;
        }
        if found.insert(key.clone()) {
            keys.push(columns.iter().map(|column| (column.name.as_str(), member(column, row))).collect());
        }
        last = Some(key);
    }
    keys
}

impl Summary<'_> {
    /// The summary as text.
    pub fn text(&self, explain: bool) -> Lines {
        let mut lines = Lines::default();
        let mut line = |label: &str, words: String| lines.add_labelled(label, &words, self.width);
        let report = self.report;
        let account = report.account.unwrap_or_default();
        let files = count(report.files as u64, "file");
        let rows = report.account.map(|account| format!(", {}", count(account.rows, "row")));
        line("read", files + &rows.unwrap_or_default());
        for (label, kept, total) in [("kept", true, account.kept()), ("dropped", false, account.dropped())] {
            if report.account.is_none() {
                continue;
            }
            let reasons: Vec<String> = (reasons(&report.job, &account).into_iter())
                // The line starts with all kept rows; the rows that are summed need no reason.
                .filter(|reason| reason.kept == kept && reason.name != "counted")
                .map(|reason| format!("{} {}", number(reason.rows), reason.words))
                .collect();
            let reasons =
                if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join("; ")) };
            line(label, format!("{}{reasons}", count(total, "row")));
        }
        if let Some(table) = self.table {
            let facts = Facts::of(&report.job, table);
            let step = words::step_noun(report.job.grain);
            let by: Vec<&str> = facts.by.iter().map(String::as_str).collect();
            // A table without keys is of all users.
            let keys = match by.as_slice() {
                [] => String::new(),
                by => {
                    let totals = match facts.totals {
                        0 => String::new(),
                        totals => format!(" and {}", count(totals as u64, "total")),
                    };
                    format!("{}{totals}, ", words::keys(facts.keys as u64, by))
                }
            };
            let span = match (&facts.first, &facts.last) {
                (Some(first), Some(last)) => format!(", {first} to {last}"),
                _ => String::new(),
            };
            let rows = count(facts.rows as u64, "row");
            line("table", format!("{rows}: {keys}{}{span}", count(facts.steps as u64, step)));
        }
        if let Some(reuse) = &report.reuse {
            let reused =
                format!("{}, {}", count(reuse.cached_files as u64, "file"), count(reuse.cached_rows, "row"));
            let parts = [
                (reuse.new, "new"),
                (reuse.changed, "changed"),
                (reuse.recently_written, "read again because they had just been written"),
                (reuse.removed, "removed"),
            ];
            let parts = parts.iter().filter(|(n, _)| *n > 0);
            let others: String = parts.map(|(n, what)| format!("; {} {what}", number(*n as u64))).collect();
            line("state", format!("{reused} not summed again{others}"));
        }
        for note in &report.notes {
            line("note", note.clone());
        }
        if explain {
            self.explain(&mut line);
        }
        if let Some(published) = &report.published {
            let target = if published.target == "-" { "stdout" } else { &published.target };
            line("wrote", format!("{target}, {}", bytes(published.bytes)));
        }
        self.verdict(&mut line);
        if report.verdict.is_some() {
            for step in next::steps(report).iter().filter(|step| step.is_short) {
                lines.add_command("next", &step.command, &step.purpose, self.width);
            }
        }
        lines.add_labelled("time", &milliseconds(self.elapsed), self.width);
        lines
    }

    /// What the checks found, worst first.
    fn verdict(&self, line: &mut impl FnMut(&str, String)) {
        let report = self.report;
        if report.verdict.is_none() {
            return;
        }
        let (blocking, warning) = next::findings(report);
        let label = match report.state {
            State::Blocked if report.target.is_some() => "blocked",
            State::Blocked => "would be blocked:",
            _ => "overrode",
        };
        for outcome in blocking {
            line(label, outcome.line());
        }
        for outcome in &warning {
            line("warned", outcome.line());
        }
        let of = |status| report.outcomes.iter().filter(move |o| o.status == status).count();
        let tally: Vec<String> = [
            (of(Status::Fail), "failed"),
            (of(Status::Warn), "warned"),
            (of(Status::Pass), "passed"),
            (of(Status::NotRun), "not run"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
        line("checks", tally.join(", "));
        if !report.has_cube_checks() {
            for (why, checks) in next::not_run(&report.outcomes) {
                line("not run", format!("{}: {}", count(checks.len() as u64, "check"), why));
            }
        }
        if let Some(place) = report.places.quarantined.as_ref().filter(|_| report.state == State::Blocked) {
            line("kept in", place.clone());
        }
        if let Some(page) = &report.places.page {
            line("page", page.clone());
        }
    }

    fn explain(&self, line: &mut impl FnMut(&str, String)) {
        let stats = self.stats;
        let (read, of) = (bytes(stats.bytes_read), bytes(stats.file_bytes));
        line("bytes", format!("{read} read of {of}, {} decompressed", bytes(stats.bytes_decompressed)));
        if let Some(s3) = stats.traffic {
            let share = 100.0 * s3.bytes as f64 / stats.file_bytes.max(1) as f64;
            let retries =
                if s3.retries > 0 { format!(", {} retries", number(s3.retries)) } else { String::new() };
            line(
                "s3",
                format!(
                    "{} for {}, {share:.0} % of the files, in {} a file{retries}",
                    count(s3.requests, "request"),
                    bytes(s3.bytes),
                    count(s3.rounds, "round"),
                ),
            );
        }
        line("pages", format!("{} read, {} skipped", number(stats.pages_read), number(stats.pages_skipped)));
        let mut paths: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for group in &stats.row_groups {
            let entry = paths.entry(group.path()).or_default();
            *entry = (entry.0 + 1, entry.1 + group.rows);
        }
        let mut paths: Vec<_> = paths.into_iter().collect();
        paths.sort_by_key(|(_, (_, rows))| std::cmp::Reverse(*rows));
        let mut paths: Vec<String> = (paths.into_iter())
            .map(|(path, (groups, rows))| {
                format!("{path} in {}, {}", count(groups, "row group"), count(rows, "row"))
            })
            .collect();
        if paths.len() > PATHS {
            let more = paths.split_off(PATHS).len();
            paths.push(format!("{more} more combinations (all with --json)"));
        }
        line("paths", if paths.is_empty() { "none".to_owned() } else { paths.join("; ") });
        let phases: Vec<String> =
            stats.phases.iter().map(|(name, time)| format!("{name} {}", milliseconds(*time))).collect();
        line("phases", phases.join(", "));
        let features = cpu_features();
        let cpu = if features.is_empty() { "baseline".to_owned() } else { features.join(" ") };
        line("cpu", format!("{}, {cpu}", count(self.threads as u64, "thread")));
    }

    /// The summary as JSON.
    pub fn json(&self) -> Value {
        let report = self.report;
        let mut account = json!(report.account);
        let mut stats = json!(self.stats);
        if let Some(account) = account.as_object_mut() {
            let counts = report.account.unwrap_or_default();
            account.insert("kept".into(), json!(counts.kept()));
            account.insert("dropped".into(), json!(counts.dropped()));
        }
        if let Some(stats) = stats.as_object_mut() {
            let phases: Vec<Value> = (self.stats.phases.iter())
                .map(|(name, time)| json!({ "name": name, "seconds": time.as_secs_f64() }))
                .collect();
            stats.insert("phases".into(), json!(phases));
            stats.insert("threads".into(), json!(self.threads));
            stats.insert("cpu".into(), json!(cpu_features()));
        }
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "run": report.run,
            "state": report.state,
            "verdict": report.verdict,
            "exit_code": report.exit_code(),
            "why": report.why,
            "checks": report.outcomes,
            "restated": report.restated,
            "places": report.places,
            "job": report.job,
            "account": account,
            "table": self.table.map(|table| Facts::of(&report.job, table)),
            "target": report.published,
            "reuse": report.reuse,
            "notes": report.notes,
            "not_kept": report.not_kept,
            "stats": stats,
            "seconds": self.elapsed.as_secs_f64(),
        })
    }
}

/// The one line that `--quiet` leaves: why nothing was published, or what warned; `None` if all is well.
pub fn quiet_line(report: &RunReport) -> Option<String> {
    if report.state == State::Blocked {
        return Some(format!("blocked: {}", report.why));
    }
    let (_, warning) = next::findings(report);
    let first = warning.first()?.line();
    Some(match warning.len() {
        1 => format!("warned: {first}"),
        more => format!("warned: {first}, and {}", count(more as u64 - 1, "more warning")),
    })
}

/// The lines on what could not be written beside the target; empty if all was.
pub fn not_kept(report: &RunReport) -> Lines {
    let state = match report.state {
        State::Published | State::Promoted => "published, but ",
        State::Blocked | State::Computed => "",
    };
    let mut lines = Lines::default();
    report.not_kept.iter().for_each(|failed| lines.add(&format!("warning: {state}{failed}")));
    lines
}

/// An error as JSON: the names in its location are as they are, its sentences escaped.
pub fn error_json(error: &Error) -> Value {
    let report = error.report().map(|report| {
        json!({
            "location": report.location,
            "found": escape::line(&report.found),
            "expected": escape::line(&report.expected.to_string()),
            "advice": escape::line(&report.advice.to_string()),
        })
    });
    json!({ "error": {
        "kind": kind(error),
        "exit_code": error.exit_code(),
        "message": error.to_string(),
        "report": report,
    } })
}

fn kind(error: &Error) -> &'static str {
    match error {
        Error::Format(_) => "format",
        Error::Unsupported(_) => "unsupported",
        Error::Argument(_) => "argument",
        Error::NotFound(_) => "not_found",
        Error::Data(_) => "data",
        Error::TooLarge(_) => "too_large",
        Error::Io { .. } => "io",
        Error::Interrupted => "interrupted",
        Error::Internal(_) => "internal",
    }
}

/// An error as text: the message, then its location, what was expected, and advice, a line each, wrapped at blanks
/// where there is a width.
pub fn error_text(error: &Error, width: Option<usize>) -> Lines {
    let mut lines = Lines::default();
    let found = match (error, error.report()) {
        (_, None) => error.to_string(),
        (Error::Io { source, .. }, Some(report)) => format!("{}: {source}", report.found),
        (_, Some(report)) => report.found.clone(),
    };
    lines.add_wrapped(&format!("error: {found}"), 2, width);
    let Some(report) = error.report() else { return lines };
    let words = [
        ("in", report.location.to_string()),
        ("expected", report.expected.to_string()),
        ("advice", report.advice.to_string()),
    ];
    for (label, words) in words {
        if !words.is_empty() {
            lines.add_wrapped(&format!("  {label:<9}{words}"), 11, width);
        }
    }
    lines
}

/// Bytes, in units of 1,000.
#[allow(clippy::cast_precision_loss)] // one decimal is shown
pub fn bytes(value: u64) -> String {
    match value {
        0..1_000 => format!("{value} B"),
        1_000..1_000_000 => format!("{:.1} kB", value as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", value as f64 / 1e6),
        _ => format!("{:.1} GB", value as f64 / 1e9),
    }
}

/// A time in milliseconds, from 10 s on in seconds.
pub fn milliseconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 10.0 { format!("{:.1} ms", seconds * 1e3) } else { format!("{seconds:.1} s") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::grid::Account;

    #[test]
    fn units() {
        assert_eq!(
            [999, 1_500, 2_000_000, 3_100_000_000].map(bytes),
            ["999 B", "1.5 kB", "2.0 MB", "3.1 GB"]
        );
    }

    #[test]
    fn errors_as_text_and_as_json() {
        let error = Error::data("label '2021_5'")
            .expected("yyyy_ww")
            .advice("Fix the export")
            .in_file(&"x.parquet".into())
            .in_column("year_week")
            .at_row(7);
        assert_eq!(
            error_text(&error, None).as_str(),
            "error: label '2021_5'\n  in       x.parquet, column 'year_week', row 7\n  expected yyyy_ww\n  advice   Fix the export\n"
        );
        let json = &error_json(&error)["error"];
        assert_eq!((&json["kind"], &json["exit_code"]), (&json!("data"), &json!(3)));
        assert_eq!(json["report"]["location"]["row"], 7);
        let wrapped = error_text(
            &Error::data("a label that is none").expected("one two three four five six"),
            Some(24),
        );
        assert_eq!(
            wrapped.as_str(),
            "error: a label that is\n  none\n  expected one two three\n           four five six\n"
        );
        let full = Error::io("cannot write", std::io::ErrorKind::StorageFull.into());
        assert!(error_text(&full, None).as_str().starts_with("error: cannot write: "));
    }

    #[test]
    fn totals_are_not_counted_as_keys() {
        let text = |members: &[&str]| ColumnData::Utf8 {
            indices: (0..).take(members.len()).collect(),
            dictionary: members.iter().map(|member| (*member).into()).collect(),
        };
        let column = |name: &str, data| Column { name: name.into(), data };
        let table = Table {
            columns: vec![
                column("year", ColumnData::Int32(vec![Some(2021); 5])),
                column("week", ColumnData::Int32(vec![Some(5); 5])),
                column("country", text(&["ALL", "ALL", "DE", "DE", "FR"])),
                column("os_name", text(&["all", "ios", "all", "ios", "ios"])),
                column("share_organic_p4w", ColumnData::Float64(vec![Some(0.5); 5])),
            ],
        };
        let by = vec!["country".to_owned(), "os_name".to_owned()];
        let facts = |with_total: &[&str]| {
            let with_total = with_total.iter().map(|name| (*name).to_owned()).collect();
            let facts = Facts::of(&Job { by: by.clone(), with_total, ..Job::default() }, &table);
            (facts.keys, facts.totals, facts.countries)
        };
        assert_eq!(facts(&["country", "os_name"]), (2, 3, 2));
        assert_eq!(facts(&["country"]), (3, 2, 2));
        assert_eq!(facts(&[]), (5, 0, 3), "a member of this name is no total");
        let report = RunReport {
            job: Job { by: by.clone(), with_total: by.clone(), ..Job::default() },
            ..RunReport::default()
        };
        let summary = Summary {
            report: &report,
            stats: &ScanStats::default(),
            table: Some(&table),
            elapsed: Duration::ZERO,
            threads: 1,
            width: None,
        };
        let text = summary.text(false);
        let text = text.as_str();
        assert!(text.contains("table    5 rows: 2 keys (country x os_name) and 3 totals, 1 week"), "{text}");
    }

    #[test]
    fn the_summary_lists_every_reason_with_rows() {
        let account = Account { rows: 10, not_total_row: 4, nan_value: 1, counted: 5, ..Account::default() };
        let report = RunReport {
            files: 1,
            account: Some(account),
            notes: vec!["a note".into()],
            ..RunReport::default()
        };
        let summary = Summary {
            report: &report,
            stats: &ScanStats { files: 1, ..ScanStats::default() },
            table: Some(&crate::publish::tests::table()),
            elapsed: Duration::from_micros(1_500),
            threads: 2,
            width: None,
        };
        let text = summary.text(false);
        let text = text.as_str();
        assert!(text.contains("read     1 file, 10 rows\n"), "{text}");
        assert!(text.contains("kept     6 rows: 1 adds nothing: value is NaN\n"), "{text}");
        assert!(text.contains("dropped  4 rows: 4 not a total row of os_name\n"), "{text}");
        assert!(text.contains("note     a note\n") && text.contains("time     1.5 ms\n"), "{text}");
        assert!(!text.contains("value is null"), "a reason without rows is not listed");
        assert!(text.contains("table    3 rows: "), "{text}");
        let json = summary.json();
        assert_eq!(json["account"]["dropped"], 4);
        assert_eq!(json["table"]["rows"], 3);
        assert_eq!(json["table"]["null_shares"]["share_organic_p4w"], 1);
        assert!(json["target"].is_null());
    }
}
