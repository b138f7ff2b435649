//! A question, its rows and its answer, as plain values.

use std::collections::BTreeMap;

/// A count, in a unit that is the same for the whole table: shares do not depend on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    Null,
    Nan,
    Infinite,
    Units(i128),
}

/// A time: microseconds since 1970, in UTC or by the wall clock, or an ISO week.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum When {
    Instant(i64),
    Wall(i64),
    Week(i16, i8),
}

/// A row: the text of each column that is not null. The channel is in the column `name`.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub cells: BTreeMap<&'static str, String>,
    pub when: Option<When>,
    pub users: Value,
}

#[derive(Debug, Clone, Default)]
pub struct Dimension {
    pub total: Option<String>,
    pub total_is_null: bool,
    pub null: Option<String>,
    /// Whether members are put in upper or in lower case.
    pub upper: Option<bool>,
    pub rename: BTreeMap<String, String>,
}

/// A profile and a job. A dimension has the name of its column.
#[derive(Debug, Clone)]
pub struct Ask {
    pub dimensions: BTreeMap<&'static str, Dimension>,
    pub by: Vec<&'static str>,
    pub with_total: Vec<&'static str>,
    /// Column, whether its value has to be one of these or none of them.
    pub conditions: Vec<(&'static str, bool, Vec<String>)>,
    /// The class of the listed channels; the others have the other one.
    pub listed: &'static str,
    pub channels: Vec<String>,
    pub excluded: Vec<String>,
    pub null: &'static str,
    pub ignore_case: bool,
    pub share_of_channel: bool,
    pub grain: char,
    /// Days from Monday to the first day of the week.
    pub week_start: i64,
    pub zone: Option<&'static str>,
    pub window: usize,
}

impl Ask {
    /// The organic share by week, over four weeks: channel `Organic`, rows without a channel excluded.
    pub fn organic_by_week(dimensions: BTreeMap<&'static str, Dimension>, by: Vec<&'static str>) -> Self {
        Ask {
            dimensions,
            by,
            with_total: vec![],
            conditions: vec![],
            listed: "organic",
            channels: vec!["Organic".into()],
            excluded: vec![],
            null: "excluded",
            ignore_case: false,
            share_of_channel: false,
            grain: 'w',
            week_start: 0,
            zone: None,
            window: 4,
        }
    }
}

/// Rows by outcome; outcomes of no row are absent.
pub type Account = BTreeMap<&'static str, u64>;
/// The columns of time and of the key, and the share.
pub type Line = (Vec<String>, Option<f64>);
