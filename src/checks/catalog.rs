//! The list of checks, with what each asks and its default severity.

/// When a check runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// On the rows, before anything is computed.
    Raw,
    /// On the table, before it is published.
    Staging,
    /// On the sums, against what was published before.
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
            /// All of them, in the order in which they run and are shown.
            pub const ALL: &[CheckId] = &[$(CheckId::$id),*];

            /// Its name in the configuration and in results.
            pub fn name(self) -> &'static str {
                match self { $(CheckId::$id => $name),* }
            }

            /// What it asks.
            pub fn title(self) -> &'static str {
                match self { $(CheckId::$id => $title),* }
            }

            /// What it counts.
            pub fn unit(self) -> &'static str {
                match self { $(CheckId::$id => $unit),* }
            }

            /// When it runs.
            pub fn stage(self) -> Stage {
                match self { $(CheckId::$id => Stage::$stage),* }
            }

            /// How much it matters unless somebody says otherwise.
            pub fn default_severity(self) -> Severity {
                match self { $(CheckId::$id => Severity::$severity),* }
            }
        }
    };
}

catalog! {
    Columns = "columns", Raw, Block, "columns", "every column is there, with a type that fits";
    LabelForm = "label_form", Raw, Block, "rows", "year_week is written yyyy_ww";
    LabelWeek = "label_week", Raw, Block, "rows", "year_week is an ISO week that exists";
    LabelDate = "label_date", Raw, Block, "rows", "year_week is the ISO week of start_date";
    KeyNulls = "key_nulls", Raw, Block, "values", "no key is null";
    ValueNulls = "value_nulls", Raw, Block, "rows", "no value is null";
    ValueFinite = "value_finite", Raw, Block, "rows", "no value is NaN or infinite";
    ValueNegative = "value_negative", Raw, Block, "rows", "no value is negative";
    ValueIntegral = "value_integral", Raw, Warn, "rows", "values are whole numbers";
    CountryKnown = "country_known", Raw, Block, "rows", "countries are codes of ISO 3166-1 or the total";
    SystemKnown = "system_known", Raw, Block, "rows", "operating systems are those that are allowed";
    SystemVanished = "system_vanished", Raw, Warn, "systems", "no operating system has vanished";
    ChannelNew = "channel_new", Raw, Warn, "channels", "no channel is new";
    ChannelVanished = "channel_vanished", Raw, Warn, "channels", "no channel has vanished";
    OrganicPresent = "organic_present", Raw, Block, "missing", "there are organic rows";
    DuplicateRows = "duplicate_rows", Raw, Block, "rows", "start_date, country, os_name and name occur once together";
    TokenName = "token_name", Raw, Warn, "tokens and names", "token and name are one to one";
    NameSubtrackers = "name_subtrackers", Raw, Warn, "names", "a name either has subtrackers or has not";
    SystemTotal = "system_total", Raw, Block, "keys", "the total over systems is the sum of the systems";
    CountryTotal = "country_total", Raw, Warn, "keys", "the total over countries is the sum of the countries";
    DayGaps = "day_gaps", Raw, Warn, "days", "every day from the first to the last has data";
    CountryDayGaps = "country_day_gaps", Raw, Warn, "country-days", "every country has data on every day that has any";
    Freshness = "freshness", Raw, Warn, "days", "the last day of data is recent";
    TableKeys = "table_keys", Staging, Block, "rows", "no country and week come twice";
    TableComplete = "table_complete", Staging, Block, "rows", "every country has every week";
    ShareRange = "share_range", Staging, Block, "shares", "a share is null exactly where there are no users, else from 0 to 1";
    Reconciliation = "reconciliation", Staging, Block, "sums", "organic and paid users equal the sums of the raw rows";
    AccountAddsUp = "account", Staging, Block, "rows", "every row of the footers is kept or dropped by a named reason";
    LastWeek = "last_week", Staging, Block, "weeks", "the last week is complete or marked as partial";
    History = "history", History, Warn, "files", "the history beside the target can be read";
    DaysKept = "days_kept", History, Block, "days", "days that were published still have rows";
    DayVolume = "day_volume", History, Warn, "spreads", "rows and users of a new day are as usual for its day of the week";
    VolumeDrift = "volume_drift", History, Block, "spreads", "each country's users are within the spread of its weeks";
    VolumeChange = "volume_change", History, Block, "of the smaller", "no country's users change at once by half or more";
    VolumeYear = "volume_year", History, Block, "of the smaller", "each country's users are of the order of a year before";
    RowDrift = "row_drift", History, Warn, "spreads", "each country's rows are within the spread of its weeks";
    ShareDrift = "share_drift", History, Block, "spreads", "each country's share is within the spread of its weeks";
    ShareChange = "share_change", History, Block, "of the usual share", "no country's share changes at once by half or more";
    ShareYear = "share_year", History, Block, "of all users", "each country's share is of the order of a year before";
    ChannelMix = "channel_mix", History, Block, "PSI", "users spread over the channels as they did";
    Restatement = "restatement", History, Block, "of the published users", "weeks that were published complete stay as they are";
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
    fn every_check_is_explained() {
        let docs = include_str!("../../docs/quality.md");
        for id in CheckId::ALL {
            assert!(docs.contains(&format!("### `{id}`")), "docs/quality.md says nothing of {id}");
            let severity = match id.default_severity() {
                Severity::Block => "blocks",
                Severity::Warn => "warns",
                Severity::Off => "off",
            };
            let section = docs.split(&format!("### `{id}`")).nth(1).unwrap_or_default();
            let section = section.split("\n### ").next().unwrap_or_default();
            assert!(section.contains(severity), "the default of {id} is not what docs/quality.md says");
        }
        assert!(docs.matches("\n### `").count() == CheckId::ALL.len());
    }
}
