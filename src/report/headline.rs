//! The answer of a report: the shares of the last complete period, and what moved since four weeks and since a year
//! before.
//!
//! A key has moved if the Wilson 95 % intervals of its two shares do not overlap: the changes of small keys, which are
//! mostly chance, are not counted.

use super::countries;
use super::figures::{Key, Shares};
use super::words;
use crate::Grain;
use crate::why::WORLD;

/// The number of keys that are shown, those with most users.
const KEYS: usize = 5;

/// The answer of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Headline<'s> {
    shares: &'s Shares,
    /// The index of the period: the last complete one.
    pub at: usize,
    /// Whether the period is complete; if no period is, the last one is shown.
    pub is_complete: bool,
    /// The index of the period four weeks before, or a month before.
    pub before: Option<usize>,
    /// The index of the period a year before.
    pub year: Option<usize>,
    /// All keys together; `None` for shares of channels, and if the report does not have them.
    pub world: Option<Standing<'s>>,
    /// The keys with most users, without totals.
    pub largest: Vec<Standing<'s>>,
    /// The keys that have moved since the period before, the largest changes first.
    pub moved: Vec<Standing<'s>>,
    /// The keys with a share in both periods.
    pub compared: usize,
}

/// The share of a key in the period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing<'s> {
    /// The key.
    pub key: &'s Key,
    /// Its share.
    pub share: Option<f64>,
    /// The change since four weeks before.
    pub change: Option<f64>,
    /// The change since a year before.
    pub change_of_year: Option<f64>,
    /// Users in the window.
    pub users: f64,
}

/// The number of periods of four weeks; a month for months.
pub fn four_weeks(grain: Grain) -> usize {
    match grain {
        Grain::Week => 4,
        Grain::Day => 28,
        Grain::Month => 1,
    }
}

impl<'s> Headline<'s> {
    /// The answer; `None` if there is no share.
    pub fn of(shares: &'s Shares) -> Option<Self> {
        let complete = (0..shares.steps.len()).rev().find(|at| shares.is_complete(*at));
        let at = complete.or(shares.steps.len().checked_sub(1))?;
        let before = at.checked_sub(four_weeks(shares.grain));
        let year = at.checked_sub(shares.grain.steps_of_year() as usize);
        let standing = |key: &'s Key| {
            let share = key.share_at(at);
            let since = |before: Option<usize>| Some(share? - key.share_at(before?)?);
            Standing {
                key,
                share,
                change: since(before),
                change_of_year: since(year),
                users: key.users.get(at).copied().unwrap_or_default(),
            }
        };
        let mut keys: Vec<Standing<'s>> =
            shares.keys.iter().filter(|key| !key.is_total).map(standing).collect();
        keys.sort_by(|a, b| b.users.total_cmp(&a.users));
        let compared = keys.iter().filter(|standing| standing.change.is_some()).count();
        let mut moved: Vec<Standing<'s>> = (keys.iter().copied())
            .filter(|standing| before.is_some_and(|before| is_apart(standing.key, before, at)))
            .collect();
        let size = |standing: &Standing<'_>| standing.change.unwrap_or_default().abs();
        moved.sort_by(|a, b| size(b).total_cmp(&size(a)));
        keys.truncate(KEYS);
        keys.retain(|standing| standing.share.is_some());
        let world = shares.world.as_ref().map(standing);
        if keys.is_empty() && world.is_none() {
            return None;
        }
        Some(Headline {
            shares,
            at,
            is_complete: complete.is_some(),
            before,
            year,
            world,
            largest: keys,
            moved,
            compared,
        })
    }

    /// The name of a period by its index.
    pub fn period(&self, at: usize) -> String {
        self.shares.steps.get(at).map(|step| words::step(self.shares.grain, *step)).unwrap_or_default()
    }

    /// All keys together, in words: `all countries`.
    pub fn all(&self) -> String {
        if self.shares.dimensions.is_empty() {
            return "all users".into();
        }
        format!("all {}", words::key_noun(2, &self.shares.by()))
    }

    /// What the share is: `Organic share`.
    pub fn what(&self) -> &'static str {
        self.shares.what()
    }

    /// The window of the shares, as a sentence.
    pub fn window(&self) -> String {
        let window = words::count(self.shares.window.into(), words::step_noun(self.shares.grain));
        format!("Each share is that of the {window} that end with the period.")
    }

    /// The heading of a column of keys.
    pub fn key_head(&self) -> String {
        match self.shares.by().as_slice() {
            [] => "Key".into(),
            ["country"] => "Country".into(),
            by => by.join(", "),
        }
    }

    /// The parts of a key's name: its first member, the name of that country, and the other members. Without a country
    /// the first part is the name.
    pub fn names(&self, members: &[String], name: &str) -> (String, Option<&'static str>, String) {
        let country = members.first().and_then(|member| countries::name_in(self.shares, member));
        match (country, members.split_first()) {
            (Some(country), Some((first, others))) => {
                (first.clone(), Some(country), others.iter().map(|member| format!(", {member}")).collect())
            }
            _ => (name.to_owned(), None, String::new()),
        }
    }

    /// A key by its name, and that of its country: `ES (Spain)`, `ES (Spain), ios`.
    pub fn name(&self, members: &[String], name: &str) -> String {
        match self.names(members, name) {
            (first, Some(country), others) => format!("{first} ({country}){others}"),
            (name, None, _) => name,
        }
    }

    /// Whether a share has moved since the period at an index.
    pub fn has_moved(&self, key: &Key, since: Option<usize>) -> bool {
        since.is_some_and(|since| is_apart(key, since, self.at))
    }

    /// Whether changes are those of organic shares, which channels explain.
    pub fn explains(&self) -> bool {
        !self.shares.of_channel
    }

    /// The name of the key that moved most, for a command; all keys together if none did.
    pub fn key_that_moved_most(&self) -> String {
        self.moved.first().map_or(WORLD.to_owned(), |moved| moved.key.members.join(","))
    }

    /// The answer in sentences.
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        let what = self.shares.what().to_lowercase();
        let alone = self.largest.first().filter(|_| self.shares.dimensions.is_empty());
        if let Some(world) = self.world.as_ref().or(alone) {
            let changes: Vec<String> = [(world.change, self.before), (world.change_of_year, self.year)]
                .into_iter()
                .filter_map(|(change, since)| {
                    Some(format!("{} since {}", words::points(change?), self.period(since?)))
                })
                .collect();
            let changes =
                if changes.is_empty() { String::new() } else { format!(": {}", changes.join(", ")) };
            let not = if self.is_complete { "" } else { ", which is not complete" };
            sentences.push(format!(
                "The {what} of {} is {} in {}{not}{changes}.",
                self.all(),
                words::percent(world.share),
                self.period(self.at)
            ));
        }
        let Some(before) = self.before.filter(|_| self.compared > 0 && !self.shares.dimensions.is_empty())
        else {
            return sentences;
        };
        let noun = |count: usize| words::keys(count as u64, &self.shares.by());
        let mut rest = self.compared - self.moved.len();
        for (verb, sign) in [("fell", -1.0), ("rose", 1.0)] {
            let moved: Vec<&Standing<'_>> =
                self.moved.iter().filter(|s| s.change.is_some_and(|change| change * sign > 0.0)).collect();
            let Some(most) = moved.first() else { continue };
            let most_of_all = if moved.len() == 1 { "" } else { " most" };
            sentences.push(format!(
                "The {what} {verb} in {} of {},{most_of_all} in {}: {} since {}, to {}.",
                words::number(moved.len() as u64),
                noun(self.compared),
                self.name(&most.key.members, &most.key.name),
                words::points(most.change.unwrap_or_default()),
                self.period(before),
                words::percent(most.share),
            ));
        }
        if self.moved.is_empty() {
            sentences.push(format!(
                "Since {} it did not move beyond the 95 % intervals in any of {}.",
                self.period(before),
                noun(self.compared)
            ));
            rest = 0;
        }
        if rest > 0 {
            sentences.push(format!("In the other {} the change is within the 95 % intervals.", noun(rest)));
        }
        sentences
    }
}

/// Whether the 95 % intervals of two shares do not overlap.
fn is_apart(key: &Key, before: usize, now: usize) -> bool {
    let bounds = |at: usize| Some((key.low.get(at).copied()??, key.high.get(at).copied()??));
    match (bounds(before), bounds(now)) {
        (Some((low_before, high_before)), Some((low, high))) => low > high_before || high < low_before,
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn key(name: &str, shares: [f64; 6], users: f64) -> Key {
        let moved = |by: f64| shares.iter().map(|share| Some((share + by).clamp(0.0, 1.0))).collect();
        Key {
            name: name.into(),
            members: vec![name.into()],
            share: moved(0.0),
            low: moved(-0.02),
            high: moved(0.02),
            users: vec![users; 6],
            ..Key::default()
        }
    }

    fn shares(keys: Vec<Key>) -> Shares {
        Shares {
            window: 4,
            dimensions: vec!["country".into()],
            steps: (2_700..2_706).collect(),
            complete: vec![true, true, true, true, true, false],
            world: Some(key("", [0.4, 0.4, 0.4, 0.4, 0.42, 0.1], 100.0)),
            keys,
            ..Shares::default()
        }
    }

    #[test]
    fn the_last_complete_period_is_compared_with_four_weeks_before() {
        let shares = shares(vec![
            key("GB", [0.4, 0.4, 0.4, 0.4, 0.41, 0.1], 5.0),
            key("ES", [0.5, 0.5, 0.5, 0.5, 0.3, 0.1], 4.0),
            key("FR", [0.5, 0.5, 0.5, 0.5, 0.45, 0.1], 3.0),
            key("IT", [0.2, 0.2, 0.2, 0.2, 0.3, 0.1], 9.0),
        ]);
        let found = Headline::of(&shares).unwrap();
        assert_eq!((found.at, found.before, found.year), (4, Some(0), None));
        let names: Vec<&str> = found.largest.iter().map(|standing| standing.key.name.as_str()).collect();
        assert_eq!(names, ["IT", "GB", "ES", "FR"], "by users");
        assert_eq!(
            found.sentences(),
            [
                "The organic share of all countries is 42.0 % in 2021-W43: +2.0 points since 2021-W39.",
                "The organic share fell in 2 of 4 countries, most in ES (Spain): -20.0 points since 2021-W39, to 30.0 %.",
                "The organic share rose in 1 of 4 countries, in IT (Italy): +10.0 points since 2021-W39, to 30.0 %.",
                "In the other 1 country the change is within the 95 % intervals.",
            ]
        );
    }

    #[test]
    fn the_name_of_a_country_follows_its_code() {
        let mut shares = shares(vec![key("GB", [0.4; 6], 5.0)]);
        shares.dimensions.push("os".into());
        let found = Headline::of(&shares).unwrap();
        let name = |members: [&str; 2]| found.name(&members.map(String::from), &members.join(", "));
        assert_eq!(
            (name(["GB", "ios"]), name(["??", "ios"])),
            ("GB (United Kingdom), ios".into(), "??, ios".into())
        );
        shares.dimensions[0] = "os".into();
        assert_eq!(Headline::of(&shares).unwrap().name(&["GB".into()], "GB"), "GB");
    }

    #[test]
    fn chance_is_no_move_and_totals_are_no_keys() {
        let total = Key { is_total: true, ..key("ALL", [0.5, 0.5, 0.5, 0.5, 0.1, 0.1], 900.0) };
        let shares = shares(vec![total, key("GB", [0.4, 0.4, 0.4, 0.4, 0.43, 0.1], 5.0)]);
        let found = Headline::of(&shares).unwrap();
        assert!(found.moved.is_empty() && found.largest.len() == 1);
        assert_eq!(
            found.sentences()[1],
            "Since 2021-W39 it did not move beyond the 95 % intervals in any of 1 country."
        );
    }

    #[test]
    fn without_a_complete_period_the_last_one_is_shown_as_such() {
        let mut shares = shares(vec![key("GB", [0.4; 6], 5.0)]);
        shares.complete = vec![false; 6];
        let found = Headline::of(&shares).unwrap();
        assert!(found.sentences()[0].contains("10.0 % in 2021-W44, which is not complete: -30.0 points"));
        assert!(Headline::of(&Shares::default()).is_none());
    }
}
