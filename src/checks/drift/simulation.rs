//! How sensitive the checks against the history are: measured on simulated companies of five countries.
//!
//! A company has weekly users by country and class (paid, organic). Each grows or shrinks over the year, Christmas is
//! quieter everywhere, and every week of every country and class has its own log-normal noise, and that of a count.
//! A run publishes some weeks; the next one brings further weeks, in which one class of the largest country falls.
//!
//! `make test-sensitivity` prints the tables of docs/quality.md; a smaller version runs with all tests.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
#![allow(clippy::cast_possible_wrap)]

use super::*;
use crate::calendar::{iso_of, monday, week_from_iso};
use crate::checks::model::Verdict;
use crate::history::{Panel, Point};

const COUNTRIES: [&str; 5] = ["GB", "DE", "FR", "ES", "NL"];
/// Paid channels with their parts of the paid users; organic users have one channel.
const PAID: [(&str, f64); 4] = [("Ads", 0.4), ("Partner", 0.3), ("Social", 0.2), ("Video", 0.1)];
const NOISE: [f64; 3] = [0.05, 0.15, 0.3];
const HISTORY: [usize; 3] = [10, 29, 60];
const LARGEST: usize = 0;
const PAID_CLASS: usize = 0;
const ORGANIC_CLASS: usize = 1;

/// Random numbers by the generator of G. L. Steele, D. Lea and C. H. Flood (SplitMix, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// By the method of G. E. P. Box and M. E. Muller (1958).
    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// Users by week, country and class.
struct Company {
    first: i32,
    users: Vec<[[f64; 2]; COUNTRIES.len()]>,
}

impl Company {
    fn new(seed: u64, weeks: usize, noise: f64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ noise.to_bits());
        // The weeks begin somewhere in the year.
        let first = week_from_iso(2021, 1).unwrap() + (random.next() % 52) as i32;
        let growth: Vec<[f64; 2]> =
            COUNTRIES.iter().map(|_| [0; 2].map(|_| 0.6 * random.uniform() - 0.2)).collect();
        let users = (0..weeks)
            .map(|week| {
                let (_, number) = iso_of(first + week as i32);
                let season = if number == 52 { 0.7f64 } else { 1.0 };
                let mut countries = [[0.0; 2]; COUNTRIES.len()];
                for (country, classes) in countries.iter_mut().enumerate() {
                    for (class, users) in classes.iter_mut().enumerate() {
                        let size = 4000.0 / f64::from(1 << country) * [0.55, 0.45][class];
                        let trend = growth[country][class] * week as f64 / 52.0;
                        let mean = size * season * (trend + noise * random.normal()).exp();
                        *users = (mean + mean.sqrt() * random.normal()).round().max(0.0);
                    }
                }
                countries
            })
            .collect();
        Company { first, users }
    }

    /// A class of the largest country keeps `part` of its users in these weeks.
    fn fall(&mut self, weeks: std::ops::Range<usize>, class: usize, part: f64) {
        for week in weeks {
            let users = &mut self.users[week][LARGEST][class];
            *users = (*users * part).round();
        }
    }

    /// The sums of a run over the first weeks.
    fn totals(&self, weeks: usize) -> Totals {
        let names = |names: &[&str]| names.iter().map(|name| (*name).into()).collect::<Vec<_>>();
        let channels: Vec<&str> = PAID.iter().map(|(name, _)| *name).chain(["Organic"]).collect();
        let mut totals = Totals {
            weeks: Panel::new(self.first, weeks, names(&COUNTRIES)),
            channels: Panel::new(self.first, weeks, names(&channels)),
            days: Panel::new(monday(self.first), weeks * 7, vec!["".into()]),
            ..Totals::default()
        };
        for (at, countries) in self.users.iter().enumerate().take(weeks) {
            let week = self.first + at as i32;
            let mut sum = Point { complete: true, ..Point::default() };
            let mut classes = [0.0; 2];
            for (country, [paid, organic]) in countries.iter().enumerate() {
                let channels = f64::from(u8::from(*paid > 0.0)) * 4.0 + f64::from(u8::from(*organic > 0.0));
                let point = Point {
                    rows: channels * 7.0,
                    users: paid + organic,
                    organic: *organic,
                    complete: true,
                    run: 0,
                };
                let name = totals.weeks.find(COUNTRIES[country]).unwrap();
                totals.weeks.put(name, week, point);
                sum.rows += point.rows / 7.0;
                sum.users += point.users / 7.0;
                sum.organic += point.organic / 7.0;
                classes[PAID_CLASS] += paid;
                classes[ORGANIC_CLASS] += organic;
            }
            (0..7).for_each(|day| totals.days.put(0, monday(week) + day, sum));
            let parts = PAID.iter().map(|(name, part)| (*name, part * classes[PAID_CLASS]));
            for (channel, users) in parts.chain([("Organic", classes[ORGANIC_CLASS])]) {
                let name = totals.channels.find(channel).unwrap();
                totals.channels.put(name, week, Point { users, complete: true, ..Point::default() });
            }
        }
        totals
    }

    /// The checks of a run that brings the weeks from `published` to `weeks`.
    fn check(&self, published: usize, weeks: usize) -> DriftResults {
        let mut history = History::default();
        history.record(&self.totals(published), "before", 160);
        check(
            &Config::default(),
            &HistoryState::History(&history),
            Some(&self.totals(weeks)),
            &MayChange::default(),
        )
    }
}

fn blocks(drift: &DriftResults) -> bool {
    drift.results.verdict() == Verdict::Fail
}

/// The number of `runs` that are blocked: `fallen` of the `new` weeks keep `part` of the users of a class.
fn caught(runs: u64, noise: f64, published: usize, new: usize, fallen: usize, part: f64) -> u64 {
    let seed = published as u64 * 1_000_003 + (part * 1000.0) as u64 * 7_919;
    let is_caught = |run: &u64| {
        let mut company = Company::new(seed + run, published + new, noise);
        let class = if run.is_multiple_of(2) { ORGANIC_CLASS } else { PAID_CLASS };
        company.fall(published..published + fallen, class, part);
        blocks(&company.check(published, published + new))
    };
    (0..runs).filter(is_caught).count() as u64
}

/// The number of `runs` without any damage that are blocked, and by which checks.
fn false_blocks(runs: u64, noise: f64, published: usize) -> (u64, Vec<String>) {
    let mut by = Vec::new();
    for run in 0..runs {
        let company = Company::new((1 << 40) + published as u64 * 1_000_003 + run, published + 1, noise);
        let drift = company.check(published, published + 1);
        if blocks(&drift) {
            by.push(drift.results.why());
        }
    }
    (by.len() as u64, by)
}

#[test]
#[ignore = "prints the tables of docs/quality.md"]
fn tables_of_sensitivity() {
    let number = |name: &str, default: u64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (runs, clean) = (number("ROLLSHARE_RUNS", 200), number("ROLLSHARE_CLEAN_RUNS", 1000));
    println!("Caught in the first week, % of {runs} runs:\n");
    println!("| fall | history | noise 5 % | 15 % | 30 % |\n|---|--:|--:|--:|--:|");
    for (fall, part) in [("gone", 0.0), ("down 80 %", 0.2), ("down 50 %", 0.5)] {
        for published in HISTORY {
            let cells = NOISE.map(|noise| {
                format!("{:.1}", caught(runs, noise, published, 1, 1, part) as f64 * 100.0 / runs as f64)
            });
            println!("| {fall} | {published} weeks | {} |", cells.join(" | "));
        }
    }
    println!("\nCaught by one run that brings 11 weeks, of which the first ones fall, % of {runs} runs:\n");
    println!("| fall | weeks that fall | noise 5 % | 15 % | 30 % |\n|---|--:|--:|--:|--:|");
    for (fall, part) in [("gone", 0.0), ("down 80 %", 0.2), ("down 50 %", 0.5)] {
        for fallen in [1, 2, 4, 11] {
            let cells = NOISE.map(|noise| {
                format!("{:.1}", caught(runs, noise, 29, 11, fallen, part) as f64 * 100.0 / runs as f64)
            });
            println!("| {fall} | {fallen} | {} |", cells.join(" | "));
        }
    }
    println!("\nFalse blocks in {clean} clean runs:\n");
    println!("| history | noise 5 % | 15 % | 30 % |\n|---|--:|--:|--:|");
    for published in HISTORY {
        let found = NOISE.map(|noise| false_blocks(clean, noise, published));
        let cells: Vec<String> = found.iter().map(|(count, _)| count.to_string()).collect();
        println!("| {published} weeks | {} |", cells.join(" | "));
        for (_, by) in &found {
            for why in by {
                eprintln!("false block, {published} weeks: {why}");
            }
        }
    }
}

/// The targets, with few runs of fixed seeds.
#[test]
fn falls_are_caught_and_clean_runs_are_not_blocked() {
    for published in HISTORY {
        for noise in NOISE {
            assert_eq!(caught(20, noise, published, 1, 1, 0.0), 20, "gone, {published} weeks, noise {noise}");
            assert_eq!(caught(4, noise, published, 11, 11, 0.0), 4, "gone, {published} weeks, noise {noise}");
        }
        for noise in [0.05, 0.15] {
            let count = caught(40, noise, published, 1, 1, 0.2);
            assert!(count >= 38, "down 80 %, {published} weeks, noise {noise}: {count} of 40");
        }
        let count = caught(20, 0.05, published, 1, 1, 0.5);
        assert!(count >= 16, "down 50 %, {published} weeks: {count} of 20");
    }
    let blocked: Vec<String> = NOISE
        .into_iter()
        .flat_map(|noise| HISTORY.map(|published| (noise, published)))
        .flat_map(|(noise, published)| false_blocks(112, noise, published).1)
        .collect();
    assert!(blocked.len() <= 1, "{} of 1,008 clean runs are blocked: {blocked:?}", blocked.len());
}
