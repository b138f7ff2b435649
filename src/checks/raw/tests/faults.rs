//! The generator of faults: kinds of damage, each with the checks that must find it, and the number of rows. To add a
//! kind, add an entry to [`kinds`].

use super::sample::{Random, Row, week_of};
use crate::checks::CheckId::{self, *};

/// Damages some rows; returns the checks that must report violations, and how many.
type Plant = fn(&mut Vec<Row>, &mut Random) -> Vec<(CheckId, usize)>;

/// A kind of damage.
pub struct Kind {
    pub name: &'static str,
    pub plant: Plant,
}

/// One to five rows, changed.
fn some(rows: &mut [Row], random: &mut Random, change: impl Fn(&mut Row)) -> usize {
    let which: std::collections::BTreeSet<usize> =
        (0..1 + random.below(5)).map(|_| random.below(rows.len())).collect();
    which.iter().for_each(|at| change(&mut rows[*at]));
    which.len()
}

/// One row of those that `which` describes, changed.
fn one(rows: &mut [Row], random: &mut Random, which: impl Fn(&Row) -> bool, change: impl Fn(&mut Row)) {
    let fitting: Vec<usize> = (0..rows.len()).filter(|at| which(&rows[*at])).collect();
    change(&mut rows[fitting[random.below(fitting.len())]]);
}

fn label(rows: &mut [Row], random: &mut Random, id: CheckId, to: &str) -> Vec<(CheckId, usize)> {
    vec![(id, some(rows, random, |r| r.week = Some(to.into())))]
}

/// A day between the first and the last.
fn inner_day(rows: &[Row], random: &mut Random) -> i32 {
    let days: std::collections::BTreeSet<i32> = rows.iter().filter_map(|r| r.day).collect();
    *days.iter().nth(1 + random.below(days.len() - 2)).unwrap()
}

fn value(to: f32) -> impl Fn(&mut Row) {
    move |row| row.value = Some(to)
}

fn is_total(row: &Row) -> bool {
    row.system == Some("all")
}

fn is_country(row: &Row) -> bool {
    row.country.is_some_and(|c| c != "ALL")
}

/// Gives GB 60 organic users a day, and paid ones.
fn raise_organic(rows: &mut [Row]) {
    for row in rows.iter_mut().filter(|row| row.country == Some("GB")) {
        match row.name {
            Some("Organic") => row.value = Some(if is_total(row) { 60.0 } else { 30.0 }),
            Some("Email") => row.value = Some(if is_total(row) { 10.0 } else { 5.0 }),
            _ => {}
        }
    }
}

macro_rules! kinds {
    ($($name:literal => |$rows:ident, $random:tt| $plant:expr;)*) => {
        /// All kinds.
        pub fn kinds() -> Vec<Kind> {
            vec![$(Kind { name: $name, plant: |$rows, $random| $plant },)*]
        }
    };
}

kinds! {
    "a label without a zero" => |r, x| label(r, x, LabelForm, "2020_5");
    "a label without a line" => |r, x| label(r, x, LabelForm, "202053");
    "a label with a dash" => |r, x| label(r, x, LabelForm, "2020-53");
    "a label with a space" => |r, x| label(r, x, LabelForm, "2021_01 ");
    "a label with a sign" => |r, x| label(r, x, LabelForm, "2021_+1");
    "a label of a year of two digits" => |r, x| label(r, x, LabelForm, "21_01");
    "a label of Arabic digits" => |r, x| label(r, x, LabelForm, "٢٠٢١_٠١");
    "an empty label" => |r, x| label(r, x, LabelForm, "");
    "a label that is a word" => |r, x| label(r, x, LabelForm, "unknown");
    "week 54" => |r, x| label(r, x, LabelWeek, "2020_54");
    "week 53 of a year of 52" => |r, x| label(r, x, LabelWeek, "2021_53");
    "week 00" => |r, x| label(r, x, LabelWeek, "2021_00");
    "week 99" => |r, x| label(r, x, LabelWeek, "2020_99");
    "the week of another year" => |r, x| label(r, x, LabelDate, "2019_52");
    "the week a year later" => |r, x| label(r, x, LabelDate, "2022_01");
    "the week before" => |r, x| vec![(LabelDate, some(r, x, |r| r.week = r.day.map(|d| week_of(d - 7))))];
    "the calendar's year on a week of the year before" => |r, x| {
        // 2021-01-01 to 03 are in 2020_53.
        one(r, x, |r| r.week.as_deref() == Some("2020_53"), |r| r.week = Some("2021_52".into()));
        vec![(LabelDate, 1)]
    };
    "a date that is none" => |r, x| vec![(LabelDate, some(r, x, |r| r.day = Some(i32::MAX)))];
    "dates moved by a week" => |r, x| vec![(LabelDate, some(r, x, |r| r.day = r.day.map(|d| d + 7)))];
    "null dates" => |r, x| vec![(KeyNulls, some(r, x, |r| r.day = None))];
    "null labels" => |r, x| vec![(KeyNulls, some(r, x, |r| r.week = None))];
    "null countries" => |r, x| vec![(KeyNulls, some(r, x, |r| r.country = None))];
    "null systems" => |r, x| vec![(KeyNulls, some(r, x, |r| r.system = None))];
    "null names" => |r, x| vec![(KeyNulls, some(r, x, |r| r.name = None))];
    "rows of nulls" => |r, x| {
        let rows = some(r, x, |r| {
            *r = Row { day: None, week: None, country: None, system: None, name: None, ..r.clone() };
        });
        vec![(KeyNulls, rows * 5)]
    };
    "a null value" => |r, x| { one(r, x, |_| true, |r| r.value = None); vec![(ValueNulls, 1)] };
    "null values" => |r, x| vec![(ValueNulls, some(r, x, |r| r.value = None))];
    "NaN" => |r, x| vec![(ValueFinite, some(r, x, value(f32::NAN)))];
    "infinity" => |r, x| vec![(ValueFinite, some(r, x, value(f32::INFINITY)))];
    "negative infinity" => |r, x| vec![(ValueFinite, some(r, x, value(f32::NEG_INFINITY)))];
    "minus one" => |r, x| vec![(ValueNegative, some(r, x, value(-1.0)))];
    "a refund" => |r, x| { one(r, x, is_total, value(-300.0)); vec![(ValueNegative, 1), (SystemTotal, 1)] };
    "half a user" => |r, x| vec![(ValueIntegral, some(r, x, value(6.5)))];
    "a share in place of users" => |r, x| vec![(ValueIntegral, some(r, x, value(0.125)))];
    "minus half a user" => |r, x| {
        let rows = some(r, x, value(-0.5));
        vec![(ValueIntegral, rows), (ValueNegative, rows)]
    };
    "UK for GB" => |r, x| {
        vec![(CountryKnown, some(r, x, |r| r.country = Some("UK"))), (MemberRenamed, 1)]
    };
    "a country in small letters" => |r, x| {
        vec![(CountryKnown, some(r, x, |r| r.country = Some("fr"))), (MemberRenamed, 1)]
    };
    "a country of three letters" => |r, x| vec![(CountryKnown, some(r, x, |r| r.country = Some("FRA")))];
    "an empty country" => |r, x| vec![(CountryKnown, some(r, x, |r| r.country = Some("")))];
    "the total in small letters" => |r, x| vec![(CountryKnown, some(r, x, |r| r.country = Some("all")))];
    "another system" => |r, x| vec![(SystemKnown, some(r, x, |r| r.system = Some("windows")))];
    "a system in capitals" => |r, x| vec![(SystemKnown, some(r, x, |r| r.system = Some("IOS")))];
    "an empty system" => |r, x| vec![(SystemKnown, some(r, x, |r| r.system = Some("")))];
    "a new channel in one row" => |r, x| {
        one(r, x, |_| true, |r| (r.name, r.token) = (Some("Radio"), Some("tok9")));
        vec![(ChannelNew, 1)]
    };
    "a channel in small letters" => |r, x| {
        some(r, x, |r| (r.name, r.token) = (Some("email"), Some("tok9")));
        vec![(ChannelNew, 1), (MemberRenamed, 1)]
    };
    "a channel without a name" => |r, x| {
        some(r, x, |r| (r.name, r.token) = (Some(""), Some("tok9")));
        vec![(ChannelNew, 1)]
    };
    "a channel gone" => |r, _| { r.retain(|r| r.name != Some("TV")); vec![(ChannelVanished, 1)] };
    "nothing but the total over systems" => |r, _| { r.retain(is_total); vec![(SystemVanished, 2)] };
    "a system gone, from its total too" => |r, _| {
        r.retain(|r| r.system != Some("ios"));
        let left: std::collections::BTreeMap<_, _> = r
            .iter()
            .filter(|r| !is_total(r))
            .map(|r| ((r.day, r.country, r.name), r.value))
            .collect();
        for row in r.iter_mut().filter(|r| is_total(r)) {
            row.value = left.get(&(row.day, row.country, row.name)).copied().unwrap_or(Some(0.0));
        }
        vec![(SystemVanished, 1)]
    };
    "a channel under another name" => |r, _| {
        r.iter_mut().filter(|r| r.name == Some("Email")).for_each(|r| r.name = Some("Mail"));
        vec![(ChannelVanished, 1), (ChannelNew, 1)]
    };
    "no organic rows" => |r, _| {
        r.retain(|r| r.name != Some("Organic"));
        vec![(OrganicPresent, 1), (ChannelVanished, 1)]
    };
    "organic in small letters" => |r, _| {
        r.iter_mut().filter(|r| r.name == Some("Organic")).for_each(|r| r.name = Some("organic"));
        vec![(OrganicPresent, 1), (ChannelNew, 1)]
    };
    "a row twice" => |r, x| {
        let row = r[x.below(r.len())].clone();
        r.push(row);
        vec![(DuplicateRows, 1)]
    };
    "a row three times, in the middle" => |r, x| {
        let row = r[x.below(r.len())].clone();
        let at = x.below(r.len());
        drop(r.splice(at..at, [row.clone(), row]));
        vec![(DuplicateRows, 2)]
    };
    "a row again with another value" => |r, x| {
        let row = r[x.below(r.len())].clone();
        r.push(Row { value: Some(99_999.0), ..row });
        vec![(DuplicateRows, 1), (SystemTotal, 1), (CountryTotal, 1)]
    };
    "a day loaded twice" => |r, x| {
        let day = inner_day(r, x);
        let again: Vec<Row> = r.iter().filter(|r| r.day == Some(day)).cloned().collect();
        let rows = again.len();
        r.extend(again);
        vec![(DuplicateRows, rows)]
    };
    "the token of another channel" => |r, x| {
        one(r, x, |r| r.name == Some("TV"), |r| r.token = Some("tok2"));
        vec![(TokenName, 2)]
    };
    "a second token" => |r, x| {
        one(r, x, |r| r.name == Some("Email"), |r| r.token = Some("tok8"));
        vec![(TokenName, 1)]
    };
    "one token for all" => |r, _| {
        r.iter_mut().for_each(|r| r.token = Some("tok0"));
        vec![(TokenName, 1)]
    };
    "subtrackers in one row only" => |r, x| {
        one(r, x, |r| r.name == Some("Organic"), |r| r.subtrackers = Some(true));
        vec![(NameSubtrackers, 1)]
    };
    "subtrackers lost in one row" => |r, x| {
        one(r, x, |r| r.name == Some("Email"), |r| r.subtrackers = Some(false));
        vec![(NameSubtrackers, 1)]
    };
    "subtrackers by the day" => |r, x| {
        let day = inner_day(r, x);
        r.iter_mut().for_each(|r| r.subtrackers = Some(r.day < Some(day)));
        let names: std::collections::BTreeSet<_> = r.iter().map(|r| r.name).collect();
        vec![(NameSubtrackers, names.len())]
    };
    "one more in the total over systems" => |r, x| {
        one(r, x, is_total, |r| r.value = r.value.map(|v| v + 1.0));
        vec![(SystemTotal, 1), (CountryTotal, 1)]
    };
    "a system's row lost" => |r, x| {
        one(r, x, |r| !is_total(r), |r| r.value = r.value.map(|v| v + 1.0));
        let at = r.iter().position(|r| !is_total(r) && r.value > Some(0.0)).unwrap();
        r.remove(at);
        vec![(SystemTotal, 1)]
    };
    "the total over systems lost on a day" => |r, x| {
        let day = inner_day(r, x);
        one(r, x, |r| is_total(r) && r.day == Some(day), |r| r.value = r.value.map(|v| v + 1.0));
        r.retain(|r| !(is_total(r) && r.day == Some(day)));
        vec![(SystemTotal, 1)]
    };
    "systems swapped with their total" => |r, x| {
        let day = inner_day(r, x);
        one(r, x, |r| r.day == Some(day) && r.system == Some("ios"), |r| r.value = r.value.map(|v| v + 7.0));
        vec![(SystemTotal, 1)]
    };
    "totals over countries too large" => |r, _| {
        let mut totals = 0;
        for row in r.iter_mut().filter(|r| !is_country(r) && r.system != Some("android")) {
            if row.name == Some("TV") {
                row.value = row.value.map(|v| v + 2.0);
                totals += 1;
            }
        }
        vec![(CountryTotal, totals)]
    };
    "totals over countries too small" => |r, x| {
        one(r, x, |r| !is_country(r) && is_total(r), |r| r.value = r.value.map(|v| v + 40.0));
        one(r, x, |r| !is_country(r) && r.system == Some("ios"), |r| r.value = r.value.map(|v| v + 4.0));
        vec![(CountryTotal, 1)]
    };
    "a country counted twice in the total" => |r, x| {
        let day = inner_day(r, x);
        one(r, x, |r| r.day == Some(day) && !is_country(r) && r.system == Some("ios"), |r| {
            r.value = r.value.map(|v| v + 100.0);
        });
        vec![(CountryTotal, 1), (SystemTotal, 1)]
    };
    "three days missing" => |r, _| {
        let first = super::sample::FIRST;
        r.retain(|r| !matches!(r.day, Some(d) if (first + 3..first + 6).contains(&d)));
        vec![(DayGaps, 3)]
    };
    "a day missing" => |r, x| {
        let day = inner_day(r, x);
        r.retain(|r| r.day != Some(day));
        vec![(DayGaps, 1)]
    };
    "a country without a day" => |r, x| {
        let day = inner_day(r, x);
        r.retain(|r| !(r.day == Some(day) && r.country == Some("GB")));
        vec![(CountryDayGaps, 1)]
    };
    "a country that begins late" => |r, _| {
        let first = super::sample::FIRST;
        r.retain(|r| !(r.day < Some(first + 5) && r.country == Some("FR")));
        vec![(CountryDayGaps, 5)]
    };
    "no organic users of a country on a day" => |r, x| {
        raise_organic(r);
        let day = inner_day(r, x);
        let gone = |r: &&mut Row| r.day == Some(day) && r.country == Some("GB") && r.name == Some("Organic");
        r.iter_mut().filter(gone).for_each(|r| r.value = Some(0.0));
        vec![(ClassDayGaps, 1)]
    };
    "organic rows of a country on three days of a week" => |r, _| {
        raise_organic(r);
        let gone = [2, 3, 5, 6].map(|day| Some(super::sample::FIRST + day));
        r.retain(|r| !(gone.contains(&r.day) && r.country == Some("GB") && r.name == Some("Organic")));
        vec![(ClassDayGaps, 4)]
    };
    "a day to come" => |r, x| {
        let last = r.iter().filter_map(|r| r.day).max().unwrap();
        some(r, x, |r| r.day = Some(last + 90));
        vec![(FutureDays, 1)]
    };
    "the year of the week in dates" => |r, _| {
        // 2020-12-28 to 31 become days of 2021.
        let is_old_year = |r: &&mut Row| r.day < Some(super::sample::FIRST + 4);
        r.iter_mut().filter(is_old_year).for_each(|r| r.day = r.day.map(|day| day + 365));
        vec![(FutureDays, 4)]
    };
    "an export that has stopped" => |r, _| {
        let (last, first) = (r.iter().filter_map(|r| r.day).max().unwrap(), super::sample::FIRST);
        r.retain(|r| r.day < Some(first + 2));
        vec![(Freshness, usize::try_from(last + 1 - (first + 1)).unwrap())]
    };
    "ten days late" => |r, _| {
        let last = r.iter().filter_map(|r| r.day).max().unwrap();
        r.retain(|r| r.day <= Some(last - 9));
        vec![(Freshness, 10)]
    };
}
