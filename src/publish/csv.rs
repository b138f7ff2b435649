//! CSV by RFC 4180, with line feeds; on demand with names that no spreadsheet takes for a formula.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::Arc;

use crate::table::cell::iso_date;
use crate::table::{Cell, Column, ColumnData, Table};

/// Writes a header and one line a row. Null is an empty field, the empty string is `""`, and a double
/// is the shortest decimal that parses to the same double.
pub fn write(table: &Table, out: &mut dyn Write) -> io::Result<()> {
    for (index, column) in table.columns.iter().enumerate() {
        write_separator(index, out)?;
        write_text(&column.name, out)?;
    }
    out.write_all(b"\n")?;
    for row in 0..table.rows() {
        for (index, cell) in table.row(row).enumerate() {
            write_separator(index, out)?;
            match cell {
                Cell::Null => {}
                Cell::Int(value) => write!(out, "{value}")?,
                Cell::Date(day) => out.write_all(iso_date(day).as_bytes())?,
                Cell::Text(value) => write_text(value, out)?,
                // Debug, not Display: `1.0` stays a double, and 1e300 stays short.
                Cell::Float(value) => write!(out, "{value:?}")?,
            }
        }
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// The table with an apostrophe before each name, in the header or a cell, that a spreadsheet would take for a formula:
/// one that begins with `=`, `+`, `-`, `@` or a control character, such as a tab. Numbers stay numbers.
pub fn with_safe_names(table: &Table) -> Table {
    let is_formula =
        |name: &str| name.starts_with(|first: char| "=+-@".contains(first) || first.is_control());
    let safe = |name: &str| if is_formula(name) { format!("'{name}") } else { name.to_owned() };
    let column = |column: &Column| Column {
        name: safe(&column.name),
        data: match &column.data {
            ColumnData::Utf8 { indices, dictionary } => ColumnData::Utf8 {
                indices: indices.clone(),
                dictionary: dictionary.iter().map(|name| Arc::from(safe(name))).collect(),
            },
            data => data.clone(),
        },
    };
    Table { columns: table.columns.iter().map(column).collect() }
}

fn write_separator(index: usize, out: &mut dyn Write) -> io::Result<()> {
    if index > 0 { out.write_all(b",") } else { Ok(()) }
}

fn write_text(value: &str, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(field(value).as_bytes())
}

/// A text as a field: in quotes where it needs them.
pub fn field(value: &str) -> Cow<'_, str> {
    // Leading and trailing spaces are quoted too: some readers trim bare fields.
    let bare = !value.is_empty()
        && !value.contains(['"', ',', '\n', '\r'])
        && !value.starts_with(char::is_whitespace)
        && !value.ends_with(char::is_whitespace);
    if bare { value.into() } else { format!("\"{}\"", value.replace('"', "\"\"")).into() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_type() {
        let mut out = Vec::new();
        write(&crate::publish::tests::table(), &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "year,date,country,share_organic_p4w\n\
             2020,2021-01-01,FR,\n\
             2021,,\"\",1.0\n\
             ,1969-12-31,\"a,\"\"b\"\"\nÉ\",0.30000000000000004\n"
        );
    }

    #[test]
    fn names_that_would_be_formulas_get_an_apostrophe() {
        let names = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\0=1", "a=1", "'=1", "", "\"=1"];
        let text = ColumnData::Utf8 {
            indices: (0..).take(names.len()).collect(),
            dictionary: names.map(Arc::from).to_vec(),
        };
        let numbers = ColumnData::Float64(vec![Some(-0.5); names.len()]);
        let column = |name: &str, data| Column { name: name.into(), data };
        let table = Table { columns: vec![column("=country", text), column("share", numbers)] };
        let written = |table: &Table| {
            let mut out = Vec::new();
            write(table, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let (plain, safe) = (written(&table), written(&with_safe_names(&table)));
        assert!(plain.starts_with("=country,share\n=1+1,-0.5\n+1,-0.5\n"), "{plain}");
        assert_eq!(
            safe,
            "'=country,share\n'=1+1,-0.5\n'+1,-0.5\n'-1,-0.5\n'@SUM(A1),-0.5\n'\t=1,-0.5\n\"'\r=1\",-0.5\n\
             '\0=1,-0.5\na=1,-0.5\n'=1,-0.5\n\"\",-0.5\n\"\"\"=1\",-0.5\n"
        );
    }

    #[test]
    fn doubles_read_back_bit_for_bit() {
        let values = [0.0, 1.0, f64::NAN, 1e300, 5e-324, 0.1, 2.0 / 3.0, f64::NEG_INFINITY];
        let data = ColumnData::Float64(values.iter().copied().map(Some).collect());
        let mut out = Vec::new();
        write(&Table { columns: vec![Column { name: "x".into(), data }] }, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("x\n0.0\n1.0\nNaN\n1e300\n"), "{text}");
        let back: Vec<u64> = text.lines().skip(1).map(|l| l.parse::<f64>().unwrap().to_bits()).collect();
        assert_eq!(back, values.map(f64::to_bits));
    }
}
