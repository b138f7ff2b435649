//! The data of the sample: every row is a pure function of seed and index, so totals need no state and
//! rows can be written in any order.
//!
//! A day has rows for its countries, each with `alive` channels (a prefix of the day's order of
//! channels). A country-day has, in this order, `all` rows for the alive channels and a few idle ones
//! (always 0), and `android` rows and `ios` rows for the alive channels of that system.

#![allow(clippy::indexing_slicing)] // all indices come from tables of the cube, not from input

use std::ops::Range;

use super::names::{self, Channel};
use crate::calendar;

pub(super) const ALL: u8 = 0;
pub(super) const ANDROID: u8 = 1;
pub(super) const IOS: u8 = 2;
pub(super) const SYSTEMS: [&str; 3] = ["all", "android", "ios"];

/// Monday of 2020_44, nine weeks before the end of a 53-week year.
pub(super) const START: calendar::Date = calendar::Date { year: 2020, month: 10, day: 26 };
const COUNTRIES_MAX: u64 = 240;
const CHANNELS: u64 = 26;
/// Rows of 240 countries with 26 channels over four years.
const ROWS_OF_FOUR_YEARS: u64 = 20_000_000;
/// Number of orders of the channels.
const ORDERS: usize = 8;
/// The mean number of users of a row, times 1024, from which on draws are steady.
const STEADY: u64 = 4 << 10;
/// Channels that come first in every order.
const LEADERS: usize = 4;

/// One row of the sample; days count from the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) day: u16,
    pub(super) country: u16,
    pub(super) system: u8,
    pub(super) channel: u16,
    pub(super) value: u32,
}

/// The rows of one country on one day.
#[derive(Clone, Copy, Default)]
struct Cell {
    /// Index of the first row.
    start: u64,
    /// Channels with rows per system.
    alive: u16,
    /// Further channels that have only an `all` row of 0.
    idle: u8,
}

/// The order in which the countries of a day use the channels.
struct Order {
    channels: Vec<u16>,
    android: Vec<u16>,
    ios: Vec<u16>,
    /// Android and ios channels among the first n.
    before: Vec<(u16, u16)>,
    /// Position of a channel in the order.
    position: Vec<u16>,
}

impl Order {
    fn new(channels: &[Channel], rotation: usize) -> Self {
        let tail = channels.len() - LEADERS;
        let step = rotation * tail / ORDERS;
        let at = |p: usize| if p < LEADERS { p } else { LEADERS + (p - LEADERS + step) % tail };
        let mut order = Order {
            channels: (0..channels.len()).map(|p| to_u16(at(p))).collect(),
            android: vec![],
            ios: vec![],
            before: vec![(0, 0)],
            position: vec![0; channels.len()],
        };
        for (p, &c) in order.channels.iter().enumerate() {
            order.position[usize::from(c)] = to_u16(p);
            if channels[usize::from(c)].android {
                order.android.push(c);
            }
            if channels[usize::from(c)].ios {
                order.ios.push(c);
            }
            order.before.push((to_u16(order.android.len()), to_u16(order.ios.len())));
        }
        order
    }

    /// Changes the cells of a day so that they have exactly `rows` rows.
    fn fit(&self, cells: &mut [Cell], total: usize, rows: u64) {
        let count = |cells: &[Cell]| cells.iter().map(|cell| self.row_count(*cell)).sum::<u64>();
        // Fewer channels in one country after the other, the total last: it has every channel of its parts.
        let parts = (0..cells.len()).rev().filter(|at| *at != total).collect::<Vec<_>>();
        while count(cells) > rows {
            let before = count(cells);
            for at in parts.iter().copied().chain([total]) {
                let least = if at == total { most_alive(cells, total) } else { 1 };
                if count(cells) > rows && cells[at].idle > 0 {
                    cells[at].idle -= 1;
                } else if count(cells) > rows && cells[at].alive > least {
                    cells[at].alive -= 1;
                }
            }
            if count(cells) == before {
                break;
            }
        }
        // Fewer rows than a day of one channel has: the first countries alone.
        let mut left = rows;
        for cell in cells.iter_mut() {
            if self.row_count(*cell) > left {
                cell.alive = u16::from(left >= self.row_count(Cell { alive: 1, idle: 0, ..*cell }));
                cell.idle = 0;
                cell.idle = u8::try_from(left - self.row_count(*cell)).unwrap_or(u8::MAX);
            }
            left -= self.row_count(*cell);
        }
        // Rows that are left are channels without users, which have a row of the total over systems alone.
        while left > 0 {
            let before = left;
            for cell in cells.iter_mut().filter(|cell| cell.alive > 0) {
                let is_full = usize::from(cell.alive) + usize::from(cell.idle) >= self.channels.len();
                if left > 0 && !is_full {
                    cell.idle += 1;
                    left -= 1;
                }
            }
            if left == before {
                break;
            }
        }
    }

    fn row_count(&self, cell: Cell) -> u64 {
        let (android, ios) = self.before[usize::from(cell.alive)];
        u64::from(cell.alive) + u64::from(cell.idle) + u64::from(android) + u64::from(ios)
    }
}

/// Seeded dimensions and the index of every row.
pub(super) struct Cube {
    seed: u64,
    rows: u64,
    /// The total and the countries, by code.
    countries: Vec<names::Country>,
    total: usize,
    channels: Vec<Channel>,
    orders: Vec<Order>,
    /// Days with data.
    days: Vec<u16>,
    /// By day with data, then country.
    cells: Vec<Cell>,
}

pub(super) fn to_u16(n: usize) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

/// A good 64-bit mixer (the finaliser of splitmix64).
pub(super) fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Cube {
    pub(super) fn new(rows: u64, seed: u64) -> Self {
        let parts = (rows / 340).isqrt().saturating_sub(2).clamp(3, COUNTRIES_MAX);
        let channels = CHANNELS * rows.max(ROWS_OF_FOUR_YEARS) / ROWS_OF_FOUR_YEARS;
        let countries = names::countries(parts);
        let channels = names::channels(channels);
        let total = countries.iter().position(|c| c.rank.is_none()).unwrap_or(0);
        let orders = (0..ORDERS).map(|r| Order::new(&channels, r)).collect();
        let mut cube =
            Cube { seed: mix(seed), rows, countries, total, channels, orders, days: vec![], cells: vec![] };
        cube.fill_calendar();
        cube
    }

    /// Adds days until the rows are reached. The last day has as many channels as fit, in every country.
    fn fill_calendar(&mut self) {
        let mut filled = 0;
        let mut day = 0;
        while filled < self.rows {
            let first = self.cells.len();
            self.days.push(day);
            self.fill_day(u64::from(day));
            let order = &self.orders[self.order_of(day)];
            let cells = &mut self.cells[first..];
            let (left, least) = (self.rows - filled, 3 * cells.len() as u64);
            let rows: u64 = cells.iter().map(|cell| order.row_count(*cell)).sum();
            // Another day needs three rows a country.
            if rows + least > left && rows != left {
                order.fit(cells, self.total, left);
            }
            for cell in cells {
                cell.start = filled;
                filled += order.row_count(*cell);
            }
            day += 1;
        }
    }

    fn hash(&self, what: u64, a: u64, b: u64) -> u64 {
        mix(self.seed ^ mix(what ^ (a << 8) ^ (b << 32)))
    }

    fn fill_day(&mut self, day: u64) {
        let count = self.countries.len() as u64 - 1;
        let channels = self.channels.len() as u64;
        let fill = 150 + 750 * count / COUNTRIES_MAX;
        let first = self.cells.len();
        let mut most = 1;
        for country in 0..self.countries.len() {
            let mut cell = Cell::default();
            if let Some(rank) = self.countries[country].rank {
                let h = self.hash(4, day, country as u64);
                let usual = channels * fill * (1_250 - 500 * rank / count) / 1_000_000;
                let swing = 1 + usual / 4;
                let alive = (usual + (h >> 32) % (2 * swing)).saturating_sub(swing);
                cell.alive = u16::try_from(alive.clamp(1, channels - 4)).unwrap_or(1);
                cell.idle = u8::from((h >> 60) == 0);
            }
            most = most.max(cell.alive);
            self.cells.push(cell);
        }
        // The total has every channel of its parts.
        let alive = (u64::from(most) + channels / 6).min(channels - 2);
        self.cells[first + self.total] =
            Cell { alive: u16::try_from(alive).unwrap_or(most), idle: 1, start: 0 };
    }

    /// The order of channels changes by the week.
    fn order_of(&self, day: u16) -> usize {
        usize::try_from(self.hash(6, u64::from(day) / 7, 0) % ORDERS as u64).unwrap_or(0)
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn countries(&self) -> &[names::Country] {
        &self.countries
    }

    pub(super) fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// Days with data and the indices of their rows.
    pub(super) fn days(&self) -> Vec<(u16, Range<u64>)> {
        let starts = self.cells.chunks(self.countries.len()).map(|c| c[0].start);
        let ends = starts.clone().skip(1).chain([self.rows]);
        self.days.iter().zip(starts.zip(ends)).map(|(d, (start, end))| (*d, start..end)).collect()
    }

    /// Days since 1970-01-01 of a day of the sample.
    pub(super) fn date(&self, day: u16) -> i32 {
        calendar::day_of(START) + i32::from(day)
    }

    /// The date of a day as in hive partitions.
    pub(super) fn date_label(&self, day: u16) -> String {
        let date = calendar::date_of(self.date(day));
        format!("{:04}-{:02}-{:02}", date.year, date.month, date.day)
    }

    /// `yyyy_ww` of a week, counted from the first.
    pub(super) fn week_label(&self, week: u32) -> String {
        let first = calendar::week_of(calendar::day_of(START));
        let (year, number) = calendar::iso_of(first + i32::try_from(week).unwrap_or(0));
        format!("{year:04}_{number:02}")
    }

    /// The row at `index < rows`, in order of day, country, system, channel.
    pub(super) fn row(&self, index: u64) -> Row {
        let width = self.countries.len();
        let day_at = last_where(self.days.len(), |d| self.cells[d * width].start <= index);
        let cells = &self.cells[day_at * width..(day_at + 1) * width];
        // Of cells that start at the same row, only the last one has rows.
        let country = last_where(width, |c| cells[c].start <= index);
        let cell = cells[country];
        let day = self.days[day_at];
        let order = &self.orders[self.order_of(day)];
        let mut at = usize::try_from(index - cell.start).unwrap_or(0);
        let all = usize::from(cell.alive) + usize::from(cell.idle);
        let android = usize::from(order.before[usize::from(cell.alive)].0);
        let (system, channel) = if at < all {
            (ALL, order.channels[at])
        } else {
            at -= all;
            if at < android { (ANDROID, order.android[at]) } else { (IOS, order.ios[at - android]) }
        };
        let value = match system {
            ALL => [ANDROID, IOS].iter().map(|s| self.value(day, cells, country, *s, channel)).sum(),
            part => self.value(day, cells, country, part, channel),
        };
        Row { day, country: to_u16(country), system, channel, value }
    }

    /// The count of a key with one system, 0 where there is no such row.
    fn value(&self, day: u16, cells: &[Cell], country: usize, system: u8, channel: u16) -> u32 {
        let runs = &self.channels[usize::from(channel)];
        if !(if system == ANDROID { runs.android } else { runs.ios }) {
            return 0;
        }
        let position = self.orders[self.order_of(day)].position[usize::from(channel)];
        if position >= cells[country].alive {
            return 0;
        }
        let key = (u64::from(day) << 40) | (u64::from(channel) << 16) | u64::from(system);
        // Channels have good and bad weeks.
        let season = 75 + self.hash(7, u64::from(day) / 7, u64::from(channel)) % 50;
        if country != self.total {
            return self.draw_count(key, country, channel, season);
        }
        let parts = (0..cells.len()).filter(|c| *c != country && position < cells[*c].alive);
        parts.map(|c| self.draw_count(key, c, channel, season)).sum()
    }

    /// A draw around a mean. Large ones are steady, half the mean to one and a half. Others are skewed: five times the
    /// mean times the fourth power of a uniform number, so that most counts are 0 and a few are large.
    fn draw_count(&self, key: u64, country: usize, channel: u16, season: u64) -> u32 {
        let rank = self.countries[country].rank.unwrap_or(0);
        let size = 1_024 * 40 * (1 + self.countries.len() as u64 / 16) / (1 + rank);
        let popular = 4 + 3 * u64::from(channel) * u64::from(channel);
        let taste = 25 + self.hash(9, country as u64, u64::from(channel)) % 150;
        let mean_1024 = (4 * size / popular * taste / 100 * season / 100).max(200);
        let uniform = mix(self.seed ^ mix(key ^ ((country as u64) << 56))) >> 48;
        if mean_1024 >= STEADY {
            return u32::try_from((mean_1024 * (512 + (uniform >> 6))) >> 20).unwrap_or(u32::MAX);
        }
        let square = (uniform * uniform) >> 16;
        let fourth = (square * square) >> 16;
        u32::try_from((5 * mean_1024 * fourth) >> 26).unwrap_or(u32::MAX)
    }
}

/// The most channels with rows of a country, the total left out.
fn most_alive(cells: &[Cell], total: usize) -> u16 {
    let parts = cells.iter().enumerate().filter(|(at, _)| *at != total);
    parts.map(|(_, cell)| cell.alive).max().unwrap_or(1)
}

/// The last of `0..len` for which `holds` is true; it must be true for a prefix.
pub(super) fn last_where(len: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, len);
    while high - low > 1 {
        let middle = usize::midpoint(low, high);
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}
