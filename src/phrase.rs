//! What an error expects or advises, worded for the surface on which it is read.
//!
//! The program has flags, Python has keywords, and a profile has lines of TOML. Code that reports an error names the
//! [`Setting`]; this module alone knows how each surface writes it.

use std::fmt::{self, Write as _};

use crate::escape::{key, literal, shell};

/// Where an error is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// The program: settings are flags, and lines of a profile.
    Program,
    /// Python and Spark: settings are keywords.
    Python,
}

/// An option of the job or of a run, with its value.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Setting {
    /// The column of dates.
    Date(String),
    /// The unit of integer dates.
    DateUnit(String),
    /// The column of week labels.
    Label(String),
    /// The column of users.
    Users(String),
    /// Each row is one user.
    CountRows,
    /// The column of channels.
    Channel(String),
    /// A channel that is organic.
    Organic(String),
    /// The column of a dimension.
    Dimension(String, String),
    /// The member of a dimension's total rows.
    Total(String, String),
    /// Whether a dimension's total rows are recognised.
    TotalRows(String, String),
    /// A condition: a column and a value.
    Where(String, String),
    /// A condition: a column and a value that is left out.
    WhereNot(String, String),
    /// Conditions: columns and values that are left out.
    WhereNotAll(Vec<(String, String)>),
    /// The dimensions of the key.
    By(String),
    /// The time zone of the calendar.
    Zone(String),
    /// The step of the time axis.
    Grain(String),
    /// Which table to compute.
    Semantics(String),
    /// The output of an old job.
    Against,
    /// The profile.
    Profile(String),
    /// The dimensions whose totals are shown.
    WithTotal,
    /// Publish although checks fail.
    WarnOnly,
    /// Run no checks.
    NoChecks,
    /// Publish an empty table.
    AllowEmpty,
}

impl Setting {
    /// The setting as a flag of the program.
    fn flag(&self) -> String {
        let of = |flag: &str, value: &str| format!("--{flag} {}", shell(value));
        let pair = |flag: &str, name: &str, value: &str| of(flag, &format!("{name}={value}"));
        match self {
            Setting::Date(column) => of("date", column),
            Setting::DateUnit(unit) => of("date-unit", unit),
            Setting::Label(column) => of("label", column),
            Setting::Users(column) => of("users", column),
            Setting::CountRows => "--count-rows".into(),
            Setting::Channel(column) => of("channel", column),
            Setting::Organic(name) => of("organic", name),
            Setting::Dimension(name, column) => pair("dimension", name, column),
            Setting::Total(name, member) => pair("total", name, member),
            Setting::TotalRows(name, mode) => pair("total-rows", name, mode),
            Setting::Where(column, value) => pair("where", column, value),
            Setting::WhereNot(column, value) => of("where", &format!("{column}!={value}")),
            Setting::WhereNotAll(pairs) => {
                let flags = pairs.iter().map(|(column, value)| of("where", &format!("{column}!={value}")));
                flags.collect::<Vec<_>>().join(" ")
            }
            Setting::By(names) => of("by", names),
            Setting::Zone(zone) => of("zone", zone),
            Setting::Grain(grain) => of("grain", grain),
            Setting::Semantics(name) => of("semantics", name),
            Setting::Against => "--against".into(),
            Setting::Profile(profile) => of("profile", profile),
            Setting::WithTotal => "--with-total".into(),
            Setting::WarnOnly => "--warn-only".into(),
            Setting::NoChecks => "--no-checks".into(),
            Setting::AllowEmpty => "--allow-empty".into(),
        }
    }

    /// The setting as a keyword of Python.
    fn keyword(&self) -> String {
        let of = |keyword: &str, value: &str| format!("{keyword}={}", literal(value));
        let pair = |keyword: &str, name: &str, value: &str| {
            format!("{keyword}={{{}: {}}}", literal(name), literal(value))
        };
        match self {
            Setting::Date(column) => of("date", column),
            Setting::DateUnit(unit) => of("date_unit", unit),
            Setting::Label(column) => of("label", column),
            Setting::Users(column) => of("users", column),
            Setting::CountRows => "count_rows=True".into(),
            Setting::Channel(column) => of("channel", column),
            Setting::Organic(name) => of("organic", name),
            Setting::Dimension(name, column) => pair("dimensions", name, column),
            Setting::Total(name, member) => pair("total", name, member),
            Setting::TotalRows(name, mode) => pair("total_rows", name, mode),
            Setting::Where(column, value) => pair("where", column, value),
            Setting::WhereNot(column, value) => pair("where_not", column, value),
            Setting::WhereNotAll(pairs) => {
                let mut columns: Vec<(&str, Vec<String>)> = Vec::new();
                for (column, value) in pairs {
                    match columns.iter_mut().find(|(name, _)| name == column) {
                        Some((_, values)) => values.push(literal(value)),
                        None => columns.push((column, vec![literal(value)])),
                    }
                }
                let entry = |(column, values): &(&str, Vec<String>)| match &values[..] {
                    [value] => format!("{}: {value}", literal(column)),
                    values => format!("{}: [{}]", literal(column), values.join(", ")),
                };
                format!("where_not={{{}}}", columns.iter().map(entry).collect::<Vec<_>>().join(", "))
            }
            Setting::By(names) => of("by", names),
            Setting::Zone(zone) => of("zone", zone),
            Setting::Grain(grain) => of("grain", grain),
            Setting::Semantics(name) => of("semantics", name),
            Setting::Against => "against".into(),
            Setting::Profile(profile) => of("profile", profile),
            Setting::WithTotal => "with_total=".into(),
            Setting::WarnOnly => "warn_only=True".into(),
            Setting::NoChecks => "no_checks=True".into(),
            Setting::AllowEmpty => "allow_empty=True".into(),
        }
    }

    /// The setting as a line of a profile, with its section; `None` for what is no entry of a profile.
    fn line(&self) -> Option<String> {
        let of =
            |section: &str, entry: &str, value: &str| format!("{entry} = {} in [{section}]", literal(value));
        Some(match self {
            Setting::Date(column) => of("time", "date", column),
            Setting::DateUnit(unit) => of("time", "unit", unit),
            Setting::Label(column) => of("time", "label", column),
            Setting::Users(column) => of("users", "column", column),
            Setting::CountRows => "rows = true in [users]".into(),
            Setting::Channel(column) => of("channel", "column", column),
            Setting::Organic(name) => format!("organic = [{}] in [channel]", literal(name)),
            Setting::Dimension(name, column) => of(&format!("dimensions.{}", key(name)), "column", column),
            Setting::Total(name, member) => of(&format!("dimensions.{}", key(name)), "total", member),
            Setting::TotalRows(name, mode) => of(&format!("dimensions.{}", key(name)), "total_rows", mode),
            Setting::Where(column, _) => format!("column = {} in [[where]]", literal(column)),
            Setting::WhereNot(column, value) => {
                format!("column = {}, not_in = [{}] in [[where]]", literal(column), literal(value))
            }
            _ => return None,
        })
    }

    /// The setting on a surface.
    fn show(&self, surface: Surface) -> String {
        match surface {
            Surface::Program => self.flag(),
            Surface::Python => self.keyword(),
        }
    }
}

/// A part of a [`Phrase`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum Part {
    Text(String),
    /// A flag or a keyword.
    Option(Setting),
    /// A flag or the line of a profile; a keyword.
    Entry(Setting),
    /// Between two settings of a list.
    Separator,
    /// A command of the program, which Python does not show.
    Command(String),
}

/// Words that differ from surface to surface. `Display` gives those of the program.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Phrase(Vec<Part>);

impl Phrase {
    /// Appends text that all surfaces share.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.0.push(Part::Text(text.into()));
        self
    }

    /// Appends an option: a flag of the program, a keyword of Python.
    pub fn option(mut self, setting: Setting) -> Self {
        self.0.push(Part::Option(setting));
        self
    }

    /// As [`Self::option`]; the program also names the line of the profile.
    pub fn entry(mut self, setting: Setting) -> Self {
        self.0.push(Part::Entry(setting));
        self
    }

    /// Appends a sentence that only the program shows.
    pub fn command(mut self, sentence: impl Into<String>) -> Self {
        self.0.push(Part::Command(sentence.into()));
        self
    }

    /// Appends another phrase.
    pub fn then(mut self, other: Phrase) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Appends what separates the setting number `at` of a list from the one before: a blank in a command line, a comma
    /// between keywords.
    pub fn separator(mut self, at: usize) -> Self {
        if at > 0 {
            self.0.push(Part::Separator);
        }
        self
    }

    /// Whether it has no words.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Text(text) if text.is_empty()))
    }

    /// The words on a surface.
    pub fn show(&self, surface: Surface) -> String {
        let mut shown = String::new();
        for part in &self.0 {
            match (part, surface) {
                (Part::Text(text), _) | (Part::Command(text), Surface::Program) => shown.push_str(text),
                (Part::Command(_), Surface::Python) => {}
                (Part::Separator, Surface::Program) => shown.push(' '),
                (Part::Separator, Surface::Python) => shown.push_str(", "),
                (Part::Option(setting), _) => shown.push_str(&setting.show(surface)),
                (Part::Entry(setting), _) => {
                    shown.push_str(&setting.show(surface));
                    if let (Surface::Program, Some(line)) = (surface, setting.line()) {
                        let _ = write!(shown, " (in a profile: {line})");
                    }
                }
            }
        }
        shown
    }
}

impl<T: Into<String>> From<T> for Phrase {
    fn from(text: T) -> Self {
        Phrase(vec![Part::Text(text.into())])
    }
}

impl fmt::Display for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.show(Surface::Program))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_written_as_its_surface_writes_it() {
        let phrase = Phrase::from("add ")
            .entry(Setting::Dimension("country".into(), "country code".into()))
            .text(", or ")
            .option(Setting::NoChecks)
            .command(". Run it");
        assert_eq!(
            phrase.to_string(),
            "add --dimension 'country=country code' (in a profile: column = \"country code\" in \
             [dimensions.country]), or --no-checks. Run it"
        );
        assert_eq!(
            phrase.show(Surface::Python),
            "add dimensions={\"country\": \"country code\"}, or no_checks=True"
        );
        let pair = |column: &str, value: &str| (column.to_owned(), value.to_owned());
        let conditions = vec![pair("deleted", "yes"), pair("deleted", "true"), pair("is_deleted", "1")];
        let phrase = Phrase::default().option(Setting::WhereNotAll(conditions));
        assert_eq!(
            phrase.show(Surface::Python),
            r#"where_not={"deleted": ["yes", "true"], "is_deleted": "1"}"#
        );
        assert_eq!(phrase.to_string().matches("--where ").count(), 3);
        assert!(Phrase::default().is_empty() && Phrase::from("").is_empty() && !phrase.is_empty());
    }
}
