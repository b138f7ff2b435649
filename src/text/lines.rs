//! The lines of the text on which rows begin.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Rows of a file after which a line is not the next one, of which positions are kept: 16 MiB.
const STEPS_MAX: usize = 1 << 20;

/// The lines of the rows of a row group: one after the other, but for blank lines and line breaks in quotes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// The line of the first row, from 1.
    pub first: u64,
    /// Lines beyond one a row: from this row of the row group on, this many.
    steps: Vec<(u64, u64)>,
    /// Whether there are too many steps.
    is_unknown: bool,
}

impl Lines {
    /// Row `row` of the row group begins on line `line`, from 0.
    #[inline]
    pub fn push(&mut self, row: u64, line: u64) {
        let extra = self.steps.last().map_or(0, |(_, extra)| *extra);
        if line != row + extra {
            self.steps.push((row, line - row));
        }
    }

    /// Places the row group in its file: `before` are the lines before it, `kept` the steps of the row groups so far.
    pub fn place(&mut self, before: u64, kept: &AtomicUsize) {
        self.first = before + 1;
        if kept.fetch_add(self.steps.len(), Ordering::Relaxed) + self.steps.len() > STEPS_MAX {
            (self.steps, self.is_unknown) = (Vec::new(), true);
        }
        self.steps.shrink_to_fit();
    }

    /// The line of a row of the row group, from 1; `None` where it is not kept.
    pub fn of(&self, row: u64) -> Option<u64> {
        let after = self.steps.partition_point(|(from, _)| *from <= row);
        let step = after.checked_sub(1).and_then(|at| self.steps.get(at));
        (!self.is_unknown).then(|| self.first + row + step.map_or(0, |(_, extra)| *extra))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_rows() {
        let mut lines = Lines::default();
        let at = [0, 1, 2, 5, 6, 10];
        for (row, line) in (0..).zip(at) {
            lines.push(row, line);
        }
        lines.place(100, &AtomicUsize::new(0));
        for (row, line) in (0..).zip(at) {
            assert_eq!(lines.of(row), Some(101 + line));
        }
        let mut many = Lines::default();
        many.push(0, 1);
        many.place(0, &AtomicUsize::new(STEPS_MAX));
        assert_eq!(many.of(0), None);
    }
}
