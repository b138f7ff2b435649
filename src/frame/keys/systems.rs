//! The operating system.

use std::sync::Arc;

use super::mask::{BLOCK, Mask, all, and_valid};
use super::{DictionaryMemo, entries, narrow};
use crate::Result;
use crate::frame::array::{Array, Code, Data, corrupt, drop_where, with_codes};

/// The operating system: is a row the total over systems?
#[derive(Default)]
pub struct Systems {
    known: DictionaryMemo,
    pass: Vec<bool>,
    /// The only entry that passes.
    only: Option<usize>,
}

impl Systems {
    fn learn(&mut self, dictionary: &Arc<Array>, total: &str) {
        if self.known.is_other(dictionary) {
            self.pass = entries(dictionary).map(|e| e == Some(total.as_bytes())).collect();
            let mut passing = (0..).zip(&self.pass).filter(|(_, pass)| **pass).map(|(at, _)| at);
            self.only = passing.next().filter(|_| passing.next().is_none());
        }
    }

    /// The only entry of a dictionary that passes, if there is exactly one.
    pub fn only(&mut self, array: &Array, total: &str) -> Option<usize> {
        let Data::Coded(_, dictionary) = &array.data else { return None };
        self.learn(dictionary, total);
        self.only
    }

    /// Marks the rows of the total.
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
                self.learn(dictionary, total);
                match self.only {
                    Some(only) => narrow(codes, start, only, true, mask),
                    None => with_codes!(codes, c => {
                        let codes = c.get(start..start + rows).ok_or_else(corrupt)?;
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
