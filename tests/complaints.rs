//! What others complained about in public, as small inputs with the right outcome: F1 to F31.
//!
//! Each complaint about another tool is an export that somebody has. [`COMPLAINTS`] says where each is tested.
//! Names are those of the tests: here by the number of the complaint, or the cases of `tests/field`.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_possible_wrap)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use parquet::basic::{LogicalType, TimeUnit};
use rollshare::internals::calendar::{self, Date};
use serde_json::Value;

#[allow(unused_imports)] // the writer needs its rows
mod oracle;
mod writer;

use writer::Shape;
use writer::columns::{self, Column, Data};

/// Where a complaint is tested.
enum Home {
    /// In the functions of this file whose names begin with its number.
    Here,
    /// As cases of `tests/field`.
    Field(&'static [&'static str]),
    /// In a function of another file.
    Elsewhere(&'static str, &'static str),
}

use Home::{Elsewhere, Field, Here};

const MEMBERS: &str = "complaints_members.rs";
const DRIFT: &str = "../src/checks/drift/tests.rs";

const COMPLAINTS: &[(u8, &str, Home)] = &[
    (1, "the country is null in every row", Here),
    (1, "the same, from a fact table", Field(&["all_countries_null"])),
    (2, "a media source becomes `restricted`", Elsewhere(MEMBERS, "fn f2_")),
    (3, "the organic stream loads some days only", Here),
    (
        4,
        "weeks that are complete two days later",
        Elsewhere(DRIFT, "fn a_week_that_had_not_settled_may_be_restated"),
    ),
    (5, "Namibia, whose code is NA", Field(&["csv_and_null"])),
    (6, "the calendar year with the ISO week number", Here),
    (7, "week 53 of a year that has 52", Here),
    (7, "the same, without checks", Field(&["label_week_53_of_52"])),
    (8, "early January as week 52 of the new year", Here),
    (9, "the year of the week in dates", Here),
    (10, "weeks from Sunday to Saturday", Field(&["weeks_from_sunday"])),
    (11, "days that are loaded twice", Elsewhere(MEMBERS, "fn f11_")),
    (12, "files that are no part of a Delta table any more", Field(&["delta_folder"])),
    (13, "delete files of an Iceberg table", Field(&["iceberg_folder"])),
    (14, "null partitions", Elsewhere("../src/storage/hive.rs", "fn null_and_escapes")),
    (15, "a file and its path differ", Elsewhere("profiles.rs", "fn a_partition_that_contradicts_the_file")),
    (16, "a country under two names", Elsewhere(MEMBERS, "fn f16_")),
    (17, "UK beside GB", Elsewhere(MEMBERS, "fn f17_")),
    (18, "countries that differ by case", Elsewhere(MEMBERS, "fn f18_")),
    (19, "paid is a list, null and the empty name are organic", Field(&["paid_is_a_list"])),
    (20, "several organic names, and one in neither sum", Field(&["several_organic_ignore_case"])),
    (21, "local midnights stored in UTC", Here),
    (21, "the same, with the zone named", Field(&["events_zone_summer_time", "events_text_offsets"])),
    (22, "decimals of warehouses", Field(&["snowflake_unload"])),
    (22, "decimals in byte arrays of any length", Elsewhere("writer/mod.rs", "DecimalBytes")),
    (23, "deleted rows", Elsewhere(MEMBERS, "fn f23_")),
    (24, "totals that are null", Field(&["cube_nulls"])),
    (25, "one day, and no rows", Here),
    (25, "no rows, without checks", Field(&["zero_rows"])),
    (26, "users without a country", Here),
    (27, "one user installs twice", Elsewhere(MEMBERS, "fn f27_")),
    (28, "a country in two weeks of nine", Here),
    (29, "a ratio of sums, not a mean of ratios", Here),
    (30, "a payday each month", Elsewhere(DRIFT, "fn a_payday_neither_blocks_nor_warns_each_month")),
    (31, "two generations of a sync", Elsewhere(MEMBERS, "fn f31_")),
];

#[test]
fn every_complaint_is_tested_where_the_list_says() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let text = |path: &str| std::fs::read_to_string(tests.join(path)).unwrap();
    let (this, manifest) = (text("complaints.rs"), text("field/manifest.json"));
    assert!(COMPLAINTS.is_sorted_by_key(|(number, ..)| *number));
    assert!((1..=31).all(|number| COMPLAINTS.iter().any(|(listed, ..)| *listed == number)));
    for (number, what, home) in COMPLAINTS {
        match home {
            Here => assert!(this.contains(&format!("\nfn f{number}_")), "F{number}: {what}"),
            Field(cases) => {
                for case in *cases {
                    assert!(manifest.contains(&format!("\"{case}\"")), "F{number}: {what}");
                }
            }
            Elsewhere(path, name) => assert!(text(path).contains(name), "F{number}: {what}"),
        }
    }
}

const DAY: i64 = 86_400_000_000;

/// A row of an export.
#[derive(Clone)]
struct Row {
    /// Microseconds since 1970-01-01T00:00.
    at: i64,
    label: String,
    country: Option<&'static str>,
    os: &'static str,
    network: Option<&'static str>,
    users: i64,
}

fn day(year: i32, month: u8, day: u8) -> i32 {
    calendar::day_of(Date { year, month, day })
}

fn row(day: i32, country: &'static str, network: &'static str, users: i64) -> Row {
    let label = calendar::week_label(calendar::week_of(day));
    let (at, country, network) = (i64::from(day) * DAY, Some(country), Some(network));
    Row { at, label, country, os: "all", network, users }
}

/// Organic and paid users of two countries on every day.
fn rows(days: std::ops::Range<i32>) -> Vec<Row> {
    let of_day = |day: i32| {
        ["GB", "FR"].into_iter().flat_map(move |country| {
            let users = i64::from(day % 9) + if country == "GB" { 200 } else { 60 };
            [row(day, country, "Organic", users), row(day, country, "Facebook", users / 2)]
        })
    };
    days.flat_map(of_day).collect()
}

/// How times are stored.
#[derive(Clone, Copy, PartialEq)]
enum Times {
    Dates,
    Instants,
    WallClock,
    Text,
}

/// A profile without labels and totals.
const FACTS: &str = "[time]\ndate = 'start_date'\n[users]\ncolumn = 'value'\n[channel]\ncolumn = 'name'\n\
                     organic = ['Organic']\n[dimensions.country]\nmembers = 'iso-3166-1'\n";

/// A folder with an export and a profile.
struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new(rows: &[Row], times: Times) -> Self {
        let world = World { dir: tempfile::tempdir().unwrap() };
        world.write(rows, times);
        std::fs::write(world.at("facts.toml"), FACTS).unwrap();
        let labels = FACTS.replace("[time]", "[time]\nlabel = 'year_week'");
        std::fs::write(world.at("labels.toml"), labels).unwrap();
        world
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes the export anew.
    fn write(&self, rows: &[Row], times: Times) {
        let text = |of: &dyn Fn(&Row) -> Option<String>| Data::Text(rows.iter().map(of).collect());
        let stamps = |utc| {
            let logical = LogicalType::timestamp(utc, TimeUnit::MICROS);
            Data::Int64(rows.iter().map(|row| Some(row.at)).collect(), Some(logical))
        };
        let date = match times {
            Times::Dates => {
                let days = rows.iter().map(|row| Some(row.at.div_euclid(DAY) as i32)).collect();
                Data::Int32(days, Some(LogicalType::Date))
            }
            Times::Instants => stamps(true),
            Times::WallClock => stamps(false),
            Times::Text => text(&|row| {
                let date = calendar::date_of(row.at.div_euclid(DAY) as i32);
                let hour = row.at.rem_euclid(DAY) / 3_600_000_000;
                Some(format!("{:04}-{:02}-{:02}T{hour:02}:00:00Z", date.year, date.month, date.day))
            }),
        };
        let columns = [
            Column { name: "start_date", data: date },
            Column { name: "year_week", data: text(&|row| Some(row.label.clone())) },
            Column { name: "country", data: text(&|row| row.country.map(str::to_owned)) },
            Column { name: "os_name", data: text(&|row| Some(row.os.to_owned())) },
            Column { name: "name", data: text(&|row| row.network.map(str::to_owned)) },
            Column {
                name: "value",
                data: Data::Int64(rows.iter().map(|row| Some(row.users)).collect(), None),
            },
        ];
        std::fs::write(self.at("export.parquet"), columns::write(&columns, rows.len(), &Shape::default()))
            .unwrap();
    }

    fn command(&self, command: &str, arguments: &[&str]) -> Output {
        let mut process = Command::new(env!("CARGO_BIN_EXE_rollshare"));
        process.env_remove("ROLLSHARE_THREADS").stdin(Stdio::null()).current_dir(self.dir.path());
        process.args([command, "--source", "export.parquet"]).args(arguments).output().unwrap()
    }

    /// The results of the checks, today being that day.
    fn check(&self, today: i32, arguments: &[&str]) -> Checks {
        let date = calendar::date_of(today);
        let as_of = format!("as_of = '{:04}-{:02}-{:02}'\n", date.year, date.month, date.day);
        std::fs::write(self.at("checks.toml"), as_of).unwrap();
        let output = self.command("check", &[&["--json", "--checks", "checks.toml"], arguments].concat());
        let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"));
        Checks { json, exit: output.status.code().unwrap() }
    }

    /// The rows of the table by column, after a run without checks.
    fn table(&self, arguments: &[&str]) -> Vec<BTreeMap<String, String>> {
        let output = self.command("run", &[&["--target", "-", "--no-checks"], arguments].concat());
        assert!(output.status.success(), "{output:?}");
        let mut reader = csv::Reader::from_reader(&output.stdout[..]);
        reader.deserialize().map(Result::unwrap).collect()
    }
}

/// Results of checks.
#[derive(Debug)]
struct Checks {
    json: Value,
    exit: i32,
}

impl Checks {
    /// The worst result of a check.
    fn get(&self, id: &str) -> &Value {
        let mut all = self.json["checks"].as_array().unwrap().iter().filter(|check| check["check"] == id);
        let first = all.clone().next().unwrap_or_else(|| panic!("no {id}"));
        all.find(|check| check["status"] == "fail").unwrap_or(first)
    }

    fn status(&self, id: &str) -> &str {
        self.get(id)["status"].as_str().unwrap()
    }

    fn note(&self, id: &str) -> &str {
        self.get(id)["note"].as_str().unwrap()
    }

    /// The result of the check of nulls that found some.
    fn nulls(&self) -> &Value {
        let mut all = self.json["checks"].as_array().unwrap().iter();
        all.find(|check| check["check"] == "key_nulls" && check["observed"] != 0.0).unwrap()
    }

    fn first(&self, id: &str) -> &str {
        self.get(id)["offenders"][0]["value"].as_str().unwrap_or_default()
    }
}

/// The arguments for the default profile, a fact table, and one with labels.
const CUBE: &[&str] = &[];
const AS_FACTS: &[&str] = &["--profile", "facts.toml"];
const WITH_LABELS: &[&str] = &["--profile", "labels.toml"];

#[test]
fn f1_countries_that_are_all_null_are_no_empty_table() {
    let mut rows = rows(day(2024, 3, 4)..day(2024, 4, 1));
    rows.iter_mut().for_each(|row| row.country = None);
    let world = World::new(&rows, Times::Dates);
    for profile in [CUBE, AS_FACTS, WITH_LABELS] {
        for checks in [&["--no-checks"][..], &["--warn-only"], &[]] {
            let output = world.command("run", &[profile, checks, &["--target", "out.csv"]].concat());
            assert!(!output.status.success(), "{profile:?} {checks:?}: {output:?}");
            assert!(!world.at("out.csv").exists());
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(text.contains("country"), "{profile:?} {checks:?}: {text}");
        }
    }
}

#[test]
fn f3_organic_users_on_three_days_of_a_week() {
    let (first, last) = (day(2024, 1, 1), day(2024, 2, 26));
    let gone = [day(2024, 1, 23), day(2024, 1, 25), day(2024, 1, 26), day(2024, 1, 28)];
    let export = |is_gone: &dyn Fn(&Row) -> bool| {
        let is_organic = |row: &Row| row.country == Some("GB") && row.network == Some("Organic");
        let all = rows(first..last).into_iter();
        World::new(&all.filter(|row| !(is_organic(row) && is_gone(row))).collect::<Vec<_>>(), Times::Dates)
    };
    let days = |row: &Row| gone.contains(&(row.at.div_euclid(DAY) as i32));
    let stopped = |row: &Row| row.at.div_euclid(DAY) as i32 >= last - 14;
    for profile in [CUBE, AS_FACTS] {
        let found = export(&|_| false).check(last, profile);
        assert_eq!(found.status("class_day_gaps"), "pass", "{found:?}");
        // The country has rows on these days: those of paid users.
        let found = export(&days).check(last, profile);
        assert_eq!(found.status("country_day_gaps"), "pass", "{found:?}");
        assert_eq!((found.status("class_day_gaps"), found.exit), ("warn", 0), "{found:?}");
        assert_eq!(found.get("class_day_gaps")["observed"], 4.0);
        let text = found.first("class_day_gaps");
        let wanted =
            "GB: no organic users on 2024-01-23, 2024-01-25 to 2024-01-26, 2024-01-28 (4 days), about 20";
        assert!(text.starts_with(wanted), "{text}");
        // In the last four weeks it blocks.
        let found = export(&stopped).check(last, profile);
        assert_eq!((found.status("class_day_gaps"), found.exit), ("fail", 4), "{found:?}");
    }
}

/// The same rows, with other labels on some days.
fn relabelled(days: std::ops::Range<i32>, of: impl Fn(i32) -> Option<String>) -> World {
    let mut rows = rows(days);
    for row in &mut rows {
        row.label = of(row.at.div_euclid(DAY) as i32).unwrap_or_else(|| row.label.clone());
    }
    World::new(&rows, Times::Dates)
}

#[test]
fn f6_the_calendar_year_with_the_iso_week_is_named() {
    let world = relabelled(day(2021, 12, 1)..day(2022, 1, 20), |at| {
        (at == day(2022, 1, 1) || at == day(2022, 1, 2)).then(|| "2022_52".to_owned())
    });
    for profile in [CUBE, WITH_LABELS] {
        let found = world.check(day(2022, 1, 20), profile);
        assert_eq!((found.status("label_date"), found.exit), ("fail", 4), "{found:?}");
        let note = found.note("label_date");
        assert!(note.starts_with("the calendar year with the ISO week number (as yearweek"), "{note}");
        assert!(
            note.contains("8 rows of 2 days, all in January. 2022-01-01 is in 2021_52, not 2022_52"),
            "{note}"
        );
    }
}

#[test]
fn f7_week_53_of_52_is_named_with_what_it_should_be() {
    let world = relabelled(day(2024, 12, 1)..day(2025, 1, 20), |at| {
        (at == day(2024, 12, 30) || at == day(2024, 12, 31)).then(|| "2024_53".to_owned())
    });
    for profile in [CUBE, WITH_LABELS] {
        let found = world.check(day(2025, 1, 20), profile);
        let check = found.get("label_week");
        assert_eq!((found.status("label_week"), found.exit), ("fail", 4), "{found:?}");
        assert_eq!(found.first("label_week"), "'2024_53' on 2024-12-30, which is in 2025_01");
        assert!(check["offenders"][0]["file"].as_str().unwrap().contains("export.parquet"));
        assert_eq!((&check["offenders"][0]["row"], &check["observed"]), (&116.into(), &8.0.into()));
        assert!(found.note("label_week").contains("8 rows of 2 days, all in December"), "{found:?}");
        // Without checks it is an error, with the same label.
        let output = world.command("run", &[profile, &["--no-checks", "--target", "-"]].concat());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{text}");
        for word in ["export.parquet", "row 116", "2024_53", "2025_01"] {
            assert!(text.contains(word), "no {word}: {text}");
        }
    }
}

#[test]
fn f8_early_january_as_week_52_of_the_new_year() {
    let new_year = day(2025, 1, 1)..day(2025, 1, 6);
    let world = relabelled(day(2024, 12, 1)..day(2025, 1, 20), |at| {
        new_year.contains(&at).then(|| "2025_52".to_owned())
    });
    for profile in [CUBE, WITH_LABELS] {
        let found = world.check(day(2025, 1, 20), profile);
        assert_eq!((found.status("label_date"), found.exit), ("fail", 4), "{found:?}");
        let note = found.note("label_date");
        assert!(
            note.contains("20 rows of 5 days, all in January. 2025-01-01 is in 2025_01, not 2025_52"),
            "{note}"
        );
        assert!(note.contains("%G and %V"), "{note}");
    }
}

#[test]
fn f9_the_year_of_the_week_in_dates_is_named() {
    let mut rows = rows(day(2024, 12, 1)..day(2025, 1, 3));
    for row in &mut rows {
        let at = row.at.div_euclid(DAY) as i32;
        row.at += if (day(2024, 12, 29)..day(2025, 1, 1)).contains(&at) { 365 * DAY } else { 0 };
    }
    let world = World::new(&rows, Times::Dates);
    for profile in [&["--grain", "day"][..], CUBE, AS_FACTS, &["--profile", "facts.toml", "--grain", "day"]] {
        let found = world.check(day(2025, 1, 3), profile);
        assert_eq!((found.status("future_days"), found.exit), ("fail", 4), "{profile:?} {found:?}");
        assert_eq!(found.get("future_days")["observed"], 3.0);
        assert_eq!(found.first("future_days"), "2025-12-29 to 2025-12-31");
        let note = found.note("future_days");
        assert!(note.starts_with("12 rows of 3 days after 2025-01-03") && note.contains("`YYYY`"), "{note}");
        // The days that are gone are named too, and the last day is not taken for fresh.
        assert!(found.note("day_gaps").contains("written with `YYYY`"), "{found:?}");
        assert!(found.note("freshness").contains("not in the future is 2025-01-02"), "{found:?}");
    }
    // A year later these days are past, and the export is as old as its last day was then.
    let found = world.check(day(2025, 3, 1), AS_FACTS);
    assert_eq!(
        (found.status("freshness"), found.get("freshness")["observed"].as_f64()),
        ("warn", Some(58.0))
    );
    // A run is blocked, and nothing is published.
    let output = world.command("run", &["--target", "out.csv", "--checks", "checks.toml"]);
    assert_eq!((output.status.code(), world.at("out.csv").exists()), (Some(4), false), "{output:?}");
}

#[test]
fn f21_local_midnights_in_utc_are_a_day_early() {
    // Midnights of Rome in winter: 23:00 UTC of the day before.
    let mut rows = rows(day(2022, 1, 3)..day(2022, 1, 31));
    rows.iter_mut().for_each(|row| row.at -= DAY / 24);
    for times in [Times::Instants, Times::WallClock, Times::Text] {
        let world = World::new(&rows, times);
        for profile in [CUBE, AS_FACTS, WITH_LABELS, &["--profile", "facts.toml", "--grain", "day"]] {
            let found = world.check(day(2022, 1, 31), profile);
            assert_eq!((found.status("local_midnights"), found.exit), ("fail", 4), "{profile:?} {found:?}");
            assert_eq!(found.get("local_midnights")["observed"], 28.0);
            let note = found.note("local_midnights");
            assert!(note.starts_with("every time is 23:00 UTC, midnight in Europe/Berlin"), "{note}");
            assert_eq!(note.contains("--zone Europe/Berlin"), times != Times::WallClock, "{note}");
            assert_eq!(found.first("local_midnights"), "2022-01-02 23:00 UTC is 2022-01-03 in Europe/Berlin");
        }
    }
    // The line that is offered: the days are right.
    let world = World::new(&rows, Times::Instants);
    let zone = ["--profile", "facts.toml", "--zone", "Europe/Rome", "--grain", "day", "--window", "1"];
    let found = world.check(day(2022, 1, 31), &zone);
    assert_eq!(found.status("local_midnights"), "not_run", "{found:?}");
    assert_eq!(found.exit, 0, "{found:?}");
    assert_eq!(world.table(&zone)[0]["date"], "2022-01-03");
    // One instant is not silently a day early either.
    let one = World::new(&rows[..1], Times::Instants).check(day(2022, 1, 4), AS_FACTS);
    assert_eq!(one.status("local_midnights"), "warn", "{one:?}");
    // Midnights of New York are on the right day.
    rows.iter_mut().for_each(|row| row.at += DAY / 4);
    let found = World::new(&rows, Times::Instants).check(day(2022, 1, 31), AS_FACTS);
    assert_eq!(found.status("local_midnights"), "pass", "{found:?}");
}

#[test]
fn f25_one_day_and_no_rows() {
    let at = day(2024, 3, 6);
    let world = World::new(&rows(at..at + 1), Times::Dates);
    for profile in [CUBE, AS_FACTS, &["--grain", "day"], &["--profile", "facts.toml", "--grain", "day"]] {
        let table = world.table(profile);
        assert_eq!(table.iter().map(|row| row["country"].as_str()).collect::<Vec<_>>(), ["FR", "GB"]);
        assert_eq!(world.check(at + 1, profile).exit, 0);
        // No rows over a target that has some.
        let target = ["--target", "out.csv", "--checks", "checks.toml"];
        assert!(world.command("run", &[profile, &target].concat()).status.success());
        let published = std::fs::read(world.at("out.csv")).unwrap();
        world.write(&[], Times::Dates);
        for checks in [&["--checks", "checks.toml"][..], &["--no-checks"]] {
            let output = world.command("run", &[profile, &["--target", "out.csv"], checks].concat());
            assert!(!output.status.success(), "{profile:?} {checks:?} {output:?}");
            assert_eq!(std::fs::read(world.at("out.csv")).unwrap(), published);
        }
        world.write(&rows(at..at + 1), Times::Dates);
    }
}

#[test]
fn f26_users_without_a_country_block_past_five_per_cent() {
    let days = day(2024, 3, 4)..day(2024, 4, 1);
    // Three rows a day without a country; their users are few, or more than a twentieth of all.
    let world = |users: i64| {
        let nulls = days.clone().flat_map(|day| {
            ["Organic", "Facebook", "Google"]
                .map(|network| Row { country: None, ..row(day, "", network, users) })
        });
        World::new(&rows(days.clone()).into_iter().chain(nulls).collect::<Vec<_>>(), Times::Dates)
    };
    // What counts is the part of the users: these rows are three of seven.
    for (users, status, exit, part) in [(1, "warn", 0, "0."), (5, "warn", 0, "3."), (400, "fail", 4, "7")] {
        let found = world(users).check(days.end, AS_FACTS);
        let of_country = found.nulls();
        assert_eq!((of_country["status"].as_str(), found.exit), (Some(status), exit), "{found:?}");
        let note = of_country["note"].as_str().unwrap();
        assert!(note.starts_with(part) && note.contains("% of the users have no country"), "{note}");
        assert!(note.contains("null = \"unknown\" in [dimensions.country]"), "{note}");
    }
    // Every hundredth row: a warning, for a cube too.
    for profile in [CUBE, AS_FACTS] {
        for (every, status, exit) in [(100, "warn", 0), (10, "fail", 4)] {
            let mut rows = rows(days.clone());
            rows.iter_mut().step_by(every).for_each(|row| row.country = None);
            let found = World::new(&rows, Times::Dates).check(days.end, profile);
            let worst = found.nulls();
            assert_eq!((worst["status"].as_str(), found.exit), (Some(status), exit), "{profile:?} {found:?}");
            assert!(worst["note"].as_str().unwrap().contains("null = \"unknown\""), "{worst}");
        }
    }
    // The file that `--init` prints has the same rules.
    let few = world(5);
    let init = few.command("check", &[AS_FACTS, &["--init"]].concat());
    std::fs::write(few.at("init.toml"), &init.stdout).unwrap();
    let output = few.command("check", &[AS_FACTS, &["--checks", "init.toml"]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    // The line that is offered keeps the users.
    let world = world(40);
    let kept = FACTS.replace("iso-3166-1'", "iso-3166-1'\nnull = 'unknown'");
    std::fs::write(world.at("facts.toml"), kept).unwrap();
    let found = world.check(days.end, AS_FACTS);
    assert_eq!((found.status("key_nulls"), found.exit), ("pass", 0), "{found:?}");
    assert_eq!(world.table(AS_FACTS).iter().filter(|row| row["country"] == "unknown").count(), 4);
}

#[test]
fn f28_a_country_in_two_weeks_of_nine_has_a_row_in_each_week() {
    let first = day(2024, 1, 1);
    let mut rows = rows(first..first + 63);
    rows.retain(|row| {
        let week = (row.at.div_euclid(DAY) as i32 - first) / 7;
        row.country == Some("GB") || week == 0 || week == 8
    });
    let world = World::new(&rows, Times::Dates);
    for profile in [CUBE, AS_FACTS] {
        let table = world.table(profile);
        let france: Vec<_> = table.iter().filter(|row| row["country"] == "FR").collect();
        let weeks: Vec<&str> = france.iter().map(|row| row["week"].as_str()).collect();
        assert_eq!(weeks, ["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
        // Windows of four weeks: without users from the fifth to the eighth week.
        let is_null: Vec<bool> = france.iter().map(|row| row["share_organic_p4w"].is_empty()).collect();
        assert_eq!(is_null, [false, false, false, false, true, true, true, true, false], "{france:?}");
    }
}

#[test]
fn f29_the_share_of_a_window_is_a_ratio_of_sums() {
    let first = day(2024, 1, 1);
    let mut rows = Vec::new();
    for (week, (organic, paid)) in [(1, 0), (1, 98), (0, 0), (5, 0)].into_iter().enumerate() {
        let day = first + 7 * week as i32;
        rows.extend([row(day, "GB", "Organic", organic), row(day, "GB", "Facebook", paid)]);
    }
    let world = World::new(&rows, Times::Dates);
    for profile in [CUBE, AS_FACTS] {
        let table = world.table(&[profile, &["--window", "4"]].concat());
        let share: f64 = table.last().unwrap()["share_organic_p4w"].parse().unwrap();
        assert!((share - 7.0 / 105.0).abs() < 1e-12, "{table:?}");
    }
}
