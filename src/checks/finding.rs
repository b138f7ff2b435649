//! What a check has found, as one sentence for people.
//!
//! [`sentence`] builds it from the measurement: what was counted, and the first violation. A measurement that knows
//! more brings its own ([`Measurement::finding`]). The violations of the table and of the history are sentences
//! themselves: `GB: organic share 0.0 % in 2023-W41, 65.9 % a year before`.
//!
//! Weeks are written 2023-W41, shares in per cent, differences of shares in points, numbers with commas.

use super::catalog::CheckId;
use super::model::{Measurement, Violation};
use crate::escape::{cut, literal};
use crate::report::words::{self, amount, number};
use crate::{Grain, calendar};

/// The names of members that a sentence lists.
const NAMES: usize = 3;

/// The sentence of a check that found more than its bounds allow.
pub fn sentence(check: CheckId, found: &Measurement) -> String {
    if !found.finding.is_empty() {
        return found.finding.clone();
    }
    let first = found.offenders.first();
    let rows = |what: &str| with_first(&format!("{} {what}", of_rows(found)), first);
    let are = |what: &str| {
        let verb = if found.observed == 1.0 { "is" } else { "are" };
        with_first(&format!("{} of {} {verb} {what}", amount(found.observed), number(found.n)), first)
    };
    let named = |singular: &str, plural: &str| {
        let noun = if found.observed == 1.0 { singular } else { plural };
        format!("{} {noun}: {}", amount(found.observed), values(&found.offenders, found.observed))
    };
    match check {
        CheckId::LabelForm => rows("a week label that is written another way"),
        CheckId::LabelWeek => rows("a week label that is no ISO week"),
        CheckId::LabelDate => rows("a date that is none, or is of another week than the label"),
        CheckId::KeyNulls => {
            let of = format!("{} of {} values of the key", amount(found.observed), number(found.n));
            let verb = if found.observed == 1.0 { "is" } else { "are" };
            with_first(&format!("{of} {verb} null ({})", found.note), first)
        }
        CheckId::ValueNulls => rows("no number of users"),
        CheckId::ValueFinite => rows("a number of users that is NaN or infinite"),
        CheckId::ValueNegative => rows("a negative number of users"),
        CheckId::ValueIntegral => rows("a number of users that is not whole"),
        CheckId::CountryKnown | CheckId::SystemKnown => rows("a member that is not expected"),
        CheckId::SystemVanished => named("listed member has no rows", "listed members have no rows"),
        CheckId::ChannelNew => named("new channel", "new channels"),
        CheckId::ChannelVanished => named("channel has no rows any more", "channels have no rows any more"),
        CheckId::OrganicPresent => {
            format!("{} ({})", first.map_or("no row is organic", |first| &first.value), found.note)
        }
        CheckId::DuplicateRows => {
            let verb = if found.observed == 1.0 { "repeats" } else { "repeat" };
            let of = format!("{} of {} rows", amount(found.observed), number(found.n));
            with_first(&format!("{of} {verb} an earlier row"), first)
        }
        CheckId::SystemTotal | CheckId::CountryTotal => {
            let verb = if found.observed == 1.0 { "is not" } else { "are not" };
            let of = format!("{} of {} totals", amount(found.observed), number(found.n));
            with_first(&format!("{of} {verb} the sum of their parts"), first)
        }
        CheckId::DayGaps => rows_of(found, "days", "no rows", first),
        CheckId::CountryDayGaps => rows_of(found, "days of countries", "no rows", first),
        CheckId::Freshness | CheckId::AccountAddsUp => found.note.clone(),
        CheckId::TableKeys => are("rows of the table with the key and period of an earlier one"),
        CheckId::TableComplete => {
            let of = format!("{} of {} rows", amount(found.observed), number(found.n));
            with_first(&format!("{of} of the table are missing, or too many"), first)
        }
        CheckId::ShareRange => are("shares outside of 0 to 1, or null where they should not be"),
        CheckId::Reconciliation => are("sums and shares of the table that differ from a second computation"),
        _ => list(found),
    }
}

/// `3 of 1,000 rows have`.
fn of_rows(found: &Measurement) -> String {
    let verb = if found.observed == 1.0 { "has" } else { "have" };
    format!("{} of {} rows {verb}", amount(found.observed), number(found.n))
}

fn rows_of(found: &Measurement, noun: &str, what: &str, first: Option<&Violation>) -> String {
    let verb = if found.observed == 1.0 { "has" } else { "have" };
    let of = format!("{} of {} {noun} {verb} {what}", amount(found.observed), number(found.n));
    with_first(&of, first)
}

/// The text and the first violation, with its place.
fn with_first(text: &str, first: Option<&Violation>) -> String {
    match first {
        Some(first) => format!("{text}, first {}", placed(first)),
        None => text.to_owned(),
    }
}

/// A violation with its place at the end: `'UK' (uk.parquet, row 7)`.
fn placed(violation: &Violation) -> String {
    place(violation).map_or_else(|| violation.value.clone(), |place| format!("{} ({place})", violation.value))
}

/// The place of a violation in a row: `uk.parquet, row 7`.
pub fn place(violation: &Violation) -> Option<String> {
    let line = violation.line.map(|line| format!("line {}", number(line)));
    let at = line.or_else(|| violation.row.map(|row| format!("row {}", number(row))));
    match (&violation.file, at) {
        (Some(file), Some(at)) => Some(format!("{file}, {at}")),
        (Some(file), None) => Some(file.to_string()),
        (None, at) => at,
    }
}

/// The first violations, which are sentences, and how many more there are.
fn list(found: &Measurement) -> String {
    let Some(first) = found.offenders.first() else { return found.note.clone() };
    match found.offenders.len() {
        1 => placed(first),
        more => format!("{} (and {} more)", placed(first), amount_more(found, more)),
    }
}

/// The number of violations beside the first one.
fn amount_more(found: &Measurement, listed: usize) -> String {
    #[allow(clippy::cast_precision_loss)] // at most ten
    let listed = listed as f64;
    amount(found.observed.round().max(listed) - 1.0)
}

/// The values of the first violations, and an ellipsis where there are more.
fn values(violations: &[Violation], count: f64) -> String {
    let shown: Vec<&str> = violations.iter().take(NAMES).map(|violation| violation.value.as_str()).collect();
    #[allow(clippy::cast_precision_loss)] // three
    let more = count - shown.len() as f64;
    let more = if more > 0.0 { format!(" and {} more", amount(more)) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

/// The sentence on members that are not expected; `members` with their rows, as far as they are known.
///
/// `entry` is the list under `[allow]` that would allow them; `first` is the first row.
pub fn unexpected_members(
    count: u64,
    rows: u64,
    dimension: &str,
    expected: &str,
    members: &[(String, Option<u64>)],
    entry: &str,
    first: Option<&Violation>,
) -> String {
    let shown = members.get(..NAMES).unwrap_or(members);
    let more = members.len() - shown.len();
    let all = if more > 0 { ", ..." } else { "" };
    let allowed: Vec<String> = shown.iter().map(|(name, _)| literal(name)).collect();
    let allow = format!("[allow] {entry} = [{}{all}]", allowed.join(", "));
    let first = first.and_then(place).map_or(String::new(), |place| format!(", first in {place}"));
    let verb = if count == 1 { "has" } else { "have" };
    let of = format!("{} of {} rows {verb}", number(count), number(rows));
    if let [(name, _)] = members {
        let meant = meant(name).map_or(String::new(), |code| format!(" ({code}?)"));
        let name = cut(name);
        return format!("{of} {dimension} '{name}', {expected}{meant}{first}. Allow it: {allow}");
    }
    let list: Vec<String> = shown
        .iter()
        .map(|(name, rows)| match rows {
            Some(rows) => format!("'{}' ({})", cut(name), number(*rows)),
            None => format!("'{}'", cut(name)),
        })
        .collect();
    let more = if more > 0 { format!(" and {} more", number(more as u64)) } else { String::new() };
    format!("{of} {dimension} {}{more}: {expected}{first}. Allow them: {allow}", list.join(", "))
}

/// The ISO 3166-1 code that a name probably means.
fn meant(name: &str) -> Option<String> {
    let upper = name.trim().to_ascii_uppercase();
    let code = match upper.as_str() {
        "UK" => "GB",
        "EL" => "GR",
        code => code,
    };
    (code != name && super::countries::is_assigned(code.as_bytes())).then(|| code.to_owned())
}

/// A measurement or its limit in words: `50 points`.
pub fn in_words(check: CheckId, value: f64) -> String {
    let percent = |part: f64| amount((part * 1e3).round() / 10.0);
    match check {
        CheckId::ShareYear => format!("{} points", percent(value)),
        CheckId::ShareChange => format!("{} % of the usual share", percent(value)),
        CheckId::Restatement => format!("{} % of the published users", percent(value)),
        // As many times more or fewer: 0.8 is 80 % more, or 44 % fewer.
        CheckId::VolumeChange | CheckId::VolumeYear => {
            format!("{:.0} % more or {:.0} % fewer", value * 100.0, value / (1.0 + value) * 100.0)
        }
        CheckId::ChannelMix => format!("PSI {}", amount(value)),
        _ => {
            format!("{} {}", amount(value), if value == 1.0 { singular(check.unit()) } else { check.unit() })
        }
    }
}

/// The unit of one: `row` of `rows`.
fn singular(unit: &str) -> &str {
    match unit {
        "missing" | "tokens and names" => unit,
        "country-days" => "country-day",
        unit => unit.strip_suffix('s').unwrap_or(unit),
    }
}

/// A week for a sentence: `2023-W41`.
pub fn week(week: i32) -> String {
    words::step(Grain::Week, week)
}

/// A week label `2023_41` as `2023-W41`; any other text as it is.
pub fn week_of_label(label: &str) -> String {
    calendar::parse_label(label.as_bytes()).map_or_else(|| label.to_owned(), week)
}

/// A share in per cent: `65.9 %`.
pub fn percent(share: f64) -> String {
    words::percent(Some(share))
}

/// Users or rows, rounded, with commas.
pub fn whole(value: f64) -> String {
    amount(value.round())
}

/// A deviation in spreads, with its direction.
pub fn spreads(z: f64) -> String {
    format!("{:.1} spreads {}", z.abs(), if z < 0.0 { "below" } else { "above" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: &str) -> Violation {
        Violation { file: Some("x.parquet".into()), row: Some(1_007), line: None, value: value.into() }
    }

    #[test]
    fn counts_of_rows_are_sentences() {
        for (check, count, sentence) in [
            (
                CheckId::ValueNegative,
                1,
                "1 of 9,000 rows has a negative number of users, first -3 (x.parquet, row 1,007)",
            ),
            (
                CheckId::ValueNulls,
                1_234,
                "1,234 of 9,000 rows have no number of users, first -3 (x.parquet, row 1,007)",
            ),
            (
                CheckId::DuplicateRows,
                2,
                "2 of 9,000 rows repeat an earlier row, first -3 (x.parquet, row 1,007)",
            ),
            (CheckId::DayGaps, 3, "3 of 9,000 days have no rows, first -3 (x.parquet, row 1,007)"),
        ] {
            assert_eq!(super::sentence(check, &Measurement::count(count, 9_000, vec![row("-3")])), sentence);
        }
    }

    #[test]
    fn names_and_keys_are_named() {
        let keys = |values: &[&str]| values.iter().map(|value| Violation::key(*value)).collect::<Vec<_>>();
        let channels = Measurement::count(5, 9, keys(&["'A'", "'B'", "'C'", "'D'", "'E'"]));
        assert_eq!(sentence(CheckId::ChannelNew, &channels), "5 new channels: 'A', 'B', 'C' and 2 more");
        let channel = Measurement::count(1, 9, keys(&["'A'"]));
        assert_eq!(sentence(CheckId::ChannelVanished, &channel), "1 channel has no rows any more: 'A'");
        let days = Measurement::count(12, 30, keys(&["2021-03-01 was published and has no row now", "b"]));
        let first = "2021-03-01 was published and has no row now (and 11 more)";
        assert_eq!(sentence(CheckId::DaysKept, &days), first);
        let own = days.finding("what a check knows better");
        assert_eq!(sentence(CheckId::DaysKept, &own), "what a check knows better");
    }

    #[test]
    fn a_member_that_is_not_expected_has_the_line_that_allows_it() {
        let of = |members: &[(&str, Option<u64>)], count| {
            let members: Vec<_> = members.iter().map(|(name, rows)| ((*name).to_owned(), *rows)).collect();
            let first = row("'UK'");
            unexpected_members(
                count,
                9_000,
                "country",
                "no ISO 3166-1 code",
                &members,
                "countries",
                Some(&first),
            )
        };
        assert_eq!(
            of(&[("UK", Some(1))], 1),
            "1 of 9,000 rows has country 'UK', no ISO 3166-1 code (GB?), first in x.parquet, row 1,007. \
             Allow it: [allow] countries = [\"UK\"]"
        );
        let two = of(&[("fr", Some(1_000)), ("X\"", None)], 1_001);
        assert!(
            two.starts_with("1,001 of 9,000 rows have country 'fr' (1,000), 'X\"': no ISO 3166-1 code"),
            "{two}"
        );
        assert!(two.contains("[allow] countries = [\"fr\", \"X\\\"\"]"), "{two}");
        let four = of(&[("a", None), ("b", None), ("c", None), ("d", None)], 4);
        assert!(four.contains("'a', 'b', 'c' and 1 more: ") && four.ends_with("\"c\", ...]"), "{four}");
    }

    #[test]
    fn measurements_have_words() {
        for (check, value, words) in [
            (CheckId::ShareYear, 0.5, "50 points"),
            (CheckId::ShareYear, 0.6592, "65.9 points"),
            (CheckId::VolumeChange, 0.8, "80 % more or 44 % fewer"),
            (CheckId::VolumeYear, 9.0, "900 % more or 90 % fewer"),
            (CheckId::ShareChange, 0.25, "25 % of the usual share"),
            (CheckId::Restatement, 0.05, "5 % of the published users"),
            (CheckId::VolumeDrift, 10.0, "10 spreads"),
            (CheckId::LabelForm, 1.0, "1 row"),
            (CheckId::CountryDayGaps, 2_000.0, "2,000 country-days"),
            (CheckId::OrganicPresent, 1.0, "1 missing"),
        ] {
            assert_eq!(in_words(check, value), words);
        }
    }
}
