//! Which bundled profile fits the columns of an export.

use super::names::normalised;
use super::sample::Sample;
use crate::profile::Profile;
use crate::profile::read::BUNDLED;

/// Columns that tell the tables of a connector from those of its source: one of them has to be there.
const MARKERS: [(&str, &[&str]); 1] =
    [("airbyte-adjust", &["_airbyte_extracted_at", "_airbyte_raw_id", "_airbyte_ab_id"])];

/// A bundled profile that fits an export.
#[derive(Debug, Clone)]
pub struct Fit {
    /// Its name.
    pub name: &'static str,
    /// The profile, with the names of the export's columns.
    pub profile: Profile,
    /// Columns that have another name in the export: the profile's and the export's.
    pub renamed: Vec<(String, String)>,
    /// The columns that the profile needs and the export lacks: at most that of times.
    pub missing: Vec<String>,
}

/// The columns that a profile needs: names, of which one of each list has to be there. The first is that of times.
fn needed(profile: &Profile) -> Vec<Vec<&str>> {
    let time = profile.time.date.iter().chain(&profile.time.label).map(String::as_str).collect();
    let mut needed: Vec<Vec<&str>> = vec![time];
    needed.extend(profile.users.column.iter().map(|name| vec![name.as_str()]));
    needed.extend(profile.channel.column.iter().map(|name| vec![name.as_str()]));
    let dimensions = profile.dimensions.iter().filter(|(_, of)| !of.optional);
    needed.extend(dimensions.map(|(name, of)| vec![of.column_of(name)]));
    needed.extend(profile.conditions.iter().map(|condition| vec![condition.column.as_str()]));
    needed
}

/// Whether the markers of a bundled profile, if it has any, are among columns; and their number.
fn markers(name: &str, has: impl Fn(&str) -> bool) -> Option<usize> {
    match MARKERS.iter().find(|(of, _)| *of == name) {
        None => Some(0),
        Some((_, markers)) => Some(markers.iter().filter(|marker| has(marker)).count()).filter(|n| *n > 0),
    }
}

/// The bundled profile whose columns are all among `columns`, without regard to case: `--profile NAME` reads the export.
/// The one with most columns, if there are several.
pub fn best_bundled(columns: &[&str]) -> Option<&'static str> {
    let lower: Vec<String> = columns.iter().map(|name| name.to_lowercase()).collect();
    let has = |name: &str| lower.contains(&name.to_lowercase());
    let mut best: Option<(usize, &'static str)> = None;
    for (name, text) in BUNDLED {
        let Ok(profile) = Profile::parse(text, name) else { continue };
        let (needed, markers) = (needed(&profile), markers(name, has));
        if needed.iter().all(|any| any.iter().any(|name| has(name)))
            && let Some(markers) = markers
            && best.is_none_or(|(most, _)| needed.len() + markers > most)
        {
            best = Some((needed.len() + markers, name));
        }
    }
    best.map(|(_, name)| name)
}

/// The bundled profile that fits the columns of a sample best: all but that of times have to be there, under names that
/// may differ in case and punctuation.
pub fn best(sample: &Sample) -> Option<Fit> {
    let actual = |name: &str| {
        let wanted = normalised(name);
        let same = |name: &&str| normalised(name) == wanted;
        sample
            .find(name)
            .map(|column| &*column.name)
            .or_else(|| sample.columns.iter().map(|column| &*column.name).find(same))
    };
    let mut best: Option<(usize, Fit)> = None;
    for (name, text) in BUNDLED {
        let Ok(profile) = Profile::parse(text, name) else { continue };
        let Some(markers) = markers(name, |marker| sample.find(marker).is_some()) else { continue };
        let needed = needed(&profile);
        let lacks = |any: &&Vec<&str>| any.iter().all(|name| actual(name).is_none());
        let missing: Vec<String> = needed.iter().filter(lacks).map(|any| any.join(" or ")).collect();
        let lacks_others = needed.iter().skip(1).any(|any| lacks(&any));
        // Three columns that have common names say little without that of times.
        if lacks_others || !missing.is_empty() && needed.len() < 4 {
            continue;
        }
        let score = 2 * (needed.len() + markers) - usize::from(!missing.is_empty());
        if best.as_ref().is_none_or(|(most, _)| score > *most) {
            let (profile, renamed) = with_names(profile, &actual);
            best = Some((score, Fit { name, profile, renamed, missing }));
        }
    }
    best.map(|(_, fit)| fit)
}

/// The profile with the names of columns that an export has, and which of them differ in more than case. Optional
/// columns that are not there are left out.
fn with_names<'n>(
    mut profile: Profile,
    actual: &impl Fn(&str) -> Option<&'n str>,
) -> (Profile, Vec<(String, String)>) {
    let mut renamed = Vec::new();
    let mut rename = |name: &str| -> Option<String> {
        let found = actual(name)?.to_owned();
        if found.to_lowercase() != name.to_lowercase() {
            renamed.push((name.to_owned(), found.clone()));
        }
        Some(found)
    };
    profile.time.date = profile.time.date.as_deref().and_then(&mut rename);
    profile.time.label = profile.time.label.as_deref().and_then(&mut rename);
    profile.users.column = profile.users.column.as_deref().and_then(&mut rename);
    profile.channel.column = profile.channel.column.as_deref().and_then(&mut rename);
    profile.dimensions.retain(|name, of| {
        let found = rename(of.column_of(name));
        let is_found = found.is_some();
        of.column = found.filter(|found| found != name);
        is_found
    });
    profile.conditions.retain_mut(|condition| match rename(&condition.column) {
        Some(found) => {
            condition.column = found;
            true
        }
        None => false,
    });
    (profile, renamed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_with_most_columns_fits_best() {
        let adjust = ["DAY", "network", "country_code", "installs", "os_name"];
        assert_eq!(best_bundled(&adjust), Some("adjust-report"));
        assert_eq!(best_bundled(&[&adjust[..], &["_airbyte_raw_id"]].concat()), Some("airbyte-adjust"));
        assert_eq!(best_bundled(&["year_week", "name", "value", "country"]), Some("cube"));
        assert_eq!(
            best_bundled(&["install_time", "media_source", "country_code", "platform", "app_id"]),
            Some("appsflyer-installs")
        );
        assert_eq!(best_bundled(&["day", "network", "installs"]), None);
        assert_eq!(best_bundled(&[]), None);
    }
}
