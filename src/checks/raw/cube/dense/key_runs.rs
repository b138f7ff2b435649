//! Rows over which day, country and system repeat.

use std::ops::Range;

use super::super::{Axes, NO_ID};
use super::cell::Cell;
use super::{BLOCK, CellIds, ChannelBit, KEYS, Layout, NO_CELL, Worker};
use crate::kernel::column_masks::{MaskedColumn, WORD, rows_of};

#[allow(clippy::indexing_slicing)] // ids come from the axes, by which the arrays are laid out
impl<C: Cell> Worker<C> {
    /// Adds rows of the same day, country and system; `live` are those of them whose value is not zero.
    #[inline]
    pub(super) fn add_run(
        &mut self,
        axes: &Axes,
        value_ids: &CellIds<C>,
        [days, countries, systems, channels, values]: &[[u16; BLOCK]; KEYS.len()],
        rows: Range<usize>,
        live: &[u16],
    ) {
        let day = value_ids.days[usize::from(days[rows.start])];
        let country = value_ids.countries[usize::from(countries[rows.start])];
        let system = value_ids.systems[usize::from(systems[rows.start])];
        let word = day.offset + country.offset + system.offset;
        let channel_of = |row: usize| value_ids.channels[usize::from(channels[row])];
        let value_of = |row: usize| value_ids.values[usize::from(values[row])];
        if word >= NO_CELL {
            for row in rows {
                self.odd(axes, [day.id, country.id, system.id, channel_of(row).id], value_of(row));
            }
            return;
        }
        let nulls = self.set_bits(word as usize, rows.clone().map(channel_of));
        self.rows += rows.len() as u64 - nulls;
        if nulls > 0 {
            for row in rows.filter(|row| channel_of(*row).id == NO_ID) {
                self.odd(axes, [day.id, country.id, system.id, NO_ID], value_of(row));
            }
        }
        let Layout { countries: c, systems: s, channels: n, .. } = self.layout;
        let at_country = day.id as usize * c + country.id as usize;
        let total = day.id as usize * 2 + usize::from(country.id == axes.countries.total);
        let by_country = &mut self.by_country[(total * s + system.id as usize) * n..][..n];
        let by_system = &mut self.by_system[at_country * n..][..n];
        let is_total = axes.answers(system.id);
        let mut users = [0i64; 2];
        for row in live {
            let (channel, value) = (channel_of(usize::from(*row)).id as usize, value_of(usize::from(*row)));
            // A null channel has none.
            let (Some(cell), Some(sum)) = (by_system.get_mut(channel), by_country.get_mut(channel)) else {
                continue;
            };
            *sum = sum.wrapping_add(value.wide());
            if is_total {
                cell.add(value);
                let organic = usize::from(axes.organic[channel]);
                users[organic] = users[organic].wrapping_add(value.wide());
            } else {
                cell.subtract(value);
            }
        }
        if is_total {
            let to = self.users[at_country * 2..].iter_mut().zip(users);
            to.for_each(|(to, from)| *to = to.wrapping_add(from));
        }
    }

    /// Sets the bits of channels of a key; returns how many are null.
    #[inline]
    fn set_bits(&mut self, word: usize, channels: impl ExactSizeIterator<Item = ChannelBit> + Clone) -> u64 {
        if self.layout.words == 1 {
            let bits = channels.clone().fold(0, |bits, channel| bits | channel.bit);
            self.seen[word] |= bits;
            // As many bits as rows: none is null.
            if bits.count_ones() as usize == channels.len() {
                return 0;
            }
        } else {
            for channel in channels.clone().filter(|channel| channel.id != NO_ID) {
                self.seen[word + channel.id as usize / 32] |= channel.bit;
            }
        }
        channels.filter(|channel| channel.id == NO_ID).count() as u64
    }
}

/// Records the rows at which one of three columns differs from the row before; returns their number.
#[allow(clippy::indexing_slicing)] // rows of a block
pub(super) fn starts(columns: [&[u16]; 3], out: &mut [u16; BLOCK + WORD]) -> usize {
    let rows = columns[0].len();
    let mut changes = [0u16; BLOCK];
    if let Some(first) = changes[..rows].first_mut() {
        *first = 1;
    }
    for column in columns {
        let pairs = column.iter().zip(&column[1.min(rows)..]);
        changes[1..].iter_mut().zip(pairs).for_each(|(change, (before, after))| *change |= before ^ after);
    }
    rows_not(&changes[..rows], Some(0), out)
}

/// Writes the rows of a block whose value is not `value`; returns their number.
#[allow(clippy::indexing_slicing)] // rows of a block
pub(super) fn rows_not(values: &[u16], value: Option<u16>, out: &mut [u16; BLOCK + WORD]) -> usize {
    let column = MaskedColumn::new(values, value.unwrap_or_default());
    let mut mask = [0u64; BLOCK / WORD];
    let words = values.len().div_ceil(WORD);
    for (at, word) in mask[..words].iter_mut().enumerate() {
        let rows = u64::MAX >> (WORD - (values.len() - at * WORD).min(WORD));
        *word = if value.is_some() { !column.equal(at, u64::MAX) & rows } else { rows };
    }
    rows_of(&mask[..words], out)
}
