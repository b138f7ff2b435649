//! Random profiles on random rows: table and account equal those of the oracle, however the rows are stored, in files and
//! in frames, read, split and merged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_possible_wrap)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use rollshare::internals::grid::Partial;
use rollshare::internals::kernel::ScanPath;
use rollshare::internals::profile::{Class, Profile};
use rollshare::internals::scan::{self, NoProgress, split};
use rollshare::internals::storage::{Input, discover};
use rollshare::{Job, Semantics};

mod answer;
mod draw;
mod expected;
mod oracle;
mod writer;

use draw::frames::{self, Strings};
use draw::profiles::{World, worlds};
use draw::{PATHS, input, options, shapes};
use oracle::{Ask, Record, Value, When};
use writer::Shape;
use writer::columns::{self, Column, Data};

fn inputs(files: Vec<Vec<u8>>) -> Vec<Input> {
    files.into_iter().enumerate().map(|(at, bytes)| input(&format!("{at}.parquet"), bytes)).collect()
}

/// A part of the usual number of cases, which `PROPTEST_CASES` sets.
fn config(part: u32) -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: (usual.cases / part).max(1), ..usual }
}

fn cuts(most: usize) -> impl Strategy<Value = Vec<Index>> {
    prop::collection::vec(any::<Index>(), 0..most)
}

proptest! {
    #![proptest_config(config(4))]

    #[test]
    fn any_profile_on_any_files_gives_the_oracles_answer(
        mut world in worlds(), shapes in prop::collection::vec(shapes(), 1..3), cuts in cuts(3),
        threads in 1usize..4, path in 0usize..4, lacks_c in any::<bool>(),
    ) {
        let files = world.files(&cuts, &shapes, lacks_c);
        let (partial, _) = scan::scan(&world.job, &inputs(files), &options(threads, path), &NoProgress).unwrap();
        prop_assert_eq!(answer::of_profile(&world.job, &world.ask, &partial, &world.rows), None);
    }

    /// Record batches, their strings stored in three ways, give the answer of a file.
    #[test]
    fn any_profile_on_any_frame_gives_the_oracles_answer(
        mut world in worlds(), shape in shapes(), cuts in cuts(4), threads in 1usize..4,
        strings in select(vec![Strings::Short, Strings::Long, Strings::Dictionary]),
    ) {
        let files = world.files(&[], &[shape], false);
        let (of_file, _) = scan::scan(&world.job, &inputs(files), &options(1, 0), &NoProgress).unwrap();
        let of_frame = frames::sum(&world, &cuts, strings, threads);
        prop_assert_eq!(answer::of_profile(&world.job, &world.ask, &of_frame, &world.rows), None);
        // Rows that do not answer may have failed, at a row of the frame or at one of the file.
        let sums = |partial: &Partial| {
            let chosen = partial.chosen();
            (chosen.account, chosen.groups.clone(), chosen.times.clone(), chosen.cells.clone())
        };
        prop_assert_eq!(sums(&of_frame), sums(&of_file));
    }

    /// Partial aggregates of some rows are merged as those of all rows, in any order, also after their round trip
    /// through JSON.
    #[test]
    fn merge_files_in_any_order(
        mut world in worlds(), shape in shapes(), cuts in cuts(5), turn in 0usize..6, path in 0usize..4,
    ) {
        let files = world.files(&cuts, &[shape], false);
        let all = inputs(files);
        let (whole, _) = scan::scan(&world.job, &all, &options(1, path), &NoProgress).unwrap();
        let scan_one = |file: &Input| {
            let file = std::slice::from_ref(file);
            let (part, _) = scan::scan(&world.job, file, &options(1, path), &NoProgress).unwrap();
            let json = serde_json::to_vec(&part).unwrap();
            let back: Partial = serde_json::from_slice(&json).unwrap();
            back.check().unwrap();
            assert_eq!(back, part);
            part
        };
        let mut parts: Vec<Partial> = all.iter().map(scan_one).collect();
        let turn = turn % parts.len();
        parts.rotate_left(turn);
        let forward = parts.iter().cloned().reduce(|a, b| a.merge(b).unwrap()).unwrap();
        let backward = parts.into_iter().rev().reduce(|a, b| b.merge(a).unwrap()).unwrap();
        prop_assert_eq!(answer::of_profile(&world.job, &world.ask, &forward, &world.rows), None);
        prop_assert_eq!(&forward, &backward);
        if !world.rows.is_empty() {
            prop_assert_eq!(&forward, &whole);
        }
    }
}

proptest! {
    #![proptest_config(config(16))]

    /// Splits are scanned from their bytes, as another process does.
    #[test]
    fn merge_splits_in_any_order(
        mut world in worlds(), shape in shapes(), cuts in cuts(4), turn in 0usize..8, most in 1usize..9,
    ) {
        let folder = tempfile::tempdir().unwrap();
        for (at, bytes) in world.files(&cuts, &[shape], true).iter().enumerate() {
            std::fs::write(folder.path().join(format!("{at}.parquet")), bytes).unwrap();
        }
        let found = discover(&[folder.path().to_string_lossy().into_owned()], Semantics::Iso).unwrap();
        let splits = split::plan(&world.job, &found.inputs, most, 1).unwrap();
        prop_assert_eq!(splits.rows, world.rows.len() as u64);
        let scan = |split: &split::Split| {
            split::Split::from_bytes(&split.to_bytes().unwrap()).unwrap().scan(&NoProgress).unwrap()
        };
        let mut parts: Vec<Partial> = splits.splits.iter().map(scan).collect();
        let turn = turn % parts.len();
        parts.rotate_left(turn);
        let merged = parts.into_iter().rev().reduce(|a, b| b.merge(a).unwrap()).unwrap();
        prop_assert_eq!(answer::of_profile(&world.job, &world.ask, &merged, &world.rows), None);
    }
}

/// The answer by every path, on one file of these columns, equals the oracle's.
fn check_paths(job: &Job, ask: &Ask, rows: &[Record], columns: &[Column], shape: &Shape) {
    let file = columns::write(columns, rows.len(), shape);
    for path in PATHS {
        let options = scan::Options { threads: Some(1), path };
        let (partial, _) = scan::scan(job, &inputs(vec![file.clone()]), &options, &NoProgress).unwrap();
        assert_eq!(answer::of_profile(job, ask, &partial, rows), None, "{path:?} {shape:?}");
    }
}

/// A question by `a`, and by more: days as text, one user a row.
fn simple(by: &[&'static str]) -> (Job, Ask) {
    let dimensions = ["a", "b"];
    let profile = "time.date = 'time'\nusers.rows = true\n[channel]\ncolumn = 'name'\norganic = ['Organic']\n\
                   [dimensions.a]\n[dimensions.b]\n";
    let ask =
        Ask::organic_by_week(dimensions.map(|name| (name, oracle::Dimension::default())).into(), by.to_vec());
    let by = by.iter().map(|name| (*name).to_owned()).collect();
    let job = Job { by, profile: Profile::parse(profile, "profile").unwrap(), ..Job::default() };
    (job, ask)
}

const DAY: i64 = 86_400_000_000;
/// 2021-03-01.
const MARCH: i64 = 18_687;

fn record(name: Option<&str>, a: String, b: String, when: When) -> Record {
    let mut cells = BTreeMap::from([("a", a), ("b", b)]);
    cells.extend(name.map(|name| ("name", name.to_owned())));
    Record { cells, when: Some(when), users: Value::Units(1) }
}

fn texts(rows: &[Record]) -> Vec<Column> {
    let column = |name: &'static str| Column {
        name,
        data: Data::Text(rows.iter().map(|row| row.cells.get(name).cloned()).collect()),
    };
    let day = |row: &Record| match row.when? {
        When::Wall(at) => Some((at / DAY) as i32),
        _ => None,
    };
    let days = Data::Int32(rows.iter().map(day).collect(), Some(parquet::basic::LogicalType::Date));
    vec![column("a"), column("name"), Column { name: "time", data: days }, column("b")]
}

/// Encodings of all columns: dictionaries, PLAIN, and the two of deltas.
fn encodings() -> impl Iterator<Item = Shape> {
    let shape = |dictionary, encoding| Shape { dictionary, encoding, ..Shape::default() };
    [(true, 0), (false, 0), (false, 1), (false, 2)]
        .into_iter()
        .map(move |(dictionary, encoding)| shape(dictionary, encoding))
}

/// New groups move the sums of the groups before them, also in the middle of a walk over runs.
#[test]
fn many_groups_that_are_met_run_by_run() {
    for by in [&["a", "b"][..], &["b", "a"], &["a"]] {
        let (job, ask) = simple(by);
        let row = |n: usize| {
            let name = if n.is_multiple_of(3) { "Organic" } else { "Email" };
            record(Some(name), format!("a{}", n / 600), format!("b{}", n / 200), When::Wall(MARCH * DAY))
        };
        let rows: Vec<Record> = (0..20_000).map(row).collect();
        check_paths(&job, &ask, &rows, &texts(&rows), &Shape::default());
    }
}

/// More distinct members, and more combinations, than 16 bits can number.
#[test]
fn members_past_sixteen_bits() {
    for (by, distinct) in [(&["a"][..], 70_000), (&["a", "b"], 300), (&["b", "a"], 3_000)] {
        let (job, ask) = simple(by);
        let row = |n: usize| {
            let name = ["Organic", "Email", "Search"][n % 3];
            // 70,000 rows: a third of the channels is null.
            let name = (n % 9 < 6).then_some(name);
            let (a, b) = (format!("a{}", n % distinct), format!("b{}", n * 7 % (distinct + 11)));
            record(name, a, b, When::Wall((MARCH + (n % 20) as i64) * DAY))
        };
        let rows: Vec<Record> = (0..70_000).map(row).collect();
        for shape in encodings().take(2) {
            check_paths(&job, &ask, &rows, &texts(&rows), &Shape { page_rows: 3_000, ..shape });
        }
    }
}

/// More excluded channels than are compared one by one, while null is of a class that counts.
#[test]
fn many_excluded_channels_and_null() {
    for null in [Class::Organic, Class::Paid, Class::Excluded] {
        let (mut job, mut ask) = simple(&["a"]);
        ask.excluded = (0..12).map(|n| format!("Ads {n}")).collect();
        ask.null = ["paid", "organic", "excluded"][null as usize];
        job.profile.channel.excluded = ask.excluded.clone();
        job.profile.channel.null = null;
        let row = |n: usize| {
            let ads = format!("Ads {}", n % 12);
            let name = [Some("Organic"), Some("Email"), None, Some(ads.as_str())][n * 7 % 4];
            record(name, format!("a{}", n % 5), "b".into(), When::Wall((MARCH + (n % 20) as i64) * DAY))
        };
        let rows: Vec<Record> = (0..6_000).map(row).collect();
        for shape in encodings() {
            check_paths(&job, &ask, &rows, &texts(&rows), &shape);
        }
    }
}

/// Distinct times, more than a dictionary keeps as they are: in every coding that has times of the day, as large
/// dictionaries and in every encoding, and with zones.
#[test]
fn every_row_has_its_own_time() {
    use draw::profiles::Coding;
    use rollshare::internals::profile::TimeUnit;
    let codings = [
        Coding::Timestamp(0, true),
        Coding::Timestamp(1, true),
        Coding::Timestamp(2, true),
        Coding::Timestamp(1, false),
        Coding::Int64(TimeUnit::Second),
        Coding::Int64(TimeUnit::Nanosecond),
        Coding::Int32(TimeUnit::Second),
        Coding::Int96,
        Coding::Text(2),
        Coding::Text(3),
        Coding::Text(4),
        Coding::Text(5),
        Coding::Text(6),
        Coding::Text(7),
    ];
    for (at, coding) in codings.into_iter().enumerate() {
        for zone in [None, Some("Europe/Berlin")] {
            let (mut job, mut ask) = simple(&["a"]);
            (ask.zone, ask.grain, ask.window) = (zone, 'd', 7);
            job.profile.time.zone = zone.map(str::to_owned);
            (job.grain, job.windows) = (rollshare::Grain::Day, vec![7]);
            if let Coding::Int64(unit) | Coding::Int32(unit) = coding {
                job.profile.time.unit = Some(unit);
            }
            // A time each 7 minutes, over the change of the clock of 2021-03-28; not in order.
            let row = |n: usize| {
                let millis = MARCH * 86_400_000 + (n * 7_919 % 12_000) as i64 * 420_123;
                let name = ["Organic", "Email", "Search"][n % 3];
                record(Some(name), format!("a{}", n % 5), "b".into(), coding.when(millis))
            };
            let rows: Vec<Record> = (0..12_000).map(row).collect();
            let world = World { job: job.clone(), ask: ask.clone(), coding, rows, bad: None };
            // All encodings in one zone, one of them in the other.
            for shape in encodings().skip(if zone.is_none() { 0 } else { at % 4 }).take(if zone.is_none() {
                4
            } else {
                1
            }) {
                let file = world.file(0..world.rows.len(), &Shape { page_rows: 5_000, ..shape }, false);
                for path in [None, Some(ScanPath::Scalar)] {
                    let options = scan::Options { threads: Some(1), path };
                    let (partial, _) =
                        scan::scan(&job, &inputs(vec![file.clone()]), &options, &NoProgress).unwrap();
                    let wrong = answer::of_profile(&job, &ask, &partial, &world.rows);
                    assert_eq!(wrong, None, "{coding:?} {zone:?} {path:?} {shape:?}");
                }
            }
        }
    }
}

/// Rows that are total in `a`, rows that are not, and a row without a time among the latter.
fn totals_and_a_bad_time() -> (Vec<Record>, Vec<Record>) {
    let of = |a: &str| {
        let row = |n: usize| {
            let name = ["Organic", "Email"][n % 2];
            record(Some(name), a.to_owned(), format!("b{}", n % 3), When::Wall((MARCH + n as i64) * DAY))
        };
        (0..20).map(row).collect::<Vec<_>>()
    };
    let (totals, mut others) = (of("all"), of("x"));
    others[13].when = None;
    (totals, others)
}

/// A row that cannot be summed is an error only if it answers, wherever the total rows are.
#[test]
fn a_bad_time_in_rows_that_are_not_chosen() {
    let (mut job, mut ask) = simple(&["b"]);
    ask.dimensions.get_mut("a").unwrap().total = Some("all".into());
    job.profile.dimensions.get_mut("a").unwrap().total = Some("all".into());
    let (totals, others) = totals_and_a_bad_time();
    let file =
        |name, rows: &[Record]| input(name, columns::write(&texts(rows), rows.len(), &Shape::default()));
    let (one, other) = (file("totals.parquet", &totals), file("others.parquet", &others));
    let scan = |inputs: &[Input]| scan::scan(&job, inputs, &options(1, 0), &NoProgress).unwrap().0;
    let rows = [totals.clone(), others.clone()].concat();
    let alone = scan(std::slice::from_ref(&other));
    for partial in [
        scan(&[
            input("totals.parquet", columns::write(&texts(&totals), 20, &Shape::default())),
            file("others.parquet", &others),
        ]),
        scan(std::slice::from_ref(&one)).merge(alone.clone()).unwrap(),
        alone.clone().merge(scan(std::slice::from_ref(&one))).unwrap(),
    ] {
        assert_eq!(answer::of_profile(&job, &ask, &partial, &rows), None);
    }
    let error = rollshare::internals::table::finish(&job, &alone).unwrap_err().to_string();
    assert!(error.starts_with("others.parquet, column 'time', row group 0, row 13: time is null"), "{error}");
}

#[test]
fn total_rows_that_are_required() {
    let profile = |kind: &str| {
        let profile = simple(&["b"]).0.profile.to_toml().unwrap();
        let profile = profile
            .replace("[dimensions.a]", &format!("[dimensions.a]\ntotal = 'all'\ntotal_rows = '{kind}'"));
        Profile::parse(&profile, "profile").unwrap()
    };
    let (totals, mut others) = totals_and_a_bad_time();
    others.remove(13);
    let finish = |kind: &str, rows: &[Record]| {
        let job = Job { profile: profile(kind), ..simple(&["b"]).0 };
        let file = input("a.parquet", columns::write(&texts(rows), rows.len(), &Shape::default()));
        let (partial, _) = scan::scan(&job, &[file], &options(1, 0), &NoProgress).unwrap();
        rollshare::internals::table::finish(&job, &partial).map(|table| table.rows())
    };
    let rows = finish("required", &totals).unwrap();
    assert_eq!(finish("required", &[totals, others.clone()].concat()).unwrap(), rows);
    assert!(finish("auto", &others).unwrap() > 0);
    let error = finish("required", &others).unwrap_err().to_string();
    assert!(error.contains("total row of a") && error.contains("a is 'all'"), "{error}");
}

/// A total is that of total rows only if the other dimensions of the key leave some: joint totals of both dimensions are
/// no totals of one of them.
#[test]
fn joint_total_rows_are_no_totals_of_one_dimension() {
    let row = |name: &str, a: &str, b: &str, users: i128| Record {
        users: Value::Units(users),
        ..record(Some(name), a.into(), b.into(), When::Wall(MARCH * DAY))
    };
    let parts = [row("Organic", "FR", "ios", 1), row("Email", "DE", "ios", 3)];
    let joint = [row("Organic", "ALL", "all", 50), row("Email", "ALL", "all", 50)];
    let of_a = [row("Organic", "ALL", "ios", 9), row("Email", "ALL", "ios", 1)];
    let sum = vec![("ALL", "ios", 0.25), ("DE", "ios", 0.0), ("FR", "ios", 1.0)];
    for (with_total, rows, expected) in [
        (&["a"][..], [&parts[..], &joint].concat(), sum.clone()),
        (&["a"], parts.to_vec(), sum),
        (
            &["a"],
            [&parts[..], &joint, &of_a].concat(),
            vec![("ALL", "ios", 0.9), ("DE", "ios", 0.0), ("FR", "ios", 1.0)],
        ),
        // With the totals of both, the joint rows are left by both, and there are no others.
        (
            &["a", "b"],
            [&parts[..], &joint].concat(),
            vec![("ALL", "all", 0.5), ("DE", "ios", 0.0), ("FR", "ios", 1.0)],
        ),
        (
            &["a", "b"],
            parts.to_vec(),
            vec![
                ("ALL", "all", 0.25),
                ("ALL", "ios", 0.25),
                ("DE", "all", 0.0),
                ("DE", "ios", 0.0),
                ("FR", "all", 1.0),
                ("FR", "ios", 1.0),
            ],
        ),
    ] {
        let (mut job, mut ask) = simple(&["a", "b"]);
        for (name, total) in [("a", "ALL"), ("b", "all")] {
            ask.dimensions.get_mut(name).unwrap().total = Some(total.into());
            job.profile.dimensions.get_mut(name).unwrap().total = Some(total.into());
        }
        job.profile.users =
            rollshare::internals::profile::Users { column: Some("users".into()), rows: false, unique: false };
        ask.with_total = with_total.to_vec();
        job.with_total = with_total.iter().map(|name| (*name).to_owned()).collect();
        let line = |(a, b, share): &(&str, &str, f64)| {
            (vec!["2021".to_owned(), "9".into(), (*a).into(), (*b).into()], Some(*share))
        };
        assert_eq!(ask.answer(&rows).0, expected.iter().map(line).collect::<Vec<_>>());
        let mut columns = texts(&rows);
        let users = |row: &Record| match row.users {
            Value::Units(units) => Some(units as i64),
            _ => None,
        };
        columns.push(Column { name: "users", data: Data::Int64(rows.iter().map(users).collect(), None) });
        check_paths(&job, &ask, &rows, &columns, &Shape::default());
    }
}

/// Files below folders that name `a`, each with rows of these values in a column of the file.
fn partitioned(
    column: &'static str,
    files: &[(&str, Vec<Option<&str>>)],
    shape: &Shape,
) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (at, (partition, values)) in files.iter().enumerate() {
        let row =
            |_: &Option<&str>| record(Some("Organic"), String::new(), "b".into(), When::Wall(MARCH * DAY));
        let rows: Vec<Record> = values.iter().map(row).collect();
        let mut columns = texts(&rows);
        let values = values.iter().map(|value| value.map(str::to_owned)).collect();
        columns[0] = Column { name: column, data: Data::Text(values) };
        let below = folder.path().join(partition);
        std::fs::create_dir_all(&below).unwrap();
        std::fs::write(below.join(format!("{at}.parquet")), columns::write(&columns, rows.len(), shape))
            .unwrap();
    }
    folder
}

fn scan_folder(job: &Job, folder: &tempfile::TempDir, threads: usize) -> rollshare::Result<Partial> {
    let found = discover(&[folder.path().to_string_lossy().into_owned()], job.semantics)?;
    scan::scan(job, &found.inputs, &options(threads, 0), &NoProgress).map(|(partial, _)| partial)
}

/// A column of the file that the path shadows has the value of the path in every row, or the first row that has not is
/// an error: however it is stored, whatever the case of its name, and also where all rows are ruled out.
#[test]
fn a_partition_that_contradicts_the_file() {
    let fr = |others: &[(usize, Option<&'static str>)]| {
        let mut values = vec![Some("FR"); 5_000];
        others.iter().for_each(|(at, value)| values[*at] = *value);
        values
    };
    let (job, _) = simple(&["a"]);
    let never = "[[where]]\ncolumn = 'a'\nin = ['ES']\n";
    let none = Job {
        profile: Profile::parse(&(job.profile.to_toml().unwrap() + never), "profile").unwrap(),
        ..job.clone()
    };
    for shape in encodings().flat_map(|shape| {
        [Shape { page_rows: 700, group_rows: 2_000, ..shape }, Shape { required: true, ..shape }]
    }) {
        for column in ["a", "A"] {
            let agrees = partitioned(column, &[("a=FR", fr(&[])), ("a=NULL", vec![None; 9])], &shape);
            let partial = scan_folder(&job, &agrees, 2).unwrap();
            assert_eq!((partial.account.rows, partial.account.null_member), (5_009, 9));
            for (partition, values, words) in [
                (
                    "a=FR",
                    fr(&[(3_210, Some("DE")), (4_000, Some("IT"))]),
                    "row 3210: the value is 'DE', but the path says a is 'FR'",
                ),
                (
                    "a=FR",
                    fr(&[(4_999, Some("fr"))]),
                    "row 4999: the value is 'fr', but the path says a is 'FR'",
                ),
                ("a=FR", fr(&[(0, None)]), "row 0: the value is null, but the path says a is 'FR'"),
                ("a=null", fr(&[]), "row 0: the value is 'FR', but the path says a is null"),
            ] {
                let folder = partitioned(column, &[("a=FR", fr(&[])), (partition, values)], &shape);
                for (job, threads) in [(&job, 1), (&job, 3), (&none, 2)] {
                    let error = scan_folder(job, &folder, threads).unwrap_err().to_string();
                    let place = format!("{partition}/1.parquet, column '{column}', row group ");
                    assert!(error.contains(words) && error.contains(&place), "{words}: {error}");
                }
            }
        }
    }
    // A column that the job does not read may hold anything.
    let unread = partitioned("a", &[("a=FR", fr(&[])), ("a=FR/c=DE", fr(&[]))], &Shape::default());
    assert_eq!(scan_folder(&job, &unread, 1).unwrap().account.rows, 10_000);
}
