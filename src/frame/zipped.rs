//! The fast path over a range of rows: all columns in one pass, 64 rows (a word) at a time.
//!
//! ```text
//! for each word of 64 rows:
//!     passed  = system is the total over systems
//!     valid   = passed and country is not null
//!     kept    = valid and country is not the total over countries   (countries are resolved to groups)
//!     points in time of kept rows are resolved
//!     counted = kept and channel is not null and value is not null
//!     live    = counted and value is not zero
//! ```
//!
//! Columns are ids of a dictionary or strings; dates may also be numbers, which are compared as ids are. The
//! view of a short string is unique to it, as an id is, so the total over systems is found by comparing
//! sixteen bytes. Strings by offsets are compared by their lengths and bytes. Strings and numbers have no
//! dictionary that says which countries and times are still to come, so one is looked up wherever it differs
//! from that of the row before.
//!
//! The path declines a range where a column is of another kind, where several dictionary entries are the total,
//! where the total has more than twelve bytes and strings are views, or where a dictionary entry is null. It
//! declines a block where a look-up fails or a kept row has no point in time. [`super::block`] then does the
//! rows column by column, and reports the errors.

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

/// The columns of a range of rows, ready to be compared word by word.
pub struct ZippedRange<'a> {
    /// Compared with the total over systems.
    system: Keys<'a>,
    /// Compared with the total over countries, where `has_total`.
    country: Keys<'a>,
    has_total: bool,
    /// Whether countries are strings, which are looked up where one differs from the one before.
    country_text: bool,
    time: Keys<'a>,
    /// Whether times are strings or numbers, which are looked up in the same way.
    time_plain: bool,
    /// The channel where it is strings: prefetched for rows that add something.
    channel: Option<Keys<'a>>,
    /// Compared with zero.
    value: MaskedColumn<'a>,
    /// The valid rows of each column.
    valid: ValidRows<'a>,
    /// The first row of the range.
    start: usize,
}

/// The valid rows of the five columns.
struct ValidRows<'a> {
    system: Valid<'a>,
    country: Valid<'a>,
    time: Valid<'a>,
    channel: Valid<'a>,
    value: Valid<'a>,
}

/// A key column: ids or views, or strings with 32 or 64-bit offsets.
enum Keys<'a> {
    MaskedColumn(MaskedColumn<'a>),
    Short(Strings<'a, i32>),
    Long(Strings<'a, i64>),
}

/// Evaluates an expression over the column in `$of`, for each layout.
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
    /// A column of strings to compare with `wanted`; `None` where the strings are views and `wanted` is too
    /// long to have a view of its own bytes. Equal views are views of equal strings.
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

    /// The marked rows that are like `row`, and, where `has_wanted`, the other marked rows that equal the
    /// wanted value.
    #[inline]
    fn like_or_equal(&self, row: usize, word: usize, marked: u64, has_wanted: bool) -> [u64; 2] {
        if let (Keys::MaskedColumn(column), true) = (self, has_wanted) {
            return column.like_or_equal(row, word, marked).map(|bits| bits & marked);
        }
        let like = self.like(row, word, marked) & marked;
        let others = marked & !like;
        [like, if has_wanted && others != 0 { self.equal(word, others) & others } else { 0 }]
    }

    #[inline]
    fn prefetch(&self, word: usize) {
        with_keys!(self, keys => keys.prefetch(word));
    }

    #[inline]
    fn prefetch_marked(&self, word: usize, marked: u64) {
        with_keys!(self, keys => keys.prefetch_marked(word, marked));
    }

    /// Prefetches the strings of the marked rows, whose offsets are already prefetched.
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

/// Which rows of a column are not null.
enum Valid<'a> {
    All,
    /// Those with a set bit; the number is the first row of the range.
    Bits(&'a Bits, usize),
    /// Those that do not equal the id of null.
    Ids(MaskedColumn<'a>),
}

impl<'a> Valid<'a> {
    fn of(array: &'a Array, rows: &Range<usize>) -> Self {
        match (&array.nulls, &array.data) {
            (Nulls::Unset(bits), _) => Valid::Bits(bits, rows.start),
            (Nulls::Within, Data::Coded(codes, _)) => with_codes!(codes, c => match Code::NULL {
                Some(null) => Valid::Ids(MaskedColumn::new(c.rows(rows.clone()), null)),
                None => Valid::All,
            }),
            // Floats: NaN is recognised where it is added.
            _ => Valid::All,
        }
    }

    /// The marked rows of a word that are not null.
    #[inline]
    fn narrow(&self, word: usize, marked: u64) -> u64 {
        match self {
            Valid::All => marked,
            Valid::Bits(bits, start) => marked & bits.word(start + word * WORD),
            Valid::Ids(ids) => marked & !ids.equal(word, marked),
        }
    }
}

/// The ids of a column, to compare with the id of dictionary index `place`, and whether the id type can hold
/// that index; `None` where the column has no dictionary.
fn ids<'a>(array: &'a Array, rows: &Range<usize>, place: usize) -> Option<(Keys<'a>, bool)> {
    let Data::Coded(codes, _) = &array.data else { return None };
    with_codes!(codes, c => {
        let ids = c.get(rows.clone())?;
        let wanted = Code::of(place);
        Some((Keys::MaskedColumn(MaskedColumn::new(ids, wanted.unwrap_or(Lane::ZERO))), wanted.is_some()))
    })
}

/// The values of a column, to compare with zero; `None` for 16-bit floats and 256-bit decimals.
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

/// Rows of a block by outcome, in the order of the pass.
#[derive(Default)]
struct Counts {
    passed: u32,
    null_member: u32,
    total_row: u32,
    null_channel: u32,
    null_value: u32,
    counted: u32,
}

/// The last row of a key column that was looked up, and the id that it resolved to. Rows with the same key
/// take the id without a look-up.
struct LastKey {
    row: usize,
    id: u32,
}

impl LastKey {
    /// No row was looked up: no row compares equal to this one.
    const NONE: LastKey = LastKey { row: usize::MAX, id: 0 };

    /// Resolves the keys of the rows `new` of a word by `resolve`, with one look-up for each distinct key, and
    /// stores their ids in `ids`, and the id of `self` for the rows `same`, which have its key. Returns false
    /// where a look-up fails.
    ///
    /// `ids` comes with the word's first row in the block. It is `None` for a dictionary column, whose ids are
    /// mapped once the block is complete.
    #[inline(always)]
    fn resolve_rows(
        &mut self,
        keys: &Keys<'_>,
        word: usize,
        [mut same, mut new, kept]: [u64; 3],
        mut ids: Option<(&mut [u32; BLOCK], usize)>,
        mut resolve: impl FnMut(usize) -> Result<u32>,
    ) -> bool {
        loop {
            if let Some((ids, row)) = &mut ids {
                store(ids, *row, same, kept, self.id);
            }
            if new == 0 {
                return true;
            }
            self.row = word * WORD + new.trailing_zeros() as usize;
            let Ok(id) = resolve(self.row) else { return false };
            self.id = id;
            same = keys.like(self.row, word, new) & new;
            new &= !same;
        }
    }
}

impl ZippedRange<'_> {
    /// Step 1: returns the rows of a word whose system is the total, and prefetches the memory that the later
    /// steps read. `rows` has the bits of the rows that exist.
    ///
    /// With `EARLY > 0` columns are wide, and only the memory of these rows is prefetched, otherwise that of
    /// the whole word.
    #[inline(always)]
    fn mark_total<const EARLY: usize>(&self, word: usize, rows: u64, read_times: bool) -> u64 {
        self.system.prefetch(word);
        if EARLY == 0 {
            self.country.prefetch(word);
            self.value.prefetch(word);
            if read_times {
                self.time.prefetch(word);
            }
        }
        let passed = self.valid.system.narrow(word, rows & self.system.equal(word, rows));
        if EARLY > 0 {
            self.country.prefetch_marked(word, passed);
            self.time.prefetch_marked(word, passed);
            self.value.prefetch_marked(word, passed);
        }
        passed
    }

    /// Step 2: prefetches the strings of the rows that passed step 1.
    #[inline(always)]
    fn prefetch_strings(&self, word: usize, passed: u64) {
        self.country.prefetch_strings(word, passed);
        self.time.prefetch_strings(word, passed);
    }

    /// Step 3, last part: the rows of a word that add something, out of the `kept` ones.
    #[inline(always)]
    fn mark_live(&self, word: usize, kept: u64, counts: &mut Counts) -> u64 {
        let named = self.valid.channel.narrow(word, kept);
        let valued = self.valid.value.narrow(word, named);
        counts.null_channel += (kept & !named).count_ones();
        counts.null_value += (named & !valued).count_ones();
        counts.counted += valued.count_ones();
        let live = valued & !self.value.equal(word, valued);
        // Read when the block ends.
        if let Some(channel) = &self.channel {
            channel.prefetch_rows(word, live);
        }
        live
    }
}

impl Worker {
    /// Prepares rows `rows` of a batch for this path; `None` where it declines them.
    pub(super) fn zip_columns<'a>(
        &mut self,
        plan: &'a Plan,
        batch: &'a Columns,
        rows: &Range<usize>,
    ) -> Option<ZippedRange<'a>> {
        let job = plan.job();
        if job.semantics == Semantics::Legacy {
            return None;
        }
        let (system, true) = (match &batch.system.data {
            Data::Text(text) => (Keys::text(text, rows, job.os_total().as_bytes())?, true),
            _ => ids(&batch.system, rows, self.systems.total_index(&batch.system, job.os_total())?)?,
        }) else {
            return None;
        };
        let (country, has_total) = match &batch.country.data {
            Data::Text(text) => (Keys::text(text, rows, job.country_total().as_bytes())?, true),
            _ => ids(&batch.country, rows, self.countries.total_index(&batch.country, job)?)?,
        };
        self.times.set_column(&batch.time, plan.time_coding);
        let time = match &batch.time.data {
            Data::Text(text) => Keys::text(text, rows, b"")?,
            Data::Numbers(_) => Keys::MaskedColumn(values(&batch.time, rows)?),
            _ => ids(&batch.time, rows, 0)?.0,
        };
        let channel = match &batch.channel.data {
            Data::Text(text) => Keys::text(text, rows, b""),
            _ if self.channels.classify_entries(&batch.channel, job)? => return None,
            _ => None,
        };
        let valid = ValidRows {
            system: Valid::of(&batch.system, rows),
            country: Valid::of(&batch.country, rows),
            time: Valid::of(&batch.time, rows),
            channel: Valid::of(&batch.channel, rows),
            value: Valid::of(&batch.value, rows),
        };
        let value = values(&batch.value, rows)?;
        let country_text = matches!(batch.country.data, Data::Text(_));
        let time_plain = !matches!(batch.time.data, Data::Coded(..));
        let start = rows.start;
        Some(ZippedRange {
            system,
            country,
            has_total,
            country_text,
            time,
            time_plain,
            channel,
            value,
            valid,
            start,
        })
    }

    /// Sums a block of the range. Returns false, and adds nothing, where the path declines the block.
    pub(super) fn sum_zipped_block(
        &mut self,
        plan: &Plan,
        batch: &Columns,
        range: &ZippedRange<'_>,
        rows: Range<usize>,
    ) -> Result<bool> {
        if range.country_text || range.time_plain {
            self.sum_zipped_words::<AHEAD>(plan, batch, range, rows)
        } else {
            self.sum_zipped_words::<0>(plan, batch, range, rows)
        }
    }

    /// Sums a block word by word. Systems are compared `EARLY` words before the rest, and strings are
    /// prefetched halfway: three steps of a pipeline, each on another word.
    fn sum_zipped_words<const EARLY: usize>(
        &mut self,
        plan: &Plan,
        batch: &Columns,
        range: &ZippedRange<'_>,
        rows: Range<usize>,
    ) -> Result<bool> {
        let (first, n) = ((rows.start - range.start) / WORD, rows.len());
        let read_countries = range.country_text || self.countries.any_unseen();
        let read_times = range.time_plain || self.times.any_unseen();
        let Scratch { groups, times: points, .. } = &mut *self.scratch;
        let mut counts = Counts::default();
        let (mut passed, mut live): (Mask, Mask) = ([0; BLOCK / WORD], [0; BLOCK / WORD]);
        let (mut last_country, mut last_time) = (LastKey::NONE, LastKey::NONE);
        for ahead in 0..n.div_ceil(WORD) + EARLY {
            // Step 1, for the word that is `EARLY` words ahead.
            if let Some(passed) = passed.get_mut(ahead).filter(|_| ahead * WORD < n) {
                let rows = u64::MAX >> (WORD - (n - ahead * WORD).min(WORD));
                *passed = range.mark_total::<EARLY>(first + ahead, rows, read_times);
            }
            // Step 2, for the word halfway.
            if let Some(near) = ahead.checked_sub(EARLY / 2).filter(|_| EARLY > 0)
                && let Some(passed) = passed.get(near)
            {
                range.prefetch_strings(first + near, *passed);
            }
            // Step 3, for the current word.
            let Some(at) = ahead.checked_sub(EARLY) else { continue };
            let (word, row) = (first + at, at * WORD);
            let (Some(passed), Some(live)) = (passed.get(at).copied(), live.get_mut(at)) else { break };
            counts.passed += passed.count_ones();
            if passed == 0 {
                continue;
            }
            let valid = range.valid.country.narrow(word, passed);
            counts.null_member += (passed & !valid).count_ones();
            let mut kept = valid;
            if read_countries {
                let country = &range.country;
                let [same, totals] = country.like_or_equal(last_country.row, word, valid, range.has_total);
                kept &= !totals;
                let sets = [same, valid & !(same | totals), kept];
                let ids = range.country_text.then_some((&mut *groups, row));
                if !last_country.resolve_rows(country, word, sets, ids, |row| {
                    let row = range.start + row;
                    self.countries.resolve_row(&batch.country, row, plan.job(), &mut self.dense)
                }) {
                    return Ok(false);
                }
            } else if range.has_total {
                kept &= !range.country.equal(word, valid);
            }
            counts.total_row += (valid & !kept).count_ones();
            if range.valid.time.narrow(word, kept) != kept {
                return Ok(false);
            }
            if read_times && kept != 0 {
                let same = range.time.like(last_time.row, word, kept) & kept;
                let sets = [same, kept & !same, kept];
                let ids = range.time_plain.then_some((&mut *points, row));
                if !last_time.resolve_rows(&range.time, word, sets, ids, |row| {
                    let (row, coding) = (range.start + row, plan.time_coding);
                    self.times.resolve_row(&batch.time, row, plan.job(), coding, &mut self.dense)
                }) {
                    return Ok(false);
                }
            }
            *live = range.mark_live(word, kept, &mut counts);
        }
        let account = &mut self.dense.account;
        account.not_total_row += n as u64 - u64::from(counts.passed);
        account.null_member += u64::from(counts.null_member);
        account.total_row += u64::from(counts.total_row);
        account.null_channel += u64::from(counts.null_channel);
        account.null_value += u64::from(counts.null_value);
        account.counted += u64::from(counts.counted);
        if counts.counted > 0 {
            self.countries.filled = range.country_text;
            self.times.filled = range.time_plain;
            self.add_live(plan, batch, rows, live)?;
        }
        Ok(true)
    }
}

/// Stores `id` for the rows `same`, which are among the rows `kept`, of the word that begins with `row`. Rows
/// between them that are not kept may receive it too: they are not read.
#[inline]
#[allow(clippy::indexing_slicing)] // `row` begins one of the words of a block: its 64 rows are below BLOCK
fn store(ids: &mut [u32; BLOCK], row: usize, same: u64, kept: u64, id: u32) {
    if same == 0 {
        return;
    }
    let (first, last) = (same.trailing_zeros(), 63 - same.leading_zeros());
    let range = u64::MAX << first & u64::MAX >> (63 - last);
    if kept & range == same {
        ids[row + first as usize..=row + last as usize].fill(id);
        return;
    }
    let mut left = same;
    while left != 0 {
        ids[row + left.trailing_zeros() as usize] = id;
        left &= left - 1;
    }
}
