//! The reference result, computed in the simplest way, a row at a time. It shares no code with the library.
//!
//! [`ask`] has the plain values of a question, [`cube`] that of the default profile; this file has the rules.
#![allow(dead_code)] // each test program uses its part

mod ask;
mod cube;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, ISOWeekDate, Weekday, date};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan, ZonedDateTime};

pub use ask::{Account, Ask, Dimension, Line, Record, Value, When};
pub use cube::{Row, iso};

/// By key and period: organic and paid users, or those of a channel and of the others.
type Sums<K> = BTreeMap<Vec<K>, BTreeMap<i64, [i128; 2]>>;
/// A member, or why there is none.
type Member = Result<String, &'static str>;

impl Dimension {
    fn member(&self, value: Option<&String>) -> Member {
        let Some(value) = value else {
            return self.null.clone().ok_or(if self.total_is_null { "total_row" } else { "null_member" });
        };
        let cased = match self.upper {
            None => value.clone(),
            Some(upper) => {
                if upper {
                    value.to_uppercase()
                } else {
                    value.to_lowercase()
                }
            }
        };
        let written = self.rename.get(&cased).cloned().unwrap_or(cased);
        let is_total = self.total.as_ref().is_some_and(|total| total == value || *total == written);
        if is_total { Err("total_row") } else { Ok(written) }
    }
}

impl Ask {
    fn member(&self, name: &str, row: &Record) -> Member {
        self.dimensions[name].member(row.cells.get(name))
    }

    fn is_total(&self, name: &str, row: &Record) -> bool {
        self.member(name, row) == Err("total_row")
    }

    fn class(&self, row: &Record) -> &'static str {
        let Some(name) = row.cells.get("name") else { return self.null };
        let same = |a: &String| a == name || self.ignore_case && a.to_lowercase() == name.to_lowercase();
        match (self.channels.iter().any(same), self.excluded.iter().any(same)) {
            (true, _) => self.listed,
            (_, true) => "excluded",
            _ => {
                if self.listed == "organic" {
                    "paid"
                } else {
                    "organic"
                }
            }
        }
    }

    fn meets_conditions(&self, row: &Record) -> bool {
        let holds = |(column, is_in, list): &(&str, bool, Vec<String>)| {
            row.cells.get(column).is_some_and(|value| list.contains(value)) == *is_in
        };
        self.conditions.iter().all(holds) && !(self.share_of_channel && self.class(row) == "excluded")
    }

    /// The outcome of each row.
    pub fn outcomes(&self, rows: &[Record]) -> Vec<&'static str> {
        let any =
            |name: &&'static str| rows.iter().any(|r| self.meets_conditions(r) && self.is_total(name, r));
        let others = self.dimensions.keys().copied().filter(|name| !self.by.contains(name));
        let others: Vec<(&str, bool)> = others.map(|name| (name, any(&name))).collect();
        let outcome = |row: &Record| {
            let dropped = self.by.iter().filter(|name| !self.with_total.contains(name));
            let mut dropped = dropped.filter_map(|name| self.member(name, row).err());
            match (dropped.next(), self.class(row), row.users) {
                _ if others.iter().any(|(name, total)| self.is_total(name, row) != *total) => "not_total_row",
                _ if !self.meets_conditions(row) => "where_not_met",
                (Some(reason), ..) => reason,
                (_, "excluded", _) if row.cells.contains_key("name") => "excluded_channel",
                (_, "excluded", _) => "null_channel",
                (.., Value::Null) => "null_value",
                (.., Value::Nan) => "nan_value",
                (.., Value::Infinite) => "infinite_value",
                _ => "counted",
            }
        };
        rows.iter().map(outcome).collect()
    }

    /// The number of the period, and its name.
    fn period(&self, when: When, zone: &TimeZone) -> i64 {
        let epoch = date(1970, 1, 1);
        let days = |to: Date| i64::from(epoch.until(to).unwrap().get_days());
        let day = match when {
            When::Instant(at) => {
                days(ZonedDateTime::new(Timestamp::from_microsecond(at).unwrap(), zone.clone()).date())
            }
            When::Wall(at) => at.div_euclid(86_400_000_000),
            When::Week(year, week) => days(ISOWeekDate::new(year, week, Weekday::Monday).unwrap().date()),
        };
        let on = epoch + day.days();
        match self.grain {
            'd' => day,
            'm' => i64::from(on.year()) * 12 + i64::from(on.month()) - 1,
            // 1970-01-05 is a Monday. The week has the number of the Monday in it.
            _ => (day - (day - 4 - self.week_start).rem_euclid(7) + (7 - self.week_start) % 7 - 4) / 7,
        }
    }

    fn names(&self, period: i64) -> Vec<String> {
        let on = date(1970, 1, 1) + if self.grain == 'd' { period } else { period * 7 + 4 }.days();
        match self.grain {
            'd' => vec![on.to_string()],
            'm' => vec![period.div_euclid(12).to_string(), (period.rem_euclid(12) + 1).to_string()],
            _ => vec![on.iso_week_date().year().to_string(), on.iso_week_date().week().to_string()],
        }
    }

    /// The shares ordered by key and period, and the account.
    pub fn answer(&self, rows: &[Record]) -> (Vec<Line>, Account) {
        let zone = TimeZoneDatabase::bundled().get(self.zone.unwrap_or("UTC")).unwrap();
        let mut account = Account::from([("rows", rows.len() as u64)]);
        let mut sums: Sums<Member> = BTreeMap::new();
        for (row, outcome) in rows.iter().zip(self.outcomes(rows)) {
            *account.entry(outcome).or_default() += 1;
            if ["not_total_row", "where_not_met", "null_member", "total_row"].contains(&outcome) {
                continue;
            }
            let channel = row.cells.get("name").cloned().unwrap_or("(none)".into());
            let members = self.by.iter().map(|name| self.member(name, row));
            let members = members.chain(self.share_of_channel.then_some(Ok(channel))).collect();
            let periods = sums.entry(members).or_default();
            let sum = periods.entry(self.period(row.when.expect("a time"), &zone)).or_default();
            if let ("counted", Value::Units(units)) = (outcome, row.users) {
                sum[usize::from(!self.share_of_channel && self.class(row) == "paid")] += units;
            }
        }
        // Each choice of dimensions whose total is shown: of total rows where there are any, else of the others.
        let mut keys: Sums<String> = BTreeMap::new();
        let has_total = |at: usize| sums.keys().any(|members| members[at] == Err("total_row"));
        for choice in 0..1 << self.with_total.len() {
            let is_shown = |at: usize| {
                let number = self.by.get(at).and_then(|name| self.with_total.iter().position(|n| n == name));
                number.is_some_and(|number| choice >> number & 1 == 1)
            };
            let total = |at: usize| self.dimensions[self.by[at]].total.clone().unwrap_or("total".into());
            for (members, periods) in &sums {
                let named = members.iter().enumerate().map(|(at, member)| match is_shown(at) {
                    true => ((*member == Err("total_row")) == has_total(at)).then(|| total(at)),
                    false => member.clone().ok(),
                });
                let Some(key) = named.collect::<Option<Vec<String>>>() else { continue };
                let of_key = keys.entry(key).or_default();
                for (period, [one, two]) in periods {
                    let to = of_key.entry(*period).or_default();
                    *to = [to[0] + one, to[1] + two];
                }
            }
        }
        // Every channel for every key: its sum, and that of the other channels.
        let shown = if self.share_of_channel { std::mem::take(&mut keys) } else { Sums::new() };
        let channels: BTreeSet<&String> = shown.keys().filter_map(|key| key.last()).collect();
        for ((key, periods), channel) in shown.iter().flat_map(|of| channels.iter().map(move |c| (of, *c))) {
            let (own, rest) = key.split_last().unwrap();
            let of_key = keys.entry([rest, std::slice::from_ref(channel)].concat()).or_default();
            for (period, [users, _]) in periods {
                of_key.entry(*period).or_default()[usize::from(own != channel)] += users;
            }
        }
        let periods: BTreeSet<i64> = sums.values().flat_map(|periods| periods.keys().copied()).collect();
        let axis: Vec<i64> = match (periods.first(), periods.last()) {
            (Some(first), Some(last)) => (*first..=*last).collect(),
            _ => vec![],
        };
        let line = |key: &[String], of: &BTreeMap<i64, [i128; 2]>, end: usize| {
            let window = &axis[(end + 1).saturating_sub(self.window)..=end];
            let sum = |at: usize| window.iter().filter_map(|p| of.get(p)).map(|sum| sum[at]).sum::<i128>();
            let share = (sum(0) + sum(1) != 0).then(|| sum(0) as f64 / (sum(0) + sum(1)) as f64);
            ([self.names(axis[end]).as_slice(), key].concat(), share)
        };
        let lines = keys.iter().flat_map(|(key, of)| (0..axis.len()).map(move |end| (key, of, end)));
        (lines.map(|(key, of, end)| line(key, of, end)).collect(), account)
    }
}
