//! What the slots of the five columns mean, as tables for the hot loops.

use crate::calendar;
use crate::grid::{Dense, TimePoint};
use crate::ids::cursor::Cursor;
use crate::ids::keys::{Channel, Country, TimeCoding};
use crate::ids::values::{Number, ValueTable, ValueType};
use crate::parquet::Physical;
use crate::{Error, Job, Result, Semantics};

/// A time slot that is null or no point in time.
pub const BAD_TIME: u32 = u32::MAX;

/// Tables by slot; each is as long as its column's entries.
#[derive(Default)]
pub struct Tables {
    /// 1 where the row is the total over systems.
    pub system: Vec<u8>,
    /// [`Country`] as a number.
    pub country: Vec<u8>,
    /// The worker's id of the country; meaningful for [`Country::Keep`] only.
    pub group: Vec<u32>,
    /// The worker's id of the point in time, or [`BAD_TIME`].
    pub time: Vec<u32>,
    /// Whether any time slot but the null slot is [`BAD_TIME`].
    pub bad_time: bool,
    /// [`Channel`] as a number.
    pub channel: Vec<u8>,
    /// Numbers.
    pub values: ValueTable,
}

impl Tables {
    /// Forgets all slots, for the next row group.
    pub fn clear(&mut self) {
        self.system.clear();
        self.country.clear();
        self.group.clear();
        self.time.clear();
        self.bad_time = false;
        self.channel.clear();
        self.values.clear();
    }

    /// Takes in the slots that the system column has added.
    pub fn systems(&mut self, cursor: &Cursor<'_>, job: &Job) {
        for slot in new_slots(&self.system, cursor) {
            let total = cursor.entries.get(slot) == Some(job.os_total.as_bytes());
            self.system.push(u8::from(total));
        }
    }

    /// Takes in the slots that the country column has added.
    pub fn countries(&mut self, cursor: &Cursor<'_>, job: &Job, dense: &mut Dense) -> Result<()> {
        for slot in new_slots(&self.country, cursor) {
            let (class, group) = match cursor.entries.get(slot) {
                None => (Country::Null, 0),
                Some(name) if name == job.country_total.as_bytes() => (Country::Total, 0),
                Some(name) => {
                    let name = std::str::from_utf8(name).map_err(|_| {
                        Error::data(format!("the country name {name:02x?}"))
                            .expected("UTF-8")
                            .in_column(&job.columns.country)
                    })?;
                    (Country::Keep, dense.group(name)?)
                }
            };
            self.country.push(class as u8);
            self.group.push(group);
        }
        Ok(())
    }

    /// Takes in the slots that the time column has added.
    pub fn times(
        &mut self,
        cursor: &Cursor<'_>,
        job: &Job,
        coding: TimeCoding,
        dense: &mut Dense,
    ) -> Result<()> {
        for slot in new_slots(&self.time, cursor) {
            let point = cursor.entries.get(slot).and_then(|raw| match (coding, job.semantics) {
                (TimeCoding::Label, Semantics::Iso) => calendar::parse_label(raw).map(TimePoint::Step),
                (TimeCoding::Label, Semantics::Legacy) => {
                    std::str::from_utf8(raw).ok().map(|label| TimePoint::Label(label.into()))
                }
                _ => coding.day(raw).map(TimePoint::Step),
            });
            let id = match point {
                Some(point) => dense.time(point)?,
                None => {
                    self.bad_time |= slot != cursor.entries.null();
                    BAD_TIME
                }
            };
            self.time.push(id);
        }
        Ok(())
    }

    /// Takes in the slots that the channel column has added.
    pub fn channels(&mut self, cursor: &Cursor<'_>, job: &Job) {
        for slot in new_slots(&self.channel, cursor) {
            let channel = match cursor.entries.get(slot) {
                None => Channel::Unknown,
                Some(name) if job.organic.iter().any(|o| o.as_bytes() == name) => Channel::Organic,
                Some(_) => Channel::Paid,
            };
            self.channel.push(channel as u8);
        }
    }

    /// Takes in the slots that the value column has added.
    pub fn numbers(&mut self, cursor: &Cursor<'_>, kind: ValueType, physical: Physical) -> Result<()> {
        for slot in new_slots(&self.values.ints, cursor) {
            let number = match cursor.entries.get(slot) {
                None => Number::Null,
                Some(raw) => kind.number(physical, raw)?,
            };
            self.values.push(number);
        }
        Ok(())
    }
}

#[allow(clippy::cast_possible_truncation)] // slots are 32-bit numbers
fn new_slots<T>(table: &[T], cursor: &Cursor<'_>) -> std::ops::Range<u32> {
    table.len() as u32..cursor.entries.slots()
}
