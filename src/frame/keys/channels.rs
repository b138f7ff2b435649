//! The channel column.

use super::mask::{BLOCK, Mask, and_valid, count, each_bit};
use super::{DictionaryMemo, entries};
use crate::frame::array::{Array, Code, Data, with_codes};
use crate::frame::slice::corrupt;
use crate::frame::text::{Text, short_view};
use crate::{Job, Result};

/// Classifies channels as organic, paid or null.
#[derive(Default)]
pub struct Channels {
    memo: DictionaryMemo,
    /// Whether a dictionary entry is organic.
    organic: Vec<bool>,
    /// Whether a dictionary entry is null; empty where none is.
    nulls: Vec<bool>,
}

impl Channels {
    /// Classifies the entries of the dictionary, if it differs from the one before. Returns whether any entry
    /// is null; `None` where the column has no dictionary.
    pub fn classify_entries(&mut self, array: &Array, job: &Job) -> Option<bool> {
        let Data::Coded(_, dictionary) = &array.data else { return None };
        if self.memo.record(dictionary) {
            let organic = |entry: Option<&[u8]>| entry.is_some_and(|name| is_organic(name, job));
            self.organic = entries(dictionary).map(organic).collect();
            self.nulls = entries(dictionary).map(|e| e.is_none()).collect();
            if !self.nulls.contains(&true) {
                self.nulls.clear();
            }
        }
        Some(!self.nulls.is_empty())
    }

    /// Clears the rows of `keep` whose channel is null; returns how many there were.
    #[allow(clippy::indexing_slicing)] // rows of a mask are below BLOCK
    pub fn drop_nulls(&mut self, array: &Array, start: usize, job: &Job, keep: &mut Mask) -> Result<u32> {
        let before = count(keep);
        and_valid(array, start, keep);
        if let (Data::Coded(codes, _), Some(true)) = (&array.data, self.classify_entries(array, job)) {
            let mut nulls = [0; BLOCK / 64];
            with_codes!(codes, c => each_bit(keep, |row| {
                let null = c.get(start + row).and_then(|c| self.nulls.get(c.place())).ok_or_else(corrupt)?;
                nulls[row / 64] |= u64::from(*null) << (row % 64);
                Ok(())
            }))?;
            keep.iter_mut().zip(nulls).for_each(|(keep, nulls)| *keep &= !nulls);
        }
        Ok(before - count(keep))
    }

    /// Stores 1 in `out` for organic rows and 0 for others, for the rows `live`.
    #[allow(clippy::indexing_slicing)] // rows of a block are below BLOCK
    pub fn fill(
        &self,
        array: &Array,
        start: usize,
        job: &Job,
        live: &[u16],
        out: &mut [u8; BLOCK],
    ) -> Result<()> {
        let rows = live.iter().map(|row| usize::from(*row));
        match &array.data {
            Data::Coded(codes, _) => with_codes!(codes, c => {
                let codes = c.rows_from(start);
                for row in rows {
                    let organic = codes.get(row).and_then(|c| self.organic.get(c.place())).ok_or_else(corrupt)?;
                    out[row] = u8::from(*organic);
                }
            }),
            Data::Text(text) => {
                let short: Option<Vec<_>> =
                    job.organic().iter().map(|name| short_view(name.as_bytes())).collect();
                if let (Text::Views(views, _), Some(organic)) = (text, short) {
                    let views = views.rows_from(start);
                    for row in rows {
                        out[row] = u8::from(organic.contains(views.get(row).ok_or_else(corrupt)?));
                    }
                    return Ok(());
                }
                // Names of another length are not organic: their bytes are not read.
                text.prefetch_strings(start, live, |len| job.organic().iter().any(|name| name.len() == len));
                for row in rows {
                    out[row] = u8::from(is_organic(text.get(start + row)?, job));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn is_organic(name: &[u8], job: &Job) -> bool {
    job.organic().iter().any(|organic| organic.as_bytes() == name)
}
