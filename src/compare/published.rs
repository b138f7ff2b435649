//! Reads the output of the old job: parquet with `year`, `week`, `country` and a share.

use std::sync::Arc;

use crate::dataset::OpenFile;
use crate::dataset::column::{ColumnLocation, check_string, find, leaf_of};
use crate::ids::column::Column;
use crate::ids::cursor::Cursor;
use crate::ids::values::{Number, ValueType};
use crate::parquet::{Leaf, RowGroupMeta};
use crate::phrase::{Phrase, Setting};
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
    let file = OpenFile::read_footer(input, input.object.as_ref())?;
    if file.footer.rows + rows.len() as u64 > ROWS_MAX {
        return Err(Error::too_large(format!("a published table of over {ROWS_MAX} rows")).advice(
            Phrase::default().option(Setting::Against).text(" wants the old job's output, not its input"),
        ));
    }
    let [year, week] = [StoredColumn::find(&file, "year")?, StoredColumn::find(&file, "week")?];
    let [country, share] = [StoredColumn::find(&file, "country")?, StoredColumn::find(&file, share)?];
    check_string(country.leaf).map_err(|e| e.in_column("country"))?;
    for group in &file.footer.row_groups {
        let (years, weeks, shares) = (year.numbers(&group)?, week.numbers(&group)?, share.numbers(&group)?);
        let names = country.values(&group, |raw| {
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

/// A column of an opened file.
struct StoredColumn<'f> {
    file: &'f OpenFile<'f>,
    location: ColumnLocation,
    leaf: &'f Leaf,
}

impl<'f> StoredColumn<'f> {
    fn find(file: &'f OpenFile<'f>, name: &str) -> Result<Self> {
        let location = find(&file.footer, file.input, name).map_err(|e| {
            e.advice(
                Phrase::default()
                    .option(Setting::Against)
                    .text(" wants what the old job published: year, week, country and a share"),
            )
        })?;
        let leaf = leaf_of(&file.footer, &location).ok_or_else(|| {
            Error::data(format!("'{name}' is a partition of the path")).expected("a column in the file")
        })?;
        Ok(StoredColumn { file, location, leaf })
    }

    fn numbers(&self, group: &RowGroupMeta) -> Result<Vec<Option<f64>>> {
        let kind = ValueType::of(self.leaf).map_err(|e| e.in_column(&self.leaf.name()))?;
        let values = self.values(group, |raw| {
            #[allow(clippy::cast_precision_loss)] // years and weeks are small, shares are doubles
            Ok(match kind.number(self.leaf.physical, raw)? {
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

    /// All values in a row group, converted by `mean`; `None` for null.
    fn values<T>(&self, group: &RowGroupMeta, mean: impl Fn(&[u8]) -> Result<T>) -> Result<Vec<Option<T>>> {
        let source = self.location.source(&self.file.footer, group)?;
        let mut values = Vec::new();
        let mut value_ids = [0u32; 1024];
        for column in Column::open_all(self.file.object, &[source], group.rows)? {
            let mut cursor = Cursor::new(&column, 0, false, Vec::new(), None)?;
            while (values.len() as u64) < group.rows {
                let left = usize::try_from(group.rows).unwrap_or(usize::MAX) - values.len();
                #[allow(clippy::indexing_slicing)] // at most its length
                let block = &mut value_ids[..left.min(1024)];
                cursor.read_ids32(block)?;
                for value_id in block {
                    let value = cursor.entries.get(*value_id).map(&mean).transpose();
                    values.push(value.map_err(|e| e.in_column(&self.leaf.name()))?);
                }
            }
        }
        Ok(values)
    }
}
