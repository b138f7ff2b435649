//! Rows compared with one another: total rows that are not the sum of their parts, and what [`super::duplicates`] needs.

use std::sync::Arc;

use super::Subject;
use super::columns::FileColumns;
use super::counts::Counts;
use super::rows::{PatternKeys, RowReader};
use crate::Result;
use crate::checks::CheckId;
use crate::checks::model::{Measurement, NotRun, VIOLATIONS, Violation};
use crate::dataset::OpenFile;
use crate::ids::values::ValueType;

/// The results of comparing rows.
pub struct Compared {
    /// Rows that occur twice.
    pub duplicates: Result<Measurement, NotRun>,
    /// By dimension with totals: its number, and the keys whose total is not the sum of its parts.
    pub totals: Vec<(usize, Result<Measurement, NotRun>)>,
}

/// The check of a dimension's totals.
pub fn totals_check(name: &str) -> CheckId {
    if name == "country" { CheckId::CountryTotal } else { CheckId::SystemTotal }
}

/// Compares rows with one another, where the profile and the data allow it.
///
/// # Errors
/// Those of reading rows; `Interrupted` where the caller requests cancellation.
pub fn compare(
    subject: &Subject<'_>,
    files: &[OpenFile<'_>],
    columns: &[Arc<FileColumns>],
    counts: &Counts,
    reader: &dyn RowReader,
) -> Result<Compared> {
    let compare = Compare { subject, files, columns, reader };
    let mut totals = Vec::new();
    for (at, (name, dimension)) in subject.dimensions.iter().enumerate() {
        if !dimension.has_total() {
            continue;
        }
        let members = counts.dimensions.get(at);
        let has_both =
            members.is_some_and(|m| m.total > 0 && (m.null > 0 || m.names.rows.iter().any(|rows| *rows > 0)));
        let finding = match subject.config.switched_off(totals_check(name)) {
            Some(off) => Err(off),
            None if !has_both => {
                Err(NotRun::NotApplicable(format!("{name} has no total rows, or nothing but them")))
            }
            None => Ok(compare.totals(at)?),
        };
        totals.push((at, finding));
    }
    let duplicates = compare.duplicates()?;
    Ok(Compared { duplicates, totals })
}

/// What the footers tell of the rows that are compared, and who reads them.
pub(super) struct Compare<'c> {
    pub(super) subject: &'c Subject<'c>,
    pub(super) files: &'c [OpenFile<'c>],
    pub(super) columns: &'c [Arc<FileColumns>],
    pub(super) reader: &'c dyn RowReader,
}

impl Compare<'_> {
    /// Counts the keys whose total rows are not the sum of their parts.
    fn totals(&self, dimension: usize) -> Result<Measurement> {
        let is_whole = self.columns.iter().filter_map(|c| c.users.as_ref()).all(|(_, _, value_type)| {
            matches!(value_type, ValueType::Int { .. } | ValueType::Decimal { .. })
        });
        let patterns = self.reader.totals(dimension, is_whole)?;
        let compared = patterns.compared();
        let mut wrong: Vec<(u64, f64, f64)> =
            compared.iter().flat_map(|keys| keys.wrong.iter().copied()).collect();
        wrong.sort_unstable_by_key(|(row, ..)| *row);
        wrong.truncate(VIOLATIONS);
        let rows: Vec<u64> = wrong.iter().map(|(row, ..)| *row).collect();
        let keys = if rows.is_empty() { vec![] } else { self.reader.describe(&rows, Some(dimension))? };
        let name = self.subject.dimensions.get(dimension).map_or("", |(name, _)| name);
        let violation = |((_, total, sum), key): (&(u64, f64, f64), &String)| {
            Violation::key(format!("{key}: total over {name} {total}, sum of the parts {sum}"))
        };
        let offenders = wrong.iter().zip(&keys).map(violation).collect();
        let sum = |of: fn(&PatternKeys) -> u64| compared.iter().map(|keys| of(keys)).sum::<u64>();
        let (count, larger) = (sum(|keys| keys.count), sum(|keys| keys.larger));
        let finding = Measurement::count(count, sum(|keys| keys.n), offenders);
        Ok(if count == 0 {
            finding
        } else {
            finding.note(format!("{larger} totals are larger than their parts, {} smaller", count - larger))
        })
    }
}
