//! The account of the rows in the words of the job's profile.

use crate::grid::Account;
use crate::profile::question::other_totals;
use crate::{Job, Profile};

/// The rows of one outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The name of the field of the account.
    pub name: &'static str,
    /// Whether the rows are kept.
    pub kept: bool,
    /// The number of rows.
    pub rows: u64,
    /// What the rows are, to follow their number: `total rows of country`.
    pub words: String,
}

/// The reasons that have rows, in the order of the account.
pub fn reasons(job: &Job, account: &Account) -> Vec<Reason> {
    let found = account.reasons().into_iter().filter(|(_, _, rows, _)| *rows > 0);
    found
        .map(|(name, kept, rows, meaning)| {
            let words = words(job, name, rows == 1).unwrap_or_else(|| {
                let meaning = meaning.trim_start_matches("dropped: ").trim_start_matches("kept, ");
                meaning.trim_start_matches("kept: ").to_owned()
            });
            Reason { name, kept, rows, words }
        })
        .collect()
}

/// The words of a reason; `None` where the job adds nothing to the meaning that it has for every job.
fn words(job: &Job, name: &str, is_one: bool) -> Option<String> {
    let Profile { users, conditions, dimensions, .. } = &job.profile;
    let some = |names: Vec<&str>, between: &str| (!names.is_empty()).then(|| names.join(between));
    let of_key = |test: &dyn Fn(&crate::profile::Dimension) -> bool| {
        some(
            job.by
                .iter()
                .map(String::as_str)
                .filter(|name| dimensions.get(*name).is_some_and(test))
                .collect(),
            " or ",
        )
    };
    let adds = if is_one { "adds" } else { "add" };
    match name {
        "not_total_row" => {
            let others = some(other_totals(job).map(|(name, _)| name).collect(), " and ")?;
            Some(format!("not a total row of {others}"))
        }
        "where_not_met" => {
            let shown: Vec<String> = conditions.iter().map(crate::profile::Condition::show).collect();
            let not = if is_one { "does not meet" } else { "do not meet" };
            let unmet = (!shown.is_empty()).then(|| format!("{not} {}", shown.join(" and ")));
            let excluded = job.share_of_channel.then(|| "of an excluded channel".to_owned());
            some(unmet.iter().chain(&excluded).map(String::as_str).collect(), " or are ")
        }
        "null_member" => Some(format!(
            "{} is null",
            of_key(&|dimension| dimension.null.is_none() && !dimension.total_is_null)?
        )),
        "total_row" => {
            let noun = if is_one { "total row" } else { "total rows" };
            Some(format!("{noun} of {}", of_key(&|dimension| dimension.has_total())?))
        }
        "null_channel" => Some(format!("{adds} nothing: channel is null")),
        "excluded_channel" => Some(format!("{adds} nothing: channel is excluded")),
        "null_value" | "nan_value" | "infinite_value" => {
            let what = match name {
                "null_value" => "null",
                "nan_value" => "NaN",
                _ => "infinite",
            };
            Some(format!("{adds} nothing: {} is {what}", users.column.as_deref()?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Condition;

    fn shown(job: &Job, account: Account) -> Vec<String> {
        reasons(job, &account).into_iter().map(|reason| format!("{} {}", reason.rows, reason.words)).collect()
    }

    #[test]
    fn reasons_name_the_columns_of_the_default_profile() {
        let account = Account {
            not_total_row: 5_667,
            null_member: 3,
            total_row: 1,
            null_value: 2,
            counted: 7,
            ..Account::default()
        };
        assert_eq!(
            shown(&Job::default(), account),
            [
                "5667 not a total row of os_name",
                "3 country is null",
                "1 total row of country",
                "2 add nothing: value is null",
                "7 its value is in a sum",
            ]
        );
    }

    #[test]
    fn reasons_name_conditions_and_every_dimension() {
        let mut job = Job { by: vec!["country".into(), "os_name".into()], ..Job::default() };
        let is_in = Some(vec!["First-time download".into()]);
        job.profile.conditions = vec![Condition { column: "download_type".into(), is_in, not_in: None }];
        let account = Account { where_not_met: 12, total_row: 8, ..Account::default() };
        assert_eq!(
            shown(&job, account),
            ["12 do not meet download_type in ('First-time download')", "8 total rows of country or os_name"]
        );
        let world = Job { by: Vec::new(), ..Job::default() };
        let account = Account { not_total_row: 4, ..Account::default() };
        assert_eq!(shown(&world, account), ["4 not a total row of country and os_name"]);
    }
}
