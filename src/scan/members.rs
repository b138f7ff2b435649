//! The distinct values of a column, counted: for errors that list them.

use std::collections::BTreeMap;

use crate::dataset::column::{find, leaf_of};
use crate::dataset::text::TextForm;
use crate::ids::column::Column;
use crate::ids::cursor::Cursor;
use crate::parquet::footer;
use crate::storage::Input;
use crate::{Error, Result};

/// The most values that are listed.
const LISTED: usize = 8;
/// Rows that are read at once.
const BLOCK: u64 = 1 << 14;

/// The rows of each value of a column. A value is `None` where it is null.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(from = "Listed", into = "Listed")]
pub struct Members {
    rows: BTreeMap<Option<Vec<u8>>, u64>,
    /// Whether rows were left out.
    pub is_sample: bool,
}

/// [`Members`] as they are serialised: values are no keys in JSON.
#[derive(serde::Serialize, serde::Deserialize)]
struct Listed {
    rows: Vec<(Option<Vec<u8>>, u64)>,
    is_sample: bool,
}

impl From<Listed> for Members {
    fn from(Listed { rows, is_sample }: Listed) -> Self {
        Members { rows: rows.into_iter().collect(), is_sample }
    }
}

impl From<Members> for Listed {
    fn from(Members { rows, is_sample }: Members) -> Self {
        Listed { rows: rows.into_iter().collect(), is_sample }
    }
}

impl Members {
    /// Adds the rows of other values.
    pub fn merge(&mut self, other: &Members) {
        other.rows.iter().for_each(|(value, rows)| self.add(value.as_deref(), *rows));
        self.is_sample |= other.is_sample;
    }

    /// Counts rows of a value.
    pub fn add(&mut self, value: Option<&[u8]>, rows: u64) {
        match self.rows.get_mut(&value.map(<[u8]>::to_vec)) {
            Some(sum) => *sum += rows,
            None => drop(self.rows.insert(value.map(<[u8]>::to_vec), rows)),
        }
    }

    /// The values, without null.
    pub fn values(&self) -> impl Iterator<Item = &[u8]> {
        self.rows.keys().flatten().map(Vec::as_slice)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The values with most rows, in words; with the numbers of rows if all were counted.
    pub fn show(&self) -> String {
        let mut by_rows: Vec<(&Option<Vec<u8>>, u64)> =
            self.rows.iter().map(|(v, rows)| (v, *rows)).collect();
        by_rows.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
        let show = |(value, rows): &(&Option<Vec<u8>>, u64)| {
            let name = match value {
                None => "null".to_owned(),
                Some(raw) => format!("'{}'", String::from_utf8_lossy(raw)),
            };
            if self.is_sample {
                name
            } else {
                format!("{name} ({rows} row{})", if *rows == 1 { "" } else { "s" })
            }
        };
        let mut shown: Vec<String> = by_rows.iter().take(LISTED).map(show).collect();
        if self.is_sample || by_rows.len() > LISTED {
            shown.push("...".into());
        }
        if shown.is_empty() { "no values".into() } else { shown.join(", ") }
    }
}

/// The values of a column in the first `most` rows of all files. A file that lacks the column has none.
///
/// # Errors
/// Those of reading the files.
pub fn of_files(inputs: &[Input], column: &str, most: u64) -> Result<Members> {
    let mut members = Members::default();
    let mut left = most;
    for input in inputs {
        let object = input.object.as_ref();
        let _pinned = object.pin()?;
        let meta = footer::read(object)?;
        let Ok(location) = find(&meta, input, column) else { continue };
        let form = leaf_of(&meta, &location).map(TextForm::of).transpose()?.unwrap_or_default();
        for group in &meta.row_groups {
            members.is_sample |= group.rows > left;
            let mut rows = group.rows.min(left);
            if rows == 0 {
                continue;
            }
            left -= rows;
            let columns = Column::open_all(object, &[location.source(&meta, &group)?], group.rows)?;
            let column = columns.first().ok_or_else(|| Error::internal("no such column"))?;
            let mut cursor = Cursor::new(column, 0, false, Vec::new(), None)?;
            let mut ids = Vec::new();
            let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
            while rows > 0 {
                ids.resize(usize::try_from(rows.min(BLOCK)).unwrap_or_default(), 0);
                cursor.read_ids32(&mut ids)?;
                rows -= ids.len() as u64;
                ids.iter().for_each(|id| *counts.entry(*id).or_default() += 1);
            }
            for (id, rows) in counts {
                members.add(cursor.entries.get(id).map(|raw| form.text(raw)).as_deref(), rows);
            }
        }
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_with_most_rows_come_first() {
        let mut members = Members::default();
        for (value, rows) in [(Some("b"), 1), (None, 3), (Some("a"), 1), (Some("b"), 1)] {
            members.add(value.map(str::as_bytes), rows);
        }
        assert_eq!(members.show(), "null (3 rows), 'b' (2 rows), 'a' (1 row)");
        assert_eq!(Members { is_sample: true, ..members }.show(), "null, 'b', 'a', ...");
        assert_eq!(Members::default().show(), "no values");
    }
}
