//! Damages one row in a table of a million: the checks find, count and name it.
//!
//! `tests/checks.rs` damages small tables, alone and in pairs.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::super::model::Status;
use super::super::raw::tests::sample::{FIRST, LAYOUTS, Random, Row, file, week_of};
use super::super::results::check_rows;
use super::*;
use crate::scan::{NoProgress, Options, scan};
use crate::table::{ColumnData, finish};

const WEEKS: usize = 1_500;

/// A point of every country and week, users of one channel each: 1,014,000 rows of a table.
fn rows() -> Vec<Row> {
    let letters = || ('A'..='Z').map(String::from);
    let codes: Vec<&'static str> =
        letters().flat_map(|a| letters().map(move |b| &*(a.clone() + &b).leak())).collect();
    let mut random = Random(12);
    let mut rows = Vec::with_capacity(codes.len() * WEEKS);
    for day in (FIRST..).step_by(7).take(WEEKS) {
        let week = week_of(day);
        for code in &codes {
            let name = ["Organic", "TV"][random.below(2)];
            rows.push(Row {
                day: Some(day),
                week: Some(week.clone()),
                country: Some(code),
                system: Some("all"),
                name: Some(name),
                token: Some(name),
                subtrackers: Some(false),
                value: Some([10.0, 20.0, 30.0][random.below(3)]),
            });
        }
    }
    rows
}

fn ints<'t>(table: &'t mut Table, name: &str) -> &'t mut Vec<Option<i32>> {
    match &mut table.columns.iter_mut().find(|c| c.name == name).unwrap().data {
        ColumnData::Int32(ints) => ints,
        other => panic!("{other:?}"),
    }
}

fn shares(table: &mut Table) -> &mut Vec<Option<f64>> {
    match &mut table.columns.iter_mut().find(|c| c.name == "share_organic_p4w").unwrap().data {
        ColumnData::Float64(shares) => shares,
        other => panic!("{other:?}"),
    }
}

fn remove(table: &mut Table, row: usize) {
    for column in &mut table.columns {
        match &mut column.data {
            ColumnData::Int32(v) | ColumnData::Date32(v) => drop(v.remove(row)),
            ColumnData::Float64(v) => drop(v.remove(row)),
            ColumnData::Utf8 { indices, .. } => drop(indices.remove(row)),
        }
    }
}

type Damage = fn(&mut Table, &mut Partial, usize);
/// What it is, what it does to a row, and what each check that fails then observes.
type Fault<'f> = (&'f str, Damage, &'f [(CheckId, f64)]);

#[test]
fn a_fault_is_found_in_a_million_rows_of_a_table() {
    use CheckId::*;
    let job = Job::default();
    let inputs = [file("x.parquet", &rows(), LAYOUTS[0])];
    let (_, mut raw) = check_rows(&job, &Config::default(), &inputs, &NoProgress).unwrap();
    let (partial, _) = scan(&job, &inputs, &Options::default(), &NoProgress).unwrap();
    let table = finish(&job, &partial).unwrap();
    assert!(table.rows() > 1_000_000);
    let faults: [Fault<'_>; 14] = [
        ("nothing", |_, _, _| {}, &[]),
        (
            "a key twice",
            |t, _, row| {
                for name in ["year", "week"] {
                    let ints = ints(t, name);
                    ints[row] = ints[row - 1];
                }
            },
            // The share of the later row is compared with the point of both.
            &[(TableKeys, 1.0), (TableComplete, 1.0), (Reconciliation, 1.0)],
        ),
        (
            "a row without a week",
            |t, _, row| ints(t, "week")[row] = None,
            &[(TableKeys, 1.0), (TableComplete, 1.0)],
        ),
        ("a row of another year", |t, _, row| ints(t, "year")[row] = Some(1990), &[(TableComplete, 2.0)]),
        ("a row gone", |t, _, row| remove(t, row), &[(TableComplete, 1.0)]),
        ("a share past one", |t, _, row| shares(t)[row] = Some(1.0 + f64::EPSILON), &[(ShareRange, 1.0)]),
        (
            "a share below zero",
            |t, _, row| shares(t)[row] = Some(-0.1),
            &[(ShareRange, 1.0), (Reconciliation, 1.0)],
        ),
        (
            "a share that is no number",
            |t, _, row| shares(t)[row] = Some(f64::NAN),
            &[(ShareRange, 1.0), (Reconciliation, 1.0)],
        ),
        ("a share lost", |t, _, row| shares(t)[row] = None, &[(ShareRange, 1.0)]),
        (
            "a share a millionth off",
            |t, _, row| {
                let share = &mut shares(t)[row];
                *share = share.map(|s| s * (1.0 - 1e-6));
            },
            &[(Reconciliation, 1.0)],
        ),
        (
            "a user moved between the channels",
            |_, p, row| {
                p.cells[row * 2] -= 1;
                p.cells[row * 2 + 1] += 1;
            },
            // Both sums of the country, and the shares of four windows.
            &[(Reconciliation, 6.0)],
        ),
        ("a user lost", |_, p, row| p.cells[row * 2] -= 1, &[(Reconciliation, 5.0)]),
        ("a row kept twice", |_, p, _| p.account.counted += 1, &[(AccountAddsUp, 1.0)]),
        ("a row not accounted for", |_, p, _| p.account.rows += 1, &[(AccountAddsUp, 1.0)]),
    ];
    let mut random = Random(13);
    for (what, damage, expected) in faults {
        // A row with users of both kinds within its window and the three that follow, in
        // the middle of its country.
        let row = loop {
            let row = random.below(table.rows());
            let inner = (8..WEEKS - 8).contains(&(row % WEEKS));
            let ColumnData::Float64(shares) = &table.column("share_organic_p4w").unwrap().data else {
                panic!("no shares")
            };
            let both = |share: &Option<f64>| share.is_some_and(|s| s > 0.0 && s < 1.0);
            // A share that exceeds one by the smallest step must be exactly one before.
            if what == "a share past one" {
                if inner && shares[row] == Some(1.0) {
                    break row;
                }
            } else if inner && shares[row..row + 4].iter().all(both) && partial.cells[row * 2] > 1 {
                break row;
            }
        };
        let (mut table, mut partial) = (table.clone(), partial.clone());
        damage(&mut table, &mut partial, row);
        let results = check_table(&job, &Config::default(), &partial, &table, &raw);
        let failed: Vec<(CheckId, f64)> =
            results.with(Status::Fail).map(|outcome| (outcome.check, outcome.observed.unwrap())).collect();
        assert_eq!(failed, expected, "{what}");
        // The violation names the point, or the country of a sum.
        let point = partial.groups[row / WEEKS].to_string();
        for (id, _) in expected.iter().filter(|(id, _)| *id != AccountAddsUp) {
            let named = &results.get(*id).unwrap().offenders[0].value;
            assert!(named.starts_with(&point) || named.contains(&format!("row {row} ")), "{what}: {named}");
        }
    }
    // The last day of the last week: its Monday is there, and makes it partial.
    let config = Config::parse("partial_last_week = 'fail'", "x").unwrap();
    let last_week =
        |raw: &Raw| check_table(&job, &config, &partial, &table, raw).get(LastWeek).unwrap().status;
    assert_eq!(last_week(&raw), Status::Fail);
    let days = &mut raw.cube.as_mut().unwrap().days;
    days.push(days.last().unwrap() + 6);
    assert_eq!(last_week(&raw), Status::Pass);
}
