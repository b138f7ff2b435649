#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
#![allow(clippy::cast_precision_loss, clippy::cast_sign_loss)]

use proptest::prelude::*;

use super::*;
use crate::profile::question::SEPARATOR;

/// Sums of channels by country and week: `users[country][channel][week]`.
fn partial(users: &[Vec<Vec<i64>>]) -> Partial {
    let (countries, channels, weeks) = (users.len(), users[0].len(), users[0][0].len());
    let names: Vec<(usize, usize)> =
        (0..countries).flat_map(|country| (0..channels).map(move |channel| (country, channel))).collect();
    let cells = names.iter().flat_map(|(country, channel)| {
        users[*country][*channel].iter().flat_map(|users| [i128::from(*users), 0])
    });
    Partial {
        groups: names.iter().map(|(country, channel)| name(*country, *channel).into()).collect(),
        kept: vec![true; names.len()],
        times: (0..weeks).map(|week| TimePoint::Step(2_700 + i32::try_from(week).unwrap())).collect(),
        cells: cells.collect(),
        present: vec![true; names.len() * weeks],
        ..Partial::default()
    }
}

/// The first channel is organic.
fn name(country: usize, channel: usize) -> String {
    let channel = if channel == 0 { "Organic".to_owned() } else { format!("c{channel:02}") };
    format!("K{country}{SEPARATOR}{channel}")
}

fn job(window: u32) -> Job {
    job_of(&Job { windows: vec![window], ..Job::default() }).unwrap()
}

fn change(key: &str, period: i32, against: u32) -> Change {
    let period = Some(words::step(crate::Grain::Week, 2_700 + period));
    Change { key: key.into(), period, against: Against::Before(against) }
}

proptest! {
    /// Contributions add up to the change of the share, of a key and of all keys, also with negative users.
    #[test]
    fn contributions_add_up_to_the_change(
        users in (1usize..4, 1usize..6, 2usize..12).prop_flat_map(|(countries, channels, weeks)| {
            let series = proptest::collection::vec(-3i64..100_000, weeks);
            proptest::collection::vec(proptest::collection::vec(series, channels), countries)
        }),
        window in 1u32..6,
        against in 1u32..4,
    ) {
        let weeks = i32::try_from(users[0][0].len()).unwrap();
        let against = against.min(weeks.unsigned_abs() - 1);
        let (job, partial) = (job(window), partial(&users));
        for key in ["K0", WORLD] {
            let Ok(found) = explain(&job, &partial, &change(key, weeks - 1, against)) else { continue };
            let sum: f64 = found.channels.iter().map(|channel| channel.contribution).sum();
            // Shares of sums near zero are large, and so are the roundings of their change.
            let size = found.share.abs().max(found.share_before.abs()).max(1.0);
            prop_assert!((sum - found.change).abs() <= 1e-12 * size, "{} {}", sum, found.change);

            // The formula, by plain arithmetic.
            let span = |end: i32| 0.max(end - i32::try_from(window).unwrap() + 1)..=end;
            let countries = if key == WORLD { 0..users.len() } else { 0..1 };
            let total = |channel: usize, end: i32| -> i64 {
                let of = |country: usize| span(end).map(|week| users[country][channel][week as usize]).sum::<i64>();
                countries.clone().map(of).sum()
            };
            let (now, before) = (weeks - 1, weeks - 1 - i32::try_from(against).unwrap());
            let all = |end| (0..users[0].len()).map(|channel| total(channel, end)).sum::<i64>() as f64;
            let s0 = total(0, before) as f64 / all(before);
            prop_assert_eq!(found.share, total(0, now) as f64 / all(now));
            for channel in &found.channels {
                let at = channel.channel.trim_start_matches('c').parse().unwrap_or(0);
                let moved = (total(at, now) - total(at, before)) as f64;
                let organic = if at == 0 { moved } else { 0.0 };
                let wanted = (organic - s0 * moved) / all(now);
                prop_assert!((channel.contribution - wanted).abs() <= 1e-9 * size, "{} {}", channel.contribution, wanted);
            }
        }
    }
}

#[test]
fn windows_of_channels_are_compared() {
    // 10 of 40 in week 2701, 12 of 60 in week 2702.
    let partial = partial(&[vec![vec![4, 6, 6], vec![20, 10, 30], vec![0, 0, 8]]]);
    let found = explain(&job(2), &partial, &change("K0", 2, 1)).unwrap();
    assert_eq!((found.share_before, found.share), (0.25, 0.2));
    assert_eq!((found.users_before, found.users), (40.0, 60.0));
    let parts: Vec<(&str, f64, f64, f64)> = (found.channels.iter())
        .map(|c| (c.channel.as_str(), c.users_before, c.users, c.contribution))
        .collect();
    assert_eq!(
        parts,
        [
            ("c01", 30.0, 40.0, -0.25 * 10.0 / 60.0),
            ("c02", 0.0, 8.0, -0.25 * 8.0 / 60.0),
            ("Organic", 10.0, 12.0, 0.75 * 2.0 / 60.0),
        ]
    );
    assert!((found.channels.iter().map(|c| c.contribution).sum::<f64>() + 0.05).abs() < 1e-15);
    let text = found.text();
    assert!(text.starts_with("K0: organic share 20.0 % in "), "{text}");
    assert!(
        text.contains("-5.0 points since")
            && text.contains(
                "c01 (paid) lowered it most, by 4.2 points (30 to 40 users); Organic raised it by 2.5 points"
            ),
        "{text}"
    );
    assert!(text.contains("████████████│") && text.lines().count() == 7, "{text}");
    assert_eq!(found.csv().lines().count(), 4);
}

#[test]
fn few_channels_stay_and_the_rest_is_summed_by_class() {
    let series = |users: i64| vec![users, users + users * users];
    let channels = (0..12).map(|channel| series(30 - 2 * channel)).collect();
    let found = explain(&job(1), &partial(&[channels]), &change("K0", 1, 1)).unwrap();
    assert_eq!(found.channels.len(), 12);
    let short = found.clone().shortened(4);
    assert_eq!(short.channels.len(), 5);
    assert_eq!(short.channels[4].channel, "8 other paid channels");
    let sum = |of: &Explanation| of.channels.iter().map(|c| c.contribution).sum::<f64>();
    assert!((sum(&short) - found.change).abs() < 1e-14 && found.clone().shortened(11) == found);
}

#[test]
fn keys_and_periods_that_are_not_there_are_named() {
    let partial = partial(&[vec![vec![4, 6, 0], vec![20, 10, 0]], vec![vec![1, 1, 1], vec![1, 1, 1]]]);
    let error = |key: &str, period: i32, against: u32| {
        explain(&job(1), &partial, &change(key, period, against)).unwrap_err()
    };
    let text = error("k0", 1, 1).to_string();
    assert!(text.contains("no key 'k0' (by country)") && text.contains("Did you mean K0?"), "{text}");
    assert!(error("K0", 0, 1).to_string().contains("no data of"), "the period before is not on the axis");
    assert!(error("K0", 3, 1).to_string().contains("from 2021-W39 to 2021-W41"), "{}", error("K0", 3, 1));
    let text = error("K0", 2, 1).to_string();
    assert!(text.contains("K0 has no share in 2021-W41: its window has no users"), "{text}");
    assert_eq!((error("K0", 2, 1).exit_code(), error("K9", 1, 1).exit_code()), (3, 2));
    let paid = Job { profile: crate::Profile::cube(), ..job(1) };
    let mut paid = paid;
    paid.profile.channel.organic = vec!["Nobody".into()];
    let text = explain(&paid, &partial, &change("K0", 1, 1)).unwrap_err().to_string();
    assert!(text.contains("no channel is organic"), "{text}");
    let latest = Change { key: "K1".into(), ..Change::default() };
    assert_eq!(explain(&job(1), &partial, &latest).unwrap().period, "2021-W41");
}

#[test]
fn windows_and_semantics_are_those_of_one_share() {
    let several = Job { windows: vec![4, 13], ..Job::default() };
    assert!(job_of(&several).unwrap_err().to_string().contains("one window"));
    assert!(job_of(&Job { semantics: Semantics::Legacy, ..Job::default() }).is_err());
    assert!(job_of(&Job::default()).unwrap().share_of_channel);
}
