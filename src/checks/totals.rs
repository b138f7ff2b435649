//! The totals of a run's rows, in the form that the history keeps.

use super::raw::cube::Cube;
use crate::history::{Panel, Point, Totals};
use crate::{Job, calendar};

/// Sums the cube of a run by country and week, by channel and week, and by day.
///
/// The total over countries is left out. The week of a row is that of its day, not that of its label.
#[allow(clippy::cast_precision_loss)] // exact to 2^53 users
#[allow(clippy::indexing_slicing)] // a cube has a cell for each of its days and countries, and days and channels
pub fn sum_cube(job: &Job, cube: &Cube) -> Totals {
    let (Some(first), Some(last)) = (cube.days.first().copied(), cube.days.last().copied()) else {
        return Totals::default();
    };
    let unit = cube.steps.max(1) as f64;
    let whole = cube.steps <= 1;
    let nearest = |steps: i128| if whole { nearest(steps) } else { nearest(steps) / unit };
    let (week, weeks) = (calendar::week_of(first), calendar::week_of(last) - calendar::week_of(first) + 1);
    let span = |length: i32| usize::try_from(length).unwrap_or_default();
    let countries = cube.countries.iter().filter(|c| **c != job.country_total());
    let names = countries.map(|c| c.as_str().into()).collect();
    let mut totals = Totals {
        question: std::sync::Arc::default(),
        weeks: Panel::new(week, span(weeks), names),
        channels: Panel::new(week, span(weeks), cube.channels.iter().map(|c| c.as_str().into()).collect()),
        days: Panel::new(first, span(last - first + 1), vec!["".into()]),
    };
    let is_complete = |week: i32| calendar::monday(week) >= first && calendar::monday(week) + 6 <= last;
    let countries: Vec<Option<usize>> = cube.countries.iter().map(|c| totals.weeks.find(c)).collect();
    let channels: Vec<Option<usize>> = cube.channels.iter().map(|c| totals.channels.find(c)).collect();
    let (width, channel_width) = (cube.countries.len(), cube.channels.len());
    for (at, day) in cube.days.iter().copied().enumerate() {
        let week = calendar::week_of(day);
        let complete = is_complete(week);
        let mut sum = Point { complete: true, ..Point::default() };
        let of_day = at * width..(at + 1) * width;
        let (rows, users) = (&cube.rows[of_day.clone()], &cube.users[of_day]);
        // The total over countries has no index in the panel.
        for ((rows, [paid, organic]), index) in rows.iter().zip(users).zip(&countries) {
            let (Some(index), true) = (index, *rows != 0) else { continue };
            let point = Point {
                rows: *rows as f64,
                users: nearest(paid + organic),
                organic: nearest(*organic),
                ..Point::default()
            };
            add(&mut sum, &point);
            add_to(&mut totals.weeks, *index, week, complete, &point);
        }
        totals.days.put(0, day, sum);
        let users = &cube.channel_users[at * channel_width..(at + 1) * channel_width];
        for (users, index) in users.iter().copied().zip(&channels) {
            if let (Some(index), true) = (index, users != 0) {
                let point = Point { users: nearest(users), ..Point::default() };
                add_to(&mut totals.channels, *index, week, complete, &point);
            }
        }
    }
    // A channel without users is recorded too, so that it is not new in a later run.
    let week = calendar::week_of(last);
    for index in channels.into_iter().flatten() {
        if totals.channels.steps().all(|week| totals.channels.get(index, week).is_none()) {
            let point = Point { complete: is_complete(week), ..Point::default() };
            totals.channels.put(index, week, point);
        }
    }
    totals
}

fn add(to: &mut Point, from: &Point) {
    to.rows += from.rows;
    to.users += from.users;
    to.organic += from.organic;
}

fn add_to(panel: &mut Panel, name: usize, step: i32, complete: bool, point: &Point) {
    if let Some(cell) = panel.cell_mut(name, step) {
        let sum = cell.get_or_insert_default();
        add(sum, point);
        sum.complete = complete;
    }
}

/// The nearest double of a sum.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)] // exact to 2^53 users; the halves of 128 bits
fn nearest(users: i128) -> f64 {
    let (low, high) = (users as i64, (users >> 64) as i64);
    // A 64-bit integer converts in one instruction and to the same double; 128 bits take a function call.
    if high == low >> 63 { low as f64 } else { users as f64 }
}
