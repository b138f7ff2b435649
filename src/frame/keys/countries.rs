//! The country.

use super::cache::Cache;
use super::mask::{BLOCK, Mask, all, and_valid, count, each_bit, each_run};
use super::{DictionaryMemo, NO_GROUP, NOT_RESOLVED, TOTAL, entries, fill, narrow};
use crate::frame::array::{Array, Code, Data, corrupt, with_codes};
use crate::grid::GridAccumulator;
use crate::kernel::compare;
use crate::scan::classes::{Country, country_name};
use crate::{Job, Result, Semantics};

/// Rows of a block by what became of their country.
#[derive(Default, Clone, Copy)]
pub struct Counts {
    /// Country is null.
    pub null: u32,
    /// Country is the total over countries.
    pub total: u32,
}

/// The country: which group does a row belong to?
#[derive(Default)]
pub struct Countries {
    known: DictionaryMemo,
    class: Vec<Country>,
    /// Ids of the worker's grid by dictionary entry.
    groups: Vec<u32>,
    /// Entries that are countries and were not met.
    unseen: usize,
    /// The only entry of the total; `None` where entries have to be looked up.
    total: Option<usize>,
    cache: Cache,
    /// Groups of the block's rows were found out on the way: [`Self::fill`] has nothing to do.
    pub(in crate::frame) filled: bool,
}

impl Countries {
    /// Narrows `keep`, the rows of the total over systems, to those of a country. Under legacy
    /// semantics the countries of all rows are noted.
    #[allow(clippy::too_many_arguments)]
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
        let total = self.total(array, job);
        let before = count(keep);
        if let (Data::Coded(codes, _), Some(total), false) = (&array.data, total, legacy) {
            self.filled = false;
            and_valid(array, start, keep);
            let valid = count(keep);
            narrow(codes, start, total, false, keep);
            if self.unseen > 0 {
                with_codes!(codes, c => {
                    let codes = c.get(start..).unwrap_or_default();
                    compare::distinct(codes, keep, |_, c| self.group(c.place(), job, dense, false).map(drop))
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
                    let group = self.cache.text(name, |name| meaning_of(Some(name), job, dense, false))?;
                    if group == TOTAL {
                        if let Some(word) = totals.get_mut(row / 64) {
                            *word |= (u64::MAX >> (64 - step)) << (row % 64);
                        }
                    } else if let Some(groups) = groups.get_mut(row..row + step) {
                        groups.fill(group);
                    }
                }
                Ok(())
            })?;
            counts.total = count(&totals);
            keep.iter_mut().zip(totals).for_each(|(keep, totals)| *keep &= !totals);
            return Ok(counts);
        }
        let asked = if legacy { all(rows) } else { *keep };
        let mut drop_row = |row: usize| {
            let bit = 1u64 << (row % 64);
            keep.get_mut(row / 64).is_some_and(|word| {
                let kept = *word & bit != 0;
                *word &= !bit;
                kept
            })
        };
        each_bit(&asked, |row| {
            let meaning = if !array.is_valid(start + row) {
                NO_GROUP
            } else {
                match &array.data {
                    Data::Coded(codes, _) => {
                        let place = with_codes!(codes, c => c.get(start + row).map(|c| c.place()));
                        self.group(place.unwrap_or(usize::MAX), job, dense, legacy)?
                    }
                    Data::Text(text) => self
                        .cache
                        .text(text.get(start + row)?, |name| meaning_of(Some(name), job, dense, legacy))?,
                    _ => NO_GROUP,
                }
            };
            match meaning {
                NO_GROUP => counts.null += u32::from(drop_row(row)),
                TOTAL => counts.total += u32::from(drop_row(row)),
                group => {
                    if legacy {
                        dense.mark_present_raw(group);
                    }
                    if let Some(value_id) = groups.get_mut(row) {
                        *value_id = group;
                    }
                }
            }
            Ok(())
        })?;
        Ok(counts)
    }

    /// The only entry of a dictionary that is the total, past the dictionary if there is none;
    /// `None` where several are, where an entry is null, and where there is no dictionary.
    pub fn total(&mut self, array: &Array, job: &Job) -> Option<usize> {
        let Data::Coded(_, dictionary) = &array.data else { return None };
        if self.known.is_other(dictionary) {
            self.renew(dictionary, job);
        }
        self.total
    }

    /// Whether any country of the dictionary was not met.
    pub fn any_unseen(&self) -> bool {
        self.unseen > 0
    }

    /// The group of the country of a row, which is kept and not null; its column is ids or strings.
    pub fn meet(&mut self, array: &Array, row: usize, job: &Job, dense: &mut GridAccumulator) -> Result<u32> {
        match &array.data {
            Data::Text(text) => {
                self.cache.text(text.get(row)?, |name| meaning_of(Some(name), job, dense, false))
            }
            _ => self.group(array.place(row).ok_or_else(corrupt)?, job, dense, false),
        }
    }

    fn renew(&mut self, dictionary: &Array, job: &Job) {
        let class = |entry: Option<&[u8]>| match entry {
            None => Country::Null,
            Some(name) if name == job.country_total.as_bytes() => Country::Total,
            Some(_) => Country::Keep,
        };
        self.class = entries(dictionary).map(class).collect();
        self.groups = vec![NOT_RESOLVED; self.class.len()];
        self.unseen = self.class.iter().filter(|c| **c == Country::Keep).count();
        let nulls = self.class.contains(&Country::Null);
        let mut totals = (0..).zip(&self.class).filter(|(_, c)| **c == Country::Total).map(|(at, _)| at);
        // Past the dictionary: no row has it.
        let first = totals.next().unwrap_or(usize::MAX);
        self.total = (totals.next().is_none() && !nulls).then_some(first);
    }

    /// The group of a dictionary entry.
    #[inline]
    fn group(&mut self, place: usize, job: &Job, dense: &mut GridAccumulator, legacy: bool) -> Result<u32> {
        match self.groups.get(place) {
            None => Err(corrupt().in_column(&job.columns.country)),
            Some(&NOT_RESOLVED) => {
                let dictionary = self.known.0.as_deref();
                let name = dictionary.and_then(|d| entries(d).nth(place)).flatten();
                let meaning = meaning_of(name, job, dense, legacy)?;
                if let Some(value_id) = self.groups.get_mut(place) {
                    *value_id = meaning;
                }
                if meaning < NO_GROUP {
                    self.unseen -= 1;
                }
                Ok(meaning)
            }
            Some(group) => Ok(*group),
        }
    }

    /// Fills in the groups of the rows that are marked.
    pub fn fill(&self, array: &Array, start: usize, live: &[u16], groups: &mut [u32; BLOCK]) -> Result<()> {
        if self.filled {
            return Ok(());
        }
        fill(array, start, live, &self.groups, groups)
    }
}

fn meaning_of(name: Option<&[u8]>, job: &Job, dense: &mut GridAccumulator, legacy: bool) -> Result<u32> {
    match name {
        None => Ok(NO_GROUP),
        Some(name) if name == job.country_total.as_bytes() => Ok(TOTAL),
        Some(name) => {
            let group = dense.group(country_name(name, job)?)?;
            // Under legacy semantics rows that are not kept come here, too.
            if !legacy {
                dense.mark_group_present(group);
            }
            Ok(group)
        }
    }
}
