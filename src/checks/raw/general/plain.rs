//! Rows that break no rule, counted by the block.
//!
//! Nearly every row has a time, an expected member of each dimension of the key, and a whole number of users. What such a
//! row adds is known by its value ids, so a block of them is counted column by column, without a question a row. The
//! other rows are counted one by one ([`super::pass`]).
//!
//! 20 M rows, all checks on rows, two threads, EPYC (AVX-512), loaded machine, milliseconds of CPU: fact table by country
//! 2,496 -> 560, a row an install 2,476 -> 880, of which sums in arrays ([`super::timed`]) are a half. Row by row the
//! pass took 43 ns a row.

use super::Subject;
use super::columns::FileColumns;
use super::counts::Counts;
use super::keys::Keys;
use super::lanes::{Lane, Lanes};
use super::pass::Slot;
use super::timed::WHOLE_MAX;
use crate::calendar::period::{Weekday, week_of_with_start};
use crate::checks::raw::rules::{Date, Label};
use crate::ids::values::Number;
use crate::profile::Class;
use crate::{Result, calendar};

/// The code of values that make a row another one.
const OTHER: u32 = u32::MAX;
/// With more channels, users are not summed by channel before they are added.
const CHANNELS_MAX: usize = 256;
/// Pairs of rows that show whether rows of one key follow one another.
const RUNS_SAMPLE: usize = 64;
/// The code of null in a dimension outside the key.
const NULL: u32 = u32::MAX - 1;

/// The code of a number of users; `unit` is 10^scale of a decimal.
fn users_code(number: Number, unit: i128) -> u32 {
    match number {
        Number::Small(users) if unit == 1 && users < WHOLE_MAX => u32::try_from(users).unwrap_or(OTHER),
        _ => OTHER,
    }
}

/// The code of a channel: its number and class.
fn channel_code(number: Option<u32>, class: Class) -> u32 {
    let number = number.map_or(0, |number| number + 1);
    number.checked_mul(4).map_or(OTHER, |code| code | class as u32)
}

/// The number and the class of a channel's code.
#[inline]
fn channel_of(code: u32) -> (Option<u32>, u32) {
    ((code / 4).checked_sub(1), code % 4)
}

/// The values of a column as codes, by value id.
#[derive(Default)]
struct Codes {
    codes: Vec<u32>,
    /// Plain rows by value id.
    rows: Vec<u64>,
    has_others: bool,
}

impl Codes {
    /// Adds the codes of values that are new.
    fn extend<T: Copy>(&mut self, lane: &Lane<'_, T>, code: impl Fn(T) -> u32) {
        for meaning in lane.meanings.get(self.codes.len()..).unwrap_or_default() {
            let code = code(*meaning);
            self.has_others |= code == OTHER;
            self.codes.push(code);
            self.rows.push(0);
        }
    }

    #[inline]
    fn get(&self, id: u32) -> u32 {
        self.codes.get(id as usize).copied().unwrap_or(OTHER)
    }

    /// Unmarks rows whose value makes them others.
    fn keep(&self, ids: &[u32], is_plain: &mut [bool]) {
        if self.has_others {
            for (plain, id) in is_plain.iter_mut().zip(ids) {
                *plain &= self.get(*id) != OTHER;
            }
        }
    }

    /// The codes of rows.
    fn of(&self, ids: &[u32], rows: &Selected, codes: &mut Vec<u32>) {
        codes.resize(rows.len(), 0);
        match only(ids) {
            Some(id) => codes.fill(self.get(id)),
            None => rows.zip(codes, ids, |code, id| *code = self.get(id)),
        }
    }

    /// Counts rows by value id.
    fn count(&mut self, ids: &[u32], rows: &Selected) {
        match only(ids) {
            Some(id) => self.add(id, rows.len() as u64),
            None => rows.each(ids, |id| self.add(id, 1)),
        }
    }

    #[inline]
    fn add(&mut self, id: u32, more: u64) {
        if let Some(rows) = self.rows.get_mut(id as usize) {
            *rows += more;
        }
    }

    /// The codes that were counted, with their rows.
    fn counted(&self) -> impl Iterator<Item = (u32, u64)> {
        let counted = self.codes.iter().copied().zip(self.rows.iter().copied());
        counted.filter(|(_, rows)| *rows > 0)
    }
}

/// The plain rows of a block, and the others.
#[derive(Default)]
struct Selected {
    /// Positions of plain rows in the block; empty where all rows are plain.
    plain: Vec<u32>,
    is_all: bool,
    len: usize,
    /// Positions of the other rows that meet the conditions.
    others: Vec<u32>,
}

impl Selected {
    /// Selects rows that meet the conditions.
    fn select(&mut self, met: &[bool], is_plain: &[bool]) {
        self.plain.clear();
        self.others.clear();
        self.is_all = met.iter().all(|met| *met) && is_plain.iter().all(|plain| *plain);
        self.len = met.len();
        if !self.is_all {
            for (row, (_, plain)) in (0..).zip(met.iter().zip(is_plain)).filter(|(_, (met, _))| **met) {
                if *plain { self.plain.push(row) } else { self.others.push(row) }
            }
            self.len = self.plain.len();
        }
    }

    /// The number of plain rows.
    fn len(&self) -> usize {
        self.len
    }

    /// The positions of plain rows.
    fn positions(&self, mut each: impl FnMut(usize)) {
        if self.is_all {
            (0..self.len).for_each(each);
        } else {
            self.plain.iter().for_each(|row| each(*row as usize));
        }
    }

    /// The values of plain rows.
    #[inline]
    fn each<T: Copy>(&self, values: &[T], mut each: impl FnMut(T)) {
        if self.is_all {
            values.iter().for_each(|value| each(*value));
        } else {
            self.plain.iter().filter_map(|row| values.get(*row as usize)).for_each(|value| each(*value));
        }
    }

    /// The values of plain rows, each with the item at its place among them.
    #[inline]
    fn zip<T: Copy, I>(&self, items: &mut [I], values: &[T], mut each: impl FnMut(&mut I, T)) {
        if self.is_all {
            items.iter_mut().zip(values).for_each(|(item, value)| each(item, *value));
        } else {
            let values = self.plain.iter().filter_map(|row| values.get(*row as usize));
            items.iter_mut().zip(values).for_each(|(item, value)| each(item, *value));
        }
    }
}

/// The value of all rows, if they have one; in sorted files, most blocks do.
fn only(ids: &[u32]) -> Option<u32> {
    let first = *ids.first()?;
    ids.iter().all(|id| *id == first).then_some(first)
}

/// The plain rows of a range, by the block.
pub(super) struct PlainRows<'s> {
    subject: &'s Subject<'s>,
    has_date: bool,
    has_label: bool,
    has_users: bool,
    /// Steps of a number of users.
    unit: i128,
    dimensions: Vec<Codes>,
    channel: Codes,
    /// Weeks of labels.
    label: Codes,
    /// Days of dates, or first days of labels where there are no dates.
    day: Codes,
    /// Weeks of the days, of the profile; and those of the ISO calendar.
    weeks: Codes,
    iso_weeks: Codes,
    users: Codes,
    is_plain: Vec<bool>,
    rows: Selected,
    /// What the plain rows of the block have: members by dimension of the key, and the rest.
    of_key: Vec<Vec<u32>>,
    members: Vec<u32>,
    keys: Vec<u32>,
    channels: Vec<u32>,
    of_day: Vec<u32>,
    /// Empty where the block has one week, and `of_channels` has its sums.
    of_week: Vec<u32>,
    of_users: Vec<u32>,
    /// Rows and users by value id of the channel.
    by_channel: Vec<(u64, i64)>,
    of_channels: Vec<Channel>,
}

/// Rows and users of a channel in a week.
struct Channel {
    code: u32,
    week: u32,
    rows: u64,
    users: i64,
}

/// The lanes of the pass.
type PassLanes<'a> = Lanes<'a, Slot, Option<(u32, Class)>>;

impl<'s> PlainRows<'s> {
    /// No rows of a file with these columns yet.
    pub(super) fn new(subject: &'s Subject<'s>, columns: &FileColumns, unit: i128) -> Self {
        PlainRows {
            subject,
            has_date: columns.date.is_some(),
            has_label: columns.label.is_some(),
            has_users: columns.users.is_some(),
            unit,
            dimensions: subject.dimensions.iter().map(|_| Codes::default()).collect(),
            channel: Codes::default(),
            label: Codes::default(),
            day: Codes::default(),
            weeks: Codes::default(),
            iso_weeks: Codes::default(),
            users: Codes::default(),
            is_plain: Vec::new(),
            rows: Selected::default(),
            of_key: subject.key.iter().map(|_| Vec::new()).collect(),
            members: Vec::new(),
            keys: Vec::new(),
            channels: Vec::new(),
            of_day: Vec::new(),
            of_week: Vec::new(),
            of_users: Vec::new(),
            by_channel: Vec::new(),
            of_channels: Vec::new(),
        }
    }

    /// Adds the plain rows of a block that was read; returns the positions of the others that meet the conditions.
    ///
    /// # Errors
    /// `TooLarge` for too many keys.
    pub(super) fn count(
        &mut self,
        lanes: &PassLanes<'_>,
        met: &[bool],
        null_class: Class,
        (counts, keys): (&mut Counts, &mut Keys),
    ) -> Result<&[u32]> {
        self.extend(lanes, null_class);
        self.select(lanes, met);
        if self.rows.len() > 0 {
            self.read(lanes);
            self.add(counts, keys)?;
        }
        Ok(&self.rows.others)
    }

    /// Adds the codes of values that are new.
    fn extend(&mut self, lanes: &PassLanes<'_>, null_class: Class) {
        let Subject { job, key, .. } = self.subject;
        for ((at, codes), lane) in (0..).zip(&mut self.dimensions).zip(&lanes.dimensions) {
            let is_of_key = key.contains(&at);
            codes.extend(lane, |slot| match slot {
                Slot::Member(number, true) => number,
                Slot::Null if !is_of_key => NULL,
                Slot::Member(..) | Slot::Null | Slot::Total | Slot::NoText => OTHER,
            });
        }
        self.channel.extend(&lanes.channel, |channel| {
            let class = channel.map_or(null_class, |(_, class)| class);
            // Rows of excluded channels are not summed at all where the share is that of each channel.
            let is_summed = class != Class::Excluded || !job.share_of_channel;
            if is_summed { channel_code(channel.map(|(number, _)| number), class) } else { OTHER }
        });
        if self.has_label {
            self.label.extend(&lanes.label, |label| match label {
                Label::Week(week) => week.cast_unsigned(),
                Label::Null | Label::Malformed | Label::NoWeek => OTHER,
            });
        }
        let day_of_date = |date| match date {
            Date::Day(day) => Some(day),
            Date::Null | Date::NoDay => None,
        };
        let day_of_label = |label| match label {
            Label::Week(week) => Some(calendar::monday(week)),
            Label::Null | Label::Malformed | Label::NoWeek => None,
        };
        let start = job.profile.time.week_start;
        let code = |day: Option<i32>, of: fn(i32, Weekday) -> i32| {
            day.map_or(OTHER, |day| of(day, start).cast_unsigned())
        };
        let each = |codes: &mut Codes, of: fn(i32, Weekday) -> i32| match self.has_date {
            true => codes.extend(&lanes.date, |date| code(day_of_date(date), of)),
            false => codes.extend(&lanes.label, |label| code(day_of_label(label), of)),
        };
        each(&mut self.day, |day, _| day);
        each(&mut self.weeks, week_of_with_start);
        if self.has_label && self.has_date {
            each(&mut self.iso_weeks, |day, _| calendar::week_of(day));
        }
        if self.has_users {
            let unit = self.unit;
            self.users.extend(&lanes.users.lane, |number| users_code(number, unit));
        }
    }

    /// Distinguishes plain rows from others.
    fn select(&mut self, lanes: &PassLanes<'_>, met: &[bool]) {
        let is_plain = &mut self.is_plain;
        is_plain.clear();
        is_plain.resize(met.len(), true);
        for (codes, lane) in self.dimensions.iter().zip(&lanes.dimensions) {
            codes.keep(&lane.ids, is_plain);
        }
        self.channel.keep(&lanes.channel.ids, is_plain);
        let day_ids = if self.has_date { &lanes.date.ids } else { &lanes.label.ids };
        self.day.keep(day_ids, is_plain);
        if self.has_label {
            self.label.keep(&lanes.label.ids, is_plain);
            if self.has_date {
                let weeks = lanes.label.ids.iter().zip(&lanes.date.ids);
                for (plain, (label, date)) in is_plain.iter_mut().zip(weeks) {
                    *plain &= self.label.get(*label) == self.iso_weeks.get(*date);
                }
            }
        }
        if self.has_users {
            if lanes.users.is_bits {
                for (row, plain) in is_plain.iter_mut().enumerate() {
                    *plain &= users_code(lanes.users.get(row), self.unit) != OTHER;
                }
            } else {
                self.users.keep(&lanes.users.lane.ids, is_plain);
            }
        }
        self.rows.select(met, is_plain);
    }

    /// Reads the plain rows of the block.
    fn read(&mut self, lanes: &PassLanes<'_>) {
        let rows = &self.rows;
        for (codes, lane) in self.dimensions.iter_mut().zip(&lanes.dimensions) {
            codes.count(&lane.ids, rows);
        }
        for (at, members) in self.subject.key.iter().zip(&mut self.of_key) {
            if let Some((codes, lane)) = self.dimensions.get(*at).zip(lanes.dimensions.get(*at)) {
                codes.of(&lane.ids, rows, members);
            }
        }
        let day_ids = if self.has_date { &lanes.date.ids } else { &lanes.label.ids };
        self.day.of(day_ids, rows, &mut self.of_day);
        if !self.has_users {
            self.of_users.clear();
            self.of_users.resize(rows.len(), 1);
        } else if lanes.users.is_bits {
            self.of_users.clear();
            rows.positions(|row| self.of_users.push(users_code(lanes.users.get(row), self.unit)));
        } else {
            self.users.of(&lanes.users.lane.ids, rows, &mut self.of_users);
        }
        let ids = &lanes.channel.ids;
        self.channel.of(ids, rows, &mut self.channels);
        match only(day_ids) {
            Some(day) if self.channel.codes.len() <= CHANNELS_MAX => {
                let week = self.weeks.get(day);
                self.of_week.clear();
                self.by_channel.clear();
                self.by_channel.resize(self.channel.codes.len(), (0, 0));
                rows.zip(&mut self.of_users, ids, |users, id| {
                    if let Some((rows, sum)) = self.by_channel.get_mut(id as usize) {
                        *rows += 1;
                        *sum += i64::from(*users);
                    }
                });
                for (id, (rows, users)) in (0..).zip(&self.by_channel).filter(|(_, (rows, _))| *rows > 0) {
                    self.channel.add(id, *rows);
                    let code = self.channel.get(id);
                    self.of_channels.push(Channel { code, week, rows: *rows, users: *users });
                }
            }
            _ => {
                self.channel.count(ids, rows);
                self.weeks.of(day_ids, rows, &mut self.of_week);
            }
        }
    }

    /// Adds the plain rows of the block.
    fn add(&mut self, counts: &mut Counts, keys: &mut Keys) -> Result<()> {
        let rows = self.rows.len();
        self.keys.resize(rows, 0);
        if let ([_], Some(member)) = (&self.of_key[..], self.of_key.first().and_then(|of| only(of))) {
            self.keys.fill(keys.number(&[member], counts)?);
        } else if let [members] = &self.of_key[..] {
            for (key, member) in self.keys.iter_mut().zip(members) {
                *key = keys.number(&[*member], counts)?;
            }
        } else {
            for (row, key) in self.keys.iter_mut().enumerate() {
                self.members.clear();
                self.members.extend(self.of_key.iter().filter_map(|members| members.get(row)));
                *key = keys.number(&self.members, counts)?;
            }
        }
        counts.met += rows as u64;
        let users = self.of_users.iter().map(|users| i64::from(*users)).sum();
        let bucket = counts.bucket(0, self.of_key.len());
        bucket.rows += rows as u64;
        bucket.users.add_whole(0, users);
        if let Some(channels) = &mut bucket.channels {
            let mut add = |code: u32, week: u32, rows: u64, users: i64| {
                if let (Some(channel), 0 | 1) = channel_of(code) {
                    channels.add_whole(channel, week.cast_signed(), rows, [users]);
                }
            };
            let of_rows = self.of_week.iter().zip(self.channels.iter().zip(&self.of_users));
            of_rows.for_each(|(week, (code, users))| add(*code, *week, 1, i64::from(*users)));
            for Channel { code, week, rows, users } in self.of_channels.drain(..) {
                add(code, week, rows, users);
            }
        }
        let values = self.keys.iter().zip(&self.of_day).zip(self.channels.iter().zip(&self.of_users));
        let first = self.keys.windows(2).take(RUNS_SAMPLE);
        if first.filter(|keys| keys.first() == keys.last()).count() < RUNS_SAMPLE / 4 {
            for ((key, day), (code, users)) in values {
                let (_, class) = channel_of(*code);
                bucket.add_row(*key, day.cast_signed(), class as usize, *users);
            }
            return Ok(());
        }
        // Rows of a key and day that follow one another are added together.
        let (mut run, mut rows, mut sums) = ((0, 0), 0, [0; 2]);
        for ((key, day), (code, users)) in values {
            if (*key, *day) != run {
                bucket.add_whole(run.0, run.1.cast_signed(), rows, sums);
                (run, rows, sums) = ((*key, *day), 0, [0; 2]);
            }
            rows += 1;
            let (_, class) = channel_of(*code);
            // Excluded users are in neither sum.
            if let Some(sum) = sums.get_mut(class as usize) {
                *sum += i64::from(*users);
            }
        }
        bucket.add_whole(run.0, run.1.cast_signed(), rows, sums);
        Ok(())
    }

    /// Adds the rows that were counted by value id.
    pub(super) fn add_counts(&self, counts: &mut Counts) {
        for (codes, members) in self.dimensions.iter().zip(&mut counts.dimensions) {
            for (code, rows) in codes.counted() {
                if code == NULL { members.null += rows } else { members.names.add(code, rows) }
            }
        }
        for (code, rows) in self.channel.counted() {
            let (channel, class) = channel_of(code);
            match channel {
                Some(number) => counts.channels.add(number, rows),
                None => counts.null_channel += rows,
            }
            if let Some(count) = counts.classes.get_mut(class as usize) {
                *count += rows;
            }
        }
    }
}
