//! The changes that a page explains: of all keys together, and of the keys that moved most.

use super::figures;
use super::headline::Headline;
use super::model::RunReport;
use crate::scan::{Options, Progress, scan};
use crate::storage::Input;
use crate::why::{Explanation, Sums, job_of};
use crate::{Error, Job, Result};

/// The number of keys whose change is explained.
const KEYS: usize = 5;
/// The number of channels of an explanation; the others are summed.
const CHANNELS: usize = 8;

/// The most rows that are read a second time. Sums by channel cost 40 ms of CPU time for a million rows (AMD EPYC,
/// AVX-512), as much as the checks and the sums of the run together: this bounds them to a tenth of a second on two cores.
const ROWS: u64 = 4_000_000;

/// A change: the members of the key, none for all keys together; the step, and the one before.
pub type Change = (Option<Vec<String>>, i32, i32);

/// The changes that the page of a report explains, since four weeks before; none if nothing is compared.
pub fn changes(report: &RunReport) -> Vec<Change> {
    let Some(shares) = figures::shares(report) else { return Vec::new() };
    let Some(headline) = Headline::of(&shares).filter(Headline::explains) else { return Vec::new() };
    let step = |at: usize| shares.steps.get(at).copied();
    let Some((now, before)) = step(headline.at).zip(headline.before.and_then(step)) else {
        return Vec::new();
    };
    // The members as the rows have them; the names of the headline are escaped.
    let members = |name: &str| {
        let at = shares.keys.iter().position(|key| key.name == name)?;
        Some(report.charts.shares.keys.get(at)?.members.clone())
    };
    let world = headline.world.iter().filter(|world| world.change.is_some()).map(|_| None);
    let moved = headline.moved.iter().take(KEYS).filter_map(|moved| members(&moved.key.name)).map(Some);
    // With one key alone it is that key.
    let only = headline.largest.first().filter(|key| shares.dimensions.is_empty() && key.change.is_some());
    let changes =
        only.map(|_| None).into_iter().chain(world).chain(moved.filter(|_| !shares.dimensions.is_empty()));
    changes.map(|members| (members, now, before)).collect()
}

/// Sums the channels of each key in a scan of its own, and explains the changes of the report.
///
/// The result is empty for more than [`ROWS`] rows, and if the channels cannot be summed: the table, which needs no
/// names of channels, is right all the same.
///
/// # Errors
/// `Interrupted` if the caller requests cancellation.
pub fn of_run(
    report: &RunReport,
    inputs: &[Input],
    threads: Option<usize>,
    progress: &dyn Progress,
) -> Result<Vec<Explanation>> {
    let changes = changes(report);
    if changes.is_empty() || report.account.is_none_or(|account| account.rows > ROWS) {
        return Ok(Vec::new());
    }
    let window = report.job.windows.iter().take(1).copied().collect();
    let job = job_of(&Job { windows: window, with_total: Vec::new(), ..report.job.clone() })?;
    let options = Options { threads, ..Options::default() };
    let summed = match scan(&job, inputs, &options, progress) {
        Err(Error::Interrupted) => return Err(Error::Interrupted),
        Err(_) => return Ok(Vec::new()),
        Ok((partial, _)) => partial,
    };
    let Ok(sums) = Sums::new(&job, summed.chosen()) else { return Ok(Vec::new()) };
    // A key with a name that was cut is not found, and one without users in a window has no share.
    let explain = |(members, now, before): Change| sums.explain(members.as_deref(), now, before).ok();
    Ok(changes.into_iter().filter_map(explain).map(|found| found.shortened(CHANNELS)).collect())
}
