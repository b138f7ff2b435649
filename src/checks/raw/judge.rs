//! From counts to measurements.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::class_gaps::{self, KeyDays};
use super::counts::{ByKey, Counts, Names, Pairs};
use super::cube::{Cube, Totals};
use super::deleted::{self, Marked};
use super::evidence::{CubeSeen, Located};
use super::future;
use super::general::duplicates::of_cube;
use super::general::rows::RowReader;
use super::mismatch::Mismatches;
use super::passes::Passes;
use super::renamed::{self, Column, Compared, Series};
use super::rules::{Flaw, Rules};
use super::tally::violations;
use super::{Measurements, columns, locate};
use crate::calendar::label::LabelForm;
use crate::checks::CheckId;
use crate::checks::catalog::Stage;
use crate::checks::config::Config;
use crate::checks::finding;
use crate::checks::model::{Measurement, NotRun, VIOLATIONS, Violation};
use crate::dataset::{OpenFile, Role};
use crate::report::words::number;
use crate::table::cell::iso_date;
use crate::{Job, Result, calendar};

/// The measurements of all checks on the rows. `reader` reads those that are compared with one another, if they are not
/// read in this process.
///
/// # Errors
/// Those of reading rows a second time, to explain those that repeat.
pub fn findings(
    Rules { job, config }: Rules<'_>,
    files: &[OpenFile<'_>],
    seen: &CubeSeen,
    marked: &Marked,
    cube: Result<&Cube, &NotRun>,
    reader: Option<&dyn RowReader>,
    passes: &Passes<'_>,
) -> Result<Measurements> {
    let CubeSeen { counts, located } = seen;
    let judge = Judge { job, config, files, counts, located, marked, cube, reader, passes };
    let mut findings = Measurements::new();
    for id in CheckId::ALL.iter().copied().filter(|id| id.stage() == Stage::Raw) {
        // A check may read rows again to explain violations, so one that is off is skipped here.
        let finding = match config.switched_off(id) {
            Some(off) => Err(off),
            None => judge.find(id)?,
        };
        findings.push((id, finding));
    }
    Ok(findings)
}

struct Judge<'a> {
    job: &'a Job,
    config: &'a Config,
    files: &'a [OpenFile<'a>],
    counts: &'a Counts,
    located: &'a Located,
    marked: &'a Marked,
    cube: Result<&'a Cube, &'a NotRun>,
    reader: Option<&'a dyn RowReader>,
    passes: &'a Passes<'a>,
}

impl Judge<'_> {
    fn find(&self, id: CheckId) -> Result<Result<Measurement, NotRun>> {
        let (rows, objections) = (self.counts.rows, &self.counts.objections);
        Ok(Ok(match id {
            CheckId::Columns => columns::differing(self.job, self.files),
            CheckId::LabelForm => self.rows(id, objections.malformed),
            CheckId::LabelWeek => self.rows(id, objections.no_week).note(diagnosis(&objections.no_weeks)),
            CheckId::LabelDate => {
                self.rows(id, objections.wrong_week).note(diagnosis(&objections.wrong_weeks))
            }
            CheckId::KeyNulls => self.key_nulls(),
            CheckId::ValueNulls => self.rows(id, objections.values.of(Flaw::Null)),
            CheckId::ValueFinite => self.rows(id, objections.values.of(Flaw::NotFinite)),
            CheckId::ValueNegative => self.rows(id, objections.values.of(Flaw::Negative)),
            CheckId::ValueIntegral => self.rows(id, objections.values.of(Flaw::Fractional)),
            CheckId::CountryKnown => self.known(id, Role::Country, &objections.countries),
            CheckId::SystemKnown => self.known(id, Role::System, &objections.systems),
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
            CheckId::MemberRenamed => return Ok(self.renamed()),
            CheckId::DuplicateRows => return self.duplicates(),
            CheckId::DeletedRows => {
                return Ok(deleted::measure(self.job, self.files, self.marked, rows));
            }
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
            CheckId::ClassDayGaps => return Ok(self.cube().map(|cube| self.class_day_gaps(cube))),
            CheckId::LocalMidnights => return Ok(self.counts.times.measure(None)),
            CheckId::FutureDays => {
                let days = self.counts.days.iter().map(|day| (*day, self.rows_on(*day))).collect();
                future::measure(&days, self.config)
            }
            CheckId::Freshness => {
                return Ok(future::freshness(self.counts.days.iter().copied(), self.config));
            }
            _ => return Ok(Err(NotRun::Failed("not a check on rows".into()))),
        }))
    }

    fn cube(&self) -> Result<&Cube, NotRun> {
        self.cube.map_err(Clone::clone)
    }

    /// Rows that violate a check, with the first of them.
    fn rows(&self, id: CheckId, count: u64) -> Measurement {
        let places = self.located.get(&id).map(Vec::as_slice).unwrap_or_default();
        Measurement::count(count, self.counts.rows, violations(self.files, places))
    }

    fn key_nulls(&self) -> Measurement {
        let by_role: Vec<(Role, u64)> = Role::ALL.into_iter().zip(self.counts.objections.nulls).collect();
        let counts: Vec<String> = by_role
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(role, count)| format!("{} {count}", role.column(self.job)))
            .collect();
        let count = by_role.iter().map(|(_, count)| count).sum();
        let mut note = counts.join(", ");
        let nulls =
            |of: Role| by_role.iter().filter(|(role, _)| *role == of).map(|(_, count)| count).sum::<u64>();
        let countries = nulls(Role::Country);
        if countries > 0 {
            note =
                format!("{note}; {}", keep_nulls("country", &percent(countries, self.counts.rows), "rows"));
        }
        let n = self.counts.rows * by_role.len() as u64;
        let finding = Measurement { n, ..self.rows(CheckId::KeyNulls, count) }.note(note);
        let is_few = |role| !is_many(nulls(role), self.counts.rows);
        let only_warns = nulls(Role::Date) + nulls(Role::Label) == 0
            && [Role::Country, Role::System, Role::Channel].into_iter().all(is_few);
        Measurement { only_warns, ..finding }
    }

    fn known(&self, id: CheckId, role: Role, counts: &ByKey) -> Measurement {
        let count = counts.values().sum();
        let found = self.rows(id, count);
        if count == 0 {
            return found;
        }
        let names: Vec<String> = counts
            .iter()
            .take(VIOLATIONS)
            .map(|(name, rows)| format!("{} {rows}", locate::name(name.as_deref())))
            .collect();
        let finding = self.unexpected(role, count, counts, &found.offenders);
        found.note(names.join(", ")).finding(finding)
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

    /// Countries and channels that go on under another name.
    fn renamed(&self) -> Result<Measurement, NotRun> {
        let series = |names: &Names, is_counted: &dyn Fn(&str) -> bool| -> Vec<Series> {
            let names = names.iter().flatten().filter_map(|name| std::str::from_utf8(name).ok());
            names.filter(|name| is_counted(name)).map(Series::new).collect()
        };
        let mut days: BTreeMap<i32, u32> = BTreeMap::new();
        let total = self.job.country_total();
        let mut countries = series(&self.counts.countries, &|name| name != total);
        let mut channels = series(&self.counts.channels, &|_| true);
        if let Ok(cube) = self.cube {
            cube.days.iter().for_each(|day| *days.entry(calendar::week_of(*day)).or_default() += 1);
            add_weeks(&mut countries, &cube.countries, cube, cube.users.iter().map(|[a, b]| a + b));
            add_weeks(&mut channels, &cube.channels, cube, cube.channel_users.iter().copied());
        }
        let mut columns = Vec::new();
        if let Some(dimension) = self.job.profile.dimensions.get("country") {
            let column = Column::Dimension("country", dimension);
            columns.push(Compared::of(self.config, column, countries, &days));
        }
        let column = Column::Channel(&self.job.profile.channel, false);
        columns.push(Compared::of(self.config, column, channels, &days));
        let why = self.cube.err().map(|_| "the rows could not be summed");
        renamed::measure(&columns, why)
    }

    /// Rows whose key occurred before, unless the files have more columns in which they differ.
    fn duplicates(&self) -> Result<Result<Measurement, NotRun>> {
        let cube = match self.cube() {
            Ok(cube) => cube,
            Err(why) => return Ok(Err(why)),
        };
        if cube.duplicates.count == 0 {
            return Ok(Ok(tally(&cube.duplicates)));
        }
        of_cube(self.job, self.config, self.files, self.reader, self.passes.progress()).map(Ok)
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
        let offenders = gaps.iter().take(VIOLATIONS).map(|gap| Violation::key(show_days(*gap))).collect();
        Measurement::count(missing.unsigned_abs(), span.unsigned_abs(), offenders).note(explain_gaps(&gaps))
    }

    fn country_day_gaps(&self, cube: &Cube) -> Measurement {
        let mut offenders = Vec::new();
        let (mut count, mut n) = (0, 0);
        let countries: Vec<usize> = self.countries(cube).map(|(at, _)| at).collect();
        for (day, rows) in cube.days.iter().zip(cube.rows.chunks(cube.countries.len().max(1))) {
            n += countries.len() as u64;
            for country in countries.iter().filter(|country| rows.get(**country) == Some(&0)) {
                count += 1;
                if offenders.len() < VIOLATIONS {
                    let name = cube.countries.get(*country).map_or("", String::as_str);
                    offenders.push(Violation::key(format!("{} {name}", iso_date(*day))));
                }
            }
        }
        Measurement::count(count, n, offenders)
    }

    /// The countries of a cube without their total, with their numbers.
    fn countries<'c>(&self, cube: &'c Cube) -> impl Iterator<Item = (usize, &'c String)> {
        cube.countries.iter().enumerate().filter(|(_, name)| **name != self.job.country_total())
    }

    fn class_day_gaps(&self, cube: &Cube) -> Measurement {
        let countries: Vec<(usize, &String)> = self.countries(cube).collect();
        // Sums lie by day: those of some countries at a time share cache lines.
        let days_of = |countries: &[(usize, &String)]| -> Vec<KeyDays> {
            let key = |(_, name): &(usize, &String)| KeyDays {
                key: (*name).clone(),
                days: Vec::with_capacity(cube.days.len()),
            };
            let mut keys: Vec<KeyDays> = countries.iter().map(key).collect();
            for (day, users) in cube.days.iter().zip(cube.users.chunks(cube.countries.len().max(1))) {
                for (key, (at, _)) in keys.iter_mut().zip(countries) {
                    let users = users.get(*at).copied().unwrap_or_default();
                    key.days.push((*day, users.map(|sum| cube.in_users(sum))));
                }
            }
            keys
        };
        let last = cube.days.last().copied().unwrap_or(0);
        class_gaps::measure(countries.par_chunks(16).flat_map_iter(days_of), last, self.config)
    }

    /// Rows of a day; `None` where they are not known.
    fn rows_on(&self, day: i32) -> Option<u64> {
        let cube = self.cube.ok()?;
        let at = cube.days.binary_search(&day).ok()?;
        cube.rows.chunks(cube.countries.len().max(1)).nth(at).map(|rows| rows.iter().sum())
    }
}

/// Adds the users of each name by week; `users` are by day and name.
fn add_weeks(series: &mut [Series], names: &[String], cube: &Cube, mut users: impl Iterator<Item = i128>) {
    let at: BTreeMap<String, usize> = series.iter().map(|of| of.name.clone()).zip(0..).collect();
    let places: Vec<Option<usize>> = names.iter().map(|name| at.get(name).copied()).collect();
    for days in cube.days.chunk_by(|a, b| calendar::week_of(*a) == calendar::week_of(*b)) {
        let mut sums = vec![0; names.len()];
        for _ in days {
            sums.iter_mut().zip(users.by_ref()).for_each(|(sum, users)| *sum += users);
        }
        let week = days.first().map_or(0, |day| calendar::week_of(*day));
        for (place, sum) in places.iter().zip(sums) {
            if let Some(series) = place.and_then(|place| series.get_mut(place)) {
                series.add(week, cube.in_users(sum));
            }
        }
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
    Measurement::count(tally.count, tally.n, tally.offenders.iter().map(Violation::key).collect())
}

/// What wrong labels have in common, where that shows.
fn diagnosis(mismatches: &Mismatches) -> String {
    mismatches.diagnose(LabelForm::default()).unwrap_or_default()
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

/// Days from the first to the last, for people.
pub fn show_days((first, last): (i32, i32)) -> String {
    if first == last { iso_date(first) } else { format!("{} to {}", iso_date(first), iso_date(last)) }
}

/// Why the days of gaps may be missing, where that shows.
pub fn explain_gaps(gaps: &[(i32, i32)]) -> String {
    let explain =
        |gap: &(i32, i32)| future::explain_gap(*gap).map(|why| format!("{}: {why}", show_days(*gap)));
    gaps.iter().find_map(explain).unwrap_or_default()
}

/// The day of a label that is no week, and the label that it should have.
pub fn label_of_day(day: i32, form: LabelForm) -> String {
    format!(" on {}, which is in {}", iso_date(day), form.format(calendar::week_of(day)))
}

/// Rows without a member block above this fraction: most exports have some.
pub const MANY_NULLS: f64 = 0.05;

/// Whether rows without a member are more than [`MANY_NULLS`].
#[allow(clippy::cast_precision_loss)] // a fraction needs no more
fn is_many(nulls: u64, rows: u64) -> bool {
    nulls as f64 > MANY_NULLS * rows as f64
}

/// A part in per cent, with one digit.
#[allow(clippy::cast_precision_loss)] // shown
fn percent(part: u64, all: u64) -> String {
    format!("{:.1} %", part as f64 / all.max(1) as f64 * 100.0)
}

/// What happens to rows without a member, and the entry that keeps them.
pub fn keep_nulls(dimension: &str, share: &str, of: &str) -> String {
    format!(
        "{share} of the {of} have no {dimension} and are dropped; null = \"unknown\" in [dimensions.{dimension}] \
         keeps them"
    )
}
