//! Every path is compared with a naive computation: ticks in 128 bits, texts by the general parser.

use super::*;
use crate::calendar::date_of;
use crate::calendar::stamp::{Stamp, parse_stamp};
use crate::calendar::zone::Zone;
use proptest::prelude::*;

const UNITS: [i64; 7] = [
    1,
    86_400,
    86_400_000,
    86_400_000_000,
    86_400_000_000_000,
    // Picoseconds, and a number that is neither a second's multiple nor even.
    86_400_000_000_000_000,
    7_777_777,
];

fn fills() -> Vec<(&'static str, Fill)> {
    let mut paths: Vec<(_, Fill)> = vec![("portable", portable_fill)];
    #[cfg(target_arch = "x86_64")]
    paths.extend(cpu::paths::<Fill>(avx2::fill, avx512::fill));
    #[cfg(target_arch = "aarch64")]
    paths.extend(cpu::paths::<Fill>(neon::fill));
    paths
}

fn naive(tick: i64, per_day: i64, zone: &Intervals) -> i32 {
    let per_second = if per_day % 86_400 == 0 { per_day / 86_400 } else { 0 };
    let offset = if per_second == 0 { 0 } else { i128::from(zone.at(tick.div_euclid(per_second)).offset) };
    let day = (i128::from(tick) + offset * i128::from(per_second)).div_euclid(per_day.into());
    let day = i32::try_from(day).unwrap_or(NO_DAY);
    if (FIRST_DAY..=LAST_DAY).contains(&day) { day } else { NO_DAY }
}

fn check_ticks(ticks: &[i64], per_day: i64, zone: &Intervals) {
    let want: Vec<i32> = ticks.iter().map(|tick| naive(*tick, per_day, zone)).collect();
    let all = !want.contains(&NO_DAY);
    for (name, fill) in fills() {
        let mut days = vec![7; ticks.len()];
        assert_eq!(days_by(fill, ticks, per_day, zone, &mut days), all, "{name}");
        for ((tick, day), want) in ticks.iter().zip(&days).zip(&want) {
            assert_eq!(day, want, "{name}: tick {tick} of {per_day} a day");
        }
    }
    let mut days = vec![7; ticks.len()];
    assert_eq!(days_of_ticks(ticks, per_day, zone, &mut days), all);
    assert_eq!(days, want);
}

#[test]
fn ticks_on_both_sides_of_every_edge() {
    for name in ["UTC", "Europe/Berlin", "Pacific/Apia", "-03:30", "Africa/Monrovia"] {
        let zone = Zone::named(name).unwrap();
        for per_day in UNITS {
            let days = [FIRST_DAY - 1, FIRST_DAY, FIRST_DAY + 1, -1, 0, 1, 18_000, LAST_DAY, LAST_DAY + 1];
            let mut ticks = vec![i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX];
            for start in days.map(|day| i64::from(day).saturating_mul(per_day)) {
                for hours in -26..=26 {
                    let at = start.saturating_add(per_day / 24 * hours);
                    ticks.extend((-2..=2).map(|tick| at.saturating_add(tick)));
                }
            }
            if per_day % 86_400 == 0 {
                let (mut second, per_second) = (0, per_day / 86_400);
                for _ in 0..400 {
                    second = zone.intervals().at(second).to;
                    let Some(at) = second.checked_mul(per_second) else { break };
                    ticks.extend((-2..=2).map(|tick| at.saturating_add(tick)));
                }
            }
            check_ticks(&ticks, per_day, zone.intervals());
            for tick in ticks.iter().step_by(7) {
                check_ticks(&[*tick], per_day, zone.intervals());
            }
        }
    }
    check_ticks(&[], 86_400, &Intervals::fixed(0));
}

#[test]
fn the_first_and_the_last_tick_of_every_day() {
    for per_day in UNITS {
        let days = (FIRST_DAY..=LAST_DAY).step_by(if per_day == 86_400_000 { 1 } else { 17 });
        let starts = days.filter_map(|day| i64::from(day).checked_mul(per_day));
        let ticks: Vec<i64> = starts.flat_map(|at| [at.saturating_sub(1), at]).collect();
        check_ticks(&ticks, per_day, &Intervals::fixed(0));
    }
}

#[test]
fn a_day_that_cannot_be_divided_by_has_no_days() {
    let mut days = [0; 3];
    for per_day in [0, -1, i64::MIN, i64::MAX] {
        assert!(!days_of_ticks(&[0, 1, -1], per_day, &Intervals::fixed(0), &mut days));
        assert_eq!(days, [NO_DAY; 3]);
    }
}

proptest! {
    #[test]
    fn every_path_divides_exactly(
        which in 0..UNITS.len(),
        name in prop_oneof![Just("UTC"), Just("America/New_York"), Just("Asia/Kathmandu")],
        anywhere in proptest::collection::vec(any::<i64>(), 0..60),
        days in proptest::collection::vec((FIRST_DAY - 2..=LAST_DAY + 2, -3i64..=3), 0..60),
        near in proptest::collection::vec((15_000i32..20_000, any::<i64>()), 0..2_500),
    ) {
        let (per_day, zone) = (UNITS[which], Zone::named(name).unwrap());
        let mut ticks = anywhere;
        ticks.extend(days.iter().map(|(day, more)| i64::from(*day).saturating_mul(per_day).saturating_add(*more)));
        ticks.extend(near.iter().map(|(day, more)| {
            i64::from(*day).saturating_mul(per_day).saturating_add(more.rem_euclid(per_day))
        }));
        check_ticks(&ticks, per_day, zone.intervals());
    }
}

type Plain = unsafe fn(&[u8], &mut [i32]) -> Option<usize>;
type Between = unsafe fn(&[i32], &[u8], &mut [i32]);

fn plain_paths() -> Vec<(&'static str, Plain)> {
    let mut paths: Vec<(_, Plain)> = vec![("chosen", days_of_plain), ("portable", portable::days_of_plain)];
    #[cfg(target_arch = "x86_64")]
    paths.extend(cpu::paths::<Plain>(avx2::days_of_plain, avx512::days_of_plain));
    #[cfg(target_arch = "aarch64")]
    paths.extend(cpu::paths::<Plain>(neon::days_of_plain));
    paths
}

fn between_paths() -> Vec<(&'static str, Between)> {
    let mut paths: Vec<(_, Between)> =
        vec![("chosen", days_of_offsets), ("portable", portable::days_of_offsets)];
    #[cfg(target_arch = "x86_64")]
    paths.extend(cpu::paths::<Between>(avx2::days_of_offsets, avx512::days_of_offsets));
    #[cfg(target_arch = "aarch64")]
    paths.extend(cpu::paths::<Between>(neon::days_of_offsets));
    paths
}

/// The day by the general parser, of those texts that need none.
fn simple(text: &[u8]) -> i32 {
    let day = match parse_stamp(text) {
        Some(stamp @ Stamp::Wall(_)) => stamp.day(&Zone::utc()),
        _ => None,
    };
    let usual = is_usual_length(text.len()) && text.get(17..19) != Some(b"60");
    day.filter(|_| usual).unwrap_or(NO_DAY)
}

fn check_texts(texts: &[Vec<u8>]) {
    let want: Vec<i32> = texts.iter().map(|text| simple(text)).collect();
    let len = |n: usize| u32::try_from(n).unwrap().to_le_bytes();
    let page: Vec<u8> = texts.iter().flat_map(|text| [&len(text.len())[..], text].concat()).collect();
    for (name, path) in plain_paths() {
        let mut days = vec![7; texts.len()];
        // SAFETY: the paths are those that this machine has.
        #[allow(unsafe_code)]
        let run = |bytes: &[u8], days: &mut [i32]| unsafe { path(bytes, days) };
        assert_eq!(run(&page, &mut days), Some(page.len()), "{name}");
        assert_eq!(days, want, "{name}");
        // Bytes after the values are not read as such; a page that is cut is an error.
        assert_eq!(run(&[&page[..], b"-05-03 12:34"].concat(), &mut days), Some(page.len()), "{name}");
        assert_eq!(days, want, "{name}");
        if !page.is_empty() {
            assert_eq!(run(&page[..page.len() - 1], &mut days), None, "{name}");
        }
    }
    let mut offsets = vec![0i32];
    texts.iter().for_each(|text| offsets.push(offsets.last().unwrap() + i32::try_from(text.len()).unwrap()));
    let bytes = texts.concat();
    for (name, path) in between_paths() {
        let mut days = vec![7; texts.len() + 2];
        // SAFETY: as above.
        #[allow(unsafe_code)]
        let run = |offsets: &[i32], days: &mut [i32]| unsafe { path(offsets, &bytes, days) };
        run(&offsets, &mut days);
        assert_eq!(days[..texts.len()], want, "{name}");
        assert_eq!(days[texts.len()..], [NO_DAY; 2], "{name}");
        // Offsets that are out of range or descend.
        let past = i32::try_from(bytes.len()).unwrap() + 1;
        for bad in [-1, past, i32::MAX, i32::MIN] {
            let mut offsets = offsets.clone();
            let at = offsets.len() / 2;
            offsets[at] = bad;
            run(&offsets, &mut days);
            for (row, day) in days.iter().enumerate() {
                let want = if row == at || row + 1 == at { None } else { want.get(row) };
                assert_eq!(*day, want.copied().unwrap_or(NO_DAY), "{name}, row {row}");
            }
        }
    }
    let mut days = Days::default();
    texts.iter().zip(want).for_each(|(text, want)| assert_eq!(days.day(text), want));
}

#[test]
fn every_date_is_parsed_as_by_the_general_parser() {
    let texts = |day: i32, suffix: &str| {
        let date = date_of(day);
        format!("{:04}-{:02}-{:02}{suffix}", date.year, date.month, date.day).into_bytes()
    };
    let days: Vec<Vec<u8>> = (FIRST_DAY..=LAST_DAY).step_by(97).map(|day| texts(day, "")).collect();
    check_texts(&days);
    let suffixes = ["", " 00:00:00", "T23:59:59", " 12:00:00.1", "T12:00:00.123456789", "T12:00:00Z"];
    let times: Vec<Vec<u8>> = (18_000..19_000)
        .zip(suffixes.into_iter().cycle())
        .map(|(day, suffix)| texts(day / 3, suffix))
        .collect();
    check_texts(&times);
}

#[test]
fn one_wrong_byte_at_every_position() {
    for text in ["2021-05-03", "2021-05-03 12:34:56", "2023-12-31T23:59:59.123456789"] {
        let mut texts = vec![];
        for at in 0..text.len() {
            for byte in 0..=255 {
                let mut text = text.as_bytes().to_vec();
                text[at] = byte;
                texts.push(text);
            }
        }
        check_texts(&texts);
        let cut: Vec<Vec<u8>> = (0..text.len()).map(|len| text.as_bytes()[..len].to_vec()).collect();
        check_texts(&cut);
    }
}

proptest! {
    #[test]
    fn every_path_parses_alike(
        texts in proptest::collection::vec(
            prop_oneof![
                "(2019|2020|0000)-[01][0-9]-[0-3][0-9]",
                "2020-0[12]-[23][0-9][ T][0-2][0-9]:[0-6][0-9]:[0-6][0-9]",
                "2020-02-2[0-9][ T]1[0-9]:00:00[.][0-9]{0,10}",
                "2020-02-29 12:00:00(Z| UTC|[+]02:00)",
                "[0-9TZ:. -]{0,40}",
            ],
            0..40,
        ),
    ) {
        check_texts(&texts.into_iter().map(String::into_bytes).collect::<Vec<_>>());
    }
}
