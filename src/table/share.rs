//! Computes the published columns from exact window sums.

use std::sync::Arc;

use super::column::{Column, ColumnData, Table};
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
pub(super) fn cell(partial: &Partial, group: usize, time: usize, channel: usize) -> Sum {
    let at = (group * partial.times.len() + time) * CHANNELS + channel;
    Sum { int: partial.cells[at], wide: partial.extras.get(&at).and_then(|extra| extra.wide.clone()) }
}

/// The columns of one window, filled row by row.
struct WindowColumns {
    length: u32,
    share: Vec<Option<f64>>,
    organic: Vec<Option<f64>>,
    paid: Vec<Option<f64>>,
    low: Vec<Option<f64>>,
    high: Vec<Option<f64>>,
    change: Vec<Option<f64>>,
}

impl WindowColumns {
    fn new(length: u32, rows: usize) -> Self {
        let column = || Vec::with_capacity(rows);
        WindowColumns {
            length,
            share: column(),
            organic: Vec::new(),
            paid: Vec::new(),
            low: Vec::new(),
            high: Vec::new(),
            change: Vec::new(),
        }
    }

    /// Appends the rows of one country.
    fn extend(
        &mut self,
        organic: &Prefix,
        paid: &Prefix,
        steps: usize,
        details: bool,
        unit: f64,
    ) -> Result<()> {
        if !details
            && let (Some(organic), Some(paid)) =
                (organic.small_windows(self.length), paid.small_windows(self.length))
        {
            // The same as below, in 64 bits.
            let small = |(organic, paid): (i64, i64)| {
                let total = organic + paid;
                (total != 0).then(|| organic as f64 / total as f64)
            };
            self.share.extend(organic.zip(paid).map(small));
            return Ok(());
        }
        let first = self.share.len();
        for end in 0..steps {
            let (o, p) = (organic.window(end, self.length)?, paid.window(end, self.length)?);
            let value = share(&o, &p)?;
            self.share.push(value);
            if !details {
                continue;
            }
            let n = o.plus(&p)?.to_f64() / unit;
            let bounds = value.and_then(|v| wilson(v, n));
            self.organic.push(Some(o.to_f64() / unit));
            self.paid.push(Some(p.to_f64() / unit));
            self.low.push(bounds.map(|b| b.0));
            self.high.push(bounds.map(|b| b.1));
            let before = end
                .checked_sub(self.length as usize)
                .and_then(|before| self.share.get(first + before).copied().flatten());
            self.change.push(value.zip(before).map(|(now, before)| now - before));
        }
        Ok(())
    }

    fn into_columns(self, grain: Grain, details: bool) -> Vec<Column> {
        let suffix = format!("_p{}{}", self.length, grain.letter());
        let column = |name: String, data| Column { name, data: ColumnData::Float64(data) };
        let mut columns = vec![column(format!("share_organic{suffix}"), self.share)];
        if details {
            columns.extend([
                column(format!("organic{suffix}"), self.organic),
                column(format!("nonorganic{suffix}"), self.paid),
                column(format!("share_organic{suffix}_low"), self.low),
                column(format!("share_organic{suffix}_high"), self.high),
                column(format!("share_organic{suffix}_change"), self.change),
            ]);
        }
        columns
    }
}

/// The table of `iso` semantics: every step from the first to the last for
/// every country. Missing sums are zero.
///
/// # Errors
/// `TooLarge` for more than [`ROWS_MAX`] rows or a sum that does not fit 128 bits.
pub fn iso(job: &Job, partial: &Partial) -> Result<Table> {
    let steps = axis(partial)?;
    let groups: Vec<usize> =
        (0..partial.groups.len()).filter(|g| partial.kept.get(*g) == Some(&true)).collect();
    let rows = groups.len().saturating_mul(steps.len());
    if rows > ROWS_MAX {
        return Err(Error::too_large(format!(
            "{} countries over {} steps of time",
            groups.len(),
            steps.len()
        ))
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
    let mut windows: Vec<WindowColumns> =
        job.windows.iter().map(|length| WindowColumns::new(*length, rows)).collect();
    let mut series = vec![Sum::default(); steps.len()];
    for group in &groups {
        let mut prefixes = Vec::with_capacity(CHANNELS);
        for channel in 0..CHANNELS {
            for (time, at) in positions.iter().enumerate() {
                if let Some(sum) = at.and_then(|at| series.get_mut(at)) {
                    *sum = cell(partial, *group, time, channel);
                }
            }
            prefixes.push(Prefix::new(&series)?);
        }
        let [paid, organic] = prefixes.as_slice() else {
            return Err(Error::internal("a grid without two channels"));
        };
        for window in &mut windows {
            window.extend(organic, paid, steps.len(), job.details, unit)?;
        }
    }
    let mut columns = keys(job, partial, &groups, &steps);
    columns.extend(windows.into_iter().flat_map(|w| w.into_columns(job.grain, job.details)));
    Ok(Table { columns })
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

fn keys(job: &Job, partial: &Partial, groups: &[usize], steps: &[i32]) -> Vec<Column> {
    let per_row = |of: &dyn Fn(i32) -> i32| {
        let series: Vec<Option<i32>> = steps.iter().map(|step| Some(of(*step))).collect();
        series.repeat(groups.len())
    };
    let column = |name: &str, data| Column { name: name.into(), data };
    let mut columns = match job.grain {
        Grain::Week => vec![
            column("year", ColumnData::Int32(per_row(&|week| calendar::iso_of(week).0))),
            column("week", ColumnData::Int32(per_row(&|week| calendar::iso_of(week).1))),
        ],
        Grain::Day => vec![column("date", ColumnData::Date32(per_row(&|day| day)))],
    };
    let dictionary: Vec<Arc<str>> = groups.iter().filter_map(|g| partial.groups.get(*g).cloned()).collect();
    #[allow(clippy::cast_possible_truncation)] // groups are bounded by CELLS_MAX
    let indices = (0..groups.len() as u32).flat_map(|g| std::iter::repeat_n(g, steps.len())).collect();
    columns.push(column("country", ColumnData::Utf8 { indices, dictionary }));
    columns
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
