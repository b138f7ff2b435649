//! Values of the rows that are not null, moved to their rows.
//!
//! ```text
//! for each row:  out[row] = if it is present { the next value } else { null }
//! ```
//!
//! Pages store the values of present rows alone, one after the other; levels say which rows these are. With AVX-512 the
//! levels of 32 rows are a mask, and one instruction (`vpexpandw`) reads the values into their lanes. With NEON the
//! number of present rows up to each of eight rows is the place of its value in a vector, and a permutation (`tbl`) moves
//! all eight. Without either the next value is read in any case and used if the row is present, so that there is no
//! branch to mispredict: a third of the channels of an export of installs are null, in no order.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::cpu;

/// The most rows at a time.
pub const ROWS: usize = 256;

/// Sets each row of `out` that is present, its level being `max`, to the next of `values`, and every other to `null`.
/// There are as many levels as rows, at most [`ROWS`], and at least as many values as present rows.
pub fn expand(levels: &[u16], max: u16, null: u16, values: &[u16; ROWS], out: &mut [u16]) {
    #[cfg(target_arch = "x86_64")]
    if cpu::avx512() {
        // SAFETY: the CPU has the instruction sets that the function names.
        #[allow(unsafe_code)]
        return unsafe { avx512::expand(levels, max, null, values, out) };
    }
    #[cfg(target_arch = "aarch64")]
    if cpu::neon() {
        // SAFETY: every aarch64 CPU has NEON.
        #[allow(unsafe_code)]
        return unsafe { neon::expand(levels, max, null, values, out) };
    }
    portable_expand(levels, max, null, values, out);
}

/// [`expand`] without vector instructions, for values of any type.
pub fn portable_expand<T: Copy>(levels: &[u16], max: u16, null: T, values: &[T; ROWS], out: &mut [T]) {
    let mut next = 0;
    for (out, level) in out.iter_mut().zip(levels) {
        let is_present = *level == max;
        // There are at most as many present rows as values: the remainder spares a comparison.
        #[allow(clippy::indexing_slicing)]
        let value = values[next % ROWS];
        *out = if is_present { value } else { null };
        next += usize::from(is_present);
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx512;
#[cfg(target_arch = "aarch64")]
#[allow(unsafe_code)]
mod neon;

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::cast_possible_truncation)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[cfg(target_arch = "aarch64")]
    type Expand = unsafe fn(&[u16], u16, u16, &[u16; ROWS], &mut [u16]);

    proptest! {
        #[test]
        fn every_path_expands_alike(present in proptest::collection::vec(any::<bool>(), 0..=ROWS), max in 1u16..4) {
            let levels: Vec<u16> = present.iter().map(|present| if *present { max } else { max - 1 }).collect();
            let mut values = [0u16; ROWS];
            values.iter_mut().zip(7..).for_each(|(value, number)| *value = number);
            let mut want = Vec::new();
            let mut next = 7;
            for present in &present {
                want.push(if *present { next } else { u16::MAX });
                next += u16::from(*present);
            }
            let mut out = vec![0; present.len()];
            portable_expand(&levels, max, u16::MAX, &values, &mut out);
            prop_assert_eq!(&out, &want);
            out.fill(0);
            expand(&levels, max, u16::MAX, &values, &mut out);
            prop_assert_eq!(&out, &want);
            #[cfg(target_arch = "x86_64")]
            if cpu::best() == cpu::Level::Avx512 {
                out.fill(0);
                // SAFETY: the CPU has the instruction sets that the function names.
                #[allow(unsafe_code)]
                unsafe { avx512::expand(&levels, max, u16::MAX, &values, &mut out) };
                prop_assert_eq!(&out, &want);
            }
            #[cfg(target_arch = "aarch64")]
            for (name, expand) in cpu::paths::<Expand>(neon::expand) {
                out.fill(0);
                // SAFETY: every aarch64 CPU has NEON.
                #[allow(unsafe_code)]
                unsafe { expand(&levels, max, u16::MAX, &values, &mut out) };
                prop_assert_eq!(&out, &want, "{}", name);
            }
        }
    }
}
