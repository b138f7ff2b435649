//! Keys that differ row by row: the cells of some rows are found and prefetched, then changed.

use std::ops::Range;

use super::super::{Axes, NO_DAY, NO_ID};
use super::cell::Cell;
use super::{Blocks, CellIds, Layout, Worker};
use crate::kernel::compare;

/// Rows whose cells are prefetched together: their cache lines stay in the L1 cache until they are changed.
const TOGETHER: usize = 256;

/// A value, and the cells that it is added to.
#[derive(Clone, Copy, Default)]
struct Sum<C> {
    value: C,
    by_system: u32,
    by_country: u32,
    /// The unused cell where the row is not of the total over systems.
    users: u32,
}

#[allow(clippy::indexing_slicing)] // ids come from the axes, by which the arrays are laid out
#[allow(clippy::cast_possible_truncation)] // the arrays fit `BYTES`
impl<C: Cell> Worker<C> {
    /// Adds rows whose keys differ row by row.
    pub(super) fn row_by_row(&mut self, axes: &Axes, value_ids: &CellIds<C>, blocks: &Blocks, rows: usize) {
        let mut whole = 0;
        for start in (0..rows).step_by(TOGETHER) {
            whole += self.bits(value_ids, blocks, start..rows.min(start + TOGETHER));
        }
        self.rows += whole as u64;
        for live in blocks.live[..blocks.live_len].chunks(TOGETHER) {
            self.sums(axes, value_ids, blocks, live);
        }
        if whole == rows {
            return;
        }
        for row in 0..rows {
            let (key, value) = value_ids.row(blocks, row);
            if !is_complete(key) {
                self.odd(axes, key, value);
            }
        }
    }

    /// Sets the bits of some rows; returns how many have a complete key.
    fn bits(&mut self, value_ids: &CellIds<C>, blocks: &Blocks, rows: Range<usize>) -> usize {
        let [days, countries, systems, channels, _] = &blocks.value_ids;
        let unused = self.seen.len() as u32 - 1;
        let mut places = [0u32; TOGETHER];
        let keys = days[rows.clone()].iter().zip(&countries[rows.clone()]).zip(&systems[rows.clone()]);
        let channels = channels[rows.clone()].iter().map(|channel| value_ids.channels[usize::from(*channel)]);
        for (place, (((day, country), system), channel)) in places.iter_mut().zip(keys.zip(channels.clone()))
        {
            let day = value_ids.days[usize::from(*day)].offset;
            let country = value_ids.countries[usize::from(*country)].offset;
            let system = value_ids.systems[usize::from(*system)].offset;
            *place = unused.min(day + country + system + channel.id / 32);
            compare::prefetch_places(&self.seen, &[*place]);
        }
        let mut whole = 0;
        for (place, channel) in places.iter().zip(channels) {
            self.seen[*place as usize] |= channel.bit;
            whole += usize::from(*place != unused);
        }
        whole
    }

    /// Adds the values of some rows.
    fn sums(&mut self, axes: &Axes, value_ids: &CellIds<C>, blocks: &Blocks, rows: &[u16]) {
        let Layout { countries: c, systems: s, channels: n, .. } = self.layout;
        let unused = self.users.len() as u32 - 1;
        let mut sums = [Sum::default(); TOGETHER];
        let mut len = 0;
        for row in rows {
            let (key, value) = value_ids.row(blocks, usize::from(*row));
            let [day, country, system, channel] = key;
            if !is_complete(key) {
                continue;
            }
            let at_country = day * c as u32 + country;
            let total = day * 2 + u32::from(country == axes.countries.total);
            let of_class = at_country * 2 + u32::from(axes.organic[channel as usize]);
            let sum = Sum {
                value,
                by_system: at_country * n as u32 + channel,
                by_country: (total * s as u32 + system) * n as u32 + channel,
                users: if axes.answers(system) { of_class } else { unused },
            };
            compare::prefetch_places(&self.by_system, &[sum.by_system]);
            compare::prefetch_places(&self.by_country, &[sum.by_country]);
            compare::prefetch_places(&self.users, &[sum.users]);
            sums[len] = sum;
            len += 1;
        }
        for sum in &sums[..len] {
            let value = sum.value.wide();
            let users = &mut self.users[sum.users as usize];
            *users = users.wrapping_add(value);
            let countries = &mut self.by_country[sum.by_country as usize];
            *countries = countries.wrapping_add(value);
            let cell = &mut self.by_system[sum.by_system as usize];
            if sum.users == unused { cell.subtract(sum.value) } else { cell.add(sum.value) }
        }
    }
}

/// Whether a row has a cell.
fn is_complete(key: [u32; 4]) -> bool {
    !key.contains(&NO_ID) && key[0] != NO_DAY
}

#[allow(clippy::indexing_slicing)] // ids that the columns have
impl<C: Cell> CellIds<C> {
    /// Ids of day, country, system and channel of a row, and its value.
    fn row(&self, blocks: &Blocks, row: usize) -> ([u32; 4], C) {
        let [day, country, system, channel, value] =
            blocks.value_ids.each_ref().map(|ids| usize::from(ids[row]));
        let key = [
            self.days[day].id,
            self.countries[country].id,
            self.systems[system].id,
            self.channels[channel].id,
        ];
        (key, self.values[value])
    }
}
