//! The columns that a profile names, located in a file.

use std::sync::Arc;

use super::Subject;
use crate::dataset::column::{check_string, find, is_missing, leaf_of};
use crate::dataset::text::TextForm;
use crate::dataset::{ColumnLocation, OpenFile};
use crate::ids::values::ValueType;
use crate::parquet::{ChunkMeta, Physical, RowGroupMeta};
use crate::profile::TimeUnit;
use crate::profile::question::TOTAL;
use crate::scan::classes::TimeCoding;
use crate::{Error, Grain, Result};

/// A column whose values are compared as text.
pub struct TextColumn {
    /// Its location; `None` where the file lacks it.
    pub location: Option<ColumnLocation>,
    /// The value of all rows where the file lacks it: they are total rows of a dimension that has totals.
    pub absent: Option<&'static str>,
    /// How its values become text.
    pub form: TextForm,
}

/// The columns of a file. A file without rows has none.
#[derive(Default)]
pub struct FileColumns {
    /// Those of the conditions, in the profile's order.
    pub conditions: Vec<TextColumn>,
    /// Those of the dimensions.
    pub dimensions: Vec<TextColumn>,
    /// The channel.
    pub channel: Option<ColumnLocation>,
    /// The numbers of users; `None` where each row is a user.
    pub users: Option<(ColumnLocation, Physical, ValueType)>,
    /// The dates.
    pub date: Option<(ColumnLocation, TimeCoding)>,
    /// The week labels, where they decide the week.
    pub label: Option<ColumnLocation>,
}

impl FileColumns {
    /// Locates the columns, in a file that has those of the job.
    ///
    /// # Errors
    /// `Data` for a column of a type that the job does not need and the checks cannot read.
    pub fn locate(subject: &Subject<'_>, file: &OpenFile<'_>) -> Result<Self> {
        let mut columns = FileColumns::default();
        if file.footer.rows == 0 {
            return Ok(columns);
        }
        let profile = &subject.job.profile;
        let wrong = |column| {
            let wrong_type = OpenFile::wrong_type(subject.question, column);
            move |error| wrong_type(error).in_file(file.object.name())
        };
        for condition in &profile.conditions {
            let column = condition.column.as_str();
            columns.conditions.push(text_column(file, column).map_err(wrong(column))?);
        }
        for (at, (name, dimension)) in subject.dimensions.iter().enumerate() {
            let column = dimension.column_of(name);
            let is_read = subject.key.contains(&at) || dimension.has_total();
            let mut found = match text_column(file, column) {
                Ok(found) => found,
                // The job looks only for the name of a dimension that is neither a key nor has totals.
                Err(error) if is_read && !is_missing(&file.footer, file.input, column) => {
                    return Err(wrong(column)(error));
                }
                Err(_) => TextColumn { location: None, absent: None, form: TextForm::default() },
            };
            found.absent = dimension.has_total().then_some(TOTAL);
            columns.dimensions.push(found);
        }
        if let Some(column) = profile.channel.column.as_deref() {
            columns.channel = Some(strings(file, column).map_err(wrong(column))?);
        }
        if let Some(column) = profile.users.column.as_deref() {
            columns.users = Some(users(file, column).map_err(wrong(column))?);
        }
        let time = &profile.time;
        if let Some(column) = time.label.as_deref().filter(|_| subject.job.grain == Grain::Week) {
            // Files may lack labels where they have dates.
            if time.date.is_none() || !is_missing(&file.footer, file.input, column) {
                columns.label = Some(strings(file, column).map_err(wrong(column))?);
            }
        }
        if let Some(column) = time.date.as_deref() {
            let found = dates(file, column, time.unit);
            // The job needs no dates where it has labels.
            columns.date =
                if columns.label.is_some() { found.ok() } else { Some(found.map_err(wrong(column))?) };
        }
        Ok(columns)
    }

    /// Locates the columns of all files. Files with the same columns as the one before share them.
    ///
    /// # Errors
    /// As of [`Self::locate`], for the first file that fails.
    pub fn locate_all(subject: &Subject<'_>, files: &[OpenFile<'_>]) -> Result<Vec<Arc<Self>>> {
        let mut all: Vec<Arc<Self>> = Vec::with_capacity(files.len());
        let mut before: Option<&OpenFile<'_>> = None;
        for file in files {
            let is_same = |of: &OpenFile<'_>| {
                let has_rows = of.footer.rows > 0 && file.footer.rows > 0;
                has_rows
                    && of.footer.leaves == file.footer.leaves
                    && of.input.partitions == file.input.partitions
            };
            let columns = match all.last().filter(|_| before.is_some_and(is_same)) {
                Some(same) => same.clone(),
                None => Arc::new(Self::locate(subject, file)?),
            };
            all.push(columns);
            before = Some(file);
        }
        Ok(all)
    }

    /// How the time is stored.
    pub fn coding(&self) -> TimeCoding {
        self.date.as_ref().map_or(TimeCoding::Text, |(_, coding)| *coding)
    }

    /// The locations of the dimensions, the channel and the time.
    pub fn key_locations(&self) -> impl Iterator<Item = &ColumnLocation> {
        let dimensions = self.dimensions.iter().filter_map(|column| column.location.as_ref());
        let rest =
            [self.channel.as_ref(), self.label.as_ref(), self.date.as_ref().map(|(location, _)| location)];
        dimensions.chain(rest.into_iter().flatten())
    }

    /// The locations of all columns.
    pub fn locations(&self) -> impl Iterator<Item = &ColumnLocation> {
        let texts =
            self.conditions.iter().chain(&self.dimensions).filter_map(|column| column.location.as_ref());
        let rest = [self.channel.as_ref(), self.label.as_ref()].into_iter().flatten();
        let users = self.users.as_ref().map(|(location, ..)| location);
        texts.chain(rest).chain(users).chain(self.date.as_ref().map(|(location, _)| location))
    }

    /// The chunks of a row group.
    pub fn chunks<'m>(&self, row_group: &'m RowGroupMeta) -> Vec<&'m ChunkMeta> {
        let mut leaves: Vec<usize> = self
            .locations()
            .filter_map(|location| match location {
                ColumnLocation::Leaf(at) => Some(*at),
                ColumnLocation::Partition(_) => None,
            })
            .collect();
        leaves.sort_unstable();
        leaves.dedup();
        leaves.into_iter().filter_map(|at| row_group.chunks.get(at)).collect()
    }
}

/// A column whose values become text.
fn text_column(file: &OpenFile<'_>, column: &str) -> Result<TextColumn> {
    let location = find(&file.footer, file.input, column)?;
    let form = leaf_of(&file.footer, &location).map(TextForm::of).transpose()?.unwrap_or_default();
    Ok(TextColumn { location: Some(location), absent: None, form })
}

/// A column of strings.
fn strings(file: &OpenFile<'_>, column: &str) -> Result<ColumnLocation> {
    let location = find(&file.footer, file.input, column)?;
    leaf_of(&file.footer, &location).map_or(Ok(()), check_string)?;
    Ok(location)
}

/// A column of dates, and how it stores them.
fn dates(file: &OpenFile<'_>, column: &str, unit: Option<TimeUnit>) -> Result<(ColumnLocation, TimeCoding)> {
    let location = find(&file.footer, file.input, column)?;
    let coding = leaf_of(&file.footer, &location)
        .map_or(Ok(TimeCoding::Text), |leaf| TimeCoding::of_date(leaf, unit))?;
    Ok((location, coding))
}

/// The column of the numbers of users, and their type.
fn users(file: &OpenFile<'_>, column: &str) -> Result<(ColumnLocation, Physical, ValueType)> {
    let location = find(&file.footer, file.input, column)?;
    let leaf = leaf_of(&file.footer, &location).ok_or_else(|| {
        Error::data("the value is a hive partition of the path").expected("a numeric column in the file")
    })?;
    let value_type = ValueType::of(leaf)?;
    if value_type == ValueType::Null {
        return Err(Error::data("the values have the null type").expected("a number"));
    }
    Ok((location, leaf.physical, value_type))
}

/// Stored bytes of the columns of all files.
pub fn bytes(files: &[OpenFile<'_>], columns: &[Arc<FileColumns>]) -> u64 {
    let of_file = |(file, columns): (&OpenFile<'_>, &Arc<FileColumns>)| -> u64 {
        let of_group = |group: RowGroupMeta| -> u64 {
            columns.chunks(&group).iter().map(|chunk| chunk.compressed_len).sum()
        };
        file.footer.row_groups.iter().map(of_group).sum()
    };
    files.iter().zip(columns).map(of_file).sum()
}
