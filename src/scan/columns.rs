//! The columns that a job sums.

use crate::dataset::{OpenFile, Role};
use crate::ids::column::{Column, ColumnSource};
use crate::ids::values::ValueType;
use crate::parquet::{ChunkMeta, RowGroupMeta};
use crate::scan::classes::TimeCoding;
use crate::storage::{Input, Object};
use crate::{Error, Grain, Job, Result, Semantics};

/// The columns of one row group.
pub struct Columns<'a> {
    /// Operating system.
    pub system: Column<'a>,
    /// Country.
    pub country: Column<'a>,
    /// Week label or date.
    pub time: Column<'a>,
    /// Channel.
    pub channel: Column<'a>,
    /// Count of new users.
    pub value: Column<'a>,
    /// Date, where legacy semantics need it.
    pub date: Option<Column<'a>>,
}

impl<'a> Columns<'a> {
    /// Walks the page headers of a row group's columns.
    ///
    /// # Errors
    /// `Format` and `Unsupported` for damaged page headers and pages that cannot be read.
    pub fn open(job: &Job, file: &'a OpenFile<'_>, row_group: &'a RowGroupMeta) -> Result<Self> {
        let sources: Vec<ColumnSource<'a>> = roles(job)
            .map(|role| {
                let source = file.source(role, row_group)?;
                source.ok_or_else(|| Error::internal("a column that was not located"))
            })
            .collect::<Result<_>>()?;
        let mut columns = Column::open_all(file.object, &sources, row_group.rows)?.into_iter();
        let mut next = || columns.next().ok_or_else(|| Error::internal("a column that was not opened"));
        Ok(Columns {
            system: next()?,
            country: next()?,
            time: next()?,
            channel: next()?,
            value: next()?,
            date: (job.semantics == Semantics::Legacy).then(next).transpose()?,
        })
    }

    /// Pages of all columns.
    pub fn pages(&self) -> u64 {
        [&self.system, &self.country, &self.time, &self.channel, &self.value]
            .into_iter()
            .chain(&self.date)
            .filter_map(|column| column.chunk().map(|chunk| chunk.pages()))
            .sum()
    }
}

/// The role of the column of points in time.
fn time_role(job: &Job) -> Role {
    match job.grain {
        Grain::Week => Role::Label,
        Grain::Day => Role::Date,
    }
}

/// The roles in the order of the fields of [`Columns`].
pub fn roles(job: &Job) -> impl Iterator<Item = Role> + use<> {
    let date = (job.semantics == Semantics::Legacy).then_some(Role::Date);
    [Role::System, Role::Country, time_role(job), Role::Channel, Role::Value].into_iter().chain(date)
}

/// How the column of points in time stores them.
pub fn time_coding(job: &Job, file: &OpenFile<'_>) -> TimeCoding {
    match job.grain {
        Grain::Week => TimeCoding::Label,
        Grain::Day => file.date_coding,
    }
}

/// Reads the footer and locates the columns.
///
/// # Errors
/// As of [`OpenFile::read_footer`]; `Data` for a missing column or one of a wrong type.
pub fn open<'a>(job: &Job, input: &'a Input) -> Result<OpenFile<'a>> {
    open_in(job, input, input.object.as_ref())
}

/// As [`open`], with an object that holds the bytes of `input`.
///
/// # Errors
/// As of [`open`].
pub fn open_in<'a>(job: &Job, input: &'a Input, object: &'a dyn Object) -> Result<OpenFile<'a>> {
    let mut file = OpenFile::read_footer(input, object)?;
    locate(job, &mut file)?;
    Ok(file)
}

/// Locates the columns of a file whose footer is known.
///
/// # Errors
/// `Data` for a missing column or one of a wrong type.
pub fn locate(job: &Job, file: &mut OpenFile<'_>) -> Result<()> {
    for_each_role(job, file.footer.rows, |role| {
        file.locate(job, role).map_err(|e| e.in_column(role.column(job)))?;
        check_value_type(job, file, role)
    })
    .map_err(|e| e.in_file(file.object.name()))
}

/// Checks that the columns of a file that was opened with all columns were located.
///
/// # Errors
/// As of [`locate`].
pub fn check_located(job: &Job, file: &OpenFile<'_>) -> Result<()> {
    for_each_role(job, file.footer.rows, |role| {
        file.check_located(job, role).map_err(|e| e.in_column(role.column(job)))?;
        check_value_type(job, file, role)
    })
    .map_err(|e| e.in_file(file.object.name()))
}

/// Calls `visit` for each role, in the order in which errors are reported. A file without rows may lack columns,
/// and its columns may be of any type.
fn for_each_role(job: &Job, rows: u64, visit: impl FnMut(Role) -> Result<()>) -> Result<()> {
    if rows == 0 {
        return Ok(());
    }
    let date = (job.semantics == Semantics::Legacy).then_some(Role::Date);
    [Role::Value, time_role(job)]
        .into_iter()
        .chain(date)
        .chain([Role::System, Role::Country, Role::Channel])
        .try_for_each(visit)
}

/// Fails for a value column of nulls only, which has no number type. Legacy semantics accept it.
fn check_value_type(job: &Job, file: &OpenFile<'_>, role: Role) -> Result<()> {
    if role == Role::Value && file.value_type == ValueType::Null && job.semantics == Semantics::Iso {
        return Err(Error::data("the values have the null type")
            .expected("a number: integer, float, double or decimal")
            .in_column(&job.columns.value));
    }
    Ok(())
}

/// The column chunks of a row group that the job needs.
pub fn chunks<'m>(
    job: &Job,
    file: &OpenFile<'_>,
    row_group: &'m RowGroupMeta,
) -> impl Iterator<Item = &'m ChunkMeta> {
    roles(job).filter_map(|role| file.chunk_in(role, row_group))
}

/// Stored bytes of the needed column chunks of a row group.
pub fn row_group_bytes(job: &Job, file: &OpenFile<'_>, row_group: &RowGroupMeta) -> u64 {
    chunks(job, file, row_group).map(|chunk| chunk.compressed_len).sum()
}

/// Stored bytes of the needed column chunks of a file.
pub fn file_bytes(job: &Job, file: &OpenFile<'_>) -> u64 {
    file.footer.row_groups.iter().map(|row_group| row_group_bytes(job, file, row_group)).sum()
}
