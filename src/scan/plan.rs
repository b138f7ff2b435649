//! From an input to the columns of its row groups.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::classes::TimeCoding;
use crate::ids::column::{Column, ColumnSource};
use crate::ids::values::ValueType;
use crate::parquet::{ChunkMeta, FileMeta, Leaf, Logical, Physical, RowGroupMeta, footer};
use crate::storage::{Input, Object};
use crate::{Error, Grain, Job, Result, Semantics};

/// Where a column of the job is found in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnLocation {
    /// A leaf column, by its number.
    Leaf(usize),
    /// A hive partition value of the file's path.
    Partition(Option<String>),
}

impl ColumnLocation {
    /// Where the column is in a row group of the file.
    pub fn source<'p>(&'p self, meta: &'p FileMeta, row_group: &'p RowGroupMeta) -> Result<ColumnSource<'p>> {
        match self {
            ColumnLocation::Partition(value) => Ok(ColumnSource::Path(value.as_deref())),
            ColumnLocation::Leaf(at) => match (meta.leaves.get(*at), row_group.chunks.get(*at)) {
                // LogicalTypes.md, "UNKNOWN (always null)": no page of it needs to be read.
                (Some(Leaf { logical: Logical::Null, .. }), _) => Ok(ColumnSource::Path(None)),
                (Some(leaf), Some(chunk)) => Ok(ColumnSource::Chunk(leaf, chunk)),
                _ => Err(Error::internal("no such column chunk")),
            },
        }
    }
}

/// A file, opened: its footer and where the job's columns are.
pub struct FilePlan<'a> {
    /// The file.
    pub input: &'a Input,
    /// Its bytes: those of `input`, or a copy of them.
    pub object: &'a dyn Object,
    /// Its footer.
    pub meta: Arc<FileMeta>,
    system: ColumnLocation,
    country: ColumnLocation,
    time: ColumnLocation,
    channel: ColumnLocation,
    value: ColumnLocation,
    date: Option<ColumnLocation>,
    /// The number type of its value column.
    pub value_type: ValueType,
    /// The physical type of its value column.
    pub value_physical: Physical,
    /// How its time column stores points in time.
    pub time_coding: TimeCoding,
    /// How its date column stores dates, where legacy semantics need it.
    pub date_coding: TimeCoding,
    /// Whether the first bytes of a file that is far away have been looked at.
    pub(super) head_read: AtomicBool,
}

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

impl Columns<'_> {
    /// Pages of all columns.
    pub fn pages(&self) -> u64 {
        [&self.system, &self.country, &self.time, &self.channel, &self.value]
            .into_iter()
            .chain(&self.date)
            .filter_map(|column| column.chunk().map(|chunk| chunk.pages()))
            .sum()
    }
}

impl<'a> FilePlan<'a> {
    /// Reads the footer, finds the columns, and says that all of them are going to be read.
    pub fn open(job: &Job, input: &'a Input) -> Result<Self> {
        Self::open_in(job, input, input.object.as_ref())
    }

    /// Reads the footer and finds the columns.
    pub fn read_footer(job: &Job, input: &'a Input) -> Result<Self> {
        let meta = footer::read(input.object.as_ref()).map_err(|e| e.in_file(input.object.name()))?;
        Self::with_footer(job, input, Arc::new(meta))
    }

    /// As [`Self::open`], of bytes that are those of `input`.
    pub fn open_in(job: &Job, input: &'a Input, object: &'a dyn Object) -> Result<Self> {
        let meta = footer::read(object).map_err(|e| e.in_file(object.name()))?;
        let plan = Self::of(job, input, object, Arc::new(meta))?;
        super::prefetch::row_groups(job, &plan, 0..plan.meta.row_groups.len());
        Ok(plan)
    }

    /// Finds the columns in a footer that was read before.
    pub fn with_footer(job: &Job, input: &'a Input, meta: Arc<FileMeta>) -> Result<Self> {
        Self::of(job, input, input.object.as_ref(), meta)
    }

    fn of(job: &Job, input: &'a Input, object: &'a dyn Object, meta: Arc<FileMeta>) -> Result<Self> {
        Self::find_columns(job, input, object, meta).map_err(|e| e.in_file(object.name()))
    }

    fn find_columns(
        job: &Job,
        input: &'a Input,
        object: &'a dyn Object,
        meta: Arc<FileMeta>,
    ) -> Result<Self> {
        if meta.rows == 0 {
            return Ok(Self::without_rows(job, input, object, meta));
        }
        let find = |column: &str| find(&meta, input, column);
        let strings = |column: &str| -> Result<ColumnLocation> {
            let found = find(column)?;
            if let Some(leaf) = leaf_of(&meta, &found) {
                check_string(leaf).map_err(|e| e.in_column(column))?;
            }
            Ok(found)
        };
        let columns = &job.columns;
        let value = find(&columns.value)?;
        let Some(value_leaf) = leaf_of(&meta, &value) else {
            return Err(Error::data("the value is a hive partition of the path")
                .expected("a numeric column in the file")
                .in_column(&columns.value));
        };
        let value_physical = value_leaf.physical;
        let value_type = ValueType::of(value_leaf).map_err(|e| e.in_column(&columns.value))?;
        if value_type == ValueType::Null && job.semantics == Semantics::Iso {
            return Err(Error::data("the values have the null type")
                .expected("a number: integer, float, double or decimal")
                .in_column(&columns.value));
        }
        let date_coding_of = |found: &ColumnLocation| match leaf_of(&meta, found) {
            Some(leaf) => TimeCoding::of_date(leaf).map_err(|e| e.in_column(&columns.start_date)),
            None => Ok(TimeCoding::Text),
        };
        let (time, time_coding) = match job.grain {
            Grain::Week => (strings(&columns.year_week)?, TimeCoding::Label),
            Grain::Day => {
                let found = find(&columns.start_date)?;
                let coding = date_coding_of(&found)?;
                (found, coding)
            }
        };
        let date = match job.semantics {
            Semantics::Iso => None,
            Semantics::Legacy => Some(find(&columns.start_date)?),
        };
        let date_coding = date.as_ref().map_or(Ok(TimeCoding::Text), date_coding_of)?;
        Ok(FilePlan {
            input,
            object,
            system: strings(&columns.os_name)?,
            country: strings(&columns.country)?,
            channel: strings(&columns.name)?,
            time,
            value,
            date,
            value_type,
            value_physical,
            time_coding,
            date_coding,
            head_read: AtomicBool::new(false),
            meta,
        })
    }

    /// A file of no rows: its columns may be missing, or be of any type.
    fn without_rows(job: &Job, input: &'a Input, object: &'a dyn Object, meta: Arc<FileMeta>) -> Self {
        let nowhere = || ColumnLocation::Partition(None);
        FilePlan {
            input,
            object,
            system: nowhere(),
            country: nowhere(),
            time: nowhere(),
            channel: nowhere(),
            value: nowhere(),
            date: (job.semantics == Semantics::Legacy).then(nowhere),
            value_type: ValueType::Null,
            value_physical: Physical::Double,
            time_coding: TimeCoding::Text,
            date_coding: TimeCoding::Text,
            head_read: AtomicBool::new(false),
            meta,
        }
    }

    /// Where the operating system is found.
    pub fn system(&self) -> &ColumnLocation {
        &self.system
    }

    /// Walks the pages of a row group's columns.
    pub fn columns<'p>(&'p self, row_group: &'p RowGroupMeta) -> Result<Columns<'p>> {
        let needed = [&self.system, &self.country, &self.time, &self.channel, &self.value];
        let places: Vec<ColumnSource<'p>> = (needed.into_iter().chain(&self.date))
            .map(|found| found.source(&self.meta, row_group))
            .collect::<Result<_>>()?;
        let mut columns = Column::open_all(self.object, &places, row_group.rows)?.into_iter();
        let mut next = || columns.next().ok_or_else(|| Error::internal("a column that was not opened"));
        Ok(Columns {
            system: next()?,
            country: next()?,
            time: next()?,
            channel: next()?,
            value: next()?,
            date: self.date.as_ref().map(|_| next()).transpose()?,
        })
    }

    /// The needed column chunks.
    pub fn chunks<'m>(&self, row_group: &'m RowGroupMeta) -> impl Iterator<Item = &'m ChunkMeta> {
        [&self.system, &self.country, &self.time, &self.channel, &self.value]
            .into_iter()
            .chain(&self.date)
            .filter_map(|found| match found {
                ColumnLocation::Leaf(at) => row_group.chunks.get(*at),
                ColumnLocation::Partition(_) => None,
            })
    }

    /// Their stored bytes, for progress.
    pub fn needed_bytes(&self, row_group: &RowGroupMeta) -> u64 {
        self.chunks(row_group).map(|chunk| chunk.compressed_len).sum()
    }
}

pub(crate) fn leaf_of<'m>(meta: &'m FileMeta, found: &ColumnLocation) -> Option<&'m Leaf> {
    match found {
        ColumnLocation::Leaf(at) => meta.leaves.get(*at),
        ColumnLocation::Partition(_) => None,
    }
}

pub(crate) fn check_string(leaf: &Leaf) -> Result<()> {
    let string = match leaf.logical {
        // Columns of nulls only have any physical type: pandas and pyarrow write INT32.
        Logical::Null => true,
        Logical::None | Logical::String | Logical::Enum | Logical::Json => {
            leaf.physical == Physical::ByteArray
        }
        _ => false,
    };
    if string {
        return Ok(());
    }
    Err(Error::data(format!("the values are {:?} ({:?})", leaf.physical, leaf.logical))
        .expected("strings")
        .advice("Name another column with --column ROLE=NAME"))
}

/// Finds a column by its name: exactly, or else without regard to case, as
/// Spark does. A partition value in the path wins over a column in the file.
pub(crate) fn find(meta: &FileMeta, input: &Input, column: &str) -> Result<ColumnLocation> {
    let same = |name: &str| is_alike(name, column);
    let partition = input
        .partitions
        .iter()
        .find(|(key, _)| key == column)
        .or_else(|| input.partitions.iter().find(|(key, _)| same(key)));
    if let Some((_, value)) = partition {
        return Ok(ColumnLocation::Partition(value.clone()));
    }
    fn top(leaf: &Leaf) -> &str {
        leaf.path.first().map_or("", |name| name)
    }
    let flat = || meta.leaves.iter().enumerate().filter(|(_, leaf)| leaf.path.len() == 1);
    let mut exact = flat().filter(|(_, leaf)| top(leaf) == column);
    match (exact.next(), exact.next()) {
        (Some((at, _)), None) => return Ok(ColumnLocation::Leaf(at)),
        (Some(_), Some(_)) => {
            return Err(Error::data(format!("two columns are called '{column}'"))
                .expected("one")
                .advice("Export the file with one name for each column"));
        }
        (None, _) => {}
    }
    let mut alike = flat().filter(|(_, leaf)| same(top(leaf)));
    match (alike.next(), alike.next()) {
        (Some((at, _)), None) => Ok(ColumnLocation::Leaf(at)),
        (Some((_, a)), Some((_, b))) => Err(Error::data(format!("columns '{}' and '{}'", top(a), top(b)))
            .expected(format!("one column that is called '{column}' but for case"))),
        (None, _) => {
            let mut names: Vec<&str> = meta.leaves.iter().map(top).collect();
            names.dedup();
            Err(Error::data(format!("no column '{column}'"))
                .expected(format!("it among {}", names.join(", ")))
                .advice("Name it with --column ROLE=NAME if it is called otherwise"))
        }
    }
}

/// Whether two names are the same but for case.
fn is_alike(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() {
        a.eq_ignore_ascii_case(b)
    } else {
        a.to_lowercase() == b.to_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::is_alike;

    #[test]
    fn names_are_alike_but_for_case_beyond_ascii_too() {
        assert!(is_alike("Os_Name", "oS_nAME") && is_alike("PAÍS", "país"));
        // The sign for kelvin is a capital k.
        assert!(is_alike("\u{212a}ey", "key") && is_alike("key", "\u{212a}EY"));
        assert!(!is_alike("key", "keys") && !is_alike("pais", "país"));
    }
}
