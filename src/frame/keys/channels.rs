//! The channel.

use super::mask::{BLOCK, Mask, and_valid, count, each_bit};
use super::{DictionaryMemo, entries};
use crate::frame::array::{Array, Code, Data, corrupt, with_codes};
use crate::frame::text::{Text, short_view};
use crate::{Job, Result};

/// The channel: organic, paid or unknown?
#[derive(Default)]
pub struct Channels {
    known: DictionaryMemo,
    /// Whether an entry is organic.
    organic: Vec<bool>,
    nulls: Vec<bool>,
}

impl Channels {
    /// Whether an entry of the dictionary is null; `None` where there is none.
    pub fn has_nulls(&mut self, array: &Array, job: &Job) -> Option<bool> {
        let Data::Coded(_, dictionary) = &array.data else { return None };
        if self.known.is_other(dictionary) {
            let is = |e: Option<&[u8]>| e.is_some_and(|e| is_organic(e, job));
            self.organic = entries(dictionary).map(is).collect();
            self.nulls = entries(dictionary).map(|e| e.is_none()).collect();
            if !self.nulls.contains(&true) {
                self.nulls.clear();
            }
        }
        Some(!self.nulls.is_empty())
    }

    /// Takes rows without a channel out of `keep`; returns how many there were.
    pub fn drop_unknown(&mut self, array: &Array, start: usize, job: &Job, keep: &mut Mask) -> Result<u32> {
        let before = count(keep);
        and_valid(array, start, keep);
        if let (Data::Coded(codes, _), Some(true)) = (&array.data, self.has_nulls(array, job)) {
            let mut unknown = [0; BLOCK / 64];
            with_codes!(codes, c => each_bit(keep, |row| {
                let null = c.get(start + row).and_then(|c| self.nulls.get(c.place())).ok_or_else(corrupt)?;
                if let Some(word) = unknown.get_mut(row / 64) {
                    *word |= u64::from(*null) << (row % 64);
                }
                Ok(())
            }))?;
            keep.iter_mut().zip(unknown).for_each(|(keep, unknown)| *keep &= !unknown);
        }
        Ok(before - count(keep))
    }

    /// Fills in 1 for organic rows, 0 for others, of the rows given.
    pub fn fill(
        &self,
        array: &Array,
        start: usize,
        job: &Job,
        live: &[u16],
        out: &mut [u8; BLOCK],
    ) -> Result<()> {
        let rows = live.iter().map(|row| usize::from(*row));
        let mut put = |row: usize, organic: bool| {
            if let Some(value_id) = out.get_mut(row) {
                *value_id = u8::from(organic);
            }
        };
        match &array.data {
            Data::Coded(codes, _) => with_codes!(codes, c => {
                let codes = c.get(start..).unwrap_or_default();
                for row in rows {
                    put(row, *codes.get(row).and_then(|c| self.organic.get(c.place())).ok_or_else(corrupt)?);
                }
            }),
            Data::Text(text) => {
                let short: Option<Vec<_>> =
                    job.organic.iter().map(|name| short_view(name.as_bytes())).collect();
                if let (Text::Views(views, _), Some(organic)) = (text, short) {
                    let views = views.get(start..).unwrap_or_default();
                    for row in rows {
                        put(row, organic.contains(views.get(row).ok_or_else(corrupt)?));
                    }
                    return Ok(());
                }
                // Names of another length are told apart without their bytes.
                text.prefetch_strings(start, live, |len| job.organic.iter().any(|name| name.len() == len));
                for row in rows {
                    put(row, is_organic(text.get(start + row)?, job));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn is_organic(name: &[u8], job: &Job) -> bool {
    job.organic.iter().any(|organic| organic.as_bytes() == name)
}
