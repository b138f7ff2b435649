//! The sums of a run by week, by channel and by day.

use super::panel::{Panel, Point};
use crate::checks::raw::cube::Cube;
use crate::{Job, calendar};

/// Sums of one run, or of a history.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Totals {
    /// By country and ISO week.
    pub weeks: Panel,
    /// By channel and ISO week; users only.
    pub channels: Panel,
    /// By day, all countries together, under the empty name.
    pub days: Panel,
}

impl Totals {
    /// Sums the rows of `cube`; the total over countries is left out, weeks are those of the days.
    #[allow(clippy::cast_precision_loss)] // exact to 2^53 users
    pub fn of(job: &Job, cube: &Cube) -> Totals {
        let (Some(first), Some(last)) = (cube.days.first().copied(), cube.days.last().copied()) else {
            return Totals::default();
        };
        let unit = cube.steps.max(1) as f64;
        let is_integral = cube.steps <= 1;
        let nearest = |steps: i128| if is_integral { nearest(steps) } else { nearest(steps) / unit };
        let (week, weeks) =
            (calendar::week_of(first), calendar::week_of(last) - calendar::week_of(first) + 1);
        let span = |length: i32| usize::try_from(length).unwrap_or_default();
        let countries = cube.countries.iter().filter(|c| **c != job.country_total);
        let names = countries.map(|c| c.as_str().into()).collect();
        let mut totals = Totals {
            weeks: Panel::new(week, span(weeks), names),
            channels: Panel::new(
                week,
                span(weeks),
                cube.channels.iter().map(|c| c.as_str().into()).collect(),
            ),
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
            #[allow(clippy::indexing_slicing)] // both have a cell for each day and country
            let (rows, users) = (&cube.rows[of_day.clone()], &cube.users[of_day]);
            // The total over countries has no index.
            for ((rows, [paid, organic]), name) in rows.iter().zip(users).zip(&countries) {
                let (Some(name), true) = (name, *rows != 0) else { continue };
                let point = Point {
                    rows: *rows as f64,
                    users: nearest(paid + organic),
                    organic: nearest(*organic),
                    ..Point::default()
                };
                add(&mut sum, &point);
                add_to(&mut totals.weeks, *name, week, complete, &point);
            }
            totals.days.put(0, day, sum);
            for (channel, name) in channels.iter().enumerate() {
                #[allow(clippy::indexing_slicing)] // a cell for each day and channel
                let users = cube.channel_users[at * channel_width + channel];
                if let (Some(name), true) = (name, users != 0) {
                    let point = Point { users: nearest(users), ..Point::default() };
                    add_to(&mut totals.channels, *name, week, complete, &point);
                }
            }
        }
        // A channel without users is recorded as known: it is not new when users appear.
        let week = calendar::week_of(last);
        for name in channels.into_iter().flatten() {
            if totals.channels.steps().all(|week| totals.channels.get(name, week).is_none()) {
                let point = Point { complete: is_complete(week), ..Point::default() };
                totals.channels.put(name, week, point);
            }
        }
        totals
    }
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

/// The nearest double.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)] // exact to 2^53 users; the two halves of 128 bits
fn nearest(users: i128) -> f64 {
    let (low, high) = (users as i64, (users >> 64) as i64);
    // 64 bits convert in one instruction to the same value; 128 bits need a call.
    if high == low >> 63 { low as f64 } else { users as f64 }
}
