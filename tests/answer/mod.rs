//! Compares the result of a scan with that of the oracle.

use rollshare::Job;
use rollshare::internals::grid::{Account, Partial};
use rollshare::internals::table;

use super::expected;
use super::oracle::{self, Row};

fn account(a: &Account) -> oracle::Account {
    oracle::Account {
        rows: a.rows,
        not_total_row: a.not_total_row,
        null_member: a.null_member,
        total_row: a.total_row,
        null_channel: a.null_channel,
        null_value: a.null_value,
        nan_value: a.nan_value,
        infinite_value: a.infinite_value,
        counted: a.counted,
    }
}

/// The first difference from the oracle's table and account of `rows`; `None` where they are equal.
pub fn difference(partial: &Partial, rows: &[Row]) -> Option<String> {
    let (want, want_account) = oracle::iso(rows);
    let got = expected::rows(&table::finish(&Job::default(), partial).unwrap());
    let want: Vec<_> = want
        .into_iter()
        .map(|(year, week, country, share)| expected::Row {
            year: Some(year),
            week: Some(week),
            country: Some(country),
            share,
        })
        .collect();
    let got_account = account(&partial.account);
    expected::difference(&got, &want).or_else(|| {
        (got_account != want_account).then(|| format!("{got_account:?} instead of {want_account:?}"))
    })
}
