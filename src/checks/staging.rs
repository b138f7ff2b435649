//! The checks on the table, before it is published.
//!
//! They compute the sums a second time, by another method than the job: from the rows by day
//! ([`super::raw::cube`]) and with sliding windows, where the job uses prefix sums.
//!
//! - this file: for the default profile. [`general`]: for any other key, grain or profile.

mod general;

use std::collections::{BTreeMap, BTreeSet};

use super::catalog::CheckId;
use super::config::{Config, PartialWeek};
use super::finding;
use super::model::{Measurement, NotRun, VIOLATIONS, Violation};
use super::raw::Raw;
use super::raw::cube::Cube;
use super::results::Results;
use crate::calendar;
use crate::grid::{Account, CHANNELS, Partial, TimePoint};
use crate::report::words::{self, amount, number};
use crate::table::cell::iso_date;
use crate::table::{Cell, Column, Table};
use crate::{Grain, Job, Semantics};

/// Sums of fractional values agree if their relative difference is at most this.
const CLOSE: f64 = 1e-9;

/// Runs the checks on the table. `raw` is the result of the checks on the rows.
pub fn check_table(job: &Job, config: &Config, partial: &Partial, table: &Table, raw: &Raw) -> Results {
    if !raw.shape.is_cube() {
        return general::check(job, config, partial.chosen(), table, raw.general.as_ref());
    }
    let rows = keys(job, table);
    let points = Points::of(&rows);
    let users = users_by_country(partial);
    let staging = Staging { job, config, partial, table, rows, points, cube: raw.cube.as_ref(), users };
    let legacy = || {
        Err(NotRun::NotApplicable("with legacy semantics the table has the rows of the original job".into()))
    };
    let iso = job.semantics == Semantics::Iso;
    let when_iso = |check: &dyn Fn() -> Result<Measurement, NotRun>| if iso { check() } else { legacy() };
    let (reconciliation, (keys, complete, share_range)) = rayon::join(
        || when_iso(&|| staging.reconciliation()),
        || {
            let keys = when_iso(&|| Ok(staging.keys()));
            (keys, when_iso(&|| Ok(staging.complete())), staging.share_range())
        },
    );
    let findings = vec![
        (CheckId::TableKeys, keys),
        (CheckId::TableComplete, complete),
        (CheckId::ShareRange, share_range),
        (CheckId::Reconciliation, reconciliation),
        (CheckId::AccountAddsUp, Ok(account(&partial.account))),
        (CheckId::LastWeek, when_iso(&|| staging.last_week())),
    ];
    Results::judge(config, findings)
}

/// Violations: all are counted; those of the keys with most users are listed, most first.
#[derive(Debug, Clone, Default)]
struct Violations {
    count: u64,
    listed: Vec<(f64, Violation)>,
}

impl Violations {
    /// Counts a violation of a key that has so many users.
    fn add(&mut self, users: f64, text: impl FnOnce() -> String) {
        self.count += 1;
        let at = self.listed.partition_point(|(others, _)| *others >= users);
        if at < VIOLATIONS {
            self.listed.insert(at, (users, Violation::key(text())));
            self.listed.truncate(VIOLATIONS);
        }
    }

    fn into_measurement(self, n: usize) -> Measurement {
        let listed = self.listed.into_iter().map(|(_, violation)| violation).collect();
        Measurement::count(self.count, n as u64, listed)
    }
}

struct Staging<'a> {
    job: &'a Job,
    config: &'a Config,
    partial: &'a Partial,
    table: &'a Table,
    /// Country and step of each row; `None` if the row has no valid country or step.
    rows: Vec<Option<(&'a str, i32)>>,
    points: Points<'a>,
    cube: Option<&'a Cube>,
    /// The users of each country.
    users: BTreeMap<&'a str, f64>,
}

/// The countries and steps of the table, with the last row of each.
struct Points<'a> {
    /// Sorted, without duplicates. A table is already in this order, so that sorting takes one pass.
    ordered: Vec<(&'a str, i32, usize)>,
}

impl<'a> Points<'a> {
    fn of(rows: &[Option<(&'a str, i32)>]) -> Self {
        let all = rows.iter().enumerate();
        let mut ordered: Vec<_> = all.filter_map(|(row, key)| key.map(|(c, step)| (c, step, row))).collect();
        ordered.sort();
        ordered.dedup_by(|next, kept| {
            let same = (next.0, next.1) == (kept.0, kept.1);
            if same {
                kept.2 = next.2;
            }
            same
        });
        Points { ordered }
    }

    /// The points of a country, by step.
    fn of_country(&self, country: &str) -> &[(&'a str, i32, usize)] {
        let start = self.ordered.partition_point(|point| point.0 < country);
        let end = self.ordered.partition_point(|point| point.0 <= country);
        #[allow(clippy::indexing_slicing)] // two partition points of one sorted list: start <= end <= length
        &self.ordered[start..end]
    }
}

/// The row of a step among the points of a country.
fn row_of(points: &[(&str, i32, usize)], step: i32) -> Option<usize> {
    // A table nearly always has one row for each step from the first one on.
    let guess = points.first().and_then(|first| usize::try_from(step.checked_sub(first.1)?).ok());
    match guess.and_then(|at| points.get(at)) {
        Some(point) if point.1 == step => Some(point.2),
        _ => {
            let at = points.binary_search_by_key(&step, |point| point.1).ok()?;
            points.get(at).map(|point| point.2)
        }
    }
}

fn keys<'a>(job: &Job, table: &'a Table) -> Vec<Option<(&'a str, i32)>> {
    let [country, year, week, date] = ["country", "year", "week", "date"].map(|name| table.column(name));
    let cell = |column: Option<&'a Column>, row| column.map_or(Cell::Null, |c| c.data.cell(row));
    (0..table.rows())
        .map(|row| {
            let Cell::Text(country) = cell(country, row) else { return None };
            let step = match job.grain {
                Grain::Week => match (cell(year, row), cell(week, row)) {
                    (Cell::Int(year), Cell::Int(week)) => calendar::week_from_iso(year, week)?,
                    _ => return None,
                },
                Grain::Day => match cell(date, row) {
                    Cell::Date(day) => day,
                    _ => return None,
                },
                // The default profile has weeks and days.
                Grain::Month => return None,
            };
            Some((country, step))
        })
        .collect()
}

impl Staging<'_> {
    fn point(&self, country: &str, step: i32) -> String {
        format!("{country} {}", words::step(self.job.grain, step))
    }

    fn users_of(&self, country: &str) -> f64 {
        self.users.get(country).copied().unwrap_or_default()
    }

    fn keys(&self) -> Measurement {
        let n = self.rows.len();
        // If every row is a separate point, there are no duplicates.
        if self.points.ordered.len() == n {
            return Measurement::count(0, n as u64, vec![]);
        }
        let mut violations = Violations::default();
        let mut seen = BTreeSet::new();
        for (row, key) in self.rows.iter().enumerate() {
            match key {
                None => violations.add(0.0, || format!("row {row} has no country or no week")),
                Some(key) if !seen.insert(*key) => {
                    violations.add(self.users_of(key.0), || self.point(key.0, key.1));
                }
                Some(_) => {}
            }
        }
        violations.into_measurement(n)
    }

    /// The first and last step with a row that was kept.
    fn span(&self) -> Option<(i32, i32)> {
        let step = |t: &TimePoint| match t {
            TimePoint::Step(step) => Some(*step),
            TimePoint::Label(_) => None,
        };
        let steps = || self.partial.times.iter().filter_map(step);
        steps().min().zip(steps().max())
    }

    fn countries(&self) -> impl Iterator<Item = (usize, &str)> {
        let kept = self.partial.groups.iter().zip(&self.partial.kept).enumerate();
        kept.filter(|(_, (_, kept))| **kept).map(|(at, (name, _))| (at, &**name))
    }

    /// Counts points that are missing, and points outside of the weeks and countries of the data.
    fn complete(&self) -> Measurement {
        let mut violations = Violations::default();
        let (mut n, mut present) = (0, 0u64);
        if let Some((first, last)) = self.span() {
            for (_, country) in self.countries() {
                let points = self.points.of_country(country);
                for step in first..=last {
                    n += 1;
                    if row_of(points, step).is_some() {
                        present += 1;
                        continue;
                    }
                    violations
                        .add(self.users_of(country), || format!("{} is missing", self.point(country, step)));
                }
            }
        }
        let stray = self.points.ordered.len() as u64 - present;
        if stray > 0 {
            violations.add(0.0, || format!("{stray} rows outside of the weeks or countries of the data"));
            violations.count += stray - 1;
        }
        violations.into_measurement(n)
    }

    /// Paid and organic users of a country by step, from the sums of the job.
    fn series(&self, group: usize, first: i32, steps: usize) -> Vec<[f64; CHANNELS]> {
        let mut series = vec![[0.0; CHANNELS]; steps];
        for (at, time) in self.partial.times.iter().enumerate() {
            let TimePoint::Step(step) = time else { continue };
            let sums = usize::try_from(step - first).ok().and_then(|index| series.get_mut(index));
            for (channel, sum) in sums.into_iter().flatten().enumerate() {
                *sum = self.sum(group, at, channel);
            }
        }
        series
    }

    #[allow(clippy::cast_precision_loss)] // compared with sums of doubles, within a tolerance
    fn sum(&self, group: usize, time: usize, channel: usize) -> f64 {
        let at = (group * self.partial.times.len() + time) * CHANNELS + channel;
        let int = self.partial.cells.get(at).copied().unwrap_or_default();
        let sum = crate::window::Sum { int, wide: self.partial.extras.get(&at).and_then(|e| e.wide.clone()) };
        sum.to_f64()
    }

    /// Calls `each` with every share of the table and the users of its window.
    fn each_share(&self, mut each: impl FnMut(&str, i32, Cell<'_>, [f64; CHANNELS])) {
        let Some((first, last)) = self.span() else { return };
        let steps = usize::try_from(last - first).unwrap_or_default() + 1;
        for (group, country) in self.countries() {
            let series = self.series(group, first, steps);
            let points = self.points.of_country(country);
            for window in &self.job.windows {
                let name = format!("share_organic_p{window}{}", self.job.grain.letter());
                let Some(column) = self.table.column(&name) else { continue };
                for (end, step) in (0..steps).zip(first..) {
                    let start = (end + 1).saturating_sub(*window as usize);
                    let mut users = [0.0; CHANNELS];
                    #[allow(clippy::indexing_slicing)] // start <= end < steps, the length of the series
                    for step in &series[start..=end] {
                        users.iter_mut().zip(step).for_each(|(to, from)| *to += from);
                    }
                    if let Some(row) = row_of(points, step) {
                        each(country, step, column.data.cell(row), users);
                    }
                }
            }
        }
    }

    fn share_range(&self) -> Result<Measurement, NotRun> {
        let mut violations = Violations::default();
        let mut n = 0;
        if self.job.semantics == Semantics::Legacy {
            let shares = self.table.columns.iter().filter(|c| c.name.starts_with("share_organic_p"));
            for column in shares {
                for row in 0..self.table.rows() {
                    n += 1;
                    match column.data.cell(row) {
                        Cell::Null => {}
                        Cell::Float(share) if (0.0..=1.0).contains(&share) => {}
                        other => violations.add(0.0, || format!("row {row}: {other:?}")),
                    }
                }
            }
        } else {
            self.each_share(|country, step, cell, [paid, organic]| {
                n += 1;
                let users = paid + organic;
                let fine = match cell {
                    Cell::Null => users == 0.0,
                    Cell::Float(share) => users != 0.0 && (0.0..=1.0).contains(&share),
                    _ => false,
                };
                if !fine {
                    let point = || self.point(country, step);
                    violations.add(self.users_of(country), || match cell {
                        Cell::Null => format!("{} is null with {} users", point(), amount(users)),
                        Cell::Float(share) => format!("{} is {share} of {} users", point(), amount(users)),
                        other => format!("{} is {other:?}", point()),
                    });
                }
            });
        }
        Ok(violations.into_measurement(n))
    }

    /// Compares the sums of the rows with those of the job, and the shares with both.
    fn reconciliation(&self) -> Result<Measurement, NotRun> {
        let cube = self.cube.ok_or_else(|| NotRun::Failed("the rows could not be summed".into()))?;
        let mut violations = Violations::default();
        let mut n = 0;
        let mut expect = |agree: bool, country: &str, text: &dyn Fn() -> String| {
            n += 1;
            if !agree {
                violations.add(self.users_of(country), text);
            }
        };
        let exact = self.partial.extras.is_empty() && !cube.rounded;
        let by_country = raw_sums(cube);
        let names: BTreeSet<&str> = self
            .countries()
            .map(|(_, name)| name)
            .chain(by_country.iter().filter(|(_, sums)| **sums != [0; 2]).map(|(name, _)| *name))
            .filter(|name| *name != self.job.country_total())
            .collect();
        let groups: BTreeMap<&str, usize> = self.countries().map(|(at, name)| (name, at)).collect();
        for name in names {
            let raw = by_country.get(name).copied().unwrap_or_default();
            for (channel, word) in ["paid users", "organic users"].into_iter().enumerate() {
                let raw = raw.get(channel).copied().unwrap_or_default();
                let times = 0..self.partial.times.len();
                let group = groups.get(name).copied();
                let (agree, job) = match group {
                    None => (raw == 0, 0.0),
                    Some(group) if exact => {
                        let cell = |time| {
                            let at = (group * self.partial.times.len() + time) * CHANNELS + channel;
                            self.partial.cells.get(at).copied().unwrap_or_default()
                        };
                        let sum: i128 = times.map(cell).sum();
                        (sum == raw, to_f64(sum))
                    }
                    Some(group) => {
                        let sum: f64 = times.map(|time| self.sum(group, time, channel)).sum();
                        let raw = to_f64(raw) / to_f64(cube.steps);
                        // The sums of the rows have an error of up to 2^-20 per row.
                        (close(sum, raw, CLOSE) || (sum - raw).abs() < 1e-3, sum)
                    }
                };
                expect(agree, name, &|| {
                    let (job, rows) = (amount(job), amount(to_f64(raw) / to_f64(cube.steps)));
                    format!("{name}: {job} {word} in the sums of the table, {rows} in the rows")
                });
            }
        }
        self.each_share(|country, step, cell, [paid, organic]| {
            if let Cell::Float(share) = cell {
                let recomputed = organic / (paid + organic);
                expect(close(share, recomputed, CLOSE), country, &|| {
                    format!("{}: {share} in the table, {recomputed} recomputed", self.point(country, step))
                });
            }
        });
        let note =
            if exact { "sums compared exactly" } else { "fractional sums compared within a tolerance" };
        Ok(violations.into_measurement(n).note(note))
    }

    fn last_week(&self) -> Result<Measurement, NotRun> {
        let days = self.cube.map(|cube| cube.days.as_slice()).unwrap_or_default();
        let (Some(last_day), Some((_, last))) = (days.last(), self.span()) else {
            return Err(NotRun::NotApplicable("there is no last week".into()));
        };
        let week = match self.job.grain {
            Grain::Week => last,
            Grain::Day => calendar::week_of(last),
            Grain::Month => return Err(NotRun::NotApplicable("the table has months".into())),
        };
        let monday = calendar::monday(week);
        if *last_day >= monday + 6 {
            return Ok(Measurement::count(0, 1, vec![]).note(format!("{} is complete", finding::week(week))));
        }
        let there = days.iter().filter(|day| **day >= monday).count();
        let text =
            format!("{} has {there} of 7 days, the last is {}", finding::week(week), iso_date(*last_day));
        Ok(match self.config.partial_last_week {
            PartialWeek::Mark => Measurement::count(0, 1, vec![]).note(format!("{text}: marked as partial")),
            PartialWeek::Fail => Measurement::count(1, 1, vec![Violation::key(text)]),
        })
    }
}

/// Compares the rows of the footers with those that are kept or dropped.
fn account(account: &Account) -> Measurement {
    let accounted = account.kept() + account.dropped();
    let [rows, kept, dropped] = [account.rows, account.kept(), account.dropped()].map(number);
    let text = format!("{rows} rows in the footers, {kept} kept, {dropped} dropped");
    Measurement::count(accounted.abs_diff(account.rows), account.rows, vec![Violation::key(text.clone())])
        .note(text)
}

/// The users of the countries of the table, in units of the sums.
#[allow(clippy::cast_precision_loss)] // only compared with one another
fn users_by_country(partial: &Partial) -> BTreeMap<&str, f64> {
    let width = partial.times.len() * CHANNELS;
    let of = |group: usize| partial.cells.get(group * width..(group + 1) * width).unwrap_or_default();
    let users = |group| of(group).iter().map(|cell| *cell as f64).sum();
    partial.groups.iter().enumerate().map(|(group, name)| (&**name, users(group))).collect()
}

fn raw_sums(cube: &Cube) -> BTreeMap<&str, [i128; 2]> {
    let width = cube.countries.len().max(1);
    let mut by_index = vec![[0i128; 2]; cube.countries.len()];
    for row in cube.users.chunks(width).chain([cube.undated.as_slice()]) {
        for (to, users) in by_index.iter_mut().zip(row) {
            to.iter_mut().zip(users).for_each(|(to, from)| *to += from);
        }
    }
    let mut sums: BTreeMap<&str, [i128; 2]> = BTreeMap::new();
    for (country, users) in cube.countries.iter().zip(by_index) {
        let to = sums.entry(country).or_default();
        to.iter_mut().zip(users).for_each(|(to, from)| *to += from);
    }
    sums
}

#[allow(clippy::cast_precision_loss)] // shown, or compared within a tolerance
fn to_f64(value: i128) -> f64 {
    value as f64
}

fn close(a: f64, b: f64, part: f64) -> bool {
    (a - b).abs() <= part * a.abs().max(b.abs())
}

#[cfg(test)]
mod tests;
