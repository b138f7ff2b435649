//! The wall time of each step of a run.

use std::time::{Duration, Instant};

/// Records the steps of a run and their durations, in the order in which they end.
#[derive(Debug, Default)]
pub struct Timer {
    phases: Vec<(&'static str, Duration)>,
}

impl Timer {
    /// Runs `step`, records its duration as the phase `name`, and returns its result.
    pub fn phase<T>(&mut self, name: &'static str, step: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = step();
        self.phases.push((name, start.elapsed()));
        result
    }

    /// Adds phases that were measured elsewhere.
    pub fn extend(&mut self, phases: impl IntoIterator<Item = (&'static str, Duration)>) {
        self.phases.extend(phases);
    }

    /// The phases so far.
    pub fn phases(&self) -> &[(&'static str, Duration)] {
        &self.phases
    }
}
