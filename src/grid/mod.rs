//! The dense grid: exact sums of organic and paid users per group and step of
//! the time axis.
//!
//! - [`account`]: every row, counted or dropped by a named reason.
//! - [`exact`]: sums that are exact whatever the order.

pub mod account;

pub use account::Account;

/// A partial aggregate: what one scan has summed. Merging is associative and
/// commutative; the bytes of the finished table do not depend on the order.
#[derive(Debug, Clone, Default)]
pub struct Partial {
    /// Where each row went.
    pub account: Account,
}
