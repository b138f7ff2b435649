//! The rows as a cube: day x country x channel x system.
//!
//! ```text
//! seen[day, country, channel, system]     one bit: did the key occur before?
//! systems[day, country, channel]          total minus parts, 0 where they agree
//! countries[day, system, channel]         likewise
//! users[day, country, organic or not]     sums of the total over systems
//! ```
//!
//! - [`axes`]: the meaning of the ids.
//! - [`dense`]: every worker has arrays of all days and takes row ranges in any order. It declines if a key repeats.
//! - [`exact`]: used where a key repeats, or the arrays do not fit in memory, or the rows are on several machines. Days
//!   are cut into chunks, and a chunk reads the row ranges that have its days. Chunks of the same days are merged.
//!
//! Differences are kept modulo 2^64: that is exact for integers unless a total is off by a multiple of it. Fractional
//! values are taken in steps of 2^-20, and compared to the nearest thousandth.

pub mod axes;
mod dense;
pub mod exact;

use rayon::prelude::*;

use self::axes::{Axes, Names, STEPS};
use self::exact::Chunk;
use super::counts::Counts;
use super::passes::Passes;
use super::{RemoteRows, RowRange, Thoroughness};
use crate::checks::model::VIOLATIONS;
use crate::checks::totals::nearest;
use crate::dataset::{OpenFile, Role};
use crate::kernel::large_pages;
use crate::{Error, Job, Result};

/// Largest size of the arrays of one chunk that has more than a day, in bytes.
const CHUNK_BYTES: usize = 64 << 20;
/// Largest size of the arrays of a day, in bytes.
const DAY_BYTES: usize = 256 << 20;
/// No id: null, or a day of another chunk.
const NO_ID: u32 = u32::MAX;
/// A date that is null or invalid.
const NO_DAY: u32 = u32::MAX - 1;
/// The tolerance for sums of fractional values: a thousandth.
const TOLERANCE: u64 = 1 << 10;

/// How often a rule is broken.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Tally {
    /// Number of violations.
    pub count: u64,
    /// Number of keys or totals examined.
    pub n: u64,
    /// The first violations, in order.
    pub offenders: Vec<String>,
}

/// Totals that differ from the sum of their parts.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Totals {
    /// Their number.
    pub tally: Tally,
    /// Of those, totals that are larger than their parts.
    pub larger: u64,
}

impl Totals {
    fn add(&mut self, other: Totals) {
        self.tally.add(other.tally);
        self.larger += other.larger;
    }
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.count += other.count;
        self.n += other.n;
        let room = VIOLATIONS.saturating_sub(self.offenders.len());
        self.offenders.extend(other.offenders.into_iter().take(room));
    }
}

/// Results of the cube pass.
#[derive(Debug, Clone, Default)]
pub struct Cube {
    /// Days with rows, in order.
    pub days: Vec<i32>,
    /// Countries, the total among them, in order of their bytes.
    pub countries: Vec<String>,
    /// Channels, in order of their bytes.
    pub channels: Vec<String>,
    /// Rows, `day * countries + country`.
    pub rows: Vec<u64>,
    /// Paid and organic users of the total over systems, or of all where there is none, likewise; in [`Cube::steps`].
    pub users: Vec<[i128; 2]>,
    /// The same of rows without a day, by country.
    pub undated: Vec<[i128; 2]>,
    /// Users of the total over systems in countries, `day * channels + channel`.
    pub channel_users: Vec<i128>,
    /// The value of one user in the sums.
    pub steps: i128,
    /// Whether sums are rounded.
    pub rounded: bool,
    /// Keys that repeat.
    pub duplicates: Tally,
    /// Totals over systems; `None` where there is no total, or nothing but totals.
    pub systems: Option<Totals>,
    /// Totals over countries; `None` where there is no total, or nothing but totals.
    pub country_totals: Option<Totals>,
}

impl Cube {
    /// A sum as users.
    pub fn in_users(&self, sum: i128) -> f64 {
        nearest(sum) / nearest(self.steps.max(1))
    }

    /// Reads the keys and values of all rows.
    ///
    /// # Errors
    /// `TooLarge` where a single day has too many keys.
    pub(crate) fn fill(
        job: &Job,
        files: &[OpenFile<'_>],
        row_ranges: &[RowRange],
        counts: &Counts,
        thoroughness: Thoroughness,
        passes: &Passes<'_>,
    ) -> Result<Cube> {
        let axes = Axes::new(job, files, counts);
        let per_day = axes.bytes_per_day()?;
        if thoroughness == Thoroughness::Dictionaries
            && let Some(parts) = dense::fill(&axes, files, row_ranges, passes)?
        {
            return Ok(Cube::gather(axes, parts, files));
        }
        let share = axes.days.len().div_ceil(rayon::current_num_threads().max(1));
        let length = share.min(CHUNK_BYTES / per_day.max(1)).max(1);
        // Without any day there is still one chunk, for the rows without a day.
        let starts: Vec<usize> = (0..axes.days.len().max(1)).step_by(length).collect();
        let parts: Vec<CellSum> = starts
            .into_par_iter()
            .with_max_len(1)
            .map(|start| {
                let days = start..axes.days.len().min(start + length);
                Ok(Chunk::fill(&axes, files, row_ranges, days, passes)?.judge(&axes))
            })
            .collect::<Result<_>>()?;
        Ok(Cube::gather(axes, parts, files))
    }

    /// The cube of rows that are read elsewhere.
    ///
    /// # Errors
    /// `TooLarge` where a single day has too many keys; those of reading rows.
    pub(crate) fn of_remote(
        job: &Job,
        files: &[OpenFile<'_>],
        counts: &Counts,
        remote: &dyn RemoteRows,
    ) -> Result<Cube> {
        let axes = Axes::new(job, files, counts);
        axes.bytes_per_day()?;
        let parts = remote.days(&axes)?;
        Ok(Cube::gather(axes, parts, files))
    }

    /// The results of all days together; `parts` are those of some days each, in their order.
    fn gather(axes: Axes, parts: Vec<CellSum>, files: &[OpenFile<'_>]) -> Cube {
        let show = |names: &Names| (0..names.len()).map(|id| names.show(id)).collect();
        let mut cube = Cube {
            countries: show(&axes.countries),
            channels: show(&axes.channels),
            undated: vec![[0; 2]; axes.countries.len()],
            steps: if axes.rounded { 1 << 20 } else { files.first().map_or(1, super::counts::unit) },
            rounded: axes.rounded,
            systems: axes.systems.has_parts().then(Totals::default),
            country_totals: axes.countries.has_parts().then(Totals::default),
            days: axes.days,
            ..Cube::default()
        };
        cube.rows.reserve_exact(parts.iter().map(|part| part.rows.len()).sum());
        cube.users = large_pages::prefer(Vec::with_capacity(parts.iter().map(|part| part.users.len()).sum()));
        cube.channel_users.reserve_exact(parts.iter().map(|part| part.channel_users.len()).sum());
        for part in parts {
            cube.rows.extend(part.rows);
            cube.users.extend(part.users);
            cube.channel_users.extend(part.channel_users);
            for (to, from) in cube.undated.iter_mut().zip(part.undated) {
                to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
            }
            cube.duplicates.add(part.duplicates);
            for (to, from) in
                [(&mut cube.systems, part.systems), (&mut cube.country_totals, part.country_totals)]
            {
                if let Some(to) = to {
                    to.add(from);
                }
            }
        }
        cube
    }
}

/// The columns that the pass reads.
pub(super) const KEYS: [Role; 5] = [Role::Date, Role::Country, Role::System, Role::Channel, Role::Value];

/// Results of some days.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct CellSum {
    rows: Vec<u64>,
    users: Vec<[i128; 2]>,
    undated: Vec<[i128; 2]>,
    channel_users: Vec<i128>,
    duplicates: Tally,
    systems: Totals,
    country_totals: Totals,
}

impl CellSum {
    fn new(axes: &Axes, days: usize) -> Self {
        let (c, n) = (axes.countries.len(), axes.channels.len());
        CellSum {
            rows: vec![0; days * c],
            users: vec![[0; 2]; days * c],
            undated: vec![[0; 2]; c],
            channel_users: vec![0; days * n],
            duplicates: Tally::default(),
            systems: Totals::default(),
            country_totals: Totals::default(),
        }
    }
}

impl Axes {
    /// Bytes of the arrays of a day.
    ///
    /// # Errors
    /// `TooLarge` where they are too many.
    pub fn bytes_per_day(&self) -> Result<usize> {
        let keys = self.countries.len().saturating_mul(self.channels.len());
        let totals = self.systems.len().saturating_mul(self.channels.len()).saturating_mul(16);
        let bytes = keys.saturating_mul(8 + self.systems.len().div_ceil(8)).saturating_add(totals);
        if bytes <= DAY_BYTES {
            return Ok(bytes);
        }
        Err(Error::too_large(format!(
            "{} countries x {} systems x {} channels a day",
            self.countries.len(),
            self.systems.len(),
            self.channels.len()
        ))
        .expected(format!("at most {DAY_BYTES} bytes of sums a day")))
    }
}

impl Totals {
    fn matches(&mut self, difference: i64, tolerance: u64, axes: &Axes, name: impl Fn() -> String) {
        self.tally.n += 1;
        if difference.unsigned_abs() <= tolerance {
            return;
        }
        self.tally.count += 1;
        self.larger += u64::from(difference > 0);
        if self.tally.offenders.len() < VIOLATIONS {
            #[allow(clippy::cast_precision_loss)] // for display
            let by = difference as f64 / if axes.rounded { STEPS } else { 1.0 };
            let text = format!("{}: total minus parts is {by}", name());
            self.tally.offenders.push(text);
        }
    }
}
