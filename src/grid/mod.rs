//! The grid: exact sums of organic and paid users per group and step of the
//! time axis. It knows nothing of files.
//!
//! - [`account`]: every row, counted or dropped by a named reason.
//! - [`exact`]: sums that are exact whatever the order.
//! - [`dense`]: one worker's sums, in dense arrays.
//! - [`partial`]: the sums of some rows, ready to be merged.

pub mod account;
pub mod dense;
pub mod exact;
pub mod partial;

pub use account::Account;
pub use dense::GridAccumulator;
pub use partial::{Partial, TimePoint};

/// The most pairs of group and time that a grid holds: 512 MiB of sums.
pub const CELLS_MAX: usize = 1 << 24;
