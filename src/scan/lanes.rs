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

    /// As of [`Cursor::segment`].
    fn segment(&mut self) -> Result<RunOrPacked>;

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
            Lane::Many(many) => many.segment(),
        }
    }

    /// As of [`Cursor::segment_after`].
    #[inline]
    pub fn segment_after(&mut self, rows: u32) -> Result<RunOrPacked> {
        match self {
            Lane::One(cursor) => cursor.segment_after(rows),
            Lane::Many(_) => {
                self.skip(rows)?;
                self.segment()
            }
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
                Lane::Many(Conditions { cursors, met, ids: Vec::new() })
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
    fn segment(&mut self) -> Result<RunOrPacked> {
        let (mut len, mut packed) = (u32::MAX, false);
        for (at, (cursor, met)) in self.cursors.iter_mut().zip(&self.met).enumerate() {
            let segment = cursor.segment()?;
            len = len.min(segment.len());
            match segment {
                RunOrPacked::Rle { value, .. } => {
                    if !packed && met.get(value as usize) == Some(&0) {
                        return Ok(RunOrPacked::Rle { value: at as u32, len });
                    }
                }
                RunOrPacked::BitPacked { .. } => packed = true,
            }
        }
        Ok(match packed {
            true => RunOrPacked::BitPacked { len },
            false => RunOrPacked::Rle { value: self.cursors.len() as u32, len },
        })
    }

    #[inline(never)]
    fn read<T: Copy>(&mut self, out: &mut [T], number: impl Fn(u32) -> T) -> Result<()> {
        out.fill(number(self.cursors.len() as u32));
        self.ids.resize(out.len(), 0);
        // The last condition first, so that the number of the first one that does not hold stays.
        for (at, (cursor, met)) in self.cursors.iter_mut().zip(&self.met).enumerate().rev() {
            cursor.read_ids32(&mut self.ids)?;
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
    /// A level for each column but the first: pairs of the number before it and its value id.
    levels: Vec<Pairs>,
    /// By number: the class, and the name of the group.
    pub combined: Vec<KeyPart>,
    /// By number of the last level: the number of the combination.
    numbers: Vec<u32>,
    /// The numbers of dropped combinations, by class.
    dropped: [Option<u32>; 3],
}

/// Numbers of pairs, in the order in which they are met.
#[derive(Default)]
struct Pairs {
    /// By `left * width + right`, a power of two.
    table: Vec<u32>,
    width: usize,
    /// Instead of the table, where it would be large.
    map: HashMap<(u32, u32), u32>,
    pairs: Vec<(u32, u32)>,
}

impl Pairs {
    #[allow(clippy::cast_possible_truncation)] // pairs are fewer than 2^32
    fn number(&mut self, left: u32, right: u32) -> u32 {
        let (at, width) = (left as usize, self.width);
        if (right as usize) < width
            && at * width + width <= self.table.len()
            && let Some(number) = self.table.get_mut(at * width + right as usize)
        {
            if *number == NONE {
                *number = self.pairs.len() as u32;
                self.pairs.push((left, right));
            }
            return *number;
        }
        self.grow(left, right);
        if self.table.is_empty() {
            let next = self.pairs.len() as u32;
            let number = *self.map.entry((left, right)).or_insert(next);
            if number == next {
                self.pairs.push((left, right));
            }
            return number;
        }
        self.number(left, right)
    }

    /// Makes room for a pair in the table, or turns it into a map.
    fn grow(&mut self, left: u32, right: u32) {
        if self.table.is_empty() && !self.map.is_empty() {
            return;
        }
        let width = (right as usize + 1).max(self.width).next_power_of_two();
        let rows = (left as usize + 1).max(self.table.len() / self.width.max(1)).next_power_of_two();
        self.width = width;
        if width.saturating_mul(rows) > TABLE_MAX {
            self.table = Vec::new();
            self.map = self.pairs.iter().zip(0..).map(|(pair, number)| (*pair, number)).collect();
            return;
        }
        self.table = vec![NONE; width * rows];
        for ((left, right), number) in self.pairs.iter().zip(0..) {
            if let Some(to) = self.table.get_mut(*left as usize * width + *right as usize) {
                *to = number;
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
        let mut last = value_ids.next().unwrap_or_default();
        for (at, value_id) in value_ids.enumerate() {
            if self.levels.len() <= at {
                self.levels.push(Pairs::default());
            }
            let level = self.levels.get_mut(at).ok_or_else(|| Error::internal("a key without its level"))?;
            last = level.number(last, value_id);
        }
        self.number(last)
    }

    /// The number of the combination that ends with pair `last`.
    #[allow(clippy::cast_possible_truncation)] // combinations are fewer than 2^32
    fn number(&mut self, last: u32) -> Result<u32> {
        if let Some(number) = self.numbers.get(last as usize)
            && *number != NONE
        {
            return Ok(*number);
        }
        if self.numbers.len() <= last as usize {
            self.numbers.resize(last as usize + 1, NONE);
        }
        let part = self.part(last)?;
        let next = self.combined.len() as u32;
        let number = match self.dropped.get_mut(part.class as usize) {
            Some(dropped) if part.class != KeyClass::Keep => *dropped.get_or_insert(next),
            _ => next,
        };
        if number == next {
            self.combined.push(part);
        }
        if let Some(to) = self.numbers.get_mut(last as usize) {
            *to = number;
        }
        Ok(number)
    }

    /// What the combination that ends with pair `last` means: the first part that is dropped decides.
    fn part(&self, last: u32) -> Result<KeyPart> {
        let lost = || Error::internal("a key without a meaning");
        let mut ids = Vec::with_capacity(self.parts.len());
        let mut at = last;
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
                Lane::Many(Keys { cursors, joined, left: Vec::new(), right: Vec::new() })
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
    fn segment(&mut self) -> Result<RunOrPacked> {
        let (mut len, mut number, mut packed) = (u32::MAX, 0, false);
        self.joined.levels.resize_with(self.cursors.len().saturating_sub(1), Pairs::default);
        for (at, cursor) in self.cursors.iter_mut().enumerate() {
            let segment = cursor.segment()?;
            len = len.min(segment.len());
            match segment {
                RunOrPacked::Rle { value, .. } if !packed => {
                    number = match at.checked_sub(1).and_then(|level| self.joined.levels.get_mut(level)) {
                        Some(level) => level.number(number, value),
                        None => value,
                    };
                }
                RunOrPacked::Rle { .. } => {}
                RunOrPacked::BitPacked { .. } => packed = true,
            }
        }
        if packed {
            return Ok(RunOrPacked::BitPacked { len });
        }
        Ok(RunOrPacked::Rle { value: self.joined.number(number)?, len })
    }

    #[inline(never)]
    fn read<T: Copy>(&mut self, out: &mut [T], narrow: impl Fn(u32) -> T) -> Result<()> {
        let Keys { cursors, joined, left, right } = self;
        joined.levels.resize_with(cursors.len().saturating_sub(1), Pairs::default);
        left.clear();
        left.resize(out.len(), 0);
        right.resize(out.len(), 0);
        let mut rest = cursors.iter_mut();
        if let Some(first) = rest.next() {
            first.read_ids32(left)?;
        }
        for (cursor, level) in rest.zip(&mut joined.levels) {
            cursor.read_ids32(right)?;
            for (left, right) in left.iter_mut().zip(right.iter()) {
                *left = level.number(*left, *right);
            }
        }
        for (out, last) in out.iter_mut().zip(left.iter()) {
            *out = narrow(joined.number(*last)?);
        }
        Ok(())
    }
}
