//! Rows over which day, country and system repeat.

use std::ops::Range;

use super::super::{Axes, NO_ID};
use super::cell::Cell;
use super::{BLOCK, CellIds, KEYS, Layout, NO_CELL, Worker};
use crate::kernel::column_masks::{MaskedColumn, WORD};

#[allow(clippy::indexing_slicing)] // ids come from the axes, by which the arrays are laid out
#[allow(clippy::cast_possible_truncation)] // cell offsets, rows of a block
impl<C: Cell> Worker<C> {
    /// Adds rows of the same day, country and system.
    #[inline]
    pub(super) fn add_run(
        &mut self,
        axes: &Axes<'_>,
        value_ids: &CellIds<C>,
        [days, countries, systems, channels, values]: &[[u16; BLOCK]; KEYS.len()],
        rows: Range<usize>,
    ) {
        let day = value_ids.days[usize::from(days[rows.start])];
        let country = value_ids.countries[usize::from(countries[rows.start])];
        let system = value_ids.systems[usize::from(systems[rows.start])];
        let word = day.offset + country.offset + system.offset;
        let channels = &channels[rows.clone()];
        let values = &values[rows];
        let pairs = channels.iter().zip(values).map(|(channel, value)| {
            (value_ids.channels[usize::from(*channel)].id, value_ids.values[usize::from(*value)])
        });
        if word >= NO_CELL {
            for (channel, value) in pairs {
                self.odd(axes, [day.id, country.id, system.id, channel], value);
            }
            return;
        }
        let Layout { countries: c, systems: s, channels: n, words, .. } = self.layout;
        let (day_id, country_id, system_id) = (day.id as usize, country.id as usize, system.id as usize);
        let at_country = day_id * c + country_id;
        let is_total = axes.answers(system.id);
        let is_country_total = country_id == axes.countries.total as usize;
        let by_country = (day_id * 2 + usize::from(is_country_total)) * s + system_id;
        let mut sums = BlockSums {
            seen: &mut self.seen[word as usize..][..words],
            by_system: &mut self.by_system[at_country * n..][..n],
            by_country: &mut self.by_country[by_country * n..][..n],
            nulls: 0,
        };
        if is_total {
            let mut users = [0i64; 2];
            sums.add_all(pairs.clone(), C::add, |channel, value| {
                let organic = usize::from(axes.organic[channel]);
                users[organic] = users[organic].wrapping_add(value.wide());
            });
            let to = self.users[at_country * 2..].iter_mut().zip(users);
            to.for_each(|(to, from)| *to = to.wrapping_add(from));
        } else {
            sums.add_all(pairs.clone(), C::subtract, |_, _| {});
        }
        let nulls = sums.nulls;
        self.rows += channels.len() as u64 - nulls;
        if nulls > 0 {
            for (channel, value) in pairs.filter(|(channel, _)| *channel == NO_ID) {
                self.odd(axes, [day.id, country.id, system.id, channel], value);
            }
        }
    }
}

/// The cells of one day, country and system.
struct BlockSums<'w, C> {
    seen: &'w mut [u32],
    by_system: &'w mut [C],
    by_country: &'w mut [i64],
    /// Rows without a channel.
    nulls: u64,
}

impl<C: Cell> BlockSums<'_, C> {
    #[inline(always)]
    #[allow(clippy::indexing_slicing)] // as of the worker
    fn add_all(
        &mut self,
        pairs: impl Iterator<Item = (u32, C)>,
        by_system: impl Fn(&mut C, C),
        mut each: impl FnMut(usize, C),
    ) {
        let few = self.seen.len() == 1;
        let mut bits = 0;
        for (channel, value) in pairs {
            let id = channel as usize;
            let (Some(cell), Some(sum)) = (self.by_system.get_mut(id), self.by_country.get_mut(id)) else {
                self.nulls += 1;
                continue;
            };
            by_system(cell, value);
            *sum = sum.wrapping_add(value.wide());
            let bit = 1 << (id % 32);
            if few {
                bits |= bit
            } else {
                self.seen[id / 32] |= bit
            }
            each(id, value);
        }
        self.seen[0] |= bits;
    }
}

/// Records the rows at which one of three columns differs from the row before; returns their number.
#[allow(clippy::indexing_slicing, clippy::cast_possible_truncation)] // rows of a block
pub(super) fn starts(columns: [&[u16]; 3], out: &mut [u16; BLOCK]) -> usize {
    let rows = columns[0].len();
    let columns = columns.map(|column| MaskedColumn::new(column, 0));
    let (mut row, mut n) = (0, 0);
    while row < rows {
        out[n] = row as u16;
        n += 1;
        let start = row;
        // Word by word, until a row differs.
        while row < rows {
            let (word, within) = (row / WORD, row % WORD);
            let alike =
                columns.iter().fold(u64::MAX, |bits, column| bits & column.like(start, word, u64::MAX));
            let alike = ((alike >> within).trailing_ones() as usize).min(rows - row);
            row += alike;
            if alike < WORD - within {
                break;
            }
        }
    }
    n
}
