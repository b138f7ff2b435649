//! What the PySpark job published, row for row, for proving a migration.
//!
//! The job sums per label and country, joins a filler of Sunday labels
//! (`%Y_%W`) by countries, and lets Spark's window run over the integer that
//! the label spells. All of that is kept here, wrong as it is; where the job
//! failed on good input, the natural answer stands instead.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::column::{Column, ColumnData, Table};
use super::share::cell;
use crate::grid::dense::CHANNELS;
use crate::grid::{Partial, TimePoint};
use crate::ids::values::ValueType;
use crate::window::Sum;
use crate::{Error, Job, Result, calendar};

const DAY_MICROS: i64 = 86_400_000_000;

/// The table of `legacy` semantics, ordered by country, year, week and label.
pub fn legacy(job: &Job, partial: &Partial) -> Result<Table> {
    if job.details {
        return Err(Error::argument("details with legacy semantics")
            .expected("--semantics iso: the original job published the share alone"));
    }
    let filler = filler_labels(partial.dates);
    let mut rows = Vec::new();
    for (group, country) in partial.groups.iter().enumerate() {
        rows.extend(country_rows(job, partial, group, country, &filler)?);
    }
    rows.sort_by(|a, b| (&a.country, a.year, a.week, &a.label).cmp(&(&b.country, b.year, b.week, &b.label)));
    Ok(table(job, rows))
}

/// The labels of the Sundays between two moments, as pandas' `date_range` with
/// frequency `W` and `strftime('%Y_%W')` make them.
fn filler_labels(dates: Option<(i64, i64)>) -> BTreeSet<Arc<str>> {
    let Some((first, last)) = dates else { return BTreeSet::new() };
    let start = first.div_euclid(DAY_MICROS);
    let time_of_day = first.rem_euclid(DAY_MICROS);
    (start..)
        .take_while(|day| day * DAY_MICROS + time_of_day <= last)
        .filter_map(|day| i32::try_from(day).ok())
        .filter(|day| calendar::weekday(*day) == 6)
        .map(|day| {
            let year = calendar::date_of(day).year;
            let day_of_year = day - calendar::day_of(calendar::Date { year, month: 1, day: 1 });
            // `%W`: weeks begin on Monday; days before the first are in week 0.
            format!("{year:04}_{:02}", (day_of_year + 7 - calendar::weekday(day)) / 7).into()
        })
        .collect()
}

struct Row {
    country: Arc<str>,
    label: Arc<str>,
    year: Option<i32>,
    week: Option<i32>,
    shares: Vec<Option<f64>>,
}

/// One row before the window: a label's period and its two sums.
struct Step {
    label: Arc<str>,
    period: Option<i64>,
    sums: [Amount; CHANNELS],
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
    let mut steps = Vec::with_capacity(labels.len());
    for (label, time) in labels {
        let period = python_int(&label.replace('_', ""))
            .ok_or_else(|| {
                Error::data(format!("year_week is '{}'", label.escape_debug()))
                    .expected("digits, with which the original job could count")
                    .in_column(&job.columns.year_week)
            })?
            .ok();
        let amount = |channel| match time {
            Some(time) => Amount::of(partial, group, time, channel),
            None => Amount::zero(partial.value_type),
        };
        steps.push(Step { label, period, sums: [amount(0), amount(1)] });
    }
    let mut rows = Vec::with_capacity(steps.len());
    for step in &steps {
        let mut shares = Vec::with_capacity(job.windows.len());
        for length in &job.windows {
            let in_frame = |other: &&Step| match (step.period, other.period) {
                (Some(end), Some(at)) => at <= end && at > end.saturating_sub(i64::from(*length)),
                (None, None) => true,
                _ => false,
            };
            let mut sums = [Amount::zero(partial.value_type), Amount::zero(partial.value_type)];
            for other in steps.iter().filter(in_frame) {
                for (sum, amount) in sums.iter_mut().zip(&other.sums) {
                    sum.add(amount)?;
                }
            }
            let [paid, organic] = &sums;
            shares.push(organic.over_total(paid, partial.value_type)?);
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

/// A sum as Spark types it.
enum Amount {
    /// `bigint`, which wraps around.
    Long(i64),
    /// `double`.
    Double { sum: Sum, special: f64 },
    /// `decimal`, in units of its last digit.
    Decimal(i128),
}

impl Amount {
    fn zero(kind: Option<ValueType>) -> Self {
        match kind {
            Some(ValueType::Float16 | ValueType::Float32 | ValueType::Float64) => {
                Amount::Double { sum: Sum::default(), special: 0.0 }
            }
            // Spark reads 64 unsigned bits as decimal(20, 0).
            Some(ValueType::Decimal { .. } | ValueType::Int { bits: 64, signed: false }) => {
                Amount::Decimal(0)
            }
            _ => Amount::Long(0),
        }
    }

    /// The sum in a cell; one that is NaN became 0 in the job's `fillna(0)`.
    fn of(partial: &Partial, group: usize, time: usize, channel: usize) -> Self {
        let sum = cell(partial, group, time, channel);
        match Amount::zero(partial.value_type) {
            #[allow(clippy::cast_possible_truncation)] // wraps around, as Spark's sums do
            Amount::Long(_) => Amount::Long(sum.int as i64),
            Amount::Decimal(_) => Amount::Decimal(sum.int),
            zero @ Amount::Double { .. } => {
                let at = (group * partial.times.len() + time) * CHANNELS + channel;
                match partial.extras.get(&at) {
                    Some(e) if e.nan || e.positive_infinity && e.negative_infinity => zero,
                    Some(e) if e.positive_infinity => Amount::Double { sum, special: f64::INFINITY },
                    Some(e) if e.negative_infinity => Amount::Double { sum, special: f64::NEG_INFINITY },
                    _ => Amount::Double { sum, special: 0.0 },
                }
            }
        }
    }

    fn add(&mut self, other: &Amount) -> Result<()> {
        match (self, other) {
            (Amount::Long(a), Amount::Long(b)) => *a = a.wrapping_add(*b),
            (Amount::Decimal(a), Amount::Decimal(b)) => {
                *a = a.checked_add(*b).ok_or_else(|| Error::too_large("a sum past 38 digits"))?;
            }
            (Amount::Double { sum, special }, Amount::Double { sum: other, special: s }) => {
                *sum = sum.plus(other)?;
                *special += s;
            }
            _ => return Err(Error::internal("sums of two types")),
        }
        Ok(())
    }

    /// This sum's share of both, as Spark divides: null where both sum to zero.
    fn over_total(&self, other: &Amount, kind: Option<ValueType>) -> Result<Option<f64>> {
        Ok(match (self, other) {
            (Amount::Long(a), Amount::Long(b)) => {
                let total = a.wrapping_add(*b);
                (total != 0).then(|| *a as f64 / total as f64)
            }
            (Amount::Decimal(a), Amount::Decimal(b)) => {
                let total = a.checked_add(*b).ok_or_else(|| Error::too_large("a sum past 38 digits"))?;
                (total != 0).then(|| decimal_quotient(*a, total, quotient_scale(kind)))
            }
            (Amount::Double { sum: a, special: s }, Amount::Double { sum: b, special: t }) => {
                let (a, b) = (a.to_f64() + s, b.to_f64() + t);
                (a + b != 0.0).then(|| a / (a + b))
            }
            _ => return Err(Error::internal("sums of two types")),
        })
    }
}

/// Digits after the point of organic / (organic + paid), by Spark's rules for
/// `decimal` (`DecimalPrecision`, `DecimalType.adjustPrecisionScale`): a sum
/// adds ten digits, twice; an addition one; a quotient keeps at least six.
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
        // Ten times the rest in units of `b`, by additions: ten times 38 digits
        // would not fit 128 bits.
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

/// `int(text)` of Python: `None` where it raises, `Some(Err)` where the number
/// does not fit the job's column.
fn python_int(text: &str) -> Option<std::result::Result<i64, ()>> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix(['+', '-']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value = Some(0i64);
    for c in digits.chars() {
        let digit = i64::from(decimal_digit(c)?);
        value = value.and_then(|v| v.checked_mul(10)?.checked_add(if negative { -digit } else { digit }));
    }
    Some(value.ok_or(()))
}

/// Zeros of the decimal digits of Unicode 14 (category Nd, as Python 3.11 knows
/// them); nine digits follow each.
const ZEROS: [u32; 66] = [
    0x30, 0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50,
    0xED0, 0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40,
    0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10, 0x104A0, 0x10D30, 0x11066,
    0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730, 0x118E0, 0x11950,
    0x11C50, 0x11D50, 0x11DA0, 0x16A60, 0x16AC0, 0x16B50, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6,
    0x1E140, 0x1E2F0, 0x1E950, 0x1FBF0,
];

fn decimal_digit(c: char) -> Option<u32> {
    let code = u32::from(c);
    let before = ZEROS.partition_point(|zero| *zero <= code).checked_sub(1)?;
    ZEROS.get(before).map(|zero| code - zero).filter(|digit| *digit < 10)
}

/// `CAST(text AS INT)` of Spark without ANSI: null where it is no number.
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
    fn numbers_as_python_and_spark_read_them() {
        assert_eq!(python_int("202105"), Some(Ok(202_105)));
        assert_eq!(python_int(" +2021 "), Some(Ok(2021)));
        assert_eq!(python_int("-5"), Some(Ok(-5)));
        assert_eq!(python_int("\u{662}\u{660}"), Some(Ok(20)));
        assert_eq!(python_int("9999999999999999999999"), Some(Err(())));
        assert_eq!((python_int(""), python_int("2021-19"), python_int("1e1")), (None, None, None));
        assert_eq!((spark_int("19 "), spark_int("+2021"), spark_int("1.9")), (Some(19), Some(2021), Some(1)));
        assert_eq!((spark_int(""), spark_int("9999999999"), spark_int("\u{662}")), (None, None, None));
    }

    #[test]
    fn sundays_between_two_days() {
        let day = |year, month, day| i64::from(calendar::day_of(calendar::Date { year, month, day }));
        let labels = filler_labels(Some((day(2020, 12, 26) * DAY_MICROS, day(2021, 1, 10) * DAY_MICROS)));
        let labels: Vec<&str> = labels.iter().map(|l| &**l).collect();
        assert_eq!(labels, ["2020_51", "2021_00", "2021_01"]);
        assert!(filler_labels(Some((day(2021, 5, 3) * DAY_MICROS, day(2021, 5, 8) * DAY_MICROS))).is_empty());
    }
}
