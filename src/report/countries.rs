//! English names of countries.

use crate::report::figures::Shares;

/// The codes of ISO 3166-1 alpha-2 with names, sorted. The names are those of Unicode CLDR for English (as packaged in
/// Babel 2.19; Unicode License v3), in the short form where CLDR has one.
const NAMES: &str = include_str!("countries.txt");

/// The name of a country, by its code in upper case.
pub fn name(code: &str) -> Option<&'static str> {
    let is_code = code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    let line = is_code.then(|| NAMES.lines().find(|line| line.get(..2) == Some(code)))??;
    line.get(3..)
}

/// The name of the country of a key or of a member, if the first dimension is the country.
pub fn name_in(shares: &Shares, member: &str) -> Option<&'static str> {
    let is_country = shares.dimensions.first().is_some_and(|name| name.eq_ignore_ascii_case("country"));
    name(member).filter(|_| is_country)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::countries::assigned;

    #[test]
    fn every_assigned_code_has_a_name() {
        assert!(assigned().eq(NAMES.lines().filter_map(|line| line.get(..2))));
        assert!(assigned().all(|code| name(code).is_some_and(|name| name.len() > 2)));
        assert_eq!((name("GB"), name("CI")), (Some("United Kingdom"), Some("Côte d'Ivoire")));
        for other in ["gb", "UK", "", "G", "É", "GBR"] {
            assert_eq!(name(other), None, "{other}");
        }
    }
}
