//! File and row of the first violations; runs only where a check has found violations.

use super::counts::{each_pair, number, with_cursor};
use super::passes::Passes;
use super::tally::Place;
use super::{RowRange, in_row_range};
use crate::Result;
use crate::checks::model::VIOLATIONS;
use crate::dataset::{OpenFile, Role};
use crate::ids::cursor::BlockKind;
use crate::ids::values::Number;
use crate::scan::by_row::number_of;

/// Rows decoded at once.
const BLOCK: u32 = 2048;

/// The first rows whose value in `role` violates a rule: `bad` returns a description.
pub fn rows(
    passes: &Passes<'_>,
    files: &[OpenFile<'_>],
    row_ranges: &[RowRange],
    role: Role,
    bad: impl Fn(&OpenFile<'_>, Option<&[u8]>) -> Option<String>,
) -> Result<Vec<Place>> {
    search(passes, files, row_ranges, |file, row_range, found| {
        with_cursor(&file.columns_of(row_range.row_group, &[role])?, row_range, role, false, |cursor| {
            let (mut block, mut violations) = (vec![0u32; BLOCK as usize], Vec::new());
            let mut at = row_range.rows.start;
            while at < row_range.rows.end && found.len() < VIOLATIONS {
                let most = u32::try_from(row_range.rows.end - at).unwrap_or(BLOCK).min(BLOCK);
                let take = cursor.rows_in_page(most)?;
                #[allow(clippy::indexing_slicing)] // at most BLOCK
                let out = &mut block[..take as usize];
                cursor.read_ids32(out)?;
                for value_id in violations.len()..cursor.entries.id_count() as usize {
                    let value =
                        u32::try_from(value_id).ok().and_then(|value_id| cursor.entries.get(value_id));
                    violations.push(bad(file, value));
                }
                for (value_id, row) in out.iter().zip(at..) {
                    if let Some(Some(value)) = violations.get(*value_id as usize) {
                        found.push(row_range.place(row, value.clone()));
                    }
                }
                at += u64::from(take);
            }
            Ok(())
        })
        .map(|_| ())
    })
}

/// The first rows for whose number `bad` returns true.
pub fn numbers(
    passes: &Passes<'_>,
    files: &[OpenFile<'_>],
    row_ranges: &[RowRange],
    bad: impl Fn(&OpenFile<'_>, Number) -> bool,
) -> Result<Vec<Place>> {
    search(passes, files, row_ranges, |file, row_range, found| {
        with_cursor(
            &file.columns_of(row_range.row_group, &[Role::Value])?,
            row_range,
            Role::Value,
            true,
            |cursor| {
                let mut value_ids = vec![0u32; BLOCK as usize];
                let mut bits = vec![None; BLOCK as usize];
                let mut at = row_range.rows.start;
                while at < row_range.rows.end && found.len() < VIOLATIONS {
                    let most = u32::try_from(row_range.rows.end - at).unwrap_or(BLOCK).min(BLOCK);
                    let load_page = cursor.load_page()?;
                    let take = cursor.rows_in_page(most)?;
                    #[allow(clippy::indexing_slicing)] // at most BLOCK
                    let (value_ids, bits) = (&mut value_ids[..take as usize], &mut bits[..take as usize]);
                    if load_page == BlockKind::Numbers {
                        cursor.read_bits(bits)?;
                    } else {
                        cursor.read_ids32(value_ids)?;
                    }
                    for ((value_id, bits), row) in value_ids.iter().zip(bits).zip(at..) {
                        let number = match load_page {
                            BlockKind::Numbers => bits
                                .map_or(Number::Null, |b| number_of(file.value_type, file.value_physical, b)),
                            _ => number(file, cursor, *value_id)?,
                        };
                        if bad(file, number) {
                            found.push(row_range.place(row, show(number, super::counts::unit(file))));
                        }
                    }
                    at += u64::from(take);
                }
                Ok(())
            },
        )
        .map(|_| ())
    })
}

/// The first rows whose label and date violate a rule.
pub fn weeks(
    passes: &Passes<'_>,
    files: &[OpenFile<'_>],
    row_ranges: &[RowRange],
    bad: impl Fn(&OpenFile<'_>, Option<&[u8]>, Option<&[u8]>) -> Option<String>,
) -> Result<Vec<Place>> {
    search(passes, files, row_ranges, |file, row_range, found| {
        let rows = row_range.rows.end - row_range.rows.start;
        let columns = file.columns_of(row_range.row_group, &[Role::Label, Role::Date])?;
        with_cursor(&columns, row_range, Role::Label, false, |labels| {
            with_cursor(&columns, row_range, Role::Date, false, |dates| {
                let mut at = row_range.rows.start;
                let mut last = None;
                each_pair(labels, dates, rows, |labels, dates, a, b, rows| {
                    if rows > 0 {
                        if last.as_ref().is_none_or(|(pair, _)| *pair != (a, b)) {
                            let value = bad(file, labels.entries.get(a), dates.entries.get(b));
                            last = Some(((a, b), value));
                        }
                        if let Some((_, Some(value))) = &last {
                            let room = VIOLATIONS.saturating_sub(found.len());
                            for row in (at..at + u64::from(rows)).take(room) {
                                found.push(row_range.place(row, value.clone()));
                            }
                        }
                        at += u64::from(rows);
                    }
                    Ok(found.len() < VIOLATIONS)
                })
            })
        })
        .map(|_| ())
    })
}

fn search(
    passes: &Passes<'_>,
    files: &[OpenFile<'_>],
    row_ranges: &[RowRange],
    inspect: impl Fn(&OpenFile<'_>, &RowRange, &mut Vec<Place>) -> Result<()>,
) -> Result<Vec<Place>> {
    let mut found = Vec::new();
    for row_range in row_ranges {
        passes.check_interrupted()?;
        if let Some(file) = files.get(row_range.file) {
            inspect(file, row_range, &mut found).map_err(|e| in_row_range(e, files, row_range))?;
        }
        if found.len() >= VIOLATIONS {
            break;
        }
    }
    found.truncate(VIOLATIONS);
    Ok(found)
}

/// A number for display; `unit` is 10^scale of a decimal.
#[allow(clippy::cast_precision_loss)] // for display
fn show(number: Number, unit: i128) -> String {
    match number {
        Number::Small(v) if unit != 1 => format!("{}", v as f64 / unit as f64),
        Number::Small(v) => v.to_string(),
        Number::Big(v) if unit != 1 => format!("{}", v as f64 / unit as f64),
        Number::Big(v) => v.to_string(),
        Number::Real(v) => v.to_string(),
        Number::Nan => "NaN".into(),
        Number::Infinite(negative) => if negative { "-inf" } else { "inf" }.into(),
        Number::Null => "null".into(),
    }
}

/// A stored name for display.
pub fn name(raw: Option<&[u8]>) -> String {
    raw.map_or("null".into(), |raw| format!("'{}'", String::from_utf8_lossy(raw)))
}
