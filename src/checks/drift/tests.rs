//! Simulated companies: damage is detected, and a year of clean days is not blocked.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

use super::*;
use crate::Job;
use crate::calendar::{Date, day_of, monday, week_of};
use crate::checks::Stage;
use crate::checks::model::{Status, Verdict};
use crate::checks::raw::cube::Cube;
use crate::checks::totals::sum_cube;

const COUNTRIES: [&str; 5] = ["ALL", "BR", "DE", "FR", "US"];
const CHANNELS: [&str; 5] = ["Ads", "Email", "Organic", "Partner", "Social"];
/// Monday of 2024_01.
const START: Date = Date { year: 2024, month: 1, day: 1 };

fn mix64(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Approximately normal: the sum of four uniform numbers.
fn normal(seed: u64) -> f64 {
    let uniform = |at: u64| (mix64(seed ^ mix64(at)) >> 11) as f64 / (1u64 << 53) as f64;
    ((0..4).map(uniform).sum::<f64>() - 2.0) * 3f64.sqrt()
}

/// Users by day, country and channel.
struct Company {
    users: Vec<[[i128; CHANNELS.len()]; COUNTRIES.len()]>,
    channels: Vec<String>,
    gone: Vec<usize>,
}

impl Company {
    /// Days of a company that grows by half a year, with weekends, a Christmas, and noise.
    fn new(seed: u64, days: usize) -> Self {
        let users = (0..days)
            .map(|day| {
                let mut countries = [[0; CHANNELS.len()]; COUNTRIES.len()];
                for (country, channels) in countries.iter_mut().enumerate().skip(1) {
                    for (channel, users) in channels.iter_mut().enumerate() {
                        let key = |what: u64, at: usize| {
                            mix64(seed ^ mix64(what ^ ((at as u64) << 20) ^ ((country * 8 + channel) as u64)))
                        };
                        let size = 3000.0 / (1 << country) as f64 * [0.6, 0.1, 1.0, 0.3, 0.5][channel];
                        let weekend = if day % 7 > 4 { 1.3 } else { 1.0 };
                        let christmas = if (350..358).contains(&(day % 364)) { 0.6 } else { 1.0 };
                        let growth = 1.5f64.powf(day as f64 / 364.0);
                        let noise = (0.05 * normal(key(1, day / 7)) + 0.08 * normal(key(2, day))).exp();
                        *users = (size * weekend * christmas * growth * noise).round() as i128;
                    }
                }
                countries
            })
            .collect();
        Company { users, channels: CHANNELS.map(String::from).to_vec(), gone: vec![] }
    }

    fn totals(&self, days: std::ops::Range<usize>) -> Totals {
        let first = day_of(START);
        let days: Vec<usize> = days.filter(|day| !self.gone.contains(day)).collect();
        let mut cube = Cube {
            days: days.iter().map(|day| first + *day as i32).collect(),
            countries: COUNTRIES.map(String::from).to_vec(),
            channels: self.channels.clone(),
            steps: 1,
            ..Cube::default()
        };
        for day in days {
            let mut by_channel = [0; CHANNELS.len()];
            for channels in &self.users[day] {
                let all: i128 = channels.iter().sum();
                cube.users.push([all - channels[2], channels[2]]);
                cube.rows.push(channels.iter().filter(|users| **users > 0).count() as u64 * 3);
                by_channel.iter_mut().zip(channels).for_each(|(to, from)| *to += from);
            }
            cube.channel_users.extend(by_channel);
        }
        sum_cube(&Job::default(), &cube)
    }

    fn change(
        &mut self,
        days: std::ops::Range<usize>,
        country: Option<usize>,
        channel: Option<usize>,
        by: f64,
    ) {
        for day in days {
            for (c, channels) in self.users[day].iter_mut().enumerate() {
                for (n, users) in channels.iter_mut().enumerate() {
                    if country.is_none_or(|country| country == c)
                        && channel.is_none_or(|channel| channel == n)
                    {
                        *users = (*users as f64 * by).round() as i128;
                    }
                }
            }
        }
    }
}

fn published(totals: &Totals) -> History {
    let mut history = History::default();
    history.record(totals, "before", 160);
    history
}

fn compare(config: &Config, history: &History, now: &Totals) -> DriftResults {
    check(config, &HistoryState::History(history), Some(now), &MayChange::default())
}

fn failed(drift: &DriftResults) -> Vec<CheckId> {
    drift.results.with(Status::Fail).map(|o| o.check).collect()
}

#[test]
fn a_year_of_clean_days_is_not_blocked() {
    let config = Config::default();
    for seed in 0..2 {
        let company = Company::new(seed, 780);
        // A first run with a single day, and one with a year.
        for first in [1, 364] {
            let mut history = published(&company.totals(0..first));
            let mut warned = 0;
            for days in first + 1..first + 400 {
                let now = company.totals(0..days);
                let drift = compare(&config, &history, &now);
                assert!(
                    !matches!(drift.results.verdict(), Verdict::Fail | Verdict::Incomplete),
                    "seed {seed}, day {days}: {}",
                    drift.results.why()
                );
                assert!(drift.restated.is_empty());
                warned += drift.results.with(Status::Warn).count();
                history.record(&now, &format!("run {days}"), config.keep.weeks);
            }
            // Christmas deviates only the first time.
            assert!(warned < 30, "seed {seed}: {warned} warnings in 400 runs");
        }
    }
}

type Damage = fn(&mut Company, usize);

/// Each kind of damage in the last week, at two positions: which checks must fail, and which at least warn.
#[test]
fn damage_is_detected() {
    let kinds: [(&str, Damage, &[CheckId], &[CheckId]); 18] = [
        ("nothing", |_, _| {}, &[], &[]),
        (
            "a country's volume halved",
            |c, w| c.change(w * 7..w * 7 + 7, Some(2), None, 0.5),
            &[CheckId::VolumeChange, CheckId::ClassVolume],
            &[CheckId::VolumeDrift],
        ),
        (
            "a country doubled",
            |c, w| c.change(w * 7..w * 7 + 7, Some(2), None, 2.0),
            &[CheckId::VolumeChange],
            &[CheckId::VolumeDrift],
        ),
        (
            "a country gone",
            |c, w| c.change(w * 7..w * 7 + 7, Some(3), None, 0.0),
            &[CheckId::VolumeDrift, CheckId::VolumeChange, CheckId::ClassGone],
            &[CheckId::RowDrift],
        ),
        ("a channel renamed", |c, _| c.channels[0] = "Ads (new)".into(), &[], &[CheckId::ChannelMix]),
        (
            "a share jumped",
            |c, w| {
                c.change(w * 7..w * 7 + 7, Some(2), Some(2), 3.0);
                c.change(w * 7..w * 7 + 7, Some(2), Some(0), 0.3);
            },
            &[CheckId::ShareDrift, CheckId::ShareChange],
            &[],
        ),
        (
            "no organic users",
            |c, w| c.change(w * 7..w * 7 + 7, None, Some(2), 0.0),
            &[CheckId::ShareDrift, CheckId::ShareChange, CheckId::ChannelMix, CheckId::ClassGone],
            &[CheckId::ShareYear],
        ),
        (
            "none but organic users",
            |c, w| {
                [0, 1, 3, 4].iter().for_each(|n| c.change(w * 7..w * 7 + 7, None, Some(*n), 0.0));
            },
            &[CheckId::ShareDrift, CheckId::ShareYear, CheckId::ChannelMix],
            &[CheckId::RowDrift],
        ),
        (
            "three channels gone from a country",
            |c, w| {
                [0, 1, 3].iter().for_each(|n| c.change(w * 7..w * 7 + 7, Some(2), Some(*n), 0.0));
            },
            &[CheckId::ShareChange, CheckId::ClassVolume],
            &[CheckId::RowDrift],
        ),
        (
            "an old week restated",
            |c, w| c.change((w - 30) * 7..(w - 30) * 7 + 7, Some(1), None, 1.1),
            &[CheckId::Restatement],
            &[],
        ),
        (
            "an old week restated a little",
            |c, w| c.change((w - 5) * 7..(w - 5) * 7 + 7, Some(1), None, 1.03),
            &[],
            &[CheckId::Restatement],
        ),
        (
            "a published day dropped",
            |c, w| c.gone.push((w - 3) * 7 + 2),
            &[CheckId::DaysKept, CheckId::Restatement],
            &[],
        ),
        (
            "a published week dropped",
            |c, w| c.gone.extend((w - 3) * 7..(w - 2) * 7),
            &[CheckId::DaysKept],
            &[],
        ),
        (
            "a day that lost most of its users",
            |c, w| c.change(w * 7 + 6..w * 7 + 7, None, None, 0.3),
            &[],
            &[CheckId::DayVolume],
        ),
        (
            "a day counted twice",
            |c, w| c.change(w * 7 + 6..w * 7 + 7, None, None, 2.0),
            &[],
            &[CheckId::DayVolume],
        ),
        (
            "an old day counted twice",
            |c, w| c.change((w - 9) * 7 + 3..(w - 9) * 7 + 4, None, None, 2.0),
            &[CheckId::Restatement],
            &[],
        ),
        (
            "a twentieth of as many",
            |c, w| c.change(w * 7..w * 7 + 7, Some(1), None, 0.05),
            &[CheckId::VolumeDrift, CheckId::VolumeChange, CheckId::VolumeYear],
            &[],
        ),
        (
            "twenty times as many",
            |c, w| c.change(w * 7..w * 7 + 7, Some(1), None, 20.0),
            &[CheckId::VolumeDrift, CheckId::VolumeChange, CheckId::VolumeYear],
            &[],
        ),
    ];
    for id in CheckId::ALL.iter().filter(|id| id.stage() == Stage::History && **id != CheckId::History) {
        let kinds = kinds.iter().filter(|(_, _, fail, warn)| fail.contains(id) || warn.contains(id));
        assert!(kinds.count() >= 2, "no two kinds of damage for {id}");
    }
    for (seed, week) in [(11, 60), (12, 83)] {
        for (what, damage, must_fail, must_warn) in &kinds {
            let mut company = Company::new(seed, 700);
            let history = published(&company.totals(0..week * 7 + 3));
            damage(&mut company, week);
            // The first days of the week were published before it was complete.
            let drift = compare(&Config::default(), &history, &company.totals(0..week * 7 + 7));
            let (failed, why) = (failed(&drift), drift.results.why());
            for id in *must_fail {
                assert!(failed.contains(id), "{what}, week {week}: {id} did not fail: {why}");
            }
            for id in *must_warn {
                let status = drift.results.get(*id).unwrap().status;
                assert!(
                    matches!(status, Status::Warn | Status::Fail),
                    "{what}, week {week}: {id} is {status:?}"
                );
            }
            if must_fail.is_empty() {
                assert_eq!(failed, [], "{what}: {why}");
            }
        }
    }
}

#[test]
fn checks_with_little_history_do_not_run_and_do_not_block() {
    let company = Company::new(1, 100);
    let config = Config::default();
    let none = check(
        &config,
        &HistoryState::None("nothing yet".into()),
        Some(&company.totals(0..70)),
        &MayChange::default(),
    );
    assert!(none.results.outcomes.iter().all(|o| o.status == Status::NotRun && o.note == "nothing yet"));
    assert_eq!(none.results.verdict(), Verdict::Pass);

    let few = compare(&config, &published(&company.totals(0..28)), &company.totals(0..35));
    let volume = few.results.get(CheckId::VolumeDrift).unwrap();
    assert_eq!((volume.status, volume.observed), (Status::NotRun, None));
    assert!(volume.note.contains("too little history"), "{}", volume.note);
    assert_eq!(few.results.get(CheckId::Restatement).unwrap().status, Status::Pass);
    assert_eq!(few.results.verdict(), Verdict::Pass);

    // A week that is not complete is not judged, whatever it contains.
    let mut company = company;
    let history = published(&company.totals(0..70));
    company.change(70..76, None, None, 0.1);
    let partial = compare(&config, &history, &company.totals(0..76));
    assert_eq!(partial.results.get(CheckId::VolumeDrift).unwrap().status, Status::NotRun);
    assert_eq!(failed(&partial), []);
}

#[test]
fn a_damaged_history_warns_and_does_not_pass() {
    let drift =
        check(&Config::default(), &HistoryState::Damaged("no parquet".into()), None, &MayChange::default());
    assert_eq!(drift.results.get(CheckId::History).unwrap().status, Status::Warn);
    for outcome in drift.results.outcomes.iter().filter(|o| o.check != CheckId::History) {
        assert_eq!(outcome.status, Status::NotRun, "{}", outcome.check);
    }
    assert_eq!(drift.results.verdict(), Verdict::Warn);
}

#[test]
fn a_restatement_may_be_allowed() {
    let mut company = Company::new(5, 200);
    let history = published(&company.totals(0..140));
    company.change(70..77, Some(2), None, 1.5);
    let now = company.totals(0..147);
    let week = week_of(day_of(START) + 70);
    assert_eq!(monday(week), day_of(START) + 70);
    let run = |allowed: &[(i32, i32)]| {
        let may_change = MayChange { allowed, ..MayChange::default() };
        check(&Config::default(), &HistoryState::History(&history), Some(&now), &may_change)
    };
    let blocked = run(&[(week - 3, week - 1)]);
    assert_eq!(failed(&blocked), [CheckId::Restatement]);
    assert_eq!(blocked.restated.len(), 1);
    assert_eq!((&*blocked.restated[0].country, &*blocked.restated[0].run), ("DE", "before"));
    let allowed = run(&[(week, week)]);
    assert_eq!(failed(&allowed), []);
    assert!(allowed.restated[0].allowed);
    assert!((allowed.restated[0].change - 0.5).abs() < 0.01);
}

#[test]
fn an_incident_is_excluded_from_baselines() {
    // Ten weeks at a tenth of the level are published nevertheless; then the usual level returns.
    let mut company = Company::new(6, 400);
    company.change(210..280, Some(2), None, 0.1);
    let history = published(&company.totals(0..280));
    let now = company.totals(0..287);
    let blocked = compare(&Config::default(), &history, &now);
    assert!(failed(&blocked).contains(&CheckId::VolumeChange), "{}", blocked.results.why());
    let text = "[[incidents]]\nfirst = '2024_31'\nlast = '2024_40'\ncountries = ['DE']\nnote = 'tracking was down'\n[drift]\nbaseline_weeks = 20";
    let config = Config::parse(text, "x").unwrap();
    let excluded = compare(&config, &history, &now);
    assert_eq!(failed(&excluded), [], "{}", excluded.results.why());
}

#[test]
fn a_promoted_level_is_not_blocked_again() {
    let mut company = Company::new(7, 400);
    company.change(210..400, Some(3), None, 2.5);
    let mut history = published(&company.totals(0..210));
    let now = company.totals(0..217);
    assert!(failed(&compare(&Config::default(), &history, &now)).contains(&CheckId::VolumeChange));
    history.record(&now, "promoted", 160);
    for days in 218..300 {
        let now = company.totals(0..days);
        let drift = compare(&Config::default(), &history, &now);
        assert_eq!(failed(&drift), [], "day {days}: {}", drift.results.why());
        history.record(&now, "later", 160);
    }
}

#[test]
fn findings_begin_with_the_country_of_most_users() {
    let mut company = Company::new(8, 400);
    let history = published(&company.totals(0..280));
    // BR is the largest country and only warns; the others block.
    for (country, by) in [(1, 0.58), (2, 0.4), (4, 0.05)] {
        company.change(280..287, Some(country), None, by);
    }
    let drift = compare(&Config::default(), &history, &company.totals(0..287));
    let outcome = drift.results.get(CheckId::VolumeChange).unwrap();
    let countries: Vec<&str> = outcome.offenders.iter().map(|o| &o.value[..2]).collect();
    assert_eq!(countries, ["DE", "US", "BR"], "{outcome:?}");
    let finding = &outcome.finding;
    assert!(finding.starts_with("DE: ") && finding.contains(" users in 2024-W41, usually "), "{finding}");
    let tail = "(limit 80 % more or 44 % fewer; 3 of 4 country-weeks are past the warning)";
    assert!(finding.ends_with(tail), "{finding}");

    let mut shares = Company::new(8, 800);
    let history = published(&shares.totals(0..700));
    shares.change(700..707, Some(1), Some(0), 0.0);
    shares.change(700..707, Some(1), Some(3), 0.0);
    let drift = compare(&Config::default(), &history, &shares.totals(0..707));
    let finding = &drift.results.get(CheckId::ShareChange).unwrap().finding;
    assert!(
        finding.starts_with("BR: organic share ") && finding.contains(" % in 2025-W49, usually "),
        "{finding}"
    );
}

#[test]
fn a_restatement_says_how_much_would_change() {
    let mut company = Company::new(8, 400);
    let history = published(&company.totals(0..280));
    company.change(70..77, Some(2), None, 0.5);
    let finding = |now: &Totals| {
        let drift = compare(&Config::default(), &history, now);
        drift.results.get(CheckId::Restatement).unwrap().finding.clone()
    };
    let mut now = company.totals(0..280);
    let one = finding(&now);
    assert!(one.starts_with("1 of 160 published country-weeks would change (first DE: "), "{one}");
    assert!(one.contains(" users in 2024-W11 become "), "{one}");
    assert!(one.ends_with("; limit 5 % of the published users)"), "{one}");
    // The rows are there, with no user.
    for point in now.weeks.points_mut() {
        (point.users, point.organic) = (0.0, 0.0);
    }
    let all = finding(&now);
    assert!(all.starts_with("all 160 published country-weeks would change to 0 users (first BR: "), "{all}");
    assert!(all.ends_with("Was the export cut?"), "{all}");
}

#[test]
fn direction_and_small_changes() {
    let mut company = Company::new(8, 400);
    let history = published(&company.totals(0..280));
    company.change(280..287, Some(2), None, 0.4);
    let now = company.totals(0..287);
    let with = |text: &str| failed(&compare(&Config::parse(text, "x").unwrap(), &history, &now));
    assert!(with("").contains(&CheckId::VolumeChange));
    assert_eq!(with("[drift]\ndirection = 'up'"), []);
    assert!(with("[drift]\ndirection = 'down'").contains(&CheckId::VolumeChange));
    assert!(with("[drift]\nmin_users = 1e6").is_empty());
    assert!(!with("[drift]\nignore_volume = 0.8").contains(&CheckId::VolumeDrift));
}

/// Prints the time that a history of years and many countries costs, some milliseconds. Not asserted.
#[test]
fn the_cost_of_years_of_history() {
    let names: Vec<std::sync::Arc<str>> = (0..240).map(|c| format!("C{c:03}").into()).collect();
    let mut totals = Totals { weeks: crate::history::Panel::new(2800, 160, names), ..Totals::default() };
    for name in 0..240 {
        for step in totals.weeks.steps() {
            let users = 1000.0 + (mix64((name * 1000) as u64 + step as u64) % 100) as f64;
            let point =
                crate::history::Point { rows: 50.0, users, organic: users / 3.0, complete: true, run: 0 };
            totals.weeks.put(name, step, point);
        }
    }
    let history = published(&totals);
    let bytes = crate::history::store::encode(&history).unwrap();
    let mut next = totals.clone();
    next.weeks = crate::history::Panel::new(2801, 160, totals.weeks.names().to_vec());
    for (name, step, point) in totals.weeks.entries() {
        next.weeks.put(name, step, *point);
    }
    for name in 0..240 {
        next.weeks.put(name, 2960, *totals.weeks.get(name, 2900).unwrap());
    }
    let started = std::time::Instant::now();
    let read = crate::history::store::decode("x", bytes.clone()).unwrap();
    let decoded = started.elapsed();
    let drift = compare(&Config::default(), &read, &next);
    let judged = started.elapsed() - decoded;
    assert_eq!(failed(&drift), []);
    assert!(drift.results.get(CheckId::VolumeDrift).unwrap().n == 240);
    println!("240 countries x 160 weeks: {} bytes, read in {decoded:?}, judged in {judged:?}", bytes.len());
}

fn sentence(drift: &DriftResults, id: CheckId) -> String {
    drift.results.get(id).unwrap().offenders.first().map_or_else(String::new, |o| o.value.clone())
}

fn with_checks(text: &str, history: &History, now: &Totals) -> DriftResults {
    compare(&Config::parse(text, "x").unwrap(), history, now)
}

/// Organic rows of three countries are 0 in all 11 weeks that a run brings, after 29 weeks of history.
#[test]
fn organic_users_that_stop_in_three_countries_block() {
    let mut company = Company::new(21, 300);
    let history = published(&company.totals(0..29 * 7));
    for country in [1, 2, 3] {
        company.change(29 * 7..40 * 7, Some(country), Some(2), 0.0);
    }
    let drift = compare(&Config::default(), &history, &company.totals(0..40 * 7));
    assert_eq!(drift.results.verdict().exit_code(), 4);
    let gone = drift.results.get(CheckId::ClassGone).unwrap();
    assert_eq!((gone.status, gone.observed), (Status::Fail, Some(3.0)), "{}", gone.note);
    // The country of most users comes first.
    let text = sentence(&drift, CheckId::ClassGone);
    assert!(
        text.starts_with("BR: organic users 0 in 2024-W30 and 10 more weeks to 2024-W40, usually "),
        "{text}"
    );
    assert!(text.ends_with(" a week") && text.contains(','), "{text}");
    // The note has the line that lets it through, and the line does.
    let line = classes::permission_in(&gone.note).unwrap();
    assert_eq!(
        line,
        "incidents = [{ first = \"2024_30\", countries = [\"BR\", \"DE\", \"FR\"], classes = [\"organic\"], \
         new_level = true }]"
    );
    let allowed = with_checks(line, &history, &company.totals(0..40 * 7));
    assert_eq!(failed(&allowed), [], "{}", allowed.results.why());
    // Paid users that stop in another country in these weeks are still noticed.
    for paid in [0, 1, 3, 4] {
        company.change(39 * 7..40 * 7, Some(4), Some(paid), 0.0);
        company.change(38 * 7..40 * 7, Some(1), Some(paid), 0.0);
    }
    let other = with_checks(line, &history, &company.totals(0..40 * 7));
    let gone = other.results.get(CheckId::ClassGone).unwrap();
    let sentences: Vec<&str> = gone.offenders.iter().map(|o| &*o.value).collect();
    assert!(sentences[0].starts_with("BR: paid users 0 in 2024-W39 and 2024-W40, usually "), "{sentences:?}");
    assert!(sentences[1].starts_with("US: paid users 0 in 2024-W40, usually "), "{sentences:?}");
}

/// A country ends its paid campaigns: said in the file of checks, or promoted, it is no deviation later.
#[test]
fn a_stop_that_is_meant_is_let_through_once() {
    let mut company = Company::new(22, 400);
    for paid in [0, 1, 3, 4] {
        company.change(210..400, Some(2), Some(paid), 0.0);
    }
    let before = published(&company.totals(0..210));
    let blocked = compare(&Config::default(), &before, &company.totals(0..217));
    assert!(failed(&blocked).contains(&CheckId::ClassGone));
    let line = classes::permission_in(&blocked.results.get(CheckId::ClassGone).unwrap().note).unwrap();
    let single = line.replace(", new_level = true", "");
    assert_ne!(single, line);
    for (text, is_published, lasts) in [(line, true, true), (single.as_str(), true, false), ("", false, true)]
    {
        let mut history = before.clone();
        for days in (217..350).step_by(7) {
            let now = company.totals(0..days);
            let drift = with_checks(text, &history, &now);
            // Without a line, the first run is promoted by a person.
            let is_expected = if days == 217 { is_published } else { lasts };
            assert_eq!(
                failed(&drift).is_empty(),
                is_expected,
                "day {days}, {text:?}: {}",
                drift.results.why()
            );
            history.record(&now, &format!("run {days}"), 160);
            if days > 217 && !lasts {
                break;
            }
        }
    }
}

#[test]
fn a_class_of_a_few_users_may_be_absent() {
    let mut company = Company::new(23, 300);
    // Some ten organic users a week in DE, and thirty in FR.
    company.change(0..300, Some(2), Some(2), 0.001);
    company.change(0..300, Some(3), Some(2), 0.008);
    for day in 0..300 {
        company.users[day][2][2] += i128::from(day % 3 == 0);
    }
    let history = published(&company.totals(0..210));
    company.change(210..217, Some(2), Some(2), 0.0);
    company.change(210..217, Some(3), Some(2), 0.0);
    let drift = compare(&Config::default(), &history, &company.totals(0..217));
    assert_eq!(failed(&drift), [], "{}", drift.results.why());
    assert_eq!(drift.results.get(CheckId::ClassGone).unwrap().n, 6);
}

#[test]
fn a_class_that_falls_blocks_and_one_that_declines_does_not() {
    let mut company = Company::new(24, 500);
    // Five per cent fewer each week, for half a year.
    for week in 10..36 {
        company.change(week * 7..week * 7 + 7, Some(3), Some(2), 0.95f64.powi(week as i32 - 10));
    }
    let mut history = published(&company.totals(0..20 * 7));
    for week in 21..36 {
        let now = company.totals(0..week * 7);
        let drift = compare(&Config::default(), &history, &now);
        assert!(!failed(&drift).contains(&CheckId::ClassVolume), "week {week}: {}", drift.results.why());
        history.record(&now, "later", 160);
    }
    company.change(35 * 7..36 * 7, Some(2), Some(2), 0.4);
    let drift = compare(&Config::default(), &history, &company.totals(0..36 * 7));
    assert_eq!(drift.results.get(CheckId::ClassVolume).unwrap().status, Status::Fail);
    let text = sentence(&drift, CheckId::ClassVolume);
    assert!(text.starts_with("DE: organic users ") && text.contains(" in 2024-W36, usually "), "{text}");
}

/// A quieter week of all countries warns; half of all users that are missing block.
#[test]
fn a_movement_of_all_countries_warns() {
    for (part, blocks) in [(0.62, false), (0.5, true)] {
        let mut company = Company::new(25, 300);
        let history = published(&company.totals(0..210));
        company.change(210..217, None, None, part);
        let drift = compare(&Config::default(), &history, &company.totals(0..217));
        assert_eq!(!failed(&drift).is_empty(), blocks, "{part}: {}", drift.results.why());
        let volume = drift.results.get(CheckId::VolumeDrift).unwrap();
        assert!(volume.status != Status::Pass, "{part}");
    }
}

/// The published weeks of a run on Monday get late rows until Wednesday: 30 % more on Saturday and Sunday.
#[test]
fn a_week_that_had_not_settled_may_be_restated() {
    let mut company = Company::new(26, 300);
    let history = published(&company.totals(0..210));
    company.change(208..210, None, None, 1.3);
    let run = |company: &Company, settle_days| {
        let may_change = MayChange { settle_days, ..MayChange::default() };
        check(
            &Config::default(),
            &HistoryState::History(&history),
            Some(&company.totals(0..212)),
            &may_change,
        )
    };
    assert_eq!(failed(&run(&company, 0)), [CheckId::Restatement]);
    let settling = run(&company, 3);
    assert_eq!(failed(&settling), [], "{}", settling.results.why());
    assert!(settling.restated.iter().all(|r| r.unsettled && r.week == "2024_30"));
    let note = &settling.results.get(CheckId::Restatement).unwrap().note;
    assert!(note.contains("4 more were younger than 3 days"), "{note}");
    // The week before had settled.
    company.change(201..203, None, None, 1.3);
    assert_eq!(failed(&run(&company, 3)), [CheckId::Restatement]);
    assert_eq!(failed(&run(&company, 10)), []);
    // A week that may be restated is judged again: organic users are gone from it.
    company.change(203..210, Some(1), Some(2), 0.0);
    let gone = run(&company, 10);
    assert!(failed(&gone).contains(&CheckId::ClassGone), "{}", gone.results.why());
}

#[test]
fn a_week_has_settled_some_days_after_its_end() {
    let company = Company::new(27, 100);
    let first = week_of(day_of(START));
    for (days, settle_days, settled) in [(70, 0, 10), (70, 1, 9), (72, 3, 9), (73, 3, 10), (73, 20, 7)] {
        let may_change = MayChange { settle_days, ..MayChange::default() };
        let mut history = published(&company.totals(0..days));
        let count =
            |history: &History| (first..first + 10).filter(|week| may_change.settled(history)(*week)).count();
        assert_eq!(count(&history), settled, "{days} days, {settle_days}");
        // Without days, the last day of the last week is known only if it is complete.
        history.totals.days = crate::history::Panel::default();
        let known = if days == 70 { 70 } else { 71 };
        assert_eq!(count(&history), (known - settle_days as usize) / 7, "{days} weeks, {settle_days}");
    }
}

/// An app of which people buy on payday: twice as many users on the first of each month, for 18 months.
#[test]
fn a_payday_neither_blocks_nor_warns_each_month() {
    let mut company = Company::new(28, 550);
    let first = day_of(START);
    for day in 0..550 {
        if crate::calendar::date_of(first + day as i32).day == 1 {
            company.change(day..day + 1, None, None, 2.0);
        }
    }
    let config = Config::default();
    let mut history = published(&company.totals(0..60));
    let mut warned = Vec::new();
    for days in 61..550 {
        let now = company.totals(0..days);
        let drift = compare(&config, &history, &now);
        assert_eq!(failed(&drift), [], "day {days}: {}", drift.results.why());
        let volume = drift.results.get(CheckId::DayVolume).unwrap();
        if volume.status == Status::Warn {
            warned.push(volume.offenders[0].value.clone());
        }
        history.record(&now, "later", config.keep.weeks);
    }
    let paydays: Vec<&String> = warned.iter().filter(|text| text[8..].starts_with("01")).collect();
    assert!(paydays.len() <= 2, "{paydays:?}");
}

#[test]
fn a_renamed_channel_warns_and_names_both() {
    let mut company = Company::new(29, 300);
    let history = published(&company.totals(0..210));
    company.channels[0] = "restricted".into();
    let drift = compare(&Config::default(), &history, &company.totals(0..217));
    assert_eq!(failed(&drift), [], "{}", drift.results.why());
    assert_eq!(drift.results.get(CheckId::ChannelMix).unwrap().status, Status::Warn);
    let text = sentence(&drift, CheckId::ChannelMix);
    assert!(text.contains("2024-W31: 'Ads' is called 'restricted' (2"), "{text}");
    // A rename does not hide that one channel takes over the users of another.
    company.change(210..217, None, Some(1), 5.0);
    company.change(210..217, None, Some(4), 0.2);
    let drift = compare(&Config::default(), &history, &company.totals(0..217));
    assert!(failed(&drift).contains(&CheckId::ChannelMix), "{}", drift.results.why());
    // A channel that takes over the users of another one, and had users before, is no other name of it.
    let mut company = Company::new(29, 300);
    company.change(210..217, None, Some(3), 1.0 + 0.6 / 0.3);
    company.change(210..217, None, Some(0), 0.0);
    let drift = compare(&Config::default(), &history, &company.totals(0..217));
    assert!(failed(&drift).contains(&CheckId::ChannelMix), "{}", drift.results.why());
}
