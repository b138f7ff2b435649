//! The reference result, computed in the simplest way. It shares no code with the library.

use std::collections::{BTreeMap, BTreeSet};

/// A count, in a unit that is the same for the whole table: shares do not depend on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    Null,
    Nan,
    Infinite,
    Units(i128),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub name: Option<String>,
    pub value: Value,
    pub year_week: Option<String>,
    pub country: Option<String>,
    pub os_name: Option<String>,
}

/// A row counts under the first reason that applies, in this order.
#[derive(Debug, Default, PartialEq)]
pub struct Account {
    pub rows: u64,
    pub not_total_row: u64,
    pub null_member: u64,
    pub total_row: u64,
    pub null_channel: u64,
    pub null_value: u64,
    pub nan_value: u64,
    pub infinite_value: u64,
    pub counted: u64,
}

/// A year has 53 weeks if it starts on a Thursday, or on a Wednesday before a leap day.
fn weeks_in(year: i32) -> i32 {
    let leap = year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
    let y = year - 1;
    let first = (y * 365 + y / 4 - y / 100 + y / 400) % 7; // 0 is Monday
    if first == 3 || leap && first == 2 { 53 } else { 52 }
}

fn next((year, week): (i32, i32)) -> (i32, i32) {
    if week == weeks_in(year) { (year + 1, 1) } else { (year, week + 1) }
}

/// Year, week, country and share.
pub type Share = (i32, i32, String, Option<f64>);

/// The shares ordered by country, year and week, and the account.
pub fn iso(rows: &[Row]) -> (Vec<Share>, Account) {
    let mut account = Account { rows: rows.len() as u64, ..Account::default() };
    let mut sums: BTreeMap<(String, (i32, i32)), (i128, i128)> = BTreeMap::new();
    let mut weeks = BTreeSet::new();
    let mut countries = BTreeSet::new();
    for row in rows {
        let reason = match (row.os_name.as_deref(), row.country.as_deref(), &row.name, row.value) {
            (os, ..) if os != Some("all") => &mut account.not_total_row,
            (_, None, ..) => &mut account.null_member,
            (_, Some("ALL"), ..) => &mut account.total_row,
            (_, _, None, _) => &mut account.null_channel,
            (.., Value::Null) => &mut account.null_value,
            (.., Value::Nan) => &mut account.nan_value,
            (.., Value::Infinite) => &mut account.infinite_value,
            _ => &mut account.counted,
        };
        *reason += 1;
        if row.os_name.as_deref() != Some("all") || matches!(row.country.as_deref(), None | Some("ALL")) {
            continue;
        }
        let (year, week) = row.year_week.as_ref().unwrap().split_once('_').unwrap();
        let week = (year.parse().unwrap(), week.parse().unwrap());
        let country = row.country.clone().unwrap();
        weeks.insert(week);
        countries.insert(country.clone());
        if let (Some(name), Value::Units(units)) = (&row.name, row.value) {
            let sum = sums.entry((country, week)).or_default();
            *(if name == "Organic" { &mut sum.0 } else { &mut sum.1 }) += units;
        }
    }
    let mut table = vec![];
    let (Some(first), Some(last)) = (weeks.first(), weeks.last()) else { return (table, account) };
    let axis: Vec<_> = std::iter::successors(Some(*first), |w| (w != last).then(|| next(*w))).collect();
    for country in countries {
        for end in 0..axis.len() {
            let window = &axis[end.saturating_sub(3)..=end];
            let sum = |w| sums.get(&(country.clone(), w)).copied().unwrap_or_default();
            let organic: i128 = window.iter().map(|w| sum(*w).0).sum();
            let total: i128 = organic + window.iter().map(|w| sum(*w).1).sum::<i128>();
            let share = (total != 0).then(|| organic as f64 / total as f64);
            table.push((axis[end].0, axis[end].1, country.clone(), share));
        }
    }
    (table, account)
}
