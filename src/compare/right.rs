//! Converts sums by label to sums by week.

use crate::calendar;
use crate::grid::CHANNELS;
use crate::grid::partial::Extra;
use crate::grid::{Partial, TimePoint};

/// Returns the sums by week of sums by label, and the labels that are not ISO weeks.
/// The sums leave out these labels, and values that are not finite.
#[allow(clippy::indexing_slicing)] // a partial aggregate has a cell for each group, time and channel
pub fn by_week(labels: &Partial) -> (Partial, Vec<String>) {
    let mut wrong = Vec::new();
    // The text order of valid labels is the order of their weeks.
    let mut positions = Vec::new();
    let mut times = Vec::new();
    for (at, time) in labels.times.iter().enumerate() {
        let TimePoint::Label(label) = time else { continue };
        match calendar::parse_label(label.as_bytes()) {
            Some(week) => {
                positions.push(at);
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
        // A country whose rows all have wrong labels is not in the table.
        let kept = positions.iter().any(|time| labels.present.get(point(*time)) == Some(&true));
        weeks.kept.push(kept);
        for time in &positions {
            for channel in 0..CHANNELS {
                let cell = point(*time) * CHANNELS + channel;
                if let Some(wide) = labels.extras.get(&cell).and_then(|extra| extra.wide.clone()) {
                    weeks.extras.insert(weeks.cells.len(), Extra { wide: Some(wide), ..Extra::default() });
                }
                weeks.cells.push(labels.cells[cell]);
            }
        }
    }
    (weeks, wrong)
}
