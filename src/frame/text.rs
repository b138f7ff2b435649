//! Columns of strings in Arrow's layouts: offsets and bytes, or views.

use super::slice::{Slice, corrupt};
use crate::Result;
use crate::kernel::compare;
use crate::kernel::strings::{Offset, Strings};

/// A column of strings.
#[derive(Clone)]
pub enum Text {
    /// 32-bit offsets and bytes.
    Short(Slice<i32>, Slice<u8>),
    /// 64-bit offsets and bytes.
    Long(Slice<i64>, Slice<u8>),
    /// Views: length, then either up to twelve bytes or four, a buffer and an offset.
    Views(Slice<[u8; 16]>, Vec<Slice<u8>>),
}

impl Text {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Text::Short(offsets, _) => offsets.len().saturating_sub(1),
            Text::Long(offsets, _) => offsets.len().saturating_sub(1),
            Text::Views(views, _) => views.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The string in `row`, whether or not the row is null.
    ///
    /// # Errors
    /// `Format` where it lies outside of the column's memory.
    #[inline]
    pub fn get(&self, row: usize) -> Result<&[u8]> {
        fn between<T: Copy + TryInto<usize>>(
            offsets: &[T],
            bytes: &'_ [u8],
            row: usize,
        ) -> Option<(usize, usize)> {
            let (start, end) = (*offsets.get(row)?, *offsets.get(row + 1)?);
            let (start, end) = (start.try_into().ok()?, end.try_into().ok()?);
            (start <= end && end <= bytes.len()).then_some((start, end))
        }
        let string = match self {
            Text::Short(offsets, bytes) => between(offsets, bytes, row).and_then(|(a, b)| bytes.get(a..b)),
            Text::Long(offsets, bytes) => between(offsets, bytes, row).and_then(|(a, b)| bytes.get(a..b)),
            Text::Views(views, buffers) => views.get(row).and_then(|view| string_of_view(view, buffers)),
        };
        string.ok_or_else(corrupt)
    }

    /// Prefetches the offsets or views of the marked rows; the first row of `mask` is `start`. The bytes are
    /// contiguous, and [`Self::prefetch_bytes`] prefetches them.
    pub fn prefetch(&self, start: usize, mask: &[u64]) {
        match self {
            Text::Short(offsets, _) => compare::prefetch(offsets.rows_from(start), mask),
            Text::Long(offsets, _) => compare::prefetch(offsets.rows_from(start), mask),
            Text::Views(views, _) => compare::prefetch(views.rows_from(start), mask),
        }
    }

    /// Prefetches the bytes of each word of 64 rows with a marked row; the first row of `mask` is `start`.
    pub fn prefetch_bytes(&self, start: usize, mask: &[u64]) {
        fn by_offset<T: Copy + TryInto<usize>>(offsets: &[T], bytes: &[u8], start: usize, mask: &[u64]) {
            for (word, at) in mask.iter().zip((start..).step_by(64)) {
                let last = (at + 64).min(offsets.len().saturating_sub(1));
                if *word != 0
                    && let (Some(from), Some(to)) = (offsets.get(at), offsets.get(last))
                    && let (Ok(from), Ok(to)) = ((*from).try_into(), (*to).try_into())
                {
                    // At most 16 bytes a row: a long string is contiguous, so reading it does not wait for
                    // every cache line. Offsets that lead past the bytes prefetch nothing: `get` reports them.
                    compare::prefetch_all(
                        bytes.get(from..to.min(from.saturating_add(64 * 16))).unwrap_or_default(),
                    );
                }
            }
        }
        match self {
            Text::Short(offsets, bytes) => by_offset(offsets, bytes, start, mask),
            Text::Long(offsets, bytes) => by_offset(offsets, bytes, start, mask),
            Text::Views(..) => {}
        }
    }

    /// Prefetches the offsets or views of some rows, counted from `start`.
    pub fn prefetch_rows(&self, start: usize, rows: &[u16]) {
        match self {
            Text::Short(offsets, _) => compare::prefetch_rows(offsets.rows_from(start), rows),
            Text::Long(offsets, _) => compare::prefetch_rows(offsets.rows_from(start), rows),
            Text::Views(views, _) => compare::prefetch_rows(views.rows_from(start), rows),
        }
    }

    /// Prefetches the bytes of those `rows`, counted from `start`, whose length passes `wanted`. Does nothing
    /// for views.
    pub fn prefetch_strings(&self, start: usize, rows: &[u16], wanted: impl Fn(usize) -> bool) {
        fn by_offset<T: Copy + TryInto<usize>>(
            offsets: &[T],
            bytes: &[u8],
            rows: &[u16],
            wanted: impl Fn(usize) -> bool,
        ) {
            for row in rows.iter().map(|row| usize::from(*row)) {
                if let (Some(from), Some(to)) = (offsets.get(row), offsets.get(row + 1))
                    && let (Ok(from), Ok(to)) = ((*from).try_into(), (*to).try_into())
                    && wanted(to.wrapping_sub(from))
                {
                    // Offsets that lead past the bytes prefetch nothing: `get` reports them.
                    compare::prefetch_all(bytes.get(from..to).unwrap_or_default());
                }
            }
        }
        match self {
            Text::Short(offsets, bytes) => by_offset(offsets.rows_from(start), bytes, rows, wanted),
            Text::Long(offsets, bytes) => by_offset(offsets.rows_from(start), bytes, rows, wanted),
            Text::Views(..) => {}
        }
    }

    /// Whether rows `start..start + len`, which must exist, hold the same string. `false` may also mean
    /// that this was not found out.
    ///
    /// Equal strings that follow each other repeat with the period of their length: the memory equals itself,
    /// shifted by one string. Equal views are views of equal strings.
    #[inline]
    pub fn is_uniform(&self, start: usize, len: usize) -> bool {
        fn repeats<T: Copy + Default + PartialEq + std::ops::Sub<Output = T> + TryInto<usize> + Ord>(
            offsets: Option<&[T]>,
            bytes: &[u8],
        ) -> bool {
            let Some(offsets) = offsets else { return false };
            let [first, second, .., last] = offsets else { return true };
            // The offsets must ascend, so that no difference overflows.
            if *first < T::default()
                || !offsets.iter().zip(offsets.iter().skip(1)).fold(true, |up, (a, b)| up & (a <= b))
            {
                return false;
            }
            let step = *second - *first;
            if !offsets.iter().zip(offsets.iter().skip(1)).fold(true, |even, (a, b)| even & (*b - *a == step))
            {
                return false;
            }
            let (Ok(from), Ok(to), Ok(step)) = ((*first).try_into(), (*last).try_into(), step.try_into())
            else {
                return false;
            };
            let Some(run) = bytes.get(from..to) else { return false };
            run.get(step..) == run.get(..run.len() - step)
        }
        match self {
            Text::Short(offsets, bytes) => repeats(offsets.get(start..=start + len), bytes),
            Text::Long(offsets, bytes) => repeats(offsets.get(start..=start + len), bytes),
            Text::Views(views, _) => {
                let views = views.rows(start..start + len);
                views.get(1..) == views.get(..len.saturating_sub(1))
            }
        }
    }

    /// Clears the bits of `mask` whose string is not `wanted`; its first row is `start`.
    pub fn narrow(&self, start: usize, wanted: &[u8], mask: &mut [u64]) -> Result<()> {
        fn by_offset<T: Offset>(offsets: &[T], bytes: &[u8], wanted: &[u8], mask: &mut [u64]) {
            let strings = Strings::new(offsets, bytes, wanted);
            for (at, word) in mask.iter_mut().enumerate() {
                *word &= strings.equal(at, *word);
            }
        }
        match self {
            Text::Short(offsets, bytes) => by_offset(offsets.rows_from(start), bytes, wanted, mask),
            Text::Long(offsets, bytes) => by_offset(offsets.rows_from(start), bytes, wanted, mask),
            Text::Views(views, _) => {
                if let Some(view) = short_view(wanted) {
                    compare::narrow(views.rows_from(start), view, true, mask);
                    return Ok(());
                }
                for (word, at) in mask.iter_mut().zip((0..).step_by(64)) {
                    for row in at..views.len().saturating_sub(start).min(at + 64) {
                        if *word >> (row - at) & 1 == 1 && self.get(start + row)? != wanted {
                            *word &= !(1 << (row - at));
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// The view of a string of up to twelve bytes, which holds the string itself and is unique to it; `None` for
/// a longer one.
pub fn short_view(string: &[u8]) -> Option<[u8; 16]> {
    let mut view = [0; 16];
    let (len, inline) = view.split_first_chunk_mut::<4>()?;
    *len = u32::try_from(string.len()).ok()?.to_le_bytes();
    inline.get_mut(..string.len())?.copy_from_slice(string);
    Some(view)
}

/// The string of a view; `None` where it lies outside of the buffers.
#[inline]
fn string_of_view<'a>(view: &'a [u8; 16], buffers: &'a [Slice<u8>]) -> Option<&'a [u8]> {
    let word = |at: usize| view.get(at..)?.first_chunk().map(|b| i32::from_le_bytes(*b));
    let len = usize::try_from(word(0)?).ok()?;
    if len <= 12 {
        return view.get(4..4 + len);
    }
    let (buffer, start) = (usize::try_from(word(8)?).ok()?, usize::try_from(word(12)?).ok()?);
    buffers.get(buffer)?.get(start..start.checked_add(len)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
#[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The strings in every layout. The bytes before the first string belong to none.
    fn layouts(strings: &[&str]) -> [Text; 3] {
        let mut bytes = b"??".to_vec();
        let (mut offsets, mut views) = (vec![2], Vec::new());
        for string in strings {
            let mut view = [0; 16];
            view[..4].copy_from_slice(&(string.len() as u32).to_le_bytes());
            if string.len() <= 12 {
                view[4..4 + string.len()].copy_from_slice(string.as_bytes());
            } else {
                view[4..8].copy_from_slice(&string.as_bytes()[..4]);
                view[12..].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
            }
            views.push(view);
            bytes.extend_from_slice(string.as_bytes());
            offsets.push(bytes.len() as i32);
        }
        let long: Vec<i64> = offsets.iter().map(|o| i64::from(*o)).collect();
        [
            Text::Short(offsets.into(), bytes.clone().into()),
            Text::Long(long.into(), bytes.clone().into()),
            Text::Views(views.into(), vec![bytes.into()]),
        ]
    }

    proptest! {
        #[test]
        fn every_layout_gives_the_same_answers(
            runs in proptest::collection::vec((0usize..7, 1usize..40), 0..8),
            start in 0usize..70,
            wanted in 0usize..7,
            mask in proptest::collection::vec(any::<u64>(), 5),
        ) {
            let names = ["", "a", "all", "alle", "2021_05", "Play Store Banner", "Play Store Banners"];
            let strings: Vec<&str> = runs.iter().flat_map(|(s, n)| std::iter::repeat_n(names[*s], *n)).collect();
            let start = start.min(strings.len());
            for text in layouts(&strings) {
                prop_assert_eq!(text.len(), strings.len());
                let mut narrowed = mask.clone();
                text.narrow(start, names[wanted].as_bytes(), &mut narrowed).unwrap();
                for (row, string) in strings[start..].iter().enumerate().take(64 * mask.len()) {
                    let bit = |mask: &[u64]| mask[row / 64] >> (row % 64) & 1 == 1;
                    prop_assert_eq!(bit(&narrowed), bit(&mask) && *string == names[wanted], "row {}", row);
                    prop_assert_eq!(text.get(start + row).unwrap(), string.as_bytes());
                }
                for len in 1..(strings.len() - start).min(64) {
                    let part = &strings[start..start + len];
                    let same = part.iter().all(|s| s == &part[0]);
                    // The bytes of views of long strings are not compared.
                    let detected =
                        same && (part[0].len() <= 12 || len == 1 || !matches!(text, Text::Views(..)));
                    prop_assert_eq!(text.is_uniform(start, len), detected, "{:?}", part);
                }
            }
        }
    }
}
