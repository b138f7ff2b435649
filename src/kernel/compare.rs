//! Compares the values of a column with one value; the results are masks.
//!
//! ```text
//! narrow:    mask[row] &= (value[row] == wanted) == equal
//! distinct:  every value of a marked row is reported at least once
//! ```
//!
//! 1. A word of 64 rows without a marked one is skipped, and its memory is not
//!    loaded: two thirds of a column of a frame in export order never are.
//!    Cache lines without a marked row are skipped too: a resident dummy line is loaded
//!    instead.
//! 2. The skipped parts are too irregular for the hardware prefetcher:
//!    `prefetch` requests the lines of a block's marked words, of all columns
//!    that will be read, before the first of them is used.
//! 3. `distinct` takes the first marked row, reports its value and removes all rows
//!    of the same value from the word. Keys repeat over some twenty rows, so a
//!    word takes one or two comparisons.

use super::cpu;

/// A type whose values are compared 64 rows at a time.
#[cfg(target_arch = "x86_64")]
pub trait Lane: PartialEq + avx2::Equal + avx512::Equal + 'static {
    /// Zero.
    const ZERO: Self;
}

/// A type whose values are compared 64 rows at a time.
#[cfg(target_arch = "aarch64")]
pub trait Lane: PartialEq + neon::Equal + 'static {
    /// Zero.
    const ZERO: Self;
}

/// A type whose values are compared 64 rows at a time.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
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

/// The mask of those of at most 64 rows that equal `wanted`, without vector instructions.
#[inline]
pub(super) fn portable_equal<T: Lane>(values: &[T], wanted: T) -> u64 {
    values.iter().take(64).enumerate().fold(0, |bits, (row, v)| bits | u64::from(*v == wanted) << row)
}

/// Prefetches the words that have a marked row.
#[inline]
pub fn prefetch<T>(values: &[T], mask: &[u64]) {
    for (word, values) in mask.iter().zip(values.chunks(64)) {
        if *word != 0 {
            let rows = 64 / size_of::<T>().clamp(1, 64);
            let mut nearest = values;
            for (line, at) in values.chunks(rows).zip((0..64).step_by(rows)) {
                // Prefetching the previous line again is cheaper than a branch.
                let wanted = *word >> at & (u64::MAX >> (64 - rows)) != 0;
                nearest = if wanted { line } else { nearest };
                prefetch_line(nearest.as_ptr());
            }
        }
    }
}

/// Prefetches all of `bytes`.
#[inline]
pub fn prefetch_all(bytes: &[u8]) {
    bytes.chunks(64).for_each(|line| prefetch_line(line.as_ptr()));
}

/// Prefetches the values of some rows.
#[inline]
pub fn prefetch_rows<T>(values: &[T], rows: &[u16]) {
    for row in rows {
        prefetch_line(values.as_ptr().wrapping_add(usize::from(*row)));
    }
}

/// Prefetches the values at some indices.
#[inline]
pub fn prefetch_places<T>(values: &[T], places: &[u32]) {
    for place in places {
        prefetch_line(values.as_ptr().wrapping_add(*place as usize));
    }
}

/// Prefetches a cache line.
#[inline]
pub(super) fn prefetch_line<T>(line: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch is a hint: it has no effect that the program can observe, at any address.
        #[allow(unsafe_code)]
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(line.cast());
        }
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above. The intrinsic is not stable.
    #[allow(unsafe_code)]
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{}]", in(reg) line, options(readonly, nostack, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = line;
}

/// Removes the rows from `mask` that do not equal `wanted` or, unless `equal`, those that do.
#[inline]
pub fn narrow<T: Lane>(values: &[T], wanted: T, equal: bool, mask: &mut [u64]) {
    #[cfg(target_arch = "x86_64")]
    if cpu::avx512() {
        // SAFETY: the CPU has the instruction sets that the function names.
        #[allow(unsafe_code)]
        return unsafe { avx512::narrow(values, wanted, equal, mask) };
    }
    #[cfg(target_arch = "x86_64")]
    if cpu::avx2() {
        // SAFETY: as above.
        #[allow(unsafe_code)]
        return unsafe { avx2::narrow(values, wanted, equal, mask) };
    }
    #[cfg(target_arch = "aarch64")]
    if cpu::neon() {
        // SAFETY: every aarch64 CPU has NEON.
        #[allow(unsafe_code)]
        return unsafe { neon::narrow(values, wanted, equal, mask) };
    }
    portable_narrow(values, wanted, equal, mask);
}

/// [`narrow`] without vector instructions.
pub fn portable_narrow<T: Lane>(values: &[T], wanted: T, equal: bool, mask: &mut [u64]) {
    for (word, values) in mask.iter_mut().zip(values.chunks(64)) {
        if *word != 0 {
            *word &= portable_equal(values, wanted) ^ u64::from(equal).wrapping_sub(1);
        }
    }
}

/// Calls `each` with a row of every value among the marked rows, in order of the rows. Rows are those
/// of `values`.
///
/// # Errors
/// The first error of `each`, which ends the walk.
#[inline]
pub fn distinct<T: Lane, E>(
    values: &[T],
    mask: &[u64],
    each: impl FnMut(usize, T) -> Result<(), E>,
) -> Result<(), E> {
    #[cfg(target_arch = "x86_64")]
    if cpu::avx512() {
        // SAFETY: the CPU has the instruction sets that the function names.
        #[allow(unsafe_code)]
        return unsafe { avx512::distinct(values, mask, each) };
    }
    #[cfg(target_arch = "x86_64")]
    if cpu::avx2() {
        // SAFETY: as above.
        #[allow(unsafe_code)]
        return unsafe { avx2::distinct(values, mask, each) };
    }
    #[cfg(target_arch = "aarch64")]
    if cpu::neon() {
        // SAFETY: every aarch64 CPU has NEON.
        #[allow(unsafe_code)]
        return unsafe { neon::distinct(values, mask, each) };
    }
    portable_distinct(values, mask, each)
}

/// [`distinct`] without vector instructions: a value is reported where it differs from the previous one.
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

/// Defines [`narrow`] and [`distinct`] for an instruction set, by its function for a word.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
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
                    // SAFETY: the CPU has the instruction sets, by contract.
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
                    // The row itself is removed even where its value does not equal itself, as NaN does not.
                    // SAFETY: the CPU has the instruction sets, by contract.
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
#[cfg(target_arch = "aarch64")]
#[allow(unsafe_code, clippy::cast_possible_truncation)] // sizes are small
pub(super) mod neon;

/// The line that is loaded instead of lines without a marked row.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[repr(align(64))]
struct Line([u8; 64]);
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
static DUMMY: Line = Line([0; 64]);

/// The address of the `lanes` rows from `at` on; if none of them is marked, that of the dummy line.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline(always)]
fn line<T>(values: &[T; 64], at: usize, marked: u64, lanes: u32) -> *const u8 {
    debug_assert!(at + lanes as usize <= 64 && lanes as usize * size_of::<T>() == 64);
    // The address is selected without a branch: it is unpredictable.
    let wanted = marked >> at & (u64::MAX >> (64 - lanes)) != 0;
    std::hint::select_unpredictable(wanted, values.as_ptr().wrapping_add(at).cast(), DUMMY.0.as_ptr())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Narrow<T> = unsafe fn(&[T], T, bool, &mut [u64]);

    /// Every path that this machine has, by name.
    fn paths<T: Lane>() -> Vec<(&'static str, Narrow<T>)> {
        let mut paths: Vec<(_, Narrow<T>)> = vec![("chosen", narrow), ("portable", portable_narrow)];
        #[cfg(target_arch = "x86_64")]
        paths.extend(cpu::paths::<Narrow<T>>(avx2::narrow, avx512::narrow));
        #[cfg(target_arch = "aarch64")]
        paths.extend(cpu::paths::<Narrow<T>>(neon::narrow));
        paths
    }

    type Each<'a, T> = &'a mut dyn FnMut(usize, T) -> Result<(), ()>;
    type Distinct<T> = fn(&[T], &[u64], Each<'_, T>) -> Result<(), ()>;

    fn distinct_paths<T: Lane>() -> Vec<(&'static str, Distinct<T>)> {
        let mut paths: Vec<(_, Distinct<T>)> =
            vec![("chosen", |v, m, e| distinct(v, m, e)), ("portable", |v, m, e| portable_distinct(v, m, e))];
        // SAFETY (all): only those that this machine has are called.
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code)]
        paths.extend(cpu::paths::<Distinct<T>>(
            |v, m, e| unsafe { avx2::distinct(v, m, e) },
            |v, m, e| unsafe { avx512::distinct(v, m, e) },
        ));
        #[cfg(target_arch = "aarch64")]
        #[allow(unsafe_code)]
        paths.extend(cpu::paths::<Distinct<T>>(|v, m, e| unsafe { neon::distinct(v, m, e) }));
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
            let mut reported = Vec::new();
            let mut each = |row: usize, value: T| {
                reported.push((row, value));
                Ok(())
            };
            distinct(values, mask, &mut each).unwrap();
            assert!(reported.iter().zip(reported.iter().skip(1)).all(|(a, b)| a.0 < b.0));
            assert!(reported.iter().all(|(row, _)| marked(mask, *row)));
            for row in (0..values.len()).filter(|row| marked(mask, *row)) {
                // A value is reported at its first row at the latest, so errors name the first bad row.
                assert!(
                    reported.iter().any(|(at, value)| *at <= row && (*value == values[row] || *at == row))
                );
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
