//! Reproduces the output of the original PySpark job, row for row, to verify a migration.
//!
//! The job sums per label and country, joins a filler of Sunday labels
//! (`%Y_%W`) by countries, and runs Spark's window over the integer that the
//! label spells. All of this is reproduced, although it is wrong. Where the job
//! failed on good input, the correct result is given instead.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use super::column::{Column, ColumnData, Table};
use super::share::{ROWS_MAX, cell};
use super::{legacy_labels, span};
use crate::grid::CHANNELS;
use crate::grid::{Partial, TimePoint};
use crate::ids::values::ValueType;
use crate::phrase::{Phrase, Setting};
use crate::window::{Prefix, Sum};
use crate::{Error, Job, Result, calendar};

const DAY_MICROS: i64 = 86_400_000_000;

/// The table of `legacy` semantics, ordered by country, year, week and label.
///
/// # Errors
/// `Argument` for a job with details or dates, `Data` for a date outside of the years 1 to 9999 and for dates more than
/// [`span::YEARS_MAX`] years apart, `TooLarge` for more than [`ROWS_MAX`] rows or a sum that does not fit 128 bits.
pub fn legacy(job: &Job, partial: &Partial) -> Result<Table> {
    if job.details || job.dates {
        let what = if job.details { "details" } else { "dates" };
        return Err(Error::argument(format!("{what} with legacy semantics")).expected(
            Phrase::default()
                .option(Setting::Semantics("iso".into()))
                .text(": the original job published only the share"),
        ));
    }
    let filler = filler_labels(job, partial.dates)?;
    let most = (filler.len() + partial.times.len()).saturating_mul(partial.groups.len());
    if most > ROWS_MAX {
        return Err(Error::too_large(format!(
            "{} countries over {} Sundays",
            partial.groups.len(),
            filler.len()
        ))
        .expected(format!("at most {ROWS_MAX} rows"))
        .advice("Look for a date long before or after the others")
        .in_column(job.columns().start_date));
    }
    let mut rows = Vec::new();
    for (group, country) in partial.groups.iter().enumerate() {
        rows.extend(country_rows(job, partial, group, country, &filler)?);
    }
    rows.sort_by(|a, b| (&a.country, a.year, a.week, &a.label).cmp(&(&b.country, b.year, b.week, &b.label)));
    Ok(table(job, rows))
}

/// The labels of the Sundays between two moments, as pandas' `date_range` with
/// frequency `W` and `strftime('%Y_%W')` gives them.
fn filler_labels(job: &Job, dates: Option<(i64, i64)>) -> Result<BTreeSet<Arc<str>>> {
    let Some((first, last)) = dates else { return Ok(BTreeSet::new()) };
    let time_of_day = first.rem_euclid(DAY_MICROS);
    let days =
        i32::try_from(first.div_euclid(DAY_MICROS)).ok().zip(i32::try_from(last.div_euclid(DAY_MICROS)).ok());
    let years = |days: (i32, i32)| (calendar::date_of(days.0).year, calendar::date_of(days.1).year);
    let Some((start, end)) = days.filter(|days| years(*days).0 >= 1 && years(*days).1 <= 9999) else {
        return Err(
            Error::data("a date before the year 1 or after 9999").expected("dates of the years 1 to 9999")
        );
    };
    span::check_days(job, start, end)?;
    let sunday = start + 6 - calendar::weekday(start);
    Ok((sunday..=end)
        .step_by(7)
        .take_while(|day| i64::from(*day) * DAY_MICROS + time_of_day <= last)
        .map(|day| {
            let year = calendar::date_of(day).year;
            let day_of_year = day - calendar::day_of(calendar::Date { year, month: 1, day: 1 });
            // `%W`: weeks begin on Monday; days before the first are in week 0.
            format!("{year:04}_{:02}", (day_of_year + 7 - calendar::weekday(day)) / 7).into()
        })
        .collect())
}

struct Row {
    country: Arc<str>,
    label: Arc<str>,
    year: Option<i32>,
    week: Option<i32>,
    shares: Vec<Option<f64>>,
}

/// One row before the window: a label, its period and the sums of its cells.
struct Step {
    label: Arc<str>,
    period: Option<i64>,
    amounts: [Amount; CHANNELS],
}

/// A sum of values that may be infinite.
#[derive(Default, Clone)]
struct Amount {
    finite: Sum,
    /// Number of cells that are positive and negative infinity.
    infinite: [u32; 2],
}

impl Amount {
    /// The sum in a cell. NaN gives 0, as in the job's `fillna(0)`.
    fn of(partial: &Partial, group: usize, time: usize, channel: usize) -> Self {
        let at = (group * partial.times.len() + time) * CHANNELS + channel;
        let extra = partial.extras.get(&at);
        let (positive, negative) =
            extra.map_or((false, false), |e| (e.positive_infinity, e.negative_infinity));
        if extra.is_some_and(|e| e.nan) || positive && negative {
            return Amount::default();
        }
        Amount {
            finite: cell(partial, group, time, channel),
            infinite: [u32::from(positive), u32::from(negative)],
        }
    }

    /// The sum as a double.
    fn to_f64(&self) -> f64 {
        match self.infinite.map(|n| n > 0) {
            [false, false] => self.finite.to_f64(),
            [true, false] => f64::INFINITY,
            [false, true] => f64::NEG_INFINITY,
            [true, true] => f64::NAN,
        }
    }
}

/// Running sums over steps in order of their periods.
struct Running {
    finite: Prefix,
    infinite: Vec<[u32; 2]>,
}

impl Running {
    fn new(steps: &[Step], channel: usize) -> Result<Self> {
        let amounts = || steps.iter().filter_map(|step| step.amounts.get(channel));
        let mut infinite = vec![[0; 2]];
        let mut running = [0; 2];
        for amount in amounts() {
            running = [running[0] + amount.infinite[0], running[1] + amount.infinite[1]];
            infinite.push(running);
        }
        Ok(Running { finite: Prefix::new(amounts().map(|amount| amount.finite.clone()))?, infinite })
    }

    /// The sum of steps `frame`, which is not empty.
    #[allow(clippy::indexing_slicing)] // there is a running sum before each step and after the last
    fn sum(&self, frame: Range<usize>) -> Result<Amount> {
        let length = u32::try_from(frame.len()).map_err(|_| Error::too_large("a window of 2^32 rows"))?;
        let (to, from) = (self.infinite[frame.end], self.infinite[frame.start]);
        Ok(Amount {
            finite: self.finite.window(frame.end - 1, length)?,
            infinite: [to[0] - from[0], to[1] - from[1]],
        })
    }
}

fn country_rows(
    job: &Job,
    partial: &Partial,
    group: usize,
    country: &Arc<str>,
    filler: &BTreeSet<Arc<str>>,
) -> Result<Vec<Row>> {
    let mut labels: BTreeMap<Arc<str>, Option<usize>> = filler.iter().map(|l| (l.clone(), None)).collect();
    for (time, point) in partial.times.iter().enumerate() {
        let present = partial.present.get(group * partial.times.len() + time) == Some(&true);
        if let (TimePoint::Label(label), true) = (point, present) {
            labels.insert(label.clone(), Some(time));
        }
    }
    let step = |(label, time): (Arc<str>, Option<usize>)| {
        let amount =
            |channel| time.map_or_else(Amount::default, |time| Amount::of(partial, group, time, channel));
        // A label that is not a number fails the scan, so every label here has a period or null.
        Step {
            period: legacy_labels::period(&label).and_then(|p| p.ok()),
            label,
            amounts: [amount(0), amount(1)],
        }
    };
    let mut steps: Vec<Step> = labels.into_iter().map(step).collect();
    // Rows with a null period come first and share one frame.
    steps.sort_by_key(|step| step.period);
    let (paid, organic) = (Running::new(&steps, 0)?, Running::new(&steps, 1)?);
    let mut rows = Vec::with_capacity(steps.len());
    for step in &steps {
        let mut shares = Vec::with_capacity(job.windows.len());
        for length in &job.windows {
            let first = step.period.map(|end| end.saturating_sub(i64::from(*length) - 1));
            let start = steps.partition_point(|other| other.period < first);
            let end = steps.partition_point(|other| other.period <= step.period);
            let share = share(&organic.sum(start..end)?, &paid.sum(start..end)?, partial.value_type)?;
            shares.push(share);
        }
        let mut parts = step.label.split('_').map(spark_int);
        rows.push(Row {
            country: country.clone(),
            label: step.label.clone(),
            year: parts.next().flatten(),
            week: parts.next().flatten(),
            shares,
        });
    }
    Ok(rows)
}

/// Organic divided by organic plus paid, as Spark divides them; null where the sum is
/// zero.
fn share(organic: &Amount, paid: &Amount, kind: Option<ValueType>) -> Result<Option<f64>> {
    Ok(match kind {
        Some(ValueType::Float16 | ValueType::Float32 | ValueType::Float64) => {
            let (a, b) = (organic.to_f64(), paid.to_f64());
            (a + b != 0.0).then(|| a / (a + b))
        }
        // Spark reads 64 unsigned bits as decimal(20, 0).
        Some(ValueType::Decimal { .. } | ValueType::Int { bits: 64, signed: false }) => {
            let (a, total) = (organic.finite.int, organic.finite.plus(&paid.finite)?.int);
            (total != 0).then(|| decimal_quotient(a, total, quotient_scale(kind)))
        }
        _ => {
            // Spark's `bigint` wraps around.
            #[allow(clippy::cast_possible_truncation)]
            let (a, b) = (organic.finite.int as i64, paid.finite.int as i64);
            let total = a.wrapping_add(b);
            (total != 0).then(|| a as f64 / total as f64)
        }
    })
}

/// Digits after the point of organic / (organic + paid), by Spark's rules for
/// `decimal` (`DecimalPrecision`, `DecimalType.adjustPrecisionScale`): each of the two
/// sums adds ten digits, the addition adds one, the quotient keeps at least six.
fn quotient_scale(kind: Option<ValueType>) -> u32 {
    let (precision, scale) = match kind {
        Some(ValueType::Decimal { precision, scale }) => (i32::from(precision), i32::from(scale)),
        _ => (20, 0),
    };
    const MAX: i32 = 38;
    let adjust = |precision: i32, scale: i32| {
        if precision <= MAX {
            return (precision, scale);
        }
        let digits = precision - scale;
        (MAX, (MAX - digits).max(scale.min(6)))
    };
    let window = (precision + 10).min(MAX);
    let window = (window + 10).min(MAX);
    let (total, total_scale) = adjust(window + 1, scale);
    let quotient = (scale + total + 1).max(6);
    let (_, digits) = adjust(window - scale + total_scale + quotient, quotient);
    digits.unsigned_abs()
}

/// `a / b` rounded half up to `digits` digits after the point.
fn decimal_quotient(a: i128, b: i128, digits: u32) -> f64 {
    let negative = (a < 0) != (b < 0);
    let (a, b) = (a.unsigned_abs(), b.unsigned_abs());
    let mut text = format!("{}.", a / b);
    let mut rest = a % b;
    let mut last = Vec::new();
    for _ in 0..=digits {
        // Ten times the remainder in units of `b`, by additions: ten times 38
        // digits would not fit 128 bits.
        let (mut digit, mut sum) = (0u8, 0u128);
        for _ in 0..10 {
            sum += rest;
            if sum >= b {
                sum -= b;
                digit += 1;
            }
        }
        rest = sum;
        last.push(digit);
    }
    let round_up = last.pop().is_some_and(|digit| digit >= 5);
    let mut carry = round_up;
    for digit in last.iter_mut().rev() {
        if carry {
            *digit = (*digit + 1) % 10;
            carry = *digit == 0;
        }
    }
    if carry {
        text = format!("{}.", a / b + 1);
    }
    text.extend(last.iter().map(|digit| char::from(b'0' + digit)));
    let value: f64 = text.parse().unwrap_or(f64::NAN);
    if negative { -value } else { value }
}

/// Spark's `CAST(text AS INT)` without ANSI mode: null where the text is not a number.
fn spark_int(text: &str) -> Option<i32> {
    let text = text.trim_matches(|c: char| c <= ' ' || c == '\u{7f}');
    let (negative, rest) = match text.strip_prefix(['+', '-']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    let (digits, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if rest.is_empty() || rest == "." || !all_digits(digits) || !all_digits(fraction) {
        return None;
    }
    let value: i64 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    i32::try_from(if negative { -value } else { value }).ok()
}

fn table(job: &Job, rows: Vec<Row>) -> Table {
    let column = |name: String, data| Column { name, data };
    let mut dictionary: Vec<Arc<str>> = rows.iter().map(|r| r.country.clone()).collect();
    dictionary.dedup();
    #[allow(clippy::cast_possible_truncation)] // groups are bounded by CELLS_MAX
    let indices = rows.iter().map(|r| dictionary.partition_point(|d| *d < r.country) as u32).collect();
    let mut columns = vec![
        column("year".into(), ColumnData::Int32(rows.iter().map(|r| r.year).collect())),
        column("week".into(), ColumnData::Int32(rows.iter().map(|r| r.week).collect())),
        column("country".into(), ColumnData::Utf8 { indices, dictionary }),
    ];
    for (at, length) in job.windows.iter().enumerate() {
        let shares = rows.iter().map(|r| r.shares.get(at).copied().flatten()).collect();
        columns.push(column(format!("share_organic_p{length}w"), ColumnData::Float64(shares)));
    }
    Table { columns }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn decimals_divide_as_spark_does() {
        let scale = |precision, scale| quotient_scale(Some(ValueType::Decimal { precision, scale }));
        assert_eq!((scale(10, 2), scale(18, 6), scale(38, 10), scale(9, 2)), (8, 6, 6, 9));
        assert_eq!(decimal_quotient(1, 3, 6), 0.333_333);
        assert_eq!(decimal_quotient(2, 3, 6), 0.666_667);
        assert_eq!(decimal_quotient(-2, 3, 6), -0.666_667);
        assert_eq!(decimal_quotient(9_999_999, 10_000_000, 6), 1.0);
        assert_eq!(decimal_quotient(i128::MAX - 1, i128::MAX, 6), 1.0);
    }

    #[test]
    fn numbers_as_spark_reads_them() {
        assert_eq!((spark_int("19 "), spark_int("+2021"), spark_int("1.9")), (Some(19), Some(2021), Some(1)));
        assert_eq!((spark_int(""), spark_int("9999999999"), spark_int("\u{662}")), (None, None, None));
    }

    #[test]
    fn sundays_between_two_days() {
        let day = |year, month, day| i64::from(calendar::day_of(calendar::Date { year, month, day }));
        let labels = filler_labels(
            &Job::default(),
            Some((day(2020, 12, 26) * DAY_MICROS, day(2021, 1, 10) * DAY_MICROS)),
        )
        .unwrap();
        let labels: Vec<&str> = labels.iter().map(|l| &**l).collect();
        assert_eq!(labels, ["2020_51", "2021_00", "2021_01"]);
        assert!(
            filler_labels(
                &Job::default(),
                Some((day(2021, 5, 3) * DAY_MICROS, day(2021, 5, 8) * DAY_MICROS))
            )
            .unwrap()
            .is_empty()
        );
        assert!(filler_labels(&Job::default(), Some((0, i64::MAX))).is_err());
    }
}
