//! From counts to results.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::Subject;
use super::compare::{self, totals_check};
use super::counts::{Bucket, Counts, Names};
use super::sums::ExactSums;
use super::timed::{TimedSums, Total};
use crate::calendar::period::week_of_with_start;
use crate::checks::catalog::{CheckId, Severity, Stage};
use crate::checks::finding;
use crate::checks::model::{CheckResult, Limit, Measurement, NotRun, VIOLATIONS, Violation};
use crate::checks::raw::class_gaps::{self, KeyDays};
use crate::checks::raw::future;
use crate::checks::raw::judge::{MANY_NULLS, explain_gaps, gaps, keep_nulls, show_days};
use crate::checks::raw::renamed::{self, Column, Compared, Series};
use crate::checks::raw::rules::Flaw;
use crate::checks::raw::tally::{Tally, violations};
use crate::checks::raw::{columns, locate};
use crate::checks::results::Results;
use crate::checks::totals::key_name;
use crate::dataset::OpenFile;
use crate::nearest;
use crate::profile::meaning::ClassRule;
use crate::profile::{Class, Dimension, MemberList, Members};
use crate::report::words::number;
use crate::table::cell::iso_date;

/// Keys with rows on at least this part of the days of the data are expected on all of them, ...
const NEARLY_ALL: f64 = 0.95;
/// ... unless users are so few that this many days without any are due to chance.
const BY_CHANCE: f64 = 0.1;

/// The results where the rows have too many distinct values.
pub fn too_large(subject: &Subject<'_>, why: &str) -> Results {
    of_stage(subject, |_| Err(NotRun::NotApplicable(why.to_owned())))
}

fn of_stage(subject: &Subject<'_>, finding: impl Fn(CheckId) -> Result<Measurement, NotRun>) -> Results {
    let ids = CheckId::ALL.iter().copied().filter(|id| id.stage() == Stage::Raw);
    Results::judge(subject.config, ids.map(|id| (id, finding(id))).collect()).for_any_key()
}

/// The results of all checks on the rows.
pub fn results(
    subject: &Subject<'_>,
    files: &[OpenFile<'_>],
    counts: &Counts,
    compared: &compare::Compared,
    deleted: &Result<Measurement, NotRun>,
) -> Results {
    let empty = Bucket::default();
    let judge = Judge { subject, files, counts, bucket: counts.chosen().unwrap_or(&empty), deleted };
    if judge.bucket.is_nothing() {
        // The job says why, with an error.
        return of_stage(subject, |id| match id {
            CheckId::Columns => Ok(columns::differing(subject.job, files)),
            _ => not_applicable("no row counts"),
        });
    }
    let mut outcomes = Vec::new();
    for id in CheckId::ALL.iter().copied().filter(|id| id.stage() == Stage::Raw) {
        let config = subject.config;
        for Finding { title, most, block_fraction, finding } in judge.find(id, compared) {
            let finding = config.switched_off(id).map_or(finding, Err);
            let severity = match config.severity(id) {
                Severity::Block if most == Severity::Warn => Severity::Warn,
                severity => severity,
            };
            let mut bounds = config.bounds(id);
            if let (Some(fraction), Some(_), false) = (block_fraction, bounds.block, bounds.is_own) {
                bounds.block = Some(Limit { count: None, fraction: Some(fraction) });
            }
            let mut outcome = CheckResult::of(id, severity, bounds, finding);
            outcome.title = title.unwrap_or_else(|| id.general_title().into());
            outcomes.push(outcome);
        }
    }
    renamed::mention(&mut outcomes);
    Results { outcomes }
}

/// A measurement of a check; a check may have one for each dimension.
struct Finding {
    /// The title, if it is not that of the check.
    title: Option<String>,
    /// The most severe that it may be.
    most: Severity,
    /// Above this fraction it blocks, unless the configuration has bounds of its own.
    block_fraction: Option<f64>,
    finding: Result<Measurement, NotRun>,
}

impl From<Result<Measurement, NotRun>> for Finding {
    fn from(finding: Result<Measurement, NotRun>) -> Self {
        Finding { title: None, most: Severity::Block, block_fraction: None, finding }
    }
}

fn not_applicable(why: impl Into<String>) -> Result<Measurement, NotRun> {
    Err(NotRun::NotApplicable(why.into()))
}

struct Judge<'j> {
    subject: &'j Subject<'j>,
    files: &'j [OpenFile<'j>],
    counts: &'j Counts,
    bucket: &'j Bucket,
    deleted: &'j Result<Measurement, NotRun>,
}

impl Judge<'_> {
    fn find(&self, id: CheckId, compared: &compare::Compared) -> Vec<Finding> {
        let Subject { job, config, .. } = self.subject;
        let bucket = self.bucket;
        let labels = |tally: &Tally| match &job.profile.time.label {
            Some(_) if job.grain == crate::Grain::Week => Ok(self.tally(tally, bucket.rows)),
            Some(_) => not_applicable("the periods are those of dates, not of labels"),
            None => not_applicable("the profile has no week labels"),
        };
        let one = match id {
            CheckId::Columns => Ok(columns::differing(job, self.files)),
            CheckId::LabelForm => labels(&bucket.bad_labels),
            CheckId::LabelWeek => {
                let [_, no_weeks] = &bucket.mismatches;
                let diagnosis = no_weeks.diagnose(job.profile.time.label_form);
                labels(&bucket.bad_weeks).map(|finding| finding.note(diagnosis.unwrap_or_default()))
            }
            CheckId::LabelDate if job.profile.time.date.is_none() => {
                not_applicable("the profile has no dates")
            }
            CheckId::LabelDate => {
                let mut both = bucket.bad_times.clone();
                both.merge(bucket.wrong_weeks.clone());
                let [wrong_weeks, _] = &bucket.mismatches;
                let form = job.profile.time.label_form;
                Ok(self.tally(&both, bucket.rows).note(wrong_weeks.diagnose(form).unwrap_or_default()))
            }
            CheckId::KeyNulls => return self.key_nulls(),
            CheckId::ValueNulls => self.users(Flaw::Null),
            CheckId::ValueFinite => self.users(Flaw::NotFinite),
            CheckId::ValueNegative => self.users(Flaw::Negative),
            CheckId::ValueIntegral => self.users(Flaw::Fractional),
            CheckId::CountryKnown | CheckId::SystemKnown => return self.members(id),
            CheckId::SystemVanished => self.vanished_members(),
            CheckId::ChannelNew => self.new_channels(),
            CheckId::ChannelVanished => {
                let met = self.counts.channels.met();
                names_without(&config.allow.channels, "channels", |name| met.contains_key(name))
            }
            CheckId::OrganicPresent => self.organic(),
            CheckId::MemberRenamed => self.renamed(),
            CheckId::DuplicateRows => compared.duplicates.clone(),
            CheckId::DeletedRows => self.deleted.clone(),
            CheckId::TokenName | CheckId::NameSubtrackers => not_applicable("the profile has no such column"),
            CheckId::SystemTotal | CheckId::CountryTotal => return self.totals(id, compared),
            CheckId::DayGaps => self.day_gaps(),
            CheckId::CountryDayGaps => self.key_day_gaps(),
            CheckId::ClassDayGaps => self.class_day_gaps(),
            CheckId::LocalMidnights if !self.counts.has_days => not_applicable("the rows have no dates"),
            CheckId::LocalMidnights => self.counts.times.measure(job.profile.time.zone.as_deref()),
            CheckId::FutureDays if !self.counts.has_days => not_applicable("the rows have no dates"),
            CheckId::FutureDays => {
                let days = bucket.days.iter().map(|(day, rows)| (*day, Some(*rows))).collect();
                Ok(future::measure(&days, config))
            }
            CheckId::Freshness => self.freshness(),
            _ => Err(NotRun::Failed("not a check on rows".into())),
        };
        vec![one.into()]
    }

    fn tally(&self, tally: &Tally, n: u64) -> Measurement {
        Measurement::count(tally.count, n, violations(self.files, &tally.first))
    }

    fn dimension(&self, at: usize) -> (&str, Option<&Dimension>) {
        self.subject.dimensions.get(at).map_or(("", None), |(name, of)| (name, Some(of)))
    }

    /// Rows without a time, without a member of each dimension of the key, and without a channel that counts.
    fn key_nulls(&self) -> Vec<Finding> {
        let rows = self.bucket.rows;
        let without = number(self.bucket.null_times.count);
        let sentence = format!("{without} of {} rows have no time", number(rows));
        let times = self.tally(&self.bucket.null_times, rows).finding(sentence);
        let mut findings: Vec<Finding> = vec![Ok(times).into()];
        let users = self.bucket.users.users();
        let nulls = self.bucket.null_members.iter().zip(self.bucket.null_users.iter().map(ExactSums::users));
        for ((tally, null_users), at) in nulls.zip(&self.subject.key) {
            let name = self.dimension(*at).0;
            let mut finding = self.tally(tally, rows);
            if tally.count > 0 {
                let share = null_users / users.max(f64::MIN_POSITIVE);
                // What is missing are users: many rows may have few of them, and one row many.
                finding.only_warns = share <= MANY_NULLS;
                if share > MANY_NULLS && percent(tally.count, rows) <= MANY_NULLS * 100.0 {
                    (finding.observed, finding.n) = (null_users, rounded(users));
                }
                let have = if tally.count == 1 { "has" } else { "have" };
                let of = format!("{} of {} rows {have} no {name}", number(tally.count), number(rows));
                let note = keep_nulls(name, &format!("{:.1} %", share * 100.0), "users");
                finding = finding.finding(format!("{of}: {note}")).note(note);
            }
            findings.push(Finding {
                title: Some(format!("rows that count have a member: {name}")),
                block_fraction: Some(MANY_NULLS),
                ..Ok(finding).into()
            });
        }
        let null = self.counts.null_channel;
        if self.subject.job.profile.channel.null == Class::Excluded && null > 0 {
            let share = percent(null, self.counts.met);
            let note = format!("{share:.1} % of the rows have no channel: they are neither organic nor paid");
            let of = format!("{} of {} rows", number(null), number(self.counts.met));
            let sentence = format!("{of} have no channel ({share:.1} %): they are neither organic nor paid");
            findings.push(Finding {
                title: Some("every row has a channel".into()),
                most: Severity::Warn,
                ..Ok(Measurement::count(null, self.counts.met, vec![]).note(note).finding(sentence)).into()
            });
        }
        findings
    }

    fn users(&self, flaw: Flaw) -> Result<Measurement, NotRun> {
        match self.counts.users.get(flaw as usize) {
            Some(tally) if !self.subject.job.profile.users.rows => Ok(self.tally(tally, self.counts.met)),
            _ => not_applicable("each row is one user"),
        }
    }

    /// Members that the profile does not expect: one finding for each dimension that lists its members.
    fn members(&self, id: CheckId) -> Vec<Finding> {
        let mut findings = Vec::new();
        for ((name, dimension), members) in self.subject.dimensions.iter().zip(&self.counts.dimensions) {
            let (check, expected, not_expected) = match &dimension.members {
                None => continue,
                Some(Members::Named(MemberList::Iso3166)) => {
                    (CheckId::CountryKnown, "ISO 3166-1 codes".to_owned(), "no ISO 3166-1 code".to_owned())
                }
                Some(Members::List(list)) => {
                    let list = list.join(", ");
                    (members_check(name), list.clone(), format!("not one of {list}"))
                }
            };
            if check == id {
                let entry = if check == CheckId::CountryKnown { "countries" } else { "systems" };
                let finding = self.tally(&members.unknown, self.counts.met);
                let sentence = finding::unexpected_members(
                    members.unknown.count,
                    self.counts.met,
                    name,
                    &not_expected,
                    &first_names(name, &finding.offenders),
                    entry,
                    finding.offenders.first(),
                );
                findings.push(Finding {
                    title: Some(format!("members of {name} are expected ones: {expected}")),
                    ..Ok(finding.finding(sentence)).into()
                });
            }
        }
        if findings.is_empty() {
            findings.push(not_applicable("the profile lists no members that it expects").into());
        }
        findings
    }

    fn vanished_members(&self) -> Result<Measurement, NotRun> {
        let of = |at: usize| {
            let (name, dimension) = self.dimension(at);
            let is_list = matches!(dimension?.members, Some(Members::List(_)));
            (is_list && members_check(name) == CheckId::SystemKnown).then_some(at)
        };
        let listed: Vec<usize> = (0..self.subject.dimensions.len()).filter_map(of).collect();
        let met = |name: &str| {
            listed
                .iter()
                .filter_map(|at| self.counts.dimensions.get(*at))
                .any(|members| members.names.met().contains_key(name))
        };
        names_without(&self.subject.config.allow.systems, "members", met)
    }

    fn new_channels(&self) -> Result<Measurement, NotRun> {
        let known = &self.subject.config.allow.channels;
        if known.is_empty() {
            return not_applicable("no channels are listed as known");
        }
        let rule = crate::profile::meaning::ClassRule::new(&self.subject.job.profile.channel);
        let met = self.counts.channels.met();
        // The history has no excluded channels.
        let counted: Vec<&&str> =
            met.keys().filter(|name| rule.class(Some(name.as_bytes())) != Class::Excluded).collect();
        let new: Vec<&&&str> =
            counted.iter().filter(|name| !known.iter().any(|known| known == **name)).collect();
        let offenders = new
            .iter()
            .take(VIOLATIONS)
            .map(|name| Violation::key(locate::name(Some(name.as_bytes()))))
            .collect();
        Ok(Measurement::count(new.len() as u64, counted.len() as u64, offenders))
    }

    /// Members of the key and channels that go on under another name.
    fn renamed(&self) -> Result<Measurement, NotRun> {
        let Subject { job, config, key, .. } = self.subject;
        let week = |day: i32| week_of_with_start(day, job.profile.time.week_start);
        let mut days: BTreeMap<i32, u32> = BTreeMap::new();
        self.bucket.days.keys().for_each(|day| *days.entry(week(*day)).or_default() += 1);
        let series = |names: &Names, weeks: Option<&TimedSums<1>>, is_counted: &dyn Fn(&str) -> bool| {
            let mut all: Vec<Series> = names.names.iter().map(|name| Series::new(&**name)).collect();
            if let Some(weeks) = weeks.map(TimedSums::view) {
                for (number, series) in (0..).zip(&mut all) {
                    weeks.each(number, |week, total| {
                        let [users] = total.users();
                        series.add(week, users);
                    });
                }
            }
            // Names of rows that do not count are no members.
            let met = |(at, series): (usize, Series)| {
                (names.rows.get(at) > Some(&0) && is_counted(&series.name)).then_some(series)
            };
            all.into_iter().enumerate().filter_map(met).collect::<Vec<_>>()
        };
        let mut columns = Vec::new();
        for (at, number) in key.iter().enumerate() {
            let ((name, Some(dimension)), Some(members)) =
                (self.dimension(*number), self.counts.dimensions.get(*number))
            else {
                continue;
            };
            let mut weeks = TimedSums::default();
            let cells = self.bucket.cells.as_ref().map(TimedSums::view);
            for (of_key, key) in (0..).zip(&self.counts.keys) {
                if let (Some(cells), Some(member)) = (&cells, key.get(at)) {
                    cells.each(of_key, |day, total| weeks.add_total(*member, week(day), &total.total()));
                }
            }
            let series = series(&members.names, Some(&weeks), &|_| true);
            columns.push(Compared::of(config, Column::Dimension(name, dimension), series, &days));
        }
        let channel = &job.profile.channel;
        let rule = ClassRule::new(channel);
        let weeks = self.bucket.channels.as_ref();
        let series = series(&self.counts.channels, weeks, &|name| renamed::is_counted(&rule, name));
        columns.push(Compared::of(config, Column::Channel(channel, job.share_of_channel), series, &days));
        let has_weeks = self.bucket.cells.is_some() && self.bucket.channels.is_some();
        renamed::measure(&columns, (!has_weeks).then_some("there are too many keys and days to compare them"))
    }

    /// Whether rows are organic; the note names the listed channels that no row has.
    fn organic(&self) -> Result<Measurement, NotRun> {
        if self.subject.job.share_of_channel {
            return not_applicable("the table has the share of each channel");
        }
        let channel = &self.subject.job.profile.channel;
        let [_, organic, _] = self.counts.classes;
        let met: BTreeMap<String, u64> = (self.counts.channels.met().into_iter())
            .map(|(name, rows)| {
                (if channel.ignore_case { name.to_lowercase() } else { name.to_owned() }, rows)
            })
            .collect();
        let is_there = |name: &&String| {
            met.contains_key(&if channel.ignore_case { name.to_lowercase() } else { (*name).clone() })
        };
        let (there, missing): (Vec<&String>, Vec<&String>) = channel.organic.iter().partition(is_there);
        let names = |of: &[&String]| of.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
        let met: Vec<&str> = met.keys().map(String::as_str).collect();
        let misspelled = missing.iter().find_map(|name| nearest::misspelled(name, &met));
        let none = if missing.is_empty() {
            "no row is organic".into()
        } else {
            format!("no row of {}", names(&missing))
        };
        let note = match (organic, missing.is_empty()) {
            (0, _) => format!("none of {} rows", number(self.counts.met)),
            (rows, true) => format!("{rows} rows are organic"),
            (rows, false) if there.is_empty() => {
                let without = if self.counts.null_channel == rows { ": those without a channel" } else { "" };
                let near = misspelled.map(|name| format!("; there is '{name}'")).unwrap_or_default();
                format!("{rows} rows are organic{without}; there is no {}{near}", names(&missing))
            }
            (rows, false) => {
                format!("{rows} rows are organic: {}; there is no {}", names(&there), names(&missing))
            }
        };
        // A list of names of which none occurs may be misspelled. Where rows without a channel are organic, exports need
        // not have any of the names.
        let by_null = channel.null == Class::Organic && self.counts.null_channel > 0 && misspelled.is_none();
        let is_missing = organic == 0 || !channel.organic.is_empty() && there.is_empty() && !by_null;
        Ok(Measurement::count(u64::from(is_missing), 1, vec![Violation::key(none)]).note(note))
    }

    /// Total rows: one finding for each dimension that has them.
    fn totals(&self, id: CheckId, compared: &compare::Compared) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (at, finding) in &compared.totals {
            let (name, _) = self.dimension(*at);
            if totals_check(name) == id {
                findings.push(Finding {
                    title: Some(format!("total rows equal the sum of their parts: {name}")),
                    ..finding.clone().into()
                });
            }
        }
        if findings.is_empty() {
            findings.push(not_applicable("the profile has no such total rows").into());
        }
        findings
    }

    /// Why days are not compared with one another; `None` where they are.
    fn no_days(&self) -> Option<String> {
        let days = || self.bucket.days.keys().copied();
        if !self.counts.has_days || days().next().is_none() {
            return Some("the rows have no dates".into());
        }
        let is_weekly = days().zip(days().skip(1)).all(|(a, b)| (b - a) % 7 == 0);
        let is_monthly = days().all(|day| crate::calendar::date_of(day).day == 1);
        (self.bucket.days.len() > 2 && (is_weekly || is_monthly))
            .then(|| "the rows have a date a week or a month, not a day".into())
    }

    fn day_gaps(&self) -> Result<Measurement, NotRun> {
        if let Some(why) = self.no_days() {
            return not_applicable(why);
        }
        let days: Vec<i32> = self.bucket.days.keys().copied().collect();
        let gaps = gaps(&days);
        let length = |(a, b): (i32, i32)| (i64::from(b) - i64::from(a) + 1).unsigned_abs();
        let missing = gaps.iter().map(|gap| length(*gap)).sum();
        let span = days.first().copied().zip(days.last().copied()).map_or(0, length);
        let offenders = gaps.iter().take(VIOLATIONS).map(|gap| Violation::key(show_days(*gap))).collect();
        Ok(Measurement::count(missing, span, offenders).note(explain_gaps(&gaps)))
    }

    /// Days without rows of a key that has rows on nearly all days.
    fn key_day_gaps(&self) -> Result<Measurement, NotRun> {
        if let Some(why) = self.no_days() {
            return not_applicable(why);
        }
        let Some(cells) = &self.bucket.cells else {
            return not_applicable("there are too many keys and days to compare them");
        };
        let whole = self.whole_days();
        let is_whole = |day: &i32| whole.binary_search(day).is_ok();
        let cells = cells.view();
        // By number of the key: its days, and its users on these.
        let of_key = |key: u32| {
            let (mut days, mut users) = (Vec::new(), Total::default());
            cells.each(key, |day, total| {
                if is_whole(&day) {
                    days.push(day);
                    users.merge(total);
                }
            });
            let [users] = users.total().users();
            (key, days, users)
        };
        let days_of: Vec<(u32, Vec<i32>, f64)> = cells.numbers().into_par_iter().map(of_key).collect();
        let all = whole.len();
        // If users come independently, a day has none with probability e^-(users a day).
        #[allow(clippy::cast_precision_loss)] // days are few
        let is_expected = |days: &[i32], users: f64| {
            let (all, days) = (all as f64, days.len() as f64);
            days >= all * NEARLY_ALL && all * (-users / days).exp() < BY_CHANCE
        };
        let (mut count, mut n, mut gaps) = (0u64, 0u64, Vec::new());
        for (key, days, _) in days_of.iter().filter(|(_, days, users)| is_expected(days, *users)) {
            n += all as u64;
            count += (all - days.len()) as u64;
            if days.len() < all {
                let missing = whole.iter().filter(|day| days.binary_search(day).is_err());
                gaps.extend(missing.map(|day| (*day, self.key_name(*key))));
            }
        }
        gaps.sort();
        let show = |(day, key): &(i32, String)| Violation::key(format!("{} {key}", iso_date(*day)));
        let offenders = gaps.iter().take(VIOLATIONS).map(show).collect();
        if n == 0 {
            return not_applicable("no key has enough users on nearly all days");
        }
        Ok(Measurement::count(count, n, offenders))
    }

    /// Days on which a key has users of one class and none of the other.
    fn class_day_gaps(&self) -> Result<Measurement, NotRun> {
        if let Some(why) = self.no_days() {
            return not_applicable(why);
        }
        let Some(cells) = &self.bucket.cells else {
            return not_applicable("there are too many keys and days to compare them");
        };
        let [paid, organic, _] = self.counts.classes;
        if paid == 0 || organic == 0 {
            return not_applicable("all rows are of one class");
        }
        let cells = cells.view();
        let of_key = |key: u32| {
            let mut days = Vec::new();
            cells.each(key, |day, total| days.push((day, total.users())));
            KeyDays { key: self.key_name(key), days }
        };
        let last = self.bucket.days.keys().last().copied().unwrap_or(0);
        Ok(class_gaps::measure(cells.numbers().into_par_iter().map(of_key), last, self.subject.config))
    }

    /// The days with rows, without a first or last one that is not complete: instants of a day of one time zone are of
    /// two days of another.
    fn whole_days(&self) -> Vec<i32> {
        let days = &self.bucket.days;
        let mut rows: Vec<u64> = days.values().copied().collect();
        rows.sort_unstable();
        let usual = rows.get(rows.len() / 2).copied().unwrap_or_default();
        let edges = [days.keys().next(), days.keys().last()];
        let is_cut = |(day, rows): &(&i32, &u64)| **rows < usual / 2 && edges.contains(&Some(*day));
        days.iter().filter(|day| !is_cut(day)).map(|(day, _)| *day).collect()
    }

    fn key_name(&self, key: u32) -> String {
        self.counts.key_name(key)
    }

    fn freshness(&self) -> Result<Measurement, NotRun> {
        if !self.counts.has_days {
            return not_applicable("the rows have no dates");
        }
        future::freshness(self.bucket.days.keys().copied(), self.subject.config)
    }
}

/// A sum of users as a count of values.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // shown, and compared as a fraction
fn rounded(users: f64) -> u64 {
    users.round() as u64
}

/// The members in the first violations, whose values are `DIMENSION 'MEMBER'`.
fn first_names(dimension: &str, violations: &[Violation]) -> Vec<(String, Option<u64>)> {
    let mut names: Vec<(String, Option<u64>)> = Vec::new();
    for violation in violations {
        let value = violation.value.strip_prefix(dimension).unwrap_or(&violation.value);
        let name = value.trim().trim_matches('\'');
        if !names.iter().any(|(other, _)| other == name) {
            names.push((name.to_owned(), None));
        }
    }
    names
}

/// A part in per cent.
#[allow(clippy::cast_precision_loss)] // shown
fn percent(part: u64, all: u64) -> f64 {
    part as f64 / all.max(1) as f64 * 100.0
}

/// The check of the members of a dimension that lists them.
fn members_check(name: &str) -> CheckId {
    if name == "country" { CheckId::CountryKnown } else { CheckId::SystemKnown }
}

/// The listed names that no row has.
fn names_without(names: &[String], what: &str, is_met: impl Fn(&str) -> bool) -> Result<Measurement, NotRun> {
    if names.is_empty() {
        return not_applicable(format!("no {what} are listed as known"));
    }
    let gone: Vec<&String> = names.iter().filter(|name| !is_met(name)).collect();
    let offenders = gone
        .iter()
        .take(VIOLATIONS)
        .map(|name| Violation::key(locate::name(Some(name.as_bytes()))))
        .collect();
    Ok(Measurement::count(gone.len() as u64, names.len() as u64, offenders))
}

impl Counts {
    /// The name of a key.
    pub fn key_name(&self, key: u32) -> String {
        let members = self.keys.get(key as usize).map(|key| &key[..]).unwrap_or_default();
        let name = |(dimension, number): (&usize, &u32)| {
            self.dimensions.get(*dimension).map_or("", |members| members.names.get(*number))
        };
        key_name(self.key_dimensions.iter().zip(members).map(name))
    }
}
