//! Rows compared with one another: total rows that are not the sum of their parts, and what [`super::duplicates`] needs.
//!
//! A key of several columns becomes a hash of 64 bits. The hashes of all rows are sorted, as many at a time as fit in
//! memory: a pass reads the rows whose hash belongs to it. Two keys of 100 M have the same hash with probability
//! 3 in 10,000 (the birthday bound, n^2 / 2^65).

use rayon::prelude::*;

use super::Subject;
use super::columns::FileColumns;
use super::counts::{Counts, mix};
use super::lanes::{GroupColumns, Lane, TaskRows, UsersLane, rows_of_block, tasks, unit, users_of};
use super::pass::{SubjectRules, day_of, label_of, read_conditions};
use crate::checks::CheckId;
use crate::checks::model::{Measurement, NotRun, VIOLATIONS, Violation};
use crate::checks::raw::locate;
use crate::checks::raw::rules::{Date, Label};
use crate::dataset::OpenFile;
use crate::ids::column::Column;
use crate::ids::cursor::Cursor;
use crate::ids::values::ValueType;
use crate::parquet::Physical;
use crate::profile::meaning::{Member, MemberRule};
use crate::profile::question::is_total;
use crate::progress::Progress;
use crate::scan::classes::{TimeCoding, TimeRule};
use crate::table::cell::iso_date;
use crate::{Error, Result};

/// The most rows that are compared at a time.
const ROWS_MAX: u64 = 1 << 22;

/// The results of comparing rows.
pub struct Compared {
    /// Rows that occur twice.
    pub duplicates: Result<Measurement, NotRun>,
    /// By dimension with totals: its number, and the keys whose total is not the sum of its parts.
    pub totals: Vec<(usize, Result<Measurement, NotRun>)>,
}

/// The check of a dimension's totals.
pub fn totals_check(name: &str) -> CheckId {
    if name == "country" { CheckId::CountryTotal } else { CheckId::SystemTotal }
}

/// Compares rows with one another, where the profile and the data allow it.
///
/// # Errors
/// Those of reading rows; `Interrupted` where the caller requests cancellation.
pub fn compare(
    subject: &Subject<'_>,
    files: &[OpenFile<'_>],
    columns: &[FileColumns],
    counts: &Counts,
    progress: &dyn Progress,
) -> Result<Compared> {
    let compare = Compare { subject, files, columns, tasks: tasks(files), progress };
    let parts = parts_of(counts.met);
    let mut totals = Vec::new();
    for (at, (name, dimension)) in subject.dimensions.iter().enumerate() {
        if !dimension.has_total() {
            continue;
        }
        let members = counts.dimensions.get(at);
        let has_both =
            members.is_some_and(|m| m.total > 0 && (m.null > 0 || m.names.rows.iter().any(|rows| *rows > 0)));
        let finding = match subject.config.switched_off(totals_check(name)) {
            Some(off) => Err(off),
            None if !has_both => {
                Err(NotRun::NotApplicable(format!("{name} has no total rows, or nothing but them")))
            }
            None => Ok(compare.totals(at, parts)?),
        };
        totals.push((at, finding));
    }
    let duplicates = compare.duplicates(parts)?;
    Ok(Compared { duplicates, totals })
}

/// A row whose key is compared: the hash of the key, and the number of the row among all.
pub(super) type Hashed<T> = (u64, u64, T);

/// The parts in which so many rows are compared.
pub(super) fn parts_of(rows: u64) -> u64 {
    rows.div_ceil(ROWS_MAX).max(1)
}

/// The rows that are compared.
pub(super) struct Compare<'c> {
    pub(super) subject: &'c Subject<'c>,
    pub(super) files: &'c [OpenFile<'c>],
    pub(super) columns: &'c [FileColumns],
    pub(super) tasks: Vec<TaskRows>,
    pub(super) progress: &'c dyn Progress,
}

/// Bits of a row's number that are the row in its file; the others are the file.
const ROW_BITS: u32 = 40;

impl Compare<'_> {
    /// The rows of a part, by hash. `each` reads all columns of a file if `all`.
    pub(super) fn part<T: Send>(
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
                    rows.push((hash, (task.file as u64) << ROW_BITS | row, value));
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

    pub(super) fn check_interrupted(&self) -> Result<()> {
        if self.progress.interrupted() { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// Counts the keys whose total rows are not the sum of their parts.
    fn totals(&self, dimension: usize, parts: u64) -> Result<Measurement> {
        let is_whole = self.columns.iter().filter_map(|c| c.users.as_ref()).all(|(_, _, value_type)| {
            matches!(value_type, ValueType::Int { .. } | ValueType::Decimal { .. })
        });
        let mut patterns: std::collections::BTreeMap<u32, PatternKeys> = std::collections::BTreeMap::new();
        for part in 0..parts {
            let rows = self.part(
                false,
                |task, file, columns, add| self.keyed(dimension, task, file, columns, add),
                (part, parts),
            )?;
            for key in rows.chunk_by(|a, b| a.0 == b.0) {
                let Some((_, first, of_first)) = key.first() else { continue };
                let (mut total, mut sum, mut has_total) = (0.0, 0.0, false);
                for (_, _, row) in key {
                    *(if row.is_total { &mut total } else { &mut sum }) += row.users;
                    has_total |= row.is_total;
                }
                let keys = patterns.entry(of_first.pattern).or_default();
                keys.n += 1;
                keys.has_total |= has_total;
                let tolerance =
                    if is_whole { 0.0 } else { 5e-4 + 1e-12 * f64::abs(total).max(f64::abs(sum)) };
                if f64::abs(total - sum) > tolerance {
                    keys.larger += u64::from(total > sum);
                    keys.wrong.push((*first, total, sum));
                    keys.count += 1;
                }
            }
            for keys in patterns.values_mut() {
                keys.wrong.sort_unstable_by_key(|(row, ..)| *row);
                keys.wrong.truncate(VIOLATIONS);
            }
        }
        // Where total rows are total rows of several dimensions at once, other keys have no total to compare.
        let compared: Vec<&PatternKeys> = patterns.values().filter(|keys| keys.has_total).collect();
        let mut wrong: Vec<(u64, f64, f64)> =
            compared.iter().flat_map(|keys| keys.wrong.iter().copied()).collect();
        wrong.sort_unstable_by_key(|(row, ..)| *row);
        wrong.truncate(VIOLATIONS);
        let violation = |(row, total, sum): &(u64, f64, f64)| -> Result<Violation> {
            let (file, row) = place(*row);
            let key = self.describe(file, row, Some(dimension))?;
            let name = self.subject.dimensions.get(dimension).map_or("", |(name, _)| name);
            Ok(Violation::key(format!("{key}: total over {name} {total}, sum of the parts {sum}")))
        };
        let offenders = wrong.iter().map(violation).collect::<Result<_>>()?;
        let sum = |of: fn(&PatternKeys) -> u64| compared.iter().map(|keys| of(keys)).sum::<u64>();
        let (count, larger) = (sum(|keys| keys.count), sum(|keys| keys.larger));
        let finding = Measurement::count(count, sum(|keys| keys.n), offenders);
        Ok(if count == 0 {
            finding
        } else {
            finding.note(format!("{larger} totals are larger than their parts, {} smaller", count - larger))
        })
    }

    /// The hashes of the keys of rows: all dimensions but one, the channel and the time.
    fn keyed(
        &self,
        dimension: usize,
        task: &TaskRows,
        file: &OpenFile<'_>,
        columns: &FileColumns,
        add: &mut dyn FnMut(u64, u64, Part),
    ) -> Result<()> {
        let rules = SubjectRules::new(self.subject);
        let group = GroupColumns::open(columns, file, task.meta(file)?)?;
        let rows = &task.rows;
        let mut conditions: Vec<Lane<'_, bool>> =
            group.conditions.iter().map(|column| Lane::open(column, rows)).collect::<Result<_>>()?;
        let mut dimensions: Vec<Lane<'_, (u64, bool)>> =
            group.dimensions.iter().map(|column| Lane::open(column, rows)).collect::<Result<_>>()?;
        let mut channel: Lane<'_, u64> = Lane::open(&group.channel, rows)?;
        let mut label: Lane<'_, Label> = Lane::open(&group.label, rows)?;
        let coding = columns.date.as_ref().map_or(TimeCoding::Text, |(_, coding)| *coding);
        let time = TimeRule::new(self.subject.question, coding);
        let cursor = Cursor::new(&group.date, rows.start, false, Vec::new(), None)?;
        let mut date: Lane<'_, Date> =
            Lane::of(if time.is_by_day() { cursor.by_day(&time)? } else { cursor });
        let value = columns.users.as_ref().map_or((Physical::Int64, ValueType::Null), |(_, a, b)| (*a, *b));
        let mut users = UsersLane::open(&group.users, rows, value.0, value.1)?;
        let form = self.subject.job.profile.time.label_form;
        let (mut at, mut met) = (rows.start, Vec::new());
        self.check_interrupted()?;
        while at < rows.end {
            let left = rows.end - at;
            let n = rows_of_block(
                left,
                &mut conditions,
                &mut dimensions,
                &mut channel,
                &mut label,
                &mut date,
                &mut users,
            )?;
            read_conditions(&mut conditions, &rules.conditions, &columns.conditions, n, &mut met)?;
            for ((lane, rule), (column, seed)) in
                dimensions.iter_mut().zip(&rules.members).zip(columns.dimensions.iter().zip(1u64..))
            {
                lane.read(n, |raw| {
                    Ok(hash_member(seed, raw.map(|raw| column.form.text(raw)).as_deref(), rule))
                })?;
            }
            channel.read(n, |raw| Ok(hash_value(0, raw)))?;
            label.read(n, |raw| Ok(label_of(raw, form)))?;
            date.read(n, |raw| Ok(day_of(raw, &time)))?;
            users.read(n)?;
            for (in_block, _) in met.iter().enumerate().filter(|(_, met)| **met) {
                let step = match (date.get(in_block), label.get(in_block)) {
                    (Some(Date::Day(day)), _) => u64::from(day.cast_unsigned()),
                    (_, Some(Label::Week(week))) => u64::from(week.cast_unsigned()) | 1 << 32,
                    _ => continue,
                };
                let mut hash = mix(step).wrapping_add(channel.get(in_block).unwrap_or_default());
                let (mut pattern, mut is_total) = (0u32, false);
                for ((lane, number), bit) in dimensions.iter().zip(0..).zip(0u32..) {
                    let (member, total) = lane.get(in_block).unwrap_or_default();
                    if number == dimension {
                        is_total = total;
                    } else {
                        hash = hash.wrapping_add(member);
                        pattern |= u32::from(total) << bit.min(31);
                    }
                }
                let number = users.get(in_block);
                let users = if columns.users.is_some() { users_of(number, unit(value.1)) } else { 1.0 };
                add(mix(hash), task.before + at + in_block as u64, Part { users, pattern, is_total });
            }
            at += u64::from(n);
        }
        Ok(())
    }

    /// A row as text: its date, its members but those of a dimension, and its channel.
    pub(super) fn describe(&self, file: usize, row: u64, without: Option<usize>) -> Result<String> {
        let mut parts = Vec::new();
        let task = self.tasks.iter().find(|task| {
            task.file == file && (task.before + task.rows.start..task.before + task.rows.end).contains(&row)
        });
        let (Some(task), Some(opened), Some(columns)) = (task, self.files.get(file), self.columns.get(file))
        else {
            return Ok(String::new());
        };
        let group = GroupColumns::open(columns, opened, task.meta(opened)?)?;
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
        Ok(parts.join(", "))
    }
}

/// The file and the row of a row's number.
pub(super) fn place(row: u64) -> (usize, u64) {
    (usize::try_from(row >> ROW_BITS).unwrap_or(usize::MAX), row & ((1 << ROW_BITS) - 1))
}

/// A row of a key whose total is compared with its parts.
struct Part {
    users: f64,
    /// The other dimensions of which it is a total row.
    pattern: u32,
    is_total: bool,
}

/// The keys of rows that are total rows of the same other dimensions.
#[derive(Default)]
struct PatternKeys {
    n: u64,
    has_total: bool,
    count: u64,
    larger: u64,
    /// The first row of a key, its total and the sum of its parts.
    wrong: Vec<(u64, f64, f64)>,
}

/// The hash of bytes: FNV-1a (G. Fowler, L. C. Noll, K.-P. Vo), and mixed.
pub(super) fn hash_bytes(seed: u64, bytes: &[u8]) -> u64 {
    let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    mix(bytes.iter().fold(0xcbf2_9ce4_8422_2325 ^ mix(seed), fnv).wrapping_add(bytes.len() as u64))
}

pub(super) fn hash_value(seed: u64, raw: Option<&[u8]>) -> u64 {
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
