//! What a run's rows sum to by week, by channel and by day.

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
    /// Adds up the rows by day; the total over countries is left out, weeks are those of the days.
    #[allow(clippy::cast_precision_loss)] // exact to 2^53 users
    pub fn of(job: &Job, cube: &Cube) -> Totals {
        let (Some(first), Some(last)) = (cube.days.first().copied(), cube.days.last().copied()) else {
            return Totals::default();
        };
        let unit = cube.steps.max(1) as f64;
        let (week, weeks) =
            (calendar::week_of(first), calendar::week_of(last) - calendar::week_of(first) + 1);
        let span = |length: i32| usize::try_from(length).unwrap_or_default();
        let countries: Vec<usize> = (0..cube.countries.len())
            .filter(|c| cube.countries.get(*c) != Some(&job.country_total))
            .collect();
        let names =
            countries.iter().filter_map(|c| cube.countries.get(*c)).map(|c| c.as_str().into()).collect();
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
        let places: Vec<Option<usize>> = cube.countries.iter().map(|c| totals.weeks.find(c)).collect();
        let channels: Vec<Option<usize>> = cube.channels.iter().map(|c| totals.channels.find(c)).collect();
        let (width, channel_width) = (cube.countries.len(), cube.channels.len());
        for (at, day) in cube.days.iter().copied().enumerate() {
            let week = calendar::week_of(day);
            let complete = is_complete(week);
            let mut sum = Point { complete: true, ..Point::default() };
            for country in &countries {
                let cell = at * width + country;
                let (Some(rows), Some([paid, organic])) = (cube.rows.get(cell), cube.users.get(cell)) else {
                    continue;
                };
                if *rows == 0 {
                    continue;
                }
                let point = Point {
                    rows: *rows as f64,
                    users: (paid + organic) as f64 / unit,
                    organic: *organic as f64 / unit,
                    ..Point::default()
                };
                add(&mut sum, &point);
                if let Some(place) = places.get(*country).copied().flatten() {
                    add_to(&mut totals.weeks, place, week, complete, &point);
                }
            }
            totals.days.put(0, day, sum);
            for (channel, place) in channels.iter().enumerate() {
                let users = cube.channel_users.get(at * channel_width + channel).copied().unwrap_or_default();
                if let (Some(place), true) = (place, users != 0) {
                    let point = Point { users: users as f64 / unit, ..Point::default() };
                    add_to(&mut totals.channels, *place, week, complete, &point);
                }
            }
        }
        // A channel without users is no news either when it comes again.
        let week = calendar::week_of(last);
        for place in channels.into_iter().flatten() {
            if totals.channels.entries().all(|(name, ..)| name != place) {
                let point = Point { complete: is_complete(week), ..Point::default() };
                totals.channels.put(place, week, point);
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
    let mut sum = panel.get(name, step).copied().unwrap_or_default();
    add(&mut sum, point);
    panel.put(name, step, Point { complete, ..sum });
}
