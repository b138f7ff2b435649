//! Which names are taken for one, and which are not.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::profile::{MemberList, Members, Profile};

fn series(name: &str, first: i32, users: &[f64]) -> Series {
    let mut series = Series::new(name);
    (first..).zip(users).for_each(|(week, users)| series.add(week, *users));
    series
}

fn days(weeks: i32) -> BTreeMap<i32, u32> {
    (0..weeks).map(|week| (week, 7)).collect()
}

fn dimension() -> Dimension {
    Dimension { members: Some(Members::Named(MemberList::Iso3166)), ..Dimension::default() }
}

fn pairs(dimension: &Dimension, series: &[Series], weeks: i32) -> Vec<(String, String)> {
    let found = find(Column::Dimension("country", dimension), series, &days(weeks));
    found.into_iter().map(|renamed| (renamed.from, renamed.to)).collect()
}

fn lines(dimension: &Dimension, series: Vec<Series>, weeks: i32) -> String {
    let compared =
        Compared::of(&Config::default(), Column::Dimension("country", dimension), series, &days(weeks));
    advice::of_column(&compared).unwrap()
}

#[test]
fn a_member_that_follows_another_is_renamed() {
    let fr = series("FR", 0, &[500.0; 8]);
    let old = series("AA", 0, &[100.0, 110.0, 95.0, 105.0]);
    let of = |new: Series| pairs(&dimension(), &[fr.clone(), old.clone(), new], 8);
    let renamed = [("AA".to_owned(), "AB".to_owned())];
    assert_eq!(of(series("AB", 4, &[98.0, 104.0, 101.0, 99.0])), renamed);
    // In the middle of a week, and with a week between.
    assert_eq!(of(series("AB", 3, &[40.0, 102.0, 104.0, 101.0, 99.0])), renamed);
    assert_eq!(of(series("AB", 5, &[98.0, 104.0, 101.0])), renamed);
    // Another volume, a gap of two weeks, users from the beginning, a week without users.
    let none: [(String, String); 0] = [];
    assert_eq!(of(series("AB", 4, &[300.0, 310.0, 290.0, 305.0])), none);
    assert_eq!(of(series("AB", 6, &[98.0, 104.0])), none);
    assert_eq!(of(series("AB", 0, &[1.0, 0.0, 0.0, 0.0, 98.0, 104.0, 101.0, 99.0])), none);
    assert_eq!(of(series("AB", 4, &[98.0, 0.0, 101.0, 99.0])), none);
}

#[test]
fn few_users_are_missing_by_chance() {
    let old = series("AA", 0, &[3.0, 2.0, 4.0, 3.0]);
    let new = series("AB", 4, &[3.0, 2.0, 3.0, 4.0]);
    assert!(pairs(&dimension(), &[old, new], 8).is_empty());
}

#[test]
fn a_last_week_of_two_days_is_compared_by_its_days() {
    let mut days = days(8);
    days.insert(7, 2);
    let series = [series("FR", 0, &[50.0; 8]), series("AA", 0, &[700.0; 7]), series("AB", 7, &[200.0])];
    let found = find(Column::Dimension("region", &Dimension::default()), &series, &days);
    assert_eq!((found.len(), found.first().unwrap().since), (1, Some(7)));
}

#[test]
fn a_name_that_begins_while_the_other_still_has_users_is_no_new_name() {
    let old = series("AA", 0, &[100.0; 8]);
    let new = series("AB", 7, &[5.0]);
    assert!(pairs(&dimension(), &[old, new], 8).is_empty());
}

#[test]
fn of_several_new_names_only_one_with_the_same_first_word_is_taken() {
    let old = series("shop_eu", 0, &[100.0; 4]);
    let new = |name| series(name, 4, &[100.0; 4]);
    assert!(pairs(&dimension(), &[old.clone(), new("news"), new("games")], 8).is_empty());
    let renamed = [("shop_eu".to_owned(), "shop-europe".to_owned())];
    assert_eq!(pairs(&dimension(), &[old, new("news"), new("shop-europe")], 8), renamed);
}

#[test]
fn names_that_come_and_go_are_not_compared() {
    let campaigns: Vec<Series> =
        (0..10).map(|at| series(&format!("c{at}"), at * 2, &[100.0, 100.0])).collect();
    assert!(pairs(&dimension(), &campaigns, 20).is_empty());
}

#[test]
fn names_that_differ_by_case_are_put_in_one() {
    let names = |names: &[&str]| names.iter().map(|name| series(name, 0, &[10.0])).collect::<Vec<_>>();
    let of = |all: &[&str]| lines(&dimension(), names(all), 1);
    assert_eq!(of(&["us", "US", "DE"]), "[dimensions.country] case = \"upper\"");
    assert_eq!(of(&["us", "US", "de", "DE"]), "[dimensions.country] case = \"upper\"");
    assert_eq!(of(&["iOS", "ios", "android"]), "[dimensions.country] case = \"lower\"");
    // Other members would change.
    assert_eq!(of(&["turkey", "Turkey", "Spain"]), "[dimensions.country] rename = { turkey = \"Turkey\" }");
}

#[test]
fn known_names_of_a_country_are_joined_with_what_is_renamed_already() {
    let names = |names: &[&str]| names.iter().map(|name| series(name, 0, &[10.0])).collect::<Vec<_>>();
    let of = |all: &[&str]| lines(&dimension(), names(all), 1);
    assert_eq!(of(&["UK", "GB"]), "[dimensions.country] rename = { UK = \"GB\" }");
    assert_eq!(of(&["EL", "GR"]), "[dimensions.country] rename = { EL = \"GR\" }");
    assert_eq!(of(&["Côte d'Ivoire", "Ivory Coast", "France"]).matches(" = ").count(), 2);
    // The names of `rename` are those after `case`.
    let both = "[dimensions.country] case = \"upper\", rename = { UK = \"GB\" }";
    assert_eq!(of(&["uk", "GB", "de", "DE"]), both);
    let mut has = dimension();
    has.rename.insert("EL".into(), "GR".into());
    let all = "[dimensions.country] rename = { EL = \"GR\", UK = \"GB\" }";
    assert_eq!(lines(&has, names(&["UK", "GB", "GR"]), 1), all);
    // Only countries have such names.
    let found = find(Column::Dimension("app", &Dimension::default()), &names(&["uk", "gb"]), &days(1));
    assert!(found.is_empty());
}

#[test]
fn the_later_of_two_names_stays() {
    let old = series("Turkey", 0, &[900.0; 4]);
    let new = series("Türkiye", 4, &[100.0; 4]);
    let line = lines(&Dimension::default(), vec![old.clone(), new.clone()], 8);
    assert_eq!(line, "[dimensions.country] rename = { Turkey = \"Türkiye\" }");
    let of = Compared::of(
        &Config::default(),
        Column::Dimension("country", &Dimension::default()),
        vec![old, new],
        &days(8),
    )
    .renamed;
    assert_eq!(of.first().unwrap().since, Some(4));
}

#[test]
fn a_renamed_channel_tells_its_classes() {
    let of = |channel: &str, series: Vec<Series>, allow: &str| {
        let profile = Profile::parse(
            &format!("[time]\ndate = 'd'\n[users]\nrows = true\n[channel]\ncolumn = 'c'\n{channel}"),
            "x",
        );
        let channel = profile.unwrap().channel;
        let config = Config::parse(allow, "x").unwrap();
        let compared = Compared::of(&config, Column::Channel(&channel, false), series, &days(12));
        let finding = measure(&[compared], None).unwrap();
        finding.offenders.first().map(|offender| offender.value.clone()).unwrap_or_default()
    };
    let networks = || {
        vec![
            series("Organic", 0, &[600.0; 12]),
            series("facebook", 0, &[400.0; 8]),
            series("restricted", 8, &[400.0; 4]),
        ]
    };
    let text = of("organic = ['Organic']", networks(), "");
    assert!(text.contains("channel 'facebook' is renamed 'restricted' in 1970-W09"), "{text}");
    assert!(text.contains("400 users a week before, 400 after; both are paid"), "{text}");
    assert!(text.contains("excluded = [\"restricted\"]"), "{text}");
    assert_eq!(of("organic = ['Organic']", networks(), "[allow]\nchannels = ['facebook', 'restricted']"), "");
    // A paid channel becomes organic, since it is in no list.
    let text = of("paid = ['facebook']", networks(), "[allow]\nchannels = ['facebook', 'restricted']");
    assert!(text.contains("the first is paid, the second organic"), "{text}");
    assert!(text.contains("add paid = [\"facebook\", \"restricted\"] under [channel]"), "{text}");
    assert_eq!(of("paid = ['facebook', 'restricted']", networks(), ""), "");
    let cased = || vec![series("Organic", 0, &[60.0; 6]), series("organic", 6, &[60.0; 6])];
    let text = of("organic = ['Organic']", cased(), "");
    assert!(
        text.contains("the first is organic, the second paid; add ignore_case = true under [channel]"),
        "{text}"
    );
    assert_eq!(of("organic = ['Organic']\nignore_case = true", cased(), ""), "");
}

#[test]
fn without_weeks_only_names_are_compared() {
    let dimension = dimension();
    let of = |names: &[&str]| {
        let series = names.iter().map(|name| Series::new(*name)).collect();
        let column = Column::Dimension("country", &dimension);
        measure(&[Compared::of(&Config::default(), column, series, &BTreeMap::new())], Some("too many"))
    };
    assert_eq!(of(&["GB", "FR"]), Err(NotRun::NotApplicable("too many".into())));
    assert_eq!(of(&["GB", "UK"]).unwrap().observed, 1.0);
}
