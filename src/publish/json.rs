//! JSON lines: one object a row.

use std::io::{self, Write};

use crate::table::cell::iso_date;
use crate::table::{Cell, Table};

/// Writes one object a line. Nulls are `null`; NaN and infinities, which JSON numbers cannot express,
/// are strings, as Spark writes them.
pub fn write(table: &Table, out: &mut dyn Write) -> io::Result<()> {
    for row in 0..table.rows() {
        for (index, (column, cell)) in table.columns.iter().zip(table.row(row)).enumerate() {
            out.write_all(if index == 0 { b"{" } else { b"," })?;
            serde_json::to_writer(&mut *out, &column.name)?;
            out.write_all(b":")?;
            match cell {
                Cell::Null => out.write_all(b"null")?,
                Cell::Int(value) => write!(out, "{value}")?,
                Cell::Date(day) => write!(out, "\"{}\"", iso_date(day))?,
                Cell::Text(value) => serde_json::to_writer(&mut *out, value)?,
                Cell::Float(value) if value.is_nan() => out.write_all(b"\"NaN\"")?,
                Cell::Float(f64::INFINITY) => out.write_all(b"\"Infinity\"")?,
                Cell::Float(f64::NEG_INFINITY) => out.write_all(b"\"-Infinity\"")?,
                Cell::Float(value) => write!(out, "{value:?}")?,
            }
        }
        out.write_all(b"}\n")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn every_type() {
        let mut out = Vec::new();
        write(&crate::publish::tests::table(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let mut lines = text.lines();
        assert_eq!(
            lines.next(),
            Some(r#"{"year":2020,"date":"2021-01-01","country":"FR","share_organic_p4w":null}"#)
        );
        assert_eq!(lines.next(), Some(r#"{"year":2021,"date":null,"country":"","share_organic_p4w":1.0}"#));
        let last: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
        assert_eq!(last["country"], "a,\"b\"\nÉ");
        assert_eq!(last["share_organic_p4w"], 0.1 + 0.2);
        assert_eq!(lines.next(), None);
    }
}
