//! Faults planted in clean cubes: each is found by its check, with its count and its row.
//!
//! - [`sample`]: clean rows, and files of them. [`faults`]: the damage to them.
//! - [`oracle`]: the expected results of the checks, counted another way.
//! - [`invariants`]: threads, row groups, files, and progress callbacks do not change the results. [`splits`]: nor do
//!   splits of the rows.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]

mod faults;
mod invariants;
mod oracle;
pub(crate) mod sample;
pub(crate) mod splits;

use std::collections::{BTreeMap, BTreeSet};

use self::faults::kinds;
use self::sample::{COUNTRIES, EXPORT, FIRST, LAYOUTS, Layout, Random, Row, clean, config, cube, file};
use super::super::results::check_rows;
use super::super::{CheckId, CheckResult, Config, Results, Stage, Status};
use super::counts::{self, Objections};
use super::cube::axes::Axes;
use super::cube::exact::Chunk;
use super::passes::Passes;
use super::rules::Rules;
use super::{RowRange, Thoroughness, dictionary_pass, run_with};
use crate::Job;
use crate::dataset::OpenFile;
use crate::scan::NoProgress;
use crate::storage::{Input, MemoryObject};

/// The results of the dictionary pass, which must equal those of counting every row.
fn check(config: &Config, inputs: &[Input]) -> Results {
    let job = Job::default();
    let of = |thoroughness| {
        let raw = run_with(&job, config, inputs, &NoProgress, thoroughness).unwrap();
        let cube = raw.cube.map(|cube| format!("{cube:?}"));
        (Results::judge(config, raw.findings), raw.counts, cube)
    };
    let results = of(Thoroughness::Dictionaries);
    assert!(results == of(Thoroughness::Counting));
    results.0
}

/// The results of the rows, which must be the same in every layout.
fn results(config: &Config, rows: &[Row]) -> Results {
    let [one, others @ ..] = LAYOUTS.map(|layout| check(config, &[file("x.parquet", rows, layout)]));
    for (other, layout) in others.iter().zip(&LAYOUTS[1..]) {
        assert_eq!(&one, other, "{layout:?}");
    }
    one
}

/// The observed numbers by check.
fn observed(results: &Results) -> BTreeMap<CheckId, f64> {
    results.outcomes.iter().filter_map(|o| Some((o.check, o.observed?))).collect()
}

/// Whether a check passes; the rows have no column that marks deleted ones.
fn is_clean(outcome: &CheckResult) -> bool {
    outcome.status == if outcome.check == CheckId::DeletedRows { Status::NotRun } else { Status::Pass }
}

/// Whether a check reports anything but success.
fn is_reported(results: &Results, id: CheckId) -> bool {
    matches!(results.get(id).unwrap().status, Status::Warn | Status::Fail)
}

#[test]
fn damaged_values_do_not_overflow_the_sums() {
    // An f32 in steps of 2^-20 is more than 128 bits hold; keys that repeat are summed by the exact pass.
    for value in [f32::MAX, f32::MIN] {
        let mut rows = clean(&mut Random(3));
        rows.iter_mut().for_each(|row| row.value = Some(value));
        rows.extend_from_within(..rows.len() / 2);
        let config = config(&rows);
        assert!(is_reported(&results(&config, &rows), CheckId::DuplicateRows));
    }
}

#[test]
fn clean_rows_pass() {
    let mut random = Random(1);
    for _ in 0..20 {
        let rows = clean(&mut random);
        let config = config(&rows);
        let results = results(&config, &rows);
        assert!(results.outcomes.iter().all(is_clean), "{results:?}");
        assert_eq!(observed(&results), oracle::observed(&rows, &config));
        assert_eq!(results.get(CheckId::DuplicateRows).unwrap().n, rows.len() as u64);
        let keys = |of: &dyn Fn(&&Row) -> bool| rows.iter().filter(of).count() as u64;
        assert_eq!(results.get(CheckId::SystemTotal).unwrap().n, keys(&|r| r.system == Some("all")));
        assert_eq!(results.get(CheckId::CountryTotal).unwrap().n, keys(&|r| r.country == Some("ALL")));
    }
}

#[test]
fn each_fault_is_found_by_its_check() {
    let mut caught: BTreeMap<CheckId, usize> = BTreeMap::new();
    for (seed, kind) in kinds().iter().enumerate() {
        let mut random = Random(seed as u64);
        let mut rows = clean(&mut random);
        let config = config(&rows);
        let expected = (kind.plant)(&mut rows, &mut random);
        let results = results(&config, &rows);
        assert_eq!(observed(&results), oracle::observed(&rows, &config), "{}", kind.name);
        for (id, count) in expected {
            assert!(is_reported(&results, id), "{}: {id}", kind.name);
            let observed = results.get(id).unwrap().observed.unwrap();
            // The oracle says by how much totals elsewhere are off.
            let at_least = matches!(id, CheckId::SystemTotal | CheckId::CountryTotal);
            assert!(
                observed == count as f64 || at_least && observed > count as f64,
                "{}: {id} {observed}",
                kind.name
            );
            *caught.entry(id).or_default() += 1;
        }
    }
    // What cannot be planted in these columns is tested elsewhere; dates of these rows have no time of day.
    let is_planted =
        |id: &&CheckId| !matches!(id, CheckId::Columns | CheckId::DeletedRows | CheckId::LocalMidnights);
    for id in CheckId::ALL.iter().filter(|id| id.stage() == Stage::Raw).filter(is_planted) {
        assert!(caught.get(id) >= Some(&2), "no two kinds of fault for {id}");
    }
    assert!(kinds().len() >= 60);
}

/// Whether to run more of every test; takes an hour.
fn is_long() -> bool {
    std::env::var_os("ROLLSHARE_FAULTS").is_some_and(|v| v == "all")
}

#[test]
fn faults_are_found_in_pairs() {
    let kinds = kinds();
    let mut random = Random(7);
    let mut pairs: Vec<(usize, usize)> = (0..kinds.len()).flat_map(|a| (0..a).map(move |b| (a, b))).collect();
    if !is_long() {
        pairs = (0..400).map(|_| pairs[random.below(pairs.len())]).collect();
    }
    for (a, b) in pairs {
        let mut rows = clean(&mut random);
        let config = config(&rows);
        (kinds[a].plant)(&mut rows, &mut random);
        // The second kind of damage needs rows that the first has left.
        let mut again = rows.clone();
        let both = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            (kinds[b].plant)(&mut again, &mut random);
        }));
        if both.is_ok() {
            rows = again;
        }
        let layout = LAYOUTS[random.below(LAYOUTS.len())];
        let results = check(&config, &[file("x.parquet", &rows, layout)]);
        let name = format!("{} and {}", kinds[a].name, kinds[b].name);
        assert_eq!(observed(&results), oracle::observed(&rows, &config), "{name}");
    }
}

#[test]
fn a_fault_is_found_in_a_million_rows() {
    let mut random = Random(3);
    // 1,008,000 rows: 8,000 days of 7 countries with their total, 3 systems, 6 channels.
    let rows = cube(8_000, &COUNTRIES, 6, &mut random);
    assert!(rows.len() > 1_000_000);
    let config = config(&rows);
    let parts: Vec<&[Row]> = rows.chunks(100_800).collect();
    let name = |at: usize| format!("{at}.parquet");
    let inputs: Vec<Input> = parts.iter().zip(0..).map(|(rows, at)| file(&name(at), rows, EXPORT)).collect();
    let input = |at: usize| Input { object: inputs[at].object.clone(), partitions: vec![] };
    let clean =
        check_rows(&Job::default(), &config, &(0..inputs.len()).map(input).collect::<Vec<_>>(), &NoProgress);
    assert!(clean.unwrap().0.outcomes.iter().all(is_clean));

    type Change = fn(&mut Row);
    type Lone<'a> = (Change, &'a [CheckId]);
    use CheckId::*;
    let some: [Lone<'_>; 6] = [
        (|r| r.week = Some("2021_1".into()), &[LabelForm]),
        (|r| r.week = Some("2021_53".into()), &[LabelWeek]),
        (|r| r.week = Some("2019_01".into()), &[LabelDate]),
        (|r| r.value = Some(-1e6), &[ValueNegative, SystemTotal, CountryTotal]),
        (|r| r.subtrackers = r.subtrackers.map(|s| !s), &[NameSubtrackers]),
        (|r| r.day = Some(FIRST), &[LabelDate, DuplicateRows]),
    ];
    let more: [Lone<'_>; 8] = [
        (|r| r.week = None, &[KeyNulls]),
        (|r| r.country = None, &[KeyNulls]),
        (|r| r.country = Some("UK"), &[CountryKnown]),
        (|r| r.system = Some("web"), &[SystemKnown]),
        (|r| r.value = Some(f32::NAN), &[ValueFinite]),
        (|r| r.value = None, &[ValueNulls]),
        (|r| r.value = Some(0.5), &[ValueIntegral, SystemTotal, CountryTotal]),
        (|r| r.token = Some("tok9"), &[TokenName]),
    ];
    let long = if is_long() { &more[..] } else { &[] };
    for (change, checks) in some.iter().chain(long) {
        let part = 1 + random.below(parts.len() - 1);
        let at = random.below(parts[part].len());
        let mut damaged = parts[part].to_vec();
        change(&mut damaged[at]);
        let inputs: Vec<Input> = (0..inputs.len())
            .map(|at| if at == part { file(&name(at), &damaged, EXPORT) } else { input(at) })
            .collect();
        let results = check_rows(&Job::default(), &config, &inputs, &NoProgress).unwrap().0;
        for id in *checks {
            let outcome = results.get(*id).unwrap();
            assert!(is_reported(&results, *id), "{checks:?}: {id}");
            if !matches!(id, SystemTotal | CountryTotal | TokenName | NameSubtrackers) {
                assert_eq!(outcome.observed, Some(1.0), "{id}");
                let place = (outcome.offenders[0].file.as_deref(), outcome.offenders[0].row);
                assert_eq!(place, (Some(&*name(part)), Some(at as u64)), "{id}");
            }
        }
    }
}

#[test]
fn violations_are_the_first_rows_in_order() {
    let mut random = Random(5);
    let mut rows = clean(&mut random);
    let config = config(&rows);
    for at in [3, 60, 200] {
        rows[at].week = Some("2020_5".into());
    }
    rows.push(rows[10].clone());
    rows.push(rows[11].clone());
    let last = rows.len() as u64;
    let results = results(&config, &rows);
    let places = |id| results.get(id).unwrap().offenders.iter().map(|o| o.row).collect::<Vec<_>>();
    assert_eq!(places(CheckId::LabelForm), [Some(3), Some(60), Some(200)]);
    assert_eq!(places(CheckId::DuplicateRows), [Some(last - 2), Some(last - 1)]);
}

#[test]
fn a_dictionary_entry_that_no_row_uses_is_ignored() {
    let mut random = Random(6);
    let mut rows = clean(&mut random);
    let config = config(&rows);
    let odd = Row {
        day: Some(FIRST - 40),
        week: Some("1999_99".into()),
        country: Some("XX"),
        system: Some("web"),
        name: Some("Radio"),
        value: Some(-5.5),
        ..rows[0].clone()
    };
    rows.insert(0, odd);
    let (job, input) = (Job::default(), file("x.parquet", &rows, EXPORT));
    let question = crate::profile::Question::new(&job).unwrap();
    let files = [OpenFile::open_all(&question, &input, &Default::default()).unwrap()];
    let (rules, columns) = (Rules { job: &job, config: &config }, files[0].columns(0).unwrap());
    let passes = Passes::begin(&NoProgress, &files, &[]);
    // The dictionaries are those of the whole row group; the rows are all, or all but the first.
    for (from, is_odd) in [(0, true), (1, false)] {
        let row_range = RowRange {
            file: 0,
            row_group: 0,
            rows: from..rows.len() as u64,
            before: 0,
            days: None,
            is_undated: true,
        };
        let found = dictionary_pass::inspect(rules, &files[0], &columns, &row_range, &passes).unwrap();
        let mut counts = found.counts;
        dictionary_pass::confirm(
            &files,
            std::slice::from_ref(&row_range),
            &[found.unconfirmed],
            &mut counts,
            &passes,
        )
        .unwrap();
        assert_eq!(counts, counts::count(rules, &files[0], &columns, &row_range, &passes).unwrap());
        assert_eq!(counts.objections == Objections::default(), !is_odd);
        assert_eq!(counts.channels.contains(&Some(b"Radio"[..].into())), is_odd);
        assert_eq!(counts.days.contains(&(FIRST - 40)), is_odd);
    }
}

/// Rows of clean cubes with more channels than fit a word of bits, values past 32 bits, nulls, some in random order.
/// The dense pass, the exact pass and the oracle must agree on them.
#[test]
fn any_order_and_any_size_of_values_give_the_same() {
    let more: Vec<&'static str> = (0..40).map(|at| &*format!("Channel {at}").leak()).collect();
    for seed in 0..60 {
        let mut random = Random(seed);
        let mut rows = clean(&mut random);
        let config = config(&rows);
        if random.below(2) == 0 {
            let keys: Vec<Row> = rows.iter().filter(|r| r.name == Some("Organic")).cloned().collect();
            for key in keys {
                let token = |name: &'static str| Row { name: Some(name), token: Some(name), ..key.clone() };
                rows.extend(more.iter().map(|name| token(name)));
            }
        }
        // Small, too large for three systems in 32-bit cells, past 2^46, fractions.
        let scale = [1.0, 3e7, 1e13, 0.5][random.below(4)];
        rows.iter_mut().for_each(|r| r.value = r.value.map(|v| v * scale));
        if random.below(2) == 0 {
            some_nulls(&mut rows, &mut random);
        }
        // All, a part, or none of them out of order.
        let mixed = [rows.len(), rows.len() / 2, 0][random.below(3)];
        for at in (1..mixed).rev() {
            let other = random.below(at + 1);
            rows.swap(at, other);
        }
        let layout = LAYOUTS[random.below(LAYOUTS.len())];
        // Files of all days, or of some days each with days in common.
        let parts = rows.chunks(rows.len().div_ceil(1 + random.below(4)));
        let files: Vec<_> =
            parts.enumerate().map(|(at, rows)| file(&format!("{at}.parquet"), rows, layout)).collect();
        let results = check(&config, &files);
        // Beyond 2^24 the oracle's own sums are rounded.
        if scale <= 1.0 {
            assert_eq!(observed(&results), oracle::observed(&rows, &config), "{seed}");
        }
    }
}

/// The exact pass opens a file for its days alone, and for rows without a day where it may have some.
#[test]
fn exact_sums_of_some_days_read_the_files_that_have_them() {
    let rows = clean(&mut Random(8));
    let config = config(&rows);
    let days: BTreeSet<_> = rows.iter().map(|row| row.day).collect();
    let half = days.len() / 2;
    let middle = days.iter().nth(half).copied().flatten();
    let (early, late): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.day < middle);
    for with_undated in [false, true] {
        let mut late = late.clone();
        if with_undated {
            late[7].day = None;
        }
        let inputs = [file("early.parquet", &early, EXPORT), file("late.parquet", &late, EXPORT)];
        let job = Job::default();
        let question = crate::profile::Question::new(&job).unwrap();
        let open = |input| OpenFile::open_all(&question, input, &Default::default()).unwrap();
        let [early, mut late] = [0, 1].map(|at| open(&inputs[at]));
        let passes = Passes::begin(&NoProgress, &[], &[]);
        let rules = Rules { job: &job, config: &config };
        let files = [early, open(&inputs[1])];
        let (ranges, counts) =
            super::count(rules, &files, &super::whole(&files), Thoroughness::default(), &passes).unwrap();
        let axes = Axes::new(&job, &files, &counts);
        let no_bytes = MemoryObject::new("late.parquet", Vec::new());
        late.object = &no_bytes;
        let [early, _] = files;
        let files = [early, late];
        let read = Chunk::fill(&axes, &files, &ranges, 0..half, &passes);
        assert_eq!(read.is_err(), with_undated);
        assert!(Chunk::fill(&axes, &files, &ranges, half..days.len(), &passes).is_err());
    }
}

fn some_nulls(rows: &mut [Row], random: &mut Random) {
    for _ in 0..10 {
        let len = rows.len();
        let mut any = || random.below(len);
        rows[any()].day = None;
        rows[any()].country = None;
        rows[any()].system = None;
        rows[any()].value = None;
        // Of both, so that their ids stay the same; and of one.
        let row = &mut rows[any()];
        (row.name, row.token) = (None, None);
        if any() % 20 == 0 {
            rows[any()].token = None;
        }
    }
}

/// Names and tokens whose pages have the same bytes, or nearly the same.
#[test]
fn tokens_with_the_ids_of_their_channels_are_distinguished_from_others() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let mut rows = clean(&mut random);
        let config = config(&rows);
        let last = rows.len() - 1;
        match seed % 6 {
            0 => {}
            // The same ids except in one row.
            1 => rows[last].token = Some("tok0"),
            // Ids of a longer dictionary.
            2 => rows[last].token = Some("tok9"),
            3 => rows.iter_mut().for_each(|r| r.token = Some("tok0")),
            // Null in the same rows, only in the last page.
            4 => (rows[last].name, rows[last].token) = (None, None),
            _ => rows[last].token = None,
        }
        for layout in LAYOUTS {
            let results = check(&config, &[file("x.parquet", &rows, layout)]);
            assert_eq!(observed(&results), oracle::observed(&rows, &config), "{seed} {layout:?}");
        }
    }
}

#[test]
fn nulls_in_every_key_are_counted_by_column() {
    let mut random = Random(8);
    let mut rows = clean(&mut random);
    let config = config(&rows);
    rows[3].day = None;
    rows[8].country = None;
    rows[11].system = None;
    rows[11].name = None;
    let results = results(&config, &rows);
    let outcome = results.get(CheckId::KeyNulls).unwrap();
    let share = 100.0 / rows.len() as f64;
    assert_eq!(
        outcome.note,
        format!(
            "start_date 1, country 1, os_name 1, name 1; {share:.1} % of the rows have no country and are dropped; \
             null = \"unknown\" in [dimensions.country] keeps them"
        )
    );
    assert_eq!(outcome.status, Status::Fail);
    let places: Vec<Option<u64>> = outcome.offenders.iter().map(|o| o.row).collect();
    assert_eq!((outcome.observed, places), (Some(4.0), vec![Some(3), Some(8), Some(11), Some(11)]));
}

#[test]
fn rows_are_named_in_their_files_and_the_first_ten_at_most() {
    let mut random = Random(9);
    let rows = clean(&mut random);
    let config = config(&rows);
    let mut late = rows.clone();
    late.iter_mut().skip(100).take(30).for_each(|r| r.value = Some(-1.0));
    let layout = Layout { group: 64, dictionary: true, page: 10 };
    let results = check(&config, &[file("x.parquet", &rows, layout), file("y.parquet", &late, layout)]);
    let negative = results.get(CheckId::ValueNegative).unwrap();
    assert_eq!(negative.observed, Some(30.0));
    let places: Vec<_> = negative.offenders.iter().map(|o| (o.file.as_deref(), o.row)).collect();
    assert_eq!(places, (100..110).map(|row| (Some("y.parquet"), Some(row))).collect::<Vec<_>>());
    // Every row of the second file repeats one of the first.
    let duplicates = results.get(CheckId::DuplicateRows).unwrap();
    assert_eq!(duplicates.observed, Some(rows.len() as f64));
    let first = &duplicates.offenders[0];
    assert_eq!((first.file.as_deref(), first.row), (Some("y.parquet"), Some(0)));
}

#[test]
fn without_a_column_or_its_type_nothing_runs() {
    let mut random = Random(10);
    let rows = clean(&mut random);
    let config = config(&rows);
    let cases = [
        ("value", "installs"),
        ("country", "land"),
        ("value", "name"),
        ("os_name", "value"),
        ("start_date", "value"),
        ("year_week", "has_subtrackers"),
    ];
    for (role, column) in cases {
        let mut job = Job::default();
        job.set_column(role, column).unwrap();
        let inputs = [file("x.parquet", &rows, EXPORT)];
        let error = check_rows(&job, &config, &inputs, &NoProgress).map(|_| ()).unwrap_err();
        assert_eq!(error.exit_code(), 3, "{:?}: {error}", job.columns());
        assert!(error.to_string().starts_with("x.parquet"), "{error}");
    }
}

#[test]
fn files_of_a_cube_may_lack_labels_and_systems() {
    let mut random = Random(12);
    let rows = clean(&mut random);
    let config = config(&rows);
    let mut job = Job::default();
    job.set_column("year_week", "no_label").unwrap();
    let inputs = [file("x.parquet", &rows, EXPORT)];
    let (results, raw) = check_rows(&job, &config, &inputs, &NoProgress).unwrap();
    assert!(raw.general.is_some() && raw.cube.is_none() && !raw.shape.is_cube());
    assert_eq!(results.get(CheckId::Columns).unwrap().status, Status::Pass);
    assert_eq!(results.get(CheckId::LabelDate).unwrap().observed, Some(0.0));
    let (_, raw) = check_rows(&Job::default(), &config, &inputs, &NoProgress).unwrap();
    assert!(raw.general.is_none() && raw.cube.is_some() && raw.shape.is_cube());
}

#[test]
fn the_bounds_of_a_file_decide() {
    let mut random = Random(11);
    let mut rows = clean(&mut random);
    rows[5].week = Some("2020_5".into());
    let check = |text: &str| {
        let config = Config::parse(text, "mine.toml").unwrap();
        let input = file("x.parquet", &rows, Layout { group: 64, dictionary: true, page: 10 });
        let results = check_rows(&Job::default(), &config, &[input], &NoProgress).unwrap().0;
        let outcome = results.get(CheckId::LabelForm).unwrap().clone();
        (outcome.status, outcome.bounds.origin)
    };
    assert_eq!(check(""), (Status::Fail, "default".into()));
    assert_eq!(check("[checks.label_form]\nseverity = 'warn'"), (Status::Warn, "mine.toml".into()));
    assert_eq!(check("[checks.label_form]\nseverity = 'off'"), (Status::NotRun, "mine.toml".into()));
    assert_eq!(check("[checks.label_form]\nblock = { fraction = 0.01 }").0, Status::Warn);
    assert_eq!(check("[checks.label_form]\nwarn = { count = 1 }\nblock = { count = 1 }").0, Status::Pass);
}
