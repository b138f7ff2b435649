//! The rows that are compared with one another, read in this process.
//!
//! A key of several columns becomes a hash of 64 bits. One pass reads all rows and sorts them by hash, in parts
//! ([`super::by_hash`]). Two keys of 100 M have the same hash with probability 3 in 10,000 (the birthday bound,
//! n^2 / 2^65).

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;

use super::Subject;
use super::by_hash::{Batch, ByHash, Stored};
use super::columns::FileColumns;
use super::counts::mix;
use super::duplicates::explain::Stamp;
use super::duplicates::{Found, Identity};
use super::lanes::{GroupColumns, Lanes, TaskRows, unit, users_of};
use super::pass::{SubjectRules, day_of, label_of, read_conditions};
use crate::checks::model::VIOLATIONS;
use crate::checks::raw::locate;
use crate::checks::raw::rules::{Date, Label};
use crate::dataset::OpenFile;
use crate::ids::column::Column;
use crate::ids::cursor::Cursor;
use crate::profile::meaning::{Member, MemberRule};
use crate::profile::question::is_total;
use crate::progress::Progress;
use crate::scan::classes::TimeRule;
use crate::table::cell::iso_date;
use crate::{Error, Result};

/// Reads rows that are compared with one another: in this process, or on the executors of a cluster. Rows are numbered
/// by [`number_of`].
pub trait RowReader {
    /// The rows that are the same row as an earlier one.
    ///
    /// # Errors
    /// Those of reading rows; `Interrupted` where the caller requests cancellation.
    fn repeated(&self, identity: Identity) -> Result<Found>;

    /// The keys of rows, all dimensions but one, with the sums of their total rows and of the others. `is_whole` says
    /// that all numbers of users are whole.
    ///
    /// # Errors
    /// As of [`Self::repeated`].
    fn totals(&self, dimension: usize, is_whole: bool) -> Result<Patterns>;

    /// Rows as text: date, members but those of a dimension, and channel.
    ///
    /// # Errors
    /// As of [`Self::repeated`].
    fn describe(&self, rows: &[u64], without: Option<usize>) -> Result<Vec<String>>;

    /// The values of columns of a connector in two rows.
    ///
    /// # Errors
    /// As of [`Self::repeated`].
    fn stamps(&self, rows: [u64; 2], columns: &[String]) -> Result<Vec<[Option<Stamp>; 2]>>;
}

/// A row whose key is compared: the hash of the key, and the number of the row among all.
pub type Hashed<T> = (u64, u64, T);

/// The rows of some tasks.
pub struct Rows<'c> {
    /// What is compared.
    pub subject: &'c Subject<'c>,
    /// All files.
    pub files: &'c [OpenFile<'c>],
    /// Their columns.
    pub columns: &'c [Arc<FileColumns>],
    /// The rows that are compared.
    pub tasks: Vec<TaskRows>,
    /// Their number.
    pub rows: u64,
    /// Bytes of them that stay in memory while they are compared; others go to a temporary file.
    pub memory: u64,
    /// The callback of the caller.
    pub progress: &'c dyn Progress,
}

/// Bits of a row's number that are the row in its file; the others are the file.
const ROW_BITS: u32 = 40;

/// The number of a row among those of all files.
pub fn number_of(file: usize, row: u64) -> u64 {
    (file as u64) << ROW_BITS | row
}

/// The file and the row of a row's number.
pub fn place(row: u64) -> (usize, u64) {
    (usize::try_from(row >> ROW_BITS).unwrap_or(usize::MAX), row & ((1 << ROW_BITS) - 1))
}

impl Rows<'_> {
    /// All rows, by hash. `each` reads all columns of a file if `all`.
    pub fn by_hash<T: Stored>(
        &self,
        all: bool,
        each: impl Fn(&TaskRows, &OpenFile<'_>, &FileColumns, &mut dyn FnMut(u64, u64, T)) -> Result<()> + Sync,
    ) -> Result<ByHash> {
        TaskRows::announce(&self.tasks, self.files, self.columns, all);
        let by_hash = ByHash::new(self.rows, self.memory);
        let of_task = |batch: &mut Batch<'_, T>, task: &TaskRows| -> Result<()> {
            let (Some(file), Some(columns)) = (self.files.get(task.file), self.columns.get(task.file)) else {
                return Err(Error::internal("no such file"));
            };
            let mut add = |hash, row, value| batch.push((hash, number_of(task.file, row), value));
            let read = each(task, file, columns, &mut add).map_err(|e| task.locate(e, file));
            task.evict(file, columns, all);
            read
        };
        self.tasks
            .par_iter()
            .try_fold(
                || Batch::new(&by_hash),
                |mut batch, task| {
                    of_task(&mut batch, task)?;
                    Ok(batch)
                },
            )
            .try_for_each(|batch: Result<_>| batch?.finish())?;
        Ok(by_hash)
    }

    /// The rows of a part, by hash. `each` reads all columns of a file if `all`.
    pub fn part<T: Send>(
        &self,
        all: bool,
        each: impl Fn(&TaskRows, &OpenFile<'_>, &FileColumns, &mut dyn FnMut(u64, u64, T)) -> Result<()> + Sync,
        (part, parts): (u64, u64),
    ) -> Result<Vec<Hashed<T>>> {
        TaskRows::announce(&self.tasks, self.files, self.columns, all);
        let of_task = |task: &TaskRows| -> Result<Vec<Hashed<T>>> {
            let (Some(file), Some(columns)) = (self.files.get(task.file), self.columns.get(task.file)) else {
                return Err(Error::internal("no such file"));
            };
            let mut rows = Vec::new();
            let mut add = |hash: u64, row: u64, value: T| {
                if hash % parts == part {
                    rows.push((hash, number_of(task.file, row), value));
                }
            };
            let read = each(task, file, columns, &mut add).map_err(|e| task.locate(e, file));
            task.evict(file, columns, all);
            read?;
            Ok(rows)
        };
        let found: Vec<Vec<Hashed<T>>> = self.tasks.par_iter().map(of_task).collect::<Result<_>>()?;
        let mut rows: Vec<Hashed<T>> = found.into_iter().flatten().collect();
        rows.par_sort_unstable_by_key(|(hash, row, _)| (*hash, *row));
        Ok(rows)
    }

    /// Checks for cancellation.
    ///
    /// # Errors
    /// `Interrupted` where the caller requests cancellation.
    pub fn check_interrupted(&self) -> Result<()> {
        if self.progress.interrupted() { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// The task that has a row of a file.
    pub fn task_of(&self, file: usize, row: u64) -> Option<&TaskRows> {
        // Tasks are in the order of their rows.
        let is_before = |task: &TaskRows| (task.file, task.before + task.rows.end) <= (file, row);
        let task = self.tasks.get(self.tasks.partition_point(is_before))?;
        (task.file == file && task.before + task.rows.start <= row).then_some(task)
    }

    /// The hashes of the keys of rows: all dimensions but one, the channel and the time.
    pub fn keyed(
        &self,
        dimension: usize,
        task: &TaskRows,
        file: &OpenFile<'_>,
        columns: &FileColumns,
        add: &mut dyn FnMut(u64, u64, Addend),
    ) -> Result<()> {
        let rules = SubjectRules::new(self.subject);
        let group = GroupColumns::open(columns, file, &task.meta(file)?)?;
        let rows = &task.rows;
        let coding = columns.coding();
        let time = TimeRule::new(self.subject.question, coding);
        let unit = columns.users.as_ref().map_or(1, |(_, _, value_type)| unit(*value_type));
        let mut lanes: Lanes<'_, (u64, bool), u64> = Lanes::open(&group, columns, rows, &time)?;
        let form = self.subject.job.profile.time.label_form;
        let (mut at, mut met) = (rows.start, Vec::new());
        self.check_interrupted()?;
        while at < rows.end {
            let n = lanes.rows_of_block(rows.end - at)?;
            read_conditions(&mut lanes.conditions, &rules.conditions, &columns.conditions, n, &mut met)?;
            for ((lane, rule), (column, seed)) in
                lanes.dimensions.iter_mut().zip(&rules.members).zip(columns.dimensions.iter().zip(1u64..))
            {
                lane.read(n, |raw| {
                    Ok(hash_member(seed, raw.map(|raw| column.form.text(raw)).as_deref(), rule))
                })?;
            }
            lanes.channel.read(n, |raw| Ok(hash_value(0, raw)))?;
            lanes.label.read(n, |raw| Ok(label_of(raw, form)))?;
            lanes.date.read(n, |raw| Ok(day_of(raw, &time)))?;
            lanes.users.read(n)?;
            for (in_block, _) in met.iter().enumerate().filter(|(_, met)| **met) {
                let step = match (lanes.date.get(in_block), lanes.label.get(in_block)) {
                    (Some(Date::Day(day)), _) => u64::from(day.cast_unsigned()),
                    (_, Some(Label::Week(week))) => u64::from(week.cast_unsigned()) | 1 << 32,
                    _ => continue,
                };
                let mut hash = mix(step).wrapping_add(lanes.channel.get(in_block).unwrap_or_default());
                let (mut pattern, mut is_total) = (0u32, false);
                for ((lane, number), bit) in lanes.dimensions.iter().zip(0..).zip(0u32..) {
                    let (member, total) = lane.get(in_block).unwrap_or_default();
                    if number == dimension {
                        is_total = total;
                    } else {
                        hash = hash.wrapping_add(member);
                        pattern |= u32::from(total) << bit.min(31);
                    }
                }
                let number = lanes.users.get(in_block);
                let users = if columns.users.is_some() { users_of(number, unit) } else { 1.0 };
                add(mix(hash), task.before + at + in_block as u64, Addend { users, pattern, is_total });
            }
            at += u64::from(n);
        }
        Ok(())
    }

    /// A row as text: its date, its members but those of a dimension, and its channel.
    /// `None` for a row of other tasks.
    pub fn describe_row(&self, number: u64, without: Option<usize>) -> Result<Option<String>> {
        let (file, row) = place(number);
        let mut parts = Vec::new();
        let (Some(task), Some(opened), Some(columns)) =
            (self.task_of(file, row), self.files.get(file), self.columns.get(file))
        else {
            return Ok(None);
        };
        let group = GroupColumns::open(columns, opened, &task.meta(opened)?)?;
        let in_group = row - task.before;
        let raw = |column: &Column<'_>| -> Result<Option<Vec<u8>>> {
            let mut cursor = Cursor::new(column, in_group, false, Vec::new(), None)?;
            let mut id = [0];
            cursor.read_ids32(&mut id)?;
            let [id] = id;
            Ok(cursor.entries.get(id).map(<[u8]>::to_vec))
        };
        if let Some((_, coding)) = &columns.date {
            let stored = raw(&group.date)?;
            let day = stored
                .as_deref()
                .and_then(|stored| coding.day_in(stored, self.subject.question.zone.as_ref()));
            parts.push(day.map_or_else(|| coding.show(stored.as_deref()), iso_date));
        } else {
            parts.push(locate::name(raw(&group.label)?.as_deref()));
        }
        for (at, (column, located)) in group.dimensions.iter().zip(&columns.dimensions).enumerate() {
            if Some(at) != without && located.location.is_some() {
                let stored = raw(column)?;
                parts
                    .push(locate::name(stored.as_deref().map(|stored| located.form.text(stored)).as_deref()));
            }
        }
        parts.push(locate::name(raw(&group.channel)?.as_deref()));
        Ok(Some(parts.join(", ")))
    }
}

impl RowReader for Rows<'_> {
    fn repeated(&self, identity: Identity) -> Result<Found> {
        self.find_repeated(identity)
    }

    fn totals(&self, dimension: usize, is_whole: bool) -> Result<Patterns> {
        let by_hash =
            self.by_hash(false, |task, file, columns, add| self.keyed(dimension, task, file, columns, add))?;
        by_hash.each(|rows| Patterns::of(rows, is_whole), Patterns::merge)
    }

    fn describe(&self, rows: &[u64], without: Option<usize>) -> Result<Vec<String>> {
        let of_row = |row: &u64| Ok(self.describe_row(*row, without)?.unwrap_or_default());
        rows.iter().map(of_row).collect()
    }

    fn stamps(&self, rows: [u64; 2], columns: &[String]) -> Result<Vec<[Option<Stamp>; 2]>> {
        let stamp = |row: u64, name: &str| match self.stamp(row, name) {
            Err(error @ (Error::Interrupted | Error::Io { .. })) => Err(error),
            // Columns of connectors may be of any kind.
            other => Ok(other.unwrap_or_default()),
        };
        let [row, other] = rows;
        columns.iter().map(|name| Ok([stamp(row, name)?, stamp(other, name)?])).collect()
    }
}

/// A row of a key whose total is compared with its parts.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
pub struct Addend {
    users: f64,
    /// The other dimensions of which it is a total row.
    pattern: u32,
    is_total: bool,
}

impl Stored for Addend {
    const BYTES: usize = 13;

    fn store(self, to: &mut Vec<u8>) {
        to.extend(self.users.to_le_bytes());
        to.extend(self.pattern.to_le_bytes());
        to.push(u8::from(self.is_total));
    }

    fn load(bytes: &[u8]) -> Option<Self> {
        let users = f64::from_le_bytes(*bytes.first_chunk()?);
        let pattern = u32::from_le_bytes(*bytes.get(8..)?.first_chunk()?);
        Some(Addend { users, pattern, is_total: *bytes.get(12)? != 0 })
    }
}

/// Keys, by the dimensions of which their rows are total rows.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Patterns(BTreeMap<u32, PatternKeys>);

/// The keys of rows that are total rows of the same other dimensions.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct PatternKeys {
    /// Keys.
    pub n: u64,
    /// Whether any has a total row.
    pub has_total: bool,
    /// Keys whose total is not the sum of its parts.
    pub count: u64,
    /// Of those, keys whose total is larger.
    pub larger: u64,
    /// The first of them by their first row: that row, the total and the sum of the parts.
    pub wrong: Vec<(u64, f64, f64)>,
}

impl Patterns {
    /// The keys of rows that are sorted by hash and number.
    pub fn of(rows: &[Hashed<Addend>], is_whole: bool) -> Self {
        let mut patterns = Patterns::default();
        for key in rows.chunk_by(|a, b| a.0 == b.0) {
            let Some((_, first, of_first)) = key.first() else { continue };
            let (mut total, mut sum, mut has_total) = (0.0, 0.0, false);
            for (_, _, row) in key {
                *(if row.is_total { &mut total } else { &mut sum }) += row.users;
                has_total |= row.is_total;
            }
            let keys = patterns.0.entry(of_first.pattern).or_default();
            keys.n += 1;
            keys.has_total |= has_total;
            let tolerance = if is_whole { 0.0 } else { 5e-4 + 1e-12 * f64::abs(total).max(f64::abs(sum)) };
            if f64::abs(total - sum) > tolerance {
                keys.larger += u64::from(total > sum);
                keys.wrong.push((*first, total, sum));
                keys.count += 1;
            }
        }
        patterns.0.values_mut().for_each(PatternKeys::limit);
        patterns
    }

    /// Adds the keys of another part of the hashes.
    pub fn merge(&mut self, other: Patterns) {
        for (pattern, other) in other.0 {
            let keys = self.0.entry(pattern).or_default();
            keys.n += other.n;
            keys.has_total |= other.has_total;
            keys.count += other.count;
            keys.larger += other.larger;
            keys.wrong.extend(other.wrong);
            keys.limit();
        }
    }

    /// The keys whose total rows are compared: where total rows are total rows of several dimensions at once, others
    /// have no total.
    pub fn compared(&self) -> Vec<&PatternKeys> {
        self.0.values().filter(|keys| keys.has_total).collect()
    }
}

impl PatternKeys {
    fn limit(&mut self) {
        self.wrong.sort_unstable_by_key(|(row, ..)| *row);
        self.wrong.truncate(VIOLATIONS);
    }
}

/// The hash of bytes: FNV-1a (G. Fowler, L. C. Noll, K.-P. Vo), and mixed.
pub fn hash_bytes(seed: u64, bytes: &[u8]) -> u64 {
    let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    mix(bytes.iter().fold(0xcbf2_9ce4_8422_2325 ^ mix(seed), fnv).wrapping_add(bytes.len() as u64))
}

/// The hash of a value.
pub fn hash_value(seed: u64, raw: Option<&[u8]>) -> u64 {
    // A file that lacks a column has the hashes of one whose values are null.
    raw.map_or(0, |raw| hash_bytes(seed, raw))
}

/// The hash of a member, and whether it is the total.
fn hash_member(seed: u64, text: Option<&[u8]>, rule: &MemberRule) -> (u64, bool) {
    if is_total(rule, text) {
        return (mix(seed), true);
    }
    match rule.member(text) {
        Some(Member::Total) => (mix(seed), true),
        Some(Member::Null) => (0, false),
        Some(Member::Named(name)) => (hash_bytes(seed, name.as_bytes()), false),
        None => (hash_value(seed, text), false),
    }
}
