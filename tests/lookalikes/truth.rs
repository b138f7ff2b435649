//! The users behind a look-alike, and the share that any export of them has to give.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::date;
use jiff::{Span, Timestamp};

/// How a user came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Came {
    /// Organic, with a name.
    Organic,
    /// Organic, without a channel.
    Unnamed,
    /// By this network.
    Paid(usize),
    /// Not known, for privacy.
    Hidden,
}

/// Users of one day, country, system and channel; or one row of an export of events.
#[derive(Debug, Clone)]
pub struct Truth {
    /// Days since 1970-01-01.
    pub day: i64,
    /// Second of the day.
    pub second: i64,
    /// ISO 3166-1; empty if it is not known.
    pub country: &'static str,
    /// `android` or `ios`.
    pub os: &'static str,
    pub came: Came,
    pub users: i64,
    /// Whether the row is of new users.
    pub is_new: bool,
}

/// Monday 2026-01-26.
pub const FIRST_DAY: i64 = 20_479;
const WEEKS: i64 = 7;
/// Namibia is no null, and 'NA' no missing value.
pub const COUNTRIES: [&str; 5] = ["DE", "FR", "GB", "NA", "US"];

/// Numbers that look random, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// Rows of a fact table: each day, country, system and channel once.
pub fn facts(countries: &[&'static str], systems: &[&'static str], ways: &[Came]) -> Vec<Truth> {
    let mut random = Random(7);
    let mut rows = vec![];
    for day in FIRST_DAY..FIRST_DAY + 7 * WEEKS {
        for country in countries {
            for os in systems {
                for came in ways {
                    let users = 1 + i64::try_from(random.below(60)).unwrap();
                    rows.push(Truth { day, second: 0, country, os, came: *came, users, is_new: true });
                }
            }
        }
    }
    rows
}

/// Rows of an export of events: one user each; one in five is no new user.
pub fn events(ways: &[Came], are_all_new: bool) -> Vec<Truth> {
    let mut random = Random(11);
    let mut pick = |most: usize| usize::try_from(random.below(most as u64)).unwrap();
    let mut rows = vec![];
    for day in FIRST_DAY..FIRST_DAY + 7 * WEEKS {
        for _ in 0..60 {
            rows.push(Truth {
                day,
                // The last second of a day belongs to it.
                second: if pick(10) == 0 { 86_399 } else { pick(86_400) as i64 },
                country: COUNTRIES[pick(COUNTRIES.len())],
                os: ["android", "ios"][pick(2)],
                came: ways[pick(ways.len())],
                users: 1,
                is_new: are_all_new || pick(5) > 0,
            });
        }
    }
    rows
}

impl Truth {
    pub fn micros(&self) -> i64 {
        (self.day * 86_400 + self.second) * 1_000_000
    }

    /// `yyyy-mm-dd`.
    pub fn date(&self) -> String {
        date(1970, 1, 1).saturating_add(Span::new().days(self.day)).to_string()
    }

    /// By a format of `strftime`, in UTC.
    pub fn time(&self, format: &str) -> String {
        Timestamp::from_microsecond(self.micros()).unwrap().strftime(format).to_string()
    }
}

/// Year and week of the table, country, share.
pub type Line = (i64, i64, String, Option<f64>);

/// The table by country and ISO week, over four weeks; `name` is a country's name in the table.
pub fn table(rows: &[Truth], name: impl Fn(&str) -> String) -> Vec<Line> {
    let mut sums: BTreeMap<(String, i64), [i64; 2]> = BTreeMap::new();
    let (mut countries, mut weeks) = (BTreeSet::new(), BTreeSet::new());
    for row in rows.iter().filter(|row| row.is_new) {
        // Monday 1969-12-29 is three days before the first day.
        let (country, week) = (name(row.country), (row.day + 3).div_euclid(7));
        countries.insert(country.clone());
        weeks.insert(week);
        let [organic, all] = sums.entry((country, week)).or_default();
        match row.came {
            Came::Organic | Came::Unnamed => (*organic, *all) = (*organic + row.users, *all + row.users),
            Came::Paid(_) => *all += row.users,
            Came::Hidden => {}
        }
    }
    let mut lines = vec![];
    for country in &countries {
        for week in *weeks.first().unwrap()..=*weeks.last().unwrap() {
            let window = (week - 3..=week).filter_map(|week| sums.get(&(country.clone(), week)));
            let (organic, all) = window.fold((0, 0), |(o, a), [organic, all]| (o + organic, a + all));
            let iso = date(1970, 1, 1).saturating_add(Span::new().days(week * 7 - 3)).iso_week_date();
            let share = (all > 0).then(|| organic as f64 / all as f64);
            lines.push((iso.year().into(), iso.week().into(), country.clone(), share));
        }
    }
    lines
}
