//! A file's footer, the locations of its columns and their types.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::column::{ColumnLocation, check_string, column_names, find, is_missing, leaf_of};
use super::layouts::Layouts;
use super::located::LocatedColumns;
use super::role::Role;
use crate::ids::column::{Column, ColumnSource};
use crate::ids::values::ValueType;
use crate::parquet::{ChunkMeta, FileMeta, Leaf, Physical, RowGroupMeta, footer};
use crate::profile::Question;
use crate::profile::column_entry::ColumnEntry;
use crate::scan::classes::TimeCoding;
use crate::storage::{Input, Object};
use crate::{Error, Job, Result};

/// An opened file: its footer, and the locations of the columns that were looked up.
pub struct OpenFile<'a> {
    /// The file.
    pub input: &'a Input,
    /// Its bytes: those of `input`, or a copy of them.
    pub object: &'a dyn Object,
    /// Its footer.
    pub footer: Arc<FileMeta>,
    /// The locations by [`Role`]; `None` where the column is missing or was not looked up.
    pub(super) columns: Arc<[Option<ColumnLocation>; Role::ALL.len()]>,
    /// The number type of its values; null where it has no rows.
    pub value_type: ValueType,
    /// The physical type of its values.
    pub value_physical: Physical,
    /// How its date column stores dates.
    pub date_coding: TimeCoding,
    /// The columns of the scan; `None` where they were not looked up, or one of them cannot be used.
    pub scan: Option<Arc<LocatedColumns>>,
    /// Whether the magic at the start of a remote file was checked.
    magic_checked: AtomicBool,
}

/// What a column's leaf says about its type.
enum ColumnType {
    Value(Physical, ValueType),
    Date(TimeCoding),
    Other,
}

/// The columns of one row group, by role.
pub struct Columns<'a> {
    columns: [Option<Column<'a>>; Role::ALL.len()],
}

impl<'a> Columns<'a> {
    /// A column; `None` where the file lacks it.
    pub fn get(&self, role: Role) -> Option<&Column<'a>> {
        self.columns.get(role as usize).and_then(Option::as_ref)
    }
}

impl<'a> OpenFile<'a> {
    /// Reads the footer of `object`, which holds the bytes of `input`. No column is located yet.
    ///
    /// # Errors
    /// As of [`footer::read`].
    pub fn read_footer(input: &'a Input, object: &'a dyn Object) -> Result<Self> {
        let meta = footer::read(object).map_err(|e| e.in_file(object.name()))?;
        Ok(Self::with_footer(input, object, Arc::new(meta)))
    }

    /// The file with a footer that was read before. No column is located yet.
    pub fn with_footer(input: &'a Input, object: &'a dyn Object, footer: Arc<FileMeta>) -> Self {
        OpenFile {
            input,
            object,
            footer,
            columns: Default::default(),
            value_type: ValueType::Null,
            value_physical: Physical::Double,
            date_coding: TimeCoding::Text,
            scan: None,
            magic_checked: AtomicBool::new(false),
        }
    }

    /// Reads the footer, and locates the columns of the scan and those of all roles, which files of the same columns
    /// share.
    ///
    /// # Errors
    /// As of [`footer::read`].
    pub fn open_all(question: &Question, input: &'a Input, layouts: &Layouts) -> Result<Self> {
        let mut file = Self::read_footer(input, input.object.as_ref())?;
        layouts.locate(question, &mut file);
        file.drop_unused_bounds(question);
        Ok(file)
    }

    /// Drops the bounds of the columns that order no work: those of most writers are the larger part of a footer.
    fn drop_unused_bounds(&mut self, question: &Question) {
        let used =
            question.conditions.first().and_then(|condition| self.scan.as_ref()?.column(&condition.column));
        let used = match used.and_then(|column| column.location.as_ref()) {
            Some(ColumnLocation::Leaf(at)) => Some(*at),
            _ => None,
        };
        if let Some(footer) = Arc::get_mut(&mut self.footer) {
            footer.row_groups.keep_bounds_of(used);
        }
    }

    /// Locates the columns of the scan and those of all roles. Columns that are missing or of a wrong type are left out,
    /// see [`Self::check_question`] and [`Self::has_roles`]; a file without rows may have any columns.
    pub fn locate_all(&mut self, question: &Question) {
        let _ = self.locate_question(question);
        if self.footer.rows > 0 && question.job.is_cube() {
            for role in Role::ALL {
                let _ = self.locate(&question.job, role);
            }
        }
    }

    /// Whether the file has the columns of all roles of a cube. It may lack labels and systems, if it has no column of
    /// these names, and what is optional anyway; a file without rows may lack all.
    ///
    /// # Errors
    /// `Data` for another column that is missing, and for one of a wrong type.
    pub fn has_roles(&self, question: &Question) -> Result<bool> {
        let job = &question.job;
        if self.footer.rows == 0 {
            return Ok(true);
        }
        let mut has_all = true;
        for role in Role::ALL.into_iter().filter(|role| !role.is_optional()) {
            let name = role.column(job);
            if is_missing(&self.footer, self.input, name) {
                if role == Role::Date {
                    let names = column_names(&self.footer, self.input);
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    let error = question.error_without(ColumnEntry::Date, &names);
                    return Err(error.in_file(self.object.name()));
                }
                has_all = false;
            } else if self.location(role).is_none() {
                let error = self
                    .find(job, role)
                    .err()
                    .unwrap_or_else(|| Error::internal("a column that was not located"));
                let error = Self::wrong_type(question, name)(error);
                return Err(error.in_file(self.object.name()));
            }
        }
        Ok(has_all)
    }

    /// Finds a column, checks its type and records both.
    ///
    /// # Errors
    /// `Data` where the column is missing or its type does not fit its role.
    pub fn locate(&mut self, job: &Job, role: Role) -> Result<()> {
        let (location, column_type) = self.find(job, role)?;
        match column_type {
            ColumnType::Value(physical, value_type) => {
                (self.value_physical, self.value_type) = (physical, value_type);
            }
            ColumnType::Date(coding) => self.date_coding = coding,
            ColumnType::Other => {}
        }
        #[allow(clippy::indexing_slicing)] // one entry a role
        let column = &mut Arc::make_mut(&mut self.columns)[role as usize];
        *column = Some(location);
        Ok(())
    }

    fn find(&self, job: &Job, role: Role) -> Result<(ColumnLocation, ColumnType)> {
        let location = find(&self.footer, self.input, role.column(job))?;
        let column_type = type_of(role, leaf_of(&self.footer, &location))?;
        if matches!(column_type, ColumnType::Value(_, ValueType::Null)) {
            return Err(Error::data("the values have the null type").expected("a number"));
        }
        Ok((location, column_type))
    }

    /// The location of a column; `None` where it is missing or was not looked up.
    pub fn location(&self, role: Role) -> Option<&ColumnLocation> {
        self.columns.get(role as usize).and_then(Option::as_ref)
    }

    /// The source of a column's values in a row group; `None` where the column is missing or was not looked up.
    ///
    /// # Errors
    /// `Internal` where the row group is of another file.
    pub fn source<'f, 'm>(
        &'f self,
        role: Role,
        row_group: &'m RowGroupMeta,
    ) -> Result<Option<ColumnSource<'f, 'm>>> {
        self.location(role).map(|location| location.source(&self.footer, row_group)).transpose()
    }

    /// The columns of a row group.
    ///
    /// # Errors
    /// `Format` and `Unsupported` for damaged page headers and pages that cannot be read.
    pub fn columns(&self, row_group: usize) -> Result<Columns<'_>> {
        self.columns_of(row_group, &Role::ALL)
    }

    /// Some columns of a row group.
    ///
    /// # Errors
    /// As of [`Self::columns`].
    pub fn columns_of(&self, row_group: usize, roles: &[Role]) -> Result<Columns<'_>> {
        let mut columns = Columns { columns: Default::default() };
        let Some(meta) = self.footer.row_groups.get(row_group) else { return Ok(columns) };
        let mut found = Vec::with_capacity(roles.len());
        let mut sources = Vec::with_capacity(roles.len());
        for role in roles {
            if let Some(source) = self.source(*role, &meta)? {
                found.push(*role);
                sources.push(source);
            }
        }
        let opened = Column::open_all(self.object, &sources, meta.rows)?;
        for (role, column) in found.into_iter().zip(opened) {
            #[allow(clippy::indexing_slicing)] // one entry a role
            let to = &mut columns.columns[role as usize];
            *to = Some(column);
        }
        Ok(columns)
    }

    /// A column of a row group; `None` where the file lacks it.
    ///
    /// # Errors
    /// As of [`Self::columns`].
    pub fn column(&self, role: Role, row_group: usize) -> Result<Option<Column<'_>>> {
        let mut columns = self.columns_of(row_group, &[role])?;
        Ok(columns.columns.get_mut(role as usize).and_then(Option::take))
    }

    /// The chunk of a column in a row group of this file; `None` where the column is not in the file.
    pub fn chunk_in<'m>(&self, role: Role, row_group: &'m RowGroupMeta) -> Option<&'m ChunkMeta> {
        let Some(ColumnLocation::Leaf(at)) = self.location(role) else { return None };
        row_group.chunks.get(*at)
    }

    /// Checks the magic at the start of a remote file, once; [`footer::read`] leaves it unread there.
    ///
    /// # Errors
    /// As of [`footer::check_head`].
    pub fn check_magic(&self) -> Result<()> {
        if self.object.is_remote() && !self.magic_checked.swap(true, Ordering::Relaxed) {
            footer::check_head(self.object)?;
            self.object.evict(&[footer::HEAD]);
        }
        Ok(())
    }
}

/// Checks the type of a column, `None` for a hive partition, against its role.
fn type_of(role: Role, leaf: Option<&Leaf>) -> Result<ColumnType> {
    match (role, leaf) {
        (Role::Value, None) => {
            Err(Error::data("the value is a hive partition of the path")
                .expected("a numeric column in the file"))
        }
        (Role::Value, Some(leaf)) => Ok(ColumnType::Value(leaf.physical, ValueType::of(leaf)?)),
        (Role::Date, Some(leaf)) => Ok(ColumnType::Date(TimeCoding::of_date(leaf, None)?)),
        (Role::Subtrackers, Some(leaf)) => match leaf.physical {
            Physical::Boolean | Physical::ByteArray => Ok(ColumnType::Other),
            other => Err(Error::data(format!("the values are {other:?}")).expected("true or false")),
        },
        (_, Some(leaf)) => check_string(leaf).map(|()| ColumnType::Other),
        (_, None) => Ok(ColumnType::Other),
    }
}
