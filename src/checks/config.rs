//! The configuration of the checks: a TOML file, or defaults.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::catalog::{CheckId, Severity};
use super::model::{Bounds, Limit, NotRun};
use super::settings::{self, Drift, Incident, Keep, UserClass};
use crate::phrase::Phrase;
use crate::profile::Profile;
use crate::profile::read::toml_error;
use crate::{Error, Result, calendar, escape, storage};

/// The settings of one check. A setting that is left out keeps its default.
#[derive(Debug, Clone, PartialEq, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Setting {
    severity: Option<Severity>,
    warn: Option<Limit>,
    block: Option<Limit>,
}

/// The allowed values. An empty list keeps the default.
#[derive(Debug, Clone, PartialEq, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Allow {
    /// Known channels; if empty, those of the history.
    pub channels: Vec<String>,
    /// Countries in addition to ISO 3166-1 and the total.
    pub countries: Vec<String>,
    /// Operating systems; if empty, android and ios. The total is always allowed.
    pub systems: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    as_of: Option<String>,
    partial_last_week: Option<PartialWeek>,
    allow: Allow,
    drift: Drift,
    keep: Keep,
    incidents: Vec<Incident>,
    checks: BTreeMap<String, Setting>,
}

/// How a last week that is not complete is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartialWeek {
    /// The week is published, and marked as partial in the results.
    #[default]
    Mark,
    /// The check `last_week` fails.
    Fail,
}

/// The configuration of all checks.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Config {
    settings: BTreeMap<CheckId, Setting>,
    /// The allowed values.
    pub allow: Allow,
    /// The day that counts as today, in days since 1970-01-01; `None` for that of the clock.
    pub as_of: Option<i32>,
    /// How a last week that is not complete is handled.
    pub partial_last_week: PartialWeek,
    /// How points are compared with their history.
    pub drift: Drift,
    /// How much is kept beside the target.
    pub keep: Keep,
    /// Weeks that are excluded from baselines.
    pub incidents: Vec<Incident>,
    /// Whether new days are expected: an earlier run published days at the target that were recent then.
    pub is_followed: bool,
    /// Whether the profile does not say that rows are unique: then rows that occur twice only warn.
    rows_may_repeat: bool,
    origin: Option<String>,
}

impl Config {
    /// Reads a file; its path may be an `s3://` URI.
    ///
    /// # Errors
    /// `Io` if the file cannot be read; `Argument` if it is not TOML or contains an unknown setting or value.
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.to_string_lossy();
        let text = storage::read_text("the checks", &name)?;
        Self::parse(&text, &name).map_err(|e| e.in_file(&name.into()))
    }

    /// Parses the text of a file called `origin`.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn parse(text: &str, origin: &str) -> Result<Self> {
        let file: File = toml::from_str(text).map_err(|e| {
            toml_error("the checks cannot be read", text, &e)
                .advice(Phrase::default().command("`rollshare check --init` prints a file to start from"))
        })?;
        let mut settings = BTreeMap::new();
        for (name, setting) in file.checks {
            let id: CheckId = name.parse()?;
            for (which, limit) in [("warn", setting.warn), ("block", setting.block)] {
                check_limit(id, which, limit)?;
            }
            settings.insert(id, setting);
        }
        let as_of = file.as_of.as_deref().map(day).transpose()?;
        settings::check(&file.drift, &file.keep)?;
        Ok(Config {
            settings,
            allow: file.allow,
            as_of,
            partial_last_week: file.partial_last_week.unwrap_or_default(),
            drift: file.drift,
            keep: file.keep,
            incidents: file.incidents,
            is_followed: false,
            rows_may_repeat: false,
            origin: Some(origin.to_owned()),
        })
    }

    /// The configuration with the default severities of exports with this profile.
    pub fn for_profile(&self, profile: &Profile) -> Self {
        Config { rows_may_repeat: !profile.users.unique, ..self.clone() }
    }

    /// The severity of a check.
    pub fn severity(&self, id: CheckId) -> Severity {
        let default = match id {
            CheckId::DuplicateRows if self.rows_may_repeat => Severity::Warn,
            id => id.default_severity(),
        };
        self.settings.get(&id).and_then(|s| s.severity).unwrap_or(default)
    }

    /// Why the age of the last day does not matter; `None` if it does.
    pub fn age_does_not_matter(&self) -> Option<NotRun> {
        let asked = self.as_of.is_some() || self.settings.contains_key(&CheckId::Freshness);
        let why = "no earlier run published recent days at the target, so no new ones are expected";
        (!asked && !self.is_followed).then(|| NotRun::NotApplicable(why.into()))
    }

    /// Why a check must not run: its severity is `off`. `None` if the check is to run.
    pub fn switched_off(&self, id: CheckId) -> Option<NotRun> {
        (self.severity(id) == Severity::Off).then(|| NotRun::NotApplicable("switched off".into()))
    }

    /// The bounds of a check.
    pub fn bounds(&self, id: CheckId) -> Bounds {
        let setting = self.settings.get(&id);
        let severity = self.severity(id);
        let (warn, block) = default_limits(id);
        let warn = setting.and_then(|s| s.warn).or(warn);
        let block = setting.and_then(|s| s.block).or(block);
        let is_set = setting.is_some_and(|s| s.warn.is_some() || s.block.is_some() || s.severity.is_some());
        Bounds {
            warn,
            block: block.filter(|_| severity == Severity::Block),
            is_own: setting.is_some_and(|s| s.warn.is_some() || s.block.is_some()),
            origin: match (&self.origin, is_set) {
                (Some(origin), true) => origin.clone(),
                _ => "default".into(),
            },
        }
    }

    /// The last day that rows may have: today as it is configured, or the clock's tomorrow, which has begun in some
    /// zones.
    pub fn last_day(&self) -> i32 {
        self.as_of.unwrap_or_else(|| self.today().saturating_add(1))
    }

    /// Whether an incident covers a week of a key (`None`: of all keys together), so that the week is not judged.
    pub fn is_incident(&self, key: Option<&str>, class: Option<UserClass>, week: i32) -> bool {
        self.incidents.iter().any(|incident| incident.is_of_class(class) && incident.covers(key, week))
    }

    /// Whether an incident excludes a week of a key from the baseline of the week under test.
    pub fn is_excluded(&self, key: Option<&str>, class: Option<UserClass>, week: i32, tested: i32) -> bool {
        let excludes = |incident: &Incident| incident.excludes(key, week, tested);
        self.incidents.iter().any(|incident| incident.is_of_class(class) && excludes(incident))
    }

    /// Today, in days since 1970-01-01.
    pub fn today(&self) -> i32 {
        self.as_of.unwrap_or_else(|| {
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            since.ok().and_then(|d| i32::try_from(d.as_secs() / 86_400).ok()).unwrap_or_default()
        })
    }
}

/// The default bounds: zero for counts; for measurements, the values below.
fn default_limits(id: CheckId) -> (Option<Limit>, Option<Limit>) {
    let none = Some(Limit::count(0.0));
    match id {
        // One complete week, plus two days for its data to arrive.
        CheckId::Freshness => (Some(Limit::count(9.0)), Some(Limit::count(30.0))),
        // More than two days may not be due to a late delivery, or to a file that is written on the day it is read.
        CheckId::ClassDayGaps | CheckId::LocalMidnights => (none, Some(Limit::count(2.0))),
        // Spreads: one in 16,000 normal points lies beyond 4.
        CheckId::DayVolume => (Some(Limit::count(4.0)), Some(Limit::count(10.0))),
        CheckId::VolumeDrift | CheckId::RowDrift => (Some(Limit::count(4.0)), Some(Limit::count(10.0))),
        CheckId::ShareDrift => (Some(Limit::count(4.0)), Some(Limit::count(8.0))),
        CheckId::VolumeChange => (Some(Limit::count(0.5)), Some(Limit::count(0.8))),
        CheckId::ShareChange => (Some(Limit::count(0.25)), Some(Limit::count(0.5))),
        // The part of a class's users that is missing.
        CheckId::ClassVolume => (Some(Limit::count(0.25)), Some(Limit::count(0.4))),
        CheckId::VolumeYear => (Some(Limit::count(3.0)), Some(Limit::count(9.0))),
        CheckId::ShareYear => (Some(Limit::count(0.25)), Some(Limit::count(0.5))),
        CheckId::ChannelMix => (Some(Limit::count(0.1)), Some(Limit::count(0.25))),
        CheckId::Restatement => (Some(Limit::count(0.01)), Some(Limit::count(0.05))),
        _ => (none, none),
    }
}

fn check_limit(id: CheckId, which: &str, limit: Option<Limit>) -> Result<()> {
    let Some(limit) = limit else { return Ok(()) };
    let fine = limit.count.is_none_or(|c| c.is_finite() && c >= 0.0)
        && limit.fraction.is_none_or(|f| (0.0..=1.0).contains(&f))
        && (limit.count.is_some() || limit.fraction.is_some());
    if fine {
        return Ok(());
    }
    Err(Error::argument(format!("the bound '{which}' of {id} is out of range"))
        .expected("count = a number not below 0, or fraction = a number from 0 to 1"))
}

fn day(text: &str) -> Result<i32> {
    crate::scan::classes::TimeCoding::Text
        .day(text.as_bytes())
        .ok_or_else(|| Error::argument(format!("as_of = '{text}'")).expected("a date, yyyy-mm-dd"))
}

/// The values that occur in the data, for the template of a configuration file.
#[derive(Debug, Clone, Default)]
pub struct ObservedValues {
    /// Channels.
    pub channels: Vec<String>,
    /// Countries that are not in ISO 3166-1, without the total.
    pub countries: Vec<String>,
    /// Operating systems, without the total.
    pub systems: Vec<String>,
    /// First and last day.
    pub days: Option<(i32, i32)>,
    /// Rows.
    pub rows: u64,
}

/// Returns a commented file with every check at its default and the lists of observed values.
pub fn template(observed: &ObservedValues) -> String {
    let list = |values: &[String]| {
        let quoted: Vec<String> = values.iter().map(|v| escape::literal(v)).collect();
        if quoted.is_empty() { "[]".to_owned() } else { format!("[\n  {},\n]", quoted.join(",\n  ")) }
    };
    let date = |day: i32| {
        let date = calendar::date_of(day);
        format!("{:04}-{:02}-{:02}", date.year, date.month, date.day)
    };
    let (drift, keep) = (Drift::default(), Keep::default());
    let mut text = String::from("# Checks of rollshare. A setting that is left out keeps its default.\n");
    if let Some((first, last)) = observed.days {
        let _ = writeln!(text, "# Based on {} rows, {} to {}.", observed.rows, date(first), date(last));
    }
    let _ = write!(
        text,
        "
# The day that counts as today; the default is the day of the clock.
# as_of = \"{}\"

# If the last week is not complete: \"mark\" it as partial, or \"fail\".
partial_last_week = \"mark\"

[allow]
# Known channels: any other channel is new; a known channel without rows has vanished.
channels = {}
# Countries in addition to those of ISO 3166-1 and the total.
countries = {}
# Operating systems in addition to the total.
systems = {}

# How completed weeks are compared with the history.
[drift]
baseline_weeks = {}
min_weeks = {}
min_users = {}
direction = \"both\" # or \"up\", \"down\"
ignore_share = {}
ignore_volume = {}

# How much is kept beside the target: weeks of history, reports of published runs, blocked runs.
[keep]
weeks = {}
runs = {}
quarantine = {}

# Weeks that are not judged and are excluded from baselines, because something went wrong in them.
# [[incidents]]
# first = \"2026_10\"
# last = \"2026_11\"
# countries = [\"FR\"]
# note = \"campaign tracking was down\"
# A change that is meant, and lasts: later weeks are not compared with those before it.
# [[incidents]]
# first = \"2026_20\"
# countries = [\"FR\"]
# classes = [\"paid\"] # or \"organic\"; without it: both
# new_level = true
# note = \"campaigns ended\"

# severity: \"block\" keeps the table from being published, \"warn\" only reports, \"off\" skips
# the check. Above `warn` a check warns, above `block` it fails. Each bound is a count, a
# fraction of the checked values, or both.
",
        date(observed.days.map_or(0, |d| d.1)),
        list(&observed.channels),
        list(&observed.countries),
        list(&observed.systems),
        drift.baseline_weeks,
        drift.min_weeks,
        toml::Value::from(drift.min_users),
        drift.ignore_share,
        drift.ignore_volume,
        keep.weeks,
        keep.runs,
        keep.quarantine,
    );
    for id in CheckId::ALL {
        let severity = if id.default_severity() == Severity::Block { "block" } else { "warn" };
        let (warn, block) = default_limits(*id);
        let _ =
            write!(text, "\n# {} (in {})\n[checks.{id}]\nseverity = \"{severity}\"\n", id.title(), id.unit());
        // Bounds in a file replace the rules by which these two only warn.
        if matches!(id, CheckId::KeyNulls | CheckId::ClassDayGaps) {
            text.push_str("# few of them only warn, see docs/quality.md; bounds set here apply to all\n");
            continue;
        }
        for (name, limit) in [("warn", warn), ("block", block)] {
            if let Some(count) = limit.and_then(|l| l.count) {
                let _ = writeln!(text, "{name} = {{ count = {count} }}");
            }
        }
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_is_left_out_keeps_its_default() {
        let config = Config::parse(
            "as_of = '2021-12-14'\n[checks.duplicate_rows]\nseverity = 'warn'\n[checks.freshness]\nwarn = { count = 3 }",
            "mine.toml",
        )
        .unwrap();
        assert_eq!(config.as_of, Some(18_975));
        assert_eq!(config.severity(CheckId::DuplicateRows), Severity::Warn);
        assert_eq!(config.bounds(CheckId::DuplicateRows).block, None);
        assert_eq!(config.bounds(CheckId::DuplicateRows).origin, "mine.toml");
        assert_eq!(config.bounds(CheckId::Freshness).warn, Some(Limit::count(3.0)));
        assert_eq!(config.severity(CheckId::KeyNulls), Severity::Block);
        assert_eq!(config.bounds(CheckId::KeyNulls).origin, "default");
    }

    #[test]
    fn unknown_settings_and_values_are_refused() {
        for bad in [
            "colour = 1",
            "[checks.spelling]\nseverity = 'warn'",
            "[checks.key_nulls]\nseverity = 'loud'",
            "[checks.key_nulls]\nwarn = { count = -1 }",
            "[checks.key_nulls]\nblock = { fraction = 1.5 }",
            "[checks.key_nulls]\nblock = {}",
            "[checks.key_nulls]\nlimit = 3",
            "as_of = '2021-02-30'",
            "[allow]\nplanets = []",
            "[drift]\nmin_weeks = 2",
            "[drift]\ndirection = 'sideways'",
            "[keep]\nweeks = 5",
            "[[incidents]]\nfirst = '2021_54'",
            "[[incidents]]\nfirst = '2021_10'\nlast = '2021_09'",
            "not toml",
        ] {
            assert!(matches!(Config::parse(bad, "x"), Err(Error::Argument(_))), "{bad}");
        }
    }

    #[test]
    fn the_template_is_the_default() {
        let observed = ObservedValues {
            channels: vec!["a \"b\"".into()],
            days: Some((18_000, 18_100)),
            ..ObservedValues::default()
        };
        let config = Config::parse(&template(&observed), "x").unwrap();
        let default = Config::default();
        assert_eq!(config.allow.channels, ["a \"b\""]);
        assert_eq!(config.as_of, None);
        assert_eq!((&config.drift, config.keep), (&default.drift, default.keep));
        for id in CheckId::ALL {
            assert_eq!(config.severity(*id), default.severity(*id), "{id}");
            let (a, b) = (config.bounds(*id), default.bounds(*id));
            assert_eq!((a.warn, a.block), (b.warn, b.block), "{id}");
            let only_warns = matches!(id, CheckId::KeyNulls | CheckId::ClassDayGaps);
            assert_eq!(a.is_own, !only_warns, "{id}");
        }
    }
}
