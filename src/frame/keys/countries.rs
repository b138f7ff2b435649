//! The country column.

use super::cache::Cache;
use super::mask::{BLOCK, Mask, all, and_valid, count, each_bit, each_run};
use super::{DictionaryMemo, NO_GROUP, NOT_RESOLVED, TOTAL, entries, fill, narrow};
use crate::frame::array::{Array, Code, Data, with_codes};
use crate::frame::slice::corrupt;
use crate::grid::GridAccumulator;
use crate::kernel::bitmap::KeyClass as Country;
use crate::kernel::compare;
use crate::{Error, Job, Result, Semantics};

/// Rows of a block that are dropped for their country, by reason.
#[derive(Default, Clone, Copy)]
pub struct Counts {
    /// Country is null.
    pub null: u32,
    /// Country is the total over countries.
    pub total: u32,
}

/// Resolves countries to groups of the grid.
#[derive(Default)]
pub struct Countries {
    memo: DictionaryMemo,
    class: Vec<Country>,
    /// Groups of the worker's grid by dictionary entry.
    groups: Vec<u32>,
    /// Entries that are countries and are not resolved.
    unseen: usize,
    /// The index of the only entry that is the total; `None` where entries have to be looked up.
    total_index: Option<usize>,
    cache: Cache,
    /// The groups of the block's rows are stored already: [`Self::fill`] does nothing.
    pub(in crate::frame) filled: bool,
}

impl Countries {
    /// Narrows `keep`, the rows of the total over systems, to those of a country. Under legacy
    /// semantics the countries of all rows are marked as present.
    #[allow(clippy::too_many_arguments)]
    #[allow(clippy::indexing_slicing)] // rows of a mask are below BLOCK
    pub fn narrow(
        &mut self,
        array: &Array,
        start: usize,
        rows: usize,
        job: &Job,
        dense: &mut GridAccumulator,
        keep: &mut Mask,
        groups: &mut [u32; BLOCK],
    ) -> Result<Counts> {
        let legacy = job.semantics == Semantics::Legacy;
        let total = self.total_index(array, job);
        let before = count(keep);
        if let (Data::Coded(codes, _), Some(total), false) = (&array.data, total, legacy) {
            self.filled = false;
            and_valid(array, start, keep);
            let valid = count(keep);
            narrow(codes, start, total, false, keep);
            if self.unseen > 0 {
                with_codes!(codes, c => {
                    compare::distinct(c.rows_from(start), keep, |_, c| {
                        self.resolve_entry(c.place(), job, dense, false).map(drop)
                    })
                })?;
            }
            return Ok(Counts { null: before - valid, total: valid - count(keep) });
        }
        self.filled = true;
        let mut counts = Counts::default();
        if let (Data::Text(text), false) = (&array.data, legacy) {
            and_valid(array, start, keep);
            counts.null = before - count(keep);
            let mut totals: Mask = [0; BLOCK / 64];
            each_run(keep, |first, len| {
                let uniform = len > 3 && text.is_uniform(start + first, len);
                let step = if uniform { len } else { 1 };
                for row in (first..first + len).step_by(step) {
                    let name = text.get(start + row)?;
                    let group = self.cache.text(name, |name| resolve_name(Some(name), job, dense, false))?;
                    if group == TOTAL {
                        totals[row / 64] |= (u64::MAX >> (64 - step)) << (row % 64);
                    } else {
                        groups[row..row + step].fill(group);
                    }
                }
                Ok(())
            })?;
            counts.total = count(&totals);
            keep.iter_mut().zip(totals).for_each(|(keep, totals)| *keep &= !totals);
            return Ok(counts);
        }
        let wanted = if legacy { all(rows) } else { *keep };
        // Clears the row; returns whether it was kept.
        let mut drop_row = |row: usize| {
            let bit = 1u64 << (row % 64);
            let kept = keep[row / 64] & bit != 0;
            keep[row / 64] &= !bit;
            kept
        };
        each_bit(&wanted, |row| {
            let group = if !array.is_valid(start + row) {
                NO_GROUP
            } else {
                match &array.data {
                    Data::Coded(codes, _) => {
                        let place = with_codes!(codes, c => c.get(start + row).map(|c| c.place()));
                        self.resolve_entry(place.unwrap_or(usize::MAX), job, dense, legacy)?
                    }
                    Data::Text(text) => self
                        .cache
                        .text(text.get(start + row)?, |name| resolve_name(Some(name), job, dense, legacy))?,
                    _ => NO_GROUP,
                }
            };
            match group {
                NO_GROUP => counts.null += u32::from(drop_row(row)),
                TOTAL => counts.total += u32::from(drop_row(row)),
                group => {
                    if legacy {
                        dense.mark_present_raw(group);
                    }
                    groups[row] = group;
                }
            }
            Ok(())
        })?;
        Ok(counts)
    }

    /// The index of the only dictionary entry that is the total over countries, or an index past the
    /// dictionary where no entry is. `None` where several entries are the total, where an entry is null, and
    /// where the column has no dictionary. Classifies the entries, if the dictionary differs from the one
    /// before.
    pub fn total_index(&mut self, array: &Array, job: &Job) -> Option<usize> {
        let Data::Coded(_, dictionary) = &array.data else { return None };
        if self.memo.record(dictionary) {
            self.classify_entries(dictionary, job);
        }
        self.total_index
    }

    /// Whether any country of the dictionary is not resolved.
    pub fn any_unseen(&self) -> bool {
        self.unseen > 0
    }

    /// The group of the country of a row, which is kept and not null. The column is ids or strings.
    pub fn resolve_row(
        &mut self,
        array: &Array,
        row: usize,
        job: &Job,
        dense: &mut GridAccumulator,
    ) -> Result<u32> {
        match &array.data {
            Data::Text(text) => {
                self.cache.text(text.get(row)?, |name| resolve_name(Some(name), job, dense, false))
            }
            _ => self.resolve_entry(array.place(row).ok_or_else(corrupt)?, job, dense, false),
        }
    }

    fn classify_entries(&mut self, dictionary: &Array, job: &Job) {
        let class = |entry: Option<&[u8]>| match entry {
            None => Country::Null,
            Some(name) if name == job.country_total().as_bytes() => Country::Total,
            Some(_) => Country::Keep,
        };
        self.class = entries(dictionary).map(class).collect();
        self.groups = vec![NOT_RESOLVED; self.class.len()];
        self.unseen = self.class.iter().filter(|c| **c == Country::Keep).count();
        let nulls = self.class.contains(&Country::Null);
        let mut totals = (0..).zip(&self.class).filter(|(_, c)| **c == Country::Total).map(|(at, _)| at);
        // An index past the dictionary: no row has it.
        let first = totals.next().unwrap_or(usize::MAX);
        self.total_index = (totals.next().is_none() && !nulls).then_some(first);
    }

    /// The group of a dictionary entry, or [`TOTAL`] or [`NO_GROUP`].
    #[inline]
    fn resolve_entry(
        &mut self,
        place: usize,
        job: &Job,
        dense: &mut GridAccumulator,
        legacy: bool,
    ) -> Result<u32> {
        match self.groups.get_mut(place) {
            None => Err(corrupt().in_column(job.columns().country)),
            Some(group) if *group == NOT_RESOLVED => {
                let dictionary = self.memo.0.as_deref();
                let name = dictionary.and_then(|d| entries(d).nth(place)).flatten();
                *group = resolve_name(name, job, dense, legacy)?;
                if *group < NO_GROUP {
                    self.unseen -= 1;
                }
                Ok(*group)
            }
            Some(group) => Ok(*group),
        }
    }

    /// Stores the groups of the rows `live` in `groups`.
    pub fn fill(&self, array: &Array, start: usize, live: &[u16], groups: &mut [u32; BLOCK]) -> Result<()> {
        if self.filled {
            return Ok(());
        }
        fill(array, start, live, &self.groups, groups)
    }
}

/// The name of a country, from its bytes.
///
/// # Errors
/// `Data` if they are not UTF-8.
fn country_name<'a>(name: &'a [u8], job: &Job) -> Result<&'a str> {
    std::str::from_utf8(name).map_err(|_| {
        Error::data(format!("the country name {name:02x?}"))
            .expected("UTF-8")
            .in_column(job.columns().country)
    })
}

/// The group of a country, or [`TOTAL`] or [`NO_GROUP`].
fn resolve_name(name: Option<&[u8]>, job: &Job, dense: &mut GridAccumulator, legacy: bool) -> Result<u32> {
    match name {
        None => Ok(NO_GROUP),
        Some(name) if name == job.country_total().as_bytes() => Ok(TOTAL),
        Some(name) => {
            let group = dense.group(country_name(name, job)?)?;
            // Under legacy semantics this is also called for rows that are not kept.
            if !legacy {
                dense.mark_group_present(group);
            }
            Ok(group)
        }
    }
}
