//! Several columns as one: conditions that must all hold, and the columns of a key.
//!
//! The paths of the scan walk one column of conditions and one of keys. Where a question has one of each, these are the
//! columns of the file. Else a lane joins the columns:
//!
//! - conditions: the value id of a row is the number of the first condition that it does not meet, or the number of
//!   all conditions where it meets all of them;
//! - keys: every combination of value ids that is met gets the next number. Those that are dropped for the same reason
//!   have one number in common.

use std::collections::HashMap;
use std::sync::Arc;

use super::task::BLOCK;
use crate::ids::cursor::{BlockKind, Cursor, Mark};
use crate::kernel::bitmap::KeyClass;
use crate::parquet::encoding::{RunOrPacked, Span};
use crate::profile::question::SEPARATOR;
use crate::{Error, Result};

/// The most numbers of combinations that are kept in a table; beyond it they are kept in a map.
const TABLE_MAX: usize = 1 << 22;
/// No number yet.
const NONE: u32 = u32::MAX;

/// Columns as one: the only one, or several that are joined.
#[allow(clippy::large_enum_variant)] // two a task
pub enum Lane<'a, J> {
    /// One column, as it is.
    One(Cursor<'a>),
    /// Any number.
    Many(J),
}

/// The conditions of a task.
pub type ConditionLane<'a> = Lane<'a, Conditions<'a>>;

/// The columns of the key of a task.
pub type KeyLane<'a> = Lane<'a, Keys<'a>>;

/// Several columns that are joined to one.
pub trait Joined<'a> {
    /// The columns.
    fn cursors(&self) -> &[Cursor<'a>];

    /// The columns.
    fn cursors_mut(&mut self) -> &mut [Cursor<'a>];

    /// The form of the next rows' numbers.
    fn number_kind(&self) -> BlockKind;

    /// As of [`Cursor::segment_after`].
    fn segment_after(&mut self, rows: u32) -> Result<RunOrPacked>;

    /// Reads the next rows as numbers, which `narrow` converts.
    fn read<T: Copy>(&mut self, out: &mut [T], narrow: impl Fn(u32) -> T) -> Result<()>;
}

/// Several conditions, or none.
pub struct Conditions<'a> {
    /// Their columns.
    pub cursors: Vec<Cursor<'a>>,
    /// By condition and value id: 1 where it holds.
    pub met: Vec<Vec<u8>>,
    ids: Vec<u32>,
    narrow: Vec<u16>,
}

/// A position of a lane.
pub enum LaneMark {
    /// Of the only cursor.
    One(Mark),
    /// Of all cursors.
    Many(Vec<Mark>),
}

impl<'a, J: Joined<'a>> Lane<'a, J> {
    /// As of [`Cursor::load_page`].
    #[inline]
    pub fn load_page(&mut self) -> Result<BlockKind> {
        match self {
            Lane::One(cursor) => cursor.load_page(),
            Lane::Many(many) => {
                many.cursors_mut().iter_mut().try_for_each(|cursor| cursor.load_page().map(|_| ()))?;
                Ok(many.number_kind())
            }
        }
    }

    /// As of [`Cursor::rows_in_page`].
    #[inline]
    pub fn rows_in_page(&mut self, most: u32) -> Result<u32> {
        match self {
            Lane::One(cursor) => cursor.rows_in_page(most),
            Lane::Many(many) => {
                many.cursors_mut().iter_mut().try_fold(most, |rows, cursor| cursor.rows_in_page(rows))
            }
        }
    }

    /// As of [`Cursor::skip`].
    #[inline]
    pub fn skip(&mut self, rows: u32) -> Result<()> {
        match self {
            Lane::One(cursor) => cursor.skip(rows),
            Lane::Many(many) => many.cursors_mut().iter_mut().try_for_each(|cursor| cursor.skip(rows)),
        }
    }

    /// As of [`Cursor::mark`].
    #[inline]
    pub fn mark(&self) -> LaneMark {
        match self {
            Lane::One(cursor) => LaneMark::One(cursor.mark()),
            Lane::Many(many) => LaneMark::Many(many.cursors().iter().map(Cursor::mark).collect()),
        }
    }

    /// As of [`Cursor::reset`].
    #[inline]
    pub fn reset(&mut self, mark: LaneMark) {
        match (self, mark) {
            (Lane::One(cursor), LaneMark::One(mark)) => cursor.reset(mark),
            (Lane::Many(many), LaneMark::Many(marks)) => {
                many.cursors_mut().iter_mut().zip(marks).for_each(|(cursor, mark)| cursor.reset(mark));
            }
            _ => {}
        }
    }

    /// As of [`Cursor::segment`].
    #[inline]
    pub fn segment(&mut self) -> Result<RunOrPacked> {
        match self {
            Lane::One(cursor) => cursor.segment(),
            Lane::Many(many) => many.segment_after(0),
        }
    }

    /// As of [`Cursor::segment_after`].
    #[inline]
    pub fn segment_after(&mut self, rows: u32) -> Result<RunOrPacked> {
        match self {
            Lane::One(cursor) => cursor.segment_after(rows),
            Lane::Many(many) => many.segment_after(rows),
        }
    }

    /// As of [`Cursor::read_ids16`].
    #[inline]
    pub fn read_ids16(&mut self, out: &mut [u16]) -> Result<()> {
        match self {
            Lane::One(cursor) => cursor.read_ids16(out),
            #[allow(clippy::cast_possible_truncation)] // the block kind says that numbers fit
            Lane::Many(many) => many.read(out, |number| number as u16),
        }
    }

    /// As of [`Cursor::read_ids32`].
    pub fn read_ids32(&mut self, out: &mut [u32]) -> Result<()> {
        match self {
            Lane::One(cursor) => cursor.read_ids32(out),
            Lane::Many(many) => many.read(out, |number| number),
        }
    }
}

impl<'a> ConditionLane<'a> {
    /// The lane of these columns. `met` are the tables of an earlier lane of the same columns.
    pub fn new(mut cursors: Vec<Cursor<'a>>, met: Vec<Vec<u8>>, is_single: bool) -> Self {
        match cursors.pop() {
            Some(only) if is_single && cursors.is_empty() => Lane::One(only),
            last => {
                cursors.extend(last);
                Lane::Many(Conditions { cursors, met, ids: Vec::new(), narrow: Vec::new() })
            }
        }
    }

    /// The number of the condition that rows of a value id do not meet.
    #[inline]
    pub fn number_of(&self, value_id: u32) -> usize {
        match self {
            Lane::One(_) => 0,
            Lane::Many(_) => value_id as usize,
        }
    }

    /// As of [`Cursor::spans`]; several conditions decline.
    #[inline]
    pub fn spans(&mut self, pass: &[u8], most: u32, spans: &mut [Span]) -> (usize, u32) {
        match self {
            Lane::One(cursor) => cursor.spans(pass, most, spans),
            Lane::Many(_) => (0, 0),
        }
    }
}

#[allow(clippy::cast_possible_truncation)] // conditions are few
impl<'a> Joined<'a> for Conditions<'a> {
    fn cursors(&self) -> &[Cursor<'a>] {
        &self.cursors
    }

    fn cursors_mut(&mut self) -> &mut [Cursor<'a>] {
        &mut self.cursors
    }

    fn number_kind(&self) -> BlockKind {
        BlockKind::Ids16
    }

    #[inline(never)]
    fn segment_after(&mut self, rows: u32) -> Result<RunOrPacked> {
        let (mut len, mut packed, mut failed) = (u32::MAX, false, None);
        for (at, (cursor, met)) in self.cursors.iter_mut().zip(&self.met).enumerate() {
            if failed.is_some() {
                // The values of the other conditions do not matter.
                cursor.skip(rows)?;
                continue;
            }
            let segment = cursor.segment_after(rows)?;
            len = len.min(segment.len());
            match segment {
                RunOrPacked::Rle { value, .. } if !packed && met.get(value as usize) == Some(&0) => {
                    failed = Some(at as u32);
                }
                RunOrPacked::Rle { .. } => {}
                RunOrPacked::BitPacked { .. } => packed = true,
            }
        }
        Ok(match packed {
            true => RunOrPacked::BitPacked { len },
            false => RunOrPacked::Rle { value: failed.unwrap_or(self.cursors.len() as u32), len },
        })
    }

    #[inline(never)]
    fn read<T: Copy>(&mut self, out: &mut [T], number: impl Fn(u32) -> T) -> Result<()> {
        out.fill(number(self.cursors.len() as u32));
        self.ids.resize(out.len(), 0);
        // The last condition first, so that the number of the first one that does not hold stays.
        for (at, (cursor, met)) in self.cursors.iter_mut().zip(&self.met).enumerate().rev() {
            read_ids(cursor, &mut self.narrow, &mut self.ids)?;
            check_known(met, &self.ids)?;
            let number = number(at as u32);
            for (out, id) in out.iter_mut().zip(&self.ids) {
                if met.get(*id as usize) != Some(&1) {
                    *out = number;
                }
            }
        }
        Ok(())
    }
}

/// Fails where an id has no entry in `met`.
fn check_known(met: &[u8], ids: &[u32]) -> Result<()> {
    let largest = ids.iter().fold(0, |most, id| most.max(*id));
    if ids.is_empty() || (largest as usize) < met.len() {
        return Ok(());
    }
    Err(Error::internal("a condition on a value without a meaning"))
}

/// Several columns of a key, or none.
pub struct Keys<'a> {
    /// The columns.
    pub cursors: Vec<Cursor<'a>>,
    /// Their combinations.
    pub joined: JoinedKeys,
    left: Vec<u32>,
    right: Vec<u32>,
    narrow: Vec<u16>,
}

/// What a value of a key column means.
#[derive(Debug, Clone)]
pub struct KeyPart {
    /// Whether its rows are dropped.
    pub class: KeyClass,
    /// Its part of the name of the group.
    pub name: Arc<str>,
}

/// Numbers of combinations of value ids, by which rows are grouped.
#[derive(Default)]
pub struct JoinedKeys {
    /// By column and value id.
    pub parts: Vec<Vec<KeyPart>>,
    /// A level for each column but the first and the last: pairs of the number before it and its value id.
    levels: Vec<Pairs>,
    /// Pairs of the number before the last column and its value id, with the numbers of the combinations.
    last: Pairs,
    /// By number: the class, and the name of the group.
    pub combined: Vec<KeyPart>,
    /// The numbers of dropped combinations, by class.
    dropped: [Option<u32>; 3],
}

/// Pairs with their numbers.
#[derive(Default)]
struct Pairs {
    /// Numbers by `left * width + right`; the width is a power of two.
    table: Vec<u32>,
    width: usize,
    /// Instead of the table, where it would be large.
    map: HashMap<(u32, u32), u32>,
    /// In the order in which they are met.
    pairs: Vec<(u32, u32)>,
    numbers: Vec<u32>,
}

impl Pairs {
    /// The number of a pair, if it was met before.
    #[inline]
    fn find(&self, left: u32, right: u32) -> Option<u32> {
        let at = left as usize * self.width;
        match self.table.get(at..at + self.width).and_then(|row| row.get(right as usize)) {
            Some(number) => (*number != NONE).then_some(*number),
            None => self.find_in_map(left, right),
        }
    }

    #[inline(never)]
    fn find_in_map(&self, left: u32, right: u32) -> Option<u32> {
        self.map.get(&(left, right)).copied()
    }

    /// Adds a new pair.
    fn insert(&mut self, left: u32, right: u32, number: u32) {
        self.pairs.push((left, right));
        self.numbers.push(number);
        if !self.map.is_empty() {
            self.map.insert((left, right), number);
            return;
        }
        let at = left as usize * self.width;
        match self.table.get_mut(at..at + self.width).and_then(|row| row.get_mut(right as usize)) {
            Some(to) => *to = number,
            None => self.grow(left, right),
        }
    }

    /// Makes room for a pair in the table, or turns it into a map.
    fn grow(&mut self, left: u32, right: u32) {
        let rows = (left as usize + 1).max(self.table.len() / self.width.max(1)).next_power_of_two();
        let width = (right as usize + 1).max(self.width).next_power_of_two();
        let numbered = self.pairs.iter().zip(&self.numbers);
        if width.saturating_mul(rows) > TABLE_MAX {
            (self.table, self.width) = (Vec::new(), 0);
            self.map = numbered.map(|(pair, number)| (*pair, *number)).collect();
            return;
        }
        (self.table, self.width) = (vec![NONE; width * rows], width);
        for ((left, right), number) in numbered {
            if let Some(to) = self.table.get_mut(*left as usize * width + *right as usize) {
                *to = *number;
            }
        }
    }
}

impl JoinedKeys {
    /// Forgets the combinations; the value ids of a column have changed.
    pub fn clear(&mut self) {
        *self = JoinedKeys::default();
    }

    /// How many combinations were met.
    pub fn count(&self) -> usize {
        self.combined.len()
    }

    /// The number of a combination of value ids, one a column, whose parts are known.
    ///
    /// # Errors
    /// `Internal` for a value id without a part.
    #[inline]
    pub fn join(&mut self, mut value_ids: impl Iterator<Item = u32>) -> Result<u32> {
        let mut left = value_ids.next().unwrap_or_default();
        let mut right = value_ids.next().unwrap_or_default();
        for (level, next) in value_ids.enumerate() {
            left = self.pair(level, left, right);
            right = next;
        }
        self.number(left, right)
    }

    /// The number of a pair of value ids of the first columns, up to that of a level.
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // pairs are fewer than 2^32
    fn pair(&mut self, level: usize, left: u32, right: u32) -> u32 {
        if let Some(number) = self.levels.get(level).and_then(|pairs| pairs.find(left, right)) {
            return number;
        }
        if self.levels.len() <= level {
            self.levels.resize_with(level + 1, Pairs::default);
        }
        let Some(pairs) = self.levels.get_mut(level) else { return NONE };
        let number = pairs.pairs.len() as u32;
        pairs.insert(left, right, number);
        number
    }

    /// The number of the combination of the columns before the last one, and a value id of that. Of a single column,
    /// the value id is `left`.
    #[inline]
    fn number(&mut self, left: u32, right: u32) -> Result<u32> {
        match self.last.find(left, right) {
            Some(number) => Ok(number),
            None => self.add(left, right),
        }
    }

    #[inline(never)]
    #[allow(clippy::cast_possible_truncation)] // combinations are fewer than 2^32
    fn add(&mut self, left: u32, right: u32) -> Result<u32> {
        let part = self.part(left, right)?;
        let next = self.combined.len() as u32;
        let number = match self.dropped.get_mut(part.class as usize) {
            Some(dropped) if part.class != KeyClass::Keep => *dropped.get_or_insert(next),
            _ => next,
        };
        if number == next {
            self.combined.push(part);
        }
        self.last.insert(left, right, number);
        Ok(number)
    }

    /// What a combination means: the first part that is dropped decides.
    fn part(&self, left: u32, right: u32) -> Result<KeyPart> {
        let lost = || Error::internal("a key without a meaning");
        let mut ids = Vec::with_capacity(self.parts.len());
        if self.parts.len() > 1 {
            ids.push(right);
        }
        let mut at = left;
        for level in self.levels.iter().rev() {
            let (left, right) = level.pairs.get(at as usize).copied().ok_or_else(lost)?;
            ids.push(right);
            at = left;
        }
        if !self.parts.is_empty() {
            ids.push(at);
        }
        let mut name = String::new();
        for (number, (id, parts)) in ids.iter().rev().zip(&self.parts).enumerate() {
            let part = parts.get(*id as usize).ok_or_else(lost)?;
            if part.class != KeyClass::Keep {
                return Ok(part.clone());
            }
            if number > 0 {
                name.push(SEPARATOR);
            }
            name.push_str(&part.name);
        }
        Ok(KeyPart { class: KeyClass::Keep, name: name.into() })
    }
}

impl<'a> KeyLane<'a> {
    /// The lane of these columns. `joined` are the combinations of an earlier lane of the same columns.
    pub fn new(mut cursors: Vec<Cursor<'a>>, joined: JoinedKeys) -> Self {
        match cursors.pop() {
            Some(only) if cursors.is_empty() => Lane::One(only),
            last => {
                cursors.extend(last);
                Lane::Many(Keys { cursors, joined, left: Vec::new(), right: Vec::new(), narrow: Vec::new() })
            }
        }
    }

    /// The columns, and the combinations.
    pub fn into_parts(self) -> (Vec<Cursor<'a>>, JoinedKeys) {
        match self {
            Lane::One(cursor) => (vec![cursor], JoinedKeys::default()),
            Lane::Many(many) => (many.cursors, many.joined),
        }
    }
}

impl<'a> Joined<'a> for Keys<'a> {
    fn cursors(&self) -> &[Cursor<'a>] {
        &self.cursors
    }

    fn cursors_mut(&mut self) -> &mut [Cursor<'a>] {
        &mut self.cursors
    }

    fn number_kind(&self) -> BlockKind {
        if self.joined.count() + BLOCK < 1 << 16 { BlockKind::Ids16 } else { BlockKind::Ids32 }
    }

    #[inline(never)]
    fn segment_after(&mut self, rows: u32) -> Result<RunOrPacked> {
        let (mut len, mut left, mut right, mut packed) = (u32::MAX, 0, 0, false);
        for (at, cursor) in self.cursors.iter_mut().enumerate() {
            let segment = cursor.segment_after(rows)?;
            len = len.min(segment.len());
            match segment {
                RunOrPacked::Rle { value, .. } if !packed => match at {
                    0 => left = value,
                    1 => right = value,
                    _ => {
                        left = self.joined.pair(at - 2, left, right);
                        right = value;
                    }
                },
                RunOrPacked::Rle { .. } => {}
                RunOrPacked::BitPacked { .. } => packed = true,
            }
        }
        if packed {
            return Ok(RunOrPacked::BitPacked { len });
        }
        Ok(RunOrPacked::Rle { value: self.joined.number(left, right)?, len })
    }

    #[inline(never)]
    fn read<T: Copy>(&mut self, out: &mut [T], narrow: impl Fn(u32) -> T) -> Result<()> {
        let Keys { cursors, joined, left, right, narrow: ids } = self;
        left.resize(out.len(), 0);
        right.resize(out.len(), 0);
        let mut cursors = cursors.iter_mut();
        for column in [&mut *left, &mut *right] {
            match cursors.next() {
                Some(cursor) => read_ids(cursor, ids, column)?,
                None => column.fill(0),
            }
        }
        for (level, cursor) in cursors.enumerate() {
            for (left, right) in left.iter_mut().zip(right.iter()) {
                *left = joined.pair(level, *left, *right);
            }
            read_ids(cursor, ids, right)?;
        }
        for (out, (left, right)) in out.iter_mut().zip(left.iter().zip(right.iter())) {
            *out = narrow(joined.number(*left, *right)?);
        }
        Ok(())
    }
}

/// Reads the next value ids of a column, by the narrow ones where it has those. `narrow` is scratch space.
fn read_ids(cursor: &mut Cursor<'_>, narrow: &mut Vec<u16>, out: &mut [u32]) -> Result<()> {
    if cursor.load_page()? != BlockKind::Ids16 {
        return cursor.read_ids32(out);
    }
    narrow.resize(out.len(), 0);
    cursor.read_ids16(narrow)?;
    for (out, id) in out.iter_mut().zip(narrow.iter()) {
        *out = u32::from(*id);
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_combination_has_one_number(
            columns in 0usize..5,
            // The far ids turn a table into a map.
            rows in proptest::collection::vec(proptest::collection::vec(prop_oneof![0u32..4, 2000u32..2004], 5), 1..80),
        ) {
            let part = |column: usize, id: u32| KeyPart {
                class: match id {
                    1 => KeyClass::Total,
                    2003 => KeyClass::Null,
                    _ => KeyClass::Keep,
                },
                name: format!("{column}:{id}").into(),
            };
            let parts = (0..columns).map(|column| (0..2004).map(|id| part(column, id)).collect());
            let mut joined = JoinedKeys { parts: parts.collect(), ..JoinedKeys::default() };
            for row in rows.iter().chain(&rows) {
                let ids = row.get(..columns).unwrap();
                let number = joined.join(ids.iter().copied()).unwrap();
                let parts: Vec<KeyPart> = ids.iter().enumerate().map(|(column, id)| part(column, *id)).collect();
                let found = joined.combined.get(number as usize).unwrap();
                let dropped = parts.iter().find(|part| part.class != KeyClass::Keep);
                prop_assert_eq!(found.class, dropped.map_or(KeyClass::Keep, |part| part.class));
                if dropped.is_none() {
                    let names: Vec<&str> = parts.iter().map(|part| &*part.name).collect();
                    prop_assert_eq!(&*found.name, names.join(&SEPARATOR.to_string()));
                }
            }
            // No combination that counts has two numbers, and all that are dropped for one reason have one.
            let mut names: Vec<(u8, &str)> = joined.combined.iter()
                .map(|part| (part.class as u8, if part.class == KeyClass::Keep { &*part.name } else { "" }))
                .collect();
            names.sort_unstable();
            prop_assert!(names.windows(2).all(|pair| pair.first() != pair.last()));
        }
    }
}
