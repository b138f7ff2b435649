//! What the rows are that occur twice, and how to keep the newest.

use super::super::compare::Compare;
use super::super::connector::is_of_connector;
use super::super::rows::{Rows, place};
use super::{FilePair, Found, Repeated, top};
use crate::Result;
use crate::checks::model::{Measurement, Violation};
use crate::dataset::ColumnLocation;
use crate::ids::column::Column;
use crate::ids::cursor::Cursor;
use crate::parquet::Physical;
use crate::phrase::{Phrase, Setting};
use crate::report::words::count;

impl Compare<'_> {
    fn name_of(&self, file: usize) -> &str {
        self.files.get(file).map_or("", |file| file.input.object.name())
    }

    /// The measurement of the rows found: the later rows, each with its earlier one, and what to do.
    pub(super) fn measure(&self, found: &Found) -> Result<Measurement> {
        let by_row = self.subject.job.profile.users.rows;
        let rows: Vec<u64> = found.first.iter().map(|repeated| repeated.row).collect();
        let keys = if rows.is_empty() { vec![] } else { self.reader.describe(&rows, None)? };
        let violation = |(repeated, key): (&Repeated, &String)| {
            let ((file, row), (other, earlier)) = (place(repeated.row), place(repeated.earlier));
            let of = if file == other { String::new() } else { format!(" of {}", self.name_of(other)) };
            let value = if by_row {
                format!("{key}: as row {earlier}{of}")
            } else if repeated.users == repeated.of_earlier {
                format!("{key}: {} users, as in row {earlier}{of}", repeated.users)
            } else {
                format!("{key}: {} users, {} in row {earlier}{of}", repeated.users, repeated.of_earlier)
            };
            let name = self.files.get(file).map(|file| file.input.object.name().clone());
            Violation { file: name, row: Some(row), line: None, value }
        };
        let offenders = found.first.iter().zip(&keys).map(violation).collect();
        let finding = Measurement::count(found.count, found.n, offenders);
        Ok(if found.count == 0 { finding } else { finding.note(self.explain(found)?) })
    }

    /// Where the rows are, and what to do: about the two files with most of them, then about rows of one file.
    fn explain(&self, found: &Found) -> Result<Phrase> {
        let mut parts: Vec<Phrase> = Vec::new();
        let total = |pair: &FilePair| pair.same + pair.other;
        let of_files = || found.pairs.iter().filter(|((a, b), _)| a != b);
        let most =
            of_files().max_by_key(|(files, pair)| (pair.other, total(pair), std::cmp::Reverse(**files)));
        if let Some(((a, b), pair)) = most {
            let (rows, what) = if pair.other > 0 {
                (pair.other, "the same keys with other values in")
            } else {
                (pair.same, "the same keys and values in")
            };
            let (a, b) = (self.name_of(*a), self.name_of(*b));
            let days = if pair.other > 0 {
                "re-synced days; keep the newest"
            } else {
                "loaded twice; keep one of them"
            };
            let advice = self.advise(pair)?;
            parts.push(
                Phrase::from(format!("{}: {what} {a} and {b}: {days}", count(rows, "row"))).then(advice),
            );
            let others = of_files().count() - 1;
            if others > 0 {
                parts.push(format!("and {} of other files", count(others as u64, "pair")).into());
            }
        }
        let in_one: Vec<&FilePair> =
            found.pairs.iter().filter(|((a, b), _)| a == b).map(|(_, pair)| pair).collect();
        let (same, other) = in_one.iter().fold((0, 0), |(s, o), pair| (s + pair.same, o + pair.other));
        if same > 0 {
            parts.push(format!("{} there already in the same file", count(same, "row")).into());
        }
        if other > 0 {
            let rows = count(other, "row");
            parts.push(format!("{rows} with the key of another row of the same file and other users").into());
        }
        let join = |all: Phrase, part: Phrase| all.text("; ").then(part);
        Ok(parts.into_iter().reduce(join).unwrap_or_default())
    }

    /// How to keep the newest rows of two files.
    fn advise(&self, pair: &FilePair) -> Result<Phrase> {
        let Some((_, Repeated { row, earlier, .. })) = pair.example else { return Ok(Phrase::default()) };
        let ((later, _), (first, _)) = (place(row), place(earlier));
        let Some(file) = self.files.get(later) else { return Ok(Phrase::default()) };
        // Generations count loads from scratch; times are compared where generations are the same.
        let mut names: Vec<String> = file.footer.leaves.iter().map(|leaf| top(leaf).to_owned()).collect();
        names.retain(|name| is_of_connector(name));
        names.sort_by_key(|name| (rank(name), name.clone()));
        names.retain(|name| rank(name) < OTHER);
        let stamps = self.reader.stamps([row, earlier], &names)?;
        for (name, stamps) in names.iter().zip(stamps) {
            let [Some(new), Some(old)] = stamps else { continue };
            if new == old {
                continue;
            }
            if rank(name) == GENERATION {
                let newest = if new > old { new } else { old };
                let text = newest.show();
                return Ok(Phrase::from(": ").option(Setting::Where(name.clone(), text.clone())).command(
                    format!(", or [[where]] column = \"{name}\", in = [\"{text}\"] in the profile"),
                ));
            }
            let (older, newer) = if new > old { (first, later) } else { (later, first) };
            let rows = self.files.get(older).map_or(0, |file| file.footer.rows);
            let (older, newer) = (self.name_of(older), self.name_of(newer));
            return Ok(if pair.same + pair.other >= rows {
                format!(": delete {older}, which is older by {name}").into()
            } else {
                format!(
                    ": {newer} is newer by {name}; delete these rows of {older}, or let the connector deduplicate"
                )
                .into()
            });
        }
        Ok(": delete the older of the two files, or its rows of these days".into())
    }
}

impl Rows<'_> {
    /// The value of a column of a connector in a row.
    pub fn stamp(&self, number: u64, name: &str) -> Result<Option<Stamp>> {
        let (file, row) = place(number);
        let (Some(task), Some(opened)) = (self.task_of(file, row), self.files.get(file)) else {
            return Ok(None);
        };
        let leaves = &opened.footer.leaves;
        let Some(at) = leaves.iter().position(|leaf| leaf.path.len() == 1 && top(leaf) == name) else {
            return Ok(None);
        };
        let location = ColumnLocation::Leaf(at);
        let meta = task.meta(opened)?;
        let sources = [location.source(&opened.footer, &meta)?];
        let columns = Column::open_all(opened.object, &sources, meta.rows)?;
        let Some(column) = columns.first() else { return Ok(None) };
        let mut cursor = Cursor::new(column, row - task.before, false, Vec::new(), None)?;
        let mut id = [0];
        cursor.read_ids32(&mut id)?;
        let [id] = id;
        let Some(raw) = cursor.entries.get(id) else { return Ok(None) };
        let physical = leaves.get(at).map(|leaf| leaf.physical);
        Ok(match (physical, raw) {
            (Some(Physical::Int64), raw) => {
                raw.first_chunk().map(|raw| Stamp::Number(i64::from_le_bytes(*raw)))
            }
            (Some(Physical::Int32), raw) => {
                raw.first_chunk().map(|raw| Stamp::Number(i32::from_le_bytes(*raw).into()))
            }
            (Some(Physical::ByteArray), raw) => Some(Stamp::Text(String::from_utf8_lossy(raw).into_owned())),
            _ => None,
        })
    }
}

/// A number or a time that a connector gave a row.
#[derive(Debug, Clone, PartialEq, PartialOrd, serde::Serialize, serde::Deserialize)]
pub enum Stamp {
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
}

impl Stamp {
    fn show(&self) -> String {
        match self {
            Stamp::Number(number) => number.to_string(),
            Stamp::Text(text) => text.clone(),
        }
    }
}

/// The rank of a generation, and of columns that do not tell which row is newer.
const GENERATION: u8 = 0;
const OTHER: u8 = 2;

/// Which column tells best which row is newer.
fn rank(name: &str) -> u8 {
    let name = name.to_lowercase();
    let is_time = ["_at", "_time", "_ts", "_timestamp", "_date", "_synced", "_hour", "_hour_utc"];
    if name.ends_with("generation_id") {
        GENERATION
    } else if is_time.iter().any(|end| name.ends_with(end)) {
        1
    } else {
        OTHER
    }
}
