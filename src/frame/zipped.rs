//! Columns side by side, ids or strings: one pass over all of them, word by word.
//!
//! A view of a short string is its value, as an id is: the total over systems is found by comparing
//! sixteen bytes. Strings by offsets are compared by their lengths and bytes. What differs from ids is
//! that there is no dictionary to tell which countries and weeks are still to come, so a string is
//! looked up wherever it is not that of the row before.
//!
//! It declines where a column is neither, where more than one entry means the total, where that has
//! more than twelve bytes and strings are views, or where an entry is null: `block` does those, and
//! whatever fails, a column after the other.

use std::ops::Range;

use super::Plan;
use super::array::{Array, Bits, Code, Data, Nulls, Numbers, with_codes};
use super::block::{Columns, Scratch, Worker};
use super::keys::{BLOCK, Mask};
use super::text::{Text, short_view};
use crate::kernel::column_masks::{AHEAD, MaskedColumn, WORD};
use crate::kernel::compare::Lane;
use crate::kernel::strings::Strings;
use crate::{Result, Semantics};

/// A stretch of rows.
pub struct Side<'a> {
    /// Compared with the total.
    system: Keys<'a>,
    /// Compared with the total, if there is one.
    country: Keys<'a>,
    has_total: bool,
    /// Whether countries are strings, which are looked up where one differs from the one before.
    country_text: bool,
    time: Keys<'a>,
    time_text: bool,
    /// If it is strings: asked for where a row adds something.
    channel: Option<Keys<'a>>,
    /// Compared with zero.
    value: MaskedColumn<'a>,
    /// Of system, country, time, channel and value.
    valid: [Valid<'a>; 5],
    start: usize,
}

/// A key column: ids or views, or strings by offsets.
enum Keys<'a> {
    MaskedColumn(MaskedColumn<'a>),
    Short(Strings<'a, i32>),
    Long(Strings<'a, i64>),
}

/// Evaluates an expression over whatever a key column is.
macro_rules! with_keys {
    ($of:expr, $keys:ident => $body:expr) => {
        match $of {
            Keys::MaskedColumn($keys) => $body,
            Keys::Short($keys) => $body,
            Keys::Long($keys) => $body,
        }
    };
}

impl<'a> Keys<'a> {
    /// Strings, to be compared with `wanted`, which is a short one where they are views. Equal views are
    /// of equal strings.
    fn text(text: &'a Text, rows: &Range<usize>, wanted: &'a [u8]) -> Option<Self> {
        let offsets = rows.start..rows.end + 1;
        Some(match text {
            Text::Views(views, _) => {
                Keys::MaskedColumn(MaskedColumn::new(views.get(rows.clone())?, short_view(wanted)?))
            }
            Text::Short(from, bytes) => Keys::Short(Strings::new(from.get(offsets)?, bytes, wanted)),
            Text::Long(from, bytes) => Keys::Long(Strings::new(from.get(offsets)?, bytes, wanted)),
        })
    }

    #[inline]
    fn equal(&self, word: usize, marked: u64) -> u64 {
        with_keys!(self, keys => keys.equal(word, marked))
    }

    #[inline]
    fn like(&self, row: usize, word: usize, marked: u64) -> u64 {
        with_keys!(self, keys => keys.like(row, word, marked))
    }

    /// The rows that are like `row`, and the others that equal what is wanted, if it `is` wanted.
    #[inline]
    fn like_or_equal(&self, row: usize, word: usize, marked: u64, is: bool) -> [u64; 2] {
        if let (Keys::MaskedColumn(words), true) = (self, is) {
            return words.like_or_equal(row, word, marked).map(|bits| bits & marked);
        }
        let like = self.like(row, word, marked) & marked;
        let left = marked & !like;
        [like, if is && left != 0 { self.equal(word, left) & left } else { 0 }]
    }

    #[inline]
    fn prefetch(&self, word: usize) {
        with_keys!(self, keys => keys.prefetch(word));
    }

    #[inline]
    fn prefetch_marked(&self, word: usize, marked: u64) {
        with_keys!(self, keys => keys.prefetch_marked(word, marked));
    }

    /// Asks for the strings of the marked rows; their offsets were asked for.
    #[inline]
    fn prefetch_strings(&self, word: usize, marked: u64) {
        match self {
            Keys::MaskedColumn(_) => {}
            Keys::Short(strings) => strings.prefetch_strings(word, marked),
            Keys::Long(strings) => strings.prefetch_strings(word, marked),
        }
    }

    #[inline]
    fn prefetch_rows(&self, word: usize, marked: u64) {
        with_keys!(self, keys => keys.prefetch_rows(word, marked));
    }
}

/// Which rows of a column are there.
enum Valid<'a> {
    All,
    Bits(&'a Bits, usize),
    /// Those that do not equal the id of null.
    Ids(MaskedColumn<'a>),
}

impl<'a> Valid<'a> {
    fn of(array: &'a Array, rows: &Range<usize>) -> Self {
        match (&array.nulls, &array.data) {
            (Nulls::Unset(bits), _) => Valid::Bits(bits, rows.start),
            (Nulls::Within, Data::Coded(codes, _)) => with_codes!(codes, c => match Code::NULL {
                Some(null) => Valid::Ids(MaskedColumn::new(c.get(rows.clone()).unwrap_or_default(), null)),
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
fn ids<'a>(array: &'a Array, rows: &Range<usize>, place: usize) -> Option<(Keys<'a>, bool)> {
    let Data::Coded(codes, _) = &array.data else { return None };
    with_codes!(codes, c => {
        let ids = c.get(rows.clone())?;
        let wanted = Code::of(place);
        Some((Keys::MaskedColumn(MaskedColumn::new(ids, wanted.unwrap_or(Lane::ZERO))), wanted.is_some()))
    })
}

/// Values, to be compared with zero.
fn values<'a>(array: &'a Array, rows: &Range<usize>) -> Option<MaskedColumn<'a>> {
    let Data::Numbers(numbers) = &array.data else { return None };
    macro_rules! words {
        ($($variant:ident)*) => {
            match numbers {
                $(Numbers::$variant(values) => Some(MaskedColumn::new(values.get(rows.clone())?, Lane::ZERO)),)*
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
        plan: &'a Plan,
        batch: &'a Columns,
        rows: &Range<usize>,
    ) -> Option<Side<'a>> {
        let job = plan.job();
        if job.semantics == Semantics::Legacy {
            return None;
        }
        let (system, true) = (match &batch.system.data {
            Data::Text(text) => (Keys::text(text, rows, job.os_total.as_bytes())?, true),
            _ => ids(&batch.system, rows, self.systems.only(&batch.system, &job.os_total)?)?,
        }) else {
            return None;
        };
        let (country, has_total) = match &batch.country.data {
            Data::Text(text) => (Keys::text(text, rows, job.country_total.as_bytes())?, true),
            _ => ids(&batch.country, rows, self.countries.total(&batch.country, job)?)?,
        };
        self.times.learn(&batch.time, plan.time_coding);
        let time = match &batch.time.data {
            Data::Text(text) => Keys::text(text, rows, b"")?,
            _ => ids(&batch.time, rows, 0)?.0,
        };
        let channel = match &batch.channel.data {
            Data::Text(text) => Keys::text(text, rows, b""),
            _ if self.channels.has_nulls(&batch.channel, job)? => return None,
            _ => None,
        };
        let columns = [&batch.system, &batch.country, &batch.time, &batch.channel, &batch.value];
        let valid = columns.map(|column| Valid::of(column, rows));
        let value = values(&batch.value, rows)?;
        let [country_text, time_text] =
            [&batch.country, &batch.time].map(|column| matches!(column.data, Data::Text(_)));
        let start = rows.start;
        Some(Side { system, country, has_total, country_text, time, time_text, channel, value, valid, start })
    }

    /// A block of the stretch; false, and nothing added, where it is not for this path.
    pub(super) fn side_block(
        &mut self,
        plan: &Plan,
        batch: &Columns,
        side: &Side<'_>,
        rows: Range<usize>,
    ) -> Result<bool> {
        if side.country_text || side.time_text {
            self.side_words::<AHEAD>(plan, batch, side, rows)
        } else {
            self.side_words::<0>(plan, batch, side, rows)
        }
    }

    /// A block whose systems are looked at `EARLY` words before the rest: of columns that are wide
    /// the rows that pass are asked for, of others all of a word.
    fn side_words<const EARLY: usize>(
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
        let read_countries = side.country_text || self.countries.any_unseen();
        let read_times = side.time_text || self.times.any_unseen();
        let Scratch { groups, times: points, .. } = &mut *self.scratch;
        let mut counts = Counts::default();
        let (mut passed, mut live): (Mask, Mask) = ([0; BLOCK / WORD], [0; BLOCK / WORD]);
        // Marks a word of the total over systems, and asks for what will be read of it.
        let look = |passed: &mut Mask, at: usize| {
            let word = first + at;
            let Some(passed) = passed.get_mut(at).filter(|_| at * WORD < n) else { return };
            system.prefetch(word);
            if EARLY == 0 {
                country.prefetch(word);
                value.prefetch(word);
                if read_times {
                    time.prefetch(word);
                }
            }
            let there = u64::MAX >> (WORD - (n - at * WORD).min(WORD));
            *passed = systems.narrow(word, there & system.equal(word, there));
            if EARLY > 0 {
                country.prefetch_marked(word, *passed);
                time.prefetch_marked(word, *passed);
                value.prefetch_marked(word, *passed);
            }
        };
        // The last row whose country, or time, was looked up, and what that is.
        let (mut country_row, mut group, mut time_row, mut point) = (usize::MAX, 0, usize::MAX, 0);
        for ahead in 0..n.div_ceil(WORD) + EARLY {
            look(&mut passed, ahead);
            if let Some(near) = ahead.checked_sub(EARLY / 2).filter(|_| EARLY > 0)
                && let Some(passed) = passed.get(near)
            {
                country.prefetch_strings(first + near, *passed);
                time.prefetch_strings(first + near, *passed);
            }
            let Some(at) = ahead.checked_sub(EARLY) else { continue };
            let (word, row) = (first + at, at * WORD);
            let (Some(passed), Some(live)) = (passed.get(at).copied(), live.get_mut(at)) else { break };
            counts.passed += passed.count_ones();
            if passed == 0 {
                continue;
            }
            let placed = countries.narrow(word, passed);
            counts.null_country += (passed & !placed).count_ones();
            let mut kept = placed;
            if read_countries {
                let [mut same, totals] = country.like_or_equal(country_row, word, placed, side.has_total);
                let mut new = placed & !(same | totals);
                kept &= !totals;
                loop {
                    if side.country_text {
                        put(groups, row, same, kept, group);
                    }
                    if new == 0 {
                        break;
                    }
                    country_row = word * WORD + new.trailing_zeros() as usize;
                    let row = side.start + country_row;
                    let Ok(met) = self.countries.meet(&batch.country, row, plan.job(), &mut self.dense)
                    else {
                        return Ok(false);
                    };
                    group = met;
                    same = country.like(country_row, word, new) & new;
                    new &= !same;
                }
            } else if side.has_total {
                kept &= !country.equal(word, placed);
            }
            counts.country_total += (placed & !kept).count_ones();
            if times.narrow(word, kept) != kept {
                return Ok(false);
            }
            if read_times && kept != 0 {
                let mut same = time.like(time_row, word, kept) & kept;
                let mut new = kept & !same;
                loop {
                    if side.time_text {
                        put(points, row, same, kept, point);
                    }
                    if new == 0 {
                        break;
                    }
                    time_row = word * WORD + new.trailing_zeros() as usize;
                    let row = side.start + time_row;
                    let met =
                        self.times.meet(&batch.time, row, plan.job(), plan.time_coding, &mut self.dense);
                    let Ok(met) = met else { return Ok(false) };
                    point = met;
                    same = time.like(time_row, word, new) & new;
                    new &= !same;
                }
            }
            let named = channels.narrow(word, kept);
            let valued = values.narrow(word, named);
            counts.null_name += (kept & !named).count_ones();
            counts.null_value += (named & !valued).count_ones();
            counts.counted += valued.count_ones();
            *live = valued & !value.equal(word, valued);
            // Read when the block ends.
            if let Some(channel) = &side.channel {
                channel.prefetch_rows(word, *live);
            }
        }
        let account = &mut self.dense.account;
        account.other_system += n as u64 - u64::from(counts.passed);
        account.null_country += u64::from(counts.null_country);
        account.country_total += u64::from(counts.country_total);
        account.null_name += u64::from(counts.null_name);
        account.null_value += u64::from(counts.null_value);
        account.counted += u64::from(counts.counted);
        if counts.counted > 0 {
            self.countries.filled = side.country_text;
            self.times.filled = side.time_text;
            self.add_live(plan, batch, rows, live)?;
        }
        Ok(true)
    }
}

/// Notes `id` for the rows of `same`, which are among `kept`, of the word that begins with `row`. Rows
/// that are not kept may get it, too.
#[inline]
fn put(ids: &mut [u32; BLOCK], row: usize, same: u64, kept: u64, id: u32) {
    if same == 0 {
        return;
    }
    let (first, last) = (same.trailing_zeros(), 63 - same.leading_zeros());
    let range = u64::MAX << first & u64::MAX >> (63 - last);
    if kept & range == same {
        if let Some(ids) = ids.get_mut(row + first as usize..=row + last as usize) {
            ids.fill(id);
        }
        return;
    }
    let mut left = same;
    while left != 0 {
        if let Some(value_id) = ids.get_mut(row + left.trailing_zeros() as usize) {
            *value_id = id;
        }
        left &= left - 1;
    }
}
