//! A profile from TOML.

use std::path::Path;

use super::Profile;
use crate::nearest::nearest;
use crate::storage::read_text;
use crate::{Error, Result};

/// The bundled profiles, by name.
pub const BUNDLED: [(&str, &str); 12] = [
    ("cube", include_str!("bundled/cube.toml")),
    ("adjust-report", include_str!("bundled/adjust-report.toml")),
    ("adjust-raw", include_str!("bundled/adjust-raw.toml")),
    ("airbyte-adjust", include_str!("bundled/airbyte-adjust.toml")),
    ("appsflyer-installs", include_str!("bundled/appsflyer-installs.toml")),
    ("appsflyer-geo", include_str!("bundled/appsflyer-geo.toml")),
    ("singular", include_str!("bundled/singular.toml")),
    ("branch", include_str!("bundled/branch.toml")),
    ("kochava", include_str!("bundled/kochava.toml")),
    ("apple-downloads", include_str!("bundled/apple-downloads.toml")),
    ("ga4", include_str!("bundled/ga4.toml")),
    ("warehouse", include_str!("bundled/warehouse.toml")),
];

/// The keys of each table of a profile.
const KEYS: [(&str, &[&str]); 6] = [
    ("", &["time", "users", "channel", "dimensions", "where"]),
    ("time", &["date", "unit", "label", "label_form", "zone", "week_start", "settle_days"]),
    ("users", &["column", "rows", "unique"]),
    ("channel", &["column", "organic", "paid", "excluded", "null", "ignore_case"]),
    (
        "dimensions",
        &["column", "total", "total_is_null", "total_rows", "null", "case", "rename", "members", "optional"],
    ),
    ("where", &["column", "in", "not_in"]),
];

impl Profile {
    /// Reads a profile: a file, at a path or a URI, or a bundled one by its name.
    ///
    /// # Errors
    /// `Io` if the file cannot be read; `Argument` if it is not TOML, or has an unknown key or value.
    pub fn load(name: &str) -> Result<Self> {
        if let Some((_, text)) = BUNDLED.iter().find(|(bundled, _)| *bundled == name) {
            return Self::parse(text, name);
        }
        if !Path::new(name).exists() && !name.contains(['/', '.']) {
            let names: Vec<&str> = BUNDLED.iter().map(|(name, _)| *name).collect();
            return Err(Error::argument(format!("no profile '{name}'"))
                .expected(format!("a TOML file, or one of {}", names.join(", ")))
                .advice(nearest(name, &names).map_or_else(
                    || "docs/profiles.md says how to write one".to_owned(),
                    |near| format!("Did you mean {near}?"),
                )));
        }
        Self::parse(&read_text("the profile", name)?, name)
    }

    /// Parses the TOML of a profile called `origin`.
    ///
    /// # Errors
    /// As of [`Self::load`], except `Io`.
    pub fn parse(text: &str, origin: &str) -> Result<Self> {
        let located = |error: Error| error.in_file(&origin.into());
        let table: toml::Table = text.parse().map_err(|e: toml::de::Error| located(not_read(text, &e)))?;
        check_keys(&table).map_err(located)?;
        let profile: Profile = toml::from_str(text).map_err(|e| located(not_read(text, &e)))?;
        profile.validated().map_err(located)
    }

    /// The profile as TOML.
    ///
    /// # Errors
    /// None in practice.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| Error::internal(format!("cannot write the profile: {e}")))
    }
}

/// The error of a text that is not TOML, or not what is expected of it, with the line where it was found.
pub fn toml_error(what: &str, text: &str, error: &toml::de::Error) -> Error {
    let before = error.span().and_then(|span| text.get(..span.start));
    let located = Error::argument(format!("{what}: {}", error.message()));
    match before {
        Some(before) => located.at_line(1 + before.bytes().filter(|byte| *byte == b'\n').count() as u64),
        None => located,
    }
}

fn not_read(text: &str, error: &toml::de::Error) -> Error {
    toml_error("the profile cannot be read", text, error)
}

/// Fails for the first key that no profile has, and names the nearest that one has.
fn check_keys(table: &toml::Table) -> Result<()> {
    let keys_of =
        |name: &str| KEYS.iter().find(|(table, _)| *table == name).map_or(&[][..], |(_, keys)| keys);
    let check = |shown: &str, kind: &str, table: &toml::Table| -> Result<()> {
        let known = keys_of(kind);
        let Some(key) = table.keys().find(|key| !known.contains(&key.as_str())) else { return Ok(()) };
        let place = if shown.is_empty() { String::new() } else { format!(" in {shown}") };
        let error = Error::argument(format!("unknown key '{key}'{place}"));
        Err(match nearest(key, known) {
            Some(near) => {
                error.expected(format!("one of {}", known.join(", "))).advice(format!("Did you mean {near}?"))
            }
            None => error.expected(format!("one of {}", known.join(", "))),
        })
    };
    check("", "", table)?;
    for (name, value) in table {
        match (name.as_str(), value) {
            ("dimensions", toml::Value::Table(dimensions)) => {
                for (dimension, value) in dimensions {
                    if let toml::Value::Table(keys) = value {
                        check(&format!("[dimensions.{dimension}]"), "dimensions", keys)?;
                    }
                }
            }
            ("where", toml::Value::Array(conditions)) => {
                for keys in conditions.iter().filter_map(toml::Value::as_table) {
                    check("[[where]]", "where", keys)?;
                }
            }
            (kind, toml::Value::Table(keys)) => check(&format!("[{kind}]"), kind, keys)?,
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_default_profile_is_the_bundled_cube() {
        assert_eq!(Profile::load("cube").unwrap(), Profile::cube());
        let written = Profile::cube().to_toml().unwrap();
        assert_eq!(Profile::parse(&written, "x").unwrap(), Profile::cube());
    }

    #[test]
    fn every_bundled_profile_is_read() {
        for (name, _) in BUNDLED {
            let profile = Profile::load(name).unwrap();
            assert_eq!(Profile::parse(&profile.to_toml().unwrap(), "x").unwrap(), profile, "{name}");
            assert!(profile.dimensions.contains_key("country"), "{name}");
        }
        let error = Profile::load("appsflyer").unwrap_err().to_string();
        assert!(error.contains("Did you mean appsflyer-geo?"), "{error}");
        assert!(Profile::load("adjust-reprot").unwrap_err().to_string().contains("adjust-report?"));
    }

    #[test]
    fn unknown_keys_name_the_nearest_known_one() {
        let error = |text: &str| Profile::parse(text, "p.toml").unwrap_err().to_string();
        let text = error("[channel]\ncolunm = 'x'");
        assert!(text.contains("'colunm' in [channel]") && text.contains("Did you mean column?"), "{text}");
        assert!(error("[dimensions.os]\ntotl = 'x'").contains("Did you mean total?"));
        assert!(error("[tiem]").contains("Did you mean time?"));
        assert!(error("[[where]]\nnot_on = []").contains("Did you mean not_in?"));
        assert!(!error("zzzzzz = 1").contains("Did you mean"));
    }

    #[test]
    fn contradictions_are_refused() {
        let base = "time.date = 'd'\nusers.rows = true\n[channel]\ncolumn = 'c'\n";
        Profile::parse(&format!("{base}organic = ['a']"), "x").unwrap();
        for bad in [
            "",
            "organic = ['a']\npaid = ['b']",
            "organic = ['a']\nexcluded = ['a']",
            "organic = ['a']\n[dimensions.os]\ntotal = 'all'\ntotal_is_null = true",
            "organic = ['a']\n[dimensions.os]\ntotal_rows = 'required'",
            "organic = ['a']\n[[where]]\ncolumn = 'x'",
        ] {
            assert!(Profile::parse(&format!("{base}{bad}"), "x").is_err(), "{bad}");
        }
    }
}
