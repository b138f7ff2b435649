//! Why no row counts: the error of a run whose table would be empty.

use super::members::{self, Members};
use crate::grid::Partial;
use crate::phrase::{Phrase, Setting};
use crate::profile::Question;
use crate::profile::question::ConditionRule;
use crate::storage::Input;
use crate::{Error, Job};

/// The first rows, which are looked at for values.
const SAMPLE_ROWS: u64 = 1 << 16;

/// The error for rows of which none counts. `members` are the values of a column, where they can be read.
pub fn error(job: &Job, partial: &Partial, members: &dyn Fn(&str) -> Option<Members>) -> Error {
    let rows = partial.account.rows;
    if rows == 0 {
        return Error::data("the source has no rows").expected("at least one row that counts").advice(
            Phrase::from("Check the export. With ")
                .option(Setting::AllowEmpty)
                .text(" the empty table is published"),
        );
    }
    let with_members = |what: String, column: &str| match members(column) {
        Some(found) => format!("{what}: {column} has {}", found.show()),
        None => what,
    };
    let mut reasons: Vec<String> = Vec::new();
    for (_, kept, count, meaning) in partial.account.reasons() {
        if count > 0 && !kept {
            reasons.push(format!("{count} {}", meaning.trim_start_matches("dropped: ")));
        }
    }
    let mut seen: Vec<String> = Vec::new();
    if let Ok(question) = Question::new(job) {
        for condition in &question.conditions {
            let rule = match &condition.rule {
                ConditionRule::Where(rule) => rule.shown.clone(),
                _ => format!("total rows of {}", condition.name),
            };
            seen.push(with_members(rule, &condition.column));
        }
        for key in &question.keys {
            seen.push(with_members(key.name.to_string(), &key.column));
        }
    }
    Error::data(format!("none of {rows} rows counts: {}", reasons.join("; ")))
        .expected(format!("rows that meet the conditions and have members ({})", seen.join("; ")))
        .advice("Correct the profile, its conditions or its members; nothing was published")
}

/// The values of a column in the first rows of files, for [`error`].
pub fn members_of_files(inputs: &[Input]) -> impl Fn(&str) -> Option<Members> {
    |column: &str| members::of_files(inputs, column, SAMPLE_ROWS).ok()
}
