//! Many files: small ones are read, opened and summed at one go.
//!
//! Daily exports are some kilobytes each. Mapping such a file, and keeping its
//! footer until all others are read, costs more than its rows do. So a thread
//! reads it into a buffer that it has, sums it, and forgets it. Files that are
//! not small, or are far away, are opened first and scanned afterwards, in pieces.

use std::sync::Mutex;
use std::time::Instant;

use rayon::prelude::*;

use super::plan::FilePlan;
use super::task::Worker;
use super::{Options, Phase, Profile, Progress, Scan, Typed, lock, needed_bytes, row_ranges, same_types};
use crate::grid::Partial;
use crate::storage::{BorrowedObject, Input, Object};
use crate::{Error, Job, Result};

/// Bytes up to which a file is small: a thread's buffer, and the longest that
/// other threads wait for one at the end.
const SMALL_BYTES: u64 = 256 * 1024;

/// A file that is read, for the account.
pub(super) struct Done<'d> {
    /// Its place among all files.
    pub(super) at: usize,
    /// Its rows, and the type of its values.
    pub(super) typed: Typed<'d>,
    /// Its length, and that of its footer.
    pub(super) bytes: u64,
    pub(super) footer_bytes: u64,
}

impl<'d> Done<'d> {
    pub(super) fn of(at: usize, plan: &FilePlan<'d>) -> Self {
        Done { at, typed: Typed::of(plan), bytes: plan.object.len(), footer_bytes: plan.meta.footer_bytes }
    }
}

/// Whether to read all of it: of what is far away only the needed bytes are fetched.
fn is_small(object: &dyn Object) -> bool {
    object.len() <= SMALL_BYTES && !object.is_remote()
}

/// Scans any number of files.
pub(super) fn scan_many(
    job: &Job,
    inputs: &[Input],
    options: &Options,
    progress: &dyn Progress,
    start: Instant,
    spare: &Mutex<Vec<Worker>>,
    parallel: bool,
) -> Result<(Partial, Profile)> {
    let (small, places): (Vec<usize>, Vec<usize>) = (0..inputs.len())
        .partition(|at| inputs.get(*at).is_some_and(|input| is_small(input.object.as_ref())));
    let open = |at: &usize| match inputs.get(*at) {
        Some(input) => FilePlan::open(job, input),
        None => Err(Error::internal("no such file")),
    };
    let opened: Vec<Result<FilePlan<'_>>> = if !parallel {
        places.iter().map(open).collect()
    } else if inputs.iter().any(|input| input.object.is_remote()) {
        // In order: that is how they arrive.
        let opened = places.iter().enumerate().par_bridge().map(|(order, at)| (order, open(at)));
        let mut opened: Vec<_> = opened.collect();
        opened.sort_by_key(|(order, _)| *order);
        opened.into_iter().map(|(_, plan)| plan).collect()
    } else {
        places.par_iter().map(open).collect()
    };
    let mut plans = Vec::with_capacity(opened.len());
    let mut failed = None;
    for (at, plan) in places.iter().zip(opened) {
        match plan {
            Ok(plan) => plans.push(plan),
            Err(error) if failed.is_none() => failed = Some((*at, error)),
            Err(_) => {}
        }
    }
    let lengths = small.iter().filter_map(|at| inputs.get(*at)).map(|input| input.object.len());
    progress.begin(Phase::Sum, plans.iter().map(needed_bytes).sum::<u64>() + lengths.sum::<u64>());
    let mut scan = Scan::new(job, &plans, options, progress, start, spare);
    scan.places = &places;
    // Where a larger file cannot be opened, only a smaller one before it can be the first error.
    if let Some((at, error)) = failed {
        scan.fail_at((at as u64) << 32, 0, error);
    }
    let one = |buffer: &mut Vec<u8>, at: &usize| {
        if let Some(input) = inputs.get(*at) {
            scan.small_file(*at, input, buffer);
        }
    };
    if parallel {
        small.par_iter().for_each_init(Vec::new, one);
    } else {
        let mut buffer = Vec::new();
        small.iter().for_each(|at| one(&mut buffer, at));
    }
    scan.check_types()?;
    scan.finish(parallel)
}

impl<'s> Scan<'s> {
    /// Reads, opens and sums a small file.
    fn small_file(&self, at: usize, input: &'s Input, buffer: &mut Vec<u8>) {
        let order = (at as u64) << 32;
        if self.is_late(order) {
            return;
        }
        if let Err(error) = self.read_small(at, input, buffer) {
            self.fail_at(order, 0, error);
        }
    }

    fn read_small(&self, at: usize, input: &'s Input, buffer: &mut Vec<u8>) -> Result<()> {
        input.object.read_whole(buffer)?;
        let object = BorrowedObject::new(input.object.name(), buffer);
        let plan = FilePlan::open_in(self.job, input, &object)?;
        for row_range in row_ranges(at, &plan) {
            // The buffer holds all of it: nothing is to be given back.
            self.scan_row_group(row_range, false);
        }
        let typed = Typed { name: input.object.name(), value_type: plan.value_type, rows: plan.meta.rows };
        let bytes = input.object.len();
        self.progress.advance(bytes.saturating_sub(needed_bytes(&plan)));
        lock(&self.small).push(Done { at, typed, bytes, footer_bytes: plan.meta.footer_bytes });
        Ok(())
    }

    /// Holds the value types of all files against the first one's; an earlier
    /// failure comes first.
    fn check_types(&self) -> Result<()> {
        let large = self.plans.iter().zip(self.places).map(|(plan, at)| (*at, Typed::of(plan)));
        let mut typed: Vec<(usize, Typed<'_>)> = large.collect();
        typed.extend(lock(&self.small).iter().map(|done| (done.at, done.typed)));
        typed.sort_by_key(|(at, _)| *at);
        let in_time = typed.iter().take_while(|(at, _)| !self.is_late((*at as u64) << 32));
        same_types(in_time.map(|(_, typed)| typed))
    }
}
