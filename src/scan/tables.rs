//! The meaning of the value ids of the five columns, as tables for the hot loops.

use super::classes::{Channel, Country, TimeCoding, country_name};
use crate::calendar;
use crate::grid::{GridAccumulator, TimePoint};
use crate::ids::cursor::Cursor;
use crate::ids::values::{Number, ValueTable, ValueType};
use crate::kernel::bitmap::{self, SingleIds};
use crate::kernel::runs;
use crate::parquet::Physical;
use crate::table::legacy_labels;
use crate::{Job, Result, Semantics};

/// The id of a time value that is null or not a point in time.
pub const NO_ID: u32 = u32::MAX;

/// Tables by value id; each has an entry for every value id of its column.
#[derive(Default)]
pub struct Tables {
    /// 1 where the row is the total over systems.
    pub system: Vec<u8>,
    /// [`Country`] as a number.
    pub country: Vec<u8>,
    /// The worker's id of the country; meaningful for [`Country::Keep`] only.
    pub group: Vec<u32>,
    /// The worker's id of the point in time, or [`NO_ID`].
    pub time: Vec<u32>,
    /// Whether any time value id but the null value id is [`NO_ID`].
    pub bad_time: bool,
    /// [`Channel`] as a number.
    pub channel: Vec<u8>,
    /// Numbers.
    pub values: ValueTable,
    /// Scratch space for the numbers of a dictionary.
    bits: Vec<u64>,
    /// Predicates as single value ids, and the table lengths for which they were computed.
    value_ids: (usize, usize, Option<SingleIds>),
    /// The only organic channel value id, if there is exactly one, and the table length for which it was computed.
    organic: (usize, Option<u16>),
    /// Country value ids that no selected row of the bitmap path has had so far.
    unseen_countries: Unseen,
    /// Time value ids that no selected row of the bitmap path has had so far.
    unseen_times: Unseen,
    /// First cells by country value id, offsets by time value id, and the layout they are for.
    bases: Vec<u32>,
    offsets: Vec<u32>,
    laid_out: (usize, usize, usize),
}

/// The columns of the next row group that have the same dictionary as before.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools)] // one a column
pub struct SameDictionaries {
    /// Operating system.
    pub system: bool,
    /// Country.
    pub country: bool,
    /// Week label or date.
    pub time: bool,
    /// Channel.
    pub channel: bool,
    /// Count of new users.
    pub value: bool,
}

/// Value ids that no row has had so far.
#[derive(Default)]
struct Unseen {
    value_ids: Vec<u16>,
    /// Whether a value id is on the list, for all value ids considered so far.
    is_listed: Vec<bool>,
}

/// Up to this many unseen value ids are compared one by one.
const FEW: usize = 8;

impl Unseen {
    fn clear(&mut self) {
        self.value_ids.clear();
        self.is_listed.clear();
    }

    /// Removes the value ids of the selected rows, and calls `on_seen` for each.
    fn mark_seen(
        &mut self,
        keep: &[u64],
        rows: &[u16],
        value_ids: usize,
        counts: impl Fn(u16) -> bool,
        mut on_seen: impl FnMut(u16),
    ) {
        while self.is_listed.len() < value_ids {
            let value_id = u16::try_from(self.is_listed.len()).ok().filter(|value_id| counts(*value_id));
            self.value_ids.extend(value_id);
            self.is_listed.push(value_id.is_some());
        }
        if self.value_ids.is_empty() {
            return;
        }
        let is_listed = &mut self.is_listed;
        let mut removed = false;
        let mut mark_seen = |value_id: u16| {
            if let Some(is_listed) = is_listed.get_mut(usize::from(value_id))
                && *is_listed
            {
                *is_listed = false;
                removed = true;
                on_seen(value_id);
            }
        };
        if self.value_ids.len() <= FEW {
            self.value_ids
                .iter()
                .filter(|value_id| bitmap::contains(keep, rows, **value_id))
                .for_each(|value_id| mark_seen(*value_id));
        } else {
            for (keep, rows) in keep.iter().zip(rows.chunks(64)) {
                let mut keep = *keep;
                // Most words of an export have one point in time.
                let first = rows.first().copied().unwrap_or_default();
                if keep != 0 && rows.iter().fold(0, |differ, value_id| differ | (value_id ^ first)) == 0 {
                    mark_seen(first);
                    continue;
                }
                while keep != 0 {
                    if let Some(value_id) = rows.get(keep.trailing_zeros() as usize) {
                        mark_seen(*value_id);
                    }
                    keep &= keep - 1;
                }
            }
        }
        if removed {
            self.value_ids.retain(|value_id| is_listed.get(usize::from(*value_id)) == Some(&true));
        }
    }
}

impl Tables {
    /// Forgets the value ids of the columns whose dictionary is not the same in the next row group.
    pub fn keep(&mut self, same: SameDictionaries) {
        let SameDictionaries { system, country, time, channel, value } = same;
        if !system {
            self.system.clear();
        }
        if !country {
            self.country.clear();
            self.group.clear();
            self.unseen_countries.clear();
        }
        if !time {
            self.time.clear();
            self.bad_time = false;
            self.unseen_times.clear();
        }
        if !channel {
            self.channel.clear();
            self.organic = (0, None);
        }
        if !value {
            self.values.clear();
        }
        if !(system && country) {
            self.value_ids = (0, 0, None);
        }
        if !(country && time) {
            self.laid_out = (0, 0, 0);
        }
    }

    /// Updates everything that is derived from the tables; call after value ids were added.
    pub fn derive(&mut self, dense: &GridAccumulator) {
        if (self.value_ids.0, self.value_ids.1) != (self.system.len(), self.country.len()) {
            self.value_ids =
                (self.system.len(), self.country.len(), SingleIds::find(&self.system, &self.country));
        }
        if self.organic.0 != self.channel.len() {
            let mut organic = self
                .channel
                .iter()
                .zip(0..)
                .filter(|(c, _)| **c == Channel::Organic as u8)
                .map(|(_, value_id)| value_id);
            let only = match (organic.next(), organic.next()) {
                (Some(value_id), None) => Some(value_id),
                // No value id is organic: then the null value id serves, which no dictionary id of the chunk equals.
                (None, _) => {
                    self.channel.iter().zip(0..).find(|(c, _)| **c == Channel::Unknown as u8).map(|(_, s)| s)
                }
                _ => None,
            };
            self.organic = (self.channel.len(), only);
        }
        let layout = (self.group.len(), self.time.len(), dense.row());
        if self.laid_out != layout {
            self.laid_out = layout;
            #[allow(clippy::cast_possible_truncation)] // cells are fewer than 2^32
            let place = |group: u32, time: u32| dense.cell_index(group, time) as u32;
            self.bases = self.group.iter().map(|group| place(*group, 0)).collect();
            // An invalid time never reaches the bitmap path.
            let offset = |time: &u32| if *time == NO_ID { 0 } else { place(0, *time) };
            self.offsets = self.time.iter().map(offset).collect();
        }
    }

    /// The predicates on systems and countries.
    pub fn predicate(&self) -> bitmap::Predicate<'_> {
        bitmap::Predicate {
            condition_met: &self.system,
            key_class: &self.country,
            value_ids: self.value_ids.2,
        }
    }

    /// The meaning of the value ids of a run.
    pub fn meaning(&self) -> runs::Meaning<'_> {
        runs::Meaning {
            class_of: &self.channel,
            class_one: self.organic.1,
            zero: self.values.zero,
            ints: &self.values.ints,
            narrow: &self.values.narrow,
        }
    }

    /// The cells to which selected rows add.
    pub fn cell_offsets(&self) -> bitmap::CellOffsets<'_> {
        bitmap::CellOffsets {
            bases: &self.bases,
            offsets: &self.offsets,
            classes: &self.channel,
            ints: &self.values.ints,
        }
    }

    /// Records the countries and times of the selected rows of a block.
    pub fn mark_present(
        &mut self,
        keep: &[u64],
        countries: &[u16],
        times: &[u16],
        dense: &mut GridAccumulator,
    ) {
        let (class, group, time) = (&self.country, &self.group, &self.time);
        let is_country = |value_id: u16| class.get(usize::from(value_id)) == Some(&(Country::Keep as u8));
        self.unseen_countries.mark_seen(keep, countries, class.len(), is_country, |value_id| {
            if let Some(group) = group.get(usize::from(value_id)) {
                dense.mark_group_present(*group);
            }
        });
        let is_time = |value_id: u16| time.get(usize::from(value_id)).is_some_and(|t| *t != NO_ID);
        self.unseen_times.mark_seen(keep, times, time.len(), is_time, |value_id| {
            if let Some(time) = time.get(usize::from(value_id)) {
                dense.mark_time_present(*time);
            }
        });
    }

    /// Adds the new value ids of the system column.
    pub fn systems(&mut self, cursor: &Cursor<'_>, job: &Job) {
        for value_id in new_ids(&self.system, cursor) {
            let total = cursor.entries.get(value_id) == Some(job.os_total.as_bytes());
            self.system.push(u8::from(total));
        }
    }

    /// Adds the new value ids of the country column.
    pub fn countries(&mut self, cursor: &Cursor<'_>, job: &Job, dense: &mut GridAccumulator) -> Result<()> {
        for value_id in new_ids(&self.country, cursor) {
            let (class, group) = match cursor.entries.get(value_id) {
                None => (Country::Null, 0),
                Some(name) if name == job.country_total.as_bytes() => (Country::Total, 0),
                Some(name) => match dense.next_group(name) {
                    Some(group) => (Country::Keep, group),
                    None => (Country::Keep, dense.group(country_name(name, job)?)?),
                },
            };
            self.country.push(class as u8);
            self.group.push(group);
        }
        Ok(())
    }

    /// Adds the new value ids of the time column.
    pub fn times(
        &mut self,
        cursor: &Cursor<'_>,
        job: &Job,
        coding: TimeCoding,
        dense: &mut GridAccumulator,
    ) -> Result<()> {
        for value_id in new_ids(&self.time, cursor) {
            let point = cursor.entries.get(value_id).and_then(|raw| match (coding, job.semantics) {
                (TimeCoding::Label, Semantics::Iso) => calendar::parse_label(raw).map(TimePoint::Step),
                (TimeCoding::Label, Semantics::Legacy) => {
                    let label =
                        std::str::from_utf8(raw).ok().filter(|label| legacy_labels::period(label).is_some());
                    label.map(|label| TimePoint::Label(label.into()))
                }
                _ => coding.day(raw).map(TimePoint::Step),
            });
            let id = match point {
                Some(point) => dense.time(point)?,
                None => {
                    self.bad_time |= value_id != cursor.entries.null();
                    NO_ID
                }
            };
            self.time.push(id);
        }
        Ok(())
    }

    /// Adds the new value ids of the channel column.
    pub fn channels(&mut self, cursor: &Cursor<'_>, job: &Job) {
        for value_id in new_ids(&self.channel, cursor) {
            let channel = match cursor.entries.get(value_id) {
                None => Channel::Unknown,
                Some(name) if job.organic.iter().any(|o| o.as_bytes() == name) => Channel::Organic,
                Some(_) => Channel::Paid,
            };
            self.channel.push(channel as u8);
        }
    }

    /// Adds the new value ids of the value column.
    pub fn numbers(&mut self, cursor: &Cursor<'_>, kind: ValueType, physical: Physical) -> Result<()> {
        // The dictionary first; most dictionaries hold small integers only.
        if self.values.ints.is_empty() && cursor.entries.bits(&mut self.bits) {
            self.values.push_small(kind, physical, &self.bits);
        }
        for value_id in new_ids(&self.values.ints, cursor) {
            let number = match cursor.entries.get(value_id) {
                None => Number::Null,
                Some(raw) => kind.number(physical, raw)?,
            };
            self.values.push(number);
        }
        Ok(())
    }
}

#[allow(clippy::cast_possible_truncation)] // value ids are 32-bit numbers
fn new_ids<T>(table: &[T], cursor: &Cursor<'_>) -> std::ops::Range<u32> {
    table.len() as u32..cursor.entries.id_count()
}
