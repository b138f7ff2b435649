//! A part of a table for readers: the rows of some members, and of the last periods.
//!
//! A view is taken of a finished table. What is computed and checked is always the whole.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::str::FromStr;
use std::sync::Arc;

use super::{Cell, Column, ColumnData, Table};
use crate::escape;
use crate::nearest::nearest;
use crate::report::words::{count, number};
use crate::{Error, Result};

/// The members that an error lists.
const LISTED: usize = 20;

/// The rows of a table that are shown or written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// Members to keep, by column of the key. A row has to be kept in all columns.
    pub only: Vec<Only>,
    /// How many of the last periods to keep; `None` for all.
    pub last: Option<usize>,
}

/// The members of a column that are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Only {
    /// A column of the key.
    pub column: String,
    /// Members.
    pub members: Vec<String>,
    /// Whether an entry of `members` that is no member is a list with commas.
    pub may_be_lists: bool,
}

impl FromStr for Only {
    type Err = String;

    /// Parses `COLUMN=MEMBER,MEMBER`.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.split_once('=') {
            Some((column, members)) if !column.is_empty() && !members.is_empty() => {
                Ok(Only { column: column.into(), members: vec![members.into()], may_be_lists: true })
            }
            _ => Err("expected COLUMN=MEMBER,..., e.g. country=GB,FR".into()),
        }
    }
}

impl View {
    /// Whether it keeps every row.
    pub fn is_whole(&self) -> bool {
        self.only.is_empty() && self.last.is_none()
    }

    /// Fails if a column is none of `columns`, those of the key.
    ///
    /// # Errors
    /// `Argument` with the column that may be meant.
    pub fn check(&self, columns: &[&str]) -> Result<()> {
        let Some(only) = self.only.iter().find(|only| !columns.contains(&only.column.as_str())) else {
            return Ok(());
        };
        let error = Error::argument(format!("'{}' is not a column of the key", only.column));
        if columns.is_empty() {
            return Err(error.expected("a table with a key: this one is of the world alone"));
        }
        let error = error.expected(format!("one of {}", columns.join(", ")));
        Err(match nearest(&only.column, columns) {
            Some(near) => error.advice(format!("Did you mean {near}?")),
            None => error,
        })
    }

    /// The rows of `table` that it keeps.
    ///
    /// # Errors
    /// `Argument` for a column that is not of the key, and for a member that the table does not have.
    pub fn of<'t>(&self, table: &'t Table) -> Result<Cow<'t, Table>> {
        if self.is_whole() {
            return Ok(Cow::Borrowed(table));
        }
        let keys = table.key_columns();
        self.check(&keys.iter().map(|column| column.name.as_str()).collect::<Vec<_>>())?;
        // Several conditions on a column are joined by "or".
        let mut wanted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for only in &self.only {
            let column = keys.iter().find(|column| column.name == only.column);
            let members = column.map_or_else(|| Ok(Vec::new()), |column| only.resolve(column))?;
            wanted.entry(&only.column).or_default().extend(members);
        }
        let conditions: Vec<(&Column, BTreeSet<&str>)> = (keys.iter())
            .filter_map(|column| Some((*column, wanted.remove(column.name.as_str())?)))
            .collect();
        let first = self.last.and_then(|last| first_of_last(table, last));
        let is_kept = |row: &usize| {
            let of_member = |(column, members): &(&Column, BTreeSet<&str>)| match column.data.cell(*row) {
                Cell::Text(member) => members.contains(member),
                _ => false,
            };
            conditions.iter().all(of_member)
                && (self.last.is_none() || first.is_some() && period(table, *row) >= first)
        };
        let rows: Vec<usize> = (0..table.rows()).filter(is_kept).collect();
        Ok(Cow::Owned(table.select(&rows)))
    }

    /// What it keeps, in words: `country GB, FR; the last 8 weeks`. `step` is the noun of a period.
    pub fn describe(&self, step: &str) -> String {
        let only = self.only.iter().map(|only| format!("{} {}", only.column, only.members.join(", ")));
        let last = self.last.map(|last| match last {
            1 => format!("the last {step}"),
            last => format!("the last {}", count(last as u64, step)),
        });
        only.chain(last).collect::<Vec<_>>().join("; ")
    }
}

impl Only {
    /// The members of a column that are meant.
    fn resolve<'o>(&'o self, column: &Column) -> Result<Vec<&'o str>> {
        let ColumnData::Utf8 { dictionary, .. } = &column.data else { return Ok(Vec::new()) };
        let members: BTreeSet<&str> = dictionary.iter().map(|member| &**member).collect();
        let mut found = Vec::new();
        for text in &self.members {
            // A member may have a comma.
            let names: Vec<&str> = match self.may_be_lists && !members.contains(text.as_str()) {
                true => text.split(',').map(str::trim).collect(),
                false => vec![text],
            };
            for name in names {
                if !members.contains(name) {
                    return Err(no_member(&self.column, name, &members));
                }
                found.push(name);
            }
        }
        Ok(found)
    }
}

/// The error for a member that a table does not have.
fn no_member(column: &str, name: &str, members: &BTreeSet<&str>) -> Error {
    let error = Error::argument(format!("no {column} '{name}' in the table"));
    let listed: Vec<Cow<'_, str>> = members.iter().take(LISTED).map(|member| escape::name(member)).collect();
    let more = match members.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(" and {} more", number(more as u64)),
    };
    let all: Vec<&str> = members.iter().copied().collect();
    let error =
        error.expected(format!("{}: {}{more}", count(members.len() as u64, "member"), listed.join(", ")));
    match nearest(name, &all).filter(|near| near.eq_ignore_ascii_case(name) || name.chars().count() > 3) {
        Some(near) => error.advice(format!("Did you mean {near}?")),
        None => error,
    }
}

/// The first of the last periods of a table; `None` without any.
fn first_of_last(table: &Table, last: usize) -> Option<(i32, i32)> {
    let periods: BTreeSet<(i32, i32)> = (0..table.rows()).filter_map(|row| period(table, row)).collect();
    periods.iter().nth_back(last.saturating_sub(1)).or(periods.first()).copied()
}

/// The period of a row, in the order of time.
fn period(table: &Table, row: usize) -> Option<(i32, i32)> {
    let cell = |name| match table.column(name).map(|column| column.data.cell(row)) {
        Some(Cell::Int(number) | Cell::Date(number)) => Some(number),
        _ => None,
    };
    match cell("date") {
        Some(day) => Some((day, 0)),
        None => cell("year").zip(cell("week").or_else(|| cell("month"))),
    }
}

impl Table {
    /// Some rows of the table, in their order. Dictionaries have only the members of these rows.
    pub fn select(&self, rows: &[usize]) -> Table {
        fn some<T: Copy>(values: &[Option<T>], rows: &[usize]) -> Vec<Option<T>> {
            rows.iter().map(|row| values.get(*row).copied().flatten()).collect()
        }
        let of = |data: &ColumnData| match data {
            ColumnData::Int32(values) => ColumnData::Int32(some(values, rows)),
            ColumnData::Date32(values) => ColumnData::Date32(some(values, rows)),
            ColumnData::Float64(values) => ColumnData::Float64(some(values, rows)),
            ColumnData::Utf8 { indices, dictionary } => {
                let mut used: Vec<Arc<str>> = Vec::new();
                let mut ids: HashMap<u32, u32> = HashMap::new();
                let mut id = |index: u32| {
                    *ids.entry(index).or_insert_with(|| {
                        let member = dictionary.get(index as usize).cloned();
                        used.push(member.unwrap_or_else(|| "".into()));
                        #[allow(clippy::cast_possible_truncation)] // no more than there are indices
                        let new = used.len() as u32 - 1;
                        new
                    })
                };
                let indices = rows.iter().filter_map(|row| Some(id(indices.get(*row).copied()?))).collect();
                ColumnData::Utf8 { indices, dictionary: used }
            }
        };
        let column = |column: &Column| Column { name: column.name.clone(), data: of(&column.data) };
        Table { columns: self.columns.iter().map(column).collect() }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Two countries and `Korea, Republic of`, each with the weeks 52 and 53 of 2020 and 1 of 2021.
    fn table() -> Table {
        let column = |name: &str, data| Column { name: name.into(), data };
        let repeat = |values: [i32; 3]| ColumnData::Int32(values.map(Some).repeat(3));
        Table {
            columns: vec![
                column("year", repeat([2020, 2020, 2021])),
                column("week", repeat([52, 53, 1])),
                column(
                    "country",
                    ColumnData::Utf8 {
                        indices: vec![0, 0, 0, 1, 1, 1, 2, 2, 2],
                        dictionary: vec!["FR".into(), "GB".into(), "Korea, Republic of".into()],
                    },
                ),
                column(
                    "share_organic_p4w",
                    ColumnData::Float64((0..9).map(|n| Some(f64::from(n))).collect()),
                ),
            ],
        }
    }

    fn view(only: &[&str], last: Option<usize>) -> View {
        View { only: only.iter().map(|text| text.parse().unwrap()).collect(), last }
    }

    fn shares(view: &View) -> Result<Vec<f64>> {
        let table = table();
        let found = view.of(&table)?;
        let ColumnData::Float64(values) = &found.column("share_organic_p4w").unwrap().data else {
            return Ok(Vec::new());
        };
        Ok(values.iter().map(|value| value.unwrap()).collect())
    }

    #[test]
    fn members_and_last_periods_are_kept() {
        assert_eq!(shares(&View::default()).unwrap().len(), 9);
        assert_eq!(shares(&view(&["country=GB,FR"], Some(1))).unwrap(), [2.0, 5.0]);
        assert_eq!(shares(&view(&["country=GB", "country=FR"], Some(2))).unwrap(), [1.0, 2.0, 4.0, 5.0]);
        // Across the new year, and more periods than there are.
        assert_eq!(shares(&view(&["country=GB"], Some(100))).unwrap(), [3.0, 4.0, 5.0]);
        assert_eq!(shares(&view(&["country=Korea, Republic of"], Some(1))).unwrap(), [8.0]);
    }

    #[test]
    fn a_dictionary_has_no_other_members() {
        let table = table();
        let found = view(&["country=GB"], None).of(&table).unwrap().into_owned();
        let ColumnData::Utf8 { indices, dictionary } = &found.column("country").unwrap().data else {
            unreachable!()
        };
        assert_eq!(
            (indices.as_slice(), dictionary.as_slice()),
            ([0, 0, 0].as_slice(), ["GB".into()].as_slice())
        );
        assert_eq!(table.select(&[]).rows(), 0);
    }

    #[test]
    fn what_the_table_does_not_have_is_an_error() {
        for (text, words) in [
            (
                "contry=GB",
                "'contry' is not a column of the key; expected one of country. Did you mean country?",
            ),
            ("country=GB,UK", "no country 'UK' in the table; expected 3 members: FR, GB, Korea, Republic of"),
            ("country=gb", "Did you mean GB?"),
        ] {
            let error = shares(&view(&[text], None)).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        assert!("country".parse::<Only>().is_err() && "=GB".parse::<Only>().is_err());
        let world = view(&["country=GB"], None).check(&[]).unwrap_err().to_string();
        assert!(world.contains("of the world alone"), "{world}");
    }

    #[test]
    fn a_view_in_words() {
        assert_eq!(view(&["country=GB,FR"], Some(8)).describe("week"), "country GB,FR; the last 8 weeks");
        assert_eq!(view(&[], Some(1)).describe("day"), "the last day");
    }
}
