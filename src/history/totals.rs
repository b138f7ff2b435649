//! The sums of a run by week, by channel and by day.

use super::panel::Panel;

/// Sums of one run, or of a history.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Totals {
    /// By country and ISO week.
    pub weeks: Panel,
    /// By channel and ISO week; users only.
    pub channels: Panel,
    /// By day, all countries together, under the empty name.
    pub days: Panel,
}
