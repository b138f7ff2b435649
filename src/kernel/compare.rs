//! Comparisons of a column's values with one value, as bitmaps.
//!
//! ```text
//! narrow:    mask[row] &= (value[row] == wanted) == equal
//! distinct:  every value of a marked row is named at least once
//! ```
//!
//! 1. A word of 64 rows that has no bit left is passed over, and its memory with
//!    it: of a frame in export order two thirds of a column are never loaded.
//!    So is a line of a word, by loading another line that is at hand instead.
//! 2. What is passed over is too short for the hardware to guess what comes next:
//!    `prefetch` asks for the lines of a block's marked words, of all columns
//!    that will be read, before the first of them is waited for.
//! 3. `distinct` takes the first marked row, names its value and takes all rows
//!    of the same value out of the word. Keys repeat over some twenty rows, so a
//!    word is one or two comparisons.

use super::cpu;

/// A type that is compared 64 rows a time.
#[cfg(target_arch = "x86_64")]
pub trait Lane: PartialEq + avx2::Equal + avx512::Equal + 'static {
    /// Zero.
    const ZERO: Self;
}

/// A type that is compared 64 rows a time.
#[cfg(not(target_arch = "x86_64"))]
pub trait Lane: Copy + PartialEq + 'static {
    /// Zero.
    const ZERO: Self;
}

macro_rules! lanes {
    ($($type:ty: $zero:expr;)*) => {$(
        impl Lane for $type {
            const ZERO: Self = $zero;
        }
    )*};
}
lanes! {
    i8: 0; u8: 0; i16: 0; u16: 0; i32: 0; u32: 0; i64: 0; u64: 0; f32: 0.0; f64: 0.0; [u8; 16]: [0; 16];
}

/// The same without vectors.
#[inline]
pub(super) fn portable_equal<T: Lane>(values: &[T], wanted: T) -> u64 {
    values.iter().take(64).enumerate().fold(0, |bits, (row, v)| bits | u64::from(*v == wanted) << row)
}

/// Asks for the memory of words that have a marked row.
#[inline]
pub fn prefetch<T>(values: &[T], mask: &[u64]) {
    for (word, values) in mask.iter().zip(values.chunks(64)) {
        if *word != 0 {
            let rows = 64 / size_of::<T>().clamp(1, 64);
            let mut asked = values;
            for (line, at) in values.chunks(rows).zip((0..64).step_by(rows)) {
                // Asking again for a line that was asked for is cheaper than a branch.
                let wanted = *word >> at & (u64::MAX >> (64 - rows)) != 0;
                asked = if wanted { line } else { asked };
                fetch(asked.as_ptr());
            }
        }
    }
}

/// Asks for all memory of `bytes`.
#[inline]
pub fn prefetch_all(bytes: &[u8]) {
    bytes.chunks(64).for_each(|line| fetch(line.as_ptr()));
}

/// Asks for the memory of some rows.
#[inline]
pub fn prefetch_rows<T>(values: &[T], rows: &[u16]) {
    for row in rows {
        fetch(values.as_ptr().wrapping_add(usize::from(*row)));
    }
}

/// Asks for the memory of some values.
#[inline]
pub fn prefetch_places<T>(values: &[T], places: &[u32]) {
    for place in places {
        fetch(values.as_ptr().wrapping_add(*place as usize));
    }
}

/// Asks for a line of memory.
#[inline]
pub(super) fn fetch<T>(line: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint; it reads nothing that the program could see, at any address.
        #[allow(unsafe_code)]
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(line.cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}

/// Takes the rows out of `mask` that do not equal `wanted` (`equal`), or that do.
#[inline]
pub fn narrow<T: Lane>(values: &[T], wanted: T, equal: bool, mask: &mut [u64]) {
    #[cfg(target_arch = "x86_64")]
    if cpu::avx512() {
        // SAFETY: the instruction sets that the function names were found.
        #[allow(unsafe_code)]
        return unsafe { avx512::narrow(values, wanted, equal, mask) };
    }
    #[cfg(target_arch = "x86_64")]
    if cpu::avx2() {
        // SAFETY: as above.
        #[allow(unsafe_code)]
        return unsafe { avx2::narrow(values, wanted, equal, mask) };
    }
    portable_narrow(values, wanted, equal, mask);
}

/// The same without vectors.
pub fn portable_narrow<T: Lane>(values: &[T], wanted: T, equal: bool, mask: &mut [u64]) {
    for (word, values) in mask.iter_mut().zip(values.chunks(64)) {
        if *word != 0 {
            *word &= portable_equal(values, wanted) ^ u64::from(equal).wrapping_sub(1);
        }
    }
}

/// Calls `each` with a row of every value among the marked rows, in order of the rows; an error
/// ends it. Rows are those of `values`.
#[inline]
pub fn distinct<T: Lane, E>(
    values: &[T],
    mask: &[u64],
    each: impl FnMut(usize, T) -> Result<(), E>,
) -> Result<(), E> {
    #[cfg(target_arch = "x86_64")]
    if cpu::avx512() {
        // SAFETY: the instruction sets that the function names were found.
        #[allow(unsafe_code)]
        return unsafe { avx512::distinct(values, mask, each) };
    }
    #[cfg(target_arch = "x86_64")]
    if cpu::avx2() {
        // SAFETY: as above.
        #[allow(unsafe_code)]
        return unsafe { avx2::distinct(values, mask, each) };
    }
    portable_distinct(values, mask, each)
}

/// The same without vectors: a value is named where it differs from the one before.
pub fn portable_distinct<T: Lane, E>(
    values: &[T],
    mask: &[u64],
    mut each: impl FnMut(usize, T) -> Result<(), E>,
) -> Result<(), E> {
    let mut last = None;
    for ((word, values), at) in mask.iter().zip(values.chunks(64)).zip((0..).step_by(64)) {
        let mut left = *word;
        while left != 0 {
            let row = left.trailing_zeros() as usize;
            left &= left - 1;
            let value = values.get(row).copied();
            if let (true, Some(value)) = (value != last, value) {
                last = Some(value);
                each(at + row, value)?;
            }
        }
    }
    Ok(())
}

/// [`narrow`] and [`distinct`] for a set of instructions, by its way to compare a word.
#[cfg(target_arch = "x86_64")]
macro_rules! by_word {
    ($features:literal, $equal:ident) => {
        /// See [`super::narrow`].
        ///
        /// # Safety
        /// - The CPU has the instruction sets of the module.
        #[target_feature(enable = $features)]
        pub unsafe fn narrow<T: Lane>(values: &[T], wanted: T, equal: bool, mask: &mut [u64]) {
            let flip = u64::from(equal).wrapping_sub(1);
            for (word, values) in mask.iter_mut().zip(values.chunks(64)) {
                if *word != 0 {
                    // SAFETY: the instruction sets are there.
                    *word &= unsafe { T::$equal(values, wanted, *word) } ^ flip;
                }
            }
        }

        /// See [`super::distinct`].
        ///
        /// # Safety
        /// - The CPU has the instruction sets of the module.
        #[target_feature(enable = $features)]
        pub unsafe fn distinct<T: Lane, E>(
            values: &[T],
            mask: &[u64],
            mut each: impl FnMut(usize, T) -> Result<(), E>,
        ) -> Result<(), E> {
            for ((word, values), at) in mask.iter().zip(values.chunks(64)).zip((0..).step_by(64)) {
                let mut left = *word;
                while left != 0 {
                    let row = left.trailing_zeros() as usize;
                    let Some(value) = values.get(row) else { break };
                    each(at + row, *value)?;
                    // SAFETY: the instruction sets are there. The row itself goes even where a value
                    // does not equal itself, as NaN does not.
                    left &= !(unsafe { T::$equal(values, *value, left) } | 1 << row);
                }
            }
            Ok(())
        }
    };
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, clippy::cast_possible_wrap, clippy::cast_sign_loss)] // bits stay bits
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, clippy::cast_possible_wrap)]
mod avx512;

/// What is loaded instead of rows that nobody asks for.
#[cfg(target_arch = "x86_64")]
#[repr(align(64))]
struct Line([u8; 64]);
#[cfg(target_arch = "x86_64")]
static NOTHING: Line = Line([0; 64]);

/// Where `lanes` rows from `at` on are; if none of them is marked, a line that is at hand.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn line<T>(values: &[T; 64], at: usize, marked: u64, lanes: u32) -> *const u8 {
    debug_assert!(at + lanes as usize <= 64 && lanes as usize * size_of::<T>() == 64);
    // A choice of addresses, not a branch: there is nothing to predict.
    let wanted = marked >> at & (u64::MAX >> (64 - lanes)) != 0;
    std::hint::select_unpredictable(wanted, values.as_ptr().wrapping_add(at).cast(), NOTHING.0.as_ptr())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Narrow<T> = unsafe fn(&[T], T, bool, &mut [u64]);

    /// Every path that this machine can take, by name.
    fn paths<T: Lane>() -> Vec<(&'static str, Narrow<T>)> {
        let mut paths: Vec<(_, Narrow<T>)> = vec![("chosen", narrow), ("portable", portable_narrow)];
        #[cfg(target_arch = "x86_64")]
        paths.extend(cpu::paths::<Narrow<T>>(avx2::narrow, avx512::narrow));
        paths
    }

    type Each<'a, T> = &'a mut dyn FnMut(usize, T) -> Result<(), ()>;
    type Distinct<T> = fn(&[T], &[u64], Each<'_, T>) -> Result<(), ()>;

    fn distinct_paths<T: Lane>() -> Vec<(&'static str, Distinct<T>)> {
        let mut paths: Vec<(_, Distinct<T>)> =
            vec![("chosen", |v, m, e| distinct(v, m, e)), ("portable", |v, m, e| portable_distinct(v, m, e))];
        // SAFETY (both): only those that this machine has are called.
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code)]
        paths.extend(cpu::paths::<Distinct<T>>(
            |v, m, e| unsafe { avx2::distinct(v, m, e) },
            |v, m, e| unsafe { avx512::distinct(v, m, e) },
        ));
        paths
    }

    fn check<T: Lane>(values: &[T], wanted: T, mask: &[u64]) {
        let marked = |mask: &[u64], row: usize| mask[row / 64] >> (row % 64) & 1 == 1;
        for (name, narrow) in paths() {
            for equal in [false, true] {
                let mut got = mask.to_vec();
                // SAFETY: the paths are those that this machine has.
                #[allow(unsafe_code)]
                unsafe {
                    narrow(values, wanted, equal, &mut got);
                }
                for (row, value) in values.iter().enumerate() {
                    let want = marked(mask, row) && (*value == wanted) == equal;
                    assert_eq!(marked(&got, row), want, "{name}, row {row}");
                }
            }
        }
        for (_, distinct) in distinct_paths() {
            let mut named = Vec::new();
            let mut each = |row: usize, value: T| {
                named.push((row, value));
                Ok(())
            };
            distinct(values, mask, &mut each).unwrap();
            assert!(named.iter().zip(named.iter().skip(1)).all(|(a, b)| a.0 < b.0));
            assert!(named.iter().all(|(row, _)| marked(mask, *row)));
            for row in (0..values.len()).filter(|row| marked(mask, *row)) {
                // Named at the latest by its own row: so a bad value is told of where it comes first.
                assert!(named.iter().any(|(at, value)| *at <= row && (*value == values[row] || *at == row)));
            }
        }
    }

    proptest! {
        #[test]
        fn every_width_compares_alike(
            rows in proptest::collection::vec(0u8..4, 0..200),
            mask in proptest::collection::vec(any::<u64>(), 4),
            wanted in 0u8..4,
        ) {
            macro_rules! widths {
                ($($type:ty)*) => {$(
                    let values: Vec<$type> = rows.iter().map(|v| <$type>::try_from(*v).unwrap()).collect();
                    check(&values, <$type>::try_from(wanted).unwrap(), &mask);
                )*};
            }
            widths!(i8 u8 i16 u16 i32 u32 i64 u64 f32 f64);
            // Both halves have to match.
            let wide = |v: u8| if v < 2 { [v; 16] } else { (1 + (u128::from(v) << 64)).to_le_bytes() };
            check(&rows.iter().map(|v| wide(*v)).collect::<Vec<_>>(), wide(wanted), &mask);
            let odd: Vec<f64> = rows.iter().map(|v| [0.0, -0.0, f64::NAN, 1.0][usize::from(*v)]).collect();
            check(&odd, 0.0, &mask);
        }
    }
}
