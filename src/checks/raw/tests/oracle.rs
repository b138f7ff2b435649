//! The number that every check must observe, computed row by row with maps, from the text of `docs/quality.md` alone.

use std::collections::{BTreeMap, BTreeSet};

use super::sample::Row;
use crate::calendar;
use crate::checks::CheckId::{self, *};
use crate::checks::{Config, countries};

/// The expected numbers by check, without the checks that do not apply.
pub fn observed(rows: &[Row], config: &Config) -> BTreeMap<CheckId, f64> {
    let mut counts: BTreeMap<CheckId, u64> = BTreeMap::new();
    let every = [
        Columns,
        LabelForm,
        LabelWeek,
        LabelDate,
        KeyNulls,
        ValueNulls,
        ValueFinite,
        ValueNegative,
        ValueIntegral,
        CountryKnown,
        SystemKnown,
        ChannelNew,
        ChannelVanished,
        SystemVanished,
        MemberRenamed,
        OrganicPresent,
        DuplicateRows,
        TokenName,
        NameSubtrackers,
        DayGaps,
        CountryDayGaps,
        ClassDayGaps,
        LocalMidnights,
        FutureDays,
    ];
    every.iter().for_each(|id| assert!(counts.insert(*id, 0).is_none()));
    let mut add = |id, n: usize| *counts.entry(id).or_default() += n as u64;
    let day = |row: &Row| row.day.filter(|day| (-719_162..=2_932_896).contains(day));
    let mut seen = BTreeSet::new();
    let mut sides: [BTreeMap<&str, BTreeSet<String>>; 3] = Default::default();
    for row in rows {
        let well_written = row.week.as_deref().map(|w| {
            w.len() == 7
                && w.bytes().enumerate().all(|(i, b)| if i == 4 { b == b'_' } else { b.is_ascii_digit() })
        });
        // The weeks of a year are those of its days that are Thursdays.
        let week = row.week.as_deref().filter(|_| well_written == Some(true)).and_then(|w| {
            let (year, week): (i32, i32) = (w[..4].parse().unwrap(), w[5..].parse().unwrap());
            calendar::week_from_iso(year, week)
        });
        add(LabelForm, usize::from(well_written == Some(false)));
        add(LabelWeek, usize::from(well_written == Some(true) && week.is_none()));
        let wrong = match (week, day(row)) {
            (Some(week), Some(day)) => calendar::week_of(day) != week,
            (_, None) => row.day.is_some() && (week.is_some() || row.week.is_none()),
            _ => false,
        };
        add(LabelDate, usize::from(wrong));
        let nulls = [row.day.is_none(), row.week.is_none(), row.country.is_none(), row.system.is_none()];
        add(KeyNulls, nulls.iter().filter(|null| **null).count() + usize::from(row.name.is_none()));
        match row.value {
            None => add(ValueNulls, 1),
            Some(v) if !v.is_finite() => add(ValueFinite, 1),
            Some(v) => {
                add(ValueNegative, usize::from(v < 0.0));
                add(ValueIntegral, usize::from(v.fract() != 0.0));
            }
        }
        let known = |c: &str| c == "ALL" || countries::is_assigned(c.as_bytes());
        add(CountryKnown, usize::from(row.country.is_some_and(|c| !known(c))));
        add(SystemKnown, usize::from(row.system.is_some_and(|s| !["all", "android", "ios"].contains(&s))));
        if let (Some(day), Some(country), Some(system), Some(name)) =
            (day(row), row.country, row.system, row.name)
        {
            add(DuplicateRows, usize::from(!seen.insert((day, country, system, name))));
        }
        if let (Some(name), Some(token)) = (row.name, row.token) {
            sides[0].entry(name).or_default().insert(token.into());
            sides[1].entry(token).or_default().insert(name.into());
        }
        if let (Some(name), Some(flag)) = (row.name, row.subtrackers) {
            sides[2].entry(name).or_default().insert(flag.to_string());
        }
    }
    let many = |side: &BTreeMap<&str, BTreeSet<String>>| side.values().filter(|v| v.len() > 1).count();
    add(TokenName, many(&sides[0]) + many(&sides[1]));
    add(NameSubtrackers, many(&sides[2]));
    let names: BTreeSet<&str> = rows.iter().filter_map(|r| r.name).collect();
    let listed: BTreeSet<&str> = config.allow.channels.iter().map(String::as_str).collect();
    add(ChannelNew, names.difference(&listed).count());
    add(ChannelVanished, listed.difference(&names).count());
    add(OrganicPresent, usize::from(!names.contains("Organic")));
    let systems: BTreeSet<&str> = rows.iter().filter_map(|r| r.system).collect();
    let listed: BTreeSet<&str> = config.allow.systems.iter().map(String::as_str).collect();
    add(SystemVanished, listed.difference(&systems).count());
    // Names that differ by case only, and the two names of one country.
    let alike = |names: &mut dyn Iterator<Item = &str>| {
        let all: BTreeSet<&str> = names.collect();
        let one = |name: &&str| name.to_lowercase().replace("uk", "gb");
        all.len() - all.iter().map(one).collect::<BTreeSet<String>>().len()
    };
    add(MemberRenamed, alike(&mut rows.iter().filter_map(|r| r.country).filter(|c| *c != "ALL")));
    add(MemberRenamed, alike(&mut rows.iter().filter_map(|r| r.name)));
    let days: BTreeSet<i32> = rows.iter().filter_map(day).collect();
    let there: BTreeSet<(i32, &str)> = rows.iter().filter_map(|r| day(r).zip(r.country)).collect();
    let all: BTreeSet<&str> = rows.iter().filter_map(|r| r.country).collect();
    let parts = all.iter().filter(|c| **c != "ALL").count();
    add(CountryDayGaps, days.len() * parts - there.iter().filter(|(_, c)| *c != "ALL").count());
    if let (Some(first), Some(last)) = (days.first(), days.last()) {
        add(DayGaps, usize::try_from(last - first + 1).unwrap() - days.len());
        let today = config.today();
        add(FutureDays, days.iter().filter(|day| **day > today).count());
        if let Some(past) = days.range(..=today).next_back() {
            add(Freshness, usize::try_from(today - past).unwrap());
        }
    }
    add(ClassDayGaps, class_day_gaps(rows));
    if all.contains("ALL") && parts > 0 {
        add(CountryTotal, unbalanced(rows, |r| (r.system, r.country == Some("ALL"))));
    }
    if systems.contains("all") && systems.len() > 1 {
        add(SystemTotal, unbalanced(rows, |r| (r.country, r.system == Some("all"))));
    }
    counts.into_iter().map(|(id, n)| (id, n as f64)).collect()
}

/// Days of countries on which one class has no users although it always has, and the other has some.
fn class_day_gaps(rows: &[Row]) -> usize {
    let mut sums: BTreeMap<&str, BTreeMap<i32, [f64; 2]>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.system == Some("all") && row.country != Some("ALL")) {
        let (Some(day), Some(country), Some(name)) = (row.day, row.country, row.name) else { continue };
        if (-719_162..=2_932_896).contains(&day) {
            let users = f64::from(row.value.filter(|v| v.is_finite()).unwrap_or(0.0));
            sums.entry(country).or_default().entry(day).or_default()[usize::from(name == "Organic")] += users;
        }
    }
    let is_whole = |row: &&Row| row.country.is_some() && row.system.is_some() && row.name.is_some();
    let of_all = rows.iter().filter(is_whole).filter_map(|row| row.day);
    let end = of_all.filter(|day| (-719_162..=2_932_896).contains(day)).max();
    let mut count = 0;
    for days in sums.values() {
        for class in [0, 1] {
            let used: Vec<(i32, f64)> = (days.iter())
                .filter(|(_, users)| users[0] > 0.0 || users[1] > 0.0)
                .map(|(day, users)| (*day, users[class]))
                .collect();
            for (at, (day, users)) in used.iter().enumerate() {
                let Some(before) = used[..at].iter().rposition(|(_, users)| *users > 0.0) else { continue };
                if *users > 0.0 {
                    continue;
                }
                let after =
                    used[at..].iter().position(|(_, users)| *users > 0.0).map_or(used.len(), |n| at + n);
                let (first, last) = (used[before + 1].0, used[after - 1].0);
                if class == 0 && after - before - 1 > 7 || first == last && Some(last) == end {
                    continue;
                }
                let beside: Vec<&(i32, f64)> = (used.iter())
                    .filter(|(d, _)| (first - 28..first).contains(d) || (last + 1..=last + 28).contains(d))
                    .collect();
                let with = |of: &dyn Fn(&(i32, f64)) -> bool| beside.iter().filter(|point| of(point)).count();
                let some = with(&|(_, users)| *users > 0.0);
                let mut sorted: Vec<f64> =
                    beside.iter().map(|(_, users)| *users).filter(|u| *u > 0.0).collect();
                sorted.sort_by(f64::total_cmp);
                let median = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
                let weekdays = with(&|(d, _)| (d - day) % 7 == 0);
                let some_weekdays = with(&|(d, users)| (d - day) % 7 == 0 && *users > 0.0);
                let is_usual = some >= 3
                    && if class == 1 { 3 * some >= beside.len() } else { 10 * some >= 9 * beside.len() }
                    && 40 * with(&|(_, users)| *users > 0.0 && *users < f64::max(20.0, median / 4.0)) <= some
                    && (weekdays < 3 || 3 * some_weekdays >= weekdays);
                count += usize::from(is_usual);
            }
        }
    }
    count
}

/// Totals that differ from their parts; `of` returns the part of the key besides day and name, and whether the row is a
/// total.
fn unbalanced(rows: &[Row], of: impl Fn(&Row) -> (Option<&'static str>, bool)) -> usize {
    let mut differences: BTreeMap<_, f64> = BTreeMap::new();
    for row in rows {
        let (other, is_total) = of(row);
        let (Some(day), Some(name), Some(other)) = (row.day, row.name, other) else { continue };
        if row.country.is_none() || row.system.is_none() || day > 2_932_896 {
            continue;
        }
        let value = f64::from(row.value.filter(|v| v.is_finite()).unwrap_or(0.0));
        *differences.entry((day, name, other)).or_default() += if is_total { value } else { -value };
    }
    // Fractions are compared to the nearest thousandth.
    differences.values().filter(|difference| difference.abs() > 1e-3).count()
}
