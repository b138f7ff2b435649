//! What some of the rows show: the evidence from which the checks on single rows are judged.
//!
//! Evidence is a partial aggregate, as the sums are. It is gathered from any rows, merged in any order, sent as bytes, and
//! judged once all of it is merged: the results do not depend on how the rows were split. A run on one machine gathers
//! the evidence of all rows, in parts of one thread each; on a cluster, an executor gathers that of a split.
//!
//! Its size is bounded by the distinct values of the columns, of which it accepts at most 2^20 each, and by 2^21 sums.
//! What compares rows with one another is no evidence: see [`super::cube`] and [`super::general::rows`].

use std::collections::BTreeMap;
use std::sync::Arc;

use super::counts::{self, Counts, date};
use super::general::columns::FileColumns;
use super::general::lanes::{self, tasks};
use super::general::{Subject, pass};
use super::judge::label_of_day;
use super::passes::Passes;
use super::rules::{Date, Flaw, Label, Rules, has, is_wrong_week, label};
use super::tally::{self, Place, keep_first};
use super::{RowRange, Thoroughness, deleted, general, locate};
use crate::calendar::label::LabelForm;
use crate::checks::model::VIOLATIONS;
use crate::checks::{CheckId, Config, Shape};
use crate::dataset::{OpenFile, Role};
use crate::error::{Location, Report};
use crate::profile::Question;
use crate::progress::Progress;
use crate::table::cell::iso_date;
use crate::{Error, Job, Result, calendar};

/// The first bytes of serialised evidence; the number is the version.
const MAGIC: &[u8] = b"rollshare evidence 1\n";

/// The first rows that violate a check.
pub type Located = BTreeMap<CheckId, Vec<Place>>;

/// The evidence of some rows.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Evidence {
    /// What the rows have.
    pub seen: Seen,
    /// Rows that are marked as deleted.
    pub marked: deleted::Marked,
}

/// What some rows have.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub enum Seen {
    /// Rows of a cube.
    Cube(Box<CubeSeen>),
    /// Rows of any other export.
    General(Box<general::counts::Counts>),
    /// Rows of any other export with too many distinct values, in words.
    TooMany(String),
}

/// What some rows of a cube have.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct CubeSeen {
    /// The values that occur, and the rows that violate rules.
    pub counts: Counts,
    /// The first rows that violate a check.
    pub located: Located,
}

impl Evidence {
    /// Gathers the evidence of some rows, at least one range of each file that has rows in it. `config` is that of the
    /// job's profile.
    ///
    /// # Errors
    /// What keeps the rows from being read: I/O errors, damaged files, columns of a type that cannot be compared.
    pub fn gather(
        job: &Job,
        config: &Config,
        shape: Shape,
        files: &[OpenFile<'_>],
        rows: &[RowRange],
        progress: &dyn Progress,
    ) -> Result<Self> {
        if shape.is_cube() {
            let passes = Passes::begin(progress, files, &[&Role::ALL]);
            let rules = Rules { job, config };
            let (evidence, _) = Self::of_cube(rules, files, rows, Thoroughness::default(), &passes)?;
            passes.finish();
            return Ok(evidence);
        }
        let question = Question::new(job)?;
        let subject = Subject::new(job, config, &question);
        let columns = FileColumns::locate_all(&subject, files)?;
        Self::of_general(&subject, files, &columns, rows, progress)
    }

    /// The evidence of rows of a cube, and their ranges with the days that they have.
    pub(super) fn of_cube(
        rules: Rules<'_>,
        files: &[OpenFile<'_>],
        rows: &[RowRange],
        thoroughness: Thoroughness,
        passes: &Passes<'_>,
    ) -> Result<(Self, Vec<RowRange>)> {
        let (row_ranges, counts) = super::count(rules, files, rows, thoroughness, passes)?;
        let located = locate_all(rules, files, &row_ranges, &counts, passes)?;
        let marked = match rules.config.switched_off(CheckId::DeletedRows) {
            Some(_) => deleted::Marked::default(),
            None => deleted::count_marked(rules.job, files, &tasks(rows), |_| &[], passes.progress())?,
        };
        Ok((Evidence { seen: Seen::Cube(Box::new(CubeSeen { counts, located })), marked }, row_ranges))
    }

    /// The evidence of rows of any other export.
    pub(super) fn of_general(
        subject: &Subject<'_>,
        files: &[OpenFile<'_>],
        columns: &[Arc<FileColumns>],
        rows: &[RowRange],
        progress: &dyn Progress,
    ) -> Result<Self> {
        let tasks: Vec<lanes::TaskRows> = tasks(rows);
        let seen = match pass::count(subject, files, columns, &tasks, progress) {
            Ok(counts) => Seen::General(Box::new(counts)),
            // Where the limit was exceeded depends on the order of the rows.
            Err(Error::TooLarge(report)) => {
                Seen::TooMany(Report { location: Location::default(), ..*report }.to_string())
            }
            Err(error) => return Err(error),
        };
        let is_counted = matches!(seen, Seen::General(_));
        let marked = if is_counted && subject.config.switched_off(CheckId::DeletedRows).is_none() {
            let conditions = |file: usize| columns.get(file).map_or(&[][..], |columns| &columns.conditions);
            deleted::count_marked(subject.job, files, &tasks, conditions, progress)?
        } else {
            deleted::Marked::default()
        };
        Ok(Evidence { seen, marked })
    }

    /// Rows of this evidence; `None` where there were too many values to count them.
    pub fn rows(&self) -> Option<u64> {
        match &self.seen {
            Seen::Cube(seen) => Some(seen.counts.rows),
            Seen::General(counts) => Some(counts.rows),
            Seen::TooMany(_) => None,
        }
    }

    /// What rows of a cube have, and those that are marked as deleted.
    ///
    /// # Errors
    /// `Internal` for evidence of another export.
    pub(super) fn into_cube(self) -> Result<(CubeSeen, deleted::Marked)> {
        match self.seen {
            Seen::Cube(seen) => Ok((*seen, self.marked)),
            _ => Err(Error::internal("evidence of another shape than that of the files")),
        }
    }

    /// Adds the evidence of other rows.
    ///
    /// # Errors
    /// `TooLarge` for too many distinct values of a cube; `Internal` for evidence of another shape.
    pub fn merge(self, other: Evidence) -> Result<Evidence> {
        let mut marked = self.marked;
        marked.merge(other.marked);
        let seen = match (self.seen, other.seen) {
            (Seen::Cube(mut one), Seen::Cube(other)) => {
                one.counts.merge(other.counts)?;
                for (id, places) in other.located {
                    keep_first(one.located.entry(id).or_default(), places);
                }
                Seen::Cube(one)
            }
            (Seen::General(one), Seen::General(other)) => match one.merge(*other) {
                Ok(counts) => Seen::General(Box::new(counts)),
                Err(Error::TooLarge(report)) => Seen::TooMany(report.to_string()),
                Err(error) => return Err(error),
            },
            (Seen::TooMany(one), Seen::TooMany(other)) => Seen::TooMany(one.min(other)),
            (Seen::TooMany(why), Seen::General(_)) | (Seen::General(_), Seen::TooMany(why)) => {
                Seen::TooMany(why)
            }
            _ => return Err(Error::internal("evidence of different checks")),
        };
        Ok(Evidence { seen, marked })
    }

    /// Replaces the numbers of files by those at their index. The order of the files stays as it is.
    pub fn renumber(&mut self, numbers: &[usize]) {
        self.marked.renumber(numbers);
        match &mut self.seen {
            Seen::Cube(seen) => {
                seen.located.values_mut().for_each(|places| tally::renumber(places, numbers));
            }
            Seen::General(counts) => counts.renumber(numbers),
            Seen::TooMany(_) => {}
        }
    }

    /// As bytes, for another process of the same version.
    ///
    /// # Errors
    /// None in practice.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        postcard::to_extend(self, MAGIC.to_vec())
            .map_err(|e| Error::internal(format!("cannot serialise evidence: {e}")))
    }

    /// Reads the bytes of [`Self::to_bytes`].
    ///
    /// # Errors
    /// `Format` where the bytes are not evidence of this version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let body = bytes.strip_prefix(MAGIC).ok_or_else(|| {
            Error::format("evidence of another version, or something else").expected("'rollshare evidence 1'")
        })?;
        let mut evidence: Evidence =
            postcard::from_bytes(body).map_err(|e| Error::format(format!("damaged evidence: {e}")))?;
        evidence.restore()?;
        Ok(evidence)
    }

    /// Numbers the names of deserialised evidence.
    ///
    /// # Errors
    /// `Format` where its fields contradict one another.
    pub fn restore(&mut self) -> Result<()> {
        match &mut self.seen {
            Seen::General(counts) => counts.restore(),
            Seen::Cube(_) | Seen::TooMany(_) => Ok(()),
        }
    }
}

/// The first rows that violate the checks on single rows. A check that is off is skipped.
fn locate_all(
    rules: Rules<'_>,
    files: &[OpenFile<'_>],
    row_ranges: &[RowRange],
    counts: &Counts,
    passes: &Passes<'_>,
) -> Result<Located> {
    let objections = &counts.objections;
    let labels = |bad: Label| {
        locate::rows(passes, files, row_ranges, Role::Label, |_, raw| {
            (label(raw) == bad).then(|| locate::name(raw))
        })
    };
    let values = |flaw: Flaw| {
        locate::numbers(passes, files, row_ranges, |file, number| has(flaw, number, counts::unit(file)))
    };
    let unknown = |role: Role, is_known: &dyn Fn(&[u8]) -> bool| {
        locate::rows(passes, files, row_ranges, role, |_, raw| {
            raw.filter(|name| !is_known(name)).map(|_| locate::name(raw))
        })
    };
    let of_flaw = |flaw: Flaw| objections.values.of(flaw);
    let all = [
        (CheckId::LabelForm, objections.malformed),
        (CheckId::LabelWeek, objections.no_week),
        (CheckId::LabelDate, objections.wrong_week),
        (CheckId::KeyNulls, objections.nulls.iter().sum()),
        (CheckId::ValueNulls, of_flaw(Flaw::Null)),
        (CheckId::ValueFinite, of_flaw(Flaw::NotFinite)),
        (CheckId::ValueNegative, of_flaw(Flaw::Negative)),
        (CheckId::ValueIntegral, of_flaw(Flaw::Fractional)),
        (CheckId::CountryKnown, objections.countries.values().sum()),
        (CheckId::SystemKnown, objections.systems.values().sum()),
    ];
    let mut located = Located::new();
    for (id, count) in all {
        if count == 0 || rules.config.switched_off(id).is_some() {
            continue;
        }
        let places = match id {
            CheckId::LabelForm => labels(Label::Malformed)?,
            CheckId::LabelWeek => no_weeks(passes, files, row_ranges)?,
            CheckId::LabelDate => wrong_weeks(passes, files, row_ranges)?,
            CheckId::KeyNulls => nulls(rules, passes, files, row_ranges, counts)?,
            CheckId::ValueNulls => values(Flaw::Null)?,
            CheckId::ValueFinite => values(Flaw::NotFinite)?,
            CheckId::ValueNegative => values(Flaw::Negative)?,
            CheckId::ValueIntegral => values(Flaw::Fractional)?,
            CheckId::CountryKnown => unknown(Role::Country, &|code| rules.is_known_country(code))?,
            _ => unknown(Role::System, &|name| rules.is_known_system(name))?,
        };
        located.insert(id, places);
    }
    Ok(located)
}

/// Labels of another week than that of their date.
fn wrong_weeks(passes: &Passes<'_>, files: &[OpenFile<'_>], row_ranges: &[RowRange]) -> Result<Vec<Place>> {
    locate::weeks(passes, files, row_ranges, |file, week, raw| {
        let date = date(file, raw);
        is_wrong_week(label(week), date).then(|| match date {
            Date::Day(day) => format!(
                "{} on {}, which is in {}",
                locate::name(week),
                iso_date(day),
                calendar::week_label(calendar::week_of(day))
            ),
            _ => format!("{} on {}, which is no date", locate::name(week), locate::name(raw)),
        })
    })
}

/// Labels of weeks that do not exist, each with the week of its date.
fn no_weeks(passes: &Passes<'_>, files: &[OpenFile<'_>], row_ranges: &[RowRange]) -> Result<Vec<Place>> {
    locate::weeks(passes, files, row_ranges, |file, week, raw| {
        let of_day = match date(file, raw) {
            Date::Day(day) => label_of_day(day, LabelForm::default()),
            _ => String::new(),
        };
        (label(week) == Label::NoWeek).then(|| format!("{}{of_day}", locate::name(week)))
    })
}

/// Nulls in columns of the key.
fn nulls(
    rules: Rules<'_>,
    passes: &Passes<'_>,
    files: &[OpenFile<'_>],
    row_ranges: &[RowRange],
    counts: &Counts,
) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    for (role, _) in Role::ALL.into_iter().zip(counts.objections.nulls).filter(|(_, count)| *count > 0) {
        let column = role.column(rules.job);
        places.extend(locate::rows(passes, files, row_ranges, role, |_, raw| {
            raw.is_none().then(|| format!("{column} is null"))
        })?);
    }
    places.sort_by_key(|(file, row, _)| (*file, *row));
    places.truncate(VIOLATIONS);
    Ok(places)
}
