//! The axes of a cube: the meaning of its ids.

use std::collections::HashMap;
use std::ops::Range;

use super::NO_ID;
use crate::Job;
use crate::checks::raw::counts::{self, Counts, Names as Keys};
use crate::checks::raw::rules::Flaw;
use crate::dataset::OpenFile;
use crate::ids::values::Number;
use crate::table::cell::iso_date;

/// Steps of one, where values are fractional.
pub(super) const STEPS: f64 = (1 << 20) as f64;
/// The largest value in the sums: 2^26 rows of it do not overflow them.
const STEP_MAX: i128 = 1 << 100;

/// The meaning of the ids of a cube's cells.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(into = "Stored", from = "Stored")]
pub struct Axes {
    pub(super) days: Vec<i32>,
    pub(super) day_ids: HashMap<i32, u32>,
    pub(super) countries: Names,
    pub(super) systems: Names,
    pub(super) channels: Names,
    pub(super) organic: Vec<bool>,
    pub(super) rounded: bool,
    country_total: String,
    os_total: String,
}

/// Days, names by axis, whether each channel is organic, whether values are rounded, and the names of the totals.
type Stored = (Vec<i32>, [Vec<Box<[u8]>>; 3], Vec<bool>, bool, [String; 2]);

impl From<Axes> for Stored {
    fn from(axes: Axes) -> Self {
        let names = [axes.countries.names, axes.systems.names, axes.channels.names];
        (axes.days, names, axes.organic, axes.rounded, [axes.country_total, axes.os_total])
    }
}

impl From<Stored> for Axes {
    fn from((days, names, organic, rounded, totals): Stored) -> Self {
        let [countries, systems, channels] = names;
        let [country_total, os_total] = totals;
        Axes {
            day_ids: days.iter().copied().zip(0..).collect(),
            days,
            countries: Names::new(countries, country_total.as_bytes()),
            systems: Names::new(systems, os_total.as_bytes()),
            channels: Names::new(channels, b""),
            organic,
            rounded,
            country_total,
            os_total,
        }
    }
}

impl Clone for Axes {
    fn clone(&self) -> Self {
        let names = [&self.countries, &self.systems, &self.channels].map(|names| names.names.clone());
        let totals = [self.country_total.clone(), self.os_total.clone()];
        Axes::from((self.days.clone(), names, self.organic.clone(), self.rounded, totals))
    }
}

/// Names with ids in order of their bytes.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) names: Vec<Box<[u8]>>,
    ids: HashMap<Box<[u8]>, u32>,
    pub(super) total: u32,
}

impl Names {
    fn new(names: Vec<Box<[u8]>>, total: &[u8]) -> Self {
        let ids: HashMap<Box<[u8]>, u32> = names.iter().cloned().zip(0..).collect();
        let total = ids.get(total).copied().unwrap_or(NO_ID);
        Names { names, ids, total }
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn id(&self, raw: Option<&[u8]>) -> u32 {
        raw.and_then(|raw| self.ids.get(raw)).copied().unwrap_or(NO_ID)
    }

    pub(super) fn show(&self, id: usize) -> String {
        self.names.get(id).map(|name| String::from_utf8_lossy(name).into_owned()).unwrap_or_default()
    }

    /// Whether there is a total, and something else that it can be the total of.
    pub(super) fn has_parts(&self) -> bool {
        self.total != NO_ID && self.len() > 1
    }
}

impl Axes {
    /// The axes of rows that have these values.
    pub(in crate::checks::raw) fn new(job: &Job, files: &[OpenFile<'_>], counts: &Counts) -> Self {
        let names = |keys: &Keys| -> Vec<Box<[u8]>> { keys.iter().flatten().cloned().collect() };
        let channels = names(&counts.channels);
        let organic = channels.iter().map(|n| job.organic().iter().any(|o| o.as_bytes() == &**n)).collect();
        // Fractions of decimals are whole numbers of their last digit.
        let rounded = counts.objections.values.of(Flaw::Fractional) > 0
            && files.iter().any(|file| counts::unit(file) == 1);
        let totals = [job.country_total(), job.os_total()].map(str::to_owned);
        let names = [names(&counts.countries), names(&counts.systems), channels];
        Axes::from((counts.days(), names, organic, rounded, totals))
    }

    /// Ranges of so many days; without any day there is one, for the rows without a day.
    pub fn ranges(&self, length: usize) -> usize {
        self.days.len().div_ceil(length.max(1)).max(1)
    }

    /// The days of a range.
    pub fn range(&self, number: u32, length: usize) -> Range<usize> {
        let start = usize::try_from(number).map_or(usize::MAX, |number| number.saturating_mul(length));
        start.min(self.days.len())..start.saturating_add(length).min(self.days.len())
    }

    /// Whether the rows of a system are in the sums: those of the total, or all where there is none.
    pub(super) fn answers(&self, system: u32) -> bool {
        self.systems.total == NO_ID || system == self.systems.total
    }

    /// The value of a number in the sums; of a damaged one, at most [`STEP_MAX`].
    pub(super) fn step(&self, number: Number) -> i128 {
        let step = match number {
            Number::Small(v) if self.rounded => i128::from(v) << 20,
            Number::Small(v) => v.into(),
            Number::Big(v) if self.rounded => v.saturating_mul(1 << 20),
            Number::Big(v) => v,
            #[allow(clippy::cast_possible_truncation)] // saturates
            Number::Real(v) => (v * STEPS).round() as i128,
            Number::Nan | Number::Infinite(_) | Number::Null => 0,
        };
        step.clamp(-STEP_MAX, STEP_MAX)
    }

    /// A key as text.
    pub(super) fn key(
        &self,
        day: usize,
        country: Option<usize>,
        system: Option<usize>,
        channel: usize,
    ) -> String {
        let day = self.days.get(day).map_or_else(String::new, |day| iso_date(*day));
        let country = country.map_or_else(|| self.country_total.clone(), |id| self.countries.show(id));
        let system = system.map_or_else(|| self.os_total.clone(), |id| self.systems.show(id));
        format!("{day} {country} {system} '{}'", self.channels.show(channel))
    }
}
