//! The values that occur in the rows, and how many rows violate a rule: counted row by row.
//!
//! A task counts value ids of dictionaries, by runs where the pages have runs, and looks up what a value id means when
//! it is done. So the only work a row is one increment. [`super::dictionary_pass`] mostly gets along without counting;
//! where it does not, it counts here. Tests compare its results with these.

use std::collections::{BTreeMap, BTreeSet};

use super::RowRange;
use super::mismatch::Mismatches;
use super::passes::Passes;
use super::rules::{Date, Flaw, Label, Rules, has, is_wrong_week, label};
use super::times::Times;
use crate::calendar::label::LabelForm;
use crate::dataset::file::Columns;
use crate::dataset::{OpenFile, Role};
use crate::ids::cursor::{BlockKind, Cursor};
use crate::ids::values::Number;
use crate::parquet::encoding::RunOrPacked;
use crate::phrase::{Phrase, Setting};
use crate::scan::by_row::number_of;
use crate::scan::classes::TimeCoding;
use crate::{Error, Result, calendar};

/// A value as its column stores it; `None` is null.
pub type Key = Option<Box<[u8]>>;
/// Values that rows have.
pub type Names = BTreeSet<Key>;
/// Pairs of values that rows have.
pub type Pairs = BTreeSet<(Key, Key)>;
/// Rows by value.
pub type ByKey = BTreeMap<Key, u64>;

/// Largest number of distinct values or pairs; no column of names has more.
const DISTINCT_MAX: usize = 1 << 20;
/// Pairs of value ids that are counted in a dense table.
const DENSE_PAIRS: usize = 1 << 20;
/// Rows decoded at once.
const BLOCK: usize = BLOCK_ROWS as usize;
const BLOCK_ROWS: u32 = 2048;

/// Rows by the flaw of their value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ValueCounts([u64; Flaw::ALL.len()]);

impl ValueCounts {
    /// Adds `rows` rows of a number.
    pub fn add(&mut self, number: Number, rows: u64, unit: i128) {
        for (flaw, count) in Flaw::ALL.into_iter().zip(&mut self.0) {
            if has(flaw, number, unit) {
                *count += rows;
            }
        }
    }

    /// Rows with a flaw.
    pub fn of(&self, flaw: Flaw) -> u64 {
        #[allow(clippy::indexing_slicing)] // one count a flaw
        let count = self.0[flaw as usize];
        count
    }
}

/// Rows that violate the rules for single rows.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Objections {
    /// Labels that are not written `yyyy_ww`.
    pub malformed: u64,
    /// Labels that are not an ISO week.
    pub no_week: u64,
    /// Labels of another week than the date's, and invalid dates.
    pub wrong_week: u64,
    /// The same labels with their days.
    pub wrong_weeks: Mismatches,
    /// Labels that are not an ISO week, with their days.
    pub no_weeks: Mismatches,
    /// Nulls of the first five roles: date, label, country, system, channel.
    pub nulls: [u64; 5],
    /// Rows by unknown country.
    pub countries: ByKey,
    /// Rows by unknown operating system.
    pub systems: ByKey,
    /// Rows by the flaw of their value.
    pub values: ValueCounts,
}

/// The counts of a part of the rows. Parts are merged in any order.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Rows of all files.
    pub rows: u64,
    /// Countries that occur.
    pub countries: Names,
    /// Operating systems that occur.
    pub systems: Names,
    /// Channels that occur.
    pub channels: Names,
    /// Days that occur, in days since 1970-01-01.
    pub days: BTreeSet<i32>,
    /// Times of day of the dates.
    pub times: Times,
    /// Channels with their tokens, in files that have tokens.
    pub tokens: Pairs,
    /// Channels and whether they have subtrackers, in files that have that column.
    pub subtrackers: Pairs,
    /// Rows that violate rules.
    pub objections: Objections,
}

impl Objections {
    /// Whether a row may have no day: its date is null or invalid. An invalid date is a wrong week, unless the label is
    /// at fault, too.
    pub fn may_lack_days(&self) -> bool {
        let [dates, labels, ..] = self.nulls;
        [dates, labels, self.malformed, self.no_week, self.wrong_week].iter().any(|rows| *rows > 0)
    }
}

impl Counts {
    /// Adds the counts of another part.
    ///
    /// # Errors
    /// `TooLarge` where there are too many distinct values.
    pub fn merge(&mut self, mut other: Counts) -> Result<()> {
        self.rows += other.rows;
        for (to, from) in [
            (&mut self.countries, &mut other.countries),
            (&mut self.systems, &mut other.systems),
            (&mut self.channels, &mut other.channels),
        ] {
            add_all(to, from);
            check_distinct(to.len())?;
        }
        for (to, from) in
            [(&mut self.tokens, &mut other.tokens), (&mut self.subtrackers, &mut other.subtrackers)]
        {
            add_all(to, from);
            check_distinct(to.len())?;
        }
        add_all(&mut self.days, &mut other.days);
        self.times.merge(other.times);
        let (to, from) = (&mut self.objections, other.objections);
        to.malformed += from.malformed;
        to.no_week += from.no_week;
        to.wrong_week += from.wrong_week;
        to.wrong_weeks.merge(from.wrong_weeks);
        to.no_weeks.merge(from.no_weeks);
        to.nulls.iter_mut().zip(from.nulls).for_each(|(to, from)| *to += from);
        to.values.0.iter_mut().zip(from.values.0).for_each(|(to, from)| *to += from);
        for (to, from) in [(&mut to.countries, from.countries), (&mut to.systems, from.systems)] {
            for (key, rows) in from {
                *to.entry(key).or_default() += rows;
            }
            check_distinct(to.len())?;
        }
        Ok(())
    }

    /// Days that occur, in order.
    pub fn days(&self) -> Vec<i32> {
        self.days.iter().copied().collect()
    }
}

/// Moves all values of one set to another. The time grows with the smaller set: `BTreeSet::append` builds all of the
/// larger one again, and each of many files has a few values.
fn add_all<T: Ord>(to: &mut BTreeSet<T>, from: &mut BTreeSet<T>) {
    if to.len() < from.len() {
        std::mem::swap(to, from);
    }
    to.extend(std::mem::take(from));
}

fn check_distinct(distinct: usize) -> Result<()> {
    if distinct <= DISTINCT_MAX {
        return Ok(());
    }
    Err(Error::too_large("distinct keys in a key column").expected(format!("at most {DISTINCT_MAX}")).advice(
        Phrase::from("Check which columns the job reads, or turn the checks off: ").option(Setting::NoChecks),
    ))
}

/// A stored date: a day, null, or no valid day.
pub fn date(file: &OpenFile<'_>, raw: Option<&[u8]>) -> Date {
    match raw {
        None => Date::Null,
        Some(raw) => file.date_coding.day(raw).map_or(Date::NoDay, Date::Day),
    }
}

/// Calls `work` with a cursor on a column of a row range; `None` where the file lacks the column.
pub(super) fn with_cursor<T>(
    columns: &Columns<'_>,
    row_range: &RowRange,
    role: Role,
    raw: bool,
    work: impl FnOnce(&mut Cursor<'_>) -> Result<T>,
) -> Result<Option<T>> {
    let Some(column) = columns.get(role) else { return Ok(None) };
    let mut cursor = Cursor::new(column, row_range.rows.start, raw, Vec::new(), None)?;
    cursor.look_ahead(row_range.rows.end, Vec::new());
    work(&mut cursor).map(Some)
}

/// Counts the rows of a range.
pub fn count(
    rules: Rules<'_>,
    file: &OpenFile<'_>,
    columns: &Columns<'_>,
    row_range: &RowRange,
    passes: &Passes<'_>,
) -> Result<Counts> {
    let mut counts = Counts { rows: row_range.rows.end - row_range.rows.start, ..Counts::default() };
    for role in [Role::Country, Role::System, Role::Channel] {
        passes.check_interrupted()?;
        names(rules, columns, row_range, role, &mut counts)?;
    }
    passes.check_interrupted()?;
    values(file, columns, row_range, &mut counts)?;
    passes.check_interrupted()?;
    weeks(file, columns, row_range, &mut counts)?;
    for role in [Role::Token, Role::Subtrackers] {
        passes.check_interrupted()?;
        partners(columns, row_range, role, &mut counts)?;
    }
    Ok(counts)
}

/// Counts the rows of a column of names.
pub(super) fn names(
    rules: Rules<'_>,
    columns: &Columns<'_>,
    row_range: &RowRange,
    role: Role,
    counts: &mut Counts,
) -> Result<()> {
    with_cursor(columns, row_range, role, false, |cursor| {
        let value_ids = histogram(cursor, row_range.rows.end - row_range.rows.start)?;
        for (value_id, rows) in (0..).zip(value_ids).filter(|(_, rows)| *rows > 0) {
            add_name(rules, role, cursor.entries.get(value_id), rows, counts);
        }
        Ok(())
    })?;
    Ok(())
}

/// Adds `rows` rows of a name.
pub(super) fn add_name(rules: Rules<'_>, role: Role, name: Option<&[u8]>, rows: u64, counts: &mut Counts) {
    let objections = &mut counts.objections;
    let key: Key = name.map(Into::into);
    if key.is_none()
        && let Some(nulls) = objections.nulls.get_mut(role as usize)
    {
        *nulls += rows;
    }
    let (names, unknown) = match role {
        Role::Country => {
            let known = name.is_none_or(|code| rules.is_known_country(code));
            (&mut counts.countries, (!known).then_some(&mut objections.countries))
        }
        Role::System => {
            let known = name.is_none_or(|name| rules.is_known_system(name));
            (&mut counts.systems, (!known).then_some(&mut objections.systems))
        }
        _ => (&mut counts.channels, None),
    };
    if let Some(unknown) = unknown {
        *unknown.entry(key.clone()).or_default() += rows;
    }
    names.insert(key);
}

/// Counts labels, dates, and labels of another week than the date's.
pub(super) fn weeks(
    file: &OpenFile<'_>,
    columns: &Columns<'_>,
    row_range: &RowRange,
    counts: &mut Counts,
) -> Result<()> {
    with_pairs(columns, row_range, Role::Label, Role::Date, |left, right, rows| {
        let (label, date) = (label(left), date(file, right));
        let objections = &mut counts.objections;
        for (counts, counter) in [
            (label == Label::Malformed, &mut objections.malformed),
            (label == Label::NoWeek, &mut objections.no_week),
            (is_wrong_week(label, date), &mut objections.wrong_week),
        ] {
            *counter += if counts { rows } else { 0 };
        }
        let [dates, labels, ..] = &mut objections.nulls;
        *dates += if date == Date::Null { rows } else { 0 };
        *labels += if label == Label::Null { rows } else { 0 };
        if let Date::Day(day) = date {
            counts.days.insert(day);
            add_time(file, right, &mut counts.times);
            match label {
                Label::Week(week) if calendar::week_of(day) != week => {
                    objections.wrong_weeks.add(calendar::iso_of(week), day, rows);
                }
                Label::NoWeek => {
                    if let Some(written) = left.and_then(|raw| LabelForm::default().written(raw)) {
                        objections.no_weeks.add(written, day, rows);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    })
}

/// Records the time of day of a stored date.
pub(super) fn add_time(file: &OpenFile<'_>, raw: Option<&[u8]>, times: &mut Times) {
    let moment = raw.filter(|_| file.date_coding != TimeCoding::Day32);
    if let Some((micros, is_instant)) = moment.and_then(|raw| file.date_coding.moment(raw)) {
        times.add(micros, is_instant);
    }
}

/// Records the values of another column that the channels go with.
pub(super) fn partners(
    columns: &Columns<'_>,
    row_range: &RowRange,
    role: Role,
    counts: &mut Counts,
) -> Result<()> {
    let to = if role == Role::Token { &mut counts.tokens } else { &mut counts.subtrackers };
    with_pairs(columns, row_range, Role::Channel, role, |left, right, _| {
        to.insert((left.map(Into::into), right.map(Into::into)));
        check_distinct(to.len())
    })
}

/// Rows by value id.
fn histogram(cursor: &mut Cursor<'_>, rows: u64) -> Result<Vec<u64>> {
    let mut value_ids = vec![0u64; cursor.entries.id_count() as usize];
    let mut block = [0u32; BLOCK];
    let mut left = rows;
    while left > 0 {
        let segment = cursor.segment()?;
        // The values of the current page have value ids now.
        value_ids.resize(cursor.entries.id_count() as usize, 0);
        let most = u32::try_from(left).unwrap_or(u32::MAX);
        match segment {
            RunOrPacked::Rle { value, len } => {
                let len = len.min(most);
                if let Some(count) = value_ids.get_mut(value as usize) {
                    *count += u64::from(len);
                }
                cursor.skip(len)?;
                left -= u64::from(len);
            }
            RunOrPacked::BitPacked { len } => {
                let take = len.min(most).min(BLOCK_ROWS);
                #[allow(clippy::indexing_slicing)] // at most BLOCK
                let out = &mut block[..take as usize];
                cursor.read_ids32(out)?;
                for value_id in out {
                    if let Some(count) = value_ids.get_mut(*value_id as usize) {
                        *count += 1;
                    }
                }
                left -= u64::from(take);
            }
        }
    }
    Ok(value_ids)
}

/// Counts the flaws of the values.
pub(super) fn values(
    file: &OpenFile<'_>,
    columns: &Columns<'_>,
    row_range: &RowRange,
    counts: &mut Counts,
) -> Result<()> {
    let unit = unit(file);
    let counts = &mut counts.objections.values;
    with_cursor(columns, row_range, Role::Value, true, |cursor| {
        let mut left = row_range.rows.end - row_range.rows.start;
        let (mut ints, mut bits) = ([0; BLOCK], [None; BLOCK]);
        let mut value_ids: Vec<u64> = Vec::new();
        while left > 0 {
            let most = u32::try_from(left).unwrap_or(u32::MAX);
            if cursor.load_page()? == BlockKind::Numbers {
                let take = cursor.rows_in_page(most.min(BLOCK_ROWS))?;
                #[allow(clippy::indexing_slicing)] // at most BLOCK
                let (ints, bits) = (&mut ints[..take as usize], &mut bits[..take as usize]);
                left -= u64::from(take);
                let small = cursor.read_ints(file.value_type, ints)?;
                // Nearly all blocks hold whole numbers that are not negative.
                if small && unit == 1 && ints.iter().fold(0, |all, v| all | v) >= 0 {
                    continue;
                }
                if small {
                    ints.iter().for_each(|v| counts.add(Number::Small(*v), 1, unit));
                    continue;
                }
                cursor.read_bits(bits)?;
                for bits in bits {
                    let number =
                        bits.map_or(Number::Null, |b| number_of(file.value_type, file.value_physical, b));
                    counts.add(number, 1, unit);
                }
            } else {
                let page_rows = cursor.rows_in_page(most)?;
                let page = histogram(cursor, page_rows.into())?;
                value_ids.resize(page.len(), 0);
                value_ids.iter_mut().zip(page).for_each(|(to, rows)| *to += rows);
                left -= u64::from(page_rows);
            }
        }
        for (value_id, rows) in (0..).zip(value_ids).filter(|(_, rows)| *rows > 0) {
            counts.add(number(file, cursor, value_id)?, rows, unit);
        }
        Ok(())
    })?;
    Ok(())
}

/// 10^scale of a decimal, else 1.
pub(super) fn unit(file: &OpenFile<'_>) -> i128 {
    match file.value_type {
        crate::ids::values::ValueType::Decimal { scale, .. } => {
            u32::try_from(scale).ok().and_then(|scale| 10i128.checked_pow(scale)).unwrap_or(i128::MAX)
        }
        _ => 1,
    }
}

/// The number of a value id of the value column.
pub(super) fn number(file: &OpenFile<'_>, cursor: &Cursor<'_>, value_id: u32) -> Result<Number> {
    match cursor.entries.get(value_id) {
        None => Ok(Number::Null),
        Some(raw) => file.value_type.number(file.value_physical, raw),
    }
}

/// Rows by pair of value ids.
struct PairTable {
    stride: usize,
    dense: Vec<u32>,
    sparse: std::collections::HashMap<(u32, u32), u64>,
}

impl PairTable {
    /// Makes room for that many value ids on each side.
    fn reserve(&mut self, a: u32, b: u32) {
        let (a, b) = (a as usize, b as usize);
        if b <= self.stride && a * self.stride <= self.dense.len() {
            return;
        }
        self.spill();
        self.stride = b.next_power_of_two();
        let cells = a.next_power_of_two().saturating_mul(self.stride);
        self.dense = if cells <= DENSE_PAIRS { vec![0; cells] } else { Vec::new() };
    }

    fn spill(&mut self) {
        for (at, rows) in self.dense.iter().enumerate().filter(|(_, rows)| **rows > 0) {
            #[allow(clippy::cast_possible_truncation)] // value ids are 32-bit numbers
            let key = ((at / self.stride) as u32, (at % self.stride) as u32);
            *self.sparse.entry(key).or_default() += u64::from(*rows);
        }
        self.dense.clear();
    }

    #[inline]
    fn add(&mut self, a: u32, b: u32, rows: u32) {
        // A row range has fewer rows than 2^32, so no counter overflows.
        match self.dense.get_mut(a as usize * self.stride + b as usize) {
            Some(count) => *count += rows,
            None => *self.sparse.entry((a, b)).or_default() += u64::from(rows),
        }
    }
}

/// Calls `each` once for every pair of values of two columns that rows have, with the number of these rows.
fn with_pairs(
    columns: &Columns<'_>,
    row_range: &RowRange,
    a: Role,
    b: Role,
    mut each: impl FnMut(Option<&[u8]>, Option<&[u8]>, u64) -> Result<()>,
) -> Result<()> {
    with_cursor(columns, row_range, a, false, |left| {
        with_cursor(columns, row_range, b, false, |right| {
            let mut pairs = PairTable { stride: 1, dense: vec![], sparse: Default::default() };
            each_pair(left, right, row_range.rows.end - row_range.rows.start, |left, right, a, b, rows| {
                if rows > 0 {
                    pairs.add(a, b, rows);
                } else {
                    pairs.reserve(left.entries.id_count(), right.entries.id_count());
                }
                Ok(true)
            })?;
            pairs.spill();
            let mut pairs: Vec<_> = pairs.sparse.into_iter().collect();
            pairs.sort_unstable();
            pairs
                .into_iter()
                .try_for_each(|((a, b), rows)| each(left.entries.get(a), right.entries.get(b), rows))
        })
        .map(|_| ())
    })?;
    Ok(())
}

/// Reads two columns together. Calls `each` with pairs of value ids and the number of rows over which they repeat, in
/// order of the rows, and with 0 rows whenever value ids may have been added. Stops when `each` returns false.
#[inline]
pub(super) fn each_pair(
    left: &mut Cursor<'_>,
    right: &mut Cursor<'_>,
    rows: u64,
    mut each: impl FnMut(&Cursor<'_>, &Cursor<'_>, u32, u32, u32) -> Result<bool>,
) -> Result<()> {
    let (mut a, mut b) = ([0u32; BLOCK], [0u32; BLOCK]);
    let mut at = rows;
    while at > 0 {
        let most = u32::try_from(at).unwrap_or(u32::MAX);
        let (x, y) = (left.segment()?, right.segment()?);
        each(left, right, 0, 0, 0)?;
        let mut len = x.len().min(y.len()).min(most);
        if let (RunOrPacked::Rle { value: x, .. }, RunOrPacked::Rle { value: y, .. }) = (x, y) {
            if !each(left, right, x, y, len)? {
                return Ok(());
            }
            left.skip(len)?;
            right.skip(len)?;
        } else {
            // Runs of both interleave: a block takes as many rows as the current pages of both have.
            len = left.rows_in_page(most.min(BLOCK_ROWS))?;
            len = right.rows_in_page(len)?;
            #[allow(clippy::indexing_slicing)] // at most BLOCK
            let (a, b) = (&mut a[..len as usize], &mut b[..len as usize]);
            left.read_ids32(a)?;
            right.read_ids32(b)?;
            for (a, b) in a.iter().zip(b) {
                if !each(left, right, *a, *b, 1)? {
                    return Ok(());
                }
            }
        }
        at -= u64::from(len);
    }
    Ok(())
}
