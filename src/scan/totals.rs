//! Total rows of dimensions outside the key: assumed to be there, or summed apart from the others.
//!
//! Whether there are total rows is known only when all rows are read. A first pass assumes that there are, and reads
//! total rows alone: dictionaries rule everything else out. If it met none, further passes sum the other rows, and those
//! that are total rows of some of the dimensions; the end decides ([`Partial::chosen`]). Until then an error in one of
//! these rows is none: rows that do not count may hold anything.

use crate::grid::Partial;
use crate::profile::question::{Totals, other_totals};
use crate::profile::Question;
use crate::{Error, Job, Result, Semantics};

/// Scans by `pass`: total rows, and where there are none the others too.
///
/// # Errors
/// Those of `pass`.
pub fn settled<T>(
    job: &Job,
    mut pass: impl FnMut(&Question) -> Result<(Partial, T)>,
) -> Result<(Partial, T)> {
    let (mut partial, mut cost) = pass(&Question::new(job)?)?;
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
