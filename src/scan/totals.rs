//! Total rows of dimensions outside the key: assumed to be there, or summed apart from the others.
//!
//! Whether there are total rows is known only when all rows are read. A first pass assumes that there are, and reads
//! total rows alone: dictionaries rule everything else out. If it met none, further passes sum the other rows, and those
//! that are total rows of some of the dimensions; the end decides ([`Partial::chosen`]). Until then an error in one of
//! these rows is none: rows that do not count may hold anything.

use crate::grid::Partial;
use crate::phrase::{Phrase, Setting};
use crate::profile::question::{Totals, other_totals};
use crate::profile::{Dimension, Question, TotalRows};
use crate::{Error, Job, Result, Semantics};

/// Scans by `pass`: total rows, as `question` asks for them, and where there are none the others too.
///
/// # Errors
/// Those of `pass`.
pub fn settled<T>(
    question: &Question,
    mut pass: impl FnMut(&Question) -> Result<(Partial, T)>,
) -> Result<(Partial, T)> {
    let job = &question.job;
    let (mut partial, mut cost) = pass(question)?;
    let dimensions = other_totals(job).count();
    if partial.is_met() || partial.account.rows == 0 || job.semantics == Semantics::Legacy {
        return Ok((partial, cost));
    }
    for totals in Totals::others(dimensions) {
        let others = match pass(&Question::over(job, totals)?) {
            Ok((others, also)) => {
                cost = also;
                others
            }
            Err(Error::Data(report)) if report.location.row.is_some() => {
                Partial { failed: Some(report), ..Partial::default() }
            }
            Err(error) => return Err(error),
        };
        partial.others.push((totals.number(), others));
    }
    Ok((partial, cost))
}

/// Fails where a dimension has no total rows, although its profile requires them.
///
/// # Errors
/// `Data` that names the dimension.
pub fn check_required(job: &Job, partial: &Partial) -> Result<()> {
    let is_met = |at: usize| partial.met_totals().is_none_or(|met| Totals::of_number(met).has(at));
    let is_required = |dimension: &Dimension| dimension.total_rows == TotalRows::Required;
    let mut required = other_totals(job).enumerate().filter(|(_, (_, dimension))| is_required(dimension));
    match required.find(|(at, _)| !is_met(*at)) {
        Some((_, (name, dimension))) if partial.account.rows > 0 => {
            let wanted = match &dimension.total {
                Some(total) => format!("rows whose {name} is '{total}'"),
                None => format!("rows whose {name} is null"),
            };
            Err(Error::data(format!("no row that counts is a total row of {name}"))
                .expected(format!("{wanted}, since total_rows = \"required\""))
                .advice(
                    Phrase::from("Check the export, or set ")
                        .option(Setting::TotalRows(name.to_owned(), "auto".into()))
                        .text(": then all rows are summed"),
                ))
        }
        _ => Ok(()),
    }
}
