//! Compares columns of any width with a value each, side by side, 64 rows at a time.
//!
//! ```text
//! for each word of 64 rows:
//!     keep = condition == wanted condition, key != total key
//!     live = keep and measure != 0
//! ```
//!
//! 1. All columns are walked together. Memory is slow where a memory page begins, and the
//!    columns wait for it at the same time; one column after the other, a block of 2048 rows at
//!    a time, waited for each.
//! 2. A column is a pointer and a function for its width: one call per word instead
//!    of one loop for each of the thousands of combinations of widths.
//! 3. Memory is prefetched some words ahead: the hardware prefetcher stops at the
//!    end of a memory page. Wide values are prefetched, and compared, eight rows at a time
//!    and only where one of the eight is marked.
//! 4. The remaining rows are extracted from a word by a vector instruction (`vpcompressw`); without AVX-512 bit by bit.

use std::marker::PhantomData;

use super::compare::{Lane, portable_equal};
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::cpu;

/// Rows of a word.
pub const WORD: usize = 64;
/// Words between the current one and the one that is prefetched.
pub const AHEAD: usize = 6;
/// The widest value, in bytes.
const WIDEST: usize = 16;

/// The mask of those rows of a word, at most 64 from `start` on, that equal the value at `wanted`.
/// Bits of rows that are not `marked` are undefined.
type Equal = unsafe fn(start: *const u8, rows: usize, wanted: *const u8, marked: u64) -> u64;

/// [`Equal`] for two values: the rows are loaded once.
type Either =
    unsafe fn(start: *const u8, rows: usize, one: *const u8, other: *const u8, marked: u64) -> [u64; 2];

/// A column of any width, and a value to compare it with.
#[allow(unsafe_code)]
#[derive(Clone, Copy)]
pub struct MaskedColumn<'a> {
    start: *const u8,
    rows: usize,
    width: usize,
    wanted: [u8; WIDEST],
    equal: Equal,
    either: Either,
    _values: PhantomData<&'a [u8]>,
}

impl<'a> MaskedColumn<'a> {
    /// A column of `values`, to be compared with `wanted`.
    pub fn new<T: Lane>(values: &'a [T], wanted: T) -> Self {
        #[cfg(target_arch = "x86_64")]
        if cpu::avx512() {
            return Self::by(values, wanted, avx512_equal::<T>, avx512_either::<T>);
        }
        #[cfg(target_arch = "x86_64")]
        if cpu::avx2() {
            return Self::by(values, wanted, avx2_equal::<T>, avx2_either::<T>);
        }
        #[cfg(target_arch = "aarch64")]
        if cpu::neon() {
            return Self::by(values, wanted, neon_equal::<T>, neon_either::<T>);
        }
        Self::portable(values, wanted)
    }

    /// [`Self::new`] without vector instructions.
    pub fn portable<T: Lane>(values: &'a [T], wanted: T) -> Self {
        Self::by(values, wanted, plain_equal::<T>, plain_either::<T>)
    }

    fn by<T: Lane>(values: &'a [T], wanted: T, equal: Equal, either: Either) -> Self {
        const { assert!(size_of::<T>() <= WIDEST) };
        let mut bytes = [0; WIDEST];
        // SAFETY: there is room for a `T`, which needs no alignment here.
        #[allow(unsafe_code)]
        unsafe {
            bytes.as_mut_ptr().cast::<T>().write_unaligned(wanted);
        }
        let (start, rows) = (values.as_ptr().cast(), values.len());
        MaskedColumn {
            start,
            rows,
            width: size_of::<T>(),
            wanted: bytes,
            equal,
            either,
            _values: PhantomData,
        }
    }

    /// The mask of the rows of a word that equal the wanted value. Bits of rows that are not `marked`
    /// are undefined.
    #[inline]
    pub fn equal(&self, word: usize, marked: u64) -> u64 {
        self.compare(word, self.wanted.as_ptr(), marked)
    }

    /// The mask of the rows of a word that equal row `row` of the column; 0 if it has no such row.
    #[inline]
    pub fn like(&self, row: usize, word: usize, marked: u64) -> u64 {
        if row >= self.rows {
            return 0;
        }
        self.compare(word, self.start.wrapping_add(row * self.width), marked)
    }

    /// The masks of [`Self::like`] and [`Self::equal`].
    #[inline]
    pub fn like_or_equal(&self, row: usize, word: usize, marked: u64) -> [u64; 2] {
        if row >= self.rows {
            return [0, self.equal(word, marked)];
        }
        let at = word.saturating_mul(WORD).min(self.rows);
        let rows = (self.rows - at).min(WORD);
        let (start, like) = (at * self.width, row * self.width);
        // SAFETY: as in `compare`; row `row` is one of the column's values.
        #[allow(unsafe_code)]
        unsafe {
            let (start, like) = (self.start.wrapping_add(start), self.start.wrapping_add(like));
            (self.either)(start, rows, like, self.wanted.as_ptr(), marked)
        }
    }

    #[inline]
    fn compare(&self, word: usize, wanted: *const u8, marked: u64) -> u64 {
        let at = word.saturating_mul(WORD).min(self.rows);
        let rows = (self.rows - at).min(WORD);
        // SAFETY: `at + rows` is at most the column's rows, `wanted` points to one of its values
        // or to the wanted one, and `equal` is the function of their type, chosen after the
        // instruction sets that it needs were found.
        #[allow(unsafe_code)]
        unsafe {
            (self.equal)(self.start.wrapping_add(at * self.width), rows, wanted, marked)
        }
    }

    /// Prefetches the word that is [`AHEAD`] words after `word`.
    #[inline]
    pub fn prefetch(&self, word: usize) {
        let from = self.start.wrapping_add((word + AHEAD) * WORD * self.width);
        for line in 0..self.width {
            super::compare::prefetch_line(from.wrapping_add(line * 64));
        }
    }

    /// Prefetches a word with marked rows; of wide values, only the groups of eight rows that have a
    /// marked one.
    #[inline]
    pub fn prefetch_marked(&self, word: usize, marked: u64) {
        let from = self.start.wrapping_add(word * WORD * self.width);
        if self.width < 8 {
            for line in 0..self.width {
                super::compare::prefetch_line(from.wrapping_add(line * 64));
            }
            return;
        }
        let mut left = marked;
        while left != 0 {
            let at = left.trailing_zeros() & !7;
            for line in 0..self.width / 8 {
                super::compare::prefetch_line(from.wrapping_add(at as usize * self.width + line * 64));
            }
            left &= !(0xff << at);
        }
    }

    /// Prefetches the marked rows of a word, row by row.
    #[inline]
    pub fn prefetch_rows(&self, word: usize, marked: u64) {
        let from = self.start.wrapping_add(word * WORD * self.width);
        let mut left = marked;
        while left != 0 {
            super::compare::prefetch_line(from.wrapping_add(left.trailing_zeros() as usize * self.width));
            left &= left - 1;
        }
    }
}

/// # Safety
/// - There are `rows` values of `T` at `start`, aligned, and one at `wanted`, aligned or not.
#[allow(unsafe_code)]
unsafe fn plain_equal<T: Lane>(start: *const u8, rows: usize, wanted: *const u8, _marked: u64) -> u64 {
    // SAFETY: by contract.
    unsafe {
        portable_equal(
            std::slice::from_raw_parts(start.cast::<T>(), rows),
            wanted.cast::<T>().read_unaligned(),
        )
    }
}

/// # Safety
/// - As [`plain_equal`], with a value at `one` and one at `other`.
#[allow(unsafe_code)]
unsafe fn plain_either<T: Lane>(
    start: *const u8,
    rows: usize,
    one: *const u8,
    other: *const u8,
    marked: u64,
) -> [u64; 2] {
    // SAFETY: by contract.
    unsafe { [plain_equal::<T>(start, rows, one, marked), plain_equal::<T>(start, rows, other, marked)] }
}

/// Defines [`Equal`] and [`Either`] for an instruction set, by its function for a word.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! equal_by {
    ($name:ident, $either:ident, $features:literal) => {
        /// # Safety
        /// - As [`plain_equal`].
        /// - The CPU has the instruction sets that the function names.
        #[allow(unsafe_code)]
        #[target_feature(enable = $features)]
        unsafe fn $name<T: Lane>(start: *const u8, rows: usize, wanted: *const u8, marked: u64) -> u64 {
            // SAFETY: by contract.
            unsafe {
                T::$name(
                    std::slice::from_raw_parts(start.cast::<T>(), rows),
                    wanted.cast::<T>().read_unaligned(),
                    marked,
                )
            }
        }

        /// # Safety
        /// - As [`plain_either`].
        /// - The CPU has the instruction sets that the function names.
        #[allow(unsafe_code)]
        #[target_feature(enable = $features)]
        unsafe fn $either<T: Lane>(
            start: *const u8,
            rows: usize,
            one: *const u8,
            other: *const u8,
            marked: u64,
        ) -> [u64; 2] {
            // SAFETY: by contract.
            unsafe { [$name::<T>(start, rows, one, marked), $name::<T>(start, rows, other, marked)] }
        }
    };
}
#[cfg(target_arch = "x86_64")]
equal_by!(avx2_equal, avx2_either, "avx2,bmi1");
#[cfg(target_arch = "x86_64")]
equal_by!(avx512_equal, avx512_either, "avx512f,avx512bw");
#[cfg(target_arch = "aarch64")]
equal_by!(neon_equal, neon_either, "neon");

/// Writes the numbers of the rows marked in `mask` to the front of `rows`, ascending; returns how
/// many there are. `N` is at least the rows of the mask plus 31.
#[inline]
pub fn rows_of<const N: usize>(mask: &[u64], rows: &mut [u16; N]) -> usize {
    #[cfg(target_arch = "x86_64")]
    if cpu::avx512() && mask.len() * WORD + 31 <= N {
        // SAFETY: the CPU has the instruction sets that the function names, and there is room.
        #[allow(unsafe_code)]
        return unsafe { avx512_rows_of(mask, rows) };
    }
    portable_rows_of(mask, rows)
}

/// [`rows_of`] without vector instructions.
#[allow(clippy::cast_possible_truncation, clippy::indexing_slicing)] // rows of a block; `rows` has room for them
pub fn portable_rows_of<const N: usize>(mask: &[u64], rows: &mut [u16; N]) -> usize {
    let mut n = 0;
    for (word, at) in mask.iter().zip((0u16..).step_by(WORD)) {
        let mut word = *word;
        while word != 0 {
            rows[n] = at + word.trailing_zeros() as u16;
            n += 1;
            word &= word - 1;
        }
    }
    n
}

/// # Safety
/// - The CPU has AVX-512 F, BW and VBMI2.
/// - `N` is at least the rows of the mask plus 31: whole vectors are stored.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2")]
unsafe fn avx512_rows_of<const N: usize>(mask: &[u64], rows: &mut [u16; N]) -> usize {
    use std::arch::x86_64::*;
    debug_assert!(mask.len() * WORD + 31 <= N);
    let first: [u16; 32] = std::array::from_fn(|row| row as u16);
    // SAFETY: 32 numbers of 16 bits.
    let mut here = unsafe { _mm512_loadu_epi16(first.as_ptr().cast()) };
    let mut n = 0;
    for word in mask {
        for half in [*word as u32, (*word >> 32) as u32] {
            // SAFETY: `n` is at most the rows before this half, and `N` leaves room for a vector.
            unsafe {
                _mm512_storeu_epi16(rows.as_mut_ptr().add(n).cast(), _mm512_maskz_compress_epi16(half, here));
            }
            n += half.count_ones() as usize;
            here = _mm512_add_epi16(here, _mm512_set1_epi16(32));
        }
    }
    n
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check<T: Lane>(values: &[T], wanted: T, marked: u64) {
        let mut columns = vec![MaskedColumn::new(values, wanted), MaskedColumn::portable(values, wanted)];
        #[cfg(target_arch = "x86_64")]
        columns.extend(
            cpu::paths::<(Equal, Either)>(
                (avx2_equal::<T>, avx2_either::<T>),
                (avx512_equal::<T>, avx512_either::<T>),
            )
            .into_iter()
            .map(|(_, (equal, either))| MaskedColumn::by(values, wanted, equal, either)),
        );
        #[cfg(target_arch = "aarch64")]
        columns.extend(
            cpu::paths::<(Equal, Either)>((neon_equal::<T>, neon_either::<T>))
                .into_iter()
                .map(|(_, (equal, either))| MaskedColumn::by(values, wanted, equal, either)),
        );
        for column in columns {
            for word in 0..5 {
                column.prefetch(word);
                column.prefetch_marked(word, marked);
                column.prefetch_rows(word, marked);
                let bits = |is: &dyn Fn(&T) -> bool| {
                    let rows = values.iter().skip(word * WORD).take(WORD).enumerate();
                    rows.fold(0u64, |bits, (row, v)| bits | u64::from(is(v)) << row)
                };
                assert_eq!(column.equal(word, marked) & marked, bits(&|v| *v == wanted) & marked);
                for row in [0, 1, 100, 199, 1000] {
                    let like = values.get(row).map_or(0, |wanted| bits(&|v| v == wanted));
                    assert_eq!(column.like(row, word, marked) & marked, like & marked);
                    let both = column.like_or_equal(row, word, marked).map(|bits| bits & marked);
                    assert_eq!(both, [like & marked, column.equal(word, marked) & marked]);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn every_width_compares_alike(
            rows in proptest::collection::vec(0u8..4, 0..200),
            marked in any::<u64>(),
            wanted in 0u8..4,
        ) {
            macro_rules! widths {
                ($($type:ty)*) => {$(
                    let values: Vec<$type> = rows.iter().map(|v| <$type>::try_from(*v).unwrap()).collect();
                    check(&values, <$type>::try_from(wanted).unwrap(), marked);
                )*};
            }
            widths!(i8 u8 i16 u16 i32 u32 i64 u64 f32 f64);
            check(&rows.iter().map(|v| [*v; 16]).collect::<Vec<_>>(), [wanted; 16], marked);
        }

        #[test]
        fn every_path_names_the_same_rows(mask in proptest::collection::vec(any::<u64>(), 0..5)) {
            let (mut fast, mut plain) = ([0u16; 5 * WORD + 31], [0u16; 5 * WORD + 31]);
            let n = rows_of(&mask, &mut fast);
            prop_assert_eq!(n, portable_rows_of(&mask, &mut plain));
            prop_assert_eq!(&fast[..n], &plain[..n]);
            let marked = |row: &u16| mask[usize::from(*row) / 64] >> (row % 64) & 1 == 1;
            prop_assert_eq!(n, mask.iter().map(|w| w.count_ones() as usize).sum::<usize>());
            prop_assert!(fast[..n].iter().all(marked) && fast[..n].windows(2).all(|w| w[0] < w[1]));
        }
    }
}
