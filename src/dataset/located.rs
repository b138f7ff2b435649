//! Where the columns of a scan are in a file, by name, and how they store their values.

use std::sync::Arc;

use super::column::{ColumnLocation, column_names, find, is_missing, leaf_of};
use super::file::OpenFile;
use super::shadowed::{Form, ShadowedColumn};
use super::text::TextForm;
use crate::calendar::zone::Zone;
use crate::ids::column::Column;
use crate::ids::cursor::Cursor;
use crate::ids::values::ValueType;
use crate::parquet::{Leaf, Physical};
use crate::profile::Question;
use crate::scan::classes::TimeCoding;
use crate::{Error, Grain, Result, Semantics};

/// The columns of a scan in one file.
#[derive(Default)]
pub struct LocatedColumns {
    /// Columns of conditions and keys.
    columns: Vec<LocatedColumn>,
    /// The class.
    pub class: Option<ColumnLocation>,
    /// The column of time: the label or the date.
    pub time: Option<ColumnLocation>,
    /// How it stores times.
    pub time_coding: Option<TimeCoding>,
    /// The measure.
    pub measure: Option<ColumnLocation>,
    /// The dates, where they are needed beside labels.
    pub date: Option<ColumnLocation>,
    /// How they are stored.
    pub date_coding: Option<TimeCoding>,
    /// Columns of the file whose values come from the path.
    pub shadowed: Vec<ShadowedColumn>,
}

/// A column of a condition or a key.
pub struct LocatedColumn {
    /// Its name.
    pub name: Arc<str>,
    /// Its location; `None` where the file lacks it.
    pub location: Option<ColumnLocation>,
    /// How its values become text.
    pub form: TextForm,
}

impl LocatedColumns {
    /// A column by its name.
    pub fn column(&self, name: &str) -> Option<&LocatedColumn> {
        self.columns.iter().find(|column| *column.name == *name)
    }
}

/// How values that become text are compared with a path.
fn as_text(leaf: &Leaf) -> Result<Form> {
    TextForm::of(leaf).map(Form::Text)
}

impl OpenFile<'_> {
    /// Locates the columns of a question. A file without rows may lack columns, and they may be of any type.
    ///
    /// # Errors
    /// `Data` for a missing column or one of a wrong type.
    pub fn locate_question(&mut self, question: &Question) -> Result<()> {
        if self.footer.rows == 0 {
            return Ok(());
        }
        let (located, value) = self.find_question(question).map_err(|e| self.explain(question, e))?;
        (self.value_physical, self.value_type) = value;
        self.scan = Some(Arc::new(located));
        Ok(())
    }

    /// Fails where the columns of a question were not located.
    ///
    /// # Errors
    /// As of [`Self::locate_question`].
    pub fn check_question(&self, question: &Question) -> Result<()> {
        if self.scan.is_some() || self.footer.rows == 0 {
            return Ok(());
        }
        match self.find_question(question) {
            Ok(_) => Err(Error::internal("columns that were not located")),
            Err(error) => Err(self.explain(question, error)),
        }
    }

    /// The error of a column that cannot be used. Where columns are missing, all of them are named.
    pub(super) fn explain(&self, question: &Question, error: Error) -> Error {
        let names = column_names(&self.footer, self.input);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let missing =
            question.missing_column_error(&names, |name| is_missing(&self.footer, self.input, name));
        missing.unwrap_or(error).in_file(self.object.name())
    }

    /// The error of a column of a wrong type.
    pub fn wrong_type<'q>(question: &'q Question, name: &'q str) -> impl Fn(Error) -> Error + Copy + 'q {
        move |error| error.in_column(name).or_advice(|| question.job.profile.advise_other_column(name))
    }

    fn find_question(&self, question: &Question) -> Result<(LocatedColumns, (Physical, ValueType))> {
        let find_named = |name: &str| find(&self.footer, self.input, name);
        let wrong = |name| Self::wrong_type(question, name);
        let mut located = LocatedColumns::default();
        let mut value = (Physical::Int64, ValueType::Int { bits: 64, signed: true });
        if let Some(name) = question.job.profile.users.column.as_deref() {
            let location = find_named(name)?;
            let leaf = leaf_of(&self.footer, &location).ok_or_else(|| {
                wrong(name)(
                    Error::data("the value is a hive partition of the path")
                        .expected("a numeric column in the file"),
                )
            })?;
            value = (leaf.physical, ValueType::of(leaf).map_err(wrong(name))?);
            if value.1 == ValueType::Null && question.job.semantics == Semantics::Iso {
                return Err(wrong(name)(
                    Error::data("the values have the null type")
                        .expected("a number: integer, float, double or decimal"),
                ));
            }
            located.measure = Some(location);
        }
        self.find_times(question, &mut located)?;
        let conditions = question.conditions.iter().map(|c| (&c.column, c.optional));
        let keys = question.keys.iter().map(|c| (&c.column, c.optional));
        // Those of total rows, whether they are conditions or keys of this pass.
        for (name, optional) in conditions.chain(keys) {
            if located.column(name).is_some() {
                continue;
            }
            let location = match find_named(name) {
                Ok(location) => Some(location),
                Err(_) if optional && is_missing(&self.footer, self.input, name) => None,
                Err(error) => return Err(error),
            };
            let leaf = location.as_ref().and_then(|location| leaf_of(&self.footer, location));
            let form = leaf.map(TextForm::of).transpose().map_err(wrong(name))?.unwrap_or_default();
            self.find_shadowed(question, location.as_ref(), name, as_text, &mut located)?;
            located.columns.push(LocatedColumn { name: name.clone(), location, form });
        }
        // A dimension that is needed neither as key nor for its totals has to be there all the same, unless it is optional.
        for (name, dimension) in &question.job.profile.dimensions {
            let column = dimension.column_of(name);
            if !dimension.optional && located.column(column).is_none() {
                find_named(column)?;
            }
        }
        if question.class.is_some()
            && let Some(name) = question.job.profile.channel.column.as_deref()
        {
            let location = find_named(name)?;
            if let Some(leaf) = leaf_of(&self.footer, &location) {
                super::column::check_string(leaf).map_err(wrong(name))?;
            }
            self.find_shadowed(question, Some(&location), name, as_text, &mut located)?;
            located.class = Some(location);
        }
        Ok((located, value))
    }

    /// Finds the columns of the file that the partition at `location` shadows. Legacy semantics leave them unread, as
    /// Spark does.
    fn find_shadowed(
        &self,
        question: &Question,
        location: Option<&ColumnLocation>,
        name: &str,
        form: impl Fn(&Leaf) -> Result<Form>,
        located: &mut LocatedColumns,
    ) -> Result<()> {
        let Some(location) = location.filter(|_| question.job.semantics == Semantics::Iso) else {
            return Ok(());
        };
        let found = ShadowedColumn::of(&self.footer, location, name, form)
            .map_err(Self::wrong_type(question, name))?;
        located.shadowed.extend(found);
        Ok(())
    }

    /// The day of a row in a column of dates, for a message; `None` where the file has no such column or the row no date.
    pub fn day_at(&self, column: &str, row_group: usize, row: u64, zone: Option<&Zone>) -> Option<i32> {
        let location = find(&self.footer, self.input, column).ok()?;
        let coding = match leaf_of(&self.footer, &location) {
            Some(leaf) => TimeCoding::of_date(leaf, None).ok()?,
            None => TimeCoding::Text,
        };
        let meta = self.footer.row_groups.get(row_group)?;
        let source = location.source(&self.footer, &meta).ok()?;
        let columns = Column::open_all(self.object, &[source], meta.rows).ok()?;
        let mut cursor = Cursor::new(columns.first()?, row, false, Vec::new(), None).ok()?;
        let mut id = [0];
        cursor.read_ids32(&mut id).ok()?;
        coding.day_in(cursor.entries.get(id[0])?, zone)
    }

    fn find_times(&self, question: &Question, located: &mut LocatedColumns) -> Result<()> {
        let find_named = |name: &str| find(&self.footer, self.input, name);
        let time = &question.job.profile.time;
        let date_coding = |name: &str, location: &ColumnLocation| {
            leaf_of(&self.footer, location)
                .map_or(Ok(TimeCoding::Text), |leaf| TimeCoding::of_date(leaf, time.unit))
                .map_err(Self::wrong_type(question, name))
        };
        let (label, date) = question.time_columns();
        let label_location = match label.map(|name| (name, find_named(name))) {
            Some((name, Ok(location))) => {
                self.find_shadowed(question, Some(&location), name, as_text, located)?;
                if let Some(leaf) = leaf_of(&self.footer, &location) {
                    super::column::check_string(leaf).map_err(Self::wrong_type(question, name))?;
                }
                Some(location)
            }
            // Files may lack labels where they have dates.
            Some((name, Err(_)))
                if date.is_some()
                    && !question.needs_dates()
                    && is_missing(&self.footer, self.input, name) =>
            {
                None
            }
            Some((_, Err(error))) => return Err(error),
            None => None,
        };
        if let Some(location) = label_location {
            located.time_coding = Some(TimeCoding::Label(time.label_form));
            located.time = Some(location);
        } else if let Some(name) = date {
            let location = find_named(name)?;
            let as_day = |leaf: &Leaf| TimeCoding::of_date(leaf, time.unit).map(Form::Day);
            self.find_shadowed(question, Some(&location), name, as_day, located)?;
            located.time_coding = Some(date_coding(name, &location)?);
            located.time = Some(location);
        }
        if let (true, Some(name)) = (question.needs_dates(), date) {
            let location = find_named(name)?;
            located.date_coding = Some(date_coding(name, &location)?);
            located.date = Some(location);
        }
        debug_assert!(located.time.is_some() || question.job.grain != Grain::Week || label.is_some());
        Ok(())
    }
}
