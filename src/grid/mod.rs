//! The grid: exact sums of organic and paid users per group and step of the
//! time axis. It knows nothing of files.
//!
//! - [`account`]: counts every row once, as kept or dropped by a named reason.
//! - [`exact`]: sums of doubles that are exact in any order.
//! - [`dense`]: one worker's sums, in dense arrays.
//! - [`partial`]: partial aggregates, which can be merged.

pub mod account;
pub mod dense;
pub mod exact;
pub mod partial;

pub use account::Account;
pub use dense::GridAccumulator;
pub use partial::{Partial, TimePoint};

use crate::Error;

/// Cells of a pair of group and time: paid (0) and organic (1).
pub const CHANNELS: usize = 2;

/// The most pairs of group and time that a grid holds: 512 MiB of sums.
pub const CELLS_MAX: usize = 1 << 24;

#[cold]
fn overflow() -> Error {
    Error::too_large("a sum that does not fit 128 bits")
        .expected("sums of at most 38 digits")
        .advice("Check the value column: its numbers are implausibly large")
}
