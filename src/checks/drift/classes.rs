//! Organic or paid users of a key that stop, or fall to a small part of what is usual.
//!
//! ```text
//! for each week under test, key and class:
//!     usual    the median of the baseline: the last completed, published weeks of this key and class
//!     gone     0 users, and a class that always had users: no spread is asked, so that no noise can hide it
//!     fall     1 - users / reference, the reference being the lowest of: usual, the last published week, the same ISO
//!              week a year before, the movement of all keys; counted if it exceeds 4.5 spreads
//! ```
//!
//! The spread of a class is its own or, where its few weeks happen to lie close to one another, that of the classes of
//! a similar number of users: their noise beyond that of counting, and the counting noise of its own numbers.

use std::collections::BTreeMap;

use super::series::shared;
use super::spread::{Noise, deviation, median};
use super::weeks::{self, year_before};
use crate::calendar::week_label;
use crate::checks::catalog::CheckId;
use crate::checks::config::Config;
use crate::checks::finding;
use crate::checks::model::{Measurement, NotRun, VIOLATIONS, Violation};
use crate::checks::settings::UserClass;
use crate::escape;
use crate::history::{History, Panel, Point, Totals};

/// A class is judged if it usually has this part of `min_users`.
const LEAST: f64 = 0.2;
/// A class always had users if all weeks of the baseline but one had at least this many.
const ALWAYS: f64 = 5.0;
/// A fall counts if it exceeds this many spreads.
const FALL_Z: f64 = 4.5;
/// The least spread of the logarithm of users.
const FLOOR: f64 = 0.05;
const CLASSES: [UserClass; 2] = [UserClass::Organic, UserClass::Paid];

/// Users of a class at a point; no point has none.
fn users(point: Option<&Point>, class: UserClass) -> f64 {
    point.map_or(0.0, |point| match class {
        UserClass::Organic => point.organic,
        UserClass::Paid => point.users - point.organic,
    })
}

fn ln(users: f64) -> f64 {
    users.max(0.5).ln()
}

/// Published weeks of a class of a key.
struct Published<'a> {
    config: &'a Config,
    panel: &'a Panel,
    /// Whether a week was published complete, from the first of the panel on.
    complete: &'a [bool],
    key: &'a str,
    index: usize,
    class: UserClass,
}

impl Published<'_> {
    /// Users of a week that can be compared with the week under test: it was published complete, and no incident
    /// excludes it.
    fn users(&self, week: i32, tested: i32) -> Option<f64> {
        let at = usize::try_from(week - self.panel.steps().start).ok()?;
        let is_usable = self.complete.get(at) == Some(&true)
            && !self.config.is_excluded(Some(self.key), Some(self.class), week, tested);
        is_usable.then(|| users(self.panel.get(self.index, week), self.class))
    }

    /// Users of the baseline, the last week first: no week before the first one with users.
    fn baseline(&self, tested: i32) -> Vec<f64> {
        let mut values = weeks::baseline(self.config, tested, |week| self.users(week, tested));
        let began =
            self.panel.steps().find(|week| users(self.panel.get(self.index, *week), self.class) > 0.0);
        if began.is_some_and(|began| began > tested - weeks::reach(self.config)) {
            while values.last() == Some(&0.0) {
                values.pop();
            }
        }
        values
    }
}

/// A class of a key in a week under test.
struct Judged<'a> {
    key: &'a str,
    class: UserClass,
    now: f64,
    /// Users of the baseline, the last week first, and their median.
    weeks: Vec<f64>,
    usual: f64,
    /// The week itself as it was published, if it had not settled.
    published: Option<f64>,
    /// The same ISO week a year before: its users, and its movement away from its own baseline.
    year: Option<(f64, Option<f64>)>,
    /// The noise of the logarithm of users.
    noise: Noise,
}

impl Judged<'_> {
    /// Whether the class always had users and has none.
    fn is_gone(&self) -> bool {
        let mut sorted = self.weeks.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let always = sorted.get(1).is_some_and(|second| *second >= ALWAYS);
        let accepted = [self.weeks.first().copied(), self.published, self.year.map(|(users, _)| users)];
        self.now <= 0.0 && always && !accepted.contains(&Some(0.0))
    }

    /// The part of the users that is missing, if it is beyond the noise; else 0.
    #[allow(clippy::cast_precision_loss)] // some dozens
    fn fall(&self, shared: Option<f64>, all: &[Noise]) -> f64 {
        let usual = ln(self.usual);
        let last = self.weeks.first().map(|users| ln(*users));
        let year = self.year.and_then(|(_, movement)| movement).map(|movement| usual + movement);
        let shared = shared.map(|shared| usual + shared);
        let references = [last, self.published.map(ln), year, shared];
        let low = references.into_iter().flatten().fold(usual, f64::min);
        let down = low - ln(self.now);
        if down <= 0.0 {
            return 0.0;
        }
        let n = self.weeks.len() as f64;
        let variance = self.noise.pooled(all).max(FLOOR * FLOOR) * (1.0 + 2.0 / n).powi(2);
        // Fewer users have more noise of counting.
        let fewer = (1.0 / (self.now + 1.0) - self.noise.counting).max(0.0);
        if down > FALL_Z * (variance + fewer).sqrt() { 1.0 - (-down).exp() } else { 0.0 }
    }
}

/// A class of a key that is gone, or has fallen, in some weeks of a run.
struct Finding {
    key: String,
    class: UserClass,
    usual: f64,
    /// The weeks, and users in the first of them.
    weeks: Vec<i32>,
    users: f64,
    /// The largest fall.
    fall: f64,
}

impl Finding {
    /// `GB: organic users 0 in 2023-W41, usually 1,240 a week`.
    fn sentence(&self) -> String {
        let weeks = match (self.weeks.first(), self.weeks.last()) {
            (Some(first), Some(last)) if first != last => {
                format!(
                    "{} and {} more weeks to {}",
                    finding::week(*first),
                    self.weeks.len() - 1,
                    finding::week(*last)
                )
            }
            (first, _) => first.map(|week| finding::week(*week)).unwrap_or_default(),
        };
        let weeks = weeks.replace(" and 1 more weeks to ", " and ");
        let (class, users, usual) =
            (self.class.name(), finding::whole(self.users), finding::whole(self.usual));
        format!("{}: {class} users {users} in {weeks}, usually {usual} a week", self.key)
    }
}

/// Findings by key and class.
#[derive(Default)]
struct Findings(BTreeMap<(String, &'static str), Finding>);

impl Findings {
    fn add(&mut self, week: i32, judged: &Judged<'_>, fall: f64) {
        let finding = self.0.entry((judged.key.to_owned(), judged.class.name())).or_insert_with(|| Finding {
            key: judged.key.to_owned(),
            class: judged.class,
            usual: judged.usual,
            weeks: vec![],
            users: judged.now,
            fall: 0.0,
        });
        finding.weeks.push(week);
        finding.fall = finding.fall.max(fall);
    }

    /// Those with most users first.
    fn sorted(self) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self.0.into_values().collect();
        findings.sort_by(|a, b| b.usual.total_cmp(&a.usual).then_with(|| a.key.cmp(&b.key)));
        findings
    }
}

/// The line of a configuration that lets the changes through, from the first week on.
fn permission(findings: &[Finding]) -> String {
    let first =
        findings.iter().filter_map(|finding| finding.weeks.first()).min().copied().unwrap_or_default();
    let mut keys: Vec<&str> = Vec::new();
    let mut classes: Vec<&str> = Vec::new();
    for finding in findings {
        for (list, name) in [(&mut keys, finding.key.as_str()), (&mut classes, finding.class.name())] {
            if !list.contains(&name) {
                list.push(name);
            }
        }
    }
    let list = |names: &[&str]| {
        let quoted: Vec<String> = names.iter().map(|name| escape::literal(name)).collect();
        quoted.join(", ")
    };
    let (keys, classes) = (list(&keys), list(&classes));
    format!(
        "incidents = [{{ first = \"{}\", countries = [{keys}], classes = [{classes}], new_level = true }}]",
        week_label(first)
    )
}

/// What stands before the line of a configuration in a note.
const IF_MEANT: &str = "; if this is meant, begin the configuration of the checks with: ";

/// What to do if the changes are meant.
fn advice(findings: &[Finding]) -> String {
    if findings.is_empty() { String::new() } else { format!("{IF_MEANT}{}", permission(findings)) }
}

/// The line of a configuration in the note of a result, which lets its changes through.
pub fn permission_in(note: &str) -> Option<&str> {
    note.split_once(IF_MEANT).map(|(_, line)| line)
}

/// Runs both checks.
pub fn check(
    config: &Config,
    history: &History,
    now: &Totals,
    tested: &[i32],
) -> [(CheckId, Result<Measurement, NotRun>); 2] {
    let past = &history.totals.weeks;
    let complete: Vec<bool> = past.steps().map(|week| past.is_complete(week)).collect();
    let warn = config.bounds(CheckId::ClassVolume).warn.and_then(|limit| limit.count).unwrap_or(0.0);
    let (mut gone, mut fallen) = (Findings::default(), Findings::default());
    let mut series = std::collections::BTreeSet::new();
    let (mut n, mut worst) = (0u64, 0.0f64);
    for week in tested {
        let all = judged(config, past, &complete, now, *week);
        let shared = shared_movement(&all);
        let noise: Vec<Noise> = all.iter().map(|judged| judged.noise).collect();
        for judged in &all {
            if config.is_incident(Some(judged.key), Some(judged.class), *week) {
                continue;
            }
            n += 1;
            series.insert((judged.key, judged.class.name()));
            if !config.drift.direction.counts(-1.0) {
                continue;
            }
            if judged.is_gone() {
                gone.add(*week, judged, 1.0);
                continue;
            }
            let fall = judged.fall(shared, &noise);
            if fall > config.drift.ignore_volume {
                worst = worst.max(fall);
                if fall > warn {
                    fallen.add(*week, judged, fall);
                }
            }
        }
    }
    if n == 0 {
        let why = weeks::why_none(tested, || {
            format!(
                "no {} has a class of {} users in {} published weeks",
                weeks::key_word(now),
                config.drift.min_users * LEAST,
                config.drift.min_weeks
            )
        });
        return [CheckId::ClassGone, CheckId::ClassVolume]
            .map(|id| (id, Err(NotRun::NotApplicable(why.clone()))));
    }
    let sentences = |findings: &[Finding]| {
        findings.iter().take(VIOLATIONS).map(|finding| Violation::key(finding.sentence())).collect::<Vec<_>>()
    };
    let note = format!("compared with the last {} published weeks", config.drift.baseline_weeks);
    let (gone, fallen) = (gone.sorted(), fallen.sorted());
    let stopped = Measurement::count(gone.len() as u64, series.len() as u64, sentences(&gone))
        .note(format!("{note}{}", advice(&gone)));
    let below = Measurement {
        observed: (worst * 1e4).round() / 1e4,
        n,
        offenders: sentences(&fallen),
        note: format!("{note}{}", advice(&fallen)),
        ..Measurement::default()
    };
    [(CheckId::ClassGone, Ok(stopped)), (CheckId::ClassVolume, Ok(below))]
}

/// All classes of all keys that have enough users and weeks to be judged.
fn judged<'a>(
    config: &'a Config,
    past: &'a Panel,
    complete: &'a [bool],
    now: &Totals,
    week: i32,
) -> Vec<Judged<'a>> {
    let mut all = Vec::new();
    for (index, key) in past.names().iter().enumerate() {
        let point = now.weeks.find(key).and_then(|at| now.weeks.get(at, week));
        for class in CLASSES {
            let published = Published { config, panel: past, complete, key, index, class };
            let weeks = published.baseline(week);
            if weeks.len() < config.drift.min_weeks {
                continue;
            }
            let usual = median(&mut weeks.clone()).unwrap_or_default();
            if usual <= 0.0 || usual < LEAST * config.drift.min_users {
                continue;
            }
            let year = year_before(week).and_then(|then| {
                let baseline = published.baseline(then);
                let users = published.users(then, week)?;
                let usual =
                    median(&mut baseline.clone()).filter(|_| baseline.len() >= config.drift.min_weeks);
                (usual? > 0.0).then(|| (users, usual.map(|usual| ln(users) - ln(usual))))
            });
            let logarithms: Vec<f64> = weeks.iter().map(|users| ln(*users)).collect();
            all.push(Judged {
                key,
                class,
                now: users(point, class),
                noise: Noise {
                    n: weeks.len(),
                    size: usual,
                    variance: deviation(&logarithms).powi(2),
                    counting: 1.0 / usual.max(1.0),
                },
                weeks,
                usual,
                published: published.users(week, week),
                year,
            });
        }
    }
    all
}

/// The movement of the users of all keys, both classes together.
fn shared_movement(all: &[Judged<'_>]) -> Option<f64> {
    let mut keys: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for judged in all {
        let (now, usual) = keys.entry(judged.key).or_default();
        *now += judged.now;
        *usual += judged.usual;
    }
    shared(&mut keys.values().map(|(now, usual)| ln(*now) - ln(*usual)).collect::<Vec<f64>>())
}
