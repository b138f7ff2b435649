//! The profile as TOML, each entry with its evidence as a comment.

use std::fmt::Write as _;

use super::decide::Findings;
use super::sample::Sample;
use crate::escape::{self, key, literal};
use crate::profile::{Case, Class, Members, TimeUnit, TotalRows};

/// The longest line with a comment at its end; longer comments come before it.
const WIDTH: usize = 110;

/// The lines of a profile.
struct Lines<'f> {
    text: String,
    findings: &'f Findings,
}

impl Lines<'_> {
    /// A line with the evidence of an entry.
    fn line(&mut self, line: &str, entry: &str) {
        let comment = self.findings.evidence.get(entry).map(|text| escape::line(text));
        let _ = match comment {
            None => writeln!(self.text, "{line}"),
            Some(comment) if line.chars().count() + comment.chars().count() + 4 <= WIDTH => {
                writeln!(self.text, "{line}  # {comment}")
            }
            Some(comment) => {
                self.comment(&comment);
                writeln!(self.text, "{line}")
            }
        };
    }

    /// `key = value` with its evidence.
    fn entry(&mut self, table: &str, key: &str, value: &str) {
        self.line(&format!("{key} = {value}"), &format!("{table}.{key}"));
    }

    /// A comment, on several lines if it is long.
    fn comment(&mut self, comment: &str) {
        let mut line = String::from("#");
        for word in escape::line(comment).split(' ') {
            if line.chars().count() + word.chars().count() + 1 > WIDTH && line != "#" {
                let _ = writeln!(self.text, "{line}");
                line = String::from("#  ");
            }
            line.push(' ');
            line.push_str(word);
        }
        let _ = writeln!(self.text, "{line}");
    }

    /// The further lines of a table.
    fn choices(&mut self, table: &str) {
        let findings = self.findings;
        for line in findings.choices.get(table).into_iter().flatten() {
            // A line that can be used as it is stays on one line.
            if line.contains("  # ") {
                let _ = writeln!(self.text, "# {}", escape::line(line));
            } else {
                self.comment(line);
            }
        }
    }
}

fn list(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| literal(name)).collect();
    format!("[{}]", names.join(", "))
}

/// The text of a profile.
pub fn write(findings: &Findings, sample: &Sample, shown: &str) -> String {
    let profile = &findings.profile;
    let mut lines = Lines { text: String::new(), findings };
    let is_all = sample.rows as u64 == sample.all_rows && sample.files.len() == sample.all_files;
    let rows = if is_all && !sample.is_cut {
        format!("all {} rows", sample.rows)
    } else {
        format!("{} rows of {} of {} files", sample.rows, sample.files.len(), sample.all_files)
    };
    lines.comment(&format!("Profile of {shown}, from the columns and {rows}."));
    if let Some(like) = &findings.like {
        lines.comment(&format!("It is {like}."));
    }
    for (column, why) in &sample.unread {
        lines.comment(&format!("Not read: {column}: {why}"));
    }

    let _ = writeln!(lines.text, "\n[time]");
    let time = &profile.time;
    if let Some(date) = &time.date {
        lines.entry("time", "date", &literal(date));
    }
    if let Some(unit) = time.unit {
        let name = TimeUnit::ALL.iter().find(|(_, known)| *known == unit).map_or("", |(name, _)| name);
        lines.entry("time", "unit", &literal(name));
    }
    if let Some(label) = &time.label {
        lines.entry("time", "label", &literal(label));
        if time.label_form != crate::calendar::label::LabelForm::default() {
            lines.entry("time", "label_form", &literal(time.label_form.name()));
        }
    }
    if let Some(zone) = &time.zone {
        lines.entry("time", "zone", &literal(zone));
    }
    if time.week_start != crate::calendar::period::Weekday::default() {
        lines.entry("time", "week_start", &literal(&time.week_start.to_string()));
    }
    if let Some(days) = time.settle_days {
        lines.entry("time", "settle_days", &days.to_string());
    }
    lines.choices("time");

    let _ = writeln!(lines.text, "\n[users]");
    match &profile.users.column {
        Some(column) => lines.entry("users", "column", &literal(column)),
        None => lines.entry("users", "rows", "true"),
    }
    if profile.users.unique {
        lines.entry("users", "unique", "true");
    }
    lines.choices("users");

    let _ = writeln!(lines.text, "\n[channel]");
    let channel = &profile.channel;
    if let Some(column) = &channel.column {
        lines.entry("channel", "column", &literal(column));
    }
    for (name, names) in
        [("organic", &channel.organic), ("paid", &channel.paid), ("excluded", &channel.excluded)]
    {
        if !names.is_empty() {
            lines.entry("channel", name, &list(names));
        }
    }
    match channel.null {
        Class::Organic => lines.entry("channel", "null", "\"organic\""),
        Class::Paid => lines.entry("channel", "null", "\"paid\""),
        Class::Excluded => {}
    }
    if channel.ignore_case {
        lines.entry("channel", "ignore_case", "true");
    }
    lines.choices("channel");

    for (name, of) in &profile.dimensions {
        let table = format!("dimensions.{name}");
        lines.text.push('\n');
        lines.line(&format!("[dimensions.{}]", key(name)), &table);
        if let Some(column) = &of.column {
            lines.entry(&table, "column", &literal(column));
        }
        if let Some(total) = &of.total {
            lines.entry(&table, "total", &literal(total));
        }
        if of.total_is_null {
            lines.entry(&table, "total_is_null", "true");
        }
        match of.total_rows {
            TotalRows::Auto => {}
            TotalRows::Off => lines.entry(&table, "total_rows", "\"off\""),
            TotalRows::Required => lines.entry(&table, "total_rows", "\"required\""),
        }
        if let Some(null) = &of.null {
            lines.entry(&table, "null", &literal(null));
        }
        match of.case {
            Some(Case::Upper) => lines.entry(&table, "case", "\"upper\""),
            Some(Case::Lower) => lines.entry(&table, "case", "\"lower\""),
            None => {}
        }
        if !of.rename.is_empty() {
            let pairs: Vec<String> =
                of.rename.iter().map(|(old, new)| format!("{} = {}", key(old), literal(new))).collect();
            lines.entry(&table, "rename", &format!("{{ {} }}", pairs.join(", ")));
        }
        match &of.members {
            Some(Members::Named(_)) => lines.entry(&table, "members", "\"iso-3166-1\""),
            Some(Members::List(names)) => lines.entry(&table, "members", &list(names)),
            None => {}
        }
        if of.optional {
            lines.entry(&table, "optional", "true");
        }
        lines.choices(&table);
    }
    if findings.choices.contains_key("dimensions") {
        lines.text.push('\n');
        lines.choices("dimensions");
    }

    for (at, condition) in profile.conditions.iter().enumerate() {
        lines.text.push('\n');
        lines.line("[[where]]", "");
        let entry = format!("where.{at}");
        lines.line(&format!("column = {}", literal(&condition.column)), &entry);
        if let Some(values) = &condition.is_in {
            lines.line(&format!("in = {}", list(values)), "");
        }
        if let Some(values) = &condition.not_in {
            lines.line(&format!("not_in = {}", list(values)), "");
        }
    }
    lines.text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_a_value_and_a_key() {
        for text in ["", "a b", "say \"hi\"", "back\\slash", "two\nlines", "\u{7f}", "Türkiye", "'"] {
            let line = format!("{} = {}", key(text), literal(text));
            let table: toml::Table = line.parse().unwrap();
            assert_eq!(table.get(text).and_then(toml::Value::as_str), Some(text), "{line}");
        }
        assert_eq!((key("os_name"), list(&["a".into()])), ("os_name".into(), "[\"a\"]".into()));
    }

    #[test]
    fn a_comment_ends_with_its_line() {
        let mut findings = Findings::default();
        findings.shows("time.date", "a\nb = 1\u{1b}\u{202e}");
        let mut lines = Lines { text: String::new(), findings: &findings };
        lines.entry("time", "date", "\"day\"");
        assert_eq!(lines.text, "date = \"day\"  # a\\nb = 1\\u{1b}\\u{202e}\n");
    }
}
