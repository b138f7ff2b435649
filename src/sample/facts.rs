//! The fact table of a warehouse: a row for each day, country, operating system and network with
//! installs. It has no totals and no week label.
//!
//! A country-day has `android` rows, then `ios` rows, each for a prefix of the week's order of networks.

#![allow(clippy::indexing_slicing)] // all indices come from tables of the facts, not from input

use super::cube::{START, last_where, mix, to_u16};
use super::names::{self, Channel};
use super::table::{Column, Field, Kind, Table, put_text};
use crate::calendar;

const COUNTRIES_MAX: u64 = 240;
const NETWORKS: u64 = 26;
/// Rows of 240 countries with 26 networks over six years.
const ROWS_OF_SIX_YEARS: u64 = 20_000_000;
/// Rows of a country-day: at least one for each system.
const LEAST: u64 = 2;
/// Networks that come first in every week.
const LEADERS: usize = 4;
const SYSTEMS: [&str; 2] = ["android", "ios"];

/// One row of the fact table; days count from the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fact {
    pub(super) day: u16,
    /// Index in order of size.
    pub(super) country: u16,
    pub(super) system: u8,
    pub(super) network: u16,
    pub(super) installs: u32,
}

/// Seeded dimensions and the index of every row.
pub(super) struct Facts {
    seed: u64,
    rows: u64,
    /// In order of code, with rank.
    countries: Vec<names::Country>,
    networks: Vec<Channel>,
    /// Index of the first row by day, then country.
    starts: Vec<u64>,
}

impl Facts {
    pub(super) fn new(rows: u64, seed: u64) -> Self {
        let count = (rows / 340).isqrt().saturating_sub(2).clamp(3, COUNTRIES_MAX);
        let networks = NETWORKS * rows.max(ROWS_OF_SIX_YEARS) / ROWS_OF_SIX_YEARS;
        let countries = names::countries(count).into_iter().filter(|c| c.rank.is_some()).collect();
        let networks = names::channels(networks);
        let mut facts = Facts { seed: mix(seed ^ 0xfac7), rows, countries, networks, starts: vec![] };
        let (mut filled, mut day) = (0, 0);
        while filled < rows {
            let mut day_rows: Vec<u64> = (0..facts.countries.len()).map(|c| facts.rows_of(day, c)).collect();
            let (left, least) = (rows - filled, LEAST * day_rows.len() as u64);
            // The last day has the rows that are left, in every country.
            if day_rows.iter().sum::<u64>() + least > left {
                let (count, mut rest) = (day_rows.len() as u64, left);
                for (rows, others) in day_rows.iter_mut().zip((1..=count).rev()) {
                    *rows = rest.div_ceil(others);
                    rest -= *rows;
                }
            }
            for rows in day_rows {
                facts.starts.push(filled);
                filled += rows;
            }
            day += 1;
        }
        facts
    }

    fn hash(&self, what: u64, a: u64, b: u64) -> u64 {
        mix(self.seed ^ mix(what ^ (a << 8) ^ (b << 32)))
    }

    /// Rows of a country-day; large countries have more networks.
    fn rows_of(&self, day: u64, country: usize) -> u64 {
        let (rank, count) = (self.countries[country].rank.unwrap_or(0), self.countries.len() as u64);
        let h = self.hash(1, day, country as u64);
        let most = 2 * self.networks.len() as u64;
        let usual = most * (900 - 400 * rank / count) / 1_000;
        let swing = 1 + usual / 6;
        (usual + (h >> 32) % (2 * swing)).saturating_sub(swing).clamp(LEAST, most)
    }

    /// The network at a position of the week's order.
    fn network(&self, week: u64, position: usize) -> usize {
        if position < LEADERS {
            return position;
        }
        let tail = self.networks.len() - LEADERS;
        let step = usize::try_from(self.hash(3, week, 0) % tail as u64).unwrap_or(0);
        LEADERS + (position - LEADERS + step) % tail
    }

    /// Installs: at least one, mostly few, rarely many.
    fn installs(&self, day: u64, country: usize, system: usize, network: usize) -> u32 {
        let rank = self.countries[country].rank.unwrap_or(0);
        let size = 1_024 * 40 * (1 + self.countries.len() as u64 / 16) / (1 + rank);
        let popular = 4 + 3 * (network * network) as u64;
        let taste = 25 + self.hash(4, country as u64, network as u64) % 150;
        let season = 75 + self.hash(5, day / 7, network as u64) % 50;
        let mean_1024 = (4 * size / popular * taste / 100 * season / 100).max(200);
        let key = (day << 40) | ((network as u64) << 16) | ((country as u64) << 4) | system as u64;
        let uniform = self.hash(6, key, 0) >> 48;
        let square = (uniform * uniform) >> 16;
        let fourth = (square * square) >> 16;
        u32::try_from(1 + ((5 * mean_1024 * fourth) >> 26)).unwrap_or(u32::MAX)
    }

    /// Days since 1970-01-01 of a day of the table.
    pub(super) fn date(day: u16) -> i32 {
        calendar::day_of(START) + i32::from(day)
    }
}

impl Table for Facts {
    type Row = Fact;

    fn rows(&self) -> u64 {
        self.rows
    }

    fn row(&self, index: u64) -> Fact {
        // Of country-days that start at the same row, only the last one has rows.
        let cell = last_where(self.starts.len(), |c| self.starts[c] <= index);
        let end = self.starts.get(cell + 1).copied().unwrap_or(self.rows);
        let (day, country) = (cell / self.countries.len(), cell % self.countries.len());
        let android = (end - self.starts[cell]).div_ceil(2);
        let at = index - self.starts[cell];
        let (system, position) = if at < android { (0, at) } else { (1, at - android) };
        let network = self.network(day as u64 / 7, usize::try_from(position).unwrap_or(0));
        Fact {
            day: to_u16(day),
            country: to_u16(country),
            system: if system == 0 { 0 } else { 1 },
            network: to_u16(network),
            installs: self.installs(day as u64, country, system, network),
        }
    }
}

/// The columns of the fact table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FactColumn {
    Day,
    Country,
    Os,
    Network,
    Installs,
}

impl FactColumn {
    /// In the order of the file.
    pub(super) const ALL: [FactColumn; 5] =
        [FactColumn::Day, FactColumn::Country, FactColumn::Os, FactColumn::Network, FactColumn::Installs];
}

impl Column for FactColumn {
    type Table = Facts;

    fn field(self) -> Field {
        let (name, kind) = match self {
            FactColumn::Day => ("day", Kind::Date),
            FactColumn::Country => ("country", Kind::Text),
            FactColumn::Os => ("os", Kind::Text),
            FactColumn::Network => ("network", Kind::Text),
            FactColumn::Installs => ("installs", Kind::Int64),
        };
        Field::dictionary(name, kind)
    }

    fn code(self, _: &Facts, fact: &Fact) -> Option<u64> {
        Some(match self {
            FactColumn::Day => fact.day.into(),
            FactColumn::Country => fact.country.into(),
            FactColumn::Os => fact.system.into(),
            FactColumn::Network => fact.network.into(),
            FactColumn::Installs => fact.installs.into(),
        })
    }

    #[allow(clippy::cast_possible_truncation)] // codes come from the same table
    fn put(self, facts: &Facts, code: u64, out: &mut Vec<u8>) {
        let at = code as usize;
        match self {
            FactColumn::Day => out.extend(Facts::date(code as u16).to_le_bytes()),
            FactColumn::Country => put_text(facts.countries[at].code, out),
            FactColumn::Os => put_text(SYSTEMS[at], out),
            FactColumn::Network => put_text(&facts.networks[at].name, out),
            FactColumn::Installs => out.extend(code.to_le_bytes()),
        }
    }
}
