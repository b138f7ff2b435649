//! The lines of a profile that join renamed members.

use std::collections::BTreeMap;

use super::{Column, Compared, Reason, Renamed};
use crate::escape::{key, literal};
use crate::profile::meaning::ClassRule;
use crate::profile::{Case, Channel, Class, Dimension};

/// The lines for all pairs of a column, with what the profile has already; `None` where there are none.
pub fn of_column(compared: &Compared<'_>) -> Option<String> {
    let pairs: Vec<&Renamed> = compared.renamed.iter().collect();
    (!pairs.is_empty()).then(|| match compared.column {
        Column::Dimension(name, dimension) => {
            format!("[dimensions.{}] {}", key(name), of_dimension(dimension, compared, &pairs).join(", "))
        }
        Column::Channel(channel, by_channel) => {
            let mut lines: Vec<String> = Vec::new();
            for renamed in &pairs {
                let line = of_channel(channel, by_channel, renamed);
                if !lines.contains(&line) {
                    lines.push(line);
                }
            }
            lines.join(", ")
        }
    })
}

/// The line for one pair.
pub fn of_one(column: Column<'_>, compared: &Compared<'_>, renamed: &Renamed) -> String {
    match column {
        Column::Dimension(name, dimension) => {
            let lines = of_dimension(dimension, compared, &[renamed]);
            format!("add {} under [dimensions.{}]", lines.join(" and "), key(name))
        }
        Column::Channel(channel, by_channel) => of_channel(channel, by_channel, renamed),
    }
}

/// `case = ...` and `rename = { ... }` of a dimension.
fn of_dimension(dimension: &Dimension, compared: &Compared<'_>, pairs: &[&Renamed]) -> Vec<String> {
    let case = case_of(compared);
    let is_case = |renamed: &&&Renamed| renamed.reason == Reason::Case && case.is_some();
    let mut lines = Vec::new();
    if pairs.iter().any(|renamed| is_case(&renamed)) {
        lines.push(format!("case = \"{}\"", if case == Some(Case::Upper) { "upper" } else { "lower" }));
    }
    // The names of `rename` are those after `case`.
    let written = |name: &str| match case {
        Some(Case::Upper) => name.to_uppercase(),
        Some(Case::Lower) => name.to_lowercase(),
        None => name.to_owned(),
    };
    let new = pairs.iter().filter(|renamed| !is_case(renamed));
    let new: Vec<(String, String)> = new.map(|r| (written(&r.from), written(&r.to))).collect();
    if !new.is_empty() {
        let mut all: BTreeMap<String, String> = dimension.rename.clone();
        all.extend(new);
        let entries: Vec<String> =
            all.iter().map(|(from, to)| format!("{} = {}", key(from), literal(to))).collect();
        lines.push(format!("rename = {{ {} }}", entries.join(", ")));
    }
    lines
}

/// The case that all members can be put in: one of the names of each pair has it, and so have all other members.
fn case_of(compared: &Compared<'_>) -> Option<Case> {
    let pairs = || compared.renamed.iter().filter(|renamed| renamed.reason == Reason::Case);
    pairs().next()?;
    let fits = |is: fn(&str) -> bool| pairs().all(|renamed| is(&renamed.to) || is(&renamed.from));
    let [upper, lower] = compared.others;
    match (upper && fits(is_upper), lower && fits(is_lower)) {
        (true, false) => Some(Case::Upper),
        (false, true) => Some(Case::Lower),
        // Codes of countries are written in capital letters.
        (true, true) if pairs().all(|renamed| renamed.to.len() <= 3 || is_upper(&renamed.to)) => {
            Some(Case::Upper)
        }
        (true, true) => Some(Case::Lower),
        (false, false) => None,
    }
}

/// Whether all names are in capital letters, and whether all are in small ones.
pub fn cases<'n>(mut names: impl Iterator<Item = &'n str> + Clone) -> [bool; 2] {
    [names.clone().all(is_upper), names.all(is_lower)]
}

fn is_upper(name: &str) -> bool {
    name.to_uppercase() == name
}

fn is_lower(name: &str) -> bool {
    name.to_lowercase() == name
}

/// What to do about a renamed channel.
fn of_channel(channel: &Channel, by_channel: bool, renamed: &Renamed) -> String {
    let rule = ClassRule::new(channel);
    let class = |name: &str| rule.class(Some(name.as_bytes()));
    let (from, to) = (class(&renamed.from), class(&renamed.to));
    // With both names in the list of a class the finding is gone.
    let with_both = |entry: &str, listed: &[String]| {
        let mut names = listed.to_vec();
        for name in [&renamed.from, &renamed.to] {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        let names: Vec<String> = names.iter().map(|name| literal(name)).collect();
        format!("{entry} = [{}]", names.join(", "))
    };
    let (entry, listed, of_list) = if channel.paid.is_empty() {
        ("organic", &channel.organic, Class::Organic)
    } else {
        ("paid", &channel.paid, Class::Paid)
    };
    if renamed.reason == Reason::Case && !channel.ignore_case && !by_channel {
        return "add ignore_case = true under [channel]".to_owned();
    }
    if from != to && from == of_list && !by_channel {
        return format!("add {} under [channel]", with_both(entry, listed));
    }
    let mut excluded = channel.excluded.clone();
    excluded.push(renamed.to.clone());
    let excluded: Vec<String> = excluded.iter().map(|name| literal(name)).collect();
    let known = format!("channels = [{}, {}]", literal(&renamed.from), literal(&renamed.to));
    format!(
        "excluded = [{}] under [channel] leaves it out of both sums, {known} under [allow] of the checks keeps it",
        excluded.join(", ")
    )
}

/// The classes of a renamed channel, in words.
pub fn classes(channel: &Channel, renamed: &Renamed) -> String {
    let rule = ClassRule::new(channel);
    let word = |name: &str| match rule.class(Some(name.as_bytes())) {
        Class::Organic => "organic",
        Class::Paid => "paid",
        Class::Excluded => "excluded",
    };
    match (word(&renamed.from), word(&renamed.to)) {
        (from, to) if from == to => format!("; both are {from}, so that the share does not change"),
        (from, to) => format!("; the first is {from}, the second {to}"),
    }
}
