//! Reads the output of the old job: parquet with `year`, `week`, `country` and a share.

use std::sync::Arc;

use crate::dataset::column::{ColumnLocation, check_string, find, leaf_of};
use crate::ids::column::{Chunk, Column};
use crate::ids::cursor::Cursor;
use crate::ids::values::{Number, ValueType};
use crate::parquet::{FileMeta, Leaf, footer};
use crate::storage::{Input, discover};
use crate::{Error, Job, Result, Semantics};

/// A row of the old output.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedRow {
    /// Year; null where the old job could not parse the label.
    pub year: Option<i32>,
    /// Week; null as above.
    pub week: Option<i32>,
    /// Country; empty for null.
    pub country: Arc<str>,
    /// Share; null where there were no users. NaN is kept.
    pub share: Option<f64>,
}

/// The most rows: a share table cannot have more.
const ROWS_MAX: u64 = crate::table::share::ROWS_MAX as u64;

/// Reads a folder or file that the old job wrote.
///
/// # Errors
/// Those of opening and reading; `Data` for a missing column or a column of a wrong type.
pub fn read(path: &str, job: &Job) -> Result<Vec<PublishedRow>> {
    let window = job.windows.first().copied().unwrap_or_default();
    let share = format!("share_organic_p{window}w");
    // Empty part files are skipped, as Spark skips them.
    let discovery = discover(&[path.to_owned()], Semantics::Legacy)?;
    let mut rows = Vec::new();
    for input in &discovery.inputs {
        let name = input.object.name();
        read_file(input, &share, &mut rows).map_err(|e| e.in_file(name))?;
    }
    Ok(rows)
}

fn read_file(input: &Input, share: &str, rows: &mut Vec<PublishedRow>) -> Result<()> {
    let meta = footer::read(input.object.as_ref())?;
    if meta.rows + rows.len() as u64 > ROWS_MAX {
        return Err(Error::too_large(format!("a published table of over {ROWS_MAX} rows"))
            .advice("--against wants the old job's output, not its input"));
    }
    let columns = [locate(input, &meta, "year")?, locate(input, &meta, "week")?];
    let (country, share) = (locate(input, &meta, "country")?, locate(input, &meta, share)?);
    check_string(country.1).map_err(|e| e.in_column("country"))?;
    for group in 0..meta.row_groups.len() {
        let [year, week] = columns;
        let numbers = |column| numbers(input, &meta, group, column);
        let (years, weeks, shares) = (numbers(year)?, numbers(week)?, numbers(share)?);
        let names = values(input, &meta, group, country, |raw| {
            String::from_utf8(raw.to_vec())
                .map(Arc::from)
                .map_err(|_| Error::data("a country that is not UTF-8"))
        })?;
        let whole = |number: Option<f64>| {
            #[allow(clippy::cast_possible_truncation)] // compared after the round trip
            number.map(|v| v as i32).filter(|v| Some(f64::from(*v)) == number)
        };
        for (((year, week), country), share) in years.into_iter().zip(weeks).zip(names).zip(shares) {
            let country = country.unwrap_or_else(|| "".into());
            rows.push(PublishedRow { year: whole(year), week: whole(week), country, share });
        }
    }
    Ok(())
}

/// The index of a column's leaf, and the leaf.
fn locate<'m>(input: &Input, meta: &'m FileMeta, column: &str) -> Result<(usize, &'m Leaf)> {
    let found = find(meta, input, column).map_err(|e| {
        e.advice("--against wants what the old job published: year, week, country and a share")
    })?;
    match (&found, leaf_of(meta, &found)) {
        (ColumnLocation::Leaf(at), Some(leaf)) => Ok((*at, leaf)),
        _ => {
            Err(Error::data(format!("'{column}' is a partition of the path"))
                .expected("a column in the file"))
        }
    }
}

fn numbers(input: &Input, meta: &FileMeta, group: usize, column: (usize, &Leaf)) -> Result<Vec<Option<f64>>> {
    let leaf = column.1;
    let kind = ValueType::of(leaf).map_err(|e| e.in_column(&leaf.name()))?;
    let values = values(input, meta, group, column, |raw| {
        #[allow(clippy::cast_precision_loss)] // years and weeks are small, shares are doubles
        Ok(match kind.number(leaf.physical, raw)? {
            Number::Small(v) => Some(v as f64),
            Number::Big(v) => Some(v as f64),
            Number::Real(v) => Some(v),
            Number::Nan => Some(f64::NAN),
            Number::Infinite(negative) => Some(if negative { f64::NEG_INFINITY } else { f64::INFINITY }),
            Number::Null => None,
        })
    })?;
    Ok(values.into_iter().map(Option::flatten).collect())
}

/// All values of a column chunk, converted by `mean`; `None` for null.
#[allow(clippy::indexing_slicing)] // a block has at most as many rows as `value_ids`
fn values<T: Clone>(
    input: &Input,
    meta: &FileMeta,
    group: usize,
    (at, leaf): (usize, &Leaf),
    mean: impl Fn(&[u8]) -> Result<T>,
) -> Result<Vec<Option<T>>> {
    let group_meta = meta.row_groups.get(group);
    let Some((rows, chunk)) = group_meta.and_then(|rg| rg.chunks.get(at).map(|chunk| (rg.rows, chunk)))
    else {
        return Ok(Vec::new());
    };
    if rows == 0 {
        return Ok(Vec::new());
    }
    let column = Column::Chunk(Chunk::new(input.object.as_ref(), leaf, chunk, rows)?);
    let mut cursor = Cursor::new(&column, 0, false, Vec::new(), None)?;
    let mut values = Vec::new();
    let mut value_ids = [0u32; 1024];
    let mut left = rows;
    while left > 0 {
        let n = usize::try_from(left).unwrap_or(usize::MAX).min(value_ids.len());
        #[allow(clippy::indexing_slicing)] // at most its length
        let block = &mut value_ids[..n];
        cursor.read_ids32(block)?;
        for value_id in &*block {
            values.push(
                cursor
                    .entries
                    .get(*value_id)
                    .map(&mean)
                    .transpose()
                    .map_err(|e| e.in_column(&leaf.name()))?,
            );
        }
        left -= n as u64;
    }
    Ok(values)
}
