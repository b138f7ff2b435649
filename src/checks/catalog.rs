//! The list of checks: what each one requires, and its default severity.

/// When a check runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// On the rows, before the table is computed.
    Raw,
    /// On the table, before it is published.
    Staging,
    /// On the sums, compared with the history.
    History,
}

/// How much a check matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A violation is reported; the table is published.
    Warn,
    /// A violation keeps the table from being published.
    Block,
    /// The check does not run.
    Off,
}

macro_rules! catalog {
    ($($id:ident = $name:literal, $stage:ident, $severity:ident, $unit:literal, $title:literal;)*) => {
        /// A check.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[non_exhaustive]
        pub enum CheckId {
            $(#[doc = $title] #[serde(rename = $name)] $id,)*
        }

        impl CheckId {
            /// All checks, in the order in which they run and are shown.
            pub const ALL: &[CheckId] = &[$(CheckId::$id),*];

            /// The name of the check in the configuration and in results.
            pub fn name(self) -> &'static str {
                match self { $(CheckId::$id => $name),* }
            }

            /// The condition that the check requires, in words.
            pub fn title(self) -> &'static str {
                match self { $(CheckId::$id => $title),* }
            }

            /// The unit of the observed value.
            pub fn unit(self) -> &'static str {
                match self { $(CheckId::$id => $unit),* }
            }

            /// The stage in which the check runs.
            pub fn stage(self) -> Stage {
                match self { $(CheckId::$id => Stage::$stage),* }
            }

            /// The severity unless the configuration sets another one.
            pub fn default_severity(self) -> Severity {
                match self { $(CheckId::$id => Severity::$severity),* }
            }
        }
    };
}

catalog! {
    Columns = "columns", Raw, Block, "columns", "every column exists and has a supported type";
    LabelForm = "label_form", Raw, Block, "rows", "year_week is written yyyy_ww";
    LabelWeek = "label_week", Raw, Block, "rows", "year_week is an ISO week that exists";
    LabelDate = "label_date", Raw, Block, "rows", "year_week is the ISO week of start_date";
    KeyNulls = "key_nulls", Raw, Block, "values", "no key is null";
    ValueNulls = "value_nulls", Raw, Block, "rows", "no value is null";
    ValueFinite = "value_finite", Raw, Block, "rows", "no value is NaN or infinite";
    ValueNegative = "value_negative", Raw, Block, "rows", "no value is negative";
    ValueIntegral = "value_integral", Raw, Warn, "rows", "values are whole numbers";
    CountryKnown = "country_known", Raw, Block, "rows", "countries are ISO 3166-1 codes or the total";
    SystemKnown = "system_known", Raw, Block, "rows", "every operating system is in the allowed list";
    SystemVanished = "system_vanished", Raw, Warn, "systems", "no operating system has vanished";
    ChannelNew = "channel_new", Raw, Warn, "channels", "no channel is new";
    ChannelVanished = "channel_vanished", Raw, Warn, "channels", "no channel has vanished";
    OrganicPresent = "organic_present", Raw, Block, "missing", "there are organic rows";
    DuplicateRows = "duplicate_rows", Raw, Block, "rows", "the combination of start_date, country, os_name and name is unique";
    TokenName = "token_name", Raw, Warn, "tokens and names", "each token has one name and each name one token";
    NameSubtrackers = "name_subtrackers", Raw, Warn, "names", "a name has subtrackers in all of its rows or in none";
    SystemTotal = "system_total", Raw, Block, "keys", "the total over operating systems equals the sum of the operating systems";
    CountryTotal = "country_total", Raw, Warn, "keys", "the total over countries equals the sum of the countries";
    DayGaps = "day_gaps", Raw, Warn, "days", "every day from the first to the last has data";
    CountryDayGaps = "country_day_gaps", Raw, Warn, "country-days", "every country has data on every day that has data";
    Freshness = "freshness", Raw, Warn, "days", "the last day of data is recent";
    TableKeys = "table_keys", Staging, Block, "rows", "every country and week occurs once";
    TableComplete = "table_complete", Staging, Block, "rows", "every country has a row for every week";
    ShareRange = "share_range", Staging, Block, "shares", "a share is null if there are no users, otherwise from 0 to 1";
    Reconciliation = "reconciliation", Staging, Block, "sums", "organic and paid users equal the sums of the raw rows";
    AccountAddsUp = "account", Staging, Block, "rows", "every row of the footers is kept, or dropped for a named reason";
    LastWeek = "last_week", Staging, Block, "weeks", "the last week is complete or marked as partial";
    History = "history", History, Warn, "files", "the history beside the target can be read";
    DaysKept = "days_kept", History, Block, "days", "published days still have rows";
    DayVolume = "day_volume", History, Warn, "spreads", "rows and users of a new day are usual for its day of the week";
    VolumeDrift = "volume_drift", History, Block, "spreads", "each country's users are within the usual spread of its weeks";
    VolumeChange = "volume_change", History, Block, "of the smaller", "each country's users stay near their usual number, or within their usual spread";
    VolumeYear = "volume_year", History, Block, "of the smaller", "each country's users are near those of the same week a year before";
    RowDrift = "row_drift", History, Warn, "spreads", "each country's rows are within the usual spread of its weeks";
    ShareDrift = "share_drift", History, Block, "spreads", "each country's organic share is within the usual spread of its weeks";
    ShareChange = "share_change", History, Block, "of the usual share", "no country's organic share suddenly changes by half or more";
    ShareYear = "share_year", History, Block, "of all users", "each country's organic share is near that of the same week a year before";
    ChannelMix = "channel_mix", History, Block, "PSI", "users are distributed over the channels as before";
    Restatement = "restatement", History, Block, "of the published users", "weeks that were published as complete do not change";
}

impl CheckId {
    /// As [`Self::title`], for a job with any key, grain and profile.
    pub fn general_title(self) -> &'static str {
        match self {
            CheckId::LabelForm => "week labels are written as the profile says",
            CheckId::LabelWeek => "week labels are ISO weeks that exist",
            CheckId::LabelDate => "times are dates, and labels are their weeks",
            CheckId::KeyNulls => "every row that counts has a time",
            CheckId::ValueNulls => "no number of users is null",
            CheckId::ValueFinite => "no number of users is NaN or infinite",
            CheckId::ValueNegative => "no number of users is negative",
            CheckId::ValueIntegral => "numbers of users are whole",
            CheckId::CountryKnown | CheckId::SystemKnown => "members are those that the profile expects",
            CheckId::SystemVanished => "no listed member has vanished",
            CheckId::DuplicateRows => "no row occurs twice",
            CheckId::SystemTotal | CheckId::CountryTotal => "total rows equal the sum of their parts",
            CheckId::CountryDayGaps => "keys with data on nearly every day have data on every day",
            CheckId::TableKeys => "every key and period occurs once",
            CheckId::TableComplete => "every key has a row for every period",
            CheckId::Reconciliation => "sums and shares are those of a second computation",
            CheckId::LastWeek => "the last period is complete or marked as partial",
            CheckId::VolumeDrift => "each key's users are within the usual spread of its weeks",
            CheckId::VolumeChange => {
                "each key's users stay near their usual number, or within their usual spread"
            }
            CheckId::VolumeYear => "each key's users are near those of the same week a year before",
            CheckId::RowDrift => "each key's rows are within the usual spread of its weeks",
            CheckId::ShareDrift => "each key's organic share is within the usual spread of its weeks",
            CheckId::ShareChange => "no key's organic share suddenly changes by half or more",
            CheckId::ShareYear => "each key's organic share is near that of the same week a year before",
            _ => self.title(),
        }
    }
}

impl std::fmt::Display for CheckId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for CheckId {
    type Err = crate::Error;

    fn from_str(name: &str) -> crate::Result<Self> {
        CheckId::ALL.iter().find(|id| id.name() == name).copied().ok_or_else(|| {
            let all: Vec<&str> = CheckId::ALL.iter().map(|id| id.name()).collect();
            crate::Error::argument(format!("unknown check '{name}'"))
                .expected(format!("one of {}", all.join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_is_documented() {
        let docs = include_str!("../../docs/quality.md");
        for id in CheckId::ALL {
            assert!(docs.contains(&format!("### `{id}`")), "docs/quality.md has no section on {id}");
            let severity = match id.default_severity() {
                Severity::Block => "blocks",
                Severity::Warn => "warns",
                Severity::Off => "off",
            };
            let section = docs.split(&format!("### `{id}`")).nth(1).unwrap_or_default();
            let section = section.split("\n### ").next().unwrap_or_default();
            assert!(section.contains(severity), "docs/quality.md states another default for {id}");
        }
        assert!(docs.matches("\n### `").count() == CheckId::ALL.len());
    }
}
