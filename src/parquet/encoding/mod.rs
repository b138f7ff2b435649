//! Encodings (Encodings.md). All decoders stream: none allocates by a count.
//!
//! - [`hybrid_rle`]: dictionary ids and definition levels, as runs.
//! - [`numbers`]: INT32, INT64, FLOAT, DOUBLE.
//! - [`byte_arrays`]: BYTE_ARRAY, FIXED_LEN_BYTE_ARRAY, INT96.
//! - [`mod@booleans`]: BOOLEAN, packed or as runs.
//! - [`mod@delta`]: packed differences, for numbers and lengths.

pub mod booleans;
pub mod byte_arrays;
pub mod delta;
pub mod hybrid_rle;
pub mod numbers;

pub use booleans::booleans;
pub use hybrid_rle::{HybridRleDecoder, RunOrPacked, Span};
pub use numbers::Numbers;

use super::{Encoding, Physical};
use crate::{Error, Result};

#[cold]
fn unsupported(encoding: Encoding, physical: Physical) -> Error {
    Error::unsupported(format!("{physical:?} values in encoding {encoding:?}"))
        .advice("Export the column with another type or encoding")
}

#[cold]
fn short(bytes: usize, count: u32) -> Error {
    Error::format(format!("{bytes} bytes cannot be the {count} values of their page"))
        .advice("The page is damaged; export the file again")
}

/// How many of `remaining` values are left after `n`.
///
/// # Errors
/// `Internal` if there are fewer than `n`.
fn take(remaining: u32, n: usize) -> Result<u32> {
    u32::try_from(n)
        .ok()
        .and_then(|n| remaining.checked_sub(n))
        .ok_or_else(|| Error::internal(format!("a read of {n} values where the page has {remaining} left")))
}

/// A delta stream of `count` values; a page of nulls alone may omit it.
fn delta(bytes: &[u8], count: u32) -> Result<delta::Delta<'_>> {
    if bytes.is_empty() && count == 0 {
        // The shortest stream of no values.
        return delta::Delta::new(&[0x80, 1, 4, 0, 0], 0);
    }
    delta::Delta::new(bytes, count)
}
