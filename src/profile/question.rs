//! A job with its profile, as the scan needs it: columns by number, and what they are for.

use std::sync::Arc;

use super::meaning::{ClassRule, MemberRule, WhereRule};
use super::{Class, Dimension, Profile};
use crate::calendar::zone::Zone;
use crate::phrase::{Phrase, Setting};
use crate::{Error, Grain, Job, Result, Semantics};

/// Separates the members of a key of several dimensions.
pub const SEPARATOR: char = '\u{1f}';
/// Stands for a member: the row is a total row of the dimension.
pub const TOTAL: &str = "\u{1e}";
/// Stands for a member: the row has none.
pub const NULL: &str = "\u{1d}";

/// Which rows a pass sums, of the dimensions with totals that are no key: by number of the dimension, whether total rows
/// or the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Totals(u32);

impl Totals {
    /// Total rows of all `dimensions`.
    pub fn all(dimensions: usize) -> Self {
        Totals((1u32 << dimensions.min(MAX_TOTALS)) - 1)
    }

    /// Every other choice, in the order of their numbers.
    pub fn others(dimensions: usize) -> impl Iterator<Item = Totals> {
        (0..Totals::all(dimensions).0).map(Totals)
    }

    /// The rows of a number that [`Self::number`] gave.
    pub fn of_number(number: u32) -> Self {
        Totals(number)
    }

    /// As a number.
    pub fn number(self) -> u32 {
        self.0
    }

    /// Whether the total rows of dimension `at` are summed.
    pub fn has(self, at: usize) -> bool {
        self.0 >> at.min(31) & 1 == 1
    }
}

/// The most dimensions with totals that may be outside the key.
pub const MAX_TOTALS: usize = 6;

/// What must hold for a row to count.
#[derive(Debug, Clone)]
pub enum ConditionRule {
    /// It is a total row of this dimension, which is no key.
    IsTotal(MemberRule),
    /// It is no total row of this dimension.
    IsPart(MemberRule),
    /// A condition of the profile.
    Where(WhereRule),
    /// Its channel is not excluded: where the channel is a key.
    Counts(ClassRule),
}

/// What a key column gives a group.
#[derive(Debug, Clone)]
pub enum KeyRule {
    /// The member. Total rows are dropped, or are members of their own if `with_total`, as rows without a member are.
    Member {
        /// What its values mean.
        rule: MemberRule,
        /// Whether total rows, and rows without a member, are groups of their own.
        with_total: bool,
    },
    /// The channel.
    Channel(ClassRule),
}

/// A column of the scan.
#[derive(Debug, Clone)]
pub struct ScanColumn<R> {
    /// The name of the dimension, or of the column.
    pub name: Arc<str>,
    /// The column's name in the files.
    pub column: Arc<str>,
    /// Whether files may lack it.
    pub optional: bool,
    /// What its values mean.
    pub rule: R,
}

/// A job, as the scan needs it.
#[derive(Debug, Clone)]
pub struct Question {
    /// The job.
    pub job: Job,
    /// Columns that decide whether a row counts, in the order in which rows are accounted.
    pub conditions: Vec<ScanColumn<ConditionRule>>,
    /// Columns of the key: members, then the channel.
    pub keys: Vec<ScanColumn<KeyRule>>,
    /// The class of channels; `None` where channels are keys.
    pub class: Option<ClassRule>,
    /// The calendar of instants.
    pub zone: Option<Zone>,
}

impl Question {
    /// The question of a job, which is valid, over total rows of dimensions outside the key.
    ///
    /// # Errors
    /// As of [`Self::over`].
    pub fn new(job: &Job) -> Result<Self> {
        Self::over(job, Totals::all(other_totals(job).count()))
    }

    /// The question of a job, which is valid, over these rows.
    ///
    /// # Errors
    /// `Argument` for an unknown time zone, and for more dimensions with totals outside the key than [`MAX_TOTALS`].
    pub fn over(job: &Job, totals: Totals) -> Result<Self> {
        let others = other_totals(job).count();
        if others > MAX_TOTALS {
            return Err(Error::argument(format!("{others} dimensions with totals that are not in the key"))
                .expected(format!("at most {MAX_TOTALS}"))
                .advice(
                    Phrase::from("Name more of them in ")
                        .option(Setting::By("NAMES".into()))
                        .text(", or set ")
                        .option(Setting::TotalRows("NAME".into(), "off".into())),
                ));
        }
        let profile = &job.profile;
        let dimension = |name: &str, dimension: &Dimension| ScanColumn {
            name: name.into(),
            column: dimension.column_of(name).into(),
            // The original job read every column.
            optional: dimension.optional
                && !job.by.iter().any(|by| by == name)
                && job.semantics == Semantics::Iso,
            rule: MemberRule::new(dimension),
        };
        let (mut conditions, mut keys) = (Vec::new(), Vec::new());
        for name in &job.by {
            let Some(of) = profile.dimensions.get(name) else { continue };
            let with_total = job.with_total.contains(name);
            keys.push(dimension(name, of).with(|rule| KeyRule::Member { rule, with_total }));
        }
        let class = ClassRule::new(&profile.channel);
        let channel_column = profile.channel.column.as_deref().unwrap_or_default();
        let channel = |rule| ScanColumn {
            name: "channel".into(),
            column: channel_column.into(),
            optional: false,
            rule,
        };
        for (at, (name, of)) in other_totals(job).enumerate() {
            let is_total = totals.has(at);
            let rule =
                |rule| if is_total { ConditionRule::IsTotal(rule) } else { ConditionRule::IsPart(rule) };
            conditions.push(dimension(name, of).with(rule));
        }
        for condition in &profile.conditions {
            let column: Arc<str> = condition.column.as_str().into();
            let rule = ConditionRule::Where(WhereRule::new(condition));
            conditions.push(ScanColumn { name: column.clone(), column, optional: false, rule });
        }
        if job.share_of_channel {
            conditions.push(channel(class.clone()).with(ConditionRule::Counts));
            keys.push(channel(class.clone()).with(KeyRule::Channel));
        }
        Ok(Question {
            job: job.clone(),
            conditions,
            keys,
            class: (!job.share_of_channel).then_some(class),
            zone: profile.time.zone.as_deref().map(Zone::named).transpose()?,
        })
    }

    /// The names of the columns of time that a file may have: the label, for weeks, and the date.
    pub fn time_columns(&self) -> (Option<&str>, Option<&str>) {
        let time = &self.job.profile.time;
        let label = time.label.as_deref().filter(|_| self.job.grain == Grain::Week);
        (label, time.date.as_deref())
    }

    /// The column of the measure, for messages.
    pub fn measure_column(&self) -> &str {
        self.job.profile.users.column.as_deref().unwrap_or("users")
    }

    /// Whether all dates are needed too, beside labels.
    pub fn needs_dates(&self) -> bool {
        self.job.semantics == Semantics::Legacy
    }
}

impl ConditionRule {
    /// The only value for which the condition holds, where there is one that is a value.
    pub fn only_value(&self) -> Option<&[u8]> {
        match self {
            ConditionRule::IsTotal(rule) => rule.only_total(),
            ConditionRule::Where(rule) => rule.only_value(),
            ConditionRule::IsPart(_) | ConditionRule::Counts(_) => None,
        }
    }

    /// Whether the condition holds for a value.
    pub fn holds(&self, value: Option<&[u8]>) -> bool {
        match self {
            ConditionRule::IsTotal(rule) => is_total(rule, value),
            ConditionRule::IsPart(rule) => !is_total(rule, value),
            ConditionRule::Where(rule) => rule.holds(value),
            ConditionRule::Counts(rule) => rule.class(value) != Class::Excluded,
        }
    }
}

impl KeyRule {
    /// Whether a value, which is text, is the name of its group as it stands.
    pub fn is_plain(&self, value: &[u8]) -> bool {
        match self {
            KeyRule::Member { rule, .. } => rule.is_plain() && !rule.is_total(Some(value)),
            KeyRule::Channel(_) => false,
        }
    }
}

/// Whether rows of a value are total rows: also where the file lacks the column.
pub fn is_total(rule: &MemberRule, value: Option<&[u8]>) -> bool {
    value == Some(TOTAL.as_bytes()) || rule.is_total(value)
}

/// The dimensions with totals that are no key.
pub fn other_totals(job: &Job) -> impl Iterator<Item = (&str, &Dimension)> {
    let Profile { dimensions, .. } = &job.profile;
    let others = dimensions.iter().filter(|(name, of)| of.has_total() && !job.by.contains(name));
    others.map(|(name, of)| (name.as_str(), of))
}

impl<R> ScanColumn<R> {
    /// The column with another rule.
    fn with<S>(self, rule: impl FnOnce(R) -> S) -> ScanColumn<S> {
        ScanColumn { name: self.name, column: self.column, optional: self.optional, rule: rule(self.rule) }
    }
}
