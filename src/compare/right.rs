//! From sums by label to sums by week.

use crate::calendar;
use crate::grid::dense::CHANNELS;
use crate::grid::partial::Extra;
use crate::grid::{Partial, TimePoint};

/// Converts sums by label to sums by week, as iso semantics need them. Leaves out values that are not numbers, and
/// labels that are not ISO weeks; returns those labels.
pub fn by_week(labels: &Partial) -> (Partial, Vec<String>) {
    let mut wrong = Vec::new();
    // Valid labels sort as their weeks do.
    let mut time_indices = Vec::new();
    let mut times = Vec::new();
    for (at, time) in labels.times.iter().enumerate() {
        let TimePoint::Label(label) = time else { continue };
        match calendar::parse_label(label.as_bytes()) {
            Some(week) => {
                time_indices.push(at);
                times.push(TimePoint::Step(week));
            }
            None => wrong.push(label.to_string()),
        }
    }
    let mut weeks = Partial {
        account: labels.account,
        value_type: labels.value_type,
        groups: labels.groups.clone(),
        kept: Vec::with_capacity(labels.groups.len()),
        present: vec![false; labels.groups.len() * times.len()],
        times,
        ..Partial::default()
    };
    for group in 0..labels.groups.len() {
        let point = |time: usize| group * labels.times.len() + time;
        // A country without any valid label has no row in the result.
        let is_present = time_indices.iter().any(|time| labels.present.get(point(*time)) == Some(&true));
        weeks.kept.push(is_present);
        for time in &time_indices {
            for channel in 0..CHANNELS {
                let cell = point(*time) * CHANNELS + channel;
                if let Some(wide) = labels.extras.get(&cell).and_then(|extra| extra.wide.clone()) {
                    weeks.extras.insert(weeks.cells.len(), Extra { wide: Some(wide), ..Extra::default() });
                }
                weeks.cells.push(labels.cells.get(cell).copied().unwrap_or_default());
            }
        }
    }
    (weeks, wrong)
}
