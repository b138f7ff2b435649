//! The general path: one row at a time, for all values. It sums what the other paths decline.

use super::classes::{Channel, Country};
use super::tables::NO_ID;
use super::task::{BLOCK, Blocks, Task};
use crate::ids::cursor::BlockKind;
use crate::ids::values::{Number, ValueType};
use crate::parquet::Physical;
use crate::{Error, Grain, Result, Semantics};

impl Task<'_, '_> {
    /// Sums a block row by row. Returns the rows summed.
    pub(super) fn step_scalar(&mut self) -> Result<u32> {
        #[allow(clippy::cast_possible_truncation)] // BLOCK is small
        let rows = self.rows_left(BLOCK as u32);
        let rows = self.cursors.value.rows_in_page(rows)?;
        let n = rows as usize;
        let Blocks { wide, bits, .. } = &mut *self.blocks;
        #[allow(clippy::indexing_slicing)] // at most BLOCK
        let [systems, countries, times, channels, values] = wide.each_mut().map(|column| &mut column[..n]);
        #[allow(clippy::indexing_slicing)] // at most BLOCK
        let bits = &mut bits[..n];
        self.cursors.system.read_ids32(systems)?;
        self.cursors.country.read_ids32(countries)?;
        self.cursors.time.read_ids32(times)?;
        self.cursors.channel.read_ids32(channels)?;
        let raw = self.cursors.value.load_page()? == BlockKind::Numbers;
        if raw {
            self.cursors.value.read_bits(bits)?;
        } else {
            self.cursors.value.read_ids32(values)?;
        }
        self.record_dates(rows)?;
        self.sync()?;
        let (kind, physical) = (self.file.value_type, self.file.value_physical);
        let Blocks { wide: [systems, countries, times, channels, values], bits, .. } = &*self.blocks;
        let legacy = self.job.semantics == Semantics::Legacy;
        let (tables, dense) = (&self.tables, &mut *self.dense);
        let class = |table: &[u8], value_id: u32| table.get(value_id as usize).copied().unwrap_or_default();
        let keys = systems.iter().zip(countries).zip(times).zip(channels).zip(values).zip(bits);
        for (row, (((((system, country), time), channel), value), bits)) in keys.take(n).enumerate() {
            let country_class = class(&tables.country, *country);
            let group = tables.group.get(*country as usize).copied().unwrap_or_default();
            if legacy && country_class == Country::Keep as u8 {
                dense.mark_present_raw(group);
            }
            if class(&tables.system, *system) == 0 {
                dense.account.other_system += 1;
                continue;
            }
            if country_class == Country::Null as u8 {
                dense.account.null_country += 1;
                continue;
            }
            if country_class == Country::Total as u8 {
                dense.account.country_total += 1;
                continue;
            }
            let point = tables.time.get(*time as usize).copied().unwrap_or(NO_ID);
            if point == NO_ID {
                return Err(self.bad_time(*time, row as u64));
            }
            if legacy {
                dense.mark_point_present(group, point);
            } else {
                dense.mark_present(group, point);
            }
            let channel = class(&tables.channel, *channel);
            if channel == Channel::Unknown as u8 {
                dense.account.null_name += 1;
                continue;
            }
            let number = if raw {
                bits.map_or(Number::Null, |bits| number_of(kind, physical, bits))
            } else {
                tables.values.numbers.get(*value as usize).copied().unwrap_or(Number::Null)
            };
            let cell = dense.cell_index(group, point) + usize::from(channel);
            match number {
                Number::Null => dense.account.null_value += 1,
                Number::Nan => dense.account.nan_value += 1,
                Number::Infinite(_) => dense.account.infinite_value += 1,
                _ => dense.account.counted += 1,
            }
            // Under iso semantics NaN and infinity count as missing values.
            if legacy || !matches!(number, Number::Nan | Number::Infinite(_)) {
                dense.add(cell, number).map_err(|e| e.in_column(&self.job.columns.value))?;
            }
        }
        Ok(rows)
    }

    /// Records the dates of the block's rows, where legacy semantics need them.
    fn record_dates(&mut self, rows: u32) -> Result<()> {
        let Some(date) = &mut self.cursors.date else { return Ok(()) };
        let mut left = rows as usize;
        let mut block = [0u32; 256];
        let mut last = None;
        while left > 0 {
            let n = left.min(block.len());
            #[allow(clippy::indexing_slicing)] // at most its length
            let out = &mut block[..n];
            date.read_ids32(out)?;
            left -= out.len();
            for value_id in out {
                if last == Some(*value_id) {
                    continue;
                }
                last = Some(*value_id);
                let moment = date.entries.get(*value_id).and_then(|raw| self.file.date_coding.micros(raw));
                if let Some(micros) = moment {
                    self.dense.mark_date(micros);
                }
            }
        }
        Ok(())
    }

    #[cold]
    fn bad_time(&self, value_id: u32, row: u64) -> Error {
        let coding = self.time_coding;
        let column = match self.job.grain {
            Grain::Week => &self.job.columns.year_week,
            Grain::Day => &self.job.columns.start_date,
        };
        let expected = match self.job.grain {
            Grain::Week if self.job.semantics == Semantics::Legacy => {
                "digits, with which the original job could count, such as 2021_05"
            }
            Grain::Week => "yyyy_ww, an ISO week that exists, such as 2021_05",
            Grain::Day => "a date of the years 1 to 9999",
        };
        Error::data(format!("{column} is {}", coding.show(self.cursors.time.entries.get(value_id))))
            .expected(expected)
            .advice("Correct the export; rows with another system or the country total may hold anything")
            .in_column(column)
            .at_row(self.at + row)
    }
}

/// Converts the bits of a stored number.
#[inline]
pub(crate) fn number_of(kind: ValueType, physical: Physical, bits: u64) -> Number {
    #[allow(clippy::cast_possible_truncation)] // the low half is the 32-bit pattern
    match kind {
        ValueType::Float32 => Number::real(f64::from(f32::from_bits(bits as u32))),
        ValueType::Float64 => Number::real(f64::from_bits(bits)),
        ValueType::Null => Number::Null,
        _ => Number::int(kind.integer(physical, bits)),
    }
}
