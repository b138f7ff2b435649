//! Rows that a connector has marked as deleted, and that count: where a source deletes a row, its copy keeps it with
//! `_fivetran_deleted = true`.
//!
//! Only columns whose name is `deleted` or ends in `_deleted` are read, and only if no condition of the profile names
//! them. Null is not deleted.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::general::columns::TextColumn;
use super::general::lanes::{BLOCK, Lane, TaskRows};
use super::general::pass::read_conditions;
use super::tally::{Tally, violations};
use crate::checks::model::{Measurement, NotRun};
use crate::dataset::column::find;
use crate::dataset::text::TextForm;
use crate::dataset::{ColumnLocation, OpenFile, prefetch};
use crate::ids::column::{Column, ColumnSource};
use crate::phrase::{Phrase, Setting};
use crate::profile::meaning::WhereRule;
use crate::progress::Progress;
use crate::report::words::{count, number};
use crate::{Error, Job, Result};

/// A column of a file that marks deleted rows.
struct Marker {
    /// Its name, as the first file writes it.
    name: String,
    location: ColumnLocation,
    form: TextForm,
}

/// The rows of some tasks that are marked as deleted.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Marked {
    /// Rows that meet the conditions and are marked by any column.
    rows: Tally,
    /// Rows by column and value.
    values: BTreeMap<(String, String), u64>,
}

impl Marked {
    /// Adds the rows of another part.
    pub fn merge(&mut self, other: Marked) {
        self.rows.merge(other.rows);
        for (value, rows) in other.values {
            *self.values.entry(value).or_default() += rows;
        }
    }

    /// Replaces the numbers of files.
    pub fn renumber(&mut self, numbers: &[usize]) {
        self.rows.renumber(numbers);
    }
}

/// Counts the rows of some tasks that meet the conditions and are marked as deleted. `conditions` are the columns of the
/// profile's conditions in a file, by its index.
///
/// # Errors
/// Those of reading rows; `Interrupted` where the caller requests cancellation.
pub fn count_marked<'c>(
    job: &Job,
    files: &[OpenFile<'_>],
    tasks: &[TaskRows],
    conditions: impl Fn(usize) -> &'c [TextColumn] + Sync,
    progress: &dyn Progress,
) -> Result<Marked> {
    let used = names_of_conditions(job);
    let rules: Vec<WhereRule> = job.profile.conditions.iter().map(WhereRule::new).collect();
    let of_task = |task: &TaskRows| -> Result<Marked> {
        let file = files.get(task.file).ok_or_else(|| Error::internal("no such file"))?;
        let markers = markers(file, &used);
        if markers.is_empty() {
            return Ok(Marked::default());
        }
        read(file, &markers, conditions(task.file), &rules, task, progress).map_err(|e| task.locate(e, file))
    };
    let merged = |mut all: Marked, part: Marked| {
        all.merge(part);
        Ok(all)
    };
    let of_thread = |all, task| merged(all, of_task(task)?);
    tasks.par_iter().try_fold(Marked::default, of_thread).try_reduce(Marked::default, merged)
}

/// The measurement of marked rows, among `met` rows that meet the conditions.
///
/// # Errors
/// Not applicable where no file has a column that marks rows.
pub fn measure(job: &Job, files: &[OpenFile<'_>], marked: &Marked, met: u64) -> Result<Measurement, NotRun> {
    let used = names_of_conditions(job);
    if files.iter().all(|file| markers(file, &used).is_empty()) {
        let by_condition = used.iter().find(|name| is_marker(name));
        return Err(NotRun::NotApplicable(match by_condition {
            Some(name) => format!("a condition of the profile uses {name}"),
            None => "no column marks deleted rows".into(),
        }));
    }
    let count = marked.rows.count;
    let finding = Measurement::count(count, met, violations(files, &marked.rows.first));
    Ok(if count == 0 { finding } else { finding.note(advice(count, met, &marked.values)) })
}

fn names_of_conditions(job: &Job) -> Vec<String> {
    job.profile.conditions.iter().map(|of| of.column.to_lowercase()).collect()
}

/// What is marked, and the condition that leaves it out.
fn advice(marked: u64, met: u64, values: &BTreeMap<(String, String), u64>) -> Phrase {
    let mut columns: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (column, value) in values.keys() {
        columns.entry(column).or_default().push(value);
    }
    let names: Vec<&str> = columns.keys().copied().collect();
    let lines = columns.iter().map(|(column, values)| {
        let values: Vec<String> = values.iter().map(|value| format!("\"{value}\"")).collect();
        format!("[[where]] column = \"{column}\", not_in = [{}]", values.join(", "))
    });
    let marked_rows = format!(
        "{} of {} marked deleted by {} and count{}; leave them out: ",
        number(marked),
        if met == 1 { "1 row is".to_owned() } else { format!("{} are", count(met, "row")) },
        names.join(" and "),
        if marked == 1 { "s" } else { "" },
    );
    Phrase::from(marked_rows)
        .option(Setting::WhereNotAll(values.keys().cloned().collect()))
        .command(format!(", or {} in the profile", lines.collect::<Vec<_>>().join(" and ")))
}

fn is_marker(name: &str) -> bool {
    let name = name.to_lowercase();
    name == "deleted" || name.ends_with("_deleted")
}

/// The columns of a file that mark deleted rows, and are not in `used`.
fn markers(file: &OpenFile<'_>, used: &[String]) -> Vec<Marker> {
    if file.footer.rows == 0 {
        return Vec::new();
    }
    let leaves = file.footer.leaves.iter().filter(|leaf| leaf.path.len() == 1);
    let mut found = Vec::new();
    for leaf in leaves.filter(|leaf| is_marker(&leaf.name()) && !used.contains(&leaf.name().to_lowercase())) {
        // Times are those of a deletion; a column of another type is no mark.
        let Ok(form @ (TextForm::Text | TextForm::Boolean | TextForm::Integer | TextForm::Unsigned)) =
            TextForm::of(leaf)
        else {
            continue;
        };
        if let Ok(location @ ColumnLocation::Leaf(_)) = find(&file.footer, file.input, &leaf.name()) {
            found.push(Marker { name: leaf.name(), location, form });
        }
    }
    for (name, value) in &file.input.partitions {
        if is_marker(name) && !used.contains(&name.to_lowercase()) {
            let location = ColumnLocation::Partition(value.clone());
            found.push(Marker { name: name.clone(), location, form: TextForm::Text });
        }
    }
    found
}

/// Whether a value marks a row as deleted.
fn is_true(text: &[u8]) -> bool {
    ["true", "t", "1", "yes", "y"].iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()))
}

fn read(
    file: &OpenFile<'_>,
    markers: &[Marker],
    conditions: &[TextColumn],
    rules: &[WhereRule],
    task: &TaskRows,
    progress: &dyn Progress,
) -> Result<Marked> {
    let mut marked = Marked::default();
    let meta = task.meta(file)?;
    let chunks = markers.iter().filter_map(|marker| match marker.location {
        ColumnLocation::Leaf(at) => meta.chunks.get(at).map(|chunk| chunk.bytes()),
        ColumnLocation::Partition(_) => None,
    });
    let bytes: Vec<_> = chunks.filter(|range| !range.is_empty()).collect();
    if file.object.is_remote() {
        prefetch::announce(file, bytes.clone());
    }
    let mut of_conditions: Vec<ColumnSource<'_, '_>> = Vec::new();
    for column in conditions {
        of_conditions.push(match &column.location {
            Some(location) => location.source(&file.footer, &meta)?,
            None => ColumnSource::Path(None),
        });
    }
    let of_markers: Vec<ColumnSource<'_, '_>> =
        markers.iter().map(|marker| marker.location.source(&file.footer, &meta)).collect::<Result<_>>()?;
    let of_conditions = Column::open_all(file.object, &of_conditions, meta.rows)?;
    let of_markers = Column::open_all(file.object, &of_markers, meta.rows)?;
    let mut condition_lanes: Vec<Lane<'_, bool>> =
        of_conditions.iter().map(|column| Lane::open(column, &task.rows)).collect::<Result<_>>()?;
    let mut marker_lanes: Vec<Lane<'_, bool>> =
        of_markers.iter().map(|column| Lane::open(column, &task.rows)).collect::<Result<_>>()?;
    let (mut at, mut met) = (task.rows.start, Vec::new());
    if progress.interrupted() {
        return Err(Error::Interrupted);
    }
    while at < task.rows.end {
        let mut n = u32::try_from(task.rows.end - at).unwrap_or(BLOCK).min(BLOCK);
        for lane in condition_lanes.iter_mut().chain(&mut marker_lanes) {
            n = lane.rows_in_page(n)?;
        }
        read_conditions(&mut condition_lanes, rules, conditions, n, &mut met)?;
        for (lane, marker) in marker_lanes.iter_mut().zip(markers) {
            lane.read(n, |raw| Ok(raw.is_some_and(|raw| is_true(&marker.form.text(raw)))))?;
        }
        for (row, _) in met.iter().enumerate().filter(|(_, met)| **met) {
            let mut is_marked = false;
            for (lane, marker) in
                marker_lanes.iter().zip(markers).filter(|(lane, _)| lane.get(row) == Some(true))
            {
                let text = marker.form.text(lane.raw(row).unwrap_or_default());
                let value = String::from_utf8_lossy(&text).into_owned();
                if !is_marked {
                    let row = task.before + at + row as u64;
                    marked.rows.add(task.file, row, || format!("{} is {value}", marker.name));
                }
                is_marked = true;
                *marked.values.entry((marker.name.clone(), value)).or_default() += 1;
            }
        }
        at += u64::from(n);
    }
    if file.object.is_remote() {
        file.object.evict(&bytes);
    }
    Ok(marked)
}
