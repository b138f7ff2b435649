//! Row masks: one bit a row of a block.

use crate::Result;
use crate::frame::array::{Array, Code, Data, Nulls, with_codes};
use crate::kernel::compare;

/// Rows of a block.
pub const BLOCK: usize = 2048;
/// One bit a row of a block.
pub type Mask = [u64; BLOCK / 64];

/// Calls `each` with the rows whose bit is set.
#[inline]
pub fn each_bit(mask: &Mask, mut each: impl FnMut(usize) -> Result<()>) -> Result<()> {
    for (word, at) in mask.iter().zip((0..).step_by(64)) {
        let mut word = *word;
        while word != 0 {
            each(at + word.trailing_zeros() as usize)?;
            word &= word - 1;
        }
    }
    Ok(())
}

/// Number of set bits.
pub fn count(mask: &Mask) -> u32 {
    mask.iter().map(|word| word.count_ones()).sum()
}

/// Calls `each` with the first row and the length of each run of marked rows. A run does not cross a word.
#[inline]
pub(super) fn each_run(mask: &Mask, mut each: impl FnMut(usize, usize) -> Result<()>) -> Result<()> {
    for (word, at) in mask.iter().zip((0..).step_by(64)) {
        let mut word = *word;
        while word != 0 {
            let first = word.trailing_zeros();
            let len = (!(word >> first)).trailing_zeros();
            each(at + first as usize, len as usize)?;
            // The addition carries through the run; a run at the end of the word overflows to zero.
            word &= word.wrapping_add(1 << first);
        }
    }
    Ok(())
}

/// Clears the bits of `mask` whose rows are null; its first row is `start`.
pub fn and_valid(array: &Array, start: usize, mask: &mut Mask) {
    if matches!(array.data, Data::Null) {
        *mask = [0; BLOCK / 64];
        return;
    }
    match (&array.nulls, &array.data) {
        (Nulls::Unset(validity), _) => {
            for (word, at) in mask.iter_mut().zip((start..).step_by(64)) {
                if *word != 0 {
                    *word &= validity.word(at);
                }
            }
        }
        (Nulls::Within, Data::Coded(codes, _)) => with_codes!(codes, c => {
            if let Some(null) = Code::NULL {
                compare::narrow(c.rows_from(start), null, false, mask);
            }
        }),
        // Floats: NaN is recognised where it is added.
        _ => {}
    }
}

/// A mask of the first `rows` rows.
pub fn all(rows: usize) -> Mask {
    let mut mask = [0; BLOCK / 64];
    for (word, at) in mask.iter_mut().zip((0..rows).step_by(64)) {
        let left = rows - at;
        *word = if left >= 64 { u64::MAX } else { (1 << left) - 1 };
    }
    mask
}
