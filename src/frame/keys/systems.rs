//! The operating system column.

use std::sync::Arc;

use super::mask::{BLOCK, Mask, all, and_valid};
use super::{DictionaryMemo, entries, narrow};
use crate::Result;
use crate::frame::array::{Array, Code, Data, drop_where, with_codes};

/// Finds the rows of the total over systems.
#[derive(Default)]
pub struct Systems {
    memo: DictionaryMemo,
    /// Whether a dictionary entry is the total.
    pass: Vec<bool>,
    /// The index of the entry that is the total, where exactly one is.
    only: Option<usize>,
}

impl Systems {
    /// Compares the entries of the dictionary with the total, if it differs from the one before.
    fn set_dictionary(&mut self, dictionary: &Arc<Array>, total: &str) {
        if self.memo.record(dictionary) {
            self.pass = entries(dictionary).map(|e| e == Some(total.as_bytes())).collect();
            let mut passing = (0..).zip(&self.pass).filter(|(_, pass)| **pass).map(|(at, _)| at);
            self.only = passing.next().filter(|_| passing.next().is_none());
        }
    }

    /// The index of the dictionary entry that is the total; `None` where several entries or none are, and where
    /// the column has no dictionary.
    pub fn total_index(&mut self, array: &Array, total: &str) -> Option<usize> {
        let Data::Coded(_, dictionary) = &array.data else { return None };
        self.set_dictionary(dictionary, total);
        self.only
    }

    /// Sets `mask` to the rows of the total.
    pub fn mark(
        &mut self,
        array: &Array,
        start: usize,
        rows: usize,
        total: &str,
        mask: &mut Mask,
    ) -> Result<()> {
        *mask = all(rows);
        match &array.data {
            Data::Coded(codes, dictionary) => {
                self.set_dictionary(dictionary, total);
                match self.only {
                    Some(only) => narrow(codes, start, only, true, mask),
                    None => with_codes!(codes, c => {
                        let codes = c.rows(start..start + rows);
                        let pass = |code: usize| self.pass.get(code).copied().unwrap_or(false);
                        drop_where(codes, mask, |c| !pass(c.place()));
                    }),
                }
            }
            Data::Text(text) => text.narrow(start, total.as_bytes(), mask)?,
            _ => *mask = [0; BLOCK / 64],
        }
        and_valid(array, start, mask);
        Ok(())
    }
}
