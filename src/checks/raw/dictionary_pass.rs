//! What can be known of a piece without counting its rows.
//!
//! ```text
//! country, system   all pages are ids, none is null, all entries are known: nothing
//! value             to object to, and no data page was opened
//! label, date       a date goes with one label; hold all rows against that, by runs
//!                   or 32 at a time
//! channel           a channel goes with one token and is or is not split up: learned
//!                   from the first rows that have it, held against all. Where each
//!                   channel has a token of its own, writers give both the same ids:
//!                   pages that are equal byte by byte are the same rows, unopened
//! anything else     counted row by row, by [`super::counts`], column by column
//! ```
//!
//! A dictionary may have entries that no row uses. Names and countries are
//! *claimed* by a piece until some row was seen to have them: that is looked for
//! once for all pieces ([`confirm`]), and mostly found in the first block of rows.

use std::ops::Range;

use super::counts::{self, Counts, Key, Names, with_cursor};
use super::passes::Passes;
use super::rules::{Date, Flaw, Label, Rules, has, is_wrong_week, label};
use super::{RowRange, place};
use crate::Result;
use crate::dataset::file::Columns;
use crate::dataset::{OpenFile, Role};
use crate::ids::column::{Chunk, Column};
use crate::ids::cursor::{BlockKind, Cursor};
use crate::kernel::id_mapping::{IdMapping, NO_PARTNER};
use crate::parquet::encoding::RunOrPacked;
use crate::parquet::{Encoding, PageMeta};

/// Rows that are decoded at once.
const BLOCK: usize = 2048;

/// What a piece has: what is certain, and names that its dictionaries claim.
#[derive(Debug, Default)]
pub struct ChunkFacts {
    /// What is certain.
    pub counts: Counts,
    /// What is not.
    pub unconfirmed: UnconfirmedNames,
}

/// Countries, operating systems, channels that some row may have.
pub type UnconfirmedNames = [Vec<Key>; 3];

/// The roles of the claims.
const NAME_ROLES: [Role; 3] = [Role::Country, Role::System, Role::Channel];

/// Looks at a piece.
pub fn inspect(
    rules: Rules<'_>,
    file: &OpenFile<'_>,
    columns: &Columns<'_>,
    row_range: &RowRange,
    passes: &Passes<'_>,
) -> Result<ChunkFacts> {
    let mut evidence = ChunkFacts::default();
    let counts = &mut evidence.counts;
    counts.rows = row_range.rows.end - row_range.rows.start;
    let mut are_from_dictionary = [false; NAME_ROLES.len()];
    for ((role, unconfirmed), all) in
        NAME_ROLES.into_iter().zip(&mut evidence.unconfirmed).zip(&mut are_from_dictionary)
    {
        passes.go_on()?;
        match dictionary_names(rules, columns, row_range, role)? {
            Some(keys) => (*unconfirmed, *all) = (keys, true),
            None => counts::names(rules, columns, row_range, role, counts)?,
        }
    }
    let [.., no_null_channels] = are_from_dictionary;
    passes.go_on()?;
    if !values_are_fine(file, columns, row_range)? {
        counts::values(file, columns, row_range, counts)?;
    }
    passes.go_on()?;
    if !weeks(file, columns, row_range, counts)? {
        counts::weeks(file, columns, row_range, counts)?;
    }
    passes.go_on()?;
    partners(columns, row_range, no_null_channels, counts)?;
    // Rows were seen to have these.
    let [.., channels] = &mut evidence.unconfirmed;
    channels.retain(|name| !evidence.counts.channels.contains(name));
    Ok(evidence)
}

/// Whether all rows of a range are ids of a dictionary, and none is null.
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

/// The names that rows may have; `None` where rows have to be counted, since one
/// may be null or be objected to.
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
    let fine = |name: &[u8]| match role {
        Role::Country => rules.knows_country(name),
        Role::System => rules.knows_system(name),
        _ => true,
    };
    let cursor = Cursor::new(column, row_range.rows.start, false, Vec::new(), None)?;
    let entries = || (0..cursor.entries.dictionary_len()).filter_map(|value_id| cursor.entries.get(value_id));
    Ok(entries().all(fine).then(|| entries().map(|name| Some(name.into())).collect()))
}

/// Whether no row of the value column can have a flaw.
fn values_are_fine(file: &OpenFile<'_>, columns: &Columns<'_>, row_range: &RowRange) -> Result<bool> {
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

/// Holds all dates against their labels, and notes the days; false, and nothing is
/// noted, where rows have to be counted.
fn weeks(
    file: &OpenFile<'_>,
    columns: &Columns<'_>,
    row_range: &RowRange,
    counts: &mut Counts,
) -> Result<bool> {
    let held = with_cursor(columns, row_range, Role::Date, false, |dates| {
        with_cursor(columns, row_range, Role::Label, false, |labels| {
            let mut weeks =
                Weeks { file, partners: IdMapping::default(), days: vec![], unseen: 0, labels: 0 };
            Ok(weeks.matches(dates, labels, row_range.rows.end - row_range.rows.start)?.then_some(weeks.days))
        })
    })?;
    let Some(Some(Some(days))) = held else { return Ok(false) };
    // At once: a set that is built of many is sorted, not inserted into.
    let mut days: std::collections::BTreeSet<i32> =
        days.into_iter().filter_map(|(day, seen)| day.filter(|_| seen)).collect();
    counts.days.append(&mut days);
    Ok(true)
}

/// Holds the next rows of two columns as they are packed, at most `most` of them, and passes
/// over those that hold; 0 where rows have to be decoded.
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
        left.pass(len);
        right.pass(len);
        passed += len;
    }
    Ok(passed)
}

/// Dates, and the labels that they go with.
struct Weeks<'f> {
    file: &'f OpenFile<'f>,
    partners: IdMapping,
    /// By date value id: the day, and whether a row has it.
    days: Vec<(Option<i32>, bool)>,
    /// Days that no row has yet.
    unseen: usize,
    /// Label value ids that are known.
    labels: u32,
}

impl Weeks<'_> {
    /// Whether each row's label is a week, and that of its date.
    fn matches(&mut self, dates: &mut Cursor<'_>, labels: &mut Cursor<'_>, rows: u64) -> Result<bool> {
        let (mut a, mut b) = ([0u16; BLOCK], [0u16; BLOCK]);
        let mut left = rows;
        while left > 0 {
            let most = u32::try_from(left).unwrap_or(u32::MAX);
            // Once all days were seen, there is nothing to note.
            if self.unseen == 0 && !self.days.is_empty() {
                let held = matches_packed(&self.partners, dates, labels, most)?;
                if held > 0 {
                    left -= u64::from(held);
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
                    let len = labels.rows_at_hand(most.min(BLOCK as u32))?;
                    let len = dates.rows_at_hand(len)?;
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

    /// Takes in value ids that were added; false where they are too many, or two labels
    /// are written the same.
    fn extend_from(&mut self, dates: &mut Cursor<'_>, labels: &mut Cursor<'_>) -> Result<bool> {
        let known = u32::try_from(self.days.len()).unwrap_or(u32::MAX);
        if (known, self.labels) == (dates.entries.id_count(), labels.entries.id_count()) {
            return Ok(true);
        }
        // [`NO_PARTNER`] is no value id.
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

    /// Notes the days of some rows.
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

/// What channels go with in one other column.
struct Partner<'c> {
    role: Role,
    cursor: Cursor<'c>,
    partners: IdMapping,
    /// Whether every channel has one partner so far.
    holds: bool,
    /// Whether each row's value id is that of its channel, so that only which value ids there
    /// are is left to find out.
    same: bool,
}

/// Notes which tokens the channels have, and whether they have subtrackers; with
/// that, which channels there are. `no_nulls` where it is known that no channel is null.
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
            // With as many entries, null is the same value id too, and whatever is an id of
            // the one is an id of the other.
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
            for (channel, partner) in other.partners.known() {
                let name: Key = channels.entries.get(channel.into()).map(Into::into);
                to.insert((name.clone(), other.cursor.entries.get(partner.into()).map(Into::into)));
                counts.channels.insert(name);
            }
        }
        Ok(())
    })?;
    Ok(())
}

/// Whether two columns have the same ids in all rows of a range, as far as their
/// stored pages show it.
fn same_ids(one: &Chunk<'_>, other: &Chunk<'_>, rows: &Range<u64>) -> Result<bool> {
    if !one.is_stored_as(other) {
        return Ok(false);
    }
    let (mut ones, mut others) = (pages_of(one.data(), rows), pages_of(other.data(), rows));
    loop {
        match (ones.next(), others.next()) {
            (None, None) => return Ok(true),
            (Some(a), Some(b)) if a.encoding == Encoding::Dictionary => {
                // But for where they lie.
                let alike = *a == PageMeta { body: a.body.clone(), ..b.clone() };
                if !alike || one.body(a)? != other.body(b)? {
                    return Ok(false);
                }
            }
            _ => return Ok(false),
        }
    }
}

/// Walks the channels and what they go with side by side.
fn walk(channels: &mut Cursor<'_>, others: &mut [Partner<'_>], rows: u64, no_nulls: bool) -> Result<()> {
    let (mut a, mut b) = ([0u16; BLOCK], [0u16; BLOCK]);
    let mut left = rows;
    let mut all_met = false;
    while left > 0 && !all_met {
        let held = walk_packed(channels, others, u32::try_from(left).unwrap_or(u32::MAX))?;
        if held > 0 {
            left -= u64::from(held);
            continue;
        }
        #[allow(clippy::cast_possible_truncation)] // BLOCK is small
        let mut len = left.min(BLOCK as u64) as u32;
        len = channels.rows_at_hand(len)?;
        for other in others.iter_mut().filter(|other| other.holds && !other.same) {
            len = other.cursor.rows_at_hand(len)?;
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
            // [`NO_PARTNER`] is no value id.
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
        all_met = others
            .iter()
            .all(|other| !other.holds || no_nulls && other.same && other.partners.known().count() == entries);
    }
    Ok(())
}

/// Holds the next channels against the other columns as all are packed, at most `most` rows,
/// and passes over those that hold; 0 where rows have to be decoded. Columns with the ids of
/// the channels need no look as long as there is another: a channel with a partner there was
/// met before, and was learned by all.
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
                names.pass(len);
                ones.pass(len);
                others.pass(len);
                passed += len;
            }
            Ok(passed)
        }
        (None, _) => Ok(0),
    }
}

/// Finds out which of the names that pieces claim some row has.
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
            passes.go_on()?;
            file.column(role, row_range.row_group)
                .and_then(|column| {
                    column.map_or(Ok(()), |column| look_for(&column, row_range, &mut missing, seen))
                })
                .map_err(|e| place(e, files, row_range))?;
        }
    }
    Ok(())
}

/// Walks the rows of a piece until all `missing` names were met; moves them to `seen`.
fn look_for(column: &Column<'_>, row_range: &RowRange, missing: &mut Names, seen: &mut Names) -> Result<()> {
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
