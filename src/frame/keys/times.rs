//! The column of the time axis: week labels or dates.

use super::cache::Cache;
use super::mask::{BLOCK, Mask, and_valid, each_bit, each_run};
use super::{DictionaryMemo, NOT_RESOLVED, fill};
use crate::frame::array::{Array, Data, Numbers, with_codes};
use crate::frame::slice::corrupt;
use crate::grid::{GridAccumulator, TimePoint};
use crate::kernel::compare;
use crate::scan::classes::TimeCoding;
use crate::table::legacy_labels;
use crate::{Error, Job, Result, Semantics, calendar};

/// Resolves labels or dates to points in time of the grid.
#[derive(Default)]
pub struct Times {
    memo: DictionaryMemo,
    /// Ids of the worker's grid by dictionary entry.
    ids: Vec<u32>,
    /// Entries that are not resolved.
    unseen: usize,
    cache: Cache,
    coding: Option<TimeCoding>,
    /// The ids of the block's rows are stored already: [`Self::fill`] does nothing.
    pub(in crate::frame) filled: bool,
}

impl Times {
    /// Resets the look-up tables where the column has another coding or dictionary than the one before.
    pub fn set_column(&mut self, array: &Array, coding: TimeCoding) {
        if self.coding != Some(coding) {
            self.coding = Some(coding);
            self.cache.clear();
        }
        if let Data::Coded(_, dictionary) = &array.data
            && self.memo.record(dictionary)
        {
            self.ids = vec![NOT_RESOLVED; dictionary.len];
            self.unseen = dictionary.len;
        }
    }

    /// Whether any entry of the dictionary is not resolved.
    pub fn any_unseen(&self) -> bool {
        self.unseen > 0
    }

    /// The id of the point in time of a row, which is kept and not null.
    ///
    /// # Errors
    /// `Data` where the row has no point in time, `Format` where its id lies outside of the dictionary.
    pub fn resolve_row(
        &mut self,
        array: &Array,
        row: usize,
        job: &Job,
        coding: TimeCoding,
        dense: &mut GridAccumulator,
    ) -> Result<u32> {
        let legacy = job.semantics == Semantics::Legacy;
        let mut resolve = |raw: Option<&[u8]>| {
            id_of(raw, coding, legacy, dense)?.ok_or_else(|| bad_time(job, coding, raw, row))
        };
        let dictionary = match &array.data {
            Data::Coded(_, dictionary) => dictionary,
            Data::Text(text) => return self.cache.text(text.get(row)?, |raw| resolve(Some(raw))),
            Data::Numbers(Numbers::I32(values)) => {
                let value = values.get(row).ok_or_else(corrupt)?;
                let key = u64::from(value.cast_unsigned());
                return self.cache.key(key, 4, || resolve(Some(&value.to_le_bytes())));
            }
            Data::Numbers(Numbers::I64(values)) => {
                let value = values.get(row).ok_or_else(corrupt)?;
                return self.cache.key(value.cast_unsigned(), 8, || resolve(Some(&value.to_le_bytes())));
            }
            _ => return Err(Error::internal("times of a type that the plan has refused")),
        };
        let place = array.place(row).ok_or_else(corrupt)?;
        let id = self.ids.get_mut(place).ok_or_else(corrupt)?;
        if *id == NOT_RESOLVED {
            let raw = dictionary.is_valid(place).then(|| dictionary.raw(place)).transpose()?;
            *id = resolve(raw.as_deref())?;
            self.unseen -= 1;
        }
        Ok(*id)
    }

    /// Resolves the points of the kept rows. Does nothing where all entries of the dictionary are resolved.
    ///
    /// # Errors
    /// As [`Self::resolve_row`].
    #[allow(clippy::too_many_arguments)]
    #[allow(clippy::indexing_slicing)] // rows of a mask are below BLOCK
    pub fn resolve(
        &mut self,
        array: &Array,
        start: usize,
        job: &Job,
        coding: TimeCoding,
        dense: &mut GridAccumulator,
        keep: &Mask,
        ids: &mut [u32; BLOCK],
    ) -> Result<()> {
        self.set_column(array, coding);
        let mut valid = *keep;
        and_valid(array, start, &mut valid);
        if let Some((word, at)) =
            keep.iter().zip(&valid).zip(0..).find(|((k, v), _)| k != v).map(|((k, v), at)| (k & !v, at))
        {
            let row = at * 64 + word.trailing_zeros() as usize;
            return Err(bad_time(job, coding, None, start + row));
        }
        self.filled = !(matches!(array.data, Data::Coded(..)) && self.unseen == 0);
        if !self.filled {
            return Ok(());
        }
        match &array.data {
            Data::Coded(codes, _) => {
                self.filled = false;
                with_codes!(codes, c => {
                    compare::distinct(c.rows_from(start), keep, |row, _| {
                        self.resolve_row(array, start + row, job, coding, dense).map(drop)
                    })
                })
            }
            Data::Text(text) => each_run(keep, |first, len| {
                let uniform = len > 3 && text.is_uniform(start + first, len);
                let step = if uniform { len } else { 1 };
                for row in (first..first + len).step_by(step) {
                    let id = self.resolve_row(array, start + row, job, coding, dense)?;
                    ids[row..row + step].fill(id);
                }
                Ok(())
            }),
            _ => each_bit(keep, |row| {
                ids[row] = self.resolve_row(array, start + row, job, coding, dense)?;
                Ok(())
            }),
        }
    }

    /// Stores the ids of the rows `live` in `ids`.
    pub fn fill(&self, array: &Array, start: usize, live: &[u16], ids: &mut [u32; BLOCK]) -> Result<()> {
        if self.filled {
            return Ok(());
        }
        fill(array, start, live, &self.ids, ids)
    }
}

/// The grid's id of a point in time, which is marked as present; `None` where `raw` is none.
fn id_of(
    raw: Option<&[u8]>,
    coding: TimeCoding,
    legacy: bool,
    dense: &mut GridAccumulator,
) -> Result<Option<u32>> {
    let Some(raw) = raw else { return Ok(None) };
    let point = match (coding, legacy) {
        (TimeCoding::Label(_), false) => calendar::parse_label(raw).map(TimePoint::Step),
        (TimeCoding::Label(_), true) => {
            let label = std::str::from_utf8(raw).ok().filter(|label| legacy_labels::period(label).is_some());
            label.map(|label| TimePoint::Label(label.into()))
        }
        _ => coding.day(raw).map(TimePoint::Step),
    };
    let Some(point) = point else { return Ok(None) };
    let id = dense.time(point)?;
    dense.mark_time_present(id);
    Ok(Some(id))
}

#[cold]
fn bad_time(job: &Job, coding: TimeCoding, raw: Option<&[u8]>, row: usize) -> Error {
    let (column, expected) = match job.grain {
        crate::Grain::Week => (job.columns().year_week, "yyyy_ww, an ISO week that exists, such as 2021_05"),
        crate::Grain::Day | crate::Grain::Month => {
            (job.columns().start_date, "a date of the years 1 to 9999")
        }
    };
    Error::data(format!("{column} is {}", coding.show(raw)))
        .expected(expected)
        .advice("Correct the export; rows that do not count may hold anything")
        .in_column(column)
        .at_row(row as u64)
}
