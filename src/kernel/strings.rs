//! Compares strings between offsets with one string, 64 rows at a time.
//!
//! ```text
//! rows = offset[row + 1] - offset[row] == length of the string        (a vector of offsets)
//! for each sequence of adjacent rows that are as long as the string:
//!     rows &= bytes == the string, repeated                           (a vector of rows)
//! ```
//!
//! 1. Adjacent rows of one length lie without a gap: row `i` of them begins `i` lengths after the
//!    first offset. So their offsets are checked once per sequence.
//! 2. A vector of 32 bytes is compared with the string repeated as often as it fits: ten rows of
//!    `all`, four of `2021_05`. Mostly a whole vector is equal or no row of it is; only where one
//!    value ends and the next begins, bits of bytes are gathered to bits of rows.
//! 3. Offsets are not trusted. A row whose offset is negative, descends or points past the bytes
//!    equals no string, and nothing is read there.
//!
//! The string may be that of another row. Where the string is longer than 32 bytes, and in the last
//! word of a column, rows are compared one by one.

use super::column_masks::{AHEAD, WORD};
use super::compare::prefetch_line;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::cpu;

/// Bytes of a vector.
const VECTOR: usize = 32;
/// Cache lines of strings that are prefetched at once; a line has few rows of long strings.
const LINES: usize = 16;

/// The type of offsets: 32 or 64 bits.
#[cfg(target_arch = "x86_64")]
pub trait Offset: Copy + TryFrom<usize> + TryInto<usize> + avx2::Lengths + 'static {}
/// The type of offsets: 32 or 64 bits.
#[cfg(target_arch = "aarch64")]
pub trait Offset: Copy + TryFrom<usize> + TryInto<usize> + neon::Lengths + 'static {}
/// The type of offsets: 32 or 64 bits.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub trait Offset: Copy + TryFrom<usize> + TryInto<usize> + 'static {}
impl Offset for i32 {}
impl Offset for i64 {}

/// A string to compare with.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    string: &'a [u8],
    /// The first bytes of the string; where it is shorter, any bytes follow.
    head: [u8; VECTOR],
}

impl<'a> Wanted<'a> {
    /// A string that need not be in the column.
    pub fn new(string: &'a [u8]) -> Self {
        let mut head = [0; VECTOR];
        head.iter_mut().zip(string).for_each(|(to, from)| *to = *from);
        Wanted { string, head }
    }

    /// The string of a row; `None` if there is none.
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

/// The start and the end of the string of a row; `None` if an offset is missing or negative.
#[inline]
fn between<T: Offset>(offsets: &[T], row: usize) -> Option<(usize, usize)> {
    Some(((*offsets.get(row)?).try_into().ok()?, (*offsets.get(row + 1)?).try_into().ok()?))
}

/// The mask of the rows of a word that have the wanted string. Bits of rows that are not `marked` are
/// undefined. There is one offset more than there are rows, which are at most 64.
type Equal<T> = unsafe fn(offsets: &[T], bytes: &[u8], wanted: &Wanted<'_>, marked: u64) -> u64;

/// A column of strings, and a string to compare it with.
#[derive(Clone, Copy)]
pub struct Strings<'a, T> {
    offsets: &'a [T],
    bytes: &'a [u8],
    wanted: Wanted<'a>,
    equal: Equal<T>,
}

impl<'a, T: Offset> Strings<'a, T> {
    /// The strings of `bytes` between `offsets`, to be compared with `wanted`.
    pub fn new(offsets: &'a [T], bytes: &'a [u8], wanted: &'a [u8]) -> Self {
        #[cfg(target_arch = "x86_64")]
        if cpu::avx2() {
            return Self::by(offsets, bytes, wanted, avx2::equal);
        }
        #[cfg(target_arch = "aarch64")]
        if cpu::neon() {
            return Self::by(offsets, bytes, wanted, neon::equal);
        }
        Self::portable(offsets, bytes, wanted)
    }

    /// [`Self::new`] without vector instructions.
    pub fn portable(offsets: &'a [T], bytes: &'a [u8], wanted: &'a [u8]) -> Self {
        Self::by(offsets, bytes, wanted, portable_equal)
    }

    fn by(offsets: &'a [T], bytes: &'a [u8], wanted: &'a [u8], equal: Equal<T>) -> Self {
        Strings { offsets, bytes, wanted: Wanted::new(wanted), equal }
    }

    /// The mask of the rows of a word that have the wanted string. Bits of rows that are not `marked`
    /// are undefined.
    #[inline]
    pub fn equal(&self, word: usize, marked: u64) -> u64 {
        self.compare(word, &self.wanted, marked)
    }

    /// The mask of the rows of a word that have the string of row `row` of the column; 0 if it has no
    /// such row.
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

    /// Prefetches the strings of the word that is [`AHEAD`] words after `word`, and offsets twice as far
    /// ahead, by which later calls find the strings.
    #[inline]
    pub fn prefetch(&self, word: usize) {
        let from = self.offsets.as_ptr().wrapping_add((word + 2 * AHEAD) * WORD).cast::<u8>();
        (0..size_of::<T>()).for_each(|line| prefetch_line(from.wrapping_add(line * 64)));
        self.prefetch_strings(word + AHEAD, u64::MAX);
    }

    /// Prefetches the offsets of the groups of eight rows of a word that have a marked one.
    #[inline]
    pub fn prefetch_marked(&self, word: usize, marked: u64) {
        let from = self.offsets.as_ptr().wrapping_add(word * WORD);
        let mut left = marked;
        while left != 0 {
            let at = left.trailing_zeros() & !7;
            prefetch_line(from.wrapping_add(at as usize));
            left &= !(0xff << at);
        }
    }

    /// Prefetches the offsets of the marked rows of a word, row by row.
    #[inline]
    pub fn prefetch_rows(&self, word: usize, marked: u64) {
        let from = self.offsets.as_ptr().wrapping_add(word * WORD);
        let mut left = marked;
        while left != 0 {
            prefetch_line(from.wrapping_add(left.trailing_zeros() as usize));
            left &= left - 1;
        }
    }

    /// Prefetches the strings from the first to the last marked row of a word. Their offsets should be
    /// in the cache.
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
            (0..lines).for_each(|line| prefetch_line(start.wrapping_add(line * 64)));
        }
    }
}

/// [`Equal`] without vector instructions.
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

/// Calls `eight` with the first row of each group of eight rows that has a marked one; joins the masks
/// that it returns.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! by_eights {
    ($marked:expr, $eight:expr) => {{
        let (mut bits, mut left): (u64, u64) = (0, $marked);
        while left != 0 {
            let at = left.trailing_zeros() & !7;
            bits |= $eight(at as usize) << at;
            left &= !(0xff << at);
        }
        bits
    }};
}

/// The layout of a vector of strings of one length.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[derive(Clone, Copy)]
struct Shape {
    /// Whole strings that fit.
    rows: u32,
    /// The bits of their first bytes.
    firsts: u32,
    /// The bits of all their bytes.
    whole: u32,
    /// For each byte of the vector its index in the string; used for strings that fit half a vector.
    places: [u8; VECTOR],
}

/// By length; no string fits for length 0.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[allow(clippy::indexing_slicing, clippy::cast_possible_truncation)] // at most 32
static SHAPES: [Shape; VECTOR + 1] = {
    let mut shapes = [Shape { rows: 0, firsts: 0, whole: 0, places: [0; VECTOR] }; VECTOR + 1];
    let mut len = 1;
    while len <= VECTOR {
        let shape = &mut shapes[len];
        shape.rows = (VECTOR / len) as u32;
        shape.whole = u32::MAX >> (VECTOR - VECTOR / len * len);
        let mut byte = 0;
        while byte < VECTOR {
            shape.places[byte] = (byte % len) as u8;
            if byte % len == 0 && byte + len <= VECTOR {
                shape.firsts |= 1 << byte;
            }
            byte += 1;
        }
        len += 1;
    }
    shapes
};

/// The bits that are followed by `len - 1` more set bits, towards the highest.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline]
fn starts_of_set_bits(mut bits: u32, len: usize) -> u32 {
    let mut checked = 1;
    while 2 * checked <= len {
        bits &= bits >> checked;
        checked *= 2;
    }
    bits & bits >> (len - checked)
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, clippy::cast_sign_loss)] // bits stay bits
mod avx2;
#[cfg(target_arch = "aarch64")]
#[allow(unsafe_code, clippy::cast_possible_truncation)] // bits stay bits
mod neon;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every path that this machine has, by name.
    fn paths<T: Offset>() -> Vec<(&'static str, Equal<T>)> {
        let mut paths: Vec<(_, Equal<T>)> = vec![("portable", portable_equal)];
        #[cfg(target_arch = "x86_64")]
        if cpu::best() >= cpu::Level::Avx2 {
            paths.push(("avx2", avx2::equal));
        }
        #[cfg(target_arch = "aarch64")]
        paths.extend(cpu::paths::<Equal<T>>(neon::equal));
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
            // Offsets that are out of range, and bytes that end too early.
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
