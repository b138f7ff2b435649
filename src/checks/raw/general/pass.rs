//! The pass over all rows: counts by member, channel and day, sums by key and day.

use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use super::Subject;
use super::columns::{FileColumns, TextColumn};
use super::counts::{Bucket, Counts, Members};
use super::keys::Keys;
use super::lanes::{GroupColumns, Lane, Lanes, TaskRows, unit, users_of};
use super::plain::PlainRows;
use crate::calendar::label::LabelForm;
use crate::calendar::period::week_of_with_start;
use crate::checks::countries;
use crate::checks::raw::judge::label_of_day;
use crate::checks::raw::locate;
use crate::checks::raw::mismatch::Written;
use crate::checks::raw::rules::{self, Date, Flaw, Label, has};
use crate::dataset::OpenFile;
use crate::dataset::text::TextForm;
use crate::ids::stamps::DayOf;
use crate::ids::values::Number;
use crate::profile::meaning::{ClassRule, Member, MemberRule, WhereRule};
use crate::profile::question::is_total;
use crate::profile::{Class, Dimension, MemberList, Members as Expected};
use crate::progress::Progress;
use crate::scan::classes::{TimeCoding, TimeRule};
use crate::{Error, Result, calendar};

/// Blocks between two questions whether to go on.
const CHECK_EVERY: u32 = 64;

/// What a value of a dimension means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// A member, by number; whether the profile expects it.
    Member(u32, bool),
    /// A total row.
    Total,
    /// No member.
    Null,
    /// Not UTF-8.
    NoText,
}

/// Counts the rows of some tasks.
///
/// # Errors
/// Those of reading pages; `TooLarge` for too many distinct members, channels or keys; `Interrupted` where the caller
/// requests cancellation.
pub fn count(
    subject: &Subject<'_>,
    files: &[OpenFile<'_>],
    columns: &[Arc<FileColumns>],
    tasks: &[TaskRows],
    progress: &dyn Progress,
) -> Result<Counts> {
    TaskRows::announce(tasks, files, columns, false);
    let none = || Counts::new(subject.dimensions.len(), &subject.key);
    // One part a thread. A part has the rows of several tasks, in no order.
    let parts: Mutex<Vec<(Counts, Keys)>> = Mutex::default();
    let idle = || parts.lock().unwrap_or_else(PoisonError::into_inner);
    tasks.par_iter().try_for_each(|task| {
        let (Some(file), Some(columns)) = (files.get(task.file), columns.get(task.file)) else {
            return Err(Error::internal("no such file"));
        };
        let part = idle().pop();
        let (mut counts, mut keys) = part.unwrap_or_else(|| (none(), Keys::default()));
        range(subject, file, columns, task, (&mut counts, &mut keys), progress)
            .map_err(|e| task.locate(e, file))?;
        counts.buckets.values_mut().for_each(Bucket::limit);
        task.evict(file, columns, false);
        let meta = task.meta(file)?;
        let bytes: u64 = columns.chunks(&meta).iter().map(|chunk| chunk.compressed_len).sum();
        let part =
            u128::from(bytes) * u128::from(task.rows.end - task.rows.start) / u128::from(meta.rows.max(1));
        progress.advance(u64::try_from(part).unwrap_or(u64::MAX));
        idle().push((counts, keys));
        Ok(())
    })?;
    let parts = parts.into_inner().unwrap_or_else(PoisonError::into_inner);
    parts.into_iter().try_fold(none(), |merged, (counts, _)| merged.merge(counts))
}

/// The rules of a subject that are the same for every range.
pub(super) struct SubjectRules {
    pub(super) conditions: Vec<WhereRule>,
    pub(super) members: Vec<MemberRule>,
    pub(super) class: ClassRule,
}

impl SubjectRules {
    /// The rules of a subject.
    pub(super) fn new(subject: &Subject<'_>) -> Self {
        SubjectRules {
            conditions: subject.job.profile.conditions.iter().map(WhereRule::new).collect(),
            members: subject.dimensions.iter().map(|(_, of)| MemberRule::new(of)).collect(),
            class: ClassRule::new(&subject.job.profile.channel),
        }
    }
}

/// Reads which rows of a block meet all conditions, of these columns.
///
/// # Errors
/// If the rows cannot be read.
pub fn read_conditions(
    lanes: &mut [Lane<'_, bool>],
    rules: &[WhereRule],
    columns: &[TextColumn],
    rows: u32,
    met: &mut Vec<bool>,
) -> Result<()> {
    met.clear();
    met.resize(rows as usize, true);
    for ((lane, rule), column) in lanes.iter_mut().zip(rules).zip(columns) {
        lane.read(rows, |raw| Ok(rule.holds(raw.map(|raw| column.form.text(raw)).as_deref())))?;
        for (row, met) in met.iter_mut().enumerate() {
            *met &= lane.get(row) == Some(true);
        }
    }
    Ok(())
}

/// The meaning of a date.
pub(super) fn day_of(raw: Option<&[u8]>, time: &TimeRule<'_>) -> Date {
    match raw {
        None => Date::Null,
        Some(raw) => time.day(raw).map_or(Date::NoDay, Date::Day),
    }
}

/// A stored label.
pub(super) fn label_of(raw: Option<&[u8]>, form: LabelForm) -> Label {
    match (raw, form) {
        (raw, LabelForm::YearUnderscoreWeek) => rules::label(raw),
        (None, _) => Label::Null,
        (Some(raw), form) => match form.parse(raw) {
            Some(week) => Label::Week(week),
            None if form.written(raw).is_some() => Label::NoWeek,
            None => Label::Malformed,
        },
    }
}

/// Counts the rows of a range.
fn range(
    subject: &Subject<'_>,
    file: &OpenFile<'_>,
    columns: &FileColumns,
    task: &TaskRows,
    (counts, keys): (&mut Counts, &mut Keys),
    progress: &dyn Progress,
) -> Result<()> {
    let rules = SubjectRules::new(subject);
    let group = GroupColumns::open(columns, file, &task.meta(file)?)?;
    let rows = &task.rows;
    let coding = columns.coding();
    let time = TimeRule::new(subject.question, coding);
    let mut lanes: Lanes<'_, Slot, Option<(u32, Class)>> = Lanes::open(&group, columns, rows, &time)?;
    let unit = columns.users.as_ref().map_or(1, |(_, _, value_type)| unit(*value_type));
    let form = subject.job.profile.time.label_form;
    let mut row = Row {
        subject,
        file: task.file,
        unit,
        has_label: columns.label.is_some(),
        has_date: columns.date.is_some(),
        has_users: columns.users.is_some(),
        slots: vec![Slot::Null; lanes.dimensions.len()],
        members: Vec::new(),
    };
    counts.has_days &= row.has_date;
    let mut plain = PlainRows::new(subject, columns, unit);
    let (mut at, mut met, mut blocks) = (rows.start, Vec::new(), 0u32);
    while at < rows.end {
        if blocks.is_multiple_of(CHECK_EVERY) && progress.interrupted() {
            return Err(Error::Interrupted);
        }
        blocks += 1;
        let n = lanes.rows_of_block(rows.end - at)?;
        read_conditions(&mut lanes.conditions, &rules.conditions, &columns.conditions, n, &mut met)?;
        let of_dimension = lanes.dimensions.iter_mut().zip(&mut counts.dimensions).zip(&rules.members);
        for (((lane, members), rule), (column, (name, dimension))) in
            of_dimension.zip(columns.dimensions.iter().zip(&subject.dimensions))
        {
            lane.read(n, |raw| slot(raw, column.form, rule, members, &Expects { subject, name, dimension }))?;
        }
        let names = &mut counts.channels;
        lanes.channel.read(n, |raw| {
            let Some(raw) = raw else { return Ok(None) };
            let class = rules.class.class(Some(raw));
            Ok(Some((names.number(&String::from_utf8_lossy(raw))?, class)))
        })?;
        lanes.label.read(n, |raw| Ok(label_of(raw, form)))?;
        let times = &mut counts.times;
        lanes.date.read(n, |raw| {
            let moment = raw.filter(|_| coding != TimeCoding::Day32).and_then(|raw| coding.moment(raw));
            if let Some((micros, is_instant)) = moment {
                times.add(micros, is_instant);
            }
            Ok(day_of(raw, &time))
        })?;
        lanes.users.read(n)?;
        let null_class = rules.class.class(None);
        let others = plain.count(&lanes, &met, null_class, (counts, keys))?;
        for in_block in others.iter().map(|row| *row as usize) {
            let values = Values {
                row: task.before + at + in_block as u64,
                channel: lanes.channel.get(in_block).flatten(),
                null_class,
                label: lanes.label.get(in_block).unwrap_or(Label::Null),
                label_raw: &|| locate::name(lanes.label.raw(in_block)),
                written: &|| lanes.label.raw(in_block).and_then(|raw| form.written(raw)),
                day: lanes.date.get(in_block).unwrap_or(Date::Null),
                day_raw: &|| coding.show(lanes.date.raw(in_block)),
                number: lanes.users.get(in_block),
            };
            let of_dimension = lanes.dimensions.iter().zip(&mut row.slots).zip(&mut counts.dimensions);
            for (((lane, slot), members), (name, _)) in of_dimension.zip(&subject.dimensions) {
                *slot = lane.get(in_block).unwrap_or(Slot::Null);
                let shown = || format!("{name} {}", locate::name(lane.raw(in_block)));
                count_member(*slot, members, task.file, values.row, shown);
            }
            row.count(&values, counts, keys)?;
        }
        at += u64::from(n);
    }
    plain.add_counts(counts);
    counts.rows += rows.end - rows.start;
    Ok(())
}

/// Which members a dimension is expected to have.
struct Expects<'s> {
    subject: &'s Subject<'s>,
    name: &'s str,
    dimension: &'s Dimension,
}

impl Expects<'_> {
    fn has(&self, member: &str) -> bool {
        let allow = &self.subject.config.allow;
        let (is_listed, allowed) = match &self.dimension.members {
            None => return true,
            Some(Expected::Named(MemberList::Iso3166)) => {
                (countries::is_assigned(member.as_bytes()), &allow.countries)
            }
            Some(Expected::List(list)) => (
                list.iter().any(|listed| listed == member),
                if self.name == "country" { &allow.countries } else { &allow.systems },
            ),
        };
        is_listed
            || allowed.iter().any(|allowed| allowed == member)
            || self.dimension.null.as_deref() == Some(member)
            || self.dimension.total.as_deref() == Some(member)
    }
}

/// What a value of a dimension means.
fn slot(
    raw: Option<&[u8]>,
    form: TextForm,
    rule: &MemberRule,
    members: &mut Members,
    expects: &Expects<'_>,
) -> Result<Slot> {
    let text = raw.map(|raw| form.text(raw));
    if is_total(rule, text.as_deref()) {
        return Ok(Slot::Total);
    }
    Ok(match rule.member(text.as_deref()) {
        None => Slot::NoText,
        Some(Member::Total) => Slot::Total,
        Some(Member::Null) => Slot::Null,
        Some(Member::Named(name)) => Slot::Member(members.names.number(&name)?, expects.has(&name)),
    })
}

fn count_member(slot: Slot, members: &mut Members, file: usize, row: u64, shown: impl FnOnce() -> String) {
    match slot {
        Slot::Member(number, is_expected) => {
            members.names.add(number, 1);
            if !is_expected {
                members.unknown.add(file, row, shown);
            }
        }
        Slot::Total => members.total += 1,
        Slot::Null => members.null += 1,
        Slot::NoText => members.unknown.add(file, row, shown),
    }
}

/// The values of a row that meets the conditions.
struct Values<'v> {
    row: u64,
    channel: Option<(u32, Class)>,
    null_class: Class,
    label: Label,
    label_raw: &'v dyn Fn() -> String,
    written: &'v dyn Fn() -> Option<Written>,
    day: Date,
    day_raw: &'v dyn Fn() -> String,
    number: Number,
}

/// Counts the rows of a range, one by one.
struct Row<'s> {
    subject: &'s Subject<'s>,
    file: usize,
    unit: i128,
    has_label: bool,
    has_date: bool,
    has_users: bool,
    /// The dimensions of the row.
    slots: Vec<Slot>,
    /// The members of its key.
    members: Vec<u32>,
}

impl Row<'_> {
    fn count(&mut self, values: &Values<'_>, counts: &mut Counts, keys: &mut Keys) -> Result<()> {
        counts.met += 1;
        let class = values.channel.map_or(values.null_class, |(_, class)| class);
        match values.channel {
            Some((number, _)) => counts.channels.add(number, 1),
            None => counts.null_channel += 1,
        }
        if let Some(count) = counts.classes.get_mut(class as usize) {
            *count += 1;
        }
        let users = if self.has_users {
            let is_plain = self.unit == 1 && matches!(values.number, Number::Small(0..));
            for (flaw, tally) in Flaw::ALL.into_iter().zip(&mut counts.users).filter(|_| !is_plain) {
                if has(flaw, values.number, self.unit) {
                    tally.add(self.file, values.row, || show(values.number, self.unit));
                }
            }
            users_of(values.number, self.unit)
        } else {
            1.0
        };
        if self.subject.job.share_of_channel && class == Class::Excluded {
            return Ok(());
        }
        let slot = |at: &usize| self.slots.get(*at).copied().unwrap_or(Slot::Null);
        let totals = self.subject.others.iter().zip(0..31u32);
        let pattern =
            totals.fold(0u32, |pattern, (at, bit)| pattern | u32::from(slot(at) == Slot::Total) << bit);
        counts.met_totals |= pattern;
        if self.subject.key.iter().any(|at| slot(at) == Slot::Total) {
            return Ok(());
        }
        self.members.clear();
        for (at, dimension) in self.subject.key.iter().enumerate() {
            match slot(dimension) {
                Slot::Member(number, _) => self.members.push(number),
                _ => {
                    let bucket = counts.bucket(pattern, self.subject.key.len());
                    bucket.rows += 1;
                    bucket.users.add(0, users);
                    if let Some(to) = bucket.null_users.get_mut(at) {
                        to.add(0, users);
                    }
                    let name = self.subject.dimensions.get(*dimension).map_or("", |(name, _)| name);
                    if let Some(tally) = bucket.null_members.get_mut(at) {
                        tally.add(self.file, values.row, || format!("{name} is null"));
                    }
                    return Ok(());
                }
            }
        }
        let key = keys.number(&self.members, counts)?;
        let bucket = counts.bucket(pattern, self.subject.key.len());
        bucket.rows += 1;
        bucket.users.add(0, users);
        let Some(day) = self.time(values, bucket) else { return Ok(()) };
        if let (Some((channel, _)), true) = (values.channel, class != Class::Excluded) {
            let week = week_of_with_start(day, self.subject.job.profile.time.week_start);
            if let Some(channels) = &mut bucket.channels {
                channels.add(channel, week, 0, users);
            }
        }
        // Excluded users are in neither sum.
        bucket.add(key, day, class as usize, users);
        Ok(())
    }

    /// The day of a row: that of its date, or the Monday of its label. `None` where its time is none.
    fn time(&self, values: &Values<'_>, bucket: &mut Bucket) -> Option<i32> {
        let (file, row) = (self.file, values.row);
        let day = match values.day {
            Date::Day(day) => Some(day),
            Date::Null | Date::NoDay => None,
        };
        if !self.has_label {
            match values.day {
                Date::Null => bucket.null_times.add(file, row, || "the time is null".into()),
                Date::NoDay => bucket.bad_times.add(file, row, || format!("{}, no date", (values.day_raw)())),
                Date::Day(_) => {}
            }
            return day;
        }
        let shown = || (values.label_raw)();
        let form = self.subject.job.profile.time.label_form;
        let week = match values.label {
            Label::Null => {
                bucket.null_times.add(file, row, || "the label is null".into());
                None
            }
            Label::Malformed => {
                bucket.bad_labels.add(file, row, shown);
                None
            }
            Label::NoWeek => {
                let of_day = day.map_or(String::new(), |day| label_of_day(day, form));
                bucket.bad_weeks.add(file, row, || format!("{}{of_day}", shown()));
                let [_, no_weeks] = &mut bucket.mismatches;
                if let Some((written, day)) = (values.written)().zip(day) {
                    no_weeks.add(written, day, 1);
                }
                None
            }
            Label::Week(week) => Some(week),
        };
        match (week, values.day) {
            (Some(week), Date::Day(day)) if calendar::week_of(day) != week => {
                bucket.wrong_weeks.add(file, row, || format!("{}{}", shown(), label_of_day(day, form)));
                let [wrong_weeks, _] = &mut bucket.mismatches;
                wrong_weeks.add(calendar::iso_of(week), day, 1);
            }
            (Some(_), Date::NoDay) if self.has_date => {
                bucket
                    .wrong_weeks
                    .add(file, row, || format!("{} on {}, which is no date", shown(), (values.day_raw)()));
            }
            _ => {}
        }
        week.map(|week| day.unwrap_or_else(|| calendar::monday(week)))
    }
}

/// A number of users, for a message.
fn show(number: Number, unit: i128) -> String {
    match number {
        Number::Null => "null".into(),
        Number::Nan => "NaN".into(),
        Number::Infinite(negative) => if negative { "-inf" } else { "inf" }.into(),
        number => users_of(number, unit).to_string(),
    }
}
