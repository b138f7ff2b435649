//! The profile: what the columns of an export mean.
//!
//! - this file: the profile as a value, and its rules.
//! - [`read`]: a profile from TOML: a file, or one of the bundled ones.
//! - [`entries`]: single entries that replace those of a profile.
//! - [`column_entry`]: the entries that name columns, and the error for data that lack one.
//! - [`question`]: a job with its profile, as the scan needs it: conditions, keys, time, class and measure, by number.
//! - [`meaning`]: what a distinct value of a column means: a member, a class, whether a condition holds.
//!
//! The default profile is the cube that the original job reads: totals over countries and systems are rows of their
//! own, and weeks are labels. Other modules of the kernel know nothing of profiles.

pub mod column_entry;
pub mod entries;
pub mod meaning;
pub mod question;
pub mod read;

use std::collections::BTreeMap;

use crate::calendar::label::LabelForm;
use crate::calendar::period::Weekday;
use crate::phrase::{Phrase, Setting};
use crate::{Error, Result};

pub use question::Question;

/// What the columns of an export mean.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    /// The time of a row.
    pub time: Time,
    /// The number of users of a row.
    pub users: Users,
    /// The channel of a row.
    pub channel: Channel,
    /// The columns by which rows are split, by the name of the output's column.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub dimensions: BTreeMap<String, Dimension>,
    /// Rows count where all of these hold.
    #[serde(rename = "where", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// The columns of time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Time {
    /// The column of dates or times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// The unit of a date column of integers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<TimeUnit>,
    /// The column of ISO week labels; used for weeks where the files have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The form of the labels.
    #[serde(skip_serializing_if = "is_default")]
    pub label_form: LabelForm,
    /// The time zone on whose calendar instants are put, by its IANA name; UTC if it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The first day of the week.
    #[serde(skip_serializing_if = "is_default")]
    pub week_start: Weekday,
    /// Days until the rows of a day are complete; see [`Self::settles_in`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settle_days: Option<u32>,
}

impl Time {
    /// The days that an export takes to settle: rows of a day may arrive so many days later. 3 if they are not given.
    pub fn settles_in(&self) -> u32 {
        self.settle_days.unwrap_or(3)
    }
}

/// The unit of integers that count time from 1970-01-01T00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum TimeUnit {
    /// Seconds.
    #[serde(rename = "s")]
    Second,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Millisecond,
    /// Microseconds.
    #[serde(rename = "us")]
    Microsecond,
    /// Nanoseconds.
    #[serde(rename = "ns")]
    Nanosecond,
    /// Days.
    #[serde(rename = "day")]
    Day,
}

impl TimeUnit {
    /// All, by name.
    pub const ALL: [(&'static str, TimeUnit); 5] = [
        ("s", TimeUnit::Second),
        ("ms", TimeUnit::Millisecond),
        ("us", TimeUnit::Microsecond),
        ("ns", TimeUnit::Nanosecond),
        ("day", TimeUnit::Day),
    ];

    /// Units of a day.
    pub fn per_day(self) -> i64 {
        let second = 86_400;
        match self {
            TimeUnit::Second => second,
            TimeUnit::Millisecond => second * 1_000,
            TimeUnit::Microsecond => second * 1_000_000,
            TimeUnit::Nanosecond => second * 1_000_000_000,
            TimeUnit::Day => 1,
        }
    }
}

impl std::str::FromStr for TimeUnit {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.iter().find(|(unit, _)| *unit == name).map(|(_, unit)| *unit).ok_or_else(|| {
            Error::argument(format!("the unit '{name}'")).expected("one of s, ms, us, ns, day")
        })
    }
}

/// The number of users of a row: a column, or one a row.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Users {
    /// The column of the numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Whether each row is one user.
    #[serde(skip_serializing_if = "is_default")]
    pub rows: bool,
    /// Whether no two rows are of the same time, members and channel: then a row that occurs twice blocks.
    #[serde(skip_serializing_if = "is_default")]
    pub unique: bool,
}

/// The column of channels, and the class of each channel.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Channel {
    /// The column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Channels that are organic; every other one is paid.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub organic: Vec<String>,
    /// Channels that are paid; every other one is organic. Instead of `organic`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paid: Vec<String>,
    /// Channels whose rows are in neither sum.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<String>,
    /// The class of rows without a channel.
    #[serde(skip_serializing_if = "is_default")]
    pub null: Class,
    /// Whether the case of names is ignored.
    #[serde(skip_serializing_if = "is_default")]
    pub ignore_case: bool,
}

/// The class of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Class {
    /// Came by marketing.
    Paid = 0,
    /// Came without it.
    Organic = 1,
    /// In neither sum.
    #[default]
    Excluded = 2,
}

impl std::str::FromStr for Class {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "paid" => Ok(Class::Paid),
            "organic" => Ok(Class::Organic),
            "excluded" => Ok(Class::Excluded),
            _ => {
                Err(Error::argument(format!("the class '{name}'")).expected("one of organic, paid, excluded"))
            }
        }
    }
}

/// A column by which rows are split. Its values are members.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dimension {
    /// The column; that of the dimension's name if it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The member of total rows, which sum all others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<String>,
    /// Whether rows without a member are total rows.
    #[serde(skip_serializing_if = "is_default")]
    pub total_is_null: bool,
    /// Whether total rows are recognised.
    #[serde(skip_serializing_if = "is_default")]
    pub total_rows: TotalRows,
    /// The member of rows without one; without it they are dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub null: Option<String>,
    /// The case that members are put in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<Case>,
    /// Members that have another name in the table, after their case is changed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rename: BTreeMap<String, String>,
    /// The members that the checks expect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<Members>,
    /// Whether files may lack the column; then it is no dimension of the run.
    #[serde(skip_serializing_if = "is_default")]
    pub optional: bool,
}

/// Whether the total rows of a dimension are recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TotalRows {
    /// If there are any.
    #[default]
    Auto,
    /// Never: the total is a member like any other.
    Off,
    /// It is an error if there are none.
    Required,
}

impl std::str::FromStr for TotalRows {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "auto" => Ok(TotalRows::Auto),
            "off" => Ok(TotalRows::Off),
            "required" => Ok(TotalRows::Required),
            _ => Err(Error::argument(format!("total rows '{name}'")).expected("one of auto, off, required")),
        }
    }
}

/// A case of letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Case {
    /// Capital letters.
    Upper,
    /// Small letters.
    Lower,
}

/// The members that are expected.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum Members {
    /// A list that has a name: `iso-3166-1`.
    Named(MemberList),
    /// These.
    List(Vec<String>),
}

/// A list of members that has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum MemberList {
    /// Country codes of two letters.
    #[serde(rename = "iso-3166-1")]
    Iso3166,
}

/// A condition on the value of a column. Values are compared as text: true and false, whole numbers, dates `yyyy-mm-dd`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Condition {
    /// The column.
    pub column: String,
    /// Its value is one of these.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    pub is_in: Option<Vec<String>>,
    /// Its value is none of these; null is none of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_in: Option<Vec<String>>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Dimension {
    /// The column's name, of the dimension `name`.
    pub fn column_of<'d>(&'d self, name: &'d str) -> &'d str {
        self.column.as_deref().unwrap_or(name)
    }

    /// Whether some rows may be total rows.
    pub fn has_total(&self) -> bool {
        (self.total.is_some() || self.total_is_null) && self.total_rows != TotalRows::Off
    }

    /// The member of the dimension's total in the table. A total that is a member like any other gives it no name.
    pub fn total_name(&self) -> &str {
        self.total.as_deref().filter(|_| self.has_total()).unwrap_or("total")
    }
}

impl Condition {
    /// The condition as `column in (a, b)`, for messages.
    pub fn show(&self) -> String {
        let list = |values: &[String]| values.iter().map(|v| format!("'{v}'")).collect::<Vec<_>>().join(", ");
        match (&self.is_in, &self.not_in) {
            (Some(values), _) => format!("{} in ({})", self.column, list(values)),
            (None, values) => {
                format!("{} not in ({})", self.column, list(values.as_deref().unwrap_or_default()))
            }
        }
    }
}

impl Profile {
    /// The profile of the original job's export: the default.
    pub fn cube() -> Self {
        let country = Dimension {
            total: Some("ALL".into()),
            members: Some(Members::Named(MemberList::Iso3166)),
            ..Dimension::default()
        };
        let system = Dimension {
            total: Some("all".into()),
            members: Some(Members::List(vec!["android".into(), "ios".into()])),
            optional: true,
            ..Dimension::default()
        };
        Profile {
            time: Time {
                date: Some("start_date".into()),
                label: Some("year_week".into()),
                ..Time::default()
            },
            users: Users { column: Some("value".into()), rows: false, unique: true },
            channel: Channel {
                column: Some("name".into()),
                organic: vec!["Organic".into()],
                ..Channel::default()
            },
            dimensions: [("country".to_owned(), country), ("os_name".to_owned(), system)].into(),
            conditions: Vec::new(),
        }
    }

    /// Sorts its lists and checks it.
    ///
    /// # Errors
    /// `Argument` for entries that are missing or contradict one another.
    pub fn validated(mut self) -> Result<Self> {
        let missing = |what: &str, entry: Setting| {
            Error::argument(format!("the profile has no {what}")).expected(Phrase::default().entry(entry))
        };
        if self.time.date.is_none() && self.time.label.is_none() {
            return Err(missing("column of time", Setting::Date("COLUMN".into())));
        }
        if self.users.column.is_some() == self.users.rows {
            return Err(if self.users.rows {
                Error::argument("the profile has both a column of users and one user a row")
                    .expected("column or rows in [users], not both")
            } else {
                let expected = Phrase::default().entry(Setting::Users("COLUMN".into())).text(", or ");
                missing("users", Setting::CountRows).expected(expected.entry(Setting::CountRows))
            });
        }
        if self.channel.column.is_none() {
            return Err(missing("channel", Setting::Channel("COLUMN".into())));
        }
        if self.time.week_start != Weekday::default() && self.time.label.is_some() {
            return Err(Error::argument(format!(
                "week_start = \"{}\" with a column of week labels",
                self.time.week_start
            ))
            .expected("labels or week_start: labels are ISO weeks, which begin on Monday"));
        }
        let channel = &mut self.channel;
        for names in [&mut channel.organic, &mut channel.paid, &mut channel.excluded] {
            names.sort_unstable();
            names.dedup();
        }
        if !channel.organic.is_empty() && !channel.paid.is_empty() {
            return Err(Error::argument("the profile lists organic and paid channels")
                .expected("one of the two lists: every channel that is not in it is of the other class"));
        }
        if channel.organic.is_empty() && channel.paid.is_empty() && channel.null != Class::Organic {
            return Err(Error::argument("the list of organic channels is empty")
                .expected("at least one name in organic or in paid, or null = \"organic\""));
        }
        let both = channel
            .excluded
            .iter()
            .find(|name| channel.organic.contains(name) || channel.paid.contains(name));
        if let Some(name) = both {
            return Err(Error::argument(format!("the channel '{name}' is excluded and in another list"))
                .expected("each channel in one list"));
        }
        for (name, dimension) in &self.dimensions {
            if name.is_empty() || dimension.column_of(name).is_empty() {
                return Err(Error::argument("a dimension without a name").expected("a name and a column"));
            }
            if dimension.total.is_some() && dimension.total_is_null {
                return Err(Error::argument(format!("dimension {name}: total and total_is_null"))
                    .expected("one of the two"));
            }
            if dimension.total_is_null && dimension.null.is_some() {
                return Err(Error::argument(format!("dimension {name}: total_is_null and null"))
                    .expected("one of the two: rows without a member are total rows or get a member"));
            }
            if dimension.total_rows == TotalRows::Required && !dimension.has_total() {
                return Err(Error::argument(format!(
                    "dimension {name}: total_rows = \"required\" without a total"
                ))
                .expected("total = \"MEMBER\" or total_is_null = true"));
            }
        }
        for condition in &self.conditions {
            if condition.column.is_empty() || condition.is_in.is_some() == condition.not_in.is_some() {
                return Err(Error::argument("a condition of [[where]] that is not complete")
                    .expected("column, and one of in and not_in"));
            }
        }
        Ok(self)
    }
}
