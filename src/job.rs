//! The job: the options that define the share table, as a plain value.

use crate::calendar::period::Periods;
use crate::nearest::nearest;
use crate::phrase::{Phrase, Setting};
use crate::profile::{Dimension, Profile};
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
    /// Months of the calendar; windows are counted in months.
    Month,
}

impl Grain {
    /// The letter of the step in the names of share columns: `share_organic_p4w`.
    pub fn letter(self) -> char {
        match self {
            Grain::Week => 'w',
            Grain::Day => 'd',
            Grain::Month => 'm',
        }
    }

    /// The steps after which a year is compared with the one before: whole weeks, so that weekdays match.
    pub fn steps_of_year(self) -> u32 {
        match self {
            Grain::Week => 52,
            Grain::Day => 364,
            Grain::Month => 12,
        }
    }
}

/// The names of the five columns of a cube, and of its dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Columns<'j> {
    /// Channel.
    pub name: &'j str,
    /// Count of new users.
    pub value: &'j str,
    /// ISO week label.
    pub year_week: &'j str,
    /// Country.
    pub country: &'j str,
    /// Operating system.
    pub os_name: &'j str,
    /// First day that the row covers.
    pub start_date: &'j str,
}

/// The options of a job, comparable and serialisable.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Job {
    /// Which table to compute.
    pub semantics: Semantics,
    /// The step of the time axis.
    pub grain: Grain,
    /// Window lengths, in steps of the grain; distinct, ascending.
    pub windows: Vec<u32>,
    /// Whether to add counts, Wilson bounds and the change to each share.
    pub details: bool,
    /// Whether to add the first day of each week or month as a date.
    pub dates: bool,
    /// The dimensions that the table is grouped by, in the order of its columns; none for the world alone.
    pub by: Vec<String>,
    /// The dimensions whose totals are added as rows; some of `by`.
    pub with_total: Vec<String>,
    /// Whether the table has the share of each channel instead of the organic share.
    pub share_of_channel: bool,
    /// What the columns of the export mean.
    pub profile: Profile,
}

impl Default for Job {
    fn default() -> Self {
        Job {
            semantics: Semantics::Iso,
            grain: Grain::Week,
            windows: vec![4],
            details: false,
            dates: false,
            by: vec!["country".into()],
            with_total: Vec::new(),
            share_of_channel: false,
            profile: Profile::cube(),
        }
    }
}

/// The longest window: 9,999 years of days.
pub const WINDOW_MAX: u32 = 3_652_059;

impl Job {
    /// Sorts and checks the options; every entry point calls this first.
    ///
    /// # Errors
    /// `Argument` for windows or a list of channels that are empty or out of range, for a key that is no dimension
    /// of the profile, and for legacy semantics with anything that the original job cannot do.
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
        self.profile = self.profile.validated()?;
        if self.semantics == Semantics::Legacy {
            if self.grain != Grain::Week {
                return Err(Error::argument("legacy semantics with days or months").expected(
                    Phrase::default()
                        .option(Setting::Grain("week".into()))
                        .text(": the original job supports only weeks"),
                ));
            }
            if !self.is_cube() {
                return Err(Error::argument("legacy semantics with another profile or key than the default")
                    .expected(
                        Phrase::default()
                            .option(Setting::Profile("cube".into()))
                            .separator(1)
                            .option(Setting::By("country".into()))
                            .text(": the original job reads only such exports"),
                    ));
            }
        }
        let known = || self.profile.dimensions.keys().map(String::as_str).collect::<Vec<_>>();
        if let Some(name) = self.by.iter().find(|name| !self.profile.dimensions.contains_key(*name)) {
            let error = Error::argument(format!("no dimension '{name}'"))
                .expected(format!("dimensions of the profile: {}", known().join(", ")));
            return Err(match nearest(name, &known()) {
                Some(near) => error.advice(format!("Did you mean {near}?")),
                None => error.advice(
                    Phrase::from("Name its column: ")
                        .entry(Setting::Dimension(name.clone(), "COLUMN".into())),
                ),
            });
        }
        if let Some((at, name)) =
            self.by.iter().enumerate().find(|(at, name)| self.by.iter().position(|n| n == *name) != Some(*at))
        {
            return Err(Error::argument(format!(
                "dimension {name} twice, the second time at place {}",
                at + 1
            ))
            .expected("each dimension once"));
        }
        if let Some(name) = self.with_total.iter().find(|name| !self.by.contains(name)) {
            return Err(Error::argument(format!("the total of {name}, which is no part of the key"))
                .expected(format!("some of {}", self.by.join(", "))));
        }
        if self.grain != Grain::Week && self.profile.time.date.is_none() {
            return Err(Error::argument("days or months without a column of dates")
                .expected(Phrase::default().entry(Setting::Date("COLUMN".into()))));
        }
        Ok(self)
    }

    /// Whether the export is a cube as the original job reads it, and the table one of organic shares by country.
    pub fn is_cube(&self) -> bool {
        let cube = Profile::cube();
        let (Some(country), Some(system)) = (self.dimension("country"), self.dimension("os_name")) else {
            return false;
        };
        let shape = |dimension: &Dimension| Dimension { column: None, total: None, ..dimension.clone() };
        let same = |a: Option<&Dimension>, b: &Dimension| a.is_some_and(|a| shape(a) == shape(b));
        let mut plain = self.profile.clone();
        (plain.channel.organic, plain.channel.column) =
            (cube.channel.organic.clone(), cube.channel.column.clone());
        (plain.users.column, plain.time.date, plain.time.label) =
            (cube.users.column.clone(), cube.time.date.clone(), cube.time.label.clone());
        // How severe a row that occurs twice is does not change the table.
        plain.users.unique = cube.users.unique;
        plain.dimensions.clone_from(&cube.dimensions);
        plain.time.settle_days = None;
        plain == cube
            && self.profile.dimensions.len() == 2
            && same(cube.dimensions.get("country"), country)
            && same(cube.dimensions.get("os_name"), system)
            && country.total.is_some()
            && system.total.is_some()
            && self.profile.users.column.is_some()
            && self.profile.time.date.is_some()
            && self.profile.time.label.is_some()
            && !self.profile.channel.organic.is_empty()
            && self.by == ["country"]
            && self.with_total.is_empty()
            && !self.share_of_channel
            && self.grain != Grain::Month
    }

    /// How the time axis is divided.
    pub fn periods(&self) -> Periods {
        Periods { grain: self.grain, week_start: self.profile.time.week_start }
    }

    fn dimension(&self, name: &str) -> Option<&Dimension> {
        self.profile.dimensions.get(name)
    }

    /// The names of the columns of a cube; empty where the profile has none.
    pub fn columns(&self) -> Columns<'_> {
        fn name(column: &Option<String>) -> &str {
            column.as_deref().unwrap_or_default()
        }
        let Profile { time, users, channel, .. } = &self.profile;
        Columns {
            name: name(&channel.column),
            value: name(&users.column),
            year_week: name(&time.label),
            start_date: name(&time.date),
            country: self.dimension("country").map_or("", |d| d.column_of("country")),
            os_name: self.dimension("os_name").map_or("", |d| d.column_of("os_name")),
        }
    }

    /// The channels that are organic.
    pub fn organic(&self) -> &[String] {
        &self.profile.channel.organic
    }

    /// The country of rows that sum all countries.
    pub fn country_total(&self) -> &str {
        self.dimension("country").and_then(|d| d.total.as_deref()).unwrap_or_default()
    }

    /// The system of rows that sum all systems.
    pub fn os_total(&self) -> &str {
        self.dimension("os_name").and_then(|d| d.total.as_deref()).unwrap_or_default()
    }

    /// Sets the column of a role of the cube. `role` is its default name.
    ///
    /// # Errors
    /// `Argument` for an unknown role or an empty name.
    pub fn set_column(&mut self, role: &str, column: &str) -> Result<()> {
        if column.is_empty() {
            return Err(Error::argument(format!("column name for '{role}' is empty")));
        }
        let Profile { time, users, channel, dimensions, .. } = &mut self.profile;
        let of = match role {
            "name" => &mut channel.column,
            "value" => &mut users.column,
            "year_week" => &mut time.label,
            "start_date" => &mut time.date,
            "country" | "os_name" => &mut dimensions.entry(role.to_owned()).or_default().column,
            other => {
                return Err(Error::argument(format!("unknown column role '{other}'"))
                    .expected("one of name, value, year_week, country, os_name, start_date"));
            }
        };
        *of =
            Some(column.to_owned()).filter(|column| role != column || !matches!(role, "country" | "os_name"));
        Ok(())
    }
}
