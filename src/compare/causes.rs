//! The cause for which a row of the old output differs from the correct table.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Key;
use crate::calendar::{self, Date};
use crate::grid::CHANNELS;
use crate::grid::{Partial, TimePoint};

/// The cause of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The window lost the weeks of the previous year, because it ran over the integer yyyyww.
    NewYear,
    /// A week that does not exist: Sundays were labelled with `%W`, which is not the ISO week.
    BogusWeek,
    /// Sundays were labelled with `%W`, which is one less than the ISO week in some years.
    LabelOffByOne,
    /// The last week of the export was not complete, so the job did not fill it.
    MissingLastWeek,
    /// A label that is not an ISO week, or a value that is not a number, was counted.
    WrongInput,
    /// The week or the country has no row that counts.
    NoData,
    /// The share was rounded, or a sum overflowed.
    Arithmetic,
    /// The old job does not produce this from this source: the source has changed, or it was another job.
    OtherSource,
}

impl Cause {
    /// The name in a table.
    pub fn name(self) -> &'static str {
        match self {
            Cause::NewYear => "new year",
            Cause::BogusWeek => "bogus week",
            Cause::LabelOffByOne => "label off by one",
            Cause::MissingLastWeek => "missing last week",
            Cause::WrongInput => "wrong input accepted",
            Cause::NoData => "no data",
            Cause::Arithmetic => "arithmetic",
            Cause::OtherSource => "other source",
        }
    }

    /// The explanation that holds for all rows of the cause.
    pub fn meaning(self) -> &'static str {
        match self {
            Cause::NewYear => {
                "the window ran over the number yyyyww, so it lost the weeks of the previous year"
            }
            Cause::BogusWeek => {
                "weeks that do not exist were added by labelling Sundays with %W, which counts from 0"
            }
            Cause::LabelOffByOne => {
                "weeks were filled by labelling Sundays with %W, one less than the ISO week in this year"
            }
            Cause::MissingLastWeek => "a week whose Sunday is after the last date was not filled",
            Cause::WrongInput => {
                "labels that are not ISO weeks, or values that are not numbers, were counted"
            }
            Cause::NoData => "rows were added for weeks or countries that have no row that counts",
            Cause::Arithmetic => "the share was rounded, or a sum overflowed",
            Cause::OtherSource => {
                "the old job does not produce this from this source: the source has changed, or it was another job"
            }
        }
    }

    /// A sentence about the row.
    pub(super) fn sentence(self, case: &Case<'_>) -> String {
        let (country, week) = (&case.key.0, label(case.key));
        let country = if country.is_empty() { "no country" } else { country };
        match (case.was, case.answer) {
            (Some(was), Some(right)) => match (was, right) {
                (Some(was), Some(right)) => {
                    let (was, right) = percents(was, right);
                    format!("your dashboard showed {country} {was} in {week}; it was {right}")
                }
                (None, Some(right)) => {
                    format!(
                        "your dashboard showed nothing for {country} in {week}; it was {}",
                        percent(right, 1)
                    )
                }
                (Some(was), None) => {
                    let was = percent(was, 1);
                    format!("your dashboard showed {country} {was} in {week}; there were no users")
                }
                (None, None) => format!("your dashboard showed {country} in {week} as it was"),
            },
            (Some(was), None) if case.repeated => {
                format!("your dashboard had {country} in {week} twice{}", shown(was))
            }
            (Some(was), None) if self == Cause::BogusWeek => {
                format!(
                    "your dashboard had {country} in {week}{}; there is no such week in the data",
                    shown(was)
                )
            }
            (Some(was), None) => {
                format!("your dashboard had {country} in {week}{}; the row does not belong there", shown(was))
            }
            (None, Some(Some(right))) => {
                format!("your dashboard had no {country} in {week}; it was {}", percent(right, 1))
            }
            (None, Some(None)) => format!("your dashboard had no {country} in {week}; there were no users"),
            (None, None) => format!("{country} in {week}"),
        }
    }
}

fn shown(share: Option<f64>) -> String {
    share.map_or_else(String::new, |share| format!(" with {}", percent(share, 1)))
}

fn percent(share: f64, digits: usize) -> String {
    format!("{:.digits$} %", share * 100.0)
}

/// Both shares with enough digits to differ.
fn percents(was: f64, right: f64) -> (String, String) {
    let pair = |digits| (percent(was, digits), percent(right, digits));
    (1..15).map(pair).find(|(a, b)| a != b).unwrap_or_else(|| pair(15))
}

/// Year and week as a label.
pub fn label(key: &Key) -> String {
    let part = |n: Option<i32>, width: usize| n.map_or_else(|| "?".into(), |n| format!("{n:0width$}"));
    format!("{}_{}", part(key.1, 4), part(key.2, 2))
}

/// A row that differs.
pub(super) struct Case<'a> {
    pub key: &'a Key,
    /// The published share, if the row was there.
    pub was: Option<Option<f64>>,
    /// The right share, if the row belongs.
    pub answer: Option<Option<f64>>,
    /// Whether legacy semantics give what was published.
    pub reproduced: bool,
    /// The key was published before.
    pub repeated: bool,
}

/// Facts of the source from which causes are derived.
pub(super) struct Evidence {
    window: i32,
    /// Last day of the dates.
    last_day: Option<i32>,
    /// First and last week with a row that counts.
    axis: Option<(i32, i32)>,
    /// Countries with a row that counts.
    countries: BTreeSet<Arc<str>>,
    /// Year and week as the old job parsed the wrong labels.
    wrong: BTreeSet<(Option<i32>, Option<i32>)>,
    /// Countries and the numbers yyyyww at which wrong labels or values were counted.
    spoilt: Vec<(Arc<str>, i64)>,
}

impl Evidence {
    pub fn new(labels: &Partial, wrong_labels: &[String], window: u32) -> Self {
        let weeks = || {
            labels.times.iter().filter_map(|time| match time {
                TimePoint::Label(label) => calendar::parse_label(label.as_bytes()),
                TimePoint::Step(_) => None,
            })
        };
        let number = |text: &str| text.trim().parse::<i32>().ok();
        let mut evidence = Evidence {
            window: i32::try_from(window).unwrap_or(i32::MAX),
            last_day: labels.dates.and_then(|(_, last)| i32::try_from(last.div_euclid(86_400_000_000)).ok()),
            axis: weeks().min().zip(weeks().max()),
            countries: (labels.groups.iter().zip(&labels.kept))
                .filter(|(_, k)| **k)
                .map(|(g, _)| g.clone())
                .collect(),
            wrong: BTreeSet::new(),
            spoilt: Vec::new(),
        };
        for wrong in wrong_labels {
            let mut parts = wrong.split('_').map(number);
            evidence.wrong.insert((parts.next().flatten(), parts.next().flatten()));
        }
        for (at, time) in labels.times.iter().enumerate() {
            let TimePoint::Label(label) = time else { continue };
            let bad = calendar::parse_label(label.as_bytes()).is_none();
            let Some(Ok(period)) = crate::table::legacy_labels::period(label) else { continue };
            for (group, country) in labels.groups.iter().enumerate() {
                let point = group * labels.times.len() + at;
                let odd = (0..CHANNELS).any(|channel| {
                    labels
                        .extras
                        .get(&(point * CHANNELS + channel))
                        .is_some_and(|e| e.nan || e.positive_infinity || e.negative_infinity)
                });
                if odd || bad && labels.present.get(point) == Some(&true) {
                    evidence.spoilt.push((country.clone(), period));
                }
            }
        }
        evidence
    }

    /// The cause of a difference.
    pub fn cause(&self, case: &Case<'_>) -> Cause {
        let (country, year, week) = case.key;
        let step = year.zip(*week).and_then(|(year, week)| calendar::week_from_iso(year, week));
        if !case.reproduced {
            return Cause::OtherSource;
        }
        if case.was.is_some() && case.answer.is_none() {
            return match step {
                _ if case.repeated || self.wrong.contains(&(*year, *week)) => Cause::WrongInput,
                _ if !self.countries.contains(country) => Cause::NoData,
                None => Cause::BogusWeek,
                // A label of the filler that no row has: `%W` is off by one here.
                Some(step) if self.filler_differs(step) => Cause::BogusWeek,
                Some(_) => Cause::NoData,
            };
        }
        if case.was.is_none() {
            return match step {
                Some(step) if self.filler_differs(step) => Cause::LabelOffByOne,
                Some(step) if self.last_day.is_some_and(|last| calendar::monday(step) + 6 > last) => {
                    Cause::MissingLastWeek
                }
                _ => Cause::NoData,
            };
        }
        let period = i64::from(year.unwrap_or_default()) * 100 + i64::from(week.unwrap_or_default());
        let first = period - i64::from(self.window) + 1;
        if self.spoilt.iter().any(|(spoilt, at)| spoilt == country && (first..=period).contains(at)) {
            return Cause::WrongInput;
        }
        // The new year is the cause only where the window reaches weeks of the previous year that have data.
        let crosses = week.is_some_and(|week| week < self.window);
        let earlier = step.zip(self.axis).is_some_and(|(step, (from, _))| {
            let year_before = step - week.unwrap_or_default();
            from <= year_before
        });
        if crosses && earlier { Cause::NewYear } else { Cause::Arithmetic }
    }

    /// Whether `%Y_%W` of the week's Sunday is not its ISO label.
    #[allow(clippy::unused_self)]
    fn filler_differs(&self, step: i32) -> bool {
        let sunday = calendar::monday(step) + 6;
        let year = calendar::date_of(sunday).year;
        let day_of_year = sunday - calendar::day_of(Date { year, month: 1, day: 1 });
        calendar::iso_of(step) != (year, (day_of_year + 1) / 7)
    }
}
