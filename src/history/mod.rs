//! The history: sums of published runs, with which the next run is compared.
//!
//! - [`panel`]: points by name and step, dense. [`totals`]: the sums of one run by week, by channel and
//!   by day.
//! - [`store`]: the small parquet file in which the history is stored.
//!
//! A point is identified by its kind, name and step, and stores the run that published it last; a later
//! run replaces it. Only published runs are recorded.

pub mod panel;
pub mod store;
pub mod totals;

use std::sync::Arc;

pub use panel::{Panel, Point};
pub use totals::Totals;

/// The published points.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// The points, each with the last run that published it.
    pub totals: Totals,
    /// The runs in the order in which they were recorded; [`Point::run`] is an index.
    pub runs: Vec<Arc<str>>,
}

impl History {
    /// Whether nothing was published yet.
    pub fn is_empty(&self) -> bool {
        self.totals.weeks.is_empty() && self.totals.days.is_empty()
    }

    /// The name of the run of a point.
    pub fn run_of(&self, point: &Point) -> &str {
        self.runs.get(point.run as usize).map_or("", |run| run)
    }

    /// Records the totals that `run` published, and drops points older than `weeks` weeks.
    ///
    /// Totals of another question than the history's begin it anew.
    ///
    /// A week that the rows of the run cover only in part does not replace one that was published
    /// complete: the source begins later, not the week.
    pub fn record(&mut self, totals: &Totals, run: &str, weeks: usize) {
        if self.totals.question != totals.question {
            *self = History::default();
            self.totals.question = totals.question.clone();
        }
        let number = self.runs.iter().position(|recorded| &**recorded == run).unwrap_or_else(|| {
            self.runs.push(run.into());
            self.runs.len() - 1
        });
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let days = weeks.saturating_mul(7);
        // A published day without rows in this run was removed from the source: its point is dropped.
        for (mine, theirs, keep, gaps) in [
            (&mut self.totals.weeks, &totals.weeks, weeks, false),
            (&mut self.totals.channels, &totals.channels, weeks, false),
            (&mut self.totals.days, &totals.days, days, true),
        ] {
            *mine = mine.merged_with(theirs, number, keep, gaps);
        }
        self.drop_unused_runs();
    }

    /// Drops the runs that no point refers to.
    fn drop_unused_runs(&mut self) {
        let mut used = vec![false; self.runs.len()];
        let panels = [&mut self.totals.weeks, &mut self.totals.channels, &mut self.totals.days];
        for panel in &panels {
            for point in panel.points() {
                if let Some(used) = used.get_mut(point.run as usize) {
                    *used = true;
                }
            }
        }
        let mut next = 0u32;
        let new_index: Vec<u32> = used
            .iter()
            .map(|used| {
                let at = next;
                next += u32::from(*used);
                at
            })
            .collect();
        for panel in panels {
            for point in panel.points_mut() {
                // A recorded or decoded point has a valid index; any other index becomes 0.
                point.run = new_index.get(point.run as usize).copied().unwrap_or_default();
            }
        }
        let mut used = used.into_iter();
        self.runs.retain(|_| used.next() == Some(true));
    }
}
