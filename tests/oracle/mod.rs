//! The reference result, computed in the simplest way, a row at a time. It shares no code with the library.
//!
//! [`ask`] has the plain values of a question, [`calendar`] the periods, [`cube`] the default profile; this file has the
//! rules.
#![allow(dead_code)] // each test program uses its part

mod ask;
mod calendar;
mod cube;

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZoneDatabase;

pub use ask::{Account, Ask, Dimension, Line, Record, Value, When};
pub use cube::{Row, iso};

/// By key and period: organic and paid users, or those of a channel and of the others.
type Sums = BTreeMap<Vec<String>, BTreeMap<i64, [i128; 2]>>;
/// A member, or why there is none.
type Member = Result<String, &'static str>;

impl Dimension {
    fn member(&self, value: Option<&String>) -> Member {
        let Some(value) = value else {
            return self.null.clone().ok_or(if self.total_is_null { "total_row" } else { "null_member" });
        };
        let cased = match self.upper {
            None => value.clone(),
            Some(true) => value.to_uppercase(),
            Some(false) => value.to_lowercase(),
        };
        let written = self.rename.get(&cased).unwrap_or(&cased);
        let is_total = self.total.as_ref().is_some_and(|total| total == value || total == written);
        if is_total { Err("total_row") } else { Ok(written.clone()) }
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
        let listed = self.channels.iter().any(same).then_some(self.listed);
        let excluded = self.excluded.iter().any(same).then_some("excluded");
        listed.or(excluded).unwrap_or(if self.listed == "organic" { "paid" } else { "organic" })
    }

    fn meets_conditions(&self, row: &Record) -> bool {
        let holds = |(column, is_in, list): &(&str, bool, Vec<String>)| {
            row.cells.get(column).is_some_and(|value| list.contains(value)) == *is_in
        };
        self.conditions.iter().all(holds) && !(self.share_of_channel && self.class(row) == "excluded")
    }

    /// The outcome of each row.
    pub fn outcomes(&self, rows: &[Record]) -> Vec<&'static str> {
        let any = |name: &str| rows.iter().any(|row| self.meets_conditions(row) && self.is_total(name, row));
        let others = self.dimensions.keys().filter(|name| !self.by.contains(name));
        let others: Vec<(&str, bool)> = others.map(|name| (*name, any(name))).collect();
        let outcome = |row: &Record| {
            let mut members = self.by.iter().filter(|name| !self.with_total.contains(name));
            let dropped = members.find_map(|name| self.member(name, row).err());
            match (dropped, self.class(row), row.users) {
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

    /// The sums of rows that are kept, each with its period and its users that count.
    fn sums(&self, kept: &[(&Record, i64, i128)]) -> Sums {
        let has_total = |name: &&str| kept.iter().any(|(row, ..)| self.is_total(name, row));
        let have_total: Vec<&str> = self.with_total.iter().copied().filter(has_total).collect();
        let mut sums = Sums::new();
        // Each choice of dimensions whose total is shown: of total rows where there are any, else of the others.
        for choice in 0..1 << self.with_total.len() {
            let shown = self.with_total.iter().zip(0..).filter(|(_, at)| choice >> at & 1 == 1);
            let shown: Vec<&str> = shown.map(|(name, _)| *name).collect();
            let member = |name: &str, row: &Record| {
                if !shown.contains(&name) {
                    return self.member(name, row).ok();
                }
                let total = self.dimensions[name].total.clone().unwrap_or("total".into());
                (self.is_total(name, row) == have_total.contains(&name)).then_some(total)
            };
            for (row, period, users) in kept {
                let key: Option<Vec<String>> = self.by.iter().map(|name| member(name, row)).collect();
                let Some(mut key) = key else { continue };
                let channel = row.cells.get("name").cloned().unwrap_or("(none)".into());
                key.extend(self.share_of_channel.then_some(channel));
                let sum = sums.entry(key).or_default().entry(*period).or_default();
                sum[usize::from(!self.share_of_channel && self.class(row) == "paid")] += users;
            }
        }
        if self.share_of_channel { of_channels(&sums) } else { sums }
    }

    /// The shares ordered by key and period, and the account.
    pub fn answer(&self, rows: &[Record]) -> (Vec<Line>, Account) {
        let zone = TimeZoneDatabase::bundled().get(self.zone.unwrap_or("UTC")).unwrap();
        let mut account = Account::from([("rows", rows.len() as u64)]);
        let mut kept = vec![];
        for (row, outcome) in rows.iter().zip(self.outcomes(rows)) {
            *account.entry(outcome).or_default() += 1;
            if !["not_total_row", "where_not_met", "null_member", "total_row"].contains(&outcome) {
                let users =
                    if let ("counted", Value::Units(units)) = (outcome, row.users) { units } else { 0 };
                kept.push((row, self.period(row.when.expect("a time"), &zone), users));
            }
        }
        let periods = || kept.iter().map(|(_, period, _)| *period);
        let axis: Vec<i64> =
            periods().min().map_or(vec![], |first| (first..=periods().max().unwrap()).collect());
        let mut lines = vec![];
        for (key, of) in self.sums(&kept) {
            for end in 0..axis.len() {
                let window = &axis[(end + 1).saturating_sub(self.window)..=end];
                let sum =
                    |at: usize| window.iter().filter_map(|p| of.get(p)).map(|sum| sum[at]).sum::<i128>();
                let share = (sum(0) + sum(1) != 0).then(|| sum(0) as f64 / (sum(0) + sum(1)) as f64);
                lines.push(([self.names(axis[end]), key.clone()].concat(), share));
            }
        }
        (lines, account)
    }
}

/// Every channel for every key: its sum, and that of the other channels.
fn of_channels(sums: &Sums) -> Sums {
    let channels: BTreeSet<&String> = sums.keys().filter_map(|key| key.last()).collect();
    let mut shown = Sums::new();
    for ((key, periods), channel) in
        sums.iter().flat_map(|of| channels.iter().map(move |channel| (of, *channel)))
    {
        let (own, rest) = key.split_last().unwrap();
        let of_key = shown.entry([rest, std::slice::from_ref(channel)].concat()).or_default();
        for (period, [users, _]) in periods {
            of_key.entry(*period).or_default()[usize::from(own != channel)] += users;
        }
    }
    shown
}
