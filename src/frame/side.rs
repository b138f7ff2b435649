//! Columns of ids side by side: one pass over all of them, word by word.
//!
//! It declines where a column is no ids into a dictionary, where more than one
//! entry means the total, or where an entry is null: `block` does those, and
//! whatever fails, a column after the other.

use std::ops::Range;

use super::Plan;
use super::array::{Array, Bits, Code, Data, Nulls, Numbers, with_codes};
use super::block::{Columns, Worker};
use super::keys::{BLOCK, Mask};
use crate::kernel::compare::Lane;
use crate::kernel::words::{WORD, Words};
use crate::{Result, Semantics};

/// A stretch of rows.
pub struct Side<'a> {
    /// Compared with the total.
    system: Words<'a>,
    /// Compared with the total, if there is one.
    country: Words<'a>,
    has_total: bool,
    time: Words<'a>,
    /// Compared with zero.
    value: Words<'a>,
    /// Of system, country, time, channel and value.
    valid: [Valid<'a>; 5],
    start: usize,
}

/// Which rows of a column are there.
enum Valid<'a> {
    All,
    Bits(&'a Bits, usize),
    /// Those that do not equal the id of null.
    Ids(Words<'a>),
}

impl<'a> Valid<'a> {
    fn of(array: &'a Array, rows: &Range<usize>) -> Self {
        match (&array.nulls, &array.data) {
            (Nulls::Unset(bits), _) => Valid::Bits(bits, rows.start),
            (Nulls::Within, Data::Coded(codes, _)) => with_codes!(codes, c => match Code::NULL {
                Some(null) => Valid::Ids(Words::new(c.get(rows.clone()).unwrap_or_default(), null)),
                None => Valid::All,
            }),
            // Floats: NaN is told apart where it is added.
            _ => Valid::All,
        }
    }

    /// The marked rows of a word that are there.
    #[inline]
    fn narrow(&self, word: usize, marked: u64) -> u64 {
        match self {
            Valid::All => marked,
            Valid::Bits(bits, start) => marked & bits.word(start + word * WORD),
            Valid::Ids(ids) => marked & !ids.equal(word, marked),
        }
    }
}

/// Ids, to be compared with that of a place in the dictionary; whether any row can have it.
fn ids<'a>(array: &'a Array, rows: &Range<usize>, place: usize) -> Option<(Words<'a>, bool)> {
    let Data::Coded(codes, _) = &array.data else { return None };
    with_codes!(codes, c => {
        let ids = c.get(rows.clone())?;
        let wanted = Code::of(place);
        Some((Words::new(ids, wanted.unwrap_or(Lane::ZERO)), wanted.is_some()))
    })
}

/// Values, to be compared with zero.
fn values<'a>(array: &'a Array, rows: &Range<usize>) -> Option<Words<'a>> {
    let Data::Numbers(numbers) = &array.data else { return None };
    macro_rules! words {
        ($($variant:ident)*) => {
            match numbers {
                $(Numbers::$variant(values) => Some(Words::new(values.get(rows.clone())?, Lane::ZERO)),)*
                Numbers::F16(_) | Numbers::I256(_) => None,
            }
        };
    }
    words!(I8 I16 I32 I64 I128 U8 U16 U32 U64 F32 F64)
}

/// What became of the rows of a block.
#[derive(Default)]
struct Counts {
    passed: u32,
    null_country: u32,
    country_total: u32,
    null_name: u32,
    null_value: u32,
    counted: u32,
}

impl Worker {
    /// Rows `rows` of a batch as columns side by side, or `None`.
    pub(super) fn side<'a>(
        &mut self,
        plan: &Plan,
        batch: &'a Columns,
        rows: &Range<usize>,
    ) -> Option<Side<'a>> {
        let job = plan.job();
        if job.semantics == Semantics::Legacy {
            return None;
        }
        let total = self.systems.only(&batch.system, &job.os_total)?;
        let (system, true) = ids(&batch.system, rows, total)? else { return None };
        let (country, has_total) = ids(&batch.country, rows, self.countries.total(&batch.country, job)?)?;
        self.times.learn(&batch.time, plan.time_coding);
        let (time, _) = ids(&batch.time, rows, 0)?;
        if self.channels.has_nulls(&batch.channel, job)? {
            return None;
        }
        let columns = [&batch.system, &batch.country, &batch.time, &batch.channel, &batch.value];
        let valid = columns.map(|column| Valid::of(column, rows));
        let value = values(&batch.value, rows)?;
        Some(Side { system, country, has_total, time, value, valid, start: rows.start })
    }

    /// A block of the stretch; false, and nothing added, where it is not for this path.
    pub(super) fn side_block(
        &mut self,
        plan: &Plan,
        batch: &Columns,
        side: &Side<'_>,
        rows: Range<usize>,
    ) -> Result<bool> {
        let Side {
            system, country, time, value, valid: [systems, countries, times, channels, values], ..
        } = side;
        let (first, n) = ((rows.start - side.start) / WORD, rows.len());
        let (new_countries, new_times) = (self.countries.any_unseen(), self.times.any_unseen());
        let mut counts = Counts::default();
        let mut live: Mask = [0; BLOCK / WORD];
        // The last row whose time was looked up.
        let mut known_time = usize::MAX;
        for ((live, word), at) in live.iter_mut().zip(first..).zip((0..n).step_by(WORD)) {
            for column in [system, country, value] {
                column.ask(word);
            }
            let there = u64::MAX >> (WORD - (n - at).min(WORD));
            let passed = systems.narrow(word, there & system.equal(word, there));
            counts.passed += passed.count_ones();
            if passed == 0 {
                continue;
            }
            let placed = countries.narrow(word, passed);
            let kept = if side.has_total { placed & !country.equal(word, placed) } else { placed };
            counts.null_country += (passed & !placed).count_ones();
            counts.country_total += (placed & !kept).count_ones();
            let mut new = if new_countries { kept } else { 0 };
            while new != 0 {
                let row = word * WORD + new.trailing_zeros() as usize;
                if self.countries.meet(&batch.country, side.start + row, plan.job(), &mut self.dense).is_err()
                {
                    return Ok(false);
                }
                new &= new - 1;
                new &= !country.like(row, word, new);
            }
            if times.narrow(word, kept) != kept {
                return Ok(false);
            }
            if new_times {
                time.ask(word);
                let mut new = kept & !time.like(known_time, word, kept);
                while new != 0 {
                    known_time = word * WORD + new.trailing_zeros() as usize;
                    let row = side.start + known_time;
                    if self
                        .times
                        .meet(&batch.time, row, plan.job(), plan.time_coding, &mut self.dense)
                        .is_err()
                    {
                        return Ok(false);
                    }
                    new &= new - 1;
                    new &= !time.like(known_time, word, new);
                }
            }
            let named = channels.narrow(word, kept);
            let valued = values.narrow(word, named);
            counts.null_name += (kept & !named).count_ones();
            counts.null_value += (named & !valued).count_ones();
            counts.counted += valued.count_ones();
            *live = valued & !value.equal(word, valued);
        }
        let account = &mut self.dense.account;
        account.other_system += n as u64 - u64::from(counts.passed);
        account.null_country += u64::from(counts.null_country);
        account.country_total += u64::from(counts.country_total);
        account.null_name += u64::from(counts.null_name);
        account.null_value += u64::from(counts.null_value);
        account.counted += u64::from(counts.counted);
        if counts.counted > 0 {
            self.countries.not_filled();
            self.times.not_filled();
            self.add_live(plan, batch, rows, live)?;
        }
        Ok(true)
    }
}
