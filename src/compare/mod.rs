//! Compares the output of an old job with the correct table, row by row.
//!
//! ```text
//! source -> one legacy scan -> legacy table      what the old job produces from this source
//!                          \-> right sums -> iso table
//! old output ------------------------------> every row that differs, with its cause
//! ```
//!
//! - [`published`]: reads the old output with the parquet reader of the exports.
//! - [`right`]: converts sums by label to sums by week; wrong labels are left out.
//! - [`causes`]: the cause of each difference.
//! - [`text()`]: the comparison as text.

pub mod causes;
pub mod published;
pub mod right;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use causes::Cause;
pub use text::text;

use self::causes::{Case, Evidence};
use self::published::PublishedRow;
use crate::scan::{Options, Progress, scan};
use crate::storage::discover;
use crate::table::{Cell, Table, finish};
use crate::text::Texts;
use crate::{Error, Grain, Job, Result, Semantics};

/// The key of an output row: country, year and week.
pub type Key = (Arc<str>, Option<i32>, Option<i32>);

/// A row that differs.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Difference {
    /// Country.
    pub country: Arc<str>,
    /// Year as published, or of the correct row where none was published.
    pub year: Option<i32>,
    /// Week.
    pub week: Option<i32>,
    /// Whether the old output has the row.
    pub was_published: bool,
    /// The share in the old output.
    pub published: Option<f64>,
    /// Whether the correct table has the row.
    pub belongs: bool,
    /// The correct share.
    pub right: Option<f64>,
    /// The cause of the difference.
    pub cause: Cause,
    /// A sentence about the row.
    pub sentence: String,
}

/// The result of a comparison.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Comparison {
    /// Rows of the old output.
    pub published_rows: usize,
    /// Rows of the correct table.
    pub right_rows: usize,
    /// Rows that are the same in both.
    pub same: usize,
    /// Rows that differ, by country, year and week.
    pub differences: Vec<Difference>,
    /// Labels that are not ISO weeks and were counted.
    pub wrong_labels: Vec<String>,
}

/// Whether two shares are equal, except for rounding by another engine.
fn same(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => a.to_bits() == b.to_bits() || (a - b).abs() <= 1e-12 * a.abs().max(b.abs()),
        _ => false,
    }
}

/// Compares the output `against`, which an old job made from `sources`, with the correct table.
///
/// # Errors
/// Those of a scan with legacy semantics and of reading the old output; `Argument`
/// for another grain than weeks or for several windows.
pub fn compare(
    job: &Job,
    sources: &[String],
    against: &str,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Comparison> {
    let job = Job { semantics: Semantics::Legacy, details: false, dates: false, ..job.clone() };
    if job.grain != Grain::Week || job.windows.len() != 1 {
        return Err(Error::argument("a comparison of several windows or of days")
            .expected("weeks and one window, as the old job published"));
    }
    let legacy_job = job.validated()?;
    let iso_job = Job { semantics: Semantics::Iso, ..legacy_job.clone() };
    let rows = published::read(against, &legacy_job)?;
    let mut discovery = discover(sources, Semantics::Legacy)?;
    let texts = Texts::find(&legacy_job, false, &mut discovery.inputs)?;
    let summed = scan(&legacy_job, &discovery.inputs, options, progress);
    let (partial, _) = summed.map_err(|error| texts.locate(error))?;
    let (sums, wrong_labels) = right::by_week(&partial);
    let legacy = keyed(&finish(&legacy_job, &partial)?);
    let right = keyed(&finish(&iso_job, &sums)?);
    let window = legacy_job.windows.first().copied().unwrap_or_default();
    let evidence = Evidence::new(&partial, &wrong_labels, window);
    Ok(differences(&rows, &legacy, &right, &evidence, wrong_labels))
}

/// Shares by key; a key of several rows has their shares in order.
type Keyed = BTreeMap<Key, Vec<Option<f64>>>;

fn keyed(table: &Table) -> Keyed {
    let mut keyed = Keyed::new();
    for row in 0..table.rows() {
        let cells: Vec<Cell<'_>> = table.row(row).collect();
        let int = |at: usize| match cells.get(at) {
            Some(Cell::Int(v)) => Some(*v),
            _ => None,
        };
        let country: Arc<str> = match cells.get(2) {
            Some(Cell::Text(name)) => (*name).into(),
            _ => "".into(),
        };
        let share = match cells.get(3) {
            Some(Cell::Float(v)) => Some(*v),
            _ => None,
        };
        keyed.entry((country, int(0), int(1))).or_default().push(share);
    }
    keyed
}

fn differences(
    rows: &[PublishedRow],
    legacy: &Keyed,
    right: &Keyed,
    evidence: &Evidence,
    wrong_labels: Vec<String>,
) -> Comparison {
    let mut published = Keyed::new();
    for row in rows {
        published.entry((row.country.clone(), row.year, row.week)).or_default().push(row.share);
    }
    let mut found = Comparison {
        published_rows: rows.len(),
        right_rows: right.values().map(Vec::len).sum(),
        same: 0,
        differences: Vec::new(),
        wrong_labels,
    };
    let mut keys: Vec<&Key> = published.keys().chain(right.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let shown = published.get(key).map_or(&[][..], Vec::as_slice);
        let answer = right.get(key).and_then(|shares| shares.first()).copied();
        let expected = legacy.get(key).map_or(&[][..], Vec::as_slice);
        // A key that was published twice is two rows, of which the first may be correct.
        for at in 0..shown.len().max(1) {
            let was = shown.get(at).copied();
            let answer = if at == 0 { answer } else { None };
            if let (Some(was), Some(right)) = (was, answer)
                && same(was, right)
            {
                found.same += 1;
                continue;
            }
            let reproduced = was.is_none_or(|was| expected.iter().any(|share| same(*share, was)))
                && (was.is_some() || expected.is_empty());
            let case = Case { key, was, answer, reproduced, repeated: at > 0 };
            let cause = evidence.cause(&case);
            found.differences.push(Difference {
                country: key.0.clone(),
                year: key.1,
                week: key.2,
                was_published: was.is_some(),
                published: was.flatten(),
                belongs: answer.is_some(),
                right: answer.flatten(),
                sentence: cause.sentence(&case),
                cause,
            });
        }
    }
    found
}
