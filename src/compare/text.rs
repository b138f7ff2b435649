//! A comparison as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::causes::label;
use super::{Cause, Comparison};
use crate::escape;
use crate::report::words::count;

/// One line for each row that differs, in columns, followed by the meanings of the causes.
pub fn text(found: &Comparison) -> String {
    let share = |there: bool, share: Option<f64>| match (there, share) {
        (false, _) => "-".to_owned(),
        (true, None) => "null".to_owned(),
        (true, Some(share)) => format!("{:.4} %", share * 100.0),
    };
    let head = ["country", "week", "published", "right", "cause", ""].map(str::to_owned);
    let mut lines = vec![head];
    let mut causes: BTreeMap<Cause, u64> = BTreeMap::new();
    for row in &found.differences {
        *causes.entry(row.cause).or_default() += 1;
        lines.push([
            escape::name(&row.country).into(),
            label(&(row.country.clone(), row.year, row.week)),
            share(row.was_published, row.published),
            share(row.belongs, row.right),
            row.cause.name().to_owned(),
            escape::line(&row.sentence).into(),
        ]);
    }
    let mut text = String::new();
    if found.differences.is_empty() {
        let _ = writeln!(text, "no row differs: {}", count(found.same as u64, "row"));
        return text;
    }
    let width =
        |at: usize| lines.iter().filter_map(|l| l.get(at)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(width).collect();
    for line in &lines {
        for (cell, width) in line.iter().zip(&widths) {
            let _ = write!(text, "{cell:<width$}  ");
        }
        text.push_str(line.last().map_or("", String::as_str));
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    let (differ, same) = (found.differences.len() as u64, found.same as u64);
    let _ = writeln!(text, "\n{differ} of {} rows differ, {same} are the same", differ + same);
    for (cause, rows) in causes {
        let _ = writeln!(text, "{rows:>6}  {}: {}", cause.name(), cause.meaning());
    }
    if !found.wrong_labels.is_empty() {
        let labels: Vec<String> =
            found.wrong_labels.iter().take(10).map(|l| format!("'{}'", escape::name(l))).collect();
        let _ = writeln!(text, "labels that are not ISO weeks: {}", labels.join(", "));
    }
    text
}
