//! Random tables: the result equals that of the oracle, and its bytes do not depend on how
//! the rows are ordered, split, encoded, or read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_possible_wrap)]

use proptest::prelude::*;
use proptest::sample::select;
use rollshare::Job;
use rollshare::internals::grid::Partial;
use rollshare::internals::publish;
use rollshare::internals::scan::{self, NoProgress};
use rollshare::internals::storage::Input;
use rollshare::internals::table;

mod answer;
mod draw;
mod expected;
mod oracle;
mod writer;

use draw::{PATHS, input, options, shapes, split};
use oracle::{Row, Value};
use writer::{Kind, Shape};

fn sum(files: Vec<Vec<u8>>, options: &scan::Options) -> Partial {
    let inputs: Vec<Input> =
        files.into_iter().enumerate().map(|(n, bytes)| input(&format!("{n}.parquet"), bytes)).collect();
    scan::scan(&Job::default(), &inputs, options, &NoProgress).unwrap().0
}

fn csv(partial: &Partial) -> String {
    let mut out = vec![];
    publish::csv::write(&table::finish(&Job::default(), partial).unwrap(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn assert_is_the_oracles(partial: &Partial, rows: &[Row]) {
    assert_eq!(answer::difference(partial, rows), None);
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        select(vec![8, 16, 32, 64]).prop_map(Kind::Int),
        select(vec![8, 16, 32, 64]).prop_map(Kind::UInt),
        (0u8..5).prop_map(Kind::Float),
        (0u8..12).prop_map(Kind::Double),
        (0u8..9).prop_map(Kind::Decimal32),
        (0u8..18).prop_map(Kind::Decimal64),
        (0u8..38).prop_map(Kind::DecimalFixed),
        (0u8..38).prop_map(Kind::DecimalBytes),
    ]
}

fn values(kind: Kind) -> impl Strategy<Value = Value> {
    let (low, high) = kind.range();
    let small = 0i128..high.min(40) + 1;
    let special = if kind.is_float() { vec![Value::Nan, Value::Infinite] } else { vec![Value::Null] };
    prop_oneof![
        4 => Just(Value::Units(0)),
        6 => small.prop_map(Value::Units),
        2 => (low..=high).prop_map(Value::Units),
        1 => Just(Value::Null),
        1 => select(special),
    ]
}

/// One of the texts, or seldom null.
fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    prop_oneof![15 => select(texts).prop_map(|t| Some(t.to_owned())), 1 => Just(None)]
}

/// Some rows with the same key: long repeats make runs.
fn rows_of_one_key(kind: Kind) -> impl Strategy<Value = Vec<Row>> {
    const COUNTRIES: &[&str] =
        &["GB", "FR", "IT", "ALL", "", "all", "Österreich", "日本", "a name of more than twelve bytes"];
    const NAMES: &[&str] = &["Organic", "organic", "Email", "Search", "Organic ", "Social Video", ""];
    const SYSTEMS: &[&str] = &["all", "all", "all", "ios", "android", "ALL", ""];
    const WEEKS: &[&str] =
        &["2019_52", "2020_01", "2020_50", "2020_51", "2020_52", "2020_53", "2021_01", "2021_03", "2021_10"];
    (
        one_of(COUNTRIES),
        one_of(SYSTEMS),
        select(WEEKS),
        prop::collection::vec((one_of(NAMES), values(kind)), 1..24),
    )
        .prop_map(|(country, os_name, week, cells)| {
            cells
                .into_iter()
                .map(|(name, value)| Row {
                    name,
                    value,
                    // The week of a dropped row may be null: of one that is total in both dimensions.
                    year_week: (os_name.as_deref() != Some("all")
                        || country.as_deref() != Some("ALL")
                        || value != Value::Null)
                        .then(|| week.to_owned()),
                    country: country.clone(),
                    os_name: os_name.clone(),
                })
                .collect()
        })
}

fn tables() -> impl Strategy<Value = (Kind, Vec<Row>)> {
    kinds().prop_flat_map(|kind| {
        prop::collection::vec(rows_of_one_key(kind), 0..40).prop_map(move |parts| (kind, parts.concat()))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_file_gives_the_oracles_answer(
        (kind, rows) in tables(), shape in shapes(), threads in 1usize..5, path in 0usize..4,
    ) {
        let partial = sum(vec![writer::write(&rows, kind, &shape)], &options(threads, path));
        assert_is_the_oracles(&partial, &rows);
    }

    #[test]
    fn permute_rows((kind, rows) in tables(), shape in shapes(), seed in any::<u64>(), path in 0usize..4) {
        let before = sum(vec![writer::write(&rows, kind, &shape)], &options(1, path));
        let mut shuffled: Vec<(u64, &Row)> = rows
            .iter()
            .enumerate()
            .map(|(n, row)| ((seed ^ n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29) ^ seed, row))
            .collect();
        shuffled.sort_by_key(|(key, _)| *key);
        let shuffled: Vec<Row> = shuffled.into_iter().map(|(_, row)| row.clone()).collect();
        let after = sum(vec![writer::write(&shuffled, kind, &shape)], &options(1, path));
        prop_assert_eq!(csv(&before), csv(&after));
        prop_assert_eq!(before.account, after.account);
    }

    #[test]
    fn split_files(
        (kind, rows) in tables(), shape in shapes(), other in shapes(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..5), path in 0usize..4,
    ) {
        let whole = sum(vec![writer::write(&rows, kind, &shape)], &options(2, path));
        let parts = split(&rows, &cuts).into_iter().map(|p| writer::write(p, kind, &other)).collect();
        let parts = sum(parts, &options(2, path));
        prop_assert_eq!(csv(&whole), csv(&parts));
        prop_assert_eq!(whole.account, parts.account);
    }

    #[test]
    fn merge_in_another_order(
        (kind, rows) in tables(), shape in shapes(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 2..6), turn in 0usize..6,
    ) {
        let mut partials: Vec<Partial> = split(&rows, &cuts)
            .into_iter()
            .map(|p| sum(vec![writer::write(p, kind, &shape)], &options(1, 0)))
            .collect();
        let forward = partials.iter().cloned().reduce(|a, b| a.merge(b).unwrap()).unwrap();
        let turn = turn % partials.len();
        partials.rotate_left(turn);
        // From the right, so that the grouping differs as well as the order.
        let backward = partials.into_iter().rev().reduce(|a, b| b.merge(a).unwrap()).unwrap();
        prop_assert_eq!(csv(&forward), csv(&backward));
        prop_assert_eq!(forward.account, backward.account);
        assert_is_the_oracles(&forward, &rows);
    }

    #[test]
    fn re_encode((kind, rows) in tables(), shape in shapes(), other in shapes(), path in 0usize..4) {
        let one = sum(vec![writer::write(&rows, kind, &shape)], &options(1, path));
        let two = sum(vec![writer::write(&rows, kind, &other)], &options(1, path));
        prop_assert_eq!(csv(&one), csv(&two));
        prop_assert_eq!(one.account, two.account);
    }

    #[test]
    fn change_thread_count(
        (kind, rows) in tables(), shape in shapes(),
        cut in any::<prop::sample::Index>(), path in 0usize..4,
    ) {
        // One small file is read by one thread, whatever number is requested.
        let files: Vec<Vec<u8>> =
            split(&rows, &[cut]).into_iter().map(|p| writer::write(p, kind, &shape)).collect();
        let one = sum(files.clone(), &options(1, path));
        for threads in 2..=4 {
            let more = sum(files.clone(), &options(threads, path));
            prop_assert_eq!(csv(&one), csv(&more), "{} threads", threads);
            prop_assert_eq!(one.account, more.account);
        }
    }

    #[test]
    fn change_kernel_path((kind, rows) in tables(), shape in shapes()) {
        let file = writer::write(&rows, kind, &shape);
        let free = sum(vec![file.clone()], &options(1, 0));
        for (path, name) in PATHS.iter().enumerate().skip(1) {
            let forced = sum(vec![file.clone()], &options(1, path));
            prop_assert_eq!(csv(&free), csv(&forced), "{:?}", name);
            prop_assert_eq!(free.account, forced.account);
        }
    }
}

/// Every encoding with every codec and page version, once each, on a table that
/// has many pages and uses each path.
#[test]
fn every_encoding_codec_and_page_version() {
    let rows: Vec<Row> = (0..4_000i128)
        .map(|n| Row {
            name: (n % 97 != 0).then(|| ["Organic", "Email", "Search"][(n * n % 3) as usize].to_owned()),
            value: if n % 31 == 0 { Value::Null } else { Value::Units(n * 7 % 120) },
            year_week: Some(["2020_52", "2020_53", "2021_01", "2021_05"][(n / 900) as usize % 4].to_owned()),
            country: (n % 211 != 0).then(|| ["ALL", "GB", "FR", "IT"][(n / 40 % 4) as usize].to_owned()),
            os_name: Some(["all", "ios", "android"][(n / 11 % 3) as usize].to_owned()),
        })
        .collect();
    let kinds = [
        Kind::Int(8),
        Kind::UInt(64),
        Kind::Float(0),
        Kind::Double(3),
        Kind::Decimal32(2),
        Kind::Decimal64(6),
        Kind::DecimalFixed(10),
        Kind::DecimalBytes(3),
    ];
    let mut answers = std::collections::BTreeSet::new();
    for (codec, kind) in (0..writer::codecs().len()).flat_map(|c| kinds.map(|k| (c, k))) {
        for (dictionary, encoding) in [(true, 0), (false, 0), (false, 1), (false, 2)] {
            for v2 in [false, true] {
                let shape = Shape {
                    encoding,
                    dictionary,
                    codec,
                    v2,
                    page_rows: 700,
                    group_rows: 1_800,
                    // 4 bytes an entry: the writer gives up the dictionary in the second page.
                    dictionary_limit: if v2 { 300 } else { 1 << 20 },
                    ..Shape::default()
                };
                let partial = sum(vec![writer::write(&rows, kind, &shape)], &options(2, codec % 4));
                assert_is_the_oracles(&partial, &rows);
                answers.insert(csv(&partial));
            }
        }
    }
    assert_eq!(answers.len(), 1, "the answers differ by encoding");
}

/// Files that are large enough for tasks of page ranges, in every layout.
#[test]
fn the_samples_layouts_agree_for_any_threads_and_path() {
    use rollshare::internals::sample::{self, Layout};
    let folder = tempfile::tempdir().unwrap();
    let mut answers = std::collections::BTreeSet::new();
    for layout in [Layout::Export, Layout::Shuffled, Layout::Spark] {
        let file = folder.path().join(layout.to_string());
        // More rows than one task has, and not a round number.
        sample::write(&sample::Options { rows: 600_011, layout, seed: 5 }, &file, &NoProgress).unwrap();
        let bytes = std::fs::read(&file).unwrap();
        for (threads, path) in (1..=4).zip([0, 1, 2, 3]).chain([(4, 0), (4, 1), (3, 2), (2, 3), (1, 1)]) {
            let partial = sum(vec![bytes.clone()], &options(threads, path));
            assert_eq!(partial.account.rows, 600_011);
            answers.insert((csv(&partial), format!("{:?}", partial.account)));
        }
    }
    assert_eq!(answers.len(), 1, "the answers differ by layout, threads or path");
}

/// Small files are read into memory and summed by one task, large files are mapped and split. Neither the
/// result nor the first error depends on this.
#[test]
fn small_and_large_files_in_one_run() {
    use rollshare::internals::sample::{self, Layout};
    let folder = tempfile::tempdir().unwrap();
    let write = |rows, layout, seed| {
        let file = folder.path().join(format!("{rows}-{seed}"));
        sample::write(&sample::Options { rows, layout, seed }, &file, &NoProgress).unwrap();
        std::fs::read(&file).unwrap()
    };
    let mut files: Vec<Vec<u8>> = (1..=6).map(|seed| write(5_000, Layout::Export, seed)).collect();
    files.insert(3, write(200_003, Layout::Shuffled, 7));
    assert!(files[3].len() > 1 << 18 && files.iter().filter(|f| f.len() < 1 << 18).count() == 6);
    let alone = files.iter().map(|file| sum(vec![file.clone()], &options(2, 0)));
    let whole = alone.reduce(|a, b| a.merge(b).unwrap()).unwrap();
    for threads in 1..=3 {
        let together = sum(files.clone(), &options(threads, 0));
        assert_eq!(csv(&together), csv(&whole));
        assert_eq!(together.account, whole.account);
        files.rotate_left(2);
    }
    files.rotate_right(6);
    for broken in [vec![1, 4], vec![3, 5], vec![2, 3], vec![3], vec![6]] {
        let inputs: Vec<Input> = (files.iter().enumerate())
            .map(|(at, bytes)| {
                let bytes =
                    if broken.contains(&at) { bytes[..bytes.len() - 9].to_vec() } else { bytes.clone() };
                input(&format!("{at}.parquet"), bytes)
            })
            .collect();
        for threads in 1..=3 {
            let error = scan::scan(&Job::default(), &inputs, &options(threads, 0), &NoProgress).unwrap_err();
            let first = format!("{}.parquet", broken[0]);
            assert!(error.to_string().contains(&first), "{error} does not name {first}");
        }
    }
}
