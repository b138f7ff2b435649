//! Computes the published columns from exact window sums.

use std::sync::Arc;

use super::column::{Column, ColumnData, Table};
use super::{keys, span};
use crate::grid::CHANNELS;
use crate::grid::{Partial, TimePoint};
use crate::kernel::large_pages;
use crate::window::{Prefix, Sum};
use crate::{Error, Grain, Job, Result, calendar};

/// The most rows that a table may have.
pub const ROWS_MAX: usize = 1 << 26;

/// 0.975 quantile of the standard normal distribution.
const Z95: f64 = 1.959_963_984_540_054;

/// Organic share of a window; `None` where there are no users.
pub fn share(organic: &Sum, paid: &Sum) -> Result<Option<f64>> {
    let total = organic.plus(paid)?.to_f64();
    Ok((total != 0.0).then(|| organic.to_f64() / total))
}

/// Wilson's 95 % score interval for a share of `n` users; `None` where the share
/// lies outside of 0 to 1 or `n` is not positive.
///
/// E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical
/// Inference", JASA 22 (1927), 209-212.
pub fn wilson(share: f64, n: f64) -> Option<(f64, f64)> {
    if !(0.0..=1.0).contains(&share) || n.is_nan() || n <= 0.0 {
        return None;
    }
    let z2 = Z95 * Z95;
    let centre = share + z2 / (2.0 * n);
    let spread = Z95 * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z2 / n;
    // At 0 and 1 the bound is exact; rounding must not push it past the share.
    let low = if share == 0.0 { 0.0 } else { ((centre - spread) / scale).clamp(0.0, share) };
    let high = if share == 1.0 { 1.0 } else { ((centre + spread) / scale).clamp(share, 1.0) };
    Some((low, high))
}

/// The sum in a cell of a partial aggregate.
#[allow(clippy::indexing_slicing)] // a partial aggregate has a cell for each group, time and channel
pub fn cell(partial: &Partial, group: usize, time: usize, channel: usize) -> Sum {
    let at = (group * partial.times.len() + time) * CHANNELS + channel;
    Sum { int: partial.cells[at], wide: partial.extras.get(&at).and_then(|extra| extra.wide.clone()) }
}

/// The columns of one window, filled row by row.
struct WindowColumns {
    length: u32,
    share: Vec<Option<f64>>,
    /// Of `--details`, in the order of the table.
    organic: Vec<Option<f64>>,
    paid: Vec<Option<f64>>,
    low: Vec<Option<f64>>,
    high: Vec<Option<f64>>,
    change: Vec<Option<f64>>,
    organic_per_paid: Vec<Option<f64>>,
    year_ago: Vec<Option<f64>>,
}

/// How the rows of one series are computed.
#[derive(Clone, Copy)]
struct SeriesRule {
    steps: usize,
    details: bool,
    /// What one user is in the sums: 1, or a power of ten for decimals.
    unit: f64,
    /// Steps of a year.
    year: usize,
}

impl WindowColumns {
    fn new(length: u32, rows: usize) -> Self {
        WindowColumns {
            length,
            share: large_pages::prefer(Vec::with_capacity(rows)),
            organic: Vec::new(),
            paid: Vec::new(),
            low: Vec::new(),
            high: Vec::new(),
            change: Vec::new(),
            organic_per_paid: Vec::new(),
            year_ago: Vec::new(),
        }
    }

    /// Appends the shares of one series, `part` of `part` and `rest`, from prefix sums that are small.
    fn extend_small(&mut self, part: &[i64], rest: &[i64]) {
        let [part, rest] = [part, rest].map(|sums| {
            // Windows that begin before the axis begin with the first prefix sum, which is zero.
            let missing = (sums.len() - 1).min(self.length as usize).saturating_sub(1);
            let firsts = std::iter::repeat_n(&0, missing).chain(sums);
            sums.iter().skip(1).zip(firsts).map(|(last, first)| last - first)
        });
        self.share.extend(part.zip(rest).map(|(part, rest)| {
            let total = part + rest;
            (total != 0).then(|| part as f64 / total as f64)
        }));
    }

    /// Appends the rows of one series: `part` of `part` and `rest`.
    fn extend(&mut self, part: &Prefix, rest: &Prefix, rule: SeriesRule) -> Result<()> {
        let SeriesRule { steps, details, unit, year } = rule;
        let first = self.share.len();
        for end in 0..steps {
            let (o, p) = (part.window(end, self.length)?, rest.window(end, self.length)?);
            let value = share(&o, &p)?;
            self.share.push(value);
            if !details {
                continue;
            }
            let n = o.plus(&p)?.to_f64() / unit;
            let bounds = value.and_then(|v| wilson(v, n));
            let (organic, paid) = (o.to_f64(), p.to_f64());
            self.organic.push(Some(organic / unit));
            self.paid.push(Some(paid / unit));
            self.low.push(bounds.map(|b| b.0));
            self.high.push(bounds.map(|b| b.1));
            let share_before = |steps: usize| {
                end.checked_sub(steps).and_then(|before| self.share.get(first + before).copied().flatten())
            };
            let (before, year_ago) = (share_before(self.length as usize), share_before(year));
            self.change.push(value.zip(before).map(|(now, before)| now - before));
            self.organic_per_paid.push((paid != 0.0).then(|| organic / paid));
            self.year_ago.push(year_ago);
        }
        Ok(())
    }

    fn into_columns(self, job: &Job) -> Vec<Column> {
        let suffix = format!("_p{}{}", self.length, job.grain.letter());
        let column = |name: String, data| Column { name, data: ColumnData::Float64(data) };
        let (share, part, rest) = match job.share_of_channel {
            false => ("share_organic", "organic", "nonorganic"),
            true => ("share", "users", "other_users"),
        };
        let mut columns = vec![column(format!("{share}{suffix}"), self.share)];
        if job.details {
            columns.extend([
                column(format!("{part}{suffix}"), self.organic),
                column(format!("{rest}{suffix}"), self.paid),
                column(format!("{share}{suffix}_low"), self.low),
                column(format!("{share}{suffix}_high"), self.high),
                column(format!("{share}{suffix}_change"), self.change),
            ]);
            if !job.share_of_channel {
                columns.push(column(format!("organic_per_paid{suffix}"), self.organic_per_paid));
            }
            columns.push(column(format!("{share}{suffix}_year_ago"), self.year_ago));
        }
        columns
    }
}

/// The table of `iso` semantics: every step from the first to the last for
/// every key. Missing sums are zero.
///
/// # Errors
/// `Data` for dates more than [`span::YEARS_MAX`] years apart, `TooLarge` for more than [`ROWS_MAX`] rows or a sum that
/// does not fit 128 bits.
pub fn iso(job: &Job, partial: &Partial) -> Result<Table> {
    span::check_steps(job, &partial.times)?;
    let steps = axis(partial)?;
    let keys = keys::of(job, partial)?;
    let rows = keys.len().saturating_mul(steps.len());
    if rows > ROWS_MAX {
        return Err(Error::too_large(format!("{} keys over {} steps of time", keys.len(), steps.len()))
            .expected(format!("at most {ROWS_MAX} rows"))
            .advice("Take fewer dimensions or a longer grain"));
    }
    // The position on the axis of each point in time of the partial.
    let first = steps.first().copied().unwrap_or_default();
    let position = |time: &TimePoint| match time {
        TimePoint::Step(step) => usize::try_from(step - first).ok(),
        TimePoint::Label(_) => None,
    };
    let positions: Vec<Option<usize>> = partial.times.iter().map(position).collect();
    let year = job.grain.steps_of_year() as usize;
    let rule = SeriesRule { steps: steps.len(), details: job.details, unit: partial.unit(), year };
    let mut windows: Vec<WindowColumns> =
        job.windows.iter().map(|length| WindowColumns::new(*length, rows)).collect();
    let mut sums = Sums { partial, positions: &positions, series: vec![Sum::default(); steps.len()] };
    // The users of all channels of the last key, and the groups that they are of.
    let mut all: Option<(Arc<[usize]>, Prefix)> = None;
    let mut small = SmallSums { sums: [PAID, ORGANIC].map(|_| vec![0; steps.len() + 1]), all: None };
    for key in &keys {
        if !job.details && small.load(&sums, key, job.share_of_channel) {
            let [rest, part] = &small.sums;
            windows.iter_mut().for_each(|window| window.extend_small(part, rest));
            continue;
        }
        let part = sums.prefix(&key.groups, if job.share_of_channel { PAID } else { ORGANIC })?;
        let rest = if job.share_of_channel {
            let (_, all) = match all.take().filter(|(groups, _)| Arc::ptr_eq(groups, &key.all)) {
                Some(same) => all.insert(same),
                None => all.insert((key.all.clone(), sums.prefix(&key.all, PAID)?)),
            };
            all.without(&part)?
        } else {
            sums.prefix(&key.groups, PAID)?
        };
        for window in &mut windows {
            window.extend(&part, &rest, rule)?;
        }
    }
    let mut columns = time_columns(job, keys.len(), &steps);
    columns.extend(keys::columns(job, &keys, steps.len()));
    columns.extend(windows.into_iter().flat_map(|w| w.into_columns(job)));
    Ok(Table { columns })
}

/// The classes of a cell.
const PAID: usize = 0;
const ORGANIC: usize = 1;

/// The sums of a partial aggregate, by step of the axis.
struct Sums<'p> {
    partial: &'p Partial,
    positions: &'p [Option<usize>],
    series: Vec<Sum>,
}

impl Sums<'_> {
    /// The prefix sums of a class over some groups.
    fn prefix(&mut self, groups: &[usize], class: usize) -> Result<Prefix> {
        // Every group has a sum for each of the partial's times, so the first one replaces all that was there.
        if groups.is_empty() {
            self.series.fill(Sum::default());
        }
        for (number, group) in groups.iter().enumerate() {
            for (time, at) in self.positions.iter().enumerate() {
                if let Some(sum) = at.and_then(|at| self.series.get_mut(at)) {
                    let next = cell(self.partial, *group, time, class);
                    *sum = if number == 0 { next } else { sum.plus(&next)? };
                }
            }
        }
        Prefix::new(&self.series)
    }
}

/// The prefix sums of a key where the sum of any two windows fits 63 bits: as [`Prefix`], and several times faster.
struct SmallSums {
    /// By class. Of a table of shares of channels, the users of other channels and of the key's.
    sums: [Vec<i64>; CHANNELS],
    /// The users of all channels of the last key, and the groups that they are of.
    all: Option<(Arc<[usize]>, Vec<i64>)>,
}

impl SmallSums {
    /// Loads the sums of a key; false where they may be too large.
    fn load(&mut self, from: &Sums<'_>, key: &keys::Key, share_of_channel: bool) -> bool {
        let [paid, organic] = &mut self.sums;
        if !share_of_channel {
            return from.small_prefix(&key.groups, PAID, paid)
                && from.small_prefix(&key.groups, ORGANIC, organic);
        }
        if !self.all.as_ref().is_some_and(|(groups, _)| Arc::ptr_eq(groups, &key.all)) {
            self.all = None;
            let mut all = vec![0; paid.len()];
            if !from.small_prefix(&key.all, PAID, &mut all) {
                return false;
            }
            self.all = Some((key.all.clone(), all));
        }
        let Some((_, all)) = &self.all else { return false };
        let is_small = from.small_prefix(&key.groups, PAID, organic);
        for (rest, (all, part)) in paid.iter_mut().zip(all.iter().zip(organic)) {
            *rest = all - *part;
        }
        is_small
    }
}

/// With prefix sums up to this, the sum of two windows fits 63 bits, also of the differences of two such sums.
const SMALL: i64 = 1 << 59;

impl Sums<'_> {
    /// The prefix sums of a class over some groups; false where they may exceed [`SMALL`].
    fn small_prefix(&self, groups: &[usize], class: usize, out: &mut [i64]) -> bool {
        out.fill(0);
        let row = self.positions.len() * CHANNELS;
        // No sum of this many such cells exceeds the limit.
        let most = i128::from(SMALL) / (groups.len().max(1) * row.max(1)) as i128;
        let mut is_small = self.partial.extras.is_empty();
        for group in groups {
            let cells = self.partial.cells.get(group * row..(group + 1) * row).unwrap_or_default();
            for (cell, at) in cells.as_chunks::<CHANNELS>().0.iter().zip(self.positions) {
                let Some(cell) = cell.get(class) else { return false };
                is_small &= (-most..=most).contains(cell);
                if let Some(to) = at.and_then(|at| out.get_mut(at + 1)) {
                    #[allow(clippy::cast_possible_truncation)] // small, or not used
                    let cell = *cell as i64;
                    *to = to.wrapping_add(cell);
                }
            }
        }
        out.iter_mut().fold(0i64, |sum, to| {
            *to = to.wrapping_add(sum);
            *to
        });
        is_small
    }
}

/// Every step from the first to the last with a kept row.
fn axis(partial: &Partial) -> Result<Vec<i32>> {
    let step = |time: Option<&TimePoint>| match time {
        Some(TimePoint::Step(step)) => Ok(Some(*step)),
        Some(TimePoint::Label(_)) => Err(Error::internal("labels on an axis of steps")),
        None => Ok(None),
    };
    Ok(match (step(partial.times.first())?, step(partial.times.last())?) {
        (Some(first), Some(last)) => (first..=last).collect(),
        _ => Vec::new(),
    })
}

/// The columns of the periods; with `dates` also the first day of each. A day is its own first day.
fn time_columns(job: &Job, keys: usize, steps: &[i32]) -> Vec<Column> {
    let per_row = |of: &dyn Fn(i32) -> i32| {
        let series: Vec<Option<i32>> = steps.iter().map(|step| Some(of(*step))).collect();
        let mut rows = large_pages::prefer(Vec::with_capacity(series.len() * keys));
        (0..keys).for_each(|_| rows.extend_from_slice(&series));
        rows
    };
    let column = |name: &str, data| Column { name: name.into(), data };
    let mut columns = match job.grain {
        Grain::Week => vec![
            column("year", ColumnData::Int32(per_row(&|week| calendar::iso_of(week).0))),
            column("week", ColumnData::Int32(per_row(&|week| calendar::iso_of(week).1))),
        ],
        Grain::Day => vec![column("date", ColumnData::Date32(per_row(&|day| day)))],
        Grain::Month => vec![
            column("year", ColumnData::Int32(per_row(&|month| month.div_euclid(12)))),
            column("month", ColumnData::Int32(per_row(&|month| month.rem_euclid(12) + 1))),
        ],
    };
    let first_day = match job.grain {
        Grain::Week => "week_start",
        Grain::Month => "month_start",
        Grain::Day => return columns,
    };
    if job.dates {
        let periods = job.periods();
        columns.push(column(first_day, ColumnData::Date32(per_row(&|step| periods.first_day(step)))));
    }
    columns
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::profile::question::SEPARATOR;
    use proptest::prelude::*;

    #[test]
    fn wilson_agrees_with_its_closed_forms() {
        // At one half the bounds are 1/2 -+ z / (2 sqrt(n + z^2)); at zero the
        // upper bound is z^2 / (n + z^2).
        let (z2, n) = (Z95 * Z95, 20.0);
        let close = |a: f64, b: f64| (a - b).abs() < 1e-14;
        let (low, high) = wilson(0.5, n).unwrap();
        let half = Z95 / (2.0 * (n + z2).sqrt());
        assert!(close(low, 0.5 - half) && close(high, 0.5 + half), "{low} {high}");
        assert!((low - 0.2993).abs() < 1e-4);
        let (low, high) = wilson(0.0, n).unwrap();
        assert!(low == 0.0 && close(high, z2 / (n + z2)), "{high}");
        assert_eq!(wilson(1.0, n).unwrap().1, 1.0);
        assert_eq!(wilson(1.5, n), None);
        assert_eq!(wilson(0.5, 0.0), None);
    }

    proptest! {
        #[test]
        fn small_sums_and_exact_sums_give_the_same_shares(
            cells in proptest::collection::vec(prop_oneof![
                8 => -9i128..99, 1 => 1i128 << 40..1 << 62, 1 => any::<i128>().prop_map(|cell| cell >> 20),
            ], 48),
            gap in 1i32..4, share_of_channel in any::<bool>(),
        ) {
            let names = ["a", "b", "c", "d"];
            let name = |at: usize, name: &str| match share_of_channel {
                true => format!("{}{SEPARATOR}{name}", if at < 2 { "x" } else { "y" }).into(),
                false => Arc::from(name),
            };
            let partial = Partial {
                groups: names.iter().enumerate().map(|(at, text)| name(at, text)).collect(),
                kept: vec![true; 4],
                times: (0..6).map(|step| TimePoint::Step(step * gap)).collect(),
                cells,
                present: vec![true; 24],
                ..Partial::default()
            };
            let job = |details| Job { share_of_channel, details, windows: vec![1, 4, 52], ..Job::default() };
            let (small, exact) = (iso(&job(false), &partial).unwrap(), iso(&job(true), &partial).unwrap());
            for column in &small.columns {
                prop_assert_eq!(Some(column), exact.column(&column.name));
            }
        }
    }

    #[test]
    fn a_share_without_users_is_null() {
        let sum = |int| Sum { int, wide: None };
        assert_eq!(share(&sum(0), &sum(0)).unwrap(), None);
        assert_eq!(share(&sum(3), &sum(-3)).unwrap(), None);
        assert_eq!(share(&sum(0), &sum(2)).unwrap(), Some(0.0));
        assert_eq!(share(&sum(2), &sum(0)).unwrap(), Some(1.0));
        assert_eq!(share(&sum(-1), &sum(3)).unwrap(), Some(-0.5));
    }
}
