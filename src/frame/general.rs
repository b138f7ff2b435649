//! The general loop over a range of rows: any profile, any key, total rows or none.
//!
//! ```text
//! for each block of rows, column by column:
//!     kind  = of which dimensions outside the key the row is a total row      (one bit a dimension)
//!     drop rows that a condition rules out
//!     key   = its members, joined
//!     point = its time on the axis
//! for each row that is left:  sums[kind].cell(key, point, class) += measure
//! ```
//!
//! 1. What a value means is asked once for each entry of a dictionary, or once while a cache has it; see
//!    [`super::keys`]. Nothing is allocated for a row.
//! 2. Whether there are total rows is known only at the end of the stream, which cannot be read twice. So rows of
//!    each kind have sums of their own, until a row is met that is a total row of all dimensions outside the key:
//!    then only such rows count, and the other sums are dropped.
//! 3. A row of another kind may turn out not to count, so its error is kept until the end.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::array::{Array, Data, Nulls, Stored, with_numbers};
use super::block::mark_dates;
use super::keys::{BAD, BLOCK, Mask, Points, ValueForm, Values, all, and_valid, bytes_of, each_bit};
use super::{Batch, Plan};
use crate::dataset::text::TextForm;
use crate::grid::{Account, GridAccumulator};
use crate::ids::values::Number;
use crate::kernel::bitmap::KeyClass;
use crate::profile::question::{ConditionRule, MAX_TOTALS};
use crate::profile::{Class, Question};
use crate::scan::Progress;
use crate::scan::classes::{TimeCoding, TimeRule, key_part};
use crate::scan::lanes::{JoinedKeys, KeyPart};
use crate::{Error, Result, Semantics, calendar};

/// Blocks between two checks for an interrupt.
const INTERRUPT_BLOCKS: usize = 16;
/// No id yet.
const NONE: u32 = u32::MAX;
/// The class of rows that are excluded because their channel is null.
const NULL_CHANNEL: u32 = 3;

/// A column of the frame, and how its values become text.
#[derive(Debug, Clone, Copy)]
pub struct Slot {
    /// Its number among the columns of a [`Batch`].
    pub at: usize,
    /// The form of numbers.
    pub form: ValueForm,
}

/// Where the columns of a question are in a batch.
#[derive(Debug, Clone)]
pub struct Slots {
    /// Conditions, in the question's order; `None` where the frame lacks an optional column.
    pub conditions: Vec<Option<Slot>>,
    /// Keys, in the question's order.
    pub keys: Vec<Slot>,
    /// The time.
    pub time: usize,
    /// How it is stored.
    pub time_coding: TimeCoding,
    /// The channel; `None` where channels are keys.
    pub class: Option<Slot>,
    /// The measure; `None` where each row is one user.
    pub measure: Option<usize>,
    /// The dates, where legacy semantics need them, and how they are stored.
    pub date: Option<(usize, TimeCoding)>,
    /// The dates beside labels: an error tells the label of a row's date.
    pub hint: Option<(usize, TimeCoding)>,
}

/// Which rows a pass over a range sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kinds {
    /// All, until a total row of all dimensions outside the key is met; then such rows alone.
    All,
    /// All but those total rows, which another path sums.
    Others,
}

/// One thread's sums, by kind of row, and what it knows of the values of each column.
#[derive(Default)]
pub struct General {
    conditions: Vec<Values>,
    keys: Vec<KeyColumn>,
    joined: JoinedKeys,
    points: Points,
    class: Values,
    /// By number of the kind.
    sums: Vec<Sums>,
    scratch: Box<Scratch>,
}

/// A column of the key.
#[derive(Default)]
struct KeyColumn {
    values: Values,
    /// Numbers of parts in [`JoinedKeys::parts`].
    numbers: HashMap<(u8, Arc<str>), u32>,
    /// The part of values that are no members.
    bad: Option<u32>,
    /// The parts of the rows of a block.
    parts: Rows,
}

/// The sums of the rows of one kind.
#[derive(Default)]
pub struct Sums {
    /// The sums. The account's `rows` are those of this kind.
    pub grid: GridAccumulator,
    /// The first row that has an error, and the error. Later rows are not summed.
    pub failed: Option<(u64, Error)>,
    /// Ids of the grid by number of the joined key, and by number of the point.
    groups: Vec<u32>,
    times: Vec<u32>,
}

/// A number for each row of a block; rows that were not resolved have old ones.
struct Rows([u32; BLOCK]);

impl Default for Rows {
    fn default() -> Self {
        Rows([0; BLOCK])
    }
}

/// What the rows of a block mean.
struct Scratch {
    kinds: [u8; BLOCK],
    met: Rows,
    keys: Rows,
    times: Rows,
    classes: Rows,
}

impl Default for Scratch {
    fn default() -> Self {
        let [met, keys, times, classes] = [(); 4].map(|()| Rows::default());
        Scratch { kinds: [0; BLOCK], met, keys, times, classes }
    }
}

/// Removes the rows of `mask` that do not pass `test`.
fn retain(mask: &mut Mask, mut test: impl FnMut(usize) -> bool) {
    for (word, at) in mask.iter_mut().zip((0..).step_by(64)) {
        let mut left = *word;
        while left != 0 {
            let bit = left.trailing_zeros();
            if !test(at + bit as usize) {
                *word &= !(1 << bit);
            }
            left &= left - 1;
        }
    }
}

/// The id at `number` of a list, which grows; makes one where there is none.
#[inline]
fn id_at(ids: &mut Vec<u32>, number: u32, make: impl FnOnce() -> Result<u32>) -> Result<u32> {
    if let Some(id) = ids.get(number as usize)
        && *id != NONE
    {
        return Ok(*id);
    }
    if ids.len() <= number as usize {
        ids.resize(number as usize + 1, NONE);
    }
    let id = make()?;
    if let Some(to) = ids.get_mut(number as usize) {
        *to = id;
    }
    Ok(id)
}

impl Sums {
    /// The grid's ids of a joined key and a point.
    #[inline]
    fn ids(&mut self, joined: &JoinedKeys, points: &Points, key: u32, point: u32) -> Result<(u32, u32)> {
        let Sums { grid, groups, times, .. } = self;
        let group = id_at(groups, key, || {
            let part =
                joined.combined.get(key as usize).ok_or_else(|| Error::internal("a key without a name"))?;
            grid.group(&part.name)
        })?;
        let time = id_at(times, point, || {
            let point = points.get(point).ok_or_else(|| Error::internal("an unknown point in time"))?;
            grid.time(point.clone())
        })?;
        Ok((group, time))
    }
}

/// The columns of a block of a batch, and the rules for them.
struct Block<'b> {
    plan: &'b Plan,
    question: &'b Question,
    batch: &'b Batch,
    rule: &'b TimeRule<'b>,
    /// The rows of the batch.
    rows: Range<usize>,
    /// The rows of the frame before the batch.
    before: u64,
}

impl<'b> Block<'b> {
    fn column(&self, at: usize) -> Result<&'b Array> {
        self.batch.columns.get(at).ok_or_else(|| Error::internal("a column that was not read"))
    }
}

#[allow(clippy::indexing_slicing)] // rows of a mask are below BLOCK; there are sums of every kind
impl General {
    /// Sums rows `rows` of a batch, before which the frame has `before` rows. `met` is whether any thread has met a
    /// row that counts and is a total row of all dimensions outside the key.
    ///
    /// # Errors
    /// Those of the data, with row numbers within the batch, and `Interrupted`.
    #[allow(clippy::too_many_arguments)]
    pub fn run(
        &mut self,
        plan: &Plan,
        batch: &Batch,
        rows: Range<usize>,
        before: u64,
        kinds: Kinds,
        met: &AtomicBool,
        progress: &dyn Progress,
    ) -> Result<()> {
        let question = &plan.question;
        let rule = TimeRule::new(question, plan.slots.time_coding);
        self.conditions.resize_with(question.conditions.len(), Values::default);
        self.keys.resize_with(question.keys.len(), KeyColumn::default);
        self.joined.parts.resize(question.keys.len(), Vec::new());
        for (at, block) in rows.clone().step_by(BLOCK).zip(0usize..) {
            if block.is_multiple_of(INTERRUPT_BLOCKS) && progress.interrupted() {
                return Err(Error::Interrupted);
            }
            if met.load(Ordering::Relaxed) {
                self.drop_others(plan);
                if kinds == Kinds::Others {
                    return Ok(());
                }
            }
            let rows = at..rows.end.min(at + BLOCK);
            self.sum_block(&Block { plan, question, batch, rule: &rule, rows, before }, kinds, met)?;
        }
        Ok(())
    }

    /// Drops the sums of rows that do not count where there are total rows.
    fn drop_others(&mut self, plan: &Plan) {
        let last = self.sums.len().saturating_sub(1).min(plan.all_totals().number() as usize);
        self.sums[..last]
            .iter_mut()
            .filter(|sums| !sums.grid.is_empty())
            .for_each(|sums| *sums = Sums::default());
    }

    /// The sums by kind of row.
    pub fn into_sums(self) -> Vec<Sums> {
        self.sums
    }

    fn sum_block(&mut self, block: &Block<'_>, pass: Kinds, met: &AtomicBool) -> Result<()> {
        let (start, n) = (block.rows.start, block.rows.len());
        let main = block.plan.all_totals().number() as usize;
        self.sums.resize_with(main + 1, Sums::default);
        self.kinds(block)?;
        let is_met = met.load(Ordering::Relaxed);
        let legacy = block.question.job.semantics == Semantics::Legacy;
        if legacy {
            self.record_presence(block, main)?;
        }
        let kinds = &self.scratch.kinds;
        let mut counts = [0u64; 1 << MAX_TOTALS];
        kinds[..n].iter().for_each(|kind| counts[usize::from(*kind)] += 1);
        let mut live = all(n);
        if main > 0 {
            let wanted = |kind: usize| match pass {
                Kinds::All => kind == main || !is_met,
                Kinds::Others => kind != main,
            };
            self.sums
                .iter_mut()
                .zip(counts)
                .enumerate()
                .filter(|(kind, _)| wanted(*kind))
                .for_each(|(_, (sums, rows))| sums.grid.account.rows += rows);
            retain(&mut live, |row| wanted(usize::from(kinds[row])));
        } else {
            self.sums[0].grid.account.rows += n as u64;
        }
        self.apply_conditions(block, &mut live)?;
        if pass == Kinds::All && !is_met {
            let mut any = false;
            each_bit(&live, |row| {
                any |= usize::from(self.scratch.kinds[row]) == main;
                Ok(())
            })?;
            if any {
                met.store(true, Ordering::Relaxed);
            }
        }
        self.join_keys(block, &mut live)?;
        if live.iter().all(|word| *word == 0) {
            return Ok(());
        }
        let slots = &block.plan.slots;
        self.points
            .resolve(block.column(slots.time)?, block.rule, (start, n), &live, &mut self.scratch.times.0)
            .map_err(|e| e.in_column(time_column(block.question, block.rule)))?;
        self.classify(block, &live)?;
        let Some(at) = slots.measure else {
            return self.add(block, &live, |_| Some(Number::Small(1)));
        };
        let measure = block.column(at)?;
        let mut valid = live;
        and_valid(measure, start, &mut valid);
        let is_valid = |row: usize| valid[row / 64] >> (row % 64) & 1 == 1;
        let nan_is_null = matches!(measure.nulls, Nulls::Within);
        match &measure.data {
            Data::Numbers(numbers) => with_numbers!(numbers, block.rows.clone(), values => {
                self.add(block, &live, |row| {
                    if !is_valid(row) {
                        return Some(Number::Null);
                    }
                    match values.get(row)?.number()? {
                        Number::Nan if nan_is_null => Some(Number::Null),
                        number => Some(number),
                    }
                })
            }),
            Data::Null => self.add(block, &live, |_| Some(Number::Null)),
            _ => Err(Error::internal("values of a type that the plan has refused")),
        }
    }

    /// Finds out of which dimensions outside the key the rows are total rows.
    fn kinds(&mut self, block: &Block<'_>) -> Result<()> {
        let (start, n) = (block.rows.start, block.rows.len());
        let Scratch { kinds, met, .. } = &mut *self.scratch;
        kinds[..n].fill(0);
        let conditions = block.question.conditions.iter().zip(&block.plan.slots.conditions);
        for (((condition, slot), values), at) in conditions.zip(&mut self.conditions).zip(0u32..) {
            let ConditionRule::IsTotal(_) = &condition.rule else { break };
            let Some(slot) = slot else {
                // Without the column, all rows are total rows.
                kinds[..n].iter_mut().for_each(|kind| *kind |= 1 << at);
                continue;
            };
            values
                .resolve(block.column(slot.at)?, slot.form, start, &all(n), &mut met.0, |value| {
                    Ok(u32::from(condition.rule.holds(value)))
                })
                .map_err(|e| e.in_column(&condition.column))?;
            for (kind, met) in kinds[..n].iter_mut().zip(&met.0) {
                *kind |= u8::from(*met == 1) << at;
            }
        }
        Ok(())
    }

    /// Drops the rows of `live` that a condition rules out.
    fn apply_conditions(&mut self, block: &Block<'_>, live: &mut Mask) -> Result<()> {
        let Scratch { kinds, met, .. } = &mut *self.scratch;
        let conditions = block.question.conditions.iter().zip(&block.plan.slots.conditions);
        for ((condition, slot), values) in conditions.zip(&mut self.conditions) {
            let (false, Some(slot)) = (matches!(condition.rule, ConditionRule::IsTotal(_)), slot) else {
                continue;
            };
            values
                .resolve(block.column(slot.at)?, slot.form, block.rows.start, live, &mut met.0, |value| {
                    Ok(u32::from(condition.rule.holds(value)))
                })
                .map_err(|e| e.in_column(&condition.column))?;
            retain(live, |row| {
                let holds = met.0[row] == 1;
                if !holds {
                    self.sums[usize::from(kinds[row])].grid.account.where_not_met += 1;
                }
                holds
            });
        }
        Ok(())
    }

    /// Finds the joined keys of the rows `live`, and drops those that the key rules out.
    fn join_keys(&mut self, block: &Block<'_>, live: &mut Mask) -> Result<()> {
        let General { keys: columns, joined, sums, scratch, .. } = self;
        let keys = block.question.keys.iter().zip(&block.plan.slots.keys).zip(&mut joined.parts);
        for (((key, slot), parts), column) in keys.zip(columns.iter_mut()) {
            column
                .resolve(block.column(slot.at)?, slot.form, block.rows.start, live, parts, |value| {
                    key_part(key, TextForm::Text, value).ok()
                })
                .map_err(|e| e.in_column(&key.column))?;
        }
        let any_bad = columns.iter().any(|column| column.bad.is_some());
        let Scratch { kinds, keys, .. } = &mut **scratch;
        let mut failed = None;
        retain(live, |row| {
            let number = match joined.join(columns.iter().map(|column| column.parts.0[row])) {
                Ok(number) => number,
                Err(error) => {
                    failed.get_or_insert(error);
                    return false;
                }
            };
            let account = &mut sums[usize::from(kinds[row])].grid.account;
            match joined.combined.get(number as usize).map(|part| part.class) {
                Some(KeyClass::Null) => account.null_member += 1,
                Some(KeyClass::Total) => account.total_row += 1,
                _ => {
                    let is_bad =
                        any_bad && columns.iter().any(|column| column.bad == Some(column.parts.0[row]));
                    keys.0[row] = if is_bad { BAD } else { number };
                    return true;
                }
            }
            false
        });
        failed.map_or(Ok(()), Err)
    }

    /// Finds the classes of the rows `live`.
    fn classify(&mut self, block: &Block<'_>, live: &Mask) -> Result<()> {
        let classes = &mut self.scratch.classes.0;
        let (Some(slot), Some(rule)) = (block.plan.slots.class, &block.question.class) else {
            // Classes are keys: all rows add to one sum.
            classes.fill(Class::Paid as u32);
            return Ok(());
        };
        self.class
            .resolve(block.column(slot.at)?, slot.form, block.rows.start, live, classes, |value| {
                Ok(match rule.class(value) {
                    Class::Excluded if value.is_none() => NULL_CHANNEL,
                    class => class as u32,
                })
            })
            .map_err(|e| {
                e.in_column(block.question.job.profile.channel.column.as_deref().unwrap_or_default())
            })
    }

    /// Adds the rows `live`; `measure` is the number of a row, `None` for one past 128 bits.
    fn add(
        &mut self,
        block: &Block<'_>,
        live: &Mask,
        measure: impl Fn(usize) -> Option<Number>,
    ) -> Result<()> {
        let General { keys: columns, joined, points, sums, scratch, .. } = self;
        let Scratch { kinds, keys, times, classes, .. } = &**scratch;
        let main = block.plan.all_totals().number() as usize;
        let legacy = block.question.job.semantics == Semantics::Legacy;
        each_bit(live, |row| {
            let kind = usize::from(kinds[row]);
            let of_kind = &mut sums[kind];
            if of_kind.failed.is_some() {
                return Ok(());
            }
            let (key, point) = (keys.0[row], times.0[row]);
            let added = if key == BAD {
                Err(bad_member(block, columns, row))
            } else if point == BAD {
                Err(bad_time(block, row))
            } else {
                let class = classes.0[row];
                of_kind.ids(joined, points, key, point).and_then(|(group, time)| {
                    add_row(&mut of_kind.grid, (group, time), class, || measure(row), legacy)
                        .map_err(|e| e.in_column(block.question.measure_column()))
                })
            };
            let at = (block.rows.start + row) as u64;
            match added.map_err(|e| e.at_row(at)) {
                Err(error) if kind != main => {
                    of_kind.failed = Some((block.before + at, error.offset_row(block.before)));
                    Ok(())
                }
                added => added,
            }
        })
    }

    /// Records the groups and the dates of all rows, whether or not they count; legacy semantics only.
    fn record_presence(&mut self, block: &Block<'_>, main: usize) -> Result<()> {
        let (start, n) = (block.rows.start, block.rows.len());
        let General { keys: columns, joined, sums, .. } = self;
        let keys = block.question.keys.iter().zip(&block.plan.slots.keys).zip(&mut joined.parts);
        for (((key, slot), parts), column) in keys.zip(columns.iter_mut()) {
            column.resolve(block.column(slot.at)?, slot.form, start, &all(n), parts, |value| {
                key_part(key, TextForm::Text, value).ok()
            })?;
        }
        let Sums { grid, groups, .. } = &mut sums[main];
        for row in 0..n {
            if columns.iter().any(|column| column.bad == Some(column.parts.0[row])) {
                continue;
            }
            let number = joined.join(columns.iter().map(|column| column.parts.0[row]))?;
            let Some(part) = joined.combined.get(number as usize).filter(|part| part.class == KeyClass::Keep)
            else {
                continue;
            };
            let group = id_at(groups, number, || grid.group(&part.name))?;
            grid.mark_present_raw(group);
        }
        match block.plan.slots.date {
            Some((at, coding)) => mark_dates(block.column(at)?, block.rows.clone(), coding, grid),
            None => Ok(()),
        }
    }
}

impl KeyColumn {
    /// Finds the numbers of the parts of the rows `wanted` of a block; `part` is what a value means, `None` for a value
    /// that is no member.
    fn resolve(
        &mut self,
        array: &Array,
        form: ValueForm,
        start: usize,
        wanted: &Mask,
        parts: &mut Vec<KeyPart>,
        part: impl Fn(Option<&[u8]>) -> Option<KeyPart>,
    ) -> Result<()> {
        let KeyColumn { values, numbers, bad, parts: rows } = self;
        let push = |parts: &mut Vec<KeyPart>, part: KeyPart| {
            let number = u32::try_from(parts.len()).ok().filter(|number| *number < BAD);
            parts.push(part);
            number.ok_or_else(|| Error::too_large("more than 2^32 members"))
        };
        values.resolve(array, form, start, wanted, &mut rows.0, |value| {
            let Some(part) = part(value) else { return Ok(BAD) };
            let id = (part.class as u8, part.name.clone());
            if let Some(number) = numbers.get(&id) {
                return Ok(*number);
            }
            let number = push(parts, part)?;
            numbers.insert(id, number);
            Ok(number)
        })?;
        #[allow(clippy::indexing_slicing)] // rows of a mask are below BLOCK
        each_bit(wanted, |row| {
            if rows.0[row] == BAD {
                rows.0[row] = match bad {
                    Some(bad) => *bad,
                    None => *bad.insert(push(parts, KeyPart { class: KeyClass::Keep, name: "".into() })?),
                };
            }
            Ok(())
        })
    }
}

/// Adds a row that has a group and a point in time.
#[inline]
fn add_row(
    grid: &mut GridAccumulator,
    (group, time): (u32, u32),
    class: u32,
    measure: impl FnOnce() -> Option<Number>,
    legacy: bool,
) -> Result<()> {
    if legacy {
        grid.mark_point_present(group, time);
    } else {
        grid.mark_present(group, time);
    }
    let cell = grid.cell_index(group, time);
    let Account { null_channel, excluded_channel, null_value, nan_value, infinite_value, counted, .. } =
        &mut grid.account;
    if class == NULL_CHANNEL || class == Class::Excluded as u32 {
        *(if class == NULL_CHANNEL { null_channel } else { excluded_channel }) += 1;
        return Ok(());
    }
    let number =
        measure().ok_or_else(|| Error::too_large("a decimal of 32 bytes").expected("at most 128 bits"))?;
    match number {
        Number::Null => *null_value += 1,
        Number::Nan => *nan_value += 1,
        Number::Infinite(_) => *infinite_value += 1,
        _ => *counted += 1,
    }
    // Under iso semantics NaN and infinity count as missing values.
    if legacy || !matches!(number, Number::Nan | Number::Infinite(_)) {
        grid.add(cell + class as usize, number)?;
    }
    Ok(())
}

/// The name of the column of time.
fn time_column<'q>(question: &'q Question, rule: &TimeRule<'_>) -> &'q str {
    let (label, date) = question.time_columns();
    let is_label = matches!(rule.coding, TimeCoding::Label(_));
    let (first, second) = if is_label { (label, date) } else { (date, label) };
    first.or(second).unwrap_or("time")
}

/// The error of a row of a block whose time is none.
#[cold]
fn bad_time(block: &Block<'_>, row: usize) -> Error {
    let Block { plan, question, rule, .. } = block;
    let column = time_column(question, rule);
    let bytes = block
        .column(plan.slots.time)
        .and_then(|array| Points::bytes(array, rule.coding, block.rows.start + row));
    match bytes {
        Ok(bytes) => Error::data(format!("{column} is {}", rule.coding.show(bytes.as_deref())))
            .expected(rule.expected())
            .advice(advice(plan, block.batch, block.rows.start + row))
            .in_column(column),
        Err(error) => error,
    }
}

/// What to do about a row of a batch whose time is none. Where it is a label and the frame has dates, the date tells
/// the label.
#[cold]
pub(super) fn advice(plan: &Plan, batch: &Batch, row: usize) -> String {
    let advice = "Correct the export; rows that do not count may hold anything";
    let label = || {
        let (TimeCoding::Label(form), Some((at, coding))) = (plan.slots.time_coding, plan.slots.hint) else {
            return None;
        };
        let bytes = Points::bytes(batch.columns.get(at)?, coding, row).ok()??;
        let day = coding.day_in(&bytes, plan.question.zone.as_ref())?;
        Some(form.format(calendar::week_of(day)))
    };
    match label() {
        Some(label) => format!("The date of the row is in week {label}. {advice}"),
        None => advice.into(),
    }
}

/// The error of a row of a block of which a value is no member.
#[cold]
#[allow(clippy::indexing_slicing)] // rows of a mask are below BLOCK
fn bad_member(block: &Block<'_>, columns: &[KeyColumn], row: usize) -> Error {
    let keys = block.question.keys.iter().zip(&block.plan.slots.keys).zip(columns);
    for ((key, slot), column) in keys {
        if column.bad != Some(column.parts.0[row]) {
            continue;
        }
        let part = block
            .column(slot.at)
            .and_then(|array| bytes_of(array, slot.form, block.rows.start + row))
            .and_then(|bytes| key_part(key, TextForm::Text, bytes.as_deref()));
        return match part {
            Err(error) => error,
            Ok(_) => Error::data(format!("{} is a number without a text", key.name)).in_column(&key.column),
        };
    }
    Error::internal("a row without a bad member")
}
