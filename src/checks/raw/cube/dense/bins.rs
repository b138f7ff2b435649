//! Keys that differ row by row: collected by day, and added when a bin is full.

use super::super::{Axes, NO_ID};
use super::cell::Cell;
use super::{BLOCK, Blocks, CellIds, Layout, NO_CELL, Worker};
use crate::kernel::compare;

/// Bytes of the bits that a bin covers, as long as there are at most [`BINS`]. Tests fill many bins with few rows.
pub(super) const BIN_BYTES: usize = if cfg!(test) { 256 } else { 64 << 10 };
/// Largest number of bins.
pub(super) const BINS: usize = 64;
/// Bits and sums that fill a bin; there is room for another block.
const BIN_BITS: usize = if cfg!(test) { 64 } else { 16 << 10 };
const BIN_SUMS: usize = if cfg!(test) { 64 } else { 4 << 10 };
/// How many sums ahead memory is prefetched.
const AHEAD: usize = 8;

/// A value that is not zero, and the offsets of all cells that it is added to.
#[derive(Clone, Copy, Default)]
struct Sum<C> {
    value: C,
    by_system: u32,
    by_country: u32,
    /// The offset of the unused cell where the row is not of the total over systems.
    users: u32,
}

/// Rows of some days that are not added yet.
pub(super) struct Bin<C> {
    /// Offsets of bits.
    bits: Vec<u32>,
    waiting: usize,
    sums: Vec<Sum<C>>,
}

impl<C: Cell> Bin<C> {
    fn new() -> Self {
        Bin { bits: vec![0; BIN_BITS + BLOCK], waiting: 0, sums: Vec::with_capacity(BIN_SUMS + BLOCK) }
    }
}

#[allow(clippy::indexing_slicing)] // ids come from the axes, by which the arrays are laid out
#[allow(clippy::cast_possible_truncation)] // cell offsets, rows of a block
impl<C: Cell> Worker<C> {
    /// Puts rows whose keys differ row by row into their bins.
    pub(super) fn row_by_row(
        &mut self,
        axes: &Axes<'_>,
        value_ids: &CellIds<C>,
        blocks: &mut Blocks,
        rows: usize,
    ) {
        let Layout { days, countries: c, systems: s, channels: n, .. } = self.layout;
        if self.bins.is_empty() {
            self.bins = (0..days.div_ceil(self.days_of_bin)).map(|_| Bin::new()).collect();
        }
        let [days, countries, systems, channels, values] = &blocks.value_ids;
        let (mut whole, mut live) = (0usize, 0usize);
        for row in 0..rows {
            let day = value_ids.days[usize::from(days[row])];
            let country = value_ids.countries[usize::from(countries[row])];
            let system = value_ids.systems[usize::from(systems[row])];
            let channel = value_ids.channels[usize::from(channels[row])];
            let value = value_ids.values[usize::from(values[row])];
            let word = day.offset + country.offset + system.offset;
            let is_whole = (word | channel.offset) < NO_CELL;
            let bin = &mut self.bins[usize::from(value_ids.bins[usize::from(days[row])])];
            bin.bits[bin.waiting] = word.wrapping_mul(32).wrapping_add(channel.offset);
            bin.waiting += usize::from(is_whole);
            whole += usize::from(is_whole);
            blocks.rows[live] = row as u16;
            live += usize::from(is_whole & (value != C::default()));
        }
        self.rows += whole as u64;
        for row in &blocks.rows[..live] {
            let row = usize::from(*row);
            let day = value_ids.days[usize::from(days[row])].id;
            let country = value_ids.countries[usize::from(countries[row])].id;
            let system = value_ids.systems[usize::from(systems[row])].id;
            let channel = value_ids.channels[usize::from(channels[row])].id;
            let value = value_ids.values[usize::from(values[row])];
            let at_country = day * c as u32 + country;
            let total = day * 2 + u32::from(country == axes.countries.total);
            let users = at_country * 2 + u32::from(axes.organic[channel as usize]);
            let is_total = axes.answers(system);
            self.bins[usize::from(value_ids.bins[usize::from(days[row])])].sums.push(Sum {
                value,
                by_system: at_country * n as u32 + channel,
                by_country: (total * s as u32 + system) * n as u32 + channel,
                users: if is_total { users } else { self.users.len() as u32 - 1 },
            });
        }
        for bin in 0..self.bins.len() {
            if self.bins[bin].waiting > BIN_BITS {
                self.take_bits(bin);
            }
            if self.bins[bin].sums.len() > BIN_SUMS {
                self.take_sums(bin);
            }
        }
        if whole < rows {
            for row in 0..rows {
                let day = value_ids.days[usize::from(days[row])].id;
                let country = value_ids.countries[usize::from(countries[row])].id;
                let system = value_ids.systems[usize::from(systems[row])].id;
                let channel = value_ids.channels[usize::from(channels[row])].id;
                if [day, country, system, channel].contains(&NO_ID) {
                    let value = value_ids.values[usize::from(values[row])];
                    self.odd(axes, [day, country, system, channel], value);
                }
            }
        }
    }

    /// Sets the bits of a bin.
    fn take_bits(&mut self, bin: usize) {
        let bin = &mut self.bins[bin];
        for bit in &bin.bits[..bin.waiting] {
            self.seen[*bit as usize / 32] |= 1 << (bit % 32);
        }
        bin.waiting = 0;
    }

    /// Adds the sums of a bin.
    fn take_sums(&mut self, bin: usize) {
        let unused = self.users.len() - 1;
        let sums = &mut self.bins[bin].sums;
        for (at, sum) in sums.iter().enumerate() {
            if let Some(ahead) = sums.get(at + AHEAD) {
                compare::prefetch_places(&self.by_system, &[ahead.by_system]);
            }
            let value = sum.value.wide();
            let users = &mut self.users[sum.users as usize];
            *users = users.wrapping_add(value);
            let countries = &mut self.by_country[sum.by_country as usize];
            *countries = countries.wrapping_add(value);
            let cell = &mut self.by_system[sum.by_system as usize];
            if sum.users as usize == unused { cell.subtract(sum.value) } else { cell.add(sum.value) }
        }
        sums.clear();
    }

    /// Adds the rows of all bins.
    pub(super) fn settle(&mut self) {
        for bin in 0..self.bins.len() {
            self.take_bits(bin);
            self.take_sums(bin);
        }
        self.bins.clear();
    }
}
