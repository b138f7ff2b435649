//! The entries of a profile that name columns, and which of these columns a job cannot do without.

use super::{Profile, Question};
use crate::nearest::related;
use crate::phrase::{Phrase, Setting};
use crate::{Error, Semantics};

/// The most columns that an error lists.
const LISTED: usize = 20;
/// The most columns that may be meant, beside the nearest one.
const ALSO: usize = 2;

/// An entry of a profile that names a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnEntry<'p> {
    /// Dates.
    Date,
    /// Week labels.
    Label,
    /// Numbers of users.
    Users,
    /// Channels.
    Channel,
    /// The members of a dimension.
    Dimension(&'p str),
    /// The values of a condition.
    Condition,
}

impl ColumnEntry<'_> {
    /// The setting that names another column.
    pub fn setting(self, column: &str) -> Setting {
        let column = column.to_owned();
        match self {
            ColumnEntry::Date => Setting::Date(column),
            ColumnEntry::Label => Setting::Label(column),
            ColumnEntry::Users => Setting::Users(column),
            ColumnEntry::Channel => Setting::Channel(column),
            ColumnEntry::Dimension(name) => Setting::Dimension(name.to_owned(), column),
            ColumnEntry::Condition => Setting::Where(column, "VALUE".into()),
        }
    }

    /// What the column is to the profile, in words.
    fn role(self) -> String {
        match self {
            ColumnEntry::Date => "the dates".into(),
            ColumnEntry::Label => "the week labels".into(),
            ColumnEntry::Users => "the users".into(),
            ColumnEntry::Channel => "the channel".into(),
            ColumnEntry::Dimension(name) => format!("the dimension {name}"),
            ColumnEntry::Condition => "a condition".into(),
        }
    }

    /// Names that such a column has in exports of attribution vendors, stores and warehouses.
    fn usual_names(self) -> &'static [&'static str] {
        match self {
            ColumnEntry::Date => &[
                "date",
                "day",
                "install_date",
                "event_date",
                "report_date",
                "install_time",
                "event_time",
                "created_at",
                "timestamp",
                "time",
            ],
            ColumnEntry::Label => &["year_week", "iso_week", "week"],
            ColumnEntry::Users => &[
                "installs",
                "new_users",
                "users",
                "install_count",
                "first_opens",
                "conversions",
                "downloads",
                "units",
                "value",
                "count",
            ],
            ColumnEntry::Channel => &[
                "media_source",
                "network",
                "network_name",
                "channel",
                "ad_network",
                "partner_name",
                "partner",
                "source",
                "source_type",
                "tracker_name",
                "publisher",
                "name",
            ],
            ColumnEntry::Dimension("country") => {
                &["country_code", "country", "geo", "territory", "storefront"]
            }
            ColumnEntry::Dimension("os" | "os_name" | "platform" | "system") => {
                &["os_name", "platform", "os", "device_os", "operating_system"]
            }
            ColumnEntry::Dimension("app") => &["app_id", "app", "app_name", "bundle_id"],
            ColumnEntry::Dimension(_) | ColumnEntry::Condition => &[],
        }
    }
}

impl Profile {
    /// Every column that the profile names, with the entry that names it.
    pub fn named_columns(&self) -> impl Iterator<Item = (ColumnEntry<'_>, &str)> {
        let single = [
            (ColumnEntry::Label, &self.time.label),
            (ColumnEntry::Date, &self.time.date),
            (ColumnEntry::Users, &self.users.column),
            (ColumnEntry::Channel, &self.channel.column),
        ];
        let single = single.into_iter().filter_map(|(entry, column)| Some((entry, column.as_deref()?)));
        let dimensions =
            self.dimensions.iter().map(|(name, of)| (ColumnEntry::Dimension(name), of.column_of(name)));
        let conditions = self.conditions.iter().map(|of| (ColumnEntry::Condition, of.column.as_str()));
        single.chain(dimensions).chain(conditions)
    }

    /// What to do about a column that cannot be used: name another one.
    pub fn advise_other_column(&self, column: &str) -> Phrase {
        match self.named_columns().find(|(_, name)| name.to_lowercase() == column.to_lowercase()) {
            Some((entry, _)) => Phrase::from("Name another column: ").entry(entry.setting("COLUMN")),
            None => Phrase::default(),
        }
    }
}

impl Question {
    /// The columns that the job cannot do without, of data of which `is_missing` says what they lack. Labels may be
    /// missing where there are dates.
    fn missing_columns(&self, is_missing: impl Fn(&str) -> bool) -> Vec<(ColumnEntry<'_>, &str)> {
        let (label, date) = self.time_columns();
        let has_label = label.is_some_and(|label| !is_missing(label));
        let by_date = !has_label && date.is_some();
        let is_legacy = self.job.semantics == Semantics::Legacy;
        let is_needed = |entry: ColumnEntry<'_>| match entry {
            ColumnEntry::Label => label.is_some() && (is_legacy || !by_date),
            ColumnEntry::Date => by_date || is_legacy,
            ColumnEntry::Dimension(name) => {
                let is_key = self.job.by.iter().any(|by| by == name);
                let is_optional = self.job.profile.dimensions.get(name).is_some_and(|of| of.optional);
                is_key || is_legacy || !is_optional
            }
            ColumnEntry::Users | ColumnEntry::Channel | ColumnEntry::Condition => true,
        };
        let named = self.job.profile.named_columns();
        named.filter(|(entry, column)| is_needed(*entry) && is_missing(column)).collect()
    }

    /// The error for data with the columns `names` that lack columns which the job cannot do without: all of them, the
    /// entries that name them, and the columns that may be meant. `None` where none is missing.
    pub fn missing_column_error(&self, names: &[&str], is_missing: impl Fn(&str) -> bool) -> Option<Error> {
        let missing = self.missing_columns(is_missing);
        (!missing.is_empty()).then(|| self.error_of_missing(&missing, names))
    }

    /// As [`Self::missing_column_error`], for the column of one entry.
    pub fn error_without(&self, entry: ColumnEntry<'_>, names: &[&str]) -> Error {
        let named = self.job.profile.named_columns();
        let missing: Vec<_> = named.filter(|(of, _)| *of == entry).collect();
        self.error_of_missing(&missing, names)
    }

    fn error_of_missing(&self, missing: &[(ColumnEntry<'_>, &str)], names: &[&str]) -> Error {
        let Some((first, others)) = missing.split_first() else {
            return Error::internal("no column is missing");
        };
        let is_used = |name: &str| {
            self.job.profile.named_columns().any(|(_, column)| column.to_lowercase() == name.to_lowercase())
        };
        let free: Vec<&str> = names.iter().copied().filter(|name| !is_used(name)).collect();
        let meant = |(entry, column): &(ColumnEntry<'_>, &str)| related(column, entry.usual_names(), &free);
        let show = |(entry, column): &(ColumnEntry<'_>, &str)| format!("'{column}' ({})", entry.role());
        let found = if others.is_empty() {
            format!("no column {}", show(first))
        } else {
            format!("no columns {}", missing.iter().map(show).collect::<Vec<_>>().join(", "))
        };
        let error = Error::data(found).expected(listed(names));
        let proposal = "; or let `rollshare profile --source PATH` propose a profile";
        let phrase = match (meant(first).split_first(), others.is_empty()) {
            (Some((nearest, also)), true) => {
                let mut there = format!("There is '{nearest}'");
                for name in also.iter().take(ALSO) {
                    there.push_str(&format!(", '{name}'"));
                }
                Phrase::from(there).text(": add ").entry(first.0.setting(nearest))
            }
            (None, true) => Phrase::from("Name the column: add ").entry(first.0.setting("COLUMN")),
            (_, false) => {
                let mut phrase = Phrase::from("Name the columns: add ");
                for (at, one) in missing.iter().enumerate() {
                    let nearest = meant(one).first().copied().unwrap_or("COLUMN");
                    phrase = phrase.separator(at).option(one.0.setting(nearest));
                }
                phrase
            }
        };
        error.advice(phrase.command(proposal))
    }
}

/// The columns that there are.
fn listed(names: &[&str]) -> String {
    let mut names = names.to_vec();
    names.dedup();
    let shown = names.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(LISTED) {
        _ if names.is_empty() => "it among the columns; there are none".into(),
        Some(more) if more > 0 => format!("it among {shown} and {more} more"),
        _ => format!("it among {shown}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Job;
    use crate::phrase::Surface;

    fn missing(job: &Job, names: &[&str]) -> Option<Error> {
        let question = Question::new(job).unwrap();
        question.missing_column_error(names, |column| !names.contains(&column))
    }

    #[test]
    fn a_missing_column_is_named_with_the_one_that_is_meant() {
        let names = ["name", "value", "start_date", "year_week", "country_code", "os_name"];
        let error = missing(&Job::default(), &names).unwrap();
        let report = error.report().unwrap();
        assert_eq!(report.found, "no column 'country' (the dimension country)");
        assert_eq!(
            report.advice.to_string(),
            "There is 'country_code': add --dimension country=country_code (in a profile: column = \
             \"country_code\" in [dimensions.country]); or let `rollshare profile --source PATH` propose a profile"
        );
        assert_eq!(
            report.advice.show(Surface::Python),
            "There is 'country_code': add dimensions={\"country\": \"country_code\"}"
        );
    }

    #[test]
    fn all_missing_columns_are_named_at_once() {
        let names = ["day", "country", "platform", "media_source", "installs", "cost"];
        let error = missing(&Job::default(), &names).unwrap().to_string();
        for words in [
            "no columns 'start_date' (the dates), 'value' (the users), 'name' (the channel)",
            "--date day --users installs --channel media_source",
        ] {
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn what_files_may_lack_is_not_missing() {
        let names = ["name", "value", "start_date", "country"];
        assert!(missing(&Job::default(), &names).is_none());
        let labels = ["name", "value", "year_week", "country"];
        assert!(missing(&Job::default(), &labels).is_none());
        let by_system = Job { by: vec!["os_name".into()], ..Job::default() };
        let error = missing(&by_system, &names).unwrap().to_string();
        assert!(error.contains("--dimension os_name=COLUMN"), "{error}");
        let legacy = Job { semantics: Semantics::Legacy, ..Job::default() };
        let error = missing(&legacy, &names).unwrap().to_string();
        assert!(
            error.contains("'year_week' (the week labels), 'os_name' (the dimension os_name)"),
            "{error}"
        );
    }
}
