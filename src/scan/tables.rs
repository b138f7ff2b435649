//! The meaning of value ids, as tables for the hot loops.

use std::sync::Arc;

use super::classes::{TimeRule, key_part};
use super::lanes::{ConditionLane, KeyLane, KeyPart};
use crate::Result;
use crate::dataset::OpenFile;
use crate::dataset::text::TextForm;
use crate::grid::GridAccumulator;
use crate::ids::cursor::Cursor;
use crate::ids::entries::ChunkDictionary;
use crate::ids::values::{Number, ValueTable, ValueType};
use crate::kernel::bitmap::{self, KeyClass, SingleIds};
use crate::kernel::runs;
use crate::parquet::Physical;
use crate::profile::question::{ConditionRule, ScanColumn};
use crate::profile::{Class, Question};

/// The id of a time value that is null or not a point in time.
pub const NO_ID: u32 = u32::MAX;

/// Tables by value id; each has an entry for every value id of its column.
#[derive(Default)]
pub struct Tables {
    /// 1 where all conditions hold.
    pub condition: Vec<u8>,
    /// [`KeyClass`] as a number.
    pub key: Vec<u8>,
    /// The worker's id of the group; meaningful for [`KeyClass::Keep`] only.
    pub group: Vec<u32>,
    /// The worker's id of the point in time, or [`NO_ID`].
    pub time: Vec<u32>,
    /// Whether any time value id but the null value id is [`NO_ID`].
    pub bad_time: bool,
    /// [`Class`] as a number.
    pub class: Vec<u8>,
    /// The value ids of excluded classes.
    pub excluded: Vec<u32>,
    /// Numbers.
    pub measures: ValueTable,
    /// Scratch space for the numbers of a dictionary.
    bits: Vec<u64>,
    /// Predicates as single value ids, and the table lengths for which they were computed.
    value_ids: (usize, usize, Option<SingleIds>),
    /// The only value id of class 1, if there is exactly one, and the table length for which it was computed.
    class_one: (usize, Option<u16>),
    /// Key value ids that no selected row of the bitmap path has had so far.
    unseen_keys: Unseen,
    /// Time value ids that no selected row of the bitmap path has had so far.
    unseen_times: Unseen,
    /// First cells by key value id, offsets by time value id, and the layout they are for.
    bases: Vec<u32>,
    offsets: Vec<u32>,
    laid_out: (usize, usize, usize),
}

/// The columns of the next row group that have the same dictionary as before.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools)] // one a column
pub struct SameDictionaries {
    /// All conditions.
    pub condition: bool,
    /// All keys.
    pub key: bool,
    /// Time.
    pub time: bool,
    /// Class.
    pub class: bool,
    /// Measure.
    pub measure: bool,
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
        let SameDictionaries { condition, key, time, class, measure } = same;
        if !condition {
            self.condition.clear();
        }
        if !key {
            self.key.clear();
            self.group.clear();
            self.unseen_keys.clear();
        }
        if !time {
            self.time.clear();
            self.bad_time = false;
            self.unseen_times.clear();
        }
        if !class {
            self.class.clear();
            self.excluded.clear();
            self.class_one = (0, None);
        }
        if !measure {
            self.measures.clear();
        }
        if !(condition && key) {
            self.value_ids = (0, 0, None);
        }
        if !(key && time) {
            self.laid_out = (0, 0, 0);
        }
    }

    /// Updates everything that is derived from the tables; call after value ids were added.
    pub fn derive(&mut self, dense: &GridAccumulator) {
        if (self.value_ids.0, self.value_ids.1) != (self.condition.len(), self.key.len()) {
            self.value_ids =
                (self.condition.len(), self.key.len(), SingleIds::find(&self.condition, &self.key));
        }
        if self.class_one.0 != self.class.len() {
            let of_class = |class: Class| {
                self.class
                    .iter()
                    .zip(0..)
                    .filter(move |(c, _)| **c == class as u8)
                    .map(|(_, value_id)| value_id)
            };
            let mut organic = of_class(Class::Organic);
            let only = match (organic.next(), organic.next()) {
                (Some(value_id), None) => Some(value_id),
                // No value id is of class 1: then the null value id serves, which no dictionary id of the chunk equals.
                (None, _) => of_class(Class::Excluded).next(),
                _ => None,
            };
            self.class_one = (self.class.len(), only);
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

    /// The predicates on conditions and keys.
    pub fn predicate(&self) -> bitmap::Predicate<'_> {
        bitmap::Predicate {
            condition_met: &self.condition,
            key_class: &self.key,
            value_ids: self.value_ids.2,
        }
    }

    /// The meaning of the value ids of a run.
    pub fn meaning(&self) -> runs::Meaning<'_> {
        runs::Meaning {
            class_of: &self.class,
            class_one: self.class_one.1,
            zero: self.measures.zero,
            ints: &self.measures.ints,
            narrow: &self.measures.narrow,
        }
    }

    /// Whether rows of the class column may be of an excluded class.
    pub fn has_excluded(&self, cursor: &Cursor<'_>) -> bool {
        let null = cursor.entries.null();
        self.excluded.iter().any(|id| *id != null) || !self.excluded.is_empty() && cursor.may_be_null()
    }

    /// The cells to which selected rows add.
    pub fn cell_offsets(&self) -> bitmap::CellOffsets<'_> {
        bitmap::CellOffsets {
            bases: &self.bases,
            offsets: &self.offsets,
            classes: &self.class,
            ints: &self.measures.ints,
        }
    }

    /// Records the keys and times of the selected rows of a block.
    pub fn mark_present(&mut self, keep: &[u64], keys: &[u16], times: &[u16], dense: &mut GridAccumulator) {
        let (class, group, time) = (&self.key, &self.group, &self.time);
        let is_key = |value_id: u16| class.get(usize::from(value_id)) == Some(&(KeyClass::Keep as u8));
        self.unseen_keys.mark_seen(keep, keys, class.len(), is_key, |value_id| {
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

    /// Adds the new value ids of the conditions.
    pub fn conditions(&mut self, lane: &mut ConditionLane<'_>, question: &Question, file: &OpenFile<'_>) {
        let rules = question.conditions.iter();
        match lane {
            ConditionLane::One(cursor) => {
                for condition in rules {
                    add_met(&mut self.condition, &cursor.entries, condition, file);
                }
            }
            ConditionLane::Many(many) => {
                for ((cursor, met), condition) in many.cursors.iter().zip(&mut many.met).zip(rules) {
                    add_met(met, &cursor.entries, condition, file);
                }
                if self.condition.is_empty() {
                    self.condition.resize(question.conditions.len(), 0);
                    self.condition.push(1);
                }
            }
        }
    }

    /// Adds the new value ids of the keys, and their new combinations.
    pub fn keys(
        &mut self,
        lane: &mut KeyLane<'_>,
        question: &Question,
        file: &OpenFile<'_>,
        dense: &mut GridAccumulator,
    ) -> Result<()> {
        match lane {
            KeyLane::One(cursor) => {
                let Some(key) = question.keys.first() else { return Ok(()) };
                let new = new_ids(&self.key, &cursor.entries);
                // Most blocks have none: then the column need not be looked up.
                if new.is_empty() {
                    return Ok(());
                }
                let form = form(file, &key.column);
                for value_id in new {
                    let value = cursor.entries.get(value_id);
                    // The dictionaries of many files have most members in the same order.
                    let likely = value
                        .filter(|value| form == TextForm::Text && key.rule.is_plain(value))
                        .and_then(|name| dense.next_group(name));
                    let (class, group) = match likely {
                        Some(group) => (KeyClass::Keep, group),
                        None => {
                            let part = key_part(key, form, value)?;
                            let is_kept = part.class == KeyClass::Keep;
                            (part.class, if is_kept { dense.group(&part.name)? } else { 0 })
                        }
                    };
                    self.key.push(class as u8);
                    self.group.push(group);
                }
            }
            KeyLane::Many(many) => {
                many.joined.parts.resize(many.cursors.len(), Vec::new());
                let columns = many.cursors.iter().zip(&mut many.joined.parts).zip(&question.keys);
                for ((cursor, parts), key) in columns {
                    let form = form(file, &key.column);
                    for value_id in new_ids(parts, &cursor.entries) {
                        parts.push(key_part(key, form, cursor.entries.get(value_id))?);
                    }
                }
                for KeyPart { class, name } in many.joined.combined.iter().skip(self.key.len()) {
                    let group = if *class == KeyClass::Keep { dense.group(name)? } else { 0 };
                    self.key.push(*class as u8);
                    self.group.push(group);
                }
            }
        }
        Ok(())
    }

    /// Adds the new value ids of the time column.
    pub fn times(
        &mut self,
        cursor: &Cursor<'_>,
        rule: &TimeRule<'_>,
        dense: &mut GridAccumulator,
    ) -> Result<()> {
        for value_id in new_ids(&self.time, &cursor.entries) {
            let id = match cursor.entries.get(value_id).and_then(|raw| rule.point(raw)) {
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

    /// Adds the new value ids of the class column.
    pub fn classes(&mut self, cursor: &Cursor<'_>, question: &Question) {
        for value_id in new_ids(&self.class, &cursor.entries) {
            let class = match &question.class {
                Some(rule) => rule.class(cursor.entries.get(value_id)),
                // Classes are keys: all rows add to one sum.
                None => Class::Paid,
            };
            if class == Class::Excluded {
                self.excluded.push(value_id);
            }
            self.class.push(class as u8);
        }
    }

    /// Adds the new value ids of the measure column.
    pub fn measures(&mut self, cursor: &Cursor<'_>, kind: ValueType, physical: Physical) -> Result<()> {
        // The dictionary first; most dictionaries hold small integers only.
        if self.measures.ints.is_empty() && cursor.entries.bits(&mut self.bits) {
            self.measures.push_small(kind, physical, &self.bits);
        }
        for value_id in new_ids(&self.measures.ints, &cursor.entries) {
            let number = match cursor.entries.get(value_id) {
                None => Number::Null,
                Some(raw) => kind.number(physical, raw)?,
            };
            self.measures.push(number);
        }
        Ok(())
    }
}

/// How the values of a column of a condition or a key become text.
fn form(file: &OpenFile<'_>, column: &Arc<str>) -> TextForm {
    file.scan.as_ref().and_then(|scan| scan.column(column)).map_or(TextForm::Text, |column| column.form)
}

/// Adds the new value ids of a condition to `met`.
fn add_met(
    met: &mut Vec<u8>,
    entries: &ChunkDictionary,
    condition: &ScanColumn<ConditionRule>,
    file: &OpenFile<'_>,
) {
    let new = new_ids(met, entries);
    // Most blocks have none: then the column need not be looked up.
    if new.is_empty() {
        return;
    }
    let form = form(file, &condition.column);
    for value_id in new {
        let text = entries.get(value_id).map(|raw| form.text(raw));
        met.push(u8::from(condition.rule.holds(text.as_deref())));
    }
}

#[allow(clippy::cast_possible_truncation)] // value ids are 32-bit numbers
fn new_ids<T>(table: &[T], entries: &ChunkDictionary) -> std::ops::Range<u32> {
    table.len() as u32..entries.id_count()
}
