//! Points by name and step, dense.

use std::sync::Arc;

/// The sums at one point.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Point {
    /// Rows.
    pub rows: f64,
    /// Users, paid and organic.
    pub users: f64,
    /// Organic users.
    pub organic: f64,
    /// Whether the step lies between the first and the last day of the rows.
    pub complete: bool,
    /// Index of its run in the runs of the history.
    pub run: u32,
}

impl Point {
    /// The organic share; `None` without users.
    pub fn share(&self) -> Option<f64> {
        (self.users > 0.0).then(|| self.organic / self.users)
    }
}

/// Points by name and step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Panel {
    first: i32,
    steps: usize,
    names: Vec<Arc<str>>,
    /// `name * steps + step`.
    cells: Vec<Option<Point>>,
}

impl Panel {
    /// An empty panel over `steps` steps from `first` on; names are sorted and deduplicated.
    pub fn new(first: i32, steps: usize, mut names: Vec<Arc<str>>) -> Self {
        names.sort_unstable();
        names.dedup();
        let cells = vec![None; names.len() * steps];
        Panel { first, steps, names, cells }
    }

    /// Names, sorted.
    pub fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// Whether the panel has no point.
    pub fn is_empty(&self) -> bool {
        self.cells.iter().all(Option::is_none)
    }

    /// Steps, in order.
    pub fn steps(&self) -> std::ops::Range<i32> {
        self.first..self.first + i32::try_from(self.steps).unwrap_or_default()
    }

    /// The index of a name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.names.binary_search_by(|other| (**other).cmp(name)).ok()
    }

    fn cell_index(&self, name: usize, step: i32) -> Option<usize> {
        let step = usize::try_from(step - self.first).ok().filter(|step| *step < self.steps)?;
        (name < self.names.len()).then_some(name * self.steps + step)
    }

    /// The point at a name and step.
    pub fn get(&self, name: usize, step: i32) -> Option<&Point> {
        self.cells.get(self.cell_index(name, step)?)?.as_ref()
    }

    /// Sets a point; a point outside the panel is ignored.
    pub fn put(&mut self, name: usize, step: i32, point: Point) {
        if let Some(at) = self.cell_index(name, step)
            && let Some(cell) = self.cells.get_mut(at)
        {
            *cell = Some(point);
        }
    }

    /// The cell of a point; `None` outside the panel.
    pub fn cell_mut(&mut self, name: usize, step: i32) -> Option<&mut Option<Point>> {
        let at = self.cell_index(name, step)?;
        self.cells.get_mut(at)
    }

    /// All points.
    pub fn points(&self) -> impl Iterator<Item = &Point> {
        self.cells.iter().flatten()
    }

    /// All points, mutable.
    pub fn points_mut(&mut self) -> impl Iterator<Item = &mut Point> {
        self.cells.iter_mut().flatten()
    }

    /// All points with the index of their name and their step.
    pub fn entries(&self) -> impl Iterator<Item = (usize, i32, &Point)> {
        let steps = self.steps.max(1);
        self.cells.iter().enumerate().filter_map(move |(at, cell)| {
            let step = i32::try_from(at % steps).ok()?;
            cell.as_ref().map(|point| (at / steps, self.first + step, point))
        })
    }

    /// Whether any name has a complete point at `step`.
    pub fn is_complete(&self, step: i32) -> bool {
        (0..self.names.len()).any(|name| self.get(name, step).is_some_and(|point| point.complete))
    }

    /// Whether any name has a point at `step`.
    pub fn has(&self, step: i32) -> bool {
        (0..self.names.len()).any(|name| self.get(name, step).is_some())
    }

    /// Returns the last `keep` steps of this panel with the steps of `newer` in place of its own. With
    /// `gaps`, steps that `newer` lacks from its first step on are dropped.
    pub(super) fn merged_with(&self, newer: &Panel, run: u32, keep: usize, gaps: bool) -> Panel {
        if newer.is_empty() {
            return self.clone();
        }
        let keep = i32::try_from(keep).unwrap_or(i32::MAX);
        let end = newer.steps().end.max(if self.steps == 0 { i32::MIN } else { self.steps().end });
        let start = if self.steps == 0 { newer.first } else { self.first.min(newer.first) };
        let start = start.max(end.saturating_sub(keep));
        let names = self.names.iter().chain(&newer.names).cloned().collect();
        let mut panel = Panel::new(start, usize::try_from(end - start).unwrap_or_default(), names);
        // The newer panel replaces every step that it has, except with a partial one over a complete one.
        let replaced: Vec<bool> = (start..end)
            .map(|step| {
                newer.has(step) && (newer.is_complete(step) || !self.is_complete(step))
                    || gaps && step >= newer.first
            })
            .collect();
        // Steps outside the new panel are dropped either way.
        let is_replaced = |step: i32| {
            usize::try_from(step - start).ok().and_then(|at| replaced.get(at)).copied().unwrap_or_default()
        };
        let indices = |names: &[Arc<str>]| names.iter().map(|name| panel.find(name)).collect::<Vec<_>>();
        let (mine, others) = (indices(&self.names), indices(&newer.names));
        for (name, step, point) in self.entries().filter(|(_, step, _)| !is_replaced(*step)) {
            if let Some(name) = mine.get(name).copied().flatten() {
                panel.put(name, step, *point);
            }
        }
        for (name, step, point) in newer.entries().filter(|(_, step, _)| is_replaced(*step)) {
            if let Some(name) = others.get(name).copied().flatten() {
                panel.put(name, step, Point { run, ..*point });
            }
        }
        panel
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    type Series<'a> = &'a [Option<(f64, bool)>];

    fn panel(first: i32, values: &[(&str, Series<'_>)]) -> Panel {
        let steps = values.iter().map(|(_, v)| v.len()).max().unwrap();
        let mut panel = Panel::new(first, steps, values.iter().map(|(name, _)| (*name).into()).collect());
        for (name, values) in values {
            for (value, step) in values.iter().zip(first..) {
                if let Some((users, complete)) = value {
                    let name = panel.find(name).unwrap();
                    panel.put(name, step, Point { users: *users, complete: *complete, ..Point::default() });
                }
            }
        }
        panel
    }

    fn users(panel: &Panel, name: &str) -> Vec<Option<f64>> {
        let name = panel.find(name).unwrap();
        panel.steps().map(|step| panel.get(name, step).map(|p| p.users)).collect()
    }

    #[test]
    fn a_later_run_replaces_its_steps_and_old_steps_are_dropped() {
        let complete = |users| Some((users, true));
        let old = panel(
            10,
            &[
                ("A", &[complete(1.0), complete(2.0), Some((3.0, false))]),
                ("B", &[complete(7.0), complete(8.0)]),
            ],
        );
        let new = panel(
            11,
            &[("A", &[Some((0.5, false)), complete(4.0), complete(5.0)]), ("C", &[None, complete(9.0)])],
        );
        let merged = old.merged_with(&new, 3, 100, false);
        // Step 11 was published complete and is partial now: it is kept.
        assert_eq!(users(&merged, "A"), [Some(1.0), Some(2.0), Some(4.0), Some(5.0)]);
        assert_eq!(users(&merged, "B"), [Some(7.0), Some(8.0), None, None]);
        assert_eq!(users(&merged, "C"), [None, None, Some(9.0), None]);
        assert_eq!(merged.get(0, 13).unwrap().run, 3);
        assert_eq!(users(&old.merged_with(&new, 3, 2, false), "A"), [Some(4.0), Some(5.0)]);
        assert_eq!(Panel::default().merged_with(&new, 0, 9, false).steps(), 11..14);
        // With `gaps`, a step that the newer panel lacks between its first and last step is dropped.
        let holes = panel(10, &[("A", &[Some((1.0, true)), None, Some((3.0, true))])]);
        assert_eq!(users(&old.merged_with(&holes, 3, 100, true), "A").get(1), Some(&None));
        assert_eq!(old.merged_with(&Panel::default(), 0, 9, false), old);
    }
}
