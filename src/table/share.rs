//! Computes the published columns from exact window sums.

use std::sync::Arc;

use super::column::{Column, ColumnData, Table};
use super::keys;
use crate::grid::CHANNELS;
use crate::grid::{Partial, TimePoint};
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
            share: Vec::with_capacity(rows),
            organic: Vec::new(),
            paid: Vec::new(),
            low: Vec::new(),
            high: Vec::new(),
            change: Vec::new(),
            organic_per_paid: Vec::new(),
            year_ago: Vec::new(),
        }
    }

    /// Appends the rows of one series: `part` of `part` and `rest`.
    fn extend(&mut self, part: &Prefix, rest: &Prefix, rule: SeriesRule) -> Result<()> {
        let SeriesRule { steps, details, unit, year } = rule;
        if !details
            && let (Some(part), Some(rest)) =
                (part.small_windows(self.length), rest.small_windows(self.length))
        {
            // The same as below, in 64 bits.
            let small = |(part, rest): (i64, i64)| {
                let total = part + rest;
                (total != 0).then(|| part as f64 / total as f64)
            };
            self.share.extend(part.zip(rest).map(small));
            return Ok(());
        }
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
/// `TooLarge` for more than [`ROWS_MAX`] rows or a sum that does not fit 128 bits.
pub fn iso(job: &Job, partial: &Partial) -> Result<Table> {
    let steps = axis(partial)?;
    let keys = keys::of(job, partial)?;
    let rows = keys.len().saturating_mul(steps.len());
    if rows > ROWS_MAX {
        return Err(Error::too_large(format!("{} keys over {} steps of time", keys.len(), steps.len()))
            .expected(format!("at most {ROWS_MAX} rows"))
            .advice("Look for a date or week long before or after the others"));
    }
    // The position on the axis of each point in time of the partial.
    let first = steps.first().copied().unwrap_or_default();
    let position = |time: &TimePoint| match time {
        TimePoint::Step(step) => usize::try_from(step - first).ok(),
        TimePoint::Label(_) => None,
    };
    let positions: Vec<Option<usize>> = partial.times.iter().map(position).collect();
    let unit = match partial.value_type {
        Some(crate::ids::values::ValueType::Decimal { scale, .. }) => 10f64.powi(scale.into()),
        _ => 1.0,
    };
    let year = match job.grain {
        Grain::Week => 52,
        Grain::Day => 364,
        Grain::Month => 12,
    };
    let rule = SeriesRule { steps: steps.len(), details: job.details, unit, year };
    let mut windows: Vec<WindowColumns> =
        job.windows.iter().map(|length| WindowColumns::new(*length, rows)).collect();
    let mut sums = Sums { partial, positions: &positions, series: vec![Sum::default(); steps.len()] };
    // The users of all channels of the last key, and the groups that they are of.
    let mut all: Option<(Arc<[usize]>, Prefix)> = None;
    for key in &keys {
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

fn time_columns(job: &Job, keys: usize, steps: &[i32]) -> Vec<Column> {
    let per_row = |of: &dyn Fn(i32) -> i32| {
        let series: Vec<Option<i32>> = steps.iter().map(|step| Some(of(*step))).collect();
        series.repeat(keys)
    };
    let column = |name: &str, data| Column { name: name.into(), data };
    match job.grain {
        Grain::Week => vec![
            column("year", ColumnData::Int32(per_row(&|week| calendar::iso_of(week).0))),
            column("week", ColumnData::Int32(per_row(&|week| calendar::iso_of(week).1))),
        ],
        Grain::Day => vec![column("date", ColumnData::Date32(per_row(&|day| day)))],
        Grain::Month => vec![
            column("year", ColumnData::Int32(per_row(&|month| month.div_euclid(12)))),
            column("month", ColumnData::Int32(per_row(&|month| month.rem_euclid(12) + 1))),
        ],
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

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
