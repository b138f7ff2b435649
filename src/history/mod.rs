//! The history: what was published before, which the next run is held against.
//!
//! - [`panel`]: points by name and step, dense. [`totals`]: what one run's rows
//!   sum to by week, by channel and by day.
//! - [`store`]: the one small parquet file that it is kept in.
//!
//! A point is keyed by its kind, name and step, and knows the run that published
//! it last; a later run replaces it. Only runs that were published teach.

pub mod panel;
pub mod store;
pub mod totals;

use std::sync::Arc;

pub use panel::{Panel, Point};
pub use totals::Totals;

/// What was published before.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// The points, each with the run that published it last.
    pub totals: Totals,
    /// The runs, in the order in which they taught; [`Point::run`] is an index.
    pub runs: Vec<Arc<str>>,
}

impl History {
    /// Whether nothing was published yet.
    pub fn is_empty(&self) -> bool {
        self.totals.weeks.is_empty() && self.totals.days.is_empty()
    }

    /// The name of a point's run.
    pub fn run_of(&self, point: &Point) -> &str {
        self.runs.get(point.run as usize).map_or("", |run| run)
    }

    /// Takes in what `run` has published, and forgets what is older than `weeks` weeks.
    ///
    /// A week that the run's rows cover in part only does not replace one that
    /// was published complete: the source has begun later, not the week.
    pub fn record(&mut self, totals: &Totals, run: &str, weeks: usize) {
        let number = self.runs.iter().position(|known| &**known == run).unwrap_or_else(|| {
            self.runs.push(run.into());
            self.runs.len() - 1
        });
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let days = weeks.saturating_mul(7);
        // A day that was published and has no row now was let go by whoever published this run.
        for (mine, theirs, keep, gaps) in [
            (&mut self.totals.weeks, &totals.weeks, weeks, false),
            (&mut self.totals.channels, &totals.channels, weeks, false),
            (&mut self.totals.days, &totals.days, days, true),
        ] {
            *mine = mine.learned(theirs, number, keep, gaps);
        }
        self.forget_runs();
    }

    /// Runs that no point is of any more.
    fn forget_runs(&mut self) {
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
        let places: Vec<u32> = used
            .iter()
            .map(|used| {
                let at = next;
                next += u32::from(*used);
                at
            })
            .collect();
        for panel in panels {
            for point in panel.points_mut() {
                point.run = places.get(point.run as usize).copied().unwrap_or_default();
            }
        }
        let mut used = used.into_iter();
        self.runs.retain(|_| used.next() == Some(true));
    }
}
