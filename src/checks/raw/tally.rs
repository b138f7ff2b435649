//! Rows that violate a rule: their number, and the first of them.

use crate::checks::model::{VIOLATIONS, Violation};
use crate::dataset::OpenFile;

/// A row that violates a rule: file, row in the file, and what it has.
pub type Place = (usize, u64, String);

/// Rows that violate a rule: all are counted, the first are kept.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Tally {
    /// Rows.
    pub count: u64,
    /// The first of them.
    pub first: Vec<Place>,
}

impl Tally {
    /// Adds a row.
    pub fn add(&mut self, file: usize, row: u64, text: impl FnOnce() -> String) {
        self.count += 1;
        let is_after = |(of_last, last, _): &Place| (file, row) >= (*of_last, *last);
        if self.first.last().is_none_or(is_after) {
            if self.first.len() < VIOLATIONS {
                self.first.push((file, row, text()));
            }
        } else {
            keep_first(&mut self.first, vec![(file, row, text())]);
        }
    }

    /// Adds the rows of another part.
    pub fn merge(&mut self, other: Tally) {
        self.count += other.count;
        keep_first(&mut self.first, other.first);
    }

    /// Replaces the numbers of files.
    pub fn renumber(&mut self, numbers: &[usize]) {
        renumber(&mut self.first, numbers);
    }
}

/// Adds the first rows of another part. What one row violates stays in its order.
pub fn keep_first(to: &mut Vec<Place>, from: Vec<Place>) {
    if !from.is_empty() {
        to.extend(from);
        to.sort_by_key(|(file, row, _)| (*file, *row));
        to.truncate(VIOLATIONS);
    }
}

/// Replaces the numbers of files by those at their index.
pub fn renumber(places: &mut [Place], numbers: &[usize]) {
    for (file, ..) in places {
        *file = numbers.get(*file).copied().unwrap_or(usize::MAX);
    }
}

/// The rows as violations, with the names of their files.
pub fn violations(files: &[OpenFile<'_>], places: &[Place]) -> Vec<Violation> {
    let violation = |(file, row, value): &Place| Violation {
        file: files.get(*file).map(|file| file.input.object.name().clone()),
        row: Some(*row),
        line: None,
        value: value.clone(),
    };
    places.iter().map(violation).collect()
}
