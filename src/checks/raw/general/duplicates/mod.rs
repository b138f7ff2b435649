//! Rows that occur twice: rows of one file, and days that were loaded again.
//!
//! ```text
//! all columns  rows equal to an earlier row in all columns of the file and its path, but the number of users and what
//!              a connector adds. A finer export has more columns than the profile names; its rows differ in these
//! without      if no row is found so: rows of two files that differ in measures only (cost, clicks), where no two rows
//! measures     of one file do
//! ```
//!
//! Rows are read with their users, to distinguish a row that is there twice from one that was loaded again with another
//! number.
//!
//! - [`mod@unique`]: a proof that no row occurs twice.
//! - [`explain`]: from the rows found to a measurement that names the files, and says what to do.

pub mod explain;
mod unique;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Subject;
use super::by_hash;
use super::columns::FileColumns;
use super::compare::Compare;
use super::connector::{is_of_connector, is_of_measure};
use super::counts::mix;
use super::lanes::{BLOCK, GroupColumns, Lane, TaskRows, UsersLane, tasks, unit, users_of};
use super::pass::{SubjectRules, day_of, read_conditions};
use super::rows::{Hashed, RowReader, Rows, hash_bytes, hash_value, place};
use crate::checks::model::{Measurement, NotRun, VIOLATIONS};
use crate::checks::raw::rules::Date;
use crate::checks::raw::whole;
use crate::checks::{CheckId, Config};
use crate::dataset::text::TextForm;
use crate::dataset::{ColumnLocation, OpenFile};
use crate::ids::column::{Column, ColumnSource};
use crate::ids::values::ValueType;
use crate::parquet::{Leaf, Logical, Physical, RowGroupMeta};
use crate::profile::Question;
use crate::progress::Progress;
use crate::scan::classes::TimeRule;
use crate::{Error, Job, Result};

/// The most pairs of files whose equal rows are counted.
const PAIRS_MAX: usize = 1 << 12;
/// Where each row is a user: the largest part of equal rows in one file with which rows are told apart by their
/// columns, ...
const EQUAL_IN_FILE: f64 = 0.01;
/// ... and the part of the smaller file from which on rows of two files are the same rows.
const EQUAL_IN_FILES: f64 = 0.01;

/// What makes two rows the same row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Identity {
    /// All columns but that of users and those of connectors.
    AllColumns,
    /// As before, without other measures.
    WithoutMeasures,
    /// The key of the default profile, and columns that it does not know. Rows without a key are left out.
    Cube,
    /// The key of the default profile alone.
    CubeKey,
}

impl Identity {
    fn is_of_cube(self) -> bool {
        matches!(self, Identity::Cube | Identity::CubeKey)
    }
}

/// How a column takes part in the identity of a row.
#[derive(Clone, Copy)]
enum Part {
    /// By its stored bytes; null is a value.
    Stored,
    /// By its stored bytes; a row with null is left out.
    Key,
    /// By its day; a row without one is left out.
    Day,
}

impl Part {
    /// The hash of a value; `None` where its row is left out.
    fn hash(self, seed: u64, raw: Option<&[u8]>, time: &TimeRule<'_>) -> Option<u64> {
        match self {
            Part::Stored => Some(hash_value(seed, raw)),
            Part::Key => raw.map(|raw| hash_bytes(seed, raw)),
            Part::Day => match day_of(raw, time) {
                Date::Day(day) => Some(hash_bytes(seed, &day.to_le_bytes())),
                Date::Null | Date::NoDay => None,
            },
        }
    }
}

/// A row that is the same row as an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
struct Repeated {
    row: u64,
    earlier: u64,
    users: f64,
    of_earlier: f64,
}

/// Equal rows of two files, or of one.
#[derive(Debug, Default, Clone, Copy, serde::Serialize, serde::Deserialize)]
struct FilePair {
    /// Rows of equal users, and of other ones.
    same: u64,
    other: u64,
    /// The first of those of other users if there is any, else of all; whether the users are equal.
    example: Option<(bool, Repeated)>,
}

impl FilePair {
    fn keep_example(&mut self, example: (bool, Repeated)) {
        let order = |(is_same, repeated): &(bool, Repeated)| (*is_same, repeated.row, repeated.earlier);
        if self.example.as_ref().is_none_or(|kept| order(&example) < order(kept)) {
            self.example = Some(example);
        }
    }
}

/// The rows found in some part of all hashes. Parts are merged in any order.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Found {
    /// Rows compared.
    n: u64,
    count: u64,
    /// Of those, rows whose earlier row is in the same file.
    in_file: u64,
    first: Vec<Repeated>,
    /// By the files of the earlier and the later row.
    pairs: BTreeMap<(usize, usize), FilePair>,
}

impl Found {
    fn add(&mut self, repeated: Repeated, is_same: bool, rows: u64) {
        let key = (place(repeated.earlier).0, place(repeated.row).0);
        self.count += rows;
        self.in_file += if key.0 == key.1 { rows } else { 0 };
        self.first.push(repeated);
        if self.first.len() > 1 << 12 {
            self.limit();
        }
        let pair = self.pairs.entry(key).or_default();
        *(if is_same { &mut pair.same } else { &mut pair.other }) += rows;
        pair.keep_example((is_same, repeated));
        if self.pairs.len() > PAIRS_MAX {
            // Those kept are the first of all parts together, whatever the order of the rows.
            self.pairs.pop_last();
        }
    }

    /// Adds the rows of another part.
    pub fn merge(&mut self, other: Found) {
        self.n += other.n;
        self.count += other.count;
        self.in_file += other.in_file;
        self.first.extend(other.first);
        for (key, other) in other.pairs {
            let pair = self.pairs.entry(key).or_default();
            pair.same += other.same;
            pair.other += other.other;
            other.example.into_iter().for_each(|example| pair.keep_example(example));
        }
        self.limit();
    }

    fn limit(&mut self) {
        self.first.sort_unstable_by_key(|repeated| (repeated.row, repeated.earlier));
        self.first.truncate(VIOLATIONS);
        while self.pairs.len() > PAIRS_MAX {
            self.pairs.pop_last();
        }
    }

    /// What repeats among the rows of some hashes, which are sorted by hash and number. Where each row `is_by_row` one
    /// user, equal rows of one file may be several users.
    pub fn of(rows: &[Hashed<f64>], is_by_row: bool) -> Self {
        let mut found = Found { n: rows.len() as u64, ..Found::default() };
        for group in rows.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
            if is_by_row { same_users(group, &mut found) } else { same_keys(group, &mut found) }
        }
        found.limit();
        found
    }
}

/// The rows of the default profile whose day, country, system and channel occurred before, in files that may have more
/// columns.
///
/// # Errors
/// Those of reading rows; `Interrupted` where the caller requests cancellation.
pub fn of_cube(
    job: &Job,
    config: &Config,
    files: &[OpenFile<'_>],
    remote: Option<&dyn RowReader>,
    progress: &dyn Progress,
) -> Result<Measurement> {
    let question = Question::new(job)?;
    let subject = Subject::new(job, config, &question);
    let columns = FileColumns::locate_all(&subject, files)?;
    let rows: u64 = files.iter().map(|file| file.footer.rows).sum();
    let here = Rows {
        subject: &subject,
        files,
        columns: &columns,
        tasks: tasks(&whole(files)),
        rows,
        memory: by_hash::MEMORY,
        progress,
    };
    let compare = Compare { subject: &subject, files, columns: &columns, reader: remote.unwrap_or(&here) };
    let found = match compare.reader.repeated(Identity::Cube) {
        Err(error @ (Error::Interrupted | Error::Io { .. })) => return Err(error),
        // Columns that the job does not read may be of any kind.
        Err(_) => compare.reader.repeated(Identity::CubeKey)?,
        Ok(found) => found,
    };
    compare.measure(&found)
}

impl Compare<'_> {
    /// Rows that occur twice, where the profile and the files allow to tell.
    ///
    /// # Errors
    /// Those of reading rows; `Interrupted` where the caller requests cancellation.
    pub(super) fn duplicates(&self) -> Result<Result<Measurement, NotRun>> {
        if let Some(off) = self.subject.config.switched_off(CheckId::DuplicateRows) {
            return Ok(Err(off));
        }
        let several = "each row is one user: equal rows are several users";
        let is_by_row = self.subject.job.profile.users.rows;
        let leaves = || {
            self.files.iter().filter(|file| file.footer.rows > 0).flat_map(|file| file.footer.leaves.iter())
        };
        if is_by_row && (self.files.len() < 2 || !leaves().any(|leaf| is_of_connector(top(leaf)))) {
            return Ok(Err(NotRun::NotApplicable(several.into())));
        }
        if leaves().any(|leaf| leaf.path.len() > 1 && !is_of_connector(top(leaf))) {
            return Ok(Err(NotRun::NotApplicable(
                "the files have nested columns, which are not compared".into(),
            )));
        }
        let found = match self.reader.repeated(Identity::AllColumns) {
            Ok(found) => found,
            Err(error @ (Error::Interrupted | Error::Io { .. })) => return Err(error),
            // Columns that the job does not read may be of any kind.
            Err(error) => {
                let why = format!("the columns of a row cannot be compared: {error}");
                return Ok(Err(NotRun::NotApplicable(why)));
            }
        };
        if is_by_row {
            return self.loaded_twice(found).map(|found| found.ok_or(NotRun::NotApplicable(several.into())));
        }
        let has_measures = |(file, columns): (&OpenFile<'_>, &Arc<FileColumns>)| {
            let columns_of = |identity| identity_of(self.subject, identity, file, columns).len();
            columns_of(Identity::WithoutMeasures) < columns_of(Identity::AllColumns)
        };
        let mut files = self.files.iter().zip(self.columns).filter(|(file, _)| file.footer.rows > 0);
        if found.count == 0 && self.files.len() > 1 && files.any(has_measures) {
            let others = self.reader.repeated(Identity::WithoutMeasures)?;
            if others.in_file == 0 {
                return Ok(Ok(self.measure(&others)?));
            }
        }
        Ok(Ok(self.measure(&found)?))
    }

    /// Rows of two files that are the same users; `None` where equal rows may be several users.
    #[allow(clippy::cast_precision_loss)] // parts of rows
    fn loaded_twice(&self, mut found: Found) -> Result<Option<Measurement>> {
        if found.in_file as f64 > found.n as f64 * EQUAL_IN_FILE {
            return Ok(None);
        }
        let rows = |file: usize| self.files.get(file).map_or(0, |file| file.footer.rows) as f64;
        found.pairs.retain(|(a, b), pair| {
            a != b && (pair.same + pair.other) as f64 >= rows(*a).min(rows(*b)) * EQUAL_IN_FILES
        });
        let is_in = |r: &Repeated| found.pairs.contains_key(&(place(r.earlier).0, place(r.row).0));
        found.first.retain(is_in);
        found.count = found.pairs.values().map(|pair| pair.same + pair.other).sum();
        Ok(Some(self.measure(&found)?))
    }
}

impl Rows<'_> {
    /// The rows that are the same row as an earlier one.
    pub(super) fn find_repeated(&self, identity: Identity) -> Result<Found> {
        if !identity.is_of_cube()
            && let Some(n) = self.unique(identity)?
        {
            return Ok(Found { n, ..Found::default() });
        }
        let is_by_row = self.subject.job.profile.users.rows;
        let users = if is_by_row { Users::Unread } else { Users::OfAll };
        let by_hash = self.by_hash(true, |task, file, columns, add| {
            self.identified(identity, task, file, columns, users, add)
        })?;
        by_hash.each(|rows| Found::of(rows, is_by_row), Found::merge)
    }

    /// The hashes of what identifies the rows, with their users.
    pub fn identified(
        &self,
        identity: Identity,
        task: &TaskRows,
        file: &OpenFile<'_>,
        columns: &FileColumns,
        of_users: Users,
        add: &mut dyn FnMut(u64, u64, f64),
    ) -> Result<()> {
        let compared = identity_of(self.subject, identity, file, columns);
        let time = TimeRule::new(self.subject.question, columns.coding());
        self.summed(
            &compared,
            (task, file, columns),
            of_users,
            |seed, part, raw| part.hash(seed, raw, &time),
            |row, hash, users| {
                add(mix(hash), row, users);
                true
            },
        )
    }

    /// Calls `each` with every row that is not left out, by its number in the file: the sum of what its columns mean,
    /// and its users; until it returns false. A row with a column that means nothing is left out.
    fn summed(
        &self,
        compared: &[Compared],
        (task, file, columns): (&TaskRows, &OpenFile<'_>, &FileColumns),
        of_users: Users,
        mut meaning: impl FnMut(u64, Part, Option<&[u8]>) -> Option<u64>,
        mut each: impl FnMut(u64, u64, f64) -> bool,
    ) -> Result<()> {
        let meta = task.meta(file)?;
        let opened = open_columns(compared, file, &meta)?;
        let mut lanes: Vec<Lane<'_, Option<u64>>> =
            opened.iter().map(|column| Lane::open(column, &task.rows)).collect::<Result<_>>()?;
        let rules = SubjectRules::new(self.subject);
        let group = GroupColumns::open(columns, file, &meta)?;
        let mut conditions: Vec<Lane<'_, bool>> =
            group.conditions.iter().map(|column| Lane::open(column, &task.rows)).collect::<Result<_>>()?;
        let value = columns.users.as_ref().map_or((Physical::Int64, ValueType::Null), |(_, a, b)| (*a, *b));
        let mut users = match of_users {
            Users::Unread => None,
            Users::OfAll => Some(UsersLane::open(&group.users, &task.rows, value.0, value.1)?),
        };
        let (mut at, mut met, mut sums) = (task.rows.start, Vec::new(), Vec::new());
        self.check_interrupted()?;
        while at < task.rows.end {
            let mut n = u32::try_from(task.rows.end - at).unwrap_or(BLOCK).min(BLOCK);
            for lane in &mut lanes {
                n = lane.rows_in_page(n)?;
            }
            for lane in &mut conditions {
                n = lane.rows_in_page(n)?;
            }
            if let Some(users) = &mut users {
                n = users.rows_in_page(n)?;
                users.read(n)?;
            }
            read_conditions(&mut conditions, &rules.conditions, &columns.conditions, n, &mut met)?;
            sums.clear();
            sums.resize(n as usize, 0u64);
            for (lane, (seed, _, part)) in lanes.iter_mut().zip(compared) {
                lane.read(n, |raw| Ok(meaning(*seed, *part, raw)))?;
                for (row, (sum, met)) in sums.iter_mut().zip(&mut met).enumerate() {
                    match lane.get(row).flatten() {
                        // Columns may be in another order in another file.
                        Some(of_column) => *sum = sum.wrapping_add(of_column),
                        None => *met = false,
                    }
                }
            }
            for (in_block, ((sum, _), row)) in
                sums.iter().zip(&met).zip(at..).enumerate().filter(|(_, ((_, met), _))| **met)
            {
                let users = users.as_ref().map_or(1.0, |users| users_of(users.get(in_block), unit(value.1)));
                if !each(task.before + row, *sum, users) {
                    return Ok(());
                }
            }
            at += u64::from(n);
        }
        Ok(())
    }
}

/// Whose users are read.
#[derive(Clone, Copy)]
pub enum Users {
    /// Those of no row: each counts as 1.
    Unread,
    /// Those of all rows.
    OfAll,
}

/// A column that takes part in the identity of rows: the seed of its hashes, where it is, and how.
type Compared = (u64, ColumnLocation, Part);

/// Opens compared columns of a row group.
fn open_columns<'a>(
    compared: &'a [Compared],
    file: &'a OpenFile<'_>,
    meta: &RowGroupMeta,
) -> Result<Vec<Column<'a>>> {
    let source = |(_, location, _): &'a Compared| location.source(&file.footer, meta);
    let sources: Vec<ColumnSource<'_, '_>> = compared.iter().map(source).collect::<Result<_>>()?;
    Column::open_all(file.object, &sources, meta.rows)
}

/// The columns that identify the rows of a file, each with a seed for its hashes.
fn identity_of(
    subject: &Subject<'_>,
    identity: Identity,
    file: &OpenFile<'_>,
    columns: &FileColumns,
) -> Vec<Compared> {
    let users = columns.users.as_ref().map(|(location, ..)| location);
    // What the profile reads is never of a connector.
    let named: Vec<&ColumnLocation> = columns.key_locations().collect();
    let is_by_row = subject.job.profile.users.rows;
    // Fivetran's id of a row is that of the user, where each row is one.
    let is_kept =
        |name: &str| !is_of_connector(name) || is_by_row && name.eq_ignore_ascii_case("_fivetran_id");
    let is_left_out =
        |name: &str| identity.is_of_cube() && ["token", "has_subtrackers"].contains(&&*name.to_lowercase());
    let takes_part = |name: &str, location: &ColumnLocation| match identity {
        Identity::CubeKey => named.contains(&location),
        _ => is_kept(name) && !is_left_out(name),
    };
    let date = columns.date.as_ref().map(|(location, _)| location);
    let part = |location: &ColumnLocation| {
        if !identity.is_of_cube() {
            Part::Stored
        } else if Some(location) == date {
            Part::Day
        } else if named.contains(&location) {
            Part::Key
        } else {
            Part::Stored
        }
    };
    let seed = |name: &str| hash_bytes(0, name.to_lowercase().as_bytes());
    let mut found = Vec::new();
    for (at, leaf) in file.footer.leaves.iter().enumerate() {
        let location = ColumnLocation::Leaf(at);
        let is_named = named.contains(&&location);
        let is_label = identity.is_of_cube() && columns.label.as_ref() == Some(&location);
        let is_other_measure = identity == Identity::WithoutMeasures && is_measure(leaf) && !is_named;
        if Some(&location) == users || is_label || is_other_measure || leaf.path.len() > 1 {
            continue;
        }
        if is_named || takes_part(top(leaf), &location) {
            found.push((seed(&leaf.name()), location.clone(), part(&location)));
        }
    }
    for (key, value) in &file.input.partitions {
        let location = ColumnLocation::Partition(value.clone());
        if takes_part(key, &location) {
            found.push((seed(key), location.clone(), part(&location)));
        }
    }
    found
}

/// Adds the rows of a key that is there more than once.
fn same_keys(group: &[Hashed<f64>], found: &mut Found) {
    let mut seen: Vec<f64> = Vec::new();
    for pair in group.windows(2) {
        let [(_, earlier, of_earlier), (_, row, users)] = pair else { continue };
        if seen.len() < 16 && !seen.contains(of_earlier) {
            seen.push(*of_earlier);
        }
        let repeated = Repeated { row: *row, earlier: *earlier, users: *users, of_earlier: *of_earlier };
        found.add(repeated, seen.contains(users), 1);
    }
}

/// Adds rows of users: as many of a file are those of an earlier file as both have.
fn same_users(group: &[Hashed<f64>], found: &mut Found) {
    let mut last: Option<&[Hashed<f64>]> = None;
    for rows in group.chunk_by(|a, b| place(a.1).0 == place(b.1).0) {
        let of = |row: u64, earlier: u64| Repeated { row, earlier, users: 1.0, of_earlier: 1.0 };
        if let [(_, first, _), (_, second, _), ..] = rows {
            found.add(of(*second, *first), true, rows.len() as u64 - 1);
        }
        if let (Some([(_, earlier, _), ..]), Some((_, row, _))) = (last, rows.first()) {
            let both = last.map_or(0, <[_]>::len).min(rows.len()) as u64;
            found.add(of(*row, *earlier), true, both);
        }
        last = Some(rows);
    }
}

/// The name of a column, or of the group that it is in.
fn top(leaf: &Leaf) -> &str {
    leaf.path.first().map_or("", |name| name)
}

/// Whether a column has numbers that are measured: fractions, or integers by the name of the column.
fn is_measure(leaf: &Leaf) -> bool {
    match (leaf.physical, leaf.logical) {
        (Physical::Float | Physical::Double, _) => true,
        (_, Logical::Decimal { scale, .. }) => scale > 0 || is_of_measure(top(leaf)),
        _ => {
            matches!(TextForm::of(leaf), Ok(TextForm::Integer | TextForm::Unsigned))
                && is_of_measure(top(leaf))
        }
    }
}
