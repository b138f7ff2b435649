//! The general path: one row at a time, for all values. It sums what the other paths decline.

use super::tables::NO_ID;
use super::task::{BLOCK, Blocks, Task, dropped_by};
use crate::calendar;
use crate::ids::cursor::BlockKind;
use crate::ids::values::{Number, ValueType};
use crate::kernel::bitmap::KeyClass;
use crate::parquet::Physical;
use crate::profile::Class;
use crate::scan::classes::TimeCoding;
use crate::{Error, Result, Semantics};

impl Task<'_, '_> {
    /// Sums a block row by row. Returns the rows summed.
    pub(super) fn step_scalar(&mut self) -> Result<u32> {
        // Columns that are joined have the value ids of the current pages alone.
        self.cursors.load_pages()?;
        self.sync()?;
        #[allow(clippy::cast_possible_truncation)] // BLOCK is small
        let rows = self.page_rows(BLOCK as u32)?;
        let n = rows as usize;
        let Blocks { wide, bits, .. } = &mut *self.blocks;
        #[allow(clippy::indexing_slicing)] // at most BLOCK
        let [conditions, keys, times, classes, measures] = wide.each_mut().map(|column| &mut column[..n]);
        #[allow(clippy::indexing_slicing)] // at most BLOCK
        let bits = &mut bits[..n];
        self.cursors.condition.read_ids32(conditions)?;
        self.cursors.key.read_ids32(keys)?;
        self.cursors.time.read_ids32(times)?;
        self.cursors.class.read_ids32(classes)?;
        let raw = self.cursors.measure.load_page()? == BlockKind::Numbers;
        if raw {
            self.cursors.measure.read_bits(bits)?;
        } else {
            self.cursors.measure.read_ids32(measures)?;
        }
        self.record_dates(rows)?;
        self.sync_keys()?;
        let (kind, physical) = (self.file.value_type, self.file.value_physical);
        let Blocks { wide: [conditions, keys, times, classes, measures], bits, .. } = &*self.blocks;
        let legacy = self.question.job.semantics == Semantics::Legacy;
        let (tables, dense) = (&self.tables, &mut *self.dense);
        let of = |table: &[u8], value_id: u32| table.get(value_id as usize).copied().unwrap_or_default();
        let null_class = self.cursors.class.entries.null();
        let rows_of = conditions.iter().zip(keys).zip(times).zip(classes).zip(measures).zip(bits);
        for (row, (((((condition, key), time), class), value), bits)) in rows_of.take(n).enumerate() {
            let key_class = of(&tables.key, *key);
            let group = tables.group.get(*key as usize).copied().unwrap_or_default();
            if legacy && key_class == KeyClass::Keep as u8 {
                dense.mark_present_raw(group);
            }
            if of(&tables.condition, *condition) == 0 {
                let number = self.cursors.condition.number_of(*condition);
                *dropped_by(&mut dense.account, self.question, number) += 1;
                continue;
            }
            if key_class == KeyClass::Null as u8 {
                dense.account.null_member += 1;
                continue;
            }
            if key_class == KeyClass::Total as u8 {
                dense.account.total_row += 1;
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
            let class_number = of(&tables.class, *class);
            if class_number == Class::Excluded as u8 {
                let account = &mut dense.account;
                let is_null = *class == null_class;
                *(if is_null { &mut account.null_channel } else { &mut account.excluded_channel }) += 1;
                continue;
            }
            let number = if raw {
                bits.map_or(Number::Null, |bits| number_of(kind, physical, bits))
            } else {
                tables.measures.numbers.get(*value as usize).copied().unwrap_or(Number::Null)
            };
            let cell = dense.cell_index(group, point) + usize::from(class_number);
            match number {
                Number::Null => dense.account.null_value += 1,
                Number::Nan => dense.account.nan_value += 1,
                Number::Infinite(_) => dense.account.infinite_value += 1,
                _ => dense.account.counted += 1,
            }
            // Under iso semantics NaN and infinity count as missing values.
            if legacy || !matches!(number, Number::Nan | Number::Infinite(_)) {
                dense.add(cell, number).map_err(|e| e.in_column(self.question.measure_column()))?;
            }
        }
        Ok(rows)
    }

    /// Records the dates of the block's rows, where legacy semantics need them.
    fn record_dates(&mut self, rows: u32) -> Result<()> {
        let Some(date) = &mut self.cursors.date else { return Ok(()) };
        let coding = self.file.scan.as_ref().and_then(|scan| scan.date_coding).unwrap_or(TimeCoding::Text);
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
                let moment = date.entries.get(*value_id).and_then(|raw| coding.micros(raw));
                if let Some(micros) = moment {
                    self.dense.mark_date(micros);
                }
            }
        }
        Ok(())
    }

    #[cold]
    fn bad_time(&self, value_id: u32, row: u64) -> Error {
        let column = self.time_column();
        let shown = self.time.coding.show(self.cursors.time.entries.get(value_id));
        let error = Error::data(format!("{column} is {shown}")).expected(self.time.expected());
        let advice = "Correct the export; rows that do not count may hold anything";
        let error = match self.label_of_date(self.at + row) {
            Some(label) => error.advice(format!("The date of the row is in week {label}. {advice}")),
            None => error.advice(advice),
        };
        error.in_column(column).at_row(self.at + row)
    }

    /// The name of the column of time.
    fn time_column(&self) -> &str {
        let (label, date) = self.question.time_columns();
        let is_label = matches!(self.time.coding, TimeCoding::Label(_));
        let (first, second) = if is_label { (label, date) } else { (date, label) };
        first.or(second).unwrap_or("time")
    }

    /// The label that the date of a row tells, where the time is a label and the file has dates.
    fn label_of_date(&self, row: u64) -> Option<String> {
        let TimeCoding::Label(form) = self.time.coding else { return None };
        let (_, date) = self.question.time_columns();
        let day = self.file.day_at(date?, self.row_group, row, self.question.zone.as_ref())?;
        Some(form.format(calendar::week_of(day)))
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
