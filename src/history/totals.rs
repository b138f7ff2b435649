//! The sums of a run by week, by channel and by day.

use std::sync::Arc;

use super::panel::Panel;

/// Sums of one run, or of a history.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Totals {
    /// What the names of `weeks` are the keys of, with a digest of the profile; empty for countries of the default
    /// profile. Only sums of the same question are compared.
    pub question: Arc<str>,
    /// By key (country, or members of several dimensions) and week.
    pub weeks: Panel,
    /// By channel and ISO week; users only.
    pub channels: Panel,
    /// By day, all keys together, under the empty name.
    pub days: Panel,
}
