//! The rows as a cube: day x country x channel x system.
//!
//! ```text
//! seen[day, country, channel, system]     one bit: did the key occur before?
//! systems[day, country, channel]          total minus parts, 0 where they agree
//! countries[day, system, channel]         likewise
//! users[day, country, organic or not]     sums of the total over systems
//! ```
//!
//! - [`dense`]: every worker has arrays of all days and takes row ranges in any order. It finds that a key repeats, but
//!   not in which row.
//! - [`exact`]: used where a key repeats or the arrays do not fit in memory. Days are cut into chunks, and a chunk
//!   reads the row ranges that have its days.
//!
//! Differences are kept modulo 2^64: that is exact for integers unless a total is off by a multiple of it. Fractional
//! values are taken in steps of 2^-20, and compared to the nearest thousandth.

mod dense;
mod exact;

use std::collections::HashMap;

use rayon::prelude::*;

use super::counts::{Counts, Names as Keys};
use super::passes::Passes;
use super::rules::Flaw;
use super::{RowRange, Thoroughness};
use crate::checks::model::{VIOLATIONS, Violation};
use crate::dataset::{OpenFile, Role};
use crate::ids::values::Number;
use crate::table::cell::iso_date;
use crate::{Error, Job, Result};

/// Largest size of the arrays of one chunk that has more than a day, in bytes.
const CHUNK_BYTES: usize = 64 << 20;
/// Largest size of the arrays of a day, in bytes.
const DAY_BYTES: usize = 256 << 20;
/// No id: null, or a day of another chunk.
const NO_ID: u32 = u32::MAX;
/// A date that is null or invalid.
const NO_DAY: u32 = u32::MAX - 1;
/// Steps of one, where values are fractional.
const STEPS: f64 = (1 << 20) as f64;
/// The tolerance for sums of fractional values: a thousandth.
const TOLERANCE: u64 = 1 << 10;

/// How often a rule is broken.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// Number of violations.
    pub count: u64,
    /// Number of keys or totals examined.
    pub n: u64,
    /// The first violations, in order.
    pub offenders: Vec<Violation>,
}

/// Totals that differ from the sum of their parts.
#[derive(Debug, Clone, Default, PartialEq)]
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

/// The meaning of the ids.
struct Axes<'a> {
    job: &'a Job,
    days: Vec<i32>,
    day_ids: HashMap<i32, u32>,
    countries: Names,
    systems: Names,
    channels: Names,
    organic: Vec<bool>,
    rounded: bool,
}

/// Names with ids in order of their bytes.
struct Names {
    names: Vec<Box<[u8]>>,
    ids: HashMap<Box<[u8]>, u32>,
    total: u32,
}

impl Names {
    fn new(keys: &Keys, total: &[u8]) -> Self {
        let names: Vec<Box<[u8]>> = keys.iter().flatten().cloned().collect();
        let ids: HashMap<Box<[u8]>, u32> = names.iter().cloned().zip(0..).collect();
        let total = ids.get(total).copied().unwrap_or(NO_ID);
        Names { names, ids, total }
    }

    fn len(&self) -> usize {
        self.names.len()
    }

    fn id(&self, raw: Option<&[u8]>) -> u32 {
        raw.and_then(|raw| self.ids.get(raw)).copied().unwrap_or(NO_ID)
    }

    fn show(&self, id: usize) -> String {
        self.names.get(id).map(|name| String::from_utf8_lossy(name).into_owned()).unwrap_or_default()
    }

    /// Whether there is a total, and something else that it can be the total of.
    fn has_parts(&self) -> bool {
        self.total != NO_ID && self.len() > 1
    }
}

impl Cube {
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
        let days = counts.days();
        let channels = Names::new(&counts.channels, b"");
        let axes = Axes {
            job,
            day_ids: days.iter().copied().zip(0..).collect(),
            countries: Names::new(&counts.countries, job.country_total().as_bytes()),
            systems: Names::new(&counts.systems, job.os_total().as_bytes()),
            organic: channels
                .names
                .iter()
                .map(|n| job.organic().iter().any(|o| o.as_bytes() == &**n))
                .collect(),
            channels,
            // Fractions of decimals are whole numbers of their last digit.
            rounded: counts.objections.values.of(Flaw::Fractional) > 0
                && files.iter().any(|f| super::counts::unit(f) == 1),
            days,
        };
        let per_day = axes.bytes_per_day();
        if per_day > DAY_BYTES {
            return Err(Error::too_large(format!(
                "{} countries x {} systems x {} channels a day",
                axes.countries.len(),
                axes.systems.len(),
                axes.channels.len()
            ))
            .expected(format!("at most {DAY_BYTES} bytes of sums a day")));
        }
        if thoroughness == Thoroughness::Dictionaries
            && let Some(parts) = dense::fill(&axes, files, row_ranges, passes)?
        {
            return Ok(axes.gather(parts, files));
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
                exact::Chunk::fill(&axes, files, row_ranges, days, passes)
            })
            .collect::<Result<_>>()?;
        Ok(axes.gather(parts, files))
    }
}

/// The columns that the pass reads.
pub(super) const KEYS: [Role; 5] = [Role::Date, Role::Country, Role::System, Role::Channel, Role::Value];

/// Results of some days.
struct CellSum {
    rows: Vec<u64>,
    users: Vec<[i128; 2]>,
    undated: Vec<[i128; 2]>,
    channel_users: Vec<i128>,
    duplicates: Tally,
    /// With the position of the row, to sort by.
    first_duplicates: Vec<((usize, u64), Violation)>,
    systems: Totals,
    country_totals: Totals,
}

impl CellSum {
    fn new(axes: &Axes<'_>, days: usize) -> Self {
        let (c, n) = (axes.countries.len(), axes.channels.len());
        CellSum {
            rows: vec![0; days * c],
            users: vec![[0; 2]; days * c],
            undated: vec![[0; 2]; c],
            channel_users: vec![0; days * n],
            duplicates: Tally::default(),
            first_duplicates: Vec::new(),
            systems: Totals::default(),
            country_totals: Totals::default(),
        }
    }
}

impl Axes<'_> {
    /// Whether the rows of a system are in the sums: those of the total, or all where there is none.
    fn answers(&self, system: u32) -> bool {
        self.systems.total == NO_ID || system == self.systems.total
    }

    fn bytes_per_day(&self) -> usize {
        let keys = self.countries.len().saturating_mul(self.channels.len());
        let totals = self.systems.len().saturating_mul(self.channels.len()).saturating_mul(16);
        keys.saturating_mul(8 + self.systems.len().div_ceil(8)).saturating_add(totals)
    }

    fn gather(self, parts: Vec<CellSum>, files: &[OpenFile<'_>]) -> Cube {
        let show = |names: &Names| (0..names.len()).map(|id| names.show(id)).collect();
        let mut cube = Cube {
            countries: show(&self.countries),
            channels: show(&self.channels),
            undated: vec![[0; 2]; self.countries.len()],
            steps: if self.rounded { 1 << 20 } else { files.first().map_or(1, super::counts::unit) },
            rounded: self.rounded,
            systems: self.systems.has_parts().then(Totals::default),
            country_totals: self.countries.has_parts().then(Totals::default),
            days: self.days,
            ..Cube::default()
        };
        let mut duplicates = Vec::new();
        for part in parts {
            cube.rows.extend(part.rows);
            cube.users.extend(part.users);
            cube.channel_users.extend(part.channel_users);
            for (to, from) in cube.undated.iter_mut().zip(part.undated) {
                to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
            }
            cube.duplicates.add(part.duplicates);
            duplicates.extend(part.first_duplicates);
            for (to, from) in
                [(&mut cube.systems, part.systems), (&mut cube.country_totals, part.country_totals)]
            {
                if let Some(to) = to {
                    to.add(from);
                }
            }
        }
        // Each chunk has its first violations in row order, so these are the first of all.
        duplicates.sort_by_key(|(order, _)| *order);
        cube.duplicates.offenders = duplicates.into_iter().take(VIOLATIONS).map(|(_, o)| o).collect();
        cube
    }

    fn step(&self, number: Number) -> i128 {
        match number {
            Number::Small(v) if self.rounded => i128::from(v) << 20,
            Number::Small(v) => v.into(),
            Number::Big(v) if self.rounded => v.saturating_mul(1 << 20),
            Number::Big(v) => v,
            // No sum of users comes near saturation.
            #[allow(clippy::cast_possible_truncation)]
            Number::Real(v) => (v * STEPS).round() as i128,
            Number::Nan | Number::Infinite(_) | Number::Null => 0,
        }
    }
}

impl Totals {
    fn matches(&mut self, difference: i64, tolerance: u64, axes: &Axes<'_>, name: impl Fn() -> String) {
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
            self.tally.offenders.push(Violation::key(text));
        }
    }
}

impl Axes<'_> {
    fn key(&self, day: usize, country: Option<usize>, system: Option<usize>, channel: usize) -> String {
        let day = self.days.get(day).map_or_else(String::new, |day| iso_date(*day));
        let country =
            country.map_or_else(|| self.job.country_total().to_owned(), |id| self.countries.show(id));
        let system = system.map_or_else(|| self.job.os_total().to_owned(), |id| self.systems.show(id));
        format!("{day} {country} {system} '{}'", self.channels.show(channel).escape_debug())
    }
}
