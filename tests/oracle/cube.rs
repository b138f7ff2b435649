//! Rows of the default profile's cube.

use std::collections::BTreeMap;

use super::{Account, Ask, Dimension, Line, Record, Value, When};

#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub name: Option<String>,
    pub value: Value,
    pub year_week: Option<String>,
    pub country: Option<String>,
    pub os_name: Option<String>,
}

impl Row {
    fn record(&self) -> Record {
        let cells = [("name", &self.name), ("country", &self.country), ("os_name", &self.os_name)];
        let cells = cells.into_iter().filter_map(|(column, cell)| Some((column, cell.clone()?))).collect();
        let week = self.year_week.as_ref().map(|label| {
            let (year, week) = label.split_once('_').unwrap();
            When::Week(year.parse().unwrap(), week.parse().unwrap())
        });
        Record { cells, when: week, users: self.value }
    }
}

/// The shares by country over four weeks, and the account.
pub fn iso(rows: &[Row]) -> (Vec<Line>, Account) {
    let dimension = |total: &str| Dimension { total: Some(total.into()), ..Dimension::default() };
    let ask = Ask::organic_by_week(
        BTreeMap::from([("country", dimension("ALL")), ("os_name", dimension("all"))]),
        vec!["country"],
    );
    ask.answer(&rows.iter().map(Row::record).collect::<Vec<_>>())
}
