//! NEON.

use std::arch::aarch64::*;

use super::{Found, WORD};
use crate::kernel::compare::neon::mask_of;

/// Positions of a word that are written without asking for their number.
const USUAL: usize = 12;

/// See [`super::find`].
///
/// # Safety
/// - The CPU has NEON.
#[target_feature(enable = "neon")]
pub unsafe fn find(text: &[u8], delimiter: u8, next: &mut [u32]) -> Found {
    let delimiters = vdupq_n_u8(delimiter);
    let line_feeds = vdupq_n_u8(b'\n');
    let quotes = vdupq_n_u8(b'"');
    let (mut found, mut base) = (Found::default(), 1u32);
    for word in text.chunks(WORD) {
        let Some(to) = next.get_mut(found.separators..).and_then(|next| next.first_chunk_mut::<WORD>())
        else {
            break;
        };
        let mut padded = [0; WORD];
        let bytes = match word.first_chunk() {
            Some(bytes) => bytes,
            None => {
                padded.iter_mut().zip(word).for_each(|(to, from)| *to = *from);
                &padded
            }
        };
        let bytes = load(bytes);
        let quoted = equal(bytes, quotes);
        // The bits up to the lowest one that is set; all of them where none is.
        let before = quoted ^ quoted.wrapping_sub(1);
        let line_ends = equal(bytes, line_feeds) & before;
        let separators = equal(bytes, delimiters) & before | line_ends;
        let count = separators.count_ones() as usize;
        let (usual, rest) = to.split_at_mut(USUAL);
        let mut left = separators;
        for to in usual {
            *to = base.wrapping_add(left.trailing_zeros());
            left &= left.wrapping_sub(1);
        }
        for to in rest.iter_mut().take(count.saturating_sub(USUAL)) {
            *to = base.wrapping_add(left.trailing_zeros());
            left &= left.wrapping_sub(1);
        }
        found.separators += count;
        found.line_ends += line_ends.count_ones() as usize;
        base = base.wrapping_add(WORD as u32);
        if quoted != 0 {
            break;
        }
    }
    found
}

/// The bytes of a word.
#[inline]
#[target_feature(enable = "neon")]
fn load(bytes: &[u8; WORD]) -> [uint8x16_t; 4] {
    // SAFETY (all): 16 of 64 bytes.
    [0, 16, 32, 48].map(|at| unsafe { vld1q_u8(bytes.as_ptr().add(at)) })
}

/// The mask of the bytes that equal those of `wanted`.
#[inline]
#[target_feature(enable = "neon")]
fn equal(bytes: [uint8x16_t; 4], wanted: uint8x16_t) -> u64 {
    mask_of(bytes.map(|bytes| vceqq_u8(bytes, wanted)))
}
