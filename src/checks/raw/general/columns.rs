//! The columns that a profile names, located in a file.

use super::Subject;
use crate::checks::model::Violation;
use crate::dataset::column::{check_string, find, leaf_of};
use crate::dataset::text::TextForm;
use crate::dataset::types::Disagreement;
use crate::dataset::{ColumnLocation, OpenFile, TypeAgreement, TypedFile};
use crate::ids::values::ValueType;
use crate::parquet::{ChunkMeta, Physical, RowGroupMeta};
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
    /// Locates the columns; what is missing or of a wrong type is added to `problems`.
    pub fn locate(subject: &Subject<'_>, file: &OpenFile<'_>, problems: &mut Vec<Violation>) -> Self {
        let mut columns = FileColumns::default();
        if file.footer.rows == 0 {
            return columns;
        }
        let mut problem = |column: &str, error: &Error| {
            problems.push(Violation {
                file: Some(file.input.object.name().clone()),
                row: None,
                value: format!("{column}: {error}"),
            });
        };
        let profile = &subject.job.profile;
        for condition in &profile.conditions {
            columns.conditions.push(text_column(file, &condition.column, false, &mut problem));
        }
        for (at, (name, dimension)) in subject.dimensions.iter().enumerate() {
            let column = dimension.column_of(name);
            let is_key = subject.key.contains(&at);
            let mut found = text_column(
                file,
                column,
                dimension.optional && !is_key,
                &mut |column: &str, error: &Error| {
                    // The job looks only for the name of a dimension that is neither a key nor has totals.
                    if is_key || dimension.has_total() || find(&file.footer, file.input, column).is_err() {
                        problem(column, error);
                    }
                },
            );
            let has_text = |location: &ColumnLocation| {
                leaf_of(&file.footer, location).is_none_or(|leaf| TextForm::of(leaf).is_ok())
            };
            found.location = found.location.filter(has_text);
            found.absent = dimension.has_total().then_some(TOTAL);
            columns.dimensions.push(found);
        }
        if let Some(column) = profile.channel.column.as_deref() {
            columns.channel = located(
                find(&file.footer, file.input, column).and_then(|location| {
                    leaf_of(&file.footer, &location).map_or(Ok(()), check_string).map(|()| location)
                }),
                column,
                &mut problem,
            );
        }
        if let Some(column) = profile.users.column.as_deref() {
            columns.users = located(users(file, column), column, &mut problem);
        }
        columns.locate_times(subject, file, &mut problem);
        columns
    }

    fn locate_times(
        &mut self,
        subject: &Subject<'_>,
        file: &OpenFile<'_>,
        problem: &mut impl FnMut(&str, &Error),
    ) {
        let time = &subject.job.profile.time;
        let label = time.label.as_deref().filter(|_| subject.job.grain == Grain::Week);
        if let Some(column) = label {
            let found = find(&file.footer, file.input, column);
            // Files may lack labels where they have dates.
            if time.date.is_none() || found.is_ok() {
                self.label = located(
                    found.and_then(|location| {
                        leaf_of(&file.footer, &location).map_or(Ok(()), check_string).map(|()| location)
                    }),
                    column,
                    problem,
                );
            }
        }
        let Some(column) = time.date.as_deref() else { return };
        let found = find(&file.footer, file.input, column).and_then(|location| {
            let coding = leaf_of(&file.footer, &location)
                .map_or(Ok(TimeCoding::Text), |leaf| TimeCoding::of_date(leaf, time.unit))?;
            Ok((location, coding))
        });
        // The job needs no dates where it has labels.
        self.date = if self.label.is_some() { found.ok() } else { located(found, column, problem) };
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

/// The value, or `None` where it is a problem.
fn located<T>(found: Result<T>, column: &str, problem: &mut impl FnMut(&str, &Error)) -> Option<T> {
    match found {
        Ok(found) => Some(found),
        Err(error) => {
            problem(column, &error);
            None
        }
    }
}

fn text_column(
    file: &OpenFile<'_>,
    column: &str,
    optional: bool,
    problem: &mut impl FnMut(&str, &Error),
) -> TextColumn {
    let found = match find(&file.footer, file.input, column) {
        Ok(location) => Some(location),
        Err(_) if optional => None,
        Err(error) => {
            problem(column, &error);
            None
        }
    };
    let leaf = found.as_ref().and_then(|location| leaf_of(&file.footer, location));
    let form = located(leaf.map(TextForm::of).transpose(), column, problem).flatten().unwrap_or_default();
    TextColumn { location: found, absent: None, form }
}

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

/// Compares the types of the numbers of all files.
pub fn compare_types(files: &[OpenFile<'_>], columns: &[FileColumns], problems: &mut Vec<Violation>) {
    let mut agreement = TypeAgreement::default();
    for (file, columns) in files.iter().zip(columns) {
        let value_type = columns.users.as_ref().map(|(_, _, value_type)| *value_type);
        let typed = TypedFile { name: file.input.object.name(), value_type, rows: file.footer.rows };
        if let Some(Disagreement { first_type, value_type, .. }) = agreement.compare(typed) {
            problems.push(Violation {
                file: Some(file.input.object.name().clone()),
                row: None,
                value: format!("users: {value_type}, but {first_type} in the first file"),
            });
        }
    }
}

/// Stored bytes of the columns of all files.
pub fn bytes(files: &[OpenFile<'_>], columns: &[FileColumns]) -> u64 {
    let of_file = |(file, columns): (&OpenFile<'_>, &FileColumns)| -> u64 {
        let groups = file.footer.row_groups.iter();
        groups.flat_map(|group| columns.chunks(group)).map(|chunk| chunk.compressed_len).sum()
    };
    files.iter().zip(columns).map(of_file).sum()
}
