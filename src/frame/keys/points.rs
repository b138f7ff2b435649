//! Any column of time: the point of the axis of each row.
//!
//! Nearly every row of an export of events has its own time, so plain times become days first, a block at once, and
//! each day is looked up. Labels, dates and dictionaries have few distinct values, and these are looked up.

use std::collections::HashMap;

use super::cache::Cache;
use super::mask::{BLOCK, Mask, and_valid, each_bit};
use super::values::{BAD, ValueForm, Values};
use crate::frame::array::{Array, Data, Numbers};
use crate::frame::slice::corrupt;
use crate::frame::text::Text;
use crate::grid::TimePoint;
use crate::ids::stamps::DayOf;
use crate::kernel::stamps::{Days, NO_DAY, days_of_offsets, days_of_ticks};
use crate::scan::classes::{TimeCoding, TimeRule};
use crate::{Error, Result};

/// The points in time that were met, by number.
#[derive(Default)]
pub struct Points {
    values: Values,
    by_day: Cache,
    met: Met,
    scratch: Box<Scratch>,
}

#[derive(Default)]
struct Met {
    numbers: HashMap<TimePoint, u32>,
    points: Vec<TimePoint>,
}

struct Scratch {
    ticks: [i64; BLOCK],
    days: [i32; BLOCK],
}

impl Default for Scratch {
    fn default() -> Self {
        Scratch { ticks: [0; BLOCK], days: [NO_DAY; BLOCK] }
    }
}

impl Met {
    /// The number of a point; [`BAD`] for none.
    fn number(&mut self, point: Option<TimePoint>) -> Result<u32> {
        let Some(point) = point else { return Ok(BAD) };
        if let Some(number) = self.numbers.get(&point) {
            return Ok(*number);
        }
        let number = u32::try_from(self.points.len()).ok().filter(|number| *number < BAD);
        let number = number.ok_or_else(|| Error::too_large("more than 2^32 points in time"))?;
        self.points.push(point.clone());
        self.numbers.insert(point, number);
        Ok(number)
    }
}

/// The form of the bytes that a coding reads.
pub(super) fn form_of(coding: TimeCoding) -> ValueForm {
    match coding {
        TimeCoding::Day32 | TimeCoding::Ticks32(_) => ValueForm::Stored32,
        TimeCoding::Ticks { .. } => ValueForm::Stored64,
        TimeCoding::Label(_) | TimeCoding::Text | TimeCoding::Int96 => ValueForm::Whole,
    }
}

impl Points {
    /// The point of a number.
    pub fn get(&self, number: u32) -> Option<&TimePoint> {
        self.met.points.get(number as usize)
    }

    /// The bytes of the time in `row`, for messages; `None` where it is null.
    ///
    /// # Errors
    /// As of [`Self::resolve`].
    pub fn bytes(array: &Array, coding: TimeCoding, row: usize) -> Result<Option<Vec<u8>>> {
        super::values::bytes_of(array, form_of(coding), row)
    }

    /// Stores in `out` the numbers of the points of the rows `wanted` of a block of `rows` rows, [`BAD`] where a row
    /// has none.
    ///
    /// # Errors
    /// `Format` where an id or a string lies outside of the column's memory.
    #[allow(clippy::indexing_slicing)] // rows of a mask are below BLOCK
    pub fn resolve(
        &mut self,
        array: &Array,
        rule: &TimeRule<'_>,
        (start, rows): (usize, usize),
        wanted: &Mask,
        out: &mut [u32; BLOCK],
    ) -> Result<()> {
        let Points { values, by_day, met, scratch } = self;
        let Scratch { ticks, days } = &mut **scratch;
        let days = &mut days[..rows];
        let texts = match (&array.data, rule.coding, rule.ticks()) {
            (Data::Numbers(numbers), _, Some((per_day, offsets))) => {
                let ticks = read_ticks(numbers, start, &mut ticks[..rows])?;
                days_of_ticks(ticks, per_day, offsets, days);
                if let Numbers::U64(values) = numbers {
                    let values = values.rows(start..start + rows).iter();
                    let past =
                        days.iter_mut().zip(values).filter(|(_, value)| i64::try_from(**value).is_err());
                    past.for_each(|(day, _)| *day = NO_DAY);
                }
                None
            }
            (Data::Text(text), TimeCoding::Text, _) => {
                match text {
                    Text::Short(offsets, bytes) => {
                        days_of_offsets(offsets.rows(start..start + rows + 1), bytes, days)
                    }
                    Text::Long(offsets, bytes) => {
                        days_of_offsets(offsets.rows(start..start + rows + 1), bytes, days)
                    }
                    Text::Views(..) => {
                        days.fill(NO_DAY);
                        let mut of_text = Days::default();
                        each_bit(wanted, |row| {
                            days[row] = of_text.day(text.get(start + row)?);
                            Ok(())
                        })?;
                    }
                }
                Some(text)
            }
            _ => {
                let form = form_of(rule.coding);
                return values.resolve(array, form, start, wanted, out, |raw| {
                    met.number(raw.and_then(|raw| rule.point(raw)))
                });
            }
        };
        let mut valid = *wanted;
        and_valid(array, start, &mut valid);
        if valid != *wanted {
            each_bit(wanted, |row| {
                out[row] = BAD;
                Ok(())
            })?;
        }
        each_bit(&valid, |row| {
            let mut day = Some(days[row]).filter(|day| *day != NO_DAY);
            // Texts in other forms, or with an offset from UTC.
            if let (None, Some(text)) = (day, texts) {
                day = rule.day(text.get(start + row)?);
            }
            out[row] = match day {
                Some(day) => {
                    let key = u64::from(day.cast_unsigned());
                    by_day.key(key, 4, || met.number(Some(TimePoint::Step(rule.step(day)))))?
                }
                None => BAD,
            };
            Ok(())
        })
    }
}

/// The ticks of the rows that begin with `start`: those of the column, or widened in `out`.
fn read_ticks<'t>(numbers: &'t Numbers, start: usize, out: &'t mut [i64]) -> Result<&'t [i64]> {
    let rows = start..start + out.len();
    macro_rules! widened {
        ($($variant:ident)*) => {
            match numbers {
                Numbers::I64(values) => return values.get(rows).ok_or_else(corrupt),
                $(Numbers::$variant(values) => {
                    for (to, value) in out.iter_mut().zip(values.rows(rows)) {
                        *to = i64::try_from(*value).unwrap_or(i64::MAX);
                    }
                })*
                _ => return Err(Error::internal("times of a type that the plan has refused")),
            }
        };
    }
    widened!(I8 I16 I32 U8 U16 U32 U64);
    Ok(out)
}
