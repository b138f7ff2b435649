//! Names of the same member: they differ by case only, or are known names of one country.

use std::collections::BTreeMap;

use super::{Column, Reason, Renamed, Series};
use crate::checks::countries;
use crate::profile::{Dimension, MemberList, Members};

/// Names of one country that occur in exports, as [`folded`] writes them; the current name comes first. Codes are those
/// of ISO 3166-1; `UK` and `EL` are reserved there for other use, and what Google, AppsFlyer and Eurostat write.
const COUNTRIES: &[&[&str]] = &[
    &["gb", "uk", "united kingdom", "great britain", "united kingdom of great britain and northern ireland"],
    &["gr", "el", "greece", "hellenic republic"],
    &["us", "usa", "united states", "united states of america"],
    &["turkiye", "turkey", "republic of turkiye"],
    &["czechia", "czech republic"],
    &["eswatini", "swaziland"],
    &[
        "north macedonia",
        "macedonia",
        "macedonia the former yugoslav republic of",
        "republic of north macedonia",
    ],
    &["cabo verde", "cape verde"],
    &["myanmar", "burma", "myanmar burma"],
    &["cote divoire", "ivory coast"],
    &["timor leste", "east timor"],
    &["russia", "russian federation"],
    &["south korea", "korea republic of", "republic of korea", "korea south"],
    &["north korea", "korea democratic peoples republic of", "korea north"],
    &["vietnam", "viet nam"],
    &["iran", "iran islamic republic of"],
    &["syria", "syrian arab republic"],
    &["laos", "lao peoples democratic republic", "lao pdr"],
    &["moldova", "moldova republic of", "republic of moldova"],
    &["tanzania", "tanzania united republic of", "united republic of tanzania"],
    &["bolivia", "bolivia plurinational state of", "plurinational state of bolivia"],
    &["venezuela", "venezuela bolivarian republic of", "bolivarian republic of venezuela"],
    &["taiwan", "taiwan province of china", "taiwan roc"],
    &["hong kong", "hong kong sar", "hong kong sar china", "hong kong china"],
    &["macao", "macau", "macau sar china", "macao sar"],
    &["palestine", "palestinian territories", "palestine state of", "state of palestine"],
    &["brunei", "brunei darussalam"],
    &["vatican city", "holy see", "holy see vatican city state"],
    &[
        "dr congo",
        "congo kinshasa",
        "congo the democratic republic of the",
        "democratic republic of the congo",
    ],
    &["congo", "congo brazzaville", "republic of the congo"],
    &["micronesia", "micronesia federated states of", "federated states of micronesia"],
    &["bosnia and herzegovina", "bosnia herzegovina", "bosnia"],
    &["united arab emirates", "uae"],
    &["trinidad and tobago", "trinidad tobago"],
];

/// The pairs of names, each with the one to keep.
pub fn find(column: Column<'_>, series: &[Series]) -> Vec<Renamed> {
    let mut found = Vec::new();
    let mut joined: Vec<&Series> = series.iter().collect();
    found.extend(join(&mut joined, Reason::Case, |name| Some(name.trim().to_lowercase()), |_| 0));
    if let Column::Dimension(name, dimension) = column
        && is_of_countries(name, dimension)
    {
        let country = |name: &str| {
            let folded = folded(name);
            let group = COUNTRIES.iter().position(|names| names.contains(&&*folded));
            Some(group.map_or(folded, |group| format!("\0{group}")))
        };
        // Officially assigned codes before any other name.
        let rank = |name: &str| i32::from(!countries::is_assigned(name.to_uppercase().as_bytes()));
        found.extend(join(&mut joined, Reason::Known, country, rank));
    }
    found
}

/// Joins names with the same `key`: the one of lowest `rank` stays in `names`, or else the later one, or else the one
/// with more users.
fn join(
    names: &mut Vec<&Series>,
    reason: Reason,
    key: impl Fn(&str) -> Option<String>,
    rank: impl Fn(&str) -> i32,
) -> Vec<Renamed> {
    let mut groups: BTreeMap<String, Vec<&Series>> = BTreeMap::new();
    for series in names.iter() {
        if let Some(key) = key(&series.name) {
            groups.entry(key).or_default().push(series);
        }
    }
    let mut found = Vec::new();
    for group in groups.values().filter(|group| group.len() > 1) {
        let better = |a: &&Series, b: &&Series| {
            let later = b.ends_before(a).cmp(&a.ends_before(b));
            let users = a.users().total_cmp(&b.users());
            rank(&b.name).cmp(&rank(&a.name)).then(later).then(users).then_with(|| b.name.cmp(&a.name))
        };
        let Some(kept) = group.iter().copied().reduce(|a, b| if better(&a, &b).is_lt() { b } else { a })
        else {
            continue;
        };
        for other in group.iter().filter(|other| other.name != kept.name) {
            found.push(Renamed {
                from: other.name.clone(),
                to: kept.name.clone(),
                reason,
                since: kept.first().filter(|_| other.ends_before(kept)),
                users: other.users() + kept.users(),
            });
        }
        names.retain(|series| series.name == kept.name || !group.iter().any(|of| of.name == series.name));
    }
    found
}

/// Whether the members of a dimension are countries.
fn is_of_countries(name: &str, dimension: &Dimension) -> bool {
    let is_country = |text: &str| {
        let text = text.to_lowercase();
        ["country", "geo", "territory", "market"].iter().any(|part| text.contains(part))
    };
    matches!(dimension.members, Some(Members::Named(MemberList::Iso3166)))
        || is_country(name)
        || is_country(dimension.column_of(name))
}

/// A name in small letters, without accents, punctuation and article.
fn folded(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for letter in name.to_lowercase().chars() {
        match letter {
            'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => text.push('a'),
            'ç' => text.push('c'),
            'è' | 'é' | 'ê' | 'ë' => text.push('e'),
            'ì' | 'í' | 'î' | 'ï' | 'ı' => text.push('i'),
            'ñ' => text.push('n'),
            'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' => text.push('o'),
            'ù' | 'ú' | 'û' | 'ü' => text.push('u'),
            '&' => text.push_str(" and "),
            // The dot that the small letter of a capital I with a dot has beside it.
            '\'' | '’' | '.' | '\u{307}' => {}
            letter if letter.is_alphanumeric() => text.push(letter),
            _ => text.push(' '),
        }
    }
    let mut words: Vec<&str> = text.split_whitespace().collect();
    if words.len() > 1 && words.first() == Some(&"the") {
        words.remove(0);
    }
    let words: Vec<&str> = words.into_iter().map(|word| if word == "saint" { "st" } else { word }).collect();
    // A name without any letter or digit is only itself.
    if words.is_empty() { format!("\0{name}") } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folded_as_the_table_is_written() {
        for names in COUNTRIES {
            for name in *names {
                assert_eq!(&folded(name), name);
            }
        }
        assert_eq!(folded("TÜRKİYE"), "turkiye");
        assert_eq!(folded("Côte d’Ivoire"), "cote divoire");
        assert_eq!(folded("Korea (Republic of)"), "korea republic of");
        assert_eq!(folded("The Gambia"), folded("Gambia"));
        assert_eq!(folded("St. Lucia"), folded("Saint Lucia"));
    }

    #[test]
    fn no_name_is_in_two_groups() {
        let mut all: Vec<&str> = COUNTRIES.iter().flat_map(|names| names.iter().copied()).collect();
        let before = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), before);
    }
}
