//! Members and channels that continue under another name.
//!
//! ```text
//! spelling   two members differ by the case of letters only, or are known names of one country
//! succession a member has no users from some week on, another has none before, and the users of the weeks around the
//!            change agree
//! ```
//!
//! A spelling needs names alone; a succession needs the users of each member by week. Members of dimensions outside the
//! key are not compared: their rows are summed, whatever the members are called.
//!
//! - [`spelling`]: names of the same member. [`succession`]: a member that follows another.
//! - [`advice`]: the lines of the profile that join the members.

pub mod advice;
pub mod spelling;
pub mod succession;

use std::collections::{BTreeMap, BTreeSet};

use crate::calendar;
use crate::checks::model::{CheckResult, Measurement, NotRun, Status, VIOLATIONS, Violation};
use crate::checks::raw::locate;
use crate::checks::{CheckId, Config};
use crate::profile::meaning::ClassRule;
use crate::profile::{Channel, Class, Dimension};

/// The users of a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The member, or the channel.
    pub name: String,
    /// Users by week; weeks without users are left out.
    pub weeks: BTreeMap<i32, f64>,
}

impl Series {
    /// A name without users.
    pub fn new(name: impl Into<String>) -> Self {
        Series { name: name.into(), weeks: BTreeMap::new() }
    }

    /// Adds users in a week.
    pub fn add(&mut self, week: i32, users: f64) {
        if users != 0.0 {
            *self.weeks.entry(week).or_default() += users;
        }
    }

    fn users(&self) -> f64 {
        self.weeks.values().sum()
    }

    fn first(&self) -> Option<i32> {
        self.weeks.keys().next().copied()
    }

    fn last(&self) -> Option<i32> {
        self.weeks.keys().last().copied()
    }

    /// Whether this name has no users after the first week of the other one, nor the other one before its last.
    fn ends_before(&self, other: &Series) -> bool {
        self.last().zip(other.first()).is_some_and(|(last, first)| last <= first)
    }
}

/// The column whose names are compared.
#[derive(Clone, Copy)]
pub enum Column<'c> {
    /// A dimension of the key, by its name.
    Dimension(&'c str, &'c Dimension),
    /// The channels; whether the table has the share of each.
    Channel(&'c Channel, bool),
}

/// Why two names are taken for one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reason {
    /// They differ by case only.
    Case,
    /// They are known names of one country.
    Known,
    /// One has users from a week on, as many a week as the other had before.
    Follows {
        /// Users a week of the old name, before.
        before: f64,
        /// Users a week of the new name.
        after: f64,
    },
}

/// A name that goes on as another.
#[derive(Debug, Clone, PartialEq)]
pub struct Renamed {
    /// The old name.
    pub from: String,
    /// The new name, or the one to keep.
    pub to: String,
    /// Why.
    pub reason: Reason,
    /// The first week of the new name, where the old one has no users after it.
    pub since: Option<i32>,
    /// Users of both.
    pub users: f64,
}

/// The names of a column that are the same member, the pair with most users first. `days` are the days with rows of
/// each week; without any, names are compared by spelling alone.
pub fn find(column: Column<'_>, series: &[Series], days: &BTreeMap<i32, u32>) -> Vec<Renamed> {
    let mut found = spelling::find(column, series);
    let taken: BTreeSet<&String> = found.iter().flat_map(|renamed| [&renamed.from, &renamed.to]).collect();
    let rest: Vec<&Series> = series.iter().filter(|series| !taken.contains(&series.name)).collect();
    found.extend(succession::find(&rest, days));
    if let Column::Channel(channel, by_channel) = column {
        found.retain(|renamed| matters(channel, by_channel, renamed));
    }
    found.sort_by(|a, b| b.users.total_cmp(&a.users).then_with(|| a.from.cmp(&b.from)));
    found
}

/// Whether a renamed channel is not dealt with by the profile: both names are listed in the same class, or case is
/// ignored.
fn matters(channel: &Channel, by_channel: bool, renamed: &Renamed) -> bool {
    if by_channel {
        return true;
    }
    let rule = ClassRule::new(channel);
    let class = |name: &str| rule.class(Some(name.as_bytes()));
    let is_listed = |name: &String| channel.organic.contains(name) || channel.paid.contains(name);
    let is_same = class(&renamed.from) == class(&renamed.to);
    let both = is_listed(&renamed.from) && is_listed(&renamed.to);
    !(is_same && (both || channel.ignore_case && renamed.reason == Reason::Case))
}

/// A column with its names, and those of them that are the same member.
pub struct Compared<'c> {
    /// The column.
    pub column: Column<'c>,
    /// The number of names.
    pub names: usize,
    /// The pairs.
    pub renamed: Vec<Renamed>,
    /// Whether all names that differ from any other by more than case are in capital letters, or in small ones.
    pub others: [bool; 2],
}

impl<'c> Compared<'c> {
    /// Compares the names of a column.
    pub fn of(
        config: &Config,
        column: Column<'c>,
        mut series: Vec<Series>,
        days: &BTreeMap<i32, u32>,
    ) -> Self {
        series.sort_by(|a, b| a.name.cmp(&b.name));
        let mut renamed = find(column, &series, days);
        if let Column::Channel(channel, _) = column {
            // Channels that a person has listed are known, unless one is organic and the other is not.
            let rule = ClassRule::new(channel);
            let is_known = |name: &String| config.allow.channels.contains(name);
            let class = |name: &String| rule.class(Some(name.as_bytes()));
            renamed.retain(|r| !(is_known(&r.from) && is_known(&r.to)) || class(&r.from) != class(&r.to));
        }
        // Names of pairs get another name, or another case.
        let is_case = |renamed: &&Renamed| renamed.reason == Reason::Case;
        let kept = renamed.iter().filter(is_case).map(|renamed| &*renamed.to);
        let changed: BTreeSet<&str> = renamed.iter().map(|renamed| &*renamed.from).chain(kept).collect();
        let others = series.iter().map(|series| &*series.name).filter(|name| !changed.contains(name));
        let others = advice::cases(others);
        Compared { column, names: series.len(), renamed, others }
    }
}

/// The measurement of all columns. `without_weeks` says why users by week are not known, if they are not.
pub fn measure(columns: &[Compared<'_>], without_weeks: Option<&str>) -> Result<Measurement, NotRun> {
    let mut all: Vec<(&Compared<'_>, &Renamed)> = columns
        .iter()
        .flat_map(|column| column.renamed.iter().map(move |renamed| (column, renamed)))
        .collect();
    if let (true, Some(why)) = (all.is_empty(), without_weeks) {
        return Err(NotRun::NotApplicable(why.into()));
    }
    all.sort_by(|(_, a), (_, b)| b.users.total_cmp(&a.users));
    let offenders = all.iter().take(VIOLATIONS).map(|(of, renamed)| Violation::key(sentence(of, renamed)));
    let names = columns.iter().map(|column| column.names as u64).sum();
    let finding = Measurement::count(all.len() as u64, names, offenders.collect());
    let lines: Vec<String> = columns.iter().filter_map(advice::of_column).collect();
    Ok(if lines.is_empty() { finding } else { finding.note(format!("in the profile: {}", lines.join("; "))) })
}

/// What is renamed and how it shows, in words.
fn sentence(compared: &Compared<'_>, renamed: &Renamed) -> String {
    let name = |name: &str| locate::name(Some(name.as_bytes()));
    let what = match compared.column {
        Column::Dimension(dimension, _) => dimension,
        Column::Channel(..) => "channel",
    };
    let (from, to) = (name(&renamed.from), name(&renamed.to));
    let since = renamed.since.map_or(String::new(), |week| {
        let (year, number) = calendar::iso_of(week);
        format!(" in {year:04}-W{number:02}")
    });
    let how = match renamed.reason {
        Reason::Case => "the names differ by case only".to_owned(),
        Reason::Known => "both are names of one country".to_owned(),
        Reason::Follows { before, after } => {
            format!("{} users a week before, {} after", round(before), round(after))
        }
    };
    let class = match compared.column {
        Column::Channel(channel, false) => advice::classes(channel, renamed),
        _ => String::new(),
    };
    let line = advice::of_one(compared.column, compared, renamed);
    format!("{what} {from} is renamed {to}{since}: {how}{class}; {line}")
}

fn round(users: f64) -> f64 {
    if users >= 10.0 { users.round() } else { (users * 10.0).round() / 10.0 }
}

/// Says in the notes of the checks on members which of their offenders are renamed.
pub fn mention(outcomes: &mut [CheckResult]) {
    let is_found = |o: &&CheckResult| matches!(o.status, Status::Warn | Status::Fail);
    let renamed: Vec<String> = (outcomes.iter().filter(is_found))
        .filter(|outcome| outcome.check == CheckId::MemberRenamed)
        .flat_map(|outcome| outcome.offenders.iter().map(|offender| offender.value.clone()))
        .collect();
    if renamed.is_empty() {
        return;
    }
    for outcome in outcomes.iter_mut().filter(|outcome| {
        matches!(outcome.check, CheckId::CountryKnown | CheckId::SystemKnown | CheckId::ChannelNew)
    }) {
        // An offender is `'UK'` or `country 'UK'`.
        let quoted = |value: &str| value.find('\'').and_then(|at| value.get(at..)).map(str::to_owned);
        let mut names: Vec<String> =
            outcome.offenders.iter().filter_map(|offender| quoted(&offender.value)).collect();
        names.sort();
        names.dedup();
        let is_in = |sentence: &String, name: &str| {
            [' ', ':'].iter().any(|end| sentence.contains(&format!(" {name}{end}")))
        };
        names.retain(|name| renamed.iter().any(|sentence| is_in(sentence, name)));
        if !names.is_empty() && !outcome.note.contains("member_renamed") {
            let space = if outcome.note.is_empty() { "" } else { "; " };
            outcome.note.push_str(&format!("{space}{} renamed, see member_renamed", names.join(", ")));
        }
    }
}

/// Whether a channel is compared: excluded ones are not.
pub fn is_counted(rule: &ClassRule, channel: &str) -> bool {
    rule.class(Some(channel.as_bytes())) != Class::Excluded
}

#[cfg(test)]
mod tests;
