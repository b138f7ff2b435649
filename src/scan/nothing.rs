//! Why no row counts: the error of a run whose table would be empty.

use std::collections::BTreeSet;

use crate::dataset::column::{find, leaf_of};
use crate::dataset::text::TextForm;
use crate::grid::Partial;
use crate::ids::column::Column;
use crate::ids::cursor::Cursor;
use crate::parquet::footer;
use crate::profile::Question;
use crate::profile::question::ConditionRule;
use crate::storage::Input;
use crate::{Error, Job, Result};

/// Rows of the first row group that are looked at for values.
const SAMPLE_ROWS: u64 = 1 << 16;
/// The most values that are listed.
const LISTED: usize = 8;

/// The error for inputs of which no row counts.
pub fn error(job: &Job, inputs: &[Input], partial: &Partial) -> Error {
    let rows = partial.account.rows;
    if rows == 0 {
        return Error::data("the source has no rows")
            .expected("at least one row that counts")
            .advice("Check the export. With --allow-empty the empty table is published");
    }
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
            seen.push(format!("{rule}: {} has {}", condition.column, values(inputs, &condition.column)));
        }
        for key in &question.keys {
            seen.push(format!("{}: {} has {}", key.name, key.column, values(inputs, &key.column)));
        }
    }
    Error::data(format!("none of {rows} rows counts: {}", reasons.join("; ")))
        .expected(format!("rows that meet the conditions and have members ({})", seen.join("; ")))
        .advice("Correct the profile, its conditions or its members; nothing was published")
}

/// The first values of a column, for a message.
fn values(inputs: &[Input], column: &str) -> String {
    let found = inputs.iter().find_map(|input| sample(input, column).ok().flatten());
    let Some((values, is_all)) = found else { return "no values".into() };
    let mut shown: Vec<String> = values.iter().take(LISTED).cloned().collect();
    if !is_all || values.len() > LISTED {
        shown.push("...".into());
    }
    shown.join(", ")
}

/// Distinct values of the first rows of a file, and whether these are all of its rows.
fn sample(input: &Input, column: &str) -> Result<Option<(BTreeSet<String>, bool)>> {
    let object = input.object.as_ref();
    let meta = footer::read(object)?;
    let location = find(&meta, input, column)?;
    let form = leaf_of(&meta, &location).map(TextForm::of).transpose()?.unwrap_or_default();
    let Some(group) = meta.row_groups.iter().find(|group| group.rows > 0) else { return Ok(None) };
    let columns = Column::open_all(object, &[location.source(&meta, group)?], group.rows)?;
    let Some(column) = columns.first() else { return Ok(None) };
    let mut cursor = Cursor::new(column, 0, false, Vec::new(), None)?;
    let rows = group.rows.min(SAMPLE_ROWS);
    let mut ids = vec![0; usize::try_from(rows).unwrap_or(usize::MAX)];
    cursor.read_ids32(&mut ids)?;
    ids.sort_unstable();
    ids.dedup();
    let shown = |id: &u32| match cursor.entries.get(*id) {
        None => "null".to_owned(),
        Some(raw) => format!("'{}'", String::from_utf8_lossy(&form.text(raw)).escape_debug()),
    };
    Ok(Some((ids.iter().map(shown).collect(), rows == meta.rows)))
}
