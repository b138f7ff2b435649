//! What is known of a row range without counting its rows.
//!
//! ```text
//! country, system   if all pages are dictionary ids without nulls and all entries are valid, then all
//! value             rows are valid, and no data page is opened
//! label, date       a date goes with one label; all rows are compared with that, by runs or 32 at a time
//! channel           a channel goes with one token, and either has subtrackers or not: taken from its first
//!                   rows and compared with all rows. If every channel has a different token, writers give
//!                   both columns the same ids: pages with equal bytes have equal rows and are not opened
//! anything else     counted row by row in [`super::counts`], column by column
//! ```
//!
//! A dictionary may have entries that no row uses. Names and countries are *unconfirmed* until a row is found that has
//! them. [`confirm`] searches once for all row ranges; most names are found in the first block of rows.

use std::ops::Range;

use super::counts::{self, Counts, Key, Names, with_cursor};
use super::passes::Passes;
use super::rules::{Date, Flaw, Label, Rules, has, is_wrong_week, label};
use super::times::Times;
use super::{RowRange, in_row_range};
use crate::Result;
use crate::dataset::file::Columns;
use crate::dataset::{OpenFile, Role};
use crate::ids::column::{Chunk, Column};
use crate::ids::cursor::{BlockKind, Cursor};
use crate::kernel::id_mapping::{IdMapping, NO_PARTNER};
use crate::parquet::encoding::RunOrPacked;
use crate::parquet::{Encoding, PageMeta};

/// Rows decoded at once.
const BLOCK: usize = 2048;

/// The facts about a row range: what is certain, and names that so far occur only in dictionaries.
#[derive(Debug, Default)]
pub struct ChunkFacts {
    /// What is certain.
    pub counts: Counts,
    /// What [`confirm`] has to find in a row.
    pub unconfirmed: UnconfirmedNames,
}

/// Countries, operating systems and channels of the dictionaries, which rows may have.
pub type UnconfirmedNames = [Vec<Key>; 3];

/// The roles of [`UnconfirmedNames`].
const NAME_ROLES: [Role; 3] = [Role::Country, Role::System, Role::Channel];

/// Collects the facts about a row range.
pub fn inspect(
    rules: Rules<'_>,
    file: &OpenFile<'_>,
    columns: &Columns<'_>,
    row_range: &RowRange,
    passes: &Passes<'_>,
) -> Result<ChunkFacts> {
    let mut facts = ChunkFacts::default();
    let counts = &mut facts.counts;
    counts.rows = row_range.rows.end - row_range.rows.start;
    let mut are_from_dictionary = [false; NAME_ROLES.len()];
    for ((role, unconfirmed), all) in
        NAME_ROLES.into_iter().zip(&mut facts.unconfirmed).zip(&mut are_from_dictionary)
    {
        passes.check_interrupted()?;
        match dictionary_names(rules, columns, row_range, role)? {
            Some(keys) => (*unconfirmed, *all) = (keys, true),
            None => counts::names(rules, columns, row_range, role, counts)?,
        }
    }
    let [.., no_null_channels] = are_from_dictionary;
    passes.check_interrupted()?;
    if !has_valid_values(file, columns, row_range)? {
        counts::values(file, columns, row_range, counts)?;
    }
    passes.check_interrupted()?;
    if !weeks(file, columns, row_range, counts)? {
        counts::weeks(file, columns, row_range, counts)?;
    }
    passes.check_interrupted()?;
    partners(columns, row_range, no_null_channels, counts)?;
    // These were found in rows.
    let [.., channels] = &mut facts.unconfirmed;
    channels.retain(|name| !facts.counts.channels.contains(name));
    Ok(facts)
}

/// Whether all rows of a range are dictionary ids, and none is null.
fn is_all_ids(column: &Column<'_>, row_range: &RowRange) -> Result<bool> {
    let chunk = match column {
        Column::Constant { value, .. } => return Ok(value.is_some()),
        Column::Chunk(chunk) => chunk,
    };
    for page in pages_of(chunk.data(), &row_range.rows) {
        if page.encoding != Encoding::Dictionary || !chunk.shows_no_nulls(page)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn pages_of<'p>(pages: &'p [PageMeta], rows: &Range<u64>) -> impl Iterator<Item = &'p PageMeta> {
    let from = pages.partition_point(|p| p.first_row + u64::from(p.values) <= rows.start);
    #[allow(clippy::indexing_slicing)] // at most the number of pages
    let pages = &pages[from..];
    pages.iter().take_while(move |p| p.first_row < rows.end)
}

/// The names that rows may have; `None` where rows have to be counted, because one may be null or violate a rule.
fn dictionary_names(
    rules: Rules<'_>,
    columns: &Columns<'_>,
    row_range: &RowRange,
    role: Role,
) -> Result<Option<Vec<Key>>> {
    let Some(column) = columns.get(role) else { return Ok(None) };
    if !is_all_ids(column, row_range)? {
        return Ok(None);
    }
    let is_valid = |name: &[u8]| match role {
        Role::Country => rules.is_known_country(name),
        Role::System => rules.is_known_system(name),
        _ => true,
    };
    let cursor = Cursor::new(column, row_range.rows.start, false, Vec::new(), None)?;
    let entries = || (0..cursor.entries.dictionary_len()).filter_map(|value_id| cursor.entries.get(value_id));
    Ok(entries().all(is_valid).then(|| entries().map(|name| Some(name.into())).collect()))
}

/// Whether no row of the value column can have a flaw.
fn has_valid_values(file: &OpenFile<'_>, columns: &Columns<'_>, row_range: &RowRange) -> Result<bool> {
    let Some(column) = columns.get(Role::Value) else { return Ok(false) };
    if !is_all_ids(column, row_range)? {
        return Ok(false);
    }
    let cursor = Cursor::new(column, row_range.rows.start, false, Vec::new(), None)?;
    let unit = counts::unit(file);
    for value_id in 0..cursor.entries.dictionary_len() {
        let number = counts::number(file, &cursor, value_id)?;
        if Flaw::ALL.into_iter().any(|flaw| has(flaw, number, unit)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Compares all dates with their labels and records the days. Returns false, and records nothing, where rows have to be
/// counted.
fn weeks(
    file: &OpenFile<'_>,
    columns: &Columns<'_>,
    row_range: &RowRange,
    counts: &mut Counts,
) -> Result<bool> {
    let matched = with_cursor(columns, row_range, Role::Date, false, |dates| {
        with_cursor(columns, row_range, Role::Label, false, |labels| {
            let mut weeks =
                Weeks { file, partners: IdMapping::default(), days: vec![], unseen: 0, labels: 0 };
            let matches = weeks.matches(dates, labels, row_range.rows.end - row_range.rows.start)?;
            let mut times = Times::default();
            for (value_id, _) in (0..).zip(&weeks.days).filter(|(_, (day, seen))| *seen && day.is_some()) {
                counts::add_time(file, dates.entries.get(value_id), &mut times);
            }
            Ok(matches.then_some((weeks.days, times)))
        })
    })?;
    let Some(Some(Some((days, times)))) = matched else { return Ok(false) };
    counts.times.merge(times);
    // A set that is collected at once is sorted, which is faster than inserting one by one.
    let mut days: std::collections::BTreeSet<i32> =
        days.into_iter().filter_map(|(day, seen)| day.filter(|_| seen)).collect();
    counts.days.append(&mut days);
    Ok(true)
}

/// Compares the next rows of two columns in bit-packed form, at most `most` of them, and skips those that match.
/// Returns how many; 0 where rows have to be decoded.
fn matches_packed(
    partners: &IdMapping,
    left: &mut Cursor<'_>,
    right: &mut Cursor<'_>,
    most: u32,
) -> Result<u32> {
    let (Some(mut left), Some(mut right)) = (left.ids()?, right.ids()?) else { return Ok(0) };
    let mut passed = 0;
    while let (Some((lefts, a)), Some((rights, b))) = (left.packed(), right.packed()) {
        let len = a.min(b).min(most - passed);
        if len == 0 || partners.matches_packed(lefts, rights, len as usize) != Some(true) {
            break;
        }
        left.skip(len);
        right.skip(len);
        passed += len;
    }
    Ok(passed)
}

/// Dates, and the labels they go with.
struct Weeks<'f> {
    file: &'f OpenFile<'f>,
    partners: IdMapping,
    /// By date value id: the day, and whether a row has it.
    days: Vec<(Option<i32>, bool)>,
    /// Days that no row has had so far.
    unseen: usize,
    /// Label value ids that `partners` covers.
    labels: u32,
}

impl Weeks<'_> {
    /// Whether each row's label is the week of its date.
    fn matches(&mut self, dates: &mut Cursor<'_>, labels: &mut Cursor<'_>, rows: u64) -> Result<bool> {
        let (mut a, mut b) = ([0u16; BLOCK], [0u16; BLOCK]);
        let mut left = rows;
        while left > 0 {
            let most = u32::try_from(left).unwrap_or(u32::MAX);
            // When all days are recorded, rows need not be decoded.
            if self.unseen == 0 && !self.days.is_empty() {
                let matched = matches_packed(&self.partners, dates, labels, most)?;
                if matched > 0 {
                    left -= u64::from(matched);
                    continue;
                }
            }
            let (x, y) = (dates.segment()?, labels.segment()?);
            if dates.may_be_null() || labels.may_be_null() || !self.extend_from(dates, labels)? {
                return Ok(false);
            }
            let len =
                if let (RunOrPacked::Rle { value: x, len: xs }, RunOrPacked::Rle { value: y, len: ys }) =
                    (x, y)
                {
                    #[allow(clippy::cast_possible_truncation)] // value ids were seen to fit
                    let (x, y) = (x as u16, y as u16);
                    if !self.partners.matches(&[x], &[y]) {
                        return Ok(false);
                    }
                    self.mark_present(&[x]);
                    let len = xs.min(ys).min(most);
                    dates.skip(len)?;
                    labels.skip(len)?;
                    len
                } else {
                    #[allow(clippy::cast_possible_truncation)] // BLOCK is small
                    let len = labels.rows_in_page(most.min(BLOCK as u32))?;
                    let len = dates.rows_in_page(len)?;
                    #[allow(clippy::indexing_slicing)] // at most BLOCK
                    let (a, b) = (&mut a[..len as usize], &mut b[..len as usize]);
                    dates.read_ids16(a)?;
                    labels.read_ids16(b)?;
                    if !self.partners.matches(a, b) {
                        return Ok(false);
                    }
                    self.mark_present(a);
                    len
                };
            left -= u64::from(len);
        }
        Ok(true)
    }

    /// Adds the new value ids of both columns. Returns false where they are too many, or where two label value ids have
    /// the same label.
    fn extend_from(&mut self, dates: &mut Cursor<'_>, labels: &mut Cursor<'_>) -> Result<bool> {
        let known = u32::try_from(self.days.len()).unwrap_or(u32::MAX);
        if (known, self.labels) == (dates.entries.id_count(), labels.entries.id_count()) {
            return Ok(true);
        }
        // [`NO_PARTNER`] cannot be a value id.
        if dates.load_page()? != BlockKind::Ids16
            || labels.load_page()? != BlockKind::Ids16
            || labels.entries.id_count() > u32::from(NO_PARTNER)
        {
            return Ok(false);
        }
        let mut by_week = std::collections::HashMap::new();
        for value_id in 0..labels.entries.id_count() {
            if let Label::Week(week) = label(labels.entries.get(value_id))
                && by_week.insert(week, value_id).is_some()
            {
                return Ok(false);
            }
        }
        self.labels = labels.entries.id_count();
        for value_id in known..dates.entries.id_count() {
            let day = match counts::date(self.file, dates.entries.get(value_id)) {
                Date::Day(day) => Some(day),
                _ => None,
            };
            self.unseen += usize::from(day.is_some());
            self.days.push((day, false));
        }
        self.partners.grow(self.days.len());
        for ((day, _), value_id) in self.days.iter().zip(0..) {
            let week = day.map(crate::calendar::week_of);
            if let Some(label) = week.and_then(|week| by_week.get(&week)) {
                debug_assert!(!is_wrong_week(
                    self::label(labels.entries.get(*label)),
                    day.map_or(Date::Null, Date::Day)
                ));
                self.partners.set(value_id, u16::try_from(*label).unwrap_or(NO_PARTNER));
            }
        }
        Ok(true)
    }

    /// Records the days of some rows.
    fn mark_present(&mut self, dates: &[u16]) {
        if self.unseen == 0 {
            return;
        }
        for value_id in dates {
            if let Some((_, seen)) = self.days.get_mut(usize::from(*value_id))
                && !*seen
            {
                *seen = true;
                self.unseen -= 1;
            }
        }
    }
}

/// The values of another column that channels go with.
struct Partner<'c> {
    role: Role,
    cursor: Cursor<'c>,
    partners: IdMapping,
    /// Whether every channel has one partner so far.
    holds: bool,
    /// Whether each row's value id equals that of its channel. Then only the value ids that occur remain to be found.
    same: bool,
}

/// Records which tokens the channels have, whether they have subtrackers, and thereby which channels occur. `no_nulls`
/// says that no channel is null.
fn partners(columns: &Columns<'_>, row_range: &RowRange, no_nulls: bool, counts: &mut Counts) -> Result<()> {
    let mut others = Vec::new();
    for role in [Role::Token, Role::Subtrackers] {
        if let Some(column) = columns.get(role) {
            let mut cursor = Cursor::new(column, row_range.rows.start, false, Vec::new(), None)?;
            cursor.look_ahead(row_range.rows.end, Vec::new());
            let same = match (columns.get(Role::Channel), column) {
                (Some(Column::Chunk(channel)), Column::Chunk(chunk)) => {
                    same_ids(channel, chunk, &row_range.rows)?
                }
                _ => false,
            };
            others.push(Partner { role, cursor, partners: IdMapping::default(), holds: true, same });
        }
    }
    if others.is_empty() {
        return Ok(());
    }
    with_cursor(columns, row_range, Role::Channel, false, |channels| {
        for other in &mut others {
            // With dictionaries of the same length, null has the same value id, and every id of one column is an
            // id of the other.
            other.same &= other.cursor.entries.dictionary_len() == channels.entries.dictionary_len()
                && channels.entries.id_count() <= u32::from(NO_PARTNER);
        }
        walk(channels, &mut others, row_range.rows.end - row_range.rows.start, no_nulls)?;
        for other in &others {
            if !other.holds {
                counts::partners(columns, row_range, other.role, counts)?;
                continue;
            }
            let to = if other.role == Role::Token { &mut counts.tokens } else { &mut counts.subtrackers };
            for (channel, partner) in other.partners.pairs() {
                let name: Key = channels.entries.get(channel.into()).map(Into::into);
                to.insert((name.clone(), other.cursor.entries.get(partner.into()).map(Into::into)));
                counts.channels.insert(name);
            }
        }
        Ok(())
    })?;
    Ok(())
}

/// Whether the stored pages show that two columns have the same ids in all rows of a range.
fn same_ids(one: &Chunk<'_>, other: &Chunk<'_>, rows: &Range<u64>) -> Result<bool> {
    if !one.is_stored_as(other) {
        return Ok(false);
    }
    let (mut ones, mut others) = (pages_of(one.data(), rows), pages_of(other.data(), rows));
    loop {
        match (ones.next(), others.next()) {
            (None, None) => return Ok(true),
            (Some(a), Some(b)) if a.encoding == Encoding::Dictionary => {
                // Everything but their position in the file.
                let alike = *a == PageMeta { body: a.body.clone(), ..b.clone() };
                if !alike || one.body(a)? != other.body(b)? {
                    return Ok(false);
                }
            }
            _ => return Ok(false),
        }
    }
}

/// Compares the channels with the other columns, block by block.
fn walk(channels: &mut Cursor<'_>, others: &mut [Partner<'_>], rows: u64, no_nulls: bool) -> Result<()> {
    let (mut a, mut b) = ([0u16; BLOCK], [0u16; BLOCK]);
    let mut left = rows;
    let mut all_found = false;
    while left > 0 && !all_found {
        let matched = walk_packed(channels, others, u32::try_from(left).unwrap_or(u32::MAX))?;
        if matched > 0 {
            left -= u64::from(matched);
            continue;
        }
        #[allow(clippy::cast_possible_truncation)] // BLOCK is small
        let mut len = left.min(BLOCK as u64) as u32;
        len = channels.rows_in_page(len)?;
        for other in others.iter_mut().filter(|other| other.holds && !other.same) {
            len = other.cursor.rows_in_page(len)?;
        }
        if channels.load_page()? != BlockKind::Ids16 {
            others.iter_mut().for_each(|other| other.holds = false);
            return Ok(());
        }
        #[allow(clippy::indexing_slicing)] // at most BLOCK
        let a = &mut a[..len as usize];
        channels.read_ids16(a)?;
        for other in others.iter_mut().filter(|other| other.holds) {
            other.partners.grow(channels.entries.id_count() as usize);
            if other.same {
                other.holds = other.partners.matches(a, a) || other.partners.extend_from(a, a);
                continue;
            }
            // [`NO_PARTNER`] cannot be a value id.
            if other.cursor.load_page()? != BlockKind::Ids16
                || other.cursor.entries.id_count() > u32::from(NO_PARTNER)
            {
                other.holds = false;
                continue;
            }
            #[allow(clippy::indexing_slicing)] // at most BLOCK
            let b = &mut b[..len as usize];
            other.cursor.read_ids16(b)?;
            other.holds = other.partners.matches(a, b) || other.partners.extend_from(a, b);
        }
        left -= u64::from(len);
        let entries = channels.entries.dictionary_len() as usize;
        all_found = others
            .iter()
            .all(|other| !other.holds || no_nulls && other.same && other.partners.pairs().count() == entries);
    }
    Ok(())
}

/// Compares the next channels with the other columns in bit-packed form, at most `most` rows, and skips those that
/// match. Returns how many; 0 where rows have to be decoded. A column with the same ids as the channels is not compared
/// as long as there is another column: a channel that has a partner there has occurred before and is recorded in all
/// columns.
fn walk_packed(channels: &mut Cursor<'_>, others: &mut [Partner<'_>], most: u32) -> Result<u32> {
    let mut apart = others.iter_mut().filter(|other| other.holds && !other.same);
    match (apart.next(), apart.next()) {
        (Some(other), None) => matches_packed(&other.partners, channels, &mut other.cursor, most),
        (Some(one), Some(other)) => {
            let (Some(mut names), Some(mut ones), Some(mut others)) =
                (channels.ids()?, one.cursor.ids()?, other.cursor.ids()?)
            else {
                return Ok(0);
            };
            let mut passed = 0;
            while let (Some((left, n)), Some((right, a)), Some((rights, b))) =
                (names.packed(), ones.packed(), others.packed())
            {
                let len = n.min(a).min(b).min(most - passed);
                if len == 0
                    || one.partners.matches_packed(left, right, len as usize) != Some(true)
                    || other.partners.matches_packed(left, rights, len as usize) != Some(true)
                {
                    break;
                }
                names.skip(len);
                ones.skip(len);
                others.skip(len);
                passed += len;
            }
            Ok(passed)
        }
        (None, _) => Ok(0),
    }
}

/// Searches the rows for the unconfirmed names, and adds those found to `counts`.
pub fn confirm(
    files: &[OpenFile<'_>],
    row_ranges: &[RowRange],
    unconfirmed: &[UnconfirmedNames],
    counts: &mut Counts,
    passes: &Passes<'_>,
) -> Result<()> {
    let sides = [&mut counts.countries, &mut counts.systems, &mut counts.channels];
    for (side, (role, seen)) in NAME_ROLES.into_iter().zip(sides).enumerate() {
        for (row_range, unconfirmed) in row_ranges.iter().zip(unconfirmed) {
            #[allow(clippy::indexing_slicing)] // one list a role
            let unconfirmed = &unconfirmed[side];
            let mut missing: Names = unconfirmed.iter().filter(|key| !seen.contains(*key)).cloned().collect();
            let (false, Some(file)) = (missing.is_empty(), files.get(row_range.file)) else { continue };
            passes.check_interrupted()?;
            file.column(role, row_range.row_group)
                .and_then(|column| {
                    column.map_or(Ok(()), |column| find_names(&column, row_range, &mut missing, seen))
                })
                .map_err(|e| in_row_range(e, files, row_range))?;
        }
    }
    Ok(())
}

/// Reads the rows of a range until all `missing` names are found; moves the names found to `seen`.
fn find_names(
    column: &Column<'_>,
    row_range: &RowRange,
    missing: &mut Names,
    seen: &mut Names,
) -> Result<()> {
    let mut cursor = Cursor::new(column, row_range.rows.start, false, Vec::new(), None)?;
    let mut wanted: Vec<bool> = (0..cursor.entries.id_count())
        .map(|value_id| cursor.entries.get(value_id).is_some_and(|name| missing.contains(&Some(name.into()))))
        .collect();
    let mut block = [0u32; BLOCK];
    let mut left = row_range.rows.end - row_range.rows.start;
    while left > 0 && !missing.is_empty() {
        let most = u32::try_from(left).unwrap_or(u32::MAX);
        let (take, read) = match cursor.segment()? {
            RunOrPacked::Rle { value, len } => {
                let len = len.min(most);
                cursor.skip(len)?;
                block[0] = value;
                (len, 1)
            }
            RunOrPacked::BitPacked { len } => {
                #[allow(clippy::cast_possible_truncation)] // BLOCK is small
                let len = len.min(most).min(BLOCK as u32);
                #[allow(clippy::indexing_slicing)] // at most BLOCK
                cursor.read_ids32(&mut block[..len as usize])?;
                (len, len as usize)
            }
        };
        for value_id in block.iter().take(read) {
            if let Some(wanted) = wanted.get_mut(*value_id as usize)
                && std::mem::take(wanted)
                && let Some(name) = cursor.entries.get(*value_id)
            {
                let key = Some(name.into());
                missing.remove(&key);
                seen.insert(key);
            }
        }
        left -= u64::from(take);
    }
    Ok(())
}
