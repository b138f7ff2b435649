//! Strings by offsets side by side, 64 rows at a time: which rows hold a given string?
//!
//! ```text
//! rows = offset[row + 1] - offset[row] == length of the string        (a vector of offsets)
//! for each stretch of rows, which are as long as the string and follow each other:
//!     rows &= bytes == the string again and again                     (a vector of rows)
//! ```
//!
//! 1. Rows of one length that follow each other lie without a gap: from the first offset on
//!    row `i` begins `i` lengths later. So their offsets are checked once a stretch.
//! 2. A vector of 32 bytes is compared with the string repeated as often as it fits: ten rows of
//!    `all`, four of `2021_05`. Whole vectors are equal or have nothing in common but where one
//!    value ends and the next begins; only there bits of bytes are gathered to bits of rows.
//! 3. Offsets are the producer's word. One that is negative, descends or leads past the bytes
//!    makes a row that equals nothing, and nothing is read there.
//!
//! The string may be that of another row. With strings of more than 32 bytes, and in the last word
//! of a column, rows are compared one by one.

use super::column_masks::{AHEAD, WORD};
use super::compare::fetch;
#[cfg(target_arch = "x86_64")]
use super::cpu;

/// Bytes of a vector.
const VECTOR: usize = 32;
/// Lines of strings that are asked for at once; long ones are few rows a line.
const LINES: usize = 16;

/// The type of offsets: 32 or 64 bits.
#[cfg(target_arch = "x86_64")]
pub trait Offset: Copy + TryFrom<usize> + TryInto<usize> + avx2::Lengths + 'static {}
/// The type of offsets: 32 or 64 bits.
#[cfg(not(target_arch = "x86_64"))]
pub trait Offset: Copy + TryFrom<usize> + TryInto<usize> + 'static {}
impl Offset for i32 {}
impl Offset for i64 {}

/// A string to compare with.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    string: &'a [u8],
    /// The first bytes of the string, and whatever follows where it is shorter.
    head: [u8; VECTOR],
}

impl<'a> Wanted<'a> {
    /// `string`, which lies anywhere.
    pub fn new(string: &'a [u8]) -> Self {
        let mut head = [0; VECTOR];
        head.iter_mut().zip(string).for_each(|(to, from)| *to = *from);
        Wanted { string, head }
    }

    /// The string of a row.
    #[inline]
    fn of<T: Offset>(offsets: &[T], bytes: &'a [u8], row: usize) -> Option<Self> {
        let (start, end) = between(offsets, row)?;
        let string = bytes.get(start..end)?;
        match bytes.get(start..)?.first_chunk() {
            Some(head) => Some(Wanted { string, head: *head }),
            None => Some(Wanted::new(string)),
        }
    }
}

/// Where the string of a row begins and ends, if its offsets are numbers of bytes at all.
#[inline]
fn between<T: Offset>(offsets: &[T], row: usize) -> Option<(usize, usize)> {
    Some(((*offsets.get(row)?).try_into().ok()?, (*offsets.get(row + 1)?).try_into().ok()?))
}

/// The rows of a word that hold the string wanted; any bits for rows that are not `marked`. There is
/// an offset more than there are rows, which are at most 64.
type Equal<T> = unsafe fn(offsets: &[T], bytes: &[u8], wanted: &Wanted<'_>, marked: u64) -> u64;

/// A column of strings, and one to compare with.
#[derive(Clone, Copy)]
pub struct Strings<'a, T> {
    offsets: &'a [T],
    bytes: &'a [u8],
    wanted: Wanted<'a>,
    equal: Equal<T>,
}

impl<'a, T: Offset> Strings<'a, T> {
    /// Strings between `offsets`, to be compared with `wanted`.
    pub fn new(offsets: &'a [T], bytes: &'a [u8], wanted: &'a [u8]) -> Self {
        #[cfg(target_arch = "x86_64")]
        if cpu::avx2() {
            return Self::by(offsets, bytes, wanted, avx2::equal);
        }
        Self::portable(offsets, bytes, wanted)
    }

    /// The same without vectors.
    pub fn portable(offsets: &'a [T], bytes: &'a [u8], wanted: &'a [u8]) -> Self {
        Self::by(offsets, bytes, wanted, portable_equal)
    }

    fn by(offsets: &'a [T], bytes: &'a [u8], wanted: &'a [u8], equal: Equal<T>) -> Self {
        Strings { offsets, bytes, wanted: Wanted::new(wanted), equal }
    }

    /// The rows of a word that hold the wanted string; any bits for rows that are not `marked`.
    #[inline]
    pub fn equal(&self, word: usize, marked: u64) -> u64 {
        self.compare(word, &self.wanted, marked)
    }

    /// The rows of a word that hold the string of row `row` of the column; none if there is no such row.
    #[inline]
    pub fn like(&self, row: usize, word: usize, marked: u64) -> u64 {
        Wanted::of(self.offsets, self.bytes, row).map_or(0, |wanted| self.compare(word, &wanted, marked))
    }

    #[inline]
    fn compare(&self, word: usize, wanted: &Wanted<'_>, marked: u64) -> u64 {
        let from = word.saturating_mul(WORD);
        let to = from.saturating_add(WORD + 1).min(self.offsets.len());
        let Some(offsets) = self.offsets.get(from..to) else { return 0 };
        // SAFETY: `equal` was chosen after the instruction sets that it needs were found.
        #[allow(unsafe_code)]
        unsafe {
            (self.equal)(offsets, self.bytes, wanted, marked)
        }
    }

    /// Asks for the strings of a word some words ahead, and for offsets farther ahead, which tell
    /// where strings are.
    #[inline]
    pub fn prefetch(&self, word: usize) {
        let from = self.offsets.as_ptr().wrapping_add((word + 2 * AHEAD) * WORD).cast::<u8>();
        (0..size_of::<T>()).for_each(|line| fetch(from.wrapping_add(line * 64)));
        self.prefetch_strings(word + AHEAD, u64::MAX);
    }

    /// Asks for the offsets of the marked rows of a word.
    #[inline]
    pub fn prefetch_marked(&self, word: usize, marked: u64) {
        let from = self.offsets.as_ptr().wrapping_add(word * WORD);
        let mut left = marked;
        while left != 0 {
            let at = left.trailing_zeros() & !7;
            fetch(from.wrapping_add(at as usize));
            left &= !(0xff << at);
        }
    }

    /// Asks for the offsets of the marked rows of a word, a row after the other.
    #[inline]
    pub fn prefetch_rows(&self, word: usize, marked: u64) {
        let from = self.offsets.as_ptr().wrapping_add(word * WORD);
        let mut left = marked;
        while left != 0 {
            fetch(from.wrapping_add(left.trailing_zeros() as usize));
            left &= left - 1;
        }
    }

    /// Asks for the strings from the first to the last marked row of a word, whose offsets are at hand.
    #[inline]
    pub fn prefetch_strings(&self, word: usize, marked: u64) {
        if marked == 0 {
            return;
        }
        let rows = self.offsets.len().saturating_sub(1);
        let first = (word * WORD + marked.trailing_zeros() as usize).min(rows);
        let last = (word * WORD + 64 - marked.leading_zeros() as usize).min(rows);
        if let (Some((from, _)), Some(to)) = (between(self.offsets, first), self.offsets.get(last))
            && let Ok(to) = (*to).try_into()
        {
            let start = self.bytes.as_ptr().wrapping_add(from);
            let lines = (start as usize % 64 + to.saturating_sub(from)).div_ceil(64).min(LINES);
            (0..lines).for_each(|line| fetch(start.wrapping_add(line * 64)));
        }
    }
}

/// [`Equal`] without vectors.
fn portable_equal<T: Offset>(offsets: &[T], bytes: &[u8], wanted: &Wanted<'_>, marked: u64) -> u64 {
    let (mut bits, mut left) = (0, marked);
    while left != 0 {
        let row = left.trailing_zeros();
        let found = between(offsets, row as usize).is_some_and(|(start, end)| {
            end.wrapping_sub(start) == wanted.string.len() && bytes.get(start..end) == Some(wanted.string)
        });
        bits |= u64::from(found) << row;
        left &= left - 1;
    }
    bits
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, clippy::cast_sign_loss)] // bits stay bits
mod avx2;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every path that this machine can take, by name.
    fn paths<T: Offset>() -> Vec<(&'static str, Equal<T>)> {
        let mut paths: Vec<(_, Equal<T>)> = vec![("portable", portable_equal)];
        #[cfg(target_arch = "x86_64")]
        if cpu::best() >= cpu::Level::Avx2 {
            paths.push(("avx2", avx2::equal));
        }
        paths
    }

    fn check<T: Offset>(offsets: &[T], bytes: &[u8], wanted: &[u8], marked: u64) {
        let rows = offsets.len() - 1;
        let string = |row: usize| between(offsets, row).and_then(|(start, end)| bytes.get(start..end));
        let by = paths().into_iter().map(|(name, by)| (name, Strings::by(offsets, bytes, wanted, by)));
        let mut columns: Vec<_> = by.collect();
        columns.push(("chosen", Strings::new(offsets, bytes, wanted)));
        for (name, column) in columns {
            for word in 0..5 {
                column.prefetch(word);
                column.prefetch_marked(word, marked);
                column.prefetch_rows(word, marked);
                column.prefetch_strings(word, marked);
                let bits = |wanted: &[u8]| {
                    let here = (word * WORD..rows).take(WORD);
                    here.fold(0, |bits, row| bits | u64::from(string(row) == Some(wanted)) << (row % WORD))
                };
                let got = column.equal(word, marked) & marked;
                assert_eq!(got, bits(wanted) & marked, "{name}, word {word}");
                for row in [0, 1, 63, 64, 100, 199, 1000] {
                    let want = if row < rows { string(row).map_or(0, bits) } else { 0 };
                    let got = column.like(row, word, marked) & marked;
                    assert_eq!(got, want & marked, "{name}, word {word}, as row {row}");
                }
            }
        }
    }

    const KNOWN: [&[u8]; 14] = [
        b"",
        b"a",
        b"b",
        b"\0",
        b"DE",
        b"DF",
        b"all",
        b"ios",
        b"2021_05",
        b"2021_06",
        b"Play Store Banner",
        b"Play Store Bannes",
        b"exactly thirty-two bytes, or not",
        b"a name that is longer than any vector is",
    ];

    proptest! {
        #[test]
        fn every_path_finds_the_same_rows(
            runs in proptest::collection::vec((0..KNOWN.len(), 1usize..40), 0..12),
            wanted in 0..KNOWN.len(),
            marked in prop_oneof![Just(u64::MAX), any::<u64>()],
            spare in 0usize..40,
            wrong in proptest::collection::vec((0usize..300, -40i32..400), 0..3),
        ) {
            let mut bytes = b"??".to_vec();
            let mut offsets = vec![2];
            for (which, times) in runs {
                for _ in 0..times {
                    bytes.extend_from_slice(KNOWN[which]);
                    offsets.push(i32::try_from(bytes.len()).unwrap());
                }
            }
            bytes.resize(bytes.len() + spare, 0);
            let long = |offsets: &[i32]| offsets.iter().map(|o| i64::from(*o)).collect::<Vec<_>>();
            check(&offsets, &bytes, KNOWN[wanted], marked);
            check(&long(&offsets), &bytes, KNOWN[wanted], marked);
            // Offsets that are no offsets, and bytes that end too early.
            for (at, offset) in wrong {
                if let Some(value_id) = offsets.get_mut(at) {
                    *value_id = offset;
                }
            }
            bytes.truncate(bytes.len().saturating_sub(2 * spare));
            check(&offsets, &bytes, KNOWN[wanted], marked);
            check(&long(&offsets), &bytes, KNOWN[wanted], marked);
        }
    }

    #[test]
    fn offsets_at_the_ends_of_their_type() {
        let mut offsets = vec![i64::MIN, i64::MAX, 0, i64::MIN, -1, 0, 1, 2, i64::MAX];
        offsets.resize(80, 3);
        for wanted in KNOWN {
            check(&offsets, b"aab", wanted, u64::MAX);
        }
        let mut offsets = vec![i32::MIN, i32::MAX, 0, i32::MIN, -1, 0, 1, 2, i32::MAX];
        offsets.resize(80, 3);
        for wanted in KNOWN {
            check(&offsets, b"aab", wanted, u64::MAX);
        }
    }
}
