//! From counts to measurements.

use std::collections::{BTreeMap, BTreeSet};

use super::counts::{ByKey, Counts, Names, Pairs, date, unit};
use super::cube::{Cube, Totals};
use super::passes::Passes;
use super::rules::{Date, Flaw, Label, Rules, has, is_wrong_week, label};
use super::{Measurements, RowRange, locate};
use crate::checks::CheckId;
use crate::checks::catalog::Stage;
use crate::checks::config::Config;
use crate::checks::finding;
use crate::checks::model::{Measurement, NotRun, VIOLATIONS, Violation};
use crate::dataset::{OpenFile, Role};
use crate::report::words::number;
use crate::table::cell::iso_date;
use crate::{Job, Result, calendar};

/// The measurements where columns are missing: the check of the columns, and all others as not run.
pub fn without_columns(problems: &[Violation], files: usize) -> Measurements {
    let finding = Measurement::count(
        problems.len() as u64,
        (files * Role::ALL.len()) as u64,
        problems.iter().take(VIOLATIONS).cloned().collect(),
    );
    let raw = CheckId::ALL.iter().copied().filter(|id| id.stage() == Stage::Raw);
    raw.map(|id| match id {
        CheckId::Columns => (id, Ok(finding.clone())),
        id => (id, Err(NotRun::Failed("columns are missing or of another type".into()))),
    })
    .collect()
}

/// The measurements of all checks on the rows.
///
/// # Errors
/// Those of reading rows a second time, to locate violations.
pub fn findings(
    rules: Rules<'_>,
    files: &[OpenFile<'_>],
    row_ranges: &[RowRange],
    counts: &Counts,
    cube: Result<&Cube, &NotRun>,
    passes: &Passes<'_>,
) -> Result<Measurements> {
    let Rules { job, config } = rules;
    let judge = Judge { rules, job, config, files, row_ranges, counts, cube, passes };
    let mut findings = Measurements::new();
    for id in CheckId::ALL.iter().copied().filter(|id| id.stage() == Stage::Raw) {
        // A check may read rows again to locate violations, so one that is off is skipped here.
        let finding = match config.switched_off(id) {
            Some(off) => Err(off),
            None => judge.find(id)?,
        };
        findings.push((id, finding));
    }
    Ok(findings)
}

struct Judge<'a> {
    rules: Rules<'a>,
    job: &'a Job,
    config: &'a Config,
    files: &'a [OpenFile<'a>],
    row_ranges: &'a [RowRange],
    passes: &'a Passes<'a>,
    counts: &'a Counts,
    cube: Result<&'a Cube, &'a NotRun>,
}

impl Judge<'_> {
    fn find(&self, id: CheckId) -> Result<Result<Measurement, NotRun>> {
        let (rows, objections) = (self.counts.rows, &self.counts.objections);
        Ok(Ok(match id {
            CheckId::Columns => Measurement::count(0, (self.files.len() * Role::ALL.len()) as u64, vec![]),
            CheckId::LabelForm => self.labels(Label::Malformed, objections.malformed)?,
            CheckId::LabelWeek => self.labels(Label::NoWeek, objections.no_week)?,
            CheckId::LabelDate => self.label_dates()?,
            CheckId::KeyNulls => self.key_nulls()?,
            CheckId::ValueNulls => self.values(Flaw::Null)?,
            CheckId::ValueFinite => self.values(Flaw::NotFinite)?,
            CheckId::ValueNegative => self.values(Flaw::Negative)?,
            CheckId::ValueIntegral => self.values(Flaw::Fractional)?,
            CheckId::CountryKnown => {
                self.known(Role::Country, &objections.countries, |code| self.rules.is_known_country(code))?
            }
            CheckId::SystemKnown => {
                self.known(Role::System, &objections.systems, |name| self.rules.is_known_system(name))?
            }
            CheckId::SystemVanished => {
                return Ok(vanished("operating systems", &self.config.allow.systems, &self.counts.systems));
            }
            CheckId::ChannelNew => return Ok(self.new_channels()),
            CheckId::ChannelVanished => {
                return Ok(vanished("channels", &self.config.allow.channels, &self.counts.channels));
            }
            CheckId::OrganicPresent => {
                let is_there = |o: &String| self.counts.channels.contains(&Some(o.as_bytes().into()));
                let (there, missing): (Vec<&String>, Vec<&String>) =
                    self.job.organic().iter().partition(|o| is_there(o));
                let names = |of: &[&String]| of.iter().map(|o| o.as_str()).collect::<Vec<_>>().join(", ");
                Measurement::count(
                    u64::from(there.is_empty()),
                    1,
                    vec![Violation::key(format!("no row of {}", names(&missing)))],
                )
                .note(match there.is_empty() {
                    true => format!("none of {} rows", number(rows)),
                    false => format!("there are rows of {}", names(&there)),
                })
            }
            CheckId::DuplicateRows => return Ok(self.cube().map(|cube| tally(&cube.duplicates))),
            CheckId::TokenName => return Ok(self.tokens()),
            CheckId::NameSubtrackers => return Ok(self.subtrackers()),
            CheckId::SystemTotal => {
                return Ok(self.totals("systems", |cube| cube.systems.as_ref()));
            }
            CheckId::CountryTotal => {
                return Ok(self.totals("countries", |cube| cube.country_totals.as_ref()));
            }
            CheckId::DayGaps => self.day_gaps(),
            CheckId::CountryDayGaps => return Ok(self.cube().map(|cube| self.country_day_gaps(cube))),
            CheckId::Freshness => return Ok(self.freshness()),
            _ => return Ok(Err(NotRun::Failed("not a check on rows".into()))),
        }))
    }

    fn cube(&self) -> Result<&Cube, NotRun> {
        self.cube.map_err(Clone::clone)
    }

    fn labels(&self, bad: Label, count: u64) -> Result<Measurement> {
        let offenders = if count == 0 {
            vec![]
        } else {
            locate::rows(self.passes, self.files, self.row_ranges, Role::Label, |_, raw| {
                (label(raw) == bad).then(|| locate::name(raw))
            })?
        };
        Ok(Measurement::count(count, self.counts.rows, offenders))
    }

    fn label_dates(&self) -> Result<Measurement> {
        let count = self.counts.objections.wrong_week;
        let offenders = if count == 0 {
            vec![]
        } else {
            locate::weeks(self.passes, self.files, self.row_ranges, |file, week, raw| {
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
            })?
        };
        Ok(Measurement::count(count, self.counts.rows, offenders))
    }

    fn key_nulls(&self) -> Result<Measurement> {
        let by_role: Vec<(Role, u64)> = Role::ALL.into_iter().zip(self.counts.objections.nulls).collect();
        let mut offenders = Vec::new();
        for (role, _) in by_role.iter().filter(|(_, count)| *count > 0) {
            let column = role.column(self.job);
            offenders.extend(locate::rows(self.passes, self.files, self.row_ranges, *role, |_, raw| {
                raw.is_none().then(|| format!("{column} is null"))
            })?);
        }
        let order = |o: &Violation| {
            let file = self.files.iter().position(|f| Some(f.input.object.name()) == o.file.as_ref());
            (file, o.row)
        };
        offenders.sort_by_key(order);
        offenders.truncate(VIOLATIONS);
        let counts: Vec<String> = by_role
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(role, count)| format!("{} {count}", role.column(self.job)))
            .collect();
        let count = by_role.iter().map(|(_, count)| count).sum();
        Ok(Measurement::count(count, self.counts.rows * by_role.len() as u64, offenders)
            .note(counts.join(", ")))
    }

    fn values(&self, flaw: Flaw) -> Result<Measurement> {
        let count = self.counts.objections.values.of(flaw);
        let offenders = if count == 0 {
            vec![]
        } else {
            locate::numbers(self.passes, self.files, self.row_ranges, |file, number| {
                has(flaw, number, unit(file))
            })?
        };
        Ok(Measurement::count(count, self.counts.rows, offenders))
    }

    fn known(&self, role: Role, counts: &ByKey, known: impl Fn(&[u8]) -> bool) -> Result<Measurement> {
        let count = counts.values().sum();
        if count == 0 {
            return Ok(Measurement::count(0, self.counts.rows, vec![]));
        }
        let offenders = locate::rows(self.passes, self.files, self.row_ranges, role, |_, raw| {
            raw.filter(|name| !known(name)).map(|_| locate::name(raw))
        })?;
        let names: Vec<String> = counts
            .iter()
            .take(VIOLATIONS)
            .map(|(name, rows)| format!("{} {rows}", locate::name(name.as_deref())))
            .collect();
        let finding = self.unexpected(role, count, counts, &offenders);
        Ok(Measurement::count(count, self.counts.rows, offenders).note(names.join(", ")).finding(finding))
    }

    /// The sentence on countries or operating systems that are not expected, those of most rows first.
    fn unexpected(&self, role: Role, count: u64, counts: &ByKey, offenders: &[Violation]) -> String {
        let (expected, entry) = match role {
            Role::Country => ("no ISO 3166-1 code".to_owned(), "countries"),
            _ => {
                let known = &self.config.allow.systems;
                let known = if known.is_empty() { "android, ios".to_owned() } else { known.join(", ") };
                (format!("not one of {known}"), "systems")
            }
        };
        let mut members: Vec<(String, Option<u64>)> = counts
            .iter()
            .map(|(name, rows)| {
                (String::from_utf8_lossy(name.as_deref().unwrap_or_default()).into_owned(), Some(*rows))
            })
            .collect();
        members.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        finding::unexpected_members(
            count,
            self.counts.rows,
            role.column(self.job),
            &expected,
            &members,
            entry,
            offenders.first(),
        )
    }

    fn new_channels(&self) -> Result<Measurement, NotRun> {
        let known = listed_names("channels", &self.config.allow.channels)?;
        let seen = present_names(&self.counts.channels);
        Ok(measure_names(seen.difference(&known), seen.len()))
    }

    fn tokens(&self) -> Result<Measurement, NotRun> {
        let pairs = &self.counts.tokens;
        if pairs.is_empty() {
            return Err(NotRun::NotApplicable("there is no column token".into()));
        }
        let (by_name, by_token) = both_ways(pairs);
        let mut offenders = Vec::new();
        let mut count = 0;
        for (what, of, map) in [("token", "names", &by_token), ("name", "tokens", &by_name)] {
            for (key, others) in map.iter().filter(|(_, others)| others.len() > 1) {
                count += 1;
                let others: Vec<String> =
                    others.iter().take(VIOLATIONS).map(|o| locate::name(Some(o))).collect();
                offenders.push(Violation::key(format!(
                    "{what} {} has the {of} {}",
                    locate::name(Some(key)),
                    others.join(", ")
                )));
            }
        }
        offenders.truncate(VIOLATIONS);
        Ok(Measurement::count(count, (by_name.len() + by_token.len()) as u64, offenders))
    }

    fn subtrackers(&self) -> Result<Measurement, NotRun> {
        if self.counts.subtrackers.is_empty() {
            return Err(NotRun::NotApplicable("there is no column has_subtrackers".into()));
        }
        let (by_name, _) = both_ways(&self.counts.subtrackers);
        let odd: Vec<&[u8]> =
            by_name.iter().filter(|(_, flags)| flags.len() > 1).map(|(name, _)| *name).collect();
        let offenders = odd
            .iter()
            .take(VIOLATIONS)
            .map(|n| Violation::key(format!("{} has both", locate::name(Some(n)))))
            .collect();
        Ok(Measurement::count(odd.len() as u64, by_name.len() as u64, offenders))
    }

    fn totals(&self, of: &str, totals: impl Fn(&Cube) -> Option<&Totals>) -> Result<Measurement, NotRun> {
        let cube = self.cube()?;
        let Some(totals) = totals(cube) else {
            return Err(NotRun::NotApplicable(format!("there is no total over {of}, or nothing but it")));
        };
        let smaller = totals.tally.count - totals.larger;
        let finding = tally(&totals.tally);
        Ok(if totals.tally.count == 0 {
            finding
        } else {
            finding.note(format!("{} totals are larger than their parts, {smaller} smaller", totals.larger))
        })
    }

    fn day_gaps(&self) -> Measurement {
        let days = self.counts.days();
        let gaps = gaps(&days);
        let missing: i64 = gaps.iter().map(|(a, b)| i64::from(b - a) + 1).sum();
        let span = days.first().zip(days.last()).map_or(0, |(a, b)| i64::from(b - a) + 1);
        let show = |(a, b): &(i32, i32)| {
            let text = if a == b { iso_date(*a) } else { format!("{} to {}", iso_date(*a), iso_date(*b)) };
            Violation::key(text)
        };
        let offenders = gaps.iter().take(VIOLATIONS).map(show).collect();
        Measurement::count(missing.unsigned_abs(), span.unsigned_abs(), offenders)
    }

    fn country_day_gaps(&self, cube: &Cube) -> Measurement {
        let mut offenders = Vec::new();
        let (mut count, mut n) = (0, 0);
        for (day, rows) in cube.days.iter().zip(cube.rows.chunks(cube.countries.len().max(1))) {
            for (country, rows) in
                cube.countries.iter().zip(rows).filter(|(c, _)| **c != self.job.country_total())
            {
                n += 1;
                if *rows == 0 {
                    count += 1;
                    if offenders.len() < VIOLATIONS {
                        offenders.push(Violation::key(format!("{} {country}", iso_date(*day))));
                    }
                }
            }
        }
        Measurement::count(count, n, offenders)
    }

    fn freshness(&self) -> Result<Measurement, NotRun> {
        if let Some(why) = self.config.age_does_not_matter() {
            return Err(why);
        }
        let Some(last) = self.counts.days().last().copied() else {
            return Err(NotRun::NotApplicable("no row has a date".into()));
        };
        let today = self.config.today();
        let age = (i64::from(today) - i64::from(last)).max(0).unsigned_abs();
        let text = format!("the last day is {}, {age} days before {}", iso_date(last), iso_date(today));
        Ok(Measurement::count(age, 1, vec![Violation::key(iso_date(last))]).note(text))
    }
}

/// The names that the checks file lists.
fn listed_names<'a>(what: &str, names: &'a [String]) -> Result<BTreeSet<&'a [u8]>, NotRun> {
    if names.is_empty() {
        return Err(NotRun::NotApplicable(format!("no {what} are listed as known")));
    }
    Ok(names.iter().map(|name| name.as_bytes()).collect())
}

fn present_names(names: &Names) -> BTreeSet<&[u8]> {
    names.iter().filter_map(|name| name.as_deref()).collect()
}

/// The listed names that no row has.
fn vanished(what: &str, names: &[String], seen_names: &Names) -> Result<Measurement, NotRun> {
    let known = listed_names(what, names)?;
    Ok(measure_names(known.difference(&present_names(seen_names)), known.len()))
}

fn measure_names<'a>(odd: impl Iterator<Item = &'a &'a [u8]>, n: usize) -> Measurement {
    let odd: Vec<_> = odd.collect();
    let offenders =
        odd.iter().take(VIOLATIONS).map(|name| Violation::key(locate::name(Some(name)))).collect();
    Measurement::count(odd.len() as u64, n as u64, offenders)
}

fn tally(tally: &super::cube::Tally) -> Measurement {
    Measurement::count(tally.count, tally.n, tally.offenders.clone())
}

type Sides<'a> = BTreeMap<&'a [u8], BTreeSet<&'a [u8]>>;

/// The second values by first value, and the first values by second value, without nulls.
fn both_ways(pairs: &Pairs) -> (Sides<'_>, Sides<'_>) {
    let (mut firsts, mut seconds) = (Sides::new(), Sides::new());
    for (first, second) in pairs.iter().filter_map(|(a, b)| a.as_deref().zip(b.as_deref())) {
        firsts.entry(first).or_default().insert(second);
        seconds.entry(second).or_default().insert(first);
    }
    (firsts, seconds)
}

/// The first and the last day of each gap between days, which are in order.
pub fn gaps(days: &[i32]) -> Vec<(i32, i32)> {
    let gap = |pair: &[i32]| match pair {
        [before, after] if after - before > 1 => Some((before + 1, after - 1)),
        _ => None,
    };
    days.windows(2).filter_map(gap).collect()
}
