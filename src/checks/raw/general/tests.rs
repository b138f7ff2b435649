//! Facts, events and cubes by several keys and grains: clean rows pass, and each fault is found by its check.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::cast_precision_loss)]

use std::collections::BTreeMap;

use super::super::tests::sample::{COUNTRIES, FIRST, LAYOUTS, Random, Row, cube, file, week_of};
use super::super::tests::splits::assert_same;
use super::super::whole;
use super::Subject;
use super::by_hash::MEMORY;
use super::columns::FileColumns;
use super::duplicates::{Found, Identity, Users};
use super::lanes::tasks;
use super::rows::{RowReader, Rows};
use crate::checks::config::Config;
use crate::checks::results::{Results, check_rows};
use crate::checks::settings::Checks;
use crate::checks::staging::check_table;
use crate::checks::{CheckId, CheckResult, Severity, Status, Verdict};
use crate::dataset::Dataset;
use crate::grid::Partial;
use crate::pipeline::{self, RunOptions, RunReport};
use crate::profile::{Profile, Question};
use crate::scan::{NoProgress, Options, scan};
use crate::storage::Input;
use crate::table::cell::iso_date;
use crate::table::{ColumnData, Table, finish};
use crate::{Grain, Job};

const FACTS: &str = "
    [time]
    date = 'start_date'
    [users]
    column = 'value'
    [channel]
    column = 'name'
    organic = ['Organic']
    [dimensions.country]
    members = 'iso-3166-1'
    [dimensions.os]
    column = 'os_name'
    members = ['android', 'ios']
";

fn job(profile: &str, by: &[&str]) -> Job {
    let by = by.iter().map(ToString::to_string).collect();
    Job { profile: Profile::parse(profile, "test").unwrap(), by, ..Job::default() }.validated().unwrap()
}

fn facts_and_totals(days: i32) -> Vec<Row> {
    cube(days, &COUNTRIES[..4], 5, &mut Random(7))
}

fn facts(days: i32) -> Vec<Row> {
    let mut rows = facts_and_totals(days);
    rows.retain(|row| row.country != Some("ALL") && row.system != Some("all"));
    rows
}

/// Checks on the day after the last day of the rows; `text` is added to the configuration.
fn config(days: i32, text: &str) -> Config {
    Config::parse(&format!("as_of = '{}'\n{text}", iso_date(FIRST + days)), "test").unwrap()
}

fn check_inputs(job: &Job, config: &Config, inputs: &[Input]) -> Results {
    let (mut results, raw) = check_rows(job, config, inputs, &NoProgress).unwrap();
    // Whatever a test plants, any split of the rows has the same outcomes.
    let rows: u64 = raw.general.as_ref().map_or(0, |counts| counts.rows);
    assert_same(job, config, inputs, &mut Random(rows), "a split of the rows");
    if let Ok((partial, _)) = scan(job, inputs, &Options::default(), &NoProgress) {
        let table = finish(job, &partial).unwrap();
        results.append(check_table(job, config, &partial, &table, &raw));
    }
    results
}

/// The results of the rows, which must be the same in every layout.
fn check(job: &Job, config: &Config, rows: &[Row]) -> Results {
    let of = |layout| check_inputs(job, config, &[file("x.parquet", rows, layout)]);
    let first = of(LAYOUTS[0]);
    for layout in &LAYOUTS[1..] {
        assert_eq!(first, of(*layout), "{layout:?}");
    }
    first
}

/// The checks that report anything but success, with what they observed.
fn reported(results: &Results) -> BTreeMap<CheckId, f64> {
    let odd = |o: &&CheckResult| matches!(o.status, Status::Warn | Status::Fail) || o.could_not_run;
    results.outcomes.iter().filter(odd).map(|o| (o.check, o.observed.unwrap_or(-1.0))).collect()
}

fn ran(results: &Results) -> Vec<CheckId> {
    results.outcomes.iter().filter(|o| o.status != Status::NotRun).map(|o| o.check).collect()
}

#[test]
fn clean_facts_pass_by_every_key_and_grain() {
    let rows = facts(30);
    for by in [&["country"][..], &["country", "os"], &["os"], &[]] {
        for grain in [Grain::Week, Grain::Day, Grain::Month] {
            for (share_of_channel, with_total) in [(false, false), (true, false), (false, true)] {
                let with_total =
                    if with_total { by.iter().map(ToString::to_string).collect() } else { vec![] };
                let job = Job { grain, share_of_channel, with_total, windows: vec![1, 4], ..job(FACTS, by) };
                let results = check_inputs(&job, &config(30, ""), &[file("x.parquet", &rows, LAYOUTS[0])]);
                assert_eq!(reported(&results), BTreeMap::new(), "{job:?} {results:#?}");
                assert_eq!(results.verdict(), Verdict::Pass);
                let ran = ran(&results);
                let some = [
                    CheckId::DuplicateRows,
                    CheckId::CountryKnown,
                    CheckId::SystemKnown,
                    CheckId::DayGaps,
                    CheckId::CountryDayGaps,
                    CheckId::TableKeys,
                    CheckId::TableComplete,
                    CheckId::ShareRange,
                    CheckId::Reconciliation,
                    CheckId::LastWeek,
                ];
                assert!(some.iter().all(|id| ran.contains(id)), "{ran:?}");
            }
        }
    }
}

#[test]
fn files_and_threads_do_not_change_the_results() {
    let mut rows = facts(30);
    rows[700].value = Some(-3.0);
    rows[20].country = Some("XX");
    let copy = rows[100].clone();
    rows.push(copy);
    let job = job(FACTS, &["country", "os"]);
    let one = check(&job, &config(30, ""), &rows);
    assert_eq!(one.get(CheckId::DuplicateRows).unwrap().offenders[0].row, Some(rows.len() as u64 - 1));
    let parts: Vec<Input> = rows
        .chunks(97)
        .enumerate()
        .map(|(at, rows)| file(&format!("{at}.parquet"), rows, LAYOUTS[1]))
        .collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let many = pool.install(|| check_inputs(&job, &config(30, ""), &parts));
    assert_eq!(reported(&one), reported(&many));
    let row = many.get(CheckId::ValueNegative).unwrap().offenders[0].clone();
    assert_eq!((row.file.as_deref(), row.row), (Some("7.parquet"), Some(700 - 7 * 97)));
}

/// What is wrong, how, and what the checks observe.
type Case<'c> = (&'c str, fn(&mut Vec<Row>), &'c [(CheckId, f64)]);

#[test]
fn each_fault_is_found_by_its_check() {
    let cases: &[Case<'_>] = &[
        ("nothing", |_| {}, &[]),
        ("negative users", |r| r[50].value = Some(-1.0), &[(CheckId::ValueNegative, 1.0)]),
        ("half a user", |r| r[50].value = Some(1.5), &[(CheckId::ValueIntegral, 1.0)]),
        ("no number", |r| r[50].value = Some(f32::NAN), &[(CheckId::ValueFinite, 1.0)]),
        ("null users", |r| r[50].value = None, &[(CheckId::ValueNulls, 1.0)]),
        ("an unknown country", |r| r[50].country = Some("XX"), &[(CheckId::CountryKnown, 1.0)]),
        ("an unknown system", |r| r[50].system = Some("web"), &[(CheckId::SystemKnown, 1.0)]),
        ("no country", |r| r[50].country = None, &[(CheckId::KeyNulls, 1.0)]),
        ("no day", |r| r[50].day = None, &[(CheckId::KeyNulls, 1.0)]),
        ("no channel", |r| r[50].name = None, &[(CheckId::KeyNulls, 1.0)]),
        ("a new channel", |r| r[50].name = Some("Radio"), &[(CheckId::ChannelNew, 1.0)]),
        (
            "a channel that has vanished",
            |r| r.retain(|row| row.name != Some("TV")),
            &[(CheckId::ChannelVanished, 1.0)],
        ),
        (
            "no organic rows",
            |r| r.retain(|row| row.name != Some("Organic")),
            &[(CheckId::ChannelVanished, 1.0), (CheckId::OrganicPresent, 1.0)],
        ),
        ("a row twice", |r| r.push(r[50].clone()), &[(CheckId::DuplicateRows, 1.0)]),
        (
            "a key twice, of other users",
            |r| {
                let value = r[50].value.map(|value| value + 1.0);
                r.push(Row { value, ..r[50].clone() });
            },
            &[(CheckId::DuplicateRows, 1.0)],
        ),
        (
            "three days without rows",
            |r| r.retain(|row| !(FIRST + 9..FIRST + 12).contains(&row.day.unwrap())),
            &[(CheckId::DayGaps, 3.0)],
        ),
        (
            "a day of a country without rows",
            |r| r.retain(|row| row.day != Some(FIRST + 9) || row.country != Some("GB")),
            &[(CheckId::CountryDayGaps, 1.0)],
        ),
        ("two weeks old", |r| r.retain(|row| row.day.unwrap() < FIRST + 17), &[(CheckId::Freshness, 14.0)]),
    ];
    let channels = "[allow]\nchannels = ['Email', 'Organic', 'TV', 'Search', 'Social']";
    let job = job(FACTS, &["country"]);
    for (what, fault, expected) in cases {
        let mut rows = facts(30);
        fault(&mut rows);
        let results = check(&job, &config(30, channels), &rows);
        assert_eq!(reported(&results), expected.iter().copied().collect(), "{what}: {results:#?}");
    }
}

#[test]
fn rows_without_a_channel_are_organic_where_the_profile_says_so() {
    let by_null =
        job(&FACTS.replace("['Organic']", "['Organic', 'organic']\nnull = 'organic'"), &["country"]);
    let mut rows = facts(30);
    for row in rows.iter_mut().filter(|row| row.name == Some("Organic")) {
        row.name = None;
    }
    let results = check(&by_null, &config(30, ""), &rows);
    assert_eq!(reported(&results), BTreeMap::new(), "{results:#?}");
    let note = &results.get(CheckId::OrganicPresent).unwrap().note;
    assert!(
        note.ends_with("rows are organic: those without a channel; there is no Organic, organic"),
        "{note}"
    );
    // A name that is hardly another spelling is organic too, and would be paid.
    rows[50].name = Some("Organik");
    let results = check(&by_null, &config(30, ""), &rows);
    assert_eq!(reported(&results), [(CheckId::OrganicPresent, 1.0)].into());
    let note = &results.get(CheckId::OrganicPresent).unwrap().note;
    assert!(note.contains("there is 'Organik'"), "{note}");
    // Without the entry such rows are excluded, and no row is organic.
    let results = check(&job(FACTS, &["country"]), &config(30, ""), &rows);
    assert!(reported(&results).contains_key(&CheckId::OrganicPresent));
}

#[test]
fn only_rows_that_meet_the_conditions_count() {
    let profile = format!("{FACTS}\n[[where]]\ncolumn = 'has_subtrackers'\nin = ['true']");
    let mut rows = facts(30);
    for row in rows.iter_mut().filter(|row| row.subtrackers == Some(false)).take(40) {
        (row.value, row.country, row.day) = (Some(-1.0), Some("XX"), None);
    }
    let results = check(&job(&profile, &["country"]), &config(30, ""), &rows);
    // The rows of the channel Organic do not meet the condition.
    assert_eq!(reported(&results), [(CheckId::OrganicPresent, 1.0)].into());
}

#[test]
fn total_rows_that_are_not_the_sum_of_their_parts() {
    let profile =
        FACTS.replace("iso-3166-1'", "iso-3166-1'\ntotal = 'ALL'").replace("ios']", "ios']\ntotal = 'all'");
    let clean = facts_and_totals(30);
    for by in [&["country"][..], &["country", "os"], &["os"], &[]] {
        let job = job(&profile, by);
        let results = check(&job, &config(30, ""), &clean);
        assert_eq!(reported(&results), BTreeMap::new(), "{by:?} {results:#?}");
        let totals = results.get(CheckId::SystemTotal).unwrap();
        assert_eq!(totals.title, "total rows equal the sum of their parts: os");
        assert_eq!(totals.status, Status::Pass);
        let mut rows = clean.clone();
        let is_total = |row: &&mut Row| row.system == Some("all") && row.country == Some("GB");
        let total = rows.iter_mut().find(is_total).unwrap();
        total.value = total.value.map(|value| value + 2.0);
        let found = reported(&check(&job, &config(30, ""), &rows));
        assert_eq!(found, [(CheckId::SystemTotal, 1.0), (CheckId::CountryTotal, 1.0)].into(), "{by:?}");
        let mut rows = clean.clone();
        rows.retain(|row| {
            row.system != Some("all") || row.country != Some("GB") || row.day != Some(FIRST + 3)
        });
        let found = reported(&check(&job, &config(30, ""), &rows));
        assert!(found[&CheckId::SystemTotal] >= 1.0, "{by:?} {found:?}");
    }
    // Without total rows there is nothing to compare, and nothing blocks.
    let results = check(&job(&profile, &["country"]), &config(30, ""), &facts(30));
    assert_eq!(results.get(CheckId::SystemTotal).unwrap().status, Status::NotRun);
    assert_eq!(results.verdict(), Verdict::Pass);
}

#[test]
fn rows_without_a_member_warn_and_many_of_them_block() {
    let job = job(FACTS, &["country", "os"]);
    let with_nulls = |every: usize| {
        let mut rows = facts(30);
        rows.iter_mut().step_by(every).for_each(|row| row.system = None);
        check(&job, &config(30, ""), &rows)
    };
    let of_os = |results: &Results| -> CheckResult {
        results.outcomes.iter().find(|o| o.title == "rows that count have a member: os").unwrap().clone()
    };
    let few = with_nulls(50);
    assert_eq!((of_os(&few).status, few.verdict()), (Status::Warn, Verdict::Warn));
    assert!(of_os(&few).note.contains("[dimensions.os]"), "{few:?}");
    let many = with_nulls(10);
    assert_eq!((of_os(&many).status, many.verdict()), (Status::Fail, Verdict::Fail));
    // The bounds of the configuration are those of all its results.
    let mut rows = facts(30);
    rows[0].system = None;
    let strict = config(30, "[checks.key_nulls]\nblock = { count = 0 }");
    assert_eq!(of_os(&check(&job, &strict, &rows)).status, Status::Fail);
}

#[test]
fn rows_of_a_file_without_an_optional_dimension_are_total_rows_of_it() {
    let profile =
        FACTS.replace("ios']", "ios']\ntotal = 'all'\noptional = true").replace("'os_name'", "'platform'");
    let results = check(&job(&profile, &["country"]), &config(30, ""), &facts(30));
    // The rows of both systems have one key.
    assert_eq!(reported(&results), [].into(), "{results:#?}");
    assert_eq!(results.get(CheckId::Reconciliation).unwrap().status, Status::Pass);
    assert_eq!(results.get(CheckId::SystemTotal).unwrap().status, Status::NotRun);
}

#[test]
fn equal_rows_in_other_partitions_are_no_duplicates() {
    let input = |app: &str| {
        let partitions = vec![("app".to_owned(), Some(app.to_owned()))];
        Input { partitions, ..file(app, &facts(30), LAYOUTS[0]) }
    };
    let of = |apps: [&str; 2]| {
        let results = check_inputs(&job(FACTS, &["country"]), &config(30, ""), &apps.map(input));
        results.get(CheckId::DuplicateRows).unwrap().observed
    };
    assert_eq!((of(["a", "b"]), of(["a", "a"])), (Some(0.0), Some(facts(30).len() as f64)));
}

#[test]
fn rows_are_compared_alike_in_parts_and_in_a_file() {
    let mut rows = facts_and_totals(20);
    rows.extend_from_within(..300);
    let job = job(&FACTS.replace("ios']", "ios']\n    total = 'all'"), &["country"]);
    let inputs = [
        file("x.parquet", &rows, LAYOUTS[0]),
        file("y.parquet", &rows[200..900], LAYOUTS[LAYOUTS.len() - 1]),
    ];
    let (config, question) = (config(20, ""), Question::new(&job).unwrap());
    let dataset = Dataset::open(&job, &inputs).unwrap();
    let subject = Subject::new(&job, &config, &question);
    let columns = FileColumns::locate_all(&subject, dataset.files()).unwrap();
    let compare = |rows: u64, memory: u64| {
        let (files, tasks) = (dataset.files(), tasks(&whole(dataset.files())));
        let rows =
            Rows { subject: &subject, files, columns: &columns, tasks, rows, memory, progress: &NoProgress };
        let repeated = rows.repeated(Identity::AllColumns).unwrap();
        let totals = rows.totals(1, true).unwrap();
        assert!(totals.compared().iter().any(|keys| keys.n > 100));
        format!("{repeated:?} {totals:?}")
    };
    let expected = compare(0, MEMORY);
    // The rows of y, and those that x has twice.
    assert!(expected.contains("count: 1000, in_file: 300"), "{}", &expected[..300]);
    for (rows, memory) in [(0, 0), (1 << 22, MEMORY), (1 << 22, 0)] {
        assert_eq!(compare(rows, memory), expected, "{rows} {memory}");
    }
}

/// How many rows are shown to be unique without sorting them; `Some` only where no row occurs twice.
fn shown_unique(parts: &[(&[Row], usize)], profile: &str) -> Option<u64> {
    let inputs: Vec<Input> = (parts.iter().enumerate())
        .map(|(at, (rows, layout))| file(&format!("{at}.parquet"), rows, LAYOUTS[*layout]))
        .collect();
    let job = job(profile, &["country"]);
    let (config, question) = (config(20, ""), Question::new(&job).unwrap());
    let dataset = Dataset::open(&job, &inputs).unwrap();
    let subject = Subject::new(&job, &config, &question);
    let columns = FileColumns::locate_all(&subject, dataset.files()).unwrap();
    let (files, tasks) = (dataset.files(), tasks(&whole(dataset.files())));
    let rows: u64 = parts.iter().map(|(rows, _)| rows.len() as u64).sum();
    let rows = Rows {
        subject: &subject,
        files,
        columns: &columns,
        tasks,
        rows,
        memory: MEMORY,
        progress: &NoProgress,
    };
    let unique = rows.unique(Identity::AllColumns).unwrap();
    // The same by sorting.
    let hashed = rows.by_hash(true, |task, file, columns, add| {
        rows.identified(Identity::AllColumns, task, file, columns, Users::OfAll, add)
    });
    let sorted = hashed.unwrap().each(|rows| Found::of(rows, false), Found::merge).unwrap();
    if let Some(n) = unique {
        let none = format!("{:?}", Found::default()).replacen("n: 0", &format!("n: {n}"), 1);
        assert_eq!(format!("{sorted:?}"), none);
    }
    unique
}

#[test]
fn rows_that_differ_in_time_members_or_channel_are_unique() {
    let rows = facts(20);
    let n = rows.len();
    let (mut shown, mut not_shown) = (0, 0);
    for layout in 0..LAYOUTS.len() {
        match shown_unique(&[(&rows[..n / 2], layout), (&rows[n / 2..], 0)], FACTS) {
            Some(found) => {
                assert_eq!(found, n as u64);
                shown += 1;
            }
            None => not_shown += 1,
        }
    }
    // Some layouts have no dictionaries.
    assert!(shown > 0 && not_shown > 0, "{shown} {not_shown}");
    // A row twice, in one file or in two.
    let twice: Vec<Row> = rows.iter().chain(&rows[n - 1..]).cloned().collect();
    assert_eq!(shown_unique(&[(&twice, 0)], FACTS), None);
    assert_eq!(shown_unique(&[(&rows, 0), (&rows[5..6], 0)], FACTS), None);
    // Rows that differ in another column only.
    let mut other = rows[7].clone();
    other.token = Some("another");
    assert_eq!(shown_unique(&[(&rows, 0), (&[other], 0)], FACTS), None);
    // Rows that do not count.
    let profile = format!("{FACTS}\n[[where]]\ncolumn = 'os_name'\nin = ['ios']");
    let ios = rows.iter().filter(|row| row.system == Some("ios")).count();
    assert_eq!(shown_unique(&[(&rows, 0)], &profile), Some(ios as u64));
    // Too many combinations: each row has values of its own.
    let diagonal: Vec<Row> =
        (0..400).map(|at| Row { week: None, day: Some(FIRST + at), ..rows[0].clone() }).collect();
    let names: Vec<&'static str> = (0..400).map(|at| &*format!("Channel {at}").leak()).collect();
    let diagonal: Vec<Row> =
        diagonal.into_iter().zip(names).map(|(row, name)| Row { name: Some(name), ..row }).collect();
    assert_eq!(shown_unique(&[(&diagonal, 0)], FACTS), None);
}

#[test]
fn rows_that_are_users_may_be_equal() {
    let profile = FACTS.replace("column = 'value'", "rows = true");
    let mut rows = facts(30);
    rows.extend(rows.clone());
    let results = check(&job(&profile, &["os", "country"]), &config(30, ""), &rows);
    assert_eq!(reported(&results), BTreeMap::new(), "{results:#?}");
    for id in [CheckId::DuplicateRows, CheckId::ValueNulls, CheckId::ValueNegative, CheckId::TokenName] {
        let outcome = results.get(id).unwrap();
        assert!(outcome.status == Status::NotRun && !outcome.could_not_run, "{outcome:?}");
    }
}

#[test]
fn labels_are_those_of_the_profile() {
    let profile = FACTS.replace("[time]", "[time]\nlabel = 'year_week'");
    let job = job(&profile, &["country", "os"]);
    assert_eq!(reported(&check(&job, &config(30, ""), &facts(30))), BTreeMap::new());
    for (week, id) in [
        (Some("2020-53".into()), CheckId::LabelForm),
        (Some("2021_54".into()), CheckId::LabelWeek),
        (Some(week_of(FIRST + 700)), CheckId::LabelDate),
        (None, CheckId::KeyNulls),
    ] {
        let mut rows = facts(30);
        rows[40].week = week;
        let results = check(&job, &config(30, ""), &rows);
        assert_eq!(results.get(id).unwrap().observed, Some(1.0), "{id} {results:#?}");
    }
    // Days go by the dates: labels are not read.
    let mut rows = facts(30);
    rows[40].week = None;
    let daily = Job { grain: Grain::Day, ..job };
    assert_eq!(reported(&check(&daily, &config(30, ""), &rows)), BTreeMap::new());
}

#[test]
fn a_missing_column_is_an_error_that_names_all() {
    let error = |profile: &str, by: &[&str]| {
        let inputs = [file("x.parquet", &facts(14), LAYOUTS[0])];
        check_rows(&job(profile, by), &config(30, ""), &inputs, &NoProgress)
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    let profile = FACTS.replace("'os_name'", "'platform'").replace("'value'", "'worth'");
    let both = error(&profile, &["country"]);
    assert!(both.contains("no columns 'worth' (the users), 'platform' (the dimension os)"), "{both}");
    let wrong = error(&FACTS.replace("'value'", "'token'"), &["country"]);
    assert!(wrong.contains("column 'token'") && wrong.contains("expected a number"), "{wrong}");
    // Numbers that are not whole are no members, but this dimension is neither a key nor has totals.
    let profile = format!("{FACTS}\n[dimensions.amount]\ncolumn = 'value'");
    let results = check(&job(&profile, &["country"]), &config(30, ""), &facts(30));
    assert_eq!(reported(&results), BTreeMap::new());
    assert!(error(&profile, &["amount"]).contains("expected strings"));
}

/// Two files, of which the second lacks the column of systems.
#[test]
fn a_column_that_only_some_files_have_is_reported() {
    let optional = FACTS.replace("[dimensions.os]", "[dimensions.os]\noptional = true");
    let of = |name: &str, column: &str| {
        let profile = optional.replace("'os_name'", &format!("'{column}'"));
        let input = Input { partitions: vec![("part".into(), None)], ..file(name, &facts(30), LAYOUTS[0]) };
        (job(&profile, &["country"]), input)
    };
    let (job, first) = of("a.parquet", "part");
    let second = Input { partitions: Vec::new(), ..file("b.parquet", &facts(30), LAYOUTS[0]) };
    let results = check_inputs(&job, &config(30, ""), &[first, second]);
    let outcome = results.get(CheckId::Columns).unwrap();
    assert_eq!((outcome.observed, outcome.status), (Some(1.0), Status::Warn));
    assert_eq!(outcome.offenders[0].to_string(), "b.parquet no column 'part', which 1 of 2 files have");
}

#[test]
fn a_check_may_be_switched_off_or_warn() {
    let mut rows = facts(30);
    rows[50].value = Some(-1.0);
    rows.push(rows[9].clone());
    let text = "[checks.value_negative]\nseverity = 'warn'\n[checks.duplicate_rows]\nseverity = 'off'";
    let results = check(&job(FACTS, &["country"]), &config(30, text), &rows);
    assert_eq!(reported(&results), [(CheckId::ValueNegative, 1.0)].into());
    assert_eq!(results.get(CheckId::ValueNegative).unwrap().severity, Severity::Warn);
    assert_eq!(results.verdict(), Verdict::Warn);
}

#[test]
fn where_no_row_counts_the_job_says_why() {
    let filtered = format!("{FACTS}\n[[where]]\ncolumn = 'token'\nin = ['none']");
    let mut without = facts(14);
    without.iter_mut().for_each(|row| row.country = None);
    for (job, rows) in [(job(&filtered, &["country"]), facts(14)), (job(FACTS, &["country"]), without)] {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("facts.parquet");
        let input = file("facts.parquet", &rows, LAYOUTS[0]);
        std::fs::write(&source, input.object.read(0..input.object.len()).unwrap()).unwrap();
        let sources = vec![source.to_str().unwrap().to_owned()];
        let options = RunOptions { job, sources, ..RunOptions::default() };
        let error = pipeline::run(&options, &NoProgress).map(|run| run.report.why).unwrap_err();
        assert!(error.to_string().contains("rows counts"), "{error}");
    }
}

type Tamper = fn(&mut Table, &mut Partial);

fn shares(table: &mut Table) -> &mut Vec<Option<f64>> {
    let column = table.columns.iter_mut().find(|c| c.name.starts_with("share"));
    match &mut column.unwrap().data {
        ColumnData::Float64(shares) => shares,
        other => panic!("{other:?}"),
    }
}

fn first_share(table: &mut Table) -> &mut f64 {
    shares(table).iter_mut().flatten().find(|share| **share > 0.0).unwrap()
}

#[test]
fn a_table_that_was_tampered_with_is_found_by_every_key_and_grain() {
    let cases: &[(&str, Tamper, &[CheckId])] = &[
        ("nothing", |_, _| {}, &[]),
        (
            "a key twice",
            |t, _| match &mut t.columns.iter_mut().find(|c| c.name == "os").unwrap().data {
                ColumnData::Utf8 { indices, .. } => {
                    let other = *indices.iter().find(|index| **index != indices[0]).unwrap();
                    indices[0] = other;
                }
                other => panic!("{other:?}"),
            },
            &[CheckId::TableKeys, CheckId::TableComplete],
        ),
        (
            "a row without a period",
            |t, _| match &mut t.columns[0].data {
                ColumnData::Int32(v) | ColumnData::Date32(v) => v[0] = None,
                other => panic!("{other:?}"),
            },
            &[CheckId::TableKeys, CheckId::TableComplete],
        ),
        (
            "a row of another year",
            |t, _| match &mut t.columns[0].data {
                ColumnData::Int32(v) | ColumnData::Date32(v) => v[0] = v[0].map(|v| v - 400),
                other => panic!("{other:?}"),
            },
            &[CheckId::TableComplete],
        ),
        ("a share past one", |t, _| *first_share(t) = 1.5, &[CheckId::ShareRange, CheckId::Reconciliation]),
        ("a share a millionth off", |t, _| *first_share(t) *= 1.0 - 1e-6, &[CheckId::Reconciliation]),
        (
            "a share lost",
            |t, _| *shares(t).iter_mut().find(|share| share.is_some()).unwrap() = None,
            &[CheckId::ShareRange],
        ),
        (
            "a user lost",
            |_, p| *p.cells.iter_mut().find(|cell| **cell > 50).unwrap() -= 1,
            &[CheckId::Reconciliation],
        ),
        ("a row not accounted for", |_, p| p.account.rows += 1, &[CheckId::AccountAddsUp]),
    ];
    let inputs = [file("x.parquet", &facts(60), LAYOUTS[0])];
    let config = config(60, "");
    for grain in [Grain::Week, Grain::Day, Grain::Month] {
        for share_of_channel in [false, true] {
            let job = Job { grain, share_of_channel, windows: vec![2], ..job(FACTS, &["country", "os"]) };
            let (_, raw) = check_rows(&job, &config, &inputs, &NoProgress).unwrap();
            let (partial, _) = scan(&job, &inputs, &Options::default(), &NoProgress).unwrap();
            let table = finish(&job, &partial).unwrap();
            for (what, tamper, expected) in cases {
                let (mut table, mut partial) = (table.clone(), partial.clone());
                tamper(&mut table, &mut partial);
                let results = check_table(&job, &config, &partial, &table, &raw);
                let failed: Vec<CheckId> = results.with(Status::Fail).map(|o| o.check).collect();
                assert_eq!(&failed, expected, "{what} {grain:?} {share_of_channel}: {}", results.why());
            }
        }
    }
}

/// Publishes rows at a target in `folder`.
fn run(folder: &std::path::Path, job: &Job, rows: &[Row], days: i32) -> RunReport {
    let input = file("facts.parquet", rows, LAYOUTS[0]);
    let source = folder.join("facts.parquet");
    std::fs::write(&source, input.object.read(0..input.object.len()).unwrap()).unwrap();
    let options = RunOptions {
        job: job.clone(),
        sources: vec![source.to_str().unwrap().to_owned()],
        target: Some(folder.join("share.csv").to_str().unwrap().to_owned()),
        checks: Checks::Block,
        config: config(days, ""),
        ..RunOptions::default()
    };
    let report = pipeline::run(&options, &NoProgress).unwrap().report;
    // The next run must not have the name of this one.
    std::thread::sleep(std::time::Duration::from_millis(3));
    report
}

fn status(report: &RunReport, id: CheckId) -> Status {
    report.outcomes.iter().find(|o| o.check == id).unwrap().status
}

const DRIFT: [CheckId; 6] = [
    CheckId::VolumeDrift,
    CheckId::ShareDrift,
    CheckId::RowDrift,
    CheckId::ChannelMix,
    CheckId::DayVolume,
    CheckId::DaysKept,
];

#[test]
fn the_next_run_is_compared_by_key() {
    let all = facts(14 * 7);
    let until =
        |days: i32| -> Vec<Row> { all.iter().filter(|r| r.day.unwrap() < FIRST + days).cloned().collect() };
    for (by, grain) in
        [(&["country", "os"][..], Grain::Week), (&["os", "country"], Grain::Day), (&[], Grain::Week)]
    {
        let folder = tempfile::tempdir().unwrap();
        let job = Job { grain, windows: vec![4], ..job(FACTS, by) };
        let first = run(folder.path(), &job, &until(13 * 7), 13 * 7);
        assert_eq!(first.why, "");
        assert_eq!(status(&first, CheckId::Restatement), Status::NotRun);
        let second = run(folder.path(), &job, &until(14 * 7), 14 * 7);
        assert_eq!(second.why, "", "{by:?}");
        assert_eq!(status(&second, CheckId::Restatement), Status::Pass);
        for id in DRIFT {
            assert_eq!(status(&second, id), Status::Pass, "{id} {by:?} {:#?}", second.outcomes);
        }
        // A published week changes.
        let mut rows = until(14 * 7);
        let changed = rows.iter_mut().filter(|r| (FIRST + 14..FIRST + 21).contains(&r.day.unwrap()));
        changed.for_each(|row| row.value = row.value.map(|value| value * 2.0));
        let restated = run(folder.path(), &job, &rows, 14 * 7);
        assert_eq!(status(&restated, CheckId::Restatement), Status::Fail);
        let name = match by {
            ["country", _] => "GB, ios",
            ["os", _] => "ios, GB",
            _ => "all",
        };
        assert!(restated.restated.iter().any(|r| r.country == name), "{:?}", restated.restated);
    }
}

#[test]
fn a_key_that_stops_is_found() {
    let all = facts(14 * 7);
    let folder = tempfile::tempdir().unwrap();
    let job = job(FACTS, &["country", "os"]);
    let before: Vec<Row> = all.iter().filter(|r| r.day.unwrap() < FIRST + 13 * 7).cloned().collect();
    assert_eq!(run(folder.path(), &job, &before, 13 * 7).why, "");
    let mut stopped = all.clone();
    stopped.retain(|row| {
        row.day.unwrap() < FIRST + 13 * 7 || row.country != Some("GB") || row.system != Some("ios")
    });
    let report = run(folder.path(), &job, &stopped, 14 * 7);
    let outcome = report.outcomes.iter().find(|o| o.check == CheckId::VolumeDrift).unwrap();
    assert_eq!(outcome.status, Status::Fail);
    assert!(outcome.offenders[0].value.starts_with("GB, ios: 0 users in 2021-W"), "{outcome:?}");
    assert!(outcome.note.contains("each key") && outcome.title.contains("each key's users"), "{outcome:?}");
}

/// By any key, class and grain: organic rows alone stop, or paid ones.
#[test]
fn a_class_of_a_key_that_stops_blocks() {
    let all = facts(14 * 7);
    for (by, grain, name) in [
        (&["country", "os"][..], Grain::Week, "GB, ios"),
        (&["os", "country"], Grain::Day, "ios, GB"),
        (&[], Grain::Week, "all"),
    ] {
        for (organic, class) in [(true, "organic"), (false, "paid")] {
            let folder = tempfile::tempdir().unwrap();
            let job = Job { grain, windows: vec![4], ..job(FACTS, by) };
            let before: Vec<Row> = all.iter().filter(|r| r.day.unwrap() < FIRST + 13 * 7).cloned().collect();
            assert_eq!(run(folder.path(), &job, &before, 13 * 7).why, "");
            let mut stopped = all.clone();
            stopped.retain(|row| {
                let is_key = by.is_empty() || row.country == Some("GB") && row.system == Some("ios");
                row.day.unwrap() < FIRST + 13 * 7 || !is_key || (row.name == Some("Organic")) != organic
            });
            let report = run(folder.path(), &job, &stopped, 14 * 7);
            assert_eq!(status(&report, CheckId::ClassGone), Status::Fail, "{by:?} {class}: {}", report.why);
            let outcome = report.outcomes.iter().find(|o| o.check == CheckId::ClassGone).unwrap();
            let sentence = &outcome.offenders[0].value;
            assert!(sentence.starts_with(&format!("{name}: {class} users 0 in 2021-W")), "{sentence}");
            assert_eq!(outcome.title, "no key's organic or paid users stop");
        }
    }
}

#[test]
fn a_history_of_another_question_is_not_compared() {
    let rows = facts(12 * 7);
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(folder.path(), &job(FACTS, &["country", "os"]), &rows, 12 * 7).why, "");
    for other in [
        job(FACTS, &["country"]),
        Job { grain: Grain::Day, ..job(FACTS, &["country"]) },
        job(&FACTS.replace("['Organic']", "['Organic', 'TV']"), &["country"]),
    ] {
        let report = run(folder.path(), &other, &rows, 12 * 7);
        let outcome = report.outcomes.iter().find(|o| o.check == CheckId::Restatement).unwrap();
        assert_eq!(outcome.status, Status::NotRun);
        assert!(outcome.note.contains("has other sums (by country"), "{outcome:?}");
        // It began a history of its own.
        let again = run(folder.path(), &other, &rows, 12 * 7);
        assert_eq!(status(&again, CheckId::Restatement), Status::Pass);
    }
    let months = Job { grain: Grain::Month, ..job(FACTS, &["country"]) };
    let report = run(folder.path(), &months, &rows, 12 * 7);
    assert_eq!(report.why, "");
    let outcome = report.outcomes.iter().find(|o| o.check == CheckId::VolumeDrift).unwrap();
    assert_eq!(outcome.note, "the table has months; the history compares weeks");
}
