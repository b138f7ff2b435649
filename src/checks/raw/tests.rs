//! Faults planted in a clean cube: each is found by its check, with its count and its row.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::cast_possible_truncation)]

use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, FloatType, Int32Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::super::results::check_rows;
use super::{Thoroughness, run_with};
use super::super::{CheckId, Config, Results, Status};
use crate::scan::Silent;
use crate::storage::{Input, MemoryObject};
use crate::{Job, calendar};

#[derive(Clone, Debug, PartialEq)]
struct Row {
    day: Option<i32>,
    week: Option<String>,
    country: Option<&'static str>,
    system: Option<&'static str>,
    name: Option<&'static str>,
    token: &'static str,
    value: Option<f32>,
}

const FIRST: i32 = 18_624; // 2020-12-28, a Monday
const CHANNELS: [(&str, &str); 3] = [("Email", "tok1"), ("Organic", "tok2"), ("TV", "tok3")];

/// Two weeks over a new year: every key there once, all totals right.
fn clean() -> Vec<Row> {
    let mut rows = Vec::new();
    for day in FIRST..FIRST + 14 {
        let (year, week) = calendar::iso_of(calendar::week_of(day));
        for (country, part) in [("ALL", 3), ("FR", 1), ("GB", 2)] {
            for (system, share) in [("all", 5), ("android", 2), ("ios", 3)] {
                for (name, token) in CHANNELS {
                    rows.push(Row {
                        day: Some(day),
                        week: Some(format!("{year:04}_{week:02}")),
                        country: Some(country),
                        system: Some(system),
                        name: Some(name),
                        token,
                        value: Some((part * share) as f32),
                    });
                }
            }
        }
    }
    rows
}

fn at(rows: &[Row], day: i32, country: &str, system: &str, name: &str) -> usize {
    rows.iter()
        .position(|r| {
            (r.day, r.country, r.system, r.name)
                == (Some(FIRST + day), Some(country), Some(system), Some(name))
        })
        .unwrap()
}

/// A file of row groups of `group` rows; dictionaries or plain pages of `page` rows.
fn file(rows: &[Row], group: usize, dictionary: bool, page: usize) -> Input {
    let schema = "message m { optional int32 start_date (DATE); optional binary year_week (UTF8);
        optional binary country (UTF8); optional binary os_name (UTF8); optional binary name (UTF8);
        optional binary token (UTF8); optional float value; }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(dictionary)
        .set_data_page_row_count_limit(page)
        .set_write_batch_size(page)
        .build();
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).unwrap();
    for rows in rows.chunks(group) {
        let mut out = writer.next_row_group().unwrap();
        let levels =
            |there: &dyn Fn(&Row) -> bool| rows.iter().map(|r| i16::from(there(r))).collect::<Vec<_>>();
        let days: Vec<i32> = rows.iter().filter_map(|r| r.day).collect();
        let mut column = out.next_column().unwrap().unwrap();
        column.typed::<Int32Type>().write_batch(&days, Some(&levels(&|r| r.day.is_some())), None).unwrap();
        column.close().unwrap();
        type Text<'t> = &'t dyn Fn(&Row) -> Option<String>;
        let texts: [Text<'_>; 5] = [
            &|r| r.week.clone(),
            &|r| r.country.map(Into::into),
            &|r| r.system.map(Into::into),
            &|r| r.name.map(Into::into),
            &|r| Some(r.token.into()),
        ];
        for text in texts {
            let values: Vec<ByteArray> = rows.iter().filter_map(text).map(|t| t.as_str().into()).collect();
            let mut column = out.next_column().unwrap().unwrap();
            let levels = levels(&|r| text(r).is_some());
            column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).unwrap();
            column.close().unwrap();
        }
        let values: Vec<f32> = rows.iter().filter_map(|r| r.value).collect();
        let mut column = out.next_column().unwrap().unwrap();
        column
            .typed::<FloatType>()
            .write_batch(&values, Some(&levels(&|r| r.value.is_some())), None)
            .unwrap();
        column.close().unwrap();
        out.close().unwrap();
    }
    writer.close().unwrap();
    Input { object: Arc::new(MemoryObject::new("x.parquet", bytes)), partitions: vec![] }
}

fn config() -> Config {
    let text = "as_of = '2021-01-11'\n[allow]\nchannels = ['Email', 'Organic', 'TV']";
    Config::parse(text, "test").unwrap()
}

/// What the evidence gives, which is what counting every row gives.
fn check(inputs: &[Input]) -> Results {
    let (job, config) = (Job::default(), config());
    let of = |thoroughness| {
        let raw = run_with(&job, &config, inputs, &Silent, thoroughness).unwrap();
        (Results::judge(&config, raw.findings), raw.counts)
    };
    let (results, counts) = of(Thoroughness::Evidence);
    assert_eq!((&results, &counts), (&of(Thoroughness::Counting).0, &of(Thoroughness::Counting).1));
    results
}

/// What the rows give, the same however they are laid out.
fn results(rows: &[Row]) -> Results {
    let one = check(&[file(rows, 1 << 20, true, 20_000)]);
    for (group, dictionary, page) in [(100, true, 7), (1 << 20, false, 13), (50, false, 1_000)] {
        assert_eq!(check(&[file(rows, group, dictionary, page)]), one, "{group} {dictionary} {page}");
    }
    one
}

fn of(results: &Results, id: CheckId) -> (f64, Vec<Option<u64>>) {
    let outcome = results.get(id).unwrap();
    (outcome.observed.unwrap(), outcome.offenders.iter().map(|o| o.row).collect())
}

#[test]
fn clean_rows_pass() {
    let results = results(&clean());
    for outcome in &results.outcomes {
        let expected = match outcome.check {
            CheckId::NameSubtrackers => Status::NotRun,
            _ => Status::Pass,
        };
        assert_eq!(outcome.status, expected, "{outcome:?}");
    }
    assert_eq!(results.verdict().exit_code(), 0);
    assert_eq!(results.get(CheckId::DuplicateRows).unwrap().n, 14 * 27);
    assert_eq!(results.get(CheckId::SystemTotal).unwrap().n, 14 * 9);
    assert_eq!(results.get(CheckId::CountryTotal).unwrap().n, 14 * 9);
}

type Fault = (&'static str, fn(&mut Vec<Row>) -> Vec<usize>, &'static [(CheckId, f64)]);

/// Name, what is done and to which rows, and which checks say what; all others pass.
fn faults() -> Vec<Fault> {
    use CheckId::*;
    fn set(rows: &mut [Row], which: &[usize], change: impl Fn(&mut Row)) -> Vec<usize> {
        which.iter().for_each(|at| change(&mut rows[*at]));
        which.to_vec()
    }
    vec![
        ("label without a zero", |r| set(r, &[5], |r| r.week = Some("2020_5".into())), &[(LabelForm, 1.0)]),
        (
            "label without a line",
            |r| set(r, &[5, 90], |r| r.week = Some("202053".into())),
            &[(LabelForm, 2.0)],
        ),
        ("label with a space", |r| set(r, &[377], |r| r.week = Some("2021_01 ".into())), &[(LabelForm, 1.0)]),
        ("empty label", |r| set(r, &[0], |r| r.week = Some(String::new())), &[(LabelForm, 1.0)]),
        ("week 54", |r| set(r, &[9], |r| r.week = Some("2020_54".into())), &[(LabelWeek, 1.0)]),
        (
            "week 53 of a year of 52",
            |r| set(r, &[9, 10], |r| r.week = Some("2021_53".into())),
            &[(LabelWeek, 2.0)],
        ),
        ("week 00", |r| set(r, &[200], |r| r.week = Some("2021_00".into())), &[(LabelWeek, 1.0)]),
        ("another week", |r| set(r, &[30, 31], |r| r.week = Some("2020_52".into())), &[(LabelDate, 2.0)]),
        ("the calendar's year", |r| set(r, &[120], |r| r.week = Some("2021_01".into())), &[(LabelDate, 1.0)]),
        ("null label", |r| set(r, &[3, 4], |r| r.week = None), &[(KeyNulls, 2.0)]),
        (
            "null value",
            |r| {
                let at = at(r, 2, "FR", "ios", "TV");
                r[at].value = None;
                vec![at]
            },
            &[(ValueNulls, 1.0), (SystemTotal, 1.0), (CountryTotal, 1.0)],
        ),
        (
            "NaN",
            |r| {
                let at = at(r, 3, "FR", "ios", "TV");
                r[at].value = Some(f32::NAN);
                vec![at]
            },
            &[(ValueFinite, 1.0), (SystemTotal, 1.0), (CountryTotal, 1.0)],
        ),
        (
            "infinite",
            |r| {
                let at = at(r, 3, "GB", "all", "TV");
                r[at].value = Some(f32::NEG_INFINITY);
                vec![at]
            },
            &[(ValueFinite, 1.0), (SystemTotal, 1.0), (CountryTotal, 1.0)],
        ),
        (
            "negative",
            |r| {
                let at = at(r, 13, "GB", "ios", "Email");
                r[at].value = Some(-1.0);
                vec![at]
            },
            &[(ValueNegative, 1.0), (SystemTotal, 1.0), (CountryTotal, 1.0)],
        ),
        (
            "fractional",
            |r| {
                let at = at(r, 13, "GB", "ios", "Email");
                r[at].value = Some(6.5);
                vec![at]
            },
            &[(ValueIntegral, 1.0), (SystemTotal, 1.0), (CountryTotal, 1.0)],
        ),
        (
            "one more in the total over systems",
            |r| {
                let at = at(r, 0, "FR", "all", "Email");
                r[at].value = Some(6.0);
                vec![]
            },
            &[(SystemTotal, 1.0), (CountryTotal, 1.0)],
        ),
        (
            "totals over countries too large",
            |r| {
                for day in 0..14 {
                    for (system, more) in [("all", 2.0), ("ios", 2.0)] {
                        let at = at(r, day, "ALL", system, "TV");
                        r[at].value = r[at].value.map(|v| v + more);
                    }
                }
                vec![]
            },
            &[(CountryTotal, 28.0)],
        ),
        (
            "unknown country",
            |r| {
                let which: Vec<usize> =
                    (0..r.len()).filter(|i| r[*i].country == Some("GB")).take(9).collect();
                set(r, &which, |r| r.country = Some("UK"))
            },
            &[(CountryKnown, 9.0), (CountryDayGaps, 14.0)],
        ),
        (
            "a row twice",
            |r| {
                let mut row = r[40].clone();
                row.value = Some(0.0);
                r.push(row);
                vec![r.len() - 1]
            },
            &[(DuplicateRows, 1.0)],
        ),
        (
            "two rows three times",
            |r| {
                for at in [40, 300] {
                    let mut row = r[at].clone();
                    row.value = Some(0.0);
                    r.extend([row.clone(), row]);
                }
                (r.len() - 4..r.len()).collect()
            },
            &[(DuplicateRows, 4.0)],
        ),
        (
            "token of another",
            |r| {
                set(r, &[0], |r| r.token = "tok2");
                vec![]
            },
            &[(TokenName, 2.0)],
        ),
        (
            "no organic row",
            |r| {
                r.retain(|r| r.name != Some("Organic"));
                vec![]
            },
            &[(OrganicPresent, 1.0), (ChannelVanished, 1.0)],
        ),
        (
            "a new channel",
            |r| {
                r.iter_mut().filter(|r| r.name == Some("TV") && r.day > Some(FIRST + 4)).for_each(|r| {
                    r.name = Some("Radio");
                    r.token = "tok4";
                });
                vec![]
            },
            &[(ChannelNew, 1.0)],
        ),
        (
            "days missing",
            |r| {
                r.retain(|r| !matches!(r.day, Some(d) if (FIRST + 3..FIRST + 6).contains(&d)));
                vec![]
            },
            &[(DayGaps, 3.0)],
        ),
        (
            "the last days missing",
            |r| {
                r.retain(|r| r.day < Some(FIRST + 4));
                vec![]
            },
            &[(Freshness, 11.0)],
        ),
    ]
}

#[test]
fn each_fault_is_found_by_its_check() {
    for (name, plant, expected) in faults() {
        let mut rows = clean();
        let which: Vec<Option<u64>> = plant(&mut rows).into_iter().map(|at| Some(at as u64)).collect();
        let results = results(&rows);
        for outcome in &results.outcomes {
            let told = expected.iter().find(|(id, _)| *id == outcome.check);
            let observed = outcome.observed.filter(|_| outcome.status != Status::Pass);
            assert_eq!(observed, told.map(|(_, count)| *count), "{name}: {outcome:?}");
        }
        if !which.is_empty() {
            assert_eq!(of(&results, expected[0].0).1, which, "{name}: the first offenders");
        }
    }
}

#[test]
fn faults_are_found_in_pairs() {
    let row_faults: Vec<Fault> = faults().into_iter().take(10).collect();
    for (i, (a, plant_a, expected_a)) in row_faults.iter().enumerate() {
        for (b, plant_b, expected_b) in row_faults.iter().skip(i + 1) {
            let mut rows = clean();
            let touched = plant_a(&mut rows);
            if plant_b(&mut clean()).iter().any(|at| touched.contains(at)) {
                continue;
            }
            plant_b(&mut rows);
            let results = check(&[file(&rows, 64, true, 10)]);
            let mut sums = std::collections::BTreeMap::new();
            for (id, count) in expected_a.iter().chain(*expected_b) {
                *sums.entry(*id).or_insert(0.0) += count;
            }
            for outcome in &results.outcomes {
                let observed = outcome.observed.filter(|_| outcome.status != Status::Pass);
                assert_eq!(observed, sums.get(&outcome.check).copied(), "{a} and {b}: {outcome:?}");
            }
        }
    }
}

#[test]
fn nulls_in_every_key_are_counted_by_column() {
    let mut rows = clean();
    rows[3].day = None;
    rows[8].country = None;
    rows[11].system = None;
    rows[11].name = None;
    let results = results(&rows);
    let outcome = results.get(CheckId::KeyNulls).unwrap();
    assert_eq!(outcome.note, "start_date 1, country 1, os_name 1, name 1");
    assert_eq!(of(&results, CheckId::KeyNulls), (4.0, vec![Some(3), Some(8), Some(11), Some(11)]));
}

#[test]
fn rows_are_named_in_their_files_and_the_first_ten_at_most() {
    let rows = clean();
    let mut late = rows.clone();
    late.iter_mut().skip(100).take(30).for_each(|r| r.value = Some(-1.0));
    let mut second = file(&late, 64, true, 10);
    second.object = {
        let bytes = second.object.read(0..second.object.len()).unwrap().into_owned();
        Arc::new(MemoryObject::new("y.parquet", bytes))
    };
    let results = check(&[file(&rows, 64, true, 10), second]);
    let (count, places) = of(&results, CheckId::ValueNegative);
    assert_eq!(count, 30.0);
    assert_eq!(places, (100..110).map(Some).collect::<Vec<_>>());
    let negative = results.get(CheckId::ValueNegative).unwrap();
    assert_eq!(negative.offenders[0].file.as_deref(), Some("y.parquet"));
    // Every row of the second file repeats one of the first.
    let duplicates = results.get(CheckId::DuplicateRows).unwrap();
    assert_eq!(duplicates.observed, Some(rows.len() as f64));
    assert_eq!(
        (duplicates.offenders[0].file.as_deref(), duplicates.offenders[0].row),
        (Some("y.parquet"), Some(0))
    );
}

#[test]
fn without_a_column_nothing_else_runs() {
    let job =
        Job { columns: crate::Columns { value: "installs".into(), ..Default::default() }, ..Job::default() };
    let (results, raw) = check_rows(&job, &config(), &[file(&clean(), 64, true, 10)], &Silent).unwrap();
    assert_eq!(results.get(CheckId::Columns).unwrap().status, Status::Fail);
    assert!(results.outcomes.iter().skip(1).all(|o| o.status == Status::NotRun && o.could_not_run));
    assert_eq!(results.verdict().exit_code(), 4);
    assert!(raw.cube.is_none());
}

#[test]
fn the_bounds_of_a_file_decide() {
    let mut rows = clean();
    rows[5].week = Some("2020_5".into());
    let check = |text: &str| {
        let config = Config::parse(text, "mine.toml").unwrap();
        let results = check_rows(&Job::default(), &config, &[file(&rows, 64, true, 10)], &Silent).unwrap().0;
        let outcome = results.get(CheckId::LabelForm).unwrap().clone();
        (outcome.status, outcome.bounds.origin)
    };
    assert_eq!(check(""), (Status::Fail, "default".into()));
    assert_eq!(check("[checks.label_form]\nseverity = 'warn'"), (Status::Warn, "mine.toml".into()));
    assert_eq!(check("[checks.label_form]\nseverity = 'off'"), (Status::NotRun, "mine.toml".into()));
    assert_eq!(check("[checks.label_form]\nblock = { fraction = 0.01 }").0, Status::Warn);
    assert_eq!(check("[checks.label_form]\nwarn = { count = 1 }\nblock = { count = 1 }").0, Status::Pass);
}
