//! The totals of a run's rows, in the form that the history keeps: from the cube of the checks for the default profile,
//! from the sums of the job for any other key, grain or profile.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::raw::cube::Cube;
use super::raw::general::counts::{Bucket, Counts};
use super::raw::general::timed::TimedSums;
use super::shape::Shape;
use crate::calendar::period::{week_of_with_start, week_start};
use crate::grid::{CHANNELS, Partial, TimePoint};
use crate::history::store::CELLS_MAX;
use crate::history::{Panel, Point, Totals};
use crate::profile::Class;
use crate::profile::meaning::ClassRule;
use crate::profile::question::{NULL, SEPARATOR, TOTAL};
use crate::window::Sum;
use crate::{Grain, Job, calendar};

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
        question: Arc::default(),
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

/// What the totals of a job are compared by: its key and grain, and a digest of its profile. Empty for the job whose
/// key is the country of the default profile, on files that are cubes.
pub fn question_of(job: &Job, shape: Shape) -> Arc<str> {
    if shape.is_cube() {
        return "".into();
    }
    let mut profile = job.profile.clone();
    // What the checks expect has no part in the sums.
    profile.dimensions.values_mut().for_each(|dimension| dimension.members = None);
    profile.time.settle_days = None;
    let digest = serde_json::to_vec(&profile).map_or(0, |bytes| crc32fast::hash(&bytes));
    let by = if job.by.is_empty() { "all rows".to_owned() } else { job.by.join(", ") };
    let grain = match job.grain {
        Grain::Week => "week",
        Grain::Day => "day",
        Grain::Month => "month",
    };
    format!("{by} and {grain} of profile {digest:08x}").into()
}

/// The name of a key in the history and in messages: `GB, ios`.
pub fn key_name<'m>(members: impl Iterator<Item = &'m str>) -> String {
    let mut name = String::new();
    for (at, member) in members.enumerate() {
        let quote = if member.is_empty() || member.contains(", ") { "\"" } else { "" };
        name.push_str(if at > 0 { ", " } else { "" });
        name.extend([quote, member, quote]);
    }
    // The key of all rows has no members.
    if name.is_empty() { "all".into() } else { name }
}

/// Why the sums of a job are not compared with a history; `None` where they are.
pub fn not_compared(job: &Job, shape: Shape, partial: &Partial) -> Option<String> {
    if shape.is_cube() {
        return None;
    }
    if job.grain == Grain::Month {
        return Some("the table has months; the history compares weeks".into());
    }
    let weeks = weeks_of(job, partial).map_or(0, |(first, last)| i64::from(last) - i64::from(first) + 1);
    let cells = partial.groups.len().saturating_mul(usize::try_from(weeks).unwrap_or(usize::MAX));
    (cells > CELLS_MAX)
        .then(|| format!("{} keys over {weeks} weeks are too many for a history", partial.groups.len()))
}

/// The first and the last week of the sums.
fn weeks_of(job: &Job, partial: &Partial) -> Option<(i32, i32)> {
    let weeks = || partial.times.iter().filter_map(|time| week_of_point(job, time));
    weeks().min().zip(weeks().max())
}

fn week_of_point(job: &Job, time: &TimePoint) -> Option<i32> {
    match (time, job.grain) {
        (TimePoint::Step(day), Grain::Day) => Some(week_of_with_start(*day, job.profile.time.week_start)),
        (TimePoint::Step(week), Grain::Week) => Some(*week),
        _ => None,
    }
}

/// The totals of a job with any key, from its sums: by key and week, without the total rows of dimensions of the key.
/// `rows` is what the rows have, where they were counted: numbers of rows, channels and days. Without their days, the
/// first and the last week are not complete. `None` where there is nothing to compare (see [`not_compared`]).
pub fn sum_partial(job: &Job, partial: &Partial, rows: Option<&Counts>) -> Option<Totals> {
    let shape = Shape::General;
    let (first, last) = weeks_of(job, partial).filter(|_| not_compared(job, shape, partial).is_none())?;
    let length = usize::try_from(last - first + 1).ok()?;
    let step = |time: Option<&TimePoint>| match (time, job.grain) {
        (Some(TimePoint::Step(day)), Grain::Day) => Some(*day),
        _ => None,
    };
    let bucket = rows.filter(|rows| rows.has_days).and_then(Counts::chosen);
    let of_rows = bucket.and_then(|bucket| bucket.days.keys().next().zip(bucket.days.keys().last()));
    let days = of_rows.map(|(from, to)| (*from, *to));
    let days = step(partial.times.first()).zip(step(partial.times.last())).or(days);
    let start = job.profile.time.week_start;
    let is_complete = |week: i32| match days {
        Some((from, to)) => week_start(week, start) >= from && week_start(week, start) + 6 <= to,
        None => first < week && week < last,
    };
    let class = ClassRule::new(&job.profile.channel);
    // Group, key and channel.
    let mut groups: Vec<(usize, String, Option<&str>)> = Vec::new();
    for (at, name) in partial.groups.iter().enumerate().filter(|(at, _)| partial.kept.get(*at) == Some(&true))
    {
        let parts = || name.split(SEPARATOR);
        if !parts().any(|part| part == TOTAL || part == NULL) {
            let channel = name.rsplit(SEPARATOR).next().filter(|_| job.share_of_channel);
            groups.push((at, key_name(parts().take(job.by.len())), channel));
        }
    }
    let names = groups.iter().map(|(_, key, _)| key.as_str().into()).collect();
    let channel_names = groups.iter().filter_map(|(_, _, channel)| channel.map(Arc::from)).collect();
    let mut totals = Totals {
        question: question_of(job, shape),
        weeks: Panel::new(first, length, names),
        channels: Panel::new(first, length, channel_names),
        days: Panel::default(),
    };
    if let Some((from, to)) = step(partial.times.first()).zip(step(partial.times.last())) {
        totals.days = Panel::new(from, usize::try_from(to - from + 1).ok()?, vec!["".into()]);
    }
    let width = partial.times.len();
    let unit = partial.unit();
    let mut indices: BTreeMap<&str, Option<usize>> = BTreeMap::new();
    for (group, key, channel) in &groups {
        let key = *indices.entry(key).or_insert_with(|| totals.weeks.find(key));
        let channel_index = channel.and_then(|channel| totals.channels.find(channel));
        for (time, point) in partial.times.iter().enumerate() {
            let (Some(week), Some(key)) = (week_of_point(job, point), key) else { continue };
            let sum = |class: usize| {
                let cell = (group * width + time) * CHANNELS + class;
                let int = partial.cells.get(cell).copied().unwrap_or_default();
                let wide = partial.extras.get(&cell).and_then(|extra| extra.wide.clone());
                Sum { int, wide }.to_f64() / unit
            };
            let (paid, organic) = (sum(0), sum(1));
            if paid == 0.0 && organic == 0.0 {
                continue;
            }
            let is_organic = channel.is_some_and(|channel| class.class_of_member(channel) == Class::Organic);
            let users = Point {
                users: paid + organic,
                organic: if is_organic { paid } else { organic },
                ..Point::default()
            };
            add_to(&mut totals.weeks, key, week, is_complete(week), &users);
            if let Some(channel) = channel_index {
                add_to(&mut totals.channels, channel, week, is_complete(week), &users);
            }
            if let Some(day) = step(Some(point)) {
                add_to(&mut totals.days, 0, day, true, &users);
            }
        }
    }
    if let (Some(rows), Some(bucket)) = (rows, bucket) {
        let week = |day: i32| week_of_with_start(day, start);
        add_rows(&mut totals, rows, bucket, week, is_complete);
    }
    Some(totals)
}

/// Adds what only the rows tell: rows by key and week, users by channel and week, rows and users by day.
#[allow(clippy::cast_precision_loss)] // exact to 2^53 rows
fn add_rows(
    totals: &mut Totals,
    counts: &Counts,
    bucket: &Bucket,
    week_of: impl Fn(i32) -> i32,
    is_complete: impl Fn(i32) -> bool,
) {
    if let (Some(cells), Some((first, last))) =
        (&bucket.cells, bucket.days.keys().next().zip(bucket.days.keys().last()))
    {
        let length = usize::try_from(last - first + 1).unwrap_or_default();
        totals.days = Panel::new(*first, length, vec!["".into()]);
        // Sums are rounded once, so that they do not depend on the order of keys.
        let mut days = TimedSums::default();
        let cells = cells.view();
        for key in cells.numbers() {
            let at = totals.weeks.find(&counts.key_name(key));
            cells.each(key, |day, total| {
                days.add_total(0, day, total);
                if let Some(at) = at {
                    let week = week_of(day);
                    let rows = Point { rows: total.rows() as f64, ..Point::default() };
                    add_to(&mut totals.weeks, at, week, is_complete(week), &rows);
                }
            });
        }
        days.view().each(0, |day, total| {
            let [paid, organic] = total.users();
            let point =
                Point { rows: total.rows() as f64, users: paid + organic, organic, ..Point::default() };
            add_to(&mut totals.days, 0, day, true, &point);
        });
    }
    let (Some(cells), true) = (&bucket.channels, totals.channels.is_empty()) else { return };
    let cells = cells.view();
    let mut names: BTreeMap<u32, &str> = BTreeMap::new();
    for channel in cells.numbers() {
        cells.each(channel, |_, _| {
            names.entry(channel).or_insert_with(|| counts.channels.get(channel));
        });
    }
    let weeks = totals.weeks.steps();
    let length = usize::try_from(weeks.end - weeks.start).unwrap_or_default();
    if names.len().saturating_mul(length) > CELLS_MAX {
        return;
    }
    totals.channels = Panel::new(weeks.start, length, names.values().map(|name| (*name).into()).collect());
    for (channel, name) in names {
        if let Some(at) = totals.channels.find(name) {
            cells.each(channel, |week, total| {
                let [users] = total.users();
                let users = Point { users, ..Point::default() };
                add_to(&mut totals.channels, at, week, is_complete(week), &users);
            });
        }
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

/// The nearest double of a sum; exact to 2^53.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn nearest(sum: i128) -> f64 {
    // The conversion of 128 bits is a function call, which would be made for every sum if it were inlined.
    #[inline(never)]
    fn wide(sum: i128) -> f64 {
        sum as f64
    }
    // That of 64 bits is one instruction, and gives the same double.
    i64::try_from(sum).map_or_else(|_| wide(sum), |sum| sum as f64)
}
