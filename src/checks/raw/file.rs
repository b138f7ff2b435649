//! Where the columns of a file are, and whether their types fit.

use crate::checks::model::Violation;
use crate::ids::column::{Column, ColumnSource};
use crate::ids::values::ValueType;
use crate::parquet::{ChunkMeta, FileMeta, Physical, footer};
use crate::scan::classes::TimeCoding;
use crate::scan::plan::{ColumnLocation, check_string, find, leaf_of};
use crate::storage::Input;
use crate::{Error, Job, Result};

/// What a column is to the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// First day that the row covers.
    Date,
    /// ISO week label.
    Label,
    /// Country.
    Country,
    /// Operating system.
    System,
    /// Channel.
    Channel,
    /// Count of new users.
    Value,
    /// Identifier of the channel; may be missing.
    Token,
    /// Whether the channel has parts; may be missing.
    Subtrackers,
}

impl Role {
    /// In the order of the declaration.
    pub const ALL: [Role; 8] = [
        Role::Date,
        Role::Label,
        Role::Country,
        Role::System,
        Role::Channel,
        Role::Value,
        Role::Token,
        Role::Subtrackers,
    ];

    /// Whether files may do without it.
    pub fn is_optional(self) -> bool {
        matches!(self, Role::Token | Role::Subtrackers)
    }

    /// Its name in the files.
    pub fn column(self, job: &Job) -> &str {
        let columns = &job.columns;
        match self {
            Role::Date => &columns.start_date,
            Role::Label => &columns.year_week,
            Role::Country => &columns.country,
            Role::System => &columns.os_name,
            Role::Channel => &columns.name,
            Role::Value => &columns.value,
            Role::Token => "token",
            Role::Subtrackers => "has_subtrackers",
        }
    }
}

/// The columns of one row group.
pub struct Columns<'a> {
    columns: [Option<Column<'a>>; Role::ALL.len()],
}

impl<'a> Columns<'a> {
    /// A column; `None` where the file does without it.
    pub fn get(&self, role: Role) -> Option<&Column<'a>> {
        self.columns.get(role as usize).and_then(Option::as_ref)
    }
}

/// A file, opened.
pub struct RawFile<'a> {
    /// The file.
    pub input: &'a Input,
    /// Its footer.
    pub meta: FileMeta,
    found: [Option<ColumnLocation>; Role::ALL.len()],
    /// What is wrong with its columns.
    problems: Vec<(Role, String)>,
    /// The number type of its values.
    pub value_type: ValueType,
    /// The physical type of its values.
    pub value_physical: Physical,
    /// How it stores dates.
    pub date_coding: TimeCoding,
}

impl<'a> RawFile<'a> {
    /// Reads the footer and finds the columns.
    pub fn open(job: &Job, input: &'a Input) -> Result<Self> {
        let meta = footer::read(input.object.as_ref()).map_err(|e| e.in_file(input.object.name()))?;
        let mut file = RawFile {
            input,
            found: Default::default(),
            problems: Vec::new(),
            value_type: ValueType::Null,
            value_physical: Physical::Double,
            date_coding: TimeCoding::Text,
            meta,
        };
        // The columns of a file without rows may be missing, and their types mean nothing.
        if file.meta.rows == 0 {
            return Ok(file);
        }
        for (role, value_id) in Role::ALL.into_iter().zip(0..) {
            let found = find(&file.meta, input, role.column(job)).and_then(|found| {
                file.take(role, &found)?;
                Ok(found)
            });
            match found {
                Ok(found) => {
                    if let Some(place) = file.found.get_mut::<usize>(value_id) {
                        *place = Some(found);
                    }
                }
                // What is not needed may be missing, or be something else.
                Err(_) if role.is_optional() => {}
                Err(Error::Data(report) | Error::Unsupported(report) | Error::Format(report)) => {
                    file.problems.push((role, report.to_string()));
                }
                Err(other) => return Err(other.in_file(input.object.name())),
            }
        }
        Ok(file)
    }

    /// Looks at the type of a column.
    fn take(&mut self, role: Role, found: &ColumnLocation) -> Result<()> {
        let leaf = leaf_of(&self.meta, found);
        match (role, leaf) {
            (Role::Value, None) => Err(Error::data("the value is a hive partition of the path")
                .expected("a numeric column in the file")),
            (Role::Value, Some(leaf)) => {
                self.value_physical = leaf.physical;
                self.value_type = ValueType::of(leaf)?;
                if self.value_type == ValueType::Null {
                    return Err(Error::data("the values have the null type").expected("a number"));
                }
                Ok(())
            }
            (Role::Date, Some(leaf)) => {
                self.date_coding = TimeCoding::of_date(leaf)?;
                Ok(())
            }
            (Role::Subtrackers, Some(leaf)) => match leaf.physical {
                Physical::Boolean | Physical::ByteArray => Ok(()),
                other => Err(Error::data(format!("the values are {other:?}")).expected("true or false")),
            },
            (_, Some(leaf)) => check_string(leaf),
            (_, None) => Ok(()),
        }
    }

    /// The columns of a row group.
    pub fn columns(&self, row_group: usize) -> Result<Columns<'_>> {
        self.columns_of(row_group, &Role::ALL)
    }

    /// Some columns of a row group.
    pub fn columns_of(&self, row_group: usize, roles: &[Role]) -> Result<Columns<'_>> {
        let mut columns = Columns { columns: Default::default() };
        let Some(meta) = self.meta.row_groups.get(row_group) else { return Ok(columns) };
        let mut found = Vec::with_capacity(roles.len());
        for role in roles {
            if let Some(at) = self.found.get(*role as usize).and_then(Option::as_ref) {
                found.push((*role, at.source(&self.meta, meta)?));
            }
        }
        let places: Vec<ColumnSource<'_>> = found.iter().map(|(_, place)| *place).collect();
        let opened = Column::open_all(self.input.object.as_ref(), &places, meta.rows)?;
        for ((role, _), column) in found.into_iter().zip(opened) {
            if let Some(to) = columns.columns.get_mut(role as usize) {
                *to = Some(column);
            }
        }
        Ok(columns)
    }

    /// A column of a row group; `None` where the file does without it.
    pub fn column(&self, role: Role, row_group: usize) -> Result<Option<Column<'_>>> {
        let mut columns = self.columns_of(row_group, &[role])?;
        Ok(columns.columns.get_mut(role as usize).and_then(Option::take))
    }

    /// What the footer says of a column of a row group; `None` where it is not in the file.
    pub fn chunk(&self, role: Role, row_group: usize) -> Option<&ChunkMeta> {
        let Some(ColumnLocation::Leaf(at)) = self.found.get(role as usize)? else { return None };
        self.meta.row_groups.get(row_group)?.chunks.get(*at)
    }
}

/// What keeps the rows from being checked, file by file.
pub fn problems(job: &Job, files: &[RawFile<'_>]) -> Vec<Violation> {
    let mut problems = Vec::new();
    let first = files.iter().find(|file| file.meta.rows > 0);
    for file in files {
        let mut add = |role: Role, text: String| {
            problems.push(Violation {
                file: Some(file.input.object.name().clone()),
                row: None,
                value: format!("{}: {text}", role.column(job)),
            });
        };
        for (role, text) in &file.problems {
            add(*role, text.clone());
        }
        if let Some(first) = first
            && first.problems.is_empty()
            && file.problems.is_empty()
            && file.meta.rows > 0
            && first.value_type != file.value_type
        {
            add(Role::Value, format!("{}, but {} in the first file", file.value_type, first.value_type));
        }
    }
    problems
}
