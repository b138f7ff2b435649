//! Compares the result of a scan with that of the oracle.
#![allow(dead_code)] // each test program uses its part

use rollshare::Job;
use rollshare::internals::grid::Partial;
use rollshare::internals::table::{self, ColumnData, Table};

use super::expected;
use super::oracle::{self, Account, Ask, Line, Record, Row};

/// The first difference from the oracle's table and account of `rows`; `None` where they are equal.
pub fn difference(partial: &Partial, rows: &[Row]) -> Option<String> {
    of(&Job::default(), partial, oracle::iso(rows))
}

/// As [`difference`], for a job and its question.
pub fn of_profile(job: &Job, ask: &Ask, partial: &Partial, rows: &[Record]) -> Option<String> {
    of(job, partial, ask.answer(rows))
}

fn of(job: &Job, partial: &Partial, (want, want_account): (Vec<Line>, Account)) -> Option<String> {
    let got = lines(&table::finish(job, partial).unwrap());
    for (at, (got, want)) in got.iter().zip(&want).enumerate() {
        if got.0 != want.0 || !expected::same(got.1, want.1) {
            return Some(format!("row {at} is {got:?} instead of {want:?}"));
        }
    }
    if got.len() != want.len() {
        return Some(format!("{} rows instead of {}", got.len(), want.len()));
    }
    let account = &partial.chosen().account;
    let reasons = account.reasons().into_iter().map(|(name, _, rows, _)| (name, rows));
    let account: Account = reasons.filter(|(_, rows)| *rows > 0).chain([("rows", account.rows)]).collect();
    (account != want_account).then(|| format!("{account:?} instead of {want_account:?}"))
}

/// The rows of a table with one window.
fn lines(table: &Table) -> Vec<Line> {
    let Some((share, key)) = table.columns.split_last() else { panic!("a table without columns") };
    let ColumnData::Float64(shares) = &share.data else { panic!("{} is no share", share.name) };
    let cell = |data: &ColumnData, row: usize| match data {
        ColumnData::Int32(numbers) => numbers[row].unwrap().to_string(),
        ColumnData::Date32(days) => jiff::civil::date(1970, 1, 1)
            .saturating_add(jiff::Span::new().days(days[row].unwrap()))
            .to_string(),
        ColumnData::Utf8 { indices, dictionary } => dictionary[indices[row] as usize].to_string(),
        other => panic!("{other:?} in a key"),
    };
    let line = |row| (key.iter().map(|column| cell(&column.data, row)).collect(), shares[row]);
    (0..table.rows()).map(line).collect()
}
