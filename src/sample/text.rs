//! Writes a sample as CSV: in the order of its rows, quoted where needed.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use rayon::prelude::*;

use super::table::{Column, Kind, Table};
use super::{BATCH, Written};
use crate::calendar::{Date, date_of};
use crate::scan::Progress;
use crate::{Error, Result};

/// Rows that one thread writes at once.
const PART: usize = 1 << 14;

/// Whether a sample is written as text.
pub(super) fn is_text(out: &Path) -> bool {
    out.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"))
}

/// Writes the rows in `order`.
pub(super) fn write<C: Column>(
    table: &C::Table,
    columns: &[C],
    path: &Path,
    order: &(dyn Fn(u64) -> u64 + Sync),
    progress: &dyn Progress,
) -> Result<Written> {
    let fail = |e| Error::io(format!("cannot write {}", path.display()), e);
    let mut out = BufWriter::new(File::create(path).map_err(fail)?);
    let names: Vec<&str> = columns.iter().map(|column| column.field().name).collect();
    let header = format!("{}\n", names.join(","));
    out.write_all(header.as_bytes()).map_err(fail)?;
    let (mut next, mut bytes) = (0, header.len() as u64);
    while next < table.rows() {
        if progress.interrupted() {
            return Err(Error::Interrupted);
        }
        let end = (next + BATCH).min(table.rows());
        let starts: Vec<u64> = (next..end).step_by(PART).collect();
        let part = |start: &u64| {
            let (mut text, mut value) = (Vec::new(), Vec::new());
            for at in *start..(*start + PART as u64).min(end) {
                let row = table.row(order(at));
                for (column, is_first) in
                    columns.iter().zip(std::iter::once(true).chain(std::iter::repeat(false)))
                {
                    if !is_first {
                        text.push(b',');
                    }
                    if let Some(code) = column.code(table, &row) {
                        value.clear();
                        column.put(table, code, &mut value);
                        put(column.field().kind, &value, &mut text);
                    }
                }
                text.push(b'\n');
            }
            text
        };
        let parts: Vec<Vec<u8>> = starts.par_iter().map(part).collect();
        for part in parts {
            out.write_all(&part).map_err(fail)?;
            bytes += part.len() as u64;
        }
        progress.advance(end - next);
        next = end;
    }
    out.flush().map_err(fail)?;
    Ok(Written { rows: table.rows(), files: 1, bytes })
}

/// Appends a value, which is PLAIN, as text.
fn put(kind: Kind, value: &[u8], out: &mut Vec<u8>) {
    let int32 = || value.first_chunk().map_or(0, |bytes| i32::from_le_bytes(*bytes));
    let int64 = || value.first_chunk().map_or(0, |bytes| i64::from_le_bytes(*bytes));
    let date = |day: i32| {
        let Date { year, month, day } = date_of(day);
        format!("{year:04}-{month:02}-{day:02}")
    };
    let text = match kind {
        Kind::Text => {
            let text = value.get(4..).unwrap_or_default();
            if text.iter().any(|byte| b",\"\r\n".contains(byte)) {
                out.push(b'"');
                text.iter()
                    .for_each(|byte| out.extend(std::iter::repeat_n(*byte, 1 + usize::from(*byte == b'"'))));
                out.push(b'"');
            } else {
                out.extend_from_slice(text);
            }
            return;
        }
        Kind::Boolean => (value == [1]).to_string(),
        Kind::Date => date(int32()),
        Kind::Float => value.first_chunk().map_or(0.0, |bytes| f32::from_le_bytes(*bytes)).to_string(),
        Kind::Int64 => int64().to_string(),
        Kind::Instant => {
            let (seconds, micros) = (int64().div_euclid(1_000_000), int64().rem_euclid(1_000_000));
            stamp(&date, seconds, micros, "Z")
        }
        Kind::Int96 => {
            const JULIAN_DAY_OF_EPOCH: i64 = 2_440_588;
            let days = value.last_chunk().map_or(0, |bytes| i64::from(i32::from_le_bytes(*bytes)));
            let nanos = int64();
            let seconds = (days - JULIAN_DAY_OF_EPOCH) * 86_400 + nanos / 1_000_000_000;
            stamp(&date, seconds, nanos % 1_000_000_000 / 1_000, "")
        }
    };
    out.extend_from_slice(text.as_bytes());
}

fn stamp(date: &dyn Fn(i32) -> String, seconds: i64, micros: i64, offset: &str) -> String {
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let day = date(i32::try_from(day).unwrap_or_default());
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{day} {hour:02}:{minute:02}:{second:02}.{micros:06}{offset}")
}
