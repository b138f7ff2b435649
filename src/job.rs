//! The job: the options that define the share table, as a plain value.

use crate::{Error, Result};

/// Which table to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Semantics {
    /// The correct table: calendar weeks, every week of the axis for every country.
    #[default]
    Iso,
    /// The output of the original PySpark job, row for row, to verify a migration.
    Legacy,
}

/// The step of the time axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grain {
    /// ISO weeks, from `year_week`; windows are counted in weeks.
    #[default]
    Week,
    /// Days, from `start_date`; windows are counted in days.
    Day,
}

impl Grain {
    /// The letter of the step in the names of share columns: `share_organic_p4w`.
    pub fn letter(self) -> char {
        match self {
            Grain::Week => 'w',
            Grain::Day => 'd',
        }
    }
}

/// The names of the input columns.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Columns {
    /// Channel.
    pub name: String,
    /// Count of new users.
    pub value: String,
    /// ISO week label, `yyyy_ww`.
    pub year_week: String,
    /// Country code.
    pub country: String,
    /// Operating system.
    pub os_name: String,
    /// First day that the row covers.
    pub start_date: String,
}

impl Default for Columns {
    fn default() -> Self {
        Columns {
            name: "name".into(),
            value: "value".into(),
            year_week: "year_week".into(),
            country: "country".into(),
            os_name: "os_name".into(),
            start_date: "start_date".into(),
        }
    }
}

impl Columns {
    /// Sets the name of one input column. `role` is its default name.
    ///
    /// # Errors
    /// `Argument` for an unknown role or an empty name.
    pub fn set(&mut self, role: &str, column: &str) -> Result<()> {
        let name = match role {
            "name" => &mut self.name,
            "value" => &mut self.value,
            "year_week" => &mut self.year_week,
            "country" => &mut self.country,
            "os_name" => &mut self.os_name,
            "start_date" => &mut self.start_date,
            other => {
                return Err(Error::argument(format!("unknown column role '{other}'"))
                    .expected("one of name, value, year_week, country, os_name, start_date"));
            }
        };
        if column.is_empty() {
            return Err(Error::argument(format!("column name for '{role}' is empty")));
        }
        column.clone_into(name);
        Ok(())
    }
}

/// The options of a job, comparable and serialisable.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Job {
    /// Which table to compute.
    pub semantics: Semantics,
    /// Weeks or days.
    pub grain: Grain,
    /// Window lengths, in steps of the grain; distinct, ascending.
    pub windows: Vec<u32>,
    /// Whether to add counts, Wilson bounds and the change to each share.
    pub details: bool,
    /// Channels that count as organic.
    pub organic: Vec<String>,
    /// The country name of the total over countries. Its rows are dropped.
    pub country_total: String,
    /// The system name of the total over systems. Only its rows are counted.
    pub os_total: String,
    /// Input column names.
    pub columns: Columns,
}

impl Default for Job {
    fn default() -> Self {
        Job {
            semantics: Semantics::Iso,
            grain: Grain::Week,
            windows: vec![4],
            details: false,
            organic: vec!["Organic".into()],
            country_total: "ALL".into(),
            os_total: "all".into(),
            columns: Columns::default(),
        }
    }
}

/// The longest window: 9,999 years of days.
const WINDOW_MAX: u32 = 3_652_059;

impl Job {
    /// Sorts and checks the options; every entry point calls this first.
    ///
    /// # Errors
    /// `Argument` for a window or an organic channel list that is empty or out of range, and for legacy
    /// semantics with days.
    pub fn validated(mut self) -> Result<Self> {
        self.windows.sort_unstable();
        self.windows.dedup();
        if self.windows.is_empty() {
            return Err(
                Error::argument("the list of windows is empty").expected("at least one window length")
            );
        }
        if let Some(bad) = self.windows.iter().find(|w| !(1..=WINDOW_MAX).contains(*w)) {
            return Err(Error::argument(format!("window of {bad}"))
                .expected(format!("a length from 1 to {WINDOW_MAX}")));
        }
        self.organic.sort_unstable();
        self.organic.dedup();
        if self.organic.is_empty() {
            return Err(
                Error::argument("the list of organic channels is empty").expected("at least one name")
            );
        }
        if self.semantics == Semantics::Legacy && self.grain == Grain::Day {
            return Err(Error::argument("legacy semantics with --grain day")
                .expected("--grain week: the original job supports only weeks"));
        }
        Ok(self)
    }
}
