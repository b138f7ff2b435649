//! The columns of a range of rows, block by block: each distinct value is asked once what it means.

use std::ops::Range;
use std::sync::Arc;

use super::columns::{FileColumns, TextColumn};
use crate::checks::raw::RowRange;
use crate::checks::raw::rules::{Date, Label};
use crate::dataset::{ColumnLocation, OpenFile, prefetch};
use crate::ids::column::{Column, ColumnSource};
use crate::ids::cursor::{BlockKind, Cursor};
use crate::ids::values::{Number, ValueType};
use crate::parquet::{Physical, RowGroupMeta};
use crate::scan::by_row::number_of;
use crate::scan::classes::TimeRule;
use crate::{Error, Result};

/// The most rows of a block.
pub const BLOCK: u32 = 1024;
/// The most rows of a task.
const TASK_ROWS: u64 = 1 << 20;

/// Rows of a row group.
#[derive(Debug, Clone)]
pub struct TaskRows {
    /// Index of the file.
    pub file: usize,
    /// Number of the row group.
    pub row_group: usize,
    /// Rows of the row group.
    pub rows: Range<u64>,
    /// Rows of the file before the row group.
    pub before: u64,
}

/// Ranges of rows, cut into tasks.
pub fn tasks(ranges: &[RowRange]) -> Vec<TaskRows> {
    let mut tasks = Vec::new();
    for RowRange { file, row_group, rows, before, .. } in ranges {
        let mut start = rows.start;
        while start < rows.end {
            let end = if rows.end - start < 2 * TASK_ROWS { rows.end } else { start + TASK_ROWS };
            tasks.push(TaskRows { file: *file, row_group: *row_group, rows: start..end, before: *before });
            start = end;
        }
    }
    tasks
}

impl TaskRows {
    /// The row group.
    pub fn meta(&self, file: &OpenFile<'_>) -> Result<RowGroupMeta> {
        file.footer.row_groups.get(self.row_group).ok_or_else(|| Error::internal("no such row group"))
    }

    /// Announces the bytes of the tasks' columns in remote files; of all columns if `all`.
    pub fn announce(tasks: &[TaskRows], files: &[OpenFile<'_>], columns: &[Arc<FileColumns>], all: bool) {
        // Tasks are in the order of their files.
        for of_file in tasks.chunk_by(|a, b| a.file == b.file) {
            let file = of_file.first().map(|task| task.file);
            let found = file.and_then(|at| files.get(at).zip(columns.get(at)));
            if let Some((file, columns)) = found.filter(|(file, _)| file.object.is_remote()) {
                let ranges = of_file.iter().flat_map(|task| task.bytes(file, columns, all));
                prefetch::announce(file, ranges.collect());
            }
        }
    }

    /// Releases what was announced for the task.
    pub fn evict(&self, file: &OpenFile<'_>, columns: &FileColumns, all: bool) {
        if file.object.is_remote() {
            file.object.evict(&self.bytes(file, columns, all));
        }
    }

    fn bytes(&self, file: &OpenFile<'_>, columns: &FileColumns, all: bool) -> Vec<Range<u64>> {
        let Ok(meta) = self.meta(file) else { return Vec::new() };
        let chunks = if all { meta.chunks.iter().collect() } else { columns.chunks(&meta) };
        chunks.iter().map(|chunk| chunk.bytes()).filter(|range| !range.is_empty()).collect()
    }

    /// Adds the place to an error.
    pub fn locate(&self, error: Error, file: &OpenFile<'_>) -> Error {
        error.in_row_group(self.row_group).in_file(file.input.object.name())
    }
}

/// The columns of a row group.
pub struct GroupColumns<'a> {
    /// Those of conditions.
    pub conditions: Vec<Column<'a>>,
    /// Those of dimensions; total rows, or null, throughout where the file lacks an optional one.
    pub dimensions: Vec<Column<'a>>,
    /// The channel.
    pub channel: Column<'a>,
    /// The label; null throughout where it is not used.
    pub label: Column<'a>,
    /// The date; null throughout where there is none.
    pub date: Column<'a>,
    /// The number of users; null throughout where each row is a user.
    pub users: Column<'a>,
}

impl<'a> GroupColumns<'a> {
    /// Opens the columns of a row group.
    ///
    /// # Errors
    /// For damaged page headers and pages that cannot be read.
    pub fn open(columns: &'a FileColumns, file: &'a OpenFile<'_>, meta: &RowGroupMeta) -> Result<Self> {
        let rest = [
            columns.channel.as_ref(),
            columns.label.as_ref(),
            columns.date.as_ref().map(|(location, _)| location),
            columns.users.as_ref().map(|(location, ..)| location),
        ];
        let source = |location: Option<&'a ColumnLocation>, absent: Option<&'a str>| match location {
            Some(location) => location.source(&file.footer, meta),
            None => Ok(ColumnSource::Path(absent)),
        };
        let text = |column: &'a TextColumn| source(column.location.as_ref(), column.absent);
        let texts = columns.conditions.iter().chain(&columns.dimensions).map(text);
        let sources: Vec<ColumnSource<'a, '_>> =
            texts.chain(rest.into_iter().map(|location| source(location, None))).collect::<Result<_>>()?;
        let mut opened = Column::open_all(file.object, &sources, meta.rows)?.into_iter();
        let mut next = || opened.next().ok_or_else(|| Error::internal("a column that was not opened"));
        Ok(GroupColumns {
            conditions: columns.conditions.iter().map(|_| next()).collect::<Result<_>>()?,
            dimensions: columns.dimensions.iter().map(|_| next()).collect::<Result<_>>()?,
            channel: next()?,
            label: next()?,
            date: next()?,
            users: next()?,
        })
    }
}

/// The columns of a range of rows, with meanings of dimensions and of the channel.
pub struct Lanes<'a, D, C> {
    /// Whether rows meet the conditions.
    pub conditions: Vec<Lane<'a, bool>>,
    /// By dimension.
    pub dimensions: Vec<Lane<'a, D>>,
    /// The channel.
    pub channel: Lane<'a, C>,
    /// The label.
    pub label: Lane<'a, Label>,
    /// The date.
    pub date: Lane<'a, Date>,
    /// The users.
    pub users: UsersLane<'a>,
}

impl<'a, D: Copy, C: Copy> Lanes<'a, D, C> {
    /// The columns of rows of a row group.
    ///
    /// # Errors
    /// If a dictionary cannot be read.
    pub fn open(
        group: &'a GroupColumns<'a>,
        columns: &FileColumns,
        rows: &Range<u64>,
        time: &'a TimeRule<'a>,
    ) -> Result<Self> {
        let date = Lane::<Date>::open(&group.date, rows)?.cursor;
        let date = Lane::of(if time.is_by_day() { date.by_day(time)? } else { date });
        let value = columns.users.as_ref().map_or((Physical::Int64, ValueType::Null), |(_, a, b)| (*a, *b));
        Ok(Lanes {
            conditions: group.conditions.iter().map(|of| Lane::open(of, rows)).collect::<Result<_>>()?,
            dimensions: group.dimensions.iter().map(|of| Lane::open(of, rows)).collect::<Result<_>>()?,
            channel: Lane::open(&group.channel, rows)?,
            label: Lane::open(&group.label, rows)?,
            date,
            users: UsersLane::open(&group.users, rows, value.0, value.1)?,
        })
    }

    /// The rows, at most `left` and [`BLOCK`], that the current pages of all columns have.
    ///
    /// # Errors
    /// For pages that cannot be read.
    pub fn rows_of_block(&mut self, left: u64) -> Result<u32> {
        let mut rows = u32::try_from(left).unwrap_or(BLOCK).min(BLOCK);
        for lane in &mut self.conditions {
            rows = lane.rows_in_page(rows)?;
        }
        for lane in &mut self.dimensions {
            rows = lane.rows_in_page(rows)?;
        }
        rows = self.channel.rows_in_page(rows)?;
        rows = self.label.rows_in_page(rows)?;
        rows = self.date.rows_in_page(rows)?;
        self.users.rows_in_page(rows)
    }
}

/// A column as the meanings of its values.
pub struct Lane<'a, T> {
    /// The position in the column.
    pub cursor: Cursor<'a>,
    /// By value id.
    pub meanings: Vec<T>,
    /// The value ids of the block, and the same before they were widened.
    pub ids: Vec<u32>,
    narrow: Vec<u16>,
}

impl<'a, T: Copy> Lane<'a, T> {
    /// A lane over the rows of a column.
    ///
    /// # Errors
    /// If the dictionary cannot be read.
    pub fn open(column: &'a Column<'a>, rows: &Range<u64>) -> Result<Self> {
        let mut cursor = Cursor::new(column, rows.start, false, Vec::new(), None)?;
        cursor.look_ahead(rows.end, Vec::new());
        Ok(Self::of(cursor))
    }

    /// A lane of a cursor.
    pub fn of(cursor: Cursor<'a>) -> Self {
        Lane { cursor, meanings: Vec::new(), ids: Vec::new(), narrow: Vec::new() }
    }

    /// Rows of the current page, at most `most`.
    ///
    /// # Errors
    /// If a page cannot be read.
    pub fn rows_in_page(&mut self, most: u32) -> Result<u32> {
        self.cursor.load_page()?;
        self.cursor.rows_in_page(most)
    }

    /// Reads the next rows, all of one page; `meaning` is asked for values that are new.
    ///
    /// # Errors
    /// If the rows cannot be read, or of `meaning`.
    pub fn read(&mut self, rows: u32, mut meaning: impl FnMut(Option<&[u8]>) -> Result<T>) -> Result<()> {
        self.ids.resize(rows as usize, 0);
        // The vector path unpacks ids of 16 bits. All rows are of one page.
        if self.cursor.load_page()? == BlockKind::Ids16 {
            self.narrow.resize(rows as usize, 0);
            self.cursor.read_ids16(&mut self.narrow)?;
            self.ids.iter_mut().zip(&self.narrow).for_each(|(id, narrow)| *id = u32::from(*narrow));
        } else {
            self.cursor.read_ids32(&mut self.ids)?;
        }
        let known = u32::try_from(self.meanings.len()).unwrap_or(u32::MAX);
        for id in known..self.cursor.entries.id_count() {
            self.meanings.push(meaning(self.cursor.entries.get(id))?);
        }
        Ok(())
    }

    /// The meaning of a row of the block.
    #[inline]
    pub fn get(&self, row: usize) -> Option<T> {
        self.meanings.get(*self.ids.get(row)? as usize).copied()
    }

    /// The stored value of a row of the block.
    pub fn raw(&self, row: usize) -> Option<&[u8]> {
        self.cursor.entries.get(*self.ids.get(row)?)
    }
}

/// The numbers of users.
pub struct UsersLane<'a> {
    /// Their numbers by value id, where they are no bits.
    pub lane: Lane<'a, Number>,
    bits: Vec<Option<u64>>,
    /// Whether the rows of the block are bits.
    pub is_bits: bool,
    physical: Physical,
    value_type: ValueType,
}

impl<'a> UsersLane<'a> {
    /// A lane over the rows of a column of numbers.
    ///
    /// # Errors
    /// If the dictionary cannot be read.
    pub fn open(
        column: &'a Column<'a>,
        rows: &Range<u64>,
        physical: Physical,
        value_type: ValueType,
    ) -> Result<Self> {
        let mut cursor = Cursor::new(column, rows.start, true, Vec::new(), None)?;
        cursor.look_ahead(rows.end, Vec::new());
        Ok(UsersLane { lane: Lane::of(cursor), bits: Vec::new(), is_bits: false, physical, value_type })
    }

    /// As of [`Lane::rows_in_page`].
    ///
    /// # Errors
    /// If a page cannot be read.
    pub fn rows_in_page(&mut self, most: u32) -> Result<u32> {
        self.lane.rows_in_page(most)
    }

    /// Reads the next rows, all of one page.
    ///
    /// # Errors
    /// If the rows cannot be read.
    pub fn read(&mut self, rows: u32) -> Result<()> {
        self.is_bits = self.lane.cursor.load_page()? == BlockKind::Numbers;
        if self.is_bits {
            self.bits.resize(rows as usize, None);
            return self.lane.cursor.read_bits(&mut self.bits);
        }
        let (physical, value_type) = (self.physical, self.value_type);
        self.lane.read(rows, |raw| raw.map_or(Ok(Number::Null), |raw| value_type.number(physical, raw)))
    }

    /// The number of a row of the block.
    #[inline]
    pub fn get(&self, row: usize) -> Number {
        if self.is_bits {
            let bits = self.bits.get(row).copied().flatten();
            return bits.map_or(Number::Null, |bits| number_of(self.value_type, self.physical, bits));
        }
        self.lane.get(row).unwrap_or(Number::Null)
    }
}

/// 10^scale of a decimal, else 1.
pub fn unit(value_type: ValueType) -> i128 {
    match value_type {
        ValueType::Decimal { scale, .. } => {
            u32::try_from(scale).ok().and_then(|scale| 10i128.checked_pow(scale)).unwrap_or(i128::MAX)
        }
        _ => 1,
    }
}

/// A number of users as a double; 0 where it adds nothing.
#[allow(clippy::cast_precision_loss)] // compared within a tolerance
pub fn users_of(number: Number, unit: i128) -> f64 {
    let value = match number {
        Number::Small(value) => value as f64,
        Number::Big(value) => value as f64,
        Number::Real(value) => value,
        Number::Nan | Number::Infinite(_) | Number::Null => return 0.0,
    };
    if unit == 1 { value } else { value / unit as f64 }
}
