//! Public complaints about exports, as small inputs: names that change, days that are loaded again, deleted rows. Each
//! is checked twice, as a cube by the default profile and as a fact table by a profile of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_possible_wrap)]

use std::sync::Arc;

use parquet::basic::{LogicalType, TimeUnit};
use rollshare::internals::calendar;
use rollshare::internals::checks::results::check_rows;
use rollshare::internals::checks::{CheckId, CheckResult, Config, Results, Status};
use rollshare::internals::storage::{Input, MemoryObject};
use rollshare::{Job, NoProgress, Profile, ScanOptions, finish, scan};

#[allow(unused_imports)] // this program uses a part of it
mod oracle;
mod writer;

use writer::Shape;
use writer::columns::{Column, Data, write};

/// 2024-01-01, a Monday.
const FIRST: i32 = 19_723;

const FACTS: &str = "
    [time]
    date = 'day'
    [users]
    column = 'installs'
    unique = true
    [channel]
    column = 'network'
    organic = ['Organic']
    [dimensions.country]
";

/// Users of a day, a country and a channel.
#[derive(Clone, Debug)]
struct Fact {
    day: i32,
    country: &'static str,
    channel: &'static str,
    users: i64,
}

fn fact(day: i32, country: &'static str, channel: &'static str, users: i64) -> Fact {
    Fact { day: FIRST + day, country, channel, users }
}

fn facts_job(profile: &str) -> Job {
    Job { profile: Profile::parse(profile, "test").unwrap(), ..Job::default() }.validated().unwrap()
}

fn file(name: &str, rows: usize, columns: &[Column]) -> Input {
    let object = MemoryObject::new(name, write(columns, rows, &Shape::default()));
    Input { object: Arc::new(object), partitions: vec![] }
}

fn text<'t>(values: impl IntoIterator<Item = &'t str>) -> Data {
    Data::Text(values.into_iter().map(|value| Some(value.to_owned())).collect())
}

fn column(name: &'static str, data: Data) -> Column {
    Column { name, data }
}

/// The rows as a cube has them; all of them are of the total over systems.
fn cube_file(name: &str, rows: &[Fact], more: &[Column]) -> Input {
    cube_of_system("all", name, rows, more)
}

fn cube_of_system(system: &str, name: &str, rows: &[Fact], more: &[Column]) -> Input {
    let label = |row: &Fact| Some(calendar::week_label(calendar::week_of(row.day)));
    let mut columns = vec![
        column(
            "start_date",
            Data::Int32(rows.iter().map(|row| Some(row.day)).collect(), Some(LogicalType::Date)),
        ),
        column("year_week", Data::Text(rows.iter().map(label).collect())),
        column("country", text(rows.iter().map(|row| row.country))),
        column("os_name", text(rows.iter().map(|_| system))),
        column("name", text(rows.iter().map(|row| row.channel))),
        column("value", Data::Int64(rows.iter().map(|row| Some(row.users)).collect(), None)),
    ];
    columns.extend(more.iter().cloned());
    file(name, rows.len(), &columns)
}

/// The rows as a fact table has them.
fn facts_file(name: &str, rows: &[Fact], more: &[Column]) -> Input {
    let mut columns = vec![
        column("day", Data::Int32(rows.iter().map(|row| Some(row.day)).collect(), Some(LogicalType::Date))),
        column("country", text(rows.iter().map(|row| row.country))),
        column("network", text(rows.iter().map(|row| row.channel))),
        column("installs", Data::Int64(rows.iter().map(|row| Some(row.users)).collect(), None)),
    ];
    columns.extend(more.iter().cloned());
    file(name, rows.len(), &columns)
}

fn check(job: &Job, inputs: &[Input]) -> Results {
    check_rows(job, &Config::default(), inputs, &NoProgress).unwrap().0
}

/// Files: their names, rows and further columns.
type Files<'f> = &'f [(&'f str, &'f [Fact], Vec<Column>)];

/// The results of the files as cubes, and as facts.
fn both(files: Files<'_>) -> [Results; 2] {
    let cubes: Vec<Input> = files.iter().map(|(name, rows, more)| cube_file(name, rows, more)).collect();
    let facts: Vec<Input> = files.iter().map(|(name, rows, more)| facts_file(name, rows, more)).collect();
    [check(&Job::default(), &cubes), check(&facts_job(FACTS), &facts)]
}

fn both_of(rows: &[Fact]) -> [Results; 2] {
    both(&[("export.parquet", rows, vec![])])
}

fn of(results: &Results, id: CheckId) -> &CheckResult {
    results.get(id).unwrap()
}

/// The only finding of renamed names.
fn renamed(results: &Results) -> String {
    let outcome = of(results, CheckId::MemberRenamed);
    assert_eq!((outcome.status, outcome.observed), (Status::Warn, Some(1.0)), "{outcome:#?}");
    outcome.offenders[0].value.clone()
}

/// Weeks of `users` a day, alike but for a little noise.
fn days(weeks: std::ops::Range<i32>, country: &'static str, channel: &'static str, users: i64) -> Vec<Fact> {
    let noise = |day: i32| i64::from(day * 7 % 5) - 2;
    (weeks.start * 7..weeks.end * 7).map(|day| fact(day, country, channel, users + noise(day))).collect()
}

fn organic_share(job: &Job, inputs: &[Input], country: &str) -> f64 {
    let (partial, _) = scan(job, inputs, &ScanOptions::default(), &NoProgress).unwrap();
    let table = finish(job, &partial.into_chosen()).unwrap();
    let mut csv = Vec::new();
    rollshare::internals::publish::csv::write(&table, &mut csv).unwrap();
    let text = String::from_utf8(csv).unwrap();
    let row = text.lines().rfind(|line| line.split(',').nth(2) == Some(country)).unwrap();
    row.rsplit(',').next().unwrap().parse().unwrap()
}

#[test]
fn f2_a_media_source_that_becomes_restricted_is_renamed() {
    let mut rows = days(0..10, "GB", "Organic", 60);
    rows.extend(days(0..8, "GB", "facebook", 40));
    rows.extend(days(8..10, "GB", "restricted", 40));
    // Also in its first week, of which there is a part.
    for rows in [rows.clone(), rows.into_iter().filter(|row| row.day < FIRST + 8 * 7 + 3).collect()] {
        for results in both_of(&rows) {
            let text = renamed(&results);
            assert!(text.contains("channel 'facebook' is renamed 'restricted' in 2024-W09"), "{text}");
            assert!(text.contains("both are paid, so that the share does not change"), "{text}");
            assert!(text.contains("excluded = [\"restricted\"] under [channel]"), "{text}");
        }
        // Left out of both sums, it is no new name of another channel.
        let profile = FACTS.replace("organic =", "excluded = ['restricted']\norganic =");
        let results = check(&facts_job(&profile), &[facts_file("export.parquet", &rows, &[])]);
        assert_eq!(of(&results, CheckId::MemberRenamed).status, Status::Pass);
    }
}

#[test]
fn f2_an_organic_channel_that_is_renamed_becomes_paid() {
    let mut rows = days(0..8, "GB", "Paid", 40);
    rows.extend(days(0..4, "GB", "Organic", 60));
    rows.extend(days(4..8, "GB", "Organic Search", 60));
    for results in both_of(&rows) {
        let text = renamed(&results);
        assert!(text.contains("the first is organic, the second paid"), "{text}");
        assert!(text.contains("add organic = [\"Organic\", \"Organic Search\"] under [channel]"), "{text}");
    }
}

#[test]
fn f16_turkey_becomes_tuerkiye() {
    let mut rows = days(0..8, "FR", "Organic", 50);
    rows.extend(days(0..4, "Turkey", "Organic", 20));
    rows.extend(days(4..8, "Türkiye", "Organic", 20));
    for results in both_of(&rows) {
        let text = renamed(&results);
        assert!(text.contains("country 'Turkey' is renamed 'Türkiye' in 2024-W05"), "{text}");
        assert!(text.contains("add rename = { Turkey = \"Türkiye\" } under [dimensions.country]"), "{text}");
    }
    // The default profile expects codes: the names are unknown, and the note says that they are one.
    let known = of(&both_of(&rows)[0], CheckId::CountryKnown).clone();
    assert_eq!(known.status, Status::Fail);
    assert!(known.note.contains("renamed, see member_renamed"), "{}", known.note);
    // So it is without total rows, where all systems are summed.
    let inputs = [cube_of_system("ios", "export.parquet", &rows, &[])];
    assert_eq!(renamed(&check(&Job::default(), &inputs)), renamed(&both_of(&rows)[0]));
    let raw = check_rows(&Job::default(), &Config::default(), &inputs, &NoProgress).unwrap().1;
    let users: i128 = raw.cube.unwrap().users.iter().flatten().sum();
    assert_eq!(users, rows.iter().map(|row| i128::from(row.users)).sum::<i128>());
    // With the line, there is one country.
    let job = facts_job(&format!("{FACTS}rename = {{ Turkey = 'Türkiye' }}"));
    let results = check(&job, &[facts_file("export.parquet", &rows, &[])]);
    assert_eq!(of(&results, CheckId::MemberRenamed).status, Status::Pass);
}

#[test]
fn f16_a_name_without_a_known_double_is_found_by_its_users() {
    let mut rows = days(0..9, "FR", "Organic", 50);
    rows.extend(days(0..4, "Region 7", "Organic", 20));
    // A week without either, and names that begin or end without a counterpart.
    rows.extend(days(5..9, "Sector G", "Organic", 21));
    rows.extend(days(3..9, "ES", "Organic", 80));
    rows.extend(days(0..6, "IT", "Organic", 300));
    for results in both_of(&rows) {
        let text = renamed(&results);
        assert!(text.contains("country 'Region 7' is renamed 'Sector G' in 2024-W06"), "{text}");
        assert!(text.contains("rename = { \"Region 7\" = \"Sector G\" }"), "{text}");
    }
}

#[test]
fn f17_uk_beside_gb_is_one_country() {
    let (adjust, appsflyer) = (days(0..6, "GB", "Organic", 30), days(0..6, "UK", "facebook", 12));
    for results in both(&[("adjust.parquet", &adjust, vec![]), ("appsflyer.parquet", &appsflyer, vec![])]) {
        let text = renamed(&results);
        assert!(text.contains("country 'UK' is renamed 'GB'"), "{text}");
        assert!(text.contains("add rename = { UK = \"GB\" } under [dimensions.country]"), "{text}");
    }
    let greek: Vec<Fact> = [days(0..6, "EL", "Organic", 30), days(0..6, "GR", "Paid", 12)].concat();
    for results in both_of(&greek) {
        assert!(renamed(&results).contains("rename = { EL = \"GR\" }"));
    }
}

#[test]
fn f18_countries_that_differ_by_case_are_one() {
    let mut rows = days(0..26, "us", "Organic", 30);
    rows.extend(days(26..30, "US", "Organic", 30));
    for results in both_of(&rows) {
        let text = renamed(&results);
        assert!(
            text.contains("country 'us' is renamed 'US' in 2024-W27: the names differ by case only"),
            "{text}"
        );
        assert!(text.contains("add case = \"upper\" under [dimensions.country]"), "{text}");
    }
}

#[test]
fn sound_names_are_not_renamed() {
    let mut rows = Vec::new();
    for (country, users) in [("GB", 300), ("FR", 250), ("DE", 200), ("US", 900), ("NA", 3), ("NL", 40)] {
        for channel in ["Organic", "facebook", "google"] {
            rows.extend(days(0..20, country, channel, users));
        }
    }
    // A campaign of six weeks, and a country with few users from time to time.
    rows.extend(days(5..11, "GB", "radio", 90));
    rows.extend(days(12..20, "GB", "tv", 20));
    rows.extend([3, 40, 90].map(|day| fact(day, "VA", "Organic", 1)));
    rows.extend([45, 95, 120].map(|day| fact(day, "SM", "Organic", 1)));
    for results in both_of(&rows) {
        let outcome = of(&results, CheckId::MemberRenamed);
        assert_eq!(outcome.status, Status::Pass, "{outcome:#?}");
    }
}

/// Columns that Airbyte adds: when the rows were extracted, in milliseconds, and the generation.
fn airbyte(rows: usize, extracted: i64, generation: i64) -> Vec<Column> {
    let time = LogicalType::timestamp(true, TimeUnit::MILLIS);
    let ids = (0..rows as i64).map(|row| Some(format!("{extracted}-{row}"))).collect();
    vec![
        column("_airbyte_raw_id", Data::Text(ids)),
        column("_airbyte_extracted_at", Data::Int64(vec![Some(extracted); rows], Some(time))),
        column("_airbyte_generation_id", Data::Int64(vec![Some(generation); rows], None)),
    ]
}

const MONDAY: i64 = 1_704_700_800_000;
const DAY: i64 = 86_400_000;

#[test]
fn f11_a_day_that_is_synced_again_with_the_same_values_is_found() {
    let rows = [fact(0, "GB", "Organic", 100), fact(0, "GB", "facebook", 20)];
    let files = [
        ("a.parquet", &rows[..], airbyte(2, MONDAY, 1)),
        ("b.parquet", &rows[..], airbyte(2, MONDAY + DAY, 1)),
    ];
    for results in both(&files) {
        let outcome = of(&results, CheckId::DuplicateRows);
        assert_eq!(
            (outcome.status, outcome.observed, outcome.n),
            (Status::Fail, Some(2.0), 4),
            "{outcome:#?}"
        );
        assert!(
            outcome.note.contains("the same keys and values in a.parquet and b.parquet"),
            "{}",
            outcome.note
        );
        assert!(
            outcome.note.contains("delete a.parquet, which is older by _airbyte_extracted_at"),
            "{}",
            outcome.note
        );
        let first = &outcome.offenders[0];
        assert_eq!((first.file.as_deref(), first.row), (Some("b.parquet"), Some(0)));
        assert!(first.value.contains("100 users, as in row 0 of a.parquet"), "{}", first.value);
    }
}

#[test]
fn f11_a_day_that_is_synced_again_with_other_values_is_found() {
    let old = [fact(0, "GB", "Organic", 100), fact(0, "GB", "facebook", 20)];
    let new = [fact(0, "GB", "Organic", 104), fact(1, "GB", "Organic", 90)];
    let files = [
        ("a.parquet", &old[..], airbyte(2, MONDAY, 1)),
        ("b.parquet", &new[..], airbyte(2, MONDAY + DAY, 1)),
    ];
    for results in both(&files) {
        let outcome = of(&results, CheckId::DuplicateRows);
        assert_eq!((outcome.status, outcome.observed), (Status::Fail, Some(1.0)), "{outcome:#?}");
        let says = "1 row: the same keys with other values in a.parquet and b.parquet: re-synced days; keep the newest";
        assert!(outcome.note.contains(says), "{}", outcome.note);
        assert!(outcome.note.contains("b.parquet is newer by _airbyte_extracted_at"), "{}", outcome.note);
        let first = &outcome.offenders[0].value;
        assert!(first.contains("104 users, 100 in row 0 of a.parquet"), "{first}");
    }
}

#[test]
fn f31_rows_of_two_generations_are_told_apart() {
    let old = [fact(0, "GB", "Organic", 100), fact(1, "GB", "Organic", 80)];
    let new = [fact(0, "GB", "Organic", 104), fact(1, "GB", "Organic", 80)];
    let files = [
        ("a.parquet", &old[..], airbyte(2, MONDAY, 1)),
        ("b.parquet", &new[..], airbyte(2, MONDAY + DAY, 2)),
    ];
    for results in both(&files) {
        let outcome = of(&results, CheckId::DuplicateRows);
        assert_eq!((outcome.status, outcome.observed), (Status::Fail, Some(2.0)), "{outcome:#?}");
        let says = "--where _airbyte_generation_id=2, or [[where]] column = \"_airbyte_generation_id\", in = [\"2\"]";
        assert!(outcome.note.contains(says), "{}", outcome.note);
    }
    // With the line, only the newest rows count.
    let condition = "[[where]]\ncolumn = '_airbyte_generation_id'\nin = ['2']";
    let job = facts_job(&format!("{FACTS}\n{condition}"));
    let inputs: Vec<Input> = files.iter().map(|(name, rows, more)| facts_file(name, rows, more)).collect();
    assert_eq!(of(&check(&job, &inputs), CheckId::DuplicateRows).status, Status::Pass);
}

#[test]
fn f11_other_measures_of_a_day_that_is_synced_again_may_differ() {
    let rows = [fact(0, "GB", "Organic", 100), fact(0, "GB", "facebook", 20)];
    let clicks = |first| vec![column("clicks", Data::Int64(vec![Some(first), Some(first + 3)], None))];
    let files = [("a.parquet", &rows[..], clicks(500)), ("b.parquet", &rows[..], clicks(510))];
    let facts: Vec<Input> = files.iter().map(|(name, rows, more)| facts_file(name, rows, more)).collect();
    let outcome = of(&check(&facts_job(FACTS), &facts), CheckId::DuplicateRows).clone();
    assert_eq!((outcome.status, outcome.observed), (Status::Fail, Some(2.0)), "{outcome:#?}");
    // Rows of one file that differ in a measure alone are rows of a finer table, from which a column was left out.
    let twice = [rows.as_slice(), &rows].concat();
    let measures = [500, 3, 510, 4].map(Some).to_vec();
    let fine = facts_file("export.parquet", &twice, &[column("clicks", Data::Int64(measures, None))]);
    assert_eq!(of(&check(&facts_job(FACTS), &[fine]), CheckId::DuplicateRows).status, Status::Pass);
}

/// Rows of a finer table: by campaign, which no profile names.
fn campaigns(names: &[&str]) -> Vec<Column> {
    vec![column("campaign", text(names.iter().copied()))]
}

#[test]
fn f11_rows_of_a_finer_export_are_not_the_same() {
    let rows = [fact(0, "GB", "facebook", 20), fact(0, "GB", "facebook", 20), fact(0, "GB", "Organic", 9)];
    for results in both(&[("export.parquet", &rows, campaigns(&["spring", "summer", "-"]))]) {
        let outcome = of(&results, CheckId::DuplicateRows);
        assert_eq!(
            (outcome.status, outcome.observed, outcome.n),
            (Status::Pass, Some(0.0), 3),
            "{outcome:#?}"
        );
    }
    // A row of it that is there twice is found.
    for results in both(&[("export.parquet", &rows, campaigns(&["spring", "spring", "-"]))]) {
        let outcome = of(&results, CheckId::DuplicateRows);
        assert_eq!((outcome.status, outcome.observed), (Status::Fail, Some(1.0)), "{outcome:#?}");
        assert!(outcome.note.contains("1 row there already in the same file"), "{}", outcome.note);
        assert_eq!(outcome.offenders[0].row, Some(1));
    }
}

const EVENTS: &str = "
    [time]
    date = 'install_time'
    [users]
    rows = true
    unique = true
    [channel]
    column = 'media_source'
    organic = ['organic']
    [dimensions.country]
";

/// A row an install, at these minutes.
fn events(name: &str, minutes: &[i64], more: Vec<Column>) -> Input {
    let time = LogicalType::timestamp(true, TimeUnit::MILLIS);
    let rows = minutes.len();
    let stamps = minutes.iter().map(|minute| Some(MONDAY + minute * 60_000)).collect();
    let mut columns = vec![
        column("install_time", Data::Int64(stamps, Some(time))),
        column("country", text(vec!["GB"; rows])),
        column("media_source", text(vec!["organic"; rows])),
    ];
    columns.extend(more);
    file(name, rows, &columns)
}

#[test]
fn f11_installs_that_are_synced_again_are_found() {
    let job = facts_job(EVENTS);
    let find = |a: &[i64], b: &[i64]| {
        let inputs = [
            events("a.parquet", a, airbyte(a.len(), MONDAY, 1)),
            events("b.parquet", b, airbyte(b.len(), MONDAY + DAY, 1)),
        ];
        of(&check(&job, &inputs), CheckId::DuplicateRows).clone()
    };
    let again = find(&[1, 2, 3, 4], &[3, 4, 5]);
    assert_eq!((again.status, again.observed), (Status::Fail, Some(2.0)), "{again:#?}");
    assert!(
        again.note.contains("2 rows: the same keys and values in a.parquet and b.parquet"),
        "{}",
        again.note
    );
    let others = find(&[1, 2, 3, 4], &[5, 6, 7]);
    assert_eq!((others.status, others.observed), (Status::Pass, Some(0.0)), "{others:#?}");
    // Where rows of one file are equal, equal rows are several users.
    assert_eq!(find(&[1, 1, 1, 2], &[1, 2, 2]).status, Status::NotRun);
    // So they are without the columns of a connector.
    let inputs = [events("a.parquet", &[1, 2], vec![]), events("b.parquet", &[1, 2], vec![])];
    assert_eq!(of(&check(&job, &inputs), CheckId::DuplicateRows).status, Status::NotRun);
}

#[test]
fn f23_deleted_rows_that_count_are_warned_about() {
    let rows: Vec<Fact> = (0..6).map(|day| fact(day, "GB", "Organic", 10)).collect();
    let flags = [Some(false), Some(true), None, Some(false), Some(true), None];
    let marked = || vec![column("_fivetran_deleted", Data::Bool(flags.to_vec()))];
    for results in both(&[("export.parquet", &rows, marked())]) {
        let outcome = of(&results, CheckId::DeletedRows);
        assert_eq!(
            (outcome.status, outcome.observed, outcome.n),
            (Status::Warn, Some(2.0), 6),
            "{outcome:#?}"
        );
        let says = "2 of 6 rows are marked deleted by _fivetran_deleted and count; leave them out: \
            --where '_fivetran_deleted!=true', or [[where]] column = \"_fivetran_deleted\", not_in = [\"true\"]";
        assert!(outcome.note.contains(says), "{}", outcome.note);
        let places: Vec<_> = outcome.offenders.iter().map(|offender| offender.row).collect();
        assert_eq!(places, [Some(1), Some(4)]);
    }
    // A condition uses the column.
    let job = facts_job(&format!("{FACTS}\n[[where]]\ncolumn = '_fivetran_deleted'\nnot_in = ['true']"));
    let results = check(&job, &[facts_file("export.parquet", &rows, &marked())]);
    assert_eq!(of(&results, CheckId::DeletedRows).status, Status::NotRun);
    assert!(
        of(&results, CheckId::DeletedRows).note.contains("a condition of the profile uses _fivetran_deleted")
    );
}

#[test]
fn f23_marks_are_text_too_and_only_rows_that_count_are_looked_at() {
    let rows: Vec<Fact> = (0..4).map(|day| fact(day, "GB", "Organic", 10)).collect();
    let marks = vec![
        column("IS_DELETED", text(["FALSE", "TRUE", "TRUE", ""])),
        column("kind", text(["install", "install", "open", "open"])),
    ];
    let job = facts_job(&format!("{FACTS}\n[[where]]\ncolumn = 'kind'\nin = ['install']"));
    let results = check(&job, &[facts_file("export.parquet", &rows, &marks)]);
    let outcome = of(&results, CheckId::DeletedRows);
    assert_eq!((outcome.status, outcome.observed, outcome.n), (Status::Warn, Some(1.0), 2), "{outcome:#?}");
    assert!(outcome.note.contains("not_in = [\"TRUE\"]"), "{}", outcome.note);
    // None is deleted.
    let marks = [column("deleted", Data::Bool(vec![Some(false), None, None, Some(false)]))];
    for results in both(&[("export.parquet", &rows, marks.to_vec())]) {
        assert_eq!(of(&results, CheckId::DeletedRows).status, Status::Pass);
    }
    for results in both_of(&rows) {
        assert_eq!(of(&results, CheckId::DeletedRows).status, Status::NotRun);
    }
}

#[test]
fn f27_two_installs_of_a_user_are_two_users() {
    // After the consent of App Tracking Transparency: the first install has no partner, the second one has.
    let time = LogicalType::timestamp(true, TimeUnit::MILLIS);
    let columns = [
        column("install_time", Data::Int64(vec![Some(MONDAY), Some(MONDAY + 2 * DAY)], Some(time))),
        column("country", text(["US", "US"])),
        column("media_source", Data::Text(vec![None, Some("Facebook".into())])),
        column("user", text(["7f3a", "7f3a"])),
    ];
    let job = facts_job(&EVENTS.replace("organic = ['organic']", "organic = ['organic']\nnull = 'organic'"));
    assert_eq!(organic_share(&job, &[file("installs.parquet", 2, &columns)], "US"), 0.5);
}
