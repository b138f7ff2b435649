//! The columns that a job sums.

use std::borrow::Cow;
use std::sync::Arc;

use crate::dataset::{ColumnLocation, OpenFile};
use crate::ids::column::{Column, ColumnSource};
use crate::parquet::{ChunkMeta, RowGroupMeta};
use crate::profile::Question;
use crate::profile::question::TOTAL;
use crate::scan::classes::TimeCoding;
use crate::storage::{Input, Object};
use crate::{Error, Result};

/// The columns of one row group.
pub struct Columns<'a> {
    /// Conditions, in the question's order; total rows throughout where the file lacks an optional one.
    pub conditions: Vec<Column<'a>>,
    /// Keys, in the question's order.
    pub keys: Vec<Column<'a>>,
    /// The time.
    pub time: Column<'a>,
    /// The class.
    pub class: Column<'a>,
    /// The measure.
    pub measure: Column<'a>,
    /// The date, where legacy semantics need it.
    pub date: Option<Column<'a>>,
}

impl<'a> Columns<'a> {
    /// Walks the page headers of a row group's columns.
    ///
    /// # Errors
    /// `Format` and `Unsupported` for damaged page headers and pages that cannot be read.
    pub fn open(question: &Question, file: &'a OpenFile<'_>, row_group: &RowGroupMeta) -> Result<Self> {
        let mut sources: Vec<ColumnSource<'a, '_>> = Vec::new();
        let dimensions = question.conditions.len() + question.keys.len();
        for (at, location) in locations(question, file).enumerate() {
            sources.push(match location {
                Some(location) => location.source(&file.footer, row_group)?,
                // Rows of a file without the column of a dimension are total rows of it.
                None => ColumnSource::Path((at < dimensions).then_some(TOTAL)),
            });
        }
        let mut columns = Column::open_all(file.object, &sources, row_group.rows)?.into_iter();
        let mut next = || columns.next().ok_or_else(|| Error::internal("a column that was not opened"));
        let conditions = question.conditions.iter().map(|_| next()).collect::<Result<_>>()?;
        let keys = question.keys.iter().map(|_| next()).collect::<Result<_>>()?;
        let (time, class, mut measure) = (next()?, next()?, next()?);
        if question.job.profile.users.rows {
            measure = Column::Constant { value: Some(Cow::Owned(1i64.to_le_bytes().to_vec())) };
        }
        let date = question.needs_dates().then(next).transpose()?;
        Ok(Columns { conditions, keys, time, class, measure, date })
    }

    /// All columns.
    fn all(&self) -> impl Iterator<Item = &Column<'a>> {
        let rest = [&self.time, &self.class, &self.measure];
        self.conditions.iter().chain(&self.keys).chain(rest).chain(&self.date)
    }

    /// Pages of all columns.
    pub fn pages(&self) -> u64 {
        self.all().filter_map(|column| column.chunk().map(|chunk| chunk.pages())).sum()
    }

    /// The column at whose pages row ranges begin: the measure, or else the first one that is read.
    pub fn to_cut(&self) -> Option<&Column<'a>> {
        let is_chunk = |column: &&Column<'a>| column.chunk().is_some();
        Some(&self.measure)
            .filter(is_chunk)
            .or_else(|| Some(&self.time).filter(is_chunk))
            .or_else(|| self.all().find(is_chunk))
    }
}

/// The locations of the columns in the order of the fields of [`Columns`]; `None` for a column that the file lacks or
/// the question does not need.
fn locations<'f>(
    question: &Question,
    file: &'f OpenFile<'_>,
) -> impl Iterator<Item = Option<&'f ColumnLocation>> {
    let scan = file.scan.as_ref();
    let named = |name: &Arc<str>| scan.and_then(|scan| scan.column(name)?.location.as_ref());
    let conditions = question.conditions.iter().map(|c| named(&c.column));
    let keys = question.keys.iter().map(|c| named(&c.column));
    let rest = [
        scan.and_then(|scan| scan.time.as_ref()),
        scan.and_then(|scan| scan.class.as_ref()),
        scan.and_then(|scan| scan.measure.as_ref()),
    ];
    let date = question.needs_dates().then(|| scan.and_then(|scan| scan.date.as_ref()));
    conditions.chain(keys).chain(rest).chain(date).collect::<Vec<_>>().into_iter()
}

/// How the column of time stores times.
pub fn time_coding(file: &OpenFile<'_>) -> TimeCoding {
    file.scan.as_ref().and_then(|scan| scan.time_coding).unwrap_or(TimeCoding::Text)
}

/// Reads the footer and locates the columns.
///
/// # Errors
/// As of [`OpenFile::read_footer`]; `Data` for a missing column or one of a wrong type.
pub fn open<'a>(question: &Question, input: &'a Input) -> Result<OpenFile<'a>> {
    open_in(question, input, input.object.as_ref())
}

/// As [`open`], with an object that holds the bytes of `input`.
///
/// # Errors
/// As of [`open`].
pub fn open_in<'a>(question: &Question, input: &'a Input, object: &'a dyn Object) -> Result<OpenFile<'a>> {
    let mut file = OpenFile::read_footer(input, object)?;
    file.locate_question(question)?;
    Ok(file)
}

/// The column chunks of a row group that the job needs.
pub fn chunks<'m>(
    question: &Question,
    file: &OpenFile<'_>,
    row_group: &'m RowGroupMeta,
) -> Vec<&'m ChunkMeta> {
    let mut leaves: Vec<usize> = locations(question, file)
        .filter_map(|location| match location {
            Some(ColumnLocation::Leaf(at)) => Some(*at),
            _ => None,
        })
        .collect();
    let mut seen = Vec::new();
    leaves.retain(|at| {
        !seen.contains(at) && {
            seen.push(*at);
            true
        }
    });
    leaves.into_iter().filter_map(|at| row_group.chunks.get(at)).collect()
}

/// Stored bytes of the needed column chunks of a row group.
pub fn row_group_bytes(question: &Question, file: &OpenFile<'_>, row_group: &RowGroupMeta) -> u64 {
    chunks(question, file, row_group).iter().map(|chunk| chunk.compressed_len).sum()
}

/// Stored bytes of the needed column chunks of a file.
pub fn file_bytes(question: &Question, file: &OpenFile<'_>) -> u64 {
    file.footer.row_groups.iter().map(|row_group| row_group_bytes(question, file, &row_group)).sum()
}
