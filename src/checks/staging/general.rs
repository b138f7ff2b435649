//! The checks on the table for any key and grain.
//!
//! The keys and periods that the table must have follow from the sums. Shares are computed a second time by another
//! method than the job's: windows slide over sums of integers, where the job subtracts prefix sums.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{CLOSE, Violations, close};
use crate::calendar::period::{month_start, week_of_with_start, week_start};
use crate::calendar::{self, month_label};
use crate::checks::catalog::CheckId;
use crate::checks::config::{Config, PartialWeek};
use crate::checks::finding;
use crate::checks::model::{Measurement, NotRun, Violation};
use crate::checks::raw::general::counts::{Bucket, Counts};
use crate::checks::results::Results;
use crate::checks::totals::key_name;
use crate::grid::{CHANNELS, Partial, TimePoint};
use crate::profile::question::{NULL, SEPARATOR, TOTAL};
use crate::report::words::{self, amount};
use crate::table::cell::iso_date;
use crate::table::keys::{self, Key};
use crate::table::{Cell, Table};
use crate::window::Sum;
use crate::{Grain, Job};

/// Runs the checks on the table. `rows` is what the rows have, where they were counted.
pub fn check(job: &Job, config: &Config, partial: &Partial, table: &Table, rows: Option<&Counts>) -> Results {
    let staging = General::new(job, partial, table);
    let mut shares = staging.shares();
    let note = match rows.and_then(|rows| Some((rows, rows.chosen()?))) {
        Some((rows, bucket)) => {
            staging.reconcile(rows, bucket, &mut shares);
            "sums compared with those of the rows, shares with those of the sums"
        }
        None => "shares compared with those of the sums; the rows were not summed a second time",
    };
    let last_day =
        rows.filter(|rows| rows.has_days).and_then(|rows| rows.chosen()?.days.keys().last().copied());
    let findings = vec![
        (CheckId::TableKeys, Ok(staging.keys.clone().into_measurement(table.rows()))),
        (CheckId::TableComplete, Ok(staging.complete())),
        (CheckId::ShareRange, Ok(shares.range.into_measurement(shares.n))),
        (CheckId::Reconciliation, Ok(shares.recomputed.into_measurement(shares.compared).note(note))),
        (CheckId::AccountAddsUp, Ok(super::account(&partial.account))),
        (CheckId::LastWeek, staging.last_period(config, last_day)),
    ];
    Results::judge(config, findings).for_any_key()
}

struct General<'a> {
    job: &'a Job,
    partial: &'a Partial,
    table: &'a Table,
    /// The keys that the table must have, in its order.
    expected: Vec<Key>,
    /// The users of each.
    users: Vec<f64>,
    /// The first step of the axis, and its length.
    first: i32,
    steps: usize,
    /// By `key * steps + step`: the last row of the table, from 1; 0 where it has none.
    row_of: Vec<u32>,
    /// Rows without a key, and rows of a key and step that an earlier row has.
    keys: Violations,
    /// Rows outside of the keys and steps of the sums.
    stray: Violations,
}

/// The shares of a table, compared with the sums.
#[derive(Default)]
struct Shares {
    n: usize,
    range: Violations,
    compared: usize,
    recomputed: Violations,
}

impl<'a> General<'a> {
    fn new(job: &'a Job, partial: &'a Partial, table: &'a Table) -> Self {
        let step = |time: &TimePoint| match time {
            TimePoint::Step(step) => Some(*step),
            TimePoint::Label(_) => None,
        };
        let times = || partial.times.iter().filter_map(step);
        let span = times().min().zip(times().max());
        let length = |(first, last): (i32, i32)| usize::try_from(i64::from(last) - i64::from(first) + 1).ok();
        // A table without keys has no rows either.
        let expected = keys::of(job, partial).unwrap_or_default();
        let steps = span.and_then(length).unwrap_or_default();
        let mut general = General {
            job,
            partial,
            table,
            row_of: vec![0; expected.len().saturating_mul(steps)],
            users: expected.iter().map(|key| users(partial, &key.groups)).collect(),
            expected,
            first: span.map_or(0, |(first, _)| first),
            steps,
            keys: Violations::default(),
            stray: Violations::default(),
        };
        general.find_rows();
        general
    }

    /// Finds the row of each key and step.
    fn find_rows(&mut self) {
        let columns = self.job.by.len() + usize::from(self.job.share_of_channel);
        let members: Vec<_> =
            self.table.key_columns().into_iter().take(columns).map(|column| &column.data).collect();
        let expected = std::mem::take(&mut self.expected);
        let by_members: HashMap<Vec<&str>, usize> = (expected.iter().enumerate())
            .map(|(at, key)| (key.members.iter().map(|member| &**member).collect(), at))
            .collect();
        let mut row_members: Vec<&str> = Vec::with_capacity(columns);
        for row in 0..self.table.rows() {
            row_members.clear();
            row_members.extend(members.iter().filter_map(|data| match data.cell(row) {
                Cell::Text(member) => Some(member),
                _ => None,
            }));
            let (Some(step), true) = (self.step_of(row), row_members.len() == columns) else {
                self.keys.add(0.0, || format!("row {row} has a null in its key, or no period"));
                continue;
            };
            // A table nearly always has the rows of one key after the other.
            let is_guess = |key: &&usize| {
                expected
                    .get(**key)
                    .is_some_and(|key| key.members.iter().map(|m| &**m).eq(row_members.iter().copied()))
            };
            let guess = row.checked_div(self.steps);
            let key = guess.as_ref().filter(is_guess).or_else(|| by_members.get(&row_members)).copied();
            let at =
                usize::try_from(i64::from(step) - i64::from(self.first)).ok().filter(|at| *at < self.steps);
            let cell = key.zip(at).and_then(|(key, at)| self.row_of.get_mut(key * self.steps + at));
            let text = || point(self.job, &row_members, step);
            let users = key.and_then(|key| self.users.get(key)).copied().unwrap_or_default();
            match cell {
                None => self.stray.add(users, text),
                Some(cell) => {
                    if *cell != 0 {
                        self.keys.add(users, text);
                    }
                    *cell = u32::try_from(row + 1).unwrap_or(u32::MAX);
                }
            }
        }
        self.expected = expected;
    }

    /// The step of the axis of a row.
    fn step_of(&self, row: usize) -> Option<i32> {
        let cell = |at: usize| self.table.columns.get(at).map_or(Cell::Null, |column| column.data.cell(row));
        match (self.job.grain, cell(0), cell(1)) {
            (Grain::Day, Cell::Date(day), _) => Some(day),
            (Grain::Week, Cell::Int(year), Cell::Int(week)) => calendar::week_from_iso(year, week),
            (Grain::Month, Cell::Int(year), Cell::Int(month @ 1..=12)) => {
                year.checked_mul(12)?.checked_add(month - 1)
            }
            _ => None,
        }
    }

    /// The row of a key and step.
    fn row(&self, key: usize, at: usize) -> Option<usize> {
        let row = self.row_of.get(key * self.steps + at).copied()?;
        usize::try_from(row).ok()?.checked_sub(1)
    }

    /// Counts keys and steps without a row, and rows outside of these.
    fn complete(&self) -> Measurement {
        let mut violations = Violations::default();
        for (key, (expected, users)) in self.expected.iter().zip(&self.users).enumerate() {
            for (at, step) in (0..self.steps).zip(self.first..) {
                if self.row(key, at).is_none() {
                    violations
                        .add(*users, || format!("{} is missing", point(self.job, &expected.members, step)));
                }
            }
        }
        for (users, stray) in &self.stray.listed {
            violations
                .add(*users, || format!("{}: no row that counts is of such a key and period", stray.value));
        }
        violations.count += self.stray.count - self.stray.listed.len() as u64;
        violations.into_measurement(self.row_of.len())
    }

    /// The sums of a class over some groups, by step.
    fn series(&self, groups: &[usize], class: usize) -> Series {
        let mut series = Series { ints: vec![0; self.steps], reals: None };
        let width = self.partial.times.len();
        for group in groups {
            for (time, point) in self.partial.times.iter().enumerate() {
                let TimePoint::Step(step) = point else { continue };
                let Ok(at) = usize::try_from(step - self.first) else { continue };
                let cell = (group * width + time) * CHANNELS + class;
                if let (Some(to), Some(from)) = (series.ints.get_mut(at), self.partial.cells.get(cell)) {
                    *to = to.saturating_add(*from);
                }
                if let Some(extra) = self.partial.extras.get(&cell) {
                    let real = Sum { int: 0, wide: extra.wide.clone() }.to_f64();
                    let reals = series.reals.get_or_insert_with(|| vec![0.0; self.steps]);
                    if let Some(to) = reals.get_mut(at) {
                        *to += real;
                    }
                }
            }
        }
        series
    }

    /// Compares every share with the sums of its window.
    fn shares(&self) -> Shares {
        let mut shares = Shares::default();
        let name = if self.job.share_of_channel { "share" } else { "share_organic" };
        // The channels of a key have one list of all groups.
        let mut all: Option<(&Arc<[usize]>, Series)> = None;
        for (number, (key, users)) in self.expected.iter().zip(&self.users).enumerate() {
            let (part, rest) = if self.job.share_of_channel {
                let part = self.series(&key.groups, 0);
                let (_, all) = match all.take().filter(|(groups, _)| Arc::ptr_eq(groups, &key.all)) {
                    Some(same) => all.insert(same),
                    None => all.insert((&key.all, self.series(&key.all, 0))),
                };
                let rest = all.without(&part);
                (part, rest)
            } else {
                (self.series(&key.groups, 1), self.series(&key.groups, 0))
            };
            for window in &self.job.windows {
                let column = format!("{name}_p{window}{}", self.job.grain.letter());
                let Some(column) = self.table.column(&column) else { continue };
                let (part, rest) = (part.windows(*window), rest.windows(*window));
                for (at, (part, rest)) in part.into_iter().zip(rest).enumerate() {
                    let Some(row) = self.row(number, at) else { continue };
                    let step = self.first + i32::try_from(at).unwrap_or_default();
                    self.share(&mut shares, (key, *users), step, column.data.cell(row), [part, rest]);
                }
            }
        }
        shares
    }

    /// Compares one share of a key, which has so many users in all.
    fn share(
        &self,
        shares: &mut Shares,
        (key, users_of_key): (&Key, f64),
        step: i32,
        cell: Cell<'_>,
        [part, rest]: [f64; 2],
    ) {
        let users = part + rest;
        shares.n += 1;
        let is_fine = match cell {
            Cell::Null => users == 0.0,
            Cell::Float(share) => users != 0.0 && (0.0..=1.0).contains(&share),
            _ => false,
        };
        let point = || point(self.job, &key.members, step);
        if !is_fine {
            shares.range.add(users_of_key, || match cell {
                Cell::Null => format!("{} is null with {} users", point(), amount(users)),
                Cell::Float(share) => format!("{} is {share} of {} users", point(), amount(users)),
                other => format!("{} is {other:?}", point()),
            });
        }
        if let Cell::Float(share) = cell {
            shares.compared += 1;
            let recomputed = part / users;
            if !close(share, recomputed, CLOSE) {
                shares.recomputed.add(users_of_key, || {
                    format!("{}: {share} in the table, {recomputed} recomputed", point())
                });
            }
        }
    }

    /// Compares the sums of each key with those of the rows.
    fn reconcile(&self, rows: &Counts, bucket: &Bucket, shares: &mut Shares) {
        let mut sums: BTreeMap<String, [[f64; CHANNELS]; 2]> = BTreeMap::new();
        for (group, name) in self.partial.groups.iter().enumerate() {
            let parts = || name.split(SEPARATOR);
            if self.partial.kept.get(group) != Some(&true)
                || parts().any(|part| part == TOTAL || part == NULL)
            {
                continue;
            }
            let [of_job, _] = sums.entry(key_name(parts().take(self.job.by.len()))).or_default();
            for (class, to) in of_job.iter_mut().enumerate() {
                *to += self.series(&[group], class).sum();
            }
        }
        for (key, of_key) in &bucket.keys {
            let [_, of_rows] = sums.entry(rows.key_name(*key)).or_default();
            of_rows.iter_mut().zip(of_key.users.read()).for_each(|(to, from)| *to += from);
        }
        let unit = self.partial.unit();
        let is_exact = self.partial.extras.is_empty() && unit == 1.0;
        for (key, [of_job, of_rows]) in sums {
            let ([paid, organic], [rows_paid, rows_organic]) = (of_job.map(|sum| sum / unit), of_rows);
            let pairs = if self.job.share_of_channel {
                vec![("users", paid, rows_paid + rows_organic)]
            } else {
                vec![("paid users", paid, rows_paid), ("organic users", organic, rows_organic)]
            };
            for (word, job, rows) in pairs {
                shares.compared += 1;
                if !(job == rows || !is_exact && (close(job, rows, CLOSE) || (job - rows).abs() < 1e-3)) {
                    shares.recomputed.add(rows_paid + rows_organic, || {
                        let (job, rows) = (amount(job), amount(rows));
                        format!("{key}: {job} {word} in the sums of the table, {rows} in the rows")
                    });
                }
            }
        }
    }

    /// Whether the last period of the table is complete.
    fn last_period(&self, config: &Config, last_day: Option<i32>) -> Result<Measurement, NotRun> {
        let last =
            i32::try_from(self.steps).ok().and_then(|steps| steps.checked_sub(1)).map(|at| self.first + at);
        let Some(last) = last.filter(|_| self.steps > 0) else {
            return Err(NotRun::NotApplicable("there is no last period".into()));
        };
        let day = if self.job.grain == Grain::Day { Some(last) } else { last_day };
        let Some(day) = day else {
            return Err(NotRun::NotApplicable("the days of the rows are not known".into()));
        };
        let start = self.job.profile.time.week_start;
        let (label, first, end) = match self.job.grain {
            Grain::Month => (month_label(last), month_start(last), month_start(last + 1) - 1),
            grain => {
                let week = if grain == Grain::Week { last } else { week_of_with_start(last, start) };
                (finding::week(week), week_start(week, start), week_start(week, start) + 6)
            }
        };
        if day >= end {
            return Ok(Measurement::count(0, 1, vec![]).note(format!("{label} is complete")));
        }
        let text = format!(
            "{label} is {} to {}, the last day with rows is {}",
            iso_date(first),
            iso_date(end),
            iso_date(day)
        );
        Ok(match config.partial_last_week {
            PartialWeek::Mark => Measurement::count(0, 1, vec![]).note(format!("{text}: marked as partial")),
            PartialWeek::Fail => Measurement::count(1, 1, vec![Violation::key(text)]),
        })
    }
}

/// The users of some groups, in units of the sums.
#[allow(clippy::cast_precision_loss)] // only compared with one another
fn users(partial: &Partial, groups: &[usize]) -> f64 {
    let width = partial.times.len() * CHANNELS;
    let cells = |group: &usize| partial.cells.get(group * width..(group + 1) * width).unwrap_or_default();
    groups.iter().flat_map(cells).map(|cell| *cell as f64).sum()
}

/// A key and a step, as the reader of a report knows them.
fn point(job: &Job, members: &[impl AsRef<str>], step: i32) -> String {
    let period = words::step(job.grain, step);
    let members: Vec<&str> = members.iter().map(AsRef::as_ref).collect();
    if members.is_empty() { period } else { format!("{} {period}", members.join(", ")) }
}

/// Sums by step.
struct Series {
    ints: Vec<i128>,
    /// The part that is no integer.
    reals: Option<Vec<f64>>,
}

impl Series {
    /// The difference of two.
    fn without(&self, part: &Series) -> Series {
        let ints = self.ints.iter().zip(&part.ints).map(|(all, part)| all.wrapping_sub(*part)).collect();
        let reals = self.reals.as_ref().map(|all| match &part.reals {
            Some(part) => all.iter().zip(part).map(|(all, part)| all - part).collect(),
            None => all.clone(),
        });
        Series { ints, reals }
    }

    /// The sum of all steps.
    #[allow(clippy::cast_precision_loss)] // compared within a tolerance, or below 2^53
    fn sum(&self) -> f64 {
        self.ints.iter().sum::<i128>() as f64 + self.reals.iter().flatten().sum::<f64>()
    }

    /// The sums of the windows that end at each step.
    #[allow(clippy::cast_precision_loss)] // compared within a tolerance
    fn windows(&self, window: u32) -> Vec<f64> {
        let window = usize::try_from(window).unwrap_or(usize::MAX);
        let mut sum = 0i128;
        let mut sums = Vec::with_capacity(self.ints.len());
        for (at, int) in self.ints.iter().enumerate() {
            sum = sum.wrapping_add(*int);
            if let Some(out) = at.checked_sub(window).and_then(|at| self.ints.get(at)) {
                sum = sum.wrapping_sub(*out);
            }
            let reals = self.reals.as_ref().map_or(0.0, |reals| {
                let start = (at + 1).saturating_sub(window);
                reals.get(start..=at).unwrap_or_default().iter().sum()
            });
            sums.push(sum as f64 + reals);
        }
        sums
    }
}
