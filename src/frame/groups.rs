//! Adds groups that another engine has counted and summed to the grid.
//!
//! Spark sums exactly what it can, in its own code, and passes one row a group. This
//! file defines the meaning of such a row. Columns:
//!
//! | column | type | |
//! |---|---|---|
//! | `country`, `label` | strings | null in rows that were dropped |
//! | `class` | int32 | [`Class`] |
//! | `n` | int64 | rows |
//! | `whole` | int64 or decimal | exact sum of the values' integer parts |
//! | `big` | decimal | exact sum of integers that are not in `whole`; optional, as the next three |
//! | `high`, `low` | int64 | exact sum of their fractions: `(high * 2^32 + low) * 2^-62` |
//! | `odd` | float64 | the value itself, of [`Class::OddPaid`] and [`Class::OddOrganic`] |

use super::array::{Array, Data, Stored, with_numbers};
use super::ffi::Stream;
use super::field::find;
use crate::grid::exact::Wide;
use crate::grid::{GridAccumulator, Partial, TimePoint};
use crate::ids::values::{Number, ValueType};
use crate::{Error, Grain, Job, Result, Semantics, calendar};

/// The outcome that the rows of a group have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Summed in `whole`, `high` and `low`; channel is not organic.
    Paid = 0,
    /// The same of organic channels.
    Organic = 1,
    /// Kept, but the channel is null.
    NullName = 2,
    /// Kept, but the value is null.
    NullValue = 3,
    /// All values equal `odd`: NaN, infinite, or too large or too fine for the sums.
    OddPaid = 4,
    /// The same of organic channels.
    OddOrganic = 5,
    /// Dropped: not the total over systems.
    OtherSystem = 6,
    /// Dropped: country is null.
    NullCountry = 7,
    /// Dropped: country is the total over countries.
    CountryTotal = 8,
}

impl Class {
    fn of(code: i128) -> Result<Self> {
        use Class::*;
        let all =
            [Paid, Organic, NullName, NullValue, OddPaid, OddOrganic, OtherSystem, NullCountry, CountryTotal];
        let at = usize::try_from(code).ok().and_then(|at| all.get(at).copied());
        at.ok_or_else(|| Error::internal(format!("a group of class {code}")))
    }
}

/// The most rows of a group: the sum of so many values below 2^31 cannot overflow 64 bits.
pub const ROWS_MAX: u64 = 1 << 31;
/// Sums of fractions count units of 2^-62.
const FRACTION_BITS: u32 = 62;

/// A column of numbers, or no column.
struct Numbers {
    array: Option<Array>,
}

impl Numbers {
    /// The number in `row`; `Null` where it is null or the column is missing.
    fn number(&self, row: usize) -> Result<Number> {
        let Some(array) = self.array.as_ref().filter(|array| array.is_valid(row)) else {
            return Ok(Number::Null);
        };
        let Data::Numbers(numbers) = &array.data else {
            return Err(Error::internal("a group whose sums are not numbers"));
        };
        let number = with_numbers!(numbers, row..row + 1, values => values.first().and_then(|v| v.number()));
        number.ok_or_else(|| Error::internal("a group whose sum does not fit 128 bits"))
    }

    /// The integer in `row`; 0 where it is null or the column is missing.
    fn int(&self, row: usize) -> Result<i128> {
        match self.number(row)? {
            Number::Null => Ok(0),
            Number::Small(v) => Ok(v.into()),
            Number::Big(v) => Ok(v),
            _ => Err(Error::internal("a group whose sum is not an integer")),
        }
    }
}

fn text(array: &Array, row: usize) -> Result<Option<String>> {
    if !array.is_valid(row) {
        return Ok(None);
    }
    let raw = array.raw(row)?;
    String::from_utf8(raw).map(Some).map_err(|_| Error::data("a string that is not UTF-8"))
}

/// Sums groups. `value_type` is the type of the values that were summed.
///
/// # Errors
/// `Data` for a label that is not an ISO week and for groups without total rows, `TooLarge` for a group of more than
/// [`ROWS_MAX`] rows, `Argument` for a job on another export than a cube.
pub fn sum(job: &Job, value_type: ValueType, mut stream: Stream) -> Result<Partial> {
    let job = job.clone().validated()?;
    if job.semantics == Semantics::Legacy {
        return Err(Error::internal("legacy semantics need rows, not groups"));
    }
    if !job.is_cube() || job.grain != Grain::Week {
        return Err(Error::argument("groups of another profile, key or grain than the default")
            .expected("the default profile by country, in weeks: engines group such exports only")
            .advice("Have the kernel sum the rows: rolling_share(..., sums=\"kernel\")"));
    }
    let mut dense = GridAccumulator::default();
    let mut bad: Option<(Option<String>, u64)> = None;
    let fields = stream.fields().clone();
    let place = |name: &str| find(&fields, name);
    let places = [place("country")?, place("label")?, place("class")?, place("n")?, place("whole")?];
    let others = [place("big").ok(), place("high").ok(), place("low").ok(), place("odd").ok()];
    while let Some(batch) = stream.next_batch()? {
        let column = |at: usize| batch.column(at).and_then(Array::flattened);
        let [country, label, class, n, whole] = places;
        let (country, label) = (column(country)?, column(label)?);
        let numbers =
            |at: Option<usize>| -> Result<Numbers> { Ok(Numbers { array: at.map(column).transpose()? }) };
        let (class, n, whole) = (numbers(Some(class))?, numbers(Some(n))?, numbers(Some(whole))?);
        let [big, high, low, odd] = others;
        let (big, high, low, odd) = (numbers(big)?, numbers(high)?, numbers(low)?, numbers(odd)?);
        for row in 0..batch.rows() {
            let class = Class::of(class.int(row)?)?;
            let rows = u64::try_from(n.int(row)?)
                .map_err(|_| Error::internal("a group with a negative row count"))?;
            if rows > ROWS_MAX {
                return Err(Error::too_large(format!("a country and week of {rows} rows"))
                    .expected(format!("at most {ROWS_MAX}"))
                    .advice("Have the kernel sum the rows: rolling_share(..., sums=\"kernel\")"));
            }
            match class {
                Class::OtherSystem => dense.account.not_total_row += rows,
                Class::NullCountry => dense.account.null_member += rows,
                Class::CountryTotal => dense.account.total_row += rows,
                _ => {
                    let label = text(&label, row)?;
                    let Some(step) = label.as_deref().and_then(|l| calendar::parse_label(l.as_bytes()))
                    else {
                        // Reports the smallest label, so that the error does not depend on the order.
                        match &mut bad {
                            Some((worst, n)) if *worst == label => *n += rows,
                            Some((worst, _)) if *worst < label => {}
                            _ => bad = Some((label, rows)),
                        }
                        continue;
                    };
                    let country =
                        text(&country, row)?.ok_or_else(|| Error::internal("a group without a country"))?;
                    let (group, time) = (dense.group(&country)?, dense.time(TimePoint::Step(step))?);
                    dense.mark_present(group, time);
                    let organic = usize::from(matches!(class, Class::Organic | Class::OddOrganic));
                    let cell = dense.cell_index(group, time) + organic;
                    match class {
                        Class::NullName => dense.account.null_channel += rows,
                        Class::NullValue => dense.account.null_value += rows,
                        Class::OddPaid | Class::OddOrganic => {
                            add_odd(&mut dense, cell, odd.number(row)?, rows)?
                        }
                        _ => {
                            dense.account.counted += rows;
                            dense.add(cell, Number::int(whole.int(row)?))?;
                            dense.add(cell, Number::int(big.int(row)?))?;
                            let fraction = (high.int(row)? << 32) + low.int(row)?;
                            if fraction != 0 {
                                let mut wide = Wide::default();
                                wide.add_fraction(fraction, FRACTION_BITS);
                                dense.add_wide(cell, &wide);
                            }
                        }
                    }
                }
            }
        }
    }
    if let Some((label, rows)) = bad {
        let label = label.map_or_else(|| "null".into(), |label| format!("'{}'", label));
        return Err(Error::data(format!("{} is {label} in {rows} rows", job.columns().year_week))
            .expected("yyyy_ww, an ISO week that exists, such as 2021_05")
            .advice("Correct the export; rows with another system or the country total may hold anything")
            .in_column(job.columns().year_week));
    }
    let mut partial = dense.into_partial()?;
    let others = partial.account.not_total_row;
    if others > 0 && !partial.is_met() {
        let column = job.columns().os_name;
        return Err(Error::data(format!("none of {others} rows has {column} = '{}'", job.os_total()))
            .expected("total rows: groups have no sums of other rows")
            .advice("Have the kernel sum the rows: rolling_share(..., sums=\"kernel\")")
            .in_column(column));
    }
    partial.value_type = Some(value_type);
    partial.account.rows = partial.account.kept() + partial.account.dropped();
    Ok(partial)
}

/// Adds `rows` times one value.
fn add_odd(dense: &mut GridAccumulator, cell: usize, value: Number, rows: u64) -> Result<()> {
    let mut wide = Wide::default();
    match value {
        Number::Nan => dense.account.nan_value += rows,
        Number::Infinite(_) => dense.account.infinite_value += rows,
        Number::Real(value) => {
            dense.account.counted += rows;
            wide.add_times(value, rows);
            dense.add_wide(cell, &wide);
        }
        Number::Small(value) => return add_many(dense, cell, value.into(), rows),
        Number::Big(value) => return add_many(dense, cell, value, rows),
        Number::Null => return Err(Error::internal("an odd value that is null")),
    }
    Ok(())
}

/// Adds `rows` times one integer.
fn add_many(dense: &mut GridAccumulator, cell: usize, value: i128, rows: u64) -> Result<()> {
    dense.account.counted += rows;
    let sum = value.checked_mul(rows.into()).ok_or_else(|| {
        Error::too_large("a sum that does not fit 128 bits")
            .advice("Check the value column: its numbers are implausibly large")
    })?;
    dense.add(cell, Number::int(sum))
}
